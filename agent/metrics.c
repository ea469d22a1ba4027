/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus text: the few numbers that say whether this node is well. */
#include <inttypes.h>

#include "agent/agent.h"
#include "lib/base/str.h"

static void gauge(struct strbuf *out, const char *name, const char *help, uint64_t value)
{
	strbuf_addf(out, "# HELP %s %s\n# TYPE %s gauge\n%s %" PRIu64 "\n", name, help, name, name,
		    value);
}

static void endpoint_states(struct agent *agent, struct strbuf *out)
{
	strbuf_adds(out, "# HELP cilium_endpoint_state Endpoints by state\n"
			 "# TYPE cilium_endpoint_state gauge\n");
	for (int s = 0; s < ENDPOINT_STATE_COUNT; s++) {
		unsigned n = 0;

		vec_foreach (&agent->endpoints.list, ep)
			n += (*ep)->state == (enum endpoint_state)s;
		strbuf_addf(out, "cilium_endpoint_state{endpoint_state=\"%s\"} %u\n",
			    endpoint_state_name((enum endpoint_state)s), n);
	}
}

void show_metrics(struct agent *agent, struct strbuf *out)
{
	const struct applied *ap = agent->applied;

	gauge(out, "sidestep_ready", "Whether the last round was applied",
	      ap->revision > 0 && !*agent->problem);
	gauge(out, "sidestep_revision", "Desired states applied so far", ap->revision);
	gauge(out, "cilium_identity", "Identities known",
	      ap->input.identities ? ap->input.identities->n : 0);
	gauge(out, "cilium_policy", "Policies known", ap->input.n_policies);
	gauge(out, "sidestep_services", "Frontends in force", ap->desired.n_services);
	gauge(out, "sidestep_addresses_used", "Pod addresses handed out", agent->ipam.count);
	gauge(out, "hubble_lost_events_total", "Events not delivered",
	      datapath_events_lost(agent->dp));
	endpoint_states(agent, out);
}
