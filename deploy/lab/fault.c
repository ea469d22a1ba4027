/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sidestep lab fault`: making something go wrong on purpose. Processes are ended with SIGKILL, by
 * the name of a role or as a pod's container; the API server misbehaves by script (its README).
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "deploy/lab/lab.h"
#include "deploy/lab/options.h"
#include "deploy/lab/ready.h"
#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/kube/sync.h"

struct fault_kind {
	const char *name, *target, *what;
	int (*inject)(struct lab *lab, const char *target, const char *script, struct error *err);
	const char *script; /* of the API server's faults, YAML */
};

/* Killing. */

static int kill_role(struct lab *lab, const char *target, UNUSED const char *script,
		     struct error *err)
{
	pid_t pid;
	int r = lab_named_pid(lab, target, &pid);

	if (r)
		return error_set(err, -ESRCH, "no process \"%s\" runs; see: sidestep lab status",
				 target);
	return kill(pid, SIGKILL) < 0 ? error_errno(err, -errno, "kill %s", target) : 0;
}

/* The kubelet writes "pid starttime": a recycled pid is not it. */
static int read_pid(const char *path, pid_t *ret_pid, struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	unsigned long long started;
	int pid, r = io_read_file(path, 128, &text, err);

	if (r)
		return r;
	if (sscanf(strbuf_cstr(&text), "%d %llu", &pid, &started) < 1 || pid <= 1)
		return error_set(err, -EINVAL, "%s: no pid", path);
	if (lab_start_time(pid) == 0)
		return error_set(err, -ESRCH, "the container does not run");
	*ret_pid = pid;
	return 0;
}

static int pod_uid(struct lab *lab, const char *ns, const char *pod, const char **ret_uid,
		   struct error *err)
{
	struct loop *loop = loop_new(NULL);
	struct kube_client *client = NULL;
	struct doc *object;
	int r = lab_connect(lab, loop, 5 * NS_PER_S, &client, err);

	if (r == 0)
		r = kube_get(client, &lab->arena, object_kind(KIND_POD), ns, pod, &object, err);
	if (r == 0)
		*ret_uid = kube_uid(object);
	kube_client_free(client);
	loop_free(loop);
	return r;
}

static int kill_container(struct lab *lab, const char *target, UNUSED const char *script,
			  struct error *err)
{
	char ns[64], pod[254], container[64] = "";
	const char *uid = NULL;
	pid_t pid = -1;
	int r;

	if (sscanf(target, "%63[^/]/%253[^/]/%63s", ns, pod, container) != 3)
		return error_set(err, -EINVAL, "want NAMESPACE/POD/CONTAINER, not \"%s\"", target);
	r = pod_uid(lab, ns, pod, &uid, err);
	if (r == 0)
		r = read_pid(
			arena_printf(&lab->arena, "%s/pods/%s/%s.pid", lab->dir, uid, container),
			&pid, err);
	if (r == 0 && pid > 1 && kill(pid, SIGKILL) < 0)
		r = error_errno(err, -errno, "kill %s", target);
	return r;
}

/* The API server's script. */

static int put_script(struct lab *lab, UNUSED const char *target, const char *script,
		      struct error *err)
{
	struct loop *loop = loop_new(NULL);
	struct kube_client *client = NULL;
	struct doc_stream stream;
	struct kube_result result;
	int r = doc_read_yaml(&lab->arena, script, strlen(script), "faults", &stream, err);

	if (r == 0)
		r = lab_connect(lab, loop, 5 * NS_PER_S, &client, err);
	if (r == 0) {
		struct kube_request q = {
			.verb = KUBE_UPDATE, .path = "/sidestep/faults", .body = stream.docs[0]};

		r = kube_wait(client, &q, &result, err);
		if (r == -ENOENT)
			error_set(err, r, "this API server takes no faults: a real one does not");
		kube_result_release(&result);
	}
	kube_client_free(client);
	loop_free(loop);
	return r;
}

static int put_file(struct lab *lab, const char *target, UNUSED const char *script,
		    struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	int r = io_read_file(target, 1u << 20, &text, err);

	return r ? r : put_script(lab, NULL, strbuf_cstr(&text), err);
}

static const struct fault_kind kinds[] = {
	{"kill-role", "ROLE", "SIGKILL a process of the lab, by its name in `status`", kill_role,
	 NULL},
	{"kill-container", "NAMESPACE/POD/CONTAINER", "SIGKILL a pod's container", kill_container,
	 NULL},
	{"api-cut", NULL, "reset every watch once it delivers an event", put_script,
	 "faults: [{match: {verb: watch}, times: 50, watch: cut, afterEvents: 1}]"},
	{"api-silent", NULL, "new watches say nothing", put_script,
	 "faults: [{match: {verb: watch}, times: 50, watch: silent}]"},
	{"api-expire", NULL, "forget history: every watch must list again (410)", put_script,
	 "{forgetHistory: true, faults: [{match: {verb: watch}, times: 50, watch: expire}]}"},
	{"api-conflict", NULL, "refuse updates with 409", put_script,
	 "faults: [{match: {verb: update}, times: 20, status: 409, reason: Conflict}]"},
	{"api-busy", NULL, "answer 429 with Retry-After", put_script,
	 "faults: [{match: {verb: patch}, times: 50, status: 429, retryAfterSeconds: 1}]"},
	{"api-error", NULL, "answer 500", put_script,
	 "faults: [{match: {verb: get}, times: 50, status: 500}]"},
	{"api-slow", NULL, "answer after half a second", put_script, "faults: [{delayMs: 500}]"},
	{"api-script", "FILE", "whatever the file says (deploy/lab/apiserver/README.md)", put_file,
	 NULL},
	{"api-clear", NULL, "end the API server's faults", put_script, "faults: []"},
};

int lab_fault_list_main(const struct cli_call *call, UNUSED struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		fprintf(call->out, "%-16s %-24s %s\n", kinds[i].name, str_or_empty(kinds[i].target),
			kinds[i].what);
	return CLI_OK;
}

int lab_fault_inject_main(const struct cli_call *call, struct error *err)
{
	const struct lab_options *o = call->opts;
	const struct fault_kind *kind = NULL;
	const char *target = call->n_args > 1 ? call->args[1] : NULL;
	struct lab lab;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (str_eq(kinds[i].name, call->args[0]))
			kind = &kinds[i];
	if (!kind) {
		fprintf(call->err, "no fault \"%s\"; see: sidestep lab fault list\n",
			call->args[0]);
		return CLI_USAGE;
	}
	if (!kind->target != !target) {
		fprintf(call->err, "%s takes %s\n", kind->name,
			kind->target ? kind->target : "no target");
		return CLI_USAGE;
	}
	r = lab_load(&lab, o->lab, err);
	if (r == 0)
		r = kind->inject(&lab, target, kind->script, err);
	if (r == 0)
		fprintf(call->err, "done: %s\n", kind->what);
	lab_release(&lab);
	return r;
}
