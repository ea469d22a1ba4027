/* SPDX-License-Identifier: Apache-2.0 */
#include "runbooks/transcript.h"

#include "lib/base/str.h"

/* How many bytes at p are one character that is not shown: C1 controls, directions, no width. */
static size_t unseen(const unsigned char *p)
{
	if (*p == 0xc2 && p[1] < 0xa0 && p[1])
		return 2;
	if (*p == 0xe2 && p[1] == 0x80 &&
	    ((p[2] >= 0x8b && p[2] <= 0x8f) || (p[2] >= 0xa8 && p[2] <= 0xae)))
		return 3;
	if (*p == 0xe2 && p[1] == 0x81 && p[2] >= 0xa0 && p[2] <= 0xaf)
		return 3;
	return *p == 0xef && p[1] == 0xbb && p[2] == 0xbf ? 3 : 0;
}

const char *shown(struct arena *a, const char *text)
{
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;

	for (const char *p = str_or_empty(text); *p;) {
		const size_t n = unseen((const unsigned char *)p);

		if (*p == '\n' && p[1])
			strbuf_addf(&out, "\n%34s", "");
		else if (n || ((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
			strbuf_adds(&out, *p == '\n' ? "" : "?");
		else
			strbuf_addc(&out, *p);
		p += n ? n : 1;
	}
	return arena_strdup(a, strbuf_cstr(&out));
}

void transcript_steps(const struct walk *w, struct strbuf *out)
{
	struct arena a = ARENA_INIT;

	for (size_t i = 0; i < w->n_met; i++) {
		const struct walk_step *m = &w->met[i];

		strbuf_addf(out, "  %-18s %-12s %s\n", m->step->id, step_status_names[m->status],
			    shown(&a, m->title));
		if (m->why)
			strbuf_addf(out, "  %-18s %-12s %s\n", "", "", shown(&a, m->why));
		if (m->branch)
			strbuf_addf(out, "  %-18s %-12s then %s\n", "", "", m->branch);
	}
	arena_release(&a);
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
