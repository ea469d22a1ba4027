/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <string.h>
#include <unistd.h>

#include "agent/options.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/str.h"

static int with_file(struct arena *a, const char *text, struct agent_options *o, struct error *err)
{
	char path[] = "/tmp/sidestep-options-XXXXXX";
	int fd = mkstemp(path), r;

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(io_write_file_atomic(path, text, strlen(text), 0600, NULL), 0);
	o->config = path;
	r = agent_options_finish(a, o, err);
	unlink(path);
	return r;
}

TEST(flags_win_over_the_file)
{
	struct arena a = ARENA_INIT;
	struct agent_options o = agent_defaults;
	struct error err = ERROR_INIT;

	o.tunnel_port = 4789;
	if (with_file(&a,
		      "node: n1\ntunnel-port: 9999\nattach: clsact\npublish-interval: 5s\nrefuse: "
		      "true\n",
		      &o, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(o.node, "n1");
	assert_int_equal(o.tunnel_port, 4789);
	assert_int_equal(o.attach, 2);
	assert_int_equal(o.publish_interval, 5 * NS_PER_S);
	assert_true(o.refuse);
	assert_string_equal(o.socket, "/run/sidestep/n1/sidestepd.sock");
	arena_release(&a);
}

TEST(a_file_is_read_strictly)
{
	static const char *const bad[] = {"nodee: x\n",           "tunnel-port: a\n",
					  "tunnel-port: 70000\n", "attach: maybe\n",
					  "node: a/b\n",          "refuse: 3\n"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct arena a = ARENA_INIT;
		struct agent_options o = agent_defaults;

		if (with_file(&a, bad[i], &o, NULL) != -EINVAL)
			fail_msg("%s", bad[i]);
		arena_release(&a);
	}
}

TEST(the_list_has_every_option)
{
	struct arena a = ARENA_INIT;
	struct agent_options o = agent_defaults;
	struct agent_config *items;

	o.node = "n9";
	assert_int_equal(agent_options_finish(&a, &o, NULL), 0);
	assert_int_equal(agent_options_list(&a, &o, &items), agent_n_options);
	for (size_t i = 0; i < agent_n_options; i++) {
		if (str_eq(items[i].key, "node"))
			assert_string_equal(items[i].value, "n9");
		if (str_eq(items[i].key, "attach"))
			assert_string_equal(items[i].source, "default");
	}
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_win_over_the_file),
		cmocka_unit_test(a_file_is_read_strictly),
		cmocka_unit_test(the_list_has_every_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
