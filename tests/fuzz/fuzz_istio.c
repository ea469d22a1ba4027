/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any objects as a mesh: loading, authorization, mutual TLS, injection and rendering end, whatever
 * they say; what is injected and stripped is stable.
 */
#include "lib/istio/authz.h"
#include "lib/istio/inject.h"
#include "lib/istio/member.h"
#include "lib/istio/mtls.h"
#include "lib/istio/sidecar.h"
#include "tests/fuzz/fuzz.h"

static const struct istio_sidecar_options options = {
	.dir = "/d", .cert_file = "/c", .key_file = "/k", .root_file = "/r", .version = "1"};
static const struct istio_inject_options injection = {.revision = "default", .proxy_image = "p"};

static void ask(const struct istio_mesh *m, struct arena *a, const struct istio_workload *w)
{
	static const struct istio_request requests[] = {
		{.principal = "cluster.local/ns/a/sa/b", .source_ip = "10.0.0.1", .port = 80},
		{.source_ip = "192.0.2.1",
		 .port = 8080,
		 .http = true,
		 .method = "GET",
		 .host = "h",
		 .path = "/a/b?c"},
	};
	struct doc *pod = doc_map(a), *injected;

	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		(void)istio_authorize(m, w->namespace, &w->labels, &requests[i]);
		(void)istio_server_mtls(m, w->namespace, &w->labels, requests[i].port);
	}
	(void)istio_server_of(m, a, w->namespace, &w->labels);
	(void)istio_member(m, w->namespace, w->service_account);
	if (w->spec && w->form == SIDECAR_NONE) {
		doc_set(a, pod, "spec", doc_clone(a, w->spec));
		injected = istio_inject_pod(a, pod, "ns", "w", &injection);
		fuzz_check(istio_sidecar_form_of(doc_get(injected, "spec")) == SIDECAR_NATIVE);
		(void)istio_strip_pod(a, injected);
	}
}

static void explore(struct arena *a, const struct snapshot *s)
{
	struct istio_mesh m;

	istio_mesh_load(&m, a, s);
	for (size_t i = 0; i < m.n_templates && i < 16; i++)
		ask(&m, a, &m.templates[i]);
	for (size_t i = 0; i < m.n_pods && i < 4; i++) {
		struct istio_sidecar_files files;

		(void)istio_sidecar_render(a, &m, &m.pods[i], &options, &files, NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a = ARENA_INIT;
	struct doc_stream stream = {0};
	struct snapshot s;

	if (n > 65536)
		return 0;
	snapshot_init(&s, &a);
	if (doc_read_yaml(&a, (const char *)data, n, "fuzz", &stream, NULL) == 0)
		for (size_t i = 0; i < stream.n; i++)
			(void)snapshot_add(&s, stream.docs[i], NULL);
	explore(&a, &s);
	snapshot_release(&s);
	arena_release(&a);
	return 0;
}
