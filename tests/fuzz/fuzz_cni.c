/* SPDX-License-Identifier: Apache-2.0 */
/* First line: CNI_ARGS; the rest is standard input, for each command. */
#include <string.h>

#include "agent/cni/request.h"
#include "tests/fuzz/fuzz.h"

struct env {
	const char *command, *args;
};

static const char *get(void *arg, const char *name)
{
	const struct env *e = arg;

	if (strcmp(name, "CNI_COMMAND") == 0)
		return e->command;
	if (strcmp(name, "CNI_ARGS") == 0)
		return e->args;
	return strcmp(name, "CNI_IFNAME") == 0 ? "eth0" : "x";
}

static void try_command(const char *command, const char *args, const char *input, size_t n)
{
	struct arena a = ARENA_INIT;
	struct env e = {command, args};
	struct cni_request rq;
	struct cni_failure f = {0};
	struct cni_attached at = {.host_ifname = "h", .host_mac = "m", .mac = "m"};

	if (cni_request_parse(&a, get, &e, input, n, &rq, &f) < 0) {
		fuzz_check(f.code != 0 && f.msg[0]);
		cni_failure_result(&a, rq.version, &f);
	} else if (rq.prev_result && cni_prev_addresses(&rq, &at, &f) == 0) {
		cni_add_result(&a, &rq, &at);
	}
	arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const commands[] = {"ADD", "DEL", "CHECK", "VERSION"};
	const char *text = (const char *)data, *nl = n ? memchr(text, '\n', n) : NULL;
	const size_t first = nl ? (size_t)(nl - text) : n;
	char args[256];

	if (first >= sizeof(args))
		return 0;
	memcpy(args, text, first);
	args[first] = '\0';
	for (size_t i = 0; i < 4; i++)
		try_command(commands[i], args, nl ? nl + 1 : "", nl ? n - first - 1 : 0);
	return 0;
}
