/* SPDX-License-Identifier: Apache-2.0 */
/* Pod: its table and the questions the mesh asks of it. */
#include "lib/object/pod.h"

#include "lib/base/macros.h"
#include "lib/base/str.h"

static const struct bind_field port_fields[] = {
	BIND(struct container_port, name, "name", BIND_STRING, 0),
	BIND_RANGE(struct container_port, port, "containerPort", BIND_INT32, 0, 0, 65535),
	BIND(struct container_port, protocol, "protocol", BIND_STRING, 0),
	BIND_RANGE(struct container_port, host_port, "hostPort", BIND_INT32, 0, 0, 65535),
};
static BIND_TABLE(port_table, struct container_port, port_fields);

static const struct bind_field env_fields[] = {
	BIND(struct env_var, name, "name", BIND_STRING, 0),
	BIND(struct env_var, value, "value", BIND_STRING, 0),
	BIND(struct env_var, value_from, "valueFrom", BIND_DOC, 0),
};
static BIND_TABLE(env_table, struct env_var, env_fields);

static const struct bind_field container_fields[] = {
	BIND(struct container, name, "name", BIND_STRING, BIND_REQUIRED),
	BIND(struct container, image, "image", BIND_STRING, 0),
	BIND(struct container, command, "command", BIND_STRINGS, 0),
	BIND(struct container, args, "args", BIND_STRINGS, 0),
	BIND_ITEMS(struct container, env, "env", 0, &env_table),
	BIND_ITEMS(struct container, ports, "ports", 0, &port_table),
	BIND(struct container, restart_policy, "restartPolicy", BIND_STRING, 0),
	BIND(struct container, readiness_probe, "readinessProbe", BIND_DOC, 0),
	BIND(struct container, liveness_probe, "livenessProbe", BIND_DOC, 0),
	BIND(struct container, startup_probe, "startupProbe", BIND_DOC, 0),
	BIND(struct container, lifecycle, "lifecycle", BIND_DOC, 0),
	BIND(struct container, security_context, "securityContext", BIND_DOC, 0),
	BIND(struct container, resources, "resources", BIND_DOC, 0),
	BIND(struct container, volume_mounts, "volumeMounts", BIND_DOC, 0),
};
BIND_TABLE(container_table, struct container, container_fields);

static const struct bind_field container_status_fields[] = {
	BIND(struct container_status, name, "name", BIND_STRING, 0),
	BIND(struct container_status, image, "image", BIND_STRING, 0),
	BIND(struct container_status, container_id, "containerID", BIND_STRING, 0),
	BIND(struct container_status, ready, "ready", BIND_BOOL, 0),
	BIND(struct container_status, started, "started", BIND_OPT_BOOL, 0),
	BIND(struct container_status, restart_count, "restartCount", BIND_INT32, 0),
	BIND(struct container_status, state, "state", BIND_DOC, 0),
	BIND(struct container_status, last_state, "lastState", BIND_DOC, 0),
};
BIND_TABLE(container_status_table, struct container_status, container_status_fields);

static const struct bind_field pod_fields[] = {
	OBJECT_META_ROWS(struct pod),
	BIND_ITEMS(struct pod, containers, "spec.containers", 0, &container_table),
	BIND_ITEMS(struct pod, init_containers, "spec.initContainers", 0, &container_table),
	BIND(struct pod, node_name, "spec.nodeName", BIND_STRING, 0),
	BIND(struct pod, service_account, "spec.serviceAccountName", BIND_STRING, 0),
	BIND(struct pod, host_network, "spec.hostNetwork", BIND_BOOL, 0),
	BIND(struct pod, restart_policy, "spec.restartPolicy", BIND_STRING, 0),
	BIND(struct pod, termination_grace_seconds, "spec.terminationGracePeriodSeconds",
	     BIND_OPT_INT, 0),
	BIND(struct pod, hostname, "spec.hostname", BIND_STRING, 0),
	BIND(struct pod, subdomain, "spec.subdomain", BIND_STRING, 0),
	BIND(struct pod, node_selector, "spec.nodeSelector", BIND_STRMAP, 0),
	BIND(struct pod, volumes, "spec.volumes", BIND_DOC, 0),
	BIND(struct pod, phase, "status.phase", BIND_STRING, 0),
	BIND(struct pod, reason, "status.reason", BIND_STRING, 0),
	BIND(struct pod, message, "status.message", BIND_STRING, 0),
	BIND(struct pod, pod_ip, "status.podIP", BIND_STRING, 0),
	BIND(struct pod, host_ip, "status.hostIP", BIND_STRING, 0),
	BIND(struct pod, start_time, "status.startTime", BIND_STRING, 0),
	BIND_ITEMS(struct pod, conditions, "status.conditions", 0, &condition_table),
	BIND_ITEMS(struct pod, container_statuses, "status.containerStatuses", 0,
		   &container_status_table),
	BIND_ITEMS(struct pod, init_container_statuses, "status.initContainerStatuses", 0,
		   &container_status_table),
};
BIND_TABLE(pod_table, struct pod, pod_fields);

int pod_decode(struct arena *a, const struct doc *d, struct pod *out, struct error *err)
{
	const struct doc *ips = doc_find(d, "status.podIPs");
	int r = object_decode(a, &pod_table, d, out, err);

	if (r < 0)
		return r;
	out->pod_ips.items = arena_array(a, doc_len(ips) + 1, const char *);
	doc_foreach_item (ips, it) {
		const char *ip = doc_str(doc_get(it, "ip"));

		if (ip)
			out->pod_ips.items[out->pod_ips.n++] = ip;
	}
	if (out->pod_ips.n == 0 && out->pod_ip)
		out->pod_ips.items[out->pod_ips.n++] = out->pod_ip;
	return 0;
}

bool pod_is_ready(const struct pod *p)
{
	return condition_true(p->conditions, p->n_conditions, "Ready");
}

bool pod_is_finished(const struct pod *p)
{
	return str_eq(p->phase, "Succeeded") || str_eq(p->phase, "Failed");
}

const struct container *pod_container(const struct pod *p, const char *name)
{
	for (size_t i = 0; i < p->n_containers; i++) {
		if (str_eq(p->containers[i].name, name))
			return &p->containers[i];
	}
	for (size_t i = 0; i < p->n_init_containers; i++) {
		if (str_eq(p->init_containers[i].name, name))
			return &p->init_containers[i];
	}
	return NULL;
}

bool pod_has_sidecar(const struct pod *p)
{
	return pod_container(p, "istio-proxy") != NULL;
}

const char *pod_service_account(const struct pod *p)
{
	return str_empty(p->service_account) ? "default" : p->service_account;
}

static const struct container_port *port_named(const struct container *c, const char *name)
{
	for (size_t i = 0; i < c->n_ports; i++) {
		if (str_eq(c->ports[i].name, name))
			return &c->ports[i];
	}
	return NULL;
}

const struct container_port *pod_port(const struct pod *p, const char *name)
{
	const struct container_port *port;

	for (size_t i = 0; i < p->n_containers; i++) {
		port = port_named(&p->containers[i], name);
		if (port)
			return port;
	}
	for (size_t i = 0; i < p->n_init_containers; i++) {
		if (!str_eq(p->init_containers[i].restart_policy, "Always"))
			continue;
		port = port_named(&p->init_containers[i], name);
		if (port)
			return port;
	}
	return NULL;
}
