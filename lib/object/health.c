/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/object/health.h"

#include "lib/base/macros.h"

static const struct bind_field not_ready_fields[] = {
	BIND(struct sidestep_not_ready, id, "id", BIND_INT64, 0),
	BIND(struct sidestep_not_ready, namespace, "namespace", BIND_STRING, 0),
	BIND(struct sidestep_not_ready, pod, "pod", BIND_STRING, 0),
	BIND(struct sidestep_not_ready, state, "state", BIND_STRING, 0),
	BIND(struct sidestep_not_ready, error, "error", BIND_STRING, 0),
	BIND(struct sidestep_not_ready, since, "since", BIND_STRING, 0),
};
static BIND_TABLE(not_ready_table, struct sidestep_not_ready, not_ready_fields);

static const struct bind_field endpoints_fields[] = {
	BIND(struct sidestep_health_endpoints, expected, "expected", BIND_OPT_INT, 0),
	BIND(struct sidestep_health_endpoints, ready, "ready", BIND_OPT_INT, 0),
	BIND(struct sidestep_health_endpoints, restored, "restored", BIND_OPT_INT, 0),
	BIND(struct sidestep_health_endpoints, not_ready, "notReady", BIND_OPT_INT, 0),
	BIND_ITEMS(struct sidestep_health_endpoints, items, "items", 0, &not_ready_table),
	BIND(struct sidestep_health_endpoints, missing, "missing", BIND_OPT_INT, 0),
	BIND(struct sidestep_health_endpoints, missing_pods, "missingPods", BIND_STRINGS, 0),
};
static BIND_TABLE(endpoints_table, struct sidestep_health_endpoints, endpoints_fields);

static const struct bind_field regenerations_fields[] = {
	BIND(struct sidestep_regenerations, done, "done", BIND_OPT_INT, 0),
	BIND(struct sidestep_regenerations, failed, "failed", BIND_OPT_INT, 0),
};
static BIND_TABLE(regenerations_table, struct sidestep_regenerations, regenerations_fields);

static const struct bind_field drop_fields[] = {
	BIND(struct sidestep_drop, reason, "reason", BIND_INT64, 0),
	BIND(struct sidestep_drop, name, "name", BIND_STRING, 0),
	BIND(struct sidestep_drop, direction, "direction", BIND_STRING, 0),
	BIND(struct sidestep_drop, packets, "packets", BIND_INT64, 0),
	BIND(struct sidestep_drop, bytes, "bytes", BIND_INT64, 0),
};
static BIND_TABLE(drop_table, struct sidestep_drop, drop_fields);

static const struct bind_field map_fields[] = {
	BIND(struct sidestep_map, name, "name", BIND_STRING, 0),
	BIND(struct sidestep_map, layout, "layout", BIND_INT64, 0),
	BIND(struct sidestep_map, entries, "entries", BIND_OPT_INT, 0),
	BIND(struct sidestep_map, max, "max", BIND_INT64, 0),
	BIND(struct sidestep_map, evicts, "evicts", BIND_BOOL, 0),
};
static BIND_TABLE(map_table, struct sidestep_map, map_fields);

static const struct bind_field programs_fields[] = {
	BIND(struct sidestep_programs, tag, "tag", BIND_STRING, 0),
	BIND(struct sidestep_programs, ids, "ids", BIND_STRINGS, 0),
	BIND(struct sidestep_programs, devices, "devices", BIND_OPT_INT, 0),
	BIND(struct sidestep_programs, wrong, "wrong", BIND_OPT_INT, 0),
};
static BIND_TABLE(programs_table, struct sidestep_programs, programs_fields);

static const struct bind_field controller_fields[] = {
	BIND(struct sidestep_controller, name, "name", BIND_STRING, 0),
	BIND(struct sidestep_controller, failures, "failures", BIND_INT64, 0),
	BIND(struct sidestep_controller, error, "error", BIND_STRING, 0),
	BIND(struct sidestep_controller, since, "since", BIND_STRING, 0),
	BIND(struct sidestep_controller, next_attempt, "nextAttempt", BIND_STRING, 0),
};
static BIND_TABLE(controller_table, struct sidestep_controller, controller_fields);

static const struct bind_field process_fields[] = {
	BIND(struct sidestep_process, cpu_ms, "cpuMs", BIND_OPT_INT, 0),
	BIND(struct sidestep_process, rss_bytes, "rssBytes", BIND_OPT_INT, 0),
	BIND(struct sidestep_process, limit_bytes, "limitBytes", BIND_OPT_INT, 0),
};
static BIND_TABLE(process_table, struct sidestep_process, process_fields);

static const struct bind_field health_fields[] = {
	BIND(struct sidestep_health, started, "started", BIND_STRING, 0),
	BIND(struct sidestep_health, starts, "starts", BIND_OPT_INT, 0),
	BIND(struct sidestep_health, clock_ms, "clockMs", BIND_OPT_INT, 0),
	BIND(struct sidestep_health, uptime_ms, "uptimeMs", BIND_OPT_INT, 0),
	BIND_NESTED(struct sidestep_health, endpoints, "endpoints", BIND_STRUCT, 0,
		    &endpoints_table),
	BIND_NESTED(struct sidestep_health, regenerations, "regenerations", BIND_STRUCT, 0,
		    &regenerations_table),
	BIND(struct sidestep_health, metrics_epoch, "metricsEpoch", BIND_STRING, 0),
	BIND_ITEMS(struct sidestep_health, drops, "drops", 0, &drop_table),
	BIND_ITEMS(struct sidestep_health, maps, "maps", 0, &map_table),
	BIND(struct sidestep_health, map_errors, "mapErrors", BIND_OPT_INT, 0),
	BIND(struct sidestep_health, lost_events, "lostEvents", BIND_OPT_INT, 0),
	BIND_NESTED(struct sidestep_health, programs, "programs", BIND_STRUCT, 0, &programs_table),
	BIND(struct sidestep_health, failing_controllers, "failingControllers", BIND_OPT_INT, 0),
	BIND_ITEMS(struct sidestep_health, controllers, "controllers", 0, &controller_table),
	BIND_NESTED(struct sidestep_health, process, "process", BIND_STRUCT, 0, &process_table),
};
BIND_TABLE(sidestep_health_table, struct sidestep_health, health_fields);
