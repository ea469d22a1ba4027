/* SPDX-License-Identifier: Apache-2.0 */
/* Services and their slices to frontends and backends. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/mesh/desired.h"

/* The single addresses this node knows, sorted. */
struct known {
	struct mesh_address *hosts;
	size_t n;
};

static uint8_t protocol(const char *name)
{
	int n = name ? mesh_proto_number(name) : MESH_TCP;

	return n == MESH_TCP || n == MESH_UDP ? (uint8_t)n : 0;
}

static bool v4(const char *text, __be32 *ret)
{
	struct net_addr addr;

	if (!text || net_addr_parse(text, &addr, NULL) < 0 || addr.family != AF_INET)
		return false;
	*ret = htonl(net_addr_to_v4(&addr));
	return true;
}

/* The slice's port that carries the service's port of this name; 0 when it has none. */
static uint16_t slice_port(const struct endpoint_slice *s, const struct service_port *p)
{
	for (size_t i = 0; i < s->n_ports; i++) {
		const struct slice_port *sp = &s->ports[i];

		if (str_eq(str_or_empty(sp->name), str_or_empty(p->name)) && sp->port.set &&
		    protocol(sp->protocol) == protocol(p->protocol))
			return (uint16_t)sp->port.value;
	}
	return 0;
}

/* New connections go to what is ready; what is terminating but serving keeps those it has. */
static bool backend_state(const struct service *s, const struct slice_endpoint *e, uint8_t *ret)
{
	bool ready = !e->ready.set || e->ready.value;

	if (ready || s->publish_not_ready_addresses) {
		*ret = BACKEND_ACTIVE;
		return true;
	}
	*ret = BACKEND_TERMINATING;
	return e->terminating.value && (!e->serving.set || e->serving.value);
}

static int cmp_backend(const void *pa, const void *pb)
{
	const struct mesh_backend *a = pa, *b = pb;
	int c = memcmp(&a->address.addr, &b->address.addr, sizeof(a->address.addr));

	if (!c)
		c = memcmp(&a->address.port, &b->address.port, sizeof(a->address.port));
	return c ? c : a->state - b->state;
}

/* Sorted by address, each address once (the better state wins), active ones first. */
static void settle_backends(struct arena *a, struct mesh_service *s)
{
	struct mesh_backend *sorted = arena_array(a, s->n_backends + 1, struct mesh_backend);
	size_t n = 0, kept = 0;

	qsort(s->backends, s->n_backends, sizeof(*s->backends), cmp_backend);
	for (size_t i = 0; i < s->n_backends; i++) {
		const struct mesh_backend *b = &s->backends[i];

		if (n && memcmp(&s->backends[n - 1].address, &b->address, sizeof(b->address)) == 0)
			continue;
		s->backends[n++] = *b;
	}
	for (int state = BACKEND_ACTIVE; state <= BACKEND_TERMINATING; state++) {
		for (size_t i = 0; i < n; i++) {
			if (s->backends[i].state == state)
				sorted[kept++] = s->backends[i];
		}
		if (state == BACKEND_ACTIVE)
			s->n_active = kept;
	}
	s->backends = sorted;
	s->n_backends = kept;
}

static int cmp_address(const void *pa, const void *pb)
{
	const struct mesh_address *a = pa, *b = pb;

	return (ntohl(a->key.addr) > ntohl(b->key.addr)) -
	       (ntohl(a->key.addr) < ntohl(b->key.addr));
}

/*
 * Whether this node knows who is at a pod's address. A slice may arrive before its pod or the pod's
 * identity; a connection sent there meanwhile would be refused by policy.
 */
static bool pod_is_known(const struct known *known, const struct slice_endpoint *e, __be32 addr)
{
	struct mesh_address key = {.key.addr = addr};
	const struct mesh_address *at;

	if (!known || !str_eq(e->target_kind, "Pod"))
		return true;
	at = bsearch(&key, known->hosts, known->n, sizeof(*known->hosts), cmp_address);
	return at && at->entry.identity != IDENTITY_UNMANAGED;
}

static void add_backends(const struct known *known, const struct service *s,
			 const struct service_port *p, const struct endpoint_slice *slice,
			 struct mesh_service *out)
{
	uint16_t port = slice_port(slice, p);

	for (size_t i = 0; port && i < slice->n_endpoints; i++) {
		const struct slice_endpoint *e = &slice->endpoints[i];
		struct mesh_backend b = {{.port = htons(port)}, 0};

		if (e->addresses.n && v4(e->addresses.items[0], &b.address.addr) &&
		    backend_state(s, e, &b.state) && pod_is_known(known, e, b.address.addr))
			out->backends[out->n_backends++] = b;
	}
}

static bool slice_of(const struct endpoint_slice *slice, const struct service *s)
{
	return str_eq(slice->meta.namespace, s->meta.namespace) &&
	       str_eq(endpoint_slice_service(slice), s->meta.name) &&
	       !str_eq(slice->address_type, "IPv6") && !str_eq(slice->address_type, "FQDN");
}

static void compile_port(struct arena *a, const struct mesh_input *in, const struct known *known,
			 const struct service *s, const struct service_port *p, __be32 addr,
			 struct mesh_service *out)
{
	size_t room = 1;

	out->key = (struct service_key){addr, htons((uint16_t)p->port), protocol(p->protocol),
					SERVICE_SCOPE_EXTERNAL};
	out->namespace = s->meta.namespace;
	out->name = s->meta.name;
	out->port_name = p->name;
	for (size_t i = 0; i < in->n_slices; i++) {
		if (slice_of(&in->slices[i], s))
			room += in->slices[i].n_endpoints;
	}
	out->backends = arena_array(a, room, struct mesh_backend);
	for (size_t i = 0; i < in->n_slices; i++) {
		if (slice_of(&in->slices[i], s))
			add_backends(known, s, p, &in->slices[i], out);
	}
	settle_backends(a, out);
}

static int cmp_service(const void *pa, const void *pb)
{
	const struct mesh_service *a = pa, *b = pb;
	int c = memcmp(&a->key, &b->key, sizeof(a->key));

	if (!c)
		c = str_cmp(a->namespace, b->namespace);
	return c ? c : str_cmp(a->name, b->name);
}

void mesh_compile_services(struct arena *a, const struct mesh_input *in, struct mesh_desired *ret)
{
	size_t room = 1, n = 0;
	struct known known = {arena_array(a, ret->n_addresses + 1, struct mesh_address), 0};

	for (size_t i = 0; i < ret->n_addresses; i++) {
		if (ret->addresses[i].key.prefixlen == 32)
			known.hosts[known.n++] = ret->addresses[i];
	}
	for (size_t i = 0; i < in->n_services; i++)
		room += in->services[i].n_ports;
	ret->services = arena_array(a, room, struct mesh_service);
	for (size_t i = 0; i < in->n_services; i++) {
		const struct service *s = &in->services[i];
		__be32 addr;

		if (service_is_headless(s) || !v4(s->cluster_ip, &addr))
			continue;
		for (size_t p = 0; p < s->n_ports; p++) {
			if (protocol(s->ports[p].protocol))
				compile_port(a, in, &known, s, &s->ports[p], addr,
					     &ret->services[n++]);
		}
	}
	qsort(ret->services, n, sizeof(*ret->services), cmp_service);
	/* Two services with one address are a broken cluster: the first by name serves. */
	ret->n_services = 0;
	for (size_t i = 0; i < n; i++) {
		if (ret->n_services &&
		    memcmp(&ret->services[ret->n_services - 1].key, &ret->services[i].key,
			   sizeof(struct service_key)) == 0)
			continue;
		ret->services[ret->n_services++] = ret->services[i];
	}
}
