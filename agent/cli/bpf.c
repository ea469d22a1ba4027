/* SPDX-License-Identifier: Apache-2.0 */
/* agent/cli/bpf.c - what the kernel holds, read from the pins: works with the agent dead. */
#include <stdlib.h>
#include <string.h>

#include "agent/cli/ask.h"
#include "agent/cli/bpf_rows.h"
#include "agent/cli/commands.h"
#include "agent/cli/table.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/flow/flow.h"

#define DEFAULT_PIN_ROOT "/sys/fs/bpf/sidestep"
/* The kernel starts counting jiffies so that 32 bits wrap after five minutes. */
#define INITIAL_SECONDS 300

/* --pin-root, SIDESTEP_PIN_ROOT, what a live agent says, the default. */
static const char *pin_root(struct arena *a, const struct bpf_opts *o)
{
	const char *env = getenv("SIDESTEP_PIN_ROOT"), *socket, *said;
	struct doc *status = NULL;

	if (o->pin_root || !str_empty(env))
		return o->pin_root ? o->pin_root : env;
	if (ask_socket(a, o->node.socket, &socket, NULL) ||
	    ask_agent(a, socket, "GET", "/v1/status", &status, NULL, NULL))
		return DEFAULT_PIN_ROOT;
	said = doc_find_str(status, "pinRoot");
	return said ? said : DEFAULT_PIN_ROOT;
}

static uint64_t jiffies_now(uint32_t hz)
{
	uint64_t start = (uint64_t)(uint32_t)(0u - INITIAL_SECONDS * hz);

	return start + clock_now_ns(clock_system()) / (1000000000u / hz);
}

struct view {
	enum map_id map, second; /* second: another map of the same rows, or MAP_COUNT */
	void (*row)(void *arg, const void *key, const void *value);
	const struct column *columns;
	size_t n_columns;
};

static int open_reader(const struct cli_call *call, struct arena *a, struct maps *maps,
		       struct row_reader *r, struct error *err)
{
	struct meta meta = {0};
	uint32_t zero = 0;
	int code = maps_open_existing(maps, pin_root(a, call->opts), err);

	if (code)
		return code;
	maps_get(maps, MAP_meta, &zero, &meta);
	*r = (struct row_reader){.arena = a, .maps = maps, .hz = meta.hz ? meta.hz : 250};
	r->list = doc_list(a);
	r->now = jiffies_now(r->hz);
	return 0;
}

static void print_rows(const struct cli_call *call, const struct doc *list,
		       const struct column *columns, size_t n)
{
	const struct bpf_opts *o = call->opts;

	if (o->node.output == OUTPUT_TABLE)
		table_print(call->out, list, columns, n);
	else
		table_print_doc(call->out, list, o->node.output);
}

struct set_search {
	int64_t id;
	uint32_t *sets;
	bool found;
};

static void find_sets(void *arg, UNUSED const void *key, const void *value)
{
	struct set_search *s = arg;
	struct endpoint e;

	memcpy(&e, value, sizeof(e));
	if (e.tag != s->id || !e.ifindex)
		return;
	s->found = true;
	/* An endpoint that enforces nothing has no rows: a set nobody has. */
	for (int d = 0; d < DIRECTION_COUNT; d++)
		s->sets[d] = e.policy_set[d] ? e.policy_set[d] : UINT32_MAX;
}

/* policy list --endpoint: only the sets that the endpoint's row names. */
static int choose_sets(const struct cli_call *call, struct row_reader *r, struct error *err)
{
	const struct bpf_opts *o = call->opts;
	struct set_search search = {o->endpoint, r->sets, false};
	int n;

	if (!o->endpoint)
		return 0;
	n = maps_each(r->maps, MAP_endpoint, find_sets, &search, err);
	if (n < 0)
		return n;
	return search.found ? 0
			    : error_set(err, -ENOENT, "the kernel has no endpoint %lld",
					(long long)o->endpoint);
}

static int list_maps(const struct cli_call *call, const struct view *v, struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct row_reader r;
	struct maps maps;
	int code = open_reader(call, &a, &maps, &r, err);

	if (code)
		return code;
	code = v->map == MAP_policy ? choose_sets(call, &r, err) : 0;
	if (code >= 0)
		code = maps_each(&maps, v->map, v->row, &r, err);
	if (code >= 0 && v->second != MAP_COUNT) {
		r.unanswered = true;
		code = maps_each(&maps, v->second, v->row, &r, err);
	}
	if (code >= 0)
		print_rows(call, r.list, v->columns, v->n_columns);
	maps_close(&maps);
	return code < 0 ? code : CLI_OK;
}

#define VIEW(map_, second_, row_)                                                                  \
	static const struct view view = {map_, second_, row_, columns, ARRAY_SIZE(columns)}

int cmd_bpf_endpoint(const struct cli_call *call, struct error *err)
{
	static const struct column columns[] = {
		{"ENDPOINT", "endpoint", COLUMN_TEXT}, {"SLOT", "slot", COLUMN_TEXT},
		{"ADDRESS", "address", COLUMN_TEXT},   {"IDENTITY", "identity", COLUMN_TEXT},
		{"DEVICE", "ifindex", COLUMN_TEXT},    {"IN SET", "ingressSet", COLUMN_TEXT},
		{"OUT SET", "egressSet", COLUMN_TEXT}, {"GENERATION", "generation", COLUMN_TEXT},
		{"FLAGS", "flags", COLUMN_LIST},
	};
	VIEW(MAP_endpoint, MAP_COUNT, row_endpoint);

	return list_maps(call, &view, err);
}

int cmd_bpf_policy(const struct cli_call *call, struct error *err)
{
	static const struct column columns[] = {
		{"SET", "set", COLUMN_TEXT},           {"DIRECTION", "direction", COLUMN_TEXT},
		{"VERDICT", "verdict", COLUMN_TEXT},   {"IDENTITY", "identity", COLUMN_TEXT},
		{"PROTOCOL", "protocol", COLUMN_TEXT}, {"PORT", "port", COLUMN_TEXT},
		{"RULE", "rule", COLUMN_TEXT},
	};
	VIEW(MAP_policy, MAP_COUNT, row_policy);

	return list_maps(call, &view, err);
}

int cmd_bpf_ct(const struct cli_call *call, struct error *err)
{
	static const struct column columns[] = {
		{"PROTOCOL", "protocol", COLUMN_TEXT},
		{"FROM", "from", COLUMN_TEXT},
		{"SOURCE", "source", COLUMN_TEXT},
		{"DESTINATION", "destination", COLUMN_TEXT},
		{"ACTION", "action", COLUMN_TEXT},
		{"BECOMES", "newDestination", COLUMN_TEXT},
		{"IDENTITIES", "sourceIdentity", COLUMN_TEXT},
		{"", "destinationIdentity", COLUMN_TEXT},
		{"EXPIRES", "expiresIn", COLUMN_TEXT},
		{"CURRENT", "current", COLUMN_FLAG},
		{"FLAGS", "flags", COLUMN_LIST},
	};
	VIEW(MAP_conntrack, MAP_ct_new, row_conntrack);

	return list_maps(call, &view, err);
}

int cmd_bpf_lb(const struct cli_call *call, struct error *err)
{
	static const struct column columns[] = {
		{"FRONTEND", "frontend", COLUMN_TEXT},
		{"SLOTS", "slots", COLUMN_TEXT},
		{"BACKENDS", "backends", COLUMN_BACKENDS},
	};
	VIEW(MAP_service, MAP_COUNT, row_service);

	return list_maps(call, &view, err);
}

int cmd_bpf_ipcache(const struct cli_call *call, struct error *err)
{
	static const struct column columns[] = {
		{"PREFIX", "prefix", COLUMN_TEXT},
		{"IDENTITY", "identity", COLUMN_TEXT},
		{"NODE", "node", COLUMN_TEXT},
	};
	VIEW(MAP_ipcache, MAP_COUNT, row_ipcache);

	return list_maps(call, &view, err);
}

int cmd_bpf_traffic(const struct cli_call *call, struct error *err)
{
	static const struct column columns[] = {
		{"SOURCE", "source", COLUMN_TEXT},
		{"DESTINATION", "destination", COLUMN_TEXT},
		{"PROTOCOL", "protocol", COLUMN_TEXT},
		{"PORT", "port", COLUMN_TEXT},
		{"DECIDED AT", "direction", COLUMN_TEXT},
		{"VERDICT", "verdict", COLUMN_TEXT},
		{"DECISIONS", "decisions", COLUMN_TEXT},
		{"RULE", "rule", COLUMN_TEXT},
	};
	VIEW(MAP_traffic, MAP_COUNT, row_traffic);

	return list_maps(call, &view, err);
}

int cmd_bpf_metrics(const struct cli_call *call, struct error *err)
{
	static const struct column columns[] = {
		{"REASON", "reason", COLUMN_TEXT},
		{"DIRECTION", "direction", COLUMN_TEXT},
		{"PACKETS", "packets", COLUMN_TEXT},
		{"BYTES", "bytes", COLUMN_TEXT},
	};
	auto_release(arena) struct arena a = ARENA_INIT;
	struct row_reader r;
	struct maps maps;
	int code = open_reader(call, &a, &maps, &r, err);

	if (code)
		return code;
	for (uint32_t slot = 0; slot < METRICS_MAX; slot++) {
		uint32_t reason = slot / DIRECTION_COUNT;
		uint64_t sum[2];
		struct doc *d;

		if (maps_get_sum(&maps, MAP_metrics, slot, sum, 2) || !sum[0])
			continue;
		d = doc_append(&a, r.list, doc_map(&a));
		doc_set_int(&a, d, "number", reason);
		doc_set_string(&a, d, "reason",
			       reason ? flow_reason_text((uint8_t)reason) : "Forwarded");
		doc_set_string(&a, d, "direction",
			       slot % DIRECTION_COUNT == DIRECTION_EGRESS ? "egress" : "ingress");
		doc_set_int(&a, d, "packets", (int64_t)sum[0]);
		doc_set_int(&a, d, "bytes", (int64_t)sum[1]);
	}
	print_rows(call, r.list, columns, ARRAY_SIZE(columns));
	maps_close(&maps);
	return CLI_OK;
}
