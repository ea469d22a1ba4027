/* SPDX-License-Identifier: Apache-2.0 */
#include "migrate/probe.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/istio/inject.h"
#include "lib/object/sidestep.h"

/* What does not depend on the question; a namespace under the strictest pod security takes it. */
static const char pod_text[] = "\
automountServiceAccountToken: false\n\
enableServiceLinks: false\n\
restartPolicy: Never\n\
activeDeadlineSeconds: 120\n\
terminationGracePeriodSeconds: 1\n\
securityContext: {runAsNonRoot: true, runAsUser: 65534, runAsGroup: 65534,\n\
                  seccompProfile: {type: RuntimeDefault}}\n\
containers:\n\
- name: " PROBE_CONTAINER "\n\
  terminationMessagePath: " PROBE_RESULT "\n\
  terminationMessagePolicy: File\n\
  securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true,\n\
                    capabilities: {drop: [ALL]}}\n\
  resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {memory: 128Mi}}\n";

const char *probe_name(struct arena *a, const char *run)
{
	return arena_printf(a, "probe-%s", run);
}

struct doc *probe_account(struct arena *a, const struct migration *m)
{
	struct doc *d =
		kube_object_new(a, object_kind(KIND_SERVICE_ACCOUNT), m->ns, probe_name(a, m->run));

	doc_set_string(a, doc_set_map(a, doc_get(d, "metadata"), "labels"),
		       SIDESTEP_MANAGED_BY_LABEL, SIDESTEP_MANAGED_BY);
	doc_set_bool(a, d, "automountServiceAccountToken", false);
	return d;
}

static void add_command(struct arena *a, struct doc *container, const struct probe_question *q)
{
	struct doc *list = doc_set_list(a, container, "command");

	doc_append(a, list, doc_string(a, "sidestep-migrate"));
	doc_append(a, list, doc_string(a, "probe"));
	if (q->expect_sidecar)
		doc_append(a, list, doc_string(a, "--expect-sidecar"));
	for (size_t i = 0; i < q->n_targets; i++)
		doc_append(a, list, doc_string(a, q->targets[i]));
}

static struct doc *probe_pod(struct arena *a, const struct migration *m,
			     const struct probe_question *q, struct error *err)
{
	const char *name = probe_name(a, m->run);
	struct doc *d = kube_object_new(a, object_kind(KIND_POD), m->ns, name), *labels, *container;
	struct doc_stream s;

	if (doc_read_yaml(a, pod_text, strlen(pod_text), NULL, &s, err))
		return NULL;
	labels = doc_set_map(a, doc_get(d, "metadata"), "labels");
	doc_set_string(a, labels, SIDESTEP_MANAGED_BY_LABEL, SIDESTEP_MANAGED_BY);
	doc_set_string(a, labels, PROBE_LABEL, "true");
	if (!q->injected)
		doc_set_string(a, labels, "sidecar.istio.io/inject", "false");
	doc_set_string(a, s.docs[0], "serviceAccountName", name);
	container = doc_find(s.docs[0], "containers[0]");
	doc_set_string(a, container, "image", m->profile.probe_image);
	add_command(a, container, q);
	doc_set(a, d, "spec", s.docs[0]);
	return d;
}

static void forget(struct migration *m)
{
	m->probe_gate = NULL;
	free(m->probe_uid);
	m->probe_uid = NULL;
}

static const char *make(struct migration *m, struct arena *a, const struct probe_question *q)
{
	struct error why = ERROR_INIT;
	struct doc *pod = probe_pod(a, m, q, &why), *now = NULL;
	struct kube_request request = {.verb = KUBE_CREATE,
				       .kind = object_kind(KIND_POD),
				       .namespace_ = m->ns,
				       .body = pod};
	int r = pod ? cluster_do(m->cluster, &request, a, &now, &why) : -EINVAL;

	if (r)
		return arena_printf(a, "cannot be made: %s", why.msg);
	m->probe_gate = q->gate;
	m->probe_uid = xstrdup(str_or_empty(kube_uid(now)));
	return "was just made";
}

static int take_away(struct migration *m, struct arena *a, const struct doc *pod, struct error *err)
{
	struct kube_request request = {.verb = KUBE_DELETE,
				       .kind = object_kind(KIND_POD),
				       .namespace_ = m->ns,
				       .name = kube_name(pod),
				       .uid = kube_uid(pod)};
	struct error why = ERROR_INIT;
	int r;

	forget(m);
	if (kube_deleting(pod))
		return 0;
	r = cluster_do(m->cluster, &request, a, NULL, &why);
	return r && r != -ENOENT ? error_set(err, r, "%s", why.msg) : 0;
}

static const struct doc *status_of(const struct doc *pod)
{
	doc_foreach_item (doc_find(pod, "status.containerStatuses"), c)
		if (str_eq(doc_find_str(c, "name"), PROBE_CONTAINER))
			return c;
	return NULL;
}

/* NULL when it has ended; else how far it is. */
static const char *still_at(struct arena *a, const struct doc *pod)
{
	const struct doc *c = status_of(pod);
	const char *reason = doc_find_str(c, "state.waiting.reason");

	if (doc_find(c, "state.terminated"))
		return NULL;
	if (reason)
		return arena_printf(a, "waits: %s %s", reason,
				    str_or_empty(doc_find_str(c, "state.waiting.message")));
	return doc_find(c, "state.running") ? "is looking" : "is not started yet";
}

void probe_mark(uint64_t updated_ms, char out[PROBE_MARK_LEN + 1])
{
	static const char digits[] =
		"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+_";

	for (unsigned i = 0; i < PROBE_MARK_LEN; i++)
		out[i] = digits[(updated_ms >> (6 * i)) & 63];
	out[PROBE_MARK_LEN] = '\0';
}

/* They stand in the order in which the pod was told of its targets. */
static struct doc *read_marks(struct arena *a, const struct doc *pod, const char *text)
{
	struct doc *marks = doc_map(a);
	size_t left = strlen(str_or_empty(text));

	doc_foreach_item (doc_find(pod, "spec.containers"), c) {
		if (!str_eq(doc_find_str(c, "name"), PROBE_CONTAINER))
			continue;
		doc_foreach_item (doc_get(c, "command"), word) {
			const char *address = strchr(str_or_empty(doc_str(word)), '=');

			if (!address || left < PROBE_MARK_LEN)
				continue;
			if (!str_starts(text, PROBE_NO_MARK))
				doc_set_string(a, marks,
					       arena_strndup(a, doc_str(word),
							     (size_t)(address - doc_str(word))),
					       arena_strndup(a, text, PROBE_MARK_LEN));
			text += PROBE_MARK_LEN;
			left -= PROBE_MARK_LEN;
		}
	}
	return marks;
}

const char *probe_read_answer(struct arena *a, const struct doc *pod, struct probe_answer *out)
{
	const struct doc *ended = doc_find(status_of(pod), "state.terminated");
	const char *text = doc_find_str(ended, "message");
	struct doc *d = NULL;

	if (str_empty(text) || strlen(text) > PROBE_MAX_MESSAGE ||
	    doc_read_json(a, text, strlen(text), NULL, &d, NULL) ||
	    !str_eq(doc_find_str(d, "schema"), PROBE_SCHEMA) || !doc_find_str(d, "sidecar"))
		return arena_printf(a, "ended with code %lld and left no findings: %.200s",
				    (long long)doc_find_int(ended, "exitCode", -1),
				    str_or_empty(text));
	out->sidecar = istio_sidecar_form_of(doc_get(pod, "spec")) != SIDECAR_NONE;
	out->says = doc_find_str(d, "sidecar");
	out->asked = doc_find_int(d, "asked", -1);
	out->taken = doc_find_int(d, "taken", -1);
	out->late = doc_get(d, "late");
	out->marks = read_marks(a, pod, doc_find_str(d, "marks"));
	out->pod = pod;
	return NULL;
}

int probe_look(struct migration *m, struct arena *a, const struct probe_question *q,
	       struct probe_answer *out, struct error *err)
{
	struct doc *pod = NULL;
	int r = cluster_get(m->cluster, a, object_kind(KIND_POD), m->ns, probe_name(a, m->run),
			    &pod, err);

	*out = (struct probe_answer){0};
	if (r)
		return r;
	if (!pod) {
		out->waiting = make(m, a, q);
		return 0;
	}
	/* Somebody else's of that name stays; one of an earlier question, or of a killed run, goes.
	 */
	if (!kube_label(pod, PROBE_LABEL)) {
		out->waiting = "cannot be made: a pod of somebody else has its name";
		return 0;
	}
	if (kube_deleting(pod) || m->probe_gate != q->gate ||
	    !str_eq(m->probe_uid, kube_uid(pod))) {
		out->waiting = "an older one goes first";
		return take_away(m, a, pod, err);
	}
	out->waiting = still_at(a, pod);
	if (out->waiting)
		return 0;
	out->waiting = probe_read_answer(a, pod, out);
	out->wordless = out->waiting != NULL;
	return take_away(m, a, pod, err);
}

bool probe_was_asked(const struct probe_answer *answer, const char *target)
{
	doc_foreach_item (doc_find(answer->pod, "spec.containers"), c)
		if (str_eq(doc_find_str(c, "name"), PROBE_CONTAINER))
			doc_foreach_item (doc_get(c, "command"), word)
				if (str_eq(doc_str(word), target))
					return true;
	return false;
}

void probe_sweep(struct migration *m)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct doc *pod = NULL;

	if (!cluster_get(m->cluster, &a, object_kind(KIND_POD), m->ns, probe_name(&a, m->run), &pod,
			 NULL) &&
	    pod && kube_label(pod, PROBE_LABEL))
		take_away(m, &a, pod, NULL);
	forget(m);
}
