/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/net/sock_destroy.h - UDP sockets of others, listed and ended through the kernel's socket
 * diagnosis (sock_diag(7); SOCK_DESTROY, Linux 4.5, CONFIG_INET_DIAG_DESTROY and
 * CONFIG_INET_UDP_DIAG).
 *
 * All of it concerns the network namespace of the calling thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"

/* A connected IPv4 socket; addresses and ports in network byte order. */
struct net_udp_socket {
	uint64_t cookie; /* SO_COOKIE */
	uint32_t local, peer;
	uint16_t local_port, peer_port;
};

/*
 * Ends every connected IPv4 UDP socket for which wanted(arg, socket) is true: its owner sees
 * ECONNABORTED. *ret_n is how many. One that its owner closed in between is not counted.
 * -EOPNOTSUPP where the kernel cannot, -EPERM without CAP_NET_ADMIN.
 */
int net_udp_destroy(bool (*wanted)(void *arg, const struct net_udp_socket *socket), void *arg,
		    size_t *ret_n, struct error *err);
