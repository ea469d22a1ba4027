/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/resource.h"

#include "lib/base/str.h"
#include "lib/base/vec.h"

struct registry {
	struct store *store;
	struct arena arena;
	VEC(struct resource *) rows;
};

struct registry *registry_new(struct store *store)
{
	struct registry *r = xcalloc(1, sizeof(*r));

	r->store = store;
	for (size_t i = 0; i < builtin_resources_n; i++)
		registry_add(r, &builtin_resources[i]);
	return r;
}

void registry_free(struct registry *r)
{
	if (!r)
		return;
	vec_release(&r->rows);
	arena_release(&r->arena);
	free(r);
}

struct arena *registry_arena(struct registry *r)
{
	return &r->arena;
}

const struct resource *registry_add(struct registry *r, const struct resource *row)
{
	struct resource *res = arena_memdup(&r->arena, row, sizeof(*row));

	if (!res->list_kind)
		res->list_kind = arena_printf(&r->arena, "%sList", res->kind);
	if (!(res->flags & RES_VIRTUAL))
		res->shelf = store_shelf(r->store,
					 arena_printf(&r->arena, "%s/%s", res->group, res->plural));
	vec_push(&r->rows, res);
	return res;
}

void registry_retire(struct registry *r, const char *crd)
{
	vec_foreach (&r->rows, it)
		if (str_eq((*it)->crd, crd))
			(*it)->retired = true;
}

const struct resource *registry_find(const struct registry *r, const char *group,
				     const char *version, const char *plural)
{
	vec_foreach (&r->rows, it)
		if (!(*it)->retired && str_eq((*it)->plural, plural) &&
		    str_eq((*it)->group, group) && str_eq((*it)->version, version))
			return *it;
	return NULL;
}

const struct resource *registry_find_kind(const struct registry *r, const char *group,
					  const char *version, const char *kind)
{
	const struct resource *found = NULL;

	vec_foreach (&r->rows, it) {
		const struct resource *res = *it;

		if (res->retired || !str_eq(res->kind, kind) || !str_eq(res->group, group) ||
		    (version && !str_eq(res->version, version)))
			continue;
		if (!found || res->preferred)
			found = res;
	}
	return found;
}

const struct resource *registry_of_shelf(const struct registry *r, const struct shelf *sh)
{
	const struct resource *found = NULL;

	vec_foreach (&r->rows, it)
		if (!(*it)->retired && (*it)->shelf == sh && (!found || (*it)->preferred))
			found = *it;
	return found;
}

bool registry_has_group_version(const struct registry *r, const char *group, const char *version)
{
	vec_foreach (&r->rows, it)
		if (!(*it)->retired && str_eq((*it)->group, group) &&
		    str_eq((*it)->version, version))
			return true;
	return false;
}

size_t registry_count(const struct registry *r)
{
	return r->rows.n;
}

const struct resource *registry_at(const struct registry *r, size_t i)
{
	return r->rows.items[i];
}

const char *resource_api_version(struct arena *a, const struct resource *res)
{
	return *res->group ? arena_printf(a, "%s/%s", res->group, res->version)
			   : arena_strdup(a, res->version);
}

struct subject resource_subject(const struct resource *res, const char *name)
{
	return (struct subject){res->group, res->plural, res->kind, name};
}
