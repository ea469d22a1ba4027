/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * datapath/bpf/sock.bpf.c - socket load balancing: a ClusterIP becomes a backend when a socket
 * connects or sends, so that no packet needs translating. Attached to the node's cgroup.
 */
#include "datapath/bpf/sock.h"

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	return sock_translate(ctx, ctx->protocol == IPPROTO_UDP);
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *ctx)
{
	return sock_translate(ctx, 1);
}

SEC("cgroup/recvmsg4")
int recvmsg4(struct bpf_sock_addr *ctx)
{
	sock_untranslate(ctx);
	return 1;
}

SEC("cgroup/getpeername4")
int getpeername4(struct bpf_sock_addr *ctx)
{
	sock_untranslate(ctx);
	return 1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
