/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/http/tls.h - keys and certificates as PEM text: making a small authority and signing with it,
 * and saying what a certificate is. ECDSA P-256, SHA-256.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/error.h"

struct tls_pair {
	char *cert_pem; /* owned */
	char *key_pem;
};
void tls_pair_release(struct tls_pair *p);

struct tls_request {
	const char *common_name;
	const char *organisation; /* a Kubernetes group, "system:masters"; NULL: none */
	const char *const *dns;   /* subject alternative names, NULL-terminated or NULL */
	const char *const *ip;
	const char *const *uri;     /* "spiffe://cluster.local/ns/a/sa/b" */
	bool client, server;        /* extended key usage */
	int64_t not_before_wall_ns; /* usually now; a minute is taken off for clocks that differ */
	uint64_t lifetime_ns;       /* 0: ten years for an authority, one for the others */
};

/* A self-signed authority. */
int tls_authority(const struct tls_request *request, struct tls_pair *ret_ca, struct error *err);
/* A certificate signed by ca. */
int tls_sign(const struct tls_pair *ca, const struct tls_request *request,
	     struct tls_pair *ret_pair, struct error *err);

struct tls_facts {
	const char *common_name;
	const char *const *orgs, *const *dns, *const *ip, *const *uri; /* NULL-terminated */
	int64_t not_before_wall_ns, not_after_wall_ns;
	char spki_sha256[65]; /* hex, what http_tls.pin_sha256 compares */
};
/* The first certificate in pem; strings in the arena. -EINVAL when there is none. */
int tls_read_facts(struct arena *a, const char *pem, struct tls_facts *ret_facts,
		   struct error *err);
/* Whether cert (and key, when not NULL) are a pair signed by ca_pem and valid at wall_ns. */
bool tls_verifies(const char *ca_pem, const struct tls_pair *pair, int64_t wall_ns);
