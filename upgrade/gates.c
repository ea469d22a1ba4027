/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gates as a table, and how a sample is taken. Every gate asks two sources of different origin;
 * one that is silent is unknown and the gate inconclusive, which pauses the run. Only what was
 * looked for and is not there is left out, as "not present".
 */
#include "lib/base/str.h"
#include "upgrade/gates_internal.h"

int asking_begin(struct asking *q, void *env, const struct doc *args, struct gate_sample *out,
		 const void *gate, struct error *err)
{
	*q = (struct asking){.u = env, .out = out, .args = args};
	recall_begin(q->u, args, gate);
	return world_look(&q->w, out->arena, q->u, err);
}

void asking_say(struct asking *q, enum gate_source_id source, const char *wrong, const char *well)
{
	gate_answer(q->out, gate_source_name(source), wrong ? FINDING_FAIL : FINDING_PASS, "%s",
		    wrong ? wrong : well);
}

void asking_unknown(struct asking *q, enum gate_source_id source, const char *why)
{
	gate_answer(q->out, gate_source_name(source), FINDING_UNKNOWN, "%s; %s", why,
		    gate_source_mend(source));
}

void asking_absent(struct asking *q, enum gate_source_id source, const char *what)
{
	gate_answer(q->out, gate_source_name(source), FINDING_SKIP, "not present: %s", what);
}

void asking_answer(struct asking *q, enum gate_source_id source, enum finding_result result,
		   const char *words)
{
	if (result == FINDING_UNKNOWN)
		asking_unknown(q, source, words);
	else if (result == FINDING_SKIP)
		asking_absent(q, source, words);
	else
		gate_answer(q->out, gate_source_name(source), result, "%s", words);
}

bool asking_is_done(const struct asking *q, const char *node)
{
	if (str_eq(doc_find_str(q->args, "node"), node))
		return true;
	doc_foreach_item (doc_get(q->args, "nodes"), d)
		if (str_eq(doc_str(d), node))
			return true;
	return false;
}

#define WINDOW(member) (offsetof(struct profile, member) + 1)
#define SOURCE_4_6     "operations 4.6: all of a node, two samples; missing is inconclusive"

const struct gate_row machine_gates[] = {
	{.gate = {.id = G_SOUND,
		  .title = "every agent is well at the version it has, and nobody else changes the "
			   "mesh",
		  .source = SOURCE_4_6,
		  .sample = gate_sample_sound},
	 .asks = {ASK_KUBERNETES, ASK_AGENTS},
	 .hears = {ASK_HEALTH}},
	{.gate = {.id = "G-BACKUP",
		  .title = "the backup reads back as what is in the cluster",
		  .source = "operations 4.2, U3: restore test",
		  .sample = gate_sample_backup},
	 .asks = {ASK_KUBERNETES, ASK_DISK}},
	{.gate = {.id = "G-PULLED",
		  .title = "every node has the image, and its program starts there",
		  .source = "operations 4.2, U4",
		  .sample = gate_sample_pulled},
	 .asks = {ASK_KUBERNETES, ASK_POD}},
	{.gate = {.id = "G-COMPONENT",
		  .title = "it is as new as the agents",
		  .source = "operations 4.1: skew inside a hop",
		  .sample = gate_sample_component},
	 .asks = {ASK_KUBERNETES, ASK_AGENTS}},
	{.gate = {.id = G_ROOM,
		  .title = "every other node has its agent",
		  .source = "operations 4.2, U10: maxUnavailable",
		  .sample = gate_sample_room},
	 .asks = {ASK_KUBERNETES, ASK_AGENTS}},
	{.gate = {.id = "G-PREPARED",
		  .title = "the older release will find every connection",
		  .source = "operations 4.4: conntrack is preserved, both ways",
		  .sample = gate_sample_prepared},
	 .patience = WINDOW(prepare_ns),
	 .asks = {ASK_KUBERNETES, ASK_REQUEST}},
	{.gate = {.id = "G-NODE",
		  .title = "the node's agent is the new one and everything on the node is as well "
			   "as before",
		  .source = SOURCE_4_6,
		  .sample = gate_sample_node},
	 .window = WINDOW(settle_ns),
	 .asks = {ASK_KUBERNETES, ASK_AGENTS, ASK_PROBE},
	 .hears = {ASK_HEALTH}},
	{.gate = {.id = "G-CANARY",
		  .title = "the canary stays well and no other node notices",
		  .source = SOURCE_4_6,
		  .sample = gate_sample_canary},
	 .window = WINDOW(canary_soak_ns),
	 .bears = true,
	 .at_most_ns = 120 * NS_PER_S, /* users are on it meanwhile */
	 .asks = {ASK_KUBERNETES, ASK_AGENTS},
	 .hears = {ASK_HEALTH}},
	{.gate = {.id = "G-WAVE",
		  .title = "every node that has had its turn stays well",
		  .source = SOURCE_4_6,
		  .sample = gate_sample_wave},
	 .window = WINDOW(wave_soak_ns),
	 .bears = true,
	 .asks = {ASK_KUBERNETES, ASK_AGENTS},
	 .hears = {ASK_HEALTH}},
	{.gate = {.id = "G-EQUAL",
		  .title = "all versions are equal, and are those of the plan",
		  .source = "operations 4.2, U13",
		  .sample = gate_sample_equal},
	 .asks = {ASK_KUBERNETES, ASK_AGENTS}},
	{.gate = {.id = "G-REGENERATED",
		  .title = "every endpoint was built anew by the new agents",
		  .source = "operations 4.3: the generation must advance, no exit code proves it",
		  .sample = gate_sample_regenerated},
	 .asks = {ASK_KUBERNETES, ASK_REQUEST}},
	{.gate = {.id = "G-SOAK",
		  .title = "everything stayed well",
		  .source = SOURCE_4_6,
		  .sample = gate_sample_soak},
	 .window = WINDOW(soak_ns),
	 .bears = true,
	 .asks = {ASK_KUBERNETES, ASK_AGENTS},
	 .hears = {ASK_HEALTH}},
	{.gate = {.id = "G-STILL",
		  .title = "every node has the new version and is well now, before what cannot be "
			   "taken back",
		  .source = "operations 4.2, U15: nothing irreversible without its gate",
		  .sample = gate_sample_still,
		  .again = true},
	 .asks = {ASK_KUBERNETES, ASK_AGENTS},
	 .hears = {ASK_HEALTH}},
	{.gate = {.id = "G-FINAL",
		  .title = "no node keeps the old version's maps",
		  .source = "operations 4.2, U15",
		  .sample = gate_sample_finalized},
	 .asks = {ASK_KUBERNETES, ASK_REQUEST}},
	{.gate = {.id = "G-PREPARED-BACK",
		  .title = "the older release will find the connections, as far as the new agent "
			   "can say",
		  .source =
			  "operations 4.4; an agent that is broken must not keep the way back shut",
		  .sample = gate_sample_prepared_back},
	 .patience = WINDOW(prepare_ns),
	 .asks = {ASK_KUBERNETES, ASK_REQUEST}},
	{.gate = {.id = "G-NODE-BACK",
		  .title = "the node's agent is the old one again, and well",
		  .source = "operations 4.7: the same gates with target = from",
		  .sample = gate_sample_node_back},
	 .window = WINDOW(settle_ns),
	 .asks = {ASK_KUBERNETES, ASK_AGENTS, ASK_PROBE},
	 .hears = {ASK_HEALTH}},
};
const size_t machine_n_gates = ARRAY_SIZE(machine_gates);
