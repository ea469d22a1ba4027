/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/protobuf.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"

#define MAX_DEPTH 32

struct span {
	const uint8_t *at, *end;
};

/* One field of the wire: a number, and a varint or bytes. */
struct wire {
	unsigned number;
	bool is_bytes;
	uint64_t value;
	struct span bytes;
};

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

static int broken(struct error *err)
{
	return error_set(err, -EINVAL, "protobuf: cut short or malformed");
}

static int read_varint(struct span *s, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64 && s->at < s->end; shift += 7) {
		uint8_t byte = *s->at++;

		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = v;
			return 0;
		}
	}
	return -EINVAL;
}

static int take_bytes(struct span *s, uint64_t n, struct span *ret)
{
	if (n > (uint64_t)(s->end - s->at))
		return -EINVAL;
	*ret = (struct span){s->at, s->at + n};
	s->at += n;
	return 0;
}

/* 1: a field. 0: the end. */
static int next_field(struct span *s, struct wire *w, struct error *err)
{
	uint64_t tag, n = 0;
	int r;

	if (s->at == s->end)
		return 0;
	if (read_varint(s, &tag) < 0 || tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
		return broken(err);
	w->number = (unsigned)(tag >> 3);
	w->is_bytes = (tag & 7) == WIRE_BYTES;
	switch (tag & 7) {
	case WIRE_VARINT:
		r = read_varint(s, &w->value);
		break;
	case WIRE_BYTES:
		r = read_varint(s, &n);
		if (!r)
			r = take_bytes(s, n, &w->bytes);
		break;
	default: /* nothing that Kubernetes' kinds use */
		r = -EINVAL;
	}
	return r ? broken(err) : 1;
}

/* The length of the UTF-8 sequence at the start, 0 when it is none (overlong forms, surrogates). */
static size_t rune_length(const uint8_t *s, size_t n)
{
	size_t want = *s < 0x80   ? 1
		      : *s < 0xc2 ? 0
		      : *s < 0xe0 ? 2
		      : *s < 0xf0 ? 3
		      : *s < 0xf5 ? 4
				  : 0;

	if (want == 0 || want > n)
		return 0;
	for (size_t i = 1; i < want; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) ||
	    (*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f))
		return 0;
	return want;
}

static bool is_text(struct span s)
{
	for (size_t n; s.at < s.end; s.at += n) {
		n = rune_length(s.at, (size_t)(s.end - s.at));
		if (n == 0 || *s.at == 0)
			return false;
	}
	return true;
}

static int to_text(struct arena *a, struct span s, const char **ret, struct error *err)
{
	size_t n = (size_t)(s.end - s.at);

	if (!is_text(s))
		return error_set(err, -EINVAL, "protobuf: a string that is no text");
	*ret = arena_strndup(a, n ? (const char *)s.at : "", n);
	return 0;
}

static const char *to_base64(struct arena *a, struct span s)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	base64_encode(s.at, (size_t)(s.end - s.at), &sb);
	return arena_strdup(a, strbuf_cstr(&sb));
}

/* Two fields by number, of Time and IntOrString and the entries of maps. */
struct pair {
	uint64_t number[4];
	struct span bytes[4];
	bool set[4];
};

static int read_pair(struct span s, struct pair *p, struct error *err)
{
	struct wire w = {0};
	int r;

	memset(p, 0, sizeof(*p));
	while ((r = next_field(&s, &w, err)) > 0) {
		if (w.number > 3)
			continue;
		p->set[w.number] = true;
		if (w.is_bytes)
			p->bytes[w.number] = w.bytes;
		else
			p->number[w.number] = w.value;
	}
	return r;
}

static int read_time(struct arena *a, struct span s, struct doc **ret, struct error *err)
{
	char text[CLOCK_RFC3339_SIZE];
	struct pair p;
	int r = read_pair(s, &p, err);

	*ret = NULL;
	if (r < 0 || !p.set[1] || p.number[1] == 0)
		return r; /* the zero time is no time */
	if (p.number[1] > INT64_MAX / NS_PER_S)
		return broken(err);
	*ret = doc_string(a, clock_rfc3339((int64_t)(p.number[1] * NS_PER_S), 0, text));
	return 0;
}

static int read_int_or_string(struct arena *a, struct span s, struct doc **ret, struct error *err)
{
	const char *text = NULL;
	struct pair p;
	int r = read_pair(s, &p, err);

	if (!r && p.number[1] == 1)
		r = to_text(a, p.bytes[3], &text, err);
	if (!r)
		*ret = text ? doc_string(a, text) : doc_int(a, (int64_t)p.number[2]);
	return r;
}

/* One entry of a map, set in map. */
static int read_entry(struct arena *a, struct span s, bool blob, struct doc *map, struct error *err)
{
	const char *key, *value;
	struct pair p;
	int r = read_pair(s, &p, err);

	if (!r)
		r = to_text(a, p.bytes[1], &key, err);
	if (!r && blob)
		value = to_base64(a, p.bytes[2]);
	else if (!r)
		r = to_text(a, p.bytes[2], &value, err);
	if (!r)
		doc_set(a, map, key, doc_string(a, value));
	return r;
}

static const struct protobuf_field *find_field(const struct protobuf_message *m, unsigned number)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->fields[i].number == number)
			return &m->fields[i];
	return NULL;
}

static bool wants_bytes(const struct protobuf_field *f)
{
	return f->form != PROTOBUF_INT && f->form != PROTOBUF_BOOL;
}

static int read_message(struct arena *a, const struct protobuf_message *m, struct span s,
			unsigned depth, struct doc *map, struct error *err);

static int read_value(struct arena *a, const struct protobuf_field *f, const struct wire *w,
		      unsigned depth, struct doc **ret, struct error *err)
{
	const char *text;
	int r = 0;

	switch (f->form) {
	case PROTOBUF_STRING:
		r = to_text(a, w->bytes, &text, err);
		if (!r)
			*ret = doc_string(a, text);
		break;
	case PROTOBUF_BYTES:
		*ret = doc_string(a, to_base64(a, w->bytes));
		break;
	case PROTOBUF_INT:
		*ret = doc_int(a, (int64_t)w->value);
		break;
	case PROTOBUF_BOOL:
		*ret = doc_bool(a, w->value != 0);
		break;
	case PROTOBUF_TIME:
		r = read_time(a, w->bytes, ret, err);
		break;
	case PROTOBUF_INT_OR_STRING:
		r = read_int_or_string(a, w->bytes, ret, err);
		break;
	case PROTOBUF_MESSAGE:
		*ret = doc_map(a);
		r = read_message(a, f->message, w->bytes, depth + 1, *ret, err);
		break;
	case PROTOBUF_STRINGS:
	case PROTOBUF_BLOBS: /* in read_field() */
		break;
	}
	return r;
}

/* What a sender writes although nothing is set. */
static bool is_nothing(const struct doc *d)
{
	switch (d->kind) {
	case DOC_BOOL:
		return !d->boolean;
	case DOC_INT:
		return d->integer == 0;
	case DOC_STRING:
		return !*d->string;
	case DOC_MAP:
		return d->map.n == 0;
	case DOC_NULL:
	case DOC_REAL:
	case DOC_LIST:
		break;
	}
	return false;
}

static int read_field(struct arena *a, const struct protobuf_field *f, const struct wire *w,
		      unsigned depth, struct doc *map, struct error *err)
{
	struct doc *value = NULL;
	int r;

	if (w->is_bytes != wants_bytes(f))
		return broken(err);
	if (f->form == PROTOBUF_STRINGS || f->form == PROTOBUF_BLOBS)
		return read_entry(a, w->bytes, f->form == PROTOBUF_BLOBS,
				  doc_set_map(a, map, f->name), err);
	r = read_value(a, f, w, depth, &value, err);
	if (r < 0 || !value)
		return r;
	if (f->repeated)
		doc_append(a, doc_set_list(a, map, f->name), value);
	else if (f->pointer || !is_nothing(value))
		doc_set(a, map, f->name, value);
	return 0;
}

static int read_message(struct arena *a, const struct protobuf_message *m, struct span s,
			unsigned depth, struct doc *map, struct error *err)
{
	struct wire w = {0};
	int r;

	if (depth > MAX_DEPTH)
		return broken(err);
	while ((r = next_field(&s, &w, err)) > 0) {
		const struct protobuf_field *f = find_field(m, w.number);

		if (!f)
			return error_set(err, -ENOSYS,
					 "protobuf: field %u of a %s is not known to the lab's API "
					 "server; send the object as JSON or YAML",
					 w.number, m->name);
		r = read_field(a, f, &w, depth, map, err);
		if (r < 0)
			return r;
	}
	return r;
}

/* "k8s\0", then runtime.Unknown: {1: {1: apiVersion, 2: kind}, 2: the object, ...}. */
int protobuf_read(struct arena *a, const char *data, size_t n, struct doc **ret, struct error *err)
{
	static const char magic[4] = {'k', '8', 's', '\0'};
	const struct protobuf_message *message;
	const char *api_version, *kind;
	struct pair envelope, type;
	struct doc *object;
	struct span s;
	int r;

	if (n < sizeof(magic) || memcmp(data, magic, sizeof(magic)) != 0)
		return error_set(err, -EINVAL, "protobuf: does not begin as Kubernetes' does");
	s = (struct span){(const uint8_t *)data + sizeof(magic), (const uint8_t *)data + n};
	r = read_pair(s, &envelope, err);
	if (!r)
		r = read_pair(envelope.bytes[1], &type, err);
	if (!r)
		r = to_text(a, type.bytes[1], &api_version, err);
	if (!r)
		r = to_text(a, type.bytes[2], &kind, err);
	if (r < 0)
		return r;
	message = protobuf_kind(api_version, kind);
	if (!message)
		return error_set(
			err, -ENOSYS,
			"protobuf: a %s of %s is not known to the lab's API server in that form; "
			"send it as JSON or YAML",
			kind, api_version);
	object = doc_map(a);
	doc_set_string(a, object, "apiVersion", api_version);
	doc_set_string(a, object, "kind", kind);
	r = read_message(a, message, envelope.bytes[2], 0, object, err);
	if (!r)
		*ret = object;
	return r;
}
