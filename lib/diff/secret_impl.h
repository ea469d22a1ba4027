/* SPDX-License-Identifier: Apache-2.0 */
/* lib/diff/secret_impl.h - what secret.c, secret_name.c, secret_scan.c and secret_text.c have of
 * each other. */
#pragma once

#include "lib/diff/secret.h"

/* Clusters, users and their credentials: hidden whole. */
bool secret_is_kubeconfig(const char *s);
/* A copy of d in which fields are redacted by their names, as in a custom resource. */
struct doc *secret_redact_names(struct arena *a, const struct secret_key *key, const struct doc *d);
/* Whether a value of n bytes under that name is secret: of a name like "auth" or "tls-key", no path
 * and no true or false. */
bool secret_pair(const char *name, const char *value, size_t n);
/* -u, --user, --proxy-user; and whether what follows is a user with a password. */
bool secret_user_option(const char *option);
bool secret_user_value(const char *value, size_t n);
/* A line with every secret in the middle of it replaced; true when there was one. */
bool secret_scan(struct arena *a, const struct secret_key *key, const char *line, size_t n,
		 struct strbuf *out);
