/* SPDX-License-Identifier: Apache-2.0 */
/* deploy/lab/options.h - what every command of sidestep-lab can be told, and their functions. */
#pragma once

#include "lib/cli/cli.h"

struct lab_options {
	const char *lab; /* its name */
};

/* The rows every options table begins with; the struct's first member is a lab_options. */
#define LAB_OPTION(type)                                                                           \
	CLI_OPT(type, lab.lab, "lab", 0, CLI_STRING, "NAME", "which lab, when there are several")

int lab_up_main(const struct cli_call *call, struct error *err);
int lab_down_main(const struct cli_call *call, struct error *err);
int lab_status_main(const struct cli_call *call, struct error *err);
int lab_shell_main(const struct cli_call *call, struct error *err);
int lab_apply_main(const struct cli_call *call, struct error *err);
int lab_traffic_start_main(const struct cli_call *call, struct error *err);
int lab_traffic_report_main(const struct cli_call *call, struct error *err);
int lab_image_add_main(const struct cli_call *call, struct error *err);
int lab_image_list_main(const struct cli_call *call, struct error *err);
int lab_fault_list_main(const struct cli_call *call, struct error *err);
int lab_fault_inject_main(const struct cli_call *call, struct error *err);

struct up_options {
	struct lab_options lab;
	int64_t nodes;
	bool istio;
	bool clsact;
	struct cli_list manifests;
	const char *kubeconfig;
	const char *envoy;
	const char *random; /* seed, or NULL */
	const char *agent;  /* image of the agents, or NULL: the manifest's */
	struct cli_list images;
	uint64_t timeout_ns;
};
struct status_options {
	struct lab_options lab;
	int output;
};
