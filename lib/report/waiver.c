/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/report/waiver.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/str.h"

#define DAY_LENGTH 10 /* "2027-01-31" */

/* A bare day means its end: 24 h after it begins. */
static int parse_expiry(const char *text, int64_t *ret_ns)
{
	char with_time[CLOCK_RFC3339_SIZE];
	int r;

	if (strlen(text) != DAY_LENGTH)
		return clock_parse_rfc3339(text, ret_ns);
	snprintf(with_time, sizeof(with_time), "%sT00:00:00Z", text);
	r = clock_parse_rfc3339(with_time, ret_ns);
	if (!r)
		*ret_ns += 24 * 3600 * (int64_t)NS_PER_S;
	return r;
}

static int member(struct arena *a, const struct doc *d, const char *key, const char **ret,
		  struct error *err)
{
	const char *s = doc_str(doc_get(d, key));

	if (str_empty(s))
		return error_set(err, -EINVAL, "%s: a waiver needs '%s'", doc_where(a, d), key);
	*ret = arena_strdup(a, s);
	return 0;
}

static int decode_one(struct arena *a, const struct doc *d, struct waiver *w, struct error *err)
{
	static const char *const known[] = {"id", "scope", "reason", "owner", "expires"};
	int r;

	doc_foreach_entry (d, e) {
		bool found = false;

		for (size_t i = 0; i < ARRAY_SIZE(known); i++)
			found |= str_eq(known[i], e->key);
		if (!found)
			return error_set(err, -EINVAL, "%s: a waiver has no member '%s'",
					 doc_where(a, e->value), e->key);
	}
	if ((r = member(a, d, "id", &w->id, err)) ||
	    (r = member(a, d, "reason", &w->reason, err)) ||
	    (r = member(a, d, "owner", &w->owner, err)) ||
	    (r = member(a, d, "expires", &w->expires, err)))
		return r;
	w->scope = arena_strdup(a, doc_str(doc_get(d, "scope")));
	if (parse_expiry(w->expires, &w->expires_ns))
		return error_set(err, -EINVAL, "%s: waiver %s: '%s' is neither a day nor a time",
				 doc_where(a, d), w->id, w->expires);
	return 0;
}

int waivers_decode(struct arena *a, const struct doc *list, struct waivers *ret_waivers,
		   struct error *err)
{
	struct waivers w = {0};

	if (list && list->kind != DOC_LIST && list->kind != DOC_NULL)
		return error_set(err, -EINVAL, "%s: waivers: want a list", doc_where(a, list));
	if (doc_len(list) > WAIVERS_MAX)
		return error_set(err, -E2BIG, "more than %u waivers", WAIVERS_MAX);
	w.items = arena_array(a, doc_len(list) + 1, struct waiver);
	doc_foreach_item (list, item) {
		int r = decode_one(a, item, &w.items[w.n], err);

		if (r)
			return r;
		w.n++;
	}
	*ret_waivers = w;
	return 0;
}

int waivers_read_file(struct arena *a, const char *path, struct waivers *ret_waivers,
		      struct error *err)
{
	struct doc_stream s;
	int r = doc_read_file(a, path, &s, err);

	if (r)
		return r;
	if (s.n != 1)
		return error_set(err, -EINVAL, "%s: want one document with 'waivers'", path);
	return waivers_decode(a, doc_get(s.docs[0], "waivers"), ret_waivers, err);
}

struct waiver *waivers_find(const struct waivers *w, const char *id, const char *scope,
			    int64_t now_wall_ns)
{
	struct waiver *expired = NULL;

	for (size_t i = 0; i < w->n; i++) {
		struct waiver *it = &w->items[i];
		bool everywhere = str_empty(it->scope) || str_eq(it->scope, "*");

		if (!str_eq(it->id, id) || (!everywhere && !str_eq(it->scope, scope)))
			continue;
		if (!waiver_expired(it, now_wall_ns))
			return it;
		expired = it;
	}
	return expired;
}

struct doc *waiver_doc(struct arena *a, const struct waiver *w)
{
	struct doc *d = doc_map(a);

	doc_set_string(a, d, "id", w->id);
	doc_set_string(a, d, "scope", w->scope);
	doc_set_string(a, d, "reason", w->reason);
	doc_set_string(a, d, "owner", w->owner);
	doc_set_string(a, d, "expires", w->expires);
	return d;
}
