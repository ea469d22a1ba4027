/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "lib/agentapi/health_impl.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"

enum { NAMED = 3 }; /* of a list, in words */

void health_say(struct asking *k, enum finding_result result, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	k->item->result = result;
	k->item->words = arena_vprintf(k->a, fmt, args);
	va_end(args);
}

/* "a, b, c and 4 more" of n. */
static const char *some(struct asking *k, const char *const *names, size_t n_names, size_t n)
{
	struct strbuf sb = STRBUF_INIT;
	const char *text;

	for (size_t i = 0; i < MIN(n_names, (size_t)NAMED); i++)
		strbuf_addf(&sb, "%s%s", i ? ", " : "", str_or_empty(names[i]));
	if (n > MIN(n_names, (size_t)NAMED))
		strbuf_addf(&sb, " and %zu more", n - MIN(n_names, (size_t)NAMED));
	text = arena_strdup(k->a, strbuf_cstr(&sb));
	strbuf_release(&sb);
	return text;
}

bool health_same_boot(const struct sidestep_node *x, const struct sidestep_node *y)
{
	return x && y && x->boot_id && str_eq(x->boot_id, y->boot_id);
}

bool health_same_process(const struct sidestep_node *x, const struct sidestep_node *y)
{
	return health_same_boot(x, y) && x->health && y->health && x->health->started &&
	       str_eq(x->health->started, y->health->started);
}

bool health_since(int64_t x, int64_t y, int64_t *ret)
{
	return !__builtin_sub_overflow(x, y, ret) && *ret >= 0;
}

int64_t health_scale(int64_t n, int64_t by, int64_t over)
{
	__int128 wide = (__int128)n * by / (over ? over : 1);

	return wide > INT64_MAX ? INT64_MAX : wide < INT64_MIN ? INT64_MIN : (int64_t)wide;
}

enum finding_result health_worse(enum finding_result x, enum finding_result y)
{
	if (x == FINDING_FAIL || y == FINDING_FAIL)
		return FINDING_FAIL;
	return x == FINDING_UNKNOWN || y == FINDING_UNKNOWN ? FINDING_UNKNOWN : FINDING_PASS;
}

int64_t health_elapsed_ms(const struct sidestep_node *x, const struct sidestep_node *y)
{
	int64_t ms;

	if (!health_same_boot(x, y) || !x->health || !y->health || !x->health->clock_ms.set ||
	    !y->health->clock_ms.set)
		return 0;
	return health_since(y->health->clock_ms.value, x->health->clock_ms.value, &ms) ? ms : 0;
}

const struct sidestep_node *health_origin(const struct asking *k)
{
	return k->q->origin ? k->q->origin : k->q->before;
}

static void ask_ready(struct asking *k)
{
	const struct sidestep_node *n = k->q->now;
	int64_t updated, age;

	if (k->q->wall_ns) {
		if (!n->updated || clock_parse_rfc3339(n->updated, &updated) < 0) {
			health_say(k, FINDING_UNKNOWN, "it does not say when it said this");
			return;
		}
		/* Clocks differ a little; what is dated later than that never grows old. */
		if (health_since(updated, k->q->wall_ns, &age) &&
		    (uint64_t)age > k->q->max_age_ns) {
			health_say(k, FINDING_UNKNOWN,
				   "its clock is %" PRId64 " s ahead: how old this is is not known",
				   age / (int64_t)NS_PER_S);
			return;
		}
		if (health_since(k->q->wall_ns, updated, &age) &&
		    (uint64_t)age > k->q->max_age_ns) {
			health_say(k, FINDING_UNKNOWN, "it has said nothing for %" PRId64 " s",
				   age / (int64_t)NS_PER_S);
			return;
		}
	}
	if (n->ready)
		health_say(k, FINDING_PASS, "the agent is ready");
	else
		health_say(k, FINDING_FAIL, "the agent is not ready: %s",
			   n->message ? n->message : "it does not say why");
}

static void ask_version(struct asking *k)
{
	const char *is = k->q->now->version, *want = k->q->version;

	if (!want && k->q->before)
		want = k->q->before->version;
	if (!is || !want)
		health_say(k, FINDING_UNKNOWN, "%s",
			   is ? "it is not known which it should have"
			      : "it does not say which it has");
	else if (str_eq(is, want))
		health_say(k, FINDING_PASS, "it is %s", is);
	else
		health_say(k, FINDING_FAIL, "it is %s and should be %s", is, want);
}

static void ask_restarts(struct asking *k)
{
	int64_t n = 0;

	if (!k->now || !k->before || !k->now->starts.set || !k->before->starts.set) {
		health_say(k, FINDING_UNKNOWN, "it is not told how often the agent was started");
		return;
	}
	if (!health_same_boot(k->q->before, k->q->now))
		health_say(k, FINDING_UNKNOWN, "the machine itself was started anew");
	else if (!health_since(k->now->starts.value, k->before->starts.value, &n))
		health_say(k, FINDING_UNKNOWN,
			   "the agent's state folder is another one than before");
	else if (n == k->q->starts)
		health_say(k, FINDING_PASS, "started %" PRId64 " times since before, as meant", n);
	else
		health_say(k, FINDING_FAIL,
			   "started %" PRId64 " times since before, and %" PRId64 " were meant", n,
			   k->q->starts);
}

static void say_not_ready(struct asking *k, const struct sidestep_health_endpoints *e)
{
	const struct sidestep_not_ready *first = e->items;

	if (e->n_items)
		health_say(k, FINDING_FAIL, "%" PRId64 " not ready, the first is %s/%s: %s%s%s",
			   e->not_ready.value, str_or_empty(first->namespace),
			   str_or_empty(first->pod), str_or_empty(first->state),
			   first->error ? ": " : "", str_or_empty(first->error));
	else
		health_say(k, FINDING_FAIL, "%" PRId64 " not ready", e->not_ready.value);
}

static void ask_endpoints(struct asking *k)
{
	const struct sidestep_health_endpoints *e = k->now ? &k->now->endpoints : NULL;
	const struct sidestep_node *was = health_origin(k);
	struct opt_int had =
		was && was->health ? was->health->endpoints.missing : (struct opt_int){0};

	if (!e || !e->not_ready.set || !e->ready.set || !e->missing.set)
		health_say(k, FINDING_UNKNOWN, "the agent does not tell how its endpoints stand");
	else if (e->not_ready.value)
		say_not_ready(k, e);
	else if (e->missing.value && !had.set)
		health_say(k, FINDING_UNKNOWN,
			   "%" PRId64 " pods have no endpoint (%s); before: not known",
			   e->missing.value,
			   some(k, e->missing_pods.items, e->missing_pods.n,
				(size_t)e->missing.value));
	else if (e->missing.value > had.value)
		health_say(
			k, FINDING_FAIL,
			"%" PRId64 " pods have no endpoint (%s); before it were %" PRId64,
			e->missing.value,
			some(k, e->missing_pods.items, e->missing_pods.n, (size_t)e->missing.value),
			had.value);
	else
		health_say(k, FINDING_PASS, "%" PRId64 " ready, %" PRId64 " pods never had one",
			   e->ready.value, e->missing.value);
}

static void ask_controllers(struct asking *k)
{
	const struct sidestep_controller *c = k->now ? k->now->controllers : NULL;

	if (!k->now || !k->now->failing_controllers.set)
		health_say(k, FINDING_UNKNOWN, "the agent does not tell what it repeats");
	else if (!k->now->failing_controllers.value)
		health_say(k, FINDING_PASS, "nothing is failing");
	else
		health_say(k, FINDING_FAIL, "%" PRId64 " failing%s%s%s%s",
			   k->now->failing_controllers.value, c ? ", the first is " : "",
			   c ? str_or_empty(c->name) : "", c ? ": " : "",
			   c ? str_or_empty(c->error) : "");
}

static const struct sidestep_endpoint *endpoint_of(const struct sidestep_node *n, const char *uid)
{
	for (size_t i = 0; i < n->n_endpoints; i++) {
		if (str_eq(n->endpoints[i].uid, uid))
			return &n->endpoints[i];
	}
	return NULL;
}

static bool has(const struct strings *s, const char *item)
{
	for (size_t i = 0; i < s->n; i++) {
		if (str_eq(s->items[i], item))
			return true;
	}
	return false;
}

static const char *pod_name(struct asking *k, const struct sidestep_endpoint *e)
{
	return arena_printf(k->a, "%s/%s", str_or_empty(e->namespace), str_or_empty(e->pod));
}

static void ask_restored(struct asking *k)
{
	const struct sidestep_node *was = health_origin(k), *now = k->q->now;
	const char *lost[NAMED];
	size_t n = 0, gone = 0;

	if (!was) {
		health_say(k, FINDING_UNKNOWN, "it is not known which there were before");
		return;
	}
	for (size_t i = 0; i < was->n_endpoints; i++) {
		const struct sidestep_endpoint *e = &was->endpoints[i];

		if (endpoint_of(now, e->uid))
			continue;
		if (k->q->pods && !has(k->q->pods, e->uid)) {
			gone++;
			continue;
		}
		if (n < NAMED)
			lost[n] = pod_name(k, e);
		n++;
	}
	if (!n)
		health_say(k, FINDING_PASS, "all %zu of before, of which %zu pods are no more",
			   was->n_endpoints, gone);
	else
		health_say(k, k->q->pods ? FINDING_FAIL : FINDING_UNKNOWN,
			   "%zu of before are missing%s: %s", n,
			   k->q->pods ? "" : " (whether their pods are is not known)",
			   some(k, lost, MIN(n, (size_t)NAMED), n));
}

static void ask_generation(struct asking *k)
{
	const struct sidestep_node *was = k->q->before, *now = k->q->now;
	const char *stuck[NAMED];
	size_t n = 0, of = 0, unknown = 0;

	if (!k->q->regenerated) {
		health_say(k, FINDING_SKIP, "no regeneration was asked for");
		return;
	}
	if (!health_same_boot(was, now)) {
		health_say(k, FINDING_UNKNOWN, "%s",
			   was ? "generations of another boot say nothing"
			       : "the generations of before are not known");
		return;
	}
	for (size_t i = 0; i < was->n_endpoints; i++) {
		const struct sidestep_endpoint *old = &was->endpoints[i],
					       *e = endpoint_of(now, old->uid);

		if (!e || e->id != old->id)
			continue;
		of++;
		if (old->generation <= 0 || e->generation <= 0) {
			unknown++; /* an endpoint without a row in the kernel has none */
			continue;
		}
		if (e->generation > old->generation)
			continue;
		if (n < NAMED)
			stuck[n] = pod_name(k, e);
		n++;
	}
	if (!n && unknown)
		health_say(k, FINDING_UNKNOWN, "of %zu of %zu no generation is told", unknown, of);
	else if (n)
		health_say(k, FINDING_FAIL, "%zu of %zu have not advanced: %s", n, of,
			   some(k, stuck, MIN(n, (size_t)NAMED), n));
	else
		health_say(k, FINDING_PASS, "all %zu that were there before have advanced", of);
}

static void (*const questions[HEALTH_ITEM_COUNT])(struct asking *k) = {
	[HEALTH_READY] = ask_ready,
	[HEALTH_VERSION] = ask_version,
	[HEALTH_RESTARTS] = ask_restarts,
	[HEALTH_ENDPOINTS] = ask_endpoints,
	[HEALTH_CONTROLLERS] = ask_controllers,
	[HEALTH_RESTORED] = ask_restored,
	[HEALTH_GENERATION] = ask_generation,
	[HEALTH_REGENERATIONS] = health_ask_regenerations,
	[HEALTH_DROPS] = health_ask_drops,
	[HEALTH_DENIED] = health_ask_denied,
	[HEALTH_MAP_ERRORS] = health_ask_map_errors,
	[HEALTH_MAP_PRESSURE] = health_ask_map_pressure,
	[HEALTH_CONNTRACK] = health_ask_conntrack,
	[HEALTH_PROGRAMS] = health_ask_programs,
	[HEALTH_CPU] = health_ask_cpu,
	[HEALTH_MEMORY] = health_ask_memory,
};

static const struct {
	const char *id, *title;
} names[HEALTH_ITEM_COUNT] = {
#define X(symbol, id_, title_) [HEALTH_##symbol] = {id_, title_},
	HEALTH_ITEMS(X)
#undef X
};

static const struct sidestep_health *health_of(const struct sidestep_node *n)
{
	return n ? n->health : NULL;
}

void health_ask(struct arena *a, const struct health_question *q,
		struct health_item ret_items[HEALTH_ITEM_COUNT])
{
	struct asking k = {.a = a,
			   .q = q,
			   .baseline = health_of(q->baseline),
			   .before = health_of(q->before),
			   .previous = health_of(q->previous),
			   .now = health_of(q->now)};

	for (int i = 0; i < HEALTH_ITEM_COUNT; i++) {
		k.item = &ret_items[i];
		*k.item = (struct health_item){.id = names[i].id, .title = names[i].title};
		if (q->now)
			questions[i](&k);
		else
			health_say(&k, FINDING_UNKNOWN, "the node's agent has published nothing");
	}
}

enum finding_result health_judge(const struct health_item items[HEALTH_ITEM_COUNT])
{
	enum finding_result worst = FINDING_PASS;

	for (int i = 0; i < HEALTH_ITEM_COUNT; i++) {
		if (items[i].result == FINDING_FAIL)
			return FINDING_FAIL;
		if (items[i].result == FINDING_UNKNOWN)
			worst = FINDING_UNKNOWN;
	}
	return worst;
}
