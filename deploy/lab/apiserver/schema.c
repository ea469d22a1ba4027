/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/schema.h"

#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"

#define PRESERVE   "x-kubernetes-preserve-unknown-fields"
#define INT_OR_STR "x-kubernetes-int-or-string"
#define EMBEDDED   "x-kubernetes-embedded-resource"

enum { PATTERN_BYTES_MAX = 4096, PATTERN_REPEATS_MAX = 20000 };

static bool flag(const struct doc *schema, const char *name)
{
	return doc_bool_or(doc_get(schema, name), false);
}

static bool type_field(const char *key)
{
	return str_eq(key, "metadata") || str_eq(key, "kind") || str_eq(key, "apiVersion");
}

static const char *below(struct arena *a, const char *at, const char *key)
{
	return *at ? arena_printf(a, "%s.%s", at, key) : key;
}

/* The schema of one field of an object, or NULL when it has none. */
static const struct doc *field_schema(const struct doc *schema, const char *key)
{
	const struct doc *s = doc_get(doc_get(schema, "properties"), key);
	const struct doc *more = doc_get(schema, "additionalProperties");

	if (s)
		return s;
	return more && more->kind == DOC_MAP ? more : NULL;
}

/* ---- pruning ---- */

struct prune {
	struct arena *arena;
	struct doc *unknown;
};

static void prune(struct prune *p, const struct doc *schema, struct doc *d, const char *at,
		  bool resource);

static void prune_map(struct prune *p, const struct doc *schema, struct doc *d, const char *at,
		      bool resource)
{
	const struct doc *more = doc_get(schema, "additionalProperties");
	bool keep = flag(schema, PRESERVE) || (more && doc_bool_or(more, false));

	for (size_t i = 0; i < d->map.n;) {
		struct doc_entry *e = &d->map.entries[i];
		const struct doc *s = field_schema(schema, e->key);
		bool known = s || keep || (resource && type_field(e->key));

		if (s && !(resource && type_field(e->key)))
			prune(p, s, e->value, below(p->arena, at, e->key), false);
		if (!known && p->unknown)
			doc_append(p->arena, p->unknown,
				   doc_string(p->arena, below(p->arena, at, e->key)));
		if (known)
			i++;
		else
			doc_del(d, e->key);
	}
}

static void prune(struct prune *p, const struct doc *schema, struct doc *d, const char *at,
		  bool resource)
{
	if (d->kind == DOC_MAP) {
		prune_map(p, schema, d, at, resource || flag(schema, EMBEDDED));
		return;
	}
	for (size_t i = 0; d->kind == DOC_LIST && i < d->list.n; i++) {
		const struct doc *items = doc_get(schema, "items");

		if (items)
			prune(p, items, d->list.items[i], arena_printf(p->arena, "%s[%zu]", at, i),
			      false);
	}
}

void schema_prune(struct arena *a, const struct doc *schema, struct doc *object,
		  struct doc *unknown)
{
	struct prune p = {a, unknown};

	prune(&p, schema, object, "", true);
}

/* ---- defaults ---- */

static void default_map(struct arena *a, const struct doc *schema, struct doc *object)
{
	doc_foreach_entry (doc_get(schema, "properties"), p) {
		const struct doc *value = doc_get(p->value, "default");
		struct doc *have = doc_get(object, p->key);

		if (have && have->kind == DOC_NULL && value && !flag(p->value, "nullable"))
			have = NULL;
		if (!have && value)
			doc_set(a, object, p->key, doc_clone(a, value));
	}
	doc_foreach_entry (object, e) {
		const struct doc *s = field_schema(schema, e->key);

		if (s)
			schema_default(a, s, e->value);
	}
}

void schema_default(struct arena *a, const struct doc *schema, struct doc *object)
{
	if (object->kind == DOC_MAP)
		default_map(a, schema, object);
	else if (object->kind == DOC_LIST && doc_get(schema, "items"))
		doc_foreach_item (object, item)
			schema_default(a, doc_get(schema, "items"), item);
}

/* ---- validation ---- */

static void validate(struct causes *c, const struct doc *schema, const struct doc *d,
		     const char *at, bool resource);

static const char *type_of(const struct doc *d)
{
	switch (d->kind) {
	case DOC_NULL:
		return "null";
	case DOC_BOOL:
		return "boolean";
	case DOC_INT:
		return "integer";
	case DOC_REAL:
		return "number";
	case DOC_STRING:
		return "string";
	case DOC_LIST:
		return "array";
	case DOC_MAP:
		return "object";
	}
	return "";
}

static bool has_type(const struct doc *d, const char *type)
{
	if (str_eq(type, "number"))
		return d->kind == DOC_INT || d->kind == DOC_REAL;
	if (str_eq(type, "integer") && d->kind == DOC_REAL)
		return floor(d->real) == d->real;
	return str_eq(type_of(d), type);
}

static bool check_type(struct causes *c, const struct doc *schema, const struct doc *d,
		       const char *at)
{
	const char *type = doc_str(doc_get(schema, "type"));

	if (d->kind == DOC_NULL && (flag(schema, "nullable") || !type))
		return true;
	if (flag(schema, INT_OR_STR)) {
		if (d->kind == DOC_INT || d->kind == DOC_STRING)
			return true;
		type = "integer or string";
	} else if (!type || has_type(d, type)) {
		return true;
	}
	cause_invalid_str(c, at, type_of(d),
			  arena_printf(c->arena, "%s in body must be of type %s: \"%s\"", at, type,
				       type_of(d)));
	return false;
}

static void check_enum(struct causes *c, const struct doc *schema, const struct doc *d,
		       const char *at)
{
	const struct doc *list = doc_get(schema, "enum");
	const char **names;
	size_t n = 0;

	if (!doc_len(list))
		return;
	names = arena_array(c->arena, doc_len(list) + 1, const char *);
	doc_foreach_item (list, v) {
		if (doc_equal(v, d))
			return;
		names[n++] = v->kind == DOC_STRING ? v->string : doc_kind_name(v->kind);
	}
	cause_unsupported(c, at, d->kind == DOC_STRING ? d->string : type_of(d), names);
}

static bool number_of(const struct doc *d, double *ret)
{
	if (!d || (d->kind != DOC_INT && d->kind != DOC_REAL))
		return false;
	*ret = d->kind == DOC_INT ? (double)d->integer : d->real;
	return true;
}

static void check_number(struct causes *c, const struct doc *schema, const struct doc *d,
			 const char *at)
{
	double v, limit;

	if (!number_of(d, &v))
		return;
	if (number_of(doc_get(schema, "minimum"), &limit) &&
	    (v < limit || (v <= limit && flag(schema, "exclusiveMinimum"))))
		cause_invalid(c, at, d,
			      arena_printf(c->arena, "%s in body should be greater than %s%g", at,
					   flag(schema, "exclusiveMinimum") ? "" : "or equal to ",
					   limit));
	if (number_of(doc_get(schema, "maximum"), &limit) &&
	    (v > limit || (v >= limit && flag(schema, "exclusiveMaximum"))))
		cause_invalid(c, at, d,
			      arena_printf(c->arena, "%s in body should be less than %s%g", at,
					   flag(schema, "exclusiveMaximum") ? "" : "or equal to ",
					   limit));
}

/*
 * Patterns are RE2; POSIX extended expressions agree on what schemas use once \d, \w and \s are
 * spelt out. One that does not compile is not checked.
 */
static void translate_pattern(const char *pattern, struct strbuf *out)
{
	bool in_set = false;

	for (const char *p = pattern; *p; p++) {
		const char *class = NULL;

		if (*p == '\\' && p[1]) {
			class = p[1] == 'd'   ? "0-9"
				: p[1] == 'w' ? "A-Za-z0-9_"
				: p[1] == 's' ? " \t\n\r\f"
					      : NULL;
			if (class)
				strbuf_addf(out, in_set ? "%s" : "[%s]", class);
			else if (in_set)
				strbuf_addc(out, p[1]);
			else
				strbuf_add(out, p, 2);
			p++;
			continue;
		}
		if (str_starts(p, "(?:")) {
			strbuf_addc(out, '(');
			p += 2;
			continue;
		}
		in_set = *p == '[' ? true : *p == ']' ? false : in_set;
		strbuf_addc(out, *p);
	}
}

/* Bounds multiply when they nest, and regcomp() unrolls them: such a pattern is not checked. */
static bool is_modest(const char *pattern)
{
	uint64_t product = 1;

	for (const char *p = strchr(pattern, '{'); p; p = strchr(p + 1, '{')) {
		const char *comma = p + strcspn(p, ",}");
		long bound = strtol(*comma == ',' && comma[1] != '}' ? comma + 1 : p + 1, NULL, 10);

		product *= (uint64_t)MIN(MAX(bound, 1L), 1000000L);
		if (product > PATTERN_REPEATS_MAX)
			return false;
	}
	return true;
}

static void check_string(struct causes *c, const struct doc *schema, const struct doc *d,
			 const char *at)
{
	auto_release(strbuf) struct strbuf posix = STRBUF_INIT;
	const char *pattern = doc_str(doc_get(schema, "pattern"));
	int64_t n = (int64_t)strlen(d->string);
	int64_t max = doc_int_or(doc_get(schema, "maxLength"), INT64_MAX);
	regex_t re;

	if (n < doc_int_or(doc_get(schema, "minLength"), 0))
		cause_invalid(c, at, d,
			      arena_printf(c->arena,
					   "%s in body should be at least %lld chars long", at,
					   (long long)doc_int_or(doc_get(schema, "minLength"), 0)));
	if (n > max)
		cause_invalid(c, at, d,
			      arena_printf(c->arena, "%s in body should be at most %lld chars long",
					   at, (long long)max));
	if (!pattern || strlen(pattern) > PATTERN_BYTES_MAX || n > 65536 || !is_modest(pattern))
		return;
	translate_pattern(pattern, &posix);
	if (regcomp(&re, strbuf_cstr(&posix), REG_EXTENDED | REG_NOSUB))
		return;
	if (regexec(&re, d->string, 0, NULL, 0))
		cause_invalid(c, at, d,
			      arena_printf(c->arena, "%s in body should match '%s'", at, pattern));
	regfree(&re);
}

static void check_list(struct causes *c, const struct doc *schema, const struct doc *d,
		       const char *at)
{
	const struct doc *items = doc_get(schema, "items");
	int64_t n = (int64_t)doc_len(d);

	if (n < doc_int_or(doc_get(schema, "minItems"), 0))
		cause_invalid(c, at, d,
			      arena_printf(c->arena, "%s in body should have at least %lld items",
					   at,
					   (long long)doc_int_or(doc_get(schema, "minItems"), 0)));
	if (n > doc_int_or(doc_get(schema, "maxItems"), INT64_MAX))
		cause_invalid(c, at, NULL,
			      arena_printf(c->arena, "%s in body has too many items", at));
	for (size_t i = 0; items && i < d->list.n; i++)
		validate(c, items, d->list.items[i], arena_printf(c->arena, "%s[%zu]", at, i),
			 false);
}

static void check_map(struct causes *c, const struct doc *schema, const struct doc *d,
		      const char *at, bool resource)
{
	doc_foreach_item (doc_get(schema, "required"), r)
		if (doc_str(r) && !doc_get(d, doc_str(r)))
			cause_required(c, below(c->arena, at, doc_str(r)), NULL);
	doc_foreach_entry (d, e) {
		const struct doc *s = field_schema(schema, e->key);

		if (s && !(resource && str_eq(e->key, "metadata")))
			validate(c, s, e->value, below(c->arena, at, e->key), false);
	}
}

static bool passes(struct causes *c, const struct doc *schema, const struct doc *d)
{
	struct causes trial = {.arena = c->arena};

	validate(&trial, schema, d, "", false);
	return !doc_len(trial.list);
}

static void check_logic(struct causes *c, const struct doc *schema, const struct doc *d,
			const char *at)
{
	const struct doc *any = doc_get(schema, "anyOf"), *one = doc_get(schema, "oneOf");
	size_t any_ok = 0, one_ok = 0;

	doc_foreach_item (doc_get(schema, "allOf"), s)
		validate(c, s, d, at, false);
	doc_foreach_item (any, s)
		any_ok += passes(c, s, d);
	doc_foreach_item (one, s)
		one_ok += passes(c, s, d);
	if (doc_len(any) && !any_ok)
		cause_invalid(c, at, d,
			      arena_printf(c->arena,
					   "%s in body must validate at least one schema (anyOf)",
					   at));
	if (doc_len(one) && one_ok != 1)
		cause_invalid(
			c, at, d,
			arena_printf(c->arena,
				     "%s in body must validate one and only one schema (oneOf)",
				     at));
	if (doc_get(schema, "not") && passes(c, doc_get(schema, "not"), d))
		cause_invalid(c, at, d,
			      arena_printf(c->arena,
					   "%s in body must not validate the schema (not)", at));
}

static void validate(struct causes *c, const struct doc *schema, const struct doc *d,
		     const char *at, bool resource)
{
	if (doc_len(c->list) >= CAUSES_MAX || !check_type(c, schema, d, at) || d->kind == DOC_NULL)
		return;
	check_enum(c, schema, d, at);
	check_number(c, schema, d, at);
	check_logic(c, schema, d, at);
	if (d->kind == DOC_STRING)
		check_string(c, schema, d, at);
	else if (d->kind == DOC_LIST)
		check_list(c, schema, d, at);
	else if (d->kind == DOC_MAP)
		check_map(c, schema, d, at, resource);
}

void schema_validate(struct causes *c, const struct doc *schema, const struct doc *object)
{
	validate(c, schema, object, "", true);
}
