/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/subresource.h"

#include "deploy/lab/apiserver/jsonpath.h"
#include "deploy/lab/apiserver/list.h"
#include "deploy/lab/apiserver/server.h"
#include "deploy/lab/apiserver/when.h"
#include "deploy/lab/apiserver/write.h"
#include "lib/base/str.h"

static struct revision *find(struct request *r)
{
	struct revision *rev = shelf_get(r->res->shelf, r->target.ns, r->target.name);

	if (!rev)
		refuse_not_found(&r->refusal, request_subject(r));
	return rev;
}

static void wrong_method(struct request *r)
{
	refuse(&r->refusal, 405, "MethodNotAllowed",
	       "the server does not allow this method on the requested resource");
	request_reply_refusal(r);
}

static int store(struct request *r, struct doc *d, struct revision **ret)
{
	return write_store(r->server, r->res, &r->arena, d, ret, &r->refusal);
}

/* ---- scale ---- */

static const char *spec_path(const struct resource *res)
{
	return res->scale_spec_path ? res->scale_spec_path : ".spec.replicas";
}

static const char *status_path(const struct resource *res)
{
	return res->scale_status_path ? res->scale_status_path : ".status.replicas";
}

static const char *selector_text(struct request *r, const struct doc *d)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	if (r->res->flags & RES_CUSTOM)
		return r->res->scale_selector_path
			       ? doc_str(jsonpath_first(d, r->res->scale_selector_path))
			       : NULL;
	doc_foreach_entry (doc_find(d, "spec.selector.matchLabels"), l)
		strbuf_addf(&sb, "%s%s=%s", sb.len ? "," : "", l->key,
			    str_or_empty(doc_str(l->value)));
	return arena_strdup(&r->arena, strbuf_cstr(&sb));
}

static struct doc *scale_of(struct request *r, const struct doc *d)
{
	static const char *const fields[] = {"name", "namespace", "uid", "resourceVersion",
					     "creationTimestamp"};
	struct arena *a = &r->arena;
	struct doc *scale = doc_map(a), *meta;

	doc_set_string(a, scale, "kind", "Scale");
	doc_set_string(a, scale, "apiVersion", "autoscaling/v1");
	meta = doc_set_map(a, scale, "metadata");
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		doc_set_string(a, meta, fields[i],
			       doc_str(doc_get(doc_get(d, "metadata"), fields[i])));
	doc_set_int(a, doc_set_map(a, scale, "spec"), "replicas",
		    doc_int_or(jsonpath_first(d, spec_path(r->res)), 0));
	doc_set_int(a, doc_set_map(a, scale, "status"), "replicas",
		    doc_int_or(jsonpath_first(d, status_path(r->res)), 0));
	doc_set_string(a, doc_get(scale, "status"), "selector", selector_text(r, d));
	return scale;
}

/* Sets a dotted path like ".spec.replicas". */
static void set_int_at(struct arena *a, struct doc *d, const char *path, int64_t v)
{
	while (*path == '.')
		path++;
	while (strchr(path, '.')) {
		size_t n = strcspn(path, ".");

		d = doc_set_map(a, d, arena_strndup(a, path, n));
		path += n + 1;
	}
	doc_set_int(a, d, path, v);
}

static int new_scale(struct request *r, const struct doc *now, struct doc **ret)
{
	const char *type = str_or_empty(http_headers_get(r->view->headers, "content-type"));
	struct error err = ERROR_INIT;
	struct doc *body;

	if (request_body(r, &body))
		return REFUSED;
	if (r->verb == VERB_UPDATE)
		*ret = body;
	else if (!str_starts(type, "application/json-patch"))
		*ret = doc_merge_patch(&r->arena, now, body);
	else if (doc_json_patch(&r->arena, now, body, ret, &err))
		return refuse_bad_request(&r->refusal, "%s", err.msg);
	return 0;
}

static int set_scale(struct request *r, struct revision *rev, struct doc **ret)
{
	struct arena *a = &r->arena;
	struct doc *d = doc_clone(a, request_versioned(r, rev)), *scale, *wanted;
	struct causes c = {.arena = a};
	struct revision *now = NULL;
	const char *version;

	if (new_scale(r, scale_of(r, d), &scale))
		return REFUSED;
	wanted = doc_find(scale, "spec.replicas");
	version = doc_find_str(scale, "metadata.resourceVersion");
	if (wanted && (wanted->kind != DOC_INT || wanted->integer < 0))
		cause_invalid(&c, "spec.replicas", wanted, "must be greater than or equal to 0");
	if (refuse_causes(&r->refusal, request_subject(r), &c))
		return REFUSED;
	if (!str_empty(version) && !str_eq(version, doc_find_str(d, "metadata.resourceVersion")))
		return refuse_conflict(
			&r->refusal, request_subject(r),
			"the object has been modified; please apply your changes to the "
			"latest version and try again");
	set_int_at(a, d, spec_path(r->res), doc_int_or(wanted, 0));
	if (write_changes_generation(r->res, d, revision_doc(rev)))
		doc_set_int(a, doc_get(d, "metadata"), "generation",
			    doc_find_int(d, "metadata.generation", 0) + 1);
	if (!r->dry_run && write_is_change(d, revision_doc(rev)) && store(r, d, &now))
		return REFUSED;
	*ret = scale_of(r, d);
	return 0;
}

static void serve_scale(struct request *r)
{
	struct revision *rev = find(r);
	struct doc *answer = NULL;

	if (!rev) {
		request_reply_refusal(r);
	} else if (r->verb == VERB_GET) {
		request_reply_doc(r, 200, scale_of(r, request_versioned(r, rev)));
	} else if (r->verb != VERB_UPDATE && r->verb != VERB_PATCH) {
		wrong_method(r);
	} else if (set_scale(r, rev, &answer)) {
		request_reply_refusal(r);
	} else {
		request_reply_doc(r, 200, answer);
	}
}

/* ---- binding ---- */

static void add_scheduled(struct request *r, struct doc *pod)
{
	struct arena *a = &r->arena;
	struct doc *list = doc_set_list(a, doc_set_map(a, pod, "status"), "conditions"), *c;

	doc_foreach_item (list, have)
		if (str_eq(doc_str(doc_get(have, "type")), "PodScheduled"))
			return;
	c = doc_append(a, list, doc_map(a));
	doc_set_string(a, c, "type", "PodScheduled");
	doc_set_string(a, c, "status", "True");
	doc_set_string(a, c, "lastTransitionTime", when_format(a, server_now_s(r->server)));
}

static int bind(struct request *r)
{
	struct revision *rev = find(r), *now;
	struct doc *body, *pod;
	const char *node, *have;

	if (!rev || request_body(r, &body))
		return REFUSED;
	node = doc_find_str(body, "target.name");
	have = doc_find_str(revision_doc(rev), "spec.nodeName");
	if (str_empty(node))
		return refuse_bad_request(&r->refusal, "target.name is required");
	if (!str_empty(have))
		return refuse_conflict(&r->refusal, request_subject(r),
				       "pod %s is already assigned to node \"%s\"", rev->name,
				       have);
	pod = doc_clone(&r->arena, revision_doc(rev));
	doc_set_string(&r->arena, doc_set_map(&r->arena, pod, "spec"), "nodeName", node);
	add_scheduled(r, pod);
	return r->dry_run ? 0 : store(r, pod, &now);
}

static void serve_binding(struct request *r)
{
	if (r->verb != VERB_CREATE) {
		wrong_method(r);
		return;
	}
	if (bind(r)) {
		request_reply_refusal(r);
		return;
	}
	request_reply_created(r);
}

/* ---- the table ---- */

static void serve_status(struct request *r)
{
	if (!(r->res->flags & RES_STATUS)) {
		refuse(&r->refusal, 404, "NotFound",
		       "the server could not find the requested resource");
		request_reply_refusal(r);
	} else if (r->verb == VERB_GET) {
		list_get(r);
	} else if (r->verb == VERB_UPDATE) {
		write_update(r);
	} else if (r->verb == VERB_PATCH) {
		write_patch(r);
	} else {
		wrong_method(r);
	}
}

/* The sweeper ends namespaces itself; the request is taken as an update that changes nothing. */
static void serve_finalize(struct request *r)
{
	struct revision *rev = find(r);

	if (rev)
		request_reply_revision(r, 200, rev);
	else
		request_reply_refusal(r);
}

static void serve_eviction(struct request *r)
{
	if (r->verb == VERB_CREATE)
		eviction_create(r);
	else
		wrong_method(r);
}

static void serve_log(struct request *r)
{
	if (r->verb == VERB_GET)
		podlog_get(r);
	else
		wrong_method(r);
}

static const struct subresource {
	const char *plural, *name; /* plural NULL: any */
	unsigned flag;             /* needs this one */
	void (*serve)(struct request *r);
	const char *missing; /* why not, when serve is NULL */
} subresources[] = {
	{NULL, "status", 0, serve_status, NULL},
	{NULL, "scale", RES_SCALE, serve_scale, NULL},
	{"pods", "binding", 0, serve_binding, NULL},
	{"pods", "eviction", 0, serve_eviction, NULL},
	{"pods", "log", 0, serve_log, NULL},
	{"namespaces", "finalize", 0, serve_finalize, NULL},
	{"pods", "exec", 0, NULL, "running commands in containers (kubectl exec)"},
	{"pods", "attach", 0, NULL, "attaching to containers (kubectl attach)"},
	{"pods", "portforward", 0, NULL, "port forwarding (kubectl port-forward)"},
	{"pods", "proxy", 0, NULL, "proxying to pods"},
	{"pods", "ephemeralcontainers", 0, NULL, "ephemeral containers (kubectl debug)"},
	{"pods", "resize", 0, NULL, "resizing pods in place"},
	{"services", "proxy", 0, NULL, "proxying to services"},
	{"nodes", "proxy", 0, NULL, "proxying to nodes"},
	{"serviceaccounts", "token", 0, NULL, "tokens of service accounts"},
};

void subresource_serve(struct request *r)
{
	for (size_t i = 0; i < ARRAY_SIZE(subresources); i++) {
		const struct subresource *s = &subresources[i];

		if (!str_eq(s->name, r->target.subresource) ||
		    (s->plural && !resource_is(r->res, "", s->plural)) ||
		    (s->flag && !(r->res->flags & s->flag)))
			continue;
		if (s->serve) {
			s->serve(r);
			return;
		}
		refuse_not_served(&r->refusal, "the lab's API server does not serve %s",
				  s->missing);
		request_reply_refusal(r);
		return;
	}
	refuse(&r->refusal, 404, "NotFound", "the server could not find the requested resource");
	request_reply_refusal(r);
}
