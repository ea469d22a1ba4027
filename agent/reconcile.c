/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's heart: what the cluster says -> what the kernel should hold -> what it holds.
 *
 * One round is a snapshot of the informers, a pure compile, and one datapath_apply(), which
 * compares and writes the difference in a safe order. It runs when something changed and everything
 * has been seen once: an agent that has just started leaves the kernel as it is until it knows the
 * cluster, so nothing is lost or widened by a restart. A round that fails is repeated.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "lib/base/alloc.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"

/* A failed round is repeated later each time, and soon when something has changed; not at once, for
 * much may change while nothing gets better. */
static const uint64_t most_wait_ns = 30 * NS_PER_S, least_wait_ns = NS_PER_S / 2;

void reconcile_soon(struct agent *agent)
{
	uint64_t delay = agent->options.resync_delay;

	if (!agent->reconcile_timer ||
	    (loop_timer_running(agent->reconcile_timer) && !agent->waits_to_retry))
		return;
	if (agent->waits_to_retry)
		delay = MAX(delay, least_wait_ns);
	agent->waits_to_retry = false;
	loop_timer_set(agent->reconcile_timer, delay);
}

static const struct pod *pod_named(const struct mesh_input *in, const struct agent_ep *ep)
{
	for (size_t i = 0; i < in->n_pods; i++) {
		const struct pod *p = &in->pods[i];

		/* Another pod of the same name is not ours. */
		if (str_eq(p->meta.name, ep->pod) && str_eq(p->meta.namespace, ep->namespace) &&
		    (str_empty(ep->uid) || str_eq(p->meta.uid, ep->uid)))
			return p;
	}
	return NULL;
}

static const struct namespace_object *namespace_named(const struct mesh_input *in, const char *name)
{
	for (size_t i = 0; i < in->n_namespaces; i++) {
		if (str_eq(in->namespaces[i].meta.name, name))
			return &in->namespaces[i];
	}
	return NULL;
}

/* The number of an endpoint's labels; asks for one when there is none. */
static void settle_identity(struct agent *agent, struct arena *a, const struct mesh_input *in,
			    struct agent_ep *ep, struct mesh_local *local)
{
	struct strmap labels;
	uint32_t id;

	/* A namespace seen after its pod would give the pod another set a moment later. */
	if (!local->pod || !local->namespace)
		return;
	labels = mesh_pod_labels(a, local->pod, local->namespace);
	id = mesh_identity_of(in->identities, &labels);
	if (!id)
		allocator_want(agent->allocator, &labels);
	else if (id != ep->identity) {
		ep->identity = id;
		endpoint_save(ep, agent->options.state_dir, NULL);
	}
	local->identity = id;
}

/* Whether the endpoint takes part in this round; fills *local. */
static bool begin_build(struct agent *agent, struct arena *a, const struct mesh_input *in,
			struct agent_ep *ep, struct mesh_local *local)
{
	if (ep->state == ENDPOINT_STATE_DISCONNECTING)
		return false;
	*local = (struct mesh_local){.id = ep->id,
				     .pod = pod_named(in, ep),
				     .namespace = namespace_named(in, ep->namespace),
				     .ifindex = ep->ifindex,
				     .addr = ep->addr,
				     .mac = ep->mac,
				     .host_mac = ep->host_mac,
				     .netns_cookie = ep->netns_cookie};
	settle_identity(agent, a, in, ep, local);
	if (ep->state == ENDPOINT_STATE_READY && !local->identity)
		endpoint_move(ep, ENDPOINT_STATE_WAITING_FOR_IDENTITY, false);
	if (local->identity) {
		if (ep->state == ENDPOINT_STATE_WAITING_FOR_IDENTITY)
			endpoint_move(ep, ENDPOINT_STATE_READY, false);
		endpoint_move(ep, ENDPOINT_STATE_WAITING_TO_REGENERATE, false);
		endpoint_move(ep, ENDPOINT_STATE_REGENERATING, true);
	}
	return true;
}

static void collect_locals(struct agent *agent, struct arena *a, struct mesh_input *in)
{
	struct mesh_local *locals = arena_array(a, agent->endpoints.list.n + 1, struct mesh_local);

	in->locals = locals;
	in->n_locals = 0;
	vec_foreach (&agent->endpoints.list, ep) {
		if (begin_build(agent, a, in, *ep, &locals[in->n_locals]))
			in->n_locals++;
	}
}

static void end_builds(struct agent *agent, uint64_t revision, const char *problem)
{
	vec_foreach (&agent->endpoints.list, it) {
		struct agent_ep *ep = *it;

		free(ep->error);
		ep->error = problem ? xstrdup(problem) : NULL;
		/* A failed build ends too; it shows as not-ready. */
		if (ep->state == ENDPOINT_STATE_REGENERATING)
			endpoint_move(ep, ENDPOINT_STATE_READY, true);
		if (!problem && ep->state == ENDPOINT_STATE_READY) {
			ep->revision = revision;
			ep->built = true;
		}
		endpoint_settle(ep, clock_wall_ns(agent->clock));
	}
}

void applied_free(struct applied *applied)
{
	if (!applied)
		return;
	cluster_drop(&applied->held);
	arena_release(&applied->arena);
	free(applied);
}

static void adopt(struct agent *agent, struct applied *next)
{
	next->revision = agent->applied->revision + 1;
	applied_free(agent->applied);
	agent->applied = next;
}

/* Rows that differ although nothing was to change: somebody else wrote them. */
static void tell_repairs(struct agent *agent, const struct applied *next)
{
	if (next->digest == agent->applied->digest && agent->applied->revision &&
	    (next->change.written || next->change.deleted))
		log_warn(&agent->log, "the kernel's rows differed: written=%zu deleted=%zu",
			 next->change.written, next->change.deleted);
}

static int compile_and_apply(struct agent *agent, struct applied *next, struct error *err)
{
	struct mesh_input *in = &next->input;
	struct mesh_overflow overflow[8];
	int r;

	in->node_name = agent->options.node;
	in->options.tunnel = agent->options.tunnel == AGENT_TUNNEL_VXLAN;
	in->options.refuse = agent->options.refuse;
	cluster_snapshot(&agent->cluster, &next->arena, &next->held, in);
	collect_locals(agent, &next->arena, in);
	mesh_compile(&next->arena, in, &next->desired);
	next->digest = mesh_desired_digest(&next->desired);
	if (mesh_fit(&next->desired, 100, overflow))
		return error_set(err, -ENOSPC, "%zu rows do not fit into map %s (%zu)",
				 overflow[0].want, overflow[0].map, overflow[0].room);
	r = node_apply(agent, in, &next->desired, err);
	if (r < 0)
		return r;
	if (next->digest == agent->applied->digest && !agent->verify_next)
		return 0;
	r = datapath_apply(agent->dp, &next->desired, &next->change, err);
	if (r == 0)
		tell_repairs(agent, next);
	return r;
}

void reconcile(struct agent *agent)
{
	struct applied *next;
	struct error err = ERROR_INIT;
	int r;

	if (!cluster_synced(&agent->cluster)) {
		snprintf(agent->problem, sizeof(agent->problem), "waiting for the API server");
		return;
	}
	next = xcalloc(1, sizeof(*next));
	r = compile_and_apply(agent, next, &err);
	agent->failing = r < 0;
	agent->waits_to_retry = false;
	snprintf(agent->problem, sizeof(agent->problem), "%s", r < 0 ? err.msg : "");
	if (r < 0) {
		log_error(&agent->log, "not applied: %s", err.msg);
		end_builds(agent, 0, err.msg);
		applied_free(next);
		agent->verify_next = true;
		failing_again(&agent->round_failure, err.msg, loop_now_ns(agent->loop),
			      clock_wall_ns(agent->clock), most_wait_ns);
		agent->waits_to_retry = true;
		loop_timer_set(agent->reconcile_timer,
			       agent->round_failure.next_ns - loop_now_ns(agent->loop));
	} else {
		failing_no_more(&agent->round_failure);
		if (next->change.written || next->change.deleted)
			log_info(&agent->log,
				 "applied revision=%" PRIu64 " written=%zu deleted=%zu",
				 agent->applied->revision + 1, next->change.written,
				 next->change.deleted);
		/* The first round too: an agent that was killed may have left some. */
		if (next->change.deleted || !agent->applied->revision)
			agent_end_sockets(agent);
		agent->verify_next = false;
		adopt(agent, next);
		health_look(agent);
		end_builds(agent, agent->applied->revision, NULL);
		publish_policies(agent);
		publish_requests(agent);
		jobs_soon(agent);
	}
	api_endpoints_changed(agent);
}
