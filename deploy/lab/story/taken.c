/* SPDX-License-Identifier: Apache-2.0 */
/* What went wrong, when and on which edge, and what of it kills took with them. */
#include <math.h>
#include <string.h>

#include "deploy/lab/story/story.h"
#include "lib/base/str.h"

struct doc *story_recent(struct story *s, const struct counts *c)
{
	struct doc *list = doc_list(&s->arena);

	doc_foreach_item (c->recent, r) {
		int64_t at;

		if (clock_parse_rfc3339(str_or_empty(doc_str(doc_get(r, "at"))), &at) == 0 &&
		    at >= s->counting_wall_ns)
			doc_append(&s->arena, list, doc_clone(&s->arena, r));
	}
	return list;
}

static bool is_of(const struct doc *r, const struct count_edge *edge)
{
	return str_eq(doc_str(doc_get(r, "client")), edge->client) &&
	       str_eq(doc_str(doc_get(r, "target")), edge->target) &&
	       str_eq(doc_str(doc_get(r, "how")), edge->how);
}

static double when_of(const struct story *s, const struct doc *r)
{
	int64_t at = 0;

	clock_parse_rfc3339(str_or_empty(doc_str(doc_get(r, "at"))), &at);
	return (double)(at - s->began_wall_ns) / 1e9;
}

static bool is_request(const struct doc *r)
{
	const char *kind = doc_str(doc_get(r, "kind"));

	return !str_eq(kind, "lost") && !str_eq(kind, "got through");
}

int64_t story_recent_count(const struct story *s, const struct doc *recent, double from, double to,
			   const struct count_edge *edge, bool by_kill)
{
	int64_t n = 0;

	doc_foreach_item (recent, r) {
		const double when = when_of(s, r);

		if (!is_request(r) || by_kill != (doc_get(r, "kill") != NULL))
			continue;
		n += edge ? is_of(r, edge) : when >= from && when < to;
	}
	return n;
}

/* The sample of that second. */
static const struct story_sample *sample_at(const struct story *s, double at)
{
	static const struct story_sample none = {0};
	const struct story_sample *found = &none;

	for (size_t i = 0; i < s->samples.n && s->samples.items[i].at_s <= at; i++)
		found = &s->samples.items[i];
	return found;
}

int64_t story_lost_between(const struct story *s, double from, double to)
{
	return sample_at(s, to)->lost - sample_at(s, from)->lost;
}

/* Connections that are told of, which no kill took. */
static int64_t recent_lost(const struct story *s, const struct doc *recent, double from, double to)
{
	int64_t n = 0;

	doc_foreach_item (recent, r)
		n += str_eq(doc_str(doc_get(r, "kind")), "lost") && !doc_get(r, "kill") &&
		     when_of(s, r) >= from && when_of(s, r) < to;
	return n;
}

const char *story_losses(struct story *s, const struct doc *recent, double from, double to)
{
	int64_t failed =
		recent ? story_recent_count(s, recent, from, to, NULL, false)
		       : sample_at(s, to)->totals.failed - sample_at(s, from)->totals.failed;
	int64_t lost = recent ? recent_lost(s, recent, from, to) : story_lost_between(s, from, to);

	if (!failed && !lost)
		return NULL;
	return arena_printf(&s->arena, "meanwhile %s requests failed and %s connections were lost",
			    count_text(&s->arena, failed), count_text(&s->arena, lost));
}

static struct doc *seconds(struct story *s, int64_t from, int64_t to)
{
	return doc_real(&s->arena, round((double)(to - from) / 1e7) / 100);
}

static void set_seconds(struct story *s, struct doc *d, const char *key, int64_t from, int64_t to)
{
	doc_set(&s->arena, d, key, to ? seconds(s, from, to) : doc_null(&s->arena));
}

/* A sidecar's or a workload's, with its life and what it took; recent[].kill counts among these. */
static struct doc *pod_kill_doc(struct story *s, const struct kill_record *k)
{
	struct arena *a = &s->arena;
	struct doc *d = doc_map(a);

	doc_set(a, d, "at", seconds(s, s->began_wall_ns, k->killed_ns));
	doc_set_string(a, d, "what", kill_what_name(k->what));
	doc_set_string(a, d, "by", k->foreign ? "somebody else" : "the story");
	doc_set_string(a, d, "pod", arena_printf(a, "%s/%s", k->namespace, k->pod));
	doc_set_string(a, d, "container", k->container);
	doc_set_int(a, d, "pid", k->pid);
	set_seconds(s, d, "out_of_endpoints_after_s", k->killed_ns, k->out_ns);
	set_seconds(s, d, "ready_after_s", k->killed_ns, k->ready_ns);
	set_seconds(s, d, "deleted_after_s", k->killed_ns, k->gone_ns);
	doc_set_int(a, d, "requests", k->requests);
	doc_set_int(a, d, "connections", k->connections);
	return d;
}

struct doc *story_kills_doc(struct story *s)
{
	struct doc *list = doc_list(&s->arena);

	vec_foreach (&s->hits.kills, k)
		doc_append(&s->arena, list, pod_kill_doc(s, k));
	doc_foreach_item (s->kills, d)
		doc_append(&s->arena, list, d);
	return list;
}
