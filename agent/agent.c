/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's parts put together, in the order that needs no part before it exists. */
#include "agent/agent.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/kube/config.h"

static const uint64_t queue_retry_ns = NS_PER_S / 5;

const char *agent_wall_text(const struct agent *agent, struct arena *a)
{
	char text[CLOCK_RFC3339_SIZE];

	return arena_strdup(a, clock_rfc3339(clock_wall_ns(agent->clock), 0, text));
}

static void on_changed(void *arg)
{
	reconcile_soon(arg);
}

static void on_reconcile(void *arg)
{
	reconcile(arg);
}

static void on_publish(void *arg)
{
	struct agent *agent = arg;

	if (agent->applied->revision) {
		health_watch(agent);
		publish_node(agent);
	}
	loop_timer_set(agent->publish_timer, agent->options.publish_interval);
}

static void on_recovery(void *arg)
{
	recovery_run(arg);
}

static void on_jobs(void *arg)
{
	jobs_run(arg);
}

static void on_requests(void *arg)
{
	jobs_soon(arg);
}

static void on_verify(void *arg)
{
	struct agent *agent = arg;

	agent->verify_next = true;
	reconcile_soon(agent);
	loop_timer_set(agent->verify_timer, agent->options.verify_interval);
}

static void on_signal(void *arg, int signo)
{
	struct agent *agent = arg;

	log_info(&agent->log, "stopping signal=%d", signo);
	loop_stop(agent->loop);
}

/* Deletions that CNI left; again soon when a plugin is at it, and later when something is wrong. */
static void drain(void *arg)
{
	struct agent *agent = arg;
	struct error err = ERROR_INIT;
	int r = agent_drain_queue(agent, &err);

	if (r == -EAGAIN)
		loop_timer_set(agent->queue_timer, queue_retry_ns);
	if (r == 0 || r == -EAGAIN)
		return;
	log_warn(&agent->log, "deletion queue: %s", err.msg);
	loop_timer_set(agent->queue_timer, agent->options.verify_interval);
}

static const char *read_boot_id(struct arena *a)
{
	struct strbuf sb = STRBUF_INIT;
	const char *id = "unknown";

	if (io_read_file("/proc/sys/kernel/random/boot_id", 64, &sb, NULL) == 0 && sb.len >= 36)
		id = arena_strndup(a, sb.buf, 36);
	strbuf_release(&sb);
	return id;
}

static int open_cluster(struct agent *agent, struct error *err)
{
	const struct kube_config_options where = {.kubeconfig = agent->options.kubeconfig,
						  .context = agent->options.context};
	struct kube_config config;
	int r = kube_config_load(&agent->arena, &where, &config, err);

	if (r < 0)
		return r;
	agent->client = kube_client_new(agent->loop, &config, NULL);
	agent->allocator = allocator_new(agent->client, &agent->log);
	agent->writer = writer_new(agent->client, &agent->log);
	return 0;
}

static int open_kernel(struct agent *agent, struct error *err)
{
	const struct datapath_options o = {.pin_root = agent->options.pin_root,
					   .cgroup = agent->options.cgroup,
					   .attach = (enum datapath_attach)agent->options.attach,
					   .term = (enum datapath_term)agent->options.sock_term,
					   .log = &agent->log};
	int r = netlink_open(-1, &agent->nl, err);

	if (r == 0)
		r = datapath_open(&o, &agent->dp, err);
	if (r == 0)
		r = node_prepare(agent, err);
	if (r == 0)
		r = agent_restore(agent, err);
	if (r == 0)
		r = jobs_restore(agent, err);
	return r;
}

static void make_timers(struct agent *agent)
{
	agent->reconcile_timer = loop_timer_new(agent->loop, on_reconcile, agent);
	agent->verify_timer = loop_timer_new(agent->loop, on_verify, agent);
	agent->publish_timer = loop_timer_new(agent->loop, on_publish, agent);
	agent->queue_timer = loop_timer_new(agent->loop, drain, agent);
	agent->recovery_timer = loop_timer_new(agent->loop, on_recovery, agent);
	agent->jobs_timer = loop_timer_new(agent->loop, on_jobs, agent);
	agent->signals[0] = loop_signal_new(agent->loop, SIGTERM, on_signal, agent);
	agent->signals[1] = loop_signal_new(agent->loop, SIGINT, on_signal, agent);
}

int agent_start(struct agent *agent, const struct agent_options *options, struct error *err)
{
	int r;

	memset(agent, 0, sizeof(*agent));
	agent->options = *options;
	agent->clock = clock_system();
	agent->log = (struct log){stderr, (enum log_level)options->log_level, options->log_json,
				  "sidestepd", agent->clock};
	agent->applied = xcalloc(1, sizeof(*agent->applied));
	map_init(&agent->answers);
	map_init(&agent->jobs);
	snprintf(agent->problem, sizeof(agent->problem), "waiting for the API server");
	r = agent_options_finish(&agent->arena, &agent->options, err);
	if (r < 0)
		return r;
	agent->boot_id = read_boot_id(&agent->arena);
	agent->loop = loop_new(agent->clock);
	agent->started_ns = loop_now_ns(agent->loop);
	make_timers(agent);
	health_begin(agent); /* an agent that cannot start is one that was started, too */
	r = open_kernel(agent, err);
	if (r == 0)
		r = open_cluster(agent, err);
	if (r == 0)
		r = events_start(agent, err);
	if (r == 0)
		r = api_start(agent, err);
	if (r < 0)
		return r;
	connections_start(agent);
	cluster_start(&agent->cluster, agent->client, &agent->log, on_changed, on_requests, agent);
	drain(agent);
	loop_timer_set(agent->publish_timer, agent->options.publish_interval);
	loop_timer_set(agent->verify_timer, agent->options.verify_interval);
	log_info(&agent->log, "started node=%s socket=%s attach=%s sock-term=%s",
		 agent->options.node, agent->options.socket, datapath_attach_mode(agent->dp),
		 datapath_term_mode(agent->dp));
	return 0;
}

void agent_stop(struct agent *agent)
{
	api_stop(agent);
	events_stop(agent);
	cluster_stop(&agent->cluster);
	writer_free(agent->writer);
	allocator_free(agent->allocator);
	kube_client_free(agent->client);
	publish_stop(agent);
	jobs_stop(agent);
	health_end(agent);
	loop_timer_free(agent->reconcile_timer);
	loop_timer_free(agent->verify_timer);
	loop_timer_free(agent->publish_timer);
	loop_timer_free(agent->queue_timer);
	loop_timer_free(agent->recovery_timer);
	loop_timer_free(agent->jobs_timer);
	failing_no_more(&agent->round_failure);
	for (size_t i = 0; i < ARRAY_SIZE(agent->signals); i++)
		loop_signal_free(agent->signals[i]);
	connections_stop(agent);
	datapath_close(agent->dp);
	netlink_close(agent->nl);
	loop_free(agent->loop);
	endpoints_release(&agent->endpoints);
	ipam_release(&agent->ipam);
	applied_free(agent->applied);
	arena_release(&agent->arena);
}
