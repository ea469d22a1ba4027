/* SPDX-License-Identifier: Apache-2.0 */
#include "runbooks/show.h"

#include <inttypes.h>

#include "lib/base/str.h"
#include "runbooks/transcript.h"

/* An author's text: none of it is a line of ours. */
static void add_text(const char *text, struct strbuf *out)
{
	auto_release(arena) struct arena a = ARENA_INIT;

	strbuf_adds(out, shown(&a, text));
}

static void add_texts(const struct strings *s, const char *between, struct strbuf *out)
{
	for (size_t i = 0; i < s->n; i++) {
		strbuf_adds(out, i ? between : "");
		add_text(s->items[i], out);
	}
}

static void show_text(const char *label, const char *text, struct strbuf *out)
{
	strbuf_addf(out, "%-10s", label);
	add_text(text, out);
	strbuf_addc(out, '\n');
}

static void show_list(const char *label, const struct strings *s, struct strbuf *out)
{
	if (!s->n)
		return;
	strbuf_addf(out, "%-10s", label);
	add_texts(s, ", ", out);
	strbuf_addc(out, '\n');
}

static void show_head(const struct runbook *rb, struct strbuf *out)
{
	add_text(rb->id, out);
	strbuf_adds(out, rb->id ? " " : "");
	add_text(rb->name, out);
	strbuf_addf(out, ", version %" PRId64 "\n", rb->version);
	add_text(rb->summary, out);
	strbuf_adds(out, "\n\n");
	show_text("Severity", rb->severity ? rb->severity : "not said", out);
	show_list("Owners", &rb->owners, out);
	show_text("Reviewed", rb->reviewed ? rb->reviewed : "never", out);
	show_list("Modes", &rb->allowed_modes, out);
	strbuf_addf(out, "%-10s%s\n", "Default",
		    rb->default_mode ? runbook_mode_names[rb->default_mode] : "none");
	show_text("Lock", rb->lock ? rb->lock : "none", out);
	for (size_t i = 0; i < rb->applies_to.n; i++) {
		strbuf_addf(out, "%-10s", i ? "" : "For");
		add_text(rb->applies_to.items[i].key, out);
		strbuf_addc(out, ' ');
		add_text(rb->applies_to.items[i].value, out);
		strbuf_addc(out, '\n');
	}
}

static void show_params(const struct runbook *rb, struct strbuf *out)
{
	auto_release(arena) struct arena a = ARENA_INIT;

	if (rb->n_params)
		strbuf_adds(out, "\nParameters\n");
	for (size_t i = 0; i < rb->n_params; i++) {
		const struct param *p = &rb->params[i];
		const char *found = doc_str(doc_get(p->fallback, "discover"));

		strbuf_addf(out, "  %-14s %-9s ", shown(&a, p->name), param_type_names[p->type]);
		if (p->required)
			strbuf_adds(out, "required");
		else if (p->secret)
			strbuf_addf(out, "secret, from %s", shown(&a, p->from));
		else if (found)
			strbuf_addf(out, "discovered: %s", shown(&a, found));
		else if (p->fallback)
			doc_write_json(p->fallback, DOC_COMPACT, out);
		strbuf_addf(out, "%s%s\n", p->prompt ? "  " : "", shown(&a, p->prompt));
	}
}

/* A line of a step's own: "      verify    drops.count == 0 ..." */
#define LINE(label, fmt, ...)                                                                      \
	strbuf_addf(out, "%*s%-9s " fmt "\n", indent + 4, "", (label), __VA_ARGS__)

static void show_change(struct arena *a, const struct runbook_step *s, int indent,
			struct strbuf *out)
{
	const struct verify *v = s->verify;
	const struct rollback *back = s->rollback;

	if (s->op && doc_len(s->op)) {
		strbuf_addf(out, "%*s%-9s %s ", indent + 4, "", "does",
			    shown(a, s->op->map.entries[0].key));
		doc_write_json(s->op->map.entries[0].value, DOC_COMPACT, out);
		strbuf_addc(out, '\n');
	}
	for (size_t i = 0; i < s->n_precheck; i++)
		LINE("unless", "%s", shown(a, s->precheck[i].expr));
	if (v)
		LINE("verify", "%s (every %s, %" PRId64 " in a row, within %s)", shown(a, v->expr),
		     shown(a, v->poll), v->stable.value, shown(a, v->within));
	if (back && back->inverse == INVERSE_AUTO)
		LINE("rollback", "%s", "puts back what was there before");
	else if (back && back->inverse == INVERSE_NONE)
		LINE("rollback", "none: %s", shown(a, back->reason));
	else if (back)
		LINE("rollback", "%zu steps", back->n_steps);
}

static void show_asked(struct arena *a, const struct runbook_step *s, int indent,
		       struct strbuf *out)
{
	if (s->query || s->flows)
		LINE("asks", "%s", s->query ? shown(a, s->query->source) : "flows");
	if (s->check)
		LINE("check", "%s", shown(a, s->check));
	if (s->command) {
		strbuf_addf(out, "%*s%-9s", indent + 4, "", "runs");
		for (size_t i = 0; i < s->command->argv.n; i++)
			strbuf_addf(out, " %s", shown(a, s->command->argv.items[i]));
		strbuf_addc(out, '\n');
	}
	if (s->k8s)
		LINE("reads", "%s", shown(a, s->k8s->get ? s->k8s->get : s->k8s->list));
	if (s->items)
		LINE("for each", "%s", shown(a, s->items));
	if (s->note)
		LINE("says", "%s", shown(a, s->note));
	if (s->approvers) {
		strbuf_addf(out, "%*s%-9s %" PRId64 " of ", indent + 4, "", "needs",
			    s->approvers->min.value);
		add_texts(&s->approvers->groups, ", ", out);
		strbuf_addf(out, ", not the requester, within %s\n",
			    shown(a, s->approvers->expires));
	}
}

static void show_steps(const struct runbook_step *steps, size_t n, int indent, struct strbuf *out)
{
	auto_release(arena) struct arena a = ARENA_INIT;

	for (size_t i = 0; i < n; i++) {
		const struct runbook_step *s = &steps[i];

		strbuf_addf(out, "%*s%-16s %-8s %s", indent, "", shown(&a, s->id),
			    step_kinds[s->kind].name, shown(&a, s->title));
		if (s->mutates.value)
			strbuf_addf(out, "  [changes something, risk %s]",
				    s->risk ? risk_names[s->risk] : "not said");
		strbuf_addc(out, '\n');
		if (s->when)
			LINE("when", "%s", shown(&a, s->when));
		show_asked(&a, s, indent, out);
		show_change(&a, s, indent, out);
		for (size_t k = 0; k < s->n_next; k++) {
			if (s->next[k].when)
				LINE("then", "%s  if %s", shown(&a, s->next[k].to),
				     shown(&a, s->next[k].when));
			else
				LINE("then", "%s", shown(&a, s->next[k].to));
		}
		show_steps(s->steps, s->n_steps, indent + 4, out);
	}
}

void runbook_show(const struct runbook *rb, struct strbuf *out)
{
	auto_release(arena) struct arena a = ARENA_INIT;

	show_head(rb, out);
	show_params(rb, out);
	strbuf_adds(out, "\nSteps\n");
	show_steps(rb->steps, rb->n_steps, 2, out);
	if (rb->n_finally)
		strbuf_adds(out, "\nFinally, also when aborted\n");
	show_steps(rb->finally, rb->n_finally, 2, out);
	strbuf_adds(out, "\nOutcomes\n");
	for (size_t i = 0; i < rb->n_outcomes; i++) {
		const struct outcome *o = &rb->outcomes[i];

		strbuf_addf(out, "  %-24s %s\n", shown(&a, o->id), shown(&a, o->cause));
		strbuf_addf(out, "  %-24s if %s\n", "",
			    o->when ? shown(&a, o->when) : "nothing else holds");
	}
}

struct doc *runbook_row(struct arena *a, const struct runbook *rb, const char *from)
{
	struct doc *d = doc_map(a), *modes;

	doc_set_string(a, d, "id", rb->id);
	doc_set_string(a, d, "name", rb->name);
	doc_set_int(a, d, "version", rb->version);
	doc_set_string(a, d, "severity", rb->severity);
	doc_set_string(a, d, "summary", rb->summary);
	modes = doc_set_list(a, d, "modes");
	for (size_t i = 0; i < rb->allowed_modes.n; i++)
		doc_append(a, modes, doc_string(a, rb->allowed_modes.items[i]));
	doc_set_bool(a, d, "mutates", runbook_mutates(rb));
	doc_set_int(a, d, "steps", (int64_t)rb->n_steps);
	doc_set_int(a, d, "outcomes", (int64_t)rb->n_outcomes);
	doc_set_string(a, d, "from", from);
	return d;
}
