/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deploy/lab/controllers/controllers.h - what makes objects true: the lab's controller manager and
 * scheduler in one, an ordinary client of the API.
 *
 * It keeps nothing of its own. Killed at any moment and started again it lists the objects and goes
 * on from what they say.
 */
#pragma once

#include "lib/base/log.h"
#include "lib/kube/client.h"

struct controllers;

struct controllers_options {
	const char *pod_cidr;  /* nodes get a /24 of it each; NULL: 10.244.0.0/16 */
	const struct log *log; /* may be NULL */
};

/* Starts at once; works as soon as it has seen every object. options are copied. */
struct controllers *controllers_new(struct kube_client *client,
				    const struct controllers_options *options);
void controllers_free(struct controllers *c);
/* Nothing waits and nothing is under way: for tests. */
bool controllers_idle(const struct controllers *c);
