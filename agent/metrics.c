/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus text: the few numbers that say whether this node is well. */
#include <inttypes.h>

#include "agent/agent.h"
#include "lib/base/str.h"
#include "lib/flow/flow.h"

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

static void head(struct strbuf *out, const char *name, const char *help, const char *type)
{
	strbuf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void drops(const struct sidestep_health *h, struct strbuf *out)
{
	head(out, "cilium_drop_count_total", "Packets dropped, by reason and direction", "counter");
	for (size_t i = 0; i < h->n_drops; i++) {
		const struct sidestep_drop *d = &h->drops[i];

		strbuf_addf(out,
			    "cilium_drop_count_total{reason=\"%s\",direction=\"%s\"} %" PRId64 "\n",
			    flow_reason_text((uint8_t)d->reason),
			    str_eq(d->direction, "ingress") ? "INGRESS" : "EGRESS", d->packets);
	}
}

/* A map that is not counted yet has no series. */
static void pressure(const struct sidestep_health *h, struct strbuf *out)
{
	head(out, "cilium_bpf_map_pressure", "Rows of a map as a share of what it can hold",
	     "gauge");
	for (size_t i = 0; i < h->n_maps; i++) {
		const struct sidestep_map *m = &h->maps[i];

		if (m->entries.set && m->max > 0)
			strbuf_addf(out, "cilium_bpf_map_pressure{map_name=\"%s\"} %.4f\n", m->name,
				    (double)m->entries.value / (double)m->max);
	}
}

/* What upgrade gates ask about, by the names that dashboards know. */
static void vitals(struct agent *agent, struct strbuf *out)
{
	struct arena a = ARENA_INIT;
	const struct sidestep_health *h = health_shown(agent, &a, true);

	head(out, "cilium_endpoint_regenerations_total", "Endpoints regenerated one by one",
	     "counter");
	strbuf_addf(out,
		    "cilium_endpoint_regenerations_total{outcome=\"success\"} %" PRId64 "\n"
		    "cilium_endpoint_regenerations_total{outcome=\"fail\"} %" PRId64 "\n",
		    h->regenerations.done.value, h->regenerations.failed.value);
	gauge(out, "cilium_controllers_failing", "What has failed and is tried again",
	      (uint64_t)h->failing_controllers.value);
	gauge(out, "sidestep_endpoints_not_ready", "Endpoints that are not ready",
	      (uint64_t)h->endpoints.not_ready.value);
	head(out, "cilium_bpf_map_ops_total", "Rows that the kernel refused", "counter");
	strbuf_addf(out, "cilium_bpf_map_ops_total{outcome=\"fail\"} %" PRId64 "\n",
		    h->map_errors.value);
	drops(h, out);
	pressure(h, out);
	arena_release(&a);
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
	vitals(agent, out);
}
