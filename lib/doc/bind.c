/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/doc/bind.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/doc/doc_impl.h"

struct decoder {
	struct arena *arena;
	struct bind_unknown *unknown;
	struct error *err;
};

/* One row at work: the field, its value and both as the user sees them. */
struct row {
	const struct bind_field *f;
	const struct doc *v;
	const char *path;
	void *out; /* the member */
};

static int complain(struct decoder *d, int code, const struct doc *at, const char *path,
		    const char *fmt, ...) PRINTF_LIKE(5, 6);

static int complain(struct decoder *d, int code, const struct doc *at, const char *path,
		    const char *fmt, ...)
{
	const char *where = doc_where(d->arena, at);
	char what[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return error_set(d->err, code, "%s%s%s%s%s", where, *where ? ": " : "", path,
			 *path ? ": " : "", what);
}

static int want(struct decoder *d, const struct row *r, const char *what)
{
	const bool word = r->v->kind == DOC_BOOL && str_eq(what, "a string");

	return complain(d, -EINVAL, r->v, r->path, "want %s, got %s%s", what,
			doc_kind_name(r->v->kind),
			word ? " (y, n, yes, no, on and off mean true and false: quote them)" : "");
}

static const char *join(struct arena *a, const char *prefix, const char *path)
{
	return *prefix ? arena_printf(a, "%s.%s", prefix, path) : path;
}

static int decode_int(struct decoder *d, const struct row *r, int64_t *ret)
{
	const bool any = r->f->min == 0 && r->f->max == 0;
	int64_t min = any ? INT64_MIN : r->f->min, max = any ? INT64_MAX : r->f->max, v;

	if (any && r->f->kind == BIND_INT32) {
		min = INT32_MIN;
		max = INT32_MAX;
	}
	/* A YAML 1e3 reaches Kubernetes as the integer 1000. */
	if (r->v->kind == DOC_REAL && fabs(r->v->real) < 0x1p53 &&
	    !(fabs(r->v->real - trunc(r->v->real)) > 0))
		v = (int64_t)r->v->real;
	else if (r->v->kind == DOC_INT)
		v = r->v->integer;
	else
		return want(d, r, "an integer");
	if (v < min || v > max)
		return complain(d, -ERANGE, r->v, r->path,
				"%" PRId64 " is not between %" PRId64 " and %" PRId64, v, min, max);
	*ret = v;
	return 0;
}

static int decode_enum(struct decoder *d, const struct row *r, int *ret)
{
	char list[200] = "";
	size_t n = 0;

	if (r->v->kind != DOC_STRING)
		return want(d, r, "a string");
	for (int i = 0; r->f->names[i] || (i == 0 && r->f->names[1]); i++) {
		if (!r->f->names[i])
			continue;
		if (strcmp(r->f->names[i], r->v->string) == 0) {
			*ret = i;
			return 0;
		}
		if (n < sizeof(list))
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", n ? ", " : "",
					      r->f->names[i]);
	}
	return complain(d, -EINVAL, r->v, r->path, "\"%.60s\" is not one of %s", r->v->string,
			list);
}

static int decode_strings(struct decoder *d, const struct row *r, struct strings *ret)
{
	if (r->v->kind != DOC_LIST)
		return want(d, r, "a list of strings");
	ret->n = r->v->list.n;
	ret->items = arena_array(d->arena, ret->n + 1, const char *);
	for (size_t i = 0; i < ret->n; i++) {
		const struct doc *item = r->v->list.items[i];

		if (item->kind != DOC_STRING)
			return complain(d, -EINVAL, item,
					arena_printf(d->arena, "%s[%zu]", r->path, i),
					"want a string, got %s", doc_kind_name(item->kind));
		ret->items[i] = item->string;
	}
	return 0;
}

static int cmp_pair(const void *a, const void *b)
{
	return strcmp(((const struct strmap_pair *)a)->key, ((const struct strmap_pair *)b)->key);
}

static int decode_strmap(struct decoder *d, const struct row *r, struct strmap *ret)
{
	if (r->v->kind != DOC_MAP)
		return want(d, r, "a map of strings");
	ret->items = arena_array(d->arena, r->v->map.n + 1, struct strmap_pair);
	doc_foreach_entry (r->v, e) {
		if (e->value->kind != DOC_STRING)
			return complain(d, -EINVAL, e->value,
					arena_printf(d->arena, "%s['%s']", r->path, e->key),
					"want a string, got %s", doc_kind_name(e->value->kind));
		ret->items[ret->n++] = (struct strmap_pair){e->key, e->value->string};
	}
	if (ret->n)
		qsort(ret->items, ret->n, sizeof(*ret->items), cmp_pair);
	return 0;
}

static int decode_table(struct decoder *d, const struct bind_table *table, const struct doc *node,
			const char *prefix, void *out);

static int decode_list(struct decoder *d, const struct row *r, void *struct_base)
{
	const struct bind_table *t = r->f->table;
	char *items;

	if (r->v->kind != DOC_LIST)
		return want(d, r, "a list");
	items = arena_alloc_array(d->arena, r->v->list.n + 1, t->size);
	for (size_t i = 0; i < r->v->list.n; i++) {
		const char *path = arena_printf(d->arena, "%s[%zu]", r->path, i);
		int rc = decode_table(d, t, r->v->list.items[i], path, items + i * t->size);

		if (rc < 0)
			return rc;
	}
	*(void **)r->out = items;
	*(size_t *)(void *)((char *)struct_base + r->f->count_offset) = r->v->list.n;
	return 0;
}

static int decode_ptr(struct decoder *d, const struct row *r)
{
	void *p = arena_alloc(d->arena, r->f->table->size);

	*(void **)r->out = p;
	return decode_table(d, r->f->table, r->v, r->path, p);
}

static int decode_int_or_string(struct decoder *d, const struct row *r)
{
	struct int_or_string *o = r->out;

	if (r->v->kind == DOC_STRING) {
		o->kind = IOS_STRING;
		o->string = r->v->string;
		return 0;
	}
	o->kind = IOS_INT;
	return decode_int(d, r, &o->number);
}

static int decode_number(struct decoder *d, const struct row *r)
{
	int64_t v = 0;
	int rc;

	if (r->f->kind == BIND_REAL) {
		if (r->v->kind != DOC_REAL && r->v->kind != DOC_INT)
			return want(d, r, "a number");
		*(double *)r->out = r->v->kind == DOC_REAL ? r->v->real : (double)r->v->integer;
		return 0;
	}
	rc = decode_int(d, r, &v);
	if (rc < 0)
		return rc;
	if (r->f->kind == BIND_INT32)
		*(int32_t *)r->out = (int32_t)v;
	else if (r->f->kind == BIND_INT64)
		*(int64_t *)r->out = v;
	else
		*(struct opt_int *)r->out = (struct opt_int){true, v};
	return 0;
}

static int decode_bool(struct decoder *d, const struct row *r)
{
	if (r->v->kind != DOC_BOOL)
		return want(d, r, "true or false");
	if (r->f->kind == BIND_BOOL)
		*(bool *)r->out = r->v->boolean;
	else
		*(struct opt_bool *)r->out = (struct opt_bool){true, r->v->boolean};
	return 0;
}

static int decode_value(struct decoder *d, const struct row *r, void *struct_base)
{
	switch (r->f->kind) {
	case BIND_STRING:
		if (r->v->kind != DOC_STRING)
			return want(d, r, "a string");
		*(const char **)r->out = r->v->string;
		return 0;
	case BIND_BOOL:
	case BIND_OPT_BOOL:
		return decode_bool(d, r);
	case BIND_INT32:
	case BIND_INT64:
	case BIND_REAL:
	case BIND_OPT_INT:
		return decode_number(d, r);
	case BIND_INT_OR_STRING:
		return decode_int_or_string(d, r);
	case BIND_ENUM:
		return decode_enum(d, r, r->out);
	case BIND_STRINGS:
		return decode_strings(d, r, r->out);
	case BIND_STRMAP:
		return decode_strmap(d, r, r->out);
	case BIND_DOC:
		*(const struct doc **)r->out = r->v;
		return 0;
	case BIND_STRUCT:
		return decode_table(d, r->f->table, r->v, r->path, r->out);
	case BIND_PTR:
		return decode_ptr(d, r);
	case BIND_LIST:
		return decode_list(d, r, struct_base);
	}
	return error_set(d->err, -EINVAL, "%s: bad bind table", r->path);
}

/* Follows the dotted path of a row; a part that is there but no map is an error. */
static int find_value(struct decoder *d, const struct bind_field *f, const struct doc *node,
		      const char *prefix, const struct doc **ret)
{
	const char *p = f->path;

	*ret = NULL;
	for (;;) {
		const size_t n = strcspn(p, ".");

		node = doc_get_n(node, p, n);
		if (!node || node->kind == DOC_NULL)
			return 0;
		p += n;
		if (!*p)
			break;
		if (node->kind != DOC_MAP)
			return complain(
				d, -EINVAL, node,
				join(d->arena, prefix,
				     arena_strndup(d->arena, f->path, (size_t)(p - f->path))),
				"want a map, got %s", doc_kind_name(node->kind));
		p++;
	}
	*ret = node;
	return 0;
}

static bool is_empty(const struct doc *v)
{
	if (v->kind == DOC_STRING)
		return *v->string == '\0';
	return (v->kind == DOC_LIST || v->kind == DOC_MAP) && doc_len(v) == 0;
}

static int decode_field(struct decoder *d, const struct bind_field *f, const struct doc *node,
			const char *prefix, char *out)
{
	struct row r = {.f = f, .out = out + f->offset};
	int rc = find_value(d, f, node, prefix, &r.v);

	if (rc < 0)
		return rc;
	if (!r.v && !(f->flags & BIND_REQUIRED))
		return 0;
	r.path = join(d->arena, prefix, f->path);
	if (!r.v)
		return complain(d, -EINVAL, node, r.path, "is required");
	if ((f->flags & BIND_NON_EMPTY) && is_empty(r.v))
		return complain(d, -EINVAL, r.v, r.path, "must not be empty");
	return decode_value(d, &r, out);
}

static void add_unknown(struct bind_unknown *u, const char *path, const struct doc *node)
{
	if (u->n == u->cap) {
		const size_t cap = u->cap ? u->cap * 2 : 8;
		void *grown = arena_alloc_array(u->arena, cap, sizeof(*u->items));

		if (u->n)
			memcpy(grown, u->items, u->n * sizeof(*u->items));
		u->items = grown;
		u->cap = cap;
	}
	u->items[u->n].path = path;
	u->items[u->n++].node = node;
}

/* Keys of node that no row names; inner is the dotted way from the table's own node ("" at it). */
static void collect_unknown(struct decoder *d, const struct bind_table *t, const struct doc *node,
			    const char *prefix, const char *inner)
{
	doc_foreach_entry (node, e) {
		const char *path = join(d->arena, inner, e->key);
		const size_t n = strlen(path);
		bool exact = false, inside = false;

		for (size_t i = 0; i < t->n_fields; i++) {
			exact |= strcmp(t->fields[i].path, path) == 0;
			inside |= strncmp(t->fields[i].path, path, n) == 0 &&
				  t->fields[i].path[n] == '.';
		}
		if (exact)
			continue;
		if (inside)
			collect_unknown(d, t, e->value, prefix, path);
		else
			add_unknown(d->unknown,
				    arena_strdup(d->unknown->arena, join(d->arena, prefix, path)),
				    e->value);
	}
}

static int decode_table(struct decoder *d, const struct bind_table *table, const struct doc *node,
			const char *prefix, void *out)
{
	if (node->kind != DOC_MAP)
		return complain(d, -EINVAL, node, prefix, "want a map, got %s",
				doc_kind_name(node->kind));
	for (size_t i = 0; i < table->n_fields; i++) {
		int r = decode_field(d, &table->fields[i], node, prefix, out);

		if (r < 0)
			return r;
	}
	if (d->unknown)
		collect_unknown(d, table, node, prefix, "");
	return 0;
}

int bind_decode(struct arena *a, const struct bind_table *table, const struct doc *node,
		const char *prefix, void *out, struct bind_unknown *unknown, struct error *err)
{
	struct decoder d = {a, unknown, err};

	memset(out, 0, table->size);
	if (!node)
		return error_set(err, -EINVAL, "%s%sis required", str_or_empty(prefix),
				 str_empty(prefix) ? "" : ": ");
	return decode_table(&d, table, node, str_or_empty(prefix), out);
}

const char *strmap_get(const struct strmap *m, const char *key)
{
	const struct strmap_pair want_pair = {key, NULL};
	const struct strmap_pair *hit;

	if (!m->n)
		return NULL;
	hit = bsearch(&want_pair, m->items, m->n, sizeof(*m->items), cmp_pair);
	return hit ? hit->value : NULL;
}
