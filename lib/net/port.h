/* SPDX-License-Identifier: Apache-2.0 */
/* lib/net/port.h - ports, port ranges, and ranges as prefixes (for longest-prefix-match maps). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"

struct net_ports {
	uint16_t first, last; /* inclusive; 0..0 is "every port" where a policy says so */
};

/* "80" or "8000-8080"; 1..65535, first <= last. -EINVAL, -ERANGE. */
int net_ports_parse(const char *s, struct net_ports *ret_ports, struct error *err);
#define NET_PORTS_SIZE 12
char *net_ports_format(const struct net_ports *ports, char buf[NET_PORTS_SIZE]);

struct net_port_prefix {
	uint16_t port; /* host order, bits beyond the prefix zero */
	uint8_t bits;  /* 0..16 */
};
/* A range never needs more. */
#define NET_PORT_PREFIXES_MAX 30
/* The fewest prefixes that are exactly first..last. Returns how many. */
size_t net_port_prefixes(uint16_t first, uint16_t last,
			 struct net_port_prefix out[NET_PORT_PREFIXES_MAX]);
