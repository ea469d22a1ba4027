/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/admission.h"

#include "deploy/lab/apiserver/names.h"
#include "deploy/lab/apiserver/server.h"
#include "lib/base/base64.h"
#include "lib/base/str.h"

#define SECOND_NS UINT64_C(1000000000)

enum { ROUNDS = 2 };

/* One webhook that wants to be asked; borrowed from the configuration, copied to the arena. */
struct hook {
	const struct doc *spec;
	const char *name;
	bool asked, again;
};

/* The walk of one request through the webhooks of one stage. */
struct admission {
	struct request *r;
	const char *operation;
	bool mutating;
	void (*next)(struct request *r, int refused);
	struct hook *hooks;
	size_t n, at;
	int round;
	struct doc *before; /* the object the webhook at hand was asked about */
	const char *uid;    /* of the review */
};

static void step(struct admission *ad);

static void finish(struct admission *ad, int refused)
{
	ad->next(ad->r, refused);
}

/* ---- who is asked ---- */

static bool list_fits(const struct doc *list, const char *value)
{
	doc_foreach_item (list, it)
		if (str_eq(doc_str(it), "*") || str_eq(doc_str(it), value))
			return true;
	return false;
}

/* "pods", "pods/status", "pods/" + "*", "*" + "/scale", "*": as rules write resources. */
static bool resource_fits(const struct doc *list, const struct request *r)
{
	const char *plural = r->res->plural, *sub = r->target.subresource;

	doc_foreach_item (list, it) {
		const char *text = str_or_empty(doc_str(it)), *slash = strchr(text, '/');
		size_t n = slash ? (size_t)(slash - text) : strlen(text);
		bool plural_fits = (n == 1 && *text == '*') ||
				   (strlen(plural) == n && !strncmp(text, plural, n));
		bool sub_fits = slash ? str_eq(slash + 1, "*") || str_eq(slash + 1, sub) : !*sub;

		if (plural_fits && (sub_fits || str_eq(text, "*/*")))
			return true;
	}
	return false;
}

static bool scope_fits(const char *scope, const struct resource *res)
{
	bool namespaced = res->flags & RES_NAMESPACED;

	return str_empty(scope) || str_eq(scope, "*") ||
	       (str_eq(scope, "Namespaced") ? namespaced : !namespaced);
}

/* matchPolicy Equivalent: any version of a resource we serve is the same resource. */
static bool rules_fit(const struct admission *ad, const struct doc *hook)
{
	const struct request *r = ad->r;

	doc_foreach_item (doc_get(hook, "rules"), rule)
		if (list_fits(doc_get(rule, "operations"), ad->operation) &&
		    list_fits(doc_get(rule, "apiGroups"), r->res->group) &&
		    resource_fits(doc_get(rule, "resources"), r) &&
		    scope_fits(doc_str(doc_get(rule, "scope")), r->res))
			return true;
	return false;
}

/* Labels of the request's namespace; of a Namespace, its own. NULL for other cluster objects. */
static const struct doc *namespace_labels(const struct request *r, bool *ret_applies)
{
	const struct resource *res = registry_find(r->server->registry, "", "v1", "namespaces");
	const struct revision *ns;

	*ret_applies = true;
	if (r->res == res)
		return doc_find(r->object ? r->object : revision_doc(r->old), "metadata.labels");
	if (!*r->target.ns) {
		*ret_applies = false;
		return NULL;
	}
	ns = shelf_get(res->shelf, "", r->target.ns);
	return ns ? doc_find(revision_doc(ns), "metadata.labels") : NULL;
}

static bool selector_fits(struct arena *a, const struct doc *sel, const struct doc *labels)
{
	struct selector s;

	return !sel || (!selector_from_doc(a, sel, &s, NULL) && selector_matches(&s, labels));
}

/* The object selector is asked of the new and of the old object; one of them is enough. */
static bool selectors_fit(const struct request *r, const struct doc *hook)
{
	struct arena *a = r->refusal.arena;
	bool applies;
	const struct doc *labels = namespace_labels(r, &applies);
	const struct doc *sel = doc_get(hook, "objectSelector");

	if (applies && !selector_fits(a, doc_get(hook, "namespaceSelector"), labels))
		return false;
	return (r->object && selector_fits(a, sel, doc_find(r->object, "metadata.labels"))) ||
	       (r->old && selector_fits(a, sel, doc_find(revision_doc(r->old), "metadata.labels")));
}

static void add_hooks(struct admission *ad, const struct doc *configuration)
{
	struct arena *a = &ad->r->arena;

	doc_foreach_item (doc_get(configuration, "webhooks"), w) {
		struct hook *more;

		if (!rules_fit(ad, w) || !selectors_fit(ad->r, w))
			continue;
		more = arena_array(a, ad->n + 1, struct hook);
		if (ad->n)
			memcpy(more, ad->hooks, ad->n * sizeof(*more));
		more[ad->n].spec = doc_clone(a, w);
		more[ad->n++].name = arena_strdup(a, str_or_empty(doc_str(doc_get(w, "name"))));
		ad->hooks = more;
	}
}

/* Webhook configurations themselves are never subject to webhooks: nobody may lock us out. */
static void find_hooks(struct admission *ad)
{
	const char *plural =
		ad->mutating ? "mutatingwebhookconfigurations" : "validatingwebhookconfigurations";
	const char *group = "admissionregistration.k8s.io";
	struct shelf *sh = registry_find(ad->r->server->registry, group, "v1", plural)->shelf;

	if (str_eq(ad->r->res->group, group))
		return;
	for (size_t i = 0; i < shelf_count(sh); i++)
		add_hooks(ad, revision_doc(shelf_at(sh, i)));
}

/* ---- the review ---- */

static struct doc *group_version(struct arena *a, const struct resource *res, const char *key,
				 const char *value)
{
	struct doc *d = doc_map(a);

	doc_set_string(a, d, "group", res->group);
	doc_set_string(a, d, "version", res->version);
	doc_set_string(a, d, key, value);
	return d;
}

static struct doc *user_info(struct request *r)
{
	struct arena *a = &r->arena;
	struct doc *d = doc_map(a), *groups = doc_list(a);

	doc_set_string(a, d, "username", r->user);
	for (size_t i = 0; r->groups && r->groups[i]; i++)
		doc_append(a, groups, doc_string(a, r->groups[i]));
	doc_set(a, d, "groups", groups);
	return d;
}

static struct doc *make_review(struct admission *ad)
{
	struct request *r = ad->r;
	struct arena *a = &r->arena;
	struct doc *review = doc_map(a), *req = doc_map(a);
	const char *name = r->target.name;

	if (!*name && r->object)
		name = str_or_empty(doc_find_str(r->object, "metadata.name"));
	ad->uid = name_uuid(a);
	doc_set_string(a, review, "kind", "AdmissionReview");
	doc_set_string(a, review, "apiVersion", "admission.k8s.io/v1");
	doc_set(a, review, "request", req);
	doc_set_string(a, req, "uid", ad->uid);
	doc_set(a, req, "kind", group_version(a, r->res, "kind", r->res->kind));
	doc_set(a, req, "resource", group_version(a, r->res, "resource", r->res->plural));
	doc_set(a, req, "requestKind", group_version(a, r->res, "kind", r->res->kind));
	doc_set(a, req, "requestResource", group_version(a, r->res, "resource", r->res->plural));
	if (*r->target.subresource) {
		doc_set_string(a, req, "subResource", r->target.subresource);
		doc_set_string(a, req, "requestSubResource", r->target.subresource);
	}
	if (*name)
		doc_set_string(a, req, "name", name);
	if (*r->target.ns)
		doc_set_string(a, req, "namespace", r->target.ns);
	doc_set_string(a, req, "operation", ad->operation);
	doc_set(a, req, "userInfo", user_info(r));
	doc_set(a, req, "object", r->object ? r->object : doc_null(a));
	doc_set(a, req, "oldObject", r->old ? doc_clone(a, revision_doc(r->old)) : doc_null(a));
	doc_set_bool(a, req, "dryRun", r->dry_run);
	doc_set(a, req, "options", doc_null(a));
	return review;
}

/* ---- the answer ---- */

/* The webhook could not be asked: its policy decides. */
static void unreachable(struct admission *ad, const char *why)
{
	struct hook *h = &ad->hooks[ad->at];

	if (str_eq(doc_str(doc_get(h->spec, "failurePolicy")), "Ignore")) {
		request_warn(ad->r, "failed calling webhook \"%s\": %s", h->name, why);
		ad->at++;
		step(ad);
		return;
	}
	refuse(&ad->r->refusal, 500, "InternalError",
	       "Internal error occurred: failed calling webhook \"%s\": %s", h->name, why);
	finish(ad, REFUSED);
}

static void denied(struct admission *ad, const struct doc *response)
{
	const char *message = doc_find_str(response, "status.message");
	const char *reason = doc_find_str(response, "status.reason");
	int64_t code = doc_find_int(response, "status.code", 400);
	const char *name = ad->hooks[ad->at].name;

	if (code < 400 || code > 599)
		code = 400;
	if (str_empty(reason))
		reason = http_status_text((int)code);
	if (str_empty(message))
		refuse(&ad->r->refusal, (int)code, reason,
		       "admission webhook \"%s\" denied the request without explanation", name);
	else
		refuse(&ad->r->refusal, (int)code, reason,
		       "admission webhook \"%s\" denied the request: %s", name, message);
	finish(ad, REFUSED);
}

/* The answer's patch: base64 of a JSON patch. 0 or an error in err. */
static int apply_patch(struct admission *ad, const struct doc *response, struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	const char *encoded = doc_str(doc_get(response, "patch"));
	struct arena *a = &ad->r->arena;
	struct doc *patch, *result;
	int e;

	if (str_empty(encoded))
		return 0;
	if (!str_eq(doc_str(doc_get(response, "patchType")), "JSONPatch"))
		return error_set(err, -EINVAL, "the answer's patchType is not JSONPatch");
	if (base64_decode(encoded, strlen(encoded), &text))
		return error_set(err, -EINVAL, "the answer's patch is not base64");
	e = doc_read_json(a, strbuf_cstr(&text), text.len, NULL, &patch, err);
	if (!e)
		e = doc_json_patch(a, ad->r->object, patch, &result, err);
	if (!e && result->kind != DOC_MAP)
		e = error_set(err, -EINVAL, "the patch leaves no object");
	if (!e)
		ad->r->object = result;
	return e;
}

/* Webhooks that were asked before a later one changed the object are asked once more. */
static void note_change(struct admission *ad)
{
	if (doc_equal(ad->before, ad->r->object) || ad->round)
		return;
	for (size_t i = 0; i < ad->at; i++)
		ad->hooks[i].again |= str_eq(
			doc_str(doc_get(ad->hooks[i].spec, "reinvocationPolicy")), "IfNeeded");
}

static void take_answer(struct admission *ad, const struct doc *review)
{
	const struct doc *response = doc_get(review, "response");
	struct error err = ERROR_INIT;

	if (!response || !str_eq(doc_str(doc_get(response, "uid")), ad->uid)) {
		unreachable(ad, "the answer is no AdmissionReview with the request's uid");
		return;
	}
	doc_foreach_item (doc_get(response, "warnings"), w)
		request_warn(ad->r, "%s", str_or_empty(doc_str(w)));
	if (!doc_bool_or(doc_get(response, "allowed"), false)) {
		denied(ad, response);
		return;
	}
	if (ad->mutating && apply_patch(ad, response, &err)) {
		unreachable(ad, err.msg);
		return;
	}
	if (ad->mutating)
		note_change(ad);
	ad->at++;
	step(ad);
}

static void on_done(void *arg, struct http_response *response)
{
	struct admission *ad = arg;
	struct error err = ERROR_INIT;
	struct doc *review = NULL;
	struct request *r = ad->r;

	if (response->code)
		unreachable(ad, arena_strdup(&r->arena, response->error));
	else if (response->status != 200)
		unreachable(ad, arena_printf(&r->arena, "it answered %d", response->status));
	else if (doc_read_json(&r->arena, strbuf_cstr(&response->body), response->body.len, NULL,
			       &review, &err))
		unreachable(ad, arena_strdup(&r->arena, err.msg));
	else
		take_answer(ad, review);
}

/* ---- asking ---- */

static const char *ca_bundle(struct admission *ad, const struct doc *client)
{
	auto_release(strbuf) struct strbuf pem = STRBUF_INIT;
	const char *encoded = doc_str(doc_get(client, "caBundle"));

	if (str_empty(encoded) || base64_decode(encoded, strlen(encoded), &pem))
		return NULL;
	return arena_strdup(&ad->r->arena, strbuf_cstr(&pem));
}

static void ask(struct admission *ad)
{
	static const struct http_handlers handlers = {.on_done = on_done};
	const struct doc *spec = ad->hooks[ad->at].spec, *client = doc_get(spec, "clientConfig");
	auto_release(strbuf) struct strbuf url = STRBUF_INIT, body = STRBUF_INIT;
	struct http_header type = {(char[]){"Content-Type"}, (char[]){"application/json"}};
	struct http_tls tls = {.ca_pem = ca_bundle(ad, client)};
	int64_t timeout = doc_int_or(doc_get(spec, "timeoutSeconds"), 10);
	struct http_call *call;
	struct error err = ERROR_INIT;

	if (!doc_str(doc_get(client, "url"))) {
		unreachable(
			ad,
			"the lab's API server reaches webhooks by clientConfig.url only, not by "
			"service");
		return;
	}
	strbuf_adds(&url, doc_str(doc_get(client, "url")));
	http_query_add(&url, "timeout", arena_printf(&ad->r->arena, "%llds", (long long)timeout));
	ad->before = ad->r->object ? doc_clone(&ad->r->arena, ad->r->object) : NULL;
	doc_write_json(make_review(ad), DOC_COMPACT, &body);
	if (http_start(ad->r->server->client,
		       &(struct http_request){
			       .method = "POST",
			       .url = strbuf_cstr(&url),
			       .headers = &type,
			       .n_headers = 1,
			       .body = body.buf,
			       .body_size = body.len,
			       .tls = &tls,
			       .timeout_ns = (uint64_t)MAX(timeout, 1) * SECOND_NS,
			       .max_body = ADMISSION_MAX_ANSWER,
		       },
		       &handlers, ad, &call, &err))
		unreachable(ad, err.msg);
}

/* A dry run may not have effects elsewhere. */
static bool refuses_dry_run(struct admission *ad)
{
	const struct hook *h = &ad->hooks[ad->at];
	const char *effects = doc_str(doc_get(h->spec, "sideEffects"));

	if (!ad->r->dry_run || str_eq(effects, "None") || str_eq(effects, "NoneOnDryRun"))
		return false;
	refuse_bad_request(&ad->r->refusal, "admission webhook \"%s\" does not support dry run",
			   h->name);
	return true;
}

/* Goes on with the next webhook of this round, then with those of the second round, then ends. */
static void step(struct admission *ad)
{
	while (ad->round < ROUNDS) {
		while (ad->at < ad->n && ad->round && !ad->hooks[ad->at].again)
			ad->at++;
		if (ad->at < ad->n)
			break;
		ad->at = 0;
		ad->round++;
	}
	if (ad->round == ROUNDS)
		finish(ad, 0);
	else if (refuses_dry_run(ad))
		finish(ad, REFUSED);
	else
		ask(ad);
}

static void run(struct request *r, const char *operation, bool mutating,
		void (*next)(struct request *r, int refused))
{
	struct admission *ad = arena_new(&r->arena, struct admission);

	*ad = (struct admission){
		.r = r, .operation = operation, .mutating = mutating, .next = next};
	find_hooks(ad);
	if (ad->n)
		step(ad);
	else
		finish(ad, 0);
}

void admission_mutate(struct request *r, const char *operation,
		      void (*next)(struct request *r, int refused))
{
	run(r, operation, true, next);
}

void admission_validate(struct request *r, const char *operation,
			void (*next)(struct request *r, int refused))
{
	run(r, operation, false, next);
}
