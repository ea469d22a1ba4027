/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/kube/client.h - requests to a Kubernetes API server, asynchronous on the event loop.
 *
 * A request is a verb, a place (kind, namespace, name, subresource) and options; its result is an
 * object or a refusal. Refusals keep the server's Status (reason, message) and become negative
 * errno values:
 *
 *   400 -EINVAL      401 -EPERM        403 -EACCES      404 -ENOENT     405, 501 -ENOSYS
 *   409 AlreadyExists -EEXIST          409 otherwise -ESTALE            410 -EXDEV
 *   415 -ENOSYS      422 -EINVAL       429 -EBUSY       5xx -EIO        504 -ETIMEDOUT
 *
 * Everything below HTTP (refused, reset, timed out) keeps http_start()'s code. kube_retryable()
 * knows which of them a caller may try again. Nothing is retried here, except once after a 401 when
 * the token comes from a file.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/error.h"
#include "lib/doc/doc.h"
#include "lib/http/client.h"
#include "lib/kube/config.h"
#include "lib/loop/loop.h"
#include "lib/object/kinds.h"

struct kube_client;
struct kube_call;

struct kube_client_options {
	const char *user_agent;    /* NULL: "sidestep/<version>" */
	const char *field_manager; /* goes with every write; NULL: "sidestep" */
	uint64_t timeout_ns;       /* per request, watches aside; 0: 30 s */
};

/* config is copied. */
struct kube_client *kube_client_new(struct loop *loop, const struct kube_config *config,
				    const struct kube_client_options *options);
/* Cancels what runs. NULL is fine. Free informers, queues and leases first. */
void kube_client_free(struct kube_client *client);
struct loop *kube_client_loop(const struct kube_client *client);
/* No request is under way (watches aside). */
bool kube_client_idle(const struct kube_client *client);
/* Cancels every request under way: for a caller that ends while the client lives on. */
void kube_client_cancel_all(struct kube_client *client);

enum kube_verb { KUBE_GET, KUBE_LIST, KUBE_CREATE, KUBE_UPDATE, KUBE_PATCH, KUBE_DELETE };
enum kube_patch {
	KUBE_PATCH_MERGE, /* RFC 7386, the only form custom resources and everybody else know */
	KUBE_PATCH_JSON,  /* RFC 6902; body is a list */
	KUBE_PATCH_STRATEGIC,
	KUBE_PATCH_APPLY, /* server-side apply, with force */
};

struct kube_request {
	enum kube_verb verb;
	const struct object_kind *kind;
	const char *namespace_;  /* NULL: cluster-scoped, or a list over all namespaces */
	const char *name;        /* NULL for list and create */
	const char *subresource; /* "status", "scale", "eviction", "binding", "log" ...; NULL */
	/* Instead of kind..subresource: a path as it stands ("/apis", "/version"). */
	const char *path;
	const struct doc *body; /* create, update, patch; delete: DeleteOptions or NULL */
	enum kube_patch patch;

	bool dry_run;
	const char *label_selector, *field_selector;
	unsigned limit; /* 0: none */
	const char *continue_;
	const char *resource_version;       /* lists: as `resourceVersion=` */
	const char *resource_version_match; /* "Exact", "NotOlderThan" */
	const char *propagation;            /* delete: "Foreground", "Background", "Orphan" */
	const char *uid;                    /* delete: precondition */
	bool with_grace;                    /* delete: send grace_seconds */
	int64_t grace_seconds;
	/* true when body and answer are text (pod logs): result.text */
	bool raw;
};
struct kube_result {
	int code;                /* 0, or negative errno as above */
	char error[512];         /* a sentence when code < 0: what was asked and what came back */
	int status;              /* HTTP status; 0 when no answer came */
	const char *reason;      /* Status.reason ("Conflict"), "" when unknown */
	const char *message;     /* Status.message, "" when unknown */
	uint64_t retry_after_ns; /* Retry-After of 429 and 503; 0 without */
	struct doc *object;      /* the answer; for a refusal its Status, or NULL */
	const char *text;        /* raw answers */
	size_t text_size;
	const char *warning; /* the server's Warning header; NULL without */
	struct arena
		arena; /* owns all of the above; move it (and arena_init() here) to keep them */
};
void kube_result_release(struct kube_result *r);
/* Copies code and error into *err; returns code. */
int kube_result_error(const struct kube_result *r, struct error *err);
/* Not reached, 429, 5xx but 501, time-outs: the same request may succeed later. */
bool kube_retryable(const struct kube_result *r);

/*
 * Starts a request; done(arg, result) runs exactly once, never before this returns, unless
 * cancelled. The result is released afterwards (see kube_result.arena). Never fails: what cannot
 * even be sent ends in done with -EINVAL.
 */
struct kube_call *kube_start(struct kube_client *client, const struct kube_request *request,
			     void (*done)(void *arg, struct kube_result *result), void *arg);
void kube_cancel(struct kube_call *call);

/* The path and query of a request, e.g. "/apis/apps/v1/namespaces/a/deployments/b/scale". */
void kube_request_target(const struct kube_request *request, struct strbuf *out);
/* apiVersion, kind, metadata.name and (when given) namespace: the start of an object. */
struct doc *kube_object_new(struct arena *a, const struct object_kind *kind, const char *namespace_,
			    const char *name);

/* Fields every object has; "" when absent. */
const char *kube_name(const struct doc *object);
const char *kube_namespace(const struct doc *object);
const char *kube_uid(const struct doc *object);
const char *kube_resource_version(const struct doc *object);
/* NULL when absent. */
const char *kube_label(const struct doc *object, const char *key);
const char *kube_annotation(const struct doc *object, const char *key);
bool kube_deleting(const struct doc *object); /* has a deletionTimestamp */
/* The ownerReference with controller: true, or NULL. */
const struct doc *kube_controller(const struct doc *object);
/* Appends an ownerReference (controller, blockOwnerDeletion) naming owner. */
void kube_set_controller(struct arena *a, struct doc *object, const struct object_kind *owner_kind,
			 const struct doc *owner);
/* status.conditions[type].status == "True"; false when absent. */
bool kube_condition_true(const struct doc *object, const char *type);
/*
 * Sets status.conditions[type]; lastTransitionTime moves only when status changes. now_wall_ns is
 * the caller's clock. Returns whether anything but times changed.
 */
bool kube_set_condition(struct arena *a, struct doc *object, const char *type, const char *status,
			const char *reason, const char *message, int64_t now_wall_ns);
