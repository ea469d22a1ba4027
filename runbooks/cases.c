/* SPDX-License-Identifier: Apache-2.0 */
#include "runbooks/cases.h"

#include <string.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "runbooks/lint.h"
#include "runbooks/transcript.h"

#define SOURCE     "issue 4, runbooks; operations 6.2"
#define MAX_GOLDEN (4u << 20)

/* clang-format off */
static const struct check rows[] = {
	{.id = "RBT-001", .title = "the case leads where it says", .category = "cases", .severity = SEVERITY_ERROR,
	 .remedy = "Correct the runbook, or what the case expects of it.", .source = SOURCE, .flags = CHECK_NOT_WAIVABLE,
	 .explain = "The answers recorded are followed through the runbook: path, outcome and exit must be those expected."},
	{.id = "RBT-002", .title = "the cases take every branch and outcome", .category = "coverage", .severity = SEVERITY_ERROR,
	 .remedy = "Record a case that takes it.", .source = SOURCE, .flags = CHECK_NOT_WAIVABLE,
	 .explain = "A branch that was never taken is a guess."},
	{.id = "RBT-003", .title = "the transcript is the approved one", .category = "transcripts", .severity = SEVERITY_ERROR,
	 .remedy = "Read the difference; where it is meant, write it with --update.", .source = SOURCE, .flags = CHECK_NOT_WAIVABLE,
	 .explain = "A change of words, ways or conclusions is seen by whoever reviews it, also where no expectation breaks."},
};
/* clang-format on */

struct book {
	struct runbook rb;
	bool shipped;
	struct fixture *cases;
	size_t n;
};
struct books {
	struct arena *arena;
	VEC(struct book) all;
};

static bool is_case(const struct source *s)
{
	return s->root && str_eq(doc_find_str(s->root, "kind"), RUNBOOK_FIXTURE);
}

static int add_books(struct books *b, const struct sources *s, bool shipped, struct error *err)
{
	for (size_t i = 0; i < s->all.n; i++) {
		struct book *book;
		struct runbook rb;
		int rc;

		if (is_case(&s->all.items[i]))
			continue;
		rc = source_runbook(b->arena, &s->all.items[i], &rb, err);
		if (rc)
			return rc;
		book = vec_add(&b->all);
		book->rb = rb;
		book->shipped = shipped;
	}
	return 0;
}

static struct book *book_of(struct books *b, const char *name)
{
	for (size_t i = 0; i < b->all.n; i++) {
		if (str_eq(b->all.items[i].rb.name, name))
			return &b->all.items[i];
	}
	return NULL;
}

static int add_cases(struct books *b, const struct sources *s, struct error *err)
{
	for (size_t i = 0; i < s->all.n; i++) {
		struct book *book;
		struct fixture f;
		int rc;

		if (!is_case(&s->all.items[i]))
			continue;
		rc = source_fixture(b->arena, &s->all.items[i], &f, err);
		if (rc)
			return rc;
		book = book_of(b, f.runbook);
		if (!book)
			return error_set(err, -ENOENT,
					 "%s: the case %s is of runbook %s, which is "
					 "neither in these files nor shipped",
					 doc_where(b->arena, f.root), f.name, f.runbook);
		if (!book->cases)
			book->cases = arena_array(b->arena, s->all.n, struct fixture);
		book->cases[book->n++] = f;
	}
	return 0;
}

/* --- one case ----------------------------------------------------------------------------------
 */

static const char *ran_at(const struct walk *w, size_t i)
{
	return i < w->n_ran ? w->ran[i]->id : "the end";
}

/* NULL, or where the way differs from the one expected. */
static const char *other_way(struct arena *a, const struct fixture *f, const struct walk *w)
{
	for (size_t i = 0; i < MAX(f->path.n, w->n_ran); i++) {
		const char *said = i < f->path.n ? f->path.items[i] : "the end";

		if (!str_eq(said, ran_at(w, i)))
			return arena_printf(a, "behind %s comes %s, not %s",
					    i ? ran_at(w, i - 1) : "the beginning", ran_at(w, i),
					    said);
	}
	return NULL;
}

static void judge(struct report *r, const struct book *b, const struct fixture *f,
		  const struct walk *w)
{
	const char *scope = arena_printf(&r->arena, "%s/%s", b->rb.name, f->name);
	const char *outcome = w->outcome ? w->outcome->id : "none";
	const char *why = other_way(&r->arena, f, w);
	struct finding *found;

	if (!runbook_allows(&b->rb, (enum runbook_mode)f->mode))
		why = "the runbook does not allow its mode";
	else if (!why && !str_eq(outcome, f->outcome))
		why = arena_printf(&r->arena, "it concludes %s, not %s%s%s", outcome, f->outcome,
				   w->why ? ": " : "", str_or_empty(w->why));
	else if (!why && f->exit.set && f->exit.value != w->exit)
		why = arena_printf(&r->arena, "it ends with %d, not %lld", w->exit,
				   (long long)f->exit.value);
	found = why ? report_add(r, &rows[0], FINDING_FAIL, scope, "%s", why)
		    : report_add(r, &rows[0], FINDING_PASS, scope, "%s, exit %d", outcome, w->exit);
	found->where = doc_where(&r->arena, f->root);
}

/* --- all of a runbook --------------------------------------------------------------------------
 */

static bool takes(const struct walk *w, size_t step, size_t branch)
{
	for (size_t i = 0; i < w->n_taken; i++) {
		if (w->taken[i].step == step && w->taken[i].branch == branch)
			return true;
	}
	return false;
}

static void count_branches(struct report *r, const struct book *b, const struct walk *walks,
			   size_t *all, size_t *hit)
{
	for (size_t i = 0; i < b->rb.n_steps; i++) {
		for (size_t k = 0; k < walk_branches(&b->rb.steps[i]); k++) {
			size_t c = 0;

			while (c < b->n && !takes(&walks[c], i, k))
				c++;
			++*all;
			*hit += c < b->n;
			if (c == b->n)
				report_add(r, &rows[1], FINDING_FAIL, b->rb.name,
					   "no case goes from %s to %s (branch %zu)",
					   b->rb.steps[i].id, walk_branch_to(&b->rb.steps[i], k),
					   k);
		}
	}
}

static void count_outcomes(struct report *r, const struct book *b, const struct walk *walks,
			   size_t *all, size_t *hit)
{
	for (size_t i = 0; i < b->rb.n_outcomes; i++) {
		size_t c = 0;

		while (c < b->n && walks[c].outcome != &b->rb.outcomes[i])
			c++;
		++*all;
		*hit += c < b->n;
		if (c == b->n)
			report_add(r, &rows[1], FINDING_FAIL, b->rb.name, "no case concludes %s",
				   b->rb.outcomes[i].id);
	}
}

static void coverage(struct report *r, const struct book *b, const struct walk *walks)
{
	size_t branches = 0, outcomes = 0, hit = 0;

	count_branches(r, b, walks, &branches, &hit);
	count_outcomes(r, b, walks, &outcomes, &hit);
	if (hit == branches + outcomes)
		report_add(r, &rows[1], FINDING_PASS, b->rb.name,
			   "%zu cases take all %zu branches and %zu outcomes", b->n, branches,
			   outcomes);
}

/* The first line in which the two differ, 1-based. */
static size_t first_difference(const char *a, const char *b)
{
	size_t line = 1;

	for (; *a && *a == *b; a++, b++)
		line += *a == '\n';
	return line;
}

static int compare(struct report *r, const struct book *b, struct strbuf *now,
		   const struct cases_options *o, struct error *err)
{
	auto_release(strbuf) struct strbuf then = STRBUF_INIT;
	const char *path = arena_printf(&r->arena, "%s/%s.txt", o->golden, b->rb.name);
	int rc;

	if (o->update)
		return io_replace_file(path, now->buf, now->len, 0644, err);
	if (!io_exists(path)) {
		report_add(r, &rows[2], FINDING_UNKNOWN, b->rb.name, "there is no %s", path);
		return 0;
	}
	rc = io_read_file(path, MAX_GOLDEN, &then, err);
	if (rc)
		return rc;
	if (str_eq(strbuf_cstr(&then), strbuf_cstr(now)))
		report_add(r, &rows[2], FINDING_PASS, b->rb.name, "as in %s", path);
	else
		report_add(r, &rows[2], FINDING_FAIL, b->rb.name,
			   "%s:%zu is the first line that "
			   "differs",
			   path, first_difference(strbuf_cstr(&then), strbuf_cstr(now)));
	return 0;
}

static int run_book(struct report *r, const struct book *b, const struct cases_options *o,
		    struct error *err)
{
	auto_release(strbuf) struct strbuf transcript = STRBUF_INIT;
	struct walk *walks = arena_array(&r->arena, b->n + 1, struct walk);

	for (size_t i = 0; i < b->n; i++) {
		const struct fixture *f = &b->cases[i];

		runbook_walk(&r->arena, &b->rb, (enum runbook_mode)f->mode, f->params, f->answers,
			     &walks[i]);
		judge(r, b, f, &walks[i]);
		transcript_case(f, &walks[i], &transcript);
	}
	if (!b->n)
		report_add(r, &rows[1], FINDING_FAIL, b->rb.name, "it has no recorded case");
	else
		coverage(r, b, walks);
	return o->golden && b->n ? compare(r, b, &transcript, o, err) : 0;
}

int cases_run(struct report *r, const struct sources *s, const struct cases_options *o,
	      struct error *err)
{
	struct sources shipped = {.arena = &r->arena};
	struct books b = {.arena = &r->arena};
	int rc = add_books(&b, s, false, err);

	sources_add_shipped(&shipped);
	if (!rc)
		rc = add_books(&b, &shipped, true, err);
	if (!rc)
		rc = add_cases(&b, s, err);
	r->checks = rows;
	r->n_checks = ARRAY_SIZE(rows);
	for (size_t i = 0; i < b.all.n && !rc; i++) {
		if (b.all.items[i].n || !b.all.items[i].shipped)
			rc = run_book(r, &b.all.items[i], o, err);
	}
	vec_release(&b.all);
	sources_release(&shipped);
	return rc;
}
