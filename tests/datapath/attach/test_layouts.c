/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections through a change of the conntrack layout: the programs of the release before (built
 * from history) and ours take turns on two pods that never stop talking. Nothing is lost, sent
 * again, refused or decided twice; without the converter it is.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/datapath/maps.h"
#include "datapath/abi/conntrack_convert.h"
#include "lib/net/netns.h"
#include "tests/datapath/attach/before.h"
#include "tests/datapath/attach/chatter.h"
#include "tests/support/test.h"

#define TCP_CONNECTIONS 1000
#define UDP_CONNECTIONS 100
#define CLOSED          (CONNTRACK_OPENER_CLOSED | CONNTRACK_REPLIER_CLOSED)

static struct wires wires, nodes[2];
static struct chatter chatter;
static const enum datapath_attach modes[] = {DATAPATH_ATTACH_TCX, DATAPATH_ATTACH_CLSACT};

static int pin(const struct wires *w, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", w->root, name);
	return bpf_obj_get(path);
}

static void unpin(const struct wires *w, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", w->root, name);
	unlink(path);
}

static bool is_pinned(const struct wires *w, const char *name)
{
	int fd = pin(w, name);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void end_all(struct wires *w)
{
	struct error err = ERROR_INIT;
	int back;

	assert_int_equal(netns_enter(w->netns, &back, &err), 0);
	if (datapath_unload(w->root, &err))
		fail_msg("%s", err.msg);
	netns_leave(back);
}

static void finish_copy(struct datapath *dp)
{
	struct error err = ERROR_INIT;
	bool more = true;

	while (more)
		if (datapath_conntrack_step(dp, &more, &err))
			fail_msg("%s", err.msg);
}

static struct datapath *start_ours(struct wires *w, enum datapath_attach mode)
{
	struct datapath *dp;

	wires_open(w, mode, &dp);
	return dp;
}

static uint64_t counted_drops(const struct wires *w)
{
	struct maps maps;
	struct error err = ERROR_INIT;
	uint64_t n = 0;

	assert_int_equal(maps_open_existing(&maps, w->root, &err), 0);
	for (uint32_t reason = REASON_FIRST_DROP; reason < REASON_COUNT; reason++) {
		if (reason == REASON_UNKNOWN_L3) /* IPv6 devices that look for neighbours */
			continue;
		for (uint32_t d = 0; d < DIRECTION_COUNT; d++) {
			uint64_t counters[sizeof(struct metrics) / 8] = {0};

			maps_get_sum(&maps, MAP_metrics, metrics_slot(reason, d), counters,
				     ARRAY_SIZE(counters));
			n += counters[0];
		}
	}
	maps_close(&maps);
	return n;
}

static void add_decision(void *arg, UNUSED const void *key, const void *value)
{
	struct traffic row;

	memcpy(&row, value, sizeof(row));
	*(uint64_t *)arg += row.decisions;
}

static uint64_t decisions(const struct wires *w)
{
	struct maps maps;
	struct error err = ERROR_INIT;
	uint64_t n = 0;

	assert_int_equal(maps_open_existing(&maps, w->root, &err), 0);
	assert_true(maps_each(&maps, MAP_traffic, add_decision, &n, &err) >= 0);
	maps_close(&maps);
	return n;
}

/* What a decision is: refresh, flags and the like may move on while nobody looks. */
static bool same_decision(const struct conntrack_entry *a, const struct conntrack_entry *b)
{
	return a->version == b->version && a->verdict == b->verdict && a->audited == b->audited &&
	       a->global == b->global && !memcmp(a->ref, b->ref, sizeof(a->ref)) &&
	       a->ifindex == b->ifindex && !memcmp(a->dmac, b->dmac, 12) &&
	       !memcmp(&a->nat_saddr, &b->nat_saddr, 16) && a->src_identity == b->src_identity &&
	       a->dst_identity == b->dst_identity && a->src_endpoint == b->src_endpoint &&
	       a->dst_endpoint == b->dst_endpoint && a->svc_addr == b->svc_addr &&
	       a->svc_port == b->svc_port && a->rule_id[0] == b->rule_id[0] &&
	       a->rule_id[1] == b->rule_id[1] && a->twin_scope == b->twin_scope &&
	       a->created == b->created;
}

/* Every answered connection of one layout stands in the other with the same decision; what both
 * sides have closed is not copied up, so it need not be in ours. Returns how many are open in both:
 * of a connection whose last packet passed programs of one release only, the other has not seen
 * the end, and keeps it until its own time is over. */
static size_t expect_all(const char *from, const char *to)
{
	bool from_old = strcmp(from, "conntrack_v1") == 0;
	int source = pin(&wires, from), target = pin(&wires, to);
	struct conntrack_key key, *previous = NULL;
	size_t n = 0;

	assert_true(source >= 0 && target >= 0);
	for (; !bpf_map_get_next_key(source, previous, &key); previous = &key) {
		struct conntrack_entry_v1 old;
		struct conntrack_entry new, up;
		bool closed;

		assert_int_equal(
			bpf_map_lookup_elem(source, &key, from_old ? (void *)&old : (void *)&new),
			0);
		closed = ((from_old ? old.flags : new.flags) & CLOSED) == CLOSED;
		if (bpf_map_lookup_elem(target, &key, from_old ? (void *)&new : (void *)&old)) {
			if (!closed || !from_old)
				fail_msg("%s has an entry that %s has not", from, to);
			continue;
		}
		n += (old.flags & CLOSED) != CLOSED && (new.flags &CLOSED) != CLOSED;
		conntrack_up(&old, &up);
		if (!same_decision(&up, &new))
			fail_msg("an entry of %s is another decision in %s", from, to);
	}
	close(source);
	close(target);
	return n;
}

static uint32_t map_number(const struct wires *w, const char *name)
{
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);
	int fd = pin(w, name);

	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	close(fd);
	return info.id;
}

/* What there was before it began, to be compared at the end. */
static struct mark {
	uint64_t drops, decisions, opened, again;
} mark;

/* Over the nodes of both ends. */
static uint64_t everywhere(uint64_t (*count)(const struct wires *w))
{
	return count(chatter.from) + (chatter.to != chatter.from ? count(chatter.to) : 0);
}

static void begin_count(void)
{
	mark = (struct mark){everywhere(counted_drops), everywhere(decisions),
			     chatter.count->opened, chatter_retransmitted(&chatter)};
}

/* Nothing lost, refused or sent again, and two decisions (A's side, B's) for each new connection:
 * none for those that were there. */
static void expect_untouched(void)
{
	if (chatter.count->failed)
		fail_msg("%s", chatter.count->first);
	assert_int_equal(everywhere(counted_drops), mark.drops);
	assert_int_equal(chatter_retransmitted(&chatter), mark.again);
	assert_int_equal(everywhere(decisions) - mark.decisions,
			 2 * (chatter.count->opened - mark.opened));
}

static void expect_carried(struct datapath *dp)
{
	struct datapath_conntrack ct;

	finish_copy(dp);
	datapath_conntrack(dp, &ct);
	assert_int_equal(ct.layout, 2);
	assert_int_equal(ct.older, 1);
	assert_int_equal(ct.remaining, 0);
	assert_true(ct.converted >= 2 * (TCP_CONNECTIONS + UDP_CONNECTIONS));
}

static void up_down_and_up_again(enum datapath_attach mode)
{
	struct error err = ERROR_INIT;
	struct datapath *dp;
	uint32_t first;

	before_begin(&wires, mode);
	chatter_open(&chatter, &wires, &wires, TCP_CONNECTIONS, UDP_CONNECTIONS);
	begin_count();
	chatter_start(&chatter);
	chatter_rounds(&chatter, 1);

	dp = start_ours(&wires, mode); /* up */
	first = map_number(&wires, "conntrack_v2");
	expect_carried(dp);
	chatter_rounds(&chatter, 1);

	datapath_close(dp); /* a start without an upgrade */
	dp = start_ours(&wires, mode);
	assert_int_equal(map_number(&wires, "conntrack_v2"), first);
	chatter_rounds(&chatter, 1);

	datapath_close(dp); /* back at once: both were kept up */
	before_start(&wires, mode);
	chatter_rounds(&chatter, 1);

	dp = start_ours(&wires, mode); /* up again: what was left of ours is out of date */
	assert_true(map_number(&wires, "conntrack_v2") != first);
	chatter_rounds(&chatter, 1);
	finish_copy(dp);
	assert_int_equal(datapath_finalize(dp, &err), 0);
	assert_int_equal(datapath_finalize(dp, &err), 0);
	assert_false(is_pinned(&wires, "conntrack_v1") || is_pinned(&wires, "ct_new_v1"));
	chatter_rounds(&chatter, 1);

	assert_int_equal(datapath_prepare(dp, 1, &err), 0); /* down again, after all */
	finish_copy(dp);
	assert_int_equal(datapath_prepare(dp, 0, &err), 0);
	finish_copy(dp);
	chatter_rounds(&chatter, 1);
	datapath_close(dp);
	before_start(&wires, mode);
	chatter_rounds(&chatter, 1);
	dp = start_ours(&wires, mode);
	finish_copy(dp);
	chatter_stop(&chatter);
	expect_untouched();
	assert_true(expect_all("conntrack_v1", "conntrack_v2") >=
		    2 * (TCP_CONNECTIONS + UDP_CONNECTIONS));
	assert_int_equal(expect_all("conntrack_v2", "conntrack_v1"),
			 expect_all("conntrack_v1", "conntrack_v2"));
	printf("%llu connections opened meanwhile, %llu rounds of %d\n",
	       (unsigned long long)(chatter.count->opened - mark.opened),
	       (unsigned long long)chatter.count->rounds, TCP_CONNECTIONS + UDP_CONNECTIONS);
	chatter_close(&chatter);
	datapath_close(dp);
	end_all(&wires);
}

/* As in the middle of swapping links, but for long: one pod's hooks run the one release, the
 * other's the other. */
static void half_way(enum datapath_attach mode)
{
	before_begin(&wires, mode);
	chatter_open(&chatter, &wires, &wires, 100, 20);
	begin_count();
	chatter_start(&chatter);
	for (int pod = WIRE_A; pod <= WIRE_B; pod++) {
		datapath_close(start_ours(&wires, mode));
		before_start_at(&wires, mode, pod);
		chatter_rounds(&chatter, 5);
		datapath_close(start_ours(&wires, mode));
		chatter_rounds(&chatter, 2);
		before_start_at(&wires, mode, pod);
		chatter_rounds(&chatter, 5);
		before_start(&wires, mode);
		chatter_rounds(&chatter, 2);
	}
	chatter_stop(&chatter);
	expect_untouched();
	chatter_close(&chatter);
	end_all(&wires);
}

/* One node after the other, the caller's first, then the other's. */
static void to_another_node(enum datapath_attach mode)
{
	struct datapath *dp[2];

	nodes[0].backend.address.addr = inet_addr(nodes[1].wire[WIRE_B].addr);
	before_begin(&nodes[1], mode);
	before_begin(&nodes[0], mode);
	chatter_open(&chatter, &nodes[0], &nodes[1], 100, 20);
	begin_count();
	chatter_start(&chatter);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 2; i++) {
			dp[i ^ round] = start_ours(&nodes[i ^ round], mode);
			chatter_rounds(&chatter, 1);
			finish_copy(dp[i ^ round]);
		}
		for (int i = 0; i < 2; i++) {
			datapath_close(dp[i]);
			before_start(&nodes[i], mode);
			chatter_rounds(&chatter, 1);
		}
	}
	chatter_stop(&chatter);
	expect_untouched();
	chatter_close(&chatter);
	end_all(&nodes[0]);
	end_all(&nodes[1]);
}

/* The negative control: the same upgrade where nobody carries anything over. */
static void without_the_converter_it_shows(enum datapath_attach mode)
{
	struct datapath *dp;

	before_begin(&wires, mode);
	chatter_open(&chatter, &wires, &wires, 20, 4);
	begin_count();
	unpin(&wires, "conntrack_v1");
	unpin(&wires, "ct_new_v1");
	dp = start_ours(&wires, mode);
	finish_copy(dp);
	assert_int_equal(write(chatter.server[0], "x", 1), 1); /* an answer nobody asked for */
	wires_expect_drop(dp, REASON_POLICY);
	assert_true(counted_drops(&wires) > mark.drops);
	/* The others' next packets are decided anew, as if they were first ones. */
	for (size_t i = 1; i < chatter.n_tcp; i++)
		wires_talk(chatter.client[i], chatter.server[i]);
	assert_true(decisions(&wires) - mark.decisions >= 2 * (chatter.n_tcp - 1));
	chatter_close(&chatter);
	datapath_close(dp);
	end_all(&wires);
}

enum way { UP, PREPARE, FINALIZE };

struct attempt {
	enum way way;
	enum datapath_attach mode;
};

/* What an agent does before it would be killed. Its end is as sudden without a signal. */
static void attempt(const struct attempt *a)
{
	struct error err = ERROR_INIT;
	struct datapath *dp = start_ours(&wires, a->mode);

	finish_copy(dp);
	if (a->way == PREPARE)
		datapath_prepare(dp, 1, &err);
	if (a->way == FINALIZE)
		datapath_finalize(dp, &err);
	finish_copy(dp);
	_exit(0);
}

/* A system call that changes what is in the kernel or below the pins. */
enum moment {
	MOMENT_NONE,
	MOMENT_ROWS, /* or programs that nobody has yet: there are many, and one is like another */
	MOMENT_CREATE,
	MOMENT_PIN,
	MOMENT_UNPIN,
	MOMENT_SWAP, /* of a hook's program */
	MOMENT_COUNT
};

static enum moment bpf_moment(unsigned long long command)
{
	switch (command) {
	case BPF_MAP_CREATE:
		return MOMENT_CREATE;
	case BPF_OBJ_PIN:
		return MOMENT_PIN;
	case BPF_LINK_UPDATE:
	case BPF_LINK_CREATE:
		return MOMENT_SWAP;
	case BPF_PROG_LOAD:
	case BPF_MAP_LOOKUP_BATCH:
	case BPF_MAP_UPDATE_ELEM:
	case BPF_MAP_DELETE_ELEM:
		return MOMENT_ROWS;
	default:
		return MOMENT_NONE;
	}
}

/* Of a request to the kernel by netlink: whether it sets a filter. */
static bool sets_filter(pid_t pid, unsigned long long message)
{
	long head = ptrace(PTRACE_PEEKDATA, pid, (void *)(uintptr_t)message, NULL);
	struct nlmsghdr h;

	memcpy(&h, &head, sizeof(head)); /* its length and type */
	return h.nlmsg_type == RTM_NEWTFILTER;
}

static enum moment moment_of(pid_t pid)
{
	struct user_regs_struct regs;

	assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, &regs), 0);
	if (regs.orig_rax == __NR_unlink)
		return MOMENT_UNPIN;
	if (regs.orig_rax == __NR_sendto && sets_filter(pid, regs.rsi))
		return MOMENT_SWAP;
	return regs.orig_rax == __NR_bpf ? bpf_moment(regs.rdi) : MOMENT_NONE;
}

/* Kills the attempt before its nth such call (one of rows, or any other); MOMENT_NONE when it came
 * to its end before that, else what kind the call was of. */
static enum moment killed_before(const struct attempt *a, bool rows, unsigned nth)
{
	enum moment is = MOMENT_NONE;
	unsigned n = 0;
	bool entering = true;
	pid_t pid = fork();
	int status;

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		attempt(a);
	}
	for (;;) {
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status) || WIFSIGNALED(status))
			return MOMENT_NONE;
		if (WSTOPSIG(status) == SIGTRAP) {
			is = entering ? moment_of(pid) : MOMENT_NONE;
			if (is != MOMENT_NONE && (is == MOMENT_ROWS) == rows && ++n == nth)
				break;
			entering = !entering;
		}
		ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
	}
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return is;
}

/* One kill; then the one or the other release starts, and nobody noticed. */
static enum moment kill_and_start(const struct attempt *a, bool rows, unsigned nth)
{
	struct error err = ERROR_INIT;
	struct datapath *dp;
	enum moment at;

	if (a->way == PREPARE) { /* from a node that was finalised */
		dp = start_ours(&wires, a->mode);
		finish_copy(dp);
		assert_int_equal(datapath_finalize(dp, &err), 0);
		datapath_close(dp);
	}
	at = killed_before(a, rows, nth);
	chatter_round(&chatter);
	if (a->way != UP || nth % 2) {
		dp = start_ours(&wires, a->mode);
		chatter_round(&chatter);
		assert_int_equal(datapath_prepare(dp, 1, &err), 0);
		finish_copy(dp);
		datapath_close(dp);
	}
	before_start(&wires, a->mode);
	chatter_round(&chatter);
	return at;
}

/* With "thorough": at every moment at which something is half made, and at some of those between
 * rows. Else at every so many of them, beginning with another one for each way. */
static unsigned sparse = 11;

static void killed_anywhere(enum datapath_attach mode, enum way way, unsigned stride)
{
	const struct attempt a = {way, mode};
	unsigned kills[MOMENT_COUNT] = {0};

	before_begin(&wires, mode);
	chatter_open(&chatter, &wires, &wires, 20, 4);
	begin_count();
	for (int rows = 0; rows < 2; rows++) {
		enum moment at = MOMENT_ROWS;

		for (unsigned nth = 1 + way % sparse; at != MOMENT_NONE;
		     nth += (rows ? stride : 1) * sparse)
			kills[at = kill_and_start(&a, rows, nth)]++;
	}
	printf("killed at %u moments of rows, %u creations, %u pins, %u removals, %u swaps\n",
	       kills[MOMENT_ROWS], kills[MOMENT_CREATE], kills[MOMENT_PIN], kills[MOMENT_UNPIN],
	       kills[MOMENT_SWAP]);
	/* Some are at another place in each attempt: what is there depends on who ran last. */
	assert_true(kills[MOMENT_ROWS] > 0 && kills[MOMENT_SWAP] > 0);
	if (sparse == 1) {
		assert_true(kills[MOMENT_ROWS] > 1 && kills[MOMENT_SWAP] >= 4);
		assert_true(way == FINALIZE || (kills[MOMENT_CREATE] && kills[MOMENT_PIN]));
		assert_true(way == PREPARE || kills[MOMENT_UNPIN]);
	}
	expect_untouched();
	chatter_close(&chatter);
	end_all(&wires);
}

/* The strides are no multiples of anything. */
static void killed_on_the_way_up(enum datapath_attach mode)
{
	killed_anywhere(mode, UP, mode == DATAPATH_ATTACH_TCX ? 11 : 23);
}

static void killed_while_preparing(enum datapath_attach mode)
{
	killed_anywhere(mode, PREPARE, mode == DATAPATH_ATTACH_TCX ? 13 : 29);
}

static void killed_while_finalizing(enum datapath_attach mode)
{
	killed_anywhere(mode, FINALIZE, mode == DATAPATH_ATTACH_TCX ? 13 : 29);
}

/* Nobody asks again: what is idle all the time is there for the older release nevertheless. */
static void a_copy_that_was_cut_short_is_taken_up(enum datapath_attach mode)
{
	struct error err = ERROR_INIT;
	struct datapath *dp;

	before_begin(&wires, mode);
	chatter_open(&chatter, &wires, &wires, 20, 4);
	begin_count();
	dp = start_ours(&wires, mode);
	finish_copy(dp);
	assert_int_equal(datapath_finalize(dp, &err), 0);
	assert_int_equal(datapath_prepare(dp, 1, &err), 0);
	datapath_close(dp);
	dp = start_ours(&wires, mode);
	finish_copy(dp);
	assert_true(expect_all("conntrack_v2", "conntrack_v1") >= 2 * (20 + 4));
	datapath_close(dp);
	before_start(&wires, mode);
	chatter_round(&chatter);
	expect_untouched();
	chatter_close(&chatter);
	end_all(&wires);
}

/* Maps so small that the copy fills them. Jiffies: live ones end later than anything, the others
 * ended long before those were renewed. */
enum { OUR_ROOM = 8192, THEIR_ROOM = 5000, LIVE = 4000, OPENED = 300, TOO_MANY = 7000 };
#define LATER  (1ULL << 40)
#define LIFE   (1ULL << 20)
#define BEFORE (LATER - 2 * LIFE)

static void make_small(const struct map_spec *s, uint32_t entries)
{
	char path[256];
	int fd = bpf_map_create(s->type, s->pin, s->key_size, s->value_size, entries, NULL);

	unpin(&wires, s->pin);
	snprintf(path, sizeof(path), "%s/%s", wires.root, s->pin);
	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_pin(fd, path), 0);
	close(fd);
}

static struct conntrack_key numbered(uint32_t i)
{
	return (struct conntrack_key){.saddr = i + 1, .proto = IPPROTO_TCP};
}

static void add_row(int ours, int theirs, uint32_t i, uint64_t expires)
{
	struct conntrack_key key = numbered(i);
	struct conntrack_entry e = {.version = CONNTRACK_VERSION,
				    .verdict = CONNTRACK_PEER,
				    .created = 1,
				    .refresh = (uint32_t)(expires - LIFE),
				    .expires = expires};
	struct conntrack_entry_v1 old;

	conntrack_down(&e, &old);
	if (ours >= 0)
		assert_int_equal(bpf_map_update_elem(ours, &key, &e, BPF_ANY), 0);
	if (theirs >= 0)
		assert_int_equal(bpf_map_update_elem(theirs, &key, &old, BPF_ANY), 0);
}

/* Live ones of ours that the older map has not. */
static unsigned not_there(int ours, int theirs)
{
	struct conntrack_key key, *previous = NULL;
	unsigned n = 0;

	for (; !bpf_map_get_next_key(ours, previous, &key); previous = &key) {
		struct conntrack_entry_v1 old;
		struct conntrack_entry e;

		assert_int_equal(bpf_map_lookup_elem(ours, &key, &e), 0);
		n += e.expires == LATER && bpf_map_lookup_elem(theirs, &key, &old);
	}
	return n;
}

/* Prepares with so many live rows, the oldest and idle, and the rest of the map full of expired
 * ones, while others come. Returns how often it failed. */
static unsigned prepare_full(uint32_t live, struct datapath_conntrack *ret, unsigned *ret_missing)
{
	struct datapath *dp = start_ours(&wires, DATAPATH_ATTACH_AUTO);
	struct error err = ERROR_INIT;
	uint32_t next = OUR_ROOM - 2 * OPENED, end = next + OPENED, errors = 0;
	bool more = true;
	int ours, theirs;

	datapath_close(dp);
	make_small(&map_specs[MAP_conntrack], OUR_ROOM);
	dp = start_ours(&wires, DATAPATH_ATTACH_AUTO);
	ours = pin(&wires, "conntrack_v2");
	for (uint32_t i = 0; i < next; i++)
		add_row(ours, -1, i, i < live ? LATER : BEFORE);
	make_small(&older_specs[OLDER_conntrack], THEIR_ROOM);
	assert_int_equal(datapath_prepare(dp, 1, &err), 0);
	theirs = pin(&wires, "conntrack_v1");
	for (unsigned steps = 0; more; steps++) {
		int code = datapath_conntrack_step(dp, &more, &err);

		assert_true(steps < 5000);
		if (code && code != -ENOSPC)
			fail_msg("%s", err.msg);
		errors += code != 0;
		more = code ? errors < 20 : more;
		for (int i = 0; i < 10 && next < end; i++)
			add_row(ours, theirs, next++, LATER);
		/* Such as end at once, and push others out of the older map alone. */
		for (uint32_t i = 0; i < 60 && steps < 40; i++)
			add_row(-1, theirs, (1U << 20) + 60 * steps + i, BEFORE);
	}
	datapath_conntrack(dp, ret);
	*ret_missing = not_there(ours, theirs);
	close(ours);
	close(theirs);
	datapath_close(dp);
	end_all(&wires);
	return errors;
}

TEST(a_full_map_makes_no_connection_disappear_unsaid)
{
	struct datapath_conntrack ct;
	unsigned missing;

	prepare_full(LIVE, &ct, &missing);
	assert_false(ct.copying);
	assert_int_equal(missing, 0);
	assert_int_equal(ct.remaining + ct.refused + ct.evicted, 0);
	assert_true(prepare_full(TOO_MANY, &ct, &missing) >= 20);
	assert_true(ct.copying && ct.remaining > 0 && ct.evicted > 0);
	assert_true(missing > 0);
}

static void say_that_ours_ran(const struct wires *w)
{
	struct meta meta;
	uint32_t zero = 0;
	int fd = pin(w, "meta_v1");

	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &meta), 0);
	meta.conntrack = CONNTRACK_VERSION;
	assert_int_equal(bpf_map_update_elem(fd, &zero, &meta, BPF_ANY), 0);
	close(fd);
}

/* The older release came as far as one device and was killed before it could say that it ran: what
 * its one program has decided since is in its own maps alone. */
static void one_older_program_anywhere_is_found(enum datapath_attach mode)
{
	static const int places[] = {WIRE_A, WIRE_B, BEFORE_OVERLAY};
	struct wires *w = &nodes[0];

	before_begin(w, mode);
	datapath_close(start_ours(w, mode));
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		uint32_t number = map_number(w, "conntrack_v2");

		before_start_at(w, mode, places[i]);
		say_that_ours_ran(w);
		datapath_close(start_ours(w, mode));
		if (map_number(w, "conntrack_v2") == number)
			fail_msg("a program of the older release at %d was overlooked", places[i]);
		number = map_number(w, "conntrack_v2");
		datapath_close(start_ours(w, mode));
		assert_int_equal(map_number(w, "conntrack_v2"), number);
	}
	end_all(w);
}

static void in_both_modes(void (*fn)(enum datapath_attach mode))
{
	struct datapath *dp;
	struct error err = ERROR_INIT;
	struct datapath_options o = {.pin_root = wires.root, .attach = DATAPATH_ATTACH_TCX};
	bool tcx = datapath_open(&o, &dp, &err) == 0;

	if (tcx)
		datapath_close(dp);
	end_all(&wires);
	for (size_t i = tcx ? 0 : 1; i < ARRAY_SIZE(modes); i++)
		fn(modes[i]);
}

#define BOTH(name)                                                                                 \
	static void name##_row(UNUSED void **state)                                                \
	{                                                                                          \
		in_both_modes(name);                                                               \
	}
BOTH(up_down_and_up_again)
BOTH(to_another_node)
BOTH(half_way)
BOTH(without_the_converter_it_shows)
BOTH(killed_on_the_way_up)
BOTH(killed_while_preparing)
BOTH(killed_while_finalizing)
BOTH(a_copy_that_was_cut_short_is_taken_up)
BOTH(one_older_program_anywhere_is_found)

TEST(a_layout_nobody_knows_is_refused)
{
	struct error err = ERROR_INIT;
	struct datapath *dp = start_ours(&wires, DATAPATH_ATTACH_AUTO);

	assert_int_equal(datapath_prepare(dp, 3, &err), -EOPNOTSUPP);
	assert_int_equal(datapath_prepare(dp, 2, &err), 0); /* nothing to do */
	assert_false(is_pinned(&wires, "conntrack_v1"));
	datapath_close(dp);
	end_all(&wires);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest one[] = {
		cmocka_unit_test(up_down_and_up_again_row),
		cmocka_unit_test(half_way_row),
		cmocka_unit_test(without_the_converter_it_shows_row),
		cmocka_unit_test(killed_on_the_way_up_row),
		cmocka_unit_test(killed_while_preparing_row),
		cmocka_unit_test(killed_while_finalizing_row),
		cmocka_unit_test(a_copy_that_was_cut_short_is_taken_up_row),
		cmocka_unit_test(a_layout_nobody_knows_is_refused),
		cmocka_unit_test(a_full_map_makes_no_connection_disappear_unsaid),
	};
	const struct CMUnitTest two[] = {
		cmocka_unit_test(to_another_node_row),
		cmocka_unit_test(one_older_program_anywhere_is_found_row),
	};
	int failed;

	if (argc > 1 && !strcmp(argv[1], "thorough"))
		sparse = 1;
	else if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	wires_setup(&wires, "layouts", 0);
	failed = cmocka_run_group_tests(one, NULL, NULL);
	wires_teardown(&wires);
	wires_setup(&nodes[0], "layouts", 0);
	wires_setup(&nodes[1], "layouts", 1);
	wires_join(&nodes[0], &nodes[1]);
	failed |= cmocka_run_group_tests(two, NULL, NULL);
	wires_teardown(&nodes[0]);
	wires_teardown(&nodes[1]);
	return failed;
}
