/* SPDX-License-Identifier: Apache-2.0 */
/* Living beside Istio: what is installed, in which versions, and what would surprise a migration.
 */
#include <stdio.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/istio/inject.h"
#include "lib/object/workload.h"
#include "preflight/checks.h"

/* The workload, by kind: its name is one of Istio's own. */
static bool has_daemon_set(const struct preflight_env *env, const char *name)
{
	snapshot_foreach (env->cluster, object_kind(KIND_DAEMON_SET), d)
		if (str_eq(doc_find_str(d, "metadata.name"), name))
			return true;
	return false;
}

static size_t count_injectors(const struct preflight_env *env)
{
	size_t n = 0;

	snapshot_foreach (env->cluster, object_kind(KIND_MUTATING_WEBHOOK), d) {
		const char *name = str_or_empty(doc_find_str(d, "metadata.name"));

		n += str_starts(name, "istio-sidecar-injector") ||
		     str_starts(name, "istio-revision-tag-");
	}
	return n;
}

static int check_presence(const struct check *c, void *arg, struct report *r, struct error *err)
{
	struct preflight_env *env = arg;
	const struct istio_mesh *m;
	size_t sidecars = 0, injectors;
	int ret;

	if ((ret = env_need_kind(env, object_kind(KIND_MUTATING_WEBHOOK), err)) ||
	    (ret = env_need_kind(env, object_kind(KIND_DAEMON_SET), err)) ||
	    (ret = env_need_kind(env, object_kind(KIND_POD), err)))
		return ret;
	m = env_mesh(env);
	for (size_t i = 0; i < m->n_pods; i++)
		sidecars += m->pods[i].form != SIDECAR_NONE;
	injectors = count_injectors(env);
	if (has_daemon_set(env, "ztunnel"))
		report_add(r, c, FINDING_FAIL, "",
			   "ambient mode (ztunnel) is installed: moving off it is not supported");
	else if (!injectors && !sidecars)
		report_add(r, c, FINDING_PASS, "", "no injector and no sidecar");
	else
		report_add(r, c, FINDING_PASS, "", "%zu injectors, %zu pods with a sidecar%s",
			   injectors, sidecars,
			   has_daemon_set(env, "istio-cni-node") ? ", istio-cni" : "");
	return 0;
}

static bool minor_of(const char *image, unsigned *ret_minor)
{
	const char *tag = image ? strrchr(image, ':') : NULL;
	unsigned major;

	return tag && sscanf(tag, ":%u.%u", &major, ret_minor) == 2 && major == 1;
}

struct versions {
	unsigned low, high;
	size_t known, unknown;
};

static void add_version(struct versions *v, const char *image)
{
	unsigned minor;

	if (!minor_of(image, &minor)) {
		v->unknown++;
		return;
	}
	v->low = v->known ? MIN(v->low, minor) : minor;
	v->high = v->known ? MAX(v->high, minor) : minor;
	v->known++;
}

static void add_images(struct versions *v, const struct doc *containers, const char *name)
{
	doc_foreach_item (containers, ct)
		if (str_eq(doc_find_str(ct, "name"), name))
			add_version(v, doc_find_str(ct, "image"));
}

static int check_versions(const struct check *c, void *arg, struct report *r, struct error *err)
{
	struct preflight_env *env = arg;
	const struct istio_mesh *m;
	struct versions v = {0};
	int ret;

	if ((ret = env_need_kind(env, object_kind(KIND_POD), err)) ||
	    (ret = env_need_kind(env, object_kind(KIND_DEPLOYMENT), err)))
		return ret;
	m = env_mesh(env);
	for (size_t i = 0; i < m->n_pods; i++) {
		add_images(&v, doc_get(m->pods[i].spec, "containers"), "istio-proxy");
		add_images(&v, doc_get(m->pods[i].spec, "initContainers"), "istio-proxy");
	}
	snapshot_foreach (env->cluster, object_kind(KIND_DEPLOYMENT), d)
		if (str_eq(doc_find_str(d, "metadata.labels.app"), "istiod"))
			add_images(&v, doc_find(d, "spec.template.spec.containers"), "discovery");
	if (!v.known && !v.unknown)
		report_add(r, c, FINDING_SKIP, "", "there is no istiod and no sidecar");
	else if (v.known && v.high - v.low > 1)
		report_add(r, c, FINDING_FAIL, "", "1.%u and 1.%u run beside each other", v.low,
			   v.high);
	else if (v.unknown)
		report_add(r, c, FINDING_UNKNOWN, "", "%zu images have no version in their tag",
			   v.unknown);
	else
		report_add(r, c, FINDING_PASS, "", "1.%u%s", v.high,
			   v.low == v.high ? "" : " and the minor before");
	return 0;
}

static int check_injection(const struct check *c, void *arg, struct report *r, struct error *err)
{
	struct preflight_env *env = arg;
	const struct istio_mesh *m;
	size_t before = r->n, agreed = 0;
	int ret;

	if ((ret = env_need_kind(env, object_kind(KIND_POD), err)) ||
	    (ret = env_need_kind(env, object_kind(KIND_NAMESPACE), err)))
		return ret;
	m = env_mesh(env);
	for (size_t i = 0; i < m->n_pods; i++) {
		const struct istio_workload *w = &m->pods[i];
		struct istio_injection want = istio_injection_of(m, w);
		bool has = w->form != SIDECAR_NONE;

		if (has == want.inject) {
			agreed++;
			continue;
		}
		report_add(r, c, FINDING_FAIL,
			   arena_printf(env->arena, "Pod/%s/%s", w->namespace, w->name),
			   has ? "has a sidecar that a new pod would not get: %s"
			       : "has no sidecar, but a new pod would get one: %s",
			   istio_injection_words(want.rule));
	}
	if (r->n == before)
		report_add(r, c, FINDING_PASS, "", "labels and reality agree for %zu pods", agreed);
	return 0;
}

static int check_form(const struct check *c, void *arg, struct report *r, struct error *err)
{
	struct preflight_env *env = arg;
	const struct istio_mesh *m;
	size_t classic = 0, native = 0;
	int ret = env_need_kind(env, object_kind(KIND_POD), err);

	if (ret)
		return ret;
	m = env_mesh(env);
	for (size_t i = 0; i < m->n_pods; i++) {
		classic += m->pods[i].form == SIDECAR_CLASSIC;
		native += m->pods[i].form == SIDECAR_NATIVE;
	}
	if (classic)
		report_add(r, c, FINDING_FAIL, "",
			   "%zu pods have the classic form: it may end before the application does",
			   classic);
	else
		report_add(r, c, FINDING_PASS, "", "%zu native, none classic", native);
	return 0;
}

static bool forces_tls(const struct doc *node)
{
	if (!node)
		return false;
	if (str_eq(doc_find_str(node, "tls.mode"), "ISTIO_MUTUAL"))
		return true;
	doc_foreach_item (doc_get(node, "portLevelSettings"), p)
		if (str_eq(doc_find_str(p, "tls.mode"), "ISTIO_MUTUAL"))
			return true;
	return false;
}

static bool rule_forces_tls(const struct doc *rule)
{
	if (forces_tls(doc_find(rule, "spec.trafficPolicy")))
		return true;
	doc_foreach_item (doc_find(rule, "spec.subsets"), s)
		if (forces_tls(doc_get(s, "trafficPolicy")))
			return true;
	return false;
}

static int check_forced_tls(const struct check *c, void *arg, struct report *r, struct error *err)
{
	struct preflight_env *env = arg;
	size_t before = r->n;
	int ret = env_need_kind(env, object_kind(KIND_DESTINATION_RULE), err);

	if (ret)
		return ret;
	snapshot_foreach (env->cluster, object_kind(KIND_DESTINATION_RULE), d)
		if (rule_forces_tls(d))
			report_add(r, c, FINDING_FAIL,
				   arena_printf(env->arena, "DestinationRule/%s/%s",
						str_or_empty(doc_find_str(d, "metadata.namespace")),
						str_or_empty(doc_find_str(d, "metadata.name"))),
				   "forces ISTIO_MUTUAL to %s",
				   str_or_empty(doc_find_str(d, "spec.host")));
	if (r->n == before)
		report_add(r, c, FINDING_PASS, "", "none forces it");
	return 0;
}

static const struct check checks[] = {
	{
		.id = "IST-001",
		.title = "what of Istio is here",
		.category = "istio",
		.severity = SEVERITY_ERROR,
		.flags = CHECK_CLUSTER,
		.remedy = "Take the namespace out of ambient mode first.",
		.source = "webhooks, DaemonSets and pods",
		.explain = "Sidecars are what this product moves a namespace off. ztunnel "
			   "redirects on "
			   "the same hooks that the datapath uses.",
		.run = check_presence,
	},
	{
		.id = "IST-002",
		.title = "versions of Istio",
		.category = "istio",
		.severity = SEVERITY_WARNING,
		.flags = CHECK_CLUSTER,
		.remedy = "Finish Istio's own upgrade first: proxies at most one minor behind "
			  "istiod.",
		.source = "image tags of istio-proxy and discovery",
		.explain = "Sidecars restarted during the migration come up in the injector's "
			   "version.",
		.run = check_versions,
	},
	{
		.id = "IST-003",
		.title = "injection as it is and as it would be",
		.category = "istio",
		.severity = SEVERITY_WARNING,
		.flags = CHECK_CLUSTER,
		.remedy = "Restart the pod, or set its labels right.",
		.source = "the injector's rules against the pods that run",
		.explain = "A pod that would come back different surprises whoever restarts it. "
			   "During a "
			   "migration such pods are expected in the namespace that moves.",
		.run = check_injection,
	},
	{
		.id = "IST-004",
		.title = "form of the sidecars",
		.category = "istio",
		.severity = SEVERITY_WARNING,
		.flags = CHECK_CLUSTER,
		.remedy = "Let Istio inject native sidecars (ENABLE_NATIVE_SIDECARS) and restart.",
		.source = "init container with restartPolicy Always, against a container",
		.explain = "A classic sidecar gets its SIGTERM together with the application, so "
			   "requests "
			   "may be lost when a pod ends; the plan says which.",
		.run = check_form,
	},
	{
		.id = "IST-006",
		.title = "DestinationRules that force mutual TLS",
		.category = "istio",
		.severity = SEVERITY_WARNING,
		.flags = CHECK_CLUSTER,
		.remedy =
			"Nothing to do: the migration relaxes them before the first pod restarts.",
		.source = "istio mtls_checker.go: a DestinationRule beats the endpoint's label",
		.explain = "A client that is forced to speak TLS cannot talk to a pod without a "
			   "sidecar.",
		.run = check_forced_tls,
	},
};
const struct check_table istio_checks = {checks, ARRAY_SIZE(checks)};
