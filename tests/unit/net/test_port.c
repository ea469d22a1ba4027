/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/net/port.h"

#include "tests/support/test.h"

TEST(ranges)
{
	static const char *const good[] = {"1", "80", "8000-8080", "65535", "1-65535"};
	static const char *const bad[] = {"",      "0",         "65536", "80-", "-80",
					  "90-80", "80-90-100", "http",  "8 0"};
	struct net_ports p;
	char text[NET_PORTS_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(net_ports_parse(good[i], &p, NULL), 0);
		assert_string_equal(net_ports_format(&p, text), good[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(net_ports_parse(bad[i], &p, NULL) < 0);
}

/* Every prefix lies in the range, they touch, and together they are the range. */
TEST(prefixes_are_exact)
{
	static const uint16_t edges[] = {0,    1,    2,     3,     79,    80,    443,
					 1023, 1024, 30000, 32767, 32768, 65534, 65535};
	struct net_port_prefix out[NET_PORT_PREFIXES_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(edges); i++) {
		for (size_t j = i; j < ARRAY_SIZE(edges); j++) {
			const size_t n = net_port_prefixes(edges[i], edges[j], out);
			uint32_t next = edges[i];

			assert_true(n >= 1 && n <= NET_PORT_PREFIXES_MAX);
			for (size_t k = 0; k < n; k++) {
				assert_int_equal(out[k].port, next);
				assert_int_equal(out[k].port & ((1u << (16 - out[k].bits)) - 1), 0);
				next += 1u << (16 - out[k].bits);
			}
			assert_int_equal(next, edges[j] + 1u);
		}
	}
	assert_int_equal(net_port_prefixes(0, 65535, out), 1);
	assert_int_equal(net_port_prefixes(1, 65534, out), 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges),
		cmocka_unit_test(prefixes_are_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
