/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of the verifier's pages. */
#include "tests/support/test.h"

#include <string.h>

#include "agent/datapath/verifier_log.h"

static const char refused[] = "0: R1=ctx() R10=fp0\n"
			      "; int from_pod(struct __sk_buff *skb)\n"
			      "7: (61) r1 = *(u32 *)(r2 +0)\n"
			      "R2 invalid mem access 'scalar'\n"
			      "processed 8 insns (limit 1000000) max_states_per_insn 0\n"
			      "verification time 35 usec\n";

TEST(the_last_word_is_the_reason)
{
	char reason[64];

	verifier_log_reason(refused, reason, sizeof(reason));
	assert_string_equal(reason, "R2 invalid mem access 'scalar'");
	verifier_log_reason("", reason, sizeof(reason));
	assert_string_equal(reason, "");
	verifier_log_reason("\n\n", reason, sizeof(reason));
	assert_string_equal(reason, "");
	verifier_log_reason("one line without an end", reason, sizeof(reason));
	assert_string_equal(reason, "one line without an end");
	verifier_log_reason(refused, reason, 3);
	assert_string_equal(reason, "R2");
}

TEST(the_end_begins_with_a_line)
{
	assert_ptr_equal(verifier_log_end(refused, 4096), refused);
	assert_string_equal(verifier_log_end(refused, 40), "verification time 35 usec\n");
	assert_string_equal(verifier_log_end("abcdef", 3), "def");
}

TEST(addresses_are_not_told)
{
	char log[] = "(18) r1 = 0xffff88833360f000 ; R1=map_ptr umax=0xffffffff,var_off=(0x0; 0x1)";

	verifier_log_scrub(log);
	assert_string_equal(log, "(18) r1 = 0x* ; R1=map_ptr umax=0xffffffff,var_off=(0x0; 0x1)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_word_is_the_reason),
		cmocka_unit_test(the_end_begins_with_a_line),
		cmocka_unit_test(addresses_are_not_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
