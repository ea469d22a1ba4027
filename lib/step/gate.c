/* SPDX-License-Identifier: Apache-2.0 */
/* Sampling a gate until it is decided. */
#include "lib/step/gate.h"

#include <stdarg.h>
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"

void gate_answer(struct gate_sample *s, const char *name, enum finding_result result,
		 const char *fmt, ...)
{
	struct gate_source *source;
	va_list ap;

	if (s->n == GATE_MAX_SOURCES)
		return;
	source = &s->sources[s->n++];
	source->name = name;
	source->result = result;
	va_start(ap, fmt);
	source->words = arena_vprintf(s->arena, fmt, ap);
	va_end(ap);
}

enum finding_result gate_judge(const struct gate *g, const struct gate_sample *s)
{
	unsigned answered = 0, unknown = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (s->sources[i].result == FINDING_FAIL)
			return FINDING_FAIL;
		unknown += s->sources[i].result == FINDING_UNKNOWN;
		answered += s->sources[i].result == FINDING_PASS;
	}
	if (unknown || answered < (g->n_required ? g->n_required : 2))
		return FINDING_UNKNOWN;
	return FINDING_PASS;
}

static struct doc *record_of(struct arena *a, const struct gate *g, const struct gate_sample *s,
			     enum finding_result result, unsigned samples)
{
	struct doc *record = doc_map(a);
	struct doc *sources = doc_list(a);

	doc_set_string(a, record, "gate", g->id);
	doc_set_string(a, record, "title", g->title);
	doc_set_string(a, record, "result", finding_result_name(result));
	doc_set_int(a, record, "samples", samples);
	for (size_t i = 0; i < s->n; i++) {
		struct doc *one = doc_append(a, sources, doc_map(a));

		doc_set_string(a, one, "source", s->sources[i].name);
		doc_set_string(a, one, "result", finding_result_name(s->sources[i].result));
		doc_set_string(a, one, "saw", s->sources[i].words);
	}
	doc_set(a, record, "sources", sources);
	if (s->evidence)
		doc_set(a, record, "evidence", doc_clone(a, s->evidence));
	return record;
}

static void take_sample(const struct gate *g, void *env, const struct doc *args, bool decides,
			struct arena *arena, struct gate_sample *s)
{
	struct error why = ERROR_INIT;

	*s = (struct gate_sample){.arena = arena, .decides = decides};
	if (g->sample(env, args, s, &why) < 0)
		gate_answer(s, "the gate itself", FINDING_UNKNOWN, "could not look: %s", why.msg);
}

/* What was not well last, for whoever asks why it took so long. */
static void remember(const struct gate_sample *s, char **last_bad)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->sources[i].result != FINDING_PASS) {
			free(*last_bad);
			*last_bad = xasprintf("; before that %s: %s", s->sources[i].name,
					      s->sources[i].words);
			return;
		}
}

/* Good samples without a break. */
struct row {
	unsigned n;
	uint64_t began; /* when the first of them was taken */
};

/* Whether a good sample taken now is the last one that is wanted. */
static bool completes(const struct gate *g, const struct row *row, uint64_t now)
{
	return row->n + 1 >= MAX(g->stable, 1u) && (row->n ? now - row->began : 0) >= g->lasts_ns;
}

static void count_good(struct row *row, uint64_t now)
{
	if (!row->n++)
		row->began = now;
}

/* Inconclusive though nobody said so: its own reason. */
static void explain(const struct gate *g, struct gate_sample *s, const struct row *row,
		    uint64_t now, const char *last_bad)
{
	static const char self[] = "the gate itself";

	for (size_t i = 0; i < s->n; i++)
		if (s->sources[i].result == FINDING_UNKNOWN)
			return;
	if (gate_judge(g, s) == FINDING_PASS && g->lasts_ns)
		gate_answer(s, self, FINDING_UNKNOWN,
			    "when its time was over all had been well for only %llu s of the "
			    "%llu s it wants (%u looks)%s",
			    (unsigned long long)(row->n ? now - row->began : 0) / NS_PER_S,
			    (unsigned long long)(g->lasts_ns / NS_PER_S), row->n,
			    last_bad ? last_bad : "");
	else if (gate_judge(g, s) == FINDING_PASS)
		gate_answer(s, self, FINDING_UNKNOWN,
			    "when its time was over only %u good looks of the %u it wants had been "
			    "taken%s",
			    row->n, MAX(g->stable, 1u), last_bad ? last_bad : "");
	else if (gate_judge(g, s) == FINDING_FAIL)
		gate_answer(s, self, FINDING_UNKNOWN,
			    "its time was over before that had stood long enough to count");
	else
		gate_answer(s, self, FINDING_UNKNOWN, "fewer sources answered than it must ask");
}

/* How long it has not been well, and failed, without a break. */
struct spell {
	uint64_t bad, failed; /* since; 0: not at all */
};

static bool stands(const struct gate *g, uint64_t *since, bool now_so, uint64_t now)
{
	if (!now_so)
		*since = 0;
	else if (!*since)
		*since = now + 1;
	return now_so && now + 1 - *since >= g->bears_ns;
}

int gate_run(const struct gate *g, void *env, const struct doc *args, const struct gate_host *host,
	     struct arena *a, enum finding_result *ret_result, struct doc **ret_record,
	     struct error *err)
{
	const uint64_t deadline = host->now_ns(host->ctx) + g->within_ns;
	auto_free char *last_bad = NULL;
	unsigned samples = 0;
	struct row row = {0};
	struct spell spell = {0};

	for (;;) {
		struct arena scratch = ARENA_INIT;
		struct gate_sample s;
		enum finding_result judged;
		bool over, last, bad, failed, decides;
		uint64_t at = host->now_ns(host->ctx);
		int r;

		decides = completes(g, &row, at);
		take_sample(g, env, args, decides, &scratch, &s);
		samples++;
		judged = gate_judge(g, &s);
		if (judged == FINDING_PASS)
			count_good(&row, at);
		at = host->now_ns(host->ctx);
		bad = stands(g, &spell.bad, judged != FINDING_PASS, at);
		failed = stands(g, &spell.failed, judged == FINDING_FAIL, at);
		if (bad && judged != FINDING_PASS && (judged == FINDING_FAIL || !s.keeps))
			row = (struct row){0};
		remember(&s, &last_bad);
		if (host->sampled)
			host->sampled(host->ctx, g, &s, judged);
		over = (judged == FINDING_PASS && decides) ||
		       (judged == FINDING_FAIL && (s.final || (g->bears_ns && failed)));
		last = host->now_ns(host->ctx) + g->every_ns > deadline;
		/* Time is over while still counting good samples: not stable, so not known. */
		if (!over && last && (judged == FINDING_PASS || !failed))
			judged = FINDING_UNKNOWN;
		if (over || last) {
			if (judged == FINDING_UNKNOWN)
				explain(g, &s, &row, at, last_bad);
			*ret_record = record_of(a, g, &s, judged, samples);
			*ret_result = judged;
		}
		arena_release(&scratch);
		if (over || last)
			return 0;
		r = host->wait(host->ctx, g->every_ns, err);
		if (r < 0)
			return r;
	}
}
