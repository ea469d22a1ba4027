/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/cli/regenerate.c - endpoints of a whole cluster, through a request object that every agent
 * answers: made, watched, and judged. The job is the cluster's; who stops watching stops nothing.
 */
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "agent/cli/commands.h"
#include "agent/cli/regenerate.h"
#include "agent/cli/table.h"
#include "lib/base/macros.h"
#include "lib/base/map.h"
#include "lib/base/str.h"
#include "lib/cli/progress.h"
#include "lib/object/pod.h"
#include "lib/run/cluster.h"

/* Between two looks, and a millisecond more for every node; and how long one may take before the
 * next is tried. */
#define LOOK_NS     (300 * NS_PER_MS)
#define PATIENCE_NS (5 * NS_PER_S)

struct asking {
	const struct cli_call *call;
	const struct regenerate_opts *o;
	struct cluster cluster;
	struct arena arena;
	const char *name; /* of the request */
	/* Nodes that --all leaves out, with commas; kept in the request, for whoever looks later.
	 */
	const char *left_out;
	struct node *nodes;
	size_t n_nodes;
	struct sidestep_node *agents;
	size_t n_agents;
	bool interrupted;
	struct loop_signal *signals[2];
	struct progress progress;
	struct map told; /* nodes whose end was told */
};

static void on_signal(void *arg, UNUSED int signo)
{
	struct asking *q = arg;

	q->interrupted = true;
	q->cluster.pause = "interrupted";
	loop_stop(q->cluster.loop);
}

static int open_cluster(struct asking *q, struct error *err)
{
	static const int signos[] = {SIGINT, SIGTERM};
	const char *missing = cli_missing(NEEDS_CLUSTER, q->o->kubeconfig);
	int r;

	if (missing)
		return error_set(err, -ENOENT,
				 "%s; what this node has: sidestep endpoint regenerate ID, or "
				 "--all --socket PATH",
				 missing);
	r = cluster_open(&q->cluster, &q->arena, q->o->kubeconfig, q->o->context, "sidestep", err);
	if (r < 0)
		return r;
	q->cluster.patience_ns = PATIENCE_NS;
	for (size_t i = 0; i < ARRAY_SIZE(signos); i++)
		q->signals[i] = loop_signal_new(q->cluster.loop, signos[i], on_signal, q);
	progress_init(&q->progress, q->call->err, q->cluster.clock);
	map_init(&q->told);
	return 0;
}

static void close_cluster(struct asking *q)
{
	for (size_t i = 0; i < ARRAY_SIZE(q->signals); i++)
		if (q->signals[i])
			loop_signal_free(q->signals[i]);
	if (q->cluster.loop) {
		progress_release(&q->progress);
		map_release(&q->told);
	}
	cluster_release(&q->cluster);
	arena_release(&q->arena);
}

/* --- what there is --- */

static int list_nodes(struct asking *q, struct error *err)
{
	struct doc *list;
	int r = cluster_list(&q->cluster, &q->arena, object_kind(KIND_NODE), NULL, &list, err);

	if (r < 0)
		return r;
	q->nodes = arena_array(&q->arena, doc_len(list) + 1, struct node);
	q->n_nodes = 0;
	doc_foreach_item (list, d) {
		r = node_decode(&q->arena, d, &q->nodes[q->n_nodes++], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int list_agents(struct asking *q, struct error *err)
{
	struct doc *list;
	int r = cluster_list(&q->cluster, &q->arena, object_kind(KIND_SIDESTEP_NODE), NULL, &list,
			     err);

	if (r < 0)
		return r;
	q->agents = arena_array(&q->arena, doc_len(list) + 1, struct sidestep_node);
	q->n_agents = 0;
	doc_foreach_item (list, d) {
		r = sidestep_node_decode(&q->arena, d, &q->agents[q->n_agents++], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static const struct sidestep_node *agent_of(const struct asking *q, const char *node)
{
	for (size_t i = 0; i < q->n_agents; i++) {
		if (str_eq(q->agents[i].meta.name, node))
			return &q->agents[i];
	}
	return NULL;
}

static bool has_node(const struct asking *q, const char *name)
{
	for (size_t i = 0; i < q->n_nodes; i++) {
		if (str_eq(q->nodes[i].meta.name, name))
			return true;
	}
	return false;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

#define LEFT_OUT_ANNOTATION "sidestep.dev/left-out"

static void leave_out(struct asking *q, const char *node)
{
	progress_line(&q->progress, "%s is left out: no agent has ever reported", node);
	q->left_out = q->left_out ? arena_printf(&q->arena, "%s,%s", q->left_out, node) : node;
}

/* Nodes that nobody would answer for are left out, and that is said: they would hold up the rest,
 * and what is asked of them is not known. */
static int choose_nodes(struct asking *q, struct sidestep_request *r, struct error *err)
{
	struct strings *s = &r->nodes;

	if (q->o->nodes.n > REQUEST_MAX_NODES)
		return error_set(err, -E2BIG, "%zu nodes; name at most %d with --node",
				 q->o->nodes.n, REQUEST_MAX_NODES);
	s->items = arena_array(&q->arena, q->n_nodes + q->o->nodes.n + 1, const char *);
	for (size_t i = 0; i < q->o->nodes.n; i++) {
		const char *name = q->o->nodes.items[i];

		if (!has_node(q, name))
			return error_set(err, -ENOENT, "no node %s in this cluster", name);
		if (!agent_of(q, name))
			return error_set(err, -ENOENT, "no agent has ever reported from node %s",
					 name);
		s->items[s->n++] = arena_strdup(&q->arena, name);
	}
	if (s->n)
		return 0;
	for (size_t i = 0; i < q->n_nodes; i++) {
		if (agent_of(q, q->nodes[i].meta.name))
			s->items[s->n++] = q->nodes[i].meta.name;
		else
			leave_out(q, q->nodes[i].meta.name);
	}
	if (!s->n)
		return error_set(err, -ENOENT, "no agent has ever reported in this cluster");
	if (s->n > REQUEST_MAX_NODES)
		return error_set(err, -E2BIG, "%zu nodes; name at most %d with --node", s->n,
				 REQUEST_MAX_NODES);
	qsort(s->items, s->n, sizeof(*s->items), by_name);
	if (s->n == q->n_nodes)
		s->n = 0; /* all of them: those that come meanwhile, too */
	return 0;
}

/* --- the request --- */

static int describe(struct asking *q, struct sidestep_request *r, struct error *err)
{
	const struct regenerate_opts *o = q->o;
	char host[256] = "";

	gethostname(host, sizeof(host) - 1);
	*r = (struct sidestep_request){
		.kind = REQUEST_REGENERATE,
		.namespace = o->namespace,
		.max_failed = {true, o->max_failed},
		.max_parallel = {true, o->max_parallel},
		.level = o->level,
		.requester = arena_printf(&q->arena, "uid %u at %s", (unsigned)getuid(), host)};
	r->meta.name = q->name;
	if (o->selector) {
		r->pod_selector = arena_new(&q->arena, struct label_selector);
		if (label_selector_parse(&q->arena, o->selector, r->pod_selector, err) < 0)
			return -EINVAL; /* it was read before */
	}
	return choose_nodes(q, r, err);
}

static const char *new_name(struct asking *q)
{
	char text[CLOCK_RFC3339_SIZE], name[CLOCK_RFC3339_SIZE];
	size_t n = 0;

	clock_rfc3339(clock_wall_ns(q->cluster.clock), 3, text);
	for (const char *p = text; *p; p++)
		if (*p >= '0' && *p <= '9')
			name[n++] = *p;
	name[n] = 0;
	return arena_printf(&q->arena, "regenerate-%s", name);
}

static int make_request(struct asking *q, const struct sidestep_request *r, struct error *err)
{
	const struct object_kind *kind = object_kind(KIND_SIDESTEP_REQUEST);
	struct doc *d = kube_object_new(&q->arena, kind, NULL, q->name);
	struct doc *spec = doc_get(bind_encode(&q->arena, &sidestep_request_table, r), "spec");
	struct kube_request rq = {.verb = KUBE_CREATE, .kind = kind, .body = d};
	int code;

	doc_set_string(&q->arena, doc_set_map(&q->arena, doc_get(d, "metadata"), "labels"),
		       SIDESTEP_MANAGED_BY_LABEL, SIDESTEP_MANAGED_BY);
	if (q->left_out)
		doc_set_string(&q->arena,
			       doc_set_map(&q->arena, doc_get(d, "metadata"), "annotations"),
			       LEFT_OUT_ANNOTATION, q->left_out);
	doc_set(&q->arena, d, "spec", spec);
	code = cluster_do(&q->cluster, &rq, &q->arena, NULL, err);
	/* The same job, asked for again: it is looked at, and nothing is done twice. */
	if (code == -EEXIST) {
		progress_line(&q->progress, "%s is there already", q->name);
		return 0;
	}
	return code;
}

/* --- before anything is done --- */

struct preview_pods {
	struct map uids; /* of what the selector selects, by "namespace/pod" */
	bool all;
};

static int selected_pods(struct asking *q, const struct sidestep_request *r,
			 struct preview_pods *ret, struct error *err)
{
	struct doc *list;
	int code;

	map_init(&ret->uids);
	ret->all = !r->pod_selector;
	if (ret->all)
		return 0;
	code = cluster_list(&q->cluster, &q->arena, object_kind(KIND_POD), r->namespace, &list,
			    err);
	if (code < 0)
		return code;
	doc_foreach_item (list, d) {
		struct pod p;

		if (pod_decode(&q->arena, d, &p, NULL) == 0 &&
		    label_selector_matches(r->pod_selector, &p.meta.labels))
			map_set(&ret->uids, object_key(&q->arena, &p.meta),
				arena_strdup(&q->arena, str_or_empty(p.meta.uid)));
	}
	return 0;
}

static int preview(struct asking *q, const struct sidestep_request *r, struct error *err)
{
	struct regenerate_job job;
	struct preview_pods pods;
	struct doc *items = doc_list(&q->arena);
	int code = selected_pods(q, r, &pods, err);

	if (code < 0)
		return code;
	regenerate_job(&q->arena, r, q->nodes, q->n_nodes, &job);
	for (size_t i = 0; i < job.n_turns; i++) {
		struct doc *row = doc_append(&q->arena, items, doc_map(&q->arena));

		doc_set_int(&q->arena, row, "turn", (int64_t)i + 1);
		doc_set_string(&q->arena, row, "node", job.turns[i].node);
		doc_set_int(&q->arena, row, "endpoints",
			    regenerate_count(agent_of(q, job.turns[i].node), r->namespace,
					     pods.all ? NULL : &pods.uids));
		doc_set_bool(&q->arena, row, "ready", !job.turns[i].not_ready);
	}
	map_release(&pods.uids);
	regenerate_print_preview(q->call->out, items, q->o->node.output);
	return CLI_OK;
}

/* --- looking --- */

static void tell_ends(struct asking *q, const struct regenerate_job *job)
{
	for (size_t i = 0; i < job->n_turns; i++) {
		const struct regenerate_turn *t = &job->turns[i];

		if (t->state < REGENERATE_DONE || map_has(&q->told, t->node))
			continue;
		map_set(&q->told, t->node, q);
		progress_line(&q->progress, "%s: %s", t->node, regenerate_words(&q->arena, t));
	}
}

static void tell_now(struct asking *q, const struct regenerate_job *job)
{
	const struct regenerate_turn *at = NULL;

	for (size_t i = 0; i < job->n_turns && !at; i++)
		if (job->turns[i].state == REGENERATE_RUNNING || job->turns[i].due)
			at = &job->turns[i];
	progress_live(&q->progress, "%zu of %zu nodes ended, %" PRId64 " endpoints; at %s",
		      map_count(&q->told), job->n_turns, job->regenerated,
		      at ? at->node : "nobody");
}

/* One look. *ret_r is the request; -ESRCH when it is gone. */
static int look(struct asking *q, struct sidestep_request *ret_r, struct regenerate_job *ret_job,
		struct error *err)
{
	struct doc *d = NULL;
	int r = cluster_get(&q->cluster, &q->arena, object_kind(KIND_SIDESTEP_REQUEST), NULL,
			    q->name, &d, err);

	if (r < 0)
		return r;
	if (!d)
		return error_set(err, -ESRCH, "there is no job %s (kubectl get sidesteprequests)",
				 q->name);
	r = sidestep_request_decode(&q->arena, d, ret_r, err);
	if (r == 0 && ret_r->kind != REQUEST_REGENERATE)
		r = error_set(err, -ESRCH, "%s is no regeneration", q->name);
	q->left_out = strmap_get(&ret_r->meta.annotations, LEFT_OUT_ANNOTATION);
	if (r == 0)
		r = list_nodes(q, err);
	if (r < 0)
		return r;
	regenerate_job(&q->arena, ret_r, q->nodes, q->n_nodes, ret_job);
	return 0;
}

/* What may be another thing at the next look. */
static bool passes(int r)
{
	return r < 0 && r != -ESRCH && r != -EACCES && r != -EPERM && r != -EINVAL;
}

static int finish(struct asking *q, const struct regenerate_job *job)
{
	progress_live(&q->progress, "%s", "");
	regenerate_print(q->call->out, q->name, job, q->left_out, q->o->node.output);
	if (job->failed || job->n_states[REGENERATE_FAILED] || job->n_states[REGENERATE_STOPPED])
		return CLI_BLOCKED;
	if (q->left_out)
		fprintf(q->call->err,
			"not known: %s, where no agent has ever reported; name the "
			"others with --node when that is as it should be\n",
			q->left_out);
	return job->n_states[REGENERATE_DONE] == job->n_turns && !q->left_out ? CLI_OK
									      : CLI_INCONCLUSIVE;
}

static void say_how_to_look(const struct asking *q)
{
	fprintf(q->call->err, "look at it again: sidestep endpoint regenerate --job %s --wait\n",
		q->name);
}

/* Who was to answer, and has not. */
static void say_silent(struct asking *q, const struct regenerate_job *job)
{
	for (size_t i = 0; i < job->n_turns; i++) {
		const struct regenerate_turn *t = &job->turns[i];

		if (t->state != REGENERATE_RUNNING && !t->due && !t->absent && !t->not_ready)
			continue;
		if (t->state >= REGENERATE_DONE)
			continue;
		fprintf(q->call->err, "%s has not answered: %s\n", t->node,
			t->absent      ? "there is no such node"
			: t->not_ready ? "the node is not ready"
				       : "it is its turn (is its agent running? kubectl get "
					 "sidestepnodes)");
	}
}

/* job is NULL when there was no look. */
static int give_up(struct asking *q, const struct regenerate_job *job)
{
	int code = job ? finish(q, job) : CLI_INCONCLUSIVE;

	if (job)
		say_silent(q, job);
	if (q->interrupted)
		fprintf(q->call->err, "interrupted; the job %s goes on without you\n", q->name);
	else
		fprintf(q->call->err, "not over after the time given with --timeout\n");
	say_how_to_look(q);
	if (q->interrupted)
		return CLI_INTERRUPTED;
	return code == CLI_BLOCKED ? CLI_BLOCKED : CLI_INCONCLUSIVE;
}

/* Every look has the memory of its own, for it may be a long time. */
static int follow(struct asking *q, struct error *err)
{
	uint64_t end = clock_now_ns(q->cluster.clock) + q->o->timeout;
	struct arena kept = q->arena;
	int code = -EAGAIN;

	while (code == -EAGAIN) {
		struct sidestep_request r;
		struct regenerate_job job = {0};
		bool over;
		int seen;

		q->arena = (struct arena)ARENA_INIT;
		seen = look(q, &r, &job, err);
		over = q->interrupted || clock_now_ns(q->cluster.clock) >= end;
		if (seen == 0) {
			tell_ends(q, &job);
			tell_now(q, &job);
		}
		if (seen < 0 && !q->interrupted && (!passes(seen) || over))
			code = seen;
		else if (seen == 0 && job.over && !q->interrupted)
			code = finish(q, &job);
		else if (over)
			code = give_up(q, seen == 0 ? &job : NULL);
		arena_release(&q->arena);
		if (code == -EAGAIN)
			cluster_wait(&q->cluster, LOOK_NS + job.n_turns * NS_PER_MS, NULL);
	}
	q->arena = kept;
	return code;
}

/* Without --wait: as it stands. */
static int look_once(struct asking *q, struct error *err)
{
	struct sidestep_request r;
	struct regenerate_job job;
	int code = look(q, &r, &job, err);

	if (code < 0)
		return code;
	code = finish(q, &job);
	if (!job.over)
		say_how_to_look(q);
	return code;
}

static int begin(struct asking *q, struct error *err)
{
	struct sidestep_request r;
	int code = list_nodes(q, err);

	if (code == 0)
		code = list_agents(q, err);
	q->name = q->o->job ? q->o->job : new_name(q);
	if (code == 0)
		code = describe(q, &r, err);
	if (code < 0)
		return code;
	if (q->o->dry_run)
		return preview(q, &r, err);
	code = make_request(q, &r, err);
	if (code < 0)
		return code;
	if (q->o->wait) {
		progress_line(&q->progress, "job %s", q->name);
		return follow(q, err);
	}
	fprintf(q->call->out, "%s\n", q->name);
	say_how_to_look(q);
	return CLI_OK;
}

bool regenerate_is_for_cluster(const struct regenerate_opts *o)
{
	return (o->all && !o->node.socket) || o->selector || o->nodes.n || o->namespace || o->job;
}

int regenerate_cluster(const struct cli_call *call, struct error *err)
{
	const struct regenerate_opts *o = call->opts;
	struct asking q = {.call = call, .o = o, .arena = ARENA_INIT};
	bool asks = o->all || o->selector || o->nodes.n || o->namespace;
	struct label_selector selector;
	int code;

	if (call->n_args)
		return cli_usage(call, "name one endpoint of this node, or say which of the "
				       "cluster's, not both");
	if (o->selector && label_selector_parse(call->arena, o->selector, &selector, err) < 0)
		return cli_usage(call, "--selector: %s", err->msg);
	code = open_cluster(&q, err);
	if (code == 0 && asks) {
		code = begin(&q, err);
	} else if (code == 0) {
		q.name = o->job;
		code = o->wait ? follow(&q, err) : look_once(&q, err);
	}
	close_cluster(&q);
	return code;
}
