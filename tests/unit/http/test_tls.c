/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "lib/base/clock.h"
#include "lib/http/tls.h"

#define NOW (1800000000LL * 1000000000LL)

TEST(an_authority_signs_and_the_chain_verifies)
{
	const char *uri[] = {"spiffe://cluster.local/ns/a/sa/b", NULL};
	const char *dns[] = {"localhost", "x,IP:1.2.3.4", NULL};
	const char *ip[] = {"127.0.0.1", "fd00::1", NULL};
	struct tls_request ca_request = {.common_name = "test", .not_before_wall_ns = NOW};
	struct tls_request request = {.common_name = "leaf",
				      .organisation = "system:masters",
				      .dns = dns,
				      .ip = ip,
				      .uri = uri,
				      .client = true,
				      .server = true,
				      .not_before_wall_ns = NOW,
				      .lifetime_ns = 3600 * NS_PER_S};
	struct tls_pair ca = {0}, other = {0}, leaf = {0};
	struct arena a = ARENA_INIT;
	struct tls_facts f;

	assert_int_equal(tls_authority(&ca_request, &ca, NULL), 0);
	assert_int_equal(tls_authority(&ca_request, &other, NULL), 0);
	assert_int_equal(tls_sign(&ca, &request, &leaf, NULL), 0);
	assert_true(tls_verifies(ca.cert_pem, &leaf, NOW));
	assert_false(tls_verifies(other.cert_pem, &leaf, NOW));
	assert_false(tls_verifies(ca.cert_pem, &leaf, NOW + 3700LL * 1000000000LL));
	assert_int_equal(tls_read_facts(&a, leaf.cert_pem, &f, NULL), 0);
	assert_string_equal(f.common_name, "leaf");
	assert_string_equal(f.orgs[0], "system:masters");
	assert_string_equal(f.uri[0], uri[0]);
	assert_string_equal(f.dns[1], dns[1]);
	assert_string_equal(f.ip[0], ip[0]);
	assert_string_equal(f.ip[1], ip[1]);
	assert_null(f.ip[2]);
	assert_true(f.not_after_wall_ns > NOW && f.not_before_wall_ns < NOW);
	arena_release(&a);
	tls_pair_release(&leaf);
	tls_pair_release(&other);
	tls_pair_release(&ca);
}

TEST(nonsense_is_refused)
{
	const char *ip[] = {"not an address", NULL};
	struct tls_request bad = {.common_name = "x", .ip = ip, .not_before_wall_ns = NOW};
	struct tls_pair ca = {0}, junk = {.cert_pem = (char[]){"junk"}, .key_pem = (char[]){"x"}};
	struct arena a = ARENA_INIT;
	struct tls_facts f;

	assert_int_equal(tls_authority(&bad, &ca, NULL), -EINVAL);
	assert_int_equal(tls_sign(&junk, &bad, &ca, NULL), -EINVAL);
	assert_int_equal(tls_read_facts(&a, "junk", &f, NULL), -EINVAL);
	assert_false(tls_verifies("junk", &junk, NOW));
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_authority_signs_and_the_chain_verifies),
		cmocka_unit_test(nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
