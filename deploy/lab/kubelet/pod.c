/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a pod: what is done next, given what is so. */
#include "deploy/lab/kubelet/pod.h"

#include <string.h>

#include "deploy/lab/kubelet/cgroup.h"
#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/net/netns.h"

const char *pod_dir(struct arena *a, const struct pod *p)
{
	return arena_printf(a, "%s/pods/%s", p->k->o.lab, p->uid);
}

bool pod_is_critical(const struct pod *p)
{
	const char *class = doc_str(doc_get(p->spec, "priorityClassName"));

	return class && str_starts(class, "system-");
}

/* What the cluster itself needs is no part of what users' pods cost. */
const char *pod_cgroup(struct arena *a, const struct pod *p)
{
	const char *daemon = arena_printf(a, "%s/daemons/%s", p->k->o.cgroup, p->uid);

	if (p->spec ? pod_is_critical(p) : io_exists(daemon))
		return daemon;
	return arena_printf(a, "%s/pods/%s", p->k->o.cgroup, p->uid);
}

const char *pod_restart_policy(const struct pod *p)
{
	const char *s = doc_str(doc_get(p->spec, "restartPolicy"));

	return s ? s : "Always";
}

static void on_container_timer(void *arg)
{
	struct container *c = arg;

	if (c->state == CONTAINER_RUNNING)
		container_stop_timeout(c);
	else if (c->state == CONTAINER_WAITING && c->pod->phase < POD_STOPPING)
		container_start(c);
}

static void add_containers(struct pod *p, const char *key, bool init)
{
	doc_foreach_item (doc_get(p->spec, key), d) {
		struct container *c = &p->containers[p->n_containers++];
		const char *policy = doc_str(doc_get(d, "restartPolicy"));

		c->pod = p;
		c->spec = d;
		c->name = str_or_empty(doc_str(doc_get(d, "name")));
		c->role = !init ? ROLE_MAIN : str_eq(policy, "Always") ? ROLE_SIDECAR : ROLE_INIT;
		c->waiting = "PodInitializing";
		c->timer = loop_timer_new(p->k->loop, on_container_timer, c);
	}
}

static void on_pod_timer(void *arg)
{
	pod_touch(arg);
}

static struct pod *pod_make(struct kubelet *k, const char *uid)
{
	struct pod *p = xcalloc(1, sizeof(*p));

	p->k = k;
	p->uid = arena_strdup(&p->arena, uid);
	p->ns = p->name = "";
	p->netns = arena_printf(&p->arena, "%s/netns", pod_dir(&p->arena, p));
	p->timer = loop_timer_new(k->loop, on_pod_timer, p);
	p->start_wall = clock_wall_ns(loop_clock(k->loop));
	p->seen_ns = loop_now_ns(k->loop);
	map_set(&k->pods, p->uid, p);
	return p;
}

struct pod *pod_new(struct kubelet *k, struct kube_object *object)
{
	struct pod *p = pod_make(k, object->uid);
	size_t n;

	p->object = kube_object_hold(object);
	p->ns = arena_strdup(&p->arena, object->namespace_);
	p->name = arena_strdup(&p->arena, object->name);
	p->spec = doc_clone(&p->arena, doc_get(object->doc, "spec"));
	p->host_network = doc_bool_or(doc_get(p->spec, "hostNetwork"), false);
	if (p->host_network)
		p->ip = k->o.node_ip;
	n = doc_len(doc_get(p->spec, "initContainers")) + doc_len(doc_get(p->spec, "containers"));
	p->containers = arena_array(&p->arena, n + 1, struct container);
	add_containers(p, "initContainers", true);
	add_containers(p, "containers", false);
	if (!state_load(p))
		state_save(p);
	pod_update(p, object);
	return p;
}

struct pod *pod_new_orphan(struct kubelet *k, const char *uid)
{
	struct pod *p = pod_make(k, uid);
	struct arena a = ARENA_INIT;

	p->gone = true;
	p->phase = POD_TEARDOWN;
	p->host_network = !io_exists(p->netns); /* no plugin was ever asked about it */
	cgroup_kill(pod_cgroup(&a, p));
	arena_release(&a);
	pod_touch(p);
	return p;
}

void pod_free(struct pod *p)
{
	if (!p)
		return;
	loop_undefer(p->k->loop, pod_sync, p);
	map_del(&p->k->pods, p->uid);
	for (size_t i = 0; i < p->n_containers; i++)
		container_release(&p->containers[i]);
	if (p->call) {
		kube_cancel(p->call);
		kube_queue_done(p->k->queue, p->uid, true);
	}
	kube_cancel(p->volume_call);
	loop_child_free(p->cni);
	loop_timer_free(p->timer);
	kube_object_drop(p->object);
	strbuf_release(&p->cni_out);
	arena_release(&p->call_arena);
	arena_release(&p->arena);
	free(p->sent);
	free(p->sending);
	free(p);
}

void pod_update(struct pod *p, struct kube_object *object)
{
	if (object && object != p->object) {
		kube_object_drop(p->object);
		p->object = kube_object_hold(object);
	}
	p->deleting = p->deleting || (p->object && kube_deleting(p->object->doc));
	pod_touch(p);
}

void pod_touch(struct pod *p)
{
	loop_undefer(p->k->loop, pod_sync, p);
	loop_defer(p->k->loop, pod_sync, p);
}

/* Starts what may start now. True when every init container is through. */
static bool advance_init(struct pod *p)
{
	for (size_t i = 0; i < p->n_containers && p->containers[i].role != ROLE_MAIN; i++) {
		struct container *c = &p->containers[i];
		const bool restarting = loop_timer_running(c->timer);

		if (c->state == CONTAINER_WAITING && !restarting)
			container_start(c);
		if (c->role == ROLE_SIDECAR ? !c->started : c->state != CONTAINER_TERMINATED)
			return false;
		if (c->role == ROLE_INIT && c->run.exit_code != 0) {
			p->finished = p->failed = true;
			return false;
		}
	}
	return true;
}

/* Also what waited for a restart when an earlier kubelet died. */
static void start_waiting(struct pod *p)
{
	for (size_t i = 0; i < p->n_containers; i++) {
		struct container *c = &p->containers[i];

		if (c->role != ROLE_INIT && c->state == CONTAINER_WAITING &&
		    !loop_timer_running(c->timer))
			container_start(c);
	}
}

/* Every main container ended and none comes back. */
static bool main_are_done(struct pod *p)
{
	bool done = true;

	for (size_t i = 0; i < p->n_containers; i++) {
		const struct container *c = &p->containers[i];

		if (c->role != ROLE_MAIN)
			continue;
		done = done && c->state == CONTAINER_TERMINATED;
		if (c->state == CONTAINER_TERMINATED && c->run.exit_code != 0)
			p->failed = true;
	}
	p->failed = p->failed && done;
	return done;
}

static bool all_ended(const struct pod *p)
{
	for (size_t i = 0; i < p->n_containers; i++)
		if (p->containers[i].state == CONTAINER_RUNNING)
			return false;
	return true;
}

/* How long it took from being seen to being ready; for the lab's report. */
static void measure_start(struct pod *p)
{
	if (p->timed || !pod_all_ready(p))
		return;
	p->timed = true;
	log_info(p->k->log, "pod ready pod=%s/%s ms=%llu sidecar=%s", p->ns, p->name,
		 (unsigned long long)((loop_now_ns(p->k->loop) - p->seen_ns) / NS_PER_MS),
		 p->n_containers && p->containers[0].role != ROLE_MAIN ? "yes" : "no");
	state_save(p);
}

static void remove_traces(struct pod *p)
{
	struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;

	netns_delete(p->netns, &err);
	/* A zombie may still hold the group for a moment; the lab's own end takes what is left. */
	cgroup_remove(pod_cgroup(&a, p));
	memory_release(p);
	if (io_remove_tree(pod_dir(&a, p), &err) < 0)
		log_warn(p->k->log, "pod folder stays pod=%s/%s error=%s", p->ns, p->name, err.msg);
	arena_release(&a);
}

static void sync_starting(struct pod *p)
{
	if (p->phase == POD_SANDBOX && !volumes_ready(p))
		return;
	if (p->phase == POD_SANDBOX && (p->ip || p->host_network)) {
		p->phase = POD_STARTING;
		state_save(p);
	}
	if (p->phase == POD_SANDBOX) {
		sandbox_add(p);
		return;
	}
	if (p->phase == POD_STARTING && advance_init(p)) {
		p->phase = POD_RUNNING;
		state_save(p);
	}
	if (p->phase == POD_RUNNING)
		start_waiting(p);
	for (size_t i = 0; i < p->n_containers; i++)
		if (p->containers[i].state == CONTAINER_RUNNING &&
		    p->containers[i].stop != STOP_NONE)
			container_stop_advance(&p->containers[i]);
	if (p->phase == POD_RUNNING && main_are_done(p))
		p->finished = true;
	measure_start(p);
}

static int64_t grace_of(const struct pod *p)
{
	if (p->gone || !p->object)
		return 1;
	return doc_int_or(doc_find(p->object->doc, "metadata.deletionGracePeriodSeconds"),
			  doc_int_or(doc_get(p->spec, "terminationGracePeriodSeconds"), 30));
}

/* A finished pod keeps its folder until it is deleted; its network goes at once. */
static void sync_ending(struct pod *p)
{
	if (p->phase == POD_STOPPING) {
		pod_stop_advance(p);
		if (!all_ended(p))
			return;
		p->phase = POD_TEARDOWN;
		state_save(p);
	}
	if (p->phase == POD_TEARDOWN)
		sandbox_del(p);
	if (p->phase == POD_DELETING && (p->deleting || p->gone))
		remove_traces(p);
}

void pod_sync(void *arg)
{
	struct pod *p = arg;

	if ((p->deleting || p->gone) && p->phase < POD_TEARDOWN)
		pod_stop(p, grace_of(p));
	if (p->phase < POD_STOPPING)
		sync_starting(p);
	if (p->finished && p->phase < POD_STOPPING)
		pod_stop(p, doc_int_or(doc_get(p->spec, "terminationGracePeriodSeconds"), 30));
	if (p->phase >= POD_STOPPING)
		sync_ending(p);
	if (p->phase == POD_DELETING && p->gone) {
		pod_free(p);
		return;
	}
	kube_queue_add(p->k->queue, p->uid);
}
