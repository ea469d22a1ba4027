/* SPDX-License-Identifier: Apache-2.0 */
/* Objects as lib/step sees them: by the state they are in; and as the API has them. */
#include <string.h>

#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/object/canonical.h"
#include "upgrade/config_run.h"

#define ASK_AGAIN_NS  NS_PER_S
#define SERVED_TRIES  30u  /* a definition is established a moment before its kind is served */
#define DELETED_TRIES 120u /* what somebody deleted is on its way out */

static const char *const us[] = {CONFIG_MANAGER, NULL};

static struct config_run *run_of(void *ctx)
{
	struct run_host *h = ctx;

	return container_of(h, struct session, host)->env;
}

static struct config_op *op_of(struct config_run *run, const struct doc *ref, struct error *err)
{
	const int64_t id = doc_find_int(ref, "id", 0);

	if (id >= 1 && (uint64_t)id <= run->n_ops)
		return &run->ops[id - 1];
	error_set(err, -EINVAL, "the journal names operation %lld, which the plan has not",
		  (long long)id);
	return NULL;
}

/* --- states --- */

/* A change as one line, without what is wanted: that is the same every time. */
static const char *line_of(struct arena *a, const struct diff_change *c)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	strbuf_addf(&sb, "%s|%s|", diff_op_name(c->op), diff_path_text(a, c->path));
	if (c->live && c->path)
		doc_write_json(c->live, DOC_COMPACT, &sb);
	strbuf_addc(&sb, '\n');
	return arena_strdup(a, strbuf_cstr(&sb));
}

/* All that are pending, as one text. */
static const char *signature(struct arena *a, const struct diff_object *o)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < o->n; i++)
		if (diff_class_pending(o->changes[i].class))
			strbuf_adds(&sb, line_of(a, &o->changes[i]));
	return arena_strdup(a, strbuf_cstr(&sb));
}

/* A field of ours that went, and the server put there what it said it would. */
static bool was_given(const struct config_op *op, struct arena *a, const struct diff_change *c)
{
	if (!op->given || c->op != DIFF_REMOVE || !c->path)
		return false;
	doc_foreach_item (op->given, d)
		if (str_eq(doc_find_str(d, "line"), line_of(a, c)))
			return true;
	return false;
}

/* What of the object is the operation's business: what it changes, or (a deletion) what we made. */
static void look(const struct config_op *op, const struct doc *hidden, struct arena *a,
		 struct diff_object *ret)
{
	const struct doc *desired = op->after_hidden ? op->after_hidden : op->applied;

	diff_object_make(ret, a, op->applied, hidden, desired, op->autoscaled, us);
	for (size_t i = 0; i < ret->n; i++) {
		struct diff_change *c = &ret->changes[i];

		if (diff_class_pending(c->class) && was_given(op, a, c)) {
			c->class = DIFF_APPLIED;
			c->op = DIFF_KEEP;
		}
	}
}

static const char *value(struct arena *a, const struct doc *d)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	if (!d)
		return "absent";
	doc_write_json(d, DOC_COMPACT, &sb);
	return arena_printf(a, "%.80s%s", sb.buf, sb.len > 80 ? "..." : "");
}

/* What somebody has made of it: the first place that is not as it was, nor as it is to be. */
static const char *foreign(const struct config_op *op, struct arena *a,
			   const struct diff_object *now)
{
	for (size_t i = 0; i < now->n; i++) {
		const struct diff_change *c = &now->changes[i];
		const char *who = c->owner.manager;

		if (!diff_class_pending(c->class) ||
		    (op->signature && strstr(op->signature, line_of(a, c))))
			continue;
		if (!c->path)
			return "another object of that name";
		return arena_printf(a, "%s is %s, not %s%s%s%s%s", diff_path_text(a, c->path),
				    value(a, c->live), value(a, c->desired),
				    who ? "; written by " : "", str_or_empty(who),
				    who && c->owner.time ? " at " : "",
				    who ? str_or_empty(c->owner.time) : "");
	}
	return "somebody has changed a part of what was planned";
}

const char *config_world_state(struct config_run *run, const struct config_op *op,
			       const struct doc *live, struct arena *a)
{
	const struct doc *hidden = secret_redact(a, &run->place.key, live);
	struct diff_object now;

	look(op, hidden, a, &now);
	if (op->after_hidden && !diff_object_pending(&now))
		return op->after_state;
	if (op->before_hidden && str_eq(signature(a, &now), op->signature))
		return op->before_state;
	return foreign(op, a, &now);
}

static struct doc *view_of(struct config_run *run, const struct config_op *op,
			   const struct doc *live, struct arena *a)
{
	struct doc *d = doc_map(a);

	doc_set_string(a, d, "state", config_world_state(run, op, live, a));
	doc_set_string(a, d, "version", kube_resource_version(live));
	return d;
}

static const char *view_state(const struct doc *view)
{
	return str_or_empty(doc_find_str(view, "state"));
}

/* --- reading --- */

static int find_kind(struct config_run *run, const struct config_op *op,
		     const struct object_kind **ret_kind, struct error *err)
{
	int r = config_kind_find(&run->kinds, op->ref, ret_kind, err);

	if (!r && !*ret_kind) {
		config_kinds_forget(&run->kinds);
		r = config_kind_find(&run->kinds, op->ref, ret_kind, err);
	}
	return r;
}

static const char *namespace_of(const struct config_op *op, const struct object_kind *k)
{
	const char *ns = doc_find_str(op->ref, "namespace");

	return !k->namespaced ? NULL : str_empty(ns) ? "default" : ns;
}

/* *ret_live NULL: absent. */
static int get(struct config_run *run, const struct config_op *op, const struct object_kind *k,
	       struct arena *a, struct doc **ret_live, struct error *err)
{
	return cluster_get(run->place.cluster, a, k, namespace_of(op, k),
			   doc_find_str(op->ref, "name"), ret_live, err);
}

static int world_read(void *ctx, const struct doc *ref, struct arena *a, struct doc **ret_live,
		      struct error *err)
{
	struct config_run *run = run_of(ctx);
	const struct config_op *op = op_of(run, ref, err);
	const struct object_kind *k = NULL;
	struct doc *live = NULL;
	int r;

	*ret_live = NULL;
	if (!op)
		return -EINVAL;
	r = find_kind(run, op, &k, err);
	if (!r && k)
		r = get(run, op, k, a, &live, err);
	if (r || !live)
		return r;
	/* On its way out: for who wants it gone it is. */
	if (kube_deleting(live) && op->op != OP_UPDATE)
		return 0;
	*ret_live = view_of(run, op, live, a);
	return 0;
}

/* --- writing --- */

struct writing {
	struct config_run *run;
	const struct config_op *op;
	const struct object_kind *kind;
	const char *target; /* the state it is to be in */
	struct arena *arena;
	bool dry_run;           /* asked, not done: what the server makes of it is not put back */
	struct doc **ret_given; /* when asked; see config_world_try() */
};

static bool wants_after(const struct writing *w)
{
	return str_eq(w->target, w->op->after_state);
}

/* What a Job's controller wrote into it would be refused in a new one. */
static void strip_job(struct doc *d)
{
	static const char *const labels[] = {"controller-uid", "batch.kubernetes.io/controller-uid",
					     "job-name", "batch.kubernetes.io/job-name"};

	if (!str_eq(doc_find_str(d, "kind"), "Job") ||
	    doc_bool_or(doc_find(d, "spec.manualSelector"), false))
		return;
	doc_del(doc_get(d, "spec"), "selector");
	for (size_t i = 0; i < ARRAY_SIZE(labels); i++)
		doc_del(doc_find(d, "spec.template.metadata.labels"), labels[i]);
}

/* The object as it is to be made. */
static struct doc *body_of(const struct writing *w)
{
	const struct doc *plain = wants_after(w) ? w->op->after : w->op->before;
	struct doc *d = object_canonical(w->arena, secret_plain(w->arena, plain));
	const char *ns = namespace_of(w->op, w->kind);

	if (!wants_after(w))
		strip_job(d);
	if (ns)
		doc_set_string(w->arena, doc_set_map(w->arena, d, "metadata"), "namespace", ns);
	else
		doc_del(doc_get(d, "metadata"), "namespace");
	return d;
}

static int delete_it(const struct writing *w, const struct doc *live, struct error *err)
{
	struct arena *a = w->arena;
	struct doc *options = doc_map(a), *only;
	struct kube_request request = {.verb = KUBE_DELETE,
				       .kind = w->kind,
				       .body = options,
				       .name = doc_find_str(w->op->ref, "name"),
				       .namespace_ = namespace_of(w->op, w->kind)};
	struct error why = ERROR_INIT;
	int r;

	doc_set_string(a, options, "apiVersion", "v1");
	doc_set_string(a, options, "kind", "DeleteOptions");
	doc_set_string(a, options, "propagationPolicy", "Background");
	only = doc_set_map(a, options, "preconditions");
	doc_set_string(a, only, "uid", kube_uid(live));
	doc_set_string(a, only, "resourceVersion", kube_resource_version(live));
	r = cluster_do(w->run->place.cluster, &request, a, NULL, &why);
	if (r == -ENOENT)
		return 0;
	return r ? error_set(err, r, "%s", why.msg) : 0;
}

static int patch_it(const struct writing *w, const struct doc *live, const struct doc *to,
		    struct doc **ret_now, struct error *err)
{
	struct arena *a = w->arena;
	struct doc *patch = diff_merge_patch(a, diff_view(a, live), to);
	struct kube_request request = {.verb = KUBE_PATCH,
				       .kind = w->kind,
				       .patch = KUBE_PATCH_MERGE,
				       .dry_run = w->dry_run,
				       .body = patch,
				       .name = doc_find_str(w->op->ref, "name"),
				       .namespace_ = namespace_of(w->op, w->kind)};

	doc_set_string(a, doc_set_map(a, patch, "metadata"), "resourceVersion",
		       kube_resource_version(live));
	return cluster_do(w->run->place.cluster, &request, a, ret_now, err);
}

/*
 * The server took it, and made something else of it (an admission webhook, a default that it
 * insists on). It is put back at once, while nobody else can have seen it settle.
 */
static int made_otherwise(const struct writing *w, const struct doc *before, const struct doc *now,
			  const char *state, struct error *err)
{
	struct doc *ignored = NULL;
	int r = before ? patch_it(w, now, diff_view(w->arena, before), &ignored, NULL)
		       : delete_it(w, now, NULL);

	return error_set(err, -EPROTO,
			 "the server made something else of it: %s. %s; agree with what changes it "
			 "(an admission webhook?), or want what it wants",
			 state, r ? "It could not be put back" : "It was put back");
}

/*
 * All that is left to do are fields which we took away and the server gave a value of its own: a
 * default of its schema. It is nobody's business: the manifest does not name them. NULL: not so.
 */
static struct doc *given_back(const struct writing *w, const struct doc *now)
{
	struct arena *a = w->arena;
	struct doc *list = doc_list(a);
	struct diff_object left;

	look(w->op, secret_redact(a, &w->run->place.key, now), a, &left);
	for (size_t i = 0; i < left.n; i++) {
		const struct diff_change *c = &left.changes[i];
		struct doc *d;

		if (!diff_class_pending(c->class))
			continue;
		if (c->op != DIFF_REMOVE || !c->path || c->path->part != PART_FIELD)
			return NULL;
		d = doc_append(a, list, doc_map(a));
		doc_set_string(a, d, "path", diff_path_text(a, c->path));
		doc_set_string(a, d, "value", value(a, c->live));
		doc_set_string(a, d, "line", line_of(a, c));
	}
	return doc_len(list) ? list : NULL;
}

static int settle(const struct writing *w, const struct doc *before, const struct doc *now,
		  struct doc **ret_now, struct error *err)
{
	struct doc *view = view_of(w->run, w->op, now, w->arena);

	if (!str_eq(view_state(view), w->target) && !w->dry_run)
		return made_otherwise(w, before, now, view_state(view), err);
	if (w->ret_given && before && !str_eq(view_state(view), w->target))
		*w->ret_given = given_back(w, now);
	*ret_now = view;
	return 0;
}

/* It is there already: our own work whose answer got lost, on its way out, or somebody else's. */
static int met(const struct writing *w, unsigned tries, struct doc **ret_now, struct error *err)
{
	struct doc *live = NULL;
	int r = get(w->run, w->op, w->kind, w->arena, &live, err);

	if (r)
		return r;
	if (!live)
		return -EAGAIN;
	if (kube_deleting(live) && tries < DELETED_TRIES) {
		r = cluster_wait(w->run->place.cluster, ASK_AGAIN_NS, err);
		return r ? r : -EAGAIN;
	}
	*ret_now = view_of(w->run, w->op, live, w->arena);
	return str_eq(view_state(*ret_now), w->target) ? 0 : -ESTALE;
}

static int write_create(const struct writing *w, struct doc **ret_now, struct error *err)
{
	struct kube_request request = {.verb = KUBE_CREATE,
				       .kind = w->kind,
				       .dry_run = w->dry_run,
				       .body = body_of(w),
				       .namespace_ = namespace_of(w->op, w->kind)};

	for (unsigned tries = 0;; tries++) {
		struct error why = ERROR_INIT;
		struct doc *now = NULL;
		int r = cluster_do(w->run->place.cluster, &request, w->arena, &now, &why);

		if (!r)
			return settle(w, NULL, now, ret_now, err);
		if (w->dry_run)
			return error_set(err, r, "%s", why.msg);
		if (r == -EEXIST) {
			r = met(w, tries, ret_now, err);
			if (r != -EAGAIN)
				return r;
		} else if (r != -ENOENT ||
			   object_kind_find(doc_find_str(w->op->ref, "apiVersion"),
					    doc_find_str(w->op->ref, "kind")) ||
			   tries >= SERVED_TRIES) {
			return error_set(err, r, "%s", why.msg);
		} else {
			r = cluster_wait(w->run->place.cluster, ASK_AGAIN_NS, err);
			if (r)
				return r;
		}
	}
}

/* The live object as the target has it, with the values as they are; NULL: they are not known. */
static struct doc *changed(const struct writing *w, const struct doc *live)
{
	struct arena *a = w->arena;
	const struct doc *hidden = secret_redact(a, &w->run->place.key, live);
	struct doc *plain, *shown;
	struct diff_object now;

	if (wants_after(w)) {
		look(w->op, hidden, a, &now);
		plain = diff_apply_to(a, &now, live, secret_plain(a, w->op->after));
		shown = diff_apply_to(a, &now, hidden, w->op->after_hidden);
	} else {
		plain = diff_undo(a, &w->op->planned, live, w->op->before);
		shown = diff_undo(a, &w->op->planned, hidden, w->op->before_hidden);
	}
	/* Nothing is written but what was shown. */
	if (!plain || !shown ||
	    !doc_equal(diff_view(a, secret_redact(a, &w->run->place.key, plain)), shown))
		return NULL;
	return plain;
}

static int write_patch(const struct writing *w, const struct doc *view, struct doc **ret_now,
		       struct error *err)
{
	struct doc *live = NULL, *now = NULL, *to;
	int r = get(w->run, w->op, w->kind, w->arena, &live, err);

	if (r)
		return r;
	if (!live || !str_eq(kube_resource_version(live), doc_find_str(view, "version")))
		return -ESTALE;
	to = changed(w, live);
	if (!to)
		return error_set(err, -EPROTO,
				 "what would be written is not what was planned: nothing was "
				 "written");
	r = patch_it(w, live, to, &now, err);
	return r ? r : settle(w, live, now, ret_now, err);
}

static int write_delete(const struct writing *w, const struct doc *view, struct error *err)
{
	struct doc *live = NULL;
	int r = get(w->run, w->op, w->kind, w->arena, &live, err);

	if (r || !live || kube_deleting(live))
		return r;
	if (!str_eq(kube_resource_version(live), doc_find_str(view, "version")))
		return -ESTALE;
	return delete_it(w, live, err);
}

static int world_write(void *ctx, enum change_kind kind, const struct doc *ref,
		       const struct doc *body, const struct doc *live, struct arena *a,
		       struct doc **ret_now, struct error *err)
{
	struct config_run *run = run_of(ctx);
	struct writing w = {.run = run, .op = op_of(run, ref, err), .arena = a};
	int r;

	if (!w.op)
		return -EINVAL;
	r = find_kind(run, w.op, &w.kind, err);
	if (r)
		return r;
	if (!w.kind)
		return error_set(err, -ENOENT, "the server has no kind %s of %s",
				 doc_find_str(ref, "kind"), doc_find_str(ref, "apiVersion"));
	w.target = view_state(body);
	*ret_now = NULL;
	switch (kind) {
	case CHANGE_CREATE:
		return write_create(&w, ret_now, err);
	case CHANGE_PATCH:
		return write_patch(&w, live, ret_now, err);
	case CHANGE_DELETE:
		return write_delete(&w, live, err);
	}
	return error_set(err, -EINVAL, "no such change");
}

static struct doc *world_wanted(UNUSED void *ctx, struct arena *a, const struct doc *view)
{
	struct doc *d = doc_map(a);

	doc_set_string(a, d, "state", view_state(view));
	return d;
}

static const char *world_foreign(UNUSED void *ctx, const struct doc *view)
{
	return view_state(view);
}

static void world_digest(UNUSED void *ctx, const struct doc *view, char *buf, size_t size)
{
	snprintf(buf, size, "%.100s", view_state(view));
}

void config_world_attach(UNUSED struct config_run *run, struct step_host *host)
{
	host->read = world_read;
	host->write = world_write;
	host->wanted = world_wanted;
	host->digest = world_digest;
	host->foreign = world_foreign;
}

int config_world_try(struct config_run *run, const struct config_op *op, struct arena *a,
		     const char **ret_state, struct doc **ret_given, struct error *err)
{
	struct writing w = {
		.run = run, .op = op, .arena = a, .dry_run = true, .ret_given = ret_given};
	struct doc *live = NULL, *now = NULL;
	int r = find_kind(run, op, &w.kind, err);

	*ret_state = NULL;
	*ret_given = NULL;
	if (r || !w.kind)
		return r;
	w.target = op->after_state;
	if (op->op == OP_CREATE)
		r = write_create(&w, &now, err);
	else
		r = get(run, op, w.kind, a, &live, err);
	if (!r && live)
		r = write_patch(&w, view_of(run, op, live, a), &now, err);
	*ret_state = now ? view_state(now) : NULL;
	return r;
}

/* --- operations --- */

static int read_op(struct config_run *run, const struct doc *d, struct config_op *op,
		   struct error *err)
{
	static const enum config_op_kind all[] = {OP_CREATE, OP_UPDATE, OP_DELETE};
	struct arena *a = run->arena;
	const struct secret_key *key = &run->place.key;
	const char *word = doc_find_str(d, "op");
	bool known = false;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (str_eq(word, config_op_name(all[i]))) {
			op->op = all[i];
			known = true;
		}
	op->ref = doc_clone(a, doc_get(d, "object"));
	op->before = doc_get(d, "before");
	op->after = doc_get(d, "after");
	op->applied = doc_get(d, "applied");
	op->autoscaled = doc_bool_or(doc_get(d, "autoscaled"), false);
	op->given = doc_get(d, "given");
	if (!known || str_empty(doc_find_str(op->ref, "kind")) || !doc_find_str(op->ref, "name") ||
	    !op->before != (op->op == OP_CREATE) || !op->after != (op->op == OP_DELETE))
		return error_set(err, -EBADMSG, "what is kept for this run cannot be read");
	doc_set_int(a, op->ref, "id", (int64_t)op->id);
	if (op->before) {
		op->before_hidden = secret_redact(a, key, op->before);
		op->before_state = content_digest(a, op->before_hidden);
	}
	if (op->after) {
		op->after_hidden = secret_redact(a, key, op->after);
		op->after_state = content_digest(a, op->after_hidden);
	}
	if (op->before) {
		look(op, op->before_hidden, a, &op->planned);
		op->signature = signature(a, &op->planned);
		/* It says what the server says anyway: there is nothing to do, nor to take back. */
		if (op->given && op->after && !op->signature[0])
			op->before_state = op->after_state;
	}
	op->name = arena_printf(a, "%zu %s %s/%s%s%s", op->id, word, doc_find_str(op->ref, "kind"),
				str_or_empty(doc_find_str(op->ref, "namespace")),
				doc_find_str(op->ref, "namespace") ? "/" : "",
				doc_find_str(op->ref, "name"));
	return 0;
}

int config_ops_read(struct config_run *run, const struct doc *kept, struct error *err)
{
	const struct doc *list = doc_get(kept, "operations");
	int r = 0;

	if (!list || list->kind != DOC_LIST || doc_len(list) > CONFIG_MAX_OPS)
		return error_set(err, -EBADMSG, "what is kept for this run cannot be read");
	run->ops = arena_array(run->arena, doc_len(list) + 1, struct config_op);
	run->n_ops = doc_len(list);
	for (size_t i = 0; !r && i < run->n_ops; i++) {
		run->ops[i] = (struct config_op){.id = i + 1};
		r = read_op(run, doc_at(list, i), &run->ops[i], err);
	}
	return r;
}
