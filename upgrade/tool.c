/* SPDX-License-Identifier: Apache-2.0 */
#include "upgrade/tool.h"

#include <string.h>

#include "lib/base/str.h"
#include "lib/cli/exit.h"
#include "upgrade/plan.h"
#include "upgrade/world.h"

static int take_plan(struct session *s, struct error *err)
{
	struct upgrade *u = arena_new(&s->arena, struct upgrade);
	int r;

	*u = (struct upgrade){.cluster = &s->cluster, .run = s->run};
	u->folder = arena_printf(&s->arena, "%s/%s", s->state, s->run);
	s->env = u;
	r = plan_take(u, &s->arena, s->plan, err);
	return r ? r : plan_steps(&s->arena, s->plan, &u->machine, &s->steps, &s->n_steps, err);
}

static void begin(struct session *s)
{
	struct upgrade *u = s->env;

	u->journal = s->journal;
	upgrade_sweep(u);
}

/*
 * Once it is over nobody answers them any more; before that one may still be needed. Those to
 * prepare are by node, and nodes come and go.
 */
static void remove_requests(struct upgrade *u)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const char *prepare = machine_prepare_name(&a, u->run, "");
	const char *regenerate = machine_regenerate_name(&a, u->run);
	const char *finalize = machine_finalize_name(&a, u->run);
	struct doc *list;

	if (cluster_list(u->cluster, &a, object_kind(KIND_SIDESTEP_REQUEST), NULL, &list, NULL))
		return;
	doc_foreach_item (list, d) {
		const char *name = str_or_empty(kube_name(d));
		struct kube_request request = {.verb = KUBE_DELETE,
					       .kind = object_kind(KIND_SIDESTEP_REQUEST),
					       .name = name};

		if (str_eq(name, regenerate) || str_eq(name, finalize) ||
		    !strncmp(name, prepare, strlen(prepare)))
			cluster_do(u->cluster, &request, &a, NULL, NULL);
	}
}

static void end(struct session *s)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct run_status status;

	upgrade_sweep(s->env);
	run_status(&a, s->journal, s->steps, s->n_steps, &status);
	if (status.state == RUN_DONE || status.state == RUN_ROLLED_BACK)
		remove_requests(s->env);
}

bool upgrade_is_final(const struct journal *j)
{
	for (size_t i = 0; i < journal_count(j); i++) {
		const struct journal_record *r = journal_at(j, i);

		if (str_eq(r->type, "intent") && str_eq(doc_find_str(r->body, "op"), "finalize"))
			return true;
	}
	return false;
}

int upgrade_may_go_back(struct session *s, FILE *out, struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const struct upgrade *u = s->env;
	struct run_status status;
	bool stands = false;
	struct world w;
	int r;

	run_status(&a, s->journal, s->steps, s->n_steps, &status);
	if (status.state != RUN_DONE)
		return 0;
	r = world_look(&w, &a, u, err);
	if (r)
		return r;
	for (size_t i = 0; i < w.n_nodes; i++)
		stands |= str_eq(w.nodes[i].image, u->to.image);
	if (stands || change_patch_holds(w.daemonset, u->to.template) ||
	    change_patch_holds(w.daemonset, u->from.template))
		return 0;
	fprintf(out,
		"%s: no node has %s any more, and the DaemonSet asks for something else: somebody "
		"changed it since. Nothing was changed\nnext: 'sidestep upgrade plan --to VERSION' "
		"goes from what is there\n",
		s->run, u->to.version);
	return CLI_BLOCKED;
}

static const char *next(struct arena *a, const struct journal *j, const struct run_status *s)
{
	const bool final = upgrade_is_final(j);

	if (final && s->state != RUN_DONE)
		return arena_printf(
			a,
			"%s the agents were asked to remove what the old version needs, so this "
			"run has no way back: 'sidestep upgrade resume' ends it, and then a hop of "
			"its own goes back ('sidestep upgrade plan --to VERSION')",
			s->state == RUN_RUNNING ? "it was cut short:"
			: s->state == RUN_PAUSED
				? "it was paused:"
				: "mend what is named (bring every node to the new version);");
	if (s->state == RUN_PAUSED && s->reason && strstr(s->reason, WAITS_FOR_APPROVAL))
		return "every node has the new version, and it may stay so: 'sidestep upgrade "
		       "resume --finalize' removes what the old version needs and ends the run, "
		       "'sidestep upgrade rollback' still goes back";
	if (s->state == RUN_DONE && final)
		return "nothing to do; the way back is a hop of its own now: 'sidestep upgrade "
		       "plan --to VERSION'";
	if (s->state == RUN_ROLLED_BACK)
		return "nothing to do; 'sidestep upgrade report' says what was seen, and on which "
		       "node how long; 'sidestep upgrade plan --to VERSION' begins anew";
	return NULL;
}

static void release(struct session *s)
{
	if (s->env)
		upgrade_release(s->env);
}

const struct run_tool upgrade_tool = {
	.name = "upgrade",
	.subject = "mesh",
	.only = "mesh",
	.lease_namespace = "kube-system",
	.lock_prefix = "upgrade.",
	.undoes = "brings the old version back",
	.next = next,
	.take_plan = take_plan,
	.begin = begin,
	.end = end,
	.release = release,
};
