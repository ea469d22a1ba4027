/* SPDX-License-Identifier: Apache-2.0 */
/* Carrying out a hop: what stops takes itself back, what cannot tell pauses. */
#include <string.h>

#include "lib/base/str.h"
#include "lib/cli/exit.h"
#include "lib/run/runs.h"
#include "upgrade/machine.h"
#include "upgrade/tool.h"

static const struct step *step_at_hand(const struct session *s, const struct run_status *status)
{
	for (size_t i = 0; i < s->n_steps; i++)
		if (str_eq(s->steps[i].id, status->step))
			return &s->steps[i];
	return NULL;
}

/* A gate of a node or a wave that says no takes all of the hop back, the last node first. */
static int take_back(struct session *s, FILE *out, struct error *err)
{
	const struct upgrade *u = s->env;
	auto_release(arena) struct arena a = ARENA_INIT;
	struct run_status status;
	enum run_state state;
	int r;

	run_status(&a, s->journal, s->steps, s->n_steps, &status);
	fprintf(out, "%s: %s: %s\n", s->run, run_state_name(RUN_STOPPED),
		str_or_empty(status.reason));
	fprintf(out,
		"going back by itself: every node that was changed gets %s again, the last one "
		"first\n",
		u->from.version);
	r = session_rollback(s, &state, err);
	return r ? r : run_tell(s, out, state, false);
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
	if (state == RUN_STOPPED && step && machine_takes_back(step->kind->id))
		return take_back(s, out, err);
	r = run_tell(s, out, state, false);
	if (state == RUN_PAUSED && status.reason && strstr(status.reason, WAITS_FOR_APPROVAL))
		return CLI_WAITING;
	return r;
}

/* Behind U15 nothing of the old version is left to go back to. */
static bool is_final(const struct session *s)
{
	for (size_t i = 0; i < journal_count(s->journal); i++) {
		const struct journal_record *r = journal_at(s->journal, i);

		if (str_eq(r->type, "intent") && str_eq(doc_find_str(r->body, "op"), "finalize"))
			return true;
	}
	return false;
}

int upgrade_go_back(struct session *s, FILE *out, struct error *err)
{
	const struct upgrade *u = s->env;
	enum run_state state;
	int r;

	if (is_final(s)) {
		fprintf(out,
			"%s: U15 was carried out, there is no way back: a downgrade is a hop of "
			"its "
			"own\nnext: 'sidestep upgrade plan --to %s'\n",
			s->run, u->from.version);
		return CLI_BLOCKED;
	}
	r = session_rollback(s, &state, err);
	return r ? r : run_tell(s, out, state, true);
}
