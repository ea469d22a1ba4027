/* SPDX-License-Identifier: Apache-2.0 */
/* YAML in, from libyaml's events. Typing is doc_scalar.c's; this file builds trees and keeps
 * limits. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "lib/base/io.h"
#include "lib/base/limits.h"
#include "lib/base/map.h"
#include "lib/base/str.h"
#include "lib/base/vec.h"
#include "lib/doc/doc_impl.h"

/* An open list or map. */
struct frame {
	struct doc *node;
	const char *anchor;     /* NULL when it has none */
	const char *key;        /* map: waiting for its value */
	bool merge;             /* map: the value that comes is for << */
	VEC(struct doc *) from; /* map: what << named, in order */
};

struct reader {
	struct arena *arena;
	const char *file;
	yaml_parser_t parser;
	struct frame frames[DOC_MAX_DEPTH];
	size_t depth;
	struct map anchors; /* name to finished node, of this document */
	size_t nodes, alias_nodes;
	struct doc *root; /* of the document being read */
	VEC(struct doc *) docs;
	struct error *err;
};

static int fail(struct reader *r, int code, const yaml_mark_t *at, const char *what)
{
	return error_set(r->err, code, "%s:%zu:%zu: %s", r->file, at->line + 1, at->column + 1,
			 what);
}

static int parser_error(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	const char *hint = "";

	if (p->error == YAML_READER_ERROR)
		return error_set(r->err, -EINVAL, "%s: byte %zu: %s", r->file, p->problem_offset,
				 str_or_empty(p->problem));
	/* "[::1]", "[2001:db8::, x]": readers of YAML disagree about what this is, so we do not
	 * guess. */
	if (strstr(str_or_empty(p->context), "flow node") ||
	    strstr(str_or_empty(p->problem), "unexpected ':'"))
		hint = "; inside [] and {} a text that begins or ends with ':' needs quotes";
	if (p->context)
		return error_set(r->err, -EINVAL, "%s:%zu:%zu: %s (%s at line %zu)%s", r->file,
				 p->problem_mark.line + 1, p->problem_mark.column + 1,
				 str_or_empty(p->problem), p->context, p->context_mark.line + 1,
				 hint);
	return fail(r, -EINVAL, &p->problem_mark, str_or_empty(p->problem));
}

static int new_node(struct reader *r, enum doc_kind kind, const yaml_mark_t *at, struct doc **ret)
{
	if (++r->nodes > DOC_MAX_NODES)
		return fail(r, -E2BIG, at, "too many values");
	*ret = doc_node(r->arena, kind);
	(*ret)->file = r->file;
	(*ret)->line = (uint32_t)at->line + 1;
	(*ret)->col = (uint32_t)at->column + 1;
	return 0;
}

/* A map key as the JSON that Kubernetes makes of it: booleans and numbers by their canonical form.
 */
static int key_text(struct reader *r, const struct doc *d, const yaml_mark_t *at, const char **ret)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	switch (d->kind) {
	case DOC_STRING:
		*ret = d->string;
		return 0;
	case DOC_BOOL:
	case DOC_INT:
	case DOC_REAL:
		doc_write_json(d, DOC_COMPACT, &sb);
		*ret = arena_strdup(r->arena, strbuf_cstr(&sb));
		return 0;
	case DOC_NULL:
	case DOC_LIST:
	case DOC_MAP:
		break;
	}
	return fail(r, -EINVAL, at, "a map key must be a scalar");
}

/* Puts a finished node where it belongs. */
static int place(struct reader *r, struct doc *d, bool is_merge, const yaml_mark_t *at)
{
	struct frame *f = r->depth ? &r->frames[r->depth - 1] : NULL;

	if (!f) {
		r->root = d;
		return 0;
	}
	if (f->node->kind == DOC_LIST) {
		doc_append(r->arena, f->node, d);
	} else if (f->merge) {
		vec_push(&f->from, d);
		f->merge = false;
	} else if (f->key) {
		doc_map_push(r->arena, f->node, f->key, d);
		f->key = NULL;
	} else if (is_merge) {
		f->merge = true;
	} else {
		return key_text(r, d, at, &f->key);
	}
	return 0;
}

static void remember(struct reader *r, const char *anchor, struct doc *d)
{
	if (anchor)
		map_set(&r->anchors, anchor, d);
}

static int open_frame(struct reader *r, enum doc_kind kind, const yaml_char_t *anchor,
		      const yaml_char_t *tag, const yaml_mark_t *at)
{
	const char *want = kind == DOC_MAP ? YAML_MAP_TAG : YAML_SEQ_TAG;
	struct frame *f;

	if (tag && strcmp((const char *)tag, "!") != 0 && strcmp((const char *)tag, want) != 0)
		return fail(r, -EINVAL, at, "tags other than YAML's own are not read");
	if (r->depth == DOC_MAX_DEPTH)
		return fail(r, -E2BIG, at, "nested too deep");
	f = &r->frames[r->depth];
	memset(f, 0, sizeof(*f));
	f->anchor = arena_strdup(r->arena, (const char *)anchor);
	if (r->depth && r->frames[r->depth - 1].node->kind == DOC_MAP &&
	    !r->frames[r->depth - 1].key && !r->frames[r->depth - 1].merge)
		return fail(r, -EINVAL, at, "a map key must be a scalar");
	r->depth++;
	return new_node(r, kind, at, &f->node);
}

/* Adds what << named: earlier ones win over later ones, the map's own keys over all. */
static int merge_one(struct reader *r, struct doc *map, const struct doc *from,
		     const yaml_mark_t *at)
{
	if (from->kind != DOC_MAP)
		return fail(r, -EINVAL, at, "<< wants a map or a list of maps");
	r->alias_nodes += from->map.n * (map->map.n + 1);
	if (r->alias_nodes > DOC_MAX_ALIAS_NODES)
		return fail(r, -E2BIG, at, "aliases expand to too much");
	doc_foreach_entry (from, e)
		if (!doc_get(map, e->key))
			doc_map_push(r->arena, map, e->key, e->value);
	return 0;
}

static int merge_all(struct reader *r, struct frame *f, const yaml_mark_t *at)
{
	int rc = 0;

	vec_foreach (&f->from, it) {
		if ((*it)->kind != DOC_LIST)
			rc = merge_one(r, f->node, *it, at);
		doc_foreach_item (*it, m)
			if (rc == 0)
				rc = merge_one(r, f->node, m, at);
		if (rc < 0)
			break;
	}
	vec_release(&f->from);
	return rc;
}

/*
 * Charts print a label twice, and kubectl takes the last of the two: the same value twice is no
 * question, two values are one for who wrote them. At most so many of them in one map.
 */
#define MAX_REPEATED 64

static int drop_repeated(struct reader *r, struct doc *map)
{
	const struct doc_entry *dup = doc_first_duplicate(map);

	for (size_t n = 0; dup; n++, dup = doc_first_duplicate(map)) {
		const struct doc *first = doc_get(map, dup->key);
		const size_t at = (size_t)(dup - map->map.entries);

		if (n == MAX_REPEATED || !doc_equal(first, dup->value))
			return error_set(r->err, -EINVAL,
					 "%s:%" PRIu32 ":%" PRIu32
					 ": key \"%.100s\" is set twice%s (the first "
					 "is in line %" PRIu32 ")",
					 r->file, dup->value->line, dup->value->col, dup->key,
					 n == MAX_REPEATED ? ", as too many are"
							   : ", and not to the same",
					 first->line);
		memmove(&map->map.entries[at], &map->map.entries[at + 1],
			(--map->map.n - at) * sizeof(*dup));
	}
	return 0;
}

static int close_frame(struct reader *r, const yaml_mark_t *at)
{
	struct frame *f = &r->frames[--r->depth];
	int rc;

	if (f->node->kind == DOC_MAP) {
		rc = drop_repeated(r, f->node);
		if (rc < 0) {
			vec_release(&f->from);
			return rc;
		}
		rc = merge_all(r, f, at);
		if (rc < 0)
			return rc;
	}
	remember(r, f->anchor, f->node);
	return place(r, f->node, false, at);
}

/* Kind that a core tag asks for; -1 for none of them. */
static int tagged_kind(const char *tag)
{
	static const struct {
		const char *tag;
		enum doc_kind kind;
	} tags[] = {
		{"!", DOC_STRING},
		{YAML_STR_TAG, DOC_STRING},
		{YAML_TIMESTAMP_TAG, DOC_STRING},
		{YAML_NULL_TAG, DOC_NULL},
		{YAML_BOOL_TAG, DOC_BOOL},
		{YAML_INT_TAG, DOC_INT},
		{YAML_FLOAT_TAG, DOC_REAL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(tags); i++)
		if (strcmp(tags[i].tag, tag) == 0)
			return (int)tags[i].kind;
	return -1;
}

static int type_tagged(struct reader *r, struct doc *d, const char *tag, const char *text,
		       const yaml_mark_t *at)
{
	const int kind = tagged_kind(tag);

	if (kind < 0)
		return fail(r, -EINVAL, at, "tags other than YAML's own are not read");
	d->kind = DOC_STRING;
	d->string = text;
	if (kind == DOC_STRING)
		return 0;
	if (doc_scalar_resolve(d, text) < 0)
		return fail(r, -EINVAL, at, "not a finite number");
	if (kind == DOC_REAL && d->kind == DOC_INT) {
		d->kind = DOC_REAL;
		d->real = (double)d->integer;
	}
	if ((int)d->kind != kind)
		return fail(r, -EINVAL, at, "the value does not fit its tag");
	return 0;
}

static int read_scalar(struct reader *r, const yaml_event_t *ev)
{
	const yaml_mark_t *at = &ev->start_mark;
	const char *tag = (const char *)ev->data.scalar.tag;
	const bool plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !tag;
	const char *text;
	struct doc *d;
	int rc = new_node(r, DOC_STRING, at, &d);

	if (rc < 0)
		return rc;
	if (memchr(ev->data.scalar.value, '\0', ev->data.scalar.length))
		return fail(r, -EINVAL, at, "a string cannot contain NUL");
	text = arena_strndup(r->arena, (const char *)ev->data.scalar.value, ev->data.scalar.length);
	d->string = text;
	if (plain && doc_scalar_resolve(d, text) < 0)
		return fail(r, -EINVAL, at, "not a finite number");
	if (tag)
		rc = type_tagged(r, d, tag, text, at);
	if (rc < 0)
		return rc;
	remember(r, (const char *)ev->data.scalar.anchor, d);
	return place(r, d, plain && strcmp(text, "<<") == 0, at);
}

/* Nodes in d, giving up past the limit; depth of the deepest one. */
static size_t measure(const struct doc *d, size_t level, size_t *deepest, size_t budget)
{
	size_t n = 1;

	*deepest = MAX(*deepest, level);
	doc_foreach_item (d, item)
		if (n <= budget)
			n += measure(item, level + 1, deepest, budget - n);
	doc_foreach_entry (d, e)
		if (n <= budget)
			n += measure(e->value, level + 1, deepest, budget - n);
	return n;
}

static int read_alias(struct reader *r, const yaml_event_t *ev)
{
	struct doc *d = map_get(&r->anchors, (const char *)ev->data.alias.anchor);
	size_t deepest = 0;

	if (!d)
		return fail(r, -EINVAL, &ev->start_mark, "unknown anchor");
	r->alias_nodes += measure(d, r->depth + 1, &deepest, DOC_MAX_ALIAS_NODES);
	if (r->alias_nodes > DOC_MAX_ALIAS_NODES)
		return fail(r, -E2BIG, &ev->start_mark, "aliases expand to too much");
	if (deepest > DOC_MAX_DEPTH)
		return fail(r, -E2BIG, &ev->start_mark, "nested too deep");
	return place(r, doc_clone(r->arena, d), false, &ev->start_mark);
}

static int end_document(struct reader *r, const yaml_event_t *ev)
{
	if (r->docs.n >= DOC_MAX_DOCUMENTS)
		return fail(r, -E2BIG, &ev->start_mark, "too many documents");
	vec_push(&r->docs, r->root);
	r->root = NULL;
	map_release(&r->anchors);
	return 0;
}

static int handle(struct reader *r, const yaml_event_t *ev)
{
	switch (ev->type) {
	case YAML_SCALAR_EVENT:
		return read_scalar(r, ev);
	case YAML_ALIAS_EVENT:
		return read_alias(r, ev);
	case YAML_SEQUENCE_START_EVENT:
		return open_frame(r, DOC_LIST, ev->data.sequence_start.anchor,
				  ev->data.sequence_start.tag, &ev->start_mark);
	case YAML_MAPPING_START_EVENT:
		return open_frame(r, DOC_MAP, ev->data.mapping_start.anchor,
				  ev->data.mapping_start.tag, &ev->start_mark);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return close_frame(r, &ev->start_mark);
	case YAML_DOCUMENT_END_EVENT:
		return end_document(r, ev);
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_START_EVENT:
		break;
	}
	return 0;
}

static int read_events(struct reader *r)
{
	bool done = false;

	while (!done) {
		yaml_event_t ev;
		int rc;

		if (!yaml_parser_parse(&r->parser, &ev))
			return parser_error(r);
		rc = handle(r, &ev);
		done = ev.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&ev);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* The byte at which libyaml's character number `index` begins. */
static size_t byte_of(const char *data, size_t n, size_t index)
{
	size_t at = n >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

	for (; index > 0 && at < n; index--)
		for (at++; at < n && ((unsigned char)data[at] & 0xc0) == 0x80;)
			at++;
	return at;
}

/*
 * "[1.2.3.4, 001:db8::]": Go's reader, and so kubectl, takes the last colon for text; libyaml
 * refuses it, and says where the text begins and ends. Then it is quoted there and all is read
 * again; what follows on that line is found two columns later.
 */
static bool quote_colon(const struct reader *r, const char *data, size_t n, struct strbuf *out)
{
	const yaml_parser_t *p = &r->parser;
	size_t from, to;

	if (p->error != YAML_SCANNER_ERROR || strcmp(p->problem, "found unexpected ':'") != 0)
		return false;
	from = byte_of(data, n, p->context_mark.index);
	to = byte_of(data, n, p->problem_mark.index);
	if (from >= to || to >= n || data[to] != ':' ||
	    p->context_mark.line != p->problem_mark.line)
		return false;
	for (size_t i = from; i <= to; i++)
		if (strchr("\"\\", data[i]))
			return false;
	strbuf_add(out, data, from);
	strbuf_adds(out, "\"");
	strbuf_add(out, data + from, to + 1 - from);
	strbuf_adds(out, "\"");
	strbuf_add(out, data + to + 1, n - to - 1);
	return true;
}

static int read_once(struct arena *a, const char *data, size_t n, const char *file,
		     struct doc_stream *ret_stream, struct strbuf *again, struct error *err)
{
	struct reader r = {.arena = a, .err = err};
	int rc;

	r.file = arena_strdup(a, file ? file : "yaml");
	if (!yaml_parser_initialize(&r.parser))
		return error_set(err, -ENOMEM, "yaml parser");
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)(n ? data : ""), n);
	rc = read_events(&r);
	if (rc == 0) {
		ret_stream->n = r.docs.n;
		ret_stream->docs = arena_memdup(a, r.docs.n ? r.docs.items : &r.root,
						MAX(r.docs.n, 1u) * sizeof(struct doc *));
	} else if (again && quote_colon(&r, data, n, again)) {
		rc = -EAGAIN;
	}
	for (size_t i = 0; i < r.depth; i++)
		vec_release(&r.frames[i].from);
	vec_release(&r.docs);
	map_release(&r.anchors);
	yaml_parser_delete(&r.parser);
	return rc;
}

/* So often a text is quoted; a file with more of them says so itself. */
#define MAX_QUOTED 32u

int doc_read_yaml(struct arena *a, const char *data, size_t n, const char *file,
		  struct doc_stream *ret_stream, struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	struct strbuf next = STRBUF_INIT;
	int rc = read_once(a, data, n, file, ret_stream, &next, err);

	for (unsigned i = 1; rc == -EAGAIN; i++) {
		strbuf_release(&text);
		text = next;
		next = (struct strbuf)STRBUF_INIT;
		if (err)
			*err = (struct error)ERROR_INIT;
		rc = read_once(a, text.buf, text.len, file, ret_stream,
			       i < MAX_QUOTED ? &next : NULL, err);
	}
	return rc;
}

static int read_one_json(struct arena *a, const struct strbuf *sb, const char *path,
			 struct doc_stream *ret, struct error *err)
{
	struct doc **docs = arena_new(a, struct doc *);
	int r = doc_read_json(a, sb->buf, sb->len, path, docs, err);

	if (r == 0)
		*ret = (struct doc_stream){docs, 1};
	return r;
}

int doc_read_file(struct arena *a, const char *path, struct doc_stream *ret_stream,
		  struct error *err)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	const char *name = strcmp(path, "-") == 0 ? "<stdin>" : path;
	size_t skip;
	int r = io_read_file(path, LIMIT_FILE_BYTES, &sb, err);

	if (r < 0)
		return r;
	skip = strspn(strbuf_cstr(&sb), " \t\r\n");
	/* Flow-style YAML may look like JSON; JSON's own error is the better one. */
	if (sb.len > skip && strchr("{[", sb.buf[skip])) {
		r = read_one_json(a, &sb, name, ret_stream, err);
		if (r == 0 || doc_read_yaml(a, sb.buf, sb.len, name, ret_stream, NULL) < 0)
			return r;
		return 0;
	}
	return doc_read_yaml(a, strbuf_cstr(&sb), sb.len, name, ret_stream, err);
}
