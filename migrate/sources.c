/* SPDX-License-Identifier: Apache-2.0 */
#include "migrate/sources.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/base/vec.h"

/* --- names -------------------------------------------------------------------------------- */

static const struct names anything = {.except = true};

static bool listed(const struct strings *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (str_eq(s->items[i], name))
			return true;
	return false;
}

static bool names_has(const struct names *n, const char *name)
{
	return listed(&n->values, name) != n->except;
}

static bool names_empty(const struct names *n)
{
	return !n->except && n->values.n == 0;
}

static bool names_is_anything(const struct names *n)
{
	return n->except && n->values.n == 0;
}

static bool names_equal(const struct names *a, const struct names *b)
{
	if (a->except != b->except || a->values.n != b->values.n)
		return false;
	for (size_t i = 0; i < a->values.n; i++)
		if (!str_eq(a->values.items[i], b->values.items[i]))
			return false;
	return true;
}

static void sort_unique(struct strings *s)
{
	size_t n = 0;

	if (s->n > 1)
		qsort(s->items, s->n, sizeof(s->items[0]), str_cmp_ptr);
	for (size_t i = 0; i < s->n; i++)
		if (n == 0 || !str_eq(s->items[n - 1], s->items[i]))
			s->items[n++] = s->items[i];
	s->n = n;
}

/* The values of a that are (or are not) among b's. */
static struct strings pick(struct arena *a, const struct strings *x, const struct strings *y,
			   bool wanted)
{
	struct strings out = {.items = arena_array(a, x->n + y->n + 1, const char *)};

	for (size_t i = 0; i < x->n; i++)
		if (listed(y, x->items[i]) == wanted)
			out.items[out.n++] = x->items[i];
	return out;
}

static struct strings both_of(struct arena *a, const struct strings *x, const struct strings *y)
{
	struct strings out = {.items = arena_array(a, x->n + y->n + 1, const char *)};

	for (size_t i = 0; i < x->n; i++)
		out.items[out.n++] = x->items[i];
	for (size_t i = 0; i < y->n; i++)
		out.items[out.n++] = y->items[i];
	sort_unique(&out);
	return out;
}

static struct names names_and(struct arena *a, const struct names *x, const struct names *y)
{
	if (x->except && y->except)
		return (struct names){both_of(a, &x->values, &y->values), true};
	if (x->except)
		return (struct names){pick(a, &y->values, &x->values, false), false};
	return (struct names){pick(a, &x->values, &y->values, !y->except), false};
}

static struct names names_not(const struct names *x)
{
	return (struct names){x->values, !x->except};
}

static struct names names_or(struct arena *a, const struct names *x, const struct names *y)
{
	struct names nx = names_not(x), ny = names_not(y);
	struct names both = names_and(a, &nx, &ny);

	return names_not(&both);
}

static struct names one_name(struct arena *a, const char *name)
{
	struct names n = {0};

	if (!name)
		return anything;
	n.values.items = arena_array(a, 1, const char *);
	n.values.items[n.values.n++] = name;
	return n;
}

/* --- terms -------------------------------------------------------------------------------- */

typedef VEC(struct source_term) term_list;

static void push_term(term_list *list, struct names ns, struct names accounts)
{
	if (!names_empty(&ns) && !names_empty(&accounts))
		vec_push(list, ((struct source_term){ns, accounts}));
}

/* Two terms that agree in one half become one. */
static bool merge(struct arena *a, struct source_term *x, const struct source_term *y)
{
	if (names_equal(&x->accounts, &y->accounts)) {
		x->namespaces = names_or(a, &x->namespaces, &y->namespaces);
		return true;
	}
	if (names_equal(&x->namespaces, &y->namespaces)) {
		x->accounts = names_or(a, &x->accounts, &y->accounts);
		return true;
	}
	return false;
}

static void tidy(struct arena *a, term_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		for (size_t j = i + 1; j < list->n;) {
			if (merge(a, &list->items[i], &list->items[j])) {
				vec_remove(list, j);
				j = i + 1;
			} else {
				j++;
			}
		}
}

static void take_terms(struct arena *a, struct sources *s, term_list *list)
{
	tidy(a, list);
	s->n_terms = list->n;
	s->terms = list->n ? arena_memdup(a, list->items, list->n * sizeof(list->items[0])) : NULL;
	vec_release(list);
}

/* --- sets --------------------------------------------------------------------------------- */

static struct net_cidr everywhere(void)
{
	struct net_cidr all;

	(void)net_cidr_parse("0.0.0.0/0", &all, NULL);
	return all;
}

void sources_release(struct sources *s)
{
	net_cidr_set_release(&s->outside);
}

void sources_none(struct sources *ret)
{
	memset(ret, 0, sizeof(*ret));
}

void sources_all(struct arena *a, struct sources *ret)
{
	struct net_cidr all = everywhere();

	sources_account(a, NULL, NULL, ret);
	net_cidr_set_add(&ret->outside, &all);
	ret->reserved = true;
}

void sources_account(struct arena *a, const char *ns, const char *account, struct sources *ret)
{
	sources_none(ret);
	ret->terms = arena_new(a, struct source_term);
	ret->terms[0] = (struct source_term){one_name(a, ns), one_name(a, account)};
	ret->n_terms = 1;
}

void sources_blocks(const struct net_cidr *blocks, size_t n, struct sources *ret)
{
	sources_none(ret);
	for (size_t i = 0; i < n; i++)
		net_cidr_set_add(&ret->outside, &blocks[i]);
}

/* The accounts of a namespace whose membership differs from the namespace's own. */
static struct strings exceptions(struct arena *a, const struct istio_mesh *m, const char *ns,
				 bool member)
{
	struct strings out = {.items = arena_array(a, m->n_templates + 1, const char *)};

	for (size_t i = 0; i < m->n_templates; i++) {
		const struct istio_workload *w = &m->templates[i];
		enum istio_membership is;

		if (!str_eq(w->namespace, ns))
			continue;
		is = istio_member(m, ns, w->service_account);
		if (member ? is == MEMBER_NO : is != MEMBER_NO)
			out.items[out.n++] = w->service_account;
	}
	sort_unique(&out);
	return out;
}

void sources_mesh(struct arena *a, const struct istio_mesh *m, struct sources *ret)
{
	term_list terms = VEC_INIT;
	struct names known = {.except = true};

	sources_none(ret);
	known.values.items = arena_array(a, m->n_namespaces + 1, const char *);
	for (size_t i = 0; i < m->n_namespaces; i++) {
		const char *ns = m->namespaces[i].name;
		bool member = istio_namespace_member(m, ns);
		struct names accounts = {exceptions(a, m, ns, member), member};

		known.values.items[known.values.n++] = ns;
		push_term(&terms, one_name(a, ns), accounts);
	}
	if (istio_namespace_member(m, "")) {
		sort_unique(&known.values);
		push_term(&terms, known, anything);
	}
	take_terms(a, ret, &terms);
}

void sources_and(struct arena *a, struct sources *s, const struct sources *with)
{
	term_list terms = VEC_INIT;

	for (size_t i = 0; i < s->n_terms; i++)
		for (size_t j = 0; j < with->n_terms && terms.n < SOURCES_MAX_TERMS; j++)
			push_term(&terms,
				  names_and(a, &s->terms[i].namespaces, &with->terms[j].namespaces),
				  names_and(a, &s->terms[i].accounts, &with->terms[j].accounts));
	take_terms(a, s, &terms);
	net_cidr_set_intersect(&s->outside, &with->outside);
	s->reserved = s->reserved && with->reserved;
}

void sources_or(struct arena *a, struct sources *s, const struct sources *with)
{
	term_list terms = VEC_INIT;

	for (size_t i = 0; i < s->n_terms; i++)
		vec_push(&terms, s->terms[i]);
	for (size_t i = 0; i < with->n_terms; i++)
		vec_push(&terms, with->terms[i]);
	take_terms(a, s, &terms);
	vec_foreach (&with->outside.blocks, b)
		net_cidr_set_add(&s->outside, b);
	s->reserved = s->reserved || with->reserved;
}

/* Not (N and A) is (not N) or (N and not A). */
static void term_not(struct arena *a, const struct source_term *t, struct sources *ret)
{
	term_list terms = VEC_INIT;

	sources_none(ret);
	push_term(&terms, names_not(&t->namespaces), anything);
	push_term(&terms, t->namespaces, names_not(&t->accounts));
	take_terms(a, ret, &terms);
}

void sources_not(struct arena *a, struct sources *s)
{
	struct net_cidr all = everywhere();
	struct sources out;

	sources_account(a, NULL, NULL, &out);
	for (size_t i = 0; i < s->n_terms; i++) {
		struct sources rest;

		term_not(a, &s->terms[i], &rest);
		sources_and(a, &out, &rest);
		sources_release(&rest);
	}
	net_cidr_set_add(&out.outside, &all);
	vec_foreach (&s->outside.blocks, b)
		net_cidr_set_remove(&out.outside, b);
	out.reserved = !s->reserved;
	sources_release(s);
	*s = out;
}

static bool all_outside(const struct sources *s)
{
	struct net_cidr all = everywhere();

	return net_cidr_set_covers(&s->outside, &all);
}

bool sources_is_all(const struct sources *s)
{
	return s->reserved && all_outside(s) && s->n_terms == 1 &&
	       names_is_anything(&s->terms[0].namespaces) &&
	       names_is_anything(&s->terms[0].accounts);
}

bool sources_is_empty(const struct sources *s)
{
	return s->n_terms == 0 && !s->reserved && s->outside.blocks.n == 0;
}

/* Of form: the same terms in the same order. Unequal sets never compare equal. */
bool sources_equal(const struct sources *a, const struct sources *b)
{
	if (a->n_terms != b->n_terms || a->reserved != b->reserved ||
	    !net_cidr_set_equal(&a->outside, &b->outside))
		return false;
	for (size_t i = 0; i < a->n_terms; i++)
		if (!names_equal(&a->terms[i].namespaces, &b->terms[i].namespaces) ||
		    !names_equal(&a->terms[i].accounts, &b->terms[i].accounts))
			return false;
	return true;
}

bool sources_has_pod(const struct sources *s, const char *ns, const char *account)
{
	for (size_t i = 0; i < s->n_terms; i++)
		if (names_has(&s->terms[i].namespaces, ns) &&
		    names_has(&s->terms[i].accounts, account))
			return true;
	return false;
}

/* --- peers -------------------------------------------------------------------------------- */

#define NAMESPACE_KEY "k8s:io.kubernetes.pod.namespace"
#define ACCOUNT_KEY   "k8s:io.cilium.k8s.policy.serviceaccount"

static void expression(struct arena *a, struct doc *selector, const char *key, const char *op,
		       const struct strings *values)
{
	struct doc *e = doc_append(a, doc_set_list(a, selector, "matchExpressions"), doc_map(a));

	doc_set_string(a, e, "key", key);
	doc_set_string(a, e, "operator", op);
	for (size_t i = 0; values && i < values->n; i++)
		doc_append(a, doc_set_list(a, e, "values"), doc_string(a, values->items[i]));
}

static void require(struct arena *a, struct doc *selector, const char *key, const struct names *n)
{
	if (!n->except && n->values.n == 1)
		doc_set_string(a, doc_set_map(a, selector, "matchLabels"), key, n->values.items[0]);
	else if (n->values.n > 0)
		expression(a, selector, key, n->except ? "NotIn" : "In", &n->values);
}

static struct doc *selector_of(struct arena *a, const struct source_term *t)
{
	struct doc *selector = doc_map(a);

	require(a, selector, NAMESPACE_KEY, &t->namespaces);
	require(a, selector, ACCOUNT_KEY, &t->accounts);
	/* A policy of a namespace means its own pods unless the selector names namespaces; and
	 * what has no namespace is no pod. */
	if (t->namespaces.except)
		expression(a, selector, NAMESPACE_KEY, "Exists", NULL);
	return selector;
}

static void entities(struct arena *a, struct doc *peers, const struct sources *s, bool refuse)
{
	/* "host" stands first: it is left out of a refusal. */
	static const char *const reserved[] = {"host",           "remote-node", "health",   "init",
					       "kube-apiserver", "ingress",     "unmanaged"};
	struct doc *list = doc_list(a);

	if (all_outside(s))
		doc_append(a, list, doc_string(a, "world"));
	for (size_t i = refuse; s->reserved && i < ARRAY_SIZE(reserved); i++)
		doc_append(a, list, doc_string(a, reserved[i]));
	if (doc_len(list) > 0)
		doc_set(a, doc_append(a, peers, doc_map(a)), "fromEntities", list);
}

static void blocks(struct arena *a, struct doc *peers, const struct sources *s)
{
	struct doc *list = doc_list(a);
	char buf[NET_CIDR_SIZE];

	if (all_outside(s))
		return;
	vec_foreach (&s->outside.blocks, b)
		doc_append(a, list, doc_string(a, net_cidr_format(b, buf)));
	if (doc_len(list) > 0)
		doc_set(a, doc_append(a, peers, doc_map(a)), "fromCIDR", list);
}

struct doc *sources_peers(struct arena *a, const struct sources *s, bool refuse)
{
	struct doc *peers = doc_list(a), *endpoints = doc_list(a);

	if (sources_is_all(s) && !refuse) {
		doc_append(a, peers, doc_map(a));
		return peers;
	}
	for (size_t i = 0; i < s->n_terms; i++)
		doc_append(a, endpoints, selector_of(a, &s->terms[i]));
	if (s->n_terms > 0)
		doc_set(a, doc_append(a, peers, doc_map(a)), "fromEndpoints", endpoints);
	entities(a, peers, s, refuse);
	blocks(a, peers, s);
	return peers;
}
