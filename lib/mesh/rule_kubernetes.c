/* SPDX-License-Identifier: Apache-2.0 */
/* Kubernetes NetworkPolicy to rules. */
#include <string.h>

#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/mesh/identity.h"
#include "lib/mesh/rule_build.h"

/* Adds the requirements of in to out, every key behind prefix. */
static bool read_selector(struct rule_builder *b, const struct label_selector *in,
			  const char *prefix, bool subject, const char *path,
			  struct label_selector *out)
{
	struct error why = ERROR_INIT;

	if (label_selector_check(in, &why) < 0)
		return rule_unsupported(b, path, arena_strdup(b->a, why.msg));
	for (size_t i = 0; i < in->match_labels.n + in->n_match_expressions; i++) {
		bool label = i < in->match_labels.n;
		const struct label_requirement *e =
			label ? NULL : &in->match_expressions[i - in->match_labels.n];
		const char *key = label ? in->match_labels.items[i].key : e->key;

		if (!subject && !mesh_label_is_relevant(key))
			return rule_unsupported(
				b, path,
				arena_printf(b->a, "label %s takes no part in identities", key));
		selector_require(b->a, out, arena_printf(b->a, "%s%s", prefix, key),
				 label ? LABEL_IN : (enum label_operator)e->op,
				 label ? str_or_empty(in->match_labels.items[i].value) : NULL);
		if (!label)
			out->match_expressions[out->n_match_expressions - 1].values = e->values;
	}
	return true;
}

static bool read_block(struct rule_builder *b, const struct netpol_ip_block *in, const char *path,
		       struct mesh_peer *p)
{
	struct error why = ERROR_INIT;

	p->kind = MESH_PEER_CIDR;
	if (net_cidr_parse(str_or_empty(in->cidr), &p->cidr, &why) < 0)
		return rule_unsupported(b, path, arena_strdup(b->a, why.msg));
	p->except = arena_array(b->a, in->except.n + 1, struct net_cidr);
	for (size_t i = 0; i < in->except.n; i++) {
		if (net_cidr_parse(in->except.items[i], &p->except[i], &why) < 0)
			return rule_unsupported(b, path, arena_strdup(b->a, why.msg));
		p->n_except++;
	}
	return true;
}

static bool read_peer(struct rule_builder *b, const struct netpol_peer *in, const char *namespace,
		      const char *path, struct mesh_peer *p)
{
	bool ok = true;

	if (in->ip_block) {
		if (in->pod_selector || in->namespace_selector)
			return rule_unsupported(b, path, "ipBlock beside a selector");
		return read_block(b, in->ip_block, path, p);
	}
	if (!in->pod_selector && !in->namespace_selector)
		return rule_unsupported(b, path, "a peer that names nobody");
	p->kind = MESH_PEER_SELECTOR;
	if (in->namespace_selector) {
		/* Pods only, also for an empty selector. */
		selector_require(b->a, &p->selector, MESH_LABEL_NAMESPACE, LABEL_EXISTS, NULL);
		ok = read_selector(b, in->namespace_selector, MESH_LABEL_NAMESPACE_LABELS, false,
				   path, &p->selector);
	} else {
		selector_require(b->a, &p->selector, MESH_LABEL_NAMESPACE, LABEL_IN, namespace);
	}
	if (in->pod_selector)
		ok &= read_selector(b, in->pod_selector, "k8s:", false, path, &p->selector);
	return ok;
}

static bool read_port(struct rule_builder *b, const struct netpol_port *in, const char *path,
		      struct mesh_port_match *out)
{
	int proto = in->protocol ? mesh_proto_number(in->protocol) : MESH_TCP;

	if (proto != MESH_TCP && proto != MESH_UDP && proto != MESH_SCTP)
		return rule_unsupported(b, path, "protocol is not TCP, UDP or SCTP");
	*out = (struct mesh_port_match){.proto = (uint8_t)proto, .last = 65535};
	if (in->port.kind == IOS_ABSENT)
		return !in->end_port.set || rule_unsupported(b, path, "endPort without port");
	if (in->port.kind == IOS_STRING) {
		out->name = in->port.string;
		return (!in->end_port.set && !str_empty(out->name)) ||
		       rule_unsupported(b, path, "endPort beside a named port");
	}
	if (in->port.number < 1 || in->port.number > 65535 ||
	    (in->end_port.set && in->end_port.value < in->port.number))
		return rule_unsupported(b, path, "port range is not one");
	out->first = (uint16_t)in->port.number;
	out->last = in->end_port.set ? (uint16_t)in->end_port.value : out->first;
	return true;
}

static void read_rule(struct rule_builder *b, const struct netpol_rule *in, const char *namespace,
		      struct mesh_rule *rule)
{
	const char *peers = rule->direction == MESH_INGRESS ? "from" : "to";
	bool ok = rule_unknown_below(b, rule->path);

	if (in->n_peers >= MESH_MAX_PEERS || in->n_ports >= MESH_MAX_PORTS) {
		rule_unsupported(b, rule->path, "more peers or ports than one rule may have");
		rule_broken(b, rule);
		return;
	}
	rule->peers = arena_array(b->a, in->n_peers + 1, struct mesh_peer);
	rule->ports = arena_array(b->a, in->n_ports + 1, struct mesh_port_match);
	for (size_t i = 0; i < in->n_peers; i++)
		ok &= read_peer(b, &in->peers[i], namespace,
				arena_printf(b->a, "%s.%s[%zu]", rule->path, peers, i),
				&rule->peers[rule->n_peers++]);
	for (size_t i = 0; i < in->n_ports; i++)
		ok &= read_port(b, &in->ports[i],
				arena_printf(b->a, "%s.ports[%zu]", rule->path, i),
				&rule->ports[rule->n_ports++]);
	if (in->n_peers == 0)
		rule->peers[rule->n_peers++].kind = MESH_PEER_ANY;
	if (!ok)
		rule_broken(b, rule);
}

static bool has_type(const struct network_policy *p, const char *type)
{
	for (size_t i = 0; i < p->policy_types.n; i++) {
		if (str_eq(p->policy_types.items[i], type))
			return true;
	}
	return false;
}

void mesh_policy_from_kubernetes(struct arena *a, const struct network_policy *p,
				 const struct bind_unknown *unknown, struct mesh_policy *ret)
{
	const char *namespace = str_empty(p->meta.namespace) ? "default" : p->meta.namespace;
	struct mesh_spec *spec = arena_new(a, struct mesh_spec);
	struct rule_builder b;

	memset(ret, 0, sizeof(*ret));
	ret->kind = p->meta.kind;
	ret->namespace = namespace;
	ret->name = p->meta.name;
	ret->uid = p->meta.uid;
	ret->generation = p->meta.generation;
	ret->specs = spec;
	ret->n_specs = 1;
	rule_builder_init(&b, a, unknown);
	selector_require(a, &spec->subject, MESH_LABEL_NAMESPACE, LABEL_IN, namespace);
	read_selector(&b, &p->pod_selector, "k8s:", true, "spec.podSelector", &spec->subject);
	spec->default_deny[MESH_INGRESS] = p->policy_types.n == 0 || has_type(p, "Ingress");
	spec->default_deny[MESH_EGRESS] =
		p->policy_types.n == 0 ? p->n_egress > 0 : has_type(p, "Egress");
	spec->rules = arena_array(a, p->n_ingress + p->n_egress + 1, struct mesh_rule);
	for (size_t i = 0; i < p->n_ingress && spec->default_deny[MESH_INGRESS]; i++) {
		struct mesh_rule *r = &spec->rules[spec->n_rules++];

		r->path = arena_printf(a, "spec.ingress[%zu]", i);
		r->direction = MESH_INGRESS;
		read_rule(&b, &p->ingress[i], namespace, r);
	}
	for (size_t i = 0; i < p->n_egress && spec->default_deny[MESH_EGRESS]; i++) {
		struct mesh_rule *r = &spec->rules[spec->n_rules++];

		r->path = arena_printf(a, "spec.egress[%zu]", i);
		r->direction = MESH_EGRESS;
		read_rule(&b, &p->egress[i], namespace, r);
	}
	rule_builder_finish(&b, ret);
}
