/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a desired state fits into the maps. */
#include <linux/bpf.h>

#include "datapath/abi/maps.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/mesh/desired.h"

static const struct {
	const char *name;
	size_t room;
} sizes[] = {
#define ROW(name, version, type, key, value, entries, ...) {#name, entries},
#define NO_ROW(...)
	FOREACH_MAP(ROW, NO_ROW)
#undef ROW
#undef NO_ROW
};

static size_t room_of(const char *map)
{
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		if (str_eq(sizes[i].name, map))
			return sizes[i].room;
	}
	return 0;
}

static size_t check(const char *map, size_t want, unsigned percent, struct mesh_overflow *out)
{
	size_t room = room_of(map);

	if (want * 100 <= room * percent)
		return 0;
	*out = (struct mesh_overflow){map, want, room};
	return 1;
}

size_t mesh_fit(const struct mesh_desired *d, unsigned percent, struct mesh_overflow out[8])
{
	size_t rows = 0, backends = 0, active = 0, n = 0;

	for (size_t i = 0; i < d->n_sets; i++)
		rows += d->sets[i].n;
	for (size_t i = 0; i < d->n_services; i++) {
		backends += d->services[i].n_backends;
		active += d->services[i].n_active;
	}
	/* A set that changes is written beside the old one before that goes: twice the rows. */
	n += check("policy", rows * 2, percent, &out[n]);
	n += check("endpoint", d->n_endpoints + 1, percent, &out[n]);
	n += check("ipcache", d->n_addresses, percent, &out[n]);
	n += check("service", d->n_services, percent, &out[n]);
	n += check("svc_slot", active, percent, &out[n]);
	n += check("svc_backend", backends, percent, &out[n]);
	return n;
}
