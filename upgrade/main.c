/* SPDX-License-Identifier: Apache-2.0 */
/* sidestep-upgrade: the mesh goes one minor up or down, node by node. The commands as a table. */
#include "upgrade/verbs.h"

static const char *const formats[] = {PRINT_FORMATS(PRINT_FORMAT_NAME) NULL};

static const struct cli_option cluster_options[] = {
	CLI_OPT(struct upgrade_opts, kubeconfig, "kubeconfig", 0, CLI_STRING, "FILE",
		"the cluster (else KUBECONFIG, ~/.kube/config, a pod's own account)"),
	CLI_OPT(struct upgrade_opts, context, "context", 0, CLI_STRING, "NAME",
		"context of the kubeconfig"),
};
static const struct cli_option hop_options[] = {
	CLI_OPT(struct upgrade_opts, to, "to", 0, CLI_STRING, "VERSION", "the version to go to"),
	CLI_OPT(struct upgrade_opts, releases, "releases", 0, CLI_STRING, "FILE",
		"the releases there are, see 'sidestep upgrade help releases' (else those this "
		"program knows)"),
	CLI_OPT(struct upgrade_opts, profile, "profile", 0, CLI_STRING, "FILE",
		"durations, waves and accepted risks, see 'sidestep upgrade help profile' (else "
		"SIDESTEP_UPGRADE_PROFILE)"),
	CLI_OPT(struct upgrade_opts, staging, "staging", 0, CLI_STRING, "FILE",
		"report of the same hop, done on another cluster"),
	CLI_OPT(struct upgrade_opts, canary, "canary", 0, CLI_STRING, "NODE",
		"the first node (else the worker with most endpoints)"),
	CLI_OPT(struct upgrade_opts, daemonset, "daemonset", 0, CLI_STRING, "NAMESPACE/NAME",
		"the agents (else " DAEMONSET ")"),
	CLI_OPT(struct upgrade_opts, allow_prerelease, "allow-prerelease", 0, CLI_FLAG, NULL,
		"a pre-release may be the target"),
};
/* The struct itself is the group's: the options are among its members. */
#define GROUP(heading, table)                                                                      \
	{                                                                                          \
		.name = (heading), .kind = CLI_GROUP, .group = (table),                            \
		.n_group = sizeof(table) / sizeof((table)[0])                                      \
	}
#define PRINT_OPTIONS                                                                              \
	CLI_CHOICE(struct upgrade_opts, output, "output", 'o', formats, "how to print"),           \
		CLI_OPT(struct upgrade_opts, file, "file", 'f', CLI_STRING, "FILE",                \
			"write there instead of standard output")
#define CHANGE_OPTIONS                                                                             \
	CLI_OPT(struct upgrade_opts, yes, "yes", 'y', CLI_FLAG, NULL, "do not ask"),               \
		CLI_OPT(struct upgrade_opts, state, "state", 0, CLI_STRING, "DIR",                 \
			"where journals are kept (else SIDESTEP_STATE, else "                      \
			"~/.local/state/sidestep)")
#define FINALIZE_OPTION                                                                            \
	CLI_OPT(struct upgrade_opts, finalize, "finalize", 0, CLI_FLAG, NULL,                      \
		"approve U15: afterwards there is no way back but a hop of its own")

static const struct upgrade_opts defaults = {0};
static const struct cli_option plan_options[] = {
	PRINT_OPTIONS,
	CLI_OPT(struct upgrade_opts, snapshot, "snapshot", 0, CLI_STRING, "PATH",
		"look at this file or folder of objects instead of a live API"),
	GROUP("Hop", hop_options),
	GROUP("Cluster", cluster_options),
};
static const struct cli_option run_options[] = {
	CLI_OPT(struct upgrade_opts, plan, "plan", 0, CLI_STRING, "FILE",
		"carry out this saved plan, if it still fits"),
	CHANGE_OPTIONS,
	CLI_OPT(struct upgrade_opts, dry_run, "dry-run", 0, CLI_FLAG, NULL, "only show the plan"),
	FINALIZE_OPTION,
	GROUP("Hop", hop_options),
	GROUP("Cluster", cluster_options),
};
static const struct cli_option resume_options[] = {
	CHANGE_OPTIONS,
	CLI_OPT(struct upgrade_opts, dry_run, "dry-run", 0, CLI_FLAG, NULL,
		"only show where the run stands"),
	FINALIZE_OPTION,
	GROUP("Cluster", cluster_options),
};
static const struct cli_option back_options[] = {
	CHANGE_OPTIONS,
	CLI_OPT(struct upgrade_opts, dry_run, "dry-run", 0, CLI_FLAG, NULL,
		"only show where the run stands"),
	GROUP("Cluster", cluster_options),
};
static const struct cli_option tell_options[] = {
	PRINT_OPTIONS,
	GROUP("Cluster", cluster_options),
};
static const struct cli_option ask_options[] = {
	GROUP("Cluster", cluster_options),
};

#define A_RUN .args = "[RUN]", .max_args = 1
#define RUN_EXITS                                                                                  \
	(CLI_EXIT(CLI_BLOCKED) | CLI_EXIT(CLI_INCONCLUSIVE) | CLI_EXIT(CLI_WAITING) |              \
	 CLI_EXIT(CLI_INTERRUPTED) | CLI_EXIT(CLI_ROLLED_BACK) | CLI_EXIT(CLI_ROLLBACK_FAILED))

static const struct cli_command commands[] = {
	{.name = "plan",
	 .summary = "what one hop will do to whom, before the first change",
	 .details =
		 "Versions, order of the nodes, every step with its gates, what restarts, what is "
		 "converted or\nreset, for how long, and what cannot be taken back. One minor up "
		 "or "
		 "down at a time; what skips\none is refused with the legal hops, and nothing "
		 "forces "
		 "it.\n\n"
		 "Exit 3 when something forbids to run it, 5 when something is not known, 6 when a "
		 "waiver has\nexpired.\n\n"
		 "Examples:\n"
		 "  sidestep upgrade plan --to 0.3.0\n"
		 "  sidestep upgrade help profile  # the file that --profile reads\n"
		 "  sidestep upgrade plan --to 0.3.0 --profile ours.yaml -o json -f plan.json\n",
	 .exits = CLI_EXIT(CLI_BLOCKED) | CLI_EXIT(CLI_INCONCLUSIVE) | CLI_EXIT(CLI_WAIVER_EXPIRED),
	 .run = verb_plan,
	 CLI_OPTIONS(plan_options),
	 CLI_DEFAULTS(defaults)},
	{.name = "run",
	 .summary = "take the mesh to another version, a canary first, then in waves",
	 .details =
		 "Shows the plan, asks, and carries it out: each change journaled before it is "
		 "made, "
		 "each gate\nasking two independent sources, twice. When a gate of the canary, of "
		 "a "
		 "wave or of a second node\nsays no, everything goes back by itself (exit 9); one "
		 "node "
		 "among more than twenty goes back alone\n(exit 3). A gate that cannot tell pauses "
		 "(exit 5). Interrupt it at any time: resume goes on,\nrollback goes back. Before "
		 "U15 "
		 "it waits for an approval of its own (exit 7).\n\n"
		 "Examples:\n"
		 "  sidestep upgrade run --to 0.3.0 --dry-run\n"
		 "  sidestep upgrade run --plan plan.json --yes\n",
	 .exits = RUN_EXITS | CLI_EXIT(CLI_WAIVER_EXPIRED),
	 .needs = NEEDS_CLUSTER | MUTATES,
	 .run = verb_run,
	 .preview = verb_run_preview,
	 CLI_OPTIONS(run_options),
	 CLI_DEFAULTS(defaults)},
	{.name = "status",
	 .summary = "where upgrades stand, and which node has which version",
	 .details = "The state of each run, who is at it now, why it stopped; of every node its "
		    "version; what is\nsafe as it stands, and what you can do next.\n\n"
		    "Example:\n"
		    "  sidestep upgrade status\n",
	 A_RUN,
	 .needs = NEEDS_CLUSTER,
	 .run = verb_status,
	 CLI_OPTIONS(tell_options),
	 CLI_DEFAULTS(defaults)},
	{.name = "pause",
	 .summary = "let a run stop at its next safe point, from anywhere",
	 .details = "The run ends with exit code 8 once what it is doing is whole; then 'resume' "
		    "goes on,\n'rollback' goes back.\n\n"
		    "Example:\n"
		    "  sidestep upgrade pause\n",
	 A_RUN,
	 .needs = NEEDS_CLUSTER,
	 .run = verb_pause,
	 CLI_OPTIONS(ask_options),
	 CLI_DEFAULTS(defaults)},
	{.name = "resume",
	 .summary = "go on with a run that was interrupted, paused or stopped",
	 .details = "From this machine's journal, or from the cluster's copy when this machine has "
		    "none: anybody\nwith access may take over when nobody is at it any more.\n\n"
		    "Examples:\n"
		    "  sidestep upgrade resume\n"
		    "  sidestep upgrade resume --finalize  # approves U15\n",
	 A_RUN,
	 .exits = RUN_EXITS,
	 .needs = NEEDS_CLUSTER | MUTATES,
	 .run = verb_resume,
	 .preview = verb_back_preview,
	 CLI_OPTIONS(resume_options),
	 CLI_DEFAULTS(defaults)},
	{.name = "abort",
	 .summary = "stop a run where it is, and say which node has which version",
	 .details = "As pause; nothing is taken back. It names what stays: mixed versions are safe "
		    "for a while, not\nfor long.\n\n"
		    "Example:\n"
		    "  sidestep upgrade abort\n",
	 A_RUN,
	 .needs = NEEDS_CLUSTER,
	 .run = verb_abort,
	 CLI_OPTIONS(ask_options),
	 CLI_DEFAULTS(defaults)},
	{.name = "rollback",
	 .summary = "take a run back: the last node first, each under the same gates",
	 .details =
		 "Each node that was changed gets the old image and its agent's pod anew, after "
		 "its agent has kept\nthe connections in the older layout, too. Works after an "
		 "interrupted, a stopped and a finished\nrun, but not behind U15: then a downgrade "
		 "is a hop of its own (exit 3). Nor is a run\ntaken back that a later one stands "
		 "on: that one goes first.\n\n"
		 "Examples:\n"
		 "  sidestep upgrade rollback --dry-run\n"
		 "  sidestep upgrade rollback\n",
	 A_RUN,
	 .exits = CLI_EXIT(CLI_BLOCKED) | CLI_EXIT(CLI_INTERRUPTED) | CLI_EXIT(CLI_ROLLBACK_FAILED),
	 .needs = NEEDS_CLUSTER | MUTATES,
	 .run = verb_rollback,
	 .preview = verb_back_preview,
	 CLI_OPTIONS(back_options),
	 CLI_DEFAULTS(defaults)},
	{.name = "report",
	 .summary = "timeline, steps, gates and evidence of a run",
	 .details =
		 "Example:\n"
		 "  sidestep upgrade report -o json -f staging.json  # for --staging elsewhere\n",
	 A_RUN,
	 .needs = NEEDS_CLUSTER,
	 .run = verb_report,
	 CLI_OPTIONS(tell_options),
	 CLI_DEFAULTS(defaults)},
};

static const struct cli_topic topics[] = {
	{"profile", "the file that --profile reads: durations, waves, accepted risks",
	 profile_help},
	{"releases", "the file that --releases reads: which releases there are", releases_help},
};

int main(int argc, char **argv)
{
	static const struct cli_program program = {
		.name = "sidestep-upgrade",
		.summary = "take the mesh one minor up or down, node by node, reversible",
		.details = "The usual way:\n"
			   "  sidestep upgrade plan --to 0.3.0  # what will happen to whom\n"
			   "  sidestep upgrade run --to 0.3.0   # a canary, then waves; Ctrl-C is "
			   "safe\n"
			   "  sidestep upgrade status           # which node has which version\n"
			   "  sidestep upgrade rollback         # if you want to go back\n",
		.commands = commands,
		.n_commands = sizeof(commands) / sizeof(commands[0]),
		.topics = topics,
		.n_topics = sizeof(topics) / sizeof(topics[0]),
	};

	return cli_main(&program, argc, argv);
}
