/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/migrate/stand_in.h"

#include <string.h>
#include <unistd.h>

#include "lib/base/base64.h"
#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/http/tls.h"
#include "lib/istio/inject.h"
#include "lib/object/canonical.h"
#include "lib/object/sidestep.h"
#include "migrate/probe.h"
#include "tests/support/test.h"

#define NAMESPACE "ledger"
#define NODE      "node-1"
#define STAMP     "stand-in/stamp"

static const char *source_file(struct arena *a, const char *path)
{
	const char *source = getenv("SIDESTEP_SOURCE_DIR");

	return arena_printf(a, "%s/%s", source ? source : ".", path);
}

static const char *base64(struct arena *a, const void *data, size_t n)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	base64_encode(data, n, &sb);
	return arena_strdup(a, strbuf_cstr(&sb));
}

#define must(call, err)                                                                            \
	do {                                                                                       \
		if ((call) < 0)                                                                    \
			fail_msg("%s: %s", #call, (err).msg);                                      \
	} while (0)

/* --- the injector: the real patch, behind the real webhook --- */

static void admit(void *arg, struct http_exchange *x)
{
	static const struct istio_inject_options options = {
		.revision = "default", .proxy_image = "proxyv2:1", .trust_domain = "cluster.local"};
	const struct http_view *v = http_view(x);
	auto_release(arena) struct arena a = ARENA_INIT;
	auto_release(strbuf) struct strbuf patch = STRBUF_INIT;
	auto_release(strbuf) struct strbuf body = STRBUF_INIT;
	struct doc *review, *answer = doc_map(&a), *response, *made = NULL;

	(void)arg;
	if (doc_read_json(&a, v->body, v->body_size, NULL, &review, NULL)) {
		http_reply(x, 400, NULL, NULL, 0);
		return;
	}
	if (!str_eq(kube_label(doc_find(review, "request.object"), "sidecar.istio.io/inject"),
		    "false"))
		made = istio_inject_patch(&a, doc_find(review, "request.object"), NAMESPACE, "w",
					  &options);
	doc_set_string(&a, answer, "apiVersion", "admission.k8s.io/v1");
	doc_set_string(&a, answer, "kind", "AdmissionReview");
	response = doc_set_map(&a, answer, "response");
	doc_set_string(&a, response, "uid", doc_find_str(review, "request.uid"));
	doc_set_bool(&a, response, "allowed", true);
	if (made) {
		doc_write_json(made, DOC_COMPACT, &patch);
		doc_set_string(&a, response, "patchType", "JSONPatch");
		doc_set_string(&a, response, "patch", base64(&a, patch.buf, patch.len));
	}
	doc_write_json(answer, DOC_COMPACT, &body);
	http_reply(x, 200, "application/json", body.buf, body.len);
}

static void webhook(struct stand_in *w, uint16_t port, const char *ca)
{
	static const char text[] =
		"{\"apiVersion\": \"admissionregistration.k8s.io/v1\","
		" \"kind\": \"MutatingWebhookConfiguration\","
		" \"metadata\": {\"name\": \"istio-sidecar-injector\"}, \"webhooks\": [{"
		"  \"name\": \"namespace.sidecar-injector.istio.io\","
		"  \"admissionReviewVersions\": [\"v1\"], \"sideEffects\": \"None\","
		"  \"namespaceSelector\": {\"matchLabels\": {\"istio-injection\": \"enabled\"}},"
		"  \"rules\": [{\"operations\": [\"CREATE\"], \"apiGroups\": [\"\"],"
		"   \"apiVersions\": [\"v1\"], \"resources\": [\"pods\"]}]}]}";
	struct error err = ERROR_INIT;
	struct doc *d, *config;

	must(doc_read_json(&w->arena, text, strlen(text), NULL, &d, &err), err);
	config = doc_set_map(&w->arena, doc_find(d, "webhooks[0]"), "clientConfig");
	doc_setf(&w->arena, config, "url", "https://127.0.0.1:%u/inject", port);
	doc_set_string(&w->arena, config, "caBundle", base64(&w->arena, ca, strlen(ca)));
	must(kube_create(w->cluster.client, &w->arena, object_kind(KIND_MUTATING_WEBHOOK), d, NULL,
			 &err),
	     err);
}

static void start_injector(struct stand_in *w)
{
	static const char *const here[] = {"127.0.0.1", NULL};
	const struct http_server_options options = {.handle = admit, .arg = w};
	struct tls_request request = {.common_name = "injector",
				      .ip = here,
				      .server = true,
				      .not_before_wall_ns = clock_wall_ns(clock_system())};
	struct tls_pair ca, pair;
	struct http_server_tls tls;
	struct error err = ERROR_INIT;
	uint16_t port;

	must(tls_authority(&request, &ca, &err), err);
	must(tls_sign(&ca, &request, &pair, &err), err);
	tls = (struct http_server_tls){.cert_pem = pair.cert_pem, .key_pem = pair.key_pem};
	w->injector = http_server_new(w->loop, &options);
	must(http_server_listen(w->injector, "127.0.0.1", 0, &tls, &port, &err), err);
	webhook(w, port, ca.cert_pem);
	tls_pair_release(&ca);
	tls_pair_release(&pair);
}

/* --- the beginning --- */

static void apply_file(struct stand_in *w, const char *path)
{
	struct error err = ERROR_INIT;
	struct doc_stream s;

	must(doc_read_file(&w->arena, source_file(&w->arena, path), &s, &err), err);
	for (size_t i = 0; i < s.n; i++) {
		const struct object_kind *k = object_kind_of(s.docs[i]);

		if (k)
			must(kube_create(w->cluster.client, &w->arena, k, s.docs[i], NULL, &err),
			     err);
	}
}

static void start_server(struct stand_in *w)
{
	const struct apiserver_options options = {.no_garbage_collection = true};
	const char *path = arena_printf(&w->arena, "%s/kubeconfig", w->dir);
	struct error err = ERROR_INIT;
	uint16_t port;

	must(apiserver_new(w->loop, &options, &w->server, &err), err);
	must(apiserver_listen(w->server, "127.0.0.1", 0, &port, &err), err);
	must(apiserver_write_kubeconfig(w->server, "admin", "system:masters",
					arena_printf(&w->arena, "https://127.0.0.1:%u", port), path,
					&err),
	     err);
}

struct cluster stand_in_cluster(struct stand_in *w)
{
	const char *path = arena_printf(&w->arena, "%s/kubeconfig", w->dir);
	struct kube_config_options where = {.kubeconfig = path};
	struct kube_config config;
	struct error err = ERROR_INIT;

	must(kube_config_load(&w->arena, &where, &config, &err), err);
	return (struct cluster){.loop = w->loop,
				.client = kube_client_new(w->loop, &config, NULL),
				.clock = &w->clock.clock,
				.fake = &w->clock};
}

static void put_node(struct stand_in *w)
{
	struct error err = ERROR_INIT;
	struct doc *d = kube_object_new(&w->arena, object_kind(KIND_SIDESTEP_NODE), NULL, NODE);

	must(kube_create(w->cluster.client, &w->arena, object_kind(KIND_SIDESTEP_NODE), d, NULL,
			 &err),
	     err);
}

void stand_in_new(struct stand_in *w)
{
	static const char *const files[] = {
		"deploy/crds/cilium.yaml",
		"deploy/crds/sidestep.yaml",
		"deploy/lab/istio/00-crds.yaml",
		"tests/unit/migrate/world/objects.yaml",
	};

	*w = (struct stand_in){.dir = "/tmp/sidestep-migrate-XXXXXX"};
	assert_non_null(mkdtemp(w->dir));
	fake_clock_init(&w->clock, clock_wall_ns(clock_system()));
	w->loop = loop_new(&w->clock.clock);
	start_server(w);
	w->cluster = stand_in_cluster(w);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		apply_file(w, files[i]);
	start_injector(w);
	put_node(w);
	stand_in_tick(w);
}

void stand_in_free(struct stand_in *w)
{
	kube_client_free(w->cluster.client);
	http_server_free(w->injector);
	apiserver_free(w->server);
	loop_free(w->loop);
	io_remove_tree(w->dir, NULL);
	arena_release(&w->arena);
}

struct doc *stand_in_get(struct stand_in *w, struct arena *a, const struct object_kind *kind,
			 const char *ns, const char *name)
{
	struct error err = ERROR_INIT;
	struct doc *d = NULL;

	must(cluster_get(&w->cluster, a, kind, ns, name, &d, &err), err);
	return d;
}

void stand_in_remove(struct stand_in *w, const struct object_kind *kind, const char *ns,
		     const char *name)
{
	struct kube_request request = {
		.verb = KUBE_DELETE, .kind = kind, .namespace_ = ns, .name = name};
	auto_release(arena) struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;

	must(cluster_do(&w->cluster, &request, &a, NULL, &err), err);
}

void stand_in_remove_node(struct stand_in *w)
{
	stand_in_remove(w, object_kind(KIND_SIDESTEP_NODE), NULL, NODE);
}

void stand_in_create(struct stand_in *w, const struct doc *object)
{
	struct error err = ERROR_INIT;

	must(kube_create(w->cluster.client, &w->arena, object_kind_of(object), object, NULL, &err),
	     err);
}

static void patch_object(struct stand_in *w, const struct object_kind *kind, const char *ns,
			 const char *name, const char *subresource, const struct doc *patch)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;

	must(kube_patch(w->cluster.client, &a, kind, ns, name, subresource, KUBE_PATCH_MERGE, patch,
			NULL, &err),
	     err);
}

void stand_in_patch(struct stand_in *w, const struct object_kind *kind, const char *ns,
		    const char *name, const char *json)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;
	struct doc *patch;

	must(doc_read_json(&a, json, strlen(json), NULL, &patch, &err), err);
	patch_object(w, kind, ns, name, NULL, patch);
}

/* The list is evaluated once: doc_foreach_item() asks for its argument again and again. */
#define foreach_object(w, a, kind, ns, it)                                                         \
	for (struct doc *it##_list = list_of((w), (a), (kind), (ns)); it##_list; it##_list = NULL) \
		doc_foreach_item (it##_list, it)

static struct doc *list_of(struct stand_in *w, struct arena *a, enum object_kind_id kind,
			   const char *ns)
{
	struct error err = ERROR_INIT;
	struct doc *list;

	must(cluster_list(&w->cluster, a, object_kind(kind), ns, &list, &err), err);
	return list;
}

/* --- pods --- */

static const char *template_stamp(const struct doc *deployment)
{
	return str_or_empty(doc_find_str(
		deployment, "spec.template.metadata.annotations['" RESTART_ANNOTATION "']"));
}

static void make_ready(struct stand_in *w, struct arena *a, const char *name)
{
	static const char json[] =
		"{\"status\": {\"phase\": \"Running\", \"podIP\": \"10.9.8.7\", "
		"\"conditions\": [{\"type\": \"Ready\", \"status\": \"True\"}]}}";
	struct error err = ERROR_INIT;
	struct doc *patch;

	must(doc_read_json(a, json, strlen(json), NULL, &patch, &err), err);
	patch_object(w, object_kind(KIND_POD), NAMESPACE, name, "status", patch);
}

static void make_pod(struct stand_in *w, struct arena *a, const struct doc *deployment)
{
	struct error err = ERROR_INIT;
	struct doc *pod = doc_clone(a, doc_find(deployment, "spec.template"));
	struct doc *meta = doc_set_map(a, pod, "metadata");
	const char *name = arena_printf(a, "%s-%u", kube_name(deployment), ++w->pods_made);

	doc_set_string(a, pod, "apiVersion", "v1");
	doc_set_string(a, pod, "kind", "Pod");
	doc_set_string(a, meta, "name", name);
	doc_set_string(a, meta, "namespace", NAMESPACE);
	doc_set_string(a, doc_set_map(a, meta, "annotations"), STAMP, template_stamp(deployment));
	/* The stand-in has no ReplicaSets in between: the Deployment itself is the owner. */
	kube_set_controller(a, pod, object_kind(KIND_DEPLOYMENT), deployment);
	must(kube_create(w->cluster.client, a, object_kind(KIND_POD), pod, NULL, &err), err);
	make_ready(w, a, name);
}

static void remove_pod(struct stand_in *w, const struct doc *pod)
{
	struct kube_request request = {.verb = KUBE_DELETE,
				       .kind = object_kind(KIND_POD),
				       .namespace_ = NAMESPACE,
				       .name = kube_name(pod),
				       .with_grace = true};
	auto_release(arena) struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;

	must(cluster_do(&w->cluster, &request, &a, NULL, &err), err);
}

static bool owned_by(const struct doc *pod, const struct doc *deployment)
{
	return str_eq(doc_find_str(kube_controller(pod), "name"), kube_name(deployment));
}

static void roll(struct stand_in *w, struct arena *a, const struct doc *deployment)
{
	struct doc *status = doc_map(a), *s = doc_set_map(a, status, "status");
	int64_t want = doc_find_int(deployment, "spec.replicas", 1), have = 0;

	foreach_object (w, a, KIND_POD, NAMESPACE, pod) {
		if (!owned_by(pod, deployment))
			continue;
		if (have < want &&
		    str_eq(str_or_empty(kube_annotation(pod, STAMP)), template_stamp(deployment)))
			have++;
		else
			remove_pod(w, pod);
	}
	for (; have < want; have++)
		make_pod(w, a, deployment);
	doc_set_int(a, s, "observedGeneration", doc_find_int(deployment, "metadata.generation", 0));
	doc_set_int(a, s, "replicas", want);
	doc_set_int(a, s, "updatedReplicas", want);
	doc_set_int(a, s, "readyReplicas", want);
	doc_set_int(a, s, "availableReplicas", want);
	patch_object(w, object_kind(KIND_DEPLOYMENT), NAMESPACE, kube_name(deployment), "status",
		     status);
}

static void keep_budgets(struct stand_in *w, struct arena *a)
{
	foreach_object (w, a, KIND_POD_DISRUPTION_BUDGET, NAMESPACE, b) {
		struct doc *status = doc_map(a), *s = doc_set_map(a, status, "status");

		doc_set_int(a, s, "disruptionsAllowed", 1);
		doc_set_int(a, s, "expectedPods", 2);
		doc_set_int(a, s, "currentHealthy", 2);
		doc_set_int(a, s, "desiredHealthy", 1);
		doc_set_int(a, s, "observedGeneration", doc_find_int(b, "metadata.generation", 0));
		patch_object(w, object_kind(KIND_POD_DISRUPTION_BUDGET), NAMESPACE, kube_name(b),
			     "status", status);
	}
}

/* --- probe pods --- */

/* What `sidestep-migrate probe` would leave in a world where all is well, but for the fault. */
static struct doc *probe_findings(struct stand_in *w, struct arena *a, const struct doc *pod)
{
	bool sidecar = istio_sidecar_form_of(doc_get(pod, "spec")) != SIDECAR_NONE;
	struct doc *d = doc_map(a), *late;
	auto_release(strbuf) struct strbuf marks = STRBUF_INIT;
	char mark[PROBE_MARK_LEN + 1];
	int64_t asked = 0;

	doc_set_string(a, d, "schema", PROBE_SCHEMA);
	if (w->probe ==
	    (kube_label(pod, "sidecar.istio.io/inject") ? PROBE_IS_INJECTED : PROBE_CONTRADICTS))
		sidecar = !sidecar;
	doc_set_string(a, d, "sidecar", sidecar ? "answers" : "none");
	late = doc_set_list(a, d, "late");
	probe_mark((uint64_t)w->took_ms, mark);
	doc_foreach_item (doc_find(pod, "spec.containers"), c)
		doc_foreach_item (doc_get(c, "command"), word) {
			const char *target = strchr(str_or_empty(doc_str(word)), '=');
			const char *not_this = strchr(str_or_empty(doc_str(word)), '@');

			if (!target || !str_eq(doc_find_str(c, "name"), PROBE_CONTAINER))
				continue;
			strbuf_adds(&marks, mark);
			if ((!asked++ && w->probe == PROBE_LATE_SIDECAR) ||
			    (not_this && str_eq(not_this + 1, mark)))
				doc_set_string(a, doc_append(a, late, doc_map(a)), "pod",
					       arena_strndup(a, doc_str(word),
							     (size_t)(target - doc_str(word))));
		}
	doc_set_int(a, d, "asked", asked);
	doc_set_string(a, d, "marks", strbuf_cstr(&marks));
	doc_set_int(a, d, "taken", asked - (int64_t)doc_len(late) - (w->probe == PROBE_MISCOUNTS));
	return d;
}

static void end_probe(struct stand_in *w, struct arena *a, const struct doc *pod)
{
	struct doc *status = doc_map(a), *s = doc_set_map(a, status, "status"), *c, *ended;
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;

	doc_set_string(a, s, "phase", "Succeeded");
	c = doc_append(a, doc_set_list(a, s, "containerStatuses"), doc_map(a));
	doc_set_string(a, c, "name", PROBE_CONTAINER);
	ended = doc_set_map(a, doc_set_map(a, c, "state"), "terminated");
	doc_set_int(a, ended, "exitCode", 0);
	doc_write_json(probe_findings(w, a, pod), DOC_COMPACT, &text);
	if (w->probe == PROBE_GARBAGE)
		doc_set_string(a, ended, "message", "{\"sidecar\": \"none\"}");
	else if (w->probe != PROBE_WORDLESS)
		doc_set_string(a, ended, "message", strbuf_cstr(&text));
	patch_object(w, object_kind(KIND_POD), NAMESPACE, kube_name(pod), "status", status);
}

/* Sidecars take what istiod makes of changed rules, by their own clocks. */
static void push(struct stand_in *w, struct arena *a)
{
	auto_release(strbuf) struct strbuf rules = STRBUF_INIT;

	foreach_object (w, a, KIND_DESTINATION_RULE, NAMESPACE, d)
		doc_write_json(doc_get(d, "spec"), DOC_COMPACT, &rules);
	if (w->probe == PROBE_LATE_SINCE || str_eq(w->rules, strbuf_cstr(&rules)))
		return;
	w->rules = arena_strdup(&w->arena, strbuf_cstr(&rules));
	w->took_ms = (clock_wall_ns(&w->clock.clock) + w->skew_ns) / (int64_t)NS_PER_MS;
}

static void run_probes(struct stand_in *w, struct arena *a)
{
	foreach_object (w, a, KIND_POD, NAMESPACE, pod) {
		if (!kube_label(pod, PROBE_LABEL))
			continue;
		if (kube_deleting(pod))
			remove_pod(w, pod);
		else if (w->probe != PROBE_NEVER_ENDS)
			end_probe(w, a, pod);
	}
}

/* --- the agent --- */

static int64_t identity_of(const struct doc *pod)
{
	return str_eq(kube_label(pod, "app"), "books") ? 1001 : 1002;
}

static void publish_endpoint(struct arena *a, struct doc *list, const struct doc *pod, bool audit)
{
	struct doc *e = doc_append(a, list, doc_map(a));

	doc_set_string(a, e, "namespace", kube_namespace(pod));
	doc_set_string(a, e, "pod", kube_name(pod));
	doc_set_int(a, e, "identity", identity_of(pod));
	doc_set_string(a, e, "state", "ready");
	doc_set_bool(a, e, "audit", audit);
	doc_set_bool(a, e, "sidecar", istio_sidecar_form_of(doc_get(pod, "spec")) != SIDECAR_NONE);
}

static void put_counter(struct arena *a, struct doc *c, int64_t source, int64_t port,
			const char *verdict, int64_t count)
{
	doc_set_int(a, c, "source", source);
	doc_set_int(a, c, "destination", 1001);
	doc_set_int(a, c, "port", port);
	doc_set_string(a, c, "protocol", "TCP");
	doc_set_string(a, c, "verdict", verdict);
	doc_set_int(a, c, "count", count);
}

static void publish(struct stand_in *w, struct arena *a, bool audit)
{
	struct doc *status = doc_map(a), *s = doc_set_map(a, status, "status"), *list, *c;
	struct doc *counters = doc_set_list(a, s, "counters");
	bool falters = w->agent_falters && audit && ++w->looks % 3 == 0;
	char when[CLOCK_RFC3339_SIZE];

	if (falters)
		w->refused += w->refuses_faltering;
	doc_set_bool(a, s, "ready", !falters);
	if (!w->agent_stale)
		doc_set_string(
			a, s, "updated",
			clock_rfc3339(clock_wall_ns(&w->clock.clock) + w->agent_skew_ns, 3, when));
	doc_set_string(a, s, "countersEpoch", arena_printf(a, "%u", w->epoch));
	list = doc_set_list(a, s, "endpoints");
	foreach_object (w, a, KIND_POD, NAMESPACE, pod)
		publish_endpoint(a, list, pod, audit);
	c = w->agent_forgets ? doc_map(a) : doc_append(a, counters, doc_map(a));
	put_counter(a, c, 1002, w->refused_port ? w->refused_port : 8080,
		    audit ? "audit" : "dropped", w->refused);
	if (w->scanned)
		put_counter(a, doc_append(a, counters, doc_map(a)), 1003, COUNTER_PORT_MANY,
			    "dropped", w->scanned);
	patch_object(w, object_kind(KIND_SIDESTEP_NODE), NULL, NODE, "status", status);
}

static bool answer_requests(struct stand_in *w, struct arena *a)
{
	bool audit = false;

	foreach_object (w, a, KIND_SIDESTEP_REQUEST, NULL, r) {
		struct doc *status = doc_map(a), *n;

		if (!str_eq(doc_find_str(r, "spec.kind"), "Audit"))
			continue;
		audit = true;
		n = doc_append(a, doc_set_list(a, doc_set_map(a, status, "status"), "nodes"),
			       doc_map(a));
		doc_set_string(a, n, "node", NODE);
		doc_set_string(a, n, "state", "active");
		patch_object(w, object_kind(KIND_SIDESTEP_REQUEST), NULL, kube_name(r), "status",
			     status);
	}
	return audit;
}

void stand_in_tick(struct stand_in *w)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	bool audit;

	foreach_object (w, &a, KIND_DEPLOYMENT, NAMESPACE, d)
		roll(w, &a, d);
	keep_budgets(w, &a);
	push(w, &a);
	run_probes(w, &a);
	audit = answer_requests(w, &a);
	if (!w->agent_silent)
		publish(w, &a, audit);
}

/* --- the state as text --- */

static void write_object(struct arena *a, const struct doc *object, struct strbuf *out)
{
	struct doc *d = object_canonical(a, object);
	struct doc *annotations = doc_find(d, "spec.template.metadata.annotations");

	doc_del(annotations, RESTART_ANNOTATION);
	if (annotations && !doc_len(annotations))
		doc_del(doc_find(d, "spec.template.metadata"), "annotations");
	doc_write_json(d, DOC_COMPACT, out);
	strbuf_addc(out, '\n');
}

const char *stand_in_state(struct stand_in *w, struct arena *a)
{
	static const enum object_kind_id kinds[] = {
		KIND_SERVICE,
		KIND_DEPLOYMENT,
		KIND_POD_DISRUPTION_BUDGET,
		KIND_DESTINATION_RULE,
		KIND_CILIUM_NETWORK_POLICY,
	};
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	unsigned with = 0, without = 0;

	write_object(a, stand_in_get(w, a, object_kind(KIND_NAMESPACE), NULL, NAMESPACE), &out);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		foreach_object (w, a, kinds[i], NAMESPACE, d)
			write_object(a, d, &out);
	strbuf_addf(&out, "requests %zu\n", doc_len(list_of(w, a, KIND_SIDESTEP_REQUEST, NULL)));
	strbuf_addf(&out, "accounts %zu\n",
		    doc_len(list_of(w, a, KIND_SERVICE_ACCOUNT, NAMESPACE)));
	foreach_object (w, a, KIND_POD, NAMESPACE, pod) {
		if (istio_sidecar_form_of(doc_get(pod, "spec")) != SIDECAR_NONE)
			with++;
		else
			without++;
	}
	strbuf_addf(&out, "pods %u with, %u without sidecar\n", with, without);
	return arena_strdup(a, strbuf_cstr(&out));
}
