/* SPDX-License-Identifier: Apache-2.0 */
/* Pods of the node itself, as an agent's is: its network and folders, images, memory, restarts. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/lab/images.h"
#include "deploy/lab/kubelet/pod.h"
#include "deploy/lab/lab.h"
#include "lib/base/io.h"
#include "tests/unit/kubelet/one_node.h"

#define STATUS "status.containerStatuses[0]"

static struct error err;

/* Says what it sees, is ready by a program that sees the same. */
static const char agent_pod[] =
	"  hostNetwork: true\n"
	"  automountServiceAccountToken: true\n"
	"  terminationGracePeriodSeconds: 1\n"
	"  volumes:\n"
	"  - {name: run, hostPath: {path: /run/sidestep, type: DirectoryOrCreate}}\n"
	"  - {name: config, configMap: {name: settings}}\n"
	"  containers:\n"
	"  - name: app\n"
	"    image: 'team.example/thing:%s'\n"
	"    args: [$(NODE_NAME)]\n"
	"    volumeMounts:\n"
	"    - {name: config, mountPath: /run/sidestep/config, readOnly: true}\n"
	"    - {name: run, mountPath: /run/sidestep}\n"
	"    readinessProbe: {exec: {command: [probe]}, periodSeconds: 1}\n";

static void write_program(struct one_node *e, const char *name, const char *text)
{
	const char *dir = arena_printf(&e->arena, "%s/thing", e->dir);

	ok(io_mkdirs(dir, 0755, &err));
	ok(io_write_file_atomic(arena_printf(&e->arena, "%s/%s", dir, name), text, strlen(text),
				0755, &err));
	if (strcmp(name, "thing") == 0)
		ok(images_add(e->images, "team.example/thing:1", dir, &err));
}

static void write_settings(struct one_node *e)
{
	static const char text[] = "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, "
				   "namespace: default}, data: {agent.yaml: 'level: high'}}";
	struct doc_stream s;

	ok(doc_read_yaml(&e->arena, text, strlen(text), "settings", &s, &err));
	ok(kube_put(e->client, &e->arena, object_kind(KIND_CONFIG_MAP), s.docs[0], NULL, &err));
}

static pid_t pid_of(struct one_node *e, const char *pod)
{
	const char *path = arena_printf(&e->arena, "pods/%s/app.pid", kube_uid(pod_get(e, pod)));

	return (pid_t)strtol(one_node_file(e, path), NULL, 10);
}

static void a_pod_of_the_node(void **state)
{
	struct one_node *e = *state;
	const unsigned puts = e->puts;
	struct doc *d;

	write_program(
		e, "thing",
		"#!/bin/sh\n"
		"echo $1 > /run/sidestep/name\n"
		"cp /run/sidestep/config/agent.yaml /run/sidestep/seen\n"
		"echo x > /run/sidestep/config/more 2> /dev/null && echo > /run/sidestep/wrong\n"
		"echo $KUBECONFIG > /run/sidestep/account\n"
		"exec sleep 1000\n");
	write_program(e, "probe", "#!/bin/sh\ntest -s /run/sidestep/config/agent.yaml\n");
	write_settings(e);
	pod_create(e, "agent", arena_printf(&e->arena, agent_pod, "1"));
	pod_wait(e, "agent", pod_ready, NULL);
	d = pod_get(e, "agent");
	assert_string_equal(doc_find_str(d, "status.podIP"), "172.30.0.99");
	assert_int_equal(e->puts, puts);
	assert_string_equal(one_node_file(e, "run/name"), "node-t\n");
	assert_string_equal(one_node_file(e, "run/seen"), "level: high");
	assert_string_equal(one_node_file(e, "run/wrong"), "");
	assert_non_null(strstr(one_node_file(e, "run/account"), "node.conf"));
}

/* Killed it is there again in its pod; once more at once, too, though a little later each time. */
static void a_killed_one_comes_back(void **state)
{
	struct one_node *e = *state;

	for (int n = 1; n <= 3; n++) {
		const pid_t pid = pid_of(e, "agent");

		assert_int_equal(kill(pid, SIGKILL), 0);
		pod_wait(e, "agent", pod_restarted, &n);
		pod_wait(e, "agent", pod_ready, NULL);
		assert_int_not_equal(pid_of(e, "agent"), pid);
	}
	assert_string_equal(
		doc_find_str(pod_get(e, "agent"), STATUS ".lastState.terminated.reason"), "Error");
}

static void a_new_kubelet_leaves_it_alone(void **state)
{
	struct one_node *e = *state;
	const pid_t pid = pid_of(e, "agent");

	kubelet_kill(e);
	kubelet_start(e);
	pod_create_shell(e, "after", "exec sleep 1000", "");
	pod_wait(e, "after", pod_ready, NULL);
	assert_int_equal(pid_of(e, "agent"), pid);
	assert_int_equal(kill(pid, 0), 0);
	assert_int_equal(doc_find_int(pod_get(e, "agent"), STATUS ".restartCount", -1), 3);
	pod_wait(e, "agent", pod_ready, NULL);
	pod_delete(e, "after");
	pod_delete(e, "agent");
	pod_wait(e, "after", pod_gone, NULL);
	pod_wait(e, "agent", pod_gone, NULL);
	assert_int_equal(lab_start_time(pid), 0);
}

static bool waits_for_image(UNUSED void *arg, const struct doc *pod)
{
	const char *reason = doc_find_str(pod, STATUS ".state.waiting.reason");

	return reason && strcmp(reason, "ImagePullBackOff") == 0;
}

static void an_image_is_what_the_file_says(void **state)
{
	struct one_node *e = *state;

	pod_create(e, "agent", arena_printf(&e->arena, agent_pod, "2"));
	pod_wait(e, "agent", waits_for_image, NULL);
	assert_non_null(strstr(doc_find_str(pod_get(e, "agent"), STATUS ".state.waiting.message"),
			       "team.example/thing:2"));
	ok(images_add(e->images, "team.example/thing:2",
		      arena_printf(&e->arena, "%s/thing", e->dir), &err));
	pod_wait(e, "agent", pod_ready, NULL);
	pod_delete(e, "agent");
	pod_wait(e, "agent", pod_gone, NULL);
	assert_int_equal(images_add(e->images, "team.example/thing", e->dir, &err), -EINVAL);
	assert_int_equal(images_add(e->images, "team.example/thing:3", "/nowhere", &err), -ENOENT);
}

static bool out_of_memory(UNUSED void *arg, const struct doc *pod)
{
	const char *reason = doc_find_str(pod, STATUS ".lastState.terminated.reason");

	return reason && strcmp(reason, "OOMKilled") == 0;
}

static void a_memory_limit_is_held(void **state)
{
	struct one_node *e = *state;
	const char *group = lab_memory_cgroup(&e->arena, e->cgroup), *uid;

	if (!group)
		skip(); /* no memory controller here */
	pod_create_shell(e, "leak", "x=0123456789; while :; do x=$x$x; done",
			 "    resources: {limits: {memory: 24Mi}}\n");
	pod_wait(e, "leak", out_of_memory, NULL);
	assert_int_equal(
		doc_find_int(pod_get(e, "leak"), STATUS ".lastState.terminated.exitCode", 0), 137);
	uid = kube_uid(pod_get(e, "leak"));
	group = arena_printf(&e->arena, "%s/pods/%s", group, uid);
	assert_true(io_exists(group));
	pod_delete(e, "leak");
	pod_wait(e, "leak", pod_gone, NULL);
	assert_false(io_exists(group));
}

static void quantities(UNUSED void **state)
{
	assert_int_equal(memory_quantity("128Mi"), 128 << 20);
	assert_int_equal(memory_quantity("64M"), 64000000);
	assert_int_equal(memory_quantity("1000"), 1000);
	assert_int_equal(memory_quantity("2Gi"), 2ll << 30);
	assert_int_equal(memory_quantity("x"), 0);
	assert_int_equal(memory_quantity("1Z"), 0);
	assert_int_equal(memory_quantity(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantities),
		cmocka_unit_test(a_pod_of_the_node),
		cmocka_unit_test(a_killed_one_comes_back),
		cmocka_unit_test(a_new_kubelet_leaves_it_alone),
		cmocka_unit_test(an_image_is_what_the_file_says),
		cmocka_unit_test(a_memory_limit_is_held),
	};

	if (geteuid() != 0)
		SKIP_ALL("needs root for network namespaces and cgroups");
	return cmocka_run_group_tests(tests, one_node_setup, one_node_teardown);
}
