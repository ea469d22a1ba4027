/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/net/sock_end.h - the kernel's word on TCP sockets that have come to their end.
 *
 * One message for every TCP socket of this network namespace that is destroyed, with the addresses
 * it really had: also of one that was refused, which getpeername() no longer tells, and behind what
 * rewrote the address at connect(). It comes a moment after close(). Needs no privilege.
 */
#pragma once

#include <stdint.h>

#include "lib/net/addr.h"

struct net_sock_end {
	uint64_t cookie; /* SO_COOKIE of the socket that was */
	struct net_addr local, peer;
	uint16_t local_port, peer_port; /* peer_port 0: forgotten */
};

struct net_sock_ends;
/* Listens in the namespace of the calling thread. */
int net_sock_ends_open(struct net_sock_ends **ret_ends, struct error *err);
/* Readable when there is news. Non-blocking. */
int net_sock_ends_fd(const struct net_sock_ends *ends);
/* Calls each(arg, end) for all there is. -ENOBUFS: some were lost; go on reading. */
int net_sock_ends_read(struct net_sock_ends *ends,
		       void (*each)(void *arg, const struct net_sock_end *end), void *arg,
		       struct error *err);
void net_sock_ends_close(struct net_sock_ends *ends);
