/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/net/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/str.h"

int net_addr_parse(const char *s, struct net_addr *ret_addr, struct error *err)
{
	struct net_addr a = {.family = AF_INET};

	if (!s || (inet_pton(AF_INET, s, a.bytes) != 1 &&
		   (a.family = AF_INET6, inet_pton(AF_INET6, s, a.bytes) != 1)))
		return error_set(err, -EINVAL, "\"%.60s\" is not an IP address", str_or_empty(s));
	*ret_addr = a;
	return 0;
}

char *net_addr_format(const struct net_addr *addr, char buf[NET_ADDR_SIZE])
{
	buf[0] = '\0';
	if (addr->family)
		inet_ntop(addr->family, addr->bytes, buf, NET_ADDR_SIZE);
	return buf;
}

int net_addr_cmp(const struct net_addr *a, const struct net_addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool net_addr_equal(const struct net_addr *a, const struct net_addr *b)
{
	return net_addr_cmp(a, b) == 0;
}

bool net_addr_is_set(const struct net_addr *addr)
{
	return addr->family != 0;
}

unsigned net_addr_bits(const struct net_addr *addr)
{
	return addr->family == AF_INET ? 32 : addr->family == AF_INET6 ? 128 : 0;
}

struct net_addr net_addr_from_v4(uint32_t host_order)
{
	struct net_addr a = {.family = AF_INET};
	const uint32_t net = htonl(host_order);

	memcpy(a.bytes, &net, sizeof(net));
	return a;
}

uint32_t net_addr_to_v4(const struct net_addr *addr)
{
	uint32_t net = 0;

	if (addr->family == AF_INET)
		memcpy(&net, addr->bytes, sizeof(net));
	return ntohl(net);
}

struct net_addr net_addr_unmap(const struct net_addr *addr)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct net_addr a = {.family = AF_INET};

	if (addr->family != AF_INET6 || memcmp(addr->bytes, mapped, sizeof(mapped)) != 0)
		return *addr;
	memcpy(a.bytes, addr->bytes + 12, 4);
	return a;
}

int net_addr_port_parse(const char *s, struct net_addr *ret_addr, uint16_t *ret_port,
			struct error *err)
{
	const char *colon = strrchr(s, ':');
	char host[NET_ADDR_SIZE + 2];
	struct net_addr addr;
	uint64_t port;
	size_t n;
	int r;

	if (!colon || (size_t)(colon - s) >= sizeof(host))
		return error_set(err, -EINVAL, "\"%.60s\" is not ADDRESS:PORT", s);
	n = (size_t)(colon - s);
	if (*s == '[' && n > 1 && s[n - 1] == ']')
		snprintf(host, sizeof(host), "%.*s", (int)n - 2, s + 1);
	else
		snprintf(host, sizeof(host), "%.*s", (int)n, s);
	r = net_addr_parse(host, &addr, err);
	if (r < 0)
		return r;
	if ((addr.family == AF_INET6) != (*s == '['))
		return error_set(err, -EINVAL, "\"%.60s\": write IPv6 as [ADDRESS]:PORT", s);
	r = str_to_u64(colon + 1, 0, 65535, &port, "port", err);
	if (r < 0)
		return r;
	*ret_addr = addr;
	*ret_port = (uint16_t)port;
	return 0;
}

char *net_addr_port_format(const struct net_addr *addr, uint16_t port, char buf[NET_ADDR_PORT_SIZE])
{
	char text[NET_ADDR_SIZE];

	snprintf(buf, NET_ADDR_PORT_SIZE, addr->family == AF_INET6 ? "[%s]:%u" : "%s:%u",
		 net_addr_format(addr, text), port);
	return buf;
}

socklen_t net_addr_to_sockaddr(const struct net_addr *addr, uint16_t port,
			       struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (addr->family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)out;

		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, addr->bytes, 4);
		return sizeof(*in);
	} else {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		memcpy(&in6->sin6_addr, addr->bytes, 16);
		return sizeof(*in6);
	}
}

bool net_addr_from_sockaddr(const struct sockaddr *sa, struct net_addr *ret_addr,
			    uint16_t *ret_port)
{
	struct net_addr a = {.family = (uint8_t)sa->sa_family};
	uint16_t port;

	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof(in));
		memcpy(a.bytes, &in.sin_addr, 4);
		port = ntohs(in.sin_port);
	} else if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof(in6));
		memcpy(a.bytes, &in6.sin6_addr, 16);
		port = ntohs(in6.sin6_port);
	} else {
		return false;
	}
	*ret_addr = a;
	if (ret_port)
		*ret_port = port;
	return true;
}

int net_mac_parse(const char *s, struct net_mac *ret_mac, struct error *err)
{
	struct net_mac mac;
	int used = 0;

	if (strlen(s) != 17 || strspn(s, "0123456789abcdefABCDEF:") != 17 ||
	    sscanf(s, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac.bytes[0], &mac.bytes[1],
		   &mac.bytes[2], &mac.bytes[3], &mac.bytes[4], &mac.bytes[5], &used) != 6 ||
	    used != 17)
		return error_set(err, -EINVAL, "\"%.40s\" is not a MAC address", s);
	*ret_mac = mac;
	return 0;
}

char *net_mac_format(const struct net_mac *mac, char buf[NET_MAC_SIZE])
{
	const uint8_t *b = mac->bytes;

	snprintf(buf, NET_MAC_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4],
		 b[5]);
	return buf;
}
