/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events of the ring to whoever listens. The last ones are kept as they came, 96 bytes each, and
 * are only given names when somebody reads them; a reader that does not read loses lines, not
 * memory.
 *
 * GET /v1/events?last=N&follow=false
 */
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "lib/base/alloc.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/flow/flow.h"

enum { KEPT = 4096, READ_AT_ONCE = 512, MAX_UNREAD = 1 << 20 };

struct subscriber {
	struct subscriber *next;
	struct events *events;
	struct http_exchange *x;
};

struct events {
	struct agent *agent;
	struct loop_fd *source;
	struct subscriber *subscribers;
	struct event ring[KEPT];
	uint64_t seen; /* events so far; the newest is ring[(seen - 1) % KEPT] */
};

/* The name of what owns the pod: a Deployment's, not its ReplicaSet's. */
static const char *workload_of(struct arena *a, const struct pod *p)
{
	const struct owner_reference *owner = object_controller(&p->meta);
	const char *dash = owner && owner->name ? strrchr(owner->name, '-') : NULL;

	if (!owner)
		return NULL;
	if (str_eq(owner->kind, "ReplicaSet") && dash)
		return arena_strndup(a, owner->name, (size_t)(dash - owner->name));
	return owner->name;
}

/* What enriches one record. */
struct naming {
	struct agent *agent;
	struct arena *a;
};

static void name_address(void *arg, const struct net_addr *addr, struct flow_end *end)
{
	struct naming *n = arg;
	const struct mesh_input *in = &n->agent->applied->input;
	char text[NET_ADDR_SIZE];

	net_addr_format(addr, text);
	for (size_t i = 0; i < in->n_pods; i++) {
		const struct pod *p = &in->pods[i];

		if (p->host_network || pod_is_finished(p) || !str_eq(p->pod_ip, text))
			continue;
		end->namespace = p->meta.namespace;
		end->pod = p->meta.name;
		end->workload = workload_of(n->a, p);
	}
	vec_foreach (&n->agent->endpoints.list, ep) {
		if (!net_addr_equal(&(*ep)->addr, addr))
			continue;
		end->endpoint = (*ep)->id;
		end->namespace = (*ep)->namespace;
		end->pod = (*ep)->pod;
	}
}

static void name_identity(void *arg, uint32_t identity, struct flow_end *end)
{
	struct naming *n = arg;
	const struct mesh_identities *t = n->agent->applied->input.identities;
	const struct mesh_identity *id = t ? mesh_identity_get(t, identity) : NULL;

	if (!id)
		return;
	end->labels.items = arena_array(n->a, id->labels.n + 1, const char *);
	end->labels.n = 0;
	for (size_t i = 0; i < id->labels.n; i++) {
		const char *value = str_or_empty(id->labels.items[i].value);

		end->labels.items[end->labels.n++] = arena_printf(
			n->a, "%s%s%s", id->labels.items[i].key, *value ? "=" : "", value);
	}
	if (!end->namespace)
		end->namespace = strmap_get(&id->labels, MESH_LABEL_NAMESPACE);
}

static const char *name_rule(void *arg, uint32_t rule)
{
	struct naming *n = arg;
	const struct mesh_input *in = &n->agent->applied->input;
	const char *text = mesh_rule_describe(n->a, in->policies, in->n_policies, rule);

	return *text ? text : NULL;
}

static void write_line(struct agent *agent, const struct event *e, struct http_exchange *x)
{
	struct arena a = ARENA_INIT;
	struct strbuf sb = STRBUF_INIT;
	struct naming naming = {agent, &a};
	const struct flow_names names = {&naming, agent->options.node, name_address, name_identity,
					 name_rule};
	int64_t offset = clock_wall_ns(agent->clock) - (int64_t)clock_now_ns(agent->clock);
	struct flow flow;

	if (flow_decode(e, offset, &flow, NULL) == 0) {
		flow_enrich(&flow, &names);
		doc_write_json(flow_to_doc(&a, &flow), DOC_COMPACT, &sb);
		strbuf_addc(&sb, '\n');
		http_reply_write(x, sb.buf, sb.len);
	}
	strbuf_release(&sb);
	arena_release(&a);
}

static void on_event(void *arg, const struct event *e)
{
	struct events *ev = arg;

	ev->ring[ev->seen++ % KEPT] = *e;
	for (struct subscriber *s = ev->subscribers; s; s = s->next) {
		if (http_reply_pending(s->x) < MAX_UNREAD)
			write_line(ev->agent, e, s->x);
	}
}

static void on_readable(void *arg, UNUSED unsigned ready)
{
	struct events *ev = arg;

	datapath_events_read(ev->agent->dp, READ_AT_ONCE, on_event, ev);
}

int events_start(struct agent *agent, UNUSED struct error *err)
{
	struct events *ev = xcalloc(1, sizeof(*ev));
	int fd = datapath_events_fd(agent->dp);

	ev->agent = agent;
	agent->events = ev;
	if (fd >= 0)
		ev->source = loop_fd_new(agent->loop, fd, LOOP_READ, on_readable, ev);
	return 0;
}

void events_stop(struct agent *agent)
{
	if (!agent->events)
		return;
	loop_fd_free(agent->events->source);
	free(agent->events);
	agent->events = NULL;
}

static void on_gone(void *arg, UNUSED bool complete)
{
	struct subscriber *s = arg;
	struct subscriber **at = &s->events->subscribers;

	while (*at && *at != s)
		at = &(*at)->next;
	if (*at)
		*at = s->next;
	free(s);
}

void events_subscribe(struct agent *agent, struct http_exchange *x)
{
	struct events *ev = agent->events;
	const struct http_query *q = http_view(x)->query;
	bool follow = !str_eq(http_query_get(q, "follow"), "false");
	struct subscriber *s;
	uint64_t last = 0;

	str_to_u64(str_or_empty(http_query_get(q, "last")), 0, KEPT, &last, "last", NULL);
	last = MIN(last, ev->seen);
	http_reply_start(x, 200, "application/x-ndjson");
	for (uint64_t i = ev->seen - last; i < ev->seen; i++)
		write_line(agent, &ev->ring[i % KEPT], x);
	if (!follow) {
		http_reply_end(x);
		return;
	}
	s = xcalloc(1, sizeof(*s));
	s->events = ev;
	s->x = x;
	s->next = ev->subscribers;
	ev->subscribers = s;
	http_exchange_on_close(x, on_gone, s);
}
