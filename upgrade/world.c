/* SPDX-License-Identifier: Apache-2.0 */
#include "upgrade/world.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/object/selector.h"

static struct world_node *find(struct world *w, const char *name)
{
	for (size_t i = 0; name && i < w->n_nodes; i++)
		if (str_eq(w->nodes[i].name, name))
			return &w->nodes[i];
	return NULL;
}

const struct world_node *world_node(const struct world *w, const char *name)
{
	for (size_t i = 0; i < w->n_nodes; i++)
		if (str_eq(w->nodes[i].name, name))
			return &w->nodes[i];
	return NULL;
}

static bool is_far(int64_t later, int64_t earlier)
{
	int64_t apart;

	return __builtin_sub_overflow(later, earlier, &apart) || apart > (int64_t)AGENT_SILENT_NS;
}

const char *world_silence(struct arena *a, const struct sidestep_node *s, int64_t wall_ns)
{
	char now[CLOCK_RFC3339_SIZE];
	int64_t at;

	if (!s->updated || clock_parse_rfc3339(s->updated, &at))
		return "is silent since always";
	clock_rfc3339(wall_ns, 0, now);
	if (wall_ns > at && is_far(wall_ns, at))
		return arena_printf(
			a,
			"is silent since %s (by this machine's clock it is %s: one that "
			"is wrong makes every agent so)",
			s->updated, now);
	/* What is dated later than now would never grow old. */
	if (at > wall_ns && is_far(at, wall_ns))
		return arena_printf(a,
				    "dates what it says %s, and by this machine's clock it is %s: "
				    "set the one that is wrong",
				    s->updated, now);
	return NULL;
}

bool world_is_silent(const struct sidestep_node *s, int64_t wall_ns)
{
	auto_release(arena) struct arena a = ARENA_INIT;

	return world_silence(&a, s, wall_ns) != NULL;
}

bool world_is_astray(const struct world *w, const struct world_node *n, const char *last)
{
	const struct upgrade *u = w->upgrade;
	const char *canary = doc_find_str(doc_at(doc_get(u->plan, "nodes"), 0), "name");

	return str_eq(last, canary) && !str_eq(n->name, last) && n->pod &&
	       str_eq(n->image, u->to.image);
}

bool world_is_rival(const struct doc *run)
{
	const char *state = doc_find_str(run, "spec.state"), *tool = doc_find_str(run, "spec.tool");

	/* A runbook changes nothing by itself, and an approval is somebody's word. */
	return !str_eq(tool, "runbook") && !str_eq(tool, "approval") &&
	       !str_eq(state, run_state_name(RUN_DONE)) &&
	       !str_eq(state, run_state_name(RUN_ROLLED_BACK));
}

/* --- where the agents are meant to be --- */

/* What cannot be read leaves nobody out. */
static bool term_holds(struct arena *a, const struct doc *term, const struct node *n)
{
	struct label_selector s = {0};

	return doc_get(term, "matchFields") ||
	       bind_decode(a, &label_selector_table, term, "", &s, NULL, NULL) ||
	       label_selector_matches(&s, &n->meta.labels);
}

static bool is_selected(struct arena *a, const struct doc *spec, const struct node *n)
{
	const struct doc *terms = doc_find(
		spec, "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"
		      ".nodeSelectorTerms");
	bool holds = !doc_len(terms);

	doc_foreach_entry (doc_get(spec, "nodeSelector"), e)
		if (!str_eq(strmap_get(&n->meta.labels, e->key), doc_str(e->value)))
			return false;
	doc_foreach_item (terms, term)
		holds |= term_holds(a, term, n);
	return holds;
}

static bool is_tolerated(const struct doc *spec, const struct doc *taint)
{
	const char *key = str_or_empty(doc_find_str(taint, "key"));
	const char *effect = str_or_empty(doc_find_str(taint, "effect"));

	/* Those that come and go with a node's state every DaemonSet tolerates. */
	if (str_starts(key, "node.kubernetes.io/") || str_eq(effect, "PreferNoSchedule"))
		return true;
	doc_foreach_item (doc_get(spec, "tolerations"), t) {
		const char *its = str_or_empty(doc_find_str(t, "key"));
		const char *only = str_or_empty(doc_find_str(t, "effect"));

		if ((!str_empty(its) && !str_eq(its, key)) ||
		    (!str_empty(only) && !str_eq(only, effect)))
			continue;
		if (str_eq(doc_find_str(t, "operator"), "Exists") ||
		    (!str_empty(its) && str_eq(str_or_empty(doc_find_str(t, "value")),
					       str_or_empty(doc_find_str(taint, "value")))))
			return true;
	}
	return false;
}

/* Whoever made the DaemonSet may leave nodes out (of another kind, say): they have no agent. */
static bool is_left_out(const struct world *w, const struct doc *object, const struct node *n)
{
	const struct doc *spec = doc_find(w->daemonset, "spec.template.spec");

	doc_foreach_item (doc_find(object, "spec.taints"), taint)
		if (spec && !is_tolerated(spec, taint))
			return true;
	return spec && !is_selected(w->arena, spec, n);
}

bool world_is_planned(const struct world *w, const char *node)
{
	doc_foreach_item (doc_get(w->upgrade->plan, "nodes"), d)
		if (str_eq(doc_find_str(d, "name"), node))
			return true;
	return false;
}

/*
 * One that has an agent all the same is asked like the others. One of the plan that lost it so is
 * asked, too: its pods are there, and nobody has said that they need no mesh.
 */
static void drop_left_out(struct world *w)
{
	const char **names = arena_array(w->arena, w->n_nodes + 1, const char *);
	size_t n = 0;

	w->left_out = (struct strings){names, 0};
	for (size_t i = 0; i < w->n_nodes; i++)
		if (!w->nodes[i].left_out || w->nodes[i].pods ||
		    world_is_planned(w, w->nodes[i].name))
			w->nodes[n++] = w->nodes[i];
		else
			names[w->left_out.n++] = w->nodes[i].name;
	w->n_nodes = n;
}

static bool is_control_plane(const struct node *n)
{
	return strmap_get(&n->meta.labels, "node-role.kubernetes.io/control-plane") ||
	       strmap_get(&n->meta.labels, "node-role.kubernetes.io/master");
}

static int by_name(const void *x, const void *y)
{
	const struct world_node *a = x, *b = y;

	return str_cmp(a->name, b->name);
}

static int take_nodes(struct world *w, const struct doc *list, struct error *err)
{
	w->nodes = arena_array(w->arena, doc_len(list) + 1, struct world_node);
	doc_foreach_item (list, d) {
		struct node *n = arena_new(w->arena, struct node);
		int r = node_decode(w->arena, d, n, err);

		if (r)
			return r;
		w->nodes[w->n_nodes++] = (struct world_node){
			.name = n->meta.name,
			.ready = condition_true(n->conditions, n->n_conditions, "Ready"),
			.control_plane = is_control_plane(n),
			.left_out = is_left_out(w, d, n),
		};
	}
	qsort(w->nodes, w->n_nodes, sizeof(*w->nodes), by_name);
	return 0;
}

static const char *why_waiting(const struct pod *p)
{
	for (size_t i = 0; i < p->n_container_statuses; i++) {
		const char *reason = doc_find_str(p->container_statuses[i].state, "waiting.reason");

		if (reason && !str_eq(reason, "ContainerCreating") &&
		    !str_eq(reason, "PodInitializing"))
			return reason;
	}
	return NULL;
}

static void take_agent(struct world *w, struct world_node *n, const struct pod *p,
		       const struct doc *object)
{
	const struct container *c = pod_container(p, w->upgrade->container);

	n->pods++;
	n->ending |= p->meta.deletion_timestamp != NULL;
	if (p->meta.deletion_timestamp || pod_is_finished(p))
		return;
	n->pod = p;
	n->pod_object = object;
	n->image = c ? c->image : NULL;
	n->waiting = why_waiting(p);
	n->restarts = 0;
	for (size_t i = 0; i < p->n_container_statuses; i++)
		n->restarts += p->container_statuses[i].restart_count;
}

static bool is_agent(const struct world *w, const struct pod *p)
{
	const struct owner_reference *o = object_controller(&p->meta);

	return o && str_eq(o->kind, "DaemonSet") && str_eq(o->name, w->upgrade->daemonset) &&
	       str_eq(p->meta.namespace, w->upgrade->namespace);
}

static void take_other(struct world *w, struct world_node *n, const struct pod *p)
{
	const char **uids = arena_array(w->arena, n->uids.n + 1, const char *);
	struct world_pod *unready;

	if (pod_is_finished(p))
		return;
	for (size_t i = 0; i < n->uids.n; i++)
		uids[i] = n->uids.items[i];
	uids[n->uids.n] = p->meta.uid;
	n->uids = (struct strings){uids, n->uids.n + 1};
	if (pod_is_ready(p) || p->meta.deletion_timestamp ||
	    strmap_get(&p->meta.labels, UPGRADE_LABEL))
		return;
	unready = arena_array(w->arena, n->n_unready + 1, struct world_pod);
	for (size_t i = 0; i < n->n_unready; i++)
		unready[i] = n->unready[i];
	unready[n->n_unready++] = (struct world_pod){
		.uid = p->meta.uid,
		.name = arena_printf(w->arena, "%s/%s", p->meta.namespace, p->meta.name)};
	n->unready = unready;
}

static int take_pods(struct world *w, const struct doc *list, struct error *err)
{
	doc_foreach_item (list, d) {
		struct pod *p = arena_new(w->arena, struct pod);
		struct world_node *n;
		int r = pod_decode(w->arena, d, p, err);

		if (r)
			return r;
		n = find(w, p->node_name);
		if (n && is_agent(w, p))
			take_agent(w, n, p, d);
		else if (n)
			take_other(w, n, p);
	}
	return 0;
}

static int take_statuses(struct world *w, const struct doc *list, struct error *err)
{
	doc_foreach_item (list, d) {
		struct sidestep_node *s = arena_new(w->arena, struct sidestep_node);
		int r = sidestep_node_decode(w->arena, d, s, err);
		struct world_node *n;

		if (r)
			return r;
		n = find(w, s->meta.name);
		if (n && doc_get(d, "status")) {
			n->status = s;
			n->status_object = d;
		}
	}
	return 0;
}

int world_of(struct world *w, struct arena *a, const struct upgrade *u, const struct doc *daemonset,
	     const struct doc *nodes, const struct doc *pods, const struct doc *statuses,
	     struct error *err)
{
	int r;

	*w = (struct world){.arena = a, .upgrade = u, .daemonset = daemonset};
	r = take_nodes(w, nodes, err);
	if (!r)
		r = take_pods(w, pods, err);
	drop_left_out(w);
	return r ? r : take_statuses(w, statuses, err);
}

int world_look(struct world *w, struct arena *a, const struct upgrade *u, struct error *err)
{
	struct doc *daemonset = NULL, *nodes, *pods, *statuses;
	struct cluster *c = u->cluster;
	int r = cluster_get(c, a, object_kind(KIND_DAEMON_SET), u->namespace, u->daemonset,
			    &daemonset, err);

	if (!r)
		r = cluster_list(c, a, object_kind(KIND_NODE), NULL, &nodes, err);
	if (!r)
		r = cluster_list(c, a, object_kind(KIND_POD), NULL, &pods, err);
	if (!r)
		r = cluster_list(c, a, object_kind(KIND_SIDESTEP_NODE), NULL, &statuses, err);
	return r ? r : world_of(w, a, u, daemonset, nodes, pods, statuses, err);
}
