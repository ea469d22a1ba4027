/* SPDX-License-Identifier: Apache-2.0 */
/* The engine: walk, do what is pending, note the answer, walk again. */
#include "runbooks/run.h"

#include <stdarg.h>
#include <string.h>

#include "lib/base/str.h"
#include "runbooks/files.h"
#include "runbooks/run_internal.h"
#include "runbooks/template.h"
#include "runbooks/transcript.h"

void say(struct runner *r, const char *fmt, ...)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	va_list ap;

	if (!r->options.out)
		return;
	va_start(ap, fmt);
	strbuf_vaddf(&text, fmt, ap);
	va_end(ap);
	put_plain(r->options.out, &text);
	fflush(r->options.out);
}

uint64_t duration_ns(const char *text, uint64_t fallback)
{
	uint64_t ns;

	return text && str_to_duration_ns(text, &ns, NULL) == 0 ? ns : fallback;
}

int runner_wait(struct runner *r, uint64_t ns, struct error *err)
{
	return r->waiting ? r->waiting(r, ns, err) : cluster_wait(&r->cluster, ns, err);
}

const char *scope_key(const struct scope *s, const struct runbook_step *step)
{
	return arena_printf(&s->r->arena, "%s%s", s->prefix, step->id);
}

/* --- records -----------------------------------------------------------------------------------
 */

static void boundary(struct runner *r, const char *where)
{
	if (r->boundary)
		r->boundary(r->arg, where);
}

int run_record(struct runner *r, const char *type, const struct doc *body, struct error *err)
{
	const struct step_host *host = &r->host.step;
	int rc;

	boundary(r, type);
	rc = journal_append(r->journal, type, body, err);
	if (rc < 0)
		return rc;
	boundary(r, type);
	r->kept += strlen(journal_at(r->journal, journal_count(r->journal) - 1)->line);
	rc = host->copy(host->ctx, journal_at(r->journal, journal_count(r->journal) - 1), err);
	return rc < 0 ? error_wrap(err, rc, "copy of the journal") : 0;
}

/* What is too large goes without its rows: the same now as for whoever resumes. */
static struct doc *reduced(struct arena *a, const struct doc *answer, size_t most)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	struct doc *d;

	doc_write_json(answer, DOC_COMPACT, &text);
	if (text.len <= most)
		return doc_clone(a, answer);
	d = doc_map(a);
	doc_foreach_entry (answer, e) {
		strbuf_clear(&text);
		doc_write_json(e->value, DOC_COMPACT, &text);
		if (text.len <= most / 8)
			doc_set(a, d, e->key, doc_clone(a, e->value));
		else
			doc_set_string(a, doc_set_map(a, d, "unseen"), e->key,
				       "too large for the journal; see the evidence");
	}
	return d;
}

static const struct doc *value_of(struct arena *a, const char *from, const struct doc *data)
{
	const struct expr *e = NULL;
	struct expr_value v;

	if (expr_parse(a, from, &e, NULL) < 0)
		return NULL;
	v = expr_eval(a, e, data);
	switch (v.type) {
	case EXPR_T_LIST:
	case EXPR_T_MAP:
		return v.doc;
	case EXPR_T_STRING:
		return doc_string(a, v.text);
	case EXPR_T_INT:
		return doc_int(a, v.number);
	case EXPR_T_BOOL:
		return doc_bool(a, v.number);
	case EXPR_T_REAL:
		return doc_real(a, v.real);
	case EXPR_T_DURATION:
	case EXPR_T_UNKNOWN:
		break;
	}
	return NULL;
}

/* Keys hold brackets and dots where lists are nested; a folder's name does not. */
static const char *folder_name(struct arena *a, const char *key)
{
	char *s = arena_strdup(a, key);
	size_t n = 0;

	for (const char *c = key; *c && n < 80; c++) {
		if (*c == '[' || *c == '.' || *c == '/')
			s[n++] = '-';
		else if (*c != ']')
			s[n++] = *c;
	}
	s[n] = '\0';
	return s;
}

/* What is asked to be kept, from the whole answer. What cannot be kept is said, and no failure. */
static struct doc *keep_evidence(const struct scope *s, const struct runbook_step *step,
				 const struct doc *data, const struct done *d, size_t redactions)
{
	struct runner *r = s->r;
	struct arena *a = &r->arena;
	struct doc *entries = doc_list(a), *known = doc_clone(a, data);

	if (step->reg && d->answer)
		doc_set(a, known, step->reg, d->answer);
	for (size_t i = 0; i < step->n_evidence; i++) {
		const struct evidence_item *item = &step->evidence[i];
		const struct doc *value = value_of(a, item->from, known);
		const struct evidence_file file = {folder_name(a, scope_key(s, step)),
						   item->name,
						   d->source,
						   value,
						   redactions,
						   evidence_size(item->max)};
		struct error why = ERROR_INIT;
		struct doc *entry = NULL;

		if (value && !evidence_add(&r->evidence, &file, &entry, &why)) {
			doc_append(a, entries, doc_clone(a, entry));
			continue;
		}
		entry = doc_append(a, entries, doc_map(a));
		doc_set_string(a, entry, "name", item->name);
		doc_set_string(a, entry, "missing",
			       value    ? why.msg
			       : d->why ? d->why
					: "there was nothing to keep");
	}
	return entries;
}

static int note_answer(const struct scope *s, const struct runbook_step *step,
		       const struct doc *data, struct done *d, struct error *err)
{
	struct runner *r = s->r;
	struct arena *a = journal_arena(r->journal);
	struct doc *body = doc_map(a), *kept;
	size_t redactions = 0;
	int rc;

	if (d->answer)
		d->answer = evidence_redact(&r->evidence, &r->arena, d->answer, &redactions);
	if (d->why)
		d->why = secret_text(&r->arena, &r->evidence.key, d->why);
	kept = keep_evidence(s, step, data, d, redactions);
	doc_set_string(a, body, "step", scope_key(s, step));
	doc_set_string(a, body, "status", step_status_names[d->status]);
	doc_set_string(a, body, "why", d->why);
	doc_set_string(a, body, "source", d->source);
	if (d->answer)
		doc_set(a, body, "answer",
			reduced(a, d->answer,
				r->kept < RUN_LARGE_KEPT ? RUN_MAX_ANSWER : RUN_LEAST_ANSWER));
	if (doc_len(kept))
		doc_set(a, body, "evidence", doc_clone(a, kept));
	rc = run_record(r, "answer", body, err);
	if (!rc)
		doc_set(&r->arena, r->answers, scope_key(s, step), doc_clone(&r->arena, body));
	return rc;
}

/* How the mesh was when a change failed, before anybody touches it: what can be had of it. */
static int capture(const struct scope *s, const struct runbook_step *step, struct error *err)
{
	static const char *const sources[] = {"agents", "endpoints", "flows", "maps"};
	struct runner *r = s->r;
	struct arena *a = &r->arena;
	struct doc *body = doc_map(a), *kept = doc_set_list(a, body, "evidence");

	doc_set_string(a, body, "step", scope_key(s, step));
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		const struct source_question q = {
			.source = sources[i], .limit = 1000, .timeout_ns = NS_PER_S};
		struct doc *answer = NULL, *entry = NULL;
		size_t n = 0;

		if (source_ask(&r->sources, &q, a, &answer, NULL) < 0)
			continue;
		answer = evidence_redact(&r->evidence, a, answer, &n);
		{
			const struct evidence_file file = {
				folder_name(a, scope_key(s, step)),
				arena_printf(a, "failed-%s.json", sources[i]),
				sources[i],
				answer,
				n,
				1u << 20};

			if (!evidence_add(&r->evidence, &file, &entry, NULL))
				doc_append(a, kept, doc_clone(a, entry));
		}
	}
	return doc_len(kept) ? run_record(r, "captured", body, err) : 0;
}

/* --- going -------------------------------------------------------------------------------------
 */

/* Of what is only proposed. */
static void show_would(struct runner *r, const struct doc *would)
{
	doc_foreach_item (doc_get(would, "changes"), c) {
		say(r, "%34s%s %s %s/%s\n", "", doc_find_str(c, "kind"),
		    str_or_empty(doc_find_str(c, "ref.kind")),
		    str_or_empty(doc_find_str(c, "ref.namespace")),
		    str_or_empty(doc_find_str(c, "ref.name")));
		say(r, "%s", str_or_empty(doc_find_str(c, "diff")));
	}
	if (doc_get(would, "deed")) {
		auto_release(strbuf) struct strbuf text = STRBUF_INIT;

		doc_write_json(doc_get(would, "deed"), DOC_COMPACT, &text);
		say(r, "%34s%s\n", "", strbuf_cstr(&text));
	}
}

static void show(const struct scope *s, const struct walk *w, const struct runbook_step *step,
		 const struct done *d)
{
	const char *title = step->title;

	for (size_t i = 0; i < w->n_met; i++) {
		if (w->met[i].step == step)
			title = w->met[i].title;
	}
	say(s->r, "  %-18s %-12s %s\n", scope_key(s, step), step_status_names[d->status],
	    shown(&s->r->arena, title));
	if (d->why)
		say(s->r, "  %-18s %-12s %s\n", "", "", shown(&s->r->arena, d->why));
	show_would(s->r, doc_get(d->answer, "would"));
	if (step->kind == STEP_NOTE && d->answer)
		say(s->r, "  %-18s %-12s %s\n", "", "",
		    shown(&s->r->arena, doc_find_str(d->answer, "says")));
}

/* A place to stop: between steps. */
static int may_go_on(struct runner *r, struct error *err)
{
	return r->cluster.pause ? error_set(err, -EINTR, "%s", r->cluster.pause) : 0;
}

int scope_go(const struct scope *s, struct walk *ret_walk, struct done *ret_last, struct error *err)
{
	const struct walk_live live = {.rb = s->rb,
				       .steps = s->steps,
				       .n_steps = s->n_steps,
				       .mode = s->mode,
				       .data = s->data,
				       .answers = s->r->answers,
				       .prefix = s->prefix,
				       .from = s->from,
				       .until = s->until,
				       .concludes = s->concludes};
	int rc;

	for (;;) {
		struct done d = {.status = STATUS_OK};

		walk_live(&s->r->arena, &live, ret_walk);
		if (ret_last)
			*ret_last = d;
		if (!ret_walk->pending)
			return 0;
		rc = may_go_on(s->r, err);
		if (!rc)
			rc = act(s, ret_walk->pending, ret_walk->data, &d, err);
		if (rc)
			return rc;
		if (ret_last)
			*ret_last = d;
		if (d.waits || d.pauses) {
			show(s, ret_walk, ret_walk->pending, &d);
			return 0;
		}
		rc = note_answer(s, ret_walk->pending, ret_walk->data, &d, err);
		if (!rc && d.status == STATUS_FAILED && s->mode == MODE_EXECUTE &&
		    (ret_walk->pending->kind == STEP_MUTATE || ret_walk->pending->mutates.value))
			rc = capture(s, ret_walk->pending, err);
		if (rc)
			return rc;
		show(s, ret_walk, ret_walk->pending, &d);
	}
}

static struct scope whole(struct runner *r)
{
	const struct doc *params = doc_get(r->plan, "params");
	struct doc *data = walk_data(&r->arena, &r->rb, r->mode, params, NULL);

	doc_foreach_entry (r->secrets, e)
		doc_set(&r->arena, doc_get(data, "params"), e->key, e->value);
	doc_set_string(&r->arena, doc_get(data, "run"), "id", r->run);
	return (struct scope){.r = r,
			      .rb = &r->rb,
			      .steps = r->rb.steps,
			      .n_steps = r->rb.n_steps,
			      .prefix = "",
			      .data = data,
			      .mode = r->mode,
			      .from = doc_find_str(r->plan, "from"),
			      .until = doc_find_str(r->plan, "until"),
			      .concludes = !doc_find_str(r->plan, "until")};
}

static const struct doc *conclusion(const struct runner *r)
{
	for (size_t i = journal_count(r->journal); i--;) {
		const struct journal_record *rec = journal_at(r->journal, i);

		if (str_eq(rec->type, "conclusion"))
			return rec->body;
	}
	return NULL;
}

static int note_state(struct runner *r, enum run_state state, const char *reason, struct error *err)
{
	struct arena *a = journal_arena(r->journal);
	struct doc *body = doc_map(a);
	int rc;

	doc_set_string(a, body, "state", run_state_name(state));
	doc_set_string(a, body, "reason", reason);
	rc = run_record(r, "state", body, err);
	if (!rc && r->host.run)
		rc = run_copy_state(&r->host, run_state_name(state), err);
	return rc;
}

static enum run_state state_of(int exit)
{
	switch (exit) {
	case CLI_BLOCKED:
		return RUN_FAILED;
	case CLI_ROLLED_BACK:
		return RUN_ROLLED_BACK;
	case CLI_ROLLBACK_FAILED:
		return RUN_ROLLBACK_STOPPED;
	default:
		return RUN_DONE;
	}
}

static int note_conclusion(struct runner *r, const struct run_end *end, struct error *err)
{
	struct arena *a = journal_arena(r->journal);
	struct doc *body = doc_map(a);
	int rc;

	doc_set_string(a, body, "outcome", end->outcome);
	doc_set_string(a, body, "cause", end->cause);
	doc_set_string(a, body, "why", end->why);
	doc_set_int(a, body, "exit", end->exit);
	rc = run_record(r, "conclusion", body, err);
	return rc ? rc : note_state(r, state_of(end->exit), end->why, err);
}

static void end_of(const struct runner *r, const struct walk *w, struct run_end *end)
{
	*end = (struct run_end){.exit = w->exit,
				.outcome = w->outcome ? w->outcome->id : NULL,
				.cause = w->cause,
				.why = w->inconclusive || w->exit ? w->why : NULL};
	(void)r;
}

static int run_finally(struct runner *r, struct error *err)
{
	struct scope s = whole(r);
	struct walk w;

	s.steps = r->rb.finally;
	s.n_steps = r->rb.n_finally;
	s.prefix = "finally.";
	s.from = s.until = NULL;
	s.concludes = false;
	return s.n_steps ? scope_go(&s, &w, NULL, err) : 0;
}

/* It stops here and may go on later. */
static int stop_for_now(struct runner *r, const struct walk *w, const struct done *last,
			struct run_end *end, struct error *err)
{
	*end = (struct run_end){.exit = last->waits ? CLI_WAITING : CLI_INCONCLUSIVE,
				.waiting = last->at ? last->at : w->pending->id,
				.why = last->why};
	return note_state(r, last->waits ? RUN_PAUSED : RUN_INCONCLUSIVE, last->why, err);
}

static int interrupted(struct runner *r, struct run_end *end, struct error *err)
{
	struct error why = ERROR_INIT;

	*end = (struct run_end){.exit = CLI_INTERRUPTED, .why = arena_strdup(&r->arena, err->msg)};
	r->cluster.pause = NULL;
	note_state(r, RUN_PAUSED, end->why, &why);
	return 0;
}

static void of_conclusion(const struct doc *c, struct run_end *end)
{
	*end = (struct run_end){.exit = (int)doc_find_int(c, "exit", CLI_FAILED),
				.outcome = doc_find_str(c, "outcome"),
				.cause = doc_find_str(c, "cause"),
				.why = doc_find_str(c, "why"),
				.ended = true};
}

static int finish(struct runner *r, const struct walk *w, struct run_end *end, struct error *err)
{
	int rc = run_finally(r, err);

	if (rc == -EINTR)
		return interrupted(r, end, err);
	if (rc)
		return rc;
	end_of(r, w, end);
	end->ended = true;
	if (w->rollback && w->exit == CLI_BLOCKED)
		return runner_rollback(r, NULL, end, err);
	return note_conclusion(r, end, err);
}

int runner_go(struct runner *r, struct run_end *end, struct error *err)
{
	const struct scope s = whole(r);
	struct done last;
	struct walk w;
	int rc;

	if (conclusion(r)) {
		of_conclusion(conclusion(r), end);
		return 0;
	}
	rc = scope_go(&s, &w, &last, err);
	if (rc == -EINTR)
		return interrupted(r, end, err);
	if (rc)
		return rc;
	return w.pending ? stop_for_now(r, &w, &last, end, err) : finish(r, &w, end, err);
}

int runner_abort(struct runner *r, const char *why, struct run_end *end, struct error *err)
{
	int rc;

	if (conclusion(r)) {
		of_conclusion(conclusion(r), end);
		return 0;
	}
	rc = run_finally(r, err);
	if (rc)
		return rc;
	*end = (struct run_end){.exit = CLI_INTERRUPTED, .why = why, .ended = true};
	return note_conclusion(r, end, err);
}

/* The approval that was asked for last and is not decided. */
static const char *asked_of(const struct runner *r)
{
	for (size_t i = journal_count(r->journal); i--;) {
		const struct journal_record *rec = journal_at(r->journal, i);
		const char *step = doc_find_str(rec->body, "step");

		if (str_eq(rec->type, "asked"))
			return doc_get(r->answers, step) ? NULL : step;
	}
	return NULL;
}

void runner_status(struct runner *r, struct walk *ret_walk, struct run_end *end)
{
	const struct scope s = whole(r);
	const struct walk_live live = {.rb = s.rb,
				       .steps = s.steps,
				       .n_steps = s.n_steps,
				       .mode = s.mode,
				       .data = s.data,
				       .answers = r->answers,
				       .prefix = "",
				       .from = s.from,
				       .until = s.until,
				       .concludes = s.concludes};
	struct run_status status;

	walk_live(&r->arena, &live, ret_walk);
	if (conclusion(r)) {
		of_conclusion(conclusion(r), end);
		return;
	}
	run_status(&r->arena, r->journal, NULL, 0, &status);
	end_of(r, ret_walk, end);
	end->exit = status.state == RUN_INCONCLUSIVE ? CLI_INCONCLUSIVE : CLI_INTERRUPTED;
	end->waiting = ret_walk->pending ? ret_walk->pending->id : NULL;
	if (ret_walk->pending &&
	    (ret_walk->pending->kind == STEP_APPROVE || ret_walk->pending->kind == STEP_ASK)) {
		end->exit = CLI_WAITING;
		ret_walk->met[ret_walk->n_met - 1].status = STATUS_WAITING;
	}
	if (ret_walk->pending && asked_of(r)) {
		end->exit = CLI_WAITING;
		end->waiting = asked_of(r);
	}
	end->why = status.reason;
}

/* --- texts -------------------------------------------------------------------------------------
 */

/* A string that is one ${...} keeps the type of its value. */
static struct doc *fill_string(struct arena *a, const char *text, const struct doc *data,
			       const char **ret_why)
{
	struct template t = {0};
	const char *filled;

	if (template_parse(a, text, &t, NULL) == 0 && t.n == 1 && t.parts[0].expr) {
		const struct expr_value v = expr_eval(a, t.parts[0].expr, data);

		if (v.type == EXPR_T_INT)
			return doc_int(a, v.number);
		if (v.type == EXPR_T_BOOL)
			return doc_bool(a, v.number);
		if ((v.type == EXPR_T_LIST || v.type == EXPR_T_MAP) && v.doc)
			return doc_clone(a, v.doc);
	}
	filled = walk_text(a, text, data, ret_why);
	return filled ? doc_string(a, filled) : NULL;
}

struct doc *fill_in(struct arena *a, const struct doc *tree, const struct doc *data,
		    const char **ret_why)
{
	struct doc *out, *one;

	if (!tree)
		return doc_null(a);
	if (tree->kind == DOC_STRING)
		return fill_string(a, tree->string, data, ret_why);
	if (tree->kind != DOC_LIST && tree->kind != DOC_MAP)
		return doc_clone(a, tree);
	out = tree->kind == DOC_LIST ? doc_list(a) : doc_map(a);
	doc_foreach_item (tree, it) {
		one = fill_in(a, it, data, ret_why);
		if (!one)
			return NULL;
		doc_append(a, out, one);
	}
	doc_foreach_entry (tree, e) {
		one = fill_in(a, e->value, data, ret_why);
		if (!one)
			return NULL;
		doc_set(a, out, e->key, one);
	}
	return out;
}
