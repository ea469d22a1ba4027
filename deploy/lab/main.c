/* SPDX-License-Identifier: Apache-2.0 */
/* sidestep-lab: a whole cluster on one machine. One row a command, one row a role. */
#include "deploy/lab/apiserver_role.h"
#include "deploy/lab/kubelet/role.h"
#include "deploy/lab/options.h"
#include "deploy/lab/roles_main.h"
#include "deploy/lab/story/story.h"
#include "deploy/lab/supervise.h"
#include "deploy/lab/workload/workload.h"
#include "lib/base/clock.h"

static const char *const output_names[] = {"table", "json", "yaml", NULL};

static const struct lab_options lab_defaults = {.lab = "lab"};
static const struct cli_option lab_rows[] = {
	CLI_OPT(struct lab_options, lab, "lab", 0, CLI_STRING, "NAME",
		"which lab, when there are several"),
};

static const struct up_options up_defaults = {
	.lab = {.lab = "lab"}, .nodes = 2, .timeout_ns = 120 * NS_PER_S};
static const struct cli_option up_rows[] = {
	LAB_OPTION(struct up_options),
	CLI_NUMBER(struct up_options, nodes, "nodes", 0, "N", 1, 8, "how many nodes"),
	CLI_OPT(struct up_options, istio, "istio", 0, CLI_FLAG, NULL,
		"inject sidecars: webhook, certificate authority, a real Envoy in every pod"),
	CLI_OPT(struct up_options, envoy, "envoy", 0, CLI_STRING, "FILE",
		"the Envoy that sidecars run (with --istio)"),
	CLI_OPT(struct up_options, manifests, "manifests", 0, CLI_LIST, "DIR",
		"apply the manifests of a folder or file"),
	CLI_OPT(struct up_options, random, "random", 0, CLI_STRING, "SEED",
		"apply a generated namespace: services, call graph, policies, intruders"),
	CLI_OPT(struct up_options, kubeconfig, "kubeconfig", 0, CLI_STRING, "FILE",
		"use this real API server instead of the lab's own"),
	CLI_OPT(struct up_options, clsact, "clsact", 0, CLI_FLAG, NULL,
		"attach the datapath the way kernels before 6.6 need it"),
	CLI_OPT(struct up_options, images, "image", 0, CLI_LIST, "NAME:TAG=DIR",
		"an image that means the programs of a folder, see 'sidestep lab image'"),
	CLI_OPT(struct up_options, agent, "agent", 0, CLI_STRING, "NAME:TAG",
		"the image that agents start with (else that of this version)"),
	CLI_OPT(struct up_options, timeout_ns, "timeout", 0, CLI_DURATION, "TIME",
		"how long to wait for each stage"),
};

static const struct status_options status_defaults = {.lab = {.lab = "lab"}};
static const struct cli_option status_rows[] = {
	LAB_OPTION(struct status_options),
	CLI_CHOICE(struct status_options, output, "output", 'o', output_names, "how to print"),
};

static const struct controllers_role_options controllers_defaults = {.role = {.lab = "lab"}};
static const struct cli_option controllers_rows[] = {
	ROLE_OPTIONS(struct controllers_role_options),
	CLI_OPT(struct controllers_role_options, pod_cidr, "pod-cidr", 0, CLI_STRING, "CIDR",
		"nodes get a /24 of it each"),
};

static const struct story_options demo_defaults = {.lab = {.lab = "demo"},
						   .report = "build/demo",
						   .nodes = 2,
						   .window_ns = 10 * NS_PER_S,
						   .timeout_ns = 120 * NS_PER_S};
static const struct cli_option demo_rows[] = {
	LAB_OPTION(struct story_options),
	CLI_OPT(struct story_options, report, "report", 0, CLI_STRING, "DIR",
		"where report.html, .txt, .json and the evidence go"),
	CLI_OPT(struct story_options, envoy, "envoy", 0, CLI_STRING, "FILE",
		"the Envoy that sidecars run"),
	CLI_OPT(struct story_options, random, "random", 0, CLI_STRING, "SEED",
		"tell it about a generated namespace instead"),
	CLI_OPT(struct story_options, from, "from", 0, CLI_STRING, "VERSION=DIR",
		"agents begin with the release that is built there, and go one minor up"),
	CLI_OPT(struct story_options, defects, "defect", 0, CLI_LIST, "NAME=VERSION=DIR",
		"a bad release, built there, which must be stopped at its canary and undone"),
	CLI_OPT(struct story_options, no_upgrade, "no-upgrade", 0, CLI_STRING, "WHY",
		"what the report says where there is no --from"),
	CLI_OPT(struct story_options, no_defects, "no-bad-release", 0, CLI_STRING, "WHY",
		"what the report says where there is no --defect"),
	CLI_OPT(struct story_options, kubeconfig, "kubeconfig", 0, CLI_STRING, "FILE",
		"use this real API server instead of the lab's own"),
	CLI_OPT(struct story_options, profile, "profile", 0, CLI_STRING, "FILE",
		"durations and accepted risks, see 'sidestep migrate help profile' (else the "
		"lab's)"),
	CLI_OPT(struct story_options, window_ns, "window", 0, CLI_DURATION, "TIME",
		"how long each state is measured"),
	CLI_OPT(struct story_options, clsact, "clsact", 0, CLI_FLAG, NULL,
		"attach the datapath the way kernels before 6.6 need it"),
	CLI_OPT(struct story_options, kills, "kills", 0, CLI_FLAG, NULL,
		"kill -9 agents, control plane, tools, sidecars and workloads at random meanwhile"),
	CLI_NUMBER(struct story_options, seed, "seed", 0, "N", 0, INT64_MAX,
		   "repeat the kills of an earlier story, which printed this (else fresh kills)"),
	CLI_OPT(struct story_options, keep, "keep", 0, CLI_FLAG, NULL,
		"leave the lab up afterwards"),
	CLI_OPT(struct story_options, timeout_ns, "timeout", 0, CLI_DURATION, "TIME",
		"how long to wait for each stage of the lab"),
};

static const struct dns_role_options dns_defaults = {.role = {.lab = "lab"},
						     .listen = "127.0.0.1:53"};
static const struct cli_option dns_rows[] = {
	ROLE_OPTIONS(struct dns_role_options),
	CLI_OPT(struct dns_role_options, listen, "listen", 0, CLI_STRING, "ADDRESS:PORT",
		"where to answer, UDP and TCP"),
};

static const struct cli_option relay_rows[] = {
	CLI_OPT(struct relay_role_options, lab, "lab", 0, CLI_STRING, "NAME", "which lab"),
	CLI_OPT(struct relay_role_options, to_kubeconfig, "to-kubeconfig", 0, CLI_STRING, "FILE",
		"the kubeconfig that names the server"),
	CLI_OPT(struct relay_role_options, underlay, "underlay", 0, CLI_STRING, "ADDRESS:PORT",
		"where to listen"),
	CLI_OPT(struct relay_role_options, underlay_netns, "underlay-netns", 0, CLI_STRING, "FILE",
		"the network namespace to listen in"),
};
static const struct relay_role_options relay_defaults = {.lab = "lab"};

static const struct workload_options workload_defaults = {.rate = 1, .lines = 1, .version = "v1"};
static const struct cli_option workload_rows[] = {
	CLI_NUMBER(struct workload_options, http, "http", 0, "PORT", 0, 65535, "serve HTTP/1.1"),
	CLI_NUMBER(struct workload_options, tcp_echo, "tcp-echo", 0, "PORT", 0, 65535,
		   "serve TCP: every line comes back"),
	CLI_NUMBER(struct workload_options, tcp_first, "tcp-first", 0, "PORT", 0, 65535,
		   "serve TCP: a greeting first, then every line comes back"),
	CLI_NUMBER(struct workload_options, udp_echo, "udp-echo", 0, "PORT", 0, 65535,
		   "serve UDP: every line comes back"),
	CLI_OPT(struct workload_options, version, "version", 0, CLI_STRING, "NAME",
		"what the answers call the version"),
	CLI_NUMBER(struct workload_options, rate, "rate", 0, "N", 1, 1000,
		   "requests a second for each target and way of connecting"),
	CLI_OPT(struct workload_options, call, "call", 0, CLI_LIST, "URL",
		"a request that must pass"),
	CLI_OPT(struct workload_options, hold, "hold", 0, CLI_LIST, "URL",
		"a connection held for the life of the pod"),
	CLI_NUMBER(struct workload_options, lines, "lines", 0, "N", 1, 1000,
		   "so many connections for each --hold"),
	CLI_OPT(struct workload_options, refuse, "refuse", 0, CLI_LIST, "URL",
		"a request that must be refused"),
	CLI_OPT(struct workload_options, probe, "probe", 0, CLI_FLAG, NULL,
		"exit 0 when the servers of this network namespace accept"),
};

static const struct cli_command traffic_verbs[] = {
	{.name = "start",
	 .summary = "let paused clients go on, and count from now",
	 .details = "Example:\n  sidestep lab traffic start\n",
	 .run = lab_traffic_start_main,
	 CLI_OPTIONS(lab_rows),
	 CLI_DEFAULTS(lab_defaults)},
	{.name = "report",
	 .summary = "every edge: sent, ok, refused, failed, since the last start",
	 .details = "Exit 3 when a request failed, one that must be refused got through, or a\n"
		    "long-lived connection was lost; 5 when nothing was sent.\n\n"
		    "Example:\n  sidestep lab traffic report -o yaml\n",
	 .exits = CLI_EXIT(CLI_BLOCKED) | CLI_EXIT(CLI_INCONCLUSIVE),
	 .run = lab_traffic_report_main,
	 CLI_OPTIONS(status_rows),
	 CLI_DEFAULTS(status_defaults)},
};

static const struct cli_command fault_verbs[] = {
	{.name = "inject",
	 .summary = "make something go wrong",
	 .args = "KIND [TARGET]",
	 .min_args = 1,
	 .max_args = 2,
	 .details = "Examples:\n"
		    "  sidestep lab fault list  # the kinds, and what target each takes\n"
		    "  sidestep lab fault inject api-slow\n",
	 .needs = NEEDS_ROOT,
	 .run = lab_fault_inject_main,
	 CLI_OPTIONS(lab_rows),
	 CLI_DEFAULTS(lab_defaults)},
	{.name = "list",
	 .summary = "the kinds of faults there are",
	 .details = "Example:\n  sidestep lab fault list\n",
	 .run = lab_fault_list_main},
};

static const struct cli_command image_verbs[] = {
	{.name = "add",
	 .summary = "say which folder of programs an image means",
	 .args = "NAME:TAG DIR",
	 .min_args = 2,
	 .max_args = 2,
	 .details = "The lab pulls nothing: a pod whose image's tag is not named here waits as "
		    "ImagePullBackOff.\n\n"
		    "Example:\n"
		    "  sidestep lab image add sidestep.dev/sidestepd:0.2.0 \\\n"
		    "    \"$(deploy/build-release 0.2.0)\"\n",
	 .needs = NEEDS_ROOT,
	 .run = lab_image_add_main,
	 CLI_OPTIONS(lab_rows),
	 CLI_DEFAULTS(lab_defaults)},
	{.name = "list",
	 .summary = "the images there are",
	 .details = "Example:\n  sidestep lab image list -o json\n",
	 .run = lab_image_list_main,
	 CLI_OPTIONS(status_rows),
	 CLI_DEFAULTS(status_defaults)},
};

static const struct cli_command commands[] = {
	{.name = "up",
	 .summary = "bring a lab up, or to what is asked",
	 .details =
		 "Nodes are network namespaces of this machine, pods are real processes in "
		 "theirs.\n"
		 "Everything lies in /run/sidestep-lab/NAME; `sidestep lab down` removes it all.\n"
		 "Asking again for the same lab changes nothing but applies the manifests "
		 "again.\n\n"
		 "Examples:\n"
		 "  sidestep lab up --nodes 1 --manifests my-team.yaml\n"
		 "  sidestep lab up --lab second --istio --envoy /usr/local/bin/envoy\n",
	 .exits = CLI_EXIT(CLI_INTERRUPTED),
	 .needs = NEEDS_ROOT | NEEDS_BPF,
	 .run = lab_up_main,
	 CLI_OPTIONS(up_rows),
	 CLI_DEFAULTS(up_defaults)},
	{.name = "down",
	 .summary = "remove a lab and everything it made, also after a crash",
	 .details = "Example:\n  sidestep lab down --lab second\n",
	 .needs = NEEDS_ROOT,
	 .run = lab_down_main,
	 CLI_OPTIONS(lab_rows),
	 CLI_DEFAULTS(lab_defaults)},
	{.name = "status",
	 .summary = "what runs in a lab",
	 .details = "Exit 5 when a process of it is not running.\n\n"
		    "Example:\n  sidestep lab status -o json\n",
	 .exits = CLI_EXIT(CLI_INCONCLUSIVE),
	 .run = lab_status_main,
	 CLI_OPTIONS(status_rows),
	 CLI_DEFAULTS(status_defaults)},
	{.name = "shell",
	 .summary = "a shell in the network namespace of a node or a pod",
	 .args = "NODE|NAMESPACE/POD [COMMAND...]",
	 .min_args = 1,
	 .max_args = -1,
	 .details = "With COMMAND it runs that instead, and ends with its exit code.\n\n"
		    "Examples:\n"
		    "  sidestep lab shell node-a\n"
		    "  sidestep lab shell my-team/web-0 -- ip address\n",
	 .needs = NEEDS_ROOT,
	 .run = lab_shell_main,
	 CLI_OPTIONS(lab_rows),
	 CLI_DEFAULTS(lab_defaults)},
	{.name = "traffic",
	 .summary = "what the lab's clients count, edge by edge",
	 CLI_VERBS(traffic_verbs)},
	{.name = "fault",
	 .summary = "kill a process, or make the API server misbehave",
	 CLI_VERBS(fault_verbs)},
	{.name = "image", .summary = "which build folder an image means", CLI_VERBS(image_verbs)},
	{.name = "demo",
	 .summary = "the product's story: one namespace leaves Istio, and comes back, under load",
	 .details = "While clients call and intruders try, the mesh goes one minor up (--from), a "
		    "namespace leaves its\nsidecars and comes back, a configuration is planned, "
		    "applied, touched by somebody else and taken\nback, and releases with a defect "
		    "(--defect) are stopped and undone, each followed by runbook RB-3.\nWhat could "
		    "not be done is said with the reason.\n\n"
		    "Exit 0 when the promise was kept, 3 when it was broken, 5 when it could not "
		    "be judged,\n8 when it was interrupted.\n\n"
		    "Examples:\n"
		    "  sidestep lab demo --envoy /usr/local/bin/envoy\n"
		    "  sidestep lab demo --kills --random 7 --window 20s --report /tmp/report\n",
	 .exits = CLI_EXIT(CLI_INCONCLUSIVE) | CLI_EXIT(CLI_INTERRUPTED),
	 .needs = NEEDS_ROOT | NEEDS_BPF,
	 .run = lab_demo_main,
	 CLI_OPTIONS(demo_rows),
	 CLI_DEFAULTS(demo_defaults)},
	{.name = "workload",
	 .summary = "the application of the lab's pods: serves, calls, counts",
	 .hidden = true,
	 .run = lab_workload_main,
	 CLI_OPTIONS(workload_rows),
	 CLI_DEFAULTS(workload_defaults)},
	/* Roles: started by the supervisor, one process each. */
	APISERVER_ROLE,
	{.name = "supervise",
	 .summary = "start a lab's processes and keep them running",
	 .hidden = true,
	 .needs = NEEDS_ROOT,
	 .run = lab_supervise_main,
	 CLI_OPTIONS(lab_rows),
	 CLI_DEFAULTS(lab_defaults)},
	{.name = "controllers",
	 .summary = "scheduler and controllers",
	 .hidden = true,
	 .run = lab_controllers_main,
	 CLI_OPTIONS(controllers_rows),
	 CLI_DEFAULTS(controllers_defaults)},
	{.name = "dns",
	 .summary = "cluster DNS",
	 .hidden = true,
	 .run = lab_dns_main,
	 CLI_OPTIONS(dns_rows),
	 CLI_DEFAULTS(dns_defaults)},
	{.name = "relay",
	 .summary = "a real API server on the underlay",
	 .hidden = true,
	 .run = lab_relay_main,
	 CLI_OPTIONS(relay_rows),
	 CLI_DEFAULTS(relay_defaults)},
	LAB_KUBELET_COMMANDS,
	LAB_ISTIO_COMMANDS,
};

static const struct cli_program program = {
	.name = "sidestep-lab",
	.summary = "a whole cluster on one machine: real kernel, real packets, real Envoy",
	.details = "The usual way:\n"
		   "  sidestep lab up  # a cluster of two nodes\n"
		   "  export KUBECONFIG=...  # the line that it printed; kubectl works\n"
		   "  sidestep lab status\n"
		   "  sidestep lab down  # removes all of it\n",
	.commands = commands,
	.n_commands = ARRAY_SIZE(commands),
};

int main(int argc, char **argv)
{
	return cli_main(&program, argc, argv);
}
