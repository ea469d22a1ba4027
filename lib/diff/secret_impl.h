/* SPDX-License-Identifier: Apache-2.0 */
/* lib/diff/secret_impl.h - what secret.c and secret_text.c have of each other. */
#pragma once

#include "lib/diff/secret.h"

/* Clusters, users and their credentials: hidden whole. */
bool secret_is_kubeconfig(const char *s);
/* A copy of d in which fields are redacted by their names, as in a custom resource. */
struct doc *secret_redact_names(struct arena *a, const struct secret_key *key, const struct doc *d);
