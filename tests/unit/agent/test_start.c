/* SPDX-License-Identifier: Apache-2.0 */
/* An agent that ends before it has done anything is not one that was never started. */
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "lib/base/io.h"
#include "lib/base/str.h"
#include "tests/support/test.h"

static int starts(const char *dir)
{
	char path[128], text[8] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/state/starts", dir);
	f = fopen(path, "r");
	if (!f)
		return 0;
	assert_non_null(fgets(text, sizeof(text), f));
	fclose(f);
	return atoi(text);
}

/* Its pins are where none can be, so it does not come to the kernel at all. */
TEST(one_that_cannot_open_the_kernel_side_is_counted)
{
	char dir[] = "/tmp/sidestep-start-XXXXXX", kept[64], pins[64];

	assert_non_null(mkdtemp(dir));
	snprintf(kept, sizeof(kept), "%s/state", dir);
	snprintf(pins, sizeof(pins), "%s/pins", dir);
	for (int i = 1; i <= 3; i++) {
		struct agent_options o = agent_defaults;
		struct error err = ERROR_INIT;
		struct agent agent;

		o.node = "n1";
		o.state_dir = kept;
		o.pin_root = pins;
		assert_int_equal(agent_start(&agent, &o, &err), -EINVAL);
		assert_non_null(strstr(err.msg, "not on a bpf file system"));
		agent_stop(&agent);
		assert_int_equal(starts(dir), i);
	}
	io_remove_tree(dir, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_cannot_open_the_kernel_side_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
