/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/agentapi/agentapi.h - the agent's socket: HTTP/1.1 and JSON on a unix socket of the node.
 *
 *   GET    /v1/status                 struct agent_status
 *   GET    /v1/config                 {"items": [struct agent_config]}
 *   GET    /v1/endpoint               {"items": [struct agent_endpoint]}
 *   GET    /v1/endpoint/ID            struct agent_endpoint of that number
 *   PUT, DELETE, GET /v1/endpoint/CONTAINER   as lib/agentapi/attach.h says (GET has its members
 * too) POST   /v1/endpoint/ID/regenerate struct agent_regenerated; ID may be "all": {"items":
 * [...]} GET    /v1/identity               {"items": [struct agent_identity]} GET    /v1/policy
 * {"items": [struct agent_policy]} GET    /v1/policy/trace?...       struct agent_trace (see below)
 *   GET    /v1/service                {"items": [struct agent_service]}
 *   GET    /v1/events                 flows, one JSON object per line, until the client goes
 *   GET    /metrics                   Prometheus text
 *
 * Failures are {"error": "one sentence"} with 400 (cannot be read), 404, 409 (address or device in
 * use), 503 (not now, try again) or 500.
 */
#pragma once

#include "lib/doc/bind.h"
#include "lib/object/health.h"

/* Where the socket is unless --socket says otherwise; the node's name in the middle. */
#define AGENT_SOCKET_FORMAT "/run/sidestep/%s/sidestepd.sock"
/* What the agent reads of a request; more is 413. */
#define AGENT_MAX_BODY (1u << 20)

struct agent_informer {
	const char *kind;
	bool synced;
	int64_t objects;
	const char *error; /* NULL when all is well */
};

struct agent_status {
	const char *version, *node, *boot_id;
	bool ready;
	const char *message;     /* why not ready */
	const char *attach_mode; /* "tcx" or "clsact" */
	const char *pin_root;
	int64_t revision; /* of the desired state last applied */
	int64_t uptime_s;
	const char *pod_cidr;
	int64_t addresses_used, addresses_total;
	int64_t endpoints, endpoints_ready;
	int64_t policies, policies_unsupported;
	int64_t services, identities;
	int64_t events_lost;
	struct agent_informer *informers;
	size_t n_informers;
	struct sidestep_health *health; /* the same as in the node's SidestepNode */
};

struct agent_endpoint {
	int64_t id;
	const char *container, *namespace, *pod, *uid;
	const char *ifname; /* host side */
	int64_t ifindex;
	const char *address, *mac, *host_mac;
	int64_t identity;
	struct strings labels; /* of the identity, "k8s:app=web" */
	const char *state;     /* see agent/endpoint.h; "not-ready" when its last build failed */
	const char *error;     /* of the last build; NULL when it worked */
	int64_t generation;    /* in force in the kernel */
	int64_t revision;
	bool ingress_enforced, egress_enforced, audit, refuse, sidecar, sock_optout;
	const char *ingress_digest, *egress_digest; /* of the row sets; NULL when not enforced */
	int64_t ingress_rows, egress_rows;
	int64_t slot; /* in the kernel's endpoint map */
};

struct agent_identity {
	int64_t id;
	struct strings labels;
	int64_t endpoints; /* how many on this node */
};

struct agent_unsupported {
	const char *path, *reason;
};

struct agent_policy {
	const char *kind, *namespace, *name;
	int64_t generation;
	bool enforced; /* false: unsupported says what it asks that nobody enforces */
	struct agent_unsupported *unsupported;
	size_t n_unsupported;
	struct strings endpoints; /* "namespace/pod" on this node that it selects */
};

struct agent_config {
	const char *key, *value;
	const char *source; /* "default", "file", "flag" */
};

struct agent_backend {
	const char *address; /* "10.0.0.1:80" */
	const char *state;   /* "active", "terminating" */
};
struct agent_service {
	const char *namespace, *name, *port_name;
	const char *frontend; /* "10.96.0.1:80/TCP" */
	struct agent_backend *backends;
	size_t n_backends;
};

struct agent_regenerated {
	int64_t id;
	const char *namespace, *pod;
	int64_t generation_before, generation_after;
	struct strings corrupted; /* rows that differed and were repaired */
	const char *error;
};

/*
 * GET /v1/policy/trace?source=IDENTITY&destination=IDENTITY&port=N&protocol=TCP
 * Each side is an identity number, an address, or "namespace/pod".
 */
struct agent_trace {
	const char *verdict;          /* "allowed", "denied" */
	const char *egress, *ingress; /* deciding rule in words; NULL when the side is not a pod */
	bool egress_allowed, ingress_allowed;
};

extern const struct bind_table agent_status_table, agent_endpoint_table, agent_identity_table,
	agent_policy_table, agent_config_table, agent_service_table, agent_regenerated_table,
	agent_trace_table;

/* {"items": [...]} of n structs of the table, as a document. */
struct doc *agent_items(struct arena *a, const struct bind_table *table, const void *items,
			size_t n);
/* The inverse: an array in the arena. */
int agent_items_decode(struct arena *a, const struct bind_table *table, const struct doc *d,
		       void **ret_items, size_t *ret_n, struct error *err);
