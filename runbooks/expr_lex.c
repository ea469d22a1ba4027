/* SPDX-License-Identifier: Apache-2.0 */
#include "runbooks/expr_lex.h"

#include <ctype.h>
#include <string.h>

#include "lib/base/str.h"

#define MAX_PLACES 9

static int bad(const struct token *t, struct error *err, const char *what)
{
	return error_set(err, -EINVAL, "%u:%u: %s", t->line, t->col, what);
}

static void advance(struct lexer *l, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (l->at[i] == '\n') {
			l->line++;
			l->col = 1;
		} else {
			l->col++;
		}
	}
	l->at += n;
}

static bool name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static char unescape(char c)
{
	switch (c) {
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case '\\':
	case '"':
	case '\'':
		return c;
	default:
		return 0;
	}
}

static int lex_string(struct lexer *l, struct token *t, struct error *err)
{
	const char quote = *l->at, *p = l->at + 1;
	char *out = arena_alloc(l->arena, strlen(p) + 1);
	size_t n = 0;

	for (; *p != quote; p++) {
		if ((unsigned char)*p < ' ')
			return bad(t, err, "a string without its closing quote on the same line");
		if (*p == '\\') {
			p++;
			out[n] = unescape(*p);
			if (!out[n++])
				return bad(t, err,
					   "a string with a \\ that stands for nothing (\\\\ \\\" "
					   "\\' \\n \\t do)");
		} else {
			out[n++] = *p;
		}
	}
	t->kind = TOKEN_LITERAL;
	t->literal.op = EXPR_STRING;
	t->literal.text = out;
	advance(l, (size_t)(p + 1 - l->at));
	return 0;
}

static int shift_size(int64_t *number, const char *unit)
{
	static const struct {
		const char *unit;
		unsigned bits;
	} sizes[] = {{"Ki", 10}, {"Mi", 20}, {"Gi", 30}, {"Ti", 40}};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		if (strcmp(unit, sizes[i].unit) != 0)
			continue;
		if (*number > INT64_MAX >> sizes[i].bits)
			return -ERANGE;
		*number <<= sizes[i].bits;
		return 0;
	}
	return -ENOENT;
}

/* Digits with at most one point: number and places. */
static int digits(const char *text, size_t n, struct expr *e)
{
	bool point = false;

	for (size_t i = 0; i < n; i++) {
		if (text[i] == '.') {
			if (point)
				return -EINVAL;
			point = true;
			continue;
		}
		if (__builtin_mul_overflow(e->number, 10, &e->number) ||
		    __builtin_add_overflow(e->number, text[i] - '0', &e->number))
			return -ERANGE;
		e->places += point;
	}
	return e->places > MAX_PLACES ? -ERANGE : 0;
}

/* "1h30m", "1.5s": exact, unlike a sum of reals. */
static int exact_duration(const char *p, int64_t *ret_ns)
{
	static const struct {
		const char *unit;
		int64_t ns;
	} units[] = {{"ns", 1},         {"us", 1000},       {"ms", 1000000},
		     {"s", 1000000000}, {"m", 60000000000}, {"h", 3600000000000}};
	int64_t total = 0;

	while (*p) {
		struct expr part = {0};
		const size_t n = strspn(p, "0123456789.");
		size_t u;

		if (!n || p[n - 1] == '.' || digits(p, n, &part) < 0)
			return -EINVAL;
		p += n;
		for (u = 0; u < ARRAY_SIZE(units) && !str_starts(p, units[u].unit);)
			u++;
		if (u == ARRAY_SIZE(units) ||
		    __builtin_mul_overflow(part.number, units[u].ns, &part.number))
			return -EINVAL;
		for (unsigned i = 0; i < part.places; i++)
			part.number /= 10;
		if (__builtin_add_overflow(total, part.number, &total))
			return -EINVAL;
		p += strlen(units[u].unit);
	}
	*ret_ns = total;
	return 0;
}

static int lex_unit(struct token *t, const char *whole, const char *unit, struct error *err)
{
	struct expr *e = &t->literal;
	int64_t ns;
	int rc = e->places ? -ENOENT : shift_size(&e->number, unit);

	if (rc == -ERANGE)
		return bad(t, err, "a number that does not fit 64 bits");
	if (rc == 0)
		return 0;
	if (exact_duration(whole, &ns) < 0)
		return bad(t, err,
			   "a number with a unit that is none (5% 512Mi 90s 1h30m are right)");
	*e = (struct expr){.op = EXPR_DURATION, .number = ns};
	return 0;
}

static int lex_number(struct lexer *l, struct token *t, struct error *err)
{
	const char *p = l->at;
	size_t n = 0, all;
	bool point = false;

	while (isdigit((unsigned char)p[n]) ||
	       (p[n] == '.' && !point && isdigit((unsigned char)p[n + 1]))) {
		point |= p[n] == '.';
		n++;
	}
	for (all = n; name_char(p[all]) || (p[all] == '.' && isdigit((unsigned char)p[all + 1]));)
		all++;
	t->kind = TOKEN_LITERAL;
	t->literal.op = point ? EXPR_DECIMAL : EXPR_INT;
	if (digits(p, n, &t->literal) < 0)
		return bad(t, err, "a number that does not fit 64 bits and 9 places");
	if (all > n) {
		int rc = lex_unit(t, arena_strndup(l->arena, p, all),
				  arena_strndup(l->arena, p + n, all - n), err);

		if (rc < 0)
			return rc;
	} else if (p[n] == '%') {
		t->literal.op = EXPR_PERCENT;
		all++;
	}
	advance(l, all);
	return 0;
}

static int lex_punctuation(struct lexer *l, struct token *t, struct error *err)
{
	static const char *const marks[] = {"==", "!=", "<=", ">=", "<", ">", "+", "-",
					    "*",  "/",  "(",  ")",  "[", "]", ",", "."};

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		if (!str_starts(l->at, marks[i]))
			continue;
		t->kind = TOKEN_PUNCTUATION;
		t->text = marks[i];
		advance(l, strlen(marks[i]));
		return 0;
	}
	if (*l->at == '=')
		return bad(t, err, "a single = (equality is ==)");
	if (*l->at == '&' || *l->at == '|' || *l->at == '!')
		return bad(t, err, "a sign of another language (here: and, or, not)");
	return bad(t, err, "a character that means nothing here");
}

int lexer_next(struct lexer *l, struct token *ret_token, struct error *err)
{
	size_t n = strspn(l->at, " \t\r\n");

	advance(l, n);
	*ret_token = (struct token){.line = l->line, .col = l->col, .text = ""};
	if (!*l->at)
		return 0;
	if (*l->at == '"' || *l->at == '\'')
		return lex_string(l, ret_token, err);
	if (isdigit((unsigned char)*l->at))
		return lex_number(l, ret_token, err);
	if (!name_char(*l->at))
		return lex_punctuation(l, ret_token, err);
	for (n = 0; name_char(l->at[n]);)
		n++;
	ret_token->kind = TOKEN_NAME;
	ret_token->text = arena_strndup(l->arena, l->at, n);
	advance(l, n);
	return 0;
}
