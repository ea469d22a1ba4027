/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/istio/redirect.h"
#include "tests/unit/istio/world.h"

/* Istio's golden begins and ends with the commands that it ran. */
static const char *rules_only(char *text)
{
	char *from = strstr(text, "* nat"), *to = strstr(text, "COMMIT\n");

	assert_non_null(from);
	assert_non_null(to);
	to[strlen("COMMIT\n")] = '\0';
	return from;
}

static void compare(const char *file, const struct istio_redirect *r)
{
	auto_release(strbuf) struct strbuf want = STRBUF_INIT, have = STRBUF_INIT;

	assert_int_equal(io_read_file(file, 1 << 16, &want, NULL), 0);
	assert_int_equal(istio_redirect_render(r, &have, NULL), 0);
	assert_string_equal(strbuf_cstr(&have), rules_only(want.buf));
}

TEST(rules_equal_the_real_tools)
{
	struct arena a = ARENA_INIT;
	const char *dir = corpus_path(&a, "iptables-golden");
	struct istio_redirect r;

	if (!dir) {
		arena_release(&a);
		skip();
	}
	istio_redirect_defaults(&r);
	r.exclude_inbound = "";
	r.include_ranges = "";
	compare(arena_printf(&a, "%s/inbound-ports-wildcard.golden", dir), &r);
	r.include_inbound = "";
	r.include_outbound_ports = "32000,31000";
	/* This one was made without any inbound capture at all. */
	compare(arena_printf(&a, "%s/outbound-ports-include.golden", dir), &r);
	istio_redirect_defaults(&r);
	r.exclude_inbound = "15090,15021,9090,15020";
	compare(arena_printf(&a, "%s/../../../peers/istio-samples/iptables-redirect.rules", dir),
		&r);
	istio_redirect_defaults(&r);
	r.include_inbound = "8080,8443";
	r.exclude_outbound_ports = "3306,6379";
	r.exclude_ranges = "10.96.0.10";
	r.include_ranges = "10.96.0.0/12,10.244.0.0/16";
	compare(arena_printf(&a, "%s/../../../peers/istio-samples/iptables-exclusions.rules", dir),
		&r);
	arena_release(&a);
}

TEST(arguments_and_back)
{
	struct arena a = ARENA_INIT;
	struct strmap annotations =
		labels_of(&a, "traffic.sidecar.istio.io/excludeInboundPorts=9090,"
			      "traffic.sidecar.istio.io/excludeOutboundPorts=25");
	struct istio_redirect r, back;
	struct strings args;

	istio_redirect_from_annotations(&a, &annotations, &r);
	assert_string_equal(r.exclude_inbound, "15090,15021,9090,15020");
	args = istio_redirect_args(&a, &r);
	assert_int_equal(istio_redirect_from_args(&args, &back, NULL), 0);
	assert_string_equal(back.exclude_inbound, r.exclude_inbound);
	assert_string_equal(back.exclude_outbound_ports, "25");
	assert_string_equal(back.include_ranges, "*");
	arena_release(&a);
}

TEST(what_is_captured)
{
	struct istio_redirect r;

	istio_redirect_defaults(&r);
	assert_true(istio_redirect_captures_inbound(&r, 8080));
	assert_false(istio_redirect_captures_inbound(&r, 15021));
	assert_false(istio_redirect_captures_inbound(&r, 15008));
	r.include_inbound = "80";
	assert_true(istio_redirect_captures_inbound(&r, 80));
	assert_false(istio_redirect_captures_inbound(&r, 8080));
	r.include_inbound = "";
	assert_false(istio_redirect_captures_inbound(&r, 80));
}

TEST(foreign_text_is_refused)
{
	struct istio_redirect r;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	const char *bad[] = {"istio-iptables", "-m", "TPROXY"};
	const char *odd[] = {"-p"};
	struct strings args = {bad, 3}, cut = {odd, 1};

	istio_redirect_defaults(&r);
	r.exclude_inbound = "80 -j ACCEPT";
	assert_true(istio_redirect_render(&r, &out, NULL) < 0);
	istio_redirect_defaults(&r);
	r.include_ranges = "10.0.0.0/8;reboot";
	assert_true(istio_redirect_render(&r, &out, NULL) < 0);
	assert_true(istio_redirect_from_args(&args, &r, NULL) < 0);
	assert_true(istio_redirect_from_args(&cut, &r, NULL) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_equal_the_real_tools),
		cmocka_unit_test(arguments_and_back),
		cmocka_unit_test(what_is_captured),
		cmocka_unit_test(foreign_text_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
