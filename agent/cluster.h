/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/cluster.h - what the cluster says, as this node sees it: one informer for each kind, and
 * all of it together as the compiler's input.
 */
#pragma once

#include "lib/base/vec.h"
#include "lib/kube/informer.h"
#include "lib/mesh/desired.h"

/* symbol, kind, decode table, may be missing on the server */
#define CLUSTER_KINDS(X)                                                                           \
	X(PODS, KIND_POD, &pod_table, false)                                                       \
	X(NAMESPACES, KIND_NAMESPACE, &namespace_table, false)                                     \
	X(NODES, KIND_NODE, &node_table, false)                                                    \
	X(SERVICES, KIND_SERVICE, &service_table, false)                                           \
	X(SLICES, KIND_ENDPOINT_SLICE, &endpoint_slice_table, false)                               \
	X(IDENTITIES, KIND_CILIUM_IDENTITY, &cilium_identity_table, true)                          \
	X(REQUESTS, KIND_SIDESTEP_REQUEST, &sidestep_request_table, true)                          \
	X(KNP, KIND_NETWORK_POLICY, NULL, true)                                                    \
	X(CNP, KIND_CILIUM_NETWORK_POLICY, NULL, true)                                             \
	X(CCNP, KIND_CILIUM_CLUSTERWIDE_NETWORK_POLICY, NULL, true)

enum cluster_kind {
#define X(symbol, ...) CLUSTER_##symbol,
	CLUSTER_KINDS(X)
#undef X
		CLUSTER_KIND_COUNT
};

struct cluster {
	struct kube_informer *informers[CLUSTER_KIND_COUNT];
	struct cluster_source {
		struct cluster *cluster;
		enum cluster_kind kind;
	} sources[CLUSTER_KIND_COUNT];
	void (*changed)(void *arg);
	void (*answered)(void *arg);
	void *arg;
};

/*
 * changed(arg) after every change and when the last informer is complete; but answered(arg) when a
 * request's status alone is another: nodes answering must not make every node compile again.
 */
void cluster_start(struct cluster *c, struct kube_client *client, const struct log *log,
		   void (*changed)(void *arg), void (*answered)(void *arg), void *arg);
void cluster_stop(struct cluster *c);
/* Every informer has seen everything once. */
bool cluster_synced(const struct cluster *c);
const struct object_kind *cluster_object_kind(enum cluster_kind k);

/*
 * Everything at this moment: identities, pods, namespaces, nodes, services, slices, requests and
 * policies of *ret. The arrays are in the arena; what they point at belongs to the informers'
 * objects, which are decoded once, as they arrive, and held by *held until cluster_drop(). An
 * object that cannot be decoded is left out (a policy is not: see mesh_policy_from_doc).
 */
struct cluster_held {
	VEC(struct kube_object *) objects;
};
void cluster_snapshot(const struct cluster *c, struct arena *a, struct cluster_held *held,
		      struct mesh_input *ret);
/* Nothing held is fine. */
void cluster_drop(struct cluster_held *held);
