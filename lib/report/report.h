/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/report/report.h - checks are run, findings collected, a report printed in any format.
 *
 * The third river of the house: a table of checks -> report_run() -> findings -> every output
 * format and the exit code. The same findings give the same bytes: order is the table's, then the
 * scope's; no clock is read but the one in the report.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/base/strbuf.h"
#include "lib/doc/doc.h"
#include "lib/report/finding.h"
#include "lib/report/waiver.h"

struct report;
struct check;

/* Looks, and adds one finding or more with report_add(). A negative errno becomes `unknown`. */
typedef int (*check_fn)(const struct check *check, void *env, struct report *report,
			struct error *err);

struct check {
	const char *id;       /* stable, never reused: KRN-001 */
	const char *title;    /* what is asked, a noun phrase */
	const char *category; /* groups in outputs: kernel, bpf, filesystem ... */
	enum severity severity;
	const char *remedy;  /* one imperative sentence, for a fail */
	const char *source;  /* where the rule comes from */
	const char *explain; /* a paragraph for `explain ID`: what breaks without it */
	unsigned flags;      /* enum check_flags */
	check_fn run;
};
enum check_flags {
	CHECK_ACTIVE = 1,  /* loads a program, opens a socket ...: skipped with --passive */
	CHECK_CLUSTER = 2, /* asks the Kubernetes API or a snapshot */
	CHECK_NOT_WAIVABLE = 4,
};

struct report {
	struct arena arena;
	const char *tool, *title;
	int64_t made_ns; /* wall clock */
	struct finding *findings;
	size_t n, cap;
	struct waivers waivers;     /* filled by the caller before report_finish() */
	const struct check *checks; /* of report_run, so that SARIF can list its rules */
	size_t n_checks;
	const char *ready, *blocked; /* the summary's last word; NULL: "ready", "blocked" */
};

/* title: "Preflight of node a". tool: the program. Strings are copied. */
void report_init(struct report *r, const char *tool, const char *title, const struct clock *clock);
void report_release(struct report *r);

/*
 * A finding of check in scope ("" = the whole). Returns it for evidence and changes; the pointer
 * is good until the next report_add().
 */
struct finding *report_add(struct report *r, const struct check *check, enum finding_result result,
			   const char *scope, const char *fmt, ...) PRINTF_LIKE(5, 6);
/* A finding that no table row made (a plan's, a verifier's). */
struct finding *report_add_free(struct report *r, const char *id, const char *title,
				const char *category, enum severity severity,
				enum finding_result result, const char *scope, const char *fmt, ...)
	PRINTF_LIKE(8, 9);
void finding_evidence(struct report *r, struct finding *f, const char *source, const char *expected,
		      const char *fmt, ...) PRINTF_LIKE(5, 6);

/*
 * Runs the rows in their order. A check that fails to do its job, or adds nothing, leaves an
 * `unknown` finding. skip, when not NULL, names why a row is not run (NULL = run it).
 */
void report_run(struct report *r, const struct check *checks, size_t n, void *env,
		const char *(*skip)(const struct check *check, void *env));

/* Sorts by (order of first appearance of the id, scope) and applies the waivers. Once, before
 * rendering. */
void report_finish(struct report *r);

size_t report_count(const struct report *r, enum finding_result result);

/* The numbers are the exit codes of the house (lib/cli/exit.h), so a program returns it as it is.
 */
enum report_verdict {
	REPORT_OK = 0,
	REPORT_BLOCKED = 3,        /* an unwaived fail of severity blocker or error */
	REPORT_WARNED = 4,         /* only warnings failed, and fail_on is SEVERITY_WARNING */
	REPORT_INCONCLUSIVE = 5,   /* a blocker or error is unknown */
	REPORT_WAIVER_EXPIRED = 6, /* what fails was waived until lately */
};
/* fail_on: SEVERITY_ERROR (usual) or SEVERITY_WARNING. Worst first: 3, 6, 5, 4. */
enum report_verdict report_verdict(const struct report *r, enum severity fail_on);

/* X(symbol, name, what for): the formats; the names are the values of --output. */
#define REPORT_FORMATS(X)                                                                          \
	X(REPORT_TABLE, "table", "for people")                                                     \
	X(REPORT_SHORT, "short", "what did not pass, one line each")                               \
	X(REPORT_JSON, "json", "for programs")                                                     \
	X(REPORT_YAML, "yaml", "for programs")                                                     \
	X(REPORT_JUNIT, "junit", "for CI test panels")                                             \
	X(REPORT_SARIF, "sarif", "for code scanning views")                                        \
	X(REPORT_MARKDOWN, "markdown", "for pull requests")                                        \
	X(REPORT_HTML, "html", "one self-contained page")                                          \
	X(REPORT_PROMETHEUS, "prometheus", "for the node exporter's textfile collector")
enum report_format {
#define REPORT_FORMAT_ENUM(symbol, name, what) symbol,
	REPORT_FORMATS(REPORT_FORMAT_ENUM)
#undef REPORT_FORMAT_ENUM
};
/* Ends with NULL; fits lib/cli's CLI_CHOICE. */
extern const char *const report_format_names[];

void report_render(const struct report *r, enum report_format format, struct strbuf *out);
/* The findings as a document (what json and yaml print), in a. */
struct doc *report_doc(struct arena *a, const struct report *r);
struct doc *finding_doc(struct arena *a, const struct finding *f);
