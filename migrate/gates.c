/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The questions of the machine. Each asks at least two independent sources, named in its row:
 * Kubernetes' own state (pods, rollouts, budgets, a pod created as a dry run, Istio's rules as
 * lib/istio has them); what the agents publish from the datapath; and where sidecars must have
 * followed, a probe pod, which reads their statistics and has or has not one itself. A silent
 * source is unknown.
 *
 * Not asked: the sidecars' counters of denied (rbac) and failed (5xx) requests. What a policy that
 * only watches would refuse (G-AUDIT-CLEAN) no sidecar knows; and when it is enforced, a count
 * names no caller: an edge that must pass looks there like a caller that must be refused, and like
 * the application's own errors. That sidecars are back (G-SIDECARS-BACK) their pods and agents say
 * a workload at a time, and that they serve the sidecars themselves, once (G-SIDECARS-ANSWER).
 */
#include <string.h>

#include "lib/base/str.h"
#include "lib/object/pod.h"
#include "migrate/gates_internal.h"

int asking_begin(struct asking *q, void *env, const struct doc *args, struct gate_sample *out,
		 const void *gate, struct error *err)
{
	q->out = out;
	q->args = args;
	q->gate = gate;
	q->leave_out_ending = q->patient = false;
	q->astray = NULL;
	return world_look(&q->w, out->arena, env, err);
}

/* The policies are there meanwhile, watching or enforced: from N3-policies on, there only. */
static int begin_held(struct asking *q, void *env, const struct doc *args, struct gate_sample *out,
		      const void *gate, struct error *err)
{
	int r = asking_begin(q, env, args, out, gate, err);

	return r ? r : asking_policies(q, err);
}

void asking_say(struct asking *q, enum gate_source_id source, const char *wrong, const char *well)
{
	gate_answer(q->out, gate_source_name(source), wrong ? FINDING_FAIL : FINDING_PASS, "%s",
		    wrong ? wrong : well);
}

void asking_unknown(struct asking *q, enum gate_source_id source, const char *why)
{
	gate_answer(q->out, gate_source_name(source), FINDING_UNKNOWN, "%s; %s", why,
		    gate_source_mend(source));
}

/* Not well, which may pass: see patient. */
static void say_unwell(struct asking *q, enum gate_source_id source, const char *wrong,
		       const char *well)
{
	if (wrong && q->patient)
		asking_unknown(q, source, wrong);
	else
		asking_say(q, source, wrong, well);
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

static bool is_seen(const struct asking *q, const char *workload)
{
	for (size_t i = 0; i < q->w.n_pods; i++)
		if (str_eq(q->w.pods[i].workload, workload) &&
		    !(q->w.pods[i].ending && q->leave_out_ending))
			return true;
	return false;
}

const char *asking_unseen(const struct asking *q)
{
	const char *only = doc_find_str(q->args, "workload"), *missing = NULL;
	const struct doc *list = doc_get(q->w.migration->plan, "workloads");

	if (only && !is_seen(q, only))
		missing = only;
	doc_foreach_item (only ? NULL : list, it) {
		const char *one = arena_printf(
			q->out->arena, "%s/%s/%s", str_or_empty(doc_find_str(it, "kind")),
			q->w.migration->ns, str_or_empty(doc_find_str(it, "name")));

		if (!missing && !is_seen(q, one))
			missing = one;
	}
	if (!only && !doc_len(list))
		return "the plan names no workload";
	return missing ? arena_printf(q->out->arena, "%s has no pod to look at", missing) : NULL;
}

const char *asking_pod_well(const struct asking *q, const struct world_pod *p)
{
	return p->ready && !p->ending ? NULL
				      : about(q, p, p->ending ? "is ending" : "is not ready");
}

static const char *pod_bare(const struct asking *q, const struct world_pod *p)
{
	return p->sidecar ? about(q, p, "has a sidecar") : asking_pod_well(q, p);
}

static const char *pod_covered(const struct asking *q, const struct world_pod *p)
{
	return !p->sidecar ? about(q, p, "has no sidecar") : asking_pod_well(q, p);
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

static const char *endpoint_unwatched(const struct asking *q, const struct world_pod *p)
{
	const struct sidestep_endpoint *e = world_endpoint(&q->w, p);

	return e && !e->audit ? about(q, p, "is not in audit") : NULL;
}

/* Agents silent: unknown. Else the endpoints, then (verdict NULL: not) the edges of the plan. */
static void ask_agents(struct asking *q, pod_question question, const char *verdict)
{
	const char *silent = world_silent_agent(&q->w), *unseen = asking_unseen(q), *unwell;
	const char *where = "", *lost = NULL, *refused = NULL;
	bool missed;
	int64_t n;

	if (silent) {
		asking_unknown(q, ASK_AGENTS, silent);
		return;
	}
	unwell = each_pod(q, question);
	n = unwell || !verdict ? 0 : world_counted(&q->w, q->gate, q->args, verdict, &where);
	if (n)
		refused = arena_printf(
			q->out->arena, "%lld calls that must pass %s: %s", (long long)n,
			str_eq(verdict, "audit") ? "would be refused" : "were refused", where);
	if (verdict && !refused && (!unwell || q->patient))
		lost = world_uncounted(&q->w, q->gate, q->args, verdict, q->out->decides, &missed);
	if (lost && missed)
		q->out->keeps = false;
	if (refused)
		asking_say(q, ASK_AGENTS, refused, NULL);
	else if (!unwell && (lost || unseen))
		asking_unknown(q, ASK_AGENTS, lost ? lost : unseen);
	else
		say_unwell(q, ASK_AGENTS, unwell,
			   verdict ? "every endpoint is as it should be, no call that must pass "
				     "was refused"
				   : "every endpoint is as it should be");
}

void asking_kubernetes(struct asking *q, pod_question question)
{
	const char *wrong = each_pod(q, question), *unseen = asking_unseen(q), *where = "";

	if (!wrong && world_restarts(&q->w, q->gate, q->args, &where))
		wrong = arena_printf(q->out->arena, "a container of %s was restarted", where);
	if (q->astray)
		asking_say(q, ASK_KUBERNETES, q->astray, NULL);
	else if (!wrong && unseen)
		asking_unknown(q, ASK_KUBERNETES, unseen);
	else
		say_unwell(q, ASK_KUBERNETES, wrong, "pods are ready and nothing was restarted");
}

/* --- quiet: the same question in several states --- */

/* (gate, how it begins, of the pods, of their endpoints, the verdict that no call may meet) */
#define QUIET_GATE(name, begin, of_pods, of_endpoints, verdict)                                    \
	static int name(void *env, const struct doc *args, struct gate_sample *out,                \
			struct error *err)                                                         \
	{                                                                                          \
		struct asking q;                                                                   \
		int r = begin(&q, env, args, out, name, err);                                      \
                                                                                                   \
		if (r)                                                                             \
			return r;                                                                  \
		asking_kubernetes(&q, of_pods);                                                    \
		ask_agents(&q, of_endpoints, verdict);                                             \
		return 0;                                                                          \
	}
QUIET_GATE(sample_well, asking_begin, asking_pod_well, endpoint_well, NULL)
QUIET_GATE(sample_enforced, begin_held, asking_pod_well, endpoint_enforces, "dropped")
QUIET_GATE(sample_sidecarless, begin_held, pod_bare, endpoint_bare, NULL)
QUIET_GATE(sample_soak, begin_held, pod_bare, endpoint_bare, "dropped")

static int sample_audit_clean(void *env, const struct doc *args, struct gate_sample *out,
			      struct error *err)
{
	struct asking q;
	int r = begin_held(&q, env, args, out, sample_audit_clean, err);

	if (r)
		return r;
	q.patient = out->keeps = true;
	asking_kubernetes(&q, asking_pod_well);
	if (each_pod(&q, endpoint_unwatched))
		q.patient = false; /* what it refuses now is no audit's count */
	ask_agents(&q, endpoint_watches, "audit");
	return 0;
}

/* --- audit on: the request's own answers, and the endpoints --- */

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
	int r = asking_begin(&q, env, args, out, sample_audit_on, err);

	if (!r)
		r = cluster_get(m->cluster, out->arena, object_kind(KIND_SIDESTEP_REQUEST), NULL,
				machine_request_name(out->arena, m->run), &d, err);
	if (!r && d)
		r = sidestep_request_decode(out->arena, d, &request, err);
	if (r)
		return r;
	if (!q.w.n_agents)
		asking_unknown(&q, ASK_REQUEST, "there is no agent to answer it");
	else
		asking_say(&q, ASK_REQUEST, d ? unanswered(&q, &request) : "it is gone",
			   "every agent answers that audit is active");
	ask_agents(&q, endpoint_watches, NULL);
	asking_kubernetes(&q, asking_pod_well);
	return 0;
}

/* --- restarts --- */

static int ask_budgets(struct asking *q, struct error *err)
{
	const char *wrong = q->astray;
	struct workload *w = NULL;
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
		wrong = w ? each_pod(q, asking_pod_well) : "the workload is gone";
	if (!wrong && asking_unseen(q))
		asking_unknown(q, ASK_KUBERNETES, asking_unseen(q));
	else
		asking_say(q, ASK_KUBERNETES, wrong,
			   "its pods are ready and its budget lets one go");
	return 0;
}

static int sample_budget(void *env, const struct doc *args, struct gate_sample *out,
			 struct error *err)
{
	struct asking q;
	int r = begin_held(&q, env, args, out, sample_budget, err);

	/* The last look at them before the sidecars that go by them end. */
	if (!r)
		r = asking_rules(&q, err);
	if (!r)
		r = ask_budgets(&q, err);
	if (!r)
		ask_agents(&q, endpoint_well, NULL);
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
		asking_say(q, ASK_KUBERNETES, wrong, "");
	else
		asking_kubernetes(q, question);
	return 0;
}

static int sample_restarted(void *env, const struct doc *args, struct gate_sample *out,
			    struct error *err)
{
	struct asking q;
	int r = asking_begin(&q, env, args, out, sample_restarted, err);

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
	int r = asking_begin(&q, env, args, out, sample_sidecars_back, err);

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
	 0,
	 {ASK_KUBERNETES, ASK_AGENTS}},
	{{.id = G_PROBED,
	  .title = "a probe pod comes up and every sidecar answers it",
	  .source = SOURCE_OPS,
	  .sample = gate_sample_probed},
	 0,
	 {ASK_KUBERNETES, ASK_PROBE}},
	{{.id = "G-AUDIT-ON",
	  .title = "every endpoint only watches",
	  .source = SOURCE_OPS,
	  .sample = sample_audit_on},
	 0,
	 {ASK_KUBERNETES, ASK_REQUEST, ASK_AGENTS}},
	{{.id = "G-AUDIT-CLEAN",
	  .title = "the policies would refuse no call that must pass",
	  .source = "no would-be drop on an edge of the baseline for the whole window",
	  .sample = sample_audit_clean},
	 WINDOW(audit_window_ns),
	 {ASK_KUBERNETES, ASK_AGENTS}},
	{{.id = "G-ENFORCED",
	  .title = "policies are enforced and refuse no call that must pass",
	  .source = SOURCE_OPS,
	  .sample = sample_enforced},
	 WINDOW(settle_ns),
	 {ASK_KUBERNETES, ASK_AGENTS}},
	{{.id = G_LOOKED,
	  .title = "which configuration each client's sidecar goes by before the change",
	  .source = SOURCE_OPS,
	  .sample = gate_sample_looked,
	  .again = true},
	 0,
	 {ASK_KUBERNETES, ASK_PROBE}},
	{{.id = G_RELAXED,
	  .title = "no client is forced to speak TLS to this namespace",
	  .source = "istio mtls_checker.go: a DestinationRule beats the endpoint's label",
	  .sample = gate_sample_relaxed},
	 0,
	 {ASK_KUBERNETES, ASK_RULES, ASK_PROBE}},
	{{.id = G_INJECTION_OFF,
	  .title = "a new pod gets no sidecar",
	  .source = "removing a label proves nothing; only a pod does",
	  .sample = gate_sample_injection_off},
	 0,
	 {ASK_DRY_RUN, ASK_RULES, ASK_PROBE}},
	{{.id = "G-BUDGET",
	  .title = "a pod of the workload may go",
	  .source = "PodDisruptionBudget status",
	  .sample = sample_budget},
	 0,
	 {ASK_KUBERNETES, ASK_AGENTS}},
	{{.id = "G-RESTARTED",
	  .title = "all pods of the workload run without sidecar, quietly",
	  .source = SOURCE_OPS,
	  .sample = sample_restarted},
	 WINDOW(settle_ns),
	 {ASK_KUBERNETES, ASK_AGENTS}},
	{{.id = "G-SIDECARLESS",
	  .title = "no pod of the namespace has a sidecar",
	  .source = SOURCE_OPS,
	  .sample = sample_sidecarless},
	 0,
	 {ASK_KUBERNETES, ASK_AGENTS}},
	{{.id = "G-SOAK",
	  .title = "everything stayed quiet",
	  .source = SOURCE_OPS,
	  .sample = sample_soak},
	 WINDOW(soak_ns),
	 {ASK_KUBERNETES, ASK_AGENTS}},
	{{.id = G_INJECTION_ON,
	  .title = "a new pod gets its sidecar again",
	  .source = "only a pod proves it",
	  .sample = gate_sample_injection_on},
	 0,
	 {ASK_DRY_RUN, ASK_RULES, ASK_PROBE}},
	{{.id = "G-SIDECARS-BACK",
	  .title = "all pods of the workload have their sidecar again",
	  .source = SOURCE_OPS,
	  .sample = sample_sidecars_back},
	 WINDOW(settle_ns),
	 {ASK_KUBERNETES, ASK_AGENTS}},
	{{.id = G_ANSWERED,
	  .title = "every sidecar of the namespace answers and has a configuration",
	  .source = "a container that runs proves no sidecar that serves",
	  .sample = gate_sample_answered},
	 0,
	 {ASK_KUBERNETES, ASK_PROBE}},
	{{.id = "G-UNWATCHED",
	  .title = "pods are ready without the policies",
	  .source = SOURCE_OPS,
	  .sample = sample_well},
	 0,
	 {ASK_KUBERNETES, ASK_AGENTS}},
};
const size_t machine_n_gates = ARRAY_SIZE(machine_gates);
