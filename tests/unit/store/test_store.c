/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/store.h"

#include <string.h>
#include <sys/stat.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "tests/support/test.h"

struct world {
	struct arena a;
	char dir[32];
	const char *path;
	struct store *store;
	struct error err;
};

static void world_init(struct world *w)
{
	*w = (struct world){.dir = "/tmp/sidestep-store-XXXXXX"};
	assert_non_null(mkdtemp(w->dir));
	w->path = arena_printf(&w->a, "%s/revisions", w->dir);
	if (store_open_at(w->path, true, &w->store, &w->err) < 0)
		fail_msg("%s", w->err.msg);
}

static void world_release(struct world *w)
{
	store_close(w->store);
	io_remove_tree(w->dir, NULL);
	arena_release(&w->a);
}

static struct doc *number(struct arena *a, int n)
{
	struct doc *d = doc_map(a);

	doc_set_int(a, d, "n", n);
	return d;
}

static int commit(struct world *w, int n, const char *parent, struct store_revision *ret)
{
	struct store_file files[] = {
		{"shop/ConfigMap/b.yaml", number(&w->a, n)},
		{"shop/ConfigMap/a.yaml", number(&w->a, 0)},
	};
	struct store_note note = {.who = "Jo <Doe>",
				  .email = "jo@example.org",
				  .why = arena_printf(&w->a, "because of %d\nRun: forged", n),
				  .run = arena_printf(&w->a, "run-%d", n),
				  .when_s = 1000000000 + n};

	return store_commit(w->store, &w->a, files, ARRAY_SIZE(files), &note, parent, ret, &w->err);
}

TEST(what_is_committed_is_read_back)
{
	struct store_revision one, two, found;
	struct store_file *files;
	struct world w;
	size_t n;

	world_init(&w);
	assert_int_equal(commit(&w, 1, NULL, &one), 0);
	assert_int_equal(commit(&w, 2, one.id, &two), 0);
	assert_int_equal(one.number, 1);
	assert_null(one.parent);
	assert_int_equal(two.number, 2);
	assert_string_equal(two.parent, one.id);
	assert_string_equal(two.note.who, "Jo _Doe_");
	assert_string_equal(two.note.email, "jo@example.org");
	assert_string_equal(two.note.why, "because of 2\nRun: forged");
	assert_string_equal(two.note.run, "run-2");
	assert_int_equal(two.note.when_s, 1000000002);
	assert_int_equal(store_find(w.store, &w.a, "1", &found, &w.err), 0);
	assert_int_equal(store_files(w.store, &w.a, &found, &files, &n, &w.err), 0);
	assert_int_equal(n, 2);
	assert_string_equal(files[0].path, "shop/ConfigMap/a.yaml");
	assert_string_equal(files[1].path, "shop/ConfigMap/b.yaml");
	assert_int_equal(doc_find_int(files[1].doc, "n", -1), 1);
	world_release(&w);
}

TEST(the_same_again_is_no_revision)
{
	struct store_revision one, again;
	struct store_revision *list;
	struct world w;
	size_t n;

	world_init(&w);
	assert_int_equal(store_history(w.store, &w.a, &list, &n, &w.err), 0);
	assert_int_equal(n, 0);
	assert_int_equal(commit(&w, 1, NULL, &one), 0);
	assert_int_equal(commit(&w, 1, one.id, &again), 0);
	assert_string_equal(one.id, again.id);
	assert_int_equal(store_history(w.store, &w.a, &list, &n, &w.err), 0);
	assert_int_equal(n, 1);
	world_release(&w);
}

TEST(who_does_not_know_the_newest_is_refused)
{
	struct store_revision one, two, other;
	struct world w;

	world_init(&w);
	assert_int_equal(commit(&w, 1, NULL, &one), 0);
	assert_int_equal(commit(&w, 2, NULL, &other), -ESTALE);
	assert_int_equal(commit(&w, 2, one.id, &two), 0);
	assert_int_equal(commit(&w, 3, one.id, &other), -ESTALE);
	world_release(&w);
}

TEST(revisions_are_found_by_what_they_are_called)
{
	struct store_revision r, found;
	struct world w;

	world_init(&w);
	assert_int_equal(store_find(w.store, &w.a, "newest", &found, &w.err), -ENOENT);
	assert_int_equal(commit(&w, 1, NULL, &r), 0);
	assert_int_equal(store_name_check(w.store, "before-upgrade", &w.err), 0);
	assert_int_equal(store_name(w.store, &r, "before-upgrade", &w.err), 0);
	assert_int_equal(store_name_check(w.store, "before-upgrade", &w.err), -EEXIST);
	assert_int_equal(store_name_check(w.store, "7", &w.err), -EINVAL);
	assert_int_equal(store_name_check(w.store, "a..b", &w.err), -EINVAL);
	assert_int_equal(store_name(w.store, &r, "before-upgrade", &w.err), -EEXIST);
	assert_int_equal(store_name(w.store, &r, "7", &w.err), -EINVAL);
	assert_int_equal(store_name(w.store, &r, "newest", &w.err), -EINVAL);
	assert_int_equal(store_name(w.store, &r, "a..b", &w.err), -EINVAL);
	assert_int_equal(commit(&w, 2, r.id, &r), 0);
	assert_int_equal(store_find(w.store, &w.a, "before-upgrade", &found, &w.err), 0);
	assert_int_equal(found.number, 1);
	assert_string_equal(found.name, "before-upgrade");
	assert_int_equal(store_find(w.store, &w.a, "newest", &found, &w.err), 0);
	assert_int_equal(found.number, 2);
	assert_null(found.name);
	assert_int_equal(store_find(w.store, &w.a, arena_strndup(&w.a, r.id, 8), &found, &w.err),
			 0);
	assert_int_equal(found.number, 2);
	assert_int_equal(store_find(w.store, &w.a, "3", &found, &w.err), -ENOENT);
	assert_int_equal(store_find(w.store, &w.a, "../../x", &found, &w.err), -ENOENT);
	world_release(&w);
}

TEST(paths_that_lead_elsewhere_are_refused)
{
	static const char *const bad[] = {"", "/x", "x/", "a//b", "../x", "a/../b", ".", "a/."};
	struct store_revision r;
	struct world w;

	world_init(&w);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct store_file f = {bad[i], number(&w.a, 1)};
		struct store_note note = {.who = "x", .why = "y"};

		if (store_commit(w.store, &w.a, &f, 1, &note, NULL, &r, &w.err) != -EINVAL)
			fail_msg("'%s'", bad[i]);
	}
	world_release(&w);
}

TEST(it_opens_again_and_only_where_it_is)
{
	struct store_revision r;
	struct store *none = NULL;
	struct world w;

	world_init(&w);
	assert_int_equal(commit(&w, 1, NULL, &r), 0);
	store_close(w.store);
	assert_int_equal(store_open_at(w.path, true, &w.store, &w.err), 0);
	assert_int_equal(store_find(w.store, &w.a, "1", &r, &w.err), 0);
	assert_int_equal(store_open_at(arena_printf(&w.a, "%s/none", w.dir), false, &none, &w.err),
			 -ENOENT);
	world_release(&w);
}

/* Flips a bit in the middle of a loose object. */
static void damage(const char *folder, const char *name)
{
	auto_release(strbuf) struct strbuf data = STRBUF_INIT;
	struct arena a = ARENA_INIT;
	const char *path = arena_printf(&a, "%s/objects/%.2s/%s", folder, name, name + 2);

	assert_int_equal(io_read_file(path, 1 << 20, &data, NULL), 0);
	data.buf[data.len / 2] ^= 0x40;
	chmod(path, 0600);
	assert_int_equal(io_write_file_atomic(path, data.buf, data.len, 0400, NULL), 0);
	arena_release(&a);
}

/* Only the first revision holds the file "n": 1; the id is git hash-object's. */
TEST(damage_is_found_and_named)
{
	struct store_revision r;
	struct doc *said;
	struct world w;

	world_init(&w);
	assert_int_equal(commit(&w, 1, NULL, &r), 0);
	assert_int_equal(commit(&w, 2, r.id, &r), 0);
	assert_int_equal(store_fsck(w.store, &w.a, &said, &w.err), 0);
	assert_int_equal(doc_len(said), 0);
	store_close(w.store);
	damage(w.path, "6e1bbe6cbbb6579c15d9bcffb59ce789855f8e2c");
	assert_int_equal(store_open_at(w.path, false, &w.store, &w.err), 0);
	assert_int_equal(store_fsck(w.store, &w.a, &said, &w.err), 0);
	assert_int_equal(doc_len(said), 1);
	assert_non_null(strstr(doc_str(doc_at(said, 0)), "revision 1: "));
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_committed_is_read_back),
		cmocka_unit_test(the_same_again_is_no_revision),
		cmocka_unit_test(who_does_not_know_the_newest_is_refused),
		cmocka_unit_test(revisions_are_found_by_what_they_are_called),
		cmocka_unit_test(paths_that_lead_elsewhere_are_refused),
		cmocka_unit_test(it_opens_again_and_only_where_it_is),
		cmocka_unit_test(damage_is_found_and_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
