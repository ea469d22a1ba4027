/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of steps and gates, put together. */
#include "upgrade/machine.h"

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

const struct component_row components[COMPONENT_COUNT] = {
#define COMPONENT_ROW(symbol, what, state, kind, name) {what, state, kind, name},
	COMPONENTS(COMPONENT_ROW)
#undef COMPONENT_ROW
};

static const char *const whens[GATE_WHENS] = {
	[GATE_BEFORE] = "before",
	[GATE_AFTER] = "after",
	[GATE_UNDO_BEFORE] = "before the way back",
	[GATE_UNDO_AFTER] = "on the way back",
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

static size_t gate_index(const char *id)
{
	for (size_t i = 0; i < machine_n_gates; i++)
		if (str_eq(machine_gates[i].gate.id, id))
			return i;
	abort(); /* a table of ours names a gate that is in no table */
}

static uint64_t duration_at(const struct profile *p, size_t offset)
{
	return offset ? *(const uint64_t *)(const void *)((const char *)p + offset - 1) : 0;
}

/* Well for all of the window by the clock, however long a look takes; seen twice at least. */
static void set_durations(struct gate *g, const struct gate_row *row, const struct profile *p)
{
	uint64_t ns = duration_at(p, row->window);

	g->every_ns = p->sample_every_ns;
	g->bears_ns = row->bears ? p->gate_timeout_ns : 0;
	if (row->at_most_ns)
		g->bears_ns = MIN(g->bears_ns, row->at_most_ns);
	g->stable = 2;
	g->lasts_ns = ns;
	g->within_ns = ns + duration_at(p, row->patience) + p->gate_timeout_ns;
}

static const char *reason_to_skip(void *env, const struct step *step, struct arena *a)
{
	const char *planned = doc_str(doc_get(step->args, "skip"));

	for (size_t i = 0; !planned && i < MACHINE_STATE_COUNT; i++)
		if (str_eq(names[i].id, step->kind->id) && machine_states[i].skip)
			return machine_states[i].skip(env, step, a);
	return planned;
}

static void set_kind(struct machine *m, size_t i)
{
	const struct state_row *row = &machine_states[i];

	for (size_t w = 0; w < GATE_WHENS; w++)
		for (size_t k = 0; k < 3 && row->gates[w][k]; k++)
			m->lists[i][w][k] = &m->gates[gate_index(row->gates[w][k])];
	m->kinds[i] = (struct step_kind){.id = names[i].id,
					 .title = names[i].title,
					 .undo_rank = names[i].undo_rank,
					 .changes = row->changes,
					 .undo_changes = row->undo_changes,
					 .before = m->lists[i][GATE_BEFORE],
					 .after = m->lists[i][GATE_AFTER],
					 .undo_before = m->lists[i][GATE_UNDO_BEFORE],
					 .undo_after = m->lists[i][GATE_UNDO_AFTER],
					 .skip = reason_to_skip,
					 .undo_alone = row->gates[GATE_UNDO_AFTER][0] != NULL};
}

void machine_init(struct machine *m, const struct profile *p)
{
	*m = (struct machine){0};
	for (size_t i = 0; i < machine_n_gates; i++) {
		m->gates[i] = machine_gates[i].gate;
		set_durations(&m->gates[i], &machine_gates[i], p);
		for (const enum gate_source_id *s = machine_gates[i].asks; *s; s++)
			m->gates[i].n_required++;
	}
	for (size_t i = 0; i < MACHINE_STATE_COUNT; i++)
		set_kind(m, i);
}

const struct step_kind *machine_kind(const struct machine *m, const char *id)
{
	for (size_t i = 0; i < MACHINE_STATE_COUNT; i++)
		if (str_eq(m->kinds[i].id, id))
			return &m->kinds[i];
	return NULL;
}

static const struct state_row *row_of(const char *state)
{
	for (size_t i = 0; i < MACHINE_STATE_COUNT; i++)
		if (str_eq(names[i].id, state))
			return &machine_states[i];
	return NULL;
}

static void describe_gate(struct arena *a, struct doc *list, const char *id, const char *when)
{
	const struct gate_row *row = &machine_gates[gate_index(id)];
	struct doc *d = doc_append(a, list, doc_map(a)), *asks;

	doc_set_string(a, d, "id", id);
	doc_set_string(a, d, "when", when);
	doc_set_string(a, d, "title", row->gate.title);
	asks = doc_set_list(a, d, "sources");
	for (const enum gate_source_id *s = row->asks; *s; s++)
		doc_append(a, asks, doc_string(a, gate_source_name(*s)));
	for (const enum gate_source_id *s = row->hears; *s; s++)
		doc_append(a, asks, doc_string(a, gate_source_name(*s)));
}

const char *machine_does(const char *state)
{
	const struct state_row *row = row_of(state);

	return row ? row->does : NULL;
}

bool machine_takes_back(const char *state)
{
	const struct state_row *row = row_of(state);

	return row && row->takes_back;
}

struct doc *machine_gates_of(struct arena *a, const char *state)
{
	const struct state_row *row = row_of(state);
	struct doc *list = doc_list(a);

	for (size_t w = 0; row && w < GATE_WHENS; w++)
		for (size_t k = 0; k < 3 && row->gates[w][k]; k++)
			describe_gate(a, list, row->gates[w][k], whens[w]);
	return list;
}

void upgrade_release(struct upgrade *u)
{
	arena_release(&u->first.arena);
	arena_release(&u->previous.arena);
	arena_release(&u->before.arena);
	arena_release(&u->usual.arena);
	arena_release(&u->again.arena);
	arena_release(&u->aged[0].arena);
	arena_release(&u->aged[1].arena);
}

const char *machine_prepare_name(struct arena *a, const char *run, const char *node)
{
	return arena_printf(a, "prepare-%s-%s", run, node);
}

const char *machine_regenerate_name(struct arena *a, const char *run)
{
	return arena_printf(a, "regenerate-%s", run);
}

const char *machine_finalize_name(struct arena *a, const char *run)
{
	return arena_printf(a, "finalize-%s", run);
}
