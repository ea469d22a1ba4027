/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the gates take for granted: that the policies which the run made are there, as it made them.
 * A policy that somebody took away refuses nothing, so no counter and no pod tells of it.
 */
#include "lib/base/str.h"
#include "lib/object/canonical.h"
#include "lib/step/recover.h"
#include "migrate/gates_internal.h"

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
