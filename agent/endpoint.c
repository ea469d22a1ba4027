/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints in memory and the moves between their states. */
#include "agent/endpoint.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"

static const char *const state_names[] = {
#define X(symbol, name) name,
	ENDPOINT_STATES(X)
#undef X
};

const char *endpoint_state_name(enum endpoint_state s)
{
	return state_names[s];
}

#define BIT(symbol) (1u << ENDPOINT_STATE_##symbol)
/*
 * Where each state may go, by anybody and, in addition, by the builder. From what waits to be built
 * nobody goes back to waiting for an identity: a build is due already, and sees the new one.
 */
static const struct {
	unsigned any, builder;
} moves[ENDPOINT_STATE_COUNT] = {
	[ENDPOINT_STATE_WAITING_FOR_IDENTITY] = {BIT(READY) | BIT(DISCONNECTING) | BIT(INVALID), 0},
	[ENDPOINT_STATE_READY] = {BIT(WAITING_FOR_IDENTITY) | BIT(WAITING_TO_REGENERATE) |
					  BIT(RESTORING) | BIT(DISCONNECTING),
				  0},
	[ENDPOINT_STATE_WAITING_TO_REGENERATE] = {BIT(RESTORING) | BIT(DISCONNECTING),
						  BIT(REGENERATING)},
	[ENDPOINT_STATE_REGENERATING] = {BIT(WAITING_FOR_IDENTITY) | BIT(WAITING_TO_REGENERATE) |
						 BIT(RESTORING) | BIT(DISCONNECTING),
					 BIT(READY)},
	[ENDPOINT_STATE_RESTORING] = {BIT(RESTORING) | BIT(DISCONNECTING), BIT(REGENERATING)},
	[ENDPOINT_STATE_DISCONNECTING] = {BIT(DISCONNECTED), 0},
	[ENDPOINT_STATE_DISCONNECTED] = {0, 0},
	[ENDPOINT_STATE_INVALID] = {0, 0},
};
#undef BIT

bool endpoint_may_move(enum endpoint_state from, enum endpoint_state to, bool builder)
{
	unsigned allowed = moves[from].any | (builder ? moves[from].builder : 0);

	return allowed >> to & 1;
}

bool endpoint_move(struct agent_ep *ep, enum endpoint_state to, bool builder)
{
	if (!endpoint_may_move(ep->state, to, builder))
		return false;
	ep->state = to;
	return true;
}

const char *endpoint_shown_error(const struct agent_ep *ep)
{
	return ep->failure.error ? ep->failure.error : ep->error;
}

const char *endpoint_shown_state(const struct agent_ep *ep)
{
	if (ep->state == ENDPOINT_STATE_READY && endpoint_shown_error(ep))
		return "not-ready";
	return endpoint_state_name(ep->state);
}

void endpoint_settle(struct agent_ep *ep, int64_t wall_ns)
{
	if (ep->state == ENDPOINT_STATE_READY && !endpoint_shown_error(ep))
		ep->not_ready_since = 0;
	else if (!ep->not_ready_since)
		ep->not_ready_since = wall_ns;
}

#define FIRST_WAIT_NS (2 * NS_PER_S)

void failing_again(struct failing *f, const char *error, uint64_t now_ns, int64_t wall_ns,
		   uint64_t max_ns)
{
	uint64_t wait = MIN(FIRST_WAIT_NS << MIN(f->times, 16U), max_ns);

	free(f->error);
	f->error = xstrdup(error);
	if (!f->times++)
		f->since = wall_ns;
	f->next_ns = now_ns + wait;
	f->next = wall_ns + (int64_t)wait;
}

void failing_no_more(struct failing *f)
{
	free(f->error);
	*f = (struct failing){0};
}

static void ep_free(struct agent_ep *ep)
{
	failing_no_more(&ep->failure);
	free(ep->container);
	free(ep->netns);
	free(ep->ifname);
	free(ep->host_ifname);
	free(ep->namespace);
	free(ep->pod);
	free(ep->uid);
	free(ep->error);
	free(ep);
}

void endpoints_release(struct endpoints *e)
{
	vec_foreach (&e->list, ep)
		ep_free(*ep);
	vec_release(&e->list);
	vec_foreach (&e->bad, b) {
		free(b->path);
		free(b->container);
	}
	vec_release(&e->bad);
}

struct agent_ep *endpoints_find(const struct endpoints *e, uint32_t id)
{
	vec_foreach (&e->list, ep) {
		if ((*ep)->id == id)
			return *ep;
	}
	return NULL;
}

struct agent_ep *endpoints_find_container(const struct endpoints *e, const char *container)
{
	vec_foreach (&e->list, ep) {
		if (str_eq((*ep)->container, container))
			return *ep;
	}
	return NULL;
}

/* Numbers go round, so that one just freed does not come back at once; 1 is left for the host. */
static uint32_t free_id(struct endpoints *e)
{
	for (uint32_t n = 0; n < ENDPOINT_ID_MAX; n++) {
		uint32_t id = e->next_id < 2 ? 2 : e->next_id;

		e->next_id = id < ENDPOINT_ID_MAX ? id + 1 : 2;
		if (!endpoints_find(e, id))
			return id;
	}
	return 0;
}

static int cmp_ep(const void *a, const void *b)
{
	uint32_t x = (*(struct agent_ep *const *)a)->id, y = (*(struct agent_ep *const *)b)->id;

	return (x > y) - (x < y);
}

struct agent_ep *endpoints_add(struct endpoints *e, const char *container,
			       const struct attach_request *rq, struct error *err)
{
	struct agent_ep *ep = xcalloc(1, sizeof(*ep));

	if (net_mac_parse(str_or_empty(rq->mac), &ep->mac, err) < 0 ||
	    net_mac_parse(str_or_empty(rq->host_mac), &ep->host_mac, err) < 0) {
		free(ep);
		return NULL;
	}
	ep->id = free_id(e);
	if (!ep->id) {
		error_set(err, -ENOSPC, "every endpoint number is used");
		free(ep);
		return NULL;
	}
	ep->state = ENDPOINT_STATE_WAITING_FOR_IDENTITY;
	ep->container = xstrdup(container);
	ep->netns = xstrdup(rq->netns);
	ep->ifname = xstrdup(rq->ifname);
	ep->host_ifname = xstrdup(rq->host_ifname);
	ep->namespace = xstrdup(rq->pod_namespace);
	ep->pod = xstrdup(rq->pod_name);
	ep->uid = xstrdup(str_or_empty(rq->pod_uid));
	ep->ifindex = (uint32_t)rq->host_ifindex;
	vec_push(&e->list, ep);
	vec_sort(&e->list, cmp_ep);
	return ep;
}

void endpoints_remove(struct endpoints *e, struct agent_ep *ep)
{
	for (size_t i = 0; i < e->list.n; i++) {
		if (e->list.items[i] == ep) {
			vec_remove(&e->list, i);
			break;
		}
	}
	ep_free(ep);
}
