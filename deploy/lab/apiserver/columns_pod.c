/* SPDX-License-Identifier: Apache-2.0 */
/* The rules are those of Kubernetes' own printer (printPod). */
#include "deploy/lab/apiserver/columns.h"
#include "deploy/lab/apiserver/when.h"
#include "lib/base/str.h"

struct pod_summary {
	const char *reason;
	int64_t restarts, ready, total;
	const char *last_restart; /* newest finishedAt of a terminated run, or NULL */
};

static bool restartable(const struct doc *pod, const char *name)
{
	doc_foreach_item (doc_find(pod, "spec.initContainers"), c)
		if (str_eq(doc_str(doc_get(c, "name")), name))
			return str_eq(doc_str(doc_get(c, "restartPolicy")), "Always");
	return false;
}

static const char *ended(struct arena *a, const struct doc *terminated)
{
	const char *reason = doc_str(doc_get(terminated, "reason"));
	int64_t signal = doc_int_or(doc_get(terminated, "signal"), 0);

	if (!str_empty(reason))
		return reason;
	if (signal)
		return arena_printf(a, "Signal:%lld", (long long)signal);
	return arena_printf(a, "ExitCode:%lld",
			    (long long)doc_int_or(doc_get(terminated, "exitCode"), 0));
}

static void note_restart(struct pod_summary *s, const struct doc *status)
{
	const char *at = doc_find_str(status, "lastState.terminated.finishedAt");

	if (at && (!s->last_restart || str_cmp(at, s->last_restart) > 0))
		s->last_restart = at;
}

/* True when the pod waits at this init container. */
static bool init_container(struct arena *a, const struct doc *pod, const struct doc *status,
			   size_t i, struct pod_summary *s)
{
	const struct doc *terminated = doc_find(status, "state.terminated");
	const char *waiting = doc_find_str(status, "state.waiting.reason");
	bool sidecar = restartable(pod, doc_str(doc_get(status, "name")));

	if (terminated && !doc_int_or(doc_get(terminated, "exitCode"), 0))
		return false;
	if (sidecar && doc_bool_or(doc_get(status, "started"), false)) {
		s->ready += doc_bool_or(doc_get(status, "ready"), false);
		return false;
	}
	if (terminated)
		s->reason = arena_printf(a, "Init:%s", ended(a, terminated));
	else if (!str_empty(waiting) && !str_eq(waiting, "PodInitializing"))
		s->reason = arena_printf(a, "Init:%s", waiting);
	else
		s->reason = arena_printf(a, "Init:%zu/%zu", i,
					 doc_len(doc_find(pod, "spec.initContainers")));
	return true;
}

static bool condition_true(const struct doc *pod, const char *type)
{
	doc_foreach_item (doc_find(pod, "status.conditions"), c)
		if (str_eq(doc_str(doc_get(c, "type")), type))
			return str_eq(doc_str(doc_get(c, "status")), "True");
	return false;
}

static void containers(struct arena *a, const struct doc *pod, struct pod_summary *s)
{
	const struct doc *list = doc_find(pod, "status.containerStatuses");
	bool running = false;

	for (size_t i = doc_len(list); i-- > 0;) {
		const struct doc *status = doc_at(list, i);
		const struct doc *terminated = doc_find(status, "state.terminated");
		const char *waiting = doc_find_str(status, "state.waiting.reason");

		s->restarts += doc_int_or(doc_get(status, "restartCount"), 0);
		note_restart(s, status);
		if (!str_empty(waiting)) {
			s->reason = waiting;
		} else if (terminated) {
			s->reason = ended(a, terminated);
		} else if (doc_bool_or(doc_get(status, "ready"), false) &&
			   doc_find(status, "state.running")) {
			running = true;
			s->ready++;
		}
	}
	if (str_eq(s->reason, "Completed") && running)
		s->reason = condition_true(pod, "Ready") ? "Running" : "NotReady";
}

static struct pod_summary summarise(struct arena *a, const struct doc *pod)
{
	const char *reason = doc_find_str(pod, "status.reason");
	const char *phase = doc_find_str(pod, "status.phase");
	struct pod_summary s = {.reason = str_empty(reason) ? str_or_empty(phase) : reason};
	const struct doc *init = doc_find(pod, "status.initContainerStatuses");
	int64_t sidecar_restarts = 0;
	bool waiting = false;

	s.total = (int64_t)doc_len(doc_find(pod, "spec.containers"));
	doc_foreach_item (doc_find(pod, "spec.initContainers"), c)
		s.total += str_eq(doc_str(doc_get(c, "restartPolicy")), "Always");
	for (size_t i = 0; i < doc_len(init) && !waiting; i++) {
		const struct doc *status = doc_at(init, i);
		int64_t n = doc_int_or(doc_get(status, "restartCount"), 0);

		s.restarts += n;
		if (restartable(pod, doc_str(doc_get(status, "name"))))
			sidecar_restarts += n;
		note_restart(&s, status);
		waiting = init_container(a, pod, status, i, &s);
	}
	if (!waiting || condition_true(pod, "Initialized")) {
		s.restarts = sidecar_restarts;
		containers(a, pod, &s);
	}
	if (doc_find_str(pod, "metadata.deletionTimestamp")) {
		if (str_eq(reason, "NodeLost"))
			s.reason = "Unknown";
		else if (!str_eq(phase, "Succeeded") && !str_eq(phase, "Failed"))
			s.reason = "Terminating";
	}
	return s;
}

struct doc *cell_pod_ready(const struct cell *c)
{
	struct pod_summary s = summarise(c->arena, c->object);

	return doc_stringf(c->arena, "%lld/%lld", (long long)s.ready, (long long)s.total);
}

struct doc *cell_pod_status(const struct cell *c)
{
	return doc_string(c->arena, summarise(c->arena, c->object).reason);
}

struct doc *cell_pod_restarts(const struct cell *c)
{
	struct pod_summary s = summarise(c->arena, c->object);

	if (!s.restarts || !s.last_restart)
		return doc_stringf(c->arena, "%lld", (long long)s.restarts);
	return doc_stringf(c->arena, "%lld (%s ago)", (long long)s.restarts,
			   when_age(c->arena, s.last_restart, c->now_s));
}
