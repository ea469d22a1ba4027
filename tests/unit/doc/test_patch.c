/* SPDX-License-Identifier: Apache-2.0 */
/* The examples of RFC 7386 (appendix A) and RFC 6902 (appendix A), and what must be refused. */
#include <string.h>

#include "lib/doc/doc.h"

#include "tests/support/test.h"

static struct doc *json(struct arena *a, const char *text)
{
	struct doc *d = NULL;
	struct error err = ERROR_INIT;

	if (doc_read_json(a, text, strlen(text), NULL, &d, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	return d;
}

TEST(merge)
{
	static const struct {
		const char *target, *patch, *result;
	} rows[] = {
		{"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
		{"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
		{"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
		{"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
		{"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
		{"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
		{"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}",
		 "{\"a\":{\"b\":\"d\"}}"},
		{"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
		{"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
		{"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
		{"{\"a\":\"foo\"}", "null", "null"},
		{"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
		{"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
		{"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
		{"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a = ARENA_INIT;
		struct doc *target = json(&a, rows[i].target);
		struct doc *got = doc_merge_patch(&a, target, json(&a, rows[i].patch));

		assert_true(doc_equal(got, json(&a, rows[i].result)));
		assert_true(doc_equal(target, json(&a, rows[i].target)));
		arena_release(&a);
	}
}

TEST(patch)
{
	static const struct {
		const char *target, *patch, *result; /* NULL: refused with code */
		int code;
	} rows[] = {
		{"{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\"}]",
		 "{\"baz\":\"qux\",\"foo\":\"bar\"}", 0},
		{"{\"foo\":[\"bar\",\"baz\"]}",
		 "[{\"op\":\"add\",\"path\":\"/foo/1\",\"value\":\"qux\"}]",
		 "{\"foo\":[\"bar\",\"qux\",\"baz\"]}", 0},
		{"{\"baz\":\"qux\",\"foo\":\"bar\"}", "[{\"op\":\"remove\",\"path\":\"/baz\"}]",
		 "{\"foo\":\"bar\"}", 0},
		{"{\"foo\":[\"bar\",\"qux\",\"baz\"]}", "[{\"op\":\"remove\",\"path\":\"/foo/1\"}]",
		 "{\"foo\":[\"bar\",\"baz\"]}", 0},
		{"{\"baz\":\"qux\",\"foo\":\"bar\"}",
		 "[{\"op\":\"replace\",\"path\":\"/baz\",\"value\":\"boo\"}]",
		 "{\"baz\":\"boo\",\"foo\":\"bar\"}", 0},
		{"{\"foo\":{\"bar\":\"baz\",\"waldo\":\"fred\"},\"qux\":{\"corge\":\"grault\"}}",
		 "[{\"op\":\"move\",\"from\":\"/foo/waldo\",\"path\":\"/qux/thud\"}]",
		 "{\"foo\":{\"bar\":\"baz\"},\"qux\":{\"corge\":\"grault\",\"thud\":\"fred\"}}", 0},
		{"{\"foo\":[\"all\",\"grass\",\"cows\",\"eat\"]}",
		 "[{\"op\":\"move\",\"from\":\"/foo/1\",\"path\":\"/foo/3\"}]",
		 "{\"foo\":[\"all\",\"cows\",\"eat\",\"grass\"]}", 0},
		{"{\"baz\":\"qux\",\"foo\":[\"a\",2,\"c\"]}",
		 "[{\"op\":\"test\",\"path\":\"/baz\",\"value\":\"qux\"},"
		 "{\"op\":\"test\",\"path\":\"/foo/1\",\"value\":2}]",
		 "{\"baz\":\"qux\",\"foo\":[\"a\",2,\"c\"]}", 0},
		{"{\"baz\":\"qux\"}", "[{\"op\":\"test\",\"path\":\"/baz\",\"value\":\"bar\"}]",
		 NULL, -ECANCELED},
		{"{\"foo\":\"bar\"}",
		 "[{\"op\":\"add\",\"path\":\"/child\",\"value\":{\"grandchild\":{}}}]",
		 "{\"foo\":\"bar\",\"child\":{\"grandchild\":{}}}", 0},
		{"{\"foo\":\"bar\"}",
		 "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\",\"xyz\":123}]",
		 "{\"foo\":\"bar\",\"baz\":\"qux\"}", 0},
		{"{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz/bat\",\"value\":\"qux\"}]",
		 NULL, -ENOENT},
		{"{\"/\":9,\"~1\":10}", "[{\"op\":\"test\",\"path\":\"/~01\",\"value\":10}]",
		 "{\"/\":9,\"~1\":10}", 0},
		{"{\"/\":9,\"~1\":10}", "[{\"op\":\"test\",\"path\":\"/~01\",\"value\":\"10\"}]",
		 NULL, -ECANCELED},
		{"{\"foo\":[\"bar\"]}",
		 "[{\"op\":\"add\",\"path\":\"/foo/-\",\"value\":[\"abc\",\"def\"]}]",
		 "{\"foo\":[\"bar\",[\"abc\",\"def\"]]}", 0},
		{"{\"a\":1}", "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/b\"}]",
		 "{\"a\":1,\"b\":1}", 0},
		{"{\"a\":1}", "[{\"op\":\"add\",\"path\":\"\",\"value\":[1]}]", "[1]", 0},
		{"{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":7}]", "7", 0},
		{"{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/a\",\"value\":null}]", "{\"a\":null}",
		 0},
		{"{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/3\",\"value\":1}]", NULL, -ENOENT},
		{"{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/01\",\"value\":1}]", NULL, -EINVAL},
		{"{\"a\":[1]}", "[{\"op\":\"remove\",\"path\":\"/a/-\"}]", NULL, -ENOENT},
		{"{\"a\":{\"b\":1}}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a/b\"}]", NULL,
		 -EINVAL},
		{"{}", "[{\"op\":\"remove\",\"path\":\"/a\"}]", NULL, -ENOENT},
		{"{}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":1}]", NULL, -ENOENT},
		{"{}", "[{\"op\":\"add\",\"path\":\"a\",\"value\":1}]", NULL, -EINVAL},
		{"{}", "[{\"op\":\"add\",\"path\":\"/a~2\",\"value\":1}]", NULL, -EINVAL},
		{"{}", "[{\"op\":\"add\",\"path\":\"/a\"}]", NULL, -EINVAL},
		{"{}", "[{\"op\":\"grow\",\"path\":\"/a\"}]", NULL, -EINVAL},
		{"{}", "[{\"path\":\"/a\"}]", NULL, -EINVAL},
		{"{}", "{}", NULL, -EINVAL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a = ARENA_INIT;
		struct error err = ERROR_INIT;
		struct doc *target = json(&a, rows[i].target), *got = NULL;
		int r = doc_json_patch(&a, target, json(&a, rows[i].patch), &got, &err);

		if (r != rows[i].code)
			fail_msg("row %zu: %d %s", i, r, err.msg);
		if (rows[i].result)
			assert_true(doc_equal(got, json(&a, rows[i].result)));
		else
			assert_true(*err.msg);
		assert_true(doc_equal(target, json(&a, rows[i].target)));
		arena_release(&a);
	}
}

TEST(patch_errors_name_the_operation)
{
	struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;
	struct doc *got;

	doc_json_patch(&a, json(&a, "{}"),
		       json(&a, "[{\"op\":\"add\",\"path\":\"/a\",\"value\":1},"
				"{\"op\":\"remove\",\"path\":\"/b/c\"}]"),
		       &got, &err);
	assert_string_equal(err.msg, "patch[1]: remove /b/c: path is absent");
	arena_release(&a);
}

TEST(copies_into_themselves_are_bounded)
{
	struct arena a = ARENA_INIT;
	struct doc *ops = doc_list(&a), *got;

	for (int i = 0; i < 70; i++) {
		struct doc *op = doc_append(&a, ops, doc_map(&a));

		doc_set_string(&a, op, "op", "copy");
		doc_set_string(&a, op, "from", "");
		doc_set_string(&a, op, "path", "/a");
	}
	assert_int_equal(doc_json_patch(&a, json(&a, "{\"a\":{}}"), ops, &got, NULL), -E2BIG);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merge),
		cmocka_unit_test(patch),
		cmocka_unit_test(patch_errors_name_the_operation),
		cmocka_unit_test(copies_into_themselves_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
