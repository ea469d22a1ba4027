/* SPDX-License-Identifier: Apache-2.0 */
/* The questions over counters: of drops, maps, connections and the process. */
#include <inttypes.h>

#include "datapath/abi/verdict.h"
#include "lib/agentapi/health_impl.h"
#include "lib/base/str.h"

/* A counter of the process since before; from zero when it is another process now. */
static void say_counted(struct asking *k, struct opt_int now, struct opt_int before,
			const char *what)
{
	bool same = health_same_process(k->q->before, k->q->now);
	int64_t n;

	if (!now.set || (same && !before.set))
		health_say(k, FINDING_UNKNOWN, "%s are not told", what);
	else if (!health_since(now.value, same ? before.value : 0, &n))
		health_say(k, FINDING_UNKNOWN, "the count of %s went back", what);
	else
		health_say(k, n ? FINDING_FAIL : FINDING_PASS, "%" PRId64 " %s since %s", n, what,
			   same ? "before" : "this agent started");
}

void health_ask_regenerations(struct asking *k)
{
	say_counted(k, k->now ? k->now->regenerations.failed : (struct opt_int){0},
		    k->before ? k->before->regenerations.failed : (struct opt_int){0},
		    "failed regenerations");
}

void health_ask_map_errors(struct asking *k)
{
	say_counted(k, k->now ? k->now->map_errors : (struct opt_int){0},
		    k->before ? k->before->map_errors : (struct opt_int){0}, "refused rows");
}

/* --- drops --- */

/* A packet of these says that something is broken, however few there are. */
static const uint8_t serious[] = {
	REASON_MISSED_TAIL_CALL,
	REASON_WRITE_ERROR,
	REASON_UNROUTABLE,
	REASON_CSUM_L3,
	REASON_CSUM_L4,
	REASON_CT_CREATE_FAILED,
	REASON_NO_TUNNEL_ENDPOINT,
	REASON_UNKNOWN_CT,
	REASON_NO_CONFIG,
	REASON_INVALID_IDENTITY,
	REASON_POLICY_AUTH_REQUIRED,
	REASON_CT_NO_MAP_FOUND,
};

static bool is_serious(int64_t reason)
{
	for (size_t i = 0; i < ARRAY_SIZE(serious); i++) {
		if (serious[i] == reason)
			return true;
	}
	return false;
}

static bool is_known(int64_t reason)
{
	switch (reason) {
#define KNOWN(num, ...) case num:
		FOREACH_REASON(KNOWN)
#undef KNOWN
		return true;
	default:
		return false;
	}
}

static int64_t dropped(const struct sidestep_health *h, const struct sidestep_drop *like)
{
	for (size_t i = 0; i < h->n_drops; i++) {
		if (h->drops[i].reason == like->reason &&
		    str_eq(h->drops[i].direction, like->direction))
			return h->drops[i].packets;
	}
	return 0;
}

static bool same_metrics(const struct sidestep_node *x, const struct sidestep_node *y)
{
	return health_same_boot(x, y) && x->health && y->health && x->health->metrics_epoch &&
	       str_eq(x->health->metrics_epoch, y->health->metrics_epoch);
}

/* Packets a minute from x to y; -1: not known. */
static int64_t drop_rate(const struct sidestep_node *x, const struct sidestep_node *y,
			 const struct sidestep_drop *d)
{
	int64_t ms = health_elapsed_ms(x, y), n;

	if (!ms || !same_metrics(x, y) ||
	    !health_since(dropped(y->health, d), dropped(x->health, d), &n))
		return -1;
	return health_scale(n, 60000, ms);
}

/* How bad one reason is; words only when it is not well. */
static enum finding_result judge_drop(struct asking *k, const struct sidestep_drop *d,
				      const struct sidestep_node *since, const char **ret_words)
{
	const char *name = d->name ? d->name : "";
	int64_t was = dropped(k->before, d), more;
	int64_t rate = drop_rate(since, k->q->now, d);
	int64_t usual = drop_rate(k->q->baseline, health_origin(k), d);
	int64_t most = HEALTH_DROP_FLOOR_PER_MIN;

	if (!health_since(d->packets, was, &more))
		more = -1;
	if (usual > 0)
		most += MIN(health_scale(usual, HEALTH_DROP_FACTOR_PERCENT, 100), INT64_MAX / 2);
	if (more == 0)
		return FINDING_PASS;
	if (more > 0 && !was && is_serious(d->reason)) {
		*ret_words = arena_printf(k->a, "%" PRId64 " of a new reason, %s (%s)", more, name,
					  str_or_empty(d->direction));
		return FINDING_FAIL;
	}
	if (more < 0 || rate < 0 || !is_known(d->reason)) {
		*ret_words = arena_printf(k->a, "%s of reason %" PRId64 " %s",
					  rate < 0 || more < 0 ? "the rate" : "the meaning",
					  d->reason, "is not known");
		return FINDING_UNKNOWN;
	}
	if (rate <= most)
		return FINDING_PASS;
	*ret_words = usual < 0 ? arena_printf(k->a,
					      "%s (%s): %" PRId64
					      " a minute; what is usual is not known",
					      name, str_or_empty(d->direction), rate)
			       : arena_printf(k->a,
					      "%s (%s): %" PRId64 " a minute, %" PRId64
					      " are usual and at most %" PRId64 " allowed",
					      name, str_or_empty(d->direction), rate, usual, most);
	return usual < 0 ? FINDING_UNKNOWN : FINDING_FAIL;
}

void health_ask_drops(struct asking *k)
{
	const struct sidestep_node *since = k->q->before;
	enum finding_result worst = FINDING_PASS;
	const char *words = NULL;

	if (!same_metrics(k->q->before, k->q->now)) {
		health_say(k, FINDING_UNKNOWN, "the counts of before and now cannot be compared");
		return;
	}
	if (same_metrics(k->q->previous, k->q->now) && health_elapsed_ms(k->q->previous, k->q->now))
		since = k->q->previous;
	if (!health_elapsed_ms(since, k->q->now)) {
		health_say(k, FINDING_UNKNOWN, "it is not known how long ago before was");
		return;
	}
	for (size_t i = 0; i < k->now->n_drops; i++) {
		const char *why = NULL;
		enum finding_result r = judge_drop(k, &k->now->drops[i], since, &why);

		if (health_worse(worst, r) != worst || !words)
			words = why;
		worst = health_worse(worst, r);
	}
	health_say(k, worst, "%s", words ? words : "no more than usual");
}

/* --- maps --- */

bool health_compares_map(const char *name)
{
	return str_eq(name, "traffic") || str_eq(name, "conntrack");
}

const struct sidestep_map *health_map_of(const struct sidestep_health *h, const char *name)
{
	for (size_t i = 0; h && i < h->n_maps; i++) {
		if (str_eq(h->maps[i].name, name))
			return &h->maps[i];
	}
	return NULL;
}

bool health_map_is_nearly_full(const struct sidestep_map *m)
{
	return m && m->entries.set && m->max > 0 &&
	       health_scale(m->entries.value, 100, m->max) >= HEALTH_PRESSURE_PERCENT;
}

void health_ask_map_pressure(struct asking *k)
{
	const struct sidestep_map *silent = NULL;

	if (!k->now || !k->now->n_maps) {
		health_say(k, FINDING_UNKNOWN, "the agent does not tell how full its maps are");
		return;
	}
	for (size_t i = 0; i < k->now->n_maps; i++) {
		const struct sidestep_map *m = &k->now->maps[i];

		if (!m->entries.set || m->max <= 0)
			silent = m;
		/* A map that forgets its oldest rows fills in time, and is well when it is full. */
		if (m->evicts || !health_map_is_nearly_full(m))
			continue;
		health_say(k, FINDING_FAIL, "%s holds %" PRId64 " of %" PRId64 " rows", m->name,
			   m->entries.value, m->max);
		return;
	}
	if (silent)
		health_say(k, FINDING_UNKNOWN, "how full %s is is not told",
			   str_or_empty(silent->name));
	else
		health_say(k, FINDING_PASS,
			   "%zu maps, none that keeps its rows is above %d percent", k->now->n_maps,
			   HEALTH_PRESSURE_PERCENT);
}

/* Rows of connections; -1: not known. */
static int64_t connections(const struct sidestep_node *n)
{
	const struct sidestep_map *m;

	if (n && n->conntrack)
		return n->conntrack->entries < 0 || n->conntrack->remaining < 0
			       ? -1
			       : MIN(n->conntrack->entries, INT64_MAX / 2) +
					 MIN(n->conntrack->remaining, INT64_MAX / 2);
	m = health_map_of(n ? n->health : NULL, "conntrack");
	return m && m->entries.set ? m->entries.value : -1;
}

void health_ask_conntrack(struct asking *k)
{
	int64_t was = connections(k->q->before), is = connections(k->q->now);

	if (!health_same_boot(k->q->before, k->q->now) || was < 0 || is < 0)
		health_say(k, FINDING_UNKNOWN, "how many were remembered %s is not known",
			   is < 0 ? "now" : "before");
	else if (was >= HEALTH_CONNTRACK_FLOOR &&
		 is < health_scale(was, HEALTH_CONNTRACK_PERCENT, 100))
		health_say(k, FINDING_FAIL, "%" PRId64 " rows are left of %" PRId64, is, was);
	else
		health_say(k, FINDING_PASS, "%" PRId64 " rows, %" PRId64 " before", is, was);
}

void health_ask_programs(struct asking *k)
{
	const struct sidestep_programs *p = k->now ? &k->now->programs : NULL;

	if (!p || !p->devices.set || !p->wrong.set)
		health_say(k, FINDING_UNKNOWN, "the agent has not looked at its devices");
	else if (p->wrong.value)
		health_say(k, FINDING_FAIL,
			   "%" PRId64 " of %" PRId64 " devices run another program, or none",
			   p->wrong.value, p->devices.value);
	else
		health_say(k, FINDING_PASS, "all %" PRId64 " devices", p->devices.value);
}

/* --- the process --- */

/* Thousandths of a processor from x to y; since its start when x cannot be compared; -1 unknown. */
static int64_t cpu_share(const struct sidestep_node *x, const struct sidestep_node *y,
			 bool *ret_since_start)
{
	const struct sidestep_health *h = y ? y->health : NULL;
	int64_t ms, took;

	*ret_since_start = false;
	if (!h || !h->process.cpu_ms.set)
		return -1;
	ms = health_same_process(x, y) && x->health->process.cpu_ms.set ? health_elapsed_ms(x, y)
									: 0;
	if (ms && health_since(h->process.cpu_ms.value, x->health->process.cpu_ms.value, &took))
		return health_scale(took, 1000, ms);
	*ret_since_start = true;
	if (!h->uptime_ms.set || h->uptime_ms.value <= 0 || h->process.cpu_ms.value < 0)
		return -1;
	return health_scale(h->process.cpu_ms.value, 1000, h->uptime_ms.value);
}

void health_ask_cpu(struct asking *k)
{
	bool young, whole;
	int64_t is = cpu_share(k->q->previous, k->q->now, &young);
	int64_t was = cpu_share(k->q->baseline, health_origin(k), &whole);

	if (is < 0)
		health_say(k, FINDING_UNKNOWN, "the agent does not tell its processor time");
	else if (is <= HEALTH_CPU_FLOOR_PER_MILLE)
		health_say(k, FINDING_PASS, "%" PRId64 " thousandths of a processor", is);
	else if (was < 0 && !young && is >= HEALTH_CPU_CEILING_PER_MILLE)
		health_say(k, FINDING_FAIL,
			   "%" PRId64 " thousandths of a processor; what it took before is not "
			   "known, and from %d on it is too much",
			   is, HEALTH_CPU_CEILING_PER_MILLE);
	else if (was < 0 || young)
		health_say(k, FINDING_UNKNOWN, "%" PRId64 " thousandths of a processor; %s", is,
			   was < 0 ? "what it took before is not known"
				   : "it has just started, and that is dear");
	else
		health_say(k,
			   is < health_scale(MAX(was, (int64_t)1), HEALTH_CPU_FACTOR_PERCENT, 100)
				   ? FINDING_PASS
				   : FINDING_FAIL,
			   "%" PRId64 " thousandths of a processor, %" PRId64 " before", is, was);
}

/* Until the limit at the growth since then; -1: it does not grow. */
static int64_t ms_to_limit(const struct sidestep_node *then, const struct sidestep_node *now)
{
	int64_t ms = health_elapsed_ms(then, now), more, left;

	if (!ms || !health_same_process(then, now) || !then->health->process.rss_bytes.set)
		return -1;
	if (!health_since(now->health->process.rss_bytes.value,
			  then->health->process.rss_bytes.value, &more) ||
	    more < HEALTH_MEMORY_STEP_BYTES ||
	    !health_since(now->health->process.limit_bytes.value,
			  now->health->process.rss_bytes.value, &left))
		return -1;
	return health_scale(left, ms, more);
}

/* An agent that has just started grows until it holds what there is. */
static bool was_full(const struct sidestep_node *then)
{
	return then && then->health && then->health->uptime_ms.set &&
	       then->health->uptime_ms.value >= HEALTH_MEMORY_FULL_MS;
}

static void ask_limited_memory(struct asking *k, const struct sidestep_process *p)
{
	int64_t left = ms_to_limit(k->q->previous, k->q->now);
	int64_t far = was_full(k->q->long_ago) ? ms_to_limit(k->q->long_ago, k->q->now) : -1;

	if (far >= 0 && far < HEALTH_MEMORY_FAR_MS &&
	    (left < 0 || left >= HEALTH_MEMORY_HORIZON_MS))
		left = far;
	else if (left >= HEALTH_MEMORY_HORIZON_MS)
		left = -1;
	if (p->rss_bytes.value >= p->limit_bytes.value / 100 * HEALTH_MEMORY_PERCENT)
		health_say(k, FINDING_FAIL, "%" PRId64 " MiB of a limit of %" PRId64 " MiB",
			   p->rss_bytes.value >> 20, p->limit_bytes.value >> 20);
	else if (left >= 0)
		health_say(k, FINDING_FAIL,
			   "%" PRId64 " MiB and growing: its limit of %" PRId64 " MiB is %" PRId64
			   " minutes away",
			   p->rss_bytes.value >> 20, p->limit_bytes.value >> 20, left / 60000);
	else
		health_say(k, FINDING_PASS, "%" PRId64 " MiB of a limit of %" PRId64 " MiB",
			   p->rss_bytes.value >> 20, p->limit_bytes.value >> 20);
}

void health_ask_memory(struct asking *k)
{
	const struct sidestep_node *was = health_origin(k);
	const struct sidestep_process *p = k->now ? &k->now->process : NULL,
				      *had = was && was->health ? &was->health->process : NULL;

	if (!p || !p->rss_bytes.set) {
		health_say(k, FINDING_UNKNOWN, "the agent does not tell its memory");
	} else if (p->limit_bytes.set) {
		ask_limited_memory(k, p);
	} else if (!had || !had->rss_bytes.set) {
		health_say(k, FINDING_UNKNOWN,
			   "no limit is set, and what it took before is not known");
	} else {
		health_say(k,
			   p->rss_bytes.value / 2 > MIN(had->rss_bytes.value, INT64_MAX / 2) +
							    HEALTH_MEMORY_SLACK_BYTES / 2
				   ? FINDING_FAIL
				   : FINDING_PASS,
			   "%" PRId64 " MiB without a limit, %" PRId64 " MiB before",
			   p->rss_bytes.value >> 20, had->rss_bytes.value >> 20);
	}
}
