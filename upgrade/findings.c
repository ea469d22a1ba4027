/* SPDX-License-Identifier: Apache-2.0 */
/* What a plan finds out about the mesh before it may be moved: a table of questions. */
#include "lib/base/str.h"
#include "lib/step/run.h"
#include "upgrade/plan.h"
#include "upgrade/world.h"

/*
 * Of a run there and back as it stands in the cluster, plan and all: measured, and a quarter more
 * (tests/unit/upgrade/test_upgrade_scale.c). What is left to etcd's 1.5 MiB is for pauses, resumes
 * and steps that are tried again.
 */
#define RUN_BYTES             (40 * 1024)
#define RUN_BYTES_A_NODE      (14 * 1024)
#define RUN_BYTES_AN_ENDPOINT 160
#define RUN_BYTES_MOST        (1200 * 1024)

struct look {
	const struct plan_scene *s;
	const struct world *w;
	const struct check *check;
};

static void seen(const struct look *l, enum finding_result result, const char *where,
		 const char *words)
{
	report_add(l->s->report, l->check, result, where, "%s", words);
}

/* --- the hop --- */

static const char *hop_words(struct look *l, enum hop hop)
{
	struct arena *a = l->s->a;
	const char *from = l->s->from->version.text, *to = l->s->to->version.text;

	switch (hop) {
	case HOP_NONE:
		return arena_printf(a, "the mesh is %s already", to);
	case HOP_SKIPS:
		return arena_printf(a, "%s to %s is more than one minor", from, to);
	case HOP_NOT_LATEST:
		return arena_printf(a,
				    "%s to %s: one minor goes up from its latest patch, and down "
				    "to the latest of the one below",
				    from, to);
	case HOP_PRE_RELEASE:
		return arena_printf(a, "%s is a pre-release: --allow-prerelease", to);
	case HOP_PATCH:
	case HOP_UP:
	case HOP_DOWN:
		break;
	}
	return arena_printf(a, "%s to %s", from, to);
}

/* "; the legal hops are 0.1.2, 0.2.0, 0.3.0: 'sidestep upgrade plan --to 0.1.2' is the first" */
static const char *legal_hops(struct look *l)
{
	const struct plan_input *in = l->s->in;
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	const struct release **stops;
	size_t n;

	if (hops_path(l->s->a, in->releases, l->s->from, l->s->to, in->allow_prerelease, &stops, &n,
		      NULL) ||
	    !n)
		return "";
	strbuf_adds(&sb, "; the legal hops are ");
	for (size_t i = 0; i < n; i++)
		strbuf_addf(&sb, "%s%s", i ? ", " : "", stops[i]->version.text);
	strbuf_addf(&sb, ", each a run of its own: 'sidestep upgrade plan --to %s' is the first",
		    stops[0]->version.text);
	return arena_strdup(l->s->a, strbuf_cstr(&sb));
}

static void ask_hop(struct look *l)
{
	const struct plan_input *in = l->s->in;
	enum hop hop;

	if (!l->s->from) {
		seen(l, FINDING_UNKNOWN, "",
		     arena_printf(l->s->a,
				  "image %s of the agents is in no release of %s: name it as the "
				  "image of its version in a file for --releases FILE ('sidestep "
				  "upgrade help releases')",
				  str_or_empty(doc_find_str(l->s->container, "image")),
				  in->releases->source));
		return;
	}
	if (!l->s->to) {
		seen(l, FINDING_FAIL, "",
		     arena_printf(l->s->a,
				  "there is no release %s in %s: --releases FILE names others",
				  str_or_empty(in->to), in->releases->source));
		return;
	}
	hop = hop_between(in->releases, l->s->from, l->s->to, in->allow_prerelease);
	seen(l, hop_is_legal(hop) ? FINDING_PASS : FINDING_FAIL, "",
	     arena_printf(l->s->a, "%s%s", hop_words(l, hop),
			  hop_is_legal(hop) || hop == HOP_NONE ? "" : legal_hops(l)));
}

static void ask_downgrade(struct look *l)
{
	if (!l->s->from || !l->s->to || version_cmp(&l->s->to->version, &l->s->from->version) > 0)
		return;
	doc_foreach_item (l->s->from->blocks_downgrade, d)
		seen(l, FINDING_FAIL, "", str_or_empty(doc_str(d)));
	if (!doc_len(l->s->from->blocks_downgrade))
		seen(l, FINDING_PASS, "", "nothing of the newer release forbids it");
}

/* A file may be wrong about a release that this tool knows, and nobody publishes the other end's.
 */
static bool is_mistold(struct look *l, const struct release *r)
{
	int64_t known = releases_built_layout(r->version.text);

	if (!known || !r->conntrack_layout || r->conntrack_layout == known)
		return false;
	seen(l, FINDING_FAIL, "",
	     arena_printf(l->s->a, "agents of %s keep connections in layout %lld, and %s says %lld",
			  r->version.text, (long long)known, l->s->in->releases->source,
			  (long long)r->conntrack_layout));
	return true;
}

/* The agents know better than a file which layout they keep. */
static bool layouts_differ(struct look *l)
{
	int64_t told = l->s->from->conntrack_layout;
	bool differ = false;

	for (size_t i = 0; told && i < l->w->n_nodes; i++) {
		const struct sidestep_node *s = l->w->nodes[i].status;

		if (!s || !s->conntrack || s->conntrack->layout == told)
			continue;
		differ = true;
		seen(l, FINDING_FAIL, arena_printf(l->s->a, "node/%s", l->w->nodes[i].name),
		     arena_printf(
			     l->s->a,
			     "its agent keeps connections in layout %lld, and %s says %lld of %s",
			     (long long)s->conntrack->layout, l->s->in->releases->source,
			     (long long)told, l->s->from->version.text));
	}
	return differ;
}

static void ask_layouts(struct look *l)
{
	int64_t from, to;

	if (!l->s->from || !l->s->to || layouts_differ(l) || is_mistold(l, l->s->from) ||
	    is_mistold(l, l->s->to))
		return;
	from = l->s->from->conntrack_layout;
	to = l->s->to->conntrack_layout;
	if (!from || !to)
		seen(l, FINDING_UNKNOWN, "",
		     "a release does not say which layout its map of connections has: they may be "
		     "lost");
	else if (from == to)
		seen(l, FINDING_PASS, "", "connections keep their layout");
	else
		seen(l, FINDING_PASS, "",
		     arena_printf(l->s->a, "connections are converted from layout %lld to %lld",
				  (long long)from, (long long)to));
}

/* --- the mesh --- */

static void ask_strategy(struct look *l)
{
	const char *type = doc_find_str(l->s->daemonset, "spec.updateStrategy.type");

	if (str_eq(type, "OnDelete"))
		seen(l, FINDING_PASS, "", "pods are replaced only when they are deleted");
	else
		seen(l, FINDING_FAIL, "",
		     arena_printf(l->s->a,
				  "updateStrategy is %s: Kubernetes would restart every "
				  "agent as soon as the image changes",
				  type ? type : "RollingUpdate"));
}

static void ask_versions(struct look *l)
{
	for (size_t i = 0; i < l->w->left_out.n; i++)
		seen(l, FINDING_SKIP, arena_printf(l->s->a, "node/%s", l->w->left_out.items[i]),
		     "the DaemonSet is not meant to run there (its node selector, affinity or "
		     "tolerations)");
	for (size_t i = 0; i < l->w->n_nodes; i++) {
		const struct world_node *n = &l->w->nodes[i];
		const char *scope = arena_printf(l->s->a, "node/%s", n->name);

		if (!n->pod || !n->status || !n->status->version)
			seen(l, FINDING_UNKNOWN, scope,
			     n->pod ? "its agent publishes no version" : "it has no agent");
		else if (!l->s->from)
			continue;
		else if (!str_eq(n->image, l->s->from->image) ||
			 !str_eq(n->status->version, l->s->from->version.text))
			seen(l, FINDING_FAIL, scope,
			     arena_printf(l->s->a, "it runs %s (%s), the others %s",
					  n->status->version, str_or_empty(n->image),
					  l->s->from->version.text));
		else
			seen(l, FINDING_PASS, scope, n->status->version);
	}
}

static void ask_size(struct look *l)
{
	size_t endpoints = 0, bytes;

	for (size_t i = 0; i < l->w->n_nodes; i++)
		endpoints += l->w->nodes[i].status ? l->w->nodes[i].status->n_endpoints : 0;
	bytes = RUN_BYTES + l->w->n_nodes * RUN_BYTES_A_NODE + endpoints * RUN_BYTES_AN_ENDPOINT;
	seen(l, bytes > RUN_BYTES_MOST ? FINDING_FAIL : FINDING_PASS, "",
	     arena_printf(
		     l->s->a,
		     "%zu nodes with %zu endpoints: about %zu KB of plan and journal, at most %d",
		     l->w->n_nodes, endpoints, bytes / 1024, RUN_BYTES_MOST / 1024));
}

static const char *endpoint_astray(const struct sidestep_node *s, struct arena *a)
{
	for (size_t i = 0; i < s->n_endpoints; i++)
		if (!str_eq(s->endpoints[i].state, "ready"))
			return arena_printf(a, "endpoint %s/%s is %s",
					    str_or_empty(s->endpoints[i].namespace),
					    str_or_empty(s->endpoints[i].pod),
					    str_or_empty(s->endpoints[i].state));
	return NULL;
}

static void ask_agents(struct look *l)
{
	for (size_t i = 0; i < l->w->n_nodes; i++) {
		const struct world_node *n = &l->w->nodes[i];
		const char *scope = arena_printf(l->s->a, "node/%s", n->name), *wrong;

		if (!n->status) {
			seen(l, FINDING_UNKNOWN, scope, "its agent has published nothing");
			continue;
		}
		wrong = world_silence(l->s->a, n->status, clock_wall_ns(l->s->in->clock));
		if (wrong) {
			seen(l, FINDING_UNKNOWN, scope,
			     arena_printf(l->s->a, "its agent %s", wrong));
			continue;
		}
		wrong = n->status->ready ? endpoint_astray(n->status, l->s->a)
					 : str_or_empty(n->status->message);
		seen(l, wrong ? FINDING_FAIL : FINDING_PASS, scope,
		     wrong ? wrong
			   : arena_printf(l->s->a, "ready, %zu endpoints", n->status->n_endpoints));
	}
}

static void ask_pressure(struct look *l)
{
	for (size_t i = 0; i < l->w->n_nodes; i++) {
		const struct sidestep_node *s = l->w->nodes[i].status;

		for (size_t k = 0; s && s->health && k < s->health->n_maps; k++) {
			const struct sidestep_map *m = &s->health->maps[k];

			if (m->evicts || !m->entries.set || m->entries.value * 10 < m->max * 8)
				continue;
			seen(l, FINDING_FAIL, arena_printf(l->s->a, "node/%s", l->w->nodes[i].name),
			     arena_printf(l->s->a, "%s holds %lld of %lld rows", m->name,
					  (long long)m->entries.value, (long long)m->max));
		}
	}
}

/* --- around it --- */

static void ask_runs(struct look *l)
{
	bool found = false;

	snapshot_foreach (l->s->in->snapshot, object_kind(KIND_SIDESTEP_RUN), d) {
		const char *state = doc_find_str(d, "spec.state");

		if (!world_is_rival(d))
			continue;
		found = true;
		seen(l, FINDING_FAIL,
		     arena_printf(l->s->a, "run/%s",
				  str_or_empty(doc_find_str(d, "metadata.name"))),
		     arena_printf(l->s->a, "a run of sidestep %s is not finished (%s)",
				  str_or_empty(doc_find_str(d, "spec.tool")), str_or_empty(state)));
	}
	if (!found)
		seen(l, FINDING_PASS, "", "no run is under way");
}

static bool is_there(const struct look *l, const struct component_row *row)
{
	if (row->kind == OBJECT_KIND_COUNT)
		return doc_find(l->s->daemonset,
				"metadata.annotations['meta.helm.sh/release-name']");
	snapshot_foreach (l->s->in->snapshot, object_kind((enum object_kind_id)row->kind), d)
		if (str_eq(doc_find_str(d, "metadata.name"), row->name))
			return true;
	return false;
}

static void ask_components(struct look *l)
{
	for (size_t i = 0; i < COMPONENT_COUNT; i++) {
		const struct component_row *row = &components[i];
		bool present = is_there(l, row);
		struct doc *d = doc_append(l->s->a, doc_set_list(l->s->a, l->s->plan, "components"),
					   doc_map(l->s->a));

		doc_set_string(l->s->a, d, "what", row->what);
		doc_set_string(l->s->a, d, "state", row->state);
		doc_set_bool(l->s->a, d, "present", present);
		seen(l, present ? FINDING_UNKNOWN : FINDING_SKIP, row->what,
		     present ? "it is there, and no release of ours says how to follow it"
			     : "not present");
	}
}

/* A report of `sidestep upgrade report -o json` of the same hop, done, with a soak of a day. */
static const char *staging_wrong(const struct look *l)
{
	const struct doc *d = l->s->in->staging;
	double soak = 0;

	if (!d)
		return "no report of the same hop, done elsewhere, was given (--staging FILE)";
	if (!l->s->from || !l->s->to ||
	    !str_eq(doc_find_str(d, "from.version"), l->s->from->version.text) ||
	    !str_eq(doc_find_str(d, "to.version"), l->s->to->version.text))
		return arena_printf(l->s->a, "the report is of another hop: %s to %s",
				    str_or_empty(doc_find_str(d, "from.version")),
				    str_or_empty(doc_find_str(d, "to.version")));
	if (!str_eq(doc_find_str(d, "state"), run_state_name(RUN_DONE)))
		return arena_printf(l->s->a, "run %s was not done there: %s",
				    str_or_empty(doc_find_str(d, "run")),
				    str_or_empty(doc_find_str(d, "state")));
	doc_foreach_item (doc_get(d, "steps"), s)
		if (str_eq(doc_find_str(s, "id"), "U14") && doc_get(s, "seconds") &&
		    doc_get(s, "seconds")->kind == DOC_REAL)
			soak = doc_get(s, "seconds")->real;
	if (soak < STAGING_SOAK_HOURS * 3600.0)
		return arena_printf(l->s->a, "it soaked for %.0f s there, a day is wanted", soak);
	return NULL;
}

static void ask_staging(struct look *l)
{
	const char *wrong = staging_wrong(l);

	seen(l, wrong ? FINDING_FAIL : FINDING_PASS, "",
	     wrong ? wrong
		   : arena_printf(l->s->a, "run %s did the same hop, and soaked for a day",
				  str_or_empty(doc_find_str(l->s->in->staging, "run"))));
}

static const struct row {
	struct check check;
	void (*ask)(struct look *l);
} rows[] = {
	{{.id = "hop",
	  .title = "one legal hop",
	  .severity = SEVERITY_BLOCKER,
	  .flags = CHECK_NOT_WAIVABLE,
	  .remedy = "take the hops one after the other, of releases that --releases FILE names",
	  .source = "UPG-001, UPG-002"},
	 ask_hop},
	{{.id = "downgrade-blocked",
	  .title = "nothing stands against the way down",
	  .severity = SEVERITY_BLOCKER,
	  .flags = CHECK_NOT_WAIVABLE,
	  .remedy = "take what it names out of use first",
	  .source = "UPG-008"},
	 ask_downgrade},
	{{.id = "map-layout",
	  .title = "what becomes of connections",
	  .severity = SEVERITY_ERROR,
	  .remedy = "name conntrackLayout of both releases in the releases file, as their agents "
		    "keep it",
	  .source = "UPG-010"},
	 ask_layouts},
	{{.id = "size",
	  .title = "the run has room in the cluster",
	  .severity = SEVERITY_BLOCKER,
	  .flags = CHECK_NOT_WAIVABLE,
	  .remedy = "no release of ours takes so many nodes and pods in one run: a run's "
		    "plan and journal are one object of the cluster",
	  .source = "lib/run/host.h"},
	 ask_size},
	{{.id = "update-strategy",
	  .title = "pods are replaced one by one, by us",
	  .severity = SEVERITY_BLOCKER,
	  .flags = CHECK_NOT_WAIVABLE,
	  .remedy = "set the DaemonSet's updateStrategy to OnDelete",
	  .source = "operations 4.2, U8"},
	 ask_strategy},
	{{.id = "mixed-versions",
	  .title = "every agent has the version that the mesh has",
	  .severity = SEVERITY_ERROR,
	  .remedy = "finish or take back what mixed them",
	  .source = "UPG-003"},
	 ask_versions},
	{{.id = "agents-well",
	  .title = "every agent is ready, and every endpoint",
	  .severity = SEVERITY_ERROR,
	  .remedy = "mend what the agent names first",
	  .source = "UPG-004"},
	 ask_agents},
	{{.id = "map-pressure",
	  .title = "no map is nearly full",
	  .severity = SEVERITY_WARNING,
	  .remedy = "make the map larger before the hop",
	  .source = "UPG-011"},
	 ask_pressure},
	{{.id = "other-run",
	  .title = "nobody else changes the cluster",
	  .severity = SEVERITY_ERROR,
	  .remedy = "let that run end, or take it back",
	  .source = "UPG-015"},
	 ask_runs},
	{{.id = "components",
	  .title = "parts beside the agents",
	  .severity = SEVERITY_ERROR,
	  .remedy = "say in a waiver who follows it",
	  .source = "operations 4.1: skew inside a hop"},
	 ask_components},
	{{.id = "staging-proof",
	  .title = "the same hop was done elsewhere first",
	  .severity = SEVERITY_ERROR,
	  .remedy = "do it on a staging cluster, and give its report with --staging",
	  .source = "UPG-013"},
	 ask_staging},
};

void plan_findings(const struct plan_scene *s, const struct world *w)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct look l = {s, w, &rows[i].check};

		rows[i].ask(&l);
	}
}
