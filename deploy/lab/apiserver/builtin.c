/* SPDX-License-Identifier: Apache-2.0 */
/* The built-in resources: one row each. Custom ones come from CRDs (crd.c). */
#include "deploy/lab/apiserver/check.h"
#include "deploy/lab/apiserver/columns.h"
#include "deploy/lab/apiserver/defaults.h"
#include "deploy/lab/apiserver/prepare.h"
#include "deploy/lab/apiserver/resource.h"

#define WORKLOAD       (RES_NAMESPACED | RES_STATUS | RES_GENERATION)
#define COLS(x)        .columns = &x##_columns
#define NAMES(k, p, s) .kind = (k), .plural = (p), .singular = (s)
#define CORE           .group = "", .version = "v1"
#define IN(g, v)       .group = (g), .version = (v)

/* clang-format off */
const struct resource builtin_resources[] = {
	{CORE, NAMES("Namespace", "namespaces", "namespace"), .short_names = {"ns"},
	 .flags = RES_STATUS | RES_LABEL_NAME, .defaults = namespace_defaults,
	 .prepare = namespace_prepare, .fields = {"status.phase"}, COLS(namespace)},
	{CORE, NAMES("Node", "nodes", "node"), .short_names = {"no"},
	 .flags = RES_STATUS | RES_STATUS_ON_CREATE, .fields = {"spec.unschedulable"}, COLS(node)},
	{CORE, NAMES("Pod", "pods", "pod"), .short_names = {"po"}, .category_all = true,
	 .flags = RES_NAMESPACED | RES_STATUS | RES_GRACEFUL | RES_GENERATION,
	 .defaults = pod_defaults, .check = pod_check, .prepare = pod_prepare,
	 .fields = {"spec.nodeName", "spec.restartPolicy", "spec.schedulerName",
		    "spec.serviceAccountName", "status.phase", "status.podIP"}, COLS(pod)},
	{CORE, NAMES("Service", "services", "service"), .short_names = {"svc"}, .category_all = true,
	 .flags = RES_NAMESPACED | RES_STATUS | RES_1035_NAME, .defaults = service_defaults,
	 .check = service_check, .prepare = service_prepare,
	 .fields = {"spec.clusterIP", "spec.type"}, COLS(service)},
	{CORE, NAMES("Endpoints", "endpoints", "endpoints"), .short_names = {"ep"},
	 .flags = RES_NAMESPACED, .defaults = endpoints_defaults, COLS(endpoints)},
	{CORE, NAMES("ConfigMap", "configmaps", "configmap"), .short_names = {"cm"},
	 .flags = RES_NAMESPACED, .check = configmap_check, COLS(configmap)},
	{CORE, NAMES("Secret", "secrets", "secret"), .flags = RES_NAMESPACED,
	 .defaults = secret_defaults, .check = secret_check, .fields = {"type"}, COLS(secret)},
	{CORE, NAMES("ServiceAccount", "serviceaccounts", "serviceaccount"), .short_names = {"sa"},
	 .flags = RES_NAMESPACED, COLS(serviceaccount)},
	{CORE, NAMES("Event", "events", "event"), .short_names = {"ev"}, .flags = RES_NAMESPACED,
	 .fields = {"involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
		    "involvedObject.uid", "involvedObject.fieldPath", "reason", "type"}, COLS(event)},
	{CORE, NAMES("ReplicationController", "replicationcontrollers", "replicationcontroller"),
	 .short_names = {"rc"}, .category_all = true, .flags = WORKLOAD | RES_SCALE, COLS(replicaset)},

	{IN("apps", "v1"), NAMES("Deployment", "deployments", "deployment"), .short_names = {"deploy"},
	 .category_all = true, .flags = WORKLOAD | RES_SCALE, .defaults = deployment_defaults,
	 .check = deployment_check, COLS(deployment)},
	{IN("apps", "v1"), NAMES("ReplicaSet", "replicasets", "replicaset"), .short_names = {"rs"},
	 .category_all = true, .flags = WORKLOAD | RES_SCALE, .defaults = replicaset_defaults,
	 .check = replicaset_check, .fields = {"status.replicas"}, COLS(replicaset)},
	{IN("apps", "v1"), NAMES("DaemonSet", "daemonsets", "daemonset"), .short_names = {"ds"},
	 .category_all = true, .flags = WORKLOAD, .defaults = daemonset_defaults,
	 .check = daemonset_check, COLS(daemonset)},
	{IN("apps", "v1"), NAMES("StatefulSet", "statefulsets", "statefulset"), .short_names = {"sts"},
	 .category_all = true, .flags = WORKLOAD | RES_SCALE, .defaults = statefulset_defaults,
	 .check = statefulset_check, COLS(statefulset)},
	{IN("apps", "v1"), NAMES("ControllerRevision", "controllerrevisions", "controllerrevision"),
	 .flags = RES_NAMESPACED},

	{IN("batch", "v1"), NAMES("Job", "jobs", "job"), .category_all = true, .flags = WORKLOAD,
	 .defaults = job_defaults, COLS(job)},
	{IN("batch", "v1"), NAMES("CronJob", "cronjobs", "cronjob"), .short_names = {"cj"},
	 .category_all = true, .flags = WORKLOAD, .defaults = cronjob_defaults},
	{IN("autoscaling", "v2"),
	 NAMES("HorizontalPodAutoscaler", "horizontalpodautoscalers", "horizontalpodautoscaler"),
	 .short_names = {"hpa"}, .category_all = true, .flags = RES_NAMESPACED | RES_STATUS},

	{IN("policy", "v1"), NAMES("PodDisruptionBudget", "poddisruptionbudgets", "poddisruptionbudget"),
	 .short_names = {"pdb"}, .flags = WORKLOAD, .check = pdb_check, COLS(pdb)},
	{IN("discovery.k8s.io", "v1"), NAMES("EndpointSlice", "endpointslices", "endpointslice"),
	 .flags = RES_NAMESPACED | RES_GENERATION, .defaults = endpointslice_defaults,
	 .check = endpointslice_check, COLS(endpointslice)},
	{IN("networking.k8s.io", "v1"), NAMES("NetworkPolicy", "networkpolicies", "networkpolicy"),
	 .short_names = {"netpol"}, .flags = RES_NAMESPACED | RES_GENERATION,
	 .defaults = netpol_defaults, .check = netpol_check, COLS(netpol)},
	{IN("networking.k8s.io", "v1"), NAMES("Ingress", "ingresses", "ingress"), .short_names = {"ing"},
	 .flags = WORKLOAD, COLS(ingress)},
	{IN("networking.k8s.io", "v1"), NAMES("IngressClass", "ingressclasses", "ingressclass"),
	 .flags = RES_GENERATION},
	{IN("coordination.k8s.io", "v1"), NAMES("Lease", "leases", "lease"),
	 .flags = RES_NAMESPACED | RES_NEEDS_VERSION, COLS(lease)},
	{IN("scheduling.k8s.io", "v1"), NAMES("PriorityClass", "priorityclasses", "priorityclass"),
	 .short_names = {"pc"}},

	{IN("admissionregistration.k8s.io", "v1"),
	 NAMES("MutatingWebhookConfiguration", "mutatingwebhookconfigurations",
	       "mutatingwebhookconfiguration"),
	 .flags = RES_GENERATION, .defaults = webhooks_defaults, .check = webhooks_check, COLS(webhook)},
	{IN("admissionregistration.k8s.io", "v1"),
	 NAMES("ValidatingWebhookConfiguration", "validatingwebhookconfigurations",
	       "validatingwebhookconfiguration"),
	 .flags = RES_GENERATION, .defaults = webhooks_defaults, .check = webhooks_check, COLS(webhook)},
	{IN("apiextensions.k8s.io", "v1"),
	 NAMES("CustomResourceDefinition", "customresourcedefinitions", "customresourcedefinition"),
	 .short_names = {"crd", "crds"}, .flags = RES_STATUS | RES_GENERATION, .defaults = crd_defaults,
	 .check = crd_check, .prepare = crd_prepare, COLS(crd)},

	{IN("rbac.authorization.k8s.io", "v1"), NAMES("Role", "roles", "role"),
	 .flags = RES_NAMESPACED | RES_PATH_NAME, COLS(role)},
	{IN("rbac.authorization.k8s.io", "v1"), NAMES("RoleBinding", "rolebindings", "rolebinding"),
	 .flags = RES_NAMESPACED | RES_PATH_NAME, .defaults = rolebinding_defaults,
	 .check = rolebinding_check, COLS(binding)},
	{IN("rbac.authorization.k8s.io", "v1"), NAMES("ClusterRole", "clusterroles", "clusterrole"),
	 .flags = RES_PATH_NAME, COLS(role)},
	{IN("rbac.authorization.k8s.io", "v1"),
	 NAMES("ClusterRoleBinding", "clusterrolebindings", "clusterrolebinding"),
	 .flags = RES_PATH_NAME, .defaults = rolebinding_defaults, .check = rolebinding_check,
	 COLS(binding)},

	{IN("authorization.k8s.io", "v1"),
	 NAMES("SelfSubjectAccessReview", "selfsubjectaccessreviews", "selfsubjectaccessreview"),
	 .flags = RES_VIRTUAL},
	{IN("authorization.k8s.io", "v1"),
	 NAMES("SubjectAccessReview", "subjectaccessreviews", "subjectaccessreview"),
	 .flags = RES_VIRTUAL},
	{IN("authorization.k8s.io", "v1"),
	 NAMES("LocalSubjectAccessReview", "localsubjectaccessreviews", "localsubjectaccessreview"),
	 .flags = RES_VIRTUAL | RES_NAMESPACED},
	{IN("authorization.k8s.io", "v1"),
	 NAMES("SelfSubjectRulesReview", "selfsubjectrulesreviews", "selfsubjectrulesreview"),
	 .flags = RES_VIRTUAL},
	{IN("authentication.k8s.io", "v1"),
	 NAMES("SelfSubjectReview", "selfsubjectreviews", "selfsubjectreview"), .flags = RES_VIRTUAL},
};
/* clang-format on */
const size_t builtin_resources_n = ARRAY_SIZE(builtin_resources);
