/* SPDX-License-Identifier: Apache-2.0 */
/* deploy/lab/ready.h - waiting until the parts of a lab stand, asked of the API like anybody would.
 */
#pragma once

#include "deploy/lab/lab.h"
#include "lib/cli/progress.h"
#include "lib/kube/client.h"

/* A client of the lab's API for tools on this machine; waits for the kubeconfig to appear. */
int lab_connect(const struct lab *lab, struct loop *loop, uint64_t timeout_ns,
		struct kube_client **ret_client, struct error *err);
/* All: -ETIMEDOUT says what is still missing. */
int lab_wait_api(struct kube_client *client, uint64_t timeout_ns, struct error *err);
int lab_wait_nodes(struct kube_client *client, unsigned n, uint64_t timeout_ns, struct progress *p,
		   struct error *err);
int lab_wait_webhook(struct kube_client *client, uint64_t timeout_ns, struct error *err);
/* The agent's DaemonSet has a ready pod on every node. */
int lab_wait_agents(struct kube_client *client, uint64_t timeout_ns, struct progress *p,
		    struct error *err);
/* Every Deployment of every namespace has all replicas updated and available. */
int lab_wait_deployments(struct kube_client *client, uint64_t timeout_ns, struct progress *p,
			 struct error *err);
