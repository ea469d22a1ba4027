/* SPDX-License-Identifier: Apache-2.0 */
/* What an expression names is known there. */
#include "lib/base/str.h"
#include "runbooks/known.h"
#include "runbooks/lint_internal.h"

#define RULE(name_)                                                                                \
	int name_(UNUSED const struct check *check, void *env, UNUSED struct report *report,       \
		  UNUSED struct error *err)

/* The field that e takes of the map `of`, NULL when it is none: params.NAMESPACE. */
static const char *field_of(const struct expr *e, const char *of)
{
	return e->op == EXPR_FIELD && e->items[0]->op == EXPR_NAME && str_eq(e->items[0]->text, of)
		       ? e->text
		       : NULL;
}

/* What undoes is done when the list it stands in is over: its item is not known any more. */
static bool loop_item(const struct site *s, const char *name)
{
	for (; s && !(s->undoes && s->parent && !s->parent->undoes); s = s->parent) {
		if (s->parent && s->parent->step->kind == STEP_FOREACH &&
		    str_eq(name, s->parent->step->as ? s->parent->step->as : "item"))
			return true;
	}
	return false;
}

static void check_name(struct lint *l, const struct text *t, const struct expr *e)
{
	const char *param = field_of(e, "params"), *var = field_of(e, "vars"), *wrong = NULL;
	const struct site *from = NULL;

	if (e->op == EXPR_FIELD && e->items[0]->op == EXPR_NAME &&
	    !loop_item(t->site, e->items[0]->text))
		from = lint_registered(l, t, e->items[0]->text);
	if (from)
		wrong = known_answer_refused(l->arena, from->step, e->text);
	if (wrong)
		lint_fail(l, t->path, "%s.%s: %s", e->items[0]->text, e->text, wrong);
	if (param && !lint_param(&l->rb, param))
		lint_fail(l, t->path, "there is no parameter %s", param);
	if (var && !strmap_get(&l->rb.vars, var))
		lint_fail(l, t->path, "there is no variable %s", var);
	else if (var && !t->site && !t->sees_own)
		lint_fail(l, t->path,
			  "variables are filled in of parameters, in no order that is promised: "
			  "%s may be unknown",
			  var);
	if (e->op == EXPR_NAME && !lint_reserved(e->text) && !loop_item(t->site, e->text) &&
	    !lint_registered(l, t, e->text))
		lint_fail(l, t->path,
			  "nothing is known as %s here: no step that runs before "
			  "registers it",
			  e->text);
	for (size_t i = 0; i < e->n; i++)
		check_name(l, t, e->items[i]);
}

static void check_names(struct lint *l, const struct text *t)
{
	lint_each_expr(l, t, check_name);
}

RULE(rule_names)
{
	lint_each_text(env, check_names);
	return 0;
}
