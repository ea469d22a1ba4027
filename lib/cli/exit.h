/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/cli/exit.h - what every Sidestep program answers its caller, whatever the output format.
 *
 * 2 follows terraform and helm-diff, 64 follows sysexits(3). The table is the only place that
 * spells them: --help, the README and the lint print it.
 */
#pragma once

/* X(symbol, number, meaning) */
#define EXIT_CODES(X)                                                                              \
	X(CLI_OK, 0, "ok, or nothing to change")                                                   \
	X(CLI_FAILED, 1, "internal or environment error")                                          \
	X(CLI_CHANGES, 2, "changes pending (--detailed-exitcode)")                                 \
	X(CLI_BLOCKED, 3, "blocked by a required check, or a promise broken")                      \
	X(CLI_WARNED, 4, "only warnings, with --fail-on warn")                                     \
	X(CLI_INCONCLUSIVE, 5, "inconclusive: something could not be determined")                  \
	X(CLI_WAIVER_EXPIRED, 6, "a waiver has expired")                                           \
	X(CLI_WAITING, 7, "waiting for approval")                                                  \
	X(CLI_INTERRUPTED, 8, "aborted, paused or interrupted")                                    \
	X(CLI_ROLLED_BACK, 9, "rolled back")                                                       \
	X(CLI_ROLLBACK_FAILED, 10, "rollback failed")                                              \
	X(CLI_USAGE, 64, "usage: the command line is wrong")

enum exit_code {
#define EXIT_CODE_ENUM(symbol, number, meaning) symbol = number,
	EXIT_CODES(EXIT_CODE_ENUM)
#undef EXIT_CODE_ENUM
};

/* "ok, or nothing to change"; "unknown exit code" for a number that is none of them. */
const char *exit_code_meaning(int code);
