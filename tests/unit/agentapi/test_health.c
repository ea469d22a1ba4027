/* SPDX-License-Identifier: Apache-2.0 */
/* Every question of a node's gate, answered pass, fail and unknown by a change of one status. */
#include "tests/support/test.h"

#include <string.h>

#include "lib/agentapi/health.h"
#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"

static struct arena arena;

/* A node before anything; the others differ from it by merge patches. */
static const char before_text[] =
	"metadata: {name: n1}\n"
	"status:\n"
	"  version: 0.2.0\n"
	"  ready: true\n"
	"  bootID: b\n"
	"  updated: '2026-11-23T12:00:00Z'\n"
	"  countersEpoch: e\n"
	"  endpoints:\n"
	"  - {id: 2, namespace: shop, pod: web, uid: u1, state: ready, generation: 4}\n"
	"  - {id: 3, namespace: shop, pod: cart, uid: u2, state: ready, generation: 7}\n"
	"  counters:\n"
	"  - {source: 300, destination: 301, port: 80, protocol: TCP, verdict: forwarded, count: "
	"9}\n"
	"  - {source: 302, destination: 301, port: 80, protocol: TCP, verdict: dropped, count: 2}\n"
	"  conntrack: {layout: 1, entries: 1000}\n"
	"  health:\n"
	"    started: '2026-11-23T11:00:00Z'\n"
	"    starts: 3\n"
	"    clockMs: 7200000\n"
	"    uptimeMs: 3600000\n"
	"    endpoints: {expected: 2, ready: 2, notReady: 0, missing: 0}\n"
	"    regenerations: {done: 5, failed: 1}\n"
	"    metricsEpoch: m\n"
	"    drops:\n"
	"    - {reason: 133, name: POLICY_DENIED, direction: ingress, packets: 1000, bytes: 1}\n"
	"    maps:\n"
	"    - {name: policy, layout: 1, entries: 100, max: 1000}\n"
	"    - {name: traffic, layout: 1, entries: 850, max: 1000, evicts: true}\n"
	"    mapErrors: 2\n"
	"    programs: {devices: 2, wrong: 0}\n"
	"    failingControllers: 0\n"
	"    process: {cpuMs: 360000, rssBytes: 40000000, limitBytes: 100000000}\n";

/* Ten minutes before that: the usual rate is 10 a minute. */
static const char baseline_patch[] =
	"status: {health: {clockMs: 6600000, process: {cpuMs: 240000}, drops: [{reason: 133, "
	"direction: ingress, packets: 900}]}}";
/* Afterwards: another agent, two minutes and one minute ago. */
static const char previous_patch[] =
	"status: {version: 0.3.0, endpoints: [{id: 2, uid: u1, state: ready, generation: 5}, {id: "
	"3, uid: u2, state: ready, generation: 8}], health: {started: '2026-11-23T12:01:00Z', "
	"starts: 4, clockMs: 7260000, uptimeMs: 30000, regenerations: {failed: 0}, mapErrors: 0, "
	"process: {cpuMs: 20000, rssBytes: 41000000}, drops: [{reason: 133, direction: ingress, "
	"packets: 1010}]}}";
static const char now_patch[] =
	"status: {updated: '2026-11-23T12:02:00Z', health: {clockMs: 7320000, uptimeMs: 90000, "
	"process: {cpuMs: 30000, rssBytes: 41500000}, drops: [{reason: 133, direction: ingress, "
	"packets: 1020}]}}";

static struct doc *patched(const struct doc *d, const char *text)
{
	struct doc_stream s;
	struct error err = ERROR_INIT;

	if (!text)
		return doc_clone(&arena, d);
	if (doc_read_yaml(&arena, text, strlen(text), "patch", &s, &err) < 0)
		fail_msg("%s", err.msg);
	return doc_merge_patch(&arena, d, s.docs[0]);
}

static struct sidestep_node *node(const struct doc *d)
{
	struct sidestep_node *n = arena_new(&arena, struct sidestep_node);
	struct error err = ERROR_INIT;

	if (sidestep_node_decode(&arena, d, n, &err) < 0)
		fail_msg("%s", err.msg);
	return n;
}

#define STATUS(text) "status: {" text "}"

struct moments {
	const char *before, *now; /* patches of what is asked about; NULL: as it is */
	const char *long_ago;     /* of what is now; NULL: there was nothing */
	bool no_before, no_previous, no_baseline, no_pods, quiet, unchanged, refusing;
	bool rebooted;   /* since the change; before is what was said first after that */
	bool later;      /* what was counted before is not known ... */
	int64_t refused; /* ... but for 302 to 301: refused so often; 0: not known either */
};

static void ask(const struct moments *m, struct health_item items[HEALTH_ITEM_COUNT])
{
	static const char *uids[] = {"u1", "u2"};
	static const struct sidestep_counter known[] = {
		{.source = 302, .destination = 301, .port = 80, .protocol = "TCP"}};
	const struct sidestep_counter then = {.source = 302,
					      .destination = 301,
					      .port = 80,
					      .protocol = "TCP",
					      .count = m->refused};
	struct strings pods = {uids, 2};
	struct doc *was = patched(doc_map(&arena), before_text), *baseline, *previous, *now;
	struct health_question q = {.version = "0.3.0",
				    .starts = 1,
				    .regenerated = !m->quiet,
				    .unchanged = m->unchanged,
				    .refusing = known,
				    .n_refusing = m->refusing,
				    .counted_later = m->later,
				    .refused = &then,
				    .n_refused = m->refused > 0,
				    .pods = m->no_pods ? NULL : &pods,
				    .max_age_ns = 30 * NS_PER_S};

	baseline = patched(was, baseline_patch);
	previous = patched(was, previous_patch);
	if (m->rebooted) {
		previous = patched(previous, STATUS("bootID: c, counters: []"));
		q.origin = node(was);
		q.starts = 0;
		q.counted_later = true;
	}
	now = patched(patched(previous, now_patch), m->now);
	q.long_ago = m->long_ago ? node(patched(now, m->long_ago)) : NULL;
	was = patched(m->rebooted ? previous : was, m->before);
	clock_parse_rfc3339("2026-11-23T12:02:05Z", &q.wall_ns);
	q.now = node(now);
	q.before = m->no_before ? NULL : node(was);
	q.baseline = m->no_baseline ? NULL : node(baseline);
	q.previous = m->no_previous ? NULL : node(previous);
	health_ask(&arena, &q, items);
}

#define HEALTH(text) "status: {health: {" text "}}"
#define BOTH(passed, refused)                                                                      \
	COUNTER(302, 301, 80, "forwarded", passed) ", " COUNTER(302, 301, 80, "dropped", refused)
#define BOTH_NOW(passed, refused) STATUS("counters: [" BOTH(passed, refused) "]")
#define COUNTER(from, to, at, how, n)                                                              \
	"{source: " #from ", destination: " #to ", port: " #at ", protocol: TCP, verdict: " how    \
	", count: " #n "}"
#define DROP(reason, direction, n)                                                                 \
	"{reason: " #reason ", name: X, direction: " direction ", packets: " #n "}"
#define USUAL DROP(133, "ingress", 1020)

static const struct {
	enum health_item_id item;
	enum finding_result want;
	struct moments moments;
	const char *words; /* in the answer; NULL: any */
} cases[] = {
	{HEALTH_READY, FINDING_PASS, {0}, NULL},
	{HEALTH_READY, FINDING_FAIL, {.now = STATUS("ready: false, message: no room")}, "no room"},
	{HEALTH_READY,
	 FINDING_UNKNOWN,
	 {.now = STATUS("updated: '2026-11-23T12:00:00Z'")},
	 "nothing for 125 s"},
	{HEALTH_READY, FINDING_UNKNOWN, {.now = STATUS("updated: null")}, NULL},
	{HEALTH_READY, FINDING_PASS, {.now = STATUS("updated: '2026-11-23T12:02:35Z'")}, NULL},
	{HEALTH_READY,
	 FINDING_UNKNOWN,
	 {.now = STATUS("updated: '2026-11-23T12:02:36Z'")},
	 "31 s ahead"},

	{HEALTH_VERSION, FINDING_PASS, {0}, NULL},
	{HEALTH_VERSION, FINDING_FAIL, {.now = STATUS("version: 0.2.0")}, "should be 0.3.0"},
	{HEALTH_VERSION, FINDING_UNKNOWN, {.now = STATUS("version: null")}, NULL},

	{HEALTH_RESTARTS, FINDING_PASS, {0}, NULL},
	{HEALTH_RESTARTS, FINDING_FAIL, {.now = HEALTH("starts: 6")}, "started 3 times"},
	{HEALTH_RESTARTS, FINDING_FAIL, {.now = HEALTH("starts: 3")}, "started 0 times"},
	{HEALTH_RESTARTS, FINDING_UNKNOWN, {.now = HEALTH("starts: 1")}, "state folder"},
	{HEALTH_RESTARTS, FINDING_UNKNOWN, {.before = HEALTH("starts: null")}, NULL},
	{HEALTH_RESTARTS, FINDING_UNKNOWN, {.now = STATUS("bootID: c")}, "machine"},

	{HEALTH_ENDPOINTS, FINDING_PASS, {0}, NULL},
	{HEALTH_ENDPOINTS,
	 FINDING_FAIL,
	 {.now = HEALTH("endpoints: {notReady: 1, items: [{id: 2, namespace: shop, pod: web, "
			"state: not-ready, error: refused}]}")},
	 "shop/web: not-ready: refused"},
	{HEALTH_ENDPOINTS,
	 FINDING_FAIL,
	 {.now = HEALTH("endpoints: {missing: 1, missingPods: [shop/x]}")},
	 "shop/x"},
	{HEALTH_ENDPOINTS,
	 FINDING_PASS,
	 {.before = HEALTH("endpoints: {missing: 1}"), .now = HEALTH("endpoints: {missing: 1}")},
	 NULL},
	{HEALTH_ENDPOINTS,
	 FINDING_UNKNOWN,
	 {.no_before = true, .now = HEALTH("endpoints: {missing: 1}")},
	 NULL},
	{HEALTH_ENDPOINTS, FINDING_UNKNOWN, {.now = HEALTH("endpoints: null")}, NULL},
	{HEALTH_ENDPOINTS, FINDING_UNKNOWN, {.now = STATUS("health: null")}, NULL},

	{HEALTH_CONTROLLERS, FINDING_PASS, {0}, NULL},
	{HEALTH_CONTROLLERS,
	 FINDING_FAIL,
	 {.now = HEALTH("failingControllers: 1, controllers: [{name: reconcile, failures: 3, "
			"error: no room}]")},
	 "reconcile: no room"},
	{HEALTH_CONTROLLERS, FINDING_UNKNOWN, {.now = HEALTH("failingControllers: null")}, NULL},

	{HEALTH_RESTORED, FINDING_PASS, {0}, NULL},
	{HEALTH_RESTORED,
	 FINDING_FAIL,
	 {.now = STATUS("endpoints: [{id: 2, uid: u1, generation: 5}]")},
	 "shop/cart"},
	{HEALTH_RESTORED,
	 FINDING_PASS,
	 {.before = STATUS("endpoints: [{id: 2, uid: u1, generation: 4}, {id: 9, uid: u9}]")},
	 "1 pods are no more"},
	{HEALTH_RESTORED,
	 FINDING_UNKNOWN,
	 {.no_pods = true, .now = STATUS("endpoints: [{id: 2, uid: u1, generation: 5}]")},
	 NULL},
	{HEALTH_RESTORED, FINDING_UNKNOWN, {.no_before = true}, NULL},

	{HEALTH_GENERATION, FINDING_PASS, {0}, NULL},
	{HEALTH_GENERATION,
	 FINDING_FAIL,
	 {.now = STATUS("endpoints: [{id: 2, uid: u1, generation: 5}, {id: 3, namespace: shop, "
			"pod: cart, uid: u2, generation: 7}]")},
	 "1 of 2 have not advanced: shop/cart"},
	{HEALTH_GENERATION,
	 FINDING_UNKNOWN,
	 {.before = STATUS("endpoints: [{id: 2, uid: u1, generation: 4}, {id: 3, uid: u2}]")},
	 "of 1 of 2 no generation is told"},
	{HEALTH_GENERATION,
	 FINDING_FAIL,
	 {.before = STATUS("endpoints: [{id: 2, uid: u1, generation: 5}, {id: 3, uid: u2}]")},
	 "1 of 2 have not advanced"},
	{HEALTH_GENERATION, FINDING_SKIP, {.quiet = true}, NULL},
	{HEALTH_GENERATION, FINDING_UNKNOWN, {.no_before = true}, NULL},
	{HEALTH_GENERATION, FINDING_UNKNOWN, {.now = STATUS("bootID: c")}, NULL},

	{HEALTH_REGENERATIONS, FINDING_PASS, {0}, NULL},
	{HEALTH_REGENERATIONS,
	 FINDING_FAIL,
	 {.now = HEALTH("regenerations: {failed: 1}")},
	 "1 failed regenerations since this agent started"},
	{HEALTH_REGENERATIONS,
	 FINDING_PASS,
	 {.now = HEALTH("started: '2026-11-23T11:00:00Z', regenerations: {failed: 1}")},
	 "since before"},
	{HEALTH_REGENERATIONS,
	 FINDING_UNKNOWN,
	 {.now = HEALTH("started: '2026-11-23T11:00:00Z', regenerations: {failed: 0}")},
	 "went back"},
	{HEALTH_REGENERATIONS, FINDING_UNKNOWN, {.now = HEALTH("regenerations: null")}, NULL},

	{HEALTH_DROPS, FINDING_PASS, {0}, NULL},
	{HEALTH_DROPS,
	 FINDING_PASS,
	 {.now = HEALTH("drops: [" DROP(133, "ingress", 1085) "]")},
	 NULL}, /* 75 in a minute: one and a half of ten, and 60 */
	{HEALTH_DROPS,
	 FINDING_FAIL,
	 {.now = HEALTH("drops: [" DROP(133, "ingress", 1086) "]")},
	 "76 a minute, 10 are usual and at most 75 allowed"},
	{HEALTH_DROPS,
	 FINDING_FAIL,
	 {.now = HEALTH("drops: [" USUAL ", " DROP(171, "egress", 1) "]")},
	 "new reason"},
	{HEALTH_DROPS,
	 FINDING_PASS,
	 {.now = HEALTH("drops: [" USUAL ", " DROP(158, "egress", 1) "]")},
	 NULL},
	{HEALTH_DROPS,
	 FINDING_UNKNOWN,
	 {.now = HEALTH("drops: [" USUAL ", " DROP(250, "egress", 1) "]")},
	 "the meaning of reason 250"},
	{HEALTH_DROPS,
	 FINDING_UNKNOWN,
	 {.no_baseline = true, .now = HEALTH("drops: [" DROP(133, "ingress", 1086) "]")},
	 "what is usual is not known"},
	{HEALTH_DROPS, FINDING_PASS, {.no_baseline = true}, NULL},
	{HEALTH_DROPS,
	 FINDING_UNKNOWN,
	 {.now = HEALTH("drops: [" DROP(133, "ingress", 10) "]")},
	 NULL},
	{HEALTH_DROPS, FINDING_UNKNOWN, {.now = HEALTH("metricsEpoch: other")}, "compared"},
	{HEALTH_DROPS, FINDING_UNKNOWN, {.now = HEALTH("metricsEpoch: null")}, NULL},
	{HEALTH_DROPS,
	 FINDING_UNKNOWN,
	 {.no_previous = true, .now = HEALTH("clockMs: 10")},
	 "how long ago"},
	{HEALTH_DROPS, FINDING_UNKNOWN, {.now = STATUS("bootID: c")}, NULL},

	{HEALTH_DENIED, FINDING_PASS, {0}, NULL},
	{HEALTH_DENIED,
	 FINDING_FAIL,
	 {.now = STATUS("counters: [{source: 300, destination: 301, port: 80, protocol: TCP, "
			"verdict: dropped, count: 4}]")},
	 "identity 300 to 301 port 80"},
	{HEALTH_DENIED,
	 FINDING_PASS,
	 {.now = STATUS("counters: [{source: 302, destination: 301, port: 80, protocol: TCP, "
			"verdict: dropped, count: 4}]")},
	 NULL},
	/* Its other end is on another node. */
	{HEALTH_DENIED,
	 FINDING_FAIL,
	 {.before = STATUS("sent: {rows: 1, items: [" COUNTER(300, 400, 80, "forwarded", 3) "]}"),
	  .now = STATUS("counters: [" COUNTER(300, 400, 80, "dropped", 4) "]")},
	 "300 to 400 port 80 was let through"},
	{HEALTH_DENIED,
	 FINDING_UNKNOWN,
	 {.before = STATUS("sent: {rows: 9, items: [" COUNTER(300, 400, 80, "forwarded", 3) "]}"),
	  .now = STATUS("counters: [" COUNTER(300, 400, 81, "dropped", 4) "]")},
	 "300 to 400 port 81"},
	{HEALTH_DENIED,
	 FINDING_UNKNOWN,
	 {.before = STATUS("endpoints: [{id: 2, uid: u1, identity: 500, generation: 4}]"),
	  .now = STATUS("counters: [" COUNTER(500, 301, 80, "dropped", 4) "]")},
	 "whether it was before is not known"},
	{HEALTH_DENIED,
	 FINDING_PASS,
	 {.before = STATUS("sent: {}, endpoints: [{id: 2, uid: u1, identity: 500, generation: 4}]"),
	  .now = STATUS("counters: [" COUNTER(500, 301, 80, "dropped", 4) "]")},
	 NULL},
	{HEALTH_DENIED, /* nobody of that identity was there */
	 FINDING_PASS,
	 {.now = STATUS("counters: [" COUNTER(500, 301, 80, "dropped", 4) "]")},
	 NULL},
	{HEALTH_DENIED, /* a map that forgets may have forgotten just that one */
	 FINDING_UNKNOWN,
	 {.before = HEALTH("maps: [{name: traffic, entries: 950, max: 1000, evicts: true}]"),
	  .now = STATUS("counters: [" COUNTER(500, 301, 80, "dropped", 4) "]")},
	 "500 to 301"},
	/* Both let through and refused before; at the baseline 9 and 0 packets were. */
	{HEALTH_DENIED,
	 FINDING_FAIL,
	 {.before = STATUS("counters: [" COUNTER(300, 301, 80, "forwarded", 20) ", " COUNTER(
		  302, 301, 80, "forwarded", 20) ", " COUNTER(302, 301, 80, "dropped", 2) "]"),
	  .now = STATUS("counters: [" COUNTER(302, 301, 80, "forwarded",
					      20) ", " COUNTER(302, 301, 80, "dropped", 9) "]")},
	 "302 to 301 port 80 was let through before"},
	{HEALTH_DENIED, /* it still is, too */
	 FINDING_UNKNOWN,
	 {.before = STATUS("counters: [" COUNTER(302, 301, 80, "forwarded",
						 20) ", " COUNTER(302, 301, 80, "dropped", 2) "]"),
	  .now = STATUS("counters: [" COUNTER(302, 301, 80, "forwarded",
					      21) ", " COUNTER(302, 301, 80, "dropped", 9) "]")},
	 "302 to 301 port 80"},
	{HEALTH_DENIED,
	 FINDING_UNKNOWN,
	 {.no_baseline = true,
	  .before = STATUS("counters: [" COUNTER(302, 301, 80, "forwarded",
						 20) ", " COUNTER(302, 301, 80, "dropped", 3) "]"),
	  .now = STATUS("counters: [" COUNTER(302, 301, 80, "dropped", 9) "]")},
	 "302 to 301 port 80"},
	{HEALTH_DENIED, /* it was refused between the baseline and before already */
	 FINDING_PASS,
	 {.before = STATUS("counters: [" COUNTER(302, 301, 80, "forwarded",
						 20) ", " COUNTER(302, 301, 80, "dropped", 3) "]"),
	  .now = STATUS("counters: [" COUNTER(302, 301, 80, "dropped", 9) "]")},
	 NULL},
	{HEALTH_DENIED, /* which somebody else has seen, and noted */
	 FINDING_PASS,
	 {.no_baseline = true,
	  .refusing = true,
	  .before = STATUS("counters: [" COUNTER(302, 301, 80, "forwarded",
						 20) ", " COUNTER(302, 301, 80, "dropped", 3) "]"),
	  .now = STATUS("counters: [" COUNTER(302, 301, 80, "dropped", 9) "]")},
	 NULL},
	{HEALTH_DENIED, /* of that port only */
	 FINDING_UNKNOWN,
	 {.no_baseline = true,
	  .refusing = true,
	  .before = STATUS("counters: [" COUNTER(302, 301, 81, "forwarded",
						 20) ", " COUNTER(302, 301, 81, "dropped", 3) "]"),
	  .now = STATUS("counters: [" COUNTER(302, 301, 81, "dropped", 9) "]")},
	 "302 to 301 port 81"},
	{HEALTH_DENIED, /* never let in here, and let out as before: to another node's pods */
	 FINDING_PASS,
	 {.no_baseline = true,
	  .before = STATUS("counters: [" COUNTER(
		  302, 301, 80, "dropped",
		  3) "], sent: {rows: 1, items: [" COUNTER(302, 301, 80, "forwarded", 5) "]}"),
	  .now = STATUS("counters: [" COUNTER(
		  302, 301, 80, "dropped",
		  9) "], sent: {rows: 1, items: [" COUNTER(302, 301, 80, "forwarded", 6) "]}")},
	 NULL},
	{HEALTH_DENIED, /* no longer let out: it may be refused where it leaves */
	 FINDING_UNKNOWN,
	 {.no_baseline = true,
	  .before = STATUS("counters: [" COUNTER(
		  302, 301, 80, "dropped",
		  3) "], sent: {rows: 1, items: [" COUNTER(302, 301, 80, "forwarded", 5) "]}"),
	  .now = STATUS("counters: [" COUNTER(
		  302, 301, 80, "dropped",
		  9) "], sent: {rows: 1, items: [" COUNTER(302, 301, 80, "forwarded", 5) "]}")},
	 "302 to 301 port 80"},
	{HEALTH_DENIED, /* nothing was changed: who was refused already is nobody's fault */
	 FINDING_PASS,
	 {.no_baseline = true,
	  .unchanged = true,
	  .before = STATUS("counters: [" COUNTER(302, 301, 80, "forwarded",
						 20) ", " COUNTER(302, 301, 80, "dropped", 3) "]"),
	  .now = STATUS("counters: [" COUNTER(302, 301, 80, "dropped", 9) "]")},
	 NULL},
	{HEALTH_DENIED, /* not since before */
	 FINDING_PASS,
	 {.no_baseline = true,
	  .before = STATUS("counters: [" COUNTER(302, 301, 80, "forwarded",
						 20) ", " COUNTER(302, 301, 80, "dropped", 9) "]"),
	  .now = STATUS("counters: [" COUNTER(302, 301, 80, "dropped", 9) "]")},
	 NULL},
	/* What stood there when an upgrade was gone on with says nothing of before the change. */
	{HEALTH_DENIED,
	 FINDING_UNKNOWN,
	 {.later = true, .before = STATUS("counters: [" BOTH(20, 3) "]"), .now = BOTH_NOW(20, 3)},
	 "nor whether it still is"},
	{HEALTH_DENIED,
	 FINDING_UNKNOWN,
	 {.later = true,
	  .refused = 2,
	  .before = STATUS("counters: [" BOTH(20, 3) "]"),
	  .now = BOTH_NOW(20, 3)},
	 "302 to 301 port 80"},
	{HEALTH_DENIED, /* all of it was before */
	 FINDING_PASS,
	 {.later = true,
	  .refused = 3,
	  .before = STATUS("counters: [" BOTH(20, 3) "]"),
	  .now = BOTH_NOW(20, 3)},
	 NULL},
	{HEALTH_DENIED, /* it went on all the time */
	 FINDING_PASS,
	 {.later = true,
	  .refused = 1,
	  .refusing = true,
	  .before = STATUS("counters: [" BOTH(20, 3) "]"),
	  .now = BOTH_NOW(20, 9)},
	 NULL},
	{HEALTH_DENIED, /* it is over, as can be seen */
	 FINDING_PASS,
	 {.later = true,
	  .refused = 1,
	  .before = STATUS("counters: [" BOTH(20, 3) "]"),
	  .now = BOTH_NOW(21, 3)},
	 NULL},
	{HEALTH_DENIED, /* one of two ends lets it through */
	 FINDING_UNKNOWN,
	 {.later = true,
	  .refused = 1,
	  .before = STATUS("counters: [" BOTH(20, 3) "]"),
	  .now = BOTH_NOW(21, 4)},
	 "302 to 301 port 80"},
	{HEALTH_DENIED, /* nobody was ever let through */
	 FINDING_PASS,
	 {.later = true,
	  .before = STATUS("counters: [" COUNTER(302, 301, 80, "dropped", 3) "]"),
	  .now = STATUS("counters: [" COUNTER(302, 301, 80, "dropped", 9) "]")},
	 NULL},
	/* A machine that was started anew since the change. */
	{HEALTH_RESTARTS, FINDING_PASS, {.rebooted = true}, NULL},
	{HEALTH_RESTARTS, FINDING_FAIL, {.rebooted = true, .now = HEALTH("starts: 5")}, NULL},
	{HEALTH_DROPS,
	 FINDING_PASS,
	 {.rebooted = true, .now = HEALTH("drops: [" DROP(133, "ingress", 1080) "]")},
	 NULL},
	{HEALTH_RESTORED,
	 FINDING_FAIL,
	 {.rebooted = true,
	  .before = STATUS("endpoints: [{id: 2, uid: u1}]"),
	  .now = STATUS("endpoints: [{id: 2, uid: u1}]")},
	 "shop/cart"},
	{HEALTH_CPU, FINDING_PASS, {.rebooted = true}, NULL},
	{HEALTH_DENIED, FINDING_PASS, {.rebooted = true}, NULL},
	{HEALTH_DENIED,
	 FINDING_FAIL,
	 {.rebooted = true, .now = STATUS("counters: [" COUNTER(300, 301, 80, "dropped", 4) "]")},
	 "300 to 301 port 80"},
	{HEALTH_DENIED, /* it always was */
	 FINDING_PASS,
	 {.rebooted = true, .now = STATUS("counters: [" COUNTER(302, 301, 80, "dropped", 4) "]")},
	 NULL},
	{HEALTH_DENIED,
	 FINDING_UNKNOWN,
	 {.rebooted = true, .now = BOTH_NOW(9, 4)},
	 "302 to 301 port 80"},
	/* Sums over ports that are not told one by one, at either moment. */
	{HEALTH_DENIED, /* a smaller one has lost rows */
	 FINDING_UNKNOWN,
	 {.before = STATUS("counters: [" COUNTER(300, 301, 80, "forwarded",
						 9) ", " COUNTER(300, 301, -1, "dropped", 900) "]"),
	  .now = STATUS("counters: [" COUNTER(300, 301, 80, "dropped", 400) "]")},
	 "300 to 301 port 80"},
	{HEALTH_DENIED,
	 FINDING_UNKNOWN,
	 {.now = STATUS("counters: [" COUNTER(300, 301, -1, "dropped", 900) "]")},
	 "300 to 301 many ports is refused now"},
	{HEALTH_DENIED,
	 FINDING_UNKNOWN,
	 {.before = STATUS("counters: [" COUNTER(300, 301, -1, "forwarded", 900) "]"),
	  .now = STATUS("counters: [" COUNTER(300, 301, 80, "dropped", 4) "]")},
	 "300 to 301 port 80 is refused now"},
	{HEALTH_DENIED,
	 FINDING_PASS,
	 {.before = STATUS("counters: [" COUNTER(300, 301, 80, "forwarded",
						 9) ", " COUNTER(300, 301, -1, "dropped", 900) "]"),
	  .now = STATUS("counters: [" COUNTER(300, 301, 80, "dropped", 900) "]")},
	 NULL},
	{HEALTH_DENIED,
	 FINDING_PASS,
	 {.before = STATUS("counters: [" COUNTER(300, 301, 80, "forwarded",
						 9) ", " COUNTER(300, 301, 81, "dropped", 900) "]"),
	  .now = STATUS("counters: [" COUNTER(300, 301, -1, "dropped", 900) "]")},
	 NULL},
	{HEALTH_DENIED,
	 FINDING_UNKNOWN,
	 {.before = STATUS("counters: [" COUNTER(300, 301, 80, "forwarded",
						 9) ", " COUNTER(300, 301, 81, "dropped", 900) "]"),
	  .now = STATUS("counters: [" COUNTER(300, 301, -1, "dropped", 901) "]")},
	 "many ports"},
	{HEALTH_DENIED, /* what is certain is said first */
	 FINDING_FAIL,
	 {.before = STATUS("counters: [" COUNTER(300, 301, 80, "forwarded",
						 9) ", " COUNTER(300, 302, 80, "forwarded", 9) "]"),
	  .now = STATUS("counters: [" COUNTER(300, 301, -1, "dropped",
					      9) ", " COUNTER(300, 302, 80, "dropped", 9) "]")},
	 "300 to 302 port 80"},
	{HEALTH_DENIED, FINDING_UNKNOWN, {.now = STATUS("countersEpoch: f")}, NULL},
	{HEALTH_DENIED, FINDING_UNKNOWN, {.no_before = true}, NULL},

	{HEALTH_MAP_ERRORS, FINDING_PASS, {0}, NULL},
	{HEALTH_MAP_ERRORS, FINDING_FAIL, {.now = HEALTH("mapErrors: 1")}, "1 refused rows"},
	{HEALTH_MAP_ERRORS, FINDING_UNKNOWN, {.now = HEALTH("mapErrors: null")}, NULL},

	{HEALTH_MAP_PRESSURE, FINDING_PASS, {0}, NULL},
	{HEALTH_MAP_PRESSURE, /* traffic forgets */
	 FINDING_PASS,
	 {.now = HEALTH("maps: [{name: traffic, entries: 1000, max: 1000, evicts: true}]")},
	 NULL},
	{HEALTH_MAP_PRESSURE,
	 FINDING_FAIL,
	 {.now = HEALTH("maps: [{name: policy, entries: 900, max: 1000}]")},
	 "policy holds 900 of 1000"},
	{HEALTH_MAP_PRESSURE,
	 FINDING_PASS,
	 {.now = HEALTH("maps: [{name: policy, entries: 899, max: 1000}]")},
	 NULL},
	{HEALTH_MAP_PRESSURE,
	 FINDING_PASS,
	 {.before = HEALTH("maps: [{name: traffic, entries: 1, max: 1000, evicts: true}]")},
	 NULL},
	{HEALTH_MAP_PRESSURE,
	 FINDING_UNKNOWN,
	 {.now = HEALTH("maps: [{name: policy, max: 1000}]")},
	 "policy"},
	{HEALTH_MAP_PRESSURE, FINDING_UNKNOWN, {.now = HEALTH("maps: null")}, NULL},

	{HEALTH_CONNTRACK, FINDING_PASS, {0}, NULL},
	{HEALTH_CONNTRACK,
	 FINDING_FAIL,
	 {.now = STATUS("conntrack: {layout: 2, entries: 499}")},
	 "499 rows are left of 1000"},
	{HEALTH_CONNTRACK,
	 FINDING_PASS,
	 {.now = STATUS("conntrack: {layout: 2, entries: 100, remaining: 900}")},
	 NULL},
	{HEALTH_CONNTRACK,
	 FINDING_PASS,
	 {.before = STATUS("conntrack: {entries: 99}"), .now = STATUS("conntrack: {entries: 1}")},
	 NULL},
	{HEALTH_CONNTRACK,
	 FINDING_FAIL,
	 {.before = STATUS("conntrack: null, health: {maps: [{name: conntrack, entries: 5000, max: "
			   "9000}]}")},
	 "of 5000"},
	{HEALTH_CONNTRACK, FINDING_UNKNOWN, {.now = STATUS("conntrack: null")}, "now"},
	{HEALTH_CONNTRACK, FINDING_UNKNOWN, {.before = STATUS("conntrack: null")}, "before"},

	{HEALTH_PROGRAMS, FINDING_PASS, {0}, NULL},
	{HEALTH_PROGRAMS, FINDING_FAIL, {.now = HEALTH("programs: {wrong: 1}")}, "1 of 2 devices"},
	{HEALTH_PROGRAMS, FINDING_UNKNOWN, {.now = HEALTH("programs: {wrong: null}")}, NULL},

	/* Before: 200 thousandths; 10 s of 60 are 166. */
	{HEALTH_CPU, FINDING_PASS, {0}, "166 thousandths of a processor, 200 before"},
	{HEALTH_CPU, FINDING_FAIL, {.now = HEALTH("process: {cpuMs: 44000}")}, "400 thousandths"},
	{HEALTH_CPU,
	 FINDING_PASS,
	 {.no_baseline = true, .no_before = true, .now = HEALTH("process: {cpuMs: 26000}")},
	 NULL}, /* little is well whatever it was */
	{HEALTH_CPU, FINDING_UNKNOWN, {.no_before = true}, "before is not known"},
	{HEALTH_CPU,
	 FINDING_FAIL,
	 {.no_before = true, .now = HEALTH("process: {cpuMs: 74000}")},
	 "from 800 on"},
	{HEALTH_CPU, FINDING_UNKNOWN, {.no_previous = true}, "just started"},
	{HEALTH_CPU, FINDING_UNKNOWN, {.now = HEALTH("process: {cpuMs: null}")}, NULL},

	/* Two hours ago. */
	{HEALTH_MEMORY,
	 FINDING_FAIL,
	 {.long_ago = HEALTH("clockMs: 120000, uptimeMs: 3600000, process: {rssBytes: 20000000}")},
	 "minutes away"},
	{HEALTH_MEMORY, /* it had just started */
	 FINDING_PASS,
	 {.long_ago = HEALTH("clockMs: 120000, uptimeMs: 60000, process: {rssBytes: 20000000}")},
	 NULL},
	{HEALTH_MEMORY, /* another process */
	 FINDING_PASS,
	 {.long_ago = HEALTH("started: x, clockMs: 120000, uptimeMs: 3600000, process: {rssBytes: "
			     "20000000}")},
	 NULL},
	{HEALTH_MEMORY,
	 FINDING_PASS,
	 {.long_ago = HEALTH("clockMs: 120000, uptimeMs: 3600000, process: {rssBytes: 40000000}")},
	 NULL},
	{HEALTH_MEMORY, FINDING_PASS, {0}, "39 MiB of a limit of 95 MiB"},
	{HEALTH_MEMORY, FINDING_FAIL, {.now = HEALTH("process: {rssBytes: 90000000}")}, NULL},
	{HEALTH_MEMORY,
	 FINDING_FAIL,
	 {.now = HEALTH("process: {rssBytes: 60000000}")},
	 "2 minutes away"},
	{HEALTH_MEMORY,
	 FINDING_PASS,
	 {.now = HEALTH("process: {rssBytes: 60000000, limitBytes: 900000000000}")},
	 NULL},
	{HEALTH_MEMORY,
	 FINDING_PASS,
	 {.now = HEALTH("process: {rssBytes: 90000000, limitBytes: null}")},
	 "without a limit"},
	{HEALTH_MEMORY,
	 FINDING_FAIL,
	 {.now = HEALTH("process: {rssBytes: 190000000, limitBytes: null}")},
	 NULL},
	{HEALTH_MEMORY,
	 FINDING_UNKNOWN,
	 {.no_before = true, .now = HEALTH("process: {limitBytes: null}")},
	 NULL},
	{HEALTH_MEMORY, FINDING_UNKNOWN, {.now = HEALTH("process: {rssBytes: null}")}, NULL},
};

TEST(every_question_is_answered_by_the_status)
{
	bool seen[HEALTH_ITEM_COUNT][4] = {{false}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct health_item items[HEALTH_ITEM_COUNT], *x = &items[cases[i].item];

		ask(&cases[i].moments, items);
		if (x->result != cases[i].want ||
		    (cases[i].words && !strstr(x->words, cases[i].words)))
			fail_msg("case %zu, %s: %s: %s (wanted %s: %s)", i, x->id,
				 finding_result_name(x->result), x->words,
				 finding_result_name(cases[i].want), str_or_empty(cases[i].words));
		seen[cases[i].item][cases[i].want] = true;
		arena_release(&arena);
	}
	for (int i = 0; i < HEALTH_ITEM_COUNT; i++)
		for (int r = FINDING_PASS; r <= FINDING_UNKNOWN; r++)
			if (!seen[i][r])
				fail_msg("item %d has no case for %s", i,
					 finding_result_name((enum finding_result)r));
}

TEST(all_is_well_after_a_good_upgrade)
{
	struct health_item items[HEALTH_ITEM_COUNT];

	ask(&(struct moments){0}, items);
	for (int i = 0; i < HEALTH_ITEM_COUNT; i++)
		if (items[i].result != FINDING_PASS)
			fail_msg("%s: %s", items[i].id, items[i].words);
	assert_int_equal(health_judge(items), FINDING_PASS);
	items[HEALTH_CPU].result = FINDING_UNKNOWN;
	assert_int_equal(health_judge(items), FINDING_UNKNOWN);
	items[HEALTH_READY].result = FINDING_FAIL;
	assert_int_equal(health_judge(items), FINDING_FAIL);
	arena_release(&arena);
}

TEST(who_says_nothing_passes_nothing)
{
	struct sidestep_node silent = {.meta = {.name = "n1"}};
	const struct sidestep_node *const statuses[] = {NULL, &silent};

	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		struct health_question q = {.before = statuses[i],
					    .now = statuses[i],
					    .regenerated = true,
					    .wall_ns = 1};
		struct health_item items[HEALTH_ITEM_COUNT];

		health_ask(&arena, &q, items);
		for (int k = 0; k < HEALTH_ITEM_COUNT; k++)
			/* No endpoint before and none now: that is something. */
			if (items[k].result != FINDING_UNKNOWN && k != HEALTH_RESTORED)
				fail_msg("%s: %s", items[k].id, items[k].words);
	}
	arena_release(&arena);
}

/* A list that was full may have left out just the row that is asked for. */
TEST(a_list_that_was_full_is_no_proof)
{
	static struct sidestep_counter many[SIDESTEP_NODE_MAX_COUNTERS];
	struct sidestep_counter refused = {.source = 300,
					   .destination = 301,
					   .port = 80,
					   .protocol = "TCP",
					   .verdict = "dropped",
					   .count = 1};
	struct sidestep_sent none = {0};
	struct sidestep_node was = {.boot_id = "b",
				    .counters_epoch = "e",
				    .counters = many,
				    .n_counters = SIDESTEP_NODE_MAX_COUNTERS - 1,
				    .sent = &none},
			     now = {.boot_id = "b",
				    .counters_epoch = "e",
				    .counters = &refused,
				    .n_counters = 1};
	struct health_question q = {.before = &was, .now = &now};
	struct health_item items[HEALTH_ITEM_COUNT];

	for (size_t i = 0; i < SIDESTEP_NODE_MAX_COUNTERS; i++)
		many[i] = (struct sidestep_counter){
			.source = 1, .protocol = "TCP", .verdict = "forwarded"};
	health_ask(&arena, &q, items);
	assert_int_equal(items[HEALTH_DENIED].result, FINDING_PASS);
	was.n_counters++;
	health_ask(&arena, &q, items);
	assert_int_equal(items[HEALTH_DENIED].result, FINDING_UNKNOWN);
	arena_release(&arena);
}

/* Who was let through and refused comes first; the others as far as there is room. */
static void what_was_ever_refused_is_few(void **state)
{
	static struct sidestep_counter rows[100];
	struct sidestep_node was = {.counters = rows, .n_counters = ARRAY_SIZE(rows)};
	struct sidestep_counter *list;
	size_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		rows[i] = (struct sidestep_counter){.source = (int64_t)i / 2 + 1,
						    .destination = 301,
						    .port = 80,
						    .protocol = "TCP",
						    .verdict = i < 98 || i % 2 ? "dropped"
									       : "forwarded",
						    .count = 5};
	list = health_refused(&arena, &was, &n);
	assert_int_equal(n, HEALTH_MAX_REFUSED);
	assert_int_equal(list[0].source, 50);
	assert_int_equal(list[1].source, 1);
	arena_release(&arena);
}

static void only_what_was_being_refused_is_noted_for_later(void **state)
{
	struct doc *d = patched(doc_map(&arena), before_text);
	const struct sidestep_node *earlier = node(patched(
		d, STATUS("counters: [" COUNTER(300, 301, 80, "forwarded", 5) ", " COUNTER(
			   302, 301, 80, "forwarded",
			   5) ", " COUNTER(302, 301, 80, "dropped",
					   4) ", " COUNTER(303, 301, 80, "dropped", 1) "]")));
	const struct sidestep_node *was = node(patched(
		d, STATUS("counters: [" COUNTER(300, 301, 80, "forwarded", 9) ", " COUNTER(
			   300, 301, 80, "dropped",
			   2) ", " COUNTER(302, 301, 80, "forwarded",
					   9) ", " COUNTER(302, 301, 80, "dropped",
							   4) ", " COUNTER(303, 301, 80, "dropped",
									   7) "]")));
	const struct sidestep_node *rebooted =
		node(patched(d, STATUS("bootID: another, counters: []")));
	struct sidestep_counter *rows;
	size_t n;

	(void)state;
	rows = health_refusing(&arena, earlier, was, &n);
	assert_int_equal(n, 1); /* not 302, which is let through by now; not 303, which never was */
	assert_int_equal(rows[0].source, 300);
	health_refusing(&arena, NULL, was, &n);
	assert_int_equal(n, 0);
	health_refusing(&arena, rebooted, was, &n);
	assert_int_equal(n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_that_was_full_is_no_proof),
		cmocka_unit_test(every_question_is_answered_by_the_status),
		cmocka_unit_test(all_is_well_after_a_good_upgrade),
		cmocka_unit_test(what_was_ever_refused_is_few),
		cmocka_unit_test(only_what_was_being_refused_is_noted_for_later),
		cmocka_unit_test(who_says_nothing_passes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
