/* SPDX-License-Identifier: Apache-2.0 */
/* sidestepd: one per node; turns what the cluster says into the rows of pinned maps. */
#include "agent/agent.h"
#include "lib/base/macros.h"
#include "lib/cli/cli.h"

static int run(const struct cli_call *call, struct error *err)
{
	struct agent agent;
	int r = agent_start(&agent, call->opts, err);

	if (r == 0)
		r = loop_run(agent.loop, err);
	agent_stop(&agent);
	return r < 0 ? r : CLI_OK;
}

static const struct cli_command commands[] = {
	{.summary = "run the agent of this node",
	 .needs = NEEDS_ROOT | NEEDS_BPF,
	 .run = run,
	 .options = agent_option_table,
	 .n_options = 0, /* set in main: the table is another file's */
	 .defaults = &agent_defaults,
	 .opts_size = sizeof(agent_defaults)},
};

int main(int argc, char **argv)
{
	struct cli_command only = commands[0];
	const struct cli_program program = {
		.name = "sidestepd",
		.summary = "the agent of a node: policy, services and addresses into the kernel",
		.details = "Everything it knows of a node is kept by pins and files: killed and "
			   "started again, it\n"
			   "loses no packet and no policy. Tools talk to it on its unix socket "
			   "(sidestep status).\n\n"
			   "Examples:\n"
			   "  sidestepd --node n1 --kubeconfig /etc/sidestep/kubeconfig\n"
			   "  sidestepd --config /etc/sidestep/agent.yaml --log-level debug",
		.commands = &only,
		.n_commands = 1,
	};

	only.n_options = agent_n_options;
	return cli_main(&program, argc, argv);
}
