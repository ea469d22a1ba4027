/* SPDX-License-Identifier: Apache-2.0 */
#include "runbooks/command.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/loop/spawn.h"

#define MAX_ARGS     64u
#define MAX_ARGUMENT 4096u
#define GRACE_NS     (5 * NS_PER_S)

struct child {
	struct strbuf out, err;
	uint64_t max;
	bool cut, ended;
	struct loop_child_exit exit;
};

static bool plain(const char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	}
	return true;
}

const char *command_refused(struct arena *a, const char *const *argv, size_t n, bool mutates)
{
	size_t words = 0;
	const struct known_command *row = n ? known_command_find(argv, n, &words) : NULL;

	if (!n || n > MAX_ARGS)
		return "it has no words, or too many";
	if (!row)
		return arena_printf(a, "\"%.60s\" is in no row of the allowed commands", argv[0]);
	if (n > words && !row->more)
		return arena_printf(a, "\"%s\" takes no further argument", row->words);
	if (row->mutates != mutates)
		return arena_printf(a, "\"%s\" %s", row->words,
				    row->mutates ? "changes something, and the step only reads"
						 : "only reads");
	for (size_t i = words; i < n; i++) {
		if (argv[i][0] == '-' || !argv[i][0])
			return arena_printf(a, "\"%.60s\" would be an option", argv[i]);
		if (!plain(argv[i]) || strlen(argv[i]) > MAX_ARGUMENT)
			return "an argument holds a control character, or is too long";
	}
	return NULL;
}

static void keep(struct child *c, struct strbuf *into, const char *data, size_t n)
{
	const size_t room = into->len < c->max ? c->max - into->len : 0;

	c->cut |= n > room;
	strbuf_add(into, data, MIN(n, room));
}

static void on_output(void *arg, int stream, const char *data, size_t n)
{
	struct child *c = arg;

	keep(c, stream == 1 ? &c->out : &c->err, data, n);
}

static void on_exit_of(void *arg, const struct loop_child_exit *e)
{
	struct child *c = arg;

	c->ended = true;
	c->exit = *e;
}

/* Ours stand beside us; others where the system has them, never where a caller's PATH leads. */
static const char *path_of(struct arena *a)
{
	static const char system[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n <= 0)
		return system;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	return arena_printf(a, "%s:%s", self, system);
}

static const char *find_program(struct arena *a, const char *name, struct error *err)
{
	for (const char *at = path_of(a); *at;) {
		const size_t n = strcspn(at, ":");
		const char *path = arena_printf(a, "%.*s/%s", (int)n, at, name);

		if (access(path, X_OK) == 0)
			return path;
		at += n + (at[n] == ':');
	}
	error_set(err, -ENOENT, "%s is not on this machine", name);
	return NULL;
}

bool command_here(struct arena *a, const char *program)
{
	return !strchr(program, '/') && find_program(a, program, NULL);
}

static void add_env(struct arena *a, const char **env, size_t *n, const char *name,
		    const char *value)
{
	if (value)
		env[(*n)++] = arena_printf(a, "%s=%s", name, value);
}

/* The one that we go by ourselves: of this folder, or found in the usual place. */
static const char *kubeconfig_of(struct arena *a, const char *given)
{
	const char *home = getenv("HOME"), *path;
	char here[4096];

	if (!str_empty(given))
		return given[0] == '/' || strchr(given, ':') || !getcwd(here, sizeof(here))
			       ? given
			       : arena_printf(a, "%s/%s", here, given);
	path = arena_printf(a, "%s/.kube/config", str_or_empty(home));
	return !str_empty(home) && access(path, R_OK) == 0 ? path : NULL;
}

static const char *const *environment(struct arena *a, const struct command_request *q)
{
	const char **env = arena_array(a, 12, const char *);
	size_t n = 0;

	add_env(a, env, &n, "PATH", path_of(a));
	add_env(a, env, &n, "LANG", "C.UTF-8");
	if (str_starts(q->argv[0], "sidestep")) {
		add_env(a, env, &n, "KUBECONFIG", kubeconfig_of(a, q->kubeconfig));
		/* Within a pod; the token is a file. */
		add_env(a, env, &n, "KUBERNETES_SERVICE_HOST", getenv("KUBERNETES_SERVICE_HOST"));
		add_env(a, env, &n, "KUBERNETES_SERVICE_PORT", getenv("KUBERNETES_SERVICE_PORT"));
		add_env(a, env, &n, "SIDESTEP_STATE", q->state);
		add_env(a, env, &n, "SIDESTEP_SOCKET", getenv("SIDESTEP_SOCKET"));
		add_env(a, env, &n, "SIDESTEP_MIGRATE_PROFILE", getenv("SIDESTEP_MIGRATE_PROFILE"));
		add_env(a, env, &n, "SIDESTEP_UPGRADE_PROFILE", getenv("SIDESTEP_UPGRADE_PROFILE"));
	}
	return env;
}

static const char *const *words_of(struct arena *a, const struct command_request *q,
				   const char *program)
{
	const char **argv = arena_array(a, q->n + 3, const char *);

	memcpy(argv, q->argv, q->n * sizeof(*argv));
	argv[0] = program;
	if (q->context && str_starts(q->argv[0], "sidestep")) {
		argv[q->n] = "--context";
		argv[q->n + 1] = q->context;
	}
	return argv;
}

static void timer_fired(void *arg)
{
	*(bool *)arg = true;
}

/* Everything that the program started goes with it: asked first, then not. */
static void kill_group(struct loop *loop, struct loop_child *child, struct child *c)
{
	const pid_t group = loop_child_pid(child);
	bool over = false;
	struct loop_timer *timer = loop_timer_new(loop, timer_fired, &over);

	kill(-group, SIGTERM);
	loop_timer_set(timer, GRACE_NS);
	while (!c->ended && !over && loop_turn(loop, true, NULL) >= 0)
		;
	loop_timer_free(timer);
	kill(-group, SIGKILL);
	while (!c->ended && loop_turn(loop, true, NULL) >= 0)
		;
}

static int wait_for(struct cluster *cl, struct loop_child *child, struct child *c,
		    uint64_t timeout_ns, struct error *err)
{
	bool over = false;
	struct loop_timer *timer = loop_timer_new(cl->loop, timer_fired, &over);
	int r = 0;

	loop_timer_set(timer, timeout_ns);
	while (!c->ended && !over && !cl->pause && r >= 0)
		r = loop_turn(cl->loop, true, err);
	loop_timer_free(timer);
	if (c->ended)
		return 0;
	kill_group(cl->loop, child, c);
	if (r < 0)
		return r;
	return over ? error_set(err, -ETIMEDOUT, "it did not end in time, and was killed")
		    : error_set(err, -EINTR, "%s", cl->pause);
}

static struct doc *answer_of(struct arena *a, struct child *c)
{
	struct doc *d = doc_map(a), *json = NULL;

	doc_set_int(a, d, "exit", c->exit.code >= 0 ? c->exit.code : 128 + c->exit.signal);
	if (c->cut)
		doc_set_bool(a, d, "cut", true);
	else if (c->out.len && !doc_read_json(a, c->out.buf, c->out.len, NULL, &json, NULL))
		doc_set(a, d, "json", json);
	if (!json)
		doc_set_string(a, d, "output", strbuf_cstr(&c->out));
	if (c->err.len)
		doc_set_string(a, d, "error", strbuf_cstr(&c->err));
	return d;
}

static int run_in(struct cluster *cl, const struct command_request *q, const char *dir,
		  struct arena *a, struct child *c, struct error *err)
{
	const char *program = find_program(a, q->argv[0], err);
	struct loop_spawn spec = {.argv = words_of(a, q, program),
				  .env = environment(a, q),
				  .cwd = dir,
				  .fds = {-1, -1, -1},
				  .on_output = on_output,
				  .new_session = true,
				  .die_with_us = true};
	struct loop_child *child = NULL;
	int r = program ? loop_spawn(cl->loop, &spec, on_exit_of, c, &child, err) : -ENOENT;

	if (!r)
		r = wait_for(cl, child, c, q->timeout_ns, err);
	loop_child_free(child);
	return r;
}

int command_run(struct cluster *cl, const struct command_request *q, struct arena *a,
		struct doc **ret_answer, struct error *err)
{
	const char *why = command_refused(a, q->argv, q->n, q->mutates);
	struct child c = {.out = STRBUF_INIT,
			  .err = STRBUF_INIT,
			  .max = q->max_output ? q->max_output : 65536};
	char dir[] = "/tmp/sidestep-step-XXXXXX";
	int r;

	if (why)
		return error_set(err, -EPERM, "%s", why);
	if (!mkdtemp(dir))
		return error_errno(err, -errno, "a temporary folder");
	r = run_in(cl, q, dir, a, &c, err);
	io_remove_tree(dir, NULL);
	if (!r)
		*ret_answer = answer_of(a, &c);
	strbuf_release(&c.out);
	strbuf_release(&c.err);
	return r;
}
