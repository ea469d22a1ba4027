/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/writer.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/macros.h"
#include "lib/base/map.h"
#include "lib/base/str.h"
#include "lib/kube/queue.h"

struct job {
	struct writer *w;
	struct arena arena;
	const char *key;
	struct writer_target target;
	struct kube_call *call;
};

struct writer {
	struct kube_client *client;
	const struct log *log;
	struct kube_queue *queue;
	struct map jobs; /* by key; one for each object ever written */
};

static void finish(struct job *j, bool ok)
{
	kube_queue_done(j->w->queue, j->key, ok);
}

static void on_written(void *arg, struct kube_result *r)
{
	struct job *j = arg;

	j->call = NULL;
	if (r->code < 0 && r->code != -ENOENT && r->code != -ESTALE)
		log_warn(j->w->log, "status not written: %s", r->error);
	finish(j, r->code == 0 || r->code == -ENOENT);
}

static void put_status(struct job *j, const struct doc *object)
{
	struct kube_request rq = {.verb = KUBE_UPDATE,
				  .kind = j->target.kind,
				  .namespace_ = j->target.namespace,
				  .name = j->target.name,
				  .subresource = "status",
				  .body = object};

	j->call = kube_start(j->w->client, &rq, on_written, j);
}

/* The object was made; its status follows in the next round. */
static void on_made(void *arg, struct kube_result *r)
{
	struct job *j = arg;

	j->call = NULL;
	if (r->code < 0 && r->code != -EEXIST) {
		log_warn(j->w->log, "object not made: %s", r->error);
		finish(j, false);
		return;
	}
	finish(j, true);
	kube_queue_add(j->w->queue, j->key);
}

static void make_object(struct job *j)
{
	struct arena a = ARENA_INIT;
	struct kube_request rq = {
		.verb = KUBE_CREATE,
		.kind = j->target.kind,
		.namespace_ = j->target.namespace,
		.body = kube_object_new(&a, j->target.kind, j->target.namespace, j->target.name)};

	j->call = kube_start(j->w->client, &rq, on_made, j);
	arena_release(&a);
}

static void on_read(void *arg, struct kube_result *r)
{
	struct job *j = arg;

	j->call = NULL;
	if (r->code == -ENOENT && j->target.create) {
		make_object(j);
		return;
	}
	if (r->code < 0) {
		finish(j, r->code == -ENOENT);
		return;
	}
	if (!j->target.change(j->target.arg, &r->arena, r->object)) {
		finish(j, true);
		return;
	}
	put_status(j, r->object);
}

static void work(void *arg, const char *key)
{
	struct writer *w = arg;
	struct job *j = map_get(&w->jobs, key);
	struct kube_request rq = {.verb = KUBE_GET,
				  .kind = j->target.kind,
				  .namespace_ = j->target.namespace,
				  .name = j->target.name};

	j->call = kube_start(w->client, &rq, on_read, j);
}

struct writer *writer_new(struct kube_client *client, const struct log *log)
{
	struct writer *w = xcalloc(1, sizeof(*w));
	const struct kube_queue_options o = {.work = work, .arg = w};

	w->client = client;
	w->log = log;
	w->queue = kube_queue_new(kube_client_loop(client), &o);
	map_init(&w->jobs);
	return w;
}

static void job_free(struct job *j)
{
	if (j->call)
		kube_cancel(j->call);
	arena_release(&j->arena);
	free(j);
}

void writer_free(struct writer *w)
{
	if (!w)
		return;
	map_foreach (&w->jobs, e)
		job_free(map_value(e));
	map_release(&w->jobs);
	kube_queue_free(w->queue);
	free(w);
}

void writer_write(struct writer *w, const struct writer_target *target)
{
	struct arena a = ARENA_INIT;
	const char *key = arena_printf(&a, "%s/%s/%s", target->kind->plural,
				       str_or_empty(target->namespace), target->name);
	struct job *j = map_get(&w->jobs, key);

	if (!j) {
		j = xcalloc(1, sizeof(*j));
		j->w = w;
		j->key = arena_strdup(&j->arena, key);
		j->target = *target;
		j->target.namespace = arena_strdup(&j->arena, target->namespace);
		j->target.name = arena_strdup(&j->arena, target->name);
		map_set(&w->jobs, key, j);
	}
	kube_queue_add(w->queue, j->key);
	arena_release(&a);
}
