/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the history is whole: on this machine, in the cluster, and as its runs tell it. */
#include <string.h>

#include "lib/base/str.h"
#include "lib/object/sidestep.h"
#include "lib/report/report.h"
#include "lib/step/run.h"
#include "upgrade/config_history.h"
#include "upgrade/config_history_impl.h"

static void add(struct report *r, const char *id, const char *title, enum finding_result result,
		const char *scope, const char *remedy, const char *words)
{
	struct finding *f = report_add_free(r, id, title, "history", SEVERITY_ERROR, result, scope,
					    "%s", words);

	f->remedy = remedy;
}

static int check_repository(struct config_place *p, struct report *report, struct error *err)
{
	struct doc *damage;
	int r = store_fsck(p->store, p->arena, &damage, err);

	if (r)
		return r;
	doc_foreach_item (damage, d)
		add(report, "history-whole", "the repository is whole", FINDING_FAIL,
		    "this machine",
		    "Move the folder away: the next command takes the history from the cluster.",
		    doc_str(d));
	if (!doc_len(damage))
		add(report, "history-whole", "the repository is whole", FINDING_PASS,
		    "this machine", NULL, "every revision can be read, and is what its id says");
	return 0;
}

/* Made again from the cluster's copy: the commit id says whether it is the same. */
static void check_copy(struct config_place *p, struct report *report,
		       const struct store_revision *revision)
{
	const char *scope = arena_printf(p->arena, "revision %u", revision->number);
	struct error err = ERROR_INIT;
	struct doc *theirs = NULL, *ours = NULL;
	int r = config_revision_fetch(p, revision->number, &theirs, &err);

	if (!r && theirs)
		r = config_revision_delta(p, revision, &ours, &err);
	if (r)
		add(report, "history-copy", "the cluster's copy is the same", FINDING_FAIL, scope,
		    "Find out who changed it; delete its ConfigMaps, and the next apply writes it "
		    "again.",
		    err.msg);
	else if (!theirs)
		add(report, "history-copy", "the cluster's copy is the same", FINDING_FAIL, scope,
		    "The next apply writes it again.", "the cluster has no copy of it");
	else if (!config_revision_same(p->arena, theirs, ours))
		add(report, "history-copy", "the cluster's copy is the same", FINDING_FAIL, scope,
		    "Find out who changed it; delete its ConfigMaps, and the next apply writes it "
		    "again.",
		    arena_printf(p->arena, "ConfigMap %s/%s holds something else", CONFIG_HOME,
				 config_revision_object(p, p->arena, revision->number, 0)));
	else
		add(report, "history-copy", "the cluster's copy is the same", FINDING_PASS, scope,
		    NULL, "the same here and in the cluster");
}

static int check_run(struct config_place *p, struct report *report,
		     const struct store_revision *revision, struct error *err)
{
	const char *scope = arena_printf(p->arena, "revision %u", revision->number);
	struct doc *run = NULL;
	const char *state;
	int r;

	if (!revision->note.run) {
		add(report, "history-run", "the run that made it is known and done", FINDING_SKIP,
		    scope, NULL, "no run made it");
		return 0;
	}
	r = cluster_get(p->cluster, p->arena, object_kind(KIND_SIDESTEP_RUN), NULL,
			revision->note.run, &run, err);
	if (r)
		return r;
	state = doc_find_str(run, "spec.state");
	if (!run)
		add(report, "history-run", "the run that made it is known and done", FINDING_SKIP,
		    scope, NULL,
		    arena_printf(p->arena, "SidestepRun %s is not there any more",
				 revision->note.run));
	else if (str_eq(state, run_state_name(RUN_DONE)) &&
		 str_eq(doc_find_str(run, "spec.subject"), p->name))
		add(report, "history-run", "the run that made it is known and done", FINDING_PASS,
		    scope, NULL, arena_printf(p->arena, "%s, done", revision->note.run));
	else
		add(report, "history-run", "the run that made it is known and done", FINDING_FAIL,
		    scope, "'sidestep config status' says what can be done about the run.",
		    arena_printf(p->arena, "SidestepRun %s is %s, of %s", revision->note.run,
				 str_or_empty(state),
				 str_or_empty(doc_find_str(run, "spec.subject"))));
	return 0;
}

/* Revisions that only the cluster has are taken; histories that have parted cannot be. */
static void check_parted(struct config_place *p, struct report *report)
{
	struct error err = ERROR_INIT;

	if (config_history_pull(p, &err))
		add(report, "history-one", "there is one history", FINDING_FAIL, p->name,
		    "Agree which one counts. Without this machine's folder the cluster's is taken.",
		    err.msg);
	else
		add(report, "history-one", "there is one history", FINDING_PASS, p->name, NULL,
		    "this machine and the cluster go the same way");
}

int config_history_fsck(struct config_place *p, struct report *report, struct error *err)
{
	struct store_revision *list;
	size_t n = 0;
	int r = check_repository(p, report, err);

	if (!r && p->cluster)
		check_parted(p, report);
	if (!r)
		r = store_history(p->store, p->arena, &list, &n, err);
	for (size_t i = n; !r && p->cluster && i-- > 0;) {
		check_copy(p, report, &list[i]);
		r = check_run(p, report, &list[i], err);
	}
	return r;
}
