/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rollout.h - how many pods each generation of a Deployment may have next. Pure.
 *
 * The rules are those of Kubernetes' deployment controller (pkg/controller/deployment/rolling.go):
 * never more than replicas + surge pods, never fewer than replicas - unavailable available ones.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rollout_set {
	bool is_new;       /* of the template wanted now; at most one */
	int64_t replicas;  /* asked for (spec) */
	int64_t existing;  /* pods that are there (status) */
	int64_t available; /* of them */
	int64_t want;      /* the answer */
};

struct rollout {
	int64_t replicas, surge, unavailable;
	bool recreate;            /* strategy Recreate: nothing new while anything old is there */
	bool paused;              /* only follow a change of replicas */
	struct rollout_set *sets; /* old ones by age, oldest first */
	size_t n;
};

/* Fills want of every set. */
void rollout_plan(struct rollout *r);
/* "25%" or 3 of total, rounded up or down; a value that is neither is 0. */
int64_t rollout_portion(bool is_percent, int64_t value, int64_t total, bool round_up);
