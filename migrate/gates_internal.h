/* SPDX-License-Identifier: Apache-2.0 */
/* migrate/gates_internal.h - what gates.c and gates_sidecar.c share. */
#pragma once

#include "migrate/world.h"

#define G_PROBED        "G-PROBED"
#define G_LOOKED        "G-LOOKED"
#define G_RELAXED       "G-RELAXED"
#define G_ANSWERED      "G-SIDECARS-ANSWER"
#define G_INJECTION_OFF "G-INJECTION-OFF"
#define G_INJECTION_ON  "G-INJECTION-ON"

/* One sample being taken. */
struct asking {
	struct world w;
	struct gate_sample *out;
	const struct doc *args;
	const void *gate; /* tells baselines apart */
	/*
	 * Pods that are on their way out are not asked. Only on the way there: a caller that still
	 * drains without a sidecar must be gone before its server gets one back.
	 */
	bool leave_out_ending;
	/*
	 * A pod that is not ready or was restarted, an agent that is silent: not a fail, and the
	 * window goes on behind it, for the agents' counters tell later what they counted
	 * meanwhile. Otherwise a window of a day would want a day on which no pod is replaced.
	 */
	bool patient;
	/* What the run relies on and somebody else took away or changed; a fail at once. */
	const char *astray;
};

/* NULL: well, else what is wrong. */
typedef const char *(*pod_question)(const struct asking *q, const struct world_pod *p);

int asking_begin(struct asking *q, void *env, const struct doc *args, struct gate_sample *out,
		 const void *gate, struct error *err);
/* wrong NULL: well. */
void asking_say(struct asking *q, enum gate_source_id source, const char *wrong, const char *well);
/* It does not answer: why, and what to do. */
void asking_unknown(struct asking *q, enum gate_source_id source, const char *why);
/* A workload asked about that has no pod: what every pod says is then nobody's word. NULL: none. */
const char *asking_unseen(const struct asking *q);
/* The pods, and that nothing was restarted. */
void asking_kubernetes(struct asking *q, pod_question question);
/* Every policy of the plan is there as the run made it; else astray. Not before N3-policies. */
int asking_policies(struct asking *q, struct error *err);
/* Istio's rules of who may call whom are as the plan read them; else astray. */
int asking_rules(struct asking *q, struct error *err);
const char *asking_pod_well(const struct asking *q, const struct world_pod *p);

#define GATE_SAMPLE(name)                                                                          \
	int gate_sample_##name(void *env, const struct doc *args, struct gate_sample *out,         \
			       struct error *err)
GATE_SAMPLE(probed);
GATE_SAMPLE(looked);
GATE_SAMPLE(relaxed);
GATE_SAMPLE(answered);
GATE_SAMPLE(injection_off);
GATE_SAMPLE(injection_on);
#undef GATE_SAMPLE
