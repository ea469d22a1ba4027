/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service -> EndpointSlices: the pods behind it with ready, serving and terminating, as Kubernetes
 * says them. Pods whose named ports resolve differently stand in slices of their own.
 */
#include <stdio.h>
#include <string.h>

#include "deploy/lab/controllers/core.h"
#include "lib/base/str.h"
#include "lib/base/vec.h"
#include "lib/object/pod.h"
#include "lib/object/service.h"

#define SERVICE_LABEL "kubernetes.io/service-name"
#define MANAGED_LABEL "endpointslice.kubernetes.io/managed-by"
#define MANAGER       "endpointslice-controller.k8s.io"

struct slice {
	const char *name;
	const char *ports_key; /* the ports as text */
	struct doc *ports, *endpoints;
};

struct plan {
	struct reconcile *r;
	const struct doc *doc;
	struct service s;
	VEC(struct slice) slices;
};

static bool selects(const struct doc *service, const struct doc *pod)
{
	const struct doc *selector = doc_find(service, "spec.selector");

	if (!doc_len(selector))
		return false;
	for (size_t i = 0; i < doc_len(selector); i++)
		if (!str_eq(kube_label(pod, selector->map.entries[i].key),
			    doc_str(selector->map.entries[i].value)))
			return false;
	return true;
}

void endpoints_changed(struct controllers *c, size_t row, enum watched kind, const struct doc *old,
		       const struct doc *now)
{
	const struct doc *object = now ? now : old;

	if (kind == WATCHED_SERVICE)
		queue_object(c, row, object);
	if (kind == WATCHED_ENDPOINT_SLICE && str_eq(kube_label(object, MANAGED_LABEL), MANAGER))
		queue_key(c, row, kube_namespace(object),
			  str_or_empty(kube_label(object, SERVICE_LABEL)));
	if (kind != WATCHED_POD)
		return;
	watched_foreach(c, WATCHED_SERVICE,
			o) if (str_eq(o->namespace_, kube_namespace(object)) &&
			       ((now && selects(o->doc, now)) || (old && selects(o->doc, old))))
		queue_object(c, row, o->doc);
}

/* The number of a target port in this pod; 0 when the pod has no such name. */
static int32_t port_number(const struct service_port *port, const struct pod *pod)
{
	const struct container_port *named;

	switch (port->target_port.kind) {
	case IOS_ABSENT:
		return port->port;
	case IOS_INT:
		return (int32_t)port->target_port.number;
	case IOS_STRING:
		named = pod_port(pod, port->target_port.string);
		return named ? named->port : 0;
	}
	return 0;
}

static struct doc *ports_of(const struct plan *p, const struct pod *pod)
{
	struct arena *a = &p->r->arena;
	struct doc *list = doc_list(a);

	for (size_t i = 0; i < p->s.n_ports; i++) {
		const struct service_port *port = &p->s.ports[i];
		int32_t number = port_number(port, pod);
		struct doc *row;

		if (!number)
			continue;
		row = doc_append(a, list, doc_map(a));
		doc_set_string(a, row, "name", str_or_empty(port->name));
		doc_set_string(a, row, "protocol", port->protocol ? port->protocol : "TCP");
		doc_set_string(a, row, "appProtocol", port->app_protocol);
		doc_set_int(a, row, "port", number);
	}
	return list;
}

static struct slice *slice_for(struct plan *p, struct doc *ports)
{
	auto_release(strbuf) struct strbuf key = STRBUF_INIT;
	struct arena *a = &p->r->arena;
	uint64_t hash;
	struct slice *s;

	doc_write_json(ports, DOC_COMPACT, &key);
	vec_foreach (&p->slices, it)
		if (str_eq(it->ports_key, strbuf_cstr(&key)))
			return it;
	s = vec_add(&p->slices);
	s->ports_key = arena_strdup(a, strbuf_cstr(&key));
	s->ports = ports;
	s->endpoints = doc_list(a);
	hash = str_hash(p->s.meta.uid, strlen(str_or_empty(p->s.meta.uid)), STR_HASH_SEED);
	hash = str_hash(s->ports_key, strlen(s->ports_key), hash);
	/* A name that follows from what it holds: made twice it is still one. */
	s->name = arena_printf(a, "%.50s-%08x", p->s.meta.name, (unsigned)(hash ^ hash >> 32));
	return s;
}

static void add_endpoint(struct plan *p, const struct doc *doc)
{
	struct arena *a = &p->r->arena;
	bool terminating = kube_deleting(doc), serving = pod_ready(doc);
	struct doc *e, *conditions, *ref;
	struct pod pod;

	if (pod_decode(a, doc, &pod, NULL) || str_empty(pod.pod_ip) || pod_finished(doc))
		return;
	e = doc_append(a, slice_for(p, ports_of(p, &pod))->endpoints, doc_map(a));
	doc_append(a, doc_set_list(a, e, "addresses"), doc_string(a, pod.pod_ip));
	conditions = doc_set_map(a, e, "conditions");
	doc_set_bool(a, conditions, "ready",
		     p->s.publish_not_ready_addresses || (serving && !terminating));
	doc_set_bool(a, conditions, "serving", p->s.publish_not_ready_addresses || serving);
	doc_set_bool(a, conditions, "terminating", terminating);
	if (pod.hostname && str_eq(pod.subdomain, p->s.meta.name))
		doc_set_string(a, e, "hostname", pod.hostname);
	doc_set_string(a, e, "nodeName", pod.node_name);
	ref = doc_set_map(a, e, "targetRef");
	doc_set_string(a, ref, "kind", "Pod");
	doc_set_string(a, ref, "namespace", pod.meta.namespace);
	doc_set_string(a, ref, "name", pod.meta.name);
	doc_set_string(a, ref, "uid", pod.meta.uid);
}

static void send_slice(struct plan *p, enum kube_verb verb, const char *name,
		       const struct doc *body)
{
	struct kube_request q = {.verb = verb,
				 .kind = object_kind(KIND_ENDPOINT_SLICE),
				 .namespace_ = p->r->namespace_,
				 .name = verb == KUBE_CREATE ? NULL : name,
				 .body = body};

	reconcile_send(p->r, &q, NULL, NULL);
}

static void label_slice(struct arena *a, struct plan *p, struct doc *object)
{
	struct doc *labels = doc_set_map(a, doc_set_map(a, object, "metadata"), "labels");

	for (size_t i = 0; i < p->s.meta.labels.n; i++)
		doc_set_string(a, labels, p->s.meta.labels.items[i].key,
			       p->s.meta.labels.items[i].value);
	doc_set_string(a, labels, SERVICE_LABEL, p->s.meta.name);
	doc_set_string(a, labels, MANAGED_LABEL, MANAGER);
	if (service_is_headless(&p->s))
		doc_set_string(a, labels, "service.kubernetes.io/headless", "");
}

static void put_slice(struct plan *p, const struct slice *s)
{
	struct arena *a = &p->r->arena;
	const struct doc *there =
		watched_get(p->r->c, WATCHED_ENDPOINT_SLICE, p->r->namespace_, s->name);
	struct doc *object;

	if (there)
		object = doc_clone(a, there);
	else
		object = kube_object_new(a, object_kind(KIND_ENDPOINT_SLICE), p->r->namespace_,
					 s->name);
	label_slice(a, p, object);
	if (!there) {
		doc_set_string(a, object, "addressType", "IPv4");
		kube_set_controller(a, object, object_kind(KIND_SERVICE), p->doc);
	}
	doc_set(a, object, "endpoints", s->endpoints);
	doc_set(a, object, "ports", s->ports);
	if (!there)
		send_slice(p, KUBE_CREATE, s->name, object);
	else if (!doc_equal(there, object))
		send_slice(p, KUBE_UPDATE, s->name, object);
}

static bool is_planned(const struct plan *p, const char *name)
{
	vec_foreach (&p->slices, s)
		if (str_eq(s->name, name))
			return true;
	return false;
}

static void drop_others(struct plan *p)
{
	watched_foreach(p->r->c, WATCHED_ENDPOINT_SLICE,
			o) if (str_eq(o->namespace_, p->r->namespace_) &&
			       str_eq(kube_label(o->doc, SERVICE_LABEL), p->r->name) &&
			       str_eq(kube_label(o->doc, MANAGED_LABEL), MANAGER) &&
			       !is_planned(p, o->name)) send_slice(p, KUBE_DELETE, o->name, NULL);
}

int endpoints_work(struct reconcile *r)
{
	struct plan p = {.r = r, .doc = watched_self(r, WATCHED_SERVICE)};

	if (p.doc && (kube_deleting(p.doc) || service_decode(&r->arena, p.doc, &p.s, NULL)))
		return 0;
	if (p.doc && doc_len(doc_find(p.doc, "spec.selector")) &&
	    !str_eq(p.s.type, "ExternalName")) {
		watched_foreach(r->c, WATCHED_POD, o) if (str_eq(o->namespace_, r->namespace_) &&
							  selects(p.doc, o->doc))
			add_endpoint(&p, o->doc);
		vec_foreach (&p.slices, s)
			put_slice(&p, s);
	}
	/* Those of a service without a selector are somebody else's and carry another label. */
	drop_others(&p);
	vec_release(&p.slices);
	return 0;
}
