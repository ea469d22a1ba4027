/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gates about sidecars: no client forces TLS any more and every one goes by that; new pods get a
 * sidecar, or none. The API says what shall be; a probe pod sees what is.
 */
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/istio/inject.h"
#include "lib/istio/mtls.h"
#include "lib/object/pod.h"
#include "migrate/gates_internal.h"
#include "migrate/probe.h"

/* --- DestinationRules --- */

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

/* --- have the sidecars followed --- */

static void not_known(struct asking *q, const char *why)
{
	asking_unknown(q, ASK_PROBE, why);
}

/* What it found stands, unless it was well, until another pod has answered. */
static void probe_says(struct asking *q, const char *gate, enum finding_result result,
		       const char *words)
{
	struct migration *m = q->w.migration;

	free(m->probe_found.words);
	m->probe_found.words = result == FINDING_PASS ? NULL : xstrdup(words);
	m->probe_found.result = result;
	m->probe_found.gate = gate;
	if (result == FINDING_UNKNOWN)
		not_known(q, words);
	else
		gate_answer(q->out, gate_source_name(ASK_PROBE), result, "%s", words);
}

/* false: it has not answered, which was said. */
static bool has_answered(struct asking *q, const char *gate, const struct probe_answer *answer)
{
	const struct migration *m = q->w.migration;

	if (answer->wordless)
		probe_says(q, gate, FINDING_UNKNOWN, answer->waiting);
	else if (answer->waiting && m->probe_found.words && str_eq(m->probe_found.gate, gate))
		gate_answer(q->out, gate_source_name(ASK_PROBE), m->probe_found.result,
			    "%s; asked again, it %s", m->probe_found.words, answer->waiting);
	else if (answer->waiting)
		not_known(q, answer->waiting);
	return !answer->waiting;
}

/*
 * --- which configurations to be rid of
 *
 * No clock tells who has followed, the sidecars', the nodes' or this machine's: each sidecar is
 * looked at before the rules change (G-LOOKED) and must go by another configuration afterwards.
 * What a sidecar took between that look and the change, or between the changes of two rules, counts
 * as well: these are made one right behind the other.
 */

/* The record behind which a rule is patched: "done", or, when that only found what a run that was
 * killed had written, the intent. */
static size_t patched_at(const struct journal *j, size_t done)
{
	const struct doc *d = journal_at(j, done)->body;

	for (size_t i = done; !doc_bool_or(doc_get(d, "written"), false) && i-- > 0;) {
		const struct journal_record *r = journal_at(j, i);

		if (str_eq(r->type, "intent") &&
		    str_eq(doc_find_str(r->body, "step"), doc_find_str(d, "step")) &&
		    str_eq(doc_find_str(r->body, "op"), doc_find_str(d, "op")))
			return i;
	}
	return done;
}

/* What the last look before a record saw. */
static const struct doc *looked_before(const struct journal *j, size_t at)
{
	while (at-- > 0) {
		const struct journal_record *r = journal_at(j, at);

		if (str_eq(r->type, "gate") && doc_get(r->body, "evidence"))
			return doc_find(r->body, "evidence.marks");
	}
	return NULL;
}

/* true: a rule forced TLS in this run's time; *ret_marks: the last look before it no longer did. */
static bool forced_in_this_run(const struct migration *m, const struct doc **ret_marks)
{
	bool forced = m->forced;

	*ret_marks = NULL;
	for (size_t i = 0; m->journal && i < journal_count(m->journal); i++) {
		const struct journal_record *r = journal_at(m->journal, i);

		if (doc_find(r->body, "evidence.forced"))
			*ret_marks = looked_before(m->journal, i + 1);
		else if (str_eq(r->type, "done") &&
			 str_starts(str_or_empty(doc_find_str(r->body, "op")), "relax/"))
			*ret_marks = looked_before(m->journal, patched_at(m->journal, i));
		else
			continue;
		forced = true;
	}
	if (m->forced)
		*ret_marks = m->forced_marks;
	return forced;
}

static bool is_relaxed_by_us(const struct asking *q, const struct istio_destination_rule *rule)
{
	doc_foreach_item (doc_get(q->w.migration->plan, "relaxes"), ref)
		if (str_eq(doc_find_str(ref, "namespace"), rule->meta.namespace) &&
		    str_eq(doc_find_str(ref, "name"), rule->meta.name))
			return true;
	return false;
}

/* Clients that see none of the rules get no new configuration from them. */
static bool sees_rule(const struct asking *q, const struct istio_mesh *m, const struct world_pod *p)
{
	for (size_t i = 0; i < m->n_services; i++) {
		const struct service *s = &m->services[i];
		const struct istio_destination_rule *rule;

		if (!str_eq(s->meta.namespace, q->w.migration->ns))
			continue;
		rule = istio_destination_rule_for(m, p->namespace, &p->pod->meta.labels,
						  arena_printf(q->out->arena, "%s.%s.svc.%s",
							       s->meta.name, s->meta.namespace,
							       m->config.domain_suffix),
						  s->meta.namespace);
		if (rule && is_relaxed_by_us(q, rule))
			return true;
	}
	return false;
}

/*
 * The sidecars to be asked, as "namespace/pod=address@mark": m NULL: all; else those that see a
 * rule of the plan. Those without an address begin later, and who has no mark began since.
 */
static const char **clients(const struct asking *q, const struct istio_mesh *m,
			    const struct doc *marks, size_t *ret_n)
{
	const char **list = arena_array(q->out->arena, q->w.n_pods + 1, const char *);
	size_t n = 0;

	for (size_t i = 0; i < q->w.n_pods; i++) {
		const struct world_pod *p = &q->w.pods[i];
		const char *name = arena_printf(q->out->arena, "%s/%s", p->namespace, p->name);
		const char *mark = doc_str(doc_get(marks, name));

		if (p->sidecar && !str_empty(p->pod->pod_ip) && (!m || sees_rule(q, m, p)))
			list[n++] = arena_printf(q->out->arena, "%s=%s%s%s", name, p->pod->pod_ip,
						 mark ? "@" : "", str_or_empty(mark));
	}
	*ret_n = n;
	return list;
}

static bool is_still_there(const struct asking *q, const struct probe_question *ask,
			   const struct doc *late)
{
	const char *pod =
		arena_printf(q->out->arena, "%s=", str_or_empty(doc_find_str(late, "pod")));

	for (size_t i = 0; i < ask->n_targets; i++)
		if (str_starts(ask->targets[i], pod))
			return true;
	return false;
}

/* Envoy hands what leaves its pod for port 15090 to its own listener of that port. */
static bool sees_others(const struct probe_answer *answer)
{
	return !answer->waiting && !answer->sidecar && str_eq(answer->says, "none");
}

static void weigh_clients(struct asking *q, const struct probe_question *ask,
			  const struct probe_answer *answer)
{
	struct arena *a = q->out->arena;
	int64_t late = 0;

	if (!sees_others(answer)) {
		probe_says(q, ask->gate, FINDING_UNKNOWN,
			   "it came up with a sidecar, which would answer for the others");
		return;
	}

	for (size_t i = 0; i < ask->n_targets; i++)
		if (!probe_was_asked(answer, ask->targets[i])) {
			not_known(q, arena_printf(a, "%s came meanwhile", ask->targets[i]));
			return;
		}
	doc_foreach_item (answer->late, one) {
		bool silent = doc_bool_or(doc_get(one, "silent"), false);

		late++;
		if (!is_still_there(q, ask, one))
			continue;
		probe_says(
			q, ask->gate, silent ? FINDING_UNKNOWN : FINDING_FAIL,
			arena_printf(a, "the sidecar of %s %s: %s",
				     str_or_empty(doc_find_str(one, "pod")),
				     silent ? "tells nothing" : "has not taken the configuration",
				     str_or_empty(doc_find_str(one, "why"))));
		return;
	}
	if (answer->taken < 0 || answer->taken + late != answer->asked)
		probe_says(q, ask->gate, FINDING_UNKNOWN,
			   "it does not account for every sidecar it was told of");
	else
		probe_says(q, ask->gate, FINDING_PASS,
			   arena_printf(a, "%lld sidecars have taken %s", (long long)answer->taken,
					ask->what));
}

static int ask_probe(struct asking *q, const struct probe_question *ask,
		     struct probe_answer *answer, struct error *err)
{
	const char *unseen = asking_unseen(q);
	int r;

	*answer = (struct probe_answer){.waiting = "not asked"};
	if (ask->n_targets > PROBE_MAX_TARGETS || unseen) {
		not_known(q, unseen ? unseen : "there are more sidecars than one pod asks");
		return 0;
	}
	r = probe_look(q->w.migration, q->out->arena, ask, answer, err);
	if (r)
		return r;
	if (has_answered(q, ask->gate, answer))
		weigh_clients(q, ask, answer);
	return 0;
}

/* All sidecars in sight: each has some configuration. None at all is no answer. */
static int ask_all(struct asking *q, const char *gate, struct probe_answer *answer,
		   struct error *err)
{
	struct probe_question ask = {.gate = gate, .what = "a configuration"};

	ask.targets = clients(q, NULL, NULL, &ask.n_targets);
	if (ask.n_targets)
		return ask_probe(q, &ask, answer, err);
	*answer = (struct probe_answer){.waiting = "not asked"};
	not_known(q, "there is no sidecar with an address to ask");
	return 0;
}

static int all_answer(const char *gate, const void *self, struct asking *q, void *env,
		      const struct doc *args, struct gate_sample *out, struct probe_answer *answer,
		      struct error *err)
{
	int r = asking_begin(q, env, args, out, self, err);

	if (r)
		return r;
	asking_kubernetes(q, asking_pod_well);
	return ask_all(q, gate, answer, err);
}

/* Before the first change: does a probe pod come up here, and is it answered? */
int gate_sample_probed(void *env, const struct doc *args, struct gate_sample *out,
		       struct error *err)
{
	struct probe_answer answer;
	struct asking q;

	return all_answer(G_PROBED, gate_sample_probed, &q, env, args, out, &answer, err);
}

/* On the way back, before the policies watch again: do the sidecars serve? */
int gate_sample_answered(void *env, const struct doc *args, struct gate_sample *out,
			 struct error *err)
{
	struct probe_answer answer;
	struct asking q;

	return all_answer(G_ANSWERED, gate_sample_answered, &q, env, args, out, &answer, err);
}

static void keep_marks(struct asking *q, const struct doc *marks, bool forced)
{
	struct arena *a = q->out->arena;

	q->out->evidence = doc_map(a);
	if (forced)
		doc_set_bool(a, q->out->evidence, "forced", true);
	if (marks)
		doc_set(a, q->out->evidence, "marks", doc_clone(a, marks));
}

int gate_sample_looked(void *env, const struct doc *args, struct gate_sample *out,
		       struct error *err)
{
	struct probe_answer answer;
	struct asking q;
	int r = all_answer(G_LOOKED, gate_sample_looked, &q, env, args, out, &answer, err);

	if (!r && sees_others(&answer))
		keep_marks(&q, answer.marks, false);
	return r;
}

/* While a rule forces, or when nobody looked while one did: what the sidecars go by now is what
 * they must be rid of. */
static int look_while_forced(struct asking *q, const char *why, struct error *err)
{
	struct migration *m = q->w.migration;
	struct probe_question ask = {.gate = G_LOOKED};
	struct probe_answer answer = {.waiting = "there are more sidecars than one pod asks"};
	int r = 0;

	ask.targets = clients(q, NULL, NULL, &ask.n_targets);
	if (ask.n_targets <= PROBE_MAX_TARGETS)
		r = probe_look(m, q->out->arena, &ask, &answer, err);
	if (r)
		return r;
	if (!m->forced)
		m->forced_marks = NULL;
	m->forced = true;
	if (sees_others(&answer)) {
		arena_release(&m->forced_arena);
		m->forced_marks = doc_clone(&m->forced_arena, answer.marks);
	}
	keep_marks(q, m->forced_marks, true);
	not_known(q, why);
	return 0;
}

/* Whoever sees a rule of the plan must have followed it; without such a rule all must answer. */
static int ask_clients(struct asking *q, const struct istio_mesh *m, struct error *err)
{
	struct probe_question ask = {.gate = G_RELAXED, .what = "a configuration"};
	struct probe_answer answer;
	const struct doc *marks;
	bool forced = forced_in_this_run(q->w.migration, &marks);

	if (forced && !marks)
		return look_while_forced(
			q,
			"nobody looked at the sidecars while a rule forced: let Istio send them "
			"something (edit any object of its), or restart their pods",
			err);
	if (q->w.migration->forced)
		keep_marks(q, marks, true);
	if (forced) {
		ask.what = "another configuration than before";
		ask.targets = clients(q, m, marks, &ask.n_targets);
	}
	if (!ask.n_targets) {
		ask.what = "a configuration";
		ask.targets = clients(q, NULL, NULL, &ask.n_targets);
	}
	return ask_probe(q, &ask, &answer, err);
}

int gate_sample_relaxed(void *env, const struct doc *args, struct gate_sample *out,
			struct error *err)
{
	const struct istio_mesh *m;
	struct asking q;
	const char *wrong, *forced;
	int r = asking_begin(&q, env, args, out, gate_sample_relaxed, err);

	if (r)
		return r;
	wrong = planned_rule_still_forces(&q, err, &r);
	if (r)
		return r;
	m = look_at_mesh(&q, err, &r);
	if (r)
		return r;
	asking_say(&q, ASK_KUBERNETES, wrong, "the DestinationRules of the plan force nothing");
	forced = rules_force(&q, m);
	asking_say(&q, ASK_RULES, forced, "no client is forced to mutual TLS with this namespace");
	if (!wrong && !forced)
		return ask_clients(&q, m, err);
	return look_while_forced(&q, "not asked while a rule forces", err);
}

/* --- injection: a pod created as a dry run, and the injector's rules --- */

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

/* A pod that really came up: its containers, and what answers beside it. */
static int ask_own_sidecar(struct asking *q, const char *gate, bool want, struct error *err)
{
	struct probe_question ask = {.gate = gate, .injected = true, .expect_sidecar = want};
	struct probe_answer answer;
	int r = probe_look(q->w.migration, q->out->arena, &ask, &answer, err);

	if (r || !has_answered(q, gate, &answer))
		return r;
	if (answer.sidecar != want)
		probe_says(q, gate, FINDING_FAIL,
			   want ? "it came up without a sidecar" : "it came up with a sidecar");
	else if (!str_eq(answer.says, want ? "answers" : "none"))
		probe_says(q, gate, FINDING_FAIL,
			   want ? "it has a sidecar that did not get ready"
				: "something answers where its sidecar would");
	else
		probe_says(q, gate, FINDING_PASS,
			   want ? "it came up with a sidecar that answers"
				: "it came up without a sidecar, and nothing answers in its place");
	return 0;
}

static int ask_injection(struct asking *q, const char *gate, bool want, struct error *err)
{
	const struct istio_mesh *m;
	const char *dry = NULL, *rules = NULL, *unasked = "the plan names no workload";
	int r = 0;

	m = look_at_mesh(q, err, &r);
	doc_foreach_item (doc_get(q->w.migration->plan, "workloads"), it) {
		const struct istio_workload *w =
			r ? NULL
			  : istio_mesh_template(m, q->w.migration->ns, doc_find_str(it, "kind"),
						doc_find_str(it, "name"));
		bool sidecar = !want;

		unasked = w && w->controller ? NULL
					     : arena_printf(q->out->arena, "%s is not there",
							    str_or_empty(doc_find_str(it, "name")));
		if (r || unasked)
			break;
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
	if (unasked) {
		asking_unknown(q, ASK_DRY_RUN, unasked);
		asking_unknown(q, ASK_RULES, unasked);
		not_known(q, "not asked while the others cannot tell");
		return 0;
	}
	asking_say(q, ASK_DRY_RUN, dry, want ? "gets a sidecar" : "gets no sidecar");
	asking_say(q, ASK_RULES, rules,
		   want ? "new pods get a sidecar" : "new pods get no sidecar");
	if (!dry && !rules)
		return ask_own_sidecar(q, gate, want, err);
	not_known(q, "not asked while the others say no");
	return 0;
}

int gate_sample_injection_off(void *env, const struct doc *args, struct gate_sample *out,
			      struct error *err)
{
	struct asking q;
	int r = asking_begin(&q, env, args, out, gate_sample_injection_off, err);

	return r ? r : ask_injection(&q, G_INJECTION_OFF, false, err);
}

int gate_sample_injection_on(void *env, const struct doc *args, struct gate_sample *out,
			     struct error *err)
{
	struct asking q;
	int r = asking_begin(&q, env, args, out, gate_sample_injection_on, err);

	return r ? r : ask_injection(&q, G_INJECTION_ON, true, err);
}
