/* SPDX-License-Identifier: Apache-2.0 */
/* agent/cni/agent.h - the one request to the node's agent, and the queue for when it is away. */
#pragma once

#include "agent/cni/request.h"
#include "lib/agentapi/attach.h"

/* 0; -1 with *f filled: CNI_ERR_TRY_AGAIN when it does not answer, CNI_ERR_REFUSED when it says no.
 */
int cni_agent_put(struct arena *a, const struct cni_request *rq, const struct attach_request *at,
		  struct attach_answer *out, struct cni_failure *f);
int cni_agent_get(struct arena *a, const struct cni_request *rq, struct attach_answer *out,
		  struct cni_failure *f);
/* Tells the agent, or leaves the deletion in the queue; fails only when neither can be done. */
int cni_agent_delete(const struct cni_request *rq, struct cni_failure *f);
