/* SPDX-License-Identifier: Apache-2.0 */
/* deploy/lab/story/steps.h - the steps of the story as a table, in the order they are told. */
#pragma once

#include "deploy/lab/story/story.h"

struct story_row {
	const char *id, *title;
	/* 0 with *outcome and *words, or a negative errno that ends the story. */
	int (*run)(struct story *s, enum step_outcome *outcome, const char **words,
		   struct error *err);
	bool needed; /* nothing further makes sense without it */
};
extern const struct story_row story_rows[];
extern const unsigned story_n_rows;

/* The folder where the lab's workloads keep their counts; to be freed. */
char *story_counts_dir(const struct story *s);
