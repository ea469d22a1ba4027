/* SPDX-License-Identifier: Apache-2.0 */
/* lib/kube/kube_internal.h - what the informer needs of the client beside its public face. */
#pragma once

#include "lib/kube/client.h"

/* A GET whose answer comes in pieces: a watch. target is path and query. */
int kube_stream_start(struct kube_client *client, const char *target, uint64_t idle_ns,
		      const struct http_handlers *handlers, void *arg, struct http_call **ret_call,
		      struct error *err);
/* Forgets a token read from a file: the server did not take it. */
void kube_client_forget_token(struct kube_client *client);
/* Fills code, reason, message, error of r for a Status or a bare HTTP status. */
void kube_result_refused(struct kube_result *r, int status, const char *what);
/* -errno for an HTTP status and Status.reason (may be ""). */
int kube_errno(int status, const char *reason);
/* Retry-After in nanoseconds; 0 without. */
uint64_t kube_retry_after(const struct http_headers *headers);

/*
 * Somebody who asks the server again later because it could not be reached. The first answer that
 * anybody of this client gets takes it off the list and calls back(arg): the server is there again.
 */
struct kube_waiter {
	struct kube_waiter *next, **prev; /* prev NULL: not waiting */
	void (*back)(void *arg);
	void *arg;
};
void kube_client_wait(struct kube_client *client, struct kube_waiter *w);
void kube_client_unwait(struct kube_waiter *w);
/* The server answered something. */
void kube_client_heard(struct kube_client *client);
