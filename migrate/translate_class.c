/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pods of a namespace, divided by what the selectors of its objects can tell apart. Policies of
 * the mesh add up, so each class gets its own whole policy and no pod two: classes that a selector
 * does not take say so ("NotIn"), and pods that come later fall into the right class by their
 * labels.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/base/vec.h"
#include "migrate/translate_internal.h"

typedef VEC(struct strmap) selector_list;

struct dividing {
	struct translator *t;
	selector_list selectors;
	bool *taken; /* of the class at hand */
	VEC(struct pod_class) classes;
	bool overflow;
};

static bool same(const struct strmap *a, const struct strmap *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!str_eq(strmap_get(b, a->items[i].key), a->items[i].value))
			return false;
	return true;
}

static void add_selector(selector_list *list, const struct strmap *labels)
{
	if (labels->n == 0)
		return;
	vec_foreach (list, s)
		if (same(s, labels))
			return;
	vec_push(list, *labels);
}

static int by_text(const void *a, const void *b)
{
	const struct strmap *x = a, *y = b;

	for (size_t i = 0; i < x->n && i < y->n; i++) {
		int order = str_cmp(x->items[i].key, y->items[i].key);

		if (order == 0)
			order = str_cmp(x->items[i].value, y->items[i].value);
		if (order)
			return order;
	}
	return (x->n > y->n) - (x->n < y->n);
}

static void collect(struct translator *t, selector_list *list)
{
	const struct istio_mesh *m = t->mesh;

	for (size_t i = 0; i < m->n_authorization_policies; i++) {
		const struct istio_authorization_policy *p = &m->authorization_policies[i];

		if (!p->target_ref && !p->target_refs &&
		    (str_eq(p->meta.namespace, t->namespace) ||
		     str_eq(p->meta.namespace, m->config.root_namespace)))
			add_selector(list, &p->selector.match_labels);
	}
	for (size_t i = 0; i < m->n_peer_authentications; i++)
		if (str_eq(m->peer_authentications[i].meta.namespace, t->namespace))
			add_selector(list, &m->peer_authentications[i].selector.match_labels);
	for (size_t i = 0; i < m->n_templates; i++) {
		const struct istio_workload *w = &m->templates[i];
		struct strmap labels = istio_workload_labels(w);

		if (str_eq(w->namespace, t->namespace) && !w->host_network &&
		    istio_workload_stands_out(m, t->arena, w)) /* its own class */
			add_selector(list, &labels);
	}
	vec_sort(list, by_text);
}

/* --- one class ---------------------------------------------------------------------------- */

static struct strmap with_pairs(struct arena *a, const struct strmap *labels,
				const struct strmap *more)
{
	struct strmap out = {.items = arena_array(a, labels->n + more->n + 1, struct strmap_pair)};
	size_t i = 0, j = 0;

	while (i < labels->n || j < more->n) {
		int order = i == labels->n ? 1
			    : j == more->n ? -1
					   : strcmp(labels->items[i].key, more->items[j].key);

		if (order == 0)
			j++;
		out.items[out.n++] = order <= 0 ? labels->items[i++] : more->items[j++];
	}
	return out;
}

enum relation { RELATION_IMPLIED, RELATION_EXCLUDED, RELATION_OPEN };
static enum relation relate(const struct strmap *labels, const struct strmap *selector)
{
	enum relation r = RELATION_IMPLIED;

	for (size_t i = 0; i < selector->n; i++) {
		const char *have = strmap_get(labels, selector->items[i].key);

		if (!have)
			r = RELATION_OPEN;
		else if (!str_eq(have, selector->items[i].value))
			return RELATION_EXCLUDED;
	}
	return r;
}

/* "key NotIn [values]" in a selector, joined with what is there. */
static void exclude(struct arena *a, struct doc *selector, const char *key, const char *value)
{
	struct doc *list = doc_set_list(a, selector, "matchExpressions"), *e = NULL;

	doc_foreach_item (list, item)
		if (str_eq(doc_str(doc_get(item, "key")), key))
			e = item;
	if (!e) {
		e = doc_append(a, list, doc_map(a));
		doc_set_string(a, e, "key", key);
		doc_set_string(a, e, "operator", "NotIn");
	}
	doc_append(a, doc_set_list(a, e, "values"), doc_string(a, value));
}

#define MAX_SELECTORS 64u

/* Every way to escape one selector, times every selector so far; false when that is too many. */
static bool escape(struct arena *a, const struct strmap *labels, const struct strmap *s,
		   struct doc ***list, size_t *n)
{
	struct doc **out = arena_array(a, MAX_SELECTORS, struct doc *);
	size_t made = 0;

	for (size_t j = 0; j < *n; j++) {
		for (size_t k = 0; k < s->n; k++) {
			if (strmap_get(labels, s->items[k].key))
				continue;
			if (made == MAX_SELECTORS)
				return false;
			out[made] = doc_clone(a, (*list)[j]);
			exclude(a, out[made++], s->items[k].key, s->items[k].value);
		}
	}
	*list = out;
	*n = made;
	return true;
}

/* Everything that has the labels and escapes every selector that is open and not taken. */
static bool write_selectors(struct dividing *d, struct pod_class *c)
{
	struct arena *a = d->t->arena;

	c->selectors = arena_array(a, 1, struct doc *);
	c->selectors[0] = doc_map(a);
	c->n_selectors = 1;
	for (size_t i = 0; i < c->labels.n; i++)
		doc_set_string(a, doc_set_map(a, c->selectors[0], "matchLabels"),
			       c->labels.items[i].key, c->labels.items[i].value);
	for (size_t i = 0; i < d->selectors.n; i++) {
		const struct strmap *s = &d->selectors.items[i];

		if (!d->taken[i] && relate(&c->labels, s) == RELATION_OPEN &&
		    !escape(a, &c->labels, s, &c->selectors, &c->n_selectors))
			return false;
	}
	return true;
}

static const char *class_name(struct dividing *d, const struct strmap *labels)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < labels->n; i++)
		strbuf_addf(&sb, "-%s", labels->items[i].value);
	if (sb.len == 0)
		strbuf_adds(&sb, "-default");
	for (size_t i = 0; i < sb.len; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-.", sb.buf[i]))
			sb.buf[i] = '-';
	while (sb.len > 1 && strchr("-.", sb.buf[sb.len - 1]))
		sb.buf[--sb.len] = '\0';
	if (sb.len > 200)
		sb.buf[200] = '\0';
	return arena_printf(d->t->arena, "sidestep%s", strbuf_cstr(&sb));
}

static void finish_class(struct dividing *d, const struct strmap *labels)
{
	struct pod_class c = {.labels = *labels};

	for (size_t i = 0; i < d->selectors.n; i++) /* taken by what came later: another class */
		if (!d->taken[i] && relate(labels, &d->selectors.items[i]) == RELATION_IMPLIED)
			return;
	if (d->classes.n == TRANSLATE_MAX_CLASSES || !write_selectors(d, &c)) {
		d->overflow = true;
		return;
	}
	c.name = class_name(d, labels);
	vec_push(&d->classes, c);
}

static void divide(struct dividing *d, size_t i, const struct strmap *labels)
{
	const struct strmap *s;
	enum relation r;

	if (d->overflow)
		return;
	if (i == d->selectors.n) {
		finish_class(d, labels);
		return;
	}
	s = &d->selectors.items[i];
	r = relate(labels, s);
	if (r != RELATION_EXCLUDED) {
		struct strmap more = with_pairs(d->t->arena, labels, s);

		d->taken[i] = true;
		divide(d, i + 1, &more);
	}
	d->taken[i] = false;
	if (r != RELATION_IMPLIED)
		divide(d, i + 1, labels);
}

bool pod_classes(struct translator *t, struct pod_class **ret, size_t *ret_n)
{
	static const struct strmap none = {0};
	struct dividing d = {.t = t};

	collect(t, &d.selectors);
	d.taken = arena_array(t->arena, d.selectors.n + 1, bool);
	divide(&d, 0, &none);
	*ret_n = d.classes.n;
	*ret = d.classes.n ? arena_memdup(t->arena, d.classes.items,
					  d.classes.n * sizeof(d.classes.items[0]))
			   : NULL;
	vec_release(&d.classes);
	vec_release(&d.selectors);
	return !d.overflow;
}
