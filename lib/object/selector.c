/* SPDX-License-Identifier: Apache-2.0 */
/* Label selectors: checked, evaluated, read from and written to the query form. */
#include "lib/object/selector.h"

#include <string.h>

#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/base/strbuf.h"
#include "lib/base/vec.h"

static const char *const operator_names[] = {NULL, "In", "NotIn", "Exists", "DoesNotExist", NULL};

static const struct bind_field requirement_fields[] = {
	BIND(struct label_requirement, key, "key", BIND_STRING, BIND_REQUIRED),
	BIND_NAMED(struct label_requirement, op, "operator", BIND_REQUIRED, operator_names),
	BIND(struct label_requirement, values, "values", BIND_STRINGS, 0),
};
static BIND_TABLE(requirement_table, struct label_requirement, requirement_fields);

static const struct bind_field selector_fields[] = {
	BIND(struct label_selector, match_labels, "matchLabels", BIND_STRMAP, 0),
	BIND_ITEMS(struct label_selector, match_expressions, "matchExpressions", 0,
		   &requirement_table),
};
BIND_TABLE(label_selector_table, struct label_selector, selector_fields);

int label_selector_check(const struct label_selector *s, struct error *err)
{
	for (size_t i = 0; i < s->n_match_expressions; i++) {
		const struct label_requirement *r = &s->match_expressions[i];
		bool wants = r->op == LABEL_IN || r->op == LABEL_NOT_IN;

		if (str_empty(r->key))
			return error_set(err, -EINVAL, "matchExpressions[%zu]: empty key", i);
		if (wants && r->values.n == 0)
			return error_set(err, -EINVAL, "matchExpressions[%zu]: %s needs values", i,
					 operator_names[r->op]);
		if (!wants && r->values.n > 0)
			return error_set(err, -EINVAL, "matchExpressions[%zu]: %s takes no values",
					 i, operator_names[r->op]);
	}
	return 0;
}

static bool has_value(const struct strings *values, const char *value)
{
	for (size_t i = 0; i < values->n; i++) {
		if (str_eq(values->items[i], value))
			return true;
	}
	return false;
}

bool label_requirement_matches(const struct label_requirement *r, const struct strmap *labels)
{
	const char *value = strmap_get(labels, r->key);

	switch ((enum label_operator)r->op) {
	case LABEL_IN:
		return value && has_value(&r->values, value);
	case LABEL_NOT_IN:
		return !value || !has_value(&r->values, value);
	case LABEL_EXISTS:
		return value != NULL;
	case LABEL_NOT_EXISTS:
		return value == NULL;
	case LABEL_OP_NONE:
		break;
	}
	return false;
}

bool label_selector_matches(const struct label_selector *s, const struct strmap *labels)
{
	if (!s)
		return false;
	for (size_t i = 0; i < s->match_labels.n; i++) {
		const struct strmap_pair *p = &s->match_labels.items[i];
		const char *value = strmap_get(labels, p->key);

		if (!value || !str_eq(value, str_or_empty(p->value)))
			return false;
	}
	for (size_t i = 0; i < s->n_match_expressions; i++) {
		if (!label_requirement_matches(&s->match_expressions[i], labels))
			return false;
	}
	return true;
}

bool label_selector_is_empty(const struct label_selector *s)
{
	return s && s->match_labels.n == 0 && s->n_match_expressions == 0;
}

/* A place in the query form. */
struct cursor {
	struct arena *a;
	const char *p, *text;
};

static void skip_space(struct cursor *c)
{
	while (*c->p == ' ' || *c->p == '\t')
		c->p++;
}

/* A key or value: everything up to a character with a meaning. NULL when empty. */
static const char *take_word(struct cursor *c)
{
	size_t n;

	skip_space(c);
	n = strcspn(c->p, " \t,()=!");
	c->p += n;
	return n ? arena_strndup(c->a, c->p - n, n) : NULL;
}

static bool take(struct cursor *c, const char *token)
{
	skip_space(c);
	if (!str_starts(c->p, token))
		return false;
	c->p += strlen(token);
	return true;
}

static int bad(const struct cursor *c, const char *what, struct error *err)
{
	return error_set(err, -EINVAL, "label selector '%s': %s at '%.40s'", c->text, what, c->p);
}

/* "(a, b)" */
static int take_values(struct cursor *c, struct strings *out, struct error *err)
{
	size_t cap = 1;

	if (!take(c, "("))
		return bad(c, "want '('", err);
	for (const char *p = c->p; *p && *p != ')'; p++)
		cap += *p == ',';
	out->items = arena_array(c->a, cap, const char *);
	do {
		const char *word = take_word(c);

		out->items[out->n++] = word ? word : "";
	} while (take(c, ","));
	if (!take(c, ")"))
		return bad(c, "want ')'", err);
	return 0;
}

static int take_requirement(struct cursor *c, struct label_requirement *r, struct error *err)
{
	bool negated = take(c, "!");
	const char *word;

	r->key = take_word(c);
	if (!r->key)
		return bad(c, "want a key", err);
	skip_space(c);
	if (negated || *c->p == '\0' || *c->p == ',') {
		r->op = negated ? LABEL_NOT_EXISTS : LABEL_EXISTS;
		return 0;
	}
	if (take(c, "!="))
		r->op = LABEL_NOT_IN;
	else if (take(c, "==") || take(c, "="))
		r->op = LABEL_IN;
	if (r->op) {
		word = take_word(c);
		r->values.items = arena_array(c->a, 1, const char *);
		r->values.items[r->values.n++] = word ? word : "";
		return 0;
	}
	word = take_word(c);
	if (!str_eq(word, "in") && !str_eq(word, "notin"))
		return bad(c, "want =, !=, in or notin", err);
	r->op = str_eq(word, "in") ? LABEL_IN : LABEL_NOT_IN;
	return take_values(c, &r->values, err);
}

int label_selector_parse(struct arena *a, const char *text, struct label_selector *ret,
			 struct error *err)
{
	struct cursor c = {a, str_or_empty(text), str_or_empty(text)};
	struct label_selector s = {{NULL, 0}, NULL, 0};
	size_t cap = 1;
	int r;

	if (strlen(c.text) > LABEL_SELECTOR_MAX_BYTES)
		return error_set(err, -E2BIG, "label selector longer than %d bytes",
				 LABEL_SELECTOR_MAX_BYTES);
	for (const char *p = c.p; *p; p++)
		cap += *p == ',';
	s.match_expressions = arena_array(a, cap, struct label_requirement);
	skip_space(&c);
	while (*c.p) {
		r = take_requirement(&c, &s.match_expressions[s.n_match_expressions], err);
		if (r < 0)
			return r;
		s.n_match_expressions++;
		skip_space(&c);
		if (*c.p == '\0')
			break;
		if (!take(&c, ","))
			return bad(&c, "want ','", err);
		skip_space(&c);
		if (*c.p == '\0')
			return bad(&c, "want a requirement", err);
	}
	*ret = s;
	return 0;
}

static const char *format_requirement(struct arena *a, const struct label_requirement *r)
{
	struct strbuf sb = STRBUF_INIT;
	const char *text;

	if (r->op == LABEL_EXISTS || r->op == LABEL_NOT_EXISTS)
		return arena_printf(a, "%s%s", r->op == LABEL_NOT_EXISTS ? "!" : "", r->key);
	strbuf_addf(&sb, "%s %s (", r->key, r->op == LABEL_NOT_IN ? "notin" : "in");
	for (size_t i = 0; i < r->values.n; i++)
		strbuf_addf(&sb, "%s%s", i ? "," : "", r->values.items[i]);
	strbuf_addf(&sb, ")");
	text = arena_strdup(a, strbuf_cstr(&sb));
	strbuf_release(&sb);
	return text;
}

const char *label_selector_format(struct arena *a, const struct label_selector *s)
{
	size_t n = s->match_labels.n + s->n_match_expressions, i = 0;
	const char **parts = arena_array(a, n + 1, const char *);
	struct strbuf sb = STRBUF_INIT;
	const char *text;

	for (size_t k = 0; k < s->match_labels.n; k++)
		parts[i++] = arena_printf(a, "%s=%s", s->match_labels.items[k].key,
					  str_or_empty(s->match_labels.items[k].value));
	for (size_t k = 0; k < s->n_match_expressions; k++)
		parts[i++] = format_requirement(a, &s->match_expressions[k]);
	qsort(parts, n, sizeof(*parts), str_cmp_ptr);
	for (i = 0; i < n; i++)
		strbuf_addf(&sb, "%s%s", i ? "," : "", parts[i]);
	text = arena_strdup(a, strbuf_cstr(&sb));
	strbuf_release(&sb);
	return text;
}
