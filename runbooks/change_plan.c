/* SPDX-License-Identifier: Apache-2.0 */
/* What a step will change, as lib/step's changes and as deeds. */
#include <string.h>

#include "lib/base/str.h"
#include "lib/diff/lines.h"
#include "lib/object/canonical.h"
#include "lib/object/sidestep.h"
#include "lib/step/digest.h"
#include "runbooks/run_internal.h"

#define MAX_PODS 200u

/* --- what it will do ---------------------------------------------------------------------------
 */

/* What a journal keeps is seen by others: neither what is written nor the pre-image may hold a
 * secret. */
static bool holds_secret(struct change_plan *p, const struct doc *ref, const struct doc *part)
{
	struct arena *a = &p->s->r->arena;
	struct doc *d = part ? doc_clone(a, part) : NULL;
	size_t n = 0;

	if (!d || d->kind != DOC_MAP)
		return false;
	doc_set_string(a, d, "apiVersion", doc_find_str(ref, "apiVersion"));
	doc_set_string(a, d, "kind", doc_find_str(ref, "kind"));
	evidence_redact(&p->s->r->evidence, a, d, &n);
	return n > 0;
}

static const struct doc *before_of(struct arena *a, enum change_kind kind, const struct doc *live,
				   const struct doc *forward)
{
	if (!live || kind == CHANGE_CREATE)
		return NULL;
	return kind == CHANGE_PATCH ? change_inverse_patch(a, live, forward)
				    : object_canonical(a, live);
}

static const char *diff_of(struct arena *a, const struct doc *before, const struct doc *after)
{
	auto_release(strbuf) struct strbuf x = STRBUF_INIT, y = STRBUF_INIT, out = STRBUF_INIT;

	if (before)
		doc_write_yaml(before, &x);
	if (after)
		doc_write_yaml(after, &y);
	lines_diff(strbuf_cstr(&x), strbuf_cstr(&y), 3, &out);
	return arena_strdup(a, strbuf_cstr(&out));
}

/* One change of the step; what it was is of the object as it is now, NULL: absent. */
static void add(struct change_plan *p, const char *op, enum change_kind kind, struct doc *ref,
		const struct doc *forward, const struct doc *live, bool keep)
{
	struct arena *a = &p->s->r->arena;
	struct doc *d = doc_append(a, doc_set_list(a, p->record, "changes"), doc_map(a));
	const struct doc *before = before_of(a, kind, live, forward);

	if (holds_secret(p, ref, forward) || holds_secret(p, ref, before))
		p->refused = "what it writes or replaces holds a secret, which its journal would "
			     "keep: change the object with another tool";
	doc_set_string(a, d, "op", op);
	doc_set_string(a, d, "kind", change_kind_name(kind));
	doc_set(a, d, "ref", ref);
	if (forward)
		doc_set(a, d, "forward", doc_clone(a, forward));
	if (keep)
		doc_set_bool(a, d, "keep", true);
	if (p->s->mode != MODE_EXECUTE)
		doc_set_string(a, d, "diff", diff_of(a, before, forward));
}

static int read_ref(struct change_plan *p, const struct doc *args, struct doc **ret_ref,
		    const struct object_kind **ret_kind, struct doc **ret_live, struct error *err)
{
	struct runner *r = p->s->r;
	int rc = ref_doc(&r->arena, str_or_empty(doc_find_str(args, "ref")), true, ret_ref,
			 ret_kind, err);

	if (!rc && !doc_get(*ret_ref, "name"))
		return error_set(err, -EINVAL, "a change names one object");
	*ret_live = NULL;
	return rc ? rc
		  : cluster_get(&r->cluster, &r->arena, *ret_kind,
				doc_find_str(*ret_ref, "namespace"), doc_find_str(*ret_ref, "name"),
				ret_live, err);
}

/* Items with names are of the list that is there, as Kubernetes reads them; a merge patch would put
 * the list in its place. */
static struct doc *by_names(struct arena *a, const struct doc *live, const struct doc *patch)
{
	struct doc *out;

	if (patch->kind == DOC_MAP) {
		out = doc_map(a);
		doc_foreach_entry (patch, e)
			doc_set(a, out, e->key, by_names(a, doc_get(live, e->key), e->value));
		return out;
	}
	if (patch->kind != DOC_LIST || !live || live->kind != DOC_LIST)
		return doc_clone(a, patch);
	doc_foreach_item (patch, it) {
		if (!doc_find_str(it, "name"))
			return doc_clone(a, patch);
	}
	out = doc_clone(a, live);
	doc_foreach_item (patch, it) {
		size_t i = 0;

		while (i < doc_len(out) &&
		       !str_eq(doc_find_str(doc_at(out, i), "name"), doc_find_str(it, "name")))
			i++;
		if (i == doc_len(out))
			doc_append(a, out, doc_clone(a, it));
		else
			out->list.items[i] =
				doc_merge_patch(a, doc_at(out, i), by_names(a, doc_at(out, i), it));
	}
	return out;
}

static int plan_patch(struct change_plan *p, const struct doc *args, struct error *err)
{
	const struct object_kind *kind;
	struct doc *ref, *live;
	int rc = read_ref(p, args, &ref, &kind, &live, err);

	if (rc)
		return rc;
	if (doc_get(args, "preserve") && !str_eq(doc_find_str(args, "preserve"), "pre-image"))
		return error_set(err, -EINVAL, "preserve is pre-image: it is always kept");
	if (!live)
		return error_set(err, -ENOENT, "%s is not there", doc_find_str(args, "ref"));
	add(p, "patch", CHANGE_PATCH, ref, by_names(&p->s->r->arena, live, doc_get(args, "patch")),
	    live, false);
	return 0;
}

static int plan_delete(struct change_plan *p, const struct doc *args, struct error *err)
{
	const struct object_kind *kind;
	struct doc *ref, *live;
	int rc = read_ref(p, args, &ref, &kind, &live, err);

	if (!rc && live)
		add(p, "delete", CHANGE_DELETE, ref, NULL, live, false);
	return rc;
}

/* Nothing runs when a time is over: what a person was promised would never happen. */
static int plan_suspend(struct change_plan *p, const struct doc *args, struct error *err)
{
	if (doc_get(args, "until"))
		return error_set(err, -EINVAL,
				 "nobody puts a policy back at a time: it is back when the run is "
				 "rolled back (take `until` away)");
	doc_set_bool(&p->s->r->arena, p->record, "suspends", true);
	return plan_delete(p, args, err);
}

static int plan_apply(struct change_plan *p, const struct doc *args, struct error *err)
{
	struct arena *a = &p->s->r->arena;
	const struct doc *object = doc_get(args, "object");
	const char *why = known_object_refused(object);
	const char *ns = doc_find_str(object, "metadata.namespace");
	const char *name = doc_find_str(object, "metadata.name");
	const struct object_kind *kind =
		object_kind_find(doc_find_str(object, "apiVersion"), doc_find_str(object, "kind"));
	struct doc *live = NULL, *ref;
	int rc;

	if (why || !kind || !known_name(name) || (ns && !known_name(ns)))
		return error_set(err, -EPERM, "this object is not applied: %s",
				 why ? why : "its kind or name is none");
	rc = cluster_get(&p->s->r->cluster, a, kind, ns, name, &live, err);
	if (rc)
		return rc;
	ref = host_ref(a, object);
	if (!live)
		add(p, "create", CHANGE_CREATE, ref, object, NULL, false);
	else
		add(p, "patch", CHANGE_PATCH, ref, by_names(a, live, object), live, false);
	return 0;
}

static struct doc *pod_list(struct change_plan *p, const char *op)
{
	struct arena *a = &p->s->r->arena;
	struct doc *deed = doc_set_map(a, p->record, "deed");

	doc_set_string(a, deed, "op", op);
	return doc_set_list(a, deed, "pods");
}

static void add_pod(struct arena *a, struct doc *pods, const char *ns, const char *name,
		    const char *uid)
{
	struct doc *one = doc_append(a, pods, doc_map(a));

	doc_set_string(a, one, "namespace", ns);
	doc_set_string(a, one, "name", name);
	doc_set_string(a, one, "uid", uid);
}

static int pods_fit(const struct doc *pods, struct error *err)
{
	return doc_len(pods) > MAX_PODS
		       ? error_set(err, -E2BIG, "more than %u pods at once", MAX_PODS)
		       : 0;
}

/*
 * By uid: the pods that are there now, and none that came after them. On one node only: the next
 * one's turn is when this one was verified. Those of a DaemonSet go at once, as its own roll-out
 * has it; for all others their disruption budgets are asked.
 */
static int restart_on(struct change_plan *p, const struct object_kind *kind,
		      const struct doc *owner, const struct strings *nodes, struct error *err)
{
	struct arena *a = &p->s->r->arena;
	const bool at_once = kind == object_kind(KIND_DAEMON_SET);
	struct doc *list, *pods = pod_list(p, at_once ? "delete" : "evict");
	const char *first = NULL;
	int rc = cluster_list(&p->s->r->cluster, a, object_kind(KIND_POD), kube_namespace(owner),
			      &list, err);

	if (rc)
		return rc;
	doc_foreach_item (list, d) {
		const char *node = str_or_empty(doc_find_str(d, "spec.nodeName"));

		if (!str_eq(doc_find_str(kube_controller(d), "uid"), kube_uid(owner)) ||
		    !nodes_have(nodes, node))
			continue;
		if (first && !str_eq(first, node))
			return error_set(err, -EINVAL,
					 "%s has pods on %s and %s: name one node, and let a "
					 "foreach go from one to the next",
					 kube_name(owner), first, node);
		first = node;
		add_pod(a, pods, kube_namespace(d), kube_name(d), kube_uid(d));
	}
	if (!doc_len(pods))
		return error_set(err, -ENOENT, "%s has no pod on %s%s", kube_name(owner),
				 nodes->items[0], nodes->n > 1 ? " and the others" : "");
	return pods_fit(pods, err);
}

static int plan_restart(struct change_plan *p, const struct doc *args, struct error *err)
{
	struct runner *r = p->s->r;
	struct arena *a = &r->arena;
	const struct object_kind *kind;
	struct doc *ref, *live, *patch = doc_map(a), *d = patch;
	static const char *const path[] = {"spec", "template", "metadata", "annotations"};
	struct strings nodes;
	int rc = nodes_named(a, args, &nodes, err);

	if (!rc)
		rc = read_ref(p, args, &ref, &kind, &live, err);
	if (rc)
		return rc;
	if (!live)
		return error_set(err, -ENOENT, "%s is not there", doc_find_str(args, "ref"));
	if (nodes.n)
		return restart_on(p, kind, live, &nodes, err);
	if (str_eq(doc_find_str(live, "spec.updateStrategy.type"), "OnDelete"))
		return error_set(err, -EINVAL,
				 "%s restarts pods only when they are deleted: name the "
				 "nodes",
				 kube_name(live));
	for (size_t i = 0; i < ARRAY_SIZE(path); i++)
		d = doc_set_map(a, d, path[i]);
	doc_setf(a, d, RESTART_ANNOTATION, "%s/%s", r->run, p->key);
	add(p, "restart", CHANGE_PATCH, ref, patch, live, true);
	return 0;
}

static const char *request_name(struct change_plan *p)
{
	struct runner *r = p->s->r;
	char digest[DIGEST_HEX + 1];

	digest_sha256(p->key, strlen(p->key), digest);
	return arena_printf(&r->arena, "%s-%.8s", r->run, digest);
}

/* A request names nodes: "stale-or-not-ready" is every endpoint of those that have such a one. */
static int plan_regenerate(struct change_plan *p, const struct doc *args, struct error *err)
{
	struct arena *a = &p->s->r->arena;
	struct doc *d = kube_object_new(a, object_kind(KIND_SIDESTEP_REQUEST), NULL,
					request_name(p)),
		   *spec = doc_set_map(a, d, "spec"), *list;
	const char *which = doc_find_str(args, "selector");
	struct strings nodes;
	int rc = nodes_named(a, args, &nodes, err);

	if (!rc && str_eq(which, "stale-or-not-ready"))
		rc = nodes_unwell(&p->s->r->sources, a, &nodes, &nodes, err);
	else if (!rc && !str_eq(which, "all"))
		return error_set(err, -EINVAL, "selector is stale-or-not-ready or all");
	if (rc)
		return rc;
	doc_set_string(a, doc_set_map(a, doc_get(d, "metadata"), "labels"),
		       SIDESTEP_MANAGED_BY_LABEL, SIDESTEP_MANAGED_BY);
	doc_set_string(a, spec, "kind", "Regenerate");
	doc_set_string(a, spec, "requester", doc_find_str(p->s->r->plan, "requester.name"));
	list = nodes.n ? doc_set_list(a, spec, "nodes") : NULL;
	for (size_t i = 0; i < nodes.n; i++)
		doc_append(a, list, doc_string(a, nodes.items[i]));
	add(p, "request", CHANGE_CREATE, host_ref(a, d), d, NULL, true);
	return 0;
}

/* The pods whose endpoints are not ready; a namespace and nodes may bound it. */
static int plan_evict(struct change_plan *p, const struct doc *args, struct error *err)
{
	struct runner *r = p->s->r;
	struct arena *a = &r->arena;
	struct doc *pods = pod_list(p, "evict");
	const char *ns = doc_find_str(args, "namespace");
	struct sidestep_node *nodes;
	struct strings only;
	size_t n;
	int rc;

	if (!str_eq(doc_find_str(args, "selector"), "endpoints-not-ready"))
		return error_set(err, -EINVAL, "selector is endpoints-not-ready");
	if (doc_get(args, "namespace") && str_empty(ns))
		return error_set(err, -EINVAL, "namespace is a name, or left out");
	rc = nodes_named(a, args, &only, err);
	if (!rc)
		rc = source_nodes(&r->sources, a, &nodes, &n, err);
	for (size_t i = 0; !rc && i < n; i++) {
		if (!nodes_have(&only, nodes[i].meta.name))
			continue;
		for (size_t k = 0; k < nodes[i].n_endpoints; k++) {
			const struct sidestep_endpoint *e = &nodes[i].endpoints[k];

			if (!str_eq(e->state, "ready") && !str_empty(e->pod) &&
			    (!ns || str_eq(e->namespace, ns)))
				add_pod(a, pods, e->namespace, e->pod, e->uid);
		}
	}
	return rc ? rc : pods_fit(pods, err);
}

static int plan_command(struct change_plan *p, const struct doc *args, const char *output,
			struct error *err)
{
	struct arena *a = &p->s->r->arena;
	struct doc *deed = doc_set_map(a, p->record, "deed");

	(void)err;
	doc_set_string(a, deed, "op", "command");
	doc_set(a, deed, "argv", doc_clone(a, doc_get(args, "argv")));
	doc_set_string(a, deed, "output", output ? output : doc_find_str(args, "output"));
	if (doc_get(args, "expect"))
		doc_set_int(a, deed, "expect", doc_find_int(args, "expect", 0));
	return 0;
}

/* clang-format off */
static const struct {
	const char *op;
	int (*plan)(struct change_plan *p, const struct doc *args, struct error *err);
	bool cluster;
} operations[] = {
	{"k8s.patch", plan_patch, true},
	{"k8s.apply", plan_apply, true},
	{"k8s.delete", plan_delete, true},
	{"policy.suspend", plan_suspend, true},
	{"k8s.restart", plan_restart, true},
	{"k8s.evict", plan_evict, true},
	{"endpoint.regenerate", plan_regenerate, true},
};
/* clang-format on */

static struct doc *argv_doc(struct arena *a, const struct strings *argv, const struct doc *data,
			    const char **ret_why)
{
	struct doc *args = doc_map(a), *list = doc_set_list(a, args, "argv");

	for (size_t i = 0; i < argv->n; i++) {
		const char *word = walk_text(a, argv->items[i], data, ret_why);

		if (!word)
			return NULL;
		doc_append(a, list, doc_string(a, word));
	}
	return args;
}

/* Whoever takes it back later may not have the step: it can be of a runbook that was called. */
static void note_way_back(struct change_plan *p)
{
	struct arena *a = &p->s->r->arena;
	const struct rollback *back = p->step->rollback;
	const bool none = back && back->inverse == INVERSE_NONE;

	doc_set_string(a, p->record, "back",
		       p->s->undoes            ? BACK_UNDOES
		       : back && back->n_steps ? BACK_STEPS
		       : none                  ? BACK_NONE
					       : BACK_AUTO);
	if (none && !p->s->undoes)
		doc_set_string(a, p->record, "reason", back->reason);
}

static int plan_operation(struct change_plan *p, struct error *err)
{
	struct arena *a = &p->s->r->arena;
	const struct runbook_step *step = p->step;
	const char *why = NULL, *op;
	struct doc *args;

	p->record = doc_map(a);
	doc_set_string(a, p->record, "step", p->key);
	note_way_back(p);
	doc_set_list(a, p->record, "changes");
	if (step->command) {
		args = argv_doc(a, &step->command->argv, p->data, &why);
		return args ? plan_command(p, args, step->command->output, err)
			    : error_set(err, -EINVAL, "it cannot be run: %s", why);
	}
	op = doc_len(step->op) == 1 ? step->op->map.entries[0].key : "none";
	args = fill_in(a, doc_get(step->op, op), p->data, &why);
	if (!args)
		return error_set(err, -ENODATA, "what to change is unknown: %s", why);
	if (str_eq(op, "command"))
		return plan_command(p, args, NULL, err);
	for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
		if (!str_eq(operations[i].op, op))
			continue;
		if (operations[i].cluster && !p->s->r->cluster.client)
			return error_set(err, -ENODATA, "there is no cluster to change: %s",
					 str_or_empty(p->s->r->no_cluster));
		return operations[i].plan(p, args, err);
	}
	return error_set(err, -EINVAL, "there is no operation %s", op);
}

int change_plan_it(struct change_plan *p, struct error *err)
{
	int rc = plan_operation(p, err);

	return !rc && p->refused ? error_set(err, -EPERM, "%s", p->refused) : rc;
}

const struct doc *change_planned(const struct runner *r, const char *key)
{
	for (size_t i = 0; i < journal_count(r->journal); i++) {
		const struct journal_record *rec = journal_at(r->journal, i);

		if (str_eq(rec->type, "change") && str_eq(doc_find_str(rec->body, "step"), key))
			return rec->body;
	}
	return NULL;
}

/* --- one step as lib/step's --------------------------------------------------------------------
 */

static int changes_of(void *env, const struct step *step, struct step_changes *out,
		      struct error *err)
{
	(void)env;
	doc_foreach_item (doc_get(step->args, "changes"), d) {
		enum change_kind kind;
		struct change *c;

		if (change_kind_parse(str_or_empty(doc_find_str(d, "kind")), &kind) < 0)
			return error_set(err, -EINVAL, "a change of no kind");
		c = step_add_change(out, kind, doc_find_str(d, "op"), doc_get(d, "ref"),
				    doc_get(d, "forward"));
		if (!c)
			return error_set(err, -E2BIG, "too many changes in one step");
		c->keep = doc_bool_or(doc_get(d, "keep"), false);
	}
	return 0;
}

const struct step *change_step(struct arena *a, const char *key, const char *title,
			       const struct doc *record, const struct gate *after)
{
	struct step_kind *kind = arena_new(a, struct step_kind);
	const struct gate **gates = arena_array(a, 2, const struct gate *);
	struct step *step = arena_new(a, struct step);

	gates[0] = after;
	*kind = (struct step_kind){
		.id = key, .title = title, .changes = changes_of, .after = gates};
	*step = (struct step){.id = key, .title = title, .kind = kind, .args = record};
	return step;
}

static int waiting(void *ctx, uint64_t ns, struct error *err)
{
	struct run_host *h = ctx;
	struct runner *r = container_of(h, struct runner, host);

	return runner_wait(r, ns, err);
}

const struct step_host *change_host(struct runner *r)
{
	r->host.step.wait = waiting;
	return &r->host.step;
}

const char *change_reason(struct runner *r)
{
	struct run_status status;

	run_status(&r->arena, r->journal, NULL, 0, &status);
	return status.reason ? arena_strdup(&r->arena, status.reason) : NULL;
}
