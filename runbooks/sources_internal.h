/* SPDX-License-Identifier: Apache-2.0 */
/* runbooks/sources_internal.h - what the sources share. Used by sources*.c. */
#pragma once

#include "runbooks/sources.h"

struct answer {
	struct arena *a;
	struct doc *doc, *rows;
	int64_t count, limit;
	bool no_count;       /* how many is not known */
	const char *unheard; /* why counts over what agents publish are not known; NULL */
};
void answer_begin(struct answer *s, struct arena *a, int64_t limit);
void answer_row(struct answer *s, struct doc *row);
struct doc *answer_end(struct answer *s);
/* A field that cannot be seen, and why. */
void answer_unseen(struct arena *a, struct doc *answer, const char *field, const char *why);
int source_unseen(struct error *err, const char *why);
const char *filter_of(const struct source_question *q, const char *field);

/* All of a kind; an error also where a server says that it does not have what every server has. */
int source_list(struct source_env *env, struct arena *a, enum object_kind_id id, const char *ns,
		struct doc **ret, struct error *err);

#define SOURCE_AGENT_LABEL "sidestep"
/* Plays this role in the mesh ("agent"); NULL: any of ours. */
bool source_plays(const struct doc *object, const char *role);
/* How long ago by the cluster's clock; INT64_MAX for what is no time. */
int64_t source_age_ns(const struct source_env *env, const char *when);

/*
 * sources_heard.c: sets missing_nodes and unheard_nodes, and a reason when an agent is missing,
 * silent or not ready. Without a cluster there is one node, which was just asked.
 */
struct sidestep_node;
int source_heard(struct source_env *env, struct answer *s, const struct sidestep_node *agents,
		 size_t n, struct error *err);
/* A count over what agents publish: unseen while not all were heard. */
void answer_count(struct answer *s, const char *field, int64_t n);
bool source_silent(const struct source_env *env, const struct sidestep_node *n);
/* missing_nodes: those of the cluster's without an agent. */
void source_missing(struct arena *a, struct doc *answer, const struct doc *nodes,
		    const struct sidestep_node *agents, size_t n);

/* This node's agent, asked by its own command: one node as it would publish itself. */
int source_this_node(struct source_env *env, struct arena *a, struct sidestep_node **ret_nodes,
		     size_t *ret_n, struct error *err);

int source_ask_nodes(struct source_env *env, const struct source_question *q, struct answer *s,
		     struct error *err);
int source_ask_events(struct source_env *env, const struct source_question *q, struct answer *s,
		      struct error *err);
int source_ask_policies(struct source_env *env, const struct source_question *q, struct answer *s,
			struct error *err);
int source_ask_rollout(struct source_env *env, const struct source_question *q, struct answer *s,
		       struct error *err);
int source_ask_logs(struct source_env *env, const struct source_question *q, struct answer *s,
		    struct error *err);
int source_ask_flows(struct source_env *env, const struct source_question *q, struct answer *s,
		     struct error *err);

/* What all nodes had counted when a run began, with counters that went on since. */
struct source_record {
	const char *run;
	struct sidestep_node *nodes;
	size_t n;
	int64_t oldest_ns,
		youngest_ns; /* how long ago the nodes were read, by the cluster's clock */
};
/* Of every run that noted it, for these nodes of today; none where runs cannot be listed. */
int source_records(struct source_env *env, struct arena *a, const struct sidestep_node *now,
		   size_t n, struct source_record **ret, size_t *ret_n, struct error *err);
