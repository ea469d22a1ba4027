/* SPDX-License-Identifier: Apache-2.0 */
/* A pod's state as the status that Kubernetes shows. */
#include <string.h>

#include "deploy/lab/kubelet/pod.h"
#include "lib/base/str.h"

bool pod_all_ready(const struct pod *p)
{
	bool any = false;

	if (p->phase != POD_RUNNING)
		return false;
	for (size_t i = 0; i < p->n_containers; i++) {
		const struct container *c = &p->containers[i];

		if (c->role == ROLE_INIT)
			continue;
		if (!c->ready || c->state != CONTAINER_RUNNING)
			return false;
		any = any || c->role == ROLE_MAIN;
	}
	return any;
}

static void set_time(struct arena *a, struct doc *map, const char *key, int64_t wall)
{
	char text[CLOCK_RFC3339_SIZE];

	if (wall)
		doc_set_string(a, map, key, clock_rfc3339(wall, 0, text));
}

static void set_terminated(struct arena *a, struct doc *state, const struct run_record *r,
			   const char *id)
{
	struct doc *d = doc_set_map(a, state, "terminated");

	doc_set_int(a, d, "exitCode", r->exit_code);
	if (r->signal)
		doc_set_int(a, d, "signal", r->signal);
	doc_set_string(a, d, "reason", r->reason);
	if (r->words || r->ended_by_us)
		doc_set_string(a, d, "message", r->words ? r->words : "killed by the kubelet");
	set_time(a, d, "startedAt", r->started_wall);
	set_time(a, d, "finishedAt", r->finished_wall);
	doc_set_string(a, d, "containerID", id);
}

static void set_waiting(struct arena *a, struct doc *d, const struct container *c)
{
	doc_set_string(a, d, "reason", c->waiting ? c->waiting : "ContainerCreating");
	doc_set_string(a, d, "message", c->message);
}

static struct doc *container_status(struct arena *a, const struct container *c)
{
	struct doc *d = doc_map(a), *state = doc_set_map(a, d, "state");
	const char *image = doc_str(doc_get(c->spec, "image"));
	const char *id =
		arena_printf(a, "sidestep-lab://%s-%s-%u", c->pod->uid, c->name, c->restarts);
	const char *last_id = c->restarts ? arena_printf(a, "sidestep-lab://%s-%s-%u", c->pod->uid,
							 c->name, c->restarts - 1)
					  : NULL;

	if (c->state == CONTAINER_RUNNING)
		set_time(a, doc_set_map(a, state, "running"), "startedAt", c->run.started_wall);
	else if (c->state == CONTAINER_TERMINATED)
		set_terminated(a, state, &c->run, id);
	else
		set_waiting(a, doc_set_map(a, state, "waiting"), c);
	doc_set_map(a, d, "lastState");
	if (c->last.finished_wall)
		set_terminated(a, doc_get(d, "lastState"), &c->last, last_id);
	if (c->state == CONTAINER_TERMINATED && c->message)
		doc_set_string(a, doc_get(state, "terminated"), "message", c->message);
	doc_set_string(a, d, "name", c->name);
	doc_set_string(a, d, "image", image);
	doc_set_string(a, d, "imageID", str_or_empty(image));
	doc_set_string(a, d, "containerID",
		       c->state == CONTAINER_WAITING ? str_or_empty(last_id) : id);
	doc_set_bool(a, d, "ready",
		     c->role == ROLE_INIT
			     ? c->state == CONTAINER_TERMINATED && c->run.exit_code == 0
			     : c->ready);
	doc_set_bool(a, d, "started", c->started);
	doc_set_int(a, d, "restartCount", c->restarts);
	return d;
}

static const char *phase_of(const struct pod *p)
{
	bool started = false;

	if (p->finished && p->phase >= POD_TEARDOWN)
		return p->failed ? "Failed" : "Succeeded";
	for (size_t i = 0; i < p->n_containers; i++)
		started = started || (p->containers[i].role == ROLE_MAIN &&
				      (p->containers[i].state != CONTAINER_WAITING ||
				       p->containers[i].restarts > 0));
	return started ? "Running" : "Pending";
}

static bool initialized(const struct pod *p)
{
	for (size_t i = 0; i < p->n_containers; i++) {
		const struct container *c = &p->containers[i];

		if (c->role == ROLE_INIT &&
		    !(c->state == CONTAINER_TERMINATED && c->run.exit_code == 0))
			return false;
		if (c->role == ROLE_SIDECAR && c->state == CONTAINER_WAITING && !c->restarts)
			return false;
	}
	return true;
}

static void set_conditions(struct arena *a, struct doc *status, const struct pod *p)
{
	struct doc *holder = doc_map(a), *old = NULL;
	const int64_t now = clock_wall_ns(loop_clock(p->k->loop));
	const bool ready = pod_all_ready(p), init = initialized(p);
	const struct {
		const char *type;
		bool value;
		const char *reason;
	} rows[] = {
		{"PodReadyToStartContainers", p->ip != NULL, NULL},
		{"Initialized", init, "ContainersNotInitialized"},
		{"ContainersReady", ready, "ContainersNotReady"},
		{"Ready", ready, "ContainersNotReady"},
	};

	if (p->object)
		old = doc_clone(a, doc_find(p->object->doc, "status.conditions"));
	doc_set(a, holder, "status", status);
	doc_set(a, status, "conditions", old && old->kind == DOC_LIST ? old : doc_list(a));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		kube_set_condition(a, holder, rows[i].type, rows[i].value ? "True" : "False",
				   rows[i].value ? NULL : rows[i].reason,
				   rows[i].value ? NULL : p->message, now);
}

struct doc *pod_status(struct arena *a, const struct pod *p)
{
	struct doc *d = doc_map(a), *host;

	doc_set_string(a, d, "phase", phase_of(p));
	set_time(a, d, "startTime", p->start_wall);
	doc_set_string(a, d, "hostIP", p->k->o.node_ip);
	host = doc_append(a, doc_set_list(a, d, "hostIPs"), doc_map(a));
	doc_set_string(a, host, "ip", p->k->o.node_ip);
	if (p->ip) {
		doc_set_string(a, d, "podIP", p->ip);
		doc_set_string(a, doc_append(a, doc_set_list(a, d, "podIPs"), doc_map(a)), "ip",
			       p->ip);
	}
	for (size_t i = 0; i < p->n_containers; i++) {
		const struct container *c = &p->containers[i];

		doc_append(a,
			   doc_set_list(a, d,
					c->role == ROLE_MAIN ? "containerStatuses"
							     : "initContainerStatuses"),
			   container_status(a, c));
	}
	set_conditions(a, d, p);
	return d;
}
