/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core.h - what every controller stands on: the shared copies of objects, a table row and a queue
 * each, and a reconciliation that may send several requests and ends when all are answered.
 */
#pragma once

#include "deploy/lab/controllers/controllers.h"
#include "lib/base/map.h"
#include "lib/kube/informer.h"
#include "lib/kube/queue.h"

/* The kinds that are followed. */
#define CONTROLLERS_KINDS(X)                                                                       \
	X(NAMESPACE)                                                                               \
	X(NODE)                                                                                    \
	X(POD)                                                                                     \
	X(SERVICE)                                                                                 \
	X(SERVICE_ACCOUNT)                                                                         \
	X(DEPLOYMENT)                                                                              \
	X(REPLICA_SET)                                                                             \
	X(DAEMON_SET)                                                                              \
	X(CONTROLLER_REVISION)                                                                     \
	X(ENDPOINT_SLICE)                                                                          \
	X(POD_DISRUPTION_BUDGET)

#define CONTROLLERS_ENUM(name) WATCHED_##name,
enum watched { CONTROLLERS_KINDS(CONTROLLERS_ENUM) WATCHED_COUNT };
#undef CONTROLLERS_ENUM

struct reconcile;

/* One row a controller. */
struct controller {
	const char *name;
	/* Which keys a change of an object concerns: queue_key() each. */
	void (*changed)(struct controllers *c, size_t row, enum watched kind, const struct doc *old,
			const struct doc *now);
	/* Makes one key true. Sends what is needed and returns; a return with -EAGAIN comes back
	 * after the key's back-off, any other failure too. */
	int (*work)(struct reconcile *r);
};
extern const struct controller controllers_table[];
extern const size_t controllers_table_size;

struct controllers {
	struct kube_client *client;
	struct loop *loop;
	struct controllers_options options;
	struct arena arena;
	struct watched_informer {
		struct controllers *c;
		enum watched kind;
		struct kube_informer *informer;
	} watched[WATCHED_COUNT];
	struct queue_slot {
		struct controllers *c;
		size_t row;
		struct kube_queue *queue;
	} * queues; /* one a row of the table */
	struct reconcile *running;
	struct map expected; /* what was sent and is not seen yet: see expect_*() */
	struct map placed;   /* uid of a pod -> node (malloc'ed) we bound it to, until the copy says
				so */
	struct loop_timer *expiry;
	bool ready; /* every kind was listed once */
};

/* One run of one controller for one key. Everything in its arena ends with it. */
struct reconcile {
	struct reconcile *next, **prev;
	struct controllers *c;
	size_t row;
	const char *key;
	const char *namespace_, *name; /* of the key */
	struct arena arena;
	unsigned waiting; /* requests not answered */
	bool began, failed;
};

int64_t controllers_wall_ns(const struct controllers *c);
void queue_key(struct controllers *c, size_t row, const char *namespace_, const char *name);
void queue_object(struct controllers *c, size_t row, const struct doc *object);
/* Comes back to r's key after a while, whatever happens meanwhile. */
void reconcile_again(struct reconcile *r, uint64_t delay_ns);
/* Sends request as a part of r; its failure makes r fail. -ENOENT of a delete is success. done may
 * be NULL. */
void reconcile_send(struct reconcile *r, const struct kube_request *request,
		    void (*done)(struct reconcile *r, struct kube_result *result, void *arg),
		    void *arg);

/* Read-only; NULL when absent. */
const struct doc *watched_get(const struct controllers *c, enum watched kind,
			      const char *namespace_, const char *name);
/* The key's own object. */
const struct doc *watched_self(const struct reconcile *r, enum watched kind);
#define watched_foreach(c, kind_, o) kube_informer_foreach ((c)->watched[kind_].informer, o)

/*
 * Expectations: the copies lag behind what we sent. An object that we created or deleted is
 * remembered under its key (and uid) until the copy shows it, so that the next count is right.
 * Forgotten after ten seconds, in case the watch never shows it.
 */
void expect_created(struct controllers *c, enum watched kind, const struct doc *object);
void expect_deleted(struct controllers *c, enum watched kind, const struct doc *object);
/* Created ones not seen yet whose controller has this uid. */
size_t expect_count_created(const struct controllers *c, const char *owner_uid);
bool expect_is_deleted(const struct controllers *c, const struct doc *object);

/* status of an object by PUT, guarded by its version. */
void reconcile_put_status(struct reconcile *r, const struct object_kind *kind,
			  const struct doc *object);

/* Whether owner (by uid) is the controller of object. */
bool is_controlled_by(const struct doc *object, const char *owner_uid);
bool pod_ready(const struct doc *pod);
bool pod_finished(const struct doc *pod);
/* Ready for at least min_ready_seconds; *ret_wait_ns is how long it still takes (0: never by time).
 */
bool pod_available(const struct controllers *c, const struct doc *pod, int64_t min_ready_seconds,
		   uint64_t *ret_wait_ns);

/* A name for a pod template: the same for the same, safe in names and labels. In the arena. */
const char *template_hash(struct arena *a, const struct doc *template);
/* A merge patch guarded by the version: what somebody else changed meanwhile is looked at again. */
void reconcile_patch(struct reconcile *r, enum object_kind_id kind, const struct doc *object,
		     struct doc *patch);
/* Metadata and spec of a pod as a template says, owned by owner; without a name. */
struct doc *pod_of_template(struct reconcile *r, const struct object_kind *owner_kind,
			    const struct doc *owner, const struct doc *template);

/*
 * Whether a pod of this spec may be put on the node (running: may stay there) as far as the node
 * itself speaks against it: its taints, its cordon, its Ready condition.
 */
bool node_tolerated(const struct doc *node, const struct doc *pod_spec, bool running);
/* nodeSelector, and node affinity as far as it names nodes (matchFields metadata.name). */
bool node_selected(const struct doc *node, const struct doc *pod_spec);

/* The rows. */
void deployment_changed(struct controllers *c, size_t row, enum watched kind, const struct doc *old,
			const struct doc *now);
int deployment_work(struct reconcile *r);
void replicaset_changed(struct controllers *c, size_t row, enum watched kind, const struct doc *old,
			const struct doc *now);
int replicaset_work(struct reconcile *r);
void daemonset_changed(struct controllers *c, size_t row, enum watched kind, const struct doc *old,
		       const struct doc *now);
int daemonset_work(struct reconcile *r);
void scheduler_changed(struct controllers *c, size_t row, enum watched kind, const struct doc *old,
		       const struct doc *now);
int scheduler_work(struct reconcile *r);
void endpoints_changed(struct controllers *c, size_t row, enum watched kind, const struct doc *old,
		       const struct doc *now);
int endpoints_work(struct reconcile *r);
void disruption_changed(struct controllers *c, size_t row, enum watched kind, const struct doc *old,
			const struct doc *now);
int disruption_work(struct reconcile *r);
void namespace_changed(struct controllers *c, size_t row, enum watched kind, const struct doc *old,
		       const struct doc *now);
int namespace_work(struct reconcile *r);
void node_changed(struct controllers *c, size_t row, enum watched kind, const struct doc *old,
		  const struct doc *now);
int node_work(struct reconcile *r);
void orphan_changed(struct controllers *c, size_t row, enum watched kind, const struct doc *old,
		    const struct doc *now);
int orphan_work(struct reconcile *r);
