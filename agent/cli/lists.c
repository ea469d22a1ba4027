/* SPDX-License-Identifier: Apache-2.0 */
/* agent/cli/lists.c - the agent's lists: each command is a path and its columns. */
#include "agent/cli/ask.h"
#include "agent/cli/commands.h"
#include "agent/cli/table.h"

const char *const output_names[] = {"table", "json", "yaml", NULL};

static int print_list(const struct cli_call *call, const char *path, const struct column *columns,
		      size_t n, struct error *err)
{
	const struct node_opts *o = call->opts;
	auto_release(arena) struct arena a = ARENA_INIT;
	struct doc *answer = NULL, *items;
	const char *socket;
	int r = ask_socket(&a, o->socket, &socket, err);

	if (!r)
		r = ask_agent(&a, socket, "GET", path, &answer, NULL, err);
	if (r)
		return r;
	items = doc_get(answer, "items");
	if (!items)
		items = doc_list(&a);
	if (o->output == OUTPUT_TABLE)
		table_print(call->out, items, columns, n);
	else
		table_print_doc(call->out, items, o->output);
	return CLI_OK;
}

int cmd_config_view(const struct cli_call *call, struct error *err)
{
	static const struct column columns[] = {
		{"OPTION", "key", COLUMN_TEXT},
		{"VALUE", "value", COLUMN_TEXT},
		{"FROM", "source", COLUMN_TEXT},
	};

	return print_list(call, "/v1/config", columns, ARRAY_SIZE(columns), err);
}

int cmd_endpoint_list(const struct cli_call *call, struct error *err)
{
	static const struct column columns[] = {
		{"ENDPOINT", "id", COLUMN_TEXT},
		{"NAMESPACE", "namespace", COLUMN_TEXT},
		{"POD", "pod", COLUMN_TEXT},
		{"ADDRESS", "address", COLUMN_TEXT},
		{"IDENTITY", "identity", COLUMN_TEXT},
		{"INGRESS", "ingressEnforced", COLUMN_FLAG},
		{"EGRESS", "egressEnforced", COLUMN_FLAG},
		{"AUDIT", "audit", COLUMN_FLAG},
		{"SIDECAR", "sidecar", COLUMN_FLAG},
		{"GENERATION", "generation", COLUMN_TEXT},
		{"STATE", "state", COLUMN_TEXT},
		{"ERROR", "error", COLUMN_TEXT},
	};

	return print_list(call, "/v1/endpoint", columns, ARRAY_SIZE(columns), err);
}

int cmd_identity_list(const struct cli_call *call, struct error *err)
{
	static const struct column columns[] = {
		{"IDENTITY", "id", COLUMN_TEXT},
		{"ENDPOINTS", "endpoints", COLUMN_TEXT},
		{"LABELS", "labels", COLUMN_LIST},
	};

	return print_list(call, "/v1/identity", columns, ARRAY_SIZE(columns), err);
}

int cmd_policy_get(const struct cli_call *call, struct error *err)
{
	static const struct column columns[] = {
		{"KIND", "kind", COLUMN_TEXT},
		{"NAMESPACE", "namespace", COLUMN_TEXT},
		{"NAME", "name", COLUMN_TEXT},
		{"ENFORCED", "enforced", COLUMN_FLAG},
		{"WHY NOT", "unsupported[0].reason", COLUMN_TEXT},
		{"ENDPOINTS HERE", "endpoints", COLUMN_LIST},
	};

	return print_list(call, "/v1/policy", columns, ARRAY_SIZE(columns), err);
}

int cmd_service_list(const struct cli_call *call, struct error *err)
{
	static const struct column columns[] = {
		{"NAMESPACE", "namespace", COLUMN_TEXT},
		{"NAME", "name", COLUMN_TEXT},
		{"FRONTEND", "frontend", COLUMN_TEXT},
		{"BACKENDS", "backends", COLUMN_BACKENDS},
	};

	return print_list(call, "/v1/service", columns, ARRAY_SIZE(columns), err);
}
