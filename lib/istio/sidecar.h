/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/istio/sidecar.h - one sidecar's Envoy configuration, rendered from the mesh's objects.
 *
 * For stock Envoy (1.40, no Istio extension), over file-based xDS: a bootstrap and one file per
 * subscription, each in a folder of its own because Envoy re-reads every subscription of a folder
 * in which a file is renamed. Names, listeners, filter chains, routes, clusters and authorization
 * rules are those of istiod; what only Istio's own Envoy has (peer metadata exchange, ALPN
 * override, SDS from the agent) is left out or replaced by files.
 *
 *   <dir>/bootstrap.json
 *   <dir>/lds/lds.json  <dir>/cds/cds.json  <dir>/rds/<port or host>/rds.json
 *   <dir>/eds/<cluster>/eds.json
 *
 * The caller writes the files atomically (write beside, fsync, rename): endpoints before clusters,
 * clusters before listeners, routes last; and removes what is no longer listed. Every subscription
 * takes one inotify instance of the proxy's user (see istio_sidecar_watches).
 *
 * Inside the pod: 15001 outbound and 15006 inbound (by the redirect rules), 15020 kubelet probes of
 * the application as injection rewrote them, 15021 /healthz/ready, 15090 /stats/prometheus, and the
 * admin interface on 127.0.0.1:15000.
 *
 * Ending: on SIGTERM the process that holds Envoy POSTs ISTIO_DRAIN_PATH to the admin interface,
 * waits until ISTIO_ACTIVE_STAT sums to 0 (or its limit), then ends Envoy. Envoy alone would cut
 * every connection.
 */
#pragma once

#include "lib/istio/mesh.h"

#define ISTIO_DRAIN_PATH "/drain_listeners?graceful&skip_exit"
#define ISTIO_READY_PATH "/ready"
/* /stats?filter=...: connections that came in from other pods and out of this one. */
#define ISTIO_ACTIVE_STAT "^listener\\.0\\.0\\.0\\.0_1500[16]\\.downstream_cx_active$"

struct istio_sidecar_options {
	const char *dir;       /* where the files will lie, as Envoy sees the path */
	const char *cert_file; /* PEM chain of this workload, as Envoy sees the path */
	const char *key_file;
	const char *root_file;  /* PEM roots of the mesh */
	const char *version;    /* version_info of this rendering; "" is fine */
	const char *access_log; /* file, "" = none */
};

struct istio_sidecar_file {
	const char *path; /* relative to options.dir */
	struct doc *doc;
};
/* In the order in which they are to be published. */
struct istio_sidecar_files {
	struct istio_sidecar_file *items;
	size_t n, cap;
};

/*
 * For a pod of the mesh that has (or will have) a sidecar. -EINVAL when the pod has no address.
 * Deterministic: the same objects give the same documents.
 */
int istio_sidecar_render(struct arena *a, const struct istio_mesh *m,
			 const struct istio_workload *pod, const struct istio_sidecar_options *o,
			 struct istio_sidecar_files *ret, struct error *err);
/* Only what changes at run time: no bootstrap. The bootstrap alone: */
struct doc *istio_sidecar_bootstrap(struct arena *a, const struct istio_workload *pod,
				    const struct istio_sidecar_options *o);
/* How many inotify instances Envoy takes for these files. */
size_t istio_sidecar_watches(const struct istio_sidecar_files *f);

/* The parts, for tests and checks: lists of Listener, RouteConfiguration, Cluster and
 * ClusterLoadAssignment documents (the latter as {cluster_name, endpoints}). */
struct istio_sidecar_parts {
	struct doc *listeners, *routes, *clusters, *endpoints;
};
int istio_sidecar_parts(struct arena *a, const struct istio_mesh *m,
			const struct istio_workload *pod, const struct istio_sidecar_options *o,
			struct istio_sidecar_parts *ret, struct error *err);
