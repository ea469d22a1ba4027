/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/faults.h"

#include "deploy/lab/apiserver/request.h"
#include "lib/base/str.h"
#include "lib/base/vec.h"
#include "lib/doc/bind.h"

enum { RULES_MAX = 100 };

/* One rule as written; "" matches anything. */
struct rule_text {
	const char *verb, *resource, *ns, *name, *user;
	int32_t times, skip, status, retry_after_s, delay_ms, after_events;
	const char *reason, *message;
	int cut, watch;
};

static const char *const cut_names[] = {"", "before", "after", NULL};
static const char *const watch_names[] = {"", "cut", "silent", "expire", NULL};

static const struct bind_field rule_fields[] = {
	BIND(struct rule_text, verb, "match.verb", BIND_STRING, 0),
	BIND(struct rule_text, resource, "match.resource", BIND_STRING, 0),
	BIND(struct rule_text, ns, "match.namespace", BIND_STRING, 0),
	BIND(struct rule_text, name, "match.name", BIND_STRING, 0),
	BIND(struct rule_text, user, "match.user", BIND_STRING, 0),
	BIND_RANGE(struct rule_text, times, "times", BIND_INT32, 0, -1, 1000000),
	BIND_RANGE(struct rule_text, skip, "skip", BIND_INT32, 0, 0, 1000000),
	BIND_RANGE(struct rule_text, status, "status", BIND_INT32, 0, 400, 599),
	BIND_RANGE(struct rule_text, retry_after_s, "retryAfterSeconds", BIND_INT32, 0, 0, 3600),
	BIND_RANGE(struct rule_text, delay_ms, "delayMs", BIND_INT32, 0, 0, 600000),
	BIND_RANGE(struct rule_text, after_events, "afterEvents", BIND_INT32, 0, 0, 1000000),
	BIND(struct rule_text, reason, "reason", BIND_STRING, 0),
	BIND(struct rule_text, message, "message", BIND_STRING, 0),
	BIND_NAMED(struct rule_text, cut, "cut", 0, cut_names),
	BIND_NAMED(struct rule_text, watch, "watch", 0, watch_names),
};
static BIND_TABLE(rule_table, struct rule_text, rule_fields);

struct document {
	struct rule_text *faults;
	size_t n_faults;
	bool forget_history, no_watch_list;
};

static const struct bind_field document_fields[] = {
	BIND_ITEMS(struct document, faults, "faults", 0, &rule_table),
	BIND(struct document, forget_history, "forgetHistory", BIND_BOOL, 0),
	BIND(struct document, no_watch_list, "noWatchList", BIND_BOOL, 0),
};
static BIND_TABLE(document_table, struct document, document_fields);

struct faults {
	struct arena arena;
	struct document doc;
};

struct faults *faults_new(void)
{
	return xcalloc(1, sizeof(struct faults));
}

void faults_free(struct faults *f)
{
	if (!f)
		return;
	arena_release(&f->arena);
	free(f);
}

int faults_set(struct faults *f, const struct doc *d, struct error *err)
{
	struct arena a = ARENA_INIT;
	struct bind_unknown unknown = {.arena = &a};
	struct document doc = {0};
	int e = d ? bind_decode(&a, &document_table, doc_clone(&a, d), "", &doc, &unknown, err) : 0;

	if (!e && unknown.n)
		e = error_set(err, -EINVAL, "faults: unknown field %s", unknown.items[0].path);
	if (!e && doc.n_faults > RULES_MAX)
		e = error_set(err, -E2BIG, "faults: more than %d rules", RULES_MAX);
	if (e) {
		arena_release(&a);
		return e;
	}
	for (size_t i = 0; i < doc.n_faults; i++)
		if (!doc.faults[i].times)
			doc.faults[i].times = -1;
	arena_release(&f->arena);
	f->arena = a;
	f->doc = doc;
	return 0;
}

struct doc *faults_show(const struct faults *f, struct arena *a)
{
	return bind_encode(a, &document_table, &f->doc);
}

bool faults_forget_history(const struct faults *f)
{
	return f->doc.forget_history;
}

bool faults_no_watch_list(const struct faults *f)
{
	return f->doc.no_watch_list;
}

static bool fits(const char *want, const char *have)
{
	return str_empty(want) || str_eq(want, "*") || str_eq(want, have);
}

static bool matches(const struct rule_text *t, const struct request *r)
{
	return t->times && fits(t->verb, verb_name(r->verb)) &&
	       fits(t->resource, r->target.plural) && fits(t->ns, r->target.ns) &&
	       fits(t->name, r->target.name) && fits(t->user, r->user);
}

bool faults_match(struct faults *f, const struct request *r, struct fault *ret)
{
	for (size_t i = 0; i < f->doc.n_faults; i++) {
		struct rule_text *t = &f->doc.faults[i];

		if (!matches(t, r))
			continue;
		if (t->skip) {
			t->skip--;
			continue;
		}
		if (t->times > 0)
			t->times--;
		*ret = (struct fault){
			.status = t->status,
			.reason = t->reason,
			.message = t->message,
			.retry_after_s = t->retry_after_s,
			.delay_ms = (uint64_t)t->delay_ms,
			.cut = (enum cut_kind)t->cut,
			.watch = {(enum watch_fault_kind)t->watch, (uint64_t)t->after_events},
		};
		return true;
	}
	return false;
}
