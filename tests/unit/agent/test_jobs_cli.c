/* SPDX-License-Identifier: Apache-2.0 */
/* `sidestep endpoint regenerate` over a cluster of two real agents. */
#include "tests/unit/agent/nodes.h"

#include <bpf/libbpf.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "lib/cli/exit.h"

static struct doc *json(struct nodes *n)
{
	const char *text = cli_out(n);
	struct error err = ERROR_INIT;
	struct doc *d;

	if (doc_read_json(&n->arena, text, strlen(text), "out", &d, &err) < 0)
		fail_msg("%s: %s", err.msg, text);
	return d;
}

static void expect(struct nodes *n, const char *words, int code)
{
	int is = cli(n, words);

	if (is != code)
		fail_msg("%s: exit %d and not %d: %s%s", words, is, code, cli_out(n), cli_err(n));
}

static void expect_said(const char *text, const char *words)
{
	if (!strstr(text, words))
		fail_msg("\"%s\" is not in: %s", words, text);
}

static void nothing_is_done_for_a_look(void **state)
{
	struct nodes *n = *state;
	const struct doc *d;
	int64_t before;

	pod_make(n, 0, "web");
	pod_make(n, 0, "cart");
	pod_make(n, 1, "far");
	before = pod_generation(n, 0, "web");
	/* Endpoints are published a moment later. */
	do
		expect(n, "--all --dry-run -o json", CLI_OK);
	while (doc_find_int(doc_at(json(n), 0), "endpoints", 0) != 2 ||
	       doc_find_int(doc_at(json(n), 1), "endpoints", 0) != 1);
	d = doc_at(json(n), 0);
	assert_string_equal(doc_find_str(d, "node"), "n1");
	assert_int_equal(doc_find_int(d, "turn", 0), 1);
	expect(n, "--selector app=cart --node n2,n1 --dry-run -o json", CLI_OK);
	d = doc_at(json(n), 0);
	assert_string_equal(doc_find_str(d, "node"), "n2");
	assert_int_equal(doc_find_int(d, "endpoints", -1), 0);
	assert_int_equal(doc_find_int(doc_at(json(n), 1), "endpoints", -1), 1);
	assert_int_equal(pod_generation(n, 0, "web"), before);
	expect(n, "--node n9", CLI_FAILED);
	expect_said(cli_err(n), "no node n9");
	expect(n, "--selector a,,b", CLI_USAGE);
	expect(n, "--all web", CLI_USAGE);
	expect(n, "--job nobody --wait", CLI_FAILED);
	expect_said(cli_err(n), "there is no job nobody");
}

static void a_job_is_done_once(void **state)
{
	struct nodes *n = *state;
	int64_t before = pod_generation(n, 0, "web");

	for (int i = 0; i < 2; i++) {
		expect(n, "--all --job once --wait -o json", CLI_OK);
		assert_string_equal(doc_find_str(json(n), "state"), "done");
		assert_int_equal(doc_find_int(json(n), "regenerated", -1), 3);
		assert_int_equal(doc_len(doc_get(json(n), "nodes")), NODES);
	}
	expect_said(cli_err(n), "once is there already");
	expect_said(cli_err(n), "n1: done, 2 of 2 endpoints");
	assert_int_equal(pod_generation(n, 0, "web"), before + 1);
	expect(n, "--job once", CLI_OK);
	expect_said(cli_out(n), "NODE  STATE  ENDPOINTS  REGENERATED  FAILED");
	/* Without waiting: its name, and how to look at it. */
	expect(n, "--namespace shop --node n2", CLI_OK);
	expect_said(cli_out(n), "regenerate-2");
	expect_said(cli_err(n), "sidestep endpoint regenerate --job regenerate-2");
}

static void who_stops_watching_stops_nothing(void **state)
{
	struct nodes *n = *state;
	pid_t pid;

	agent_kill(n, 1);
	pid = cli_begin(n, "--all --level policy --job cut --wait");
	cli_wait_err(n, "n1: done");
	assert_int_equal(kill(pid, SIGINT), 0);
	assert_int_equal(cli_end(n, pid), CLI_INTERRUPTED);
	expect_said(cli_err(n), "goes on without you");
	expect_said(cli_err(n), "sidestep endpoint regenerate --job cut --wait");
	expect(n, "--job cut --wait --timeout 1s", CLI_INCONCLUSIVE);
	expect_said(cli_err(n), "n2 has not answered: it is its turn");
	expect_said(cli_out(n), "pending");
	expect(n, "--job cut", CLI_INCONCLUSIVE);
	agent_begin(n, 1);
	expect(n, "--job cut --wait", CLI_OK);
}

static void failures_are_told(void **state)
{
	struct nodes *n = *state;
	const struct doc *d;

	pod_cut(n, 0, "web");
	expect(n, "--all --level policy --wait", CLI_BLOCKED);
	expect_said(cli_out(n), "ERROR");
	expect_said(cli_out(n), "stopped");
	expect(n, "--all --level policy --max-failed 1 --wait -o json", CLI_BLOCKED);
	d = json(n);
	assert_string_equal(doc_find_str(d, "state"), "failed");
	assert_int_equal(doc_find_int(d, "failed", -1), 1);
	assert_int_equal(doc_find_int(d, "regenerated", -1), 2);
	expect_said(agent_text(n, 0, "/metrics"), "_regenerations_total{outcome=\"fail\"} ");
	assert_null(
		strstr(agent_text(n, 0, "/metrics"), "_regenerations_total{outcome=\"fail\"} 0"));
	expect_said(agent_text(n, 0, "/metrics"), "cilium_controllers_failing 1\n");
	expect_said(agent_text(n, 0, "/metrics"), "cilium_bpf_map_pressure{map_name=\"ep_addr\"} ");
}

/* What nobody answers for is not known, also for who looks at the job later. */
static void a_node_without_an_agent_is_left_out(void **state)
{
	struct nodes *n = *state;
	struct doc *node = kube_object_new(&n->arena, object_kind(KIND_NODE), NULL, "n3");

	assert_int_equal(
		kube_create(n->client, &n->arena, object_kind(KIND_NODE), node, NULL, NULL), 0);
	expect(n, "--all --namespace none --job lone --wait -o json", CLI_INCONCLUSIVE);
	assert_string_equal(doc_find_str(json(n), "leftOut"), "n3");
	assert_int_equal(doc_len(doc_get(json(n), "nodes")), NODES);
	expect(n, "--job lone", CLI_INCONCLUSIVE);
	expect_said(cli_err(n), "not known: n3");
	expect(n, "--node n1,n2 --namespace none --wait", CLI_OK);
	expect(n, "--node n3 --wait", CLI_FAILED);
}

static void one_endpoint_by_its_agent(void **state)
{
	struct nodes *n = *state;
	int64_t before = pod_generation(n, 0, "cart");

	expect(n, arena_printf(&n->arena, "--socket %s shop/cart", n->node[0].socket), CLI_OK);
	assert_int_equal(pod_generation(n, 0, "cart"), before + 1);
	expect(n, arena_printf(&n->arena, "--socket %s --all", n->node[1].socket), CLI_OK);
	expect_said(cli_out(n), "far");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_done_for_a_look),
		cmocka_unit_test(a_job_is_done_once),
		cmocka_unit_test(who_stops_watching_stops_nothing),
		cmocka_unit_test(failures_are_told),
		cmocka_unit_test(one_endpoint_by_its_agent),
		cmocka_unit_test(a_node_without_an_agent_is_left_out),
	};

	if (geteuid() != 0)
		SKIP_ALL("needs root: network namespaces and programs in the kernel");
	libbpf_set_print(NULL);
	return cmocka_run_group_tests(tests, nodes_setup, nodes_teardown);
}
