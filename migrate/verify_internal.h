/* SPDX-License-Identifier: Apache-2.0 */
/* migrate/verify_internal.h - the classes of connections that verify compares, one value of each.
 */
#pragma once

#include "lib/istio/member.h"
#include "lib/mesh/policy.h"
#include "migrate/verify.h"

/* One class of callers: a pod (account and labels), or something outside. */
struct caller {
	bool pod;
	const char *namespace, *account, *labels_text; /* of a pod */
	uint32_t identity;
	struct net_addr addr;
	const char *address;   /* text: of something outside; of a pod one that stands for it */
	const char *principal; /* of its certificate; NULL: none */
	const char *name;      /* "host", "10.0.0.0/8" ... for reports */
};

/* One class of servers in the namespace. */
struct server {
	const char *name; /* a workload's, or its labels in words */
	struct strmap labels;
	struct istio_server istio;
	struct mesh_subject subject;
};

/* Everything two connections can differ in at the destination: protocol and port (or ICMP type). */
struct target {
	uint8_t proto;
	uint16_t port;
};

struct verify_space {
	struct arena *arena;
	const struct istio_mesh *mesh;
	const char *ns;
	struct mesh_policy *before, *after; /* what the cluster has; with the new ones */
	size_t n_before, n_after;
	struct caller *callers;
	size_t n_callers;
	struct server *servers;
	size_t n_servers;
	struct target *targets;
	size_t n_targets;
	struct mesh_identities identities;
	/* sizes of the single properties, for the report */
	size_t n_places; /* kinds of addresses of pods */
	size_t n_namespaces, n_accounts, n_labels, n_outside, n_ports, n_protocols;
};

/* Reads both sides' objects and makes the classes. -E2BIG past what can be numbered. */
int verify_space_make(struct verify_space *v, struct arena *a, const struct istio_mesh *m,
		      const struct snapshot *s, struct doc *const *policies, size_t n_policies,
		      const char *ns, struct error *err);

/* What Istio decides. Requests of one connection may differ (layer 7): then the two are not equal.
 */
struct istio_word {
	bool always, sometimes; /* allowed whatever is sent; allowed for some request */
	bool by_certificate;    /* without the certificate it would be refused */
	const char *why;
};
struct istio_word verify_istio(const struct verify_space *v, const struct server *to,
			       const struct caller *from, const struct target *t);
