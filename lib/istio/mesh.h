/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/istio/mesh.h - a cluster as Istio sees it: configuration, workloads, services, objects.
 *
 * Built once from the documents of a snapshot (or of a list of files) and then only read; all
 * questions (mtls.h, authz.h, inject.h, sidecar.h) take a `const struct istio_mesh *`. An object
 * that cannot be read is not fatal: it is left out, and kept with its reason in `problems`, so that
 * a report can name it. Nothing here opens a file or a socket.
 */
#pragma once

#include "lib/istio/mesh_config.h"
#include "lib/istio/objects.h"
#include "lib/object/cluster.h"
#include "lib/object/pod.h"
#include "lib/object/service.h"
#include "lib/object/snapshot.h"
#include "lib/object/workload.h"

/* An object that could not be read, that Istio refuses, or a field that no table names. */
struct istio_problem {
	const struct doc *object;
	const char *path, *message; /* path "" = the whole object */
	bool refused;               /* by Istio's API, for what stands at path */
};

/* How a sidecar sits in a pod. */
enum istio_sidecar_form { SIDECAR_NONE, SIDECAR_CLASSIC, SIDECAR_NATIVE };
const char *istio_sidecar_form_name(enum istio_sidecar_form form);

/*
 * What Istio looks at of something that runs: a pod, or the template of what makes pods. Names,
 * labels and annotations are those of the pod.
 */
struct istio_workload {
	const char *kind, *name, *namespace; /* "Deployment", "StatefulSet", "Pod" ... */
	struct strmap labels, annotations;
	const char *service_account; /* never NULL */
	bool host_network;
	enum istio_sidecar_form form; /* as it stands in the pod or written into the template */
	const struct doc *spec;       /* the pod spec */
	const struct pod *pod;        /* of a Pod, else NULL */
	const struct workload *controller; /* of a template, else NULL */
};

/* What the injector itself is told (ConfigMap istio-sidecar-injector, key "config"). */
struct istio_injector {
	bool policy_disabled, by_default; /* enableNamespacesByDefault: a webhook named auto.* */
	const struct label_selector *never, *always;
	size_t n_never, n_always;
	const char **revisions; /* revisions and tags; none: not known, every one is assumed */
	size_t n_revisions;
};

struct istio_namespace {
	const char *name;
	struct strmap labels;
};

struct istio_mesh {
	struct arena *arena; /* borrowed */
	struct istio_mesh_config config;
	struct istio_injector injector;

	struct istio_namespace *namespaces;
	size_t n_namespaces;
	struct istio_workload *templates; /* Deployment, StatefulSet, DaemonSet ..., bare Pods */
	size_t n_templates;
	struct istio_workload *pods; /* every Pod that is not finished */
	size_t n_pods;
	struct service *services;
	size_t n_services;
	struct endpoint_slice *slices;
	size_t n_slices;
	const char **pod_cidrs; /* of the nodes */
	size_t n_pod_cidrs;
	const char **node_addresses;
	size_t n_node_addresses;

	/* Istio's objects, each list oldest first. */
	struct istio_peer_authentication *peer_authentications;
	size_t n_peer_authentications;
	struct istio_authorization_policy *authorization_policies;
	size_t n_authorization_policies;
	struct istio_destination_rule *destination_rules;
	size_t n_destination_rules;
	struct istio_virtual_service *virtual_services;
	size_t n_virtual_services;
	struct istio_other *others;
	size_t n_others;

	struct istio_problem *problems;
	size_t n_problems;
};

/*
 * Everything of s that Istio looks at, in a (the documents must live as long). The MeshConfig is
 * the key "mesh" of the ConfigMap "istio" (or "istio-<revision>", oldest) in istio-system. Never
 * fails: see problems.
 */
void istio_mesh_load(struct istio_mesh *m, struct arena *a, const struct snapshot *s);

/*
 * What could not be read of it leaves a question about ns open: something that runs anywhere (it
 * may call), Istio's configuration, or an object of ns or of the root namespace. Unknown fields are
 * not meant, except beside the spec of one of Istio's objects: an API server would drop those.
 */
bool istio_problem_concerns(const struct istio_mesh *m, const struct istio_problem *p,
			    const char *ns);
/* NULL when the namespace is not there. */
const struct istio_namespace *istio_mesh_namespace(const struct istio_mesh *m, const char *name);
const struct service *istio_mesh_service(const struct istio_mesh *m, const char *ns,
					 const char *name);
/* The pod with that address, or NULL. */
const struct istio_workload *istio_mesh_pod_by_ip(const struct istio_mesh *m, const char *ip);
const struct istio_workload *istio_mesh_pod(const struct istio_mesh *m, const char *ns,
					    const char *name);
/* A template by kind and name, or NULL. */
const struct istio_workload *istio_mesh_template(const struct istio_mesh *m, const char *ns,
						 const char *kind, const char *name);
/* The container named istio-proxy among containers or init containers of a pod spec. */
enum istio_sidecar_form istio_sidecar_form_of(const struct doc *pod_spec);
/* The Service selects these labels (a Service without selector selects nothing). */
bool istio_service_selects(const struct service *s, const char *ns, const struct strmap *labels);

/* How Istio reads a Service port: by appProtocol, else by the prefix of its name. */
enum istio_protocol {
	PROTO_UNKNOWN,
	PROTO_TCP,
	PROTO_TLS,
	PROTO_HTTP,
	PROTO_HTTP2,
	PROTO_GRPC,
	PROTO_UDP
};
enum istio_protocol istio_port_protocol(const struct service_port *p);
static inline bool istio_protocol_is_http(enum istio_protocol p)
{
	return p == PROTO_HTTP || p == PROTO_HTTP2 || p == PROTO_GRPC;
}
/* The application behind it is spoken to in HTTP/2. */
static inline bool istio_protocol_is_h2(enum istio_protocol p)
{
	return p == PROTO_HTTP2 || p == PROTO_GRPC;
}
/*
 * The number that a Service port has in a pod: targetPort, a name looked up among the containers'
 * ports. 0 when the pod has no such name.
 */
uint16_t istio_target_port(const struct service_port *p, const struct doc *pod_spec);
