/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "agent/ipam.h"

static struct ipam make(const char *text)
{
	struct net_cidr block;
	struct ipam p;

	assert_int_equal(net_cidr_parse(text, &block, NULL), 0);
	assert_int_equal(ipam_init(&p, &block, NULL), 0);
	return p;
}

TEST(every_address_once_and_then_no_more)
{
	struct ipam p = make("10.0.0.0/29");
	struct net_addr addr, last = {0};

	assert_int_equal(ipam_capacity(&p), 5);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(ipam_take(&p, &addr, NULL), 0);
		assert_int_equal(net_addr_to_v4(&addr), 0x0a000002 + i);
		assert_false(net_addr_equal(&addr, &last));
		last = addr;
	}
	assert_int_equal(ipam_take(&p, &addr, NULL), -ENOSPC);
	ipam_give_back(&p, &last);
	assert_int_equal(ipam_take(&p, &addr, NULL), 0);
	assert_true(net_addr_equal(&addr, &last));
	ipam_release(&p);
}

TEST(one_given_back_is_not_the_next)
{
	struct ipam p = make("10.0.0.0/24");
	struct net_addr one, two;

	assert_int_equal(ipam_take(&p, &one, NULL), 0);
	ipam_give_back(&p, &one);
	ipam_give_back(&p, &one);
	assert_int_equal(p.count, 0);
	assert_int_equal(ipam_take(&p, &two, NULL), 0);
	assert_false(net_addr_equal(&one, &two));
	ipam_release(&p);
}

TEST(a_known_address_is_taken_once)
{
	struct ipam p = make("10.0.0.0/24");
	struct net_addr addr;

	assert_int_equal(net_addr_parse("10.0.0.2", &addr, NULL), 0);
	assert_int_equal(ipam_take_this(&p, &addr, NULL), 0);
	assert_int_equal(ipam_take_this(&p, &addr, NULL), -EEXIST);
	assert_int_equal(net_addr_parse("10.0.0.1", &addr, NULL), 0);
	assert_int_equal(ipam_take_this(&p, &addr, NULL), -ERANGE);
	assert_int_equal(net_addr_parse("10.0.1.9", &addr, NULL), 0);
	assert_int_equal(ipam_take_this(&p, &addr, NULL), -ERANGE);
	ipam_release(&p);
}

TEST(blocks_that_are_no_blocks)
{
	static const char *const bad[] = {"10.0.0.0/8", "10.0.0.0/30", "fd00::/64"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct net_cidr block;
		struct ipam p;

		assert_int_equal(net_cidr_parse(bad[i], &block, NULL), 0);
		assert_int_equal(ipam_init(&p, &block, NULL), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_address_once_and_then_no_more),
		cmocka_unit_test(one_given_back_is_not_the_next),
		cmocka_unit_test(a_known_address_is_taken_once),
		cmocka_unit_test(blocks_that_are_no_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
