/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An automaton to an expression: states are taken out one by one, and who led through them leads
 * past them with a longer word (Brzozowski and McCluskey). In which order decides how long it gets:
 * always the state whose going adds the least (Delgado and Morais).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/macros.h"
#include "lib/base/strbuf.h"
#include "lib/pattern/pattern_internal.h"

#define MAX_PRINTED_STATES 256u

/* How tightly a word holds together. */
enum hold { HOLD_ALTERNATIVES, HOLD_SEQUENCE, HOLD_ATOM };

struct word {
	const char *text; /* NULL: there is no way */
	enum hold hold;
};

struct printer {
	struct arena *a;
	size_t n, max;      /* states with the new beginning and end; bytes of the longest word */
	struct word *words; /* [from * n + to] */
	bool *gone;
	bool too_long;
};

static struct word *word_at(struct printer *x, size_t from, size_t to)
{
	return &x->words[from * x->n + to];
}

static const char *held(struct printer *x, const struct word *w, enum hold hold)
{
	return w->hold >= hold ? w->text : arena_printf(x->a, "(?:%s)", w->text);
}

static struct word checked(struct printer *x, struct word w)
{
	x->too_long |= strlen(w.text) > x->max;
	return x->too_long ? (struct word){"", HOLD_ATOM} : w;
}

static struct word either(struct printer *x, const struct word *v, const struct word *w)
{
	const struct word *none = v->text && !*v->text ? v : w, *some = none == v ? w : v;

	if (!v->text)
		return *w;
	if (!w->text || !strcmp(v->text, w->text))
		return *v;
	if (*none->text)
		return checked(x, (struct word){arena_printf(x->a, "%s|%s", v->text, w->text),
						HOLD_ALTERNATIVES});
	return checked(x, (struct word){arena_printf(x->a, "(?:%s)?", some->text), HOLD_SEQUENCE});
}

static struct word then(struct printer *x, const struct word *v, const struct word *w)
{
	if (!*v->text)
		return *w;
	if (!*w->text)
		return *v;
	return checked(x, (struct word){arena_printf(x->a, "%s%s", held(x, v, HOLD_SEQUENCE),
						     held(x, w, HOLD_SEQUENCE)),
					HOLD_SEQUENCE});
}

static struct word again(struct printer *x, const struct word *w)
{
	if (!w->text || !*w->text)
		return (struct word){"", HOLD_ATOM};
	return checked(
		x, (struct word){arena_printf(x->a, "%s*", held(x, w, HOLD_ATOM)), HOLD_SEQUENCE});
}

/* --- characters --- */

static void put_rune(struct strbuf *out, uint32_t rune, const char *special)
{
	char text[5] = "";

	if (rune < 0x20 || rune == 0x7f || rune >= 0x80) {
		strbuf_addf(out, "\\x{%X}", rune);
		return;
	}
	rune_write(text, rune);
	strbuf_addf(out, strchr(special, (int)rune) ? "\\%s" : "%s", text);
}

static void put_ranges(struct strbuf *out, const struct set *s)
{
	for (size_t i = 0; i < s->ranges.n; i++) {
		const uint32_t low = s->ranges.items[i].low;
		uint32_t high = s->ranges.items[i].high;

		if (high == SURROGATE_HIGH) /* which went with what is before them */
			high = SURROGATE_LOW - 1;
		put_rune(out, low, "\\]^-[");
		if (high > low + 1)
			strbuf_addc(out, '-');
		if (high > low)
			put_rune(out, high, "\\]^-[");
	}
}

/* Every code point that leads from one state to another. */
static struct word class_word(struct printer *x, const struct pattern *p, uint32_t from,
			      uint32_t to)
{
	auto_release(strbuf) struct strbuf plain = STRBUF_INIT, negated = STRBUF_INIT;
	struct word w = {NULL, HOLD_ATOM};
	struct set s = {0};

	for (uint32_t r = 0; r < p->n_ranges; r++)
		if (p->next[from * p->n_ranges + r] == to)
			set_add(&s, p->starts[r],
				r + 1 < p->n_ranges ? p->starts[r + 1] - 1 : RUNE_MAX);
	set_tidy(&s);
	if (!s.ranges.n)
		return w;
	if (s.ranges.n == 1 && s.ranges.items[0].low == s.ranges.items[0].high) {
		put_rune(&plain, s.ranges.items[0].low, "\\.+*?()|[]{}^$");
		w.text = arena_strdup(x->a, strbuf_cstr(&plain));
	} else if (s.ranges.n == 1 && s.ranges.items[0].low == RUNE_MIN &&
		   s.ranges.items[0].high == RUNE_MAX) {
		w.text = "(?s:.)";
	} else {
		put_ranges(&plain, &s);
		set_negate(&s);
		put_ranges(&negated, &s);
		w.text = negated.len < plain.len
				 ? arena_printf(x->a, "[^%s]", strbuf_cstr(&negated))
				 : arena_printf(x->a, "[%s]", strbuf_cstr(&plain));
	}
	set_release(&s);
	return w;
}

/* --- taking states out --- */

static size_t length_of(const struct word *w)
{
	return w->text ? strlen(w->text) + 1 : 0;
}

/* How much longer all words get. */
static size_t cost_of(struct printer *x, size_t state)
{
	size_t in = 0, out = 0, n_in = 0, n_out = 0;
	const size_t loop = length_of(word_at(x, state, state));

	for (size_t i = 0; i < x->n; i++) {
		const size_t to_it = i == state || x->gone[i] ? 0 : length_of(word_at(x, i, state));
		const size_t from_it =
			i == state || x->gone[i] ? 0 : length_of(word_at(x, state, i));

		in += to_it;
		n_in += to_it > 0;
		out += from_it;
		n_out += from_it > 0;
	}
	return in * n_out + out * n_in + loop * n_in * n_out;
}

static void take_out(struct printer *x, size_t state)
{
	const struct word loop = again(x, word_at(x, state, state));

	x->gone[state] = true;
	for (size_t i = 0; i < x->n; i++) {
		if (x->gone[i] || !word_at(x, i, state)->text)
			continue;
		for (size_t k = 0; k < x->n && !x->too_long; k++) {
			struct word way, *now = word_at(x, i, k);

			if (x->gone[k] || !word_at(x, state, k)->text)
				continue;
			way = then(x, word_at(x, i, state), &loop);
			way = then(x, &way, word_at(x, state, k));
			*now = either(x, now, &way);
		}
	}
}

static void take_all_out(struct printer *x, size_t n_states)
{
	for (size_t left = n_states; left > 0 && !x->too_long; left--) {
		size_t best = SIZE_MAX, least = SIZE_MAX;

		for (size_t s = 0; s < n_states; s++) {
			const size_t cost = x->gone[s] ? SIZE_MAX : cost_of(x, s);

			if (cost < least) {
				least = cost;
				best = s;
			}
		}
		if (best == SIZE_MAX)
			return;
		take_out(x, best);
	}
}

/* The words between states, with a beginning and an end of their own. */
static void fill(struct printer *x, const struct pattern *p)
{
	const size_t begin = p->n_states, end = begin + 1;

	*word_at(x, begin, 0) = (struct word){"", HOLD_ATOM};
	for (uint32_t from = 0; from < p->n_states; from++) {
		for (uint32_t to = 0; to < p->n_states; to++)
			*word_at(x, from, to) = class_word(x, p, from, to);
		if (p->accepts[from])
			*word_at(x, from, end) = (struct word){"", HOLD_ATOM};
	}
}

static int read_back(struct arena *a, const char *text, const struct pattern *p, struct error *err)
{
	struct pattern *again;
	int r = pattern_regex(a, text, &again, err);

	if (r)
		return r;
	return pattern_equal(again, p) ? 0 : error_set(err, -EIO, "%.80s is read otherwise", text);
}

int pattern_print(struct arena *a, const struct pattern *p, size_t max, const char **ret,
		  struct error *err)
{
	const size_t limit = MIN(max, (size_t)PATTERN_MAX_TEXT);
	struct arena words = ARENA_INIT;
	struct printer x = {.a = &words, .n = p->n_states + 2u, .max = limit};
	const char *text;
	int r;

	if (pattern_is_empty(p))
		return error_set(err, -ENOENT, "no expression matches nothing");
	if (p->n_states > MAX_PRINTED_STATES)
		return error_set(err, -E2BIG, "an expression for %u states would be too long",
				 p->n_states);
	x.words = xcalloc(x.n * x.n, sizeof(*x.words));
	x.gone = xcalloc(x.n, sizeof(bool));
	fill(&x, p);
	take_all_out(&x, p->n_states);
	text = word_at(&x, p->n_states, p->n_states + 1)->text;
	if (x.too_long || !text || strlen(text) > limit)
		r = error_set(err, -E2BIG, "its expression is longer than %zu bytes", limit);
	else
		r = read_back(&words, text, p, err);
	if (!r)
		*ret = arena_strdup(a, text);
	free(x.words);
	free(x.gone);
	arena_release(&words);
	return r;
}
