/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/run/inputs.h"

#include "lib/base/str.h"
#include "lib/object/canonical.h"
#include "lib/run/host.h"

void run_inputs_add_name(struct arena *a, struct doc *plan, const struct doc *object)
{
	struct doc *input = doc_append(a, doc_set_list(a, plan, "inputs"), doc_map(a));

	doc_set(a, input, "ref", host_ref(a, object));
}

void run_inputs_add(struct arena *a, struct doc *plan, const struct doc *object)
{
	struct doc *input = doc_append(a, doc_set_list(a, plan, "inputs"), doc_map(a));
	char digest[OBJECT_DIGEST_SIZE];

	doc_set(a, input, "ref", host_ref(a, object));
	doc_set_string(a, input, "digest", object_digest(object, digest));
}

/* What the plan was made from, of one group of the API or (NULL) of all. */
struct comparison {
	struct arena *a;
	const struct doc *plan;
	const struct snapshot *now;
	const char *group;
	struct doc *list;
};

static void differs(struct comparison *c, const struct doc *ref, const char *how)
{
	const char *ns = doc_find_str(ref, "namespace");

	doc_append(c->a, c->list,
		   doc_stringf(c->a, "%s %s%s%s %s", str_or_empty(doc_find_str(ref, "kind")),
			       str_or_empty(ns), ns ? "/" : "",
			       str_or_empty(doc_find_str(ref, "name")), how));
}

static bool is_asked_about(const struct comparison *c, const struct doc *d)
{
	return !c->group || str_starts(str_or_empty(doc_find_str(d, "apiVersion")), c->group);
}

static void look_for_known(struct comparison *c)
{
	doc_foreach_item (doc_get(c->plan, "inputs"), input) {
		const struct doc *ref = doc_get(input, "ref");
		const struct object_kind *k = object_kind_find(doc_find_str(ref, "apiVersion"),
							       doc_find_str(ref, "kind"));
		const struct doc *live =
			k ? snapshot_find(c->now, k, doc_find_str(ref, "namespace"),
					  doc_find_str(ref, "name"))
			  : NULL;
		char digest[OBJECT_DIGEST_SIZE];

		if (!is_asked_about(c, ref))
			continue;
		if (!live)
			differs(c, ref, "is gone");
		else if (doc_get(input, "digest") &&
			 !str_eq(object_digest(live, digest), doc_find_str(input, "digest")))
			differs(c, ref, "was changed");
	}
}

static bool is_known(const struct comparison *c, const struct doc *ref)
{
	doc_foreach_item (doc_get(c->plan, "inputs"), input) {
		const struct doc *known = doc_get(input, "ref");

		if (str_eq(doc_find_str(known, "kind"), doc_find_str(ref, "kind")) &&
		    str_eq(doc_find_str(known, "namespace"), doc_find_str(ref, "namespace")) &&
		    str_eq(doc_find_str(known, "name"), doc_find_str(ref, "name")))
			return true;
	}
	return false;
}

static void look_for_new(struct comparison *c, run_reads reads, const void *arg)
{
	for (size_t i = 0; i < c->now->n; i++) {
		const struct doc *d = c->now->items[i], *ref;

		if (!is_asked_about(c, d) || !reads(arg, d))
			continue;
		ref = host_ref(c->a, d);
		if (!is_known(c, ref))
			differs(c, ref, "is new");
	}
}

struct doc *run_inputs_stale(struct arena *a, const struct doc *plan, const struct snapshot *now,
			     const char *group, run_reads reads, const void *arg)
{
	struct comparison c = {a, plan, now, group, doc_list(a)};

	if (!group && !doc_len(doc_get(plan, "inputs")))
		doc_append(a, c.list, doc_string(a, "it does not say what it was made from"));
	look_for_known(&c);
	look_for_new(&c, reads, arg);
	return c.list;
}
