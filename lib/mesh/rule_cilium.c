/* SPDX-License-Identifier: Apache-2.0 */
/* CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy to rules. */
#include <string.h>

#include "datapath/abi/identity.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/mesh/identity.h"
#include "lib/mesh/rule_build.h"

/* One policy being read. */
struct reader {
	struct rule_builder b;
	const char *namespace; /* NULL: clusterwide */
};

/* The key with its source: "app" and "any:app" are "k8s:app"; false for a source nobody has here.
 */
static bool label_key(struct reader *r, const char *key, const char *path, bool subject,
		      const char **ret)
{
	const char *colon = strchr(str_or_empty(key), ':');
	const char *bare = key;

	if (str_empty(key))
		return rule_unsupported(&r->b, path, "empty label key");
	if (str_starts(key, "reserved:")) {
		*ret = key;
		return true;
	}
	if (str_starts(key, "k8s:") || str_starts(key, "any:"))
		bare = colon + 1;
	else if (colon)
		return rule_unsupported(&r->b, path, "label source is not k8s, any or reserved");
	if (!subject && !mesh_label_is_relevant(bare))
		return rule_unsupported(
			&r->b, path,
			arena_printf(r->b.a, "label %s takes no part in identities", bare));
	*ret = arena_printf(r->b.a, "k8s:%s", bare);
	return true;
}

/* Whether the selector says itself which namespaces it means. */
static bool names_namespace(const struct label_selector *s)
{
	for (size_t i = 0; i < s->n_match_expressions; i++) {
		const char *key = s->match_expressions[i].key;

		if (str_eq(key, MESH_LABEL_NAMESPACE) ||
		    str_starts(key, MESH_LABEL_NAMESPACE_LABELS) || str_starts(key, "reserved:"))
			return true;
	}
	return false;
}

static bool read_selector(struct reader *r, const struct label_selector *in, const char *path,
			  bool subject, struct label_selector *out)
{
	struct error why = ERROR_INIT;
	const char *key;

	memset(out, 0, sizeof(*out));
	if (label_selector_check(in, &why) < 0)
		return rule_unsupported(&r->b, path, arena_strdup(r->b.a, why.msg));
	for (size_t i = 0; i < in->match_labels.n; i++) {
		const struct strmap_pair *p = &in->match_labels.items[i];

		if (!label_key(r, p->key, path, subject, &key))
			return false;
		selector_require(r->b.a, out, key, LABEL_IN, str_or_empty(p->value));
	}
	for (size_t i = 0; i < in->n_match_expressions; i++) {
		const struct label_requirement *e = &in->match_expressions[i];

		if (!label_key(r, e->key, path, subject, &key))
			return false;
		selector_require(r->b.a, out, key, (enum label_operator)e->op, NULL);
		out->match_expressions[out->n_match_expressions - 1].values = e->values;
	}
	if (r->namespace && (subject || !names_namespace(out)))
		selector_require(r->b.a, out, MESH_LABEL_NAMESPACE, LABEL_IN, r->namespace);
	else if (!r->namespace && !names_namespace(out))
		selector_require(r->b.a, out, MESH_LABEL_NAMESPACE, LABEL_EXISTS, NULL);
	return true;
}

static struct mesh_peer *add_peer(struct mesh_rule *rule, enum mesh_peer_kind kind)
{
	struct mesh_peer *p = &rule->peers[rule->n_peers++];

	p->kind = kind;
	return p;
}

/* A peer entity; cluster is several. */
static bool add_entity(struct reader *r, struct mesh_rule *rule, const char *name, const char *path)
{
	static const char *const in_cluster[] = {"host",    "remote-node", "health",
						 "ingress", "init",        "unmanaged"};
	struct mesh_peer *p;

	if (str_eq(name, "none"))
		return true;
	if (str_eq(name, "all")) {
		add_peer(rule, MESH_PEER_ANY);
		return true;
	}
	if (str_eq(name, "world")) {
		add_peer(rule, MESH_PEER_WORLD);
		return true;
	}
	if (str_eq(name, "cluster")) {
		for (size_t i = 0; i < ARRAY_SIZE(in_cluster); i++)
			add_peer(rule, MESH_PEER_RESERVED)->reserved =
				mesh_reserved_id(in_cluster[i]);
		p = add_peer(rule, MESH_PEER_SELECTOR);
		selector_require(r->b.a, &p->selector, MESH_LABEL_CLUSTER, LABEL_EXISTS, NULL);
		return true;
	}
	if (!mesh_reserved_id(name) || str_eq(name, "unknown") || str_starts(name, "world-"))
		return rule_unsupported(&r->b, path,
					arena_printf(r->b.a, "no such entity: %s", name));
	add_peer(rule, MESH_PEER_RESERVED)->reserved = mesh_reserved_id(name);
	return true;
}

static bool add_cidr(struct reader *r, struct mesh_rule *rule, const char *cidr,
		     const struct strings *except, const char *path)
{
	struct mesh_peer *p = add_peer(rule, MESH_PEER_CIDR);
	struct error why = ERROR_INIT;

	if (net_cidr_parse(str_or_empty(cidr), &p->cidr, &why) < 0)
		return rule_unsupported(&r->b, path, arena_strdup(r->b.a, why.msg));
	p->except = arena_array(r->b.a, except->n + 1, struct net_cidr);
	for (size_t i = 0; i < except->n; i++) {
		if (net_cidr_parse(except->items[i], &p->except[i], &why) < 0)
			return rule_unsupported(&r->b, path, arena_strdup(r->b.a, why.msg));
		p->n_except++;
	}
	return true;
}

static const char *sub(struct reader *r, const char *path, const char *field, size_t i)
{
	return arena_printf(r->b.a, "%s.%s[%zu]", path, field, i);
}

static bool read_peers(struct reader *r, const struct cnp_rule *in, const char *path,
		       struct mesh_rule *rule)
{
	const char *where = rule->direction == MESH_INGRESS ? "from" : "to";
	static const struct strings nothing = {NULL, 0};
	bool ok = true;

#define PATH(field, i) sub(r, path, arena_printf(r->b.a, "%s" field, where), i)
	for (size_t i = 0; i < in->n_endpoints; i++) {
		struct mesh_peer *p = add_peer(rule, MESH_PEER_SELECTOR);

		ok &= read_selector(r, &in->endpoints[i], PATH("Endpoints", i), false,
				    &p->selector);
	}
	for (size_t i = 0; i < in->entities.n; i++)
		ok &= add_entity(r, rule, in->entities.items[i], PATH("Entities", i));
	for (size_t i = 0; i < in->cidr.n; i++)
		ok &= add_cidr(r, rule, in->cidr.items[i], &nothing, PATH("CIDR", i));
	for (size_t i = 0; i < in->n_cidr_set; i++) {
		const struct cnp_cidr_rule *c = &in->cidr_set[i];

		if (c->cidr_group_ref || c->cidr_group_selector)
			ok = rule_unsupported(&r->b, PATH("CIDRSet", i),
					      "CIDR groups are not built");
		else
			ok &= add_cidr(r, rule, c->cidr, &c->except, PATH("CIDRSet", i));
	}
#undef PATH
	return ok;
}

/* Fields of a rule that no part of the mesh honours yet. */
static bool refuse_unbuilt(struct reader *r, const struct cnp_rule *in, const char *path,
			   enum mesh_direction d)
{
	const char *where = d == MESH_INGRESS ? "from" : "to";
	const struct {
		const void *present;
		const char *prefix, *field, *reason;
	} rows[] = {
		{in->groups, where, "Groups", "groups of a cloud provider are not built"},
		{in->nodes, where, "Nodes", "node selectors are not built"},
		{in->requires_doc, where, "Requires", "requirements on peers are not built"},
		{in->services, "", "toServices", "services as peers are not built"},
		{in->fqdns, "", "toFQDNs", "names as peers are not built"},
	};
	const char *mode = doc_find_str(in->authentication, "mode");
	bool ok = true;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].present)
			ok = rule_unsupported(&r->b,
					      arena_printf(r->b.a, "%s.%s%s", path, rows[i].prefix,
							   rows[i].field),
					      rows[i].reason);
	}
	if (in->authentication && !str_eq(mode, "disabled"))
		ok = rule_unsupported(&r->b, arena_printf(r->b.a, "%s.authentication.mode", path),
				      "mutual authentication is not built");
	return ok;
}

static bool refuse_l7(struct reader *r, const struct cnp_port_rule *in, const char *path)
{
	const struct {
		bool present;
		const char *field, *reason;
	} rows[] = {
		{in->server_names.n > 0, "serverNames", "TLS server names are not built"},
		{in->listener != NULL, "listener", "proxy listeners are not built"},
		{in->terminating_tls != NULL, "terminatingTLS", "TLS interception is not built"},
		{in->originating_tls != NULL, "originatingTLS", "TLS interception is not built"},
	};
	bool ok = true;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].present)
			ok = rule_unsupported(&r->b,
					      arena_printf(r->b.a, "%s.%s", path, rows[i].field),
					      rows[i].reason);
	}
	if (in->rules && in->rules->kind != DOC_MAP && in->rules->kind != DOC_NULL)
		ok = rule_unsupported(&r->b, arena_printf(r->b.a, "%s.rules", path), "want a map");
	doc_foreach_entry (in->rules, e)
		ok = rule_unsupported(&r->b, arena_printf(r->b.a, "%s.rules.%s", path, e->key),
				      "layer 7 rules are not built");
	return ok;
}

static void add_port(struct mesh_rule *rule, uint8_t proto, uint16_t first, uint16_t last,
		     const char *name)
{
	rule->ports[rule->n_ports++] = (struct mesh_port_match){proto, first, last, name};
}

/* The number behind an int-or-string port; 0 with *ret_name set for a name. */
static bool port_number(struct reader *r, const struct int_or_string *in, const char *path,
			uint64_t *ret, const char **ret_name)
{
	*ret = 0;
	*ret_name = NULL;
	if (in->kind == IOS_INT) {
		if (in->number < 0 || in->number > 65535)
			return rule_unsupported(&r->b, path, "port is not between 0 and 65535");
		*ret = (uint64_t)in->number;
		return true;
	}
	if (str_empty(in->string))
		return rule_unsupported(&r->b, path, "port is missing");
	if (in->string[0] >= '0' && in->string[0] <= '9' &&
	    strspn(in->string, "0123456789") == strlen(in->string)) {
		if (str_to_u64(in->string, 0, 65535, ret, "port", NULL) < 0)
			return rule_unsupported(&r->b, path, "port is not between 0 and 65535");
		return true;
	}
	*ret_name = in->string;
	return true;
}

static bool read_port(struct reader *r, const struct cnp_port *in, const char *path,
		      struct mesh_rule *rule)
{
	static const uint8_t any[] = {MESH_TCP, MESH_UDP, MESH_SCTP};
	int proto = in->protocol ? mesh_proto_number(in->protocol) : MESH_PROTO_ANY;
	uint64_t first, last;
	const char *name;

	if (proto < 0 || proto == MESH_ICMP || proto == MESH_ICMPV6)
		return rule_unsupported(&r->b, path, "protocol is not TCP, UDP, SCTP or ANY");
	if (!port_number(r, &in->port, path, &first, &name))
		return false;
	last = in->end_port.set && in->end_port.value ? (uint64_t)in->end_port.value : first;
	if (last < first || (name && last))
		return rule_unsupported(&r->b, path, "endPort does not fit port");
	if (!name && first == 0)
		last = 65535;
	if (proto == MESH_PROTO_ANY && !name && first == 0) {
		add_port(rule, MESH_PROTO_ANY, 0, 65535, NULL);
		return true;
	}
	if (proto != MESH_PROTO_ANY) {
		add_port(rule, (uint8_t)proto, (uint16_t)first, (uint16_t)last, name);
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(any); i++)
		add_port(rule, any[i], (uint16_t)first, (uint16_t)last, name);
	return true;
}

static const struct {
	const char *name;
	uint8_t v4, v6; /* 255: not of that family */
} icmp_types[] = {
	{"EchoReply", 0, 129},
	{"DestinationUnreachable", 3, 1},
	{"Redirect", 5, 137},
	{"Echo", 8, 128},
	{"EchoRequest", 8, 128},
	{"RouterAdvertisement", 9, 134},
	{"RouterSelection", 10, 255},
	{"TimeExceeded", 11, 3},
	{"ParameterProblem", 12, 4},
	{"Timestamp", 13, 255},
	{"TimestampReply", 14, 255},
	{"Photuris", 40, 255},
	{"ExtendedEchoRequest", 42, 160},
	{"ExtendedEchoReply", 43, 161},
	{"PacketTooBig", 255, 2},
	{"NeighborSolicitation", 255, 135},
	{"NeighborAdvertisement", 255, 136},
};

static bool read_icmp(struct reader *r, const struct cnp_icmp_field *in, const char *path,
		      struct mesh_rule *rule)
{
	bool v6 = str_eq(in->family, "IPv6");
	const char *name;
	uint64_t type;

	if (in->family && !v6 && !str_eq(in->family, "IPv4"))
		return rule_unsupported(&r->b, path, "family is not IPv4 or IPv6");
	if (!port_number(r, &in->type, path, &type, &name))
		return false;
	for (size_t i = 0; name && i < ARRAY_SIZE(icmp_types); i++) {
		uint8_t number = v6 ? icmp_types[i].v6 : icmp_types[i].v4;

		if (str_eq(name, icmp_types[i].name) && number != 255) {
			type = number;
			name = NULL;
		}
	}
	if (name || type > 255)
		return rule_unsupported(&r->b, path, "no such ICMP type");
	add_port(rule, v6 ? MESH_ICMPV6 : MESH_ICMP, (uint16_t)type, (uint16_t)type, NULL);
	return true;
}

static bool read_ports(struct reader *r, const struct cnp_rule *in, const char *path,
		       struct mesh_rule *rule)
{
	bool ok = true;

	for (size_t i = 0; i < in->n_ports; i++) {
		const char *at = sub(r, path, "toPorts", i);

		ok &= refuse_l7(r, &in->ports[i], at);
		if (in->ports[i].n_ports == 0)
			ok = rule_unsupported(&r->b, at, "no port is named");
		for (size_t k = 0; k < in->ports[i].n_ports; k++)
			ok &= read_port(r, &in->ports[i].ports[k], sub(r, at, "ports", k), rule);
	}
	for (size_t i = 0; i < in->n_icmps; i++) {
		const char *at = sub(r, path, "icmps", i);

		if (in->icmps[i].n_fields == 0)
			ok = rule_unsupported(&r->b, at, "no type is named");
		for (size_t k = 0; k < in->icmps[i].n_fields; k++)
			ok &= read_icmp(r, &in->icmps[i].fields[k], sub(r, at, "fields", k), rule);
	}
	return ok;
}

/* Room for every peer and port the rule can become. */
static bool make_room(struct reader *r, const struct cnp_rule *in, const char *path,
		      struct mesh_rule *rule)
{
	size_t peers = 1 + in->n_endpoints + in->entities.n * 7 + in->cidr.n + in->n_cidr_set;
	size_t ports = 1;

	for (size_t i = 0; i < in->n_ports; i++)
		ports += in->ports[i].n_ports * 3;
	for (size_t i = 0; i < in->n_icmps; i++)
		ports += in->icmps[i].n_fields;
	if (peers > MESH_MAX_PEERS || ports > MESH_MAX_PORTS)
		return rule_unsupported(&r->b, path, "more peers or ports than one rule may have");
	rule->peers = arena_array(r->b.a, peers, struct mesh_peer);
	rule->ports = arena_array(r->b.a, ports, struct mesh_port_match);
	return true;
}

static void read_rule(struct reader *r, const struct cnp_rule *in, struct mesh_rule *rule)
{
	const char *path = rule->path;
	bool ok = make_room(r, in, path, rule), has_peers, has_ports;

	/* Every part is read even after one was refused: the status names all that is wrong. */
	if (ok) {
		ok = rule_unknown_below(&r->b, path);
		ok = refuse_unbuilt(r, in, path, rule->direction) && ok;
		ok = read_peers(r, in, path, rule) && ok;
		ok = read_ports(r, in, path, rule) && ok;
	}
	if (!ok) {
		rule_broken(&r->b, rule);
		return;
	}
	has_peers = in->endpoints_doc || in->entities_doc || in->cidr_doc || in->cidr_set_doc;
	has_ports = in->n_ports || in->n_icmps;
	/* Ports alone mean everybody on these ports; nothing at all means nobody. */
	if (!has_peers && has_ports)
		add_peer(rule, MESH_PEER_ANY);
}

static void read_rules(struct reader *r, const struct cnp_rule *in, size_t n, const char *path,
		       const char *field, enum mesh_direction d, bool deny, struct mesh_spec *spec)
{
	for (size_t i = 0; i < n; i++) {
		struct mesh_rule *rule = &spec->rules[spec->n_rules++];

		rule->direction = d;
		rule->deny = deny;
		rule->path = sub(r, path, field, i);
		read_rule(r, in + i, rule);
	}
}

static bool default_deny(const struct opt_bool *asked, size_t rules)
{
	return asked->set ? asked->value : rules > 0;
}

static void read_spec(struct reader *r, const struct cnp_spec *in, const char *path,
		      struct mesh_spec *spec)
{
	size_t n = in->n_ingress + in->n_ingress_deny + in->n_egress + in->n_egress_deny;
	const char *selector = arena_printf(r->b.a, "%s.endpointSelector", path);
	bool ok = n <= MESH_MAX_RULES;

	if (!ok)
		rule_unsupported(&r->b, path, "more rules than one policy may have");
	if (in->node_selector || !in->endpoint_selector) {
		rule_unsupported(&r->b, arena_printf(r->b.a, "%s.nodeSelector", path),
				 in->node_selector ? "host policies are not built"
						   : "endpointSelector is missing");
		/* Selects no pod: nothing to close. */
		selector_require(r->b.a, &spec->subject, MESH_LABEL_NAMESPACE, LABEL_NOT_EXISTS,
				 NULL);
		return;
	}
	if (!read_selector(r, in->endpoint_selector, selector, true, &spec->subject)) {
		selector_require(r->b.a, &spec->subject, MESH_LABEL_NAMESPACE, LABEL_NOT_EXISTS,
				 NULL);
		return;
	}
	spec->default_deny[MESH_INGRESS] =
		default_deny(&in->default_deny_ingress, in->n_ingress + in->n_ingress_deny);
	spec->default_deny[MESH_EGRESS] =
		default_deny(&in->default_deny_egress, in->n_egress + in->n_egress_deny);
	if (!ok) {
		r->b.broken[MESH_INGRESS] = r->b.broken[MESH_EGRESS] = true;
		return;
	}
	spec->rules = arena_array(r->b.a, n + 1, struct mesh_rule);
	read_rules(r, in->ingress, in->n_ingress, path, "ingress", MESH_INGRESS, false, spec);
	read_rules(r, in->ingress_deny, in->n_ingress_deny, path, "ingressDeny", MESH_INGRESS, true,
		   spec);
	read_rules(r, in->egress, in->n_egress, path, "egress", MESH_EGRESS, false, spec);
	read_rules(r, in->egress_deny, in->n_egress_deny, path, "egressDeny", MESH_EGRESS, true,
		   spec);
}

void mesh_policy_from_cilium(struct arena *a, const struct cilium_policy *p,
			     const struct bind_unknown *unknown, struct mesh_policy *ret)
{
	struct reader r = {.namespace = p->meta.namespace};

	if (str_eq(p->meta.kind, "CiliumNetworkPolicy") && str_empty(r.namespace))
		r.namespace = "default";
	if (str_eq(p->meta.kind, "CiliumClusterwideNetworkPolicy"))
		r.namespace = NULL;
	memset(ret, 0, sizeof(*ret));
	ret->kind = p->meta.kind;
	ret->namespace = r.namespace;
	ret->name = p->meta.name;
	ret->uid = p->meta.uid;
	ret->generation = p->meta.generation;
	rule_builder_init(&r.b, a, unknown);
	ret->specs = arena_array(a, p->n_specs + 1, struct mesh_spec);
	if (p->spec)
		read_spec(&r, p->spec, "spec", &ret->specs[ret->n_specs++]);
	for (size_t i = 0; i < p->n_specs; i++)
		read_spec(&r, &p->specs[i], arena_printf(a, "specs[%zu]", i),
			  &ret->specs[ret->n_specs++]);
	rule_builder_finish(&r.b, ret);
}
