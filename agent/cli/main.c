/* SPDX-License-Identifier: Apache-2.0 */
/* sidestep: the front door, and the commands of a node. */
#include "agent/cli/commands.h"
#include "lib/base/clock.h"
#include "lib/base/macros.h"

static const struct cli_option node_options[] = {
	CLI_OPT(struct node_opts, socket, "socket", 0, CLI_STRING, "PATH",
		"the agent's socket (else SIDESTEP_SOCKET, else the only one in /run/sidestep)"),
	CLI_CHOICE(struct node_opts, output, "output", 'o', output_names, "how to print"),
};

#define NODE_COMMAND CLI_OPTIONS(node_options), .opts_size = sizeof(struct node_opts)

static const struct status_opts status_defaults = {.wait_for = 300 * NS_PER_S};
static const struct cli_option status_options[] = {
	NODE_OPTIONS(struct status_opts),
	CLI_OPT(struct status_opts, wait, "wait", 0, CLI_FLAG, NULL,
		"wait until the agent is ready"),
	CLI_OPT(struct status_opts, wait_for, "wait-duration", 0, CLI_DURATION, "TIME",
		"how long to wait"),
};

static const char *const level_names[] = {"datapath", "policy", NULL};
static const struct regenerate_opts regenerate_defaults = {.max_parallel = 1,
							   .timeout = 600 * NS_PER_S};
static const struct cli_option regenerate_options[] = {
	NODE_OPTIONS(struct regenerate_opts),
	CLI_OPT(struct regenerate_opts, all, "all", 0, CLI_FLAG, NULL,
		"every endpoint of the cluster (with --socket: of that agent)"),
	CLI_OPT(struct regenerate_opts, namespace, "namespace", 'n', CLI_STRING, "NS",
		"endpoints of that namespace"),
	CLI_OPT(struct regenerate_opts, selector, "selector", 'l', CLI_STRING, "LABELS",
		"endpoints of pods with these labels: app=web,tier!=db"),
	CLI_OPT(struct regenerate_opts, nodes, "node", 0, CLI_LIST, "NODE",
		"on these nodes, in this order (else all with an agent, by name)"),
	CLI_NUMBER(struct regenerate_opts, max_failed, "max-failed", 0, "K", 0, INT32_MAX,
		   "go on while no more than K endpoints have failed"),
	CLI_NUMBER(struct regenerate_opts, max_parallel, "max-parallel", 0, "N", 1, 5000,
		   "nodes at a time"),
	CLI_CHOICE(struct regenerate_opts, level, "level", 0, level_names,
		   "datapath: the programs are verified and attached anew, too"),
	CLI_OPT(struct regenerate_opts, job, "job", 0, CLI_STRING, "NAME",
		"the job's name: asked for twice it is done once; alone: look at that job"),
	CLI_OPT(struct regenerate_opts, wait, "wait", 0, CLI_FLAG, NULL,
		"until every node has answered"),
	CLI_OPT(struct regenerate_opts, timeout, "timeout", 0, CLI_DURATION, "TIME",
		"how long to wait"),
	CLI_OPT(struct regenerate_opts, dry_run, "dry-run", 0, CLI_FLAG, NULL,
		"only show the nodes in their order, and how many endpoints each has"),
	CLI_OPT(struct regenerate_opts, kubeconfig, "kubeconfig", 0, CLI_STRING, "FILE",
		"the cluster (else KUBECONFIG, ~/.kube/config, the pod's own account)"),
	CLI_OPT(struct regenerate_opts, context, "context", 0, CLI_STRING, "NAME",
		"context of the kubeconfig"),
};

static const struct cli_option bpf_options[] = {
	NODE_OPTIONS(struct bpf_opts),
	CLI_OPT(struct bpf_opts, pin_root, "pin-root", 0, CLI_STRING, "DIR",
		"where the maps are pinned (else SIDESTEP_PIN_ROOT, what the agent says, "
		"/sys/fs/bpf/sidestep)"),
};
static const struct cli_option bpf_policy_options[] = {
	NODE_OPTIONS(struct bpf_opts),
	CLI_OPT(struct bpf_opts, pin_root, "pin-root", 0, CLI_STRING, "DIR",
		"where the maps are pinned (else SIDESTEP_PIN_ROOT, what the agent says, "
		"/sys/fs/bpf/sidestep)"),
	CLI_NUMBER(struct bpf_opts, endpoint, "endpoint", 0, "ID", 0, 4294967295,
		   "only the rows this endpoint uses"),
};
#define BPF_COMMAND                                                                                \
	CLI_OPTIONS(bpf_options), .opts_size = sizeof(struct bpf_opts), .needs = NEEDS_ROOT

static const struct cli_command endpoint_verbs[] = {
	{"list", "the pods of this node and how policy stands for each", NODE_COMMAND,
	 .run = cmd_endpoint_list, .details = "Example:\n  sidestep endpoint list\n"},
	{"get", "everything the agent knows of one endpoint", .args = "ID|NAMESPACE/POD",
	 .min_args = 1, .max_args = 1, NODE_COMMAND, .run = cmd_endpoint_get,
	 .details = "Example:\n  sidestep endpoint get my-team/web-0\n"},
	{"regenerate", "compare endpoints' rows with the kernel's, repair, decide anew",
	 .args = "[ID|NAMESPACE/POD]", .max_args = 1, CLI_OPTIONS(regenerate_options),
	 CLI_DEFAULTS(regenerate_defaults),
	 .exits = CLI_EXIT(CLI_BLOCKED) | CLI_EXIT(CLI_INCONCLUSIVE) | CLI_EXIT(CLI_INTERRUPTED),
	 .run = cmd_endpoint_regenerate,
	 .details =
		 "Reads what the kernel has of an endpoint, says which rows differ from what they "
		 "should be and\nrepairs them, checks that the attached programs are ours, and "
		 "makes "
		 "every live connection\ndecide again (the generation, before and after, is "
		 "printed). Safe at any time.\n\n"
		 "An ID or NAMESPACE/POD is done by this node's agent, at once. --all, --selector, "
		 "--namespace and\n--node ask the agents of the cluster, through an object that "
		 "they answer: one node after\nanother, each endpoint once, also when agents are "
		 "killed meanwhile. More than --max-failed\nfailures stop everybody. Ctrl-C stops "
		 "only the watching.\n\n"
		 "Exit 3 when endpoints failed, 5 when a node has not answered in time or has no "
		 "agent, 8 on\nCtrl-C.\n\n"
		 "Examples:\n"
		 "  sidestep endpoint regenerate my-team/web-0\n"
		 "  sidestep endpoint regenerate --all --dry-run\n"
		 "  sidestep endpoint regenerate --all --max-failed 3 --wait\n"
		 "  sidestep endpoint regenerate --job regenerate-20261123171500123 --wait\n"},
};
static const struct cli_command identity_verbs[] = {
	{"list", "identities and the labels they stand for", NODE_COMMAND, .run = cmd_identity_list,
	 .details = "Example:\n  sidestep identity list -o json\n"},
};
static const struct cli_command config_verbs[] = {
	{"view", "the agent's options and where each value comes from", NODE_COMMAND,
	 .run = cmd_config_view, .details = "Example:\n  sidestep config view\n"},
};
static const struct cli_command policy_verbs[] = {
	{"get", "policies the agent knows, whether they are enforced, and why not", NODE_COMMAND,
	 .run = cmd_policy_get, .details = "Example:\n  sidestep policy get -o yaml\n"},
};
static const struct cli_command service_verbs[] = {
	{"list", "services and their backends as the agent sees them", NODE_COMMAND,
	 .run = cmd_service_list, .details = "Example:\n  sidestep service list\n"},
};

/* Each map is a noun with the one verb that people know from elsewhere. */
static const struct cli_command bpf_endpoint_verbs[] = {
	{"list", "endpoint rows", BPF_COMMAND, .run = cmd_bpf_endpoint,
	 .details = "Example:\n  sidestep bpf endpoint list\n"},
};
static const struct cli_command bpf_policy_verbs[] = {
	{"list", "policy rows", CLI_OPTIONS(bpf_policy_options),
	 .opts_size = sizeof(struct bpf_opts), .needs = NEEDS_ROOT, .run = cmd_bpf_policy,
	 .details = "Example:\n  sidestep bpf policy list --endpoint 12\n"},
};
static const struct cli_command bpf_ct_verbs[] = {
	{"list", "remembered connections and refusals", BPF_COMMAND, .run = cmd_bpf_ct,
	 .details = "Example:\n  sidestep bpf ct list -o json\n"},
};
static const struct cli_command bpf_lb_verbs[] = {
	{"list", "frontends and backends", BPF_COMMAND, .run = cmd_bpf_lb,
	 .details = "Example:\n  sidestep bpf lb list\n"},
};
static const struct cli_command bpf_ipcache_verbs[] = {
	{"list", "which address has which identity, and behind which node", BPF_COMMAND,
	 .run = cmd_bpf_ipcache, .details = "Example:\n  sidestep bpf ipcache list\n"},
};
static const struct cli_command bpf_metrics_verbs[] = {
	{"list", "packets forwarded and dropped, by reason", BPF_COMMAND, .run = cmd_bpf_metrics,
	 .details = "Example:\n  sidestep bpf metrics list\n"},
};
static const struct cli_command bpf_traffic_verbs[] = {
	{"list", "policy decisions by pair of identities, exact", BPF_COMMAND,
	 .run = cmd_bpf_traffic, .details = "Example:\n  sidestep bpf traffic list\n"},
};
static const struct cli_command bpf_verbs[] = {
	{"endpoint", "pods in the kernel", CLI_VERBS(bpf_endpoint_verbs)},
	{"policy", "policy in the kernel", CLI_VERBS(bpf_policy_verbs)},
	{"ct", "conntrack", CLI_VERBS(bpf_ct_verbs)},
	{"lb", "services", CLI_VERBS(bpf_lb_verbs)},
	{"ipcache", "addresses", CLI_VERBS(bpf_ipcache_verbs)},
	{"metrics", "packet counters", CLI_VERBS(bpf_metrics_verbs)},
	{"traffic", "decision counters", CLI_VERBS(bpf_traffic_verbs)},
};

#define OBSERVE_OPTIONS                                                                            \
	.options = observe_options, .n_options = OBSERVE_N_OPTIONS, CLI_DEFAULTS(observe_defaults)

static const struct cli_command commands[] = {
	{"status", "is this node's mesh well?", CLI_OPTIONS(status_options),
	 CLI_DEFAULTS(status_defaults), .run = cmd_status,
	 .details = "Exit 1 when the agent does not answer or is not ready.\n\n"
		    "Examples:\n  sidestep status\n  sidestep status --wait --wait-duration 5s\n"},
	{"endpoint", "the pods of this node", CLI_VERBS(endpoint_verbs)},
	{"identity", "who is who", CLI_VERBS(identity_verbs)},
	{"policy", "policies as the agent has them", CLI_VERBS(policy_verbs)},
	{"service", "services as the agent has them", CLI_VERBS(service_verbs)},
	{"config", "the agent's configuration (other verbs: sidestep-config)",
	 CLI_VERBS(config_verbs)},
	{"observe",
	 "the last flows, or (-f) flows as they happen: who talks to whom, what was refused",
	 OBSERVE_OPTIONS, .run = cmd_observe,
	 .details = "Examples:\n  sidestep observe --namespace web --verdict DROPPED\n"
		    "  sidestep observe --to-port 8080 -o json | jq .drop_reason_desc"},
	{"monitor", "the same stream by kind of event: --type drop, trace, policy-verdict",
	 OBSERVE_OPTIONS, .run = cmd_observe,
	 .details = "Example:\n  sidestep monitor -f --type drop\n"},
	{"bpf", "what the kernel holds, read from the pinned maps (works without the agent)",
	 CLI_VERBS(bpf_verbs)},
};

static const char *const other_programs[] = {"preflight", "migrate", "runbook", "lab", NULL};

static const struct cli_program program = {
	.name = "sidestep",
	.summary = "a mesh without sidecars: commands of a node, and the way to the other tools",
	.details =
		"`sidestep VERB` starts the program sidestep-VERB where VERB is not listed above:\n"
		"  preflight   is this node, and this cluster, ready?\n"
		"  migrate     moves a namespace off Istio's sidecars, and back\n"
		"  config      diff, drift: what manifests would change, what has changed since\n"
		"  runbook     what to do when something is wrong, as data\n"
		"  lab         a whole cluster on this machine\n\n"
		"What to begin with:\n"
		"  sidestep help preflight run  # what is asked before anything is installed\n"
		"  sidestep help migrate  # the way of a namespace, step by step\n"
		"  sidestep help migrate profile  # the file that --profile reads\n"
		"  sidestep status  # on a node: is its mesh well?\n",
	.commands = commands,
	.n_commands = ARRAY_SIZE(commands),
	.unknown = frontdoor_exec,
	.more_names = other_programs,
};

int main(int argc, char **argv)
{
	return cli_main(&program, argc, argv);
}
