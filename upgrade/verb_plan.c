/* SPDX-License-Identifier: Apache-2.0 */
/* The verb that only looks: plan. */
#include <unistd.h>

#include "lib/base/str.h"
#include "upgrade/verbs.h"

int objects_load(struct snapshot *s, struct cluster *c, struct error *err)
{
	static const enum object_kind_id kinds[] = {
		KIND_NODE,         KIND_POD,           KIND_DAEMON_SET,   KIND_DEPLOYMENT,
		KIND_STATEFUL_SET, KIND_SIDESTEP_NODE, KIND_SIDESTEP_RUN,
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct doc *list;
		int r = cluster_list(c, s->arena, object_kind(kinds[i]), NULL, &list, err);

		if (r)
			return r;
		doc_foreach_item (list, d) {
			r = snapshot_add(s, d, err);
			if (r)
				return r;
		}
	}
	return 0;
}

static int load(const struct upgrade_opts *o, struct arena *a, struct snapshot *s,
		struct error *err)
{
	struct cluster c;
	int r;

	snapshot_init(s, a);
	if (o->snapshot)
		return snapshot_read(s, o->snapshot, err);
	r = cluster_open(&c, a, o->kubeconfig, o->context, "sidestep-upgrade", err);
	if (r)
		return r;
	r = objects_load(s, &c, err);
	cluster_release(&c);
	return r;
}

static int read_staging(const char *path, struct arena *a, struct doc **ret, struct error *err)
{
	struct doc_stream s;
	int r;

	*ret = NULL;
	if (!path)
		return 0;
	r = doc_read_file(a, path, &s, err);
	if (r)
		return r;
	if (s.n != 1 || !doc_find_str(s.docs[0], "run"))
		return error_set(err, -EINVAL,
				 "%s is no report: make it with 'sidestep upgrade report -o json' "
				 "on the other cluster",
				 path);
	*ret = s.docs[0];
	return 0;
}

/* The waiver of the staging proof is in the profile; a report is better. */
int plan_for(const struct cli_call *call, struct arena *a, const struct snapshot *s, struct plan *p,
	     struct error *err)
{
	const struct upgrade_opts *o = call->opts;
	struct releases releases;
	struct profile profile;
	struct doc *staging;
	struct plan_input in = {.snapshot = s,
				.releases = &releases,
				.profile = &profile,
				.to = o->to,
				.daemonset = o->daemonset,
				.canary = o->canary,
				.by = arena_printf(a, "uid %u", (unsigned)getuid()),
				.allow_prerelease = o->allow_prerelease,
				.clock = clock_system()};
	int r = releases_read(a, o->releases, &releases, err);

	if (!r)
		r = profile_read(a, o->profile ? o->profile : getenv("SIDESTEP_UPGRADE_PROFILE"),
				 &profile, err);
	if (!r)
		r = read_staging(o->staging, a, &staging, err);
	if (r)
		return r;
	in.staging = staging;
	return plan_make(p, a, &in, err);
}

int print_plan(const struct cli_call *call, const struct plan *p, struct error *err)
{
	const struct upgrade_opts *o = call->opts;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct page page;

	plan_page(p, &page);
	print_format((enum print_format)o->output, p->doc, &page, &out);
	page_release(&page);
	return print_text(call->out, o->file, &out, err);
}

int verb_plan(const struct cli_call *call, struct error *err)
{
	const struct upgrade_opts *o = call->opts;
	struct snapshot s;
	struct plan p;
	int r;

	if (!o->to)
		return cli_usage(call, "which version? --to VERSION");
	r = load(o, call->arena, &s, err);
	if (!r)
		r = plan_for(call, call->arena, &s, &p, err);
	snapshot_release(&s);
	if (r)
		return r;
	r = print_plan(call, &p, err);
	if (!r)
		r = (int)report_verdict(&p.report, SEVERITY_ERROR);
	plan_release(&p);
	return r;
}
