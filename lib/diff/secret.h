/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/diff/secret.h - secret values become keyed digests before anything looks at them.
 *
 * What is secret: every value of a Secret; a value whose name says so, where names are free (data
 * of a ConfigMap, env, annotations, arguments, custom resources, and in files embedded in any of
 * these); anything anywhere that looks like it: PEM, JWT, a kubeconfig with credentials, a URL
 * with a password, each also in base64; and in the middle of a line what a name, an option, a URL's
 * query or an issuer's prefix (ghp_, sk_live_, AKIA) gives away. Labels, images, digests and the
 * keys by which things are found (topologyKey, a matchExpressions' key) stay as they are.
 *
 * It is replaced by "hmac-sha256:0123456789abcdef (12 bytes)". Under one key equal values give
 * equal digests, so objects are redacted first and compared afterwards: no diff, plan, journal or
 * report made from them can hold a value. Without the key a digest cannot be tried against guesses.
 *
 * OpenSSL's HMAC has its home for this purpose here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/doc/doc.h"

#define SECRET_KEY_BYTES 32
struct secret_key {
	unsigned char bytes[SECRET_KEY_BYTES];
};

/* A key that nobody has seen, from the kernel. */
int secret_key_random(struct secret_key *ret_key, struct error *err);
/* From a file of at least 32 bytes (all of it counts), so that digests of two runs compare. */
int secret_key_read(const char *path, struct secret_key *ret_key, struct error *err);

/* "hmac-sha256:0123456789abcdef (12 bytes)" in the arena. */
const char *secret_digest(struct arena *a, const struct secret_key *key, const void *data,
			  size_t n);
/* "0123456789abcdef": tells whether two runs had the same key, and nothing else of it. */
const char *secret_key_id(struct arena *a, const struct secret_key *key);
/*
 * "sha256:..." of an object as far as it takes part in a comparison (diff_view()), to tell later
 * whether it has moved. The object must have been redacted: this digest has no key.
 */
const char *content_digest(struct arena *a, const struct doc *redacted);
/* Whether s looks like a credential by itself (PEM, JWT, kubeconfig, URL with a password). */
bool secret_looks_like(const char *s);
/*
 * A text with what is secret in it replaced: of one line the whole, of a file (several lines, or
 * JSON) the values of fields whose names say so and the lines that look like a credential, so that
 * the rest can still be read and compared. s itself when nothing is.
 */
const char *secret_text(struct arena *a, const struct secret_key *key, const char *s);
/* Whether a field or variable of that name holds one: DB_PASSWORD, api-token; not secretName. */
bool secret_name(const char *name);
/*
 * The object with every secret value replaced; a Secret's stringData is folded into data first, as
 * its server does. What is not secret is shared with the original, which stays as it is.
 */
struct doc *secret_redact(struct arena *a, const struct secret_key *key, const struct doc *object);
/* A Secret with its stringData as data, as its server stores it; any other object as it is. */
struct doc *secret_plain(struct arena *a, const struct doc *object);
/* Whether a text holds a digest in a value's place; whether any text below d does. */
bool secret_hidden(const char *s);
bool secret_any_hidden(const struct doc *d);
/*
 * A redacted object with its values again, from objects (not redacted) that may have them: a
 * digest is turned back into what has the same digest at the same place of one of them. NULL, and
 * the first place that none of them knows, when there is one.
 */
struct doc *secret_restore(struct arena *a, const struct secret_key *key,
			   const struct doc *redacted, const struct doc *const *known, size_t n,
			   const char **ret_missing);
