/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps that change something. What they do to objects is lib/step's: announced, done, verified,
 * undone from the pre-image. What is no change of an object (a program, an eviction) is a deed:
 * noted before and after, and after a kill in between done again, for all that may run so are made
 * to be (an eviction names the pods' uids, a restart or a regeneration may happen twice, our own
 * tools go on with a run that is there).
 */
#include <inttypes.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/kube/lease.h"
#include "runbooks/run_internal.h"
#include "runbooks/wanted.h"

/* How long budgets are waited for, where a step has no timeout of its own. */
#define EVICTIONS_NS (300 * NS_PER_S)

/* --- deeds -------------------------------------------------------------------------------------
 */

static bool deed_done(const struct runner *r, const char *key)
{
	for (size_t i = 0; i < journal_count(r->journal); i++) {
		const struct journal_record *rec = journal_at(r->journal, i);

		if (str_eq(rec->type, "deed") && str_eq(doc_find_str(rec->body, "step"), key) &&
		    str_eq(doc_find_str(rec->body, "phase"), "done"))
			return true;
	}
	return false;
}

static int note_deed(struct runner *r, const char *key, const char *phase, const char *member,
		     const char *value, const struct doc *answer, struct error *err)
{
	struct arena *a = journal_arena(r->journal);
	struct doc *body = doc_map(a);

	doc_set_string(a, body, "step", key);
	doc_set_string(a, body, "phase", phase);
	if (member && value)
		doc_set_string(a, body, member, value);
	if (answer)
		doc_set(a, body, "answer", doc_clone(a, answer));
	return run_record(r, "deed", body, err);
}

/* Gone, or another of that name: it was done. */
static int still_there(struct runner *r, const struct doc *pod, bool *ret_there, struct error *err)
{
	struct doc *live = NULL;
	int rc = cluster_get(&r->cluster, &r->arena, object_kind(KIND_POD),
			     doc_find_str(pod, "namespace"), doc_find_str(pod, "name"), &live, err);

	*ret_there = !rc && live && str_eq(kube_uid(live), doc_find_str(pod, "uid")) &&
		     !kube_deleting(live);
	return rc;
}

static int delete_pod(struct runner *r, const struct doc *pod, struct error *err)
{
	const struct kube_request q = {.verb = KUBE_DELETE,
				       .kind = object_kind(KIND_POD),
				       .namespace_ = doc_find_str(pod, "namespace"),
				       .name = doc_find_str(pod, "name"),
				       .uid = doc_find_str(pod, "uid")};

	return cluster_do(&r->cluster, &q, &r->arena, NULL, err);
}

static int lock_held(const struct runner *r, struct error *err)
{
	if (!r->cluster.lock || kube_lease_held(r->cluster.lock))
		return 0;
	return error_set(err, -EINTR, "the lock of this run was lost");
}

/* A budget that forbids it now lets it happen once others are ready; a server comes back. */
static int evict_pod(struct runner *r, const struct doc *pod, uint64_t until, struct error *err)
{
	for (;;) {
		uint64_t again = 0;
		bool there;
		struct error why = ERROR_INIT;
		int rc = still_there(r, pod, &there, err);

		if (rc || !there)
			return rc;
		rc = lock_held(r, err);
		if (rc)
			return rc;
		rc = kube_evict(r->cluster.client, doc_find_str(pod, "namespace"),
				doc_find_str(pod, "name"), doc_find_str(pod, "uid"), &again, &why);
		if (!again || clock_now_ns(r->cluster.clock) >= until)
			return rc ? error_set(err, rc, "%s", why.msg) : 0;
		if (runner_wait(r, again, err) < 0)
			return -EINTR;
	}
}

static int remove_pods(struct change_plan *p, const struct doc *deed, struct error *err)
{
	struct runner *r = p->s->r;
	const uint64_t until =
		clock_now_ns(r->cluster.clock) + duration_ns(p->step->timeout, EVICTIONS_NS);
	const bool evict = str_eq(doc_find_str(deed, "op"), "evict");

	doc_foreach_item (doc_get(deed, "pods"), pod) {
		bool there;
		int rc = still_there(r, pod, &there, err);

		if (!rc && there)
			rc = evict ? evict_pod(r, pod, until, err) : delete_pod(r, pod, err);
		if (rc && rc != -ENOENT)
			return error_wrap(err, rc, "pod %s/%s", doc_find_str(pod, "namespace"),
					  doc_find_str(pod, "name"));
	}
	return 0;
}

/* Words of an argv that was filled in already, and noted so: a dollar sign in it is one. */
static void take_words(struct arena *a, const struct doc *list, size_t skip, struct strings *argv)
{
	for (size_t i = skip; i < doc_len(list); i++) {
		auto_release(strbuf) struct strbuf word = STRBUF_INIT;

		for (const char *c = str_or_empty(doc_str(doc_at(list, i))); *c; c++)
			strbuf_adds(&word, *c == '$' ? "$$" : (char[]){*c, 0});
		argv->items[argv->n++] = arena_strdup(a, strbuf_cstr(&word));
	}
}

static const struct known_command *row_of(struct arena *a, const struct doc *list,
					  size_t *ret_words)
{
	const char **words = arena_array(a, doc_len(list) + 1, const char *);

	doc_foreach_item (list, it)
		words[it_i] = str_or_empty(doc_str(it));
	return known_command_find(words, doc_len(list), ret_words);
}

/* --- the runs of our own tools ---
 * A tool is told to go on with "the" run, or to take it back, and takes the newest there is: that
 * it is the one which this deed began is looked at here. An intent notes the newest before it, a
 * "ran" behind the tool's end which one is its own ("" none).
 */

/* What the row's tool keeps runs of; NULL: it keeps none. */
static const char *subject_of(const struct known_command *row, size_t words, const struct doc *list)
{
	if (!row || !row->again)
		return NULL;
	return str_ends(row->words, "--to") ? "mesh" : str_or_empty(doc_str(doc_at(list, words)));
}

/* The newest of the tool and subject that an argv names; "" none, NULL: not known. */
static int newest_run(struct runner *r, const struct doc *deed, const char **ret_name,
		      struct error *err)
{
	struct arena *a = &r->arena;
	const struct doc *argv = doc_get(deed, "argv");
	const char *newest = "", *tool = doc_str(doc_at(argv, 1)), *subject;
	const struct known_command *row;
	size_t words = 0;
	struct doc *list;
	int rc;

	*ret_name = NULL;
	row = row_of(a, argv, &words);
	subject = subject_of(row, words, argv);
	if (!subject || !r->cluster.client)
		return 0;
	rc = cluster_list(&r->cluster, a, object_kind(KIND_SIDESTEP_RUN), NULL, &list, err);
	if (rc)
		return error_wrap(err, rc == -EINTR ? rc : -EAGAIN, "the runs of sidestep %s",
				  tool);
	doc_foreach_item (list, d) {
		if (str_eq(doc_find_str(d, "spec.tool"), tool) &&
		    str_eq(doc_find_str(d, "spec.subject"), subject) &&
		    strcmp(newest, kube_name(d)) < 0)
			newest = kube_name(d);
	}
	*ret_name = newest;
	return 0;
}

/* By the journal: of the last attempt that was cut off, all is known but its own run. */
static const char *noted_run(const struct runner *r, const char *key, bool *ret_begun,
			     const char **ret_before)
{
	const char *own = NULL;

	*ret_begun = false;
	*ret_before = NULL;
	for (size_t i = 0; i < journal_count(r->journal); i++) {
		const struct doc *body = journal_at(r->journal, i)->body;
		const char *phase = doc_find_str(body, "phase");

		if (!str_eq(journal_at(r->journal, i)->type, "deed") ||
		    !str_eq(doc_find_str(body, "step"), key))
			continue;
		*ret_begun = true;
		if (str_eq(phase, "intent") && !*ret_before)
			*ret_before = doc_find_str(body, "before");
		else if (str_eq(phase, "ran") && str_empty(own))
			own = doc_find_str(body, "own");
		if (str_eq(phase, "ran"))
			*ret_before = NULL;
	}
	return own;
}

int change_own_run(struct runner *r, const char *key, const struct doc *deed,
		   struct change_own *ret, struct error *err)
{
	const char *before;
	int rc;

	*ret = (struct change_own){0};
	ret->name = noted_run(r, key, &ret->begun, &before);
	rc = newest_run(r, deed, &ret->newest, err);
	if (!rc && ret->newest && before && str_empty(ret->name))
		ret->name = strcmp(before, ret->newest) < 0 ? ret->newest : "";
	if (!ret->begun)
		ret->name = "";
	return rc;
}

/* The argv as it is, or how a tool is told to go on with what it has begun. */
static struct strings argv_of(struct arena *a, const struct doc *list,
			      const struct known_command *row, size_t words, bool again)
{
	struct strings argv = {arena_array(a, doc_len(list) + 16, const char *), 0};

	if (!again || !row || !row->again) {
		take_words(a, list, 0, &argv);
		return argv;
	}
	for (const char *at = row->again; *at;) {
		const size_t n = strcspn(at, " ");

		argv.items[argv.n++] = arena_strndup(a, at, n);
		at += n + (at[n] == ' ');
	}
	/* What follows --to is of the beginning; a run knows where it goes. */
	if (!str_ends(row->words, "--to"))
		take_words(a, list, words, &argv);
	return argv;
}

static int run_words(struct change_plan *p, const struct doc *deed, const struct strings *argv,
		     struct doc **ret_answer, struct error *err)
{
	struct done d = {.status = STATUS_OK};
	int rc = run_argv(p->s, argv, doc_find_str(deed, "output"), true, p->step->timeout, p->data,
			  &p->s->r->arena, &d, err);

	if (!rc)
		*ret_answer = evidence_redact(&p->s->r->evidence, &p->s->r->arena, d.answer, NULL);
	return rc;
}

/* -EAGAIN: it has not ended, and will go on when it is told to. */
static int judge_exit(const struct doc *deed, const struct known_command *row,
		      const struct doc *answer, struct error *err)
{
	const int64_t exit = doc_find_int(answer, "exit", 1);
	const char *said = doc_find_str(answer, "error");

	if (exit == 0 || exit == doc_find_int(deed, "expect", 0))
		return 0;
	said = said ? said : str_or_empty(doc_find_str(answer, "output"));
	if (row && row->keeps &&
	    (exit == CLI_INCONCLUSIVE || exit == CLI_WAITING || exit == CLI_INTERRUPTED))
		return error_set(err, -EAGAIN, "%s: %s: %.300s", row->words,
				 exit_code_meaning((int)exit), said);
	return error_set(err, -EIO, "%s ended with %" PRId64 ": %.300s",
			 doc_str(doc_at(doc_get(deed, "argv"), 0)), exit, said);
}

/* Which run it has begun; not known after an interruption: found when it is gone on with. */
static int note_ran(struct change_plan *p, const struct doc *deed, const struct change_own *own,
		    struct error *err)
{
	const char *newest = NULL;
	struct error why = ERROR_INIT;

	if (!own->newest || !own->name || newest_run(p->s->r, deed, &newest, &why) < 0)
		return 0;
	if (str_empty(own->name))
		newest = strcmp(own->newest, newest) < 0 ? newest : "";
	else
		newest = own->name;
	return note_deed(p->s->r, p->key, "ran", "own", newest, NULL, err);
}

static int do_command(struct change_plan *p, const struct doc *deed, const struct change_own *own,
		      struct doc **ret_answer, struct error *err)
{
	struct arena *a = &p->s->r->arena;
	const struct doc *list = doc_get(deed, "argv");
	const bool again = own->begun && (!own->name || *own->name);
	size_t words = 0;
	const struct known_command *row = row_of(a, list, &words);
	struct strings argv = argv_of(a, list, row, words, again);
	int rc;

	if (again && own->newest && own->name && !str_eq(own->name, own->newest))
		return error_set(err, -EIO, "run %s is newer than %s, which this step began",
				 own->newest, own->name);
	rc = run_words(p, deed, &argv, ret_answer, err);
	/* Ended before it had begun anything: there is nothing to go on with. */
	if (!rc && again && !own->name && row && row->again &&
	    doc_find_int(*ret_answer, "exit", 0) == CLI_FAILED) {
		argv = argv_of(a, list, row, words, false);
		rc = run_words(p, deed, &argv, ret_answer, err);
	}
	if (!rc || rc == -ETIMEDOUT) {
		struct error why = ERROR_INIT;
		const int noted = note_ran(p, deed, own, &why);

		if (noted)
			return error_set(err, noted, "%s", why.msg);
	}
	if (rc == -ETIMEDOUT && row && row->keeps)
		return error_set(err, -EAGAIN,
				 "%s goes on longer than a step may: it was told to "
				 "pause, and goes on with this run",
				 row->words);
	return rc ? rc : judge_exit(deed, row, *ret_answer, err);
}

/* 0 done now or before; -EINTR interrupted; -EAGAIN it is to be gone on with; else it failed. */
static int do_deed(struct change_plan *p, const struct doc *deed, struct doc **ret_answer,
		   struct error *err)
{
	struct runner *r = p->s->r;
	struct change_own own;
	int rc;

	if (!deed || deed_done(r, p->key))
		return 0;
	rc = change_own_run(r, p->key, deed, &own, err);
	if (!rc)
		rc = note_deed(r, p->key, "intent", "before", own.newest, NULL, err);
	if (!rc && r->boundary)
		r->boundary(r->arg, "do");
	if (!rc)
		rc = str_eq(doc_find_str(deed, "op"), "command")
			     ? do_command(p, deed, &own, ret_answer, err)
			     : remove_pods(p, deed, err);
	return rc ? rc : note_deed(r, p->key, "done", NULL, NULL, *ret_answer, err);
}

/* --- verify ------------------------------------------------------------------------------------
 */

static void verify_sample(const struct change_plan *p, const char *text, struct gate_sample *out)
{
	struct resample now;

	resample(p->s, text, p->data, out->arena, &now);
	for (size_t i = 0; i < now.n; i++) {
		const enum finding_result result = !now.had[i]               ? FINDING_UNKNOWN
						   : now.truth == EXPR_TRUE  ? FINDING_PASS
						   : now.truth == EXPR_FALSE ? FINDING_FAIL
									     : FINDING_UNKNOWN;

		gate_answer(out, now.names[i], result, "%s",
			    !now.had[i]               ? str_or_empty(now.why[i])
			    : now.truth == EXPR_TRUE  ? "it is so"
			    : now.truth == EXPR_FALSE ? arena_printf(out->arena, "not so: %s", text)
						      : str_or_empty(now.unknown));
	}
}

static int sample(void *env, const struct doc *args, struct gate_sample *out, struct error *err)
{
	const struct change_plan *p = env;

	(void)args;
	(void)err;
	verify_sample(p, p->step->verify->expr, out);
	return 0;
}

static const struct gate *verify_gate(struct arena *a, const struct verify *v)
{
	struct gate *g = arena_new(a, struct gate);

	*g = (struct gate){.id = "verify",
			   .title = v->expr,
			   .source = "the runbook",
			   .sample = sample,
			   .every_ns = MAX(duration_ns(v->poll, 5 * NS_PER_S), NS_PER_MS),
			   .within_ns = duration_ns(v->within, 300 * NS_PER_S),
			   .stable = v->stable.set ? (unsigned)v->stable.value : 2,
			   .n_required = v->sources.set ? (unsigned)v->sources.value : 2};
	return g;
}

static int carry_out(struct change_plan *p, const struct doc *record, enum run_state *ret_state,
		     struct error *err)
{
	struct runner *r = p->s->r;
	const struct step *step = change_step(&r->arena, p->key, p->step->title, record,
					      verify_gate(&r->arena, p->step->verify));
	struct step_run run = {.env = p,
			       .host = change_host(r),
			       .steps = step,
			       .n_steps = 1,
			       .journal = r->journal};

	return step_run(&run, ret_state, err);
}

static void verified(struct done *d, struct arena *a, bool well, const char *why)
{
	d->answer = doc_map(a);
	doc_set_bool(a, d->answer, "verified", well);
	d->status = well ? STATUS_CHANGED : STATUS_FAILED;
	d->why = why;
}

static int came_to(struct runner *r, enum run_state state, struct done *d, struct error *err)
{
	const char *why = change_reason(r);

	switch (state) {
	case RUN_DONE:
		verified(d, &r->arena, true, NULL);
		return 0;
	case RUN_PAUSED:
		return error_set(err, -EINTR, "%s", str_or_empty(why));
	case RUN_INCONCLUSIVE:
		d->pauses = true;
		d->status = STATUS_INCONCLUSIVE;
		d->why = why;
		return 0;
	case RUN_STOPPED:
	case RUN_CONFLICT:
	case RUN_FAILED:
	case RUN_RUNNING:
	case RUN_ROLLING_BACK:
	case RUN_ROLLED_BACK:
	case RUN_ROLLBACK_STOPPED:
		break;
	}
	verified(d, &r->arena, false, why);
	return 0;
}

/* All hold, by answers of now: those of before an approval may be hours old. */
static bool satisfied(struct change_plan *p)
{
	const struct runbook_step *step = p->step;

	for (size_t i = 0; i < step->n_precheck; i++) {
		auto_release(arena) struct arena a = ARENA_INIT;
		struct resample now;

		resample(p->s, step->precheck[i].expr, p->data, &a, &now);
		if (now.truth != EXPR_TRUE)
			return false;
	}
	return step->n_precheck > 0;
}

static void show_plan(struct change_plan *p, struct done *d)
{
	struct arena *a = &p->s->r->arena;

	d->status = STATUS_ASSUMED;
	d->answer = doc_map(a);
	doc_set(a, d->answer, "would", doc_clone(a, p->record));
	doc_del(doc_get(d->answer, "would"), "step");
	d->why = NULL;
}

static int execute(struct change_plan *p, const struct doc *record, struct done *d,
		   struct error *err)
{
	struct runner *r = p->s->r;
	struct error why = ERROR_INIT;
	struct doc *answer = NULL;
	enum run_state state;
	int rc = do_deed(p, doc_get(record, "deed"), &answer, &why);

	if (rc == -EINTR)
		return error_set(err, rc, "%s", why.msg);
	if (rc == -EAGAIN) {
		d->pauses = true;
		d->status = STATUS_INCONCLUSIVE;
		d->why = arena_strdup(&r->arena, why.msg);
		return 0;
	}
	if (rc) {
		verified(d, &r->arena, false, arena_strdup(&r->arena, why.msg));
		return 0;
	}
	rc = carry_out(p, record, &state, err);
	if (!rc)
		rc = came_to(r, state, d, err);
	if (!rc && d->answer && answer)
		doc_set(&r->arena, d->answer, "result", answer);
	return rc;
}

int act_change(const struct scope *s, const struct runbook_step *step, const struct doc *data,
	       struct done *d, struct error *err)
{
	struct runner *r = s->r;
	struct change_plan p = {.s = s, .step = step, .data = data, .key = scope_key(s, step)};
	const struct doc *record = change_planned(r, p.key);
	struct error why = ERROR_INIT;
	int rc;

	d->source = "change";
	if (!record && satisfied(&p)) {
		verified(d, &r->arena, true, "it is so already");
		d->status = s->mode == MODE_EXECUTE ? STATUS_OK : STATUS_ASSUMED;
		return 0;
	}
	if (!record && change_plan_it(&p, &why) < 0) {
		verified(d, &r->arena, false, arena_strdup(&r->arena, why.msg));
		if (s->mode != MODE_EXECUTE)
			d->status = STATUS_ASSUMED;
		return 0;
	}
	if (s->mode != MODE_EXECUTE) {
		show_plan(&p, d);
		return 0;
	}
	if (wanted_differs(s, step, data)) {
		verified(d, &r->arena, false, wanted_differs(s, step, data));
		return 0;
	}
	if (!record) {
		rc = run_record(r, "change", p.record, err);
		if (rc)
			return rc;
		record = change_planned(r, p.key);
	}
	return execute(&p, record, d, err);
}
