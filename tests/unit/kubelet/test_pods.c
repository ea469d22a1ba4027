/* SPDX-License-Identifier: Apache-2.0 */
/* Pods on a node: the order in which they begin and end, probes, restarts, what they say of it. */
#include <string.h>
#include <unistd.h>

#include "deploy/lab/kubelet/cgroup.h"
#include "lib/base/io.h"
#include "tests/unit/kubelet/one_node.h"

#define TERMINATED "status.containerStatuses[0].state.terminated"

static struct error err;

static void a_pod_lives_and_ends(void **state)
{
	struct one_node *e = *state;
	struct doc *d;
	const char *dir;

	/* Without a probe it would be ready before its shell has written anything. */
	pod_create_shell(e, "plain",
			 "echo up; cat /etc/resolv.conf > resolv; env > env; touch written; "
			 "exec sleep 1000",
			 arena_printf(&e->arena,
				      "    readinessProbe: {periodSeconds: 1, exec: {command: "
				      "[test, -e, %s/written]}}\n",
				      e->dir));
	pod_wait(e, "plain", pod_ready, NULL);
	d = pod_get(e, "plain");
	dir = arena_printf(&e->arena, "pods/%s", kube_uid(d));
	assert_string_equal(doc_find_str(d, "status.phase"), "Running");
	assert_string_equal(doc_find_str(d, "status.podIP"), "10.244.9.1");
	assert_string_equal(doc_find_str(d, "status.hostIP"), "172.30.0.99");
	assert_non_null(doc_find_str(d, "status.containerStatuses[0].state.running.startedAt"));
	assert_int_equal(doc_find_int(d, "status.containerStatuses[0].restartCount", -1), 0);
	assert_string_equal(one_node_file(e, arena_printf(&e->arena, "%s/app.log", dir)), "up\n");
	assert_non_null(strstr(one_node_file(e, "resolv"), "nameserver 10.96.0.10"));
	assert_non_null(strstr(one_node_file(e, "env"), "POD_IP=10.244.9.1\n"));
	pod_delete(e, "plain");
	pod_wait(e, "plain", pod_gone, NULL);
	assert_int_equal(e->deletes, 1);
	assert_string_equal(one_node_file(e, arena_printf(&e->arena, "%s/state.json", dir)), "");
}

static void the_node_is_registered(void **state)
{
	struct one_node *e = *state;
	struct doc *d = NULL;

	ok(kube_wait_for(e->client, object_kind(KIND_NODE), NULL, "node-t", pod_ready, NULL,
			 PATIENCE, &err));
	ok(kube_get(e->client, &e->arena, object_kind(KIND_NODE), NULL, "node-t", &d, &err));
	assert_string_equal(doc_find_str(d, "spec.podCIDR"), "10.244.9.0/24");
	assert_string_equal(doc_find_str(d, "status.addresses[0].address"), "172.30.0.99");
}

/* init, sidecar held back until its startup probe passes, main; the end in the reverse order. */
static void the_order_of_containers(void **state)
{
	struct one_node *e = *state;

	pod_create(
		e, "ordered",
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
	pod_wait(e, "ordered", pod_ready, NULL);
	assert_string_equal(one_node_file(e, "order"), "first\nside\nprobed\nsecond\nmain\n");
	pod_delete(e, "ordered");
	pod_wait(e, "ordered", pod_gone, NULL);
	/* Every hook begins at once; the sidecar's SIGTERM waits for the main container. */
	assert_string_equal(one_node_file(e, "order"),
			    "first\nside\nprobed\nsecond\nmain\nside-hook\nmain-end\nside-end\n");
}

static void what_ends_is_started_again(void **state)
{
	struct one_node *e = *state;
	int one = 1;
	struct doc *d;

	pod_create_shell(e, "crash",
			 "test -e crashed || { touch crashed; exit 3; }; exec sleep 1000", "");
	pod_wait(e, "crash", pod_restarted, &one);
	pod_wait(e, "crash", pod_ready, NULL);
	d = pod_get(e, "crash");
	assert_int_equal(
		doc_find_int(d, "status.containerStatuses[0].lastState.terminated.exitCode", 0), 3);
	assert_int_equal(doc_find_int(d, "status.containerStatuses[0].restartCount", 0), 1);
	pod_delete(e, "crash");
	pod_wait(e, "crash", pod_gone, NULL);
}

static void a_pod_that_is_done_stays_done(void **state)
{
	struct one_node *e = *state;

	pod_create_shell(e, "job", "exit 0", "  restartPolicy: Never\n");
	pod_wait(e, "job", pod_in_phase, (void *)(uintptr_t) "Succeeded");
	pod_create_shell(e, "bad", "printf \"last \\377words\" >/dev/termination-log; exit 4",
			 "  restartPolicy: Never\n");
	pod_wait(e, "bad", pod_in_phase, (void *)(uintptr_t) "Failed");
	assert_string_equal(doc_find_str(pod_get(e, "bad"), TERMINATED ".message"), "last ?words");
	assert_null(doc_find(pod_get(e, "job"), TERMINATED ".message"));
	assert_int_not_equal(access("/dev/termination-log", F_OK), 0); /* the machine's own */
	pod_delete(e, "job");
	pod_delete(e, "bad");
	pod_wait(e, "job", pod_gone, NULL);
	pod_wait(e, "bad", pod_gone, NULL);
}

/* As much as Kubernetes keeps, and for as long as the pod is there. */
static void last_words_have_an_end(void **state)
{
	struct one_node *e = *state;

	pod_create_shell(e, "talks",
			 "head -c 9000 /dev/zero | tr \"\\\\0\" x >/dev/termination-log",
			 "  restartPolicy: Never\n");
	pod_wait(e, "talks", pod_in_phase, (void *)(uintptr_t) "Succeeded");
	kubelet_kill(e);
	kubelet_start(e);
	assert_int_equal(strlen(doc_find_str(pod_get(e, "talks"), TERMINATED ".message")), 4096);
	pod_delete(e, "talks");
	pod_wait(e, "talks", pod_gone, NULL);
}

static bool has_waiting_reason(void *arg, const struct doc *pod)
{
	const char *r = doc_find_str(pod, "status.containerStatuses[0].state.waiting.reason");

	return r && strcmp(r, arg) == 0;
}

static void what_cannot_start_says_why(void **state)
{
	struct one_node *e = *state;

	pod_create(e, "foreign", "  containers: [{name: app, image: 'nginx:1'}]\n");
	pod_wait(e, "foreign", has_waiting_reason, (void *)(uintptr_t) "ImagePullBackOff");
	assert_non_null(strstr(doc_find_str(pod_get(e, "foreign"),
					    "status.containerStatuses[0].state.waiting.message"),
			       "nginx:1"));
	pod_delete(e, "foreign");
	pod_wait(e, "foreign", pod_gone, NULL);
	pod_create(e, "wrong",
		   "  restartPolicy: Never\n  containers: [{name: app, image: x, command: "
		   "[/no/such/program]}]\n");
	pod_wait(e, "wrong", pod_in_phase, (void *)(uintptr_t) "Failed");
	assert_string_equal(doc_find_str(pod_get(e, "wrong"),
					 "status.containerStatuses[0].state.terminated.reason"),
			    "StartError");
	pod_delete(e, "wrong");
	pod_wait(e, "wrong", pod_gone, NULL);
}

static void readiness_and_liveness(void **state)
{
	struct one_node *e = *state;
	const char *flag = arena_printf(&e->arena, "%s/flag", e->dir);
	int one = 1;

	pod_create_shell(e, "probed", "touch flag; rm -f dead; exec sleep 1000",
			 arena_printf(&e->arena,
				      "    readinessProbe: {periodSeconds: 1, failureThreshold: 1, "
				      "exec: {command: [test, -e, %s/flag]}}\n"
				      "    livenessProbe: {periodSeconds: 1, failureThreshold: 1, "
				      "exec: {command: [test, '!', -e, %s/dead]}}\n",
				      e->dir, e->dir));
	pod_wait(e, "probed", pod_ready, NULL);
	assert_int_equal(unlink(flag), 0);
	pod_wait(e, "probed", pod_not_ready, NULL);
	ok(io_write_file_atomic(flag, "", 0, 0644, &err));
	pod_wait(e, "probed", pod_ready, NULL);
	ok(io_write_file_atomic(arena_printf(&e->arena, "%s/dead", e->dir), "", 0, 0644, &err));
	pod_wait(e, "probed", pod_restarted, &one);
	pod_wait(e, "probed", pod_ready, NULL);
	pod_delete(e, "probed");
	pod_wait(e, "probed", pod_gone, NULL);
}

static void a_pod_that_will_not_end_is_killed(void **state)
{
	struct one_node *e = *state;

	pod_create_shell(e, "deaf", "trap \"\" TERM; sleep 1000 & while :; do sleep 0.1; done", "");
	pod_wait(e, "deaf", pod_ready, NULL);
	pod_delete(e, "deaf");
	pod_wait(e, "deaf", pod_gone, NULL);
	assert_false(cgroup_has(arena_printf(&e->arena, "%s/pods", e->cgroup), getpid()));
}

static void the_redirect_rules_are_real(void **state)
{
	struct one_node *e = *state;

	pod_create(e, "redirected",
		   arena_printf(
			   &e->arena,
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
	pod_wait(e, "redirected", pod_ready, NULL);
	while (!strstr(one_node_file(e, "rules"), "COMMIT"))
		ok(loop_turn(e->loop, true, &err));
	assert_non_null(strstr(one_node_file(e, "rules"), "--to-ports 15006"));
	assert_non_null(strstr(one_node_file(e, "rules"), "--uid-owner 1337"));
	pod_delete(e, "redirected");
	pod_wait(e, "redirected", pod_gone, NULL);
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
		cmocka_unit_test(the_redirect_rules_are_real),
	};

	if (geteuid() != 0)
		SKIP_ALL("needs root for network namespaces and cgroups");
	return cmocka_run_group_tests(tests, one_node_setup, one_node_teardown);
}
