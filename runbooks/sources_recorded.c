/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What agents had counted when a hop of an upgrade began. Its journal notes that before anything is
 * changed, and its copy in the cluster outlives it, so "since the upgrade" need not have been
 * watched by anybody.
 */
#include <errno.h>

#include "lib/base/str.h"
#include "lib/flow/flow.h"
#include "lib/object/sidestep.h"
#include "lib/run/report.h"
#include "runbooks/sources_internal.h"

/* The counters of `then` went on into those of `now`. */
static bool same_counters(const struct sidestep_node *then, const struct sidestep_node *now)
{
	return then->health && now->health && then->health->metrics_epoch &&
	       str_eq(then->health->metrics_epoch, now->health->metrics_epoch);
}

/* The journal keeps the numbers of reasons alone. */
static void name_drops(struct sidestep_health *h)
{
	for (size_t i = 0; i < h->n_drops; i++)
		if (!h->drops[i].name)
			h->drops[i].name = flow_reason_name((uint8_t)h->drops[i].reason);
}

/* Every node of today as it was then; -ENODATA: one is missing, or counts anew since. */
static int nodes_then(const struct source_env *env, struct arena *a, const struct doc *usual,
		      const struct sidestep_node *now, size_t n, struct source_record *rec)
{
	rec->nodes = arena_array(a, n, struct sidestep_node);
	rec->n = n;
	for (size_t i = 0; i < n; i++) {
		const struct doc *d = doc_get(usual, now[i].meta.name);
		int64_t age;

		if (!d || sidestep_node_decode(a, d, &rec->nodes[i], NULL) ||
		    !same_counters(&rec->nodes[i], &now[i]))
			return -ENODATA;
		name_drops(rec->nodes[i].health);
		age = source_age_ns(env, rec->nodes[i].updated);
		if (age < 0 || age == INT64_MAX)
			return -ENODATA;
		rec->oldest_ns = i ? MAX(rec->oldest_ns, age) : age;
		rec->youngest_ns = i ? MIN(rec->youngest_ns, age) : age;
	}
	return 0;
}

int source_records(struct source_env *env, struct arena *a, const struct sidestep_node *now,
		   size_t n, struct source_record **ret, size_t *ret_n, struct error *err)
{
	struct doc *list = NULL;
	int r;

	*ret_n = 0;
	if (!env->cluster->client)
		return 0;
	r = cluster_list(env->cluster, a, object_kind(KIND_SIDESTEP_RUN), NULL, &list, err);
	if (r)
		return r == -EINTR ? r : 0;
	*ret = arena_array(a, doc_len(list), struct source_record);
	doc_foreach_item (list, d) {
		struct sidestep_run run;
		struct journal *j = NULL;
		const struct doc *usual;

		/* A copy that cannot be read has no say; status and fsck tell of it. */
		if (sidestep_run_decode(a, d, &run, NULL) || !run.journal.n ||
		    session_read_copy(a, &run, env->cluster->clock, &j, NULL))
			continue;
		usual = run_usual(j);
		usual = usual ? doc_clone(a, usual) : NULL;
		journal_free(j);
		(*ret)[*ret_n].run = run.meta.name;
		if (usual && !nodes_then(env, a, usual, now, n, &(*ret)[*ret_n]))
			(*ret_n)++;
	}
	return 0;
}
