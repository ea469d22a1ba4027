/* SPDX-License-Identifier: Apache-2.0 */
#include "runbooks/show.h"

#include <inttypes.h>

#include "lib/base/str.h"

static void show_list(const char *label, const struct strings *s, struct strbuf *out)
{
	if (!s->n)
		return;
	strbuf_addf(out, "%-10s", label);
	for (size_t i = 0; i < s->n; i++)
		strbuf_addf(out, "%s%s", i ? ", " : "", s->items[i]);
	strbuf_addc(out, '\n');
}

static void show_head(const struct runbook *rb, struct strbuf *out)
{
	strbuf_addf(out, "%s%s%s, version %" PRId64 "\n%s\n\n", str_or_empty(rb->id),
		    rb->id ? " " : "", rb->name, rb->version, str_or_empty(rb->summary));
	strbuf_addf(out, "%-10s%s\n", "Severity", rb->severity ? rb->severity : "not said");
	show_list("Owners", &rb->owners, out);
	strbuf_addf(out, "%-10s%s\n", "Reviewed", rb->reviewed ? rb->reviewed : "never");
	show_list("Modes", &rb->allowed_modes, out);
	strbuf_addf(out, "%-10s%s\n", "Default",
		    rb->default_mode ? runbook_mode_names[rb->default_mode] : "none");
	strbuf_addf(out, "%-10s%s\n", "Lock", rb->lock ? rb->lock : "none");
	for (size_t i = 0; i < rb->applies_to.n; i++)
		strbuf_addf(out, "%-10s%s %s\n", i ? "" : "For", rb->applies_to.items[i].key,
			    rb->applies_to.items[i].value);
}

static void show_params(const struct runbook *rb, struct strbuf *out)
{
	if (rb->n_params)
		strbuf_adds(out, "\nParameters\n");
	for (size_t i = 0; i < rb->n_params; i++) {
		const struct param *p = &rb->params[i];
		const char *found = doc_str(doc_get(p->fallback, "discover"));

		strbuf_addf(out, "  %-14s %-9s ", p->name, param_type_names[p->type]);
		if (p->required)
			strbuf_adds(out, "required");
		else if (p->secret)
			strbuf_addf(out, "secret, from %s", str_or_empty(p->from));
		else if (found)
			strbuf_addf(out, "discovered: %s", found);
		else if (p->fallback)
			doc_write_json(p->fallback, DOC_COMPACT, out);
		strbuf_addf(out, "%s%s\n", p->prompt ? "  " : "", str_or_empty(p->prompt));
	}
}

/* A line of a step's own: "      verify    drops.count == 0 ..." */
#define LINE(label, fmt, ...)                                                                      \
	strbuf_addf(out, "%*s%-9s " fmt "\n", indent + 4, "", (label), __VA_ARGS__)

static void show_change(const struct runbook_step *s, int indent, struct strbuf *out)
{
	const struct verify *v = s->verify;
	const struct rollback *back = s->rollback;

	if (s->op && doc_len(s->op)) {
		strbuf_addf(out, "%*s%-9s %s ", indent + 4, "", "does", s->op->map.entries[0].key);
		doc_write_json(s->op->map.entries[0].value, DOC_COMPACT, out);
		strbuf_addc(out, '\n');
	}
	for (size_t i = 0; i < s->n_precheck; i++)
		LINE("unless", "%s", s->precheck[i].expr);
	if (v)
		LINE("verify", "%s (every %s, %" PRId64 " in a row, within %s)", v->expr,
		     str_or_empty(v->poll), v->stable.value, str_or_empty(v->within));
	if (back && back->inverse == INVERSE_AUTO)
		LINE("rollback", "%s", "puts back what was there before");
	else if (back && back->inverse == INVERSE_NONE)
		LINE("rollback", "none: %s", str_or_empty(back->reason));
	else if (back)
		LINE("rollback", "%zu steps", back->n_steps);
}

static void show_asked(const struct runbook_step *s, int indent, struct strbuf *out)
{
	if (s->query || s->flows)
		LINE("asks", "%s", s->query ? str_or_empty(s->query->source) : "flows");
	if (s->check)
		LINE("check", "%s", s->check);
	if (s->command) {
		strbuf_addf(out, "%*s%-9s", indent + 4, "", "runs");
		for (size_t i = 0; i < s->command->argv.n; i++)
			strbuf_addf(out, " %s", s->command->argv.items[i]);
		strbuf_addc(out, '\n');
	}
	if (s->k8s)
		LINE("reads", "%s", s->k8s->get ? s->k8s->get : str_or_empty(s->k8s->list));
	if (s->items)
		LINE("for each", "%s", s->items);
	if (s->note)
		LINE("says", "%s", s->note);
	if (s->approvers) {
		strbuf_addf(out, "%*s%-9s %" PRId64 " of ", indent + 4, "", "needs",
			    s->approvers->min.value);
		for (size_t i = 0; i < s->approvers->groups.n; i++)
			strbuf_addf(out, "%s%s", i ? ", " : "", s->approvers->groups.items[i]);
		strbuf_addf(out, ", not the requester, within %s\n",
			    str_or_empty(s->approvers->expires));
	}
}

static void show_steps(const struct runbook_step *steps, size_t n, int indent, struct strbuf *out)
{
	for (size_t i = 0; i < n; i++) {
		const struct runbook_step *s = &steps[i];

		strbuf_addf(out, "%*s%-16s %-8s %s", indent, "", s->id, step_kinds[s->kind].name,
			    s->title);
		if (s->mutates.value)
			strbuf_addf(out, "  [changes something, risk %s]",
				    s->risk ? risk_names[s->risk] : "not said");
		strbuf_addc(out, '\n');
		if (s->when)
			LINE("when", "%s", s->when);
		show_asked(s, indent, out);
		show_change(s, indent, out);
		for (size_t k = 0; k < s->n_next; k++) {
			if (s->next[k].when)
				LINE("then", "%s  if %s", s->next[k].to, s->next[k].when);
			else
				LINE("then", "%s", s->next[k].to);
		}
		show_steps(s->steps, s->n_steps, indent + 4, out);
	}
}

void runbook_show(const struct runbook *rb, struct strbuf *out)
{
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

		strbuf_addf(out, "  %-24s %s\n", o->id, str_or_empty(o->cause));
		strbuf_addf(out, "  %-24s if %s\n", "", o->when ? o->when : "nothing else holds");
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
