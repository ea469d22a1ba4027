/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of what kubectl builds itself, by their numbers in Kubernetes' generated.proto. */
#include "deploy/lab/apiserver/protobuf.h"

#include "lib/base/str.h"

/* clang-format off */
#define STRING(number, name)            {number, name, PROTOBUF_STRING, NULL, false, false}
#define STRING_LIST(number, name)       {number, name, PROTOBUF_STRING, NULL, true, false}
#define INT(number, name)               {number, name, PROTOBUF_INT, NULL, false, false}
#define INT_POINTER(number, name)       {number, name, PROTOBUF_INT, NULL, false, true}
#define BOOL(number, name)              {number, name, PROTOBUF_BOOL, NULL, false, false}
#define BOOL_POINTER(number, name)      {number, name, PROTOBUF_BOOL, NULL, false, true}
#define TIME(number, name)              {number, name, PROTOBUF_TIME, NULL, false, false}
#define INT_OR_STRING(number, name)     {number, name, PROTOBUF_INT_OR_STRING, NULL, false, true}
#define STRINGS(number, name)           {number, name, PROTOBUF_STRINGS, NULL, false, false}
#define BLOBS(number, name)             {number, name, PROTOBUF_BLOBS, NULL, false, false}
#define MESSAGE(number, name, m)        {number, name, PROTOBUF_MESSAGE, &m, false, false}
#define MESSAGE_POINTER(number, name, m) {number, name, PROTOBUF_MESSAGE, &m, false, true}
#define MESSAGE_LIST(number, name, m)   {number, name, PROTOBUF_MESSAGE, &m, true, false}
#define DEFINE(message, ...)                                                                       \
	static const struct protobuf_field message##_fields[] = {__VA_ARGS__};                     \
	static const struct protobuf_message message = {#message, message##_fields,                \
							ARRAY_SIZE(message##_fields)}

/* Parts. */
DEFINE(owner_reference, STRING(1, "kind"), STRING(3, "name"), STRING(4, "uid"), STRING(5, "apiVersion"),
       BOOL_POINTER(6, "controller"), BOOL_POINTER(7, "blockOwnerDeletion"));
DEFINE(object_meta, STRING(1, "name"), STRING(2, "generateName"), STRING(3, "namespace"), STRING(4, "selfLink"),
       STRING(5, "uid"), STRING(6, "resourceVersion"), INT(7, "generation"), TIME(8, "creationTimestamp"),
       TIME(9, "deletionTimestamp"), INT_POINTER(10, "deletionGracePeriodSeconds"), STRINGS(11, "labels"),
       STRINGS(12, "annotations"), MESSAGE_LIST(13, "ownerReferences", owner_reference),
       STRING_LIST(14, "finalizers"));
DEFINE(requirement, STRING(1, "key"), STRING(2, "operator"), STRING_LIST(3, "values"));
DEFINE(label_selector, STRINGS(1, "matchLabels"), MESSAGE_LIST(2, "matchExpressions", requirement));
DEFINE(object_reference, STRING(1, "kind"), STRING(2, "namespace"), STRING(3, "name"), STRING(4, "uid"),
       STRING(5, "apiVersion"), STRING(6, "resourceVersion"), STRING(7, "fieldPath"));
DEFINE(local_reference, STRING(1, "name"));
DEFINE(namespace_status, STRING(1, "phase"));
DEFINE(empty, STRING(0, "")); /* no field has number 0: nothing may be set */

/* Pods, as far as `create deployment` fills them in. */
DEFINE(container_port, STRING(1, "name"), INT(2, "hostPort"), INT(3, "containerPort"), STRING(4, "protocol"),
       STRING(5, "hostIP"));
DEFINE(env_var, STRING(1, "name"), STRING(2, "value"));
DEFINE(container, STRING(1, "name"), STRING(2, "image"), STRING_LIST(3, "command"), STRING_LIST(4, "args"),
       STRING(5, "workingDir"), MESSAGE_LIST(6, "ports", container_port), MESSAGE_LIST(7, "env", env_var),
       MESSAGE(8, "resources", empty), STRING(13, "terminationMessagePath"), STRING(14, "imagePullPolicy"),
       BOOL(16, "stdin"), BOOL(17, "stdinOnce"), BOOL(18, "tty"), STRING(20, "terminationMessagePolicy"));
DEFINE(pod_spec, MESSAGE_LIST(2, "containers", container), STRING(3, "restartPolicy"),
       INT_POINTER(4, "terminationGracePeriodSeconds"), INT_POINTER(5, "activeDeadlineSeconds"),
       STRING(6, "dnsPolicy"), STRINGS(7, "nodeSelector"), STRING(8, "serviceAccountName"),
       STRING(9, "serviceAccount"), STRING(10, "nodeName"), BOOL(11, "hostNetwork"), BOOL(12, "hostPID"),
       BOOL(13, "hostIPC"), STRING(16, "hostname"), STRING(17, "subdomain"), STRING(19, "schedulerName"),
       STRING(24, "priorityClassName"));
DEFINE(pod_template, MESSAGE(1, "metadata", object_meta), MESSAGE(2, "spec", pod_spec));

/* Kinds. */
DEFINE(namespace_spec, STRING_LIST(1, "finalizers"));
DEFINE(namespace_, MESSAGE(1, "metadata", object_meta), MESSAGE(2, "spec", namespace_spec),
       MESSAGE(3, "status", namespace_status));
DEFINE(config_map, MESSAGE(1, "metadata", object_meta), STRINGS(2, "data"), BLOBS(3, "binaryData"),
       BOOL_POINTER(4, "immutable"));
DEFINE(secret, MESSAGE(1, "metadata", object_meta), BLOBS(2, "data"), STRING(3, "type"), STRINGS(4, "stringData"),
       BOOL_POINTER(5, "immutable"));
DEFINE(service_account, MESSAGE(1, "metadata", object_meta), MESSAGE_LIST(2, "secrets", object_reference),
       MESSAGE_LIST(3, "imagePullSecrets", local_reference), BOOL_POINTER(4, "automountServiceAccountToken"));
DEFINE(service_port, STRING(1, "name"), STRING(2, "protocol"), INT(3, "port"), INT_OR_STRING(4, "targetPort"),
       INT(5, "nodePort"), STRING(6, "appProtocol"));
DEFINE(service_spec, MESSAGE_LIST(1, "ports", service_port), STRINGS(2, "selector"), STRING(3, "clusterIP"),
       STRING(4, "type"), STRING_LIST(5, "externalIPs"), STRING(7, "sessionAffinity"),
       STRING(8, "loadBalancerIP"), STRING(10, "externalName"), STRING(11, "externalTrafficPolicy"),
       INT(12, "healthCheckNodePort"), BOOL(13, "publishNotReadyAddresses"), STRING_LIST(18, "clusterIPs"));
DEFINE(service_status, MESSAGE(1, "loadBalancer", empty));
DEFINE(service, MESSAGE(1, "metadata", object_meta), MESSAGE(2, "spec", service_spec),
       MESSAGE(3, "status", service_status));
DEFINE(rolling_update, INT_OR_STRING(1, "maxUnavailable"), INT_OR_STRING(2, "maxSurge"));
DEFINE(strategy, STRING(1, "type"), MESSAGE_POINTER(2, "rollingUpdate", rolling_update));
DEFINE(deployment_spec, INT_POINTER(1, "replicas"), MESSAGE_POINTER(2, "selector", label_selector),
       MESSAGE(3, "template", pod_template), MESSAGE(4, "strategy", strategy), INT(5, "minReadySeconds"),
       INT_POINTER(6, "revisionHistoryLimit"), BOOL(7, "paused"), INT_POINTER(9, "progressDeadlineSeconds"));
DEFINE(deployment_status, INT(1, "observedGeneration"), INT(2, "replicas"), INT(3, "updatedReplicas"),
       INT(4, "availableReplicas"), INT(5, "unavailableReplicas"), INT(7, "readyReplicas"));
DEFINE(deployment, MESSAGE(1, "metadata", object_meta), MESSAGE(2, "spec", deployment_spec),
       MESSAGE(3, "status", deployment_status));
DEFINE(budget_spec, INT_OR_STRING(1, "minAvailable"), MESSAGE_POINTER(2, "selector", label_selector),
       INT_OR_STRING(3, "maxUnavailable"));
DEFINE(budget_status, INT(1, "observedGeneration"), INT(3, "disruptionsAllowed"), INT(4, "currentHealthy"),
       INT(5, "desiredHealthy"), INT(6, "expectedPods"));
DEFINE(budget, MESSAGE(1, "metadata", object_meta), MESSAGE(2, "spec", budget_spec),
       MESSAGE(3, "status", budget_status));
DEFINE(preconditions, STRING(1, "uid"), STRING(2, "resourceVersion"));
DEFINE(delete_options, INT_POINTER(1, "gracePeriodSeconds"), MESSAGE(2, "preconditions", preconditions),
       BOOL_POINTER(3, "orphanDependents"), STRING(4, "propagationPolicy"), STRING_LIST(5, "dryRun"));
DEFINE(eviction, MESSAGE(1, "metadata", object_meta), MESSAGE(2, "deleteOptions", delete_options));
DEFINE(resource_attributes, STRING(1, "namespace"), STRING(2, "verb"), STRING(3, "group"), STRING(4, "version"),
       STRING(5, "resource"), STRING(6, "subresource"), STRING(7, "name"));
DEFINE(other_attributes, STRING(1, "path"), STRING(2, "verb"));
DEFINE(self_review_spec, MESSAGE(1, "resourceAttributes", resource_attributes),
       MESSAGE(2, "nonResourceAttributes", other_attributes));
DEFINE(review_status, BOOL(1, "allowed"), STRING(2, "reason"), STRING(3, "evaluationError"), BOOL(4, "denied"));
DEFINE(self_review, MESSAGE(1, "metadata", object_meta), MESSAGE(2, "spec", self_review_spec),
       MESSAGE(3, "status", review_status));

static const struct {
	const char *api_version, *kind;
	const struct protobuf_message *message;
} kinds[] = {
	{"v1", "Namespace", &namespace_},
	{"v1", "ConfigMap", &config_map},
	{"v1", "Secret", &secret},
	{"v1", "ServiceAccount", &service_account},
	{"v1", "Service", &service},
	{"apps/v1", "Deployment", &deployment},
	{"policy/v1", "PodDisruptionBudget", &budget},
	{"policy/v1", "Eviction", &eviction},
	{"v1", "DeleteOptions", &delete_options},
	{"meta.k8s.io/v1", "DeleteOptions", &delete_options},
	{"authorization.k8s.io/v1", "SelfSubjectAccessReview", &self_review},
};
/* clang-format on */

const struct protobuf_message *protobuf_kind(const char *api_version, const char *kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (str_eq(kinds[i].api_version, api_version) && str_eq(kinds[i].kind, kind))
			return kinds[i].message;
	return NULL;
}
