/* SPDX-License-Identifier: Apache-2.0 */
/* Is an agent as well as it was? What its status says, compared with what is remembered. */
#include <inttypes.h>
#include <string.h>

#include "lib/agentapi/health.h"

#include "lib/base/str.h"
#include "upgrade/gates_internal.h"

/* What needs no earlier look. */
static bool is_direct(enum health_item_id id)
{
	return id == HEALTH_READY || id == HEALTH_VERSION || id == HEALTH_CONTROLLERS ||
	       id == HEALTH_MAP_PRESSURE || id == HEALTH_PROGRAMS;
}

/* What says something while nothing was changed. */
static bool is_quiet(enum health_item_id id)
{
	return id != HEALTH_DROPS && id != HEALTH_CPU && id != HEALTH_MEMORY;
}

static bool is_asked(const struct asking *q, enum health_item_id id, enum health_set set,
		     bool compared)
{
	/* Over a soak they come and go with what people do. */
	if (id == HEALTH_CONNTRACK &&
	    (set == HEALTH_OTHERS || (set == HEALTH_CHANGED && !q->fresh)))
		return false;
	if (!compared)
		return is_direct(id);
	return set == HEALTH_CHANGED || set == HEALTH_OTHERS || is_quiet(id);
}

static void question_of(struct asking *q, const struct world_node *n, const struct side *side,
			enum health_set set, struct health_question *out)
{
	struct arena *a = q->out->arena;

	*out = (struct health_question){
		.previous = recall_previous(q->u, a, n->name),
		.long_ago = recall_long_ago(q->u, a, n->name),
		.now = n->status,
		.version = side->version,
		.pods = &n->uids,
		.wall_ns = clock_wall_ns(q->u->cluster->clock),
		.max_age_ns = AGENT_SILENT_NS,
	};
	if (set == HEALTH_AT_REST || set == HEALTH_BACK)
		out->before = recall_first(q->u, a, n->name, side->version);
	else
		out->baseline = recall_usual(q->u, a, n->name);
	out->unchanged = set != HEALTH_CHANGED;
	out->refusing = recall_refusing(q->u, a, n->name, &out->n_refusing);
	if (set == HEALTH_CHANGED)
		recall_before(q->u, a, n, !q->fresh && !q->proves, out);
	else if (set == HEALTH_OTHERS)
		out->before = recall_first(q->u, a, n->name, side->version);
}

/* What is usual an older release has not told, nor the agent of a machine that was started anew and
 * not changed: rates say nothing then, unless they are bad in themselves. */
static bool is_moot(const struct asking *q, const struct health_question *question,
		    enum health_item_id id, enum finding_result result)
{
	return result == FINDING_UNKNOWN && (id == HEALTH_DROPS || id == HEALTH_CPU) &&
	       ((q->u->from.tells_no_health &&
		 !(question->baseline && question->baseline->health)) ||
		(question->unchanged && recall_is_rebooted(q->u, question->now)));
}

/* Told with the answer, and kept with it. */
static void forgive(struct asking *q, const struct world_node *n, const char *words)
{
	struct arena *a = q->out->arena;

	if (!words)
		return;
	if (!q->forgiven)
		q->forgiven = doc_list(a);
	doc_append(a, q->forgiven, doc_string(a, arena_printf(a, "%s: %s", n->name, words)));
}

/* An agent refuses by the policies of its own pods: those of their namespaces, and of all. */
static bool concerns(const struct doc *policy, const struct sidestep_endpoint *endpoints, size_t n)
{
	const char *ns = kube_namespace(policy);

	for (size_t i = 0; !str_empty(ns) && i < n; i++)
		if (str_eq(endpoints[i].namespace, ns))
			return true;
	return str_empty(ns);
}

const char *asking_policies(struct asking *q, const struct sidestep_endpoint *endpoints, size_t n)
{
	static const enum object_kind_id kinds[ARRAY_SIZE(q->policies)] = {
		KIND_NETWORK_POLICY, KIND_CILIUM_NETWORK_POLICY,
		KIND_CILIUM_CLUSTERWIDE_NETWORK_POLICY};
	struct arena *a = q->out->arena;
	uint64_t sum = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct error why = ERROR_INIT;
		struct doc *list;

		if (!q->policies[i] &&
		    cluster_list(q->u->cluster, a, object_kind(kinds[i]), NULL, &list, &why))
			return NULL;
		q->policies[i] = q->policies[i] ? q->policies[i] : list;
		doc_foreach_item (q->policies[i], d) {
			const char *text = arena_printf(a, "%s %" PRId64, str_or_empty(kube_uid(d)),
							doc_find_int(d, "metadata.generation", 0));

			if (concerns(d, endpoints, n))
				sum += str_hash(text, strlen(text), STR_HASH_SEED);
		}
	}
	return arena_printf(a, "%016" PRIx64, sum);
}

/*
 * Who is refused since policies were changed behind a node's change is refused by them or by the
 * release, which nobody can tell: no reason to take a mesh back. Whoever goes on says which.
 */
static void doubt(struct asking *q, const struct world_node *n, const struct health_question *asked,
		  struct health_item *denied)
{
	const char *was = recall_policies(q->u, n->name), *is;
	const struct sidestep_node *before = asked->origin ? asked->origin : asked->before;
	struct arena *a = q->out->arena;
	struct sidestep_counter *rows;
	size_t count;

	if (q->fresh || q->proves || !was || !before ||
	    (denied->result != FINDING_FAIL && denied->result != FINDING_UNKNOWN))
		return;
	is = asking_policies(q, before->endpoints, before->n_endpoints);
	rows = health_denied(a, asked, &count);
	if (!is || str_eq(is, was) || !count)
		return;
	if (!q->doubted)
		q->doubted = doc_map(a);
	doc_set(a, q->doubted, n->name, recall_rows(a, rows, count));
	denied->result = FINDING_UNKNOWN;
	denied->words = arena_printf(
		a,
		"%s (of %zu such pairs); policies of its pods were changed since the node's "
		"change: "
		"where that is what they are to do, 'sidestep upgrade resume' takes all of them so",
		denied->words, count);
}

/* Which doubt somebody has gone on with. */
static void take_meant(struct asking *q, const struct world_node *n, struct health_question *asked)
{
	struct arena *a = q->out->arena;
	size_t count;
	struct sidestep_counter *meant = recall_meant(q->u, a, n->name, &count), *all;

	if (!count)
		return;
	all = arena_array(a, asked->n_refusing + count, struct sidestep_counter);
	for (size_t i = 0; i < asked->n_refusing; i++)
		all[i] = asked->refusing[i];
	for (size_t i = 0; i < count; i++)
		all[asked->n_refusing + i] = meant[i];
	asked->refusing = all;
	asked->n_refusing += count;
	forgive(q, n,
		arena_printf(a,
			     "%zu pairs are refused since policies were changed, and the run was "
			     "gone on with so; the first is identity %" PRId64 " to %" PRId64
			     " port %" PRId64,
			     count, meant[0].source, meant[0].destination, meant[0].port));
}

static enum finding_result ask_items(struct asking *q, const struct world_node *n,
				     const struct side *side, enum health_set set,
				     const char **ret_words)
{
	struct health_item items[HEALTH_ITEM_COUNT];
	enum finding_result worst = FINDING_PASS;
	struct health_question question;

	question_of(q, n, side, set, &question);
	if (set == HEALTH_CHANGED)
		take_meant(q, n, &question);
	health_ask(q->out->arena, &question, items);
	if (set == HEALTH_CHANGED)
		doubt(q, n, &question, &items[HEALTH_DENIED]);
	if (set == HEALTH_CHANGED)
		forgive(q, n, recall_forgiven(q->u, q->out->arena, n->name));
	else if (set == HEALTH_OTHERS && recall_is_rebooted(q->u, n->status))
		forgive(q, n,
			"its machine was started anew, and which drops are usual since then is "
			"not known");
	for (int i = 0; i < HEALTH_ITEM_COUNT; i++) {
		enum finding_result r = items[i].result;

		forgive(q, n, items[i].forgiven);
		if ((r != FINDING_FAIL && r != FINDING_UNKNOWN) || worst == FINDING_FAIL ||
		    !is_asked(q, (enum health_item_id)i, set, question.before != NULL) ||
		    is_moot(q, &question, (enum health_item_id)i, r) ||
		    (r == FINDING_UNKNOWN && worst == FINDING_UNKNOWN))
			continue;
		worst = r;
		*ret_words = arena_printf(q->out->arena, "%s: %s: %s", n->name, items[i].title,
					  items[i].words);
	}
	return worst;
}

enum finding_result asking_health(struct asking *q, const struct world_node *n,
				  const struct side *side, enum health_set set,
				  const char **ret_words)
{
	if (n->status && asking_is_silent(q, n->status)) {
		*ret_words = arena_printf(q->out->arena, "the agent of %s is silent", n->name);
		return FINDING_UNKNOWN;
	}
	if (side->tells_no_health && n->status && !n->status->health) {
		*ret_words =
			arena_printf(q->out->arena, "agents of %s publish none", side->version);
		return FINDING_SKIP;
	}
	return ask_items(q, n, side, set, ret_words);
}
