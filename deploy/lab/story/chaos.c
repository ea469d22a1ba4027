/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kills by a seed: while the namespace moves, one process after the other of those that production
 * would start again is ended with SIGKILL: agents, API server, controllers, webhook, kubelets, DNS,
 * a CNI plugin at work, the migration tool itself; and every few of these a sidecar or a workload
 * of the namespace, never one whose going would leave a Service without another.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "deploy/lab/roles.h"
#include "deploy/lab/story/story.h"
#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/str.h"

/* Sometimes one after the other's recovery, sometimes into it. */
enum { PAUSE_MIN_MS = 1500, PAUSE_MAX_MS = 5000, POD_EVERY = 4 };

static uint64_t next(struct story *s)
{
	uint64_t z = s->chaos_state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static void note(struct story *s, const char *what, pid_t pid)
{
	struct doc *d = doc_append(&s->arena, s->kills, doc_map(&s->arena));

	doc_set(&s->arena, d, "at", doc_real(&s->arena, story_now(s)));
	doc_set_string(&s->arena, d, "what", what);
	doc_set_int(&s->arena, d, "pid", pid);
}

/* The first child of a process that has this name; 0 when none has. */
static pid_t find_child(pid_t parent, const char *name)
{
	auto_free char *path = xasprintf("/proc/%d/task/%d/children", parent, parent);
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	char *save = NULL;

	if (io_read_file(path, 65536, &text, NULL) < 0 || !text.len)
		return 0;
	for (char *pid = strtok_r(text.buf, " \n", &save); pid;
	     pid = strtok_r(NULL, " \n", &save)) {
		auto_free char *comm = xasprintf("/proc/%s/comm", pid);
		auto_release(strbuf) struct strbuf has = STRBUF_INIT;

		if (io_read_file(comm, 4096, &has, NULL) == 0 &&
		    str_starts(strbuf_cstr(&has), name))
			return (pid_t)strtol(pid, NULL, 10);
	}
	return 0;
}

static void kill_one(struct story *s)
{
	struct role_process list[LAB_MAX_PROCESSES];
	size_t n = lab_processes(&s->lab, list);
	const size_t named = n + s->lab.n_nodes;
	size_t victim = next(s) % (named + 2);
	pid_t pid = 0;

	if (victim < named) {
		const char *name = victim < n ? list[victim].name
					      : arena_printf(&s->arena, "sidestepd.%s",
							     s->lab.nodes[victim - n].name);

		if (lab_named_pid(&s->lab, name, &pid) == 0 && kill(pid, SIGKILL) == 0)
			note(s, name, pid);
		return;
	}
	if (victim == named) {
		if (s->tool_pid > 0 && kill(s->tool_pid, SIGKILL) == 0)
			note(s, "the migration tool", s->tool_pid);
		return;
	}
	for (size_t i = 0; i < n && !pid; i++)
		if (str_eq(list[i].role->name, "kubelet") &&
		    lab_pid_read(&s->lab, list[i].name, &pid) == 0)
			pid = find_child(pid, "sidestep-cni");
	if (pid > 0 && kill(pid, SIGKILL) == 0)
		note(s, "sidestep-cni", pid);
}

/* What runs in a container: its first process, or the proxy below that. */
static pid_t container_pid(const struct story *s, const struct kill_record *k)
{
	auto_free char *path = xasprintf("%s/pods/%s/%s.pid", s->lab.dir, k->uid, k->container);
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	pid_t pid, proxy;

	if (io_read_file(path, 64, &text, NULL) < 0)
		return 0;
	pid = (pid_t)strtol(strbuf_cstr(&text), NULL, 10);
	proxy = k->what == KILL_SIDECAR && pid > 0 ? find_child(pid, "envoy") : 0;
	return proxy ? proxy : pid;
}

static bool kill_container(struct story *s, enum kill_what what)
{
	struct kill_record k;

	if (!story_watch_pick(s, what, next(s), &k))
		return false;
	k.pid = container_pid(s, &k);
	k.killed_ns = k.noticed_ns = clock_wall_ns(clock_system());
	if (k.pid <= 0 || kill((pid_t)k.pid, SIGKILL) < 0)
		return false;
	vec_push(&s->hits.kills, k);
	return true;
}

/* Of the two kinds the one that was hit less; sidecars are not there all the time. */
static bool kill_in_pod(struct story *s)
{
	size_t n[2] = {0, 0};
	enum kill_what first;

	vec_foreach (&s->hits.kills, k)
		n[k->what]++;
	first = n[KILL_SIDECAR] <= n[KILL_WORKLOAD] ? KILL_SIDECAR : KILL_WORKLOAD;
	return kill_container(s, first) || kill_container(s, !first);
}

static void strike(void *arg)
{
	struct story *s = arg;

	if (++s->strikes % POD_EVERY != 0 || !kill_in_pod(s))
		kill_one(s);
	loop_timer_set(s->chaos,
		       (PAUSE_MIN_MS + next(s) % (PAUSE_MAX_MS - PAUSE_MIN_MS)) * NS_PER_MS);
}

void story_chaos_start(struct story *s)
{
	if (!s->options->kills)
		return;
	if (!s->chaos) {
		s->chaos_state = (uint64_t)s->options->seed;
		s->chaos = loop_timer_new(s->loop, strike, s);
	}
	loop_timer_set(s->chaos, PAUSE_MIN_MS * NS_PER_MS);
}

void story_chaos_stop(struct story *s)
{
	if (s->chaos)
		loop_timer_stop(s->chaos);
}
