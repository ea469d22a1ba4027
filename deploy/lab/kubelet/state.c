/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a kubelet must know after its own kill -9 and cannot ask anybody. Whether a process runs is
 * never read from here but from its .pid and cgroup, which the process itself made.
 */
#include <string.h>

#include "deploy/lab/kubelet/pod.h"
#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/doc/bind.h"

#define STATE_MAX_BYTES (1u << 20)

static const char *const reasons[] = {"Completed", "Error", "ContainerStatusUnknown", "StartError",
				      "OOMKilled"};

struct saved_run {
	int64_t exit_code, signal, started, finished;
	const char *reason;
	bool ended_by_us;
};

struct saved_container {
	const char *name;
	int64_t state, restarts, back_off_steps, stop;
	bool started, ready;
	struct saved_run run, last;
};

struct saved_pod {
	const char *node, *ns, *name, *uid, *ip;
	int64_t phase, start_wall, stop_deadline_wall;
	bool finished, failed, timed;
	struct saved_container *containers;
	size_t n_containers;
};

static const struct bind_field run_fields[] = {
	BIND(struct saved_run, exit_code, "exitCode", BIND_INT64, 0),
	BIND(struct saved_run, signal, "signal", BIND_INT64, 0),
	BIND(struct saved_run, started, "startedWallNs", BIND_INT64, 0),
	BIND(struct saved_run, finished, "finishedWallNs", BIND_INT64, 0),
	BIND(struct saved_run, reason, "reason", BIND_STRING, 0),
	BIND(struct saved_run, ended_by_us, "stoppedByKubelet", BIND_BOOL, 0),
};
static BIND_TABLE(run_table, struct saved_run, run_fields);

static const struct bind_field container_fields[] = {
	BIND(struct saved_container, name, "name", BIND_STRING, BIND_REQUIRED),
	BIND_RANGE(struct saved_container, state, "state", BIND_INT64, 0, 0, CONTAINER_TERMINATED),
	BIND_RANGE(struct saved_container, restarts, "restarts", BIND_INT64, 0, 0, INT32_MAX),
	BIND_RANGE(struct saved_container, back_off_steps, "backOffSteps", BIND_INT64, 0, 0,
		   INT32_MAX),
	BIND_RANGE(struct saved_container, stop, "stop", BIND_INT64, 0, 0, STOP_KILL),
	BIND(struct saved_container, started, "started", BIND_BOOL, 0),
	BIND(struct saved_container, ready, "ready", BIND_BOOL, 0),
	BIND_NESTED(struct saved_container, run, "run", BIND_STRUCT, 0, &run_table),
	BIND_NESTED(struct saved_container, last, "last", BIND_STRUCT, 0, &run_table),
};
static BIND_TABLE(container_table_, struct saved_container, container_fields);

static const struct bind_field pod_fields[] = {
	BIND(struct saved_pod, node, "node", BIND_STRING, BIND_REQUIRED),
	BIND(struct saved_pod, ns, "namespace", BIND_STRING, 0),
	BIND(struct saved_pod, name, "name", BIND_STRING, 0),
	BIND(struct saved_pod, uid, "uid", BIND_STRING, 0),
	BIND(struct saved_pod, ip, "ip", BIND_STRING, 0),
	BIND_RANGE(struct saved_pod, phase, "phase", BIND_INT64, 0, 0, POD_DELETING),
	BIND(struct saved_pod, start_wall, "startWallNs", BIND_INT64, 0),
	BIND(struct saved_pod, stop_deadline_wall, "stopDeadlineWallNs", BIND_INT64, 0),
	BIND(struct saved_pod, finished, "finished", BIND_BOOL, 0),
	BIND(struct saved_pod, failed, "failed", BIND_BOOL, 0),
	BIND(struct saved_pod, timed, "timed", BIND_BOOL, 0),
	BIND_ITEMS(struct saved_pod, containers, "containers", 0, &container_table_),
};
static BIND_TABLE(pod_table_, struct saved_pod, pod_fields);

static struct saved_run run_to_saved(const struct run_record *r)
{
	return (struct saved_run){.exit_code = r->exit_code,
				  .signal = r->signal,
				  .started = r->started_wall,
				  .finished = r->finished_wall,
				  .reason = r->reason,
				  .ended_by_us = r->ended_by_us};
}

static struct run_record run_from_saved(const struct saved_run *s)
{
	struct run_record r = {.exit_code = (int)s->exit_code,
			       .signal = (int)s->signal,
			       .started_wall = s->started,
			       .finished_wall = s->finished,
			       .ended_by_us = s->ended_by_us};

	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (str_eq(reasons[i], s->reason))
			r.reason = reasons[i];
	return r;
}

static struct saved_container container_to_saved(const struct container *c)
{
	return (struct saved_container){
		.name = c->name,
		.state = c->state,
		.restarts = c->restarts,
		.back_off_steps = c->back_off_steps,
		.stop = c->stop,
		.started = c->started,
		.ready = c->ready,
		.run = run_to_saved(&c->run),
		.last = run_to_saved(&c->last),
	};
}

void state_save(const struct pod *p)
{
	struct arena a = ARENA_INIT;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct error err = ERROR_INIT;
	const char *dir = pod_dir(&a, p);
	struct saved_pod s = {
		.node = p->k->o.node,
		.ns = p->ns,
		.name = p->name,
		.uid = p->uid,
		.ip = p->ip,
		.phase = p->phase,
		.start_wall = p->start_wall,
		.stop_deadline_wall = p->stop_deadline_wall,
		.finished = p->finished,
		.failed = p->failed,
		.timed = p->timed,
		.n_containers = p->n_containers,
	};

	s.containers = arena_array(&a, p->n_containers + 1, struct saved_container);
	for (size_t i = 0; i < p->n_containers; i++)
		s.containers[i] = container_to_saved(&p->containers[i]);
	doc_write_json(bind_encode(&a, &pod_table_, &s), DOC_PRETTY, &out);
	if (io_mkdirs(dir, 0755, &err) < 0 ||
	    io_write_file_atomic(arena_printf(&a, "%s/state.json", dir), out.buf, out.len, 0644,
				 &err) < 0)
		log_error(p->k->log, "state not saved pod=%s/%s error=%s", p->ns, p->name, err.msg);
	arena_release(&a);
}

static void apply_container(struct container *c, const struct saved_container *s)
{
	c->state = (enum container_state)s->state;
	c->restarts = (unsigned)s->restarts;
	c->back_off_steps = (unsigned)s->back_off_steps;
	c->run = run_from_saved(&s->run);
	c->last = run_from_saved(&s->last);
	if (c->state == CONTAINER_TERMINATED)
		c->run.words = words_read(c);
	/* Also one that was started in the last moment, before it could be noted. */
	if (c->state != CONTAINER_TERMINATED && container_adopt(c)) {
		if (!c->run.started_wall || c->run.finished_wall)
			c->run = (struct run_record){
				.started_wall = clock_wall_ns(loop_clock(c->pod->k->loop))};
		if (s->started)
			probes_had_started(c);
		c->started = c->started || s->started;
		c->ready = c->ready || (s->ready && c->started);
		/* A hook is run again; what came after it goes on from there. */
		c->stop = s->stop <= STOP_HOOK ? STOP_NONE : (enum stop_phase)s->stop;
		if (c->stop >= STOP_TERM)
			c->stop = STOP_TURN;
	} else if (c->state == CONTAINER_RUNNING) {
		container_ended(c, 255, 0);
	}
}

static void apply(struct pod *p, const struct saved_pod *s)
{
	p->ip = s->ip ? arena_strdup(&p->arena, s->ip) : p->ip;
	p->phase = (enum pod_phase)s->phase;
	p->start_wall = s->start_wall ? s->start_wall : p->start_wall;
	p->stop_deadline_wall = s->stop_deadline_wall;
	p->finished = s->finished;
	p->failed = s->failed;
	p->timed = true;
	for (size_t i = 0; i < s->n_containers; i++)
		for (size_t j = 0; j < p->n_containers; j++)
			if (str_eq(s->containers[i].name, p->containers[j].name))
				apply_container(&p->containers[j], &s->containers[i]);
}

bool state_is_ours(const struct kubelet *k, const char *uid)
{
	struct arena a = ARENA_INIT;
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	const char *path = arena_printf(&a, "%s/pods/%s/state.json", k->o.lab, uid);
	struct doc *d = NULL;
	bool ours = io_read_file(path, STATE_MAX_BYTES, &sb, NULL) == 0 &&
		    doc_read_json(&a, strbuf_cstr(&sb), sb.len, "state.json", &d, NULL) == 0 &&
		    str_eq(doc_str(doc_get(d, "node")), k->o.node);

	arena_release(&a);
	return ours;
}

bool state_load(struct pod *p)
{
	struct arena a = ARENA_INIT;
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	struct error err = ERROR_INIT;
	struct saved_pod s;
	struct doc *d = NULL;
	bool ok = io_read_file(arena_printf(&a, "%s/state.json", pod_dir(&a, p)), STATE_MAX_BYTES,
			       &sb, NULL) == 0;

	if (ok && (doc_read_json(&a, strbuf_cstr(&sb), sb.len, "state.json", &d, &err) < 0 ||
		   bind_decode(&a, &pod_table_, d, "", &s, NULL, &err) < 0)) {
		log_error(p->k->log, "state not readable pod=%s/%s error=%s", p->ns, p->name,
			  err.msg);
		ok = false;
	}
	if (ok)
		apply(p, &s);
	arena_release(&a);
	return ok;
}
