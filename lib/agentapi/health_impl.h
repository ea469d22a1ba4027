/* SPDX-License-Identifier: Apache-2.0 */
/* lib/agentapi/health_impl.h - what the files of health.h share; nobody else includes it. */
#pragma once

#include "lib/agentapi/health.h"
#include "lib/base/macros.h"

struct asking {
	struct arena *a;
	const struct health_question *q;
	/* What the four statuses say of health; NULL where one is missing or silent. */
	const struct sidestep_health *baseline, *before, *previous, *now;
	struct health_item *item;
};

/* What was said before the change, whatever became of the machine since; NULL: nothing. */
const struct sidestep_node *health_origin(const struct asking *k);
void health_say(struct asking *k, enum finding_result result, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
/* Statuses of one boot of the machine; NULL is of none. */
bool health_same_boot(const struct sidestep_node *x, const struct sidestep_node *y);
bool health_same_process(const struct sidestep_node *x, const struct sidestep_node *y);
/* From x to y on the machine's own clock; 0: not known, or none passed. */
int64_t health_elapsed_ms(const struct sidestep_node *x, const struct sidestep_node *y);

/*
 * Arithmetic on what somebody else wrote. The difference x - y; false when it is no number of ours,
 * or negative: a count that went back.
 */
bool health_since(int64_t x, int64_t y, int64_t *ret);
/* n * by / over, as far as it can be told. */
int64_t health_scale(int64_t n, int64_t by, int64_t over);

enum finding_result health_worse(enum finding_result x, enum finding_result y);

/* health_counts.c */
const struct sidestep_map *health_map_of(const struct sidestep_health *h, const char *name);
bool health_map_is_nearly_full(const struct sidestep_map *m);
void health_ask_regenerations(struct asking *k);
void health_ask_drops(struct asking *k);
void health_ask_map_errors(struct asking *k);
void health_ask_map_pressure(struct asking *k);
void health_ask_conntrack(struct asking *k);
void health_ask_programs(struct asking *k);
void health_ask_cpu(struct asking *k);
void health_ask_memory(struct asking *k);

/* health_denied.c */
void health_ask_denied(struct asking *k);
