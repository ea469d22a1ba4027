/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "lib/base/str.h"
#include "runbooks/expr_lex.h"

const char *const expr_function_names[EXPR_N_FUNCTIONS] = {
	[EXPR_LENGTH] = "length",
	[EXPR_KNOWN] = "known",
	[EXPR_MIN] = "min",
	[EXPR_MAX] = "max",
};

struct parser {
	struct lexer lexer;
	struct token at;
	unsigned nodes, depth;
	struct error *err;
};

static int parse_or(struct parser *p, struct expr **ret);

static int wrong(struct parser *p, const char *want)
{
	const struct token *t = &p->at;

	if (t->kind == TOKEN_END)
		return error_set(p->err, -EINVAL, "%u:%u: want %s, but it ends here", t->line,
				 t->col, want);
	return error_set(p->err, -EINVAL, "%u:%u: want %s, got %.40s", t->line, t->col, want,
			 t->kind == TOKEN_LITERAL ? "a literal" : t->text);
}

static int next(struct parser *p)
{
	return lexer_next(&p->lexer, &p->at, p->err);
}

static bool is(const struct parser *p, const char *text)
{
	return p->at.kind != TOKEN_LITERAL && p->at.kind != TOKEN_END &&
	       strcmp(p->at.text, text) == 0;
}

static int expect(struct parser *p, const char *text, const char *want)
{
	return is(p, text) ? next(p) : wrong(p, want);
}

/* A node at the place of t; the nodes are counted here and nowhere else. */
static int node(struct parser *p, const struct token *t, enum expr_op op, struct expr **ret)
{
	if (++p->nodes > EXPR_MAX_NODES)
		return error_set(p->err, -E2BIG, "%u:%u: more than %u parts", t->line, t->col,
				 EXPR_MAX_NODES);
	*ret = arena_new(p->lexer.arena, struct expr);
	(*ret)->op = op;
	(*ret)->line = t->line;
	(*ret)->col = t->col;
	return 0;
}

static int over(struct parser *p, const struct token *t, enum expr_op op, const struct expr *left,
		const struct expr *right, struct expr **ret)
{
	int rc = node(p, t, op, ret);

	if (rc < 0)
		return rc;
	(*ret)->items = arena_array(p->lexer.arena, 2, const struct expr *);
	(*ret)->items[0] = left;
	(*ret)->items[1] = right;
	(*ret)->n = right ? 2 : 1;
	return 0;
}

static int enter(struct parser *p)
{
	if (++p->depth <= EXPR_MAX_DEPTH)
		return 0;
	return error_set(p->err, -E2BIG, "%u:%u: more than %u levels deep", p->at.line, p->at.col,
			 EXPR_MAX_DEPTH);
}

static bool keyword(const char *word)
{
	static const char *const words[] = {"and", "or", "not", "in", "matches", "true", "false"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(words[i], word) == 0)
			return true;
	}
	return false;
}

/* "(" is the token at hand; what is within, and the bracket behind it. */
static int parse_inner(struct parser *p, const char *closing, const char *want, struct expr **ret)
{
	int rc = enter(p);

	if (!rc)
		rc = next(p);
	if (!rc)
		rc = parse_or(p, ret);
	if (!rc)
		rc = expect(p, closing, want);
	p->depth--;
	return rc;
}

static int parse_call(struct parser *p, const struct token *name, struct expr **ret)
{
	struct expr *argument = NULL;
	int rc;

	for (int f = 0; f < EXPR_N_FUNCTIONS; f++) {
		if (strcmp(expr_function_names[f], name->text) != 0)
			continue;
		rc = parse_inner(p, ")", "a closing )", &argument);
		if (!rc)
			rc = over(p, name, EXPR_CALL, argument, NULL, ret);
		if (!rc)
			(*ret)->number = f;
		return rc;
	}
	return error_set(p->err, -EINVAL,
			 "%u:%u: there is no function %.40s (length, known, min, max)", name->line,
			 name->col, name->text);
}

static int parse_items(struct parser *p, struct expr *list)
{
	size_t cap = 0;
	int rc = next(p);

	while (!rc && !is(p, "]")) {
		struct expr *item = NULL;

		if (list->n && (rc = expect(p, ",", "a comma or a closing ]")))
			break;
		if ((rc = parse_or(p, &item)))
			break;
		if (list->n == cap) {
			const struct expr **grown =
				arena_array(p->lexer.arena, cap * 2 + 4, const struct expr *);

			if (cap)
				memcpy(grown, list->items, cap * sizeof(const struct expr *));
			list->items = grown;
			cap = cap * 2 + 4;
		}
		list->items[list->n++] = item;
	}
	return rc ? rc : next(p);
}

static int parse_list(struct parser *p, struct expr **ret)
{
	int rc = enter(p);

	if (!rc)
		rc = node(p, &p->at, EXPR_LIST, ret);
	if (!rc)
		rc = parse_items(p, *ret);
	p->depth--;
	return rc;
}

/* Behind "[": an integer or a string, and the bracket. */
static int parse_key(struct parser *p, const struct expr *base, struct expr **ret)
{
	struct token t;
	int rc = next(p);

	if (rc)
		return rc;
	t = p->at;
	if (t.kind != TOKEN_LITERAL || (t.literal.op != EXPR_INT && t.literal.op != EXPR_STRING))
		return wrong(p, "an integer or a string as the key");
	rc = over(p, &t, t.literal.op == EXPR_INT ? EXPR_INDEX : EXPR_FIELD, base, NULL, ret);
	if (rc)
		return rc;
	(*ret)->number = t.literal.number;
	(*ret)->text = t.literal.text;
	rc = next(p);
	return rc ? rc : expect(p, "]", "a closing ]");
}

static int parse_path(struct parser *p, const struct token *name, struct expr **ret)
{
	int rc = node(p, name, EXPR_NAME, ret);

	if (rc)
		return rc;
	(*ret)->text = name->text;
	for (;;) {
		const struct expr *base = *ret;
		struct token part;

		if (is(p, "[")) {
			rc = parse_key(p, base, ret);
		} else if (is(p, ".")) {
			rc = next(p);
			part = p->at;
			if (!rc && part.kind != TOKEN_NAME)
				rc = wrong(p, "a name behind the point");
			if (!rc)
				rc = over(p, &part, EXPR_FIELD, base, NULL, ret);
			if (!rc) {
				(*ret)->text = part.text;
				rc = next(p);
			}
		} else {
			return 0;
		}
		if (rc)
			return rc;
	}
}

static int parse_primary(struct parser *p, struct expr **ret)
{
	const struct token t = p->at;
	int rc;

	if (is(p, "("))
		return parse_inner(p, ")", "a closing )", ret);
	if (is(p, "["))
		return parse_list(p, ret);
	if (t.kind == TOKEN_LITERAL || is(p, "true") || is(p, "false")) {
		rc = node(p, &t, EXPR_BOOL, ret);
		if (rc)
			return rc;
		(*ret)->number = is(p, "true");
		if (t.kind == TOKEN_LITERAL) {
			**ret = t.literal;
			(*ret)->line = t.line;
			(*ret)->col = t.col;
		}
		return next(p);
	}
	if (t.kind != TOKEN_NAME || keyword(t.text))
		return wrong(p, "a value");
	rc = next(p);
	if (rc)
		return rc;
	return is(p, "(") ? parse_call(p, &t, ret) : parse_path(p, &t, ret);
}

/* `not` and "-": the operator, and what sub reads behind it. */
static int parse_prefix(struct parser *p, enum expr_op op,
			int (*sub)(struct parser *, struct expr **), struct expr **ret)
{
	const struct token t = p->at;
	struct expr *inner = NULL;
	int rc = enter(p);

	if (!rc)
		rc = next(p);
	if (!rc)
		rc = sub(p, &inner);
	if (!rc)
		rc = over(p, &t, op, inner, NULL, ret);
	p->depth--;
	return rc;
}

static int parse_unary(struct parser *p, struct expr **ret)
{
	return is(p, "-") ? parse_prefix(p, EXPR_NEG, parse_unary, ret) : parse_primary(p, ret);
}

/* A level of operators that group to the left. */
static int parse_left(struct parser *p, const char *const texts[2], const enum expr_op ops[2],
		      int (*sub)(struct parser *, struct expr **), struct expr **ret)
{
	int rc = sub(p, ret);

	while (!rc) {
		const struct expr *left = *ret;
		struct expr *right = NULL;
		const struct token t = p->at;
		int which = is(p, texts[0]) ? 0 : texts[1] && is(p, texts[1]) ? 1 : -1;

		if (which < 0)
			break;
		rc = next(p);
		if (!rc)
			rc = sub(p, &right);
		if (!rc)
			rc = over(p, &t, ops[which], left, right, ret);
	}
	return rc;
}

static int parse_product(struct parser *p, struct expr **ret)
{
	static const char *const texts[2] = {"*", "/"};
	static const enum expr_op ops[2] = {EXPR_MUL, EXPR_DIV};

	return parse_left(p, texts, ops, parse_unary, ret);
}

static int parse_sum(struct parser *p, struct expr **ret)
{
	static const char *const texts[2] = {"+", "-"};
	static const enum expr_op ops[2] = {EXPR_ADD, EXPR_SUB};

	return parse_left(p, texts, ops, parse_product, ret);
}

static const struct {
	const char *text;
	enum expr_op op;
} comparisons[] = {
	{"==", EXPR_EQ}, {"!=", EXPR_NE}, {"<", EXPR_LT},  {"<=", EXPR_LE},
	{">", EXPR_GT},  {">=", EXPR_GE}, {"in", EXPR_IN}, {"matches", EXPR_MATCHES},
};

static int comparison(const struct parser *p, enum expr_op *ret_op)
{
	for (size_t i = 0; i < ARRAY_SIZE(comparisons); i++) {
		if (is(p, comparisons[i].text)) {
			*ret_op = comparisons[i].op;
			return 1;
		}
	}
	return 0;
}

static int parse_compare(struct parser *p, struct expr **ret)
{
	enum expr_op op = EXPR_IN;
	struct expr *left = NULL, *right = NULL;
	struct token t, inverted;
	bool not_in;
	int rc = parse_sum(p, &left);

	*ret = left;
	if (rc)
		return rc;
	inverted = p->at;
	not_in = is(p, "not");
	if (not_in && ((rc = next(p)) || !is(p, "in")))
		return rc ? rc : wrong(p, "in behind this not");
	t = p->at;
	if (!comparison(p, &op))
		return 0;
	rc = next(p);
	if (!rc)
		rc = parse_sum(p, &right);
	if (!rc)
		rc = over(p, &t, op, left, right, ret);
	if (!rc && not_in) {
		left = *ret;
		rc = over(p, &inverted, EXPR_NOT, left, NULL, ret);
	}
	if (!rc && comparison(p, &op))
		rc = error_set(p->err, -EINVAL,
			       "%u:%u: comparisons do not chain (join two with and)", p->at.line,
			       p->at.col);
	return rc;
}

static int parse_not(struct parser *p, struct expr **ret)
{
	return is(p, "not") ? parse_prefix(p, EXPR_NOT, parse_not, ret) : parse_compare(p, ret);
}

static int parse_and(struct parser *p, struct expr **ret)
{
	static const char *const texts[2] = {"and", NULL};
	static const enum expr_op ops[2] = {EXPR_AND, EXPR_AND};

	return parse_left(p, texts, ops, parse_not, ret);
}

static int parse_or(struct parser *p, struct expr **ret)
{
	static const char *const texts[2] = {"or", NULL};
	static const enum expr_op ops[2] = {EXPR_OR, EXPR_OR};

	return parse_left(p, texts, ops, parse_and, ret);
}

int expr_parse(struct arena *a, const char *text, const struct expr **ret_expr, struct error *err)
{
	struct parser p = {.lexer = {a, text, 1, 1}, .err = err};
	struct expr *e = NULL;
	int rc;

	if (strlen(text) > EXPR_MAX_BYTES)
		return error_set(err, -E2BIG, "1:1: an expression of more than %u bytes",
				 EXPR_MAX_BYTES);
	rc = next(&p);
	if (!rc)
		rc = parse_or(&p, &e);
	if (!rc && p.at.kind != TOKEN_END)
		rc = wrong(&p, "an operator or the end");
	if (!rc)
		*ret_expr = e;
	return rc;
}
