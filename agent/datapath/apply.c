/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/datapath/apply.c - makes the kernel's rows those of lib/mesh, safely at every step:
 *
 *   1. addresses and services: what is new is written, what is gone removed, generations bumped
 *   2. new policy sets, whole, under numbers nobody uses
 *   3. endpoint rows: switched to their sets, then bumped, then (new ones) found by device,
 * address; addresses of endpoints that are gone lead nowhere any more
 *   4. endpoints that are gone: emptied (drops everything), bumped, unlinked from their device
 *   5. sets that no endpoint uses any more
 *
 * Whoever was here before us may have been killed between a row and its generation; the row is as
 * wanted then, and nothing but connections tells. So the first time everything is decided again,
 * and not before all rows are there: between them live connections could be refused.
 */
#include <string.h>

#include "agent/datapath/rows.h"
#include "agent/datapath/sets.h"
#include "agent/datapath/state.h"
#include "lib/base/alloc.h"
#include "lib/base/macros.h"

struct applier {
	struct datapath *dp;
	const struct mesh_desired *want;
	struct datapath_change *change;
	const struct apply_report *report;
	struct error *err;
	struct rows policy, endpoints; /* as the kernel has them */
	struct sets sets;
	uint32_t *slots; /* of want->endpoints, by index */
};

void apply_note(const struct apply_report *report, const char *line)
{
	struct datapath_regenerated *found = report->found;
	struct strings *s = &found->corrupted;

	found->n_corrupted++;
	if (!line || s->n >= DATAPATH_MAX_CORRUPTED)
		return;
	if (!s->items)
		s->items = arena_array(report->arena, DATAPATH_MAX_CORRUPTED, const char *);
	s->items[s->n++] = line;
}

bool apply_names(const struct apply_report *report)
{
	return report->found->corrupted.n < DATAPATH_MAX_CORRUPTED;
}

void apply_note_row(const struct apply_report *report, enum map_id map, const void *key,
		    const void *have, const void *want)
{
	if (report)
		apply_note(report, apply_names(report)
					   ? row_text(report->arena, map, key, have, want)
					   : NULL);
}

static int put(struct applier *ap, enum map_id map, const void *key, const void *value)
{
	ap->change->written++;
	return maps_put(&ap->dp->maps, map, key, value, ap->err);
}

static int del(struct applier *ap, enum map_id map, const void *key)
{
	ap->change->deleted++;
	return maps_delete(&ap->dp->maps, map, key, ap->err);
}

static void bump(struct applier *ap, uint32_t index)
{
	ap->change->bumped++;
	generation_bump(ap->dp, index);
}

/* ---- tables that are simply the same as wanted ---- */

struct table_pass {
	struct applier *ap;
	enum map_id map;
	bool puts, deletes, notes;
	void (*after)(struct applier *ap, const void *key);
	/* Generations are bumped once the whole table is written: keys wait here. */
	struct rows touched;
};

static int table_row(void *arg, const void *key, const void *have, const void *want)
{
	struct table_pass *t = arg;
	uint8_t nothing[512] = {0};

	if (t->notes)
		apply_note_row(t->ap->report, t->map, key, have, want);
	if (want ? !t->puts : !t->deletes)
		return 0;
	rows_add(&t->touched, key, nothing);
	return want ? put(t->ap, t->map, key, want) : del(t->ap, t->map, key);
}

static void table_bump(struct table_pass *t)
{
	for (size_t i = 0; t->after && i < t->touched.n; i++)
		t->after(t->ap, rows_key(&t->touched, i));
}

/* Writes what differs; `after` runs for each changed key when all is written. */
static int apply_table(struct applier *ap, struct rows *want, bool puts, bool deletes,
		       void (*after)(struct applier *ap, const void *key))
{
	struct table_pass pass = {.ap = ap,
				  .map = want->map,
				  .puts = puts,
				  .deletes = deletes,
				  .notes = puts,
				  .after = after};
	struct rows have;
	int code;

	rows_init(&have, want->map);
	rows_init(&pass.touched, want->map);
	rows_sort(want);
	code = rows_read(&have, &ap->dp->maps, ap->err);
	if (!code)
		code = rows_compare(&have, want, table_row, &pass);
	table_bump(&pass); /* also what was written before an error counts */
	rows_release(&pass.touched);
	rows_release(&have);
	return code;
}

static void after_address(struct applier *ap, const void *key)
{
	const struct ipcache_key *k = key;

	bump(ap, k->prefixlen == 32 ? generation_remote(k->addr) : GENERATION_GLOBAL);
}

static int apply_addresses(struct applier *ap)
{
	struct rows want;
	int code;

	rows_init(&want, MAP_ipcache);
	for (size_t i = 0; i < ap->want->n_addresses; i++)
		rows_add(&want, &ap->want->addresses[i].key, &ap->want->addresses[i].entry);
	code = apply_table(ap, &want, true, true, after_address);
	rows_release(&want);
	return code;
}

static void after_service(struct applier *ap, const void *key)
{
	const struct service_key *k = key; /* first in the keys of all three tables */

	bump(ap, generation_service(k->addr, k->port));
}

struct service_rows {
	struct rows frontends, slots, backends;
};

static void collect_services(const struct mesh_desired *want, struct service_rows *r)
{
	rows_init(&r->frontends, MAP_service);
	rows_init(&r->slots, MAP_svc_slot);
	rows_init(&r->backends, MAP_svc_backend);
	for (size_t i = 0; i < want->n_services; i++) {
		const struct mesh_service *s = &want->services[i];
		struct service_entry entry = {.slots = (__u32)s->n_active};

		rows_add(&r->frontends, &s->key, &entry);
		for (size_t b = 0; b < s->n_backends; b++) {
			struct service_backend_key key = {s->key, s->backends[b].address};
			struct service_backend_state state = {.state = s->backends[b].state};
			struct service_slot_key slot = {s->key, (__u32)b};

			rows_add(&r->backends, &key, &state);
			if (b < s->n_active)
				rows_add(&r->slots, &slot, &s->backends[b].address);
		}
	}
}

/* Rows that a frontend counts on exist before it does and go after it. */
static int apply_services(struct applier *ap)
{
	struct service_rows want;
	int code;

	collect_services(ap->want, &want);
	code = apply_table(ap, &want.backends, true, false, NULL);
	if (!code)
		code = apply_table(ap, &want.slots, true, false, NULL);
	if (!code)
		code = apply_table(ap, &want.frontends, true, true, after_service);
	if (!code)
		code = apply_table(ap, &want.slots, false, true, after_service);
	if (!code)
		code = apply_table(ap, &want.backends, false, true, after_service);
	rows_release(&want.frontends);
	rows_release(&want.slots);
	rows_release(&want.backends);
	return code;
}

/* ---- policy sets ---- */

static int write_set(struct applier *ap, const struct mesh_set *set)
{
	uint32_t number;

	if (!set->enforced || !set->n || sets_find(&ap->sets, set->digest))
		return 0;
	number = sets_add(&ap->sets, set->digest);
	for (size_t i = 0; i < set->n; i++) {
		struct policy_key key = set->rows[i].key;
		int code;

		key.set = number;
		code = put(ap, MAP_policy, &key, &set->rows[i].entry);
		if (code)
			return code;
	}
	return 0;
}

static int write_sets(struct applier *ap)
{
	int code = 0;

	for (size_t i = 0; !code && i < ap->want->n_sets; i++)
		code = write_set(ap, &ap->want->sets[i]);
	return code;
}

static int drop_sets(struct applier *ap)
{
	int code = 0;

	for (size_t i = 0; !code && i < ap->policy.n; i++) {
		struct policy_key key;

		memcpy(&key, rows_key(&ap->policy, i), sizeof(key));
		if (!sets_is_wanted(&ap->sets, key.set))
			code = del(ap, MAP_policy, &key);
	}
	return code;
}

static uint32_t set_number(struct applier *ap, uint64_t digest)
{
	const struct mesh_set *set = digest ? mesh_desired_set(ap->want, digest) : NULL;

	if (!digest)
		return SET_NOT_ENFORCED;
	return set && set->n ? sets_find(&ap->sets, digest) : SET_EMPTY;
}

/* ---- endpoints ---- */

static const struct endpoint *have_endpoint(const struct applier *ap, uint32_t slot)
{
	return (const struct endpoint *)rows_value(&ap->endpoints, slot);
}

static bool slot_is_taken(const struct applier *ap, uint32_t slot)
{
	if (have_endpoint(ap, slot)->tag || have_endpoint(ap, slot)->ifindex)
		return true;
	for (size_t i = 0; i < ap->want->n_endpoints; i++)
		if (ap->slots[i] == slot)
			return true;
	return false;
}

static uint32_t free_slot(const struct applier *ap)
{
	for (uint32_t slot = 1; slot < ENDPOINT_MAX; slot++)
		if (!slot_is_taken(ap, slot))
			return slot;
	return 0;
}

/* Every wanted endpoint keeps the slot it has; the others get free ones. */
static int place_endpoints(struct applier *ap)
{
	ap->slots = xcalloc(ap->want->n_endpoints + 1, sizeof(*ap->slots));
	for (size_t i = 0; i < ap->want->n_endpoints; i++)
		for (uint32_t slot = 1; slot < ENDPOINT_MAX && !ap->slots[i]; slot++)
			if (have_endpoint(ap, slot)->tag == ap->want->endpoints[i].id)
				ap->slots[i] = slot;
	for (size_t i = 0; i < ap->want->n_endpoints; i++) {
		if (!ap->slots[i])
			ap->slots[i] = free_slot(ap);
		if (!ap->slots[i])
			return error_set(ap->err, -ENOSPC, "more than %d endpoints on this node",
					 ENDPOINT_MAX - 1);
	}
	return 0;
}

static void wanted_row(struct applier *ap, const struct mesh_endpoint *e, struct endpoint *ret)
{
	*ret = e->row;
	ret->tag = e->id;
	for (int d = 0; d < DIRECTION_COUNT; d++)
		ret->policy_set[d] = set_number(ap, e->set[d]);
}

static int index_device(struct applier *ap, const struct mesh_endpoint *e, uint32_t slot)
{
	uint32_t where = endpoint_ifindex_slot(e->row.ifindex);
	struct endpoint_ifindex want = {e->row.ifindex, slot}, have = {0, 0};
	struct endpoint other;

	maps_get(&ap->dp->maps, MAP_ep_ifindex, &where, &have);
	if (!memcmp(&want, &have, sizeof(want)))
		return 0;
	if (have.ifindex && have.ifindex != want.ifindex &&
	    !maps_get(&ap->dp->maps, MAP_endpoint, &have.endpoint, &other) &&
	    other.ifindex == have.ifindex)
		return error_set(ap->err, -EEXIST,
				 "devices %u and %u of this node cannot both be endpoints: their "
				 "numbers end alike; make the pod's device again",
				 want.ifindex, have.ifindex);
	apply_note_row(ap->report, MAP_ep_ifindex, &where, &have, &want);
	return put(ap, MAP_ep_ifindex, &where, &want);
}

static int write_endpoint(struct applier *ap, size_t i)
{
	const struct mesh_endpoint *e = &ap->want->endpoints[i];
	uint32_t slot = ap->slots[i];
	struct endpoint want;
	int code = 0;

	wanted_row(ap, e, &want);
	if (memcmp(&want, have_endpoint(ap, slot), sizeof(want))) {
		apply_note_row(ap->report, MAP_endpoint, &slot, have_endpoint(ap, slot), &want);
		code = put(ap, MAP_endpoint, &slot, &want);
		bump(ap, generation_endpoint(slot));
	}
	return code ? code : index_device(ap, e, slot);
}

static void after_endpoint_address(struct applier *ap, const void *key)
{
	bump(ap, generation_remote(*(const __be32 *)key));
}

/* Once the rows that they lead to are written; also what nobody here wrote is removed. */
static int index_addresses(struct applier *ap)
{
	struct rows want;
	int code;

	rows_init(&want, MAP_ep_addr);
	for (size_t i = 0; i < ap->want->n_endpoints; i++)
		if (ap->want->endpoints[i].row.addr)
			rows_add(&want, &ap->want->endpoints[i].row.addr, &ap->slots[i]);
	code = apply_table(ap, &want, true, true, after_endpoint_address);
	rows_release(&want);
	return code;
}

static int clear_endpoint(struct applier *ap, uint32_t slot)
{
	const struct endpoint *old = have_endpoint(ap, slot);
	uint32_t where = endpoint_ifindex_slot(old->ifindex);
	struct endpoint_ifindex device = {0, 0}, no_device = {0, 0};
	struct endpoint nothing = {0};
	int code;

	apply_note_row(ap->report, MAP_endpoint, &slot, old, &nothing);
	code = put(ap, MAP_endpoint, &slot, &nothing);
	bump(ap, generation_endpoint(slot));
	maps_get(&ap->dp->maps, MAP_ep_ifindex, &where, &device);
	if (!code && device.endpoint == slot)
		code = put(ap, MAP_ep_ifindex, &where, &no_device);
	return code;
}

static int apply_endpoints(struct applier *ap)
{
	int code = 0;

	for (size_t i = 0; !code && i < ap->want->n_endpoints; i++)
		code = write_endpoint(ap, i);
	if (!code)
		code = index_addresses(ap);
	for (uint32_t slot = 1; !code && slot < ENDPOINT_MAX; slot++) {
		bool wanted = false;

		if (!have_endpoint(ap, slot)->tag && !have_endpoint(ap, slot)->ifindex)
			continue;
		for (size_t i = 0; i < ap->want->n_endpoints; i++)
			wanted |= ap->slots[i] == slot;
		if (!wanted)
			code = clear_endpoint(ap, slot);
	}
	return code;
}

/* The node's row as it was last set; before that, as it stands. */
static int apply_node(struct applier *ap, bool optout)
{
	struct node_config have = {0}, want;
	uint32_t zero = 0;
	int code;

	maps_get(&ap->dp->maps, MAP_node_config, &zero, &have);
	want = ap->dp->node.flags ? ap->dp->node : have;
	want.flags =
		optout ? want.flags | NODE_SOCK_OPTOUT : want.flags & ~(uint32_t)NODE_SOCK_OPTOUT;
	if (!memcmp(&want, &have, sizeof(want)))
		return 0;
	apply_note_row(ap->report, MAP_node_config, &zero, &have, &want);
	code = put(ap, MAP_node_config, &zero, &want);
	if (!code)
		bump(ap, GENERATION_GLOBAL);
	return code;
}

/* Pods with a sidecar, by their namespace; the flag keeps everybody else's connect() cheap. */
static int apply_optout(struct applier *ap)
{
	uint32_t one = 1;
	struct rows want;
	int code;

	rows_init(&want, MAP_sock_optout);
	for (size_t i = 0; i < ap->want->n_endpoints; i++)
		if (ap->want->endpoints[i].sock_optout && ap->want->endpoints[i].row.netns_cookie)
			rows_add(&want, &ap->want->endpoints[i].row.netns_cookie, &one);
	code = apply_table(ap, &want, true, true, NULL);
	if (!code)
		code = apply_node(ap, want.n > 0);
	rows_release(&want);
	return code;
}

static int apply_in_order(struct applier *ap)
{
	int code = rows_read(&ap->policy, &ap->dp->maps, ap->err);

	if (!code)
		code = rows_read(&ap->endpoints, &ap->dp->maps, ap->err);
	if (code)
		return code;
	sets_read(&ap->sets, &ap->policy);
	code = place_endpoints(ap);
	if (!code)
		code = apply_addresses(ap);
	if (!code)
		code = apply_services(ap);
	if (!code)
		code = apply_optout(ap);
	if (!code)
		code = write_sets(ap);
	if (!code)
		code = apply_endpoints(ap);
	return code ? code : drop_sets(ap);
}

int apply(struct datapath *dp, const struct mesh_desired *desired, struct datapath_change *change,
	  const struct apply_report *report, struct error *err)
{
	struct applier ap = {
		.dp = dp, .want = desired, .change = change, .report = report, .err = err};
	int code;

	rows_init(&ap.policy, MAP_policy);
	rows_init(&ap.endpoints, MAP_endpoint);
	code = apply_in_order(&ap);
	rows_release(&ap.policy);
	rows_release(&ap.endpoints);
	sets_release(&ap.sets);
	free(ap.slots);
	return code;
}

int datapath_apply(struct datapath *dp, const struct mesh_desired *desired,
		   struct datapath_change *ret_change, struct error *err)
{
	struct datapath_change change = {0};
	int code = apply(dp, desired, &change, NULL, err);

	if (!code && !dp->settled) {
		generation_bump(dp, GENERATION_GLOBAL);
		dp->settled = true;
	}
	if (ret_change)
		*ret_change = change;
	return code;
}

struct search {
	uint32_t id, slot;
	struct endpoint row;
};

static void match_endpoint(void *arg, const void *key, const void *value)
{
	struct search *s = arg;
	struct endpoint row;

	memcpy(&row, value, sizeof(row));
	if (row.tag != s->id || !row.ifindex)
		return;
	memcpy(&s->slot, key, sizeof(s->slot));
	s->row = row;
}

uint32_t apply_slot(struct datapath *dp, uint32_t id, struct endpoint *ret_row)
{
	struct search s = {.id = id};

	if (maps_each(&dp->maps, MAP_endpoint, match_endpoint, &s, NULL) < 0)
		return 0;
	if (ret_row)
		*ret_row = s.row;
	return s.slot;
}
