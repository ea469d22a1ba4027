/* SPDX-License-Identifier: Apache-2.0 */
/* migrate/translate_internal.h - what the translator's files share; translate.h is the interface.
 */
#pragma once

#include "lib/istio/authz.h"
#include "migrate/ports.h"
#include "migrate/sources.h"
#include "migrate/translate.h"

struct translator {
	struct arena *arena;
	const struct istio_mesh *mesh;
	const char *namespace;
	struct sources members; /* with a certificate of the mesh */
	struct net_cidr *pod_cidrs;
	size_t n_pod_cidrs;
	struct translation *out;
	size_t fields_cap, policies_cap;
};

/* --- one rule (translate_rule.c) --- */

/* Who may (or must not) reach which ports. */
struct reach {
	struct sources sources;
	struct port_set ports;
};
struct reaches {
	struct reach *items;
	size_t n, cap;
};
void reaches_release(struct reaches *r);
/* Adds; equal sources are joined. Takes sources over. */
void reaches_add(struct reaches *r, struct sources *sources, const struct port_set *ports);
/*
 * What a rule says at L4. False when a part of it cannot be said: then an ALLOW rule must be left
 * out, and a DENY rule (lenient) is taken without that part, so that neither grows.
 */
bool rule_reach(struct translator *t, const struct istio_authorization_policy *p,
		const struct istio_rule *rule, bool lenient, struct reaches *out);
/* Why a value of a source attribute cannot be said at L4, or NULL. */
const char *source_value_blocked(struct translator *t, const char *attribute, const char *value);

/* --- classes of pods (translate_class.c) --- */

/* Pods that every selector of the namespace treats alike. */
struct pod_class {
	const char *name;       /* for the policy's name */
	struct strmap labels;   /* that they have */
	struct doc **selectors; /* endpointSelectors whose union is the class */
	size_t n_selectors;
};
/* false: more classes than TRANSLATE_MAX_CLASSES. */
bool pod_classes(struct translator *t, struct pod_class **ret, size_t *ret_n);
#define TRANSLATE_MAX_CLASSES 512u

/* --- policies (translate_policy.c) --- */
void translate_class(struct translator *t, const struct pod_class *c);

/* --- fields (translate_fields.c) --- */
void translate_fields(struct translator *t);
void field_add(struct translator *t, const char *object, const char *path, enum field_class class,
	       const char *waiver, const struct doc *node, const char *fmt, ...) PRINTF_LIKE(7, 8);
const char *object_label(struct arena *a, const struct object_meta *m);
