/* SPDX-License-Identifier: Apache-2.0 */
/* What is served: /api, /apis, versions, health, and as much OpenAPI as kubectl needs. */
#include "deploy/lab/apiserver/server.h"
#include "lib/base/str.h"

#define AGGREGATED "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
#define SERVED_AS  "v1.34.0"

static const char *const verbs_stored[] = {
	"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch", NULL};
static const char *const verbs_virtual[] = {"create", NULL};

static struct doc *strings(struct arena *a, const char *const *list)
{
	struct doc *d = doc_list(a);

	for (; *list; list++)
		doc_append(a, d, doc_string(a, *list));
	return d;
}

/* ---- subresources of a row, for both forms of discovery ---- */

struct sub_row {
	const char *plural, *name; /* plural NULL: by flag */
	unsigned flag;
	const char *group, *version, *kind; /* kind NULL: the resource's own */
	const char *verbs[4];
};

static const struct sub_row sub_rows[] = {
	{NULL, "status", RES_STATUS, NULL, NULL, NULL, {"get", "patch", "update"}},
	{NULL, "scale", RES_SCALE, "autoscaling", "v1", "Scale", {"get", "patch", "update"}},
	{"pods", "binding", 0, "", "v1", "Binding", {"create"}},
	{"pods", "eviction", 0, "policy", "v1", "Eviction", {"create"}},
	{"pods", "log", 0, NULL, NULL, NULL, {"get"}},
	{"namespaces", "finalize", 0, NULL, NULL, NULL, {"update"}},
};

static bool has_sub(const struct resource *res, const struct sub_row *sub)
{
	return sub->plural ? resource_is(res, "", sub->plural) : res->flags & sub->flag;
}

/* ---- one group-version, the plain form ---- */

static void add_plain(struct arena *a, struct doc *list, const struct resource *res)
{
	struct doc *d = doc_append(a, list, doc_map(a)), *shorts;

	doc_set_string(a, d, "name", res->plural);
	doc_set_string(a, d, "singularName", res->singular);
	doc_set_bool(a, d, "namespaced", res->flags & RES_NAMESPACED);
	doc_set_string(a, d, "kind", res->kind);
	doc_set(a, d, "verbs", strings(a, res->flags & RES_VIRTUAL ? verbs_virtual : verbs_stored));
	if (res->short_names[0]) {
		shorts = strings(a, res->short_names);
		doc_set(a, d, "shortNames", shorts);
	}
	if (res->category_all)
		doc_append(a, doc_set_list(a, d, "categories"), doc_string(a, "all"));
	for (size_t i = 0; i < ARRAY_SIZE(sub_rows); i++) {
		const struct sub_row *sub = &sub_rows[i];

		if (!has_sub(res, sub))
			continue;
		d = doc_append(a, list, doc_map(a));
		doc_setf(a, d, "name", "%s/%s", res->plural, sub->name);
		doc_set_string(a, d, "singularName", "");
		doc_set_bool(a, d, "namespaced", res->flags & RES_NAMESPACED);
		if (sub->group) {
			doc_set_string(a, d, "group", sub->group);
			doc_set_string(a, d, "version", sub->version);
		}
		doc_set_string(a, d, "kind", sub->kind ? sub->kind : res->kind);
		doc_set(a, d, "verbs", strings(a, sub->verbs));
	}
}

static struct doc *resource_list(struct request *r, const char *group, const char *version)
{
	struct registry *reg = r->server->registry;
	struct arena *a = &r->arena;
	struct doc *d = doc_map(a), *list;

	doc_set_string(a, d, "kind", "APIResourceList");
	doc_set_string(a, d, "apiVersion", "v1");
	doc_set_string(a, d, "groupVersion",
		       *group ? arena_printf(a, "%s/%s", group, version) : version);
	list = doc_set_list(a, d, "resources");
	for (size_t i = 0; i < registry_count(reg); i++) {
		const struct resource *res = registry_at(reg, i);

		if (!res->retired && str_eq(res->group, group) && str_eq(res->version, version))
			add_plain(a, list, res);
	}
	return d;
}

/* ---- groups ---- */

static bool has_string(const struct doc *list, const char *s)
{
	doc_foreach_item (list, it)
		if (str_eq(doc_str(it), s))
			return true;
	return false;
}

/* Names of all groups ("" left out), in the order they came. */
static struct doc *group_names(struct request *r)
{
	struct registry *reg = r->server->registry;
	struct doc *names = doc_list(&r->arena);

	for (size_t i = 0; i < registry_count(reg); i++) {
		const struct resource *res = registry_at(reg, i);

		if (!res->retired && *res->group && !has_string(names, res->group))
			doc_append(&r->arena, names, doc_string(&r->arena, res->group));
	}
	return names;
}

/* Versions of a group, the preferred one first. */
static struct doc *version_names(struct request *r, const char *group)
{
	struct registry *reg = r->server->registry;
	struct doc *names = doc_list(&r->arena);

	for (int preferred = 1; preferred >= 0; preferred--) {
		for (size_t i = 0; i < registry_count(reg); i++) {
			const struct resource *res = registry_at(reg, i);

			if (!res->retired && str_eq(res->group, group) &&
			    res->preferred == preferred && !has_string(names, res->version))
				doc_append(&r->arena, names, doc_string(&r->arena, res->version));
		}
	}
	return names;
}

static struct doc *version_entry(struct arena *a, const char *group, const char *version)
{
	struct doc *d = doc_map(a);

	doc_setf(a, d, "groupVersion", "%s/%s", group, version);
	doc_set_string(a, d, "version", version);
	return d;
}

static struct doc *group_entry(struct request *r, const char *group, bool with_type)
{
	struct arena *a = &r->arena;
	struct doc *d = doc_map(a), *list, *names = version_names(r, group);

	if (with_type) {
		doc_set_string(a, d, "kind", "APIGroup");
		doc_set_string(a, d, "apiVersion", "v1");
	}
	doc_set_string(a, d, "name", group);
	list = doc_set_list(a, d, "versions");
	doc_foreach_item (names, v)
		doc_append(a, list, version_entry(a, group, doc_str(v)));
	doc_set(a, d, "preferredVersion", version_entry(a, group, doc_str(doc_at(names, 0))));
	return d;
}

static struct doc *group_list(struct request *r)
{
	struct arena *a = &r->arena;
	struct doc *d = doc_map(a), *list;

	doc_set_string(a, d, "kind", "APIGroupList");
	doc_set_string(a, d, "apiVersion", "v1");
	list = doc_set_list(a, d, "groups");
	doc_foreach_item (group_names(r), g)
		doc_append(a, list, group_entry(r, doc_str(g), false));
	return d;
}

static struct doc *core_versions(struct request *r)
{
	struct arena *a = &r->arena;
	struct doc *d = doc_map(a), *by_client;

	doc_set_string(a, d, "kind", "APIVersions");
	doc_append(a, doc_set_list(a, d, "versions"), doc_string(a, "v1"));
	by_client = doc_append(a, doc_set_list(a, d, "serverAddressByClientCIDRs"), doc_map(a));
	doc_set_string(a, by_client, "clientCIDR", "0.0.0.0/0");
	doc_set_string(a, by_client, "serverAddress", "127.0.0.1");
	return d;
}

/* ---- aggregated discovery: everything in one answer ---- */

static struct doc *kind_of(struct arena *a, const char *group, const char *version,
			   const char *kind)
{
	struct doc *d = doc_map(a);

	doc_set_string(a, d, "group", group);
	doc_set_string(a, d, "version", version);
	doc_set_string(a, d, "kind", kind);
	return d;
}

static void add_subresources(struct arena *a, struct doc *d, const struct resource *res)
{
	for (size_t i = 0; i < ARRAY_SIZE(sub_rows); i++) {
		const struct sub_row *sub = &sub_rows[i];
		struct doc *s;

		if (!has_sub(res, sub))
			continue;
		s = doc_append(a, doc_set_list(a, d, "subresources"), doc_map(a));
		doc_set_string(a, s, "subresource", sub->name);
		doc_set(a, s, "responseKind",
			kind_of(a, sub->group ? sub->group : res->group,
				sub->version ? sub->version : res->version,
				sub->kind ? sub->kind : res->kind));
		doc_set(a, s, "verbs", strings(a, sub->verbs));
	}
}

static void add_aggregated(struct arena *a, struct doc *list, const struct resource *res)
{
	struct doc *d = doc_append(a, list, doc_map(a));

	doc_set_string(a, d, "resource", res->plural);
	doc_set(a, d, "responseKind", kind_of(a, res->group, res->version, res->kind));
	doc_set_string(a, d, "scope", res->flags & RES_NAMESPACED ? "Namespaced" : "Cluster");
	doc_set_string(a, d, "singularResource", res->singular);
	doc_set(a, d, "verbs", strings(a, res->flags & RES_VIRTUAL ? verbs_virtual : verbs_stored));
	if (res->short_names[0])
		doc_set(a, d, "shortNames", strings(a, res->short_names));
	if (res->category_all)
		doc_append(a, doc_set_list(a, d, "categories"), doc_string(a, "all"));
	add_subresources(a, d, res);
}

static struct doc *aggregated_group(struct request *r, const char *group)
{
	struct registry *reg = r->server->registry;
	struct arena *a = &r->arena;
	struct doc *item = doc_map(a), *versions, *v, *resources;

	doc_set_string(a, doc_set_map(a, item, "metadata"), "name", group);
	versions = doc_set_list(a, item, "versions");
	doc_foreach_item (version_names(r, group), name) {
		v = doc_append(a, versions, doc_map(a));
		doc_set_string(a, v, "version", doc_str(name));
		doc_set_string(a, v, "freshness", "Current");
		resources = doc_set_list(a, v, "resources");
		for (size_t i = 0; i < registry_count(reg); i++) {
			const struct resource *res = registry_at(reg, i);

			if (!res->retired && str_eq(res->group, group) &&
			    str_eq(res->version, doc_str(name)))
				add_aggregated(a, resources, res);
		}
	}
	return item;
}

static void reply_aggregated(struct request *r, bool core)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	struct arena *a = &r->arena;
	struct doc *d = doc_map(a), *items;

	doc_set_string(a, d, "kind", "APIGroupDiscoveryList");
	doc_set_string(a, d, "apiVersion", "apidiscovery.k8s.io/v2");
	doc_set_map(a, d, "metadata");
	items = doc_set_list(a, d, "items");
	if (core)
		doc_append(a, items, aggregated_group(r, ""));
	else
		doc_foreach_item (group_names(r), g)
			doc_append(a, items, aggregated_group(r, doc_str(g)));
	doc_write_json(d, DOC_COMPACT, &sb);
	http_reply(TAKE(r->x), 200, AGGREGATED, sb.buf, sb.len);
}

static bool wants_aggregated(const struct request *r)
{
	const char *accept = http_headers_get(r->view->headers, "accept");

	return accept && strstr(accept, "g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
}

/* ---- OpenAPI v3: which kinds can be patched, and that fieldValidation is understood ---- */

static struct doc *openapi_index(struct request *r)
{
	struct arena *a = &r->arena;
	struct doc *d = doc_map(a), *paths = doc_set_map(a, d, "paths");

	doc_set_string(a, doc_set_map(a, paths, "api/v1"), "serverRelativeURL",
		       "/openapi/v3/api/v1");
	doc_foreach_item (group_names(r), g)
		doc_foreach_item (version_names(r, doc_str(g)), v) {
			const char *key = arena_printf(a, "apis/%s/%s", doc_str(g), doc_str(v));

			doc_setf(a, doc_set_map(a, paths, key), "serverRelativeURL",
				 "/openapi/v3/%s", key);
		}
	return d;
}

static void openapi_path(struct arena *a, struct doc *paths, const struct resource *res)
{
	const char *version = resource_api_version(a, res);
	const char *path = arena_printf(
		a, "/%s/%s/%s%s/{name}", *res->group ? "apis" : "api", version,
		res->flags & RES_NAMESPACED ? "namespaces/{namespace}/" : "", res->plural);
	struct doc *op = doc_set_map(a, doc_set_map(a, paths, path), "patch");
	struct doc *param = doc_append(a, doc_set_list(a, op, "parameters"), doc_map(a));

	doc_set_string(a, param, "name", "fieldValidation");
	doc_set_string(a, param, "in", "query");
	doc_set_string(a, doc_set_map(a, param, "schema"), "type", "string");
	doc_set(a, op, "x-kubernetes-group-version-kind",
		kind_of(a, res->group, res->version, res->kind));
	doc_set_string(a, doc_set_map(a, doc_set_map(a, op, "responses"), "200"), "description",
		       "OK");
}

static struct doc *openapi_document(struct request *r, const char *group, const char *version)
{
	struct registry *reg = r->server->registry;
	struct arena *a = &r->arena;
	struct doc *d = doc_map(a), *paths;

	doc_set_string(a, d, "openapi", "3.0.0");
	doc_set_string(a, doc_set_map(a, d, "info"), "title", "Kubernetes");
	doc_set_string(a, doc_get(d, "info"), "version", SERVED_AS);
	paths = doc_set_map(a, d, "paths");
	for (size_t i = 0; i < registry_count(reg); i++) {
		const struct resource *res = registry_at(reg, i);

		if (!res->retired && str_eq(res->group, group) && str_eq(res->version, version))
			openapi_path(a, paths, res);
	}
	return d;
}

/* ---- version and health ---- */

static struct doc *version_info(struct request *r)
{
	static const char *const fields[][2] = {
		{"major", "1"},
		{"minor", "34"},
		{"gitVersion", SERVED_AS "-sidestep-lab"},
		{"gitCommit", ""},
		{"gitTreeState", ""},
		{"buildDate", "1970-01-01T00:00:00Z"},
		{"goVersion", "none"},
		{"compiler", "gcc"},
		{"platform", "linux/amd64"},
	};
	struct doc *d = doc_map(&r->arena);

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		doc_set_string(&r->arena, d, fields[i][0], fields[i][1]);
	return d;
}

/* ---- paths ---- */

static bool serve_group_path(struct request *r, const char *rest)
{
	struct arena *a = &r->arena;
	const char *slash = strchr(rest, '/');
	const char *group = slash ? arena_strndup(a, rest, (size_t)(slash - rest)) : rest;

	if (slash && strchr(slash + 1, '/'))
		return false;
	if (slash && registry_has_group_version(r->server->registry, group, slash + 1))
		request_reply_doc(r, 200, resource_list(r, group, slash + 1));
	else if (!slash && *group && doc_len(version_names(r, group)))
		request_reply_doc(r, 200, group_entry(r, group, true));
	else
		return false;
	return true;
}

static bool serve_openapi(struct request *r, const char *rest)
{
	struct arena *a = &r->arena;
	const char *slash;

	if (!*rest) {
		request_reply_doc(r, 200, openapi_index(r));
		return true;
	}
	if (str_eq(rest, "/api/v1")) {
		request_reply_doc(r, 200, openapi_document(r, "", "v1"));
		return true;
	}
	if (!str_starts(rest, "/apis/"))
		return false;
	rest += strlen("/apis/");
	slash = strchr(rest, '/');
	if (!slash)
		return false;
	request_reply_doc(
		r, 200,
		openapi_document(r, arena_strndup(a, rest, (size_t)(slash - rest)), slash + 1));
	return true;
}

/*
 * OpenAPI v2 is only asked for by clients that do not know a kind; an empty document in protobuf
 * (swagger: "2.0") tells them that we do not know it either.
 */
static void serve_openapi_v2(struct request *r)
{
	static const char type[] = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
	static const char empty[] = {0x0a, 0x03, '2', '.', '0'};
	const char *accept = http_headers_get(r->view->headers, "accept");

	if (accept && strstr(accept, "proto-openapi"))
		http_reply(TAKE(r->x), 200, type, empty, sizeof(empty));
	else
		http_reply(TAKE(r->x), 200, "application/json", "{\"swagger\":\"2.0\"}", 17);
}

bool discovery_serve(struct request *r)
{
	const char *path = r->view->path;
	size_t n = strlen(path);

	if (!str_eq(r->view->method, "GET") && !str_eq(r->view->method, "HEAD"))
		return false;
	if (n > 1 && path[n - 1] == '/')
		path = arena_strndup(&r->arena, path, n - 1);
	if (str_eq(path, "/version"))
		request_reply_doc(r, 200, version_info(r));
	else if (str_eq(path, "/api") && wants_aggregated(r))
		reply_aggregated(r, true);
	else if (str_eq(path, "/apis") && wants_aggregated(r))
		reply_aggregated(r, false);
	else if (str_eq(path, "/api"))
		request_reply_doc(r, 200, core_versions(r));
	else if (str_eq(path, "/apis"))
		request_reply_doc(r, 200, group_list(r));
	else if (str_eq(path, "/api/v1"))
		request_reply_doc(r, 200, resource_list(r, "", "v1"));
	else if (str_starts(path, "/apis/"))
		return serve_group_path(r, path + strlen("/apis/"));
	else if (str_eq(path, "/openapi/v2"))
		serve_openapi_v2(r);
	else if (str_starts(path, "/openapi/v3"))
		return serve_openapi(r, path + strlen("/openapi/v3"));
	else
		return false;
	return true;
}
