/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/report/finding.h - what was seen, as opposed to struct error: why we could not look.
 *
 * A result is three-valued plus skip: what could not be determined is `unknown`, never pass and
 * never fail; `skip` means the question does not arise here, and says why. Severity belongs to the
 * check and tells what a fail would mean; "warn" is a severity, not a result.
 *
 * Strings live in the report's arena.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/error.h"

enum finding_result { FINDING_PASS, FINDING_FAIL, FINDING_UNKNOWN, FINDING_SKIP };
enum severity { SEVERITY_BLOCKER, SEVERITY_ERROR, SEVERITY_WARNING, SEVERITY_INFO };

/* Where an answer came from: a path, a system call, an API request; raw and bounded. */
struct evidence {
	const char *source, *observed, *expected; /* expected may be NULL */
};

struct waiver;

struct finding {
	const char *id, *title, *category;
	enum severity severity;
	enum finding_result result;
	const char *scope;   /* "node/a", "namespace/x", "Kind/ns/name"; "" = the whole */
	const char *message; /* what was seen, one sentence */
	const char *remedy;  /* one imperative sentence, NULL when there is nothing to do */
	const char *source;  /* where the rule comes from */
	struct evidence *evidence;
	size_t n_evidence;
	const struct waiver *waiver; /* that covers it (a fail or unknown only), else NULL */
	bool not_waivable;
	const char *where; /* file:line:col of what is meant, or NULL */
};

/* "pass", "fail", "unknown", "skip". */
const char *finding_result_name(enum finding_result r);
int finding_result_parse(const char *name, enum finding_result *ret_result);
/* "blocker", "error", "warning", "info". */
const char *severity_name(enum severity s);
int severity_parse(const char *name, enum severity *ret_severity);

/* More evidence than this in one value is cut, with a mark. */
#define EVIDENCE_MAX_BYTES 4096u
