/* SPDX-License-Identifier: Apache-2.0 */
/* Metadata and conditions: the rows every object shares, and decoding with its name in errors. */
#include "lib/object/meta.h"

#include "lib/base/macros.h"
#include "lib/base/str.h"

static const struct bind_field owner_fields[] = {
	BIND(struct owner_reference, api_version, "apiVersion", BIND_STRING, 0),
	BIND(struct owner_reference, kind, "kind", BIND_STRING, 0),
	BIND(struct owner_reference, name, "name", BIND_STRING, 0),
	BIND(struct owner_reference, uid, "uid", BIND_STRING, 0),
	BIND(struct owner_reference, controller, "controller", BIND_BOOL, 0),
};
BIND_TABLE(owner_reference_table, struct owner_reference, owner_fields);

static const struct bind_field condition_fields[] = {
	BIND(struct condition, type, "type", BIND_STRING, 0),
	BIND(struct condition, status, "status", BIND_STRING, 0),
	BIND(struct condition, reason, "reason", BIND_STRING, 0),
	BIND(struct condition, message, "message", BIND_STRING, 0),
	BIND(struct condition, last_transition_time, "lastTransitionTime", BIND_STRING, 0),
	BIND(struct condition, observed_generation, "observedGeneration", BIND_INT64, 0),
};
BIND_TABLE(condition_table, struct condition, condition_fields);

static const struct bind_field plain_fields[] = {
	OBJECT_META_ROWS(struct plain_object),
};
BIND_TABLE(plain_object_table, struct plain_object, plain_fields);

int object_decode_strict(struct arena *a, const struct bind_table *table, const struct doc *d,
			 void *out, struct bind_unknown *unknown, struct error *err)
{
	struct object_meta *meta = out;
	int r;

	r = bind_decode(a, table, d, "", out, unknown, err);
	if (r < 0)
		return error_wrap(err, r, "%s %s/%s", str_or_empty(doc_find_str(d, "kind")),
				  str_or_empty(doc_find_str(d, "metadata.namespace")),
				  str_or_empty(doc_find_str(d, "metadata.name")));
	meta->raw = d;
	return 0;
}

int object_decode(struct arena *a, const struct bind_table *table, const struct doc *d, void *out,
		  struct error *err)
{
	return object_decode_strict(a, table, d, out, NULL, err);
}

const struct condition *condition_find(const struct condition *items, size_t n, const char *type)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eq(items[i].type, type))
			return &items[i];
	}
	return NULL;
}

bool condition_true(const struct condition *items, size_t n, const char *type)
{
	const struct condition *c = condition_find(items, n, type);

	return c && str_eq(c->status, "True");
}

const char *object_key(struct arena *a, const struct object_meta *m)
{
	if (str_empty(m->namespace))
		return str_or_empty(m->name);
	return arena_printf(a, "%s/%s", m->namespace, str_or_empty(m->name));
}

const struct owner_reference *object_controller(const struct object_meta *m)
{
	for (size_t i = 0; i < m->n_owners; i++) {
		if (m->owners[i].controller)
			return &m->owners[i];
	}
	return NULL;
}
