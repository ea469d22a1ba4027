/* SPDX-License-Identifier: Apache-2.0 */
/* When two parts of an object say the same. */
#include <string.h>

#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/diff/diff_impl.h"

bool says_nothing(const struct sameness *s, const struct diff_path *path, const struct doc *d)
{
	if (!d)
		return true;
	/* An object without content is still an object. */
	if (!path || !s->drops_zeroes ||
	    field_zero_counts(s->kind, path, d->kind == DOC_INT || d->kind == DOC_BOOL))
		return false;
	switch (d->kind) {
	case DOC_NULL:
		return true;
	case DOC_BOOL:
		return !d->boolean;
	case DOC_INT:
		return d->integer == 0;
	case DOC_REAL:
		return false;
	case DOC_STRING:
		return d->string[0] == '\0';
	case DOC_LIST:
		return d->list.n == 0;
	case DOC_MAP:
		break;
	}
	doc_foreach_entry (d, e)
		if (!says_nothing(s, diff_path_field(s->arena, path, e->key), e->value))
			return false;
	return true;
}

static bool holds_map(const struct sameness *s, const struct diff_path *path, const struct doc *x,
		      const struct doc *y, bool exact)
{
	doc_foreach_entry (x, e)
		if (!holds(s, diff_path_field(s->arena, path, e->key), e->value, doc_get(y, e->key),
			   exact))
			return false;
	if (!exact)
		return true;
	doc_foreach_entry (y, e)
		if (!doc_get(x, e->key) &&
		    !says_nothing(s, diff_path_field(s->arena, path, e->key), e->value))
			return false;
	return true;
}

/* The words of x that y has, in x's order, against those of y that x has, in y's order. */
static bool same_order(const struct keyed *x, const struct keyed *y)
{
	size_t j = 0;

	for (size_t i = 0; i < x->n; i++) {
		if (!keyed_get(y, x->texts[i]))
			continue;
		while (j < y->n && !keyed_get(x, y->texts[j]))
			j++;
		if (j >= y->n || strcmp(x->texts[i], y->texts[j++]) != 0)
			return false;
	}
	return true;
}

static bool holds_keyed(const struct sameness *s, const struct diff_path *path,
			const struct list_rule *rule, const struct keyed *x, const struct keyed *y,
			bool exact)
{
	if (exact && x->n != y->n)
		return false;
	for (size_t i = 0; i < x->n; i++) {
		const struct doc *other = keyed_get(y, x->texts[i]);

		if (!other || !holds(s, diff_path_item(s->arena, path, x->keys[i]), x->items[i],
				     other, exact))
			return false;
	}
	return !rule->ordered || same_order(x, y);
}

static bool holds_list(const struct sameness *s, const struct diff_path *path, const struct doc *x,
		       const struct doc *y, bool exact)
{
	const struct list_rule *rule = field_list(s->kind, path);
	struct keyed kx, ky;

	if (rule->list != LIST_ATOMIC && keyed_read(s->arena, rule, x, &kx)) {
		if (keyed_read(s->arena, rule, y, &ky)) {
			const bool same = holds_keyed(s, path, rule, &kx, &ky, exact);

			keyed_release(&kx);
			keyed_release(&ky);
			return same;
		}
		keyed_release(&kx);
	}
	if (x->list.n != y->list.n)
		return false;
	for (size_t i = 0; i < x->list.n; i++)
		if (!holds(s, diff_path_index(s->arena, path, i), x->list.items[i],
			   y->list.items[i], exact))
			return false;
	return true;
}

bool holds(const struct sameness *s, const struct diff_path *path, const struct doc *x,
	   const struct doc *y, bool exact)
{
	if (!x)
		return !exact || says_nothing(s, path, y);
	if (!y)
		return says_nothing(s, path, x);
	if (x->kind == DOC_MAP && y->kind == DOC_MAP)
		return holds_map(s, path, x, y, exact);
	if (x->kind == DOC_LIST && y->kind == DOC_LIST)
		return holds_list(s, path, x, y, exact);
	return field_value_same(field_value(s->kind, path), x, y);
}
