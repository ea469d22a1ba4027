/* SPDX-License-Identifier: Apache-2.0 */
/* One call on a curl handle: what its request becomes, and what is kept of the answer. */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/http/client_internal.h"

#define DEFAULT_CONNECT_NS (10 * NS_PER_S)

/* --- the answer: callbacks of curl --- */

int http_call_fail(struct http_call *call, int code, const char *why)
{
	call->failed = code;
	call->failure = why;
	return 0;
}

static void add_header_line(struct http_call *call, const char *line, size_t n)
{
	const char *colon = memchr(line, ':', n), *value, *end = line + n;
	char *name, *copy;

	if (!colon)
		return;
	value = colon + 1;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	name = xstrndup(line, (size_t)(colon - line));
	copy = xstrndup(value, (size_t)(end - value));
	http_headers_add(&call->response.headers, name, copy);
	free(name);
	free(copy);
}

static size_t on_header(char *data, size_t size, size_t nmemb, void *user)
{
	struct http_call *call = user;
	size_t n = size * nmemb, len = n;
	long status = 0;

	if (call->cancelled)
		return 0;
	call->header_bytes += n;
	if (call->header_bytes > HTTP_CLIENT_MAX_HEADERS)
		return (size_t)http_call_fail(call, -EFBIG, "too many response headers");
	while (len && (data[len - 1] == '\n' || data[len - 1] == '\r'))
		len--;
	if (len >= 5 && memcmp(data, "HTTP/", 5) == 0) {
		http_headers_clear(&call->response.headers);
		return n;
	}
	if (call->headers_done)
		return n; /* trailers */
	if (len) {
		add_header_line(call, data, len);
		return n;
	}
	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	call->response.status = (int)status;
	if (status < 200)
		return n;
	call->headers_done = true;
	if (call->handlers.on_headers)
		call->handlers.on_headers(call->arg, (int)status, &call->response.headers);
	return call->cancelled ? 0 : n;
}

static size_t on_body(char *data, size_t size, size_t nmemb, void *user)
{
	struct http_call *call = user;
	size_t n = size * nmemb;

	if (call->cancelled)
		return 0;
	if (call->idle)
		loop_timer_set(call->idle, call->idle_ns);
	if (call->streaming) {
		call->handlers.on_data(call->arg, data, n);
		return call->cancelled ? 0 : n;
	}
	if (call->response.body.len + n > call->max_body)
		return (size_t)http_call_fail(call, -EFBIG,
					      "the response is larger than the limit");
	strbuf_add(&call->response.body, data, n);
	return n;
}

/* --- the request --- */

static void set_blob(CURL *easy, CURLoption option, const char *pem)
{
	struct curl_blob blob;

	if (!pem)
		return;
	blob.data = (void *)(uintptr_t)pem;
	blob.len = strlen(pem);
	blob.flags = CURL_BLOB_COPY;
	curl_easy_setopt(easy, option, &blob);
}

static int set_pin(CURL *easy, const char *hex, struct error *err)
{
	unsigned char raw[32], base64[48];
	char text[64];

	if (strlen(hex) != 64)
		return error_set(err, -EINVAL, "a key pin has 64 hexadecimal digits");
	for (size_t i = 0; i < 32; i++) {
		char two[3] = {hex[2 * i], hex[2 * i + 1], '\0'}, *end;

		raw[i] = (unsigned char)strtoul(two, &end, 16);
		if (*end)
			return error_set(err, -EINVAL, "a key pin has 64 hexadecimal digits");
	}
	EVP_EncodeBlock(base64, raw, 32);
	snprintf(text, sizeof(text), "sha256//%s", (char *)base64);
	curl_easy_setopt(easy, CURLOPT_PINNEDPUBLICKEY, text);
	return 0;
}

static int set_tls(struct http_call *call, const struct http_tls *tls, struct error *err)
{
	CURL *easy = call->easy;

	set_blob(easy, CURLOPT_CAINFO_BLOB, tls->ca_pem);
	set_blob(easy, CURLOPT_SSLCERT_BLOB, tls->cert_pem);
	set_blob(easy, CURLOPT_SSLKEY_BLOB, tls->key_pem);
	if (tls->insecure) {
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	return tls->pin_sha256 ? set_pin(easy, tls->pin_sha256, err) : 0;
}

static int add_header(struct http_call *call, const char *name, const char *value,
		      struct error *err)
{
	char *line;

	if (strpbrk(name, "\r\n:") || strpbrk(value, "\r\n"))
		return error_set(err, -EINVAL, "header %.40s: line break or colon", name);
	/* curl sends an empty header only when it is written with a semicolon. */
	line = *value ? xasprintf("%s: %s", name, value) : xasprintf("%s;", name);
	call->headers = curl_slist_append(call->headers, line);
	free(line);
	return 0;
}

/*
 * To verify another name than the URL's, the URL takes that name and CONNECT_TO leads it to the
 * host that was meant; the Host header stays what it was.
 */
static int set_url(struct http_call *call, const struct http_request *q, struct error *err)
{
	CURLU *u = curl_url();
	char *host = NULL, *port = NULL, *url = NULL, *line;
	int r = 0;

	if (!q->url || curl_url_set(u, CURLUPART_URL, q->url, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK) {
		r = error_set(err, -EINVAL, "not a URL: %.200s", q->url ? q->url : "");
	} else if (q->tls && q->tls->server_name) {
		line = xasprintf("%s:%s:%s:%s", q->tls->server_name, port, host, port);
		call->connect_to = curl_slist_append(NULL, line);
		free(line);
		curl_easy_setopt(call->easy, CURLOPT_CONNECT_TO, call->connect_to);
		line = xasprintf("%s:%s", host, port);
		r = add_header(call, "Host", line, err);
		free(line);
		curl_url_set(u, CURLUPART_HOST, q->tls->server_name, 0);
	}
	if (r == 0 && curl_url_get(u, CURLUPART_URL, &url, 0) == CURLUE_OK)
		curl_easy_setopt(call->easy, CURLOPT_URL, url);
	curl_free(host);
	curl_free(port);
	curl_free(url);
	curl_url_cleanup(u);
	return r;
}

static int set_request(struct http_call *call, const struct http_request *q, struct error *err)
{
	CURL *easy = call->easy;
	int r = set_url(call, q, err);

	for (size_t i = 0; r == 0 && i < q->n_headers; i++)
		r = add_header(call, q->headers[i].name, q->headers[i].value, err);
	if (r)
		return r;
	if (q->body) {
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body_size);
		curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, q->body);
		call->headers = curl_slist_append(call->headers, "Expect:");
	}
	if (q->method && str_eq(q->method, "HEAD"))
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	else if (q->method)
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, q->method);
	if (q->unix_socket)
		curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, q->unix_socket);
	if (q->fresh) {
		curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
		curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	}
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
			 q->http1 ? (long)CURL_HTTP_VERSION_1_1 : (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
	return q->tls ? set_tls(call, q->tls, err) : 0;
}

static void set_common(struct http_call *call, const struct http_request *q)
{
	CURL *easy = call->easy;
	uint64_t connect = q->connect_timeout_ns ? q->connect_timeout_ns : DEFAULT_CONNECT_NS;

	curl_easy_setopt(easy, CURLOPT_PRIVATE, (char *)call);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->curl_error);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, call->client->user_agent);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(connect / NS_PER_MS));
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
}

int http_call_setup(struct http_call *call, const struct http_request *q, struct error *err)
{
	set_common(call, q);
	return set_request(call, q, err);
}
