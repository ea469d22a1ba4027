/* SPDX-License-Identifier: Apache-2.0 */
/* agent/cli/endpoint.c - one endpoint: what it is, and making the kernel right again. */
#include <string.h>

#include "agent/cli/ask.h"
#include "agent/cli/commands.h"
#include "agent/cli/regenerate.h"
#include "agent/cli/table.h"
#include "lib/base/str.h"

static bool is_number(const char *s)
{
	return !str_empty(s) && strspn(s, "0123456789") == strlen(s);
}

/* "12", "namespace/pod" (first match) or "id:12" as cilium-dbg writes it, to a number. */
static int find_endpoint(struct arena *a, const char *socket, const char *name, const char **ret_id,
			 struct error *err)
{
	struct doc *answer = NULL, *items;
	int r;

	if (str_starts(name, "id:"))
		name += strlen("id:");
	if (is_number(name)) {
		*ret_id = name;
		return 0;
	}
	r = ask_agent(a, socket, "GET", "/v1/endpoint", &answer, NULL, err);
	if (r)
		return r;
	items = doc_get(answer, "items");
	for (size_t i = 0; i < doc_len(items); i++) {
		const struct doc *e = doc_at(items, i);
		const char *full =
			arena_printf(a, "%s/%s", str_or_empty(doc_find_str(e, "namespace")),
				     str_or_empty(doc_find_str(e, "pod")));

		if (!str_eq(full, name) && !str_eq(doc_find_str(e, "container"), name))
			continue;
		*ret_id = arena_printf(a, "%lld", (long long)doc_find_int(e, "id", 0));
		return 0;
	}
	return error_set(
		err, -ENOENT,
		"no endpoint %s on this node; `sidestep endpoint list` shows those there are",
		name);
}

int cmd_endpoint_get(const struct cli_call *call, struct error *err)
{
	const struct node_opts *o = call->opts;
	auto_release(arena) struct arena a = ARENA_INIT;
	const char *socket, *id;
	struct doc *answer = NULL;
	int r = ask_socket(&a, o->socket, &socket, err);

	if (!r)
		r = find_endpoint(&a, socket, call->args[0], &id, err);
	if (!r)
		r = ask_agent(&a, socket, "GET", arena_printf(&a, "/v1/endpoint/%s", id), &answer,
			      NULL, err);
	if (r)
		return r;
	table_print_doc(call->out, answer, o->output == OUTPUT_JSON ? OUTPUT_JSON : OUTPUT_YAML);
	return CLI_OK;
}

static void print_regenerated(FILE *out, const struct doc *items)
{
	static const struct column columns[] = {
		{"ENDPOINT", "id", COLUMN_TEXT},
		{"NAMESPACE", "namespace", COLUMN_TEXT},
		{"POD", "pod", COLUMN_TEXT},
		{"BEFORE", "generationBefore", COLUMN_TEXT},
		{"AFTER", "generationAfter", COLUMN_TEXT},
		{"REPAIRED", "corrupted", COLUMN_LIST},
		{"ERROR", "error", COLUMN_TEXT},
	};

	table_print(out, items, columns, ARRAY_SIZE(columns));
}

static bool any_failed(const struct doc *items)
{
	for (size_t i = 0; i < doc_len(items); i++)
		if (doc_find_str(doc_at(items, i), "error"))
			return true;
	return false;
}

int cmd_endpoint_regenerate(const struct cli_call *call, struct error *err)
{
	const struct regenerate_opts *o = call->opts;
	auto_release(arena) struct arena a = ARENA_INIT;
	const char *socket, *id = "all";
	struct doc *answer = NULL, *items;
	int r;

	if (regenerate_is_for_cluster(o))
		return regenerate_cluster(call, err);
	if (o->all == (call->n_args == 1))
		return cli_usage(call, "name one endpoint of this node, or say which of the "
				       "cluster's: --all, --selector, --namespace, --node");
	if (o->wait || o->dry_run)
		return cli_usage(call, "--wait and --dry-run are for endpoints of the cluster: "
				       "--all, --selector, --namespace, --node");
	r = ask_socket(&a, o->node.socket, &socket, err);
	if (!r && !o->all)
		r = find_endpoint(&a, socket, call->args[0], &id, err);
	if (!r)
		r = ask_agent(&a, socket, "POST",
			      arena_printf(&a, "/v1/endpoint/%s/regenerate", id), &answer, NULL,
			      err);
	if (r)
		return r;
	items = doc_get(answer, "items");
	if (!items) {
		items = doc_list(&a);
		doc_append(&a, items, answer);
	}
	if (o->node.output == OUTPUT_TABLE)
		print_regenerated(call->out, items);
	else
		table_print_doc(call->out, items, o->node.output);
	return any_failed(items) ? CLI_FAILED : CLI_OK;
}
