/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/net/sock_destroy.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <time.h>

#include "lib/base/macros.h"
#include "lib/base/vec.h"

#define TCP_ESTABLISHED_BIT (1U << 1) /* what a connected UDP socket calls itself */

struct listing {
	bool (*wanted)(void *arg, const struct net_udp_socket *socket);
	void *arg;
	VEC(struct inet_diag_sockid) found;
};

static int on_socket(const struct nlmsghdr *nlh, void *data)
{
	const struct inet_diag_msg *m = mnl_nlmsg_get_payload(nlh);
	struct listing *l = data;
	struct net_udp_socket s;

	if (nlh->nlmsg_type != SOCK_DIAG_BY_FAMILY || mnl_nlmsg_get_payload_len(nlh) < sizeof(*m) ||
	    m->idiag_family != AF_INET || !m->id.idiag_dport)
		return MNL_CB_OK;
	s = (struct net_udp_socket){
		.cookie = (uint64_t)m->id.idiag_cookie[1] << 32 | m->id.idiag_cookie[0],
		.local = m->id.idiag_src[0],
		.peer = m->id.idiag_dst[0],
		.local_port = m->id.idiag_sport,
		.peer_port = m->id.idiag_dport,
	};
	if (l->wanted(l->arg, &s))
		vec_push(&l->found, m->id);
	return MNL_CB_OK;
}

/* 0 or negative errno: the kernel's answer to what is in buf. */
static int ask(struct mnl_socket *sock, struct nlmsghdr *nlh, mnl_cb_t each, void *arg)
{
	_Alignas(struct nlmsghdr) char buf[32768];
	unsigned seq = nlh->nlmsg_seq, port = mnl_socket_get_portid(sock);
	int more = MNL_CB_OK;

	if (mnl_socket_sendto(sock, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	while (more == MNL_CB_OK) {
		ssize_t n = mnl_socket_recvfrom(sock, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		more = mnl_cb_run(buf, (size_t)n, seq, port, each, arg);
	}
	return more < 0 ? -errno : 0;
}

static struct nlmsghdr *request(void *buf, uint16_t type, uint16_t flags, unsigned seq,
				const struct inet_diag_sockid *id)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct inet_diag_req_v2 *rq;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = seq;
	rq = mnl_nlmsg_put_extra_header(nlh, sizeof(*rq));
	rq->sdiag_family = AF_INET;
	rq->sdiag_protocol = IPPROTO_UDP;
	rq->idiag_states = TCP_ESTABLISHED_BIT;
	if (id)
		rq->id = *id;
	return nlh;
}

static int destroy_found(struct mnl_socket *sock, const struct listing *l, size_t *ret_n)
{
	_Alignas(struct nlmsghdr) char buf[MNL_NLMSG_HDRLEN + sizeof(struct inet_diag_req_v2)];

	for (size_t i = 0; i < l->found.n; i++) {
		int r = ask(
			sock,
			request(buf, SOCK_DESTROY, NLM_F_ACK, (unsigned)i + 2, &l->found.items[i]),
			NULL, NULL);

		if (r == 0)
			(*ret_n)++;
		else if (r != -ENOENT) /* closed meanwhile */
			return r;
	}
	return 0;
}

int net_udp_destroy(bool (*wanted)(void *arg, const struct net_udp_socket *socket), void *arg,
		    size_t *ret_n, struct error *err)
{
	_Alignas(struct nlmsghdr) char buf[MNL_NLMSG_HDRLEN + sizeof(struct inet_diag_req_v2)];
	struct mnl_socket *sock = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	struct listing l = {.wanted = wanted, .arg = arg};
	size_t n = 0;
	int r;

	if (!sock || mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID) < 0)
		r = -errno;
	else
		r = ask(sock, request(buf, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, 1, NULL), on_socket,
			&l);
	if (!r)
		r = destroy_found(sock, &l, &n);
	vec_release(&l.found);
	if (sock)
		mnl_socket_close(sock);
	if (r)
		return error_errno(err, r, "end UDP sockets");
	*ret_n = n;
	return 0;
}
