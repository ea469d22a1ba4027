/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/datapath/attach/before.h - the release before, as far as the kernel sees it: its real
 * programs, built from the history of this repository, over the same pins.
 */
#pragma once

#include "tests/datapath/attach/wires.h"

/*
 * What an agent of that release does when it starts: opens or makes its maps by name, loads its
 * programs, updates every link or filter of the pods in place, and says in `meta` that it ran.
 */
void before_start(struct wires *w, enum datapath_attach attach);
/* As far as the hooks of one pod, or of the overlay: where it would be in the middle of it. */
enum { BEFORE_OVERLAY = WIRES };
void before_start_at(struct wires *w, enum datapath_attach attach, int pod);
/* Everything of the layout before and nothing of ours, with what chatter.h talks about: as an agent
 * of that release left the node. */
void before_begin(struct wires *w, enum datapath_attach attach);
