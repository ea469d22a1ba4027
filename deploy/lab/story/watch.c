/* SPDX-License-Identifier: Apache-2.0 */
/* What the API says of pods that were hit, from the kill until they are whole again. */
#include <string.h>

#include "deploy/lab/story/story.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/object/kinds.h"

#define SERVICE_LABEL "kubernetes.io/service-name"
#define SIDECAR       "istio-proxy"
/* What a process that SIGKILL ended says, and what its kubelet or pilot-agent says for it. */
#define EXIT_KILLED 137

static const char *const status_lists[] = {"initContainerStatuses", "containerStatuses"};

static const struct doc *status_of(const struct doc *pod, const char *container)
{
	for (size_t i = 0; i < ARRAY_SIZE(status_lists); i++)
		doc_foreach_item (doc_get(doc_get(pod, "status"), status_lists[i]), c)
			if (str_eq(doc_str(doc_get(c, "name")), container))
				return c;
	return NULL;
}

static int64_t restarts_of(const struct doc *status)
{
	return doc_int_or(doc_get(status, "restartCount"), 0);
}

/* --- endpoints --- */

static bool is_ready_endpoint(const struct doc *e)
{
	return doc_bool_or(doc_find(e, "conditions.ready"), true);
}

/* How many ready endpoints a slice has beside the pod; *ret_has: the pod itself is one. */
static size_t others_ready(const struct doc *slice, const char *uid, bool *ret_has)
{
	size_t n = 0;

	*ret_has = false;
	doc_foreach_item (doc_get(slice, "endpoints"), e) {
		bool self = str_eq(doc_find_str(e, "targetRef.uid"), uid);

		*ret_has = *ret_has || (self && is_ready_endpoint(e));
		n += !self && is_ready_endpoint(e);
	}
	return n;
}

static bool is_endpoint(const struct story *s, const char *uid)
{
	bool has;

	kube_informer_foreach (s->slices, o) {
		others_ready(o->doc, uid, &has);
		if (has)
			return true;
	}
	return false;
}

/* In every Service that has it there is another; a pod that serves nobody may go too. */
static bool is_replaceable(const struct story *s, const char *uid)
{
	bool has;

	kube_informer_foreach (s->slices, o)
		if (others_ready(o->doc, uid, &has) == 0 && has)
			return false;
	return true;
}

/* --- what is known of a kill --- */

static bool is_open(const struct kill_record *k)
{
	return !k->ready_ns && !k->gone_ns;
}

static void follow(struct story *s, struct kill_record *k, const struct doc *pod)
{
	const struct doc *status = status_of(pod, k->container);
	int64_t now = clock_wall_ns(clock_system());

	if (!k->gone_ns && (!pod || !str_eq(kube_uid(pod), k->uid)))
		k->gone_ns = now;
	else if (!k->ready_ns && restarts_of(status) > k->restarts &&
		 kube_condition_true(pod, "Ready"))
		k->ready_ns = now;
	if (!k->out_ns && is_open(k) && !is_endpoint(s, k->uid))
		k->out_ns = now;
}

static size_t ready_of(const struct story *s, const char *ns, const char *service, const char *uid,
		       bool *ret_of_it)
{
	size_t n = 0;

	*ret_of_it = false;
	kube_informer_foreach (s->slices, o) {
		if (!str_eq(o->namespace_, ns) ||
		    !str_eq(kube_label(o->doc, SERVICE_LABEL), service))
			continue;
		doc_foreach_item (doc_get(o->doc, "endpoints"), e) {
			n += is_ready_endpoint(e);
			*ret_of_it = *ret_of_it || str_eq(doc_find_str(e, "targetRef.uid"), uid);
		}
	}
	return n;
}

static bool is_known_outage(const struct story *s, const char *ns, const char *service)
{
	for (size_t i = 0; i < s->hits.outages.n; i++) {
		const struct kill_outage *o = &s->hits.outages.items[i];

		if (!o->until_ns && str_eq(o->namespace, ns) && str_eq(o->service, service))
			return true;
	}
	return false;
}

/* A Service that the pod is of and that has no other left. */
static void look_for_outages(struct story *s, size_t kill)
{
	const struct kill_record *k = &s->hits.kills.items[kill];
	bool of_it;

	kube_informer_foreach (s->slices, o) {
		const char *service = kube_label(o->doc, SERVICE_LABEL);

		if (!service || !str_eq(o->namespace_, k->namespace) ||
		    ready_of(s, k->namespace, service, k->uid, &of_it) || !of_it ||
		    is_known_outage(s, k->namespace, service))
			continue;
		vec_push(&s->hits.outages,
			 ((struct kill_outage){.namespace = k->namespace,
					       .service = arena_strdup(&s->arena, service),
					       .kill = kill,
					       .from_ns = k->killed_ns}));
	}
}

static void follow_outages(struct story *s)
{
	bool of_it;

	for (size_t i = s->hits.kills.n; i-- > 0;)
		if (is_open(&s->hits.kills.items[i]))
			look_for_outages(s, i);
	vec_foreach (&s->hits.outages, o)
		if (!o->until_ns && ready_of(s, o->namespace, o->service, NULL, &of_it))
			o->until_ns = clock_wall_ns(clock_system());
}

static void follow_all(struct story *s)
{
	vec_foreach (&s->hits.kills, k) {
		const struct kube_object *o = kube_informer_get(s->pods, k->namespace, k->pod);

		if (is_open(k))
			follow(s, k, o ? o->doc : NULL);
	}
	follow_outages(s);
}

static struct kill_record record_of(struct story *s, const struct doc *pod,
				    const struct doc *status)
{
	struct arena *a = &s->arena;
	const char *container = str_or_empty(doc_str(doc_get(status, "name")));

	return (struct kill_record){
		.what = str_eq(container, SIDECAR) ? KILL_SIDECAR : KILL_WORKLOAD,
		.namespace = arena_strdup(a, kube_namespace(pod)),
		.pod = arena_strdup(a, kube_name(pod)),
		.uid = arena_strdup(a, kube_uid(pod)),
		.container = arena_strdup(a, container),
		.address = arena_strdup(a, doc_find_str(pod, "status.podIP")),
		.restarts = restarts_of(status),
	};
}

static bool is_known(const kill_records *kills, const struct kill_record *like)
{
	for (size_t i = 0; i < kills->n; i++) {
		const struct kill_record *k = &kills->items[i];

		if (str_eq(k->uid, like->uid) && str_eq(k->container, like->container) &&
		    k->restarts >= like->restarts)
			return true;
	}
	return false;
}

/* Somebody else's kill: how a run of the container has ended, which was its number restarts. */
static void look_for_foreign(struct story *s, kill_records *kills, const struct doc *pod,
			     const struct doc *status, const struct doc *ended, int64_t restarts)
{
	struct kill_record k;
	int64_t at;

	if (!ended || doc_int_or(doc_get(ended, "exitCode"), 0) != EXIT_KILLED ||
	    !str_empty(doc_str(doc_get(ended, "message"))))
		return;
	k = record_of(s, pod, status);
	k.restarts = restarts;
	if (is_known(kills, &k) ||
	    clock_parse_rfc3339(str_or_empty(doc_str(doc_get(ended, "finishedAt"))), &at) < 0 ||
	    at < s->counting_wall_ns)
		return;
	k.killed_ns = at - KILLS_NOTICE_NS;
	k.noticed_ns = at + (int64_t)NS_PER_S;
	k.foreign = true;
	vec_push(kills, k);
}

/* The run before this one; and this one, in a pod that is ending and starts nothing again. */
static void look_at(struct story *s, kill_records *kills, const struct doc *pod,
		    const struct doc *status)
{
	int64_t n = restarts_of(status);

	look_for_foreign(s, kills, pod, status, doc_find(status, "lastState.terminated"), n - 1);
	look_for_foreign(s, kills, pod, status, doc_find(status, "state.terminated"), n);
}

static void on_change(void *arg, UNUSED enum kube_change change,
		      UNUSED const struct kube_object *old, const struct kube_object *now)
{
	struct story *s = arg;
	/* An agent's end excuses no request: what is on the node's own network serves none. */
	bool agent = now && doc_bool_or(doc_find(now->doc, "spec.hostNetwork"), false);

	for (size_t i = 0; now && i < ARRAY_SIZE(status_lists); i++)
		doc_foreach_item (doc_get(doc_get(now->doc, "status"), status_lists[i]), c)
			look_at(s, agent ? &s->agents : &s->hits.kills, now->doc, c);
	follow_all(s);
}

void story_watch_start(struct story *s)
{
	static const struct kube_informer_handlers handlers = {.on_change = on_change};
	struct kube_informer_options o = {.max_backoff_ns = NS_PER_S};

	if (s->pods)
		return;
	o.kind = object_kind(KIND_ENDPOINT_SLICE);
	s->slices = kube_informer_new(s->cluster.client, &o, &handlers, s);
	o.kind = object_kind(KIND_POD);
	s->pods = kube_informer_new(s->cluster.client, &o, &handlers, s);
}

void story_watch_stop(struct story *s)
{
	kube_informer_free(s->pods);
	kube_informer_free(s->slices);
	s->pods = s->slices = NULL;
}

/* --- choosing --- */

static bool may_go(const struct story *s, const struct doc *pod, const struct doc *status,
		   enum kill_what what)
{
	bool sidecar = str_eq(doc_str(doc_get(status, "name")), SIDECAR);

	/* A second kill of one container may be followed by a back-off. */
	return sidecar == (what == KILL_SIDECAR) && restarts_of(status) == 0 &&
	       doc_find(status, "state.running") && kube_condition_true(pod, "Ready") &&
	       !kube_deleting(pod) && is_replaceable(s, kube_uid(pod));
}

/* How many may go; ret_kill is the one of the number wanted. */
static size_t candidates(struct story *s, enum kill_what what, size_t wanted,
			 struct kill_record *ret_kill)
{
	size_t n = 0;

	kube_informer_foreach (s->pods, o) {
		if (!str_eq(o->namespace_, s->namespace))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(status_lists); i++)
			doc_foreach_item (doc_get(doc_get(o->doc, "status"), status_lists[i]), c)
				if (may_go(s, o->doc, c, what) && n++ == wanted)
					*ret_kill = record_of(s, o->doc, c);
	}
	return n;
}

bool story_watch_pick(struct story *s, enum kill_what what, uint64_t roll,
		      struct kill_record *ret_kill)
{
	size_t n;

	if (!s->pods || !kube_informer_synced(s->pods) || !kube_informer_synced(s->slices))
		return false;
	vec_foreach (&s->hits.kills, k)
		if (is_open(k))
			return false;
	n = candidates(s, what, SIZE_MAX, ret_kill);
	if (n)
		candidates(s, what, roll % n, ret_kill);
	return n > 0;
}
