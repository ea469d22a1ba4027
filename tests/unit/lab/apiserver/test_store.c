/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/str.h"
#include "tests/unit/lab/apiserver/json.h"

struct fixture {
	char dir[64];
	struct store *store;
	struct shelf *pods;
	struct arena arena;
};

static struct store_options options;

static void open_it(struct fixture *f)
{
	struct error err = ERROR_INIT;

	options.dir = f->dir;
	if (store_open(&options, &f->store, &err))
		fail_msg("%s", err.msg);
	f->pods = store_shelf(f->store, "/pods");
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/sidestep-store-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	options = (struct store_options){.history = 100};
	open_it(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	store_free(f->store);
	io_remove_tree(f->dir, NULL);
	arena_release(&f->arena);
	free(f);
	return 0;
}

/* What kill -9 leaves: the files as they are, nothing else. */
static void crash(struct fixture *f)
{
	store_free(f->store);
	open_it(f);
}

static uint64_t put(struct fixture *f, const char *name, int value)
{
	struct doc *d = json(&f->arena, "{'metadata':{'namespace':'n'}}");
	struct revision *r;
	struct error err = ERROR_INIT;

	doc_set_string(&f->arena, doc_get(d, "metadata"), "name", name);
	doc_setf(&f->arena, doc_get(d, "metadata"), "uid", "uid-%s", name);
	doc_set_int(&f->arena, d, "value", value);
	if (store_put(f->store, f->pods, &f->arena, d, &r, &err))
		fail_msg("%s", err.msg);
	return r->rv;
}

static void take(struct fixture *f, const char *name)
{
	struct doc *d = doc_clone(&f->arena, revision_doc(shelf_get(f->pods, "n", name)));

	assert_int_equal(store_delete(f->store, f->pods, &f->arena, d, NULL), 0);
}

/* TEST's parameter is unused elsewhere; here it is the fixture. */
#undef TEST
#define TEST(name) static void name(void **state)

TEST(versions_survive_a_crash)
{
	struct fixture *f = *state;
	uint64_t first = put(f, "a", 1), last;

	put(f, "b", 2);
	take(f, "a");
	last = put(f, "c", 3);
	assert_int_equal(last, first + 3);
	crash(f);
	assert_int_equal(store_version(f->store), last);
	assert_int_equal(shelf_count(f->pods), 2);
	assert_null(shelf_get(f->pods, "n", "a"));
	assert_int_equal(doc_find_int(revision_doc(shelf_get(f->pods, "n", "c")), "value", 0), 3);
	assert_ptr_equal(store_by_uid(f->store, "uid-b", NULL), shelf_get(f->pods, "n", "b"));
	assert_null(store_by_uid(f->store, "uid-a", NULL));
	assert_int_equal(put(f, "d", 4), last + 1);
}

TEST(a_torn_tail_is_cut_off)
{
	struct fixture *f = *state;
	auto_free char *log = xasprintf("%s/log.0", f->dir);
	uint64_t last;
	struct stat st;
	int fd;

	put(f, "a", 1);
	assert_int_equal(stat(log, &st), 0);
	last = put(f, "b", 2);
	store_free(f->store);
	/* every length the second record could have been torn at */
	for (off_t size = st.st_size; size < st.st_size + 40; size += 7) {
		assert_int_equal(truncate(log, size), 0);
		open_it(f);
		assert_int_equal(shelf_count(f->pods), 1);
		assert_int_equal(put(f, "b", 2), last);
		store_free(f->store);
		open_it(f);
		assert_int_equal(shelf_count(f->pods), 2);
		store_free(f->store);
	}
	/* a flipped bit in the last record is a tear, too */
	fd = open(log, O_RDWR);
	assert_int_equal(pwrite(fd, "X", 1, st.st_size + 30), 1);
	close(fd);
	open_it(f);
	assert_int_equal(shelf_count(f->pods), 1);
}

TEST(snapshots_keep_everything)
{
	struct fixture *f = *state;
	uint64_t last = 0;

	store_free(f->store);
	options.log_bytes = 2048;
	open_it(f);
	for (int i = 0; i < 200; i++) {
		auto_free char *name = xasprintf("p%d", i % 7);

		last = put(f, name, i);
		if (i % 40 == 39)
			crash(f);
		assert_int_equal(store_version(f->store), last);
	}
	assert_int_equal(shelf_count(f->pods), 7);
	/* 199 % 7 == 3 */
	assert_int_equal(doc_find_int(revision_doc(shelf_get(f->pods, "n", "p3")), "value", 0),
			 199);
	assert_int_equal(doc_find_int(revision_doc(shelf_get(f->pods, "n", "p4")), "value", 0),
			 193);
}

TEST(history_goes_back_over_a_crash)
{
	struct fixture *f = *state;
	uint64_t first = put(f, "a", 1);
	size_t at;

	put(f, "a", 2);
	take(f, "a");
	crash(f);
	assert_int_equal(store_history_after(f->store, first, &at), 0);
	assert_int_equal(store_history_count(f->store) - at, 2);
	assert_int_equal(store_history_at(f->store, at)->type, EVENT_MODIFIED);
	assert_int_equal(
		doc_find_int(revision_doc(store_history_at(f->store, at)->before), "value", 0), 1);
	assert_int_equal(store_history_at(f->store, at + 1)->type, EVENT_DELETED);
	assert_int_equal(
		doc_find_int(revision_doc(store_history_at(f->store, at + 1)->now), "value", 0), 2);
}

TEST(history_has_an_end)
{
	struct fixture *f = *state;
	uint64_t first = put(f, "a", 0);
	size_t at;

	for (int i = 0; i < 100; i++)
		put(f, "a", i);
	assert_int_equal(store_history_after(f->store, first, &at), 0);
	put(f, "a", 1000);
	assert_int_equal(store_history_after(f->store, first, &at), -ESTALE);
	assert_int_equal(store_history_after(f->store, first + 1, &at), 0);
	assert_int_equal(store_history_count(f->store) - at, 100);
	store_forget_history(f->store);
	assert_int_equal(store_history_after(f->store, first + 50, &at), -ESTALE);
	assert_int_equal(store_history_after(f->store, store_version(f->store), &at), 0);
}

TEST(shelves_are_sorted)
{
	struct fixture *f = *state;
	static const char *const names[] = {"m", "c", "z", "a", "mm"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		put(f, names[i], 0);
	for (size_t i = 1; i < shelf_count(f->pods); i++)
		assert_true(strcmp(shelf_at(f->pods, i - 1)->name, shelf_at(f->pods, i)->name) < 0);
	assert_int_equal(shelf_lower_bound(f->pods, "n", "d"), 2);
	assert_int_equal(shelf_lower_bound(f->pods, "o", ""), 5);
}

TEST(a_full_store_says_so)
{
	struct fixture *f = *state;
	struct doc *d = json(&f->arena, "{'metadata':{'namespace':'n','name':'two','uid':'u2'}}");
	struct revision *r;

	store_free(f->store);
	options.max_objects = 1;
	open_it(f);
	put(f, "one", 1);
	assert_int_equal(store_put(f->store, f->pods, &f->arena, d, &r, NULL), -ENOSPC);
	put(f, "one", 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(versions_survive_a_crash, setup, teardown),
		cmocka_unit_test_setup_teardown(a_torn_tail_is_cut_off, setup, teardown),
		cmocka_unit_test_setup_teardown(snapshots_keep_everything, setup, teardown),
		cmocka_unit_test_setup_teardown(history_goes_back_over_a_crash, setup, teardown),
		cmocka_unit_test_setup_teardown(history_has_an_end, setup, teardown),
		cmocka_unit_test_setup_teardown(shelves_are_sorted, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_store_says_so, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
