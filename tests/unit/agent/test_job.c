/* SPDX-License-Identifier: Apache-2.0 */
/* The journal of a regeneration: what a killed agent finds again. */
#include "tests/support/test.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/job.h"
#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/str.h"

static char dir[] = "/tmp/sidestep-job-XXXXXX";

static char web_uid[] = "u2", cart_uid[] = "u3", none[] = "", shop[] = "shop", web[] = "web";

static struct agent_ep pods[] = {
	{.id = 2, .uid = web_uid, .namespace = shop, .pod = web},
	{.id = 3, .uid = cart_uid, .namespace = shop, .pod = web},
	{.id = 4, .uid = none, .namespace = shop, .pod = web},
};

static void create(struct job *job)
{
	struct error err = ERROR_INIT;

	if (job_create(job, dir, "all", "uid-1", 3, &err) < 0)
		fail_msg("%s", err.msg);
}

static struct job *loaded(const char *path)
{
	struct job *job = xcalloc(1, sizeof(*job));
	struct error err = ERROR_INIT;

	if (job_load(job, path, &err) < 0)
		fail_msg("%s", err.msg);
	return job;
}

static void end(struct job *job, size_t i, const char *error)
{
	struct sidestep_request_endpoint done = {.id = pods[i].id,
						 .namespace = pods[i].namespace,
						 .pod = pods[i].pod,
						 .generation_before = 7,
						 .generation_after = error ? 7 : 8,
						 .duration_ms = {true, 2},
						 .error = error};

	assert_int_equal(job_ends(job, job_record(job, pods[i].id, pods[i].uid), &done, NULL), 0);
}

TEST(what_was_done_is_found_again)
{
	struct job *job = xcalloc(1, sizeof(*job)), *back;
	char *path;

	create(job);
	assert_int_equal(job_begins(job, &pods[0], 7, NULL), 0);
	end(job, 0, NULL);
	assert_int_equal(job_begins(job, &pods[2], 7, NULL), 0);
	end(job, 2, "refused");
	assert_int_equal(job_begins(job, &pods[1], 11, NULL), 0);
	path = xstrdup(job->path);
	job_free(job, false);
	back = loaded(path);
	assert_string_equal(back->request, "all");
	assert_string_equal(back->uid, "uid-1");
	assert_int_equal(back->generation, 3);
	assert_int_equal(back->state, REGENERATE_RUNNING);
	assert_int_equal(back->records.n, 3);
	assert_false(job_record(back, 2, "u2")->begun);
	assert_int_equal(job_record(back, 2, "u2")->done.generation_after, 8);
	assert_string_equal(job_record(back, 4, "")->done.error, "refused");
	assert_true(job_record(back, 3, "u3")->begun);
	assert_int_equal(job_record(back, 3, "u3")->done.generation_before, 11);
	/* Another pod with a number that was used before is another endpoint. */
	assert_null(job_record(back, 2, "u9"));
	/* It goes on in the same file. */
	end(back, 1, NULL);
	assert_int_equal(job_over(back, REGENERATE_FAILED, "1 of 3 endpoints failed", NULL), 0);
	job_free(back, false);
	back = loaded(path);
	assert_int_equal(back->records.n, 3);
	assert_false(job_record(back, 3, "u3")->begun);
	assert_int_equal(back->state, REGENERATE_FAILED);
	assert_string_equal(back->message, "1 of 3 endpoints failed");
	job_free(back, true);
	assert_false(io_exists(path));
	free(path);
}

/* A kill between any two bytes: what is whole is kept, and the file goes on behind it. */
TEST(a_line_that_is_not_whole_was_not_written)
{
	struct job *job = xcalloc(1, sizeof(*job)), *back;
	struct strbuf whole = STRBUF_INIT;
	char *path;

	create(job);
	assert_int_equal(job_begins(job, &pods[0], 7, NULL), 0);
	end(job, 0, NULL);
	path = xstrdup(job->path);
	job_free(job, false);
	assert_int_equal(io_read_file(path, 65536, &whole, NULL), 0);
	for (size_t n = strcspn(strbuf_cstr(&whole), "\n") + 1; n <= whole.len; n++) {
		size_t lines = 0;

		for (size_t i = 0; i < n; i++)
			lines += whole.buf[i] == '\n';
		assert_int_equal(io_replace_file(path, whole.buf, n, 0600, NULL), 0);
		back = loaded(path);
		assert_int_equal(back->records.n, lines > 1);
		if (lines > 1)
			assert_int_equal(job_record(back, 2, "u2")->begun, lines == 2);
		assert_int_equal(job_begins(back, &pods[1], 1, NULL), 0);
		job_free(back, false);
		back = loaded(path);
		assert_true(job_record(back, 3, "u3")->begun);
		job_free(back, false);
	}
	unlink(path);
	free(path);
	strbuf_release(&whole);
}

TEST(what_is_no_journal_is_refused)
{
	static const char *const texts[] = {
		"",
		"{}\n",
		"[]\n",
		"x\n",
		"{\"begin\":{\"id\":2}}\n",
		"{\"request\":\"r\"}\n{\"end\":{\"id\":\"two\"}}\n",
		"{\"request\":\"r\"}\n{}\n",
	};
	struct arena a = ARENA_INIT;
	const char *path = arena_printf(&a, "%s/x.journal", dir);

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct job *job = xcalloc(1, sizeof(*job));

		assert_int_equal(io_replace_file(path, texts[i], strlen(texts[i]), 0600, NULL), 0);
		if (job_load(job, path, NULL) != -EINVAL)
			fail_msg("taken for a journal: %s", texts[i]);
		job_free(job, true);
	}
	arena_release(&a);
}

TEST(one_generation_has_one_journal)
{
	struct job *job = xcalloc(1, sizeof(*job)), *other = xcalloc(1, sizeof(*other));

	create(job);
	assert_int_equal(job_create(other, dir, "all", "uid-1", 3, NULL), -EEXIST);
	job_free(other, false);
	other = xcalloc(1, sizeof(*other));
	assert_int_equal(job_create(other, dir, "all", "uid-1", 4, NULL), 0);
	assert_string_not_equal(job->path, other->path);
	job_free(other, true);
	other = xcalloc(1, sizeof(*other));
	assert_int_equal(job_create(other, dir, "all", "uid-2", 3, NULL), 0);
	job_free(other, true);
	job_free(job, true);
}

/* No room for the first line: nothing is left that would be in the way when there is. */
TEST(what_could_not_be_begun_can_be_begun_later)
{
	struct job *job = xcalloc(1, sizeof(*job));
	struct rlimit had, no_room;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &had), 0);
	no_room = had;
	no_room.rlim_cur = 0;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &no_room), 0);
	assert_int_equal(job_create(job, dir, "all", "uid-1", 3, NULL), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &had), 0);
	assert_false(io_exists(job->path));
	job_free(job, false);
	job = xcalloc(1, sizeof(*job));
	create(job);
	job_free(job, true);
}

/* One more endpoint than there can be is refused; those that are there come to their end. */
TEST(a_full_journal_refuses_and_goes_on)
{
	struct job *job = xcalloc(1, sizeof(*job)), *back;
	struct sidestep_request_endpoint done = {.id = 2};
	struct error err = ERROR_INIT;
	char *path;

	create(job);
	assert_int_equal(job_begins(job, &pods[0], 7, NULL), 0);
	while (job->records.n < JOB_MAX_RECORDS)
		vec_push(&job->records, ((struct job_record){.uid = "x", .done = {.id = 1}}));
	assert_int_equal(job_begins(job, &pods[1], 7, &err), -ENOSPC);
	assert_non_null(strstr(err.msg, "endpoints"));
	assert_null(job_record(job, pods[1].id, pods[1].uid));
	assert_int_equal(job_ends(job, job_record(job, 2, "u2"), &done, NULL), 0);
	assert_false(job_record(job, 2, "u2")->begun);
	assert_int_equal(job_ends(job, &(struct job_record){.uid = "u9"}, &done, NULL), -ENOSPC);
	path = xstrdup(job->path);
	job_free(job, false);
	back = loaded(path);
	assert_int_equal(back->records.n, 1); /* what was refused stands nowhere */
	job_free(back, true);
	free(path);
}

static int make_dir(UNUSED void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(UNUSED void **state)
{
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_done_is_found_again),
		cmocka_unit_test(a_line_that_is_not_whole_was_not_written),
		cmocka_unit_test(what_is_no_journal_is_refused),
		cmocka_unit_test(one_generation_has_one_journal),
		cmocka_unit_test(what_could_not_be_begun_can_be_begun_later),
		cmocka_unit_test(a_full_journal_refuses_and_goes_on),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
