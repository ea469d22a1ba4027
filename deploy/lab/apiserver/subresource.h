/* SPDX-License-Identifier: Apache-2.0 */
/* subresource.h - what stands behind an object's name: scale, binding, eviction, log, finalize. */
#pragma once

#include "deploy/lab/apiserver/request.h"

/*
 * Serves r->target.subresource of r->res with the request's method, or refuses it: 404 when the
 * resource has no such thing, 501 when Kubernetes has it and this server does not.
 */
void subresource_serve(struct request *r);

/* eviction.c, podlog.c */
void eviction_create(struct request *r);
void podlog_get(struct request *r);
