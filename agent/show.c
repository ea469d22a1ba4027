/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's state as the records of lib/agentapi. */
#include <inttypes.h>
#include <string.h>

#include "agent/agent.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"

static struct strings label_list(struct arena *a, const struct strmap *labels)
{
	struct strings s = {arena_array(a, labels->n + 1, const char *), 0};

	for (size_t i = 0; i < labels->n; i++)
		s.items[s.n++] = arena_printf(a, "%s%s%s", labels->items[i].key,
					      str_empty(labels->items[i].value) ? "" : "=",
					      str_or_empty(labels->items[i].value));
	return s;
}

static struct strings identity_labels(const struct agent *agent, struct arena *a, uint32_t id)
{
	static const struct strings none = {NULL, 0};
	const struct mesh_identity *m =
		agent->applied->input.identities
			? mesh_identity_get(agent->applied->input.identities, id)
			: NULL;

	return m ? label_list(a, &m->labels) : none;
}

static size_t show_informers(const struct agent *agent, struct arena *a,
			     struct agent_informer **ret)
{
	struct agent_informer *items = arena_array(a, CLUSTER_KIND_COUNT, struct agent_informer);

	for (int i = 0; i < CLUSTER_KIND_COUNT; i++) {
		struct kube_informer_status s;

		kube_informer_status(agent->cluster.informers[i], &s);
		items[i].kind = cluster_object_kind((enum cluster_kind)i)->kind;
		items[i].synced = s.synced;
		items[i].objects = (int64_t)kube_informer_count(agent->cluster.informers[i]);
		items[i].error = str_empty(s.last_error) ? NULL : arena_strdup(a, s.last_error);
	}
	*ret = items;
	return CLUSTER_KIND_COUNT;
}

static size_t ready_count(const struct agent *agent)
{
	size_t n = 0;

	vec_foreach (&agent->endpoints.list, ep)
		n += str_eq(endpoint_shown_state(*ep), "ready");
	return n;
}

static size_t unsupported_count(const struct agent *agent)
{
	size_t n = 0;

	for (size_t i = 0; i < agent->applied->input.n_policies; i++)
		n += agent->applied->input.policies[i].n_unsupported > 0;
	return n;
}

struct doc *show_status(struct agent *agent, struct arena *a)
{
	const struct applied *ap = agent->applied;
	char cidr[NET_CIDR_SIZE];
	struct agent_status s = {
		.version = SIDESTEP_VERSION,
		.node = agent->options.node,
		.boot_id = agent->boot_id,
		.ready = ap->revision > 0 && !*agent->problem,
		.message = *agent->problem ? agent->problem : NULL,
		.attach_mode = datapath_attach_mode(agent->dp),
		.pin_root = agent->options.pin_root,
		.revision = (int64_t)ap->revision,
		.uptime_s = (int64_t)((clock_now_ns(agent->clock) - agent->started_ns) / NS_PER_S),
		.pod_cidr = agent->ipam.used ? net_cidr_format(&agent->ipam.block, cidr) : NULL,
		.addresses_used = agent->ipam.count,
		.addresses_total = ipam_capacity(&agent->ipam),
		.endpoints = (int64_t)agent->endpoints.list.n,
		.endpoints_ready = (int64_t)ready_count(agent),
		.policies = (int64_t)ap->input.n_policies,
		.policies_unsupported = (int64_t)unsupported_count(agent),
		.services = (int64_t)ap->desired.n_services,
		.identities = ap->input.identities ? (int64_t)ap->input.identities->n : 0,
		.events_lost = (int64_t)datapath_events_lost(agent->dp),
	};

	s.n_informers = show_informers(agent, a, &s.informers);
	s.health = health_shown(agent, a, true);
	return bind_encode(a, &agent_status_table, &s);
}

static const char *digest_text(struct arena *a, uint64_t digest)
{
	return digest ? arena_printf(a, "%016" PRIx64, digest) : NULL;
}

static int64_t rows_of(const struct mesh_desired *d, uint64_t digest)
{
	const struct mesh_set *set = digest ? mesh_desired_set(d, digest) : NULL;

	return set ? (int64_t)set->n : 0;
}

static void add_desired(struct agent *agent, struct arena *a, const struct agent_ep *ep,
			struct agent_endpoint *out)
{
	const struct mesh_desired *d = &agent->applied->desired;
	const struct mesh_endpoint *e = mesh_desired_endpoint(d, ep->id);
	struct datapath_endpoint kernel;

	if (datapath_endpoint(agent->dp, ep->id, &kernel, NULL) == 0) {
		out->generation = kernel.generation;
		out->slot = kernel.slot;
	}
	if (!e)
		return;
	out->ingress_enforced = e->row.flags & ENDPOINT_ENFORCE_INGRESS;
	out->egress_enforced = e->row.flags & ENDPOINT_ENFORCE_EGRESS;
	out->audit = e->row.flags & (ENDPOINT_AUDIT_INGRESS | ENDPOINT_AUDIT_EGRESS);
	out->refuse = e->row.flags & ENDPOINT_REFUSE;
	out->sidecar = e->row.flags & ENDPOINT_SIDECAR;
	out->sock_optout = e->sock_optout;
	out->ingress_digest = digest_text(a, e->set[MESH_INGRESS]);
	out->egress_digest = digest_text(a, e->set[MESH_EGRESS]);
	out->ingress_rows = rows_of(d, e->set[MESH_INGRESS]);
	out->egress_rows = rows_of(d, e->set[MESH_EGRESS]);
}

/* The record, and the members of an attach answer beside them. */
struct doc *show_endpoint(struct agent *agent, struct arena *a, const struct agent_ep *ep)
{
	char addr[NET_ADDR_SIZE], mac[NET_MAC_SIZE], host_mac[NET_MAC_SIZE];
	struct agent_endpoint e = {
		.id = ep->id,
		.container = ep->container,
		.namespace = ep->namespace,
		.pod = ep->pod,
		.uid = ep->uid,
		.ifname = ep->host_ifname,
		.ifindex = ep->ifindex,
		.address = arena_strdup(a, net_addr_format(&ep->addr, addr)),
		.mac = arena_strdup(a, net_mac_format(&ep->mac, mac)),
		.host_mac = arena_strdup(a, net_mac_format(&ep->host_mac, host_mac)),
		.identity = ep->identity,
		.labels = identity_labels(agent, a, ep->identity),
		.state = endpoint_shown_state(ep),
		.error = endpoint_shown_error(ep),
		.revision = (int64_t)ep->revision,
	};
	struct attach_answer answer = {.endpoint_id = ep->id,
				       .identity = ep->identity,
				       .addresses = {&e.address, 1},
				       .mtu = (int32_t)agent->mtu,
				       .state = e.state};
	struct doc *d, *record;

	add_desired(agent, a, ep, &e);
	answer.generation = e.generation;
	d = bind_encode(a, &attach_answer_table, &answer);
	record = bind_encode(a, &agent_endpoint_table, &e);
	doc_foreach_entry (record, member)
		doc_set(a, d, member->key, member->value);
	return d;
}

struct doc *show_endpoints(struct agent *agent, struct arena *a)
{
	struct doc *d = doc_map(a), *items = doc_set_list(a, d, "items");

	vec_foreach (&agent->endpoints.list, ep)
		doc_append(a, items, show_endpoint(agent, a, *ep));
	return d;
}

struct doc *show_identities(struct agent *agent, struct arena *a)
{
	const struct mesh_identities *t = agent->applied->input.identities;
	size_t n = t ? t->n : 0;
	struct agent_identity *items = arena_array(a, n + 1, struct agent_identity);

	for (size_t i = 0; i < n; i++) {
		items[i].id = t->items[i].id;
		items[i].labels = label_list(a, &t->items[i].labels);
		vec_foreach (&agent->endpoints.list, ep)
			items[i].endpoints += (*ep)->identity == t->items[i].id;
	}
	return agent_items(a, &agent_identity_table, items, n);
}

/* "namespace/pod" of the local endpoints that one of the policy's specs selects. */
static struct strings selected(const struct agent *agent, struct arena *a,
			       const struct mesh_policy *p)
{
	const struct mesh_input *in = &agent->applied->input;
	struct strings s = {arena_array(a, in->n_locals + 1, const char *), 0};

	for (size_t i = 0; i < in->n_locals; i++) {
		const struct mesh_local *l = &in->locals[i];
		bool hit = false;
		struct strmap labels;

		if (!l->pod)
			continue;
		labels = mesh_pod_all_labels(a, l->pod, l->namespace);
		for (size_t k = 0; k < p->n_specs; k++)
			hit |= label_selector_matches(&p->specs[k].subject, &labels);
		if (hit)
			s.items[s.n++] = object_key(a, &l->pod->meta);
	}
	return s;
}

struct doc *show_policies(struct agent *agent, struct arena *a)
{
	const struct mesh_input *in = &agent->applied->input;
	struct agent_policy *items = arena_array(a, in->n_policies + 1, struct agent_policy);

	for (size_t i = 0; i < in->n_policies; i++) {
		const struct mesh_policy *p = &in->policies[i];
		struct agent_unsupported *u =
			arena_array(a, p->n_unsupported + 1, struct agent_unsupported);

		for (size_t k = 0; k < p->n_unsupported; k++)
			u[k] = (struct agent_unsupported){p->unsupported[k].path,
							  p->unsupported[k].reason};
		items[i] = (struct agent_policy){.kind = p->kind,
						 .namespace = p->namespace,
						 .name = p->name,
						 .generation = p->generation,
						 .enforced = p->n_unsupported == 0,
						 .unsupported = u,
						 .n_unsupported = p->n_unsupported,
						 .endpoints = selected(agent, a, p)};
	}
	return agent_items(a, &agent_policy_table, items, in->n_policies);
}

static const char *address_text(struct arena *a, __be32 addr, __be16 port)
{
	struct net_addr host = net_addr_from_v4(ntohl(addr));
	char text[NET_ADDR_PORT_SIZE];

	return arena_strdup(a, net_addr_port_format(&host, ntohs(port), text));
}

struct doc *show_services(struct agent *agent, struct arena *a)
{
	const struct mesh_desired *d = &agent->applied->desired;
	struct agent_service *items = arena_array(a, d->n_services + 1, struct agent_service);

	for (size_t i = 0; i < d->n_services; i++) {
		const struct mesh_service *s = &d->services[i];
		struct agent_backend *b = arena_array(a, s->n_backends + 1, struct agent_backend);

		for (size_t k = 0; k < s->n_backends; k++) {
			b[k].address = address_text(a, s->backends[k].address.addr,
						    s->backends[k].address.port);
			b[k].state =
				s->backends[k].state == BACKEND_ACTIVE ? "active" : "terminating";
		}
		items[i] = (struct agent_service){
			.namespace = s->namespace,
			.name = s->name,
			.port_name = s->port_name,
			.frontend =
				arena_printf(a, "%s/%s", address_text(a, s->key.addr, s->key.port),
					     mesh_proto_name(s->key.proto)),
			.backends = b,
			.n_backends = s->n_backends};
	}
	return agent_items(a, &agent_service_table, items, d->n_services);
}

struct doc *show_config(struct agent *agent, struct arena *a)
{
	struct agent_config *items;
	size_t n = agent_options_list(a, &agent->options, &items);

	return agent_items(a, &agent_config_table, items, n);
}

/* All of them, in as many lines as there may be. */
static struct strings repaired(struct arena *a, const struct datapath_regenerated *r)
{
	struct strings s = {arena_array(a, r->corrupted.n + 1, const char *), r->corrupted.n};

	for (size_t i = 0; i < s.n; i++)
		s.items[i] = r->corrupted.items[i];
	if (r->n_corrupted > s.n)
		s.items[s.n++] = arena_printf(a, "and %zu more", r->n_corrupted - r->corrupted.n);
	return s;
}

struct doc *show_regenerated(struct agent *agent, struct arena *a, struct agent_ep *ep)
{
	struct agent_regenerated out = {.id = ep->id, .namespace = ep->namespace, .pod = ep->pod};
	struct datapath_regenerated r = {0};
	struct error err = ERROR_INIT;

	if (agent_regenerate(agent, ep, a, &r, &err) < 0)
		out.error = arena_strdup(a, err.msg);
	out.generation_before = r.generation_before;
	out.generation_after = r.generation_after;
	out.corrupted = repaired(a, &r);
	return bind_encode(a, &agent_regenerated_table, &out);
}
