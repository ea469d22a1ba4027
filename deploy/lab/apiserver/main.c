/* SPDX-License-Identifier: Apache-2.0 */
/* The role alone, for tests that want a server and no lab. */
#include "deploy/lab/apiserver/role.h"

int main(int argc, char **argv)
{
	static const struct cli_command commands[] = {APISERVER_ROLE};
	static const struct cli_program program = {
		.name = "sidestep-lab-apiserver",
		.summary = "the lab's Kubernetes API server, without the lab",
		.commands = commands,
		.n_commands = 1,
	};

	return cli_main(&program, argc, argv);
}
