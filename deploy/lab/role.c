/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/role.h"

#include <signal.h>
#include <string.h>

static void on_signal(void *arg, UNUSED int signo)
{
	loop_stop(arg);
}

int role_begin(struct role_base *base, const struct role_options *options, const char *name,
	       FILE *log_to, struct error *err)
{
	struct kube_config_options where = {.kubeconfig = options->kubeconfig};
	struct kube_client_options client = {0};
	int r;

	memset(base, 0, sizeof(*base));
	base->log = (struct log){.out = log_to,
				 .level = options->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
				 .name = name,
				 .clock = clock_system()};
	r = kube_config_load(&base->arena, &where, &base->config, err);
	if (r) {
		arena_release(&base->arena);
		return r;
	}
	base->loop = loop_new(NULL);
	loop_signal_new(base->loop, SIGTERM, on_signal, base->loop);
	loop_signal_new(base->loop, SIGINT, on_signal, base->loop);
	client.field_manager = arena_printf(&base->arena, "sidestep-lab-%s", name);
	client.timeout_ns = 10 * NS_PER_S;
	base->client = kube_client_new(base->loop, &base->config, &client);
	return 0;
}

int role_run(struct role_base *base, struct error *err)
{
	int r = loop_run(base->loop, err);

	return r < 0 ? r : CLI_OK;
}

void role_end(struct role_base *base)
{
	kube_client_free(base->client);
	loop_free(base->loop);
	arena_release(&base->arena);
}
