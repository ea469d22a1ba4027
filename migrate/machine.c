/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of steps and gates, put together. */
#include "migrate/machine.h"

#include <stdlib.h>

#include "lib/base/str.h"

static const struct {
	const char *id, *title;
	int undo_rank;
} names[] = {
#define MACHINE_STATE_ROW(symbol, id, title, undo_rank) [symbol] = {id, title, undo_rank},
	MACHINE_STATES(MACHINE_STATE_ROW)
#undef MACHINE_STATE_ROW
};

static const struct {
	const char *name, *origin, *mend;
} sources[] = {
#define GATE_SOURCE_ROW(symbol, name, origin, mend) [symbol] = {name, origin, mend},
	GATE_SOURCES(GATE_SOURCE_ROW)
#undef GATE_SOURCE_ROW
};

const char *gate_source_name(enum gate_source_id id)
{
	return sources[id].name;
}

const char *gate_source_origin(enum gate_source_id id)
{
	return sources[id].origin;
}

const char *gate_source_mend(enum gate_source_id id)
{
	return sources[id].mend;
}

static const struct gate *find_gate(const struct machine *m, const char *id)
{
	for (size_t i = 0; i < machine_n_gates; i++)
		if (str_eq(m->gates[i].id, id))
			return &m->gates[i];
	abort(); /* a table of ours names a gate that is in no table */
}

static void link_gates(const struct machine *m, const char *const ids[3],
		       const struct gate *list[4])
{
	for (size_t i = 0; i < 3 && ids[i]; i++)
		list[i] = find_gate(m, ids[i]);
}

/* Good for all of the window by the clock, however long a look takes. */
static void set_durations(struct gate *g, size_t window, const struct profile *p)
{
	uint64_t ns = 0;

	if (window)
		ns = *(const uint64_t *)(const void *)((const char *)p + window - 1);
	g->every_ns = p->sample_every_ns;
	g->stable = ns >= p->sample_every_ns ? 2 : 1;
	g->lasts_ns = ns;
	g->within_ns = ns + p->gate_timeout_ns;
}

/* What a step whose plan gives a reason does: nothing. */
static const char *reason_to_skip(void *env, const struct step *step, struct arena *a)
{
	(void)env;
	(void)a;
	return doc_str(doc_get(step->args, "skip"));
}

void machine_init(struct machine *m, const struct profile *p)
{
	*m = (struct machine){0};
	for (size_t i = 0; i < machine_n_gates; i++) {
		m->gates[i] = machine_gates[i].gate;
		set_durations(&m->gates[i], machine_gates[i].window, p);
		for (const enum gate_source_id *s = machine_gates[i].asks; *s; s++)
			m->gates[i].n_required++;
	}
	for (size_t i = 0; i < MACHINE_STATE_COUNT; i++) {
		const struct state_row *row = &machine_states[i];

		link_gates(m, row->before, m->lists[i][0]);
		link_gates(m, row->after, m->lists[i][1]);
		link_gates(m, row->undo, m->lists[i][2]);
		m->kinds[i] = (struct step_kind){
			.id = names[i].id,
			.title = names[i].title,
			.undo_rank = names[i].undo_rank,
			.changes = row->changes,
			.undo_changes = row->undo_changes,
			.before = m->lists[i][0],
			.after = m->lists[i][1],
			.undo_after = m->lists[i][2],
			.skip = reason_to_skip,
		};
	}
}

const struct step_kind *machine_kind(const struct machine *m, const char *id)
{
	for (size_t i = 0; i < MACHINE_STATE_COUNT; i++)
		if (str_eq(m->kinds[i].id, id))
			return &m->kinds[i];
	return NULL;
}

static void describe_gate(struct arena *a, struct doc *list, const char *id, const char *when)
{
	for (size_t i = 0; i < machine_n_gates; i++) {
		struct doc *d, *asks;

		if (!str_eq(machine_gates[i].gate.id, id))
			continue;
		d = doc_append(a, list, doc_map(a));
		doc_set_string(a, d, "id", id);
		doc_set_string(a, d, "when", when);
		doc_set_string(a, d, "title", machine_gates[i].gate.title);
		asks = doc_set_list(a, d, "sources");
		for (const enum gate_source_id *s = machine_gates[i].asks; *s; s++)
			doc_append(a, asks, doc_string(a, gate_source_name(*s)));
	}
}

const char *machine_does(const char *state)
{
	for (size_t i = 0; i < MACHINE_STATE_COUNT; i++)
		if (str_eq(names[i].id, state))
			return machine_states[i].does;
	return NULL;
}

struct doc *machine_gates_of(struct arena *a, const char *state)
{
	struct doc *list = doc_list(a);

	for (size_t i = 0; i < MACHINE_STATE_COUNT; i++) {
		const struct state_row *row = &machine_states[i];

		if (!str_eq(names[i].id, state))
			continue;
		for (size_t k = 0; k < 3 && row->before[k]; k++)
			describe_gate(a, list, row->before[k], "before");
		for (size_t k = 0; k < 3 && row->after[k]; k++)
			describe_gate(a, list, row->after[k], "after");
		for (size_t k = 0; k < 3 && row->undo[k]; k++)
			describe_gate(a, list, row->undo[k], "undo");
	}
	return list;
}

void migration_release(struct migration *m)
{
	free(m->probe_uid);
	free(m->probe_found.words);
	arena_release(&m->baseline.arena);
	arena_release(&m->forced_arena);
}

const char *machine_request_name(struct arena *a, const char *run)
{
	return arena_printf(a, "audit-%s", run);
}

const char *machine_policy_op(struct arena *a, const struct doc *policy)
{
	return arena_printf(a, "policy/%s", str_or_empty(doc_find_str(policy, "metadata.name")));
}
