/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "lib/base/str.h"
#include "lib/istio/inject.h"
#include "lib/istio/redirect.h"

/*
 * The parts of a sidecar that are the same in every pod, as the documents they are. What depends on
 * the pod is set in code below.
 */
static const char init_container[] = "\
name: istio-init\n\
resources:\n\
  limits: {cpu: '2', memory: 1Gi}\n\
  requests: {cpu: 100m, memory: 128Mi}\n\
securityContext:\n\
  allowPrivilegeEscalation: false\n\
  capabilities: {add: [NET_ADMIN, NET_RAW], drop: [ALL]}\n\
  privileged: false\n\
  readOnlyRootFilesystem: false\n\
  runAsGroup: 0\n\
  runAsNonRoot: false\n\
  runAsUser: 0\n";

static const char proxy_container[] = "\
name: istio-proxy\n\
args: [proxy, sidecar, --domain, $(POD_NAMESPACE).svc.cluster.local, --proxyLogLevel=warning,\n\
       '--proxyComponentLogLevel=misc:error', '--log_output_level=default:info']\n\
env:\n\
- {name: PILOT_CERT_PROVIDER, value: istiod}\n\
- {name: CA_ADDR, value: 'istiod.istio-system.svc:15012'}\n\
- {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}\n\
- {name: POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}\n\
- {name: INSTANCE_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}\n\
- {name: SERVICE_ACCOUNT, valueFrom: {fieldRef: {fieldPath: spec.serviceAccountName}}}\n\
- {name: HOST_IP, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}\n\
ports:\n\
- {containerPort: 15090, name: http-envoy-prom, protocol: TCP}\n\
readinessProbe: {failureThreshold: 4, httpGet: {path: /healthz/ready, port: 15021},\n\
                 periodSeconds: 15, timeoutSeconds: 3}\n\
startupProbe: {failureThreshold: 600, httpGet: {path: /healthz/ready, port: 15021},\n\
               periodSeconds: 1, timeoutSeconds: 3}\n\
resources:\n\
  limits: {cpu: '2', memory: 1Gi}\n\
  requests: {cpu: 100m, memory: 128Mi}\n\
securityContext:\n\
  allowPrivilegeEscalation: false\n\
  capabilities: {drop: [ALL]}\n\
  privileged: false\n\
  readOnlyRootFilesystem: true\n\
  runAsGroup: 1337\n\
  runAsNonRoot: true\n\
  runAsUser: 1337\n\
volumeMounts:\n\
- {mountPath: /var/run/secrets/workload-spiffe-uds, name: workload-socket}\n\
- {mountPath: /var/run/secrets/credential-uds, name: credential-socket}\n\
- {mountPath: /var/run/secrets/workload-spiffe-credentials, name: workload-certs}\n\
- {mountPath: /var/run/secrets/istio, name: istiod-ca-cert}\n\
- {mountPath: /var/run/secrets/istio/crl, name: istio-ca-crl}\n\
- {mountPath: /var/lib/istio/data, name: istio-data}\n\
- {mountPath: /etc/istio/proxy, name: istio-envoy}\n\
- {mountPath: /var/run/secrets/tokens, name: istio-token}\n\
- {mountPath: /etc/istio/pod, name: istio-podinfo}\n";

static const char volumes[] = "\
- {name: workload-socket, emptyDir: {}}\n\
- {name: credential-socket, emptyDir: {}}\n\
- {name: workload-certs, emptyDir: {}}\n\
- {name: istio-envoy, emptyDir: {medium: Memory}}\n\
- {name: istio-data, emptyDir: {}}\n\
- name: istio-podinfo\n\
  downwardAPI:\n\
    items:\n\
    - {fieldRef: {fieldPath: metadata.labels}, path: labels}\n\
    - {fieldRef: {fieldPath: metadata.annotations}, path: annotations}\n\
- name: istio-token\n\
  projected:\n\
    sources:\n\
    - serviceAccountToken: {audience: istio-ca, expirationSeconds: 43200, path: istio-token}\n\
- {name: istiod-ca-cert, configMap: {name: istio-ca-root-cert}}\n\
- {name: istio-ca-crl, configMap: {name: istio-ca-crl, optional: true}}\n";

/* Drains through the proxy itself: the native form outlives the application's containers. */
static const char native_lifecycle[] = "\
preStop: {exec: {command: [pilot-agent, request, --debug-port=15020, POST, drain]}}\n";

static struct doc *parse(struct arena *a, const char *yaml)
{
	struct doc_stream stream = {0};
	struct error err = ERROR_INIT;

	if (doc_read_yaml(a, yaml, strlen(yaml), "template", &stream, &err) < 0 || stream.n == 0)
		return doc_map(a); /* our own text: a unit test reads every template */
	return stream.docs[0];
}

struct injecting {
	struct arena *arena;
	struct doc *pod, *meta, *spec;
	const char *ns, *workload;
	const struct istio_inject_options *options;
	struct doc *probers; /* path -> original handler */
};

static void add_env(struct injecting *in, struct doc *container, const char *name,
		    const char *value)
{
	struct doc *env = doc_append(in->arena, doc_set_list(in->arena, container, "env"),
				     doc_map(in->arena));

	doc_set_string(in->arena, env, "name", name);
	doc_set_string(in->arena, env, "value", value);
}

static const char *json(struct arena *a, const struct doc *d)
{
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;

	doc_write_json(d, DOC_COMPACT, &out);
	return arena_strdup(a, strbuf_cstr(&out));
}

/* --- probes ------------------------------------------------------------------------------- */

static const struct {
	const char *probe, *word;
} probes[] = {
	{"readinessProbe", "readyz"},
	{"livenessProbe", "livez"},
	{"startupProbe", "startupz"},
};

/* A port by number: names are the container's own, which the proxy does not know. */
static struct doc *resolved_port(struct injecting *in, const struct doc *container,
				 const struct doc *port)
{
	const char *name = doc_str(port);

	if (!name)
		return doc_clone(in->arena, port);
	doc_foreach_item (doc_get(container, "ports"), p)
		if (str_eq(doc_str(doc_get(p, "name")), name))
			return doc_clone(in->arena, doc_get(p, "containerPort"));
	return doc_string(in->arena, name);
}

/* The kubelet's HTTP probe is sent to the proxy's side, which repeats it to the application. */
static void rewrite_probe(struct injecting *in, struct doc *container, size_t i)
{
	struct doc *get = doc_find(doc_get(container, probes[i].probe), "httpGet");
	const char *name = doc_str(doc_get(container, "name"));
	struct doc *original;
	const char *path;

	if (!get || !name || doc_int_or(doc_get(get, "port"), 0) == ISTIO_PORT_HEALTH)
		return;
	path = arena_printf(in->arena, "/app-health/%s/%s", name, probes[i].word);
	original = doc_clone(in->arena, get);
	doc_set(in->arena, original, "port", resolved_port(in, container, doc_get(get, "port")));
	doc_set(in->arena, doc_set_map(in->arena, in->probers, path), "httpGet", original);
	doc_set_string(in->arena, get, "path", path);
	doc_set_int(in->arena, get, "port", ISTIO_PORT_AGENT);
	doc_del(get, "scheme");
	doc_del(get, "host");
}

static void rewrite_probes(struct injecting *in, struct doc *containers)
{
	const char *off = doc_str(doc_get(doc_get(in->meta, "annotations"),
					  "sidecar.istio.io/rewriteAppHTTPProbers"));

	if (str_eq(off, "false"))
		return;
	doc_foreach_item (containers, c) {
		if (str_eq(doc_str(doc_get(c, "name")), "istio-proxy"))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(probes); i++)
			rewrite_probe(in, c, i);
	}
}

/* --- containers --------------------------------------------------------------------------- */

static struct strmap annotations_of(struct injecting *in)
{
	const struct doc *d = doc_get(in->meta, "annotations");
	struct strmap m = {.items = arena_array(in->arena, doc_len(d) + 1, struct strmap_pair)};

	doc_foreach_entry (d, e) {
		m.items[m.n].key = e->key;
		m.items[m.n++].value = str_or_empty(doc_str(e->value));
	}
	/* strmap_get searches a sorted map. */
	for (size_t i = 1; i < m.n; i++)
		for (size_t j = i; j > 0 && strcmp(m.items[j - 1].key, m.items[j].key) > 0; j--) {
			struct strmap_pair swap = m.items[j];

			m.items[j] = m.items[j - 1];
			m.items[j - 1] = swap;
		}
	return m;
}

static struct doc *make_init(struct injecting *in)
{
	struct doc *c = parse(in->arena, init_container);
	struct strmap annotations = annotations_of(in);
	struct istio_redirect redirect;
	struct strings args;

	istio_redirect_from_annotations(in->arena, &annotations, &redirect);
	args = istio_redirect_args(in->arena, &redirect);
	for (size_t i = 0; i < args.n; i++)
		doc_append(in->arena, doc_set_list(in->arena, c, "args"),
			   doc_string(in->arena, args.items[i]));
	doc_set_string(in->arena, c, "image",
		       in->options->init_image ? in->options->init_image
					       : in->options->proxy_image);
	return c;
}

/* Names of the application's containers, and their ports as the proxy is told them. */
static void describe_app(struct injecting *in, struct doc *proxy)
{
	auto_release(strbuf) struct strbuf names = STRBUF_INIT;
	struct doc *ports = doc_list(in->arena);

	doc_foreach_item (doc_get(in->spec, "containers"), c) {
		strbuf_addf(&names, "%s%s", names.len ? "," : "",
			    str_or_empty(doc_str(doc_get(c, "name"))));
		doc_foreach_item (doc_get(c, "ports"), p)
			doc_append(in->arena, ports, doc_clone(in->arena, p));
	}
	add_env(in, proxy, "ISTIO_META_POD_PORTS", json(in->arena, ports));
	add_env(in, proxy, "ISTIO_META_APP_CONTAINERS", strbuf_cstr(&names));
}

static struct doc *make_proxy(struct injecting *in)
{
	struct doc *c = parse(in->arena, proxy_container);
	const char *trust_domain = in->options->trust_domain;

	doc_set_string(in->arena, c, "image", in->options->proxy_image);
	if (!in->options->classic) {
		doc_set_string(in->arena, c, "restartPolicy", "Always");
		doc_set(in->arena, c, "lifecycle", parse(in->arena, native_lifecycle));
	}
	add_env(in, c, "PROXY_CONFIG",
		in->options->mesh_config ? in->options->mesh_config : "{}\n");
	describe_app(in, c);
	add_env(in, c, "ISTIO_META_CLUSTER_ID", "Kubernetes");
	add_env(in, c, "ISTIO_META_INTERCEPTION_MODE", "REDIRECT");
	add_env(in, c, "ISTIO_META_WORKLOAD_NAME", in->workload);
	add_env(in, c, "ISTIO_META_MESH_ID", "cluster.local");
	add_env(in, c, "TRUST_DOMAIN", trust_domain ? trust_domain : "cluster.local");
	if (doc_len(in->probers) > 0)
		add_env(in, c, "ISTIO_KUBE_APP_PROBERS", json(in->arena, in->probers));
	return c;
}

/* What Istio's own containers come before. */
static void prepend(struct injecting *in, const char *key, struct doc *const *items, size_t n)
{
	struct doc *list = doc_list(in->arena);

	for (size_t i = 0; i < n; i++)
		doc_append(in->arena, list, items[i]);
	doc_foreach_item (doc_get(in->spec, key), old)
		doc_append(in->arena, list, old);
	doc_set(in->arena, in->spec, key, list);
}

static bool holds_application(struct injecting *in)
{
	const char *config =
		doc_str(doc_get(doc_get(in->meta, "annotations"), "proxy.istio.io/config"));

	return config && strstr(config, "holdApplicationUntilProxyStarts: true");
}

static void add_containers(struct injecting *in)
{
	struct doc *init = make_init(in), *proxy = make_proxy(in);
	struct doc *both[] = {init, proxy};

	if (!in->options->classic) {
		/* The proxy is up before any other init container, and until the pod is gone. */
		prepend(in, "initContainers", both, ARRAY_SIZE(both));
		return;
	}
	doc_append(in->arena, doc_set_list(in->arena, in->spec, "initContainers"), init);
	if (holds_application(in))
		prepend(in, "containers", &proxy, 1);
	else
		doc_append(in->arena, doc_set_list(in->arena, in->spec, "containers"), proxy);
}

static void add_volumes(struct injecting *in)
{
	struct doc *own = parse(in->arena, volumes);

	doc_foreach_item (own, v)
		doc_append(in->arena, doc_set_list(in->arena, in->spec, "volumes"), v);
}

/* --- metadata ----------------------------------------------------------------------------- */

/* A label or annotation that a user wrote stays. */
static void set_absent(struct injecting *in, struct doc *map, const char *key, const char *value)
{
	if (!doc_get(map, key))
		doc_set_string(in->arena, map, key, value);
}

static void add_labels(struct injecting *in)
{
	struct doc *labels = doc_set_map(in->arena, in->meta, "labels");
	const char *name = doc_str(doc_get(labels, "app.kubernetes.io/name"));
	const char *version = doc_str(doc_get(labels, "app.kubernetes.io/version"));

	if (!name)
		name = doc_str(doc_get(labels, "app"));
	if (!version)
		version = doc_str(doc_get(labels, "version"));
	set_absent(in, labels, "security.istio.io/tlsMode", "istio");
	set_absent(in, labels, "service.istio.io/canonical-name", name ? name : in->workload);
	set_absent(in, labels, "service.istio.io/canonical-revision", version ? version : "latest");
}

static struct doc *status_of(struct injecting *in)
{
	struct doc *status = doc_map(in->arena), *own = parse(in->arena, volumes);
	struct doc *init = doc_set_list(in->arena, status, "initContainers");

	doc_append(in->arena, init, doc_string(in->arena, "istio-init"));
	doc_append(in->arena,
		   in->options->classic ? doc_set_list(in->arena, status, "containers") : init,
		   doc_string(in->arena, "istio-proxy"));
	if (!in->options->classic)
		doc_set(in->arena, status, "containers", doc_null(in->arena));
	doc_foreach_item (own, v)
		doc_append(in->arena, doc_set_list(in->arena, status, "volumes"),
			   doc_clone(in->arena, doc_get(v, "name")));
	doc_set(in->arena, status, "imagePullSecrets", doc_null(in->arena));
	doc_set_string(in->arena, status, "revision", in->options->revision);
	return status;
}

static void add_annotations(struct injecting *in)
{
	struct doc *map = doc_set_map(in->arena, in->meta, "annotations");
	const char *first = doc_str(doc_find(doc_at(doc_get(in->spec, "containers"), 0), "name"));

	doc_set_string(in->arena, map, "istio.io/rev", in->options->revision);
	set_absent(in, map, "kubectl.kubernetes.io/default-container", first);
	set_absent(in, map, "kubectl.kubernetes.io/default-logs-container", first);
	doc_set_string(in->arena, map, "prometheus.io/path", "/stats/prometheus");
	doc_set_string(in->arena, map, "prometheus.io/port", "15020");
	doc_set_string(in->arena, map, "prometheus.io/scrape", "true");
	doc_set_string(in->arena, map, "sidecar.istio.io/status", json(in->arena, status_of(in)));
}

struct doc *istio_inject_pod(struct arena *a, const struct doc *pod, const char *ns,
			     const char *workload, const struct istio_inject_options *o)
{
	struct injecting in = {
		.arena = a,
		.pod = doc_clone(a, pod),
		.ns = ns,
		.workload = workload,
		.options = o,
		.probers = doc_map(a),
	};

	in.meta = doc_set_map(a, in.pod, "metadata");
	in.spec = doc_set_map(a, in.pod, "spec");
	if (istio_sidecar_form_of(in.spec) != SIDECAR_NONE)
		return in.pod;
	rewrite_probes(&in, doc_get(in.spec, "containers"));
	rewrite_probes(&in, doc_get(in.spec, "initContainers"));
	add_annotations(&in);
	add_labels(&in);
	add_containers(&in);
	add_volumes(&in);
	return in.pod;
}

struct doc *istio_inject_patch(struct arena *a, const struct doc *pod, const char *ns,
			       const char *workload, const struct istio_inject_options *o)
{
	static const char *const parts[] = {"metadata", "spec"};
	struct doc *injected = istio_inject_pod(a, pod, ns, workload, o);
	struct doc *patch = doc_list(a);

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		const struct doc *now = doc_get(injected, parts[i]);
		struct doc *op;

		if (doc_equal(now, doc_get(pod, parts[i])))
			continue;
		op = doc_append(a, patch, doc_map(a));
		doc_set_string(a, op, "op", doc_get(pod, parts[i]) ? "replace" : "add");
		doc_setf(a, op, "path", "/%s", parts[i]);
		doc_set(a, op, "value", doc_clone(a, now));
	}
	return doc_len(patch) > 0 ? patch : NULL;
}
