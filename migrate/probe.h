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
#define PROBE_MAX_TARGETS 1000u
#define PROBE_SCHEMA      "sidestep.dev/probe/v1"
#define PROBE_CONTAINER   "probe"
#define PROBE_LABEL       "sidestep.dev/probe"
#define PROBE_RESULT      "/dev/termination-log"

struct probe_question {
	const char *gate;    /* who asks */
	const char *what;    /* targets shall have taken, in words */
	bool injected;       /* follow the namespace's injection; else never a sidecar */
	bool expect_sidecar; /* wait for the own sidecar */
	/* "namespace/pod=address": takes a configuration; with "@MARK" behind: another than that */
	const char *const *targets;
	size_t n_targets;
};

struct probe_answer {
	const char *waiting; /* why there is no answer yet; else NULL and: */
	bool wordless;       /* ... and there will be none: it ended without findings */
	bool sidecar;        /* the pod's containers, as Kubernetes has them, include a sidecar */
	const char *says;    /* its own experience: "none" or "answers" */
	int64_t asked, taken;
	const struct doc *late;  /* list of {pod, why, silent}: has not taken it */
	const struct doc *marks; /* "namespace/pod" -> which one it goes by; only who says so */
	const struct doc *pod;
};

/*
 * One look, which never waits: makes the pod, or sees how far it is, or takes its answer and
 * removes it. An error only when the API cannot be asked.
 */
int probe_look(struct migration *m, struct arena *a, const struct probe_question *q,
	       struct probe_answer *out, struct error *err);
/*
 * What a pod that has ended left behind; NULL, else why it is no answer. Its words are foreign
 * bytes: only what has our form counts.
 */
const char *probe_read_answer(struct arena *a, const struct doc *pod, struct probe_answer *out);
/* Whether the pod that answered was told of this target. */
bool probe_was_asked(const struct probe_answer *answer, const char *target);
/* Removes what is there of this run. Best effort: who looks next tries again. */
void probe_sweep(struct migration *m);

/*
 * Which configuration a sidecar goes by, told from others by when it took it, by its own clock.
 * Only good to be compared with another mark of the same sidecar, so no two clocks ever meet.
 * Short, as a termination message is: one mark in 262144 hides a change (and then the next change
 * shows it).
 */
#define PROBE_MARK_LEN 3
#define PROBE_NO_MARK  "---"
void probe_mark(uint64_t updated_ms, char out[PROBE_MARK_LEN + 1]);

/* Name of the run's probe pod and of its ServiceAccount. */
const char *probe_name(struct arena *a, const char *run);
struct doc *probe_account(struct arena *a, const struct migration *m);
