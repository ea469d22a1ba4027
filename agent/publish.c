/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The status of this node's SidestepNode: what it is, holds and has counted. Written only when it
 * differs from what was written last, or that is long ago: who is quiet must not look dead.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/agent.h"
#include "agent/counters.h"
#include "lib/base/alloc.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/object/canonical.h"

enum { MAX_UNSUPPORTED = 256 };
#define SIGN_OF_LIFE_NS (10 * NS_PER_S)

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

const char *map_epoch(const struct agent *agent, struct arena *a, const char *pin)
{
	struct stat st = {0};

	if (stat(arena_printf(a, "%s/%s", agent->options.pin_root, pin), &st))
		return NULL;
	return arena_printf(a, "%.8s-%" PRId64 "-%" PRIu64, agent->boot_id,
			    (int64_t)st.st_ctim.tv_sec, (uint64_t)st.st_ino);
}

/* What cannot be read is not told: an empty list would say that nothing was ever sent, and one of
 * an epoch that nothing came. */
static void list_counters(struct agent *agent, struct arena *a, struct sidestep_node *n)
{
	struct datapath_traffic *rows = NULL;
	size_t n_rows = 0;

	if (datapath_traffic(agent->dp, a, &rows, &n_rows, NULL) < 0)
		return;
	n->counters_epoch = map_epoch(agent, a, "traffic_v1");
	counters_list(a, rows, n_rows, n);
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

static const char *object_words(struct arena *a, const char *kind, const char *namespace,
				const char *name)
{
	return arena_printf(a, "%s %s%s%s", str_or_empty(kind), str_or_empty(namespace),
			    str_empty(namespace) ? "" : "/", str_or_empty(name));
}

/* What a Service asks beyond an even spread over its ready endpoints. */
static const char *service_excess(const struct service *s, const char **ret_reason)
{
	if (str_eq(s->session_affinity, "ClientIP")) {
		*ret_reason = "session affinity is not built: connections are spread evenly";
		return "spec.sessionAffinity";
	}
	if (str_eq(s->internal_traffic_policy, "Local")) {
		*ret_reason = "local traffic policy is not built: every endpoint is used";
		return "spec.internalTrafficPolicy";
	}
	if (s->external_ips.n || str_eq(s->type, "NodePort") || str_eq(s->type, "LoadBalancer")) {
		*ret_reason = "only the ClusterIP of the service is served";
		return s->external_ips.n ? "spec.externalIPs" : "spec.type";
	}
	return NULL;
}

static size_t list_unsupported(struct agent *agent, struct arena *a,
			       struct sidestep_unsupported **ret)
{
	const struct mesh_input *in = &agent->applied->input;
	VEC(struct sidestep_unsupported) list = {0};
	size_t n;

	for (size_t i = 0; i < in->n_policies; i++) {
		const struct mesh_policy *p = &in->policies[i];

		for (size_t k = 0; k < p->n_unsupported; k++)
			vec_push(&list, ((struct sidestep_unsupported){
						object_words(a, p->kind, p->namespace, p->name),
						p->unsupported[k].path, p->unsupported[k].reason}));
	}
	for (size_t i = 0; i < in->n_services; i++) {
		const struct service *s = &in->services[i];
		const char *reason, *path = service_excess(s, &reason);

		if (path)
			vec_push(&list, ((struct sidestep_unsupported){
						object_words(a, "Service", s->meta.namespace,
							     s->meta.name),
						path, reason}));
	}
	n = MIN(list.n, (size_t)MAX_UNSUPPORTED);
	*ret = n ? arena_memdup(a, list.items, n * sizeof(*list.items)) : NULL;
	vec_release(&list);
	return n;
}

/* volatile_too: also what is another number every time, and no reason to write. */
static struct doc *node_status(struct agent *agent, struct arena *a, bool volatile_too)
{
	struct sidestep_node n = {.version = SIDESTEP_VERSION,
				  .ready = agent->applied->revision > 0 && !*agent->problem,
				  .message = *agent->problem ? agent->problem : NULL,
				  .boot_id = agent->boot_id,
				  .attach_mode = datapath_attach_mode(agent->dp),
				  .revision = (int64_t)agent->applied->revision,
				  .lost_events = (int64_t)datapath_events_lost(agent->dp)};

	n.n_endpoints = list_endpoints(agent, a, &n.endpoints);
	list_counters(agent, a, &n);
	n.n_identities = list_identities(agent, a, &n.identities);
	n.n_unsupported = list_unsupported(agent, a, &n.unsupported);
	n.conntrack = connections_shown(agent, a);
	n.health = health_shown(agent, a, volatile_too);
	return doc_get(bind_encode(a, &sidestep_node_table, &n), "status");
}

static bool change_node(void *arg, struct arena *a, struct doc *object)
{
	struct agent *agent = arg;
	struct doc *status = node_status(agent, a, true);

	doc_set_string(a, status, "updated", agent_wall_text(agent, a));
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

	object_digest_exact(node_status(agent, &a, false), digest);
	if (!str_eq(agent->node_digest, digest) ||
	    loop_now_ns(agent->loop) - agent->published_ns >= SIGN_OF_LIFE_NS) {
		agent->published_ns = loop_now_ns(agent->loop);
		free(agent->node_digest);
		agent->node_digest = xstrdup(digest);
		writer_write(agent->writer, &t);
	}
	arena_release(&a);
}
