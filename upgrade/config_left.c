/* SPDX-License-Identifier: Apache-2.0 */
#include "upgrade/config_left.h"

#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "upgrade/config_effect.h"
#include "upgrade/config_history.h"

static bool has_text(const struct doc *list, const char *text)
{
	doc_foreach_item (list, d)
		if (str_eq(doc_str(d), text))
			return true;
	return false;
}

static bool is_named(const struct cli_list *named, const struct doc *plan, const char *ref)
{
	for (size_t i = 0; i < named->n; i++)
		if (str_eq(named->items[i], ref))
			return true;
	return has_text(doc_get(plan, "delete"), ref);
}

/* Why it stays; NULL: it goes. */
static const char *why_left(struct config_scene *s, const struct doc *object)
{
	if (!s->created)
		return "left: whether it was there before is not known, its revision does not say";
	if (!has_text(s->created, config_history_file(&s->arena, object)))
		return "left: it was there before";
	if (config_holds_data(doc_find_str(object, "kind")))
		return "left: what it holds would be lost with it";
	return NULL;
}

static void index_set(struct config_scene *s, const struct snapshot *set, struct map *m)
{
	for (size_t i = 0; i < set->n; i++)
		map_set(m, config_history_file(&s->arena, set->items[i]), set->items[i]);
}

/* Every object of which out knows the file leaves the set. */
static void take_out(struct config_scene *s, struct snapshot *set, const struct map *out)
{
	size_t n = 0;

	for (size_t i = 0; i < set->n; i++)
		if (!map_has(out, config_history_file(&s->arena, set->items[i])))
			set->items[n++] = set->items[i];
	set->n = n;
}

void config_leave(struct config_scene *s, const struct cli_list *named, const struct doc *plan,
		  struct error *err)
{
	struct map wanted = MAP_INIT, live = MAP_INIT, out = MAP_INIT;

	index_set(s, &s->desired, &wanted);
	index_set(s, &s->live, &live);
	for (size_t i = 0; i < s->applied.n; i++) {
		struct doc *object = s->applied.items[i];
		const char *file = config_history_file(&s->arena, object), *why,
			   *ref = config_object_ref(&s->arena, object);

		if (map_has(&wanted, file) || !map_has(&live, file) || is_named(named, plan, ref))
			continue;
		why = why_left(s, object);
		if (!why)
			continue;
		config_leave_out(s, object,
				 arena_printf(&s->arena, "%s; --delete %s deletes it", why, ref));
		map_set(&out, file, object);
		if (!s->created || !has_text(s->created, file))
			snapshot_add(&s->let_go, object, err);
	}
	take_out(s, &s->applied, &out);
	take_out(s, &s->live, &out);
	map_release(&wanted);
	map_release(&live);
	map_release(&out);
}

struct doc *config_created(struct config_scene *s, const struct diff_object *const *order, size_t n,
			   const struct snapshot *gone)
{
	struct arena *a = &s->arena;
	struct doc *list = doc_list(a);
	struct map without = MAP_INIT;

	index_set(s, gone, &without);
	doc_foreach_item (s->created, d)
		if (!map_has(&without, str_or_empty(doc_str(d))))
			doc_append(a, list, doc_clone(a, d));
	for (size_t i = 0; i < n; i++) {
		const char *file;

		if (order[i]->live || !order[i]->desired)
			continue;
		file = config_history_file(a, order[i]->desired);
		if (!has_text(list, file))
			doc_append(a, list, doc_string(a, file));
	}
	map_release(&without);
	return list;
}
