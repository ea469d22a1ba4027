/* SPDX-License-Identifier: Apache-2.0 */
/*
 * defaults.h - what Kubernetes fills in when a manifest leaves it out, for the kinds where a client
 * or kubectl looks at it.
 */
#pragma once

#include "lib/doc/doc.h"

/* X(kind): void kind_defaults(struct arena *, struct doc *object). */
#define DEFAULTED_KINDS(X)                                                                         \
	X(pod)                                                                                     \
	X(service)                                                                                 \
	X(deployment)                                                                              \
	X(replicaset)                                                                              \
	X(daemonset)                                                                               \
	X(statefulset)                                                                             \
	X(job)                                                                                     \
	X(cronjob)                                                                                 \
	X(endpoints)                                                                               \
	X(endpointslice)                                                                           \
	X(netpol)                                                                                  \
	X(webhooks)                                                                                \
	X(crd)                                                                                     \
	X(namespace)                                                                               \
	X(secret)                                                                                  \
	X(rolebinding)

#define DEFAULTS_DECLARE(kind) void kind##_defaults(struct arena *a, struct doc *object);
DEFAULTED_KINDS(DEFAULTS_DECLARE)
#undef DEFAULTS_DECLARE
