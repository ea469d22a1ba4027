/* SPDX-License-Identifier: Apache-2.0 */
/* Sampling a gate until it is decided. */
#include "lib/step/gate.h"

#include <stdarg.h>

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
	return record;
}

static void take_sample(const struct gate *g, void *env, const struct doc *args,
			struct arena *arena, struct gate_sample *s)
{
	struct error why = ERROR_INIT;

	*s = (struct gate_sample){.arena = arena};
	if (g->sample(env, args, s, &why) < 0)
		gate_answer(s, "the gate itself", FINDING_UNKNOWN, "could not look: %s", why.msg);
}

int gate_run(const struct gate *g, void *env, const struct doc *args, const struct gate_host *host,
	     struct arena *a, enum finding_result *ret_result, struct doc **ret_record,
	     struct error *err)
{
	const uint64_t deadline = host->now_ns(host->ctx) + g->within_ns;
	unsigned samples = 0, row = 0;

	for (;;) {
		struct arena scratch = ARENA_INIT;
		struct gate_sample s;
		enum finding_result judged;
		bool over, last;
		int r;

		take_sample(g, env, args, &scratch, &s);
		samples++;
		judged = gate_judge(g, &s);
		row = judged == FINDING_PASS ? row + 1 : 0;
		if (host->sampled)
			host->sampled(host->ctx, g, &s, judged);
		over = row >= MAX(g->stable, 1u) || (judged == FINDING_FAIL && s.final);
		last = host->now_ns(host->ctx) + g->every_ns > deadline;
		/* Time is over while still counting good samples: not stable, so not known. */
		if (!over && last && judged == FINDING_PASS)
			judged = FINDING_UNKNOWN;
		if (over || last) {
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
