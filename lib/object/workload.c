/* SPDX-License-Identifier: Apache-2.0 */
/* Workload and PodDisruptionBudget tables. */
#include "lib/object/workload.h"

#include "lib/base/macros.h"

static const struct bind_field workload_fields[] = {
	OBJECT_META_ROWS(struct workload),
	BIND(struct workload, replicas, "spec.replicas", BIND_OPT_INT, 0),
	BIND_NESTED(struct workload, selector, "spec.selector", BIND_PTR, 0, &label_selector_table),
	BIND(struct workload, paused, "spec.paused", BIND_BOOL, 0),
	BIND(struct workload, min_ready_seconds, "spec.minReadySeconds", BIND_INT64, 0),
	BIND(struct workload, strategy, "spec.strategy.type", BIND_STRING, 0),
	BIND(struct workload, max_surge, "spec.strategy.rollingUpdate.maxSurge", BIND_INT_OR_STRING,
	     0),
	BIND(struct workload, max_unavailable, "spec.strategy.rollingUpdate.maxUnavailable",
	     BIND_INT_OR_STRING, 0),
	BIND(struct workload, service_name, "spec.serviceName", BIND_STRING, 0),
	BIND(struct workload, update_strategy, "spec.updateStrategy.type", BIND_STRING, 0),
	BIND(struct workload, partition, "spec.updateStrategy.rollingUpdate.partition", BIND_INT64,
	     0),
	BIND(struct workload, template_labels, "spec.template.metadata.labels", BIND_STRMAP, 0),
	BIND(struct workload, template_annotations, "spec.template.metadata.annotations",
	     BIND_STRMAP, 0),
	BIND(struct workload, template_service_account, "spec.template.spec.serviceAccountName",
	     BIND_STRING, 0),
	BIND(struct workload, template, "spec.template", BIND_DOC, 0),
	BIND(struct workload, observed_generation, "status.observedGeneration", BIND_INT64, 0),
	BIND(struct workload, status_replicas, "status.replicas", BIND_INT32, 0),
	BIND(struct workload, ready_replicas, "status.readyReplicas", BIND_INT32, 0),
	BIND(struct workload, updated_replicas, "status.updatedReplicas", BIND_INT32, 0),
	BIND(struct workload, available_replicas, "status.availableReplicas", BIND_INT32, 0),
	BIND(struct workload, unavailable_replicas, "status.unavailableReplicas", BIND_INT32, 0),
	BIND_ITEMS(struct workload, conditions, "status.conditions", 0, &condition_table),
};
BIND_TABLE(workload_table, struct workload, workload_fields);

static const struct bind_field budget_fields[] = {
	OBJECT_META_ROWS(struct disruption_budget),
	BIND_NESTED(struct disruption_budget, selector, "spec.selector", BIND_PTR, 0,
		    &label_selector_table),
	BIND(struct disruption_budget, min_available, "spec.minAvailable", BIND_INT_OR_STRING, 0),
	BIND(struct disruption_budget, max_unavailable, "spec.maxUnavailable", BIND_INT_OR_STRING,
	     0),
	BIND(struct disruption_budget, observed_generation, "status.observedGeneration", BIND_INT64,
	     0),
	BIND(struct disruption_budget, disruptions_allowed, "status.disruptionsAllowed", BIND_INT32,
	     0),
	BIND(struct disruption_budget, current_healthy, "status.currentHealthy", BIND_INT32, 0),
	BIND(struct disruption_budget, desired_healthy, "status.desiredHealthy", BIND_INT32, 0),
	BIND(struct disruption_budget, expected_pods, "status.expectedPods", BIND_INT32, 0),
};
BIND_TABLE(disruption_budget_table, struct disruption_budget, budget_fields);

int workload_decode(struct arena *a, const struct doc *d, struct workload *out, struct error *err)
{
	return object_decode(a, &workload_table, d, out, err);
}

int disruption_budget_decode(struct arena *a, const struct doc *d, struct disruption_budget *out,
			     struct error *err)
{
	return object_decode(a, &disruption_budget_table, d, out, err);
}
