/* SPDX-License-Identifier: Apache-2.0 */
#include "migrate/world.h"

#include <string.h>

#include "lib/base/map.h"
#include "lib/base/str.h"
#include "lib/object/pod.h"
#include "migrate/probe.h"

/* --- pods ----------------------------------------------------------------------------------------
 */

/* ReplicaSet "ns/name" -> its Deployment's name. */
static int learn_replica_sets(struct world *w, const char *ns, struct map *owners,
			      struct error *err)
{
	struct doc *list;
	int r = cluster_list(w->migration->cluster, w->arena, object_kind(KIND_REPLICA_SET), ns,
			     &list, err);

	if (r)
		return r;
	doc_foreach_item (list, d) {
		const struct doc *owner = kube_controller(d);

		if (owner && str_eq(doc_find_str(owner, "kind"), "Deployment"))
			map_set(owners, kube_name(d),
				arena_strdup(w->arena, doc_find_str(owner, "name")));
	}
	return 0;
}

static const char *workload_of(struct world *w, const struct pod *p, const struct map *owners)
{
	const struct owner_reference *o = object_controller(&p->meta);
	const char *deployment = NULL;

	if (o && str_eq(o->kind, "ReplicaSet"))
		deployment = map_get(owners, o->name);
	if (deployment)
		return arena_printf(w->arena, "Deployment/%s/%s", p->meta.namespace, deployment);
	if (o)
		return arena_printf(w->arena, "%s/%s/%s", o->kind, p->meta.namespace, o->name);
	return arena_printf(w->arena, "Pod/%s/%s", p->meta.namespace, p->meta.name);
}

static int64_t restarts_of(const struct pod *p)
{
	int64_t n = 0;

	for (size_t i = 0; i < p->n_container_statuses; i++)
		n += p->container_statuses[i].restart_count;
	for (size_t i = 0; i < p->n_init_container_statuses; i++)
		n += p->init_container_statuses[i].restart_count;
	return n;
}

static void add_pod(struct world *w, const struct pod *p, const struct map *owners)
{
	if (pod_is_finished(p) || strmap_get(&p->meta.labels, PROBE_LABEL))
		return;
	w->pods[w->n_pods++] = (struct world_pod){
		.namespace = p->meta.namespace,
		.name = p->meta.name,
		.workload = workload_of(w, p, owners),
		.pod = p,
		.sidecar = pod_has_sidecar(p),
		.ready = pod_is_ready(p),
		.ending = p->meta.deletion_timestamp != NULL,
		.restarts = restarts_of(p),
	};
}

static int look_at_pods(struct world *w, const char *ns, struct error *err)
{
	struct map owners = MAP_INIT;
	struct world_pod *pods;
	struct doc *list;
	int r = learn_replica_sets(w, ns, &owners, err);

	if (!r)
		r = cluster_list(w->migration->cluster, w->arena, object_kind(KIND_POD), ns, &list,
				 err);
	if (!r) {
		pods = arena_array(w->arena, w->n_pods + doc_len(list) + 1, struct world_pod);
		if (w->n_pods)
			memcpy(pods, w->pods, w->n_pods * sizeof(*pods));
		w->pods = pods;
		doc_foreach_item (list, d) {
			struct pod *p = arena_new(w->arena, struct pod);

			if (!r && !(r = pod_decode(w->arena, d, p, err)))
				add_pod(w, p, &owners);
		}
	}
	map_release(&owners);
	return r;
}

/* The namespace itself and every other one at an end of an edge of the plan. */
static int look_at_all_pods(struct world *w, struct error *err)
{
	struct map seen = MAP_INIT;
	int r = 0;

	map_set(&seen, w->migration->ns, w);
	doc_foreach_item (doc_get(w->migration->plan, "edges"), e) {
		const char *from = doc_find_str(e, "fromNamespace"), *to, *end;

		if (!str_empty(from))
			map_set(&seen, from, w);
		to = strchr(str_or_empty(doc_find_str(e, "to")), '/');
		end = to ? strchr(to + 1, '/') : NULL;
		if (end)
			map_set(&seen, arena_strndup(w->arena, to + 1, (size_t)(end - to - 1)), w);
	}
	map_foreach (&seen, e) {
		if (!r)
			r = look_at_pods(w, arena_strdup(w->arena, map_key(e)), err);
	}
	map_release(&seen);
	return r;
}

/* --- agents --------------------------------------------------------------------------------------
 */

static int look_at_agents(struct world *w, struct error *err)
{
	struct doc *list;
	int r = cluster_list(w->migration->cluster, w->arena, object_kind(KIND_SIDESTEP_NODE), NULL,
			     &list, err);

	if (r)
		return r;
	w->agents = arena_array(w->arena, doc_len(list) + 1, struct sidestep_node);
	doc_foreach_item (list, d) {
		if (!r)
			r = sidestep_node_decode(w->arena, d, &w->agents[w->n_agents++], err);
	}
	return r;
}

int world_look(struct world *w, struct arena *a, struct migration *m, struct error *err)
{
	int r;

	*w = (struct world){.arena = a, .migration = m};
	r = look_at_all_pods(w, err);
	return r ? r : look_at_agents(w, err);
}

const char *world_silent_agent(const struct world *w)
{
	int64_t now = clock_wall_ns(w->migration->cluster->clock), then;

	if (!w->n_agents)
		return "no agent publishes anything (no SidestepNode)";
	for (size_t i = 0; i < w->n_agents; i++) {
		const struct sidestep_node *n = &w->agents[i];

		if (!n->ready)
			return arena_printf(w->arena, "the agent of %s is not ready: %s",
					    n->meta.name, str_or_empty(n->message));
		if (!n->updated || clock_parse_rfc3339(n->updated, &then))
			return arena_printf(w->arena, "the agent of %s does not say when it looked",
					    n->meta.name);
		if (now - then > (int64_t)AGENT_SILENT_NS)
			return arena_printf(w->arena, "the agent of %s has been silent since %s",
					    n->meta.name, n->updated);
		/* Or it could be silent for an hour before it looked so. */
		if (then - now > (int64_t)AGENT_SILENT_NS)
			return arena_printf(w->arena,
					    "the clock of %s (%s) is ahead of this machine's: "
					    "set them right",
					    n->meta.name, n->updated);
	}
	return NULL;
}

const struct sidestep_endpoint *world_endpoint(const struct world *w, const struct world_pod *pod)
{
	for (size_t i = 0; i < w->n_agents; i++)
		for (size_t k = 0; k < w->agents[i].n_endpoints; k++) {
			const struct sidestep_endpoint *e = &w->agents[i].endpoints[k];

			if (str_eq(e->namespace, pod->namespace) && str_eq(e->pod, pod->name))
				return e;
		}
	return NULL;
}

int world_workload(const struct world *w, const struct doc *ref, struct workload **ret_workload,
		   struct error *err)
{
	const struct object_kind *k =
		object_kind_find(doc_find_str(ref, "apiVersion"), doc_find_str(ref, "kind"));
	struct workload *out = arena_new(w->arena, struct workload);
	struct doc *d = NULL;
	int r = k ? cluster_get(w->migration->cluster, w->arena, k, doc_find_str(ref, "namespace"),
				doc_find_str(ref, "name"), &d, err)
		  : error_set(err, -EINVAL, "a workload of no kind we know");

	if (r)
		return r;
	if (d && (r = workload_decode(w->arena, d, out, err)))
		return r;
	*ret_workload = d ? out : NULL;
	return 0;
}

/* --- counters ------------------------------------------------------------------------------------
 */

/* Some pod with the identity belongs to the workload. */
static bool identity_is(const struct world *w, int64_t identity, const char *workload)
{
	for (size_t i = 0; i < w->n_pods; i++) {
		const struct sidestep_endpoint *e;

		if (!str_eq(w->pods[i].workload, workload))
			continue;
		e = world_endpoint(w, &w->pods[i]);
		if (e && e->identity == identity)
			return true;
	}
	return false;
}

/* The plan's edge that a counter is about, or NULL: what is on no edge may well be refused. */
static const struct doc *edge_of(const struct world *w, const struct sidestep_counter *c)
{
	doc_foreach_item (doc_get(w->migration->plan, "edges"), e)
		if ((c->port == COUNTER_PORT_MANY || doc_find_int(e, "port", 0) == c->port) &&
		    str_eq(doc_find_str(e, "protocol"), c->protocol) &&
		    identity_is(w, c->source, doc_find_str(e, "from")) &&
		    identity_is(w, c->destination, doc_find_str(e, "to")))
			return e;
	return NULL;
}

static const struct sidestep_counter *many_of(const struct sidestep_counter *c,
					      struct sidestep_counter *ret)
{
	*ret = *c;
	ret->port = COUNTER_PORT_MANY;
	return ret;
}

static const char *counter_key(struct arena *a, const struct sidestep_node *n,
			       const struct sidestep_counter *c)
{
	return arena_printf(
		a, "%s|%s|%lld|%lld|%lld|%s|%s|%lld", n->meta.name, str_or_empty(n->counters_epoch),
		(long long)c->source, (long long)c->destination, (long long)c->port,
		str_or_empty(c->protocol), str_or_empty(c->verdict), (long long)c->reason);
}

static void take_restarts(const struct world *w, struct baseline *b)
{
	for (size_t i = 0; i < w->n_pods; i++)
		doc_set_int(&b->arena, b->restarts,
			    arena_printf(w->arena, "%s/%s", w->pods[i].namespace, w->pods[i].name),
			    w->pods[i].restarts);
}

static void take_counter(const struct world *w, struct baseline *b, const struct sidestep_node *n,
			 const struct sidestep_counter *c)
{
	struct doc *row = doc_set_map(&b->arena, b->counts, counter_key(w->arena, n, c));

	doc_set_int(&b->arena, row, "count", c->count);
	doc_set_int(&b->arena, row, "source", c->source);
	doc_set_int(&b->arena, row, "destination", c->destination);
	doc_set_int(&b->arena, row, "port", c->port);
	doc_set_string(&b->arena, row, "protocol", c->protocol);
}

/* Everything the agents and kubelets have counted so far. */
static void take_baseline(const struct world *w, struct baseline *b, const void *gate,
			  const void *owner)
{
	arena_release(&b->arena);
	b->owner = owner;
	b->gate = gate;
	b->counts = doc_map(&b->arena);
	b->nodes = doc_map(&b->arena);
	b->restarts = doc_map(&b->arena);
	for (size_t i = 0; i < w->n_agents; i++) {
		const struct sidestep_node *n = &w->agents[i];
		struct doc *node = doc_set_map(&b->arena, b->nodes, n->meta.name);

		doc_set_string(&b->arena, node, "epoch", str_or_empty(n->counters_epoch));
		doc_set_string(&b->arena, node, "updated", str_or_empty(n->updated));
		for (size_t k = 0; k < n->n_counters; k++)
			take_counter(w, b, n, &n->counters[k]);
	}
	take_restarts(w, b);
}

static struct baseline *baseline(const struct world *w, const void *gate, const void *owner)
{
	struct baseline *b = &w->migration->baseline;

	if (b->owner != owner || b->gate != gate || !b->counts)
		take_baseline(w, b, gate, owner);
	return b;
}

/* An end of an edge that runs, and no agent knows as whom: its calls cannot be told. */
static const char *stranger(const struct world *w, const char *workload)
{
	const char *name = NULL;

	for (size_t i = 0; i < w->n_pods; i++) {
		const struct sidestep_endpoint *e;

		if (!str_eq(w->pods[i].workload, workload) || w->pods[i].pod->host_network)
			continue;
		e = world_endpoint(w, &w->pods[i]);
		if (e && e->identity)
			return NULL;
		name = w->pods[i].workload;
	}
	return name;
}

static const struct sidestep_node *agent_of(const struct world *w, const char *node)
{
	for (size_t i = 0; i < w->n_agents; i++)
		if (str_eq(w->agents[i].meta.name, node))
			return &w->agents[i];
	return NULL;
}

/* Of what is on no edge (somebody who calls every port) rows may come and go. */
static bool was_on_edge(const struct world *w, const struct doc *row)
{
	const struct sidestep_counter c = {.source = doc_find_int(row, "source", 0),
					   .destination = doc_find_int(row, "destination", 0),
					   .port = doc_find_int(row, "port", 0),
					   .protocol = doc_find_str(row, "protocol")};

	return edge_of(w, &c) != NULL;
}

/* An edge whose calls are told together with those to other ports. */
static const struct doc *blurred_edge(const struct world *w, const struct sidestep_node *n,
				      const char *verdict)
{
	const struct doc *e = NULL;

	for (size_t i = 0; i < n->n_counters && !e; i++)
		if (n->counters[i].port == COUNTER_PORT_MANY &&
		    str_eq(n->counters[i].verdict, verdict))
			e = edge_of(w, &n->counters[i]);
	return e;
}

static bool has_shrunk(const struct world *w, const struct baseline *b,
		       const struct sidestep_node *n, const char *verdict)
{
	const char *mine = arena_printf(w->arena, "%s|", n->meta.name);
	const char *about = arena_printf(w->arena, "|%s|", verdict);
	struct map now = MAP_INIT;
	bool shrunk = false;

	for (size_t k = 0; k < n->n_counters; k++)
		map_set(&now, counter_key(w->arena, n, &n->counters[k]), &n->counters[k]);
	doc_foreach_entry (b->counts, e) {
		const struct sidestep_counter *c;

		if (!str_starts(e->key, mine) || !strstr(e->key, about))
			continue;
		c = map_get(&now, e->key);
		shrunk |= (c ? c->count : 0) < doc_find_int(e->value, "count", 0) &&
			  was_on_edge(w, e->value);
	}
	map_release(&now);
	return shrunk;
}

static const char *lost_track(const struct world *w, const struct baseline *b, const char *node,
			      const struct doc *then, const char *verdict, bool ends,
			      bool *ret_anew)
{
	const struct sidestep_node *n = agent_of(w, node);
	const struct doc *blurred = n ? blurred_edge(w, n, verdict) : NULL;
	const char *what = NULL;

	if (!n)
		what = "publishes no more";
	else if (!str_eq(str_or_empty(n->counters_epoch), doc_find_str(then, "epoch")))
		what = "has begun to count anew";
	else if (has_shrunk(w, b, n, verdict))
		what = "has lost counts";
	*ret_anew = what && n;
	if (!what && blurred)
		what = arena_printf(w->arena, "tells only the sum of very many ports from %s to %s",
				    doc_find_str(blurred, "from"), doc_find_str(blurred, "to"));
	else if (!what && n->n_counters >= SIDESTEP_NODE_MAX_COUNTERS)
		what = "has more counters than it publishes, too many pairs of pods call each "
		       "other";
	else if (!what && ends && str_eq(n->updated, doc_find_str(then, "updated")))
		what = "has published nothing since this gate began to look";
	return what ? arena_printf(w->arena, "the agent of %s %s", node, what) : NULL;
}

const char *world_uncounted(const struct world *w, const void *gate, const struct doc *args,
			    const char *verdict, bool ends, bool *ret_missed)
{
	struct baseline *b = baseline(w, gate, args);
	const char *wrong = NULL;
	bool anew = false;

	*ret_missed = true;

	doc_foreach_item (doc_get(w->migration->plan, "edges"), e) {
		const char *who = stranger(w, doc_find_str(e, "from"));

		if (!who)
			who = stranger(w, doc_find_str(e, "to"));
		if (who)
			return arena_printf(w->arena, "no agent knows who %s is", who);
	}
	for (size_t i = 0; i < w->n_agents; i++)
		if (!doc_get(b->nodes, w->agents[i].meta.name) && (anew = true))
			wrong = arena_printf(w->arena, "the agent of %s came meanwhile",
					     w->agents[i].meta.name);
	doc_foreach_entry (b->nodes, e) {
		if (!wrong)
			wrong = lost_track(w, b, e->key, e->value, verdict, ends, &anew);
	}
	if (anew)
		take_baseline(w, b, gate, args);
	*ret_missed = anew;
	return wrong;
}

/* Told with other ports now or when the gate began: world_uncounted() says so. */
static bool is_blurred(const struct world *w, const struct baseline *b,
		       const struct sidestep_node *n, const struct sidestep_counter *c)
{
	struct sidestep_counter many;

	return c->port == COUNTER_PORT_MANY ||
	       doc_get(b->counts, counter_key(w->arena, n, many_of(c, &many)));
}

int64_t world_counted(const struct world *w, const void *gate, const struct doc *args,
		      const char *verdict, const char **ret_where)
{
	struct baseline *b = baseline(w, gate, args);
	int64_t sum = 0;

	for (size_t i = 0; i < w->n_agents; i++)
		for (size_t k = 0; k < w->agents[i].n_counters; k++) {
			const struct sidestep_counter *c = &w->agents[i].counters[k];
			const char *key = counter_key(w->arena, &w->agents[i], c);
			int64_t grown =
				c->count - doc_find_int(doc_get(b->counts, key), "count", 0);
			const struct doc *e;

			if (grown <= 0 || !str_eq(c->verdict, verdict) ||
			    is_blurred(w, b, &w->agents[i], c) || !(e = edge_of(w, c)))
				continue;
			if (!sum)
				*ret_where = arena_printf(
					w->arena, "%s -> %s:%lld", doc_find_str(e, "from"),
					doc_find_str(e, "to"), (long long)c->port);
			sum += grown;
		}
	if (sum)
		take_baseline(w, b, gate, args);
	return sum;
}

int64_t world_restarts(const struct world *w, const void *gate, const struct doc *args,
		       const char **ret_where)
{
	struct baseline *b = baseline(w, gate, args);
	int64_t sum = 0;

	for (size_t i = 0; i < w->n_pods; i++) {
		const struct world_pod *p = &w->pods[i];
		const char *key = arena_printf(w->arena, "%s/%s", p->namespace, p->name);
		int64_t grown = p->restarts - doc_int_or(doc_get(b->restarts, key), 0);

		if (grown <= 0 || !str_eq(p->namespace, w->migration->ns))
			continue;
		if (!sum)
			*ret_where = key;
		sum += grown;
	}
	if (sum) /* the calls that were counted meanwhile stay open */
		take_restarts(w, b);
	return sum;
}
