/* SPDX-License-Identifier: Apache-2.0 */
/* Lists seen through their merge keys. */
#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/diff/diff_impl.h"

static bool is_word(const struct doc *d)
{
	return d && (d->kind == DOC_STRING || d->kind == DOC_INT || d->kind == DOC_BOOL);
}

const struct doc *item_keys(struct arena *a, const struct list_rule *rule, struct doc *item)
{
	struct doc *keys;

	if (rule->list == LIST_SET)
		return is_word(item) ? item : NULL;
	if (!item || item->kind != DOC_MAP)
		return NULL;
	keys = doc_map(a);
	for (size_t i = 0; i < LIST_MAX_KEYS && rule->keys[i]; i++) {
		struct doc *v = doc_find(item, rule->keys[i]);

		if (!v && rule->defaults[i])
			v = doc_string(a, rule->defaults[i]);
		if (!is_word(v))
			return NULL;
		doc_set(a, keys, rule->keys[i], v);
	}
	return keys;
}

const char *keys_text(struct arena *a, const struct doc *keys)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	doc_write_json(keys, DOC_COMPACT, &sb);
	return arena_strdup(a, strbuf_cstr(&sb));
}

bool keyed_read(struct arena *a, const struct list_rule *rule, const struct doc *list,
		struct keyed *ret)
{
	struct keyed k = {.n = doc_len(list), .index = MAP_INIT};

	if (list && list->kind != DOC_LIST)
		return false;
	k.items = list ? list->list.items : NULL;
	k.keys = arena_array(a, k.n + 1, const struct doc *);
	k.texts = arena_array(a, k.n + 1, const char *);
	for (size_t i = 0; i < k.n; i++) {
		k.keys[i] = item_keys(a, rule, k.items[i]);
		if (k.keys[i])
			k.texts[i] = keys_text(a, k.keys[i]);
		if (!k.keys[i] || map_set(&k.index, k.texts[i], &k.items[i])) {
			map_release(&k.index);
			return false;
		}
	}
	*ret = k;
	return true;
}

void keyed_release(struct keyed *k)
{
	map_release(&k->index);
}

struct doc *keyed_get(const struct keyed *k, const char *text)
{
	struct doc **at = map_get(&k->index, text);

	return at ? *at : NULL;
}
