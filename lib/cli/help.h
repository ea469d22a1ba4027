/* SPDX-License-Identifier: Apache-2.0 */
/* lib/cli/help.h - what the tables look like to a reader. Used inside lib/cli only. */
#pragma once

#include <stdio.h>

#include "lib/cli/cli.h"

/* The program's own --help: every command, one line each. */
void cli_program_help(const struct cli_program *program, FILE *out);
/* Shell code for `PROGRAM completion SHELL`; -EINVAL for another shell. */
int cli_completion_script(const struct cli_program *program, const char *shell, FILE *out);
/* Candidates for the last of words, one a line: what the shell code calls. */
void cli_complete(const struct cli_program *program, int n_words, char **words, FILE *out);
/* The row with that name, hidden ones included; NULL = none. */
const struct cli_command *cli_find_command(const struct cli_command *rows, size_t n,
					   const char *name);
