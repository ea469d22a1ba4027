/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a plain YAML scalar means. Kubernetes reads YAML with sigs.k8s.io/yaml, which is YAML 1.1
 * with its own corners: 0777 is octal, 0o17 too, 08 is the number eight, 1_000 is a thousand,
 * y and on are booleans, 12:30 and 2026-11-23 are strings.
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/doc/doc_impl.h"

enum word { WORD_NULL, WORD_TRUE, WORD_FALSE, WORD_NOT_FINITE };

static const struct {
	const char *text;
	enum word word;
} words[] = {
	{"", WORD_NULL},
	{"~", WORD_NULL},
	{"null", WORD_NULL},
	{"Null", WORD_NULL},
	{"NULL", WORD_NULL},
	{"y", WORD_TRUE},
	{"Y", WORD_TRUE},
	{"yes", WORD_TRUE},
	{"Yes", WORD_TRUE},
	{"YES", WORD_TRUE},
	{"true", WORD_TRUE},
	{"True", WORD_TRUE},
	{"TRUE", WORD_TRUE},
	{"on", WORD_TRUE},
	{"On", WORD_TRUE},
	{"ON", WORD_TRUE},
	{"n", WORD_FALSE},
	{"N", WORD_FALSE},
	{"no", WORD_FALSE},
	{"No", WORD_FALSE},
	{"NO", WORD_FALSE},
	{"false", WORD_FALSE},
	{"False", WORD_FALSE},
	{"FALSE", WORD_FALSE},
	{"off", WORD_FALSE},
	{"Off", WORD_FALSE},
	{"OFF", WORD_FALSE},
	{".nan", WORD_NOT_FINITE},
	{".NaN", WORD_NOT_FINITE},
	{".NAN", WORD_NOT_FINITE},
	{".inf", WORD_NOT_FINITE},
	{".Inf", WORD_NOT_FINITE},
	{".INF", WORD_NOT_FINITE},
	{"+.inf", WORD_NOT_FINITE},
	{"+.Inf", WORD_NOT_FINITE},
	{"+.INF", WORD_NOT_FINITE},
	{"-.inf", WORD_NOT_FINITE},
	{"-.Inf", WORD_NOT_FINITE},
	{"-.INF", WORD_NOT_FINITE},
};

/* Whether s is a word; fills d. */
static bool resolve_word(struct doc *d, const char *s, int *ret_code)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(words[i].text, s) != 0)
			continue;
		*ret_code = words[i].word == WORD_NOT_FINITE ? -EDOM : 0;
		d->kind = words[i].word == WORD_NULL ? DOC_NULL : DOC_BOOL;
		d->boolean = words[i].word == WORD_TRUE;
		return true;
	}
	return false;
}

/* Base and first digit of an unsigned number written as Go's ParseInt(s, 0, 64) reads it. */
static int number_base(const char **s)
{
	static const struct {
		char letter;
		int base;
	} prefixes[] = {
		{'x', 16},
		{'o', 8},
		{'b', 2},
	};

	if ((*s)[0] != '0' || !(*s)[1])
		return 10;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		if (tolower((unsigned char)(*s)[1]) == prefixes[i].letter) {
			*s += 2;
			return prefixes[i].base;
		}
	}
	*s += 1;
	return 8;
}

/* An integer, or a real when it fits only an unsigned 64-bit number. */
static bool resolve_int(struct doc *d, const char *s)
{
	const bool negative = *s == '-';
	const char *digits = s + (*s == '-' || *s == '+');
	const int base = number_base(&digits);
	unsigned long long v;
	char *end;

	if (!isxdigit((unsigned char)*digits))
		return false;
	errno = 0;
	v = strtoull(digits, &end, base);
	/* strtoull would take a second 0x for base 16. */
	if (*end || errno || (base == 16 && tolower((unsigned char)digits[1]) == 'x'))
		return false;
	if (v > (unsigned long long)INT64_MAX + negative) {
		if (negative)
			return false;
		d->kind = DOC_REAL;
		d->real = (double)v;
		return true;
	}
	d->kind = DOC_INT;
	d->integer = negative ? (int64_t)(0 - v) : (int64_t)v;
	return true;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool looks_real(const char *s)
{
	size_t whole, part = 0;

	s += *s == '-' || *s == '+';
	whole = strspn(s, "0123456789");
	s += whole;
	if (*s == '.') {
		part = strspn(++s, "0123456789");
		s += part;
	}
	if (whole + part == 0)
		return false;
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '-' || *s == '+';
		whole = strspn(s, "0123456789");
		if (whole == 0)
			return false;
		s += whole;
	}
	return *s == '\0';
}

static bool resolve_number(struct doc *d, const char *s)
{
	char buf[64];
	size_t n = 0;

	/* Longer ones exist only as abuse; they stay strings. */
	if (strlen(s) >= sizeof(buf))
		return false;
	for (; *s; s++)
		if (*s != '_')
			buf[n++] = *s;
	buf[n] = '\0';
	if (resolve_int(d, buf))
		return true;
	if (!looks_real(buf))
		return false;
	d->real = strtod(buf, NULL);
	d->kind = DOC_REAL;
	return isfinite(d->real);
}

int doc_scalar_resolve(struct doc *d, const char *s)
{
	int code = 0;

	if (strlen(s) <= 5 && resolve_word(d, s, &code))
		return code;
	if (*s && strchr("+-.0123456789", *s) && resolve_number(d, s))
		return 0;
	d->kind = DOC_STRING;
	d->string = s;
	return 0;
}
