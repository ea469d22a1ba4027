/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrate/inventory.h - what is there, and who calls whom.
 *
 * Workloads come from the objects; edges from what agents counted (SidestepNode status), each
 * judged by Istio's own rules, because an intruder's refused attempts are counted too. Without
 * counters the graph is not known, and nothing that needs an order may be decided. Pure: everything
 * is in the snapshot.
 */
#pragma once

#include "lib/istio/mesh.h"
#include "lib/object/sidestep.h"
#include "lib/report/page.h"

struct inventory_workload {
	const char *namespace, *kind, *name; /* "Deployment", "StatefulSet" ... or a bare "Pod" */
	const char *service_account;
	const struct istio_workload *template; /* in the mesh */
	int32_t replicas;                      /* wanted */
	unsigned pods, ready, sidecars;        /* running now; sidecars: of either form */
	unsigned classic;                      /* of them, containers instead of init containers */
	bool injected;                         /* a new pod would get a sidecar */
	const char *budget;                    /* PodDisruptionBudget that covers it, or NULL */
	int32_t disruptions_allowed;           /* of the budget */
	bool named_by_services;                /* a Service selects it */
};

/* One observed call. Ends that are no workload (the world, a node) are -1. */
struct inventory_edge {
	int from, to;                    /* index of a workload, or -1 */
	const char *from_name, *to_name; /* "namespace/name", or what the identity says */
	uint16_t port;                   /* of the destination pod */
	const char *protocol;
	int64_t forwarded, dropped, audited; /* as counted */
	bool allowed;                        /* Istio's rules let it pass */
	const char *why;                     /* which rule decided */
};

struct inventory {
	const struct istio_mesh *mesh;
	const struct snapshot *snapshot;
	struct inventory_workload *workloads; /* by namespace, kind, name */
	size_t n_workloads;
	struct inventory_edge *edges; /* by from, to, port */
	size_t n_edges;
	bool graph_known;      /* every node's agent publishes counters */
	const char *graph_why; /* why not, or what was seen ("2 nodes, since ...") */
};

/* In a; the snapshot and the mesh must live as long. Never fails: what cannot be told is said. */
void inventory_make(struct inventory *inv, struct arena *a, const struct snapshot *s,
		    const struct istio_mesh *m);
/* Index, or -1. kind NULL: any. */
int inventory_find(const struct inventory *inv, const char *ns, const char *kind, const char *name);
/* The workload whose pods have this identity (labels "k8s:..."), or -1. */
int inventory_by_identity(const struct inventory *inv, const struct strings *labels);
/* ns NULL: all namespaces. */
struct doc *inventory_doc(struct arena *a, const struct inventory *inv, const char *ns);
void inventory_page(const struct inventory *inv, const char *ns, struct page *p);
