/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faults.h - scripted faults: what a test wants to go wrong, as a list of rules. The document is
 * described in README.md.
 */
#pragma once

#include "lib/doc/doc.h"

struct faults;
struct request;

enum watch_fault_kind {
	WATCH_FAULT_NONE,
	WATCH_FAULT_CUT,    /* the connection is reset */
	WATCH_FAULT_SILENT, /* stays open, nothing comes any more */
	WATCH_FAULT_EXPIRE, /* an ERROR event 410, then the end */
};

struct watch_fault {
	enum watch_fault_kind kind;
	uint64_t after; /* events that still go out */
};

enum cut_kind {
	CUT_NONE,
	CUT_BEFORE, /* the connection is reset, nothing was done */
	CUT_AFTER,  /* it is reset where the answer would go out: what was asked for is done */
};

struct fault {
	int status;                   /* 0: none */
	const char *reason, *message; /* NULL: the usual ones */
	int retry_after_s;
	uint64_t delay_ms;
	enum cut_kind cut;
	struct watch_fault watch;
};

struct faults *faults_new(void);
void faults_free(struct faults *f);
/* Replaces all rules. -EINVAL names the one that is wrong, and then nothing changed. */
int faults_set(struct faults *f, const struct doc *d, struct error *err);
/* The rules as they stand, with how often each still strikes. */
struct doc *faults_show(const struct faults *f, struct arena *a);
/* Whether a rule strikes this request, and how; counts it. The strings live until faults_set(). */
bool faults_match(struct faults *f, const struct request *r, struct fault *ret);
/* "forgetHistory": true was in the document just set. */
bool faults_forget_history(const struct faults *f);
bool faults_no_watch_list(const struct faults *f);
