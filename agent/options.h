/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/options.h - what an administrator can say to sidestepd: one table for flags, the options
 * file (--config, YAML with the same names), --help and /v1/config.
 */
#pragma once

#include "lib/agentapi/agentapi.h"
#include "lib/cli/cli.h"

struct agent_options {
	const char *config;
	const char *node;
	const char *kubeconfig, *context;
	const char *socket, *state_dir, *queue, *pin_root, *cgroup;
	const char *pod_cidr, *tunnel_device;
	int attach, tunnel, sock_term;
	int64_t tunnel_port, mtu, event_rate;
	uint64_t publish_interval, verify_interval, resync_delay;
	bool refuse;
	int log_level;
	bool log_json;
};

extern const struct agent_options agent_defaults;
extern const struct cli_option agent_option_table[];
extern const size_t agent_n_options;

/*
 * Completes *o from its options file and the node's name. Flags win over the file: what differs
 * from agent_defaults came from a flag. Strings live in the arena.
 */
int agent_options_finish(struct arena *a, struct agent_options *o, struct error *err);
/* Every option with its value and where it came from. */
size_t agent_options_list(struct arena *a, const struct agent_options *o,
			  struct agent_config **ret_items);

enum { AGENT_TUNNEL_VXLAN, AGENT_TUNNEL_NONE };
