/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an apply reads that somebody else may have written: a saved plan, a run's own plan, what is
 * kept for it, a revision of the cluster's copy. The first byte says which.
 */
#include "tests/fuzz/fuzz.h"
#include "upgrade/config_history.h"
#include "upgrade/config_plan.h"
#include "upgrade/config_run.h"

static void read_plan(struct arena *a, struct doc *d)
{
	static const struct secret_key key = {{1}};
	const struct config_plan_about about = {
		.key = &key, .now_s = 1, .cluster = "c", .name = "main"};
	struct config_diff_opts opts = {.against = "x"};
	struct config_scene s;
	struct doc *moved;

	/* Whoever writes a plan can write this, too. */
	if (d->kind == DOC_MAP)
		doc_set_string(a, d, "key", secret_key_id(a, &key));
	config_scene_init(&s);
	s.hidden_desired = true;
	if (!config_plan_read(d, NULL) && !config_plan_wanted(d, &s.desired, NULL) &&
	    !config_scene_compare(&s, &opts, &key, NULL))
		config_plan_check(a, d, &s, &about, &moved, NULL);
	config_scene_release(&s);
}

static void read_run(struct arena *a, struct doc *d)
{
	struct session session = {.plan = doc_get(d, "plan")};
	struct config_run run = {.session = &session, .arena = a};

	if (!config_ops_read(&run, doc_get(d, "kept"), NULL))
		config_steps_make(&run, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const char *text = (const char *)data + 1;
	struct doc *d;

	if (size < 2)
		return 0;
	if (data[0] == 'r') {
		config_revision_parse(&a, text, size - 1, &d, NULL);
		return 0;
	}
	if (doc_read_json(&a, text, size - 1, NULL, &d, NULL))
		return 0;
	if (data[0] == 'p')
		read_plan(&a, d);
	else
		read_run(&a, d);
	return 0;
}
