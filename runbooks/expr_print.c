/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "lib/base/str.h"
#include "runbooks/expr.h"

static const char *const texts[] = {
#define EXPR_NODE_TEXT(symbol, text, binds) [symbol] = (text),
	EXPR_NODES(EXPR_NODE_TEXT)
#undef EXPR_NODE_TEXT
};
static const int tightness[] = {
#define EXPR_NODE_BINDS(symbol, text, binds) [symbol] = (binds),
	EXPR_NODES(EXPR_NODE_BINDS)
#undef EXPR_NODE_BINDS
};

static bool is_not_in(const struct expr *e)
{
	return e->op == EXPR_NOT && e->items[0]->op == EXPR_IN;
}

/* With brackets when e binds less tightly than its place asks. */
static void print_at(const struct expr *e, int least, struct strbuf *out)
{
	const bool brackets = tightness[is_not_in(e) ? EXPR_IN : e->op] < least;

	if (brackets)
		strbuf_addc(out, '(');
	expr_print(e, out);
	if (brackets)
		strbuf_addc(out, ')');
}

/* Comparisons do not chain, the rest groups to the left. */
static void print_pair(const struct expr *e, const char *op, struct strbuf *out)
{
	const int binds = tightness[e->op];

	print_at(e->items[0], binds == tightness[EXPR_EQ] ? binds + 1 : binds, out);
	strbuf_addf(out, " %s ", op);
	print_at(e->items[1], binds + 1, out);
}

static void print_string(const char *s, struct strbuf *out)
{
	strbuf_addc(out, '"');
	for (; *s; s++) {
		if (*s == '\n' || *s == '\t')
			strbuf_adds(out, *s == '\n' ? "\\n" : "\\t");
		else if (*s == '"' || *s == '\\')
			strbuf_addf(out, "\\%c", *s);
		else
			strbuf_addc(out, *s);
	}
	strbuf_addc(out, '"');
}

static void print_duration(int64_t ns, struct strbuf *out)
{
	static const struct {
		int64_t ns;
		const char *unit;
	} units[] = {{3600000000000, "h"}, {60000000000, "m"}, {1000000000, "s"},
		     {1000000, "ms"},      {1000, "us"},       {1, "ns"}};

	if (!ns)
		strbuf_adds(out, "0s");
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (ns / units[i].ns)
			strbuf_addf(out, "%" PRId64 "%s", ns / units[i].ns, units[i].unit);
		ns %= units[i].ns;
	}
}

static void print_decimal(const struct expr *e, struct strbuf *out)
{
	int64_t scale = 1;

	for (unsigned i = 0; i < e->places; i++)
		scale *= 10;
	strbuf_addf(out, "%" PRId64, e->number / scale);
	if (e->places)
		strbuf_addf(out, ".%0*" PRId64, (int)e->places, e->number % scale);
	if (e->op == EXPR_PERCENT)
		strbuf_addc(out, '%');
}

static bool plain_name(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

	return *s && !s[n] && !(*s >= '0' && *s <= '9');
}

static void print_leaf(const struct expr *e, struct strbuf *out)
{
	if (e->op == EXPR_NAME)
		strbuf_adds(out, e->text);
	else if (e->op == EXPR_BOOL)
		strbuf_adds(out, e->number ? "true" : "false");
	else if (e->op == EXPR_INT)
		strbuf_addf(out, "%" PRId64, e->number);
	else if (e->op == EXPR_DURATION)
		print_duration(e->number, out);
	else if (e->op == EXPR_STRING)
		print_string(e->text, out);
	else
		print_decimal(e, out);
}

static void print_list(const struct expr *e, struct strbuf *out)
{
	strbuf_addc(out, '[');
	for (size_t i = 0; i < e->n; i++) {
		strbuf_adds(out, i ? ", " : "");
		expr_print(e->items[i], out);
	}
	strbuf_addc(out, ']');
}

static void print_part(const struct expr *e, struct strbuf *out)
{
	expr_print(e->items[0], out);
	if (e->op == EXPR_INDEX) {
		strbuf_addf(out, "[%" PRId64 "]", e->number);
	} else if (plain_name(e->text)) {
		strbuf_addf(out, ".%s", e->text);
	} else {
		strbuf_addc(out, '[');
		print_string(e->text, out);
		strbuf_addc(out, ']');
	}
}

void expr_print(const struct expr *e, struct strbuf *out)
{
	if (e->op == EXPR_LIST) {
		print_list(e, out);
	} else if (e->op == EXPR_CALL) {
		strbuf_addf(out, "%s(", expr_function_names[e->number]);
		expr_print(e->items[0], out);
		strbuf_addc(out, ')');
	} else if (e->op == EXPR_FIELD || e->op == EXPR_INDEX) {
		print_part(e, out);
	} else if (is_not_in(e)) {
		print_pair(e->items[0], "not in", out);
	} else if (e->op == EXPR_NOT || e->op == EXPR_NEG) {
		strbuf_adds(out, e->op == EXPR_NOT ? "not " : "-");
		print_at(e->items[0], tightness[e->op], out);
	} else if (e->n == 2) {
		print_pair(e, texts[e->op], out);
	} else {
		print_leaf(e, out);
	}
}

bool expr_equal(const struct expr *a, const struct expr *b)
{
	if (a->op != b->op || a->number != b->number || a->places != b->places || a->n != b->n ||
	    !str_eq(a->text, b->text))
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (!expr_equal(a->items[i], b->items[i]))
			return false;
	}
	return true;
}

void expr_walk_names(const struct expr *e, void (*see)(void *ctx, const struct expr *name),
		     void *ctx)
{
	if (e->op == EXPR_NAME)
		see(ctx, e);
	for (size_t i = 0; i < e->n; i++)
		expr_walk_names(e->items[i], see, ctx);
}
