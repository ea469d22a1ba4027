/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/istio/mtls.h - who speaks mutual TLS to whom: the server's mode per port, the client's choice
 * per endpoint.
 *
 * Server: mesh (root namespace, no selector) -> namespace -> workload -> portLevelMtls of the
 * workload; the oldest object wins inside a level, UNSET inherits, the base is PERMISSIVE. A
 * selector policy in the root namespace is one of that namespace's workloads only.
 * Client: the DestinationRule's tls decides when it says anything; else auto mTLS: the endpoint's
 * label security.istio.io/tlsMode=istio, unless its PeerAuthentication is DISABLE.
 * Sources: istio pilot/pkg/security/authn ComposePeerAuthentication, pilot/pkg/xds/endpoints
 * mtls_checker.go; reference/operations.md 3.1.
 */
#pragma once

#include "lib/istio/mesh.h"

/* Where a mode came from, for reports. policy NULL: Istio's own default. */
struct istio_mtls_source {
	enum istio_mtls_mode mode; /* never UNSET */
	const struct istio_peer_authentication *policy;
};

/* The mode that a server in ns with these labels has on a workload port (0 = ports not named). */
struct istio_mtls_source istio_server_mtls(const struct istio_mesh *m, const char *ns,
					   const struct strmap *labels, uint16_t port);

/* A client's tls settings for one port of a host, from the DestinationRule that it sees. */
struct istio_client_tls_source {
	const struct istio_client_tls *tls; /* NULL: nothing said, auto mTLS decides */
	const struct istio_destination_rule *rule;
};

/*
 * The DestinationRule that a client in client_ns uses for host (a full name) of a Service in
 * service_ns: client's namespace, then the service's, then root; in the first that has a match the
 * most specific host wins. NULL when none.
 */
const struct istio_destination_rule *istio_destination_rule_for(const struct istio_mesh *m,
								const char *client_ns,
								const struct strmap *client_labels,
								const char *host,
								const char *service_ns);
/* portLevelSettings replace the destination's wholesale; a subset's overrides both. */
struct istio_client_tls_source istio_client_tls_for(const struct istio_destination_rule *rule,
						    const char *subset, uint16_t service_port);

enum istio_client_mode {
	CLIENT_PLAINTEXT,
	CLIENT_MTLS,      /* with the workload's own certificate */
	CLIENT_OTHER_TLS, /* SIMPLE or MUTUAL: the application's own TLS */
};
/*
 * What a client with a sidecar speaks to one endpoint: the pod behind an address with these labels
 * in ns, on its port.
 */
enum istio_client_mode istio_client_mode(const struct istio_mesh *m,
					 struct istio_client_tls_source tls,
					 const char *endpoint_ns,
					 const struct strmap *endpoint_labels,
					 uint16_t endpoint_port);
