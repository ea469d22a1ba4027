/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/report/page.h"

#include <stdarg.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/report/page_block.h"

const char *count_text(struct arena *a, int64_t n)
{
	const char *plain = arena_printf(a, "%lld", (long long)n);
	size_t sign = n < 0, digits = strlen(plain) - sign;
	char *out, *to;

	if (digits < 5)
		return plain;
	out = to = arena_alloc(a, digits + digits / 3 + 2);
	for (size_t i = 0; plain[i]; i++) {
		if (i > sign && (digits - (i - sign)) % 3 == 0)
			*to++ = ',';
		*to++ = plain[i];
	}
	*to = '\0';
	return out;
}

void page_init(struct page *p, const char *title, const char *subtitle)
{
	*p = (struct page){0};
	arena_init(&p->arena);
	p->title = arena_strdup(&p->arena, title);
	p->subtitle = arena_strdup(&p->arena, subtitle);
}

void page_release(struct page *p)
{
	arena_release(&p->arena);
	*p = (struct page){0};
}

const char *page_mood_name(enum page_mood mood)
{
	static const char *const names[] = {
		[PAGE_PLAIN] = "",      [PAGE_GOOD] = "good",   [PAGE_BAD] = "bad",
		[PAGE_DOUBT] = "doubt", [PAGE_QUIET] = "quiet",
	};

	return names[mood];
}

const struct page_block *page_run_end(const struct page_block *b, double *ret_max)
{
	enum page_kind kind = b->kind;

	*ret_max = 0;
	for (; b && b->kind == kind; b = b->next)
		*ret_max = MAX(*ret_max, b->to);
	return b;
}

static struct page_block *add(struct page *p, enum page_kind kind, enum page_mood mood)
{
	struct page_block *b = arena_new(&p->arena, struct page_block);

	b->kind = kind;
	b->mood = mood;
	if (p->last)
		p->last->next = b;
	else
		p->first = b;
	p->last = b;
	return b;
}

/*
 * Names come from a cluster and pages go to terminals: what would move a cursor or change a colour
 * becomes '?', in two bytes (U+0080 to U+009F) as in one. Lines may end in text; a cell has one.
 */
static const char *tame(struct page *p, const char *text, bool lines)
{
	char *out = arena_strdup(&p->arena, text);

	for (unsigned char *c = (unsigned char *)out; *c; c++) {
		if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f)
			c[0] = c[1] = '?';
		else if (*c == '\n' || *c == '\t')
			*c = lines ? *c : ' ';
		else if (*c < ' ' || *c == 0x7f)
			*c = '?';
	}
	return out;
}

#define ADD_TEXT(kind, mood)                                                                       \
	do {                                                                                       \
		struct page_block *b = add(p, (kind), (mood));                                     \
		va_list ap;                                                                        \
                                                                                                   \
		va_start(ap, fmt);                                                                 \
		b->text = tame(p, arena_vprintf(&p->arena, fmt, ap), true);                        \
		va_end(ap);                                                                        \
	} while (0)

void page_verdict(struct page *p, enum page_mood mood, const char *fmt, ...)
{
	va_list ap;

	p->mood = mood;
	va_start(ap, fmt);
	p->verdict = tame(p, arena_vprintf(&p->arena, fmt, ap), true);
	va_end(ap);
}

void page_heading(struct page *p, const char *fmt, ...)
{
	ADD_TEXT(PAGE_HEADING, PAGE_PLAIN);
}

void page_text(struct page *p, const char *fmt, ...)
{
	ADD_TEXT(PAGE_TEXT, PAGE_PLAIN);
}

void page_note(struct page *p, enum page_mood mood, const char *fmt, ...)
{
	ADD_TEXT(PAGE_NOTE, mood);
}

void page_code(struct page *p, const char *text)
{
	add(p, PAGE_CODE, PAGE_PLAIN)->text = arena_strdup(&p->arena, text);
}

void page_figure(struct page *p, enum page_mood mood, const char *label, const char *fmt, ...)
{
	ADD_TEXT(PAGE_FIGURE, mood);
	p->last->label = tame(p, label, false);
}

void page_table(struct page *p, const char *const *columns)
{
	struct page_block *b = add(p, PAGE_TABLE, PAGE_PLAIN);
	const char **copy;

	while (columns[b->n_columns])
		b->n_columns++;
	copy = arena_array(&p->arena, b->n_columns + 1, const char *);
	for (size_t i = 0; i < b->n_columns; i++)
		copy[i] = arena_strdup(&p->arena, columns[i]);
	b->columns = copy;
}

void page_row(struct page *p, enum page_mood mood, ...)
{
	struct page_block *b = p->last;
	struct page_line *line = arena_new(&p->arena, struct page_line);
	const char *cell = "";
	va_list ap;

	line->mood = mood;
	line->cells = arena_array(&p->arena, b->n_columns + 1, const char *);
	va_start(ap, mood);
	for (size_t i = 0; i < b->n_columns; i++) {
		if (cell)
			cell = va_arg(ap, const char *);
		line->cells[i] = tame(p, str_or_empty(cell), false);
	}
	va_end(ap);
	if (b->last)
		b->last->next = line;
	else
		b->first = line;
	b->last = line;
}

void page_bar(struct page *p, enum page_mood mood, const char *label, double value,
	      const char *unit)
{
	struct page_block *b = add(p, PAGE_BAR, mood);

	b->label = tame(p, label, false);
	b->text = value < 1000 ? arena_printf(&p->arena, "%.4g %s", value, str_or_empty(unit))
			       : arena_printf(&p->arena, "%s %s",
					      count_text(&p->arena, (int64_t)(value + 0.5)),
					      str_or_empty(unit));
	b->to = value;
}

void page_band(struct page *p, enum page_mood mood, const char *label, double from, double to,
	       const char *note)
{
	struct page_block *b = add(p, PAGE_BAND, mood);

	b->label = tame(p, label, false);
	b->text = arena_strdup(&p->arena, str_or_empty(note));
	b->from = from;
	b->to = to;
}
