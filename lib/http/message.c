/* SPDX-License-Identifier: Apache-2.0 */
/* The request parser: lines into a buffer, then one small function per state. */
#include "lib/http/message.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "lib/base/alloc.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"

/* A chunk-size line is short; anything longer is an attack or a mistake. */
#define MAX_CHUNK_LINE 256

void http_parser_init(struct http_parser *p, size_t max_headers, size_t max_body)
{
	memset(p, 0, sizeof(*p));
	p->max_headers = max_headers;
	p->max_body = max_body;
}

static void message_release(struct http_message *m)
{
	free(m->method);
	free(m->target);
	http_headers_release(&m->headers);
	strbuf_release(&m->body);
	memset(m, 0, sizeof(*m));
}

void http_parser_release(struct http_parser *p)
{
	message_release(&p->message);
	strbuf_release(&p->line);
}

void http_parser_next(struct http_parser *p)
{
	message_release(&p->message);
	strbuf_clear(&p->line);
	p->state = HTTP_PARSE_START;
	p->header_bytes = p->left = 0;
}

bool http_parser_busy(const struct http_parser *p)
{
	return p->state != HTTP_PARSE_DONE && (p->state != HTTP_PARSE_START || p->header_bytes);
}

/* RFC 9110 token characters. */
static bool is_token(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && !memchr("!#$%&'*+-.^_`|~", s[i], 15))
			return false;
	return n > 0;
}

static int parse_version(const char *s, int *ret_minor)
{
	if (strncmp(s, "HTTP/", 5) != 0)
		return -400;
	if (strcmp(s, "HTTP/1.1") == 0)
		*ret_minor = 1;
	else if (strcmp(s, "HTTP/1.0") == 0)
		*ret_minor = 0;
	else
		return -505;
	return 0;
}

static int parse_request_line(struct http_parser *p, const char *line)
{
	struct http_message *m = &p->message;
	const char *target, *version;
	int r;

	target = strchr(line, ' ');
	if (!target || !is_token(line, (size_t)(target - line)))
		return -400;
	version = strchr(++target, ' ');
	if (!version || version == target)
		return -400;
	for (const char *c = target; c < version; c++)
		if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f)
			return -400;
	r = parse_version(version + 1, &m->minor);
	if (r)
		return r;
	m->method = xstrndup(line, (size_t)(target - line - 1));
	m->target = xstrndup(target, (size_t)(version - target));
	p->state = HTTP_PARSE_HEADERS;
	return 0;
}

static int parse_header(struct http_parser *p, const char *line)
{
	const char *colon = strchr(line, ':'), *value, *end;
	auto_free char *name = NULL, *copy = NULL;

	if (!colon || !is_token(line, (size_t)(colon - line)))
		return -400;
	if (p->message.headers.n >= HTTP_MAX_HEADER_COUNT)
		return -431;
	value = colon + 1 + strspn(colon + 1, " \t");
	end = value + strlen(value);
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	for (const char *c = value; c < end; c++)
		if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
			return -400;
	name = xstrndup(line, (size_t)(colon - line));
	copy = xstrndup(value, (size_t)(end - value));
	http_headers_add(&p->message.headers, name, copy);
	return 0;
}

static int content_length(struct http_parser *p, bool *ret_present)
{
	const char *seen = NULL;
	uint64_t n = 0;

	for (size_t i = 0; i < p->message.headers.n; i++) {
		const struct http_header *h = &p->message.headers.items[i];

		if (strcasecmp(h->name, "content-length") != 0)
			continue;
		if (seen && strcmp(seen, h->value) != 0)
			return -400;
		seen = h->value;
		if (!isdigit((unsigned char)h->value[0]) || strlen(h->value) > 15 ||
		    str_to_u64(h->value, 0, UINT64_MAX, &n, "length", NULL))
			return -400;
	}
	*ret_present = seen != NULL;
	if (n > p->max_body)
		return -413;
	p->left = (size_t)n;
	return 0;
}

static int headers_end(struct http_parser *p)
{
	struct http_message *m = &p->message;
	const char *te = http_headers_get(&m->headers, "transfer-encoding");
	bool sized = false;
	int r = content_length(p, &sized);

	if (r)
		return r;
	if (m->minor == 1 && !http_headers_get(&m->headers, "host"))
		return -400;
	if (te && (sized || m->minor == 0))
		return -400;
	if (te && strcasecmp(te, "chunked") != 0)
		return -501;
	m->keep_alive = m->minor == 1
				? !http_headers_have_token(&m->headers, "connection", "close")
				: http_headers_have_token(&m->headers, "connection", "keep-alive");
	p->state = te ? HTTP_PARSE_CHUNK_SIZE : p->left ? HTTP_PARSE_BODY : HTTP_PARSE_DONE;
	m->expect_continue = p->state != HTTP_PARSE_DONE && m->minor == 1 &&
			     http_headers_have_token(&m->headers, "expect", "100-continue");
	return 0;
}

static int parse_chunk_size(struct http_parser *p, const char *line)
{
	size_t n = 0, digits = 0;

	while (isxdigit((unsigned char)line[digits])) {
		char c = line[digits++];

		n = n * 16 + (size_t)(isdigit((unsigned char)c) ? c - '0' : tolower(c) - 'a' + 10);
		if (digits > 8)
			return -413;
	}
	if (!digits || (line[digits] && line[digits] != ';' && line[digits] != ' '))
		return -400;
	if (n > p->max_body - p->message.body.len)
		return -413;
	p->left = n;
	p->state = n ? HTTP_PARSE_CHUNK : HTTP_PARSE_TRAILERS;
	return 0;
}

static int parse_line(struct http_parser *p, const char *line)
{
	switch (p->state) {
	case HTTP_PARSE_START:
		/* RFC 9112 2.2: empty lines before a request are ignored. */
		return *line ? parse_request_line(p, line) : 0;
	case HTTP_PARSE_HEADERS:
		return *line ? parse_header(p, line) : headers_end(p);
	case HTTP_PARSE_CHUNK_SIZE:
		return parse_chunk_size(p, line);
	case HTTP_PARSE_CHUNK_END:
		p->state = HTTP_PARSE_CHUNK_SIZE;
		return *line ? -400 : 0;
	case HTTP_PARSE_TRAILERS:
		if (!*line)
			p->state = HTTP_PARSE_DONE; /* trailers are read and dropped */
		return 0;
	case HTTP_PARSE_BODY:
	case HTTP_PARSE_CHUNK:
	case HTTP_PARSE_DONE:
		break;
	}
	return -400;
}

/* Takes up to and with the next LF into the line buffer; a whole line is parsed. */
static int feed_line(struct http_parser *p, const char *data, size_t n, size_t *ret_used)
{
	const char *lf = memchr(data, '\n', n);
	size_t take = lf ? (size_t)(lf - data) + 1 : n;
	bool chunk_line = p->state == HTTP_PARSE_CHUNK_SIZE || p->state == HTTP_PARSE_CHUNK_END;
	int r;

	*ret_used = take;
	if (chunk_line ? p->line.len + take > MAX_CHUNK_LINE
		       : p->header_bytes + take > p->max_headers)
		return chunk_line ? -400 : -431;
	if (!chunk_line)
		p->header_bytes += take;
	strbuf_add(&p->line, data, take);
	if (!lf)
		return 0;
	p->line.buf[--p->line.len] = '\0';
	if (p->line.len && p->line.buf[p->line.len - 1] == '\r')
		p->line.buf[--p->line.len] = '\0';
	if (memchr(p->line.buf, '\0', p->line.len) || memchr(p->line.buf, '\r', p->line.len))
		return -400;
	r = parse_line(p, p->line.buf);
	strbuf_clear(&p->line);
	if (p->state == HTTP_PARSE_START)
		p->header_bytes = 0;
	return r;
}

static void feed_body(struct http_parser *p, const char *data, size_t n, size_t *ret_used)
{
	size_t take = MIN(n, p->left);

	strbuf_add(&p->message.body, data, take);
	p->left -= take;
	*ret_used = take;
	if (p->left == 0)
		p->state = p->state == HTTP_PARSE_BODY ? HTTP_PARSE_DONE : HTTP_PARSE_CHUNK_END;
}

int http_parser_feed(struct http_parser *p, const char *data, size_t n, size_t *ret_used)
{
	size_t used = 0, step;
	int r = 0;

	while (r == 0 && used < n && p->state != HTTP_PARSE_DONE) {
		step = 0;
		if (p->state == HTTP_PARSE_BODY || p->state == HTTP_PARSE_CHUNK)
			feed_body(p, data + used, n - used, &step);
		else
			r = feed_line(p, data + used, n - used, &step);
		used += step;
	}
	*ret_used = used;
	if (r)
		return r;
	return p->state == HTTP_PARSE_DONE;
}
