/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/http/client_internal.h - what client.c (the calls of a client, on the loop) and client_call.c
 * (one call's request and answer, on its curl handle) share.
 */
#pragma once

#include <curl/curl.h>
#include <event2/event.h>

#include "lib/http/client.h"

enum call_state { CALL_QUEUED, CALL_RUNNING, CALL_FINISHED };

struct http_call {
	struct http_call *next, **prev; /* all calls of the client */
	struct http_client *client;
	struct http_handlers handlers;
	void *arg;
	CURL *easy;
	struct curl_slist *headers, *connect_to;
	enum call_state state;
	bool streaming, cancelled, headers_done;
	struct loop_timer *timeout, *idle;
	uint64_t idle_ns;
	size_t max_body, header_bytes;
	int failed; /* our own reason for ending it */
	const char *failure;
	struct http_response response;
	char curl_error[CURL_ERROR_SIZE];
};

struct http_client {
	struct loop *loop;
	CURLM *multi;
	struct event *timer; /* curl's own: always real time */
	char *user_agent;
	unsigned parallel, running;
	struct http_call *calls;
	bool in_curl; /* curl's functions may not be called again from its callbacks */
	bool *freed;
};

/* Makes call->easy ask what q says, and what comes back call->response. */
int http_call_setup(struct http_call *call, const struct http_request *q, struct error *err);
/* It is to end with this code for our own reason; a literal. Returns 0, which ends curl's work. */
int http_call_fail(struct http_call *call, int code, const char *why);
