/* SPDX-License-Identifier: Apache-2.0 */
#include "runbooks/transcript.h"

#include "lib/base/str.h"

void transcript_steps(const struct walk *w, struct strbuf *out)
{
	for (size_t i = 0; i < w->n_met; i++) {
		const struct walk_step *m = &w->met[i];

		strbuf_addf(out, "  %-18s %-12s %s\n", m->step->id, step_status_names[m->status],
			    m->title);
		if (m->why)
			strbuf_addf(out, "  %-18s %-12s %s\n", "", "", m->why);
		if (m->branch)
			strbuf_addf(out, "  %-18s %-12s then %s\n", "", "", m->branch);
	}
}

void transcript_end(const struct walk *w, struct strbuf *out)
{
	const struct outcome *o = w->outcome;

	if (o)
		strbuf_addf(out, "  concludes %s%s%s: %s\n", o->id,
			    o->confidence ? ", confidence " : "", str_or_empty(o->confidence),
			    str_or_empty(w->cause));
	else
		strbuf_adds(out,
			    w->exit == 7 ? "  waits for an approval\n" : "  concludes nothing\n");
	if (w->why && w->exit == 3)
		strbuf_addf(out, "  ends at %s\n", w->why);
	else if (w->inconclusive && w->why)
		strbuf_addf(out, "  in doubt: %s\n", w->why);
	for (size_t i = 0; o && i < o->next.n; i++)
		strbuf_addf(out, "  go on with %s\n", o->next.items[i]);
	strbuf_addf(out, "  exit %d\n", w->exit);
}

void transcript_case(const struct fixture *f, const struct walk *w, struct strbuf *out)
{
	strbuf_addf(out, "case %s: %s %s", f->name, f->runbook, runbook_mode_names[f->mode]);
	doc_foreach_entry (f->params, e) {
		strbuf_addf(out, " %s=", e->key);
		doc_write_json(e->value, DOC_COMPACT, out);
	}
	strbuf_addc(out, '\n');
	transcript_steps(w, out);
	transcript_end(w, out);
	strbuf_addc(out, '\n');
}
