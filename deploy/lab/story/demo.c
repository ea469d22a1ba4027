/* SPDX-License-Identifier: Apache-2.0 */
/* `sidestep lab demo`: the story is told, step by step, while its counts are read. */
#include <signal.h>
#include <stdio.h>

#include "deploy/lab/down.h"
#include "deploy/lab/story/steps.h"
#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/doc/bind.h"

const char *step_outcome_name(enum step_outcome o)
{
	static const char *const names[] = {"ok",      "failed",    "inconclusive",
					    "skipped", "not built", "not done"};

	return names[o];
}

double story_now(const struct story *s)
{
	return (double)(loop_now_ns(s->loop) - s->began_ns) / 1e9;
}

static void ring(void *arg)
{
	*(bool *)arg = true;
}

int story_rest(struct story *s, uint64_t ns, struct error *err)
{
	bool rang = false;
	struct loop_timer *timer = loop_timer_new(s->loop, ring, &rang);
	int r = 0;

	loop_timer_set(timer, ns);
	while (!rang && !s->interrupted && r >= 0)
		r = loop_turn(s->loop, true, err);
	loop_timer_free(timer);
	if (r >= 0 && s->interrupted)
		return error_set(err, -EINTR, "interrupted");
	return r < 0 ? r : 0;
}

char *story_counts_dir(const struct story *s)
{
	return xasprintf("%s/counts", s->lab.dir);
}

/* Once a second while counting: the totals since the start, for the steps' figures. */
static void sample(void *arg)
{
	struct story *s = arg;
	auto_free char *dir = story_counts_dir(s);
	struct counts now = {0}, since = {0};

	loop_timer_set(s->sampler, NS_PER_S);
	if (!s->counting)
		return;
	if (counts_read(dir, &now, NULL) == 0) {
		counts_since(&now, &s->start, &since);
		vec_push(&s->samples,
			 ((struct story_sample){story_now(s), counts_total(&since), since.lost}));
		counts_release(&since);
	}
	counts_release(&now);
}

static struct story_step *begin_step(struct story *s, size_t i)
{
	struct story_step *step = vec_add(&s->steps);

	step->id = story_rows[i].id;
	step->title = story_rows[i].title;
	step->from_s = story_now(s);
	s->progress.steps = story_n_rows;
	s->progress.step = (unsigned)i;
	progress_begin(&s->progress, "%s", story_rows[i].title);
	return step;
}

static void end_step(struct story *s, struct story_step *step)
{
	const char *word = step_outcome_name(step->outcome);

	step->to_s = story_now(s);
	/* Later, with the kills, it is judged once more: what they took is no loss of the step's.
	 */
	if (!s->hits.kills.n)
		step_doubt(s, &step->outcome, &step->words,
			   story_losses(s, NULL, step->from_s, step->to_s));
	if (step->words)
		word = arena_printf(&s->arena, "%s: %s", word, step->words);
	progress_end(&s->progress, step->title, word);
}

/* Negative errno: the story cannot go on (interrupted, or the machine failed it). */
static int tell(struct story *s, struct error *err)
{
	bool go_on = true;
	int r = 0;

	for (size_t i = 0; !r && i < story_n_rows; i++) {
		struct story_step *step;

		if (!go_on) {
			step = vec_add(&s->steps);
			*step = (struct story_step){.id = story_rows[i].id,
						    .title = story_rows[i].title,
						    .outcome = STORY_SKIPPED,
						    .words = "a step before it did not succeed",
						    .from_s = story_now(s),
						    .to_s = story_now(s)};
			continue;
		}
		step = begin_step(s, i);
		r = story_rows[i].run(s, &step->outcome, &step->words, err);
		if (r < 0) {
			step->outcome = STORY_FAILED;
			step->words = arena_strdup(&s->arena, err->msg);
		}
		/* What was lost meanwhile breaks the promise, but the story goes on, and back. */
		go_on = !story_rows[i].needed || step->outcome == STORY_OK ||
			step->outcome == STORY_NOT_DONE;
		end_step(s, step);
	}
	return r;
}

/* Clients pause, what is on its way arrives, both sides are read. */
static int read_at_rest(struct story *s, struct counts *end, struct error *err)
{
	auto_free char *dir = story_counts_dir(s);
	auto_free char *pause = xasprintf("%s/pause", dir);
	int r = io_write_file_atomic(pause, "", 0, 0644, err);

	if (!r)
		r = story_rest(s, 4 * NS_PER_S, err);
	s->counting = false;
	return r < 0 ? r : counts_read(dir, end, err);
}

static void on_signal(void *arg, UNUSED int signo)
{
	struct story *s = arg;

	s->interrupted = true;
	loop_stop(s->loop);
}

static const struct bind_field subject_fields[] = {
	BIND(struct story_subject, namespace, "namespace", BIND_STRING, BIND_REQUIRED),
	BIND(struct story_subject, blocked, "blocked", BIND_STRINGS, 0),
	BIND(struct story_subject, reasons, "reasons", BIND_STRINGS, 0),
	BIND(struct story_subject, states, "states", BIND_STRINGS, 0),
	BIND(struct story_subject, manifests, "manifests", BIND_STRINGS, BIND_REQUIRED),
	BIND(struct story_subject, revisions, "config.revisions", BIND_STRINGS,
	     BIND_REQUIRED | BIND_NON_EMPTY),
	BIND(struct story_subject, touched, "config.touched", BIND_STRING, BIND_REQUIRED),
	BIND(struct story_subject, runbook, "runbook.name", BIND_STRING, BIND_REQUIRED),
	BIND(struct story_subject, well, "runbook.well", BIND_STRINGS, BIND_REQUIRED),
};
static BIND_TABLE(subject_table, struct story_subject, subject_fields);

/* The file says folders; what follows wants paths. */
static int read_subject(struct story *s, const char *source_dir, struct error *err)
{
	struct arena *a = &s->arena;
	const char *path = arena_printf(a, "%s/deploy/lab/story.yaml", source_dir);
	struct doc_stream docs;
	int r = doc_read_file(a, path, &docs, err);

	if (!r && docs.n != 1)
		r = error_set(err, -EINVAL, "%s: want one document", path);
	if (!r)
		r = bind_decode(a, &subject_table, docs.docs[0], "", &s->subject, NULL, err);
	for (size_t i = 0; !r && i < s->subject.manifests.n; i++)
		s->subject.manifests.items[i] = arena_printf(
			a, "%s/deploy/lab/manifests/%s", source_dir, s->subject.manifests.items[i]);
	if (!r && s->options->random) {
		s->subject.manifests.n = s->subject.blocked.n = s->subject.reasons.n = 0;
		s->subject.namespace = arena_printf(a, "random-%s", s->options->random);
	}
	s->namespace = s->subject.namespace;
	return r;
}

/* What the command line leaves open is the lab's own. */
static int read_data(struct story *s, struct story_options *o, struct error *err)
{
	struct lab where = {0};
	int r = lab_init(&where, o->lab.lab, 1, err);

	if (!r && !o->profile)
		o->profile =
			arena_printf(&s->arena, "%s/deploy/lab/profile.yaml", where.source_dir);
	if (!r)
		r = read_subject(s, where.source_dir, err);
	lab_release(&where);
	return r;
}

static int prepare(struct story *s, struct story_options *o, struct error *err)
{
	if (o->kills && !o->seed)
		o->seed = (clock_wall_ns(clock_system()) / 1000) % 1000000007;
	s->options = o;
	s->kills = doc_list(&s->arena);
	s->loop = loop_new(NULL);
	s->began_ns = loop_now_ns(s->loop);
	s->began_wall_ns = clock_wall_ns(clock_system());
	s->state = arena_printf(&s->arena, "%s/state", o->report);
	s->evidence = arena_printf(&s->arena, "%s/evidence", o->report);
	s->sampler = loop_timer_new(s->loop, sample, s);
	loop_timer_set(s->sampler, NS_PER_S);
	loop_signal_new(s->loop, SIGINT, on_signal, s);
	loop_signal_new(s->loop, SIGTERM, on_signal, s);
	progress_init(&s->progress, stderr, clock_system());
	if (o->kills)
		progress_line(&s->progress, "processes are killed by seed %lld (--seed to repeat)",
			      (long long)o->seed);
	if (io_remove_tree(s->evidence, err) < 0 || io_remove_tree(s->state, err) < 0)
		return -EIO;
	return io_mkdirs(s->evidence, 0755, err);
}

static int clean_up(struct story *s, struct error *err)
{
	struct error why = ERROR_INIT;
	struct lab lab = {0};
	int r;

	story_watch_stop(s);
	kube_client_free(s->cluster.client);
	s->cluster.client = NULL;
	if (s->options->keep && !s->interrupted) {
		progress_line(&s->progress, "the lab stays up; remove it with: sidestep lab down");
		return 0;
	}
	r = lab_load(&lab, s->options->lab.lab, &why);
	if (!r)
		r = lab_remove(&lab, &why);
	lab_release(&lab);
	if (r < 0 && r != -ENOENT)
		return error_set(err, r, "%s", why.msg);
	return 0;
}

static void story_release(struct story *s)
{
	progress_release(&s->progress);
	counts_release(&s->start);
	counts_release(&s->at_change);
	vec_release(&s->steps);
	vec_release(&s->samples);
	kill_log_release(&s->hits);
	vec_release(&s->agents);
	lab_release(&s->lab);
	loop_free(s->loop);
	arena_release(&s->arena);
	free(s);
}

int lab_demo_main(const struct cli_call *call, struct error *err)
{
	struct story_options o = *(const struct story_options *)call->opts;
	struct story *s = xcalloc(1, sizeof(*s));
	struct counts end = {0};
	int r = prepare(s, &o, err);

	if (!r)
		r = read_data(s, &o, err);
	if (!r)
		r = tell(s, err);
	if (!r)
		r = read_at_rest(s, &end, err);
	if (!r)
		r = story_report(s, &end, err);
	counts_release(&end);
	if (clean_up(s, r < 0 ? NULL : err) < 0 && r >= 0)
		r = -EIO;
	if (s->interrupted)
		r = CLI_INTERRUPTED;
	story_release(s);
	return r;
}
