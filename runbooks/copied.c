/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A journal that came from the cluster, held against its runbook. Whoever may write SidestepRuns
 * can write another's; what such a journal says was changed, or is about to be, is done with the
 * rights of whoever goes on with it. So it must be what the runbook's own steps change.
 */
#include <string.h>

#include "lib/base/str.h"
#include "runbooks/run_internal.h"

struct holding {
	struct runner *r;
	const struct doc *data; /* what the run's steps have answered */
	const char *key;
	const struct runbook_step *step; /* NULL: of a runbook that was called */
};

/* What a change of this operation is called in a journal. */
static bool makes(const char *op, const struct doc *change)
{
	static const struct {
		const char *op, *said;
		enum change_kind kind;
	} rows[] = {
		{"k8s.patch", "patch", CHANGE_PATCH},
		{"k8s.apply", "create", CHANGE_CREATE},
		{"k8s.apply", "patch", CHANGE_PATCH},
		{"k8s.delete", "delete", CHANGE_DELETE},
		{"policy.suspend", "delete", CHANGE_DELETE},
		{"k8s.restart", "restart", CHANGE_PATCH},
		{"endpoint.regenerate", "request", CHANGE_CREATE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (str_eq(rows[i].op, op) && str_eq(rows[i].said, doc_find_str(change, "op")) &&
		    str_eq(change_kind_name(rows[i].kind), doc_find_str(change, "kind")))
			return true;
	return false;
}

static const char *ref_text(struct arena *a, const struct doc *ref)
{
	const char *ns = doc_find_str(ref, "namespace");

	return arena_printf(a, "%s %s %s%s%s", str_or_empty(doc_find_str(ref, "apiVersion")),
			    str_or_empty(doc_find_str(ref, "kind")), str_or_empty(ns),
			    str_empty(ns) ? "" : "/", str_or_empty(doc_find_str(ref, "name")));
}

static const char *ref_of(struct arena *a, const struct doc *object)
{
	const char *ns = doc_find_str(object, "metadata.namespace");

	return arena_printf(a, "%s %s %s%s%s", str_or_empty(doc_find_str(object, "apiVersion")),
			    str_or_empty(doc_find_str(object, "kind")), str_or_empty(ns),
			    str_empty(ns) ? "" : "/",
			    str_or_empty(doc_find_str(object, "metadata.name")));
}

/* Whether text can have come of the template: what stands around its holes is in it. */
static bool could_be(const char *text, const char *template)
{
	const char *hole = strstr(template, "${"), *end = strrchr(template, '}');

	if (!hole || !end || end < hole)
		return str_eq(text, template);
	return strncmp(text, template, (size_t)(hole - template)) == 0 && str_ends(text, end + 1);
}

static bool has_list(const struct doc *d)
{
	if (d && d->kind == DOC_LIST)
		return true;
	doc_foreach_entry (d, e)
		if (has_list(e->value))
			return true;
	return false;
}

/* Nothing but the note that makes a workload's pods anew. */
static bool only_restarts(const struct doc *forward)
{
	static const char *const path[] = {"spec", "template", "metadata", "annotations",
					   RESTART_ANNOTATION};

	for (size_t i = 0; i < ARRAY_SIZE(path); i++) {
		if (doc_len(forward) != 1 || !doc_get(forward, path[i]))
			return false;
		forward = doc_get(forward, path[i]);
	}
	return doc_str(forward) != NULL;
}

static const char *operation(const struct runbook_step *step)
{
	return doc_len(step->op) == 1 ? step->op->map.entries[0].key : NULL;
}

/* The object, and for what is written whole or by fields also what is written. */
static bool step_changes(const struct holding *h, const struct doc *change)
{
	struct arena *a = &h->r->arena;
	const char *op = operation(h->step), *why = NULL,
		   *ref = ref_text(a, doc_get(change, "ref"));
	const char *said = doc_find_str(change, "op");
	const struct doc *template = doc_get(h->step->op, op ? op : "");
	const struct doc *args = template ? fill_in(a, template, h->data, &why) : NULL;
	const struct doc *use = args ? args : template, *object = doc_get(use, "object");

	if (!op || !makes(op, change))
		return false;
	if (str_eq(said, "request"))
		return str_eq(doc_find_str(change, "ref.kind"), "SidestepRequest") &&
		       str_eq(doc_find_str(change, "forward.spec.kind"), "Regenerate");
	if (object)
		return could_be(ref, ref_of(a, object)) &&
		       (!args || doc_equal(object, doc_get(change, "forward")));
	if (!could_be(ref, str_or_empty(doc_find_str(use, "ref"))))
		return false;
	if (str_eq(said, "restart"))
		return only_restarts(doc_get(change, "forward"));
	/* Lists are laid over those that were there: what came of that is not known here. */
	return !args || !doc_get(args, "patch") || has_list(doc_get(args, "patch")) ||
	       doc_equal(doc_get(change, "forward"), doc_get(args, "patch"));
}

static bool step_runs(const struct holding *h, const struct doc *deed)
{
	struct arena *a = &h->r->arena;
	const struct doc *argv = doc_get(deed, "argv"),
			 *want = doc_find(h->step->op, "command.argv");
	const size_t n = h->step->command ? h->step->command->argv.n : doc_len(want);

	if (!str_eq(doc_find_str(deed, "op"), "command"))
		return str_eq(operation(h->step), "k8s.restart") ||
		       str_eq(operation(h->step), "k8s.evict");
	if (!n || doc_len(argv) != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		const char *why = NULL;
		const char *word = h->step->command ? h->step->command->argv.items[i]
						    : str_or_empty(doc_str(doc_at(want, i)));
		const char *filled = walk_text(a, word, h->data, &why);

		if (!could_be(str_or_empty(doc_str(doc_at(argv, i))), filled ? filled : word))
			return false;
	}
	return true;
}

static int not_the_step(const struct holding *h, const char *what, struct error *err)
{
	return error_set(err, -EPERM,
			 "the copy of run %s in the cluster says that step %s changes %s, and that "
			 "step of the runbook does not: somebody has written into the copy. Go on, "
			 "or take it back, on the machine where it was begun",
			 h->r->run, h->key, what);
}

static int hold_change(struct holding *h, const struct doc *record, struct error *err)
{
	struct arena *a = &h->r->arena;
	const struct doc *deed = doc_get(record, "deed");

	doc_foreach_item (doc_get(record, "changes"), c) {
		const char *ref = ref_text(a, doc_get(c, "ref")),
			   *why = known_ref_refused(ref, true);
		const bool request = str_eq(doc_find_str(c, "ref.kind"), "SidestepRequest");

		if ((why && !request) || (h->step && !step_changes(h, c)))
			return not_the_step(h, ref, err);
	}
	if (deed && h->step && !step_runs(h, deed))
		return not_the_step(h, "something by a program, or pods,", err);
	return 0;
}

/* Of what is taken back the kinds are the other way round; what was there before is believed. */
static bool same_change(const struct doc *change, const struct doc *intent)
{
	const bool undo = doc_bool_or(doc_get(intent, "undo"), false);
	const char *kind = doc_find_str(change, "kind");
	const char *create = change_kind_name(CHANGE_CREATE),
		   *gone = change_kind_name(CHANGE_DELETE);

	if (undo)
		kind = str_eq(kind, create) ? gone : str_eq(kind, gone) ? create : kind;
	return doc_equal(doc_get(change, "ref"), doc_get(intent, "ref")) &&
	       str_eq(kind, doc_find_str(intent, "kind")) &&
	       (undo || doc_equal(doc_get(change, "forward"), doc_get(intent, "forward")));
}

/* A pre-image belongs to a change that is noted. */
static int hold_intent(struct holding *h, const struct doc *intent, struct error *err)
{
	const struct doc *record = change_planned(h->r, h->key);

	doc_foreach_item (doc_get(record, "changes"), c)
		if (same_change(c, intent))
			return 0;
	return not_the_step(h, ref_text(&h->r->arena, doc_get(intent, "ref")), err);
}

int copied_fits(struct runner *r, struct error *err)
{
	struct run_end end;
	struct walk w;
	int rc = 0;

	if (!r->copied)
		return 0;
	runner_status(r, &w, &end);
	for (size_t i = 0; !rc && i < journal_count(r->journal); i++) {
		const struct journal_record *rec = journal_at(r->journal, i);
		struct holding h = {r, w.data, str_or_empty(doc_find_str(rec->body, "step")), NULL};

		h.step = change_step_of(r, h.key);
		if (str_eq(rec->type, "change") && !h.step && !strchr(h.key, '/'))
			rc = not_the_step(&h, "something", err);
		else if (str_eq(rec->type, "change"))
			rc = hold_change(&h, rec->body, err);
		else if (str_eq(rec->type, "intent") && doc_get(rec->body, "ref"))
			rc = hold_intent(&h, rec->body, err);
	}
	return rc;
}
