/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/storelog.h"

#include <string.h>

#include "lib/base/str.h"

#define MAGIC 0x314c5353u /* "SSL1", little endian */

struct frame {
	uint32_t magic, len;
	uint64_t digest;
};

void storelog_write(struct strbuf *out, const struct storelog_entry *e)
{
	const char *strings[] = {e->shelf, e->ns, e->name, e->uid};
	struct frame f = {.magic = MAGIC};
	size_t at = out->len, body;
	char op = (char)e->op;

	strbuf_add(out, &f, sizeof(f));
	body = out->len;
	strbuf_addc(out, op);
	strbuf_add(out, &e->rv, sizeof(e->rv));
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
		strbuf_add(out, str_or_empty(strings[i]), strlen(str_or_empty(strings[i])) + 1);
	strbuf_add(out, e->json ? e->json : "", e->json_len);
	f.len = (uint32_t)(out->len - body);
	f.digest = str_hash(out->buf + body, f.len, STR_HASH_SEED);
	memcpy(out->buf + at, &f, sizeof(f));
}

/* Takes one NUL-terminated string off the front. */
static const char *take_string(const char **p, const char *end)
{
	const char *s = *p, *nul = memchr(s, 0, (size_t)(end - s));

	if (!nul)
		return NULL;
	*p = nul + 1;
	return s;
}

static bool known_op(char op)
{
	return op == STORELOG_PUT || op == STORELOG_DELETE || op == STORELOG_SNAPSHOT ||
	       op == STORELOG_END;
}

static int decode(const char *p, size_t n, struct storelog_entry *ret)
{
	const char *end = p + n;
	struct storelog_entry e = {0};
	const char **strings[] = {&e.shelf, &e.ns, &e.name, &e.uid};

	if (n < 1 + sizeof(e.rv) || !known_op(*p))
		return -EBADMSG;
	e.op = (enum storelog_op) * p++;
	memcpy(&e.rv, p, sizeof(e.rv));
	p += sizeof(e.rv);
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		*strings[i] = take_string(&p, end);
		if (!*strings[i])
			return -EBADMSG;
	}
	e.json = p;
	e.json_len = (size_t)(end - p);
	*ret = e;
	return 0;
}

int64_t storelog_read(const char *data, size_t n, struct storelog_entry *ret, struct error *err)
{
	struct frame f;

	if (n < sizeof(f))
		return 0;
	memcpy(&f, data, sizeof(f));
	if (f.magic != MAGIC || f.len > STORELOG_MAX_PAYLOAD || f.len > n - sizeof(f))
		return 0;
	if (str_hash(data + sizeof(f), f.len, STR_HASH_SEED) != f.digest)
		return 0;
	if (decode(data + sizeof(f), f.len, ret))
		return error_set(err, -EBADMSG, "store: a frame is whole but its content is not");
	return (int64_t)(sizeof(f) + f.len);
}
