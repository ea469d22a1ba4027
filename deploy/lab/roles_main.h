/* SPDX-License-Identifier: Apache-2.0 */
/* deploy/lab/roles_main.h - the roles that are commands of sidestep-lab, and their options. */
#pragma once

#include "deploy/lab/role.h"

/* A role without options of its own. */
struct bare_role_options {
	struct role_options role;
};
extern const struct role_options role_defaults;
extern const struct cli_option role_rows[3];

struct controllers_role_options {
	struct role_options role;
	const char *pod_cidr;
};
int lab_controllers_main(const struct cli_call *call, struct error *err);

struct dns_role_options {
	struct role_options role;
	const char *listen;
};
int lab_dns_main(const struct cli_call *call, struct error *err);

struct relay_role_options {
	const char *lab, *to_kubeconfig, *underlay, *underlay_netns;
};
int lab_relay_main(const struct cli_call *call, struct error *err);

int lab_injector_main(const struct cli_call *call, struct error *err);
int lab_istiod_main(const struct cli_call *call, struct error *err);
/* In the istio-proxy container. Raw arguments. */
int lab_istio_proxy_main(const struct cli_call *call, struct error *err);

#define LAB_ISTIO_COMMANDS                                                                         \
	{.name = "injector",                                                                       \
	 .summary = "the injection webhook",                                                       \
	 .hidden = true,                                                                           \
	 .run = lab_injector_main,                                                                 \
	 CLI_OPTIONS(role_rows),                                                                   \
	 CLI_DEFAULTS(role_defaults)},                                                             \
		{.name = "istiod",                                                                 \
		 .summary = "sidecars' configuration and certificates",                            \
		 .hidden = true,                                                                   \
		 .run = lab_istiod_main,                                                           \
		 CLI_OPTIONS(role_rows),                                                           \
		 CLI_DEFAULTS(role_defaults)},                                                     \
	{                                                                                          \
		.name = "istio-proxy", .summary = "Envoy beside a workload, drained at its end",   \
		.args = "[ARG...]", .max_args = -1, .hidden = true, .raw = true,                   \
		.run = lab_istio_proxy_main                                                        \
	}
