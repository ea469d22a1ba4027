/* SPDX-License-Identifier: Apache-2.0 */
#include "runbooks/transcript.h"

#include "lib/base/str.h"

/* Controls, and what turns the direction of text around, has no width or looks like nothing. */
static bool unseen(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{0x7f, 0x9f},     {0xad, 0xad},       {0x34f, 0x34f},     {0x61c, 0x61c},
		{0x115f, 0x1160}, {0x17b4, 0x17b5},   {0x180b, 0x180f},   {0x200b, 0x200f},
		{0x2028, 0x202e}, {0x2060, 0x206f},   {0x2800, 0x2800},   {0x3164, 0x3164},
		{0xd800, 0xf8ff}, {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},
		{0xfff0, 0xfffb}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0x10ffff}};

	if (c < ' ')
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	}
	return false;
}

bool unseen_at(const char *text, size_t *ret_bytes)
{
	const unsigned char *p = (const unsigned char *)text;
	const unsigned more = *p < 0x80 ? 0 : *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : 3;
	uint32_t c = more ? *p & (0x3fu >> more) : *p;

	for (unsigned i = 1; i <= more; i++) {
		if ((p[i] & 0xc0) != 0x80) {
			*ret_bytes = i; /* no character at all */
			return true;
		}
		c = c << 6 | (p[i] & 0x3fu);
	}
	*ret_bytes = more + 1;
	return unseen(c);
}

const char *shown(struct arena *a, const char *text)
{
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;

	for (const char *p = str_or_empty(text); *p;) {
		size_t n;
		const bool no = unseen_at(p, &n);

		if (*p == '\n' && p[1])
			strbuf_addf(&out, "\n%34s", "");
		else if (no && *p != '\t')
			strbuf_adds(&out, *p == '\n' ? "" : "?");
		else
			strbuf_addf(&out, "%.*s", (int)n, p);
		p += n;
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
