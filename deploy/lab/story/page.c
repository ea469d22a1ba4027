/* SPDX-License-Identifier: Apache-2.0 */
/* The report as a page, from report.json alone. Words that only we know are explained where they
 * first stand. */
#include <string.h>

#include "deploy/lab/story/story.h"
#include "lib/base/str.h"

static const char *text_of(struct arena *a, const struct doc *d)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	if (!d || d->kind == DOC_NULL)
		return "not measured";
	if (d->kind == DOC_STRING)
		return d->string;
	if (d->kind == DOC_BOOL)
		return d->boolean ? "yes" : "no";
	if (d->kind == DOC_INT)
		return count_text(a, d->integer);
	doc_write_json(d, DOC_COMPACT, &sb);
	return arena_strdup(a, strbuf_cstr(&sb));
}

static const char *text_at(struct page *p, const struct doc *d, const char *path)
{
	return text_of(&p->arena, doc_find(d, path));
}

static double real_at(const struct doc *d, const char *path)
{
	const struct doc *v = doc_find(d, path);

	return !v ? 0 : v->kind == DOC_REAL ? v->real : (double)doc_int_or(v, 0);
}

/* --- the top --- */

static void put_verdict(const struct doc *d, struct page *p)
{
	int64_t code = doc_find_int(d, "exit_code", CLI_FAILED);

	page_verdict(p,
		     code == CLI_OK             ? PAGE_GOOD
		     : code == CLI_INCONCLUSIVE ? PAGE_DOUBT
						: PAGE_BAD,
		     "%s", text_at(p, d, "verdict"));
	page_text(p,
		  "Istio puts a proxy, the sidecar, beside every program of a cluster. Sidestep "
		  "takes a namespace (a group of programs that belong together) off these sidecars "
		  "while it serves its callers, and can take it back. This story did both. Clients "
		  "and servers counted every request from before the first change until after the "
		  "way back; some clients are intruders, whom everybody must refuse.");
}

static void put_count(struct page *p, const struct doc *d, const char *path, const char *label,
		      bool must_be_0)
{
	page_figure(p,
		    !must_be_0                  ? PAGE_PLAIN
		    : doc_find_int(d, path, -1) ? PAGE_BAD
						: PAGE_GOOD,
		    label, "%s", text_at(p, d, path));
}

static const char *sidecars(struct page *p, const struct doc *d, const char *path)
{
	return doc_find_int(d, path, -1) < 0 ? "?" : text_at(p, d, path);
}

static void put_figures(const struct doc *d, struct page *p)
{
	put_count(p, d, "requests.sent", "requests sent", false);
	put_count(p, d, "requests.failed", "failed", true);
	put_count(p, d, "requests.refused", "refused, as they must be", false);
	put_count(p, d, "requests.refused_missing", "newly got through, must not", true);
	page_figure(p, doc_find_int(d, "connections.lost", -1) ? PAGE_BAD : PAGE_GOOD,
		    "long-lived connections lost", "%s of %s", text_at(p, d, "connections.lost"),
		    text_at(p, d, "connections.long_lived"));
	page_figure(p, PAGE_PLAIN, "sidecars: before, moved, and back", "%s, %s, %s",
		    sidecars(p, d, "sidecars.before"), sidecars(p, d, "sidecars.after"),
		    sidecars(p, d, "sidecars.after_rollback"));
	if (doc_find_int(d, "requests.by_kill", 0) || doc_find_int(d, "connections.by_kill", 0))
		page_figure(p, PAGE_PLAIN, "taken by deliberate kills",
			    "%s requests, %s connections", text_at(p, d, "requests.by_kill"),
			    text_at(p, d, "connections.by_kill"));
}

/* What somebody accepts with a waiver, for a reader who does not know its name. */
static const struct {
	const char *id, *words;
} risks[] = {
	{"encryption-lost",
	 "once moved, calls cross the wire unencrypted; the sidecars encrypted them"},
	{"identity-by-address",
	 "once moved, a caller is known by its network address; with sidecars its certificate was "
	 "checked too"},
};

static const char *risk_words(const char *id, const char *title)
{
	for (size_t i = 0; i < ARRAY_SIZE(risks); i++)
		if (str_eq(risks[i].id, id))
			return risks[i].words;
	return title;
}

/* One note for each waiver, however many findings it covers. */
static void put_waivers(const struct doc *d, struct page *p)
{
	const struct doc *list = doc_get(d, "waivers");
	struct doc *seen = doc_map(&p->arena);

	doc_foreach_item (list, w) {
		const char *id = text_at(p, w, "id");

		doc_set_int(&p->arena, seen, id, doc_int_or(doc_get(seen, id), 0) + 1);
	}
	doc_foreach_item (list, w) {
		const char *id = text_at(p, w, "id");
		int64_t n = doc_int_or(doc_get(seen, id), 0);

		if (n)
			page_note(p, PAGE_DOUBT,
				  "Accepted risk, %s (%s finding%s): %s. Accepted by %s until %s: "
				  "%s",
				  id, count_text(&p->arena, n), n > 1 ? "s" : "",
				  risk_words(id, text_at(p, w, "title")), text_at(p, w, "owner"),
				  text_at(p, w, "expires"), text_at(p, w, "reason"));
		doc_set_int(&p->arena, seen, id, 0);
	}
}

static void put_istio(const struct doc *d, struct page *p)
{
	bool none = doc_find_int(d, "requests.let_through_while_enforced", -1) == 0;

	if (doc_find_int(d, "requests.let_through_by_istio", 0) > 0)
		page_note(p, PAGE_DOUBT,
			  "A finding about Istio itself: %s requests that must be refused got "
			  "through, %s of them before the first change, and the others on the "
			  "same edges later, while Istio answered for them (see \"Every edge\"). "
			  "They are not counted as newly got through.%s",
			  text_at(p, d, "requests.let_through_by_istio"),
			  text_at(p, d, "requests.let_through_before_change"),
			  none ? " While the new policies were in force none got through." : "");
}

/* --- the timeline --- */

/* The plan's own steps, N1 to N14, stand among the story's. */
static size_t number_len(const char *id)
{
	size_t n = id[0] == 'N' ? 1 + strspn(id + 1, "0123456789") : 0;

	return n > 1 ? n : 0;
}

static const char *band_label(struct page *p, const struct doc *step)
{
	const char *id = text_at(p, step, "id");
	size_t n = number_len(id);

	return n ? arena_printf(&p->arena, "%.*s %s", (int)n, id, text_at(p, step, "title")) : id;
}

static const char *status_words(struct page *p, const struct doc *step)
{
	const char *status = text_at(p, step, "status");

	return str_eq(status, "undone") ? "done, taken back" : status;
}

static bool went_well(const char *status)
{
	return str_eq(status, "ok") || str_eq(status, "done") || str_eq(status, "done, taken back");
}

static void put_steps(const struct doc *d, struct page *p)
{
	static const char *const columns[] = {"step",  "what",     "status",  ">seconds",
					      ">sent", ">refused", ">failed", NULL};

	page_heading(p, "Timeline");
	page_text(
		p,
		"What begins with N is a step of the migration, by its number in the plan; numbers "
		"that had nothing to do here are missing. \"Done, taken back\" is as it should "
		"be: the step was made, and the rollback at the end took it back.");
	doc_foreach_item (doc_get(d, "steps"), step) {
		const char *status = status_words(p, step);
		bool good = went_well(status);

		page_band(p, good ? PAGE_PLAIN : PAGE_DOUBT, band_label(p, step),
			  real_at(step, "from"), real_at(step, "from") + real_at(step, "seconds"),
			  good ? "" : status);
	}
	page_text(p, "Requests are read once a second: a step shorter than that may show none.");
	page_table(p, columns);
	doc_foreach_item (doc_get(d, "steps"), step) {
		const char *status = status_words(p, step);

		page_row(p, went_well(status) ? PAGE_PLAIN : PAGE_DOUBT, text_at(p, step, "id"),
			 text_at(p, step, "title"), status, text_at(p, step, "seconds"),
			 text_at(p, step, "requests.sent"), text_at(p, step, "requests.refused"),
			 text_at(p, step, "requests.failed"), NULL);
	}
}

/* --- the proof --- */

/* What connections were told apart by, so that a reader can count them. */
static void put_space(const struct doc *d, struct page *p)
{
	static const char *const columns[] = {"property that the rules name", ">values told apart",
					      NULL};

	if (!doc_len(doc_find(d, "equivalence.factors")))
		return;
	page_table(p, columns);
	doc_foreach_item (doc_find(d, "equivalence.properties"), v)
		page_row(p, PAGE_PLAIN, text_at(p, v, "name"), text_at(p, v, "classes"), NULL);
	page_text(
		p,
		"One value of each is \"anything that no rule names\". Together they make %s "
		"kinds of source (pods of each namespace, ServiceAccount and labels, at each kind "
		"of address, and what is outside pods), %s destinations and %s kinds of protocol "
		"with a port or a type: %s x %s x %s = %s.",
		text_at(p, d, "equivalence.factors[0].classes"),
		text_at(p, d, "equivalence.factors[1].classes"),
		text_at(p, d, "equivalence.factors[2].classes"),
		text_at(p, d, "equivalence.factors[0].classes"),
		text_at(p, d, "equivalence.factors[1].classes"),
		text_at(p, d, "equivalence.factors[2].classes"),
		text_at(p, d, "equivalence.product"));
}

static void put_equivalence(const struct doc *d, struct page *p)
{
	page_heading(p, "Proof");
	page_text(p,
		  "Before anything was changed, %s kinds of connection were compared, all that the "
		  "rules of either side can tell apart (exhaustive: %s): is each allowed by both "
		  "Istio and the new policies, or by neither? Differences: %s, of which allow more "
		  "than Istio did: %s. The same but for an accepted risk named above: %s.",
		  text_at(p, d, "equivalence.compared"), text_at(p, d, "equivalence.exhaustive"),
		  text_at(p, d, "equivalence.differences"), text_at(p, d, "equivalence.widening"),
		  text_at(p, d, "equivalence.approximated"));
	put_space(d, p);
}

static void put_blocked(const struct doc *d, struct page *p)
{
	static const char *const columns[] = {"namespace", "object", "where", "reason", NULL};

	page_heading(p, "Blocked, and why");
	if (!doc_len(doc_get(d, "blocked"))) {
		page_text(p, "Nothing.");
		return;
	}
	page_text(
		p,
		"Other namespaces of this cluster cannot move yet. They were refused before "
		"anything was changed, each with what stands in the way: a field of an object, a "
		"rule of the plan (MIG-...), or a narrowing: what Istio allows and the mesh would "
		"refuse.");
	page_table(p, columns);
	doc_foreach_item (doc_get(d, "blocked"), b)
		page_row(p, PAGE_PLAIN, text_at(p, b, "namespace"), text_at(p, b, "object"),
			 text_at(p, b, "path"), text_at(p, b, "reason"), NULL);
}

/* --- what sidecars cost --- */

static const struct {
	const char *name, *label;
} windows[] = {
	{"with_sidecars", "with sidecars"},
	{"without_sidecars", "without"},
	{"with_sidecars_again", "with them again"},
};

static void put_bars(const struct doc *d, struct page *p, const char *figure, const char *member,
		     const char *unit)
{
	for (size_t i = 0; i < ARRAY_SIZE(windows); i++) {
		const char *path =
			arena_printf(&p->arena, "%s.%s%s", figure, windows[i].name, member);
		const struct doc *v = doc_find(d, path);

		if (v && v->kind != DOC_NULL)
			page_bar(p, PAGE_PLAIN, windows[i].label, real_at(d, path), unit);
	}
}

static void put_costs(const struct doc *d, struct page *p)
{
	page_heading(p, "What the sidecars cost");
	page_text(p, "Memory of all pods (a pod is a program's running copy):");
	put_bars(d, p, "memory_mib", "", "MiB");
	page_text(p, "CPU time that all pods used in %.0f s:", real_at(d, "window_s"));
	put_bars(d, p, "cpu_seconds", "", "s");
	page_text(p,
		  "From a pod's creation until it is ready to serve, on average. The first pods "
		  "were all started at once, the others one after the other: compare \"without\" "
		  "and \"with them again\".");
	put_bars(d, p, "pod_start_s", "", "s");
	if (!doc_bool_or(doc_find(d, "latency_ms.comparable"), false)) {
		page_note(p, PAGE_DOUBT,
			  "No answering times are compared: this machine's CPU was saturated, or a "
			  "state was not measured.");
		return;
	}
	page_text(p, "Time until a request is answered, the median:");
	put_bars(d, p, "latency_ms", ".p50", "ms");
}

/* --- the details --- */

static enum page_mood edge_mood(const struct doc *edge)
{
	if (doc_find_int(edge, "requests.failed", 0))
		return PAGE_BAD;
	if (doc_find_int(edge, "requests.refused_missing", 0))
		return doc_find_int(edge, "let_through_before_change", 0) ? PAGE_DOUBT : PAGE_BAD;
	return PAGE_PLAIN;
}

static void put_edges(const struct doc *d, struct page *p)
{
	static const char *const columns[] = {"client",   "target",  "connection", "must",
					      ">sent",    ">ok",     ">refused",   ">got through",
					      ">by kill", ">failed", NULL};

	page_heading(p, "Every edge");
	page_text(
		p,
		"An edge is one client calling one target. Connection: \"fresh\" opens one for "
		"every request, \"kept\" uses one for many, \"hold\" holds one for its pod's whole "
		"life. \"_pods.\" in a target means: each pod's own address, past the service. "
		"What "
		"was on its way when the counting began ends in it, so that answers can be a few "
		"more than what was sent.");
	page_table(p, columns);
	doc_foreach_item (doc_get(d, "edges"), e)
		page_row(p, edge_mood(e), text_at(p, e, "client"), text_at(p, e, "target"),
			 text_at(p, e, "how"), text_at(p, e, "expect"),
			 text_at(p, e, "requests.sent"), text_at(p, e, "requests.ok"),
			 text_at(p, e, "requests.refused"),
			 text_at(p, e, "requests.refused_missing"),
			 text_at(p, e, "requests.by_kill"), text_at(p, e, "requests.failed"), NULL);
}

static const char *undone(struct page *p, const struct doc *d, const char *step)
{
	return doc_get(doc_get(d, "not_done"), step)
		       ? text_of(&p->arena, doc_get(doc_get(d, "not_done"), step))
		       : NULL;
}

static void put_upgrade(const struct doc *d, struct page *p)
{
	const char *why = undone(p, d, "upgrade");

	if (!doc_get(d, "upgrade") && !why)
		return;
	page_heading(p, "The mesh's own upgrade");
	if (why) {
		page_text(p, "Not done: %s.", why);
		return;
	}
	page_text(
		p,
		"While traffic ran the mesh went from %s to %s, one node after the other. Attempts "
		"that it took: %s. Of %s endpoints %s were built anew by the new release; %s "
		"connections were held meanwhile, and lost: %s.",
		text_at(p, d, "upgrade.from"), text_at(p, d, "upgrade.to"),
		text_at(p, d, "upgrade.attempts"), text_at(p, d, "upgrade.endpoints"),
		text_at(p, d, "upgrade.regenerated"), text_at(p, d, "upgrade.connections"),
		text_at(p, d, "upgrade.connections_lost"));
}

static void put_config(const struct doc *d, struct page *p)
{
	if (!doc_find(d, "config.revisions"))
		return;
	page_heading(p, "A configuration, changed and taken back");
	page_text(p,
		  "While traffic ran a configuration of the namespace was planned and applied, and "
		  "then changed. Somebody else wrote to it, too; fields that drift named: %s. The "
		  "way back would have overwritten that, and was refused until it was asked for by "
		  "name; conflicts: %s. Revisions in its history: %s. As it was before the change: "
		  "%s.",
		  text_at(p, d, "config.drifted"), text_at(p, d, "config.conflicts"),
		  text_at(p, d, "config.revisions"), text_at(p, d, "config.rolled_back"));
}

static void put_runbooks(const struct doc *list, struct page *p)
{
	static const char *const columns[] = {"runbook", "asked after", "outcome",
					      ">exit",   "which says",  NULL};

	if (!doc_len(list))
		return;
	page_text(
		p,
		"After each a runbook, which only reads, looked for what it had left behind. Exit "
		"5 means that something could not be determined.");
	page_table(p, columns);
	doc_foreach_item (list, r)
		page_row(p, PAGE_PLAIN, text_at(p, r, "id"), text_at(p, r, "after"),
			 text_at(p, r, "outcome"), text_at(p, r, "exit"), text_at(p, r, "cause"),
			 NULL);
	doc_foreach_item (list, r) {
		doc_foreach_item (doc_get(r, "doubts"), why)
			page_text(p, "After %s it could not tell: %s", text_at(p, r, "after"),
				  text_of(&p->arena, why));
	}
}

static void put_bad_releases(const struct doc *d, struct page *p)
{
	static const char *const columns[] = {
		"release with a defect", "stopped at",        "by gate", "rolled back",
		">requests failed",      ">connections lost", NULL};
	const struct doc *bad = doc_get(d, "bad_releases");
	const char *why = undone(p, d, "bad-releases");

	if (!doc_len(bad) && !why)
		return;
	page_heading(p, "Bad releases");
	if (why) {
		page_text(p, "Not done: %s.", why);
		return;
	}
	page_text(p, "Releases with a defect were tried, too. Each must be stopped at the first "
		     "node (steps U8 and U9) and be undone without anybody's help.");
	page_table(p, columns);
	doc_foreach_item (bad, b)
		page_row(p, doc_bool_or(doc_get(b, "rolled_back"), false) ? PAGE_PLAIN : PAGE_BAD,
			 text_at(p, b, "defect"), text_at(p, b, "stopped_at"),
			 text_at(p, b, "stopped_by"), text_at(p, b, "rolled_back"),
			 text_at(p, b, "requests_failed"), text_at(p, b, "connections_lost"), NULL);
	put_runbooks(doc_get(d, "runbooks"), p);
}

static const char *after(struct page *p, const struct doc *kill, const char *key)
{
	const struct doc *v = doc_get(kill, key);

	return v && v->kind != DOC_NULL ? arena_printf(&p->arena, "%s s", text_of(&p->arena, v))
					: "-";
}

static void put_kills(const struct doc *kills, struct page *p)
{
	static const char *const columns[] = {"killed",
					      "pod",
					      "by",
					      ">at second",
					      ">out of the endpoints after",
					      ">Ready after",
					      ">requests taken",
					      ">connections taken",
					      NULL};
	auto_release(strbuf) struct strbuf names = STRBUF_INIT;

	if (!doc_len(kills))
		return;
	page_heading(p, "Processes killed");
	/* Those of pods come first. */
	if (doc_get(doc_at(kills, 0), "pod"))
		page_table(p, columns);
	doc_foreach_item (kills, k) {
		if (!doc_get(k, "pod")) {
			strbuf_addf(&names, "%s%s", names.len ? ", " : "", text_at(p, k, "what"));
			continue;
		}
		page_row(p, PAGE_PLAIN, text_at(p, k, "what"), text_at(p, k, "pod"),
			 text_at(p, k, "by"), text_at(p, k, "at"),
			 after(p, k, "out_of_endpoints_after_s"), after(p, k, "ready_after_s"),
			 text_at(p, k, "requests"), text_at(p, k, "connections"), NULL);
	}
	if (names.len)
		page_text(p, "Of our own programs, in this order: %s.", strbuf_cstr(&names));
}

static void put_end(const struct doc *d, struct page *p)
{
	page_heading(p, "Evidence");
	page_text(p, "What each program printed, in the folder of this report:");
	doc_foreach_item (doc_get(d, "evidence"), e)
		page_text(p, "%s", text_of(&p->arena, e));
	page_heading(p, "Not covered here");
	page_text(
		p,
		"Phase 1 of the guide, replacing the network plugin (CNI) that a cluster has, is "
		"not part of this story. Neither are rules about the content of requests (layer 7: "
		"methods, paths, headers), mutual authentication, and encryption of the wire.");
}

void story_page(const struct doc *d, struct page *p)
{
	page_init(p, "One namespace leaves Istio, and comes back", NULL);
	p->subtitle = arena_printf(&p->arena, "Namespace %s, %s nodes on one machine, %.10s",
				   text_at(p, d, "namespace"), text_at(p, d, "nodes"),
				   text_at(p, d, "began"));
	put_verdict(d, p);
	put_figures(d, p);
	put_waivers(d, p);
	put_istio(d, p);
	doc_foreach_entry (doc_get(d, "not_done"), e)
		page_note(p, PAGE_DOUBT, "Not done, %s: %s.", e->key, text_of(&p->arena, e->value));
	put_steps(d, p);
	put_equivalence(d, p);
	put_blocked(d, p);
	put_costs(d, p);
	put_upgrade(d, p);
	put_config(d, p);
	put_bad_releases(d, p);
	put_edges(d, p);
	put_kills(doc_get(d, "kills"), p);
	put_end(d, p);
}
