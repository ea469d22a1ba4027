/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/step/journal.h"

#include <fcntl.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "tests/support/test.h"

struct fixture {
	char *dir, *path;
	struct fake_clock clock;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->dir = xstrdup("/tmp/sidestep-journal-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	f->path = xasprintf("%s/run.jsonl", f->dir);
	fake_clock_init(&f->clock, 0);
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

/* A journal of n records behind its header, closed. */
static void write_some(struct fixture *f, int n)
{
	struct arena a = ARENA_INIT;
	struct doc *body = doc_map(&a);
	struct journal *j;

	doc_set_string(&a, body, "plan", "p1");
	assert_int_equal(journal_create(f->path, body, &f->clock.clock, &j, NULL), 0);
	for (int i = 0; i < n; i++)
		assert_int_equal(journal_append(j, "note", body, NULL), 0);
	journal_free(j);
	arena_release(&a);
}

static void rewrite(struct fixture *f, const char *data, size_t n)
{
	assert_int_equal(io_write_file_atomic(f->path, data, n, 0600, NULL), 0);
}

static void what_is_written_is_read(void **state)
{
	struct fixture *f = *state;
	struct journal *j;

	write_some(f, 3);
	assert_int_equal(journal_open(f->path, &f->clock.clock, &j, NULL), 0);
	assert_int_equal(journal_count(j), 4);
	assert_string_equal(journal_at(j, 0)->type, "run");
	assert_string_equal(doc_str(doc_get(journal_header(j), "plan")), "p1");
	assert_int_equal(journal_append(j, "more", NULL, NULL), 0);
	journal_free(j);
	assert_int_equal(journal_read(f->path, &f->clock.clock, &j, NULL), 0);
	assert_int_equal(journal_count(j), 5);
	assert_int_equal(journal_append(j, "more", NULL, NULL), -EROFS);
	journal_free(j);
}

static void one_process_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct journal *j, *second;

	write_some(f, 0);
	assert_int_equal(journal_open(f->path, &f->clock.clock, &j, NULL), 0);
	assert_int_equal(journal_open(f->path, &f->clock.clock, &second, NULL), -EBUSY);
	assert_int_equal(journal_create(f->path, NULL, &f->clock.clock, &second, NULL), -EEXIST);
	journal_free(j);
}

/* Cut anywhere: what was whole is kept, what was torn is dropped, and it goes on. */
static void every_torn_end_is_survived(void **state)
{
	struct fixture *f = *state;
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	size_t first;

	write_some(f, 2);
	assert_int_equal(io_read_file(f->path, 1 << 20, &text, NULL), 0);
	first = (size_t)(strchr(text.buf, '\n') - text.buf) + 1;
	for (size_t cut = first; cut < text.len; cut++) {
		struct journal *j;
		size_t whole = 0;

		for (size_t i = 0; i < cut; i++)
			whole += text.buf[i] == '\n';
		rewrite(f, text.buf, cut);
		assert_int_equal(journal_open(f->path, &f->clock.clock, &j, NULL), 0);
		assert_int_equal(journal_count(j), whole);
		assert_int_equal(journal_append(j, "after", NULL, NULL), 0);
		journal_free(j);
		assert_int_equal(journal_open(f->path, &f->clock.clock, &j, NULL), 0);
		assert_int_equal(journal_count(j), whole + 1);
		journal_free(j);
	}
}

static void damage_is_named(void **state)
{
	struct fixture *f = *state;
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	struct error err = ERROR_INIT;
	struct journal *j;
	char *p, *second;

	write_some(f, 3);
	assert_int_equal(io_read_file(f->path, 1 << 20, &text, NULL), 0);
	second = strchr(text.buf, '\n') + 1;
	p = strstr(second, "p1");
	p[1] = '2';
	rewrite(f, text.buf, text.len);
	assert_int_equal(journal_open(f->path, &f->clock.clock, &j, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "run.jsonl:2: the record's hash does not match"));
	p[1] = '1';
	/* A record that was taken out breaks the chain of the next. */
	p = strchr(second, '\n') + 1;
	memmove(second, p, strlen(p) + 1);
	rewrite(f, text.buf, strlen(text.buf));
	assert_int_equal(journal_open(f->path, &f->clock.clock, &j, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "chain is broken"));
}

static void lines_kept_elsewhere_make_the_same_journal(void **state)
{
	struct fixture *f = *state;
	const char *lines[3];
	struct journal *j, *k;
	auto_free char *other = xasprintf("%s/other", f->dir);

	write_some(f, 2);
	assert_int_equal(journal_open(f->path, &f->clock.clock, &j, NULL), 0);
	for (size_t i = 0; i < 3; i++)
		lines[i] = journal_at(j, i)->line;
	assert_int_equal(journal_restore(other, lines, 3, &f->clock.clock, &k, NULL), 0);
	assert_int_equal(journal_count(k), 3);
	assert_true(doc_equal(journal_at(k, 2)->body, journal_at(j, 2)->body));
	journal_free(k);
	lines[1] = lines[2];
	unlink(other);
	assert_int_equal(journal_restore(other, lines, 3, &f->clock.clock, &k, NULL), -EBADMSG);
	journal_free(j);
}

#define row(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		row(what_is_written_is_read),
		row(one_process_at_a_time),
		row(every_torn_end_is_survived),
		row(damage_is_named),
		row(lines_kept_elsewhere_make_the_same_journal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
