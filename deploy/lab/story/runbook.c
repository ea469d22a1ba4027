/* SPDX-License-Identifier: Apache-2.0 */
/* A runbook asked, as somebody on call would: what has a bad release left behind? It only reads. */
#include "deploy/lab/story/steps.h"
#include "lib/base/str.h"

/* The runbook asks for at least so much of the past. */
#define LEAST_SINCE_S 60

static bool is_well(const struct story *s, const char *outcome)
{
	for (size_t i = 0; i < s->subject.well.n; i++)
		if (str_eq(s->subject.well.items[i], outcome))
			return true;
	return false;
}

/* Of each step that could not tell: which, and why. */
static struct doc *doubts(struct arena *a, const struct doc *account)
{
	struct doc *list = doc_list(a);

	doc_foreach_item (doc_get(account, "steps"), step)
		if (str_eq(doc_find_str(step, "status"), "inconclusive"))
			doc_append(a, list,
				   doc_stringf(a, "%s: %s",
					       str_or_empty(doc_find_str(step, "step")),
					       str_or_empty(doc_find_str(step, "why"))));
	return list;
}

static void note(struct story *s, const char *after, const struct tool_run *t)
{
	struct arena *a = &s->arena;
	struct doc *d;

	if (!s->runbooks)
		s->runbooks = doc_list(a);
	d = doc_append(a, s->runbooks, doc_map(a));
	doc_set_string(a, d, "id", doc_find_str(t->doc, "id"));
	doc_set_string(a, d, "after", after);
	doc_set_string(a, d, "mode", doc_find_str(t->doc, "mode"));
	doc_set_string(a, d, "outcome", doc_find_str(t->doc, "outcome"));
	doc_set_string(a, d, "cause", doc_find_str(t->doc, "cause"));
	doc_set_int(a, d, "exit", t->code);
	doc_set_string(a, d, "why", doc_find_str(t->doc, "why"));
	doc_set(a, d, "doubts", doubts(a, t->doc));
}

static const char *wrong_of(struct story *s, const struct tool_run *t, const char *said)
{
	const char *outcome = doc_find_str(t->doc, "outcome");

	if (!outcome || (t->code != CLI_OK && t->code != CLI_INCONCLUSIVE))
		return arena_printf(&s->arena, "%s came to no conclusion: %s", s->subject.runbook,
				    said);
	if (doc_find_int(t->doc, "exit", -1) != t->code)
		return arena_printf(&s->arena, "%s ended with %d, and says otherwise",
				    s->subject.runbook, t->code);
	if (!is_well(s, outcome))
		return arena_printf(&s->arena, "%s found %s: %s", s->subject.runbook, outcome,
				    str_or_empty(doc_find_str(t->doc, "cause")));
	return NULL;
}

int story_ask_runbook(struct story *s, const char *after, double since, const char **ret_wrong,
		      struct error *err)
{
	struct arena *a = &s->arena;
	const char *title = arena_printf(a, "runbook-after-%s", after), *words = NULL;
	const double seconds = MAX(story_now(s) - since + 1, (double)LEAST_SINCE_S);
	const char *args[] = {"run",
			      s->subject.runbook,
			      "--mode",
			      "diagnose",
			      "--param",
			      arena_printf(a, "since=%.0fs", seconds),
			      "--kubeconfig",
			      s->lab.kubeconfig_here,
			      "--state",
			      s->state,
			      "--evidence",
			      arena_printf(a, "%s/%s", s->evidence, title),
			      "--output",
			      "json",
			      NULL};
	enum step_outcome outcome = STORY_OK;
	struct tool_run t;
	int r = step_ask(s, title, "runbook", args, &t, &outcome, &words, err);

	if (!r && outcome != STORY_NOT_BUILT) {
		note(s, after, &t);
		words = wrong_of(s, &t, words);
	}
	*ret_wrong = *ret_wrong || r ? *ret_wrong : words;
	tool_run_release(&t);
	return r;
}
