/* SPDX-License-Identifier: Apache-2.0 */
/* A comparison as a plan: made, and held against a later one. */
#include "upgrade/config_plan.h"

#include <string.h>

#include "lib/base/macros.h"
#include "lib/base/map.h"
#include "lib/base/str.h"
#include "upgrade/config_effect.h"

#define API_VERSION "sidestep.dev/v1alpha1"
#define KIND        "ConfigPlan"

/* What goes comes last and the other way round; within one kind as the comparison has it. */
static int cmp_order(const void *pa, const void *pb)
{
	const struct diff_object *a = *(const struct diff_object *const *)pa;
	const struct diff_object *b = *(const struct diff_object *const *)pb;
	const bool a_goes = !a->desired, b_goes = !b->desired;
	const size_t x = config_rank_of(a->kind), y = config_rank_of(b->kind);

	if (a_goes != b_goes)
		return a_goes ? 1 : -1;
	if (x != y)
		return (x < y) == !a_goes ? -1 : 1;
	return a < b ? -1 : a > b;
}

enum config_op_kind config_plan_op(const struct diff_object *o)
{
	if (!o->desired)
		return OP_DELETE;
	return o->live ? OP_UPDATE : OP_CREATE;
}

size_t config_plan_order(struct arena *a, const struct config_scene *s,
			 const struct diff_object ***ret_order)
{
	const struct diff_object **order =
		arena_array(a, s->diff.n + 1, const struct diff_object *);
	size_t n = 0;

	for (size_t i = 0; i < s->diff.n; i++) {
		const struct diff_object *o = &s->diff.objects[i];

		/* What is gone already and not wanted any more needs nothing. */
		if (diff_object_pending(o) && (o->desired || o->live))
			order[n++] = o;
	}
	if (n > 1)
		qsort(order, n, sizeof(*order), cmp_order);
	*ret_order = order;
	return n;
}

static struct doc *object_doc(struct arena *a, const struct diff_object *o)
{
	struct doc *d = doc_map(a);

	doc_set_string(a, d, "apiVersion", o->api_version);
	doc_set_string(a, d, "kind", o->kind);
	if (o->namespace[0])
		doc_set_string(a, d, "namespace", o->namespace);
	doc_set_string(a, d, "name", o->name);
	return d;
}

static void set_value(struct arena *a, struct doc *d, const char *key, const struct doc *value)
{
	if (value)
		doc_set(a, d, key, doc_clone(a, value));
}

static struct doc *change_doc(struct arena *a, const struct diff_change *c)
{
	struct doc *d = doc_map(a);

	doc_set_string(a, d, "class", diff_class_name(c->class));
	doc_set_string(a, d, "op", diff_op_name(c->op));
	doc_set_string(a, d, "path", diff_path_text(a, c->path));
	if (c->path) {
		set_value(a, d, "live", c->live);
		set_value(a, d, "desired", c->desired);
	}
	return d;
}

/* What is written, and what takes it back. */
static void set_both_ways(struct arena *a, struct doc *d, const struct diff_object *o)
{
	const struct doc *before, *after;

	switch (config_plan_op(o)) {
	case OP_CREATE:
		doc_set_string(a, d, "what", "made as wanted");
		doc_set_string(a, d, "inverse", "deleted");
		return;
	case OP_DELETE:
		doc_set_string(a, d, "what", "deleted");
		doc_set(a, d, "inverse", diff_view(a, o->live));
		return;
	case OP_UPDATE:
		before = diff_view(a, o->live);
		after = diff_apply(a, o);
		doc_set(a, d, "what", diff_merge_patch(a, before, after));
		doc_set(a, d, "inverse", diff_merge_patch(a, after, before));
		return;
	}
}

static struct doc *operation(struct arena *a, const struct diff_object *o, size_t number)
{
	const enum config_op_kind op = config_plan_op(o);
	struct doc *d = doc_map(a), *changes;
	enum config_effect worst = EFFECT_NONE;

	doc_set_int(a, d, "id", (int64_t)number);
	doc_set_string(a, d, "phase", config_phase_name(config_phase_of(op, o->kind)));
	doc_set_string(a, d, "op", config_op_name(op));
	doc_set(a, d, "object", object_doc(a, o));
	changes = doc_set_list(a, d, "changes");
	for (size_t i = 0; i < o->n; i++) {
		const struct diff_change *c = &o->changes[i];

		if (!diff_class_pending(c->class))
			continue;
		worst = MAX(worst, config_effect_of(o, c));
		doc_append(a, changes, change_doc(a, c));
	}
	doc_set_string(a, d, "effect", config_effect_name(worst));
	doc_set_string(a, d, "risk", config_effect_risk(worst));
	set_both_ways(a, d, o);
	return d;
}

static const char *digest(struct arena *a, const struct doc *d)
{
	return d ? content_digest(a, d) : "absent";
}

static struct doc *head(struct arena *a, const struct config_plan_about *about)
{
	struct doc *plan = doc_map(a), *base, *overwrite, *deletes;

	doc_set_string(a, plan, "apiVersion", API_VERSION);
	doc_set_string(a, plan, "kind", KIND);
	doc_set_string(a, plan, "tool", "sidestep-config " SIDESTEP_VERSION);
	doc_set_string(a, plan, "cluster", about->cluster);
	doc_set_string(a, plan, "configuration", about->name);
	doc_set_string(a, plan, "who", about->who);
	doc_set_string(a, plan, "why", about->why);
	doc_set_string(a, plan, "as", about->as);
	doc_set_int(a, plan, "made", about->now_s);
	doc_set_int(a, plan, "expires", about->now_s + about->valid_s);
	doc_set_int(a, plan, "withinSeconds", about->within_s);
	doc_set_bool(a, plan, "prune", about->prune);
	doc_set_string(a, plan, "key", secret_key_id(a, about->key));
	base = doc_set_map(a, plan, "base");
	doc_set_int(a, base, "revision", about->base.number);
	doc_set_string(a, base, "id", about->base.id);
	overwrite = doc_set_list(a, plan, "overwrite");
	for (size_t i = 0; i < about->overwrite.n; i++)
		doc_append(a, overwrite, doc_string(a, about->overwrite.items[i]));
	deletes = doc_set_list(a, plan, "delete");
	for (size_t i = 0; i < about->deletes.n; i++)
		doc_append(a, deletes, doc_string(a, about->deletes.items[i]));
	return plan;
}

struct doc *config_plan_make(struct arena *a, const struct config_scene *s,
			     const struct config_plan_about *about)
{
	struct doc *plan = head(a, about), *seen, *operations, *wanted;
	const struct diff_object **order;
	const size_t n = config_plan_order(a, s, &order);

	seen = doc_set_list(a, plan, "seen");
	for (size_t i = 0; i < s->diff.n; i++) {
		const struct diff_object *o = &s->diff.objects[i];
		struct doc *d = doc_append(a, seen, object_doc(a, o));

		doc_set_string(a, d, "live", digest(a, o->live));
		doc_set_string(a, d, "desired", digest(a, o->desired));
	}
	operations = doc_set_list(a, plan, "operations");
	for (size_t i = 0; i < n; i++)
		doc_append(a, operations, operation(a, order[i], i + 1));
	wanted = doc_set_list(a, plan, "wanted");
	for (size_t i = 0; i < s->desired.n; i++)
		doc_append(a, wanted, diff_view(a, s->desired.items[i]));
	return plan;
}

/* "apps/v1 Deployment shop/till": an object of a plan, or of a comparison as object_doc() has it.
 */
static const char *key_of(struct arena *a, const struct doc *d)
{
	const char *ns = doc_find_str(d, "namespace");

	return arena_printf(a, "%s %s %s%s%s", str_or_empty(doc_find_str(d, "apiVersion")),
			    str_or_empty(doc_find_str(d, "kind")), str_or_empty(ns), ns ? "/" : "",
			    str_or_empty(doc_find_str(d, "name")));
}

static void say(struct arena *a, struct doc *moved, const char *what, const char *key)
{
	doc_append(a, moved, doc_stringf(a, "%s: %s", key, what));
}

/* The plan's entry of that path in an operation's changes. */
static const struct doc *planned(const struct doc *op, const char *path)
{
	doc_foreach_item (doc_get(op, "changes"), c)
		if (str_eq(doc_find_str(c, "path"), path))
			return c;
	return NULL;
}

static const char *brief(struct arena *a, const struct doc *d)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	if (!d)
		return "absent";
	doc_write_json(d, DOC_COMPACT, &sb);
	return arena_printf(a, "%.80s%s", sb.buf, sb.len > 80 ? "..." : "");
}

/* The first field that is not as the plan saw it; NULL: none that it changes. */
static const char *moved_field(struct arena *a, const struct doc *op, const struct diff_object *o)
{
	size_t pending = 0;

	for (size_t i = 0; i < o->n; i++) {
		const struct diff_change *c = &o->changes[i];
		const char *path = diff_path_text(a, c->path);
		const struct doc *then = planned(op, path), *was = doc_get(then, "live");
		const char *who = c->owner.manager;

		if (!diff_class_pending(c->class))
			continue;
		pending++;
		if (!c->path || (then && (was ? c->live && doc_equal(was, c->live) : !c->live)))
			continue;
		return arena_printf(a, "%s is %s now, the plan saw %s%s%s", path, brief(a, c->live),
				    then ? brief(a, was) : "what is wanted",
				    who ? "; written by " : "", str_or_empty(who));
	}
	if (pending < doc_len(doc_get(op, "changes")))
		return "a part of what it changes is as wanted already";
	return NULL;
}

struct check {
	struct arena *arena;
	const struct doc *plan;
	struct map seen, operations;
	struct doc *moved;
};

static void check_object(struct check *c, const struct diff_object *o)
{
	struct arena *a = c->arena;
	const char *key = key_of(a, object_doc(a, o)), *field;
	const struct doc *then = map_del(&c->seen, key);
	const char *live = digest(a, o->live);

	if (!then) {
		say(a, c->moved, "is not in the plan", key);
	} else if (!str_eq(doc_find_str(then, "live"), live)) {
		field = o->live ? moved_field(a, map_get(&c->operations, key), o)
				: "it is not there any more";
		if (str_eq(doc_find_str(then, "live"), "absent"))
			field = "it is there now, and was not";
		say(a, c->moved,
		    arena_printf(a, "what is there is not what the plan saw (%s)",
				 field ? field : "in a field that the plan does not change"),
		    key);
	} else if (!str_eq(doc_find_str(then, "desired"), digest(a, o->desired))) {
		say(a, c->moved, "what is wanted is not what was planned", key);
	}
}

int config_plan_read(const struct doc *plan, struct error *err)
{
	static const char *const lists[] = {"seen", "operations", "wanted"};

	if (!plan || plan->kind != DOC_MAP || !str_eq(doc_find_str(plan, "kind"), KIND) ||
	    !str_eq(doc_find_str(plan, "apiVersion"), API_VERSION))
		return error_set(err, -EINVAL, "this is no plan: kind %s of %s is wanted", KIND,
				 API_VERSION);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		const struct doc *list = doc_get(plan, lists[i]);

		if (!list || list->kind != DOC_LIST)
			return error_set(err, -EINVAL, "this is no plan: %s is no list", lists[i]);
		doc_foreach_item (list, d)
			if (d->kind != DOC_MAP)
				return error_set(err, -EINVAL,
						 "this is no plan: an item of %s is no object",
						 lists[i]);
	}
	return 0;
}

int config_plan_wanted(const struct doc *plan, struct snapshot *set, struct error *err)
{
	int r = 0;

	doc_foreach_item (doc_get(plan, "wanted"), d)
		if (!r)
			r = snapshot_add(set, doc_clone(set->arena, d), err);
	return r;
}

static void check_head(struct check *c, const struct config_plan_about *about)
{
	const struct doc *plan = c->plan;
	struct arena *a = c->arena;

	if (about->now_s >= doc_find_int(plan, "expires", 0))
		doc_append(a, c->moved, doc_string(a, "the plan has expired"));
	if (about->cluster && !str_eq(doc_find_str(plan, "cluster"), about->cluster))
		doc_append(a, c->moved, doc_string(a, "the plan is for another cluster"));
	if (about->name && !str_eq(doc_find_str(plan, "configuration"), about->name))
		doc_append(a, c->moved,
			   doc_stringf(a, "the plan is for configuration %s",
				       str_or_empty(doc_find_str(plan, "configuration"))));
	else if (about->name && !str_eq(doc_find_str(plan, "base.id"), about->base.id))
		doc_append(a, c->moved,
			   doc_stringf(a, "it starts from revision %lld, the newest is %u",
				       (long long)doc_find_int(plan, "base.revision", 0),
				       about->base.number));
}

int config_plan_check(struct arena *a, const struct doc *plan, const struct config_scene *s,
		      const struct config_plan_about *about, struct doc **ret_moved,
		      struct error *err)
{
	struct check c = {.arena = a, .plan = plan, .moved = doc_list(a)};
	int r = config_plan_read(plan, err);

	if (r)
		return r;
	if (!str_eq(doc_find_str(plan, "key"), secret_key_id(a, about->key)))
		return error_set(err, -EKEYREJECTED,
				 "the plan was made with another key of digests: give the same "
				 "--digest-key");
	check_head(&c, about);
	doc_foreach_item (doc_get(plan, "seen"), d)
		map_set(&c.seen, key_of(a, d), d);
	doc_foreach_item (doc_get(plan, "operations"), d)
		map_set(&c.operations, key_of(a, doc_get(d, "object")), d);
	for (size_t i = 0; i < s->diff.n; i++)
		check_object(&c, &s->diff.objects[i]);
	map_foreach (&c.seen, e)
		say(a, c.moved, "was in the plan, and is not any more", map_key(e));
	map_release(&c.seen);
	map_release(&c.operations);
	*ret_moved = c.moved;
	return 0;
}
