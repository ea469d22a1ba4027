/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver_role.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "deploy/lab/apiserver/apiserver.h"
#include "deploy/lab/endpoint.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"

const struct apiserver_role_opts apiserver_role_defaults = {
	.root = "/run/sidestep-lab",
	.listen = "127.0.0.1:6443",
	.underlay = "172.30.0.1:6443",
	.user = "admin",
	.service_cidr = "10.96.0.0/16",
};

#define OPT(member, name, kind, value, help)                                                       \
	CLI_OPT(struct apiserver_role_opts, member, name, 0, kind, value, help)

const struct cli_option apiserver_role_options[15] = {
	OPT(lab, "lab", CLI_STRING, "NAME", "keep everything in the folder of this lab"),
	OPT(root, "root", CLI_STRING, "DIR", "where labs have their folders"),
	OPT(dir, "dir", CLI_STRING, "DIR",
	    "where objects and certificates are kept, without a lab"),
	OPT(listen, "listen", CLI_STRING, "ADDRESS:PORT",
	    "where to listen; port 0 takes a free one"),
	OPT(underlay, "underlay", CLI_STRING, "ADDRESS:PORT",
	    "where to listen inside --underlay-netns"),
	OPT(underlay_netns, "underlay-netns", CLI_STRING, "FILE",
	    "also listen inside this network namespace"),
	OPT(kubeconfig, "write-kubeconfig", CLI_STRING, "FILE", "write a kubeconfig for --listen"),
	OPT(underlay_kubeconfig, "write-underlay-kubeconfig", CLI_STRING, "FILE",
	    "write a kubeconfig for --underlay"),
	OPT(user, "user", CLI_STRING, "NAME", "the user those kubeconfigs name"),
	OPT(pod_logs, "pod-logs", CLI_STRING, "DIR", "where kubelets keep <uid>/<container>.log"),
	OPT(service_cidr, "service-cidr", CLI_STRING, "CIDR", "addresses of Services"),
	OPT(allow_faults, "allow-faults", CLI_FLAG, NULL, "serve /sidestep/faults (for tests)"),
	OPT(no_watch_list, "no-watch-list", CLI_FLAG, NULL,
	    "refuse sendInitialEvents, as older servers do"),
	OPT(no_gc, "no-gc", CLI_FLAG, NULL, "leave owners and namespaces to a controller manager"),
	OPT(verbose, "verbose", CLI_FLAG, NULL, "log every request"),
};

static void on_signal(void *arg, int signo)
{
	(void)signo;
	loop_stop(arg);
}

static int write_config(struct apiserver *s, const struct apiserver_role_opts *o, const char *path,
			const struct endpoint *at, struct error *err)
{
	auto_free char *url = xasprintf("https://%s:%u", at->address, at->port);

	return path ? apiserver_write_kubeconfig(s, o->user, "system:masters", url, path, err) : 0;
}

/* Kubeconfigs come last: whoever waits for the file finds a server that listens. */
static int listen_all(struct apiserver *s, const struct apiserver_role_opts *o,
		      struct endpoint *here, struct endpoint *under, struct error *err)
{
	int e = apiserver_listen(s, here->address, here->port, &here->port, err);

	if (!e && o->underlay_netns)
		e = apiserver_listen_in(s, o->underlay_netns, under->address, under->port,
					&under->port, err);
	if (!e && o->underlay_netns)
		e = write_config(s, o, o->underlay_kubeconfig, under, err);
	return e ? e : write_config(s, o, o->kubeconfig, here, err);
}

static int serve(struct loop *loop, const struct apiserver_role_opts *o, struct endpoint *here,
		 struct endpoint *under, const struct cli_call *call, struct error *err)
{
	const char *const ips[] = {here->address, under->address, NULL};
	struct log log = {.out = call->err,
			  .level = o->verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
			  .name = "apiserver",
			  .clock = clock_system()};
	struct apiserver_options options = {
		.dir = o->dir,
		.service_cidr = o->service_cidr,
		.pod_log_dir = o->pod_logs,
		.ips = ips,
		.no_garbage_collection = o->no_gc,
		.no_watch_list = o->no_watch_list,
		.allow_faults = o->allow_faults,
		.log = &log,
	};
	struct apiserver *s = NULL;
	int e = apiserver_new(loop, &options, &s, err);

	if (!e)
		e = listen_all(s, o, here, under, err);
	if (!e) {
		fprintf(call->out, "https://%s:%u\n", here->address, here->port);
		fflush(call->out);
		e = loop_run(loop, err);
	}
	apiserver_free(s);
	return e;
}

static int run(const struct apiserver_role_opts *o, const struct cli_call *call, struct error *err)
{
	struct endpoint here, under;
	struct loop *loop = loop_new(NULL);
	struct loop_signal *term = loop_signal_new(loop, SIGTERM, on_signal, loop);
	struct loop_signal *interrupt = loop_signal_new(loop, SIGINT, on_signal, loop);
	int e = endpoint_parse(o->listen, &here, err);

	if (!e)
		e = endpoint_parse(o->underlay, &under, err);
	if (!e)
		e = serve(loop, o, &here, &under, call, err);
	loop_signal_free(term);
	loop_signal_free(interrupt);
	loop_free(loop);
	return e ? e : CLI_OK;
}

int apiserver_role_main(const struct cli_call *call, struct error *err)
{
	struct apiserver_role_opts o = *(const struct apiserver_role_opts *)call->opts;
	auto_release(arena) struct arena a = ARENA_INIT;

	if (!o.lab && !o.dir)
		return cli_usage(call, "--lab or --dir is required");
	if (o.lab) {
		const char *dir = arena_printf(&a, "%s/%s", o.root, o.lab);

		o.dir = o.dir ? o.dir : arena_printf(&a, "%s/apiserver", dir);
		o.pod_logs = o.pod_logs ? o.pod_logs : arena_printf(&a, "%s/pods", dir);
		if (!o.kubeconfig)
			o.kubeconfig = arena_printf(&a, "%s/kubeconfig", dir);
		if (!o.underlay_kubeconfig)
			o.underlay_kubeconfig = arena_printf(&a, "%s/kubeconfig-underlay", dir);
	}
	return run(&o, call, err);
}
