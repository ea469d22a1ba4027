/* SPDX-License-Identifier: Apache-2.0 */
/* agent/datapath/rows_text.c - what a row is about, for people. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/datapath/rows.h"

static const char *address(struct arena *a, __be32 addr)
{
	char text[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &addr, text, sizeof(text));
	return arena_strdup(a, text);
}

static const char *protocol(struct arena *a, uint8_t number)
{
	return number == IPPROTO_TCP   ? "TCP"
	       : number == IPPROTO_UDP ? "UDP"
				       : arena_printf(a, "%u", number);
}

static const char *frontend(struct arena *a, const struct service_key *k)
{
	return arena_printf(a, "%s:%u/%s", address(a, k->addr), ntohs(k->port),
			    protocol(a, k->proto));
}

static const char *hex(struct arena *a, const void *bytes, size_t n)
{
	char *text = arena_alloc(a, n * 2 + 1);

	for (size_t i = 0; i < n; i++)
		sprintf(text + i * 2, "%02x", ((const uint8_t *)bytes)[i]);
	text[n * 2] = 0;
	return text;
}

/* Rows are copied: a key inside a set of rows need not be aligned. */
#define KEY(type)                                                                                  \
	type k;                                                                                    \
	memcpy(&k, key, sizeof(k))

static const char *policy_text(struct arena *a, const void *key)
{
	KEY(struct policy_key);
	return arena_printf(a, "%s of set %u for identity %u, protocol %s, port %u",
			    k.direction == DIRECTION_INGRESS ? "ingress" : "egress", k.set,
			    k.identity, protocol(a, k.proto), ntohs(k.port));
}

static const char *ipcache_text(struct arena *a, const void *key)
{
	KEY(struct ipcache_key);
	return arena_printf(a, "%s/%u", address(a, k.addr), k.prefixlen);
}

static const char *slot_text(struct arena *a, const void *key)
{
	KEY(struct service_slot_key);
	return arena_printf(a, "%s slot %u", frontend(a, &k.service), k.slot);
}

static const char *backend_text(struct arena *a, const void *key)
{
	KEY(struct service_backend_key);
	return arena_printf(a, "%s to %s:%u", frontend(a, &k.service), address(a, k.backend.addr),
			    ntohs(k.backend.port));
}

static const char *service_text(struct arena *a, const void *key)
{
	KEY(struct service_key);
	return frontend(a, &k);
}

static const char *address_text(struct arena *a, const void *key)
{
	KEY(__be32);
	return address(a, k);
}

static const char *number_text(struct arena *a, const void *key)
{
	KEY(__u32);
	return arena_printf(a, "row %u", k);
}

static const char *cookie_text(struct arena *a, const void *key)
{
	KEY(uint64_t);
	return arena_printf(a, "namespace cookie %" PRIu64, k);
}

static const char *key_text(struct arena *a, enum map_id map, const void *key)
{
	static const struct {
		enum map_id map;
		const char *(*text)(struct arena *a, const void *key);
	} known[] = {
		{MAP_policy, policy_text},       {MAP_ipcache, ipcache_text},
		{MAP_service, service_text},     {MAP_svc_slot, slot_text},
		{MAP_svc_backend, backend_text}, {MAP_ep_addr, address_text},
		{MAP_sock_optout, cookie_text},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (known[i].map == map)
			return known[i].text(a, key);
	return map_is_array(map) ? number_text(a, key) : hex(a, key, map_specs[map].key_size);
}

const char *row_text(struct arena *a, enum map_id map, const void *key, const void *have_value,
		     const void *want_value)
{
	size_t n = map_specs[map].value_size;

	return arena_printf(a, "%s: %s was %s, is %s", map_specs[map].name, key_text(a, map, key),
			    have_value ? hex(a, have_value, n) : "absent",
			    want_value ? hex(a, want_value, n) : "absent");
}
