/* SPDX-License-Identifier: Apache-2.0 */
/* lib/report/page_block.h - what a page is made of. Used inside lib/report only. */
#pragma once

#include "lib/report/page.h"

enum page_kind {
	PAGE_HEADING,
	PAGE_TEXT,
	PAGE_NOTE,
	PAGE_CODE,
	PAGE_FIGURE,
	PAGE_TABLE,
	PAGE_BAR,
	PAGE_BAND,
};

struct page_line {
	enum page_mood mood;
	const char **cells;
	struct page_line *next;
};

struct page_block {
	enum page_kind kind;
	enum page_mood mood;
	const char *text;  /* heading, paragraph, code, figure's or bar's value, band's note */
	const char *label; /* figure, bar, band */
	double from, to;   /* bar: 0..value; band: seconds */
	const char *const *columns;
	size_t n_columns;
	struct page_line *first, *last;
	struct page_block *next;
};

/* "> size" is a right-aligned column named "size". */
static inline bool column_right(const char *column)
{
	return column[0] == '>';
}
static inline const char *column_name(const char *column)
{
	return column[0] == '>' ? column + 1 : column;
}
/* "ok", "bad" ...: the CSS class; "" for plain. */
const char *page_mood_name(enum page_mood mood);
/* The block behind the run of blocks of b's kind, and the largest `to` in the run. */
const struct page_block *page_run_end(const struct page_block *b, double *ret_max);
