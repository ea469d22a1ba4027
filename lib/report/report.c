/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/report/report.h"

#include <stdarg.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/map.h"
#include "lib/base/str.h"

void report_init(struct report *r, const char *tool, const char *title, const struct clock *clock)
{
	*r = (struct report){0};
	arena_init(&r->arena);
	r->tool = arena_strdup(&r->arena, tool);
	r->title = arena_strdup(&r->arena, title);
	r->made_ns = clock_wall_ns(clock);
}

void report_release(struct report *r)
{
	free(r->findings);
	arena_release(&r->arena);
	*r = (struct report){0};
}

static struct finding *add(struct report *r, const char *scope, const char *fmt, va_list ap)
	PRINTF_LIKE(3, 0);
static struct finding *add(struct report *r, const char *scope, const char *fmt, va_list ap)
{
	struct finding *f;

	if (r->n == r->cap) {
		r->cap = r->cap ? 2 * r->cap : 32;
		r->findings = xreallocarray(r->findings, r->cap, sizeof(*r->findings));
	}
	f = &r->findings[r->n++];
	*f = (struct finding){0};
	f->scope = arena_strdup(&r->arena, str_or_empty(scope));
	f->message = arena_vprintf(&r->arena, fmt, ap);
	return f;
}

struct finding *report_add(struct report *r, const struct check *check, enum finding_result result,
			   const char *scope, const char *fmt, ...)
{
	struct finding *f;
	va_list ap;

	va_start(ap, fmt);
	f = add(r, scope, fmt, ap);
	va_end(ap);
	f->id = check->id;
	f->title = check->title;
	f->category = check->category;
	f->severity = check->severity;
	f->result = result;
	f->source = check->source;
	f->not_waivable = check->flags & CHECK_NOT_WAIVABLE;
	if (result == FINDING_FAIL || result == FINDING_UNKNOWN)
		f->remedy = check->remedy;
	return f;
}

struct finding *report_add_free(struct report *r, const char *id, const char *title,
				const char *category, enum severity severity,
				enum finding_result result, const char *scope, const char *fmt, ...)
{
	struct finding *f;
	va_list ap;

	va_start(ap, fmt);
	f = add(r, scope, fmt, ap);
	va_end(ap);
	f->id = arena_strdup(&r->arena, id);
	f->title = arena_strdup(&r->arena, title);
	f->category = arena_strdup(&r->arena, category);
	f->severity = severity;
	f->result = result;
	return f;
}

/* Raw values are bounded; what is cut is marked. */
static const char *bounded(struct arena *a, const char *text)
{
	if (!text || strlen(text) <= EVIDENCE_MAX_BYTES)
		return text;
	return arena_printf(a, "%.*s [cut]", (int)EVIDENCE_MAX_BYTES, text);
}

void finding_evidence(struct report *r, struct finding *f, const char *source, const char *expected,
		      const char *fmt, ...)
{
	struct evidence *items = arena_array(&r->arena, f->n_evidence + 1, struct evidence);
	va_list ap;

	if (f->n_evidence)
		memcpy(items, f->evidence, f->n_evidence * sizeof(*items));
	va_start(ap, fmt);
	items[f->n_evidence] = (struct evidence){
		.source = arena_strdup(&r->arena, source),
		.observed = bounded(&r->arena, arena_vprintf(&r->arena, fmt, ap)),
		.expected = arena_strdup(&r->arena, expected),
	};
	va_end(ap);
	f->evidence = items;
	f->n_evidence++;
}

static void run_check(struct report *r, const struct check *check, void *env)
{
	struct error err = ERROR_INIT;
	size_t before = r->n;
	int ret = check->run(check, env, r, &err);

	if (ret < 0)
		report_add(r, check, FINDING_UNKNOWN, "", "could not be determined: %s",
			   err.msg[0] ? err.msg : strerror(-ret));
	else if (r->n == before)
		report_add(r, check, FINDING_UNKNOWN, "", "the check came to no answer");
}

void report_run(struct report *r, const struct check *checks, size_t n, void *env,
		const char *(*skip)(const struct check *check, void *env))
{
	r->checks = checks;
	r->n_checks = n;
	for (size_t i = 0; i < n; i++) {
		const char *why = skip ? skip(&checks[i], env) : NULL;

		if (why)
			report_add(r, &checks[i], FINDING_SKIP, "", "%s", why);
		else
			run_check(r, &checks[i], env);
	}
}

struct ranked {
	struct finding finding;
	size_t rank, position;
};

static int by_rank_scope(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	int c;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	c = strcmp(x->finding.scope, y->finding.scope);
	if (c)
		return c;
	return x->position < y->position ? -1 : x->position > y->position;
}

static void sort_findings(struct report *r)
{
	struct ranked *ranked = xcalloc(r->n + 1, sizeof(*ranked));
	struct map first = MAP_INIT; /* id -> 1 + position of its first finding */

	for (size_t i = 0; i < r->n; i++) {
		void *seen = map_get(&first, r->findings[i].id);

		if (!seen)
			map_set(&first, r->findings[i].id, (void *)(uintptr_t)(i + 1));
		ranked[i].rank = seen ? (size_t)(uintptr_t)seen : i + 1;
		ranked[i].position = i;
		ranked[i].finding = r->findings[i];
	}
	if (r->n)
		qsort(ranked, r->n, sizeof(*ranked), by_rank_scope);
	for (size_t i = 0; i < r->n; i++)
		r->findings[i] = ranked[i].finding;
	map_release(&first);
	free(ranked);
}

void report_finish(struct report *r)
{
	sort_findings(r);
	for (size_t i = 0; i < r->n; i++) {
		struct finding *f = &r->findings[i];
		struct waiver *w;

		if ((f->result != FINDING_FAIL && f->result != FINDING_UNKNOWN) || f->not_waivable)
			continue;
		w = waivers_find(&r->waivers, f->id, f->scope, r->made_ns);
		if (!w)
			continue;
		w->used = true;
		f->waiver = w;
	}
}

size_t report_count(const struct report *r, enum finding_result result)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += r->findings[i].result == result;
	return n;
}

/* What one finding alone would answer. */
static enum report_verdict finding_verdict(const struct report *r, const struct finding *f,
					   enum severity fail_on)
{
	if (f->result == FINDING_PASS || f->result == FINDING_SKIP || f->severity == SEVERITY_INFO)
		return REPORT_OK;
	if (f->waiver)
		return waiver_expired(f->waiver, r->made_ns) ? REPORT_WAIVER_EXPIRED : REPORT_OK;
	if (f->severity == SEVERITY_WARNING)
		return fail_on == SEVERITY_WARNING ? REPORT_WARNED : REPORT_OK;
	return f->result == FINDING_FAIL ? REPORT_BLOCKED : REPORT_INCONCLUSIVE;
}

enum report_verdict report_verdict(const struct report *r, enum severity fail_on)
{
	static const enum report_verdict worst_first[] = {REPORT_BLOCKED, REPORT_WAIVER_EXPIRED,
							  REPORT_INCONCLUSIVE, REPORT_WARNED};
	bool seen[REPORT_WAIVER_EXPIRED + 1] = {0};

	for (size_t i = 0; i < r->n; i++)
		seen[finding_verdict(r, &r->findings[i], fail_on)] = true;
	for (size_t i = 0; i < ARRAY_SIZE(worst_first); i++)
		if (seen[worst_first[i]])
			return worst_first[i];
	return REPORT_OK;
}
