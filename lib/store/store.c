/* SPDX-License-Identifier: Apache-2.0 */
/* Revisions as commits: made, found, listed. */
#include <ctype.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/macros.h"
#include "lib/base/map.h"
#include "lib/base/str.h"
#include "lib/base/vec.h"
#include "lib/store/store_impl.h"

#define BRANCH  "refs/heads/main"
#define TAGS    "refs/tags/"
#define TRAILER "Run: "
#define NO_RUN  "none"

int store_git_error(struct error *err, int git, const char *what)
{
	const git_error *e = git_error_last();
	int code = -EIO;

	if (git == GIT_ENOTFOUND)
		code = -ENOENT;
	else if (git == GIT_EEXISTS)
		code = -EEXIST;
	else if (git == GIT_EINVALIDSPEC || git == GIT_EAMBIGUOUS)
		code = -EINVAL;
	else if (git == GIT_EMODIFIED || git == GIT_ELOCKED)
		code = -ESTALE;
	return error_set(err, code, "%s: %s", what, e && e->message ? e->message : "git failed");
}

static int open_or_make(git_repository **ret_repo, const char *path, bool make)
{
	git_repository_init_options options;
	int r = git_repository_open_bare(ret_repo, path);

	if (r != GIT_ENOTFOUND || !make)
		return r;
	git_repository_init_options_init(&options, GIT_REPOSITORY_INIT_OPTIONS_VERSION);
	options.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKPATH |
			GIT_REPOSITORY_INIT_NO_REINIT;
	options.initial_head = "main";
	return git_repository_init_ext(ret_repo, path, &options);
}

int store_open_at(const char *path, bool make, struct store **ret_store, struct error *err)
{
	struct store *s = xcalloc(1, sizeof(*s));
	int r;

	git_libgit2_init();
	git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
	r = open_or_make(&s->repo, path, make);
	if (r < 0) {
		r = store_git_error(err, r, path);
		store_close(s);
		return r;
	}
	*ret_store = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	git_repository_free(s->repo);
	git_libgit2_shutdown();
	free(s);
}

/* The commit at the branch's end; NULL with 0 when nothing was committed yet. */
static int newest(struct store *s, git_commit **ret_commit, struct error *err)
{
	git_oid id;
	int r = git_reference_name_to_id(&id, s->repo, BRANCH);

	*ret_commit = NULL;
	if (r == GIT_ENOTFOUND)
		return 0;
	if (!r)
		r = git_commit_lookup(ret_commit, s->repo, &id);
	return r < 0 ? store_git_error(err, r, "the newest revision") : 0;
}

static const char *id_text(struct arena *a, const git_oid *id)
{
	char buf[GIT_OID_HEXSZ + 1];

	return arena_strdup(a, git_oid_tostr(buf, sizeof(buf), id));
}

/* The last trailer is ours, whatever somebody wrote above it. */
static void read_message(struct arena *a, const char *message, struct store_note *note)
{
	const char *at = message, *last = NULL;
	size_t n;

	for (at = strstr(message, "\n" TRAILER); at; at = strstr(at + 1, "\n" TRAILER))
		last = at;
	n = last ? (size_t)(last - message) : strlen(message);
	while (n && isspace((unsigned char)message[n - 1]))
		n--;
	note->why = arena_strndup(a, message, n);
	if (!last)
		return;
	last += 1 + strlen(TRAILER);
	note->run = arena_strndup(a, last, strcspn(last, "\n"));
	if (str_eq(note->run, NO_RUN))
		note->run = NULL;
}

static void read_commit(struct arena *a, const git_commit *c, unsigned number,
			struct store_revision *r)
{
	const git_signature *author = git_commit_author(c);
	const git_oid *parent = git_commit_parent_id(c, 0);

	memset(r, 0, sizeof(*r));
	r->number = number;
	r->id = id_text(a, git_commit_id(c));
	r->parent = parent ? id_text(a, parent) : NULL;
	r->note.who = arena_strdup(a, author->name);
	r->note.email = str_empty(author->email) ? NULL : arena_strdup(a, author->email);
	r->note.when_s = author->when.time;
	read_message(a, git_commit_message(c), &r->note);
}

/* id -> name, of every tag. */
static int read_names(struct store *s, struct arena *a, struct map *names, struct error *err)
{
	git_reference_iterator *it = NULL;
	git_reference *ref;
	int r = git_reference_iterator_glob_new(&it, s->repo, TAGS "*");

	if (r < 0)
		return store_git_error(err, r, "names of revisions");
	while (git_reference_next(&ref, it) == 0) {
		const git_oid *id = git_reference_target(ref);

		if (id)
			map_set(names, id_text(a, id),
				arena_strdup(a, git_reference_name(ref) + strlen(TAGS)));
		git_reference_free(ref);
	}
	git_reference_iterator_free(it);
	return 0;
}

int store_history(struct store *s, struct arena *a, struct store_revision **ret_revisions,
		  size_t *ret_n, struct error *err)
{
	VEC(git_commit *) chain = VEC_INIT;
	struct map names = MAP_INIT;
	struct store_revision *list;
	git_commit *c;
	int r = newest(s, &c, err);

	while (!r && c) {
		vec_push(&chain, c);
		if (chain.n > STORE_MAX_REVISIONS)
			r = error_set(err, -E2BIG, "more than %u revisions", STORE_MAX_REVISIONS);
		else if (!git_commit_parentcount(c))
			c = NULL;
		else if (git_commit_parent(&c, c, 0) < 0)
			r = store_git_error(err, GIT_ERROR, "a revision's parent");
	}
	if (!r)
		r = read_names(s, a, &names, err);
	list = arena_array(a, chain.n + 1, struct store_revision);
	for (size_t i = 0; i < chain.n; i++) {
		read_commit(a, chain.items[i], (unsigned)(chain.n - i), &list[i]);
		list[i].name = map_get(&names, list[i].id);
		git_commit_free(chain.items[i]);
	}
	map_release(&names);
	if (!r) {
		*ret_revisions = list;
		*ret_n = chain.n;
	}
	vec_release(&chain);
	return r;
}

/* The id that a tag of that name points at; NULL when there is none. */
static const char *named(struct store *s, struct arena *a, const char *word)
{
	git_oid id;

	if (git_reference_name_to_id(&id, s->repo, arena_printf(a, TAGS "%s", word)) < 0)
		return NULL;
	return id_text(a, &id);
}

static bool is_it(const struct store_revision *r, const char *word, const char *tagged,
		  uint64_t number)
{
	const size_t n = strlen(word);

	if (tagged)
		return str_eq(r->id, tagged);
	if (number)
		return r->number == number;
	return n >= 7 && strncmp(r->id, word, n) == 0;
}

int store_find(struct store *s, struct arena *a, const char *word,
	       struct store_revision *ret_revision, struct error *err)
{
	const char *tagged = named(s, a, word);
	struct store_revision *list;
	uint64_t number = 0;
	size_t n, at = SIZE_MAX;
	int r = store_history(s, a, &list, &n, err);

	if (r)
		return r;
	if (strlen(word) < 7)
		str_to_u64(word, 1, STORE_MAX_REVISIONS, &number, "", NULL);
	for (size_t i = 0; i < n; i++) {
		if (str_eq(word, "newest") ? i > 0 : !is_it(&list[i], word, tagged, number))
			continue;
		if (at != SIZE_MAX)
			return error_set(err, -EINVAL, "%s is the beginning of several ids", word);
		at = i;
	}
	if (at == SIZE_MAX && !n)
		return error_set(err, -ENOENT, "there is no revision %s, nor any other yet", word);
	if (at == SIZE_MAX)
		return error_set(err, -ENOENT,
				 "there is no revision %s: give a number from 1 to %zu, a name, or "
				 "the beginning of an id",
				 word, n);
	*ret_revision = list[at];
	return 0;
}

/* What begins with a digit is a number or an id. */
static bool good_name(const char *name, const char *ref)
{
	return isalpha((unsigned char)name[0]) && !str_eq(name, "newest") &&
	       git_reference_is_valid_name(ref);
}

static int bad_name(const char *name, struct error *err)
{
	return error_set(err, -EINVAL,
			 "'%s' is no name for a revision: it begins with a letter, and is not "
			 "'newest'",
			 name);
}

int store_name_check(struct store *s, const char *name, struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const char *ref = arena_printf(&a, TAGS "%s", name);
	git_reference *found = NULL;
	int r;

	if (!good_name(name, ref))
		return bad_name(name, err);
	r = git_reference_lookup(&found, s->repo, ref);
	git_reference_free(found);
	if (r == GIT_ENOTFOUND)
		return 0;
	return r < 0 ? store_git_error(err, r, name)
		     : error_set(err, -EEXIST, "there is a revision '%s' already", name);
}

int store_name(struct store *s, const struct store_revision *revision, const char *name,
	       struct error *err)
{
	struct arena a = ARENA_INIT;
	const char *ref = arena_printf(&a, TAGS "%s", name);
	git_reference *made = NULL;
	git_oid id;
	int r = 0;

	if (!good_name(name, ref))
		r = bad_name(name, err);
	else if (git_oid_fromstr(&id, revision->id) < 0)
		r = error_set(err, -EINVAL, "'%s' is no id of a revision", revision->id);
	if (!r) {
		r = git_reference_create(&made, s->repo, ref, &id, 0, NULL);
		r = r < 0 ? store_git_error(err, r, name) : 0;
	}
	git_reference_free(made);
	arena_release(&a);
	return r;
}

static bool good_path(const char *path)
{
	while (*path) {
		const size_t n = strcspn(path, "/");

		if (n == 0 || (n == 1 && path[0] == '.') ||
		    (n == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		path += n;
		if (*path && !*++path)
			return false;
	}
	return true;
}

static int add_file(struct store *s, git_index *index, const struct store_file *f,
		    struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	git_index_entry entry = {.path = f->path, .mode = GIT_FILEMODE_BLOB};
	int r;

	if (str_empty(f->path) || !good_path(f->path))
		return error_set(err, -EINVAL, "'%s' is no path in a revision", f->path);
	if (git_index_get_bypath(index, f->path, 0))
		return error_set(err, -EEXIST, "%s is in one revision twice", f->path);
	doc_write_yaml(f->doc, &text);
	r = git_blob_create_from_buffer(&entry.id, s->repo, strbuf_cstr(&text), text.len);
	if (!r)
		r = git_index_add(index, &entry);
	return r < 0 ? store_git_error(err, r, f->path) : 0;
}

static int write_tree(struct store *s, const struct store_file *files, size_t n, git_oid *ret_tree,
		      struct error *err)
{
	git_index *index = NULL;
	int r = git_index_new(&index);

	if (r < 0)
		return store_git_error(err, r, "a new revision");
	if (n > STORE_MAX_FILES)
		r = error_set(err, -E2BIG, "more than %u documents", STORE_MAX_FILES);
	for (size_t i = 0; !r && i < n; i++)
		r = add_file(s, index, &files[i], err);
	if (!r) {
		r = git_index_write_tree_to(ret_tree, index, s->repo);
		r = r < 0 ? store_git_error(err, r, "a new revision") : 0;
	}
	git_index_free(index);
	return r;
}

/* Names in a commit stand in one line between angle brackets. */
static const char *plain(struct arena *a, const char *s, const char *otherwise)
{
	char *copy = arena_strdup(a, str_empty(s) ? otherwise : s);

	for (char *p = copy; *p; p++)
		if (*p == '<' || *p == '>' || iscntrl((unsigned char)*p))
			*p = '_';
	return copy;
}

static int write_commit(struct store *s, struct arena *a, const git_oid *tree_id,
			const struct store_note *note, git_commit *parent, git_oid *ret_id)
{
	const git_commit *parents[] = {parent};
	git_signature *who = NULL;
	git_tree *tree = NULL;
	int r = git_signature_new(&who, plain(a, note->who, "unknown"),
				  plain(a, note->email, "unknown"), note->when_s, 0);

	if (!r)
		r = git_tree_lookup(&tree, s->repo, tree_id);
	if (!r)
		r = git_commit_create(ret_id, s->repo, BRANCH, who, who, "UTF-8",
				      arena_printf(a, "%s\n\n" TRAILER "%s\n",
						   str_or_empty(note->why),
						   plain(a, note->run, NO_RUN)),
				      tree, parent ? 1 : 0, parents);
	git_tree_free(tree);
	git_signature_free(who);
	return r;
}

static bool is_parent(const git_commit *c, const char *id)
{
	char buf[GIT_OID_HEXSZ + 1];

	return c ? str_eq(git_oid_tostr(buf, sizeof(buf), git_commit_id(c)), id) : id == NULL;
}

int store_commit(struct store *s, struct arena *a, const struct store_file *files, size_t n,
		 const struct store_note *note, const char *parent,
		 struct store_revision *ret_revision, struct error *err)
{
	git_commit *head = NULL;
	git_oid tree, id;
	int r = newest(s, &head, err);

	if (!r && !is_parent(head, parent))
		r = error_set(err, -ESTALE,
			      "somebody has made another revision meanwhile: look at it first");
	if (!r)
		r = write_tree(s, files, n, &tree, err);
	if (!r && !(head && git_oid_equal(&tree, git_commit_tree_id(head)))) {
		r = write_commit(s, a, &tree, note, head, &id);
		r = r < 0 ? store_git_error(err, r, "a new revision") : 0;
	}
	git_commit_free(head);
	return r ? r : store_find(s, a, "newest", ret_revision, err);
}
