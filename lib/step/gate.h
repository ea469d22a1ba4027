/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/step/gate.h - a question that must be answered "yes" before a run goes on.
 *
 * A gate takes samples until enough in a row pass, one fails for good, or its time is over. Each
 * sample asks at least two independent sources (an agent's counters and a probe's result, say); a
 * source that cannot answer is unknown, and a gate whose sources do not all answer is inconclusive,
 * never passed. What ended it is recorded with every source's words; inconclusive always with some.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/error.h"
#include "lib/doc/doc.h"
#include "lib/report/finding.h"

#define GATE_MAX_SOURCES 8

struct gate_source {
	const char *name;           /* "agents' counters", "probe pod" */
	enum finding_result result; /* skip: the source does not apply here, and says why */
	const char *words;          /* what it saw */
};

struct gate_sample {
	struct arena *arena;
	struct gate_source sources[GATE_MAX_SOURCES];
	size_t n;
	/* Told to sample(): when this one passes too, the gate has passed. */
	bool decides;
	/* What whoever goes on must know, kept in the record; NULL: nothing. In arena. */
	struct doc *evidence;
	/* Inconclusive, but the sources will still tell what happens meanwhile: the row of good
	 * samples goes on behind this one, instead of beginning anew. */
	bool keeps;
	/* A fail that waiting cannot mend: the gate ends at once. */
	bool final;
};

struct gate {
	const char *id;     /* "G-AUDIT-CLEAN" */
	const char *title;  /* the question, answered yes to pass */
	const char *source; /* where the rule comes from */
	/* Asks the sources. A negative errno counts as one unknown source with the error's words.
	 */
	int (*sample)(void *env, const struct doc *args, struct gate_sample *out,
		      struct error *err);
	uint64_t every_ns;  /* between samples */
	uint64_t within_ns; /* after that it fails or is inconclusive */
	/* What is not well for less than this does not begin the row anew, and decides nothing; a
	 * fail that has stood for so long ends the gate. 0: each sample counts. */
	uint64_t bears_ns;
	unsigned stable;     /* samples in a row that must pass; at least 1 */
	uint64_t lasts_ns;   /* and from the first of the row to the last at least so long */
	unsigned n_required; /* sources that must answer; 0 means 2 */
	/* Asked before a step: by whoever resumes, too, also when changes of the step were begun.
	 */
	bool again;
};

/* Called by sample(): adds what one source says. words are copied into the sample's arena. */
void gate_answer(struct gate_sample *s, const char *name, enum finding_result result,
		 const char *fmt, ...) PRINTF_LIKE(4, 5);

/* pass, fail or unknown (inconclusive) for one sample. */
enum finding_result gate_judge(const struct gate *g, const struct gate_sample *s);

struct gate_host {
	/* Monotonic now. */
	uint64_t (*now_ns)(void *ctx);
	/* Waits; -EINTR when the run is to pause or end. */
	int (*wait)(void *ctx, uint64_t ns, struct error *err);
	/* After every sample, for progress; may be NULL. */
	void (*sampled)(void *ctx, const struct gate *g, const struct gate_sample *s,
			enum finding_result judged);
	void *ctx;
};

/*
 * Runs one gate. *ret_result is pass, fail or unknown; *ret_record holds the gate's id, result,
 * number of samples and the last sample's sources, for the journal. Negative errno only when
 * waiting was interrupted.
 */
int gate_run(const struct gate *g, void *env, const struct doc *args, const struct gate_host *host,
	     struct arena *a, enum finding_result *ret_result, struct doc **ret_record,
	     struct error *err);
