/* SPDX-License-Identifier: Apache-2.0 */
#include "migrate/verify.h"

#include <errno.h>
#include <string.h>

#include "datapath/abi/verdict.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/base/vec.h"
#include "lib/istio/mtls.h"
#include "migrate/verify_internal.h"

#define NODE_REACHES                                                                               \
	"the node itself reaches its own pods, whatever policy says (kubelet probes without a "    \
	"sidecar)"
#define NO_STANDARD                                                                                \
	"ICMP types that no standard assigns, and protocols other than TCP, UDP, SCTP and ICMP, "  \
	"pass Istio and not the mesh"

struct comparing {
	struct verify_space v;
	struct equivalence *out;
	struct arena *arena;
	VEC(struct verify_difference) examples;
	VEC(const char *) approximations;
	bool node_seen, protocol_seen;
};

/* The compiled rows of one server, in both states. */
struct compiled {
	struct mesh_universe universe;
	struct mesh_set set;
};

static void compile(struct comparing *c, const struct mesh_policy *policies, size_t n,
		    const struct server *s, struct compiled *ret)
{
	mesh_universe_build(c->arena, &c->v.identities, policies, n, &ret->universe);
	mesh_policy_compile(c->arena, &ret->universe, policies, n, &s->subject, MESH_INGRESS,
			    &ret->set);
}

/* The rows that speak of one caller: the same question on a hundredth of the rows. */
static void rows_of(const struct compiled *from, uint32_t identity, struct mesh_row *room,
		    struct mesh_set *ret)
{
	*ret = from->set;
	ret->rows = room;
	ret->n = 0;
	for (size_t i = 0; i < from->set.n; i++)
		if (from->set.rows[i].key.identity == identity ||
		    from->set.rows[i].key.identity == 0)
			room[ret->n++] = from->set.rows[i];
}

static uint32_t identity_in(const struct compiled *c, const struct caller *from)
{
	return from->identity ? from->identity : mesh_universe_address(&c->universe, &from->addr);
}

/* --- one connection ------------------------------------------------------------------------- */

static const char *proto_text(const struct target *t)
{
	return t->proto == 47 ? "any other" : mesh_proto_name(t->proto);
}

static const char *mesh_why(struct comparing *c, struct mesh_decision d)
{
	const char *text = mesh_rule_describe(c->arena, c->v.after, c->v.n_after, d.rule);

	if (*text)
		return text;
	return d.allowed ? "no policy selects the workload" : "no rule allows it";
}

/* One example per server, direction and pair of reasons. */
static void keep_example(struct comparing *c, const struct server *to, const struct caller *from,
			 const struct target *t, const struct istio_word *istio,
			 struct mesh_decision mesh)
{
	const char *why = mesh_why(c, mesh);
	struct verify_difference d = {
		.source_namespace = from->pod ? from->namespace : NULL,
		.source_service_account = from->pod ? from->account : NULL,
		.source_labels = from->pod ? from->labels_text : from->name,
		.source_address = from->pod && c->v.n_places == 1 ? NULL : from->address,
		.destination_namespace = c->v.ns,
		.destination_workload = to->name,
		.port = t->port,
		.protocol = proto_text(t),
		.istio_allows = mesh.allowed ? istio->always : istio->sometimes,
		.mesh_allows = mesh.allowed,
		.istio_why = istio->why,
		.mesh_why = why,
	};

	if (c->examples.n == VERIFY_MAX_EXAMPLES)
		return;
	vec_foreach (&c->examples, e)
		if (str_eq(e->destination_workload, d.destination_workload) &&
		    e->mesh_allows == d.mesh_allows && str_eq(e->istio_why, d.istio_why) &&
		    str_eq(e->mesh_why, why) && str_eq(e->protocol, d.protocol))
			return;
	vec_push(&c->examples, d);
}

/* Named in the report, and then no difference. */
static bool approximated(struct comparing *c, const struct caller *from, const struct target *t,
			 const struct istio_word *istio, struct mesh_decision mesh)
{
	if (mesh.allowed && from->identity == IDENTITY_HOST) {
		c->node_seen = true;
		return true;
	}
	/* Types and protocols that no rule names: what is named must be equal. */
	if (!mesh.allowed && istio->always && mesh.rule == POLICY_RULE_NONE &&
	    (t->proto == 47 || t->proto == MESH_ICMP)) {
		static const uint8_t assigned[] = {0, 3, 5, 8, 9, 10, 11, 12, 13, 14};

		for (size_t i = 0; t->proto == MESH_ICMP && i < ARRAY_SIZE(assigned); i++)
			if (t->port == assigned[i])
				return false;
		c->protocol_seen = true;
		return true;
	}
	return false;
}

static void compare(struct comparing *c, const struct server *to, const struct caller *from,
		    const struct target *t, bool reached_before, struct mesh_decision mesh)
{
	struct istio_word istio = verify_istio(&c->v, to, from, t);
	struct equivalence *e = c->out;

	/* What a policy of the cluster refuses already, Istio never gets to see. */
	istio.always &= reached_before;
	istio.sometimes &= reached_before;
	e->compared++;
	if (mesh.allowed == istio.always && mesh.allowed == istio.sometimes) {
		e->approximated += mesh.allowed && istio.by_certificate;
		return;
	}
	if (approximated(c, from, t, &istio, mesh)) {
		e->approximated++;
		return;
	}
	e->differences++;
	e->widening += mesh.allowed;
	keep_example(c, to, from, t, &istio, mesh);
}

static void compare_server(struct comparing *c, const struct server *to)
{
	struct compiled before, after;
	struct mesh_row *room[2];

	compile(c, c->v.before, c->v.n_before, to, &before);
	compile(c, c->v.after, c->v.n_after, to, &after);
	room[0] = xcalloc(before.set.n + 1, sizeof(**room));
	room[1] = xcalloc(after.set.n + 1, sizeof(**room));
	for (size_t i = 0; i < c->v.n_callers; i++) {
		const struct caller *from = &c->v.callers[i];
		uint32_t was = identity_in(&before, from), is = identity_in(&after, from);
		struct mesh_set old, new;

		rows_of(&before, was, room[0], &old);
		rows_of(&after, is, room[1], &new);
		for (size_t k = 0; k < c->v.n_targets; k++) {
			const struct target *t = &c->v.targets[k];

			compare(c, to, from, t,
				mesh_set_decide(&old, was, t->proto, t->port).allowed,
				mesh_set_decide(&new, is, t->proto, t->port));
		}
	}
	free(room[0]);
	free(room[1]);
}

/* --- the approximations, by rule ------------------------------------------------------------ */

static bool rule_asks_identity(const struct istio_rule *r)
{
	for (size_t i = 0; i < r->n_from; i++) {
		const struct istio_source *s = &r->from[i].source;

		if (s->principals.n || s->not_principals.n || s->namespaces.n ||
		    s->not_namespaces.n || s->service_accounts.n || s->not_service_accounts.n)
			return true;
	}
	for (size_t i = 0; i < r->n_when; i++)
		if (str_starts(r->when[i].key, "source.") && !str_eq(r->when[i].key, "source.ip"))
			return true;
	return false;
}

static void list_approximations(struct comparing *c)
{
	const struct istio_mesh *m = c->v.mesh;
	struct strmap none = {0};
	struct istio_mtls_source strict = istio_server_mtls(m, c->v.ns, &none, 0);

	if (strict.mode == MTLS_STRICT)
		vec_push(&c->approximations,
			 arena_printf(c->arena,
				      "PeerAuthentication/%s/%s: identity by address, not "
				      "certificate",
				      strict.policy->meta.namespace, strict.policy->meta.name));
	for (size_t i = 0; i < m->n_authorization_policies; i++) {
		const struct istio_authorization_policy *p = &m->authorization_policies[i];
		const char *ns = p->meta.namespace ? p->meta.namespace : "default";

		if (!str_eq(ns, c->v.ns) && !str_eq(ns, m->config.root_namespace))
			continue;
		for (size_t k = 0; k < p->n_rules; k++)
			if (rule_asks_identity(&p->rules[k]))
				vec_push(&c->approximations,
					 arena_printf(c->arena,
						      "AuthorizationPolicy/%s/%s, rule %zu: "
						      "identity by address, not certificate",
						      ns, p->meta.name, k));
	}
	if (c->node_seen)
		vec_push(&c->approximations, (const char *)NODE_REACHES);
	if (c->protocol_seen)
		vec_push(&c->approximations, (const char *)NO_STANDARD);
}

static void list_unread(struct comparing *c)
{
	const struct istio_mesh *m = c->v.mesh;
	struct equivalence *e = c->out;

	e->unread = arena_array(c->arena, m->n_problems + m->n_templates + 1, const char *);
	for (size_t i = 0; i < m->n_templates; i++) {
		const struct istio_workload *w = &m->templates[i];

		if (str_eq(w->namespace, c->v.ns) && istio_workload_rival(m, c->arena, w))
			e->unread[e->n_unread++] = arena_printf(
				c->arena,
				"%s/%s: another selector takes its pods, whose sidecars differ",
				w->kind, w->name);
	}
	for (size_t i = 0; i < m->n_problems; i++) {
		const struct istio_problem *p = &m->problems[i];
		bool part = *p->path && !str_starts(p->path, "data."); /* and the rest was read */

		if ((part && !p->refused) || !istio_problem_concerns(m, p, c->v.ns))
			continue;
		e->unread[e->n_unread++] =
			p->refused ? arena_printf(
					     c->arena, "%s/%s: %s: %s",
					     str_or_empty(doc_find_str(p->object, "kind")),
					     str_or_empty(doc_find_str(p->object, "metadata.name")),
					     p->path, p->message)
				   : p->message;
	}
}

static void list_properties(struct comparing *c)
{
	const struct verify_space *v = &c->v;
	const struct verify_property rows[] = {
		{"source namespace", v->n_namespaces},  {"source ServiceAccount", v->n_accounts},
		{"source labels", v->n_labels},         {"source outside pods", v->n_outside},
		{"destination workload", v->n_servers}, {"protocol", v->n_protocols},
		{"destination port", v->n_ports},
	};
	struct equivalence *e = c->out;

	e->n_properties = ARRAY_SIZE(rows);
	e->properties = arena_memdup(c->arena, rows, sizeof(rows));
	e->factors[0] = (struct verify_property){"sources", v->n_callers};
	e->factors[1] = (struct verify_property){"destinations", v->n_servers};
	e->factors[2] = (struct verify_property){"protocols with port or type", v->n_targets};
	e->product = (uint64_t)v->n_callers * v->n_servers * v->n_targets;
}

int verify_namespace(struct equivalence *e, struct arena *a, const struct istio_mesh *m,
		     const struct snapshot *s, struct doc *const *policies, size_t n_policies,
		     const char *ns, struct error *err)
{
	struct comparing c = {.out = e, .arena = a};
	int r;

	memset(e, 0, sizeof(*e));
	e->namespace = ns;
	r = verify_space_make(&c.v, a, m, s, policies, n_policies, ns, err);
	if (r < 0)
		return r;
	list_properties(&c);
	if (e->product > VERIFY_MAX_PRODUCT)
		return error_set(err, -E2BIG,
				 "%s: %llu distinguishable connections are more than %llu", ns,
				 (unsigned long long)e->product, VERIFY_MAX_PRODUCT);
	for (size_t i = 0; i < c.v.n_servers; i++)
		compare_server(&c, &c.v.servers[i]);
	list_approximations(&c);
	list_unread(&c);
	e->exhaustive = e->compared == e->product && e->n_unread == 0;
	e->n_examples = c.examples.n;
	if (c.examples.n)
		e->examples =
			arena_memdup(a, c.examples.items, c.examples.n * sizeof(*c.examples.items));
	e->n_approximations = c.approximations.n;
	if (c.approximations.n)
		e->approximations =
			arena_memdup(a, c.approximations.items,
				     c.approximations.n * sizeof(*c.approximations.items));
	vec_release(&c.examples);
	vec_release(&c.approximations);
	return 0;
}
