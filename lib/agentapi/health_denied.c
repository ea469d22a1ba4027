/* SPDX-License-Identifier: Apache-2.0 */
/* Is anybody refused who was let through before? */
#include <inttypes.h>

#include "lib/agentapi/health_impl.h"
#include "lib/base/str.h"

/* What is told of a pair of identities, a protocol and a verdict. */
struct told {
	bool exact;  /* of that port */
	bool many;   /* that port may be among others that are told as one sum */
	int64_t sum; /* over all ports */
	int64_t own; /* of that port, where it is told */
};

static void add_count(int64_t *sum, int64_t n)
{
	if (__builtin_add_overflow(*sum, MAX(n, (int64_t)0), sum))
		*sum = INT64_MAX;
}

static void add_told(const struct sidestep_counter *rows, size_t n,
		     const struct sidestep_counter *like, const char *verdict, struct told *t)
{
	for (size_t i = 0; i < n; i++) {
		const struct sidestep_counter *c = &rows[i];

		if (c->source != like->source || c->destination != like->destination ||
		    !str_eq(c->protocol, like->protocol) || !str_eq(c->verdict, verdict))
			continue;
		if (c->port == COUNTER_PORT_MANY || like->port == COUNTER_PORT_MANY)
			t->many = true;
		else if (c->port == like->port) {
			t->exact = true;
			add_count(&t->own, c->count);
		}
		add_count(&t->sum, c->count);
	}
}

static struct told refused(const struct sidestep_node *n, const struct sidestep_counter *like)
{
	struct told t = {0};

	add_told(n->counters, n->n_counters, like, "dropped", &t);
	return t;
}

static struct told let_in(const struct sidestep_node *n, const struct sidestep_counter *like)
{
	struct told t = {0};

	add_told(n->counters, n->n_counters, like, "forwarded", &t);
	return t;
}

/* By who sends, which says nothing of who receives. */
static struct told let_out(const struct sidestep_node *n, const struct sidestep_counter *like)
{
	struct told t = {0};

	if (n->sent)
		add_told(n->sent->items, n->sent->n_items, like, "forwarded", &t);
	return t;
}

static struct told let_through(const struct sidestep_node *n, const struct sidestep_counter *like)
{
	struct told in = let_in(n, like), out = let_out(n, like);

	add_count(&in.sum, out.sum);
	add_count(&in.own, out.own);
	return (struct told){in.exact || out.exact, in.many || out.many, in.sum, in.own};
}

/* Whether a row that was not there says that nothing came: a full map has forgotten some, and
 * without `sent` nothing is known of what left here for another node. */
static bool told_all(const struct sidestep_node *was, const struct sidestep_counter *like)
{
	const struct sidestep_map *traffic = health_map_of(was->health, "traffic");

	if (was->n_counters >= SIDESTEP_NODE_MAX_COUNTERS)
		return false;
	if (traffic && traffic->evicts && health_map_is_nearly_full(traffic))
		return false;
	if (was->sent)
		return was->sent->rows <= (int64_t)was->sent->n_items;
	for (size_t i = 0; i < was->n_endpoints; i++) {
		if (was->endpoints[i].identity == like->source)
			return false;
	}
	return true;
}

static bool same_counters(const struct sidestep_node *x, const struct sidestep_node *y)
{
	return health_same_boot(x, y) && x->counters_epoch &&
	       str_eq(x->counters_epoch, y->counters_epoch);
}

static const struct sidestep_counter *row_like(const struct sidestep_counter *rows, size_t n,
					       const struct sidestep_counter *c)
{
	for (size_t i = 0; i < n; i++) {
		const struct sidestep_counter *x = &rows[i];

		if (x->source == c->source && x->destination == c->destination &&
		    x->port == c->port && str_eq(x->protocol, c->protocol))
			return x;
	}
	return NULL;
}

static bool was_refusing(const struct health_question *q, const struct sidestep_counter *c)
{
	return row_like(q->refusing, q->n_refusing, c);
}

static bool is_both(const struct sidestep_node *n, const struct sidestep_counter *c)
{
	struct told passed = let_through(n, c);

	return str_eq(c->verdict, "dropped") && (passed.exact || passed.many);
}

bool health_may_refuse(const struct sidestep_node *n)
{
	for (size_t i = 0; i < n->n_counters; i++)
		if (is_both(n, &n->counters[i]))
			return true;
	return false;
}

struct sidestep_counter *health_refusing(struct arena *a, const struct sidestep_node *earlier,
					 const struct sidestep_node *before, size_t *ret_n)
{
	struct sidestep_counter *list =
		arena_array(a, HEALTH_MAX_REFUSING, struct sidestep_counter);

	*ret_n = 0;
	if (!same_counters(earlier, before))
		return list;
	for (size_t i = 0; i < before->n_counters && *ret_n < HEALTH_MAX_REFUSING; i++) {
		const struct sidestep_counter *c = &before->counters[i];

		if (is_both(before, c) && refused(before, c).own > refused(earlier, c).own)
			list[(*ret_n)++] = *c;
	}
	return list;
}

static void add_refused(const struct sidestep_node *n, bool both, size_t most,
			struct sidestep_counter *list, size_t *n_list)
{
	for (size_t i = 0; i < n->n_counters && *n_list < most; i++)
		if (str_eq(n->counters[i].verdict, "dropped") &&
		    is_both(n, &n->counters[i]) == both)
			list[(*n_list)++] = n->counters[i];
}

struct sidestep_counter *health_refused(struct arena *a, const struct sidestep_node *before,
					size_t *ret_n)
{
	struct sidestep_counter *list =
		arena_array(a, HEALTH_MAX_REFUSED_BOTH, struct sidestep_counter);

	*ret_n = 0;
	add_refused(before, true, HEALTH_MAX_REFUSED_BOTH, list, ret_n);
	add_refused(before, false, HEALTH_MAX_REFUSED, list, ret_n);
	return list;
}

/* Nobody here has ever let it in, and it is let out as it was: it is refused where it arrives, as
 * it has always been. So are callers whose service has endpoints on more than one node. */
static bool is_refused_inside(const struct asking *k, const struct sidestep_counter *c)
{
	const struct sidestep_node *was = k->q->before;
	struct told in = let_in(was, c), out = let_out(was, c);

	return !in.exact && !in.many && out.exact && !out.many &&
	       let_out(k->q->now, c).own > out.own;
}

/* Of a pair that has been both let through and refused since the machine started: what it was last
 * is what grew from the baseline to before. */
static enum finding_result judge_both(const struct asking *k, const struct sidestep_counter *c)
{
	const struct sidestep_node *base = k->q->baseline, *was = k->q->before;
	struct told had = refused(was, c), passed = let_through(was, c);

	if (refused(k->q->now, c).own == had.own || was_refusing(k->q, c) ||
	    is_refused_inside(k, c))
		return FINDING_PASS; /* not since before, or then already, or always */
	if (!same_counters(base, was))
		return FINDING_UNKNOWN;
	if (had.own > refused(base, c).own)
		return FINDING_PASS;
	return passed.exact && passed.own > let_through(base, c).own &&
			       let_through(k->q->now, c).own == passed.own
		       ? FINDING_FAIL
		       : FINDING_UNKNOWN;
}

/* Since this was first looked at it was refused no more, and let through: it is over. */
static bool is_let_again(const struct asking *k, const struct sidestep_counter *c)
{
	const struct sidestep_node *first = k->q->before, *now = k->q->now;
	struct told passed = let_through(now, c), had = refused(first, c);

	return passed.exact && had.exact && refused(now, c).own == had.own &&
	       passed.own > let_through(first, c).own;
}

/* Nobody of them has been let through since the counts began: since the machine started, that may
 * be what is wrong. */
static enum finding_result judge_only_refused(const struct asking *k,
					      const struct sidestep_counter *c)
{
	const struct sidestep_node *origin = k->q->origin;
	struct told had, passed;

	if (origin && origin->counters_epoch && !was_refusing(k->q, c)) {
		had = refused(origin, c);
		passed = let_through(origin, c);
		if (passed.exact && !had.exact && !had.many)
			return FINDING_FAIL;
		if (passed.exact || passed.many)
			return FINDING_UNKNOWN;
	}
	return told_all(k->q->before, c) ? FINDING_PASS : FINDING_UNKNOWN;
}

/* The same when nothing was counted at the change but what `refused` tells: who is let through at
 * any time and stands there with another count, or not at all, was refused by the changed agent. */
static enum finding_result judge_later(struct asking *k, const struct sidestep_counter *c)
{
	const struct sidestep_counter *then = row_like(k->q->refused, k->q->n_refused, c);
	struct told passed = let_through(k->q->now, c), first = let_through(k->q->before, c);

	if (!passed.exact && !passed.many && !first.exact && !first.many)
		return judge_only_refused(k, c);
	if (was_refusing(k->q, c) || is_refused_inside(k, c) || (then && then->count == c->count))
		return FINDING_PASS;
	if (!is_let_again(k, c))
		return FINDING_UNKNOWN;
	k->item->forgiven = arena_printf(k->a,
					 "identity %" PRId64 " to %" PRId64 " port %" PRId64
					 " was refused for a while, and is let through again",
					 c->source, c->destination, c->port);
	return FINDING_PASS;
}

/* Is *c, a row of refusals as it is now, of somebody who was let through before? */
static enum finding_result judge_refusal(struct asking *k, const struct sidestep_counter *c)
{
	const struct sidestep_node *was = k->q->before;
	struct told had = refused(was, c), passed = let_through(was, c);

	if (was_refusing(k->q, c))
		return FINDING_PASS;
	if (k->q->counted_later && !k->q->unchanged)
		return judge_later(k, c);

	if (had.exact && k->q->unchanged)
		return FINDING_PASS;
	if (had.exact)
		return passed.exact || passed.many ? judge_both(k, c) : FINDING_PASS;
	/* A smaller sum has lost rows, and says nothing of the others. */
	if (had.many && refused(k->q->now, c).sum == had.sum)
		return FINDING_PASS;
	if (passed.exact && !had.many)
		return FINDING_FAIL;
	if (passed.exact || passed.many)
		return FINDING_UNKNOWN;
	return told_all(was, c) ? FINDING_PASS : FINDING_UNKNOWN;
}

static void say_refusal(struct asking *k, enum finding_result r, const struct sidestep_counter *c)
{
	const char *port = c->port == COUNTER_PORT_MANY
				   ? "many ports"
				   : arena_printf(k->a, "port %" PRId64, c->port);

	health_say(k, r, "identity %" PRId64 " to %" PRId64 " %s %s (%" PRId64 ")%s", c->source,
		   c->destination, port,
		   r == FINDING_FAIL ? "was let through before and is refused now"
				     : "is refused now",
		   c->count,
		   r == FINDING_FAIL ? ""
		   : k->q->counted_later
			   ? "; whether it was before is not known, nor whether it still is: let a "
			     "pod of it try"
			   : "; whether it was before is not known");
}

void health_ask_denied(struct asking *k)
{
	const struct sidestep_node *was = k->q->before, *now = k->q->now;
	enum finding_result worst = FINDING_PASS;

	if (!same_counters(was, now)) {
		health_say(k, FINDING_UNKNOWN, "the counts of before and now cannot be compared");
		return;
	}
	for (size_t i = 0; i < now->n_counters; i++) {
		const struct sidestep_counter *c = &now->counters[i];

		enum finding_result r =
			str_eq(c->verdict, "dropped") ? judge_refusal(k, c) : FINDING_PASS;

		if (health_worse(worst, r) == worst)
			continue;
		worst = r;
		say_refusal(k, r, c);
	}
	if (worst != FINDING_PASS)
		return;
	if (now->n_counters >= SIDESTEP_NODE_MAX_COUNTERS)
		health_say(k, FINDING_UNKNOWN, "there are more pairs than the agent can tell");
	else
		health_say(k, FINDING_PASS, "no pair that was let through before is refused");
}

struct sidestep_counter *health_denied(struct arena *a, const struct health_question *q,
				       size_t *ret_n)
{
	struct sidestep_counter *list = arena_array(a, HEALTH_MAX_REFUSED, struct sidestep_counter);
	struct health_item item = {0};
	struct asking k = {.a = a, .q = q, .item = &item};

	*ret_n = 0;
	if (!same_counters(q->before, q->now))
		return list;
	for (size_t i = 0; i < q->now->n_counters && *ret_n < HEALTH_MAX_REFUSED; i++) {
		const struct sidestep_counter *c = &q->now->counters[i];

		if (str_eq(c->verdict, "dropped") && judge_refusal(&k, c) != FINDING_PASS)
			list[(*ret_n)++] = *c;
	}
	return list;
}
