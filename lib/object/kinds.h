/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/object/kinds.h - every kind of Kubernetes object we speak about: group, version, plural,
 * scope.
 *
 * One row per kind; the enum, the API client's paths and the lab's API server come from it. A kind
 * that is not here (a user's own resource) is described by a `struct object_kind` of its own, e.g.
 * from the server's discovery: nothing below this header asks whether a descriptor is one of ours.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"

struct object_kind {
	const char *group;   /* "" for core */
	const char *version; /* "v1" */
	const char *kind;    /* "Deployment" */
	const char *plural;  /* "deployments": the resource in a path */
	bool namespaced;
};

/* X(NAME, group, version, kind, plural, namespaced) */
/* clang-format off */
#define OBJECT_KINDS(X)                                                                            \
	X(NAMESPACE, "", "v1", "Namespace", "namespaces", false)                                   \
	X(NODE, "", "v1", "Node", "nodes", false)                                                  \
	X(POD, "", "v1", "Pod", "pods", true)                                                      \
	X(SERVICE, "", "v1", "Service", "services", true)                                          \
	X(ENDPOINTS, "", "v1", "Endpoints", "endpoints", true)                                     \
	X(SERVICE_ACCOUNT, "", "v1", "ServiceAccount", "serviceaccounts", true)                    \
	X(CONFIG_MAP, "", "v1", "ConfigMap", "configmaps", true)                                   \
	X(SECRET, "", "v1", "Secret", "secrets", true)                                             \
	X(EVENT, "", "v1", "Event", "events", true)                                                \
	X(DEPLOYMENT, "apps", "v1", "Deployment", "deployments", true)                             \
	X(REPLICA_SET, "apps", "v1", "ReplicaSet", "replicasets", true)                            \
	X(STATEFUL_SET, "apps", "v1", "StatefulSet", "statefulsets", true)                         \
	X(DAEMON_SET, "apps", "v1", "DaemonSet", "daemonsets", true)                               \
	X(CONTROLLER_REVISION, "apps", "v1", "ControllerRevision", "controllerrevisions", true)    \
	X(JOB, "batch", "v1", "Job", "jobs", true)                                                 \
	X(CRON_JOB, "batch", "v1", "CronJob", "cronjobs", true)                                    \
	X(POD_DISRUPTION_BUDGET, "policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets",    \
	  true)                                                                                    \
	X(ENDPOINT_SLICE, "discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", true)       \
	X(NETWORK_POLICY, "networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", true)     \
	X(INGRESS, "networking.k8s.io", "v1", "Ingress", "ingresses", true)                        \
	X(HORIZONTAL_POD_AUTOSCALER, "autoscaling", "v2", "HorizontalPodAutoscaler",               \
	  "horizontalpodautoscalers", true)                                                        \
	X(LEASE, "coordination.k8s.io", "v1", "Lease", "leases", true)                             \
	X(MUTATING_WEBHOOK, "admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration",  \
	  "mutatingwebhookconfigurations", false)                                                  \
	X(VALIDATING_WEBHOOK, "admissionregistration.k8s.io", "v1",                                \
	  "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", false)              \
	X(CUSTOM_RESOURCE_DEFINITION, "apiextensions.k8s.io", "v1", "CustomResourceDefinition",    \
	  "customresourcedefinitions", false)                                                      \
	X(ROLE, "rbac.authorization.k8s.io", "v1", "Role", "roles", true)                          \
	X(ROLE_BINDING, "rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", true)    \
	X(CLUSTER_ROLE, "rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", false)   \
	X(CLUSTER_ROLE_BINDING, "rbac.authorization.k8s.io", "v1", "ClusterRoleBinding",           \
	  "clusterrolebindings", false)                                                            \
	X(CILIUM_NETWORK_POLICY, "cilium.io", "v2", "CiliumNetworkPolicy",                         \
	  "ciliumnetworkpolicies", true)                                                           \
	X(CILIUM_CLUSTERWIDE_NETWORK_POLICY, "cilium.io", "v2", "CiliumClusterwideNetworkPolicy",  \
	  "ciliumclusterwidenetworkpolicies", false)                                               \
	X(CILIUM_IDENTITY, "cilium.io", "v2", "CiliumIdentity", "ciliumidentities", false)         \
	X(CILIUM_ENDPOINT, "cilium.io", "v2", "CiliumEndpoint", "ciliumendpoints", true)           \
	X(CILIUM_NODE, "cilium.io", "v2", "CiliumNode", "ciliumnodes", false)                      \
	X(CILIUM_ENVOY_CONFIG, "cilium.io", "v2", "CiliumEnvoyConfig", "ciliumenvoyconfigs", true) \
	X(CILIUM_CLUSTERWIDE_ENVOY_CONFIG, "cilium.io", "v2", "CiliumClusterwideEnvoyConfig",      \
	  "ciliumclusterwideenvoyconfigs", false)                                                  \
	X(VIRTUAL_SERVICE, "networking.istio.io", "v1", "VirtualService", "virtualservices", true) \
	X(DESTINATION_RULE, "networking.istio.io", "v1", "DestinationRule", "destinationrules",    \
	  true)                                                                                    \
	X(ISTIO_GATEWAY, "networking.istio.io", "v1", "Gateway", "gateways", true)                 \
	X(SERVICE_ENTRY, "networking.istio.io", "v1", "ServiceEntry", "serviceentries", true)      \
	X(SIDECAR, "networking.istio.io", "v1", "Sidecar", "sidecars", true)                       \
	X(WORKLOAD_ENTRY, "networking.istio.io", "v1", "WorkloadEntry", "workloadentries", true)   \
	X(WORKLOAD_GROUP, "networking.istio.io", "v1", "WorkloadGroup", "workloadgroups", true)    \
	X(ENVOY_FILTER, "networking.istio.io", "v1alpha3", "EnvoyFilter", "envoyfilters", true)    \
	X(PROXY_CONFIG, "networking.istio.io", "v1beta1", "ProxyConfig", "proxyconfigs", true)     \
	X(AUTHORIZATION_POLICY, "security.istio.io", "v1", "AuthorizationPolicy",                  \
	  "authorizationpolicies", true)                                                           \
	X(PEER_AUTHENTICATION, "security.istio.io", "v1", "PeerAuthentication",                    \
	  "peerauthentications", true)                                                             \
	X(REQUEST_AUTHENTICATION, "security.istio.io", "v1", "RequestAuthentication",              \
	  "requestauthentications", true)                                                          \
	X(TELEMETRY, "telemetry.istio.io", "v1", "Telemetry", "telemetries", true)                 \
	X(WASM_PLUGIN, "extensions.istio.io", "v1alpha1", "WasmPlugin", "wasmplugins", true)       \
	X(SIDESTEP_NODE, "sidestep.dev", "v1alpha1", "SidestepNode", "sidestepnodes", false)       \
	X(SIDESTEP_REQUEST, "sidestep.dev", "v1alpha1", "SidestepRequest", "sidesteprequests",     \
	  false)                                                                                   \
	X(SIDESTEP_RUN, "sidestep.dev", "v1alpha1", "SidestepRun", "sidestepruns", false)
/* clang-format on */

#define OBJECT_KIND_ENUM(name, ...) KIND_##name,
enum object_kind_id { OBJECT_KINDS(OBJECT_KIND_ENUM) OBJECT_KIND_COUNT };
#undef OBJECT_KIND_ENUM

extern const struct object_kind object_kinds[OBJECT_KIND_COUNT];

/* object_kind(KIND_POD) */
static inline const struct object_kind *object_kind(enum object_kind_id id)
{
	return &object_kinds[id];
}

/*
 * The row for an object's apiVersion ("apps/v1", "v1") and kind, or NULL. A group we know in a
 * version we do not (networking.istio.io/v1beta1) is found too: the group and kind decide.
 */
const struct object_kind *object_kind_find(const char *api_version, const char *kind);
/* By resource: group "" and plural "pods"; NULL when not in the table. */
const struct object_kind *object_kind_by_plural(const char *group, const char *plural);
/* The row's enum value; -1 for a descriptor that is not a row. */
int object_kind_id(const struct object_kind *kind);
/* "v1" or "apps/v1", in the arena. */
const char *object_kind_api_version(struct arena *a, const struct object_kind *kind);
