/* SPDX-License-Identifier: Apache-2.0 */
/* "Would it pass?": the two sides' policies asked about one connection. */
#include <string.h>

#include "agent/agent.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"

struct side {
	uint32_t identity;
	struct net_addr addr;
	bool has_addr;
	const struct pod *pod; /* NULL: not named by pod */
	struct mesh_subject subject;
};

static const struct namespace_object *namespace_of(const struct mesh_input *in, const struct pod *p)
{
	for (size_t i = 0; i < in->n_namespaces; i++) {
		if (str_eq(in->namespaces[i].meta.name, p->meta.namespace))
			return &in->namespaces[i];
	}
	return NULL;
}

static void use_pod(const struct mesh_input *in, struct arena *a, const struct pod *p,
		    struct side *out)
{
	const struct namespace_object *ns = namespace_of(in, p);
	struct strmap labels = mesh_pod_labels(a, p, ns);

	out->pod = p;
	out->identity = mesh_identity_of(in->identities, &labels);
	out->subject.labels = mesh_pod_all_labels(a, p, ns);
}

static int parse_side(const struct agent *agent, struct arena *a, const char *text,
		      struct side *out, struct error *err)
{
	const struct mesh_input *in = &agent->applied->input;
	const struct mesh_identity *id;
	uint64_t number;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < in->n_pods; i++) {
		const struct pod *p = &in->pods[i];

		if (str_eq(text, object_key(a, &p->meta)) || str_eq(text, p->pod_ip)) {
			use_pod(in, a, p, out);
			return 0;
		}
	}
	if (text && net_addr_parse(text, &out->addr, NULL) == 0) {
		out->has_addr = true;
		out->identity =
			mesh_universe_address(&agent->applied->desired.universe, &out->addr);
		return 0;
	}
	if (str_to_u64(str_or_empty(text), 1, 0x01ffffff, &number, "identity", NULL) < 0)
		return error_set(err, -EINVAL,
				 "'%s' is no pod (namespace/name), address or identity",
				 str_or_empty(text));
	id = in->identities ? mesh_identity_get(in->identities, (uint32_t)number) : NULL;
	if (!id)
		return error_set(err, -ENOENT, "identity %s is not known", text);
	out->identity = id->id;
	if (mesh_is_cluster_identity(id->id))
		out->subject.labels = id->labels;
	return 0;
}

/* What one side's policy says about the other; an outside has none. */
static bool ask(const struct agent *agent, struct arena *a, const struct side *self,
		enum mesh_direction d, const struct side *other, uint8_t proto, uint16_t port,
		const char **ret_rule)
{
	const struct mesh_input *in = &agent->applied->input;
	const struct mesh_universe *u = &agent->applied->desired.universe;
	struct mesh_other o = {.identity = other->identity,
			       .addr = other->has_addr ? &other->addr : NULL};
	struct mesh_decision decision;

	*ret_rule = NULL;
	if (!self->subject.labels.n)
		return true;
	decision = mesh_rules_decide(u, in->policies, in->n_policies, &self->subject, d, &o, proto,
				     port);
	*ret_rule = mesh_rule_describe(a, in->policies, in->n_policies, decision.rule);
	if (!**ret_rule)
		*ret_rule = decision.allowed ? "no policy selects it" : "no rule allows it";
	return decision.allowed;
}

struct doc *show_trace(struct agent *agent, struct arena *a, const struct http_query *q,
		       struct error *err)
{
	const char *proto_name = http_query_get(q, "protocol");
	int proto = proto_name ? mesh_proto_number(proto_name) : MESH_TCP;
	struct agent_trace t = {0};
	struct side from, to;
	uint64_t port;

	if (!agent->applied->revision) {
		error_set(err, -EAGAIN, "%s", agent->problem);
		return NULL;
	}
	if (proto <= 0) {
		error_set(err, -EINVAL, "no such protocol: %s", proto_name);
		return NULL;
	}
	if (str_to_u64(str_or_empty(http_query_get(q, "port")), 0, 65535, &port, "port", err) < 0 ||
	    parse_side(agent, a, http_query_get(q, "source"), &from, err) < 0 ||
	    parse_side(agent, a, http_query_get(q, "destination"), &to, err) < 0)
		return NULL;
	t.egress_allowed =
		ask(agent, a, &from, MESH_EGRESS, &to, (uint8_t)proto, (uint16_t)port, &t.egress);
	t.ingress_allowed =
		ask(agent, a, &to, MESH_INGRESS, &from, (uint8_t)proto, (uint16_t)port, &t.ingress);
	t.verdict = t.egress_allowed && t.ingress_allowed ? "allowed" : "denied";
	return bind_encode(a, &agent_trace_table, &t);
}
