/* SPDX-License-Identifier: Apache-2.0 */
/* What a person has added by hand where no manifest says anything. */
#include <string.h>

#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/diff/diff_impl.h"

#define EXTRA_MAX 200u /* of one object; whoever added more is told of these */

/* As clients that people type into call themselves; those that carry out manifests are none. */
static const char *const people[] = {
	"kubectl-edit",
	"kubectl-patch",
	"kubectl-label",
	"kubectl-annotate",
	"kubectl-set",
	"kubectl-run",
	"kubectl-expose",
	"kubectl-taint",
	"kubectl-autoscale",
	"k9s",
	"Mozilla",
	"lens",
	"dashboard",
	"curl",
	"oc",
	"node-fetch",
	"headlamp",
	"freelens",
};

struct search {
	struct arena *arena;
	struct field_owner owner;
	struct diff_extra *found;
	size_t n;
};

static bool is_person(const char *manager)
{
	for (size_t i = 0; i < ARRAY_SIZE(people); i++)
		if (str_eq(manager, people[i]))
			return true;
	return false;
}

/* The item of list that has these keys; of a set, the word itself. */
static const struct doc *item_of(const struct doc *list, const struct doc *keys)
{
	doc_foreach_item (list, it) {
		bool fits = keys->kind == DOC_MAP || doc_equal(it, keys);

		if (keys->kind == DOC_MAP)
			doc_foreach_entry (keys, e)
				fits = fits && doc_get(it, e->key) &&
				       doc_equal(doc_get(it, e->key), e->value);
		if (fits)
			return it;
	}
	return NULL;
}

static void add(struct search *s, const struct diff_path *path, const struct doc *live)
{
	const char *text = diff_path_text(s->arena, path);

	for (size_t i = 0; i < s->n; i++)
		if (str_eq(diff_path_text(s->arena, s->found[i].path), text))
			return;
	if (s->n < EXTRA_MAX)
		s->found[s->n++] = (struct diff_extra){path, live, s->owner};
}

/* Down one manager's fields, as far as the manifest goes with them. */
static void search(struct search *s, const struct doc *fields, const struct diff_path *path,
		   const struct doc *live, const struct doc *wanted)
{
	doc_foreach_entry (fields, e) {
		const struct diff_path *in;
		const struct doc *l, *w;
		struct doc *keys;

		if (str_starts(e->key, "f:")) {
			in = diff_path_field(s->arena, path, e->key + 2);
			l = doc_get(live, e->key + 2);
			w = doc_get(wanted, e->key + 2);
		} else if ((str_starts(e->key, "k:") || str_starts(e->key, "v:")) &&
			   !doc_read_json(s->arena, e->key + 2, strlen(e->key + 2), NULL, &keys,
					  NULL)) {
			in = diff_path_item(s->arena, path, keys);
			l = item_of(live, keys);
			w = item_of(wanted, keys);
		} else {
			continue;
		}
		if (l && !w)
			add(s, in, l);
		else if (l)
			search(s, e->value, in, l, w);
	}
}

size_t diff_extras(struct arena *a, const struct diff_object *o, struct diff_extra **ret_extras)
{
	struct search s = {.arena = a, .found = arena_array(a, EXTRA_MAX, struct diff_extra)};

	doc_foreach_item (doc_find(o->live, "metadata.managedFields"), it) {
		const char *manager = doc_find_str(it, "manager");

		if (!o->desired || !str_empty(doc_find_str(it, "subresource")) ||
		    !is_person(manager))
			continue;
		s.owner = (struct field_owner){.manager = manager,
					       .operation =
						       str_or_empty(doc_find_str(it, "operation")),
					       .time = doc_find_str(it, "time")};
		search(&s, doc_get(it, "fieldsV1"), NULL, o->live, o->desired);
	}
	*ret_extras = s.found;
	return s.n;
}
