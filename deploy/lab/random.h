/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deploy/lab/random.h - a namespace that nobody wrote: services, a call graph without a cycle,
 * Istio policies that allow just those calls, clients that make them, and intruders that try the
 * rest.
 *
 * The same seed gives the same objects on every machine. Pure.
 */
#pragma once

#include <stdint.h>

#include "lib/doc/doc.h"

struct random_namespace {
	const char *name;     /* "random-SEED" */
	const char *intruder; /* namespace of the intruder */
	struct doc **objects;
	size_t n;
	unsigned services, edges, refusals; /* what it came to */
};

/* In a. */
void random_namespace_make(struct random_namespace *r, struct arena *a, uint64_t seed);
/* The objects as one YAML file. */
void random_namespace_write(const struct random_namespace *r, struct strbuf *out);
