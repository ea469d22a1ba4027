/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether every node's agent was heard. What agents publish stays there when they are gone: counts
 * over it are of no use while one is silent, not ready, or was never there.
 */
#include <inttypes.h>

#include "lib/base/str.h"
#include "lib/object/sidestep.h"
#include "runbooks/sources_internal.h"

/* An agent publishes every few seconds; one that has not for so long is silent. */
#define SILENT_NS (60 * (int64_t)NS_PER_S)
/* So many nodes are named in a reason; the lists have all. */
#define MAX_NAMED 3

bool source_silent(const struct source_env *env, const struct sidestep_node *n)
{
	return n->updated && source_age_ns(env, n->updated) > SILENT_NS;
}

void source_missing(struct arena *a, struct doc *answer, const struct doc *nodes,
		    const struct sidestep_node *agents, size_t n)
{
	struct doc *missing = doc_set_list(a, answer, "missing_nodes");

	doc_foreach_item (nodes, d) {
		size_t i = 0;

		while (i < n && !str_eq(agents[i].meta.name, kube_name(d)))
			i++;
		if (i == n)
			doc_append(a, missing, doc_string(a, kube_name(d)));
	}
}

/* A node that is gone leaves its agent's last word behind; nobody waits for another. */
static bool is_gone(const struct doc *nodes, const char *name)
{
	doc_foreach_item (nodes, d) {
		if (str_eq(kube_name(d), name))
			return false;
	}
	return doc_len(nodes) > 0;
}

static void name_some(const struct doc *list, const char *what, struct strbuf *out)
{
	if (!doc_len(list))
		return;
	strbuf_adds(out, out->len ? "; " : "");
	doc_foreach_item (list, it) {
		if (it_i < MAX_NAMED)
			strbuf_addf(out, "%s%s", it_i ? ", " : "", doc_str(it));
	}
	if (doc_len(list) > MAX_NAMED)
		strbuf_addf(out, " and %zu more", doc_len(list) - MAX_NAMED);
	strbuf_addf(out, " %s", what);
}

int source_heard(struct source_env *env, struct answer *s, const struct sidestep_node *agents,
		 size_t n, struct error *err)
{
	auto_release(strbuf) struct strbuf why = STRBUF_INIT;
	struct doc *nodes, *unheard, *silent, *unready;
	int r;

	if (!env->cluster->client)
		return 0;
	r = source_list(env, s->a, KIND_NODE, NULL, &nodes, err);
	if (r)
		return r;
	source_missing(s->a, s->doc, nodes, agents, n);
	unheard = doc_set_list(s->a, s->doc, "unheard_nodes");
	silent = doc_list(s->a);
	unready = doc_list(s->a);
	for (size_t i = 0; i < n; i++) {
		const char *name = agents[i].meta.name;
		struct doc *which = source_silent(env, &agents[i]) ? silent
				    : agents[i].ready              ? NULL
								   : unready;

		if (!which || is_gone(nodes, name))
			continue;
		doc_append(s->a, which, doc_string(s->a, name));
		doc_append(s->a, unheard, doc_string(s->a, name));
	}
	name_some(doc_get(s->doc, "missing_nodes"), "without an agent", &why);
	name_some(silent, "silent for more than a minute", &why);
	name_some(unready, "not ready", &why);
	if (why.len)
		s->unheard = arena_printf(s->a, "not every agent was heard: %s", why.buf);
	return 0;
}

void answer_count(struct answer *s, const char *field, int64_t n)
{
	if (s->unheard)
		answer_unseen(
			s->a, s->doc, field,
			arena_printf(s->a, "%s (%" PRId64 " by what was heard)", s->unheard, n));
	else
		doc_set_int(s->a, s->doc, field, n);
}
