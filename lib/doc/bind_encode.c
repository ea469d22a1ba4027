/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "lib/doc/bind.h"
#include "lib/doc/doc_impl.h"

static struct doc *encode_number(struct arena *a, const struct bind_field *f, const void *m)
{
	const bool must = f->flags & BIND_REQUIRED;
	int64_t v = 0;

	if (f->kind == BIND_REAL) {
		const double d = *(const double *)m;

		return must || fpclassify(d) != FP_ZERO ? doc_real(a, d) : NULL;
	}
	if (f->kind == BIND_OPT_INT) {
		const struct opt_int *o = m;

		return o->set ? doc_int(a, o->value) : NULL;
	}
	v = f->kind == BIND_INT32 ? *(const int32_t *)m : *(const int64_t *)m;
	return v || must ? doc_int(a, v) : NULL;
}

static struct doc *encode_bool(struct arena *a, const struct bind_field *f, const void *m)
{
	const struct opt_bool *o = m;

	if (f->kind == BIND_OPT_BOOL)
		return o->set ? doc_bool(a, o->value) : NULL;
	return *(const bool *)m || (f->flags & BIND_REQUIRED) ? doc_bool(a, *(const bool *)m)
							      : NULL;
}

static struct doc *encode_enum(struct arena *a, const struct bind_field *f, const void *m)
{
	const int v = *(const int *)m;
	int n = 0;

	/* Row 0 may be the unused "absent". */
	while (f->names[n] || n == 0)
		n++;
	if (v < 0 || v >= n || !f->names[v] || (v == 0 && !(f->flags & BIND_REQUIRED)))
		return NULL;
	return doc_string(a, f->names[v]);
}

static struct doc *encode_int_or_string(struct arena *a, const struct int_or_string *o)
{
	if (o->kind == IOS_ABSENT)
		return NULL;
	return o->kind == IOS_INT ? doc_int(a, o->number) : doc_string(a, o->string);
}

static struct doc *encode_strings(struct arena *a, const struct strings *s)
{
	struct doc *d;

	if (!s->items)
		return NULL;
	d = doc_list(a);
	for (size_t i = 0; i < s->n; i++)
		doc_append(a, d, doc_string(a, s->items[i]));
	return d;
}

static struct doc *encode_strmap(struct arena *a, const struct strmap *m)
{
	struct doc *d;

	if (!m->items)
		return NULL;
	d = doc_map(a);
	for (size_t i = 0; i < m->n; i++)
		doc_set(a, d, m->items[i].key, doc_string(a, m->items[i].value));
	return d;
}

static struct doc *encode_list(struct arena *a, const struct bind_field *f, const char *base)
{
	const char *items = *(const char *const *)(const void *)(base + f->offset);
	const size_t n = *(const size_t *)(const void *)(base + f->count_offset);
	struct doc *d;

	if (!items)
		return NULL;
	d = doc_list(a);
	for (size_t i = 0; i < n; i++)
		doc_append(a, d, bind_encode(a, f->table, items + i * f->table->size));
	return d;
}

static struct doc *encode_struct(struct arena *a, const struct bind_field *f, const void *m)
{
	struct doc *d = bind_encode(a, f->table, m);

	return d->map.n || (f->flags & BIND_REQUIRED) ? d : NULL;
}

static struct doc *encode_value(struct arena *a, const struct bind_field *f, const char *base)
{
	const void *m = base + f->offset;
	const void *pointed = NULL;

	switch (f->kind) {
	case BIND_STRING:
		return *(const char *const *)m ? doc_string(a, *(const char *const *)m) : NULL;
	case BIND_BOOL:
	case BIND_OPT_BOOL:
		return encode_bool(a, f, m);
	case BIND_INT32:
	case BIND_INT64:
	case BIND_REAL:
	case BIND_OPT_INT:
		return encode_number(a, f, m);
	case BIND_INT_OR_STRING:
		return encode_int_or_string(a, m);
	case BIND_ENUM:
		return encode_enum(a, f, m);
	case BIND_STRINGS:
		return encode_strings(a, m);
	case BIND_STRMAP:
		return encode_strmap(a, m);
	case BIND_DOC:
		return doc_clone(a, *(const struct doc *const *)m);
	case BIND_STRUCT:
		return encode_struct(a, f, m);
	case BIND_PTR:
		pointed = *(const void *const *)m;
		return pointed ? bind_encode(a, f->table, pointed) : NULL;
	case BIND_LIST:
		return encode_list(a, f, base);
	}
	return NULL;
}

/* Sets a dotted path, making maps on the way. */
static void set_path(struct arena *a, struct doc *root, const char *path, struct doc *value)
{
	for (;;) {
		const size_t n = strcspn(path, ".");
		const char *key = arena_strndup(a, path, n);

		if (!path[n]) {
			doc_set(a, root, key, value);
			return;
		}
		root = doc_set_map(a, root, key);
		path += n + 1;
	}
}

struct doc *bind_encode(struct arena *a, const struct bind_table *table, const void *in)
{
	struct doc *d = doc_map(a);

	for (size_t i = 0; i < table->n_fields; i++) {
		struct doc *v = encode_value(a, &table->fields[i], in);

		if (v)
			set_path(a, d, table->fields[i].path, v);
	}
	return d;
}
