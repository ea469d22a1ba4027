/* SPDX-License-Identifier: Apache-2.0 */
/* Making a plan: who, in which order, with which steps. */
#include "upgrade/plan.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/run/inputs.h"
#include "upgrade/world.h"

struct builder {
	struct plan_scene scene;
	struct arena *a;
	struct doc *doc, *steps;
	struct world world;
	struct upgrade upgrade; /* only what the world needs */
	const char **order;     /* names of nodes, the canary first */
	size_t n;
};

/* --- the agents' DaemonSet --- */

static int find_agents(struct builder *b, struct error *err)
{
	const struct plan_input *in = b->scene.in;
	const char *at = in->daemonset ? in->daemonset : DAEMONSET, *slash = strchr(at, '/');

	if (!slash || !slash[1])
		return error_set(err, -EINVAL, "'%s' is no NAMESPACE/NAME of a DaemonSet", at);
	b->upgrade.namespace = arena_strndup(b->a, at, (size_t)(slash - at));
	b->upgrade.daemonset = arena_strdup(b->a, slash + 1);
	b->scene.daemonset = snapshot_find(in->snapshot, object_kind(KIND_DAEMON_SET),
					   b->upgrade.namespace, b->upgrade.daemonset);
	if (!b->scene.daemonset)
		return error_set(err, -ENOENT,
				 "there is no DaemonSet %s; name the agents' with --daemonset", at);
	doc_foreach_item (doc_find(b->scene.daemonset, "spec.template.spec.containers"), c)
		if (!b->scene.container || str_eq(doc_find_str(c, "name"), AGENT_CONTAINER))
			b->scene.container = c;
	if (!b->scene.container)
		return error_set(err, -EINVAL, "DaemonSet %s has no container", at);
	b->upgrade.container = doc_find_str(b->scene.container, "name");
	return 0;
}

static struct doc *list_of(struct arena *a, const struct snapshot *s, enum object_kind_id kind)
{
	struct doc *list = doc_list(a);

	snapshot_foreach (s, object_kind(kind), d)
		doc_append(a, list, d);
	return list;
}

static int look(struct builder *b, struct error *err)
{
	const struct snapshot *s = b->scene.in->snapshot;

	return world_of(&b->world, b->a, &b->upgrade, b->scene.daemonset,
			list_of(b->a, s, KIND_NODE), list_of(b->a, s, KIND_POD),
			list_of(b->a, s, KIND_SIDESTEP_NODE), err);
}

/* --- the order of the nodes --- */

static size_t endpoints_of(const struct world_node *n)
{
	return n->status ? n->status->n_endpoints : 0;
}

/* The named one; else a worker, with the most endpoints, for it must see what may go wrong. */
static const struct world_node *canary_of(const struct builder *b, struct error *err)
{
	const char *wanted = b->scene.in->canary;
	const struct world_node *best = NULL;

	for (size_t i = 0; i < b->world.n_nodes; i++) {
		const struct world_node *n = &b->world.nodes[i];

		if (wanted && str_eq(n->name, wanted))
			return n;
		if (!best || (best->control_plane && !n->control_plane) ||
		    (best->control_plane == n->control_plane &&
		     endpoints_of(n) > endpoints_of(best)))
			best = n;
	}
	if (wanted)
		error_set(err, -ENOENT, "there is no node %s to be the canary", wanted);
	else if (!best)
		error_set(err, -ENOENT, "there is no node");
	return wanted ? NULL : best;
}

static int make_order(struct builder *b, struct error *err)
{
	const struct world_node *canary = canary_of(b, err);

	if (!canary)
		return err->code ? err->code : -ENOENT;
	b->order = arena_array(b->a, b->world.n_nodes + 1, const char *);
	b->order[b->n++] = canary->name;
	for (int control_plane = 0; control_plane < 2; control_plane++)
		for (size_t i = 0; i < b->world.n_nodes; i++)
			if (&b->world.nodes[i] != canary &&
			    b->world.nodes[i].control_plane == control_plane)
				b->order[b->n++] = b->world.nodes[i].name;
	return 0;
}

/* How many nodes behind the canary have had their turn after wave k; at least one more each. */
static size_t wave_end(const struct builder *b, size_t k, size_t begin)
{
	size_t rest = b->n - 1;
	size_t end = (rest * (size_t)b->scene.in->profile->waves[k] + 99) / 100;

	return MIN(MAX(end, begin + 1), rest);
}

static void add_nodes(struct builder *b)
{
	struct doc *list = doc_set_list(b->a, b->doc, "nodes");
	size_t begin = 0, wave = 0;

	for (size_t i = 0; i < b->n; i++) {
		const struct world_node *n = world_node(&b->world, b->order[i]);
		struct doc *d = doc_append(b->a, list, doc_map(b->a));

		if (i && wave_end(b, wave, begin) < i) {
			begin = wave_end(b, wave, begin);
			wave++;
		}
		doc_set_string(b->a, d, "name", n->name);
		doc_set_int(b->a, d, "wave", i ? (int64_t)wave + 1 : 0);
		doc_set_bool(b->a, d, "controlPlane", n->control_plane);
		if (n->status)
			doc_set_int(b->a, d, "endpoints", (int64_t)n->status->n_endpoints);
		if (n->status && n->status->conntrack)
			doc_set_int(b->a, d, "connections", n->status->conntrack->entries);
	}
}

/* --- the steps --- */

static struct doc *add_step(struct builder *b, const char *id, const char *state, const char *title,
			    struct doc *args)
{
	struct doc *d = doc_append(b->a, b->steps, doc_map(b->a));

	doc_set_string(b->a, d, "id", id);
	doc_set_string(b->a, d, "state", state);
	doc_set_string(b->a, d, "title", title);
	doc_set(b->a, d, "args", args ? args : doc_map(b->a));
	if (doc_get(args, "skip"))
		return d;
	doc_set_string(b->a, d, "does", machine_does(state));
	doc_set(b->a, d, "gates", machine_gates_of(b->a, state));
	return d;
}

static void add_skipped(struct builder *b, const char *state, const char *title, const char *why)
{
	struct doc *args = doc_map(b->a);

	doc_set_string(b->a, args, "skip", why);
	add_step(b, state, state, title, args);
}

static struct doc *state_args(struct builder *b, const char *state)
{
	struct doc *args = doc_map(b->a);

	doc_set_string(b->a, args, "state", state);
	return args;
}

static void add_node_step(struct builder *b, const char *state, const char *node)
{
	struct doc *args = doc_map(b->a);

	doc_set_string(b->a, args, "node", node);
	add_step(b, arena_printf(b->a, "%s/%s", state, node), state,
		 arena_printf(b->a, "%s to %s", node, b->scene.to->version.text), args);
}

/* The first n of the order: those that have had their turn. */
static struct doc *done_args(struct builder *b, size_t n)
{
	struct doc *args = doc_map(b->a), *list = doc_set_list(b->a, args, "nodes");

	for (size_t i = 0; i < n; i++)
		doc_append(b->a, list, doc_string(b->a, b->order[i]));
	return args;
}

static void add_waves(struct builder *b)
{
	size_t begin = 0;

	for (size_t k = 0; k < b->scene.in->profile->n_waves && begin < b->n - 1; k++) {
		size_t end = wave_end(b, k, begin);

		for (size_t i = begin; i < end; i++)
			add_node_step(b, "U10", b->order[i + 1]);
		add_step(b, arena_printf(b->a, "U10-wave-%zu", k + 1), "U10-wave",
			 arena_printf(b->a, "wave %zu (%zu of %zu nodes) stays well", k + 1,
				      end + 1, b->n),
			 done_args(b, end + 1));
		begin = end;
	}
	if (b->n == 1)
		add_skipped(b, "U10", "waves", "not present: the canary is the only node");
}

static void add_staging(struct builder *b)
{
	const struct doc *staging = b->scene.in->staging;

	if (staging)
		add_skipped(b, "U2", "the same hop was done elsewhere",
			    arena_printf(b->a, "shown by the report of run %s",
					 str_or_empty(doc_find_str(staging, "run"))));
	else
		add_skipped(b, "U2", "the same hop was done elsewhere",
			    "waived by the profile, by name: see staging-proof");
}

/* An older release does not know the newer one's maps, so it has nothing to remove. */
static bool removes(const struct builder *b)
{
	return version_cmp(&b->scene.to->version, &b->scene.from->version) > 0 &&
	       b->scene.to->conntrack_layout != b->scene.from->conntrack_layout;
}

static void add_final(struct builder *b)
{
	struct doc *args = doc_map(b->a);

	doc_set_bool(b->a, args, "remove", removes(b));
	add_step(b, "U15", "U15",
		 removes(b) ? "remove what only the old version needs"
			    : "close the run: nothing of the old version is to be removed",
		 args);
}

static void add_steps(struct builder *b)
{
	b->steps = doc_set_list(b->a, b->doc, "steps");
	add_skipped(b, "U0", "make the plan",
		    arena_printf(b->a, "made at %s by %s", doc_find_str(b->doc, "made"),
				 str_or_empty(b->scene.in->by)));
	add_step(b, "U1", "U1", "look whether everything is well", NULL);
	add_staging(b);
	add_step(b, "U3", "U3", "save what is there, and read it back", NULL);
	add_step(b, "U4", "U4", "bring the image to every node", NULL);
	add_skipped(b, "U5", "show the differences, and have them approved",
		    "this plan is what is shown; a run begins with its approval");
	add_skipped(b, "U6", "definitions of our objects",
		    "nothing to do: they keep fields they do not know, in every release");
	add_step(b, "U7", "U7", "operator", state_args(b, "U7"));
	add_node_step(b, "U8", b->order[0]);
	add_step(b, "U9", "U9",
		 arena_printf(b->a, "%s stays well, no other node notices", b->order[0]),
		 done_args(b, 1));
	add_waves(b);
	add_step(b, "U11", "U11", "node Envoy", state_args(b, "U11"));
	add_step(b, "U12", "U12", "relay", state_args(b, "U12"));
	add_step(b, "U13", "U13", "build every endpoint anew, compare versions",
		 state_args(b, "U13"));
	add_step(b, "U14", "U14", "soak", done_args(b, b->n));
	add_final(b);
}

/* --- what happens to whom --- */

static void add_effect(struct builder *b, const char *what, const char *whom, const char *effect)
{
	struct doc *d = doc_append(b->a, doc_set_list(b->a, b->doc, "effects"), doc_map(b->a));

	doc_set_string(b->a, d, "what", what);
	doc_set_string(b->a, d, "whom", whom);
	doc_set_string(b->a, d, "effect", effect);
}

static const char *conversion(struct builder *b)
{
	int64_t from = b->scene.from->conntrack_layout, to = b->scene.to->conntrack_layout;

	if (!from || !to)
		return "not known: a release does not say which layout its map of connections has";
	if (from == to)
		return "none: both releases have the same layout";
	return arena_printf(
		b->a, "connections go from layout %lld to %lld: %s", (long long)from, (long long)to,
		from < to ? "the new programs convert what a packet asks for, the agent copies the "
			    "rest in batches"
			  : "before the first pod goes, every agent keeps and copies them in the "
			    "older layout, too (SidestepRequest Prepare)");
}

/* reference/operations.md 4.5: what survives, and what does not. */
static void add_effects(struct builder *b)
{
	add_effect(b, "restart", "the agent of each node, one node after the other",
		   "its pod is deleted and made anew; no node is drained, no other pod restarts");
	add_effect(b, "map conversion", "remembered connections of each node", conversion(b));
	add_effect(b, "kept", "established TCP and UDP, also through services",
		   "programs are replaced one by one and atomically; rows stay");
	add_effect(b, "waits", "new pods and policy changes on the node",
		   "while its agent restarts: seconds, at most the profile's gateTimeout");
	add_effect(b, "reset", "connections through a node's Envoy (L7, Ingress, Gateway)",
		   "not present: no release of ours runs one");
	add_effect(b, "reset", "DNS requests through the agent's proxy",
		   "not present: no release of ours has one");
	add_effect(b, "built anew", "every endpoint of every node (U13)",
		   "programs and rows are made again; packets go on meanwhile");
}

static void add_irreversible(struct builder *b)
{
	struct doc *list = doc_set_list(b->a, b->doc, "irreversible");

	if (removes(b))
		doc_append(b->a, list,
			   doc_string(b->a, "U15 removes the old version's map of connections; it "
					    "waits for an approval of its own, and afterwards a "
					    "downgrade is a hop of its own"));
	doc_foreach_item (b->scene.to->blocks_downgrade, d)
		doc_append(b->a, list,
			   doc_stringf(b->a, "once in use it forbids the way back: %s",
				       str_or_empty(doc_str(d))));
	if (!doc_len(list))
		doc_append(b->a, list, doc_string(b->a, "nothing"));
}

/* At least: what waits for a window; gates take their samples besides. */
static void add_duration(struct builder *b)
{
	const struct profile *p = b->scene.in->profile;
	uint64_t ns = p->canary_soak_ns + p->soak_ns + b->n * p->settle_ns;

	doc_foreach_item (b->steps, s)
		ns += str_eq(doc_find_str(s, "state"), "U10-wave") ? p->wave_soak_ns : 0;
	doc_set_int(b->a, b->doc, "seconds", (int64_t)(ns / NS_PER_S));
}

/* --- both ends --- */

/* The merge patch that asks for an image: the template's containers with it, as they are. */
static struct doc *template_patch(struct builder *b, const char *image)
{
	struct doc *patch = doc_map(b->a), *spec, *list;

	spec = doc_set_map(b->a, patch, "spec");
	spec = doc_set_map(b->a, doc_set_map(b->a, spec, "template"), "spec");
	list = doc_clone(b->a, doc_find(b->scene.daemonset, "spec.template.spec.containers"));
	doc_foreach_item (list, c)
		if (str_eq(doc_find_str(c, "name"), b->upgrade.container))
			doc_set_string(b->a, c, "image", image);
	doc_set(b->a, spec, "containers", list);
	return patch;
}

static void add_side(struct builder *b, const char *key, const struct release *r)
{
	struct doc *d = doc_set_map(b->a, b->doc, key);

	doc_set_string(b->a, d, "version", r->version.text);
	doc_set_string(b->a, d, "image", r->image);
	doc_set_int(b->a, d, "conntrackLayout", r->conntrack_layout);
	doc_set_bool(b->a, d, "health", !r->tells_no_health);
	doc_set(b->a, d, "template", template_patch(b, r->image));
}

static void add_head(struct builder *b)
{
	char when[CLOCK_RFC3339_SIZE];

	doc_set_string(b->a, b->doc, "schema", PLAN_SCHEMA);
	doc_set_string(b->a, b->doc, "tool", "sidestep-upgrade " SIDESTEP_VERSION);
	doc_setf(b->a, b->doc, "mesh", "%s/%s", b->upgrade.namespace, b->upgrade.daemonset);
	doc_set_string(b->a, b->doc, "container", b->upgrade.container);
	doc_set_string(b->a, b->doc, "made",
		       clock_rfc3339(clock_wall_ns(b->scene.in->clock), 0, when));
	doc_set_string(b->a, b->doc, "releases", b->scene.in->releases->source);
	doc_set(b->a, b->doc, "profile", profile_doc(b->a, b->scene.in->profile));
	doc_set(b->a, b->doc, "shortened", profile_shortened(b->a, b->scene.in->profile));
	run_inputs_add(b->a, b->doc, b->scene.daemonset);
	snapshot_foreach (b->scene.in->snapshot, object_kind(KIND_NODE), d)
		run_inputs_add_name(b->a, b->doc, d);
}

/* Each accepted finding, with who accepted it. */
static void add_waivers(struct builder *b, const struct report *report)
{
	struct doc *list = doc_set_list(b->a, b->doc, "waivers");

	for (size_t i = 0; i < report->n; i++) {
		const struct finding *f = &report->findings[i];
		struct doc *d;

		if (!f->waiver)
			continue;
		d = doc_append(b->a, list, waiver_doc(b->a, f->waiver));
		doc_set_string(b->a, d, "title", f->title);
		doc_set_string(b->a, d, "finding", f->message);
		doc_set_string(b->a, d, "where", f->scope[0] ? f->scope : NULL);
	}
}

static void find_releases(struct builder *b)
{
	const struct plan_input *in = b->scene.in;

	b->scene.from = releases_of_image(in->releases, doc_find_str(b->scene.container, "image"));
	b->scene.to = releases_find(in->releases, in->to);
	if (!b->scene.from || !b->scene.to)
		return;
	add_side(b, "from", b->scene.from);
	add_side(b, "to", b->scene.to);
	add_nodes(b);
	add_effects(b);
	add_irreversible(b);
	add_steps(b);
	add_duration(b);
}

int plan_make(struct plan *p, struct arena *a, const struct plan_input *in, struct error *err)
{
	struct builder b = {.a = a, .scene = {.in = in, .a = a}, .doc = doc_map(a)};
	int r = find_agents(&b, err);

	if (!r)
		r = look(&b, err);
	if (!r)
		r = make_order(&b, err);
	if (r)
		return r;
	*p = (struct plan){.doc = b.doc};
	report_init(&p->report, "sidestep-upgrade",
		    arena_printf(a, "Plan for the mesh, to %s", str_or_empty(in->to)), in->clock);
	p->report.waivers = in->profile->waivers;
	b.scene.report = &p->report;
	b.scene.plan = b.doc;
	add_head(&b);
	find_releases(&b);
	plan_findings(&b.scene, &b.world);
	report_finish(&p->report);
	add_waivers(&b, &p->report);
	doc_set(a, b.doc, "findings", report_doc(a, &p->report));
	return 0;
}

void plan_release(struct plan *p)
{
	report_release(&p->report);
}
