/* SPDX-License-Identifier: Apache-2.0 */
/* The waiting form of requests. */
#include "lib/kube/sync.h"

#include <string.h>

#include "lib/base/str.h"
#include "lib/kube/informer.h"

#define PAGE 500

struct waiting {
	bool done;
	struct kube_result *result;
};

static void on_done(void *arg, struct kube_result *result)
{
	struct waiting *w = arg;

	w->done = true;
	*w->result = *result;
	arena_init(&result->arena);
}

int kube_wait(struct kube_client *client, const struct kube_request *request,
	      struct kube_result *ret_result, struct error *err)
{
	struct loop *loop = kube_client_loop(client);
	struct waiting w = {false, ret_result};
	struct kube_call *call;
	int r = 0;

	memset(ret_result, 0, sizeof(*ret_result));
	call = kube_start(client, request, on_done, &w);
	while (!w.done && r >= 0) {
		if (loop_stopping(loop)) {
			kube_cancel(call);
			return error_set(err, -EINTR, "interrupted");
		}
		r = loop_turn(loop, true, err);
	}
	return r < 0 ? r : kube_result_error(ret_result, err);
}

/* Runs request; the object is cloned into a. */
static int wait_object(struct kube_client *client, struct arena *a,
		       const struct kube_request *request, struct doc **ret_object,
		       struct error *err)
{
	struct kube_result result;
	int r = kube_wait(client, request, &result, err);

	if (r == 0 && ret_object)
		*ret_object = doc_clone(a, result.object);
	kube_result_release(&result);
	return r;
}

int kube_get(struct kube_client *client, struct arena *a, const struct object_kind *kind,
	     const char *namespace_, const char *name, struct doc **ret_object, struct error *err)
{
	struct kube_request q = {
		.verb = KUBE_GET, .kind = kind, .namespace_ = namespace_, .name = name};

	return wait_object(client, a, &q, ret_object, err);
}

static void take_items(struct arena *a, const struct object_kind *kind, const struct doc *page,
		       struct doc *list)
{
	const struct doc *items = doc_get(page, "items");

	for (size_t i = 0; i < doc_len(items); i++) {
		struct doc *item = doc_append(a, list, doc_clone(a, doc_at(items, i)));

		if (doc_get(item, "kind"))
			continue;
		doc_set_string(a, item, "apiVersion", object_kind_api_version(a, kind));
		doc_set_string(a, item, "kind", kind->kind);
	}
}

int kube_list(struct kube_client *client, struct arena *a, const struct object_kind *kind,
	      const char *namespace_, const char *label_selector, struct doc **ret_list,
	      struct error *err)
{
	struct kube_request q = {.verb = KUBE_LIST,
				 .kind = kind,
				 .namespace_ = namespace_,
				 .label_selector = label_selector,
				 .limit = PAGE};
	struct doc *list = doc_list(a);
	int r;

	for (;;) {
		struct kube_result result;

		r = kube_wait(client, &q, &result, err);
		/* The pages' version expired on the way: from the start, once more. */
		if (r == -EXDEV && q.continue_) {
			kube_result_release(&result);
			list = doc_list(a);
			q.continue_ = NULL;
			continue;
		}
		if (r == 0) {
			take_items(a, kind, result.object, list);
			q.continue_ =
				arena_strdup(a, doc_find_str(result.object, "metadata.continue"));
		}
		kube_result_release(&result);
		if (r || str_empty(q.continue_))
			break;
	}
	if (r == 0)
		*ret_list = list;
	return r;
}

int kube_create(struct kube_client *client, struct arena *a, const struct object_kind *kind,
		const struct doc *object, struct doc **ret_object, struct error *err)
{
	const char *ns = kube_namespace(object);
	struct kube_request q = {
		.verb = KUBE_CREATE, .kind = kind, .namespace_ = ns[0] ? ns : NULL, .body = object};

	return wait_object(client, a, &q, ret_object, err);
}

int kube_update(struct kube_client *client, struct arena *a, const struct object_kind *kind,
		const struct doc *object, struct doc **ret_object, struct error *err)
{
	const char *ns = kube_namespace(object);
	struct kube_request q = {.verb = KUBE_UPDATE,
				 .kind = kind,
				 .namespace_ = ns[0] ? ns : NULL,
				 .name = kube_name(object),
				 .body = object};

	return wait_object(client, a, &q, ret_object, err);
}

int kube_patch(struct kube_client *client, struct arena *a, const struct object_kind *kind,
	       const char *namespace_, const char *name, const char *subresource,
	       enum kube_patch type, const struct doc *patch, struct doc **ret_object,
	       struct error *err)
{
	struct kube_request q = {.verb = KUBE_PATCH,
				 .kind = kind,
				 .namespace_ = namespace_,
				 .name = name,
				 .subresource = subresource,
				 .patch = type,
				 .body = patch};

	return wait_object(client, a, &q, ret_object, err);
}

int kube_delete(struct kube_client *client, const struct object_kind *kind, const char *namespace_,
		const char *name, struct error *err)
{
	struct kube_request q = {
		.verb = KUBE_DELETE, .kind = kind, .namespace_ = namespace_, .name = name};

	return wait_object(client, NULL, &q, NULL, err);
}

static bool is_server_field(const char *key)
{
	return str_eq(key, "apiVersion") || str_eq(key, "kind") || str_eq(key, "metadata") ||
	       str_eq(key, "status");
}

/* What a server gives a Service once and lets nobody take away. */
static void carry_addresses(struct arena *a, const struct doc *there, struct doc *merged)
{
	static const char *const fields[] = {"clusterIP", "clusterIPs", "ipFamilies",
					     "ipFamilyPolicy"};
	const struct doc *from = doc_get(there, "spec");
	struct doc *to = doc_get(merged, "spec");

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (to && doc_get(from, fields[i]) && !doc_get(to, fields[i]))
			doc_set(a, to, fields[i], doc_clone(a, doc_get(from, fields[i])));
}

/* What `kubectl rollout restart` wrote: putting the manifest again is not to be another restart. */
static void carry_restart(struct arena *a, const struct doc *there, struct doc *merged)
{
	static const char key[] = "kubectl.kubernetes.io/restartedAt";
	const char *when =
		doc_str(doc_get(doc_find(there, "spec.template.metadata.annotations"), key));
	struct doc *template = doc_find(merged, "spec.template");

	if (!when || !template)
		return;
	template = doc_set_map(a, doc_set_map(a, template, "metadata"), "annotations");
	if (!doc_get(template, key))
		doc_set_string(a, template, key, when);
}

/* What the server has, with object's labels and annotations merged in and its other fields put in
 * the place of theirs. */
static struct doc *overlay(struct arena *a, const struct doc *there, const struct doc *object)
{
	struct doc *merged = doc_clone(a, there);

	for (size_t i = 0; i < object->map.n; i++) {
		const struct doc_entry *e = &object->map.entries[i];

		if (!is_server_field(e->key))
			doc_set(a, merged, e->key, doc_clone(a, e->value));
	}
	for (int i = 0; i < 2; i++) {
		const char *field = i ? "annotations" : "labels";
		const struct doc *from = doc_get(doc_get(object, "metadata"), field);

		for (size_t j = 0; j < doc_len(from); j++)
			doc_set(a, doc_set_map(a, doc_set_map(a, merged, "metadata"), field),
				from->map.entries[j].key, from->map.entries[j].value);
	}
	return merged;
}

int kube_put(struct kube_client *client, struct arena *a, const struct object_kind *kind,
	     const struct doc *object, struct doc **ret_object, struct error *err)
{
	const char *ns = kube_namespace(object);
	struct doc *there, *merged;
	int r;

	for (int attempts = 0; attempts < 10; attempts++) {
		r = kube_get(client, a, kind, ns[0] ? ns : NULL, kube_name(object), &there, err);
		if (r == -ENOENT) {
			r = kube_create(client, a, kind, object, ret_object, err);
			if (r != -EEXIST)
				return r;
			continue;
		}
		if (r)
			return r;
		merged = overlay(a, there, object);
		if (kind == object_kind(KIND_SERVICE))
			carry_addresses(a, there, merged);
		carry_restart(a, there, merged);
		r = kube_update(client, a, kind, merged, ret_object, err);
		if (r != -ESTALE)
			return r;
	}
	return r;
}

#define EVICT_AGAIN_NS NS_PER_S

int kube_evict(struct kube_client *client, const char *namespace_, const char *pod, const char *uid,
	       uint64_t *ret_retry_ns, struct error *err)
{
	struct arena a = ARENA_INIT;
	struct doc *body = doc_map(&a), *meta;
	struct kube_request q = {.verb = KUBE_CREATE,
				 .kind = object_kind(KIND_POD),
				 .namespace_ = namespace_,
				 .name = pod,
				 .subresource = "eviction",
				 .body = body};
	struct kube_result result;
	int r;

	doc_set_string(&a, body, "apiVersion", "policy/v1");
	doc_set_string(&a, body, "kind", "Eviction");
	meta = doc_set_map(&a, body, "metadata");
	doc_set_string(&a, meta, "name", pod);
	doc_set_string(&a, meta, "namespace", namespace_);
	if (uid)
		doc_set_string(
			&a,
			doc_set_map(&a, doc_set_map(&a, body, "deleteOptions"), "preconditions"),
			"uid", uid);
	r = kube_wait(client, &q, &result, err);
	if (ret_retry_ns)
		*ret_retry_ns = r && kube_retryable(&result)
					? MAX(result.retry_after_ns, EVICT_AGAIN_NS)
					: 0;
	kube_result_release(&result);
	arena_release(&a);
	return r;
}

/* Waiting for a state. */

struct wait_for {
	bool (*check)(void *arg, const struct doc *object);
	void *arg;
	bool named, met, timed_out;
};

static void on_change(void *arg, enum kube_change change, UNUSED const struct kube_object *old,
		      const struct kube_object *now)
{
	struct wait_for *w = arg;

	if (w->met || (change == KUBE_DELETED && !w->named))
		return;
	w->met = w->check(w->arg, now ? now->doc : NULL);
}

static void on_time_out(void *arg)
{
	((struct wait_for *)arg)->timed_out = true;
}

int kube_wait_for(struct kube_client *client, const struct object_kind *kind,
		  const char *namespace_, const char *name,
		  bool (*check)(void *arg, const struct doc *object), void *arg,
		  uint64_t timeout_ns, struct error *err)
{
	static const struct kube_informer_handlers handlers = {.on_change = on_change};
	struct loop *loop = kube_client_loop(client);
	struct wait_for w = {check, arg, name != NULL, false, false};
	auto_release(strbuf) struct strbuf field = STRBUF_INIT;
	struct kube_informer_options o = {.kind = kind, .namespace_ = namespace_};
	struct kube_informer *inf;
	struct loop_timer *timer;
	bool looked = false;
	int r = 0;

	if (name) {
		strbuf_addf(&field, "metadata.name=%s", name);
		o.field_selector = strbuf_cstr(&field);
	}
	inf = kube_informer_new(client, &o, &handlers, &w);
	timer = loop_timer_new(loop, on_time_out, &w);
	loop_timer_set(timer, timeout_ns);
	while (r >= 0 && !w.met && !w.timed_out && !loop_stopping(loop)) {
		r = loop_turn(loop, true, err);
		if (!looked && kube_informer_synced(inf)) {
			looked = true;
			if (name && !kube_informer_count(inf))
				w.met = check(arg, NULL);
		}
	}
	kube_informer_free(inf);
	loop_timer_free(timer);
	if (r < 0)
		return r;
	if (w.met)
		return 0;
	return w.timed_out ? error_set(err, -ETIMEDOUT, "%s %s: not so in time", kind->kind,
				       name ? name : "")
			   : error_set(err, -EINTR, "interrupted");
}

/* Discovery. */

static int get_path(struct kube_client *client, struct arena *a, const char *path, struct doc **ret,
		    struct error *err)
{
	struct kube_request q = {.verb = KUBE_GET, .path = path};

	return wait_object(client, a, &q, ret, err);
}

static void add_resources(struct arena *a, const struct doc *found, const char *group,
			  const char *version, struct doc *list)
{
	const struct doc *items = doc_get(found, "resources");

	for (size_t i = 0; i < doc_len(items); i++) {
		const struct doc *item = doc_at(items, i);
		const char *name = str_or_empty(doc_str(doc_get(item, "name")));
		struct doc *row;

		if (strchr(name, '/'))
			continue; /* a subresource */
		row = doc_append(a, list, doc_map(a));
		doc_set_string(a, row, "group", group);
		doc_set_string(a, row, "version", version);
		doc_set_string(a, row, "kind", doc_str(doc_get(item, "kind")));
		doc_set_string(a, row, "name", name);
		doc_set_bool(a, row, "namespaced", doc_bool_or(doc_get(item, "namespaced"), false));
		if (doc_get(item, "verbs"))
			doc_set(a, row, "verbs", doc_clone(a, doc_get(item, "verbs")));
	}
}

int kube_discover(struct kube_client *client, struct arena *a, struct doc **ret_list,
		  struct error *err)
{
	struct doc *groups, *found, *list = doc_list(a);
	const struct doc *items;
	int r = get_path(client, a, "/api/v1", &found, err);

	if (r)
		return r;
	add_resources(a, found, "", "v1", list);
	r = get_path(client, a, "/apis", &groups, err);
	if (r)
		return r;
	items = doc_get(groups, "groups");
	for (size_t i = 0; i < doc_len(items); i++) {
		const char *group = str_or_empty(doc_str(doc_get(doc_at(items, i), "name")));
		const char *version =
			str_or_empty(doc_find_str(doc_at(items, i), "preferredVersion.version"));

		r = get_path(client, a, arena_printf(a, "/apis/%s/%s", group, version), &found,
			     err);
		/* An aggregated API whose server is down must not hide the others. */
		if (r == -EIO || r == -ENOENT)
			continue;
		if (r)
			return r;
		add_resources(a, found, group, version, list);
	}
	*ret_list = list;
	return 0;
}
