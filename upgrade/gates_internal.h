/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade/gates_internal.h - what the gates_*.c share. */
#pragma once

#include "upgrade/recall.h"

/* One sample being taken. */
struct asking {
	struct world w;
	struct upgrade *u;
	struct gate_sample *out;
	const struct doc *args;
	bool fresh;  /* the pods that are asked for were made by the step at hand */
	bool back;   /* the step takes back */
	bool proves; /* it is the canary that is asked about: nothing of its agent is forgiven */
	struct doc *doubted;           /* by node, rows of recall_meant(); NULL: nothing */
	const struct doc *policies[3]; /* once they were asked for */
	struct doc *forgiven;          /* list of what was; NULL: nothing */
};

int asking_begin(struct asking *q, void *env, const struct doc *args, struct gate_sample *out,
		 const void *gate, struct error *err);
/* wrong NULL: well. */
void asking_say(struct asking *q, enum gate_source_id source, const char *wrong, const char *well);
/* It does not answer: why, and what to do. */
void asking_unknown(struct asking *q, enum gate_source_id source, const char *why);
/* It is not there, which is how it should be. */
void asking_absent(struct asking *q, enum gate_source_id source, const char *what);
/* Whichever of the three result is; pass and fail say words. */
void asking_answer(struct asking *q, enum gate_source_id source, enum finding_result result,
		   const char *words);

/* Whether the agents are those of a side, by Kubernetes: NULL, or the first that is not. */
const char *asking_pod(struct asking *q, const struct world_node *n, const struct side *side);
/*
 * A node of the plan that is there, and that the DaemonSet keeps no agent on any more: neither gone
 * nor bad, unknown. NULL: it is none.
 */
const char *asking_excluded(struct asking *q, const struct world_node *n);
/* What its agent says of itself now; words of what is not well, or not known. */
enum finding_result asking_agent(struct asking *q, const struct world_node *n,
				 const struct side *side, const char **ret_words);
/* Whether its agent keeps connections in the layout that the plan says of the side. */
enum finding_result asking_layout(struct asking *q, const struct world_node *n,
				  const struct side *side, const char **ret_words);
/* Its health, compared as is right for a node at rest, changed, taken back, or not concerned. */
enum health_set { HEALTH_AT_REST, HEALTH_CHANGED, HEALTH_BACK, HEALTH_OTHERS };
enum finding_result asking_health(struct asking *q, const struct world_node *n,
				  const struct side *side, enum health_set set,
				  const char **ret_words);
/* A digest of the policies that concern those endpoints' pods; NULL: they could not be looked at.
 */
const char *asking_policies(struct asking *q, const struct sidestep_endpoint *endpoints, size_t n);
/* It has published nothing for long, or nobody knows when. */
bool asking_is_silent(const struct asking *q, const struct sidestep_node *s);
/* The nodes of a step: args.node, or args.nodes (a list); their sides. */
bool asking_is_done(const struct asking *q, const char *node);

#define GATE_SAMPLE(name)                                                                          \
	int gate_sample_##name(void *env, const struct doc *args, struct gate_sample *out,         \
			       struct error *err)
/* gates_node.c */
GATE_SAMPLE(sound);
GATE_SAMPLE(room);
GATE_SAMPLE(node);
GATE_SAMPLE(node_back);
GATE_SAMPLE(canary);
GATE_SAMPLE(wave);
GATE_SAMPLE(soak);
GATE_SAMPLE(equal);
GATE_SAMPLE(still);
GATE_SAMPLE(backup); /* gates_backup.c */
/* gates_once.c */
GATE_SAMPLE(pulled);
GATE_SAMPLE(prepared);
GATE_SAMPLE(prepared_back);
GATE_SAMPLE(regenerated);
GATE_SAMPLE(finalized);
GATE_SAMPLE(component);
