/* SPDX-License-Identifier: Apache-2.0 */
/* The rule of values: what bounds a step (nodes, a selector, a time, a filter) is something that
 * can be read, for one that cannot would be passed over, and the step be about everything. */
#include <string.h>

#include "lib/base/str.h"
#include "runbooks/known.h"
#include "runbooks/lint_internal.h"
#include "runbooks/params.h"
#include "runbooks/template.h"

#define RULE(name_)                                                                                \
	int name_(UNUSED const struct check *check, void *env, UNUSED struct report *report,       \
		  UNUSED struct error *err)

/* --- what operations are told ------------------------------------------------------------------
 */

/* A text that names nodes by blanks or commas, one at least; what is filled in is looked at then.
 */
static bool names_some(struct arena *a, const char *text)
{
	size_t names = 0;

	if (!text || template_is_one(text))
		return text;
	for (const char *at = text; *at;) {
		const size_t n = strcspn(at, ", ");

		if (n && !known_name(arena_strndup(a, at, n)))
			return false;
		names += n > 0;
		at += n + (at[n] != '\0');
	}
	return names > 0;
}

static void check_nodes(struct lint *l, const struct site *s, const struct doc *nodes)
{
	bool good = doc_str(nodes) ? names_some(l->arena, doc_str(nodes)) : doc_len(nodes) > 0;

	if (nodes->kind != DOC_STRING && nodes->kind != DOC_LIST)
		good = false;
	doc_foreach_item (nodes, it)
		good &= names_some(l->arena, doc_str(it));
	if (!good)
		lint_fail(l, lint_path(l, s, "op"),
			  "nodes is the names of nodes, one at least, as a text or a list: left "
			  "out it means every node");
}

/* Arguments that have few values; they stand there written out, for all to read. */
static const struct {
	const char *op, *argument, *values;
} choices[] = {
	{"endpoint.regenerate", "selector", " all stale-or-not-ready "},
	{"k8s.evict", "selector", " endpoints-not-ready "},
	{"k8s.patch", "preserve", " pre-image "},
};

static void check_operation(struct lint *l, const struct site *s)
{
	const struct doc *op = s->step->op, *args;
	const char *name;

	if (!op || op->kind != DOC_MAP || op->map.n != 1)
		return;
	name = op->map.entries[0].key;
	args = op->map.entries[0].value;
	if (doc_get(args, "nodes"))
		check_nodes(l, s, doc_get(args, "nodes"));
	if (doc_get(args, "namespace") && str_empty(doc_find_str(args, "namespace")))
		lint_fail(l, lint_path(l, s, "op"), "namespace is a name, or left out: all");
	for (size_t i = 0; i < ARRAY_SIZE(choices); i++) {
		const struct doc *d = doc_get(args, choices[i].argument);
		const char *value = arena_printf(l->arena, " %s ", str_or_empty(doc_str(d)));

		if (str_eq(choices[i].op, name) && d && !strstr(choices[i].values, value))
			lint_fail(l, lint_path(l, s, "op"), "%s of %s is one of:%s",
				  choices[i].argument, name, choices[i].values);
	}
}

/* --- times --------------------------------------------------------------------------------------
 */

#define MAX_VARS 8 /* variables that are filled in from each other */

static bool is_duration(const char *text)
{
	uint64_t ns;

	return str_to_duration_ns(text, &ns, NULL) == 0 && ns > 0;
}

static bool gives_durations(const struct param *p)
{
	if (!p || p->type == PARAM_DURATION)
		return p;
	for (size_t i = 0; i < p->choices.n; i++) {
		if (!is_duration(p->choices.items[i]))
			return false;
	}
	return p->type == PARAM_CHOICE && p->choices.n;
}

/* A duration, or all of it one parameter (or variable) that can be nothing else. */
static bool is_time(struct lint *l, const char *text, int depth)
{
	const struct expr *e;
	struct template t = {0};

	if (!text || depth > MAX_VARS || template_parse(l->arena, text, &t, NULL) < 0 || t.n != 1)
		return false;
	e = t.parts[0].expr;
	if (!e)
		return is_duration(text);
	if (e->op != EXPR_FIELD || e->items[0]->op != EXPR_NAME)
		return false;
	if (str_eq(e->items[0]->text, "vars"))
		return is_time(l, strmap_get(&l->rb.vars, e->text), depth + 1);
	return str_eq(e->items[0]->text, "params") && gives_durations(lint_param(&l->rb, e->text));
}

static void check_question(struct lint *l, const struct site *s)
{
	const struct step_query *q = s->step->flows ? s->step->flows : s->step->query;
	const char *verdict;

	verdict = q ? doc_find_str(q->filter, "verdict") : NULL;
	if (verdict && !str_eq(verdict, "DROPPED") && !template_is_one(verdict) &&
	    (doc_get(q->filter, "drop_reason") || doc_get(q->filter, "fault")))
		lint_fail(l, lint_path(l, s, s->step->flows ? "flows.filter" : "query.filter"),
			  "drop_reason and fault are of verdict DROPPED");
	doc_foreach_entry (q ? q->filter : NULL, e) {
		if (doc_str(e->value) && !*doc_str(e->value))
			lint_fail(l,
				  lint_path(l, s, s->step->flows ? "flows.filter" : "query.filter"),
				  "filter %s is empty: leave it out, or name something", e->key);
	}
	if (q && q->since && !is_time(l, q->since, 0))
		lint_fail(l, lint_path(l, s, s->step->flows ? "flows.since" : "query.since"),
			  "want a duration like 15m, or a parameter of type duration: what cannot "
			  "be read bounds nothing");
}

/* A list of everything, when one was meant. */
static void check_objects(struct lint *l, const struct site *s)
{
	const struct step_k8s *k = s->step->k8s;
	const char *path = lint_path(l, s, "k8s"), *kind;

	if (!k)
		return;
	kind = k->list ? strchr(k->list, ' ') : NULL;
	if (kind && strchr(kind + 1, ' '))
		lint_fail(l, path, "a list is of a kind; of one object there is get");
	if (k->get && (k->namespace || k->selector || k->limit.set))
		lint_fail(l, path,
			  "get is about the object it names: no namespace, selector, limit");
	if ((k->namespace && !*k->namespace) || (k->selector && !*k->selector))
		lint_fail(l, path, "an empty namespace or selector means all: leave it out");
}

static void check_params(struct lint *l)
{
	for (size_t i = 0; i < l->rb.n_params; i++) {
		struct error err = ERROR_INIT;
		struct doc *value;

		if (param_default(l->arena, &l->rb.params[i], &value, &err) < 0)
			lint_fail(l, arena_printf(l->arena, "params[%zu]", i), "%s", err.msg);
	}
}

RULE(rule_values)
{
	struct lint *l = env;

	check_params(l);

	for (size_t i = 0; i < l->n_sites; i++) {
		check_operation(l, &l->sites[i]);
		check_question(l, &l->sites[i]);
		check_objects(l, &l->sites[i]);
	}
	return 0;
}
