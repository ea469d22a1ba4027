/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of two texts: the shortest script of Myers (1986), printed in hunks. */
#include "lib/diff/lines.h"

#include <stdbool.h>
#include <string.h>

#include "lib/base/macros.h"
#include "lib/base/vec.h"

struct line {
	const char *s;
	size_t n;
};
typedef VEC(struct line) lines_t;
typedef VEC(char) marks_t;

struct script {
	lines_t a, b;
	marks_t marks; /* ' ', '-' and '+', in order */
};

static void split(const char *text, lines_t *out)
{
	while (*text) {
		struct line l = {text, strcspn(text, "\n")};

		vec_push(out, l);
		text += l.n + (text[l.n] == '\n');
	}
}

static bool same(const struct script *s, size_t i, size_t j)
{
	const struct line *x = &s->a.items[i], *y = &s->b.items[j];

	return x->n == y->n && memcmp(x->s, y->s, x->n) == 0;
}

static void mark(struct script *s, char c, size_t n)
{
	while (n--)
		vec_push(&s->marks, c);
}

/* The middle between what begins and ends the same: rows of furthest points, one per edit. */
struct middle {
	size_t from, a, b; /* first line, lines of either text */
	VEC(int *) rows;
};

static int step(const struct script *s, const struct middle *m, const int *v, int d, int k)
{
	int x = k == -d || (k != d && v[k - 1] < v[k + 1]) ? v[k + 1] : v[k - 1] + 1;

	while ((size_t)x < m->a && (size_t)(x - k) < m->b &&
	       same(s, m->from + (size_t)x, m->from + (size_t)(x - k)))
		x++;
	return x;
}

/* Fills the rows until the end is reached; the number of edits, or -1 when they are too many. */
static int search(const struct script *s, struct middle *m)
{
	const int limit = (int)MIN(m->a + m->b, (size_t)LINES_MAX_EDITS);
	const int delta = (int)m->a - (int)m->b;
	int *v = xcalloc((size_t)limit * 2 + 3, sizeof(*v)), *mid = v + limit + 1;

	for (int d = 0; d <= limit; d++) {
		int *row = xcalloc((size_t)d * 2 + 3, sizeof(*row));

		memcpy(row, mid - d - 1, ((size_t)d * 2 + 3) * sizeof(*row));
		vec_push(&m->rows, row);
		for (int k = -d; k <= d; k += 2)
			mid[k] = step(s, m, mid, d, k);
		if (abs(delta) <= d && (d + delta) % 2 == 0 && (size_t)mid[delta] >= m->a) {
			free(v);
			return d;
		}
	}
	free(v);
	return -1;
}

/* From the end back to the start along the rows; marks come out backwards. */
static void trace(const struct middle *m, int edits, marks_t *out)
{
	int x = (int)m->a, y = (int)m->b;

	for (int d = edits; d >= 0; d--) {
		const int *v = m->rows.items[d] + d + 1;
		const int k = x - y;
		const bool down = k == -d || (k != d && v[k - 1] < v[k + 1]);
		const int from_x = d == 0 ? 0 : down ? v[k + 1] : v[k - 1];
		const int from_y = d == 0 ? 0 : from_x - (down ? k + 1 : k - 1);

		while (x > from_x && y > from_y) {
			vec_push(out, ' ');
			x--;
			y--;
		}
		if (d > 0)
			vec_push(out, down ? '+' : '-');
		x = from_x;
		y = from_y;
	}
}

static void compare_middle(struct script *s, struct middle *m)
{
	const int edits = search(s, m);
	marks_t back = VEC_INIT;

	if (edits < 0) {
		mark(s, '-', m->a);
		mark(s, '+', m->b);
	} else {
		trace(m, edits, &back);
		for (size_t i = back.n; i--;)
			vec_push(&s->marks, back.items[i]);
	}
	vec_foreach (&m->rows, row)
		free(*row);
	vec_release(&m->rows);
	vec_release(&back);
}

static void compare(struct script *s)
{
	struct middle m = {0};
	size_t end = 0;

	while (m.from < s->a.n && m.from < s->b.n && same(s, m.from, m.from))
		m.from++;
	while (end < s->a.n - m.from && end < s->b.n - m.from &&
	       same(s, s->a.n - 1 - end, s->b.n - 1 - end))
		end++;
	m.a = s->a.n - m.from - end;
	m.b = s->b.n - m.from - end;
	mark(s, ' ', m.from);
	compare_middle(s, &m);
	mark(s, ' ', end);
}

/* The range of one text in a hunk's head: GNU diff leaves out a count of one. */
static void range(char sign, size_t first, size_t n, struct strbuf *out)
{
	strbuf_addf(out, "%c%zu", sign, n ? first + 1 : first);
	if (n != 1)
		strbuf_addf(out, ",%zu", n);
}

static void print_hunk(const struct script *s, size_t from, size_t to, size_t a, size_t b,
		       struct strbuf *out)
{
	size_t na = 0, nb = 0;

	for (size_t i = from; i < to; i++) {
		na += s->marks.items[i] != '+';
		nb += s->marks.items[i] != '-';
	}
	strbuf_adds(out, "@@ ");
	range('-', a, na, out);
	strbuf_addc(out, ' ');
	range('+', b, nb, out);
	strbuf_adds(out, " @@\n");
	for (size_t i = from; i < to; i++) {
		const char c = s->marks.items[i];
		const struct line *l = c == '+' ? &s->b.items[b] : &s->a.items[a];

		strbuf_addc(out, c);
		strbuf_add(out, l->s, l->n);
		strbuf_addc(out, '\n');
		a += c != '+';
		b += c != '-';
	}
}

/* Behind the run of changes at i, joined with those that are no more than two contexts away. */
static size_t hunk_end(const struct script *s, size_t i, size_t context)
{
	size_t last = i;

	for (; i < s->marks.n && i - last <= 2 * context + 1; i++)
		if (s->marks.items[i] != ' ')
			last = i;
	return MIN(last + 1 + context, s->marks.n);
}

static void print_hunks(const struct script *s, size_t context, struct strbuf *out)
{
	size_t a = 0, b = 0, at = 0; /* lines before mark `at` */

	for (size_t i = 0; i < s->marks.n; i++) {
		size_t from, to;

		if (s->marks.items[i] == ' ')
			continue;
		from = i - MIN(context, i - at);
		/* Between hunks all is common, so both sides advance alike. */
		a += from - at;
		b += from - at;
		to = hunk_end(s, i, context);
		print_hunk(s, from, to, a, b, out);
		for (at = from; at < to; at++) {
			a += s->marks.items[at] != '+';
			b += s->marks.items[at] != '-';
		}
		i = to - 1;
	}
}

void lines_diff(const char *before, const char *after, size_t context, struct strbuf *out)
{
	struct script s = {VEC_INIT, VEC_INIT, VEC_INIT};

	split(before, &s.a);
	split(after, &s.b);
	compare(&s);
	print_hunks(&s, context, out);
	vec_release(&s.a);
	vec_release(&s.b);
	vec_release(&s.marks);
}
