/* SPDX-License-Identifier: Apache-2.0 */
#include "runbooks/lint.h"

#include <string.h>

#include "lib/base/str.h"
#include "runbooks/lint_internal.h"

#define SOURCE "issue 4, runbooks; operations 6.2"

/* clang-format off */
#define ROW(id_, title_, category_, severity_, run_, remedy_, explain_)                            \
	{.id = (id_), .title = (title_), .category = (category_), .severity = (severity_),         \
	 .remedy = (remedy_), .source = SOURCE, .explain = (explain_),                             \
	 .flags = CHECK_NOT_WAIVABLE, .run = (run_)}
static const struct check rules[] = {
	ROW("RBL-001", "it is a runbook", "shape", SEVERITY_BLOCKER, rule_schema,
	    "Correct the field named; 'sidestep runbook help schema' lists each with its type (a time or size is text: 30s, 64KiB).",
	    "A field that the schema does not have is refused, not ignored: a misspelt verify would be none."),
	ROW("RBL-002", "name, owner, review", "shape", SEVERITY_ERROR, rule_metadata,
	    "Fill in the metadata.",
	    "Whoever is woken must know whom to ask, how bad it is, and how old the advice is."),
	ROW("RBL-003", "ids are well formed and unique", "shape", SEVERITY_ERROR, rule_ids,
	    "Rename one of them.",
	    "Ids name steps in journals, branches and approvals; two of a kind would be taken for each other."),
	ROW("RBL-004", "each step has the body of its kind", "shape", SEVERITY_ERROR, rule_bodies,
	    "Give the step the field of its kind, and no other's.",
	    "A body of another kind would be read past, though its author meant it to be done."),
	ROW("RBL-005", "every goto leads to a step", "ways", SEVERITY_ERROR, rule_targets,
	    "Name a step of the same list, or end.",
	    "A way that leads nowhere is found when it is needed."),
	ROW("RBL-006", "every step is reachable", "ways", SEVERITY_ERROR, rule_reachable,
	    "Lead a branch to it, or remove it.",
	    "What no way leads to is not done, though it stands there."),
	ROW("RBL-007", "every way ends", "ways", SEVERITY_ERROR, rule_cycles,
	    "Use a wait or a retry, which have limits, instead of going back.",
	    "The language has no loops, and the steps have none either: a run is over after at most every step once."),
	ROW("RBL-008", "every choice has a last branch", "ways", SEVERITY_ERROR, rule_branches,
	    "End next with a goto without when.",
	    "When nothing holds, or nothing is known, it must be written where that leads."),
	ROW("RBL-009", "expressions and templates parse", "expressions", SEVERITY_ERROR, rule_expressions,
	    "Correct it (sidestep-runbook help expressions).",
	    "Found here rather than in the middle of a run."),
	ROW("RBL-010", "what is named is known there", "expressions", SEVERITY_ERROR, rule_names,
	    "Register it in a step that runs before, or declare the parameter or variable.",
	    "What nothing provides is always unknown, and so would be every condition on it."),
	ROW("RBL-011", "sources, operations and checks exist", "expressions", SEVERITY_ERROR, rule_known,
	    "Use a name of sidestep-runbook tables.",
	    "The tables say all that a runbook can ask and do."),
	ROW("RBL-012", "outcomes conclude everything", "shape", SEVERITY_ERROR, rule_outcomes,
	    "Give every outcome a condition and a cause, and the last one default: true.",
	    "What could not be determined must have an outcome of its own."),
	ROW("RBL-013", "parameters are complete", "shape", SEVERITY_ERROR, rule_params,
	    "Make it required or give it a default.",
	    "A run that stops to ask for a value it could have had is late; a secret in a file is none."),
	ROW("RBL-014", "modes fit the steps", "shape", SEVERITY_ERROR, rule_modes,
	    "Allow what the steps do, and begin with diagnose or propose.",
	    "Typing a runbook's name must never change anything."),
	ROW("RBL-015", "what changes something says so", "mutations", SEVERITY_BLOCKER, rule_mutates,
	    "Write mutates and, where true, risk.",
	    "Diagnose runs exactly the steps that say mutates: false; risk decides who must agree."),
	ROW("RBL-016", "every mutation is verified", "mutations", SEVERITY_BLOCKER, rule_verify,
	    "Add verify over the results of two steps that read, polled, stable at least 2.",
	    "An operation's own success is no proof; the steps that verify names are asked anew at every poll."),
	ROW("RBL-017", "every mutation can be rolled back", "mutations", SEVERITY_BLOCKER, rule_rollback,
	    "Add rollback: inverse auto, steps, or none with a reason.",
	    "When verify fails, somebody has to know the way back at once."),
	ROW("RBL-018", "a mutation is done once", "mutations", SEVERITY_ERROR, rule_idempotent,
	    "Add a precheck that holds when it is done already, or an idempotency_key.",
	    "A run that was killed is resumed, and meets its own work."),
	ROW("RBL-019", "risk needs approval", "approvals", SEVERITY_BLOCKER, rule_approved,
	    "Put an approve step before it on every way: one for medium or no way back, two for high.",
	    "An approve step that a when can skip, or an on_error can pass, does not count."),
	ROW("RBL-020", "approvals name who and until when", "approvals", SEVERITY_BLOCKER, rule_approvers,
	    "Name groups, min and expires; the requester never counts.",
	    "The caller is who the API server says, or the uid on a node: no flag, no variable, no template."),
	ROW("RBL-021", "only allowed commands run", "commands", SEVERITY_BLOCKER, rule_argv,
	    "Use a command of sidestep-runbook tables, or a query.",
	    "There is no shell: an argv is compared word by word with the rows that may run."),
	ROW("RBL-022", "no value becomes an option", "commands", SEVERITY_BLOCKER, rule_dashes,
	    "Begin the argument with text, or take a parameter of type k8s-name.",
	    "A name that begins with a dash is an option to the program that gets it."),
	ROW("RBL-023", "everything has a time limit", "limits", SEVERITY_ERROR, rule_timeouts,
	    "Write the limit as a duration, not as a template.",
	    "A limit that a parameter sets is none."),
	ROW("RBL-024", "everything kept has a size limit", "limits", SEVERITY_ERROR, rule_sizes,
	    "Write the limit: rows, or bytes like 64KiB.",
	    "What a broken system says can be endless."),
	ROW("RBL-025", "evidence is named and redacted", "evidence", SEVERITY_ERROR, rule_evidence,
	    "Name a plain file, a result, and redact: default.",
	    "Evidence is handed to others; a name with a slash would leave its folder."),
	ROW("RBL-026", "secrets stay out of sight", "evidence", SEVERITY_BLOCKER, rule_secrets,
	    "Let the object name a Secret, and the cluster look it up.",
	    "Titles, arguments, filters, evidence and the journal of a change are seen by others."),
	ROW("RBL-027", "no programs on the node", "commands", SEVERITY_INFO, rule_unsafe,
	    "Prefer a query, if there is one.",
	    "A program's output is text that changes with its version."),
	ROW("RBL-028", "fixtures take every branch", "fixtures", SEVERITY_ERROR, rule_coverage,
	    "Record a case that takes it.",
	    "A branch that was never taken is a guess."),
	ROW("RBL-029", "fixtures lead where they say", "fixtures", SEVERITY_ERROR, rule_walks,
	    "Correct the runbook, or what the fixture expects of it.",
	    "The answers recorded are followed through the runbook: its path, outcome and exit must be those expected."),
	ROW("RBL-030", "objects are named by their kind, and are no Secrets", "mutations", SEVERITY_BLOCKER, rule_refs,
	    "Write version and kind out, of a kind in sidestep-runbook tables.",
	    "A ref that an answer fills in could be about anything; who approves must read what is changed."),
	ROW("RBL-031", "requests stay within the cluster", "commands", SEVERITY_BLOCKER, rule_urls,
	    "Ask a service of the cluster by its name.",
	    "An address outside, with results in its path, carries them away, in diagnose already."),
	ROW("RBL-032", "nothing is hidden in the text", "shape", SEVERITY_BLOCKER, rule_hidden,
	    "Remove the characters.",
	    "What is read before an approval must be what is done."),
	ROW("RBL-034", "what bounds a step says something", "limits", SEVERITY_ERROR, rule_values,
	    "Write a value that the table knows, or leave the field out and mean all.",
	    "A bound that is empty or cannot be read is no bound: the step would be about everything."),
};
/* clang-format on */

const struct check *lint_rules(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(rules);
	return rules;
}

static const char *name_of(struct arena *a, const struct doc *root)
{
	const char *name = doc_find_str(root, "metadata.name");

	return name ? name : root->file ? root->file : arena_strdup(a, "(no name)");
}

static void run_rule(struct lint *l, const struct check *rule)
{
	const size_t before = l->report->n;
	struct error err = ERROR_INIT;

	l->rule = rule;
	l->said = 0;
	if (!l->decoded && rule->run != rule_schema) {
		report_add(l->report, rule, FINDING_SKIP, l->name, "it is no runbook");
		return;
	}
	if (rule->run(rule, l, l->report, &err) < 0)
		report_add(l->report, rule, FINDING_UNKNOWN, l->name, "%s", err.msg);
	else if (l->report->n == before)
		report_add(l->report, rule, FINDING_PASS, l->name, "nothing to complain of");
}

const struct runbook *lint_runbook(struct report *r, const struct doc *root,
				   const struct fixture *fixtures, size_t n_fixtures)
{
	struct arena *a = &r->arena;
	struct error err = ERROR_INIT;
	struct lint l = {
		.arena = a,
		.report = r,
		.root = root,
		.name = name_of(a, root),
		.unknown = {.arena = a},
		.fixtures = fixtures,
		.n_fixtures = n_fixtures,
	};
	struct runbook *rb;

	l.decoded = runbook_decode(a, root, &l.rb, &l.unknown, &err) == 0;
	l.why_not = arena_strdup(a, err.msg);
	if (l.decoded)
		lint_lay_out(&l);
	r->checks = rules;
	r->n_checks = ARRAY_SIZE(rules);
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		run_rule(&l, &rules[i]);
	if (!l.decoded)
		return NULL;
	rb = arena_new(a, struct runbook);
	*rb = l.rb;
	return rb;
}
