/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/istio/mesh_config.h - the part of MeshConfig that decides what L4 means.
 *
 * The installed ConfigMap (istio-system/istio, key "mesh") is an input of every rule; without it
 * Istio's own defaults hold and the report says that they were assumed.
 */
#pragma once

#include <stdbool.h>

#include "lib/doc/bind.h"

#define ISTIO_OUTBOUND_POLICIES(X)                                                                 \
	X(OUTBOUND_ALLOW_ANY, "ALLOW_ANY")                                                         \
	X(OUTBOUND_REGISTRY_ONLY, "REGISTRY_ONLY")
enum istio_outbound_policy {
#define ISTIO_OUTBOUND_ENUM(symbol, name) symbol,
	ISTIO_OUTBOUND_POLICIES(ISTIO_OUTBOUND_ENUM)
#undef ISTIO_OUTBOUND_ENUM
};

struct istio_mesh_config {
	const char *root_namespace; /* "istio-system" */
	const char *trust_domain;   /* "cluster.local" */
	struct strings trust_domain_aliases;
	const char *domain_suffix; /* "cluster.local": of Services, not of identities */
	struct opt_bool auto_mtls; /* enableAutoMtls; absent = on */
	int outbound_policy;       /* enum istio_outbound_policy */
	bool given;                /* false: all defaults, nothing was read */
	const struct doc *doc;     /* as read, or NULL */
};

void istio_mesh_config_defaults(struct istio_mesh_config *mc);
/* From the MeshConfig document itself. Unknown fields are fine. -EINVAL with the place. */
int istio_mesh_config_decode(struct arena *a, const struct doc *doc, struct istio_mesh_config *ret,
			     struct error *err);
static inline bool istio_mesh_config_auto_mtls(const struct istio_mesh_config *mc)
{
	return !mc->auto_mtls.set || mc->auto_mtls.value;
}
