/* SPDX-License-Identifier: Apache-2.0 */
/* Characters, escapes and classes of them. */
#include <string.h>

#include "lib/base/macros.h"
#include "lib/pattern/parse_internal.h"

/* The letters that Unicode folds onto ASCII ones: long s, and the sign of Kelvin. */
static const struct {
	uint32_t ascii, other;
} folds[] = {{'s', 0x17f}, {'k', 0x212a}};

static int fold_set(struct parser *p, struct set *s)
{
	const size_t n = s->ranges.n;

	for (size_t i = 0; i < n; i++) {
		const struct range r = s->ranges.items[i];

		for (uint32_t c = 'a'; c <= 'z'; c++) {
			const uint32_t upper = c - 'a' + 'A';

			if (c >= r.low && c <= r.high)
				set_add(s, upper, upper);
			if (upper >= r.low && upper <= r.high)
				set_add(s, c, c);
		}
		if (r.high > 0x7f && !(r.low == r.high && (r.low == 0x17f || r.low == 0x212a)))
			return parse_refuse(p, -ENOTSUP,
					    "letters outside ASCII, whose case does not matter");
	}
	for (size_t f = 0; f < ARRAY_SIZE(folds); f++) {
		bool has = false;

		for (size_t i = 0; i < s->ranges.n; i++) {
			const struct range r = s->ranges.items[i];
			const uint32_t of[] = {folds[f].ascii, folds[f].ascii - 'a' + 'A',
					       folds[f].other};

			for (size_t k = 0; k < ARRAY_SIZE(of); k++)
				has |= of[k] >= r.low && of[k] <= r.high;
		}
		if (!has)
			continue;
		set_add(s, folds[f].ascii, folds[f].ascii);
		set_add(s, folds[f].ascii - 'a' + 'A', folds[f].ascii - 'a' + 'A');
		set_add(s, folds[f].other, folds[f].other);
	}
	return 0;
}

struct tree *parse_set_tree(struct parser *p, struct set *s)
{
	struct tree *t = parse_node(p, TREE_SET, NULL, NULL);

	set_tidy(s);
	t->n_ranges = s->ranges.n;
	t->ranges = arena_memdup(p->a, s->ranges.items, s->ranges.n * sizeof(*s->ranges.items));
	set_release(s);
	return t;
}

int parse_one_rune(struct parser *p, uint32_t rune, struct tree **ret)
{
	struct set s = {0};
	int r = 0;

	set_add(&s, rune, rune);
	if (p->fold)
		r = fold_set(p, &s);
	if (!r)
		*ret = parse_set_tree(p, &s);
	set_release(&s);
	return r;
}

int parse_literal_rune(struct parser *p, uint32_t *ret)
{
	*ret = rune_read(&p->at, p->end);
	return *ret == UINT32_MAX ? parse_refuse(p, -EINVAL, "this is no UTF-8") : 0;
}

static const struct {
	const char *name;
	struct range ranges[4];
} classes[] = {
	{"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}},
	{"alpha", {{'A', 'Z'}, {'a', 'z'}}},
	{"ascii", {{0, 0x7f}}},
	{"blank", {{'\t', '\t'}, {' ', ' '}}},
	{"cntrl", {{0, 0x1f}, {0x7f, 0x7f}}},
	{"digit", {{'0', '9'}}},
	{"graph", {{'!', '~'}}},
	{"lower", {{'a', 'z'}}},
	{"print", {{' ', '~'}}},
	{"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
	{"space", {{'\t', '\r'}, {' ', ' '}}},
	{"upper", {{'A', 'Z'}}},
	{"word", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}, {'_', '_'}}},
	{"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}},
	{"s", {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}}}, /* \s has no vertical tab */
};

/* Adds a class, or all that is not in it. */
static int add_class(struct parser *p, struct set *to, const char *name, size_t n, bool negated)
{
	struct set s = {0};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		if (strlen(classes[i].name) != n || memcmp(classes[i].name, name, n) != 0)
			continue;
		for (size_t k = 0; k < 4 && classes[i].ranges[k].high; k++)
			set_add(&s, classes[i].ranges[k].low, classes[i].ranges[k].high);
		if (p->fold)
			r = fold_set(p, &s);
		set_tidy(&s);
		if (negated)
			set_negate(&s);
		if (!r)
			set_add_all(to, &s);
		set_release(&s);
		return r;
	}
	return parse_refuse(p, -EINVAL, "there is no such class of characters");
}

int parse_perl_class(struct parser *p, struct set *to)
{
	static const struct {
		char letter;
		const char *name;
	} perl[] = {{'d', "digit"}, {'s', "s"}, {'w', "word"}};

	for (size_t i = 0; i < ARRAY_SIZE(perl); i++) {
		const bool same = *p->at == perl[i].letter,
			   other = *p->at == perl[i].letter - 'a' + 'A';
		int r;

		if (!same && !other)
			continue;
		r = add_class(p, to, perl[i].name, strlen(perl[i].name), other);
		p->at++;
		return r ? r : 1;
	}
	if (*p->at == 'p' || *p->at == 'P')
		return parse_refuse(p, -ENOTSUP, "a class of Unicode");
	return 0;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* Behind "\x". */
static int hex_rune(struct parser *p, uint32_t *ret)
{
	const bool braces = parse_skip(p, "{");
	unsigned n = 0;
	uint32_t v = 0;

	for (; p->at < p->end && hex_digit(*p->at) >= 0 && (braces || n < 2); n++) {
		v = v * 16 + (uint32_t)hex_digit(*p->at++);
		if (v > RUNE_MAX)
			return parse_refuse(p, -EINVAL, "there is no such code point");
	}
	if (!n || (!braces && n != 2) || (braces && !parse_skip(p, "}")))
		return parse_refuse(p, -EINVAL, "no number behind \\x");
	if (v >= 0xd800 && v <= 0xdfff)
		return parse_refuse(p, -ENOTSUP, "half of a surrogate pair");
	*ret = v;
	return 0;
}

/* Behind "\0", or a digit that another one follows. */
static void octal_rune(struct parser *p, uint32_t *ret)
{
	*ret = 0;
	for (unsigned n = 0; n < 3 && p->at < p->end && *p->at >= '0' && *p->at <= '7'; n++)
		*ret = *ret * 8 + (uint32_t)(*p->at++ - '0');
}

int parse_escaped_rune(struct parser *p, uint32_t *ret)
{
	static const char letters[] = "afnrtv", meant[] = "\a\f\n\r\t\v";
	const char *named;
	char c;

	if (p->at >= p->end)
		return parse_refuse(p, -EINVAL, "a backslash ends it");
	c = *p->at;
	named = c ? strchr(letters, c) : NULL;
	if (c == '0' ||
	    (c >= '1' && c <= '7' && p->at + 1 < p->end && p->at[1] >= '0' && p->at[1] <= '7')) {
		octal_rune(p, ret);
		return 0;
	}
	if (parse_skip(p, "x"))
		return hex_rune(p, ret);
	if (named) {
		p->at++;
		*ret = (uint32_t)meant[named - letters];
		return 0;
	}
	if (c == 'b' || c == 'B')
		return parse_refuse(p, -ENOTSUP, "a word boundary");
	if (c == 'C')
		return parse_refuse(p, -ENOTSUP, "\\C, a single byte");
	if ((unsigned char)c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z'))
		return parse_refuse(p, -EINVAL, "there is no such escape");
	p->at++;
	*ret = (uint32_t)c;
	return 0;
}

static int class_rune(struct parser *p, uint32_t *ret)
{
	if (p->at >= p->end)
		return parse_refuse(p, -EINVAL, "no ] ends the class");
	return parse_skip(p, "\\") ? parse_escaped_rune(p, ret) : parse_literal_rune(p, ret);
}

/* One item of a class: 1 when it was a class of its own. */
static int class_in_class(struct parser *p, struct set *s)
{
	if (parse_next_is(p, "[:")) {
		const char *name = p->at + 2, *close;
		const bool negated = name < p->end && *name == '^';
		int r;

		name += negated;
		close = name;
		while (close + 1 < p->end && !(close[0] == ':' && close[1] == ']'))
			close++;
		if (close + 1 >= p->end)
			return 0;
		r = add_class(p, s, name, (size_t)(close - name), negated);
		p->at = close + 2;
		return r ? r : 1;
	}
	if (p->at + 1 < p->end && *p->at == '\\') {
		int r;

		p->at++;
		r = parse_perl_class(p, s);
		if (!r)
			p->at--;
		return r;
	}
	return 0;
}

static int class_range(struct parser *p, struct set *s)
{
	struct set one = {0};
	uint32_t low, high;
	int r = class_rune(p, &low);

	high = low;
	if (!r && p->end - p->at >= 2 && p->at[0] == '-' && p->at[1] != ']') {
		p->at++;
		r = class_rune(p, &high);
	}
	if (!r && high < low)
		r = parse_refuse(p, -EINVAL, "a range that ends before it begins");
	if (r)
		return r;
	set_add(&one, low, high);
	if (p->fold)
		r = fold_set(p, &one);
	if (!r)
		set_add_all(s, &one);
	set_release(&one);
	return r;
}

int parse_class(struct parser *p, struct tree **ret)
{
	const bool negated = parse_skip(p, "^");
	struct set s = {0};
	int r = 0;

	for (bool first = true; first || !parse_next_is(p, "]"); first = false) {
		r = p->at >= p->end ? parse_refuse(p, -EINVAL, "no ] ends the class")
				    : class_in_class(p, &s);
		if (!r)
			r = class_range(p, &s);
		if (r < 0)
			break;
	}
	if (r >= 0) {
		p->at++;
		set_tidy(&s);
		if (negated)
			set_negate(&s);
		*ret = parse_set_tree(p, &s);
	}
	set_release(&s);
	return MIN(r, 0);
}
