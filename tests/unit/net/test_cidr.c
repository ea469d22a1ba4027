/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/net/cidr.h"

#include <string.h>

#include "lib/base/strbuf.h"
#include "tests/support/test.h"

static struct net_cidr block(const char *text)
{
	struct net_cidr c;
	struct error err = ERROR_INIT;

	if (net_cidr_parse(text, &c, &err) < 0)
		fail_msg("%s", err.msg);
	return c;
}

static struct net_addr address(const char *text)
{
	struct net_addr a;

	assert_int_equal(net_addr_parse(text, &a, NULL), 0);
	return a;
}

TEST(parsing)
{
	static const struct {
		const char *in, *out;
		bool strict_too;
	} rows[] = {
		{"10.0.0.0/8", "10.0.0.0/8", true},
		{"10.1.2.3/8", "10.0.0.0/8", false},
		{"10.1.2.3", "10.1.2.3/32", true},
		{"0.0.0.0/0", "0.0.0.0/0", true},
		{"10.1.2.3/31", "10.1.2.2/31", false},
		{"fd00::/8", "fd00::/8", true},
		{"fd00:1:2::3/33", "fd00:1::/33", false},
		{"::/0", "::/0", true},
		{"::1", "::1/128", true},
		{"10.0.0.0/33", NULL, false},
		{"10.0.0.0/", NULL, false},
		{"10.0.0.0/-1", NULL, false},
		{"10.0.0.0/8/8", NULL, false},
		{"/8", NULL, false},
		{"::/129", NULL, false},
		{"10.0.0.0/ 8", NULL, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct net_cidr c;
		char text[NET_CIDR_SIZE];

		assert_int_equal(net_cidr_parse(rows[i].in, &c, NULL), rows[i].out ? 0 : -EINVAL);
		if (rows[i].out)
			assert_string_equal(net_cidr_format(&c, text), rows[i].out);
		assert_int_equal(net_cidr_parse_strict(rows[i].in, &c, NULL) == 0,
				 rows[i].strict_too);
	}
}

TEST(relations)
{
	const struct net_cidr eight = block("10.0.0.0/8"), host = block("10.9.9.9"),
			      other = block("11.0.0.0/8"), all = block("0.0.0.0/0"),
			      six = block("::/0");
	const struct net_addr a = address("10.255.255.255"), b = address("9.255.255.255");

	assert_true(net_cidr_contains(&eight, &a) && !net_cidr_contains(&eight, &b));
	assert_true(net_cidr_within(&host, &eight) && !net_cidr_within(&eight, &host));
	assert_true(net_cidr_within(&eight, &eight) && net_cidr_within(&other, &all));
	assert_true(net_cidr_overlaps(&eight, &host) && !net_cidr_overlaps(&eight, &other));
	assert_false(net_cidr_contains(&six, &a));
	assert_false(net_cidr_overlaps(&six, &all));
}

TEST(counting_addresses)
{
	const struct net_cidr c = block("10.244.1.0/24"), six = block("fd00::/64");
	struct net_addr a;
	char text[NET_ADDR_SIZE];

	assert_int_equal(net_cidr_count(&c), 256);
	assert_true(net_cidr_count(&six) == UINT64_MAX);
	assert_true(net_cidr_nth(&c, 255, &a) && !net_cidr_nth(&c, 256, &a));
	assert_true(net_cidr_nth(&c, 7, &a));
	assert_string_equal(net_addr_format(&a, text), "10.244.1.7");
	assert_true(net_cidr_nth(&six, 0x10002, &a));
	assert_string_equal(net_addr_format(&a, text), "fd00::1:2");
}

static void shows(const struct net_cidr_set *set, const char *want)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	char text[NET_CIDR_SIZE];

	for (size_t i = 0; i < set->blocks.n; i++)
		strbuf_addf(&sb, "%s%s", i ? " " : "",
			    net_cidr_format(&set->blocks.items[i], text));
	assert_string_equal(strbuf_cstr(&sb), want);
}

/* "+block" adds, "-block" removes; then the set shows as. */
TEST(sets)
{
	static const struct {
		const char *ops, *shows;
	} rows[] = {
		{"+10.0.0.0/8 +10.1.0.0/16", "10.0.0.0/8"},
		{"+10.1.0.0/16 +10.0.0.0/8", "10.0.0.0/8"},
		{"+10.0.0.0/9 +10.128.0.0/9", "10.0.0.0/8"},
		{"+10.128.0.0/9 +10.0.0.0/9 +11.0.0.0/8", "10.0.0.0/7"},
		{"+1.0.0.0/32 +1.0.0.1/32 +1.0.0.2/32", "1.0.0.0/31 1.0.0.2/32"},
		{"+10.0.0.0/8 -10.0.0.0/10", "10.64.0.0/10 10.128.0.0/9"},
		{"+10.0.0.0/30 -10.0.0.1", "10.0.0.0/32 10.0.0.2/31"},
		{"+10.0.0.0/30 -10.0.0.2", "10.0.0.0/31 10.0.0.3/32"},
		{"+10.0.0.0/24 -10.0.0.0/8", ""},
		{"+10.0.0.0/24 -11.0.0.0/8", "10.0.0.0/24"},
		{"+0.0.0.0/0 -0.0.0.0/1 -128.0.0.0/1", ""},
		{"+0.0.0.0/1 +128.0.0.0/1", "0.0.0.0/0"},
		{"+::/0 +10.0.0.0/8 -::/1", "10.0.0.0/8 8000::/1"},
		{"+9.0.0.0/8 +11.0.0.0/8 +10.0.0.0/8", "9.0.0.0/8 10.0.0.0/7"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct net_cidr_set set = {VEC_INIT};
		char ops[100], *save = NULL;

		snprintf(ops, sizeof(ops), "%s", rows[i].ops);
		for (char *op = strtok_r(ops, " ", &save); op; op = strtok_r(NULL, " ", &save)) {
			const struct net_cidr c = block(op + 1);

			if (*op == '+')
				net_cidr_set_add(&set, &c);
			else
				net_cidr_set_remove(&set, &c);
		}
		shows(&set, rows[i].shows);
		net_cidr_set_release(&set);
	}
}

/* Against the obvious: a table of 64 addresses, thousands of random operations. */
TEST(sets_agree_with_a_bitmap)
{
	struct net_cidr_set set = {VEC_INIT};
	bool in[64] = {false};
	uint32_t seed = 7;

	for (int step = 0; step < 5000; step++) {
		struct net_addr at;
		struct net_cidr c;
		uint32_t x;

		seed = seed * 1664525 + 1013904223;
		x = seed >> 8;
		at = net_addr_from_v4(0x0a000000 + (x & 63));
		c = net_cidr_make(&at, 26 + (x >> 6) % 7);
		if ((x >> 12) & 1)
			net_cidr_set_add(&set, &c);
		else
			net_cidr_set_remove(&set, &c);
		for (unsigned i = 0; i < 64; i++) {
			const struct net_addr a = net_addr_from_v4(0x0a000000 + i);

			if (net_cidr_contains(&c, &a))
				in[i] = (x >> 12) & 1;
			assert_int_equal(net_cidr_set_contains(&set, &a), in[i]);
		}
		for (size_t i = 1; i < set.blocks.n; i++)
			assert_true(net_cidr_cmp(&set.blocks.items[i - 1], &set.blocks.items[i]) <
				    0);
	}
	net_cidr_set_release(&set);
}

TEST(cover_and_intersect)
{
	struct net_cidr_set a = {VEC_INIT}, b = {VEC_INIT};
	const struct net_cidr x = block("10.0.0.0/9"), y = block("10.128.0.0/9"),
			      all = block("10.0.0.0/8"), hole = block("10.200.0.0/16"),
			      wide = block("10.192.0.0/10");

	net_cidr_set_add(&a, &x);
	assert_false(net_cidr_set_covers(&a, &all));
	net_cidr_set_add(&a, &y);
	assert_true(net_cidr_set_covers(&a, &all));
	net_cidr_set_remove(&a, &hole);
	assert_false(net_cidr_set_covers(&a, &all));
	net_cidr_set_add(&b, &wide);
	net_cidr_set_intersect(&a, &b);
	net_cidr_set_remove(&b, &hole);
	assert_true(net_cidr_set_equal(&a, &b));
	net_cidr_set_add(&b, &x);
	assert_false(net_cidr_set_equal(&a, &b));
	net_cidr_set_release(&a);
	net_cidr_set_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parsing),
		cmocka_unit_test(relations),
		cmocka_unit_test(counting_addresses),
		cmocka_unit_test(sets),
		cmocka_unit_test(sets_agree_with_a_bitmap),
		cmocka_unit_test(cover_and_intersect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
