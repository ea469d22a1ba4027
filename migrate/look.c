/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs that only look: inventory, translate, verify, plan. */
#include <string.h>

#include "lib/base/str.h"
#include "migrate/verbs.h"

#define NAMES_TOLD 12

static int from_api(struct scene *s, const struct cluster_opts *o, struct error *err)
{
	struct cluster c;
	int r = cluster_open(&c, &s->arena, o->kubeconfig, o->context, "sidestep-migrate", err);

	if (r)
		return r;
	r = cluster_snapshot(&c, &s->snapshot, err);
	cluster_release(&c);
	return r;
}

/*
 * Manifests without their Namespace cannot say whether its pods get sidecars. Taken as if they did:
 * then policies are made and compared. What is printed says so, and a plan is inconclusive.
 */
static void assume_sidecars(struct scene *s)
{
	snapshot_complete(&s->snapshot);
	snapshot_foreach (&s->snapshot, object_kind(KIND_NAMESPACE), d) {
		const char *name = doc_find_str(d, "metadata.name");
		bool of_the_system = str_eq(name, "istio-system") || str_starts(name, "kube-");

		if (doc_get(doc_find(d, "metadata.labels"), SNAPSHOT_ASSUMED) && !of_the_system)
			doc_set_string(&s->arena, doc_find(d, "metadata.labels"), "istio-injection",
				       "enabled");
	}
}

/* Says which there are instead, and where else to look. */
static int no_such_namespace(struct scene *s, const struct cluster_opts *o, const char *ns,
			     struct error *err)
{
	auto_release(strbuf) struct strbuf names = STRBUF_INIT;
	size_t n = 0;

	snapshot_foreach (&s->snapshot, object_kind(KIND_NAMESPACE), d)
		if (n++ < NAMES_TOLD)
			strbuf_addf(&names, "%s%s", n > 1 ? ", " : "",
				    str_or_empty(doc_find_str(d, "metadata.name")));
	if (n > NAMES_TOLD)
		strbuf_addf(&names, " and %zu more", n - NAMES_TOLD);
	if (!str_empty(o->snapshot))
		return error_set(err, -ENOENT,
				 "%s has no object of a namespace %s; it has some of: %s",
				 o->snapshot, ns, n ? strbuf_cstr(&names) : "none");
	return error_set(err, -ENOENT,
			 "there is no namespace %s in this cluster; there are: %s. Check the name, "
			 "and that this is the cluster you mean (--kubeconfig, --context)",
			 ns, n ? strbuf_cstr(&names) : "none");
}

int scene_load(struct scene *s, const struct cluster_opts *o, const char *ns, struct error *err)
{
	int r;

	*s = (struct scene){0};
	snapshot_init(&s->snapshot, &s->arena);
	if (!str_empty(o->snapshot))
		r = snapshot_read(&s->snapshot, o->snapshot, err);
	else
		r = from_api(s, o, err);
	if (!r && !str_empty(o->snapshot))
		assume_sidecars(s);
	if (!r && ns && !snapshot_find(&s->snapshot, object_kind(KIND_NAMESPACE), NULL, ns))
		r = no_such_namespace(s, o, ns, err);
	if (r) {
		scene_release(s);
		return r;
	}
	istio_mesh_load(&s->mesh, &s->arena, &s->snapshot);
	inventory_make(&s->inventory, &s->arena, &s->snapshot, &s->mesh);
	return 0;
}

void scene_release(struct scene *s)
{
	snapshot_release(&s->snapshot);
	arena_release(&s->arena);
}

int print_result(const struct cli_call *call, int format, const char *file, const struct doc *d,
		 const struct page *page, struct error *err)
{
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;

	if (format == LOOK_MANIFESTS)
		doc_foreach_item (doc_get(d, "policies"), p) {
			strbuf_adds(&out, "---\n");
			doc_write_yaml(p, &out);
		}
	else
		print_format((enum print_format)format, d, page, &out);
	return print_text(call->out, file, &out, err);
}

int verb_inventory(const struct cli_call *call, struct error *err)
{
	const struct look_opts *o = call->opts;
	const char *ns = call->n_args ? call->args[0] : NULL;
	struct scene s;
	struct page page;
	int r = scene_load(&s, &o->cluster, ns, err);

	if (r)
		return r;
	page_init(&page, "Inventory", ns);
	inventory_page(&s.inventory, ns, &page);
	r = print_result(call, o->output, o->file, inventory_doc(&s.arena, &s.inventory, ns), &page,
			 err);
	page_release(&page);
	scene_release(&s);
	return r;
}

int verb_translate(const struct cli_call *call, struct error *err)
{
	const struct look_opts *o = call->opts;
	struct translation t;
	struct scene s;
	struct page page;
	int r = scene_load(&s, &o->cluster, call->args[0], err);

	if (r)
		return r;
	r = translate_namespace(&t, &s.arena, &s.mesh, call->args[0], err);
	if (!r) {
		page_init(&page, "Translation", call->args[0]);
		translation_page(&t, &page);
		r = print_result(call, o->output, o->file, translation_doc(&s.arena, &t), &page,
				 err);
		page_release(&page);
		if (!r && t.n_blocked)
			r = CLI_BLOCKED;
	}
	scene_release(&s);
	return r;
}

/* The policies to compare: a file's, or what translate makes. */
static int policies_to_verify(struct scene *s, const struct look_opts *o, const char *ns,
			      struct doc ***ret, size_t *ret_n, struct error *err)
{
	struct translation t;
	struct doc_stream stream;
	int r;

	if (o->policies) {
		r = doc_read_file(&s->arena, o->policies, &stream, err);
		if (!r) {
			*ret = stream.docs;
			*ret_n = stream.n;
		}
		return r;
	}
	r = translate_namespace(&t, &s->arena, &s->mesh, ns, err);
	if (!r) {
		*ret = t.policies;
		*ret_n = t.n_policies;
	}
	return r;
}

int verb_verify(const struct cli_call *call, struct error *err)
{
	const struct look_opts *o = call->opts;
	const char *ns = call->args[0];
	struct equivalence e;
	struct doc **policies;
	struct scene s;
	struct page page;
	size_t n;
	int r = scene_load(&s, &o->cluster, call->args[0], err);

	if (r)
		return r;
	r = policies_to_verify(&s, o, ns, &policies, &n, err);
	if (!r)
		r = verify_namespace(&e, &s.arena, &s.mesh, &s.snapshot, policies, n, ns, err);
	if (!r) {
		struct doc *d = doc_map(&s.arena);

		doc_set_string(&s.arena, d, "namespace", ns);
		doc_set(&s.arena, d, "equivalence", equivalence_doc(&s.arena, &e));
		page_init(&page, "Equivalence", ns);
		equivalence_page(&e, &page);
		r = print_result(call, o->output, o->file, d, &page, err);
		page_release(&page);
		if (!r && (e.differences || e.widening))
			r = CLI_BLOCKED;
		else if (!r && !e.exhaustive)
			r = CLI_INCONCLUSIVE;
	}
	scene_release(&s);
	return r;
}

int plan_for(struct scene *s, const char *ns, const char *profile_path, struct plan *p,
	     struct error *err)
{
	struct profile *profile = arena_new(&s->arena, struct profile);
	struct plan_input in = {.snapshot = &s->snapshot,
				.mesh = &s->mesh,
				.inventory = &s->inventory,
				.profile = profile,
				.namespace = ns,
				.clock = clock_system()};
	int r = profile_read(&s->arena,
			     profile_path ? profile_path : getenv("SIDESTEP_MIGRATE_PROFILE"),
			     profile, err);

	return r ? r : plan_make(p, &s->arena, &in, err);
}

int verb_plan(const struct cli_call *call, struct error *err)
{
	const struct look_opts *o = call->opts;
	struct scene s;
	struct plan p;
	struct page page;
	int r = scene_load(&s, &o->cluster, call->args[0], err);

	if (r)
		return r;
	r = plan_for(&s, call->args[0], o->profile, &p, err);
	if (!r) {
		plan_page(&p, &page);
		r = print_result(call, o->output, o->file, p.doc, &page, err);
		page_release(&page);
		if (!r)
			r = (int)report_verdict(&p.report, SEVERITY_ERROR);
		plan_release(&p);
	}
	scene_release(&s);
	return r;
}
