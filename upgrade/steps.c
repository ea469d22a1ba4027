/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mesh's machine as a table: which changes each state makes, and what it asks before and after,
 * there and back. A node changes its version in two moves that can each be killed and found again:
 * the DaemonSet's template asks for the version (nothing restarts: it is OnDelete), then the node's
 * pod goes, and the DaemonSet makes it anew. The way back is the same with the other version.
 */
#include "lib/base/str.h"
#include "lib/object/sidestep.h"
#include "lib/run/host.h"
#include "upgrade/tool.h"
#include "upgrade/world.h"

static int add(struct step_changes *out, enum change_kind kind, const char *op,
	       const struct doc *ref, const struct doc *forward, struct error *err)
{
	if (step_add_change(out, kind, op, ref, forward))
		return 0;
	return error_set(err, -E2BIG, "more than %d changes in one step", STEP_MAX_CHANGES);
}

/* The DaemonSet makes it anew. */
static int delete_pod(struct step_changes *out, const char *op, const struct doc *pod,
		      struct error *err)
{
	int r = add(out, CHANGE_DELETE, op, host_ref(out->arena, pod), NULL, err);

	if (!r)
		out->items[out->n - 1].renewed = true;
	return r;
}

static struct doc *daemonset_ref(struct arena *a, const struct upgrade *u)
{
	struct doc *ref = doc_map(a);

	doc_set_string(a, ref, "apiVersion", "apps/v1");
	doc_set_string(a, ref, "kind", "DaemonSet");
	doc_set_string(a, ref, "namespace", u->namespace);
	doc_set_string(a, ref, "name", u->daemonset);
	return ref;
}

/* --- one node --- */

/*
 * The first node's turn changes the template, the others find it so. Neither this nor the other
 * version in it: somebody else's image is a conflict, and stays.
 */
static int ask_for(const struct upgrade *u, const struct doc *daemonset, struct step_changes *out,
		   const struct side *side, const struct side *other, const char *back,
		   struct error *err)
{
	struct arena *a = out->arena;
	int r;

	if (change_patch_holds(daemonset, side->template))
		return 0;
	r = add(out, CHANGE_PATCH, arena_printf(a, "template%s", back), daemonset_ref(a, u),
		side->template, err);
	if (!r)
		out->items[out->n - 1].backward = other->template;
	return r;
}

static int turn_node(struct world *w, const struct step *step, struct step_changes *out,
		     const struct side *side, const struct side *other, const char *back,
		     struct error *err)
{
	const struct upgrade *u = w->upgrade;
	struct arena *a = out->arena;
	const struct world_node *n;
	int r = world_look(w, a, u, err);

	if (!r)
		r = ask_for(u, w->daemonset, out, side, other, back, err);
	if (r)
		return r;
	n = world_node(w, doc_find_str(step->args, "node"));
	/* One that runs it already (or is being made) needs nothing. */
	if (!n || !n->pod || str_eq(n->image, side->image))
		return 0;
	return delete_pod(out, arena_printf(a, "pod%s", back), n->pod_object, err);
}

static int upgrade_node(void *env, const struct step *step, struct step_changes *out,
			struct error *err)
{
	struct upgrade *u = env;
	struct world w = {.upgrade = u};

	return turn_node(&w, step, out, &u->to, &u->from, "", err);
}

static int downgrade_node(void *env, const struct step *step, struct step_changes *out,
			  struct error *err)
{
	struct upgrade *u = env;
	struct world w = {.upgrade = u};

	return turn_node(&w, step, out, &u->from, &u->to, "-back", err);
}

/*
 * The canary is the last to go back. Whoever has the new version then had no turn that could be
 * taken back: it joined, or its pod was made anew, while the template asked for that version.
 */
static int downgrade_last(void *env, const struct step *step, struct step_changes *out,
			  struct error *err)
{
	struct upgrade *u = env;
	struct world w = {.upgrade = u};
	int r = turn_node(&w, step, out, &u->from, &u->to, "-back", err);

	for (size_t i = 0; !r && i < w.n_nodes; i++)
		if (world_is_astray(&w, &w.nodes[i], doc_find_str(step->args, "node")))
			r = delete_pod(out,
				       arena_printf(out->arena, "pod-back %s",
						    kube_name(w.nodes[i].pod_object)),
				       w.nodes[i].pod_object, err);
	return r;
}

/* A node that has left the cluster since the plan was made. */
static const char *gone_node(void *env, const struct step *step, struct arena *a)
{
	struct upgrade *u = env;
	const char *name = doc_find_str(step->args, "node");
	struct doc *node = NULL;

	if (cluster_get(u->cluster, a, object_kind(KIND_NODE), NULL, name, &node, NULL) || node)
		return NULL;
	return arena_printf(a, "not present: node %s is gone", name);
}

/* --- requests --- */

static struct doc *request_of(struct arena *a, const char *name, const char *kind)
{
	struct doc *d = kube_object_new(a, object_kind(KIND_SIDESTEP_REQUEST), NULL, name);

	doc_set_string(a, doc_set_map(a, doc_get(d, "metadata"), "labels"),
		       SIDESTEP_MANAGED_BY_LABEL, SIDESTEP_MANAGED_BY);
	doc_set_string(a, doc_set_map(a, d, "spec"), "kind", kind);
	return d;
}

static int regenerate(void *env, const struct step *step, struct step_changes *out,
		      struct error *err)
{
	const struct upgrade *u = env;
	struct arena *a = out->arena;
	struct doc *d = request_of(a, machine_regenerate_name(a, u->run), "Regenerate");
	struct doc *nodes = doc_set_list(a, doc_get(d, "spec"), "nodes");

	(void)step;
	doc_foreach_item (doc_get(u->plan, "nodes"), n)
		doc_append(a, nodes, doc_string(a, doc_find_str(n, "name")));
	doc_setf(a, doc_get(d, "spec"), "requester", "sidestep upgrade, run %s", u->run);
	return add(out, CHANGE_CREATE, "regenerate", host_ref(a, d), d, err);
}

static int finalize(void *env, const struct step *step, struct step_changes *out, struct error *err)
{
	const struct upgrade *u = env;
	struct arena *a = out->arena;
	struct doc *d = request_of(a, machine_finalize_name(a, u->run), "Finalize");

	/* An approval was given once the agents were asked: whoever resumes need not give it again.
	 */
	if (!u->may_finalize && !(u->journal && upgrade_is_final(u->journal)))
		return error_set(err, -EINTR, "%s", WAITS_FOR_APPROVAL);
	if (!doc_bool_or(doc_get(step->args, "remove"), true))
		return 0;
	return add(out, CHANGE_CREATE, "finalize", host_ref(a, d), d, err);
}

/* --- parts that no release of ours brings --- */

static const char *absent(void *env, const struct step *step, struct arena *a)
{
	struct upgrade *u = env;
	struct doc *daemonset = NULL;
	const char *words = NULL;

	if (cluster_get(u->cluster, a, object_kind(KIND_DAEMON_SET), u->namespace, u->daemonset,
			&daemonset, NULL))
		return NULL;
	for (size_t i = 0; i < COMPONENT_COUNT; i++) {
		bool present;

		if (!str_eq(components[i].state, step->kind->id))
			continue;
		if (component_look((enum component)i, u->cluster, a, daemonset, &present, NULL) ||
		    present)
			return NULL;
		words = arena_printf(a, "not present: %s", components[i].what);
	}
	return words;
}

#define NODE_DOES                                                                                  \
	"patches the DaemonSet's image (nothing restarts: it is OnDelete), then deletes this "     \
	"node's agent pod; back: the old image, and the pod again"

const struct state_row machine_states[MACHINE_STATE_COUNT] = {
	[STATE_PREFLIGHT] = {.gates = {[GATE_AFTER] = {"G-SOUND"}}},
	[STATE_BACKUP] = {.gates = {[GATE_AFTER] = {"G-BACKUP"}},
			  .does = "writes the objects of the mesh into the run's state folder"},
	[STATE_PULLED] = {.gates = {[GATE_AFTER] = {"G-PULLED"}},
			  .does = "runs a pod of the new image on every node, which ends at once; "
				  "the pods go again"},
	[STATE_OPERATOR] = {.gates = {[GATE_AFTER] = {"G-COMPONENT"}}, .skip = absent},
	[STATE_CANARY] = {.changes = upgrade_node,
			  .undo_changes = downgrade_last,
			  .skip = gone_node,
			  .gates = {[GATE_BEFORE] = {"G-ROOM", "G-PREPARED"},
				    [GATE_AFTER] = {"G-NODE"},
				    [GATE_UNDO_BEFORE] = {"G-PREPARED-BACK"},
				    [GATE_UNDO_AFTER] = {"G-NODE-BACK"}},
			  .does = NODE_DOES,
			  .takes_back = true},
	[STATE_CANARY_SOAK] = {.gates = {[GATE_AFTER] = {"G-CANARY"}}, .takes_back = true},
	[STATE_NODE] = {.changes = upgrade_node,
			.undo_changes = downgrade_node,
			.skip = gone_node,
			.gates = {[GATE_BEFORE] = {"G-ROOM", "G-PREPARED"},
				  [GATE_AFTER] = {"G-NODE"},
				  [GATE_UNDO_BEFORE] = {"G-PREPARED-BACK"},
				  [GATE_UNDO_AFTER] = {"G-NODE-BACK"}},
			.does = NODE_DOES,
			.takes_back = true},
	[STATE_WAVE] = {.gates = {[GATE_AFTER] = {"G-WAVE"}}, .takes_back = true},
	[STATE_ENVOY] = {.gates = {[GATE_AFTER] = {"G-COMPONENT"}}, .skip = absent},
	[STATE_RELAY] = {.gates = {[GATE_AFTER] = {"G-COMPONENT"}}, .skip = absent},
	[STATE_VERIFIED] = {.changes = regenerate,
			    .gates = {[GATE_BEFORE] = {"G-EQUAL", "G-COMPONENT"},
				      [GATE_AFTER] = {"G-REGENERATED"}},
			    .does = "asks every agent to build every endpoint anew "
				    "(SidestepRequest Regenerate); back: the request goes",
			    .takes_back = true},
	/* Whether days of work go back for what happened since, a person decides. */
	[STATE_SOAKED] = {.gates = {[GATE_AFTER] = {"G-SOAK"}}},
	[STATE_FINAL] =
		{.changes = finalize,
		 .gates = {[GATE_BEFORE] = {"G-STILL"}, [GATE_AFTER] = {"G-FINAL"}},
		 .does = "after an approval of its own asks every agent to remove what only "
			 "the old version needs (SidestepRequest Finalize); cannot be taken "
			 "back"},
};
