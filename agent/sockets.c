/* SPDX-License-Identifier: Apache-2.0 */
/* agent/sockets.c - ends sockets to backends that are gone, in every network namespace of the node.
 */
#include "agent/agent.h"
#include "lib/net/netns.h"

struct ending {
	struct datapath *dp;
	size_t ended;
};

static int end_here(void *arg, struct error *err)
{
	struct ending *e = arg;
	size_t n;
	int r = datapath_sockets_end(e->dp, &n, err);

	if (r == 0)
		e->ended += n;
	return r;
}

static int end_in_pod(struct ending *e, const struct agent_ep *ep, struct error *err)
{
	int fd, r = netns_open(ep->netns, &fd, err);

	if (r)
		return r;
	r = netns_run(fd, end_here, e, err);
	close(fd);
	return r;
}

void agent_end_sockets(struct agent *agent)
{
	struct ending e = {.dp = agent->dp};
	struct error err = ERROR_INIT;
	size_t stale = 0;
	int r = datapath_sockets_stale(agent->dp, &stale, &err);

	if (r == 0 && !stale)
		return;
	vec_foreach (&agent->endpoints.list, it) {
		struct error why = ERROR_INIT;

		/* A pod that is on its way out has no namespace any more, and no sockets in it. */
		if (r == 0 && (*it)->netns && end_in_pod(&e, *it, &why) < 0)
			log_debug(&agent->log, "sockets of endpoint %u: %s", (*it)->id, why.msg);
	}
	if (r == 0)
		r = end_here(&e, &err);
	if (r == 0)
		r = datapath_sockets_forget(agent->dp, &err);
	if (r < 0)
		log_warn(&agent->log, "sockets to backends that are gone: %s", err.msg);
	else if (e.ended)
		log_info(&agent->log, "sockets ended, their backends are gone n=%zu", e.ended);
}
