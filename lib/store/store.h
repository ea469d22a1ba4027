/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/store/store.h - revisions of configuration, in a git repository that any git can read.
 *
 * A bare repository with one branch, main. A revision is a commit: its tree has a YAML file for
 * each document under the path its caller gives it, its author is who made it, its message is why,
 * with the run's id as a trailer ("Run: ..."). Revisions count from 1 along the branch; a tag is a
 * name for one ("before-upgrade"). Nothing is ever rewritten: going back is a new revision with the
 * old documents.
 *
 * Documents are stored as they are: what is secret in them must be gone before (lib/diff/secret.h).
 * Everything is on disk (fsync) when a call returns; a crash leaves the branch at the old revision
 * or the new one. Results are in the caller's arena. Blocks on the disk.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/doc/doc.h"

struct store;

/* More than this in one repository or revision is an error (-E2BIG). */
#define STORE_MAX_REVISIONS 100000u
#define STORE_MAX_FILES     200000u

/* Opens the repository at path; with make, makes it when there is none. -ENOENT, -EINVAL. */
int store_open_at(const char *path, bool make, struct store **ret_store, struct error *err);
/* NULL is fine. */
void store_close(struct store *s);

struct store_file {
	const char *path; /* "shop/Deployment/till.yaml": relative, no empty part, no "." or ".." */
	const struct doc *doc;
};

struct store_note {
	const char *who, *email; /* "Jo Doe", "jo@example.org"; email may be NULL */
	const char *why;         /* one line, or several */
	const char *run;         /* NULL when no run made it */
	int64_t when_s;          /* wall clock */
};

struct store_revision {
	unsigned number;    /* from 1 */
	const char *id;     /* of the commit, 40 hexadecimal digits */
	const char *parent; /* NULL for the first */
	const char *name;   /* one that store_name() gave it, or NULL */
	struct store_note note;
};

/*
 * Makes a revision of all these documents. parent is the id of the newest revision that the caller
 * knows of (NULL: none): -ESTALE when there is a newer one. When the documents are those of parent,
 * no revision is made and *ret_revision is the parent.
 */
int store_commit(struct store *s, struct arena *a, const struct store_file *files, size_t n,
		 const struct store_note *note, const char *parent,
		 struct store_revision *ret_revision, struct error *err);
/* Newest first. An empty repository has none. */
int store_history(struct store *s, struct arena *a, struct store_revision **ret_revisions,
		  size_t *ret_n, struct error *err);
/* By number, name, id, a beginning of an id (7 digits or more), or "newest". -ENOENT. */
int store_find(struct store *s, struct arena *a, const char *word,
	       struct store_revision *ret_revision, struct error *err);
/* Its documents, by path. */
int store_files(struct store *s, struct arena *a, const struct store_revision *revision,
		struct store_file **ret_files, size_t *ret_n, struct error *err);
/* Whether a name may be given to a new revision: -EINVAL for what is none, -EEXIST for one that a
 * revision has. */
int store_name_check(struct store *s, const char *name, struct error *err);
/* Gives a revision a name, which must begin with a letter and be free: -EEXIST, -EINVAL. */
int store_name(struct store *s, const struct store_revision *revision, const char *name,
	       struct error *err);
/*
 * Reads everything that every revision holds, hashes and documents. Appends a sentence for each
 * thing that is damaged to *ret_damage, a list made here. An error means that it could not look.
 */
int store_fsck(struct store *s, struct arena *a, struct doc **ret_damage, struct error *err);
