/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regeneration on request: compare what is in force for the endpoint with the kernel's rows,
 * repair, look at the attached programs, and bump the generation. It comes before the next round,
 * which would put right what differs without telling anybody.
 */
#include "agent/agent.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"

int agent_regenerate(struct agent *agent, struct agent_ep *ep, struct arena *a,
		     struct datapath_regenerated *ret, struct error *err)
{
	int r;

	if (!agent->applied->revision || agent->failing)
		return error_set(err, -EAGAIN, "%s", agent->problem);
	if (!mesh_desired_endpoint(&agent->applied->desired, ep->id))
		return error_set(err, -EAGAIN, "endpoint %u is not built yet", ep->id);
	r = datapath_attach_pod(agent->dp, ep->ifindex, err);
	if (r == 0)
		r = datapath_regenerate(agent->dp, &agent->applied->desired, ep->id, a, ret, err);
	if (r < 0)
		return r;
	log_info(&agent->log, "endpoint regenerated id=%u generation=%u->%u corrupted=%zu", ep->id,
		 ret->generation_before, ret->generation_after, ret->corrupted.n);
	for (size_t i = 0; i < ret->corrupted.n; i++)
		log_warn(&agent->log, "endpoint %u: repaired %s", ep->id, ret->corrupted.items[i]);
	return 0;
}
