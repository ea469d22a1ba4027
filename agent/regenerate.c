/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regeneration: compare what is in force for an endpoint with the kernel's rows, repair, look at
 * the attached programs, and bump the generation. What fails is not ready from then on, and is
 * regenerated again by itself with a growing wait until it works.
 */
#include <stdio.h>

#include "agent/agent.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"

static const uint64_t most_wait_ns = 120 * NS_PER_S;

static void arm_recovery(struct agent *agent)
{
	uint64_t now = loop_now_ns(agent->loop), next = 0;

	vec_foreach (&agent->endpoints.list, it) {
		const struct failing *f = &(*it)->failure;

		if (f->error && (!next || f->next_ns < next))
			next = MAX(f->next_ns, (uint64_t)1);
	}
	if (next)
		loop_timer_set(agent->recovery_timer, next > now ? next - now : 0);
	else
		loop_timer_stop(agent->recovery_timer);
}

void recovery_needed(struct agent *agent, struct agent_ep *ep, const char *error)
{
	int64_t wall = clock_wall_ns(agent->clock);

	failing_again(&ep->failure, error, loop_now_ns(agent->loop), wall, most_wait_ns);
	endpoint_settle(ep, wall);
	arm_recovery(agent);
}

static int rebuild(struct agent *agent, struct agent_ep *ep, struct arena *a,
		   struct datapath_regenerated *ret, struct error *err)
{
	int r;

	endpoint_move(ep, ENDPOINT_STATE_WAITING_TO_REGENERATE, false);
	endpoint_move(ep, ENDPOINT_STATE_REGENERATING, true);
	r = datapath_attach_pod(agent->dp, ep->ifindex, err);
	if (r == 0)
		r = datapath_regenerate(agent->dp, &agent->applied->desired, ep->id, a, ret, err);
	if (ep->state == ENDPOINT_STATE_REGENERATING)
		endpoint_move(ep, ENDPOINT_STATE_READY, true);
	return r;
}

static void worked(struct agent *agent, struct agent_ep *ep, const struct datapath_regenerated *r)
{
	if (ep->failure.error)
		agent->vitals.looked_ns = 0; /* look at its device again */
	failing_no_more(&ep->failure);
	endpoint_settle(ep, clock_wall_ns(agent->clock));
	agent->vitals.regenerated++;
	log_info(&agent->log, "endpoint regenerated id=%u generation=%u->%u corrupted=%zu", ep->id,
		 r->generation_before, r->generation_after, r->n_corrupted);
	for (size_t i = 0; i < r->corrupted.n; i++)
		log_warn(&agent->log, "endpoint %u: repaired %s", ep->id, r->corrupted.items[i]);
	if (r->n_corrupted > r->corrupted.n)
		log_warn(&agent->log, "endpoint %u: repaired %zu rows more", ep->id,
			 r->n_corrupted - r->corrupted.n);
}

int agent_regenerate(struct agent *agent, struct agent_ep *ep, struct arena *a,
		     struct datapath_regenerated *ret, struct error *err)
{
	struct error why = ERROR_INIT;
	int r;

	/* Then it is not ready anyhow, and rounds are repeated. */
	if (!agent->applied->revision || agent->failing)
		return error_set(err, -EAGAIN, "%s", agent->problem);
	if (!mesh_desired_endpoint(&agent->applied->desired, ep->id))
		return error_set(err, -EAGAIN, "endpoint %u is not built yet", ep->id);
	r = rebuild(agent, ep, a, ret, &why);
	if (r == 0) {
		worked(agent, ep, ret);
		return 0;
	}
	agent->vitals.failed++;
	log_error(&agent->log, "endpoint %u not regenerated: %s", ep->id, why.msg);
	recovery_needed(agent, ep, why.msg);
	return error_set(err, r, "%s", why.msg);
}

int agent_reload(struct agent *agent, uint64_t since_ns, struct error *err)
{
	struct reload *l = &agent->reload;
	struct error why = ERROR_INIT;

	if (l->at_ns < since_ns || !l->at_ns) {
		l->code = datapath_reload(agent->dp, &why);
		l->at_ns = MAX(loop_now_ns(agent->loop), since_ns);
		snprintf(l->error, sizeof(l->error), "%s", why.msg);
		if (l->code < 0)
			log_error(&agent->log, "programs not loaded again: %s", l->error);
		else
			log_info(&agent->log, "programs loaded again");
	}
	return l->code < 0 ? error_set(err, l->code, "%s", l->error) : 0;
}

static void recover(struct agent *agent, struct agent_ep *ep, uint64_t now)
{
	struct datapath_regenerated done = {0};
	struct error err = ERROR_INIT;
	struct arena a = ARENA_INIT;
	int r = agent->reload.code < 0 ? agent_reload(agent, now, &err) : 0;

	if (r < 0) {
		agent->vitals.failed++;
		recovery_needed(agent, ep, err.msg);
	} else if (agent_regenerate(agent, ep, &a, &done, &err) == -EAGAIN) {
		/* Nothing was tried: the rounds fail, or have not come to it. */
		ep->failure.next_ns = now + most_wait_ns / 60;
	}
	arena_release(&a);
}

void recovery_run(struct agent *agent)
{
	uint64_t now = loop_now_ns(agent->loop);

	vec_foreach (&agent->endpoints.list, it) {
		struct agent_ep *ep = *it;

		if (ep->failure.error && ep->failure.next_ns <= now)
			recover(agent, ep, now);
	}
	arm_recovery(agent);
	api_endpoints_changed(agent);
}
