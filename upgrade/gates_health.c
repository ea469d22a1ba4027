/* SPDX-License-Identifier: Apache-2.0 */
/* Is an agent as well as it was? What its status says, compared with what is remembered. */
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

static enum finding_result ask_items(struct asking *q, const struct world_node *n,
				     const struct side *side, enum health_set set,
				     const char **ret_words)
{
	struct health_item items[HEALTH_ITEM_COUNT];
	enum finding_result worst = FINDING_PASS;
	struct health_question question;

	question_of(q, n, side, set, &question);
	health_ask(q->out->arena, &question, items);
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
