/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/store.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deploy/lab/apiserver/store_impl.h"
#include "lib/base/io.h"
#include "lib/base/str.h"

enum { LOG_BYTES = 8 << 20, HISTORY = 10000, MAX_OBJECTS = 100000 };

/* What the uid index points to. */
struct holder {
	struct shelf *shelf;
	struct revision *rev;
};

/* ---- revisions ---- */

static struct revision *revision_new(uint64_t rv, const struct storelog_entry *e)
{
	struct revision *r = xcalloc(1, sizeof(*r));

	r->refs = 1;
	r->rv = rv;
	r->ns = arena_strdup(&r->arena, e->ns);
	r->name = arena_strdup(&r->arena, e->name);
	r->uid = arena_strdup(&r->arena, e->uid);
	r->json = arena_memdup(&r->arena, e->json, e->json_len);
	r->json_len = e->json_len;
	return r;
}

const struct doc *revision_doc(const struct revision *r)
{
	struct revision *w = (struct revision *)(uintptr_t)r; /* a cache, not a change */

	if (!w->doc && doc_read_json(&w->arena, w->json, w->json_len, NULL, &w->doc, NULL))
		w->doc = doc_map(&w->arena);
	return w->doc;
}

struct revision *revision_ref(struct revision *r)
{
	r->refs++;
	return r;
}

void revision_unref(struct revision *r)
{
	if (!r || --r->refs)
		return;
	arena_release(&r->arena);
	free(r);
}

/* ---- shelves ---- */

static int compare(const struct revision *r, const char *ns, const char *name)
{
	int c = strcmp(r->ns, ns);

	return c ? c : strcmp(r->name, name);
}

size_t shelf_lower_bound(const struct shelf *sh, const char *ns, const char *name)
{
	size_t lo = 0, hi = sh->items.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (compare(sh->items.items[mid], ns, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct revision *shelf_get(const struct shelf *sh, const char *ns, const char *name)
{
	size_t i = shelf_lower_bound(sh, ns, name);

	return i < sh->items.n && !compare(sh->items.items[i], ns, name) ? sh->items.items[i]
									 : NULL;
}

size_t shelf_count(const struct shelf *sh)
{
	return sh->items.n;
}

struct revision *shelf_at(const struct shelf *sh, size_t i)
{
	return sh->items.items[i];
}

const char *shelf_name(const struct shelf *sh)
{
	return sh->name;
}

struct shelf *store_first_shelf(const struct store *s)
{
	return s->shelves;
}

struct shelf *store_next_shelf(const struct shelf *sh)
{
	return sh->next;
}

struct shelf *store_shelf(struct store *s, const char *name)
{
	struct shelf *sh = map_get(&s->shelf_by_name, name);

	if (sh)
		return sh;
	sh = xcalloc(1, sizeof(*sh));
	sh->name = xstrdup(name);
	sh->next = s->shelves;
	s->shelves = sh;
	map_set(&s->shelf_by_name, name, sh);
	return sh;
}

struct revision *store_by_uid(const struct store *s, const char *uid, struct shelf **ret_shelf)
{
	const struct holder *h = uid ? map_get(&s->by_uid, uid) : NULL;

	if (!h)
		return NULL;
	if (ret_shelf)
		*ret_shelf = h->shelf;
	return h->rev;
}

static void index_uid(struct store *s, struct shelf *sh, struct revision *r)
{
	struct holder *h;

	if (str_empty(r->uid))
		return;
	h = map_get(&s->by_uid, r->uid);
	if (!h) {
		h = xcalloc(1, sizeof(*h));
		map_set(&s->by_uid, r->uid, h);
	}
	*h = (struct holder){sh, r};
}

/* ---- applying changes to memory ---- */

/* Takes over one reference to each of the event's revisions. */
static void remember(struct store *s, struct event e)
{
	struct event *slot;

	if (s->ring_n == s->o.history) {
		slot = &s->ring[s->ring_first];
		s->forgotten = slot->rv;
		revision_unref(slot->now);
		revision_unref(slot->before);
		s->ring_first = (s->ring_first + 1) % s->o.history;
		s->ring_n--;
	}
	s->ring[(s->ring_first + s->ring_n++) % s->o.history] = e;
	s->version = e.rv;
	if (s->observer && !s->loading)
		s->observer(s->observer_arg, &e);
}

static void apply_put(struct store *s, struct shelf *sh, struct revision *r)
{
	size_t i = shelf_lower_bound(sh, r->ns, r->name);
	bool exists = i < sh->items.n && !compare(sh->items.items[i], r->ns, r->name);
	struct revision *before = NULL;

	if (exists) {
		before = sh->items.items[i];
		if (!str_eq(before->uid, r->uid))
			free(map_del(&s->by_uid, before->uid));
		sh->items.items[i] = r;
	} else {
		vec_push(&sh->items, r);
		memmove(&sh->items.items[i + 1], &sh->items.items[i],
			(sh->items.n - 1 - i) * sizeof(*sh->items.items));
		sh->items.items[i] = r;
		s->objects++;
	}
	index_uid(s, sh, r);
	remember(s, (struct event){.rv = r->rv,
				   .type = before ? EVENT_MODIFIED : EVENT_ADDED,
				   .shelf = sh,
				   .now = revision_ref(r),
				   .before = before});
}

static void apply_delete(struct store *s, struct shelf *sh, struct revision *last)
{
	size_t i = shelf_lower_bound(sh, last->ns, last->name);
	struct revision *before = NULL;

	if (i < sh->items.n && !compare(sh->items.items[i], last->ns, last->name)) {
		before = sh->items.items[i];
		free(map_del(&s->by_uid, before->uid));
		vec_remove(&sh->items, i);
		s->objects--;
	}
	remember(s, (struct event){.rv = last->rv,
				   .type = EVENT_DELETED,
				   .shelf = sh,
				   .now = last,
				   .before = before});
}

static void drop_history(struct store *s)
{
	while (s->ring_n) {
		struct event *e = &s->ring[s->ring_first];

		revision_unref(e->now);
		revision_unref(e->before);
		s->ring_first = (s->ring_first + 1) % s->o.history;
		s->ring_n--;
	}
	s->forgotten = s->version;
}

void store_forget_history(struct store *s)
{
	drop_history(s);
}

void store_apply(struct store *s, const struct storelog_entry *e)
{
	struct shelf *sh = store_shelf(s, e->shelf);

	if (e->op == STORELOG_PUT)
		apply_put(s, sh, revision_new(e->rv, e));
	else if (e->op == STORELOG_DELETE)
		apply_delete(s, sh, revision_new(e->rv, e));
}

void store_begin_at(struct store *s, uint64_t version)
{
	s->version = version;
	drop_history(s);
}

/* ---- life ---- */

int store_open(const struct store_options *o, struct store **ret_store, struct error *err)
{
	struct store *s = xcalloc(1, sizeof(*s));
	int e = 0;

	s->o = *o;
	s->o.log_bytes = o->log_bytes ? o->log_bytes : LOG_BYTES;
	s->o.history = o->history ? o->history : HISTORY;
	s->o.max_objects = o->max_objects ? o->max_objects : MAX_OBJECTS;
	s->dir = xstrdup(o->dir);
	s->version = s->forgotten = 1;
	s->log_fd = -1;
	s->ring = xcalloc(s->o.history, sizeof(*s->ring));
	if (s->dir) {
		s->loading = true;
		e = io_mkdirs(s->dir, 0700, err);
		if (!e)
			e = store_load(s, err);
		s->loading = false;
	}
	if (e) {
		store_free(s);
		return e;
	}
	*ret_store = s;
	return 0;
}

static void shelf_free(struct shelf *sh)
{
	vec_foreach (&sh->items, it)
		revision_unref(*it);
	vec_release(&sh->items);
	free(sh->name);
	free(sh);
}

void store_free(struct store *s)
{
	struct shelf *next;

	if (!s)
		return;
	drop_history(s);
	for (struct shelf *sh = s->shelves; sh; sh = next) {
		next = sh->next;
		shelf_free(sh);
	}
	map_foreach (&s->by_uid, e)
		free(map_value(e));
	map_release(&s->by_uid);
	map_release(&s->shelf_by_name);
	if (s->log_fd >= 0)
		close(s->log_fd);
	free(s->ring);
	free(s->dir);
	free(s);
}

void store_on_event(struct store *s, store_event_fn fn, void *arg)
{
	s->observer = fn;
	s->observer_arg = arg;
}

uint64_t store_version(const struct store *s)
{
	return s->version;
}

/* ---- changes ---- */

/* The entry's strings are borrowed from object and json. */
static struct storelog_entry make_entry(struct store *s, enum storelog_op op, struct shelf *sh,
					struct arena *a, struct doc *object, struct strbuf *json)
{
	struct doc *meta = doc_set_map(a, object, "metadata");

	doc_setf(a, meta, "resourceVersion", "%llu", (unsigned long long)s->version + 1);
	doc_write_json(object, DOC_COMPACT, json);
	return (struct storelog_entry){
		.op = op,
		.rv = s->version + 1,
		.shelf = sh->name,
		.ns = str_or_empty(doc_str(doc_get(meta, "namespace"))),
		.name = str_or_empty(doc_str(doc_get(meta, "name"))),
		.uid = str_or_empty(doc_str(doc_get(meta, "uid"))),
		.json = strbuf_cstr(json),
		.json_len = json->len,
	};
}

int store_put(struct store *s, struct shelf *sh, struct arena *a, struct doc *object,
	      struct revision **ret_now, struct error *err)
{
	auto_release(strbuf) struct strbuf json = STRBUF_INIT;
	struct storelog_entry entry = make_entry(s, STORELOG_PUT, sh, a, object, &json);
	int e;

	if (json.len > STORE_MAX_OBJECT_BYTES)
		return error_set(err, -E2BIG, "an object is larger than %u bytes",
				 STORE_MAX_OBJECT_BYTES);
	if (s->objects >= s->o.max_objects && !shelf_get(sh, entry.ns, entry.name))
		return error_set(err, -ENOSPC, "the store holds %zu objects, which is its limit",
				 s->objects);
	e = store_append(s, &entry, err);
	if (e)
		return e;
	store_apply(s, &entry);
	*ret_now = shelf_get(sh, entry.ns, entry.name);
	return 0;
}

int store_delete(struct store *s, struct shelf *sh, struct arena *a, struct doc *last,
		 struct error *err)
{
	auto_release(strbuf) struct strbuf json = STRBUF_INIT;
	struct storelog_entry entry = make_entry(s, STORELOG_DELETE, sh, a, last, &json);
	int e;

	if (!shelf_get(sh, entry.ns, entry.name))
		return error_set(err, -ENOENT, "%s: no object %s/%s", sh->name, entry.ns,
				 entry.name);
	e = store_append(s, &entry, err);
	if (!e)
		store_apply(s, &entry);
	return e;
}

/* ---- history ---- */

const struct event *store_history_at(const struct store *s, size_t i)
{
	return &s->ring[(s->ring_first + i) % s->o.history];
}

size_t store_history_count(const struct store *s)
{
	return s->ring_n;
}

int store_history_after(const struct store *s, uint64_t rv, size_t *ret_index)
{
	size_t lo = 0, hi = s->ring_n;

	if (rv < s->forgotten)
		return -ESTALE;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (store_history_at(s, mid)->rv <= rv)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret_index = lo;
	return 0;
}
