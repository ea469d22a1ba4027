/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/http/message.h - bytes to HTTP/1.1 requests (RFC 9112), within limits and without I/O.
 *
 * Strict where leniency lets two readers disagree: no folded lines, no space before a colon, no
 * bare CR, no Transfer-Encoding beside Content-Length, one agreed Content-Length, only chunked.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/strbuf.h"
#include "lib/http/headers.h"

#define HTTP_MAX_HEADER_COUNT 128

struct http_message {
	char *method, *target;
	int minor; /* HTTP/1.minor */
	struct http_headers headers;
	struct strbuf body;
	bool keep_alive;
	bool expect_continue; /* the client waits for "100 Continue" before the body */
};

enum http_parse_state {
	HTTP_PARSE_START,
	HTTP_PARSE_HEADERS,
	HTTP_PARSE_BODY,
	HTTP_PARSE_CHUNK_SIZE,
	HTTP_PARSE_CHUNK,
	HTTP_PARSE_CHUNK_END,
	HTTP_PARSE_TRAILERS,
	HTTP_PARSE_DONE,
};

struct http_parser {
	struct http_message message;
	enum http_parse_state state;
	size_t max_headers, max_body;
	/* private */
	struct strbuf line;
	size_t header_bytes, left;
};

void http_parser_init(struct http_parser *p, size_t max_headers, size_t max_body);
void http_parser_release(struct http_parser *p);
/* Ready for the next request of the connection. */
void http_parser_next(struct http_parser *p);
/* Whether the first byte of a request was seen and the last was not. */
bool http_parser_busy(const struct http_parser *p);

/*
 * Takes from data what belongs to the request at hand; *ret_used says how much. Returns 1 when the
 * request is whole, 0 when more is needed, else the negative status to refuse it with: -400, -413,
 * -431, -501, -505. After a refusal the connection must be closed.
 */
int http_parser_feed(struct http_parser *p, const char *data, size_t n, size_t *ret_used);
