/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runbooks/known.h - what a runbook can name: sources, operations, programs, places to discover.
 *
 * Tables. What is not in them is refused by the lint, so a runbook that passes asks and does
 * nothing but this, and reading these rows says all that a runbook of a stranger could do.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "runbooks/runbook.h"

struct known_source {
	const char *name;
	bool node;           /* answered on the node itself, without a cluster */
	bool timed;          /* `since` means something */
	const char *filters; /* by blanks; those with few values name them: "problem=any" */
	const char *what;
};
/* NULL when there is none of that name. */
const struct known_source *known_source_find(const char *name);
/*
 * Why this is no filter of the source, or NULL: one that it does not know would be passed over, and
 * the answer be about more than was asked.
 */
const char *known_filter_refused(struct arena *a, const struct known_source *s,
				 const struct doc *filter);

struct known_operation {
	const char *name;
	const char *arguments; /* required ones, by blanks */
	const char *optional;
	bool invertible; /* `inverse: auto`: the pre-image can be put back */
	int risk;        /* enum risk: whoever writes the runbook cannot call it less */
	const char *what;
};
const struct known_operation *known_operation_find(const char *name);

/*
 * An argv that may run: its words, one by one and literally; with more, further arguments that do
 * not begin with a dash. There is no shell, so nothing else in them means anything.
 */
struct known_command {
	const char *words;
	bool more, mutates;
	/*
	 * One of our own tools, which keeps a journal: it may be ended at any time and says with
	 * its exit code that it is to be gone on with. again: the words for that; NULL: the same.
	 */
	bool keeps;
	const char *again;
};
/* The row that the first words of argv are, the longest one; NULL when there is none. */
const struct known_command *known_command_find(const char *const *argv, size_t n,
					       size_t *ret_words);
/*
 * What a ref ("apps/v1 DaemonSet ns/name") may be about. Version and kind stand there literally;
 * no Secret is read or written, and only kinds of the table are written. Answers NULL, or why not.
 */
const char *known_ref_refused(const char *ref, bool write);
/* A name (or namespace) of an object, and nothing that a path would read otherwise. */
bool known_name(const char *s);
/* The same of a ref's third word, where ${...} stands for some name; NULL also without one. */
const char *known_ref_name_refused(struct arena *a, const char *ref);
/* The same for an object that is applied. */
const char *known_object_refused(const struct doc *object);

/* Programs that run what their arguments say: never allowed, and named when refused. */
bool known_interpreter(const char *program);

/* Why the result that the step registers has no such field, or NULL: it would be always unknown. */
const char *known_answer_refused(struct arena *a, const struct runbook_step *s, const char *field);
/* One of sidestep-preflight's. */
bool known_check(const char *id);

/* What `default: {discover: KEY}` can find. */
bool known_discovery(const char *key);

/* Every table, as a document for `sidestep-runbook tables`. */
struct doc *known_doc(struct arena *a);
