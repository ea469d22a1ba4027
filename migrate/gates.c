/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The questions of the machine. Each asks at least two independent sources: Kubernetes' own state
 * (pods, rollouts, budgets, a pod created as a dry run), and what the agents publish from the
 * datapath; where neither can know, Istio's rules as lib/istio has them. A silent source is
 * unknown.
 */
#include <string.h>

#include "lib/base/str.h"
#include "lib/istio/inject.h"
#include "lib/istio/mtls.h"
#include "migrate/world.h"

#define KUBERNETES "Kubernetes"
#define AGENTS     "agents"
#define RULES      "Istio's rules"

/* One sample being taken. */
struct asking {
	struct world w;
	struct gate_sample *out;
	const struct doc *args;
	const void *gate; /* tells baselines apart */
	/*
	 * Pods that are on their way out are not asked. Only on the way there: a caller that still
	 * drains without a sidecar must be gone before its server gets one back.
	 */
	bool leave_out_ending;
};

/* NULL: well, else what is wrong. */
typedef const char *(*pod_question)(const struct asking *q, const struct world_pod *p);

static int begin(struct asking *q, void *env, const struct doc *args, struct gate_sample *out,
		 const void *gate, struct error *err)
{
	q->out = out;
	q->args = args;
	q->gate = gate;
	q->leave_out_ending = false;
	return world_look(&q->w, out->arena, env, err);
}

static void say(struct asking *q, const char *source, const char *wrong, const char *well)
{
	gate_answer(q->out, source, wrong ? FINDING_FAIL : FINDING_PASS, "%s",
		    wrong ? wrong : well);
}

static const char *about(const struct asking *q, const struct world_pod *p, const char *what)
{
	return arena_printf(q->out->arena, "pod %s/%s %s", p->namespace, p->name, what);
}

/* The pods of the namespace, or of the workload that args name; the first answer that is one. */
static const char *each_pod(const struct asking *q, pod_question question)
{
	const char *only = doc_find_str(q->args, "workload"), *wrong;

	for (size_t i = 0; i < q->w.n_pods; i++) {
		const struct world_pod *p = &q->w.pods[i];

		if (only ? !str_eq(p->workload, only) : !str_eq(p->namespace, q->w.migration->ns))
			continue;
		if (p->ending && q->leave_out_ending)
			continue;
		wrong = question(q, p);
		if (wrong)
			return wrong;
	}
	return NULL;
}

static const char *pod_well(const struct asking *q, const struct world_pod *p)
{
	return p->ready && !p->ending ? NULL
				      : about(q, p, p->ending ? "is ending" : "is not ready");
}

static const char *pod_bare(const struct asking *q, const struct world_pod *p)
{
	return p->sidecar ? about(q, p, "has a sidecar") : pod_well(q, p);
}

static const char *pod_covered(const struct asking *q, const struct world_pod *p)
{
	return !p->sidecar ? about(q, p, "has no sidecar") : pod_well(q, p);
}

/* --- what the agents say -------------------------------------------------------------------------
 */

static const char *endpoint_well(const struct asking *q, const struct world_pod *p)
{
	const struct sidestep_endpoint *e = world_endpoint(&q->w, p);

	if (p->pod->host_network)
		return NULL;
	if (!e)
		return about(q, p, "is no agent's endpoint");
	return str_eq(e->state, "ready")
		       ? NULL
		       : about(q, p,
			       arena_printf(q->out->arena, "is an endpoint in state %s",
					    str_or_empty(e->state)));
}

#define ENDPOINT_QUESTION(name, wrong_if, what)                                                    \
	static const char *name(const struct asking *q, const struct world_pod *p)                 \
	{                                                                                          \
		const struct sidestep_endpoint *e = world_endpoint(&q->w, p);                      \
                                                                                                   \
		if (p->pod->host_network || !e)                                                    \
			return endpoint_well(q, p);                                                \
		return (wrong_if) ? about(q, p, what) : endpoint_well(q, p);                       \
	}
ENDPOINT_QUESTION(endpoint_watches, !e->audit, "is not in audit yet")
ENDPOINT_QUESTION(endpoint_enforces, e->audit, "is still in audit")
ENDPOINT_QUESTION(endpoint_bare, e->sidecar || e->audit, "still counts as having a sidecar")
ENDPOINT_QUESTION(endpoint_covered, !e->sidecar, "does not count as having a sidecar")

/* Agents silent: unknown. Else the endpoints, then the edges of the plan. */
static void ask_agents(struct asking *q, pod_question question, const char *verdict)
{
	const char *silent = world_silent_agent(&q->w), *wrong, *where = "";
	int64_t n;

	if (silent) {
		gate_answer(q->out, AGENTS, FINDING_UNKNOWN, "%s", silent);
		return;
	}
	wrong = each_pod(q, question);
	n = wrong || !verdict ? 0 : world_counted(&q->w, q->gate, q->args, verdict, &where);
	if (n)
		wrong = arena_printf(
			q->out->arena, "%lld calls that must pass %s: %s", (long long)n,
			str_eq(verdict, "audit") ? "would be refused" : "were refused", where);
	say(q, AGENTS, wrong,
	    "every endpoint is as it should be, no call that must pass was refused");
}

static void ask_kubernetes(struct asking *q, pod_question question)
{
	const char *wrong = each_pod(q, question), *where = "";

	if (!wrong && world_restarts(&q->w, q->gate, q->args, &where))
		wrong = arena_printf(q->out->arena, "a container of %s was restarted", where);
	say(q, KUBERNETES, wrong, "pods are ready and nothing was restarted");
}

/* --- quiet: the same question in several states
 * ---------------------------------------------------- */

static int sample_well(void *env, const struct doc *args, struct gate_sample *out,
		       struct error *err)
{
	struct asking q;
	int r = begin(&q, env, args, out, sample_well, err);

	if (r)
		return r;
	ask_kubernetes(&q, pod_well);
	ask_agents(&q, endpoint_well, "dropped");
	return 0;
}

static int sample_audit_clean(void *env, const struct doc *args, struct gate_sample *out,
			      struct error *err)
{
	struct asking q;
	int r = begin(&q, env, args, out, sample_audit_clean, err);

	if (r)
		return r;
	ask_kubernetes(&q, pod_well);
	ask_agents(&q, endpoint_watches, "audit");
	return 0;
}

static int sample_enforced(void *env, const struct doc *args, struct gate_sample *out,
			   struct error *err)
{
	struct asking q;
	int r = begin(&q, env, args, out, sample_enforced, err);

	if (r)
		return r;
	ask_kubernetes(&q, pod_well);
	ask_agents(&q, endpoint_enforces, "dropped");
	return 0;
}

static int sample_sidecarless(void *env, const struct doc *args, struct gate_sample *out,
			      struct error *err)
{
	struct asking q;
	int r = begin(&q, env, args, out, sample_sidecarless, err);

	if (r)
		return r;
	ask_kubernetes(&q, pod_bare);
	ask_agents(&q, endpoint_bare, "dropped");
	return 0;
}

/* --- audit on: the request's own answers, and the endpoints
 * ---------------------------------------- */

static const char *unanswered(const struct asking *q, const struct sidestep_request *request)
{
	for (size_t i = 0; i < q->w.n_agents; i++) {
		const char *node = q->w.agents[i].meta.name;
		bool active = false;

		for (size_t k = 0; k < request->n_status; k++)
			active |= str_eq(request->status[k].node, node) &&
				  str_eq(request->status[k].state, "active");
		if (!active)
			return arena_printf(q->out->arena, "%s has not answered the request", node);
	}
	return NULL;
}

static int sample_audit_on(void *env, const struct doc *args, struct gate_sample *out,
			   struct error *err)
{
	struct migration *m = env;
	struct sidestep_request request;
	struct asking q;
	struct doc *d = NULL;
	int r = begin(&q, env, args, out, sample_audit_on, err);

	if (!r)
		r = cluster_get(m->cluster, out->arena, object_kind(KIND_SIDESTEP_REQUEST), NULL,
				machine_request_name(out->arena, m->run), &d, err);
	if (!r && d)
		r = sidestep_request_decode(out->arena, d, &request, err);
	if (r)
		return r;
	say(&q, "the request", d ? unanswered(&q, &request) : "it is gone",
	    "every agent answers that audit is active");
	ask_agents(&q, endpoint_watches, NULL);
	return 0;
}

/* --- DestinationRules
 * ------------------------------------------------------------------------------ */

static bool tls_is_mutual(const struct doc *policy)
{
	if (str_eq(doc_find_str(policy, "tls.mode"), "ISTIO_MUTUAL"))
		return true;
	doc_foreach_item (doc_get(policy, "portLevelSettings"), p)
		if (str_eq(doc_find_str(p, "tls.mode"), "ISTIO_MUTUAL"))
			return true;
	return false;
}

/* The rules that the plan relaxes, as they are now. */
static const char *planned_rule_still_forces(struct asking *q, struct error *err, int *ret)
{
	doc_foreach_item (doc_get(q->w.migration->plan, "relaxes"), ref) {
		struct doc *d = NULL;

		*ret = cluster_get(
			q->w.migration->cluster, q->out->arena, object_kind(KIND_DESTINATION_RULE),
			doc_find_str(ref, "namespace"), doc_find_str(ref, "name"), &d, err);
		if (*ret || !d)
			continue;
		if (tls_is_mutual(doc_find(d, "spec.trafficPolicy")))
			return arena_printf(q->out->arena,
					    "DestinationRule %s/%s forces ISTIO_MUTUAL",
					    kube_namespace(d), kube_name(d));
		doc_foreach_item (doc_find(d, "spec.subsets"), s)
			if (tls_is_mutual(doc_get(s, "trafficPolicy")))
				return arena_printf(
					q->out->arena,
					"DestinationRule %s/%s forces ISTIO_MUTUAL in a "
					"subset",
					kube_namespace(d), kube_name(d));
	}
	return NULL;
}

/* What a client in client_ns with a sidecar would speak to a Service of the namespace. */
static const char *host_forced(const struct asking *q, const struct istio_mesh *m,
			       const struct service *s, const char *client_ns)
{
	const char *host = arena_printf(q->out->arena, "%s.%s.svc.%s", s->meta.name,
					s->meta.namespace, m->config.domain_suffix);
	static const struct strmap any_client;
	const struct istio_destination_rule *rule =
		istio_destination_rule_for(m, client_ns, &any_client, host, s->meta.namespace);

	for (size_t i = 0; rule && i < s->n_ports; i++) {
		struct istio_client_tls_source tls =
			istio_client_tls_for(rule, NULL, (uint16_t)s->ports[i].port);

		if (tls.tls && tls.tls->mode == TLS_ISTIO_MUTUAL)
			return arena_printf(q->out->arena,
					    "clients in %s are forced to mutual TLS with %s",
					    client_ns, host);
	}
	return NULL;
}

static const char *rules_force(const struct asking *q, const struct istio_mesh *m)
{
	for (size_t i = 0; i < m->n_services; i++)
		for (size_t k = 0; k < m->n_namespaces; k++) {
			const char *wrong;

			if (!str_eq(m->services[i].meta.namespace, q->w.migration->ns))
				continue;
			wrong = host_forced(q, m, &m->services[i], m->namespaces[k].name);
			if (wrong)
				return wrong;
		}
	return NULL;
}

static const struct istio_mesh *look_at_mesh(struct asking *q, struct error *err, int *ret)
{
	struct snapshot *s = arena_new(q->out->arena, struct snapshot);
	struct istio_mesh *m = arena_new(q->out->arena, struct istio_mesh);

	snapshot_init(s, q->out->arena);
	*ret = cluster_snapshot(q->w.migration->cluster, s, err);
	if (!*ret)
		istio_mesh_load(m, q->out->arena, s);
	snapshot_release(s);
	return m;
}

static int sample_relaxed(void *env, const struct doc *args, struct gate_sample *out,
			  struct error *err)
{
	const struct istio_mesh *m;
	struct asking q;
	const char *wrong;
	int r = begin(&q, env, args, out, sample_relaxed, err);

	if (r)
		return r;
	wrong = planned_rule_still_forces(&q, err, &r);
	if (r)
		return r;
	m = look_at_mesh(&q, err, &r);
	if (r)
		return r;
	say(&q, KUBERNETES, wrong, "the DestinationRules of the plan force nothing");
	say(&q, RULES, rules_force(&q, m), "no client is forced to mutual TLS with this namespace");
	return 0;
}

/* --- injection: a pod created as a dry run, and the injector's rules
 * -------------------------------- */

/* Asks the API server, webhooks and all, for a pod of the template; nothing is created. */
static int dry_run_pod(struct asking *q, const struct doc *template, bool *ret_sidecar,
		       struct error *err)
{
	struct arena *a = q->out->arena;
	struct doc *pod = doc_clone(a, template), *answer = NULL, *meta;
	struct kube_request request = {.verb = KUBE_CREATE,
				       .kind = object_kind(KIND_POD),
				       .namespace_ = q->w.migration->ns,
				       .body = pod,
				       .dry_run = true};
	int r;

	doc_set_string(a, pod, "apiVersion", "v1");
	doc_set_string(a, pod, "kind", "Pod");
	meta = doc_set_map(a, pod, "metadata");
	doc_set_string(a, meta, "namespace", q->w.migration->ns);
	doc_set_string(a, meta, "generateName", "sidestep-proof-");
	r = cluster_do(q->w.migration->cluster, &request, a, &answer, err);
	if (!r)
		*ret_sidecar = istio_sidecar_form_of(doc_get(answer, "spec")) != SIDECAR_NONE;
	return r;
}

static int ask_injection(struct asking *q, bool want, struct error *err)
{
	const struct istio_mesh *m;
	const char *dry = NULL, *rules = NULL;
	int r = 0;

	m = look_at_mesh(q, err, &r);
	doc_foreach_item (doc_get(q->w.migration->plan, "workloads"), it) {
		const struct istio_workload *w =
			r ? NULL
			  : istio_mesh_template(m, q->w.migration->ns, doc_find_str(it, "kind"),
						doc_find_str(it, "name"));
		bool sidecar = !want;

		if (!w || !w->controller)
			continue;
		r = dry_run_pod(q, w->controller->template, &sidecar, err);
		if (sidecar != want && !dry)
			dry = arena_printf(q->out->arena, "a new pod of %s would %s a sidecar",
					   w->name, want ? "not get" : "get");
		if (istio_injection_of(m, w).inject != want && !rules)
			rules = arena_printf(q->out->arena, "%s: %s", w->name,
					     istio_injection_words(istio_injection_of(m, w).rule));
	}
	if (r)
		return r;
	say(q, "a pod as a dry run", dry, want ? "gets a sidecar" : "gets no sidecar");
	say(q, RULES, rules, want ? "new pods get a sidecar" : "new pods get no sidecar");
	return 0;
}

static int sample_injection_off(void *env, const struct doc *args, struct gate_sample *out,
				struct error *err)
{
	struct asking q;
	int r = begin(&q, env, args, out, sample_injection_off, err);

	return r ? r : ask_injection(&q, false, err);
}

static int sample_injection_on(void *env, const struct doc *args, struct gate_sample *out,
			       struct error *err)
{
	struct asking q;
	int r = begin(&q, env, args, out, sample_injection_on, err);

	return r ? r : ask_injection(&q, true, err);
}

/* --- restarts
 * --------------------------------------------------------------------------------------- */

static int ask_budgets(struct asking *q, struct error *err)
{
	struct workload *w = NULL;
	const char *wrong = NULL;
	struct doc *list;
	int r = world_workload(&q->w, doc_get(q->args, "ref"), &w, err);

	if (!r)
		r = cluster_list(q->w.migration->cluster, q->out->arena,
				 object_kind(KIND_POD_DISRUPTION_BUDGET), q->w.migration->ns, &list,
				 err);
	if (r)
		return r;
	doc_foreach_item (list, d) {
		struct disruption_budget b;

		r = disruption_budget_decode(q->out->arena, d, &b, err);
		if (r)
			return r;
		if (w && !wrong && label_selector_matches(b.selector, &w->template_labels) &&
		    b.disruptions_allowed < 1)
			wrong = arena_printf(q->out->arena, "budget %s lets no pod go now",
					     b.meta.name);
	}
	if (!wrong)
		wrong = w ? each_pod(q, pod_well) : "the workload is gone";
	say(q, KUBERNETES, wrong, "its pods are ready and its budget lets one go");
	return 0;
}

static int sample_budget(void *env, const struct doc *args, struct gate_sample *out,
			 struct error *err)
{
	struct asking q;
	int r = begin(&q, env, args, out, sample_budget, err);

	if (!r)
		r = ask_budgets(&q, err);
	if (!r)
		ask_agents(&q, endpoint_well, "dropped");
	return r;
}

/* The controller has made every pod anew and none of the old ones is left. */
static const char *rollout_open(const struct asking *q, const struct workload *w)
{
	int64_t want = w->replicas.set ? w->replicas.value : 1;

	if (w->observed_generation < w->meta.generation)
		return "its controller has not seen the change yet";
	if (w->updated_replicas < want || w->ready_replicas < want || w->status_replicas > want)
		return arena_printf(q->out->arena, "rolling: %d of %lld new, %d ready, %d in all",
				    w->updated_replicas, (long long)want, w->ready_replicas,
				    w->status_replicas);
	return NULL;
}

static int ask_rollout(struct asking *q, pod_question question, struct error *err)
{
	struct workload *w = NULL;
	const char *wrong;
	int r = world_workload(&q->w, doc_get(q->args, "ref"), &w, err);

	if (r)
		return r;
	wrong = w ? rollout_open(q, w) : "the workload is gone";
	if (wrong)
		say(q, KUBERNETES, wrong, "");
	else
		ask_kubernetes(q, question);
	return 0;
}

static int sample_restarted(void *env, const struct doc *args, struct gate_sample *out,
			    struct error *err)
{
	struct asking q;
	int r = begin(&q, env, args, out, sample_restarted, err);

	q.leave_out_ending = true;
	if (!r)
		r = ask_rollout(&q, pod_bare, err);
	if (!r)
		ask_agents(&q, endpoint_bare, "dropped");
	return r;
}

static int sample_sidecars_back(void *env, const struct doc *args, struct gate_sample *out,
				struct error *err)
{
	struct asking q;
	int r = begin(&q, env, args, out, sample_sidecars_back, err);

	if (!r)
		r = ask_rollout(&q, pod_covered, err);
	if (!r)
		ask_agents(&q, endpoint_covered, "dropped");
	return r;
}

#define WINDOW(member) (offsetof(struct profile, member) + 1)
#define SOURCE_OPS     "two independent sources; missing data is inconclusive"

const struct gate_row machine_gates[] = {
	{{.id = "G-WELL",
	  .title = "all pods are ready, all agents count",
	  .source = SOURCE_OPS,
	  .sample = sample_well},
	 0},
	{{.id = "G-AUDIT-ON",
	  .title = "every endpoint only watches",
	  .source = SOURCE_OPS,
	  .sample = sample_audit_on},
	 0},
	{{.id = "G-AUDIT-CLEAN",
	  .title = "the policies would refuse no call that must pass",
	  .source = "no would-be drop on an edge of the baseline for the whole window",
	  .sample = sample_audit_clean},
	 WINDOW(audit_window_ns)},
	{{.id = "G-ENFORCED",
	  .title = "policies are enforced and refuse no call that must pass",
	  .source = SOURCE_OPS,
	  .sample = sample_enforced},
	 WINDOW(settle_ns)},
	{{.id = "G-RELAXED",
	  .title = "no client is forced to speak TLS to this namespace",
	  .source = "istio mtls_checker.go: a DestinationRule beats the endpoint's label",
	  .sample = sample_relaxed},
	 0},
	{{.id = "G-INJECTION-OFF",
	  .title = "a new pod gets no sidecar",
	  .source = "removing a label proves nothing; only a pod does",
	  .sample = sample_injection_off},
	 0},
	{{.id = "G-BUDGET",
	  .title = "a pod of the workload may go",
	  .source = "PodDisruptionBudget status",
	  .sample = sample_budget},
	 0},
	{{.id = "G-RESTARTED",
	  .title = "all pods of the workload run without sidecar, quietly",
	  .source = SOURCE_OPS,
	  .sample = sample_restarted},
	 WINDOW(settle_ns)},
	{{.id = "G-SIDECARLESS",
	  .title = "no pod of the namespace has a sidecar",
	  .source = SOURCE_OPS,
	  .sample = sample_sidecarless},
	 0},
	{{.id = "G-SOAK",
	  .title = "everything stayed quiet",
	  .source = SOURCE_OPS,
	  .sample = sample_sidecarless},
	 WINDOW(soak_ns)},
	{{.id = "G-INJECTION-ON",
	  .title = "a new pod gets its sidecar again",
	  .source = "only a pod proves it",
	  .sample = sample_injection_on},
	 0},
	{{.id = "G-SIDECARS-BACK",
	  .title = "all pods of the workload have their sidecar again",
	  .source = SOURCE_OPS,
	  .sample = sample_sidecars_back},
	 WINDOW(settle_ns)},
	{{.id = "G-UNWATCHED",
	  .title = "pods are ready without the policies",
	  .source = SOURCE_OPS,
	  .sample = sample_well},
	 0},
};
const size_t machine_n_gates = ARRAY_SIZE(machine_gates);
