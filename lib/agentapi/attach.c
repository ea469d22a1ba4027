/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/agentapi/attach.h"

#include <ctype.h>
#include <string.h>

static const struct bind_field request_fields[] = {
	BIND(struct attach_request, netns, "netns", BIND_STRING, BIND_REQUIRED | BIND_NON_EMPTY),
	BIND(struct attach_request, ifname, "ifname", BIND_STRING, BIND_REQUIRED | BIND_NON_EMPTY),
	BIND(struct attach_request, host_ifname, "hostIfname", BIND_STRING,
	     BIND_REQUIRED | BIND_NON_EMPTY),
	BIND_RANGE(struct attach_request, host_ifindex, "hostIfindex", BIND_INT64, BIND_REQUIRED, 1,
		   INT32_MAX),
	BIND(struct attach_request, mac, "mac", BIND_STRING, BIND_REQUIRED),
	BIND(struct attach_request, host_mac, "hostMac", BIND_STRING, BIND_REQUIRED),
	BIND(struct attach_request, pod_namespace, "pod.namespace", BIND_STRING, BIND_REQUIRED),
	BIND(struct attach_request, pod_name, "pod.name", BIND_STRING, BIND_REQUIRED),
	BIND(struct attach_request, pod_uid, "pod.uid", BIND_STRING, 0),
	BIND(struct attach_request, addresses, "addresses", BIND_STRINGS, 0),
};
BIND_TABLE(attach_request_table, struct attach_request, request_fields);

static const struct bind_field answer_fields[] = {
	BIND(struct attach_answer, endpoint_id, "endpointId", BIND_INT64, 0),
	BIND(struct attach_answer, identity, "identity", BIND_INT64, 0),
	BIND(struct attach_answer, generation, "generation", BIND_INT64, 0),
	BIND(struct attach_answer, addresses, "addresses", BIND_STRINGS,
	     BIND_REQUIRED | BIND_NON_EMPTY),
	BIND(struct attach_answer, gateway, "gateway", BIND_STRING, 0),
	BIND_RANGE(struct attach_answer, mtu, "mtu", BIND_INT32, 0, 0, 65535),
	BIND(struct attach_answer, state, "state", BIND_STRING, 0),
};
BIND_TABLE(attach_answer_table, struct attach_answer, answer_fields);

static const struct bind_field deletion_fields[] = {
	BIND(struct attach_deletion, container_id, "containerId", BIND_STRING,
	     BIND_REQUIRED | BIND_NON_EMPTY),
	BIND(struct attach_deletion, ifname, "ifname", BIND_STRING, 0),
};
BIND_TABLE(attach_deletion_table, struct attach_deletion, deletion_fields);

bool attach_container_id_valid(const char *id)
{
	const size_t n = id ? strlen(id) : 0;

	if (n == 0 || n > 128 || !isalnum((unsigned char)*id))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)id[i]) && !strchr("_.-", id[i]))
			return false;
	return true;
}
