/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent writes into the cluster: its own SidestepNode, the Valid condition of policies,
 * and its answers to requests. Each is written only when it differs from what is there.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/agent.h"
#include "lib/base/alloc.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/object/canonical.h"

/* Rows of counters in one SidestepNode; the busiest edges of a small node are far fewer. */
enum { MAX_COUNTERS = 4096, MAX_MESSAGE = 1000 };

static const char *now_text(struct agent *agent, struct arena *a)
{
	char text[CLOCK_RFC3339_SIZE];

	return arena_strdup(a, clock_rfc3339(clock_wall_ns(agent->clock), 0, text));
}

/* --- SidestepNode ----------------------------------------------------------------------------- */

static size_t list_endpoints(struct agent *agent, struct arena *a, struct sidestep_endpoint **ret)
{
	const struct mesh_desired *d = &agent->applied->desired;
	struct sidestep_endpoint *items =
		arena_array(a, agent->endpoints.list.n + 1, struct sidestep_endpoint);
	size_t n = 0;

	vec_foreach (&agent->endpoints.list, it) {
		const struct agent_ep *ep = *it;
		const struct mesh_endpoint *e = mesh_desired_endpoint(d, ep->id);
		struct datapath_endpoint kernel = {0};
		struct sidestep_endpoint *out = &items[n++];
		char addr[NET_ADDR_SIZE];

		datapath_endpoint(agent->dp, ep->id, &kernel, NULL);
		*out = (struct sidestep_endpoint){
			.id = ep->id,
			.namespace = ep->namespace,
			.pod = ep->pod,
			.uid = ep->uid,
			.address = arena_strdup(a, net_addr_format(&ep->addr, addr)),
			.identity = ep->identity,
			.state = endpoint_shown_state(ep),
			.generation = kernel.generation,
			.policy_revision = (int64_t)ep->revision};
		if (!e)
			continue;
		out->policy_digest = arena_printf(a, "%016" PRIx64 "%016" PRIx64,
						  e->set[MESH_INGRESS], e->set[MESH_EGRESS]);
		out->deny_ingress = e->row.flags & ENDPOINT_ENFORCE_INGRESS;
		out->deny_egress = e->row.flags & ENDPOINT_ENFORCE_EGRESS;
		out->audit = e->row.flags & (ENDPOINT_AUDIT_INGRESS | ENDPOINT_AUDIT_EGRESS);
		out->sidecar = e->row.flags & ENDPOINT_SIDECAR;
	}
	*ret = items;
	return n;
}

static const char *verdict_text(uint8_t verdict)
{
	switch (verdict) {
	case VERDICT_FORWARDED:
		return "forwarded";
	case VERDICT_DROPPED:
		return "dropped";
	case VERDICT_AUDIT:
		return "audit";
	default:
		return NULL;
	}
}

/*
 * A connection between pods is decided at both ends. It counts as forwarded where it arrives (or,
 * when it leaves the cluster, where it leaves); what is refused or audited counts where that is.
 */
static bool counts(const struct traffic_key *k)
{
	if (k->verdict != VERDICT_FORWARDED)
		return true;
	return k->direction == DIRECTION_INGRESS || !mesh_is_cluster_identity(k->dst_identity);
}

static bool same_edge(const struct sidestep_counter *c, const struct traffic_key *k)
{
	return c->source == k->src_identity && c->destination == k->dst_identity &&
	       c->port == ntohs(k->port) && str_eq(c->protocol, mesh_proto_name(k->proto)) &&
	       str_eq(c->verdict, verdict_text(k->verdict));
}

static size_t list_counters(struct agent *agent, struct arena *a, struct sidestep_counter **ret)
{
	struct sidestep_counter *items = arena_array(a, MAX_COUNTERS, struct sidestep_counter);
	struct datapath_traffic *rows = NULL;
	size_t n = 0, n_rows = 0;

	datapath_traffic(agent->dp, a, &rows, &n_rows, NULL);
	for (size_t i = 0; i < n_rows; i++) {
		const struct traffic_key *k = &rows[i].key;
		size_t at = 0;

		if (!verdict_text(k->verdict) || !counts(k))
			continue;
		while (at < n && !same_edge(&items[at], k))
			at++;
		if (at == MAX_COUNTERS)
			break;
		if (at == n)
			items[n++] =
				(struct sidestep_counter){.source = k->src_identity,
							  .destination = k->dst_identity,
							  .port = ntohs(k->port),
							  .protocol = mesh_proto_name(k->proto),
							  .verdict = verdict_text(k->verdict)};
		items[at].count += (int64_t)rows[i].value.decisions;
	}
	*ret = items;
	return n;
}

/* Counters live as long as their map: its file's birth names the epoch. */
static const char *counters_epoch(struct agent *agent, struct arena *a)
{
	struct stat st = {0};

	stat(arena_printf(a, "%s/traffic_v1", agent->options.pin_root), &st);
	return arena_printf(a, "%.8s-%" PRId64 "-%" PRIu64, agent->boot_id,
			    (int64_t)st.st_ctim.tv_sec, (uint64_t)st.st_ino);
}

static size_t list_identities(struct agent *agent, struct arena *a, struct sidestep_identity **ret)
{
	const struct mesh_identities *t = agent->applied->input.identities;
	size_t n = 0;
	struct sidestep_identity *items =
		arena_array(a, (t ? t->n : 0) + 1, struct sidestep_identity);

	for (size_t i = 0; t && i < t->n; i++) {
		const struct mesh_identity *m = &t->items[i];

		if (!mesh_is_cluster_identity(m->id))
			continue;
		items[n].id = m->id;
		items[n].labels.items = arena_array(a, m->labels.n + 1, const char *);
		for (size_t k = 0; k < m->labels.n; k++)
			items[n].labels.items[items[n].labels.n++] =
				arena_printf(a, "%s=%s", m->labels.items[k].key,
					     str_or_empty(m->labels.items[k].value));
		n++;
	}
	*ret = items;
	return n;
}

static struct doc *node_status(struct agent *agent, struct arena *a)
{
	struct sidestep_node n = {.version = SIDESTEP_VERSION,
				  .ready = agent->applied->revision > 0 && !*agent->problem,
				  .message = *agent->problem ? agent->problem : NULL,
				  .boot_id = agent->boot_id,
				  .attach_mode = datapath_attach_mode(agent->dp),
				  .revision = (int64_t)agent->applied->revision,
				  .counters_epoch = counters_epoch(agent, a),
				  .lost_events = (int64_t)datapath_events_lost(agent->dp)};

	n.n_endpoints = list_endpoints(agent, a, &n.endpoints);
	n.n_counters = list_counters(agent, a, &n.counters);
	n.n_identities = list_identities(agent, a, &n.identities);
	return doc_get(bind_encode(a, &sidestep_node_table, &n), "status");
}

static bool change_node(void *arg, struct arena *a, struct doc *object)
{
	struct agent *agent = arg;
	struct doc *status = node_status(agent, a);

	doc_set_string(a, status, "updated", now_text(agent, a));
	doc_set(a, object, "status", status);
	return true;
}

void publish_node(struct agent *agent)
{
	struct arena a = ARENA_INIT;
	char digest[OBJECT_DIGEST_SIZE];
	struct writer_target t = {.kind = object_kind(KIND_SIDESTEP_NODE),
				  .name = agent->options.node,
				  .change = change_node,
				  .arg = agent,
				  .create = true};

	object_digest_exact(node_status(agent, &a), digest);
	if (!str_eq(agent->node_digest, digest)) {
		free(agent->node_digest);
		agent->node_digest = xstrdup(digest);
		writer_write(agent->writer, &t);
	}
	arena_release(&a);
}

/* --- policies --------------------------------------------------------------------------------- */

static const char *complaint(struct arena *a, const struct mesh_policy *p)
{
	struct strbuf sb = STRBUF_INIT;
	const char *text;

	for (size_t i = 0; i < p->n_unsupported && sb.len < MAX_MESSAGE; i++)
		strbuf_addf(&sb, "%s%s: %s", i ? "; " : "", p->unsupported[i].path,
			    p->unsupported[i].reason);
	text = arena_strdup(a, strbuf_cstr(&sb));
	strbuf_release(&sb);
	return text;
}

/* Says in the object's status whether it is enforced; true when that was not there yet. */
static bool change_policy(void *arg, struct arena *a, struct doc *object)
{
	struct agent *agent = arg;
	struct mesh_policy p;
	struct doc *status, *list;
	bool changed;

	if (mesh_policy_from_doc(a, object, &p, NULL) < 0)
		return false;
	changed = kube_set_condition(a, object, "Valid", p.n_unsupported ? "False" : "True",
				     p.n_unsupported ? "Unsupported" : "Enforced",
				     p.n_unsupported ? complaint(a, &p) : "the policy is enforced",
				     clock_wall_ns(agent->clock));
	status = doc_set_map(a, object, "status");
	list = doc_list(a);
	for (size_t i = 0; i < p.n_unsupported; i++) {
		struct doc *item = doc_append(a, list, doc_map(a));

		doc_set_string(a, item, "path", p.unsupported[i].path);
		doc_set_string(a, item, "reason", p.unsupported[i].reason);
	}
	if (doc_len(list) == 0 && !doc_get(status, "unsupported"))
		return changed;
	if (doc_equal(doc_get(status, "unsupported"), list))
		return changed;
	doc_set(a, status, "unsupported", list);
	return true;
}

void publish_policies(struct agent *agent)
{
	static const enum cluster_kind kinds[] = {CLUSTER_CNP, CLUSTER_CCNP};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		kube_informer_foreach (agent->cluster.informers[kinds[i]], o) {
			struct arena a = ARENA_INIT;
			struct writer_target t = {.kind = cluster_object_kind(kinds[i]),
						  .namespace = o->namespace_,
						  .name = o->name,
						  .change = change_policy,
						  .arg = agent};

			if (str_empty(t.namespace))
				t.namespace = NULL;
			if (change_policy(agent, &a, doc_clone(&a, o->doc)))
				writer_write(agent->writer, &t);
			arena_release(&a);
		}
	}
}

/* --- requests --------------------------------------------------------------------------------- */

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

static struct doc *answer_item(struct agent *agent, struct arena *a,
			       const struct sidestep_request *r)
{
	struct sidestep_request_node node = {.node = agent->options.node,
					     .state = r->kind == REQUEST_AUDIT ? "active" : "done",
					     .observed_generation = generation_of(r),
					     .endpoints =
						     arena_array(a, agent->endpoints.list.n + 1,
								 struct sidestep_request_endpoint)};

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
	doc_set_string(a, item, "updated", now_text(agent, a));
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

	/* A regeneration runs once for each generation of the request, also over restarts. */
	if (r->kind == REQUEST_REGENERATE && (have || published)) {
		int64_t done = have ? have->generation : published->observed_generation;

		if (done >= generation_of(r))
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
