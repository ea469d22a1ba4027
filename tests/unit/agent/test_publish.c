/* SPDX-License-Identifier: Apache-2.0 */
/* What a SidestepNode says of counters that can be read, and of such that cannot. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "lib/base/io.h"
#include "lib/base/str.h"
#include "tests/support/test.h"

static int code; /* of reading the kernel's rows */
static struct arena arena;
static struct doc *written;

int __wrap_datapath_traffic(struct datapath *dp, struct arena *a, struct datapath_traffic **ret,
			    size_t *ret_n, struct error *err);
int __wrap_datapath_traffic(UNUSED struct datapath *dp, UNUSED struct arena *a,
			    UNUSED struct datapath_traffic **ret, UNUSED size_t *ret_n,
			    UNUSED struct error *err)
{
	return code;
}

const char *__wrap_datapath_attach_mode(const struct datapath *dp);
const char *__wrap_datapath_attach_mode(UNUSED const struct datapath *dp)
{
	return "tcx";
}

uint64_t __wrap_datapath_events_lost(struct datapath *dp);
uint64_t __wrap_datapath_events_lost(UNUSED struct datapath *dp)
{
	return 0;
}

struct sidestep_conntrack *__wrap_connections_shown(struct agent *agent, struct arena *a);
struct sidestep_conntrack *__wrap_connections_shown(UNUSED struct agent *agent,
						    UNUSED struct arena *a)
{
	return NULL;
}

struct sidestep_health *__wrap_health_shown(struct agent *agent, struct arena *a, bool all);
struct sidestep_health *__wrap_health_shown(UNUSED struct agent *agent, UNUSED struct arena *a,
					    UNUSED bool all)
{
	return NULL;
}

void __wrap_writer_write(struct writer *w, const struct writer_target *t);
void __wrap_writer_write(UNUSED struct writer *w, const struct writer_target *t)
{
	written = doc_map(&arena);
	assert_true(t->change(t->arg, &arena, written));
}

TEST(counters_that_cannot_be_read_are_of_no_epoch)
{
	char dir[] = "/tmp/test-publish-XXXXXX";
	struct agent agent = {0};
	struct fake_clock fake;
	struct applied applied = {0};
	const char *pin;

	fake_clock_init(&fake, 1795428000LL * (int64_t)NS_PER_S);
	assert_non_null(mkdtemp(dir));
	pin = arena_printf(&arena, "%s/traffic_v1", dir);
	assert_int_equal(io_write_file_atomic(pin, "", 0, 0600, NULL), 0);
	agent.clock = &fake.clock;
	agent.loop = loop_new(agent.clock);
	agent.options.node = "n1";
	agent.options.pin_root = dir;
	agent.boot_id = "0123456789";
	agent.applied = &applied;
	publish_node(&agent);
	assert_non_null(doc_find_str(written, "status.countersEpoch"));
	assert_non_null(doc_find(written, "status.sent"));
	code = -EPERM;
	publish_node(&agent);
	assert_null(doc_find_str(written, "status.countersEpoch"));
	assert_null(doc_find(written, "status.sent"));
	unlink(pin);
	rmdir(dir);
	free(agent.node_digest);
	loop_free(agent.loop);
	arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_that_cannot_be_read_are_of_no_epoch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
