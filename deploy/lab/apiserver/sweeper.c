/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/sweeper.h"

#include "deploy/lab/apiserver/remove.h"
#include "deploy/lab/apiserver/server.h"
#include "deploy/lab/apiserver/when.h"
#include "deploy/lab/apiserver/write.h"
#include "lib/base/str.h"

#define BATCH_NS  UINT64_C(10000000)
#define MINUTE_NS UINT64_C(60000000000)

enum { EVENT_LIFETIME_S = 3600 };

struct sweeper {
	struct apiserver *server;
	struct loop_timer *soon, *every_minute;
};

/* What to do next; revisions are counted while a pass collects them. */
typedef VEC(struct revision *) revisions;

static void on_soon(void *arg)
{
	struct sweeper *w = arg;

	if (sweeper_pass(w))
		loop_timer_set(w->soon, BATCH_NS);
}

static void drop_old_events(struct sweeper *w);

static void on_minute(void *arg)
{
	struct sweeper *w = arg;

	drop_old_events(w);
	loop_timer_set(w->every_minute, MINUTE_NS);
}

struct sweeper *sweeper_new(struct apiserver *s)
{
	struct sweeper *w = xcalloc(1, sizeof(*w));

	w->server = s;
	w->soon = loop_timer_new(s->loop, on_soon, w);
	w->every_minute = loop_timer_new(s->loop, on_minute, w);
	loop_timer_set(w->soon, 0);
	loop_timer_set(w->every_minute, MINUTE_NS);
	return w;
}

void sweeper_free(struct sweeper *w)
{
	if (!w)
		return;
	loop_timer_free(w->soon);
	loop_timer_free(w->every_minute);
	free(w);
}

static const struct doc *owners_of(const struct doc *d)
{
	return doc_find(d, "metadata.ownerReferences");
}

static bool dying(const struct doc *d)
{
	return doc_find(d, "metadata.deletionTimestamp") != NULL;
}

void sweeper_note(struct sweeper *w, const struct event *e)
{
	const struct doc *d = revision_doc(e->now);
	bool concerns = e->type == EVENT_DELETED || dying(d) || doc_len(owners_of(d));

	if (concerns && !loop_timer_running(w->soon))
		loop_timer_set(w->soon, BATCH_NS);
}

/* ---- deciding ---- */

static bool has_finalizer(const struct doc *d, const char *name)
{
	doc_foreach_item (doc_find(d, "metadata.finalizers"), f)
		if (str_eq(doc_str(f), name))
			return true;
	return false;
}

static bool owner_is(const struct doc *d, const char *uid)
{
	doc_foreach_item (owners_of(d), o)
		if (str_eq(doc_str(doc_get(o, "uid")), uid))
			return true;
	return false;
}

enum owner_state { OWNER_NONE, OWNER_LIVES, OWNER_FOREGROUND, OWNER_GONE, OWNER_LETS_GO };

/* One living owner is enough to stay; among the others the first that decides. */
static enum owner_state owner_state(struct apiserver *s, const struct doc *d)
{
	enum owner_state state = OWNER_NONE;

	doc_foreach_item (owners_of(d), o) {
		struct revision *owner = store_by_uid(s->store, doc_str(doc_get(o, "uid")), NULL);
		const struct doc *od = owner ? revision_doc(owner) : NULL;

		if (!owner)
			state = state == OWNER_NONE ? OWNER_GONE : state;
		else if (dying(od) && has_finalizer(od, FINALIZER_ORPHAN))
			return OWNER_LETS_GO;
		else if (dying(od) && has_finalizer(od, FINALIZER_FOREGROUND))
			state = state == OWNER_LIVES ? state : OWNER_FOREGROUND;
		else
			state = OWNER_LIVES;
	}
	return state;
}

static bool namespace_dying(struct apiserver *s, const char *ns)
{
	const struct resource *res = registry_find(s->registry, "", "v1", "namespaces");
	const struct revision *r = *ns ? shelf_get(res->shelf, "", ns) : NULL;

	return r && dying(revision_doc(r));
}

/* ---- acting ---- */

static bool delete_it(struct sweeper *w, const struct resource *res, struct revision *rev,
		      enum propagation how)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct refusal f = {.arena = &a};
	struct remove_options o = {.grace_s = -1, .propagation = how};
	const struct doc *left;
	uint64_t before = store_version(w->server->store);

	if (remove_object(w->server, res, rev, &o, &a, &left, &f) && w->server->log)
		log_warn(w->server->log, "sweep of %s %s/%s: %s", res->plural, rev->ns, rev->name,
			 f.message);
	return store_version(w->server->store) != before;
}

/* Writes a changed copy; finalizers gone from a dying object end it. */
static bool put_back(struct sweeper *w, const struct resource *res, struct doc *d, struct arena *a)
{
	struct refusal f = {.arena = a};
	struct revision *now;

	return !write_store(w->server, res, a, d, &now, &f);
}

/* Takes the references to owners that let go (orphan) out of a dependent. */
static bool orphan(struct sweeper *w, const struct resource *res, struct revision *rev)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct doc *d = doc_clone(&a, revision_doc(rev)), *list;

	list = doc_find(d, "metadata.ownerReferences");
	for (size_t i = doc_len(list); i-- > 0;) {
		const char *uid = doc_str(doc_get(doc_at(list, i), "uid"));
		struct revision *owner = store_by_uid(w->server->store, uid, NULL);

		if (owner && has_finalizer(revision_doc(owner), FINALIZER_ORPHAN) &&
		    dying(revision_doc(owner)))
			doc_remove_at(list, i);
	}
	if (!doc_len(list))
		doc_del(doc_get(d, "metadata"), "ownerReferences");
	return put_back(w, res, d, &a);
}

/* A foreground owner waits for dependents that block it; an orphaning one for those that name it.
 */
static bool has_dependents(struct apiserver *s, const char *uid, bool blocking)
{
	for (struct shelf *sh = store_first_shelf(s->store); sh; sh = store_next_shelf(sh)) {
		for (size_t i = 0; i < shelf_count(sh); i++) {
			const struct doc *d = revision_doc(shelf_at(sh, i));

			if (!owner_is(d, uid))
				continue;
			doc_foreach_item (owners_of(d), o)
				if (str_eq(doc_str(doc_get(o, "uid")), uid) &&
				    (!blocking ||
				     doc_bool_or(doc_get(o, "blockOwnerDeletion"), false)))
					return true;
		}
	}
	return false;
}

static bool finish_owner(struct sweeper *w, const struct resource *res, struct revision *rev)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const struct doc *was = revision_doc(rev);
	bool foreground = has_finalizer(was, FINALIZER_FOREGROUND);
	const char *name = foreground ? FINALIZER_FOREGROUND : FINALIZER_ORPHAN;
	struct doc *d, *list;

	if (!dying(was) || (!foreground && !has_finalizer(was, FINALIZER_ORPHAN)) ||
	    has_dependents(w->server, rev->uid, foreground))
		return false;
	d = doc_clone(&a, was);
	list = doc_find(d, "metadata.finalizers");
	for (size_t i = doc_len(list); i-- > 0;)
		if (str_eq(doc_str(doc_at(list, i)), name))
			doc_remove_at(list, i);
	if (!doc_len(list))
		doc_del(doc_get(d, "metadata"), "finalizers");
	return put_back(w, res, d, &a);
}

static bool sweep_object(struct sweeper *w, const struct resource *res, struct revision *rev)
{
	const struct doc *d = revision_doc(rev);

	switch (owner_state(w->server, d)) {
	case OWNER_LETS_GO:
		return orphan(w, res, rev);
	case OWNER_GONE:
		if (!dying(d))
			return delete_it(w, res, rev, PROPAGATE_BACKGROUND);
		break;
	case OWNER_FOREGROUND:
		if (!dying(d))
			return delete_it(w, res, rev, PROPAGATE_FOREGROUND);
		break;
	case OWNER_NONE:
	case OWNER_LIVES:
		break;
	}
	if (!dying(d) && namespace_dying(w->server, rev->ns))
		return delete_it(w, res, rev, PROPAGATE_BACKGROUND);
	return finish_owner(w, res, rev);
}

/* ---- namespaces ---- */

static bool namespace_empty(struct apiserver *s, const char *ns)
{
	for (struct shelf *sh = store_first_shelf(s->store); sh; sh = store_next_shelf(sh)) {
		size_t i = shelf_lower_bound(sh, ns, "");

		if (i < shelf_count(sh) && str_eq(shelf_at(sh, i)->ns, ns))
			return false;
	}
	return true;
}

static bool finish_namespaces(struct sweeper *w)
{
	const struct resource *res = registry_find(w->server->registry, "", "v1", "namespaces");
	bool changed = false;

	for (size_t i = shelf_count(res->shelf); i-- > 0;) {
		struct revision *rev = shelf_at(res->shelf, i);
		const struct doc *d = revision_doc(rev);
		auto_release(arena) struct arena a = ARENA_INIT;

		if (!dying(d) || doc_len(doc_find(d, "metadata.finalizers")) ||
		    !namespace_empty(w->server, rev->name))
			continue;
		changed |= !store_delete(w->server->store, res->shelf, &a, doc_clone(&a, d), NULL);
	}
	return changed;
}

/* ---- passes ---- */

static void collect(struct shelf *sh, revisions *out)
{
	for (size_t i = 0; i < shelf_count(sh); i++)
		vec_push(out, revision_ref(shelf_at(sh, i)));
}

static void release(revisions *list)
{
	vec_foreach (list, it)
		revision_unref(*it);
	vec_release(list);
}

static bool purge(struct sweeper *w, struct shelf *sh, const revisions *all)
{
	vec_foreach (all, it) {
		auto_release(arena) struct arena a = ARENA_INIT;

		store_delete(w->server->store, sh, &a, doc_clone(&a, revision_doc(*it)), NULL);
	}
	return all->n > 0;
}

static bool sweep_shelf(struct sweeper *w, struct shelf *sh)
{
	const struct resource *res = registry_of_shelf(w->server->registry, sh);
	revisions all = VEC_INIT;
	bool changed = false;

	collect(sh, &all);
	if (!res) /* its CRD is gone, and what it described goes too */
		changed = purge(w, sh, &all);
	else
		vec_foreach (&all, it)
			if (shelf_get(sh, (*it)->ns, (*it)->name) == *it)
				changed |= sweep_object(w, res, *it);
	release(&all);
	return changed;
}

bool sweeper_pass(struct sweeper *w)
{
	bool changed = false;

	if (w->server->no_garbage_collection)
		return false;
	for (struct shelf *sh = store_first_shelf(w->server->store); sh; sh = store_next_shelf(sh))
		changed |= sweep_shelf(w, sh);
	return finish_namespaces(w) || changed;
}

static void drop_old_events(struct sweeper *w)
{
	const struct resource *res = registry_find(w->server->registry, "", "v1", "events");
	int64_t now = server_now_s(w->server), made;
	revisions all = VEC_INIT;

	collect(res->shelf, &all);
	vec_foreach (&all, it)
		if (when_parse(doc_find_str(revision_doc(*it), "metadata.creationTimestamp"),
			       &made) &&
		    now - made > EVENT_LIFETIME_S)
			delete_it(w, res, *it, PROPAGATE_DEFAULT);
	release(&all);
}
