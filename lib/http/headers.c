/* SPDX-License-Identifier: Apache-2.0 */
/* Header lists, query strings, percent-encoding. */
#include "lib/http/headers.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "lib/base/alloc.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/base/vec.h"

static void pair_add(struct http_headers *h, char *name, char *value)
{
	struct http_header *item = vec_add(h);

	item->name = name;
	item->value = value;
}

void http_headers_clear(struct http_headers *h)
{
	vec_foreach (h, it) {
		free(it->name);
		free(it->value);
	}
	vec_clear(h);
}

void http_headers_release(struct http_headers *h)
{
	http_headers_clear(h);
	vec_release(h);
}

void http_headers_add(struct http_headers *h, const char *name, const char *value)
{
	pair_add(h, xstrdup(name), xstrdup(value));
}

void http_headers_set(struct http_headers *h, const char *name, const char *value)
{
	for (size_t i = h->n; i > 0; i--) {
		struct http_header *it = &h->items[i - 1];

		if (strcasecmp(it->name, name) != 0)
			continue;
		free(it->name);
		free(it->value);
		vec_remove(h, i - 1);
	}
	http_headers_add(h, name, value);
}

const char *http_headers_get(const struct http_headers *h, const char *name)
{
	vec_foreach (h, it)
		if (strcasecmp(it->name, name) == 0)
			return it->value;
	return NULL;
}

static bool value_has_token(const char *value, const char *token)
{
	size_t n = strlen(token);

	while (*value) {
		const char *end;

		value += strspn(value, ", \t");
		end = value + strcspn(value, ",");
		while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
			end--;
		if ((size_t)(end - value) == n && strncasecmp(value, token, n) == 0)
			return true;
		value += strcspn(value, ",");
	}
	return false;
}

bool http_headers_have_token(const struct http_headers *h, const char *name, const char *token)
{
	vec_foreach (h, it)
		if (strcasecmp(it->name, name) == 0 && value_has_token(it->value, token))
			return true;
	return false;
}

static const struct {
	int status;
	const char *text;
} status_texts[] = {
	{200, "OK"},
	{201, "Created"},
	{202, "Accepted"},
	{204, "No Content"},
	{301, "Moved Permanently"},
	{302, "Found"},
	{304, "Not Modified"},
	{307, "Temporary Redirect"},
	{308, "Permanent Redirect"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{406, "Not Acceptable"},
	{408, "Request Timeout"},
	{409, "Conflict"},
	{410, "Gone"},
	{413, "Content Too Large"},
	{415, "Unsupported Media Type"},
	{422, "Unprocessable Entity"},
	{426, "Upgrade Required"},
	{429, "Too Many Requests"},
	{431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{502, "Bad Gateway"},
	{503, "Service Unavailable"},
	{504, "Gateway Timeout"},
	{505, "HTTP Version Not Supported"},
};

const char *http_status_text(int status)
{
	for (size_t i = 0; i < ARRAY_SIZE(status_texts); i++)
		if (status_texts[i].status == status)
			return status_texts[i].text;
	return "Unknown";
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool http_unescape(const char *s, size_t n, struct strbuf *out)
{
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '%') {
			int hi = i + 2 < n ? hex_digit(s[i + 1]) : -1;
			int lo = i + 2 < n ? hex_digit(s[i + 2]) : -1;

			if (hi < 0 || lo < 0 || (hi == 0 && lo == 0))
				return false;
			strbuf_addc(out, (char)(hi << 4 | lo));
			i += 2;
		} else {
			strbuf_addc(out, s[i]);
		}
	}
	return true;
}

/* One half of a query pair: '+' is a space; what cannot be decoded stays. */
static char *query_part(const char *s, size_t n)
{
	auto_release(strbuf) struct strbuf plain = STRBUF_INIT;
	struct strbuf out = STRBUF_INIT;

	for (size_t i = 0; i < n; i++)
		strbuf_addc(&plain, s[i] == '+' ? ' ' : s[i]);
	if (!http_unescape(strbuf_cstr(&plain), n, &out)) {
		strbuf_clear(&out);
		strbuf_add(&out, s, n);
	}
	return strbuf_take(&out);
}

void http_query_parse(struct http_query *q, const char *text)
{
	memset(q, 0, sizeof(*q));
	while (text && *text) {
		size_t n = strcspn(text, "&");
		const char *eq = memchr(text, '=', n);
		size_t name = eq ? (size_t)(eq - text) : n;

		if (n) {
			struct http_header *item = vec_add(q);

			item->name = query_part(text, name);
			item->value = eq ? query_part(eq + 1, n - name - 1) : xstrdup("");
		}
		text += n;
		text += *text == '&';
	}
}

void http_query_release(struct http_query *q)
{
	vec_foreach (q, it) {
		free(it->name);
		free(it->value);
	}
	vec_release(q);
}

const char *http_query_get(const struct http_query *q, const char *name)
{
	vec_foreach (q, it)
		if (strcmp(it->name, name) == 0)
			return it->value;
	return NULL;
}

bool http_query_bool(const struct http_query *q, const char *name)
{
	const char *v = http_query_get(q, name);

	return v && (str_eq(v, "true") || str_eq(v, "1") || str_eq(v, "True") || str_eq(v, "t"));
}

void http_escape(const char *s, bool keep_slash, struct strbuf *out)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (isalnum(c) || strchr("-._~", c) || (keep_slash && c == '/'))
			strbuf_addc(out, (char)c);
		else
			strbuf_addf(out, "%%%02X", c);
	}
}

void http_query_add(struct strbuf *url, const char *name, const char *value)
{
	if (!value)
		return;
	strbuf_addc(url, strchr(strbuf_cstr(url), '?') ? '&' : '?');
	http_escape(name, false, url);
	strbuf_addc(url, '=');
	http_escape(value, false, url);
}
