/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/net/addr.h"

#include <string.h>

#include "tests/support/test.h"

TEST(addresses_in_canonical_form)
{
	static const struct {
		const char *in, *out; /* NULL: refused */
	} rows[] = {
		{"10.0.0.1", "10.0.0.1"},
		{"0.0.0.0", "0.0.0.0"},
		{"255.255.255.255", "255.255.255.255"},
		{"FD00:0:0::1", "fd00::1"},
		{"::", "::"},
		{"::ffff:10.0.0.1", "::ffff:10.0.0.1"},
		{"10.0.0", NULL},
		{"10.0.0.01", NULL},
		{"10.0.0.256", NULL},
		{"10.0.0.1 ", NULL},
		{"fe80::1%eth0", NULL},
		{"[::1]", NULL},
		{"", NULL},
		{"localhost", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct net_addr a = {0};
		char text[NET_ADDR_SIZE];
		struct error err = ERROR_INIT;
		int r = net_addr_parse(rows[i].in, &a, &err);

		assert_int_equal(r, rows[i].out ? 0 : -EINVAL);
		if (rows[i].out)
			assert_string_equal(net_addr_format(&a, text), rows[i].out);
		else
			assert_non_null(strstr(err.msg, "not an IP address"));
	}
	assert_int_equal(net_addr_parse(NULL, &(struct net_addr){0}, NULL), -EINVAL);
}

TEST(order_and_numbers)
{
	struct net_addr a = net_addr_from_v4(0x0a000001), b = net_addr_from_v4(0x0a000100), six, un;
	char text[NET_ADDR_SIZE];

	assert_int_equal(net_addr_parse("::ffff:10.0.0.1", &six, NULL), 0);
	assert_true(net_addr_cmp(&a, &b) < 0 && net_addr_cmp(&b, &six) < 0);
	assert_int_equal(net_addr_to_v4(&b), 0x0a000100);
	assert_int_equal(net_addr_to_v4(&six), 0);
	un = net_addr_unmap(&six);
	assert_true(net_addr_equal(&un, &a));
	assert_int_equal(net_addr_bits(&six), 128);
	assert_false(net_addr_is_set(&(struct net_addr){0}));
	assert_string_equal(net_addr_format(&(struct net_addr){0}, text), "");
}

TEST(address_and_port)
{
	static const char *const good[] = {"10.0.0.1:80", "[fd00::1]:65535", "[::]:0"};
	static const char *const bad[] = {"10.0.0.1", "fd00::1:80", "[10.0.0.1]:80",
					  "[::1]",    "10.0.0.1:",  "10.0.0.1:65536",
					  "[::1:80",  ":80",        ""};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct net_addr a, back;
		struct sockaddr_storage ss;
		uint16_t port, again;
		char text[NET_ADDR_PORT_SIZE];

		assert_int_equal(net_addr_port_parse(good[i], &a, &port, NULL), 0);
		assert_string_equal(net_addr_port_format(&a, port, text), good[i]);
		assert_true(net_addr_to_sockaddr(&a, port, &ss) > 0);
		assert_true(net_addr_from_sockaddr((struct sockaddr *)&ss, &back, &again));
		assert_true(net_addr_equal(&a, &back) && port == again);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct net_addr a;
		uint16_t port;

		assert_true(net_addr_port_parse(bad[i], &a, &port, NULL) < 0);
	}
}

TEST(macs)
{
	static const char *const bad[] = {"",
					  "02:00:00:00:00",
					  "02:00:00:00:00:0g",
					  "2:0:0:0:0:0",
					  "02-00-00-00-00-01",
					  "02:00:00:00:00:011"};
	struct net_mac mac;
	char text[NET_MAC_SIZE];

	assert_int_equal(net_mac_parse("02:aB:00:ff:10:01", &mac, NULL), 0);
	assert_string_equal(net_mac_format(&mac, text), "02:ab:00:ff:10:01");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(net_mac_parse(bad[i], &mac, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_in_canonical_form),
		cmocka_unit_test(order_and_numbers),
		cmocka_unit_test(address_and_port),
		cmocka_unit_test(macs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
