/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the gates take for granted: that the policies which the run made are there, as it made them,
 * and that Istio's rules are those from which they were made. A policy that somebody took away
 * refuses nothing, and a rule that came is enforced by sidecars only: no counter and no pod tells
 * of it.
 */
#include "lib/base/str.h"
#include "lib/object/canonical.h"
#include "lib/step/recover.h"
#include "migrate/gates_internal.h"
#include "migrate/plan.h"

#define RULES_GROUP "security.istio.io/"

static const struct doc *named(const struct doc *list, const char *name)
{
	doc_foreach_item (list, d)
		if (str_eq(kube_name(d), name))
			return d;
	return NULL;
}

/*
 * The journal has the digest of what was there behind the creation, also of one that was there
 * before us: so an edit of any field is seen, and what the server added is none.
 */
static bool is_as_made(const struct asking *q, const struct doc *policy, const struct doc *live)
{
	const struct journal *j = q->w.migration->journal;
	const char *op = machine_policy_op(q->out->arena, policy);
	char digest[OBJECT_DIGEST_SIZE];
	struct journaled_change made;

	if (!change_patch_holds(live, policy))
		return false;
	if (!j || !recover_change(j, "N3-policies", op, false, &made) ||
	    str_empty(made.change.digest))
		return true;
	return str_eq(object_digest(live, digest), made.change.digest);
}

int asking_policies(struct asking *q, struct error *err)
{
	const struct migration *m = q->w.migration;
	struct doc *list;
	int r = cluster_list(m->cluster, q->out->arena, object_kind(KIND_CILIUM_NETWORK_POLICY),
			     m->ns, &list, err);

	if (r)
		return r;
	doc_foreach_item (q->astray ? NULL : doc_get(m->plan, "policies"), policy) {
		const struct doc *live = named(list, kube_name(policy));

		if (live && is_as_made(q, policy, live))
			continue;
		q->astray = arena_printf(q->out->arena, "CiliumNetworkPolicy %s/%s %s", m->ns,
					 str_or_empty(kube_name(policy)),
					 live ? "was changed by somebody else" : "is gone");
		break;
	}
	/* Waiting for it to come back by itself would leave the namespace without it meanwhile. */
	q->out->final = q->astray != NULL;
	return 0;
}

/* Three kinds in two namespaces; what else a plan reads, its own changes touch. */
static int look_at_rules(struct asking *q, struct snapshot *s, const char *ns, struct error *err)
{
	static const enum object_kind_id kinds[] = {
		KIND_AUTHORIZATION_POLICY, KIND_PEER_AUTHENTICATION, KIND_REQUEST_AUTHENTICATION};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct doc *list;
		int r = cluster_list(q->w.migration->cluster, q->out->arena, object_kind(kinds[i]),
				     ns, &list, err);

		doc_foreach_item (r ? NULL : list, d) {
			if (!r)
				r = snapshot_add(s, d, err);
		}
		if (r)
			return r;
	}
	return 0;
}

int asking_rules(struct asking *q, struct error *err)
{
	const struct migration *m = q->w.migration;
	const char *root = doc_find_str(m->plan, "rootNamespace");
	struct snapshot s;
	struct doc *stale;
	int r;

	if (q->astray)
		return 0;
	snapshot_init(&s, q->out->arena);
	r = look_at_rules(q, &s, m->ns, err);
	if (!root) /* of a plan that an older release made */
		root = "istio-system";
	if (!r && !str_eq(root, m->ns))
		r = look_at_rules(q, &s, root, err);
	if (!r) {
		stale = plan_stale(q->out->arena, m->plan, &s, RULES_GROUP);
		if (doc_len(stale))
			q->astray = arena_printf(q->out->arena,
						 "%s: the policies do not say so; take it back, or "
						 "roll back and make a new plan",
						 doc_str(doc_at(stale, 0)));
	}
	q->out->final = q->astray != NULL;
	snapshot_release(&s);
	return r;
}
