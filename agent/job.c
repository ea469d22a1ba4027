/* SPDX-License-Identifier: Apache-2.0 */
/* Regenerations on request: turns, one endpoint after another, and what is told of them. */
#include "agent/job.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "lib/base/alloc.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"

/* Between two answers of a job that goes on. */
static const uint64_t tell_ns = NS_PER_S;

static const struct sidestep_request *request_named(const struct agent *agent, const char *name)
{
	const struct kube_object *o =
		kube_informer_get(agent->cluster.informers[CLUSTER_REQUESTS], NULL, name);
	const struct sidestep_request *r = o ? o->decoded : NULL;

	return r && r->kind == REQUEST_REGENERATE && !r->meta.deletion_timestamp &&
			       r->nodes.n <= REQUEST_MAX_NODES
		       ? r
		       : NULL;
}

static void view_of(const struct agent *agent, struct arena *a, const struct sidestep_request *r,
		    struct regenerate_job *ret)
{
	const struct mesh_input *in = &agent->applied->input;

	regenerate_job(a, r, in->nodes, in->n_nodes, ret);
}

/* New pods are left to their first build. */
static bool concerns(const struct agent *agent, const struct job *job,
		     const struct sidestep_request *r, const struct agent_ep *ep)
{
	const struct job_record *have = job_record(job, ep->id, ep->uid);

	if (ep->state == ENDPOINT_STATE_DISCONNECTING ||
	    (ep->state == ENDPOINT_STATE_WAITING_FOR_IDENTITY && !endpoint_shown_error(ep)))
		return false;
	return (!have || have->begun) && request_selects(agent, r, ep);
}

/* --- what is told --- */

/* Endpoints that the job has before it. */
static size_t count_left(const struct agent *agent, const struct job *job,
			 const struct sidestep_request *r)
{
	size_t n = 0;

	vec_foreach (&agent->endpoints.list, it)
		n += concerns(agent, job, r, *it);
	return n;
}

/* How many of its endpoints failed; *ret_n: came to an end, *ret_repaired: of those. */
static size_t count_failed(const struct job *job, size_t *ret_n, size_t *ret_repaired,
			   int64_t *ret_ms)
{
	size_t failed = 0;

	*ret_n = *ret_repaired = 0;
	*ret_ms = 0;
	vec_foreach (&job->records, r) {
		if (r->begun)
			continue;
		++*ret_n;
		failed += r->done.error != NULL;
		*ret_repaired += r->done.corrupted > 0;
		*ret_ms += r->done.duration_ms.value;
	}
	return failed;
}

static void tell(struct agent *agent, struct job *job, const struct sidestep_request *r)
{
	struct arena a = ARENA_INIT;
	struct sidestep_request_node node = {.node = agent->options.node,
					     .state = regenerate_state_name(job->state),
					     .observed_generation = job->generation,
					     .message = job->message};
	size_t n, failed, repaired, left = 0;
	int64_t ms;

	/* Pods that come after the end are none of its. */
	if (job->state == REGENERATE_RUNNING || job->state == REGENERATE_STOPPED)
		left = count_left(agent, job, r);

	failed = count_failed(job, &n, &repaired, &ms);
	node.selected = (struct opt_int){true, (int64_t)(n + left)};
	node.regenerated = (struct opt_int){true, (int64_t)(n - failed)};
	node.failed = (struct opt_int){true, (int64_t)failed};
	node.repaired = (struct opt_int){true, (int64_t)repaired};
	node.duration_ms = (struct opt_int){true, ms};
	node.endpoints = arena_array(&a, job->records.n + 1, struct sidestep_request_endpoint);
	vec_foreach (&job->records, rec) {
		if (!rec->begun)
			node.endpoints[node.n_endpoints++] = rec->done;
	}
	job->told_ns = loop_now_ns(agent->loop);
	publish_answer(agent, r, &node);
	arena_release(&a);
}

static void finish(struct agent *agent, struct job *job, const struct sidestep_request *r,
		   enum regenerate_state state, const char *message)
{
	struct error err = ERROR_INIT;

	if (job_over(job, state, message, &err) < 0)
		log_error(&agent->log, "regeneration %s: %s", job->request, err.msg);
	log_info(&agent->log, "regeneration %s: %s%s%s", job->request, regenerate_state_name(state),
		 message ? ": " : "", str_or_empty(message));
	tell(agent, job, r);
	jobs_soon(agent); /* another may wait */
}

/* --- one endpoint --- */

static int64_t ms_since(const struct agent *agent, uint64_t began_ns)
{
	return (int64_t)((clock_now_ns(agent->clock) - began_ns + NS_PER_MS - 1) / NS_PER_MS);
}

static void keep_evidence(struct agent *agent, struct arena *a, struct job *job,
			  const struct datapath_regenerated *done,
			  struct sidestep_request_endpoint *out)
{
	const char *log = datapath_load_log(agent->dp);

	out->generation_before = done->generation_before;
	out->generation_after = done->generation_after;
	out->corrupted = (int64_t)done->n_corrupted;
	out->corrupted_rows = done->corrupted;
	out->corrupted_rows.n = MIN(done->corrupted.n, (size_t)REQUEST_MAX_CORRUPTED_ROWS);
	if (out->error)
		out->error = arena_strndup(a, out->error, SIDESTEP_MAX_ERROR);
	/* Once is enough: all endpoints run the same programs. */
	if (out->error && log && agent->reload.code < 0 && !job->log_told) {
		out->log = log;
		job->log_told = true;
	}
}

static int attempt(struct agent *agent, struct arena *a, struct job *job, struct agent_ep *ep,
		   int level, struct datapath_regenerated *done, struct error *err)
{
	int r = level == REGENERATE_DATAPATH ? agent_reload(agent, job->began_ns, err) : 0;

	if (r < 0) {
		agent->vitals.failed++;
		recovery_needed(agent, ep, err->msg);
		return r;
	}
	return agent_regenerate(agent, ep, a, done, err);
}

static void one_endpoint(struct agent *agent, struct job *job, struct agent_ep *ep, int level)
{
	uint64_t began_ns = clock_now_ns(agent->clock);
	struct datapath_regenerated done = {0};
	struct datapath_endpoint kernel = {0};
	struct error err = ERROR_INIT;
	struct arena a = ARENA_INIT;
	struct sidestep_request_endpoint out = {
		.id = ep->id, .namespace = ep->namespace, .pod = ep->pod, .uid = ep->uid};
	int r;

	datapath_endpoint(agent->dp, ep->id, &kernel, NULL);
	done.generation_before = done.generation_after = kernel.generation;
	r = job_begins(job, ep, kernel.generation, &err);
	if (r == 0)
		r = attempt(agent, &a, job, ep, level, &done, &err);
	out.error = r < 0 ? err.msg : NULL;
	keep_evidence(agent, &a, job, &done, &out);
	out.duration_ms = (struct opt_int){true, ms_since(agent, began_ns)};
	if (job_ends(job, &(struct job_record){.uid = ep->uid}, &out, &err) < 0)
		log_error(&agent->log, "regeneration %s: %s", job->request, err.msg);
	arena_release(&a);
}

static struct agent_ep *next_endpoint(struct agent *agent, const struct job *job,
				      const struct sidestep_request *r)
{
	vec_foreach (&agent->endpoints.list, it) {
		if (concerns(agent, job, r, *it))
			return *it;
	}
	return NULL;
}

/* --- turns --- */

/* Failures of the whole job, of this node as they are now. */
static bool too_many(const struct agent *agent, const struct job *job,
		     const struct regenerate_job *view)
{
	const struct regenerate_turn *t = regenerate_turn_of(view, agent->options.node);
	int64_t told = t && t->answer ? t->answer->failed.value : 0, ms;
	size_t n, repaired, failed = count_failed(job, &n, &repaired, &ms);

	told = MIN(MAX(told, (int64_t)0), view->failed);
	return view->failed - told + (int64_t)failed > view->max_failed;
}

/* Pods came and went all the time that it lasted: no other endpoint can be noted. */
static bool full(const struct job *job)
{
	return job->records.n >= JOB_MAX_RECORDS;
}

static void step(struct agent *agent, struct job *job, const struct sidestep_request *r)
{
	struct arena a = ARENA_INIT;
	struct regenerate_job view;
	struct agent_ep *ep = next_endpoint(agent, job, r);
	size_t n, repaired, failed;
	int64_t ms;

	view_of(agent, &a, r, &view);
	if (ep && !full(job) && !too_many(agent, job, &view)) {
		one_endpoint(agent, job, ep, r->level);
		if (loop_now_ns(agent->loop) - job->told_ns >= tell_ns)
			tell(agent, job, r);
		loop_timer_set(agent->jobs_timer, 0);
	} else if (ep && full(job)) {
		finish(agent, job, r, REGENERATE_STOPPED,
		       arena_printf(&a, "one job takes no more than %d endpoints of a node",
				    JOB_MAX_RECORDS));
	} else if (ep) {
		finish(agent, job, r, REGENERATE_STOPPED,
		       arena_printf(&a,
				    "more than %" PRId64
				    " endpoints have failed: %zu of this node were not tried",
				    view.max_failed, count_left(agent, job, r)));
	} else {
		failed = count_failed(job, &n, &repaired, &ms);
		finish(agent, job, r, failed ? REGENERATE_FAILED : REGENERATE_DONE,
		       failed ? arena_printf(&a, "%zu of %zu endpoints failed", failed, n)
			      : job->message);
	}
	arena_release(&a);
}

static bool ended(const struct sidestep_request_node *answer)
{
	return answer && !str_eq(answer->state, regenerate_state_name(REGENERATE_RUNNING));
}

static struct job *begin(struct agent *agent, const struct sidestep_request *r)
{
	struct job *job = xcalloc(1, sizeof(*job));
	struct error err = ERROR_INIT;

	if (job_create(job, agent->options.state_dir, r->meta.name, r->meta.uid,
		       MAX(r->meta.generation, 1), &err) < 0) {
		log_error(&agent->log, "regeneration %s not begun: %s", r->meta.name, err.msg);
		job_free(job, false);
		return NULL;
	}
	job->began_ns = loop_now_ns(agent->loop);
	map_set(&agent->jobs, r->meta.name, job);
	log_info(&agent->log, "regeneration %s: begun", r->meta.name);
	return job;
}

/* The job of this generation, begun when it is time; NULL: not concerned, not yet, or done. */
static struct job *job_for(struct agent *agent, const struct sidestep_request *r)
{
	struct job *job = map_get(&agent->jobs, r->meta.name);
	const struct sidestep_request_node *said = published_answer(agent, r);
	const struct regenerate_turn *turn;
	struct arena a = ARENA_INIT;
	struct regenerate_job view;
	bool due;

	if (job && (job->generation != MAX(r->meta.generation, 1) ||
		    !str_eq(str_or_empty(job->uid), str_or_empty(r->meta.uid)))) {
		job_free(map_del(&agent->jobs, r->meta.name), true);
		job = NULL;
	}
	if (job || ended(said))
		return job;
	view_of(agent, &a, r, &view);
	turn = regenerate_turn_of(&view, agent->options.node);
	due = turn && (turn->due || turn->state == REGENERATE_RUNNING);
	arena_release(&a);
	return due ? begin(agent, r) : NULL;
}

/* Jobs whose request is gone. */
static void sweep(struct agent *agent)
{
	map_foreach (&agent->jobs, e) {
		if (!kube_informer_get(agent->cluster.informers[CLUSTER_REQUESTS], NULL,
				       map_key(e)))
			job_free(map_del(&agent->jobs, map_key(e)), true);
	}
}

void jobs_run(struct agent *agent)
{
	if (!agent->applied->revision || !cluster_synced(&agent->cluster))
		return;
	publish_requests(agent);
	sweep(agent);
	kube_informer_foreach (agent->cluster.informers[CLUSTER_REQUESTS], o) {
		const struct sidestep_request *r = request_named(agent, o->name);
		struct job *job = r ? job_for(agent, r) : NULL;

		if (!job || (job->state != REGENERATE_RUNNING && ended(published_answer(agent, r))))
			continue;
		if (!job->told_ns || job->state != REGENERATE_RUNNING)
			tell(agent, job, r);
		if (job->state == REGENERATE_RUNNING) {
			step(agent, job, r);
			return; /* one at a time; the timer comes back */
		}
	}
}

void jobs_soon(struct agent *agent)
{
	if (!loop_timer_running(agent->jobs_timer))
		loop_timer_set(agent->jobs_timer, agent->options.resync_delay);
}

/* --- after a restart --- */

/* Whether what the record says was begun has ended: its generation is bumped last, by the agent
 * that was killed there. Of another pod, or of an endpoint that had none, the generation says
 * nothing: it is done again. */
static bool came_to_its_end(const struct agent *agent, const struct job_record *r,
			    const struct agent_ep *ep, uint32_t *ret_generation)
{
	struct datapath_endpoint kernel;

	if (r->done.generation_before <= 0 || !ep || !str_eq(ep->uid, r->uid) ||
	    datapath_endpoint(agent->dp, ep->id, &kernel, NULL) < 0)
		return false;
	*ret_generation = kernel.generation;
	return kernel.generation != r->done.generation_before;
}

/* Notes how it ended, or that nothing is known any more: from now on rounds of this agent bump its
 * generation, too, and it may be killed before it comes to it. Returns whether it ended. */
static bool settle_one(struct agent *agent, struct job *job, struct job_record *r)
{
	const struct agent_ep *ep = endpoints_find(&agent->endpoints, (uint32_t)r->done.id);
	struct sidestep_request_endpoint done = r->done;
	struct error err = ERROR_INIT;
	uint32_t generation = 0;
	bool ended = came_to_its_end(agent, r, ep, &generation);
	int code = 0;

	done.generation_after = generation;
	if (ended)
		code = job_ends(job, r, &done, &err);
	else if (ep && str_eq(ep->uid, r->uid))
		code = job_begins(job, ep, 0, &err);
	if (code < 0)
		log_error(&agent->log, "regeneration %s: %s", job->request, err.msg);
	return ended;
}

/* What was under way when the last agent was killed. */
static void settle(struct agent *agent, struct job *job)
{
	size_t n = 0;

	for (size_t i = 0; i < job->records.n; i++)
		if (job->records.items[i].begun)
			n += settle_one(agent, job, &job->records.items[i]);
	if (n && !job->message)
		job->message = arena_printf(&job->arena,
					    "the agent was killed while an endpoint was under way: "
					    "what was repaired of it is not known");
}

static void restore_one(struct agent *agent, const char *path)
{
	struct job *job = xcalloc(1, sizeof(*job));
	struct error err = ERROR_INIT;

	if (job_load(job, path, &err) < 0) {
		log_error(&agent->log, "%s: not a journal that can be read, removed", err.msg);
		job_free(job, true);
		return;
	}
	job->began_ns = loop_now_ns(agent->loop); /* this agent has just loaded the programs */
	agent->reload.at_ns = job->began_ns;
	settle(agent, job);
	log_info(&agent->log, "regeneration %s: %s, %zu endpoints", job->request,
		 regenerate_state_name(job->state), job->records.n);
	job_free(map_set(&agent->jobs, job->request, job), true);
}

int jobs_restore(struct agent *agent, struct error *err)
{
	const char *dir = agent->options.state_dir;
	DIR *d = opendir(dir);
	struct dirent *e;

	if (!d)
		return error_errno(err, -errno, "%s", dir);
	while ((e = readdir(d))) {
		struct arena a = ARENA_INIT;

		if (str_ends(e->d_name, ".journal"))
			restore_one(agent, arena_printf(&a, "%s/%s", dir, e->d_name));
		arena_release(&a);
	}
	closedir(d);
	return 0;
}

void jobs_stop(struct agent *agent)
{
	map_foreach (&agent->jobs, e)
		job_free(map_value(e), false);
	map_release(&agent->jobs);
}
