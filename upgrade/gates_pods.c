/* SPDX-License-Identifier: Apache-2.0 */
/* Gates by pods that a run makes: that the image is there and starts, that new pods get a network.
 */
#include "lib/base/str.h"
#include "upgrade/gates_internal.h"

static struct doc *short_pod(struct arena *a, const struct upgrade *u, const char *image,
			     const char *name, const char *node, bool host_network)
{
	struct doc *d = kube_object_new(a, object_kind(KIND_POD), u->namespace, name);
	struct doc *labels = doc_set_map(a, doc_get(d, "metadata"), "labels");
	struct doc *spec = doc_set_map(a, d, "spec"), *c;

	doc_set_string(a, labels, SIDESTEP_MANAGED_BY_LABEL, SIDESTEP_MANAGED_BY);
	doc_set_string(a, labels, UPGRADE_LABEL, u->run);
	doc_set_string(a, spec, "nodeName", node);
	doc_set_string(a, spec, "restartPolicy", "Never");
	doc_set_bool(a, spec, "hostNetwork", host_network);
	doc_set_bool(a, spec, "automountServiceAccountToken", false);
	doc_set_int(a, spec, "terminationGracePeriodSeconds", 1);
	c = doc_append(a, doc_set_list(a, spec, "tolerations"), doc_map(a));
	doc_set_string(a, c, "operator", "Exists");
	c = doc_append(a, doc_set_list(a, spec, "containers"), doc_map(a));
	doc_set_string(a, c, "name", "pull");
	doc_set_string(a, c, "image", image);
	doc_append(a, doc_set_list(a, c, "command"), doc_string(a, "sidestepd"));
	doc_append(a, doc_get(c, "command"), doc_string(a, "--version"));
	return d;
}

/* The pod as it is; made when it is not there. */
static int make_pod(struct upgrade *u, struct arena *a, struct doc *pod, struct doc **ret_pod,
		    struct error *err)
{
	struct kube_request request = {.verb = KUBE_CREATE,
				       .kind = object_kind(KIND_POD),
				       .namespace_ = u->namespace,
				       .body = pod};
	struct error why = ERROR_INIT;
	int r = cluster_get(u->cluster, a, object_kind(KIND_POD), u->namespace, kube_name(pod),
			    ret_pod, err);

	if (r || *ret_pod)
		return r;
	r = cluster_do(u->cluster, &request, a, ret_pod, &why);
	return r && r != -EEXIST ? error_set(err, r, "%s", why.msg) : 0;
}

/* Why the image does not run there (yet), by the kubelet's word and by the program's own. */
static void read_pod(struct arena *a, const char *node, const struct doc *pod,
		     const char **ret_image, const char **ret_program)
{
	const struct doc *state = doc_find(pod, "status.containerStatuses[0].state");
	const char *waiting = doc_find_str(state, "waiting.reason");
	const char *phase = str_or_empty(doc_find_str(pod, "status.phase"));

	if (waiting || !state || !doc_len(state))
		*ret_image = arena_printf(a, "%s has not got the image yet%s%s", node,
					  waiting ? ": " : "", str_or_empty(waiting));
	if (str_eq(phase, "Succeeded"))
		return;
	*ret_program =
		str_eq(phase, "Failed")
			? arena_printf(a, "on %s its program ended with %lld", node,
				       (long long)doc_find_int(state, "terminated.exitCode", -1))
			: arena_printf(a, "on %s its program has not ended yet", node);
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

	if (make_pod(u, a, short_pod(a, u, side->image, name, node, false), &pod, &why))
		return arena_printf(a, "a pod on %s cannot be made: %s", node, why.msg);
	if (!pod || is_older(pod, since) || kube_deleting(pod)) {
		if (pod)
			remove_pod(u, a, pod);
		return arena_printf(a, "the one on %s was just made", node);
	}
	read_pod(a, node, pod, &image, &program);
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

		r = make_pod(q.u, out->arena,
			     short_pod(out->arena, q.u, q.u->to.image,
				       arena_printf(out->arena, "pull-%s-%s", q.u->run, node), node,
				       true),
			     &pod, err);
		read_pod(out->arena, node, pod, &no_image, &no_program);
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
