/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/run/inputs.h - what a plan was made from, as digests of objects, so that it is not carried
 * out when something of it has changed.
 */
#pragma once

#include "lib/object/snapshot.h"

/* Whether a change of this object could make the plan wrong. */
typedef bool (*run_reads)(const void *arg, const struct doc *object);

/* Adds one to the plan's "inputs": its reference and its canonical form's digest. */
void run_inputs_add(struct arena *a, struct doc *plan, const struct doc *object);
/* The same when only that it is there matters. */
void run_inputs_add_name(struct arena *a, struct doc *plan, const struct doc *object);
/*
 * What was read to make the plan and is gone or changed since, or came: one sentence per object, a
 * list (empty: the plan still fits). With group (an API group, with its slash) only of that.
 */
struct doc *run_inputs_stale(struct arena *a, const struct doc *plan, const struct snapshot *now,
			     const char *group, run_reads reads, const void *arg);
