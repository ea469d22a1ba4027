/* SPDX-License-Identifier: Apache-2.0 */
/* lib/istio/sidecar_internal.h - what the files of the renderer share; sidecar.h is the interface.
 */
#pragma once

#include "lib/istio/sidecar.h"

#define ENVOY_TYPE      "type.googleapis.com/envoy."
#define ENVOY_EXTENSION ENVOY_TYPE "extensions."

struct sidecar {
	struct arena *arena;
	const struct istio_mesh *mesh;
	const struct istio_workload *pod;
	const struct istio_sidecar_options *options;
	struct istio_sidecar_parts parts;
};

/* Our own YAML text as a document; a template that cannot be read is a fault of the build. */
struct doc *sidecar_yaml(struct arena *a, const char *yaml);
/* {"path_config_source": ...} of the file <dir>/<folder>/<name>.json. */
struct doc *sidecar_path_source(struct sidecar *s, const char *folder, const char *name);
/* A name as a folder: what a file system or Envoy would stumble over becomes '_'. */
const char *sidecar_folder(struct arena *a, const char *name);

/* --- transport sockets (sidecar_tls.c) --- */
struct doc *sidecar_downstream_tls(struct sidecar *s);
/* sans: exact URIs of the peer, may be empty. h2: the upstream speaks HTTP/2. */
struct doc *sidecar_upstream_tls(struct sidecar *s, const char *sni, const struct strings *sans,
				 bool h2);
/* SIMPLE or MUTUAL of a DestinationRule. */
struct doc *sidecar_origination_tls(struct sidecar *s, const struct istio_client_tls *tls,
				    const char *host);
struct doc *sidecar_raw_buffer(struct arena *a);

/* --- filters --- */
/* Appends the RBAC filters of the workload's policies (sidecar_rbac.c). */
void sidecar_add_rbac(struct sidecar *s, struct doc *filters, bool http);
struct doc *sidecar_tcp_proxy(struct sidecar *s, const char *stat_prefix, const char *cluster);
/* An HTTP connection manager; routes: RouteConfiguration, or NULL with rds_name. */
struct doc *sidecar_http(struct sidecar *s, const char *stat_prefix, struct doc *routes,
			 const char *rds_name, bool inbound);

/* --- parts --- */
void sidecar_inbound(struct sidecar *s);
void sidecar_outbound(struct sidecar *s);
/* "outbound|PORT|SUBSET|HOST", its cluster and endpoints; made once per name. */
const char *sidecar_cluster_name(struct arena *a, uint16_t port, const char *subset,
				 const char *host);
void sidecar_service_cluster(struct sidecar *s, const struct service *service,
			     const struct service_port *port, const char *host, const char *subset);
/* The fixed clusters: black hole, pass-through. */
void sidecar_fixed_clusters(struct sidecar *s);
/* Routes of one Service port as a list, from the VirtualService of its host or the default. */
struct doc *sidecar_routes(struct sidecar *s, const struct service_port *port, const char *host);
struct doc *sidecar_default_route(struct sidecar *s, const char *cluster);
const char *sidecar_namespace_of(const struct object_meta *meta);
