/* SPDX-License-Identifier: Apache-2.0 */
/* Carrying out a hop: what stops takes itself back, what cannot tell pauses. */
#include <string.h>

#include "lib/base/str.h"
#include "lib/cli/exit.h"
#include "lib/run/runs.h"
#include "upgrade/told.h"
#include "upgrade/tool.h"

/* What happened, how the mesh stands now, what to type. */
static int tell(struct session *s, FILE *out, enum run_state state, bool back)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const struct upgrade *u = s->env;
	struct run_status status;
	struct world w;

	run_say(s, out, state);
	if (world_look(&w, &a, u, NULL)) {
		fprintf(out, "now: the cluster does not answer; 'sidestep upgrade status' tells "
			     "which node has which version\n");
	} else {
		fprintf(out, "now: %s\n", told_safe(&a, u, &w));
		doc_foreach_item (told_astray(&a, u, &w, state, s->journal), words)
			fprintf(out, "now: %s\n", doc_str(words));
	}
	run_status(&a, s->journal, s->steps, s->n_steps, &status);
	fprintf(out, "next: %s\n",
		cluster_retype(&a, run_next(s->tool, &a, s->subject, s->journal, &status, false),
			       s->cluster.typed));
	return run_exit_code(state, back);
}

static const struct step *step_at_hand(const struct session *s, const struct run_status *status)
{
	for (size_t i = 0; i < s->n_steps; i++)
		if (str_eq(s->steps[i].id, status->step))
			return &s->steps[i];
	return NULL;
}

/* What is asked before a node's change has nothing to take back: the run only stops. */
static bool failed_behind_a_change(const struct session *s)
{
	for (size_t i = journal_count(s->journal); i-- > 0;) {
		const struct journal_record *r = journal_at(s->journal, i);

		if (str_eq(r->type, "gate"))
			return str_eq(doc_find_str(r->body, "when"), "after");
	}
	return false;
}

/* How many other steps than this were taken back: a node that fails twice is one node. */
static size_t nodes_taken_back(const struct journal *j, const char *but)
{
	size_t n = 0;

	for (size_t i = 0; i < journal_count(j); i++) {
		const char *step = doc_find_str(journal_at(j, i)->body, "step");
		bool told = !str_eq(journal_at(j, i)->type, "taken-back") || str_eq(step, but);

		for (size_t k = 0; k < i && !told; k++)
			told = str_eq(journal_at(j, k)->type, "taken-back") &&
			       str_eq(doc_find_str(journal_at(j, k)->body, "step"), step);
		n += !told;
	}
	return n;
}

/*
 * Reference/operations.md 4.7: one node of many goes back alone and the run stops for a person; the
 * canary, two nodes or 5 % of them are the release's fault.
 */
static bool is_one_of_many(const struct session *s, const struct step *step)
{
	const struct upgrade *u = s->env;
	const size_t n = doc_len(doc_get(u->plan, "nodes")),
		     failed = 1 + nodes_taken_back(s->journal, step->id);

	if (!str_eq(step->kind->id, "U10"))
		return false;
	return failed < 2 && failed * 100 < n * 5;
}

static int take_one_back(struct session *s, const struct step *step, FILE *out, struct error *err)
{
	const struct upgrade *u = s->env;
	enum run_state state;
	int r;

	fprintf(out,
		"taking it back by itself: %s gets %s again, the other nodes keep what they have\n",
		str_or_empty(doc_find_str(step->args, "node")), u->from.version);
	r = session_take_back(s, step->id, &state, err);
	return r ? r : tell(s, out, state, false);
}

/* A gate of a node or a wave that says no takes all of the hop back, the last node first. */
static int take_back(struct session *s, const struct step *step, FILE *out, struct error *err)
{
	const struct upgrade *u = s->env;
	auto_release(arena) struct arena a = ARENA_INIT;
	struct run_status status;
	enum run_state state;
	int r;

	run_status(&a, s->journal, s->steps, s->n_steps, &status);
	fprintf(out, "%s: %s: %s\n", s->run, run_state_name(RUN_STOPPED),
		str_or_empty(status.reason));
	if (is_one_of_many(s, step))
		return take_one_back(s, step, out, err);
	fprintf(out,
		"going back by itself: every node that was changed gets %s again, the last one "
		"first\n",
		u->from.version);
	r = session_rollback(s, &state, err);
	return r ? r : tell(s, out, state, false);
}

int upgrade_carry_out(struct session *s, bool may_finalize, FILE *out, struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct upgrade *u = s->env;
	struct run_status status;
	const struct step *step;
	enum run_state state;
	int r;

	u->may_finalize = may_finalize;
	r = session_run(s, &state, err);
	if (r)
		return r;
	run_status(&a, s->journal, s->steps, s->n_steps, &status);
	step = step_at_hand(s, &status);
	if (state == RUN_STOPPED && step && machine_takes_back(step->kind->id) &&
	    failed_behind_a_change(s))
		return take_back(s, step, out, err);
	r = tell(s, out, state, false);
	if (state == RUN_PAUSED && status.reason && strstr(status.reason, WAITS_FOR_APPROVAL))
		return CLI_WAITING;
	return r;
}

int upgrade_go_back(struct session *s, FILE *out, struct error *err)
{
	const struct upgrade *u = s->env;
	enum run_state state;
	int r;

	if (upgrade_is_final(s->journal)) {
		fprintf(out,
			"%s: U15 was carried out, there is no way back: a downgrade is a hop of "
			"its "
			"own\nnext: 'sidestep upgrade plan --to %s'\n",
			s->run, u->from.version);
		return CLI_BLOCKED;
	}
	r = session_rollback(s, &state, err);
	return r ? r : tell(s, out, state, true);
}
