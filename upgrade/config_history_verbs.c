/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs that tell what was applied: history, show, fsck. */
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/report/report.h"
#include "lib/run/print.h"
#include "upgrade/config.h"
#include "upgrade/config_history.h"

static const char *when_text(struct arena *a, int64_t when_s)
{
	char text[CLOCK_RFC3339_SIZE];

	return arena_strdup(a, clock_rfc3339(when_s * (int64_t)NS_PER_S, 0, text));
}

static struct doc *revision_doc(struct arena *a, const struct store_revision *r)
{
	struct doc *d = doc_map(a);

	doc_set_int(a, d, "revision", r->number);
	doc_set_string(a, d, "name", r->name);
	doc_set_string(a, d, "id", r->id);
	doc_set_string(a, d, "when", when_text(a, r->note.when_s));
	doc_set_string(a, d, "who", r->note.who);
	doc_set_string(a, d, "email", r->note.email);
	doc_set_string(a, d, "why", r->note.why);
	doc_set_string(a, d, "run", r->note.run);
	return d;
}

static void history_page(struct page *page, const struct config_place *p, const struct doc *list)
{
	static const char *const columns[] = {">revision", "name", "when", "who",
					      "why",       "run",  NULL};

	page_init(page, "Configuration", p->name);
	if (!doc_len(list)) {
		page_text(page, "Nothing was applied yet.");
		return;
	}
	page_table(page, columns);
	doc_foreach_item (list, d)
		page_row(page, PAGE_PLAIN,
			 arena_printf(&page->arena, "%lld",
				      (long long)doc_find_int(d, "revision", 0)),
			 str_or_empty(doc_find_str(d, "name")), doc_find_str(d, "when"),
			 doc_find_str(d, "who"), str_or_empty(doc_find_str(d, "why")),
			 str_or_empty(doc_find_str(d, "run")), NULL);
}

static int print_history(const struct cli_call *call, struct config_place *p, struct error *err)
{
	const struct config_history_opts *o = call->opts;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct store_revision *list;
	struct doc *d = doc_list(p->arena);
	struct page page;
	size_t n;
	int r = store_history(p->store, p->arena, &list, &n, err);

	if (r)
		return r;
	for (size_t i = 0; i < n; i++)
		doc_append(p->arena, d, revision_doc(p->arena, &list[i]));
	history_page(&page, p, d);
	print_format((enum print_format)o->output, d, &page, &out);
	page_release(&page);
	return print_text(call->out, NULL, &out, err);
}

/* The manifests, with what the revision is in front as comments. */
static void show_yaml(struct config_place *p, const struct store_revision *r,
		      const struct snapshot *set, struct strbuf *out)
{
	strbuf_addf(out, "# revision %u%s%s of configuration %s, %s\n", r->number,
		    r->name ? ", " : "", str_or_empty(r->name), p->name, r->id);
	strbuf_addf(out, "# %s, %s%s%s\n", when_text(p->arena, r->note.when_s), r->note.who,
		    r->note.run ? ", run " : "", str_or_empty(r->note.run));
	for (const char *line = r->note.why; *line;) {
		const size_t n = strcspn(line, "\n");

		strbuf_addf(out, "# %.*s\n", (int)n, line);
		line += n + (line[n] != '\0');
	}
	for (size_t i = 0; i < set->n; i++) {
		strbuf_adds(out, "---\n");
		doc_write_yaml(set->items[i], out);
	}
}

static void show_json(struct config_place *p, const struct store_revision *r,
		      const struct snapshot *set, struct strbuf *out)
{
	struct arena *a = p->arena;
	struct doc *d = doc_map(a), *items;

	doc_set_string(a, d, "apiVersion", "v1");
	doc_set_string(a, d, "kind", "List");
	doc_set(a, d, "revision", revision_doc(a, r));
	items = doc_set_list(a, d, "items");
	for (size_t i = 0; i < set->n; i++)
		doc_append(a, items, set->items[i]);
	doc_write_json(d, DOC_PRETTY, out);
	strbuf_addc(out, '\n');
}

static int print_revision(const struct cli_call *call, struct config_place *p, struct error *err)
{
	const struct config_history_opts *o = call->opts;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct store_revision revision;
	struct snapshot set;
	int r = store_find(p->store, p->arena, call->args[0], &revision, err);

	if (r)
		return r;
	snapshot_init(&set, p->arena);
	r = config_history_read(p, &revision, &set, NULL, err);
	if (!r && o->output)
		show_json(p, &revision, &set, &out);
	else if (!r)
		show_yaml(p, &revision, &set, &out);
	snapshot_release(&set);
	return r ? r : print_text(call->out, NULL, &out, err);
}

static int print_fsck(const struct cli_call *call, struct config_place *p, struct error *err)
{
	const struct config_history_opts *o = call->opts;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct report report;
	int r;

	report_init(&report, "sidestep-config", "History of a configuration", clock_system());
	r = config_history_fsck(p, &report, err);
	if (!r) {
		report_finish(&report);
		report_render(&report, (enum report_format)o->output, &out);
		r = print_text(call->out, NULL, &out, err);
	}
	if (!r)
		r = (int)report_verdict(&report, SEVERITY_ERROR);
	report_release(&report);
	return r;
}

static int with_place(const struct cli_call *call, bool no_pull,
		      int (*fn)(const struct cli_call *, struct config_place *, struct error *),
		      struct error *err)
{
	const struct config_history_opts *o = call->opts;
	struct config_where_options where = o->where;
	struct config_where w;
	int r;

	if (where.place.repository && (where.kubeconfig || where.context))
		return cli_usage(call, "--repository asks no cluster: leave out --kubeconfig and "
				       "--context");
	where.place.no_pull = no_pull;
	r = config_where_open(&w, &where, err);
	if (r)
		return r;
	r = fn(call, &w.place, err);
	config_where_release(&w);
	return r;
}

int verb_history(const struct cli_call *call, struct error *err)
{
	return with_place(call, false, print_history, err);
}

int verb_show(const struct cli_call *call, struct error *err)
{
	return with_place(call, false, print_revision, err);
}

int verb_fsck(const struct cli_call *call, struct error *err)
{
	return with_place(call, true, print_fsck, err);
}
