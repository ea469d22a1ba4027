/* SPDX-License-Identifier: Apache-2.0 */
#include "runbooks/runbook.h"

#include <string.h>

#include "lib/base/str.h"

const char *const runbook_mode_names[] = {
	[MODE_NONE] = NULL,         [MODE_DIAGNOSE] = "diagnose", [MODE_PROPOSE] = "propose",
	[MODE_EXECUTE] = "execute", [MODE_EXECUTE + 1] = NULL,
};
const char *const risk_names[] = {
	[RISK_UNSAID] = NULL,     [RISK_NONE] = "none", [RISK_LOW] = "low",
	[RISK_MEDIUM] = "medium", [RISK_HIGH] = "high", [RISK_HIGH + 1] = NULL,
};
const char *const param_type_names[] = {
	[PARAM_UNSAID] = NULL,     [PARAM_STRING] = "string",     [PARAM_INT] = "int",
	[PARAM_BOOL] = "bool",     [PARAM_DURATION] = "duration", [PARAM_K8S_NAME] = "k8s-name",
	[PARAM_CHOICE] = "choice", [PARAM_CHOICE + 1] = NULL,
};
static const char *const inverse_names[] = {NULL, "auto", "none", NULL};

const struct step_kind_row step_kinds[STEP_N_KINDS] = {
#define STEP_KIND_ROW(symbol, name, body, flags, what) [symbol] = {(name), (body), (what), (flags)},
	STEP_KINDS(STEP_KIND_ROW)
#undef STEP_KIND_ROW
};
static const char *const step_kind_names[STEP_N_KINDS + 1] = {
#define STEP_KIND_NAME(symbol, name, body, flags, what) [symbol] = (name),
	STEP_KINDS(STEP_KIND_NAME)
#undef STEP_KIND_NAME
};

/* clang-format off */
static const struct bind_field query_fields[] = {
	BIND(struct step_query, source, "source", BIND_STRING, 0),
	BIND(struct step_query, filter, "filter", BIND_DOC, 0),
	BIND(struct step_query, since, "since", BIND_STRING, 0),
	BIND_RANGE(struct step_query, limit, "limit", BIND_OPT_INT, 0, 1, 10000),
};
static BIND_TABLE(query_table, struct step_query, query_fields);
static const struct bind_field command_fields[] = {
	BIND(struct step_command, argv, "argv", BIND_STRINGS, BIND_REQUIRED | BIND_NON_EMPTY),
	BIND(struct step_command, output, "output", BIND_STRING, 0),
};
static BIND_TABLE(command_table, struct step_command, command_fields);
static const struct bind_field k8s_fields[] = {
	BIND(struct step_k8s, get, "get", BIND_STRING, 0),
	BIND(struct step_k8s, list, "list", BIND_STRING, 0),
	BIND(struct step_k8s, namespace, "namespace", BIND_STRING, 0),
	BIND(struct step_k8s, selector, "selector", BIND_STRING, 0),
	BIND_RANGE(struct step_k8s, limit, "limit", BIND_OPT_INT, 0, 1, 10000),
};
static BIND_TABLE(k8s_table, struct step_k8s, k8s_fields);
static const struct bind_field http_fields[] = {
	BIND(struct step_http, url, "url", BIND_STRING, BIND_REQUIRED),
	BIND_RANGE(struct step_http, expect, "expect", BIND_OPT_INT, 0, 100, 599),
	BIND(struct step_http, output, "output", BIND_STRING, 0),
};
static BIND_TABLE(http_table, struct step_http, http_fields);
static const struct bind_field prom_fields[] = {
	BIND(struct step_prom, query, "query", BIND_STRING, BIND_REQUIRED),
};
static BIND_TABLE(prom_table, struct step_prom, prom_fields);
static const struct bind_field wait_fields[] = {
	BIND(struct step_wait, until, "until", BIND_STRING, BIND_REQUIRED),
	BIND(struct step_wait, poll, "poll", BIND_STRING, 0),
	BIND(struct step_wait, within, "within", BIND_STRING, 0),
};
static BIND_TABLE(wait_table, struct step_wait, wait_fields);
static const struct bind_field ask_fields[] = {
	BIND(struct step_ask, prompt, "prompt", BIND_STRING, BIND_REQUIRED),
	BIND_NAMED(struct step_ask, type, "type", BIND_REQUIRED, param_type_names),
	BIND(struct step_ask, choices, "choices", BIND_STRINGS, 0),
	BIND(struct step_ask, expires, "expires", BIND_STRING, 0),
};
static BIND_TABLE(ask_table, struct step_ask, ask_fields);
static const struct bind_field call_fields[] = {
	BIND(struct step_call, runbook, "runbook", BIND_STRING, BIND_REQUIRED),
	BIND(struct step_call, params, "params", BIND_STRMAP, 0),
};
static BIND_TABLE(call_table, struct step_call, call_fields);
static const struct bind_field approvers_fields[] = {
	BIND_RANGE(struct approvers, min, "min", BIND_OPT_INT, 0, 1, 20),
	BIND(struct approvers, groups, "groups", BIND_STRINGS, 0),
	BIND(struct approvers, not_requester, "not_requester", BIND_OPT_BOOL, 0),
	BIND(struct approvers, expires, "expires", BIND_STRING, 0),
};
static BIND_TABLE(approvers_table, struct approvers, approvers_fields);
static const struct bind_field precheck_fields[] = {
	BIND(struct precheck, expr, "expr", BIND_STRING, BIND_REQUIRED),
};
static BIND_TABLE(precheck_table, struct precheck, precheck_fields);
static const struct bind_field verify_fields[] = {
	BIND(struct verify, expr, "expr", BIND_STRING, BIND_REQUIRED),
	BIND(struct verify, poll, "poll", BIND_STRING, 0),
	BIND(struct verify, within, "within", BIND_STRING, 0),
	BIND_RANGE(struct verify, stable, "stable", BIND_OPT_INT, 0, 1, 100),
	BIND_RANGE(struct verify, sources, "sources", BIND_OPT_INT, 0, 1, 8),
};
static BIND_TABLE(verify_table, struct verify, verify_fields);
static const struct bind_field evidence_fields[] = {
	BIND(struct evidence_item, name, "name", BIND_STRING, BIND_REQUIRED),
	BIND(struct evidence_item, from, "from", BIND_STRING, BIND_REQUIRED),
	BIND(struct evidence_item, redact, "redact", BIND_STRING, 0),
	BIND(struct evidence_item, max, "max", BIND_STRING, 0),
};
static BIND_TABLE(evidence_table, struct evidence_item, evidence_fields);
static const struct bind_field retry_fields[] = {
	BIND_RANGE(struct retry, attempts, "attempts", BIND_OPT_INT, BIND_REQUIRED, 1, 20),
	BIND(struct retry, backoff, "backoff", BIND_STRING, 0),
	BIND(struct retry, base, "base", BIND_STRING, 0),
	BIND(struct retry, on, "on", BIND_STRINGS, 0),
	BIND(struct retry, on, "true", BIND_STRINGS, 0), /* what YAML 1.1 makes of a bare on */
};
static BIND_TABLE(retry_table, struct retry, retry_fields);
static const struct bind_field on_error_fields[] = {
	BIND(struct on_error, action, "action", BIND_STRING, BIND_REQUIRED),
	BIND(struct on_error, mark, "mark", BIND_STRING, 0),
};
static BIND_TABLE(on_error_table, struct on_error, on_error_fields);
static const struct bind_field next_fields[] = {
	BIND(struct next, when, "when", BIND_STRING, 0),
	BIND(struct next, to, "goto", BIND_STRING, BIND_REQUIRED),
};
static BIND_TABLE(next_table, struct next, next_fields);

/* Steps stand within steps. */
static const struct bind_table step_table;
static const struct bind_field rollback_fields[] = {
	BIND_NAMED(struct rollback, inverse, "inverse", 0, inverse_names),
	BIND(struct rollback, reason, "reason", BIND_STRING, 0),
	BIND_ITEMS(struct rollback, steps, "steps", 0, &step_table),
};
static BIND_TABLE(rollback_table, struct rollback, rollback_fields);
static const struct bind_field step_fields[] = {
	BIND(struct runbook_step, id, "id", BIND_STRING, BIND_REQUIRED),
	BIND(struct runbook_step, title, "title", BIND_STRING, BIND_REQUIRED | BIND_NON_EMPTY),
	BIND_NAMED(struct runbook_step, kind, "kind", BIND_REQUIRED, step_kind_names),
	BIND(struct runbook_step, mutates, "mutates", BIND_OPT_BOOL, 0),
	BIND_NAMED(struct runbook_step, risk, "risk", 0, risk_names),
	BIND(struct runbook_step, when, "when", BIND_STRING, 0),
	BIND_NESTED(struct runbook_step, query, "query", BIND_PTR, 0, &query_table),
	BIND(struct runbook_step, check, "check", BIND_STRING, 0),
	BIND_NESTED(struct runbook_step, command, "command", BIND_PTR, 0, &command_table),
	BIND_NESTED(struct runbook_step, k8s, "k8s", BIND_PTR, 0, &k8s_table),
	BIND_NESTED(struct runbook_step, http, "http", BIND_PTR, 0, &http_table),
	BIND_NESTED(struct runbook_step, prom, "prom", BIND_PTR, 0, &prom_table),
	BIND_NESTED(struct runbook_step, flows, "flows", BIND_PTR, 0, &query_table),
	BIND_NESTED(struct runbook_step, wait, "wait", BIND_PTR, 0, &wait_table),
	BIND_NESTED(struct runbook_step, approvers, "approvers", BIND_PTR, 0, &approvers_table),
	BIND(struct runbook_step, shows, "shows", BIND_STRINGS, 0),
	BIND(struct runbook_step, on_timeout, "on_timeout", BIND_STRING, 0),
	BIND_NESTED(struct runbook_step, ask, "ask", BIND_PTR, 0, &ask_table),
	BIND(struct runbook_step, items, "items", BIND_STRING, 0),
	BIND(struct runbook_step, as, "as", BIND_STRING, 0),
	BIND_RANGE(struct runbook_step, parallel, "parallel", BIND_OPT_INT, 0, 1, 50),
	BIND_RANGE(struct runbook_step, max_fail, "max_fail", BIND_OPT_INT, 0, 0, 1000),
	BIND_ITEMS(struct runbook_step, steps, "do", 0, &step_table),
	BIND_NESTED(struct runbook_step, call, "call", BIND_PTR, 0, &call_table),
	BIND(struct runbook_step, note, "note", BIND_STRING, 0),
	BIND(struct runbook_step, gate, "gate", BIND_STRING, 0),
	BIND(struct runbook_step, op, "op", BIND_DOC, 0),
	BIND(struct runbook_step, reg, "register", BIND_STRING, 0),
	BIND_ITEMS(struct runbook_step, evidence, "evidence", 0, &evidence_table),
	BIND(struct runbook_step, timeout, "timeout", BIND_STRING, 0),
	BIND_NESTED(struct runbook_step, retry, "retry", BIND_PTR, 0, &retry_table),
	BIND_NESTED(struct runbook_step, on_error, "on_error", BIND_PTR, 0, &on_error_table),
	BIND_ITEMS(struct runbook_step, precheck, "precheck", 0, &precheck_table),
	BIND_NESTED(struct runbook_step, verify, "verify", BIND_PTR, 0, &verify_table),
	BIND_NESTED(struct runbook_step, rollback, "rollback", BIND_PTR, 0, &rollback_table),
	BIND(struct runbook_step, idempotency_key, "idempotency_key", BIND_STRING, 0),
	BIND_ITEMS(struct runbook_step, next, "next", 0, &next_table),
};
static BIND_TABLE(step_table, struct runbook_step, step_fields);

static const struct bind_field param_fields[] = {
	BIND(struct param, name, "name", BIND_STRING, BIND_REQUIRED),
	BIND(struct param, prompt, "prompt", BIND_STRING, 0),
	BIND_NAMED(struct param, type, "type", BIND_REQUIRED, param_type_names),
	BIND(struct param, required, "required", BIND_BOOL, 0),
	BIND(struct param, secret, "secret", BIND_BOOL, 0),
	BIND(struct param, from, "from", BIND_STRING, 0),
	BIND(struct param, fallback, "default", BIND_DOC, 0),
	BIND(struct param, min, "min", BIND_DOC, 0),
	BIND(struct param, max, "max", BIND_DOC, 0),
	BIND(struct param, choices, "choices", BIND_STRINGS, 0),
};
static BIND_TABLE(param_table, struct param, param_fields);
static const struct bind_field outcome_fields[] = {
	BIND(struct outcome, id, "id", BIND_STRING, BIND_REQUIRED),
	BIND(struct outcome, when, "when", BIND_STRING, 0),
	BIND(struct outcome, cause, "cause", BIND_STRING, 0),
	BIND(struct outcome, confidence, "confidence", BIND_STRING, 0),
	BIND(struct outcome, next, "next", BIND_STRINGS, 0),
	BIND(struct outcome, fallback, "default", BIND_BOOL, 0),
};
static BIND_TABLE(outcome_table, struct outcome, outcome_fields);
static const struct bind_field runbook_fields[] = {
	BIND(struct runbook, api_version, "apiVersion", BIND_STRING, BIND_REQUIRED),
	BIND(struct runbook, kind, "kind", BIND_STRING, BIND_REQUIRED),
	BIND(struct runbook, name, "metadata.name", BIND_STRING, BIND_REQUIRED | BIND_NON_EMPTY),
	BIND(struct runbook, id, "metadata.id", BIND_STRING, BIND_NON_EMPTY),
	BIND(struct runbook, summary, "metadata.summary", BIND_STRING, 0),
	BIND_RANGE(struct runbook, version, "metadata.version", BIND_INT64, BIND_REQUIRED, 1, 1000000),
	BIND(struct runbook, owners, "metadata.owners", BIND_STRINGS, 0),
	BIND(struct runbook, severity, "metadata.severity", BIND_STRING, 0),
	BIND(struct runbook, tags, "metadata.tags", BIND_STRINGS, 0),
	BIND(struct runbook, docs, "metadata.docs", BIND_STRING, 0),
	BIND(struct runbook, reviewed, "metadata.reviewed", BIND_STRING, 0),
	BIND(struct runbook, applies_to, "metadata.applies_to", BIND_STRMAP, 0),
	BIND_ITEMS(struct runbook, params, "params", 0, &param_table),
	BIND(struct runbook, rbac, "requires.rbac", BIND_STRINGS, 0),
	BIND(struct runbook, tools, "requires.tools", BIND_STRINGS, 0),
	BIND(struct runbook, capabilities, "requires.capabilities", BIND_STRINGS, 0),
	BIND(struct runbook, checks, "requires.checks", BIND_STRINGS, 0),
	BIND(struct runbook, lock, "requires.lock", BIND_STRING, 0),
	BIND_NAMED(struct runbook, default_mode, "modes.default", BIND_REQUIRED, runbook_mode_names),
	BIND(struct runbook, allowed_modes, "modes.allowed", BIND_STRINGS, BIND_REQUIRED | BIND_NON_EMPTY),
	BIND(struct runbook, vars, "vars", BIND_STRMAP, 0),
	BIND_ITEMS(struct runbook, steps, "steps", BIND_REQUIRED | BIND_NON_EMPTY, &step_table),
	BIND_ITEMS(struct runbook, finally, "finally", 0, &step_table),
	BIND_ITEMS(struct runbook, outcomes, "outcomes", BIND_REQUIRED | BIND_NON_EMPTY, &outcome_table),
	BIND(struct runbook, report_formats, "report.formats", BIND_STRINGS, 0),
	BIND(struct runbook, report_include, "report.include", BIND_STRINGS, 0),
};
static BIND_TABLE(runbook_table, struct runbook, runbook_fields);
static const struct bind_field fixture_fields[] = {
	BIND(struct fixture, api_version, "apiVersion", BIND_STRING, BIND_REQUIRED),
	BIND(struct fixture, kind, "kind", BIND_STRING, BIND_REQUIRED),
	BIND(struct fixture, name, "metadata.name", BIND_STRING, BIND_REQUIRED | BIND_NON_EMPTY),
	BIND(struct fixture, runbook, "runbook", BIND_STRING, BIND_REQUIRED),
	BIND_NAMED(struct fixture, mode, "mode", BIND_REQUIRED, runbook_mode_names),
	BIND(struct fixture, params, "params", BIND_DOC, 0),
	BIND(struct fixture, answers, "answers", BIND_DOC, 0),
	BIND(struct fixture, path, "expect.path", BIND_STRINGS, BIND_REQUIRED | BIND_NON_EMPTY),
	BIND(struct fixture, outcome, "expect.outcome", BIND_STRING, BIND_REQUIRED),
	BIND_RANGE(struct fixture, exit, "expect.exit", BIND_OPT_INT, 0, 0, 64),
};
static BIND_TABLE(fixture_table, struct fixture, fixture_fields);
/* clang-format on */

static int decode(struct arena *a, const struct bind_table *table, const char *kind,
		  const struct doc *root, void *out, struct bind_unknown *unknown,
		  struct error *err)
{
	const char *version = doc_str(doc_get(root, "apiVersion"));
	const char *got = doc_str(doc_get(root, "kind"));

	if (!str_eq(version, RUNBOOK_API_VERSION) || !str_eq(got, kind))
		return error_set(err, -EINVAL,
				 "%s: want apiVersion %s and kind %s, got %.80s %.80s",
				 doc_where(a, root), RUNBOOK_API_VERSION, kind,
				 version ? version : "none", got ? got : "none");
	return bind_decode(a, table, root, "", out, unknown, err);
}

static int count(const struct runbook_step *steps, size_t n, unsigned depth, size_t *total,
		 struct error *err)
{
	int rc = 0;

	*total += n;
	if (depth > RUNBOOK_MAX_NESTING && n)
		return error_set(err, -E2BIG, "steps[0] (%s): more than %u levels of steps",
				 steps[0].id, RUNBOOK_MAX_NESTING);
	if (*total > RUNBOOK_MAX_STEPS)
		return error_set(err, -E2BIG, "more than %u steps", RUNBOOK_MAX_STEPS);
	for (size_t i = 0; i < n && !rc; i++) {
		rc = count(steps[i].steps, steps[i].n_steps, depth + 1, total, err);
		if (!rc && steps[i].rollback)
			rc = count(steps[i].rollback->steps, steps[i].rollback->n_steps, depth + 1,
				   total, err);
	}
	return rc;
}

int runbook_decode(struct arena *a, const struct doc *root, struct runbook *ret_runbook,
		   struct bind_unknown *unknown, struct error *err)
{
	struct runbook rb;
	size_t total = 0;
	int rc = decode(a, &runbook_table, RUNBOOK_KIND, root, &rb, unknown, err);

	if (!rc)
		rc = count(rb.steps, rb.n_steps, 1, &total, err);
	if (!rc)
		rc = count(rb.finally, rb.n_finally, 1, &total, err);
	if (rc < 0)
		return rc;
	rb.root = root;
	*ret_runbook = rb;
	return 0;
}

int fixture_decode(struct arena *a, const struct doc *root, struct fixture *ret_fixture,
		   struct bind_unknown *unknown, struct error *err)
{
	struct fixture f;
	int rc = decode(a, &fixture_table, RUNBOOK_FIXTURE, root, &f, unknown, err);

	if (rc < 0)
		return rc;
	f.root = root;
	*ret_fixture = f;
	return 0;
}

bool runbook_allows(const struct runbook *rb, enum runbook_mode mode)
{
	for (size_t i = 0; i < rb->allowed_modes.n; i++) {
		if (str_eq(rb->allowed_modes.items[i], runbook_mode_names[mode]))
			return true;
	}
	return false;
}

static bool any_mutates(const struct runbook_step *steps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (steps[i].kind == STEP_MUTATE || steps[i].mutates.value ||
		    any_mutates(steps[i].steps, steps[i].n_steps))
			return true;
	}
	return false;
}

bool runbook_mutates(const struct runbook *rb)
{
	return any_mutates(rb->steps, rb->n_steps) || any_mutates(rb->finally, rb->n_finally);
}

/* --- the schema, for people
 * --------------------------------------------------------------------- */

static void describe(const struct bind_field *f, struct strbuf *out)
{
	static const char *const kinds[] = {[BIND_STRING] = "text",
					    [BIND_BOOL] = "true or false",
					    [BIND_INT32] = "number",
					    [BIND_INT64] = "number",
					    [BIND_REAL] = "number",
					    [BIND_OPT_BOOL] = "true or false",
					    [BIND_OPT_INT] = "number",
					    [BIND_INT_OR_STRING] = "number or text",
					    [BIND_ENUM] = "",
					    [BIND_STRINGS] = "list of texts",
					    [BIND_STRMAP] = "map of texts",
					    [BIND_DOC] = "any",
					    [BIND_STRUCT] = "map",
					    [BIND_PTR] = "map",
					    [BIND_LIST] = "list"};
	bool first = true;

	strbuf_adds(out, kinds[f->kind]);
	/* The first row of a table of names may be what stands for "not said". */
	for (size_t i = 0; f->kind == BIND_ENUM && (i == 0 || f->names[i]); i++)
		if (f->names[i]) {
			strbuf_addf(out, "%s%s", first ? "" : "|", f->names[i]);
			first = false;
		}
	if (f->min || f->max)
		strbuf_addf(out, " %lld to %lld", (long long)f->min, (long long)f->max);
	if (f->flags & BIND_REQUIRED)
		strbuf_adds(out, ", required");
}

/* Which kind of step has it as its body. */
static const char *body_of(const char *path)
{
	for (int k = STEP_NONE + 1; k < STEP_N_KINDS; k++)
		if (str_eq(step_kinds[k].body, path))
			return step_kinds[k].name;
	return NULL;
}

static void list_fields(const struct bind_table *t, int depth, struct strbuf *out)
{
	for (size_t i = 0; i < t->n_fields; i++) {
		const struct bind_field *f = &t->fields[i];
		const char *of = t == &step_table ? body_of(f->path) : NULL;

		if (str_eq(f->path, "true")) /* what YAML makes of a bare on */
			continue;
		strbuf_addf(out, "%*s%-*s ", 2 + 2 * depth, "", 24 - 2 * depth, f->path);
		describe(f, out);
		strbuf_addf(out, "%s%s%s%s\n", f->table == &step_table ? ", of steps" : "",
			    of ? "; what a step of kind " : "", of ? of : "", of ? " does" : "");
		if (f->table && f->table != &step_table)
			list_fields(f->table, depth + 1, out);
	}
}

void runbook_schema(struct strbuf *out)
{
	strbuf_addf(out, "A runbook is YAML or JSON, apiVersion %s, kind %s. Its fields:\n\n",
		    RUNBOOK_API_VERSION, RUNBOOK_KIND);
	list_fields(&runbook_table, 0, out);
	strbuf_adds(out, "\nA step (of steps, finally, do, and of a rollback's steps):\n\n");
	list_fields(&step_table, 0, out);
	strbuf_adds(out, "\nKinds of steps:\n\n");
	for (int k = STEP_NONE + 1; k < STEP_N_KINDS; k++)
		strbuf_addf(out, "  %-24s %s%s\n", step_kinds[k].name, step_kinds[k].what,
			    step_kinds[k].flags & STEP_MUST_MUTATE ? "; mutates: true"
			    : step_kinds[k].flags & (STEP_MAY_MUTATE | STEP_NESTS)
				    ? ""
				    : "; mutates: false");
	strbuf_adds(out,
		    "\nTo begin with one that is shipped, and to see what its steps answer:\n"
		    "  sidestep runbook show RB-4 -o yaml > mine.yaml   # change metadata.name\n"
		    "  sidestep runbook lint mine.yaml\n"
		    "  sidestep runbook tables                          # sources, operations, "
		    "programs\n"
		    "  sidestep runbook run ./mine.yaml                 # only reads\n"
		    "  sidestep runbook record RUN                      # every field that was "
		    "answered\n");
}
