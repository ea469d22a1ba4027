/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/istio/member.h - who is in the mesh: who has a certificate to show, and whose sidecar asks.
 *
 * A certificate names a namespace and a ServiceAccount, so membership is a fact about that pair:
 * pods of it get a sidecar, do not, or (mixed) some do. Pairs that no workload uses follow their
 * namespace.
 */
#pragma once

#include "lib/istio/inject.h"
#include "lib/istio/redirect.h"

enum istio_membership { MEMBER_NO, MEMBER_YES, MEMBER_MIXED };
enum istio_membership istio_member(const struct istio_mesh *m, const char *ns,
				   const char *service_account);
/* What a pod of an account that nobody uses yet would be. */
bool istio_namespace_member(const struct istio_mesh *m, const char *ns);
/* A template's pods get a sidecar, or have it written in. */
bool istio_workload_member(const struct istio_mesh *m, const struct istio_workload *w);

/* What stands before the application in a pod of ns with these labels. */
struct istio_server {
	bool sidecar;                          /* else nothing of Istio is asked */
	struct istio_redirect redirect;        /* which ports the sidecar sees */
	const struct istio_workload *workload; /* that has these labels, or NULL: the namespace's
						  default */
};
/* Of several workloads that have the labels, the first that stands out, else the first. */
struct istio_server istio_server_of(const struct istio_mesh *m, struct arena *a, const char *ns,
				    const struct strmap *labels);
/* The proxy treats it unlike the rest of its namespace. */
bool istio_workload_stands_out(const struct istio_mesh *m, struct arena *a,
			       const struct istio_workload *w);
/*
 * Another workload of the namespace whose selector takes w's pods as well, and which the proxy
 * treats otherwise: then no labels say how. NULL when there is none.
 */
const struct istio_workload *istio_workload_rival(const struct istio_mesh *m, struct arena *a,
						  const struct istio_workload *w);
/* The labels by which a template's pods are known: its selector, else the pod's own. */
struct strmap istio_workload_labels(const struct istio_workload *w);
