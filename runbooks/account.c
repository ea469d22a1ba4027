/* SPDX-License-Identifier: Apache-2.0 */
#include "runbooks/account.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/str.h"
#include "runbooks/run_internal.h"

/* --- the document ------------------------------------------------------------------------------
 */

static void add_steps(struct runner *r, const struct walk *w, struct doc *d)
{
	struct arena *a = &r->arena;
	struct doc *list = doc_set_list(a, d, "steps");

	for (size_t i = 0; i < w->n_met; i++) {
		const struct walk_step *m = &w->met[i];
		const struct doc *record = doc_get(r->answers, m->step->id);
		struct doc *one = doc_append(a, list, doc_map(a));

		doc_set_string(a, one, "step", m->step->id);
		doc_set_string(a, one, "kind", step_kinds[m->step->kind].name);
		doc_set_string(a, one, "title", m->title);
		doc_set_string(a, one, "status", step_status_names[m->status]);
		doc_set_string(a, one, "why", m->why);
		doc_set_string(a, one, "then", m->branch);
		doc_set_string(a, one, "asked", doc_find_str(record, "source"));
		if (doc_find(record, "answer.would"))
			doc_set(a, one, "would", doc_clone(a, doc_find(record, "answer.would")));
	}
}

/* Steps within steps, approvals and changes stand in the journal alone. */
static void add_records(struct runner *r, struct doc *d)
{
	struct arena *a = &r->arena;
	struct doc *approvals = doc_set_list(a, d, "approvals");
	struct doc *changes = doc_set_list(a, d, "changes");
	struct doc *within = doc_set_list(a, d, "within");

	for (size_t i = 0; i < journal_count(r->journal); i++) {
		const struct journal_record *rec = journal_at(r->journal, i);
		const char *step = doc_find_str(rec->body, "step");
		struct doc *one;

		if (str_eq(rec->type, "answer") && doc_find(rec->body, "answer.by")) {
			one = doc_append(a, approvals, doc_map(a));
			doc_set_string(a, one, "step", step);
			doc_set(a, one, "by", doc_clone(a, doc_find(rec->body, "answer.by")));
		} else if (str_eq(rec->type, "intent") || str_eq(rec->type, "deed") ||
			   str_eq(rec->type, "undone")) {
			one = doc_append(a, changes, doc_clone(a, rec->body));
			doc_set_string(a, one, "record", rec->type);
			doc_del(one, "prev");
			doc_del(one, "hash");
		} else if (str_eq(rec->type, "answer") && step[strcspn(step, "[./")]) {
			one = doc_append(a, within, doc_map(a));
			doc_set_string(a, one, "step", step);
			doc_set_string(a, one, "status", doc_find_str(rec->body, "status"));
			doc_set_string(a, one, "why", doc_find_str(rec->body, "why"));
		}
	}
	doc_set_int(a, d, "records", (int64_t)journal_count(r->journal));
}

/* When it went: its first intent. Undone counts however that went: rollback says what was left. */
static const char *went(const struct doc *records, const char *key)
{
	const char *when = NULL;

	doc_foreach_item (records, d) {
		if (!str_eq(doc_find_str(d, "step"), key))
			continue;
		if (str_eq(doc_find_str(d, "type"), "undone"))
			return NULL;
		if (!when && str_eq(doc_find_str(d, "type"), "intent"))
			when = doc_find_str(d, "time");
	}
	return when;
}

struct doc *records_suspended(struct arena *a, const struct doc *records)
{
	struct doc *list = doc_list(a), *one;

	doc_foreach_item (records, d) {
		const char *key = doc_find_str(d, "step");
		const char *when = str_eq(doc_find_str(d, "type"), "change") &&
						   doc_bool_or(doc_get(d, "suspends"), false)
					   ? went(records, key)
					   : NULL;

		doc_foreach_item (when ? doc_get(d, "changes") : NULL, c) {
			one = doc_append(a, list, doc_map(a));
			doc_set_string(a, one, "step", key);
			doc_set_string(a, one, "object", change_object(a, doc_get(c, "ref")));
			doc_set_string(a, one, "since", when);
		}
	}
	return list;
}

struct doc *run_suspended(struct runner *r)
{
	struct doc *records = doc_list(&r->arena);

	for (size_t i = 0; i < journal_count(r->journal); i++)
		doc_append(&r->arena, records,
			   doc_clone(&r->arena, journal_at(r->journal, i)->body));
	return records_suspended(&r->arena, records);
}

const char *suspended_words(struct arena *a, const char *run, const struct doc *suspended,
			    int64_t now_ns)
{
	const char *since = doc_find_str(doc_at(suspended, 0), "since"), *names = "";
	int64_t at_ns = 0;

	if (!since)
		return NULL;
	doc_foreach_item (suspended, d)
		names = arena_printf(a, "%s%s%s", names, *names ? ", " : "",
				     doc_find_str(d, "object"));
	clock_parse_rfc3339(since, &at_ns);
	return arena_printf(a,
			    "OUT OF FORCE since %s (%" PRId64 " min): %s; nobody puts it back by "
			    "itself: 'sidestep runbook rollback %s' does",
			    since, MAX(now_ns - at_ns, 0) / (60 * (int64_t)NS_PER_S), names, run);
}

const char *run_copied_words(struct runner *r)
{
	return !r->copied
		       ? NULL
		       : arena_printf(&r->arena,
				      "this run's journal came from its copy in the cluster "
				      "(SidestepRun %s): who asked, what was answered and what was "
				      "changed is what that says, and whoever may write there can "
				      "have written it",
				      r->run);
}

/* A file whose digest the journal does not have was put there by somebody else. */
static void compare_with_journal(struct runner *r, const struct doc *files, struct doc *problems)
{
	struct arena *a = &r->arena;

	doc_foreach_item (files, f) {
		const char *sha = doc_find_str(f, "sha256");
		bool known = false;

		for (size_t i = 0; i < journal_count(r->journal) && !known; i++) {
			const struct doc *kept =
				doc_get(journal_at(r->journal, i)->body, "evidence");

			doc_foreach_item (kept, k)
				known |= str_eq(doc_find_str(k, "sha256"), sha);
		}
		if (!known) {
			struct doc *one = doc_append(a, problems, doc_map(a));

			doc_set_string(a, one, "file", doc_find_str(f, "file"));
			doc_set_string(a, one, "problem", "the journal does not know its digest");
		}
	}
}

static void add_evidence(struct runner *r, struct doc *d)
{
	struct arena *a = &r->arena;
	struct doc *e = doc_set_map(a, d, "evidence"), *problems = NULL;
	struct error err = ERROR_INIT;

	doc_set_string(a, e, "dir", r->evidence.dir);
	doc_set(a, e, "files", doc_clone(a, doc_get(r->evidence.index, "files")));
	if (evidence_verify(a, r->evidence.dir, r->evidence.index, &problems, &err) < 0) {
		problems = doc_list(a);
		doc_set_string(a, doc_append(a, problems, doc_map(a)), "problem", err.msg);
	} else {
		compare_with_journal(r, doc_get(r->evidence.index, "files"), problems);
	}
	doc_set(a, e, "problems", problems);
}

static bool has_changed(const struct runner *r)
{
	for (size_t i = 0; i < journal_count(r->journal); i++) {
		if (str_eq(journal_at(r->journal, i)->type, "change"))
			return true;
	}
	return false;
}

bool run_waits_for_approval(const struct runner *r, const struct run_end *end)
{
	const char *step = end->waiting;

	for (size_t i = 0; i < journal_count(r->journal); i++) {
		const struct journal_record *rec = journal_at(r->journal, i);

		if (str_eq(rec->type, "asked") && str_eq(doc_find_str(rec->body, "step"), step))
			return true;
	}
	return false;
}

/* Whoever only looked, and came by a change, learns how to go further. */
static const char *further(struct runner *r)
{
	bool passed_by = false;
	struct run_end end;
	struct walk w;

	runner_status(r, &w, &end);
	for (size_t i = 0; i < w.n_met; i++)
		passed_by |= walk_changes(w.met[i].step) &&
			     (w.met[i].status == STATUS_ASSUMED ||
			      (w.met[i].status == STATUS_SKIPPED && !w.met[i].step->when));
	if (passed_by && r->mode == MODE_DIAGNOSE && runbook_allows(&r->rb, MODE_PROPOSE))
		return "; the same command with --mode propose shows what it would change";
	if (passed_by && r->mode == MODE_PROPOSE && runbook_allows(&r->rb, MODE_EXECUTE))
		return "; the same command with --mode execute (and without --dry-run) changes it, "
		       "once those have agreed whom it asks";
	return "";
}

struct doc *run_advice(struct runner *r, const struct run_end *end)
{
	struct doc *list = doc_list(&r->arena);

	for (size_t i = 0; end->outcome && i < r->rb.n_outcomes; i++) {
		const struct outcome *o = &r->rb.outcomes[i];

		for (size_t k = 0; str_eq(o->id, end->outcome) && k < o->next.n; k++) {
			const char *what = strchr(o->next.items[k], ':');

			doc_append(&r->arena, list,
				   doc_stringf(&r->arena, "%s%s",
					       str_starts(o->next.items[k], "runbook:")
						       ? "sidestep runbook run "
						       : "",
					       what ? what + 1 : o->next.items[k]));
		}
	}
	return list;
}

static const char *next_words(struct runner *r, const struct run_end *end)
{
	struct arena *a = &r->arena;
	const char *back = has_changed(r)
				   ? arena_printf(a,
						  "'sidestep runbook rollback %s' takes back what "
						  "it changed",
						  r->run)
				   : "nothing was changed";

	if (!end->ended && end->exit == CLI_WAITING && run_waits_for_approval(r, end))
		return arena_printf(
			a,
			"they type 'sidestep runbook approve %s %s', then 'sidestep "
			"runbook resume %s' goes on; 'sidestep runbook abort %s' ends it "
			"here; %s",
			r->run, end->waiting, r->run, r->run, back);
	if (!end->ended && end->exit == CLI_WAITING)
		return arena_printf(
			a,
			"'sidestep runbook resume %s --answer %s=VALUE' answers and goes "
			"on; %s",
			r->run, str_or_empty(end->waiting), back);
	if (!end->ended)
		return arena_printf(a,
				    "'sidestep runbook resume %s' goes on, 'sidestep runbook abort "
				    "%s' ends it here; %s",
				    r->run, r->run, back);
	if (end->exit == CLI_ROLLED_BACK && !has_changed(r))
		return "it is over; it had changed nothing, so nothing was taken back";
	if (end->exit == CLI_ROLLED_BACK)
		return "it is over; what it changed is as it was, but for what says it was left";
	return arena_printf(a, "'sidestep runbook report %s' tells it; %s%s", r->run, back,
			    has_changed(r) ? "" : further(r));
}

const char *run_next_words(struct runner *r, const struct run_end *end)
{
	struct arena *a = &r->arena;
	const struct run_options *o = &r->options;
	const char *typed = cluster_typed(a, NULL, "kubeconfig", o->kubeconfig);

	typed = cluster_typed(a, typed, "context", o->context);
	typed = cluster_typed(a, typed, "state", o->state);
	typed = cluster_typed(a, typed, "evidence", o->evidence);
	if (o->no_cluster)
		typed = arena_printf(a, "%s --no-cluster", str_or_empty(typed));
	return cluster_retype(a, next_words(r, end), typed);
}

struct doc *run_account(struct runner *r)
{
	struct arena *a = &r->arena;
	struct doc *d = doc_map(a);
	struct run_end end;
	struct walk w;

	runner_status(r, &w, &end);
	doc_set_string(a, d, "run", r->run);
	doc_set_string(a, d, "runbook", r->rb.name);
	doc_set_string(a, d, "id", r->rb.id);
	doc_set_int(a, d, "version", r->rb.version);
	doc_set_string(a, d, "mode", runbook_mode_names[r->mode]);
	doc_set_bool(a, d, "dryRun", doc_bool_or(doc_get(r->plan, "dryRun"), false));
	doc_set(a, d, "params", doc_clone(a, doc_get(r->plan, "params")));
	doc_set(a, d, "requester", doc_clone(a, doc_get(r->plan, "requester")));
	doc_set_string(a, d, "tool", doc_find_str(r->plan, "tool"));
	doc_set_string(a, d, "began", doc_find_str(journal_at(r->journal, 0)->body, "time"));
	doc_set_string(a, d, "digest", r->digest);
	doc_set_bool(a, d, "ended", end.ended);
	doc_set_int(a, d, "exit", end.exit);
	doc_set_string(a, d, "outcome", end.outcome);
	doc_set_string(a, d, "cause", end.cause);
	doc_set_string(a, d, "why", end.why);
	doc_set_string(a, d, "waiting", end.ended ? NULL : end.waiting);
	doc_set_bool(a, d, "copied", r->copied);
	doc_set(a, d, "suspended", run_suspended(r));
	doc_set(a, d, "advice", run_advice(r, &end));
	doc_set_string(a, d, "next", run_next_words(r, &end));
	add_steps(r, &w, d);
	add_records(r, d);
	add_evidence(r, d);
	return d;
}

/* --- as a case -------------------------------------------------------------------------------
 */

static void record_answers(struct runner *r, const struct walk *w, struct doc *answers,
			   struct doc *path)
{
	struct arena *a = &r->arena;

	for (size_t i = 0; i < w->n_ran; i++) {
		const struct doc *answer = doc_get(doc_get(r->answers, w->ran[i]->id), "answer");
		struct doc *kept = answer ? doc_clone(a, answer) : NULL;

		doc_append(a, path, doc_string(a, w->ran[i]->id));
		if (!kept || kept->kind != DOC_MAP)
			continue;
		/* Who agreed, and what was changed, is this run's alone. */
		doc_del(kept, "by");
		doc_del(kept, "would");
		doc_set(a, answers, w->ran[i]->id, kept);
	}
}

int run_fixture(struct runner *r, struct doc **ret_fixture, struct error *err)
{
	struct arena *a = &r->arena;
	struct doc *d = doc_map(a), *expect, *answers;
	struct run_end end;
	struct walk w;

	if (doc_get(r->plan, "from") || doc_get(r->plan, "until"))
		return error_set(err, -EINVAL,
				 "run %s was one of a part of its runbook: it is no case", r->run);
	runner_status(r, &w, &end);
	doc_set_string(a, d, "apiVersion", RUNBOOK_API_VERSION);
	doc_set_string(a, d, "kind", RUNBOOK_FIXTURE);
	doc_set_string(a, doc_set_map(a, d, "metadata"), "name", r->run);
	doc_set_string(a, d, "runbook", r->rb.name);
	doc_set_string(a, d, "mode", runbook_mode_names[r->mode]);
	doc_set(a, d, "params", doc_clone(a, doc_get(r->plan, "params")));
	answers = doc_set_map(a, d, "answers");
	expect = doc_set_map(a, d, "expect");
	record_answers(r, &w, answers, doc_set_list(a, expect, "path"));
	doc_set_string(a, expect, "outcome", end.outcome ? end.outcome : "none");
	doc_set_int(a, expect, "exit", end.exit);
	*ret_fixture = d;
	return 0;
}

/* --- the page ----------------------------------------------------------------------------------
 */

static enum page_mood mood_of(const char *status)
{
	if (str_eq(status, "ok") || str_eq(status, "changed"))
		return PAGE_GOOD;
	if (str_eq(status, "failed"))
		return PAGE_BAD;
	return str_eq(status, "skipped") || str_eq(status, "assumed") ? PAGE_QUIET : PAGE_DOUBT;
}

static void page_steps(const struct doc *steps, struct page *p)
{
	static const char *const columns[] = {"step", "status", "what", "why", "then", NULL};

	page_table(p, columns);
	doc_foreach_item (steps, s) {
		const char *status = doc_find_str(s, "status");

		page_row(p, mood_of(status), doc_find_str(s, "step"), status,
			 str_or_empty(doc_find_str(s, "title")),
			 str_or_empty(doc_find_str(s, "why")),
			 str_or_empty(doc_find_str(s, "then")), NULL);
	}
}

/* Of a proposal: what would be changed, as a diff. */
static void page_proposed(const struct doc *d, struct page *p)
{
	bool any = false;

	doc_foreach_item (doc_get(d, "steps"), s) {
		doc_foreach_item (doc_find(s, "would.changes"), c) {
			if (!any)
				page_heading(p, "What would be changed");
			any = true;
			page_text(p, "%s: %s %s %s/%s", doc_find_str(s, "step"),
				  str_or_empty(doc_find_str(c, "kind")),
				  str_or_empty(doc_find_str(c, "ref.kind")),
				  str_or_empty(doc_find_str(c, "ref.namespace")),
				  str_or_empty(doc_find_str(c, "ref.name")));
			page_code(p, str_or_empty(doc_find_str(c, "diff")));
		}
	}
}

static void page_changes(const struct doc *d, struct page *p)
{
	static const char *const columns[] = {"step", "what", "object", "before", NULL};

	if (!doc_len(doc_get(d, "changes")))
		return;
	page_heading(p, "What was changed");
	page_table(p, columns);
	doc_foreach_item (doc_get(d, "changes"), c) {
		auto_release(strbuf) struct strbuf before = STRBUF_INIT;

		if (doc_get(c, "backward"))
			doc_write_json(doc_get(c, "backward"), DOC_COMPACT, &before);
		page_row(p, PAGE_PLAIN, doc_find_str(c, "step"),
			 str_or_empty(doc_find_str(c, doc_get(c, "op") ? "op" : "record")),
			 doc_get(c, "ref") ? change_object(&p->arena, doc_get(c, "ref")) : "",
			 before.len > 400 ? "(in the journal)" : strbuf_cstr(&before), NULL);
	}
}

static void page_approvals(const struct doc *d, struct page *p)
{
	static const char *const columns[] = {"step", "by", "when", "vouched for by", NULL};

	if (!doc_len(doc_get(d, "approvals")))
		return;
	page_heading(p, "Who agreed");
	page_table(p, columns);
	doc_foreach_item (doc_get(d, "approvals"), s) {
		doc_foreach_item (doc_get(s, "by"), v)
			page_row(p, PAGE_PLAIN, doc_find_str(s, "step"), doc_find_str(v, "who"),
				 str_or_empty(doc_find_str(v, "at")),
				 doc_bool_or(doc_get(v, "vouched"), false) ? "the server or kernel"
									   : "nobody",
				 NULL);
	}
}

static void page_evidence(const struct doc *e, struct page *p)
{
	static const char *const columns[] = {"file", "from", "when", ">bytes", "SHA-256", NULL};

	page_heading(p, "Evidence");
	page_text(p, "In %s.", str_or_empty(doc_find_str(e, "dir")));
	doc_foreach_item (doc_get(e, "problems"), x)
		page_note(p, PAGE_BAD, "%s: %s", str_or_empty(doc_find_str(x, "file")),
			  str_or_empty(doc_find_str(x, "problem")));
	if (!doc_len(doc_get(e, "files"))) {
		page_text(p, "Nothing was kept.");
		return;
	}
	page_table(p, columns);
	doc_foreach_item (doc_get(e, "files"), f) {
		auto_release(strbuf) struct strbuf bytes = STRBUF_INIT;

		strbuf_addf(&bytes, "%" PRId64 "%s", doc_find_int(f, "bytes", 0),
			    doc_bool_or(doc_get(f, "cut"), false) ? " (cut)" : "");
		page_row(p, PAGE_PLAIN, doc_find_str(f, "file"),
			 str_or_empty(doc_find_str(f, "source")),
			 str_or_empty(doc_find_str(f, "time")), strbuf_cstr(&bytes),
			 str_or_empty(doc_find_str(f, "sha256")), NULL);
	}
}

void run_account_page(const struct doc *d, struct page *p)
{
	auto_release(strbuf) struct strbuf about = STRBUF_INIT;
	const int64_t exit = doc_find_int(d, "exit", 1);
	const char *outcome = doc_find_str(d, "outcome");

	strbuf_addf(&about, "run %s, %s%s, asked for by %s", doc_find_str(d, "run"),
		    doc_find_str(d, "mode"),
		    doc_bool_or(doc_get(d, "dryRun"), false) ? " (dry run)" : "",
		    str_or_empty(doc_find_str(d, "requester.name")));
	doc_foreach_entry (doc_get(d, "params"), e) {
		strbuf_addf(&about, ", %s=", e->key);
		doc_write_json(e->value, DOC_COMPACT, &about);
	}
	page_init(p, doc_find_str(d, "runbook"), strbuf_cstr(&about));
	page_verdict(p,
		     exit == 0                 ? PAGE_GOOD
		     : exit == 3 || exit == 10 ? PAGE_BAD
					       : PAGE_DOUBT,
		     "%s%s%s (exit %" PRId64 ")",
		     outcome                                   ? outcome
		     : doc_bool_or(doc_get(d, "ended"), false) ? "ended"
							       : "not ended",
		     doc_find_str(d, "cause") ? ": " : "", str_or_empty(doc_find_str(d, "cause")),
		     exit);
	if (doc_find_str(d, "why"))
		page_note(p, PAGE_DOUBT, "%s", doc_find_str(d, "why"));
	if (doc_bool_or(doc_get(d, "copied"), false))
		page_note(p, PAGE_DOUBT,
			  "The journal came from the run's copy in the cluster, which whoever may "
			  "write SidestepRuns can change.");
	doc_foreach_item (doc_get(d, "suspended"), s)
		page_note(p, PAGE_BAD, "%s is out of force since %s.", doc_find_str(s, "object"),
			  doc_find_str(s, "since"));
	doc_foreach_item (doc_get(d, "advice"), s)
		page_text(p, "The runbook advises: %s", doc_str(s));
	page_text(p, "Next: %s.", str_or_empty(doc_find_str(d, "next")));
	page_heading(p, "Steps");
	page_steps(doc_get(d, "steps"), p);
	if (doc_len(doc_get(d, "within")))
		page_heading(p, "Steps within steps");
	if (doc_len(doc_get(d, "within")))
		page_steps(doc_get(d, "within"), p);
	page_approvals(d, p);
	page_proposed(d, p);
	page_changes(d, p);
	page_evidence(doc_get(d, "evidence"), p);
}

/* --- the report --------------------------------------------------------------------------------
 */

static enum finding_result result_of(const char *status)
{
	if (str_eq(status, "ok") || str_eq(status, "changed"))
		return FINDING_PASS;
	if (str_eq(status, "failed"))
		return FINDING_FAIL;
	return str_eq(status, "skipped") || str_eq(status, "assumed") ? FINDING_SKIP
								      : FINDING_UNKNOWN;
}

void run_account_report(const struct doc *d, struct report *report)
{
	doc_foreach_item (doc_get(d, "steps"), s) {
		const char *status = doc_find_str(s, "status"), *why = doc_find_str(s, "why");

		report_add_free(report, doc_find_str(s, "step"), doc_find_str(s, "title"),
				doc_find_str(d, "runbook"), SEVERITY_ERROR, result_of(status),
				doc_find_str(d, "run"), "%s", why ? why : status);
	}
	report_add_free(report, "outcome", "what is concluded", doc_find_str(d, "runbook"),
			SEVERITY_ERROR,
			doc_find_int(d, "exit", 1) == 0   ? FINDING_PASS
			: doc_find_int(d, "exit", 1) == 3 ? FINDING_FAIL
							  : FINDING_UNKNOWN,
			doc_find_str(d, "run"), "%s: %s", str_or_empty(doc_find_str(d, "outcome")),
			str_or_empty(doc_find_str(d, "cause")));
}
