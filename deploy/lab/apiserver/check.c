/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/check.h"

#include "deploy/lab/apiserver/names.h"
#include "deploy/lab/apiserver/selector.h"
#include "lib/base/str.h"

#define AT(c, ...) arena_printf((c)->arena, __VA_ARGS__)

static bool is_one_of(const char *s, const char *const *list)
{
	for (; *list; list++)
		if (str_eq(s, *list))
			return true;
	return false;
}

/* A string from a closed set, when present. */
static void one_of(struct causes *c, const char *field, const struct doc *value,
		   const char *const *list)
{
	if (value && !is_one_of(doc_str(value), list))
		cause_unsupported(c, field, doc_str(value), list);
}

static void not_negative(struct causes *c, const char *field, const struct doc *value)
{
	if (value && (value->kind != DOC_INT || value->integer < 0))
		cause_invalid(c, field, value, "must be greater than or equal to 0");
}

static void port_number(struct causes *c, const char *field, const struct doc *value)
{
	if (value && (value->kind != DOC_INT || value->integer < 1 || value->integer > 65535))
		cause_invalid(c, field, value, "must be between 1 and 65535, inclusive");
}

/* Values of different type (a missing one, too) differ. */
static void immutable(struct causes *c, const char *field, const struct doc *object,
		      const struct doc *old)
{
	const struct doc *now = doc_find(object, field), *then = doc_find(old, field);

	if (old && !doc_equal(now, then))
		cause_invalid(c, field, now, "field is immutable");
}

static const char *const protocols[] = {"SCTP", "TCP", "UDP", NULL};

/* ---- pods ---- */

static void check_probe(struct causes *c, const char *at, const struct doc *p)
{
	static const char *const handlers[] = {"exec", "httpGet", "tcpSocket", "grpc"};
	size_t n = 0;

	if (!p)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(handlers); i++)
		n += doc_get(p, handlers[i]) != NULL;
	if (!n)
		cause_required(c, at, "must specify a handler type");
	else if (n > 1)
		cause_forbidden(c, at, "may not specify more than 1 handler type");
}

static void check_container(struct causes *c, const char *at, const struct doc *k,
			    const struct doc *all, size_t index)
{
	static const char *const policies[] = {"Always", "IfNotPresent", "Never", NULL};
	const char *name = doc_str(doc_get(k, "name")), *why;
	size_t i = 0;

	if (str_empty(name))
		cause_required(c, AT(c, "%s.name", at), NULL);
	why = str_empty(name) ? NULL : name_check_label(name);
	if (why)
		cause_invalid_str(c, AT(c, "%s.name", at), name, why);
	for (size_t j = 0; name && j < index; j++)
		if (str_eq(doc_str(doc_get(doc_at(all, j), "name")), name))
			cause_duplicate(c, AT(c, "%s.name", at), name);
	if (str_empty(doc_str(doc_get(k, "image"))))
		cause_required(c, AT(c, "%s.image", at), NULL);
	one_of(c, AT(c, "%s.imagePullPolicy", at), doc_get(k, "imagePullPolicy"), policies);
	doc_foreach_item (doc_get(k, "ports"), p) {
		if (!doc_get(p, "containerPort"))
			cause_required(c, AT(c, "%s.ports[%zu].containerPort", at, i), NULL);
		port_number(c, AT(c, "%s.ports[%zu].containerPort", at, i),
			    doc_get(p, "containerPort"));
		one_of(c, AT(c, "%s.ports[%zu].protocol", at, i), doc_get(p, "protocol"),
		       protocols);
		i++;
	}
	check_probe(c, AT(c, "%s.livenessProbe", at), doc_get(k, "livenessProbe"));
	check_probe(c, AT(c, "%s.readinessProbe", at), doc_get(k, "readinessProbe"));
	check_probe(c, AT(c, "%s.startupProbe", at), doc_get(k, "startupProbe"));
}

static bool list_has(const struct doc *list, const char *field, const char *value)
{
	doc_foreach_item (list, it)
		if (str_eq(doc_str(doc_get(it, field)), value))
			return true;
	return false;
}

static void check_mounts(struct causes *c, const char *at, const struct doc *k,
			 const struct doc *volumes)
{
	size_t i = 0;

	doc_foreach_item (doc_get(k, "volumeMounts"), m) {
		const char *name = doc_str(doc_get(m, "name"));

		if (str_empty(name))
			cause_required(c, AT(c, "%s.volumeMounts[%zu].name", at, i), NULL);
		else if (!list_has(volumes, "name", name))
			cause_not_found(c, AT(c, "%s.volumeMounts[%zu].name", at, i), name);
		if (str_empty(doc_str(doc_get(m, "mountPath"))))
			cause_required(c, AT(c, "%s.volumeMounts[%zu].mountPath", at, i), NULL);
		i++;
	}
}

static void check_pod_spec(struct causes *c, const char *at, const struct doc *spec)
{
	static const char *const restart[] = {"Always", "OnFailure", "Never", NULL};
	static const char *const dns[] = {"ClusterFirstWithHostNet", "ClusterFirst", "Default",
					  "None", NULL};
	static const char *const lists[] = {"initContainers", "containers"};

	if (!doc_len(doc_get(spec, "containers")))
		cause_required(c, AT(c, "%s.containers", at), NULL);
	for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
		const struct doc *all = doc_get(spec, lists[l]);

		for (size_t i = 0; i < doc_len(all); i++) {
			const char *where = AT(c, "%s.%s[%zu]", at, lists[l], i);

			check_container(c, where, doc_at(all, i), all, i);
			check_mounts(c, where, doc_at(all, i), doc_get(spec, "volumes"));
		}
	}
	one_of(c, AT(c, "%s.restartPolicy", at), doc_get(spec, "restartPolicy"), restart);
	one_of(c, AT(c, "%s.dnsPolicy", at), doc_get(spec, "dnsPolicy"), dns);
	not_negative(c, AT(c, "%s.terminationGracePeriodSeconds", at),
		     doc_get(spec, "terminationGracePeriodSeconds"));
}

/* Clears what may be changed after creation, so that the rest can be compared. */
static struct doc *fixed_part(struct arena *a, const struct doc *spec)
{
	static const char *const lists[] = {"containers", "initContainers"};
	static const char *const free_fields[] = {
		"activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds",
		"schedulingGates",       "nodeName",    "ephemeralContainers"};
	struct doc *copy = doc_clone(a, spec);

	for (size_t i = 0; i < ARRAY_SIZE(free_fields); i++)
		doc_del(copy, free_fields[i]);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		doc_foreach_item (doc_get(copy, lists[i]), k)
			doc_del(k, "image");
	return copy;
}

void pod_check(struct causes *c, const struct doc *object, const struct doc *old)
{
	const struct doc *spec = doc_get(object, "spec"), *was = doc_get(old, "spec");
	const char *node = doc_str(doc_get(was, "nodeName"));

	if (!spec) {
		cause_required(c, "spec.containers", NULL);
		return;
	}
	check_pod_spec(c, "spec", spec);
	if (!old)
		return;
	if (doc_find(old, "status.qosClass"))
		immutable(c, "status.qosClass", object, old);
	if (!doc_equal(fixed_part(c->arena, spec), fixed_part(c->arena, was)) ||
	    (!str_empty(node) && !str_eq(node, doc_str(doc_get(spec, "nodeName")))))
		cause_forbidden(
			c, "spec",
			"pod updates may not change fields other than `spec.containers[*].image`,"
			"`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
			"`spec.tolerations` (only additions to existing tolerations),"
			"`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
			"previously negative)");
}

/* ---- workloads ---- */

static void check_selector(struct causes *c, const struct doc *object, const struct doc *old)
{
	const struct doc *sel = doc_find(object, "spec.selector");
	const struct doc *labels = doc_find(object, "spec.template.metadata.labels");
	struct selector parsed;
	struct error err = ERROR_INIT;

	if (!sel) {
		cause_required(c, "spec.selector", NULL);
		return;
	}
	if (selector_from_doc(c->arena, sel, &parsed, &err)) {
		cause_invalid(c, "spec.selector", sel, err.msg);
		return;
	}
	if (!parsed.n)
		cause_invalid(c, "spec.selector", sel, "empty selector is invalid for deployment");
	else if (!selector_matches(&parsed, labels))
		cause_invalid(c, "spec.template.metadata.labels", labels,
			      "`selector` does not match template `labels`");
	immutable(c, "spec.selector", object, old);
}

static void check_workload(struct causes *c, const struct doc *object, const struct doc *old)
{
	check_selector(c, object, old);
	not_negative(c, "spec.replicas", doc_find(object, "spec.replicas"));
	not_negative(c, "spec.minReadySeconds", doc_find(object, "spec.minReadySeconds"));
	if (doc_find(object, "spec.template"))
		check_pod_spec(c, "spec.template.spec", doc_find(object, "spec.template.spec"));
	else
		cause_required(c, "spec.template", NULL);
}

void deployment_check(struct causes *c, const struct doc *object, const struct doc *old)
{
	static const char *const types[] = {"Recreate", "RollingUpdate", NULL};

	check_workload(c, object, old);
	one_of(c, "spec.strategy.type", doc_find(object, "spec.strategy.type"), types);
	if (str_eq(doc_find_str(object, "spec.strategy.type"), "Recreate") &&
	    doc_find(object, "spec.strategy.rollingUpdate"))
		cause_forbidden(c, "spec.strategy.rollingUpdate",
				"may not be specified when strategy `type` is 'Recreate'");
}

void replicaset_check(struct causes *c, const struct doc *object, const struct doc *old)
{
	check_workload(c, object, old);
}

void daemonset_check(struct causes *c, const struct doc *object, const struct doc *old)
{
	check_workload(c, object, old);
}

void statefulset_check(struct causes *c, const struct doc *object, const struct doc *old)
{
	check_workload(c, object, old);
}

/* ---- services ---- */

static void check_service_port(struct causes *c, const struct doc *ports, size_t i)
{
	const struct doc *p = doc_at(ports, i);
	const char *name = doc_str(doc_get(p, "name"));

	if (!doc_get(p, "port"))
		cause_required(c, AT(c, "spec.ports[%zu].port", i), NULL);
	port_number(c, AT(c, "spec.ports[%zu].port", i), doc_get(p, "port"));
	one_of(c, AT(c, "spec.ports[%zu].protocol", i), doc_get(p, "protocol"), protocols);
	if (str_empty(name) && doc_len(ports) > 1)
		cause_required(c, AT(c, "spec.ports[%zu].name", i), NULL);
	for (size_t j = 0; j < i; j++) {
		const struct doc *q = doc_at(ports, j);

		if (!str_empty(name) && str_eq(name, doc_str(doc_get(q, "name"))))
			cause_duplicate(c, AT(c, "spec.ports[%zu].name", i), name);
		if (doc_equal(doc_get(p, "port"), doc_get(q, "port")) &&
		    str_eq(doc_str(doc_get(p, "protocol")), doc_str(doc_get(q, "protocol"))))
			cause_duplicate(c, AT(c, "spec.ports[%zu]", i), str_or_empty(name));
	}
}

void service_check(struct causes *c, const struct doc *object, const struct doc *old)
{
	static const char *const types[] = {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort",
					    NULL};
	static const char *const affinities[] = {"ClientIP", "None", NULL};
	const struct doc *ports = doc_find(object, "spec.ports");
	const char *type = doc_find_str(object, "spec.type"), *was, *is;

	one_of(c, "spec.type", doc_find(object, "spec.type"), types);
	one_of(c, "spec.sessionAffinity", doc_find(object, "spec.sessionAffinity"), affinities);
	is = doc_find_str(object, "spec.clusterIP");
	if (!doc_len(ports) && !str_eq(is, "None") && !str_eq(type, "ExternalName"))
		cause_required(c, "spec.ports", NULL);
	for (size_t i = 0; i < doc_len(ports); i++)
		check_service_port(c, ports, i);
	if (str_eq(type, "ExternalName") && str_empty(doc_find_str(object, "spec.externalName")))
		cause_required(c, "spec.externalName", NULL);
	was = doc_find_str(old, "spec.clusterIP");
	if (!str_empty(was) && !str_eq(was, is) && !str_eq(type, "ExternalName") &&
	    !str_eq(doc_find_str(old, "spec.type"), "ExternalName"))
		cause_invalid_str(c, "spec.clusterIPs[0]", is, "may not change once set");
}

void endpointslice_check(struct causes *c, const struct doc *object, const struct doc *old)
{
	static const char *const types[] = {"FQDN", "IPv4", "IPv6", NULL};

	if (!doc_get(object, "addressType"))
		cause_required(c, "addressType", NULL);
	one_of(c, "addressType", doc_get(object, "addressType"), types);
	immutable(c, "addressType", object, old);
	for (size_t i = 0; i < doc_len(doc_get(object, "endpoints")); i++)
		if (!doc_len(doc_get(doc_at(doc_get(object, "endpoints"), i), "addresses")))
			cause_required(c, AT(c, "endpoints[%zu].addresses", i),
				       "must contain at least 1 address");
}

/* ---- configuration ---- */

static void check_data(struct causes *c, const char *field, const struct doc *data)
{
	doc_foreach_entry (data, e) {
		const char *at = AT(c, "%s[%s]", field, e->key);
		size_t ok = strspn(e->key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					   "0123456789-_.");

		if (!*e->key || e->key[ok] || strlen(e->key) > 253)
			cause_invalid_str(
				c, at, e->key,
				"a valid config key must consist of alphanumeric characters, '-', "
				"'_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', "
				"regex "
				"used for validation is '[-._a-zA-Z0-9]+')");
		if (!doc_str(e->value))
			cause_invalid(c, at, e->value, "must be a string");
	}
}

static void check_frozen(struct causes *c, const struct doc *object, const struct doc *old,
			 const char *kind)
{
	if (!doc_bool_or(doc_get(old, "immutable"), false))
		return;
	if (!doc_equal(doc_get(object, "data"), doc_get(old, "data")) ||
	    !doc_bool_or(doc_get(object, "immutable"), false))
		cause_forbidden(
			c, "data",
			AT(c, "field is immutable when `immutable` is set, on this %s", kind));
}

void configmap_check(struct causes *c, const struct doc *object, const struct doc *old)
{
	check_data(c, "data", doc_get(object, "data"));
	check_data(c, "binaryData", doc_get(object, "binaryData"));
	check_frozen(c, object, old, "ConfigMap");
}

void secret_check(struct causes *c, const struct doc *object, const struct doc *old)
{
	check_data(c, "data", doc_get(object, "data"));
	immutable(c, "type", object, old);
	check_frozen(c, object, old, "Secret");
}

/* ---- policies ---- */

void pdb_check(struct causes *c, const struct doc *object, const struct doc *old)
{
	const struct doc *spec = doc_get(object, "spec"), *sel = doc_get(spec, "selector");
	struct selector parsed;
	struct error err = ERROR_INIT;

	(void)old;
	if (doc_get(spec, "minAvailable") && doc_get(spec, "maxUnavailable"))
		cause_invalid(c, "spec", spec,
			      "minAvailable and maxUnavailable cannot be both set");
	if (selector_from_doc(c->arena, sel, &parsed, &err))
		cause_invalid(c, "spec.selector", sel, err.msg);
}

void netpol_check(struct causes *c, const struct doc *object, const struct doc *old)
{
	static const char *const types[] = {"Egress", "Ingress", NULL};
	const struct doc *list = doc_find(object, "spec.policyTypes");

	(void)old;
	for (size_t i = 0; i < doc_len(list); i++)
		one_of(c, AT(c, "spec.policyTypes[%zu]", i), doc_at(list, i), types);
}

/* ---- webhooks, CRDs, bindings ---- */

static void check_webhook(struct causes *c, const char *at, const struct doc *w)
{
	static const char *const side_effects[] = {"None", "NoneOnDryRun", NULL};
	static const char *const policies[] = {"Fail", "Ignore", NULL};
	const struct doc *client = doc_get(w, "clientConfig");
	const struct doc *timeout = doc_get(w, "timeoutSeconds");

	if (str_empty(doc_str(doc_get(w, "name"))))
		cause_required(c, AT(c, "%s.name", at), NULL);
	if (!doc_get(w, "sideEffects"))
		cause_required(c, AT(c, "%s.sideEffects", at),
			       "must specify one of None, NoneOnDryRun");
	one_of(c, AT(c, "%s.sideEffects", at), doc_get(w, "sideEffects"), side_effects);
	one_of(c, AT(c, "%s.failurePolicy", at), doc_get(w, "failurePolicy"), policies);
	if (!doc_len(doc_get(w, "admissionReviewVersions")))
		cause_required(c, AT(c, "%s.admissionReviewVersions", at),
			       "must specify one of v1, v1beta1");
	if (!doc_get(client, "url") == !doc_get(client, "service"))
		cause_required(c, AT(c, "%s.clientConfig", at),
			       "exactly one of url or service is required");
	if (timeout && (timeout->kind != DOC_INT || timeout->integer < 1 || timeout->integer > 30))
		cause_invalid(c, AT(c, "%s.timeoutSeconds", at), timeout,
			      "the timeout value must be between 1 and 30 seconds");
}

void webhooks_check(struct causes *c, const struct doc *object, const struct doc *old)
{
	const struct doc *list = doc_get(object, "webhooks");

	(void)old;
	for (size_t i = 0; i < doc_len(list); i++)
		check_webhook(c, AT(c, "webhooks[%zu]", i), doc_at(list, i));
}

void crd_check(struct causes *c, const struct doc *object, const struct doc *old)
{
	static const char *const scopes[] = {"Cluster", "Namespaced", NULL};
	const char *plural = doc_find_str(object, "spec.names.plural");
	const char *group = doc_find_str(object, "spec.group");
	const char *name = doc_find_str(object, "metadata.name");
	size_t storage = 0;

	if (str_empty(group))
		cause_required(c, "spec.group", NULL);
	if (str_empty(plural))
		cause_required(c, "spec.names.plural", NULL);
	if (str_empty(doc_find_str(object, "spec.names.kind")))
		cause_required(c, "spec.names.kind", NULL);
	if (group && plural && !str_eq(name, AT(c, "%s.%s", plural, group)))
		cause_invalid_str(c, "metadata.name", name,
				  "must be spec.names.plural+\".\"+spec.group");
	if (!doc_find(object, "spec.scope"))
		cause_required(c, "spec.scope", NULL);
	one_of(c, "spec.scope", doc_find(object, "spec.scope"), scopes);
	for (size_t i = 0; i < doc_len(doc_find(object, "spec.versions")); i++) {
		const struct doc *v = doc_at(doc_find(object, "spec.versions"), i);

		storage += doc_bool_or(doc_get(v, "storage"), false);
		if (!doc_find(v, "schema.openAPIV3Schema"))
			cause_required(c, AT(c, "spec.versions[%zu].schema.openAPIV3Schema", i),
				       "schemas are required");
	}
	if (storage != 1)
		cause_invalid(c, "spec.versions", doc_find(object, "spec.versions"),
			      "must have exactly one version marked as storage version");
	if (old) {
		immutable(c, "spec.group", object, old);
		immutable(c, "spec.names.plural", object, old);
		immutable(c, "spec.scope", object, old);
	}
}

void rolebinding_check(struct causes *c, const struct doc *object, const struct doc *old)
{
	const struct doc *now = doc_get(object, "roleRef");

	if (str_empty(doc_str(doc_get(now, "name"))))
		cause_required(c, "roleRef.name", NULL);
	if (old && !doc_equal(now, doc_get(old, "roleRef")))
		cause_invalid(c, "roleRef", now, "cannot change roleRef");
}
