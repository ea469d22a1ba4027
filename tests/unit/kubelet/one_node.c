/* SPDX-License-Identifier: Apache-2.0 */
/* A node with a kubelet process, for tests. */
#include "tests/unit/kubelet/one_node.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deploy/lab/kubelet/cgroup.h"
#include "deploy/lab/kubelet/kubelet.h"
#include "deploy/lab/lab.h"
#include "lib/base/io.h"
#include "lib/net/netlink.h"
#include "lib/net/netns.h"

static struct error err;

static void agent_answers(void *arg, struct http_exchange *x)
{
	struct one_node *e = arg;
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
static NORETURN void be_kubelet(const struct one_node *e)
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
		.images = e->images,
		.run = e->run,
		.bpf = e->bpf,
		.kubeconfig = e->conf_node,
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

void kubelet_start(struct one_node *e)
{
	e->kubelet = fork();
	assert_true(e->kubelet >= 0);
	if (e->kubelet == 0)
		be_kubelet(e);
}

void kubelet_kill(struct one_node *e)
{
	int status;

	assert_int_equal(kill(e->kubelet, SIGKILL), 0);
	assert_int_equal(waitpid(e->kubelet, &status, 0), e->kubelet);
	assert_true(WIFSIGNALED(status));
}

static void make_node(struct one_node *e)
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

/* The plugin, that dies before or after its work when a file of that name says so, once; where
 * real-agent is, it asks that one. */
static void write_plugin(struct one_node *e)
{
	const char *path = arena_printf(&e->arena, "%s/cni", e->dir);
	const char *text = arena_printf(
		&e->arena,
		"#!/bin/sh\n"
		"rm %s/die-before 2>/dev/null && kill -9 $$\n"
		"rm %s/die-after 2>/dev/null && { %s/sidestep-cni > /dev/null; kill -9 $$; }\n"
		"test -e %s/real-agent && { sed s#%s#%s/node-t/sidestepd.sock# | %s/sidestep-cni; "
		"exit; }\n"
		"exec %s/sidestep-cni\n",
		e->dir, e->dir, getenv("SIDESTEP_BIN_DIR"), e->dir, e->sock, e->run,
		getenv("SIDESTEP_BIN_DIR"), getenv("SIDESTEP_BIN_DIR"));

	ok(io_write_file_atomic(path, text, strlen(text), 0755, &err));
}

static void start_api(struct one_node *e)
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

int one_node_setup(void **state)
{
	struct one_node *e = calloc(1, sizeof(*e));
	const char *cgroup2;

	e->dir = arena_printf(&e->arena, "/run/sidestep-test-kubelet-%d", (int)getpid());
	e->node = arena_printf(&e->arena, "%s/node", e->dir);
	e->sock = arena_printf(&e->arena, "%s/agent.sock", e->dir);
	e->images = arena_printf(&e->arena, "%s/images.json", e->dir);
	e->run = arena_printf(&e->arena, "%s/run", e->dir);
	e->bpf = arena_printf(&e->arena, "%s/bpf", e->dir);
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
	kubelet_start(e);
	*state = e;
	return 0;
}

/* Of pods that a failed test left. */
static void remove_pod_namespaces(struct one_node *e)
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

int one_node_teardown(void **state)
{
	struct one_node *e = *state;

	kubelet_kill(e);
	cgroup_kill(e->cgroup);
	kube_client_free(e->client);
	http_server_free(e->agent);
	apiserver_free(e->api);
	loop_free(e->loop);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	cgroup_remove(e->cgroup);
	if (lab_memory_cgroup(&e->arena, e->cgroup))
		cgroup_remove(lab_memory_cgroup(&e->arena, e->cgroup));
	ok(netns_delete(e->node, &err));
	umount2(e->bpf, MNT_DETACH);
	remove_pod_namespaces(e);
	io_remove_tree(e->dir, NULL);
	map_release(&e->addresses);
	arena_release(&e->arena);
	free(e);
	return 0;
}

void pod_create(struct one_node *e, const char *name, const char *spec)
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

void pod_create_shell(struct one_node *e, const char *name, const char *script, const char *more)
{
	pod_create(e, name,
		   arena_printf(&e->arena,
				"  terminationGracePeriodSeconds: 5\n"
				"  containers:\n"
				"  - name: app\n"
				"    image: sh\n"
				"    command: [/bin/sh, -c, 'cd %s; %s']\n%s",
				e->dir, script, more));
}

bool pod_ready(UNUSED void *arg, const struct doc *pod)
{
	return pod && kube_condition_true(pod, "Ready");
}

bool pod_not_ready(UNUSED void *arg, const struct doc *pod)
{
	return pod && !kube_condition_true(pod, "Ready");
}

bool pod_gone(UNUSED void *arg, const struct doc *pod)
{
	return !pod;
}

bool pod_in_phase(void *arg, const struct doc *pod)
{
	const char *phase = doc_find_str(pod, "status.phase");

	return phase && strcmp(phase, arg) == 0;
}

bool pod_restarted(void *arg, const struct doc *pod)
{
	return doc_find_int(pod, "status.containerStatuses[0].restartCount", 0) >=
	       *(const int *)arg;
}

void pod_wait(struct one_node *e, const char *name, bool (*check)(void *, const struct doc *),
	      void *arg)
{
	ok(kube_wait_for(e->client, object_kind(KIND_POD), "default", name, check, arg, PATIENCE,
			 &err));
}

struct doc *pod_get(struct one_node *e, const char *name)
{
	struct doc *d = NULL;

	ok(kube_get(e->client, &e->arena, object_kind(KIND_POD), "default", name, &d, &err));
	return d;
}

void pod_delete(struct one_node *e, const char *name)
{
	ok(kube_delete(e->client, object_kind(KIND_POD), "default", name, &err));
}

const char *one_node_file(struct one_node *e, const char *name)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	io_read_file(arena_printf(&e->arena, "%s/%s", e->dir, name), 65536, &sb, NULL);
	return arena_strdup(&e->arena, strbuf_cstr(&sb));
}
