/* SPDX-License-Identifier: Apache-2.0 */
/* Watches: every change once and in order, from a version on; what has been forgotten is said. */
#include "lib/base/str.h"
#include "tests/peers/contract/contract.h"

#define MAPS "/api/v1/namespaces/{ns}/configmaps"
#define OURS "labelSelector=ours"
#define MADE                                                                                       \
	"{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {ours: x}}, data: {k: "     \
	"'1'}}"

static const char *watch_path(struct contract *c, const char *version, const char *more)
{
	return arena_printf(&c->arena, MAPS "?watch=1&resourceVersion=%s&" OURS "%s", version,
			    more);
}

static const char *version_now(struct contract *c)
{
	return text_at(expect(c, 200, "GET", MAPS "?" OURS, NULL), "metadata.resourceVersion");
}

static void every_change_in_order(void **state)
{
	struct contract *c = *state;
	struct watch *w = watch_open(c, watch_path(c, version_now(c), ""));
	struct doc *object;

	expect(c, 201, "POST", MAPS, MADE);
	object = watch_expect(w, "ADDED", "a");
	assert_text(object, "kind", "ConfigMap");
	assert_text(object, "data.k", "1");
	expect_patch(c, 200, "merge-patch", MAPS "/a", "{data: {k: '2'}}");
	assert_text(watch_expect(w, "MODIFIED", "a"), "data.k", "2");
	expect(c, 200, "DELETE", MAPS "/a", NULL);
	assert_text(watch_expect(w, "DELETED", "a"), "data.k", "2");
	watch_close(w);
}

static void from_a_version_on(void **state)
{
	struct contract *c = *state;
	const char *before, *made;
	struct watch *w;

	before = version_now(c);
	made = text_at(expect(c, 201, "POST", MAPS, MADE), "metadata.resourceVersion");
	expect_patch(c, 200, "merge-patch", MAPS "/a", "{data: {k: '2'}}");
	w = watch_open(c, watch_path(c, before, ""));
	watch_expect(w, "ADDED", "a");
	watch_expect(w, "MODIFIED", "a");
	watch_close(w);
	w = watch_open(c, watch_path(c, made, ""));
	watch_expect(w, "MODIFIED", "a");
	watch_close(w);
	w = watch_open(c, watch_path(c, "0", "")); /* what there is, then what comes */
	assert_text(watch_expect(w, "ADDED", "a"), "data.k", "2");
	watch_close(w);
}

static void a_selector_makes_objects_come_and_go(void **state)
{
	struct contract *c = *state;
	struct watch *w = watch_open(c, watch_path(c, version_now(c), ",show%3Dyes"));

	expect(c, 201, "POST", MAPS, MADE);
	expect_patch(c, 200, "merge-patch", MAPS "/a", "{metadata: {labels: {show: 'yes'}}}");
	watch_expect(w, "ADDED", "a");
	expect_patch(c, 200, "merge-patch", MAPS "/a", "{metadata: {labels: {show: 'no'}}}");
	watch_expect(w, "DELETED", "a");
	watch_close(w);
}

static void one_object_by_name(void **state)
{
	struct contract *c = *state;
	struct watch *w;

	w = watch_open(c, watch_path(c, version_now(c), "&fieldSelector=metadata.name%3Db"));
	expect(c, 201, "POST", MAPS, MADE);
	expect(c, 201, "POST", MAPS,
	       "{apiVersion: v1, kind: ConfigMap, metadata: {name: b, labels: {ours: x}}}");
	watch_expect(w, "ADDED", "b");
	watch_close(w);
}

static void a_watch_ends_when_its_time_is_over(void **state)
{
	struct contract *c = *state;
	struct watch *w = watch_open(c, watch_path(c, version_now(c), "&timeoutSeconds=1"));

	assert_int_equal(watch_status(w), 200);
	assert_null(watch_next(w));
	watch_close(w);
}

/* A watch that begins with a list, and says by a bookmark where the list ends. */
static void a_watch_that_lists_first(void **state)
{
	struct contract *c = *state;
	struct doc *event;
	struct watch *w;

	expect(c, 201, "POST", MAPS, MADE);
	w = watch_open(c, MAPS "?watch=1&" OURS "&sendInitialEvents=true&resourceVersionMatch="
			       "NotOlderThan&allowWatchBookmarks=true");
	watch_expect(w, "ADDED", "a");
	event = watch_next(w);
	assert_text(event, "type", "BOOKMARK");
	assert_text(event, "object.kind", "ConfigMap");
	assert_text(event, "object.metadata.annotations['k8s.io/initial-events-end']", "true");
	assert_string_not_equal(text_at(event, "object.metadata.resourceVersion"), "");
	expect_patch(c, 200, "merge-patch", MAPS "/a", "{data: {k: '2'}}");
	watch_expect(w, "MODIFIED", "a");
	watch_close(w);
}

void watches_tests(void (*add)(const struct CMUnitTest *t, size_t n))
{
	static const struct CMUnitTest tests[] = {
		CONTRACT_TEST(every_change_in_order),
		CONTRACT_TEST(from_a_version_on),
		CONTRACT_TEST(a_selector_makes_objects_come_and_go),
		CONTRACT_TEST(one_object_by_name),
		CONTRACT_TEST(a_watch_ends_when_its_time_is_over),
		CONTRACT_TEST(a_watch_that_lists_first),
	};

	add(tests, ARRAY_SIZE(tests));
}
