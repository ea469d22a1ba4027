/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/counts.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deploy/lab/ledger.h"
#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "tests/support/test.h"

static char *dir;

static void put(const char *name, const char *json)
{
	auto_free char *path = xasprintf("%s/%s", dir, name);

	assert_int_equal(io_write_file_atomic(path, json, strlen(json), 0644, NULL), 0);
}

static int setup(UNUSED void **state)
{
	dir = xstrdup("/dev/shm/sidestep-counts-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(UNUSED void **state)
{
	int r = io_remove_tree(dir, NULL);

	free(dir);
	return r;
}

static const char client_then[] =
	"{\"namespace\":\"n\",\"workload\":\"web\",\"edges\":[{\"target\":\"http://db:80/\","
	"\"how\":\"fresh\",\"expect\":\"pass\",\"sent\":10,\"ok\":9,\"failed\":1,\"kinds\":{"
	"\"reset\":1},"
	"\"latency_us\":[[1000,9]]}],\"long_lived\":[{\"target\":\"x\",\"opened\":2,"
	"\"ended_with_pod\":1}]}";
static const char client_now[] =
	"{\"namespace\":\"n\",\"workload\":\"web\",\"edges\":[{\"target\":\"http://db:80/\","
	"\"how\":\"fresh\",\"expect\":\"pass\",\"sent\":30,\"ok\":28,\"failed\":2,\"kinds\":{"
	"\"reset\":1,"
	"\"timeout\":1},\"latency_us\":[[1000,18],[2000,10]]}],"
	"\"long_lived\":[{\"target\":\"x\",\"opened\":3,\"ended_with_pod\":1,\"lost\":1}]}";

TEST(pods_are_summed_and_times_subtracted)
{
	struct counts before, now, since;
	struct count_totals t;

	put("n_web-1.json", client_then);
	assert_int_equal(counts_read(dir, &before, NULL), 0);
	put("n_web-1.json", client_now);
	put("n_web-2.json", client_then); /* a second pod of the same workload */
	assert_int_equal(counts_read(dir, &now, NULL), 0);
	assert_int_equal(now.edges.n, 1);
	counts_since(&now, &before, &since);
	t = counts_total(&since);
	assert_int_equal(t.sent, 30);
	assert_int_equal(t.ok, 28);
	assert_int_equal(t.failed, 2);
	assert_int_equal(doc_int_or(doc_get(since.edges.items[0].kinds, "timeout"), 0), 1);
	assert_int_equal(since.lost, 1);
	assert_int_equal(since.ended_with_pod, 1); /* all of the second pod's */
	/* One was open before and one opened since; the second pod had two. */
	assert_int_equal(since.long_lived, 4);
	/* 18 of 28 below 1 ms, the rest below 2. */
	assert_true(counts_latency_ms(&since, 0.5, NULL) > 0.99 &&
		    counts_latency_ms(&since, 0.5, NULL) < 1.01);
	assert_true(counts_latency_ms(&since, 0.9, "fresh") > 1.99);
	assert_true(counts_latency_ms(&since, 0.9, "kept") < 0);
	counts_release(&since);
	counts_release(&before);
	counts_release(&now);
}

TEST(a_server_that_saw_less_is_a_mismatch)
{
	struct counts c;
	struct arena a = ARENA_INIT;
	struct doc *list;
	int64_t retries;

	put("n_web-1.json", client_then);
	put("n_db-1.json", "{\"namespace\":\"n\",\"workload\":\"db\",\"served\":[{\"port\":80,"
			   "\"client\":\"n/web\",\"requests\":8}]}");
	assert_int_equal(counts_read(dir, &c, NULL), 0);
	list = counts_mismatches(&a, &c, &retries);
	assert_int_equal(doc_len(list), 1);
	assert_int_equal(doc_find_int(list, "[0].served", 0), 8);
	counts_release(&c);
	put("n_db-1.json", "{\"namespace\":\"n\",\"workload\":\"db\",\"served\":[{\"port\":80,"
			   "\"client\":\"n/web\",\"requests\":12}]}");
	assert_int_equal(counts_read(dir, &c, NULL), 0);
	assert_int_equal(doc_len(counts_mismatches(&a, &c, &retries)), 0);
	assert_int_equal(retries, 2);
	counts_release(&c);
	arena_release(&a);
}

/* Refused is what no server's application saw: the client alone cannot know. */
TEST(a_server_that_saw_what_was_refused_is_a_mismatch)
{
	static const char intruder[] =
		"{\"namespace\":\"x\",\"workload\":\"in\",\"edges\":[{\"target\":"
		"\"http://_pods.db.n:80/\",\"how\":\"fresh\",\"expect\":\"refuse\",\"sent\":9,"
		"\"refused\":8,\"refused_missing\":1},{\"target\":\"http://db.n:80/\",\"how\":"
		"\"fresh\",\"expect\":\"refuse\",\"sent\":9,\"refused\":9}%s]}";
	static const char *const calls[] = {
		"", ",{\"target\":\"http://db-2.n:80/\",\"how\":\"fresh\",\"expect\":\"pass\"}"};

	/* What was served, whether the client may call the server on another way, mismatches. */
	static const struct {
		int served, may, mismatches;
	} rows[] = {{0, 0, 0}, {1, 0, 0}, {2, 0, 1}, {2, 1, 0}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a = ARENA_INIT;
		struct counts c;
		struct doc *list;
		int64_t retries;

		put("x_in-1.json", arena_printf(&a, intruder, calls[rows[i].may]));
		put("n_db-1.json",
		    arena_printf(&a,
				 "{\"namespace\":\"n\",\"workload\":\"db\",\"served\":[{"
				 "\"port\":80,\"client\":\"x/in\",\"requests\":%d}]}",
				 rows[i].served));
		assert_int_equal(counts_read(dir, &c, NULL), 0);
		list = counts_mismatches(&a, &c, &retries);
		assert_int_equal(doc_len(list), rows[i].mismatches);
		if (rows[i].mismatches)
			assert_int_equal(doc_find_int(list, "[0].got_through", -1), 1);
		assert_int_equal(retries, 0);
		counts_release(&c);
		arena_release(&a);
	}
}

TEST(garbage_is_an_error_with_its_file)
{
	struct counts c;
	struct error err = ERROR_INIT;

	put("n_web-1.json", "{\"edges\":[");
	assert_true(counts_read(dir, &c, &err) < 0);
	assert_non_null(strstr(err.msg, "n_web-1.json"));
	counts_release(&c);
}

/* A client that is killed: what it counted last and what it had on its way, whatever its file says.
 */
TEST(a_killed_run_keeps_its_last_numbers)
{
	auto_free char *path = xasprintf("%s/n_web-1.json", dir);
	struct counts c;
	struct ledger *l;
	struct count_totals t;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (ledger_open(path, &l, NULL) < 0)
			_exit(1);
		l->n_flows = l->n_served = 1;
		l->flows[0] = (struct ledger_flow){
			.sent = 12, .ok = 9, .failed = 1, .opened = 3, .lost = 1};
		l->served[0] = (struct ledger_served){"n/other", 80, 7};
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	put("n_web-1.json",
	    "{\"namespace\":\"n\",\"workload\":\"web\",\"pod\":\"web-1\",\"edges\":[{"
	    "\"target\":\"tcp://db:80\",\"how\":\"hold\",\"sent\":2,\"ok\":2}],"
	    "\"long_lived\":[{\"target\":\"tcp://db:80\",\"opened\":1}],"
	    "\"served\":[{\"port\":80,\"client\":\"n/other\",\"requests\":5}]}");
	assert_int_equal(counts_read(dir, &c, NULL), 0);
	t = counts_total(&c);
	assert_int_equal(t.sent, 12);
	assert_int_equal(t.ok, 9);
	assert_int_equal(t.failed, 3); /* two were on their way */
	assert_int_equal(c.lost, 3);   /* and two connections open */
	assert_int_equal(c.served.n, 1);
	assert_int_equal(c.served.items[0].requests, 7); /* instead of the file's, not beside it */
	assert_int_equal(doc_len(c.recent), 4);
	assert_string_equal(doc_find_str(c.recent, "[0].pod"), "web-1");
	counts_release(&c);
}

#define row(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		row(pods_are_summed_and_times_subtracted),
		row(a_server_that_saw_less_is_a_mismatch),
		row(a_server_that_saw_what_was_refused_is_a_mismatch),
		row(garbage_is_an_error_with_its_file),
		row(a_killed_run_keeps_its_last_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
