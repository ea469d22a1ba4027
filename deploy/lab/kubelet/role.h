/* SPDX-License-Identifier: Apache-2.0 */
/* deploy/lab/kubelet/role.h - rows of sidestep-lab: `kubelet`, and `istio-init` inside a pod. */
#pragma once

#include "lib/cli/cli.h"

struct kubelet_role_options {
	const char *lab, *node, *kubeconfig;
};
extern const struct cli_option kubelet_role_rows[3];
extern const struct kubelet_role_options kubelet_role_defaults;
int lab_kubelet_main(const struct cli_call *call, struct error *err);

/* istio-init: puts the redirect rules into the network namespace it runs in. Raw arguments. */
int lab_istio_init_main(const struct cli_call *call, struct error *err);

#define LAB_KUBELET_COMMANDS                                                                       \
	{.name = "kubelet",                                                                        \
	 .summary = "run the pods of one node",                                                    \
	 .hidden = true,                                                                           \
	 .needs = NEEDS_ROOT,                                                                      \
	 .run = lab_kubelet_main,                                                                  \
	 CLI_OPTIONS(kubelet_role_rows),                                                           \
	 CLI_DEFAULTS(kubelet_role_defaults)},                                                     \
	{                                                                                          \
		.name = "istio-init",                                                              \
		.summary = "Istio's redirect rules for this network namespace",                    \
		.args = "[ARG...]", .max_args = -1, .hidden = true, .raw = true,                   \
		.needs = NEEDS_ROOT, .run = lab_istio_init_main                                    \
	}
