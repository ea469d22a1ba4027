/* SPDX-License-Identifier: Apache-2.0 */
/* agent/cli/commands.h - the commands' functions and the options they share. */
#pragma once

#include "lib/cli/cli.h"

/* Where the agent is and how to print; first in every command's options. */
struct node_opts {
	const char *socket; /* NULL: SIDESTEP_SOCKET, else the only agent of this machine */
	int output;         /* index of output_names */
};

enum output { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_YAML };
extern const char *const output_names[];

#define NODE_OPTIONS(type)                                                                         \
	CLI_OPT(type, node.socket, "socket", 0, CLI_STRING, "PATH",                                \
		"the agent's socket (else SIDESTEP_SOCKET, else the only one in /run/sidestep)"),  \
		CLI_CHOICE(type, node.output, "output", 'o', output_names, "how to print")

struct status_opts {
	struct node_opts node;
	bool wait;
	uint64_t wait_for;
};

struct regenerate_opts {
	struct node_opts node;
	const char *kubeconfig, *context;
	bool all;
	const char *selector, *namespace;
	struct cli_list nodes;
	int64_t max_failed, max_parallel;
	int level;       /* enum regenerate_level */
	const char *job; /* with what to do: its name; alone: look at that one */
	bool wait, dry_run;
	uint64_t timeout;
};

struct bpf_opts {
	struct node_opts node;
	const char
		*pin_root; /* NULL: SIDESTEP_PIN_ROOT, else what the agent says, else the default */
	int64_t endpoint;  /* bpf policy list: 0 all */
};

struct observe_opts {
	const char *socket;
	struct cli_list namespaces, from_namespaces, to_namespaces;
	struct cli_list pods, from_pods, to_pods;
	struct cli_list labels, from_labels, to_labels;
	struct cli_list identities, from_identities, to_identities;
	struct cli_list ips, from_ips, to_ips;
	struct cli_list ports, from_ports, to_ports;
	struct cli_list workloads, protocols, verdicts, types, reasons;
	int64_t last;   /* of the flows that the agent kept; -1: 20, or none with follow */
	int64_t number; /* stop after so many; 0 never */
	uint64_t duration;
	bool follow; /* go on with what happens; number and duration mean it, too */
	int output;
};
extern const char *const observe_output_names[];
/* Sized, so that a table in another file can say how many. */
#define OBSERVE_N_OPTIONS 29
extern const struct observe_opts observe_defaults;
extern const struct cli_option observe_options[OBSERVE_N_OPTIONS];

int cmd_status(const struct cli_call *call, struct error *err);
int cmd_config_view(const struct cli_call *call, struct error *err);
int cmd_endpoint_list(const struct cli_call *call, struct error *err);
int cmd_endpoint_get(const struct cli_call *call, struct error *err);
int cmd_endpoint_regenerate(const struct cli_call *call, struct error *err);
int cmd_identity_list(const struct cli_call *call, struct error *err);
int cmd_policy_get(const struct cli_call *call, struct error *err);
int cmd_service_list(const struct cli_call *call, struct error *err);
int cmd_observe(const struct cli_call *call, struct error *err);
int cmd_bpf_endpoint(const struct cli_call *call, struct error *err);
int cmd_bpf_policy(const struct cli_call *call, struct error *err);
int cmd_bpf_ct(const struct cli_call *call, struct error *err);
int cmd_bpf_lb(const struct cli_call *call, struct error *err);
int cmd_bpf_ipcache(const struct cli_call *call, struct error *err);
int cmd_bpf_metrics(const struct cli_call *call, struct error *err);
int cmd_bpf_traffic(const struct cli_call *call, struct error *err);

/* frontdoor.c: starts sidestep-VERB, found beside this program or in PATH; -ENOENT when there is
 * none. */
int frontdoor_exec(const struct cli_program *program, int argc, char **argv);
