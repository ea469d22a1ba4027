/* SPDX-License-Identifier: Apache-2.0 */
/* sidestep-config: configuration that can be seen before it is changed. The commands as a table. */
#include "lib/base/clock.h"
#include "lib/base/macros.h"
#include "lib/report/report.h"
#include "lib/run/print.h"
#include "upgrade/config.h"

static const char *const formats[] = {
#define CONFIG_FORMAT_NAME(symbol, name) name,
	CONFIG_FORMATS(CONFIG_FORMAT_NAME) NULL,
#undef CONFIG_FORMAT_NAME
};

#define STATE_HELP                                                                                 \
	"where histories, plans and journals are (else SIDESTEP_STATE, else "                      \
	"~/.local/state/sidestep)"
#define NAME_HELP "which configuration of the cluster (else main)"
#define KEY_HELP  "key of the digests of secret values (else the cluster's, which is made once)"

static const char *const print_formats[] = {PRINT_FORMATS(PRINT_FORMAT_NAME) NULL};
static const char *const show_formats[] = {"yaml", "json", NULL};

static const struct cli_option where_options[] = {
	CLI_OPT(struct config_where_options, kubeconfig, "kubeconfig", 0, CLI_STRING, "FILE",
		"the cluster (else KUBECONFIG, ~/.kube/config, a pod's own account)"),
	CLI_OPT(struct config_where_options, context, "context", 0, CLI_STRING, "NAME",
		"context of the kubeconfig"),
	CLI_OPT(struct config_where_options, place.name, "name", 0, CLI_STRING, "NAME", NAME_HELP),
	CLI_OPT(struct config_where_options, place.state, "state", 0, CLI_STRING, "DIR",
		STATE_HELP),
	CLI_OPT(struct config_where_options, place.digest_key, "digest-key", 0, CLI_STRING, "FILE",
		KEY_HELP),
};
static const struct cli_option repository_option[] = {
	CLI_OPT(struct config_where_options, place.repository, "repository", 0, CLI_STRING, "DIR",
		"this history (a bare git repository); no cluster is asked"),
};

static const struct config_diff_opts diff_defaults = {.context_lines = 3};
static const struct cli_option diff_options[] = {
	CLI_OPT(struct config_diff_opts, files, "filename", 'f', CLI_LIST, "PATH",
		"manifests that are wanted: files, folders, or - for standard input"),
	CLI_OPT(struct config_diff_opts, against, "against", 0, CLI_STRING, "PATH",
		"compare with these manifests, not with a cluster"),
	CLI_OPT(struct config_diff_opts, applied, "applied", 0, CLI_STRING, "PATH",
		"what was applied last (else the newest revision, or what kubectl apply noted)"),
	CLI_OPT(struct config_diff_opts, live, "live", 0, CLI_STRING, "PATH",
		"look at this file or folder of objects instead of a live API"),
	CLI_OPT(struct config_diff_opts, namespace_, "namespace", 'n', CLI_STRING, "NAME",
		"of manifests that name none (else default)"),
	CLI_CHOICE(struct config_diff_opts, output, "output", 'o', formats, "how to print"),
	CLI_NUMBER(struct config_diff_opts, context_lines, "unified", 'U', "N", 0, 1000,
		   "lines around each difference"),
	CLI_OPT(struct config_diff_opts, detailed_exit, "detailed-exitcode", 0, CLI_FLAG, NULL,
		"answer 2 when something differs"),
	CLI_OPT(struct config_diff_opts, prune, "prune", 0, CLI_FLAG, NULL,
		"also what the newest revision has and these manifests do not"),
	CLI_USE(struct config_diff_opts, where, "History", repository_option),
	CLI_USE(struct config_diff_opts, where, "Cluster", where_options),
};

static const struct config_drift_opts drift_defaults = {.diff.was_applied = true,
							.every = 30 * NS_PER_S};
static const struct cli_option drift_options[] = {
	CLI_OPT(struct config_drift_opts, diff.files, "filename", 'f', CLI_LIST, "PATH",
		"manifests that were applied, files, folders, or - (else the newest revision)"),
	CLI_OPT(struct config_drift_opts, once, "once", 0, CLI_FLAG, NULL,
		"look once, as without --watch"),
	CLI_OPT(struct config_drift_opts, watch, "watch", 0, CLI_FLAG, NULL,
		"look again and again, and print what is new, until interrupted"),
	CLI_OPT(struct config_drift_opts, every, "every", 0, CLI_DURATION, "TIME",
		"how long between two looks"),
	CLI_OPT(struct config_drift_opts, ignore, "ignore", 0, CLI_STRING, "FILE",
		"drift that somebody accepts, see 'sidestep-config help ignore'"),
	CLI_OPT(struct config_drift_opts, diff.namespace_, "namespace", 'n', CLI_STRING, "NAME",
		"of manifests that name none (else default)"),
	CLI_CHOICE(struct config_drift_opts, output, "output", 'o', report_format_names,
		   "how to print"),
	CLI_OPT(struct config_drift_opts, diff.detailed_exit, "detailed-exitcode", 0, CLI_FLAG,
		NULL, "answer 2 when something has drifted"),
	CLI_OPT(struct config_drift_opts, diff.live, "live", 0, CLI_STRING, "PATH",
		"look at this file or folder of objects instead of a live API"),
	CLI_USE(struct config_drift_opts, diff.where, "Cluster", where_options),
};

static const struct config_apply_opts apply_defaults = {
	.diff.context_lines = 3,
	.within = 10 * 60 * NS_PER_S,
	.valid = 24 * 3600 * NS_PER_S,
	.keep = 7 * 24 * 3600 * NS_PER_S,
};
#define UNASKED_HELP "do not ask the server for a dry run of each change"
#define WITHIN_HELP  "how long workloads may take to become ready before all is put back"
#define KEEP_HELP    "how long values from before and after are kept in the cluster, for going back"
#define OVERWRITE_HELP                                                                             \
	"win the conflicts of this object (Deployment/my-team/web), instead of stopping"
#define DELETE_HELP                                                                                \
	"delete this object (Namespace/my-team) with what it holds, though it would be left"
static const struct cli_option plan_options[] = {
	CLI_OPT(struct config_apply_opts, diff.files, "filename", 'f', CLI_LIST, "PATH",
		"manifests that are wanted: files, folders, or - for standard input"),
	CLI_OPT(struct config_apply_opts, out, "out", 0, CLI_STRING, "FILE",
		"write the plan there, for 'sidestep config apply FILE'"),
	CLI_OPT(struct config_apply_opts, diff.namespace_, "namespace", 'n', CLI_STRING, "NAME",
		"of manifests that name none (else default)"),
	CLI_OPT(struct config_apply_opts, diff.prune, "prune", 0, CLI_FLAG, NULL,
		"delete what applies have made and these manifests do not name"),
	CLI_OPT(struct config_apply_opts, overwrite, "overwrite", 0, CLI_LIST, "OBJECT",
		OVERWRITE_HELP),
	CLI_OPT(struct config_apply_opts, diff.deletes, "delete", 0, CLI_LIST, "OBJECT",
		DELETE_HELP),
	CLI_OPT(struct config_apply_opts, why, "message", 'm', CLI_STRING, "TEXT",
		"why, for the history"),
	CLI_OPT(struct config_apply_opts, as, "as", 0, CLI_STRING, "NAME",
		"a name for the revision, to go back to"),
	CLI_OPT(struct config_apply_opts, valid, "valid", 0, CLI_DURATION, "TIME",
		"how long the plan may wait to be carried out"),
	CLI_OPT(struct config_apply_opts, within, "within", 0, CLI_DURATION, "TIME", WITHIN_HELP),
	CLI_OPT(struct config_apply_opts, unasked, "no-server-check", 0, CLI_FLAG, NULL,
		UNASKED_HELP),
	CLI_CHOICE(struct config_apply_opts, diff.output, "output", 'o', formats, "how to print"),
	CLI_NUMBER(struct config_apply_opts, diff.context_lines, "unified", 'U', "N", 0, 1000,
		   "lines around each difference"),
	CLI_OPT(struct config_apply_opts, diff.detailed_exit, "detailed-exitcode", 0, CLI_FLAG,
		NULL, "answer 2 when there is something to do"),
	CLI_USE(struct config_apply_opts, diff.where, "Cluster", where_options),
};
static const struct cli_option apply_options[] = {
	CLI_OPT(struct config_apply_opts, diff.files, "filename", 'f', CLI_LIST, "PATH",
		"manifests that are wanted, or that have the secret values of the plan"),
	CLI_OPT(struct config_apply_opts, diff.namespace_, "namespace", 'n', CLI_STRING, "NAME",
		"of manifests that name none (else default)"),
	CLI_OPT(struct config_apply_opts, diff.prune, "prune", 0, CLI_FLAG, NULL,
		"delete what applies have made and these manifests do not name"),
	CLI_OPT(struct config_apply_opts, overwrite, "overwrite", 0, CLI_LIST, "OBJECT",
		OVERWRITE_HELP),
	CLI_OPT(struct config_apply_opts, diff.deletes, "delete", 0, CLI_LIST, "OBJECT",
		DELETE_HELP),
	CLI_OPT(struct config_apply_opts, why, "message", 'm', CLI_STRING, "TEXT",
		"why, for the history (else what the plan says)"),
	CLI_OPT(struct config_apply_opts, as, "as", 0, CLI_STRING, "NAME",
		"a name for the revision, to go back to"),
	CLI_OPT(struct config_apply_opts, within, "within", 0, CLI_DURATION, "TIME", WITHIN_HELP),
	CLI_OPT(struct config_apply_opts, keep, "keep", 0, CLI_DURATION, "TIME", KEEP_HELP),
	CLI_OPT(struct config_apply_opts, unasked, "no-server-check", 0, CLI_FLAG, NULL,
		UNASKED_HELP),
	CLI_OPT(struct config_apply_opts, yes, "yes", 'y', CLI_FLAG, NULL, "do not ask"),
	CLI_OPT(struct config_apply_opts, dry_run, "dry-run", 0, CLI_FLAG, NULL,
		"only show what would be done"),
	CLI_USE(struct config_apply_opts, diff.where, "Cluster", where_options),
};
static const struct cli_option rollback_options[] = {
	CLI_OPT(struct config_apply_opts, diff.files, "filename", 'f', CLI_LIST, "PATH",
		"manifests that have secret values of that revision"),
	CLI_OPT(struct config_apply_opts, overwrite, "overwrite", 0, CLI_LIST, "OBJECT",
		OVERWRITE_HELP),
	CLI_OPT(struct config_apply_opts, diff.deletes, "delete", 0, CLI_LIST, "OBJECT",
		DELETE_HELP),
	CLI_OPT(struct config_apply_opts, why, "message", 'm', CLI_STRING, "TEXT",
		"why, for the history"),
	CLI_OPT(struct config_apply_opts, as, "as", 0, CLI_STRING, "NAME",
		"a name for the new revision"),
	CLI_OPT(struct config_apply_opts, within, "within", 0, CLI_DURATION, "TIME", WITHIN_HELP),
	CLI_OPT(struct config_apply_opts, keep, "keep", 0, CLI_DURATION, "TIME", KEEP_HELP),
	CLI_OPT(struct config_apply_opts, unasked, "no-server-check", 0, CLI_FLAG, NULL,
		UNASKED_HELP),
	CLI_OPT(struct config_apply_opts, yes, "yes", 'y', CLI_FLAG, NULL, "do not ask"),
	CLI_OPT(struct config_apply_opts, dry_run, "dry-run", 0, CLI_FLAG, NULL,
		"only show what would be done"),
	CLI_USE(struct config_apply_opts, diff.where, "Cluster", where_options),
};
static const struct config_again_opts again_defaults = {0};
static const struct cli_option status_options[] = {
	CLI_CHOICE(struct config_again_opts, output, "output", 'o', print_formats, "how to print"),
	CLI_USE(struct config_again_opts, where, "Cluster", where_options),
};
static const struct cli_option pause_options[] = {
	CLI_USE(struct config_again_opts, where, "Cluster", where_options),
};
static const struct cli_option again_options[] = {
	CLI_OPT(struct config_again_opts, yes, "yes", 'y', CLI_FLAG, NULL, "do not ask"),
	CLI_OPT(struct config_again_opts, dry_run, "dry-run", 0, CLI_FLAG, NULL,
		"only show where the run stands"),
	CLI_USE(struct config_again_opts, where, "Cluster", where_options),
};

static const struct config_history_opts history_defaults = {0};
static const struct cli_option history_options[] = {
	CLI_CHOICE(struct config_history_opts, output, "output", 'o', print_formats,
		   "how to print"),
	CLI_USE(struct config_history_opts, where, "History", repository_option),
	CLI_USE(struct config_history_opts, where, "Cluster", where_options),
};
static const struct cli_option show_options[] = {
	CLI_CHOICE(struct config_history_opts, output, "output", 'o', show_formats, "how to print"),
	CLI_USE(struct config_history_opts, where, "History", repository_option),
	CLI_USE(struct config_history_opts, where, "Cluster", where_options),
};
static const struct cli_option fsck_options[] = {
	CLI_CHOICE(struct config_history_opts, output, "output", 'o', report_format_names,
		   "how to print"),
	CLI_USE(struct config_history_opts, where, "History", repository_option),
	CLI_USE(struct config_history_opts, where, "Cluster", where_options),
};

static const struct cli_command commands[] = {
	{.name = "diff",
	 .summary = "what is wanted, what was applied last and what is there, field by field",
	 .args = "[REVISION REVISION]",
	 .max_args = 2,
	 .details =
		 "Compares three ways, so that it tells apart:\n"
		 "  change    wanted now, not there yet\n"
		 "  drift     somebody changed it; an apply would put it back\n"
		 "  conflict  changed by somebody, and wanted otherwise now\n"
		 "  adopt     differs, and nobody recorded what was applied\n"
		 "What the server filled in and what others keep (an autoscaler's replicas, a "
		 "webhook's caBundle,\nan injected sidecar) is no difference. Nothing is "
		 "changed.\n\n"
		 "Of what `helm template` prints, hooks (helm.sh/hook) are left out, and said: "
		 "Helm alone runs\nthem. What says helm.sh/resource-policy: keep stays when it is "
		 "not wanted any more.\n\n"
		 "Values of Secrets, and whatever looks like a credential, are shown as keyed "
		 "digests: equal digests\nare equal values, and that is all they tell.\n\n"
		 "Examples:\n"
		 "  helm template my-release my-chart | sidestep config diff -f - -n my-team\n"
		 "  sidestep config diff -f manifests --against released --detailed-exitcode\n"
		 "  sidestep config diff -f new.yaml --applied old.yaml -o markdown\n"
		 "  sidestep config diff 3 newest  # two revisions\n",
	 .exits = CLI_EXIT(CLI_CHANGES),
	 .run = verb_diff,
	 CLI_OPTIONS(diff_options),
	 CLI_DEFAULTS(diff_defaults)},
	{.name = "plan",
	 .summary = "what an apply would do, as a file bound to the state it saw",
	 .details = "Compares as diff does, asks the server what it would make of each change, and "
		    "says in which order\nthey would be made and what each does to what runs. The "
		    "file holds no secret value. Exit 3 when\nsomething forbids it: a conflict, a "
		    "field that cannot be changed, a refusal.\n\n"
		    "Examples:\n"
		    "  sidestep config plan -f manifests\n"
		    "  sidestep config plan -f manifests --out plan.json --detailed-exitcode\n"
		    "  helm template my-release my-chart | sidestep config plan -f - -n my-team\n",
	 .exits = CLI_EXIT(CLI_CHANGES) | CLI_EXIT(CLI_BLOCKED),
	 .needs = NEEDS_CLUSTER,
	 .run = verb_plan,
	 CLI_OPTIONS(plan_options),
	 CLI_DEFAULTS(apply_defaults)},
	{.name = "apply",
	 .summary = "carry out a plan, or plan, show and carry out",
	 .args = "[PLAN]",
	 .max_args = 1,
	 .details =
		 "Refuses a plan when anything it saw has moved, and says what. Takes "
		 "pre-images, journals each\nchange before it is made, verifies it, and waits "
		 "until workloads are ready: when they are not in\ntime, or a change is "
		 "refused, everything is put back (exit 9). What somebody else changes\nmeanwhile "
		 "is a conflict, never overwritten. Interrupt it at any time; resume goes on, "
		 "abort "
		 "goes\nback.\n\n"
		 "Examples:\n"
		 "  sidestep config apply plan.json\n"
		 "  sidestep config apply plan.json -f manifests  # the plan's secrets are there\n"
		 "  sidestep config apply -f manifests --prune -m 'new rates' --yes\n",
	 .exits = CLI_EXIT(CLI_BLOCKED) | CLI_EXIT(CLI_INCONCLUSIVE) | CLI_EXIT(CLI_INTERRUPTED) |
		  CLI_EXIT(CLI_ROLLED_BACK) | CLI_EXIT(CLI_ROLLBACK_FAILED),
	 .needs = NEEDS_CLUSTER | MUTATES,
	 .run = verb_apply,
	 .preview = verb_apply_preview,
	 CLI_OPTIONS(apply_options),
	 CLI_DEFAULTS(apply_defaults)},
	{.name = "rollback",
	 .summary = "go back to an earlier revision, by a plan of its own",
	 .args = "REVISION",
	 .min_args = 1,
	 .max_args = 1,
	 .details =
		 "Plans from what is there to what REVISION had, with the same checks as apply; it "
		 "becomes a\nrevision itself. What applies have made since is deleted; what was "
		 "there before they came\nis left, and so is what loses data with it (a Namespace, "
		 "a CustomResourceDefinition, a\nPersistentVolumeClaim, a PersistentVolume), until "
		 "you name it with --delete. Values of Secrets\nare taken from where they were "
		 "kept in the cluster; where they are gone it says so and does\nnothing.\n\n"
		 "Examples:\n"
		 "  sidestep config rollback 3 --dry-run\n"
		 "  sidestep config rollback before-the-sale -m 'the sale is over'\n",
	 .exits = CLI_EXIT(CLI_BLOCKED) | CLI_EXIT(CLI_INCONCLUSIVE) | CLI_EXIT(CLI_INTERRUPTED) |
		  CLI_EXIT(CLI_ROLLED_BACK) | CLI_EXIT(CLI_ROLLBACK_FAILED),
	 .needs = NEEDS_CLUSTER | MUTATES,
	 .run = verb_rollback,
	 .preview = verb_rollback_preview,
	 CLI_OPTIONS(rollback_options),
	 CLI_DEFAULTS(apply_defaults)},
	{.name = "status",
	 .summary = "where applies and rollbacks stand",
	 .args = "[NAME|RUN]",
	 .max_args = 1,
	 .details = "The state of each, who is at it now, why it stopped, and what you can do "
		    "next.\n\n"
		    "Example:\n"
		    "  sidestep config status\n",
	 .needs = NEEDS_CLUSTER,
	 .run = verb_status,
	 CLI_OPTIONS(status_options),
	 CLI_DEFAULTS(again_defaults)},
	{.name = "pause",
	 .summary = "let an apply stop at its next safe point, from anywhere",
	 .args = "[NAME|RUN]",
	 .max_args = 1,
	 .details = "The apply ends with exit code 8 once what it is doing is whole.\n\n"
		    "Example:\n"
		    "  sidestep config pause\n",
	 .needs = NEEDS_CLUSTER,
	 .run = verb_pause,
	 CLI_OPTIONS(pause_options),
	 CLI_DEFAULTS(again_defaults)},
	{.name = "resume",
	 .summary = "go on with an apply that was interrupted, paused or stopped",
	 .args = "[NAME|RUN]",
	 .max_args = 1,
	 .details = "From this machine's journal, or from the cluster's copy when this machine has "
		    "none. While somebody\nis at it, it says who and until when, and does "
		    "nothing.\n\n"
		    "Example:\n"
		    "  sidestep config resume\n",
	 .exits = CLI_EXIT(CLI_BLOCKED) | CLI_EXIT(CLI_INCONCLUSIVE) | CLI_EXIT(CLI_INTERRUPTED) |
		  CLI_EXIT(CLI_ROLLED_BACK) | CLI_EXIT(CLI_ROLLBACK_FAILED),
	 .needs = NEEDS_CLUSTER | MUTATES,
	 .run = verb_resume,
	 .preview = verb_again_preview,
	 CLI_OPTIONS(again_options),
	 CLI_DEFAULTS(again_defaults)},
	{.name = "abort",
	 .summary = "take back an apply that has not ended",
	 .args = "[NAME|RUN]",
	 .max_args = 1,
	 .details =
		 "Takes back what its journal says was made, the last change first. What somebody "
		 "else has changed\nsince stops it, and is named; then agree with them, and abort "
		 "again. An apply that has\nended is taken back with 'sidestep config "
		 "rollback'.\n\n"
		 "Example:\n"
		 "  sidestep config abort\n",
	 .exits = CLI_EXIT(CLI_INTERRUPTED) | CLI_EXIT(CLI_ROLLBACK_FAILED),
	 .needs = NEEDS_CLUSTER | MUTATES,
	 .run = verb_abort,
	 .preview = verb_again_preview,
	 CLI_OPTIONS(again_options),
	 CLI_DEFAULTS(again_defaults)},
	{.name = "history",
	 .summary = "what was applied, by whom and why",
	 .details = "Newest first. The history is a git repository in the state folder, with a "
		    "copy in the cluster\n(ConfigMaps in kube-system), so that another machine "
		    "has the same one. Any git reads it:\n"
		    "  git -C ~/.local/state/sidestep/config/UID/main/history log -p\n\n"
		    "Examples:\n"
		    "  sidestep config history\n"
		    "  sidestep config history -o json\n",
	 .run = verb_history,
	 CLI_OPTIONS(history_options),
	 CLI_DEFAULTS(history_defaults)},
	{.name = "show",
	 .summary = "a revision's manifests",
	 .args = "REVISION",
	 .min_args = 1,
	 .max_args = 1,
	 .details = "REVISION is a number, a name, the beginning of an id (7 digits or more), or "
		    "newest. Values of\nSecrets are digests.\n\n"
		    "Examples:\n"
		    "  sidestep config show newest\n"
		    "  sidestep config show 3 -o json\n",
	 .run = verb_show,
	 CLI_OPTIONS(show_options),
	 CLI_DEFAULTS(history_defaults)},
	{.name = "fsck",
	 .summary = "whether the history is whole, here, in the cluster, and as its runs tell it",
	 .details =
		 "Reads every revision, makes it again from the cluster's copy, and looks for the "
		 "run that made it.\nExit 3 when something is damaged.\n\n"
		 "Examples:\n"
		 "  sidestep config fsck\n"
		 "  sidestep config fsck --repository history.git -o junit\n",
	 .exits = CLI_EXIT(CLI_BLOCKED) | CLI_EXIT(CLI_INCONCLUSIVE),
	 .run = verb_fsck,
	 CLI_OPTIONS(fsck_options),
	 CLI_DEFAULTS(history_defaults)},
	{.name = "drift",
	 .summary = "what has changed since it was applied, by whom and since when",
	 .details = "Looks once, or with --watch until interrupted, and heals nothing. What the "
		    "server filled in and\nwhat others keep (an autoscaler's replicas, a "
		    "webhook's caBundle, an injected sidecar) has not\ndrifted.\n\n"
		    "Examples:\n"
		    "  sidestep config drift --once  # from the newest revision\n"
		    "  sidestep config drift -f released -n my-team\n"
		    "  sidestep config drift -f released --ignore accepted.yaml -o prometheus\n"
		    "  sidestep config drift -f released --detailed-exitcode -o junit\n",
	 .exits = CLI_EXIT(CLI_CHANGES) | CLI_EXIT(CLI_WAIVER_EXPIRED),
	 .run = verb_drift,
	 CLI_OPTIONS(drift_options),
	 CLI_DEFAULTS(drift_defaults)},
};

static void ignore_help(FILE *out)
{
	fputs("The file that `--ignore FILE` of drift reads: what somebody accepts for a while. It "
	      "is YAML (or\nJSON):\n\n"
	      "  waivers:\n"
	      "  - id: config-drift\n"
	      "    scope: Deployment/my-team/web spec.replicas  # as drift prints it\n"
	      "    reason: scaled by hand for the sale\n"
	      "    owner: web-team@example.org\n"
	      "    expires: 2030-06-30  # a day (its end, UTC) or a time like "
	      "2030-06-30T12:00:00Z\n\n"
	      "After its expiry an entry covers nothing, and drift ends with 6 so that nobody "
	      "forgets.\n",
	      out);
}

static const struct cli_topic topics[] = {
	{"ignore", "the file that drift's --ignore reads: accepted drift, with an expiry",
	 ignore_help},
};

int main(int argc, char **argv)
{
	static const struct cli_program program = {
		.name = "sidestep-config",
		.summary = "configuration that can be seen before it changes, and taken back after",
		.details =
			"The usual way:\n"
			"  sidestep config diff -f manifests                # what differs\n"
			"  sidestep config plan -f manifests --out p.json   # what would be done\n"
			"  sidestep config apply p.json                     # does it; Ctrl-C is "
			"safe\n"
			"  sidestep config drift                            # who has changed it "
			"since\n"
			"  sidestep config history                          # what was applied\n"
			"  sidestep config rollback 3                       # if you want to go "
			"back\n",
		.commands = commands,
		.n_commands = ARRAY_SIZE(commands),
		.topics = topics,
		.n_topics = ARRAY_SIZE(topics),
	};

	return cli_main(&program, argc, argv);
}
