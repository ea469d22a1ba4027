/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upgrade/config_history.h - what was applied, revision by revision, here and in the cluster.
 *
 * A revision holds every object of its configuration as it was wanted, redacted, one file each
 * ("shop/Deployment.apps/till.yaml", "_cluster/Namespace/shop.yaml"), and revision.yaml: of which
 * cluster and configuration it is and under which key its secrets were digested.
 *
 * In the cluster a revision is what it changed, as JSON, in one ConfigMap or in several of at most
 * CONFIG_PIECE_BYTES; the first is written last, so a revision is there whole or not at all. Git
 * is deterministic: whoever makes the commit again from the same documents, author, time, message
 * and parent gets the same id. So the id in the ConfigMap is its check, and a second laptop has
 * the same history.
 */
#pragma once

#include "lib/object/snapshot.h"
#include "upgrade/config_place.h"

#define CONFIG_PIECE_BYTES (700u << 10)
/* A revision that changes more than this at once is refused before anything is done (-E2BIG). */
#define CONFIG_MAX_PIECES 64u

/* Reads the revisions that only the cluster has. -ESTALE: the two have parted; -EBADMSG. */
int config_history_pull(struct config_place *p, struct error *err);
/* Writes the revisions that only this machine has. -ESTALE: somebody else made that number. */
int config_history_push(struct config_place *p, struct error *err);

/* The newest; number 0 when there is none. */
int config_history_newest(struct config_place *p, struct store_revision *ret_revision,
			  struct error *err);
/* Its objects into set (of any arena), as they were stored. meta (may be NULL) is revision.yaml. */
int config_history_read(struct config_place *p, const struct store_revision *revision,
			struct snapshot *set, struct doc **ret_meta, struct error *err);

/* Where an object's file is in a revision. */
const char *config_history_file(struct arena *a, const struct doc *object);

/*
 * A revision to be made, as a document: {number, parent, who, email, why, run, when, cluster, name,
 * key, as, files: [{path, doc} or {path, gone: true}], created: [path, ...]}. objects are what is
 * wanted, redacted; those of the newest revision that are neither among them nor in gone (a set of
 * objects) stay. as: a name for it, or NULL.
 */
struct doc *config_revision_make(struct arena *a, const struct config_place *p,
				 const struct store_revision *newest, const struct store_note *note,
				 const char *as, const struct snapshot *objects,
				 const struct snapshot *gone);
/*
 * Makes it, here and in the cluster; again is no harm. -ESTALE when somebody has made another
 * meanwhile.
 */
int config_history_record(struct config_place *p, const struct doc *revision,
			  struct store_revision *ret_revision, struct error *err);

/* The text of what the cluster keeps, read back: -EBADMSG when it is none. Pure; for a fuzzer. */
int config_revision_parse(struct arena *a, const char *text, size_t n, struct doc **ret_revision,
			  struct error *err);
/* The name of piece 0, 1 ... of a revision in the cluster. */
const char *config_revision_object(const struct config_place *p, struct arena *a, unsigned number,
				   size_t piece);

struct report;
/*
 * Everything that can be checked: the repository, each revision's copy in the cluster, and the run
 * that made it. An error means that it could not look.
 */
int config_history_fsck(struct config_place *p, struct report *report, struct error *err);
