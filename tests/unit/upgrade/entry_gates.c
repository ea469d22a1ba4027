/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/upgrade/entry_gates.h"

#include "lib/base/str.h"
#include "tests/support/test.h"

static bool passed_before(const struct journal *j, size_t end, const char *step, const char *when,
			  const char *gate)
{
	for (size_t i = 0; i < end; i++) {
		const struct doc *b = journal_at(j, i)->body;

		if (str_eq(journal_at(j, i)->type, "gate") &&
		    str_eq(doc_find_str(b, "step"), step) &&
		    str_eq(doc_find_str(b, "when"), when) &&
		    str_eq(doc_find_str(b, "gate"), gate) &&
		    str_eq(doc_find_str(b, "result"), "pass"))
			return true;
	}
	return false;
}

static void expect_passed(const struct journal *j, size_t end, const char *step, const char *when,
			  const struct gate *const *gates)
{
	for (; gates && *gates; gates++)
		if (!passed_before(j, end, step, when, (*gates)->id))
			fail_msg("%s: record %zu without %s %s", step, end, (*gates)->id, when);
}

static bool skipped_before(const struct journal *j, size_t end, const char *step)
{
	for (size_t i = 0; i < end; i++)
		if (str_eq(journal_at(j, i)->type, "skipped") &&
		    str_eq(doc_find_str(journal_at(j, i)->body, "step"), step))
			return true;
	return false;
}

static const struct step *step_of(const struct session *s, const char *id, size_t *ret_at)
{
	for (*ret_at = 0; *ret_at < s->n_steps; ++*ret_at)
		if (str_eq(s->steps[*ret_at].id, id))
			return &s->steps[*ret_at];
	return NULL;
}

void expect_entry_gates(const struct session *s)
{
	const struct journal *j = s->journal;

	for (size_t i = 0; i < journal_count(j); i++) {
		const struct journal_record *r = journal_at(j, i);
		const char *id = doc_find_str(r->body, "step");
		bool undo = doc_bool_or(doc_get(r->body, "undo"), false);
		const struct step *step;
		size_t at;

		step = id ? step_of(s, id, &at) : NULL;
		if (!step)
			continue;
		if (str_eq(r->type, "intent"))
			expect_passed(j, i, id, undo ? "undo-before" : "before",
				      undo ? step->kind->undo_before : step->kind->before);
		if (str_eq(r->type, "end"))
			expect_passed(j, i, id, "after", step->kind->after);
		if (str_eq(r->type, "undo-end"))
			expect_passed(j, i, id, "undo", step->kind->undo_after);
		for (size_t k = 0; str_eq(r->type, "begin") && k < at; k++)
			if (!skipped_before(j, i, s->steps[k].id))
				expect_passed(j, i, s->steps[k].id, "after",
					      s->steps[k].kind->after);
	}
}
