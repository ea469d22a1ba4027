/* SPDX-License-Identifier: Apache-2.0 */
/* Regenerations of two real agents: turns, kills, failures, and what of it is published. */
#include "tests/unit/agent/nodes.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/datapath/maps.h"
#include "agent/job.h"
#include "lib/agentapi/health.h"
#include "lib/agentapi/regenerate.h"
#include "lib/base/str.h"
#include "lib/net/netns.h"

enum { MANY = 12 };

static const char *state_of(const struct doc *answer)
{
	return str_or_empty(doc_find_str(answer, "state"));
}

static bool ended(const struct doc *answer)
{
	return answer && !str_eq(state_of(answer), "running");
}

struct watching {
	struct nodes *n;
	bool overtaken; /* the second began before the first had ended */
};

static bool both_ended(void *arg, const struct doc *request)
{
	struct watching *w = arg;
	const struct doc *first = job_answer(request, &w->n->node[0]),
			 *second = job_answer(request, &w->n->node[1]);

	w->overtaken |= second && !ended(first);
	return ended(first) && ended(second);
}

static struct doc *run_job(struct nodes *n, const char *name, const char *spec)
{
	struct watching w = {.n = n};
	struct doc *d;

	job_make(n, name, spec);
	d = job_wait(n, name, both_ended, &w);
	assert_false(w.overtaken);
	return d;
}

static void expect(const struct doc *answer, const char *state, int64_t selected, int64_t done,
		   int64_t failed)
{
	if (!str_eq(state_of(answer), state) || doc_find_int(answer, "selected", -1) != selected ||
	    doc_find_int(answer, "regenerated", -1) != done ||
	    doc_find_int(answer, "failed", -1) != failed) {
		struct strbuf sb = STRBUF_INIT;

		doc_write_json(answer, DOC_PRETTY, &sb);
		fail_msg("%s of %lld, %lld done and %lld failed were expected: %s", state,
			 (long long)selected, (long long)done, (long long)failed, strbuf_cstr(&sb));
	}
}

/* Another value in a row of the map by address, behind the agent's back. */
static void corrupt(struct nodes *n, int node)
{
	struct maps maps;
	uint32_t key, value;

	assert_int_equal(maps_open_existing(&maps, n->node[node].pins, NULL), 0);
	assert_int_equal(bpf_map_get_next_key(maps.fd[MAP_ep_addr], NULL, &key), 0);
	assert_int_equal(bpf_map_lookup_elem(maps.fd[MAP_ep_addr], &key, &value), 0);
	value += 77;
	assert_int_equal(bpf_map_update_elem(maps.fd[MAP_ep_addr], &key, &value, BPF_EXIST), 0);
	maps_close(&maps);
}

static void one_node_after_the_other(void **state)
{
	struct nodes *n = *state;
	const struct doc *request, *first, *second, *e;
	int64_t before;

	pod_make(n, 0, "web");
	pod_make(n, 0, "cart");
	pod_make(n, 1, "far");
	before = pod_generation(n, 0, "cart");
	corrupt(n, 0);
	request = run_job(n, "all", "level: datapath");
	first = job_answer(request, &n->node[0]);
	second = job_answer(request, &n->node[1]);
	expect(first, "done", 2, 2, 0);
	expect(second, "done", 1, 1, 0);
	assert_int_equal(doc_find_int(first, "repaired", -1), 1);
	assert_int_equal(doc_find_int(second, "repaired", -1), 0);
	e = doc_at(doc_get(first, "endpoints"), 0);
	assert_true(strstr(doc_str(doc_at(doc_get(e, "corruptedRows"), 0)), "ep_addr"));
	e = doc_at(doc_get(first, "endpoints"), 1);
	assert_string_equal(doc_find_str(e, "pod"), "cart");
	assert_int_equal(doc_find_int(e, "generationBefore", -1), before);
	assert_int_equal(doc_find_int(e, "generationAfter", -1), before + 1);
	assert_true(doc_find_int(e, "durationMs", 0) > 0);
	assert_int_equal(pod_generation(n, 0, "cart"), before + 1);
	/* What the request does not select is left alone. */
	request = run_job(n, "some", "namespace: shop, podSelector: {matchLabels: {app: cart}}");
	expect(job_answer(request, &n->node[0]), "done", 1, 1, 0);
	expect(job_answer(request, &n->node[1]), "done", 0, 0, 0);
	assert_int_equal(pod_generation(n, 0, "cart"), before + 2);
}

/* Nobody could read it, and nobody would answer. */
static void what_no_agent_could_read_is_refused(void **state)
{
	static const char *const specs[] = {"maxParallel: 0", "maxFailed: -1", "level: deep",
					    "nodes: n1"};
	struct nodes *n = *state;

	for (size_t i = 0; i < ARRAY_SIZE(specs); i++)
		assert_int_equal(job_try(n, "refused", specs[i]), -EINVAL);
}

static void what_is_done_is_not_done_again(void **state)
{
	struct nodes *n = *state;
	int64_t before = pod_generation(n, 0, "cart");

	agent_kill(n, 0);
	agent_begin(n, 0);
	agent_wait(n, 0);
	/* Its turns are over, for both are told as done: a third must come to it next. */
	run_job(n, "next", "level: policy");
	assert_int_equal(pod_generation(n, 0, "cart"), before + 1);
}

/* A pod that comes later changes nothing of what was said. */
static void an_answer_is_the_last_word(void **state)
{
	struct nodes *n = *state;
	const struct doc *request = run_job(n, "said", "maxFailed: 9, level: policy");
	struct doc *later = NULL;

	pod_make(n, 1, "late");
	run_job(n, "after-said",
		"maxFailed: 9, level: policy, podSelector: {matchLabels: {app: late}}");
	assert_int_equal(kube_get(n->client, &n->arena, object_kind(KIND_SIDESTEP_REQUEST), NULL,
				  "said", &later, NULL),
			 0);
	assert_true(doc_equal(doc_get(request, "status"), doc_get(later, "status")));
}

static void once_for_each_whatever_is_killed(void **state)
{
	struct nodes *n = *state;
	int64_t before[MANY];
	struct watching w = {.n = n};
	const struct doc *request, *answer;

	for (int i = 0; i < MANY; i++)
		pod_make(n, 0, arena_printf(&n->arena, "many%d", i));
	/* Kills before, in the middle of, and between endpoints. */
	for (int round = 0; round < 6; round++) {
		const char *name = arena_printf(&n->arena, "killed%d", round);

		for (int i = 0; i < MANY; i++)
			before[i] = pod_generation(n, 0, arena_printf(&n->arena, "many%d", i));
		job_make(n, name, "level: datapath");
		job_wait_lines(n, 0, (unsigned)(1 + 4 * round));
		agent_kill(n, 0);
		agent_begin(n, 0);
		agent_wait(n, 0);
		request = job_wait(n, name, both_ended, &w);
		answer = job_answer(request, &n->node[0]);
		expect(answer, "done", MANY + 2, MANY + 2, 0);
		assert_int_equal(doc_len(doc_get(answer, "endpoints")), MANY + 2);
		for (int i = 0; i < MANY; i++)
			if (pod_generation(n, 0, arena_printf(&n->arena, "many%d", i)) !=
			    before[i] + 1)
				fail_msg("round %d: many%d went from %lld to %lld", round, i,
					 (long long)before[i],
					 (long long)pod_generation(
						 n, 0, arena_printf(&n->arena, "many%d", i)));
	}
}

static bool second_ended(void *arg, const struct doc *request)
{
	struct nodes *n = arg;

	return ended(job_answer(request, &n->node[1]));
}

static bool shows_failure(UNUSED void *arg, const struct doc *object)
{
	return doc_find_int(object, "status.health.regenerations.failed", 0) >= 2 &&
	       doc_find_int(object, "status.health.endpoints.notReady", 0) >= 2;
}

static void failures_stop_everybody(void **state)
{
	struct nodes *n = *state;
	const struct doc *request, *answer, *health, *first;
	struct sidestep_node published;

	pod_cut(n, 0, "many3");
	pod_cut(n, 0, "many5");
	request = run_job(n, "stopped", "maxFailed: 0, level: policy");
	answer = job_answer(request, &n->node[0]);
	assert_string_equal(state_of(answer), "stopped");
	assert_int_equal(doc_find_int(answer, "failed", -1), 1);
	assert_true(strstr(doc_find_str(answer, "message"), "were not tried"));
	answer = job_answer(request, &n->node[1]);
	expect(answer, "stopped", 1, 0, 0);
	request = run_job(n, "borne", "maxFailed: 2, level: policy");
	expect(job_answer(request, &n->node[0]), "failed", MANY + 2, MANY, 2);
	expect(job_answer(request, &n->node[1]), "done", 1, 1, 0);
	/* Nothing of it hides behind "ready". */
	health = status_wait(n, 0, shows_failure, NULL);
	assert_int_equal(sidestep_node_decode(&n->arena, health, &published, NULL), 0);
	assert_int_equal(published.health->endpoints.not_ready.value, 2);
	assert_int_equal(published.health->endpoints.expected.value, MANY + 2);
	assert_string_equal(published.health->endpoints.items[0].state, "not-ready");
	assert_non_null(published.health->endpoints.items[0].error);
	assert_non_null(published.health->endpoints.items[0].since);
	assert_int_equal(published.health->failing_controllers.value, 2);
	assert_true(str_ends(published.health->controllers[0].name, "-regeneration-recovery"));
	assert_true(published.health->starts.value >= 8);
	assert_int_equal(published.health->map_errors.value, 0);
	first = doc_get(agent_ask(n, 0, "GET", "/v1/status", NULL), "health");
	assert_int_equal(doc_find_int(first, "endpoints.notReady", -1), 2);
	assert_int_equal(doc_find_int(first, "starts", -1), published.health->starts.value);
}

static bool is_well(UNUSED void *arg, const struct doc *object)
{
	return doc_find_int(object, "status.health.endpoints.ready", 0) == 1 &&
	       doc_find_int(object, "status.health.programs.devices", 0) == 1;
}

static void a_node_tells_what_gates_ask(void **state)
{
	struct nodes *n = *state;
	struct sidestep_node published;
	const struct sidestep_health *h;

	assert_int_equal(
		sidestep_node_decode(&n->arena, status_wait(n, 1, is_well, NULL), &published, NULL),
		0);
	h = published.health;
	assert_string_equal(published.version, SIDESTEP_VERSION);
	assert_int_equal(h->starts.value, 1);
	assert_int_equal(h->endpoints.missing.value, 0);
	assert_int_equal(h->endpoints.expected.value, 1);
	assert_int_equal(h->endpoints.not_ready.value, 0);
	assert_int_equal(h->failing_controllers.value, 0);
	assert_int_equal(h->programs.wrong.value, 0);
	assert_non_null(published.sent);
	assert_non_null(h->metrics_epoch);
	assert_non_null(h->started);
	assert_true(h->n_maps >= 8);
	assert_true(h->clock_ms.set && h->uptime_ms.set);
	assert_true(h->process.cpu_ms.value > 0 && h->process.rss_bytes.value > 1 << 20);
}

/* The journal of an agent that was killed when the endpoint's generation was `back` less. */
static const struct doc *resumed(struct nodes *n, const char *name, int64_t back)
{
	const struct doc *e =
		doc_at(doc_get(agent_ask(n, 1, "GET", "/v1/endpoint", NULL), "items"), 0);
	struct agent_ep ep = {.id = (uint32_t)doc_find_int(e, "id", 0),
			      .uid = arena_strdup(&n->arena, doc_find_str(e, "uid")),
			      .namespace = arena_strdup(&n->arena, "shop"),
			      .pod = arena_strdup(&n->arena, doc_find_str(e, "pod"))};
	struct job *job = calloc(1, sizeof(*job));
	struct doc *request = NULL;

	agent_kill(n, 1);
	job_make(n, name, "nodes: [n2], level: policy");
	assert_int_equal(kube_get(n->client, &n->arena, object_kind(KIND_SIDESTEP_REQUEST), NULL,
				  name, &request, NULL),
			 0);
	assert_int_equal(job_create(job, n->node[1].state, name, kube_uid(request), 1, NULL), 0);
	assert_int_equal(
		job_begins(job, &ep, (uint32_t)(doc_find_int(e, "generation", 0) - back), NULL), 0);
	job_free(job, false);
	agent_begin(n, 1);
	agent_wait(n, 1);
	return job_answer(job_wait(n, name, second_ended, n), &n->node[1]);
}

static void an_endpoint_under_way_came_to_its_end_or_not(void **state)
{
	struct nodes *n = *state;
	int64_t before = pod_generation(n, 1, "far");
	const struct doc *answer = resumed(n, "ended", 1);

	expect(answer, "done", 1, 1, 0);
	assert_non_null(strstr(doc_find_str(answer, "message"), "killed"));
	assert_null(doc_get(doc_at(doc_get(answer, "endpoints"), 0), "durationMs"));
	assert_int_equal(pod_generation(n, 1, "far"), before);
	answer = resumed(n, "not-ended", 0);
	expect(answer, "done", 1, 1, 0);
	assert_null(doc_get(answer, "message"));
	assert_int_equal(pod_generation(n, 1, "far"), before + 1);
}

static bool is_healed(UNUSED void *arg, const struct doc *object)
{
	return doc_find_int(object, "status.health.endpoints.notReady", -1) == 0 &&
	       doc_find_int(object, "status.health.programs.wrong", -1) == 0 &&
	       doc_find_int(object, "status.health.failingControllers", -1) == 0;
}

static int64_t regenerated(const struct doc *object)
{
	return doc_find_int(object, "status.health.regenerations.done", 0);
}

static bool is_once_more(void *arg, const struct doc *object)
{
	return regenerated(object) > *(const int64_t *)arg && is_healed(NULL, object);
}

static uint32_t device_of_far(struct nodes *n)
{
	const struct doc *d = agent_ask(n, 1, "GET", "/v1/endpoint", NULL);

	return (uint32_t)doc_find_int(doc_at(doc_get(d, "items"), 0), "ifindex", 0);
}

static const char *pin_of_far(struct nodes *n)
{
	return arena_printf(&n->arena, "%s/link_to_pod_%u", n->node[1].pins, device_of_far(n));
}

static bool pins_links(struct nodes *n)
{
	const char *mode = doc_find_str(agent_ask(n, 1, "GET", "/v1/status", NULL), "attachMode");

	assert_true(str_eq(mode, "tcx") || str_eq(mode, "clsact"));
	return str_eq(mode, "tcx");
}

/* A folder stands where the pin of the endpoint's program belongs. */
static void what_failed_heals_by_itself(void **state)
{
	struct nodes *n = *state;
	const char *pin = pin_of_far(n);
	const struct doc *d;

	if (!pins_links(n)) /* then nothing can be in the way */
		skip();
	assert_int_equal(unlink(pin), 0);
	assert_int_equal(mkdir(pin, 0700), 0);
	job_make(n, "blocked", "nodes: [n2], level: policy");
	d = job_wait(n, "blocked", second_ended, n);
	expect(job_answer(d, &n->node[1]), "failed", 1, 0, 1);
	assert_int_equal(rmdir(pin), 0);
	status_wait(n, 1, is_healed, NULL);
	job_make(n, "free", "nodes: [n2], level: policy");
	d = job_wait(n, "free", second_ended, n);
	expect(job_answer(d, &n->node[1]), "done", 1, 1, 0);
}

/* Whether its filters are there; remove: until now. */
static bool has_filters(struct nodes *n, uint32_t device, bool remove)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)device, .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1);
	int netns, back, code;

	assert_int_equal(netns_open(n->node[1].netns, &netns, NULL), 0);
	assert_int_equal(netns_enter(netns, &back, NULL), 0);
	code = bpf_tc_query(&hook, &opts);
	if (remove) {
		hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
		assert_int_equal(bpf_tc_hook_destroy(&hook), 0);
	}
	netns_leave(back);
	close(netns);
	return code == 0;
}

/* Somebody takes the program off: nobody asks, and it is back. */
static void what_is_taken_off_comes_back(void **state)
{
	struct nodes *n = *state;
	bool pinned = pins_links(n);
	const char *pin = pin_of_far(n);
	uint32_t device = device_of_far(n);
	/* The agent's own number: what is published may be of a moment ago. */
	int64_t before = doc_find_int(agent_ask(n, 1, "GET", "/v1/status", NULL),
				      "health.regenerations.done", -1);

	if (pinned)
		assert_int_equal(unlink(pin), 0);
	else
		assert_true(has_filters(n, device, true));
	status_wait(n, 1, is_once_more, &before);
	if (pinned)
		assert_int_equal(access(pin, F_OK), 0);
	else
		assert_true(has_filters(n, device, false));
}

static struct sidestep_node *decoded(struct nodes *n, const struct doc *d)
{
	struct sidestep_node *out = arena_new(&n->arena, struct sidestep_node);

	assert_int_equal(sidestep_node_decode(&n->arena, d, out, NULL), 0);
	return out;
}

struct awaited {
	int64_t starts, clock;
};

/* A status of that agent, later than that, with every map counted. */
static bool is_later(void *arg, const struct doc *object)
{
	const struct awaited *w = arg;
	const struct doc *maps = doc_find(object, "status.health.maps");

	for (size_t i = 0; i < doc_len(maps); i++)
		if (!doc_get(doc_at(maps, i), "entries"))
			return false;
	return doc_find_int(object, "status.health.starts", 0) == w->starts &&
	       doc_find_int(object, "status.health.clockMs", 0) > w->clock &&
	       doc_get(doc_get(object, "status"), "conntrack");
}

static const struct sidestep_node *sample(struct nodes *n, int64_t starts,
					  const struct sidestep_node *after)
{
	struct awaited w = {starts, after ? after->health->clock_ms.value : 0};

	return decoded(n, status_wait(n, 1, is_later, &w));
}

/* What a gate would make of an agent that is started anew and regenerates. */
static void gates_pass_over_a_restart(void **state)
{
	struct nodes *n = *state;
	struct health_item items[HEALTH_ITEM_COUNT];
	struct health_question q = {.starts = 1, .regenerated = true};
	struct strings pods = {arena_array(&n->arena, 1, const char *), 1};

	q.before = sample(n, 3, NULL);
	pods.items[0] = q.before->endpoints[0].uid;
	q.pods = &pods;
	agent_kill(n, 1);
	agent_begin(n, 1);
	job_make(n, "after", "nodes: [n2]");
	expect(job_answer(job_wait(n, "after", second_ended, n), &n->node[1]), "done", 1, 1, 0);
	q.previous = sample(n, 4, q.before);
	q.now = sample(n, 4, q.previous);
	health_ask(&n->arena, &q, items);
	for (int i = 0; i < HEALTH_ITEM_COUNT; i++)
		if (items[i].result != FINDING_PASS && i != HEALTH_CPU) /* that is the machine's */
			fail_msg("%s is %s: %s", items[i].id, finding_result_name(items[i].result),
				 items[i].words);
}

/* --- connections in two layouts --- */

/* state NULL: it is done. */
struct told {
	struct nodes *n;
	const char *state;
};

static bool has_told(void *arg, const struct doc *request)
{
	const struct told *t = arg;
	const struct doc *answer = job_answer(request, &t->n->node[0]);

	return answer && str_eq(state_of(answer), t->state ? t->state : "done");
}

static const struct doc *told(struct nodes *n, const char *request, const char *state)
{
	struct told t = {n, state};

	return job_answer(job_wait(n, request, has_told, &t), &n->node[0]);
}

static bool keeps(void *arg, const struct doc *object)
{
	const struct doc *c = doc_find(object, "status.conntrack");

	/* There as soon as it is known; zeros are left out of it. */
	return c && doc_find_int(c, "older", 0) == *(const int *)arg &&
	       doc_find_int(c, "remaining", 0) == 0;
}

static bool is_pinned(const struct nodes *n)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/conntrack_v1", n->node[0].pins);
	return access(path, F_OK) == 0;
}

static const char *made(struct nodes *n, const char *request)
{
	struct doc *d = NULL;

	assert_int_equal(kube_get(n->client, &n->arena, object_kind(KIND_SIDESTEP_REQUEST), NULL,
				  request, &d, NULL),
			 0);
	return doc_find_str(d, "metadata.creationTimestamp");
}

/* What a gate may believe: the answer and the status say the same, over a kill and over another
 * request. */
static void of_two_that_contradict_each_other_the_newer_is_done(void **state)
{
	struct nodes *n = *state;
	int one = 1, none = 0;

	request_make(n, "keep", "Prepare", "nodes: [n1], layout: 1");
	told(n, "keep", NULL);
	status_wait(n, 0, keeps, &one);
	assert_true(is_pinned(n));
	agent_kill(n, 0);
	agent_begin(n, 0);
	agent_wait(n, 0);
	status_wait(n, 0, keeps, &one);
	request_make(n, "drop", "Finalize", "nodes: [n1]");
	while (str_eq(made(n, "drop"), made(n, "keep"))) { /* it would not be newer */
		request_remove(n, "drop");
		request_make(n, "drop", "Finalize", "nodes: [n1]");
	}
	told(n, "drop", NULL);
	assert_non_null(strstr(doc_find_str(told(n, "keep", "failed"), "message"),
			       "the Finalize of request drop is newer"));
	status_wait(n, 0, keeps, &none);
	assert_false(is_pinned(n));
	request_remove(n, "drop"); /* then only the other one stands */
	told(n, "keep", NULL);
	status_wait(n, 0, keeps, &one);
	request_remove(n, "keep");
}

int main(int argc, char **argv)
{
	/* What is another thing where filters are attached by netlink. */
	const struct CMUnitTest by_netlink[] = {
		cmocka_unit_test(one_node_after_the_other),
		cmocka_unit_test(what_is_taken_off_comes_back),
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_node_after_the_other),
		cmocka_unit_test(what_no_agent_could_read_is_refused),
		cmocka_unit_test(what_is_done_is_not_done_again),
		cmocka_unit_test(once_for_each_whatever_is_killed),
		cmocka_unit_test(failures_stop_everybody),
		cmocka_unit_test(a_node_tells_what_gates_ask),
		cmocka_unit_test(what_failed_heals_by_itself),
		cmocka_unit_test(what_is_taken_off_comes_back),
		cmocka_unit_test(an_endpoint_under_way_came_to_its_end_or_not),
		cmocka_unit_test(gates_pass_over_a_restart),
		cmocka_unit_test(an_answer_is_the_last_word),
		cmocka_unit_test(of_two_that_contradict_each_other_the_newer_is_done),
	};

	if (geteuid() != 0)
		SKIP_ALL("needs root: network namespaces and programs in the kernel");
	libbpf_set_print(NULL);
	if (argc > 1) {
		nodes_attach = argv[1];
		return cmocka_run_group_tests(by_netlink, nodes_setup, nodes_teardown);
	}
	return cmocka_run_group_tests(tests, nodes_setup, nodes_teardown);
}
