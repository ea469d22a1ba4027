/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/net/sock_end.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <string.h>

#include "lib/base/alloc.h"

struct net_sock_ends {
	struct mnl_socket *sock;
};

int net_sock_ends_open(struct net_sock_ends **ret_ends, struct error *err)
{
	struct net_sock_ends *ends = xcalloc(1, sizeof(*ends));
	unsigned groups = 1u << (SKNLGRP_INET_TCP_DESTROY - 1);

	ends->sock = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!ends->sock || mnl_socket_bind(ends->sock, groups, MNL_SOCKET_AUTOPID) < 0) {
		int r = error_errno(err, -errno, "listen for the ends of sockets");

		net_sock_ends_close(ends);
		return r;
	}
	*ret_ends = ends;
	return 0;
}

int net_sock_ends_fd(const struct net_sock_ends *ends)
{
	return mnl_socket_get_fd(ends->sock);
}

static struct net_addr address(int family, const void *bytes)
{
	struct net_addr a = {.family = (uint8_t)family};

	memcpy(a.bytes, bytes, family == AF_INET ? 4 : 16);
	return net_addr_unmap(&a);
}

struct reading {
	void (*each)(void *arg, const struct net_sock_end *end);
	void *arg;
};

static int on_message(const struct nlmsghdr *nlh, void *data)
{
	const struct inet_diag_msg *m = mnl_nlmsg_get_payload(nlh);
	const struct reading *r = data;
	struct net_sock_end end;

	if (nlh->nlmsg_type != SOCK_DIAG_BY_FAMILY || mnl_nlmsg_get_payload_len(nlh) < sizeof(*m) ||
	    (m->idiag_family != AF_INET && m->idiag_family != AF_INET6))
		return MNL_CB_OK;
	end = (struct net_sock_end){
		.cookie = (uint64_t)m->id.idiag_cookie[1] << 32 | m->id.idiag_cookie[0],
		.local = address(m->idiag_family, m->id.idiag_src),
		.peer = address(m->idiag_family, m->id.idiag_dst),
		.local_port = ntohs(m->id.idiag_sport),
		.peer_port = ntohs(m->id.idiag_dport),
	};
	r->each(r->arg, &end);
	return MNL_CB_OK;
}

int net_sock_ends_read(struct net_sock_ends *ends,
		       void (*each)(void *arg, const struct net_sock_end *end), void *arg,
		       struct error *err)
{
	struct reading reading = {each, arg};
	_Alignas(struct nlmsghdr) char buf[16384];
	ssize_t n;

	while ((n = mnl_socket_recvfrom(ends->sock, buf, sizeof(buf))) > 0)
		mnl_cb_run(buf, (size_t)n, 0, 0, on_message, &reading);
	if (n < 0 && errno != EAGAIN)
		return error_errno(err, -errno, "read the ends of sockets");
	return 0;
}

void net_sock_ends_close(struct net_sock_ends *ends)
{
	if (ends && ends->sock)
		mnl_socket_close(ends->sock);
	free(ends);
}
