/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/net/cidr.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/str.h"

struct net_cidr net_cidr_make(const struct net_addr *addr, unsigned bits)
{
	struct net_cidr c = {.addr = *addr};
	const unsigned all = net_addr_bits(addr);

	c.bits = (uint8_t)MIN(bits, all);
	for (unsigned i = c.bits; i < 128; i++)
		c.addr.bytes[i / 8] &= (uint8_t) ~(0x80u >> (i % 8));
	return c;
}

int net_cidr_parse(const char *s, struct net_cidr *ret_cidr, struct error *err)
{
	const char *slash = s ? strchr(s, '/') : NULL;
	char host[NET_ADDR_SIZE];
	struct net_addr addr;
	uint64_t bits;
	int r;

	if (!s || (slash && (size_t)(slash - s) >= sizeof(host)))
		return error_set(err, -EINVAL, "\"%.60s\" is not an address block",
				 str_or_empty(s));
	if (slash)
		snprintf(host, sizeof(host), "%.*s", (int)(slash - s), s);
	r = net_addr_parse(slash ? host : s, &addr, err);
	if (r < 0)
		return r;
	bits = net_addr_bits(&addr);
	if (slash) {
		r = str_to_u64(slash + 1, 0, bits, &bits, "prefix length", err);
		if (r < 0)
			return error_wrap(err, -EINVAL, "%.60s", s);
	}
	*ret_cidr = net_cidr_make(&addr, (unsigned)bits);
	return 0;
}

int net_cidr_parse_strict(const char *s, struct net_cidr *ret_cidr, struct error *err)
{
	struct net_cidr c;
	struct net_addr whole;
	char host[NET_ADDR_SIZE];
	int r = net_cidr_parse(s, &c, err);

	if (r < 0)
		return r;
	snprintf(host, sizeof(host), "%.*s", (int)strcspn(s, "/"), s);
	r = net_addr_parse(host, &whole, err);
	if (r < 0)
		return r;
	if (!net_addr_equal(&whole, &c.addr))
		return error_set(err, -EINVAL, "\"%.60s\" has bits set beyond its prefix", s);
	*ret_cidr = c;
	return 0;
}

char *net_cidr_format(const struct net_cidr *cidr, char buf[NET_CIDR_SIZE])
{
	char text[NET_ADDR_SIZE];

	snprintf(buf, NET_CIDR_SIZE, "%s/%u", net_addr_format(&cidr->addr, text), cidr->bits);
	return buf;
}

bool net_cidr_contains(const struct net_cidr *cidr, const struct net_addr *addr)
{
	const struct net_cidr c = net_cidr_make(addr, cidr->bits);

	return addr->family == cidr->addr.family && net_addr_equal(&c.addr, &cidr->addr);
}

bool net_cidr_within(const struct net_cidr *inner, const struct net_cidr *outer)
{
	return inner->bits >= outer->bits && net_cidr_contains(outer, &inner->addr);
}

bool net_cidr_overlaps(const struct net_cidr *a, const struct net_cidr *b)
{
	return net_cidr_within(a, b) || net_cidr_within(b, a);
}

bool net_cidr_equal(const struct net_cidr *a, const struct net_cidr *b)
{
	return net_cidr_cmp(a, b) == 0;
}

int net_cidr_cmp(const struct net_cidr *a, const struct net_cidr *b)
{
	const int r = net_addr_cmp(&a->addr, &b->addr);

	return r ? r : (int)a->bits - (int)b->bits;
}

uint64_t net_cidr_count(const struct net_cidr *cidr)
{
	const unsigned free_bits = net_addr_bits(&cidr->addr) - cidr->bits;

	return free_bits >= 64 ? UINT64_MAX : (uint64_t)1 << free_bits;
}

bool net_cidr_nth(const struct net_cidr *cidr, uint64_t n, struct net_addr *ret_addr)
{
	struct net_addr a = cidr->addr;

	if (n >= net_cidr_count(cidr))
		return false;
	/* The block's own bits are zero here, so nothing carries. */
	for (unsigned i = net_addr_bits(&a) / 8; n && i-- > 0; n >>= 8)
		a.bytes[i] |= (uint8_t)n;
	*ret_addr = a;
	return true;
}
