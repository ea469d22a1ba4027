/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop on libevent: descriptors and signals are libevent's, timers are a heap of our own on the
 * loop's clock, so that a fake clock works; one libevent timer wakes us for the first of them.
 */
#include "lib/loop/loop.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/macros.h"
#include "lib/base/vec.h"

struct deferred {
	struct deferred *next;
	void (*fn)(void *arg);
	void *arg;
};

/* What loop_free() must end: every fd, signal and process source. */
struct source {
	struct source *next, **prev;
	struct loop *loop;
	struct event *event;
	int owned_fd; /* -1, or closed with the source */
};

struct loop_timer {
	struct loop *loop;
	void (*fn)(void *arg);
	void *arg;
	uint64_t due, seq;
	size_t place;                    /* index in the heap + 1; 0 when not running */
	struct loop_timer *next, **prev; /* all timers of the loop */
};

struct loop {
	struct event_base *base;
	const struct clock *clock;
	struct event *wake;
	struct source *sources;
	struct loop_timer *all_timers;
	VEC(struct loop_timer *) heap;
	struct deferred *deferred, **deferred_tail;
	uint64_t seq;
	int ran;
	bool stopping;
};

#define LINK(head, item)                                                                           \
	do {                                                                                       \
		(item)->next = (head);                                                             \
		(item)->prev = &(head);                                                            \
		if (head)                                                                          \
			(head)->prev = &(item)->next;                                              \
		(head) = (item);                                                                   \
	} while (0)
#define UNLINK(item)                                                                               \
	do {                                                                                       \
		*(item)->prev = (item)->next;                                                      \
		if ((item)->next)                                                                  \
			(item)->next->prev = (item)->prev;                                         \
	} while (0)

static void woken(UNUSED evutil_socket_t fd, UNUSED short what, UNUSED void *arg)
{
}

struct loop *loop_new(const struct clock *clock)
{
	struct loop *loop = xcalloc(1, sizeof(*loop));
	struct event_config *config = event_config_new();

	signal(SIGPIPE, SIG_IGN);
	loop->clock = clock ? clock : clock_system();
	loop->deferred_tail = &loop->deferred;
	if (config) {
		event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
		loop->base = event_base_new_with_config(config);
		event_config_free(config);
	}
	if (!loop->base)
		loop->base = event_base_new();
	if (!loop->base)
		abort(); /* no epoll and no memory: nothing can work */
	loop->wake = event_new(loop->base, -1, 0, woken, NULL);
	if (!loop->wake)
		abort();
	return loop;
}

static void source_free(struct source *s)
{
	UNLINK(s);
	event_free(s->event);
	if (s->owned_fd >= 0)
		close(s->owned_fd);
	free(s);
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	while (loop->sources)
		source_free(loop->sources);
	while (loop->all_timers)
		loop_timer_free(loop->all_timers);
	while (loop->deferred) {
		struct deferred *d = loop->deferred;

		loop->deferred = d->next;
		free(d);
	}
	vec_release(&loop->heap);
	event_free(loop->wake);
	event_base_free(loop->base);
	free(loop);
}

const struct clock *loop_clock(const struct loop *loop)
{
	return loop->clock;
}

uint64_t loop_now_ns(const struct loop *loop)
{
	return clock_now_ns(loop->clock);
}

struct event_base *loop_base(struct loop *loop)
{
	return loop->base;
}

/* The heap: heap.items[0] is due first; equal times in the order they were set. */

static bool earlier(const struct loop_timer *a, const struct loop_timer *b)
{
	return a->due != b->due ? a->due < b->due : a->seq < b->seq;
}

static void heap_put(struct loop *loop, size_t i, struct loop_timer *t)
{
	loop->heap.items[i] = t;
	t->place = i + 1;
}

static void heap_up(struct loop *loop, size_t i, struct loop_timer *t)
{
	while (i > 0 && earlier(t, loop->heap.items[(i - 1) / 2])) {
		heap_put(loop, i, loop->heap.items[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_put(loop, i, t);
}

static void heap_down(struct loop *loop, size_t i, struct loop_timer *t)
{
	size_t n = loop->heap.n;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= n)
			break;
		if (child + 1 < n && earlier(loop->heap.items[child + 1], loop->heap.items[child]))
			child++;
		if (!earlier(loop->heap.items[child], t))
			break;
		heap_put(loop, i, loop->heap.items[child]);
		i = child;
	}
	heap_put(loop, i, t);
}

struct loop_timer *loop_timer_new(struct loop *loop, void (*fn)(void *arg), void *arg)
{
	struct loop_timer *t = xcalloc(1, sizeof(*t));

	t->loop = loop;
	t->fn = fn;
	t->arg = arg;
	LINK(loop->all_timers, t);
	return t;
}

void loop_timer_set(struct loop_timer *t, uint64_t delay_ns)
{
	struct loop *loop = t->loop;
	uint64_t now = loop_now_ns(loop);

	loop_timer_stop(t);
	t->due = now + delay_ns < now ? UINT64_MAX : now + delay_ns;
	t->seq = loop->seq++;
	vec_push(&loop->heap, t);
	heap_up(loop, loop->heap.n - 1, t);
}

void loop_timer_stop(struct loop_timer *t)
{
	struct loop *loop = t->loop;
	struct loop_timer *last;
	size_t i;

	if (!t->place)
		return;
	i = t->place - 1;
	t->place = 0;
	last = loop->heap.items[--loop->heap.n];
	if (last == t)
		return;
	heap_down(loop, i, last);
	heap_up(loop, last->place - 1, last);
}

bool loop_timer_running(const struct loop_timer *t)
{
	return t->place != 0;
}

void loop_timer_free(struct loop_timer *t)
{
	if (!t)
		return;
	loop_timer_stop(t);
	UNLINK(t);
	free(t);
}

void loop_defer(struct loop *loop, void (*fn)(void *arg), void *arg)
{
	struct deferred *d = xcalloc(1, sizeof(*d));

	d->fn = fn;
	d->arg = arg;
	*loop->deferred_tail = d;
	loop->deferred_tail = &d->next;
	event_base_loopbreak(loop->base);
}

void loop_undefer(struct loop *loop, void (*fn)(void *arg), void *arg)
{
	struct deferred **at = &loop->deferred;

	while (*at) {
		struct deferred *d = *at;

		if (d->fn == fn && d->arg == arg) {
			*at = d->next;
			free(d);
		} else {
			at = &d->next;
		}
	}
	loop->deferred_tail = at;
}

static void run_deferred(struct loop *loop)
{
	/* Calls deferred meanwhile wait for the next turn, so that descriptors are not starved. */
	struct deferred *last = NULL;

	for (struct deferred *d = loop->deferred; d; d = d->next)
		last = d;
	while (last && loop->deferred && !loop->stopping) {
		struct deferred d = *loop->deferred;
		bool end = loop->deferred == last;

		free(loop->deferred);
		loop->deferred = d.next;
		if (!d.next)
			loop->deferred_tail = &loop->deferred;
		loop->ran++;
		d.fn(d.arg);
		if (end)
			break;
	}
}

static void run_timers(struct loop *loop)
{
	uint64_t now = loop_now_ns(loop), limit = loop->seq;

	/* A timer set again for "now" by its own callback waits for the next turn. */
	while (loop->heap.n && !loop->stopping) {
		struct loop_timer *t = loop->heap.items[0];

		if (t->due > now || t->seq >= limit)
			break;
		loop_timer_stop(t);
		loop->ran++;
		t->fn(t->arg);
	}
}

static void arm(struct loop *loop)
{
	uint64_t now = loop_now_ns(loop), ns;
	struct timeval tv;

	event_del(loop->wake);
	if (loop->clock != clock_system() || !loop->heap.n)
		return;
	ns = loop->heap.items[0]->due > now ? loop->heap.items[0]->due - now : 0;
	ns = MIN(ns, 3600 * NS_PER_S);
	tv.tv_sec = (time_t)(ns / NS_PER_S);
	tv.tv_usec = (suseconds_t)((ns % NS_PER_S + 999) / 1000);
	if (tv.tv_usec >= 1000000) {
		tv.tv_sec++;
		tv.tv_usec -= 1000000;
	}
	event_add(loop->wake, &tv);
}

/* ran is not reset by descriptors of libevent that are not ours (lib/http's). */
static int turn(struct loop *loop, bool block, bool *ret_idle, struct error *err)
{
	int r, flags = EVLOOP_ONCE;

	loop->ran = 0;
	run_deferred(loop);
	run_timers(loop);
	if (!block || loop->ran || loop->deferred || loop->stopping)
		flags |= EVLOOP_NONBLOCK;
	else
		arm(loop);
	if (loop->stopping)
		return loop->ran;
	r = event_base_loop(loop->base, flags);
	if (r < 0)
		return error_set(err, -EIO, "the event loop failed");
	run_timers(loop);
	*ret_idle = r == 1 && !loop->ran && !loop->deferred;
	return loop->ran;
}

int loop_turn(struct loop *loop, bool block, struct error *err)
{
	bool idle = false;

	return turn(loop, block, &idle, err);
}

int loop_run(struct loop *loop, struct error *err)
{
	bool idle = false;
	int r = 0;

	while (!loop->stopping && !idle) {
		r = turn(loop, true, &idle, err);
		if (r < 0)
			break;
	}
	loop->stopping = false;
	return MIN(r, 0);
}

void loop_stop(struct loop *loop)
{
	loop->stopping = true;
	event_base_loopbreak(loop->base);
}

bool loop_stopping(const struct loop *loop)
{
	return loop->stopping;
}

void loop_resume(struct loop *loop)
{
	loop->stopping = false;
}

void loop_advance(struct loop *loop, struct fake_clock *clock, uint64_t ns)
{
	uint64_t end = clock->now + ns;

	while (loop_turn(loop, false, NULL) > 0)
		;
	while (!loop->stopping && loop->heap.n && loop->heap.items[0]->due <= end) {
		uint64_t due = loop->heap.items[0]->due;

		if (due > clock->now)
			fake_clock_advance(clock, due - clock->now);
		while (loop_turn(loop, false, NULL) > 0)
			;
	}
	if (end > clock->now)
		fake_clock_advance(clock, end - clock->now);
}

struct loop_fd {
	struct source source;
	int fd;
	void (*fn)(void *arg, unsigned ready);
	void *arg;
};

static void fd_ready(UNUSED evutil_socket_t fd, short what, void *arg)
{
	struct loop_fd *s = arg;
	unsigned ready = 0;

	if (what & EV_READ)
		ready |= LOOP_READ;
	if (what & EV_WRITE)
		ready |= LOOP_WRITE;
	s->source.loop->ran++;
	s->fn(s->arg, ready);
}

static struct event *must_event(struct event *e)
{
	if (!e)
		abort();
	return e;
}

struct loop_fd *loop_fd_new(struct loop *loop, int fd, unsigned events,
			    void (*fn)(void *arg, unsigned ready), void *arg)
{
	struct loop_fd *s = xcalloc(1, sizeof(*s));

	s->source.loop = loop;
	s->source.owned_fd = -1;
	s->fd = fd;
	s->fn = fn;
	s->arg = arg;
	s->source.event = must_event(event_new(loop->base, fd, EV_PERSIST, fd_ready, s));
	LINK(loop->sources, &s->source);
	loop_fd_set(s, events);
	return s;
}

void loop_fd_set(struct loop_fd *s, unsigned events)
{
	short what = EV_PERSIST;

	if (events & LOOP_READ)
		what |= EV_READ;
	if (events & LOOP_WRITE)
		what |= EV_WRITE;
	event_del(s->source.event);
	event_assign(s->source.event, s->source.loop->base, s->fd, what, fd_ready, s);
	if (events)
		event_add(s->source.event, NULL);
}

void loop_fd_free(struct loop_fd *s)
{
	if (s)
		source_free(&s->source);
}

struct loop_signal {
	struct source source;
	void (*fn)(void *arg, int signo);
	void *arg;
};

static void signal_came(evutil_socket_t signo, UNUSED short what, void *arg)
{
	struct loop_signal *s = arg;

	s->source.loop->ran++;
	s->fn(s->arg, (int)signo);
}

struct loop_signal *loop_signal_new(struct loop *loop, int signo, void (*fn)(void *arg, int signo),
				    void *arg)
{
	struct loop_signal *s = xcalloc(1, sizeof(*s));

	s->source.loop = loop;
	s->source.owned_fd = -1;
	s->fn = fn;
	s->arg = arg;
	s->source.event = must_event(evsignal_new(loop->base, signo, signal_came, s));
	LINK(loop->sources, &s->source);
	event_add(s->source.event, NULL);
	return s;
}

void loop_signal_free(struct loop_signal *s)
{
	if (s)
		source_free(&s->source);
}

struct loop_process {
	struct source source;
	pid_t pid;
	void (*fn)(void *arg);
	void *arg;
};

static void process_gone(UNUSED evutil_socket_t fd, UNUSED short what, void *arg)
{
	struct loop_process *p = arg;

	p->source.loop->ran++;
	p->fn(p->arg);
}

int loop_process_watch(struct loop *loop, pid_t pid, void (*fn)(void *arg), void *arg,
		       struct loop_process **ret_process, struct error *err)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct loop_process *p;

	if (fd < 0)
		return error_errno(err, -errno, "process %d", (int)pid);
	p = xcalloc(1, sizeof(*p));
	p->source.loop = loop;
	p->source.owned_fd = fd;
	p->pid = pid;
	p->fn = fn;
	p->arg = arg;
	p->source.event = must_event(event_new(loop->base, fd, EV_READ, process_gone, p));
	LINK(loop->sources, &p->source);
	event_add(p->source.event, NULL);
	*ret_process = p;
	return 0;
}

/* PIDFD_GET_INFO of <linux/pidfd.h>, which the C library's headers may be too old for. */
struct pidfd_told {
	uint64_t mask, cgroup;
	uint32_t pid, tgid, ppid, ids[8];
	int32_t exit_code;
};
#define PIDFD_TOLD      _IOWR(0xFF, 11, struct pidfd_told)
#define PIDFD_TOLD_EXIT (UINT64_C(1) << 3)

/* The last field of a zombie's stat; behind the name, which may hold anything. */
static bool zombie_status(pid_t pid, int *ret_status)
{
	auto_free char *path = xasprintf("/proc/%d/stat", pid);
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	const char *state, *last;

	if (io_read_file(path, 4096, &text, NULL) < 0)
		return false;
	state = strrchr(strbuf_cstr(&text), ')');
	last = strrchr(strbuf_cstr(&text), ' ');
	if (!state || !last || state[1] != ' ' || state[2] != 'Z')
		return false;
	*ret_status = (int)strtol(last, NULL, 10);
	return true;
}

bool loop_process_status(const struct loop_process *p, int *ret_status)
{
	struct pidfd_told told = {.mask = PIDFD_TOLD_EXIT};

	if (zombie_status(p->pid, ret_status))
		return true;
	if (ioctl(p->source.owned_fd, PIDFD_TOLD, &told) < 0 || !(told.mask & PIDFD_TOLD_EXIT))
		return false;
	*ret_status = told.exit_code;
	return true;
}

int loop_process_kill(struct loop_process *p, int signo)
{
	return syscall(SYS_pidfd_send_signal, p->source.owned_fd, signo, NULL, 0) < 0 ? -errno : 0;
}

void loop_process_free(struct loop_process *p)
{
	if (p)
		source_free(&p->source);
}
