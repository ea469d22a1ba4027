/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/when.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

const char *when_format(struct arena *a, int64_t wall_s)
{
	time_t t = (time_t)wall_s;
	struct tm tm;
	char buf[64];

	if (!gmtime_r(&t, &tm) || !strftime(buf, sizeof(buf), "%Y-%m-%dT%H:%M:%SZ", &tm))
		return "0001-01-01T00:00:00Z";
	return arena_strdup(a, buf);
}

/* "Z", "+02:00"; the offset in seconds. */
static bool parse_offset(const char *p, int64_t *ret_s)
{
	int h, m;
	char end;

	if (!strcmp(p, "Z") || !strcmp(p, "z")) {
		*ret_s = 0;
		return true;
	}
	if ((*p != '+' && *p != '-') || strlen(p) != 6 ||
	    sscanf(p + 1, "%2d:%2d%c", &h, &m, &end) != 2)
		return false;
	*ret_s = (h * 3600 + m * 60) * (*p == '-' ? -1 : 1);
	return true;
}

bool when_parse(const char *text, int64_t *ret_wall_s)
{
	struct tm tm = {0};
	const char *p;
	int64_t offset;

	if (!text)
		return false;
	p = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!p)
		return false;
	if (*p == '.')
		for (p++; isdigit((unsigned char)*p); p++)
			;
	if (!parse_offset(p, &offset))
		return false;
	*ret_wall_s = (int64_t)timegm(&tm) - offset;
	return true;
}

/* Two units while the first is small, as kubectl does it. */
static const char *two_units(struct arena *a, int64_t big, char big_unit, int64_t small,
			     char small_unit)
{
	if (!small)
		return arena_printf(a, "%lld%c", (long long)big, big_unit);
	return arena_printf(a, "%lld%c%lld%c", (long long)big, big_unit, (long long)small,
			    small_unit);
}

static const char *human(struct arena *a, int64_t s)
{
	int64_t m = s / 60, h = m / 60, d = h / 24, y = d / 365;

	if (s < 120)
		return arena_printf(a, "%llds", (long long)s);
	if (m < 10)
		return two_units(a, m, 'm', s % 60, 's');
	if (m < 180)
		return two_units(a, m, 'm', 0, 's');
	if (h < 8)
		return two_units(a, h, 'h', m % 60, 'm');
	if (h < 48)
		return two_units(a, h, 'h', 0, 'm');
	if (d < 8)
		return two_units(a, d, 'd', h % 24, 'h');
	if (y < 2)
		return two_units(a, d, 'd', 0, 'h');
	if (y < 8)
		return two_units(a, y, 'y', d % 365, 'd');
	return two_units(a, y, 'y', 0, 'd');
}

const char *when_age(struct arena *a, const char *then, int64_t now_s)
{
	int64_t t;

	if (!when_parse(then, &t))
		return "<unknown>";
	return human(a, now_s > t ? now_s - t : 0);
}
