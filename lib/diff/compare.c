/* SPDX-License-Identifier: Apache-2.0 */
/* One object, three ways: down the fields that desired or applied name. */
#include <string.h>

#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/diff/diff_impl.h"
#include "lib/object/canonical.h"

struct compare {
	struct sameness s;
	struct diff_object *o;
	const struct doc *server; /* the live object with its managedFields; may be NULL */
	bool recorded;            /* somebody noted what was applied */
	bool manifests;           /* live is what was applied: two manifests, no cluster */
	bool autoscaled;
	const char *const *managers;
};

/* The same field in the three documents; NULL = absent. */
struct three {
	struct doc *applied, *live, *desired;
};

static void compare(struct compare *c, const struct diff_path *path, struct three t);

/* Those who write what a manifest says, defaults included. */
static const char *const carriers[] = {
	"sidestep",
	"helm",
	"Helm",
	"kubectl",
	"kubectl-client-side-apply",
	"kubectl-create",
	"kubectl-replace",
	"argocd-controller",
	"kustomize-controller",
	"helm-controller",
	"before-first-apply",
};

static bool is_us(const struct compare *c, const char *manager)
{
	for (size_t i = 0; i < ARRAY_SIZE(carriers); i++)
		if (str_eq(manager, carriers[i]))
			return true;
	for (size_t i = 0; c->managers && c->managers[i]; i++)
		if (str_eq(manager, c->managers[i]))
			return true;
	return false;
}

static bool raw_zero(const struct doc *d)
{
	return !d || d->kind == DOC_NULL || (d->kind == DOC_STRING && d->string[0] == '\0') ||
	       (d->kind == DOC_INT && d->integer == 0) ||
	       ((d->kind == DOC_LIST || d->kind == DOC_MAP) && doc_len(d) == 0);
}

static bool is_theirs(const struct compare *c, const struct diff_path *path, const struct three *t,
		      const struct field_owner *owner)
{
	const struct field_rule *r = t->live ? field_theirs(c->s.kind, path) : NULL;

	if (!r || c->manifests)
		return false;
	switch ((enum theirs_when)r->what) {
	case THEIRS_SCALED:
		return c->autoscaled || (str_eq(owner->subresource, "scale") &&
					 !str_starts(owner->manager, "kubectl"));
	case THEIRS_MANAGED:
		if (t->applied && holds(&c->s, path, t->applied, t->live, false))
			return false;
		return !owner->manager || !is_us(c, owner->manager);
	case THEIRS_AGGREGATED:
		return doc_get(c->o->desired ? c->o->desired : c->o->live, "aggregationRule");
	case THEIRS_ALLOCATED:
		return raw_zero(t->desired);
	}
	return false;
}

/* Live says something that nobody applied: whether the server filled it in. */
static bool is_default(const struct compare *c, const struct diff_path *path,
		       const struct doc *live, const struct field_owner *owner)
{
	const char *text = field_default(c->s.kind, path);
	struct doc *d;

	if (owner->manager)
		return is_us(c, owner->manager);
	if (doc_find(c->server, "metadata.managedFields"))
		return true;
	return text && doc_read_json(c->s.arena, text, strlen(text), NULL, &d, NULL) == 0 &&
	       doc_equal(d, live);
}

static enum diff_class classify(const struct compare *c, const struct diff_path *path,
				const struct three *t, const struct field_owner *owner)
{
	if (path && is_theirs(c, path, t, owner))
		return DIFF_THEIRS;
	if (!c->recorded)
		return DIFF_ADOPT;
	if (!t->applied && t->live && path && is_default(c, path, t->live, owner))
		return DIFF_CHANGE;
	if (t->applied ? holds(&c->s, path, t->applied, t->live, false) : !t->live)
		return DIFF_CHANGE;
	if (holds(&c->s, path, t->applied, t->desired, true))
		return DIFF_DRIFT;
	return DIFF_CONFLICT;
}

static void push(struct compare *c, struct diff_change change)
{
	struct diff_object *o = c->o;

	if (o->n == o->cap) {
		const size_t cap = o->cap ? o->cap * 2 : 4;
		struct diff_change *grown = arena_array(c->s.arena, cap, struct diff_change);

		if (o->n)
			memcpy(grown, o->changes, o->n * sizeof(*grown));
		o->changes = grown;
		o->cap = cap;
	}
	o->changes[o->n++] = change;
}

static enum diff_op op_of(const struct three *t)
{
	if (!t->desired)
		return DIFF_REMOVE;
	return t->live ? DIFF_REPLACE : DIFF_ADD;
}

/* The place is compared as one value. */
static void leaf(struct compare *c, const struct diff_path *path, struct three t)
{
	struct diff_change change = {.path = path,
				     .op = DIFF_KEEP,
				     .applied = t.applied,
				     .live = t.live,
				     .desired = t.desired};

	if (t.live && path)
		field_owner_find(c->server, path, &change.owner);
	if (holds(&c->s, path, t.desired, t.live, !t.desired)) {
		if (!c->recorded || holds(&c->s, path, t.applied, t.desired, true))
			return;
		change.class = DIFF_APPLIED;
	} else {
		change.class = classify(c, path, &t, &change.owner);
		if (diff_class_pending(change.class))
			change.op = op_of(&t);
	}
	push(c, change);
}

static void compare_map(struct compare *c, const struct diff_path *path, struct three t)
{
	doc_foreach_entry (t.desired, e) {
		struct three in = {doc_get(t.applied, e->key), doc_get(t.live, e->key), e->value};

		compare(c, diff_path_field(c->s.arena, path, e->key), in);
	}
	doc_foreach_entry (t.applied, e) {
		struct three in = {e->value, doc_get(t.live, e->key), NULL};

		if (!doc_get(t.desired, e->key))
			compare(c, diff_path_field(c->s.arena, path, e->key), in);
	}
}

/* The words of list that stand in both others (either may be NULL), as they follow each other. */
static struct doc *order_of(struct arena *a, const struct keyed *list, const struct keyed *one,
			    const struct keyed *two)
{
	struct doc *order = doc_list(a);

	for (size_t i = 0; i < list->n; i++)
		if ((!one || keyed_get(one, list->texts[i])) &&
		    (!two || keyed_get(two, list->texts[i])))
			doc_append(a, order, doc_string(a, list->texts[i]));
	return order;
}

/* What an apply that only adds would leave: live's items in their order, then the new ones. */
static struct doc *order_after_adds(struct arena *a, const struct keyed *live,
				    const struct keyed *desired)
{
	struct doc *order = order_of(a, live, desired, NULL);

	for (size_t i = 0; i < desired->n; i++)
		if (!keyed_get(live, desired->texts[i]))
			doc_append(a, order, doc_string(a, desired->texts[i]));
	return order;
}

static void compare_order(struct compare *c, const struct diff_path *path, const struct keyed *ka,
			  const struct keyed *kl, const struct keyed *kd)
{
	struct arena *a = c->s.arena;
	const struct doc *wanted = order_of(a, kd, NULL, NULL);
	const struct doc *there = order_after_adds(a, kl, kd);
	const struct doc *applied = order_of(a, ka, kl, kd);
	struct diff_change change = {.path = path, .op = DIFF_ORDER};

	if (doc_equal(wanted, there))
		return;
	change.desired = wanted;
	change.live = there;
	field_owner_find(c->server, path, &change.owner);
	if (!c->recorded)
		change.class = DIFF_ADOPT;
	else if (doc_equal(applied, order_of(a, kl, ka, kd)))
		change.class = DIFF_CHANGE;
	else if (doc_equal(applied, order_of(a, kd, ka, kl)))
		change.class = DIFF_DRIFT;
	else
		change.class = DIFF_CONFLICT;
	push(c, change);
}

static void compare_keyed(struct compare *c, const struct diff_path *path,
			  const struct list_rule *rule, const struct keyed *ka,
			  const struct keyed *kl, const struct keyed *kd)
{
	struct arena *a = c->s.arena;

	for (size_t i = 0; i < kd->n; i++) {
		struct three in = {keyed_get(ka, kd->texts[i]), keyed_get(kl, kd->texts[i]),
				   kd->items[i]};

		compare(c, diff_path_item(a, path, kd->keys[i]), in);
	}
	for (size_t i = 0; i < ka->n; i++) {
		struct three in = {ka->items[i], keyed_get(kl, ka->texts[i]), NULL};

		if (!keyed_get(kd, ka->texts[i]))
			compare(c, diff_path_item(a, path, ka->keys[i]), in);
	}
	if (rule->ordered)
		compare_order(c, path, ka, kl, kd);
}

/* Every word of list is in other, too. */
static bool all_in(const struct keyed *list, const struct keyed *other)
{
	for (size_t i = 0; i < list->n; i++)
		if (!keyed_get(other, list->texts[i]))
			return false;
	return true;
}

/*
 * True when the lists could be compared by their keys, and have been. What was applied counts only
 * where it has keys, too: how two lists compare must not hang on a third.
 */
static bool try_keyed(struct compare *c, const struct diff_path *path, struct three t)
{
	const struct list_rule *rule = field_list(c->s.kind, path);
	struct keyed ka = {0}, kl = {0}, kd = {0};
	bool ok = rule->list != LIST_ATOMIC &&
		  (keyed_read(c->s.arena, rule, t.applied, &ka) || t.desired) &&
		  keyed_read(c->s.arena, rule, t.live, &kl) &&
		  keyed_read(c->s.arena, rule, t.desired, &kd);

	/* Not wanted any more, and nobody else has put anything in: it goes whole. */
	if (ok && !t.desired && all_in(&kl, &ka))
		leaf(c, path, t);
	else if (ok)
		compare_keyed(c, path, rule, &ka, &kl, &kd);
	keyed_release(&ka);
	keyed_release(&kl);
	keyed_release(&kd);
	return ok;
}

/* Kept by somebody else as one: an item of it is nobody's to put back. */
static bool is_gathered(const struct compare *c, const struct diff_path *path)
{
	const struct field_rule *r = c->manifests ? NULL : field_theirs(c->s.kind, path);

	return r && r->what == THEIRS_AGGREGATED &&
	       doc_get(c->o->desired ? c->o->desired : c->o->live, "aggregationRule");
}

static void compare_list(struct compare *c, const struct diff_path *path, struct three t)
{
	const size_t n = doc_len(t.live);

	if (is_gathered(c, path)) {
		leaf(c, path, t);
		return;
	}
	if (try_keyed(c, path, t))
		return;
	/* Items that lack the keys they should have, or share them, are nobody's single items. */
	if (field_list(c->s.kind, path)->list != LIST_ATOMIC || !t.desired ||
	    doc_len(t.desired) != n || (t.applied && doc_len(t.applied) != n)) {
		leaf(c, path, t);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct three in = {doc_at(t.applied, i), doc_at(t.live, i), doc_at(t.desired, i)};

		compare(c, diff_path_index(c->s.arena, path, i), in);
	}
}

/* A map that others have written into, so that what is ours goes alone. */
static bool has_others(const struct three *t)
{
	doc_foreach_entry (t->live, e)
		if (!doc_get(t->applied, e->key))
			return true;
	return false;
}

static void compare(struct compare *c, const struct diff_path *path, struct three t)
{
	const struct doc *ours = t.desired ? t.desired : t.applied;
	struct three in = t;

	if (!ours)
		return;
	/* A value of another kind says nothing of what is inside this one. */
	if (t.applied && t.applied->kind != ours->kind)
		in.applied = NULL;
	/* All new to us and all there already: one change, not one for each field. */
	if (c->recorded && !in.applied && t.live && holds(&c->s, path, t.desired, t.live, false))
		leaf(c, path, t);
	else if (!t.live || t.live->kind != ours->kind)
		leaf(c, path, t);
	else if (ours->kind == DOC_LIST)
		compare_list(c, path, in);
	else if (ours->kind == DOC_MAP && (t.desired || (field_shared_map(path) && has_others(&t))))
		compare_map(c, path, in);
	else
		leaf(c, path, t);
}

/* What has a value that only names the object: it is the same, or it is another object. */
static struct doc *content(struct arena *a, const struct doc *object)
{
	struct doc *d;

	if (!object || object->kind != DOC_MAP)
		return NULL;
	d = diff_view(a, object);
	doc_del(d, "apiVersion");
	doc_del(d, "kind");
	doc_del(doc_get(d, "metadata"), "name");
	doc_del(doc_get(d, "metadata"), "namespace");
	return d;
}

static void drop_nulls(struct doc *d)
{
	doc_foreach_item (d, it)
		drop_nulls(it);
	if (!d || d->kind != DOC_MAP)
		return;
	for (size_t i = d->map.n; i--;) {
		struct doc *v = d->map.entries[i].value;

		if (!v || v->kind == DOC_NULL)
			doc_del(d, d->map.entries[i].key);
		else
			drop_nulls(v);
	}
}

struct doc *diff_view(struct arena *a, const struct doc *object)
{
	struct doc *d = object_canonical(a, object);

	drop_nulls(d);
	return d;
}

static void name_object(struct diff_object *o, struct arena *a, const struct doc *any)
{
	o->api_version = str_or_empty(doc_find_str(any, "apiVersion"));
	o->kind = str_or_empty(doc_find_str(any, "kind"));
	o->namespace = str_or_empty(doc_find_str(any, "metadata.namespace"));
	o->name = str_or_empty(doc_find_str(any, "metadata.name"));
	o->where = o->desired ? doc_where(a, o->desired) : "";
}

void diff_object_make(struct diff_object *ret_object, struct arena *a, const struct doc *applied,
		      const struct doc *live, const struct doc *desired, bool autoscaled,
		      const char *const *managers)
{
	struct diff_object *o = ret_object;
	struct compare c = {.o = o,
			    .server = live,
			    .recorded = applied || !live,
			    .manifests = applied && applied == live,
			    .autoscaled = autoscaled,
			    .managers = managers};
	struct three t = {content(a, applied), content(a, live), content(a, desired)};

	memset(o, 0, sizeof(*o));
	o->applied = applied;
	o->live = live;
	o->desired = desired;
	o->autoscaled = autoscaled;
	name_object(o, a, desired ? desired : live ? live : applied);
	c.s = (struct sameness){a, o->kind, field_drops_zeroes(o->api_version)};
	if (t.live && t.desired)
		compare(&c, NULL, t);
	else if (t.desired || t.applied)
		leaf(&c, NULL, t);
}
