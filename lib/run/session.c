/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/run/session.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/kube/lease.h"

#define GOODBYE_NS (200 * NS_PER_MS)

const char *session_state_dir(struct arena *a)
{
	const char *own = getenv("SIDESTEP_STATE"), *home = getenv("HOME");

	if (!str_empty(own))
		return arena_strdup(a, own);
	if (geteuid() == 0 || str_empty(home))
		return "/var/lib/sidestep";
	return arena_printf(a, "%s/.local/state/sidestep", home);
}

/* --- opening -------------------------------------------------------------------------------------
 */

static void interrupted(void *arg, int signo)
{
	struct session *s = arg;

	(void)signo;
	s->cluster.pause = "interrupted";
}

int session_open(struct session *s, const struct run_tool *tool, const struct session_options *o,
		 struct error *err)
{
	static const int signos[] = {SIGINT, SIGTERM};
	int r;

	*s = (struct session){.tool = tool};
	r = cluster_open(&s->cluster, &s->arena, o->kubeconfig, o->context,
			 arena_printf(&s->arena, "sidestep-%s", tool->name), err);
	if (r) {
		arena_release(&s->arena);
		return r;
	}
	s->cluster.typed = cluster_typed(&s->arena, s->cluster.typed, "state", o->state);
	s->state = o->state ? arena_strdup(&s->arena, o->state) : session_state_dir(&s->arena);
	progress_init(&s->progress, stderr, clock_system());
	for (size_t i = 0; i < ARRAY_SIZE(signos); i++)
		s->signals[i] = loop_signal_new(s->cluster.loop, signos[i], interrupted, s);
	return 0;
}

void session_attach(struct session *s, const struct run_tool *tool, const struct cluster *cluster,
		    const char *state)
{
	*s = (struct session){.tool = tool, .cluster = *cluster};
	s->state = arena_strdup(&s->arena, state);
}

void session_close(struct session *s)
{
	bool own = s->signals[0] != NULL;

	if (s->lease) {
		s->cluster.lock = NULL;
		kube_lease_free(s->lease, true);
		/* One turn of the loop sends it; when it does not arrive, the lease runs out. */
		s->cluster.pause = NULL;
		cluster_wait(&s->cluster, GOODBYE_NS, NULL);
	}
	if (s->local_lock)
		close(s->local_lock - 1);
	journal_free(s->journal);
	run_host_release(&s->host);
	if (s->tool->release)
		s->tool->release(s);
	for (size_t i = 0; i < ARRAY_SIZE(s->signals); i++)
		if (s->signals[i])
			loop_signal_free(s->signals[i]);
	if (own) {
		progress_release(&s->progress);
		cluster_release(&s->cluster);
	}
	arena_release(&s->arena);
}

/* --- the run at hand --- */

const char *session_file(struct session *s, const char *name)
{
	return arena_printf(&s->arena, "%s/%s/%s", s->state, s->run, name);
}

/* Everything that follows from the plan. */
static int take_plan(struct session *s, struct doc *plan, struct error *err)
{
	s->plan = plan;
	s->subject = s->tool->only ? s->tool->only : doc_find_str(plan, s->tool->subject);
	if (str_empty(s->subject))
		return error_set(err, -EINVAL, "the plan names no %s", s->tool->subject);
	return s->tool->take_plan(s, err);
}

static void describe_gate(struct session *s, const struct journal_record *record)
{
	progress_line(&s->progress, "  %s %s: %s", doc_find_str(record->body, "gate"),
		      str_or_empty(doc_find_str(record->body, "title")),
		      doc_find_str(record->body, "result"));
}

static void told(void *arg, const struct journal_record *record)
{
	struct session *s = arg;
	const char *step = str_or_empty(doc_find_str(record->body, "step"));

	if (!s->progress.out)
		return;
	if (str_eq(record->type, "begin"))
		progress_line(&s->progress, "%s: %s", step,
			      str_or_empty(doc_find_str(record->body, "title")));
	else if (str_eq(record->type, "undo-begin"))
		progress_line(&s->progress, "%s is taken back", step);
	else if (str_eq(record->type, "skipped"))
		progress_line(&s->progress, "%s: skipped: %s", step,
			      str_or_empty(doc_find_str(record->body, "reason")));
	else if (str_eq(record->type, "done"))
		progress_line(&s->progress, "  %s", doc_find_str(record->body, "op"));
	else if (str_eq(record->type, "gate"))
		describe_gate(s, record);
	else if (str_eq(record->type, "state"))
		progress_line(&s->progress, "%s%s%s", doc_find_str(record->body, "state"),
			      doc_find_str(record->body, "reason") ? ": " : "",
			      str_or_empty(doc_find_str(record->body, "reason")));
}

static void sampled(void *arg, const struct gate *g, const struct gate_sample *sample,
		    enum finding_result judged)
{
	struct session *s = arg;
	const char *words = "";

	for (size_t i = 0; i < sample->n; i++)
		if (sample->sources[i].result != FINDING_PASS)
			words = sample->sources[i].words;
	if (s->progress.out)
		progress_live(&s->progress, "  %s: %s %s", g->title, finding_result_name(judged),
			      words);
}

static void attach_host(struct session *s)
{
	run_host_init(&s->host, &s->cluster, s->tool->name, s->run);
	s->host.tell = told;
	s->host.sampled = sampled;
	s->host.arg = s;
}

/* Free here and in the cluster: two runs of a subject may begin and end within one second. */
static int is_free(struct session *s, const char *name, bool *ret_free, struct error *err)
{
	struct doc *copy = NULL;
	int r = cluster_get(&s->cluster, &s->arena, object_kind(KIND_SIDESTEP_RUN), NULL, name,
			    &copy, err);

	*ret_free = !copy && !io_exists(arena_printf(&s->arena, "%s/%s", s->state, name));
	return r;
}

/* The later of two names sorts behind the earlier. */
static int new_name(struct session *s, const char *subject, const char **ret_name,
		    struct error *err)
{
	char when[CLOCK_RFC3339_SIZE], digits[CLOCK_RFC3339_SIZE];
	const char *of = s->tool->only ? s->tool->name : subject;
	bool is_it = false;
	size_t n = 0;
	int r = 0;

	clock_rfc3339(clock_wall_ns(s->cluster.clock), 0, when);
	for (const char *c = when; *c; c++)
		if (*c >= '0' && *c <= '9')
			digits[n++] = *c;
	digits[n] = '\0';
	*ret_name = arena_printf(&s->arena, "%s-%s", of, digits);
	for (char more = 'b'; !(r = is_free(s, *ret_name, &is_it, err)) && !is_it && more <= 'z';
	     more++)
		*ret_name = arena_printf(&s->arena, "%s-%s%c", of, digits, more);
	return r;
}

static bool finished(const char *state)
{
	return str_eq(state, run_state_name(RUN_DONE)) ||
	       str_eq(state, run_state_name(RUN_ROLLED_BACK));
}

enum wanted_run { WANT_UNFINISHED, WANT_UNFINISHED_OR_DONE, WANT_ANY };

/* The newest run of the subject, or the one of that name, whose state is allowed. NULL: none. */
static int find_copy(struct session *s, const char *what, enum wanted_run wanted,
		     struct sidestep_run **ret_run, struct error *err)
{
	struct doc *list;
	int r = cluster_list(&s->cluster, &s->arena, object_kind(KIND_SIDESTEP_RUN), NULL, &list,
			     err);

	*ret_run = NULL;
	if (r)
		return r;
	doc_foreach_item (list, d) {
		struct sidestep_run *run = arena_new(&s->arena, struct sidestep_run);

		r = sidestep_run_decode(&s->arena, d, run, err);
		if (r)
			return r;
		if (!str_eq(run->tool, s->tool->name) ||
		    (!str_eq(run->subject, what) && !str_eq(run->meta.name, what)))
			continue;
		if (finished(run->state) && wanted != WANT_ANY &&
		    !(wanted == WANT_UNFINISHED_OR_DONE &&
		      str_eq(run->state, run_state_name(RUN_DONE))))
			continue;
		if (!*ret_run || strcmp((*ret_run)->meta.name, run->meta.name) < 0)
			*ret_run = run;
	}
	return 0;
}

static int write_plan(struct session *s, struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;

	doc_write_json(s->plan, DOC_PRETTY, &text);
	strbuf_addc(&text, '\n');
	return io_write_file_atomic(session_file(s, "plan.json"), text.buf, text.len, 0600, err);
}

static struct doc *header_of(struct session *s, const char *subject, const struct doc *plan)
{
	struct doc *header = doc_map(&s->arena);

	doc_set_string(&s->arena, header, "run", s->run);
	doc_set_string(&s->arena, header, s->tool->subject, subject);
	doc_setf(&s->arena, header, "tool", "sidestep-%s " SIDESTEP_VERSION, s->tool->name);
	doc_set_string(&s->arena, header, "plan", run_plan_digest(&s->arena, plan));
	return header;
}

static int begin_journal(struct session *s, const struct doc *header, struct error *err)
{
	int r = io_mkdirs(arena_printf(&s->arena, "%s/%s", s->state, s->run), 0700, err);

	if (!r)
		r = write_plan(s, err);
	return r ? r
		 : journal_create(session_file(s, "journal"), header, s->cluster.clock, &s->journal,
				  err);
}

int session_start(struct session *s, struct doc *plan, struct error *err)
{
	const char *key = s->tool->subject;
	const char *subject = s->tool->only ? s->tool->only : str_or_empty(doc_find_str(plan, key));
	struct sidestep_run *unfinished;
	int r = run_copy_fits(plan, arena_printf(&s->arena, "%s %s", key, subject), err);

	if (!r)
		r = find_copy(s, subject, WANT_UNFINISHED, &unfinished, err);
	if (r)
		return r;
	if (unfinished)
		return error_set(
			err, -EBUSY,
			"run %s of this %s is not finished (%s): resume it or roll it back",
			unfinished->meta.name, key, unfinished->state);
	r = new_name(s, subject, &s->run, err);
	if (!r)
		r = take_plan(s, plan, err);
	if (!r)
		r = begin_journal(s, header_of(s, subject, plan), err);
	if (r)
		return r;
	attach_host(s);
	return run_copy_create(&s->host, plan, subject, s->journal, err);
}

/* --- finding one that was interrupted --- */

static int restore(struct session *s, const struct sidestep_run *run, struct error *err)
{
	const char *path = session_file(s, "journal");
	int r = io_mkdirs(arena_printf(&s->arena, "%s/%s", s->state, s->run), 0700, err);

	if (r)
		return r;
	if (io_exists(path))
		rename(path, arena_printf(&s->arena, "%s.older", path));
	return journal_restore(path, run->journal.items, run->journal.n, s->cluster.clock,
			       &s->journal, err);
}

static size_t common_records(const struct journal *j, const struct sidestep_run *run)
{
	size_t n = 0;

	while (n < journal_count(j) && n < run->journal.n &&
	       str_eq(journal_at(j, n)->line, run->journal.items[n]))
		n++;
	return n;
}

/*
 * The local journal when it knows at least as much as the copy, else the copy's. A record is copied
 * before what it announces happens, so a local one may be ahead by one record at most; when
 * somebody has gone on from the copy meanwhile, that record announced what never happened, and the
 * copy wins.
 */
static int open_journal(struct session *s, const struct sidestep_run *run, struct error *err)
{
	const char *path = session_file(s, "journal");
	size_t common;
	int r;

	if (!io_exists(path))
		return restore(s, run, err);
	r = journal_open(path, s->cluster.clock, &s->journal, err);
	if (r)
		return r;
	common = common_records(s->journal, run);
	if (common == run->journal.n)
		return 0;
	if (common + 1 < journal_count(s->journal))
		return error_set(err, -ESTALE, "%s and SidestepRun %s differ in record %zu", path,
				 s->run, common);
	journal_free(s->journal);
	s->journal = NULL;
	return restore(s, run, err);
}

/*
 * What a later run has changed stands on what this one did: whoever takes this one back by its name
 * would write over it, and come to an end with neither.
 */
static int is_the_last(struct session *s, const struct sidestep_run *run, struct error *err)
{
	struct sidestep_run *last;
	int r = find_copy(s, run->subject, WANT_UNFINISHED_OR_DONE, &last, err);

	if (r || !last || strcmp(last->meta.name, run->meta.name) <= 0)
		return r;
	return error_set(err, -EBUSY,
			 "run %s came later and stands (%s): nothing was changed; take that one "
			 "back first, or leave %s as it is",
			 last->meta.name, last->state, run->meta.name);
}

static int find_it(struct session *s, const char *what, bool done, struct sidestep_run **ret_run,
		   struct error *err)
{
	int r = find_copy(s, what, done ? WANT_UNFINISHED_OR_DONE : WANT_UNFINISHED, ret_run, err);

	if (!r && !*ret_run)
		return error_set(err, -ENOENT, "there is no %srun of %s to go on with",
				 done ? "" : "unfinished ", what);
	return !r && finished((*ret_run)->state) ? is_the_last(s, *ret_run, err) : r;
}

int session_ended(struct session *s, const char *what, bool done, const char **ret_run,
		  enum run_state *ret_state, struct error *err)
{
	struct sidestep_run *newest;
	int r = find_copy(s, what, WANT_ANY, &newest, err);
	bool is_done;

	*ret_run = NULL;
	if (r || !newest || !finished(newest->state))
		return r;
	is_done = str_eq(newest->state, run_state_name(RUN_DONE));
	if (is_done && done)
		return 0;
	*ret_run = newest->meta.name;
	*ret_state = is_done ? RUN_DONE : RUN_ROLLED_BACK;
	return 0;
}

int session_subject(struct session *s, const char *what, bool done, const char **ret_subject,
		    struct error *err)
{
	struct sidestep_run *run;
	int r = find_it(s, what, done, &run, err);

	if (!r)
		*ret_subject = run->subject;
	return r;
}

/* What the journal's first record names: in the copy, or on this machine if that was edited. */
static int plan_begun_with(struct session *s, const struct sidestep_run *run, struct doc **ret_plan,
			   struct error *err)
{
	const char *digest = doc_find_str(journal_at(s->journal, 0)->body, "plan");
	struct doc_stream file;

	if (run->plan && str_eq(run_plan_digest(&s->arena, run->plan), digest)) {
		*ret_plan = doc_clone(&s->arena, run->plan);
		return 0;
	}
	if (!doc_read_file(&s->arena, session_file(s, "plan.json"), &file, NULL) && file.n == 1 &&
	    str_eq(run_plan_digest(&s->arena, file.docs[0]), digest)) {
		*ret_plan = file.docs[0];
		return 0;
	}
	return error_set(err, -ESTALE,
			 "the plan in SidestepRun %s is not the one that was approved when it "
			 "began: put its spec.plan back, or go on from the machine where it began",
			 s->run);
}

int session_find(struct session *s, const char *what, bool done, struct error *err)
{
	struct sidestep_run *run;
	struct doc *plan = NULL;
	int r = find_it(s, what, done, &run, err);

	if (r)
		return r;
	s->run = run->meta.name;
	if ((r = open_journal(s, run, err)) || (r = plan_begun_with(s, run, &plan, err)) ||
	    (r = take_plan(s, plan, err)))
		return r;
	attach_host(s);
	return run_copy_sync(&s->host, s->journal, err);
}

int session_clear_pause(struct session *s, struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct doc *patch = doc_map(&a);
	struct kube_request request = {.verb = KUBE_PATCH,
				       .kind = object_kind(KIND_SIDESTEP_RUN),
				       .name = s->run,
				       .patch = KUBE_PATCH_MERGE,
				       .body = patch};

	doc_set(&a, doc_set_map(&a, doc_set_map(&a, patch, "metadata"), "annotations"),
		PAUSE_ANNOTATION, doc_null(&a));
	s->cluster.pause = NULL;
	return cluster_do(&s->cluster, &request, &a, NULL, err);
}

bool session_rolling_back(const struct session *s)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct run_status status;

	run_status(&a, s->journal, s->steps, s->n_steps, &status);
	return status.rollback;
}

int session_read_copy(struct arena *a, const struct sidestep_run *run, const struct clock *clock,
		      struct journal **ret_journal, struct error *err)
{
	char dir[] = "/tmp/sidestep-run-XXXXXX";
	const char *path;
	int r;

	if (!mkdtemp(dir))
		return error_errno(err, -errno, "a temporary folder");
	path = arena_printf(a, "%s/journal", dir);
	r = journal_restore(path, run->journal.items, run->journal.n, clock, ret_journal, err);
	unlink(path);
	rmdir(dir);
	return r;
}

/* --- going --- */

/* take_back: that step alone, instead of fn. */
static int go(struct session *s, int (*fn)(struct step_run *, enum run_state *, struct error *),
	      const char *take_back, enum run_state *ret_state, struct error *err)
{
	struct step_run run = {.env = s->env,
			       .host = &s->host.step,
			       .steps = s->steps,
			       .n_steps = s->n_steps,
			       .journal = s->journal};
	enum run_state state;
	int r = run_copy_state(
		&s->host, run_state_name(fn == step_run ? RUN_RUNNING : RUN_ROLLING_BACK), err);

	if (!r && s->tool->begin)
		s->tool->begin(s);
	if (!r)
		r = take_back ? step_take_back(&run, take_back, &state, err)
			      : fn(&run, &state, err);
	if (!r && s->tool->end)
		s->tool->end(s);
	if (!r && s->tool->ended)
		r = s->tool->ended(s, state, err);
	if (!r)
		r = run_copy_state(&s->host, run_state_name(state), err);
	if (!r)
		*ret_state = state;
	return r;
}

int session_run(struct session *s, enum run_state *ret_state, struct error *err)
{
	return go(s, step_run, NULL, ret_state, err);
}

int session_rollback(struct session *s, enum run_state *ret_state, struct error *err)
{
	return go(s, step_rollback, NULL, ret_state, err);
}

int session_take_back(struct session *s, const char *step, enum run_state *ret_state,
		      struct error *err)
{
	return go(s, step_rollback, step, ret_state, err);
}
