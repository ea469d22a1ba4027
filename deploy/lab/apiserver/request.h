/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request.h - one request on its way through the server: what it asks for, who asks, and the
 * answer. It lives until it was answered (or its client went away) and nothing works on it.
 */
#pragma once

#include "deploy/lab/apiserver/resource.h"
#include "deploy/lab/apiserver/selector.h"
#include "deploy/lab/apiserver/table.h"
#include "lib/http/server.h"

#define REQUEST_MAX_BODY    (3u << 20)
#define REQUEST_MAX_HEADERS (64u << 10)

struct apiserver;
struct remove_options;

enum verb {
	VERB_GET,
	VERB_LIST,
	VERB_WATCH,
	VERB_CREATE,
	VERB_UPDATE,
	VERB_PATCH,
	VERB_DELETE,
	VERB_DELETE_COLLECTION,
};
const char *verb_name(enum verb v);

enum output { AS_OBJECT, AS_TABLE, AS_METADATA };

/* The path, taken apart; strings in the arena, "" where there is none. */
struct target {
	const char *group, *version, *ns, *plural, *name, *subresource;
};
/* 0, -ENOENT when the path is no resource's. */
int target_parse(struct arena *a, const char *path, struct target *ret);

/* What a list or a watch asks for beside the resource. */
struct list_query {
	struct selector labels, fields;
	const char *version; /* resourceVersion; "" when absent */
	const char *version_match;
	const char *continue_token;
	uint64_t limit, timeout_s;
	bool bookmarks, send_initial;
	bool send_initial_given;
};

struct request {
	struct apiserver *server;
	struct http_exchange *x; /* NULL once the client is gone or has its answer */
	const struct http_view *view;
	unsigned refs;
	struct arena arena;
	struct refusal refusal;

	const char *user;
	const char *const *groups; /* NULL-terminated, may be NULL */

	enum verb verb;
	struct target target;
	const struct resource *res;
	enum output output;
	enum table_include include;
	bool yaml; /* the answer as YAML */
	bool cut;  /* scripted: the answer is lost */

	bool dry_run;
	enum { FIELDS_WARN, FIELDS_STRICT, FIELDS_IGNORE } field_validation;

	/* Of writes (write.c, admission.c). */
	struct doc *object;   /* the new state */
	struct revision *old; /* what it is based on; counted; NULL at creation */
	struct doc *patch;    /* as sent */
	int patch_kind;       /* write.c's */
	unsigned attempts;    /* of a patch that met a change in between */
	const struct remove_options *removal;
	const char **warnings;
	size_t n_warnings;
};

struct request *request_new(struct apiserver *s, struct http_exchange *x);
void request_ref(struct request *r);
void request_unref(struct request *r);

/* The body as a document. */
int request_body(struct request *r, struct doc **ret);
int request_list_query(struct request *r, struct list_query *ret);
/* dryRun, fieldValidation, Accept. */
int request_options(struct request *r);
const char *request_query(const struct request *r, const char *name);

/* "This may be wrong, but it was done": a Warning header. */
void request_warn(struct request *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Answers; nothing happens when the client is gone. */
void request_reply_doc(struct request *r, int status, const struct doc *d);
void request_reply_json(struct request *r, int status, const char *json, size_t n);
/* One stored object, as the client wants to see it. */
void request_reply_revision(struct request *r, int status, const struct revision *rev);
void request_reply_object(struct request *r, int status, const struct doc *object);
/* What r->refusal says. */
void request_reply_refusal(struct request *r);
/* A Status: what was posted to a subresource is done. */
void request_reply_created(struct request *r);
/* A Status: the object is deleted. */
void request_reply_success(struct request *r, const char *name, const char *uid);

static inline struct subject request_subject(const struct request *r)
{
	return resource_subject(r->res, r->target.name);
}
/* The object in the version of this resource: the stored one, or a changed copy. */
const struct doc *request_versioned(struct request *r, const struct revision *rev);
