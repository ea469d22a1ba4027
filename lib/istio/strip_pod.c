/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "lib/base/str.h"
#include "lib/istio/inject.h"

/* Containers that injection adds, whichever way it redirects. */
static bool istio_container(const struct doc *c)
{
	static const char *const names[] = {"istio-proxy", "istio-init", "istio-validation",
					    "enable-core-dump"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (str_eq(doc_str(doc_get(c, "name")), names[i]))
			return true;
	return false;
}

static bool listed(const struct doc *list, const char *name)
{
	doc_foreach_item (list, item)
		if (str_eq(doc_str(item), name))
			return true;
	return false;
}

/* The JSON that sits in a string: an annotation or a variable. NULL when there is none. */
static struct doc *embedded(struct arena *a, const char *text)
{
	struct doc *d = NULL;
	struct error err = ERROR_INIT;

	if (!text || doc_read_json(a, text, strlen(text), NULL, &d, &err) < 0)
		return NULL;
	return d;
}

static const struct doc *find_proxy(const struct doc *spec)
{
	static const char *const keys[] = {"containers", "initContainers"};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		doc_foreach_item (doc_get(spec, keys[i]), c)
			if (str_eq(doc_str(doc_get(c, "name")), "istio-proxy"))
				return c;
	return NULL;
}

static struct doc *probers_of(struct arena *a, const struct doc *spec)
{
	doc_foreach_item (doc_get(find_proxy(spec), "env"), e)
		if (str_eq(doc_str(doc_get(e, "name")), "ISTIO_KUBE_APP_PROBERS"))
			return embedded(a, doc_str(doc_get(e, "value")));
	return NULL;
}

static void drop_items(struct doc *parent, const char *key, const struct doc *named)
{
	struct doc *list = doc_get(parent, key);

	for (size_t i = doc_len(list); list && i-- > 0;) {
		const struct doc *item = doc_at(list, i);

		if (named ? listed(named, str_or_empty(doc_str(doc_get(item, "name"))))
			  : istio_container(item))
			doc_remove_at(list, i);
	}
	if (list && doc_len(list) == 0)
		doc_del(parent, key);
}

/* Probes and hooks whose path is one of the rewritten ones get their handler back. */
static void restore_handlers(struct arena *a, struct doc *container, const struct doc *probers)
{
	static const char *const where[] = {"readinessProbe", "livenessProbe", "startupProbe",
					    "lifecycle.preStop", "lifecycle.postStart"};

	for (size_t i = 0; i < ARRAY_SIZE(where); i++) {
		struct doc *handler = doc_find(container, where[i]);
		const char *path = doc_find_str(handler, "httpGet.path");
		const struct doc *was = path ? doc_get(probers, path) : NULL;

		if (!was)
			continue;
		doc_del(handler, "httpGet");
		doc_foreach_entry (was, e)
			doc_set(a, handler, e->key, doc_clone(a, e->value));
	}
}

static void strip_metadata(struct doc *meta)
{
	static const char *const labels[] = {
		"security.istio.io/tlsMode", "service.istio.io/canonical-name",
		"service.istio.io/canonical-revision", "topology.istio.io/network"};
	static const char *const annotations[] = {
		"istio.io/rev",
		"kubectl.kubernetes.io/default-container",
		"kubectl.kubernetes.io/default-logs-container",
		"prometheus.io/path",
		"prometheus.io/port",
		"prometheus.io/scrape",
		"sidecar.istio.io/status",
	};

	for (size_t i = 0; i < ARRAY_SIZE(labels); i++)
		doc_del(doc_get(meta, "labels"), labels[i]);
	for (size_t i = 0; i < ARRAY_SIZE(annotations); i++)
		doc_del(doc_get(meta, "annotations"), annotations[i]);
	if (doc_get(meta, "labels") && doc_len(doc_get(meta, "labels")) == 0)
		doc_del(meta, "labels");
	if (doc_get(meta, "annotations") && doc_len(doc_get(meta, "annotations")) == 0)
		doc_del(meta, "annotations");
}

/* Where istio-cni redirects, the injector writes down what it redirects: its own share goes. */
static void strip_redirection(struct arena *a, struct doc *meta)
{
	static const struct {
		const char *name, *usual;
	} rows[] = {
		{"sidecar.istio.io/interceptionMode", "REDIRECT"},
		{"traffic.sidecar.istio.io/includeInboundPorts", "*"},
		{"traffic.sidecar.istio.io/includeOutboundIPRanges", "*"},
		{"traffic.sidecar.istio.io/excludeInboundPorts", "15020"},
	};
	struct doc *notes = doc_get(meta, "annotations");
	const char *ports;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (str_eq(doc_str(doc_get(notes, rows[i].name)), rows[i].usual))
			doc_del(notes, rows[i].name);
	ports = str_or_empty(doc_str(doc_get(notes, rows[3].name)));
	if (str_ends(ports, ",15020"))
		doc_set_string(a, notes, rows[3].name,
			       arena_strndup(a, ports, strlen(ports) - strlen(",15020")));
}

static bool has_container(const struct doc *list, const char *name)
{
	doc_foreach_item (list, c)
		if (str_eq(doc_str(doc_get(c, "name")), name))
			return true;
	return false;
}

struct doc *istio_strip_pod(struct arena *a, const struct doc *pod)
{
	struct doc *out = doc_clone(a, pod);
	struct doc *spec = doc_get(out, "spec"), *meta = doc_get(out, "metadata");
	const struct doc *probers = probers_of(a, spec);
	const struct doc *status = embedded(
		a, doc_str(doc_get(doc_get(meta, "annotations"), "sidecar.istio.io/status")));

	if (!find_proxy(spec))
		return out;
	if (has_container(doc_get(spec, "initContainers"), "istio-validation"))
		strip_redirection(a, meta);
	drop_items(spec, "containers", NULL);
	drop_items(spec, "initContainers", NULL);
	if (doc_get(status, "volumes"))
		drop_items(spec, "volumes", doc_get(status, "volumes"));
	doc_foreach_item (doc_get(spec, "containers"), c)
		restore_handlers(a, c, probers);
	doc_foreach_item (doc_get(spec, "initContainers"), c)
		restore_handlers(a, c, probers);
	strip_metadata(meta);
	return out;
}
