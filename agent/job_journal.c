/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "agent/job.h"
#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"

/* One line. The first names the job, a last one ends it; between them endpoints begin and end. */
struct line {
	const char *request, *uid;
	int64_t generation;
	const char *pod_uid;
	const struct doc *begin, *end; /* struct sidestep_request_endpoint */
	const char *state, *message;
};
static const struct bind_field fields[] = {
	BIND(struct line, request, "request", BIND_STRING, 0),
	BIND(struct line, uid, "uid", BIND_STRING, 0),
	BIND(struct line, generation, "generation", BIND_INT64, 0),
	BIND(struct line, pod_uid, "pod", BIND_STRING, 0),
	BIND(struct line, begin, "begin", BIND_DOC, 0),
	BIND(struct line, end, "end", BIND_DOC, 0),
	BIND(struct line, state, "state", BIND_STRING, 0),
	BIND(struct line, message, "message", BIND_STRING, 0),
};
static BIND_TABLE(line_table, struct line, fields);

static int append(struct job *job, const struct line *line, struct error *err)
{
	struct arena a = ARENA_INIT;
	struct strbuf sb = STRBUF_INIT;
	off_t at = lseek(job->fd, 0, SEEK_END);
	int r;

	doc_write_json(bind_encode(&a, &line_table, line), DOC_COMPACT, &sb);
	strbuf_addc(&sb, '\n');
	r = io_write_all(job->fd, sb.buf, sb.len, err);
	/* Half a line would spoil the next. */
	if (r < 0 && at >= 0 && ftruncate(job->fd, at) < 0)
		error_wrap(err, r, "half a line is left");
	strbuf_release(&sb);
	arena_release(&a);
	return r < 0 ? error_wrap(err, r, "%s", job->path) : 0;
}

int job_create(struct job *job, const char *dir, const char *request, const char *uid,
	       int64_t generation, struct error *err)
{
	struct line first = {.request = request, .uid = uid, .generation = generation};
	uint64_t hash = str_hash(request, strlen(request), (uint64_t)generation);
	int r;

	*job = (struct job){.state = REGENERATE_RUNNING, .generation = generation, .fd = -1};
	hash = str_hash(str_or_empty(uid), strlen(str_or_empty(uid)), hash);
	job->request = arena_strdup(&job->arena, request);
	job->uid = arena_strdup(&job->arena, uid);
	job->path = xasprintf("%s/%016" PRIx64 ".journal", dir, hash);
	job->fd = open(job->path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	if (job->fd < 0)
		return error_errno(err, -errno, "%s", job->path);
	r = append(job, &first, err);
	/* An empty one would be in the way of the next try. */
	if (r < 0)
		unlink(job->path);
	return r;
}

struct job_record *job_record(const struct job *job, int64_t id, const char *pod_uid)
{
	vec_foreach (&job->records, r) {
		if (r->done.id == id && str_eq(r->uid, pod_uid))
			return r;
	}
	return NULL;
}

static int too_many(struct error *err)
{
	return error_set(err, -ENOSPC, "more than %d endpoints", JOB_MAX_RECORDS);
}

static int add_record(struct job *job, const struct doc *d, const char *pod_uid, bool begun,
		      struct error *err)
{
	struct job_record r = {.uid = arena_strdup(&job->arena, pod_uid), .begun = begun};
	struct job_record *have;
	/* Its strings are the document's, which must last as long as the job. */
	int code = bind_decode(&job->arena, &sidestep_request_endpoint_table,
			       doc_clone(&job->arena, d), "", &r.done, NULL, err);

	if (code < 0)
		return code;
	have = job_record(job, r.done.id, pod_uid);
	if (!have && job->records.n >= JOB_MAX_RECORDS)
		return too_many(err);
	if (!have)
		have = vec_add(&job->records);
	*have = r;
	return 0;
}

static enum regenerate_state state_named(const char *name)
{
	for (int s = 0; s < REGENERATE_STATE_COUNT; s++) {
		if (str_eq(regenerate_state_name((enum regenerate_state)s), name))
			return (enum regenerate_state)s;
	}
	return REGENERATE_RUNNING;
}

static int take(struct job *job, const struct line *l, struct error *err)
{
	if (l->state) {
		job->state = state_named(l->state);
		job->message = arena_strdup(&job->arena, l->message);
		return 0;
	}
	if (!job->request) {
		if (!l->request)
			return error_set(err, -EINVAL, "it does not begin with a request");
		job->request = arena_strdup(&job->arena, l->request);
		job->uid = arena_strdup(&job->arena, l->uid);
		job->generation = l->generation;
		return 0;
	}
	if (!l->begin && !l->end)
		return error_set(err, -EINVAL, "a line that is none of its");
	return add_record(job, l->begin ? l->begin : l->end, str_or_empty(l->pod_uid),
			  l->begin != NULL, err);
}

static int take_lines(struct job *job, const char *text, size_t *ret_whole, struct error *err)
{
	const char *at = text, *end;
	int r = 0;

	for (; r == 0 && (end = strchr(at, '\n')); at = end + 1) {
		struct arena a = ARENA_INIT;
		struct line l;
		struct doc *d;

		r = doc_read_json(&a, at, (size_t)(end - at), job->path, &d, err);
		if (r == 0)
			r = bind_decode(&a, &line_table, d, "", &l, NULL, err);
		if (r == 0)
			r = take(job, &l, err);
		arena_release(&a);
	}
	*ret_whole = (size_t)(at - text);
	return r;
}

int job_load(struct job *job, const char *path, struct error *err)
{
	struct strbuf sb = STRBUF_INIT;
	size_t whole = 0;
	int r;

	*job = (struct job){.state = REGENERATE_RUNNING, .fd = -1, .path = xstrdup(path)};
	r = io_read_file(path, JOB_JOURNAL_BYTES, &sb, err);
	if (r == 0)
		r = take_lines(job, strbuf_cstr(&sb), &whole, err);
	strbuf_release(&sb);
	if (r == 0 && !job->request)
		r = error_set(err, -EINVAL, "it is empty");
	if (r < 0)
		return error_wrap(err, -EINVAL, "%s", path);
	job->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (job->fd < 0 || ftruncate(job->fd, (off_t)whole) < 0)
		return error_errno(err, -errno, "%s", path);
	return 0;
}

int job_begins(struct job *job, const struct agent_ep *ep, uint32_t generation, struct error *err)
{
	struct sidestep_request_endpoint e = {.id = ep->id,
					      .namespace = ep->namespace,
					      .pod = ep->pod,
					      .uid = ep->uid,
					      .generation_before = generation};
	struct line l = {.pod_uid = ep->uid};
	int r;

	if (!job_record(job, ep->id, ep->uid) && job->records.n >= JOB_MAX_RECORDS)
		return too_many(err); /* before it stands in the file */
	l.begin = bind_encode(&job->arena, &sidestep_request_endpoint_table, &e);
	r = append(job, &l, err);
	return r < 0 ? r : add_record(job, l.begin, ep->uid, true, err);
}

int job_ends(struct job *job, struct job_record *r, const struct sidestep_request_endpoint *done,
	     struct error *err)
{
	struct line l = {.pod_uid = r->uid};
	int code;

	l.end = bind_encode(&job->arena, &sidestep_request_endpoint_table, done);
	code = add_record(job, l.end, r->uid, false, err);
	return code < 0 ? code : append(job, &l, err);
}

int job_over(struct job *job, enum regenerate_state state, const char *message, struct error *err)
{
	struct line l = {.state = regenerate_state_name(state), .message = message};

	job->state = state;
	job->message = arena_strdup(&job->arena, message);
	return append(job, &l, err);
}

void job_free(struct job *job, bool remove)
{
	if (!job)
		return;
	if (remove && job->path)
		unlink(job->path);
	if (job->fd >= 0)
		close(job->fd);
	free(job->path);
	vec_release(&job->records);
	arena_release(&job->arena);
	free(job);
}
