/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * datapath/bpf/term.bpf.c - ends connected UDP sockets whose backend is gone. Nothing else would
 * tell their owners: there is no connection that could break, and connect() alone picks a backend.
 *
 * An iterator over the sockets of one network namespace, run by reading it there. A socket is ended
 * when it was load balanced (`sock_rev` knows it) to what is no backend of its frontend any more,
 * not even a terminating one. Each socket ended is one byte of output. Needs bpf_sock_destroy and
 * sockets under lock in UDP iterators: Linux 6.5.
 */
#include <linux/in.h>

#include "datapath/bpf/compiler.h"
#include "datapath/bpf/maps_sock.h"

#define AF_INET 2

/* What is read of the kernel's own structures; offsets are the running kernel's (CO-RE). */
#define KERNEL __attribute__((preserve_access_index))
struct sock_common {
	unsigned short skc_family;
	__be16 skc_dport;
	__be32 skc_daddr;
} KERNEL;
struct sock {
	struct sock_common __sk_common;
} KERNEL;
struct inet_sock {
	struct sock sk;
} KERNEL;
struct udp_sock {
	struct inet_sock inet;
} KERNEL;
struct seq_file;
struct bpf_iter_meta {
	struct seq_file *seq;
} KERNEL;
struct bpf_iter__udp {
	struct bpf_iter_meta *meta;
	struct udp_sock *udp_sk;
} KERNEL;

int bpf_sock_destroy(struct sock_common *sock) __ksym;

SEC("iter/udp")
int end_udp(struct bpf_iter__udp *ctx)
{
	struct sock *sk = (struct sock *)ctx->udp_sk;
	struct service_backend_key backend = {.service.proto = IPPROTO_UDP};
	struct sock_rev_key key = {0};
	struct service_backend *front;
	__u8 one = 1;

	if (!sk || sk->__sk_common.skc_family != AF_INET || !sk->__sk_common.skc_dport)
		return 0;
	key.cookie = bpf_get_socket_cookie(sk);
	key.backend.addr = sk->__sk_common.skc_daddr;
	key.backend.port = sk->__sk_common.skc_dport;
	front = bpf_map_lookup_elem(&sock_rev_v1, &key);
	if (!front)
		return 0;
	backend.service.addr = front->addr;
	backend.service.port = front->port;
	backend.backend = key.backend;
	if (bpf_map_lookup_elem(&svc_backend_v1, &backend))
		return 0;
	if (!bpf_sock_destroy((struct sock_common *)sk))
		bpf_seq_write(ctx->meta->seq, &one, sizeof(one));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
