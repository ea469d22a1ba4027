/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/cluster.h - what the cluster says, as this node sees it: one informer for each kind, and
 * all of it together as the compiler's input.
 */
#pragma once

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
	void (*changed)(void *arg);
	void *arg;
};

/* changed(arg) after every change and when the last informer is complete. */
void cluster_start(struct cluster *c, struct kube_client *client, const struct log *log,
		   void (*changed)(void *arg), void *arg);
void cluster_stop(struct cluster *c);
/* Every informer has seen everything once. */
bool cluster_synced(const struct cluster *c);
const struct object_kind *cluster_object_kind(enum cluster_kind k);

/*
 * Decodes everything into the arena: identities, pods, namespaces, nodes, services, slices,
 * requests and policies of *ret. An object that cannot be decoded is logged and left out (a policy
 * is not left out: see mesh_policy_from_doc). Strings point into the informers' documents, which
 * change when the loop turns: copies are made of every document.
 */
void cluster_snapshot(const struct cluster *c, struct arena *a, const struct log *log,
		      struct mesh_input *ret);
