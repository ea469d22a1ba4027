/* SPDX-License-Identifier: Apache-2.0 */
/* What the kinds of steps do. What is asked of others is in act_read.c, what changes something in
 * change.c, approvals in approve.c. */
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "runbooks/files.h"
#include "runbooks/params.h"
#include "runbooks/run_internal.h"

/* --- asking anew -------------------------------------------------------------------------------
 */

const struct runbook_step *scope_source(const struct scope *s, const char *name,
					const struct scope **ret_scope)
{
	for (; s; s = s->outer) {
		for (size_t i = 0; i < s->n_steps; i++) {
			if (str_eq(s->steps[i].reg, name) && !walk_changes(&s->steps[i])) {
				*ret_scope = s;
				return &s->steps[i];
			}
		}
	}
	return NULL;
}

struct naming {
	const struct scope *s;
	struct resample *to;
	bool more; /* than can be asked */
};

static void see_name(void *ctx, const struct expr *name)
{
	struct naming *n = ctx;
	const struct scope *from;

	for (size_t i = 0; i < n->to->n; i++) {
		if (str_eq(n->to->names[i], name->text))
			return;
	}
	if (!scope_source(n->s, name->text, &from))
		return;
	if (n->to->n == ARRAY_SIZE(n->to->names))
		n->more = true;
	else
		n->to->names[n->to->n++] = name->text;
}

void resample(const struct scope *s, const char *text, const struct doc *data, struct arena *a,
	      struct resample *ret)
{
	struct naming n = {s, ret, false};
	const struct expr *e = NULL;
	struct error err = ERROR_INIT;
	struct doc *now = doc_clone(a, data);

	*ret = (struct resample){.truth = EXPR_UNKNOWN};
	if (expr_parse(a, text, &e, &err) < 0) {
		ret->unknown = arena_strdup(a, err.msg);
		return;
	}
	expr_walk_names(e, see_name, &n);
	for (size_t i = 0; i < ret->n; i++) {
		const struct scope *from = NULL;
		const struct runbook_step *step = scope_source(s, ret->names[i], &from);
		struct done d = {.status = STATUS_OK};

		act_read(from, step, data, a, &d);
		ret->had[i] = d.answer != NULL;
		ret->why[i] = d.why;
		doc_del(now, ret->names[i]);
		if (d.answer)
			doc_set(a, now, ret->names[i],
				evidence_redact(&s->r->evidence, a, d.answer, NULL));
	}
	if (n.more)
		ret->unknown = "it names more results than are asked anew";
	else
		ret->truth = expr_decide(a, e, now, &ret->unknown);
}

static int act_wait(const struct scope *s, const struct runbook_step *step, const struct doc *data,
		    struct done *d, struct error *err)
{
	struct runner *r = s->r;
	const uint64_t poll = MAX(duration_ns(step->wait->poll, 5 * NS_PER_S), NS_PER_MS);
	const uint64_t until =
		clock_now_ns(r->cluster.clock) + duration_ns(step->wait->within, 60 * NS_PER_S);

	for (;;) {
		auto_release(arena) struct arena a = ARENA_INIT;
		struct resample now;

		resample(s, step->wait->until, data, &a, &now);
		if (now.truth == EXPR_TRUE) {
			d->answer = doc_map(&r->arena);
			doc_set_bool(&r->arena, d->answer, "met", true);
			return 0;
		}
		if (clock_now_ns(r->cluster.clock) >= until) {
			act_cannot(d, arena_printf(&r->arena, "not so in time: %s%s%s",
						   step->wait->until, now.unknown ? ": " : "",
						   str_or_empty(now.unknown)));
			if (now.truth == EXPR_FALSE)
				d->status = STATUS_FAILED;
			return 0;
		}
		if (runner_wait(r, poll, err) < 0)
			return -EINTR;
	}
}

/* --- lists within ------------------------------------------------------------------------------
 */

struct tally {
	size_t n, failed;
	bool waits, pauses, changes;
	const char *why;
	struct done last;
};

static int go_within(const struct scope *s, const char *prefix, const struct runbook_step *steps,
		     size_t n, const struct doc *data, struct tally *t, struct error *err)
{
	struct scope inner = *s;
	struct walk w;
	int r;

	inner.steps = steps;
	inner.n_steps = n;
	inner.prefix = prefix;
	inner.data = data;
	inner.from = inner.until = NULL;
	inner.concludes = false;
	inner.outer = s;
	r = scope_go(&inner, &w, &t->last, err);
	if (r)
		return r;
	t->n++;
	if (w.pending) {
		t->waits = t->last.waits;
		t->pauses = t->last.pauses;
		t->why = t->last.why;
	} else if (w.exit) {
		t->failed++;
		t->why = t->why ? t->why : w.why;
	}
	return 0;
}

static void sum_up(struct arena *a, const struct tally *t, int64_t max_fail, struct done *d)
{
	const bool well = (int64_t)t->failed <= max_fail;

	if (t->waits || t->pauses) {
		d->waits = t->waits;
		d->pauses = t->pauses;
		d->status = t->waits ? STATUS_WAITING : STATUS_INCONCLUSIVE;
		d->why = t->why;
		d->at = t->last.at;
		return;
	}
	d->answer = doc_map(a);
	doc_set_int(a, d->answer, "count", (int64_t)t->n);
	doc_set_int(a, d->answer, "failed", (int64_t)t->failed);
	if (t->changes)
		doc_set_bool(a, d->answer, "verified", well);
	d->why = t->why;
	d->status = !well ? STATUS_FAILED : t->changes ? STATUS_CHANGED : STATUS_OK;
	if (!well && !t->changes)
		d->answer = NULL;
}

static struct doc *list_doc(struct arena *a, const struct expr_value *v, const char **ret_why);

/* A value as data has it; NULL: it is unknown, and why. */
static struct doc *value_doc(struct arena *a, const struct expr_value *v, const char **ret_why)
{
	const struct expr e = {.op = EXPR_DURATION, .number = llabs(v->number)};
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;

	switch (v->type) {
	case EXPR_T_STRING:
		return doc_string(a, v->text);
	case EXPR_T_INT:
		return doc_int(a, v->number);
	case EXPR_T_BOOL:
		return doc_bool(a, v->number);
	case EXPR_T_REAL:
		return doc_real(a, v->real);
	case EXPR_T_DURATION:
		strbuf_adds(&text, v->number < 0 ? "-" : "");
		expr_print(&e, &text);
		return doc_string(a, strbuf_cstr(&text));
	case EXPR_T_LIST:
		return v->doc ? doc_clone(a, v->doc) : list_doc(a, v, ret_why);
	case EXPR_T_MAP:
		return doc_clone(a, v->doc);
	case EXPR_T_UNKNOWN:
		break;
	}
	*ret_why = v->text;
	return NULL;
}

/* All of them, or none: what is left out would be left undone. */
static struct doc *list_doc(struct arena *a, const struct expr_value *v, const char **ret_why)
{
	struct doc *list = doc_list(a), *one;

	for (size_t i = 0; i < v->n; i++) {
		one = value_doc(a, &v->values[i], ret_why);
		if (!one)
			return NULL;
		doc_append(a, list, one);
	}
	return list;
}

static const struct doc *items_of(struct arena *a, const char *text, const struct doc *data,
				  const char **ret_why)
{
	const struct expr *e = NULL;
	struct error err = ERROR_INIT;
	struct expr_value v;

	if (expr_parse(a, text, &e, &err) < 0) {
		*ret_why = arena_strdup(a, err.msg);
		return NULL;
	}
	v = expr_eval(a, e, data);
	if (v.type == EXPR_T_LIST)
		return v.doc ? v.doc : list_doc(a, &v, ret_why);
	*ret_why = v.type == EXPR_T_UNKNOWN ? v.text : "it is no list";
	return NULL;
}

static bool stops(const struct tally *t, int64_t max_fail)
{
	return t->waits || t->pauses || (int64_t)t->failed > max_fail;
}

/* One after the other; `parallel` is how many at most. The items are those of the first time. */
static int act_foreach(const struct scope *s, const struct runbook_step *step,
		       const struct doc *data, struct done *d, struct error *err)
{
	struct arena *a = &s->r->arena;
	const int64_t max_fail = step->max_fail.set ? step->max_fail.value : 0;
	struct tally t = {.changes = walk_changes(step) && s->mode == MODE_EXECUTE};
	const char *why = NULL;
	const struct doc *items = items_of(a, step->items, data, &why);

	if (!items || doc_len(items) > RUN_MAX_ITEMS) {
		act_cannot(d, items ? "there are more than 1000 items" : why);
		return 0;
	}
	for (size_t i = 0; i < doc_len(items) && !stops(&t, max_fail); i++) {
		const char *prefix = arena_printf(a, "%s[%zu].", scope_key(s, step), i);
		struct doc *known = doc_clone(a, data);
		int r;

		doc_set(a, known, step->as ? step->as : "item", doc_clone(a, doc_at(items, i)));
		r = go_within(s, prefix, step->steps, step->n_steps, known, &t, err);
		if (r)
			return r;
	}
	sum_up(a, &t, max_fail, d);
	return 0;
}

/* "Beside each other" promises no order; one after the other is one. */
static int act_parallel(const struct scope *s, const struct runbook_step *step,
			const struct doc *data, struct done *d, struct error *err)
{
	struct arena *a = &s->r->arena;
	struct tally t = {.changes = walk_changes(step) && s->mode == MODE_EXECUTE};

	for (size_t i = 0; i < step->n_steps && !t.waits && !t.pauses; i++) {
		int r = go_within(s, arena_printf(a, "%s.", scope_key(s, step)), &step->steps[i], 1,
				  data, &t, err);

		if (r)
			return r;
	}
	sum_up(a, &t, 0, d);
	return 0;
}

/* --- another runbook ---------------------------------------------------------------------------
 */

static int arguments_of(const struct scope *s, const struct runbook_step *step,
			const struct runbook *rb, const struct doc *data, struct doc **ret,
			struct error *err)
{
	struct arena *a = &s->r->arena;
	const struct strmap *m = &step->call->params;
	const char **given = arena_array(a, m->n + 1, const char *), *why = NULL;
	struct param_values values;
	int r;

	for (size_t i = 0; i < m->n; i++) {
		const char *value = walk_text(a, m->items[i].value, data, &why);

		if (!value)
			return error_set(err, -ENODATA, "its parameter %s is unknown: %s",
					 m->items[i].key, why);
		given[i] = arena_printf(a, "%s=%s", m->items[i].key, value);
	}
	r = params_read(a, rb, given, m->n, &values, err);
	for (size_t i = 0; i < values.n_discover && !r; i++) {
		const struct param *p = values.discover[i];
		const char *found = NULL;
		struct doc *value = NULL;

		if (!source_discover(&s->r->sources, doc_find_str(p->fallback, "discover"), a,
				     &found, NULL) &&
		    !param_check(a, p, found, &value, NULL))
			doc_set(a, values.values, p->name, value);
	}
	*ret = values.values;
	return r;
}

static int act_call(const struct scope *s, const struct runbook_step *step, const struct doc *data,
		    struct done *d, struct error *err)
{
	struct arena *a = &s->r->arena;
	struct runbook *rb = arena_new(a, struct runbook);
	struct scope inner = {
		.r = s->r, .rb = rb, .mode = s->mode, .concludes = true, .undoes = s->undoes};
	struct error why = ERROR_INIT;
	struct doc *args = NULL;
	struct done last;
	struct walk w;
	int r;

	/* Shipped ones only: a file beside it would be something else tomorrow. */
	if (strpbrk(step->call->runbook, "/.") || s->r->depth >= RUN_MAX_CALLS) {
		act_cannot(d, s->r->depth >= RUN_MAX_CALLS ? "runbooks call each other too deep"
							   : "only what is shipped can be called");
		return 0;
	}
	if (source_find(a, step->call->runbook, rb, &why) < 0 ||
	    arguments_of(s, step, rb, data, &args, &why) < 0) {
		act_failed(d, a, &why);
		return 0;
	}
	/* A call says that it changes nothing, and is believed by nobody: it cannot. */
	if (!step->mutates.value || !runbook_allows(rb, inner.mode))
		inner.mode = MODE_DIAGNOSE;
	inner.steps = rb->steps;
	inner.n_steps = rb->n_steps;
	inner.prefix = arena_printf(a, "%s/", scope_key(s, step));
	inner.data = walk_data(a, rb, inner.mode, args, NULL);
	s->r->depth++;
	r = scope_go(&inner, &w, &last, err);
	s->r->depth--;
	if (r)
		return r;
	if (w.pending) {
		d->waits = last.waits;
		d->pauses = last.pauses;
		d->why = last.why;
		d->at = last.at;
		return 0;
	}
	d->answer = doc_map(a);
	doc_set_string(a, d->answer, "outcome", w.outcome ? w.outcome->id : NULL);
	doc_set_string(a, d->answer, "cause", w.cause);
	doc_set_int(a, d->answer, "exit", w.exit);
	if (inner.mode == MODE_EXECUTE && walk_changes(step))
		doc_set_bool(a, d->answer, "verified", w.exit == 0);
	return 0;
}

/* --- people ------------------------------------------------------------------------------------
 */

static const char *given_answer(const struct runner *r, const char *id)
{
	const size_t n = strlen(id);

	for (size_t i = 0; i < r->options.n_answers; i++) {
		if (strncmp(r->options.answers[i], id, n) == 0 && r->options.answers[i][n] == '=')
			return r->options.answers[i] + n + 1;
	}
	return NULL;
}

static int act_ask(const struct scope *s, const struct runbook_step *step, const struct doc *data,
		   struct done *d, struct error *ret_err)
{
	struct arena *a = &s->r->arena;
	const struct param p = {
		.name = step->id, .type = step->ask->type, .choices = step->ask->choices};
	const char *text = given_answer(s->r, scope_key(s, step)), *why = NULL;
	const char *prompt = walk_text(a, step->ask->prompt, data, &why);
	struct error err = ERROR_INIT;
	struct doc *value = NULL;
	int64_t asked;
	int rc = answer_asked_at(s->r, scope_key(s, step), &asked, ret_err);

	if (rc)
		return rc;
	if (clock_wall_ns(s->r->cluster.clock) - asked >
	    (int64_t)duration_ns(step->ask->expires, 24 * 3600 * NS_PER_S)) {
		act_cannot(d, "nobody answered in time");
		return 0;
	}
	if (text && param_check(a, &p, text, &value, &err) == 0) {
		d->answer = doc_map(a);
		doc_set(a, d->answer, "value", value);
		return 0;
	}
	d->waits = true;
	d->at = scope_key(s, step);
	d->status = STATUS_WAITING;
	d->why = arena_printf(a, "%s%s%s", prompt ? prompt : step->ask->prompt,
			      err.msg[0] ? ": " : "", err.msg);
	return 0;
}

static void act_note(const struct scope *s, const struct runbook_step *step, const struct doc *data,
		     struct done *d)
{
	const char *why = NULL, *text = walk_text(&s->r->arena, step->note, data, &why);

	d->answer = doc_map(&s->r->arena);
	doc_set_string(&s->r->arena, d->answer, "says", text ? text : step->note);
}

/* --- all ---------------------------------------------------------------------------------------
 */

static uint64_t pause_before(const struct retry *retry, int64_t attempt)
{
	const uint64_t base = duration_ns(retry->base, NS_PER_S);

	return str_eq(retry->backoff, "exponential") ? base << MIN(attempt, 10) : base;
}

static int read_patiently(const struct scope *s, const struct runbook_step *step,
			  const struct doc *data, struct done *d, struct error *err)
{
	const int64_t attempts =
		step->retry && step->retry->attempts.set ? step->retry->attempts.value : 1;

	for (int64_t i = 0;; i++) {
		*d = (struct done){.status = STATUS_OK};
		act_read(s, step, data, &s->r->arena, d);
		if (s->r->cluster.pause)
			return error_set(err, -EINTR, "%s", s->r->cluster.pause);
		if (d->answer || i + 1 >= attempts)
			return 0;
		if (runner_wait(s->r, pause_before(step->retry, i), err) < 0)
			return -EINTR;
	}
}

int act(const struct scope *s, const struct runbook_step *step, const struct doc *data,
	struct done *d, struct error *err)
{
	switch ((enum runbook_step_kind)step->kind) {
	case STEP_WAIT:
		return act_wait(s, step, data, d, err);
	case STEP_APPROVE:
		return act_approve(s, step, data, d, err);
	case STEP_ASK:
		return act_ask(s, step, data, d, err);
	case STEP_FOREACH:
		return act_foreach(s, step, data, d, err);
	case STEP_PARALLEL:
		return act_parallel(s, step, data, d, err);
	case STEP_CALL:
		return act_call(s, step, data, d, err);
	case STEP_NOTE:
		act_note(s, step, data, d);
		return 0;
	case STEP_MUTATE:
		return act_change(s, step, data, d, err);
	case STEP_COMMAND:
		if (step->mutates.value)
			return act_change(s, step, data, d, err);
		return read_patiently(s, step, data, d, err);
	case STEP_QUERY:
	case STEP_CHECK:
	case STEP_K8S:
	case STEP_HTTP:
	case STEP_PROM:
	case STEP_FLOWS:
	case STEP_GATE:
		return read_patiently(s, step, data, d, err);
	case STEP_NONE:
	case STEP_DECIDE:
	case STEP_N_KINDS:
		break;
	}
	d->answer = doc_map(&s->r->arena);
	return 0;
}
