/* SPDX-License-Identifier: Apache-2.0 */
/* Running the product's programs as a user would, and keeping what they print. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "deploy/lab/story/story.h"
#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/loop/spawn.h"

struct running {
	struct story *story;
	struct tool_run *result;
	const char *title;
	bool ended;
};

/* The newest whole line of what the program says is the live line. */
static void show(struct running *r, const char *data, size_t n)
{
	const char *end = memrchr(data, '\n', n);
	const char *begin;

	if (!end)
		return;
	begin = memrchr(data, '\n', (size_t)(end - data));
	begin = begin ? begin + 1 : data;
	progress_live(&r->story->progress, "%s: %.*s", r->title, (int)(end - begin), begin);
}

static void on_output(void *arg, int stream, const char *data, size_t n)
{
	struct running *r = arg;

	strbuf_add(stream == 1 ? &r->result->out : &r->result->err, data, n);
	if (stream == 2)
		show(r, data, n);
}

static void on_exit_(void *arg, const struct loop_child_exit *exit)
{
	struct running *r = arg;

	r->result->code = exit->code;
	r->result->signal = exit->signal;
	r->ended = true;
}

static int keep(struct story *s, const char *title, const char *suffix, const struct strbuf *text,
		struct error *err)
{
	auto_free char *path = xasprintf("%s/%s.%s", s->evidence, title, suffix);

	return io_write_file_atomic(path, strbuf_cstr(text), text->len, 0644, err);
}

static int wait_for(struct story *s, struct running *r, struct loop_child *child, struct error *err)
{
	bool told = false;
	int n = 0;

	while (!r->ended && n >= 0) {
		if (s->interrupted && !told) {
			loop_child_kill(child, SIGINT);
			loop_resume(s->loop);
			told = true;
		}
		n = loop_turn(s->loop, true, err);
	}
	return n < 0 ? n : 0;
}

#define TOOL_MAX_ARGS 40

int story_tool(struct story *s, const char *title, const char *name, const char *const *args,
	       struct tool_run *ret, struct error *err)
{
	const char *argv[TOOL_MAX_ARGS + 2] = {xasprintf("%s/sidestep-%s", s->lab.bin_dir, name)};
	struct running running = {s, ret, title, false};
	struct loop_spawn spec = {
		.argv = argv, .fds = {-1, -1, -1}, .on_output = on_output, .die_with_us = true};
	struct loop_child *child = NULL;
	auto_free const char *program = argv[0];
	int r;

	*ret = (struct tool_run){.code = -1};
	for (size_t i = 0; args[i] && i < TOOL_MAX_ARGS; i++)
		argv[i + 1] = args[i];
	if (!io_exists(program))
		return error_set(err, -ENOENT, "sidestep-%s is not built", name);
	r = loop_spawn(s->loop, &spec, on_exit_, &running, &child, err);
	if (!r) {
		s->tool_pid = loop_child_pid(child);
		r = wait_for(s, &running, child, err);
		s->tool_pid = 0;
	}
	loop_child_free(child);
	if (!r)
		r = keep(s, title, "out", &ret->out, err);
	if (!r)
		r = keep(s, title, "err", &ret->err, err);
	if (!r && ret->out.len && strchr("{[", ret->out.buf[0]) &&
	    doc_read_json(&s->arena, ret->out.buf, ret->out.len, title, &ret->doc, NULL) < 0)
		ret->doc = NULL;
	if (!r && s->interrupted)
		r = error_set(err, -EINTR, "interrupted");
	return r;
}

void tool_run_release(struct tool_run *t)
{
	strbuf_release(&t->out);
	strbuf_release(&t->err);
}

const char *tool_last_words(struct arena *a, const struct tool_run *t)
{
	const char *text = strbuf_cstr(&t->err);
	size_t n = t->err.len;
	const char *begin;

	while (n && text[n - 1] == '\n')
		n--;
	begin = n ? memrchr(text, '\n', n) : NULL;
	begin = begin ? begin + 1 : text;
	return arena_strndup(a, begin, (size_t)(text + n - begin));
}
