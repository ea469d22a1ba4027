/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runbooks/files.h - where runbooks and recorded cases come from: the program itself, files,
 * folders, standard input. A stranger's file is bounded in size, number and depth (lib/doc), and a
 * file that is no document is kept with the reason, so that the lint can say so.
 */
#pragma once

#include "lib/base/vec.h"
#include "lib/cli/cli.h"
#include "runbooks/runbook.h"

/* One file of a runbook or a fixture. */
#define RUNBOOK_MAX_FILE  (1u << 20)
#define RUNBOOK_MAX_FILES 1000u

struct source {
	const struct doc *root; /* NULL: the text is no document */
	const char *from, *why_not;
};
struct sources {
	struct arena *arena;
	VEC(struct source) all;
};

/* A file, or the YAML files of a folder by name. */
int sources_add_path(struct sources *s, const char *path, struct error *err);
void sources_add_shipped(struct sources *s);
void sources_add_shipped_cases(struct sources *s);
/* The paths; without any what is shipped. */
int sources_add_all(struct sources *s, char **paths, int n, struct error *err);
void sources_release(struct sources *s);

/* Errors name the place; a field that the schema does not have is one. */
int source_runbook(struct arena *a, const struct source *s, struct runbook *ret_runbook,
		   struct error *err);
int source_fixture(struct arena *a, const struct source *s, struct fixture *ret_fixture,
		   struct error *err);
/* A shipped one by its name or id, else a file (its name has a . or a /). */
int source_find(struct arena *a, const char *what, struct runbook *ret_runbook, struct error *err);

/* --- what is printed ---------------------------------------------------------------------------
 */

extern const char *const runbook_doc_formats[]; /* for CLI_CHOICE */
enum { FORMAT_TABLE, FORMAT_JSON, FORMAT_YAML };
/* For terminals: a stranger's text must not steer one. */
void put_plain(FILE *out, struct strbuf *text);
void put_doc(FILE *out, const struct doc *d, int format);
