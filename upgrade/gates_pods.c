/* SPDX-License-Identifier: Apache-2.0 */
/* Gates by pods that a run makes: that the image is there and starts, that new pods get a network.
 */
#include "lib/base/str.h"
#include "upgrade/gates_internal.h"

/* One pod of a run: what it is called, and where it runs what. */
struct wanted_pod {
	const char *name, *node, *image;
	bool host_network;
};

static void copy(struct arena *a, struct doc *to, const struct doc *from, const char *const *keys)
{
	for (; *keys; keys++)
		if (doc_get(from, *keys))
			doc_set(a, to, *keys, doc_clone(a, doc_get(from, *keys)));
}

/*
 * What lets the agents' own pods in and gives them their image does so for this one: a registry's
 * secret, a priority where nodes are full, a user. Of what they may do it needs nothing.
 */
static void like_the_agents(struct arena *a, const struct upgrade *u, const struct doc *daemonset,
			    struct doc *spec, struct doc *container)
{
	static const char *const of_pods[] = {"imagePullSecrets", "priorityClassName",
					      "securityContext", "serviceAccountName", NULL};
	static const char *const of_containers[] = {"imagePullPolicy", "securityContext", NULL};
	static const char *const rights[] = {"privileged", "capabilities", "procMount",
					     "allowPrivilegeEscalation"};
	const struct doc *template = doc_find(daemonset, "spec.template.spec");

	copy(a, spec, template, of_pods);
	doc_foreach_item (doc_get(template, "containers"), c)
		if (str_eq(doc_find_str(c, "name"), u->container))
			copy(a, container, c, of_containers);
	for (size_t i = 0; i < ARRAY_SIZE(rights); i++)
		doc_del(doc_get(container, "securityContext"), rights[i]);
}

static struct doc *short_pod(struct arena *a, const struct upgrade *u, const struct doc *daemonset,
			     const struct wanted_pod *w)
{
	struct doc *d = kube_object_new(a, object_kind(KIND_POD), u->namespace, w->name);
	struct doc *labels = doc_set_map(a, doc_get(d, "metadata"), "labels");
	struct doc *spec = doc_set_map(a, d, "spec"), *c;

	doc_set_string(a, labels, SIDESTEP_MANAGED_BY_LABEL, SIDESTEP_MANAGED_BY);
	doc_set_string(a, labels, UPGRADE_LABEL, u->run);
	doc_set_string(a, spec, "nodeName", w->node);
	doc_set_string(a, spec, "restartPolicy", "Never");
	doc_set_bool(a, spec, "hostNetwork", w->host_network);
	doc_set_bool(a, spec, "automountServiceAccountToken", false);
	doc_set_int(a, spec, "terminationGracePeriodSeconds", 1);
	c = doc_append(a, doc_set_list(a, spec, "tolerations"), doc_map(a));
	doc_set_string(a, c, "operator", "Exists");
	c = doc_append(a, doc_set_list(a, spec, "containers"), doc_map(a));
	doc_set_string(a, c, "name", "pull");
	doc_set_string(a, c, "image", w->image);
	doc_append(a, doc_set_list(a, c, "command"), doc_string(a, "sidestepd"));
	doc_append(a, doc_get(c, "command"), doc_string(a, "--version"));
	like_the_agents(a, u, daemonset, spec, c);
	return d;
}

/* The pod as it is; made when it is not there. */
static int make_pod(struct upgrade *u, struct arena *a, const struct wanted_pod *w,
		    struct doc **ret_pod, struct error *err)
{
	struct kube_request request = {
		.verb = KUBE_CREATE, .kind = object_kind(KIND_POD), .namespace_ = u->namespace};
	struct error why = ERROR_INIT;
	struct doc *daemonset = NULL;
	int r = cluster_get(u->cluster, a, object_kind(KIND_POD), u->namespace, w->name, ret_pod,
			    err);

	if (r || *ret_pod)
		return r;
	r = cluster_get(u->cluster, a, object_kind(KIND_DAEMON_SET), u->namespace, u->daemonset,
			&daemonset, err);
	if (r)
		return r;
	request.body = short_pod(a, u, daemonset, w);
	r = cluster_do(u->cluster, &request, a, ret_pod, &why);
	return r && r != -EEXIST ? error_set(err, r, "%s", why.msg) : 0;
}

static void remove_pod(struct upgrade *u, struct arena *a, const struct doc *pod)
{
	struct kube_request request = {.verb = KUBE_DELETE,
				       .kind = object_kind(KIND_POD),
				       .namespace_ = kube_namespace(pod),
				       .name = kube_name(pod),
				       .uid = kube_uid(pod)};

	if (!kube_deleting(pod))
		cluster_do(u->cluster, &request, a, NULL, NULL);
}

/* One that has failed goes, and is made anew: a full disk, an eviction pass by. */
static const char *failed(struct upgrade *u, struct arena *a, const char *node,
			  const struct doc *pod)
{
	const struct doc *state = doc_find(pod, "status.containerStatuses[0].state.terminated");
	const char *why = doc_find_str(pod, "status.message");

	why = why ? why : doc_find_str(state, "message");
	why = why ? why : doc_find_str(pod, "status.reason");
	why = why ? why : doc_find_str(state, "reason");
	if (state)
		snprintf(u->failed_pod, sizeof(u->failed_pod),
			 "on %s its program ended with %lld%s%s", node,
			 (long long)doc_find_int(state, "exitCode", -1), why ? ": " : "",
			 str_or_empty(why));
	else
		snprintf(u->failed_pod, sizeof(u->failed_pod), "on %s the pod failed%s%s", node,
			 why ? ": " : "", str_or_empty(why));
	remove_pod(u, a, pod);
	return arena_printf(a, "%s; it is tried again", u->failed_pod);
}

/* With what became of the node's one before. */
static const char *not_yet(const struct upgrade *u, struct arena *a, const char *node,
			   const char *words)
{
	return str_starts(u->failed_pod, arena_printf(a, "on %s ", node))
		       ? arena_printf(a, "%s; before that %s", words, u->failed_pod)
		       : words;
}

/* Why the image does not run there (yet), by the kubelet's word and by the program's own. */
static void read_pod(struct upgrade *u, struct arena *a, const char *node, const struct doc *pod,
		     const char **ret_image, const char **ret_program)
{
	const struct doc *state = doc_find(pod, "status.containerStatuses[0].state");
	const char *waiting = doc_find_str(state, "waiting.reason");
	const char *phase = str_or_empty(doc_find_str(pod, "status.phase"));

	if (str_eq(phase, "Succeeded"))
		return;
	if (str_eq(phase, "Failed")) {
		*ret_program = failed(u, a, node, pod);
		return;
	}
	if (waiting || !state || !doc_len(state))
		*ret_image = not_yet(u, a, node,
				     arena_printf(a, "%s has not got the image yet%s%s", node,
						  waiting ? ": " : "", str_or_empty(waiting)));
	*ret_program =
		not_yet(u, a, node, arena_printf(a, "on %s its program has not ended yet", node));
}

static bool is_older(const struct doc *pod, const char *since)
{
	int64_t made, then;

	return since && !clock_parse_rfc3339(since, &then) &&
	       (clock_parse_rfc3339(str_or_empty(doc_find_str(pod, "metadata.creationTimestamp")),
				    &made) ||
		made < then);
}

const char *upgrade_probe(struct upgrade *u, struct arena *a, const struct side *side,
			  const char *node, const char *since)
{
	const char *name = arena_printf(a, "probe-%s-%s", u->run, node);
	const char *image = NULL, *program = NULL;
	struct error why = ERROR_INIT;
	struct doc *pod = NULL;

	if (make_pod(u, a, &(struct wanted_pod){name, node, side->image, false}, &pod, &why))
		return arena_printf(a, "a pod on %s cannot be made: %s", node, why.msg);
	if (!pod || is_older(pod, since) || kube_deleting(pod)) {
		if (pod)
			remove_pod(u, a, pod);
		return arena_printf(a, "the one on %s was just made", node);
	}
	read_pod(u, a, node, pod, &image, &program);
	if (image || program)
		return image ? image : program;
	return str_empty(doc_find_str(pod, "status.podIP"))
		       ? arena_printf(a, "the one on %s had no address", node)
		       : NULL;
}

void upgrade_sweep(struct upgrade *u)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct doc *pods;

	if (cluster_list(u->cluster, &a, object_kind(KIND_POD), u->namespace, &pods, NULL))
		return;
	doc_foreach_item (pods, pod)
		if (str_eq(kube_label(pod, UPGRADE_LABEL), u->run))
			remove_pod(u, &a, pod);
}

GATE_SAMPLE(pulled)
{
	const char *image = NULL, *program = NULL;
	struct asking q;
	int r = asking_begin(&q, env, args, out, gate_sample_pulled, err);

	for (size_t i = 0; !r && i < q.w.n_nodes; i++) {
		const char *node = q.w.nodes[i].name, *no_image = NULL, *no_program = NULL;
		struct doc *pod = NULL;

		r = make_pod(
			q.u, out->arena,
			&(struct wanted_pod){arena_printf(out->arena, "pull-%s-%s", q.u->run, node),
					     node, q.u->to.image, true},
			&pod, err);
		if (!r)
			read_pod(q.u, out->arena, node, pod, &no_image, &no_program);
		image = image ? image : no_image;
		program = program ? program : no_program;
	}
	if (r)
		return r;
	asking_say(&q, ASK_KUBERNETES, image,
		   arena_printf(out->arena, "%zu nodes have %s", q.w.n_nodes, q.u->to.image));
	asking_say(
		&q, ASK_POD, program,
		arena_printf(out->arena, "its program started and ended well on %zu", q.w.n_nodes));
	if (!image && !program && out->decides)
		upgrade_sweep(q.u);
	return 0;
}
