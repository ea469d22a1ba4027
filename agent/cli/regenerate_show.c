/* SPDX-License-Identifier: Apache-2.0 */
/* How a regeneration stands, for people and for programs. */
#include <inttypes.h>

#include "agent/cli/regenerate.h"
#include "agent/cli/table.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"

const char *regenerate_words(struct arena *a, const struct regenerate_turn *t)
{
	const struct sidestep_request_node *n = t->answer;
	const char *repaired = "", *ms = "";

	if (n->repaired.value)
		repaired = arena_printf(a, " (%" PRId64 " repaired)", n->repaired.value);
	if (n->duration_ms.set)
		ms = arena_printf(a, " in %" PRId64 " ms", n->duration_ms.value);
	return arena_printf(a, "%s, %" PRId64 " of %" PRId64 " endpoints%s%s%s%s",
			    regenerate_state_name(t->state), n->regenerated.value,
			    n->selected.value, repaired, ms, n->message ? ": " : "",
			    str_or_empty(n->message));
}

/* One word for all. */
static const char *state_of(const struct regenerate_job *job)
{
	if (job->n_states[REGENERATE_STOPPED])
		return "stopped";
	if (job->failed || job->n_states[REGENERATE_FAILED])
		return "failed";
	if (job->n_states[REGENERATE_DONE] == job->n_turns)
		return "done";
	if (job->n_states[REGENERATE_PENDING] == job->n_turns)
		return "pending";
	return job->over ? "incomplete" : "running";
}

static struct doc *job_doc(struct arena *a, const char *name, const struct regenerate_job *job)
{
	struct doc *d = doc_map(a), *nodes;

	doc_set_string(a, d, "job", name);
	doc_set_string(a, d, "state", state_of(job));
	doc_set_int(a, d, "endpoints", job->selected);
	doc_set_int(a, d, "regenerated", job->regenerated);
	doc_set_int(a, d, "failed", job->failed);
	doc_set_int(a, d, "repaired", job->repaired);
	doc_set_int(a, d, "maxFailed", job->max_failed);
	nodes = doc_set_list(a, d, "nodes");
	for (size_t i = 0; i < job->n_turns; i++) {
		const struct regenerate_turn *t = &job->turns[i];
		struct sidestep_request_node pending = {.node = t->node,
							.state = regenerate_state_name(t->state)};

		if (!t->answer && (t->absent || t->not_ready))
			pending.message =
				t->absent ? "there is no such node" : "the node is not ready";
		doc_append(a, nodes,
			   bind_encode(a, &sidestep_request_node_table,
				       t->answer ? t->answer : &pending));
	}
	return d;
}

static void print_nodes(FILE *out, const struct doc *nodes)
{
	static const struct column columns[] = {
		{"NODE", "node", COLUMN_TEXT},          {"STATE", "state", COLUMN_TEXT},
		{"ENDPOINTS", "selected", COLUMN_TEXT}, {"REGENERATED", "regenerated", COLUMN_TEXT},
		{"FAILED", "failed", COLUMN_TEXT},      {"REPAIRED", "repaired", COLUMN_TEXT},
		{"MS", "durationMs", COLUMN_TEXT},      {"MESSAGE", "message", COLUMN_TEXT},
	};

	table_print(out, nodes, columns, ARRAY_SIZE(columns));
}

/* What a person must know of: endpoints that failed, and rows that were wrong. */
static struct doc *noteworthy(struct arena *a, const struct doc *nodes)
{
	struct doc *list = doc_list(a);

	for (size_t i = 0; i < doc_len(nodes); i++) {
		const struct doc *node = doc_at(nodes, i), *endpoints = doc_get(node, "endpoints");

		for (size_t k = 0; k < doc_len(endpoints); k++) {
			struct doc *e = doc_at(endpoints, k);

			if (!doc_get(e, "error") && !doc_find_int(e, "corrupted", 0))
				continue;
			e = doc_append(a, list, doc_clone(a, e));
			doc_set_string(a, e, "node", doc_find_str(node, "node"));
		}
	}
	return list;
}

static void print_noteworthy(FILE *out, const struct doc *list)
{
	static const struct column columns[] = {
		{"NODE", "node", COLUMN_TEXT},
		{"NAMESPACE", "namespace", COLUMN_TEXT},
		{"POD", "pod", COLUMN_TEXT},
		{"BEFORE", "generationBefore", COLUMN_TEXT},
		{"AFTER", "generationAfter", COLUMN_TEXT},
		{"ERROR", "error", COLUMN_TEXT},
		{"REPAIRED", "corruptedRows", COLUMN_LIST},
	};

	if (!doc_len(list))
		return;
	fputc('\n', out);
	table_print(out, list, columns, ARRAY_SIZE(columns));
	for (size_t i = 0; i < doc_len(list); i++)
		if (doc_find_str(doc_at(list, i), "verifierLog"))
			fprintf(out, "\nthe kernel's verifier on %s:\n%s\n",
				doc_find_str(doc_at(list, i), "node"),
				doc_find_str(doc_at(list, i), "verifierLog"));
}

void regenerate_print(FILE *out, const char *name, const struct regenerate_job *job,
		      const char *left_out, int format)
{
	struct arena a = ARENA_INIT;
	struct doc *d = job_doc(&a, name, job), *nodes = doc_get(d, "nodes");

	doc_set_string(&a, d, "leftOut", left_out);
	if (format != OUTPUT_TABLE) {
		table_print_doc(out, d, format);
	} else {
		print_nodes(out, nodes);
		print_noteworthy(out, noteworthy(&a, nodes));
	}
	arena_release(&a);
}

void regenerate_print_preview(FILE *out, struct doc *items, int format)
{
	static const struct column columns[] = {
		{"TURN", "turn", COLUMN_TEXT},
		{"NODE", "node", COLUMN_TEXT},
		{"READY", "ready", COLUMN_FLAG},
		{"ENDPOINTS", "endpoints", COLUMN_TEXT},
	};

	if (format == OUTPUT_TABLE)
		table_print(out, items, columns, ARRAY_SIZE(columns));
	else
		table_print_doc(out, items, format);
}
