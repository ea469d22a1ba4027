/* SPDX-License-Identifier: Apache-2.0 */
/* Flows and drops, as far as agents' counters tell. */
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "lib/base/str.h"
#include "lib/object/sidestep.h"
#include "runbooks/sources_internal.h"

/*
 * How long one question watches counters to see whether they still rise, where the time it asks
 * about is too long to be watched through.
 */
#define WATCH_NS (10 * NS_PER_S)

struct tally {
	int64_t total;
	const char *blind;  /* a node that does not tell, or NULL */
	int64_t born_ns;    /* wall clock: the newest beginning of the counters; 0: not known */
	struct doc *looked; /* map of node to epoch, to see a beginning anew */
	const struct sidestep_node *nodes;
	size_t n;
};

static bool labelled(const struct sidestep_node *n, int64_t identity, const char *label)
{
	for (size_t i = 0; i < n->n_identities; i++) {
		const struct strings *l = &n->identities[i].labels;

		for (size_t k = 0; n->identities[i].id == identity && k < l->n; k++) {
			if (str_eq(l->items[k], label))
				return true;
		}
	}
	return false;
}

static bool concerns(struct arena *a, const struct sidestep_node *n,
		     const struct sidestep_counter *c, const char *ns)
{
	const char *label = ns ? arena_printf(a, "k8s:io.kubernetes.pod.namespace=%s", ns) : NULL;

	return !ns || labelled(n, c->source, label) || labelled(n, c->destination, label);
}

static void edge_row(struct answer *s, const struct sidestep_node *n,
		     const struct sidestep_counter *c)
{
	struct doc *row = doc_map(s->a);

	doc_set_string(s->a, row, "node", n->meta.name);
	doc_set_int(s->a, row, "source", c->source);
	doc_set_int(s->a, row, "destination", c->destination);
	doc_set_int(s->a, row, "port", c->port);
	doc_set_string(s->a, row, "protocol", c->protocol);
	doc_set_string(s->a, row, "verdict", c->verdict);
	doc_set_int(s->a, row, "total", c->count);
	answer_row(s, row);
}

/* The second number of an epoch is the birth of the map, in seconds. */
static int64_t born_of(const char *epoch)
{
	const char *dash = epoch ? strchr(epoch, '-') : NULL;
	const long long s = dash ? strtoll(dash + 1, NULL, 10) : 0;

	return s > 0 ? s * (int64_t)NS_PER_S : 0;
}

static void began(struct arena *a, struct tally *t, const char *node, const char *epoch, bool first)
{
	const int64_t born = born_of(epoch);

	t->born_ns = first || (t->born_ns && born) ? MAX(t->born_ns, born) : 0;
	if (!born)
		t->born_ns = 0;
	doc_set_string(a, t->looked, node, str_or_empty(epoch));
}

static void count_edges(const struct source_question *q, struct answer *s,
			const struct sidestep_node *n, struct tally *t)
{
	const char *verdict = filter_of(q, "verdict"), *ns = filter_of(q, "namespace");

	for (size_t i = 0; i < n->n_counters; i++) {
		const struct sidestep_counter *c = &n->counters[i];

		if (verdict && strcasecmp(verdict, c->verdict) != 0)
			continue;
		if (!concerns(s->a, n, c, ns))
			continue;
		edge_row(s, n, c);
		t->total += c->count;
	}
}

/*
 * A policy that refuses does its work, and so does a mesh of IPv4 that refuses the rest: every
 * pod's kernel speaks some IPv6 to its link (RFC 4861, 3810). Everything else went wrong.
 */
static bool decided(const char *reason)
{
	static const char *const by_design[] = {"POLICY_DENIED", "POLICY_DENY",
						"UNSUPPORTED_L3_PROTOCOL",
						"UNSUPPORTED_L2_PROTOCOL"};

	for (size_t i = 0; i < ARRAY_SIZE(by_design); i++)
		if (str_eq(reason, by_design[i]))
			return true;
	return false;
}

static void count_drops(const struct source_question *q, struct answer *s,
			const struct sidestep_node *n, struct tally *t)
{
	const char *reason = filter_of(q, "drop_reason");
	const bool faults = str_eq(filter_of(q, "fault"), "true");

	if (!n->health || !n->health->metrics_epoch) {
		t->blind = n->meta.name;
		return;
	}
	for (size_t i = 0; i < n->health->n_drops; i++) {
		const struct sidestep_drop *d = &n->health->drops[i];
		struct doc *row = doc_map(s->a);

		if ((reason && !str_eq(reason, d->name)) || (faults && decided(d->name)))
			continue;
		doc_set_string(s->a, row, "node", n->meta.name);
		doc_set_string(s->a, row, "reason", d->name);
		doc_set_string(s->a, row, "direction", d->direction);
		doc_set_int(s->a, row, "total", d->packets);
		answer_row(s, row);
		t->total += d->packets;
	}
}

/* Reasons are counted by node, edges by identity: a question for both has only an upper bound. */
static bool by_reason(const struct source_question *q)
{
	return filter_of(q, "drop_reason") || filter_of(q, "fault") ||
	       (str_eq(filter_of(q, "verdict"), "DROPPED") && !filter_of(q, "namespace"));
}

static int look(struct source_env *env, const struct source_question *q, struct answer *s,
		struct tally *t, struct error *err)
{
	struct sidestep_node *nodes;
	size_t n;
	int r = source_nodes(env, s->a, &nodes, &n, err);

	if (r)
		return r;
	*t = (struct tally){.looked = doc_map(s->a), .nodes = nodes, .n = n};
	for (size_t i = 0; i < n; i++) {
		const char *epoch = by_reason(q) && nodes[i].health ? nodes[i].health->metrics_epoch
								    : nodes[i].counters_epoch;

		if (by_reason(q))
			count_drops(q, s, &nodes[i], t);
		else
			count_edges(q, s, &nodes[i], t);
		began(s->a, t, nodes[i].meta.name, epoch, i == 0);
	}
	return 0;
}

/* Watches until the counters rise or the time is over; how many more there are then. -EAGAIN: they
 * began anew meanwhile. */
static int watch(struct source_env *env, const struct source_question *q, const struct tally *first,
		 uint64_t ns, int64_t *ret_more, struct error *err)
{
	const uint64_t until = clock_now_ns(env->cluster->clock) + ns;

	*ret_more = 0;
	while (!*ret_more && clock_now_ns(env->cluster->clock) < until) {
		auto_release(arena) struct arena a = ARENA_INIT;
		struct answer scratch;
		struct tally now;
		int r = cluster_wait(env->cluster, NS_PER_S, err);

		answer_begin(&scratch, &a, 1);
		if (!r)
			r = look(env, q, &scratch, &now, err);
		if (r)
			return r;
		if (!doc_equal(now.looked, first->looked))
			return -EAGAIN;
		*ret_more = now.total - first->total;
	}
	return 0;
}

/* A time that can be watched through is: then the answer is what was seen. */
static uint64_t patience_of(const struct source_question *q)
{
	const uint64_t most = q->timeout_ns / 2;

	return q->since_ns <= most ? q->since_ns : MIN(WATCH_NS, most);
}

static int watched(struct source_env *env, const struct source_question *q, const struct tally *t,
		   int64_t *ret_count, struct error *err)
{
	const uint64_t ns = patience_of(q);
	int64_t more;
	int r = watch(env, q, t, ns, &more, err);

	if (r == -EAGAIN)
		return 0;
	if (!r && (more > 0 || ns >= q->since_ns))
		*ret_count = more;
	return r;
}

static int64_t drops_then(const struct source_record *rec, const struct doc *row)
{
	const char *node = doc_find_str(row, "node");

	for (size_t i = 0; i < rec->n; i++) {
		const struct sidestep_health *h = rec->nodes[i].health;

		for (size_t k = 0; k < h->n_drops && str_eq(rec->nodes[i].meta.name, node); k++)
			if (str_eq(h->drops[k].name, doc_find_str(row, "reason")) &&
			    str_eq(h->drops[k].direction, doc_find_str(row, "direction")))
				return h->drops[k].packets;
	}
	return 0;
}

static void since_run(struct answer *s, const struct source_record *rec)
{
	doc_set_string(s->a, s->doc, "since_run", rec->run);
	doc_foreach_item (s->rows, row)
		doc_set_int(s->a, row, "new", doc_find_int(row, "total", 0) - drops_then(rec, row));
}

/*
 * From what was noted when a run began: more than then, and that is within the time asked about, is
 * at least so many; as many as then, and that is before it, is none. A question that begins with
 * the newest hop of that time has the difference for an answer, whatever it is.
 */
static int recorded(struct source_env *env, const struct source_question *q, struct answer *s,
		    const struct tally *t, int64_t *ret_count, struct error *err)
{
	const bool hop = filter_of(q, "begin");
	const struct source_record *newest = NULL;
	struct source_record *rec;
	size_t n = 0;
	int r = by_reason(q) ? source_records(env, s->a, t->nodes, t->n, &rec, &n, err) : 0;

	for (size_t i = 0; i < n; i++) {
		const bool within = rec[i].oldest_ns <= (int64_t)q->since_ns;
		struct tally then = {0};
		struct answer scratch;
		int64_t more;

		answer_begin(&scratch, s->a, 1);
		for (size_t k = 0; k < rec[i].n; k++)
			count_drops(q, &scratch, &rec[i].nodes[k], &then);
		more = t->total - then.total;
		if (hop ? within && (!newest || rec[i].oldest_ns < newest->oldest_ns)
			: within && more > *ret_count) {
			newest = &rec[i];
			*ret_count = more;
		} else if (!hop && !more && rec[i].youngest_ns >= (int64_t)q->since_ns) {
			*ret_count = 0;
		}
	}
	if (newest)
		since_run(s, newest);
	return r;
}

/* So many looks at one question are kept for each length of time that it asks about. */
#define LOOKS_KEPT 16

/* The looks of this run at the same question, from the newest before its time on: a list of maps
 * {at, total}. This one is added. */
static const struct doc *looks_at(struct source_env *env, const struct source_question *q,
				  const struct tally *t)
{
	const int64_t now = (int64_t)clock_now_ns(env->cluster->clock);
	const int64_t since = (int64_t)q->since_ns;
	auto_release(strbuf) struct strbuf key = STRBUF_INIT;
	struct doc *d, *list, *one;

	strbuf_addf(&key, "%" PRIu64 " ", q->since_ns);
	if (q->filter)
		doc_write_json(q->filter, DOC_COMPACT, &key);
	d = doc_get(env->looks, strbuf_cstr(&key));
	if (!d || !doc_equal(doc_get(d, "nodes"), t->looked)) {
		d = doc_set(env->arena, env->looks, strbuf_cstr(&key), doc_map(env->arena));
		doc_set(env->arena, d, "nodes", doc_clone(env->arena, t->looked));
		doc_set_list(env->arena, d, "looks");
	}
	list = doc_get(d, "looks");
	while (doc_len(list) > 1 && now - doc_find_int(doc_at(list, 1), "at", now) >= since)
		doc_remove_at(list, 0);
	one = doc_at(list, doc_len(list) - 1);
	if (one && now - doc_find_int(one, "at", 0) < since / LOOKS_KEPT)
		return list;
	one = doc_append(env->arena, list, doc_map(env->arena));
	doc_set_int(env->arena, one, "at", now);
	doc_set_int(env->arena, one, "total", t->total);
	return list;
}

/*
 * What of the total is of the time that was asked about; -1: not known, *ret_why says why. More
 * than at a look within that time are of it; as many as at one before it, and none are.
 */
static int64_t of_late(const struct source_env *env, const struct source_question *q,
		       const struct tally *t, const struct doc *looks, const char **ret_why)
{
	const int64_t wall = clock_wall_ns(env->cluster->clock),
		      now = (int64_t)clock_now_ns(env->cluster->clock);
	const int64_t since = (int64_t)q->since_ns;

	if (!since || !t->total)
		return t->total;
	if (t->born_ns && wall - t->born_ns <= since)
		return t->total;
	doc_foreach_item (looks, one) {
		const int64_t seen = now - doc_find_int(one, "at", 0),
			      more = t->total - doc_find_int(one, "total", 0);

		if ((more > 0 && seen <= since) || (!more && seen >= since))
			return more;
	}
	*ret_why = "the counters say how many since they began, and were not watched that long";
	return -1;
}

int source_ask_flows(struct source_env *env, const struct source_question *q, struct answer *s,
		     struct error *err)
{
	const char *why = NULL;
	struct tally t;
	const struct doc *looks;
	int64_t count;
	int r;

	/* Drops have reasons, and nothing else has: one of both filters would be passed over. */
	if ((filter_of(q, "drop_reason") || filter_of(q, "fault")) && filter_of(q, "verdict") &&
	    !str_eq(filter_of(q, "verdict"), "DROPPED"))
		return error_set(err, -EINVAL, "drop_reason and fault are of verdict DROPPED");
	r = look(env, q, s, &t, err);
	if (r)
		return r;
	if (t.blind)
		return error_set(err, -ENODATA, "the agent of %s does not publish drops by reason",
				 t.blind);
	looks = looks_at(env, q, &t);
	doc_set_int(s->a, s->doc, "total", t.total);
	r = source_heard(env, s, t.nodes, t.n, err);
	if (r || s->unheard) {
		s->count = t.total;
		return r;
	}
	if (by_reason(q) && filter_of(q, "namespace") && t.total)
		return error_set(err, -ENODATA,
				 "drops by reason are counted per node, not per "
				 "namespace (%" PRId64 " of it in all)",
				 t.total);
	count = -1;
	if (filter_of(q, "begin"))
		r = recorded(env, q, s, &t, &count, err);
	if (!r && count < 0)
		count = of_late(env, q, &t, looks, &why);
	if (!r && count < 0 && !filter_of(q, "begin"))
		r = recorded(env, q, s, &t, &count, err);
	if (!r && count < 0)
		r = watched(env, q, &t, &count, err);
	if (count >= 0)
		s->count = count;
	else
		answer_unseen(s->a, s->doc, "count", why);
	s->no_count = count < 0;
	return r;
}
