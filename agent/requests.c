/* SPDX-License-Identifier: Apache-2.0 */
/* SidestepRequests: done or put in force here, and answered in their status under this node's name.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "lib/agentapi/regenerate.h"
#include "lib/base/alloc.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"

/* What this node answers to one request, as it was said last. */
struct answer {
	struct arena arena;
	const char *uid; /* of the request: another one may have its name */
	int64_t generation;
	struct doc *item; /* of status.nodes */
};

static int64_t generation_of(const struct sidestep_request *r)
{
	return MAX(r->meta.generation, 1);
}

/* One that names more nodes than may be cannot be read by the tools that wait for it: nobody does
 * it. The CRD refuses it, where it is of this release. */
static bool concerns(const struct agent *agent, const struct sidestep_request *r)
{
	if (r->nodes.n > REQUEST_MAX_NODES)
		return false;
	for (size_t i = 0; i < r->nodes.n; i++) {
		if (str_eq(r->nodes.items[i], agent->options.node))
			return true;
	}
	return r->nodes.n == 0;
}

bool request_selects(const struct agent *agent, const struct sidestep_request *r,
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

const struct sidestep_request_node *published_answer(const struct agent *agent,
						     const struct sidestep_request *r)
{
	const struct sidestep_request_node *said = own_answer(agent, r);

	return said && said->observed_generation >= generation_of(r) ? said : NULL;
}

static struct answer *answer_of(const struct agent *agent, const struct sidestep_request *r)
{
	struct answer *have = map_get(&agent->answers, r->meta.name);

	return have && str_eq(have->uid, str_or_empty(r->meta.uid)) ? have : NULL;
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

/* Puts this node's item into status.nodes, as long as fits; true when it was not there like that.
 */
static bool change_request(void *arg, struct arena *a, struct doc *object)
{
	struct agent *agent = arg;
	const struct answer *answer = map_get(&agent->answers, kube_name(object));
	struct doc *nodes, *item, *have = NULL;

	if (!answer || !str_eq(answer->uid, str_or_empty(kube_uid(object))))
		return false;
	item = doc_clone(a, answer->item);
	nodes = doc_set_list(a, doc_set_map(a, object, "status"), "nodes");
	for (size_t i = 0; i < doc_len(nodes) && !have; i++) {
		if (!str_eq(doc_find_str(doc_at(nodes, i), "node"), agent->options.node))
			continue;
		have = doc_at(nodes, i);
		doc_remove_at(nodes, i);
	}
	regenerate_trim(a, item, bytes_of(nodes));
	if (have) {
		doc_set_string(a, item, "updated", doc_find_str(have, "updated"));
		if (doc_equal(have, item))
			return false;
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

void publish_answer(struct agent *agent, const struct sidestep_request *r,
		    const struct sidestep_request_node *node)
{
	struct answer *have = answer_of(agent, r), *next;
	struct writer_target t = {.kind = object_kind(KIND_SIDESTEP_REQUEST),
				  .name = r->meta.name,
				  .change = change_request,
				  .arg = agent};

	next = xcalloc(1, sizeof(*next));
	next->uid = arena_strdup(&next->arena, str_or_empty(r->meta.uid));
	next->generation = node->observed_generation;
	/* What the node's strings point at may go before this does. */
	next->item = doc_clone(&next->arena,
			       bind_encode(&next->arena, &sidestep_request_node_table, node));
	if (have && have->generation == next->generation && doc_equal(have->item, next->item)) {
		answer_free(next);
		return;
	}
	answer_free(map_set(&agent->answers, r->meta.name, next));
	writer_write(agent->writer, &t);
}

static void audited(struct agent *agent, struct arena *a, const struct sidestep_request *r,
		    struct sidestep_request_node *node)
{
	node->endpoints =
		arena_array(a, agent->endpoints.list.n + 1, struct sidestep_request_endpoint);
	vec_foreach (&agent->endpoints.list, it) {
		const struct agent_ep *ep = *it;

		if (request_selects(agent, r, ep))
			node->endpoints[node->n_endpoints++] =
				(struct sidestep_request_endpoint){.id = ep->id,
								   .namespace = ep->namespace,
								   .pod = ep->pod,
								   .uid = ep->uid};
	}
	/* Whatever is named of them. */
	node->selected = (struct opt_int){true, (int64_t)node->n_endpoints};
}

static int64_t made(const struct sidestep_request *r)
{
	int64_t at;

	return clock_parse_rfc3339(str_or_empty(r->meta.creation_timestamp), &at) ? 0 : at;
}

/* In the same second the one that can be taken back is the newer one. */
static bool is_newer(const struct sidestep_request *x, const struct sidestep_request *y)
{
	return made(x) != made(y) ? made(x) > made(y) : x->kind == REQUEST_PREPARE;
}

/* Prepare and Finalize undo each other: the newest of both is what is done. NULL: it is this one,
 * or no such request. */
static const struct sidestep_request *overtaken_by(const struct agent *agent,
						   const struct sidestep_request *r)
{
	const struct mesh_input *in = &agent->applied->input;

	for (size_t i = 0; r->kind != REQUEST_AUDIT && i < in->n_requests; i++) {
		const struct sidestep_request *x = &in->requests[i];

		if ((x->kind == REQUEST_PREPARE || x->kind == REQUEST_FINALIZE) &&
		    x->kind != r->kind && concerns(agent, x) && !x->meta.deletion_timestamp &&
		    is_newer(x, r))
			return x;
	}
	return NULL;
}

/* Finalize is done once for each generation, also over restarts. A Prepare is done as long as it is
 * so: maps may go, and be removed by another request. */
static bool is_done(const struct agent *agent, const struct sidestep_request *r)
{
	const struct answer *have = answer_of(agent, r);
	const struct sidestep_request_node *said = own_answer(agent, r);
	int64_t done = have ? have->generation : said ? said->observed_generation : 0;
	const char *state = have ? doc_find_str(have->item, "state") : said ? said->state : NULL;

	if (done < generation_of(r) || !str_eq(state, "done"))
		return false;
	return r->kind == REQUEST_FINALIZE ||
	       (connections_kept(agent, r) && !overtaken_by(agent, r));
}

static void answer_request(struct agent *agent, const struct sidestep_request *r)
{
	const struct sidestep_request *newer = overtaken_by(agent, r);
	struct arena a = ARENA_INIT;
	struct sidestep_request_node node = {.node = agent->options.node,
					     .state = "active",
					     .observed_generation = generation_of(r)};

	if (r->kind == REQUEST_AUDIT) {
		audited(agent, &a, r, &node);
		publish_answer(agent, r, &node);
	} else if (!is_done(agent, r)) {
		if (newer) {
			node.state = "failed";
			node.message =
				arena_printf(&a, "not done: the %s of request %s is newer",
					     r->kind == REQUEST_PREPARE ? "Finalize" : "Prepare",
					     newer->meta.name);
		} else {
			connections_answer(agent, &a, r, &node);
		}
		publish_answer(agent, r, &node);
	}
	arena_release(&a);
}

void publish_requests(struct agent *agent)
{
	const struct mesh_input *in = &agent->applied->input;
	bool fails = false;

	for (size_t i = 0; i < in->n_requests; i++) {
		const struct sidestep_request *r = &in->requests[i];

		if (r->kind == REQUEST_REGENERATE || !concerns(agent, r) ||
		    r->meta.deletion_timestamp)
			continue;
		answer_request(agent, r);
		fails |= connections_failed(agent, r) && !is_done(agent, r) &&
			 !overtaken_by(agent, r);
	}
	if (!fails) /* nobody wants it any more */
		failing_no_more(&agent->connections.failure);
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
