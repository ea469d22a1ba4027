/* SPDX-License-Identifier: Apache-2.0 */
/* sidestep-migrate: a namespace leaves Istio's sidecars, and comes back. The commands as a table.
 */
#include "migrate/probe.h"
#include "migrate/profile.h"
#include "migrate/verbs.h"

static const char *const look_formats[] = {
	PRINT_FORMATS(PRINT_FORMAT_NAME) "manifests",
	NULL,
};
static const char *const page_formats[] = {
	PRINT_FORMATS(PRINT_FORMAT_NAME) NULL,
};
#define FORMAT_HELP                                                                                \
	"how to print; manifests are the policies alone, to apply or to keep in version control"
#define PROFILE_HELP                                                                               \
	"durations and accepted risks, see 'sidestep migrate help profile' (else "                 \
	"SIDESTEP_MIGRATE_PROFILE, else the defaults there: a day of audit, two of soak)"
#define STATE_HELP "where journals are kept (else SIDESTEP_STATE, else ~/.local/state/sidestep)"

static const struct cli_option cluster_options[] = {
	CLI_OPT(struct cluster_opts, kubeconfig, "kubeconfig", 0, CLI_STRING, "FILE",
		"the cluster (else KUBECONFIG, ~/.kube/config, a pod's own account)"),
	CLI_OPT(struct cluster_opts, context, "context", 0, CLI_STRING, "NAME",
		"context of the kubeconfig"),
};
static const struct cli_option snapshot_options[] = {
	CLI_OPT(struct cluster_opts, kubeconfig, "kubeconfig", 0, CLI_STRING, "FILE",
		"the cluster (else KUBECONFIG, ~/.kube/config, a pod's own account)"),
	CLI_OPT(struct cluster_opts, context, "context", 0, CLI_STRING, "NAME",
		"context of the kubeconfig"),
	CLI_OPT(struct cluster_opts, snapshot, "snapshot", 0, CLI_STRING, "PATH",
		"look at this file or folder of objects instead of a live API"),
};

static const struct look_opts look_defaults = {0};
static const struct cli_option inventory_options[] = {
	CLI_CHOICE(struct look_opts, output, "output", 'o', page_formats, "how to print"),
	CLI_OPT(struct look_opts, file, "file", 'f', CLI_STRING, "FILE",
		"write there instead of standard output"),
	CLI_USE(struct look_opts, cluster, "Cluster", snapshot_options),
};
static const struct cli_option translate_options[] = {
	CLI_CHOICE(struct look_opts, output, "output", 'o', look_formats, FORMAT_HELP),
	CLI_OPT(struct look_opts, file, "file", 'f', CLI_STRING, "FILE",
		"write there instead of standard output"),
	CLI_USE(struct look_opts, cluster, "Cluster", snapshot_options),
};
static const struct cli_option verify_options[] = {
	CLI_CHOICE(struct look_opts, output, "output", 'o', page_formats, "how to print"),
	CLI_OPT(struct look_opts, file, "file", 'f', CLI_STRING, "FILE",
		"write there instead of standard output"),
	CLI_OPT(struct look_opts, policies, "policies", 0, CLI_STRING, "FILE",
		"compare these policies instead of what translate makes"),
	CLI_USE(struct look_opts, cluster, "Cluster", snapshot_options),
};
static const struct cli_option plan_options[] = {
	CLI_CHOICE(struct look_opts, output, "output", 'o', look_formats, FORMAT_HELP),
	CLI_OPT(struct look_opts, file, "file", 'f', CLI_STRING, "FILE",
		"write there instead of standard output (-o json to save a plan)"),
	CLI_OPT(struct look_opts, profile, "profile", 0, CLI_STRING, "FILE", PROFILE_HELP),
	CLI_USE(struct look_opts, cluster, "Cluster", snapshot_options),
};

static const struct run_opts run_defaults = {0};
static const struct cli_option run_options[] = {
	CLI_OPT(struct run_opts, profile, "profile", 0, CLI_STRING, "FILE", PROFILE_HELP),
	CLI_OPT(struct run_opts, plan, "plan", 0, CLI_STRING, "FILE",
		"carry out this saved plan, if it still fits"),
	CLI_OPT(struct run_opts, roll_back, "rollback-on-failure", 0, CLI_FLAG, NULL,
		"go back by itself when a gate says no"),
	CLI_OPT(struct run_opts, yes, "yes", 'y', CLI_FLAG, NULL, "do not ask"),
	CLI_OPT(struct run_opts, dry_run, "dry-run", 0, CLI_FLAG, NULL, "only show the plan"),
	CLI_OPT(struct run_opts, state, "state", 0, CLI_STRING, "DIR", STATE_HELP),
	CLI_USE(struct run_opts, cluster, "Cluster", cluster_options),
};
static const struct cli_option again_options[] = {
	CLI_OPT(struct run_opts, yes, "yes", 'y', CLI_FLAG, NULL, "do not ask"),
	CLI_OPT(struct run_opts, dry_run, "dry-run", 0, CLI_FLAG, NULL,
		"only show where the run stands"),
	CLI_OPT(struct run_opts, state, "state", 0, CLI_STRING, "DIR", STATE_HELP),
	CLI_USE(struct run_opts, cluster, "Cluster", cluster_options),
};
static const struct cli_option resume_options[] = {
	CLI_OPT(struct run_opts, roll_back, "rollback-on-failure", 0, CLI_FLAG, NULL,
		"go back by itself when a gate says no (it does not outlive the run's process)"),
	CLI_OPT(struct run_opts, yes, "yes", 'y', CLI_FLAG, NULL, "do not ask"),
	CLI_OPT(struct run_opts, dry_run, "dry-run", 0, CLI_FLAG, NULL,
		"only show where the run stands"),
	CLI_OPT(struct run_opts, state, "state", 0, CLI_STRING, "DIR", STATE_HELP),
	CLI_USE(struct run_opts, cluster, "Cluster", cluster_options),
};
static const struct cli_option tell_options[] = {
	CLI_CHOICE(struct run_opts, output, "output", 'o', page_formats, "how to print"),
	CLI_OPT(struct run_opts, file, "file", 'f', CLI_STRING, "FILE",
		"write there instead of standard output"),
	CLI_USE(struct run_opts, cluster, "Cluster", cluster_options),
};
static const struct cli_option pause_options[] = {
	CLI_USE(struct run_opts, cluster, "Cluster", cluster_options),
};

static const struct probe_opts probe_defaults = {.within = 10 * NS_PER_S, .result = PROBE_RESULT};
static const struct cli_option probe_options[] = {
	CLI_OPT(struct probe_opts, within, "within", 0, CLI_DURATION, "DURATION",
		"how long to ask again"),
	CLI_OPT(struct probe_opts, expect_sidecar, "expect-sidecar", 0, CLI_FLAG, NULL,
		"wait for this pod's own sidecar too"),
	CLI_OPT(struct probe_opts, result, "result", 0, CLI_STRING, "FILE",
		"where the findings go (the container's termination message)"),
};

#define ONE_NAMESPACE .args = "NAMESPACE", .min_args = 1, .max_args = 1

static const struct cli_command commands[] = {
	{.name = "inventory",
	 .summary = "what is there, and who calls whom",
	 .args = "[NAMESPACE]",
	 .max_args = 1,
	 .details = "Every workload, whether it has a sidecar, and the calls between them: what "
		    "Istio's "
		    "policies\nallow, as far as objects say. Without NAMESPACE: of the whole "
		    "cluster.\n\n"
		    "Examples:\n"
		    "  sidestep migrate inventory my-team\n"
		    "  sidestep migrate inventory -o html -f inventory.html\n"
		    "  sidestep migrate inventory my-team --snapshot manifests/\n",
	 .run = verb_inventory,
	 CLI_OPTIONS(inventory_options),
	 CLI_DEFAULTS(look_defaults)},
	{.name = "translate",
	 .summary = "a namespace's Istio objects as policies, field by field",
	 ONE_NAMESPACE,
	 .details = "Every field is exact, approximated, blocked or implicit; exit 3 when one is "
		    "blocked.\n\n"
		    "Examples:\n"
		    "  sidestep migrate translate my-team\n"
		    "  sidestep migrate translate my-team -o manifests -f policies.yaml\n",
	 .exits = CLI_EXIT(CLI_BLOCKED),
	 .run = verb_translate,
	 CLI_OPTIONS(translate_options),
	 CLI_DEFAULTS(look_defaults)},
	{.name = "verify",
	 .summary = "prove that the policies allow exactly what Istio allows",
	 ONE_NAMESPACE,
	 .details = "Compares over every distinguishable connection; exit 3 with a counterexample "
		    "for every\ndifference, 5 when not every one could be compared.\n\n"
		    "Examples:\n"
		    "  sidestep migrate verify my-team\n"
		    "  sidestep migrate verify my-team --policies policies.yaml\n",
	 .exits = CLI_EXIT(CLI_BLOCKED) | CLI_EXIT(CLI_INCONCLUSIVE),
	 .run = verb_verify,
	 CLI_OPTIONS(verify_options),
	 CLI_DEFAULTS(look_defaults)},
	{.name = "plan",
	 .summary = "every step, change, gate and inverse, before the first change",
	 ONE_NAMESPACE,
	 .details =
		 "Exit 3 when something forbids to run it, 5 when something is not known, 6 when "
		 "a waiver\nhas expired. What forbids it has an id; some of it a person may accept "
		 "by that id, in the\nprofile's waivers.\n\n"
		 "Examples:\n"
		 "  sidestep migrate help profile  # the file that --profile reads\n"
		 "  sidestep migrate plan my-team --profile my-team.yaml\n"
		 "  sidestep migrate plan my-team -o json -f plan.json  # for: run --plan "
		 "plan.json\n",
	 .exits = CLI_EXIT(CLI_BLOCKED) | CLI_EXIT(CLI_INCONCLUSIVE) | CLI_EXIT(CLI_WAIVER_EXPIRED),
	 .run = verb_plan,
	 CLI_OPTIONS(plan_options),
	 CLI_DEFAULTS(look_defaults)},
	{.name = "run",
	 .summary = "move a namespace off its sidecars",
	 ONE_NAMESPACE,
	 .details = "Shows the plan, asks, and carries it out: each change journaled before it is "
		    "made, each gate\nasking two independent sources. Interrupt it at any time; "
		    "resume goes on, rollback goes back.\n\n"
		    "Examples:\n"
		    "  sidestep migrate run my-team --dry-run\n"
		    "  sidestep migrate run my-team --profile my-team.yaml\n"
		    "  sidestep migrate run my-team --plan plan.json --rollback-on-failure --yes\n",
	 .exits = CLI_EXIT(CLI_BLOCKED) | CLI_EXIT(CLI_INCONCLUSIVE) |
		  CLI_EXIT(CLI_WAIVER_EXPIRED) | CLI_EXIT(CLI_INTERRUPTED) |
		  CLI_EXIT(CLI_ROLLED_BACK) | CLI_EXIT(CLI_ROLLBACK_FAILED),
	 .needs = NEEDS_CLUSTER | MUTATES,
	 .run = verb_run,
	 .preview = verb_run_preview,
	 CLI_OPTIONS(run_options),
	 CLI_DEFAULTS(run_defaults)},
	{.name = "status",
	 .summary = "where migrations stand",
	 .details = "The state of each, who is at it now, why it stopped, and what you can do "
		    "next.\n\n"
		    "Example:\n"
		    "  sidestep migrate status my-team\n",
	 .args = "[NAMESPACE|RUN]",
	 .max_args = 1,
	 .needs = NEEDS_CLUSTER,
	 .run = verb_status,
	 CLI_OPTIONS(tell_options),
	 CLI_DEFAULTS(run_defaults)},
	{.name = "pause",
	 .summary = "let a run stop at its next safe point, from anywhere",
	 .details = "The run ends with exit code 8 once what it is doing is whole; then 'resume' "
		    "goes on,\n'rollback' goes back.\n\n"
		    "Example:\n"
		    "  sidestep migrate pause my-team\n",
	 .args = "NAMESPACE|RUN",
	 .min_args = 1,
	 .max_args = 1,
	 .needs = NEEDS_CLUSTER,
	 .run = verb_pause,
	 CLI_OPTIONS(pause_options),
	 CLI_DEFAULTS(run_defaults)},
	{.name = "resume",
	 .summary = "go on with a run that was interrupted, paused or stopped",
	 .args = "NAMESPACE|RUN",
	 .min_args = 1,
	 .max_args = 1,
	 .details = "From this machine's journal, or from the cluster's copy when this machine has "
		    "none: anybody\nwith access may take over when nobody is at it any more. While "
		    "somebody is, it says who and\nuntil when, and does nothing.\n\n"
		    "Example:\n"
		    "  sidestep migrate resume my-team\n",
	 .exits = CLI_EXIT(CLI_BLOCKED) | CLI_EXIT(CLI_INCONCLUSIVE) | CLI_EXIT(CLI_INTERRUPTED) |
		  CLI_EXIT(CLI_ROLLED_BACK) | CLI_EXIT(CLI_ROLLBACK_FAILED),
	 .needs = NEEDS_CLUSTER | MUTATES,
	 .run = verb_resume,
	 .preview = verb_back_preview,
	 CLI_OPTIONS(resume_options),
	 CLI_DEFAULTS(run_defaults)},
	{.name = "rollback",
	 .summary = "take a run back: callers first, back to sidecars",
	 .args = "NAMESPACE|RUN",
	 .min_args = 1,
	 .max_args = 1,
	 .exits = CLI_EXIT(CLI_INTERRUPTED) | CLI_EXIT(CLI_ROLLBACK_FAILED),
	 .details =
		 "Takes back what the run's journal says was made. First injection is switched on "
		 "and probe pods\nmay look again; then workloads are restarted, callers before "
		 "their servers, each until its\nsidecars are back; then the rest, the last change "
		 "first: policies go once sidecars answer. Works\nafter an interrupted, a stopped "
		 "and a finished run.\n\n"
		 "Examples:\n"
		 "  sidestep migrate rollback my-team --dry-run\n"
		 "  sidestep migrate rollback my-team\n",
	 .needs = NEEDS_CLUSTER | MUTATES,
	 .run = verb_rollback,
	 .preview = verb_back_preview,
	 CLI_OPTIONS(again_options),
	 CLI_DEFAULTS(run_defaults)},
	{.name = "report",
	 .summary = "timeline, steps, gates and evidence of a run",
	 .args = "NAMESPACE|RUN",
	 .min_args = 1,
	 .max_args = 1,
	 .details = "Example:\n"
		    "  sidestep migrate report my-team -o html -f report.html\n",
	 .needs = NEEDS_CLUSTER,
	 .run = verb_report,
	 CLI_OPTIONS(tell_options),
	 CLI_DEFAULTS(run_defaults)},
	{.name = "probe",
	 .summary = "what a probe pod runs: look at sidecars from inside the cluster",
	 .args = "[NAMESPACE/POD=ADDRESS[@MARK]...]",
	 .max_args = -1,
	 .details = "A run makes its probe pods itself; there is no need to call this. It reads "
		    "the statistics of\nthe named sidecars and of its own, and leaves JSON as the "
		    "container's termination message.\nBehind an @ stands the mark of the "
		    "configuration that a sidecar shall have left behind.\n\n"
		    "Example:\n"
		    "  sidestep migrate probe --result /dev/stdout my-team/web-1=10.0.1.7\n",
	 .run = verb_probe,
	 CLI_OPTIONS(probe_options),
	 CLI_DEFAULTS(probe_defaults)},
};

static const struct cli_topic topics[] = {
	{"profile", "the file that --profile reads: durations and accepted risks", profile_help},
};

int main(int argc, char **argv)
{
	static const struct cli_program program = {
		.name = "sidestep-migrate",
		.summary = "move a namespace off Istio's sidecars, proved and reversible",
		.details =
			"The usual way:\n"
			"  sidestep migrate inventory my-team  # who is there, who calls whom\n"
			"  sidestep migrate translate my-team  # the policies that replace "
			"Istio's\n"
			"  sidestep migrate verify my-team     # proof that they allow the same\n"
			"  sidestep migrate plan my-team       # every change, before any is made\n"
			"  sidestep migrate run my-team        # makes them; Ctrl-C is safe\n"
			"  sidestep migrate rollback my-team   # if you want to go back\n",
		.commands = commands,
		.n_commands = ARRAY_SIZE(commands),
		.topics = topics,
		.n_topics = ARRAY_SIZE(topics),
	};

	return cli_main(&program, argc, argv);
}
