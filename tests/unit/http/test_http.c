/* SPDX-License-Identifier: Apache-2.0 */
/* The client against the server: unix socket, TCP, TLS; whole answers, streams, faults, limits. */
#include "tests/support/test.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/http/client.h"
#include "lib/http/server.h"
#include "lib/http/tls.h"

struct world {
	struct loop *loop;
	struct http_server *server;
	struct http_client *client;
	struct tls_pair ca, cert, user;
	char url[64], tls_url[64], unix_path[64];
	struct http_exchange *stream;
	int closed_complete, closed_cut;
	/* the client's side */
	struct strbuf data;
	struct http_response response;
	struct http_call *call;
	int headers_status;
	bool done;
};

static void on_close(void *arg, bool complete)
{
	struct world *w = arg;

	w->stream = NULL;
	if (complete)
		w->closed_complete++;
	else
		w->closed_cut++;
}

static void handle(void *arg, struct http_exchange *x)
{
	struct world *w = arg;
	const struct http_view *v = http_view(x);
	char text[256];

	if (str_eq(v->path, "/echo")) {
		http_reply_header(x, "X-Method", v->method);
		http_reply(x, 200, "text/plain", v->body, v->body_size);
	} else if (str_eq(v->path, "/big")) {
		char *big = xcalloc(1, 3 << 20);

		http_reply(x, 200, NULL, big, 3 << 20);
		free(big);
	} else if (str_eq(v->path, "/who")) {
		snprintf(text, sizeof(text), "%s %s %d", v->peer_cn ? v->peer_cn : "-",
			 v->peer_orgs && v->peer_orgs[0] ? v->peer_orgs[0] : "-", v->tls);
		http_reply(x, 200, "text/plain", text, strlen(text));
	} else if (str_eq(v->path, "/abort")) {
		http_exchange_abort(x);
	} else if (str_eq(v->path, "/stream")) {
		http_exchange_on_close(x, on_close, w);
		http_reply_start(x, 200, "application/json");
		http_reply_write(x, "one\n", 4);
		w->stream = x;
	} else if (str_eq(v->path, "/never")) {
		http_exchange_on_close(x, on_close, w);
		w->stream = x;
	} else {
		http_reply(x, 404, "text/plain", "no", 2);
	}
}

static void make_certificates(struct world *w)
{
	const char *dns[] = {"localhost", NULL}, *ip[] = {"127.0.0.1", NULL};
	int64_t now = clock_wall_ns(clock_system());
	struct tls_request ca = {.common_name = "test", .not_before_wall_ns = now};
	struct tls_request cert = {.common_name = "s",
				   .dns = dns,
				   .ip = ip,
				   .server = true,
				   .not_before_wall_ns = now};
	struct tls_request user = {.common_name = "me",
				   .organisation = "us",
				   .client = true,
				   .not_before_wall_ns = now};

	assert_int_equal(tls_authority(&ca, &w->ca, NULL), 0);
	assert_int_equal(tls_sign(&w->ca, &cert, &w->cert, NULL), 0);
	assert_int_equal(tls_sign(&w->ca, &user, &w->user, NULL), 0);
}

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct http_server_options options = {
		.handle = handle, .arg = w, .limits.max_body = 1 << 20};
	struct http_server_tls tls;
	uint16_t port;

	make_certificates(w);
	w->loop = loop_new(NULL);
	w->server = http_server_new(w->loop, &options);
	w->client = http_client_new(w->loop, NULL);
	assert_int_equal(http_server_listen(w->server, "127.0.0.1", 0, NULL, &port, NULL), 0);
	snprintf(w->url, sizeof(w->url), "http://127.0.0.1:%u", port);
	tls = (struct http_server_tls){w->cert.cert_pem, w->cert.key_pem, w->ca.cert_pem, false};
	assert_int_equal(http_server_listen(w->server, "127.0.0.1", 0, &tls, &port, NULL), 0);
	snprintf(w->tls_url, sizeof(w->tls_url), "https://127.0.0.1:%u", port);
	snprintf(w->unix_path, sizeof(w->unix_path), "/tmp/test-http-%d.sock", (int)getpid());
	assert_int_equal(http_server_listen_unix(w->server, w->unix_path, 0600, NULL), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	http_client_free(w->client);
	http_server_free(w->server);
	loop_free(w->loop);
	assert_int_not_equal(access(w->unix_path, F_OK), 0);
	tls_pair_release(&w->ca);
	tls_pair_release(&w->cert);
	tls_pair_release(&w->user);
	http_response_release(&w->response);
	strbuf_release(&w->data);
	free(w);
	return 0;
}

static int call(struct world *w, const char *base, const char *path, struct http_request *q)
{
	auto_free char *url = xasprintf("%s%s", base, path);

	q->url = url;
	http_response_release(&w->response);
	return http_call_wait(w->loop, w->client, q, &w->response, NULL);
}

TEST(whole_answers_over_every_transport)
{
	struct world *w = *state;
	struct http_tls tls = {.ca_pem = w->ca.cert_pem};
	struct http_request q = {.body = "hello", .body_size = 5, .tls = &tls};
	const char *bases[] = {w->url, w->tls_url, "http://localhost"};

	for (size_t i = 0; i < ARRAY_SIZE(bases); i++) {
		q.unix_socket = i == 2 ? w->unix_path : NULL;
		for (int n = 0; n < 3; n++) {
			assert_int_equal(call(w, bases[i], "/echo?x=1", &q), 0);
			assert_int_equal(w->response.status, 200);
			assert_string_equal(strbuf_cstr(&w->response.body), "hello");
			assert_string_equal(http_headers_get(&w->response.headers, "x-method"),
					    "POST");
		}
	}
	assert_int_equal(http_server_connections(w->server), 3); /* kept alive */
}

TEST(head_has_no_body_and_404_is_an_answer)
{
	struct world *w = *state;
	struct http_request q = {.method = "HEAD"};

	assert_int_equal(call(w, w->url, "/echo", &q), 0);
	assert_int_equal(w->response.status, 200);
	q.method = "GET";
	assert_int_equal(call(w, w->url, "/nothing", &q), 0);
	assert_int_equal(w->response.status, 404);
	assert_int_equal(call(w, w->url, "/big", &q), 0);
	assert_int_equal(w->response.body.len, 3 << 20);
}

TEST(client_certificates_are_seen)
{
	struct world *w = *state;
	struct http_tls tls = {.ca_pem = w->ca.cert_pem};
	struct http_request q = {.tls = &tls};

	assert_int_equal(call(w, w->tls_url, "/who", &q), 0);
	assert_string_equal(strbuf_cstr(&w->response.body), "- - 1");
	tls.cert_pem = w->user.cert_pem;
	tls.key_pem = w->user.key_pem;
	assert_int_equal(call(w, w->tls_url, "/who", &q), 0);
	assert_string_equal(strbuf_cstr(&w->response.body), "me us 1");
}

TEST(trust_is_checked)
{
	struct world *w = *state;
	struct tls_request other_ca = {.common_name = "other",
				       .not_before_wall_ns = clock_wall_ns(clock_system())};
	struct tls_pair other = {0};
	struct arena a = ARENA_INIT;
	struct tls_facts f;
	struct http_tls tls = {0};
	struct http_request q = {.tls = &tls};
	char pin[65];

	assert_int_equal(tls_authority(&other_ca, &other, NULL), 0);
	tls.ca_pem = other.cert_pem;
	assert_int_equal(call(w, w->tls_url, "/echo", &q), -EBADMSG);
	tls.insecure = true;
	assert_int_equal(call(w, w->tls_url, "/echo", &q), 0);
	tls = (struct http_tls){.ca_pem = w->ca.cert_pem, .server_name = "localhost"};
	assert_int_equal(call(w, w->tls_url, "/echo", &q), 0);
	tls.server_name = "elsewhere";
	assert_int_equal(call(w, w->tls_url, "/echo", &q), -EBADMSG);
	assert_int_equal(tls_read_facts(&a, w->cert.cert_pem, &f, NULL), 0);
	tls = (struct http_tls){.ca_pem = w->ca.cert_pem, .pin_sha256 = f.spki_sha256};
	assert_int_equal(call(w, w->tls_url, "/echo", &q), 0);
	memcpy(pin, f.spki_sha256, sizeof(pin));
	pin[0] = pin[0] == '0' ? '1' : '0';
	tls.pin_sha256 = pin;
	assert_int_equal(call(w, w->tls_url, "/echo", &q), -EBADMSG);
	arena_release(&a);
	tls_pair_release(&other);
}

/* A server that is killed while connections are secured, and one that knows no TLS. */
static void no_server(int listener)
{
	const struct linger reset = {.l_onoff = 1};
	char buf[4096];

	for (int i = 0; i < 3; i++) {
		int fd = accept(listener, NULL, NULL);

		if (read(fd, buf, i ? sizeof(buf) : 10) < 0)
			_exit(1);
		if (i == 0)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		if (i == 2 && write(fd, "HTTP/1.1 400 Bad\r\n\r\n", 20) < 0)
			_exit(1);
		close(fd);
	}
	_exit(0);
}

TEST(a_server_that_goes_in_the_handshake_is_one_that_went)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), status;
	struct http_tls tls = {.insecure = true};
	struct http_request q = {.tls = &tls};
	socklen_t size = sizeof(at);
	struct world *w = *state;
	char url[64];
	pid_t pid;

	assert_int_equal(bind(listener, (void *)&at, size), 0);
	assert_int_equal(listen(listener, 4), 0);
	assert_int_equal(getsockname(listener, (void *)&at, &size), 0);
	snprintf(url, sizeof(url), "https://127.0.0.1:%u", ntohs(at.sin_port));
	pid = fork();
	if (pid == 0)
		no_server(listener);
	assert_int_equal(call(w, url, "/", &q), -ECONNRESET);
	assert_int_equal(call(w, url, "/", &q), -ECONNRESET);
	assert_int_equal(call(w, url, "/", &q), -EBADMSG);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(listener);
}

TEST(what_goes_wrong_below_http_has_its_code)
{
	struct world *w = *state;
	struct http_request q = {.timeout_ns = 5 * NS_PER_S};

	assert_int_equal(call(w, w->url, "/abort", &q), -ECONNRESET);
	assert_int_equal(call(w, "http://127.0.0.1:1", "/", &q), -ECONNREFUSED);
	q.timeout_ns = 20 * NS_PER_MS;
	assert_int_equal(call(w, w->url, "/never", &q), -ETIMEDOUT);
	q.timeout_ns = 0;
	q.max_body = 1000;
	assert_int_equal(call(w, w->url, "/big", &q), -EFBIG);
	assert_int_equal(call(w, "not a url", "", &q), -EINVAL);
}

TEST(limits_of_the_server_are_answers)
{
	struct world *w = *state;
	char *big = xcalloc(1, 2 << 20);
	struct http_request q = {.body = big, .body_size = 2 << 20};
	struct http_header wide = {(char[]){"X"}, NULL};

	assert_int_equal(call(w, w->url, "/echo", &q), 0);
	assert_int_equal(w->response.status, 413);
	memset(big, 'a', 100 << 10);
	wide.value = big;
	q = (struct http_request){.headers = &wide, .n_headers = 1};
	assert_int_equal(call(w, w->url, "/echo", &q), 0);
	assert_int_equal(w->response.status, 431);
	free(big);
}

static void stream_headers(void *arg, int status, UNUSED const struct http_headers *headers)
{
	struct world *w = arg;

	w->headers_status = status;
}

static void stream_data(void *arg, const char *data, size_t n)
{
	struct world *w = arg;

	strbuf_add(&w->data, data, n);
	if (str_eq(strbuf_cstr(&w->data), "one\n")) {
		http_reply_write(w->stream, "two\n", 4);
	} else if (str_eq(strbuf_cstr(&w->data), "one\ntwo\n")) {
		if (w->headers_status == -1) {
			http_cancel(w->call);
			w->done = true;
		} else {
			http_reply_end(w->stream);
		}
	}
}

static void stream_done(void *arg, struct http_response *response)
{
	struct world *w = arg;

	assert_int_equal(response->code, 0);
	w->done = true;
}

static void start_stream(struct world *w)
{
	static const struct http_handlers handlers = {stream_headers, stream_data, stream_done};
	auto_free char *url = xasprintf("%s/stream", w->url);
	struct http_request q = {.url = url};

	assert_int_equal(http_start(w->client, &q, &handlers, w, &w->call, NULL), 0);
}

TEST(a_stream_arrives_piece_by_piece)
{
	struct world *w = *state;

	start_stream(w);
	while (!w->done)
		assert_true(loop_turn(w->loop, true, NULL) >= 0);
	assert_int_equal(w->headers_status, 200);
	assert_string_equal(strbuf_cstr(&w->data), "one\ntwo\n");
	assert_int_equal(w->closed_complete, 1);
}

static void cancel_headers(void *arg, UNUSED int status, UNUSED const struct http_headers *headers)
{
	struct world *w = arg;

	w->headers_status = -1;
}

TEST(a_cancelled_stream_is_noticed_by_the_server)
{
	static const struct http_handlers handlers = {cancel_headers, stream_data, stream_done};
	struct world *w = *state;
	auto_free char *url = xasprintf("%s/stream", w->url);
	struct http_request q = {.url = url};

	assert_int_equal(http_start(w->client, &q, &handlers, w, &w->call, NULL), 0);
	while (!w->closed_cut)
		assert_true(loop_turn(w->loop, true, NULL) >= 0);
	assert_true(w->done);
	assert_null(w->stream);
}

static void silent_done(void *arg, struct http_response *response)
{
	struct world *w = arg;

	w->done = true;
	assert_int_equal(response->code, -ETIMEDOUT);
}

static void silent_data(void *arg, const char *data, size_t n)
{
	struct world *w = arg;

	strbuf_add(&w->data, data, n);
}

TEST(a_silent_stream_is_cut)
{
	static const struct http_handlers handlers = {NULL, silent_data, silent_done};
	struct world *w = *state;
	auto_free char *url = xasprintf("%s/stream", w->url);
	struct http_request q = {.url = url, .idle_timeout_ns = 50 * NS_PER_MS};

	assert_int_equal(http_start(w->client, &q, &handlers, w, &w->call, NULL), 0);
	while (!w->done)
		assert_true(loop_turn(w->loop, true, NULL) >= 0);
	assert_string_equal(strbuf_cstr(&w->data), "one\n");
}

struct batch {
	int left;
};
static void batch_done(void *arg, struct http_response *response)
{
	struct batch *b = arg;

	assert_int_equal(response->code, 0);
	assert_int_equal(response->status, 200);
	b->left--;
}

TEST(many_calls_share_few_connections)
{
	static const struct http_handlers handlers = {.on_done = batch_done};
	struct world *w = *state;
	auto_free char *url = xasprintf("%s/echo", w->url);
	struct http_request q = {.url = url, .body = "x", .body_size = 1};
	struct batch b = {200};

	for (int i = 0; i < b.left; i++)
		assert_int_equal(http_start(w->client, &q, &handlers, &b, NULL, NULL), 0);
	while (b.left)
		assert_true(loop_turn(w->loop, true, NULL) >= 0);
	assert_true(http_server_connections(w->server) <= 16);
}

static void raw_expect(struct world *w, const char *request, const char *answer)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	auto_release(strbuf) struct strbuf got = STRBUF_INIT;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	char buf[4096];
	ssize_t n = -1;

	sa.sin_port = htons((uint16_t)atoi(strrchr(w->url, ':') + 1));
	connect(fd, (struct sockaddr *)&sa, sizeof(sa));
	while (send(fd, request, strlen(request), 0) < 0)
		loop_turn(w->loop, false, NULL);
	shutdown(fd, SHUT_WR);
	while (n != 0) {
		loop_turn(w->loop, false, NULL);
		n = recv(fd, buf, sizeof(buf), 0);
		if (n > 0)
			strbuf_add(&got, buf, (size_t)n);
	}
	assert_string_equal(strbuf_cstr(&got), answer);
	close(fd);
}

TEST(pipelined_requests_are_answered_in_order)
{
	raw_expect(
		*state,
		"GET /none HTTP/1.1\r\nHost: a\r\n\r\n"
		"POST /echo HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi",
		"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nno"
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Method: POST\r\n"
		"Connection: close\r\nContent-Length: 2\r\n\r\nhi");
}

TEST(garbage_is_refused_and_closed)
{
	raw_expect(*state, "\x16\x03\x01 garbage\n\n",
		   "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n"
		   "Connection: close\r\n\r\nBad Request\n");
}

TEST(draining_ends_when_the_last_answer_ended)
{
	struct world *w = *state;
	struct http_request q = {0};

	assert_int_equal(call(w, w->url, "/echo", &q), 0);
	start_stream(w);
	while (!w->stream)
		loop_turn(w->loop, true, NULL);
	http_server_drain(w->server, NULL, NULL);
	while (http_server_connections(w->server))
		assert_true(loop_turn(w->loop, true, NULL) >= 0);
	assert_int_equal(w->closed_complete, 1);
	assert_int_equal(call(w, w->url, "/echo", &q), -ECONNREFUSED);
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(whole_answers_over_every_transport),
		ROW(head_has_no_body_and_404_is_an_answer),
		ROW(client_certificates_are_seen),
		ROW(trust_is_checked),
		ROW(a_server_that_goes_in_the_handshake_is_one_that_went),
		ROW(what_goes_wrong_below_http_has_its_code),
		ROW(limits_of_the_server_are_answers),
		ROW(a_stream_arrives_piece_by_piece),
		ROW(a_cancelled_stream_is_noticed_by_the_server),
		ROW(a_silent_stream_is_cut),
		ROW(many_calls_share_few_connections),
		ROW(pipelined_requests_are_answered_in_order),
		ROW(garbage_is_refused_and_closed),
		ROW(draining_ends_when_the_last_answer_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
