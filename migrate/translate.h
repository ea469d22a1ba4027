/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrate/translate.h - a namespace's Istio objects to policies of the mesh, field by field.
 *
 * Every field of every Istio object that says something about the namespace is accounted for:
 * exact, approximated (and how, with the id of the waiver that it needs), blocked (and why), or
 * implicit (it needs nothing here). A match predicate is never dropped. Pure.
 */
#pragma once

#include "lib/istio/mesh.h"
#include "lib/report/page.h"
#include "lib/report/report.h"

#define FIELD_CLASSES(X)                                                                           \
	X(FIELD_EXACT, "exact")                                                                    \
	X(FIELD_APPROXIMATED, "approximated")                                                      \
	X(FIELD_BLOCKED, "blocked")                                                                \
	X(FIELD_IMPLICIT, "implicit")
enum field_class {
#define FIELD_CLASS_ENUM(symbol, name) symbol,
	FIELD_CLASSES(FIELD_CLASS_ENUM)
#undef FIELD_CLASS_ENUM
};
const char *field_class_name(enum field_class c);

/* What a profile must waive by name before a namespace may move (each is a finding's id). */
/* The id of the findings that translation makes of its blocked fields. */
#define FINDING_FIELD_BLOCKED      "field-blocked"
#define WAIVER_ENCRYPTION_LOST     "encryption-lost"
#define WAIVER_IDENTITY_BY_ADDRESS "identity-by-address"

struct field_verdict {
	const char *namespace; /* that is blocked or served by it */
	const char *object;    /* "AuthorizationPolicy/shop/only-orders" */
	const char *path;      /* "spec.rules[0].to[0].operation.methods" */
	enum field_class class;
	const char *reason; /* one sentence */
	const char *waiver; /* approximated: the finding id that needs a waiver, or NULL */
	const char *where;  /* file:line:col, or NULL */
};

struct translation {
	const char *namespace;
	struct doc **policies; /* CiliumNetworkPolicies, whole objects, sorted by name */
	size_t n_policies;
	struct field_verdict *fields;
	size_t n_fields;
	size_t n_blocked;
};

/*
 * In a. Policies are named "sidestep-..." and carry SIDESTEP_MANAGED_BY_LABEL. With blocked fields
 * policies are still made for what is not blocked, for the reader; they must not be applied.
 * -ENOENT when nothing at all is known of the namespace.
 */
int translate_namespace(struct translation *t, struct arena *a, const struct istio_mesh *m,
			const char *ns, struct error *err);
struct doc *translation_doc(struct arena *a, const struct translation *t);
void translation_page(const struct translation *t, struct page *p);
/* Blocked fields (blockers) and approximations (errors with the waiver's id) as findings. */
void translation_findings(const struct translation *t, struct report *r);
