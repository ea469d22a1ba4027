/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/loop/loop.h - the event loop.
 *
 * A program makes one loop, hangs its sources on it, and calls loop_run(), which returns after
 * loop_stop(). Callbacks run one at a time in the thread of loop_run() and never block. A callback
 * may free any source, its own included, and may start new ones.
 *
 * Time is the clock given to loop_new(). With a fake clock timers fire in the order of their
 * deadlines when loop_advance() moves it, and descriptors work as ever: a test runs through hours
 * of back-off in a millisecond.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/clock.h"
#include "lib/base/error.h"

struct loop;
struct event_base;

/* clock NULL is the machine's; it must outlive the loop. Ignores SIGPIPE for the process. */
struct loop *loop_new(const struct clock *clock);
/* Frees the loop and what still hangs on it (handles become invalid). NULL is fine. */
void loop_free(struct loop *loop);
const struct clock *loop_clock(const struct loop *loop);
/* Monotonic now of the loop's clock. */
uint64_t loop_now_ns(const struct loop *loop);

/* Runs until loop_stop(). With nothing left to wait for it returns too. 0 or negative errno. */
int loop_run(struct loop *loop, struct error *err);
/*
 * One turn: runs what is due; if nothing is and block is true, waits for the next event first.
 * Returns the number of this header's callbacks that ran, negative errno on failure.
 * May be called from code that is not itself a callback of this loop.
 */
int loop_turn(struct loop *loop, bool block, struct error *err);
/* Makes loop_run() return after the callback at hand; before loop_run() makes it return at once. */
void loop_stop(struct loop *loop);
/* Whether loop_stop() was called and loop_run() has not returned since: what waits should give up.
 */
bool loop_stopping(const struct loop *loop);
/*
 * Takes loop_stop() back, for what must still see an end before it gives up: while a loop is
 * stopping, loop_turn() runs nothing, not even the exit of a child that was told to end.
 */
void loop_resume(struct loop *loop);

/* For a loop on a fake clock: moves it by ns, stopping at every deadline on the way. */
void loop_advance(struct loop *loop, struct fake_clock *clock, uint64_t ns);

/* Runs fn(arg) once, from the loop, after the callback at hand (before any descriptor or timer). */
void loop_defer(struct loop *loop, void (*fn)(void *arg), void *arg);
/* Forgets every deferred call of fn with arg. */
void loop_undefer(struct loop *loop, void (*fn)(void *arg), void *arg);

struct loop_timer;
/* A timer, not running. */
struct loop_timer *loop_timer_new(struct loop *loop, void (*fn)(void *arg), void *arg);
/* (Re)starts it: fires once, delay_ns from now. 0 fires in the next turn. */
void loop_timer_set(struct loop_timer *timer, uint64_t delay_ns);
void loop_timer_stop(struct loop_timer *timer);
bool loop_timer_running(const struct loop_timer *timer);
/* NULL is fine. */
void loop_timer_free(struct loop_timer *timer);

enum loop_events { LOOP_READ = 1, LOOP_WRITE = 2 };
struct loop_fd;
/* Level-triggered; fn gets the events that are ready. fd stays the caller's, and open until free.
 */
struct loop_fd *loop_fd_new(struct loop *loop, int fd, unsigned events,
			    void (*fn)(void *arg, unsigned ready), void *arg);
/* Changes what is waited for; 0 pauses. */
void loop_fd_set(struct loop_fd *source, unsigned events);
void loop_fd_free(struct loop_fd *source);

struct loop_signal;
struct loop_signal *loop_signal_new(struct loop *loop, int signo, void (*fn)(void *arg, int signo),
				    void *arg);
void loop_signal_free(struct loop_signal *source);

/*
 * fn(arg) once, when the process that has this pid now is gone (a pidfd: any process, not only a
 * child). -ESRCH when there is none.
 */
struct loop_process;
int loop_process_watch(struct loop *loop, pid_t pid, void (*fn)(void *arg), void *arg,
		       struct loop_process **ret_process, struct error *err);
/*
 * In fn: how it ended, as waitpid() would say; false when the kernel does not tell (it is told of a
 * process that nobody has waited for yet, and since Linux 6.15 of others).
 */
bool loop_process_status(const struct loop_process *process, int *ret_status);
/* Safe against a recycled pid. -ESRCH when it is gone. */
int loop_process_kill(struct loop_process *process, int signo);
void loop_process_free(struct loop_process *process);

/* libevent's base: lib/http only. */
struct event_base *loop_base(struct loop *loop);
