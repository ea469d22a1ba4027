/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runbooks/evidence.h - what a run keeps for whoever looks later.
 *
 * A folder <root>/<run>/ with one folder per step, <seq>-<step>/, and index.json: of each file its
 * SHA-256, size, where it came from, when, on which node, how much was redacted, whether it was
 * cut. Values are redacted (lib/diff) before anything is written, and everything together stays
 * within a budget. The digests stand in the run's journal, too, whose records are chained: a file
 * that was changed later, and an index that was changed with it, differ from the journal.
 *
 * Names come from runbooks of strangers and an index may have been edited: whatever is not a plain
 * name below the folder is refused, and files are made without following links.
 */
#pragma once

#include "lib/base/clock.h"
#include "lib/diff/secret.h"
#include "lib/doc/doc.h"

#define EVIDENCE_BUDGET    (64u << 20) /* of one run */
#define EVIDENCE_MAX_INDEX (4u << 20)
#define EVIDENCE_MAX_FILES 5000u

struct evidence_store {
	struct arena *arena;
	const char *dir, *run, *node;
	const struct clock *clock;
	struct secret_key key;
	struct doc *index; /* {run, key, bytes, files: [...]} */
};

/* root/run is made at the first file; what an earlier process wrote is read back. */
int evidence_open(struct evidence_store *e, struct arena *a, const char *root, const char *run,
		  const struct clock *clock, struct error *err);

struct evidence_file {
	const char *step, *name; /* plain names */
	const char *source;      /* "GET /apis/..., flows", "df -P" */
	const struct doc *value; /* redacted already; see evidence_redact() */
	size_t redactions;       /* that it took */
	uint64_t max;            /* bytes; more is cut, and that is said */
};
/* Writes it and the index; *ret_entry is what the journal keeps. -EINVAL for a name, -ENOSPC over
 * the budget. */
int evidence_add(struct evidence_store *e, const struct evidence_file *f, struct doc **ret_entry,
		 struct error *err);
/* The value without secrets; how many values were replaced. */
struct doc *evidence_redact(struct evidence_store *e, struct arena *a, const struct doc *value,
			    size_t *ret_n);

/* A plain file name, as evidence may have. */
bool evidence_plain_name(const char *name);
/* "64KiB", "1MiB" in bytes; 0 when it is none. */
uint64_t evidence_size(const char *text);

/*
 * An index as it lies there: shape, names and bounds. Each entry is {file, sha256, bytes, step,
 * source, time, node, redactions, cut}. -EINVAL says what is wrong. Pure.
 */
int evidence_index_check(const struct doc *index, struct error *err);
/*
 * Compares the files with the index. *ret_findings: list of {file, problem}, empty when all is as
 * it was written.
 */
int evidence_verify(struct arena *a, const char *dir, const struct doc *index,
		    struct doc **ret_findings, struct error *err);
