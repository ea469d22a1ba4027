/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a thousand live TCP connections, a hundred of datagrams and those that are opened meanwhile
 * notice while the programs of the release before and ours take each other's place: JSON on
 * standard output. "seconds" is what a start takes until every hook has the other program,
 * "packets" and "opened" went through meanwhile; lost, refused and sent again must be none. Whole
 * rounds of every connection lie between two swaps.
 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "agent/datapath/maps.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/base/strbuf.h"
#include "lib/doc/doc.h"
#include "tests/datapath/attach/before.h"
#include "tests/datapath/attach/chatter.h"
#include "tests/support/test.h"

enum { TCP = 1000, UDP = 100 };

static struct wires wires;
static struct chatter chatter;
static enum datapath_attach mode;

static uint64_t now(void)
{
	return clock_now_ns(clock_system());
}

/* Packets of both directions: forwarded, or refused for whatever reason that is one here. */
static uint64_t packets(bool refused)
{
	struct error err = ERROR_INIT;
	struct maps maps;
	uint64_t n = 0;

	if (maps_open_existing(&maps, wires.root, &err))
		fail_msg("%s", err.msg);
	for (uint32_t reason = 0; reason < REASON_COUNT; reason++) {
		/* IPv6 devices that look for neighbours are nobody's packets. */
		if (reason == REASON_UNKNOWN_L3 ||
		    (refused ? reason < REASON_FIRST_DROP : reason != REASON_FORWARDED))
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

struct mark {
	uint64_t at, packets, opened;
};

static struct mark mark(void)
{
	const uint64_t forwarded = packets(false);

	return (struct mark){now(), forwarded, chatter.count->opened};
}

static void tell(struct arena *a, struct doc *out, const char *what, const struct mark *from)
{
	struct doc *d = doc_set_map(a, out, what);
	const uint64_t ns = now() - from->at;

	doc_set(a, d, "seconds", doc_real(a, (double)ns / NS_PER_S));
	doc_set_int(a, d, "packets", (int64_t)(packets(false) - from->packets));
	doc_set_int(a, d, "opened", (int64_t)(chatter.count->opened - from->opened));
}

static void finish_copy(struct datapath *dp)
{
	struct error err = ERROR_INIT;
	bool more = true;

	while (more)
		if (datapath_conntrack_step(dp, &more, &err))
			fail_msg("%s", err.msg);
}

/* Ours start, and copy what there is. */
static struct datapath *up(struct arena *a, struct doc *out, const char *what)
{
	struct datapath *dp;
	struct mark from = mark();

	wires_open(&wires, mode, &dp);
	tell(a, out, what, &from);
	from = mark();
	finish_copy(dp);
	tell(a, doc_get(out, what), "copy", &from);
	chatter_rounds(&chatter, 2);
	return dp;
}

static void down(struct arena *a, struct doc *out, const char *what, struct datapath *dp)
{
	struct mark from = mark();

	datapath_close(dp);
	before_start(&wires, mode);
	tell(a, out, what, &from);
	chatter_rounds(&chatter, 2);
}

static void swaps(struct arena *a, struct doc *out)
{
	const uint64_t refused = packets(true), again = chatter_retransmitted(&chatter);
	struct datapath *dp;

	chatter_start(&chatter);
	chatter_rounds(&chatter, 2);
	down(a, out, "down", up(a, out, "up"));
	dp = up(a, out, "upAgain");
	chatter_stop(&chatter);
	doc_set_int(a, out, "lost", (int64_t)chatter.count->failed);
	doc_set_int(a, out, "refused", (int64_t)(packets(true) - refused));
	doc_set_int(a, out, "sentAgain", (int64_t)(chatter_retransmitted(&chatter) - again));
	if (chatter.count->failed)
		fail_msg("%s", chatter.count->first);
	assert_int_equal(packets(true), refused);
	assert_int_equal(chatter_retransmitted(&chatter), again);
	datapath_close(dp);
}

/* As an agent would choose. */
static enum datapath_attach best_mode(void)
{
	enum datapath_attach best;
	struct datapath *dp;

	wires_open(&wires, DATAPATH_ATTACH_AUTO, &dp);
	best = str_eq(datapath_attach_mode(dp), "clsact") ? DATAPATH_ATTACH_CLSACT
							  : DATAPATH_ATTACH_TCX;
	datapath_close(dp);
	return best;
}

int main(void)
{
	struct arena a = ARENA_INIT;
	struct doc *out = doc_map(&a), *live;
	struct strbuf text = STRBUF_INIT;
	struct rusage used;

	wires_setup(&wires, "swapbench", 0);
	mode = best_mode();
	before_begin(&wires, mode);
	chatter_open(&chatter, &wires, &wires, TCP, UDP);
	live = doc_set_map(&a, out, "connections");
	doc_set_int(&a, live, "tcp", TCP);
	doc_set_int(&a, live, "udp", UDP);
	swaps(&a, out);
	chatter_close(&chatter);
	getrusage(RUSAGE_SELF, &used);
	doc_set_int(&a, out, "mostResidentBytes", used.ru_maxrss * 1024);
	doc_write_json(out, DOC_PRETTY, &text);
	puts(strbuf_cstr(&text));
	strbuf_release(&text);
	arena_release(&a);
	wires_teardown(&wires);
	return 0;
}
