/* SPDX-License-Identifier: Apache-2.0 */
/* The table of kinds and the ways to find a row. */
#include "lib/object/kinds.h"

#include <string.h>

#include "lib/base/str.h"

#define OBJECT_KIND_ROW(name, ...) [KIND_##name] = {__VA_ARGS__},
const struct object_kind object_kinds[OBJECT_KIND_COUNT] = {OBJECT_KINDS(OBJECT_KIND_ROW)};

const struct object_kind *object_kind_find(const char *api_version, const char *kind)
{
	const char *slash;
	size_t n;

	if (!api_version || !kind)
		return NULL;
	slash = strrchr(api_version, '/');
	n = slash ? (size_t)(slash - api_version) : 0;
	for (size_t i = 0; i < OBJECT_KIND_COUNT; i++) {
		const struct object_kind *k = &object_kinds[i];

		if (strlen(k->group) == n && memcmp(k->group, api_version, n) == 0 &&
		    str_eq(k->kind, kind))
			return k;
	}
	return NULL;
}

const struct object_kind *object_kind_by_plural(const char *group, const char *plural)
{
	for (size_t i = 0; i < OBJECT_KIND_COUNT; i++)
		if (str_eq(object_kinds[i].group, group) && str_eq(object_kinds[i].plural, plural))
			return &object_kinds[i];
	return NULL;
}

int object_kind_id(const struct object_kind *kind)
{
	if (kind < object_kinds || kind >= object_kinds + OBJECT_KIND_COUNT)
		return -1;
	return (int)(kind - object_kinds);
}

const char *object_kind_api_version(struct arena *a, const struct object_kind *kind)
{
	if (kind->group[0] == '\0')
		return arena_strdup(a, kind->version);
	return arena_printf(a, "%s/%s", kind->group, kind->version);
}
