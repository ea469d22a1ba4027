/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Without a cluster this node's agent is asked itself, by its own command: what it says is brought
 * into the form in which agents publish, so that every source that reads that has an answer for one
 * node.
 */
#include <string.h>

#include "lib/base/str.h"
#include "lib/object/sidestep.h"
#include "runbooks/command.h"
#include "runbooks/sources_internal.h"

#define ASK_NS     (10 * NS_PER_S)
#define MAX_OUTPUT (4u << 20)

static int ask_agent(struct source_env *env, const char *const *argv, size_t n, struct arena *a,
		     const struct doc **ret, struct error *err)
{
	const struct command_request q = {
		.argv = argv, .n = n, .timeout_ns = ASK_NS, .max_output = MAX_OUTPUT};
	struct error why = ERROR_INIT;
	struct doc *answer = NULL;
	const char *said;
	int r = command_run(env->cluster, &q, a, &answer, &why);

	*ret = doc_get(answer, "json");
	if (r == -EINTR)
		return error_set(err, r, "%s", why.msg);
	said = r ? why.msg : str_or_empty(doc_find_str(answer, "error"));
	if (r || !*ret)
		return error_set(err, -ENODATA,
				 "there is no cluster to ask (%s), and this node's "
				 "agent does not answer: %.*s",
				 str_or_empty(env->no_cluster), (int)strcspn(said, "\n"), said);
	return 0;
}

static void copy(struct arena *a, const struct doc *from, const char *field, struct doc *to,
		 const char *as)
{
	if (doc_get(from, field))
		doc_set(a, to, as, doc_clone(a, doc_get(from, field)));
}

static void copy_endpoints(struct arena *a, const struct doc *list, struct doc *status)
{
	static const char *const same[] = {"id",    "namespace", "pod",   "uid",        "address",
					   "state", "identity",  "audit", "generation", "sidecar"};
	struct doc *to = doc_set_list(a, status, "endpoints");

	doc_foreach_item (list && list->kind == DOC_MAP ? doc_get(list, "items") : list, e) {
		struct doc *one = doc_append(a, to, doc_map(a));

		for (size_t i = 0; i < ARRAY_SIZE(same); i++)
			copy(a, e, same[i], one, same[i]);
		copy(a, e, "revision", one, "policyRevision");
	}
}

int source_this_node(struct source_env *env, struct arena *a, struct sidestep_node **ret_nodes,
		     size_t *ret_n, struct error *err)
{
	static const char *const status_words[] = {"sidestep", "status", "-o", "json"};
	static const char *const endpoint_words[] = {"sidestep", "endpoint", "list", "-o", "json"};
	static const char *const same[] = {"version",  "ready",      "message", "bootID",
					   "revision", "attachMode", "health"};
	const struct doc *says, *endpoints;
	struct doc *d = doc_map(a), *status = doc_set_map(a, d, "status");
	char now[CLOCK_RFC3339_SIZE];
	int r = ask_agent(env, status_words, ARRAY_SIZE(status_words), a, &says, err);

	if (!r)
		r = ask_agent(env, endpoint_words, ARRAY_SIZE(endpoint_words), a, &endpoints, err);
	if (r)
		return r;
	doc_set_string(a, doc_set_map(a, d, "metadata"), "name", doc_find_str(says, "node"));
	for (size_t i = 0; i < ARRAY_SIZE(same); i++)
		copy(a, says, same[i], status, same[i]);
	copy(a, says, "eventsLost", status, "lostEvents");
	doc_set_string(a, status, "updated",
		       clock_rfc3339(clock_wall_ns(env->cluster->clock), 0, now));
	copy_endpoints(a, endpoints, status);
	*ret_nodes = arena_new(a, struct sidestep_node);
	*ret_n = 1;
	return sidestep_node_decode(a, d, *ret_nodes, err);
}
