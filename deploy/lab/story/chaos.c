/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kills by a seed: while the namespace moves, one process after the other of those that production
 * would start again is ended with SIGKILL: agents, API server, controllers, webhook, kubelets, DNS,
 * a CNI plugin at work, the migration tool itself. Nothing of a workload is touched.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "deploy/lab/roles.h"
#include "deploy/lab/story/story.h"
#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/str.h"

/* Longer than production takes to start one again and to catch up: two at once are another test. */
enum { PAUSE_MIN_MS = 3000, PAUSE_MAX_MS = 7000 };

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

/* A plugin lives for milliseconds; the first child of that kubelet that is one. 0 when none is. */
static pid_t find_plugin(pid_t kubelet)
{
	auto_free char *path = xasprintf("/proc/%d/task/%d/children", kubelet, kubelet);
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	char *save = NULL;

	if (io_read_file(path, 65536, &text, NULL) < 0 || !text.len)
		return 0;
	for (char *pid = strtok_r(text.buf, " \n", &save); pid;
	     pid = strtok_r(NULL, " \n", &save)) {
		auto_free char *comm = xasprintf("/proc/%s/comm", pid);
		auto_release(strbuf) struct strbuf name = STRBUF_INIT;

		if (io_read_file(comm, 4096, &name, NULL) == 0 &&
		    str_starts(strbuf_cstr(&name), "sidestep-cni"))
			return (pid_t)strtol(pid, NULL, 10);
	}
	return 0;
}

static void kill_one(struct story *s)
{
	struct role_process list[LAB_MAX_PROCESSES];
	size_t n = lab_processes(&s->lab, list);
	size_t victim = next(s) % (n + 2);
	pid_t pid = 0;

	if (victim < n) {
		if (lab_pid_read(&s->lab, list[victim].name, &pid) == 0 && kill(pid, SIGKILL) == 0)
			note(s, list[victim].name, pid);
		return;
	}
	if (victim == n) {
		if (s->tool_pid > 0 && kill(s->tool_pid, SIGKILL) == 0)
			note(s, "the migration tool", s->tool_pid);
		return;
	}
	for (size_t i = 0; i < n && !pid; i++)
		if (str_eq(list[i].role->name, "kubelet") &&
		    lab_pid_read(&s->lab, list[i].name, &pid) == 0)
			pid = find_plugin(pid);
	if (pid > 0 && kill(pid, SIGKILL) == 0)
		note(s, "sidestep-cni", pid);
}

static void strike(void *arg)
{
	struct story *s = arg;

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
