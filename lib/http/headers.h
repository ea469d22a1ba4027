/* SPDX-License-Identifier: Apache-2.0 */
/* lib/http/headers.h - header lists and query strings. Names compare without regard to case. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/strbuf.h"

struct http_header {
	char *name, *value;
};

/* Owns its strings. Zeroed is empty. */
struct http_headers {
	struct http_header *items;
	size_t n, cap;
};

void http_headers_release(struct http_headers *h);
void http_headers_clear(struct http_headers *h);
void http_headers_add(struct http_headers *h, const char *name, const char *value);
/* Replaces every header of that name. */
void http_headers_set(struct http_headers *h, const char *name, const char *value);
/* The first one's value, or NULL. */
const char *http_headers_get(const struct http_headers *h, const char *name);
/* Whether a comma-separated header has that token: ("connection", "close"). */
bool http_headers_have_token(const struct http_headers *h, const char *name, const char *token);

/* Standard reason phrase of a status ("Not Found"), "Unknown" for others. */
const char *http_status_text(int status);

/*
 * A decoded query string or form. Owns its strings; zeroed is empty; order kept. http_headers is
 * used as the container: http_query_get(&q, "watch").
 */
struct http_query {
	struct http_header *items;
	size_t n, cap;
};
/* "a=1&b=%20": always succeeds; a broken escape is taken as it stands. NULL is empty. */
void http_query_parse(struct http_query *q, const char *text);
void http_query_release(struct http_query *q);
/* Case-sensitive; NULL when absent, "" for a bare name. */
const char *http_query_get(const struct http_query *q, const char *name);
/* "true" or "1" (as Kubernetes reads booleans). */
bool http_query_bool(const struct http_query *q, const char *name);

/* Percent-encodes everything but unreserved characters (and '/' when keep_slash) onto out. */
void http_escape(const char *s, bool keep_slash, struct strbuf *out);
/* Appends "name=value" escaped, with '?' or '&' before it as url needs. NULL value: nothing. */
void http_query_add(struct strbuf *url, const char *name, const char *value);
/* Decodes %XX onto out. false on a broken escape or %00. */
bool http_unescape(const char *s, size_t n, struct strbuf *out);
