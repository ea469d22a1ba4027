/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/upgrade/stand_in.h"

#include <string.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/object/canonical.h"
#include "tests/support/test.h"

#define MESH  "kube-system"
#define IMAGE "sidestep.dev/sidestepd:"

#define must(call, err)                                                                            \
	do {                                                                                       \
		if ((call) < 0)                                                                    \
			fail_msg("%s: %s", #call, (err).msg);                                      \
	} while (0)

/* --- the beginning --- */

static const char *source_file(struct arena *a, const char *path)
{
	const char *source = getenv("SIDESTEP_SOURCE_DIR");

	return arena_printf(a, "%s/%s", source ? source : ".", path);
}

static void apply_file(struct stand_in *w, const char *path)
{
	struct error err = ERROR_INIT;
	struct doc_stream s;

	must(doc_read_file(&w->arena, source_file(&w->arena, path), &s, &err), err);
	for (size_t i = 0; i < s.n; i++)
		must(kube_create(w->cluster.client, &w->arena, object_kind_of(s.docs[i]), s.docs[i],
				 NULL, &err),
		     err);
}

static const char *config_of(struct stand_in *w, const char *user)
{
	return arena_printf(&w->arena, "%s/%s", w->dir, user);
}

static void start_server(struct stand_in *w)
{
	static const char *const users[] = {"world", UPGRADER};
	const struct apiserver_options options = {.no_garbage_collection = true,
						  .allow_faults = true};
	struct error err = ERROR_INIT;
	uint16_t port;

	must(apiserver_new(w->loop, &options, &w->server, &err), err);
	must(apiserver_listen(w->server, "127.0.0.1", 0, &port, &err), err);
	for (size_t i = 0; i < ARRAY_SIZE(users); i++)
		must(apiserver_write_kubeconfig(
			     w->server, users[i], "system:masters",
			     arena_printf(&w->arena, "https://127.0.0.1:%u", port),
			     config_of(w, users[i]), &err),
		     err);
}

static struct cluster cluster_as(struct stand_in *w, const char *user)
{
	struct kube_config_options where = {.kubeconfig = config_of(w, user)};
	struct kube_config config;
	struct error err = ERROR_INIT;

	must(kube_config_load(&w->arena, &where, &config, &err), err);
	return (struct cluster){.loop = w->loop,
				.client = kube_client_new(w->loop, &config, NULL),
				.clock = &w->clock.clock,
				.fake = &w->clock};
}

struct cluster stand_in_cluster(struct stand_in *w)
{
	return cluster_as(w, UPGRADER);
}

static struct doc *json_of(struct arena *a, const char *text)
{
	struct error err = ERROR_INIT;
	struct doc *d;

	must(doc_read_json(a, text, strlen(text), NULL, &d, &err), err);
	return d;
}

void stand_in_create(struct stand_in *w, const char *json)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct doc *d = json_of(&a, json);
	struct error err = ERROR_INIT;

	must(kube_create(w->cluster.client, &a, object_kind_of(d), d, NULL, &err), err);
}

static void patch_object(struct stand_in *w, enum object_kind_id kind, const char *ns,
			 const char *name, const char *subresource, const struct doc *patch)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;

	must(kube_patch(w->cluster.client, &a, object_kind(kind), ns, name, subresource,
			KUBE_PATCH_MERGE, patch, NULL, &err),
	     err);
}

void stand_in_patch(struct stand_in *w, enum object_kind_id kind, const char *ns, const char *name,
		    const char *json)
{
	auto_release(arena) struct arena a = ARENA_INIT;

	patch_object(w, kind, ns, name, NULL, json_of(&a, json));
}

static void patch_status(struct stand_in *w, enum object_kind_id kind, const char *ns,
			 const char *name, const struct doc *status)
{
	patch_object(w, kind, ns, name, "status", status);
}

void stand_in_patch_status(struct stand_in *w, enum object_kind_id kind, const char *ns,
			   const char *name, const char *json)
{
	auto_release(arena) struct arena a = ARENA_INIT;

	patch_status(w, kind, ns, name, json_of(&a, json));
}

static void put_node(struct stand_in *w, const char *name, bool control_plane)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct doc *status;

	stand_in_create(
		w, arena_printf(&a,
				"{\"apiVersion\": \"v1\", \"kind\": \"Node\", \"metadata\": "
				"{\"name\": \"%s\", \"labels\": {%s}}}",
				name,
				control_plane ? "\"node-role.kubernetes.io/control-plane\": \"\""
					      : ""));
	status = json_of(&a, "{\"status\": {\"conditions\": [{\"type\": \"Ready\", \"status\": "
			     "\"True\"}]}}");
	patch_status(w, KIND_NODE, NULL, name, status);
	stand_in_create(w, arena_printf(&a,
					"{\"apiVersion\": \"sidestep.dev/v1alpha1\", \"kind\": "
					"\"SidestepNode\", \"metadata\": {\"name\": \"%s\"}}",
					name));
}

static void make_ready(struct stand_in *w, const char *ns, const char *name, bool ready,
		       int restarts)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const char *state = restarts ? "{\"waiting\": {\"reason\": \"CrashLoopBackOff\"}}"
				     : "{\"running\": {}}";

	patch_status(
		w, KIND_POD, ns, name,
		json_of(&a, arena_printf(&a,
					 "{\"status\": {\"phase\": \"Running\", \"conditions\": "
					 "[{\"type\": \"Ready\", \"status\": \"%s\"}], "
					 "\"containerStatuses\": [{\"name\": \"c\", \"image\": "
					 "\"i\", \"imageID\": \"i\", \"ready\": %s, "
					 "\"restartCount\": %d, \"state\": %s}]}}",
					 ready ? "True" : "False", ready ? "true" : "false",
					 restarts, state)));
}

static void put_team(struct stand_in *w, const char *node)
{
	for (int i = 0; i < w->team; i++) {
		auto_release(arena) struct arena a = ARENA_INIT;
		const char *name = arena_printf(&a, "web-%s-%d", node, i);

		stand_in_create(w, arena_printf(&a,
						"{\"apiVersion\": \"v1\", \"kind\": \"Pod\", "
						"\"metadata\": {\"name\": \"%s\", \"namespace\": "
						"\"team\"}, \"spec\": {\"nodeName\": \"%s\", "
						"\"containers\": [{\"name\": \"c\", \"image\": "
						"\"web\"}]}}",
						name, node));
		make_ready(w, "team", name, true, 0);
	}
}

static void put_nodes(struct stand_in *w)
{
	for (size_t i = w->first; i < w->end; i++) {
		const char *name = i ? arena_printf(&w->arena, "worker-%zu", i) : "control";

		w->nodes[i] = (struct stand_in_node){.name = name, .generation = 7};
		put_node(w, name, i == 0);
		put_team(w, name);
	}
}

static void make_world(struct stand_in *w, size_t first, size_t end, int team)
{
	*w = (struct stand_in){
		.dir = "/tmp/sidestep-upgrade-XXXXXX", .first = first, .end = end, .team = team};
	assert_non_null(mkdtemp(w->dir));
	fake_clock_init(&w->clock, clock_wall_ns(clock_system()));
	w->loop = loop_new(&w->clock.clock);
	start_server(w);
	w->cluster = cluster_as(w, "world");
	apply_file(w, "deploy/crds/cilium.yaml");
	apply_file(w, "deploy/crds/sidestep.yaml");
	apply_file(w, "tests/unit/upgrade/world/objects.yaml");
	put_nodes(w);
	stand_in_tick(w);
	fake_clock_advance(&w->clock, 5 * NS_PER_S);
	stand_in_tick(w);
}

void stand_in_new(struct stand_in *w)
{
	make_world(w, 0, NODES, 2);
}

void stand_in_new_large(struct stand_in *w, size_t n, int team)
{
	make_world(w, 0, n, team);
}

void stand_in_new_small(struct stand_in *w)
{
	make_world(w, 2, NODES, 2);
}

void stand_in_free(struct stand_in *w)
{
	kube_client_free(w->cluster.client);
	apiserver_free(w->server);
	loop_free(w->loop);
	io_remove_tree(w->dir, NULL);
	arena_release(&w->arena);
}

void stand_in_faults(struct stand_in *w, const char *json)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;

	must(apiserver_set_faults(w->server, json ? json_of(&a, json) : NULL, &err), err);
}

bool stand_in_struck(struct stand_in *w)
{
	struct kube_request request = {.verb = KUBE_GET, .path = "/sidestep/faults"};
	auto_release(arena) struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;
	struct doc *d = NULL;

	must(cluster_do(&w->cluster, &request, &a, &d, &err), err);
	return doc_find_int(d, "faults[0].times", 0) == 0;
}

/* --- looking --- */

struct doc *stand_in_get(struct stand_in *w, struct arena *a, enum object_kind_id kind,
			 const char *ns, const char *name)
{
	struct error err = ERROR_INIT;
	struct doc *d = NULL;

	must(cluster_get(&w->cluster, a, object_kind(kind), ns, name, &d, &err), err);
	return d;
}

static struct doc *list_of(struct stand_in *w, struct arena *a, enum object_kind_id kind)
{
	struct error err = ERROR_INIT;
	struct doc *list;

	must(cluster_list(&w->cluster, a, object_kind(kind), NULL, &list, &err), err);
	return list;
}

static void remove_object(struct stand_in *w, enum object_kind_id kind, const char *ns,
			  const char *name)
{
	struct kube_request request = {.verb = KUBE_DELETE,
				       .kind = object_kind(kind),
				       .namespace_ = ns,
				       .name = name,
				       .with_grace = true};
	auto_release(arena) struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;

	must(cluster_do(&w->cluster, &request, &a, NULL, &err), err);
}

void stand_in_remove(struct stand_in *w, enum object_kind_id kind, const char *ns, const char *name)
{
	remove_object(w, kind, ns, name);
}

/* --- the DaemonSet controller and kubelets --- */

static bool is_agent(const struct doc *pod)
{
	return str_eq(doc_find_str(kube_controller(pod), "kind"), "DaemonSet");
}

static const char *image_of(const struct doc *pod)
{
	return str_or_empty(doc_find_str(pod, "spec.containers[0].image"));
}

static const char *version_of(const struct doc *pod)
{
	const char *colon = strrchr(image_of(pod), ':');

	return colon ? colon + 1 : "";
}

static const struct doc *agent_on(const struct doc *pods, const char *node)
{
	doc_foreach_item (pods, pod)
		if (is_agent(pod) && !kube_deleting(pod) &&
		    str_eq(doc_find_str(pod, "spec.nodeName"), node))
			return pod;
	return NULL;
}

const char *stand_in_agent(struct stand_in *w, struct arena *a, const char *node)
{
	return kube_name(agent_on(list_of(w, a, KIND_POD), node));
}

static void make_agent(struct stand_in *w, struct arena *a, const struct doc *set, const char *node)
{
	struct error err = ERROR_INIT;
	struct doc *pod = doc_clone(a, doc_find(set, "spec.template"));
	struct doc *meta = doc_set_map(a, pod, "metadata");

	doc_set_string(a, pod, "apiVersion", "v1");
	doc_set_string(a, pod, "kind", "Pod");
	doc_setf(a, meta, "name", "sidestep-%u", ++w->pods_made);
	doc_set_string(a, meta, "namespace", MESH);
	doc_set_string(a, doc_get(pod, "spec"), "nodeName", node);
	kube_set_controller(a, pod, object_kind(KIND_DAEMON_SET), set);
	must(kube_create(w->cluster.client, a, object_kind(KIND_POD), pod, NULL, &err), err);
}

static bool struck(const struct stand_in *w, const struct doc *pod, const char *node,
		   enum agent_fault fault)
{
	return w->fault == fault && str_eq(version_of(pod), NEW_VERSION) &&
	       (!w->fault_on || str_eq(w->fault_on, node));
}

/* Of affinities only this one is known here: which label keeps its agents off a node. */
static bool keeps_agents_off(const struct doc *set, const struct doc *node)
{
	return doc_find(set, "spec.template.spec.affinity") && node &&
	       kube_label(node, OTHER_KIND_LABEL);
}

static void run_agents(struct stand_in *w, struct arena *a)
{
	const struct doc *set = stand_in_get(w, a, KIND_DAEMON_SET, MESH, "sidestep");
	struct doc *pods = list_of(w, a, KIND_POD);
	const struct doc *node;

	doc_foreach_item (pods, pod)
		if (is_agent(pod) && kube_deleting(pod))
			remove_object(w, KIND_POD, MESH, kube_name(pod));
	for (size_t i = w->first; i < w->end; i++) {
		const struct doc *agent = agent_on(pods, w->nodes[i].name);

		node = stand_in_get(w, a, KIND_NODE, NULL, w->nodes[i].name);
		if (agent && keeps_agents_off(set, node))
			remove_object(w, KIND_POD, MESH, kube_name(agent));
		else if (!agent && node && !keeps_agents_off(set, node))
			make_agent(w, a, set, w->nodes[i].name);
	}
}

static void run_new(struct stand_in *w, const struct doc *pods)
{
	doc_foreach_item (pods, pod) {
		const char *node = doc_find_str(pod, "spec.nodeName");
		bool never = struck(w, pod, node, AGENT_NEVER_READY);
		bool crashes = struck(w, pod, node, AGENT_CRASHES);

		if (is_agent(pod) &&
		    (never || crashes || !doc_find(pod, "status.containerStatuses")))
			make_ready(w, MESH, kube_name(pod), !never && !crashes, crashes ? 3 : 0);
	}
}

/* The new agent of its node makes no networks for new pods. */
static bool without_network(const struct stand_in *w, const struct doc *pod)
{
	bool host = doc_bool_or(doc_find(pod, "spec.hostNetwork"), false);

	for (size_t i = 0; w->fault == AGENT_NO_NETWORK && !host && i < w->end; i++)
		if (str_eq(w->nodes[i].name, doc_find_str(pod, "spec.nodeName")))
			return str_eq(w->nodes[i].version, NEW_VERSION);
	return false;
}

/* Pods that end at once. */
static void end_pulls(struct stand_in *w, struct arena *a, const struct doc *pods)
{
	doc_foreach_item (pods, pod) {
		if (!kube_label(pod, UPGRADE_LABEL))
			continue;
		if (kube_deleting(pod))
			remove_object(w, KIND_POD, MESH, kube_name(pod));
		else if (!without_network(w, pod) &&
			 !(w->new_is_gone && str_eq(version_of(pod), NEW_VERSION)))
			patch_status(w, KIND_POD, MESH, kube_name(pod),
				     json_of(a,
					     "{\"status\": {\"phase\": \"Succeeded\", \"podIP\": "
					     "\"10.0.0.9\", "
					     "\"containerStatuses\": [{\"name\": \"pull\", "
					     "\"state\": {\"terminated\": {\"exitCode\": 0}}}]}}"));
	}
}

/* --- agents --- */

static const char *rfc3339(struct arena *a, int64_t wall)
{
	char when[CLOCK_RFC3339_SIZE];

	return arena_strdup(a, clock_rfc3339(wall, 3, when));
}

static int64_t now_ms(const struct stand_in *w)
{
	return (int64_t)(clock_now_ns(&w->clock.clock) / NS_PER_MS);
}

static void put_endpoints(struct arena *a, const struct stand_in_node *n, const struct doc *pods,
			  struct doc *status)
{
	struct doc *list = doc_set_list(a, status, "endpoints");
	int64_t id = 100;

	doc_foreach_item (pods, pod) {
		struct doc *e;

		if (!str_eq(kube_namespace(pod), "team") ||
		    !str_eq(doc_find_str(pod, "spec.nodeName"), n->name))
			continue;
		e = doc_append(a, list, doc_map(a));
		doc_set_int(a, e, "id", ++id);
		doc_set_string(a, e, "namespace", "team");
		doc_set_string(a, e, "pod", kube_name(pod));
		doc_set_string(a, e, "uid", kube_uid(pod));
		doc_set_string(a, e, "state", "ready");
		doc_set_int(a, e, "generation", n->generation);
	}
}

static void put_more(struct arena *a, struct doc *health)
{
	for (int i = 0; i < 24; i++)
		doc_append(a, doc_get(health, "maps"),
			   json_of(a, arena_printf(a,
						   "{\"name\": \"map_of_endpoints_%d\", "
						   "\"layout\": 1, \"entries\": 50000, \"max\": "
						   "1048576, \"evicts\": false}",
						   i)));
	doc_set(a, doc_get(health, "programs"), "ids",
		json_of(a, "[\"from_pod=1000\", \"to_pod=1001\", \"from_host=1002\", "
			   "\"to_host=1003\", \"from_wire=1004\", \"to_wire=1005\", "
			   "\"connect4=1006\", \"connect6=1007\", \"sendmsg4=1008\"]"));
	for (int i = 0; i < 12; i++)
		doc_append(a, doc_get(health, "drops"),
			   json_of(a, arena_printf(a,
						   "{\"reason\": %d, \"name\": \"A reason of some "
						   "length\", \"direction\": \"egress\", "
						   "\"packets\": 1000000, \"bytes\": 1000000000}",
						   140 + i)));
}

static void put_health(struct stand_in *w, struct arena *a, const struct stand_in_node *n,
		       const struct doc *pod, struct doc *status)
{
	bool leaks = struck(w, pod, n->name, AGENT_LEAKS);
	int64_t lost = struck(w, pod, n->name, AGENT_SEEPS) ? (now_ms(w) - n->started_ms) * 5 : 0;
	const char *text = arena_printf(
		a,
		"{\"started\": \"%s\", \"starts\": %lld, \"clockMs\": %lld, \"uptimeMs\": %lld, "
		"\"endpoints\": {\"expected\": %d, \"ready\": %d, \"restored\": %d, \"notReady\": "
		"0, "
		"\"missing\": 0}, \"regenerations\": {\"done\": %d, \"failed\": 0}, "
		"\"metricsEpoch\": \"e\", \"drops\": [{\"reason\": 133, \"name\": \"Policy "
		"denied\", "
		"\"direction\": \"ingress\", \"packets\": %lld}], \"maps\": [{\"name\": "
		"\"conntrack\", "
		"\"layout\": 1, \"entries\": 500, \"max\": 65536, \"evicts\": true}], "
		"\"mapErrors\": 0, \"lostEvents\": 0, \"programs\": {\"tag\": \"t\", \"devices\": "
		"2, "
		"\"wrong\": 0}, \"failingControllers\": 0, \"process\": {\"cpuMs\": 100, "
		"\"rssBytes\": %lld, \"limitBytes\": 268435456}}",
		rfc3339(a, n->started_wall), (long long)n->starts, (long long)now_ms(w),
		(long long)(now_ms(w) - n->started_ms), w->team, w->team, w->team, w->team,
		(long long)(now_ms(w) / 100), /* somebody is refused all the time */
		(long long)(leaks ? 20000000 + n->looks * 60000000 : 20000000 + lost));

	doc_set(a, status, "health", json_of(a, text));
	if (w->tells_all)
		put_more(a, doc_get(status, "health"));
}

static const char *counter(struct arena *a, int destination, const char *verdict, int count)
{
	return arena_printf(a,
			    "{\"source\": 1, \"destination\": %d, \"port\": 80, \"protocol\": "
			    "\"TCP\", \"verdict\": \"%s\", \"count\": %d}",
			    destination, verdict, count);
}

/* Identity 2 is on the node itself, 3 on another; what is sent to it the old agents do not tell. */
static void put_counters(struct stand_in *w, struct arena *a, const struct stand_in_node *n,
			 struct doc *status)
{
	const char *passed = counter(a, 2, "forwarded", n->let_again ? 9 + (int)n->looks : 9);

	/* A policy from before this run refuses somebody all the time whom none refused at first.
	 */
	passed = arena_printf(a, "%s, %s, %s", passed, counter(a, 4, "forwarded", 9),
			      counter(a, 4, "dropped", (int)(now_ms(w) / 100)));
	doc_set_string(a, status, "countersEpoch", "c");
	doc_set(a, status, "counters",
		json_of(a, n->refused ? arena_printf(a, "[%s, %s]", passed,
						     counter(a, (int)n->refused, "dropped", 3))
				      : arena_printf(a, "[%s]", passed)));
	doc_set(a, status, "sent",
		str_eq(n->version, NEW_VERSION)
			? json_of(a, arena_printf(a, "{\"rows\": 1, \"items\": [%s]}",
						  counter(a, 3, "forwarded", 9)))
			: doc_null(a));
}

static void publish(struct stand_in *w, struct arena *a, struct stand_in_node *n,
		    const struct doc *pods, const struct doc *pod)
{
	struct doc *d = doc_map(a), *status = doc_set_map(a, d, "status");
	bool refused = struck(w, pod, n->name, AGENT_REFUSED);

	if (n->looks > 2 && struck(w, pod, n->name, AGENT_DROPS))
		n->refused = 2;
	if (n->looks > 2 && struck(w, pod, n->name, AGENT_MUTES))
		n->refused = 3;
	doc_set_string(a, status, "version", n->version);
	doc_set_bool(a, status, "ready", !refused);
	doc_set_string(a, status, "message",
		       refused ? "the kernel's verifier refuses from_pod" : "");
	doc_set_string(a, status, "bootID", n->boot ? n->boot : "boot");
	doc_set_string(a, status, "updated", rfc3339(a, clock_wall_ns(&w->clock.clock)));
	put_endpoints(a, n, pods, status);
	put_counters(w, a, n, status);
	doc_set(a, status, "conntrack",
		json_of(a,
			str_eq(n->version, NEW_VERSION)
				? arena_printf(a,
					       "{\"layout\": 2, \"older\": %d, \"entries\": 500, "
					       "\"converted\": 500, \"remaining\": 0}",
					       !w->forgets_older)
				: "{\"layout\": 1, \"older\": 0, \"entries\": 500, "
				  "\"converted\": 500, "
				  "\"remaining\": 0}"));
	if (w->old_tells_no_health && str_eq(n->version, OLD_VERSION)) {
		doc_set(a, status, "health", doc_null(a));
		doc_set(a, status, "conntrack", doc_null(a));
	} else {
		put_health(w, a, n, pod, status);
	}
	patch_status(w, KIND_SIDESTEP_NODE, NULL, n->name, d);
}

/* A new pod is a new process. */
static void live(struct stand_in *w, struct arena *a, struct stand_in_node *n,
		 const struct doc *pods, const struct doc *pod)
{
	if (!str_eq(n->pod_uid, kube_uid(pod))) {
		n->pod_uid = arena_strdup(&w->arena, kube_uid(pod));
		n->version = arena_strdup(&w->arena, version_of(pod));
		n->starts++;
		n->looks = n->refused = 0;
		n->started_wall = clock_wall_ns(&w->clock.clock);
		n->started_ms = now_ms(w);
	}
	n->looks++;
	if (struck(w, pod, n->name, AGENT_SILENT) || struck(w, pod, n->name, AGENT_NEVER_READY) ||
	    struck(w, pod, n->name, AGENT_CRASHES) ||
	    (struck(w, pod, n->name, AGENT_LATE) && n->looks < 6))
		return;
	publish(w, a, n, pods, pod);
}

static const struct doc *answer_in(const struct doc *request, const char *node)
{
	doc_foreach_item (doc_find(request, "status.nodes"), d)
		if (str_eq(doc_find_str(d, "node"), node))
			return d;
	return NULL;
}

static void answer(struct stand_in *w, struct arena *a, struct stand_in_node *n,
		   const struct doc *request, struct doc *list)
{
	struct doc *d = doc_append(a, list, doc_map(a));
	const char *kind = doc_find_str(request, "spec.kind");
	bool fails = w->fault == AGENT_UNREGENERATE && str_eq(kind, "Regenerate");

	doc_set_string(a, d, "node", n->name);
	doc_set_string(a, d, "state", fails ? "failed" : "done");
	doc_set_int(a, d, "observedGeneration", 1);
	w->preparations += str_eq(kind, "Prepare");
	w->finalizations += str_eq(kind, "Finalize");
	if (!str_eq(kind, "Regenerate"))
		return;
	w->regenerations++;
	doc_set_int(a, d, "selected", w->team);
	doc_set_int(a, d, "regenerated", w->team - fails);
	doc_set_int(a, d, "failed", fails);
	doc_set_int(a, d, "repaired", 0);
	n->generation++;
}

static bool concerns(const struct doc *request, const char *node)
{
	const struct doc *nodes = doc_find(request, "spec.nodes");

	doc_foreach_item (nodes, d)
		if (str_eq(doc_str(d), node))
			return true;
	return !doc_len(nodes);
}

static void answer_requests(struct stand_in *w, struct arena *a)
{
	struct doc *requests = list_of(w, a, KIND_SIDESTEP_REQUEST);

	doc_foreach_item (requests, request) {
		struct doc *patch = doc_map(a), *list;
		bool prepare = str_eq(doc_find_str(request, "spec.kind"), "Prepare");

		list = doc_set_list(a, doc_set_map(a, patch, "status"), "nodes");
		for (size_t i = w->first; i < w->end; i++) {
			const struct doc *known = answer_in(request, w->nodes[i].name);

			if (known)
				doc_append(a, list, doc_clone(a, known));
			else if (concerns(request, w->nodes[i].name) &&
				 !(prepare && w->fault >= AGENT_UNPREPARED))
				answer(w, a, &w->nodes[i], request, list);
		}
		if (doc_len(list) > doc_len(doc_find(request, "status.nodes")))
			patch_status(w, KIND_SIDESTEP_REQUEST, NULL, kube_name(request), patch);
	}
}

void stand_in_tick(struct stand_in *w)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct doc *pods;

	run_agents(w, &a);
	pods = list_of(w, &a, KIND_POD);
	end_pulls(w, &a, pods);
	run_new(w, pods);
	for (size_t i = w->first; i < w->end; i++) {
		const struct doc *pod = agent_on(pods, w->nodes[i].name);

		if (pod)
			live(w, &a, &w->nodes[i], pods, pod);
	}
	answer_requests(w, &a);
}

/* --- a plan --- */

static const char haste[] = "name: haste\n"
			    "canarySoak: 3s\n"
			    "settle: 1s\n"
			    "waveSoak: 1s\n"
			    "soak: 2s\n"
			    "prepare: 5s\n"
			    "sampleEvery: 1s\n"
			    "gateTimeout: 30s\n";
static const char least[] = "name: least\n"
			    "canarySoak: 1s\n"
			    "settle: 1s\n"
			    "waveSoak: 1s\n"
			    "soak: 1s\n"
			    "prepare: 5s\n"
			    "sampleEvery: 1s\n"
			    "gateTimeout: 120s\n";
static const char waiver[] = "waves: [34, 100]\n"
			     "waivers:\n"
			     "- {id: map-layout, reason: a test, owner: us, expires: "
			     "\"2100-01-01\"}\n"
			     "- {id: staging-proof, reason: a test, owner: us, expires: "
			     "\"2100-01-01\"}\n";
static const char no_layouts[] = "releases:\n- {version: 0.2.0}\n- {version: 0.3.0}\n";
#define RELEASES                                                                                   \
	"releases:\n"                                                                              \
	"- {version: 0.1.0, conntrackLayout: 1}\n"                                                 \
	"- {version: 0.2.0, conntrackLayout: 1, health: %s}\n"                                     \
	"- {version: 0.3.0, conntrackLayout: 2}\n"                                                 \
	"- {version: 0.4.0, conntrackLayout: 3}\n"

static struct doc *yaml_of(struct arena *a, const char *text)
{
	struct error err = ERROR_INIT;
	struct doc_stream s;

	must(doc_read_yaml(a, text, strlen(text), NULL, &s, &err), err);
	return s.docs[0];
}

struct doc *stand_in_plan(struct stand_in *w, struct arena *a, const char *to, const char *profile)
{
	static const enum object_kind_id kinds[] = {
		KIND_NODE,         KIND_POD,           KIND_DAEMON_SET,   KIND_DEPLOYMENT,
		KIND_STATEFUL_SET, KIND_SIDESTEP_NODE, KIND_SIDESTEP_RUN,
	};
	struct plan_input in = {
		.to = to, .by = "a test", .canary = "worker-2", .clock = &w->clock.clock};
	const char *text =
		profile ? profile
			: arena_printf(a, "%s%s", w->end - w->first == NODES ? haste : least,
				       waiver);
	struct releases known;
	struct profile p;
	struct error err = ERROR_INIT;
	struct snapshot s;
	struct plan plan;

	snapshot_init(&s, a);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		doc_foreach_item (list_of(w, a, kinds[i]), d)
			must(snapshot_add(&s, d, &err), err);
	must(profile_decode(a, yaml_of(a, text), &p, &err), err);
	must(releases_decode(
		     a,
		     yaml_of(a, w->no_layouts
					? no_layouts
					: arena_printf(a, RELEASES,
						       w->old_tells_no_health ? "false" : "true")),
		     &known, &err),
	     err);
	known.source = "a test";
	in.snapshot = &s;
	in.releases = &known;
	in.profile = &p;
	must(plan_make(&plan, a, &in, &err), err);
	plan_release(&plan);
	snapshot_release(&s);
	return plan.doc;
}

int stand_in_verdict(const struct doc *plan)
{
	return (int)doc_find_int(plan, "findings.summary.exit_code", -1);
}

/* --- the state as text --- */

const char *stand_in_state(struct stand_in *w, struct arena *a)
{
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	const struct doc *set = stand_in_get(w, a, KIND_DAEMON_SET, MESH, "sidestep");
	struct doc *pods = list_of(w, a, KIND_POD);
	const char *image =
		str_or_empty(doc_find_str(set, "spec.template.spec.containers[0].image"));
	size_t ours = 0;

	for (size_t i = w->first; i < w->end; i++) {
		const struct doc *pod = agent_on(pods, w->nodes[i].name);

		strbuf_addf(&out, "%s=%s ", w->nodes[i].name, pod ? version_of(pod) : "none");
	}
	doc_foreach_item (pods, pod)
		ours += kube_label(pod, UPGRADE_LABEL) != NULL;
	strbuf_addf(&out, "template=%s pulls=%zu requests=%zu", strrchr(image, ':') + 1, ours,
		    doc_len(list_of(w, a, KIND_SIDESTEP_REQUEST)));
	return arena_strdup(a, strbuf_cstr(&out));
}
