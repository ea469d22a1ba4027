/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrate/probe.h - a probe pod: a short-lived pod that looks at sidecars from where they are.
 *
 * A gate that asks it makes the pod, as the run's own ServiceAccount, which no policy names. The
 * pod runs `sidestep-migrate probe`: that reads the statistics of the sidecars it is told of
 * (pod-address:15090, a port that Istio leaves open to everybody and translate keeps so), looks
 * whether it has a sidecar itself, and leaves its findings as the container's termination message,
 * which Kubernetes publishes in the pod's status: no exec, no log, no right of the pod's own. Once
 * read the pod is removed; one that a killed run left behind is removed by whoever goes on or back.
 */
#pragma once

#include "migrate/machine.h"

/* Kubernetes keeps that much of a termination message. */
#define PROBE_MAX_MESSAGE 4096u
/* More sidecars than this are not asked by one pod: not known. */
#define PROBE_MAX_TARGETS 2000u
#define PROBE_SCHEMA      "sidestep.dev/probe/v1"
#define PROBE_CONTAINER   "probe"
#define PROBE_LABEL       "sidestep.dev/probe"
#define PROBE_RESULT      "/dev/termination-log"

struct probe_question {
	const char *gate;           /* who asks */
	bool injected;              /* follow the namespace's injection; else never a sidecar */
	bool expect_sidecar;        /* wait for the own sidecar */
	int64_t since_ns;           /* targets must have taken a configuration since; 0: any */
	const char *const *targets; /* "namespace/pod=address" */
	size_t n_targets;
};

struct probe_answer {
	const char *waiting; /* why there is no answer yet; else NULL and: */
	bool wordless;       /* ... and there will be none: it ended without findings */
	bool sidecar;        /* the pod's containers, as Kubernetes has them, include a sidecar */
	const char *says;    /* its own experience: "none" or "answers" */
	int64_t asked, taken;
	const struct doc *late; /* list of {pod, why, silent}: has not taken it */
	const struct doc *pod;
};

/*
 * One look, which never waits: makes the pod, or sees how far it is, or takes its answer and
 * removes it. An error only when the API cannot be asked.
 */
int probe_look(struct migration *m, struct arena *a, const struct probe_question *q,
	       struct probe_answer *out, struct error *err);
/* Whether the pod that answered was told of this target. */
bool probe_was_asked(const struct probe_answer *answer, const char *target);
/* Removes what is there of this run. Best effort: who looks next tries again. */
void probe_sweep(struct migration *m);

/* Name of the run's probe pod and of its ServiceAccount. */
const char *probe_name(struct arena *a, const char *run);
struct doc *probe_account(struct arena *a, const struct migration *m);
