/* SPDX-License-Identifier: Apache-2.0 */
/* lib/net/addr.h - addresses, IPv4 and IPv6 alike, and MAC addresses. Values; nothing to release.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lib/base/error.h"

/* Zeroed is "no address". Bytes are in network order; the unused twelve of IPv4 are zero. */
struct net_addr {
	uint8_t family; /* AF_INET, AF_INET6, or 0 */
	uint8_t bytes[16];
};

#define NET_ADDR_SIZE 46
/* Strict: no port, no brackets, no zone, no shortened IPv4, no leading zeros. -EINVAL. */
int net_addr_parse(const char *s, struct net_addr *ret_addr, struct error *err);
/* The canonical form (RFC 5952), "" for no address. Returns buf. */
char *net_addr_format(const struct net_addr *addr, char buf[NET_ADDR_SIZE]);
/* IPv4 before IPv6, then by number. */
int net_addr_cmp(const struct net_addr *a, const struct net_addr *b);
bool net_addr_equal(const struct net_addr *a, const struct net_addr *b);
bool net_addr_is_set(const struct net_addr *addr);
/* 32 or 128; 0 for no address. */
unsigned net_addr_bits(const struct net_addr *addr);
/* IPv4 from and to a number in host order. to_v4 of anything else is 0. */
struct net_addr net_addr_from_v4(uint32_t host_order);
uint32_t net_addr_to_v4(const struct net_addr *addr);
/* ::ffff:a.b.c.d becomes a.b.c.d; everything else stays. */
struct net_addr net_addr_unmap(const struct net_addr *addr);

/* "10.0.0.1:80", "[fd00::1]:80". -EINVAL. */
int net_addr_port_parse(const char *s, struct net_addr *ret_addr, uint16_t *ret_port,
			struct error *err);
#define NET_ADDR_PORT_SIZE 54
char *net_addr_port_format(const struct net_addr *addr, uint16_t port,
			   char buf[NET_ADDR_PORT_SIZE]);

socklen_t net_addr_to_sockaddr(const struct net_addr *addr, uint16_t port,
			       struct sockaddr_storage *out);
/* False for a family that is neither. ret_port may be NULL. */
bool net_addr_from_sockaddr(const struct sockaddr *sa, struct net_addr *ret_addr,
			    uint16_t *ret_port);

struct net_mac {
	uint8_t bytes[6];
};
#define NET_MAC_SIZE 18
int net_mac_parse(const char *s, struct net_mac *ret_mac, struct error *err);
char *net_mac_format(const struct net_mac *mac, char buf[NET_MAC_SIZE]);
