/* SPDX-License-Identifier: Apache-2.0 */
/* columns.h - the columns of the built-in kinds, as kube-apiserver prints them. */
#pragma once

#include "deploy/lab/apiserver/table.h"

/* X(kind): the list is `kind_columns`. */
#define COLUMN_LISTS(X)                                                                            \
	X(pod)                                                                                     \
	X(service)                                                                                 \
	X(deployment)                                                                              \
	X(replicaset)                                                                              \
	X(daemonset)                                                                               \
	X(statefulset)                                                                             \
	X(job)                                                                                     \
	X(namespace)                                                                               \
	X(node)                                                                                    \
	X(configmap)                                                                               \
	X(secret)                                                                                  \
	X(serviceaccount)                                                                          \
	X(event)                                                                                   \
	X(endpoints)                                                                               \
	X(endpointslice)                                                                           \
	X(pdb)                                                                                     \
	X(netpol)                                                                                  \
	X(ingress)                                                                                 \
	X(lease)                                                                                   \
	X(webhook)                                                                                 \
	X(crd)                                                                                     \
	X(role)                                                                                    \
	X(binding)

#define COLUMN_DECLARE(list) extern const struct column_list list##_columns;
COLUMN_LISTS(COLUMN_DECLARE)
#undef COLUMN_DECLARE

/* columns_pod.c: the words kubectl shows for a pod's state. */
struct doc *cell_pod_ready(const struct cell *c);
struct doc *cell_pod_status(const struct cell *c);
struct doc *cell_pod_restarts(const struct cell *c);
