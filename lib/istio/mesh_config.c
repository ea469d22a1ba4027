/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/istio/mesh_config.h"

#include <string.h>

#define NAME_ROW(symbol, name) [symbol] = (name),
static const char *const outbound_names[] = {ISTIO_OUTBOUND_POLICIES(NAME_ROW) NULL};
#undef NAME_ROW
/* Istio's zero value is REGISTRY_ONLY, its default ALLOW_ANY; a block without mode is rare. */

static const struct bind_field fields[] = {
	BIND(struct istio_mesh_config, root_namespace, "rootNamespace", BIND_STRING, 0),
	BIND(struct istio_mesh_config, trust_domain, "trustDomain", BIND_STRING, 0),
	BIND(struct istio_mesh_config, trust_domain_aliases, "trustDomainAliases", BIND_STRINGS, 0),
	BIND(struct istio_mesh_config, auto_mtls, "enableAutoMtls", BIND_OPT_BOOL, 0),
	BIND_NAMED(struct istio_mesh_config, outbound_policy, "outboundTrafficPolicy.mode", 0,
		   outbound_names),
};
static BIND_TABLE(config_table, struct istio_mesh_config, fields);

static void fill_defaults(struct istio_mesh_config *mc)
{
	if (!mc->root_namespace)
		mc->root_namespace = "istio-system";
	if (!mc->trust_domain)
		mc->trust_domain = "cluster.local";
	mc->domain_suffix = "cluster.local";
}

void istio_mesh_config_defaults(struct istio_mesh_config *mc)
{
	memset(mc, 0, sizeof(*mc));
	fill_defaults(mc);
}

int istio_mesh_config_decode(struct arena *a, const struct doc *doc, struct istio_mesh_config *ret,
			     struct error *err)
{
	struct bind_unknown ignored = {.arena = a};
	struct istio_mesh_config mc;
	int r = bind_decode(a, &config_table, doc, "", &mc, &ignored, err);

	if (r < 0)
		return r;
	fill_defaults(&mc);
	mc.given = true;
	mc.doc = doc;
	*ret = mc;
	return 0;
}
