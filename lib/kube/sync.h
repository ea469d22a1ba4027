/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/kube/sync.h - the same requests for command-line tools: each runs the loop until it is done.
 *
 * Not for programs that serve: while one of these waits, other callbacks of the loop run, but the
 * caller does not. Objects are in the caller's arena. loop_stop() (a signal handler's) ends the
 * wait with -EINTR.
 */
#pragma once

#include "lib/kube/client.h"

/* Any request. *ret_result is the caller's to release. Returns its code, also set in err. */
int kube_wait(struct kube_client *client, const struct kube_request *request,
	      struct kube_result *ret_result, struct error *err);

int kube_get(struct kube_client *client, struct arena *a, const struct object_kind *kind,
	     const char *namespace_, const char *name, struct doc **ret_object, struct error *err);
/* All pages. *ret_list is a list node of items, each with apiVersion and kind filled in. */
int kube_list(struct kube_client *client, struct arena *a, const struct object_kind *kind,
	      const char *namespace_, const char *label_selector, struct doc **ret_list,
	      struct error *err);
/* ret_object may be NULL in all that follow. */
int kube_create(struct kube_client *client, struct arena *a, const struct object_kind *kind,
		const struct doc *object, struct doc **ret_object, struct error *err);
int kube_update(struct kube_client *client, struct arena *a, const struct object_kind *kind,
		const struct doc *object, struct doc **ret_object, struct error *err);
int kube_patch(struct kube_client *client, struct arena *a, const struct object_kind *kind,
	       const char *namespace_, const char *name, const char *subresource,
	       enum kube_patch type, const struct doc *patch, struct doc **ret_object,
	       struct error *err);
int kube_delete(struct kube_client *client, const struct object_kind *kind, const char *namespace_,
		const char *name, struct error *err);
/* Creates, or when it exists replaces spec and data (labels and annotations merged), keeping the
 * rest (a Service's addresses and the mark of a rollout restart included): what `up` and `apply` of
 * a manifest mean here. */
int kube_put(struct kube_client *client, struct arena *a, const struct object_kind *kind,
	     const struct doc *object, struct doc **ret_object, struct error *err);
/*
 * policy/v1 eviction, of the pod of that uid (NULL: of that name). *ret_retry_ns (may be NULL) is
 * 0, or when to ask again: -EBUSY, a budget forbids it now, or the server could not.
 */
int kube_evict(struct kube_client *client, const char *namespace_, const char *pod, const char *uid,
	       uint64_t *ret_retry_ns, struct error *err);
/*
 * Watches one object (name) or a kind (NULL) until check(arg, object) says true for one; object is
 * NULL when the named one does not exist. -ETIMEDOUT after timeout_ns of the loop's clock.
 */
int kube_wait_for(struct kube_client *client, const struct object_kind *kind,
		  const char *namespace_, const char *name,
		  bool (*check)(void *arg, const struct doc *object), void *arg,
		  uint64_t timeout_ns, struct error *err);
/* Kinds the server has: a list of {group, version, kind, name (plural), namespaced, verbs}. */
int kube_discover(struct kube_client *client, struct arena *a, struct doc **ret_list,
		  struct error *err);
