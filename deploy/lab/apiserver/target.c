/* SPDX-License-Identifier: Apache-2.0 */
/* Paths and queries of requests: pure, fuzzed. */
#include "deploy/lab/apiserver/request.h"
#include "lib/base/str.h"

enum { PARTS_MAX = 8 };

const char *verb_name(enum verb v)
{
	static const char *const names[] = {"get",    "list",  "watch",  "create",
					    "update", "patch", "delete", "deletecollection"};

	return names[v];
}

/* Splits at '/'; -ENOENT for empty parts or too many. */
static int split(struct arena *a, const char *path, const char **parts, size_t *ret_n)
{
	size_t n = 0;

	while (*path == '/') {
		size_t len = strcspn(++path, "/");

		if (!len && !path[len])
			break;
		if (!len || n == PARTS_MAX)
			return -ENOENT;
		parts[n++] = arena_strndup(a, path, len);
		path += len;
	}
	*ret_n = n;
	return *path ? -ENOENT : 0;
}

/* /api/VERSION/... or /apis/GROUP/VERSION/...: how many parts the prefix takes, 0 for none. */
static size_t prefix(const char **parts, size_t n, struct target *t)
{
	if (n >= 3 && str_eq(parts[0], "api")) {
		t->group = "";
		t->version = parts[1];
		return 2;
	}
	if (n >= 4 && str_eq(parts[0], "apis")) {
		t->group = parts[1];
		t->version = parts[2];
		return 3;
	}
	return 0;
}

static bool of_namespace_itself(const char *sub)
{
	return str_eq(sub, "status") || str_eq(sub, "finalize");
}

int target_parse(struct arena *a, const char *path, struct target *ret)
{
	const char *parts[PARTS_MAX];
	struct target t = {"", "", "", "", "", ""};
	size_t n, at;

	if (split(a, path, parts, &n))
		return -ENOENT;
	at = prefix(parts, n, &t);
	if (!at)
		return -ENOENT;
	if (str_eq(parts[at], "namespaces") && !*t.group && n - at >= 3 &&
	    !of_namespace_itself(parts[at + 2])) {
		t.ns = parts[at + 1];
		at += 2;
	} else if (str_eq(parts[at], "namespaces") && *t.group && n - at >= 3) {
		t.ns = parts[at + 1];
		at += 2;
	}
	t.plural = parts[at++];
	if (at < n)
		t.name = parts[at++];
	if (at < n)
		t.subresource = parts[at++];
	if (at < n)
		return -ENOENT;
	*ret = t;
	return 0;
}

const char *request_query(const struct request *r, const char *name)
{
	return str_or_empty(http_query_get(r->view->query, name));
}

static int number(struct request *r, const char *name, uint64_t *ret)
{
	struct error err = ERROR_INIT;
	const char *text = request_query(r, name);

	*ret = 0;
	if (!*text)
		return 0;
	if (str_to_u64(text, 0, UINT32_MAX, ret, name, &err))
		return refuse_bad_request(&r->refusal, "%s", err.msg);
	return 0;
}

static int check_fields(struct request *r, const struct selector *fields)
{
	for (size_t i = 0; i < fields->n; i++) {
		const char *key = fields->items[i].key;
		bool known = str_eq(key, "metadata.name") || str_eq(key, "metadata.namespace");

		for (size_t f = 0; !known && f < ARRAY_SIZE(r->res->fields) && r->res->fields[f];
		     f++)
			known = str_eq(key, r->res->fields[f]);
		if (!known)
			return refuse_bad_request(&r->refusal,
						  "Unable to find \"%s/%s, Resource=%s\" that "
						  "match label selector \"\", field "
						  "selector \"%s\": field label not supported: %s",
						  r->res->group, r->res->version, r->res->plural,
						  request_query(r, "fieldSelector"), key);
	}
	return 0;
}

int request_list_query(struct request *r, struct list_query *ret)
{
	struct list_query q = {0};
	struct error err = ERROR_INIT;

	if (selector_parse(&r->arena, request_query(r, "labelSelector"), &q.labels, &err) ||
	    field_selector_parse(&r->arena, request_query(r, "fieldSelector"), &q.fields, &err))
		return refuse_bad_request(&r->refusal, "unable to parse requirement: %s", err.msg);
	if (number(r, "limit", &q.limit) || number(r, "timeoutSeconds", &q.timeout_s) ||
	    check_fields(r, &q.fields))
		return REFUSED;
	q.version = request_query(r, "resourceVersion");
	q.version_match = request_query(r, "resourceVersionMatch");
	q.continue_token = request_query(r, "continue");
	q.bookmarks = http_query_bool(r->view->query, "allowWatchBookmarks");
	q.send_initial = http_query_bool(r->view->query, "sendInitialEvents");
	q.send_initial_given = http_query_get(r->view->query, "sendInitialEvents") != NULL;
	*ret = q;
	return 0;
}

/* One entry of an Accept header; true when it is one we can give. */
static bool accept_entry(struct request *r, const char *entry)
{
	if (str_starts(entry, "application/vnd.kubernetes.protobuf"))
		return false;
	if (str_starts(entry, "application/yaml")) {
		r->yaml = true;
		return true;
	}
	if (strstr(entry, "as=Table"))
		r->output = strstr(entry, "v=v1beta1") ? AS_OBJECT : AS_TABLE;
	else if (strstr(entry, "as=PartialObjectMetadata"))
		r->output = AS_METADATA;
	else if (strstr(entry, "as="))
		return false;
	return str_starts(entry, "application/json") || str_starts(entry, "*/*") ||
	       str_starts(entry, "application/*");
}

static int accept(struct request *r)
{
	const char *text = http_headers_get(r->view->headers, "accept");

	r->output = AS_OBJECT;
	if (str_empty(text))
		return 0;
	while (*text) {
		size_t n;

		text += strspn(text, " ,");
		n = strcspn(text, ",");
		if (accept_entry(r, arena_strndup(&r->arena, text, n)))
			return 0;
		text += n;
	}
	return refuse(
		&r->refusal, 406, "NotAcceptable",
		"only the following media types are accepted: application/json, application/yaml");
}

int request_options(struct request *r)
{
	const char *dry = request_query(r, "dryRun");
	const char *fields = request_query(r, "fieldValidation");
	const char *include = request_query(r, "includeObject");

	if (*dry && !str_eq(dry, "All"))
		return refuse_bad_request(
			&r->refusal, "dryRun: Unsupported value: \"%s\": supported values: \"All\"",
			dry);
	r->dry_run = *dry;
	r->field_validation = str_eq(fields, "Strict")   ? FIELDS_STRICT
			      : str_eq(fields, "Ignore") ? FIELDS_IGNORE
							 : FIELDS_WARN;
	r->include = str_eq(include, "Object") ? TABLE_OBJECT
		     : str_eq(include, "None") ? TABLE_NONE
					       : TABLE_METADATA;
	return accept(r);
}
