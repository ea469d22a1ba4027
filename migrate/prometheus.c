/* SPDX-License-Identifier: Apache-2.0 */
#include "migrate/prometheus.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/macros.h"

/* Longer than any number somebody prints. */
#define MAX_NUMBER 64

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Behind the name and its labels; NULL when they do not end. Labels may hold quoted braces. */
static const char *skip_labels(const char *p, const char *end)
{
	bool quoted = false;

	if (p == end || *p != '{')
		return p;
	for (p++; p < end; p++) {
		if (quoted && *p == '\\')
			p++;
		else if (*p == '"')
			quoted = !quoted;
		else if (*p == '}' && !quoted)
			return p + 1;
	}
	return NULL;
}

static bool read_value(const char *p, const char *end, double *ret_value)
{
	char number[MAX_NUMBER], *rest;
	size_t n = 0;

	while (p < end && is_blank(*p))
		p++;
	while (p + n < end && !is_blank(p[n]) && n < sizeof(number) - 1) {
		number[n] = p[n];
		n++;
	}
	number[n] = '\0';
	*ret_value = strtod(number, &rest);
	return n > 0 && *rest == '\0';
}

/* "name{labels} value [time]" */
static bool read_line(const char *line, const char *end, struct prometheus_sample *out)
{
	const char *p = line;

	if (p == end || *p == '#')
		return false;
	while (p < end && *p != '{' && !is_blank(*p))
		p++;
	out->name = line;
	out->name_len = (size_t)(p - line);
	p = skip_labels(p, end);
	return out->name_len && p && read_value(p, end, &out->value);
}

bool prometheus_next(const char *text, size_t n, size_t *at, struct prometheus_sample *out)
{
	while (*at < n) {
		const char *line = text + *at, *end = memchr(line, '\n', n - *at);

		if (!end)
			end = text + n;
		*at = (size_t)(end - text) + 1;
		if (read_line(line, end, out))
			return true;
	}
	return false;
}

static bool is_named(const struct prometheus_sample *s, const char *name)
{
	return s->name_len == strlen(name) && memcmp(s->name, name, s->name_len) == 0;
}

/* Counters and milliseconds are whole, and within what a double holds exactly. */
static bool whole(double value, uint64_t *ret_n)
{
	if (!(value >= 0 && value <= 9007199254740992.0))
		return false;
	*ret_n = (uint64_t)value;
	return true;
}

void sidecar_stats_read(const char *text, size_t n, struct sidecar_stats *out)
{
	struct prometheus_sample s;
	size_t at = 0;

	*out = (struct sidecar_stats){0};
	while (prometheus_next(text, n, &at, &s)) {
		if (is_named(&s, "envoy_cluster_manager_cds_update_time"))
			out->known = whole(s.value, &out->updated_ms);
		else if (is_named(&s, "envoy_cluster_manager_cds_update_rejected"))
			(void)whole(s.value, &out->rejected);
	}
}
