/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/run/host.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/kube/lease.h"
#include "lib/object/canonical.h"
#include "lib/object/sidestep.h"

#define PLAN_MAX_KB 400u

struct doc *host_ref(struct arena *a, const struct doc *object)
{
	struct doc *ref = doc_map(a);

	doc_set_string(a, ref, "apiVersion", doc_find_str(object, "apiVersion"));
	doc_set_string(a, ref, "kind", doc_find_str(object, "kind"));
	doc_set_string(a, ref, "namespace", doc_find_str(object, "metadata.namespace"));
	doc_set_string(a, ref, "name", doc_find_str(object, "metadata.name"));
	return ref;
}

static const struct object_kind *kind_of(const struct doc *ref, struct error *err)
{
	const struct object_kind *k =
		object_kind_find(doc_find_str(ref, "apiVersion"), doc_find_str(ref, "kind"));

	if (!k)
		error_set(err, -EINVAL, "%s %s is no kind we know",
			  str_or_empty(doc_find_str(ref, "apiVersion")),
			  str_or_empty(doc_find_str(ref, "kind")));
	return k;
}

static int host_read(void *ctx, const struct doc *ref, struct arena *a, struct doc **ret_live,
		     struct error *err)
{
	struct run_host *h = ctx;
	const struct object_kind *k = kind_of(ref, err);

	if (!k)
		return -EINVAL;
	return cluster_get(h->cluster, a, k, doc_find_str(ref, "namespace"),
			   doc_find_str(ref, "name"), ret_live, err);
}

/*
 * A write that was repeated because its answer got lost may find its own work done. The object then
 * equals what was sent, apart from what the server adds.
 */
static bool made_by_us(const struct doc *sent, const struct doc *live)
{
	return change_landed(&(struct change){.kind = CHANGE_CREATE, .forward = sent}, live);
}

static int write_create(struct run_host *h, const struct object_kind *k, const struct doc *ref,
			const struct doc *body, struct arena *a, struct doc **ret_now,
			struct error *err)
{
	struct kube_request request = {.verb = KUBE_CREATE,
				       .kind = k,
				       .body = body,
				       .namespace_ = k->namespaced ? doc_find_str(ref, "namespace")
								   : NULL};
	struct error why = ERROR_INIT;
	int r = cluster_do(h->cluster, &request, a, ret_now, &why);

	if (r == -EEXIST) {
		r = host_read(h, ref, a, ret_now, err);
		if (r || made_by_us(body, *ret_now))
			return r;
		return -ESTALE;
	}
	return r < 0 ? error_set(err, r, "%s", why.msg) : 0;
}

/* The version that was read goes with the patch: whoever came between makes it a conflict. */
static int write_patch(struct run_host *h, const struct object_kind *k, const struct doc *ref,
		       const struct doc *body, const struct doc *live, struct arena *a,
		       struct doc **ret_now, struct error *err)
{
	struct doc *patch = doc_clone(a, body);
	struct kube_request request = {.verb = KUBE_PATCH,
				       .kind = k,
				       .patch = KUBE_PATCH_MERGE,
				       .body = patch,
				       .name = doc_find_str(ref, "name"),
				       .namespace_ = k->namespaced ? doc_find_str(ref, "namespace")
								   : NULL};

	doc_set_string(a, doc_set_map(a, patch, "metadata"), "resourceVersion",
		       kube_resource_version(live));
	return cluster_do(h->cluster, &request, a, ret_now, err);
}

static int write_delete(struct run_host *h, const struct object_kind *k, const struct doc *ref,
			const struct doc *live, struct arena *a, struct doc **ret_now,
			struct error *err)
{
	struct kube_request request = {.verb = KUBE_DELETE,
				       .kind = k,
				       .uid = kube_uid(live),
				       .name = doc_find_str(ref, "name"),
				       .namespace_ = k->namespaced ? doc_find_str(ref, "namespace")
								   : NULL};
	struct error why = ERROR_INIT;
	int r = cluster_do(h->cluster, &request, a, NULL, &why);

	*ret_now = NULL;
	if (r == -ENOENT)
		return 0;
	return r < 0 ? error_set(err, r, "%s", why.msg) : 0;
}

/*
 * A process that slept (a laptop's lid, a stopped container) wakes in the middle of something, and
 * its loop has not yet heard that the lock ran out: whoever took over meanwhile must find what we
 * knew, and nothing more. If nobody did, it is renewed first.
 */
static int still_ours(struct run_host *h, struct error *err)
{
	return cluster_wait_for_lock(h->cluster, err);
}

static int host_write(void *ctx, enum change_kind kind, const struct doc *ref,
		      const struct doc *body, const struct doc *live, struct arena *a,
		      struct doc **ret_now, struct error *err)
{
	struct run_host *h = ctx;
	const struct object_kind *k = kind_of(ref, err);

	int r = k ? still_ours(h, err) : -EINVAL;

	if (r)
		return r;
	switch (kind) {
	case CHANGE_CREATE:
		return write_create(h, k, ref, body, a, ret_now, err);
	case CHANGE_PATCH:
		return write_patch(h, k, ref, body, live, a, ret_now, err);
	case CHANGE_DELETE:
		return write_delete(h, k, ref, live, a, ret_now, err);
	}
	return error_set(err, -EINVAL, "no such change");
}

static struct doc *host_wanted(void *ctx, struct arena *a, const struct doc *object)
{
	(void)ctx;
	return object_canonical(a, object);
}

static void host_digest(void *ctx, const struct doc *object, char *buf, size_t size)
{
	char digest[OBJECT_DIGEST_SIZE];

	(void)ctx;
	snprintf(buf, size, "%s", object_digest(object, digest));
}

static int host_wait(void *ctx, uint64_t ns, struct error *err)
{
	struct run_host *h = ctx;

	return cluster_wait(h->cluster, ns, err);
}

static int host_check(void *ctx, struct error *err)
{
	const struct run_host *h = ctx;

	return h->cluster->pause ? error_set(err, -EINTR, "%s", h->cluster->pause) : 0;
}

/* --- the copy in the cluster ---------------------------------------------------------------------
 */

static const struct object_kind *run_kind(void)
{
	return object_kind(KIND_SIDESTEP_RUN);
}

/* The answer to every write of the copy says whether somebody wants the run to pause. */
static void look_for_pause(struct run_host *h, const struct doc *run)
{
	if (kube_annotation(run, PAUSE_ANNOTATION) && !h->cluster->pause)
		h->cluster->pause = "asked to pause through the cluster";
}

static void add_op(struct arena *a, struct doc *patch, const char *op, const char *path,
		   struct doc *value)
{
	struct doc *d = doc_append(a, patch, doc_map(a));

	doc_set_string(a, d, "op", op);
	doc_set_string(a, d, "path", path);
	doc_set(a, d, "value", value);
}

static void saw(struct run_host *h, const struct doc *run)
{
	free(h->version);
	h->version = xstrdup(kube_resource_version(run));
	look_for_pause(h, run);
}

/* Where the copy stands for line seq: 1 it is the last, 0 it is the next, -ESTALE others went on.
 */
static int place_in_copy(struct run_host *h, size_t seq, const char *line, struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const struct doc *lines;
	struct doc *now = NULL;
	int r = cluster_get(h->cluster, &a, run_kind(), NULL, h->run, &now, err);

	if (r)
		return r;
	if (!now)
		return error_set(err, -ENOENT, "SidestepRun %s is gone", h->run);
	saw(h, now);
	lines = doc_find(now, "spec.journal");
	if (doc_len(lines) == seq + 1 && str_eq(doc_str(doc_at(lines, seq)), line))
		return 1;
	if (doc_len(lines) == seq && str_eq(doc_str(doc_at(lines, seq - 1)), h->last))
		return 0;
	return error_set(err, -ESTALE, "SidestepRun %s: somebody else goes on with this run",
			 h->run);
}

static int try_append(struct run_host *h, const char *line, struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct doc *patch = doc_list(&a), *now = NULL;
	struct kube_request request = {.verb = KUBE_PATCH,
				       .kind = run_kind(),
				       .name = h->run,
				       .patch = KUBE_PATCH_JSON,
				       .body = patch};
	int r;

	add_op(&a, patch, "test", "/metadata/resourceVersion", doc_string(&a, h->version));
	add_op(&a, patch, "add", "/spec/journal/-", doc_string(&a, line));
	r = cluster_do(h->cluster, &request, &a, &now, err);
	if (!r)
		saw(h, now);
	return r;
}

enum { APPEND_RETRIES = 20 };

/*
 * Line seq goes behind line seq - 1, and only while that is the last one: the version that we saw
 * goes with the patch (a test operation). Others may have written to the object meanwhile (a pause)
 * and an answer may get lost, so the copy itself tells what became of a refused patch.
 */
static int append_line(struct run_host *h, size_t seq, const char *line, struct error *err)
{
	struct error why = ERROR_INIT;
	int r = h->version ? try_append(h, line, &why) : -EAGAIN;

	for (int i = 0; r && i < APPEND_RETRIES; i++) {
		r = place_in_copy(h, seq, line, err);
		if (r)
			return r < 0 ? r : 0;
		r = try_append(h, line, &why);
	}
	return r ? error_set(err, r, "SidestepRun %s: %s", h->run, why.msg) : 0;
}

static void copied(struct run_host *h, const struct journal_record *record)
{
	free(h->last);
	h->last = xstrdup(record->line);
	h->copied = record->seq + 1;
}

static int host_copy(void *ctx, const struct journal_record *record, struct error *err)
{
	struct run_host *h = ctx;
	int r;

	if (!h->run || record->seq < h->copied)
		return 0;
	r = still_ours(h, err);
	/* That we stop is news to nobody by then; a resume brings it to the copy, if it still can.
	 */
	if (r && str_eq(record->type, "state"))
		return 0;
	if (!r)
		r = append_line(h, record->seq, record->line, err);
	if (!r)
		copied(h, record);
	return r;
}

static void host_tell(void *ctx, const struct journal_record *record)
{
	struct run_host *h = ctx;

	if (h->tell)
		h->tell(h->arg, record);
}

/* A gate may ask for days and writes nothing meanwhile: between its samples we look ourselves. */
static void look_at_run(struct run_host *h)
{
	struct kube_request request = {.verb = KUBE_GET, .kind = run_kind(), .name = h->run};
	struct kube_result result;

	if (!h->run)
		return;
	if (kube_wait(h->cluster->client, &request, &result, NULL) == 0)
		look_for_pause(h, result.object);
	kube_result_release(&result);
}

static void host_sampled(void *ctx, const struct gate *g, const struct gate_sample *s,
			 enum finding_result judged)
{
	struct run_host *h = ctx;

	look_at_run(h);

	if (h->sampled)
		h->sampled(h->arg, g, s, judged);
}

static void host_boundary(void *ctx, const char *where)
{
	struct run_host *h = ctx;

	if (h->boundary)
		h->boundary(h->arg, where);
}

void run_host_init(struct run_host *h, struct cluster *cluster, const char *tool, const char *run)
{
	*h = (struct run_host){
		.cluster = cluster,
		.tool = tool,
		.run = run,
		.step = {.clock = cluster->clock,
			 .read = host_read,
			 .write = host_write,
			 .wanted = host_wanted,
			 .digest = host_digest,
			 .wait = host_wait,
			 .check = host_check,
			 .copy = host_copy,
			 .tell = host_tell,
			 .sampled = host_sampled,
			 .boundary = host_boundary},
	};
	h->step.ctx = h;
}

void run_host_release(struct run_host *h)
{
	free(h->last);
	free(h->version);
	*h = (struct run_host){0};
}

static struct doc *run_object(struct arena *a, const struct run_host *h, const struct doc *plan,
			      const char *subject, const struct journal *j)
{
	struct doc *d = kube_object_new(a, run_kind(), NULL, h->run), *spec, *lines;

	doc_set_string(a, doc_set_map(a, doc_get(d, "metadata"), "labels"),
		       SIDESTEP_MANAGED_BY_LABEL, SIDESTEP_MANAGED_BY);
	spec = doc_set_map(a, d, "spec");
	doc_set_string(a, spec, "tool", h->tool);
	doc_set_string(a, spec, "subject", subject);
	doc_set_string(a, spec, "planDigest", run_plan_digest(a, plan));
	doc_set_string(a, spec, "state", run_state_name(RUN_RUNNING));
	lines = doc_set_list(a, spec, "journal");
	for (size_t i = 0; i < journal_count(j); i++)
		doc_append(a, lines, doc_string(a, journal_at(j, i)->line));
	doc_set(a, spec, "plan", doc_clone(a, plan));
	return d;
}

const char *run_plan_digest(struct arena *a, const struct doc *plan)
{
	char digest[OBJECT_DIGEST_SIZE];

	return arena_strdup(a, object_digest_exact(plan, digest));
}

int run_copy_fits(const struct doc *plan, const char *subject, struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;

	doc_write_json(plan, DOC_COMPACT, &text);
	if (text.len <= PLAN_MAX_KB * 1024)
		return 0;
	return error_set(err, -E2BIG,
			 "%s is too large for one run of this release: its plan has %zu "
			 "KB, at most %u. Nothing was changed",
			 subject, text.len / 1024, PLAN_MAX_KB);
}

int run_copy_create(struct run_host *h, const struct doc *plan, const char *subject,
		    const struct journal *j, struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct doc *object = run_object(&a, h, plan, subject, j), *now = NULL;
	struct kube_request request = {.verb = KUBE_CREATE, .kind = run_kind(), .body = object};
	struct error why = ERROR_INIT;
	int r = cluster_do(h->cluster, &request, &a, &now, &why);

	/* A repeated creation finds the first one's work. */
	if (r == -EEXIST && !cluster_get(h->cluster, &a, run_kind(), NULL, h->run, &now, NULL) &&
	    made_by_us(object, now))
		r = 0;
	if (r)
		return error_set(err, r, "%s", why.msg);
	copied(h, journal_at(j, journal_count(j) - 1));
	return 0;
}

int run_copy_sync(struct run_host *h, const struct journal *j, struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const struct doc *lines;
	struct doc *now;
	int r = cluster_get(h->cluster, &a, run_kind(), NULL, h->run, &now, err);

	if (r)
		return r;
	if (!now)
		return error_set(err, -ENOENT, "SidestepRun %s is gone", h->run);
	lines = doc_find(now, "spec.journal");
	if (!doc_len(lines) || doc_len(lines) > journal_count(j))
		return error_set(
			err, -ESTALE,
			"SidestepRun %s knows %zu records, %s only %zu: it went on elsewhere",
			h->run, doc_len(lines), journal_path(j), journal_count(j));
	for (size_t i = 0; i < doc_len(lines); i++)
		if (!str_eq(doc_str(doc_at(lines, i)), journal_at(j, i)->line))
			return error_set(err, -ESTALE, "SidestepRun %s and %s differ in record %zu",
					 h->run, journal_path(j), i);
	copied(h, journal_at(j, doc_len(lines) - 1));
	for (size_t i = doc_len(lines); i < journal_count(j) && !r; i++)
		r = host_copy(h, journal_at(j, i), err);
	return r;
}

int run_copy_state(struct run_host *h, const char *state, struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct doc *patch = doc_map(&a);
	struct kube_request request = {.verb = KUBE_PATCH,
				       .kind = run_kind(),
				       .name = h->run,
				       .patch = KUBE_PATCH_MERGE,
				       .body = patch};
	int r = -ESTALE;

	doc_set_string(&a, doc_set_map(&a, patch, "spec"), "state", state);
	/* Whatever others have just written there, this is the state. */
	for (int i = 0; i < APPEND_RETRIES && r == -ESTALE; i++)
		r = cluster_do(h->cluster, &request, &a, NULL, err);
	return r;
}
