/* SPDX-License-Identifier: Apache-2.0 */
/* Removing a lab, from its state folder alone. */
#include "deploy/lab/down.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "deploy/lab/network.h"
#include "deploy/lab/options.h"
#include "deploy/lab/roles.h"
#include "deploy/lab/sysctl.h"
#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"
#include "lib/base/vec.h"
#include "lib/loop/loop.h"

enum { END_S = 30 };

struct ending {
	struct loop *loop;
	bool gone;
};

static void is_gone(void *arg)
{
	struct ending *e = arg;

	e->gone = true;
	loop_stop(e->loop);
}

static void is_late(void *arg)
{
	struct ending *e = arg;

	loop_stop(e->loop);
}

/* Asks the process of that pid file to end, kills it when it does not, and waits until it is gone.
 */
static int end_process(const struct lab *lab, const char *role, int signo, struct error *err)
{
	struct ending e = {.loop = loop_new(NULL)};
	struct loop_process *process = NULL;
	struct loop_timer *timer = loop_timer_new(e.loop, is_late, &e);
	pid_t pid;
	int r = lab_pid_read(lab, role, &pid);

	if (!r)
		r = loop_process_watch(e.loop, pid, is_gone, &e, &process, err);
	if (!r) {
		loop_process_kill(process, signo);
		loop_timer_set(timer, END_S * NS_PER_S);
		r = loop_run(e.loop, err);
		if (!r && !e.gone) {
			loop_process_kill(process, SIGKILL);
			r = loop_run(e.loop, err);
		}
	}
	loop_free(e.loop);
	return r == -ESRCH ? 0 : r;
}

static void first_error(int *r, int now)
{
	if (!*r)
		*r = now;
}

/* Everything that is still mounted below the lab's folder: what a killed role left. Newest first.
 */
static int unmount_all(const struct lab *lab, struct error *err)
{
	auto_release(strbuf) struct strbuf table = STRBUF_INIT;
	auto_free char *below = xasprintf("%s/", lab->dir);
	VEC(char *) points = VEC_INIT;
	int r = io_read_file("/proc/self/mountinfo", LIMIT_SYSTEM_FILE_BYTES, &table, err);

	for (char *line = table.buf, *next; r == 0 && line; line = next) {
		char path[512];

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (sscanf(line, "%*d %*d %*s %*s %511s", path) == 1 && str_starts(path, below))
			vec_push(&points, xstrdup(path));
	}
	while (points.n) {
		char *path = points.items[--points.n];

		if (umount2(path, MNT_DETACH) < 0 && errno != EINVAL && errno != ENOENT)
			first_error(&r, error_errno(err, -errno, "unmount %s", path));
		free(path);
	}
	vec_release(&points);
	return r;
}

/* lab.json goes last: while anything is left, it is how to find it. */
static int remove_folder(const struct lab *lab, struct error *err)
{
	DIR *dir = opendir(lab->dir);
	struct dirent *e;
	int r = 0;

	while (dir && (e = readdir(dir))) {
		auto_free char *path = xasprintf("%s/%s", lab->dir, e->d_name);

		if (!str_eq(e->d_name, ".") && !str_eq(e->d_name, "..") &&
		    !str_eq(e->d_name, "lab.json"))
			first_error(&r, io_remove_tree(path, err));
	}
	if (dir)
		closedir(dir);
	return r ? r : io_remove_tree(lab->dir, err);
}

int lab_remove(struct lab *lab, struct error *err)
{
	struct role_process list[LAB_MAX_PROCESSES];
	size_t n = lab_processes(lab, list);
	int r = end_process(lab, "supervise", SIGTERM, err);

	while (n--)
		first_error(&r, end_process(lab, list[n].name, SIGKILL, err));
	first_error(&r, lab_network_down(lab, err));
	first_error(&r, lab_sysctl_restore(lab, err));
	first_error(&r, unmount_all(lab, err));
	return r ? r : remove_folder(lab, err);
}

int lab_down_main(const struct cli_call *call, struct error *err)
{
	const struct lab_options *o = call->opts;
	struct lab lab;
	int r = lab_load(&lab, o->lab, err);

	/* A folder without its lab.json: an `up` or a `down` that was killed at a bad moment. */
	if (r == -ENOENT && io_exists(arena_printf(&lab.arena, LAB_ROOT "/%s", o->lab)))
		r = lab_init(&lab, o->lab, LAB_MAX_NODES, err);
	if (r == -ENOENT) {
		fprintf(call->err, "there is no lab \"%s\": nothing to do\n", o->lab);
		return CLI_OK;
	}
	if (!r)
		r = lab_remove(&lab, err);
	lab_release(&lab);
	return r;
}
