/* SPDX-License-Identifier: Apache-2.0 */
/* When two scalars mean the same: quantities, durations, and what YAML took for a number. */
#include <ctype.h>
#include <string.h>

#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/diff/fields.h"

/* A number without rounding: digits of the mantissa, then a power of ten and one of two. */
#define QUANTITY_DIGITS 36
struct quantity {
	bool negative;
	char digits[QUANTITY_DIGITS + 1]; /* no zero in front; "" is 0 */
	int ten, two;
};

struct suffix {
	const char *text;
	int ten, two;
};
/* apimachinery resource.Quantity: binary, decimal, and exponents of their own. */
static const struct suffix suffixes[] = {
	{"", 0, 0},    {"Ki", 0, 10}, {"Mi", 0, 20}, {"Gi", 0, 30}, {"Ti", 0, 40}, {"Pi", 0, 50},
	{"Ei", 0, 60}, {"n", -9, 0},  {"u", -6, 0},  {"m", -3, 0},  {"k", 3, 0},   {"M", 6, 0},
	{"G", 9, 0},   {"T", 12, 0},  {"P", 15, 0},  {"E", 18, 0},
};

static bool read_suffix(const char *s, struct quantity *q)
{
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
		if (str_eq(s, suffixes[i].text)) {
			q->ten += suffixes[i].ten;
			q->two = suffixes[i].two;
			return true;
		}
	if ((*s == 'e' || *s == 'E') && s[1]) {
		int64_t e;

		if (str_to_i64(s + 1 + (s[1] == '+'), -99, 99, &e, "exponent", NULL) < 0)
			return false;
		q->ten += (int)e;
		return true;
	}
	return false;
}

/* Multiplies the digits by two, n times; false when they do not fit any more. */
static bool shift_digits(struct quantity *q, int n)
{
	while (n--) {
		size_t len = strlen(q->digits);
		int carry = 0;

		for (size_t i = len; i--;) {
			int v = (q->digits[i] - '0') * 2 + carry;

			q->digits[i] = (char)('0' + v % 10);
			carry = v / 10;
		}
		if (!carry)
			continue;
		if (len == QUANTITY_DIGITS)
			return false;
		memmove(q->digits + 1, q->digits, len + 1);
		q->digits[0] = '1';
	}
	return true;
}

/* One form for one value: no factor of two, no zero behind. */
static bool reduce(struct quantity *q)
{
	size_t n;

	if (!shift_digits(q, q->two))
		return false;
	q->two = 0;
	n = strlen(q->digits);
	while (n && q->digits[n - 1] == '0') {
		q->digits[--n] = '\0';
		q->ten++;
	}
	if (n == 0) {
		q->ten = 0;
		q->negative = false;
	}
	return true;
}

static bool read_quantity(const char *s, struct quantity *q)
{
	size_t n = 0;
	bool point = false, any = false;

	memset(q, 0, sizeof(*q));
	if (*s == '-' || *s == '+')
		q->negative = *s++ == '-';
	for (; isdigit((unsigned char)*s) || (*s == '.' && !point); s++) {
		if (*s == '.') {
			point = true;
			continue;
		}
		any = true;
		q->ten -= point;
		if (n == 0 && *s == '0')
			continue;
		if (n == QUANTITY_DIGITS)
			return false;
		q->digits[n++] = *s;
	}
	return any && read_suffix(s, q) && reduce(q);
}

static bool quantity_same(const char *a, const char *b)
{
	struct quantity x, y;

	return read_quantity(a, &x) && read_quantity(b, &y) && x.negative == y.negative &&
	       x.ten == y.ten && strcmp(x.digits, y.digits) == 0;
}

static bool duration_same(const char *a, const char *b)
{
	uint64_t x, y;

	return str_to_duration_ns(a, &x, NULL) == 0 && str_to_duration_ns(b, &y, NULL) == 0 &&
	       x == y;
}

static bool is_scalar(const struct doc *d)
{
	return d && d->kind != DOC_LIST && d->kind != DOC_MAP && d->kind != DOC_NULL;
}

/* A string as it is, anything else as YAML wrote it. */
static const char *text_of(const struct doc *d, struct strbuf *sb)
{
	if (d->kind == DOC_STRING)
		return d->string;
	doc_write_json(d, DOC_COMPACT, sb);
	return strbuf_cstr(sb);
}

bool field_value_same(enum value_kind kind, const struct doc *a, const struct doc *b)
{
	auto_release(strbuf) struct strbuf sa = STRBUF_INIT;
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	const char *x, *y;

	if (doc_equal(a, b))
		return true;
	if (kind == VALUE_PLAIN || !is_scalar(a) || !is_scalar(b))
		return false;
	x = text_of(a, &sa);
	y = text_of(b, &sb);
	if (strcmp(x, y) == 0)
		return true;
	if (kind == VALUE_QUANTITY)
		return quantity_same(x, y);
	return kind == VALUE_DURATION && duration_same(x, y);
}
