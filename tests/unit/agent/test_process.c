/* SPDX-License-Identifier: Apache-2.0 */
/* What a process takes, from files like the kernel's. */
#include "tests/support/test.h"

#include <string.h>
#include <unistd.h>

#include "agent/process.h"
#include "lib/base/arena.h"
#include "lib/base/io.h"

static char dir[] = "/tmp/sidestep-process-XXXXXX";

static void put(const char *name, const char *text)
{
	struct arena a = ARENA_INIT;
	char *path = arena_printf(&a, "%s/%s", dir, name);
	char *slash = strrchr(path, '/');

	*slash = 0;
	assert_int_equal(io_mkdirs(path, 0700, NULL), 0);
	*slash = '/';
	assert_int_equal(io_replace_file(path, text, strlen(text), 0600, NULL), 0);
	arena_release(&a);
}

static struct sidestep_process look(void)
{
	struct arena a = ARENA_INIT;
	struct sidestep_process p;

	process_look(arena_printf(&a, "%s/proc", dir), arena_printf(&a, "%s/cg", dir), &p);
	arena_release(&a);
	return p;
}

TEST(what_is_not_there_is_not_known)
{
	struct sidestep_process p = look();

	assert_false(p.cpu_ms.set || p.rss_bytes.set || p.limit_bytes.set);
}

TEST(time_and_memory_of_a_process_with_a_strange_name)
{
	struct sidestep_process p;

	put("proc/stat", "7 (a) b (c) S 1 2 3 0 -1 4194304 10 20 30 40 150 50 1 2 20 0 1 0 99\n");
	put("proc/statm", "1000 25 10 1 0 1 0\n");
	p = look();
	assert_true(p.cpu_ms.set);
	assert_int_equal(p.cpu_ms.value, 200 * 1000 / sysconf(_SC_CLK_TCK));
	assert_int_equal(p.rss_bytes.value, 25 * sysconf(_SC_PAGESIZE));
	put("proc/stat", "7 (a) S\n");
	put("proc/statm", "\n");
	p = look();
	assert_false(p.cpu_ms.set || p.rss_bytes.set);
}

TEST(the_smallest_limit_above_it_counts)
{
	put("proc/cgroup", "0::/pods/agent\n");
	put("cg/pods/agent/memory.max", "max\n");
	assert_false(look().limit_bytes.set);
	put("cg/memory.max", "9000\n");
	put("cg/pods/memory.max", "5000\n");
	put("cg/pods/agent/memory.max", "7000\n");
	assert_int_equal(look().limit_bytes.value, 5000);
}

TEST(limits_of_the_older_cgroups_count_too)
{
	put("proc/cgroup", "4:memory:/x\n1:cpu:/\n0::/\n");
	put("cg/memory.max", "max\n");
	put("cg/memory/x/memory.limit_in_bytes", "4000\n");
	put("cg/memory/memory.limit_in_bytes", "9223372036854771712\n");
	assert_int_equal(look().limit_bytes.value, 4000);
	put("cg/memory/x/memory.limit_in_bytes", "9223372036854771712\n");
	assert_false(look().limit_bytes.set);
}

static int make_dir(UNUSED void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(UNUSED void **state)
{
	return io_remove_tree(dir, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_there_is_not_known),
		cmocka_unit_test(time_and_memory_of_a_process_with_a_strange_name),
		cmocka_unit_test(the_smallest_limit_above_it_counts),
		cmocka_unit_test(limits_of_the_older_cgroups_count_too),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
