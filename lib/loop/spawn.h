/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/loop/spawn.h - child processes.
 *
 * The child is started with posix semantics (fork, exec), its end is noticed through a pidfd, so
 * there is no SIGCHLD handler and nobody else's children are reaped.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/base/error.h"
#include "lib/loop/loop.h"

struct loop_child;

/* More output than this on a captured stream ends its capture (the child gets SIGPIPE). 16 MiB. */
#define LOOP_SPAWN_MAX_OUTPUT (16u << 20)

struct loop_spawn {
	const char *const *argv; /* NULL-terminated; argv[0] is searched in PATH */
	const char *const *env;  /* NULL-terminated; NULL inherits */
	const char *cwd;         /* NULL inherits */
	/* Descriptors for 0, 1, 2; borrowed; -1 is /dev/null. Ignored where the next members say
	 * otherwise. Everything else is close-on-exec. {0,1,2} inherits ours. */
	int fds[3];
	const void *input; /* when set: written to the child's standard input, then closed */
	size_t input_size;
	/* When set: standard output and error come here in pieces; stream is 1 or 2. */
	void (*on_output)(void *arg, int stream, const char *data, size_t n);
	/*
	 * Runs in the child just before exec (setns, cgroup, uid ...); only async-signal-safe work.
	 * Non-zero (an errno) fails loop_spawn() with that code.
	 */
	int (*before_exec)(void *arg);
	void *before_exec_arg;
	bool new_session; /* setsid() */
	bool die_with_us; /* PR_SET_PDEATHSIG, SIGKILL */
};

struct loop_child_exit {
	int code;   /* exit code, or -1 when a signal ended it */
	int signal; /* the signal, or 0 */
};

/*
 * Starts spec. on_exit (may be NULL) runs once, after all captured output was delivered; arg also
 * goes to on_output. -ENOENT when argv[0] is not found, and any other failure of exec, is returned
 * here and not through on_exit. After on_exit the handle stays valid until loop_child_free().
 */
int loop_spawn(struct loop *loop, const struct loop_spawn *spec,
	       void (*on_exit)(void *arg, const struct loop_child_exit *exit), void *arg,
	       struct loop_child **ret_child, struct error *err);
pid_t loop_child_pid(const struct loop_child *child);
/* -ESRCH after the end. */
int loop_child_kill(struct loop_child *child, int signo);
bool loop_child_running(const struct loop_child *child);
/* Forgets the child; a running one goes on, unwatched (no callback any more). NULL is fine. */
void loop_child_free(struct loop_child *child);
