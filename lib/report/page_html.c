/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "lib/base/str.h"
#include "lib/report/markup.h"
#include "lib/report/page_block.h"

/* Bytes from which on a cell may be broken anywhere on paper: paths, not numbers. */
#define LONG_CELL 16

/* Works in light and dark, on paper and on a phone; no font, image or script from elsewhere. */
static const char style[] =
	":root{color-scheme:light dark;--ink:#1c2733;--dim:#5b6b7b;--line:#d8dfe6;--paper:#fff;"
	"--band:#f4f7fa;--good:#14804a;--bad:#c0262d;--doubt:#a66a00;--fill:#4a7fb5}"
	"@media screen and (prefers-color-scheme:dark){:root{--ink:#e6ebf0;--dim:#9aa9b8;"
	"--line:#33404d;--paper:#12181f;--band:#1b242e;--good:#4cc38a;--bad:#ff7b80;"
	"--doubt:#e8b34b}}"
	"body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);"
	"max-width:68rem;margin:2rem auto;padding:0 1rem;overflow-wrap:break-word}"
	"h1{font-size:1.7rem;line-height:1.25;margin:0}h2{font-size:1.2rem;margin:2.2rem 0 .6rem;"
	"border-bottom:1px solid var(--line);padding-bottom:.2rem}"
	".sub{color:var(--dim);margin:.2rem 0 1rem}"
	".verdict{font-size:1.15rem;font-weight:600;padding:.8rem 1rem;border-left:6px solid "
	"var(--line);background:var(--band);margin:1rem 0}"
	".note{padding:.6rem 1rem;border-left:4px solid var(--line);background:var(--band);"
	"margin:.6rem 0}"
	".verdict.good,.note.good{border-color:var(--good)}"
	".verdict.bad,.note.bad{border-color:var(--bad)}"
	".verdict.doubt,.note.doubt{border-color:var(--doubt)}"
	".figures{display:flex;flex-wrap:wrap;gap:.8rem;margin:1rem 0}"
	".figure{flex:1 1 9rem;background:var(--band);border-radius:.5rem;padding:.7rem 1rem}"
	".figure b{display:block;font-size:1.6rem;line-height:1.3;"
	"font-variant-numeric:tabular-nums}"
	".figure span{color:var(--dim)}"
	".good b,tr.good td.mood{color:var(--good)}.bad b,tr.bad td{color:var(--bad)}"
	".doubt b,tr.doubt td{color:var(--doubt)}tr.quiet td{color:var(--dim)}"
	".scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;margin:.6rem 0}"
	"th,td{text-align:left;padding:.3rem .7rem .3rem 0;border-bottom:1px solid var(--line);"
	"vertical-align:top}th{color:var(--dim);font-weight:600}"
	".right{text-align:right;font-variant-numeric:tabular-nums}"
	"pre{background:var(--band);padding:.8rem;overflow-x:auto;border-radius:.4rem}"
	".bar{display:grid;grid-template-columns:20rem 1fr 9rem;gap:0 .6rem;align-items:center;"
	"margin:.2rem 0}.track{background:var(--band);height:1rem;border-radius:.3rem;"
	"position:relative}.fill{position:absolute;top:0;bottom:0;background:currentColor;"
	"border-radius:.3rem;color:var(--fill)}.fill.good{color:var(--good)}"
	".fill.bad{color:var(--bad)}.fill.doubt{color:var(--doubt)}.fill.quiet{color:var(--dim)}"
	/* A phone: label and value share a line, the bar has its own. */
	"@media screen and (max-width:40rem){.bar{grid-template-columns:1fr auto;margin:.5rem 0}"
	".track{grid-row:2;grid-column:1/-1;height:.6rem}.figure{flex-basis:7rem}}"
	/* Paper has no scroll bar, and browsers leave backgrounds out unless asked. */
	"@page{size:A4;margin:14mm}"
	"@media print{:root{font-size:11px}body{font-size:10.5px;max-width:none;margin:0;padding:0;"
	"-webkit-print-color-adjust:exact;print-color-adjust:exact}"
	".scroll{overflow:visible}td,th{padding-right:.4rem}"
	".long{overflow-wrap:anywhere}.bar{grid-template-columns:19rem 1fr 7rem}"
	"h2{break-after:avoid}thead{display:table-header-group}"
	"tr,.bar,.figure,.note,.verdict{break-inside:avoid}}";

static void set_class(struct markup *m, const char *base, enum page_mood mood)
{
	const char *name = page_mood_name(mood);

	if (base[0] || name[0])
		markup_attrf(m, "class", "%s%s%s", base, base[0] && name[0] ? " " : "", name);
}

static void put_framed(struct markup *m, const char *element, const char *class,
		       enum page_mood mood, const char *text)
{
	markup_open(m, element);
	set_class(m, class, mood);
	markup_text(m, text);
	markup_close(m);
}

static void put_cells(struct markup *m, const struct page_block *b, const char *element,
		      const char *const *cells)
{
	for (size_t i = 0; i < b->n_columns; i++) {
		markup_open(m, element);
		if (column_right(b->columns[i]))
			markup_attr(m, "class", "right");
		else if (strlen(cells[i]) > LONG_CELL)
			markup_attr(m, "class", "long");
		markup_text(m, element[1] == 'h' ? column_name(cells[i]) : cells[i]);
		markup_close(m);
	}
}

static void put_table(struct markup *m, const struct page_block *b)
{
	markup_open(m, "div");
	markup_attr(m, "class", "scroll");
	markup_open(m, "table");
	markup_open(m, "thead");
	markup_open(m, "tr");
	put_cells(m, b, "th", b->columns);
	markup_close(m);
	markup_close(m);
	markup_open(m, "tbody");
	for (const struct page_line *l = b->first; l; l = l->next) {
		markup_open(m, "tr");
		set_class(m, "", l->mood);
		put_cells(m, b, "td", l->cells);
		markup_close(m);
	}
	markup_close(m);
	markup_close(m);
	markup_close(m);
}

static const struct page_block *put_figures(struct markup *m, const struct page_block *b)
{
	markup_open(m, "div");
	markup_attr(m, "class", "figures");
	for (; b && b->kind == PAGE_FIGURE; b = b->next) {
		markup_open(m, "div");
		set_class(m, "figure", b->mood);
		markup_element(m, "b", b->text);
		markup_element(m, "span", b->label);
		markup_close(m);
	}
	markup_close(m);
	return b;
}

static const struct page_block *put_bars(struct markup *m, const struct page_block *b)
{
	double max;
	const struct page_block *end = page_run_end(b, &max);

	for (; b != end; b = b->next) {
		double scale = max > 0 ? 100.0 / max : 0.0;

		markup_open(m, "div");
		markup_attr(m, "class", "bar");
		markup_element(m, "span", b->label);
		markup_open(m, "span");
		markup_attr(m, "class", "track");
		markup_open(m, "span");
		set_class(m, "fill", b->mood);
		markup_attrf(m, "style", "left:%.2f%%;width:%.2f%%", b->from * scale,
			     MAX((b->to - b->from) * scale, 0.3));
		markup_text(m, "");
		markup_close(m);
		markup_close(m);
		markup_open(m, "span");
		if (b->kind == PAGE_BAND)
			markup_textf(m, "%.1f s%s%s", b->to - b->from, *b->text ? " " : "",
				     b->text);
		else
			markup_text(m, b->text);
		markup_close(m);
		markup_close(m);
	}
	return end;
}

static const struct page_block *put_block(struct markup *m, const struct page_block *b)
{
	switch (b->kind) {
	case PAGE_HEADING:
		markup_element(m, "h2", b->text);
		break;
	case PAGE_TEXT:
		markup_element(m, "p", b->text);
		break;
	case PAGE_NOTE:
		put_framed(m, "div", "note", b->mood, b->text);
		break;
	case PAGE_CODE:
		markup_element(m, "pre", b->text);
		break;
	case PAGE_TABLE:
		put_table(m, b);
		break;
	case PAGE_FIGURE:
		return put_figures(m, b);
	case PAGE_BAR:
	case PAGE_BAND:
		return put_bars(m, b);
	}
	return b->next;
}

static void put_head(struct markup *m, const struct page *p)
{
	markup_open(m, "head");
	markup_open(m, "meta");
	markup_attr(m, "charset", "utf-8");
	markup_void(m);
	markup_open(m, "meta");
	markup_attr(m, "name", "viewport");
	markup_attr(m, "content", "width=device-width,initial-scale=1");
	markup_void(m);
	markup_element(m, "title", p->title);
	/* CSS has no character that needs escaping here, so it passes as text. */
	markup_element(m, "style", style);
	markup_close(m);
}

void page_render_html(const struct page *p, struct strbuf *out)
{
	struct markup m;

	strbuf_adds(out, "<!doctype html>");
	markup_init(&m, out);
	markup_open(&m, "html");
	markup_attr(&m, "lang", "en");
	put_head(&m, p);
	markup_open(&m, "body");
	markup_element(&m, "h1", p->title);
	if (p->subtitle)
		put_framed(&m, "div", "sub", PAGE_PLAIN, p->subtitle);
	if (p->verdict)
		put_framed(&m, "div", "verdict", p->mood, p->verdict);
	for (const struct page_block *b = p->first; b;)
		b = put_block(&m, b);
	markup_close(&m);
	markup_close(&m);
	strbuf_addc(out, '\n');
}
