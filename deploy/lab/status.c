/* SPDX-License-Identifier: Apache-2.0 */
/* `sidestep lab status` and `sidestep lab shell`. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "deploy/lab/options.h"
#include "deploy/lab/ready.h"
#include "deploy/lab/roles.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/doc/doc.h"
#include "lib/kube/sync.h"
#include "lib/net/netns.h"

static struct doc *process_doc(struct arena *a, const struct lab *lab, const char *name,
			       const char *what)
{
	struct doc *d = doc_map(a);
	pid_t pid;
	bool alive = lab_named_pid(lab, name, &pid) == 0;

	doc_set_string(a, d, "name", name);
	doc_set_bool(a, d, "running", alive);
	if (alive)
		doc_set_int(a, d, "pid", pid);
	doc_set_string(a, d, "what", what);
	return d;
}

static struct doc *status_doc(struct arena *a, struct lab *lab)
{
	struct role_process list[LAB_MAX_PROCESSES];
	size_t n = lab_processes(lab, list);
	struct doc *d = doc_map(a), *processes;

	doc_set_string(a, d, "name", lab->name);
	doc_set_string(a, d, "dir", lab->dir);
	doc_set_string(a, d, "kubeconfig", lab->kubeconfig_here);
	doc_set_bool(a, d, "istio", lab->istio);
	processes = doc_set_list(a, d, "processes");
	doc_append(a, processes, process_doc(a, lab, "supervise", "keeps the others running"));
	for (size_t i = 0; i < n; i++)
		doc_append(a, processes, process_doc(a, lab, list[i].name, list[i].role->what));
	for (unsigned i = 0; i < lab->n_nodes; i++)
		doc_append(a, processes,
			   process_doc(a, lab, arena_printf(a, "sidestepd.%s", lab->nodes[i].name),
				       "mesh agent, a pod of the DaemonSet " LAB_AGENT_NAME));
	return d;
}

static void print_table(const struct doc *d, FILE *out)
{
	fprintf(out, "lab %s in %s\nexport KUBECONFIG=%s\n\n", doc_str(doc_get(d, "name")),
		doc_str(doc_get(d, "dir")), doc_str(doc_get(d, "kubeconfig")));
	fprintf(out, "%-20s %-9s %8s  %s\n", "PROCESS", "STATE", "PID", "WHAT");
	doc_foreach_item (doc_get(d, "processes"), p)
		fprintf(out, "%-20s %-9s %8lld  %s\n", doc_str(doc_get(p, "name")),
			doc_bool_or(doc_get(p, "running"), false) ? "running" : "DEAD",
			(long long)doc_int_or(doc_get(p, "pid"), 0), doc_str(doc_get(p, "what")));
}

int lab_status_main(const struct cli_call *call, struct error *err)
{
	const struct status_options *o = call->opts;
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	struct arena a = ARENA_INIT;
	struct lab lab;
	int r = lab_load(&lab, o->lab.lab, err);

	if (!r) {
		struct doc *d = status_doc(&a, &lab);

		if (o->output == 0) {
			print_table(d, call->out);
		} else if (o->output == 1) {
			doc_write_json(d, DOC_PRETTY, &text);
			fprintf(call->out, "%s\n", strbuf_cstr(&text));
		} else {
			doc_write_yaml(d, &text);
			fputs(strbuf_cstr(&text), call->out);
		}
		doc_foreach_item (doc_get(d, "processes"), p)
			r = doc_bool_or(doc_get(p, "running"), false) ? r : CLI_INCONCLUSIVE;
	}
	arena_release(&a);
	lab_release(&lab);
	return r;
}

/* The namespace of a pod is the one of its first container's process; the kubelet keeps its path.
 */
static const char *pod_netns(struct lab *lab, const char *ns, const char *pod, struct error *err)
{
	struct loop *loop = loop_new(NULL);
	struct kube_client *client = NULL;
	struct arena *a = &lab->arena;
	struct doc *object = NULL;
	const char *path = NULL;
	int r = lab_connect(lab, loop, NS_PER_S, &client, err);

	if (!r)
		r = kube_get(client, a, object_kind(KIND_POD), ns, pod, &object, err);
	if (!r)
		path = arena_printf(a, "%s/pods/%s/netns", lab->dir, kube_uid(object));
	if (!r && doc_bool_or(doc_find(object, "spec.hostNetwork"), false)) {
		const struct lab_node *node = lab_node(lab, doc_find_str(object, "spec.nodeName"));

		path = node ? node->netns : NULL;
	}
	kube_client_free(client);
	loop_free(loop);
	return path;
}

static int find_netns(struct lab *lab, const char *what, const char **ret_path, struct error *err)
{
	const struct lab_node *node = lab_node(lab, what);
	const char *slash = strchr(what, '/');

	if (node)
		*ret_path = node->netns;
	else if (str_eq(what, "hub"))
		*ret_path = lab->hub_netns;
	else if (slash)
		*ret_path = pod_netns(lab, arena_strndup(&lab->arena, what, (size_t)(slash - what)),
				      slash + 1, err);
	else
		return error_set(err, -EINVAL, "\"%s\" is no node; a pod is NAMESPACE/POD", what);
	return *ret_path ? 0 : -ENOENT;
}

int lab_shell_main(const struct cli_call *call, struct error *err)
{
	const struct lab_options *o = call->opts;
	const char *shell = getenv("SHELL");
	const char *path = NULL;
	struct lab lab;
	int fd = -1;
	int r = lab_load(&lab, o->lab, err);

	if (!r)
		r = find_netns(&lab, call->args[0], &path, err);
	if (!r)
		r = netns_open(path, &fd, err);
	if (!r && setns(fd, CLONE_NEWNET) < 0)
		r = error_errno(err, -errno, "enter %s", path);
	if (!r) {
		setenv("KUBECONFIG", lab.kubeconfig_underlay, 1);
		if (call->n_args > 1)
			execvp(call->args[1], call->args + 1);
		else
			execlp(str_empty(shell) ? "/bin/sh" : shell, "sh", (char *)NULL);
		r = error_errno(err, -errno, "start %s",
				call->n_args > 1 ? call->args[1] : "a shell");
	}
	lab_release(&lab);
	return r;
}
