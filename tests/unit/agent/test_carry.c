/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The copy between conntrack layouts when the kernel refuses: nothing is left behind, and nothing
 * is called complete that is not. The kernel's two calls are played here, for it refuses nothing on
 * demand; with real maps the copy is tested in tests/datapath/attach.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "agent/datapath/state.h"
#include "datapath/abi/conntrack_convert.h"
#include "tests/support/test.h"

enum { ROWS = 1500, SMALL = 40, ROOM = 4096, MAPS = 4 }; /* rows: three batches */

struct row {
	struct conntrack_key key;
	union {
		struct conntrack_entry new;
		struct conntrack_entry_v1 old;
	};
};

/* conntrack and ct_new, each of ours and older; the number is the descriptor. */
enum { OURS, OURS_NEW, THEIRS, THEIRS_NEW };
static struct table {
	struct row row[ROOM];
	uint32_t n;
} tables[MAPS];

static struct datapath dp;
static uint64_t refused_in_all;
static unsigned reads, read_fails, writes, write_fails; /* the so many-th; 0: none */
static uint32_t always;                                 /* this source address is refused */
/* What programs do to the row that is being written, in the map it comes from. */
static enum { NOTHING, FORGET, REPLACE, RENEW } meanwhile;

static size_t value_size(int fd)
{
	return fd < THEIRS ? sizeof(struct conntrack_entry) : sizeof(struct conntrack_entry_v1);
}

static int fails(int code)
{
	errno = code;
	return -code;
}

int __wrap_bpf_map_lookup_batch(int fd, void *in, void *out, void *keys, void *values, __u32 *count,
				const struct bpf_map_batch_opts *opts);
int __wrap_bpf_map_lookup_batch(int fd, void *in, void *out, void *keys, void *values, __u32 *count,
				UNUSED const struct bpf_map_batch_opts *opts)
{
	const struct table *t = &tables[fd];
	uint32_t at = in ? *(uint32_t *)in : 0, n = MIN(*count, t->n - at), next = at + n;

	if (++reads == read_fails) {
		*count = 0;
		return fails(EFAULT);
	}
	for (uint32_t i = 0; i < n; i++) {
		((struct conntrack_key *)keys)[i] = t->row[at + i].key;
		memcpy((char *)values + i * value_size(fd), &t->row[at + i].new, value_size(fd));
	}
	*(uint32_t *)out = next;
	*count = n;
	return next == t->n ? fails(ENOENT) : 0;
}

static struct row *find(int fd, const struct conntrack_key *key)
{
	for (uint32_t i = 0; i < tables[fd].n; i++)
		if (!memcmp(&tables[fd].row[i].key, key, sizeof(*key)))
			return &tables[fd].row[i];
	return NULL;
}

static void remove_row(int fd, struct row *r)
{
	*r = tables[fd].row[--tables[fd].n];
}

int __wrap_bpf_map_lookup_elem(int fd, const void *key, void *value);
int __wrap_bpf_map_lookup_elem(int fd, const void *key, void *value)
{
	const struct row *r = find(fd, key);

	if (!r)
		return fails(ENOENT);
	memcpy(value, &r->new, value_size(fd));
	return 0;
}

int __wrap_bpf_map_delete_elem(int fd, const void *key);
int __wrap_bpf_map_delete_elem(int fd, const void *key)
{
	struct row *r = find(fd, key);

	if (!r)
		return fails(ENOENT);
	remove_row(fd, r);
	return 0;
}

/* fd: the map of ours that the row is written to. */
static void programs_meanwhile(int fd, const struct conntrack_key *key)
{
	struct row *r = meanwhile ? find(fd + THEIRS, key) : NULL;

	if (!r)
		return;
	if (meanwhile == FORGET)
		remove_row(fd + THEIRS, r);
	else if (meanwhile == REPLACE)
		r->old.created += 1000;
	else
		r->old.expires += 1000;
}

int __wrap_bpf_map_update_elem(int fd, const void *key, const void *value, __u64 flags);
int __wrap_bpf_map_update_elem(int fd, const void *key, const void *value, __u64 flags)
{
	struct row *r;

	assert_int_equal(flags, BPF_NOEXIST);
	if (++writes == write_fails ||
	    (always && ((const struct conntrack_key *)key)->saddr == always))
		return fails(ENOMEM);
	if (find(fd, key))
		return fails(EEXIST);
	assert_true(tables[fd].n < ROOM);
	r = &tables[fd].row[tables[fd].n++];
	memcpy(&r->key, key, sizeof(r->key));
	memcpy(&r->new, value, value_size(fd));
	if (fd < THEIRS)
		programs_meanwhile(fd, key);
	return 0;
}

/* n rows in both maps of one layout, nothing in those of the other. */
static void fill(bool theirs, uint32_t n, uint16_t flags)
{
	memset(tables, 0, sizeof(tables));
	reads = read_fails = writes = write_fails = always = 0;
	meanwhile = NOTHING;
	refused_in_all = 0;
	carry_release(&dp);
	memset(&dp, 0, sizeof(dp));
	maps_init(&dp.maps);
	dp.maps.refused = &refused_in_all;
	dp.maps.fd[MAP_conntrack] = OURS;
	dp.maps.fd[MAP_ct_new] = OURS_NEW;
	dp.maps.older[OLDER_conntrack] = THEIRS;
	dp.maps.older[OLDER_ct_new] = THEIRS_NEW;
	for (int map = theirs ? THEIRS : OURS; map <= (theirs ? THEIRS_NEW : OURS_NEW); map++) {
		tables[map].n = n;
		for (uint32_t i = 0; i < n; i++) {
			struct row *r = &tables[map].row[i];

			r->key = (struct conntrack_key){.saddr = i + 1};
			if (theirs)
				r->old = (struct conntrack_entry_v1){
					.version = 1, .action = 1, .flags = flags};
			else
				r->new = (struct conntrack_entry){
					.version = 2, .verdict = 1, .flags = flags};
		}
	}
}

/* Until it has no more, or an error; how many rows it has seen to then. */
static int copy(uint64_t *ret_errors)
{
	struct datapath_conntrack ct;
	bool more = true;
	int last = 0;

	*ret_errors = 0;
	for (int steps = 0; more; steps++) {
		struct error err = ERROR_INIT;
		int code = datapath_conntrack_step(&dp, &more, &err);

		assert_true(steps < 1000);
		datapath_conntrack(&dp, &ct);
		if (!code)
			continue;
		assert_true(ct.copying && ct.remaining > 0);
		last = code;
		more = ++*ret_errors < 5;
	}
	return last;
}

static void expect_copied(bool up, uint32_t n)
{
	for (int map = 0; map < OLDER_COUNT; map++) {
		int from = (up ? THEIRS : OURS) + map, to = (up ? OURS : THEIRS) + map;

		assert_int_equal(tables[to].n, n);
		for (uint32_t i = 0; i < n; i++)
			if (!find(to, &tables[from].row[i].key))
				fail_msg("row %u of map %d was not copied", i, map);
	}
}

TEST(a_batch_that_cannot_be_read_is_read_again)
{
	struct datapath_conntrack ct;
	uint64_t errors = 1;

	for (unsigned nth = 1; errors; nth++) {
		int code;

		fill(false, ROWS, 0);
		read_fails = nth;
		carry_begin(&dp, CARRY_DOWN);
		code = copy(&errors);
		assert_int_equal(code, errors ? -EFAULT : 0);
		datapath_conntrack(&dp, &ct);
		assert_false(ct.copying);
		assert_int_equal(ct.converted, 2 * ROWS);
		expect_copied(false, ROWS);
		assert_true(errors || nth > 12); /* two maps, read twice, in three batches */
	}
}

TEST(rows_that_are_refused_make_another_round)
{
	for (int up = 0; up < 2; up++) {
		for (unsigned nth = 1; nth < 2 * ROWS; nth += 97) {
			struct datapath_conntrack ct;
			uint64_t errors;

			fill(up, ROWS, 0);
			write_fails = nth;
			carry_begin(&dp, up ? CARRY_UP : CARRY_DOWN);
			assert_int_equal(copy(&errors), -ENOMEM);
			assert_int_equal(errors, 1);
			datapath_conntrack(&dp, &ct);
			assert_false(ct.copying);
			assert_int_equal(ct.remaining, 0);
			assert_int_equal(ct.refused, 1);
			assert_int_equal(refused_in_all, 1);
			assert_int_equal(ct.converted, 2 * ROWS);
			expect_copied(up, ROWS);
		}
	}
}

TEST(while_one_row_is_refused_the_copy_is_not_complete)
{
	struct datapath_conntrack ct;
	uint64_t errors;

	fill(false, SMALL, 0);
	always = 7;
	carry_begin(&dp, CARRY_DOWN);
	assert_int_equal(copy(&errors), -ENOMEM);
	assert_int_equal(errors, 5); /* then this test lost its patience */
	datapath_conntrack(&dp, &ct);
	assert_true(ct.copying && ct.remaining > 0);
	assert_int_equal(ct.refused, 2 * 5);
	/* All others are there. */
	assert_int_equal(tables[THEIRS].n, SMALL - 1);
	assert_int_equal(tables[THEIRS_NEW].n, SMALL - 1);
	always = 0;
	assert_int_equal(copy(&errors), 0);
	datapath_conntrack(&dp, &ct);
	assert_false(ct.copying);
	expect_copied(false, SMALL);
}

/* Up, the programs find them in the older map; an older program has nothing but its own. */
TEST(what_both_sides_have_closed_is_copied_down_only)
{
	const uint16_t closed = CONNTRACK_OPENER_CLOSED | CONNTRACK_REPLIER_CLOSED;
	uint64_t errors;

	fill(true, SMALL, closed);
	carry_begin(&dp, CARRY_UP);
	assert_int_equal(copy(&errors), 0);
	expect_copied(true, 0);
	fill(true, SMALL, CONNTRACK_OPENER_CLOSED); /* half open: the other may talk for hours */
	carry_begin(&dp, CARRY_UP);
	assert_int_equal(copy(&errors), 0);
	expect_copied(true, SMALL);
	fill(false, SMALL, closed);
	carry_begin(&dp, CARRY_DOWN);
	assert_int_equal(copy(&errors), 0);
	expect_copied(false, SMALL);
}

/* A row of theirs that programs have forgotten since it was read would hide the next connection. */
TEST(what_is_forgotten_while_it_is_copied_up_does_not_stay)
{
	uint64_t errors;

	/* One batch each: rows move in this map when one goes. */
	for (int what = FORGET; what <= RENEW; what++) {
		fill(true, SMALL, CONNTRACK_OPENER_CLOSED);
		meanwhile = what;
		carry_begin(&dp, CARRY_UP);
		assert_int_equal(copy(&errors), 0);
		assert_int_equal(tables[OURS].n, what == RENEW ? SMALL : 0);
		assert_int_equal(tables[OURS_NEW].n, what == RENEW ? SMALL : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_batch_that_cannot_be_read_is_read_again),
		cmocka_unit_test(rows_that_are_refused_make_another_round),
		cmocka_unit_test(while_one_row_is_refused_the_copy_is_not_complete),
		cmocka_unit_test(what_both_sides_have_closed_is_copied_down_only),
		cmocka_unit_test(what_is_forgotten_while_it_is_copied_up_does_not_stay),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	carry_release(&dp);
	return failed;
}
