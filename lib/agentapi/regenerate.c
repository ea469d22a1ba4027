/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/agentapi/regenerate.h"

#include <stdlib.h>

#include "lib/base/macros.h"
#include "lib/base/map.h"
#include "lib/base/str.h"

static const char *const state_names[REGENERATE_STATE_COUNT] = {
	[REGENERATE_PENDING] = "pending", [REGENERATE_RUNNING] = "running",
	[REGENERATE_DONE] = "done",       [REGENERATE_FAILED] = "failed",
	[REGENERATE_STOPPED] = "stopped",
};

const char *regenerate_state_name(enum regenerate_state s)
{
	return state_names[s];
}

/* Who answers in words that are not known has begun, and not said that it has ended. */
static enum regenerate_state state_of(const char *name)
{
	for (int s = 0; s < REGENERATE_STATE_COUNT; s++) {
		if (str_eq(state_names[s], name))
			return (enum regenerate_state)s;
	}
	return REGENERATE_RUNNING;
}

static bool not_ready(const struct node *n)
{
	const struct condition *c = condition_find(n->conditions, n->n_conditions, "Ready");

	return c && !str_eq(c->status, "True");
}

static int by_name(const void *x, const void *y)
{
	const struct regenerate_turn *a = x, *b = y;

	return str_cmp(a->node, b->node);
}

static void list_turns(struct arena *a, const struct sidestep_request *r, const struct node *nodes,
		       size_t n_nodes, struct regenerate_job *job)
{
	struct map there = MAP_INIT;

	job->turns = arena_array(a, MAX(r->nodes.n, n_nodes) + 1, struct regenerate_turn);
	for (size_t i = 0; i < n_nodes; i++)
		map_set(&there, nodes[i].meta.name, (void *)(uintptr_t)&nodes[i]);
	for (size_t i = 0; i < r->nodes.n; i++) {
		const struct node *n = map_get(&there, r->nodes.items[i]);

		job->turns[job->n_turns++] = (struct regenerate_turn){
			.node = r->nodes.items[i], .absent = !n, .not_ready = n && not_ready(n)};
	}
	for (size_t i = 0; !r->nodes.n && i < n_nodes; i++)
		job->turns[job->n_turns++] = (struct regenerate_turn){
			.node = nodes[i].meta.name, .not_ready = not_ready(&nodes[i])};
	if (!r->nodes.n && n_nodes)
		qsort(job->turns, n_nodes, sizeof(*job->turns), by_name);
	map_release(&there);
}

/* More endpoints than a node can have are somebody's joke. */
static int64_t sane(int64_t n)
{
	return MIN(MAX(n, (int64_t)0), (int64_t)UINT16_MAX);
}

/* An agent of an older release names every endpoint and counts none. */
static void add_counts(const struct sidestep_request_node *n, struct regenerate_job *job)
{
	if (n->selected.set) {
		job->selected += sane(n->selected.value);
		job->regenerated += sane(n->regenerated.value);
		job->failed += sane(n->failed.value);
		job->repaired += sane(n->repaired.value);
		job->omitted += sane(n->omitted);
		return;
	}
	for (size_t i = 0; i < n->n_endpoints; i++) {
		job->selected++;
		job->failed += n->endpoints[i].error != NULL;
		job->regenerated += n->endpoints[i].error == NULL;
		job->repaired += n->endpoints[i].corrupted > 0;
	}
}

static void take_answers(const struct sidestep_request *r, struct regenerate_job *job)
{
	int64_t generation = MAX(r->meta.generation, 1);
	struct map answers = MAP_INIT;

	for (size_t i = 0; i < r->n_status; i++) {
		if (r->status[i].node && r->status[i].observed_generation >= generation)
			map_set(&answers, r->status[i].node, &r->status[i]);
	}
	for (size_t i = 0; i < job->n_turns; i++) {
		struct regenerate_turn *t = &job->turns[i];

		t->answer = map_get(&answers, t->node);
		t->state = t->answer ? state_of(t->answer->state) : REGENERATE_PENDING;
		job->n_states[t->state]++;
		if (t->answer)
			add_counts(t->answer, job);
	}
	map_release(&answers);
}

/* Nobody waits for who cannot come; who has begun is waited for. */
static bool open(const struct regenerate_turn *t)
{
	if (t->state == REGENERATE_PENDING)
		return !t->absent && !t->not_ready;
	return t->state == REGENERATE_RUNNING;
}

void regenerate_job(struct arena *a, const struct sidestep_request *r, const struct node *nodes,
		    size_t n_nodes, struct regenerate_job *ret)
{
	int64_t room = r->max_parallel.set ? r->max_parallel.value : 1, n_open = 0;

	*ret = (struct regenerate_job){.max_failed = r->max_failed.value};
	list_turns(a, r, nodes, n_nodes, ret);
	take_answers(r, ret);
	ret->too_many = ret->failed > ret->max_failed;
	for (size_t i = 0; i < ret->n_turns; i++) {
		struct regenerate_turn *t = &ret->turns[i];

		t->due = t->state == REGENERATE_PENDING && !t->absent && n_open < room;
		n_open += open(t);
	}
	ret->over = n_open == 0;
}

const struct regenerate_turn *regenerate_turn_of(const struct regenerate_job *job, const char *node)
{
	for (size_t i = 0; i < job->n_turns; i++) {
		if (str_eq(job->turns[i].node, node))
			return &job->turns[i];
	}
	return NULL;
}

int64_t regenerate_count(const struct sidestep_node *agent, const char *namespace,
			 const struct map *uids)
{
	int64_t n = 0;

	for (size_t i = 0; agent && i < agent->n_endpoints; i++) {
		const struct sidestep_endpoint *e = &agent->endpoints[i];
		struct arena a = ARENA_INIT;
		const char *uid = NULL;

		if (namespace && !str_eq(namespace, e->namespace))
			continue;
		if (uids)
			uid = map_get(uids, arena_printf(&a, "%s/%s", str_or_empty(e->namespace),
							 str_or_empty(e->pod)));
		n += !uids || (uid && (str_empty(e->uid) || str_eq(e->uid, uid)));
		arena_release(&a);
	}
	return n;
}

static size_t bytes_of(const struct doc *d)
{
	struct strbuf sb = STRBUF_INIT;
	size_t n;

	doc_write_json(d, DOC_COMPACT, &sb);
	n = sb.len;
	strbuf_release(&sb);
	return n;
}

static bool worth_naming(const struct doc *endpoint)
{
	return doc_get(endpoint, "error") || doc_find_int(endpoint, "corrupted", 0);
}

/* Keeps at most `most` of those worth naming: all alike when nothing was to be done to them. */
static void name_some(struct arena *a, struct doc *item, size_t most)
{
	struct doc *list = doc_get(item, "endpoints");
	size_t kept = 0, before = doc_len(list);
	bool alike = !doc_get(item, "regenerated");

	for (size_t i = 0; i < doc_len(list);) {
		if (kept < most && (alike || worth_naming(doc_at(list, i)))) {
			kept++;
			i++;
		} else {
			doc_remove_at(list, i);
		}
	}
	if (kept < before)
		doc_set_int(a, item, "omitted",
			    doc_find_int(item, "omitted", 0) + (int64_t)(before - kept));
	if (!kept)
		doc_del(item, "endpoints");
}

void regenerate_trim(struct arena *a, struct doc *item, size_t others_bytes)
{
	if (others_bytes >= REQUEST_NAME_ALL_BYTES || bytes_of(item) > REQUEST_NODE_BYTES)
		name_some(a, item, REQUEST_MAX_SOME);
	if (others_bytes < REQUEST_NAME_SOME_BYTES && bytes_of(item) <= REQUEST_NODE_BYTES)
		return;
	name_some(a, item, 0);
	doc_del(item, "message"); /* it says the state and the counts in words */
	doc_del(item, "durationMs");
}
