/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diff/owner.h"

#include <string.h>

#include "tests/support/test.h"

static const char object[] =
	"metadata:\n"
	"  managedFields:\n"
	"  - {manager: helm, operation: Update, time: '2026-01-01T00:00:00Z', fieldsV1: {'f:spec': "
	"{\n"
	"      'f:replicas': {}, 'f:args': {}, 'f:containers': {'k:{\"name\":\"app\"}': {'.': {},\n"
	"      'f:image': {}}}}, 'f:metadata': {'f:finalizers': {'v:\"keep\"': {}}}}}\n"
	"  - {manager: hpa, operation: Update, subresource: scale, time: '2026-02-01T00:00:00Z',\n"
	"     fieldsV1: {'f:spec': {'f:replicas': {}}}}\n"
	"  - {manager: kubelet, operation: Update, subresource: status, time: "
	"'2026-03-01T00:00:00Z',\n"
	"     fieldsV1: {'f:spec': {'f:replicas': {}}}}\n"
	"  - {manager: broken, fieldsV1: [1]}\n"
	"  - 7\n";

static struct doc *yaml(struct arena *a, const char *text)
{
	struct doc_stream s;

	assert_int_equal(doc_read_yaml(a, text, strlen(text), NULL, &s, NULL), 0);
	return s.docs[0];
}

static const char *owner(const struct doc *d, const struct diff_path *p)
{
	struct field_owner o;

	return field_owner_find(d, p, &o) ? o.manager : "nobody";
}

TEST(the_latest_owner_of_a_field_is_found)
{
	struct arena a = ARENA_INIT;
	const struct doc *d = yaml(&a, object);
	const struct diff_path *spec = diff_path_field(&a, NULL, "spec"), *app, *p;
	struct field_owner o;

	p = diff_path_field(&a, spec, "replicas");
	assert_true(field_owner_find(d, p, &o));
	assert_string_equal(o.manager, "hpa");
	assert_string_equal(o.subresource, "scale");
	app = diff_path_item(&a, diff_path_field(&a, spec, "containers"), yaml(&a, "{name: app}"));
	assert_string_equal(owner(d, diff_path_field(&a, app, "image")), "helm");
	assert_string_equal(owner(d, diff_path_field(&a, app, "command")), "nobody");
	app = diff_path_item(&a, diff_path_field(&a, spec, "containers"), yaml(&a, "{name: b}"));
	assert_string_equal(owner(d, app), "nobody");
	/* A list that is one value belongs to one manager with all that is in it. */
	p = diff_path_index(&a, diff_path_field(&a, spec, "args"), 1);
	assert_string_equal(owner(d, p), "helm");
	p = diff_path_field(&a, diff_path_field(&a, NULL, "metadata"), "finalizers");
	assert_string_equal(owner(d, diff_path_item(&a, p, doc_string(&a, "keep"))), "helm");
	assert_string_equal(owner(NULL, p), "nobody");
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_latest_owner_of_a_field_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
