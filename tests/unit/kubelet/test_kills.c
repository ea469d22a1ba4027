/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kubelet, or its CNI plugin, that is killed and started again: pods run on, what ended or was
 * deleted meanwhile is made good, nothing is done twice.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deploy/lab/kubelet/cgroup.h"
#include "lib/base/io.h"
#include "tests/unit/kubelet/one_node.h"

static struct error err;

static bool has_ended(pid_t pid)
{
	return waitpid(pid, NULL, WNOHANG) == pid || kill(pid, 0) < 0;
}

static const char *ready_since(struct one_node *e, const char *name)
{
	doc_foreach_item (doc_find(pod_get(e, name), "status.conditions"), c)
		if (!strcmp(doc_find_str(c, "type"), "Ready"))
			return doc_find_str(c, "lastTransitionTime");
	return "";
}

static void what_runs_survives_the_kubelet(void **state)
{
	struct one_node *e = *state;
	const char *dir, *pid;
	struct doc *d;

	pod_create_shell(
		e, "adopted",
		"echo start >> starts; trap \"echo end >> starts; exit\" TERM; while :; do "
		"sleep 0.1; done",
		"");
	pod_wait(e, "adopted", pod_ready, NULL);
	d = pod_get(e, "adopted");
	dir = arena_printf(&e->arena, "pods/%s/app.pid", kube_uid(d));
	pid = one_node_file(e, dir);
	kubelet_kill(e);
	assert_int_equal(kill((pid_t)atoi(pid), 0), 0);
	kubelet_start(e);
	/* Deletion is seen by the new one, and it can end what it did not start. */
	pod_delete(e, "adopted");
	pod_wait(e, "adopted", pod_gone, NULL);
	assert_string_equal(one_node_file(e, "starts"), "start\nend\n");
	assert_true(has_ended((pid_t)atoi(pid)));
}

/* Started and ready before: not asked whether it has started, and never not ready meanwhile. */
static void what_is_ready_survives_the_kubelet(void **state)
{
	struct one_node *e = *state;
	const char *since;

	pod_create_shell(e, "settled", "exec sleep 1000",
			 arena_printf(&e->arena,
				      "    startupProbe: {periodSeconds: 1, exec: {command: "
				      "[/bin/sh, -c, 'echo asked >> %s/startups']}}\n"
				      "    readinessProbe: {periodSeconds: 1, exec: {command: "
				      "[\"true\"]}}\n",
				      e->dir));
	pod_wait(e, "settled", pod_ready, NULL);
	since = ready_since(e, "settled");
	kubelet_kill(e);
	kubelet_start(e);
	/* Long enough that every probe of the other has run. */
	pod_create_shell(e, "later", "exec sleep 1000",
			 "    readinessProbe: {initialDelaySeconds: 2, exec: {command: "
			 "[\"true\"]}}\n");
	pod_wait(e, "later", pod_ready, NULL);
	pod_delete(e, "later");
	assert_string_equal(one_node_file(e, "startups"), "asked\n");
	assert_string_equal(ready_since(e, "settled"), since);
	pod_delete(e, "settled");
	pod_wait(e, "settled", pod_gone, NULL);
}

static void an_end_that_went_unseen_is_made_good(void **state)
{
	struct one_node *e = *state;
	struct doc *d;
	pid_t pid;
	int one = 1;

	pod_create_shell(e, "unseen", "exec sleep 1000", "");
	pod_wait(e, "unseen", pod_ready, NULL);
	d = pod_get(e, "unseen");
	pid = (pid_t)atoi(
		one_node_file(e, arena_printf(&e->arena, "pods/%s/app.pid", kube_uid(d))));
	kubelet_kill(e);
	assert_int_equal(kill(pid, SIGKILL), 0);
	kubelet_start(e);
	pod_wait(e, "unseen", pod_restarted, &one);
	pod_wait(e, "unseen", pod_ready, NULL);
	pod_delete(e, "unseen");
	pod_wait(e, "unseen", pod_gone, NULL);
}

static void a_pod_deleted_by_force_while_nobody_looked(void **state)
{
	struct one_node *e = *state;
	struct kube_result r;
	const struct kube_request now = {.verb = KUBE_DELETE,
					 .kind = object_kind(KIND_POD),
					 .namespace_ = "default",
					 .name = "forced",
					 .with_grace = true,
					 .grace_seconds = 0};
	const unsigned before = e->deletes;
	pid_t pid;

	pod_create_shell(e, "forced", "exec sleep 1000", "");
	pod_wait(e, "forced", pod_ready, NULL);
	pid = (pid_t)atoi(one_node_file(
		e, arena_printf(&e->arena, "pods/%s/app.pid", kube_uid(pod_get(e, "forced")))));
	kubelet_kill(e);
	ok(kube_wait(e->client, &now, &r, &err));
	kube_result_release(&r);
	pod_wait(e, "forced", pod_gone, NULL);
	kubelet_start(e);
	while (e->deletes == before || !has_ended(pid))
		ok(loop_turn(e->loop, true, &err));
}

static void time_is_up(void *arg)
{
	*(bool *)arg = true;
}

/* Lets the API server and the agent work for so long. */
static void serve_for(struct one_node *e, uint64_t ns)
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
	struct one_node *e = *state;
	unsigned seed = (unsigned)getpid();

	printf("seed %u\n", seed);
	for (int round = 0; round < 5; round++) {
		const char *name = arena_printf(&e->arena, "round-%d", round);

		pod_create_shell(
			e, name,
			arena_printf(&e->arena, "echo %d >> rounds; exec sleep 1000", round), "");
		serve_for(e, rand_r(&seed) % 150 * NS_PER_MS);
		kubelet_kill(e);
		kubelet_start(e);
	}
	for (int round = 0; round < 5; round++)
		pod_wait(e, arena_printf(&e->arena, "round-%d", round), pod_ready, NULL);
	for (int round = 0; round < 5; round++) {
		const char *name = arena_printf(&e->arena, "round-%d", round);

		assert_int_equal(doc_find_int(pod_get(e, name),
					      "status.containerStatuses[0].restartCount", -1),
				 0);
		pod_delete(e, name);
		if (round % 2) {
			kubelet_kill(e);
			kubelet_start(e);
		}
	}
	for (int round = 0; round < 5; round++)
		pod_wait(e, arena_printf(&e->arena, "round-%d", round), pod_gone, NULL);
	assert_int_equal(strlen(one_node_file(e, "rounds")), 10);
}

/* The processes of the test's containers, frozen or not; the last one in *pid. */
static unsigned processes(struct one_node *e, const char *pod, pid_t *pid)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	unsigned n = 0;
	char *save = NULL;

	io_read_file(arena_printf(&e->arena, "%s/pods/%s/app/cgroup.procs", e->cgroup,
				  kube_uid(pod_get(e, pod))),
		     4096, &sb, NULL);
	for (char *l = sb.len ? strtok_r(sb.buf, "\n", &save) : NULL; l;
	     l = strtok_r(NULL, "\n", &save), n++)
		*pid = (pid_t)atoi(l);
	return n;
}

static void freeze(struct one_node *e, const char *value)
{
	auto_close int fd = -1;

	ok(cgroup_make(e->cgroup, &err));
	fd = open(arena_printf(&e->arena, "%s/cgroup.freeze", e->cgroup), O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, value, 1), 1);
}

/* The window of killed_at_any_moment that no drawing of lots hits: forked, its pid not written. */
static void killed_between_a_process_and_its_pid(void **state)
{
	struct one_node *e = *state;
	pid_t first = 0, second = 0;

	freeze(e, "1");
	pod_create_shell(e, "unknown", "echo once >> once; exec sleep 1000", "");
	while (!processes(e, "unknown", &first))
		serve_for(e, 10 * NS_PER_MS);
	kubelet_kill(e);
	kubelet_start(e);
	while (!processes(e, "unknown", &second) || second == first)
		serve_for(e, 10 * NS_PER_MS);
	freeze(e, "0");
	pod_wait(e, "unknown", pod_ready, NULL);
	assert_true(has_ended(first));
	assert_int_equal(processes(e, "unknown", &second), 1);
	assert_string_equal(one_node_file(e, "once"), "once\n");
	pod_delete(e, "unknown");
	pod_wait(e, "unknown", pod_gone, NULL);
}

static void a_plugin_that_is_killed_is_run_again(void **state)
{
	static const char *const when[] = {"die-before", "die-after"};
	struct one_node *e = *state;

	for (size_t i = 0; i < 2 * ARRAY_SIZE(when); i++) {
		const char *flag = arena_printf(&e->arena, "%s/%s", e->dir, when[i / 2]);

		/* Even rounds: while the pod comes; odd ones: while it goes. */
		if (i % 2 == 0)
			ok(io_write_file_atomic(flag, "", 0, 0644, &err));
		pod_create_shell(e, "unlucky", "exec sleep 1000", "");
		pod_wait(e, "unlucky", pod_ready, NULL);
		if (i % 2 == 1)
			ok(io_write_file_atomic(flag, "", 0, 0644, &err));
		pod_delete(e, "unlucky");
		pod_wait(e, "unlucky", pod_gone, NULL);
		assert_false(io_exists(flag));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_runs_survives_the_kubelet),
		cmocka_unit_test(what_is_ready_survives_the_kubelet),
		cmocka_unit_test(an_end_that_went_unseen_is_made_good),
		cmocka_unit_test(a_pod_deleted_by_force_while_nobody_looked),
		cmocka_unit_test(killed_at_any_moment),
		cmocka_unit_test(killed_between_a_process_and_its_pid),
		cmocka_unit_test(a_plugin_that_is_killed_is_run_again),
	};

	if (geteuid() != 0)
		SKIP_ALL("needs root for network namespaces and cgroups");
	return cmocka_run_group_tests(tests, one_node_setup, one_node_teardown);
}
