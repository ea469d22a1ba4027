/* SPDX-License-Identifier: Apache-2.0 */
/* Digests turned back into the values that somebody still has. */
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/diff/secret.h"

/* One who may know: the same place as it is, and as it looks redacted. */
struct witness {
	const struct doc *plain, *hidden;
};

struct restorer {
	struct arena *arena;
	const char *missing; /* the first place that nobody knows */
	size_t n;            /* witnesses */
};

bool secret_hidden(const char *s)
{
	return s && strstr(s, "hmac-sha256:");
}

bool secret_any_hidden(const struct doc *d)
{
	doc_foreach_item (d, it)
		if (secret_any_hidden(it))
			return true;
	doc_foreach_entry (d, e)
		if (secret_any_hidden(e->value))
			return true;
	return secret_hidden(doc_str(d));
}

static struct doc *restore(struct restorer *r, const struct doc *d, const struct witness *w,
			   const char *path);

static struct doc *restore_text(struct restorer *r, const struct doc *d, const struct witness *w,
				const char *path)
{
	if (!secret_hidden(d->string))
		return doc_clone(r->arena, d);
	for (size_t i = 0; i < r->n; i++)
		if (w[i].plain && str_eq(doc_str(w[i].hidden), d->string))
			return doc_clone(r->arena, w[i].plain);
	if (!r->missing)
		r->missing = path;
	return doc_clone(r->arena, d);
}

static struct doc *restore_map(struct restorer *r, const struct doc *d, const struct witness *w,
			       const char *path)
{
	struct witness *in = arena_array(r->arena, r->n + 1, struct witness);
	struct doc *out = doc_map(r->arena);

	doc_foreach_entry (d, e) {
		for (size_t i = 0; i < r->n; i++)
			in[i] = (struct witness){doc_get(w[i].plain, e->key),
						 doc_get(w[i].hidden, e->key)};
		doc_set(r->arena, out, e->key,
			restore(r, e->value, in,
				arena_printf(r->arena, "%s%s%s", path, *path ? "." : "", e->key)));
	}
	return out;
}

/* Where the witness has the item: the same, else the one of that name, else at that place. */
static size_t place_of(const struct doc *list, const struct doc *item, size_t at)
{
	const char *name = doc_find_str(item, "name");

	for (size_t i = 0; i < doc_len(list); i++)
		if (doc_equal(doc_at(list, i), item))
			return i;
	for (size_t i = 0; name && i < doc_len(list); i++)
		if (str_eq(doc_find_str(doc_at(list, i), "name"), name))
			return i;
	return at;
}

static struct doc *restore_list(struct restorer *r, const struct doc *d, const struct witness *w,
				const char *path)
{
	struct witness *in = arena_array(r->arena, r->n + 1, struct witness);
	struct doc *out = doc_list(r->arena);

	for (size_t k = 0; k < doc_len(d); k++) {
		for (size_t i = 0; i < r->n; i++) {
			const bool lists = w[i].hidden && w[i].hidden->kind == DOC_LIST;
			const size_t at = lists ? place_of(w[i].hidden, doc_at(d, k), k) : 0;

			in[i] = (struct witness){0};
			if (lists)
				in[i] = (struct witness){doc_at(w[i].plain, at),
							 doc_at(w[i].hidden, at)};
		}
		doc_append(
			r->arena, out,
			restore(r, doc_at(d, k), in, arena_printf(r->arena, "%s[%zu]", path, k)));
	}
	return out;
}

static struct doc *restore(struct restorer *r, const struct doc *d, const struct witness *w,
			   const char *path)
{
	if (!d || !secret_any_hidden(d))
		return d ? doc_clone(r->arena, d) : NULL;
	if (d->kind == DOC_MAP)
		return restore_map(r, d, w, path);
	if (d->kind == DOC_LIST)
		return restore_list(r, d, w, path);
	return restore_text(r, d, w, path);
}

struct doc *secret_plain(struct arena *a, const struct doc *object)
{
	struct doc *out = doc_clone(a, object), *text = doc_get(out, "stringData"), *data;

	if (!text || text->kind != DOC_MAP || !str_eq(doc_find_str(out, "kind"), "Secret"))
		return out;
	doc_del(out, "stringData");
	data = doc_set_map(a, out, "data");
	doc_foreach_entry (text, e) {
		auto_release(strbuf) struct strbuf coded = STRBUF_INIT;
		const char *s = str_or_empty(doc_str(e->value));

		base64_encode(s, strlen(s), &coded);
		doc_set_string(a, data, e->key, strbuf_cstr(&coded));
	}
	return out;
}

struct doc *secret_restore(struct arena *a, const struct secret_key *key,
			   const struct doc *redacted, const struct doc *const *known, size_t n,
			   const char **ret_missing)
{
	struct restorer r = {.arena = a, .n = n};
	struct witness *w = arena_array(a, n + 1, struct witness);
	struct doc *out;

	for (size_t i = 0; i < n; i++)
		w[i] = (struct witness){secret_plain(a, known[i]), secret_redact(a, key, known[i])};
	out = restore(&r, redacted, w, "");
	if (!r.missing)
		return out;
	*ret_missing = r.missing;
	return NULL;
}
