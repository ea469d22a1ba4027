/* SPDX-License-Identifier: Apache-2.0 */
/* Starts the processes of a lab and keeps them running. */
#include "deploy/lab/supervise.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "deploy/lab/options.h"
#include "deploy/lab/roles.h"
#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/loop/loop.h"
#include "lib/loop/spawn.h"
#include "lib/net/netns.h"

/* At once after a long life, with a growing pause after a short one, never a second. */
enum { RESTART_MIN_MS = 20, RESTART_MAX_MS = 800, LONG_LIFE_S = 5 };
/* A process that does not end on SIGTERM is killed. */
enum { STOP_S = 5 };

struct supervisor;

struct process {
	struct supervisor *supervisor;
	struct role_process what;
	struct loop_child *child;     /* one we started */
	struct loop_process *adopted; /* one that a supervisor before us started */
	struct loop_timer *restart;
	uint64_t began_ns, pause_ns;
	unsigned restarts;
};

struct supervisor {
	struct lab *lab;
	struct loop *loop;
	struct log log;
	struct process processes[LAB_MAX_PROCESSES];
	size_t n;
	bool stopping;
	struct loop_timer *stop_timer;
};

static bool alive(const struct process *p)
{
	return p->child || p->adopted;
}

static void signal_process(struct process *p, int signo)
{
	if (p->child)
		loop_child_kill(p->child, signo);
	if (p->adopted)
		loop_process_kill(p->adopted, signo);
}

/* While stopping, from the last started to the first, one after the other's end. */
static void stop_next(struct supervisor *s)
{
	for (size_t i = s->n; i-- > 0;) {
		if (!alive(&s->processes[i]))
			continue;
		signal_process(&s->processes[i], SIGTERM);
		loop_timer_set(s->stop_timer, STOP_S * NS_PER_S);
		return;
	}
	loop_stop(s->loop);
}

static void kill_late(void *arg)
{
	struct supervisor *s = arg;

	for (size_t i = s->n; i-- > 0;) {
		if (!alive(&s->processes[i]))
			continue;
		log_warn(&s->log, "did not end in time, killed role=%s", s->processes[i].what.name);
		signal_process(&s->processes[i], SIGKILL);
		return;
	}
}

static void ended(struct process *p)
{
	struct supervisor *s = p->supervisor;
	uint64_t lived = loop_now_ns(s->loop) - p->began_ns;

	if (s->stopping) {
		stop_next(s);
		return;
	}
	if (lived > LONG_LIFE_S * NS_PER_S)
		p->pause_ns = RESTART_MIN_MS * NS_PER_MS;
	loop_timer_set(p->restart, p->pause_ns);
	p->pause_ns = MIN(p->pause_ns * 2, RESTART_MAX_MS * NS_PER_MS);
	p->restarts++;
}

static void child_ended(void *arg, const struct loop_child_exit *exit)
{
	struct process *p = arg;

	log_warn(&p->supervisor->log, "ended role=%s code=%d signal=%d", p->what.name, exit->code,
		 exit->signal);
	loop_child_free(p->child);
	p->child = NULL;
	ended(p);
}

static void adopted_ended(void *arg)
{
	struct process *p = arg;

	log_warn(&p->supervisor->log, "ended role=%s (adopted)", p->what.name);
	loop_process_free(p->adopted);
	p->adopted = NULL;
	ended(p);
}

/*
 * A control plane has machines of its own; here it shares two cores with every workload and proxy,
 * and late endpoints would be blamed on the product. Best effort: it needs CAP_SYS_NICE.
 */
enum { ROLE_NICE = -5 };

/* In the child, before exec: into the namespace it belongs to. */
static int enter_netns(void *arg)
{
	int *fd = arg;

	setpriority(PRIO_PROCESS, 0, ROLE_NICE);
	return *fd >= 0 && setns(*fd, CLONE_NEWNET) < 0 ? errno : 0;
}

static const char *netns_of(const struct lab *lab, const struct role_process *what)
{
	switch (what->role->place) {
	case PLACE_MACHINE:
		return NULL;
	case PLACE_HUB:
		return lab->hub_netns;
	case PLACE_NODE:
		return what->node->netns;
	}
	return NULL;
}

static int open_log(const struct lab *lab, const char *name)
{
	auto_free char *path = xasprintf("%s/log/%s.log", lab->dir, name);

	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

static int start_process(struct process *p, struct error *err)
{
	struct supervisor *s = p->supervisor;
	const char *netns = netns_of(s->lab, &p->what);
	struct role_args args = {0};
	auto_close int log_fd = open_log(s->lab, p->what.name);
	auto_close int netns_fd = -1;
	struct loop_spawn spec = {.argv = args.argv,
				  .fds = {-1, log_fd, log_fd},
				  .before_exec = enter_netns,
				  .before_exec_arg = &netns_fd,
				  .new_session = true};
	int r = netns ? netns_open(netns, &netns_fd, err) : 0;

	if (r < 0)
		return r;
	p->what.role->args(s->lab, p->what.node, &args);
	p->began_ns = loop_now_ns(s->loop);
	r = loop_spawn(s->loop, &spec, child_ended, p, &p->child, err);
	if (!r)
		r = lab_pid_write(s->lab, p->what.name, loop_child_pid(p->child), err);
	return r;
}

static void start_or_retry(void *arg)
{
	struct process *p = arg;
	struct supervisor *s = p->supervisor;
	struct error err = ERROR_INIT;

	if (s->stopping || alive(p))
		return;
	if (start_process(p, &err) == 0) {
		log_info(&s->log, "started role=%s pid=%d restarts=%u", p->what.name,
			 loop_child_pid(p->child), p->restarts);
		return;
	}
	log_error(&s->log, "cannot start role=%s: %s", p->what.name, err.msg);
	if (!alive(p))
		loop_timer_set(p->restart, RESTART_MAX_MS * NS_PER_MS);
}

static void adopt_or_start(struct process *p)
{
	struct supervisor *s = p->supervisor;
	pid_t pid;

	p->restart = loop_timer_new(s->loop, start_or_retry, p);
	p->pause_ns = RESTART_MIN_MS * NS_PER_MS;
	p->began_ns = loop_now_ns(s->loop);
	if (lab_pid_read(s->lab, p->what.name, &pid) == 0 &&
	    loop_process_watch(s->loop, pid, adopted_ended, p, &p->adopted, NULL) == 0) {
		log_info(&s->log, "adopted role=%s pid=%d", p->what.name, pid);
		return;
	}
	start_or_retry(p);
}

static void asked_to_stop(void *arg, UNUSED int signo)
{
	struct supervisor *s = arg;

	if (s->stopping)
		return;
	s->stopping = true;
	stop_next(s);
}

static int supervise(struct lab *lab, struct error *err)
{
	struct role_process list[LAB_MAX_PROCESSES];
	struct supervisor *s = xcalloc(1, sizeof(*s));
	int r;

	s->lab = lab;
	s->loop = loop_new(NULL);
	s->log = (struct log){stderr, LOG_LEVEL_INFO, false, "supervise", clock_system()};
	s->n = lab_processes(lab, list);
	s->stop_timer = loop_timer_new(s->loop, kill_late, s);
	loop_signal_new(s->loop, SIGTERM, asked_to_stop, s);
	loop_signal_new(s->loop, SIGINT, asked_to_stop, s);
	for (size_t i = 0; i < s->n; i++) {
		s->processes[i].supervisor = s;
		s->processes[i].what = list[i];
		adopt_or_start(&s->processes[i]);
	}
	r = loop_run(s->loop, err);
	loop_free(s->loop);
	free(s);
	return r;
}

int lab_supervise_main(const struct cli_call *call, struct error *err)
{
	const struct lab_options *o = call->opts;
	struct lab lab;
	int r = lab_load(&lab, o->lab, err);

	if (!r)
		r = lab_pid_write(&lab, "supervise", getpid(), err);
	if (!r)
		r = supervise(&lab, err);
	lab_release(&lab);
	return r;
}
