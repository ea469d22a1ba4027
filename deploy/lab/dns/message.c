/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/dns/message.h"

#include <ctype.h>
#include <string.h>

#include "lib/base/macros.h"

enum { HEADER = 12, LABEL_MAX = 63, CLASS_IN = 1, QUESTION_NAME = 0xc00c };
enum {
	FLAG_ANSWER = 0x8000,
	FLAG_AUTHORITATIVE = 0x0400,
	FLAG_TRUNCATED = 0x0200,
	FLAG_WANTED = 0x0100,
	FLAG_RECURSION = 0x0080
};

/* ---- reading ---- */

struct reader {
	const uint8_t *data;
	size_t n, at;
	bool bad;
};

static unsigned take8(struct reader *r)
{
	if (r->at >= r->n) {
		r->bad = true;
		return 0;
	}
	return r->data[r->at++];
}

static uint16_t take16(struct reader *r)
{
	unsigned high = take8(r);

	return (uint16_t)(high << 8 | take8(r));
}

/* A question's name has no compression: nothing stands before it. */
static void take_name(struct reader *r, char out[DNS_NAME_MAX + 1])
{
	size_t n = 0;

	for (;;) {
		unsigned len = take8(r);

		if (r->bad || !len)
			break;
		if (len > LABEL_MAX || n + len + 2 > DNS_NAME_MAX) {
			r->bad = true;
			break;
		}
		if (n)
			out[n++] = '.';
		while (len--) {
			int c = (int)take8(r);

			if (c <= ' ' || c > '~')
				r->bad = true;
			out[n++] = (char)tolower(c);
		}
	}
	out[n] = 0;
}

/* The OPT record, when the client sent one: it stands alone in the additional section. */
static void take_edns(struct reader *r, struct dns_query *q)
{
	if (take8(r) || take16(r) != DNS_OPT)
		return;
	q->edns = true;
	q->udp_size = take16(r);
	q->udp_size = MIN(MAX(q->udp_size, (size_t)DNS_UDP_PLAIN), (size_t)DNS_UDP_MAX);
}

bool dns_parse(const uint8_t *data, size_t n, struct dns_query *ret)
{
	struct reader r = {.data = data, .n = n};
	uint16_t flags, questions, answers, authorities, additional;

	memset(ret, 0, sizeof(*ret));
	ret->udp_size = DNS_UDP_PLAIN;
	ret->id = take16(&r);
	flags = take16(&r);
	questions = take16(&r);
	answers = take16(&r);
	authorities = take16(&r);
	additional = take16(&r);
	ret->opcode = flags >> 11 & 15;
	ret->recursion_desired = flags & FLAG_WANTED;
	if (r.bad || flags & FLAG_ANSWER || questions != 1 || answers || authorities)
		return false;
	take_name(&r, ret->name);
	ret->type = take16(&r);
	ret->class = take16(&r);
	if (r.bad)
		return false;
	if (additional)
		take_edns(&r, ret);
	return true;
}

/* ---- writing ---- */

static void put16(struct strbuf *out, unsigned v)
{
	strbuf_addc(out, (char)(v >> 8 & 255));
	strbuf_addc(out, (char)(v & 255));
}

static void put32(struct strbuf *out, uint32_t v)
{
	put16(out, v >> 16);
	put16(out, v & 0xffff);
}

static void put_name(struct strbuf *out, const char *name)
{
	while (*name) {
		size_t n = strcspn(name, ".");

		if (n > LABEL_MAX)
			n = LABEL_MAX;
		strbuf_addc(out, (char)n);
		strbuf_add(out, name, n);
		name += n;
		name += *name == '.';
	}
	strbuf_addc(out, 0);
}

static void put_head(struct strbuf *out, unsigned type, uint32_t ttl)
{
	put16(out, type);
	put16(out, CLASS_IN);
	put32(out, ttl);
}

/* A record's data behind its length. */
static void put_data(struct strbuf *out, const struct strbuf *data)
{
	put16(out, (unsigned)data->len);
	strbuf_add(out, data->buf, data->len);
}

static void put_alias(struct strbuf *out, const struct dns_answer *a)
{
	auto_release(strbuf) struct strbuf data = STRBUF_INIT;

	put16(out, QUESTION_NAME);
	put_head(out, DNS_CNAME, a->ttl);
	put_name(&data, a->alias);
	put_data(out, &data);
}

/* So that a client remembers for ttl that there is nothing. */
static void put_authority(struct strbuf *out, const struct dns_answer *a)
{
	static const uint32_t times[] = {7200, 1800, 86400};
	auto_release(strbuf) struct strbuf data = STRBUF_INIT;

	put_name(out, a->zone);
	put_head(out, DNS_SOA, a->ttl);
	put_name(&data, "ns.dns.cluster.local");
	put_name(&data, "hostmaster.cluster.local");
	put32(&data, 1);
	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		put32(&data, times[i]);
	put32(&data, a->ttl);
	put_data(out, &data);
}

static void put_message(const struct dns_query *q, const struct dns_answer *a, bool truncated,
			struct strbuf *out)
{
	bool alias = *a->alias && !truncated;
	size_t n = truncated ? 0 : a->n;
	bool negative = !truncated && !alias && !n && a->zone;

	put16(out, q->id);
	put16(out, FLAG_ANSWER | FLAG_RECURSION | (q->opcode << 11) |
			   (a->authoritative ? FLAG_AUTHORITATIVE : 0) |
			   (truncated ? FLAG_TRUNCATED : 0) |
			   (q->recursion_desired ? FLAG_WANTED : 0) | a->code);
	put16(out, a->code != DNS_FORMAT);
	put16(out, (unsigned)(n + alias));
	put16(out, negative);
	put16(out, q->edns);
	if (a->code != DNS_FORMAT) {
		put_name(out, q->name);
		put16(out, q->type);
		put16(out, q->class);
	}
	if (alias)
		put_alias(out, a);
	for (size_t i = 0; i < n; i++) {
		put16(out, QUESTION_NAME);
		put_head(out, DNS_A, a->ttl);
		put16(out, sizeof(a->addresses[i]));
		strbuf_add(out, a->addresses[i], sizeof(a->addresses[i]));
	}
	if (negative)
		put_authority(out, a);
	if (q->edns) {
		strbuf_addc(out, 0);
		put16(out, DNS_OPT);
		put16(out, DNS_UDP_MAX);
		put32(out, 0);
		put16(out, 0);
	}
}

void dns_write(const struct dns_query *q, const struct dns_answer *answer, size_t limit,
	       struct strbuf *out)
{
	size_t at = out->len;

	put_message(q, answer, false, out);
	if (out->len - at <= limit)
		return;
	out->len = at;
	put_message(q, answer, true, out);
}
