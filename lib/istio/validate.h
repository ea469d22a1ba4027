/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/istio/validate.h - what Istio's API refuses, of the two kinds that decide who may connect.
 *
 * No cluster holds such an object, but a file may; nobody can say what it would mean. Only what
 * decoding does not refuse already (types, names of modes).
 */
#pragma once

#include "lib/base/vec.h"
#include "lib/istio/objects.h"

struct istio_refusal {
	const char *path, *why; /* "spec.rules[0].from[0].source" */
};
struct istio_refusals {
	struct arena *arena;
	VEC(struct istio_refusal) list; /* of the arena's texts; released by the caller */
};
void istio_validate_authorization_policy(struct istio_refusals *r,
					 const struct istio_authorization_policy *p);
void istio_validate_peer_authentication(struct istio_refusals *r,
					const struct istio_peer_authentication *p);
