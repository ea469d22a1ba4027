/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kubelet process that is killed and started again at will, with real pods on a node of its own.
 * The API server is the lab's, in this process; so is the agent, which only gives out addresses.
 */
#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deploy/lab/apiserver/apiserver.h"
#include "deploy/lab/kubelet/cgroup.h"
#include "deploy/lab/kubelet/kubelet.h"
#include "deploy/lab/lab.h"
#include "lib/base/io.h"
#include "lib/base/map.h"
#include "lib/http/server.h"
#include "lib/kube/sync.h"
#include "lib/net/netlink.h"
#include "lib/net/netns.h"
#include "tests/support/test.h"

#define TERMINATED "status.containerStatuses[0].state.terminated"
#define PATIENCE   (40 * NS_PER_S)

struct env {
	struct arena arena;
	const char *dir, *node, *cgroup, *sock, *conf_here, *conf_node;
	struct loop *loop;
	struct apiserver *api;
	struct http_server *agent;
	struct kube_client *client;
	pid_t kubelet;
	unsigned next_address, puts, deletes;
	struct map addresses; /* container id -> number, so that a repeated ADD gets the same */
};

static struct error err;
#define ok(call)                                                                                   \
	do {                                                                                       \
		err = (struct error)ERROR_INIT;                                                    \
		if ((call) < 0)                                                                    \
			fail_msg("%s: %s", #call, err.msg);                                        \
	} while (0)

static void agent_answers(void *arg, struct http_exchange *x)
{
	struct env *e = arg;
	const struct http_view *v = http_view(x);
	char text[200];
	uintptr_t n;

	if (strcmp(v->method, "DELETE") == 0) {
		e->deletes++;
		http_reply(x, 204, NULL, NULL, 0);
		return;
	}
	e->puts++;
	n = (uintptr_t)map_get(&e->addresses, v->path);
	if (!n) {
		n = ++e->next_address;
		map_set(&e->addresses, v->path, (void *)n);
	}
	snprintf(text, sizeof(text), "{\"addresses\":[\"10.244.9.%u\"],\"state\":\"ready\"}",
		 (unsigned)n);
	http_reply(x, 200, "application/json", text, strlen(text));
}

/* The kubelet: a process of its own, in the node's namespace. Never returns. */
static NORETURN void be_kubelet(const struct env *e)
{
	const struct log log = {stderr, LOG_LEVEL_WARN, false, "kubelet", clock_system()};
	struct kube_config config;
	struct kube_client *client;
	struct kubelet *k;
	struct loop *loop;
	struct arena a = ARENA_INIT;
	int fd;
	struct kubelet_options o = {
		.node = "node-t",
		.lab = e->dir,
		.node_ip = "172.30.0.99",
		.pod_cidr = "10.244.9.0/24",
		.cgroup = e->cgroup,
		.agent_socket = e->sock,
		.cni_queue = arena_printf(&a, "%s/queue", e->dir),
		.cni = arena_printf(&a, "%s/cni", e->dir),
		.self = arena_printf(&a, "%s/sidestep-lab", getenv("SIDESTEP_BIN_DIR")),
		.dns = "10.96.0.10",
		.log = &log,
	};

	setsid();
	if (netns_open(e->node, &fd, &err) < 0 || setns(fd, CLONE_NEWNET) < 0)
		_exit(1);
	loop = loop_new(NULL);
	if (kube_config_load(&a, &(struct kube_config_options){.kubeconfig = e->conf_node}, &config,
			     &err) < 0)
		_exit(2);
	client = kube_client_new(loop, &config, NULL);
	if (kubelet_new(loop, client, &o, &k, &err) < 0 || loop_run(loop, &err) < 0)
		_exit(3);
	_exit(0);
}

static void start_kubelet(struct env *e)
{
	e->kubelet = fork();
	assert_true(e->kubelet >= 0);
	if (e->kubelet == 0)
		be_kubelet(e);
}

static void kill_kubelet(struct env *e)
{
	int status;

	assert_int_equal(kill(e->kubelet, SIGKILL), 0);
	assert_int_equal(waitpid(e->kubelet, &status, 0), e->kubelet);
	assert_true(WIFSIGNALED(status));
}

static void make_node(struct env *e)
{
	struct netlink *nl;
	struct net_link l;
	struct net_ifaddr a = {.bits = 32};
	int fd;

	/* The kubelet speaks to pods from an address of the node. */
	ok(netns_create(e->node, &err));
	ok(netns_open(e->node, &fd, &err));
	ok(netlink_open(fd, &nl, &err));
	ok(net_link_get(nl, "lo", &l, &err));
	a.index = l.index;
	ok(net_addr_parse("172.30.0.99", &a.addr, &err));
	ok(net_address_add(nl, &a, &err));
	netlink_close(nl);
	close(fd);
}

/* The plugin, that dies before or after its work when a file of that name says so, once. */
static void write_plugin(struct env *e)
{
	const char *path = arena_printf(&e->arena, "%s/cni", e->dir);
	const char *text = arena_printf(
		&e->arena,
		"#!/bin/sh\n"
		"rm %s/die-before 2>/dev/null && kill -9 $$\n"
		"rm %s/die-after 2>/dev/null && { %s/sidestep-cni > /dev/null; kill -9 $$; }\n"
		"exec %s/sidestep-cni\n",
		e->dir, e->dir, getenv("SIDESTEP_BIN_DIR"), getenv("SIDESTEP_BIN_DIR"));

	ok(io_write_file_atomic(path, text, strlen(text), 0755, &err));
}

static void start_api(struct env *e)
{
	const struct apiserver_options o = {.pod_log_dir =
						    arena_printf(&e->arena, "%s/pods", e->dir)};
	struct kube_config config;
	uint16_t here, there;

	ok(apiserver_new(e->loop, &o, &e->api, &err));
	ok(apiserver_listen(e->api, "127.0.0.1", 0, &here, &err));
	ok(apiserver_listen_in(e->api, e->node, "127.0.0.1", 0, &there, &err));
	ok(apiserver_write_kubeconfig(e->api, "test", "system:masters",
				      arena_printf(&e->arena, "https://127.0.0.1:%u", here),
				      e->conf_here, &err));
	ok(apiserver_write_kubeconfig(e->api, "kubelet", "system:nodes",
				      arena_printf(&e->arena, "https://127.0.0.1:%u", there),
				      e->conf_node, &err));
	ok(kube_config_load(&e->arena, &(struct kube_config_options){.kubeconfig = e->conf_here},
			    &config, &err));
	e->client = kube_client_new(e->loop, &config, NULL);
}

static int setup(void **state)
{
	struct env *e = calloc(1, sizeof(*e));
	const char *cgroup2;

	e->dir = arena_printf(&e->arena, "/run/sidestep-test-kubelet-%d", (int)getpid());
	e->node = arena_printf(&e->arena, "%s/node", e->dir);
	e->sock = arena_printf(&e->arena, "%s/agent.sock", e->dir);
	e->conf_here = arena_printf(&e->arena, "%s/here.conf", e->dir);
	e->conf_node = arena_printf(&e->arena, "%s/node.conf", e->dir);
	ok(lab_cgroup2(&e->arena, &cgroup2, &err));
	e->cgroup = arena_printf(&e->arena, "%s/sidestep-test-kubelet-%d", cgroup2, (int)getpid());
	e->loop = loop_new(NULL);
	/* Orphans of a killed kubelet come to us, so that their end can be seen. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	make_node(e);
	write_plugin(e);
	start_api(e);
	e->agent = http_server_new(
		e->loop, &(struct http_server_options){.handle = agent_answers, .arg = e});
	ok(http_server_listen_unix(e->agent, e->sock, 0600, &err));
	start_kubelet(e);
	*state = e;
	return 0;
}

/* Of pods that a failed test left. */
static void remove_pod_namespaces(struct env *e)
{
	const char *pods = arena_printf(&e->arena, "%s/pods", e->dir);
	DIR *dir = opendir(pods);
	struct dirent *d;

	while (dir && (d = readdir(dir)))
		if (d->d_name[0] != '.')
			netns_delete(arena_printf(&e->arena, "%s/%s/netns", pods, d->d_name), NULL);
	if (dir)
		closedir(dir);
}

static int teardown(void **state)
{
	struct env *e = *state;

	kill_kubelet(e);
	cgroup_kill(e->cgroup);
	kube_client_free(e->client);
	http_server_free(e->agent);
	apiserver_free(e->api);
	loop_free(e->loop);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	cgroup_remove(e->cgroup);
	ok(netns_delete(e->node, &err));
	remove_pod_namespaces(e);
	io_remove_tree(e->dir, NULL);
	map_release(&e->addresses);
	arena_release(&e->arena);
	free(e);
	return 0;
}

/* --- saying what is wanted ---------------------------------------------------------------- */

static void create(struct env *e, const char *name, const char *spec)
{
	const char *text =
		arena_printf(&e->arena,
			     "apiVersion: v1\nkind: Pod\nmetadata: {name: %s, namespace: default}\n"
			     "spec:\n  nodeName: node-t\n%s",
			     name, spec);
	struct doc_stream s;

	ok(doc_read_yaml(&e->arena, text, strlen(text), "pod", &s, &err));
	ok(kube_create(e->client, &e->arena, object_kind(KIND_POD), s.docs[0], NULL, &err));
}

static bool is_ready(UNUSED void *arg, const struct doc *pod)
{
	return pod && kube_condition_true(pod, "Ready");
}

static bool is_not_ready(UNUSED void *arg, const struct doc *pod)
{
	return pod && !kube_condition_true(pod, "Ready");
}

static bool is_gone(UNUSED void *arg, const struct doc *pod)
{
	return !pod;
}

static bool has_phase(void *arg, const struct doc *pod)
{
	const char *phase = doc_find_str(pod, "status.phase");

	return phase && strcmp(phase, arg) == 0;
}

static bool has_restarts(void *arg, const struct doc *pod)
{
	return doc_find_int(pod, "status.containerStatuses[0].restartCount", 0) >=
	       *(const int *)arg;
}

static void wait_for(struct env *e, const char *name, bool (*check)(void *, const struct doc *),
		     void *arg)
{
	ok(kube_wait_for(e->client, object_kind(KIND_POD), "default", name, check, arg, PATIENCE,
			 &err));
}

static struct doc *get(struct env *e, const char *name)
{
	struct doc *d = NULL;

	ok(kube_get(e->client, &e->arena, object_kind(KIND_POD), "default", name, &d, &err));
	return d;
}

static void delete (struct env *e, const char *name)
{
	ok(kube_delete(e->client, object_kind(KIND_POD), "default", name, &err));
}

static bool has_ended(pid_t pid)
{
	return waitpid(pid, NULL, WNOHANG) == pid || kill(pid, 0) < 0;
}

/* A file in the test's folder, "" when absent. */
static const char *contents(struct env *e, const char *name)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	io_read_file(arena_printf(&e->arena, "%s/%s", e->dir, name), 65536, &sb, NULL);
	return arena_strdup(&e->arena, strbuf_cstr(&sb));
}

/* A pod of one container that runs a shell script in the test's folder. */
static void create_shell(struct env *e, const char *name, const char *script, const char *more)
{
	create(e, name,
	       arena_printf(&e->arena,
			    "  terminationGracePeriodSeconds: 5\n"
			    "  containers:\n"
			    "  - name: app\n"
			    "    image: sh\n"
			    "    command: [/bin/sh, -c, 'cd %s; %s']\n%s",
			    e->dir, script, more));
}

/* --- tests -------------------------------------------------------------------------------- */

static void a_pod_lives_and_ends(void **state)
{
	struct env *e = *state;
	struct doc *d;
	const char *dir;

	create_shell(e, "plain",
		     "echo up; cat /etc/resolv.conf > resolv; env > env; exec sleep 1000", "");
	wait_for(e, "plain", is_ready, NULL);
	d = get(e, "plain");
	dir = arena_printf(&e->arena, "pods/%s", kube_uid(d));
	assert_string_equal(doc_find_str(d, "status.phase"), "Running");
	assert_string_equal(doc_find_str(d, "status.podIP"), "10.244.9.1");
	assert_string_equal(doc_find_str(d, "status.hostIP"), "172.30.0.99");
	assert_non_null(doc_find_str(d, "status.containerStatuses[0].state.running.startedAt"));
	assert_int_equal(doc_find_int(d, "status.containerStatuses[0].restartCount", -1), 0);
	assert_string_equal(contents(e, arena_printf(&e->arena, "%s/app.log", dir)), "up\n");
	assert_non_null(strstr(contents(e, "resolv"), "nameserver 10.96.0.10"));
	assert_non_null(strstr(contents(e, "env"), "POD_IP=10.244.9.1\n"));
	delete (e, "plain");
	wait_for(e, "plain", is_gone, NULL);
	assert_int_equal(e->deletes, 1);
	assert_string_equal(contents(e, arena_printf(&e->arena, "%s/state.json", dir)), "");
}

static void the_node_is_registered(void **state)
{
	struct env *e = *state;
	struct doc *d = NULL;

	ok(kube_wait_for(e->client, object_kind(KIND_NODE), NULL, "node-t", is_ready, NULL,
			 PATIENCE, &err));
	ok(kube_get(e->client, &e->arena, object_kind(KIND_NODE), NULL, "node-t", &d, &err));
	assert_string_equal(doc_find_str(d, "spec.podCIDR"), "10.244.9.0/24");
	assert_string_equal(doc_find_str(d, "status.addresses[0].address"), "172.30.0.99");
}

/* init, sidecar held back until its startup probe passes, main; the end in the reverse order. */
static void the_order_of_containers(void **state)
{
	struct env *e = *state;

	create(e, "ordered",
	       arena_printf(&e->arena,
			    "  terminationGracePeriodSeconds: 10\n"
			    "  initContainers:\n"
			    "  - {name: first, image: x, command: [/bin/sh, -c, 'echo first >> "
			    "%s/order']}\n"
			    "  - name: side\n"
			    "    image: x\n"
			    "    restartPolicy: Always\n"
			    "    command: [/bin/sh, -c, 'cd %s; trap \"echo side-end >> order; "
			    "exit\" TERM; echo side >> order;\n"
			    "      while :; do sleep 0.1; done']\n"
			    "    startupProbe: {periodSeconds: 1, failureThreshold: 30, exec: "
			    "{command: [/bin/sh, -c,\n"
			    "      'cd %s; test -e tried && echo probed >> order; touch tried; "
			    "test -s order && grep -q probed order']}}\n"
			    "    lifecycle: {preStop: {exec: {command: [/bin/sh, -c, 'echo "
			    "side-hook >> %s/order']}}}\n"
			    "  - {name: second, image: x, command: [/bin/sh, -c, 'echo second >> "
			    "%s/order']}\n"
			    "  containers:\n"
			    "  - name: app\n"
			    "    image: x\n"
			    "    command: [/bin/sh, -c, 'cd %s; trap \"echo main-end >> order; "
			    "exit\" TERM; echo main >> order;\n"
			    "      while :; do sleep 0.1; done']\n"
			    "    readinessProbe: {periodSeconds: 1, exec: {command: [grep, -q, "
			    "main, %s/order]}}\n"
			    "    lifecycle: {preStop: {sleep: {seconds: 1}}}\n",
			    e->dir, e->dir, e->dir, e->dir, e->dir, e->dir, e->dir));
	wait_for(e, "ordered", is_ready, NULL);
	assert_string_equal(contents(e, "order"), "first\nside\nprobed\nsecond\nmain\n");
	delete (e, "ordered");
	wait_for(e, "ordered", is_gone, NULL);
	/* Every hook begins at once; the sidecar's SIGTERM waits for the main container. */
	assert_string_equal(contents(e, "order"),
			    "first\nside\nprobed\nsecond\nmain\nside-hook\nmain-end\nside-end\n");
}

static void what_ends_is_started_again(void **state)
{
	struct env *e = *state;
	int one = 1;
	struct doc *d;

	create_shell(e, "crash", "test -e crashed || { touch crashed; exit 3; }; exec sleep 1000",
		     "");
	wait_for(e, "crash", has_restarts, &one);
	wait_for(e, "crash", is_ready, NULL);
	d = get(e, "crash");
	assert_int_equal(
		doc_find_int(d, "status.containerStatuses[0].lastState.terminated.exitCode", 0), 3);
	assert_int_equal(doc_find_int(d, "status.containerStatuses[0].restartCount", 0), 1);
	delete (e, "crash");
	wait_for(e, "crash", is_gone, NULL);
}

static void a_pod_that_is_done_stays_done(void **state)
{
	struct env *e = *state;

	create_shell(e, "job", "exit 0", "  restartPolicy: Never\n");
	wait_for(e, "job", has_phase, (void *)(uintptr_t) "Succeeded");
	create_shell(e, "bad", "printf \"last \\377words\" >/dev/termination-log; exit 4",
		     "  restartPolicy: Never\n");
	wait_for(e, "bad", has_phase, (void *)(uintptr_t) "Failed");
	assert_string_equal(doc_find_str(get(e, "bad"), TERMINATED ".message"), "last ?words");
	assert_null(doc_find(get(e, "job"), TERMINATED ".message"));
	assert_int_not_equal(access("/dev/termination-log", F_OK), 0); /* the machine's own */
	delete (e, "job");
	delete (e, "bad");
	wait_for(e, "job", is_gone, NULL);
	wait_for(e, "bad", is_gone, NULL);
}

/* As much as Kubernetes keeps, and for as long as the pod is there. */
static void last_words_have_an_end(void **state)
{
	struct env *e = *state;

	create_shell(e, "talks", "head -c 9000 /dev/zero | tr \"\\\\0\" x >/dev/termination-log",
		     "  restartPolicy: Never\n");
	wait_for(e, "talks", has_phase, (void *)(uintptr_t) "Succeeded");
	kill_kubelet(e);
	start_kubelet(e);
	assert_int_equal(strlen(doc_find_str(get(e, "talks"), TERMINATED ".message")), 4096);
	delete (e, "talks");
	wait_for(e, "talks", is_gone, NULL);
}

static bool has_waiting_reason(void *arg, const struct doc *pod)
{
	const char *r = doc_find_str(pod, "status.containerStatuses[0].state.waiting.reason");

	return r && strcmp(r, arg) == 0;
}

static void what_cannot_start_says_why(void **state)
{
	struct env *e = *state;

	create(e, "foreign", "  containers: [{name: app, image: 'nginx:1'}]\n");
	wait_for(e, "foreign", has_waiting_reason, (void *)(uintptr_t) "ImagePullBackOff");
	assert_non_null(strstr(doc_find_str(get(e, "foreign"),
					    "status.containerStatuses[0].state.waiting.message"),
			       "nginx:1"));
	delete (e, "foreign");
	wait_for(e, "foreign", is_gone, NULL);
	create(e, "wrong",
	       "  restartPolicy: Never\n  containers: [{name: app, image: x, command: "
	       "[/no/such/program]}]\n");
	wait_for(e, "wrong", has_phase, (void *)(uintptr_t) "Failed");
	assert_string_equal(doc_find_str(get(e, "wrong"),
					 "status.containerStatuses[0].state.terminated.reason"),
			    "StartError");
	delete (e, "wrong");
	wait_for(e, "wrong", is_gone, NULL);
}

static void readiness_and_liveness(void **state)
{
	struct env *e = *state;
	const char *flag = arena_printf(&e->arena, "%s/flag", e->dir);
	int one = 1;

	create_shell(e, "probed", "touch flag; rm -f dead; exec sleep 1000",
		     arena_printf(&e->arena,
				  "    readinessProbe: {periodSeconds: 1, failureThreshold: 1, "
				  "exec: {command: [test, -e, %s/flag]}}\n"
				  "    livenessProbe: {periodSeconds: 1, failureThreshold: 1, "
				  "exec: {command: [test, '!', -e, %s/dead]}}\n",
				  e->dir, e->dir));
	wait_for(e, "probed", is_ready, NULL);
	assert_int_equal(unlink(flag), 0);
	wait_for(e, "probed", is_not_ready, NULL);
	ok(io_write_file_atomic(flag, "", 0, 0644, &err));
	wait_for(e, "probed", is_ready, NULL);
	ok(io_write_file_atomic(arena_printf(&e->arena, "%s/dead", e->dir), "", 0, 0644, &err));
	wait_for(e, "probed", has_restarts, &one);
	wait_for(e, "probed", is_ready, NULL);
	delete (e, "probed");
	wait_for(e, "probed", is_gone, NULL);
}

static void a_pod_that_will_not_end_is_killed(void **state)
{
	struct env *e = *state;

	create_shell(e, "deaf", "trap \"\" TERM; sleep 1000 & while :; do sleep 0.1; done", "");
	wait_for(e, "deaf", is_ready, NULL);
	delete (e, "deaf");
	wait_for(e, "deaf", is_gone, NULL);
	assert_false(cgroup_has(arena_printf(&e->arena, "%s/pods", e->cgroup), getpid()));
}

static void what_runs_survives_the_kubelet(void **state)
{
	struct env *e = *state;
	const char *dir, *pid;
	struct doc *d;

	create_shell(e, "adopted",
		     "echo start >> starts; trap \"echo end >> starts; exit\" TERM; while :; do "
		     "sleep 0.1; done",
		     "");
	wait_for(e, "adopted", is_ready, NULL);
	d = get(e, "adopted");
	dir = arena_printf(&e->arena, "pods/%s/app.pid", kube_uid(d));
	pid = contents(e, dir);
	kill_kubelet(e);
	assert_int_equal(kill((pid_t)atoi(pid), 0), 0);
	start_kubelet(e);
	/* Deletion is seen by the new one, and it can end what it did not start. */
	delete (e, "adopted");
	wait_for(e, "adopted", is_gone, NULL);
	assert_string_equal(contents(e, "starts"), "start\nend\n");
	assert_true(has_ended((pid_t)atoi(pid)));
}

static void an_end_that_went_unseen_is_made_good(void **state)
{
	struct env *e = *state;
	struct doc *d;
	pid_t pid;
	int one = 1;

	create_shell(e, "unseen", "exec sleep 1000", "");
	wait_for(e, "unseen", is_ready, NULL);
	d = get(e, "unseen");
	pid = (pid_t)atoi(contents(e, arena_printf(&e->arena, "pods/%s/app.pid", kube_uid(d))));
	kill_kubelet(e);
	assert_int_equal(kill(pid, SIGKILL), 0);
	start_kubelet(e);
	wait_for(e, "unseen", has_restarts, &one);
	wait_for(e, "unseen", is_ready, NULL);
	delete (e, "unseen");
	wait_for(e, "unseen", is_gone, NULL);
}

static void a_pod_deleted_by_force_while_nobody_looked(void **state)
{
	struct env *e = *state;
	struct kube_result r;
	const struct kube_request now = {.verb = KUBE_DELETE,
					 .kind = object_kind(KIND_POD),
					 .namespace_ = "default",
					 .name = "forced",
					 .with_grace = true,
					 .grace_seconds = 0};
	const unsigned before = e->deletes;
	pid_t pid;

	create_shell(e, "forced", "exec sleep 1000", "");
	wait_for(e, "forced", is_ready, NULL);
	pid = (pid_t)atoi(contents(
		e, arena_printf(&e->arena, "pods/%s/app.pid", kube_uid(get(e, "forced")))));
	kill_kubelet(e);
	ok(kube_wait(e->client, &now, &r, &err));
	kube_result_release(&r);
	wait_for(e, "forced", is_gone, NULL);
	start_kubelet(e);
	while (e->deletes == before || !has_ended(pid))
		ok(loop_turn(e->loop, true, &err));
}

static void time_is_up(void *arg)
{
	*(bool *)arg = true;
}

/* Lets the API server and the agent work for so long. */
static void serve_for(struct env *e, uint64_t ns)
{
	bool up = false;
	struct loop_timer *timer = loop_timer_new(e->loop, time_is_up, &up);

	loop_timer_set(timer, ns);
	while (!up)
		ok(loop_turn(e->loop, true, &err));
	loop_timer_free(timer);
}

/* Killed again and again while pods come and go: each script runs once, each pod gets there. */
static void killed_at_any_moment(void **state)
{
	struct env *e = *state;
	unsigned seed = (unsigned)getpid();

	printf("seed %u\n", seed);
	for (int round = 0; round < 5; round++) {
		const char *name = arena_printf(&e->arena, "round-%d", round);

		create_shell(e, name,
			     arena_printf(&e->arena, "echo %d >> rounds; exec sleep 1000", round),
			     "");
		serve_for(e, rand_r(&seed) % 150 * NS_PER_MS);
		kill_kubelet(e);
		start_kubelet(e);
	}
	for (int round = 0; round < 5; round++)
		wait_for(e, arena_printf(&e->arena, "round-%d", round), is_ready, NULL);
	for (int round = 0; round < 5; round++) {
		const char *name = arena_printf(&e->arena, "round-%d", round);

		assert_int_equal(
			doc_find_int(get(e, name), "status.containerStatuses[0].restartCount", -1),
			0);
		delete (e, name);
		if (round % 2) {
			kill_kubelet(e);
			start_kubelet(e);
		}
	}
	for (int round = 0; round < 5; round++)
		wait_for(e, arena_printf(&e->arena, "round-%d", round), is_gone, NULL);
	assert_int_equal(strlen(contents(e, "rounds")), 10);
}

static void a_plugin_that_is_killed_is_run_again(void **state)
{
	static const char *const when[] = {"die-before", "die-after"};
	struct env *e = *state;

	for (size_t i = 0; i < 2 * ARRAY_SIZE(when); i++) {
		const char *flag = arena_printf(&e->arena, "%s/%s", e->dir, when[i / 2]);

		/* Even rounds: while the pod comes; odd ones: while it goes. */
		if (i % 2 == 0)
			ok(io_write_file_atomic(flag, "", 0, 0644, &err));
		create_shell(e, "unlucky", "exec sleep 1000", "");
		wait_for(e, "unlucky", is_ready, NULL);
		if (i % 2 == 1)
			ok(io_write_file_atomic(flag, "", 0, 0644, &err));
		delete (e, "unlucky");
		wait_for(e, "unlucky", is_gone, NULL);
		assert_false(io_exists(flag));
	}
}

static void the_redirect_rules_are_real(void **state)
{
	struct env *e = *state;

	create(e, "redirected",
	       arena_printf(&e->arena,
			    "  terminationGracePeriodSeconds: 1\n"
			    "  initContainers:\n"
			    "  - {name: istio-init, image: 'sidestep.dev/lab/istio-proxy:1', args: "
			    "[istio-iptables, -p, '15001',\n"
			    "     -z, '15006', -u, '1337', -m, REDIRECT, -i, '*', -x, '', -b, '*', "
			    "-d, '15090,15021,15020']}\n"
			    "  containers:\n"
			    "  - {name: app, image: x, command: [/bin/sh, -c, 'cd %s; "
			    "iptables-save -t nat > rules; exec sleep 1000']}\n",
			    e->dir));
	wait_for(e, "redirected", is_ready, NULL);
	while (!strstr(contents(e, "rules"), "COMMIT"))
		ok(loop_turn(e->loop, true, &err));
	assert_non_null(strstr(contents(e, "rules"), "--to-ports 15006"));
	assert_non_null(strstr(contents(e, "rules"), "--uid-owner 1337"));
	delete (e, "redirected");
	wait_for(e, "redirected", is_gone, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pod_lives_and_ends),
		cmocka_unit_test(the_node_is_registered),
		cmocka_unit_test(the_order_of_containers),
		cmocka_unit_test(what_ends_is_started_again),
		cmocka_unit_test(a_pod_that_is_done_stays_done),
		cmocka_unit_test(last_words_have_an_end),
		cmocka_unit_test(what_cannot_start_says_why),
		cmocka_unit_test(readiness_and_liveness),
		cmocka_unit_test(a_pod_that_will_not_end_is_killed),
		cmocka_unit_test(what_runs_survives_the_kubelet),
		cmocka_unit_test(an_end_that_went_unseen_is_made_good),
		cmocka_unit_test(a_pod_deleted_by_force_while_nobody_looked),
		cmocka_unit_test(killed_at_any_moment),
		cmocka_unit_test(a_plugin_that_is_killed_is_run_again),
		cmocka_unit_test(the_redirect_rules_are_real),
	};

	if (geteuid() != 0)
		SKIP_ALL("needs root for network namespaces and cgroups");
	return cmocka_run_group_tests(tests, setup, teardown);
}
