/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/istio/mesh.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/base/vec.h"
#include "lib/istio/validate.h"

/* Lists grow while reading and are copied into the arena at the end. */
struct loading {
	struct istio_mesh *mesh;
	struct arena *arena;
	VEC(struct istio_namespace) namespaces;
	VEC(struct istio_workload) templates;
	VEC(struct istio_workload) pods;
	VEC(struct service) services;
	VEC(struct endpoint_slice) slices;
	VEC(const char *) pod_cidrs, node_addresses;
	VEC(struct istio_peer_authentication) peers;
	VEC(struct istio_authorization_policy) policies;
	VEC(struct istio_destination_rule) rules;
	VEC(struct istio_virtual_service) virtuals;
	VEC(struct istio_other) others;
	VEC(const char *) revisions;
	VEC(struct label_selector) never, always;
	VEC(struct istio_problem) problems;
};

const char *istio_sidecar_form_name(enum istio_sidecar_form form)
{
	static const char *const names[] = {"none", "classic", "native"};

	return names[form];
}

static bool has_proxy(const struct doc *containers)
{
	doc_foreach_item (containers, c)
		if (str_eq(doc_str(doc_get(c, "name")), "istio-proxy"))
			return true;
	return false;
}

enum istio_sidecar_form istio_sidecar_form_of(const struct doc *pod_spec)
{
	if (has_proxy(doc_get(pod_spec, "initContainers")))
		return SIDECAR_NATIVE;
	return has_proxy(doc_get(pod_spec, "containers")) ? SIDECAR_CLASSIC : SIDECAR_NONE;
}

static void problem(struct loading *l, const struct doc *object, const char *path,
		    const char *message)
{
	struct istio_problem p = {
		.object = object,
		.path = path,
		.message = arena_strdup(l->arena, message),
	};

	vec_push(&l->problems, p);
}

static void unknown_fields(struct loading *l, const struct doc *object,
			   const struct bind_unknown *unknown)
{
	for (size_t i = 0; i < unknown->n; i++)
		problem(l, object, unknown->items[i].path, "no such field");
}

/* Keeps the object: what else it says is still looked at. */
static void refusals(struct loading *l, const struct doc *object, struct istio_refusals *r)
{
	vec_foreach (&r->list, refusal) {
		problem(l, object, refusal->path,
			arena_printf(l->arena, "Istio refuses this: %s", refusal->why));
		l->problems.items[l->problems.n - 1].refused = true;
	}
	vec_release(&r->list);
}

/* Decodes into a fresh item at the end of a list; what fails is a problem and leaves no item. */
#define LOAD_ISTIO(l, list, decode, d)                                                             \
	do {                                                                                       \
		struct bind_unknown unknown_ = {.arena = (l)->arena};                              \
		struct error err_ = ERROR_INIT;                                                    \
		__typeof__((list)->items[0]) item_;                                                \
		if (decode((l)->arena, (d), &item_, &unknown_, &err_) < 0) {                       \
			problem((l), (d), "", err_.msg);                                           \
			break;                                                                     \
		}                                                                                  \
		unknown_fields((l), (d), &unknown_);                                               \
		vec_push((list), item_);                                                           \
	} while (0)

#define LOAD_KUBE(l, list, decode, d)                                                              \
	do {                                                                                       \
		struct error err_ = ERROR_INIT;                                                    \
		__typeof__((list)->items[0]) item_;                                                \
		if (decode((l)->arena, (d), &item_, &err_) < 0) {                                  \
			problem((l), (d), "", err_.msg);                                           \
			break;                                                                     \
		}                                                                                  \
		vec_push((list), item_);                                                           \
	} while (0)

static void load_namespace(struct loading *l, const struct doc *d)
{
	struct namespace_object ns;
	struct error err = ERROR_INIT;
	struct istio_namespace out;

	if (namespace_decode(l->arena, d, &ns, &err) < 0) {
		problem(l, d, "", err.msg);
		return;
	}
	out.name = ns.meta.name;
	out.labels = ns.meta.labels;
	vec_push(&l->namespaces, out);
}

static void load_node(struct loading *l, const struct doc *d)
{
	struct node node;
	struct error err = ERROR_INIT;

	if (node_decode(l->arena, d, &node, &err) < 0) {
		problem(l, d, "", err.msg);
		return;
	}
	if (node.pod_cidr)
		vec_push(&l->pod_cidrs, node.pod_cidr);
	for (size_t i = 0; i < node.pod_cidrs.n; i++)
		if (!str_eq(node.pod_cidrs.items[i], node.pod_cidr))
			vec_push(&l->pod_cidrs, node.pod_cidrs.items[i]);
	for (size_t i = 0; i < node.n_addresses; i++)
		if (str_ends(str_or_empty(node.addresses[i].type), "IP"))
			vec_push(&l->node_addresses, node.addresses[i].address);
}

static void load_pod(struct loading *l, const struct doc *d)
{
	struct pod *pod = arena_new(l->arena, struct pod);
	struct error err = ERROR_INIT;
	struct istio_workload w = {0};

	if (pod_decode(l->arena, d, pod, &err) < 0) {
		problem(l, d, "", err.msg);
		return;
	}
	if (pod_is_finished(pod))
		return;
	w.kind = "Pod";
	w.name = pod->meta.name;
	w.namespace = pod->meta.namespace ? pod->meta.namespace : "default";
	w.labels = pod->meta.labels;
	w.annotations = pod->meta.annotations;
	w.service_account = pod_service_account(pod);
	w.host_network = pod->host_network;
	w.spec = doc_get(d, "spec");
	w.form = istio_sidecar_form_of(w.spec);
	w.pod = pod;
	vec_push(&l->pods, w);
	if (!object_controller(&pod->meta))
		vec_push(&l->templates, w);
}

static void load_template(struct loading *l, const struct doc *d)
{
	struct workload *wl = arena_new(l->arena, struct workload);
	struct error err = ERROR_INIT;
	struct istio_workload w = {0};

	if (workload_decode(l->arena, d, wl, &err) < 0) {
		problem(l, d, "", err.msg);
		return;
	}
	if (object_controller(&wl->meta)) /* a ReplicaSet of a Deployment */
		return;
	w.kind = wl->meta.kind;
	w.name = wl->meta.name;
	w.namespace = wl->meta.namespace ? wl->meta.namespace : "default";
	w.labels = wl->template_labels;
	w.annotations = wl->template_annotations;
	w.spec = doc_find(d, "spec.template.spec");
	w.service_account = wl->template_service_account ? wl->template_service_account : "default";
	w.host_network = doc_bool_or(doc_get(w.spec, "hostNetwork"), false);
	w.form = istio_sidecar_form_of(w.spec);
	w.controller = wl;
	vec_push(&l->templates, w);
}

/* Job and CronJob have no struct of their own: only their template matters here. */
static void load_job(struct loading *l, const struct doc *d, const char *template_path)
{
	const struct doc *template = doc_find(d, template_path);
	struct plain_object plain, head;
	struct error err = ERROR_INIT;
	struct istio_workload w = {0};
	const char *account;

	if (object_decode(l->arena, &plain_object_table, d, &plain, &err) < 0 ||
	    object_decode(l->arena, &plain_object_table, template, &head, &err) < 0) {
		problem(l, d, "", err.msg);
		return;
	}
	if (object_controller(&plain.meta))
		return;
	w.kind = plain.meta.kind;
	w.name = plain.meta.name;
	w.namespace = plain.meta.namespace ? plain.meta.namespace : "default";
	w.labels = head.meta.labels;
	w.annotations = head.meta.annotations;
	w.spec = doc_get(template, "spec");
	account = doc_find_str(w.spec, "serviceAccountName");
	w.service_account = account ? account : "default";
	w.host_network = doc_bool_or(doc_get(w.spec, "hostNetwork"), false);
	w.form = istio_sidecar_form_of(w.spec);
	vec_push(&l->templates, w);
}

/* The webhook configurations say which revisions and tags inject, and whether by default. */
static void load_webhook(struct loading *l, const struct doc *d)
{
	const char *rev = doc_find_str(d, "metadata.labels['istio.io/rev']");
	const char *tag = doc_find_str(d, "metadata.labels['istio.io/tag']");
	const char *app = doc_find_str(d, "metadata.labels.app");

	if (!str_eq(app, "sidecar-injector"))
		return;
	vec_push(&l->revisions, arena_strdup(l->arena, tag ? tag : rev ? rev : "default"));
	doc_foreach_item (doc_get(d, "webhooks"), hook)
		if (str_starts(str_or_empty(doc_str(doc_get(hook, "name"))), "auto."))
			l->mesh->injector.by_default = true;
}

static void load_selectors(struct loading *l, const struct doc *d, const struct doc *list,
			   bool always)
{
	doc_foreach_item (list, item) {
		struct bind_unknown ignored = {.arena = l->arena};
		struct label_selector s;
		struct error err = ERROR_INIT;

		if (bind_decode(l->arena, &label_selector_table, item, "", &s, &ignored, &err) < 0)
			problem(l, d, "data.config", err.msg);
		else if (always)
			vec_push(&l->always, s);
		else
			vec_push(&l->never, s);
	}
}

/* ConfigMap istio-sidecar-injector: policy and selectors (the template in it is not ours). */
static void load_injector(struct loading *l, const struct doc *d)
{
	const char *text = doc_find_str(d, "data.config");
	struct error err = ERROR_INIT;
	struct doc_stream stream;

	if (!text)
		return;
	if (doc_read_yaml(l->arena, text, strlen(text), "config", &stream, &err) < 0) {
		problem(l, d, "data.config", err.msg);
		return;
	}
	if (stream.n == 0)
		return;
	l->mesh->injector.policy_disabled =
		str_eq(doc_find_str(stream.docs[0], "policy"), "disabled");
	load_selectors(l, d, doc_get(stream.docs[0], "neverInjectSelector"), false);
	load_selectors(l, d, doc_get(stream.docs[0], "alwaysInjectSelector"), true);
}

static void load_other(struct loading *l, const struct doc *d)
{
	struct istio_other other;
	struct error err = ERROR_INIT;

	if (istio_other_decode(l->arena, d, &other, &err) < 0)
		problem(l, d, "", err.msg);
	else
		vec_push(&l->others, other);
}

static void load_config(struct loading *l, const struct doc *d)
{
	const char *ns = doc_find_str(d, "metadata.namespace");
	const char *name = doc_find_str(d, "metadata.name");
	const char *text = doc_find_str(d, "data.mesh");
	struct error err = ERROR_INIT;
	struct doc_stream stream;

	if (str_eq(ns, "istio-system") && str_starts(str_or_empty(name), "istio-sidecar-injector"))
		load_injector(l, d);
	if (!text || !str_eq(ns, "istio-system") || !name ||
	    !(str_eq(name, "istio") || str_starts(name, "istio-")))
		return;
	if (l->mesh->config.given && !str_eq(name, "istio"))
		return;
	if (doc_read_yaml(l->arena, text, strlen(text), "MeshConfig", &stream, &err) < 0 ||
	    (stream.n > 0 &&
	     istio_mesh_config_decode(l->arena, stream.docs[0], &l->mesh->config, &err) < 0))
		problem(l, d, "data.mesh", err.msg);
}

static void load_peer(struct loading *l, const struct doc *d)
{
	struct istio_refusals refused = {.arena = l->arena};
	size_t n = l->peers.n;

	LOAD_ISTIO(l, &l->peers, istio_peer_authentication_decode, d);
	if (l->peers.n > n)
		istio_validate_peer_authentication(&refused, &l->peers.items[n]);
	refusals(l, d, &refused);
}

static void load_policy(struct loading *l, const struct doc *d)
{
	struct istio_refusals refused = {.arena = l->arena};
	size_t n = l->policies.n;

	LOAD_ISTIO(l, &l->policies, istio_authorization_policy_decode, d);
	if (l->policies.n > n)
		istio_validate_authorization_policy(&refused, &l->policies.items[n]);
	refusals(l, d, &refused);
}

static void load_object(struct loading *l, const struct doc *d)
{
	const struct object_kind *kind = object_kind_of(d);
	int id = kind ? object_kind_id(kind) : -1;

	switch (id) {
	case KIND_NAMESPACE:
		load_namespace(l, d);
		break;
	case KIND_NODE:
		load_node(l, d);
		break;
	case KIND_POD:
		load_pod(l, d);
		break;
	case KIND_DEPLOYMENT:
	case KIND_REPLICA_SET:
	case KIND_STATEFUL_SET:
	case KIND_DAEMON_SET:
		load_template(l, d);
		break;
	case KIND_JOB:
		load_job(l, d, "spec.template");
		break;
	case KIND_CRON_JOB:
		load_job(l, d, "spec.jobTemplate.spec.template");
		break;
	case KIND_SERVICE:
		LOAD_KUBE(l, &l->services, service_decode, d);
		break;
	case KIND_ENDPOINT_SLICE:
		LOAD_KUBE(l, &l->slices, endpoint_slice_decode, d);
		break;
	case KIND_CONFIG_MAP:
		load_config(l, d);
		break;
	case KIND_MUTATING_WEBHOOK:
		load_webhook(l, d);
		break;
	case KIND_PEER_AUTHENTICATION:
		load_peer(l, d);
		break;
	case KIND_AUTHORIZATION_POLICY:
		load_policy(l, d);
		break;
	case KIND_DESTINATION_RULE:
		LOAD_ISTIO(l, &l->rules, istio_destination_rule_decode, d);
		break;
	case KIND_VIRTUAL_SERVICE:
		LOAD_ISTIO(l, &l->virtuals, istio_virtual_service_decode, d);
		break;
	default:
		if (strstr(str_or_empty(doc_str(doc_get(d, "apiVersion"))), "istio.io/"))
			load_other(l, d);
		break;
	}
}

static int by_age(const void *a, const void *b)
{
	/* Every list that is sorted by this begins its items with the metadata. */
	return istio_meta_cmp_age(a, b);
}

static int by_name(const void *a, const void *b)
{
	return str_cmp(((const struct istio_namespace *)a)->name,
		       ((const struct istio_namespace *)b)->name);
}

/* Moves a list of the loader to the arena and the mesh. */
#define TAKE_LIST(l, from, to, member)                                                             \
	do {                                                                                       \
		(to)->n_##member = (from)->n;                                                      \
		if ((from)->n)                                                                     \
			(to)->member = arena_memdup((l)->arena, (from)->items,                     \
						    (from)->n * sizeof((from)->items[0]));         \
		vec_release(from);                                                                 \
	} while (0)

static void finish(struct loading *l)
{
	vec_sort(&l->namespaces, by_name);
	vec_sort(&l->services, by_age);
	vec_sort(&l->slices, by_age);
	vec_sort(&l->peers, by_age);
	vec_sort(&l->policies, by_age);
	vec_sort(&l->rules, by_age);
	vec_sort(&l->virtuals, by_age);
	vec_sort(&l->others, by_age);
	TAKE_LIST(l, &l->namespaces, l->mesh, namespaces);
	TAKE_LIST(l, &l->templates, l->mesh, templates);
	TAKE_LIST(l, &l->pods, l->mesh, pods);
	TAKE_LIST(l, &l->services, l->mesh, services);
	TAKE_LIST(l, &l->slices, l->mesh, slices);
	TAKE_LIST(l, &l->pod_cidrs, l->mesh, pod_cidrs);
	TAKE_LIST(l, &l->node_addresses, l->mesh, node_addresses);
	TAKE_LIST(l, &l->peers, l->mesh, peer_authentications);
	TAKE_LIST(l, &l->policies, l->mesh, authorization_policies);
	TAKE_LIST(l, &l->rules, l->mesh, destination_rules);
	TAKE_LIST(l, &l->virtuals, l->mesh, virtual_services);
	TAKE_LIST(l, &l->others, l->mesh, others);
	TAKE_LIST(l, &l->problems, l->mesh, problems);
	TAKE_LIST(l, &l->revisions, &l->mesh->injector, revisions);
	TAKE_LIST(l, &l->never, &l->mesh->injector, never);
	TAKE_LIST(l, &l->always, &l->mesh->injector, always);
}

void istio_mesh_load(struct istio_mesh *m, struct arena *a, const struct snapshot *s)
{
	struct loading l = {.mesh = m, .arena = a};

	memset(m, 0, sizeof(*m));
	m->arena = a;
	istio_mesh_config_defaults(&m->config);
	for (size_t i = 0; i < s->n; i++)
		load_object(&l, s->items[i]);
	finish(&l);
}

/* --- questions ---------------------------------------------------------------------------- */

bool istio_problem_concerns(const struct istio_mesh *m, const struct istio_problem *p,
			    const char *ns)
{
	static const char *const anywhere[] = {"Namespace",   "Node",      "Pod",
					       "Deployment",  "DaemonSet", "ReplicaSet",
					       "StatefulSet", "Job",       "CronJob"};
	const char *kind = doc_find_str(p->object, "kind");
	const char *own = doc_find_str(p->object, "metadata.namespace");
	bool of_istio =
		strstr(str_or_empty(doc_find_str(p->object, "apiVersion")), "istio.io/") != NULL;
	bool ours = str_eq(own ? own : "default", ns) || str_eq(own, m->config.root_namespace);

	if (p->refused)
		return ours;
	if (str_starts(p->path, "data.")) /* MeshConfig, the injector's configuration */
		return true;
	if (*p->path)
		return of_istio && ours && !str_starts(p->path, "spec") &&
		       !str_starts(p->path, "metadata") && !str_starts(p->path, "status");
	for (size_t i = 0; i < ARRAY_SIZE(anywhere) && !of_istio; i++)
		if (str_eq(kind, anywhere[i]))
			return true;
	return ours;
}

const struct istio_namespace *istio_mesh_namespace(const struct istio_mesh *m, const char *name)
{
	for (size_t i = 0; i < m->n_namespaces; i++)
		if (str_eq(m->namespaces[i].name, name))
			return &m->namespaces[i];
	return NULL;
}

static const char *namespace_of(const struct object_meta *meta)
{
	return meta->namespace ? meta->namespace : "default";
}

const struct service *istio_mesh_service(const struct istio_mesh *m, const char *ns,
					 const char *name)
{
	for (size_t i = 0; i < m->n_services; i++)
		if (str_eq(m->services[i].meta.name, name) &&
		    str_eq(namespace_of(&m->services[i].meta), ns))
			return &m->services[i];
	return NULL;
}

const struct istio_workload *istio_mesh_pod_by_ip(const struct istio_mesh *m, const char *ip)
{
	for (size_t i = 0; i < m->n_pods; i++)
		if (!m->pods[i].host_network && str_eq(m->pods[i].pod->pod_ip, ip))
			return &m->pods[i];
	return NULL;
}

const struct istio_workload *istio_mesh_pod(const struct istio_mesh *m, const char *ns,
					    const char *name)
{
	for (size_t i = 0; i < m->n_pods; i++)
		if (str_eq(m->pods[i].name, name) && str_eq(m->pods[i].namespace, ns))
			return &m->pods[i];
	return NULL;
}

const struct istio_workload *istio_mesh_template(const struct istio_mesh *m, const char *ns,
						 const char *kind, const char *name)
{
	for (size_t i = 0; i < m->n_templates; i++) {
		const struct istio_workload *w = &m->templates[i];

		if (str_eq(w->name, name) && str_eq(w->namespace, ns) &&
		    (!kind || str_eq(w->kind, kind)))
			return w;
	}
	return NULL;
}

bool istio_service_selects(const struct service *s, const char *ns, const struct strmap *labels)
{
	struct istio_selector selector = {.match_labels = s->selector};

	return s->selector.n > 0 && str_eq(namespace_of(&s->meta), ns) &&
	       istio_selector_matches(&selector, labels);
}

/* X(prefix or appProtocol, protocol): longest prefixes first. */
static const struct {
	const char *name;
	enum istio_protocol protocol;
} protocol_names[] = {
	{"grpc-web", PROTO_HTTP}, {"grpc", PROTO_GRPC}, {"http2", PROTO_HTTP2},
	{"https", PROTO_TLS},     {"http", PROTO_HTTP}, {"tls", PROTO_TLS},
	{"tcp", PROTO_TCP},       {"mongo", PROTO_TCP}, {"mysql", PROTO_TCP},
	{"redis", PROTO_TCP},     {"udp", PROTO_UDP},
};

/* "http-web" and "http" are http; "httpx" is nothing. */
static enum istio_protocol protocol_of(const char *text)
{
	for (size_t i = 0; text && i < ARRAY_SIZE(protocol_names); i++) {
		size_t n = strlen(protocol_names[i].name);

		if (strncasecmp(text, protocol_names[i].name, n) == 0 &&
		    (text[n] == '\0' || text[n] == '-'))
			return protocol_names[i].protocol;
	}
	return PROTO_UNKNOWN;
}

enum istio_protocol istio_port_protocol(const struct service_port *p)
{
	if (p->protocol && str_eq(p->protocol, "UDP"))
		return PROTO_UDP;
	if (p->app_protocol) {
		if (str_eq(p->app_protocol, "kubernetes.io/h2c"))
			return PROTO_HTTP2;
		if (str_eq(p->app_protocol, "kubernetes.io/ws"))
			return PROTO_HTTP;
		return protocol_of(p->app_protocol);
	}
	return protocol_of(p->name);
}

static uint16_t named_port(const struct doc *containers, const char *name)
{
	doc_foreach_item (containers, c)
		doc_foreach_item (doc_get(c, "ports"), port)
			if (str_eq(doc_str(doc_get(port, "name")), name))
				return (uint16_t)doc_int_or(doc_get(port, "containerPort"), 0);
	return 0;
}

uint16_t istio_target_port(const struct service_port *p, const struct doc *pod_spec)
{
	uint16_t port;

	switch (p->target_port.kind) {
	case IOS_INT:
		return (uint16_t)p->target_port.number;
	case IOS_STRING:
		port = named_port(doc_get(pod_spec, "containers"), p->target_port.string);
		return port ? port
			    : named_port(doc_get(pod_spec, "initContainers"),
					 p->target_port.string);
	case IOS_ABSENT:
		break;
	}
	return (uint16_t)p->port;
}
