/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/refusal.h"

#include <string.h>

#include "lib/base/str.h"

static void vset(struct refusal *r, int code, const char *reason, const char *fmt, va_list ap)
	PRINTF_LIKE(4, 0);

static void vset(struct refusal *r, int code, const char *reason, const char *fmt, va_list ap)
{
	struct arena *a = r->arena;

	*r = (struct refusal){.arena = a, .code = code, .reason = reason};
	r->message = arena_vprintf(a, fmt, ap);
}

int refuse(struct refusal *r, int code, const char *reason, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vset(r, code, reason, fmt, ap);
	va_end(ap);
	return REFUSED;
}

/* "deployments.apps", or "pods" for the core group. */
static const char *qualified(struct arena *a, struct subject s)
{
	const char *plural = s.plural ? s.plural : "the server could not find the resource";

	return str_empty(s.group) ? plural : arena_printf(a, "%s.%s", plural, s.group);
}

static void set_details(struct refusal *r, struct subject s)
{
	r->group = str_empty(s.group) ? NULL : s.group;
	r->kind = s.plural;
	r->name = str_empty(s.name) ? NULL : s.name;
}

int refuse_not_found(struct refusal *r, struct subject s)
{
	refuse(r, 404, "NotFound", "%s \"%s\" not found", qualified(r->arena, s),
	       str_or_empty(s.name));
	set_details(r, s);
	return REFUSED;
}

int refuse_exists(struct refusal *r, struct subject s)
{
	refuse(r, 409, "AlreadyExists", "%s \"%s\" already exists", qualified(r->arena, s),
	       str_or_empty(s.name));
	set_details(r, s);
	return REFUSED;
}

int refuse_conflict(struct refusal *r, struct subject s, const char *fmt, ...)
{
	const char *why;
	va_list ap;

	va_start(ap, fmt);
	why = arena_vprintf(r->arena, fmt, ap);
	va_end(ap);
	refuse(r, 409, "Conflict", "Operation cannot be fulfilled on %s \"%s\": %s",
	       qualified(r->arena, s), str_or_empty(s.name), why);
	set_details(r, s);
	return REFUSED;
}

int refuse_forbidden(struct refusal *r, struct subject s, const char *fmt, ...)
{
	const char *why;
	va_list ap;

	va_start(ap, fmt);
	why = arena_vprintf(r->arena, fmt, ap);
	va_end(ap);
	refuse(r, 403, "Forbidden", "%s \"%s\" is forbidden: %s", qualified(r->arena, s),
	       str_or_empty(s.name), why);
	set_details(r, s);
	return REFUSED;
}

int refuse_bad_request(struct refusal *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vset(r, 400, "BadRequest", fmt, ap);
	va_end(ap);
	return REFUSED;
}

int refuse_not_served(struct refusal *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vset(r, 501, "NotImplemented", fmt, ap);
	va_end(ap);
	return REFUSED;
}

int refuse_expired(struct refusal *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vset(r, 410, "Expired", fmt, ap);
	va_end(ap);
	return REFUSED;
}

static void add(struct causes *c, const char *type, const char *field, const char *message)
{
	struct doc *cause;

	if (!c->list)
		c->list = doc_list(c->arena);
	if (doc_len(c->list) >= CAUSES_MAX)
		return;
	cause = doc_append(c->arena, c->list, doc_map(c->arena));
	doc_set_string(c->arena, cause, "reason", type);
	doc_set_string(c->arena, cause, "message", message);
	doc_set_string(c->arena, cause, "field", field);
}

void cause_required(struct causes *c, const char *field, const char *detail)
{
	add(c, "FieldValueRequired", field,
	    str_empty(detail) ? "Required value"
			      : arena_printf(c->arena, "Required value: %s", detail));
}

/* A value as Kubernetes quotes it in a message: strings in quotes, structures as JSON. */
static const char *shown(struct arena *a, const struct doc *value)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	if (!value)
		return "null";
	doc_write_json(value, DOC_COMPACT, &sb);
	return arena_strndup(a, strbuf_cstr(&sb), 512);
}

void cause_invalid(struct causes *c, const char *field, const struct doc *value, const char *detail)
{
	add(c, "FieldValueInvalid", field,
	    arena_printf(c->arena, "Invalid value: %s: %s", shown(c->arena, value), detail));
}

void cause_invalid_str(struct causes *c, const char *field, const char *value, const char *detail)
{
	add(c, "FieldValueInvalid", field,
	    arena_printf(c->arena, "Invalid value: \"%.512s\": %s", str_or_empty(value), detail));
}

void cause_forbidden(struct causes *c, const char *field, const char *detail)
{
	add(c, "FieldValueForbidden", field, arena_printf(c->arena, "Forbidden: %s", detail));
}

void cause_not_found(struct causes *c, const char *field, const char *value)
{
	add(c, "FieldValueNotFound", field,
	    arena_printf(c->arena, "Not found: \"%.512s\"", str_or_empty(value)));
}

void cause_duplicate(struct causes *c, const char *field, const char *value)
{
	add(c, "FieldValueDuplicate", field,
	    arena_printf(c->arena, "Duplicate value: \"%.512s\"", str_or_empty(value)));
}

void cause_unsupported(struct causes *c, const char *field, const char *value,
		       const char *const *supported)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	strbuf_addf(&sb, "Unsupported value: \"%.512s\": supported values: ", str_or_empty(value));
	for (size_t i = 0; supported[i]; i++)
		strbuf_addf(&sb, "%s\"%s\"", i ? ", " : "", supported[i]);
	add(c, "FieldValueNotSupported", field, strbuf_cstr(&sb));
}

/* One cause reads "field: message"; several are listed in brackets. */
int refuse_causes(struct refusal *r, struct subject s, const struct causes *c)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	size_t n = doc_len(c->list);

	if (!n)
		return 0;
	doc_foreach_item (c->list, cause)
		strbuf_addf(&sb, "%s%s: %s", sb.len ? ", " : "", doc_str(doc_get(cause, "field")),
			    doc_str(doc_get(cause, "message")));
	refuse(r, 422, "Invalid",
	       n > 1 ? "%s%s%s \"%s\" is invalid: [%s]" : "%s%s%s \"%s\" is invalid: %s", s.kind,
	       str_empty(s.group) ? "" : ".", str_or_empty(s.group), str_or_empty(s.name),
	       strbuf_cstr(&sb));
	set_details(r, s);
	r->kind = s.kind;
	r->causes = c->list;
	return REFUSED;
}

struct doc *refusal_status(const struct refusal *r)
{
	struct arena *a = r->arena;
	struct doc *st = doc_map(a), *details = doc_map(a);

	doc_set_string(a, st, "kind", "Status");
	doc_set_string(a, st, "apiVersion", "v1");
	doc_set_map(a, st, "metadata");
	doc_set_string(a, st, "status", "Failure");
	doc_set_string(a, st, "message", r->message);
	doc_set_string(a, st, "reason", r->reason);
	doc_set_string(a, details, "name", r->name);
	doc_set_string(a, details, "group", r->group);
	doc_set_string(a, details, "kind", r->kind);
	doc_set_string(a, details, "uid", r->uid);
	if (r->causes)
		doc_set(a, details, "causes", r->causes);
	if (r->retry_after_s)
		doc_set_int(a, details, "retryAfterSeconds", r->retry_after_s);
	if (doc_len(details))
		doc_set(a, st, "details", details);
	doc_set_int(a, st, "code", r->code);
	return st;
}
