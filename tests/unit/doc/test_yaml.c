/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "lib/base/io.h"
#include "lib/doc/doc.h"

#include "tests/support/test.h"

static struct doc_stream read_ok(struct arena *a, const char *text)
{
	struct doc_stream s = {0};
	struct error err = ERROR_INIT;

	if (doc_read_yaml(a, text, strlen(text), "t.yaml", &s, &err) < 0)
		fail_msg("%s", err.msg);
	return s;
}

static void reads_as(const char *yaml, const char *json)
{
	struct arena a = ARENA_INIT;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct doc_stream s = read_ok(&a, yaml);

	assert_int_equal(s.n, 1);
	doc_write_json(s.docs[0], DOC_COMPACT, &out);
	assert_string_equal(out.buf, json);
	arena_release(&a);
}

TEST(structure)
{
	reads_as("a: 1\nb:\n- x\n- {c: d}\n", "{\"a\":1,\"b\":[\"x\",{\"c\":\"d\"}]}");
	reads_as("on: 1\n2: x\n1.5: z\n", "{\"true\":1,\"2\":\"x\",\"1.5\":\"z\"}");
	reads_as("a: |\n  one\n  two\nb: >-\n  folded\n  text\n",
		 "{\"a\":\"one\\ntwo\\n\",\"b\":\"folded text\"}");
	reads_as("a:\nb: {}\n", "{\"a\":null,\"b\":{}}");
}

TEST(anchors_and_merges)
{
	reads_as("a: &x {k: [1]}\nb: *x\n", "{\"a\":{\"k\":[1]},\"b\":{\"k\":[1]}}");
	reads_as("d: &d {p: 1, q: 2}\nm:\n  <<: *d\n  q: 3\n",
		 "{\"d\":{\"p\":1,\"q\":2},\"m\":{\"q\":3,\"p\":1}}");
	reads_as("d: [&e {p: 1}, &f {p: 2, r: 4}]\nm: {<<: [*e, *f]}\n",
		 "{\"d\":[{\"p\":1},{\"p\":2,\"r\":4}],\"m\":{\"p\":1,\"r\":4}}");
	reads_as("'<<': 1\n", "{\"<<\":1}");
}

TEST(an_alias_is_a_copy)
{
	struct arena a = ARENA_INIT;
	struct doc_stream s = read_ok(&a, "a: &x {k: 1}\nb: *x\n");

	doc_set_int(&a, doc_get(s.docs[0], "b"), "k", 2);
	assert_int_equal(doc_find_int(s.docs[0], "a.k", 0), 1);
	arena_release(&a);
}

TEST(documents)
{
	struct arena a = ARENA_INIT;
	struct doc_stream s = read_ok(&a, "---\na: 1\n---\n---\nb: 2\n...\n");

	assert_int_equal(s.n, 3);
	assert_int_equal(s.docs[1]->kind, DOC_NULL);
	assert_int_equal(doc_find_int(s.docs[2], "b", 0), 2);
	assert_int_equal(read_ok(&a, "").n, 0);
	assert_int_equal(read_ok(&a, "# only a comment\n").n, 0);
	arena_release(&a);
}

TEST(places)
{
	struct arena a = ARENA_INIT;
	struct doc_stream s = read_ok(&a, "a: 1\nb:\n  - c: x\n    d: 'y'\n");

	assert_string_equal(doc_where(&a, doc_find(s.docs[0], "b[0].d")), "t.yaml:4:8");
	assert_string_equal(doc_where(&a, s.docs[0]), "t.yaml:1:1");
	assert_string_equal(doc_where(&a, NULL), "");
	assert_string_equal(doc_where(&a, doc_null(&a)), "");
	arena_release(&a);
}

/* Go's reader, and so kubectl, takes a last colon for text; YAML 1.2 leaves it out. */
TEST(a_colon_at_the_end)
{
	auto_release(strbuf) struct strbuf many = STRBUF_INIT;
	struct arena a = ARENA_INIT;
	struct doc_stream s = {0};
	struct error err = ERROR_INIT;

	reads_as("a: [1.2.3.4, 001:db8::]\nb: 1\n", "{\"a\":[\"1.2.3.4\",\"001:db8::\"],\"b\":1}");
	reads_as("\xef\xbb\xbf# \xc3\xa4\r\na: {x: 2001:db8::, w: fe80::, z: [a::]}\r\n",
		 "{\"a\":{\"x\":\"2001:db8::\",\"w\":\"fe80::\",\"z\":[\"a::\"]}}");
	strbuf_adds(&many, "[");
	for (unsigned i = 0; i < 100; i++)
		strbuf_addf(&many, "%x::, ", i);
	strbuf_adds(&many, "]");
	assert_int_equal(doc_read_yaml(&a, many.buf, many.len, "t.yaml", &s, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "needs quotes"));
	arena_release(&a);
}

/* As charts print them. */
TEST(the_same_twice_is_one)
{
	auto_release(strbuf) struct strbuf many = STRBUF_INIT;
	struct arena a = ARENA_INIT;
	struct doc_stream s = {0};
	struct error err = ERROR_INIT;

	reads_as("a: 1\nb: {x: [1], x: [1]}\na: 1\na: 1\nc: 2\n",
		 "{\"a\":1,\"b\":{\"x\":[1]},\"c\":2}");
	for (unsigned i = 0; i < 100; i++)
		strbuf_adds(&many, "a: 1\n");
	assert_int_equal(doc_read_yaml(&a, many.buf, many.len, "t.yaml", &s, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "too many are"));
	arena_release(&a);
}

TEST(what_is_refused)
{
	static const struct {
		const char *text;
		int code;
		const char *says;
	} rows[] = {
		{"a: 1\nb: 2\na: 3\n", -EINVAL,
		 "t.yaml:3:4: key \"a\" is set twice, and not to the same (the first is in line "
		 "1)"},
		{"y: 1\ntrue: 2\n", -EINVAL, "key \"true\" is set twice"},
		{"a: *nobody\n", -EINVAL, "t.yaml:1:4: unknown anchor"},
		{"a: &x [*x]\n", -EINVAL, "unknown anchor"},
		{"a: !custom 1\n", -EINVAL, "t.yaml:1:4: tags"},
		{"a: !custom {}\n", -EINVAL, "tags"},
		{"? [a]\n: 1\n", -EINVAL, "a map key must be a scalar"},
		{"~: 1\n", -EINVAL, "a map key must be a scalar"},
		{"a: \"x\\0y\"\n", -EINVAL, "NUL"},
		{"a: [1\n", -EINVAL, "t.yaml:2:1: "},
		{"a: b: c\n", -EINVAL, "t.yaml:1:5: "},
		{"a: [::1]\n", -EINVAL, "begins or ends with ':' needs quotes"},
		{"a: \x01\n", -EINVAL, "t.yaml: byte"},
		{"<<: 3\n", -EINVAL, "<< wants a map"},
		{"%YAML 3.0\n---\na\n", -EINVAL, "t.yaml:1:1"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a = ARENA_INIT;
		struct doc_stream s = {0};
		struct error err = ERROR_INIT;
		int r = doc_read_yaml(&a, rows[i].text, strlen(rows[i].text), "t.yaml", &s, &err);

		if (r != rows[i].code || !strstr(err.msg, rows[i].says))
			fail_msg("row %zu: %d %s", i, r, err.msg);
		arena_release(&a);
	}
}

TEST(bombs)
{
	struct arena a = ARENA_INIT;
	auto_release(strbuf) struct strbuf in = STRBUF_INIT;
	struct doc_stream s = {0};

	strbuf_adds(&in, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
	for (int i = 1; i < 20; i++)
		strbuf_addf(&in, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1, i - 1, i - 1,
			    i - 1);
	assert_int_equal(doc_read_yaml(&a, in.buf, in.len, NULL, &s, NULL), -E2BIG);
	strbuf_clear(&in);
	for (int i = 0; i <= DOC_MAX_DEPTH; i++)
		strbuf_adds(&in, "[");
	assert_int_equal(doc_read_yaml(&a, in.buf, in.len, NULL, &s, NULL), -E2BIG);
	strbuf_clear(&in);
	for (unsigned i = 0; i <= DOC_MAX_DOCUMENTS; i++)
		strbuf_adds(&in, "---\n");
	assert_int_equal(doc_read_yaml(&a, in.buf, in.len, NULL, &s, NULL), -E2BIG);
	arena_release(&a);
}

TEST(written_text_reads_back)
{
	static const char *const strings[] = {
		"",
		"plain",
		"yes",
		"0777",
		"1e3",
		"~",
		"null",
		"12:30",
		"2026-11-23",
		"1.2.3",
		"a: b",
		"a #b",
		"#x",
		"- x",
		"-",
		"trailing ",
		" leading",
		"two\nlines",
		"two\nlines\n",
		"x\n\n",
		"\n",
		"\nx",
		" x\ny",
		"x\n  y\n",
		"x\n\n  \ny",
		"tab\there",
		"\t",
		"quote'\"",
		"back\\slash",
		"%x",
		"@x",
		"`x",
		"*x",
		"&x",
		"!x",
		"|x",
		">x",
		"{x",
		"[x",
		"x]",
		"x,y",
		"?x",
		":x",
		"x:",
		"key:value",
		"...",
		"---",
		"<<",
		"=",
		"\xc3\xa9",
		"\xc2\x85",
		"\xe2\x80\xa8",
		"\xef\xbb\xbf",
		"\xf0\x9f\x98\x80",
		"\x7f",
		"\r",
		"a\rb\nc",
		"\x1b[0m",
		"a\tb\nc",
	};
	struct arena a = ARENA_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		auto_release(strbuf) struct strbuf out = STRBUF_INIT;
		struct doc *d = doc_map(&a), *inner = doc_map(&a);
		struct doc_stream s;

		doc_set_string(&a, d, "v", strings[i]);
		doc_append(&a, doc_set_list(&a, d, "l"), doc_string(&a, strings[i]));
		doc_set_string(&a, inner, strings[i], "key");
		doc_set_string(&a, inner, "after", strings[i]);
		doc_append(&a, doc_get(d, "l"), inner);
		doc_write_yaml(d, &out);
		s = read_ok(&a, out.buf);
		if (s.n != 1 || !doc_equal(s.docs[0], d))
			fail_msg("string %zu was written as\n%s", i, out.buf);
		strbuf_clear(&out);
		doc_write_yaml(doc_string(&a, strings[i]), &out);
		s = read_ok(&a, out.buf);
		if (s.n != 1 || !doc_equal(s.docs[0], doc_string(&a, strings[i])))
			fail_msg("string %zu alone was written as\n%s", i, out.buf);
	}
	arena_release(&a);
}

TEST(layout)
{
	static const char text[] = "kind: Service\n"
				   "metadata:\n"
				   "  labels: {}\n"
				   "spec:\n"
				   "  ports:\n"
				   "  - name: http\n"
				   "    port: 80\n"
				   "  - - 1\n"
				   "    - two\n"
				   "  script: |\n"
				   "    a\n"
				   "\n"
				   "    b\n"
				   "  version: \"1.10\"\n";
	struct arena a = ARENA_INIT;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct doc_stream s = read_ok(&a, text);

	doc_write_yaml(s.docs[0], &out);
	assert_string_equal(out.buf, text);
	arena_release(&a);
}

TEST(long_keys_survive)
{
	struct arena a = ARENA_INIT;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct doc *d = doc_map(&a), *outer = doc_map(&a);
	char key[3001];

	memset(key, 'k', 3000);
	key[3000] = '\0';
	doc_set_int(&a, d, key, 1);
	doc_set(&a, d, "m", doc_clone(&a, d));
	doc_set(&a, outer, "x", d);
	doc_write_yaml(outer, &out);
	assert_true(doc_equal(read_ok(&a, out.buf).docs[0], outer));
	arena_release(&a);
}

TEST(files_may_be_json_or_yaml)
{
	static const struct {
		const char *text;
		size_t docs;
	} rows[] = {
		{"{\"a\": \"\\ud83d\\ude00\"}\n", 1},
		{"{a: 1, b: [x]}\n", 1},
		{"a: 1\n---\nb: 2\n", 2},
		{"", 0},
	};
	char path[] = "/tmp/sidestep-doc-XXXXXX";
	int fd = mkstemp(path);
	struct arena a = ARENA_INIT;
	struct doc_stream s;
	struct error err = ERROR_INIT;

	assert_true(fd >= 0);
	close(fd);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(
			io_write_file_atomic(path, rows[i].text, strlen(rows[i].text), 0600, NULL),
			0);
		assert_int_equal(doc_read_file(&a, path, &s, &err), 0);
		assert_int_equal(s.n, rows[i].docs);
	}
	assert_int_equal(io_write_file_atomic(path, "{\"a\": 1,}}", 10, 0600, NULL), 0);
	assert_int_equal(doc_read_file(&a, path, &s, &err), -EINVAL);
	assert_non_null(strstr(err.msg, ":1:"));
	unlink(path);
	assert_int_equal(doc_read_file(&a, path, &s, &err), -ENOENT);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(structure),
		cmocka_unit_test(anchors_and_merges),
		cmocka_unit_test(an_alias_is_a_copy),
		cmocka_unit_test(documents),
		cmocka_unit_test(places),
		cmocka_unit_test(a_colon_at_the_end),
		cmocka_unit_test(the_same_twice_is_one),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(bombs),
		cmocka_unit_test(written_text_reads_back),
		cmocka_unit_test(layout),
		cmocka_unit_test(long_keys_survive),
		cmocka_unit_test(files_may_be_json_or_yaml),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
