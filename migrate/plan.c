/* SPDX-License-Identifier: Apache-2.0 */
#include "migrate/plan.h"

#include <string.h>

#include "lib/base/str.h"
#include "lib/istio/host.h"
#include "lib/run/host.h"
#include "lib/run/inputs.h"
#include "migrate/findings.h"
#include "migrate/machine.h"

struct builder {
	struct arena *a;
	const struct plan_input *in;
	struct movers movers;
	struct plan *plan;
	struct doc *doc, *steps;
};

/* --- what was read, so that a change of it is noticed --- */

static void add_inputs(struct builder *b)
{
	for (size_t i = 0; i < b->in->snapshot->n; i++)
		if (plan_reads(b->in->namespace, b->in->mesh->config.root_namespace,
			       b->in->snapshot->items[i]))
			run_inputs_add(b->a, b->doc, b->in->snapshot->items[i]);
}

/* --- edges and workloads --- */

static const char *workload_key(struct arena *a, const struct inventory_workload *w)
{
	return arena_printf(a, "%s/%s/%s", w->kind, w->namespace, w->name);
}

static bool here(const struct builder *b, int workload)
{
	return workload >= 0 &&
	       str_eq(b->in->inventory->workloads[workload].namespace, b->in->namespace);
}

/* The edges that must keep working: allowed, and with an end in this namespace. */
static void add_edges(struct builder *b)
{
	const struct inventory *inv = b->in->inventory;
	struct doc *list = doc_set_list(b->a, b->doc, "edges");

	for (size_t i = 0; i < inv->n_edges; i++) {
		const struct inventory_edge *e = &inv->edges[i];
		struct doc *d;

		if (!e->allowed || e->from < 0 || e->to < 0 ||
		    (!here(b, e->from) && !here(b, e->to)))
			continue;
		d = doc_append(b->a, list, doc_map(b->a));
		doc_set_string(b->a, d, "from", workload_key(b->a, &inv->workloads[e->from]));
		doc_set_string(b->a, d, "fromNamespace", inv->workloads[e->from].namespace);
		doc_set_string(b->a, d, "to", workload_key(b->a, &inv->workloads[e->to]));
		doc_set_int(b->a, d, "port", e->port);
		doc_set_string(b->a, d, "protocol", e->protocol);
	}
}

static struct doc *workload_ref(struct arena *a, const struct inventory_workload *w)
{
	struct doc *ref = doc_map(a);

	doc_set_string(a, ref, "apiVersion", "apps/v1");
	doc_set_string(a, ref, "kind", w->kind);
	doc_set_string(a, ref, "namespace", w->namespace);
	doc_set_string(a, ref, "name", w->name);
	return ref;
}

static const struct inventory_workload *mover(const struct builder *b, size_t at)
{
	return &b->in->inventory->workloads[b->movers.items[b->movers.order.items[at]]];
}

/* In the order of their restarts. */
static void add_workloads(struct builder *b)
{
	struct doc *list = doc_set_list(b->a, b->doc, "workloads");

	for (size_t i = 0; i < b->movers.order.n; i++) {
		const struct inventory_workload *w = mover(b, i);
		struct doc *d = doc_append(b->a, list, doc_map(b->a));

		doc_set_string(b->a, d, "kind", w->kind);
		doc_set_string(b->a, d, "name", w->name);
		doc_set_int(b->a, d, "replicas", w->replicas);
		doc_set_int(b->a, d, "sidecars", w->sidecars);
		doc_set_int(b->a, d, "part",
			    (int64_t)b->movers.order.part[b->movers.order.items[i]]);
	}
}

/* --- patches: DestinationRules without their tls, the namespace without injection --- */

static bool drop_mutual(struct doc *policy)
{
	bool dropped = false;

	if (str_eq(doc_find_str(policy, "tls.mode"), "ISTIO_MUTUAL")) {
		doc_del(policy, "tls");
		dropped = true;
	}
	doc_foreach_item (doc_get(policy, "portLevelSettings"), p) {
		if (str_eq(doc_find_str(p, "tls.mode"), "ISTIO_MUTUAL")) {
			doc_del(p, "tls");
			dropped = true;
		}
	}
	return dropped;
}

/* The merge patch that relaxes a rule, or NULL when it forces nothing. Lists are replaced whole. */
static struct doc *relaxing_patch(struct arena *a, const struct doc *rule)
{
	struct doc *spec = doc_clone(a, doc_get(rule, "spec")), *patch = doc_map(a), *to, *policy;
	struct doc *old = doc_find(rule, "spec.trafficPolicy");
	bool changed = false, subsets = false;

	to = doc_set_map(a, patch, "spec");
	policy = doc_get(spec, "trafficPolicy");
	if (drop_mutual(policy)) {
		changed = true;
		if (!doc_get(policy, "tls") && doc_get(old, "tls"))
			doc_set(a, doc_set_map(a, to, "trafficPolicy"), "tls", doc_null(a));
		if (doc_get(policy, "portLevelSettings"))
			doc_set(a, doc_set_map(a, to, "trafficPolicy"), "portLevelSettings",
				doc_get(policy, "portLevelSettings"));
	}
	doc_foreach_item (doc_get(spec, "subsets"), s)
		subsets |= drop_mutual(doc_get(s, "trafficPolicy"));
	if (subsets)
		doc_set(a, to, "subsets", doc_get(spec, "subsets"));
	return changed || subsets ? patch : NULL;
}

static void add_patch(struct builder *b, struct doc *args, const char *op, const struct doc *object,
		      struct doc *forward)
{
	struct doc *p = doc_append(b->a, doc_set_list(b->a, args, "patches"), doc_map(b->a));

	doc_set_string(b->a, p, "op", op);
	doc_set(b->a, p, "ref", host_ref(b->a, object));
	doc_set(b->a, p, "forward", forward);
}

static bool matches_service_here(const struct builder *b, const char *pattern)
{
	const struct istio_mesh *m = b->in->mesh;

	for (size_t i = 0; i < m->n_services; i++) {
		const struct object_meta *s = &m->services[i].meta;

		if (str_eq(s->namespace, b->in->namespace) &&
		    istio_host_matches(pattern, istio_service_fqdn(b->a, s->name, s->namespace,
								   m->config.domain_suffix)))
			return true;
	}
	return false;
}

/* A rule speaks of this namespace when its host names it, or is a pattern for one of its Services.
 */
static bool host_is_here(const struct builder *b, const struct doc *rule)
{
	const char *host = str_or_empty(doc_find_str(rule, "spec.host"));
	const char *ns = doc_find_str(rule, "metadata.namespace");
	const char *dot = strchr(host, '.');
	size_t n = strlen(b->in->namespace);

	if (host[0] == '*')
		return matches_service_here(b, host);
	if (!dot)
		return str_eq(ns, b->in->namespace);
	return !strncmp(dot + 1, b->in->namespace, n) && (dot[1 + n] == '\0' || dot[1 + n] == '.');
}

static struct doc *relax_args(struct builder *b)
{
	struct doc *args = doc_map(b->a), *relaxes = doc_set_list(b->a, b->doc, "relaxes");

	snapshot_foreach (b->in->snapshot, object_kind(KIND_DESTINATION_RULE), rule) {
		struct doc *patch = host_is_here(b, rule) ? relaxing_patch(b->a, rule) : NULL;

		if (!patch)
			continue;
		add_patch(b, args,
			  arena_printf(b->a, "relax/%s/%s",
				       doc_find_str(rule, "metadata.namespace"),
				       doc_find_str(rule, "metadata.name")),
			  rule, patch);
		doc_append(b->a, relaxes, host_ref(b->a, rule));
	}
	return args;
}

static struct doc *injection_args(struct builder *b)
{
	const struct doc *ns =
		snapshot_find(b->in->snapshot, object_kind(KIND_NAMESPACE), NULL, b->in->namespace);
	struct doc *args = doc_map(b->a), *patch = doc_map(b->a), *labels;

	labels = doc_set_map(b->a, doc_set_map(b->a, patch, "metadata"), "labels");
	doc_set_string(b->a, labels, "istio-injection", "disabled");
	doc_set(b->a, labels, "istio.io/rev", doc_null(b->a));
	doc_set_string(b->a, labels, SIDESTEP_MIGRATED_LABEL, "true");
	add_patch(b, args, "labels", ns, patch);
	return args;
}

/* --- the steps --- */

static void add_step(struct builder *b, const char *state, const char *suffix, const char *title,
		     struct doc *args)
{
	struct doc *d = doc_append(b->a, b->steps, doc_map(b->a));

	doc_setf(b->a, d, "id", "%s%s%s", state, suffix ? "/" : "", str_or_empty(suffix));
	doc_set_string(b->a, d, "state", state);
	doc_set_string(b->a, d, "title", title);
	doc_set(b->a, d, "args", args ? args : doc_map(b->a));
	if (doc_get(args, "skip"))
		return;
	doc_set_string(b->a, d, "does", machine_does(state));
	doc_set(b->a, d, "gates", machine_gates_of(b->a, state));
}

static void add_skipped(struct builder *b, const char *state, const char *title, const char *why)
{
	struct doc *args = doc_map(b->a);

	doc_set_string(b->a, args, "skip", why);
	add_step(b, state, NULL, title, args);
}

static void add_restarts(struct builder *b)
{
	for (size_t i = 0; i < b->movers.order.n; i++) {
		const struct inventory_workload *w = mover(b, i);
		struct doc *args = doc_map(b->a);

		doc_set_string(b->a, args, "workload", workload_key(b->a, w));
		doc_set(b->a, args, "ref", workload_ref(b->a, w));
		add_step(b, "N9", w->name, arena_printf(b->a, "restart %s", w->name), args);
	}
}

static void add_steps(struct builder *b)
{
	struct doc *relax = relax_args(b);

	b->steps = doc_set_list(b->a, b->doc, "steps");
	add_step(b, "N1", NULL, "look whether everything is well", NULL);
	add_step(b, "N2", NULL, "let probe pods look at the namespace", NULL);
	add_step(b, "N3-audit", NULL, "let policies only watch", NULL);
	add_step(b, "N3-policies", NULL, "create the policies, in audit", NULL);
	add_step(b, "N4", NULL, "enforce the policies while sidecars run", NULL);
	add_skipped(b, "N5", "identities with certificates",
		    "not built yet: waiver " WAIVER_IDENTITY_BY_ADDRESS);
	add_skipped(
		b, "N6", "servers elsewhere accept plain text",
		"nothing to do: in this order no client without a sidecar meets a server with one, "
		"as long as no pod is made anew out of its turn (see 'a quiet window')");
	if (doc_len(doc_get(relax, "patches")))
		add_step(b, "N7", NULL, "relax DestinationRules that force mutual TLS", relax);
	else
		add_skipped(b, "N7", "relax DestinationRules", "none forces mutual TLS");
	add_step(b, "N8", NULL, "turn injection off, and prove it", injection_args(b));
	add_restarts(b);
	add_step(b, "N10", NULL, "see that no sidecar is left", NULL);
	add_skipped(b, "N11", "HTTP rules watch", "the namespace has none");
	add_skipped(b, "N12", "HTTP rules are enforced", "the namespace has none");
	add_skipped(b, "N13", "mutual authentication",
		    "not built yet: waiver " WAIVER_ENCRYPTION_LOST);
	add_step(b, "N14", NULL, "soak", NULL);
	add_skipped(b, "N15", "remove Istio's objects",
		    "kept, so that the way back stays open; remove them by hand when you are sure");
}

static const struct doc *list_of_policies(struct builder *b, const struct translation *t)
{
	struct doc *list = doc_set_list(b->a, b->doc, "policies");

	for (size_t i = 0; i < t->n_policies; i++)
		doc_append(b->a, list, doc_clone(b->a, t->policies[i]));
	return list;
}

/* A failure that may happen must be named here, before the first change; else it breaks the
 * promise. */
static void add_announced(struct builder *b)
{
	struct doc *list = doc_set_list(b->a, b->doc, "announced");

	for (size_t i = 0; i < b->movers.n; i++) {
		const struct inventory_workload *w =
			&b->in->inventory->workloads[b->movers.items[i]];
		struct doc *d;

		if (!w->classic)
			continue;
		d = doc_append(b->a, list, doc_map(b->a));
		doc_setf(b->a, d, "edge", "to and from %s", w->name);
		doc_setf(b->a, d, "step", "N9/%s", w->name);
		doc_set_string(b->a, d, "kind",
			       "a request in flight when a classic sidecar ends is reset");
		doc_set_int(b->a, d, "maximum", w->classic);
	}
}

static void add_reason(struct builder *b, const char *object, const char *path, const char *reason)
{
	struct doc *d = doc_append(b->a, doc_set_list(b->a, b->doc, "blocked"), doc_map(b->a));

	doc_set_string(b->a, d, "namespace", b->in->namespace);
	doc_set_string(b->a, d, "object", object);
	doc_set_string(b->a, d, "path", path);
	doc_set_string(b->a, d, "reason", reason);
}

/* Why it may not be carried out: fields without a translation, then findings nobody accepted. */
static void add_blocked(struct builder *b)
{
	const struct translation *t = b->plan->translation;

	doc_set_list(b->a, b->doc, "blocked");
	for (size_t i = 0; i < t->n_fields; i++)
		if (t->fields[i].class == FIELD_BLOCKED)
			add_reason(b, t->fields[i].object, t->fields[i].path, t->fields[i].reason);
	for (size_t i = 0; i < b->plan->report.n; i++) {
		const struct finding *f = &b->plan->report.findings[i];

		/* Fields stand above already, each with its own object and path. */
		if (f->result != FINDING_FAIL || f->severity > SEVERITY_ERROR || f->waiver ||
		    str_eq(f->id, FINDING_FIELD_BLOCKED))
			continue;
		add_reason(b,
			   f->scope[0] ? f->scope
				       : arena_printf(b->a, "Namespace/%s", b->in->namespace),
			   f->id, f->message);
	}
}

/* Each accepted finding, with who accepted it. */
static void add_waivers(struct builder *b)
{
	struct doc *list = doc_set_list(b->a, b->doc, "waivers");

	for (size_t i = 0; i < b->plan->report.n; i++) {
		const struct finding *f = &b->plan->report.findings[i];
		struct doc *d;

		if (!f->waiver)
			continue;
		d = doc_append(b->a, list, waiver_doc(b->a, f->waiver));
		doc_set_string(b->a, d, "title", f->title);
		doc_set_string(b->a, d, "finding", f->message);
		doc_set_string(b->a, d, "where", f->scope[0] ? f->scope : NULL);
	}
}

static int prove(struct builder *b, struct error *err)
{
	struct translation *t = arena_new(b->a, struct translation);
	struct equivalence *e = arena_new(b->a, struct equivalence);
	int r = translate_namespace(t, b->a, b->in->mesh, b->in->namespace, err);

	if (r)
		return r;
	b->plan->translation = t;
	translation_findings(t, &b->plan->report);
	list_of_policies(b, t);
	doc_set(b->a, b->doc, "translation", translation_doc(b->a, t));
	r = verify_namespace(e, b->a, b->in->mesh, b->in->snapshot, t->policies, t->n_policies,
			     b->in->namespace, err);
	if (r)
		return r;
	b->plan->equivalence = e;
	equivalence_findings(e, &b->plan->report);
	doc_set(b->a, b->doc, "equivalence", equivalence_doc(b->a, e));
	return 0;
}

static void add_head(struct builder *b)
{
	char when[CLOCK_RFC3339_SIZE];

	doc_set_string(b->a, b->doc, "schema", PLAN_SCHEMA);
	doc_set_string(b->a, b->doc, "tool", "sidestep-migrate " SIDESTEP_VERSION);
	doc_set_string(b->a, b->doc, "namespace", b->in->namespace);
	doc_set_string(b->a, b->doc, "rootNamespace", b->in->mesh->config.root_namespace);
	doc_set_string(b->a, b->doc, "made", clock_rfc3339(clock_wall_ns(b->in->clock), 0, when));
	doc_set(b->a, b->doc, "profile", profile_doc(b->a, b->in->profile));
}

int plan_make(struct plan *p, struct arena *a, const struct plan_input *in, struct error *err)
{
	struct builder b = {.a = a, .in = in, .plan = p, .doc = doc_map(a)};
	int r;

	if (!snapshot_find(in->snapshot, object_kind(KIND_NAMESPACE), NULL, in->namespace))
		return error_set(err, -ENOENT, "there is no namespace %s", in->namespace);
	*p = (struct plan){.doc = b.doc};
	report_init(&p->report, "sidestep-migrate", arena_printf(a, "Plan for %s", in->namespace),
		    in->clock);
	p->report.waivers = in->profile->waivers;
	add_head(&b);
	movers_make(&b.movers, a, in);
	plan_findings(in, &b.movers, &p->report);
	r = prove(&b, err);
	if (r) {
		report_release(&p->report);
		return r;
	}
	add_workloads(&b);
	add_edges(&b);
	add_announced(&b);
	add_steps(&b);
	doc_set_list(a, b.doc, "inputs");
	add_inputs(&b);
	report_finish(&p->report);
	add_blocked(&b);
	add_waivers(&b);
	doc_set(a, b.doc, "findings", report_doc(a, &p->report));
	return 0;
}

void plan_release(struct plan *p)
{
	report_release(&p->report);
}
