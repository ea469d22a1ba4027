/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl's multi interface on the event loop. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/macros.h"
#include "lib/http/client_internal.h"

#define DEFAULT_PARALLEL   16
#define DEFAULT_TIMEOUT_NS (30 * NS_PER_S)

/* A descriptor curl wants to hear about. */
struct watched {
	struct http_client *client;
	struct event *event;
	curl_socket_t fd;
};

static void client_work(struct http_client *client);

static void call_free(struct http_call *call)
{
	*call->prev = call->next;
	if (call->next)
		call->next->prev = call->prev;
	if (call->easy)
		curl_easy_cleanup(call->easy);
	curl_slist_free_all(call->headers);
	curl_slist_free_all(call->connect_to);
	loop_timer_free(call->timeout);
	loop_timer_free(call->idle);
	http_response_release(&call->response);
	free(call);
}

void http_response_release(struct http_response *r)
{
	http_headers_release(&r->headers);
	strbuf_release(&r->body);
}

/* Callbacks of curl. */

static void socket_ready(evutil_socket_t fd, short what, void *arg)
{
	struct watched *w = arg;
	struct http_client *client = w->client;
	int flags = (what & EV_READ ? CURL_CSELECT_IN : 0) |
		    (what & EV_WRITE ? CURL_CSELECT_OUT : 0),
	    running;

	client->in_curl = true;
	curl_multi_socket_action(client->multi, fd, flags, &running);
	client->in_curl = false;
	client_work(client);
}

static void curl_timer_fired(UNUSED evutil_socket_t fd, UNUSED short what, void *arg)
{
	struct http_client *client = arg;
	int running;

	client->in_curl = true;
	curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	client->in_curl = false;
	client_work(client);
}

static int on_socket(UNUSED CURL *easy, curl_socket_t fd, int what, void *user, void *per_socket)
{
	struct http_client *client = user;
	struct watched *w = per_socket;
	short events = EV_PERSIST;

	if (what == CURL_POLL_REMOVE) {
		if (w) {
			event_free(w->event);
			free(w);
		}
		curl_multi_assign(client->multi, fd, NULL);
		return 0;
	}
	if (!w) {
		w = xcalloc(1, sizeof(*w));
		w->client = client;
		w->fd = fd;
		curl_multi_assign(client->multi, fd, w);
	} else {
		event_free(w->event);
	}
	if (what & CURL_POLL_IN)
		events |= EV_READ;
	if (what & CURL_POLL_OUT)
		events |= EV_WRITE;
	w->event = event_new(loop_base(client->loop), fd, events, socket_ready, w);
	event_add(w->event, NULL);
	return 0;
}

static int on_timer(UNUSED CURLM *multi, long ms, void *user)
{
	struct http_client *client = user;
	struct timeval tv = {ms / 1000, ms % 1000 * 1000};

	if (ms < 0)
		evtimer_del(client->timer);
	else
		evtimer_add(client->timer, &tv);
	return 0;
}

/* The client. */

struct http_client *http_client_new(struct loop *loop, const struct http_client_options *options)
{
	struct http_client *client = xcalloc(1, sizeof(*client));
	const char *agent = options ? options->user_agent : NULL;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	client->loop = loop;
	client->user_agent = xstrdup(agent ? agent : "sidestep/" SIDESTEP_VERSION);
	client->parallel = options && options->max_host_connections ? options->max_host_connections
								    : DEFAULT_PARALLEL;
	client->multi = curl_multi_init();
	client->timer = evtimer_new(loop_base(loop), curl_timer_fired, client);
	curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
	curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
	curl_multi_setopt(client->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
	return client;
}

static void deferred_work(void *arg)
{
	client_work(arg);
}

void http_client_free(struct http_client *client)
{
	if (!client)
		return;
	if (client->freed)
		*client->freed = true;
	loop_undefer(client->loop, deferred_work, client);
	while (client->calls) {
		struct http_call *call = client->calls;

		if (call->state == CALL_RUNNING)
			curl_multi_remove_handle(client->multi, call->easy);
		call_free(call);
	}
	curl_multi_cleanup(client->multi);
	event_free(client->timer);
	free(client->user_agent);
	free(client);
}

static int errno_of(CURLcode code)
{
	/* Any code not listed is an I/O error. */
	static const struct {
		CURLcode code;
		int err;
	} table[] = {
		{CURLE_OK, 0},
		{CURLE_UNSUPPORTED_PROTOCOL, -EINVAL},
		{CURLE_URL_MALFORMAT, -EINVAL},
		{CURLE_COULDNT_RESOLVE_HOST, -EHOSTUNREACH},
		{CURLE_COULDNT_RESOLVE_PROXY, -EHOSTUNREACH},
		{CURLE_COULDNT_CONNECT, -ECONNREFUSED},
		{CURLE_OPERATION_TIMEDOUT, -ETIMEDOUT},
		{CURLE_SEND_ERROR, -ECONNRESET},
		{CURLE_RECV_ERROR, -ECONNRESET},
		{CURLE_GOT_NOTHING, -ECONNRESET},
		{CURLE_PARTIAL_FILE, -ECONNRESET},
		{CURLE_HTTP2, -EPROTO},
		{CURLE_HTTP2_STREAM, -EPROTO},
		{CURLE_WEIRD_SERVER_REPLY, -EPROTO},
		{CURLE_SSL_CONNECT_ERROR, -EBADMSG},
		{CURLE_PEER_FAILED_VERIFICATION, -EBADMSG},
		{CURLE_SSL_CERTPROBLEM, -EBADMSG},
		{CURLE_SSL_PINNEDPUBKEYNOTMATCH, -EBADMSG},
		{CURLE_SSL_CACERT_BADFILE, -EBADMSG},
		{CURLE_SSL_ISSUER_ERROR, -EBADMSG},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].code == code)
			return table[i].err;
	return -EIO;
}

/* The other end went away while the connection was being secured: like one that went later. */
static bool cut_in_handshake(const struct http_call *call, CURLcode code)
{
	long os = 0;

	if (code != CURLE_SSL_CONNECT_ERROR)
		return false;
	curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &os);
	/* An end of file has no number: OpenSSL's word for it is all that curl hands on. */
	return os == ECONNRESET || os == EPIPE || strstr(call->curl_error, "SSL_ERROR_SYSCALL");
}

static void call_done(struct http_call *call, CURLcode code)
{
	struct http_response *r = &call->response;

	if (call->state == CALL_RUNNING && !call->streaming)
		call->client->running--;
	call->state = CALL_FINISHED;
	if (call->cancelled) {
		call_free(call);
		return;
	}
	r->code = call->failed                   ? call->failed
		  : cut_in_handshake(call, code) ? -ECONNRESET
						 : errno_of(code);
	if (r->code)
		snprintf(r->error, sizeof(r->error), "%s",
			 call->failure         ? call->failure
			 : call->curl_error[0] ? call->curl_error
					       : curl_easy_strerror(code));
	call->handlers.on_done(call->arg, r);
	call_free(call);
}

static void start_queued(struct http_client *client)
{
	struct http_call *oldest;

	for (;;) {
		oldest = NULL;
		/* New calls are put in front, so the last one that may start is the oldest. */
		for (struct http_call *c = client->calls; c; c = c->next)
			if (c->state == CALL_QUEUED &&
			    (c->streaming || client->running < client->parallel))
				oldest = c;
		if (!oldest)
			return;
		oldest->state = CALL_RUNNING;
		if (!oldest->streaming)
			client->running++;
		curl_multi_add_handle(client->multi, oldest->easy);
	}
}

/* A call that we end ourselves: cancelled, timed out, over a limit. */
static struct http_call *first_ended(const struct http_client *client)
{
	for (struct http_call *c = client->calls; c; c = c->next)
		if (c->cancelled || c->failed)
			return c;
	return NULL;
}

/* Everything that may not happen inside curl's callbacks. */
static void client_work(struct http_client *client)
{
	struct http_call *call = NULL;
	bool freed = false;
	CURLMsg *msg;
	int left;

	if (client->in_curl || client->freed)
		return;
	client->freed = &freed;
	while ((call = first_ended(client))) {
		if (call->state == CALL_RUNNING)
			curl_multi_remove_handle(client->multi, call->easy);
		call_done(call, CURLE_OK);
		if (freed)
			return;
	}
	while ((msg = curl_multi_info_read(client->multi, &left))) {
		CURLcode code = msg->data.result;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&call);
		curl_multi_remove_handle(client->multi, msg->easy_handle);
		call_done(call, code);
		if (freed)
			return;
	}
	start_queued(client);
	client->freed = NULL;
}

/* Setting up a call. */

static void timed_out(void *arg)
{
	struct http_call *call = arg;

	http_call_fail(call, -ETIMEDOUT, "no answer in time");
	client_work(call->client);
}

static void went_silent(void *arg)
{
	struct http_call *call = arg;

	http_call_fail(call, -ETIMEDOUT, "the server went silent");
	client_work(call->client);
}

static void set_timeouts(struct http_call *call, const struct http_request *q)
{
	struct loop *loop = call->client->loop;
	uint64_t whole = q->timeout_ns ? q->timeout_ns : call->streaming ? 0 : DEFAULT_TIMEOUT_NS;

	if (whole) {
		call->timeout = loop_timer_new(loop, timed_out, call);
		loop_timer_set(call->timeout, whole);
	}
	if (q->idle_timeout_ns) {
		call->idle_ns = q->idle_timeout_ns;
		call->idle = loop_timer_new(loop, went_silent, call);
		loop_timer_set(call->idle, call->idle_ns);
	}
}

int http_start(struct http_client *client, const struct http_request *request,
	       const struct http_handlers *handlers, void *arg, struct http_call **ret_call,
	       struct error *err)
{
	struct http_call *call = xcalloc(1, sizeof(*call));
	int r;

	call->client = client;
	call->handlers = *handlers;
	call->arg = arg;
	call->streaming = handlers->on_data != NULL;
	call->max_body = request->max_body ? request->max_body : HTTP_CLIENT_MAX_BODY;
	call->next = client->calls;
	call->prev = &client->calls;
	if (call->next)
		call->next->prev = &call->next;
	client->calls = call;
	call->easy = curl_easy_init();
	r = http_call_setup(call, request, err);
	if (r) {
		call_free(call);
		return r;
	}
	set_timeouts(call, request);
	if (ret_call)
		*ret_call = call;
	loop_undefer(client->loop, deferred_work, client);
	loop_defer(client->loop, deferred_work, client);
	return 0;
}

void http_cancel(struct http_call *call)
{
	if (!call)
		return;
	call->cancelled = true;
	loop_undefer(call->client->loop, deferred_work, call->client);
	loop_defer(call->client->loop, deferred_work, call->client);
}

struct waiting {
	bool done;
	struct http_response *response;
};

static void wait_done(void *arg, struct http_response *response)
{
	struct waiting *w = arg;

	w->done = true;
	*w->response = *response;
	memset(&response->headers, 0, sizeof(response->headers));
	memset(&response->body, 0, sizeof(response->body));
}

int http_call_wait(struct loop *loop, struct http_client *client,
		   const struct http_request *request, struct http_response *ret_response,
		   struct error *err)
{
	static const struct http_handlers handlers = {.on_done = wait_done};
	struct waiting w = {false, ret_response};
	struct http_call *call;
	int r;

	memset(ret_response, 0, sizeof(*ret_response));
	r = http_start(client, request, &handlers, &w, &call, err);
	if (r < 0)
		return r;
	while (r >= 0 && !w.done)
		r = loop_stopping(loop) ? error_set(err, -EINTR, "interrupted")
					: loop_turn(loop, true, err);
	if (!w.done) {
		/* Its answer would be written into this frame. */
		http_cancel(call);
		return r;
	}
	if (ret_response->code)
		return error_set(err, ret_response->code, "%s", ret_response->error);
	return 0;
}
