/* SPDX-License-Identifier: Apache-2.0 */
/* Revisions: made, and kept alike on this machine and in the cluster. */
#include "upgrade/config_history_impl.h"

#include <ctype.h>
#include <string.h>

#include "lib/base/macros.h"
#include "lib/base/map.h"
#include "lib/base/str.h"
#include "lib/diff/diff.h"
#include "lib/object/sidestep.h"

#define META "revision.yaml"

const char *config_history_file(struct arena *a, const struct doc *object)
{
	const char *api = str_or_empty(doc_find_str(object, "apiVersion"));
	const char *slash = strchr(api, '/'), *ns = doc_find_str(object, "metadata.namespace");

	return arena_printf(a, "%s/%s%s%.*s/%s.yaml", str_empty(ns) ? "_cluster" : ns,
			    str_or_empty(doc_find_str(object, "kind")), slash ? "." : "",
			    slash ? (int)(slash - api) : 0, api,
			    str_or_empty(doc_find_str(object, "metadata.name")));
}

int config_history_newest(struct config_place *p, struct store_revision *ret_revision,
			  struct error *err)
{
	struct error why = ERROR_INIT;
	int r = store_find(p->store, p->arena, "newest", ret_revision, &why);

	if (r == -ENOENT) {
		*ret_revision = (struct store_revision){0};
		return 0;
	}
	return r ? error_set(err, r, "%s", why.msg) : 0;
}

int config_history_read(struct config_place *p, const struct store_revision *revision,
			struct snapshot *set, struct doc **ret_meta, struct error *err)
{
	struct store_file *files;
	size_t n;
	int r = store_files(p->store, set->arena, revision, &files, &n, err);

	if (ret_meta)
		*ret_meta = NULL;
	for (size_t i = 0; !r && i < n; i++) {
		struct doc *d = doc_clone(set->arena, files[i].doc);

		if (!str_eq(files[i].path, META))
			r = snapshot_add(set, d, err);
		else if (ret_meta)
			*ret_meta = d;
	}
	return r;
}

/* --- what a revision changes --- */

/* Of revision.yaml. */
static const char *const meta_fields[] = {"cluster", "name", "key", "run", "as"};

/* Revisions of older releases have none. */
static void set_created(struct arena *a, struct doc *d, const struct doc *from)
{
	const struct doc *created = doc_get(from, "created");

	if (created)
		doc_set(a, d, "created", doc_clone(a, created));
}

static struct doc *meta_doc(struct arena *a, const struct doc *revision)
{
	struct doc *d = doc_map(a);

	doc_set_string(a, d, "apiVersion", "sidestep.dev/v1alpha1");
	doc_set_string(a, d, "kind", "ConfigRevision");
	for (size_t i = 0; i < ARRAY_SIZE(meta_fields); i++)
		doc_set_string(a, d, meta_fields[i], doc_find_str(revision, meta_fields[i]));
	doc_set_int(a, d, "number", doc_find_int(revision, "number", 0));
	set_created(a, d, revision);
	return d;
}

static void add_file(struct arena *a, struct doc *files, const char *path, const struct doc *doc)
{
	struct doc *d = doc_append(a, files, doc_map(a));

	doc_set_string(a, d, "path", path);
	if (doc)
		doc_set(a, d, "doc", doc_clone(a, doc));
	else
		doc_set_bool(a, d, "gone", true);
}

/* As git gives it back, so that the same commit can be made of it again. */
static const char *trimmed(struct arena *a, const char *why)
{
	size_t n = strlen(str_or_empty(why));

	while (n && isspace((unsigned char)why[n - 1]))
		n--;
	return n ? arena_strndup(a, why, n) : "";
}

static struct doc *head(struct arena *a, const struct config_place *p, unsigned number,
			const char *parent, const struct store_note *note)
{
	struct doc *d = doc_map(a);

	doc_set_int(a, d, "number", number);
	doc_set_string(a, d, "parent", parent);
	doc_set_string(a, d, "who", note->who);
	doc_set_string(a, d, "email", note->email);
	doc_set_string(a, d, "why", trimmed(a, note->why));
	doc_set_string(a, d, "run", note->run);
	doc_set_int(a, d, "when", note->when_s);
	doc_set_string(a, d, "cluster", p->uid);
	doc_set_string(a, d, "name", p->name);
	if (p->has_key)
		doc_set_string(a, d, "key", secret_key_id(a, &p->key));
	doc_set_list(a, d, "files");
	return d;
}

struct doc *config_revision_make(struct arena *a, const struct config_place *p,
				 const struct store_revision *newest, const struct store_note *note,
				 const char *as, const struct snapshot *objects,
				 const struct snapshot *gone)
{
	struct doc *d = head(a, p, newest->number + 1, newest->id, note);
	struct doc *files = doc_get(d, "files");

	doc_set_string(a, d, "as", as);
	for (size_t i = 0; i < objects->n; i++)
		add_file(a, files, config_history_file(a, objects->items[i]),
			 diff_view(a, objects->items[i]));
	for (size_t i = 0; gone && i < gone->n; i++)
		add_file(a, files, config_history_file(a, gone->items[i]), NULL);
	return d;
}

/* The files of the parent with those of the revision over them, into m: path -> document. */
static int lay_over(struct config_place *p, const struct doc *revision, struct map *m,
		    struct error *err)
{
	struct store_revision parent;
	struct store_file *files;
	size_t n = 0;
	int r = 0;

	if (doc_find_str(revision, "parent")) {
		r = store_find(p->store, p->arena, doc_find_str(revision, "parent"), &parent, err);
		if (!r)
			r = store_files(p->store, p->arena, &parent, &files, &n, err);
	}
	for (size_t i = 0; !r && i < n; i++)
		map_set(m, files[i].path, (void *)(uintptr_t)files[i].doc);
	doc_foreach_item (doc_get(revision, "files"), f) {
		const char *path = str_or_empty(doc_find_str(f, "path"));

		if (doc_get(f, "doc"))
			map_set(m, path, doc_get(f, "doc"));
		else
			map_del(m, path);
	}
	map_set(m, META, meta_doc(p->arena, revision));
	return r;
}

static void read_note(const struct doc *revision, struct store_note *note)
{
	*note = (struct store_note){.who = doc_find_str(revision, "who"),
				    .email = doc_find_str(revision, "email"),
				    .why = str_or_empty(doc_find_str(revision, "why")),
				    .run = doc_find_str(revision, "run"),
				    .when_s = doc_find_int(revision, "when", 0)};
}

static int commit(struct config_place *p, const struct doc *revision,
		  struct store_revision *ret_revision, struct error *err)
{
	struct map m = MAP_INIT;
	struct store_file *files;
	struct store_note note;
	size_t n = 0;
	int r = lay_over(p, revision, &m, err);

	read_note(revision, &note);
	files = arena_array(p->arena, map_count(&m) + 1, struct store_file);
	map_foreach (&m, e)
		files[n++] = (struct store_file){arena_strdup(p->arena, map_key(e)), map_value(e)};
	if (!r)
		r = store_commit(p->store, p->arena, files, n, &note,
				 doc_find_str(revision, "parent"), ret_revision, err);
	map_release(&m);
	if (!r && doc_find_str(revision, "as"))
		r = store_name(p->store, ret_revision, doc_find_str(revision, "as"), err);
	return r;
}

int config_history_record(struct config_place *p, const struct doc *revision,
			  struct store_revision *ret_revision, struct error *err)
{
	const int64_t number = doc_find_int(revision, "number", 0);
	struct store_revision newest;
	int r = config_history_newest(p, &newest, err);

	if (r)
		return r;
	if (newest.number == number && str_eq(newest.note.run, doc_find_str(revision, "run")))
		*ret_revision = newest;
	else
		r = commit(p, revision, ret_revision, err);
	return r || !p->cluster ? r : config_history_push(p, err);
}

/* --- the cluster's copy --- */

const char *config_revision_object(const struct config_place *p, struct arena *a, unsigned number,
				   size_t piece)
{
	if (!piece)
		return arena_printf(a, "sidestep-config-%s-%u", p->name, number);
	return arena_printf(a, "sidestep-config-%s-%u.%zu", p->name, number, piece);
}

int config_revision_parse(struct arena *a, const char *text, size_t n, struct doc **ret_revision,
			  struct error *err)
{
	struct doc *d;
	int r = doc_read_json(a, text, n, NULL, &d, err);

	if (r)
		return r;
	if (doc_find_int(d, "number", 0) < 1 || !doc_get(d, "files") ||
	    doc_get(d, "files")->kind != DOC_LIST || !doc_find_str(d, "id"))
		return error_set(err, -EBADMSG, "this is no revision");
	doc_foreach_item (doc_get(d, "files"), f)
		if (str_empty(doc_find_str(f, "path")) ||
		    !doc_get(f, "doc") == !doc_bool_or(doc_get(f, "gone"), false))
			return error_set(err, -EBADMSG,
					 "this is no revision: a file of it is none");
	*ret_revision = d;
	return 0;
}

static int get_piece(struct config_place *p, unsigned number, size_t piece, struct doc **ret_map,
		     struct error *err)
{
	return cluster_get(p->cluster, p->arena, object_kind(KIND_CONFIG_MAP), CONFIG_HOME,
			   config_revision_object(p, p->arena, number, piece), ret_map, err);
}

/* *ret_revision NULL: the cluster has none of that number. */
int config_revision_fetch(struct config_place *p, unsigned number, struct doc **ret_revision,
			  struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	struct error why = ERROR_INIT;
	struct doc *map = NULL;
	uint64_t pieces = 1;
	int r = get_piece(p, number, 0, &map, err);

	*ret_revision = NULL;
	if (r || !map)
		return r;
	r = str_to_u64(str_or_empty(doc_find_str(map, "data.pieces")), 1, CONFIG_MAX_PIECES,
		       &pieces, "pieces", &why);
	for (size_t i = 0; !r && i < pieces; i++) {
		r = i ? get_piece(p, number, i, &map, &why) : 0;
		if (!r && !map)
			r = error_set(&why, -EBADMSG, "piece %zu is missing", i);
		if (!r)
			strbuf_adds(&text, str_or_empty(doc_find_str(map, "data.text")));
	}
	if (!r)
		r = config_revision_parse(p->arena, strbuf_cstr(&text), text.len, ret_revision,
					  &why);
	if (!r && doc_find_int(*ret_revision, "number", 0) != number)
		r = error_set(&why, -EBADMSG, "it is number %lld",
			      (long long)doc_find_int(*ret_revision, "number", 0));
	return r ? error_set(err, r, "revision %u as the cluster has it (ConfigMap %s/%s): %s",
			     number, CONFIG_HOME, config_revision_object(p, p->arena, number, 0),
			     why.msg)
		 : 0;
}

static int take(struct config_place *p, unsigned number, const struct doc *revision,
		struct error *err)
{
	struct store_revision made;
	int r = commit(p, revision, &made, err);

	if (!r && (made.number != number || !str_eq(made.id, doc_find_str(revision, "id"))))
		return error_set(err, -EBADMSG,
				 "revision %u as the cluster has it is not what its id %s says: "
				 "somebody has changed ConfigMap %s/%s",
				 number, str_or_empty(doc_find_str(revision, "id")), CONFIG_HOME,
				 config_revision_object(p, p->arena, number, 0));
	return r;
}

/* Our newest must be the cluster's of that number, if it has one. */
static int same_so_far(struct config_place *p, const struct store_revision *newest,
		       struct error *err)
{
	struct doc *theirs = NULL;
	int r = newest->number ? config_revision_fetch(p, newest->number, &theirs, err) : 0;

	if (!r && theirs && !str_eq(doc_find_str(theirs, "id"), newest->id))
		return error_set(err, -ESTALE,
				 "revision %u is %.12s here and %.12s in the cluster: the two "
				 "histories have parted; 'sidestep config fsck' says where, and "
				 "without the folder %s/%s the cluster's is taken",
				 newest->number, newest->id, doc_find_str(theirs, "id"), p->dir,
				 p->name);
	return r;
}

int config_history_pull(struct config_place *p, struct error *err)
{
	struct store_revision newest;
	struct doc *next = NULL;
	int r = config_history_newest(p, &newest, err);

	if (!r)
		r = same_so_far(p, &newest, err);
	for (unsigned n = newest.number + 1; !r; n++) {
		r = config_revision_fetch(p, n, &next, err);
		if (r || !next)
			return r;
		r = take(p, n, next, err);
	}
	return r;
}

/* What revision number changed, from the repository. */
int config_revision_delta(struct config_place *p, const struct store_revision *r,
			  struct doc **ret_doc, struct error *err)
{
	struct store_file *now, *before = NULL;
	struct map old = MAP_INIT;
	size_t n, m = 0;
	struct doc *d, *meta = NULL;
	int code = store_files(p->store, p->arena, r, &now, &n, err);

	if (!code && r->parent) {
		const struct store_revision parent = {.id = r->parent};

		code = store_files(p->store, p->arena, &parent, &before, &m, err);
	}
	if (code)
		return code;
	d = head(p->arena, p, r->number, r->parent, &r->note);
	doc_set_string(p->arena, d, "id", r->id);
	for (size_t i = 0; i < m; i++)
		map_set(&old, before[i].path, (void *)(uintptr_t)before[i].doc);
	for (size_t i = 0; i < n; i++) {
		const struct doc *was = map_del(&old, now[i].path);

		if (str_eq(now[i].path, META))
			meta = doc_clone(p->arena, now[i].doc);
		else if (!was || !doc_equal(was, now[i].doc))
			add_file(p->arena, doc_get(d, "files"), now[i].path, now[i].doc);
	}
	map_foreach (&old, e)
		add_file(p->arena, doc_get(d, "files"), map_key(e), NULL);
	map_release(&old);
	/* As it was when it was made: another key may have come since. */
	for (size_t i = 0; i < ARRAY_SIZE(meta_fields); i++) {
		doc_del(d, meta_fields[i]);
		doc_set_string(p->arena, d, meta_fields[i], doc_find_str(meta, meta_fields[i]));
	}
	set_created(p->arena, d, meta);
	*ret_doc = d;
	return 0;
}

static int cmp_files(const void *pa, const void *pb)
{
	return str_cmp(doc_find_str(*(const struct doc *const *)pa, "path"),
		       doc_find_str(*(const struct doc *const *)pb, "path"));
}

static struct doc *in_order(struct arena *a, const struct doc *revision)
{
	struct doc *d = doc_clone(a, revision), *files = doc_get(d, "files");

	doc_sort_keys(d);
	if (doc_len(files) > 1)
		qsort(files->list.items, files->list.n, sizeof(*files->list.items), cmp_files);
	return d;
}

bool config_revision_same(struct arena *a, const struct doc *x, const struct doc *y)
{
	return doc_equal(in_order(a, x), in_order(a, y));
}

/* Not in the middle of a character. */
static size_t piece_end(const struct strbuf *text, size_t at)
{
	size_t end = MIN(at + CONFIG_PIECE_BYTES, text->len);

	while (end < text->len && ((unsigned char)text->buf[end] & 0xc0) == 0x80)
		end--;
	return end;
}

static int made_by_another(unsigned number, struct error *err)
{
	return error_set(err, -ESTALE,
			 "somebody else has made revision %u of this configuration meanwhile: look "
			 "at it with 'sidestep config history'",
			 number);
}

static int put_piece(struct config_place *p, unsigned number, size_t piece, size_t pieces,
		     const char *text, struct error *err)
{
	struct arena *a = p->arena;
	const struct object_kind *k = object_kind(KIND_CONFIG_MAP);
	struct doc *d =
		kube_object_new(a, k, CONFIG_HOME, config_revision_object(p, a, number, piece));
	struct doc *labels = doc_set_map(a, doc_get(d, "metadata"), "labels"), *data, *there = NULL;
	struct kube_request request = {
		.verb = KUBE_CREATE, .kind = k, .namespace_ = CONFIG_HOME, .body = d};
	struct error why = ERROR_INIT;
	int r;

	doc_set_string(a, labels, SIDESTEP_MANAGED_BY_LABEL, SIDESTEP_MANAGED_BY);
	doc_set_string(a, labels, CONFIG_LABEL, p->name);
	doc_setf(a, labels, CONFIG_REVISION_LABEL, "%u", number);
	data = doc_set_map(a, d, "data");
	doc_setf(a, data, "pieces", "%zu", pieces);
	doc_set_string(a, data, "text", text);
	r = cluster_do(p->cluster, &request, a, NULL, &why);
	if (r != -EEXIST)
		return r ? error_set(err, r, "%s", why.msg) : 0;
	r = get_piece(p, number, piece, &there, err);
	if (r || (there && doc_equal(doc_get(there, "data"), data)))
		return r;
	if (!piece)
		return made_by_another(number, err);
	/* A piece that a killed run left, with no revision in front of it. */
	request.verb = KUBE_UPDATE;
	request.name = kube_name(d);
	return cluster_do(p->cluster, &request, a, NULL, err);
}

static int send(struct config_place *p, const struct store_revision *revision, struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	const char *texts[CONFIG_MAX_PIECES];
	struct doc *d;
	size_t n = 0;
	int r = config_revision_delta(p, revision, &d, err);

	if (r)
		return r;
	doc_write_json(d, DOC_COMPACT, &text);
	for (size_t at = 0, end; at < text.len; at = end) {
		end = piece_end(&text, at);
		if (n == CONFIG_MAX_PIECES)
			return error_set(err, -E2BIG, "revision %u changes more than %u MB",
					 revision->number,
					 (CONFIG_MAX_PIECES * CONFIG_PIECE_BYTES) >> 20);
		texts[n++] = arena_strndup(p->arena, text.buf + at, end - at);
	}
	/* The first piece last: with it the revision is there. */
	for (size_t i = n; !r && i-- > 0;)
		r = put_piece(p, revision->number, i, n, texts[i], err);
	return r;
}

int config_history_push(struct config_place *p, struct error *err)
{
	struct store_revision *list;
	struct doc *there = NULL;
	size_t n, first = 0;
	int r = store_history(p->store, p->arena, &list, &n, err);

	for (; !r && first < n; first++) {
		r = config_revision_fetch(p, list[first].number, &there, err);
		if (!r && there)
			break;
	}
	if (!r && there && !str_eq(doc_find_str(there, "id"), list[first].id))
		return made_by_another(list[first].number, err);
	while (!r && first-- > 0)
		r = send(p, &list[first], err);
	return r;
}
