/* SPDX-License-Identifier: Apache-2.0 */
#include "upgrade/recall.h"

#include <inttypes.h>

#include "lib/agentapi/health.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/run/report.h"

/* Of a node whose machine was started anew within the run, before its change. */
#define USUAL_SINCE "usualSince"

static void forget(struct statuses *s)
{
	arena_release(&s->arena);
	*s = (struct statuses){0};
}

static void take(struct statuses *s, const struct world *w)
{
	forget(s);
	s->by_node = doc_map(&s->arena);
	for (size_t i = 0; i < w->n_nodes; i++)
		if (w->nodes[i].status_object) {
			struct doc *d = doc_clone(&s->arena, w->nodes[i].status_object);

			doc_set_int(&s->arena, d, "restarts", w->nodes[i].restarts);
			doc_set(&s->arena, s->by_node, w->nodes[i].name, d);
		}
}

/* Another process than the last sample's begins anew. */
static void note_first(struct statuses *s, const struct world_node *n)
{
	const struct doc *known = doc_get(s->by_node, n->name);

	if (!n->status_object)
		return;
	if (!str_eq(doc_find_str(known, "status.version"), n->status->version) ||
	    !str_eq(doc_find_str(known, "status.health.started"),
		    n->status->health ? n->status->health->started : NULL))
		doc_set(&s->arena, s->by_node, n->name, doc_clone(&s->arena, n->status_object));
}

void recall_begin(struct upgrade *u, const struct doc *args, const void *gate)
{
	if (u->asked_for == args && u->asked_by == gate)
		return;
	u->asked_for = args;
	u->asked_by = gate;
	forget(&u->first);
	forget(&u->previous);
	doc_foreach_entry (u->again.by_node, e)
		doc_set_int(&u->again.arena, e->value, "seen", 0);
}

/* The first that this process has seen of an agent before its change, since its machine started. */
static void note_usual(struct upgrade *u, const struct world_node *n)
{
	struct statuses *s = &u->usual;
	const struct doc *known = doc_get(s->by_node, n->name);

	if (n->status_object && str_eq(n->status->version, u->from.version) &&
	    (!known || !str_eq(doc_find_str(known, "status.bootID"), n->status->boot_id)))
		doc_set(&s->arena, s->by_node, n->name, doc_clone(&s->arena, n->status_object));
}

static struct sidestep_node *decoded(struct arena *a, const struct doc *d)
{
	struct sidestep_node *n = arena_new(a, struct sidestep_node);

	return d && !sidestep_node_decode(a, d, n, NULL) ? n : NULL;
}

/* Once an hour. */
static void age(struct upgrade *u, const struct world *w)
{
	uint64_t now = clock_now_ns(u->cluster->clock);

	if (u->aged[0].by_node && now - u->aged_at < 3600 * NS_PER_S)
		return;
	forget(&u->aged[1]);
	u->aged[1] = u->aged[0];
	u->aged[0] = (struct statuses){0};
	take(&u->aged[0], w);
	u->aged_at = now;
}

const struct sidestep_node *recall_long_ago(struct upgrade *u, struct arena *a, const char *node)
{
	return decoded(a, doc_get(u->aged[1].by_node, node));
}

void recall_end(struct upgrade *u, const struct world *w)
{
	age(u, w);
	take(&u->previous, w);
	if (!u->first.by_node)
		u->first.by_node = doc_map(&u->first.arena);
	if (!u->usual.by_node)
		u->usual.by_node = doc_map(&u->usual.arena);
	for (size_t i = 0; i < w->n_nodes; i++) {
		note_first(&u->first, &w->nodes[i]);
		note_usual(u, &w->nodes[i]);
	}
}

/* --- the journal's share --- */

static void copy(struct arena *a, struct doc *to, const struct doc *from, const char *key)
{
	if (doc_get(from, key))
		doc_set(a, to, key, doc_clone(a, doc_get(from, key)));
}

static void copy_endpoints(struct arena *a, struct doc *to, const struct doc *from)
{
	static const char *const keys[] = {"id", "uid", "namespace", "pod", "generation"};
	struct doc *list = doc_set_list(a, to, "endpoints");

	doc_foreach_item (doc_get(from, "endpoints"), e) {
		struct doc *d = doc_append(a, list, doc_map(a));

		for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
			copy(a, d, e, keys[i]);
	}
}

/* Of drops and maps only what is compared: a run of many nodes has room for no more. */
static void copy_health(struct arena *a, struct doc *to, const struct doc *from)
{
	static const char *const drop_keys[] = {"reason", "direction", "packets"};
	struct doc *drops = doc_list(a), *maps = doc_list(a);

	doc_foreach_item (doc_get(from, "drops"), row) {
		struct doc *d = doc_append(a, drops, doc_map(a));

		for (size_t i = 0; i < ARRAY_SIZE(drop_keys); i++)
			copy(a, d, row, drop_keys[i]);
	}
	doc_foreach_item (doc_get(from, "maps"), row)
		if (health_compares_map(doc_find_str(row, "name")))
			doc_append(a, maps, doc_clone(a, row));
	doc_foreach_entry (from, e)
		doc_set(a, to, e->key,
			str_eq(e->key, "drops")  ? drops
			: str_eq(e->key, "maps") ? maps
						 : doc_clone(a, e->value));
	doc_del(doc_get(to, "programs"), "ids");
}

/* Without counters, and so without their epoch: what is not there cannot be compared. */
static struct doc *compact(struct arena *a, const struct doc *object, bool endpoints)
{
	static const char *const keys[] = {"version", "ready", "bootID", "updated", "conntrack"};
	const struct doc *from = doc_get(object, "status");
	struct doc *d = doc_map(a), *status = doc_set_map(a, d, "status");

	copy(a, d, object, "apiVersion");
	copy(a, d, object, "kind");
	doc_set_string(a, doc_set_map(a, d, "metadata"), "name",
		       doc_find_str(object, "metadata.name"));
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		copy(a, status, from, keys[i]);
	if (doc_get(from, "health"))
		copy_health(a, doc_set_map(a, status, "health"), doc_get(from, "health"));
	if (endpoints)
		copy_endpoints(a, status, from);
	return d;
}

struct doc *recall_note_usual(struct arena *a, const struct world *w)
{
	struct doc *d = doc_map(a), *by_node = doc_set_map(a, d, RUN_USUAL);

	for (size_t i = 0; i < w->n_nodes; i++)
		if (w->nodes[i].status_object)
			doc_set(a, by_node, w->nodes[i].name,
				compact(a, w->nodes[i].status_object, false));
	return d;
}

static void copy_refusing(struct upgrade *u, struct arena *a, struct doc *to,
			  const struct world_node *n)
{
	struct doc *list = doc_set_list(a, to, "refusing");
	size_t n_rows;
	struct sidestep_counter *rows = health_refusing(
		a, decoded(a, doc_get(u->usual.by_node, n->name)), n->status, &n_rows);

	for (size_t i = 0; i < n_rows; i++) {
		struct doc *d = doc_append(a, list, doc_map(a));

		doc_set_int(a, d, "source", rows[i].source);
		doc_set_int(a, d, "destination", rows[i].destination);
		doc_set_int(a, d, "port", rows[i].port);
		doc_set_string(a, d, "protocol", rows[i].protocol);
	}
}

/* [source, destination, port, protocol, count] each: a run of many nodes has room for no more. */
struct doc *recall_rows(struct arena *a, const struct sidestep_counter *rows, size_t n)
{
	struct doc *list = doc_list(a);

	for (size_t i = 0; i < n; i++) {
		struct doc *row = doc_append(a, list, doc_list(a));

		doc_append(a, row, doc_int(a, rows[i].source));
		doc_append(a, row, doc_int(a, rows[i].destination));
		doc_append(a, row, doc_int(a, rows[i].port));
		doc_append(a, row, doc_string(a, str_or_empty(rows[i].protocol)));
		doc_append(a, row, doc_int(a, rows[i].count));
	}
	return list;
}

static struct sidestep_counter row_of(const struct doc *row)
{
	return (struct sidestep_counter){
		.source = doc_int_or(doc_at(row, 0), -1),
		.destination = doc_int_or(doc_at(row, 1), -1),
		.port = doc_int_or(doc_at(row, 2), -2),
		.protocol = doc_str(doc_at(row, 3)),
		.count = doc_int_or(doc_at(row, 4), -1),
	};
}

static void copy_refused(struct arena *a, struct doc *to, const struct sidestep_node *before)
{
	struct doc *d = doc_set_map(a, to, "refused");
	size_t n_rows;
	struct sidestep_counter *rows = health_refused(a, before, &n_rows);

	if (before->counters_epoch)
		doc_set_string(a, d, "epoch", before->counters_epoch);
	doc_set(a, d, "rows", recall_rows(a, rows, n_rows));
}

struct doc *recall_note_before(struct upgrade *u, struct arena *a, const struct world_node *n)
{
	struct doc *d = doc_map(a), *list;

	doc_set_string(a, d, "node", n->name);
	list = doc_set_list(a, d, "unready");
	for (size_t i = 0; i < n->n_unready; i++)
		doc_append(a, list, doc_string(a, n->unready[i].uid));
	if (!n->status_object)
		return d;
	doc_set(a, d, "before", compact(a, n->status_object, true));
	copy_refusing(u, a, d, n);
	copy_refused(a, d, n->status);
	if (recall_is_rebooted(u, n->status) && doc_get(u->usual.by_node, n->name))
		doc_set(a, d, USUAL_SINCE, compact(a, doc_get(u->usual.by_node, n->name), false));
	doc_del(u->again.by_node, n->name);
	if (!u->before.by_node)
		u->before.by_node = doc_map(&u->before.arena);
	doc_set(&u->before.arena, u->before.by_node, n->name,
		doc_clone(&u->before.arena, n->status_object));
	return d;
}

/* The evidence of the last time that the gate was passed (for the node, when named). */
static const struct doc *noted(const struct upgrade *u, const char *gate, const char *node)
{
	const struct doc *found = NULL;

	for (size_t i = 0; u->journal && i < journal_count(u->journal); i++) {
		const struct journal_record *r = journal_at(u->journal, i);
		const struct doc *e = doc_get(r->body, "evidence");

		if (str_eq(r->type, "gate") && str_eq(doc_find_str(r->body, "gate"), gate) && e &&
		    (!node || str_eq(doc_find_str(e, "node"), node)))
			found = e;
	}
	return found;
}

static const struct doc *sound(const struct upgrade *u, const char *node)
{
	return doc_get(doc_get(noted(u, G_SOUND, NULL), RUN_USUAL), node);
}

bool recall_is_rebooted(const struct upgrade *u, const struct sidestep_node *s)
{
	const char *was = s ? doc_find_str(sound(u, s->meta.name), "status.bootID") : NULL;

	return was && s->boot_id && !str_eq(was, s->boot_id);
}

/* --- telling --- */

const struct sidestep_node *recall_usual(struct upgrade *u, struct arena *a, const char *node)
{
	const struct doc *since = doc_get(noted(u, G_ROOM, node), USUAL_SINCE);
	struct sidestep_node *usual = decoded(a, since ? since : sound(u, node));
	struct sidestep_node *seen = decoded(a, doc_get(u->usual.by_node, node));

	if (!since && seen && recall_is_rebooted(u, seen))
		return seen;
	if (usual && seen && str_eq(usual->boot_id, seen->boot_id)) {
		usual->counters_epoch = seen->counters_epoch;
		usual->counters = seen->counters;
		usual->n_counters = seen->n_counters;
		usual->sent = seen->sent;
	}
	return usual;
}

struct sidestep_counter *recall_refusing(struct upgrade *u, struct arena *a, const char *node,
					 size_t *ret_n)
{
	const struct doc *list = doc_get(noted(u, G_ROOM, node), "refusing");
	struct sidestep_counter *rows = arena_array(a, doc_len(list), struct sidestep_counter);

	*ret_n = 0;
	doc_foreach_item (list, d)
		rows[(*ret_n)++] = (struct sidestep_counter){
			.source = doc_find_int(d, "source", -1),
			.destination = doc_find_int(d, "destination", -1),
			.port = doc_find_int(d, "port", -2),
			.protocol = doc_find_str(d, "protocol"),
		};
	return rows;
}

struct sidestep_counter *recall_meant(struct upgrade *u, struct arena *a, const char *node,
				      size_t *ret_n)
{
	struct sidestep_counter *rows = arena_array(a, RECALL_MEANT, struct sidestep_counter);

	*ret_n = 0;
	for (size_t i = 0; u->journal && i < journal_count(u->journal); i++)
		doc_foreach_item (
			doc_get(doc_find(journal_at(u->journal, i)->body, "evidence." RUN_DOUBTED),
				node),
			row)
			if (*ret_n < RECALL_MEANT)
				rows[(*ret_n)++] = row_of(row);
	return rows;
}

const char *recall_policies(const struct upgrade *u, const char *node)
{
	return doc_find_str(noted(u, G_ROOM, node), "policies");
}

/* As they were just before the change, if they are of the counters that `epoch` names. */
static void recall_refused(struct upgrade *u, struct arena *a, const char *node, const char *epoch,
			   struct health_question *out)
{
	const struct doc *d = doc_get(noted(u, G_ROOM, node), "refused"),
			 *list = doc_get(d, "rows");
	struct sidestep_counter *rows = arena_array(a, doc_len(list), struct sidestep_counter);
	const char *of = doc_find_str(d, "epoch");

	out->refused = rows;
	out->n_refused = 0;
	if (of && !str_eq(of, epoch))
		return;
	doc_foreach_item (list, row)
		rows[out->n_refused++] = row_of(row);
}

const struct sidestep_node *recall_first(struct upgrade *u, struct arena *a, const char *node,
					 const char *version)
{
	const struct sidestep_node *n = decoded(a, doc_get(u->first.by_node, node));

	return n && str_eq(n->version, version) ? n : NULL;
}

const struct sidestep_node *recall_previous(struct upgrade *u, struct arena *a, const char *node)
{
	return decoded(a, doc_get(u->previous.by_node, node));
}

/* What the journal, or the older agent, did not say is counted from the first sample on. */
static void fill(struct sidestep_node *before, const struct sidestep_node *first,
		 const struct side *old)
{
	if (!first)
		return;
	if (!before->counters_epoch) {
		before->counters_epoch = first->counters_epoch;
		before->counters = first->counters;
		before->n_counters = first->n_counters;
	}
	/* Of the same map: what was let through before the change stands in it still. */
	if (!before->sent && str_eq(before->counters_epoch, first->counters_epoch))
		before->sent = first->sent;
	if (!before->health && old->tells_no_health)
		before->health = first->health;
	if (!before->conntrack && old->tells_no_health)
		before->conntrack = first->conntrack;
	if (!before->boot_id && old->tells_no_health)
		before->boot_id = first->boot_id;
}

/* What happened since the change and was asked about: compared with what was there behind it. */
static void reckon(struct upgrade *u, struct arena *a, const char *node,
		   struct health_question *out)
{
	const struct doc *again = doc_get(u->again.by_node, node);
	const struct sidestep_node *first = decoded(a, doc_get(again, "first"));

	if (first) {
		out->origin = out->before;
		out->before = first;
		out->starts = 0;
		out->counted_later = true;
		out->n_refused = 0;
	}
	out->starts += doc_find_int(again, "more", 0);
}

/* Of the node, made when there is none; so many are seen by the gate that asks now. */
static struct doc *noted_again(struct upgrade *u, const struct world_node *n, int64_t times)
{
	struct statuses *s = &u->again;
	struct doc *d;
	int64_t seen;

	if (!s->by_node)
		s->by_node = doc_map(&s->arena);
	d = doc_get(s->by_node, n->name);
	if (!d)
		d = doc_set_map(&s->arena, s->by_node, n->name);
	seen = doc_find_int(d, "seen", 0) + (doc_get(u->previous.by_node, n->name) ? times : 0);
	if (seen > RECALL_FORGIVES)
		return NULL;
	doc_set_int(&s->arena, d, "seen", seen);
	return d;
}

static void note_again(struct upgrade *u, const struct world_node *n, bool forgives,
		       const struct health_question *q)
{
	const struct sidestep_node *now = n->status, *was = q->before;
	struct arena *a = &u->again.arena;
	struct doc *d;
	int64_t more;

	if (!now || !now->health || !was->health || !now->boot_id || !was->boot_id ||
	    !str_eq(now->version, u->to.version))
		return;
	if (!str_eq(now->boot_id, was->boot_id)) {
		d = noted_again(u, n, 1);
		if (d) {
			doc_set(a, d, "first", doc_clone(a, n->status_object));
			doc_set_int(a, d, "more", 0);
		}
		return;
	}
	if (!forgives || !now->health->starts.set || !was->health->starts.set ||
	    __builtin_sub_overflow(now->health->starts.value, was->health->starts.value, &more) ||
	    more <= q->starts)
		return;
	more -= q->starts;
	d = noted_again(u, n, more);
	if (d)
		doc_set_int(a, d, "more", doc_find_int(d, "more", 0) + more);
}

void recall_before(struct upgrade *u, struct arena *a, const struct world_node *n, bool forgives,
		   struct health_question *out)
{
	const struct doc *d = doc_get(u->before.by_node, n->name);
	struct sidestep_node *before =
		decoded(a, d ? d : doc_get(noted(u, G_ROOM, n->name), "before"));

	out->before = before;
	if (!before)
		return;
	/* Who had the new version before its turn is not started for it. */
	out->starts = before->health && !str_eq(before->version, u->to.version);
	out->counted_later = !before->counters_epoch;
	reckon(u, a, n->name, out);
	if (!out->origin) {
		fill(before, recall_first(u, a, n->name, u->to.version), &u->from);
		recall_refused(u, a, n->name, before->counters_epoch, out);
	}
	note_again(u, n, forgives, out);
}

const char *recall_forgiven(struct upgrade *u, struct arena *a, const char *node)
{
	const struct doc *again = doc_get(u->again.by_node, node);
	const char *since = doc_find_str(again, "first.status.health.started");
	int64_t more = doc_find_int(again, "more", 0);
	const char *agent = more > 0 ? arena_printf(a,
						    "its agent was started %" PRId64
						    " times more than it was meant to be",
						    more)
				     : NULL;

	if (!doc_get(again, "first"))
		return agent;
	return arena_printf(a,
			    "its machine was started anew, and it is compared with what its agent "
			    "of %s said first%s%s",
			    str_or_empty(since), agent ? "; " : "", str_or_empty(agent));
}

bool recall_has_two_looks(const struct upgrade *u, const struct world_node *n)
{
	const struct doc *usual = doc_get(u->usual.by_node, n->name);

	int64_t was, now;

	if (!str_eq(n->status->version, u->from.version) || !n->status->updated ||
	    (!health_may_refuse(n->status) && !recall_is_rebooted(u, n->status)))
		return true;
	return usual && str_eq(doc_find_str(usual, "status.bootID"), n->status->boot_id) &&
	       !clock_parse_rfc3339(str_or_empty(doc_find_str(usual, "status.updated")), &was) &&
	       !clock_parse_rfc3339(n->status->updated, &now) &&
	       now - was >= (int64_t)RECALL_APART_NS;
}

int64_t recall_restarts(const struct upgrade *u, const char *node)
{
	return doc_find_int(doc_get(u->previous.by_node, node), "restarts", INT64_MAX);
}

static bool names(const struct doc *list, const char *member, const char *uid)
{
	doc_foreach_item (list, d)
		if (str_eq(member ? doc_find_str(d, member) : doc_str(d), uid))
			return true;
	return false;
}

size_t recall_unready(const struct upgrade *u, const struct world_node *n, const char **ret_one)
{
	const struct doc *e = noted(u, G_ROOM, n->name);
	const struct doc *there = doc_find(e, "before.status.endpoints");
	size_t count = 0;

	for (size_t i = 0; i < n->n_unready; i++) {
		const struct world_pod *p = &n->unready[i];

		if (!names(there, "uid", p->uid) || names(doc_get(e, "unready"), NULL, p->uid))
			continue;
		if (!count++)
			*ret_one = p->name;
	}
	return count;
}
