/* SPDX-License-Identifier: Apache-2.0 */
/* Gates over nodes: is each agent the one it should be, and as well as before? */
#include <inttypes.h>

#include "lib/base/str.h"
#include "lib/step/run.h"
#include "upgrade/gates_internal.h"

/* As many restarts of one pod are a crash loop: no patience mends that. */
#define CRASH_LOOP 2

/* --- Kubernetes --- */

/* A pod's count is of its whole life, in which nodes reboot: only of a fresh one it says enough. */
static bool crash_loops(const struct asking *q, const struct world_node *n)
{
	return n->restarts >= CRASH_LOOP && (q->fresh || (n->waiting && !pod_is_ready(n->pod)));
}

const char *asking_pod(struct asking *q, const struct world_node *n, const struct side *side)
{
	struct arena *a = q->out->arena;

	if (!n->ready)
		return arena_printf(a, "node %s is not ready", n->name);
	if (!n->pod)
		return arena_printf(a, "%s has no agent's pod", n->name);
	if (crash_loops(q, n)) {
		q->out->final = true;
		return arena_printf(a, "the agent of %s was restarted %" PRId64 " times%s%s",
				    n->name, n->restarts, n->waiting ? ": " : "",
				    str_or_empty(n->waiting));
	}
	if (side == &q->u->from && str_eq(n->image, q->u->to.image) && !q->back &&
	    change_patch_holds(q->w.daemonset, q->u->to.template))
		return arena_printf(a,
				    "%s came up with %s before its turn: its agent's pod was "
				    "deleted (a drain?) while the DaemonSet asks for %s; drain no "
				    "node before the canary has proved it",
				    n->name, q->u->to.version, q->u->to.version);
	if (!str_eq(n->image, side->image))
		return arena_printf(a, "%s runs %s, not %s", n->name, str_or_empty(n->image),
				    side->image);
	if (n->ending || n->pods > 1)
		return arena_printf(a, "an agent's pod of %s is still ending", n->name);
	if (!pod_is_ready(n->pod))
		return arena_printf(a, "the agent's pod of %s is not ready%s%s", n->name,
				    n->waiting ? ": " : "", str_or_empty(n->waiting));
	return NULL;
}

static const char *pods_well(struct asking *q, const struct world_node *n)
{
	const char *one;
	size_t count = recall_unready(q->u, n, &one);

	if (count)
		return arena_printf(q->out->arena,
				    "%zu pods of %s are not ready that were before its change; one "
				    "is %s",
				    count, n->name, one);
	return NULL;
}

static const char *agent_restarted(struct asking *q, const struct world_node *n)
{
	if (q->fresh ? n->restarts : n->restarts > recall_restarts(q->u, n->name))
		return arena_printf(q->out->arena, "the agent of %s was restarted", n->name);
	return NULL;
}

/* --- the agent's own word --- */

bool asking_is_silent(const struct asking *q, const struct sidestep_node *s)
{
	return world_is_silent(s, clock_wall_ns(q->u->cluster->clock));
}

static enum finding_result endpoints_well(struct asking *q, const struct sidestep_node *s,
					  const char **ret_words)
{
	for (size_t i = 0; i < s->n_endpoints; i++) {
		const struct sidestep_endpoint *e = &s->endpoints[i];

		if (str_eq(e->state, "ready"))
			continue;
		*ret_words = arena_printf(q->out->arena, "endpoint %s/%s of %s is %s",
					  str_or_empty(e->namespace), str_or_empty(e->pod),
					  s->meta.name, str_or_empty(e->state));
		return FINDING_FAIL;
	}
	return FINDING_PASS;
}

enum finding_result asking_agent(struct asking *q, const struct world_node *n,
				 const struct side *side, const char **ret_words)
{
	const struct sidestep_node *s = n->status;
	struct arena *a = q->out->arena;
	const char *silence;

	if (!s) {
		*ret_words = arena_printf(a, "the agent of %s has published nothing", n->name);
		return FINDING_UNKNOWN;
	}
	silence = world_silence(a, s, clock_wall_ns(q->u->cluster->clock));
	if (silence) {
		*ret_words = arena_printf(a, "the agent of %s %s", n->name, silence);
		return FINDING_UNKNOWN;
	}
	if (!str_eq(s->version, side->version)) {
		*ret_words = arena_printf(a, "the agent of %s says it is %s, not %s", n->name,
					  s->version ? s->version : "of no version", side->version);
		return FINDING_FAIL;
	}
	if (!s->ready) {
		*ret_words = arena_printf(a, "the agent of %s is not ready: %s", n->name,
					  s->message ? s->message : "it does not say why");
		return FINDING_FAIL;
	}
	return endpoints_well(q, s, ret_words);
}

/* --- one answer for many nodes --- */

struct verdict {
	enum finding_result result;
	const char *words;
	size_t n, skipped;
};

/* Fail before unknown before pass; the first words of the worst. */
static void weigh(struct verdict *v, enum finding_result result, const char *words)
{
	v->n++;
	v->skipped += result == FINDING_SKIP;
	if (result == FINDING_SKIP && !v->words)
		v->words = words;
	if (result == FINDING_PASS || result == FINDING_SKIP || v->result == FINDING_FAIL ||
	    v->result == result)
		return;
	v->result = result;
	v->words = words;
}

static void answer(struct asking *q, enum gate_source_id source, struct verdict *v,
		   const char *well)
{
	if (v->result == FINDING_PASS && v->n && v->skipped == v->n)
		asking_absent(q, source, v->words);
	else if (v->result == FINDING_PASS)
		asking_say(q, source, NULL, arena_printf(q->out->arena, "%zu: %s", v->n, well));
	else
		asking_answer(q, source, v->result, v->words);
}

struct round {
	struct verdict kubernetes, agents, health;
};

const char *asking_excluded(struct asking *q, const struct world_node *n)
{
	if (!n->left_out || n->pods)
		return NULL;
	return arena_printf(q->out->arena,
			    "node %s is there, and since the plan was made its labels or taints, "
			    "or the DaemonSet's, keep the agent off it: what its pods may do is "
			    "not known. Undo that, or take the node out of the cluster",
			    n->name);
}

static void ask_node(struct asking *q, struct round *r, const struct world_node *n,
		     const struct side *side, enum health_set set)
{
	const char *wrong = asking_pod(q, n, side), *words = asking_excluded(q, n);
	enum finding_result result;

	if (words) {
		weigh(&r->kubernetes, FINDING_UNKNOWN, words);
		weigh(&r->agents, FINDING_UNKNOWN, words);
		weigh(&r->health, FINDING_UNKNOWN, words);
		return;
	}
	if (!wrong && set == HEALTH_CHANGED)
		wrong = pods_well(q, n);
	/* On the way back nobody's pod is a reason to leave others on the version that is fled. */
	if (!wrong && (set == HEALTH_CHANGED || set == HEALTH_BACK))
		wrong = agent_restarted(q, n);
	weigh(&r->kubernetes, wrong ? FINDING_FAIL : FINDING_PASS, wrong);
	result = asking_agent(q, n, side, &words);
	weigh(&r->agents, result, words);
	words = NULL;
	result = asking_health(q, n, side, set, &words);
	weigh(&r->health, result, words);
}

/* Nodes that were to have their turn and are no more were looked for: not present. */
static void ask_missing(struct asking *q, struct round *r)
{
	if (r->kubernetes.n)
		return;
	weigh(&r->kubernetes, FINDING_UNKNOWN, "there is no node to look at");
	weigh(&r->agents, FINDING_UNKNOWN, "there is no node to look at");
	weigh(&r->health, FINDING_UNKNOWN, "there is no node to look at");
	(void)q;
}

/* "as well as before", but for what was forgiven. */
static const char *how_well(struct asking *q)
{
	struct arena *a = q->out->arena;
	const char *words = "as well as before";
	size_t n = 0;

	doc_foreach_item (q->forgiven, d)
		if (n++ < 3)
			words = arena_printf(a, "%s; %s", words, doc_str(d));
	if (!n)
		return words;
	if (!q->out->evidence)
		doc_set(a, q->out->evidence = doc_map(a), "forgiven", q->forgiven);
	return n > 3 ? arena_printf(a, "%s; and %zu more", words, n - 3) : words;
}

static int finish(struct asking *q, struct round *r)
{
	ask_missing(q, r);
	answer(q, ASK_KUBERNETES, &r->kubernetes, "the agent's pod is the right one and ready");
	answer(q, ASK_AGENTS, &r->agents, "ready, of the right version, every endpoint ready");
	answer(q, ASK_HEALTH, &r->health, how_well(q));
	/* Nobody takes for meant what was not told: a failure is told before a doubt. */
	if (q->doubted && r->kubernetes.result == FINDING_PASS &&
	    r->agents.result == FINDING_PASS && r->health.result == FINDING_UNKNOWN) {
		q->out->evidence = doc_map(q->out->arena);
		doc_set(q->out->arena, q->out->evidence, RUN_DOUBTED, q->doubted);
	}
	recall_end(q->u, &q->w);
	return 0;
}

/* --- the gates --- */

static const char *set_wrong(struct asking *q)
{
	if (!q->w.daemonset)
		return arena_printf(q->out->arena, "DaemonSet %s/%s is gone", q->u->namespace,
				    q->u->daemonset);
	if (!str_eq(doc_find_str(q->w.daemonset, "spec.updateStrategy.type"), "OnDelete"))
		return "the DaemonSet replaces pods by itself: its updateStrategy must be OnDelete";
	return NULL;
}

/* Another run that has begun and not ended. */
static int other_run(struct asking *q, const char **ret_wrong, struct error *err)
{
	struct doc *list;
	int r = cluster_list(q->u->cluster, q->out->arena, object_kind(KIND_SIDESTEP_RUN), NULL,
			     &list, err);

	if (r)
		return r;
	doc_foreach_item (list, d) {
		const char *state = doc_find_str(d, "spec.state"), *name = kube_name(d);

		if (!str_eq(name, q->u->run) && world_is_rival(d))
			*ret_wrong = arena_printf(q->out->arena, "run %s is not finished (%s)",
						  name, str_or_empty(state));
	}
	return 0;
}

GATE_SAMPLE(sound)
{
	struct round round = {0};
	const char *wrong = NULL;
	struct asking q;
	int r = asking_begin(&q, env, args, out, gate_sample_sound, err);

	if (!r)
		r = other_run(&q, &wrong, err);
	if (r)
		return r;
	wrong = wrong ? wrong : set_wrong(&q);
	if (wrong)
		weigh(&round.kubernetes, FINDING_FAIL, wrong);
	for (size_t i = 0; i < q.w.n_nodes; i++)
		ask_node(&q, &round, &q.w.nodes[i], &q.u->from, HEALTH_AT_REST);
	/* Of every node, and a run has room for it once: only when nothing has to be asked anew. */
	if (round.kubernetes.result == FINDING_PASS && round.agents.result == FINDING_PASS &&
	    round.health.result == FINDING_PASS)
		out->evidence = recall_note_usual(out->arena, &q.w);
	return finish(&q, &round);
}

static struct doc *note_before(struct asking *q, const struct world_node *n)
{
	struct doc *d = recall_note_before(q->u, q->out->arena, n);
	const struct sidestep_node *s = n->status;
	const char *policies = s ? asking_policies(q, s->endpoints, s->n_endpoints) : NULL;

	if (policies)
		doc_set_string(q->out->arena, d, "policies", policies);
	return d;
}

/* One at a time: whoever has no agent now is waited for. The agents may be of either side. */
GATE_SAMPLE(room)
{
	const char *node = doc_find_str(args, "node");
	const struct world_node *mine;
	struct verdict pods = {0}, agents = {0};
	struct asking q;
	int r = asking_begin(&q, env, args, out, gate_sample_room, err);

	if (r)
		return r;
	for (size_t i = 0; i < q.w.n_nodes; i++) {
		const struct world_node *n = &q.w.nodes[i];
		bool to = str_eq(n->image, q.u->to.image);
		const struct side *side = to ? &q.u->to : &q.u->from;
		const char *excluded = asking_excluded(&q, n);
		const char *wrong = excluded ? excluded : asking_pod(&q, n, side), *words = NULL;
		enum finding_result result = asking_agent(&q, n, side, &words);

		weigh(&pods,
		      excluded ? FINDING_UNKNOWN
		      : wrong  ? FINDING_FAIL
			       : FINDING_PASS,
		      wrong);
		weigh(&agents, result, words);
	}
	mine = world_node(&q.w, node);
	/* Who is being refused, and what is usual, shows only between two looks. */
	if (mine && mine->status && !recall_has_two_looks(q.u, mine))
		weigh(&agents, FINDING_UNKNOWN,
		      arena_printf(out->arena,
				   "whom %s refuses since when, or what is usual there since its "
				   "machine was started anew, is not known yet: its agent is "
				   "looked at for %llu s first",
				   node, RECALL_APART_NS / NS_PER_S));
	if (mine)
		out->evidence = note_before(&q, mine);
	answer(&q, ASK_KUBERNETES, &pods, "every agent's pod is ready");
	answer(&q, ASK_AGENTS, &agents, "every agent is ready");
	recall_end(q.u, &q.w);
	return 0;
}

/* Once the agent is the right one and ready: before, no pod would get its network. */
static void ask_probe(struct asking *q, const struct world_node *n, const struct side *side,
		      bool ready)
{
	const char *wrong = n ? "the agent is not ready yet" : NULL;
	const char *excluded = asking_excluded(q, n);

	if (excluded) {
		asking_unknown(q, ASK_PROBE, excluded);
		return;
	}
	if (n && ready)
		wrong = upgrade_probe(q->u, q->out->arena, side, n->name,
				      doc_find_str(n->pod_object, "metadata.creationTimestamp"));
	asking_say(q, ASK_PROBE, wrong, "it got its network, ran and ended well");
}

static const struct gate *gate_of(const struct asking *q, bool back)
{
	for (size_t i = 0; i < machine_n_gates; i++)
		if (q->u->machine.gates[i].sample ==
		    (back ? gate_sample_node_back : gate_sample_node))
			return &q->u->machine.gates[i];
	return &q->u->machine.gates[0];
}

/* A way back that ends leaves nobody with the version it came from. */
static void ask_astray(struct asking *q, struct round *r, const char *last)
{
	const struct doc *first = doc_at(doc_get(q->u->plan, "nodes"), 0);

	for (size_t i = 0; str_eq(doc_find_str(first, "name"), last) && i < q->w.n_nodes; i++) {
		const struct world_node *n = &q->w.nodes[i];
		enum finding_result result = FINDING_PASS;
		const char *words = NULL;

		if (str_eq(n->name, last))
			continue;
		if (world_is_astray(&q->w, n, last) || (n->ready && !n->pod))
			words = asking_pod(q, n, &q->u->from);
		weigh(&r->kubernetes, words ? FINDING_FAIL : FINDING_PASS, words);
		words = NULL;
		if (n->status && str_eq(n->status->version, q->u->to.version))
			result = asking_agent(q, n, &q->u->from, &words);
		weigh(&r->agents, result, words);
	}
}

/* It left the cluster in its turn: nobody is worse off on a node that is no more. */
static int answer_gone(struct asking *q, const char *node)
{
	static const enum gate_source_id all[] = {ASK_KUBERNETES, ASK_AGENTS, ASK_HEALTH,
						  ASK_PROBE};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		gate_answer(q->out, gate_source_name(all[i]), FINDING_PASS,
			    "not present: node %s has left the cluster", str_or_empty(node));
	recall_end(q->u, &q->w);
	return 0;
}

static int one_node(void *env, const struct doc *args, struct gate_sample *out, const void *gate,
		    bool back, struct error *err)
{
	struct round round = {0};
	const struct world_node *n;
	const struct side *side;
	struct asking q;
	int r = asking_begin(&q, env, args, out, gate, err);

	if (r)
		return r;
	n = world_node(&q.w, doc_find_str(args, "node"));
	side = back ? &q.u->from : &q.u->to;
	if (!n)
		return answer_gone(&q, doc_find_str(args, "node"));
	q.fresh = !back;
	q.back = back;
	ask_node(&q, &round, n, side, back ? HEALTH_BACK : HEALTH_CHANGED);
	if (!back && round.agents.result == FINDING_PASS) {
		const char *words = NULL;
		enum finding_result result = asking_layout(&q, n, side, &words);

		weigh(&round.agents, result, words);
	}
	ask_probe(&q, n, side, round.kubernetes.result == FINDING_PASS);
	q.fresh = false;
	if (back)
		ask_astray(&q, &round, doc_find_str(args, "node"));
	r = finish(&q, &round);
	if (out->decides && gate_judge(gate_of(&q, back), out) == FINDING_PASS)
		upgrade_sweep(q.u);
	return r;
}

GATE_SAMPLE(node)
{
	return one_node(env, args, out, gate_sample_node, false, err);
}

GATE_SAMPLE(node_back)
{
	return one_node(env, args, out, gate_sample_node_back, true, err);
}

/*
 * Whoever comes up while the template asks for the new version has it without a turn: a node that
 * joins, and behind the canary one whose pod was deleted, are asked like those that were changed.
 */
static bool is_changed(const struct asking *q, const struct world_node *n, const void *gate)
{
	return asking_is_done(q, n->name) ||
	       (str_eq(n->image, q->u->to.image) &&
		(gate != (const void *)gate_sample_canary || !world_is_planned(&q->w, n->name)));
}

/* Those that have had their turn as well as before it, all others as if nothing happened. */
static int all_nodes(void *env, const struct doc *args, struct gate_sample *out, const void *gate,
		     struct error *err)
{
	struct round round = {0};
	struct asking q;
	int r = asking_begin(&q, env, args, out, gate, err);

	if (r)
		return r;
	q.proves = gate == (const void *)gate_sample_canary;
	for (size_t i = 0; i < q.w.n_nodes; i++) {
		const struct world_node *n = &q.w.nodes[i];
		bool done = is_changed(&q, n, gate);

		ask_node(&q, &round, n, done ? &q.u->to : &q.u->from,
			 done ? HEALTH_CHANGED : HEALTH_OTHERS);
	}
	return finish(&q, &round);
}

GATE_SAMPLE(canary)
{
	return all_nodes(env, args, out, gate_sample_canary, err);
}

GATE_SAMPLE(wave)
{
	return all_nodes(env, args, out, gate_sample_wave, err);
}

GATE_SAMPLE(soak)
{
	return all_nodes(env, args, out, gate_sample_soak, err);
}

GATE_SAMPLE(equal)
{
	struct verdict pods = {0}, agents = {0};
	const char *wrong;
	struct asking q;
	int r = asking_begin(&q, env, args, out, gate_sample_equal, err);

	if (r)
		return r;
	wrong = set_wrong(&q);
	if (wrong)
		weigh(&pods, FINDING_FAIL, wrong);
	for (size_t i = 0; i < q.w.n_nodes; i++) {
		const char *words = NULL, *excluded = asking_excluded(&q, &q.w.nodes[i]);
		enum finding_result result = asking_agent(&q, &q.w.nodes[i], &q.u->to, &words);

		wrong = excluded ? excluded : asking_pod(&q, &q.w.nodes[i], &q.u->to);
		weigh(&pods,
		      excluded ? FINDING_UNKNOWN
		      : wrong  ? FINDING_FAIL
			       : FINDING_PASS,
		      wrong);
		weigh(&agents, result, words);
	}
	answer(&q, ASK_KUBERNETES, &pods, "the agent's image is the plan's");
	answer(&q, ASK_AGENTS, &agents, "the agent says that version");
	recall_end(q.u, &q.w);
	return 0;
}

/* Days may have passed since the soak, and what comes next has no way back: as it is now. */
GATE_SAMPLE(still)
{
	struct round round = {0};
	const char *wrong;
	struct asking q;
	int r = asking_begin(&q, env, args, out, gate_sample_still, err);

	if (r)
		return r;
	wrong = set_wrong(&q);
	if (wrong)
		weigh(&round.kubernetes, FINDING_FAIL, wrong);
	for (size_t i = 0; i < q.w.n_nodes; i++)
		ask_node(&q, &round, &q.w.nodes[i], &q.u->to, HEALTH_AT_REST);
	out->final = false;
	return finish(&q, &round);
}
