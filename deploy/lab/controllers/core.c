/* SPDX-License-Identifier: Apache-2.0 */
/* The copies, the queues, the reconciliations and the expectations. */
#include "deploy/lab/controllers/core.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"

#define EXPECT_NS (10 * NS_PER_S)

const struct controller controllers_table[] = {
	{"deployment", deployment_changed, deployment_work},
	{"replicaset", replicaset_changed, replicaset_work},
	{"daemonset", daemonset_changed, daemonset_work},
	{"scheduler", scheduler_changed, scheduler_work},
	{"endpointslice", endpoints_changed, endpoints_work},
	{"disruption", disruption_changed, disruption_work},
	{"namespace", namespace_changed, namespace_work},
	{"node", node_changed, node_work},
	{"orphan", orphan_changed, orphan_work},
};
const size_t controllers_table_size = ARRAY_SIZE(controllers_table);

#define CONTROLLERS_KIND(name) KIND_##name,
static const enum object_kind_id watched_kinds[WATCHED_COUNT] = {
	CONTROLLERS_KINDS(CONTROLLERS_KIND)};
#undef CONTROLLERS_KIND

int64_t controllers_wall_ns(const struct controllers *c)
{
	return clock_wall_ns(loop_clock(c->loop));
}

/* Queues and reconciliations. */

void queue_key(struct controllers *c, size_t row, const char *namespace_, const char *name)
{
	auto_free char *key = NULL;

	if (str_empty(namespace_)) {
		kube_queue_add(c->queues[row].queue, name);
		return;
	}
	key = xasprintf("%s/%s", namespace_, name);
	kube_queue_add(c->queues[row].queue, key);
}

void queue_object(struct controllers *c, size_t row, const struct doc *object)
{
	if (object)
		queue_key(c, row, kube_namespace(object), kube_name(object));
}

void reconcile_again(struct reconcile *r, uint64_t delay_ns)
{
	kube_queue_add_after(r->c->queues[r->row].queue, r->key, delay_ns);
}

static void reconcile_free(struct reconcile *r)
{
	struct arena a = r->arena;

	*r->prev = r->next;
	if (r->next)
		r->next->prev = r->prev;
	arena_release(&a); /* r lives in it */
}

static void reconcile_check_end(struct reconcile *r)
{
	struct kube_queue *q = r->c->queues[r->row].queue;
	auto_free char *key = NULL;
	bool ok = !r->failed;

	if (r->waiting || !r->began)
		return;
	key = xstrdup(r->key);
	reconcile_free(r);
	kube_queue_done(q, key, ok);
}

struct sent {
	struct reconcile *r;
	bool is_delete;
	void (*done)(struct reconcile *r, struct kube_result *result, void *arg);
	void *arg;
};

static void was_answered(void *arg, struct kube_result *result)
{
	struct sent *s = arg;
	struct reconcile *r = s->r;

	if (result->code && !(s->is_delete && result->code == -ENOENT)) {
		r->failed = true;
		/* A conflict or an absence is the usual way to learn that the copy is old. */
		if (result->code != -ESTALE && result->code != -ENOENT && r->c->options.log)
			log_warn(r->c->options.log, "%s %s: %s, trying again",
				 controllers_table[r->row].name, r->key, result->error);
	}
	if (s->done)
		s->done(r, result, s->arg);
	r->waiting--;
	reconcile_check_end(r);
}

void reconcile_send(struct reconcile *r, const struct kube_request *request,
		    void (*done)(struct reconcile *r, struct kube_result *result, void *arg),
		    void *arg)
{
	struct sent *s = arena_new(&r->arena, struct sent);

	s->r = r;
	s->is_delete = request->verb == KUBE_DELETE;
	s->done = done;
	s->arg = arg;
	r->waiting++;
	kube_start(r->c->client, request, was_answered, s);
}

void reconcile_put_status(struct reconcile *r, const struct object_kind *kind,
			  const struct doc *object)
{
	const char *ns = kube_namespace(object);
	struct kube_request q = {
		.verb = KUBE_UPDATE,
		.kind = kind,
		.namespace_ = ns[0] ? ns : NULL,
		.name = kube_name(object),
		.subresource = "status",
		.body = object,
	};

	reconcile_send(r, &q, NULL, NULL);
}

void reconcile_patch(struct reconcile *r, enum object_kind_id kind, const struct doc *object,
		     struct doc *patch)
{
	struct kube_request q = {.verb = KUBE_PATCH,
				 .kind = object_kind(kind),
				 .namespace_ = kube_namespace(object),
				 .name = kube_name(object),
				 .patch = KUBE_PATCH_MERGE,
				 .body = patch};

	doc_set_string(&r->arena, doc_set_map(&r->arena, patch, "metadata"), "resourceVersion",
		       kube_resource_version(object));
	reconcile_send(r, &q, NULL, NULL);
}

static void begin_work(void *arg, const char *key)
{
	struct queue_slot *slot = arg;
	struct controllers *c = slot->c;
	const char *slash = strchr(key, '/');
	struct arena a = ARENA_INIT;
	struct reconcile *r = arena_new(&a, struct reconcile);

	r->c = c;
	r->row = slot->row;
	r->key = arena_strdup(&a, key);
	r->namespace_ = slash ? arena_strndup(&a, key, (size_t)(slash - key)) : "";
	r->name = slash ? arena_strdup(&a, slash + 1) : r->key;
	r->arena = a;
	r->next = c->running;
	r->prev = &c->running;
	if (r->next)
		r->next->prev = &r->next;
	c->running = r;
	if (controllers_table[slot->row].work(r))
		r->failed = true;
	r->began = true;
	reconcile_check_end(r);
}

/* The copies. */

const struct doc *watched_get(const struct controllers *c, enum watched kind,
			      const char *namespace_, const char *name)
{
	const struct kube_object *o =
		kube_informer_get(c->watched[kind].informer, namespace_, name);

	return o ? o->doc : NULL;
}

const struct doc *watched_self(const struct reconcile *r, enum watched kind)
{
	return watched_get(r->c, kind, r->namespace_, r->name);
}

static void tell_all(struct controllers *c, enum watched kind, const struct doc *old,
		     const struct doc *now)
{
	for (size_t row = 0; row < controllers_table_size; row++)
		controllers_table[row].changed(c, row, kind, old, now);
}

static void expect_seen(struct controllers *c, const char *uid, bool deleting);

static void on_change(void *arg, enum kube_change change, const struct kube_object *old,
		      const struct kube_object *now)
{
	struct watched_informer *w = arg;
	struct controllers *c = w->c;

	if (w->kind == WATCHED_POD && (!now || !str_empty(doc_find_str(now->doc, "spec.nodeName"))))
		free(map_del(&c->placed, now ? now->uid : old->uid));
	if (now)
		expect_seen(c, now->uid, kube_deleting(now->doc));
	if (change == KUBE_DELETED)
		expect_seen(c, old->uid, true);
	if (c->ready)
		tell_all(c, w->kind, old ? old->doc : NULL, now ? now->doc : NULL);
}

static void on_synced(void *arg)
{
	struct controllers *c = ((struct watched_informer *)arg)->c;

	for (int i = 0; i < WATCHED_COUNT; i++)
		if (!kube_informer_synced(c->watched[i].informer))
			return;
	c->ready = true;
	if (c->options.log)
		log_info(c->options.log, "controllers ready");
	for (int i = 0; i < WATCHED_COUNT; i++)
		watched_foreach(c, i, o) tell_all(c, (enum watched)i, NULL, o->doc);
}

/* Expectations: uid -> row. */

struct expectation {
	char *uid, *owner_uid;
	enum watched kind;
	bool deleted;
	uint64_t until;
};

static void expectation_free(struct controllers *c, struct expectation *e)
{
	map_del(&c->expected, e->uid);
	free(e->uid);
	free(e->owner_uid);
	free(e);
}

static void expect(struct controllers *c, enum watched kind, const struct doc *object, bool deleted)
{
	struct expectation *e = map_get(&c->expected, kube_uid(object));

	if (!e) {
		e = xcalloc(1, sizeof(*e));
		e->uid = xstrdup(kube_uid(object));
		e->owner_uid =
			xstrdup(str_or_empty(doc_str(doc_get(kube_controller(object), "uid"))));
		map_set(&c->expected, e->uid, e);
	}
	e->kind = kind;
	e->deleted = deleted;
	e->until = loop_now_ns(c->loop) + EXPECT_NS;
	if (!loop_timer_running(c->expiry))
		loop_timer_set(c->expiry, EXPECT_NS);
}

void expect_created(struct controllers *c, enum watched kind, const struct doc *object)
{
	if (!watched_get(c, kind, kube_namespace(object), kube_name(object)))
		expect(c, kind, object, false);
}

void expect_deleted(struct controllers *c, enum watched kind, const struct doc *object)
{
	expect(c, kind, object, true);
}

static void expect_seen(struct controllers *c, const char *uid, bool deleting)
{
	struct expectation *e = map_get(&c->expected, uid);

	if (e && (!e->deleted || deleting))
		expectation_free(c, e);
}

size_t expect_count_created(const struct controllers *c, const char *owner_uid)
{
	size_t n = 0;

	map_foreach (&c->expected, entry) {
		const struct expectation *e = map_value(entry);

		n += !e->deleted && str_eq(e->owner_uid, owner_uid);
	}
	return n;
}

bool expect_is_deleted(const struct controllers *c, const struct doc *object)
{
	const struct expectation *e = map_get(&c->expected, kube_uid(object));

	return e && e->deleted;
}

/* What never came: the counts are taken afresh. */
static void expectations_expire(void *arg)
{
	static const enum watched owners[] = {WATCHED_REPLICA_SET, WATCHED_DAEMON_SET};
	struct controllers *c = arg;
	uint64_t now = loop_now_ns(c->loop);
	bool any = false;

	map_foreach (&c->expected, entry) {
		struct expectation *e = map_value(entry);

		if (e->until > now)
			continue;
		any = true;
		expectation_free(c, e);
	}
	for (size_t i = 0; any && i < ARRAY_SIZE(owners); i++)
		watched_foreach(c, owners[i], o) tell_all(c, owners[i], NULL, o->doc);
	if (map_count(&c->expected))
		loop_timer_set(c->expiry, NS_PER_S);
}

/* Pods. */

bool is_controlled_by(const struct doc *object, const char *owner_uid)
{
	return str_eq(doc_str(doc_get(kube_controller(object), "uid")), owner_uid);
}

bool pod_ready(const struct doc *pod)
{
	return kube_condition_true(pod, "Ready");
}

bool pod_finished(const struct doc *pod)
{
	const char *phase = doc_find_str(pod, "status.phase");

	return str_eq(phase, "Succeeded") || str_eq(phase, "Failed");
}

struct doc *pod_of_template(struct reconcile *r, const struct object_kind *owner_kind,
			    const struct doc *owner, const struct doc *template)
{
	struct arena *a = &r->arena;
	struct doc *pod = kube_object_new(a, object_kind(KIND_POD), kube_namespace(owner), NULL);
	struct doc *meta = doc_set_map(a, pod, "metadata");
	const struct doc *from = doc_get(template, "metadata");
	static const char *const fields[] = {"labels", "annotations", "finalizers"};

	doc_setf(a, meta, "generateName", "%s-", kube_name(owner));
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (doc_get(from, fields[i]))
			doc_set(a, meta, fields[i], doc_clone(a, doc_get(from, fields[i])));
	kube_set_controller(a, pod, owner_kind, owner);
	doc_set(a, pod, "spec", doc_clone(a, doc_get(template, "spec")));
	return pod;
}

/* No vowels, as Kubernetes does it, so no words come out. */
const char *template_hash(struct arena *a, const struct doc *template)
{
	static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
	auto_release(strbuf) struct strbuf json = STRBUF_INIT;
	struct doc *canonical = doc_clone(a, template);
	char out[11];
	uint64_t h;

	doc_sort_keys(canonical);
	doc_write_json(canonical, DOC_COMPACT, &json);
	h = str_hash(strbuf_cstr(&json), json.len, STR_HASH_SEED);
	for (size_t i = 0; i < sizeof(out) - 1; i++) {
		out[i] = letters[h % (sizeof(letters) - 1)];
		h /= sizeof(letters) - 1;
	}
	out[sizeof(out) - 1] = '\0';
	return arena_strdup(a, out);
}

bool pod_available(const struct controllers *c, const struct doc *pod, int64_t min_ready_seconds,
		   uint64_t *ret_wait_ns)
{
	const struct doc *conditions = doc_find(pod, "status.conditions");
	int64_t since = 0, until;

	*ret_wait_ns = 0;
	if (!pod_ready(pod))
		return false;
	if (min_ready_seconds <= 0)
		return true;
	for (size_t i = 0; i < doc_len(conditions); i++) {
		const struct doc *it = doc_at(conditions, i);

		if (str_eq(doc_str(doc_get(it, "type")), "Ready"))
			clock_parse_rfc3339(
				str_or_empty(doc_str(doc_get(it, "lastTransitionTime"))), &since);
	}
	until = since + min_ready_seconds * (int64_t)NS_PER_S;
	if (controllers_wall_ns(c) >= until)
		return true;
	*ret_wait_ns = (uint64_t)(until - controllers_wall_ns(c));
	return false;
}

/* The public face. */

static void start_watching(struct controllers *c)
{
	static const struct kube_informer_handlers handlers = {on_change, on_synced};

	for (int i = 0; i < WATCHED_COUNT; i++) {
		struct kube_informer_options o = {.kind = object_kind(watched_kinds[i]),
						  .log = c->options.log,
						  .max_backoff_ns = NS_PER_S};

		c->watched[i] = (struct watched_informer){.c = c, .kind = (enum watched)i};
		c->watched[i].informer =
			kube_informer_new(c->client, &o, &handlers, &c->watched[i]);
	}
}

struct controllers *controllers_new(struct kube_client *client,
				    const struct controllers_options *options)
{
	struct controllers *c = xcalloc(1, sizeof(*c));

	c->client = client;
	c->loop = kube_client_loop(client);
	c->options = *options;
	c->options.pod_cidr =
		arena_strdup(&c->arena, options->pod_cidr ? options->pod_cidr : "10.244.0.0/16");
	c->expiry = loop_timer_new(c->loop, expectations_expire, c);
	c->queues = xcalloc(controllers_table_size, sizeof(*c->queues));
	for (size_t row = 0; row < controllers_table_size; row++) {
		struct kube_queue_options q = {.work = begin_work,
					       .arg = &c->queues[row],
					       .parallel = 8,
					       .min_backoff_ns = 20 * NS_PER_MS,
					       .max_backoff_ns = 2 * NS_PER_S};

		c->queues[row].c = c;
		c->queues[row].row = row;
		c->queues[row].queue = kube_queue_new(c->loop, &q);
	}
	start_watching(c);
	return c;
}

/* The client must be freed after us: requests under way are cancelled with it. */
void controllers_free(struct controllers *c)
{
	if (!c)
		return;
	for (int i = 0; i < WATCHED_COUNT; i++)
		kube_informer_free(c->watched[i].informer);
	for (size_t row = 0; row < controllers_table_size; row++)
		kube_queue_free(c->queues[row].queue);
	kube_client_cancel_all(c->client);
	while (c->running)
		reconcile_free(c->running);
	map_foreach (&c->expected, e)
		expectation_free(c, map_value(e));
	map_release(&c->expected);
	map_foreach (&c->placed, e)
		free(map_value(e));
	map_release(&c->placed);
	loop_timer_free(c->expiry);
	free(c->queues);
	arena_release(&c->arena);
	free(c);
}

bool controllers_idle(const struct controllers *c)
{
	for (size_t row = 0; row < controllers_table_size; row++)
		if (kube_queue_length(c->queues[row].queue))
			return false;
	return c->ready && !c->running;
}
