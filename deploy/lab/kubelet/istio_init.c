/* SPDX-License-Identifier: Apache-2.0 */
/* The init container of a sidecar'd pod: the same rules as istio-iptables, by iptables-restore. */
#include <stdio.h>
#include <string.h>

#include "deploy/lab/kubelet/role.h"
#include "lib/istio/redirect.h"
#include "lib/loop/spawn.h"

struct restore {
	struct loop *loop;
	int code;
};

static void on_exit_of(void *arg, const struct loop_child_exit *exit)
{
	struct restore *r = arg;

	r->code = exit->code;
	loop_stop(r->loop);
}

/* Without --noflush the table is replaced as a whole, so running twice is running once. */
static int restore(const char *rules, struct error *err)
{
	static const char *const argv[] = {"iptables-restore", "--wait", "10", NULL};
	static const char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
	struct restore r = {loop_new(NULL), -1};
	struct loop_spawn spec = {.argv = argv,
				  .env = env,
				  .input = rules,
				  .input_size = strlen(rules),
				  .fds = {-1, 1, 2}};
	struct loop_child *child = NULL;
	int rc = loop_spawn(r.loop, &spec, on_exit_of, &r, &child, err);

	if (rc == 0)
		rc = loop_run(r.loop, err);
	loop_child_free(child);
	loop_free(r.loop);
	if (rc == 0 && r.code != 0)
		rc = error_set(err, -EIO, "iptables-restore ended with %d", r.code);
	return rc;
}

int lab_istio_init_main(const struct cli_call *call, struct error *err)
{
	auto_release(strbuf) struct strbuf rules = STRBUF_INIT;
	struct istio_redirect redirect;
	struct arena a = ARENA_INIT;
	struct strings args = {arena_array(&a, (size_t)call->n_args + 1, const char *), 0};
	int r;

	/* The container's args may begin with the tool's name, which the kubelet leaves out. */
	args.items[args.n++] = "istio-iptables";
	for (int i = 0; i < call->n_args; i++)
		args.items[args.n++] = call->args[i];
	r = istio_redirect_from_args(&args, &redirect, err);
	if (r == 0)
		r = istio_redirect_render(&redirect, &rules, err);
	if (r == 0)
		r = restore(strbuf_cstr(&rules), err);
	if (r == 0)
		fprintf(call->out, "redirect rules are in place\n");
	arena_release(&a);
	return r;
}
