/* SPDX-License-Identifier: Apache-2.0 */
/* The Valid condition of policies: whether they are enforced, and if not, what they ask that is
 * not. */
#include <string.h>

#include "agent/agent.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"

enum { MAX_MESSAGE = 1000 };

static const char *complaint(struct arena *a, const struct mesh_policy *p)
{
	struct strbuf sb = STRBUF_INIT;
	const char *text;

	for (size_t i = 0; i < p->n_unsupported && sb.len < MAX_MESSAGE; i++)
		strbuf_addf(&sb, "%s%s: %s", i ? "; " : "", p->unsupported[i].path,
			    p->unsupported[i].reason);
	text = arena_strdup(a, strbuf_cstr(&sb));
	strbuf_release(&sb);
	return text;
}

/* Says in the object's status whether it is enforced; true when that was not there yet. */
static bool change_policy(void *arg, struct arena *a, struct doc *object)
{
	struct agent *agent = arg;
	struct mesh_policy p;
	struct doc *status, *list;
	bool changed;

	if (mesh_policy_from_doc(a, object, &p, NULL) < 0)
		return false;
	changed = kube_set_condition(a, object, "Valid", p.n_unsupported ? "False" : "True",
				     p.n_unsupported ? "Unsupported" : "Enforced",
				     p.n_unsupported ? complaint(a, &p) : "the policy is enforced",
				     clock_wall_ns(agent->clock));
	status = doc_set_map(a, object, "status");
	list = doc_list(a);
	for (size_t i = 0; i < p.n_unsupported; i++) {
		struct doc *item = doc_append(a, list, doc_map(a));

		doc_set_string(a, item, "path", p.unsupported[i].path);
		doc_set_string(a, item, "reason", p.unsupported[i].reason);
	}
	if (doc_len(list) == 0 && !doc_get(status, "unsupported"))
		return changed;
	if (doc_equal(doc_get(status, "unsupported"), list))
		return changed;
	doc_set(a, status, "unsupported", list);
	return true;
}

void publish_policies(struct agent *agent)
{
	static const enum cluster_kind kinds[] = {CLUSTER_CNP, CLUSTER_CCNP};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		kube_informer_foreach (agent->cluster.informers[kinds[i]], o) {
			struct arena a = ARENA_INIT;
			struct writer_target t = {.kind = cluster_object_kind(kinds[i]),
						  .namespace = o->namespace_,
						  .name = o->name,
						  .change = change_policy,
						  .arg = agent};

			if (str_empty(t.namespace))
				t.namespace = NULL;
			if (change_policy(agent, &a, doc_clone(&a, o->doc)))
				writer_write(agent->writer, &t);
			arena_release(&a);
		}
	}
}
