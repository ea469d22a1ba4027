/* SPDX-License-Identifier: Apache-2.0 */
/* agent/cni/link.h - the veth pair, addresses and routes of one pod. */
#pragma once

#include "agent/cni/request.h"
#include "lib/net/netlink.h"

struct cni_link {
	struct netlink *host, *pod; /* pod is in the pod's namespace */
	int netns_fd;
	struct net_link host_end, pod_end;
};

/* Opens both namespaces. -1 with *f filled: CNI_ERR_UNKNOWN_CONTAINER when the pod's is not there.
 */
int cni_link_open(struct cni_link *l, const struct cni_request *rq, struct cni_failure *f);
void cni_link_close(struct cni_link *l);
/* Makes the pair, both ends up, no address. A leftover of a killed ADD is replaced. */
int cni_link_make(struct cni_link *l, const struct cni_request *rq, struct cni_failure *f);
/* Finds the pair that another plugin made. */
int cni_link_find(struct cni_link *l, const struct cni_request *rq, struct cni_failure *f);
/*
 * Addresses and the default route in the pod, the route to the pod on the node; neighbours of both
 * are permanent, so nobody asks with ARP. gateway is never on the wire.
 */
int cni_link_address(struct cni_link *l, const struct cni_attached *at, struct cni_failure *f);
/* Whether the kernel still has what cni_link_address() made. */
int cni_link_check(struct cni_link *l, const struct cni_request *rq, const struct cni_attached *at,
		   struct cni_failure *f);
/* Deletes the host end by name; absent is success. */
int cni_link_delete(const struct cni_request *rq, struct cni_failure *f);
