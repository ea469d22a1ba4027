/* SPDX-License-Identifier: Apache-2.0 */
/* What lib/run must know of an apply: its operations, its steps, and the revision at its end. */
#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "upgrade/config_history.h"
#include "upgrade/config_kept.h"
#include "upgrade/config_run.h"

/* Digests of two keys do not compare: everything would look foreign. */
static int check_plan(const struct config_run *run, struct error *err)
{
	const struct doc *plan = run->session->plan;
	const char *key = doc_find_str(plan, "key");

	if (!str_eq(doc_find_str(plan, "kind"), CONFIG_RUN_KIND))
		return error_set(err, -EBADMSG, "the run's plan cannot be read");
	if (!str_eq(doc_find_str(plan, "cluster"), run->place.uid))
		return error_set(err, -EXDEV, "the run is of another cluster (%s)",
				 str_or_empty(doc_find_str(plan, "cluster")));
	if (!str_eq(key, secret_key_id(run->arena, &run->place.key)))
		return error_set(err, -EKEYREJECTED,
				 "the run was begun with another key of digests (%s): give it with "
				 "--digest-key",
				 str_or_empty(key));
	return 0;
}

static int take_plan(struct session *s, struct error *err)
{
	const struct config_tool *t = (const struct config_tool *)(const void *)s->tool;
	const struct config_place_options o = {
		.name = s->subject, .state = s->state, .digest_key = t->digest_key};
	struct config_run *run = arena_new(&s->arena, struct config_run);
	struct doc *kept;
	int r;

	*run = (struct config_run){.session = s, .arena = &s->arena};
	r = config_place_open(&run->place, &s->arena, &s->cluster, &o, err);
	if (r)
		return r;
	s->env = run;
	run->kinds = (struct config_kinds){.arena = &s->arena, .cluster = &s->cluster};
	r = check_plan(run, err);
	if (!r)
		r = config_kept_read(&run->place, doc_get(s->plan, "kept"), &kept, err);
	if (!r)
		r = config_ops_read(run, kept, err);
	if (!r)
		run->revision = doc_get(kept, "revision");
	return r ? r : config_steps_make(run, err);
}

static void begin(struct session *s)
{
	config_world_attach(s->env, &s->host.step);
}

/*
 * Done: what is there now is a revision. A run counts as done only behind this, so whoever finds
 * one that was killed here comes here again.
 */
static int ended(struct session *s, enum run_state state, struct error *err)
{
	struct config_run *run = s->env;
	struct store_revision made;

	if (state != RUN_DONE)
		return 0;
	doc_del(run->revision, "run");
	doc_set_string(run->arena, run->revision, "run", s->run);
	return config_history_record(&run->place, run->revision, &made, err);
}

static void release(struct session *s)
{
	struct config_run *run = s->env;

	if (run)
		config_place_release(&run->place);
}

void config_tool_init(struct config_tool *t, const char *digest_key)
{
	*t = (struct config_tool){
		.digest_key = digest_key,
		.tool = {.name = "config",
			 .subject = "configuration",
			 .lease_namespace = CONFIG_HOME,
			 .lock_prefix = "config.",
			 .back = "abort",
			 .once_over = "'sidestep config history' shows what was applied, 'sidestep "
				      "config rollback REVISION' goes to an earlier revision",
			 .take_plan = take_plan,
			 .begin = begin,
			 .ended = ended,
			 .release = release}};
}
