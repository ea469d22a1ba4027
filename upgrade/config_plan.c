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

/* Kinds that others need, in the order in which they are made; all others come behind them. */
static const char *const first_kinds[] = {
	"Namespace",
	"CustomResourceDefinition",
	"PriorityClass",
	"ResourceQuota",
	"LimitRange",
	"ServiceAccount",
	"Secret",
	"ConfigMap",
	"StorageClass",
	"PersistentVolume",
	"PersistentVolumeClaim",
	"ClusterRole",
	"ClusterRoleBinding",
	"Role",
	"RoleBinding",
	"Service",
	"NetworkPolicy",
	"CiliumNetworkPolicy",
	"DaemonSet",
	"Deployment",
	"StatefulSet",
	"Pod",
	"Job",
	"CronJob",
	"Ingress",
};

static size_t rank_of(const struct diff_object *o)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(first_kinds) && !str_eq(first_kinds[i], o->kind))
		i++;
	return i;
}

/* What goes comes last and the other way round; within one kind as the comparison has it. */
static int cmp_order(const void *pa, const void *pb)
{
	const struct diff_object *a = *(const struct diff_object *const *)pa;
	const struct diff_object *b = *(const struct diff_object *const *)pb;
	const bool a_goes = !a->desired, b_goes = !b->desired;
	const size_t x = rank_of(a), y = rank_of(b);

	if (a_goes != b_goes)
		return a_goes ? 1 : -1;
	if (x != y)
		return (x < y) == !a_goes ? -1 : 1;
	return a < b ? -1 : a > b;
}

static const char *op_name(const struct diff_object *o)
{
	if (!o->desired)
		return "delete";
	return o->live ? "update" : "create";
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

static struct doc *operation(struct arena *a, const struct diff_object *o, size_t number)
{
	struct doc *d = doc_map(a), *changes;
	enum config_effect worst = EFFECT_NONE;

	doc_set_int(a, d, "id", (int64_t)number);
	doc_set_string(a, d, "op", op_name(o));
	doc_set(a, d, "object", object_doc(a, o));
	changes = doc_set_list(a, d, "changes");
	for (size_t i = 0; i < o->n; i++) {
		const struct diff_change *c = &o->changes[i];
		struct doc *one;

		if (!diff_class_pending(c->class))
			continue;
		worst = MAX(worst, config_effect_of(o, c));
		one = doc_append(a, changes, doc_map(a));
		doc_set_string(a, one, "class", diff_class_name(c->class));
		doc_set_string(a, one, "op", diff_op_name(c->op));
		doc_set_string(a, one, "path", diff_path_text(a, c->path));
	}
	doc_set_string(a, d, "effect", config_effect_name(worst));
	doc_set_string(a, d, "risk", config_effect_risk(worst));
	return d;
}

static const char *digest(struct arena *a, const struct doc *d)
{
	return d ? content_digest(a, d) : "absent";
}

struct doc *config_plan_make(struct arena *a, const struct config_scene *s,
			     const struct secret_key *key, int64_t now_s, int64_t valid_s)
{
	const struct diff_object **order =
		arena_array(a, s->diff.n + 1, const struct diff_object *);
	struct doc *plan = doc_map(a), *seen, *operations;
	size_t n = 0;

	doc_set_string(a, plan, "apiVersion", API_VERSION);
	doc_set_string(a, plan, "kind", KIND);
	doc_set_int(a, plan, "made", now_s);
	doc_set_int(a, plan, "expires", now_s + valid_s);
	doc_set_string(a, plan, "key", secret_key_id(a, key));
	seen = doc_set_list(a, plan, "seen");
	for (size_t i = 0; i < s->diff.n; i++) {
		const struct diff_object *o = &s->diff.objects[i];
		struct doc *d = doc_append(a, seen, object_doc(a, o));

		doc_set_string(a, d, "live", digest(a, o->live));
		doc_set_string(a, d, "desired", digest(a, o->desired));
		if (diff_object_pending(o))
			order[n++] = o;
	}
	if (n > 1)
		qsort(order, n, sizeof(*order), cmp_order);
	operations = doc_set_list(a, plan, "operations");
	for (size_t i = 0; i < n; i++)
		doc_append(a, operations, operation(a, order[i], i + 1));
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

static void check_object(struct arena *a, struct map *saw, const struct diff_object *o,
			 struct doc *moved)
{
	const char *key = key_of(a, object_doc(a, o));
	const struct doc *then = map_del(saw, key);

	if (!then)
		say(a, moved, "is not in the plan", key);
	else if (!str_eq(doc_find_str(then, "live"), digest(a, o->live)))
		say(a, moved, "what is there is not what the plan saw", key);
	else if (!str_eq(doc_find_str(then, "desired"), digest(a, o->desired)))
		say(a, moved, "what is wanted is not what was planned", key);
}

int config_plan_check(struct arena *a, const struct doc *plan, const struct config_scene *s,
		      const struct secret_key *key, int64_t now_s, struct doc **ret_moved,
		      struct error *err)
{
	struct map saw = MAP_INIT;
	struct doc *moved = doc_list(a);

	if (!str_eq(doc_find_str(plan, "kind"), KIND) ||
	    !str_eq(doc_find_str(plan, "apiVersion"), API_VERSION))
		return error_set(err, -EINVAL, "this is no plan: kind %s of %s is wanted", KIND,
				 API_VERSION);
	if (!str_eq(doc_find_str(plan, "key"), secret_key_id(a, key)))
		return error_set(err, -EKEYREJECTED,
				 "the plan was made with another key of digests: give the same "
				 "--digest-key");
	if (now_s >= doc_find_int(plan, "expires", 0))
		doc_append(a, moved, doc_string(a, "the plan has expired"));
	doc_foreach_item (doc_get(plan, "seen"), d)
		map_set(&saw, key_of(a, d), d);
	for (size_t i = 0; i < s->diff.n; i++)
		check_object(a, &saw, &s->diff.objects[i], moved);
	map_foreach (&saw, e)
		say(a, moved, "was in the plan, and is not any more", map_key(e));
	map_release(&saw);
	*ret_moved = moved;
	return 0;
}
