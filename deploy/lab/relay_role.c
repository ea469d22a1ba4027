/* SPDX-License-Identifier: Apache-2.0 */
/* `sidestep-lab relay`: a real API server on the underlay. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "deploy/lab/endpoint.h"
#include "deploy/lab/relay.h"
#include "deploy/lab/roles_main.h"
#include "lib/base/str.h"
#include "lib/kube/config.h"

/* "https://host:port" of a kubeconfig; 443 when it names no port. */
static int server_of(const char *kubeconfig, struct endpoint *ret, struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct kube_config config;
	const char *url, *rest;
	int r = kube_config_load(&a, &(struct kube_config_options){.kubeconfig = kubeconfig},
				 &config, err);

	if (r)
		return r;
	url = config.server;
	rest = str_starts(url, "https://") ? url + strlen("https://") : NULL;
	if (!rest)
		return error_set(err, -EINVAL, "%s: server %s is no https:// URL", kubeconfig, url);
	rest = arena_strndup(&a, rest, strcspn(rest, "/"));
	if (!strrchr(rest, ':') || str_ends(rest, "]"))
		rest = arena_printf(&a, "%s:443", rest);
	return endpoint_parse(rest, ret, err);
}

static void on_signal(void *arg, UNUSED int signo)
{
	loop_stop(arg);
}

static int serve(const struct relay_options *options, struct error *err)
{
	struct loop *loop = loop_new(NULL);
	struct relay *relay = NULL;
	int r = relay_new(loop, options, &relay, err);

	loop_signal_new(loop, SIGTERM, on_signal, loop);
	loop_signal_new(loop, SIGINT, on_signal, loop);
	if (!r)
		r = loop_run(loop, err);
	relay_free(relay);
	loop_free(loop);
	return r < 0 ? r : CLI_OK;
}

int lab_relay_main(const struct cli_call *call, struct error *err)
{
	const struct relay_role_options *o = call->opts;
	struct log log = {.out = call->err,
			  .level = LOG_LEVEL_INFO,
			  .name = "relay",
			  .clock = clock_system()};
	struct endpoint to, at;
	int r = endpoint_parse(o->underlay, &at, err);

	if (!r)
		r = server_of(o->to_kubeconfig, &to, err);
	if (r)
		return r;
	return serve(&(struct relay_options){.host = to.address,
					     .port = to.port,
					     .netns = o->underlay_netns,
					     .address = at.address,
					     .listen_port = at.port,
					     .log = &log},
		     err);
}
