/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/net/port.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/str.h"

int net_ports_parse(const char *s, struct net_ports *ret_ports, struct error *err)
{
	const char *dash = strchr(s, '-');
	char left[8];
	uint64_t first, last;
	int r;

	if (dash && (size_t)(dash - s) >= sizeof(left))
		return error_set(err, -EINVAL, "\"%.20s\" is not a port range", s);
	snprintf(left, sizeof(left), "%.*s", dash ? (int)(dash - s) : 7, s);
	r = str_to_u64(dash ? left : s, 1, 65535, &first, "port", err);
	if (r < 0)
		return r;
	last = first;
	r = dash ? str_to_u64(dash + 1, 1, 65535, &last, "port", err) : 0;
	if (r < 0)
		return r;
	if (last < first)
		return error_set(err, -EINVAL, "\"%.20s\" ends before it begins", s);
	*ret_ports = (struct net_ports){(uint16_t)first, (uint16_t)last};
	return 0;
}

char *net_ports_format(const struct net_ports *ports, char buf[NET_PORTS_SIZE])
{
	if (ports->first == ports->last)
		snprintf(buf, NET_PORTS_SIZE, "%u", ports->first);
	else
		snprintf(buf, NET_PORTS_SIZE, "%u-%u", ports->first, ports->last);
	return buf;
}

size_t net_port_prefixes(uint16_t first, uint16_t last,
			 struct net_port_prefix out[NET_PORT_PREFIXES_MAX])
{
	uint32_t at = first;
	size_t n = 0;

	while (at <= last) {
		unsigned wild = 0;

		/* The widest block that begins here and ends in time. */
		while (wild < 16 && !(at & ((2u << wild) - 1)) && at + (2u << wild) - 1 <= last)
			wild++;
		out[n++] = (struct net_port_prefix){(uint16_t)at, (uint8_t)(16 - wild)};
		at += 1u << wild;
	}
	return n;
}
