/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/istio/authz.h - what AuthorizationPolicies decide about one request or connection.
 *
 * Evaluation at a server with a sidecar: CUSTOM (any rule that matches asks a provider) -> DENY
 * (any match refuses) -> no ALLOW policy selects the workload: allowed -> any ALLOW match: allowed
 * -> refused. AUDIT and dry-run policies never decide. On a connection that is not HTTP a rule with
 * an HTTP attribute is left out of ALLOW, and in DENY loses that attribute (and so grows): Istio's
 * way of being safe. Sources: istio pilot/pkg/security/authz, reference/istio.md 1.5.
 */
#pragma once

#include "lib/istio/mesh.h"

/* What is known of a request at the server's sidecar. NULL = absent. */
struct istio_request {
	const char *principal; /* "td/ns/N/sa/S" of the certificate; NULL: plain text */
	const char *source_ip; /* of the peer */
	const char *remote_ip; /* behind trusted proxies; NULL = source_ip */
	const char *destination_ip;
	uint16_t port; /* of the workload */
	const char *sni;
	bool http; /* the proxy parses HTTP on this connection */
	const char *method, *host, *path;
	/* Values of other `when` keys and of request principals, keyed as in `when`:
	 * "request.headers[x]", "request.auth.principal", "request.auth.claims[iss]". */
	struct strmap attributes;
};

enum istio_verdict { VERDICT_ALLOW, VERDICT_DENY, VERDICT_ASK };
const char *istio_verdict_name(enum istio_verdict v);

struct istio_decision {
	enum istio_verdict verdict;
	const struct istio_authorization_policy *policy; /* that decided, or NULL */
	size_t rule;
	const char *why; /* one phrase, static */
};

/* The policy acts on sidecars of pods in ns with these labels (targetRefs never do). */
bool istio_policy_selects(const struct istio_mesh *m, const struct istio_authorization_policy *p,
			  const char *ns, const struct strmap *labels);
struct istio_decision istio_authorize(const struct istio_mesh *m, const char *ns,
				      const struct strmap *labels,
				      const struct istio_request *request);
/* One rule of one policy. policy gives the namespace of bare service accounts. */
bool istio_rule_matches(const struct istio_mesh *m, const struct istio_authorization_policy *p,
			const struct istio_rule *rule, const struct istio_request *request);

/* The condition's key says something only of HTTP requests. */
bool istio_condition_is_http(const char *key);
bool istio_source_has_http(const struct istio_source *s);
bool istio_operation_has_http(const struct istio_operation *o);
bool istio_rule_has_http(const struct istio_rule *r);
/* principal in this or any trust domain that the mesh treats as its own. */
bool istio_own_trust_domain(const struct istio_mesh *m, const char *trust_domain);
