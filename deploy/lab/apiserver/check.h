/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.h - what a write may not say: the part of Kubernetes' validation whose absence a client
 * would notice. Findings are collected; old is the stored object, or NULL at creation.
 */
#pragma once

#include "deploy/lab/apiserver/resource.h"

/* Metadata of any object. */
void check_metadata(struct causes *c, const struct resource *res, const struct doc *object,
		    const struct doc *old);

/* X(kind): void kind_check(struct causes *, const struct doc *object, const struct doc *old). */
#define CHECKED_KINDS(X)                                                                           \
	X(pod)                                                                                     \
	X(service)                                                                                 \
	X(deployment)                                                                              \
	X(replicaset)                                                                              \
	X(daemonset)                                                                               \
	X(statefulset)                                                                             \
	X(configmap)                                                                               \
	X(secret)                                                                                  \
	X(pdb)                                                                                     \
	X(netpol)                                                                                  \
	X(endpointslice)                                                                           \
	X(webhooks)                                                                                \
	X(crd)                                                                                     \
	X(rolebinding)

#define CHECK_DECLARE(kind)                                                                        \
	void kind##_check(struct causes *c, const struct doc *object, const struct doc *old);
CHECKED_KINDS(CHECK_DECLARE)
#undef CHECK_DECLARE
