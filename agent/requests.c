/* SPDX-License-Identifier: Apache-2.0 */
/* SidestepRequests: done or put in force here, and answered in their status under this node's name.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "lib/base/alloc.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"

/* What this node answers to one request; kept so that a regeneration runs once. */
struct answer {
	struct arena arena;
	int64_t generation;
	struct doc *item; /* of status.nodes */
	bool seen;        /* in this round */
};

static int64_t generation_of(const struct sidestep_request *r)
{
	return MAX(r->meta.generation, 1);
}

static bool concerns(const struct agent *agent, const struct sidestep_request *r)
{
	for (size_t i = 0; i < r->nodes.n; i++) {
		if (str_eq(r->nodes.items[i], agent->options.node))
			return true;
	}
	return r->nodes.n == 0;
}

static bool selects(const struct agent *agent, const struct sidestep_request *r,
		    const struct agent_ep *ep)
{
	const struct mesh_input *in = &agent->applied->input;

	if (r->namespace && !str_eq(r->namespace, ep->namespace))
		return false;
	if (!r->pod_selector)
		return true;
	for (size_t i = 0; i < in->n_locals; i++) {
		if (in->locals[i].id == ep->id && in->locals[i].pod)
			return label_selector_matches(r->pod_selector,
						      &in->locals[i].pod->meta.labels);
	}
	return false;
}

static const struct sidestep_request_node *own_answer(const struct agent *agent,
						      const struct sidestep_request *r)
{
	for (size_t i = 0; i < r->n_status; i++) {
		if (str_eq(r->status[i].node, agent->options.node))
			return &r->status[i];
	}
	return NULL;
}

static void regenerate_one(struct agent *agent, struct arena *a, struct agent_ep *ep,
			   struct sidestep_request_node *node)
{
	struct sidestep_request_endpoint *out = &node->endpoints[node->n_endpoints++];
	struct datapath_regenerated done = {0};
	struct error err = ERROR_INIT;

	*out = (struct sidestep_request_endpoint){
		.id = ep->id, .namespace = ep->namespace, .pod = ep->pod};
	if (agent_regenerate(agent, ep, a, &done, &err) < 0) {
		out->error = arena_strdup(a, err.msg);
		node->state = "failed";
	}
	out->generation_before = done.generation_before;
	out->generation_after = done.generation_after;
	out->corrupted = (int64_t)done.corrupted.n;
	out->corrupted_rows = done.corrupted;
}

/* Done once for each generation of the request; an audit lasts as long as its object. */
static bool is_once(const struct sidestep_request *r)
{
	return r->kind != REQUEST_AUDIT;
}

static struct doc *answer_item(struct agent *agent, struct arena *a,
			       const struct sidestep_request *r)
{
	struct sidestep_request_node node = {.node = agent->options.node,
					     .state = r->kind == REQUEST_AUDIT ? "active" : "done",
					     .observed_generation = generation_of(r),
					     .endpoints =
						     arena_array(a, agent->endpoints.list.n + 1,
								 struct sidestep_request_endpoint)};

	if (r->kind == REQUEST_PREPARE || r->kind == REQUEST_FINALIZE) {
		connections_answer(agent, a, r, &node);
		return bind_encode(a, &sidestep_request_node_table, &node);
	}
	vec_foreach (&agent->endpoints.list, it) {
		struct agent_ep *ep = *it;

		if (!selects(agent, r, ep))
			continue;
		if (r->kind == REQUEST_REGENERATE)
			regenerate_one(agent, a, ep, &node);
		else
			node.endpoints[node.n_endpoints++] = (struct sidestep_request_endpoint){
				.id = ep->id, .namespace = ep->namespace, .pod = ep->pod};
	}
	return bind_encode(a, &sidestep_request_node_table, &node);
}

/* Puts this node's item into status.nodes; true when it was not there like that. */
static bool change_request(void *arg, struct arena *a, struct doc *object)
{
	struct agent *agent = arg;
	const struct answer *answer = map_get(&agent->answers, kube_name(object));
	struct doc *nodes, *item;

	if (!answer)
		return false;
	item = doc_clone(a, answer->item);
	nodes = doc_set_list(a, doc_set_map(a, object, "status"), "nodes");
	for (size_t i = 0; i < doc_len(nodes); i++) {
		struct doc *have = doc_at(nodes, i);

		if (!str_eq(doc_str(doc_get(have, "node")), agent->options.node))
			continue;
		doc_set_string(a, item, "updated", doc_str(doc_get(have, "updated")));
		if (doc_equal(have, item))
			return false;
		doc_remove_at(nodes, i);
		break;
	}
	doc_set_string(a, item, "updated", agent_wall_text(agent, a));
	doc_append(a, nodes, item);
	return true;
}

static void answer_free(struct answer *x)
{
	if (!x)
		return;
	arena_release(&x->arena);
	free(x);
}

static void answer_request(struct agent *agent, const struct sidestep_request *r)
{
	struct answer *have = map_get(&agent->answers, r->meta.name), *next;
	const struct sidestep_request_node *published = own_answer(agent, r);
	struct writer_target t = {.kind = object_kind(KIND_SIDESTEP_REQUEST),
				  .name = r->meta.name,
				  .change = change_request,
				  .arg = agent};

	/* Also over restarts; what was under way is taken up again. */
	if (is_once(r) && (have || published)) {
		int64_t done = have ? have->generation : published->observed_generation;
		const char *state = have ? doc_find_str(have->item, "state") : published->state;

		if (done >= generation_of(r) && !str_eq(state, "active"))
			return;
	}
	next = xcalloc(1, sizeof(*next));
	next->generation = generation_of(r);
	next->item = answer_item(agent, &next->arena, r);
	if (have && have->generation == next->generation && doc_equal(have->item, next->item)) {
		answer_free(next);
		return;
	}
	answer_free(map_set(&agent->answers, r->meta.name, next));
	writer_write(agent->writer, &t);
}

void publish_regenerations(struct agent *agent, const struct mesh_input *in)
{
	for (size_t i = 0; agent->applied->revision && i < in->n_requests; i++) {
		const struct sidestep_request *r = &in->requests[i];

		if (r->kind == REQUEST_REGENERATE && concerns(agent, r) &&
		    !r->meta.deletion_timestamp)
			answer_request(agent, r);
	}
}

void publish_requests(struct agent *agent)
{
	const struct mesh_input *in = &agent->applied->input;

	for (size_t i = 0; i < in->n_requests; i++) {
		if (concerns(agent, &in->requests[i]) && !in->requests[i].meta.deletion_timestamp)
			answer_request(agent, &in->requests[i]);
	}
	map_foreach (&agent->answers, e) {
		if (!kube_informer_get(agent->cluster.informers[CLUSTER_REQUESTS], NULL,
				       map_key(e)))
			answer_free(map_del(&agent->answers, map_key(e)));
	}
}

void publish_stop(struct agent *agent)
{
	map_foreach (&agent->answers, e)
		answer_free(map_value(e));
	map_release(&agent->answers);
	free(agent->node_digest);
	agent->node_digest = NULL;
}
