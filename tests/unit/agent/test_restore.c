/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs that an agent which was killed left: what came to its end is kept, what did not is done
 * again. The kernel is a generation, here; tests/unit/agent/test_jobs.c kills real agents.
 */
#include "tests/support/test.h"

#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/job.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"

static struct agent agent;
static struct applied applied;
static struct fake_clock fake;
static char dir[] = "/tmp/sidestep-restore-XXXXXX";
static uint32_t generation; /* of every endpoint; 0: it has no row */
static struct kube_object object;
static struct sidestep_request request;
static unsigned regenerations;
static struct sidestep_request_node said;
static char words[256]; /* its message */

/* --- the kernel --- */

int datapath_endpoint(UNUSED struct datapath *dp, UNUSED uint32_t id, struct datapath_endpoint *ret,
		      UNUSED struct error *err)
{
	if (!generation)
		return -ENOENT;
	*ret = (struct datapath_endpoint){.generation = generation};
	return 0;
}

const char *datapath_load_log(UNUSED const struct datapath *dp)
{
	return NULL;
}

int agent_reload(UNUSED struct agent *a, UNUSED uint64_t since_ns, UNUSED struct error *err)
{
	return 0;
}

int agent_regenerate(UNUSED struct agent *a, UNUSED struct agent_ep *ep, UNUSED struct arena *arena,
		     struct datapath_regenerated *ret, UNUSED struct error *err)
{
	regenerations++;
	ret->generation_before = generation++;
	ret->generation_after = generation;
	return 0;
}

void recovery_needed(UNUSED struct agent *a, UNUSED struct agent_ep *ep, UNUSED const char *error)
{
}

/* --- the cluster: one request --- */

bool cluster_synced(UNUSED const struct cluster *c)
{
	return true;
}

struct kube_object *kube_informer_get(UNUSED const struct kube_informer *inf,
				      UNUSED const char *namespace_, const char *name)
{
	return str_eq(name, request.meta.name) ? &object : NULL;
}

struct kube_object *kube_informer_first(UNUSED const struct kube_informer *inf)
{
	return &object;
}

struct kube_object *kube_informer_next(UNUSED const struct kube_informer *inf,
				       UNUSED const struct kube_object *o)
{
	return NULL;
}

void publish_requests(UNUSED struct agent *a)
{
}

void publish_answer(UNUSED struct agent *a, UNUSED const struct sidestep_request *r,
		    const struct sidestep_request_node *node)
{
	said = *node;
	snprintf(words, sizeof(words), "%s", str_or_empty(node->message));
}

const struct sidestep_request_node *published_answer(UNUSED const struct agent *a,
						     UNUSED const struct sidestep_request *r)
{
	return NULL;
}

bool request_selects(UNUSED const struct agent *a, UNUSED const struct sidestep_request *r,
		     UNUSED const struct agent_ep *ep)
{
	return true;
}

/* --- */

static void on_jobs(UNUSED void *arg)
{
	jobs_run(&agent);
}

static char uid[] = "u2", name[] = "web", shop[] = "shop";
static struct agent_ep pod = {
	.id = 2, .uid = uid, .namespace = shop, .pod = name, .state = ENDPOINT_STATE_READY};

static void begin(void)
{
	static struct node node = {.meta.name = "n1"};

	memset(&agent, 0, sizeof(agent));
	fake_clock_init(&fake, 0);
	fake_clock_advance(&fake, NS_PER_S);
	agent.clock = &fake.clock;
	agent.log = (struct log){stderr, LOG_LEVEL_ERROR, false, "test", agent.clock};
	agent.loop = loop_new(agent.clock);
	agent.jobs_timer = loop_timer_new(agent.loop, on_jobs, NULL);
	agent.options.node = "n1";
	agent.options.state_dir = dir;
	applied.revision = 1;
	applied.input.nodes = &node;
	applied.input.n_nodes = 1;
	agent.applied = &applied;
	map_init(&agent.jobs);
	vec_push(&agent.endpoints.list, &pod);
	regenerations = 0;
	request = (struct sidestep_request){.meta = {.name = "all", .uid = "r1", .generation = 1},
					    .kind = REQUEST_REGENERATE,
					    .level = REGENERATE_POLICY};
	object = (struct kube_object){.decoded = &request};
	object.name = "all";
}

static void end(void)
{
	map_foreach (&agent.jobs, e)
		job_free(map_del(&agent.jobs, map_key(e)), true);
	map_release(&agent.jobs);
	vec_release(&agent.endpoints.list);
	loop_timer_free(agent.jobs_timer);
	loop_free(agent.loop);
}

/* The journal of an agent that was killed in the middle of an endpoint of that pod. */
static void killed(const char *pod_uid, uint32_t before)
{
	struct job *job = xcalloc(1, sizeof(*job));
	struct agent_ep was = pod;

	was.uid = xstrdup(pod_uid);
	assert_int_equal(job_create(job, dir, "all", "r1", 1, NULL), 0);
	assert_int_equal(job_begins(job, &was, before, NULL), 0);
	job_free(job, false);
	free(was.uid);
}

/* Another agent comes, and is killed before it does anything of the job; its rounds bump. */
static void killed_at_once(void)
{
	assert_int_equal(jobs_restore(&agent, NULL), 0);
	map_foreach (&agent.jobs, e)
		job_free(map_del(&agent.jobs, map_key(e)), false);
	generation++;
}

/* How often it is regenerated after that. */
static unsigned go_on(void)
{
	assert_int_equal(jobs_restore(&agent, NULL), 0);
	jobs_run(&agent);
	while (loop_turn(agent.loop, false, NULL) > 0)
		;
	loop_advance(agent.loop, &fake, NS_PER_S);
	assert_string_equal(said.state, "done");
	assert_int_equal(said.regenerated.value, 1);
	end();
	return regenerations;
}

static unsigned resumed(const char *pod_uid, uint32_t before, uint32_t now)
{
	begin();
	killed(pod_uid, before);
	generation = now;
	return go_on();
}

TEST(what_ended_is_not_done_again)
{
	assert_int_equal(resumed("u2", 7, 8), 0);
}

TEST(what_did_not_end_is)
{
	assert_int_equal(resumed("u2", 7, 7), 1);
}

/* Whoever bumps its generation later than that has not ended it. */
TEST(what_did_not_end_has_not_when_the_next_agent_is_killed_too)
{
	begin();
	killed("u2", 7);
	generation = 7;
	killed_at_once();
	killed_at_once();
	assert_int_equal(go_on(), 1);
	begin();
	killed("u2", 7);
	generation = 8; /* it has, and stays so */
	killed_at_once();
	assert_int_equal(go_on(), 0);
}

/* Its number was another pod's: that one's generation is not this one's. */
TEST(what_was_begun_of_another_pod_says_nothing)
{
	assert_int_equal(resumed("u9", 7, 8), 1);
}

/* When it was begun it had no row in the kernel, and so no generation. */
TEST(an_unknown_generation_proves_nothing)
{
	assert_int_equal(resumed("u2", 0, 8), 1);
}

/* More pods came and went than a job can note: it stops, and says why. */
TEST(a_job_that_can_note_no_more_stops)
{
	struct job *job;

	begin();
	generation = 3;
	killed("u2", 3);
	assert_int_equal(jobs_restore(&agent, NULL), 0);
	job = map_get(&agent.jobs, "all");
	while (job->records.n < JOB_MAX_RECORDS)
		vec_push(&job->records, ((struct job_record){.uid = "x", .done = {.id = 1}}));
	jobs_run(&agent);
	loop_advance(agent.loop, &fake, NS_PER_S);
	assert_string_equal(said.state, "stopped");
	assert_non_null(strstr(words, "65535"));
	assert_int_equal(regenerations, 0);
	end();
}

static int make_dir(UNUSED void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(UNUSED void **state)
{
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_ended_is_not_done_again),
		cmocka_unit_test(what_did_not_end_is),
		cmocka_unit_test(what_did_not_end_has_not_when_the_next_agent_is_killed_too),
		cmocka_unit_test(what_was_begun_of_another_pod_says_nothing),
		cmocka_unit_test(an_unknown_generation_proves_nothing),
		cmocka_unit_test(a_job_that_can_note_no_more_stops),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
