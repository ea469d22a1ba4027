/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refusal.h - why a request was refused, in the shape Kubernetes clients know: a Status object.
 *
 * Functions that decide about a request return 0 or REFUSED, and then *r says how. Everything
 * lives in the arena of the request.
 */
#pragma once

#include "lib/doc/doc.h"

#define REFUSED (-EBADE)

struct refusal {
	struct arena *arena;
	int code;           /* HTTP status */
	const char *reason; /* "NotFound", "Conflict", ... */
	const char *message;
	const char *group, *kind, *name, *uid; /* details; NULL when absent */
	struct doc *causes; /* list of {reason, message, field}; NULL when none */
	int retry_after_s;  /* 0 = no hint */
};

/* What the request was about; plural may be NULL. */
struct subject {
	const char *group, *plural, *kind, *name;
};

int refuse(struct refusal *r, int code, const char *reason, const char *fmt, ...) PRINTF_LIKE(4, 5);
int refuse_not_found(struct refusal *r, struct subject s);
int refuse_exists(struct refusal *r, struct subject s);
int refuse_conflict(struct refusal *r, struct subject s, const char *fmt, ...) PRINTF_LIKE(3, 4);
int refuse_forbidden(struct refusal *r, struct subject s, const char *fmt, ...) PRINTF_LIKE(3, 4);
int refuse_bad_request(struct refusal *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* What this server does not serve: 501 and a sentence. */
int refuse_not_served(struct refusal *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A list or watch from a version that is no longer known: 410 Expired. */
int refuse_expired(struct refusal *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * The findings of a validation, collected before one 422 is made of them. Names of the types are
 * Kubernetes' own (FieldValueRequired ...).
 */
struct causes {
	struct arena *arena;
	struct doc *list; /* NULL until the first */
};
#define CAUSES_MAX 50

void cause_required(struct causes *c, const char *field, const char *detail);
void cause_invalid(struct causes *c, const char *field, const struct doc *value,
		   const char *detail);
void cause_invalid_str(struct causes *c, const char *field, const char *value, const char *detail);
void cause_forbidden(struct causes *c, const char *field, const char *detail);
void cause_not_found(struct causes *c, const char *field, const char *value);
void cause_duplicate(struct causes *c, const char *field, const char *value);
/* supported is a NULL-terminated list. */
void cause_unsupported(struct causes *c, const char *field, const char *value,
		       const char *const *supported);
/* 0 when there are none, else a 422 Invalid. */
int refuse_causes(struct refusal *r, struct subject s, const struct causes *c);

/* The Status object. */
struct doc *refusal_status(const struct refusal *r);
