/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/str.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool str_eq(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool str_empty(const char *s)
{
	return !s || !*s;
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && strcmp(s + n - m, suffix) == 0;
}

int str_cmp(const char *a, const char *b)
{
	if (!a || !b)
		return (a != NULL) - (b != NULL);
	return strcmp(a, b);
}

int str_cmp_ptr(const void *a, const void *b)
{
	return str_cmp(*(const char *const *)a, *(const char *const *)b);
}

const char *str_or_empty(const char *s)
{
	return s ? s : "";
}

int str_to_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret_n, const char *what,
	       struct error *err)
{
	char *end;
	unsigned long long n;

	if (!isdigit((unsigned char)s[0]))
		return error_set(err, -EINVAL, "%s: want a number, got \"%s\"", what, s);
	errno = 0;
	n = strtoull(s, &end, 10);
	if (*end)
		return error_set(err, -EINVAL, "%s: want a number, got \"%s\"", what, s);
	if (errno == ERANGE || n < min || n > max)
		return error_set(err, -ERANGE, "%s: %s is not between %llu and %llu", what, s,
				 (unsigned long long)min, (unsigned long long)max);
	*ret_n = n;
	return 0;
}

int str_to_i64(const char *s, int64_t min, int64_t max, int64_t *ret_n, const char *what,
	       struct error *err)
{
	char *end;
	long long n;

	if (!isdigit((unsigned char)s[s[0] == '-']))
		return error_set(err, -EINVAL, "%s: want a number, got \"%s\"", what, s);
	errno = 0;
	n = strtoll(s, &end, 10);
	if (*end)
		return error_set(err, -EINVAL, "%s: want a number, got \"%s\"", what, s);
	if (errno == ERANGE || n < min || n > max)
		return error_set(err, -ERANGE, "%s: %s is not between %lld and %lld", what, s,
				 (long long)min, (long long)max);
	*ret_n = n;
	return 0;
}

static const struct {
	const char *name;
	double ns;
} units[] = {{"ns", 1},  {"us", 1e3}, {"\u00b5s", 1e3}, {"ms", 1e6},
	     {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};

static double unit_ns(const char **s)
{
	size_t len = 0;

	while ((*s)[len] && !isdigit((unsigned char)(*s)[len]) && (*s)[len] != '.')
		len++;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strlen(units[i].name) == len && strncmp(*s, units[i].name, len) == 0) {
			*s += len;
			return units[i].ns;
		}
	}
	return 0;
}

int str_to_duration_ns(const char *s, uint64_t *ret_ns, struct error *err)
{
	const char *p = s;
	double total = 0;

	if (strcmp(s, "0") == 0) {
		*ret_ns = 0;
		return 0;
	}
	if (!*s)
		return error_set(err, -EINVAL, "duration: empty");
	while (*p) {
		char *end;
		double n, unit;

		if (!isdigit((unsigned char)*p) && *p != '.')
			return error_set(err, -EINVAL,
					 "duration: want a form like 1m30s, got \"%s\"", s);
		n = strtod(p, &end);
		p = end;
		unit = unit_ns(&p);
		if (unit <= 0)
			return error_set(err, -EINVAL,
					 "duration: want a form like 1m30s, got \"%s\"", s);
		total += n * unit;
	}
	if (!(total < 9.2e18))
		return error_set(err, -ERANGE, "duration: \"%s\" is too long", s);
	*ret_ns = (uint64_t)(total + 0.5);
	return 0;
}

uint64_t str_hash(const void *data, size_t n, uint64_t seed)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < n; i++)
		seed = (seed ^ p[i]) * 0x100000001b3ULL;
	return seed;
}
