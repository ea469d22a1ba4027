/* SPDX-License-Identifier: Apache-2.0 */
/* deploy/lab/roles_main.h - the roles that are commands of sidestep-lab, and their options. */
#pragma once

#include "deploy/lab/role.h"

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
