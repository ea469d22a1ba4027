/* SPDX-License-Identifier: Apache-2.0 */
#include "migrate/tool.h"

#include "migrate/plan.h"
#include "migrate/probe.h"

static int take_plan(struct session *s, struct error *err)
{
	struct migration *m = arena_new(&s->arena, struct migration);
	int r;

	*m = (struct migration){
		.cluster = &s->cluster, .plan = s->plan, .run = s->run, .ns = s->subject};
	s->env = m;
	r = profile_decode(&s->arena, doc_get(s->plan, "profile"), &m->profile, err);
	if (r)
		return r;
	machine_init(&m->machine, &m->profile);
	return plan_steps(&s->arena, s->plan, &m->machine, &s->steps, &s->n_steps, err);
}

/* Before: what a killed run left behind. After: what a pause or a gate's end leaves. */
static void begin(struct session *s)
{
	struct migration *m = s->env;

	m->journal = s->journal;
	probe_sweep(m);
}

static void end(struct session *s)
{
	probe_sweep(s->env);
}

static void release(struct session *s)
{
	if (s->env)
		migration_release(s->env);
}

const struct run_tool migrate_tool = {.name = "migrate",
				      .subject = "namespace",
				      .undoes = "brings the sidecars back",
				      .take_plan = take_plan,
				      .begin = begin,
				      .end = end,
				      .release = release};
