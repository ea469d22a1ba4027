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

/* Behind a change: a connection that is not answered is lost after 3 s. */
#define STEP_SETTLE_NS (4 * NS_PER_S)

/* Runs a tool; what its exit code means for the step. */
int step_tool(struct story *s, const char *title, const char *name, const char *const *args,
	      struct tool_run *t, enum step_outcome *outcome, const char **words,
	      struct error *err);
/* One that changes nothing: killed, its user asks again. */
int step_ask(struct story *s, const char *title, const char *name, const char *const *args,
	     struct tool_run *t, enum step_outcome *outcome, const char **words, struct error *err);
/*
 * One that changes things, of which args[0] is the verb: killed, it is taken up again by `resume`
 * with the n_kept arguments behind it, as its user would. *ret_rounds: how often.
 */
int step_persist(struct story *s, const char *title, const char *name, const char **args,
		 size_t n_kept, struct tool_run *t, unsigned *ret_rounds,
		 enum step_outcome *outcome, const char **words, struct error *err);
/* A step that a program calls good is not when something says otherwise. */
void step_doubt(struct story *s, enum step_outcome *outcome, const char **words, const char *wrong);

/* upgrade.c */
int story_do_upgrade(struct story *s, enum step_outcome *outcome, const char **words,
		     struct error *err);
int story_do_defects(struct story *s, enum step_outcome *outcome, const char **words,
		     struct error *err);
/* config.c */
int story_do_config(struct story *s, enum step_outcome *outcome, const char **words,
		    struct error *err);
/* runbook.c: what the subject's runbook finds of what came since (seconds of the story); after: of
 * what it is asked. *ret_wrong: what is wrong with it or with what it found, if it is NULL. */
int story_ask_runbook(struct story *s, const char *after, double since, const char **ret_wrong,
		      struct error *err);

/* "sidestep.dev/sidestepd:VERSION" of VERSION=DIR. */
const char *story_image(struct arena *a, const char *release);

/* The folder where the lab's workloads keep their counts; to be freed. */
char *story_counts_dir(const struct story *s);
