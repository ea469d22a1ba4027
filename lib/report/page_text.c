/* SPDX-License-Identifier: Apache-2.0 */
/* A page for a terminal, and as Markdown. */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/report/page_block.h"

#define TEXT_WIDTH 100
#define BAR_WIDTH  40

static void put_line_of(struct strbuf *out, char c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		strbuf_addc(out, c);
}

static void put_wrapped(struct strbuf *out, const char *indent, const char *text)
{
	size_t at = 0;

	while (*text) {
		size_t n = strcspn(text, " \n");

		if (at && at + 1 + n > TEXT_WIDTH) {
			strbuf_addc(out, '\n');
			at = 0;
		}
		strbuf_adds(out, at ? " " : indent);
		at += (at ? 1 : strlen(indent)) + n;
		strbuf_add(out, text, n);
		text += n;
		while (*text == ' ' || *text == '\n')
			text++;
	}
	strbuf_addc(out, '\n');
}

static void put_cell(struct strbuf *out, const char *text, size_t width, bool right, bool last)
{
	size_t n = strlen(text), pad = width > n ? width - n : 0;

	if (right)
		put_line_of(out, ' ', pad);
	strbuf_adds(out, text);
	if (!right && !last)
		put_line_of(out, ' ', pad);
}

static void put_row(struct strbuf *out, const struct page_block *b, const char *const *cells,
		    const size_t *widths, bool heading)
{
	strbuf_adds(out, " ");
	for (size_t i = 0; i < b->n_columns; i++) {
		strbuf_adds(out, i ? "  " : " ");
		put_cell(out, heading ? column_name(cells[i]) : cells[i], widths[i],
			 column_right(b->columns[i]), i + 1 == b->n_columns);
	}
	strbuf_addc(out, '\n');
}

static void put_table(struct strbuf *out, const struct page_block *b)
{
	size_t *widths = xcalloc(b->n_columns + 1, sizeof(*widths));

	for (size_t i = 0; i < b->n_columns; i++)
		widths[i] = strlen(column_name(b->columns[i]));
	for (const struct page_line *l = b->first; l; l = l->next)
		for (size_t i = 0; i < b->n_columns; i++)
			widths[i] = MAX(widths[i], strlen(l->cells[i]));
	put_row(out, b, b->columns, widths, true);
	for (const struct page_line *l = b->first; l; l = l->next)
		put_row(out, b, l->cells, widths, false);
	free(widths);
}

static const struct page_block *put_bars(struct strbuf *out, const struct page_block *b)
{
	double max;
	const struct page_block *end = page_run_end(b, &max);
	size_t width = 0;

	for (const struct page_block *it = b; it != end; it = it->next)
		width = MAX(width, strlen(it->label));
	for (; b != end; b = b->next) {
		double scale = max > 0 ? BAR_WIDTH / max : 0.0;
		size_t from = (size_t)(b->from * scale), to = (size_t)(b->to * scale);

		strbuf_addf(out, "  %-*s ", (int)width, b->label);
		put_line_of(out, ' ', from);
		put_line_of(out, '#', MAX(to - from, (size_t)1));
		put_line_of(out, ' ', BAR_WIDTH - MIN((size_t)BAR_WIDTH, MAX(to, from + 1)));
		if (b->kind == PAGE_BAND)
			strbuf_addf(out, " %.1f s%s%s\n", b->to - b->from, *b->text ? " " : "",
				    b->text);
		else
			strbuf_addf(out, " %s\n", b->text);
	}
	return end;
}

static const struct page_block *put_block(struct strbuf *out, const struct page_block *b)
{
	switch (b->kind) {
	case PAGE_HEADING:
		strbuf_addf(out, "\n%s\n", b->text);
		put_line_of(out, '-', strlen(b->text));
		strbuf_addc(out, '\n');
		break;
	case PAGE_TEXT:
		put_wrapped(out, "", b->text);
		break;
	case PAGE_NOTE:
		put_wrapped(out, "! ", b->text);
		break;
	case PAGE_CODE:
		strbuf_addf(out, "%s\n", b->text);
		break;
	case PAGE_FIGURE:
		strbuf_addf(out, "  %-36s %s\n", b->label, b->text);
		break;
	case PAGE_TABLE:
		put_table(out, b);
		break;
	case PAGE_BAR:
	case PAGE_BAND:
		return put_bars(out, b);
	}
	return b->next;
}

void page_render_text(const struct page *p, struct strbuf *out)
{
	strbuf_addf(out, "%s\n", p->title);
	put_line_of(out, '=', strlen(p->title));
	strbuf_addc(out, '\n');
	if (p->subtitle)
		strbuf_addf(out, "%s\n", p->subtitle);
	if (p->verdict) {
		strbuf_addc(out, '\n');
		put_wrapped(out, "", p->verdict);
		if (p->first && p->first->kind == PAGE_TEXT)
			strbuf_addc(out, '\n');
	}
	for (const struct page_block *b = p->first; b;)
		b = put_block(out, b);
}

/* Characters that would end a cell or start markup. */
static void put_escaped(struct strbuf *out, const char *text)
{
	for (const char *c = text; *c; c++) {
		if (*c == '\n') {
			strbuf_addc(out, ' ');
			continue;
		}
		if (strchr("|*_`<>[]\\#", *c))
			strbuf_addc(out, '\\');
		strbuf_addc(out, *c);
	}
}

static void markdown_row(struct strbuf *out, const struct page_block *b, const char *const *cells,
			 bool heading)
{
	strbuf_addc(out, '|');
	for (size_t i = 0; i < b->n_columns; i++) {
		strbuf_addc(out, ' ');
		put_escaped(out, heading ? column_name(cells[i]) : cells[i]);
		strbuf_adds(out, " |");
	}
	strbuf_addc(out, '\n');
}

static void markdown_table(struct strbuf *out, const struct page_block *b)
{
	markdown_row(out, b, b->columns, true);
	strbuf_addc(out, '|');
	for (size_t i = 0; i < b->n_columns; i++)
		strbuf_adds(out, column_right(b->columns[i]) ? "---:|" : "---|");
	strbuf_addc(out, '\n');
	for (const struct page_line *l = b->first; l; l = l->next)
		markdown_row(out, b, l->cells, false);
	strbuf_addc(out, '\n');
}

static void markdown_block(struct strbuf *out, const struct page_block *b)
{
	switch (b->kind) {
	case PAGE_HEADING:
		strbuf_adds(out, "\n## ");
		put_escaped(out, b->text);
		break;
	case PAGE_TEXT:
		put_escaped(out, b->text);
		break;
	case PAGE_NOTE:
		strbuf_adds(out, "> ");
		put_escaped(out, b->text);
		break;
	case PAGE_CODE:
		strbuf_addf(out, "```\n%s\n```", b->text);
		break;
	case PAGE_FIGURE:
	case PAGE_BAR:
	case PAGE_BAND:
		strbuf_adds(out, "- ");
		put_escaped(out, b->label);
		strbuf_adds(out, ": **");
		if (b->kind == PAGE_BAND)
			strbuf_addf(out, "%.4g s", b->to - b->from);
		else
			put_escaped(out, b->text);
		strbuf_adds(out, "**\n");
		return;
	case PAGE_TABLE:
		markdown_table(out, b);
		return;
	}
	strbuf_adds(out, "\n\n");
}

void page_render_markdown(const struct page *p, struct strbuf *out)
{
	strbuf_adds(out, "# ");
	put_escaped(out, p->title);
	strbuf_adds(out, "\n\n");
	if (p->subtitle) {
		put_escaped(out, p->subtitle);
		strbuf_adds(out, "\n\n");
	}
	if (p->verdict) {
		strbuf_adds(out, "**");
		put_escaped(out, p->verdict);
		strbuf_adds(out, "**\n\n");
	}
	for (const struct page_block *b = p->first; b; b = b->next)
		markdown_block(out, b);
}
