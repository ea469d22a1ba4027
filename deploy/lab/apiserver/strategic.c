/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/strategic.h"

#include <string.h>

#include "lib/base/str.h"

/*
 * Which type a field has, and how its list merges: by a key, as a set of scalars ("" as key), or,
 * when no row names it, not at all (the patch's list replaces the target's).
 */
struct merge_rule {
	const char *type, *field;
	const char *key;  /* NULL: not a merged list */
	const char *elem; /* the type of the field, or of the list's items; NULL: untyped */
};

static const struct merge_rule rules[] = {
	{"*", "metadata", NULL, "ObjectMeta"},
	{"ObjectMeta", "finalizers", "", NULL},
	{"ObjectMeta", "ownerReferences", "uid", NULL},

	{"Pod", "spec", NULL, "PodSpec"},
	{"Pod", "status", NULL, "PodStatus"},
	{"PodStatus", "conditions", "type", NULL},
	{"PodStatus", "podIPs", "ip", NULL},
	{"PodStatus", "hostIPs", "", NULL},
	{"PodTemplateSpec", "metadata", NULL, "ObjectMeta"},
	{"PodTemplateSpec", "spec", NULL, "PodSpec"},
	{"PodSpec", "containers", "name", "Container"},
	{"PodSpec", "initContainers", "name", "Container"},
	{"PodSpec", "ephemeralContainers", "name", "Container"},
	{"PodSpec", "volumes", "name", NULL},
	{"PodSpec", "imagePullSecrets", "name", NULL},
	{"PodSpec", "hostAliases", "ip", NULL},
	{"PodSpec", "topologySpreadConstraints", "topologyKey", NULL},
	{"PodSpec", "schedulingGates", "name", NULL},
	{"PodSpec", "resourceClaims", "name", NULL},
	{"Container", "env", "name", NULL},
	{"Container", "ports", "containerPort", NULL},
	{"Container", "volumeMounts", "mountPath", NULL},
	{"Container", "volumeDevices", "devicePath", NULL},

	{"Deployment", "spec", NULL, "WorkloadSpec"},
	{"ReplicaSet", "spec", NULL, "WorkloadSpec"},
	{"DaemonSet", "spec", NULL, "WorkloadSpec"},
	{"StatefulSet", "spec", NULL, "WorkloadSpec"},
	{"ReplicationController", "spec", NULL, "WorkloadSpec"},
	{"Job", "spec", NULL, "WorkloadSpec"},
	{"WorkloadSpec", "template", NULL, "PodTemplateSpec"},
	{"CronJob", "spec", NULL, "CronJobSpec"},
	{"CronJobSpec", "jobTemplate", NULL, "JobTemplateSpec"},
	{"JobTemplateSpec", "spec", NULL, "WorkloadSpec"},
	{"Deployment", "status", NULL, "Conditions"},
	{"ReplicaSet", "status", NULL, "Conditions"},
	{"DaemonSet", "status", NULL, "Conditions"},
	{"StatefulSet", "status", NULL, "Conditions"},
	{"Job", "status", NULL, "Conditions"},
	{"Namespace", "status", NULL, "Conditions"},
	{"PodDisruptionBudget", "status", NULL, "Conditions"},
	{"Service", "status", NULL, "Conditions"},
	{"Conditions", "conditions", "type", NULL},

	{"Service", "spec", NULL, "ServiceSpec"},
	{"ServiceSpec", "ports", "port", NULL},
	{"Node", "spec", NULL, "NodeSpec"},
	{"Node", "status", NULL, "NodeStatus"},
	{"NodeSpec", "podCIDRs", "", NULL},
	{"NodeStatus", "conditions", "type", NULL},
	{"NodeStatus", "addresses", "type", NULL},
	{"ServiceAccount", "secrets", "name", NULL},
	{"ServiceAccount", "imagePullSecrets", "name", NULL},
	{"MutatingWebhookConfiguration", "webhooks", "name", NULL},
	{"ValidatingWebhookConfiguration", "webhooks", "name", NULL},
};

static const struct merge_rule *rule_of(const char *type, const char *field, bool root)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		if (str_eq(rules[i].field, field) &&
		    (str_eq(rules[i].type, type) || (root && str_eq(rules[i].type, "*"))))
			return &rules[i];
	return NULL;
}

struct merge {
	struct arena *arena;
	struct error *err;
};

static struct doc *merge_map(struct merge *m, const char *type, bool root, const struct doc *target,
			     const struct doc *patch);

static const char *directive(const struct doc *patch)
{
	return doc_str(doc_get(patch, "$patch"));
}

static bool is_directive(const char *key)
{
	return str_eq(key, "$patch") || str_eq(key, "$retainKeys") ||
	       str_starts(key, "$setElementOrder/") || str_starts(key, "$deleteFromPrimitiveList/");
}

/* A patch that is put in whole still may not leave directives or nulls behind. */
static struct doc *without_directives(struct merge *m, const struct doc *d)
{
	struct doc *out;

	if (d->kind == DOC_MAP)
		return merge_map(m, NULL, false, NULL, d);
	if (d->kind != DOC_LIST)
		return doc_clone(m->arena, d);
	out = doc_list(m->arena);
	doc_foreach_item (d, item)
		if (!directive(item) || doc_len(item) > 1)
			doc_append(m->arena, out, without_directives(m, item));
	return out;
}

static struct doc *find_equal(const struct doc *list, const struct doc *value, size_t *ret_at)
{
	for (size_t i = 0; i < doc_len(list); i++) {
		if (doc_equal(doc_at(list, i), value)) {
			if (ret_at)
				*ret_at = i;
			return doc_at(list, i);
		}
	}
	return NULL;
}

static struct doc *find_by_key(const struct doc *list, const char *key, const struct doc *value,
			       size_t *ret_at)
{
	for (size_t i = 0; i < doc_len(list); i++) {
		if (value && doc_equal(doc_get(doc_at(list, i), key), value)) {
			*ret_at = i;
			return doc_at(list, i);
		}
	}
	return NULL;
}

/* Scalars: a set union in the order of the target, then of the patch. */
static struct doc *merge_set(struct merge *m, const struct doc *target, const struct doc *patch)
{
	struct doc *out = target && target->kind == DOC_LIST ? doc_clone(m->arena, target)
							     : doc_list(m->arena);

	doc_foreach_item (patch, v)
		if (!find_equal(out, v, NULL))
			doc_append(m->arena, out, doc_clone(m->arena, v));
	return out;
}

/* The place of an item in the order the patch asks for; SIZE_MAX when it is not named there. */
static size_t rank(const struct doc *order, const char *key, const struct doc *item)
{
	for (size_t i = 0; i < doc_len(order); i++) {
		const struct doc *o = doc_at(order, i);

		if (*key ? doc_equal(doc_get(o, key), doc_get(item, key)) : doc_equal(o, item))
			return i;
	}
	return SIZE_MAX;
}

/* Sorts what the order names among the places such items take; others stay where they are. */
static void reorder(struct doc *list, const struct doc *order, const char *key)
{
	for (size_t i = 0; i < doc_len(list); i++) {
		size_t best = i, best_rank = rank(order, key, doc_at(list, i));
		struct doc *moved;

		if (best_rank == SIZE_MAX)
			continue;
		for (size_t j = i + 1; j < doc_len(list); j++) {
			size_t r = rank(order, key, doc_at(list, j));

			if (r < best_rank) {
				best = j;
				best_rank = r;
			}
		}
		moved = list->list.items[best];
		list->list.items[best] = list->list.items[i];
		list->list.items[i] = moved;
	}
}

static struct doc *bad(struct merge *m, const char *what, const char *detail)
{
	error_set(m->err, -EINVAL, "strategic merge patch: %s %s", what, detail);
	return NULL;
}

static struct doc *merge_item(struct merge *m, const struct merge_rule *rule, struct doc *out,
			      const struct doc *item)
{
	const struct doc *value = doc_get(item, rule->key);
	struct doc *have, *merged;
	size_t at = 0;

	if (!value)
		return bad(m, "an item has no value for its merge key", rule->key);
	have = find_by_key(out, rule->key, value, &at);
	if (str_eq(directive(item), "delete")) {
		if (have)
			doc_remove_at(out, at);
		return out;
	}
	merged = merge_map(m, rule->elem, false, str_eq(directive(item), "replace") ? NULL : have,
			   item);
	if (!merged)
		return NULL;
	if (have)
		out->list.items[at] = merged;
	else
		doc_append(m->arena, out, merged);
	return out;
}

static bool replaces_whole(const struct doc *patch)
{
	doc_foreach_item (patch, item)
		if (str_eq(directive(item), "replace") && doc_len(item) == 1)
			return true;
	return false;
}

static struct doc *merge_list(struct merge *m, const struct merge_rule *rule,
			      const struct doc *target, const struct doc *patch)
{
	struct doc *out;

	if (!rule || !rule->key || replaces_whole(patch))
		return without_directives(m, patch);
	if (!*rule->key)
		return merge_set(m, target, patch);
	out = target && target->kind == DOC_LIST ? doc_clone(m->arena, target) : doc_list(m->arena);
	for (size_t i = 0; i < doc_len(patch); i++) {
		const struct doc *item = doc_at(patch, i);

		if (item->kind != DOC_MAP)
			return bad(m, "an item is no object in", rule->field);
		if (!merge_item(m, rule, out, item))
			return NULL;
	}
	return out;
}

static void retain_keys(struct doc *out, const struct doc *keep)
{
	for (size_t i = doc_len(out); i-- > 0;) {
		bool wanted = false;

		doc_foreach_item (keep, k)
			wanted = wanted || str_eq(doc_str(k), out->map.entries[i].key);
		if (!wanted)
			doc_del(out, out->map.entries[i].key);
	}
}

/* Directives about a list beside them: what to take out, and the order of what stays. */
static void list_directives(const char *type, bool root, struct doc *out, const struct doc *patch)
{
	doc_foreach_entry (patch, e) {
		if (str_starts(e->key, "$deleteFromPrimitiveList/")) {
			struct doc *list = doc_get(out, strchr(e->key, '/') + 1);
			size_t at;

			doc_foreach_item (e->value, v)
				while (find_equal(list, v, &at))
					doc_remove_at(list, at);
		}
	}
	doc_foreach_entry (patch, e) {
		if (str_starts(e->key, "$setElementOrder/")) {
			const char *field = strchr(e->key, '/') + 1;
			const struct merge_rule *rule = rule_of(type, field, root);

			if (rule && rule->key)
				reorder(doc_get(out, field), e->value, rule->key);
		}
	}
}

static struct doc *merge_field(struct merge *m, const struct merge_rule *rule,
			       const struct doc *have, const struct doc *value)
{
	if (value->kind == DOC_MAP)
		return merge_map(m, rule ? rule->elem : NULL, false,
				 have && have->kind == DOC_MAP ? have : NULL, value);
	if (value->kind == DOC_LIST)
		return merge_list(m, rule, have, value);
	return doc_clone(m->arena, value);
}

static struct doc *merge_map(struct merge *m, const char *type, bool root, const struct doc *target,
			     const struct doc *patch)
{
	bool replace = str_eq(directive(patch), "replace");
	struct doc *out = target && !replace ? doc_clone(m->arena, target) : doc_map(m->arena);

	if (str_eq(directive(patch), "delete"))
		return doc_map(m->arena);
	doc_foreach_entry (patch, e) {
		struct doc *merged;

		if (is_directive(e->key))
			continue;
		if (e->value->kind == DOC_NULL || str_eq(directive(e->value), "delete")) {
			doc_del(out, e->key);
			continue;
		}
		merged =
			merge_field(m, rule_of(type, e->key, root), doc_get(out, e->key), e->value);
		if (!merged)
			return NULL;
		doc_set(m->arena, out, e->key, merged);
	}
	list_directives(type, root, out, patch);
	if (doc_get(patch, "$retainKeys"))
		retain_keys(out, doc_get(patch, "$retainKeys"));
	return out;
}

int strategic_merge(struct arena *a, const char *kind, const struct doc *target,
		    const struct doc *patch, struct doc **ret_result, struct error *err)
{
	struct merge m = {a, err};
	struct doc *out;

	if (!patch || patch->kind != DOC_MAP)
		return error_set(err, -EINVAL, "strategic merge patch: want an object");
	out = merge_map(&m, kind, true, target && target->kind == DOC_MAP ? target : NULL, patch);
	if (!out)
		return -EINVAL;
	*ret_result = out;
	return 0;
}
