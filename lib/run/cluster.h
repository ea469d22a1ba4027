/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/run/cluster.h - the one place from which a tool talks to an API server.
 *
 * Every request is repeated while the server is away, overloaded or slow (it may be restarting
 * under us), up to `patience`; refusals come back at once. Waiting runs the loop, so a signal or a
 * pause asked for through the cluster ends it with -EINTR.
 */
#pragma once

#include "lib/kube/sync.h"
#include "lib/object/snapshot.h"

struct cluster {
	struct loop *loop;
	struct kube_client *client;
	const struct clock *clock;
	struct fake_clock *fake; /* tests: waiting moves it; NULL = the machine's time */
	uint64_t patience_ns;    /* 0: 2 minutes */
	const char *pause;       /* why to stop at the next safe point; NULL = go on */
	const struct kube_lease
		*lock; /* without it nothing is written any more; NULL: none is needed */
	/* The options that led here, as they must be typed again: " --context lab"; NULL: none. */
	const char *typed;
};

/* " --name value" behind what was typed (NULL: nothing), in a; value NULL: as it is. */
const char *cluster_typed(struct arena *a, const char *typed, const char *name, const char *value);
/* Words with every 'sidestep ...' in them followed by what was typed, in a. */
const char *cluster_retype(struct arena *a, const char *words, const char *typed);

/* The API by kubeconfig and context (NULL: the usual places). manager: who owns the fields that are
 * written, "sidestep-migrate". */
int cluster_open(struct cluster *c, struct arena *a, const char *kubeconfig, const char *context,
		 const char *manager, struct error *err);
/* NULL members are fine. */
void cluster_release(struct cluster *c);

/* Runs the loop for ns; -EINTR (with the reason) when a pause was asked for. */
int cluster_wait(struct cluster *c, uint64_t ns, struct error *err);

/*
 * Whoever lost the lock because the API was away has it back once that answers: waits for that as
 * long as for any request. -EINTR when somebody else took it, when patience is over or a pause was
 * asked for; c->pause says which. 0 when it is held, or none is needed.
 */
int cluster_wait_for_lock(struct cluster *c, struct error *err);

/* Any request. ret_object may be NULL. Its code, after patience. */
int cluster_do(struct cluster *c, const struct kube_request *request, struct arena *a,
	       struct doc **ret_object, struct error *err);
/* *ret_object NULL when it is absent (0). */
int cluster_get(struct cluster *c, struct arena *a, const struct object_kind *kind, const char *ns,
		const char *name, struct doc **ret_object, struct error *err);
/* All pages; ns NULL: everywhere. A kind that the server does not have is an empty list. */
int cluster_list(struct cluster *c, struct arena *a, const struct object_kind *kind, const char *ns,
		 struct doc **ret_list, struct error *err);
/* Every kind we know (events aside) into s. */
int cluster_snapshot(struct cluster *c, struct snapshot *s, struct error *err);
