/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/prepare.h"

#include "lib/base/str.h"

void namespace_prepare(struct arena *a, struct doc *object)
{
	struct doc *list = doc_list(a);

	doc_append(a, list, doc_string(a, "kubernetes"));
	doc_set(a, doc_set_map(a, object, "spec"), "finalizers", list);
	doc_set_string(a, doc_set_map(a, object, "status"), "phase", "Active");
}

/* Guaranteed: every container has cpu and memory limits equal to its requests. */
static const char *quality_of_service(const struct doc *spec)
{
	static const char *const kinds[] = {"cpu", "memory"};
	bool any = false, all = true;

	doc_foreach_item (doc_get(spec, "containers"), c) {
		const struct doc *limits = doc_find(c, "resources.limits");
		const struct doc *requests = doc_find(c, "resources.requests");

		for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
			const struct doc *l = doc_get(limits, kinds[i]),
					 *r = doc_get(requests, kinds[i]);

			any = any || l || r;
			all = all && l && doc_equal(l, r);
		}
	}
	return !any ? "BestEffort" : all ? "Guaranteed" : "Burstable";
}

void pod_prepare(struct arena *a, struct doc *object)
{
	struct doc *status = doc_map(a);

	doc_set_string(a, status, "phase", "Pending");
	doc_set_string(a, status, "qosClass", quality_of_service(doc_get(object, "spec")));
	doc_set(a, object, "status", status);
}

void service_prepare(struct arena *a, struct doc *object)
{
	struct doc *status = doc_map(a);

	doc_set_map(a, status, "loadBalancer");
	doc_set(a, object, "status", status);
}

static void condition(struct arena *a, struct doc *list, const char *type, const char *at,
		      const char *reason, const char *message)
{
	struct doc *c = doc_append(a, list, doc_map(a));

	doc_set_string(a, c, "type", type);
	doc_set_string(a, c, "status", "True");
	doc_set_string(a, c, "lastTransitionTime", at);
	doc_set_string(a, c, "reason", reason);
	doc_set_string(a, c, "message", message);
}

void crd_prepare(struct arena *a, struct doc *object)
{
	const char *at = doc_find_str(object, "metadata.creationTimestamp");
	struct doc *status = doc_map(a), *conditions, *stored;

	doc_set(a, object, "status", status);
	conditions = doc_set_list(a, status, "conditions");
	condition(a, conditions, "NamesAccepted", at, "NoConflicts", "no conflicts found");
	condition(a, conditions, "Established", at, "InitialNamesAccepted",
		  "the initial names have been accepted");
	doc_set(a, status, "acceptedNames", doc_clone(a, doc_find(object, "spec.names")));
	stored = doc_set_list(a, status, "storedVersions");
	doc_foreach_item (doc_find(object, "spec.versions"), v)
		if (doc_bool_or(doc_get(v, "storage"), false))
			doc_append(a, stored, doc_string(a, doc_str(doc_get(v, "name"))));
}
