/* SPDX-License-Identifier: Apache-2.0 */
/* The proof as a document, a page and findings. */
#include <stdlib.h>

#include "lib/base/str.h"
#include "migrate/verify.h"

static struct doc *difference_doc(struct arena *a, const struct verify_difference *x)
{
	struct doc *d = doc_map(a), *from = doc_set_map(a, d, "source"),
		   *to = doc_set_map(a, d, "destination");

	doc_set_string(a, d, "direction", x->mesh_allows ? "widening" : "narrowing");
	doc_set_string(a, from, "namespace", x->source_namespace);
	doc_set_string(a, from, "serviceAccount", x->source_service_account);
	if (!str_empty(x->source_labels))
		doc_set_string(a, from, "labels", x->source_labels);
	doc_set_string(a, from, "address", x->source_address);
	doc_set_string(a, to, "namespace", x->destination_namespace);
	doc_set_string(a, to, "workload", x->destination_workload);
	doc_set_int(a, to, "port", x->port);
	doc_set_string(a, to, "protocol", x->protocol);
	doc_set_string(a, d, "istio", x->istio_allows ? "allow" : "deny");
	doc_set_string(a, d, "istioWhy", x->istio_why);
	doc_set_string(a, d, "mesh", x->mesh_allows ? "allow" : "deny");
	doc_set_string(a, d, "meshWhy", x->mesh_why);
	return d;
}

static void put_properties(struct arena *a, struct doc *list, const struct verify_property *p,
			   size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct doc *d = doc_append(a, list, doc_map(a));

		doc_set_string(a, d, "name", p[i].name);
		doc_set_int(a, d, "classes", (int64_t)p[i].classes);
	}
}

struct doc *equivalence_doc(struct arena *a, const struct equivalence *e)
{
	struct doc *d = doc_map(a), *list;

	doc_set_string(a, d, "namespace", e->namespace);
	doc_set_int(a, d, "compared", (int64_t)e->compared);
	doc_set_bool(a, d, "exhaustive", e->exhaustive);
	doc_set_int(a, d, "approximated", (int64_t)e->approximated);
	doc_set_int(a, d, "differences", (int64_t)e->differences);
	doc_set_int(a, d, "widening", (int64_t)e->widening);
	put_properties(a, doc_set_list(a, d, "properties"), e->properties, e->n_properties);
	put_properties(a, doc_set_list(a, d, "factors"), e->factors, ARRAY_SIZE(e->factors));
	doc_set_int(a, d, "product", (int64_t)e->product);
	list = doc_set_list(a, d, "counterexamples");
	for (size_t i = 0; i < e->n_examples; i++)
		doc_append(a, list, difference_doc(a, &e->examples[i]));
	list = doc_set_list(a, d, "unread");
	for (size_t i = 0; i < e->n_unread; i++)
		doc_append(a, list, doc_string(a, e->unread[i]));
	list = doc_set_list(a, d, "approximations");
	for (size_t i = 0; i < e->n_approximations; i++)
		doc_append(a, list, doc_string(a, e->approximations[i]));
	return d;
}

static const char *source_text(struct arena *a, const struct verify_difference *x)
{
	if (!x->source_namespace)
		return arena_printf(a, "%s (%s)", str_or_empty(x->source_labels),
				    str_or_empty(x->source_address));
	return arena_printf(a, "%s/%s%s%s", x->source_namespace, x->source_service_account,
			    str_empty(x->source_labels) ? "" : " with ",
			    str_or_empty(x->source_labels));
}

static const char *target_text(struct arena *a, const struct verify_difference *x)
{
	return arena_printf(a, "%s/%s %s %u", x->destination_namespace, x->destination_workload,
			    x->protocol, x->port);
}

static const char *counted(struct page *p, uint64_t n)
{
	return count_text(&p->arena, (int64_t)n);
}

void equivalence_page(const struct equivalence *e, struct page *p)
{
	static const char *const property_columns[] = {"PROPERTY", ">CLASSES", NULL};
	static const char *const example_columns[] = {"FROM", "TO", "ISTIO", "MESH", NULL};

	page_heading(p, "Equivalence of %s", e->namespace);
	page_text(
		p,
		"%s of %s distinguishable connections compared%s: %s differences, %s of them wider "
		"than Istio; %s equal but for a named approximation.",
		counted(p, e->compared), counted(p, e->product), e->exhaustive ? " (all)" : "",
		counted(p, e->differences), counted(p, e->widening), counted(p, e->approximated));
	page_table(p, property_columns);
	for (size_t i = 0; i < e->n_properties; i++)
		page_row(p, PAGE_PLAIN, e->properties[i].name,
			 arena_printf(&p->arena, "%zu", e->properties[i].classes), NULL);
	page_text(p,
		  "Together that is %s kinds of source (pods of each namespace, ServiceAccount and "
		  "labels, at each kind of address, and what is outside pods) x %s destinations x "
		  "%s kinds of protocol with a port or a type = %s.",
		  counted(p, e->factors[0].classes), counted(p, e->factors[1].classes),
		  counted(p, e->factors[2].classes), counted(p, e->product));
	if (e->n_examples > 0) {
		page_heading(p, "Counterexamples");
		page_table(p, example_columns);
	}
	for (size_t i = 0; i < e->n_examples; i++) {
		const struct verify_difference *x = &e->examples[i];

		page_row(p, x->mesh_allows ? PAGE_BAD : PAGE_DOUBT, source_text(&p->arena, x),
			 target_text(&p->arena, x),
			 arena_printf(&p->arena, "%s: %s", x->istio_allows ? "allow" : "deny",
				      x->istio_why),
			 arena_printf(&p->arena, "%s: %s", x->mesh_allows ? "allow" : "deny",
				      x->mesh_why),
			 NULL);
	}
	if (e->n_unread > 0)
		page_heading(p, "Cannot be read, is refused by Istio or is ambiguous, so nothing "
				"is proved");
	for (size_t i = 0; i < e->n_unread; i++)
		page_note(p, PAGE_DOUBT, "%s", e->unread[i]);
	if (e->n_approximations > 0)
		page_heading(p, "Named approximations");
	for (size_t i = 0; i < e->n_approximations; i++)
		page_text(p, "%s", e->approximations[i]);
}

void equivalence_findings(const struct equivalence *e, struct report *r)
{
	for (size_t i = 0; i < e->n_examples; i++) {
		const struct verify_difference *x = &e->examples[i];

		report_add_free(r, x->mesh_allows ? "widening" : "narrowing",
				x->mesh_allows ? "the mesh would allow what Istio refuses"
					       : "the mesh would refuse what Istio allows",
				"equivalence", SEVERITY_BLOCKER, FINDING_FAIL,
				target_text(&r->arena, x), "from %s: Istio: %s; mesh: %s",
				source_text(&r->arena, x), x->istio_why, x->mesh_why);
	}
	for (size_t i = 0; i < e->n_unread; i++)
		report_add_free(r, "equivalence", "every object that may matter can be read",
				"equivalence", SEVERITY_BLOCKER, FINDING_UNKNOWN, e->namespace,
				"%s", e->unread[i]);
	if (e->compared < e->product)
		report_add_free(r, "equivalence", "the same verdict for every connection",
				"equivalence", SEVERITY_BLOCKER, FINDING_UNKNOWN, e->namespace,
				"only %llu of %llu connections were compared",
				(unsigned long long)e->compared, (unsigned long long)e->product);
	else if (e->differences == 0 && e->n_unread == 0)
		report_add_free(r, "equivalence", "the same verdict for every connection",
				"equivalence", SEVERITY_BLOCKER, FINDING_PASS, e->namespace,
				"%llu distinguishable connections, all compared",
				(unsigned long long)e->compared);
}
