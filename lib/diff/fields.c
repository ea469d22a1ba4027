/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of fields, and how scalars of each kind compare. Sources: k8s.io/api, apimachinery. */
#include "lib/diff/fields.h"

#include <string.h>

#include "lib/base/macros.h"
#include "lib/base/str.h"

#define ANY "*"

static const struct list_rule lists[] = {
	/* core/v1 PodSpec and what is in it: patchMergeKey, and listMapKey where it names more */
	{ANY, "containers", LIST_KEYED, true, {"name"}, {0}},
	{ANY, "initContainers", LIST_KEYED, true, {"name"}, {0}},
	{ANY, "ephemeralContainers", LIST_KEYED, true, {"name"}, {0}},
	{ANY, "containers.ports", LIST_KEYED, false, {"containerPort", "protocol"}, {0, "TCP"}},
	{ANY, "initContainers.ports", LIST_KEYED, false, {"containerPort", "protocol"}, {0, "TCP"}},
	{ANY, "env", LIST_KEYED, true, {"name"}, {0}}, /* $(VAR) sees earlier ones only */
	{ANY, "volumeMounts", LIST_KEYED, false, {"mountPath"}, {0}},
	{ANY, "volumeDevices", LIST_KEYED, false, {"devicePath"}, {0}},
	{ANY, "volumes", LIST_KEYED, false, {"name"}, {0}},
	{ANY, "imagePullSecrets", LIST_KEYED, false, {"name"}, {0}},
	{ANY, "hostAliases", LIST_KEYED, false, {"ip"}, {0}},
	{ANY,
	 "topologySpreadConstraints",
	 LIST_KEYED,
	 false,
	 {"topologyKey", "whenUnsatisfiable"},
	 {0}},
	{ANY, "resourceClaims", LIST_KEYED, false, {"name"}, {0}},
	{ANY, "schedulingGates", LIST_KEYED, false, {"name"}, {0}},
	{"Service", "^spec.ports", LIST_KEYED, false, {"port", "protocol"}, {0, "TCP"}},
	{"ServiceAccount", "^secrets", LIST_KEYED, false, {"name"}, {0}},
	{"LimitRange", "^spec.limits", LIST_KEYED, false, {"type"}, {0}},
	/* atomic for the server, but admission adds to those of a pod */
	{"Pod",
	 "^spec.tolerations",
	 LIST_KEYED,
	 false,
	 {"key", "operator", "effect"},
	 {"", "Equal", ""}},
	/* atomic for the server, but its controller knows them by name */
	{"StatefulSet", "^spec.volumeClaimTemplates", LIST_KEYED, true, {"metadata.name"}, {0}},
	{ANY, "metadata.ownerReferences", LIST_KEYED, false, {"uid"}, {0}},
	{ANY, "metadata.finalizers", LIST_SET, false, {0}, {0}},
	{"MutatingWebhookConfiguration", "^webhooks", LIST_KEYED, false, {"name"}, {0}},
	{"ValidatingWebhookConfiguration", "^webhooks", LIST_KEYED, false, {"name"}, {0}},
	/* a rule means the same in any order of its words */
	{"Role", "^rules.*", LIST_SET, false, {0}, {0}},
	{"ClusterRole", "^rules.*", LIST_SET, false, {0}, {0}},
	{"CustomResourceDefinition", "^spec.versions", LIST_KEYED, true, {"name"}, {0}},
	{"CustomResourceDefinition", "^spec.names.shortNames", LIST_SET, false, {0}, {0}},
	{"CustomResourceDefinition", "^spec.names.categories", LIST_SET, false, {0}, {0}},
	/* gateway.networking.k8s.io: listMapKey */
	{"Gateway", "^spec.listeners", LIST_KEYED, false, {"name"}, {0}},
};

static const struct field_rule values[] = {
	{ANY, "resources.requests.*", VALUE_QUANTITY, NULL},
	{ANY, "resources.limits.*", VALUE_QUANTITY, NULL},
	{ANY, "emptyDir.sizeLimit", VALUE_QUANTITY, NULL},
	{ANY, "resourceFieldRef.divisor", VALUE_QUANTITY, NULL},
	{ANY, "overhead.*", VALUE_QUANTITY, NULL},
	{ANY, "capacity.*", VALUE_QUANTITY, NULL},
	{"ResourceQuota", "^spec.hard.*", VALUE_QUANTITY, NULL},
	{"LimitRange", "^spec.limits.*.*", VALUE_QUANTITY, NULL},
	{"HorizontalPodAutoscaler", "target.averageValue", VALUE_QUANTITY, NULL},
	{"HorizontalPodAutoscaler", "target.value", VALUE_QUANTITY, NULL},
	/* Istio, Gateway API, cert-manager, Flux: durations as Go writes them */
	{"VirtualService", "timeout", VALUE_DURATION, NULL},
	{"VirtualService", "perTryTimeout", VALUE_DURATION, NULL},
	{"VirtualService", "fixedDelay", VALUE_DURATION, NULL},
	{"DestinationRule", "connectTimeout", VALUE_DURATION, NULL},
	{"DestinationRule", "idleTimeout", VALUE_DURATION, NULL},
	{"DestinationRule", "interval", VALUE_DURATION, NULL},
	{"DestinationRule", "baseEjectionTime", VALUE_DURATION, NULL},
	{"DestinationRule", "maxConnectionDuration", VALUE_DURATION, NULL},
	{"HTTPRoute", "timeouts.*", VALUE_DURATION, NULL},
	{"GRPCRoute", "timeouts.*", VALUE_DURATION, NULL},
	{"Certificate", "duration", VALUE_DURATION, NULL},
	{"Certificate", "renewBefore", VALUE_DURATION, NULL},
	{"ServiceMonitor", "endpoints.interval", VALUE_DURATION, NULL},
	{ANY, "metadata.labels.*", VALUE_TEXT, NULL},
	{ANY, "metadata.annotations.*", VALUE_TEXT, NULL},
	{ANY, "env.value", VALUE_TEXT, NULL},
	{ANY, "nodeSelector.*", VALUE_TEXT, NULL},
	{ANY, "matchLabels.*", VALUE_TEXT, NULL},
	{"Service", "^spec.selector.*", VALUE_TEXT, NULL},
	{"ConfigMap", "^data.*", VALUE_TEXT, NULL},
	{"Secret", "^data.*", VALUE_TEXT, NULL},
	/* int-or-string: "1" and 1 mean one pod */
	{ANY, "maxUnavailable", VALUE_TEXT, NULL},
	{ANY, "maxSurge", VALUE_TEXT, NULL},
	{ANY, "minAvailable", VALUE_TEXT, NULL},
};

/*
 * Numbers and booleans that k8s.io/api (and apiextensions, kube-aggregator) omits when they are
 * zero: plain fields with omitempty. All others are pointers (nil is the default, zero is zero) or
 * are always written, so a zero of theirs says something.
 */
static const struct field_rule omitted[] = {
	{ANY, "hostNetwork", 0, NULL},
	{ANY, "hostPID", 0, NULL},
	{ANY, "hostIPC", 0, NULL},
	{ANY, "hostPort", 0, NULL},
	{ANY, "stdin", 0, NULL},
	{ANY, "stdinOnce", 0, NULL},
	{ANY, "tty", 0, NULL},
	{ANY, "readOnly", 0, NULL},
	{ANY, "initialDelaySeconds", 0, NULL},
	{ANY, "timeoutSeconds", 0, NULL},
	{ANY, "livenessProbe.periodSeconds", 0, NULL},
	{ANY, "readinessProbe.periodSeconds", 0, NULL},
	{ANY, "startupProbe.periodSeconds", 0, NULL},
	{ANY, "successThreshold", 0, NULL},
	{ANY, "failureThreshold", 0, NULL},
	{ANY, "minReadySeconds", 0, NULL},
	{ANY, "paused", 0, NULL},
	{ANY, "chapAuthDiscovery", 0, NULL},
	{ANY, "chapAuthSession", 0, NULL},
	{ANY, "sslEnabled", 0, NULL},
	{ANY, "awsElasticBlockStore.partition", 0, NULL},
	{ANY, "gcePersistentDisk.partition", 0, NULL},
	{ANY, "observedGeneration", 0, NULL},
	{"Node", "^spec.unschedulable", 0, NULL},
	{"PriorityClass", "^globalDefault", 0, NULL},
	{"Service", "^spec.healthCheckNodePort", 0, NULL},
	{"Service", "^spec.ports.nodePort", 0, NULL},
	{"Service", "^spec.publishNotReadyAddresses", 0, NULL},
	{"Ingress", "port.number", 0, NULL},
	{"APIService", "^spec.insecureSkipTLSVerify", 0, NULL},
	{"CustomResourceDefinition", "^spec.preserveUnknownFields", 0, NULL},
	{"CustomResourceDefinition", "^spec.versions.deprecated", 0, NULL},
	{"CustomResourceDefinition", "additionalPrinterColumns.priority", 0, NULL},
};

/* Empty texts, lists and maps that say something: absent is something else. */
static const struct field_rule zeroes[] = {
	{ANY, "maxUnavailable", 0, NULL},
	{ANY, "maxSurge", 0, NULL},
	{ANY, "minAvailable", 0, NULL},
	{ANY, "storageClassName", 0, NULL}, /* "" = none, absent = the default class */
	/* empty selectors and rules: {} is everything, [] is nothing, absent is something else
	   again */
	{ANY, "podSelector", 0, NULL},
	{ANY, "namespaceSelector", 0, NULL},
	{ANY, "objectSelector", 0, NULL},
	{ANY, "endpointSelector", 0, NULL},
	{ANY, "labelSelector", 0, NULL},
	{"PodDisruptionBudget", "^spec.selector", 0, NULL},
	{"NetworkPolicy", "^spec.ingress", 0, NULL},
	{"NetworkPolicy", "^spec.egress", 0, NULL},
	/* entries of free maps: their presence is what they say */
	{ANY, "metadata.labels.*", 0, NULL},
	{ANY, "metadata.annotations.*", 0, NULL},
	{ANY, "matchLabels.*", 0, NULL},
	{ANY, "nodeSelector.*", 0, NULL},
	{ANY, "^data.*", 0, NULL},
	{ANY, "^binaryData.*", 0, NULL},
	{"Service", "^spec.selector.*", 0, NULL},
	{ANY, "resources.limits.*", 0, NULL},
	{ANY, "resources.requests.*", 0, NULL},
	{"ResourceQuota", "^spec.hard.*", 0, NULL},
	/* a schema's own zeroes: default: false, minimum: 0 */
	{"CustomResourceDefinition", "openAPIV3Schema.**", 0, NULL},
	{ANY, "emptyDir", 0, NULL}, /* a union: the member that is there says which */
};

/* k8s.io/kubernetes pkg/apis/.../defaults.go; for objects without managedFields (snapshots). */
static const struct field_rule defaults[] = {
	{ANY, "^spec.replicas", 0, "1"},
	{ANY, "revisionHistoryLimit", 0, "10"},
	{ANY, "progressDeadlineSeconds", 0, "600"},
	{ANY, "podManagementPolicy", 0, "\"OrderedReady\""},
	{ANY, "terminationGracePeriodSeconds", 0, "30"},
	{ANY, "restartPolicy", 0, "\"Always\""},
	{ANY, "dnsPolicy", 0, "\"ClusterFirst\""},
	{ANY, "schedulerName", 0, "\"default-scheduler\""},
	{ANY, "securityContext", 0, "{}"},
	{ANY, "enableServiceLinks", 0, "true"},
	{ANY, "terminationMessagePath", 0, "\"/dev/termination-log\""},
	{ANY, "terminationMessagePolicy", 0, "\"File\""},
	{ANY, "imagePullPolicy", 0, "\"IfNotPresent\""},
	{ANY, "protocol", 0, "\"TCP\""},
	{ANY, "successThreshold", 0, "1"},
	{ANY, "failureThreshold", 0, "3"},
	{ANY, "periodSeconds", 0, "10"},
	{ANY, "timeoutSeconds", 0, "1"},
	{ANY, "httpGet.scheme", 0, "\"HTTP\""},
	{ANY, "defaultMode", 0, "420"},
	{ANY, "strategy.type", 0, "\"RollingUpdate\""},
	{ANY, "updateStrategy.type", 0, "\"RollingUpdate\""},
	{ANY, "rollingUpdate.maxUnavailable", 0, "\"25%\""},
	{ANY, "rollingUpdate.maxSurge", 0, "\"25%\""},
	{"Service", "^spec.type", 0, "\"ClusterIP\""},
	{"Service", "^spec.sessionAffinity", 0, "\"None\""},
	{"Service", "^spec.internalTrafficPolicy", 0, "\"Cluster\""},
	{"Service", "^spec.externalTrafficPolicy", 0, "\"Cluster\""},
	{"Service", "^spec.ipFamilyPolicy", 0, "\"SingleStack\""},
	{"Secret", "^type", 0, "\"Opaque\""},
	{"CronJob", "^spec.concurrencyPolicy", 0, "\"Allow\""},
	{"CronJob", "^spec.successfulJobsHistoryLimit", 0, "3"},
	{"CronJob", "^spec.failedJobsHistoryLimit", 0, "1"},
	{ANY, "backoffLimit", 0, "6"},
	{ANY, "webhooks.failurePolicy", 0, "\"Fail\""},
	{ANY, "webhooks.matchPolicy", 0, "\"Equivalent\""},
	{ANY, "reinvocationPolicy", 0, "\"Never\""},
};

static const struct field_rule theirs[] = {
	{ANY, "^spec.replicas", THEIRS_SCALED, NULL},
	{"MutatingWebhookConfiguration", "webhooks.clientConfig.caBundle", THEIRS_MANAGED, NULL},
	{"ValidatingWebhookConfiguration", "webhooks.clientConfig.caBundle", THEIRS_MANAGED, NULL},
	{"CustomResourceDefinition", "webhook.clientConfig.caBundle", THEIRS_MANAGED, NULL},
	{"APIService", "^spec.caBundle", THEIRS_MANAGED, NULL},
	{"ClusterRole", "^rules", THEIRS_AGGREGATED, NULL},
	{"Service", "^spec.clusterIP", THEIRS_ALLOCATED, NULL},
	{"Service", "^spec.clusterIPs", THEIRS_ALLOCATED, NULL},
	{"Service", "^spec.ports.nodePort", THEIRS_ALLOCATED, NULL},
	{"Service", "^spec.healthCheckNodePort", THEIRS_ALLOCATED, NULL},
	{"PersistentVolumeClaim", "^spec.volumeName", THEIRS_ALLOCATED, NULL},
};

/* Groups whose objects are Go structs in the API server; all others are custom resources. */
static const char *const typed_groups[] = {
	"",
	"apps",
	"batch",
	"policy",
	"autoscaling",
	"networking.k8s.io",
	"rbac.authorization.k8s.io",
	"storage.k8s.io",
	"scheduling.k8s.io",
	"coordination.k8s.io",
	"discovery.k8s.io",
	"node.k8s.io",
	"admissionregistration.k8s.io",
	"apiextensions.k8s.io",
	"apiregistration.k8s.io",
	"certificates.k8s.io",
};

/* Maps that others write into, too. */
static const char *const shared[] = {
	"metadata",    "metadata.labels", "metadata.annotations", "^data",
	"^binaryData", "nodeSelector",    "resources.limits",     "resources.requests",
};

static bool kind_fits(const char *row, const char *kind)
{
	return row[0] == '*' || str_eq(row, kind);
}

static const struct field_rule *find(const struct field_rule *rows, size_t n, const char *kind,
				     const struct diff_path *path)
{
	for (size_t i = 0; i < n; i++)
		if (kind_fits(rows[i].kind, kind) && diff_path_fits(path, rows[i].pattern))
			return &rows[i];
	return NULL;
}

const struct list_rule *field_list(const char *kind, const struct diff_path *path)
{
	static const struct list_rule atomic = {ANY, "", LIST_ATOMIC, true, {0}, {0}};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		if (kind_fits(lists[i].kind, kind) && diff_path_fits(path, lists[i].pattern))
			return &lists[i];
	return &atomic;
}

enum value_kind field_value(const char *kind, const struct diff_path *path)
{
	const struct field_rule *r = find(values, ARRAY_SIZE(values), kind, path);

	return r ? (enum value_kind)r->what : VALUE_PLAIN;
}

bool field_zero_counts(const char *kind, const struct diff_path *path, bool number)
{
	return find(zeroes, ARRAY_SIZE(zeroes), kind, path) ||
	       (number && !find(omitted, ARRAY_SIZE(omitted), kind, path));
}

const char *field_default(const char *kind, const struct diff_path *path)
{
	const struct field_rule *r = find(defaults, ARRAY_SIZE(defaults), kind, path);

	return r ? r->value : NULL;
}

const struct field_rule *field_theirs(const char *kind, const struct diff_path *path)
{
	return find(theirs, ARRAY_SIZE(theirs), kind, path);
}

bool field_drops_zeroes(const char *api_version)
{
	const char *slash = api_version ? strchr(api_version, '/') : NULL;
	const size_t n = slash ? (size_t)(slash - api_version) : 0;

	for (size_t i = 0; i < ARRAY_SIZE(typed_groups); i++)
		if (strlen(typed_groups[i]) == n &&
		    strncmp(typed_groups[i], str_or_empty(api_version), n) == 0)
			return true;
	return false;
}

bool field_shared_map(const struct diff_path *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(shared); i++)
		if (diff_path_fits(path, shared[i]))
			return true;
	return false;
}
