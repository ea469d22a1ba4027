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

/* Whoever kills an agent while its node is looked at has the hop taken back: that alone, seen in
 * the pod's status, is why it is tried again. */
#define MAX_ATTEMPTS 3

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

static void note_upgrade(struct story *s, const struct doc *record, unsigned attempts,
			 const struct counts *since)
{
	struct arena *a = &s->arena;

	s->upgrade = doc_map(a);
	doc_set_string(a, s->upgrade, "from", doc_find_str(record, "from.version"));
	doc_set_string(a, s->upgrade, "to", doc_find_str(record, "to.version"));
	doc_set_int(a, s->upgrade, "attempts", attempts);
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
		r = story_rest(s, STEP_SETTLE_NS, err);
	if (!r)
		r = counts_read(dir, &now, err);
	if (r < 0)
		return r;
	counts_since(&now, before, &since);
	note_upgrade(s, record, attempts, &since);
	counts_release(&since);
	counts_release(&now);
	*words = arena_printf(
		&s->arena, "%s to %s, %lld endpoints built anew, %lld connections held%s",
		str_or_empty(doc_find_str(s->upgrade, "from")),
		str_or_empty(doc_find_str(s->upgrade, "to")),
		(long long)doc_find_int(s->upgrade, "regenerated", 0),
		(long long)doc_find_int(s->upgrade, "connections", 0),
		attempts == 1
			? ""
			: arena_printf(&s->arena, ", at attempt %u: agents were killed", attempts));
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
	int r;

	if (!s->options->from) {
		*outcome = STORY_NOT_DONE;
		*words = s->options->no_upgrade ? s->options->no_upgrade
						: "no older release was given (--from)";
		return 0;
	}
	r = counts_read(dir, &before, err);
	while (!r && again) {
		const char *title = ++attempts == 1
					    ? "upgrade"
					    : arena_printf(&s->arena, "upgrade-again-%u", attempts);
		size_t killed = s->agents.n;
		struct tool_run t;

		r = hop(s, title, SIDESTEP_VERSION, NULL, &t, outcome, words, err);
		again = t.code == CLI_ROLLED_BACK && s->agents.n > killed &&
			attempts < MAX_ATTEMPTS;
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
	int r = cluster_get(&s->cluster, a, object_kind(KIND_SIDESTEP_NODE), NULL,
			    s->lab.nodes[0].name, &node, err);

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

static struct doc *note_defect(struct story *s, const struct defect *d, const struct doc *record,
			       int code)
{
	struct doc *one = doc_append(&s->arena, s->bad_releases, doc_map(&s->arena));

	doc_set_string(&s->arena, one, "defect", d->name);
	doc_set_string(&s->arena, one, "stopped_at", doc_find_str(record, "stopped_at"));
	doc_set_string(&s->arena, one, "stopped_by", doc_find_str(record, "stopped_by"));
	doc_set_bool(&s->arena, one, "rolled_back", code == CLI_ROLLED_BACK);
	return one;
}

/* What was lost from before it until behind its way back. */
static int note_losses(struct story *s, const struct counts *before, struct doc *one,
		       struct error *err)
{
	auto_free char *dir = story_counts_dir(s);
	struct counts now = {0}, since = {0};
	int r = story_rest(s, STEP_SETTLE_NS, err);

	if (!r)
		r = counts_read(dir, &now, err);
	if (!r) {
		counts_since(&now, before, &since);
		doc_set_int(&s->arena, one, "requests_failed", counts_total(&since).failed);
		doc_set_int(&s->arena, one, "connections_lost", since.lost);
		counts_release(&since);
	}
	counts_release(&now);
	return r;
}

/* It is tried, must be taken back, and a runbook looks for what it has left. */
static int do_defect(struct story *s, const struct defect *d, const struct counts *before,
		     bool *ret_stopped, const char **ret_wrong, struct error *err)
{
	const double began = story_now(s);
	const char *title = arena_printf(&s->arena, "bad-release-%s", d->name), *releases, *words;
	const char *images = arena_printf(&s->arena, "%s/" IMAGES_FILE, s->lab.dir);
	enum step_outcome outcome;
	struct doc *record = NULL, *one = NULL;
	struct tool_run t = {0};
	int r = images_add(images, story_image(&s->arena, d->version), d->dir, err);

	if (!r)
		r = write_releases(s, d, &releases, err);
	if (!r)
		r = hop(s, title, d->version, releases, &t, &outcome, &words, err);
	if (!r)
		r = record_of(s, title, &record, err);
	if (!r) {
		one = note_defect(s, d, record, t.code);
		r = story_ask_runbook(s, d->name, began, ret_wrong, err);
	}
	if (!r)
		r = note_losses(s, before, one, err);
	*ret_stopped =
		!r && t.code == CLI_ROLLED_BACK && is_at_canary(doc_find_str(record, "stopped_at"));
	tool_run_release(&t);
	return r;
}

/* What the runbook said of each. */
static const char *outcomes(struct story *s)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	doc_foreach_item (s->runbooks, d)
		strbuf_addf(&sb, "%s%s (exit %lld)", sb.len ? ", " : "",
			    str_or_empty(doc_find_str(d, "outcome")),
			    (long long)doc_find_int(d, "exit", -1));
	return arena_strdup(&s->arena, strbuf_cstr(&sb));
}

static int try_defects(struct story *s, size_t *ret_stopped, const char **ret_wrong,
		       struct error *err)
{
	auto_free char *dir = story_counts_dir(s);
	int r = 0;

	for (size_t i = 0; !r && i < s->options->defects.n; i++) {
		struct counts before = {0};
		struct defect d = {0};
		bool yes = false;

		r = defect_parse(&s->arena, s->options->defects.items[i], &d, err);
		if (!r)
			r = counts_read(dir, &before, err);
		if (!r)
			r = do_defect(s, &d, &before, &yes, ret_wrong, err);
		counts_release(&before);
		*ret_stopped += yes;
	}
	return r;
}

/* Measured once more when they are gone: what they have broken shows here, in their own step. */
static int measure_after(struct story *s, enum step_outcome *outcome, const char **words,
			 struct error *err)
{
	const struct window_figures *f = &s->windows[WINDOW_END];
	int r = story_measure(s, WINDOW_END, err);

	if (r)
		return r;
	if (f->sidecars != s->windows[WINDOW_BEFORE].sidecars)
		step_doubt(s, outcome, words,
			   arena_printf(&s->arena, "%lld of %lld sidecars are there",
					(long long)f->sidecars,
					(long long)s->windows[WINDOW_BEFORE].sidecars));
	if (!f->totals.ok || !f->totals.refused)
		step_doubt(s, outcome, words, "behind them nothing passed, or nothing was refused");
	return 0;
}

int story_do_defects(struct story *s, enum step_outcome *outcome, const char **words,
		     struct error *err)
{
	size_t n = s->options->defects.n, stopped = 0;
	const char *wrong = NULL;
	int r;

	if (!n) {
		*outcome = STORY_NOT_DONE;
		*words = s->options->no_defects ? s->options->no_defects
						: "no release with a defect was given (--defect)";
		return 0;
	}
	s->bad_releases = doc_list(&s->arena);
	r = try_defects(s, &stopped, &wrong, err);
	*outcome = stopped == n ? STORY_OK : STORY_FAILED;
	*words = arena_printf(&s->arena, "%zu of %zu stopped at the first node and undone; %s: %s",
			      stopped, n, s->subject.runbook, outcomes(s));
	step_doubt(s, outcome, words, wrong);
	return r ? r : measure_after(s, outcome, words, err);
}
