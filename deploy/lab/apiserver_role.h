/* SPDX-License-Identifier: Apache-2.0 */
/* role.h - the command `apiserver`: a row for sidestep-lab's table, and for a program of its own.
 */
#pragma once

#include "lib/cli/cli.h"

struct apiserver_role_opts {
	const char *lab;  /* names the folders below; NULL: dir says where */
	const char *root; /* of all labs */
	const char *dir, *pod_logs, *kubeconfig, *underlay_kubeconfig;
	const char *listen, *underlay, *underlay_netns, *user, *service_cidr;
	bool allow_faults, no_watch_list, no_gc, verbose;
};

extern const struct cli_option apiserver_role_options[15];
extern const struct apiserver_role_opts apiserver_role_defaults;
int apiserver_role_main(const struct cli_call *call, struct error *err);

#define APISERVER_ROLE                                                                             \
	{                                                                                          \
		.name = "apiserver", .summary = "serve the Kubernetes API of the lab",             \
		.details = "Prints its URL when it listens and runs until SIGTERM. Everything it " \
			   "was told is on disk before\nit answers, so it may be killed at any "   \
			   "moment and started again with the same options.\n",                    \
		.hidden = true, .options = apiserver_role_options,                                 \
		.n_options = ARRAY_SIZE(apiserver_role_options),                                   \
		.defaults = &apiserver_role_defaults,                                              \
		.opts_size = sizeof(struct apiserver_role_opts), .run = apiserver_role_main        \
	}
