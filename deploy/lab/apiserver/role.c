/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/role.h"

#include <signal.h>

#include "deploy/lab/apiserver/apiserver.h"
#include "lib/base/alloc.h"

struct role_options {
	const char *dir, *listen, *netns, *netns_address, *kubeconfig, *netns_kubeconfig, *user;
	const char *pod_logs, *service_cidr;
	int64_t port, netns_port;
	bool allow_faults, no_watch_list, no_gc, verbose;
};

static const struct role_options role_defaults = {
	.listen = "127.0.0.1",
	.port = 6443,
	.netns_address = "172.30.0.1",
	.netns_port = 6443,
	.user = "admin",
	.service_cidr = "10.96.0.0/16",
};

#define OPT(member, name, kind, value, help)                                                       \
	CLI_OPT(struct role_options, member, name, 0, kind, value, help)

static const struct cli_option role_table[] = {
	OPT(dir, "dir", CLI_STRING, "DIR", "where objects and certificates are kept; required"),
	OPT(listen, "listen", CLI_STRING, "ADDRESS", "address to listen on"),
	CLI_NUMBER(struct role_options, port, "port", 0, "N", 0, 65535,
		   "port there; 0 takes a free one"),
	OPT(netns, "netns", CLI_STRING, "FILE", "also listen inside this network namespace"),
	OPT(netns_address, "netns-address", CLI_STRING, "ADDRESS", "address to listen on in there"),
	CLI_NUMBER(struct role_options, netns_port, "netns-port", 0, "N", 0, 65535,
		   "port in there"),
	OPT(kubeconfig, "write-kubeconfig", CLI_STRING, "FILE", "write a kubeconfig for --listen"),
	OPT(netns_kubeconfig, "write-netns-kubeconfig", CLI_STRING, "FILE",
	    "write a kubeconfig for --netns"),
	OPT(user, "user", CLI_STRING, "NAME", "the user those kubeconfigs name"),
	OPT(pod_logs, "pod-logs", CLI_STRING, "DIR",
	    "where the kubelet keeps <uid>/<container>.log"),
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

static int write_config(struct apiserver *s, const struct role_options *o, const char *path,
			const char *address, uint16_t port, struct error *err)
{
	auto_free char *url = NULL;

	if (!path)
		return 0;
	url = xasprintf("https://%s:%u", address, port);
	return apiserver_write_kubeconfig(s, o->user, "system:masters", url, path, err);
}

/* A restart takes the same port again: clients find the server where it was. */
static int listen_all(struct apiserver *s, const struct role_options *o, FILE *out,
		      struct error *err)
{
	uint16_t port = 0;
	int e = apiserver_listen(s, o->listen, (uint16_t)o->port, &port, err);

	if (!e)
		e = write_config(s, o, o->kubeconfig, o->listen, port, err);
	if (e)
		return e;
	fprintf(out, "https://%s:%u\n", o->listen, port);
	fflush(out);
	if (!o->netns)
		return 0;
	e = apiserver_listen_in(s, o->netns, o->netns_address, (uint16_t)o->netns_port, &port, err);
	return e ? e : write_config(s, o, o->netns_kubeconfig, o->netns_address, port, err);
}

static int serve(struct loop *loop, const struct role_options *o, const struct log *log, FILE *out,
		 struct error *err)
{
	const char *const ips[] = {o->netns_address, o->listen, NULL};
	struct apiserver_options options = {
		.dir = o->dir,
		.service_cidr = o->service_cidr,
		.pod_log_dir = o->pod_logs,
		.ips = ips,
		.no_garbage_collection = o->no_gc,
		.no_watch_list = o->no_watch_list,
		.allow_faults = o->allow_faults,
		.log = log,
	};
	struct loop_signal *term = loop_signal_new(loop, SIGTERM, on_signal, loop);
	struct loop_signal *interrupt = loop_signal_new(loop, SIGINT, on_signal, loop);
	struct apiserver *s = NULL;
	int e = apiserver_new(loop, &options, &s, err);

	if (!e)
		e = listen_all(s, o, out, err);
	if (!e)
		e = loop_run(loop, err);
	apiserver_free(s);
	loop_signal_free(term);
	loop_signal_free(interrupt);
	return e;
}

static int run(const struct cli_call *call, struct error *err)
{
	const struct role_options *o = call->opts;
	struct log log = {.out = call->err,
			  .level = o->verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
			  .name = "apiserver",
			  .clock = clock_system()};
	struct loop *loop;
	int e;

	if (!o->dir)
		return cli_usage(call, "--dir is required");
	loop = loop_new(NULL);
	e = serve(loop, o, &log, call->out, err);
	loop_free(loop);
	return e ? e : CLI_OK;
}

const struct cli_command apiserver_role = {
	.name = "apiserver",
	.summary = "serve the Kubernetes API of the lab",
	.details = "Prints its URL when it listens and runs until SIGTERM. Everything it was told "
		   "is on "
		   "disk before\nit answers, so it may be killed at any moment and started again "
		   "with the "
		   "same options.\n",
	CLI_OPTIONS(role_table),
	CLI_DEFAULTS(role_defaults),
	.run = run,
};
