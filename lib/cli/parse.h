/* SPDX-License-Identifier: Apache-2.0 */
/* lib/cli/parse.h - one command's words into its options struct. Used inside lib/cli only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/error.h"
#include "lib/cli/cli.h"

struct cli_parsed {
	void *opts;  /* in the arena, defaults applied */
	char **args; /* in the arena, NULL behind the last */
	int n_args;
	bool help; /* --help or -h was there; nothing else was checked then */
};

/* words: what stands behind the command's name. -EINVAL with a sentence for the user. */
int cli_parse(struct arena *a, const struct cli_command *command, int n_words, char **words,
	      struct cli_parsed *ret_parsed, struct error *err);

/* An option found by name, also inside groups. */
struct cli_found {
	const struct cli_option *option;
	size_t offset; /* of its member, from the start of the whole struct */
};
/* By long name (n bytes), or by letter when name is NULL. False when there is none. */
bool cli_find_option(const struct cli_option *options, size_t n_options, const char *name, size_t n,
		     char letter, struct cli_found *ret_found);
/* A flag's value by name; false when the command has no such flag. */
bool cli_flag_set(const struct cli_command *command, const void *opts, const char *name);
/* A string option's value by name; NULL when absent or unset. */
const char *cli_string_set(const struct cli_command *command, const void *opts, const char *name);
