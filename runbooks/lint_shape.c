/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of shape: it decodes, names are right and lead somewhere, every way through ends. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/map.h"
#include "lib/base/str.h"
#include "runbooks/known.h"
#include "runbooks/lint_internal.h"
#include "runbooks/shipped.h"
#include "runbooks/template.h"

#define RULE(name_)                                                                                \
	int name_(UNUSED const struct check *check, void *env, UNUSED struct report *report,       \
		  UNUSED struct error *err)

static bool well_named(const char *s, const char *extra)
{
	if (str_empty(s) || !islower((unsigned char)*s) || strlen(s) > 63)
		return false;
	for (; *s; s++) {
		if (!islower((unsigned char)*s) && !isdigit((unsigned char)*s) &&
		    !strchr(extra, *s))
			return false;
	}
	return true;
}

/* "file:6:9: params[0].type: why": the finding stands at that path, not at the file's beginning. */
static void not_decoded(struct lint *l)
{
	const char *file = l->root->file ? l->root->file : "", *at = l->why_not, *end;

	if (*file && str_starts(at, file) && strstr(at, ": "))
		at = strstr(at, ": ") + 2;
	end = strstr(at, ": ");
	if (at != l->why_not && end &&
	    (size_t)(end - at) == strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					     "0123456789_.[]-"))
		lint_fail(l, arena_strndup(l->arena, at, (size_t)(end - at)), "%s", end + 2);
	else
		lint_fail(l, "", "%s", at);
}

RULE(rule_schema)
{
	struct lint *l = env;

	if (!l->decoded)
		not_decoded(l);
	for (size_t i = 0; i < l->unknown.n; i++)
		lint_fail(l, l->unknown.items[i].path, "the schema has no field %s",
			  l->unknown.items[i].path);
	return 0;
}

/* --- metadata ----------------------------------------------------------------------------------
 */

static bool is_day(const char *s)
{
	int year, month, day, end = 0;

	return sscanf(s, "%4d-%2d-%2d%n", &year, &month, &day, &end) == 3 && end == 10 && !s[10] &&
	       month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

/* ">=1.18 <1.20": bounds by blanks, each an operator and a minor. */
static bool is_range(const char *s)
{
	while (*s) {
		int end = 0;
		unsigned major, minor;

		s += strspn(s, "<>=");
		if (sscanf(s, "%3u.%3u%n", &major, &minor, &end) != 2 || !end)
			return false;
		s += end;
		if (*s && *s != ' ')
			return false;
		s += strspn(s, " ");
	}
	return true;
}

static bool one_of(const char *s, const char *const *names)
{
	for (; *names; names++) {
		if (str_eq(s, *names))
			return true;
	}
	return false;
}

RULE(rule_metadata)
{
	static const char *const severities[] = {"sev1", "sev2", "sev3", "sev4", NULL};
	static const char *const locks[] = {"none", "namespace", "cluster", NULL};
	struct lint *l = env;
	const struct runbook *rb = &l->rb;

	if (!well_named(rb->name, "0123456789-"))
		lint_fail(l, "metadata.name",
			  "a name is of a-z, 0-9 and -, and begins with a "
			  "letter");
	if (str_empty(rb->summary))
		lint_fail(l, "metadata.summary", "there is no summary");
	if (!rb->owners.n)
		lint_fail(l, "metadata.owners", "nobody owns it");
	if (!one_of(rb->severity, severities))
		lint_fail(l, "metadata.severity", "severity is one of sev1, sev2, sev3, sev4");
	if (!rb->reviewed || !is_day(rb->reviewed))
		lint_fail(l, "metadata.reviewed", "reviewed is no day like 2026-10-01");
	for (size_t i = 0; i < rb->applies_to.n; i++) {
		if (!is_range(rb->applies_to.items[i].value))
			lint_fail(l, "metadata.applies_to",
				  "%s: \"%s\" is no range of versions like >=1.18 <1.20",
				  rb->applies_to.items[i].key, rb->applies_to.items[i].value);
	}
	if (!one_of(rb->lock, locks))
		lint_fail(l, "requires.lock", "lock is one of none, namespace, cluster");
	for (size_t i = 0; str_eq(rb->lock, "namespace") && i < rb->n_params; i++)
		if (str_eq(rb->params[i].name, "namespace") && rb->params[i].type != PARAM_K8S_NAME)
			lint_fail(l, arena_printf(l->arena, "params[%zu].type", i),
				  "the lock is named by this parameter: want type k8s-name");
	return 0;
}

/* --- ids and targets ---------------------------------------------------------------------------
 */

bool lint_reserved(const char *name)
{
	static const char *const names[] = {"params", "vars",  "run", "step",    "end",  "and",
					    "or",     "not",   "in",  "matches", "true", "false",
					    "length", "known", "min", "max",     NULL};

	return one_of(name, names);
}

static void check_id(struct lint *l, struct map *seen, const char *id, const char *path,
		     const char *what)
{
	if (!well_named(id, "_") || lint_reserved(id))
		lint_fail(l, path,
			  "%s %s: want a-z, 0-9 and _, beginning with a letter, and no "
			  "word of the language",
			  what, str_or_empty(id));
	else if (map_has(seen, id))
		lint_fail(l, path, "%s %s is there twice", what, id);
	map_set(seen, str_or_empty(id), l);
}

RULE(rule_ids)
{
	struct lint *l = env;
	auto_release(map) struct map ids = MAP_INIT, results = MAP_INIT, params = MAP_INIT,
				     outcomes = MAP_INIT;

	for (size_t i = 0; i < l->n_sites; i++) {
		const struct site *s = &l->sites[i];

		check_id(l, &ids, s->step->id, lint_path(l, s, "id"), "the id");
		if (s->step->reg)
			check_id(l, &results, s->step->reg, lint_path(l, s, "register"),
				 "the result");
	}
	for (size_t i = 0; i < l->rb.n_params; i++)
		check_id(l, &params, l->rb.params[i].name,
			 arena_printf(l->arena, "params[%zu].name", i), "the parameter");
	for (size_t i = 0; i < l->rb.n_outcomes; i++) {
		const char *id = l->rb.outcomes[i].id;

		if (!well_named(id, "-_"))
			lint_fail(l, arena_printf(l->arena, "outcomes[%zu].id", i),
				  "the outcome %s: want a-z, 0-9, - and _", id);
		if (map_set(&outcomes, id, l))
			lint_fail(l, arena_printf(l->arena, "outcomes[%zu].id", i),
				  "the outcome %s is there twice", id);
	}
	return 0;
}

RULE(rule_targets)
{
	static const char *const actions[] = {"fail", "continue", "rollback", "ask", NULL};
	static const char *const marks[] = {"failed", "inconclusive", NULL};
	struct lint *l = env;

	for (size_t i = 0; i < l->n_sites; i++) {
		const struct site *s = &l->sites[i];
		const struct on_error *e = s->step->on_error;

		for (size_t k = 0; k < s->step->n_next; k++) {
			if (lint_target(s->list, s->n_list, s->step->next[k].to) < 0)
				lint_fail(l,
					  lint_path(l, s,
						    arena_printf(l->arena, "next[%zu].goto", k)),
					  "there is no step %s beside %s", s->step->next[k].to,
					  s->step->id);
		}
		if (!e)
			continue;
		if (str_starts(e->action, "goto:")) {
			if (lint_target(s->list, s->n_list, e->action + 5) < 0)
				lint_fail(l, lint_path(l, s, "on_error.action"),
					  "there is no step %s beside %s", e->action + 5,
					  s->step->id);
		} else if (!one_of(e->action, actions)) {
			lint_fail(l, lint_path(l, s, "on_error.action"),
				  "%s is none of fail, continue, goto:ID, rollback, ask",
				  e->action);
		}
		if (e->mark && !one_of(e->mark, marks))
			lint_fail(l, lint_path(l, s, "on_error.mark"),
				  "%s is neither failed nor inconclusive", e->mark);
	}
	return 0;
}

/* --- ways --------------------------------------------------------------------------------------
 */

RULE(rule_reachable)
{
	struct lint *l = env;

	for (size_t i = 0; i < l->n_sites; i++) {
		const struct site *s = &l->sites[i];

		/* what is done in parallel has no order */
		if (!lint_reached(l, s->first)[s->index] &&
		    !(s->parent && s->parent->step->kind == STEP_PARALLEL))
			lint_fail(l, s->path, "no way leads to step %s", s->step->id);
	}
	return 0;
}

struct cycle {
	const struct runbook_step *list;
	size_t n;
	unsigned char *state; /* 0 new, 1 on the way, 2 done */
	size_t at;
	ssize_t found;
};

static void follow(void *ctx, size_t to)
{
	struct cycle *c = ctx;
	const size_t from = c->at;

	if (to >= c->n || c->state[to] == 2)
		return;
	if (c->state[to] == 1) {
		c->found = (ssize_t)from;
		return;
	}
	c->state[to] = 1;
	c->at = to;
	lint_each_edge(c->list, c->n, to, follow, c);
	c->state[to] = 2;
	c->at = from;
}

RULE(rule_cycles)
{
	struct lint *l = env;

	for (size_t i = 0; i < l->n_sites; i++) {
		const struct site *s = &l->sites[i];
		struct cycle c = {s->list, s->n_list, arena_alloc(l->arena, s->n_list + 1), 0, -1};

		if (s->index)
			continue;
		for (size_t k = 0; k < s->n_list && c.found < 0; k++) {
			c.at = k;
			if (!c.state[k])
				follow(&c, k);
		}
		if (c.found >= 0)
			lint_fail(l, s->path, "from step %s a way leads back to where it came from",
				  s->list[c.found].id);
	}
	return 0;
}

RULE(rule_branches)
{
	struct lint *l = env;

	for (size_t i = 0; i < l->n_sites; i++) {
		const struct site *s = &l->sites[i];
		const struct runbook_step *step = s->step;

		if (step->kind == STEP_DECIDE && !step->n_next)
			lint_fail(l, s->path, "step %s decides nothing: it has no next", step->id);
		if (step->n_next && step->next[step->n_next - 1].when)
			lint_fail(l, lint_path(l, s, "next"),
				  "the last branch of %s has a condition: say where to go when "
				  "none holds",
				  step->id);
		for (size_t k = 0; k + 1 < step->n_next; k++) {
			if (!step->next[k].when)
				lint_fail(l,
					  lint_path(l, s, arena_printf(l->arena, "next[%zu]", k)),
					  "no branch behind this one of %s can be taken", step->id);
		}
	}
	return 0;
}

/* --- bodies ------------------------------------------------------------------------------------
 */

static bool has_body(const struct lint *l, const struct site *s, const char *body)
{
	return doc_get(doc_find(l->root, s->path), body) != NULL;
}

static void check_nesting(struct lint *l, const struct site *s)
{
	const bool nests = step_kinds[s->step->kind].flags & STEP_NESTS;

	if (nests && !s->step->n_steps)
		lint_fail(l, s->path, "step %s has nothing to do: `do` is empty", s->step->id);
	if (!nests && s->step->n_steps)
		lint_fail(l, lint_path(l, s, "do"), "a step of kind %s has no steps within",
			  step_kinds[s->step->kind].name);
	if (s->step->k8s && !s->step->k8s->get == !s->step->k8s->list)
		lint_fail(l, lint_path(l, s, "k8s"), "want either get or list");
}

RULE(rule_bodies)
{
	struct lint *l = env;

	for (size_t i = 0; i < l->n_sites; i++) {
		const struct site *s = &l->sites[i];
		const struct step_kind_row *own = &step_kinds[s->step->kind];

		if (own->body && !has_body(l, s, own->body))
			lint_fail(l, s->path, "a step of kind %s needs the field %s", own->name,
				  own->body);
		for (int k = STEP_NONE + 1; k < STEP_N_KINDS; k++) {
			const char *body = step_kinds[k].body;

			if (body && k != s->step->kind && has_body(l, s, body))
				lint_fail(l, lint_path(l, s, body),
					  "a step of kind %s has no field %s", own->name, body);
		}
		check_nesting(l, s);
	}
	return 0;
}

/* --- expressions and what they name ------------------------------------------------------------
 */

static void parse_text(struct lint *l, const struct text *t)
{
	struct error err = ERROR_INIT;
	const struct expr *e = NULL;
	struct template parts;
	int rc = t->kind == TEXT_EXPR ? expr_parse(l->arena, t->text, &e, &err)
				      : template_parse(l->arena, t->text, &parts, &err);

	if (rc < 0)
		lint_fail(l, t->path, "%s: %s",
			  t->kind == TEXT_EXPR ? "no expression" : "no template", err.msg);
}

RULE(rule_expressions)
{
	lint_each_text(env, parse_text);
	return 0;
}

/* Its file says so in a line of its own; that it decodes is the shipped ones' own test. */
static bool is_shipped(struct lint *l, const char *name)
{
	const char *line = arena_printf(l->arena, "\n  name: %s\n", name);

	for (size_t i = 0; i < shipped_runbooks_n; i++) {
		if (strstr(shipped_runbooks[i].text, line))
			return true;
	}
	return false;
}

static void check_operation(struct lint *l, const struct site *s)
{
	const struct doc *op = s->step->op, *args;
	const struct known_operation *row;
	const char *p;

	if (doc_len(op) != 1 || op->kind != DOC_MAP) {
		lint_fail(l, lint_path(l, s, "op"), "want one operation");
		return;
	}
	row = known_operation_find(op->map.entries[0].key);
	if (!row) {
		lint_fail(l, lint_path(l, s, "op"), "there is no operation %s",
			  op->map.entries[0].key);
		return;
	}
	args = op->map.entries[0].value;
	for (p = row->arguments; *p;) {
		const size_t n = strcspn(p, " ");

		if (!doc_get(args, arena_strndup(l->arena, p, n)))
			lint_fail(l, lint_path(l, s, "op"), "%s needs %.*s", row->name, (int)n, p);
		p += n + (p[n] == ' ');
	}
	doc_foreach_entry (args, e) {
		const char *all = arena_printf(l->arena, " %s %s ", row->arguments, row->optional);

		if (!strstr(all, arena_printf(l->arena, " %s ", e->key)))
			lint_fail(l, lint_path(l, s, "op"), "%s takes no %s", row->name, e->key);
	}
	/* A roll-out minds what is there; pods that are taken from a node are gone at once. */
	if (str_eq(row->name, "k8s.restart") && doc_get(args, "nodes") &&
	    s->step->risk < RISK_MEDIUM)
		lint_fail(l, lint_path(l, s, "risk"),
			  "to restart what is on a node has risk medium at least");
}

static void check_query(struct lint *l, const struct site *s)
{
	const bool flows = s->step->kind == STEP_FLOWS;
	const struct step_query *q = flows ? s->step->flows : s->step->query;
	const char *member = flows ? "flows" : "query", *wrong;
	const struct known_source *source;

	if (!q)
		return;
	source = known_source_find(flows ? "flows" : q->source);
	if (!source) {
		lint_fail(l, lint_path(l, s, "query.source"),
			  "there is no source %s ('sidestep runbook tables' lists them)",
			  q->source ? q->source : "(none is named)");
		return;
	}
	wrong = known_filter_refused(l->arena, source, q->filter);
	if (wrong)
		lint_fail(l, lint_path(l, s, arena_printf(l->arena, "%s.filter", member)), "%s",
			  wrong);
	if (q->since && !source->timed)
		lint_fail(l, lint_path(l, s, arena_printf(l->arena, "%s.since", member)),
			  "source %s says how it is now: it has no since", source->name);
}

RULE(rule_known)
{
	struct lint *l = env;

	for (size_t i = 0; i < l->n_sites; i++) {
		const struct site *s = &l->sites[i];
		const struct runbook_step *step = s->step;

		check_query(l, s);
		if (step->check && !known_check(step->check))
			lint_fail(l, lint_path(l, s, "check"),
				  "there is no check %s ('sidestep preflight list' lists them)",
				  step->check);
		if (step->gate && !str_starts(step->gate, "G-"))
			lint_fail(l, lint_path(l, s, "gate"), "%s is no gate's id like G-READY",
				  step->gate);
		if (step->call && !well_named(step->call->runbook, "0123456789-"))
			lint_fail(l, lint_path(l, s, "call.runbook"),
				  "\"%.80s\" is no name of a shipped runbook: a file would be "
				  "another "
				  "one tomorrow",
				  step->call->runbook);
		else if (step->call && !is_shipped(l, step->call->runbook))
			lint_fail(l, lint_path(l, s, "call.runbook"),
				  "no runbook %s is shipped ('sidestep runbook list' lists them)",
				  step->call->runbook);
		if (step->op)
			check_operation(l, s);
	}
	for (size_t i = 0; i < l->rb.checks.n; i++) {
		if (!known_check(l->rb.checks.items[i]))
			lint_fail(l, arena_printf(l->arena, "requires.checks[%zu]", i),
				  "there is no check %s ('sidestep preflight list' lists them)",
				  l->rb.checks.items[i]);
	}
	return 0;
}

/* --- outcomes, parameters, modes ---------------------------------------------------------------
 */

/* Printed as what to type: one of our own commands without options, or the name of a runbook. */
static void check_advice(struct lint *l, const char *path, const char *text)
{
	static const char book[] = "runbook:", command[] = "command:sidestep ";

	if ((str_starts(text, book) && well_named(text + strlen(book), "-")) ||
	    (str_starts(text, command) && well_named(text + strlen(command), " ")))
		return;
	lint_fail(l, path,
		  "\"%.80s\" is no advice: want runbook:NAME or command:sidestep VERB; what else "
		  "there "
		  "is to say stands in cause",
		  text);
}

RULE(rule_outcomes)
{
	static const char *const confidences[] = {"low", "medium", "high", NULL};
	struct lint *l = env;
	size_t fallbacks = 0;

	for (size_t i = 0; i < l->rb.n_outcomes; i++) {
		const struct outcome *o = &l->rb.outcomes[i];
		const char *path = arena_printf(l->arena, "outcomes[%zu]", i);

		fallbacks += o->fallback;
		if (!o->fallback == !o->when)
			lint_fail(l, path, "outcome %s: want either when or default: true", o->id);
		if (o->fallback && i + 1 < l->rb.n_outcomes)
			lint_fail(l, path, "the default outcome stands last");
		if (str_empty(o->cause))
			lint_fail(l, path, "outcome %s says no cause", o->id);
		for (size_t k = 0; k < o->next.n; k++)
			check_advice(l, arena_printf(l->arena, "%s.next[%zu]", path, k),
				     o->next.items[k]);
		if (o->confidence && !one_of(o->confidence, confidences))
			lint_fail(l, path, "confidence is one of low, medium, high");
	}
	if (fallbacks != 1)
		lint_fail(l, "outcomes",
			  "%zu default outcomes: want exactly one, for what "
			  "cannot be determined",
			  fallbacks);
	return 0;
}

RULE(rule_params)
{
	static const char *const origins[] = {"env", "file", NULL};
	struct lint *l = env;

	for (size_t i = 0; i < l->rb.n_params; i++) {
		const struct param *p = &l->rb.params[i];
		const char *path = arena_printf(l->arena, "params[%zu]", i);
		const struct doc *found = doc_get(p->fallback, "discover");

		if (p->type == PARAM_CHOICE && !p->choices.n)
			lint_fail(l, path, "%s is a choice of nothing", p->name);
		if (p->required && p->fallback)
			lint_fail(l, path, "%s is required and has a default", p->name);
		if (!p->required && !p->fallback)
			lint_fail(l, path, "%s is neither required nor has it a default", p->name);
		if (found && !known_discovery(doc_str(found)))
			lint_fail(l, path, "%s: nothing knows how to discover %s", p->name,
				  str_or_empty(doc_str(found)));
		if (p->fallback && !found && doc_len(p->fallback))
			lint_fail(l, path, "%s: a default is a scalar or {discover: KEY}", p->name);
		if (p->from && (!p->secret || !one_of(p->from, origins)))
			lint_fail(l, path, "%s: from is of secrets, env or file", p->name);
		if (p->secret && (p->fallback || !p->from))
			lint_fail(l, path, "%s: a secret comes from env or file, never from here",
				  p->name);
	}
	return 0;
}

RULE(rule_modes)
{
	struct lint *l = env;
	const struct runbook *rb = &l->rb;

	for (size_t i = 0; i < rb->allowed_modes.n; i++) {
		if (!one_of(rb->allowed_modes.items[i], runbook_mode_names + MODE_DIAGNOSE))
			lint_fail(l, "modes.allowed", "%s is none of diagnose, propose, execute",
				  rb->allowed_modes.items[i]);
	}
	if (!runbook_allows(rb, (enum runbook_mode)rb->default_mode))
		lint_fail(l, "modes.default", "the default is not among the allowed");
	if (rb->default_mode == MODE_EXECUTE)
		lint_fail(l, "modes.default", "nothing executes by default");
	if (runbook_mutates(rb) && !runbook_allows(rb, MODE_EXECUTE))
		lint_fail(l, "modes.allowed", "steps change something, but execute is not allowed");
	if (!runbook_mutates(rb) && runbook_allows(rb, MODE_EXECUTE))
		lint_fail(l, "modes.allowed", "execute is allowed, but no step changes anything");
	return 0;
}
