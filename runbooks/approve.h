/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runbooks/approve.h - others agree, or a run does not go on.
 *
 * Who: what the API server calls the caller (SelfSubjectReview); without a cluster the uid. No
 * flag, variable or parameter names anybody. The one who asked does not count, nobody counts twice,
 * and an approval is for one step of one run of exactly this runbook with these parameters, and of
 * what its steps would do, filled in with all that was known when it was asked for (wanted.h): it
 * carries the SHA-256 of both, so after an accepted change, or when something else would be done,
 * it is void.
 *
 * How it is kept, and what that is worth:
 *
 * - With a cluster an approval is an object of its own, a SidestepRun of tool "approval", made by
 * the approver with their own credentials. The API server dates it; a run counts it for as long as
 * the step says. That spec.holder and spec.groups are the maker's own is enforced by the server
 * where runbooks/cluster/approvals.yaml is applied (a ValidatingAdmissionPolicy: they must equal
 *   request.userInfo, and an approval is never changed). Where it is not, is not bound to deny, or
 *   came after the approval, whoever may create SidestepRuns can write another's name: it does not
 *   count, unless whoever resumes says so (--accept-unvouched; for clusters before 1.30), which
 *   stands beside the step, in the journal and the report. Nothing here protects against whoever
 * may impersonate others, change admission policies or write etcd, and nothing stops a person from
 * having two accounts.
 * - Without a cluster an approval is a file in <state>/approvals, whose owner the kernel knows: its
 *   uid and the time of its inode, not what it says, are counted; groups are those of that uid on
 *   this machine. It protects against other users, not against root.
 * - The journal notes what was counted before the step goes on, in its chain of hashes. That of a
 *   copy in the cluster is only as good as whoever may write SidestepRuns: an approval in it counts
 *   when the approvals themselves are found. What such a copy says was changed, or is about
 *   to be, must be what the runbook's steps change (copied.c), as soon as approved steps lead
 * there; pre-images and answers in it are believed, which is said whenever one is looked at or gone
 * on with. Where the run was begun, its own journal and plan are gone by, not the copy.
 */
#pragma once

#include "runbooks/run.h"

#define APPROVAL_POLICY "sidestep-approvals"

/* A waiting step: what whoever approves must know. Strings in the arena. */
struct approval_wanted {
	const char *run, *step, *title, *book, *requester, *digest;
	struct strings groups;
	int64_t min;
	const char *expires;
	const struct doc *params;
	const struct doc *changes; /* what the run may change (wanted.h) */
};
/* Of a run that was found (with a cluster). -ENOENT when it does not wait for that step. */
int approval_of_run(struct runner *r, const char *step, struct approval_wanted *ret,
		    struct error *err);
/* Of a run on this machine, from what it wrote down for others. */
int approval_of_file(struct arena *a, const char *state, const char *run, const char *step,
		     struct approval_wanted *ret, struct error *err);
/* Makes the approval in the caller's own name. -EPERM for the requester, or outside of the groups;
 * -EALREADY. */
int approve(struct runner *r, const struct approval_wanted *w, struct error *err);
