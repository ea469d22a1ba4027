/* SPDX-License-Identifier: Apache-2.0 */
/* RE2's syntax (the grammar of its wiki page "Syntax", Perl classes and \pN as there) to a tree. */
#include <string.h>

#include "lib/base/macros.h"
#include "lib/pattern/parse_internal.h"

#define MAX_DEPTH  200u
#define MAX_REPEAT 1000u /* RE2's, also of repeats within repeats */

int parse_refuse(struct parser *p, int code, const char *why)
{
	return error_set(p->err, code, "byte %zu of the expression: %s", (size_t)(p->at - p->text),
			 why);
}

struct tree *parse_node(struct parser *p, enum tree_kind kind, struct tree *left,
			struct tree *right)
{
	struct tree *t = arena_new(p->a, struct tree);

	t->kind = kind;
	t->left = left;
	t->right = right;
	return t;
}

bool parse_next_is(const struct parser *p, const char *s)
{
	const size_t n = strlen(s);

	return (size_t)(p->end - p->at) >= n && !memcmp(p->at, s, n);
}

bool parse_skip(struct parser *p, const char *s)
{
	const bool is = parse_next_is(p, s);

	p->at += is ? strlen(s) : 0;
	return is;
}

/* --- what stands between operators --- */

static int parse_alternatives(struct parser *p, struct tree **ret);

/* Behind "(?": flags, for the rest of this group or for one of their own. 1: no group begins. */
static int parse_flags(struct parser *p)
{
	bool negative = false, seen = false;

	for (; p->at < p->end; p->at++) {
		switch (*p->at) {
		case 'i':
			p->fold = !negative;
			break;
		case 's':
			p->dot_all = !negative;
			break;
		case 'U': /* which of two matches is preferred; whether there is one stays */
			break;
		case 'm':
			return parse_refuse(p, -ENOTSUP, "the flag m");
		case '-':
			if (negative)
				return parse_refuse(p, -EINVAL, "two minus signs among flags");
			negative = true;
			seen = false;
			continue;
		case ':':
		case ')':
			if (negative && !seen)
				return parse_refuse(p, -EINVAL, "no flag behind the minus sign");
			return *p->at++ == ')';
		default:
			return parse_refuse(p, -EINVAL,
					    "no such flag, and there is no looking ahead");
		}
		seen = true;
	}
	return parse_refuse(p, -EINVAL, "no ) ends the group");
}

static int group_name(struct parser *p)
{
	const char *from = p->at;

	while (p->at < p->end && *p->at != '>') {
		const char c = *p->at++;

		if (!(c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
		      (c >= 'A' && c <= 'Z')))
			return parse_refuse(p, -EINVAL, "no name of a group");
	}
	return p->at > from && parse_skip(p, ">") ? 0
						  : parse_refuse(p, -EINVAL, "no name of a group");
}

/* Behind "(". */
static int parse_group(struct parser *p, struct tree **ret)
{
	const bool fold = p->fold, dot_all = p->dot_all;
	int r = 0;

	if (parse_skip(p, "?P<") || parse_skip(p, "?<"))
		r = group_name(p);
	else if (parse_skip(p, "?"))
		r = parse_flags(p);
	if (r == 1) {
		*ret = parse_node(p, TREE_EMPTY, NULL, NULL);
		return 1;
	}
	if (!r)
		r = ++p->depth > MAX_DEPTH ? parse_refuse(p, -E2BIG, "groups within groups")
					   : parse_alternatives(p, ret);
	if (!r && !parse_skip(p, ")"))
		r = parse_refuse(p, -EINVAL, "no ) ends the group");
	p->depth--;
	p->fold = fold;
	p->dot_all = dot_all;
	return r;
}

static int parse_dot(struct parser *p, struct tree **ret)
{
	struct set s = {0};

	if (!p->dot_all)
		set_add(&s, '\n', '\n');
	set_negate(&s);
	*ret = parse_set_tree(p, &s);
	return 0;
}

static int parse_escape(struct parser *p, struct tree **ret)
{
	struct set s = {0};
	uint32_t rune;
	int r;

	if (parse_skip(p, "A") || parse_skip(p, "z")) {
		*ret = parse_node(p, p->at[-1] == 'A' ? TREE_BEGIN : TREE_END, NULL, NULL);
		return 0;
	}
	r = p->at < p->end ? parse_perl_class(p, &s) : 0;
	if (r == 1)
		*ret = parse_set_tree(p, &s);
	set_release(&s);
	if (r)
		return MIN(r, 0);
	r = parse_escaped_rune(p, &rune);
	return r ? r : parse_one_rune(p, rune, ret);
}

/* 1: flags alone, which nothing can repeat. */
static int parse_atom(struct parser *p, struct tree **ret)
{
	uint32_t rune;
	int r;

	if (p->quoted)
		goto literal;
	if (parse_skip(p, "("))
		return parse_group(p, ret);
	if (parse_skip(p, "["))
		return parse_class(p, ret);
	if (parse_skip(p, "."))
		return parse_dot(p, ret);
	if (parse_skip(p, "^") || parse_skip(p, "$")) {
		*ret = parse_node(p, p->at[-1] == '^' ? TREE_BEGIN : TREE_END, NULL, NULL);
		return 0;
	}
	if (strchr("*+?", *p->at))
		return parse_refuse(p, -EINVAL, "nothing to repeat");
	if (parse_skip(p, "\\"))
		return parse_escape(p, ret);
literal:
	r = parse_literal_rune(p, &rune);
	return r ? r : parse_one_rune(p, rune, ret);
}

/* --- operators --- */

static bool read_count(const char **at, const char *end, uint32_t *ret)
{
	const char *from = *at;

	for (*ret = 0; *at < end && **at >= '0' && **at <= '9'; (*at)++)
		*ret = MIN(*ret * 10 + (uint32_t)(**at - '0'), 100000u);
	return *at > from;
}

/* "{2}", "{2,}", "{2,5}"; anything else is a brace that stands for itself. */
static bool counts_at(const struct parser *p, const char **ret_end, uint32_t *min, uint32_t *max)
{
	const char *at = p->at + 1;

	if (*p->at != '{' || !read_count(&at, p->end, min))
		return false;
	*max = *min;
	if (at < p->end && *at == ',') {
		at++;
		if (!read_count(&at, p->end, max))
			*max = UINT32_MAX;
	}
	*ret_end = at + 1;
	return at < p->end && *at == '}';
}

static bool repeat_at(const struct parser *p, const char **ret_end, uint32_t *min, uint32_t *max)
{
	if (p->at >= p->end || p->quoted)
		return false;
	*ret_end = p->at + 1;
	*min = *p->at == '+';
	*max = *p->at == '?' ? 1 : UINT32_MAX;
	return *p->at == '*' || *p->at == '+' || *p->at == '?' || counts_at(p, ret_end, min, max);
}

/* How often what it repeats is written out, with the repeats in it. */
static uint64_t written_out(const struct tree *t)
{
	uint64_t left = t->left ? written_out(t->left) : 1,
		 right = t->right ? written_out(t->right) : 1;
	uint64_t times = t->kind != TREE_REPEAT ? 1 : t->max == UINT32_MAX ? t->min : t->max;

	return MIN(MAX(left, right) * MAX(times, 1u), (uint64_t)MAX_REPEAT + 1);
}

static int parse_repeats(struct parser *p, struct tree **t)
{
	uint32_t min, max;
	const char *end;

	if (!repeat_at(p, &end, &min, &max))
		return 0;
	if (min > MAX_REPEAT || (max != UINT32_MAX && (max > MAX_REPEAT || max < min)))
		return parse_refuse(p, -EINVAL, "repeats out of order, or more than 1000");
	p->at = end;
	parse_skip(p, "?"); /* which match is preferred; whether there is one stays */
	if (repeat_at(p, &end, &(uint32_t){0}, &(uint32_t){0}))
		return parse_refuse(p, -EINVAL, "a repeat of a repeat");
	*t = parse_node(p, TREE_REPEAT, *t, NULL);
	(*t)->min = min;
	(*t)->max = max;
	return written_out(*t) > MAX_REPEAT
		       ? parse_refuse(p, -EINVAL, "repeats of repeats, over 1000")
		       : 0;
}

static bool sequence_ends(struct parser *p)
{
	if (!p->quoted && parse_skip(p, "\\Q"))
		p->quoted = true;
	while (p->quoted && parse_skip(p, "\\E"))
		p->quoted = parse_next_is(p, "\\Q") && parse_skip(p, "\\Q");
	return p->at >= p->end || (!p->quoted && (*p->at == '|' || *p->at == ')'));
}

/* The lists lean to the right: recursion over them is as deep as the text is long at most. */
static int parse_sequence(struct parser *p, struct tree **ret)
{
	struct tree **tail = ret;

	*tail = parse_node(p, TREE_EMPTY, NULL, NULL);
	while (!sequence_ends(p)) {
		struct tree *one = NULL;
		int r = parse_atom(p, &one);

		if (p->quoted && parse_skip(p, "\\E")) /* what follows may repeat the last of it */
			p->quoted = false;
		if (!r)
			r = parse_repeats(p, &one);
		else if (r == 1 && repeat_at(p, &(const char *){0}, &(uint32_t){0}, &(uint32_t){0}))
			r = parse_refuse(p, -EINVAL, "nothing to repeat");
		if (r < 0)
			return r;
		*tail = parse_node(p, TREE_CAT, one, *tail);
		tail = &(*tail)->right;
	}
	return 0;
}

static int parse_alternatives(struct parser *p, struct tree **ret)
{
	struct tree **tail = ret;

	for (;;) {
		int r = parse_sequence(p, tail);

		if (r || !parse_next_is(p, "|"))
			return r;
		p->at++;
		*tail = parse_node(p, TREE_ALT, *tail, NULL);
		tail = &(*tail)->right;
	}
}

int tree_parse(struct arena *a, const char *expression, struct tree **ret, struct error *err)
{
	const size_t n = strlen(expression);
	struct parser p = {
		.a = a, .text = expression, .at = expression, .end = expression + n, .err = err};
	struct tree *t = NULL;
	int r;

	if (n > PATTERN_MAX_TEXT)
		return error_set(err, -E2BIG, "an expression of %zu bytes, at most %u", n,
				 PATTERN_MAX_TEXT);
	r = parse_alternatives(&p, &t);
	if (!r && p.at < p.end)
		r = parse_refuse(&p, -EINVAL, "a ) without its (");
	if (!r)
		*ret = t;
	return r;
}
