/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/list.h"

#include "deploy/lab/apiserver/server.h"
#include "lib/base/str.h"

bool list_wants(const struct request *r, const struct list_query *q, const struct revision *rev)
{
	const struct doc *d;

	if (*r->target.ns && !str_eq(r->target.ns, rev->ns))
		return false;
	if (*r->target.name && !str_eq(r->target.name, rev->name))
		return false;
	if (!q->labels.n && !q->fields.n)
		return true;
	d = revision_doc(rev);
	return selector_matches(&q->labels, doc_find(d, "metadata.labels")) &&
	       field_selector_matches(&q->fields, d);
}

void list_page_release(struct list_page *p)
{
	for (size_t i = 0; i < p->n; i++)
		revision_unref(p->items[i]);
	free(p->items);
	p->items = NULL;
	p->n = 0;
}

/* ---- continue tokens: "c1.VERSION.NAMESPACE/NAME", the last object of the page before ---- */

struct place {
	uint64_t version;
	const char *ns, *name;
};

static int token_parse(struct request *r, const char *token, struct place *ret)
{
	const char *dot, *slash;

	if (!str_starts(token, "c1.") || !(dot = strchr(token + 3, '.')) ||
	    !(slash = strchr(dot, '/')) ||
	    str_to_u64(arena_strndup(&r->arena, token + 3, (size_t)(dot - token - 3)), 1,
		       UINT64_MAX - 1, &ret->version, "version", NULL))
		return refuse_bad_request(&r->refusal, "continue key is not valid");
	ret->ns = arena_strndup(&r->arena, dot + 1, (size_t)(slash - dot - 1));
	ret->name = slash + 1;
	return 0;
}

/* ---- the shelf as it was ---- */

typedef VEC(struct revision *) revisions;

static size_t find(const revisions *v, const struct revision *r)
{
	size_t lo = 0, hi = v->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(v->items[mid]->ns, r->ns);

		if ((c ? c : strcmp(v->items[mid]->name, r->name)) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void undo(revisions *v, const struct event *e)
{
	size_t i = find(v, e->now);

	switch (e->type) {
	case EVENT_ADDED:
		vec_remove(v, i);
		break;
	case EVENT_MODIFIED:
		v->items[i] = e->before;
		break;
	case EVENT_DELETED:
		vec_push(v, NULL);
		memmove(&v->items[i + 1], &v->items[i], (v->n - 1 - i) * sizeof(*v->items));
		v->items[i] = e->before;
		break;
	}
}

/* Borrowed revisions, as they stood at version. -ESTALE when history does not reach back. */
static int state_at(const struct store *s, const struct shelf *sh, uint64_t version, revisions *ret)
{
	size_t first = store_history_count(s);

	if (version < store_version(s) && store_history_after(s, version, &first))
		return -ESTALE;
	for (size_t i = 0; i < shelf_count(sh); i++)
		vec_push(ret, shelf_at(sh, i));
	for (size_t i = store_history_count(s); i-- > first;)
		if (store_history_at(s, i)->shelf == sh)
			undo(ret, store_history_at(s, i));
	return 0;
}

/* ---- selection ---- */

static int too_new(struct request *r, uint64_t want, uint64_t have)
{
	struct doc *cause;

	refuse(&r->refusal, 504, "Timeout", "Too large resource version: %llu, current: %llu",
	       (unsigned long long)want, (unsigned long long)have);
	r->refusal.retry_after_s = 1;
	r->refusal.causes = doc_list(&r->arena);
	cause = doc_append(&r->arena, r->refusal.causes, doc_map(&r->arena));
	doc_set_string(&r->arena, cause, "reason", "ResourceVersionTooLarge");
	doc_set_string(&r->arena, cause, "message", "Too large resource version");
	return REFUSED;
}

static int expired(struct request *r, bool by_token)
{
	if (by_token)
		return refuse_expired(
			&r->refusal,
			"The provided continue parameter is too old to display a consistent "
			"list result. You can start a new list without the continue "
			"parameter.");
	return refuse_expired(&r->refusal, "The resourceVersion for the provided list is too old.");
}

static int check_match(struct request *r, const struct list_query *q)
{
	static const char *const known[] = {"Exact", "NotOlderThan", NULL};
	static const char field[] = "resourceVersionMatch";
	struct subject s = {"meta.k8s.io", NULL, "ListOptions", ""};
	struct causes c = {.arena = &r->arena};

	if (!*q->version_match)
		return 0;
	if (!str_eq(q->version_match, known[0]) && !str_eq(q->version_match, known[1]))
		cause_unsupported(&c, field, q->version_match, known);
	else if (!*q->version)
		cause_forbidden(
			&c, field,
			"resourceVersionMatch is forbidden unless resourceVersion is provided");
	else if (str_eq(q->version_match, "Exact") && str_eq(q->version, "0"))
		cause_forbidden(
			&c, field,
			"resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
	return refuse_causes(&r->refusal, s, &c);
}

/* Which version the list is of, and where it starts. */
static int choose_version(struct request *r, const struct list_query *q, struct place *at)
{
	uint64_t have = store_version(r->server->store), want = 0;

	*at = (struct place){have, NULL, NULL};
	if (*q->continue_token) {
		if (*q->version && !str_eq(q->version, "0"))
			return refuse_bad_request(
				&r->refusal,
				"specifying resource version is not allowed when using continue");
		return token_parse(r, q->continue_token, at);
	}
	if (check_match(r, q))
		return REFUSED;
	if (!*q->version)
		return 0;
	if (str_to_u64(q->version, 0, UINT64_MAX - 1, &want, "resourceVersion", NULL))
		return refuse_bad_request(&r->refusal,
					  "Invalid value: \"%s\": resourceVersion is not a number",
					  q->version);
	if (want > have)
		return too_new(r, want, have);
	if (str_eq(q->version_match, "Exact"))
		at->version = want;
	return 0;
}

static bool before(const struct revision *r, const struct place *at)
{
	int c = strcmp(r->ns, at->ns);

	return (c ? c : strcmp(r->name, at->name)) <= 0;
}

int list_select(struct request *r, const struct list_query *q, struct list_page *ret)
{
	revisions all = VEC_INIT, found = VEC_INIT;
	struct list_page p = {0};
	struct place at;
	size_t i;

	if (choose_version(r, q, &at))
		return REFUSED;
	if (state_at(r->server->store, r->res->shelf, at.version, &all)) {
		vec_release(&all);
		return expired(r, *q->continue_token);
	}
	p.version = at.version;
	for (i = 0; i < all.n; i++) {
		struct revision *rev = all.items[i];

		if ((at.name && before(rev, &at)) || !list_wants(r, q, rev))
			continue;
		if (q->limit && found.n == q->limit)
			break;
		vec_push(&found, revision_ref(rev));
	}
	for (; i < all.n; i++)
		p.remaining += list_wants(r, q, all.items[i]);
	if (p.remaining) {
		const struct revision *last = found.items[found.n - 1];

		p.next = arena_printf(&r->arena, "c1.%llu.%s/%s", (unsigned long long)at.version,
				      last->ns, last->name);
		p.has_remaining = !q->labels.n && !q->fields.n;
	}
	vec_release(&all);
	p.items = found.items;
	p.n = found.n;
	*ret = p;
	return 0;
}

/* ---- documents ---- */

static void list_meta(struct request *r, struct doc *list, const struct list_page *p)
{
	struct arena *a = &r->arena;
	struct doc *meta = doc_set_map(a, list, "metadata");

	doc_setf(a, meta, "resourceVersion", "%llu", (unsigned long long)p->version);
	doc_set_string(a, meta, "continue", p->next);
	if (p->has_remaining)
		doc_set_int(a, meta, "remainingItemCount", (int64_t)p->remaining);
}

/* The tree borrows the stored objects: it is written, not changed. */
static struct doc *borrow(const struct doc *d)
{
	return (struct doc *)(uintptr_t)d;
}

static struct doc *list_head(struct request *r, const struct list_page *p, const char *kind,
			     const char *version)
{
	struct doc *list = doc_map(&r->arena);

	doc_set_string(&r->arena, list, "kind", kind);
	doc_set_string(&r->arena, list, "apiVersion", version);
	list_meta(r, list, p);
	return list;
}

struct doc *list_document(struct request *r, const struct list_page *p)
{
	struct arena *a = &r->arena;
	struct doc *list, *items;

	if (r->output == AS_METADATA) {
		list = list_head(r, p, "PartialObjectMetadataList", "meta.k8s.io/v1");
		items = doc_set_list(a, list, "items");
		for (size_t i = 0; i < p->n; i++)
			doc_append(a, items, partial_metadata(a, revision_doc(p->items[i])));
		return list;
	}
	list = list_head(r, p, r->res->list_kind, resource_api_version(a, r->res));
	items = doc_set_list(a, list, "items");
	for (size_t i = 0; i < p->n; i++)
		doc_append(a, items, borrow(request_versioned(r, p->items[i])));
	return list;
}

static struct doc *list_table(struct request *r, const struct list_page *p)
{
	struct doc *table = table_new(&r->arena, r->res, true);

	list_meta(r, table, p);
	for (size_t i = 0; i < p->n; i++)
		table_add_row(&r->arena, table, r->res, request_versioned(r, p->items[i]),
			      r->include, server_now_s(r->server));
	return table;
}

/*
 * The common answer without building a tree: a head written from one, then the stored objects' own
 * JSON. With ten thousand pods this is what keeps a list cheap.
 */
static void reply_joined(struct request *r, const struct list_page *p)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	struct doc *head =
		list_head(r, p, r->res->list_kind, resource_api_version(&r->arena, r->res));

	doc_set_list(&r->arena, head, "items");
	doc_write_json(head, DOC_COMPACT, &sb);
	sb.len -= 2; /* "]}" of the empty list */
	for (size_t i = 0; i < p->n; i++) {
		if (i)
			strbuf_addc(&sb, ',');
		strbuf_add(&sb, p->items[i]->json, p->items[i]->json_len);
	}
	strbuf_adds(&sb, "]}");
	request_reply_json(r, 200, sb.buf, sb.len);
}

void list_list(struct request *r)
{
	struct list_query q;
	struct list_page p;

	if (request_list_query(r, &q) || list_select(r, &q, &p)) {
		request_reply_refusal(r);
		return;
	}
	if (r->output == AS_TABLE)
		request_reply_doc(r, 200, list_table(r, &p));
	else if (r->output == AS_OBJECT && !r->yaml && !(r->res->flags & RES_CUSTOM))
		reply_joined(r, &p);
	else
		request_reply_doc(r, 200, list_document(r, &p));
	list_page_release(&p);
}

void list_get(struct request *r)
{
	struct revision *found = shelf_get(r->res->shelf, r->target.ns, r->target.name);

	if (found) {
		request_reply_revision(r, 200, found);
	} else {
		refuse_not_found(&r->refusal, request_subject(r));
		request_reply_refusal(r);
	}
}
