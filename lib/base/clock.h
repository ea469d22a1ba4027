/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/base/clock.h - time as something that is passed in, so that a test can make it stand still
 * or run through thirty minutes in a millisecond. Nothing in the tree calls time() or sleep().
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct clock {
	/* Monotonic nanoseconds; the origin means nothing. */
	uint64_t (*now_ns)(const struct clock *c);
	/* Nanoseconds since 1970-01-01 UTC. */
	int64_t (*wall_ns)(const struct clock *c);
};

/* The machine's clocks (CLOCK_MONOTONIC, CLOCK_REALTIME). */
const struct clock *clock_system(void);

static inline uint64_t clock_now_ns(const struct clock *c)
{
	return c->now_ns(c);
}
static inline int64_t clock_wall_ns(const struct clock *c)
{
	return c->wall_ns(c);
}

/* A clock that moves only when told. Its first member is the clock to pass on. */
struct fake_clock {
	struct clock clock;
	uint64_t now;
	int64_t wall;
};
void fake_clock_init(struct fake_clock *f, int64_t wall_ns);
void fake_clock_advance(struct fake_clock *f, uint64_t ns);

#define CLOCK_RFC3339_SIZE 40
/* "2026-11-23T06:17:00Z", with fraction digits (0, 3, 6 or 9) as RFC 3339 has it. Returns buf. */
char *clock_rfc3339(int64_t wall_ns, int digits, char buf[CLOCK_RFC3339_SIZE]);
/* The inverse; 0, or -EINVAL for what is not RFC 3339. */
int clock_parse_rfc3339(const char *s, int64_t *ret_wall_ns);

#define NS_PER_MS 1000000ULL
#define NS_PER_S  1000000000ULL
