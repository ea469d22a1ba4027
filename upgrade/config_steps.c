/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a run as steps, and what must be seen before the next one: tables. */
#include <string.h>

#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "upgrade/config_run.h"

#define STEP_MAX_OPS   100u /* of one step; a larger phase is several */
#define GATE_EVERY_NS  (2 * NS_PER_S)
#define ESTABLISHED_NS (60 * NS_PER_S)
#define READY_STANDS   2u

/* --- in which order --- */

/* Kinds that others need, in the order in which they are made; all others come behind them. */
static const struct {
	const char *kind;
	enum config_phase phase;
} first_kinds[] = {
	{"Namespace", PHASE_NAMESPACES},
	{"CustomResourceDefinition", PHASE_DEFINITIONS},
	{"ServiceAccount", PHASE_ACCESS},
	{"ClusterRole", PHASE_ACCESS},
	{"ClusterRoleBinding", PHASE_ACCESS},
	{"Role", PHASE_ACCESS},
	{"RoleBinding", PHASE_ACCESS},
	{"PriorityClass", PHASE_CONFIG},
	{"ResourceQuota", PHASE_CONFIG},
	{"LimitRange", PHASE_CONFIG},
	{"Secret", PHASE_CONFIG},
	{"ConfigMap", PHASE_CONFIG},
	{"StorageClass", PHASE_CONFIG},
	{"PersistentVolume", PHASE_CONFIG},
	{"PersistentVolumeClaim", PHASE_CONFIG},
	{"Service", PHASE_CONFIG},
	{"NetworkPolicy", PHASE_CONFIG},
	{"CiliumNetworkPolicy", PHASE_CONFIG},
	{"CiliumClusterwideNetworkPolicy", PHASE_CONFIG},
	{"DaemonSet", PHASE_WORKLOADS},
	{"Deployment", PHASE_WORKLOADS},
	{"StatefulSet", PHASE_WORKLOADS},
	{"Pod", PHASE_WORKLOADS},
	{"Job", PHASE_WORKLOADS},
	{"CronJob", PHASE_WORKLOADS},
	{"Ingress", PHASE_REST},
};

static const struct {
	const char *id, *title;
	enum config_gate gate;
} phases[CONFIG_PHASE_COUNT] = {
#define CONFIG_PHASE_ROW(symbol, id, title, gate) [symbol] = {id, title, gate},
	CONFIG_PHASES(CONFIG_PHASE_ROW)
#undef CONFIG_PHASE_ROW
};

size_t config_rank_of(const char *kind)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(first_kinds) && !str_eq(first_kinds[i].kind, kind))
		i++;
	return i;
}

const char *config_op_name(enum config_op_kind op)
{
	static const char *const names[] = {"create", "update", "delete"};

	return names[op];
}

enum config_phase config_phase_of(enum config_op_kind op, const char *kind)
{
	const size_t rank = config_rank_of(kind);

	if (op == OP_DELETE)
		return PHASE_REMOVALS;
	return rank < ARRAY_SIZE(first_kinds) ? first_kinds[rank].phase : PHASE_REST;
}

const char *config_phase_name(enum config_phase phase)
{
	return phases[phase].id;
}

int config_phase_parse(const char *name, enum config_phase *ret_phase)
{
	for (size_t i = 0; i < CONFIG_PHASE_COUNT; i++)
		if (str_eq(name, phases[i].id)) {
			*ret_phase = (enum config_phase)i;
			return 0;
		}
	return -EINVAL;
}

/* --- what it changes --- */

static struct doc *state_doc(struct arena *a, const char *state)
{
	struct doc *d = doc_map(a);

	doc_set_string(a, d, "state", state);
	return d;
}

static int step_changes(void *env, const struct step *step, struct step_changes *out,
			struct error *err)
{
	static const enum change_kind kinds[] = {[OP_CREATE] = CHANGE_CREATE,
						 [OP_UPDATE] = CHANGE_PATCH,
						 [OP_DELETE] = CHANGE_DELETE};
	struct config_run *run = env;

	doc_foreach_item (doc_get(step->args, "operations"), d) {
		const struct config_op *op = &run->ops[doc_int_or(d, 1) - 1];
		const struct doc *to =
			op->after_state ? state_doc(out->arena, op->after_state) : NULL;
		struct change *c = step_add_change(out, kinds[op->op], op->name, op->ref, to);

		if (!c)
			return error_set(err, -E2BIG, "too many changes in one step");
		/* What the plan saw: whoever came between it and us is not overwritten. */
		if (op->before_state)
			c->backward = state_doc(out->arena, op->before_state);
		if (op->op == OP_DELETE)
			c->digest = op->before_state;
	}
	return 0;
}

/* --- gates --- */

static bool condition_is(const struct doc *live, const char *type, const char *status,
			 const char *reason)
{
	doc_foreach_item (doc_find(live, "status.conditions"), c)
		if (str_eq(doc_find_str(c, "type"), type) &&
		    str_eq(doc_find_str(c, "status"), status) &&
		    (!reason || str_eq(doc_find_str(c, "reason"), reason)))
			return true;
	return false;
}

/* The controller has seen what we wrote. */
static bool observed(const struct doc *live)
{
	return doc_find_int(live, "status.observedGeneration", 0) >=
	       doc_find_int(live, "metadata.generation", 0);
}

static const char *behind(struct arena *a, const struct doc *live, const char *field, int64_t want,
			  const char *what)
{
	const int64_t have = doc_find_int(live, arena_printf(a, "status.%s", field), 0);

	return have >= want
		       ? NULL
		       : arena_printf(a, "%lld of %lld %s", (long long)have, (long long)want, what);
}

static const char *deployment_lacks(struct arena *a, const struct doc *live, bool *ret_final)
{
	const int64_t want = doc_find_int(live, "spec.replicas", 1);
	const char *lack = behind(a, live, "updatedReplicas", want, "pods are new");
	const int64_t all = doc_find_int(live, "status.replicas", 0);

	*ret_final = condition_is(live, "Progressing", "False", "ProgressDeadlineExceeded");
	if (*ret_final)
		return "its controller has given up (ProgressDeadlineExceeded)";
	if (!lack)
		lack = behind(a, live, "availableReplicas", want, "pods are available");
	if (!lack && all > doc_find_int(live, "status.updatedReplicas", 0))
		lack = "old pods are still there";
	return lack;
}

static bool on_delete(const struct doc *live)
{
	return str_eq(doc_find_str(live, "spec.updateStrategy.type"), "OnDelete");
}

static const char *daemon_set_lacks(struct arena *a, const struct doc *live)
{
	const int64_t want = doc_find_int(live, "status.desiredNumberScheduled", 0);
	const char *lack = NULL;

	if (!on_delete(live))
		lack = behind(a, live, "updatedNumberScheduled", want, "pods are new");
	return lack ? lack : behind(a, live, "numberAvailable", want, "pods are available");
}

static const char *stateful_set_lacks(struct arena *a, const struct doc *live)
{
	const int64_t want = doc_find_int(live, "spec.replicas", 1);
	const int64_t from = doc_find_int(live, "spec.updateStrategy.rollingUpdate.partition", 0);
	const char *lack = NULL;

	if (!on_delete(live))
		lack = behind(a, live, "updatedReplicas", MAX(want - from, 0), "pods are new");
	return lack ? lack : behind(a, live, "readyReplicas", want, "pods are ready");
}

const char *config_not_ready(struct arena *a, const struct doc *live, bool *ret_final)
{
	const char *kind = doc_find_str(live, "kind");
	const bool deployment = str_eq(kind, "Deployment"), daemon_set = str_eq(kind, "DaemonSet");

	*ret_final = false;
	if (str_eq(kind, "CustomResourceDefinition"))
		return condition_is(live, "Established", "True", NULL) ? NULL
								       : "is not established";
	if (!deployment && !daemon_set && !str_eq(kind, "StatefulSet"))
		return NULL;
	if (!observed(live))
		return "its controller has not looked at it yet";
	if (deployment)
		return deployment_lacks(a, live, ret_final);
	return daemon_set ? daemon_set_lacks(a, live) : stateful_set_lacks(a, live);
}

/* Nobody has ever looked at it: there may be no controller at all, so nobody can say. */
static bool never_seen(const struct doc *live)
{
	const char *kind = doc_find_str(live, "kind");

	return !str_eq(kind, "CustomResourceDefinition") &&
	       !doc_find(live, "status.observedGeneration");
}

static int ask_op(struct config_run *run, const struct config_op *op, struct gate_sample *out,
		  struct error *err)
{
	const struct object_kind *k;
	struct doc *live = NULL;
	const char *lack = NULL;
	bool final = false;
	int r = config_kind_find(&run->kinds, op->ref, &k, err);

	if (r || !k)
		return r;
	r = cluster_get(run->place.cluster, out->arena, k, doc_find_str(op->ref, "namespace"),
			doc_find_str(op->ref, "name"), &live, err);
	if (r)
		return r;
	if (op->op == OP_DELETE) {
		if (live && kube_deleting(live))
			gate_answer(out, op->name, FINDING_UNKNOWN,
				    "is still being deleted (finalizers, or what is in it)");
		return 0;
	}
	if (!live)
		lack = "is gone";
	else
		lack = config_not_ready(out->arena, live, &final);
	out->final = out->final || final;
	if (lack)
		gate_answer(out, op->name,
			    live && never_seen(live) ? FINDING_UNKNOWN : FINDING_FAIL, "%s", lack);
	return 0;
}

/* What is not ready answers; all being well, they answer together. */
static int sample(void *env, const struct doc *args, struct gate_sample *out, struct error *err)
{
	struct config_run *run = env;
	int r = 0;

	doc_foreach_item (doc_get(args, "operations"), d) {
		if (r || out->n == GATE_MAX_SOURCES)
			break;
		r = ask_op(run, &run->ops[doc_int_or(d, 1) - 1], out, err);
	}
	if (!r && !out->n)
		gate_answer(out, "the objects", FINDING_PASS, "all %zu are as they should be",
			    doc_len(doc_get(args, "operations")));
	return r;
}

static const char *nobody_to_ask(UNUSED void *env, const struct step *step, UNUSED struct arena *a)
{
	return doc_len(doc_get(step->args, "operations")) ? NULL : "no workload was changed";
}

static void make_gates(struct config_run *run, uint64_t within_ns)
{
	run->gates[GATE_ESTABLISHED] = (struct gate){.id = "G-ESTABLISHED",
						     .title = "new kinds can be used",
						     .sample = sample,
						     .every_ns = GATE_EVERY_NS,
						     .within_ns = ESTABLISHED_NS,
						     .stable = 1,
						     .n_required = 1};
	run->gates[GATE_READY] = (struct gate){.id = "G-READY",
					       .title = "what was changed became ready",
					       .sample = sample,
					       .every_ns = GATE_EVERY_NS,
					       .within_ns = within_ns,
					       .stable = READY_STANDS,
					       .n_required = 1,
					       .again = true};
	for (size_t i = 1; i < GATE_COUNT; i++)
		run->lists[i][0] = &run->gates[i];
	for (size_t i = 0; i < CONFIG_PHASE_COUNT; i++)
		run->step_kinds[i] = (struct step_kind){
			.id = phases[i].id,
			.title = phases[i].title,
			.changes = i == PHASE_READY ? NULL : step_changes,
			.skip = i == PHASE_READY ? nobody_to_ask : NULL,
			.after = phases[i].gate ? run->lists[phases[i].gate] : NULL};
}

/* --- steps --- */

struct builder {
	struct config_run *run;
	struct step *steps;
	size_t n;
	struct doc *open;        /* the operations of the last step */
	enum config_phase phase; /* of the last step */
	unsigned part;
};

static void open_step(struct builder *b, enum config_phase phase)
{
	struct arena *a = b->run->arena;
	struct doc *args = doc_map(a);
	const char *id = phases[phase].id;

	b->part = b->n && b->phase == phase ? b->part + 1 : 1;
	b->phase = phase;
	b->open = doc_set_list(a, args, "operations");
	b->steps[b->n++] =
		(struct step){.id = b->part == 1 ? id : arena_printf(a, "%s-%u", id, b->part),
			      .title = phases[phase].title,
			      .kind = &b->run->step_kinds[phase],
			      .args = args};
}

static void add_op(struct builder *b, enum config_phase phase, size_t id)
{
	if (!b->n || b->phase != phase || doc_len(b->open) >= STEP_MAX_OPS)
		open_step(b, phase);
	doc_append(b->run->arena, b->open, doc_int(b->run->arena, (int64_t)id));
}

static bool is_asked(const struct config_op *op)
{
	const char *kind = doc_find_str(op->ref, "kind");

	return op->op == OP_DELETE || config_phase_of(op->op, kind) == PHASE_WORKLOADS;
}

int config_steps_make(struct config_run *run, struct error *err)
{
	struct session *s = run->session;
	const struct doc *list = doc_get(s->plan, "operations");
	const int64_t within = doc_find_int(s->plan, "withinSeconds", 0);
	struct builder b = {.run = run};

	if (doc_len(list) != run->n_ops || within < 1)
		return error_set(err, -EBADMSG, "the run's plan cannot be read");
	b.steps = arena_array(run->arena, run->n_ops + CONFIG_PHASE_COUNT + 1, struct step);
	make_gates(run, (uint64_t)within * NS_PER_S);
	for (size_t i = 0; i < run->n_ops; i++) {
		enum config_phase phase;

		if (config_phase_parse(doc_find_str(doc_at(list, i), "phase"), &phase))
			return error_set(err, -EBADMSG, "the run's plan cannot be read");
		add_op(&b, phase, i + 1);
	}
	open_step(&b, PHASE_READY);
	for (size_t i = 0; i < run->n_ops; i++)
		if (is_asked(&run->ops[i]))
			doc_append(run->arena, b.open, doc_int(run->arena, (int64_t)i + 1));
	s->steps = b.steps;
	s->n_steps = b.n;
	return 0;
}
