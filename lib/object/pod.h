/* SPDX-License-Identifier: Apache-2.0 */
/* lib/object/pod.h - Pod: what runs, where, under which name and with which sidecar. */
#pragma once

#include "lib/object/meta.h"

struct container_port {
	const char *name; /* NULL when unnamed */
	int32_t port;
	const char *protocol; /* NULL means TCP */
	int32_t host_port;
};

struct env_var {
	const char *name, *value;
	const struct doc *value_from;
};

struct container {
	const char *name, *image;
	struct strings command, args;
	struct env_var *env;
	size_t n_env;
	struct container_port *ports;
	size_t n_ports;
	const char *restart_policy; /* of an init container: "Always" makes it a native sidecar */
	const struct doc *readiness_probe, *liveness_probe, *startup_probe, *lifecycle;
	const struct doc *security_context, *resources;
	const struct doc *volume_mounts;
};

struct container_status {
	const char *name, *image, *container_id;
	bool ready;
	struct opt_bool started;
	int32_t restart_count;
	const struct doc *state, *last_state;
};

struct pod {
	struct object_meta meta;
	struct container *containers;
	size_t n_containers;
	struct container *init_containers;
	size_t n_init_containers;
	const char *node_name;
	const char *service_account; /* NULL means "default" */
	bool host_network;
	const char *restart_policy;
	struct opt_int termination_grace_seconds;
	const char *hostname, *subdomain;
	struct strmap node_selector;
	const struct doc *volumes;
	/* status */
	const char *phase, *reason, *message;
	const char *pod_ip, *host_ip, *start_time;
	struct strings pod_ips;
	struct condition *conditions;
	size_t n_conditions;
	struct container_status *container_statuses;
	size_t n_container_statuses;
	struct container_status *init_container_statuses;
	size_t n_init_container_statuses;
};

extern const struct bind_table pod_table;
extern const struct bind_table container_table;
extern const struct bind_table container_status_table;

int pod_decode(struct arena *a, const struct doc *d, struct pod *out, struct error *err);

/* Condition Ready is True. */
bool pod_is_ready(const struct pod *p);
/* Phase Succeeded or Failed: its processes are gone for good. */
bool pod_is_finished(const struct pod *p);
/* A container or init container named istio-proxy: the pod still has an Istio sidecar. */
bool pod_has_sidecar(const struct pod *p);
const struct container *pod_container(const struct pod *p, const char *name);
/* Never NULL: the service account's name, "default" when none is written. */
const char *pod_service_account(const struct pod *p);
/* A container port by name, over containers and native sidecars; NULL when there is none. */
const struct container_port *pod_port(const struct pod *p, const char *name);
