/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The namespace's machine as a table: which changes each state makes, and what it asks before and
 * after. What a step needs to know is in its args, which the plan wrote; nothing is looked up here,
 * so a step says the same changes after a crash as before.
 */
#include "lib/base/str.h"
#include "lib/object/sidestep.h"
#include "lib/run/host.h"
#include "migrate/machine.h"
#include "migrate/probe.h"

static int add(struct step_changes *out, enum change_kind kind, const char *op,
	       const struct doc *ref, const struct doc *forward, struct change **ret,
	       struct error *err)
{
	struct change *c = step_add_change(out, kind, op, ref, forward);

	if (!c)
		return error_set(err, -E2BIG, "more than %d changes in one step", STEP_MAX_CHANGES);
	if (ret)
		*ret = c;
	return 0;
}

/* --- N2: who probe pods are; the pods themselves come and go with the gates that ask them --- */

static int let_probe(void *env, const struct step *step, struct step_changes *out,
		     struct error *err)
{
	struct doc *account = probe_account(out->arena, env);

	(void)step;
	return add(out, CHANGE_CREATE, "probe", host_ref(out->arena, account), account, NULL, err);
}

/* Last of all: nothing asks a probe pod any more, unless on the way back, which begins with this.
 */
static int end_probing(void *env, const struct step *step, struct step_changes *out,
		       struct error *err)
{
	const struct doc *account = probe_account(out->arena, env);

	(void)step;
	return add(out, CHANGE_DELETE, "probe", host_ref(out->arena, account), NULL, NULL, err);
}

/* --- N3 and N4: policies, first watching, then enforced ------------------------------------------
 */

static struct doc *audit_request(struct arena *a, const struct migration *m)
{
	struct doc *d = kube_object_new(a, object_kind(KIND_SIDESTEP_REQUEST), NULL,
					machine_request_name(a, m->run));
	struct doc *spec;

	doc_set_string(a, doc_set_map(a, doc_get(d, "metadata"), "labels"),
		       SIDESTEP_MANAGED_BY_LABEL, SIDESTEP_MANAGED_BY);
	spec = doc_set_map(a, d, "spec");
	doc_set_string(a, spec, "kind", "Audit");
	doc_set_string(a, spec, "namespace", m->ns);
	return d;
}

static int start_audit(void *env, const struct step *step, struct step_changes *out,
		       struct error *err)
{
	struct doc *request = audit_request(out->arena, env);

	(void)step;
	return add(out, CHANGE_CREATE, "audit", host_ref(out->arena, request), request, NULL, err);
}

static int end_audit(void *env, const struct step *step, struct step_changes *out,
		     struct error *err)
{
	struct doc *request = audit_request(out->arena, env);

	(void)step;
	return add(out, CHANGE_DELETE, "audit", host_ref(out->arena, request), NULL, NULL, err);
}

static int create_policies(void *env, const struct step *step, struct step_changes *out,
			   struct error *err)
{
	const struct migration *m = env;

	(void)step;
	doc_foreach_item (doc_get(m->plan, "policies"), policy) {
		const char *op = machine_policy_op(out->arena, policy);
		int r = add(out, CHANGE_CREATE, op, host_ref(out->arena, policy), policy, NULL,
			    err);

		if (r)
			return r;
	}
	return 0;
}

/* --- N7, N8: DestinationRules and the namespace's label --- */

/* The plan wrote each as {op, ref, forward}. */
static int planned_patches(void *env, const struct step *step, struct step_changes *out,
			   struct error *err)
{
	(void)env;
	doc_foreach_item (doc_get(step->args, "patches"), p) {
		int r = add(out, CHANGE_PATCH, doc_find_str(p, "op"), doc_get(p, "ref"),
			    doc_get(p, "forward"), NULL, err);

		if (r)
			return r;
	}
	return 0;
}

/* --- N9: a workload's pods, made anew --- */

static int stamp(const struct step *step, const char *stamp, struct step_changes *out,
		 struct error *err)
{
	struct arena *a = out->arena;
	struct doc *patch = doc_map(a), *template;
	struct change *c = NULL;
	int r;

	template = doc_set_map(a, doc_set_map(a, patch, "spec"), "template");
	doc_set_string(a, doc_set_map(a, doc_set_map(a, template, "metadata"), "annotations"),
		       RESTART_ANNOTATION, stamp);
	r = add(out, CHANGE_PATCH, "restart", doc_get(step->args, "ref"), patch, &c, err);
	/* Taking the stamp away would restart the pods once more. */
	if (c)
		c->keep = true;
	return r;
}

static int restart(void *env, const struct step *step, struct step_changes *out, struct error *err)
{
	const struct migration *m = env;

	return stamp(step, m->run, out, err);
}

static int restart_back(void *env, const struct step *step, struct step_changes *out,
			struct error *err)
{
	const struct migration *m = env;

	return stamp(step, arena_printf(out->arena, "%s-back", m->run), out, err);
}

const struct state_row machine_states[MACHINE_STATE_COUNT] = {
	[STATE_ASSESSED] = {.after = {"G-WELL"}},
	[STATE_PROBED] = {let_probe, .after = {"G-PROBED"},
			  .does = "create the ServiceAccount of probe pods, of the profile's "
				  "probeImage; inverse: delete it. A gate that asks a probe pod "
				  "makes one, reads its termination message and removes it; what a "
				  "killed run leaves is removed by resume and rollback"},
	[STATE_AUDIT] = {start_audit, .after = {"G-AUDIT-ON"},
			 .does = "create the SidestepRequest of kind Audit; inverse: delete it"},
	[STATE_POLICIES] = {create_policies, .after = {"G-AUDIT-CLEAN"}, .undo = {"G-UNWATCHED"},
			    .does = "create the plan's CiliumNetworkPolicies; inverse: delete "
				    "those that were not there before"},
	[STATE_ENFORCED] = {end_audit, .after = {"G-ENFORCED"}, .undo = {"G-SIDECARS-ANSWER"},
			    .does = "delete the SidestepRequest; inverse: create it again"},
	[STATE_RELAXED] = {planned_patches, .before = {"G-LOOKED"}, .after = {"G-RELAXED"}},
	[STATE_INJECTION_OFF] = {planned_patches, .before = {"G-RELAXED"},
				 .after = {"G-INJECTION-OFF"}, .undo = {"G-INJECTION-ON"}},
	[STATE_RESTARTED] = {restart, restart_back, .before = {"G-RELAXED", "G-BUDGET"},
			     .after = {"G-RESTARTED"}, .undo = {"G-SIDECARS-BACK"},
			     .does = "stamp the pod template, so that its pods are made anew; "
				     "inverse: stamp it again after injection is back"},
	[STATE_SIDECARLESS] = {.after = {"G-SIDECARLESS"}},
	[STATE_SOAKED] = {end_probing, .after = {"G-SOAK"},
			  .does = "delete the ServiceAccount of probe pods; inverse: create it "
				  "again"},
};
