/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of objects: paired by what they are called, compared one by one. */
#include "lib/diff/diff.h"

#include <string.h>

#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/diff/diff_impl.h"

static const struct {
	const char *name, *meaning;
	bool pending;
} classes[DIFF_CLASS_COUNT] = {
#define DIFF_CLASS_ROW(symbol, name, pending, what) [symbol] = {name, what, pending},
	DIFF_CLASSES(DIFF_CLASS_ROW)
#undef DIFF_CLASS_ROW
};

const char *diff_class_name(enum diff_class c)
{
	return classes[c].name;
}

const char *diff_class_meaning(enum diff_class c)
{
	return classes[c].meaning;
}

bool diff_class_pending(enum diff_class c)
{
	return classes[c].pending;
}

const char *diff_op_name(enum diff_op op)
{
	static const char *const names[] = {"add", "replace", "remove", "order", "keep"};

	return names[op];
}

const char *diff_object_ref(struct arena *a, const struct diff_object *o)
{
	return arena_printf(a, "%s/%s%s%s", o->kind, o->namespace, o->namespace[0] ? "/" : "",
			    o->name);
}

bool diff_object_pending(const struct diff_object *o)
{
	for (size_t i = 0; i < o->n; i++)
		if (diff_class_pending(o->changes[i].class))
			return true;
	return false;
}

size_t diff_count(const struct diff *d, enum diff_class c)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		for (size_t j = 0; j < d->objects[i].n; j++)
			n += d->objects[i].changes[j].class == c;
	return n;
}

bool diff_pending(const struct diff *d)
{
	for (size_t i = 0; i < d->n; i++)
		if (diff_object_pending(&d->objects[i]))
			return true;
	return false;
}

/* "apps/Deployment/shop/till": the version is not part of what an object is called. */
static const char *key_of(struct arena *a, const struct doc *d)
{
	const char *api = str_or_empty(doc_find_str(d, "apiVersion"));
	const char *slash = strchr(api, '/');

	return arena_printf(a, "%s/%.*s/%s/%s", str_or_empty(doc_find_str(d, "kind")),
			    slash ? (int)(slash - api) : 0, api,
			    str_or_empty(doc_find_str(d, "metadata.namespace")),
			    str_or_empty(doc_find_str(d, "metadata.name")));
}

/* As errors name it: "Deployment/shop/till". */
static const char *called(struct arena *a, const struct doc *d)
{
	const char *ns = doc_find_str(d, "metadata.namespace");

	return arena_printf(a, "%s/%s%s%s", str_or_empty(doc_find_str(d, "kind")), str_or_empty(ns),
			    str_empty(ns) ? "" : "/",
			    str_or_empty(doc_find_str(d, "metadata.name")));
}

/*
 * What stands in a request's path, in a history's tree and on a terminal. NULL: fit for all of them
 * (Kubernetes' own rule for the part of a path; nothing that a terminal obeys).
 */
static const char *unfit(const char *s)
{
	if (str_eq(s, ".") || str_eq(s, ".."))
		return "is a place in a path, not a name";
	if (strpbrk(s, "/%"))
		return "may have no / and no %";
	for (const unsigned char *c = (const unsigned char *)s; *c; c++)
		if (*c < ' ' || *c == 0x7f || (c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f))
			return "may have no control characters"; /* in UTF-8: there are more */
	return NULL;
}

static int check_called(struct arena *a, const struct doc *d, struct error *err)
{
	static const char *const fields[] = {"kind", "metadata.namespace", "metadata.name"};
	const char *why = NULL;

	for (size_t i = 0; !why && i < ARRAY_SIZE(fields); i++) {
		const struct doc *f = doc_find(d, fields[i]);
		const char *where = f ? doc_where(a, f) : "";

		where = str_empty(where) ? doc_where(a, d) : where;
		if (f && f->kind != DOC_STRING && f->kind != DOC_NULL)
			return error_set(err, -EINVAL, "%s: %s: want a string, got %s", where,
					 fields[i], doc_kind_name(f->kind));
		why = f && f->kind == DOC_STRING ? unfit(f->string) : NULL;
		if (why)
			return error_set(err, -EINVAL, "%s: %s %s", where, fields[i], why);
	}
	if (str_empty(doc_find_str(d, "metadata.name")))
		return error_set(
			err, -EINVAL,
			"%s: %s without metadata.name: what has no name cannot be compared",
			doc_where(a, d), str_or_empty(doc_find_str(d, "kind")));
	return 0;
}

/* key -> document. */
static int index_set(struct map *m, struct arena *a, const struct snapshot *set, struct error *err)
{
	for (size_t i = 0; set && i < set->n; i++) {
		struct doc *d = set->items[i], *before;
		int r = check_called(a, d, err);

		if (r)
			return r;
		before = map_set(m, key_of(a, d), d);
		if (before)
			return error_set(err, -EEXIST, "%s occurs twice: %s and %s", called(a, d),
					 doc_where(a, before), doc_where(a, d));
	}
	return 0;
}

/* "Deployment/shop/till", of the object or of what an autoscaler names; at names kind and name. */
static const char *scaled_key(struct arena *a, const struct doc *object, const struct doc *at)
{
	const char *name = doc_str(doc_get(at, "name"));

	return arena_printf(a, "%s/%s/%s", str_or_empty(doc_str(doc_get(at, "kind"))),
			    str_or_empty(doc_find_str(object, "metadata.namespace")),
			    str_or_empty(name ? name : doc_find_str(at, "metadata.name")));
}

/* Everything whose replicas an autoscaler keeps. */
static void index_scaled(struct map *m, struct arena *a, const struct snapshot *set)
{
	snapshot_foreach (set, object_kind(KIND_HORIZONTAL_POD_AUTOSCALER), d)
		map_set(m, scaled_key(a, d, doc_find(d, "spec.scaleTargetRef")), d);
}

static struct doc *noted(struct arena *a, const struct doc *live)
{
	const char *text = doc_str(doc_get(doc_find(live, "metadata.annotations"), LAST_APPLIED));
	struct doc *d;

	if (!text || doc_read_json(a, text, strlen(text), NULL, &d, NULL) < 0 || d->kind != DOC_MAP)
		return NULL;
	return d;
}

/* Everything by its key, and what comes of it. */
struct pairing {
	struct arena *arena;
	const struct diff_input *in;
	struct map desired, applied, live, scaled;
	struct diff *out;
};

static void compare_one(struct pairing *p, const char *key)
{
	struct doc *desired = map_get(&p->desired, key), *live = map_get(&p->live, key);
	struct doc *applied = map_get(&p->applied, key);
	struct diff *d = p->out;
	const struct doc *any = desired ? desired : live;
	struct diff_object o;

	if (!applied && live && p->in->annotations)
		applied = noted(p->arena, live);
	diff_object_make(&o, p->arena, applied, live, desired,
			 any && map_has(&p->scaled, scaled_key(p->arena, any, any)),
			 p->in->managers);
	if (d->n == d->cap) {
		struct diff_object *old = d->objects;

		d->cap = d->cap ? d->cap * 2 : 16;
		d->objects = arena_array(p->arena, d->cap, struct diff_object);
		if (old)
			memcpy(d->objects, old, d->n * sizeof(*old));
	}
	d->objects[d->n++] = o;
}

static int cmp_objects(const void *pa, const void *pb)
{
	const struct diff_object *a = pa, *b = pb;
	int c = strcmp(a->kind, b->kind);

	if (!c)
		c = strcmp(a->namespace, b->namespace);
	if (!c)
		c = strcmp(a->name, b->name);
	return c ? c : strcmp(a->api_version, b->api_version);
}

static int pair(struct pairing *p, struct error *err)
{
	int r = index_set(&p->desired, p->arena, p->in->desired, err);

	if (!r)
		r = index_set(&p->applied, p->arena, p->in->applied, err);
	if (!r)
		r = index_set(&p->live, p->arena, p->in->live, err);
	if (r)
		return r;
	if (p->in->desired)
		index_scaled(&p->scaled, p->arena, p->in->desired);
	if (p->in->live)
		index_scaled(&p->scaled, p->arena, p->in->live);
	map_foreach (&p->desired, e)
		compare_one(p, map_key(e));
	map_foreach (&p->applied, e)
		if (!map_has(&p->desired, map_key(e)))
			compare_one(p, map_key(e));
	if (p->out->n > 1)
		qsort(p->out->objects, p->out->n, sizeof(*p->out->objects), cmp_objects);
	return 0;
}

int diff_make(struct diff *ret_diff, struct arena *a, const struct diff_input *in,
	      struct error *err)
{
	struct diff out = {0};
	struct pairing p = {.arena = a, .in = in, .out = &out};
	int r = pair(&p, err);

	map_release(&p.desired);
	map_release(&p.applied);
	map_release(&p.live);
	map_release(&p.scaled);
	if (!r)
		*ret_diff = out;
	return r;
}
