/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/cli/cli.h - a program's commands and options as tables.
 *
 * A main() is one line: `return cli_main(&program, argc, argv);`. The tables say everything a user
 * can type; parsing, --help, usage errors (exit 64), shell completion and the README's command
 * table are made from them, so they cannot disagree.
 *
 *   struct run_opts {
 *           const char *root;
 *           int output;
 *           bool passive;
 *   };
 *   static const struct run_opts run_defaults = { .root = "/" };
 *   static const struct cli_option run_options[] = {
 *           CLI_OPT(struct run_opts, root, "root", 0, CLI_STRING, "DIR", "look below DIR"),
 *           CLI_CHOICE(struct run_opts, output, "output", 'o', output_names, "how to print"),
 *           CLI_OPT(struct run_opts, passive, "passive", 0, CLI_FLAG, NULL, "load nothing"),
 *   };
 *   static const struct cli_command commands[] = {
 *           { "run", "run every check", .needs = NEEDS_ROOT, .run = cmd_run,
 *             CLI_OPTIONS(run_options), CLI_DEFAULTS(run_defaults) },
 *   };
 *
 * Names match exactly: no prefixes, because `m` must not come to mean `map` in a tool that changes
 * clusters. Options and arguments may be mixed; `--` ends options. Results go to stdout, everything
 * else to stderr.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/base/arena.h"
#include "lib/base/error.h"
#include "lib/base/strbuf.h"
#include "lib/cli/exit.h"

enum cli_kind {
	CLI_FLAG,     /* bool */
	CLI_STRING,   /* const char *, into argv */
	CLI_INT,      /* int64_t in [min, max]; both 0 = any */
	CLI_DURATION, /* uint64_t nanoseconds, written "90s", "1h30m", "500ms" */
	CLI_ENUM,     /* int: the index of the value in .names */
	CLI_LIST,     /* struct cli_list: repeat the option, or separate with commas */
	CLI_GROUP,    /* no option itself: .group's options, at .offset in the struct */
};

/* Borrowed strings; the array belongs to the call and ends with it. */
struct cli_list {
	const char **items;
	size_t n;
};

struct cli_option {
	const char *name; /* without dashes; of a group: its heading */
	char letter;      /* 0 = none */
	enum cli_kind kind;
	size_t offset;     /* in the command's options struct */
	const char *value; /* placeholder in help: FILE, DIR, N ...; NULL for flags and enums */
	const char *help;  /* one line, lower case, no full stop */
	int64_t min, max;
	const char *const *names; /* CLI_ENUM: ends with NULL */
	const struct cli_option *group;
	size_t n_group;
};

#define CLI_OPT(type, member, name_, letter_, kind_, value_, help_)                                \
	{                                                                                          \
		.name = (name_), .letter = (letter_), .kind = (kind_),                             \
		.offset = offsetof(type, member), .value = (value_), .help = (help_)               \
	}
#define CLI_NUMBER(type, member, name_, letter_, value_, min_, max_, help_)                        \
	{                                                                                          \
		.name = (name_), .letter = (letter_), .kind = CLI_INT,                             \
		.offset = offsetof(type, member), .value = (value_), .help = (help_),              \
		.min = (min_), .max = (max_)                                                       \
	}
#define CLI_CHOICE(type, member, name_, letter_, names_, help_)                                    \
	{                                                                                          \
		.name = (name_), .letter = (letter_), .kind = CLI_ENUM,                            \
		.offset = offsetof(type, member), .names = (names_), .help = (help_)               \
	}
/* Another table's options, filling the struct that is this struct's `member`. */
#define CLI_USE(type, member, heading_, options_)                                                  \
	{                                                                                          \
		.name = (heading_), .kind = CLI_GROUP, .offset = offsetof(type, member),           \
		.group = (options_), .n_group = sizeof(options_) / sizeof((options_)[0])           \
	}

/* Honoured by the dispatcher before the command's function runs. */
enum {
	NEEDS_NOTHING = 0,
	NEEDS_ROOT = 1,    /* effective uid 0, else exit 3 */
	NEEDS_BPF = 2,     /* the kernel lets us load a program, else exit 3 */
	NEEDS_CLUSTER = 4, /* --kubeconfig, KUBECONFIG, ~/.kube/config or a pod's own account */
	/*
	 * Changes something others depend on. Its options must have --dry-run and --yes (flags).
	 * Without --yes the dispatcher calls .preview, then asks on a terminal, or answers
	 * CLI_WAITING when nobody can be asked. With --dry-run only .preview runs.
	 */
	MUTATES = 8,
};

struct cli_program;
struct cli_command;

struct cli_call {
	const struct cli_program *program;
	const struct cli_command *command;
	const struct cli_command *const *path; /* the rows that lead to it, itself last */
	size_t depth;
	const void *opts; /* the command's options struct, filled */
	char **args;      /* what is no option; NULL behind the last */
	int n_args;
	FILE *in, *out, *err;
	struct arena *arena; /* ends with the call */
	/* What .preview shows and leaves here is what .run shall do; NULL when nothing was shown.
	 */
	void **shown;
	bool *nothing; /* .preview says so: there is nothing to do, nobody is asked and .run not
			  called */
};

struct cli_command {
	const char *name;       /* NULL in the only row of a program without commands */
	const char *summary;    /* one line, lower case, no full stop */
	const char *args;       /* "NAMESPACE", "[ID...]"; NULL = takes none */
	int min_args, max_args; /* max_args -1 = any number */
	const char *details;    /* paragraphs and examples for --help, or NULL */
	unsigned needs;
	/*
	 * The exit codes it can end with, for --help: CLI_EXIT(CLI_BLOCKED) | ... Not 0, 1 and 64,
	 * which everything can, nor what .needs brings (3 without root, 7 without approval).
	 */
	unsigned exits;
	const struct cli_option *options;
	size_t n_options;
	const void *defaults; /* copied before parsing; NULL = zeroes */
	size_t opts_size;
	const struct cli_command *verbs; /* nested commands; then no function of its own */
	size_t n_verbs;
	bool raw; /* no option parsing at all: everything behind the name is an argument */
	bool hidden;
	/* >= 0 exit code; negative errno with err filled becomes "program: message" and exit 1. */
	int (*run)(const struct cli_call *call, struct error *err);
	/* Prints what run would change. Same answer; CLI_OK when there is something to do. */
	int (*preview)(const struct cli_call *call, struct error *err);
};

#define CLI_OPTIONS(table)   .options = (table), .n_options = sizeof(table) / sizeof((table)[0])
#define CLI_DEFAULTS(object) .defaults = &(object), .opts_size = sizeof(object)
#define CLI_VERBS(table)     .verbs = (table), .n_verbs = sizeof(table) / sizeof((table)[0])

#define CLI_EXIT(code) (1u << (code))

/* A page of its own that `PROGRAM help NAME` prints: a file's format, say. */
struct cli_topic {
	const char *name;
	const char *summary; /* one line, lower case, no full stop */
	void (*print)(FILE *out);
};

struct cli_program {
	const char *name;
	const char *summary; /* one line */
	const char *details; /* under the command list of --help, or NULL */
	const struct cli_command *commands;
	size_t n_commands;
	const struct cli_topic *topics;
	size_t n_topics;
	/*
	 * First word is in no row, or the second in none of its verbs: for the front door, which
	 * looks for another program. Answers an exit code, or -ENOENT to let the dispatcher report
	 * an unknown command. May be NULL.
	 */
	int (*unknown)(const struct cli_program *program, int argc, char **argv);
	/* Further lines for completion of the first word (NULL-terminated), or NULL. */
	const char *const *more_names;
};

/* Runs the program on the process' own streams. The exit code for main() to return. */
int cli_main(const struct cli_program *program, int argc, char **argv);
/* The same with given streams, for tests. */
int cli_run(const struct cli_program *program, int argc, char **argv, FILE *in, FILE *out,
	    FILE *err);

/*
 * A usage error found by a command's own function ("--to needs --from"): prints it with the hint to
 * --help and answers CLI_USAGE, to be returned.
 */
int cli_usage(const struct cli_call *call, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Help of one command (path of names, may be empty) as the user sees it. */
void cli_help(const struct cli_program *program, const struct cli_command *const *path,
	      size_t depth, FILE *out);
/* The program's commands as a Markdown table: what the README shows and a lint compares. */
void cli_markdown(const struct cli_program *program, FILE *out);

/* "500ms", "90s", "2m", "24h": a duration as one writes it. */
void cli_duration_text(uint64_t ns, struct strbuf *sb);

/* What a need lacks here, as a sentence with what to do; NULL when it is met. */
const char *cli_missing(unsigned need, const char *kubeconfig);

#define CLI_MAX_DEPTH 4
#define CLI_MAX_ARGS  4096
