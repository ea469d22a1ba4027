/* SPDX-License-Identifier: Apache-2.0 */
/* Which nodes a change is about. What says nothing is refused: left out it would mean all. */
#include <string.h>

#include "lib/base/str.h"
#include "lib/object/sidestep.h"
#include "runbooks/run_internal.h"

static int add_name(struct arena *a, struct strings *to, const char *name, size_t n,
		    struct error *err)
{
	const char *one = arena_strndup(a, name, n);

	if (!known_name(one))
		return error_set(err, -EINVAL, "nodes: \"%.60s\" is no node's name", one);
	to->items[to->n++] = one;
	return 0;
}

/* Names by commas or blanks. */
static int add_words(struct arena *a, struct strings *to, const char *text, struct error *err)
{
	int rc = 0;

	for (const char *at = text; *at && !rc;) {
		const size_t n = strcspn(at, ", ");

		if (n && to->n == REQUEST_MAX_NODES)
			return error_set(err, -E2BIG, "more than %d nodes", REQUEST_MAX_NODES);
		if (n)
			rc = add_name(a, to, at, n, err);
		at += n + (at[n] != '\0');
	}
	return rc;
}

int nodes_named(struct arena *a, const struct doc *args, struct strings *ret, struct error *err)
{
	const struct doc *nodes = doc_get(args, "nodes");
	int rc = 0;

	*ret = (struct strings){arena_array(a, REQUEST_MAX_NODES, const char *), 0};
	if (!nodes)
		return 0;
	if (doc_str(nodes))
		rc = add_words(a, ret, doc_str(nodes), err);
	else if (nodes->kind != DOC_LIST)
		return error_set(err, -EINVAL, "nodes is neither a text nor a list of names");
	doc_foreach_item (nodes, it) {
		if (rc)
			break;
		if (!doc_str(it))
			return error_set(err, -EINVAL, "nodes: an item of the list is no name");
		rc = add_words(a, ret, doc_str(it), err);
	}
	if (!rc && !ret->n)
		return error_set(err, -EINVAL,
				 "nodes names none: left out it would mean every node");
	return rc;
}

bool nodes_have(const struct strings *nodes, const char *node)
{
	for (size_t i = 0; i < nodes->n; i++) {
		if (str_eq(nodes->items[i], node))
			return true;
	}
	return !nodes->n;
}

static bool has_unwell(const struct sidestep_node *n)
{
	for (size_t i = 0; i < n->n_endpoints; i++) {
		if (source_endpoint_unwell(&n->endpoints[i]))
			return true;
	}
	return false;
}

int nodes_unwell(struct source_env *env, struct arena *a, const struct strings *among,
		 struct strings *ret, struct error *err)
{
	struct sidestep_node *nodes;
	struct strings found;
	size_t n;
	int rc = source_nodes(env, a, &nodes, &n, err);

	if (rc)
		return rc;
	found = (struct strings){arena_array(a, n + 1, const char *), 0};
	for (size_t i = 0; i < n; i++) {
		if (nodes_have(among, nodes[i].meta.name) && has_unwell(&nodes[i]))
			found.items[found.n++] = nodes[i].meta.name;
	}
	if (!found.n)
		return error_set(err, -ENOENT, "no endpoint%s is stale or not ready",
				 among->n ? " of these nodes" : "");
	if (found.n > REQUEST_MAX_NODES)
		return error_set(err, -E2BIG, "more than %d nodes", REQUEST_MAX_NODES);
	*ret = found;
	return 0;
}
