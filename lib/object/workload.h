/* SPDX-License-Identifier: Apache-2.0 */
/* lib/object/workload.h - what makes pods (Deployment, ReplicaSet, StatefulSet) and their budgets.
 */
#pragma once

#include "lib/object/meta.h"

/* Deployment, ReplicaSet and StatefulSet share what matters here. */
struct workload {
	struct object_meta meta;
	struct opt_int replicas; /* absent means 1 */
	struct label_selector *selector;
	bool paused;
	int64_t min_ready_seconds;
	const char *strategy;                            /* spec.strategy.type of a Deployment */
	struct int_or_string max_surge, max_unavailable; /* of a Deployment's rolling update */
	/* of a StatefulSet */
	const char *service_name, *update_strategy;
	int64_t partition; /* pods below this number keep the old template */
	/* the pod template */
	struct strmap template_labels, template_annotations;
	const char *template_service_account;
	const struct doc *template; /* spec.template as it is */
	/* status */
	int64_t observed_generation;
	int32_t status_replicas, ready_replicas, updated_replicas, available_replicas,
		unavailable_replicas;
	struct condition *conditions;
	size_t n_conditions;
};

struct disruption_budget {
	struct object_meta meta;
	struct label_selector *selector;
	struct int_or_string min_available, max_unavailable;
	int64_t observed_generation;
	int32_t disruptions_allowed, current_healthy, desired_healthy, expected_pods;
};

extern const struct bind_table workload_table;
extern const struct bind_table disruption_budget_table;

int workload_decode(struct arena *a, const struct doc *d, struct workload *out, struct error *err);
int disruption_budget_decode(struct arena *a, const struct doc *d, struct disruption_budget *out,
			     struct error *err);
