/* SPDX-License-Identifier: Apache-2.0 */
/* What an apply would do: manifests, plan or revision against what is there. */
#include "upgrade/config_propose.h"

#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "upgrade/config_effect.h"
#include "upgrade/config_history.h"
#include "upgrade/config_left.h"

const char *config_who(struct cluster *c, struct arena *a)
{
	const struct passwd *pw = getpwuid(geteuid());
	struct doc *review = doc_map(a), *answer = NULL;
	struct kube_request request = {.verb = KUBE_CREATE,
				       .path = "/apis/authentication.k8s.io/v1/selfsubjectreviews",
				       .body = review};
	char host[128] = "";
	const char *name;

	doc_set_string(a, review, "apiVersion", "authentication.k8s.io/v1");
	doc_set_string(a, review, "kind", "SelfSubjectReview");
	if (!cluster_do(c, &request, a, &answer, NULL)) {
		name = doc_find_str(answer, "status.userInfo.username");
		if (!str_empty(name))
			return name;
	}
	gethostname(host, sizeof(host) - 1);
	return arena_printf(a, "%s@%s", pw ? pw->pw_name : "unknown", host);
}

/* --- what is wanted --- */

static int read_wanted(struct config_proposal *p, const struct config_request *q, struct error *err)
{
	struct config_scene *s = &p->scene;

	if (q->back) {
		s->hidden_desired = true;
		return config_history_read(p->place, q->back, &s->desired, NULL, err);
	}
	if (q->plan) {
		int r = config_plan_read(q->plan, err);

		s->hidden_desired = true;
		return r ? r : config_plan_wanted(q->plan, &s->desired, err);
	}
	return config_read_desired(s, q->diff, err);
}

/* --- values of what came redacted --- */

struct values {
	struct config_proposal *p;
	struct map known; /* file of a history -> a list of objects, as they are */
	bool kept_read;
};

static void add_known(struct values *v, struct doc *object)
{
	struct arena *a = &v->p->scene.arena;
	const char *key = config_history_file(a, object);
	struct doc *list = map_get(&v->known, key);

	if (!list) {
		list = doc_list(a);
		map_set(&v->known, key, list);
	}
	doc_append(a, list, object);
}

/* From the manifests given again, from what was shown, from what is there. */
static int gather(struct values *v, const struct config_request *q, struct error *err)
{
	struct config_scene *s = &v->p->scene, given;
	int r;

	config_scene_init(&given);
	r = config_read_desired(&given, q->diff, err);
	for (size_t i = 0; i < given.desired.n; i++)
		add_known(v, doc_clone(&s->arena, given.desired.items[i]));
	config_scene_release(&given);
	doc_foreach_item (q->known, d)
		add_known(v, d);
	for (size_t i = 0; i < s->live.n; i++) {
		struct doc *plain = config_scene_plain(s, s->live.items[i]);

		if (plain)
			add_known(v, plain);
	}
	return r;
}

static int gather_kept(struct values *v, struct error *err)
{
	struct doc *list;
	int r;

	if (v->kept_read)
		return 0;
	v->kept_read = true;
	r = config_kept_objects(v->p->place, &list, err);
	if (r == -EACCES)
		return 0;
	doc_foreach_item (r ? NULL : list, d)
		add_known(v, d);
	return r;
}

static struct doc *try_restore(struct values *v, const struct doc *redacted,
			       const char **ret_missing)
{
	struct arena *a = &v->p->scene.arena;
	const struct doc *list = map_get(&v->known, config_history_file(a, redacted));
	const size_t n = doc_len(list);
	const struct doc **docs = arena_array(a, n + 1, const struct doc *);

	for (size_t i = 0; i < n; i++)
		docs[i] = doc_at(list, i);
	return secret_restore(a, &v->p->place->key, redacted, docs, n, ret_missing);
}

static int restore_one(struct values *v, const struct diff_object *o, bool back, struct error *err)
{
	struct config_scene *s = &v->p->scene;
	const char *missing = NULL;
	struct doc *plain = try_restore(v, o->desired, &missing);
	int r = 0;

	if (!plain) {
		r = gather_kept(v, err);
		plain = r ? NULL : try_restore(v, o->desired, &missing);
	}
	if (plain)
		config_scene_tell(s, o->desired, plain);
	else if (!r)
		doc_append(&s->arena, v->p->blocked,
			   doc_stringf(&s->arena,
				       "%s: the value of %s is not known%s: give the manifests "
				       "that have it with -f",
				       diff_object_ref(&s->arena, o), missing,
				       back ? " any more (it was kept in the cluster for a while)"
					    : ", because a plan holds no secrets"));
	return r;
}

static int restore(struct config_proposal *p, const struct config_request *q,
		   const struct diff_object **order, size_t n, struct error *err)
{
	struct values v = {.p = p};
	int r = p->scene.hidden_desired ? gather(&v, q, err) : 0;

	for (size_t i = 0; !r && p->scene.hidden_desired && i < n; i++)
		if (order[i]->desired)
			r = restore_one(&v, order[i], q->back != NULL, err);
	map_release(&v.known);
	return r;
}

/* --- why it may not be carried out --- */

static bool overwrites(const struct config_request *q, const char *ref)
{
	for (size_t i = 0; i < q->overwrite.n; i++)
		if (str_eq(q->overwrite.items[i], ref))
			return true;
	/* Who made the plan has said so. */
	doc_foreach_item (doc_get(q->plan, "overwrite"), d)
		if (str_eq(doc_str(d), ref))
			return true;
	return false;
}

static void block_change(struct config_proposal *p, const struct config_request *q,
			 const struct diff_object *o, const struct diff_change *c)
{
	struct arena *a = &p->scene.arena;
	const char *ref = diff_object_ref(a, o), *path = diff_path_text(a, c->path);

	if (c->class == DIFF_CONFLICT && !overwrites(q, ref))
		doc_append(a, p->blocked,
			   doc_stringf(a,
				       "%s: %s is a conflict: %s%s changed it, and it is wanted "
				       "otherwise now; agree, or say --overwrite %s",
				       ref, *path ? path : "the object",
				       c->owner.manager ? "" : "somebody has",
				       str_or_empty(c->owner.manager), ref));
	if (config_effect_of(o, c) == EFFECT_REFUSED && c->path)
		doc_append(a, p->blocked,
			   doc_stringf(a,
				       "%s: %s cannot be changed: delete the object first, or give "
				       "the new one another name",
				       ref, path));
}

static void block_changes(struct config_proposal *p, const struct config_request *q,
			  const struct diff_object **order, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < order[i]->n; j++)
			if (diff_class_pending(order[i]->changes[j].class))
				block_change(p, q, order[i], &order[i]->changes[j]);
}

/* The namespace it lives in comes with the same apply. */
static bool waits_for_namespace(const struct config_run *run, const struct config_op *op)
{
	const char *ns = doc_find_str(op->ref, "namespace");

	for (size_t i = 0; ns && i < run->n_ops; i++)
		if (run->ops[i].op == OP_CREATE &&
		    str_eq(doc_find_str(run->ops[i].ref, "kind"), "Namespace") &&
		    str_eq(doc_find_str(run->ops[i].ref, "name"), ns))
			return true;
	return false;
}

/* Its kind is defined by one of the manifests. */
static bool is_coming(const struct config_proposal *p, const struct config_op *op)
{
	snapshot_foreach (&p->scene.desired, object_kind(KIND_CUSTOM_RESOURCE_DEFINITION), d)
		if (str_eq(doc_find_str(d, "spec.names.kind"), doc_find_str(op->ref, "kind")))
			return true;
	return false;
}

/* What the server will say in our stead, where the manifest says nothing any more. */
static void note_given(struct config_proposal *p, const struct config_op *op, const char *name,
		       struct doc *given)
{
	struct arena *a = &p->scene.arena;

	doc_set(a, doc_at(doc_get(p->kept, "operations"), op->id - 1), "given", given);
	doc_set(a, doc_at(doc_get(p->plan, "operations"), op->id - 1), "given", given);
	doc_foreach_item (given, d)
		doc_append(a, p->given,
			   doc_stringf(a, "%s: %s will be %s: nothing is wanted there any more",
				       name, doc_find_str(d, "path"), doc_find_str(d, "value")));
}

static int ask_about(struct config_proposal *p, struct config_run *run, const struct config_op *op,
		     struct error *err)
{
	struct arena *a = &p->scene.arena;
	const char *name = strchr(op->name, ' ') + 1, *state = NULL;
	const struct object_kind *kind = NULL;
	struct error why = ERROR_INIT;
	struct doc *given;
	int r;

	if (op->op == OP_DELETE)
		return 0;
	if (!config_kind_find(&run->kinds, op->ref, &kind, &why) && !kind) {
		doc_append(a, p->blocked,
			   doc_stringf(a,
				       "%s: the server has no kind %s of %s, and no manifest "
				       "defines it",
				       name, doc_find_str(op->ref, "kind"),
				       doc_find_str(op->ref, "apiVersion")));
		return 0;
	}
	if (waits_for_namespace(run, op)) {
		doc_append(a, p->notes,
			   doc_stringf(a, "%s: its namespace is yet to be made", name));
		return 0;
	}
	r = config_world_try(run, op, a, &state, &given, &why);
	if (!r && given)
		note_given(p, op, name, given);
	else if (!r && state && !str_eq(state, op->after_state))
		doc_append(a, p->blocked,
			   doc_stringf(a, "%s: the server would make something else of it: %s",
				       name, state));
	else if ((!r && !state) || (r == -ENOENT && is_coming(p, op)))
		doc_append(a, p->notes, doc_stringf(a, "%s: its kind is yet to be defined", name));
	else if (r == -ENOENT && op->op == OP_CREATE)
		doc_append(a, p->blocked,
			   doc_stringf(a,
				       "%s: there is no namespace %s (or no such kind), and no "
				       "manifest makes it",
				       name, str_or_empty(doc_find_str(op->ref, "namespace"))));
	else if (r == -EINVAL && strstr(why.msg, "dry run"))
		doc_append(a, p->notes, doc_stringf(a, "%s: %s", name, why.msg));
	else if (r == -EINVAL || r == -EACCES || r == -EEXIST || r == -ESTALE || r == -EPROTO)
		doc_append(a, p->blocked,
			   doc_stringf(a, "%s: the server refuses it: %s", name, why.msg));
	else if (r)
		return error_set(err, r, "%s", why.msg);
	return 0;
}

static int ask_server(struct config_proposal *p, struct error *err)
{
	struct config_run run = {.arena = &p->scene.arena, .place = *p->place};
	int r;

	run.kinds = (struct config_kinds){
		.arena = run.arena, .cluster = p->place->cluster, .coming = &p->scene.desired};
	r = config_ops_read(&run, p->kept, err);
	for (size_t i = 0; !r && i < run.n_ops; i++)
		r = ask_about(p, &run, &run.ops[i], err);
	return r;
}

/* --- what a run needs --- */

static struct doc *op_doc(struct config_proposal *p, const struct diff_object *o)
{
	struct arena *a = &p->scene.arena;
	const struct doc *any = o->desired ? o->desired : o->live;
	struct doc *d = doc_map(a), *object = doc_set_map(a, d, "object"), *before, *meta;

	doc_set_string(a, d, "op", config_op_name(config_plan_op(o)));
	doc_set_string(a, object, "apiVersion", doc_find_str(any, "apiVersion"));
	doc_set_string(a, object, "kind", o->kind);
	if (o->namespace[0])
		doc_set_string(a, object, "namespace", o->namespace);
	doc_set_string(a, object, "name", o->name);
	doc_set_bool(a, d, "autoscaled", o->autoscaled);
	if (o->applied)
		doc_set(a, d, "applied", doc_clone(a, o->applied));
	if (o->live) {
		before = doc_clone(a, config_scene_plain(&p->scene, o->live));
		doc_del(before, "status");
		meta = doc_get(before, "metadata");
		doc_del(meta, "resourceVersion");
		doc_set(a, d, "before", before);
	}
	if (o->desired)
		doc_set(a, d, "after", doc_clone(a, config_scene_plain(&p->scene, o->desired)));
	return d;
}

/* What the revision at the end changes of the newest one. */
static struct doc *revision_doc(struct config_proposal *p, const struct diff_object **order,
				size_t n, struct error *err)
{
	struct config_scene *s = &p->scene;
	const struct store_note note = {
		.who = p->about.who, .why = p->about.why, .when_s = p->about.now_s};
	struct snapshot changed, gone;
	struct map now = MAP_INIT;
	struct doc *d;

	snapshot_init(&changed, &s->arena);
	snapshot_init(&gone, &s->arena);
	for (size_t i = 0; i < s->applied.n; i++)
		map_set(&now, config_history_file(&s->arena, s->applied.items[i]),
			s->applied.items[i]);
	for (size_t i = 0; i < s->desired.n; i++) {
		const struct doc *was =
			map_del(&now, config_history_file(&s->arena, s->desired.items[i]));

		if (!was || !doc_equal(diff_view(&s->arena, was),
				       diff_view(&s->arena, s->desired.items[i])))
			snapshot_add(&changed, s->desired.items[i], err);
	}
	if (p->about.prune)
		map_foreach (&now, e)
			snapshot_add(&gone, map_value(e), err);
	for (size_t i = 0; i < s->let_go.n; i++)
		snapshot_add(&gone, s->let_go.items[i], err);
	p->records = changed.n || gone.n;
	d = config_revision_make(&s->arena, p->place, &p->about.base, &note, p->about.as, &changed,
				 &gone);
	doc_set(&s->arena, d, "created", config_created(s, order, n, &gone));
	map_release(&now);
	snapshot_release(&changed);
	snapshot_release(&gone);
	return d;
}

static void keep(struct config_proposal *p, const struct diff_object **order, size_t n,
		 struct error *err)
{
	struct arena *a = &p->scene.arena;
	struct doc *list;

	p->kept = doc_map(a);
	list = doc_set_list(a, p->kept, "operations");
	for (size_t i = 0; i < n; i++) {
		const struct doc *planned = doc_at(doc_get(p->plan, "operations"), i);
		struct doc *op = doc_append(a, list, op_doc(p, order[i]));

		if (doc_get(planned, "given"))
			doc_set(a, op, "given", doc_clone(a, doc_get(planned, "given")));
	}
	doc_set(a, p->kept, "revision", revision_doc(p, order, n, err));
}

/* The run's own plan: what people approved, without its contents; ref says where those are. */
static struct doc *run_plan(struct arena *a, const struct config_proposal *p, const struct doc *ref)
{
	static const char *const same[] = {"apiVersion", "cluster", "configuration", "who", "why",
					   "as",         "made",    "withinSeconds", "key", "base"};
	struct doc *d = doc_map(a), *list;

	doc_set_string(a, d, "kind", CONFIG_RUN_KIND);
	for (size_t i = 0; i < ARRAY_SIZE(same); i++)
		if (doc_get(p->plan, same[i]))
			doc_set(a, d, same[i], doc_clone(a, doc_get(p->plan, same[i])));
	doc_set(a, d, "kept", doc_clone(a, ref));
	list = doc_set_list(a, d, "operations");
	doc_foreach_item (doc_get(p->plan, "operations"), op) {
		static const char *const fields[] = {"id", "phase", "op", "object", "effect"};
		struct doc *one = doc_append(a, list, doc_map(a));

		for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
			doc_set(a, one, fields[i], doc_clone(a, doc_get(op, fields[i])));
	}
	return d;
}

/* Where the journal's copy goes. */
static int knows_runs(struct config_proposal *p, struct error *err)
{
	struct kube_request request = {.verb = KUBE_GET,
				       .path = "/apis/sidestep.dev/v1alpha1/sidestepruns"};
	struct error why = ERROR_INIT;
	int r = cluster_do(p->place->cluster, &request, &p->scene.arena, NULL, &why);

	if (r == -ENOENT)
		return error_set(
			err, r,
			"this cluster does not know SidestepRun, where the journal's copy is "
			"kept: apply deploy/crds/sidestep.yaml of this release first. Nothing "
			"was changed");
	return r ? error_set(err, r, "%s", why.msg) : 0;
}

/* The key, what is kept, the run: in this order, so that whoever finds the run finds the rest. */
int config_run_begin(struct session *s, struct config_proposal *p, int64_t keep_s,
		     struct error *err)
{
	const int64_t now_s = p->about.now_s;
	struct doc *ref;
	int r = knows_runs(p, err);

	if (!r)
		r = config_place_share_key(p->place, err);
	config_kept_sweep(p->place, now_s, NULL);
	if (!r)
		r = config_history_push(p->place, err);
	if (!r)
		r = config_kept_write(p->place, p->kept, now_s + keep_s, &ref, err);
	if (r)
		return r;
	r = session_start(s, run_plan(&s->arena, p, ref), err);
	if (r && r != -EIO && !s->journal)
		config_kept_sweep(p->place, now_s, ref);
	return r;
}

/* --- all of it --- */

static const char *in_words(struct arena *a, const struct doc *list)
{
	const char *first = str_or_empty(doc_str(doc_at(list, 0)));

	return doc_len(list) > 1 ? arena_printf(a, "%s (and %zu more)", first, doc_len(list) - 1)
				 : first;
}

/* The plan that was given, if it still fits; else a new one. */
static int take_plan(struct config_proposal *p, const struct config_request *q, struct error *err)
{
	struct arena *a = &p->scene.arena;
	struct doc *moved;
	int r;

	if (!q->plan) {
		p->plan = config_plan_make(a, &p->scene, &p->about);
		return 0;
	}
	r = config_plan_check(a, q->plan, &p->scene, &p->about, &moved, err);
	if (r)
		return r;
	if (doc_len(moved))
		return error_set(err, -ESTALE,
				 "the plan no longer fits: %s; make a new one with 'sidestep "
				 "config plan'. Nothing was changed",
				 in_words(a, moved));
	p->plan = doc_clone(a, q->plan);
	return 0;
}

static void describe(struct config_proposal *p, const struct config_request *q)
{
	struct config_place *place = p->place;
	const struct doc *plan = q->plan;

	p->about.key = &place->key;
	p->about.cluster = place->uid;
	p->about.name = place->name;
	p->about.who = config_who(place->cluster, &p->scene.arena);
	p->about.why = q->why ? q->why : str_or_empty(doc_find_str(plan, "why"));
	p->about.as = q->as ? q->as : doc_find_str(plan, "as");
	p->about.prune = q->back ? true
			 : plan  ? doc_bool_or(doc_get(plan, "prune"), false)
				 : q->diff->prune;
	p->about.overwrite = q->overwrite;
	p->about.deletes = q->diff->deletes;
	p->about.now_s = clock_wall_ns(place->cluster->clock) / (int64_t)NS_PER_S;
	p->about.valid_s = q->valid_s;
	p->about.within_s = q->within_s;
}

static int look(struct config_proposal *p, const struct config_request *q, struct error *err)
{
	struct config_scene *s = &p->scene;
	int r = read_wanted(p, q, err);

	s->live_name = "live";
	if (r)
		return r;
	describe(p, q);
	/* Before anything is looked at, let alone done; at the end it would be too late. */
	if (p->about.as)
		r = store_name_check(p->place->store, p->about.as, err);
	if (r)
		return r;
	r = config_live_place(s, p->place->cluster, err);
	if (!r)
		r = config_read_applied(s, p->place, p->about.prune, &p->about.base, err);
	if (!r)
		r = config_live_read(s, p->place->cluster, err);
	if (!r && p->about.prune)
		config_leave(s, &q->diff->deletes, q->plan, err);
	return r ? r : config_scene_compare(s, q->diff, &p->place->key, err);
}

int config_propose(struct config_proposal *p, struct config_place *place,
		   const struct config_request *q, struct error *err)
{
	const struct diff_object **order;
	int r;

	*p = (struct config_proposal){.place = place};
	config_scene_init(&p->scene);
	p->blocked = doc_list(&p->scene.arena);
	p->notes = doc_list(&p->scene.arena);
	p->given = doc_list(&p->scene.arena);
	r = look(p, q, err);
	if (r)
		return r;
	p->n_operations = config_plan_order(&p->scene.arena, &p->scene, &order);
	if (p->n_operations > CONFIG_MAX_OPS)
		return error_set(err, -E2BIG,
				 "%zu objects would be changed, at most %u at once: apply them in "
				 "parts. Nothing was changed",
				 p->n_operations, CONFIG_MAX_OPS);
	r = take_plan(p, q, err);
	if (!r)
		r = restore(p, q, order, p->n_operations, err);
	if (r)
		return r;
	block_changes(p, q, order, p->n_operations);
	if (doc_len(p->blocked)) /* what is missing cannot be tried */
		return 0;
	keep(p, order, p->n_operations, err);
	return q->unasked ? 0 : ask_server(p, err);
}

void config_proposal_release(struct config_proposal *p)
{
	config_scene_release(&p->scene);
}
