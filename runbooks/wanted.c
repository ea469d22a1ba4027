/* SPDX-License-Identifier: Apache-2.0 */
#include "runbooks/wanted.h"

#include <string.h>

#include "lib/base/str.h"
#include "lib/step/digest.h"
#include "runbooks/template.h"

/* --- filled in ---------------------------------------------------------------------------------
 */

/* As fill_in(), but what is not known stays as it is written. */
static struct doc *filled(struct arena *a, const struct doc *d, const struct doc *data)
{
	const char *why = NULL;
	struct doc *out;

	if (d->kind == DOC_STRING) {
		out = fill_in(a, d, data, &why);
		return out ? out : doc_clone(a, d);
	}
	if (d->kind != DOC_LIST && d->kind != DOC_MAP)
		return doc_clone(a, d);
	out = d->kind == DOC_LIST ? doc_list(a) : doc_map(a);
	doc_foreach_item (d, it)
		doc_append(a, out, filled(a, it, data));
	doc_foreach_entry (d, e)
		doc_set(a, out, e->key, filled(a, e->value, data));
	return out;
}

/* What is done, whatever its title says: an operation, an argv, another runbook. */
static struct doc *deed_of(struct arena *a, const struct runbook_step *s)
{
	struct doc *does = s->op ? doc_clone(a, s->op) : doc_map(a);

	for (size_t i = 0; s->command && i < s->command->argv.n; i++) {
		struct doc *argv = doc_get(does, "argv");

		doc_append(a, argv ? argv : doc_set_list(a, does, "argv"),
			   doc_string(a, s->command->argv.items[i]));
	}
	for (size_t i = 0; s->call && i < s->call->params.n; i++)
		doc_set_string(a, does, s->call->params.items[i].key,
			       s->call->params.items[i].value);
	if (s->call)
		doc_set_string(a, does, "runbook", s->call->runbook);
	return does;
}

/* The list as it is, else the expression as it is written. */
static struct doc *items_of(struct arena *a, const char *text, const struct doc *data)
{
	const struct expr *e = NULL;
	struct expr_value v;
	struct doc *list;

	if (!text || expr_parse(a, text, &e, NULL) < 0)
		return doc_string(a, str_or_empty(text));
	v = expr_eval(a, e, data);
	if (v.type != EXPR_T_LIST)
		return doc_string(a, text);
	if (v.doc)
		return doc_clone(a, v.doc);
	list = doc_list(a);
	for (size_t i = 0; i < v.n; i++) {
		if (v.values[i].type == EXPR_T_STRING)
			doc_append(a, list, doc_string(a, v.values[i].text));
		else if (v.values[i].type == EXPR_T_INT)
			doc_append(a, list, doc_int(a, v.values[i].number));
		else
			return doc_string(a, text);
	}
	return list;
}

/* --- all changes -------------------------------------------------------------------------------
 */

struct showing {
	struct arena *a;
	struct doc *data, *list;
};

static void show_step(const struct showing *w, const struct runbook_step *s, const struct doc *each)
{
	struct arena *a = w->a;
	struct doc *one = doc_append(a, w->list, doc_map(a)), *does = deed_of(a, s);

	doc_set_string(a, doc_set_map(a, w->data, "step"), "id", s->id);
	doc_set_string(a, one, "step", s->id);
	doc_set(a, one, "title", filled(a, doc_string(a, str_or_empty(s->title)), w->data));
	doc_set_string(a, one, "risk", s->risk ? risk_names[s->risk] : "unsaid");
	if (doc_len(does))
		doc_set(a, one, "does", filled(a, does, w->data));
	if (doc_len(each))
		doc_set(a, one, "each", doc_clone(a, each));
	doc_set_string(a, one, "back",
		       s->rollback && s->rollback->inverse == INVERSE_NONE
			       ? arena_printf(a, "none: %s", str_or_empty(s->rollback->reason))
			       : "yes");
}

static void show_steps(const struct showing *w, const struct runbook_step *steps, size_t n,
		       const struct doc *each)
{
	for (size_t i = 0; i < n; i++) {
		const struct runbook_step *s = &steps[i];
		const struct doc *within = each;

		if (s->kind == STEP_MUTATE || s->mutates.value)
			show_step(w, s, each);
		if (s->kind == STEP_FOREACH) {
			struct doc *more = doc_clone(w->a, each), *one;

			one = doc_append(w->a, more, doc_map(w->a));
			doc_set_string(w->a, one, "as", s->as ? s->as : "item");
			doc_set(w->a, one, "items", items_of(w->a, s->items, w->data));
			within = more;
		}
		show_steps(w, s->steps, s->n_steps, within);
		if (s->rollback)
			show_steps(w, s->rollback->steps, s->rollback->n_steps, each);
	}
}

struct doc *wanted_changes(struct runner *r, const struct doc *data)
{
	struct arena *a = &r->arena;
	const struct doc *params = doc_get(r->plan, "params");
	const struct showing w = {a, doc_clone(a, data), doc_list(a)};

	/* Secrets are in no plan. */
	doc_set(a, w.data, "params", params ? doc_clone(a, params) : doc_map(a));
	show_steps(&w, r->rb.steps, r->rb.n_steps, doc_list(a));
	show_steps(&w, r->rb.finally, r->rb.n_finally, doc_list(a));
	return w.list;
}

/* --- what was asked ----------------------------------------------------------------------------
 */

const struct journal_record *wanted_asked(const struct runner *r, const char *step)
{
	for (size_t i = journal_count(r->journal); i--;) {
		const struct journal_record *rec = journal_at(r->journal, i);

		if (str_eq(rec->type, "changed"))
			return NULL;
		if (str_eq(rec->type, "asked") && str_eq(doc_find_str(rec->body, "step"), step) &&
		    doc_get(rec->body, "changes"))
			return rec;
	}
	return NULL;
}

const char *wanted_digest_of(struct arena *a, const char *plan, const char *run, const char *step,
			     const struct doc *changes)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	char digest[DIGEST_HEX + 1];
	/* An API server gives keys back in its own order. */
	struct doc *sorted = doc_clone(a, changes);

	doc_sort_keys(sorted);
	strbuf_addf(&text, "%s\n%s\n%s\n", plan, run, step);
	doc_write_json(sorted, DOC_COMPACT, &text);
	return arena_strdup(a, digest_sha256(strbuf_cstr(&text), text.len, digest));
}

const char *wanted_digest(struct runner *r, const char *step)
{
	const struct journal_record *asked = wanted_asked(r, step);

	return asked ? wanted_digest_of(&r->arena, r->digest, r->run, step,
					doc_get(asked->body, "changes"))
		     : NULL;
}

/* As JSON, which is how a journal keeps them. */
static bool alike(const struct doc *x, const struct doc *y)
{
	auto_release(strbuf) struct strbuf xs = STRBUF_INIT, ys = STRBUF_INIT;

	if (doc_equal(x, y))
		return true;
	doc_write_json(x, DOC_COMPACT, &xs);
	doc_write_json(y, DOC_COMPACT, &ys);
	return str_eq(strbuf_cstr(&xs), strbuf_cstr(&ys));
}

bool wanted_same(const struct journal_record *asked, const struct doc *changes)
{
	return asked && alike(doc_get(asked->body, "changes"), changes);
}

/* written as its author has it, with what was shown of it; now: with what is known (NULL: not asked
 * for). What was left open when it was shown may have been filled in since. */
static bool same(const struct doc *written, const struct doc *was, const struct doc *now)
{
	if (!written || !was || (now && written->kind == DOC_MAP && now->kind != DOC_MAP))
		return false;
	if (written->kind == DOC_STRING)
		return alike(was, now ? now : written) ||
		       (template_is_one(written->string) && (!now || alike(was, written)));
	if (written->kind != DOC_LIST && written->kind != DOC_MAP)
		return alike(written, was);
	if (written->kind != was->kind || doc_len(written) != doc_len(was) ||
	    (now && doc_len(now) != doc_len(was)))
		return false;
	doc_foreach_item (written, it) {
		if (!same(it, doc_at(was, it_i), now ? doc_at(now, it_i) : NULL))
			return false;
	}
	doc_foreach_entry (written, e) {
		/* What a list will hold is not written anywhere. */
		if (!str_eq(e->key, "each") &&
		    !same(e->value, doc_get(was, e->key), now ? doc_get(now, e->key) : NULL))
			return false;
	}
	return true;
}

bool wanted_fits(struct runner *r, const struct journal_record *asked)
{
	const struct doc *data =
		walk_data(&r->arena, &r->rb, r->mode, doc_get(r->plan, "params"), NULL);
	struct run_end end;
	struct walk w;

	/* What is known within a list is not known here; elsewhere it is what the run answered. */
	if (!strpbrk(str_or_empty(doc_find_str(asked->body, "step")), "[./")) {
		runner_status(r, &w, &end);
		data = w.data;
	}
	return same(wanted_changes(r, data), doc_get(asked->body, "changes"), NULL);
}

/* Every item is one of the list that was shown. */
static bool listed(const struct doc *each, const struct doc *data)
{
	doc_foreach_item (each, one) {
		const struct doc *items = doc_get(one, "items");
		const struct doc *item = doc_get(data, str_or_empty(doc_find_str(one, "as")));
		bool found = items && items->kind == DOC_STRING;

		doc_foreach_item (items, it)
			found = found || (item && alike(it, item));
		if (!found)
			return false;
	}
	return true;
}

static bool agrees(const struct scope *s, const struct runbook_step *step,
		   const struct journal_record *asked, const struct doc *data)
{
	struct arena *a = &s->r->arena;
	const struct doc *does = deed_of(a, step);

	doc_foreach_item (doc_get(asked->body, "changes"), c) {
		if (!str_eq(doc_find_str(c, "step"), step->id))
			continue;
		return !doc_len(does) || (same(does, doc_get(c, "does"), filled(a, does, data)) &&
					  (s->undoes || listed(doc_get(c, "each"), data)));
	}
	return false;
}

/* "each[0].agree" is asked for what is done for that item. */
static bool governs(const char *asked, const char *key)
{
	const char *dot = strrchr(asked, '.');

	return !dot || strncmp(asked, key, (size_t)(dot + 1 - asked)) == 0;
}

const char *wanted_differs(const struct scope *s, const struct runbook_step *step,
			   const struct doc *data)
{
	struct runner *r = s->r;
	struct doc *known = doc_clone(&r->arena, data);
	const char *key = scope_key(s, step);

	doc_set_string(&r->arena, doc_set_map(&r->arena, known, "step"), "id", step->id);
	for (size_t i = journal_count(r->journal); i--;) {
		const struct journal_record *rec = journal_at(r->journal, i);
		const char *at = str_or_empty(doc_find_str(rec->body, "step"));

		if (str_eq(rec->type, "changed"))
			return NULL;
		if (!str_eq(rec->type, "asked") || wanted_asked(r, at) != rec || !governs(at, key))
			continue;
		if (!agrees(s, step, rec, known))
			return arena_printf(&r->arena,
					    "what it would do now is not what was shown when %s "
					    "was asked for: the approval is void, and nothing is "
					    "done",
					    at);
	}
	return NULL;
}
