/* SPDX-License-Identifier: Apache-2.0 */
/* A comparison for people, for programs and for CI. What is printed has been redacted before. */
#include <string.h>

#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/diff/lines.h"
#include "lib/report/page.h"
#include "lib/report/report.h"
#include "upgrade/config.h"
#include "upgrade/config_effect.h"

struct printer {
	struct arena arena;
	const struct config_scene *scene;
	size_t context_lines;
};

/* One of a class, and several. */
static const char *const words[DIFF_CLASS_COUNT][2] = {
	[DIFF_CHANGE] = {"change", "changes"},
	[DIFF_DRIFT] = {"drift", "drifts"},
	[DIFF_CONFLICT] = {"conflict", "conflicts"},
	[DIFF_ADOPT] = {"to adopt", "to adopt"},
	[DIFF_APPLIED] = {"already as wanted", "already as wanted"},
	[DIFF_THEIRS] = {"kept by somebody else", "kept by somebody else"},
};

/* "2 changes, 1 drift" of an object, or of all (NULL); "" when there is nothing. */
static const char *counts(struct printer *p, const struct diff_object *o, bool pending)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	for (enum diff_class c = 0; c < DIFF_CLASS_COUNT; c++) {
		size_t n = o ? 0 : diff_count(&p->scene->diff, c);

		for (size_t i = 0; o && i < o->n; i++)
			n += o->changes[i].class == c;
		if (n && diff_class_pending(c) == pending)
			strbuf_addf(&sb, "%s%zu %s", sb.len ? ", " : "", n, words[c][n != 1]);
	}
	return arena_strdup(&p->arena, strbuf_cstr(&sb));
}

static const char *summary(struct printer *p)
{
	const struct diff *d = &p->scene->diff;
	const char *left = counts(p, NULL, false);
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		n += diff_object_pending(&d->objects[i]);
	return arena_printf(&p->arena, "%zu of %zu object%s differ%s%s%s%s%s", n, d->n,
			    d->n == 1 ? "" : "s", n == 1 ? "s" : "", n ? ": " : "",
			    counts(p, NULL, true), left[0] ? "; nothing to do: " : "", left);
}

#define VALUE_SHOWN 60
/* A value on one line, short. */
static const char *value(struct printer *p, const struct doc *d)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	if (!d)
		return "(absent)";
	doc_write_json(d, DOC_COMPACT, &sb);
	if (sb.len > VALUE_SHOWN)
		return arena_printf(&p->arena, "%.*s...", VALUE_SHOWN, sb.buf);
	return arena_strdup(&p->arena, sb.buf);
}

static const char *field(struct printer *p, const struct diff_change *c)
{
	return c->path ? diff_path_text(&p->arena, c->path) : "(the object)";
}

static const char *from_to(struct printer *p, const struct diff_change *c)
{
	if (!c->path)
		return c->op == DIFF_ADD ? "made anew" : c->op == DIFF_REMOVE ? "deleted" : "gone";
	return arena_printf(&p->arena, "%s -> %s", value(p, c->live), value(p, c->desired));
}

static const char *by(struct printer *p, const struct diff_change *c)
{
	if (!c->owner.manager)
		return "";
	return arena_printf(&p->arena, "%s%s%s", c->owner.manager, c->owner.time ? " at " : "",
			    str_or_empty(c->owner.time));
}

static const char *yaml(struct printer *p, const struct doc *d)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	if (d)
		doc_write_yaml(d, &sb);
	return arena_strdup(&p->arena, strbuf_cstr(&sb));
}

/* The object as it is and as an apply would leave it, in hunks. */
static void hunks(struct printer *p, const struct diff_object *o, struct strbuf *out)
{
	const struct doc *before = o->live ? diff_view(&p->arena, o->live) : NULL;
	const struct doc *after = diff_apply(&p->arena, o);
	const char *ref = diff_object_ref(&p->arena, o);

	if (before)
		strbuf_addf(out, "--- %s/%s\n", p->scene->live_name, ref);
	else
		strbuf_adds(out, "--- /dev/null\n");
	if (after)
		strbuf_addf(out, "+++ wanted/%s\n", ref);
	else
		strbuf_adds(out, "+++ /dev/null\n");
	lines_diff(yaml(p, before), yaml(p, after), p->context_lines, out);
}

/* Each effect that the object's changes have, once. */
static void print_effects(const struct diff_object *o, struct strbuf *out)
{
	bool has[CONFIG_EFFECT_COUNT] = {false};

	for (size_t i = 0; i < o->n; i++)
		has[config_effect_of(o, &o->changes[i])] = true;
	for (enum config_effect e = EFFECT_NONE + 1; e < CONFIG_EFFECT_COUNT; e++)
		if (has[e])
			strbuf_addf(out, "# effect: %s (%s)\n", config_effect_name(e),
				    config_effect_what(e));
}

static void print_diff(struct printer *p, struct strbuf *out)
{
	const struct diff *d = &p->scene->diff;

	for (size_t i = 0; i < d->n; i++) {
		const struct diff_object *o = &d->objects[i];

		if (!diff_object_pending(o))
			continue;
		strbuf_addf(out, "# %s: %s\n", diff_object_ref(&p->arena, o), counts(p, o, true));
		for (size_t j = 0; j < o->n; j++) {
			const struct diff_change *c = &o->changes[j];
			const char *who = by(p, c);

			/* A change of ours needs no words: the hunk says it. */
			if (c->class != DIFF_CHANGE)
				strbuf_addf(out, "# %s %s%s%s (%s)\n", diff_class_name(c->class),
					    field(p, c), who[0] ? ", last written by " : "", who,
					    diff_class_meaning(c->class));
		}
		print_effects(o, out);
		hunks(p, o, out);
	}
	strbuf_addf(out, "# %s\n", summary(p));
}

static void set_if(struct arena *a, struct doc *map, const char *key, const struct doc *d)
{
	if (d)
		doc_set(a, map, key, doc_clone(a, d));
}

static struct doc *change_doc(struct printer *p, const struct diff_object *o,
			      const struct diff_change *c)
{
	const enum config_effect effect = config_effect_of(o, c);
	struct arena *a = &p->arena;
	struct doc *d = doc_map(a);

	doc_set_string(a, d, "class", diff_class_name(c->class));
	doc_set_string(a, d, "op", diff_op_name(c->op));
	doc_set_string(a, d, "path", diff_path_text(a, c->path));
	if (diff_class_pending(c->class)) {
		doc_set_string(a, d, "effect", config_effect_name(effect));
		doc_set_string(a, d, "risk", config_effect_risk(effect));
	}
	set_if(a, d, "applied", c->applied);
	set_if(a, d, "live", c->live);
	set_if(a, d, "desired", c->desired);
	if (c->owner.manager) {
		struct doc *owner = doc_set_map(a, d, "owner");

		doc_set_string(a, owner, "manager", c->owner.manager);
		doc_set_string(a, owner, "operation", c->owner.operation);
		doc_set_string(a, owner, "subresource", c->owner.subresource);
		doc_set_string(a, owner, "time", c->owner.time);
	}
	return d;
}

static struct doc *object_doc(struct printer *p, const struct diff_object *o)
{
	struct arena *a = &p->arena;
	struct doc *d = doc_map(a), *changes;

	doc_set_string(a, d, "apiVersion", o->api_version);
	doc_set_string(a, d, "kind", o->kind);
	if (o->namespace[0])
		doc_set_string(a, d, "namespace", o->namespace);
	doc_set_string(a, d, "name", o->name);
	if (o->where[0])
		doc_set_string(a, d, "where", o->where);
	doc_set_bool(a, d, "pending", diff_object_pending(o));
	changes = doc_set_list(a, d, "changes");
	for (size_t i = 0; i < o->n; i++)
		doc_append(a, changes, change_doc(p, o, &o->changes[i]));
	return d;
}

/* Objects without a change are only counted. */
static struct doc *diff_doc(struct printer *p)
{
	const struct diff *d = &p->scene->diff;
	struct arena *a = &p->arena;
	struct doc *top = doc_map(a), *summed, *objects;

	doc_set_string(a, top, "apiVersion", "sidestep.dev/v1alpha1");
	doc_set_string(a, top, "kind", "ConfigDiff");
	doc_set_bool(a, top, "pending", diff_pending(d));
	doc_set_int(a, top, "compared", (int64_t)d->n);
	summed = doc_set_map(a, top, "summary");
	for (enum diff_class c = 0; c < DIFF_CLASS_COUNT; c++)
		doc_set_int(a, summed, diff_class_name(c), (int64_t)diff_count(d, c));
	objects = doc_set_list(a, top, "objects");
	for (size_t i = 0; i < d->n; i++)
		if (d->objects[i].n)
			doc_append(a, objects, object_doc(p, &d->objects[i]));
	return top;
}

static void print_junit(struct printer *p, struct strbuf *out)
{
	const struct diff *d = &p->scene->diff;
	struct report r;

	report_init(&r, "sidestep-config", "Configuration", clock_system());
	for (size_t i = 0; i < d->n; i++) {
		const struct diff_object *o = &d->objects[i];
		const bool pending = diff_object_pending(o);
		auto_release(strbuf) struct strbuf what = STRBUF_INIT;

		for (size_t j = 0; j < o->n; j++)
			if (diff_class_pending(o->changes[j].class))
				strbuf_addf(&what, "%s%s %s", what.len ? "; " : "",
					    diff_class_name(o->changes[j].class),
					    field(p, &o->changes[j]));
		report_add_free(&r, "config-diff", "is as wanted", o->kind, SEVERITY_ERROR,
				pending ? FINDING_FAIL : FINDING_PASS,
				diff_object_ref(&p->arena, o), "%s",
				pending ? strbuf_cstr(&what) : "as wanted");
	}
	report_finish(&r);
	report_render(&r, REPORT_JUNIT, out);
	report_release(&r);
}

static enum page_mood mood_of(enum diff_class c)
{
	if (!diff_class_pending(c))
		return PAGE_QUIET;
	return c == DIFF_CHANGE ? PAGE_PLAIN : c == DIFF_CONFLICT ? PAGE_BAD : PAGE_DOUBT;
}

static void make_page(struct printer *p, struct page *page, bool with_hunks)
{
	static const char *const columns[] = {
		"object", "what", "field", "live -> wanted", "effect", "last written by", NULL};
	const struct diff *d = &p->scene->diff;

	page_init(page, "Configuration: what differs", p->scene->live_name);
	page_verdict(page, diff_pending(d) ? PAGE_DOUBT : PAGE_GOOD, "%s.", summary(p));
	page_table(page, columns);
	for (size_t i = 0; i < d->n; i++)
		for (size_t j = 0; j < d->objects[i].n; j++) {
			const struct diff_change *c = &d->objects[i].changes[j];

			page_row(page, mood_of(c->class),
				 diff_object_ref(&p->arena, &d->objects[i]),
				 diff_class_name(c->class), field(p, c), from_to(p, c),
				 config_effect_name(config_effect_of(&d->objects[i], c)), by(p, c),
				 NULL);
		}
	for (size_t i = 0; with_hunks && i < d->n; i++) {
		auto_release(strbuf) struct strbuf text = STRBUF_INIT;

		if (!diff_object_pending(&d->objects[i]))
			continue;
		hunks(p, &d->objects[i], &text);
		page_heading(page, "%s", diff_object_ref(&p->arena, &d->objects[i]));
		page_code(page, strbuf_cstr(&text));
	}
}

static void print_page(struct printer *p, enum config_format format, struct strbuf *out)
{
	struct page page;

	make_page(p, &page, format != CONFIG_TABLE);
	if (format == CONFIG_HTML)
		page_render_html(&page, out);
	else if (format == CONFIG_MARKDOWN)
		page_render_markdown(&page, out);
	else
		page_render_text(&page, out);
	page_release(&page);
}

void config_print(const struct config_scene *s, enum config_format format, size_t context_lines,
		  struct strbuf *out)
{
	struct printer p = {.scene = s, .context_lines = context_lines};

	switch (format) {
	case CONFIG_DIFF:
		print_diff(&p, out);
		break;
	case CONFIG_JSON:
		doc_write_json(diff_doc(&p), DOC_PRETTY, out);
		strbuf_addc(out, '\n');
		break;
	case CONFIG_YAML:
		doc_write_yaml(diff_doc(&p), out);
		break;
	case CONFIG_JUNIT:
		print_junit(&p, out);
		break;
	case CONFIG_TABLE:
	case CONFIG_MARKDOWN:
	case CONFIG_HTML:
		print_page(&p, format, out);
		break;
	}
	arena_release(&p.arena);
}
