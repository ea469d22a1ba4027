/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sweeper.h - what goes because something else went: dependents of an owner, the content of a
 * namespace, owners that wait for their dependents, old Events.
 *
 * A change that may concern it asks for a sweep; sweeps are batched, so a burst of deletions costs
 * a few passes over the objects and not one pass each.
 */
#pragma once

#include "deploy/lab/apiserver/store.h"

struct apiserver;
struct sweeper;

struct sweeper *sweeper_new(struct apiserver *s);
void sweeper_free(struct sweeper *w);
void sweeper_note(struct sweeper *w, const struct event *e);
/* One pass now; true when it changed something (and another is due). */
bool sweeper_pass(struct sweeper *w);
