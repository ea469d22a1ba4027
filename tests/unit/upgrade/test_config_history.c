/* SPDX-License-Identifier: Apache-2.0 */
/* Revisions here and in the cluster: the same on another machine, and damage found. */
#include <string.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/report/report.h"
#include "tests/support/test.h"
#include "tests/unit/upgrade/api.h"
#include "upgrade/config_history.h"

struct machine {
	struct arena arena;
	struct config_place place;
	struct error err;
};

static int machine_try(struct machine *m, struct api *w, const char *state, bool no_pull)
{
	const struct config_place_options o = {
		.state = arena_printf(&w->arena, "%s/%s", w->dir, state), .no_pull = no_pull};

	*m = (struct machine){.err = ERROR_INIT};
	return config_place_open(&m->place, &m->arena, &w->cluster, &o, &m->err);
}

static void machine_open(struct machine *m, struct api *w, const char *state)
{
	if (machine_try(m, w, state, false))
		fail_msg("%s", m->err.msg);
}

static void machine_close(struct machine *m)
{
	config_place_release(&m->place);
	arena_release(&m->arena);
}

static struct doc *object(struct machine *m, const char *name, const char *value)
{
	struct doc *d = kube_object_new(&m->arena, object_kind(KIND_CONFIG_MAP), "shop", name);

	doc_set_string(&m->arena, doc_set_map(&m->arena, d, "data"), "value", value);
	return d;
}

static int record(struct machine *m, const char *name, const char *value, const char *gone,
		  const char *why, struct store_revision *ret)
{
	const struct store_note note = {
		.who = "jo <x>", .why = why, .run = name, .when_s = 1700000000};
	struct snapshot set, away;
	struct store_revision newest;
	const struct doc *d;

	snapshot_init(&set, &m->arena);
	snapshot_init(&away, &m->arena);
	assert_int_equal(snapshot_add(&set, object(m, name, value), &m->err), 0);
	if (gone)
		assert_int_equal(snapshot_add(&away, object(m, gone, ""), &m->err), 0);
	assert_int_equal(config_history_newest(&m->place, &newest, &m->err), 0);
	d = config_revision_make(&m->arena, &m->place, &newest, &note, NULL, &set, &away);
	snapshot_release(&set);
	snapshot_release(&away);
	return config_history_record(&m->place, d, ret, &m->err);
}

static void must_record(struct machine *m, const char *name, const char *value, const char *gone)
{
	struct store_revision made;

	if (record(m, name, value, gone, "because\nof  it \n\n", &made))
		fail_msg("%s", m->err.msg);
	assert_string_equal(made.note.run, name);
}

/* The newest revision as one text, with its id. */
static const char *newest(struct machine *m, struct arena *a)
{
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct store_revision r;
	struct snapshot set;

	assert_int_equal(config_history_newest(&m->place, &r, &m->err), 0);
	snapshot_init(&set, &m->arena);
	if (r.number)
		assert_int_equal(config_history_read(&m->place, &r, &set, NULL, &m->err), 0);
	strbuf_addf(&out, "%u %s", r.number, str_or_empty(r.id));
	for (size_t i = 0; i < set.n; i++)
		strbuf_addf(&out, " %s=%s", doc_find_str(set.items[i], "metadata.name"),
			    doc_find_str(set.items[i], "data.value"));
	snapshot_release(&set);
	return arena_strdup(a, strbuf_cstr(&out));
}

/* What fsck does not like, one line each. */
static const char *damage(struct machine *m, struct arena *a)
{
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct report report;

	report_init(&report, "test", "test", clock_system());
	if (config_history_fsck(&m->place, &report, &m->err))
		fail_msg("%s", m->err.msg);
	for (size_t i = 0; i < report.n; i++)
		if (report.findings[i].result == FINDING_FAIL)
			strbuf_addf(&out, "%s %s: %s\n", report.findings[i].id,
				    report.findings[i].scope, report.findings[i].message);
	report_release(&report);
	return arena_strdup(a, strbuf_cstr(&out));
}

static const char *const odd[] = {
	"yes",
	"1.10",
	"null",
	"~",
	"",
	" x ",
	"a: b\n- c\n",
	"\"q\" 'r' \\",
	"\t",
	"0x1f",
	"#",
	"ü\xf0\x9f\x90\x8c",
	"line\n\n\n",
	"---\n",
	"hmac-sha256:0123456789abcdef (12 bytes)",
	"\x01\x7f",
	"2001-01-01",
	"&a *b !!c",
};

TEST(another_machine_has_the_same_history)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct machine mine, theirs;
	struct api w;

	api_new(&w);
	machine_open(&mine, &w, "mine");
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
		must_record(&mine, arena_printf(&a, "m%zu", i), odd[i],
			    i % 3 == 2 ? arena_printf(&a, "m%zu", i - 1) : NULL);
	machine_open(&theirs, &w, "theirs");
	assert_string_equal(newest(&mine, &a), newest(&theirs, &a));
	must_record(&theirs, "more", "x", NULL);
	assert_string_not_equal(newest(&mine, &a), newest(&theirs, &a));
	machine_close(&mine);
	machine_open(&mine, &w, "mine");
	assert_string_equal(newest(&mine, &a), newest(&theirs, &a));
	assert_string_equal(damage(&mine, &a), "");
	machine_close(&mine);
	machine_close(&theirs);
	api_free(&w);
}

/* Both went on from the same revision: the second has made nothing that the cluster keeps. */
TEST(who_was_slower_is_told)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct machine mine, theirs;
	struct store_revision made;
	struct api w;

	api_new(&w);
	machine_open(&mine, &w, "mine");
	must_record(&mine, "a", "1", NULL);
	machine_open(&theirs, &w, "theirs");
	must_record(&mine, "b", "2", NULL);
	assert_int_equal(record(&theirs, "c", "3", NULL, "x", &made), -ESTALE);
	assert_non_null(strstr(theirs.err.msg, "revision 2"));
	machine_close(&theirs);
	assert_int_equal(machine_try(&theirs, &w, "theirs", false), -ESTALE);
	assert_non_null(strstr(theirs.err.msg, "parted"));
	arena_release(&theirs.arena);
	assert_int_equal(machine_try(&theirs, &w, "theirs", true), 0);
	assert_non_null(strstr(damage(&theirs, &a), "history-one"));
	machine_close(&theirs);
	machine_close(&mine);
	api_free(&w);
}

TEST(what_was_changed_in_the_cluster_is_found)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct machine mine, theirs;
	struct doc *map, *data;
	struct api w;
	const char *text;
	char *digit;

	api_new(&w);
	machine_open(&mine, &w, "mine");
	must_record(&mine, "a", "1", NULL);
	must_record(&mine, "b", "2", NULL);
	map = api_get(&w, "v1", "ConfigMap", CONFIG_HOME, "sidestep-config-main-2");
	data = doc_get(map, "data");
	text = doc_find_str(data, "text");
	digit = strstr(text, "\"value\":\"2\"");
	assert_non_null(digit);
	digit[9] = '3';
	api_remove(&w, KIND_CONFIG_MAP, CONFIG_HOME, "sidestep-config-main-2");
	doc_del(doc_get(map, "metadata"), "resourceVersion");
	if (kube_create(w.cluster.client, &a, object_kind(KIND_CONFIG_MAP), map, NULL, &mine.err))
		fail_msg("%s", mine.err.msg);
	assert_non_null(strstr(damage(&mine, &a), "history-copy revision 2"));
	assert_int_equal(machine_try(&theirs, &w, "theirs", false), -EBADMSG);
	assert_non_null(strstr(theirs.err.msg, "revision 2"));
	arena_release(&theirs.arena);
	/* Gone: said, and the next write brings it back. */
	api_remove(&w, KIND_CONFIG_MAP, CONFIG_HOME, "sidestep-config-main-2");
	assert_non_null(strstr(damage(&mine, &a), "no copy"));
	must_record(&mine, "c", "3", NULL);
	assert_string_equal(damage(&mine, &a), "");
	machine_close(&mine);
	api_free(&w);
}

/* Larger than one ConfigMap; a killed run has left a piece of another one. */
TEST(a_large_revision_comes_in_pieces)
{
	auto_release(strbuf) struct strbuf big = STRBUF_INIT;
	auto_release(arena) struct arena a = ARENA_INIT;
	struct machine mine, theirs;
	struct api w;

	while (big.len < 2 * CONFIG_PIECE_BYTES)
		strbuf_adds(&big, "ü0123456789");
	api_new(&w);
	api_apply(&w, "{apiVersion: v1, kind: ConfigMap, metadata: {name: "
		      "sidestep-config-main-1.1, namespace: kube-system}, data: {text: old}}");
	machine_open(&mine, &w, "mine");
	must_record(&mine, "a", strbuf_cstr(&big), NULL);
	assert_non_null(api_get(&w, "v1", "ConfigMap", CONFIG_HOME, "sidestep-config-main-1.2"));
	machine_open(&theirs, &w, "theirs");
	assert_string_equal(newest(&mine, &a), newest(&theirs, &a));
	machine_close(&theirs);
	machine_close(&mine);
	api_free(&w);
}

/* Made once on a machine, shared once by the cluster, and nobody else's to read. */
TEST(there_is_one_key)
{
	struct machine mine, theirs;
	struct api w;
	const char *first;

	api_new(&w);
	machine_open(&mine, &w, "mine");
	machine_open(&theirs, &w, "theirs");
	first = secret_key_id(&w.arena, &mine.place.key);
	assert_string_not_equal(first, secret_key_id(&w.arena, &theirs.place.key));
	assert_int_equal(config_place_share_key(&mine.place, &mine.err), 0);
	assert_int_equal(config_place_share_key(&mine.place, &mine.err), 0);
	assert_int_equal(config_place_share_key(&theirs.place, &theirs.err), -ESTALE);
	machine_close(&theirs);
	machine_open(&theirs, &w, "theirs");
	assert_string_equal(first, secret_key_id(&w.arena, &theirs.place.key));
	machine_close(&mine);
	machine_open(&mine, &w, "mine");
	assert_string_equal(first, secret_key_id(&w.arena, &mine.place.key));
	machine_close(&mine);
	machine_close(&theirs);
	api_free(&w);
}

TEST(what_is_no_revision_is_refused)
{
	static const char *const texts[] = {
		"",
		"{}",
		"[]",
		"{\"number\":1,\"files\":[]}",
		"{\"number\":0,\"id\":\"x\",\"files\":[]}",
		"{\"number\":1,\"id\":\"x\",\"files\":[{}]}",
		"{\"number\":1,\"id\":\"x\",\"files\":[{\"path\":\"a\"}]}",
		"{\"number\":1,\"id\":\"x\",\"files\":[{\"path\":\"a\",\"doc\":{},\"gone\":true}]}",
	};
	auto_release(arena) struct arena a = ARENA_INIT;
	struct doc *d;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (!config_revision_parse(&a, texts[i], strlen(texts[i]), &d, NULL))
			fail_msg("%s", texts[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_machine_has_the_same_history),
		cmocka_unit_test(who_was_slower_is_told),
		cmocka_unit_test(what_was_changed_in_the_cluster_is_found),
		cmocka_unit_test(a_large_revision_comes_in_pieces),
		cmocka_unit_test(there_is_one_key),
		cmocka_unit_test(what_is_no_revision_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
