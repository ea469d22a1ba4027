/* SPDX-License-Identifier: Apache-2.0 */
/* The verb diff: reads the sets, hides what is secret, compares, prints. */
#include <stdio.h>
#include <string.h>

#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "upgrade/config.h"
#include "upgrade/config_history.h"
#include "upgrade/config_left.h"

#define HOOK   "helm.sh/hook"
#define POLICY "helm.sh/resource-policy"

static const char *annotation(const struct doc *object, const char *key)
{
	return doc_str(doc_get(doc_find(object, "metadata.annotations"), key));
}

const char *config_object_ref(struct arena *a, const struct doc *object)
{
	const char *ns = doc_find_str(object, "metadata.namespace");

	return arena_printf(a, "%s/%s%s%s", str_or_empty(doc_find_str(object, "kind")),
			    str_or_empty(ns), str_empty(ns) ? "" : "/",
			    str_or_empty(doc_find_str(object, "metadata.name")));
}

void config_leave_out(struct config_scene *s, const struct doc *object, const char *why)
{
	struct arena *a = &s->arena;

	if (!s->left_out)
		s->left_out = doc_list(a);
	doc_append(a, s->left_out, doc_stringf(a, "%s: %s", config_object_ref(a, object), why));
}

/*
 * `helm template` prints hooks as well: a test's pod, a job that cleans up after the last of all
 * releases. Helm keeps them in no release, runs each at its time and removes it; made all at once
 * with the rest they would do harm.
 */
static void drop_hooks(struct config_scene *s, struct snapshot *set, bool tell)
{
	static const char why[] = "a Helm hook (%s), which Helm runs at its time and then removes; "
				  "without the annotation " HOOK " it is an object like any other";
	size_t n = 0;

	for (size_t i = 0; i < set->n; i++) {
		const char *hook = annotation(set->items[i], HOOK);

		if (!hook)
			set->items[n++] = set->items[i];
		else if (tell)
			config_leave_out(s, set->items[i], arena_printf(&s->arena, why, hook));
	}
	set->n = n;
}

static void index_files(struct config_scene *s, const struct snapshot *set, struct map *m)
{
	for (size_t i = 0; i < set->n; i++)
		map_set(m, config_history_file(&s->arena, set->items[i]), set->items[i]);
}

/* Whether it says that it outlives being wanted. */
static bool stays(struct config_scene *s, const struct doc *object)
{
	if (!str_eq(annotation(object, POLICY), "keep"))
		return false;
	config_leave_out(s, object,
			 "stays, though it is not wanted any more: it says " POLICY ": keep");
	return true;
}

/*
 * Of a kind that no table knows, a manifest without a namespace may belong into the default one:
 * where the other side has it there, it does.
 */
static void place_like(struct config_scene *s, struct snapshot *set, const struct snapshot *like)
{
	struct map there = MAP_INIT;

	index_files(s, like, &there);
	for (size_t i = 0; i < set->n; i++) {
		struct doc *meta = doc_get(set->items[i], "metadata");

		if (!meta || meta->kind != DOC_MAP || object_kind_of(set->items[i]) ||
		    doc_get(meta, "namespace"))
			continue;
		doc_set_string(&s->arena, meta, "namespace",
			       set->default_namespace ? set->default_namespace : "default");
		if (!map_has(&there, config_history_file(&s->arena, set->items[i])))
			doc_del(meta, "namespace");
	}
	map_release(&there);
}

/* Of what manifests are compared with: what they do not name, and what is to stay, is no matter. */
static void drop_kept(struct config_scene *s, struct snapshot *set)
{
	struct map named = MAP_INIT;
	size_t n = 0;

	index_files(s, &s->desired, &named);
	for (size_t i = 0; i < set->n; i++)
		if (map_has(&named, config_history_file(&s->arena, set->items[i])) ||
		    !stays(s, set->items[i]))
			set->items[n++] = set->items[i];
	set->n = n;
	map_release(&named);
}

static int read_set(struct config_scene *s, struct snapshot *set, const char *path,
		    const char *namespace, struct error *err)
{
	int r;

	set->arena = &s->arena;
	set->default_namespace = namespace;
	r = snapshot_read(set, path, err);
	if (!r)
		drop_hooks(s, set, set == &s->desired);
	return r;
}

int config_read_desired(struct config_scene *s, const struct config_diff_opts *o, struct error *err)
{
	int r = 0;

	for (size_t i = 0; !r && i < o->files.n; i++)
		r = read_set(s, &s->desired, o->files.items[i], o->namespace_, err);
	/* A renderer that failed says nothing at all; with --prune that would be the end of all. */
	if (!r && o->files.n && !s->desired.n)
		return error_set(err, -ENOENT, "%s%s: no object is in there: is it what was meant?",
				 o->files.items[0], o->files.n > 1 ? " and the others" : "");
	return r;
}

/* --- what was applied --- */

/* Digests of two keys do not compare: every secret would differ. */
static int same_key(const struct config_place *p, const struct store_revision *revision,
		    const struct doc *meta, struct error *err)
{
	const char *key = doc_find_str(meta, "key");

	if (!key || str_eq(key, secret_key_id(p->arena, &p->key)))
		return 0;
	return error_set(err, -EKEYREJECTED,
			 "revision %u was made with another key of digests (%s): give it with "
			 "--digest-key",
			 revision->number, key);
}

int config_read_applied(struct config_scene *s, struct config_place *place, bool all,
			struct store_revision *ret_newest, struct error *err)
{
	struct store_revision newest;
	struct snapshot set;
	struct map named = MAP_INIT;
	struct doc *meta = NULL;
	int r = config_history_newest(place, &newest, err);

	if (ret_newest)
		*ret_newest = newest;
	if (r || !newest.number)
		return r;
	index_files(s, &s->desired, &named);
	snapshot_init(&set, &s->arena);
	r = config_history_read(place, &newest, &set, &meta, err);
	if (!r)
		r = same_key(place, &newest, meta, err);
	s->created = doc_get(meta, "created");
	for (size_t i = 0; !r && i < set.n; i++) {
		const bool wanted = map_has(&named, config_history_file(&s->arena, set.items[i]));

		if (wanted || (all && !(s->desired.n && stays(s, set.items[i]))))
			r = snapshot_add(&s->applied, set.items[i], err);
	}
	s->hidden_applied = true;
	s->base_name = arena_printf(&s->arena, "revision %u", newest.number);
	snapshot_release(&set);
	map_release(&named);
	return r;
}

/* Nothing is wanted but what was applied. */
static int desired_of_history(struct config_scene *s, struct config_place *place, struct error *err)
{
	struct snapshot none = s->desired;
	int r = config_read_applied(s, place, true, NULL, err);

	if (!r && !s->base_name)
		return error_set(
			err, -ENOENT,
			"nothing was applied to configuration %s yet: say with -f what was",
			place->name);
	s->desired = s->applied;
	s->applied = none;
	s->hidden_desired = true;
	s->base_name = NULL;
	return r;
}

/*
 * The history says what was applied, where there is one; a comparison goes without when it cannot
 * be had (no right to read it, no folder to write to), and says so.
 */
static int read_history(struct config_scene *s, const struct config_diff_opts *o, struct cluster *c,
			struct secret_key *key, struct error *err)
{
	const bool needed = !o->files.n;
	struct config_place place;
	struct error why = ERROR_INIT;
	int r = config_place_open(&place, &s->arena, c, &o->where.place, &why);

	if (!needed && (r == -EACCES || r == -EROFS || r == -EPERM)) {
		fprintf(stderr, "without the history of this configuration: %s\n", why.msg);
		return 0;
	}
	if (r)
		return error_set(err, r, "%s", why.msg);
	if (!o->key)
		*key = place.key;
	if (needed)
		r = desired_of_history(s, &place, err);
	else if (!o->applied && !o->was_applied)
		r = config_read_applied(s, &place, o->prune, NULL, err);
	config_place_release(&place);
	return r;
}

static int read_cluster(struct config_scene *s, const struct config_diff_opts *o,
			struct secret_key *key, struct error *err)
{
	struct cluster c;
	int r = cluster_open(&c, &s->arena, o->where.kubeconfig, o->where.context, CONFIG_MANAGER,
			     err);

	if (r)
		return r;
	c.patience_ns = 1; /* somebody looks: better an answer now than one in a while */
	r = config_live_place(s, &c, err);
	if (!r)
		r = read_history(s, o, &c, key, err);
	if (!r)
		r = config_live_read(s, &c, err);
	if (!r && o->files.n && o->prune)
		config_leave(s, &o->deletes, NULL, err);
	cluster_release(&c);
	return r;
}

/* The sets that the desired one is compared with. */
static int read_others(struct config_scene *s, const struct config_diff_opts *o,
		       struct secret_key *key, struct error *err)
{
	int r = 0;

	s->live_name = o->against ? o->against : o->live ? o->live : "live";
	if (o->against) {
		r = read_set(s, &s->live, o->against, o->namespace_, err);
		place_like(s, &s->desired, &s->live);
		place_like(s, &s->live, &s->desired);
		drop_kept(s, &s->live);
		return r;
	}
	if (o->applied)
		r = read_set(s, &s->applied, o->applied, o->namespace_, err);
	if (r)
		return r;
	if (!o->live)
		return read_cluster(s, o, key, err);
	r = read_set(s, &s->live, o->live, o->namespace_, err);
	place_like(s, &s->desired, &s->live);
	place_like(s, &s->applied, &s->live);
	return r;
}

/* --- comparing --- */

struct doc *config_scene_plain(const struct config_scene *s, const struct doc *redacted)
{
	char key[32];

	snprintf(key, sizeof(key), "%p", (const void *)redacted);
	return map_get(&s->plain, key);
}

void config_scene_tell(struct config_scene *s, const struct doc *redacted, struct doc *plain)
{
	char key[32];

	snprintf(key, sizeof(key), "%p", (const void *)redacted);
	map_set(&s->plain, key, plain);
}

static void redact_set(struct config_scene *s, const struct secret_key *key, struct snapshot *set)
{
	for (size_t i = 0; i < set->n; i++) {
		struct doc *d = secret_redact(&s->arena, key, set->items[i]);

		/* Errors and reports say where an object was read, whatever it was made into. */
		d->file = set->items[i]->file;
		d->line = set->items[i]->line;
		d->col = set->items[i]->col;
		config_scene_tell(s, d, set->items[i]);
		set->items[i] = d;
	}
}

int config_key(const struct config_diff_opts *o, struct secret_key *ret_key, struct error *err)
{
	if (o->key) {
		*ret_key = *o->key;
		return 0;
	}
	return o->where.place.digest_key ? secret_key_read(o->where.place.digest_key, ret_key, err)
					 : secret_key_random(ret_key, err);
}

int config_scene_compare(struct config_scene *s, const struct config_diff_opts *o,
			 const struct secret_key *key, struct error *err)
{
	static const char *const us[] = {CONFIG_MANAGER, NULL};
	struct diff_input in = {.desired = &s->desired, .live = &s->live, .managers = us};

	if (!s->hidden_desired)
		redact_set(s, key, &s->desired);
	if (!s->hidden_applied)
		redact_set(s, key, &s->applied);
	if (!s->hidden_live)
		redact_set(s, key, &s->live);
	/* Two sets of manifests: what the other says is what was applied, and nobody changed it. */
	if (o->against)
		in.applied = &s->live;
	else if (o->applied || s->base_name)
		in.applied = &s->applied;
	if (o->was_applied)
		in.applied = &s->desired;
	/* An object that no revision has yet may have kubectl's note. */
	in.annotations = !in.applied || s->base_name;
	return diff_make(&s->diff, &s->arena, &in, err);
}

void config_scene_init(struct config_scene *s)
{
	memset(s, 0, sizeof(*s));
	snapshot_init(&s->desired, &s->arena);
	snapshot_init(&s->applied, &s->arena);
	snapshot_init(&s->live, &s->arena);
	snapshot_init(&s->let_go, &s->arena);
}

int config_scene_load(struct config_scene *s, const struct config_diff_opts *o, struct error *err)
{
	struct secret_key key;
	int r;

	config_scene_init(s);
	r = config_key(o, &key, err);
	if (!r)
		r = config_read_desired(s, o, err);
	if (!r)
		r = read_others(s, o, &key, err);
	return r ? r : config_scene_compare(s, o, &key, err);
}

void config_scene_release(struct config_scene *s)
{
	snapshot_release(&s->desired);
	snapshot_release(&s->applied);
	snapshot_release(&s->live);
	snapshot_release(&s->let_go);
	map_release(&s->plain);
	arena_release(&s->arena);
}

/* Two revisions: what the second would change of the first. */
static int load_revisions(struct config_scene *s, const struct config_diff_opts *o, char **words,
			  struct error *err)
{
	static const struct secret_key none;
	struct config_diff_opts as = *o;
	struct store_revision from, to;
	struct config_where w;
	int r = config_where_open(&w, &o->where, err);

	if (r)
		return r;
	s->hidden_desired = s->hidden_live = true;
	r = store_find(w.place.store, &s->arena, words[0], &from, err);
	if (!r)
		r = store_find(w.place.store, &s->arena, words[1], &to, err);
	if (!r)
		r = config_history_read(&w.place, &from, &s->live, NULL, err);
	if (!r)
		r = config_history_read(&w.place, &to, &s->desired, NULL, err);
	s->live_name = as.against = arena_printf(&s->arena, "revision %u", from.number);
	if (!r)
		r = config_scene_compare(s, &as, &none, err);
	config_where_release(&w);
	return r;
}

static int check_usage(const struct cli_call *call)
{
	const struct config_diff_opts *o = call->opts;
	const bool cluster = o->where.kubeconfig || o->where.context;

	if (call->n_args == 1)
		return cli_usage(call, "name two revisions, or none");
	if (call->n_args && (o->files.n || o->against || o->applied || o->live))
		return cli_usage(call, "two revisions are compared with each other: they take "
				       "neither -f, --against, --applied nor --live");
	if (!call->n_args && o->files.n == 0)
		return cli_usage(call,
				 "say with -f which manifests are wanted (- is standard input)");
	if (!call->n_args && o->where.place.repository)
		return cli_usage(call, "--repository is for comparing two revisions");
	if (o->against && (o->applied || o->live || cluster))
		return cli_usage(call, "--against compares two sets of manifests: it takes neither "
				       "--applied, --live nor a cluster");
	return 0;
}

int verb_diff(const struct cli_call *call, struct error *err)
{
	const struct config_diff_opts *o = call->opts;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct config_scene s;
	bool pending = false;
	int r = check_usage(call);

	if (r)
		return r;
	if (call->n_args) {
		config_scene_init(&s);
		r = load_revisions(&s, o, call->args, err);
	} else {
		r = config_scene_load(&s, o, err);
	}
	if (!r) {
		doc_foreach_item (s.left_out, d)
			fprintf(call->err, "left out: %s\n", doc_str(d));
		config_print(&s, (enum config_format)o->output, (size_t)o->context_lines, &out);
		fwrite(strbuf_cstr(&out), 1, out.len, call->out);
		pending = diff_pending(&s.diff);
	}
	config_scene_release(&s);
	if (r)
		return r;
	return pending && o->detailed_exit ? CLI_CHANGES : CLI_OK;
}
