/* SPDX-License-Identifier: Apache-2.0 */
/* The probes on the kernel at hand: they answer, they agree with each other, they leave nothing. */
#include <unistd.h>

#include "preflight/probe.h"
#include "tests/support/test.h"

TEST(every_feature_gets_an_answer)
{
	for (int i = 0; i < FEATURE_COUNT; i++) {
		struct error err = ERROR_INIT;
		int r = probe_kernel(NULL, (enum feature)i, &err);

		if (r < 0)
			fail_msg("%s: %s", feature_rows[i].name, err.msg);
		printf("%-28s %s\n", feature_rows[i].name, r ? "yes" : "no");
	}
}

TEST(a_kernel_that_loads_programs_loads_these)
{
	struct error err = ERROR_INIT;

	if (probe_kernel(NULL, FEATURE_BPF, &err) != 1)
		skip();
	assert_int_equal(probe_kernel(NULL, FEATURE_PROG_SCHED_CLS, &err), 1);
	assert_int_equal(probe_kernel(NULL, FEATURE_MAP_HASH, &err), 1);
	assert_int_equal(probe_kernel(NULL, FEATURE_COUNT, &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_feature_gets_an_answer),
		cmocka_unit_test(a_kernel_that_loads_programs_loads_these),
	};

	if (geteuid() != 0)
		SKIP_ALL("root is needed to load BPF programs");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
