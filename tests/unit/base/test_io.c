/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/io.h"

#include <string.h>
#include <sys/stat.h>

#include "lib/base/alloc.h"
#include "tests/support/test.h"

static int make_dir(void **state)
{
	char *dir = xstrdup("/tmp/sidestep-io-XXXXXX");

	if (!mkdtemp(dir))
		return -1;
	*state = dir;
	return 0;
}

static int drop_dir(void **state)
{
	int r = io_remove_tree(*state, NULL);

	free(*state);
	return r;
}

static void a_file_is_replaced_whole(void **state)
{
	auto_free char *path = xasprintf("%s/sub/folder/file", (char *)*state);
	auto_free char *dir = xasprintf("%s/sub/folder", (char *)*state);
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	struct stat st;

	assert_int_equal(io_mkdirs(dir, 0700, NULL), 0);
	assert_int_equal(io_write_file_atomic(path, "one", 3, 0600, NULL), 0);
	assert_int_equal(io_write_file_atomic(path, "three", 5, 0600, NULL), 0);
	assert_int_equal(io_read_file(path, 100, &sb, NULL), 0);
	assert_string_equal(sb.buf, "three");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void errors_name_the_path(void **state)
{
	auto_free char *path = xasprintf("%s/absent", (char *)*state);
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(io_read_file(path, 100, &sb, &err), -ENOENT);
	assert_non_null(strstr(err.msg, path));
	assert_int_equal(io_write_file_atomic(path, "0123456789", 10, 0600, NULL), 0);
	assert_int_equal(io_read_file(path, 9, &sb, &err), -EFBIG);
	assert_false(io_exists("/nonexistent/x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_file_is_replaced_whole, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(errors_name_the_path, make_dir, drop_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
