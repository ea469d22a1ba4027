/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a pod ends, in Kubernetes' order: all preStop hooks at once; then SIGTERM to each container,
 * where a sidecar waits for the main containers and for the sidecars started after it; SIGKILL at
 * the end of the grace period, which all share, but never sooner than two seconds after SIGTERM.
 */
#include <signal.h>

#include "deploy/lab/kubelet/pod.h"

#define LEAST_GRACE_NS (2 * NS_PER_S)

uint64_t pod_stop_left_ns(const struct pod *p)
{
	const int64_t now = clock_wall_ns(loop_clock(p->k->loop));

	return p->stop_deadline_wall > now ? (uint64_t)(p->stop_deadline_wall - now) : 0;
}

/* Whether those that must end before this one have ended. */
static bool its_turn(const struct container *c)
{
	const struct pod *p = c->pod;

	/* Only this container is being restarted. */
	if (c->role != ROLE_SIDECAR || p->phase < POD_STOPPING)
		return true;
	for (size_t i = (size_t)(c - p->containers) + 1; i < p->n_containers; i++)
		if (p->containers[i].state == CONTAINER_RUNNING &&
		    p->containers[i].role != ROLE_INIT)
			return false;
	return true;
}

static void hook_done(void *arg)
{
	struct container *c = arg;

	hook_free(c->hook);
	c->hook = NULL;
	if (c->stop == STOP_HOOK)
		c->stop = STOP_TURN;
	state_save(c->pod);
	pod_touch(c->pod);
}

static void terminate(struct container *c)
{
	c->stop = STOP_TERM;
	container_signal(c, SIGTERM);
	loop_timer_set(c->timer, MAX(pod_stop_left_ns(c->pod), LEAST_GRACE_NS));
	state_save(c->pod);
}

void container_stop_advance(struct container *c)
{
	if (c->stop == STOP_NONE) {
		c->stop = STOP_HOOK;
		c->hook = hook_start(c, hook_done, c);
		if (!c->hook)
			c->stop = STOP_TURN;
	}
	if (c->stop != STOP_TURN)
		return;
	if (its_turn(c) || pod_stop_left_ns(c->pod) == 0)
		terminate(c);
	else
		loop_timer_set(c->timer, pod_stop_left_ns(c->pod));
}

void container_stop_timeout(struct container *c)
{
	if (c->stop == STOP_TURN) {
		terminate(c);
	} else if (c->stop == STOP_TERM) {
		c->stop = STOP_KILL;
		container_kill_all(c);
		container_signal(c, SIGKILL);
	}
}

void pod_stop_advance(struct pod *p)
{
	for (size_t i = 0; i < p->n_containers; i++)
		if (p->containers[i].state == CONTAINER_RUNNING)
			container_stop_advance(&p->containers[i]);
}

void container_stop(struct container *c)
{
	const int64_t grace =
		doc_int_or(doc_get(c->pod->spec, "terminationGracePeriodSeconds"), 30);

	c->pod->stop_deadline_wall =
		clock_wall_ns(loop_clock(c->pod->k->loop)) + grace * (int64_t)NS_PER_S;
	container_stop_advance(c);
}

void pod_stop(struct pod *p, int64_t grace_s)
{
	const int64_t deadline =
		clock_wall_ns(loop_clock(p->k->loop)) + grace_s * (int64_t)NS_PER_S;

	/* A second deletion may only shorten what is left. */
	if (p->phase < POD_STOPPING || deadline < p->stop_deadline_wall)
		p->stop_deadline_wall = deadline;
	if (p->phase >= POD_STOPPING)
		return;
	p->phase = POD_STOPPING;
	for (size_t i = 0; i < p->n_containers; i++) {
		struct container *c = &p->containers[i];

		/* One that waits to be restarted is not started any more. */
		if (c->state == CONTAINER_WAITING)
			loop_timer_stop(c->timer);
	}
	state_save(p);
	pod_touch(p);
}
