/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/connections.c - connections between releases: rows copied from one layout of their map to
 * the other between other work, the requests Prepare and Finalize, and what is published of it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "lib/base/alloc.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"

#define STEP_NS  NS_PER_MS /* between two batches, each about as long */
#define COUNT_NS (10 * NS_PER_S)
#define AGAIN_NS NS_PER_S /* after a failure */
#define TELL_NS  NS_PER_S /* between two numbers that are published of a copy under way */

/* The same thing is under way, or nothing is: only its numbers may differ. */
static bool same_state(const struct datapath_conntrack *x, const struct datapath_conntrack *y)
{
	return x->copying == y->copying && x->known == y->known && x->layout == y->layout &&
	       x->older == y->older;
}

/*
 * What is told to the cluster: while a copy goes on, no more often than every TELL_NS. Every answer
 * that is written comes back as a change of its request, so words that are new every time would be
 * written for ever.
 */
static const struct datapath_conntrack *look(struct agent *agent)
{
	struct connections *c = &agent->connections;
	uint64_t now = loop_now_ns(agent->loop);
	struct datapath_conntrack is;

	datapath_conntrack(agent->dp, &is);
	if (!c->told_ns || !same_state(&is, &c->told) ||
	    (is.copying && now - c->told_ns >= TELL_NS))
		c->told_ns = MAX(now, (uint64_t)1);
	else if (is.copying)
		return &c->told;
	c->told = is;
	return &c->told;
}

static const uint64_t most_wait_ns = 60 * NS_PER_S;

/* A batch, or, when nothing is to be carried, the number of entries once in a while. */
static void step(void *arg)
{
	struct agent *agent = arg;
	struct connections *c = &agent->connections;
	struct datapath_conntrack before, after;
	struct error err = ERROR_INIT;
	bool more = false;
	int code;

	datapath_conntrack(agent->dp, &before);
	if (c->idle)
		datapath_conntrack_count(agent->dp);
	code = datapath_conntrack_step(agent->dp, &more, &err);
	datapath_conntrack(agent->dp, &after);
	if (code) {
		log_warn(&agent->log, "connections: %s", err.msg);
		failing_again(&c->copy_failure, err.msg, loop_now_ns(agent->loop),
			      clock_wall_ns(agent->clock), AGAIN_NS);
	} else if (!after.copying) { /* a batch that works proves nothing of the others */
		failing_no_more(&c->copy_failure);
	}
	if (before.copying && !after.copying) {
		c->ended_ns = loop_now_ns(agent->loop);
		log_info(&agent->log, "connections carried rows=%" PRIu64 " layout=%u older=%u",
			 after.converted, after.layout, after.older);
		loop_timer_set(agent->publish_timer, 0);
		jobs_soon(agent); /* requests wait for this */
	} else if (after.copying && loop_now_ns(agent->loop) - c->told_ns >= TELL_NS) {
		look(agent);
		jobs_soon(agent);
	}
	if (c->failure.error && c->failure.next_ns <= loop_now_ns(agent->loop))
		jobs_soon(agent);
	c->idle = !code && !more;
	loop_timer_set(c->timer, code ? AGAIN_NS : more ? STEP_NS : COUNT_NS);
}

static void wake(struct agent *agent)
{
	agent->connections.idle = false;
	loop_timer_set(agent->connections.timer, 0);
}

void connections_start(struct agent *agent)
{
	agent->connections.timer = loop_timer_new(agent->loop, step, agent);
	agent->connections.began_ns = loop_now_ns(agent->loop);
	wake(agent);
}

void connections_stop(struct agent *agent)
{
	loop_timer_free(agent->connections.timer);
	failing_no_more(&agent->connections.copy_failure);
	failing_no_more(&agent->connections.failure);
	free(agent->connections.uid);
	memset(&agent->connections, 0, sizeof(agent->connections));
}

struct sidestep_conntrack *connections_shown(struct agent *agent, struct arena *a)
{
	struct sidestep_conntrack *out = arena_new(a, struct sidestep_conntrack);
	const struct datapath_conntrack *c = look(agent);

	if (!c->known)
		return NULL;
	out->layout = c->layout;
	out->older = c->older;
	out->entries = (int64_t)c->entries;
	out->converted = (int64_t)c->converted;
	out->remaining = (int64_t)c->remaining;
	return out;
}

bool connections_kept(const struct agent *agent, const struct sidestep_request *r)
{
	struct datapath_conntrack c;

	datapath_conntrack(agent->dp, &c);
	return datapath_keeps(&c, (unsigned)r->layout);
}

bool connections_failed(const struct agent *agent, const struct sidestep_request *r)
{
	const struct connections *c = &agent->connections;

	return c->failure.error && c->failed == r->kind &&
	       (r->kind == REQUEST_FINALIZE || (unsigned)r->layout == c->failed_layout ||
		!r->layout || !c->failed_layout); /* 0: the one that there is */
}

/* Notes how an attempt ended; what failed is tried again later. */
static void note(struct agent *agent, const struct sidestep_request *r, int64_t generation,
		 int code, const char *error)
{
	struct connections *c = &agent->connections;

	if (!code || !connections_failed(agent, r))
		failing_no_more(&c->failure);
	if (!code) {
		free(c->uid);
		c->uid = xstrdup(str_or_empty(r->meta.uid));
		c->generation = generation;
		return;
	}
	log_warn(&agent->log, "request %s: %s", r->meta.name, error);
	c->failed = r->kind;
	c->failed_layout = (unsigned)r->layout;
	c->code = code;
	failing_again(&c->failure, error, loop_now_ns(agent->loop), clock_wall_ns(agent->clock),
		      most_wait_ns);
}

/* What the request asks is done or begun, when it is not so. */
static int begin(struct agent *agent, const struct sidestep_request *r, int64_t generation,
		 struct error *err)
{
	struct connections *c = &agent->connections;
	bool same = str_eq(c->uid, str_or_empty(r->meta.uid)) && c->generation == generation;
	struct datapath_conntrack now;
	struct error why = ERROR_INIT;
	int code;

	datapath_conntrack(agent->dp, &now);
	/* Ours is always kept; done for this request, or being done for whomever. */
	if (r->kind == REQUEST_PREPARE && datapath_keeps(&now, (unsigned)r->layout) &&
	    (now.copying || same || (unsigned)r->layout == now.layout))
		return 0;
	if (connections_failed(agent, r) && loop_now_ns(agent->loop) < c->failure.next_ns)
		return error_set(err, c->code, "%s", c->failure.error);
	code = r->kind == REQUEST_PREPARE ? datapath_prepare(agent->dp, (unsigned)r->layout, &why)
					  : datapath_finalize(agent->dp, &why);
	/* It goes on, or only another version knows how: no failure of ours. */
	if (code == -EBUSY || code == -EOPNOTSUPP)
		return error_set(err, code, "%s", why.msg);
	note(agent, r, generation, code, why.msg);
	if (code)
		return error_set(err, code, "%s", why.msg);
	if (r->kind == REQUEST_PREPARE) {
		c->began_ns = loop_now_ns(agent->loop);
		c->ended_ns = 0;
	}
	wake(agent);
	return 0;
}

void connections_answer(struct agent *agent, struct arena *a, const struct sidestep_request *r,
			struct sidestep_request_node *node)
{
	const struct connections *own = &agent->connections;
	struct error err = ERROR_INIT;
	int code = begin(agent, r, node->observed_generation, &err);
	const struct datapath_conntrack *c = look(agent);
	uint64_t until;

	node->state = code == -EBUSY || (!code && c->copying) ? "active" : code ? "failed" : "done";
	if (code)
		node->message = arena_printf(
			a, "%s%s", err.msg,
			code == -EBUSY || code == -EOPNOTSUPP ? "" : "; it is tried again");
	else if (c->copying)
		node->message =
			arena_printf(a, "%" PRIu64 " of about %" PRIu64 " rows copied%s",
				     c->converted, c->converted + c->remaining,
				     c->evicted   ? ", some did not stay: the map is full of live "
						    "ones; it is tried again"
				     : c->refused ? ", some were refused and are tried again"
						  : "");
	if (code || r->kind != REQUEST_PREPARE)
		return;
	until = own->ended_ns ? own->ended_ns : own->told_ns;
	node->entries = (int64_t)c->converted;
	node->seconds = (double)(MAX(until, own->began_ns) - own->began_ns) / NS_PER_S;
}
