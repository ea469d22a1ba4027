/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <string.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/object/snapshot.h"

static void write_file(const char *path, const char *text)
{
	assert_int_equal(io_write_file_atomic(path, text, strlen(text), 0600, NULL), 0);
}

TEST(a_folder_goes_to_one_file_and_back)
{
	struct arena a = ARENA_INIT;
	struct snapshot s, back;
	struct error err = ERROR_INIT;
	char dir[] = "/tmp/sidestep-snapshot-XXXXXX";
	const char *file;
	size_t pods = 0;

	assert_non_null(mkdtemp(dir));
	file = arena_printf(&a, "%s/out.json", dir);
	write_file(arena_printf(&a, "%s/b.yaml", dir),
		   "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: ns}\n"
		   "data: {key: c2VjcmV0}\n---\n---\n"
		   "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n");
	write_file(arena_printf(&a, "%s/a.yaml", dir),
		   "apiVersion: v1\nkind: List\nitems:\n"
		   "- {apiVersion: v1, kind: Pod, metadata: {name: q, namespace: ns}}\n");
	snapshot_init(&s, &a);
	if (snapshot_read(&s, dir, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(s.n, 3);
	assert_int_equal(snapshot_write(&s, file, &err), 0);
	snapshot_init(&back, &a);
	if (snapshot_read(&back, file, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(back.n, 3);
	assert_string_equal(
		doc_find_str(snapshot_find(&back, object_kind(KIND_SECRET), "ns", "s"), "data.key"),
		"");
	assert_non_null(snapshot_find(&back, object_kind(KIND_POD), NULL, "p"));
	assert_string_equal(doc_find_str(snapshot_find(&back, object_kind(KIND_POD), NULL, "p"),
					 "metadata.namespace"),
			    "default");
	assert_null(snapshot_find(&back, object_kind(KIND_POD), "m", "q"));
	snapshot_foreach (&back, object_kind(KIND_POD), d)
		pods += doc_get(d, "metadata") != NULL;
	assert_int_equal(pods, 2);
	snapshot_release(&s);
	snapshot_release(&back);
	assert_int_equal(io_remove_tree(dir, NULL), 0);
	arena_release(&a);
}

static void add(struct snapshot *s, const char *json)
{
	struct doc *d;

	assert_int_equal(doc_read_json(s->arena, json, strlen(json), "test", &d, NULL), 0);
	assert_int_equal(snapshot_add(s, d, NULL), 0);
}

TEST(what_nobody_wrote_is_as_a_server_would_have_it)
{
	const struct object_kind *namespaces = object_kind(KIND_NAMESPACE);
	struct arena a = ARENA_INIT;
	struct snapshot s;

	snapshot_init(&s, &a);
	add(&s, "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"one\"}}");
	add(&s, "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"two\","
		"\"namespace\":\"there\"}}");
	add(&s, "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"there\","
		"\"labels\":{\"a\":\"b\"}}}");
	add(&s, "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"three\","
		"\"namespace\":7}}");
	snapshot_complete(&s);
	assert_string_equal(doc_find_str(s.items[0], "metadata.namespace"), "default");
	assert_int_equal(s.n, 5);
	assert_non_null(snapshot_find(&s, namespaces, NULL, "default"));
	assert_string_equal(
		doc_find_str(snapshot_find(&s, namespaces, NULL, "there"), "metadata.labels.a"),
		"b");
	/* A value of the wrong type is for the decoder to refuse, not to be replaced. */
	assert_null(doc_find_str(s.items[3], "metadata.namespace"));
	snapshot_complete(&s);
	assert_int_equal(s.n, 5);
	snapshot_release(&s);
	arena_release(&a);
}

TEST(what_is_no_object_is_refused)
{
	static const char list[] = "apiVersion: v1\nkind: List\nitems: {a: b}\n";
	struct error err = ERROR_INIT;
	struct doc_stream docs;
	struct arena a = ARENA_INIT;
	struct snapshot s;

	snapshot_init(&s, &a);
	assert_int_equal(snapshot_add(&s, doc_map(&a), NULL), -EINVAL);
	assert_int_equal(snapshot_add(&s, doc_null(&a), NULL), 0);
	assert_int_equal(doc_read_yaml(&a, list, sizeof(list) - 1, "f.yaml", &docs, &err), 0);
	assert_int_equal(snapshot_add(&s, docs.docs[0], &err), -EINVAL);
	assert_string_equal(err.msg, "f.yaml:3:8: items: want a list, got map");
	snapshot_release(&s);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_folder_goes_to_one_file_and_back),
		cmocka_unit_test(what_nobody_wrote_is_as_a_server_would_have_it),
		cmocka_unit_test(what_is_no_object_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
