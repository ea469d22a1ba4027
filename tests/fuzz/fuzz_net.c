/* SPDX-License-Identifier: Apache-2.0 */
/* Lines as addresses, blocks, ports; what parses prints as something that parses to the same. */
#include <stdio.h>
#include <string.h>

#include "lib/net/cidr.h"
#include "lib/net/port.h"
#include "tests/fuzz/fuzz.h"

static void check_line(const char *line, struct net_cidr_set *set)
{
	struct net_addr a, a2;
	struct net_cidr c, c2;
	struct net_ports p, p2;
	struct net_mac m, m2;
	uint16_t port, port2;
	char text[NET_ADDR_PORT_SIZE];

	if (net_addr_parse(line, &a, NULL) == 0)
		fuzz_check(net_addr_parse(net_addr_format(&a, text), &a2, NULL) == 0 &&
			   net_addr_equal(&a, &a2));
	if (net_addr_port_parse(line, &a, &port, NULL) == 0)
		fuzz_check(net_addr_port_parse(net_addr_port_format(&a, port, text), &a2, &port2,
					       NULL) == 0 &&
			   net_addr_equal(&a, &a2) && port == port2);
	if (net_ports_parse(line, &p, NULL) == 0)
		fuzz_check(net_ports_parse(net_ports_format(&p, text), &p2, NULL) == 0 &&
			   p.first == p2.first && p.last == p2.last);
	if (net_mac_parse(line, &m, NULL) == 0)
		fuzz_check(net_mac_parse(net_mac_format(&m, text), &m2, NULL) == 0);
	if (net_cidr_parse(line, &c, NULL) < 0)
		return;
	fuzz_check(net_cidr_parse_strict(net_cidr_format(&c, text), &c2, NULL) == 0 &&
		   net_cidr_equal(&c, &c2));
	net_cidr_set_add(set, &c);
	fuzz_check(net_cidr_set_covers(set, &c));
	if (c.bits % 3 == 0) {
		net_cidr_set_remove(set, &c);
		fuzz_check(!net_cidr_set_contains(set, &c.addr));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct net_cidr_set set = {VEC_INIT};
	char line[80];

	for (size_t i = 0; i < n;) {
		size_t len = 0;

		while (i < n && data[i] != '\n' && len + 1 < sizeof(line))
			line[len++] = (char)data[i++];
		i += i < n && data[i] == '\n';
		line[len] = '\0';
		check_line(line, &set);
	}
	net_cidr_set_release(&set);
	return 0;
}
