/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/report/page.h - one page of prose, figures and tables, printed as HTML, text or Markdown.
 *
 * For reports that people read: a manager's HTML, the same facts in a terminal. The page is built
 * once; renderers do not decide what is said. HTML is self-contained (no link, no script) and
 * everything in it is escaped. Strings are copied into the page's arena.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/strbuf.h"

struct page_block;

/* How a word, figure or row is coloured; text renderers leave it out. */
enum page_mood { PAGE_PLAIN, PAGE_GOOD, PAGE_BAD, PAGE_DOUBT, PAGE_QUIET };

struct page {
	struct arena arena;
	const char *title, *subtitle;
	enum page_mood mood;
	const char *verdict; /* one sentence right under the title, or NULL */
	struct page_block *first, *last;
};

/* A count as people read it: 9999, 37,589. */
const char *count_text(struct arena *a, int64_t n);

void page_init(struct page *p, const char *title, const char *subtitle);
void page_release(struct page *p);
/* The sentence that a hurried reader takes away. */
void page_verdict(struct page *p, enum page_mood mood, const char *fmt, ...) PRINTF_LIKE(3, 4);
void page_heading(struct page *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
void page_text(struct page *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A paragraph in a coloured frame: what must not be overlooked. */
void page_note(struct page *p, enum page_mood mood, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Verbatim, fixed width. */
void page_code(struct page *p, const char *text);
/* A card: a big value over a small label. Neighbouring figures stand in one row. */
void page_figure(struct page *p, enum page_mood mood, const char *label, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
/* columns ends with NULL; a leading '>' in a column's name aligns it right. Then rows follow. */
void page_table(struct page *p, const char *const *columns);
/* As many cells as the table has columns, by position, ending with NULL (missing ones are empty).
 */
void page_row(struct page *p, enum page_mood mood, ...) __attribute__((sentinel));
/*
 * A row of a bar chart: label, value, unit; neighbouring bars share one scale. In text a line of
 * '#' characters.
 */
void page_bar(struct page *p, enum page_mood mood, const char *label, double value,
	      const char *unit);
/* A band on a time line from..to (seconds); neighbouring bands share one scale. */
void page_band(struct page *p, enum page_mood mood, const char *label, double from, double to,
	       const char *note);

void page_render_html(const struct page *p, struct strbuf *out);
void page_render_text(const struct page *p, struct strbuf *out);
void page_render_markdown(const struct page *p, struct strbuf *out);
