/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/check.h"
#include "deploy/lab/apiserver/names.h"
#include "lib/base/str.h"

enum { ANNOTATION_BYTES_MAX = 256 << 10, FINALIZERS_MAX = 100 };

static void check_name(struct causes *c, const struct resource *res, const char *name)
{
	const char *why;

	if (str_empty(name)) {
		cause_required(c, "metadata.name", "name or generateName is required");
		return;
	}
	if (res->flags & RES_LABEL_NAME)
		why = name_check_label(name);
	else if (res->flags & RES_1035_NAME)
		why = name_check_1035(name);
	else if (res->flags & RES_PATH_NAME)
		why = name_check_path(name);
	else
		why = name_check_subdomain(name);
	if (why)
		cause_invalid_str(c, "metadata.name", name, why);
}

static void check_labels(struct causes *c, const struct doc *labels)
{
	if (labels && labels->kind != DOC_MAP && labels->kind != DOC_NULL)
		cause_invalid(c, "metadata.labels", labels, "must be a map of strings");
	doc_foreach_entry (labels, l) {
		const char *value = doc_str(l->value), *why = name_check_qualified(l->key);

		if (why)
			cause_invalid_str(c, "metadata.labels", l->key, why);
		if (!value && l->value->kind != DOC_NULL)
			cause_invalid(c, "metadata.labels", l->value, "must be a string");
		why = name_check_label_value(str_or_empty(value));
		if (why)
			cause_invalid_str(c, "metadata.labels", value, why);
	}
}

static void check_annotations(struct causes *c, const struct doc *annotations)
{
	size_t bytes = 0;

	doc_foreach_entry (annotations, an) {
		auto_release(strbuf) struct strbuf lower = STRBUF_INIT;
		const char *why;

		for (const char *p = an->key; *p; p++) /* case does not matter in keys */
			strbuf_addc(&lower, *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p);
		why = name_check_qualified(strbuf_cstr(&lower));
		if (why)
			cause_invalid_str(c, "metadata.annotations", an->key, why);
		if (!doc_str(an->value) && an->value->kind != DOC_NULL)
			cause_invalid(c, "metadata.annotations", an->value, "must be a string");
		bytes += strlen(an->key) + strlen(str_or_empty(doc_str(an->value)));
	}
	if (bytes > ANNOTATION_BYTES_MAX)
		cause_invalid_str(c, "metadata.annotations", "",
				  "Too long: may not be more than 262144 bytes");
}

static void check_owners(struct causes *c, const struct doc *owners)
{
	static const char *const fields[] = {"apiVersion", "kind", "name", "uid"};
	size_t controllers = 0, i = 0;

	doc_foreach_item (owners, o) {
		for (size_t f = 0; f < ARRAY_SIZE(fields); f++)
			if (str_empty(doc_str(doc_get(o, fields[f]))))
				cause_invalid_str(c,
						  arena_printf(c->arena,
							       "metadata.ownerReferences[%zu].%s",
							       i, fields[f]),
						  "", "must not be empty");
		controllers += doc_bool_or(doc_get(o, "controller"), false);
		i++;
	}
	if (controllers > 1)
		cause_invalid(c, "metadata.ownerReferences", owners,
			      "Only one reference can have Controller set to true");
}

static bool has_string(const struct doc *list, const char *s)
{
	doc_foreach_item (list, it)
		if (str_eq(doc_str(it), s))
			return true;
	return false;
}

/* An object that is being deleted may lose finalizers, not gain them. */
static void check_finalizers(struct causes *c, const struct doc *object, const struct doc *old)
{
	const struct doc *list = doc_find(object, "metadata.finalizers");
	bool dying = doc_find_str(old, "metadata.deletionTimestamp") != NULL;

	if (doc_len(list) > FINALIZERS_MAX)
		cause_invalid(c, "metadata.finalizers", NULL, "there are too many");
	doc_foreach_item (list, f) {
		const char *why = name_check_qualified(str_or_empty(doc_str(f)));

		if (why)
			cause_invalid(c, "metadata.finalizers", f, why);
		else if (dying && !has_string(doc_find(old, "metadata.finalizers"), doc_str(f)))
			cause_forbidden(
				c, "metadata.finalizers",
				arena_printf(
					c->arena,
					"no new finalizers can be added if the object is being "
					"deleted, found new finalizers []string{\"%s\"}",
					doc_str(f)));
	}
}

void check_metadata(struct causes *c, const struct resource *res, const struct doc *object,
		    const struct doc *old)
{
	const struct doc *meta = doc_get(object, "metadata");

	check_name(c, res, doc_str(doc_get(meta, "name")));
	check_labels(c, doc_get(meta, "labels"));
	check_annotations(c, doc_get(meta, "annotations"));
	check_owners(c, doc_get(meta, "ownerReferences"));
	check_finalizers(c, object, old);
}
