/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/selector.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/base/vec.h"

struct parser {
	struct arena *arena;
	const char *text, *at;
	VEC(struct requirement) found;
	struct error *err;
};

static int bad(struct parser *p, const char *what)
{
	return error_set(p->err, -EINVAL, "selector \"%.200s\", at character %zu: %s", p->text,
			 (size_t)(p->at - p->text) + 1, what);
}

static void skip_space(struct parser *p)
{
	while (*p->at == ' ' || *p->at == '\t')
		p->at++;
}

static bool word_char(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.' || c == '/';
}

/* A word; may be empty. */
static const char *word(struct parser *p)
{
	const char *start;

	skip_space(p);
	start = p->at;
	while (word_char(*p->at))
		p->at++;
	return arena_strndup(p->arena, start, (size_t)(p->at - start));
}

static bool accept_str(struct parser *p, const char *token)
{
	skip_space(p);
	if (!str_starts(p->at, token))
		return false;
	p->at += strlen(token);
	return true;
}

static bool accept_word(struct parser *p, const char *token)
{
	size_t n = strlen(token);

	skip_space(p);
	if (strncmp(p->at, token, n) || word_char(p->at[n]))
		return false;
	p->at += n;
	return true;
}

static void add_value(struct parser *p, struct requirement *r, const char *value)
{
	const char **more = arena_array(p->arena, r->n_values + 1, const char *);

	if (r->n_values)
		memcpy(more, r->values, r->n_values * sizeof(*more));
	more[r->n_values++] = value;
	r->values = more;
}

/* "(a,b)" after in or notin. */
static int value_set(struct parser *p, struct requirement *r)
{
	if (!accept_str(p, "("))
		return bad(p, "want '('");
	do {
		if (r->n_values >= SELECTOR_MAX_REQUIREMENTS)
			return bad(p, "too many values");
		add_value(p, r, word(p));
	} while (accept_str(p, ","));
	return accept_str(p, ")") ? 0 : bad(p, "want ',' or ')'");
}

static int comparison(struct parser *p, struct requirement *r)
{
	const char *value = word(p);
	int64_t n;

	if (str_to_i64(value, INT64_MIN, INT64_MAX, &n, "value", NULL))
		return bad(p, "'<' and '>' compare with a whole number");
	add_value(p, r, value);
	return 0;
}

static int operator_and_values(struct parser *p, struct requirement *r)
{
	r->op = SELECTOR_EXISTS;
	if (accept_word(p, "in")) {
		r->op = SELECTOR_IN;
		return value_set(p, r);
	}
	if (accept_word(p, "notin")) {
		r->op = SELECTOR_NOT_IN;
		return value_set(p, r);
	}
	if (accept_str(p, "!=")) {
		r->op = SELECTOR_NOT_IN;
		add_value(p, r, word(p));
	} else if (accept_str(p, "==") || accept_str(p, "=")) {
		r->op = SELECTOR_IN;
		add_value(p, r, word(p));
	} else if (accept_str(p, ">")) {
		r->op = SELECTOR_GREATER;
		return comparison(p, r);
	} else if (accept_str(p, "<")) {
		r->op = SELECTOR_LESS;
		return comparison(p, r);
	}
	return 0;
}

static int label_requirement(struct parser *p)
{
	bool negated = accept_str(p, "!");
	struct requirement r = {.key = word(p)};

	if (!*r.key)
		return bad(p, "want a label key");
	if (negated) {
		r.op = SELECTOR_ABSENT;
	} else {
		int e = operator_and_values(p, &r);

		if (e)
			return e;
	}
	vec_push(&p->found, r);
	return 0;
}

/* Field values may hold anything but the separators; "\," and "\=" and "\\" escape them. */
static const char *field_value(struct parser *p)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	while (*p->at && *p->at != ',') {
		if (*p->at == '\\' && p->at[1])
			p->at++;
		strbuf_addc(&sb, *p->at++);
	}
	return arena_strdup(p->arena, strbuf_cstr(&sb));
}

static int field_requirement(struct parser *p)
{
	struct requirement r = {.key = word(p)};

	if (!*r.key)
		return bad(p, "want a field path");
	if (accept_str(p, "!="))
		r.op = SELECTOR_NOT_IN;
	else if (accept_str(p, "==") || accept_str(p, "="))
		r.op = SELECTOR_IN;
	else
		return bad(p, "want '=', '==' or '!='");
	add_value(p, &r, field_value(p));
	vec_push(&p->found, r);
	return 0;
}

static int parse(struct parser *p, int (*one)(struct parser *), struct selector *ret)
{
	int e = 0;

	skip_space(p);
	while (!e && *p->at) {
		if (p->found.n >= SELECTOR_MAX_REQUIREMENTS)
			e = bad(p, "too many requirements");
		else
			e = one(p);
		skip_space(p);
		if (!e && *p->at && !accept_str(p, ","))
			e = bad(p, "want ','");
		else if (!e)
			skip_space(p);
	}
	if (!e && p->found.n) {
		ret->items = arena_memdup(p->arena, p->found.items,
					  p->found.n * sizeof(*p->found.items));
		ret->n = p->found.n;
	}
	vec_release(&p->found);
	return e;
}

static int parse_text(struct arena *a, const char *text, int (*one)(struct parser *),
		      struct selector *ret, struct error *err)
{
	struct parser p = {.arena = a, .text = text, .at = text, .found = VEC_INIT, .err = err};
	struct selector s = {NULL, 0};
	int e;

	if (text && strlen(text) > SELECTOR_MAX_BYTES)
		return error_set(err, -E2BIG, "selector longer than %d bytes", SELECTOR_MAX_BYTES);
	e = text ? parse(&p, one, &s) : 0;
	if (!e)
		*ret = s;
	return e;
}

int selector_parse(struct arena *a, const char *text, struct selector *ret, struct error *err)
{
	return parse_text(a, text, label_requirement, ret, err);
}

int field_selector_parse(struct arena *a, const char *text, struct selector *ret, struct error *err)
{
	return parse_text(a, text, field_requirement, ret, err);
}

static int expression_op(const char *name, enum selector_op *ret)
{
	static const char *const names[] = {"In", "NotIn", "Exists", "DoesNotExist"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (str_eq(name, names[i])) {
			*ret = (enum selector_op)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int from_expression(struct parser *p, const struct doc *e)
{
	struct requirement r = {.key = doc_str(doc_get(e, "key"))};
	struct doc *values = doc_get(e, "values");

	if (str_empty(r.key))
		return error_set(p->err, -EINVAL, "matchExpressions: key is required");
	if (expression_op(doc_str(doc_get(e, "operator")), &r.op))
		return error_set(
			p->err, -EINVAL,
			"matchExpressions: operator must be In, NotIn, Exists or DoesNotExist");
	if (doc_len(values) > SELECTOR_MAX_REQUIREMENTS)
		return error_set(p->err, -E2BIG, "matchExpressions: too many values");
	doc_foreach_item (values, v)
		add_value(p, &r, str_or_empty(doc_str(v)));
	if ((r.op == SELECTOR_IN || r.op == SELECTOR_NOT_IN) && !r.n_values)
		return error_set(p->err, -EINVAL, "matchExpressions: In and NotIn need values");
	vec_push(&p->found, r);
	return 0;
}

int selector_from_doc(struct arena *a, const struct doc *d, struct selector *ret, struct error *err)
{
	struct parser p = {.arena = a, .found = VEC_INIT, .err = err};
	struct doc *labels = doc_get(d, "matchLabels"), *exprs = doc_get(d, "matchExpressions");
	struct selector s = {NULL, 0};
	int e = 0;

	if (doc_len(labels) + doc_len(exprs) > SELECTOR_MAX_REQUIREMENTS)
		return error_set(err, -E2BIG, "label selector has too many requirements");
	doc_foreach_entry (labels, l) {
		struct requirement r = {.key = l->key, .op = SELECTOR_IN};

		add_value(&p, &r, str_or_empty(doc_str(l->value)));
		vec_push(&p.found, r);
	}
	for (size_t i = 0; !e && i < doc_len(exprs); i++)
		e = from_expression(&p, doc_at(exprs, i));
	if (!e && p.found.n) {
		s.items = arena_memdup(a, p.found.items, p.found.n * sizeof(*p.found.items));
		s.n = p.found.n;
	}
	vec_release(&p.found);
	if (!e)
		*ret = s;
	return e;
}

static bool has_value(const struct requirement *r, const char *value)
{
	for (size_t i = 0; i < r->n_values; i++)
		if (str_eq(r->values[i], value))
			return true;
	return false;
}

static bool compares(const struct requirement *r, const char *value)
{
	int64_t have, want;

	if (!value || str_to_i64(value, INT64_MIN, INT64_MAX, &have, "", NULL) ||
	    str_to_i64(r->values[0], INT64_MIN, INT64_MAX, &want, "", NULL))
		return false;
	return r->op == SELECTOR_GREATER ? have > want : have < want;
}

static bool requirement_matches(const struct requirement *r, const char *value)
{
	switch (r->op) {
	case SELECTOR_IN:
		return value && has_value(r, value);
	case SELECTOR_NOT_IN:
		return !value || !has_value(r, value);
	case SELECTOR_EXISTS:
		return value != NULL;
	case SELECTOR_ABSENT:
		return value == NULL;
	case SELECTOR_GREATER:
	case SELECTOR_LESS:
		return compares(r, value);
	}
	return false;
}

bool selector_matches(const struct selector *s, const struct doc *labels)
{
	for (size_t i = 0; i < s->n; i++)
		if (!requirement_matches(&s->items[i], doc_str(doc_get(labels, s->items[i].key))))
			return false;
	return true;
}

/* A scalar at a dotted path as text; absent is "". */
static const char *field_text(const struct doc *object, const char *path, char *buf, size_t n)
{
	const struct doc *d = doc_find(object, path);

	if (!d)
		return "";
	if (d->kind == DOC_BOOL)
		return d->boolean ? "true" : "false";
	if (d->kind == DOC_INT) {
		snprintf(buf, n, "%lld", (long long)d->integer);
		return buf;
	}
	return str_or_empty(doc_str(d));
}

bool field_selector_matches(const struct selector *s, const struct doc *object)
{
	char buf[32];

	for (size_t i = 0; i < s->n; i++)
		if (!requirement_matches(&s->items[i],
					 field_text(object, s->items[i].key, buf, sizeof(buf))))
			return false;
	return true;
}

const char *field_selector_exact(const struct selector *s, const char *key)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->items[i].op == SELECTOR_IN && str_eq(s->items[i].key, key))
			return s->items[i].values[0];
	return NULL;
}
