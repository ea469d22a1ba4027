/* SPDX-License-Identifier: Apache-2.0 */
/* The socket: one question, the kernel's answer, its own words in the error. */
#include "lib/net/netlink.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/net/netns.h"
#include "lib/net/nl.h"

struct netlink {
	struct mnl_socket *sock;
	unsigned port, seq;
};

static int open_here(struct netlink *nl, struct error *err)
{
	int one = 1;

	nl->sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!nl->sock || mnl_socket_bind(nl->sock, 0, MNL_SOCKET_AUTOPID) < 0)
		return error_errno(err, -errno, "netlink socket");
	nl->port = mnl_socket_get_portid(nl->sock);
	/* Kernels without these only answer less precisely. */
	mnl_socket_setsockopt(nl->sock, NETLINK_EXT_ACK, &one, sizeof(one));
	mnl_socket_setsockopt(nl->sock, NETLINK_CAP_ACK, &one, sizeof(one));
	mnl_socket_setsockopt(nl->sock, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	return 0;
}

int netlink_open(int netns_fd, struct netlink **ret_nl, struct error *err)
{
	struct netlink *nl = xcalloc(1, sizeof(*nl));
	int back = -1, r = 0;

	if (netns_fd >= 0)
		r = netns_enter(netns_fd, &back, err);
	if (r == 0)
		r = open_here(nl, err);
	if (back >= 0)
		netns_leave(back);
	if (r < 0) {
		netlink_close(nl);
		return r;
	}
	*ret_nl = nl;
	return 0;
}

void netlink_close(struct netlink *nl)
{
	if (nl && nl->sock)
		mnl_socket_close(nl->sock);
	free(nl);
}

void *nl_begin(struct nl_request *rq, uint16_t type, uint16_t flags, size_t header_size)
{
	memset(rq->buf, 0, sizeof(rq->buf));
	rq->nlh = mnl_nlmsg_put_header(rq->buf);
	rq->nlh->nlmsg_type = type;
	rq->nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	return mnl_nlmsg_put_extra_header(rq->nlh, header_size);
}

struct answer {
	int code;
	char kernel_says[200];
	int (*each)(void *arg, const struct nlmsghdr *nlh);
	void *arg;
};

static int on_extack(const struct nlattr *attr, void *data)
{
	struct answer *an = data;

	if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
		snprintf(an->kernel_says, sizeof(an->kernel_says), "%.*s",
			 (int)mnl_attr_get_payload_len(attr), mnl_attr_get_str(attr));
	return MNL_CB_OK;
}

static int on_error(const struct nlmsghdr *nlh, void *data)
{
	struct answer *an = data;
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
	size_t skip = sizeof(*e);

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*e))
		return MNL_CB_STOP;
	an->code = e->error;
	if (e->error && (nlh->nlmsg_flags & NLM_F_ACK_TLVS)) {
		if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
			skip += e->msg.nlmsg_len - sizeof(struct nlmsghdr);
		mnl_attr_parse(nlh, (unsigned)skip, on_extack, an);
	}
	return MNL_CB_STOP;
}

static int on_data(const struct nlmsghdr *nlh, void *data)
{
	struct answer *an = data;

	an->code = an->each ? an->each(an->arg, nlh) : 0;
	return an->code < 0 ? MNL_CB_STOP : MNL_CB_OK;
}

static int on_done(const struct nlmsghdr *nlh, void *data)
{
	struct answer *an = data;

	/* A dump that failed says so in its last message. */
	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(int))
		memcpy(&an->code, mnl_nlmsg_get_payload(nlh), sizeof(int));
	return MNL_CB_STOP;
}

static int exchange(struct netlink *nl, struct nl_request *rq, struct answer *an)
{
	static mnl_cb_t controls[] = {[NLMSG_ERROR] = on_error, [NLMSG_DONE] = on_done};
	auto_free char *buf = xmalloc(65536);
	int run = MNL_CB_OK;

	rq->nlh->nlmsg_seq = ++nl->seq;
	if (mnl_socket_sendto(nl->sock, rq->nlh, rq->nlh->nlmsg_len) < 0)
		return -errno;
	while (run == MNL_CB_OK) {
		const ssize_t n = mnl_socket_recvfrom(nl->sock, buf, 65536);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		run = mnl_cb_run2(buf, (size_t)n, nl->seq, nl->port, on_data, an, controls,
				  ARRAY_SIZE(controls));
		/* A late answer to an earlier question. */
		if (run < 0 && errno == EPROTO)
			run = MNL_CB_OK;
	}
	return run < 0 ? -errno : an->code;
}

static int explain(struct error *err, int code, const struct answer *an, const char *what)
{
	if (an->kernel_says[0])
		return error_set(err, code, "%s: %s (%s)", what, an->kernel_says, strerror(-code));
	return error_errno(err, code, "%s", what);
}

int nl_ack(struct netlink *nl, struct nl_request *rq, struct error *err, const char *what, ...)
{
	struct answer an = {0};
	int r = exchange(nl, rq, &an);
	char text[200];
	va_list ap;

	if (r >= 0)
		return 0;
	va_start(ap, what);
	vsnprintf(text, sizeof(text), what, ap);
	va_end(ap);
	return explain(err, r, &an, text);
}

int nl_dump(struct netlink *nl, struct nl_request *rq,
	    int (*each)(void *arg, const struct nlmsghdr *nlh), void *arg, const char *what,
	    struct error *err)
{
	struct answer an = {.each = each, .arg = arg};
	int r = exchange(nl, rq, &an);

	return r < 0 ? explain(err, r, &an, what) : 0;
}

struct attr_table {
	const struct nlattr **tb;
	unsigned max;
};

static int on_attr(const struct nlattr *attr, void *data)
{
	const struct attr_table *t = data;

	if (mnl_attr_get_type(attr) <= t->max)
		t->tb[mnl_attr_get_type(attr)] = attr;
	return MNL_CB_OK;
}

void nl_attrs(const struct nlmsghdr *nlh, size_t header_size, const struct nlattr **tb,
	      unsigned max)
{
	struct attr_table t = {tb, max};

	memset(tb, 0, (max + 1) * sizeof(*tb));
	mnl_attr_parse(nlh, (unsigned)header_size, on_attr, &t);
}

struct wanted {
	uint16_t type;
	const struct nlattr *found;
};

static int on_nested(const struct nlattr *attr, void *data)
{
	struct wanted *w = data;

	if (mnl_attr_get_type(attr) != w->type)
		return MNL_CB_OK;
	w->found = attr;
	return MNL_CB_STOP;
}

const struct nlattr *nl_nested(const struct nlattr *nest, uint16_t type)
{
	struct wanted w = {type, NULL};

	if (nest)
		mnl_attr_parse_nested(nest, on_nested, &w);
	return w.found;
}

void nl_put_addr(struct nl_request *rq, uint16_t type, const struct net_addr *addr)
{
	mnl_attr_put(rq->nlh, type, net_addr_bits(addr) / 8, addr->bytes);
}

struct net_addr nl_get_addr(const struct nlattr *attr, int family)
{
	struct net_addr a = {0};
	const size_t n = attr ? mnl_attr_get_payload_len(attr) : 0;

	if ((family == AF_INET && n == 4) || (family == AF_INET6 && n == 16)) {
		a.family = (uint8_t)family;
		memcpy(a.bytes, mnl_attr_get_payload(attr), n);
	}
	return a;
}

void *nl_grow(struct arena *a, void **items, size_t *n, size_t *cap, size_t size)
{
	if (*n == *cap) {
		const size_t more = *cap ? *cap * 2 : 8;
		void *grown = arena_alloc_array(a, more, size);

		if (*n)
			memcpy(grown, *items, *n * size);
		*items = grown;
		*cap = more;
	}
	return (char *)*items + (*n)++ * size;
}
