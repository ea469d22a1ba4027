/* SPDX-License-Identifier: Apache-2.0 */
#include "runbooks/walk.h"

#include "lib/base/str.h"
#include "runbooks/template.h"

enum { EXIT_OK = 0, EXIT_FAILED = 3, EXIT_INCONCLUSIVE = 5, EXIT_WAITING = 7, EXIT_ABORTED = 8 };

const char *const step_status_names[] = {
#define STEP_STATUS_NAME(symbol, name, what) [symbol] = (name),
	STEP_STATUSES(STEP_STATUS_NAME)
#undef STEP_STATUS_NAME
		[STATUS_COUNT] = NULL,
};

struct walker {
	struct arena *arena;
	const struct runbook *rb;
	const struct runbook_step *steps;
	size_t n_steps;
	enum runbook_mode mode;
	const struct doc *answers;
	const char *prefix;
	bool live;
	struct doc *data;
	struct walk *walk;
	struct walk_step *met; /* of the step at hand */
	/* A change failed and the way went on: by another one (until one is verified), or without
	 * it. */
	const char *helped, *failed;
	bool doubted; /* on_error marks it inconclusive */
};

/* What a step answered. */
struct reply {
	bool there;               /* of a live walk: it was done, whatever came of it */
	const struct doc *answer; /* NULL: it could not be had */
	const char *why;
	enum step_status status;
};

static void unsure(struct walker *w, const char *id, const char *why)
{
	w->walk->inconclusive = true;
	if (!w->walk->why)
		w->walk->why = arena_printf(w->arena, "%s: %s", id, why);
}

enum expr_truth walk_decide(struct arena *a, const char *text, const struct doc *data,
			    const char **ret_why)
{
	struct error err = ERROR_INIT;
	const struct expr *e = NULL;

	if (expr_parse(a, text, &e, &err) < 0) {
		*ret_why = arena_strdup(a, err.msg);
		return EXPR_UNKNOWN;
	}
	return expr_decide(a, e, data, ret_why);
}

const char *walk_text(struct arena *a, const char *text, const struct doc *data,
		      const char **ret_why)
{
	struct error err = ERROR_INIT;
	struct template t = {0};
	struct expr_value v;

	if (template_parse(a, text, &t, &err) < 0) {
		*ret_why = arena_strdup(a, err.msg);
		return NULL;
	}
	v = template_render(a, &t, data);
	if (v.type == EXPR_T_STRING)
		return v.text;
	*ret_why = v.text;
	return NULL;
}

static enum expr_truth decide(struct walker *w, const char *id, const char *text)
{
	const char *why = NULL;
	enum expr_truth t = walk_decide(w->arena, text, w->data, &why);

	if (t == EXPR_UNKNOWN)
		unsure(w, id, why);
	return t;
}

static const char *error_goto(const struct runbook_step *s)
{
	const char *action = s->on_error ? str_or_empty(s->on_error->action) : "";

	return str_starts(action, "goto:") ? action + 5 : NULL;
}

size_t walk_branches(const struct runbook_step *s)
{
	return s->n_next + (error_goto(s) != NULL);
}

const char *walk_branch_to(const struct runbook_step *s, size_t branch)
{
	return branch < s->n_next ? s->next[branch].to : error_goto(s);
}

bool walk_changes(const struct runbook_step *s)
{
	if (s->kind == STEP_MUTATE || s->mutates.value)
		return true;
	for (size_t i = 0; i < s->n_steps; i++) {
		if (walk_changes(&s->steps[i]))
			return true;
	}
	return false;
}

/* Diagnose only reads, and so asks nobody for an approval. */
static bool runs_in_mode(const struct walker *w, const struct runbook_step *s)
{
	return w->mode != MODE_DIAGNOSE || (s->kind != STEP_APPROVE && !walk_changes(s));
}

static size_t end(struct walker *w, int code)
{
	w->walk->exit = code;
	return w->n_steps;
}

static size_t index_of(const struct walker *w, const char *id)
{
	for (size_t i = 0; i < w->n_steps; i++) {
		if (str_eq(w->steps[i].id, id))
			return i;
	}
	return w->n_steps;
}

static size_t onward(struct walker *w, size_t i)
{
	const struct runbook_step *s = &w->steps[i];

	for (size_t k = 0; k < s->n_next; k++) {
		if (s->next[k].when && decide(w, s->id, s->next[k].when) != EXPR_TRUE)
			continue;
		w->walk->taken[w->walk->n_taken++] = (struct walk_branch){i, k};
		w->met->branch = s->next[k].to;
		return index_of(w, s->next[k].to);
	}
	return i + 1;
}

static size_t after_failure(struct walker *w, size_t i, const char *why)
{
	const struct runbook_step *s = &w->steps[i];
	const char *action = s->on_error ? s->on_error->action : "fail";
	const bool doubt = s->on_error ? str_eq(s->on_error->mark, "inconclusive") : false;

	unsure(w, s->id, why);
	w->met->status = doubt ? STATUS_INCONCLUSIVE : STATUS_FAILED;
	w->met->why = why;
	w->walk->rollback = str_eq(action, "rollback");
	if (str_starts(action, "goto:")) {
		w->walk->taken[w->walk->n_taken++] = (struct walk_branch){i, s->n_next};
		w->met->branch = action + 5;
		return index_of(w, action + 5);
	}
	if (str_eq(action, "continue"))
		return onward(w, i);
	/* Whatever else was in doubt before: it ends for this reason. */
	w->walk->why = arena_printf(w->arena, "%s: %s", s->id, why);
	return end(w, EXIT_FAILED);
}

/* It did not end there; its end is not well for that unless another change helped. */
static void note_failure(struct walker *w, const struct runbook_step *s, const char *why)
{
	const bool another = s->on_error && str_starts(str_or_empty(s->on_error->action), "goto:");

	why = arena_printf(w->arena, "%s: %s", s->id, why);
	w->doubted |= w->met->status == STATUS_INCONCLUSIVE;
	if (another)
		w->helped = w->helped ? w->helped : why;
	else
		w->failed = w->failed ? w->failed : why;
}

static void end_of_list(struct walker *w)
{
	const char *why = w->failed ? w->failed : w->helped;

	if (!why || w->walk->pending || w->walk->exit != EXIT_OK)
		return;
	w->walk->exit = w->doubted ? EXIT_INCONCLUSIVE : EXIT_FAILED;
	w->walk->why = why;
}

/* True, false, or not known: an answer's field. */
static enum expr_truth said(const struct doc *answer, const char *field)
{
	const struct doc *d = doc_get(answer, field);

	return d && d->kind == DOC_BOOL ? d->boolean ? EXPR_TRUE : EXPR_FALSE : EXPR_UNKNOWN;
}

static enum step_status status_of(const struct doc *record)
{
	const char *name = doc_find_str(record, "status");

	for (int i = 0; i < STATUS_COUNT; i++) {
		if (str_eq(step_status_names[i], name))
			return (enum step_status)i;
	}
	return STATUS_OK;
}

static struct reply reply_of(const struct walker *w, const struct runbook_step *s)
{
	const struct doc *d = doc_get(
		w->answers, w->live ? arena_printf(w->arena, "%s%s", w->prefix, s->id) : s->id);

	if (w->live)
		return (struct reply){d != NULL, doc_get(d, "answer"), doc_find_str(d, "why"),
				      status_of(d)};
	return (struct reply){true, d, NULL, STATUS_OK};
}

static size_t run_approval(struct walker *w, size_t i, const struct reply *r)
{
	const enum expr_truth t = said(r->answer, "approved");

	if (t == EXPR_TRUE)
		return onward(w, i);
	w->met->status = t == EXPR_FALSE ? STATUS_FAILED : STATUS_WAITING;
	w->met->why = r->why;
	return end(w, t == EXPR_FALSE ? EXIT_ABORTED : EXIT_WAITING);
}

/* A recorded case says of a change only whether it was verified. */
static size_t run_change(struct walker *w, size_t i, const struct reply *r)
{
	if (said(r->answer, "verified") != EXPR_TRUE) {
		const char *why = r->why ? r->why : "it was not verified";
		const size_t next = after_failure(w, i, why);

		note_failure(w, &w->steps[i], why);
		return next;
	}
	w->helped = NULL;
	w->met->status = w->live ? r->status : STATUS_CHANGED;
	return onward(w, i);
}

static size_t run_step(struct walker *w, size_t i)
{
	const struct runbook_step *s = &w->steps[i];
	const struct reply r = reply_of(w, s);

	if (!r.there && s->kind != STEP_DECIDE) {
		w->walk->pending = s;
		w->met->status = STATUS_PENDING;
		return w->n_steps;
	}
	if (s->reg && r.answer)
		doc_set(w->arena, w->data, s->reg, doc_clone(w->arena, r.answer));
	if (w->mode == MODE_EXECUTE && s->kind == STEP_APPROVE)
		return run_approval(w, i, &r);
	if (w->mode == MODE_EXECUTE && walk_changes(s))
		return run_change(w, i, &r);
	if (w->mode == MODE_PROPOSE && (walk_changes(s) || s->kind == STEP_APPROVE))
		w->met->status = STATUS_ASSUMED;
	else if ((w->live || s->reg) && !r.answer && s->kind != STEP_DECIDE)
		return after_failure(w, i, r.why ? r.why : "no answer could be had");
	return onward(w, i);
}

static void meet(struct walker *w, const struct runbook_step *s)
{
	const char *why = NULL, *title = walk_text(w->arena, s->title, w->data, &why);

	w->met = &w->walk->met[w->walk->n_met++];
	*w->met = (struct walk_step){s, STATUS_OK, title ? title : s->title, NULL, NULL};
}

static size_t step(struct walker *w, size_t i)
{
	const struct runbook_step *s = &w->steps[i];

	meet(w, s);
	if (s->when && decide(w, s->id, s->when) != EXPR_TRUE) {
		w->met->status = STATUS_SKIPPED;
		w->met->why = arena_printf(w->arena, "not so: %s", s->when);
		return i + 1;
	}
	if (!runs_in_mode(w, s)) {
		w->met->status = STATUS_SKIPPED;
		w->met->why = "diagnose only reads";
		return onward(w, i);
	}
	w->walk->ran[w->walk->n_ran++] = s;
	doc_set_string(w->arena, doc_set_map(w->arena, w->data, "step"), "id", s->id);
	return run_step(w, i);
}

struct doc *walk_data(struct arena *a, const struct runbook *rb, enum runbook_mode mode,
		      const struct doc *params, const char *run_name)
{
	struct doc *data = doc_map(a), *vars, *run;

	doc_set(a, data, "params", params ? doc_clone(a, params) : doc_map(a));
	run = doc_set_map(a, data, "run");
	doc_set_string(a, run, "name", run_name ? run_name : rb->name);
	doc_set_string(a, run, "mode", runbook_mode_names[mode]);
	vars = doc_set_map(a, data, "vars");
	for (size_t i = 0; i < rb->vars.n; i++) {
		const char *why = NULL;

		doc_set_string(a, vars, rb->vars.items[i].key,
			       walk_text(a, rb->vars.items[i].value, data, &why));
	}
	return data;
}

#define MAX_DOUBTS 4

/* Why outcomes could not be decided, each reason once. */
struct doubts {
	const char *why[MAX_DOUBTS], *text;
	size_t n;
};

static void doubt(struct arena *a, struct doubts *d, const char *id, const char *why)
{
	for (size_t i = 0; i < d->n; i++) {
		if (str_eq(d->why[i], why))
			return;
	}
	if (d->n == MAX_DOUBTS)
		return;
	d->why[d->n++] = why;
	d->text = d->text ? arena_printf(a, "%s; %s: %s", d->text, id, why)
			  : arena_printf(a, "%s: %s", id, why);
}

/* Nothing is known to be so: whatever kept the others from being known is the reason. */
static void fall_back(struct walker *w, const struct doubts *d)
{
	w->walk->inconclusive |= d->n > 0;
	if (d->n && (w->walk->exit == EXIT_OK || !w->walk->why))
		w->walk->why = d->text;
	if (w->walk->exit == EXIT_OK)
		w->walk->exit = EXIT_INCONCLUSIVE;
}

/* The first that is true; what is unknown among those before it does not hold it up. */
static void conclude(struct walker *w)
{
	const char *why = NULL;
	struct doubts doubts = {.n = 0};

	for (size_t i = 0; i < w->rb->n_outcomes; i++) {
		const struct outcome *o = &w->rb->outcomes[i];
		const enum expr_truth t = o->fallback ? EXPR_TRUE
					  : o->when ? walk_decide(w->arena, o->when, w->data, &why)
						    : EXPR_FALSE;

		if (t == EXPR_UNKNOWN)
			doubt(w->arena, &doubts, o->id, str_or_empty(why));
		if (t != EXPR_TRUE)
			continue;
		w->walk->outcome = o;
		w->walk->cause = walk_text(w->arena, str_or_empty(o->cause), w->data, &why);
		if (!w->walk->cause)
			w->walk->cause = o->cause;
		if (o->fallback)
			fall_back(w, &doubts);
		return;
	}
	if (doubts.n)
		unsure(w, "outcomes", doubts.text);
}

static void walk_list(struct walker *w, const char *from, const char *until)
{
	bool *seen = arena_array(w->arena, w->n_steps + 1, bool);

	for (size_t i = from ? index_of(w, from) : 0; i < w->n_steps && !seen[i];) {
		const struct runbook_step *s = &w->steps[i];

		seen[i] = true;
		i = step(w, i);
		if (until && str_eq(s->id, until))
			return;
	}
}

static struct walk room(struct arena *a, size_t n)
{
	return (struct walk){
		.ran = arena_array(a, n + 1, const struct runbook_step *),
		.met = arena_array(a, n + 1, struct walk_step),
		.taken = arena_array(a, n + 1, struct walk_branch),
	};
}

void runbook_walk(struct arena *a, const struct runbook *rb, enum runbook_mode mode,
		  const struct doc *params, const struct doc *answers, struct walk *ret_walk)
{
	struct walk walk = room(a, rb->n_steps);
	struct walker w = {.arena = a,
			   .rb = rb,
			   .steps = rb->steps,
			   .n_steps = rb->n_steps,
			   .mode = mode,
			   .answers = answers,
			   .data = walk_data(a, rb, mode, params, NULL),
			   .walk = &walk};

	walk_list(&w, NULL, NULL);
	end_of_list(&w);
	if (walk.exit != EXIT_WAITING)
		conclude(&w);
	walk.data = w.data;
	*ret_walk = walk;
}

void walk_live(struct arena *a, const struct walk_live *live, struct walk *ret_walk)
{
	struct walk walk = room(a, live->n_steps);
	struct walker w = {.arena = a,
			   .rb = live->rb,
			   .steps = live->steps,
			   .n_steps = live->n_steps,
			   .mode = live->mode,
			   .answers = live->answers,
			   .prefix = live->prefix,
			   .live = true,
			   .data = doc_clone(a, live->data),
			   .walk = &walk};

	walk_list(&w, live->from, live->until);
	end_of_list(&w);
	if (live->concludes && !walk.pending && walk.exit != EXIT_WAITING)
		conclude(&w);
	walk.data = w.data;
	*ret_walk = walk;
}
