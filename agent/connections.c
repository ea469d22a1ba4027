/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/connections.c - connections between releases: rows copied from one layout of their map to
 * the other between other work, the requests Prepare and Finalize, and what is published of it.
 */
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
	if (code)
		log_warn(&agent->log, "connections: %s", err.msg);
	datapath_conntrack(agent->dp, &after);
	if (before.copying && !after.copying) {
		log_info(&agent->log, "connections carried rows=%" PRIu64 " layout=%u older=%u",
			 after.converted, after.layout, after.older);
		loop_timer_set(agent->publish_timer, 0);
	}
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
	wake(agent);
}

void connections_stop(struct agent *agent)
{
	loop_timer_free(agent->connections.timer);
	free(agent->connections.request);
	memset(&agent->connections, 0, sizeof(agent->connections));
}

struct sidestep_conntrack *connections_shown(struct agent *agent, struct arena *a)
{
	struct sidestep_conntrack *out = arena_new(a, struct sidestep_conntrack);
	struct datapath_conntrack c;

	datapath_conntrack(agent->dp, &c);
	if (!c.known)
		return NULL;
	out->layout = c.layout;
	out->older = c.older;
	out->entries = (int64_t)c.entries;
	out->converted = (int64_t)c.converted;
	out->remaining = (int64_t)c.remaining;
	return out;
}

/* What the request asks is begun, when that was not done yet. */
static int begin(struct agent *agent, const struct sidestep_request *r, int64_t generation,
		 struct error *err)
{
	struct connections *c = &agent->connections;
	int code;

	if (str_eq(c->request, r->meta.name) && c->generation == generation)
		return 0;
	code = r->kind == REQUEST_PREPARE ? datapath_prepare(agent->dp, (unsigned)r->layout, err)
					  : datapath_finalize(agent->dp, err);
	if (code)
		return code;
	free(c->request);
	c->request = xstrdup(r->meta.name);
	c->generation = generation;
	c->began_ns = loop_now_ns(agent->loop);
	wake(agent);
	return 0;
}

void connections_answer(struct agent *agent, struct arena *a, const struct sidestep_request *r,
			struct sidestep_request_node *node)
{
	struct datapath_conntrack c;
	struct error err = ERROR_INIT;
	int code = begin(agent, r, node->observed_generation, &err);

	datapath_conntrack(agent->dp, &c);
	node->state = code == -EBUSY || (!code && c.copying) ? "active" : code ? "failed" : "done";
	if (code)
		node->message = arena_strdup(a, err.msg);
	else if (c.copying)
		node->message = arena_printf(a, "%" PRIu64 " of about %" PRIu64 " rows copied",
					     c.converted, c.converted + c.remaining);
	if (code || r->kind != REQUEST_PREPARE)
		return;
	node->entries = (int64_t)c.converted;
	node->seconds = (double)(loop_now_ns(agent->loop) - agent->connections.began_ns) / NS_PER_S;
}
