/* SPDX-License-Identifier: Apache-2.0 */
/* Child processes: fork, exec, captured streams, and the pidfd that tells the end. */
#include "lib/loop/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/macros.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

struct capture {
	struct loop_child *child;
	struct loop_fd *source;
	int fd, stream;
	size_t taken;
};

struct loop_child {
	struct loop *loop;
	pid_t pid;
	int pidfd;
	struct loop_fd *end; /* readable once the child has ended */
	bool running, detached;
	void (*on_exit)(void *arg, const struct loop_child_exit *exit);
	void (*on_output)(void *arg, int stream, const char *data, size_t n);
	void *arg;
	struct capture out[2];
	struct loop_fd *input_source;
	int input_fd;
	char *input;
	size_t input_size, input_sent;
	bool *freed; /* set while a callback runs: tells it that the child was freed */
};

/* Everything the child needs between fork and exec, prepared before the fork. */
struct launch {
	const struct loop_spawn *spec;
	int fds[3];
	int report;
	pid_t parent;
};

static NORETURN void launch_failed(const struct launch *l, int code)
{
	ssize_t n = write(l->report, &code, sizeof(code));

	(void)n;
	_exit(127);
}

static void place_fds(const struct launch *l)
{
	int high[3];

	for (int i = 0; i < 3; i++) {
		high[i] = l->fds[i] >= 0 ? fcntl(l->fds[i], F_DUPFD_CLOEXEC, 10)
					 : open("/dev/null", O_RDWR | O_CLOEXEC);
		if (high[i] < 0)
			launch_failed(l, errno);
		if (high[i] < 3)
			high[i] = fcntl(high[i], F_DUPFD_CLOEXEC, 10);
	}
	for (int i = 0; i < 3; i++)
		if (dup2(high[i], i) < 0)
			launch_failed(l, errno);
}

static void reset_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
}

static NORETURN void launch(const struct launch *l)
{
	const struct loop_spawn *spec = l->spec;
	int r;

	if (spec->new_session)
		setsid();
	if (spec->die_with_us) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != l->parent)
			_exit(127);
	}
	place_fds(l);
	reset_signals();
	if (spec->cwd && chdir(spec->cwd) < 0)
		launch_failed(l, errno);
	if (spec->before_exec) {
		r = spec->before_exec(spec->before_exec_arg);
		if (r)
			launch_failed(l, r < 0 ? -r : r);
	}
	syscall(SYS_close_range, 3, ~0U, 1U << 2 /* CLOSE_RANGE_CLOEXEC */);
	if (spec->env)
		execvpe(spec->argv[0], (char *const *)(uintptr_t)spec->argv,
			(char *const *)(uintptr_t)spec->env);
	else
		execvp(spec->argv[0], (char *const *)(uintptr_t)spec->argv);
	launch_failed(l, errno);
}

static void capture_end(struct capture *c)
{
	loop_fd_free(c->source);
	c->source = NULL;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static void input_end(struct loop_child *child)
{
	loop_fd_free(child->input_source);
	child->input_source = NULL;
	if (child->input_fd >= 0)
		close(child->input_fd);
	child->input_fd = -1;
	free_ptr(&child->input);
	child->input = NULL;
}

/* Reads once; false when the stream is at its end or dry. The child may be freed by the callback,
 * then *freed is set. */
static bool capture_read(struct capture *c, bool *freed)
{
	char buf[16384];
	ssize_t n = read(c->fd, buf, sizeof(buf));
	struct loop_child *child = c->child;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		capture_end(c);
		return false;
	}
	c->taken += (size_t)n;
	child->freed = freed;
	child->on_output(child->arg, c->stream, buf, (size_t)n);
	if (*freed)
		return false;
	child->freed = NULL;
	if (c->taken > LOOP_SPAWN_MAX_OUTPUT) {
		capture_end(c);
		return false;
	}
	return true;
}

static void capture_ready(void *arg, UNUSED unsigned ready)
{
	bool freed = false;

	capture_read(arg, &freed);
}

static void input_ready(void *arg, UNUSED unsigned ready)
{
	struct loop_child *child = arg;
	ssize_t n = write(child->input_fd, child->input + child->input_sent,
			  child->input_size - child->input_sent);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		child->input_sent += (size_t)n;
	if (n <= 0 || child->input_sent == child->input_size)
		input_end(child);
}

static void child_ended(void *arg, UNUSED unsigned ready)
{
	struct loop_child *child = arg;
	struct loop_child_exit end = {0, 0};
	siginfo_t info;
	bool freed = false;

	memset(&info, 0, sizeof(info));
	if (waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0) {
		if (errno == EINTR || info.si_pid == 0)
			return;
	}
	if (info.si_code == CLD_EXITED) {
		end.code = info.si_status;
	} else {
		end.code = -1;
		end.signal = info.si_status;
	}
	child->running = false;
	loop_fd_free(child->end);
	child->end = NULL;
	/* A grandchild may hold the pipes open for ever: take what is there and stop. */
	for (int i = 0; i < 2; i++) {
		while (child->out[i].fd >= 0 && capture_read(&child->out[i], &freed))
			;
		if (freed)
			return;
		capture_end(&child->out[i]);
	}
	input_end(child);
	if (child->detached)
		loop_child_free(child);
	else if (child->on_exit)
		child->on_exit(child->arg, &end);
}

static int make_pipe(int *ret_ours, int *ret_theirs, bool we_read, struct error *err)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return error_errno(err, -errno, "pipe");
	*ret_ours = we_read ? p[0] : p[1];
	*ret_theirs = we_read ? p[1] : p[0];
	fcntl(*ret_ours, F_SETFL, O_NONBLOCK);
	return 0;
}

/* Waits for exec: end of file is success. Exec takes no longer than reading the binary's head. */
static int exec_report(int fd, pid_t pid, const char *program, struct error *err)
{
	int code = 0;
	ssize_t n;

	do {
		n = read(fd, &code, sizeof(code));
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(code))
		return 0;
	waitpid(pid, NULL, 0);
	return error_errno(err, -code, "cannot start %s", program);
}

static int start(struct loop_child *child, struct launch *l, struct error *err)
{
	auto_close int report = -1, theirs = -1;
	int r, p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return error_errno(err, -errno, "pipe");
	report = p[0];
	theirs = p[1];
	l->report = theirs;
	l->parent = getpid();
	child->pid = fork();
	if (child->pid < 0)
		return error_errno(err, -errno, "fork");
	if (child->pid == 0)
		launch(l);
	close(TAKE_FD(theirs));
	r = exec_report(report, child->pid, l->spec->argv[0], err);
	if (r)
		return r;
	child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
	if (child->pidfd < 0) {
		r = error_errno(err, -errno, "pidfd_open");
		kill(child->pid, SIGKILL);
		waitpid(child->pid, NULL, 0);
	}
	return r;
}

static int prepare(struct loop_child *child, const struct loop_spawn *spec, struct launch *l,
		   int theirs[3], struct error *err)
{
	int r;

	if (spec->input) {
		r = make_pipe(&child->input_fd, &theirs[0], false, err);
		if (r)
			return r;
		l->fds[0] = theirs[0];
		child->input = xmalloc(spec->input_size + 1);
		memcpy(child->input, spec->input, spec->input_size);
		child->input_size = spec->input_size;
	}
	for (int i = 0; i < 2 && spec->on_output; i++) {
		r = make_pipe(&child->out[i].fd, &theirs[i + 1], true, err);
		if (r)
			return r;
		l->fds[i + 1] = theirs[i + 1];
	}
	return 0;
}

static void attach(struct loop_child *child)
{
	child->running = true;
	child->end = loop_fd_new(child->loop, child->pidfd, LOOP_READ, child_ended, child);
	for (int i = 0; i < 2; i++)
		if (child->out[i].fd >= 0)
			child->out[i].source = loop_fd_new(child->loop, child->out[i].fd, LOOP_READ,
							   capture_ready, &child->out[i]);
	if (child->input_fd >= 0 && child->input_size)
		child->input_source =
			loop_fd_new(child->loop, child->input_fd, LOOP_WRITE, input_ready, child);
	else
		input_end(child);
}

int loop_spawn(struct loop *loop, const struct loop_spawn *spec,
	       void (*on_exit)(void *arg, const struct loop_child_exit *exit), void *arg,
	       struct loop_child **ret_child, struct error *err)
{
	struct loop_child *child = xcalloc(1, sizeof(*child));
	struct launch l = {.spec = spec};
	int theirs[3] = {-1, -1, -1}, r;

	memcpy(l.fds, spec->fds, sizeof(l.fds));
	child->loop = loop;
	child->pidfd = child->input_fd = -1;
	child->on_exit = on_exit;
	child->on_output = spec->on_output;
	child->arg = arg;
	for (int i = 0; i < 2; i++) {
		child->out[i].child = child;
		child->out[i].fd = -1;
		child->out[i].stream = i + 1;
	}
	r = prepare(child, spec, &l, theirs, err);
	if (r == 0)
		r = start(child, &l, err);
	for (int i = 0; i < 3; i++)
		close_ptr(&theirs[i]);
	if (r) {
		loop_child_free(child);
		return r;
	}
	attach(child);
	*ret_child = child;
	return 0;
}

pid_t loop_child_pid(const struct loop_child *child)
{
	return child->pid;
}

int loop_child_kill(struct loop_child *child, int signo)
{
	if (!child->running)
		return -ESRCH;
	return syscall(SYS_pidfd_send_signal, child->pidfd, signo, NULL, 0) < 0 ? -errno : 0;
}

bool loop_child_running(const struct loop_child *child)
{
	return child->running;
}

void loop_child_free(struct loop_child *child)
{
	if (!child)
		return;
	if (child->freed)
		*child->freed = true;
	child->freed = NULL; /* a detached child lives on without that callback */
	for (int i = 0; i < 2; i++)
		capture_end(&child->out[i]);
	input_end(child);
	if (child->running) {
		child->detached = true; /* stays until it ends, to be reaped */
		return;
	}
	loop_fd_free(child->end);
	if (child->pidfd >= 0)
		close(child->pidfd);
	free(child);
}
