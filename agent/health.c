/* SPDX-License-Identifier: Apache-2.0 */
/* What this agent says of itself for gates: status.health, on the socket and in the cluster. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/process.h"
#include "lib/base/io.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/flow/flow.h"

/* Rows counted at a time: some milliseconds. Devices are looked at so often. */
enum { COUNT_ROWS = 16384 };
static const uint64_t look_ns = 10 * NS_PER_S;

#define SET(value) ((struct opt_int){true, (int64_t)(value)})

static const char *wall_text(struct arena *a, int64_t wall_ns)
{
	char text[CLOCK_RFC3339_SIZE];

	return wall_ns ? arena_strdup(a, clock_rfc3339(wall_ns, 0, text)) : NULL;
}

static const char *short_error(struct arena *a, const char *error)
{
	return error ? arena_strndup(a, error, SIDESTEP_MAX_ERROR) : NULL;
}

/* --- once --- */

/* How many agents began on this state folder. Unset when that cannot be kept. */
static struct opt_int count_start(struct agent *agent)
{
	struct arena a = ARENA_INIT;
	const char *path = arena_printf(&a, "%s/starts", agent->options.state_dir), *text;
	struct strbuf sb = STRBUF_INIT;
	struct error err = ERROR_INIT;
	uint64_t n = 0;
	int r = io_mkdirs(agent->options.state_dir, 0700, &err);

	if (io_read_file(path, 64, &sb, NULL) == 0)
		str_to_u64(strbuf_cstr(&sb), 0, INT64_MAX - 1, &n, "starts", NULL);
	text = arena_printf(&a, "%" PRIu64, ++n);
	if (r == 0)
		r = io_write_file_atomic(path, text, strlen(text), 0600, &err);
	if (r < 0) {
		log_warn(&agent->log, "starts not counted: %s", err.msg);
		n = 0;
	}
	strbuf_release(&sb);
	arena_release(&a);
	return (struct opt_int){n > 0, (int64_t)n};
}

void health_begin(struct agent *agent)
{
	agent->vitals.started_wall = clock_wall_ns(agent->clock);
	agent->vitals.starts = count_start(agent);
}

void health_end(struct agent *agent)
{
	arena_release(&agent->vitals.arena);
}

/* --- after a round --- */

/* Runs here, and should have got an interface by CNI. */
static bool should_have_one(const struct agent *agent, const struct pod *p)
{
	return str_eq(p->node_name, agent->options.node) && !p->host_network &&
	       !pod_is_finished(p) && !p->meta.deletion_timestamp && str_eq(p->phase, "Running");
}

static bool has_one(const struct agent *agent, const struct pod *p)
{
	vec_foreach (&agent->endpoints.list, it) {
		const struct agent_ep *ep = *it;

		if (str_eq(ep->pod, p->meta.name) && str_eq(ep->namespace, p->meta.namespace) &&
		    (str_empty(ep->uid) || str_eq(ep->uid, p->meta.uid)))
			return true;
	}
	return false;
}

void health_look(struct agent *agent)
{
	const struct mesh_input *in = &agent->applied->input;
	struct vitals *v = &agent->vitals;

	arena_release(&v->arena);
	v->missing = 0;
	v->missing_pods =
		(struct strings){arena_array(&v->arena, SIDESTEP_MAX_MISSING, const char *), 0};
	for (size_t i = 0; i < in->n_pods; i++) {
		const struct pod *p = &in->pods[i];

		if (!should_have_one(agent, p) || has_one(agent, p))
			continue;
		if (v->missing++ < SIDESTEP_MAX_MISSING)
			v->missing_pods.items[v->missing_pods.n++] =
				arena_strdup(&v->arena, object_key(&v->arena, &p->meta));
	}
}

/* --- now and then --- */

void health_watch(struct agent *agent)
{
	struct vitals *v = &agent->vitals;
	uint64_t now = loop_now_ns(agent->loop);

	if (v->looked_ns && now - v->looked_ns < look_ns)
		return;
	v->looked_ns = MAX(now, (uint64_t)1);
	v->devices = v->wrong = 0;
	vec_foreach (&agent->endpoints.list, it) {
		struct agent_ep *ep = *it;

		v->devices++;
		if (datapath_runs_ours(agent->dp, ep->ifindex))
			continue;
		v->wrong++;
		if (!ep->failure.error)
			recovery_needed(agent, ep, "its device runs another program, or none");
	}
}

/* --- shown --- */

static void show_endpoints_of(struct agent *agent, struct arena *a,
			      struct sidestep_health_endpoints *out)
{
	const struct vitals *v = &agent->vitals;
	size_t n = agent->endpoints.list.n, ready = 0;

	out->items = arena_array(a, SIDESTEP_MAX_NOT_READY, struct sidestep_not_ready);
	vec_foreach (&agent->endpoints.list, it) {
		const struct agent_ep *ep = *it;

		if (str_eq(endpoint_shown_state(ep), "ready")) {
			ready++;
			continue;
		}
		if (out->n_items < SIDESTEP_MAX_NOT_READY)
			out->items[out->n_items++] = (struct sidestep_not_ready){
				.id = ep->id,
				.namespace = ep->namespace,
				.pod = ep->pod,
				.state = endpoint_shown_state(ep),
				.error = short_error(a, endpoint_shown_error(ep)),
				.since = wall_text(a, ep->not_ready_since)};
	}
	out->ready = SET(ready);
	out->not_ready = SET(n - ready);
	out->restored = SET(v->restored);
	if (!agent->applied->revision)
		return; /* the cluster's pods are not known yet */
	out->expected = SET(n + v->missing);
	out->missing = SET(v->missing);
	out->missing_pods = v->missing_pods;
}

static void show_drops(struct agent *agent, struct arena *a, struct sidestep_health *h)
{
	static const char *const directions[] = {
		[DIRECTION_INGRESS] = "ingress", [DIRECTION_EGRESS] = "egress"};
	struct datapath_drop *drops;
	size_t n;

	if (datapath_drops(agent->dp, a, &drops, &n, NULL) < 0)
		return;
	h->metrics_epoch = map_epoch(agent, a, "metrics_v1");
	h->n_drops = MIN(n, (size_t)SIDESTEP_MAX_DROPS);
	h->drops = arena_array(a, h->n_drops + 1, struct sidestep_drop);
	for (size_t i = 0; i < h->n_drops; i++)
		h->drops[i] = (struct sidestep_drop){.reason = drops[i].reason,
						     .name = flow_reason_name(drops[i].reason),
						     .direction = directions[drops[i].direction],
						     .packets = (int64_t)drops[i].packets,
						     .bytes = (int64_t)drops[i].bytes};
}

static void show_maps(struct agent *agent, struct arena *a, bool counts, struct sidestep_health *h)
{
	struct datapath_map_use *uses;

	h->n_maps = datapath_map_uses(agent->dp, a, &uses);
	h->maps = arena_array(a, h->n_maps + 1, struct sidestep_map);
	for (size_t i = 0; i < h->n_maps; i++)
		h->maps[i] = (struct sidestep_map){
			.name = uses[i].name,
			.layout = uses[i].layout,
			.entries = {counts && uses[i].counted, (int64_t)uses[i].entries},
			.max = (int64_t)uses[i].max,
			.evicts = uses[i].evicts};
}

static void show_programs(struct agent *agent, struct arena *a, struct sidestep_programs *out)
{
	const struct vitals *v = &agent->vitals;

	out->tag = datapath_program_tag(agent->dp, a);
	out->ids = datapath_program_ids(agent->dp, a);
	out->devices = (struct opt_int){v->looked_ns > 0, (int64_t)v->devices};
	out->wrong = (struct opt_int){v->looked_ns > 0, (int64_t)v->wrong};
}

static void add_controller(struct arena *a, struct sidestep_health *h, const char *name,
			   const struct failing *f)
{
	if (!f->error)
		return;
	h->failing_controllers.value++;
	if (h->n_controllers < SIDESTEP_MAX_CONTROLLERS)
		h->controllers[h->n_controllers++] =
			(struct sidestep_controller){.name = name,
						     .failures = f->times,
						     .error = short_error(a, f->error),
						     .since = wall_text(a, f->since),
						     .next_attempt = wall_text(a, f->next)};
}

static void show_controllers(struct agent *agent, struct arena *a, struct sidestep_health *h)
{
	h->controllers = arena_array(a, SIDESTEP_MAX_CONTROLLERS, struct sidestep_controller);
	h->failing_controllers = SET(0);
	add_controller(a, h, "reconcile", &agent->round_failure);
	add_controller(a, h, "connections", &agent->connections.failure);
	add_controller(a, h, "connections-copy", &agent->connections.copy_failure);
	vec_foreach (&agent->endpoints.list, ep)
		add_controller(a, h,
			       arena_printf(a, "endpoint-%u-regeneration-recovery", (*ep)->id),
			       &(*ep)->failure);
}

struct sidestep_health *health_shown(struct agent *agent, struct arena *a, bool volatile_too)
{
	struct sidestep_health *h = arena_new(a, struct sidestep_health);
	const struct vitals *v = &agent->vitals;
	uint64_t now = clock_now_ns(agent->clock);

	h->started = wall_text(a, v->started_wall);
	h->starts = v->starts;
	show_endpoints_of(agent, a, &h->endpoints);
	h->regenerations.done = SET(v->regenerated);
	h->regenerations.failed = SET(v->failed);
	show_drops(agent, a, h);
	if (volatile_too)
		datapath_count_maps(agent->dp, COUNT_ROWS);
	show_maps(agent, a, volatile_too, h);
	h->map_errors = SET(datapath_map_errors(agent->dp));
	h->lost_events = SET(datapath_events_lost(agent->dp));
	show_programs(agent, a, &h->programs);
	show_controllers(agent, a, h);
	if (volatile_too) {
		h->clock_ms = SET(now / NS_PER_MS);
		h->uptime_ms = SET((now - agent->started_ns) / NS_PER_MS);
		process_look("/proc/self", "/sys/fs/cgroup", &h->process);
	}
	return h;
}
