/* SPDX-License-Identifier: Apache-2.0 */
#include "migrate/translate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "migrate/translate_internal.h"

const char *field_class_name(enum field_class c)
{
	static const char *const names[] = {
#define FIELD_CLASS_NAME(symbol, name) [symbol] = (name),
		FIELD_CLASSES(FIELD_CLASS_NAME)
#undef FIELD_CLASS_NAME
	};

	return names[c];
}

static void read_pod_cidrs(struct translator *t)
{
	t->pod_cidrs =
		arena_array(t->arena, t->mesh->n_pod_cidrs + t->mesh->n_pods + 1, struct net_cidr);
	for (size_t i = 0; i < t->mesh->n_pod_cidrs; i++)
		if (net_cidr_parse(t->mesh->pod_cidrs[i], &t->pod_cidrs[t->n_pod_cidrs], NULL) == 0)
			t->n_pod_cidrs++;
	for (size_t i = 0; i < t->mesh->n_pods; i++) {
		const char *ip = t->mesh->pods[i].pod->pod_ip;

		if (ip && !t->mesh->pods[i].host_network &&
		    net_cidr_parse(ip, &t->pod_cidrs[t->n_pod_cidrs], NULL) == 0)
			t->n_pod_cidrs++;
	}
}

static int by_policy_name(const void *a, const void *b)
{
	return str_cmp(doc_find_str(*(struct doc *const *)a, "metadata.name"),
		       doc_find_str(*(struct doc *const *)b, "metadata.name"));
}

/* Something is known of the namespace: itself, or an object in it. */
static bool exists(const struct istio_mesh *m, const char *ns)
{
	bool found = istio_mesh_namespace(m, ns) != NULL;

	for (size_t i = 0; i < m->n_templates && !found; i++)
		found = str_eq(m->templates[i].namespace, ns);
	for (size_t i = 0; i < m->n_services && !found; i++)
		found = str_eq(m->services[i].meta.namespace, ns);
	for (size_t i = 0; i < m->n_authorization_policies && !found; i++)
		found = str_eq(m->authorization_policies[i].meta.namespace, ns);
	for (size_t i = 0; i < m->n_peer_authentications && !found; i++)
		found = str_eq(m->peer_authentications[i].meta.namespace, ns);
	for (size_t i = 0; i < m->n_destination_rules && !found; i++)
		found = str_eq(m->destination_rules[i].meta.namespace, ns);
	for (size_t i = 0; i < m->n_virtual_services && !found; i++)
		found = str_eq(m->virtual_services[i].meta.namespace, ns);
	for (size_t i = 0; i < m->n_others && !found; i++)
		found = str_eq(m->others[i].meta.namespace, ns);
	for (size_t i = 0; i < m->n_problems && !found; i++)
		found = str_eq(doc_find_str(m->problems[i].object, "metadata.namespace"), ns);
	return found;
}

int translate_namespace(struct translation *ret, struct arena *a, const struct istio_mesh *m,
			const char *ns, struct error *err)
{
	struct translator t = {.arena = a, .mesh = m, .namespace = ns, .out = ret};
	struct pod_class *classes;
	size_t n;

	memset(ret, 0, sizeof(*ret));
	ret->namespace = ns;
	if (str_empty(ns))
		return error_set(err, -EINVAL, "no namespace given");
	if (!exists(m, ns))
		return error_set(err, -ENOENT, "there is no namespace %s", ns);
	sources_mesh(a, m, &t.members);
	read_pod_cidrs(&t);
	translate_fields(&t);
	if (pod_classes(&t, &classes, &n)) {
		for (size_t i = 0; i < n; i++)
			translate_class(&t, &classes[i]);
	} else {
		field_add(&t, arena_printf(a, "Namespace/%s", ns), "selectors", FIELD_BLOCKED, NULL,
			  NULL, "its selectors overlap in more than %u ways",
			  TRANSLATE_MAX_CLASSES);
	}
	if (ret->n_policies > 1)
		qsort(ret->policies, ret->n_policies, sizeof(ret->policies[0]), by_policy_name);
	sources_release(&t.members);
	return 0;
}

/* --- printing ------------------------------------------------------------------------------- */

static size_t count(const struct translation *t, enum field_class c)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_fields; i++)
		n += t->fields[i].class == c;
	return n;
}

struct doc *translation_doc(struct arena *a, const struct translation *t)
{
	static const enum field_class classes[] = {FIELD_EXACT, FIELD_APPROXIMATED, FIELD_BLOCKED,
						   FIELD_IMPLICIT};
	struct doc *d = doc_map(a), *counts, *list;

	doc_set_string(a, d, "namespace", t->namespace);
	counts = doc_set_map(a, d, "fields");
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
		doc_set_int(a, counts, field_class_name(classes[i]), (int64_t)count(t, classes[i]));
	list = doc_set_list(a, d, "verdicts");
	for (size_t i = 0; i < t->n_fields; i++) {
		const struct field_verdict *f = &t->fields[i];
		struct doc *v = doc_append(a, list, doc_map(a));

		doc_set_string(a, v, "namespace", f->namespace);
		doc_set_string(a, v, "object", f->object);
		doc_set_string(a, v, "path", f->path);
		doc_set_string(a, v, "class", field_class_name(f->class));
		doc_set_string(a, v, "reason", f->reason);
		doc_set_string(a, v, "waiver", f->waiver);
		doc_set_string(a, v, "where", f->where);
	}
	list = doc_set_list(a, d, "policies");
	for (size_t i = 0; i < t->n_policies; i++)
		doc_append(a, list, t->policies[i]);
	return d;
}

void translation_page(const struct translation *t, struct page *p)
{
	static const char *const columns[] = {"OBJECT", "FIELD", "BECOMES", "WHY", NULL};
	auto_release(strbuf) struct strbuf yaml = STRBUF_INIT;

	page_heading(p, "Istio's fields in %s", t->namespace);
	if (t->n_blocked)
		page_note(p, PAGE_BAD,
			  "%zu fields are blocked: the namespace cannot be moved as it is.",
			  t->n_blocked);
	page_text(p, "%zu exact, %zu approximated, %zu blocked, %zu implicit.",
		  count(t, FIELD_EXACT), count(t, FIELD_APPROXIMATED), count(t, FIELD_BLOCKED),
		  count(t, FIELD_IMPLICIT));
	page_table(p, columns);
	for (size_t i = 0; i < t->n_fields; i++) {
		const struct field_verdict *f = &t->fields[i];
		enum page_mood mood = f->class == FIELD_BLOCKED        ? PAGE_BAD
				      : f->class == FIELD_APPROXIMATED ? PAGE_DOUBT
				      : f->class == FIELD_IMPLICIT     ? PAGE_QUIET
								       : PAGE_PLAIN;

		page_row(p, mood, f->object, f->path, field_class_name(f->class), f->reason, NULL);
	}
	page_heading(p, "Policies");
	for (size_t i = 0; i < t->n_policies; i++) {
		if (i)
			strbuf_adds(&yaml, "---\n");
		doc_write_yaml(t->policies[i], &yaml);
	}
	page_code(p, t->n_policies ? strbuf_cstr(&yaml) : "none: everybody may call everybody\n");
}

void translation_findings(const struct translation *t, struct report *r)
{
	for (size_t i = 0; i < t->n_fields; i++) {
		const struct field_verdict *f = &t->fields[i];
		const char *scope = f->object;

		if (f->class == FIELD_BLOCKED)
			report_add_free(r, FINDING_FIELD_BLOCKED, "a field without an equivalent",
					"translation", SEVERITY_BLOCKER, FINDING_FAIL, scope,
					"%s%s%s", f->path, *f->path ? ": " : "", f->reason);
		else if (f->class == FIELD_APPROXIMATED && f->waiver)
			report_add_free(r, f->waiver, "identity by address, not certificate",
					"translation", SEVERITY_ERROR, FINDING_FAIL, scope,
					"%s: %s", f->path, f->reason);
		else if (f->class == FIELD_APPROXIMATED)
			report_add_free(r, "field-approximated",
					"a field that becomes something "
					"like it",
					"translation", SEVERITY_INFO, FINDING_FAIL, scope, "%s: %s",
					f->path, f->reason);
	}
	if (t->n_blocked == 0)
		report_add_free(r, FINDING_FIELD_BLOCKED, "a field without an equivalent",
				"translation", SEVERITY_BLOCKER, FINDING_PASS, "",
				"every field of %s has an equivalent", t->namespace);
}
