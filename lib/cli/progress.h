/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/cli/progress.h - telling a person what goes on while it goes on.
 *
 * On a terminal the last line is alive: it is redrawn in place and disappears under the next
 * permanent line. Everywhere else (a log, CI, a pipe) only permanent lines are written, each
 * complete, so the log reads well. Nothing here decides anything.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/macros.h"
#include "lib/base/strbuf.h"

struct progress {
	FILE *out;                 /* borrowed, normally stderr */
	const struct clock *clock; /* borrowed */
	bool live;                 /* out is a terminal that understands "erase line" */
	unsigned width;            /* of the terminal; the live line is cut to it */
	struct strbuf line;        /* the live line as drawn */
	unsigned step, steps;      /* of the step at hand; steps 0 = not counted */
	uint64_t step_began_ns;
	uint64_t drawn_ns;
};

/* Finds out whether out is a terminal; NO_COLOR and TERM=dumb make it plain. */
void progress_init(struct progress *p, FILE *out, const struct clock *clock);
void progress_release(struct progress *p);

/* A permanent line. */
void progress_line(struct progress *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The live line; on no terminal nothing. Redrawn at most ten times a second. */
void progress_live(struct progress *p, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* "[3/12] title" alive (or as a permanent line off the terminal) ... */
void progress_begin(struct progress *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* ... and "[3/12] title: word (4.1 s)" for good. word: "ok", "failed: why", "skipped: why". */
void progress_end(struct progress *p, const char *title, const char *word);
