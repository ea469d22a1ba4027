/* SPDX-License-Identifier: Apache-2.0 */
/* Gates that are asked once: requests to agents, and parts that are not there. */
#include "lib/agentapi/regenerate.h"
#include "lib/base/str.h"
#include "upgrade/gates_internal.h"
#include "upgrade/hops.h"

/* --- requests to agents --- */

static int read_request(struct asking *q, const char *name, struct sidestep_request **ret,
			struct doc **ret_object, struct error *err)
{
	struct doc *d = NULL;
	int r = cluster_get(q->u->cluster, q->out->arena, object_kind(KIND_SIDESTEP_REQUEST), NULL,
			    name, &d, err);

	*ret = NULL;
	*ret_object = d;
	if (r || !d)
		return r;
	*ret = arena_new(q->out->arena, struct sidestep_request);
	return sidestep_request_decode(q->out->arena, d, *ret, err);
}

static const struct sidestep_request_node *answer_of(const struct sidestep_request *r,
						     const char *node)
{
	for (size_t i = 0; r && i < r->n_status; i++)
		if (str_eq(r->status[i].node, node) &&
		    r->status[i].observed_generation >= MAX(r->meta.generation, (int64_t)1))
			return &r->status[i];
	return NULL;
}

/* NULL: it is done there. */
static const char *not_done(struct asking *q, const struct sidestep_request *r, const char *node)
{
	const struct sidestep_request_node *answer = answer_of(r, node);
	struct arena *a = q->out->arena;

	if (!answer)
		return arena_printf(a, "the agent of %s has not answered yet", node);
	if (str_eq(answer->state, "done"))
		return NULL;
	return arena_printf(a, "the agent of %s: %s%s%s", node, str_or_empty(answer->state),
			    answer->message ? ": " : "", str_or_empty(answer->message));
}

static int ask_to_prepare(struct asking *q, const char *name, const char *node, const char *version,
			  int64_t layout, struct error *err)
{
	struct arena *a = q->out->arena;
	struct doc *d = kube_object_new(a, object_kind(KIND_SIDESTEP_REQUEST), NULL, name), *spec;
	struct kube_request request = {
		.verb = KUBE_CREATE, .kind = object_kind(KIND_SIDESTEP_REQUEST), .body = d};
	struct error why = ERROR_INIT;
	int r;

	doc_set_string(a, doc_set_map(a, doc_get(d, "metadata"), "labels"),
		       SIDESTEP_MANAGED_BY_LABEL, SIDESTEP_MANAGED_BY);
	spec = doc_set_map(a, d, "spec");
	doc_set_string(a, spec, "kind", "Prepare");
	doc_append(a, doc_set_list(a, spec, "nodes"), doc_string(a, node));
	doc_set_int(a, spec, "layout", layout);
	doc_set_string(a, spec, "version", version);
	r = cluster_do(q->u->cluster, &request, a, NULL, &why);
	return r && r != -EEXIST ? error_set(err, r, "%s", why.msg) : 0;
}

static void say_both(struct asking *q, const char *words)
{
	asking_say(q, ASK_KUBERNETES, NULL, words);
	asking_say(q, ASK_REQUEST, NULL, words);
}

/*
 * Of a side's agents on the node: as told when the run began, else by the releases; 0: not known.
 * A file may be wrong about what an agent keeps.
 */
static int64_t layout_before(struct asking *q, const struct world_node *n, const struct side *side)
{
	const struct sidestep_node *usual =
		side == &q->u->from ? recall_usual(q->u, q->out->arena, n->name) : NULL;

	return usual && usual->conntrack && usual->conntrack->layout ? usual->conntrack->layout
								     : side->layout;
}

enum finding_result asking_layout(struct asking *q, const struct world_node *n,
				  const struct side *side, const char **ret_words)
{
	const struct sidestep_conntrack *c = n->status ? n->status->conntrack : NULL;
	struct arena *a = q->out->arena;

	if (!side->layout || (c && c->layout == side->layout))
		return FINDING_PASS;
	if (!c && side->tells_no_health)
		return FINDING_PASS;
	if (!c) {
		*ret_words = arena_printf(
			a, "the agent of %s does not tell how it keeps connections", n->name);
		return FINDING_UNKNOWN;
	}
	*ret_words = arena_printf(
		a,
		"the agent of %s keeps connections in layout %lld, and the plan says %lld of %s: "
		"correct conntrackLayout in the releases file before a new plan",
		n->name, (long long)c->layout, (long long)side->layout, side->version);
	return FINDING_FAIL;
}

/* Nothing to prepare: NULL when there is, or when nobody knows; then the agent is asked. */
static const char *nothing_older(struct asking *q, const struct world_node *n,
				 const struct side *newer, const struct side *older)
{
	const struct sidestep_conntrack *c = n->status ? n->status->conntrack : NULL;
	int64_t from = layout_before(q, n, newer), to = layout_before(q, n, older);
	struct version higher, lower;

	if (c && c->layout && str_eq(n->status->version, newer->version) &&
	    !asking_is_silent(q, n->status))
		from = c->layout;
	if (str_eq(n->image, older->image))
		return "it has the older release already";
	/* The first layout has none before it. */
	if (from && from <= MAX(to, (int64_t)1))
		return "the older release has no older layout of connections";
	if (from && to)
		return NULL;
	if (!version_parse(q->out->arena, newer->version, &higher, NULL) &&
	    !version_parse(q->out->arena, older->version, &lower, NULL) &&
	    version_cmp(&higher, &lower) < 0)
		return "the next release is no older one";
	return NULL;
}

/*
 * The agent's status says so, too: an answer was given once; maps go with a boot, or by somebody
 * else's request.
 */
static enum finding_result kept(struct asking *q, const struct world_node *n,
				const struct side *older, const char **ret_words)
{
	const struct sidestep_conntrack *c = n->status ? n->status->conntrack : NULL;
	struct arena *a = q->out->arena;
	int64_t wanted = layout_before(q, n, older);
	bool both = c && (wanted ? c->older == wanted : c->older != 0);

	if (!c || asking_is_silent(q, n->status)) {
		*ret_words = arena_printf(
			a, "the agent of %s does not tell how it keeps connections", n->name);
		return FINDING_UNKNOWN;
	}
	if (both && !c->remaining && wanted)
		return FINDING_PASS;
	if (both && !c->remaining) {
		*ret_words = arena_printf(
			a,
			"the agent of %s keeps connections in layout %lld, too, and nobody says "
			"which one %s has: name conntrackLayout of both in the releases file",
			n->name, (long long)c->older, older->version);
		return FINDING_UNKNOWN;
	}
	*ret_words = both ? arena_printf(a, "the agent of %s has %lld rows still to copy", n->name,
					 (long long)c->remaining)
			  : arena_printf(a,
					 "the agent of %s says that it keeps connections in layout "
					 "%lld alone",
					 n->name, (long long)c->layout);
	return FINDING_FAIL;
}

/*
 * An agent that is broken must not keep the way back shut: then it is said what that costs. How
 * long it had is counted here, not between the API's clock and ours.
 */
static const char *hopeless(struct asking *q, const struct world_node *n, const char *why)
{
	const char *wrong = asking_pod(q, n, &q->u->to);
	uint64_t now = clock_now_ns(q->u->cluster->clock);

	q->out->final = false;
	if (wrong)
		return wrong;
	if (q->u->preparing != q->args) {
		q->u->preparing = q->args;
		q->u->preparing_since = now;
	}
	return now - q->u->preparing_since < q->u->profile.prepare_ns ? NULL : why;
}

/* Of one node: pass with words when it is not worth waiting for. */
static int prepare_node(struct asking *q, const struct world_node *n, const struct side *older,
			bool back, enum finding_result *ret_result, const char **ret_words,
			struct error *err)
{
	const char *name = machine_prepare_name(q->out->arena, q->u->run, n->name), *why;
	struct sidestep_request *request;
	struct doc *object;
	int r = read_request(q, name, &request, &object, err);

	if (!r && !object)
		r = ask_to_prepare(q, name, n->name, older->version, layout_before(q, n, older),
				   err);
	if (r)
		return r;
	*ret_result = FINDING_FAIL;
	*ret_words = not_done(q, request, n->name);
	if (!*ret_words)
		*ret_result = kept(q, n, older, ret_words);
	why = *ret_words && back ? hopeless(q, n, *ret_words) : NULL;
	if (!why)
		return 0;
	*ret_result = FINDING_PASS;
	*ret_words =
		arena_printf(q->out->arena, "%s: what began since the change is decided anew", why);
	return 0;
}

/*
 * Whose connections are at stake behind this gate. From the canary on a pod that is deleted comes
 * up with the other version wherever it is, so on the way forward all are prepared before it; on
 * the way back the canary takes those along that have the version without a turn.
 */
static bool is_concerned(struct asking *q, const struct world_node *n, const char *node, bool back)
{
	const char *canary = doc_find_str(doc_at(doc_get(q->u->plan, "nodes"), 0), "name");

	return str_eq(n->name, node) ||
	       (back ? world_is_astray(&q->w, n, node) : str_eq(node, canary));
}

/* All are asked at once; the words are of the first that is not prepared. */
static int ask_prepared(struct asking *q, const struct side *newer, const struct side *older,
			bool back, struct error *err)
{
	const char *node = str_or_empty(doc_find_str(q->args, "node")), *wrong, *words = NULL;
	const struct world_node *mine = world_node(&q->w, node);
	enum finding_result result = FINDING_PASS;
	bool asked = false;
	int r = 0;

	for (size_t i = 0; !r && i < q->w.n_nodes; i++) {
		const struct world_node *n = &q->w.nodes[i];
		enum finding_result one = FINDING_PASS;
		const char *told = NULL;

		if (!is_concerned(q, n, node, back))
			continue;
		/* No agent, no connections of its own: what becomes of its pods its turn asks. */
		told = asking_excluded(q, n) ? "its node has no agent any more"
					     : nothing_older(q, n, newer, older);
		asked |= !told;
		if (!told)
			r = prepare_node(q, n, older, back, &one, &told, err);
		if (result == FINDING_PASS && told) {
			result = one;
			words = told;
		}
	}
	if (r)
		return r;
	if (!asked) {
		say_both(q, words ? words : "the node is gone");
		return 0;
	}
	asking_answer(q, ASK_REQUEST, result,
		      words ? words : "its connections are kept in the older layout, too");
	/* On the way back the pod may be as bad as it likes. */
	wrong = back || !mine || str_eq(mine->image, older->image) ? NULL
								   : asking_pod(q, mine, newer);
	q->out->final = false;
	asking_say(q, ASK_KUBERNETES, wrong,
		   back ? "its pod may be as it is" : "the agent's pod is ready");
	return 0;
}

GATE_SAMPLE(prepared)
{
	struct asking q;
	int r = asking_begin(&q, env, args, out, gate_sample_prepared, err);

	return r ? r : ask_prepared(&q, &q.u->from, &q.u->to, false, err);
}

GATE_SAMPLE(prepared_back)
{
	struct asking q;
	int r = asking_begin(&q, env, args, out, gate_sample_prepared_back, err);

	return r ? r : ask_prepared(&q, &q.u->to, &q.u->from, true, err);
}

static const char *pods_wrong(struct asking *q)
{
	const char *wrong = q->w.n_nodes ? NULL : "there is no node";

	for (size_t i = 0; !wrong && i < q->w.n_nodes; i++)
		wrong = asking_pod(q, &q->w.nodes[i], &q->u->to);
	return wrong;
}

static int list_nodes(struct asking *q, struct node **ret_nodes, size_t *ret_n, struct error *err)
{
	struct doc *list;
	int r = cluster_list(q->u->cluster, q->out->arena, object_kind(KIND_NODE), NULL, &list,
			     err);

	*ret_n = 0;
	*ret_nodes = arena_array(q->out->arena, doc_len(list) + 1, struct node);
	doc_foreach_item (list, d)
		if (!r)
			r = node_decode(q->out->arena, d, &(*ret_nodes)[(*ret_n)++], err);
	return r;
}

/* Done when nobody failed and everybody has told; who has not may still: that is not known yet. */
static enum finding_result judge_job(struct asking *q, const struct regenerate_job *job,
				     const char **ret_words)
{
	struct arena *a = q->out->arena;

	if (job->failed || job->too_many) {
		q->out->final = job->over || job->too_many;
		*ret_words = arena_printf(a, "%lld of %lld endpoints failed",
					  (long long)job->failed, (long long)job->selected);
		return FINDING_FAIL;
	}
	for (size_t i = 0; i < job->n_turns; i++)
		if (job->turns[i].state != REGENERATE_DONE && !job->turns[i].absent) {
			*ret_words = arena_printf(a, "%s is %s", job->turns[i].node,
						  regenerate_state_name(job->turns[i].state));
			return FINDING_UNKNOWN;
		}
	*ret_words =
		arena_printf(a, "%lld of %lld endpoints were built anew on %zu nodes",
			     (long long)job->regenerated, (long long)job->selected, job->n_turns);
	return !job->n_turns || job->regenerated < job->selected ? FINDING_FAIL : FINDING_PASS;
}

static const char *stuck(struct asking *q, const struct sidestep_request *r)
{
	for (size_t i = 0; i < r->n_status; i++)
		for (size_t k = 0; k < r->status[i].n_endpoints; k++) {
			const struct sidestep_request_endpoint *e = &r->status[i].endpoints[k];

			if (e->generation_after > e->generation_before)
				continue;
			return arena_printf(q->out->arena,
					    "the generation of %s/%s on %s did not advance",
					    str_or_empty(e->namespace), str_or_empty(e->pod),
					    str_or_empty(r->status[i].node));
		}
	return NULL;
}

GATE_SAMPLE(regenerated)
{
	struct sidestep_request *request;
	struct regenerate_job job;
	enum finding_result result;
	struct node *nodes;
	struct doc *object;
	struct asking q;
	const char *wrong, *words = NULL;
	size_t n;
	int r = asking_begin(&q, env, args, out, gate_sample_regenerated, err);

	if (!r)
		r = list_nodes(&q, &nodes, &n, err);
	if (!r)
		r = read_request(&q, machine_regenerate_name(out->arena, q.u->run), &request,
				 &object, err);
	if (r)
		return r;
	wrong = pods_wrong(&q);
	out->final = false;
	asking_say(&q, ASK_KUBERNETES, wrong, "every agent's pod is ready");
	if (!request) {
		asking_unknown(&q, ASK_REQUEST, "the request is gone");
		return 0;
	}
	regenerate_job(out->arena, request, nodes, n, &job);
	result = judge_job(&q, &job, &words);
	wrong = result == FINDING_PASS ? stuck(&q, request) : NULL;
	asking_answer(&q, ASK_REQUEST, wrong ? FINDING_FAIL : result, wrong ? wrong : words);
	out->evidence = doc_map(out->arena);
	doc_set_int(out->arena, out->evidence, "endpoints", job.selected);
	doc_set_int(out->arena, out->evidence, "regenerated", job.regenerated);
	return 0;
}

GATE_SAMPLE(finalized)
{
	struct sidestep_request *request;
	struct doc *object;
	struct asking q;
	const char *wrong = NULL;
	int r = asking_begin(&q, env, args, out, gate_sample_finalized, err);

	if (!r)
		r = read_request(&q, machine_finalize_name(out->arena, q.u->run), &request, &object,
				 err);
	if (r)
		return r;
	if (!doc_bool_or(doc_get(args, "remove"), true)) {
		say_both(&q, "nothing of the old version is to be removed");
		return 0;
	}
	for (size_t i = 0; request && !wrong && i < q.w.n_nodes; i++)
		wrong = not_done(&q, request, q.w.nodes[i].name);
	if (!request)
		asking_unknown(&q, ASK_REQUEST, "the request is gone");
	else if (wrong)
		asking_unknown(&q, ASK_REQUEST, wrong);
	else
		asking_say(&q, ASK_REQUEST, NULL, "every agent has removed it");
	wrong = pods_wrong(&q);
	out->final = false;
	asking_say(&q, ASK_KUBERNETES, wrong, "every agent's pod is ready");
	return 0;
}

/* --- parts that no release of ours brings --- */

int component_look(enum component id, struct cluster *c, struct arena *a,
		   const struct doc *daemonset, bool *ret_present, struct error *err)
{
	const struct component_row *row = &components[id];
	struct doc *list;
	int r;

	*ret_present = false;
	if (row->kind == OBJECT_KIND_COUNT) {
		*ret_present = kube_annotation(daemonset, "meta.helm.sh/release-name") != NULL;
		return 0;
	}
	r = cluster_list(c, a, object_kind((enum object_kind_id)row->kind), NULL, &list, err);
	if (r)
		return r;
	doc_foreach_item (list, d)
		*ret_present |= str_eq(kube_name(d), row->name);
	return 0;
}

/* Where it is seen, for whoever takes it away. */
static const char *place_of(struct arena *a, const struct component_row *row)
{
	return row->kind == OBJECT_KIND_COUNT
		       ? "annotation meta.helm.sh/release-name of the DaemonSet"
		       : arena_printf(a, "%s %s", object_kind((enum object_kind_id)row->kind)->kind,
				      row->name);
}

/* What is there of a state's parts: *ret_open is nobody's, *ret_waived has somebody who follows it.
 */
static int look_for_parts(struct asking *q, const char *state, const char **ret_open,
			  const char **ret_waived, struct error *err)
{
	struct arena *a = q->out->arena;
	int r = 0;

	for (size_t i = 0; !r && i < COMPONENT_COUNT; i++) {
		const struct component_row *row = &components[i];
		const struct waiver *w;
		bool here = false;

		if (!str_eq(row->state, state))
			continue;
		r = component_look((enum component)i, q->u->cluster, a, q->w.daemonset, &here, err);
		if (r || !here)
			continue;
		/* It held when the run began; that it runs out meanwhile is no news of the part. */
		w = waivers_find(&q->u->profile.waivers, "components", row->what, 0);
		if (w)
			*ret_waived =
				arena_printf(a, "%s (%s), which %s follows until %s: %s", row->what,
					     place_of(a, row), w->owner, w->expires, w->reason);
		else
			*ret_open =
				arena_printf(a, "%s is there (%s)", row->what, place_of(a, row));
	}
	return r;
}

/* The step is only begun when it is there, or when nobody could say that it is not. */
GATE_SAMPLE(component)
{
	const char *open = NULL, *waived = NULL;
	struct asking q;
	int r = asking_begin(&q, env, args, out, gate_sample_component, err);

	if (!r)
		r = look_for_parts(&q, doc_find_str(args, "state"), &open, &waived, err);
	if (r)
		return r;
	if (!open) {
		asking_say(&q, ASK_KUBERNETES, NULL,
			   waived ? arena_printf(out->arena, "waived: %s", waived) : "not present");
		asking_say(&q, ASK_AGENTS, NULL, "nothing to follow");
		return 0;
	}
	asking_say(&q, ASK_KUBERNETES, NULL, open);
	asking_unknown(&q, ASK_AGENTS,
		       arena_printf(out->arena,
				    "%s, and no release of ours says how to follow it: take that "
				    "away until the run has ended, or go back ('sidestep upgrade "
				    "rollback') and begin anew with a profile that waives "
				    "components, which says who follows it",
				    open));
	return 0;
}
