/* SPDX-License-Identifier: Apache-2.0 */
/* What is in a revision, and whether all of it is whole. */
#include <string.h>

#include "lib/base/limits.h"
#include "lib/base/macros.h"
#include "lib/base/vec.h"
#include "lib/store/store_impl.h"

/* A walk over one revision's tree. */
struct reader {
	struct store *store;
	struct arena *arena;
	VEC(struct store_file) files;
	struct doc *damage; /* collect what cannot be read instead of failing on it */
	struct error *err;
	int code;
};

static int read_blob(struct reader *r, const char *path, const git_oid *id, struct error *err)
{
	struct doc_stream docs;
	struct store_file f;
	git_blob *blob;
	int code = git_blob_lookup(&blob, r->store->repo, id);

	if (code < 0)
		return store_git_error(err, code, path);
	if (git_blob_rawsize(blob) > LIMIT_FILE_BYTES)
		code = error_set(err, -EFBIG, "%s: larger than %u bytes", path, LIMIT_FILE_BYTES);
	else
		code = doc_read_yaml(r->arena, git_blob_rawcontent(blob),
				     (size_t)git_blob_rawsize(blob), path, &docs, err);
	git_blob_free(blob);
	if (code < 0)
		return code;
	if (docs.n != 1)
		return error_set(err, -EINVAL, "%s: %zu documents instead of one", path, docs.n);
	f = (struct store_file){path, docs.docs[0]};
	vec_push(&r->files, f);
	return 0;
}

static int visit(const char *root, const git_tree_entry *entry, void *payload)
{
	struct reader *r = payload;
	struct error err = ERROR_INIT;
	const char *path;
	int code;

	if (git_tree_entry_type(entry) != GIT_OBJECT_BLOB)
		return 0;
	path = arena_printf(r->arena, "%s%s", root, git_tree_entry_name(entry));
	if (r->files.n >= STORE_MAX_FILES)
		code = error_set(&err, -E2BIG, "more than %u documents", STORE_MAX_FILES);
	else
		code = read_blob(r, path, git_tree_entry_id(entry), &err);
	if (code == 0)
		return 0;
	if (r->damage) {
		doc_append(r->arena, r->damage, doc_string(r->arena, err.msg));
		return 0;
	}
	r->code = error_set(r->err, code, "%s", err.msg);
	return GIT_EUSER;
}

static int read_tree(struct reader *r, const char *commit_id)
{
	git_commit *commit = NULL;
	git_tree *tree = NULL;
	git_oid id;
	int code = git_oid_fromstr(&id, commit_id);

	if (!code)
		code = git_commit_lookup(&commit, r->store->repo, &id);
	if (!code)
		code = git_commit_tree(&tree, commit);
	if (!code)
		code = git_tree_walk(tree, GIT_TREEWALK_PRE, visit, r);
	git_tree_free(tree);
	git_commit_free(commit);
	if (r->code)
		return r->code;
	return code < 0 ? store_git_error(r->err, code, commit_id) : 0;
}

int store_files(struct store *s, struct arena *a, const struct store_revision *revision,
		struct store_file **ret_files, size_t *ret_n, struct error *err)
{
	struct reader r = {.store = s, .arena = a, .files = VEC_INIT, .err = err};
	int code = read_tree(&r, revision->id);

	if (!code) {
		*ret_n = r.files.n;
		*ret_files = arena_array(a, r.files.n + 1, struct store_file);
		if (r.files.n)
			memcpy(*ret_files, r.files.items, r.files.n * sizeof(**ret_files));
	}
	vec_release(&r.files);
	return code;
}

int store_fsck(struct store *s, struct arena *a, struct doc **ret_damage, struct error *err)
{
	struct doc *damage = doc_list(a);
	struct store_revision *list;
	size_t n;
	int code = store_history(s, a, &list, &n, err);

	if (code)
		return code;
	for (size_t i = 0; i < n; i++) {
		struct error one = ERROR_INIT;
		struct arena scratch = ARENA_INIT;
		struct reader r = {.store = s, .arena = &scratch, .files = VEC_INIT, .err = &one};

		r.damage = doc_list(&scratch);
		if (read_tree(&r, list[i].id) < 0)
			doc_append(&scratch, r.damage, doc_string(&scratch, one.msg));
		doc_foreach_item (r.damage, said)
			doc_append(
				a, damage,
				doc_stringf(a, "revision %u: %s", list[i].number, doc_str(said)));
		vec_release(&r.files);
		arena_release(&scratch);
	}
	*ret_damage = damage;
	return 0;
}
