/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/agentapi/attach.h - what sidestep-cni asks of the agent when a pod comes and goes.
 *
 *   PUT /v1/endpoint/<container id>      struct attach_request -> 200 struct attach_answer
 *       The veth pair exists, without an address in the pod. The agent takes an address from the
 *       node's podCIDR, attaches its programs to the host side and answers when the policy of this
 *       endpoint is in force; only then does the pod get its address. Repeating it is harmless and
 *       gives the same addresses.
 *   DELETE /v1/endpoint/<container id>   204; 404 counts as success
 *   GET /v1/endpoint/<container id>      200 struct attach_answer, 404
 *
 * A refusal is {"error": "sentence"} with 4xx (it will not get better) or 5xx (try again later).
 *
 * Deletion queue. When the agent does not answer, DEL leaves a file <queue>/<container id> and
 * succeeds. The plugin does so holding <queue>/.lock (flock, exclusive) and only after trying once
 * more under that lock; the agent drains the queue after its socket listens, holding the same lock.
 * So a deletion is either answered or found, never lost.
 */
#pragma once

#include "lib/doc/bind.h"

struct attach_request {
	const char *netns;       /* path of the pod's namespace */
	const char *ifname;      /* inside it: "eth0" */
	const char *host_ifname; /* the other end, on the node */
	int64_t host_ifindex;
	const char *mac, *host_mac;
	const char *pod_namespace, *pod_name, *pod_uid;
	struct strings addresses; /* wanted (chaining); empty: the agent allocates */
};
extern const struct bind_table attach_request_table;

struct attach_answer {
	int64_t endpoint_id;
	int64_t identity;
	int64_t generation;       /* in force when this was answered */
	struct strings addresses; /* without prefix length */
	const char *gateway;      /* NULL: 169.254.1.1, which is never on the wire */
	int32_t mtu;              /* of the pod's device; 0: leave it */
	const char *state;        /* "ready" ... (GET) */
};
extern const struct bind_table attach_answer_table;

/* The file in the deletion queue. */
struct attach_deletion {
	const char *container_id, *ifname;
};
extern const struct bind_table attach_deletion_table;

/* 1 to 128 letters, digits, '_', '.', '-', beginning with a letter or digit (CNI's own rule). */
bool attach_container_id_valid(const char *id);
