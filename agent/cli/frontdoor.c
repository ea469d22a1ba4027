/* SPDX-License-Identifier: Apache-2.0 */
/* agent/cli/frontdoor.c - `sidestep VERB` is the program sidestep-VERB, as git does it. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/cli/commands.h"
#include "lib/base/alloc.h"
#include "lib/base/macros.h"

#define MAX_VERB 64

/* A verb is a word, never a path. */
static bool is_verb(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz-");

	return n && n < MAX_VERB && !s[n] && s[0] != '-';
}

static char *beside_us(const char *name)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n <= 0)
		return NULL;
	self[n] = 0;
	slash = strrchr(self, '/');
	if (!slash)
		return NULL;
	*slash = 0;
	return xasprintf("%s/%s", self, name);
}

int frontdoor_exec(const struct cli_program *program, int argc, char **argv)
{
	auto_free char *name = NULL, *path = NULL;
	char *typed = argv[0];

	(void)program;
	(void)argc;
	if (!is_verb(argv[0]))
		return -ENOENT;
	name = xasprintf("sidestep-%s", argv[0]);
	path = beside_us(name);
	argv[0] = name;
	if (path)
		execv(path, argv);
	execvp(name, argv);
	argv[0] = typed; /* for the message about an unknown command */
	return -ENOENT;
}
