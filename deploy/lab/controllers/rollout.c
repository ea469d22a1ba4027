/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/controllers/rollout.h"

#include "lib/base/macros.h"

int64_t rollout_portion(bool is_percent, int64_t value, int64_t total, bool round_up)
{
	if (!is_percent)
		return value;
	return (value * total + (round_up ? 99 : 0)) / 100;
}

static struct rollout_set *new_set(struct rollout *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->sets[i].is_new)
			return &r->sets[i];
	return NULL;
}

static int64_t sum_wanted(const struct rollout *r)
{
	int64_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += r->sets[i].want;
	return n;
}

/* Takes up to n from the old sets, at most limit(set) from each, oldest first. */
static int64_t take(struct rollout *r, int64_t n, bool only_unavailable)
{
	int64_t taken = 0;

	for (size_t i = 0; i < r->n && taken < n; i++) {
		struct rollout_set *s = &r->sets[i];
		int64_t room = only_unavailable ? MAX(s->want - s->available, 0) : s->want, step;

		if (s->is_new)
			continue;
		step = MIN(room, n - taken);
		s->want -= step;
		taken += step;
	}
	return taken;
}

static void scale_down_old(struct rollout *r, const struct rollout_set *fresh)
{
	int64_t least = r->replicas - r->unavailable, available = 0, may, total = sum_wanted(r);
	/* New pods that are not available yet hold their place. */
	int64_t pending = fresh ? MAX(fresh->replicas - fresh->available, 0) : 0;

	may = total - least - pending;
	if (may <= 0)
		return;
	/* Old pods that serve nobody go first; they cost no availability. */
	take(r, may, true);
	for (size_t i = 0; i < r->n; i++)
		available += MIN(r->sets[i].available, r->sets[i].want);
	may = MIN(available - least, may);
	if (may > 0)
		take(r, may, false);
}

static void plan_rolling(struct rollout *r, struct rollout_set *fresh)
{
	int64_t total = sum_wanted(r), most = r->replicas + r->surge;

	if (fresh->want > r->replicas) {
		fresh->want = r->replicas;
		return;
	}
	if (fresh->want < r->replicas && total < most) {
		fresh->want += MIN(most - total, r->replicas - fresh->want);
		return;
	}
	scale_down_old(r, fresh);
}

static void plan_recreate(struct rollout *r, struct rollout_set *fresh)
{
	bool any = false;

	for (size_t i = 0; i < r->n; i++) {
		if (r->sets[i].is_new)
			continue;
		any = any || r->sets[i].existing > 0;
		r->sets[i].want = 0;
	}
	fresh->want = any ? fresh->replicas : r->replicas;
}

/* The newest set that has pods follows replicas. */
static void plan_scale(struct rollout *r)
{
	struct rollout_set *active = NULL;
	int64_t others;

	for (size_t i = 0; i < r->n; i++)
		if (r->sets[i].replicas > 0 || r->sets[i].is_new)
			active = &r->sets[i];
	if (!active)
		return;
	others = sum_wanted(r) - active->want;
	active->want = MAX(r->replicas - others, 0);
}

void rollout_plan(struct rollout *r)
{
	struct rollout_set *fresh = new_set(r);

	for (size_t i = 0; i < r->n; i++)
		r->sets[i].want = r->sets[i].replicas;
	if (r->paused || !fresh)
		plan_scale(r);
	else if (r->recreate)
		plan_recreate(r, fresh);
	else
		plan_rolling(r, fresh);
}
