/* SPDX-License-Identifier: Apache-2.0 */
/* The cluster's own objects, as sources. */
#include <inttypes.h>
#include <string.h>

#include "lib/base/str.h"
#include "runbooks/sources_internal.h"

/* --- the cluster's own objects -----------------------------------------------------------------
 */

int source_ask_nodes(struct source_env *env, const struct source_question *q, struct answer *s,
		     struct error *err)
{
	struct doc *list;
	int64_t ready = 0;
	int r = source_list(env, s->a, KIND_NODE, NULL, &list, err);

	(void)q;
	if (r)
		return r;
	doc_foreach_item (list, d) {
		struct doc *row = doc_map(s->a);
		const bool is = kube_condition_true(d, "Ready");

		doc_set_string(s->a, row, "node", kube_name(d));
		doc_set_bool(s->a, row, "ready", is);
		doc_set_bool(s->a, row, "unschedulable",
			     doc_bool_or(doc_find(d, "spec.unschedulable"), false));
		doc_set_bool(s->a, row, "pressure",
			     kube_condition_true(d, "MemoryPressure") ||
				     kube_condition_true(d, "DiskPressure") ||
				     kube_condition_true(d, "PIDPressure"));
		doc_set_string(s->a, row, "kernel",
			       doc_find_str(d, "status.nodeInfo.kernelVersion"));
		ready += is;
		answer_row(s, row);
	}
	doc_set_int(s->a, s->doc, "ready", ready);
	return 0;
}

static bool lately(const struct source_env *env, const struct source_question *q, const char *when)
{
	return !q->since_ns || (when && source_age_ns(env, when) <= (int64_t)q->since_ns);
}

/* The last time that it was seen: an event that goes on says so in its series. */
static const char *event_time(const struct source_env *env, const struct doc *d)
{
	static const char *const fields[] = {"series.lastObservedTimestamp", "lastTimestamp",
					     "eventTime"};
	const char *newest = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const char *at = doc_find_str(d, fields[i]);

		if (at && (!newest || source_age_ns(env, at) < source_age_ns(env, newest)))
			newest = at;
	}
	return newest;
}

int source_ask_events(struct source_env *env, const struct source_question *q, struct answer *s,
		      struct error *err)
{
	struct doc *list;
	int64_t warnings = 0;
	int r = source_list(env, s->a, KIND_EVENT, filter_of(q, "namespace"), &list, err);

	if (r)
		return r;
	doc_foreach_item (list, d) {
		const char *when = event_time(env, d);
		struct doc *row = doc_map(s->a);

		if (!lately(env, q, when))
			continue;
		doc_set_string(s->a, row, "time", when);
		doc_set_string(s->a, row, "type", doc_find_str(d, "type"));
		doc_set_string(s->a, row, "reason", doc_find_str(d, "reason"));
		doc_set_string(s->a, row, "kind", doc_find_str(d, "involvedObject.kind"));
		doc_set_string(s->a, row, "name", doc_find_str(d, "involvedObject.name"));
		doc_set_string(s->a, row, "message", doc_find_str(d, "message"));
		warnings += str_eq(doc_find_str(d, "type"), "Warning");
		answer_row(s, row);
	}
	doc_set_int(s->a, s->doc, "warnings", warnings);
	return 0;
}

/* The newest of what managers wrote, or its making. */
static const char *changed_at(const struct doc *d)
{
	const char *newest = doc_find_str(d, "metadata.creationTimestamp");

	doc_foreach_item (doc_find(d, "metadata.managedFields"), m) {
		const char *at = doc_find_str(m, "time");

		if (at && (!newest || strcmp(at, newest) > 0) && !doc_find_str(m, "subresource"))
			newest = at;
	}
	return newest;
}

static bool asks_authentication(const struct doc *d)
{
	if (d && d->kind == DOC_MAP && doc_find_str(d, "authentication.mode"))
		return true;
	doc_foreach_item (d, it) {
		if (asks_authentication(it))
			return true;
	}
	doc_foreach_entry (d, e) {
		if (asks_authentication(e->value))
			return true;
	}
	return false;
}

/* `all` counts them; with since, rows and count are those that changed within it. */
static void policy_row(struct source_env *env, const struct source_question *q, struct answer *s,
		       const struct doc *d, int64_t *all)
{
	struct doc *row = doc_map(s->a);
	const char *at = changed_at(d);
	const char *ns = kube_namespace(d);

	if (str_eq(filter_of(q, "asks"), "authentication") && !asks_authentication(d))
		return;
	++*all;
	if (!lately(env, q, at))
		return;
	doc_set_string(s->a, row, "kind", doc_find_str(d, "kind"));
	doc_set_string(s->a, row, "namespace", ns[0] ? ns : NULL);
	doc_set_string(s->a, row, "name", kube_name(d));
	doc_set_string(s->a, row, "changed", at);
	if (doc_get(d, "spec"))
		doc_set(s->a, row, "spec", doc_clone(s->a, doc_get(d, "spec")));
	if (q->since_ns && ns[0])
		doc_append(s->a, doc_get(s->doc, "changed_names"),
			   doc_stringf(s->a, "%s/%s", ns, kube_name(d)));
	answer_row(s, row);
}

int source_ask_policies(struct source_env *env, const struct source_question *q, struct answer *s,
			struct error *err)
{
	static const enum object_kind_id kinds[] = {KIND_CILIUM_NETWORK_POLICY,
						    KIND_CILIUM_CLUSTERWIDE_NETWORK_POLICY,
						    KIND_NETWORK_POLICY};
	int64_t all = 0;

	if (q->since_ns)
		doc_set_list(s->a, s->doc, "changed_names");
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct doc *list;
		int r = source_list(env, s->a, kinds[i], filter_of(q, "namespace"), &list, err);

		if (r)
			return r;
		doc_foreach_item (list, d)
			policy_row(env, q, s, d, &all);
	}
	doc_set_int(s->a, s->doc, "all", all);
	if (q->since_ns)
		doc_set_int(s->a, s->doc, "changed", s->count);
	else
		answer_unseen(s->a, s->doc, "changed", "it was not asked since when");
	answer_unseen(s->a, s->doc, "wider_than_meant", "what was meant stands nowhere");
	return 0;
}

/* --- roll-outs ---------------------------------------------------------------------------------
 */

/* What a role is called in a cluster; other roles are of parts that this release does not have. */
bool source_plays(const struct doc *d, const char *role)
{
	if (!role)
		return str_eq(kube_label(d, "k8s-app"), SOURCE_AGENT_LABEL);
	if (str_eq(role, "agent"))
		return str_eq(kube_label(d, "k8s-app"), SOURCE_AGENT_LABEL) ||
		       str_eq(doc_str(doc_get(doc_find(d, "spec.selector.matchLabels"), "k8s-app")),
			      SOURCE_AGENT_LABEL);
	return str_eq(kube_label(d, "app.kubernetes.io/component"), role) &&
	       str_eq(kube_label(d, "app.kubernetes.io/part-of"), SOURCE_AGENT_LABEL);
}

static int64_t status_of(const struct doc *d, const char *daemon, const char *deployment)
{
	return doc_find_int(d, str_eq(doc_find_str(d, "kind"), "DaemonSet") ? daemon : deployment,
			    0);
}

static struct doc *rollout_row(struct arena *a, const struct doc *d)
{
	struct doc *row = doc_map(a);
	const int64_t desired = str_eq(doc_find_str(d, "kind"), "DaemonSet")
					? doc_find_int(d, "status.desiredNumberScheduled", 0)
					: doc_find_int(d, "spec.replicas", 1);

	doc_set_string(a, row, "kind", doc_find_str(d, "kind"));
	doc_set_string(a, row, "namespace", kube_namespace(d));
	doc_set_string(a, row, "name", kube_name(d));
	doc_set_string(a, row, "image", doc_find_str(d, "spec.template.spec.containers[0].image"));
	doc_set_int(a, row, "desired", desired);
	doc_set_int(a, row, "ready", status_of(d, "status.numberReady", "status.readyReplicas"));
	doc_set_int(a, row, "updated",
		    status_of(d, "status.updatedNumberScheduled", "status.updatedReplicas"));
	return row;
}

int source_ask_rollout(struct source_env *env, const struct source_question *q, struct answer *s,
		       struct error *err)
{
	static const enum object_kind_id kinds[] = {KIND_DAEMON_SET, KIND_DEPLOYMENT};
	static const char *const sums[] = {"desired", "ready", "updated"};
	const char *role = filter_of(q, "role"), *kind = filter_of(q, "kind");
	int64_t sum[ARRAY_SIZE(sums)] = {0};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct doc *list;
		int r;

		if (kind && !str_eq(kind, object_kind(kinds[i])->kind))
			continue;
		r = source_list(env, s->a, kinds[i], filter_of(q, "namespace"), &list, err);
		if (r)
			return r;
		doc_foreach_item (list, d) {
			struct doc *row;

			if (!source_plays(d, role))
				continue;
			row = rollout_row(s->a, d);
			for (size_t k = 0; k < ARRAY_SIZE(sums); k++)
				sum[k] += doc_find_int(row, sums[k], 0);
			answer_row(s, row);
		}
	}
	if (!s->count)
		return error_set(err, -ENODATA, "there is no roll-out of the mesh's %s here",
				 role ? role : "agents");
	for (size_t k = 0; k < ARRAY_SIZE(sums); k++)
		doc_set_int(s->a, s->doc, sums[k], sum[k]);
	return 0;
}

/* --- logs --------------------------------------------------------------------------------------
 */

/* It becomes a part of a path. */
static bool plain_word(const char *s)
{
	return !str_empty(s) && s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-.")] == 0 &&
	       !strstr(s, "..");
}

#define LOG_BYTES (256u << 10)

static int64_t lines_of(const char *text)
{
	int64_t n = 0;

	for (; *text; n++)
		text += strcspn(text, "\n") + (text[strcspn(text, "\n")] != '\0');
	return n;
}

/* The last lines as they are; they are counted where they are all there are. */
static void take_log(struct answer *s, const struct kube_result *result)
{
	const char *text =
		arena_strndup(s->a, str_or_empty(result->text), MIN(result->text_size, LOG_BYTES));

	doc_set_string(s->a, s->doc, "text", text);
	doc_del(s->doc, "rows");
	s->count = lines_of(text);
	s->no_count = s->count >= s->limit || result->text_size >= LOG_BYTES;
	if (s->no_count)
		answer_unseen(s->a, s->doc, "count", "only the last lines were asked for");
}

int source_ask_logs(struct source_env *env, const struct source_question *q, struct answer *s,
		    struct error *err)
{
	const char *ns = filter_of(q, "namespace"), *pod = filter_of(q, "pod");
	const char *container = filter_of(q, "container");
	struct kube_request request = {.verb = KUBE_GET, .raw = true};
	struct kube_result result;
	int r;

	if (!plain_word(ns) || !plain_word(pod) || (container && !plain_word(container)))
		return error_set(err, -EINVAL,
				 "logs want a filter with namespace and pod, names both");
	request.path = arena_printf(
		s->a,
		"/api/v1/namespaces/%s/pods/%s/log?tailLines=%" PRId64 "&limitBytes=262144%s%s", ns,
		pod, s->limit, container ? "&container=" : "", str_or_empty(container));
	r = kube_wait(env->cluster->client, &request, &result, err);
	if (!r)
		take_log(s, &result);
	kube_result_release(&result);
	return r;
}
