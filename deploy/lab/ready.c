/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting until the parts of a lab stand. */
#include "deploy/lab/ready.h"

#include <string.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/kube/sync.h"

/* Asks again this often; a lab comes up in seconds. */
enum { ASK_MS = 200 };

/* Looks once: 1 there, 0 not yet (with what is missing in *missing), negative errno. */
typedef int (*look_fn)(void *arg, struct strbuf *missing, struct error *err);

struct until {
	struct loop *loop;
	bool rang;
};

static void ring(void *arg)
{
	struct until *u = arg;

	u->rang = true;
}

/* One pause of the loop's clock; -EINTR when somebody stopped the loop. */
static int rest(struct loop *loop, struct error *err)
{
	struct until u = {loop, false};
	struct loop_timer *timer = loop_timer_new(loop, ring, &u);
	int r = 0;

	loop_timer_set(timer, ASK_MS * NS_PER_MS);
	while (!u.rang && !loop_stopping(loop) && r >= 0)
		r = loop_turn(loop, true, err);
	loop_timer_free(timer);
	if (r >= 0 && loop_stopping(loop))
		r = error_set(err, -EINTR, "interrupted");
	return r < 0 ? r : 0;
}

static int wait_until(struct loop *loop, look_fn look, void *arg, uint64_t timeout_ns,
		      struct progress *p, struct error *err)
{
	const uint64_t deadline = loop_now_ns(loop) + timeout_ns;
	auto_release(strbuf) struct strbuf missing = STRBUF_INIT;

	for (;;) {
		struct error why = ERROR_INIT;
		int r;

		strbuf_clear(&missing);
		r = look(arg, &missing, &why);
		if (r > 0)
			return 0;
		if (r < 0)
			strbuf_addf(&missing, "%s", why.msg);
		if (p)
			progress_live(p, "waiting for %s", strbuf_cstr(&missing));
		if (loop_now_ns(loop) > deadline)
			return error_set(err, -ETIMEDOUT, "still waiting for %s",
					 strbuf_cstr(&missing));
		r = rest(loop, err);
		if (r < 0)
			return r;
	}
}

static int kubeconfig_there(void *arg, struct strbuf *missing, UNUSED struct error *err)
{
	const struct lab *lab = arg;

	strbuf_adds(missing, lab->kubeconfig_here);
	return io_exists(lab->kubeconfig_here);
}

int lab_connect(const struct lab *lab, struct loop *loop, uint64_t timeout_ns,
		struct kube_client **ret_client, struct error *err)
{
	const struct kube_config_options options = {.kubeconfig = lab->kubeconfig_here};
	struct arena a = ARENA_INIT;
	struct kube_config config;
	struct lab copy = *lab;
	int r = wait_until(loop, kubeconfig_there, &copy, timeout_ns, NULL, err);

	if (!r)
		r = kube_config_load(&a, &options, &config, err);
	if (!r)
		*ret_client = kube_client_new(loop, &config, NULL);
	arena_release(&a);
	return r;
}

static int api_answers(void *arg, struct strbuf *missing, struct error *err)
{
	const struct kube_request request = {.verb = KUBE_GET, .path = "/readyz", .raw = true};
	struct kube_result result;
	int r = kube_wait(arg, &request, &result, err);

	strbuf_adds(missing, "the API server: ");
	kube_result_release(&result);
	return r < 0 ? r : 1;
}

int lab_wait_api(struct kube_client *client, uint64_t timeout_ns, struct error *err)
{
	return wait_until(kube_client_loop(client), api_answers, client, timeout_ns, NULL, err);
}

struct look {
	struct kube_client *client;
	unsigned n;
};

static int nodes_ready(void *arg, struct strbuf *missing, struct error *err)
{
	struct look *l = arg;
	struct arena a = ARENA_INIT;
	struct doc *list;
	unsigned ready = 0;
	int r = kube_list(l->client, &a, object_kind_find("v1", "Node"), NULL, NULL, &list, err);

	if (!r) {
		doc_foreach_item (list, node)
			ready += kube_condition_true(node, "Ready");
		strbuf_addf(missing, "%u of %u nodes to be Ready", l->n - MIN(ready, l->n), l->n);
	}
	arena_release(&a);
	return r < 0 ? r : ready >= l->n;
}

int lab_wait_nodes(struct kube_client *client, unsigned n, uint64_t timeout_ns, struct progress *p,
		   struct error *err)
{
	struct look l = {client, n};

	return wait_until(kube_client_loop(client), nodes_ready, &l, timeout_ns, p, err);
}

static int webhook_there(void *arg, struct strbuf *missing, struct error *err)
{
	struct arena a = ARENA_INIT;
	struct doc *list;
	int r = kube_list(
		arg, &a,
		object_kind_find("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"),
		NULL, NULL, &list, err);
	bool found = false;

	strbuf_adds(missing, "the injection webhook");
	if (!r) {
		doc_foreach_item (list, hook)
			found = found || str_starts(kube_name(hook), "istio-sidecar-injector");
	}
	arena_release(&a);
	return r < 0 ? r : found;
}

int lab_wait_webhook(struct kube_client *client, uint64_t timeout_ns, struct error *err)
{
	return wait_until(kube_client_loop(client), webhook_there, client, timeout_ns, NULL, err);
}

/* What `kubectl rollout status` asks. */
static bool rolled_out(const struct doc *d)
{
	int64_t want = doc_find_int(d, "spec.replicas", 1);

	return doc_find_int(d, "status.observedGeneration", 0) >=
		       doc_find_int(d, "metadata.generation", 1) &&
	       doc_find_int(d, "status.updatedReplicas", 0) == want &&
	       doc_find_int(d, "status.replicas", 0) == want &&
	       doc_find_int(d, "status.availableReplicas", 0) == want;
}

static int deployments_there(void *arg, struct strbuf *missing, struct error *err)
{
	struct arena a = ARENA_INIT;
	struct doc *list;
	size_t late = 0;
	int r = kube_list(arg, &a, object_kind_find("apps/v1", "Deployment"), NULL, NULL, &list,
			  err);

	if (!r) {
		doc_foreach_item (list, d) {
			if (rolled_out(d))
				continue;
			if (late++ < 3)
				strbuf_addf(missing, "%s%s/%s", late > 1 ? ", " : "",
					    kube_namespace(d), kube_name(d));
		}
		if (late > 3)
			strbuf_addf(missing, " and %zu more Deployments", late - 3);
	}
	arena_release(&a);
	return r < 0 ? r : late == 0;
}

int lab_wait_deployments(struct kube_client *client, uint64_t timeout_ns, struct progress *p,
			 struct error *err)
{
	return wait_until(kube_client_loop(client), deployments_there, client, timeout_ns, p, err);
}

static int agents_there(void *arg, struct strbuf *missing, struct error *err)
{
	struct arena a = ARENA_INIT;
	struct doc *d = NULL;
	int64_t want = 0, ready = 0;
	bool seen = false;
	int r = kube_get(arg, &a, object_kind(KIND_DAEMON_SET), LAB_AGENT_NAMESPACE, LAB_AGENT_NAME,
			 &d, err);

	if (!r) {
		seen = doc_find_int(d, "status.observedGeneration", 0) >=
		       doc_find_int(d, "metadata.generation", 1);
		want = doc_find_int(d, "status.desiredNumberScheduled", 0);
		ready = doc_find_int(d, "status.numberReady", 0);
		strbuf_addf(missing, "%lld of %lld agents to be ready", (long long)(want - ready),
			    (long long)want);
	}
	arena_release(&a);
	return r < 0 ? r : seen && want > 0 && ready == want;
}

int lab_wait_agents(struct kube_client *client, uint64_t timeout_ns, struct progress *p,
		    struct error *err)
{
	return wait_until(kube_client_loop(client), agents_there, client, timeout_ns, p, err);
}
