/* SPDX-License-Identifier: Apache-2.0 */
/* A plan of every kind of change, killed once at every boundary, resumed and rolled back. */
#include "lib/step/run.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/str.h"
#include "tests/support/test.h"
#include "tests/unit/step/world.h"

static struct doc *parse(struct arena *a, const char *json)
{
	struct doc *d;

	assert_int_equal(doc_read_json(a, json, strlen(json), NULL, &d, NULL), 0);
	return d;
}

static int relabel(UNUSED void *env, UNUSED const struct step *step, struct step_changes *out,
		   UNUSED struct error *err)
{
	struct arena *a = out->arena;

	step_add_change(out, CHANGE_PATCH, "label", world_ref(a, "ns"),
			parse(a, "{\"labels\":{\"inject\":\"off\",\"rev\":null}}"));
	step_add_change(out, CHANGE_CREATE, "policy", world_ref(a, "policy"),
			parse(a, "{\"spec\":{\"allow\":[{\"name\":\"a\"}]}}"));
	return 0;
}

static int restart(void *env, UNUSED const struct step *step, struct step_changes *out,
		   UNUSED struct error *err)
{
	struct world *w = env;
	struct arena *a = out->arena;
	struct doc *patch = doc_map(a);

	/* Another stamp each time it is asked: the journal's counts, not this one. */
	doc_setf(a, patch, "restarted", "%d", w->boundary);
	step_add_change(out, CHANGE_PATCH, "restart", world_ref(a, "app"), patch);
	step_add_change(out, CHANGE_PATCH, "grow", world_ref(a, "app"),
			parse(a, "{\"containers\":[{\"name\":\"web\",\"memory\":\"1024Mi\"},"
				 "{\"name\":\"log\"}]}"));
	step_add_change(out, CHANGE_DELETE, "old", world_ref(a, "old"), NULL);
	return 0;
}

static int quiet(UNUSED void *env, UNUSED const struct doc *args, struct gate_sample *out,
		 UNUSED struct error *err)
{
	gate_answer(out, "one", FINDING_PASS, "quiet");
	gate_answer(out, "two", FINDING_PASS, "quiet");
	return 0;
}

static int by_mode(void *env, UNUSED const struct doc *args, struct gate_sample *out,
		   UNUSED struct error *err)
{
	struct world *w = env;
	const char *mode = doc_str(doc_get(doc_get(w->objects, "app"), "mode"));

	gate_answer(out, "one", str_eq(mode, "bad") ? FINDING_FAIL : FINDING_PASS, "%s", mode);
	gate_answer(out, "two", str_eq(mode, "dark") ? FINDING_UNKNOWN : FINDING_PASS, "%s", mode);
	return 0;
}

static const struct gate quiet_gate = {.id = "quiet",
				       .title = "is it quiet",
				       .sample = quiet,
				       .every_ns = NS_PER_S,
				       .within_ns = 10 * NS_PER_S,
				       .stable = 2};
static const struct gate mode_gate = {.id = "mode",
				      .title = "is the mode good",
				      .sample = by_mode,
				      .every_ns = NS_PER_S,
				      .within_ns = 3 * NS_PER_S,
				      .stable = 1};
static const struct gate *const quiet_gates[] = {&quiet_gate, NULL};
static const struct gate *const mode_gates[] = {&mode_gate, NULL};

static const char *nothing_to_do(UNUSED void *env, UNUSED const struct step *step,
				 UNUSED struct arena *a)
{
	return "nothing to do";
}

static const struct step_kind first = {
	.id = "A", .title = "labels", .changes = relabel, .after = quiet_gates, .undo_rank = 1};
static const struct step_kind empty = {.id = "B", .title = "peers", .skip = nothing_to_do};
static const struct step_kind second = {.id = "C",
					.title = "restart",
					.changes = restart,
					.before = mode_gates,
					.undo_after = quiet_gates,
					.undo_rank = 2};
static const struct step steps[] = {{"A", "labels", &first, NULL},
				    {"B", "peers", &empty, NULL},
				    {"C", "restart", &second, NULL}};

struct fixture {
	struct world w;
	char *dir, *path, *start;
	struct step_run run;
};

static void begin(struct fixture *f)
{
	world_init(&f->w);
	world_put(&f->w, "ns", "{\"labels\":{\"inject\":\"on\",\"rev\":\"x\",\"team\":\"t\"}}");
	world_put(&f->w, "app",
		  "{\"mode\":\"good\",\"replicas\":2,\"containers\":[{\"name\":\"web\","
		  "\"memory\":\"512Mi\",\"pull\":\"Always\"}]}");
	world_put(&f->w, "old", "{\"spec\":{\"x\":1},\"version\":7}");
	f->start = world_text(&f->w);
	f->run = (struct step_run){&f->w, &f->w.host, steps, ARRAY_SIZE(steps), NULL};
	unlink(f->path);
	assert_int_equal(journal_create(f->path, NULL, &f->w.clock.clock, &f->run.journal, NULL),
			 0);
}

static void finish(struct fixture *f)
{
	journal_free(f->run.journal);
	world_release(&f->w);
	free(f->start);
}

/* Runs op until it returns or is killed; true when killed. The journal is as after a new start. */
static bool killed(struct fixture *f, int at,
		   int (*op)(struct step_run *, enum run_state *, struct error *),
		   enum run_state *ret_state)
{
	struct error err = ERROR_INIT;

	f->w.boundary = 0;
	f->w.kill_at = at;
	if (setjmp(f->w.killed) == 0) {
		if (op(&f->run, ret_state, &err) < 0)
			fail_msg("%s", err.msg);
		f->w.kill_at = 0;
		return false;
	}
	f->w.kill_at = 0;
	f->w.edit = NULL;
	journal_free(f->run.journal);
	assert_int_equal(journal_open(f->path, &f->w.clock.clock, &f->run.journal, NULL), 0);
	return true;
}

static void assert_final(struct fixture *f)
{
	struct doc *o = f->w.objects;

	assert_string_equal(doc_find_str(o, "ns.labels.inject"), "off");
	assert_null(doc_find(o, "ns.labels.rev"));
	assert_string_equal(doc_find_str(o, "ns.labels.team"), "t");
	assert_non_null(doc_find(o, "policy.spec"));
	assert_non_null(doc_find(o, "app.restarted"));
	assert_string_equal(doc_find_str(o, "app.containers[0].memory"), "1Gi");
	assert_string_equal(doc_find_str(o, "app.containers[1].pull"), "Always");
	assert_null(doc_find(o, "old"));
}

static void assert_start(struct fixture *f)
{
	auto_free char *now = world_text(&f->w);

	assert_string_equal(now, f->start);
}

static void there_and_back(void **state)
{
	struct fixture *f = *state;
	enum run_state s;

	begin(f);
	assert_false(killed(f, 0, step_run, &s));
	assert_int_equal(s, RUN_DONE);
	assert_final(f);
	assert_int_equal(f->w.writes, 5);
	assert_int_equal(f->w.copies + 1, journal_count(f->run.journal));
	assert_false(killed(f, 0, step_run, &s));
	assert_int_equal(f->w.writes, 5);
	assert_false(killed(f, 0, step_rollback, &s));
	assert_int_equal(s, RUN_ROLLED_BACK);
	assert_start(f);
	assert_int_equal(step_run(&f->run, &s, NULL), -EALREADY);
	finish(f);
}

static void killed_anywhere_it_resumes_to_the_same_end(void **state)
{
	struct fixture *f = *state;
	enum run_state s;
	bool was_killed = true;

	for (int at = 1; was_killed; at++) {
		begin(f);
		was_killed = killed(f, at, step_run, &s);
		if (was_killed)
			assert_false(killed(f, 0, step_run, &s));
		assert_int_equal(s, RUN_DONE);
		assert_final(f);
		assert_int_equal(f->w.writes, 5);
		finish(f);
		assert_true(at < 200);
	}
}

static void killed_anywhere_it_rolls_back_to_the_start(void **state)
{
	struct fixture *f = *state;
	enum run_state s;
	bool was_killed = true;

	for (int at = 1; was_killed; at++) {
		begin(f);
		was_killed = killed(f, at, step_run, &s);
		assert_false(killed(f, 0, step_rollback, &s));
		assert_int_equal(s, RUN_ROLLED_BACK);
		assert_start(f);
		finish(f);
	}
}

static void a_rollback_killed_anywhere_goes_on(void **state)
{
	struct fixture *f = *state;
	enum run_state s;
	bool was_killed = true;

	for (int at = 1; was_killed; at++) {
		begin(f);
		assert_false(killed(f, 0, step_run, &s));
		was_killed = killed(f, at, step_rollback, &s);
		if (was_killed)
			assert_false(killed(f, 0, step_rollback, &s));
		assert_int_equal(s, RUN_ROLLED_BACK);
		assert_start(f);
		finish(f);
	}
}

static int take_first_back(struct step_run *run, enum run_state *ret_state, struct error *err)
{
	return step_take_back(run, "A", ret_state, err);
}

static bool is_taking_back(struct fixture *f)
{
	struct arena a = ARENA_INIT;
	struct run_status status;
	bool back;

	run_status(&a, f->run.journal, steps, ARRAY_SIZE(steps), &status);
	back = status.taking_back != NULL;
	assert_int_equal(status.rollback, false);
	arena_release(&a);
	return back;
}

/* One step goes back alone, killed anywhere; then the run goes on, and back, as if it had not. */
static void one_step_taken_back_alone_is_carried_out_anew(void **state)
{
	struct fixture *f = *state;
	bool was_killed = true;

	for (int at = 1; was_killed; at++) {
		enum run_state s;

		begin(f);
		world_put(&f->w, "app", "{\"mode\":\"bad\",\"replicas\":2}");
		assert_false(killed(f, 0, step_run, &s));
		assert_int_equal(s, RUN_STOPPED);
		was_killed = killed(f, at, take_first_back, &s);
		if (was_killed)
			assert_false(
				killed(f, 0, is_taking_back(f) ? step_run : take_first_back, &s));
		assert_int_equal(s, RUN_STOPPED);
		assert_false(is_taking_back(f));
		assert_string_equal(doc_find_str(f->w.objects, "ns.labels.inject"), "on");
		assert_null(doc_find(f->w.objects, "policy.spec"));
		world_put(&f->w, "app",
			  "{\"mode\":\"good\",\"replicas\":2,\"containers\":[{\"name\":\"web\","
			  "\"memory\":\"512Mi\",\"pull\":\"Always\"}]}");
		if (killed(f, at, step_run, &s))
			assert_false(killed(f, 0, step_run, &s));
		assert_int_equal(s, RUN_DONE);
		assert_final(f);
		if (killed(f, at, step_rollback, &s))
			assert_false(killed(f, 0, step_rollback, &s));
		assert_int_equal(s, RUN_ROLLED_BACK);
		assert_start(f);
		finish(f);
		assert_true(at < 200);
	}
}

/* Edited by somebody else at every boundary: never overwritten, always said. */
static void a_foreign_edit_is_a_conflict_and_survives(void **state)
{
	struct fixture *f = *state;
	enum run_state s;
	int conflicts = 0;

	begin(f);
	assert_false(killed(f, 0, step_run, &s));
	doc_set_string(&f->w.arena, doc_get(f->w.objects, "policy"), "note", "mine now");
	assert_false(killed(f, 0, step_rollback, &s));
	assert_int_equal(s, RUN_ROLLBACK_STOPPED);
	assert_string_equal(doc_find_str(f->w.objects, "policy.note"), "mine now");
	finish(f);
	for (int at = 1; at < 40; at++) {
		begin(f);
		f->w.edit = "old";
		if (killed(f, at, step_run, &s) && doc_find(f->w.objects, "old.mode")) {
			assert_false(killed(f, 0, step_run, &s));
			conflicts += s == RUN_CONFLICT;
			if (s == RUN_CONFLICT)
				assert_string_equal(doc_find_str(f->w.objects, "old.mode"),
						    "foreign");
		}
		finish(f);
	}
	assert_true(conflicts > 0);
}

static void gates_stop_pause_and_let_pass(void **state)
{
	struct fixture *f = *state;
	struct arena a = ARENA_INIT;
	struct run_status status;
	enum run_state s;

	begin(f);
	doc_set_string(&f->w.arena, doc_get(f->w.objects, "app"), "mode", "bad");
	assert_false(killed(f, 0, step_run, &s));
	assert_int_equal(s, RUN_STOPPED);
	run_status(&a, f->run.journal, steps, ARRAY_SIZE(steps), &status);
	assert_int_equal(status.state, RUN_STOPPED);
	assert_int_equal(status.steps[0], STEP_DONE);
	assert_int_equal(status.steps[1], STEP_SKIPPED);
	assert_int_equal(status.steps[2], STEP_BEGUN);
	assert_non_null(strstr(status.reason, "gate mode"));
	assert_string_equal(status.step, "C");
	run_status(&a, f->run.journal, NULL, 0, &status);
	assert_string_equal(status.step, "C");
	doc_set_string(&f->w.arena, doc_get(f->w.objects, "app"), "mode", "dark");
	assert_false(killed(f, 0, step_run, &s));
	assert_int_equal(s, RUN_INCONCLUSIVE);
	assert_null(doc_find(f->w.objects, "app.restarted"));
	doc_set_string(&f->w.arena, doc_get(f->w.objects, "app"), "mode", "good");
	assert_false(killed(f, 0, step_run, &s));
	assert_int_equal(s, RUN_DONE);
	run_status(&a, f->run.journal, NULL, 0, &status);
	assert_null(status.step);
	/* On the way back it is what is being undone. */
	journal_append(f->run.journal, "undo-begin", parse(&a, "{\"step\":\"A\"}"), NULL);
	run_status(&a, f->run.journal, NULL, 0, &status);
	assert_string_equal(status.step, "A");
	arena_release(&a);
	finish(f);
}

static void a_pause_is_kept_and_resumed(void **state)
{
	struct fixture *f = *state;
	enum run_state s;

	begin(f);
	f->w.pause = true;
	assert_false(killed(f, 0, step_run, &s));
	assert_int_equal(s, RUN_PAUSED);
	assert_int_equal(f->w.writes, 0);
	f->w.pause = false;
	assert_false(killed(f, 0, step_run, &s));
	assert_int_equal(s, RUN_DONE);
	finish(f);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->dir = xstrdup("/dev/shm/sidestep-run-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	f->path = xasprintf("%s/journal", f->dir);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int r = io_remove_tree(f->dir, NULL);

	free(f->dir);
	free(f->path);
	free(f);
	return r;
}

#define row(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* A kill is a longjmp here, and leaves memory behind as a real one does. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		row(there_and_back),
		row(killed_anywhere_it_resumes_to_the_same_end),
		row(killed_anywhere_it_rolls_back_to_the_start),
		row(a_rollback_killed_anywhere_goes_on),
		row(one_step_taken_back_alone_is_carried_out_anew),
		row(a_foreign_edit_is_a_conflict_and_survives),
		row(gates_stop_pause_and_let_pass),
		row(a_pause_is_kept_and_resumed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
