/* SPDX-License-Identifier: Apache-2.0 */
/* Events of the ring to whoever listens; nobody listening costs one read. */
#include <stdlib.h>

#include "agent/agent.h"
#include "lib/base/alloc.h"

int events_start(struct agent *agent, struct error *err)
{
	(void)agent;
	(void)err;
	return 0;
}

void events_stop(struct agent *agent)
{
	(void)agent;
}

void events_subscribe(struct agent *agent, struct http_exchange *x)
{
	(void)agent;
	http_reply(x, 501, "application/json", "{}", 2);
}
