/* SPDX-License-Identifier: Apache-2.0 */
/*
 * revision.h - the history of a DaemonSet's templates as ControllerRevisions, as Kubernetes keeps
 * it: one a template, `data` is the patch that brings it back (kubectl rollout undo sends it as it
 * stands), the newest number is the template wanted now. A template that was there before gets its
 * old revision back under a new number.
 */
#pragma once

#include "deploy/lab/controllers/core.h"

#define REVISION_HASH_LABEL "controller-revision-hash"

/*
 * True when the template wanted now has the newest revision; *ret_hash is what its pods are
 * labelled with. False: a request is under way that makes it so, and its answer brings the key
 * back.
 */
bool revision_settled(struct reconcile *r, const struct doc *owner, const struct doc *template,
		      const char **ret_hash);
/* Revisions beyond the owner's limit go, the oldest first; those that a pod still has stay. */
void revision_trim(struct reconcile *r, const struct doc *owner, const char *hash);
