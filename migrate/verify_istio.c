/* SPDX-License-Identifier: Apache-2.0 */
/* What Istio decides about a class of connections. */
#include "lib/base/str.h"
#include "lib/istio/authz.h"
#include "lib/istio/mtls.h"
#include "migrate/verify_internal.h"

enum parsing { PARSED, NOT_PARSED, SNIFFED };

/* Whether the proxy reads HTTP on a port of the server. */
static enum parsing parsing_of(const struct verify_space *v, const struct server *to, uint16_t port)
{
	const struct doc *spec = to->istio.workload ? to->istio.workload->spec : NULL;

	for (size_t i = 0; i < v->mesh->n_services; i++) {
		const struct service *s = &v->mesh->services[i];

		if (!istio_service_selects(s, v->ns, &to->labels))
			continue;
		for (size_t k = 0; k < s->n_ports; k++) {
			enum istio_protocol p = istio_port_protocol(&s->ports[k]);

			if (istio_target_port(&s->ports[k], spec) != port)
				continue;
			return istio_protocol_is_http(p) ? PARSED
			       : p == PROTO_UNKNOWN      ? SNIFFED
							 : NOT_PARSED;
		}
	}
	return SNIFFED;
}

struct verdicts {
	bool deny_always, deny_sometimes, allow_always, allow_sometimes, allows;
	const char *why;
};

/* A rule's L4 part, and whether its HTTP part leaves the matter open. */
static void weigh(const struct verify_space *v, const struct istio_authorization_policy *p,
		  const struct istio_rule *rule, const struct istio_request *request,
		  enum parsing parsing, struct verdicts *out)
{
	struct istio_authorization_policy lenient = *p;
	struct istio_request l4 = *request;
	bool http = istio_rule_has_http(rule), deny = p->action != ACTION_ALLOW;

	lenient.action = ACTION_DENY; /* HTTP attributes are then left out of the question */
	l4.http = false;
	if (!istio_rule_matches(v->mesh, &lenient, rule, &l4))
		return;
	if (p->action == ACTION_CUSTOM) {
		out->deny_sometimes = true;
		out->why = "an external authorizer is asked";
	} else if (deny) {
		out->deny_sometimes = true;
		out->deny_always |= !http || parsing == NOT_PARSED;
		out->why = arena_printf(v->arena, "AuthorizationPolicy %s denies", p->meta.name);
	} else if (!http || parsing != NOT_PARSED) {
		out->allow_sometimes = true;
		out->allow_always |= !http;
		if (!out->deny_sometimes)
			out->why = arena_printf(v->arena, "AuthorizationPolicy %s allows",
						p->meta.name);
	}
}

static struct verdicts ask_policies(const struct verify_space *v, const struct server *to,
				    const struct istio_request *request, enum parsing parsing)
{
	struct verdicts out = {0};

	for (size_t i = 0; i < v->mesh->n_authorization_policies; i++) {
		const struct istio_authorization_policy *p = &v->mesh->authorization_policies[i];

		if (p->dry_run || p->action == ACTION_AUDIT ||
		    !istio_policy_selects(v->mesh, p, v->ns, &to->labels))
			continue;
		out.allows |= p->action == ACTION_ALLOW;
		for (size_t k = 0; k < p->n_rules; k++)
			weigh(v, p, &p->rules[k], request, parsing, &out);
	}
	if (!out.allows)
		out.allow_always = out.allow_sometimes = true;
	return out;
}

static struct istio_word ask(const struct verify_space *v, const struct server *to,
			     const struct caller *from, const char *principal, uint16_t port)
{
	struct istio_request request = {
		.principal = principal,
		.source_ip = from->address,
		.port = port,
	};
	struct istio_word w = {0};
	struct verdicts all;

	if (!principal &&
	    istio_server_mtls(v->mesh, v->ns, &to->labels, port).mode == MTLS_STRICT) {
		w.why = "STRICT: no certificate of the mesh";
		return w;
	}
	all = ask_policies(v, to, &request, parsing_of(v, to, port));
	w.always = all.allow_always && !all.deny_sometimes;
	w.sometimes = all.allow_sometimes && !all.deny_always;
	w.why = all.why      ? all.why
		: all.allows ? "no ALLOW rule matches"
			     : "no ALLOW policy selects the workload";
	return w;
}

struct istio_word verify_istio(const struct verify_space *v, const struct server *to,
			       const struct caller *from, const struct target *t)
{
	static const struct istio_word open = {.always = true, .sometimes = true};
	struct istio_word w = open;

	if (t->proto != MESH_TCP)
		w.why = "Istio redirects TCP only";
	else if (!to->istio.sidecar)
		w.why = "no sidecar";
	else if (!istio_redirect_captures_inbound(&to->istio.redirect, t->port))
		w.why = "the sidecar does not see this port";
	else
		w = ask(v, to, from, from->principal, t->port);
	if (t->proto == MESH_TCP && w.sometimes && from->principal && to->istio.sidecar &&
	    istio_redirect_captures_inbound(&to->istio.redirect, t->port))
		w.by_certificate = !ask(v, to, from, NULL, t->port).sometimes;
	return w;
}
