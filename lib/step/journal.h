/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/step/journal.h - what was intended and what was done, in a file that survives kill -9.
 *
 * One JSON record per line: {"seq", "time", "type", ..., "prev", "hash"}. A record is on the disk
 * (fsync) before what it announces happens. `hash` is SHA-256 over the record without it, and
 * `prev` is the hash of the record before, so a record that was removed, inserted or edited is
 * noticed. A torn last line (the machine died while writing) is dropped when the journal is opened;
 * damage anywhere else is an error that names the line.
 *
 * The same lines, in any storage, make the same journal: a copy in the cluster is lines too.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/clock.h"
#include "lib/doc/doc.h"

/* 64 MiB and 100 000 records: a run that needs more is not one run. */
#define JOURNAL_MAX_BYTES   (64u << 20)
#define JOURNAL_MAX_RECORDS 100000u

struct journal;

struct journal_record {
	uint64_t seq; /* from 0 */
	const char *type;
	const struct doc *body;
	const char *line; /* as it stands in the file, without the newline */
};

/*
 * A new journal at path (-EEXIST when there is one) whose first record is of type "run" and holds
 * header. The file is locked (flock) while open: -EBUSY when another process has it.
 */
int journal_create(const char *path, const struct doc *header, const struct clock *clock,
		   struct journal **ret_journal, struct error *err);
/* Opens, verifies and locks one; drops a torn tail. -EBADMSG names the damaged line. */
int journal_open(const char *path, const struct clock *clock, struct journal **ret_journal,
		 struct error *err);
/* Opens for reading without the lock (status of a run that is going on). A torn tail is ignored. */
int journal_read(const char *path, const struct clock *clock, struct journal **ret_journal,
		 struct error *err);
/* Rebuilds the file at path from lines kept elsewhere, verified the same way. -EEXIST. */
int journal_restore(const char *path, const char *const *lines, size_t n, const struct clock *clock,
		    struct journal **ret_journal, struct error *err);
/* NULL is fine. */
void journal_free(struct journal *j);

/* Appends {type, ...body} and makes it durable. body is a map, or NULL. */
int journal_append(struct journal *j, const char *type, const struct doc *body, struct error *err);

size_t journal_count(const struct journal *j);
/* Good until journal_free(). */
const struct journal_record *journal_at(const struct journal *j, size_t i);
/* The header given to journal_create(). */
const struct doc *journal_header(const struct journal *j);
/* Records in the arena of the journal, for callers that build bodies. */
struct arena *journal_arena(struct journal *j);
const char *journal_path(const struct journal *j);
/* Bytes of a torn tail that were dropped at opening; 0 as a rule. */
size_t journal_torn_bytes(const struct journal *j);

/* For a fuzzer and for fsck: verifies lines in memory; the number of whole records, or -EBADMSG. */
int journal_verify(const char *data, size_t n, struct error *err);
