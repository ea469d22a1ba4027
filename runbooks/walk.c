/* SPDX-License-Identifier: Apache-2.0 */
#include "runbooks/walk.h"

#include "lib/base/str.h"
#include "runbooks/expr.h"
#include "runbooks/template.h"

enum { EXIT_OK = 0, EXIT_FAILED = 3, EXIT_INCONCLUSIVE = 5, EXIT_WAITING = 7, EXIT_ABORTED = 8 };

struct walker {
	struct arena *arena;
	const struct runbook *rb;
	enum runbook_mode mode;
	const struct doc *answers;
	struct doc *data;
	struct walk *walk;
};

static void unsure(struct walker *w, const char *id, const char *why)
{
	w->walk->inconclusive = true;
	if (!w->walk->why)
		w->walk->why = arena_printf(w->arena, "%s: %s", id, why);
}

static enum expr_truth decide(struct walker *w, const char *id, const char *text)
{
	struct error err = ERROR_INIT;
	const struct expr *e = NULL;
	const char *why = NULL;
	enum expr_truth t;

	if (expr_parse(w->arena, text, &e, &err) < 0) {
		unsure(w, id, err.msg);
		return EXPR_UNKNOWN;
	}
	t = expr_decide(w->arena, e, w->data, &why);
	if (t == EXPR_UNKNOWN)
		unsure(w, id, why);
	return t;
}

static bool changes(const struct runbook_step *s)
{
	if (s->kind == STEP_MUTATE || s->mutates.value)
		return true;
	for (size_t i = 0; i < s->n_steps; i++) {
		if (changes(&s->steps[i]))
			return true;
	}
	return false;
}

/* Diagnose only reads, and so asks nobody for an approval. */
static bool runs_in_mode(const struct walker *w, const struct runbook_step *s)
{
	return w->mode != MODE_DIAGNOSE || (s->kind != STEP_APPROVE && !changes(s));
}

static size_t end(struct walker *w, int code)
{
	w->walk->exit = code;
	return w->rb->n_steps;
}

static size_t index_of(const struct walker *w, const char *id)
{
	for (size_t i = 0; i < w->rb->n_steps; i++) {
		if (str_eq(w->rb->steps[i].id, id))
			return i;
	}
	return w->rb->n_steps;
}

static size_t onward(struct walker *w, size_t i)
{
	const struct runbook_step *s = &w->rb->steps[i];

	for (size_t k = 0; k < s->n_next; k++) {
		if (s->next[k].when && decide(w, s->id, s->next[k].when) != EXPR_TRUE)
			continue;
		w->walk->taken[w->walk->n_taken++] = (struct walk_branch){i, k};
		return index_of(w, s->next[k].to);
	}
	return i + 1;
}

static size_t after_failure(struct walker *w, size_t i, const char *why)
{
	const struct runbook_step *s = &w->rb->steps[i];
	const char *action = s->on_error ? s->on_error->action : "fail";

	unsure(w, s->id, why);
	if (str_starts(action, "goto:"))
		return index_of(w, action + 5);
	return str_eq(action, "continue") ? onward(w, i) : end(w, EXIT_FAILED);
}

/* True, false, or not known: an answer's field. */
static enum expr_truth said(const struct doc *answer, const char *field)
{
	const struct doc *d = doc_get(answer, field);

	return d && d->kind == DOC_BOOL ? d->boolean ? EXPR_TRUE : EXPR_FALSE : EXPR_UNKNOWN;
}

static size_t run_step(struct walker *w, size_t i)
{
	const struct runbook_step *s = &w->rb->steps[i];
	const struct doc *answer = doc_get(w->answers, s->id);
	enum expr_truth t;

	if (s->kind == STEP_APPROVE && w->mode == MODE_EXECUTE) {
		t = said(answer, "approved");
		return t == EXPR_TRUE ? onward(w, i)
				      : end(w, t == EXPR_FALSE ? EXIT_ABORTED : EXIT_WAITING);
	}
	if (changes(s) && w->mode == MODE_EXECUTE && said(answer, "verified") != EXPR_TRUE)
		return after_failure(w, i, "it was not verified");
	if (s->reg && !answer && !changes(s))
		return after_failure(w, i, "no answer could be had");
	if (s->reg && answer)
		doc_set(w->arena, w->data, s->reg, doc_clone(w->arena, answer));
	return onward(w, i);
}

static size_t step(struct walker *w, size_t i)
{
	const struct runbook_step *s = &w->rb->steps[i];

	if (s->when && decide(w, s->id, s->when) != EXPR_TRUE)
		return i + 1;
	if (!runs_in_mode(w, s))
		return onward(w, i);
	w->walk->ran[w->walk->n_ran++] = s;
	doc_set_string(w->arena, doc_set_map(w->arena, w->data, "step"), "id", s->id);
	return run_step(w, i);
}

static void prepare(struct walker *w, const struct doc *params)
{
	struct arena *a = w->arena;
	struct doc *vars, *run;

	w->data = doc_map(a);
	doc_set(a, w->data, "params", params ? doc_clone(a, params) : doc_map(a));
	run = doc_set_map(a, w->data, "run");
	doc_set_string(a, run, "name", w->rb->name);
	doc_set_string(a, run, "mode", runbook_mode_names[w->mode]);
	vars = doc_set_map(a, w->data, "vars");
	for (size_t i = 0; i < w->rb->vars.n; i++) {
		struct template t = {0};
		struct expr_value v;

		if (template_parse(a, w->rb->vars.items[i].value, &t, NULL) < 0)
			continue;
		v = template_render(a, &t, w->data);
		if (v.type == EXPR_T_STRING)
			doc_set_string(a, vars, w->rb->vars.items[i].key, v.text);
	}
}

/* The first that is true; what is unknown among those before it does not hold it up. */
static void conclude(struct walker *w)
{
	const char *why = w->walk->why;
	const bool before = w->walk->inconclusive;

	for (size_t i = 0; i < w->rb->n_outcomes; i++) {
		const struct outcome *o = &w->rb->outcomes[i];

		if (!o->fallback && (!o->when || decide(w, o->id, o->when) != EXPR_TRUE))
			continue;
		w->walk->outcome = o;
		if (!o->fallback) {
			w->walk->inconclusive = before;
			w->walk->why = why;
		} else if (w->walk->exit == EXIT_OK) {
			w->walk->exit = EXIT_INCONCLUSIVE;
		}
		return;
	}
}

void runbook_walk(struct arena *a, const struct runbook *rb, enum runbook_mode mode,
		  const struct doc *params, const struct doc *answers, struct walk *ret_walk)
{
	struct walk walk = {
		.ran = arena_array(a, rb->n_steps + 1, const struct runbook_step *),
		.taken = arena_array(a, rb->n_steps + 1, struct walk_branch),
	};
	bool *seen = arena_array(a, rb->n_steps + 1, bool);
	struct walker w = {.arena = a, .rb = rb, .mode = mode, .answers = answers, .walk = &walk};

	prepare(&w, params);
	for (size_t i = 0; i < rb->n_steps && !seen[i];) {
		seen[i] = true;
		i = step(&w, i);
	}
	if (walk.exit != EXIT_WAITING)
		conclude(&w);
	*ret_walk = walk;
}
