/* SPDX-License-Identifier: Apache-2.0 */
#include "upgrade/told.h"

#include <string.h>

#include "lib/base/str.h"

const char *told_versions(struct arena *a, const struct upgrade *u, const struct world *w)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	const struct side *sides[] = {&u->from, &u->to};

	for (size_t k = 0; k < 2; k++) {
		const char *comma = " on ";

		for (size_t i = 0; i < w->n_nodes; i++) {
			if (!str_eq(w->nodes[i].image, sides[k]->image))
				continue;
			if (comma[1] == 'o')
				strbuf_addf(&sb, "%s%s", sb.len ? "; " : "", sides[k]->version);
			strbuf_addf(&sb, "%s%s", comma, w->nodes[i].name);
			comma = ", ";
		}
	}
	return arena_strdup(a, sb.len ? strbuf_cstr(&sb) : "no node runs either version");
}

/* Of the DaemonSet's template. */
static const char *asked_for(const struct upgrade *u, const struct world *w)
{
	if (change_patch_holds(w->daemonset, u->to.template))
		return u->to.version;
	return change_patch_holds(w->daemonset, u->from.template) ? u->from.version
								  : "what its DaemonSet asks for";
}

bool told_mixed(const struct upgrade *u, const struct world *w)
{
	bool from = false, to = false;

	for (size_t i = 0; i < w->n_nodes; i++) {
		from |= str_eq(w->nodes[i].image, u->from.image);
		to |= str_eq(w->nodes[i].image, u->to.image);
	}
	return from && to;
}

static bool had_its_turn(const struct journal *j, const char *node)
{
	for (size_t i = 0; i < journal_count(j); i++) {
		const struct journal_record *r = journal_at(j, i);
		const char *step = str_or_empty(doc_find_str(r->body, "step"));
		const char *slash = strchr(step, '/');

		if (str_eq(r->type, "begin") && slash && str_eq(slash + 1, node))
			return true;
	}
	return false;
}

/* Why a node has a version that the run has not given it, and what to type; NULL: it has not. */
static const char *astray_words(struct arena *a, const struct upgrade *u, const struct world *w,
				const struct world_node *n, enum run_state state,
				const struct journal *j)
{
	const bool done = state == RUN_DONE, over = done || state == RUN_ROLLED_BACK;
	const struct side *end = done ? &u->to : &u->from, *other = done ? &u->from : &u->to;

	if (!n->pod || !str_eq(n->image, other->image) || (!over && had_its_turn(j, n->name)))
		return NULL;
	if (!over)
		return arena_printf(
			a,
			"%s came up with %s before its turn: it joined, or its agent's "
			"pod was deleted, while the DaemonSet asks for that. Waves go "
			"on with it, and a way back ('sidestep upgrade rollback') takes "
			"it along; drain no node while the canary soaks",
			n->name, other->version);
	return arena_printf(a,
			    "%s has %s, and the run ended with %s: %s'kubectl -n %s delete pod %s' "
			    "gives it that",
			    n->name, other->version, end->version,
			    change_patch_holds(w->daemonset, end->template)
				    ? ""
				    : "once the DaemonSet asks for it, ",
			    u->namespace, kube_name(n->pod_object));
}

const char *told_safe(struct arena *a, const struct upgrade *u, const struct world *w)
{
	const char *versions = told_versions(a, u, w);

	if (told_mixed(u, w))
		return arena_printf(
			a,
			"mixed versions: %s. Each node keeps its version and its connections; a "
			"node that joins, or whose agent's pod is deleted (a drain), comes up "
			"with %s. Do not leave it so for long: go on, or go back",
			versions, asked_for(u, w));
	return arena_printf(a, "%s. Nothing changes by itself", versions);
}

struct doc *told_astray(struct arena *a, const struct upgrade *u, const struct world *w,
			enum run_state state, const struct journal *j)
{
	struct doc *list = doc_list(a);

	for (size_t i = 0; i < w->n_nodes; i++) {
		const char *words = astray_words(a, u, w, &w->nodes[i], state, j);

		if (words)
			doc_append(a, list, doc_string(a, words));
	}
	return list;
}
