/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/step/world.h - a world of named documents, a clock that only moves by waiting, and a
 * hand that pulls the plug at the n-th boundary. For faults and time; what it proves is the engine.
 */
#pragma once

#include <setjmp.h>

#include "lib/step/run.h"

struct world {
	struct arena arena;
	struct doc *objects; /* map: name -> object */
	struct fake_clock clock;
	struct step_host host;
	jmp_buf killed;
	int kill_at;  /* boundary number, counted from 1; 0 never */
	int boundary; /* how many were passed */
	int writes, copies;
	bool pause;
	const char *edit; /* name of an object that a foreign hand changes at the kill, or NULL */
};

void world_init(struct world *w);
void world_release(struct world *w);
void world_put(struct world *w, const char *name, const char *json);
/* Compact JSON with sorted keys of everything there is; the caller frees. */
char *world_text(struct world *w);
struct doc *world_ref(struct arena *a, const char *name);
