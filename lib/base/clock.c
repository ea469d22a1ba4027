/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/macros.h"

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * (int64_t)NS_PER_S + ts.tv_nsec;
}

static uint64_t system_now(UNUSED const struct clock *c)
{
	return (uint64_t)read_clock(CLOCK_MONOTONIC);
}

static int64_t system_wall(UNUSED const struct clock *c)
{
	return read_clock(CLOCK_REALTIME);
}

const struct clock *clock_system(void)
{
	static const struct clock system = {system_now, system_wall};

	return &system;
}

static const struct fake_clock *as_fake(const struct clock *c)
{
	return (const struct fake_clock *)(const void *)c;
}

static uint64_t fake_now(const struct clock *c)
{
	return as_fake(c)->now;
}

static int64_t fake_wall(const struct clock *c)
{
	return as_fake(c)->wall;
}

void fake_clock_init(struct fake_clock *f, int64_t wall_ns)
{
	*f = (struct fake_clock){{fake_now, fake_wall}, 0, wall_ns};
}

void fake_clock_advance(struct fake_clock *f, uint64_t ns)
{
	f->now += ns;
	f->wall += (int64_t)ns;
}

char *clock_rfc3339(int64_t wall_ns, int digits, char buf[CLOCK_RFC3339_SIZE])
{
	int64_t frac = wall_ns % (int64_t)NS_PER_S;
	time_t secs = wall_ns / (int64_t)NS_PER_S;
	struct tm tm;
	size_t n;

	if (frac < 0) {
		frac += (int64_t)NS_PER_S;
		secs--;
	}
	gmtime_r(&secs, &tm);
	n = strftime(buf, CLOCK_RFC3339_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	if (digits > 0) {
		char nine[24];

		snprintf(nine, sizeof(nine), "%09lld", (long long)frac);
		n += (size_t)snprintf(buf + n, CLOCK_RFC3339_SIZE - n, ".%.*s", MIN(digits, 9),
				      nine);
	}
	snprintf(buf + n, CLOCK_RFC3339_SIZE - n, "Z");
	return buf;
}

/* Reads ".123" into nanoseconds; *s is left behind the digits. */
static int64_t parse_fraction(const char **s)
{
	int64_t ns = 0, unit = (int64_t)NS_PER_S;

	for ((*s)++; isdigit((unsigned char)**s); (*s)++) {
		unit /= 10;
		ns += (**s - '0') * unit;
	}
	return ns;
}

/* "Z" or "+hh:mm", in seconds east of UTC. */
static int parse_zone(const char *s, int *ret_offset)
{
	int h, m, used = 0;

	if ((*s == 'Z' || *s == 'z') && !s[1]) {
		*ret_offset = 0;
		return 0;
	}
	if ((*s != '+' && *s != '-') || sscanf(s + 1, "%2d:%2d%n", &h, &m, &used) != 2 ||
	    s[1 + used])
		return -EINVAL;
	*ret_offset = (h * 3600 + m * 60) * (*s == '-' ? -1 : 1);
	return 0;
}

int clock_parse_rfc3339(const char *s, int64_t *ret_wall_ns)
{
	struct tm tm = {0};
	const char *p = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t frac = 0, seconds;
	int offset;

	if (!p)
		return -EINVAL;
	if (*p == '.')
		frac = parse_fraction(&p);
	if (parse_zone(p, &offset) < 0)
		return -EINVAL;
	seconds = (int64_t)timegm(&tm) - offset;
	/* 64 bits of nanoseconds end in 2262; the fraction stays below one second. */
	if (seconds > INT64_MAX / (int64_t)NS_PER_S - 1 ||
	    seconds < INT64_MIN / (int64_t)NS_PER_S + 1)
		return -EINVAL;
	*ret_wall_ns = seconds * (int64_t)NS_PER_S + frac;
	return 0;
}
