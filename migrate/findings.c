/* SPDX-License-Identifier: Apache-2.0 */
#include "migrate/findings.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/istio/mtls.h"
#include "lib/object/workload.h"

/* --- who moves, in which order -----------------------------------------------------------------
 */

/* A CronJob that makes no pods. */
static bool is_suspended(const struct plan_input *in, const struct inventory_workload *w)
{
	const struct doc *d = str_eq(w->kind, "CronJob")
				      ? snapshot_find(in->snapshot, object_kind(KIND_CRON_JOB),
						      w->namespace, w->name)
				      : NULL;

	return doc_bool_or(doc_find(d, "spec.suspend"), false);
}

/* What runs once and has ended is no more. */
static bool moves(const struct plan_input *in, const struct inventory_workload *w)
{
	bool once = str_eq(w->kind, "Job") || str_eq(w->kind, "Pod");

	return str_eq(w->namespace, in->namespace) && !is_suspended(in, w) &&
	       (w->sidecars || (w->injected && (w->pods || !once)));
}

static bool position(const struct movers *m, int workload, size_t *ret)
{
	for (size_t i = 0; i < m->n; i++) {
		if (workload >= 0 && m->items[i] == (size_t)workload) {
			*ret = i;
			return true;
		}
	}
	return false;
}

void movers_make(struct movers *m, struct arena *a, const struct plan_input *in)
{
	const struct inventory *inv = in->inventory;
	struct order_edge *edges = arena_array(a, inv->n_edges + 1, struct order_edge);
	size_t n = 0;

	*m = (struct movers){.items = arena_array(a, inv->n_workloads + 1, size_t)};
	for (size_t i = 0; i < inv->n_workloads; i++)
		if (moves(in, &inv->workloads[i]))
			m->items[m->n++] = i;
	for (size_t i = 0; i < inv->n_edges; i++) {
		const struct inventory_edge *e = &inv->edges[i];

		if (e->allowed && position(m, e->from, &edges[n].caller) &&
		    position(m, e->to, &edges[n].server))
			n++;
	}
	order_make(&m->order, a, m->n, edges, n);
}

/* --- the findings ------------------------------------------------------------------------------
 */

struct look {
	const struct plan_input *in;
	const struct movers *movers;
	struct report *report;
	const struct check *check;
};

static const char *scope(const struct look *l, const struct inventory_workload *w)
{
	return arena_printf(&l->report->arena, "%s/%s/%s", w->kind, w->namespace, w->name);
}

static void seen(const struct look *l, enum finding_result result, const char *where,
		 const char *text)
{
	report_add(l->report, l->check, result, where, "%s", text);
}

static const struct inventory_workload *mover(const struct look *l, size_t i)
{
	return &l->in->inventory->workloads[l->movers->items[i]];
}

static bool strict_at(const struct look *l, const struct inventory_workload *server, uint16_t port)
{
	return server->sidecars && server->template &&
	       istio_server_mtls(l->in->mesh, server->namespace, &server->template->labels, port)
			       .mode == MTLS_STRICT;
}

static void look_sidecars(const struct look *l)
{
	const struct doc *ns =
		snapshot_find(l->in->snapshot, object_kind(KIND_NAMESPACE), NULL, l->in->namespace);

	if (doc_get(doc_find(ns, "metadata.labels"), SNAPSHOT_ASSUMED))
		seen(l, FINDING_UNKNOWN, "",
		     "the snapshot has no Namespace of this name, and its labels decide who gets a "
		     "sidecar; taken as istio-injection=enabled");
	else if (l->movers->n)
		report_add(l->report, l->check, FINDING_PASS, "", "%zu workloads have sidecars",
			   l->movers->n);
	else
		seen(l, FINDING_SKIP, "", "no workload here has a sidecar or would get one");
}

static void look_graph(const struct look *l)
{
	const struct inventory *inv = l->in->inventory;

	seen(l, inv->graph_known ? FINDING_PASS : FINDING_UNKNOWN, "",
	     inv->graph_why ? inv->graph_why : "agents publish what they count");
}

static const char *edge_text(const struct look *l, const struct inventory_edge *e)
{
	return arena_printf(&l->report->arena, "%s -> %s:%u", e->from_name, e->to_name, e->port);
}

static void look_cycles(const struct look *l)
{
	const struct inventory *inv = l->in->inventory;
	const struct order *o = &l->movers->order;
	size_t before = l->report->n, caller, server;

	for (size_t part = 0; part < o->n_parts; part++) {
		auto_release(strbuf) struct strbuf edges = STRBUF_INIT;
		bool strict = false;

		for (size_t i = 0; o->part_size[part] > 1 && i < inv->n_edges; i++) {
			const struct inventory_edge *e = &inv->edges[i];

			if (!e->allowed || !position(l->movers, e->from, &caller) ||
			    !position(l->movers, e->to, &server) || o->part[caller] != part ||
			    o->part[server] != part)
				continue;
			strict |= strict_at(l, &inv->workloads[e->to], e->port);
			strbuf_addf(&edges, "%s%s", edges.len ? ", " : "", edge_text(l, e));
		}
		if (strict)
			report_add(l->report, l->check, FINDING_FAIL, "",
				   "calls in a circle under STRICT: %s", strbuf_cstr(&edges));
	}
	if (l->report->n == before)
		seen(l, FINDING_PASS, "", "servers can go before their callers");
}

static void look_peers(const struct look *l)
{
	const struct inventory *inv = l->in->inventory;
	size_t before = l->report->n, at;

	for (size_t i = 0; i < inv->n_edges; i++) {
		const struct inventory_edge *e = &inv->edges[i];

		if (!e->allowed || e->to < 0 || !position(l->movers, e->from, &at) ||
		    position(l->movers, e->to, &at) ||
		    !strict_at(l, &inv->workloads[e->to], e->port))
			continue;
		report_add(l->report, l->check, FINDING_FAIL, "",
			   "%s: the server keeps its sidecar and takes only mutual TLS",
			   edge_text(l, e));
	}
	if (l->report->n == before)
		seen(l, FINDING_PASS, "", "no server elsewhere insists on mutual TLS");
}

/* A Deployment or StatefulSet that makes no pods anew when its template changes; else NULL. */
static const char *stands_still(const struct workload *c)
{
	if (!c)
		return NULL;
	if (c->paused)
		return "its rollouts are paused: a new template makes no new pods";
	if (str_eq(c->update_strategy, "OnDelete"))
		return "updateStrategy OnDelete: a new template makes no new pods";
	if (c->partition > 0)
		return "its partition keeps some pods on the old template";
	return NULL;
}

/* Why a workload cannot be made anew pod by pod; NULL when it can. */
static const char *immovable(const struct inventory_workload *w)
{
	static const struct {
		const char *kind, *why;
	} kinds[] = {
		{"DaemonSet",
		 "a DaemonSet takes each pod away before the next one comes, and is not "
		 "restarted by this release"},
		{"Job", "a Job's pod must not be restarted half way: wait for its end"},
		{"Pod", "a pod of its own: nobody would make it anew"},
		{"CronJob", "its next pod could come without a sidecar while its servers still ask "
			    "for one: suspend it"},
	};

	if (str_eq(w->kind, "Deployment") || str_eq(w->kind, "StatefulSet"))
		return stands_still(w->template ? w->template->controller : NULL);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (str_eq(w->kind, kinds[i].kind))
			return kinds[i].why;
	return "nobody knows how it is restarted";
}

static void look_kinds(const struct look *l)
{
	size_t before = l->report->n;

	for (size_t i = 0; i < l->movers->n; i++) {
		const struct inventory_workload *w = mover(l, i);
		const char *why = immovable(w);

		if (why)
			seen(l, FINDING_FAIL, scope(l, w), why);
	}
	if (l->report->n == before)
		seen(l, FINDING_PASS, "", "all can be restarted pod by pod");
}

/* Of n: an absolute number, or a percentage rounded up or down. */
static int64_t share(const struct int_or_string *v, int64_t n, bool up, int64_t fallback)
{
	uint64_t percent;
	auto_free char *digits = NULL;

	if (v->kind == IOS_INT)
		return v->number;
	if (v->kind == IOS_ABSENT || !str_ends(v->string, "%"))
		return fallback;
	digits = xstrndup(v->string, strlen(v->string) - 1);
	if (str_to_u64(digits, 0, 100, &percent, "percentage", NULL))
		return fallback;
	return ((int64_t)percent * n + (up ? 99 : 0)) / 100;
}

/* How many pods a rollout takes away at once. */
static int64_t taken(const struct workload *w, int64_t replicas)
{
	static const struct int_or_string quarter = {IOS_STRING, 0, "25%"};
	int64_t n;

	if (str_eq(w->strategy, "Recreate"))
		return replicas;
	if (str_eq(w->meta.kind, "StatefulSet"))
		return 1;
	n = share(w->max_unavailable.kind == IOS_ABSENT ? &quarter : &w->max_unavailable, replicas,
		  false, 0);
	if (!n && w->max_surge.kind == IOS_INT && !w->max_surge.number)
		n = 1;
	return n;
}

/* How many its budgets let go; -1 without a budget. */
static int64_t spare(const struct look *l, const struct inventory_workload *w, int64_t replicas)
{
	snapshot_foreach (l->in->snapshot, object_kind(KIND_POD_DISRUPTION_BUDGET), d) {
		struct disruption_budget b;

		if (disruption_budget_decode(&l->report->arena, d, &b, NULL) ||
		    !str_eq(b.meta.namespace, w->namespace) || !str_eq(b.meta.name, w->budget))
			continue;
		if (b.max_unavailable.kind != IOS_ABSENT)
			return share(&b.max_unavailable, replicas, true, 0);
		return MAX(replicas - share(&b.min_available, replicas, true, 0), 0);
	}
	return -1;
}

static void look_budgets(const struct look *l)
{
	size_t before = l->report->n;

	for (size_t i = 0; i < l->movers->n; i++) {
		const struct inventory_workload *w = mover(l, i);
		const struct workload *c = w->template ? w->template->controller : NULL;
		int64_t takes, spares;

		if (!c || str_eq(w->kind, "DaemonSet"))
			continue;
		takes = taken(c, w->replicas);
		spares = spare(l, w, w->replicas);
		if (takes >= w->replicas && w->replicas && w->named_by_services)
			report_add(l->report, l->check, FINDING_FAIL, scope(l, w),
				   "its rollout takes all %d pods away at once", w->replicas);
		else if (spares >= 0 && takes > spares)
			report_add(l->report, l->check, FINDING_FAIL, scope(l, w),
				   "its rollout takes %lld pods at once, its budget spares %lld",
				   (long long)takes, (long long)spares);
	}
	if (l->report->n == before)
		seen(l, FINDING_PASS, "", "every rollout stays within its budget");
}

static void look_templates(const struct look *l)
{
	size_t before = l->report->n;

	for (size_t i = 0; i < l->movers->n; i++) {
		const struct inventory_workload *w = mover(l, i);

		if (!w->template)
			continue;
		if (w->template->form != SIDECAR_NONE)
			seen(l, FINDING_FAIL, scope(l, w),
			     "the sidecar is written into its template");
		else if (strmap_get(&w->template->labels, "security.istio.io/tlsMode"))
			seen(l, FINDING_FAIL, scope(l, w),
			     "its template sets security.istio.io/tlsMode, which would outlive the "
			     "sidecar");
	}
	if (l->report->n == before)
		seen(l, FINDING_PASS, "", "sidecars come from the injector alone");
}

/* On any port that the Service leads to, or on those that no policy names. */
static bool strict_behind(const struct look *l, const struct inventory_workload *w,
			  const struct service *s)
{
	for (size_t i = 0; i < s->n_ports; i++)
		if (strict_at(l, w, istio_target_port(&s->ports[i], w->template->spec)))
			return true;
	return strict_at(l, w, 0);
}

static void look_headless(const struct look *l)
{
	const struct istio_mesh *m = l->in->mesh;
	size_t before = l->report->n;

	for (size_t i = 0; i < m->n_services; i++) {
		const struct service *s = &m->services[i];

		for (size_t k = 0; service_is_headless(s) && k < l->movers->n; k++) {
			const struct inventory_workload *w = mover(l, k);

			if (!w->template || w->replicas < 2 ||
			    !istio_service_selects(s, w->namespace, &w->template->labels) ||
			    !strict_behind(l, w, s))
				continue;
			report_add(l->report, l->check, FINDING_FAIL, scope(l, w),
				   "headless Service %s: the first pod without a sidecar turns "
				   "clients to plain text for all of them",
				   s->meta.name);
		}
	}
	if (l->report->n == before)
		seen(l, FINDING_PASS, "", "none under STRICT");
}

/* Made before injection was switched on: Istio asks nothing of such a pod, and it has no
 * certificate. */
static void look_uninjected(const struct look *l)
{
	size_t before = l->report->n;

	for (size_t i = 0; i < l->movers->n; i++) {
		const struct inventory_workload *w = mover(l, i);

		if (w->injected && w->pods > w->sidecars)
			report_add(
				l->report, l->check, FINDING_FAIL, scope(l, w),
				"%u of %u pods run without the sidecar that a new one would get: "
				"what Istio does now is not what its objects say",
				w->pods - w->sidecars, w->pods);
	}
	if (l->report->n == before)
		seen(l, FINDING_PASS, "", "no pod lacks the sidecar that a new one would get");
}

static void look_classic(const struct look *l)
{
	size_t before = l->report->n;

	for (size_t i = 0; i < l->movers->n; i++) {
		const struct inventory_workload *w = mover(l, i);

		if (w->classic)
			report_add(l->report, l->check, FINDING_FAIL, scope(l, w),
				   "%u pods: requests in flight may be lost when the sidecar ends "
				   "before the application",
				   w->classic);
	}
	if (l->report->n == before)
		seen(l, FINDING_PASS, "", "all sidecars are native");
}

/* What is written about relaxed rules holds only where a client finds out what an endpoint speaks.
 */
static void look_auto_mtls(const struct look *l)
{
	if (!l->movers->n)
		seen(l, FINDING_SKIP, "", "nothing is to move");
	else if (istio_mesh_config_auto_mtls(&l->in->mesh->config))
		seen(l, FINDING_PASS, "", "clients choose per endpoint");
	else
		seen(l, FINDING_FAIL, "",
		     "enableAutoMtls is false: once no DestinationRule forces mutual TLS, clients "
		     "speak plain text to pods with sidecars too, and STRICT ones refuse them");
}

/* Injection goes off for the namespace at once, sidecars go one workload after the other. */
static void look_window(const struct look *l)
{
	const struct inventory *inv = l->in->inventory;
	const char *first = NULL;
	size_t n = 0, at;

	for (size_t i = 0; i < inv->n_edges; i++) {
		const struct inventory_edge *e = &inv->edges[i];

		if (!e->allowed || !position(l->movers, e->from, &at) ||
		    !position(l->movers, e->to, &at) ||
		    !strict_at(l, &inv->workloads[e->to], e->port))
			continue;
		if (!n++)
			first = edge_text(l, e);
	}
	if (!l->movers->n)
		seen(l, FINDING_SKIP, "", "no workload moves");
	else if (!n)
		seen(l, FINDING_PASS, "",
		     "no call among the workloads is to a server under STRICT");
	else
		report_add(
			l->report, l->check, FINDING_FAIL, "",
			"a pod that comes out of its workload's turn between N8 and N10 (evicted, "
			"drained, scaled, deployed) has no sidecar yet, and servers that still "
			"have one refuse it: %zu edges, first %s",
			n, first);
}

static void look_encryption(const struct look *l)
{
	if (!l->movers->n)
		seen(l, FINDING_SKIP, "", "nothing moves");
	else
		seen(l, FINDING_FAIL, "",
		     "calls among the moved workloads cross the wire in plain text: encryption "
		     "between nodes and mutual authentication (N5, N13) are not built yet");
}

/* The paragraph of a row is its `explain`; the function comes with it. */
static const struct {
	struct check check;
	void (*look)(const struct look *l);
} rows[] = {
	{{.id = "MIG-001",
	  .title = "something to move",
	  .category = "namespace",
	  .severity = SEVERITY_BLOCKER,
	  .remedy = "Put the Namespace into the snapshot: kubectl get namespace NAME -o yaml.",
	  .source = "pods and the injector's rules"},
	 look_sidecars},
	{{.id = "MIG-002",
	  .title = "who calls whom is known",
	  .category = "namespace",
	  .severity = SEVERITY_BLOCKER,
	  .remedy = "Let every node's agent run and count for as long as your traffic has a cycle.",
	  .source = "SidestepNode status"},
	 look_graph},
	{{.id = "MIG-003",
	  .title = "an order without a circle",
	  .category = "order",
	  .severity = SEVERITY_BLOCKER,
	  .flags = CHECK_NOT_WAIVABLE,
	  .remedy = "Set PERMISSIVE on the servers named, or take one call out of the circle.",
	  .source = "a client without a sidecar cannot call a server that is STRICT"},
	 look_cycles},
	{{.id = "MIG-004",
	  .title = "servers elsewhere",
	  .category = "order",
	  .severity = SEVERITY_BLOCKER,
	  .flags = CHECK_NOT_WAIVABLE,
	  .remedy = "Move the servers' namespace first, or let it set PERMISSIVE.",
	  .source = "a client without a sidecar cannot call a server that is STRICT"},
	 look_peers},
	{{.id = "MIG-005",
	  .title = "kinds of workloads",
	  .category = "workloads",
	  .severity = SEVERITY_BLOCKER,
	  .remedy = "Let it roll, suspend it or await its end; else give it "
		    "sidecar.istio.io/inject: \"false\" and "
		    "make it anew yourself in a quiet hour.",
	  .source = "a restart is a change of the pod template"},
	 look_kinds},
	{{.id = "MIG-006",
	  .title = "rollouts within budgets",
	  .category = "workloads",
	  .severity = SEVERITY_BLOCKER,
	  .remedy = "Set maxUnavailable: 0 with maxSurge: 1, or add a replica.",
	  .source = "Deployments do not ask PodDisruptionBudgets when they roll"},
	 look_budgets},
	{{.id = "MIG-007",
	  .title = "sidecars come from the injector",
	  .category = "workloads",
	  .severity = SEVERITY_BLOCKER,
	  .flags = CHECK_NOT_WAIVABLE,
	  .remedy = "Take what istioctl kube-inject wrote out of the template.",
	  .source = "a label turns the injector off, not a template"},
	 look_templates},
	{{.id = "MIG-008",
	  .title = "headless Services",
	  .category = "workloads",
	  .severity = SEVERITY_BLOCKER,
	  .flags = CHECK_NOT_WAIVABLE,
	  .remedy = "Set PERMISSIVE on the workload until all its pods have moved.",
	  .source = "istio push_context.go BestEffortInferServiceMTLSMode"},
	 look_headless},
	{{.id = "MIG-009",
	  .title = "form of the sidecars",
	  .category = "workloads",
	  .severity = SEVERITY_WARNING,
	  .remedy = "Inject native sidecars first.",
	  .source = "containers of a pod end together; native sidecars end last"},
	 look_classic},
	{{.id = "MIG-010",
	  .title = "pods have their sidecars",
	  .category = "workloads",
	  .severity = SEVERITY_BLOCKER,
	  .remedy =
		  "kubectl rollout restart, or sidecar.istio.io/inject: \"false\" on the template.",
	  .source = "translation and proof take every pod to be as a new one would be"},
	 look_uninjected},
	{{.id = "MIG-011",
	  .title = "clients choose per endpoint",
	  .category = "order",
	  .severity = SEVERITY_BLOCKER,
	  .flags = CHECK_NOT_WAIVABLE,
	  .remedy = "Set meshConfig.enableAutoMtls: true first.",
	  .source = "istio mtls_checker.go: only with auto mTLS does an endpoint's label decide"},
	 look_auto_mtls},
	{{.id = "MIG-012",
	  .title = "a quiet window",
	  .category = "order",
	  .severity = SEVERITY_WARNING,
	  .remedy =
		  "Hold autoscalers, drains and deployments of this namespace between N8 and N10.",
	  .source = "a label turns injection off for the whole namespace"},
	 look_window},
	{{.id = WAIVER_ENCRYPTION_LOST,
	  .title = "encryption lost",
	  .category = "accepted by waiver",
	  .severity = SEVERITY_ERROR,
	  .remedy = "Name who answers for it in a waiver of the profile.",
	  .source = "states N5 and N13 and encryption between nodes are not part of this release"},
	 look_encryption},
};

void plan_findings(const struct plan_input *in, const struct movers *m, struct report *r)
{
	struct look l = {.in = in, .movers = m, .report = r};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		l.check = &rows[i].check;
		rows[i].look(&l);
	}
}
