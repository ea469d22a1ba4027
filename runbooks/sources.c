/* SPDX-License-Identifier: Apache-2.0 */
/* What agents publish and the cluster's own objects, as rows and counts. */
#include "runbooks/sources.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/object/cluster.h"
#include "lib/object/sidestep.h"
#include "runbooks/known.h"
#include "runbooks/sources_internal.h"

int source_unseen(struct error *err, const char *why)
{
	return error_set(err, -ENODATA, "%s", why);
}

static int need_cluster(const struct source_env *env, struct error *err)
{
	if (env->cluster->client)
		return 0;
	return error_set(err, -ENODATA, "there is no cluster to ask: %s",
			 str_or_empty(env->no_cluster));
}

void answer_unseen(struct arena *a, struct doc *answer, const char *field, const char *why)
{
	doc_set_string(a, doc_set_map(a, answer, "unseen"), field, why);
}

void answer_row(struct answer *s, struct doc *row)
{
	s->count++;
	if ((int64_t)doc_len(s->rows) < s->limit)
		doc_append(s->a, s->rows, row);
}

void answer_begin(struct answer *s, struct arena *a, int64_t limit)
{
	*s = (struct answer){.a = a, .doc = doc_map(a), .limit = limit > 0 ? limit : 1000};
	doc_set_int(a, s->doc, "count", 0);
	s->rows = doc_set_list(a, s->doc, "rows");
}

struct doc *answer_end(struct answer *s)
{
	if (s->unheard)
		answer_count(s, "count", s->count);
	if (s->no_count || s->unheard)
		doc_del(s->doc, "count");
	else
		doc_set_int(s->a, s->doc, "count", s->count);
	return s->doc;
}

const char *filter_of(const struct source_question *q, const char *field)
{
	return doc_find_str(q->filter, field);
}

/* Every server has these kinds: one that has not is not asked rightly, and says nothing. */
static bool built_in(const struct object_kind *kind)
{
	return !strchr(kind->group, '.') || str_eq(kind->group, "networking.k8s.io");
}

int source_list(struct source_env *env, struct arena *a, enum object_kind_id id, const char *ns,
		struct doc **ret, struct error *err)
{
	const struct object_kind *kind = object_kind(id);
	const struct kube_request q = {.verb = KUBE_LIST, .kind = kind, .limit = 1};
	int r = cluster_list(env->cluster, a, kind, ns, ret, err);

	if (r || doc_len(*ret) || !built_in(kind))
		return r;
	return cluster_do(env->cluster, &q, a, NULL, err);
}

int source_nodes(struct source_env *env, struct arena *a, struct sidestep_node **ret_nodes,
		 size_t *ret_n, struct error *err)
{
	struct sidestep_node *nodes;
	struct doc *list;
	int r;

	if (!env->cluster->client)
		return source_this_node(env, a, ret_nodes, ret_n, err);
	r = cluster_list(env->cluster, a, object_kind(KIND_SIDESTEP_NODE), NULL, &list, err);
	if (r)
		return r;
	if (!doc_len(list))
		return source_unseen(err,
				     "no agent has published anything (there is no SidestepNode)");
	nodes = arena_array(a, doc_len(list), struct sidestep_node);
	doc_foreach_item (list, d) {
		r = sidestep_node_decode(a, d, &nodes[d_i], err);
		if (r)
			return r;
	}
	*ret_nodes = nodes;
	*ret_n = doc_len(list);
	return 0;
}

/* --- agents ------------------------------------------------------------------------------------
 */

int64_t source_age_ns(const struct source_env *env, const char *when)
{
	int64_t at;

	if (!when || clock_parse_rfc3339(when, &at) < 0)
		return INT64_MAX;
	return clock_wall_ns(env->cluster->clock) - at;
}

static const char *why_unwell(const struct source_env *env, const struct sidestep_node *n)
{
	if (!n->ready)
		return n->message ? n->message : "it says that it is not ready";
	if (source_silent(env, n))
		return "it has been silent for more than a minute";
	if (n->health && n->health->failing_controllers.set &&
	    n->health->failing_controllers.value > 0)
		return "something in it fails and is tried again";
	if (n->health && n->health->programs.wrong.set && n->health->programs.wrong.value > 0)
		return "a device has another program than the agent's";
	return NULL;
}

static struct doc *agent_row(struct arena *a, const struct sidestep_node *n, const char *unwell)
{
	struct doc *row = doc_map(a);

	doc_set_string(a, row, "node", n->meta.name);
	doc_set_bool(a, row, "ready", n->ready);
	doc_set_string(a, row, "version", n->version);
	doc_set_string(a, row, "message", n->message);
	doc_set_string(a, row, "updated", n->updated);
	doc_set_int(a, row, "endpoints", (int64_t)n->n_endpoints);
	if (n->health && n->health->starts.set)
		doc_set_int(a, row, "starts", n->health->starts.value);
	doc_set_string(a, row, "started", n->health ? n->health->started : NULL);
	doc_set_string(a, row, "unwell", unwell);
	return row;
}

static int ask_agents(struct source_env *env, const struct source_question *q, struct answer *s,
		      struct error *err)
{
	struct sidestep_node *agents;
	struct doc *nodes = NULL, *unwell, *versions;
	size_t n;
	int64_t ready = 0, lost = 0;
	int r = source_nodes(env, s->a, &agents, &n, err);

	(void)q;
	if (!r && env->cluster->client)
		r = source_list(env, s->a, KIND_NODE, NULL, &nodes, err);
	if (r)
		return r;
	unwell = doc_set_list(s->a, s->doc, "unwell_nodes");
	versions = doc_set_map(s->a, s->doc, "versions");
	for (size_t i = 0; i < n; i++) {
		const char *why = why_unwell(env, &agents[i]);
		const char *version = agents[i].version ? agents[i].version : "not said";

		answer_row(s, agent_row(s->a, &agents[i], why));
		ready += agents[i].ready;
		lost += agents[i].lost_events;
		if (why)
			doc_append(s->a, unwell, doc_string(s->a, agents[i].meta.name));
		doc_set_int(s->a, versions, version, doc_int_or(doc_get(versions, version), 0) + 1);
	}
	doc_set_int(s->a, s->doc, "ready", ready);
	doc_set_int(s->a, s->doc, "not_ready", (int64_t)n - ready);
	doc_set_int(s->a, s->doc, "lost", lost);
	if (nodes)
		source_missing(s->a, s->doc, nodes, agents, n);
	else
		answer_unseen(s->a, s->doc, "missing_nodes", "without a cluster this is one node");
	answer_unseen(s->a, s->doc, "recording", "agents do not publish whether they record flows");
	return 0;
}

/* --- endpoints ---------------------------------------------------------------------------------
 */

/* revisions are of the process: one that it never built has none */
static bool stale_endpoint(const struct sidestep_endpoint *e)
{
	return str_eq(e->state, "ready") && !e->policy_revision;
}

bool source_endpoint_unwell(const struct sidestep_endpoint *e)
{
	return !str_eq(e->state, "ready") || stale_endpoint(e);
}

static struct doc *endpoint_row(struct arena *a, const struct sidestep_node *n,
				const struct sidestep_endpoint *e)
{
	struct doc *row = doc_map(a);

	doc_set_string(a, row, "node", n->meta.name);
	doc_set_int(a, row, "id", e->id);
	doc_set_string(a, row, "namespace", e->namespace);
	doc_set_string(a, row, "pod", e->pod);
	doc_set_string(a, row, "address", e->address);
	doc_set_int(a, row, "identity", e->identity);
	doc_set_string(a, row, "state", e->state);
	doc_set_int(a, row, "generation", e->generation);
	doc_set_bool(a, row, "sidecar", e->sidecar);
	return row;
}

static void missing_pods(struct answer *s, const struct sidestep_node *agents, size_t n)
{
	int64_t missing = 0;

	for (size_t i = 0; i < n; i++) {
		const struct sidestep_health *h = agents[i].health;

		if (!h || !h->endpoints.missing.set) {
			answer_unseen(s->a, s->doc, "missing",
				      "an agent does not say which pods it misses");
			return;
		}
		missing += h->endpoints.missing.value;
	}
	answer_count(s, "missing", missing);
}

static int ask_endpoints(struct source_env *env, const struct source_question *q, struct answer *s,
			 struct error *err)
{
	const char *ns = filter_of(q, "namespace"), *problem = filter_of(q, "problem");
	struct sidestep_node *agents;
	size_t n;
	int64_t not_ready = 0, stale = 0, all = 0, sidecars = 0;
	int r = source_nodes(env, s->a, &agents, &n, err);

	if (!r)
		r = source_heard(env, s, agents, n, err);
	for (size_t i = 0; i < n && !r; i++) {
		for (size_t k = 0; k < agents[i].n_endpoints; k++) {
			const struct sidestep_endpoint *e = &agents[i].endpoints[k];
			const bool ready = str_eq(e->state, "ready");

			if (ns && !str_eq(e->namespace, ns))
				continue;
			all++;
			not_ready += !ready;
			sidecars += e->sidecar;
			stale += stale_endpoint(e);
			if (!problem || source_endpoint_unwell(e))
				answer_row(s, endpoint_row(s->a, &agents[i], e));
		}
	}
	if (r)
		return r;
	answer_count(s, "all", all);
	answer_count(s, "not_ready", not_ready);
	answer_count(s, "stale", stale);
	answer_count(s, "sidecars", sidecars);
	missing_pods(s, agents, n);
	return 0;
}

/* --- maps, hooks -------------------------------------------------------------------------------
 */

static struct doc *map_row(struct arena *a, const char *node, const struct sidestep_map *m)
{
	struct doc *row = doc_map(a);

	doc_set_string(a, row, "node", node);
	doc_set_string(a, row, "map", m->name);
	if (m->entries.set)
		doc_set_int(a, row, "entries", m->entries.value);
	doc_set_int(a, row, "max", m->max);
	doc_set_bool(a, row, "evicts", m->evicts);
	return row;
}

/* What all agents say of their maps. */
struct maps {
	int64_t full, failed;
	const char *silent;    /* an agent that does not tell */
	const char *uncounted; /* one that will: it has not counted them since it began */
};

static void look_at_maps(const struct source_env *env, struct answer *s, const char *problem,
			 const struct sidestep_node *n, struct maps *t)
{
	const struct sidestep_health *h = n->health;

	if (!h || !h->map_errors.set)
		t->silent = n->meta.name;
	else
		t->failed += h->map_errors.value;
	for (size_t k = 0; h && k < h->n_maps; k++) {
		const struct sidestep_map *m = &h->maps[k];
		/* one that evicts is full as a matter of course */
		const bool is = !m->evicts && m->entries.set && m->max > 0 &&
				m->entries.value >= m->max - m->max / 50;

		if (!m->entries.set && !m->evicts && !source_silent(env, n))
			t->uncounted = n->meta.name;
		t->full += is;
		if (is || !problem)
			answer_row(s, map_row(s->a, n->meta.name, m));
	}
}

static int look_at_all_maps(struct source_env *env, const struct source_question *q,
			    struct answer *s, struct maps *ret, struct error *err)
{
	struct sidestep_node *agents;
	size_t n;
	int r = source_nodes(env, s->a, &agents, &n, err);

	*ret = (struct maps){0};
	for (size_t i = 0; i < n && !r; i++)
		look_at_maps(env, s, filter_of(q, "problem"), &agents[i], ret);
	return r ? r : source_heard(env, s, agents, n, err);
}

/* Agents count their maps now and then: one that has just begun is waited for. */
static int wait_for_counts(struct source_env *env, const struct source_question *q,
			   struct error *err)
{
	const struct clock *clock = env->cluster->clock;
	const uint64_t until = clock_now_ns(clock) + q->timeout_ns / 2;
	struct maps maps = {.uncounted = ""};

	while (maps.uncounted && clock_now_ns(clock) + NS_PER_S <= until) {
		auto_release(arena) struct arena a = ARENA_INIT;
		struct answer scratch;
		int r = cluster_wait(env->cluster, NS_PER_S, err);

		answer_begin(&scratch, &a, 1);
		if (!r)
			r = look_at_all_maps(env, q, &scratch, &maps, err);
		if (r)
			return r;
	}
	return 0;
}

static int ask_maps(struct source_env *env, const struct source_question *q, struct answer *s,
		    struct error *err)
{
	struct maps maps;
	int r = look_at_all_maps(env, q, s, &maps, err);

	if (!r && maps.uncounted && env->cluster->client) {
		r = wait_for_counts(env, q, err);
		answer_begin(s, s->a, s->limit);
		r = r ? r : look_at_all_maps(env, q, s, &maps, err);
	}
	if (r)
		return r;
	if (maps.silent)
		return error_set(err, -ENODATA, "the agent of %s does not say how its maps are",
				 maps.silent);
	answer_count(s, "failed_updates", maps.failed);
	if (!maps.uncounted || maps.full)
		answer_count(s, "full", maps.full);
	else
		answer_unseen(s->a, s->doc, "full",
			      arena_printf(s->a, "the agent of %s has not counted its maps yet",
					   maps.uncounted));
	return 0;
}

static int ask_hooks(struct source_env *env, const struct source_question *q, struct answer *s,
		     struct error *err)
{
	struct sidestep_node *agents;
	size_t n;
	int64_t wrong = 0;
	int r = source_nodes(env, s->a, &agents, &n, err);

	(void)q;
	if (!r)
		r = source_heard(env, s, agents, n, err);
	for (size_t i = 0; i < n && !r; i++) {
		const struct sidestep_health *h = agents[i].health;
		struct doc *row = doc_map(s->a);

		if (!h || !h->programs.wrong.set)
			return error_set(err, -ENODATA,
					 "the agent of %s does not say what its devices run",
					 agents[i].meta.name);
		doc_set_string(s->a, row, "node", agents[i].meta.name);
		doc_set_int(s->a, row, "wrong", h->programs.wrong.value);
		if (h->programs.wrong.value)
			answer_row(s, row);
		wrong += h->programs.wrong.value;
	}
	s->count = wrong;
	return r;
}

/* --- what cannot be seen -----------------------------------------------------------------------
 */

typedef int (*ask_fn)(struct source_env *env, const struct source_question *q, struct answer *s,
		      struct error *err);

static const struct {
	const char *name;
	ask_fn ask;
	const char *unseen; /* why, where there is nobody to ask */
} table[] = {
	{"agents", ask_agents, NULL},
	{"auth", NULL, "this release authenticates no pairs: there is no table of them"},
	{"certificates", NULL, "nobody publishes the certificates that agents present"},
	{"connections", NULL, "agents publish how many connections there are, not which"},
	{"endpoints", ask_endpoints, NULL},
	{"events", source_ask_events, NULL},
	{"flows", source_ask_flows, NULL},
	{"hooks", ask_hooks, NULL},
	{"logs", source_ask_logs, NULL},
	{"maps", ask_maps, NULL},
	{"nodes", source_ask_nodes, NULL},
	{"policies", source_ask_policies, NULL},
	{"probe", NULL, "nothing makes probes outside of a migration or an upgrade"},
	{"proxy", NULL, "this release has no node Envoy to ask"},
	{"relay", NULL, "this release has no flow relay to ask"},
	{"rollout", source_ask_rollout, NULL},
	{"snapshot", NULL, "no snapshot from before was recorded"},
	{"spire", NULL, "this release has no SPIRE to ask"},
};

/* Of an empty namespace there is nothing, and that would be an answer. */
static const char *empty_filter(const struct doc *filter)
{
	doc_foreach_entry (filter, e) {
		if (str_empty(doc_str(e->value)))
			return e->key;
	}
	return NULL;
}

int source_ask(struct source_env *env, const struct source_question *q, struct arena *a,
	       struct doc **ret_answer, struct error *err)
{
	const struct known_source *row;
	struct answer s;
	int r;

	const char *wrong;

	answer_begin(&s, a, q->limit);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (!str_eq(table[i].name, q->source))
			continue;
		if (!table[i].ask)
			return source_unseen(err, table[i].unseen);
		row = known_source_find(q->source);
		wrong = row ? known_filter_refused(a, row, q->filter) : NULL;
		if (wrong)
			return error_set(err, -EINVAL, "%s", wrong);
		wrong = empty_filter(q->filter);
		if (wrong)
			return error_set(err, -EINVAL, "filter %s is empty", wrong);
		r = row && row->node ? 0 : need_cluster(env, err);
		if (!r)
			r = table[i].ask(env, q, &s, err);
		if (!r)
			*ret_answer = answer_end(&s);
		return r;
	}
	return error_set(err, -EINVAL, "there is no source %s", str_or_empty(q->source));
}

/* --- discovery ---------------------------------------------------------------------------------
 */

static int discover_mesh(struct source_env *env, struct arena *a, const char **ret,
			 struct error *err)
{
	struct doc *list;
	int r = cluster_list(env->cluster, a, object_kind(KIND_DAEMON_SET), NULL, &list, err);

	if (r)
		return r;
	doc_foreach_item (list, d) {
		if (source_plays(d, "agent")) {
			*ret = kube_namespace(d);
			return 0;
		}
	}
	return source_unseen(err, "no DaemonSet of agents (k8s-app=sidestep) was found");
}

static int discover_version(struct source_env *env, struct arena *a, const char **ret,
			    struct error *err)
{
	struct sidestep_node *nodes;
	size_t n;
	int r = source_nodes(env, a, &nodes, &n, err);

	for (size_t i = 1; i < n && !r; i++) {
		if (!str_eq(nodes[i].version, nodes[0].version))
			return source_unseen(err, "agents have more than one version");
	}
	if (!r)
		*ret = str_or_empty(nodes[0].version);
	return r;
}

int source_discover(struct source_env *env, const char *key, struct arena *a, const char **ret,
		    struct error *err)
{
	int r = need_cluster(env, err);

	if (r)
		return r;
	if (str_eq(key, "mesh.namespace"))
		return discover_mesh(env, a, ret, err);
	if (str_eq(key, "version"))
		return discover_version(env, a, ret, err);
	return error_set(err, -ENODATA, "this release has nothing that tells %s", key);
}
