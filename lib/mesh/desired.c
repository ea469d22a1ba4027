/* SPDX-License-Identifier: Apache-2.0 */
/* The whole: identities, policy, services and addresses of one node in one result. */
#include "lib/mesh/desired.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/abi/verdict.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"

/* Whether an audit is asked for this endpoint on this node. */
static bool audited(const struct mesh_input *in, const struct pod *p)
{
	for (size_t i = 0; p && i < in->n_requests; i++) {
		const struct sidestep_request *r = &in->requests[i];
		bool here = r->nodes.n == 0;

		if (r->kind != REQUEST_AUDIT || r->meta.deletion_timestamp ||
		    !str_eq(r->namespace, p->meta.namespace))
			continue;
		for (size_t k = 0; k < r->nodes.n; k++)
			here |= str_eq(r->nodes.items[k], in->node_name);
		if (here &&
		    (!r->pod_selector || label_selector_matches(r->pod_selector, &p->meta.labels)))
			return true;
	}
	return false;
}

/* Refusals are answered where a caller is used to a proxy's refusal, or where it is asked for. */
static bool refuses(const struct mesh_input *in, const struct mesh_local *l)
{
	const struct strmap *labels, *notes;
	const char *asked;

	if (!l->namespace)
		return in->options.refuse;
	labels = &l->namespace->meta.labels;
	notes = &l->namespace->meta.annotations;
	asked = strmap_get(notes, SIDESTEP_REFUSAL_ANNOTATION);
	if (asked)
		return str_eq(asked, "reset");
	return in->options.refuse || strmap_get(labels, SIDESTEP_MIGRATED_LABEL) ||
	       strmap_get(labels, "istio-injection") || strmap_get(labels, "istio.io/rev") ||
	       (l->pod && pod_has_sidecar(l->pod));
}

static size_t pod_ports(struct arena *a, const struct pod *p, const struct mesh_port_name **ret)
{
	struct mesh_port_name *out;
	size_t n = 0;

	for (size_t i = 0; i < p->n_containers; i++)
		n += p->containers[i].n_ports;
	for (size_t i = 0; i < p->n_init_containers; i++)
		n += p->init_containers[i].n_ports;
	out = arena_array(a, n + 1, struct mesh_port_name);
	n = 0;
	for (size_t i = 0; i < p->n_containers + p->n_init_containers; i++) {
		const struct container *c = i < p->n_containers
						    ? &p->containers[i]
						    : &p->init_containers[i - p->n_containers];

		if (i >= p->n_containers && !str_eq(c->restart_policy, "Always"))
			continue;
		for (size_t k = 0; k < c->n_ports; k++) {
			int proto = c->ports[k].protocol ? mesh_proto_number(c->ports[k].protocol)
							 : MESH_TCP;

			if (!str_empty(c->ports[k].name) && proto > 0)
				out[n++] = (struct mesh_port_name){c->ports[k].name, (uint8_t)proto,
								   (uint16_t)c->ports[k].port};
		}
	}
	*ret = out;
	return n;
}

static bool any_named_egress(const struct mesh_input *in)
{
	for (size_t i = 0; i < in->n_policies; i++) {
		for (size_t s = 0; s < in->policies[i].n_specs; s++) {
			const struct mesh_spec *spec = &in->policies[i].specs[s];

			for (size_t r = 0; r < spec->n_rules; r++) {
				for (size_t p = 0; p < spec->rules[r].n_ports; p++) {
					if (spec->rules[r].direction == MESH_EGRESS &&
					    spec->rules[r].ports[p].name)
						return true;
				}
			}
		}
	}
	return false;
}

/* The named ports of every pod, by identity: only egress rules with names need them. */
static void collect_peer_ports(struct arena *a, const struct mesh_input *in,
			       struct mesh_universe *u)
{
	VEC(struct mesh_peer_port) list = {0};

	for (size_t i = 0; any_named_egress(in) && i < in->n_pods; i++) {
		const struct mesh_port_name *ports;
		size_t n = pod_ports(a, &in->pods[i], &ports);
		const struct namespace_object *ns = NULL;
		struct strmap labels;
		uint32_t id;

		for (size_t k = 0; k < in->n_namespaces; k++) {
			if (str_eq(in->namespaces[k].meta.name, in->pods[i].meta.namespace))
				ns = &in->namespaces[k];
		}
		labels = mesh_pod_labels(a, &in->pods[i], ns);
		id = mesh_identity_of(in->identities, &labels);
		for (size_t k = 0; id && k < n; k++)
			vec_push(&list, ((struct mesh_peer_port){id, ports[k]}));
	}
	u->ports = list.n ? arena_memdup(a, list.items, list.n * sizeof(*list.items)) : NULL;
	u->n_ports = list.n;
	vec_release(&list);
}

/* A set already there, or a new one. */
static uint64_t intern(struct mesh_desired *d, const struct mesh_set *set)
{
	if (!set->enforced)
		return 0;
	for (size_t i = 0; i < d->n_sets; i++) {
		if (d->sets[i].digest == set->digest)
			return set->digest;
	}
	d->sets[d->n_sets++] = *set;
	return set->digest;
}

static void fill_endpoint(const struct mesh_input *in, const struct mesh_local *l,
			  struct mesh_endpoint *e)
{
	const char *sockets =
		l->pod ? strmap_get(&l->pod->meta.annotations, SIDESTEP_SOCKET_LB_ANNOTATION)
		       : NULL;
	bool sidecar = l->pod && pod_has_sidecar(l->pod);

	e->id = l->id;
	e->sock_optout = sidecar || str_eq(sockets, "disabled");
	e->row.ifindex = l->ifindex;
	e->row.flags = ENDPOINT_READY;
	e->row.addr = htonl(net_addr_to_v4(&l->addr));
	e->row.identity = l->identity ? l->identity : IDENTITY_INIT;
	memcpy(e->row.mac, l->mac.bytes, sizeof(e->row.mac));
	memcpy(e->row.host_mac, l->host_mac.bytes, sizeof(e->row.host_mac));
	e->row.netns_cookie = l->netns_cookie;
	e->row.tag = l->id;
	if (e->set[MESH_INGRESS])
		e->row.flags |= ENDPOINT_ENFORCE_INGRESS;
	if (e->set[MESH_EGRESS])
		e->row.flags |= ENDPOINT_ENFORCE_EGRESS;
	if (audited(in, l->pod))
		e->row.flags |= ENDPOINT_AUDIT_INGRESS | ENDPOINT_AUDIT_EGRESS;
	if (refuses(in, l))
		e->row.flags |= ENDPOINT_REFUSE;
	if (sidecar)
		e->row.flags |= ENDPOINT_SIDECAR;
}

static void compile_endpoint(struct arena *a, const struct mesh_input *in,
			     const struct mesh_local *l, struct mesh_desired *d,
			     struct mesh_endpoint *e)
{
	struct mesh_subject subject = {0};
	struct mesh_set set;

	if (l->pod) {
		subject.labels = mesh_pod_all_labels(a, l->pod, l->namespace);
		subject.n_ports = pod_ports(a, l->pod, &subject.ports);
	}
	for (int dir = 0; dir < MESH_DIRECTIONS; dir++) {
		if (l->pod && l->identity)
			mesh_policy_compile(a, &d->universe, in->policies, in->n_policies, &subject,
					    (enum mesh_direction)dir, &set);
		else
			mesh_set_default_deny(a, (enum mesh_direction)dir, &set);
		e->set[dir] = intern(d, &set);
	}
	fill_endpoint(in, l, e);
}

static void compile_nodes(struct arena *a, const struct mesh_input *in, struct mesh_desired *d)
{
	d->nodes = arena_array(a, in->n_nodes + 1, struct mesh_remote_node);
	for (size_t i = 0; i < in->n_nodes; i++) {
		const struct node *n = &in->nodes[i];
		struct mesh_remote_node *out = &d->nodes[d->n_nodes];
		const char *addr = node_address_of(n, "InternalIP");

		if (str_eq(n->meta.name, in->node_name) || !addr || !n->pod_cidr ||
		    net_addr_parse(addr, &out->addr, NULL) < 0 ||
		    net_cidr_parse(n->pod_cidr, &out->pod_cidr, NULL) < 0)
			continue;
		out->name = n->meta.name;
		d->n_nodes++;
	}
}

static int cmp_set(const void *a, const void *b)
{
	uint64_t x = ((const struct mesh_set *)a)->digest, y = ((const struct mesh_set *)b)->digest;

	return (x > y) - (x < y);
}

static int cmp_endpoint(const void *a, const void *b)
{
	uint32_t x = ((const struct mesh_endpoint *)a)->id,
		 y = ((const struct mesh_endpoint *)b)->id;

	return (x > y) - (x < y);
}

static int cmp_node(const void *a, const void *b)
{
	return str_cmp(((const struct mesh_remote_node *)a)->name,
		       ((const struct mesh_remote_node *)b)->name);
}

void mesh_compile(struct arena *a, const struct mesh_input *in, struct mesh_desired *ret)
{
	memset(ret, 0, sizeof(*ret));
	mesh_policies_number(in->policies, in->n_policies);
	mesh_universe_build(a, in->identities, in->policies, in->n_policies, &ret->universe);
	collect_peer_ports(a, in, &ret->universe);
	ret->sets = arena_array(a, in->n_locals * MESH_DIRECTIONS + 1, struct mesh_set);
	ret->endpoints = arena_array(a, in->n_locals + 1, struct mesh_endpoint);
	for (size_t i = 0; i < in->n_locals; i++)
		compile_endpoint(a, in, &in->locals[i], ret, &ret->endpoints[ret->n_endpoints++]);
	mesh_compile_addresses(a, in, ret);
	mesh_compile_services(a, in, ret);
	compile_nodes(a, in, ret);
	qsort(ret->sets, ret->n_sets, sizeof(*ret->sets), cmp_set);
	qsort(ret->endpoints, ret->n_endpoints, sizeof(*ret->endpoints), cmp_endpoint);
	qsort(ret->nodes, ret->n_nodes, sizeof(*ret->nodes), cmp_node);
}

const struct mesh_set *mesh_desired_set(const struct mesh_desired *d, uint64_t digest)
{
	struct mesh_set key = {.digest = digest};

	return bsearch(&key, d->sets, d->n_sets, sizeof(*d->sets), cmp_set);
}

const struct mesh_endpoint *mesh_desired_endpoint(const struct mesh_desired *d, uint32_t id)
{
	struct mesh_endpoint key = {.id = id};

	return bsearch(&key, d->endpoints, d->n_endpoints, sizeof(*d->endpoints), cmp_endpoint);
}

static uint64_t hash_service(const struct mesh_service *s, uint64_t h)
{
	h = str_hash(&s->key, sizeof(s->key), h);
	for (size_t i = 0; i < s->n_backends; i++) {
		h = str_hash(&s->backends[i].address, sizeof(s->backends[i].address), h);
		h = str_hash(&s->backends[i].state, sizeof(s->backends[i].state), h);
	}
	return str_hash(&s->n_active, sizeof(s->n_active), h);
}

uint64_t mesh_desired_digest(const struct mesh_desired *d)
{
	uint64_t h = STR_HASH_SEED;

	for (size_t i = 0; i < d->n_sets; i++)
		h = str_hash(&d->sets[i].digest, sizeof(d->sets[i].digest), h);
	for (size_t i = 0; i < d->n_endpoints; i++) {
		const struct mesh_endpoint *e = &d->endpoints[i];

		h = str_hash(&e->id, sizeof(e->id), h);
		h = str_hash(&e->row, sizeof(e->row), h);
		h = str_hash(e->set, sizeof(e->set), h);
		h = str_hash(&e->sock_optout, sizeof(e->sock_optout), h);
	}
	for (size_t i = 0; i < d->n_services; i++)
		h = hash_service(&d->services[i], h);
	h = str_hash(d->addresses, d->n_addresses * sizeof(*d->addresses), h);
	return h ? h : 1;
}
