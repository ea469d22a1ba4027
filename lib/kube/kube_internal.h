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
