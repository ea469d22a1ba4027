/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mesh's own part of the story: the agents go one minor up while traffic runs, and releases
 * with a defect get no further than one node. Who tells the story has built them.
 */
#include <string.h>

#include "deploy/lab/images.h"
#include "deploy/lab/story/steps.h"
#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/kube/sync.h"

/* Whoever kills an agent while its node is looked at has the hop taken back: it is tried again. */
#define MAX_ATTEMPTS 3
/* Behind a change: a connection that is not answered is lost after 3 s. */
#define SETTLE_NS (4 * NS_PER_S)

bool story_has_upgrade(const struct story *s)
{
	return s->options->from != NULL;
}

bool story_has_defects(const struct story *s)
{
	return s->options->defects.n > 0;
}

const char *story_image(struct arena *a, const char *release)
{
	return arena_printf(a, LAB_AGENT_IMAGE ":%.*s", (int)strcspn(release, "="), release);
}

/* --- the tool --- */

static int hop(struct story *s, const char *title, const char *to, const char *releases,
	       struct tool_run *t, enum step_outcome *outcome, const char **words,
	       struct error *err)
{
	const char *profile =
		arena_printf(&s->arena, "%s/deploy/lab/upgrade.yaml", s->lab.source_dir);
	const char *args[] = {"run",
			      "--kubeconfig",
			      s->lab.kubeconfig_here,
			      "--state",
			      s->state,
			      "--yes",
			      "--finalize",
			      "--to",
			      to,
			      "--profile",
			      profile,
			      releases ? "--releases" : NULL,
			      releases,
			      NULL};
	unsigned rounds;

	return step_persist(s, title, "upgrade", args, 6, t, &rounds, outcome, words, err);
}

/* What the newest run says of itself; NULL when it says nothing. */
static int record_of(struct story *s, const char *title, struct doc **ret_record, struct error *err)
{
	const char *args[] = {"report",   "--kubeconfig", s->lab.kubeconfig_here,
			      "--output", "json",         NULL};
	enum step_outcome outcome;
	const char *words;
	struct tool_run t;
	int r = step_ask(s, arena_printf(&s->arena, "%s-report", title), "upgrade", args, &t,
			 &outcome, &words, err);

	*ret_record = r ? NULL : t.doc;
	tool_run_release(&t);
	return r;
}

/* --- one minor up --- */

static void note_upgrade(struct story *s, const struct doc *record, const struct counts *since)
{
	struct arena *a = &s->arena;

	s->upgrade = doc_map(a);
	doc_set_string(a, s->upgrade, "from", doc_find_str(record, "from.version"));
	doc_set_string(a, s->upgrade, "to", doc_find_str(record, "to.version"));
	doc_set_int(a, s->upgrade, "endpoints", doc_find_int(record, "endpoints", -1));
	doc_set_int(a, s->upgrade, "regenerated", doc_find_int(record, "regenerated", -1));
	doc_set_int(a, s->upgrade, "connections", since->long_lived);
	doc_set_int(a, s->upgrade, "connections_lost", since->lost);
}

static const char *upgrade_wrong(struct story *s)
{
	int64_t endpoints = doc_find_int(s->upgrade, "endpoints", -1);
	int64_t regenerated = doc_find_int(s->upgrade, "regenerated", -1);

	if (endpoints < 1 || regenerated != endpoints)
		return arena_printf(&s->arena, "%lld of %lld endpoints were built anew",
				    (long long)regenerated, (long long)endpoints);
	if (!doc_find_int(s->upgrade, "connections", 0))
		return "no connection was open meanwhile";
	return NULL;
}

/* Connections are judged with all others, at the end: what a kill took is told apart there. */
static int judge_upgrade(struct story *s, const struct counts *before, unsigned attempts,
			 enum step_outcome *outcome, const char **words, struct error *err)
{
	auto_free char *dir = story_counts_dir(s);
	struct counts now = {0}, since = {0};
	struct doc *record = NULL;
	int r = record_of(s, "upgrade", &record, err);

	if (!r)
		r = story_rest(s, SETTLE_NS, err);
	if (!r)
		r = counts_read(dir, &now, err);
	if (r < 0)
		return r;
	counts_since(&now, before, &since);
	note_upgrade(s, record, &since);
	doc_set_int(&s->arena, s->upgrade, "attempts", attempts);
	counts_release(&since);
	counts_release(&now);
	*words = arena_printf(
		&s->arena, "%s to %s%s, %lld endpoints built anew, %lld connections held",
		str_or_empty(doc_find_str(s->upgrade, "from")),
		str_or_empty(doc_find_str(s->upgrade, "to")),
		attempts > 1 ? arena_printf(&s->arena, " at attempt %u", attempts) : "",
		(long long)doc_find_int(s->upgrade, "regenerated", 0),
		(long long)doc_find_int(s->upgrade, "connections", 0));
	step_doubt(s, outcome, words, upgrade_wrong(s));
	return 0;
}

int story_do_upgrade(struct story *s, enum step_outcome *outcome, const char **words,
		     struct error *err)
{
	auto_free char *dir = story_counts_dir(s);
	struct counts before = {0};
	unsigned attempts = 0;
	bool again = true;
	int r = counts_read(dir, &before, err);

	while (!r && again) {
		unsigned n = ++attempts;
		const char *title =
			n == 1 ? "upgrade" : arena_printf(&s->arena, "upgrade-again-%u", n);
		struct tool_run t;

		r = hop(s, title, SIDESTEP_VERSION, NULL, &t, outcome, words, err);
		again = t.code == CLI_ROLLED_BACK && n < MAX_ATTEMPTS;
		tool_run_release(&t);
	}
	if (!r && *outcome == STORY_OK)
		r = judge_upgrade(s, &before, attempts, outcome, words, err);
	counts_release(&before);
	return r;
}

/* --- bad releases --- */

struct defect {
	const char *name, *version, *dir;
};

static int defect_parse(struct arena *a, const char *text, struct defect *out, struct error *err)
{
	const char *version = strchr(text, '='), *dir = version ? strchr(version + 1, '=') : NULL;

	if (!dir || !dir[1])
		return error_set(err, -EINVAL, "--defect %s: want NAME=VERSION=DIR", text);
	out->name = arena_strndup(a, text, (size_t)(version - text));
	out->version = arena_strndup(a, version + 1, (size_t)(dir - version - 1));
	out->dir = arena_strdup(a, dir + 1);
	return 0;
}

/* Both keep connections in the layout that the agents say they have. */
static int write_releases(struct story *s, const struct defect *d, const char **ret_path,
			  struct error *err)
{
	const char *versions[] = {SIDESTEP_VERSION, d->version};
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	struct arena *a = &s->arena;
	struct doc *node = NULL, *list = doc_list(a);
	int r = kube_get(s->client, a, object_kind(KIND_SIDESTEP_NODE), NULL, s->lab.nodes[0].name,
			 &node, err);

	for (size_t i = 0; !r && i < ARRAY_SIZE(versions); i++) {
		struct doc *one = doc_append(a, list, doc_map(a));

		doc_set_string(a, one, "version", versions[i]);
		doc_set_int(a, one, "conntrackLayout",
			    doc_find_int(node, "status.conntrack.layout", 0));
	}
	doc_write_json(list, DOC_PRETTY, &text);
	*ret_path = arena_printf(a, "%s/releases-%s.json", s->evidence, d->name);
	return r ? r : io_write_file_atomic(*ret_path, strbuf_cstr(&text), text.len, 0644, err);
}

/* At the first node: its change, or the time in which it must stay well. */
static bool is_at_canary(const char *step)
{
	return str_starts(str_or_empty(step), "U8/") || str_eq(step, "U9");
}

static void note_defect(struct story *s, const struct defect *d, const struct doc *record, int code)
{
	struct doc *one = doc_append(&s->arena, s->bad_releases, doc_map(&s->arena));

	doc_set_string(&s->arena, one, "defect", d->name);
	doc_set_string(&s->arena, one, "stopped_at", doc_find_str(record, "stopped_at"));
	doc_set_string(&s->arena, one, "stopped_by", doc_find_str(record, "stopped_by"));
	doc_set_bool(&s->arena, one, "rolled_back", code == CLI_ROLLED_BACK);
}

static int do_defect(struct story *s, const struct defect *d, bool *ret_stopped, struct error *err)
{
	const char *title = arena_printf(&s->arena, "bad-release-%s", d->name), *releases, *words;
	const char *images = arena_printf(&s->arena, "%s/" IMAGES_FILE, s->lab.dir);
	enum step_outcome outcome;
	struct doc *record = NULL;
	struct tool_run t = {0};
	int r = images_add(images, story_image(&s->arena, d->version), d->dir, err);

	if (!r)
		r = write_releases(s, d, &releases, err);
	if (!r)
		r = hop(s, title, d->version, releases, &t, &outcome, &words, err);
	if (!r)
		r = record_of(s, title, &record, err);
	if (!r)
		note_defect(s, d, record, t.code);
	*ret_stopped =
		!r && t.code == CLI_ROLLED_BACK && is_at_canary(doc_find_str(record, "stopped_at"));
	tool_run_release(&t);
	return r;
}

int story_do_defects(struct story *s, enum step_outcome *outcome, const char **words,
		     struct error *err)
{
	size_t n = s->options->defects.n, stopped = 0;
	int r = 0;

	s->bad_releases = doc_list(&s->arena);
	for (size_t i = 0; !r && i < n; i++) {
		struct defect d = {0};
		bool yes = false;

		r = defect_parse(&s->arena, s->options->defects.items[i], &d, err);
		if (!r)
			r = do_defect(s, &d, &yes, err);
		stopped += yes;
	}
	if (!r)
		r = story_rest(s, SETTLE_NS, err);
	*outcome = stopped == n ? STORY_OK : STORY_FAILED;
	*words = arena_printf(&s->arena, "%zu of %zu stopped at the first node and undone", stopped,
			      n);
	return r;
}
