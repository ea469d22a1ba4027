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

enum { ROWS = 1500, SMALL = 40, ROOM = 8192, MAPS = 4 }; /* rows: three batches */
/* Jiffies at 100 a second: what is so long renewed, what lives, and how long it would. */
#define HZ     100
#define LIFE   (1000ULL * HZ)
#define LATER  (1ULL << 33)
#define BEFORE (LATER - LIFE - 1000ULL * HZ)

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
	uint32_t n, room; /* what comes when it is full pushes out the oldest; 0: enough of it */
} tables[MAPS];

static struct datapath dp;
static uint64_t refused_in_all;
static unsigned reads, read_fails, writes, write_fails; /* the so many-th; 0: none */
static uint32_t always;                                 /* this source address is refused */
/* What programs do to the row that is being written, in the map it comes from. */
static enum { NOTHING, FORGET, REPLACE, RENEW } meanwhile;
static uint32_t opened, opens; /* connections that programs have made while rows are read, and will
				* for each batch, in both layouts */

static size_t value_size(int fd)
{
	return fd < THEIRS ? sizeof(struct conntrack_entry) : sizeof(struct conntrack_entry_v1);
}

static int fails(int code)
{
	errno = code;
	return -code;
}

/* Rows of the source do not move while it is read. */
static struct row *add(int fd, const struct conntrack_key *key)
{
	struct table *t = &tables[fd];

	if (t->room && t->n == t->room)
		memmove(&t->row[0], &t->row[1], --t->n * sizeof(t->row[0]));
	assert_true(t->n < ROOM);
	memset(&t->row[t->n], 0, sizeof(t->row[0]));
	t->row[t->n].key = *key;
	return &t->row[t->n++];
}

static void set_row(int fd, struct row *r, uint64_t expires, uint16_t flags)
{
	if (fd < THEIRS)
		r->new = (struct conntrack_entry){.version = 2,
						  .verdict = 1,
						  .flags = flags,
						  .expires = expires,
						  .refresh = (uint32_t)(expires - LIFE)};
	else
		r->old = (struct conntrack_entry_v1){.version = 1,
						     .action = 1,
						     .flags = flags,
						     .expires = expires,
						     .refresh = (uint32_t)(expires - LIFE)};
}

static void programs_open(void)
{
	for (uint32_t i = 0; i < opens; i++) {
		struct conntrack_key key = {.saddr = 1000000 + ++opened};

		for (int fd = OURS; fd < MAPS; fd += THEIRS - OURS)
			set_row(fd, add(fd, &key), LATER, 0);
	}
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
	n = next == t->n;
	programs_open();
	return n ? fails(ENOENT) : 0;
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
		r->old.created = 1000;
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
	r = add(fd, key);
	memcpy(&r->new, value, value_size(fd));
	if (fd < THEIRS)
		programs_meanwhile(fd, key);
	return 0;
}

/* n rows in both maps of one layout, nothing in those of the other. */
static void fill(bool theirs, uint32_t n, uint16_t flags)
{
	memset(tables, 0, sizeof(tables));
	reads = read_fails = writes = write_fails = always = opened = opens = 0;
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
	for (int map = theirs ? THEIRS : OURS; map <= (theirs ? THEIRS_NEW : OURS_NEW); map++)
		for (uint32_t i = 0; i < n; i++)
			set_row(map, add(map, &(struct conntrack_key){.saddr = i + 1}), LATER,
				flags);
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
		assert_true(errors || nth > 18); /* two maps, read three times, in three batches */
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
		uint32_t left = what == FORGET ? 0 : SMALL;

		fill(true, SMALL, CONNTRACK_OPENER_CLOSED);
		meanwhile = what;
		carry_begin(&dp, CARRY_UP);
		assert_int_equal(copy(&errors), 0);
		assert_int_equal(tables[OURS].n, left);
		assert_int_equal(tables[OURS_NEW].n, left);
		/* The later one comes when it is looked whether all are there. */
		for (uint32_t i = 0; what == REPLACE && i < left; i++)
			assert_int_equal(tables[OURS].row[i].new.created, 1000);
	}
}

/* Every nth of the source lives, the oldest first; the others have expired. */
static uint32_t fill_busy(bool up, uint32_t n, uint32_t nth, uint32_t room)
{
	uint32_t live = 0;

	fill(up, n, 0);
	dp.hz = HZ;
	for (int map = 0; map < OLDER_COUNT; map++) {
		int from = (up ? THEIRS : OURS) + map, to = (up ? OURS : THEIRS) + map;

		live = 0;
		tables[to].room = room;
		for (uint32_t i = 0; i < n; i++, live += (i - 1) % nth == 0)
			set_row(from, &tables[from].row[i], i % nth ? BEFORE : LATER, 0);
	}
	carry_begin(&dp, up ? CARRY_UP : CARRY_DOWN);
	return live;
}

/* Live ones of the source that the other layout has not. */
static uint32_t missing(bool up, int map)
{
	int from = (up ? THEIRS : OURS) + map, to = (up ? OURS : THEIRS) + map;
	uint32_t n = 0;

	for (uint32_t i = 0; i < tables[from].n; i++) {
		const struct row *r = &tables[from].row[i];

		n += (up ? r->old.expires : r->new.expires) == LATER && !find(to, &r->key);
	}
	return n;
}

/* On a busy node most rows have expired, and as many as there is room for. */
TEST(what_has_expired_takes_nobodys_place)
{
	for (int up = 0; up < 2; up++) {
		struct datapath_conntrack ct;
		uint64_t errors;
		uint32_t live = fill_busy(up, ROWS, 5, ROWS / 4);

		assert_int_equal(live, ROWS / 5);
		assert_int_equal(copy(&errors), 0);
		datapath_conntrack(&dp, &ct);
		assert_false(ct.copying);
		assert_int_equal(ct.evicted, 0);
		assert_int_equal(missing(up, 0) + missing(up, 1), 0);
		assert_int_equal(tables[up ? OURS : THEIRS].n, live);
	}
}

/* A row's own time is all there is; one that does not tell is copied. */
TEST(without_a_time_nothing_has_expired)
{
	uint64_t errors;

	fill_busy(false, SMALL, 5, 0);
	dp.hz = 0;
	assert_int_equal(copy(&errors), 0);
	expect_copied(false, SMALL);
	fill_busy(false, SMALL, 5, 0);
	for (int map = OURS; map <= OURS_NEW; map++) /* renewed after its end: a turn ago */
		for (uint32_t i = 0; i < SMALL; i++)
			tables[map].row[i].new.refresh =
				(uint32_t)tables[map].row[i].new.expires + 1;
	assert_int_equal(copy(&errors), 0);
	expect_copied(false, SMALL);
}

/* Programs add to both maps while the copy goes on, and the target was full of what had expired. */
TEST(what_is_pushed_out_while_it_is_copied_is_written_again)
{
	for (int up = 0; up < 2; up++) {
		struct datapath_conntrack ct;
		uint64_t errors;
		int to = up ? OURS : THEIRS;

		fill_busy(up, ROWS, 3, ROWS);
		for (uint32_t i = 0; i < ROWS; i++)
			set_row(to, add(to, &(struct conntrack_key){.saddr = 5000 + i}), BEFORE, 0);
		opens = 8;
		assert_true(copy(&errors) == 0 || errors < 5);
		datapath_conntrack(&dp, &ct);
		assert_false(ct.copying);
		assert_true(opened > 8);
		assert_int_equal(missing(up, 0) + missing(up, 1), 0);
	}
}

TEST(more_live_ones_than_there_is_room_for_are_told)
{
	for (int up = 0; up < 2; up++) {
		struct datapath_conntrack ct;
		uint64_t errors;

		fill_busy(up, ROWS, 1, ROWS - 10);
		assert_int_equal(copy(&errors), -ENOSPC);
		assert_int_equal(errors, 5);
		datapath_conntrack(&dp, &ct);
		assert_true(ct.copying && ct.remaining >= 10 && ct.evicted >= 10);
		assert_int_equal(ct.refused, 0);
		/* Some end: then there is room. */
		for (int map = 0; map < OLDER_COUNT; map++)
			for (int i = 0; i < 20; i++)
				remove_row((up ? THEIRS : OURS) + map,
					   &tables[(up ? THEIRS : OURS) + map].row[i]);
		copy(&errors);
		datapath_conntrack(&dp, &ct);
		assert_false(ct.copying);
		assert_int_equal(ct.remaining + ct.evicted, 0);
		assert_int_equal(missing(up, 0), 0);
	}
}

/* A scan leaves more refusals than there is room for: they keep nobody from going back. */
TEST(a_flood_does_not_hold_up_the_copy)
{
	for (int up = 0; up < 2; up++) {
		struct datapath_conntrack ct;
		uint64_t errors;

		fill_busy(up, ROWS, 1, 0);
		tables[up ? OURS_NEW : THEIRS_NEW].room = ROWS / 2;
		assert_int_equal(copy(&errors), 0);
		datapath_conntrack(&dp, &ct);
		assert_false(ct.copying);
		assert_int_equal(missing(up, 0), 0);
		assert_int_equal(missing(up, 1), ROWS - ROWS / 2);
	}
}

/* Most of a busy map is what ended a moment ago. */
TEST(what_both_sides_have_closed_does_not_hold_up_the_copy)
{
	const uint16_t closed = CONNTRACK_OPENER_CLOSED | CONNTRACK_REPLIER_CLOSED;
	struct datapath_conntrack ct;
	uint64_t errors;

	fill_busy(false, ROWS, 1, ROWS / 2);
	for (uint32_t i = ROWS / 4; i < ROWS; i++)
		set_row(OURS, &tables[OURS].row[i], LATER, closed);
	assert_true(copy(&errors) == 0 || errors < 5);
	datapath_conntrack(&dp, &ct);
	assert_false(ct.copying);
	for (uint32_t i = 0; i < ROWS / 4; i++)
		assert_non_null(find(THEIRS, &tables[OURS].row[i].key));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_batch_that_cannot_be_read_is_read_again),
		cmocka_unit_test(rows_that_are_refused_make_another_round),
		cmocka_unit_test(while_one_row_is_refused_the_copy_is_not_complete),
		cmocka_unit_test(what_both_sides_have_closed_is_copied_down_only),
		cmocka_unit_test(what_is_forgotten_while_it_is_copied_up_does_not_stay),
		cmocka_unit_test(what_has_expired_takes_nobodys_place),
		cmocka_unit_test(without_a_time_nothing_has_expired),
		cmocka_unit_test(what_is_pushed_out_while_it_is_copied_is_written_again),
		cmocka_unit_test(more_live_ones_than_there_is_room_for_are_told),
		cmocka_unit_test(a_flood_does_not_hold_up_the_copy),
		cmocka_unit_test(what_both_sides_have_closed_does_not_hold_up_the_copy),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	carry_release(&dp);
	return failed;
}
