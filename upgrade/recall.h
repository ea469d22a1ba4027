/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upgrade/recall.h - what agents said at earlier moments, so that a gate can compare.
 *
 *   usual     when the run began (gate G-SOUND): rates; counters by edge only as this process has
 *             first seen them
 *   before    the node's last look before its change (gate G-ROOM)
 *   first     the first that the gate which asks now has seen of the process that publishes now
 *   previous  its last one
 *
 * Usual and before stand in the journal as those gates' evidence, without the agents' long lists,
 * so that whoever goes on knows them too. What the journal leaves out (counters by edge) is then
 * counted from the asking gate's first sample on, but for the pairs that were being refused just
 * before, and those that had ever been refused: those are few, and stand in it. Who is refused by
 * that first sample, was let through at some time and does not stand in it is not known to be well.
 */
#pragma once

#include "lib/agentapi/health.h"
#include "upgrade/world.h"

/* A gate takes a sample: of another gate or step than the last one, first and previous go. */
void recall_begin(struct upgrade *u, const struct doc *args, const void *gate);
/* It has: this is the previous one from now on. */
void recall_end(struct upgrade *u, const struct world *w);

/* NULL: not known. In a. */
const struct sidestep_node *recall_usual(struct upgrade *u, struct arena *a, const char *node);
/*
 * Of a node that was changed: what the question says of before. What nobody meant - its agent was
 * started again, its machine was - is asked about once, as it is, and then forgiven: the next looks
 * reckon with it. So often within a gate; agents only where `forgives`.
 */
#define RECALL_FORGIVES 3
void recall_before(struct upgrade *u, struct arena *a, const struct world_node *n, bool forgives,
		   struct health_question *out);
/* What of the node was forgiven; NULL: nothing. */
const char *recall_forgiven(struct upgrade *u, struct arena *a, const char *node);
/* Of before: question.refusing of health.h. */
struct sidestep_counter *recall_refusing(struct upgrade *u, struct arena *a, const char *node,
					 size_t *ret_n);
/*
 * Refused since policies were changed, which a gate doubted and paused for: somebody went on with
 * it. Of any gate's evidence.
 */
#define RUN_DOUBTED  "doubted"
#define RECALL_MEANT 256
struct sidestep_counter *recall_meant(struct upgrade *u, struct arena *a, const char *node,
				      size_t *ret_n);
struct doc *recall_rows(struct arena *a, const struct sidestep_counter *rows, size_t n);
/* Of policies that concerned the node's pods before its change, asking_policies(); NULL: not known.
 */
const char *recall_policies(const struct upgrade *u, const char *node);
const struct sidestep_node *recall_first(struct upgrade *u, struct arena *a, const char *node,
					 const char *version);
const struct sidestep_node *recall_previous(struct upgrade *u, struct arena *a, const char *node);
/* One of its looks that is an hour old or more. */
const struct sidestep_node *recall_long_ago(struct upgrade *u, struct arena *a, const char *node);
/* Whether the machine was started anew since the run began. */
bool recall_is_rebooted(const struct upgrade *u, const struct sidestep_node *s);
/* Whether an agent that is not changed yet, and refuses somebody who has been let through at some
 * time, has published for so long since this process first saw it: who is refused now and then is
 * refused in between. So has one whose machine was started anew: what is usual since then shows. */
#define RECALL_APART_NS (10 * NS_PER_S)
bool recall_has_two_looks(const struct upgrade *u, const struct world_node *n);
/* Restarts of its agent's pod at the last sample of this gate; INT64_MAX: there was none. */
int64_t recall_restarts(const struct upgrade *u, const char *node);
/* Pods of the node that are not ready, and were there and ready before its change: whoever came
 * later, or was not ready then, says nothing of it. One of them, by name. */
size_t recall_unready(const struct upgrade *u, const struct world_node *n, const char **ret_one);

/* Evidence for the journal. */
struct doc *recall_note_usual(struct arena *a, const struct world *w);
/* Keeps all of it, too, for gates of this process. */
struct doc *recall_note_before(struct upgrade *u, struct arena *a, const struct world_node *n);
#define G_SOUND "G-SOUND"
#define G_ROOM  "G-ROOM"
