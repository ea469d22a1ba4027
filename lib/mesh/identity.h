/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/mesh/identity.h - who a workload is to policy: a set of labels with a number.
 *
 * The set is made of the pod's labels, its namespace (name and labels), its ServiceAccount and the
 * cluster's name, written as Cilium writes them ("k8s:app", "k8s:io.kubernetes.pod.namespace"), so
 * that policies made for it select the same pods. Labels that say nothing about security, or that
 * change while a namespace leaves Istio, are left out: an identity must not change because a
 * sidecar went away. Policy that selects on a label left out is refused by the compiler, never
 * misread.
 *
 * Numbers: 0 means "any" in policy rows; 1..10 are reserved; 256..65535 are cluster identities, the
 * name of a CiliumIdentity object; 16777216 and up are CIDR blocks, known to one node only.
 */
#pragma once

#include <stdint.h>

#include "datapath/abi/identity.h"
#include "lib/object/cilium.h"
#include "lib/object/cluster.h"
#include "lib/object/pod.h"

#define MESH_LABEL_NAMESPACE        "k8s:io.kubernetes.pod.namespace"
#define MESH_LABEL_SERVICE_ACCOUNT  "k8s:io.cilium.k8s.policy.serviceaccount"
#define MESH_LABEL_CLUSTER          "k8s:io.cilium.k8s.policy.cluster"
#define MESH_LABEL_NAMESPACE_LABELS "k8s:io.cilium.k8s.namespace.labels."

struct mesh_identity {
	uint32_t id;
	struct strmap
		labels; /* sorted; keys with source; for a reserved one "reserved:NAME" = "" */
};

/* Identities by number; the reserved ones always included. */
struct mesh_identities {
	struct mesh_identity *items; /* sorted by id */
	size_t n;
};

/* The name of a reserved number ("world"), or NULL. */
const char *mesh_reserved_name(uint32_t id);
/* The number of a reserved name; 0 for another name. */
uint32_t mesh_reserved_id(const char *name);
static inline int mesh_is_cidr_identity(uint32_t id)
{
	return (id & ~0x00ffffffu) == IDENTITY_LOCAL_SCOPE;
}
static inline int mesh_is_cluster_identity(uint32_t id)
{
	return id >= IDENTITY_FIRST_POD && id <= IDENTITY_LAST_POD;
}

/*
 * Whether a pod (or namespace) label takes part in identity. Left out: what controllers stamp on
 * pods (template hashes, ordinals, revisions), and every label of istio.io, of injection and of
 * ours.
 */
bool mesh_label_is_relevant(const char *key);

/* The complete label set, nothing left out: whom a policy selects is asked of this one. */
struct strmap mesh_pod_all_labels(struct arena *a, const struct pod *pod,
				  const struct namespace_object *ns);
/* The label set of a pod's identity; ns is its namespace's object and may be NULL when not seen
 * yet. */
struct strmap mesh_pod_labels(struct arena *a, const struct pod *pod,
			      const struct namespace_object *ns);
/* The same from parts: what a tool uses for a pod that does not exist (yet). */
struct strmap mesh_workload_labels(struct arena *a, const struct strmap *pod_labels,
				   const char *namespace, const struct strmap *namespace_labels,
				   const char *service_account);

/*
 * The number to try for a label set, attempt 0, 1, 2 ...: a hash of the set. All agents try the
 * same numbers in the same order, so two that meet the same set at once create the same object and
 * one adopts what the other made. Attempts end at MESH_ID_ATTEMPTS.
 */
uint32_t mesh_identity_candidate(const struct strmap *labels, unsigned attempt);
enum { MESH_ID_ATTEMPTS = 1024 };

bool mesh_labels_equal(const struct strmap *a, const struct strmap *b);
/* "k8s:app=web;k8s:...": one text for one set, for maps and logs. */
const char *mesh_labels_key(struct arena *a, const struct strmap *labels);

/*
 * The table from CiliumIdentity objects (others' numbers outside the cluster range are ignored) and
 * the reserved ones. Label sets that have two numbers keep both; mesh_identity_of gives the lowest.
 */
void mesh_identities_build(struct arena *a, const struct cilium_identity *objects, size_t n,
			   struct mesh_identities *ret);
const struct mesh_identity *mesh_identity_get(const struct mesh_identities *t, uint32_t id);
/* The lowest number with exactly these labels; 0 when there is none. */
uint32_t mesh_identity_of(const struct mesh_identities *t, const struct strmap *labels);
