/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/run/host.h - lib/step's world is a Kubernetes API: objects read and written by reference, and
 * the journal's copy in a SidestepRun.
 */
#pragma once

#include "lib/run/cluster.h"
#include "lib/step/run.h"

/* {apiVersion, kind, namespace, name} of an object; in a. */
struct doc *host_ref(struct arena *a, const struct doc *object);

struct run_host {
	struct step_host step; /* hand &step to struct step_run */
	struct cluster *cluster;
	const char *tool; /* spec.tool of the SidestepRun: "migrate" */
	const char *run;  /* its name; NULL keeps no copy */
	size_t copied;    /* journal lines that the copy has ... */
	char *last;       /* ... and the last of them */
	char *version;    /* of the copy, as seen last */
	/* For progress; may be NULL. */
	void (*tell)(void *arg, const struct journal_record *record);
	void (*sampled)(void *arg, const struct gate *g, const struct gate_sample *s,
			enum finding_result judged);
	void (*boundary)(void *arg, const char *where);
	void *arg;
};
void run_host_init(struct run_host *h, struct cluster *cluster, const char *tool, const char *run);
void run_host_release(struct run_host *h);

/*
 * Whether a run of the plan for `subject` has room in one SidestepRun. The journal grows with the
 * plan to about twice its size there and back, and etcd takes 1.5 MiB; a run that outgrew it could
 * neither go on nor go back. -E2BIG says how large it is.
 */
int run_copy_fits(const struct doc *plan, const char *subject, struct error *err);
/* What names a plan in the journal's header and in spec.planDigest: 16 hexadecimal digits; in a. */
const char *run_plan_digest(struct arena *a, const struct doc *plan);
/* Makes the SidestepRun with the plan and the journal's lines so far. */
int run_copy_create(struct run_host *h, const struct doc *plan, const char *subject,
		    const struct journal *j, struct error *err);
/*
 * Brings the copy up to the journal, after a resume. -ESTALE when the copy knows more than the
 * journal: somebody else went on with this run.
 */
int run_copy_sync(struct run_host *h, const struct journal *j, struct error *err);
/* spec.state of the copy; best effort is not enough, so errors come back. */
int run_copy_state(struct run_host *h, const char *state, struct error *err);

/* Annotation on a SidestepRun: whoever runs it pauses at the next safe point. */
#define PAUSE_ANNOTATION "sidestep.dev/pause"
