/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every field of every Istio object that concerns the namespace, classified. Its kind's
 * table (translate_tables.c) says what a field becomes; a field that no row names is blocked,
 * because nobody has thought about it.
 */
#include <string.h>

#include "lib/base/str.h"
#include "lib/istio/host.h"
#include "migrate/translate_fields_internal.h"

const char *object_label(struct arena *a, const struct object_meta *m)
{
	return arena_printf(a, "%s/%s/%s", m->kind, m->namespace ? m->namespace : "default",
			    m->name);
}

void field_add(struct translator *t, const char *object, const char *path, enum field_class class,
	       const char *waiver, const struct doc *node, const char *fmt, ...)
{
	struct translation *out = t->out;
	struct field_verdict *f;
	const char *where = node ? doc_where(t->arena, node) : "";
	va_list ap;

	if (out->n_fields == t->fields_cap) {
		struct field_verdict *more;

		t->fields_cap = t->fields_cap ? t->fields_cap * 2 : 64;
		more = arena_array(t->arena, t->fields_cap, struct field_verdict);
		if (out->n_fields)
			memcpy(more, out->fields, out->n_fields * sizeof(*more));
		out->fields = more;
	}
	f = &out->fields[out->n_fields++];
	va_start(ap, fmt);
	*f = (struct field_verdict){
		.namespace = t->namespace,
		.object = object,
		.path = path,
		.class = class,
		.reason = arena_vprintf(t->arena, fmt, ap),
		.waiver = waiver,
		.where = *where ? where : NULL,
	};
	va_end(ap);
	out->n_blocked += class == FIELD_BLOCKED;
}

/* --- walking -------------------------------------------------------------------------------- */

/* "rules[3].to" against "rules[].to". */
static bool fits(const char *pattern, const char *path)
{
	while (*pattern) {
		if (str_eq(pattern, "..."))
			return true;
		if (str_starts(pattern, "[]") && *path == '[') {
			pattern += 2;
			path = strchr(path, ']') + 1;
			continue;
		}
		if (*pattern == '*' && *path && *path != '.') {
			pattern++;
			if (*path == '[') /* a quoted key */
				path = strchr(path, ']') + 1;
			else
				path += strcspn(path, ".[");
			continue;
		}
		if (*pattern != *path)
			return false;
		pattern++;
		path++;
	}
	return *path == '\0';
}

/* A list of plain values is one field. */
static bool is_leaf(const struct doc *d)
{
	if (!d || d->kind != DOC_LIST)
		return !d || d->kind != DOC_MAP || doc_len(d) == 0;
	doc_foreach_item (d, item)
		if (item->kind == DOC_MAP || item->kind == DOC_LIST)
			return false;
	return true;
}

static void judge(struct walk *w, const char *path, const struct doc *node)
{
	const struct field_row *rows = w->table->rows;
	const char *full = arena_printf(w->t->arena, "spec.%s", path);

	for (size_t i = 0; i < w->table->n; i++) {
		if (!fits(rows[i].pattern, path))
			continue;
		if (rows[i].look && rows[i].look(w, &rows[i], full, node))
			return;
		field_add(w->t, w->object, full, rows[i].class, rows[i].waiver, node, "%s",
			  rows[i].reason);
		return;
	}
	field_add(w->t, w->object, full, FIELD_BLOCKED, NULL, node,
		  "this field is not known to the translator");
}

static void visit(struct walk *w, const char *path, const struct doc *node)
{
	struct arena *a = w->t->arena;

	if (is_leaf(node)) {
		if (*path)
			judge(w, path, node);
		return;
	}
	if (node->kind == DOC_LIST) {
		for (size_t i = 0; i < doc_len(node); i++)
			visit(w, arena_printf(a, "%s[%zu]", path, i), doc_at(node, i));
		return;
	}
	doc_foreach_entry (node, e)
		visit(w,
		      strpbrk(e->key, "./[") ? arena_printf(a, "%s['%s']", path, e->key)
		      : *path                ? arena_printf(a, "%s.%s", path, e->key)
					     : e->key,
		      e->value);
}

static void walk(struct translator *t, const struct object_meta *meta,
		 const struct field_table *table)
{
	struct walk w = {
		.t = t, .object = object_label(t->arena, meta), .meta = meta, .table = table};

	if (doc_len(doc_get(meta->raw, "spec")) > 0)
		visit(&w, "", doc_get(meta->raw, "spec"));
	else if (table == &fields_blocked || table == &fields_destination ||
		 table == &fields_virtual)
		field_add(t, w.object, "spec", FIELD_BLOCKED, NULL, meta->raw,
			  "Istio refuses this: a spec is required");
	else
		field_add(t, w.object, "spec", FIELD_EXACT, NULL, NULL,
			  "it says nothing (an AuthorizationPolicy then allows nothing)");
}

/* --- which objects concern the namespace ---------------------------------------------------- */

static bool own(const struct translator *t, const struct object_meta *m)
{
	return str_eq(m->namespace ? m->namespace : "default", t->namespace);
}

static bool own_or_root(const struct translator *t, const struct object_meta *m)
{
	return own(t, m) || str_eq(m->namespace, t->mesh->config.root_namespace);
}

/* host (as an object of meta writes it) may be a Service of the namespace. */
static bool speaks_of_ours(struct translator *t, const struct object_meta *meta, const char *host)
{
	const char *pattern = istio_host_fqdn(t->arena, str_or_empty(host), meta->namespace,
					      t->mesh->config.domain_suffix);

	for (size_t i = 0; i < t->mesh->n_services; i++) {
		const struct service *s = &t->mesh->services[i];

		if (str_eq(s->meta.namespace, t->namespace) &&
		    istio_host_matches(pattern,
				       istio_service_fqdn(t->arena, s->meta.name, t->namespace,
							  t->mesh->config.domain_suffix)))
			return true;
	}
	return false;
}

static void policies(struct translator *t)
{
	const struct istio_mesh *m = t->mesh;

	for (size_t i = 0; i < m->n_peer_authentications; i++)
		if (own_or_root(t, &m->peer_authentications[i].meta))
			walk(t, &m->peer_authentications[i].meta, &fields_peer);
	for (size_t i = 0; i < m->n_authorization_policies; i++) {
		const struct istio_authorization_policy *p = &m->authorization_policies[i];

		if (!own_or_root(t, &p->meta))
			continue;
		if (p->dry_run)
			field_add(t, object_label(t->arena, &p->meta), "metadata.annotations",
				  FIELD_APPROXIMATED, NULL, NULL,
				  "a dry run decides nothing and is left out");
		else if (p->action == ACTION_AUDIT)
			walk(t, &p->meta, &fields_audit);
		else
			walk(t, &p->meta, &fields_authorization);
	}
}

static void routes(struct translator *t)
{
	const struct istio_mesh *m = t->mesh;

	for (size_t i = 0; i < m->n_destination_rules; i++) {
		const struct istio_destination_rule *dr = &m->destination_rules[i];

		if (own(t, &dr->meta) || speaks_of_ours(t, &dr->meta, dr->host))
			walk(t, &dr->meta, &fields_destination);
	}
	for (size_t i = 0; i < m->n_virtual_services; i++) {
		const struct istio_virtual_service *vs = &m->virtual_services[i];
		bool ours = own(t, &vs->meta);

		for (size_t k = 0; k < vs->hosts.n && !ours; k++)
			ours = speaks_of_ours(t, &vs->meta, vs->hosts.items[k]);
		if (ours)
			walk(t, &vs->meta, &fields_virtual);
	}
}

static void others(struct translator *t)
{
	static const struct {
		const char *kind;
		const struct field_table *table;
	} kinds[] = {
		{"Sidecar", &fields_sidecar},
		{"Telemetry", &fields_telemetry},
	};

	for (size_t i = 0; i < t->mesh->n_others; i++) {
		const struct istio_other *o = &t->mesh->others[i];
		const struct field_table *table = &fields_blocked;

		if (!own_or_root(t, &o->meta))
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
			if (str_eq(o->meta.kind, kinds[k].kind))
				table = kinds[k].table;
		walk(t, &o->meta, table);
	}
}

/* Objects that could not be read, or say something that nobody knows. */
static void problems(struct translator *t)
{
	for (size_t i = 0; i < t->mesh->n_problems; i++) {
		const struct istio_problem *p = &t->mesh->problems[i];
		const char *ns = doc_find_str(p->object, "metadata.namespace");
		const struct doc *at = *p->path ? doc_find(p->object, p->path) : NULL;
		const char *before = "", *after = " outside of spec; an API server would drop it";

		if (!istio_problem_concerns(t->mesh, p, t->namespace))
			continue;
		if (!*p->path)
			before = "the object cannot be read: ";
		if (!*p->path || p->refused || str_starts(p->path, "data."))
			after = "";
		field_add(t,
			  arena_printf(t->arena, "%s/%s%s%s",
				       str_or_empty(doc_find_str(p->object, "kind")),
				       str_or_empty(ns), ns ? "/" : "",
				       str_or_empty(doc_find_str(p->object, "metadata.name"))),
			  p->path, FIELD_BLOCKED, NULL, at ? at : p->object, "%s%s%s", before,
			  p->message, after);
	}
}

void translate_fields(struct translator *t)
{
	unwritten_enforcement(t);
	problems(t);
	policies(t);
	routes(t);
	others(t);
	unwritten_rest(t);
}
