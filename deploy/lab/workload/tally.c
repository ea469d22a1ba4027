/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/workload/tally.h"

#include <arpa/inet.h>

#include "lib/base/clock.h"
#include "lib/base/str.h"

static const int64_t bounds_us[TALLY_BOUNDS] = {
	100,   200,   300,   500,   700,   1000,   1500,   2000,   3000,    5000,    7000,   10000,
	15000, 20000, 30000, 50000, 70000, 100000, 200000, 500000, 1000000, 2000000, 5000000};

void tally_count(struct tally_list *list, const char *name)
{
	for (size_t i = 0; i < TALLY_KINDS; i++) {
		if (list->items[i].name && !str_eq(list->items[i].name, name))
			continue;
		list->items[i].name = name;
		list->items[i].n++;
		return;
	}
}

void tally_latency(struct tally *t, uint64_t ns)
{
	int64_t us = (int64_t)(ns / 1000);
	size_t b = 0;

	while (b + 1 < TALLY_BOUNDS && us > bounds_us[b])
		b++;
	t->latency[b]++;
}

struct incident *tally_incident(struct tally *t)
{
	struct incident *i = &t->recent[t->n_recent++ % TALLY_RECENT];

	*i = (struct incident){0};
	return i;
}

bool tally_peer(struct tally *t, uint64_t cookie, struct in_addr peer)
{
	bool found = false;

	for (size_t k = 0; cookie && k < MIN(t->n_recent, (size_t)TALLY_RECENT); k++) {
		if (t->recent[k].cookie != cookie)
			continue;
		t->recent[k].peer = peer;
		found = true;
	}
	return found;
}

static void add_list(struct arena *a, struct doc *d, const char *key, const struct tally_list *list)
{
	struct doc *map = doc_map(a);

	for (size_t i = 0; i < TALLY_KINDS && list->items[i].name; i++)
		doc_set_int(a, map, list->items[i].name, list->items[i].n);
	if (doc_len(map))
		doc_set(a, d, key, map);
}

static void add_recent(struct arena *a, struct doc *d, const struct tally *t)
{
	struct doc *list = doc_set_list(a, d, "recent");
	size_t first = t->n_recent > TALLY_RECENT ? t->n_recent - TALLY_RECENT : 0;

	for (size_t i = first; i < t->n_recent; i++) {
		const struct incident *in = &t->recent[i % TALLY_RECENT];
		struct doc *one = doc_append(a, list, doc_map(a));
		char when[CLOCK_RFC3339_SIZE], peer[INET_ADDRSTRLEN];

		doc_set_string(a, one, "at", clock_rfc3339(in->wall_ns, 6, when));
		doc_set_string(a, one, "began", clock_rfc3339(in->began_wall, 6, when));
		doc_set_string(a, one, "kind", in->kind);
		doc_set_int(a, one, "port", in->port);
		if (in->peer.s_addr)
			doc_set_string(a, one, "peer",
				       inet_ntop(AF_INET, &in->peer, peer, sizeof(peer)));
		if (in->server[0])
			doc_set_string(a, one, "server", in->server);
		doc_set_string(a, one, "detail", in->detail);
	}
}

void tally_write(const struct tally *t, struct arena *a, struct doc *d)
{
	struct doc *latency;

	add_list(a, d, "kinds", &t->kinds);
	add_list(a, d, "forms", &t->forms);
	latency = doc_set_list(a, d, "latency_us");
	for (size_t i = 0; i < TALLY_BOUNDS; i++) {
		struct doc *b;

		if (!t->latency[i])
			continue;
		b = doc_append(a, latency, doc_list(a));
		doc_append(a, b, doc_int(a, bounds_us[i]));
		doc_append(a, b, doc_int(a, t->latency[i]));
	}
	if (t->n_recent)
		add_recent(a, d, t);
}
