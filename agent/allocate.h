/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/allocate.h - numbers for label sets: CiliumIdentity objects, made or adopted.
 *
 * Every agent tries the same numbers for a set in the same order (lib/mesh/identity.h). Create says
 * that the number is ours; AlreadyExists leads to a look at who has it: the same labels are
 * adopted, others send us to the next number. The result is not handed back: the object arrives
 * through the identity informer like everybody else's.
 */
#pragma once

#include "lib/base/log.h"
#include "lib/kube/client.h"
#include "lib/mesh/identity.h"

struct allocator;

struct allocator *allocator_new(struct kube_client *client, const struct log *log);
void allocator_free(struct allocator *al);
/* Sees to it that the set gets a number; harmless when that is already under way. */
void allocator_want(struct allocator *al, const struct strmap *labels);
size_t allocator_pending(const struct allocator *al);
