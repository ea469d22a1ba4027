/* SPDX-License-Identifier: Apache-2.0 */
/* A runbook laid out for the rules: its steps, its texts, the ways through a list of steps. */
#include <stdarg.h>
#include <string.h>

#include "lib/base/str.h"
#include "runbooks/lint_internal.h"
#include "runbooks/template.h"

const char *lint_path(struct lint *l, const struct site *s, const char *below)
{
	return *below ? arena_printf(l->arena, "%s.%s", s->path, below) : s->path;
}

/* The node at path, or the nearest one above it that is there. */
static const struct doc *nearest(struct lint *l, const char *path)
{
	char *p = arena_strdup(l->arena, path);
	const struct doc *d = doc_find(l->root, p);

	while (!d && *p) {
		char *dot = strrchr(p, '.'), *bracket = strrchr(p, '[');
		char *cut = MAX(dot, bracket);

		if (!cut)
			break;
		*cut = 0;
		d = doc_find(l->root, p);
	}
	return d ? d : l->root;
}

void lint_fail(struct lint *l, const char *path, const char *fmt, ...)
{
	const char *scope, *where, *what;
	struct finding *f;
	va_list ap;

	if (l->said++ >= LINT_MAX_COMPLAINTS) {
		if (l->said == LINT_MAX_COMPLAINTS + 1)
			report_add(l->report, l->rule, FINDING_FAIL, l->name,
				   "there is more of this; it is left out");
		return;
	}
	scope = *path ? arena_printf(l->arena, "%s/%s", l->name, path) : l->name;
	where = doc_where(l->arena, nearest(l, path));
	va_start(ap, fmt);
	what = arena_vprintf(l->arena, fmt, ap);
	va_end(ap);
	/* The place is in the words, too: terminals show nothing else. */
	f = report_add(l->report, l->rule, FINDING_FAIL, scope, *where ? "%s (%s)" : "%s", what,
		       where);
	if (*where)
		f->where = arena_strdup(&l->report->arena, where);
}

/* --- steps -------------------------------------------------------------------------------------
 */

struct place {
	const struct runbook_step *list;
	size_t n;
	const char *path;
	const struct site *parent;
	bool undoes, finally;
};

static size_t count_steps(const struct runbook_step *steps, size_t n)
{
	size_t total = n;

	for (size_t i = 0; i < n; i++) {
		total += count_steps(steps[i].steps, steps[i].n_steps);
		if (steps[i].rollback)
			total += count_steps(steps[i].rollback->steps, steps[i].rollback->n_steps);
	}
	return total;
}

static void lay_out(struct lint *l, const struct place *p)
{
	const struct site *first = &l->sites[l->n_sites];

	for (size_t i = 0; i < p->n; i++) {
		struct site *s = &l->sites[l->n_sites++];
		struct place below;

		*s = (struct site){
			.step = &p->list[i],
			.path = arena_printf(l->arena, "%s[%zu]", p->path, i),
			.list = p->list,
			.n_list = p->n,
			.index = i,
			.parent = p->parent,
			.first = first,
			.undoes = p->undoes,
			.finally = p->finally,
		};
		below = (struct place){s->step->steps,
				       s->step->n_steps,
				       arena_printf(l->arena, "%s.do", s->path),
				       s,
				       p->undoes,
				       p->finally};
		lay_out(l, &below);
		if (!s->step->rollback)
			continue;
		below = (struct place){s->step->rollback->steps,
				       s->step->rollback->n_steps,
				       arena_printf(l->arena, "%s.rollback.steps", s->path),
				       s,
				       true,
				       p->finally};
		lay_out(l, &below);
	}
}

void lint_lay_out(struct lint *l)
{
	const struct runbook *rb = &l->rb;
	const struct place steps = {rb->steps, rb->n_steps, "steps", NULL, false, false};
	const struct place finally = {rb->finally, rb->n_finally, "finally", NULL, false, true};

	const size_t n =
		count_steps(rb->steps, rb->n_steps) + count_steps(rb->finally, rb->n_finally);

	l->sites = arena_array(l->arena, n + 1, struct site);
	l->reached = arena_array(l->arena, n + 1, bool *);
	lay_out(l, &steps);
	lay_out(l, &finally);
}

/* --- texts -------------------------------------------------------------------------------------
 */

typedef void (*see_text)(struct lint *l, const struct text *t);

struct reader {
	struct lint *l;
	see_text see;
	const struct site *site;
	bool sees_own;
};

static void give(const struct reader *r, enum text_kind kind, const char *path, const char *text)
{
	const struct text t = {text, path, kind, r->site, r->sees_own};

	if (text)
		r->see(r->l, &t);
}

/* The strings of a tree of the user's: a filter, an operation's arguments. */
static void give_doc(const struct reader *r, const char *path, const struct doc *d)
{
	if (d && d->kind == DOC_STRING)
		give(r, TEXT_TEMPLATE, path, d->string);
	doc_foreach_item (d, it)
		give_doc(r, arena_printf(r->l->arena, "%s[%zu]", path, it_i), it);
	doc_foreach_entry (d, e)
		give_doc(r, arena_printf(r->l->arena, "%s['%s']", path, e->key), e->value);
}

static void give_strings(const struct reader *r, const char *path, const struct strings *s)
{
	for (size_t i = 0; i < s->n; i++)
		give(r, TEXT_TEMPLATE, arena_printf(r->l->arena, "%s[%zu]", path, i), s->items[i]);
}

static void give_map(const struct reader *r, const char *path, const struct strmap *m)
{
	for (size_t i = 0; i < m->n; i++)
		give(r, TEXT_TEMPLATE, arena_printf(r->l->arena, "%s['%s']", path, m->items[i].key),
		     m->items[i].value);
}

static void give_query(const struct reader *r, const char *name, const struct step_query *q)
{
	if (!q)
		return;
	give(r, TEXT_TEMPLATE, arena_printf(r->l->arena, "%s.since", name), q->since);
	give_doc(r, arena_printf(r->l->arena, "%s.filter", name), q->filter);
}

#define AT(below) lint_path(r->l, r->site, (below))

static void give_bodies(struct reader *r, const struct runbook_step *s)
{
	give_query(r, AT("query"), s->query);
	give_query(r, AT("flows"), s->flows);
	if (s->command)
		give_strings(r, AT("command.argv"), &s->command->argv);
	if (s->k8s) {
		give(r, TEXT_TEMPLATE, AT("k8s.get"), s->k8s->get);
		give(r, TEXT_TEMPLATE, AT("k8s.list"), s->k8s->list);
		give(r, TEXT_TEMPLATE, AT("k8s.namespace"), s->k8s->namespace);
		give(r, TEXT_TEMPLATE, AT("k8s.selector"), s->k8s->selector);
	}
	if (s->http)
		give(r, TEXT_TEMPLATE, AT("http.url"), s->http->url);
	if (s->prom)
		give(r, TEXT_TEMPLATE, AT("prom.query"), s->prom->query);
	if (s->ask)
		give(r, TEXT_TEMPLATE, AT("ask.prompt"), s->ask->prompt);
	give(r, TEXT_TEMPLATE, AT("note"), s->note);
	give_doc(r, AT("op"), s->op);
	if (s->call)
		give_map(r, AT("call.params"), &s->call->params);
	give(r, TEXT_TEMPLATE, AT("idempotency_key"), s->idempotency_key);
}

static void give_step(struct reader *r, const struct runbook_step *s)
{
	struct arena *a = r->l->arena;

	r->sees_own = false;
	give(r, TEXT_TEMPLATE, AT("title"), s->title);
	give(r, TEXT_EXPR, AT("when"), s->when);
	give(r, TEXT_EXPR, AT("items"), s->items);
	give_bodies(r, s);
	for (size_t i = 0; i < s->n_precheck; i++)
		give(r, TEXT_EXPR, AT(arena_printf(a, "precheck[%zu].expr", i)),
		     s->precheck[i].expr);
	r->sees_own = true;
	if (s->wait)
		give(r, TEXT_EXPR, AT("wait.until"), s->wait->until);
	if (s->verify)
		give(r, TEXT_EXPR, AT("verify.expr"), s->verify->expr);
	for (size_t i = 0; i < s->n_next; i++)
		give(r, TEXT_EXPR, AT(arena_printf(a, "next[%zu].when", i)), s->next[i].when);
	for (size_t i = 0; i < s->n_evidence; i++)
		give(r, TEXT_EXPR, AT(arena_printf(a, "evidence[%zu].from", i)),
		     s->evidence[i].from);
}

void lint_each_text(struct lint *l, see_text see)
{
	struct reader r = {.l = l, .see = see};

	give_map(&r, "vars", &l->rb.vars);
	for (size_t i = 0; i < l->n_sites; i++) {
		r.site = &l->sites[i];
		give_step(&r, r.site->step);
	}
	r = (struct reader){.l = l, .see = see, .sees_own = true};
	for (size_t i = 0; i < l->rb.n_outcomes; i++) {
		const char *path = arena_printf(l->arena, "outcomes[%zu]", i);

		give(&r, TEXT_EXPR, arena_printf(l->arena, "%s.when", path),
		     l->rb.outcomes[i].when);
		give(&r, TEXT_TEMPLATE, arena_printf(l->arena, "%s.cause", path),
		     l->rb.outcomes[i].cause);
	}
}

void lint_each_expr(struct lint *l, const struct text *t,
		    void (*see)(struct lint *l, const struct text *t, const struct expr *e))
{
	const struct expr *e = NULL;
	struct template parts = {0};

	if (t->kind == TEXT_EXPR) {
		if (expr_parse(l->arena, t->text, &e, NULL) == 0)
			see(l, t, e);
		return;
	}
	if (template_parse(l->arena, t->text, &parts, NULL) < 0)
		return;
	for (size_t i = 0; i < parts.n; i++) {
		if (parts.parts[i].expr)
			see(l, t, parts.parts[i].expr);
	}
}

/* --- ways --------------------------------------------------------------------------------------
 */

ssize_t lint_target(const struct runbook_step *list, size_t n, const char *id)
{
	if (str_eq(id, "end"))
		return (ssize_t)n;
	for (size_t i = 0; i < n; i++) {
		if (str_eq(list[i].id, id))
			return (ssize_t)i;
	}
	return -1;
}

void lint_each_edge(const struct runbook_step *list, size_t n, size_t i,
		    void (*see)(void *ctx, size_t to), void *ctx)
{
	const struct runbook_step *s = &list[i];
	bool leaves = false; /* never to the step behind it */
	ssize_t to;

	for (size_t k = 0; k < s->n_next; k++) {
		to = lint_target(list, n, s->next[k].to);
		if (to >= 0)
			see(ctx, (size_t)to);
		leaves |= !s->next[k].when;
	}
	if (s->on_error && s->on_error->action && str_starts(s->on_error->action, "goto:")) {
		to = lint_target(list, n, s->on_error->action + 5);
		if (to >= 0)
			see(ctx, (size_t)to);
	}
	/* A step that its own `when` skips goes on to the one behind it. */
	if (!leaves || s->when)
		see(ctx, i + 1);
}

struct reaching {
	const struct runbook_step *list;
	size_t n, *todo, n_todo;
	const bool *blocked;
	bool *mark;
};

static void reach_one(void *ctx, size_t to)
{
	struct reaching *r = ctx;

	if (r->mark[to])
		return;
	r->mark[to] = true;
	if (to < r->n && !(r->blocked && r->blocked[to]))
		r->todo[r->n_todo++] = to;
}

void lint_reach(const struct runbook_step *list, size_t n, size_t from, const bool *blocked,
		bool *mark)
{
	struct arena a = ARENA_INIT;
	struct reaching r = {list, n, arena_array(&a, n + 1, size_t), 0, blocked, mark};

	memset(mark, 0, (n + 1) * sizeof(*mark));
	reach_one(&r, from);
	while (r.n_todo)
		lint_each_edge(list, n, r.todo[--r.n_todo], reach_one, &r);
	arena_release(&a);
}

const bool *lint_reached(struct lint *l, const struct site *s)
{
	bool **mark = &l->reached[s - l->sites];

	if (!*mark) {
		*mark = arena_array(l->arena, s->n_list + 1, bool);
		lint_reach(s->list, s->n_list, s->index, NULL, *mark);
	}
	return *mark;
}

/* What stands in a list within is known in that list alone; what undoes is done at the run's end,
 * and knows what the runbook's own list knew before it. */
static bool runs_before(struct lint *l, const struct site *before, const struct text *t)
{
	bool ended = false;

	for (const struct site *s = t->site; s; s = s->parent) {
		if (before == s)
			return s == t->site && t->sees_own;
		if (before->list == s->list)
			return (!ended || !s->parent) &&
			       !(s->parent && s->parent->step->kind == STEP_PARALLEL) &&
			       lint_reached(l, before)[s->index];
		ended = ended || (s->undoes && s->parent && !s->parent->undoes);
	}
	return false;
}

const struct site *lint_registered(struct lint *l, const struct text *t, const char *name)
{
	for (size_t i = 0; i < l->n_sites; i++) {
		const struct site *s = &l->sites[i];

		if (str_eq(s->step->reg, name) &&
		    (t->site ? runs_before(l, s, t) : t->sees_own && !s->parent && !s->finally))
			return s;
	}
	return NULL;
}

const struct param *lint_param(const struct runbook *rb, const char *name)
{
	for (size_t i = 0; i < rb->n_params; i++) {
		if (str_eq(rb->params[i].name, name))
			return &rb->params[i];
	}
	return NULL;
}
