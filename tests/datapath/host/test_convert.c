/* SPDX-License-Identifier: Apache-2.0 */
/* Conntrack layouts 1 and 2: what means something comes through both ways, and what the other has
 * no word for is decided again. */
#include <stdbool.h>
#include <string.h>

#include "datapath/abi/conntrack_convert.h"
#include "datapath/bpf/flow.h"
#include "tests/support/test.h"

#define ENTRIES 20000

static uint64_t seed = 88172645463325252ULL;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void fill(void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)p)[i] = (uint8_t)rnd();
}

static uint8_t any_reason(void)
{
	return (uint8_t)(REASON_FIRST_DROP + rnd() % (256 - REASON_FIRST_DROP));
}

/* As programs of the older release write them. */
static struct conntrack_entry_v1 make_old(void)
{
	struct conntrack_entry_v1 e;

	fill(&e, sizeof(e));
	e.version = CONNTRACK_V1_VERSION;
	e.action = (uint8_t)(1 + rnd() % 4);
	e.flags &= CONNTRACK_CONVERTED;
	e.reason = e.action == CONNTRACK_V1_DROP ? any_reason() : 0;
	if (e.action != CONNTRACK_V1_DROP && rnd() % 4 == 0) {
		e.flags |= CONNTRACK_V1_AUDITED;
		e.reason = any_reason();
	}
	e.created = rnd() >> 20;
	e.expires = e.created + rnd() % 0x7fffffff;
	e.reserved1 = 0;
	e.tcp_flags = 0;
	memset(e.reserved, 0, sizeof(e.reserved));
	return e;
}

static struct conntrack_entry make_new(void)
{
	struct conntrack_entry e;

	fill(&e, sizeof(e));
	e.version = CONNTRACK_VERSION;
	e.flags &= CONNTRACK_CONVERTED;
	e.verdict = rnd() % 2 ? any_reason() : (uint8_t)(1 + rnd() % 3);
	e.audited = !conntrack_refuses(&e) && rnd() % 4 == 0 ? any_reason() : 0;
	e.expires >>= 20;
	e.expires += 1ULL << 33;
	e.reserved = 0;
	return e;
}

TEST(old_entries_come_back_as_they_were)
{
	for (int i = 0; i < ENTRIES; i++) {
		struct conntrack_entry_v1 old = make_old(), back;
		struct conntrack_entry new;

		conntrack_up(&old, &new);
		assert_int_equal(new.version, CONNTRACK_VERSION);
		conntrack_down(&new, &back);
		assert_memory_equal(&old, &back, sizeof(old));
	}
}

TEST(new_entries_come_back_as_they_were)
{
	for (int i = 0; i < ENTRIES; i++) {
		struct conntrack_entry new = make_new(), back;
		struct conntrack_entry_v1 old;

		conntrack_down(&new, &old);
		assert_int_equal(old.version, CONNTRACK_V1_VERSION);
		conntrack_up(&old, &back);
		assert_memory_equal(&new, &back, sizeof(new));
	}
}

/* Field by field, with names: a converter that is wrong both ways would pass the round trips. */
TEST(each_field_means_the_same)
{
	for (int i = 0; i < ENTRIES; i++) {
		struct conntrack_entry_v1 o = make_old();
		struct conntrack_entry n;
		bool drop = o.action == 4, audited = o.flags & (1 << 3);

		conntrack_up(&o, &n);
		assert_int_equal(n.verdict, drop ? o.reason : o.action);
		assert_int_equal(n.audited, audited ? o.reason : 0);
		assert_int_equal(n.flags, o.flags & ~(1 << 3));
		assert_int_equal(n.global, o.global);
		for (int r = 0; r < CONNTRACK_REF_COUNT; r++) {
			assert_int_equal(n.ref[r].index, o.ref[r].index);
			assert_int_equal(n.ref[r].value, o.ref[r].value);
		}
		assert_int_equal(n.refresh, o.refresh);
		assert_int_equal(n.in_by, o.in_by);
		assert_int_equal(n.ifindex, o.ifindex);
		assert_memory_equal(n.dmac, o.hop, 6);
		assert_memory_equal(n.smac, o.hop + 6, 6);
		assert_int_equal(n.nat_saddr, o.nat_saddr);
		assert_int_equal(n.nat_daddr, o.nat_daddr);
		assert_int_equal(n.nat_sport, o.nat_sport);
		assert_int_equal(n.nat_dport, o.nat_dport);
		assert_int_equal(n.nat_csum_addr, o.nat_csum_addr);
		assert_int_equal(n.nat_csum_port, o.nat_csum_port);
		assert_int_equal(n.src_identity, o.src_identity);
		assert_int_equal(n.dst_identity, o.dst_identity);
		assert_int_equal(n.src_endpoint, o.src_endpoint);
		assert_int_equal(n.dst_endpoint, o.dst_endpoint);
		assert_int_equal(n.svc_addr, o.svc_addr);
		assert_int_equal(n.svc_port, o.svc_port);
		assert_int_equal(n.expires, o.expires);
		assert_int_equal(n.created, (__u32)o.created);
		assert_int_equal(n.rule_id[0], o.rule_id[0]);
		assert_int_equal(n.rule_id[1], o.rule_id[1]);
		assert_int_equal(n.twin_scope, o.twin_scope);
		assert_int_equal(n.direction, o.direction);
	}
}

static const struct {
	const char *what;
	uint8_t version, action, reason;
	uint16_t flags;
} odd[] = {
	{"a version nobody knows", 2, 1, 0, 0},
	{"no version", 0, 1, 0, 0},
	{"not decided", 1, 0, 0, 0},
	{"an action of another release", 1, 5, 0, 0},
	{"what would read as a refusal", 1, REASON_POLICY, 0, 0},
	{"refused for no reason", 1, 4, 0, 0},
	{"refused for what is no drop", 1, 4, REASON_MTU_ERROR_MSG, 0},
	{"audited for no reason", 1, 1, 0, CONNTRACK_V1_AUDITED},
	{"a flag of another release", 1, 1, 0, 1 << 10},
};

TEST(what_cannot_be_said_is_decided_again)
{
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		struct conntrack_entry_v1 old = make_old();
		struct conntrack_entry new;

		old.version = odd[i].version;
		old.action = odd[i].action;
		old.reason = odd[i].reason;
		old.flags = (old.flags & CONNTRACK_CONVERTED) | odd[i].flags;
		conntrack_up(&old, &new);
		if (new.version || new.verdict != CONNTRACK_NONE)
			fail_msg("%s: version %u, verdict %u", odd[i].what, new.version,
				 new.verdict);
		/* Who it is about stays known, so that the right side's policy is asked. */
		assert_int_equal(new.flags &CONNTRACK_REPLY, old.flags & CONNTRACK_REPLY);
		assert_int_equal(new.dst_endpoint, old.dst_endpoint);
		assert_int_equal(new.nat_daddr, old.nat_daddr);
		assert_int_equal(new.twin_scope, old.twin_scope);
	}
}

/* Every verdict there can be, down: forwarded alike, refused for the same reason, or again. */
TEST(no_verdict_is_let_through_differently)
{
	for (unsigned verdict = 0; verdict < 256; verdict++) {
		for (unsigned flag = 0; flag < 16; flag++) {
			struct conntrack_entry new = make_new();
			struct conntrack_entry_v1 old;

			new.verdict = (uint8_t)verdict;
			new.audited = 0;
			new.flags = (uint16_t)(1U << flag);
			conntrack_down(&new, &old);
			if (!(new.flags &CONNTRACK_CONVERTED) ||
			    (verdict < REASON_FIRST_DROP && (verdict < 1 || verdict > 3))) {
				assert_int_equal(old.version, 0);
				assert_int_equal(old.action, 0);
				continue;
			}
			assert_int_equal(old.version, 1);
			assert_int_equal(old.action, verdict <= 3 ? verdict : 4);
			assert_int_equal(old.reason, verdict <= 3 ? 0 : verdict);
		}
	}
}

TEST(a_connection_is_as_old_as_it_was)
{
	static const uint64_t times[] = {0xffff0000ULL, 0xffffffffULL, 0x100000000ULL,
					 0x1ffffffffULL, 0x7654321012345678ULL};

	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		struct conntrack_entry new = make_new();
		struct conntrack_entry_v1 old;

		new.created = (__u32)times[i];
		new.expires = times[i] + FLOW_TCP_SECONDS * 1000ULL;
		conntrack_down(&new, &old);
		assert_int_equal(old.created, times[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(old_entries_come_back_as_they_were),
		cmocka_unit_test(new_entries_come_back_as_they_were),
		cmocka_unit_test(each_field_means_the_same),
		cmocka_unit_test(what_cannot_be_said_is_decided_again),
		cmocka_unit_test(no_verdict_is_let_through_differently),
		cmocka_unit_test(a_connection_is_as_old_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
