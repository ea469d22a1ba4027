/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrate/verify.h - do the new policies allow exactly what Istio allows? Over every
 * distinguishable connection, with a counterexample for every difference.
 *
 * Two connections are distinguishable if an object on either side names a property in which they
 * differ: source namespace, ServiceAccount, labels, address block, destination workload, port,
 * protocol; each property also has the value "anything not named". Both sides are asked for every
 * member of the product; the mesh's side is its own compiler. That Istio also asks for the
 * certificate is the one named approximation, counted apart. Pure.
 */
#pragma once

#include "migrate/translate.h"

struct verify_property {
	const char *name; /* "source ServiceAccount" */
	size_t classes;
};

/* A connection on which the two sides differ, ready to be sent. */
struct verify_difference {
	const char *source_namespace, *source_service_account, *source_labels, *source_address;
	const char *destination_namespace, *destination_workload;
	uint16_t port;
	const char *protocol;
	bool istio_allows, mesh_allows; /* mesh only: a widening */
	const char *istio_why, *mesh_why;
};

struct equivalence {
	const char *namespace;
	uint64_t compared;
	bool exhaustive; /* false: cut at a limit or objects unread, and then never a pass */
	uint64_t approximated, differences, widening;
	struct verify_property *properties;
	size_t n_properties;
	/* Kinds of source, destination, and protocol with its port or type: their product is
	 * `product`. Properties are not its factors: a pod's are combined, what is outside pods has
	 * but an address, and only some protocols have ports. */
	struct verify_property factors[3];
	uint64_t product;
	struct verify_difference
		*examples; /* the first VERIFY_MAX_EXAMPLES, one per class of cause */
	size_t n_examples;
	const char **unread; /* what may matter and is unreadable or ambiguous: never a pass */
	size_t n_unread;
	const char **approximations; /* "AuthorizationPolicy/..., rule 0: identity by address" */
	size_t n_approximations;
};
#define VERIFY_MAX_EXAMPLES 64

/*
 * policies: what would be applied (normally a translation's), together with what the mesh already
 * has in the snapshot. -E2BIG when the product passes VERIFY_MAX_PRODUCT.
 */
int verify_namespace(struct equivalence *e, struct arena *a, const struct istio_mesh *m,
		     const struct snapshot *s, struct doc *const *policies, size_t n_policies,
		     const char *ns, struct error *err);
#define VERIFY_MAX_PRODUCT 20000000ull

struct doc *equivalence_doc(struct arena *a, const struct equivalence *e);
void equivalence_page(const struct equivalence *e, struct page *p);
void equivalence_findings(const struct equivalence *e, struct report *r);
