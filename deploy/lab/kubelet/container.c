/* SPDX-License-Identifier: Apache-2.0 */
/* A container's process: started, adopted, noticed when it ends, started again. */
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "deploy/lab/images.h"
#include "deploy/lab/kubelet/cgroup.h"
#include "deploy/lab/kubelet/image.h"
#include "deploy/lab/kubelet/pod.h"
#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/net/netns.h"

/*
 * The first restart at once, then a pause that doubles, forgotten after a run of some length: as
 * Kubernetes, with the shortest times its kubelet can be told (crashLoopBackOff), because a lab
 * lives for minutes.
 */
#define BACK_OFF_NS     (500 * NS_PER_MS)
#define BACK_OFF_MAX_NS (60 * NS_PER_S)
#define GOOD_RUN_NS     (5 * NS_PER_S)

/* What the child does between fork and exec; every string was made before. */
struct launch {
	int netns, mntns; /* mntns: of the container that a command is run in, or -1 */
	const char *cgroup_procs, *memory_procs, *pid_file, *resolv;
	const struct volume_mount *mounts;
	size_t n_mounts;
	bool critical;                       /* keeps the priority that the control plane has */
	const char *words_dir, *words_mount; /* NULL: no termination message */
	uint32_t uid, gid;
};

static int write_text(const char *path, int flags, const char *text, size_t n)
{
	int fd = open(path, flags | O_WRONLY | O_CLOEXEC, 0644), e;
	ssize_t w;

	if (fd < 0)
		return errno;
	w = write(fd, text, n);
	e = w < 0 ? errno : 0;
	close(fd);
	return e;
}

static int write_pid(const char *path)
{
	char text[16];
	size_t n = sizeof(text);
	unsigned pid = (unsigned)getpid();

	for (; pid; pid /= 10)
		text[--n] = (char)('0' + pid % 10);
	return write_text(path, O_CREAT | O_TRUNC, text + n, sizeof(text) - n);
}

/* What lacks a place is given one: in a container's own file system, which here is the machine's.
 */
static int mount_volume(const struct volume_mount *m)
{
	if (mkdir(m->to, 0755) < 0 && errno != EEXIST)
		return errno;
	if (mount(m->from, m->to, NULL, MS_BIND | MS_REC, NULL) < 0)
		return errno;
	if (m->read_only && mount(NULL, m->to, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) < 0)
		return errno;
	return 0;
}

/*
 * The cluster's resolver in place of the machine's, a place for the last words, and the volumes,
 * seen by this process and its children only.
 */
static int own_files(const struct launch *l)
{
	if (!l->resolv && !l->words_mount && !l->n_mounts)
		return 0;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return errno;
	if (l->words_mount) /* without overlayfs: without last words */
		(void)mount("words", l->words_dir, "overlay", 0, l->words_mount);
	for (size_t i = 0; i < l->n_mounts; i++) {
		int e = mount_volume(&l->mounts[i]);

		if (e)
			return e;
	}
	if (!l->resolv)
		return 0;
	return mount(l->resolv, "/etc/resolv.conf", NULL, MS_BIND, NULL) < 0 ? errno : 0;
}

static int before_exec(void *arg)
{
	const struct launch *l = arg;
	int e = write_text(l->cgroup_procs, 0, "0", 1);

	if (!e && l->memory_procs)
		e = write_text(l->memory_procs, 0, "0", 1);
	if (!l->critical)
		setpriority(PRIO_PROCESS, 0, 0); /* whatever the kubelet's own is */
	if (!e && l->pid_file)
		e = write_pid(l->pid_file);
	/* From here on the next kubelet finds it, and it no longer ends with this one. */
	if (!e && l->pid_file && prctl(PR_SET_PDEATHSIG, 0) < 0)
		e = errno;
	if (!e && l->netns >= 0 && setns(l->netns, CLONE_NEWNET) < 0)
		e = errno;
	if (!e && l->mntns >= 0 && setns(l->mntns, CLONE_NEWNS) < 0)
		e = errno;
	if (!e && l->mntns < 0)
		e = own_files(l);
	if (e || (l->uid == 0 && l->gid == 0))
		return e;
	if (setgroups(0, NULL) < 0 || setgid(l->gid) < 0 || setuid(l->uid) < 0)
		return errno;
	return 0;
}

static const char *container_cgroup(struct arena *a, const struct container *c)
{
	return arena_printf(a, "%s/%s", pod_cgroup(a, c->pod), c->name);
}

static const char *pid_file(struct arena *a, const struct container *c)
{
	return arena_printf(a, "%s/%s.pid", pod_dir(a, c->pod), c->name);
}

/* A command is run in what the container sees; the container itself makes that. */
static int files_of(struct arena *a, struct container *c, bool exec, struct launch *l,
		    struct error *err)
{
	struct volume_mount *mounts;
	int r;

	if (exec) {
		l->mntns = open(arena_printf(a, "/proc/%d/ns/mnt", c->pid), O_RDONLY | O_CLOEXEC);
		return l->mntns < 0 ? error_errno(err, -errno, "the container's files") : 0;
	}
	/* A pod on the node's own network has the node's resolver. */
	if (!c->pod->host_network)
		l->resolv = c->pod->k->resolv;
	r = volumes_mounts(a, c, &mounts, &l->n_mounts, err);
	l->mounts = mounts;
	if (!r)
		words_prepare(a, c, &l->words_dir, &l->words_mount);
	return r;
}

static int spawn(struct container *c, const struct doc *exec, int log_fd, const char *pids,
		 void (*on_exit)(void *arg, const struct loop_child_exit *exit), void *arg,
		 struct loop_child **ret_child, struct error *err)
{
	struct arena a = ARENA_INIT;
	struct image_process ip;
	const char *cg = container_cgroup(&a, c);
	struct launch l = {.netns = -1,
			   .mntns = -1,
			   .pid_file = pids,
			   .critical = pod_is_critical(c->pod),
			   .cgroup_procs = arena_printf(&a, "%s/cgroup.procs", cg)};
	struct loop_spawn spec = {.fds = {-1, log_fd, log_fd},
				  .before_exec = before_exec,
				  .before_exec_arg = &l,
				  .new_session = true,
				  /* else a process nobody knows is started once more */
				  .die_with_us = pids != NULL,
				  .cwd = "/"};
	int r = image_process(&a, c, exec, &ip, err);

	if (r == 0)
		r = cgroup_make(cg, err);
	if (r == 0 && !c->pod->host_network)
		r = netns_open(c->pod->netns, &l.netns, err);
	if (r == 0)
		r = files_of(&a, c, !pids, &l, err);
	if (r == 0) {
		l.memory_procs = memory_limit(&a, c);
		l.uid = ip.uid;
		l.gid = ip.gid;
		spec.argv = ip.argv;
		spec.env = ip.env;
		r = loop_spawn(c->pod->k->loop, &spec, on_exit, arg, ret_child, err);
	}
	if (l.netns >= 0)
		close(l.netns);
	if (l.mntns >= 0)
		close(l.mntns);
	arena_release(&a);
	return r;
}

int container_exec(struct container *c, const struct doc *command,
		   void (*on_exit)(void *arg, const struct loop_child_exit *exit), void *arg,
		   struct loop_child **ret_child, struct error *err)
{
	return spawn(c, command, -1, NULL, on_exit, arg, ret_child, err);
}

static int open_log(struct container *c, struct error *err)
{
	struct arena a = ARENA_INIT;
	const char *dir = pod_dir(&a, c->pod);
	int fd = io_mkdirs(dir, 0755, err);

	if (fd == 0) {
		fd = open(arena_printf(&a, "%s/%s.log", dir, c->name),
			  O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
		if (fd < 0)
			fd = error_errno(err, -errno, "log of %s", c->name);
	}
	arena_release(&a);
	return fd;
}

static void on_child_exit(void *arg, const struct loop_child_exit *exit)
{
	container_ended(arg, exit->code, exit->signal);
}

static void on_adopted_end(void *arg)
{
	struct container *c = arg;
	int status;

	/* Not our child: only the kernel can say how it ended, and not every kernel does. */
	if (!loop_process_status(c->process, &status))
		container_ended(c, 255, 0);
	else if (WIFSIGNALED(status))
		container_ended(c, 0, WTERMSIG(status));
	else
		container_ended(c, WEXITSTATUS(status), 0);
}

static void now_running(struct container *c, pid_t pid)
{
	c->state = CONTAINER_RUNNING;
	c->pid = pid;
	c->waiting = c->message = NULL;
	c->stop = STOP_NONE;
	c->liveness_failed = false;
	c->started = !container_has_probe(c, PROBE_STARTUP);
	c->ready = c->started && !container_has_probe(c, PROBE_READINESS);
	probes_start(c);
	pod_touch(c->pod);
}

static uint64_t back_off(struct container *c)
{
	const unsigned steps = MIN(MAX(c->back_off_steps, 1u), 6u);

	c->back_off_steps = steps + 1;
	return MIN(BACK_OFF_NS << (steps - 1), BACK_OFF_MAX_NS);
}

static void image_missing(struct container *c)
{
	c->waiting = str_eq(doc_str(doc_get(c->spec, "imagePullPolicy")), "Never")
			     ? "ErrImageNeverPull"
			     : "ImagePullBackOff";
	loop_timer_set(c->timer, back_off(c));
	pod_touch(c->pod);
}

static void start_failed(struct container *c, int code, const struct error *err)
{
	c->message = arena_strdup(&c->pod->arena, err->msg);
	log_error(c->pod->k->log, "cannot start container pod=%s/%s container=%s error=%s",
		  c->pod->ns, c->pod->name, c->name, err->msg);
	if (code == -ENOMEDIUM) {
		image_missing(c);
		return;
	}
	c->state = CONTAINER_RUNNING;
	c->run.reason = "StartError";
	container_ended(c, 128, 0);
}

static int find_image(struct container *c, struct error *err)
{
	const char *image = str_or_empty(doc_str(doc_get(c->spec, "image")));
	const char *file = c->pod->k->o.images;

	return file ? images_find(&c->pod->arena, file, image, &c->bin_dir, err) : 0;
}

void container_start(struct container *c)
{
	struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;
	auto_close int log_fd = open_log(c, &err);
	int r = log_fd;

	loop_timer_stop(c->timer);
	c->oom_kills = memory_kills(c);
	c->run = (struct run_record){0};
	c->run.started_wall = clock_wall_ns(loop_clock(c->pod->k->loop));
	if (r >= 0)
		r = find_image(c, &err);
	if (r >= 0)
		r = spawn(c, NULL, log_fd, pid_file(&a, c), on_child_exit, c, &c->child, &err);
	arena_release(&a);
	if (r < 0) {
		start_failed(c, r, &err);
		return;
	}
	now_running(c, loop_child_pid(c->child));
	state_save(c->pod);
}

bool container_adopt(struct container *c)
{
	struct arena a = ARENA_INIT;
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	pid_t pid = 0;
	bool ok = false;

	if (io_read_file(pid_file(&a, c), 32, &sb, NULL) == 0 && sb.len)
		pid = (pid_t)strtol(sb.buf, NULL, 10);
	/* A recycled pid is not in the container's cgroup. */
	if (pid > 0 && cgroup_has(container_cgroup(&a, c), pid))
		ok = loop_process_watch(c->pod->k->loop, pid, on_adopted_end, c, &c->process,
					NULL) == 0;
	arena_release(&a);
	if (!ok)
		return false;
	find_image(c, NULL);
	c->oom_kills = memory_kills(c);
	now_running(c, pid);
	return true;
}

static uint64_t restart_delay(struct container *c)
{
	const int64_t ran = c->run.finished_wall - c->run.started_wall;

	if (ran > (int64_t)GOOD_RUN_NS)
		c->back_off_steps = 0;
	if (c->back_off_steps > 0)
		return back_off(c);
	c->back_off_steps = 1;
	return 0;
}

bool container_restarts(const struct container *c)
{
	const char *policy = pod_restart_policy(c->pod);

	if (c->pod->phase >= POD_STOPPING || c->pod->finished)
		return false;
	if (c->role == ROLE_SIDECAR)
		return true;
	/* An init container that failed is tried again unless the pod says never. */
	if (c->role == ROLE_INIT || strcmp(policy, "OnFailure") == 0)
		return c->run.exit_code != 0 && strcmp(policy, "Never") != 0;
	return strcmp(policy, "Always") == 0;
}

static const char *reason_of(int exit_code, int signal)
{
	if (exit_code == 255 && signal == 0)
		return "ContainerStatusUnknown";
	return exit_code == 0 && signal == 0 ? "Completed" : "Error";
}

static void let_go(struct container *c)
{
	loop_child_free(c->child);
	loop_process_free(c->process);
	c->child = NULL;
	c->process = NULL;
	c->pid = 0;
	probes_stop(c);
	hook_free(c->hook);
	c->hook = NULL;
}

void container_ended(struct container *c, int exit_code, int signal)
{
	let_go(c);
	container_kill_all(c);
	c->state = CONTAINER_TERMINATED;
	c->run.exit_code = signal ? 128 + signal : exit_code;
	c->run.signal = signal;
	c->run.finished_wall = clock_wall_ns(loop_clock(c->pod->k->loop));
	c->run.ended_by_us = c->stop == STOP_KILL;
	c->run.words = words_read(c);
	if (!c->run.reason && memory_kills(c) > c->oom_kills)
		c->run.reason = "OOMKilled";
	if (!c->run.reason)
		c->run.reason = reason_of(exit_code, signal);
	c->ready = c->started = false;
	c->stop = STOP_NONE;
	log_info(c->pod->k->log, "container ended pod=%s/%s container=%s code=%d", c->pod->ns,
		 c->pod->name, c->name, c->run.exit_code);
	if (container_restarts(c)) {
		c->last = c->run;
		c->state = CONTAINER_WAITING;
		c->restarts++;
		c->waiting = "CrashLoopBackOff";
		loop_timer_set(c->timer, restart_delay(c));
	} else {
		loop_timer_stop(c->timer);
	}
	pod_touch(c->pod);
	state_save(c->pod);
}

void container_signal(struct container *c, int signo)
{
	if (c->child)
		loop_child_kill(c->child, signo);
	else if (c->process)
		loop_process_kill(c->process, signo);
}

void container_kill_all(struct container *c)
{
	struct arena a = ARENA_INIT;

	cgroup_kill(container_cgroup(&a, c));
	arena_release(&a);
}

void container_release(struct container *c)
{
	let_go(c);
	loop_timer_free(c->timer);
}
