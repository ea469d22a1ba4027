/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/datapath/regenerate.c - looks at everything the kernel holds of one endpoint as if for the
 * first time: says what differs, repairs it, and makes every live connection decide again.
 */
#include <stdio.h>
#include <string.h>

#include "agent/datapath/rows.h"
#include "agent/datapath/sets.h"
#include "agent/datapath/state.h"

static int note_row(void *arg, const void *key, const void *have, const void *want)
{
	apply_note_row(arg, MAP_policy, key, have, want);
	return 0;
}

/* The rows of one set in the kernel, against those the compiler wants. The repair is datapath's
 * usual one: a set with other rows is not found, so a new one is written and switched to. */
static int check_set(struct datapath *dp, const struct mesh_set *set, uint32_t number,
		     const struct apply_report *report, struct error *err)
{
	struct rows all, have, want;
	int code;

	rows_init(&all, MAP_policy);
	rows_init(&have, MAP_policy);
	rows_init(&want, MAP_policy);
	code = rows_read(&all, &dp->maps, err);
	for (size_t i = 0; !code && i < all.n; i++) {
		struct policy_key key;

		memcpy(&key, rows_key(&all, i), sizeof(key));
		if (key.set == number)
			rows_add(&have, &key, rows_value(&all, i));
	}
	for (size_t i = 0; set && i < set->n; i++) {
		struct policy_key key = set->rows[i].key;

		key.set = number;
		rows_add(&want, &key, &set->rows[i].entry);
	}
	rows_sort(&have);
	rows_sort(&want);
	if (!code)
		rows_compare(&have, &want, note_row, (void *)(uintptr_t)report);
	rows_release(&all);
	rows_release(&have);
	rows_release(&want);
	return code;
}

static int check_sets(struct datapath *dp, const struct mesh_desired *desired,
		      const struct mesh_endpoint *e, const struct endpoint *row,
		      const struct apply_report *report, struct error *err)
{
	int code = 0;

	for (int d = 0; !code && d < DIRECTION_COUNT; d++) {
		if (!e->set[d] || row->policy_set[d] == SET_NOT_ENFORCED)
			continue; /* the endpoint's own row says what is wrong then */
		code = check_set(dp, mesh_desired_set(desired, e->set[d]), row->policy_set[d],
				 report, err);
	}
	return code;
}

int datapath_regenerate(struct datapath *dp, const struct mesh_desired *desired, uint32_t id,
			struct arena *a, struct datapath_regenerated *ret, struct error *err)
{
	const struct mesh_endpoint *e = mesh_desired_endpoint(desired, id);
	struct datapath_regenerated done = {0};
	struct apply_report report = {a, &done};
	struct datapath_change change = {0};
	struct endpoint row;
	uint32_t slot;
	int code = 0;

	if (!e)
		return error_set(err, -ENOENT, "there is no endpoint %u", id);
	slot = apply_slot(dp, id, &row);
	if (slot) {
		done.generation_before = generation_now(dp, generation_endpoint(slot));
		code = check_sets(dp, desired, e, &row, &report, err);
	}
	if (!code)
		code = apply(dp, desired, &change, &report, err);
	if (!code)
		code = attach_check_pod(dp, e->row.ifindex, &done.program_replaced, err);
	if (code)
		return error_wrap(err, code, "endpoint %u", id);
	if (done.program_replaced)
		apply_note(&report,
			   arena_printf(a, "program: device %u did not run ours", e->row.ifindex));
	slot = apply_slot(dp, id, NULL);
	generation_bump(dp, generation_endpoint(slot));
	done.generation_after = generation_now(dp, generation_endpoint(slot));
	*ret = done;
	return 0;
}
