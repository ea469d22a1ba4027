/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/peers/contract/contract.h"

#include "lib/base/vec.h"

static VEC(struct CMUnitTest) all;
static struct contract *subject;

static void add(const struct CMUnitTest *t, size_t n)
{
	for (size_t i = 0; i < n; i++)
		vec_push(&all, t[i]);
}

static int begin_all(void **state)
{
	*state = subject;
	return 0;
}

int contract_run(struct contract *c, int argc, char **argv)
{
	int failed;

#define ADD_FILE(file) file##_tests(add);
	CONTRACT_FILES(ADD_FILE)
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	subject = c;
	failed = _cmocka_run_group_tests("contract", all.items, all.n, begin_all, NULL);
	vec_release(&all);
	return failed ? 1 : 0;
}
