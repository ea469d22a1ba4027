/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/istio/host.h - how Istio turns the names in its objects into hosts, and compares them.
 *
 * A name without a dot is a Service in the namespace of the *object* (never of the caller); any dot
 * makes it a full name, so "reviews.prod" is not expanded; "*" and IP addresses stay as they are.
 * Source: istio pkg/config ResolveShortnameToFQDN, pkg/config/host.
 */
#pragma once

#include <stdbool.h>

#include "lib/base/arena.h"

/* "reviews" in namespace "prod" -> "reviews.prod.svc.cluster.local". */
const char *istio_host_fqdn(struct arena *a, const char *host, const char *ns, const char *suffix);
const char *istio_service_fqdn(struct arena *a, const char *name, const char *ns,
			       const char *suffix);
/* pattern is exact, "*" or "*.suffix"; host exact. "*.foo" does not match "foo". */
bool istio_host_matches(const char *pattern, const char *host);
/*
 * Which of two patterns that both match is the more specific: > 0 when a is. Exact before wildcard,
 * then the longer one.
 */
int istio_host_specificity(const char *a, const char *b);
/* exportTo: empty = everybody, "." = own namespace, "*", "~" = nobody, or names. */
struct strings;
bool istio_exported(const struct strings *export_to, const char *own_ns, const char *viewer_ns);
