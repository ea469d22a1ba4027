/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/istio/match.h - the few predicates that AuthorizationPolicy is made of.
 *
 * A value is a pattern: "*" (something is there), "prefix*", "*suffix" or exact. A list of values
 * is an OR; a negative list says that none of them matches. Used by the evaluator (authz.h), by the
 * sidecar's RBAC renderer and by the translator, which must agree on them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/doc/bind.h"

enum istio_match_kind { MATCH_EXACT, MATCH_PREFIX, MATCH_SUFFIX, MATCH_PRESENT };
struct istio_match {
	enum istio_match_kind kind;
	const char *text; /* without the star; "" for MATCH_PRESENT */
};
/* In the arena when a star had to be cut off. */
struct istio_match istio_match_parse(struct arena *a, const char *pattern);
bool istio_match_test(const struct istio_match *m, const char *value, bool ignore_case);
/* Parse and test at once; value NULL (nothing there) never matches. */
bool istio_pattern_matches(const char *pattern, const char *value, bool ignore_case);
/* How namespaces are matched: a star anywhere stands for any text, also for none. */
bool istio_glob_matches(const char *pattern, const char *value);

/* "trust-domain/ns/NAMESPACE/sa/ACCOUNT", exact. */
struct istio_principal {
	const char *trust_domain, *namespace, *service_account;
};
/* False when text is a pattern or has another form. */
bool istio_principal_parse(struct arena *a, const char *text, struct istio_principal *ret);
const char *istio_principal_format(struct arena *a, const char *trust_domain, const char *ns,
				   const char *service_account);

/* "10.0.0.0/8" or "10.1.2.3", IPv4 or IPv6. False also when either cannot be read. */
bool istio_cidr_contains(const char *cidr, const char *address);
bool istio_cidr_valid(const char *cidr);
/* paths of the form "/a/{*}/b" and "/{**}". */
bool istio_is_path_template(const char *path);
bool istio_path_template_matches(const char *template_, const char *path);
