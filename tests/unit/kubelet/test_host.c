/* SPDX-License-Identifier: Apache-2.0 */
/* Pods of the node itself, as an agent's is: its network and folders, images, memory, restarts. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

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

static pid_t container_pid(struct one_node *e, const char *pod, const char *container)
{
	const char *path =
		arena_printf(&e->arena, "pods/%s/%s.pid", kube_uid(pod_get(e, pod)), container);

	return (pid_t)strtol(one_node_file(e, path), NULL, 10);
}

static pid_t pid_of(struct one_node *e, const char *pod)
{
	return container_pid(e, pod, "app");
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

static const struct doc *manifest(struct one_node *e, const char *kind)
{
	const char *path = arena_printf(&e->arena, "%s/deploy/agent/sidestep.yaml",
					getenv("SIDESTEP_SOURCE_DIR"));
	struct doc_stream s;

	ok(doc_read_file(&e->arena, path, &s, &err));
	for (size_t i = 0; i < s.n; i++)
		if (strcmp(doc_find_str(s.docs[i], "kind"), kind) == 0)
			return s.docs[i];
	fail_msg("no %s in %s", kind, path);
	return NULL;
}

static void put(struct one_node *e, enum object_kind_id kind, struct doc *object)
{
	doc_set_string(&e->arena, doc_get(object, "metadata"), "namespace", "default");
	ok(kube_put(e->client, &e->arena, object_kind(kind), object, NULL, &err));
}

/* As `up` does it. */
static void share_pods(struct one_node *e)
{
	const char *dir = arena_printf(&e->arena, "%s/pods", e->dir);

	assert_int_equal(mount(dir, dir, NULL, MS_BIND, NULL), 0);
	assert_int_equal(mount(NULL, dir, NULL, MS_SHARED, NULL), 0);
}

static bool is_established(UNUSED void *arg, const struct doc *crd)
{
	return crd && kube_condition_true(crd, "Established");
}

static void apply_crds(struct one_node *e)
{
	const struct object_kind *kind =
		object_kind_find("apiextensions.k8s.io/v1", "CustomResourceDefinition");
	struct doc_stream s;

	ok(doc_read_file(&e->arena,
			 arena_printf(&e->arena, "%s/deploy/crds/cilium.yaml",
				      getenv("SIDESTEP_SOURCE_DIR")),
			 &s, &err));
	for (size_t i = 0; i < s.n; i++) {
		ok(kube_put(e->client, &e->arena, kind, s.docs[i], NULL, &err));
		ok(kube_wait_for(e->client, kind, NULL, kube_name(s.docs[i]), is_established, NULL,
				 PATIENCE, &err));
	}
}

/* The file that a user applies, and the agent of this tree: ready when its rows are in force. */
static void the_agent_itself(void **state)
{
	struct one_node *e = *state;
	struct arena *a = &e->arena;
	struct doc *pod = kube_object_new(a, object_kind(KIND_POD), "default", "sidestep");
	struct doc *spec = doc_clone(a, doc_find(manifest(e, "DaemonSet"), "spec.template.spec"));
	const char *image = doc_find_str(spec, "containers[0].image");
	const int once = 1;

	assert_string_equal(image, LAB_AGENT_IMAGE ":" SIDESTEP_VERSION);
	assert_string_equal(doc_find_str(spec, "containers[0].name"), LAB_AGENT_CONTAINER);
	share_pods(e);
	apply_crds(e);
	ok(io_mkdirs(e->bpf, 0755, &err));
	assert_int_equal(mount("bpf", e->bpf, "bpf", 0, NULL), 0);
	ok(images_add(e->images, image, getenv("SIDESTEP_BIN_DIR"), &err));
	put(e, KIND_CONFIG_MAP, doc_clone(a, manifest(e, "ConfigMap")));
	doc_set(a, pod, "spec", spec);
	doc_set_string(a, spec, "nodeName", "node-t");
	put(e, KIND_POD, pod);
	pod_wait(e, "sidestep", pod_ready, NULL);
	assert_true(io_exists(arena_printf(a, "%s/node-t/sidestepd.sock", e->run)));
	assert_true(io_exists(arena_printf(a, "%s/sidestep", e->bpf)));
	assert_int_equal(kill(container_pid(e, "sidestep", LAB_AGENT_CONTAINER), SIGKILL), 0);
	pod_wait(e, "sidestep", pod_restarted, (void *)(uintptr_t)&once);
	pod_wait(e, "sidestep", pod_ready, NULL);
}

/* What the agent has noted of its endpoints, all of it. */
static const char *endpoints(struct one_node *e)
{
	const char *out = "";

	for (int id = 2; id < 6; id++)
		out = arena_printf(
			&e->arena, "%s%s", out,
			one_node_file(e, arena_printf(&e->arena, "run/node-t/state/%d.json", id)));
	return out;
}

/* Other pods get their network from an agent in a container, which sees their namespaces. */
static void pods_beside_the_agent(void **state)
{
	struct one_node *e = *state;

	ok(io_write_file_atomic(arena_printf(&e->arena, "%s/real-agent", e->dir), "", 0, 0644,
				&err));
	pod_create_shell(e, "beside", "exec sleep 1000", "");
	pod_wait(e, "beside", pod_ready, NULL);
	assert_non_null(strstr(endpoints(e), kube_uid(pod_get(e, "beside"))));
	assert_non_null(strstr(endpoints(e), "netnsCookie"));
	assert_null(strstr(endpoints(e), "\"netnsCookie\":0"));
	pod_delete(e, "beside");
	pod_wait(e, "beside", pod_gone, NULL);
	pod_delete(e, "sidestep");
	pod_wait(e, "sidestep", pod_gone, NULL);
	assert_int_equal(umount2(arena_printf(&e->arena, "%s/pods", e->dir), MNT_DETACH), 0);
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
		cmocka_unit_test(the_agent_itself),
		cmocka_unit_test(pods_beside_the_agent),
	};

	if (geteuid() != 0)
		SKIP_ALL("needs root for network namespaces and cgroups");
	return cmocka_run_group_tests(tests, one_node_setup, one_node_teardown);
}
