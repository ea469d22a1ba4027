/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/services.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "deploy/lab/apiserver/server.h"
#include "lib/base/str.h"

enum { NODE_PORT_FIRST = 30000, NODE_PORT_LAST = 32767, RESERVED_ADDRESSES = 16 };

int services_set_range(struct apiserver *s, const char *cidr, struct error *err)
{
	char text[64];
	const char *slash = strchr(cidr, '/');
	struct in_addr in;
	uint64_t bits;

	if (!slash || slash - cidr >= (int)sizeof(text))
		return error_set(err, -EINVAL, "service range \"%s\": want ADDRESS/BITS", cidr);
	snprintf(text, sizeof(text), "%.*s", (int)(slash - cidr), cidr);
	if (inet_pton(AF_INET, text, &in) != 1 || str_to_u64(slash + 1, 8, 28, &bits, "bits", NULL))
		return error_set(err, -EINVAL, "service range \"%s\": want IPv4 with 8 to 28 bits",
				 cidr);
	s->service_mask = 0xffffffffu << (32 - bits);
	s->service_net = ntohl(in.s_addr) & s->service_mask;
	return 0;
}

static struct shelf *services(struct apiserver *s)
{
	return registry_find(s->registry, "", "v1", "services")->shelf;
}

/* The service that has this address, other than the one named. */
static bool address_taken(struct apiserver *s, const char *ip, const char *uid)
{
	struct shelf *sh = services(s);

	for (size_t i = 0; i < shelf_count(sh); i++) {
		const struct revision *r = shelf_at(sh, i);

		if (str_eq(doc_find_str(revision_doc(r), "spec.clusterIP"), ip) &&
		    !str_eq(r->uid, uid))
			return true;
	}
	return false;
}

static bool port_taken(struct apiserver *s, int64_t port, const char *uid)
{
	struct shelf *sh = services(s);

	for (size_t i = 0; i < shelf_count(sh); i++) {
		const struct revision *r = shelf_at(sh, i);

		if (str_eq(r->uid, uid))
			continue;
		doc_foreach_item (doc_find(revision_doc(r), "spec.ports"), p)
			if (doc_int_or(doc_get(p, "nodePort"), 0) == port)
				return true;
	}
	return false;
}

/* The lowest addresses stay free for those who name theirs (DNS). */
static const char *free_address(struct apiserver *s, struct arena *a)
{
	uint32_t last = ~s->service_mask - 1;

	for (uint32_t host = MIN((uint32_t)RESERVED_ADDRESSES, last / 2); host <= last; host++) {
		struct in_addr in = {htonl(s->service_net + host)};
		char text[INET_ADDRSTRLEN];

		inet_ntop(AF_INET, &in, text, sizeof(text));
		if (!address_taken(s, text, ""))
			return arena_strdup(a, text);
	}
	return NULL;
}

static int refuse_address(struct refusal *f, struct doc *object, const char *ip, const char *why)
{
	struct causes c = {.arena = f->arena};
	struct subject s = {"", "services", "Service", doc_find_str(object, "metadata.name")};

	cause_invalid_str(&c, "spec.clusterIPs", ip,
			  arena_printf(f->arena, "failed to allocate IP %s: %s", ip, why));
	return refuse_causes(f, s, &c);
}

static int check_address(struct apiserver *s, struct doc *object, const char *ip, const char *uid,
			 struct refusal *f)
{
	struct in_addr in;

	if (inet_pton(AF_INET, ip, &in) != 1 ||
	    (ntohl(in.s_addr) & s->service_mask) != s->service_net)
		return refuse_address(f, object, ip, "the provided IP is not in the valid range");
	if (address_taken(s, ip, uid))
		return refuse_address(f, object, ip, "provided IP is already allocated");
	return 0;
}

static void set_address(struct arena *a, struct doc *spec, const char *ip)
{
	struct doc *list = doc_list(a);

	doc_append(a, list, doc_string(a, ip));
	doc_set_string(a, spec, "clusterIP", ip);
	doc_set(a, spec, "clusterIPs", list);
}

static int give_ports(struct apiserver *s, struct arena *a, struct doc *spec, const char *uid,
		      struct refusal *f)
{
	int64_t next = NODE_PORT_FIRST;

	doc_foreach_item (doc_get(spec, "ports"), p) {
		if (doc_int_or(doc_get(p, "nodePort"), 0))
			continue;
		while (next <= NODE_PORT_LAST && port_taken(s, next, uid))
			next++;
		if (next > NODE_PORT_LAST)
			return refuse(f, 500, "InternalError", "no free node port");
		doc_set_int(a, p, "nodePort", next++);
	}
	return 0;
}

/* A client that sends a Service back without its node ports keeps them. */
static void keep_ports(struct arena *a, struct doc *spec, const struct doc *old)
{
	doc_foreach_item (doc_get(spec, "ports"), p)
		doc_foreach_item (doc_find(old, "spec.ports"), q)
			if (!doc_get(p, "nodePort") && doc_get(q, "nodePort") &&
			    doc_equal(doc_get(p, "port"), doc_get(q, "port")) &&
			    doc_equal(doc_get(p, "protocol"), doc_get(q, "protocol")))
				doc_set(a, p, "nodePort", doc_clone(a, doc_get(q, "nodePort")));
}

int services_allocate(struct apiserver *s, struct arena *a, struct doc *object,
		      const struct doc *old, struct refusal *f)
{
	struct doc *spec = doc_set_map(a, object, "spec");
	const char *type = doc_str(doc_get(spec, "type"));
	const char *ip = doc_str(doc_get(spec, "clusterIP"));
	const char *uid = str_or_empty(doc_find_str(object, "metadata.uid"));

	if (str_eq(type, "ExternalName")) {
		doc_del(spec, "clusterIP");
		doc_del(spec, "clusterIPs");
		return 0;
	}
	if (str_empty(ip))
		ip = doc_find_str(old, "spec.clusterIP");
	if (str_empty(ip)) {
		ip = free_address(s, a);
		if (!ip)
			return refuse(f, 500, "InternalError", "range of cluster IPs is full");
	} else if (!str_eq(ip, "None") && check_address(s, object, ip, uid, f)) {
		return REFUSED;
	}
	set_address(a, spec, ip);
	if (!str_eq(type, "NodePort") && !str_eq(type, "LoadBalancer"))
		return 0;
	keep_ports(a, spec, old);
	return give_ports(s, a, spec, uid, f);
}
