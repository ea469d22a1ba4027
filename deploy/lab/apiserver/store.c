/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/lab/apiserver/storelog.h"
#include "lib/base/io.h"
#include "lib/base/map.h"
#include "lib/base/str.h"
#include "lib/base/vec.h"

enum { LOG_BYTES = 8 << 20, HISTORY = 10000, MAX_OBJECTS = 100000 };
#define STORE_FILE_LIMIT ((size_t)1 << 30)

struct shelf {
	char *name;
	VEC(struct revision *) items; /* sorted by (ns, name) */
	struct shelf *next;
};

struct store {
	struct store_options o;
	char *dir;
	uint64_t version;
	struct shelf *shelves;
	struct map shelf_by_name;
	struct map by_uid; /* uid -> struct holder */
	size_t objects;

	struct event *ring; /* o.history slots */
	size_t ring_first, ring_n;
	uint64_t forgotten; /* history holds every change after this version */

	unsigned generation; /* of the log being written */
	int log_fd;
	size_t log_len;

	store_event_fn observer;
	void *observer_arg;
	bool loading;
};

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

/* ---- files ---- */

static char *file_name(const struct store *s, const char *what, unsigned generation)
{
	return xasprintf("%s/%s.%u", s->dir, what, generation);
}

static void apply_entry(struct store *s, const struct storelog_entry *e)
{
	struct shelf *sh = store_shelf(s, e->shelf);

	if (e->op == STORELOG_PUT)
		apply_put(s, sh, revision_new(e->rv, e));
	else if (e->op == STORELOG_DELETE)
		apply_delete(s, sh, revision_new(e->rv, e));
}

/* Returns the number of bytes that were whole. */
static int replay(struct store *s, const struct strbuf *data, size_t *ret_good, struct error *err)
{
	struct storelog_entry e;
	size_t at = 0;

	for (;;) {
		int64_t n = storelog_read(data->buf + at, data->len - at, &e, err);

		if (n < 0)
			return (int)n;
		if (!n)
			break;
		apply_entry(s, &e);
		at += (size_t)n;
	}
	*ret_good = at;
	return 0;
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

/* A snapshot counts only when its closing frame is there. */
static int load_snapshot(struct store *s, const char *path, struct error *err)
{
	auto_release(strbuf) struct strbuf data = STRBUF_INIT;
	struct storelog_entry e;
	uint64_t version = 0;
	size_t at = 0;
	int r = io_read_file(path, STORE_FILE_LIMIT, &data, err);

	while (!r) {
		int64_t n = storelog_read(data.buf + at, data.len - at, &e, err);

		if (n <= 0)
			return n ? (int)n : error_set(err, -EBADMSG, "%s: cut short", path);
		if (e.op == STORELOG_SNAPSHOT)
			version = e.rv;
		else if (e.op == STORELOG_END)
			break;
		else
			apply_entry(s, &e);
		at += (size_t)n;
	}
	if (!r) {
		s->version = version;
		drop_history(s);
	}
	return r;
}

static int write_snapshot(struct store *s, unsigned generation, struct error *err)
{
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	auto_free char *path = file_name(s, "snapshot", generation);
	struct storelog_entry e = {.op = STORELOG_SNAPSHOT, .rv = s->version};

	storelog_write(&out, &e);
	for (struct shelf *sh = s->shelves; sh; sh = sh->next) {
		vec_foreach (&sh->items, it) {
			const struct revision *r = *it;

			e = (struct storelog_entry){STORELOG_PUT, r->rv,  sh->name, r->ns,
						    r->name,      r->uid, r->json,  r->json_len};
			storelog_write(&out, &e);
		}
	}
	e = (struct storelog_entry){.op = STORELOG_END, .rv = s->version};
	storelog_write(&out, &e);
	return io_write_file_atomic(path, out.buf, out.len, 0600, err);
}

static int open_log(struct store *s, unsigned generation, size_t keep, struct error *err)
{
	auto_free char *path = file_name(s, "log", generation);
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return error_errno(err, -errno, "%s", path);
	if (ftruncate(fd, (off_t)keep) || lseek(fd, 0, SEEK_END) < 0)
		return error_errno(err, -errno, "%s", path);
	if (s->log_fd >= 0)
		close(s->log_fd);
	s->log_fd = TAKE_FD(fd);
	s->log_len = keep;
	s->generation = generation;
	return 0;
}

static void remove_generation(struct store *s, unsigned generation)
{
	auto_free char *log = file_name(s, "log", generation);
	auto_free char *snapshot = file_name(s, "snapshot", generation);

	unlink(log);
	unlink(snapshot);
}

/*
 * The snapshot goes first: a crash between the two leaves a snapshot without its log, which is an
 * empty log. The generation before this one stays, so that history reaches back through it.
 */
static int rotate(struct store *s, struct error *err)
{
	unsigned next = s->generation + 1;
	int e = write_snapshot(s, next, err);

	if (!e)
		e = open_log(s, next, 0, err);
	if (!e && next >= 2)
		remove_generation(s, next - 2);
	return e;
}

static int append(struct store *s, const struct storelog_entry *entry, struct error *err)
{
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	int e;

	if (s->log_fd < 0)
		return 0;
	if (s->log_len > s->o.log_bytes) {
		e = rotate(s, err);
		if (e)
			return e;
	}
	storelog_write(&out, entry);
	e = io_write_all(s->log_fd, out.buf, out.len, err);
	if (!e && fdatasync(s->log_fd))
		e = error_errno(err, -errno, "store: fdatasync");
	if (!e)
		s->log_len += out.len;
	else if (ftruncate(s->log_fd, (off_t)s->log_len) ||
		 lseek(s->log_fd, (off_t)s->log_len, SEEK_SET) < 0)
		abort(); /* a half frame would hide every later one; what is on disk is whole */
	return e;
}

/* ---- opening ---- */

static bool has_file(const struct store *s, const char *what, unsigned generation)
{
	auto_free char *path = file_name(s, what, generation);

	return !access(path, F_OK);
}

static int replay_log(struct store *s, unsigned generation, struct error *err)
{
	auto_release(strbuf) struct strbuf data = STRBUF_INIT;
	auto_free char *path = file_name(s, "log", generation);
	size_t good = 0;
	int e = has_file(s, "log", generation) ? io_read_file(path, STORE_FILE_LIMIT, &data, err)
					       : 0;

	if (!e)
		e = replay(s, &data, &good, err);
	if (e)
		return e;
	if (good < data.len && s->o.log)
		log_warn(s->o.log, "%s: cut off %zu torn bytes at the end", path, data.len - good);
	return open_log(s, generation, good, err);
}

/* The highest generation that has a snapshot; 0 (an empty store) has none. */
static unsigned last_generation(const struct store *s)
{
	DIR *dir = opendir(s->dir);
	struct dirent *d;
	uint64_t n, last = 0;

	while (dir && (d = readdir(dir)))
		if (str_starts(d->d_name, "snapshot.") &&
		    !str_to_u64(d->d_name + strlen("snapshot."), 1, UINT32_MAX - 1, &n, "", NULL))
			last = MAX(last, n);
	if (dir)
		closedir(dir);
	return (unsigned)last;
}

/* Starts one generation early when that is still there: its log is history for watches. */
static int load(struct store *s, struct error *err)
{
	unsigned last = last_generation(s), first = last;
	int e = 0;

	if (last && has_file(s, "log", last - 1) &&
	    (last == 1 || has_file(s, "snapshot", last - 1)))
		first = last - 1;
	if (first) {
		auto_free char *path = file_name(s, "snapshot", first);

		e = load_snapshot(s, path, err);
	}
	for (unsigned g = first; !e && g <= last; g++)
		e = replay_log(s, g, err);
	return e;
}

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
			e = load(s, err);
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
	struct revision *r;
	int e;

	if (json.len > STORE_MAX_OBJECT_BYTES)
		return error_set(err, -E2BIG, "an object is larger than %u bytes",
				 STORE_MAX_OBJECT_BYTES);
	if (s->objects >= s->o.max_objects && !shelf_get(sh, entry.ns, entry.name))
		return error_set(err, -ENOSPC, "the store holds %zu objects, which is its limit",
				 s->objects);
	e = append(s, &entry, err);
	if (e)
		return e;
	r = revision_new(entry.rv, &entry);
	apply_put(s, sh, r);
	*ret_now = r;
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
	e = append(s, &entry, err);
	if (!e)
		apply_delete(s, sh, revision_new(entry.rv, &entry));
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
