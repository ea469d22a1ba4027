/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deploy/lab/istiod/istiod.h - configuration and certificates for every sidecar of the cluster, as
 * files: DIR/sidecars/<pod uid>/{bootstrap.json,lds,cds,rds,eds,certs}.
 *
 * It follows the API and, a moment after a change, renders the sidecars again (lib/istio) and
 * replaces the files that differ. It keeps nothing of its own but the authority: killed and started
 * again it finds on disk what it wrote.
 */
#pragma once

#include "lib/base/log.h"
#include "lib/kube/client.h"

struct istiod;

struct istiod_options {
	const char *sidecars;    /* folder of the sidecars' folders */
	const char *authority;   /* folder of the mesh's authority */
	const char *envoy;       /* linked as SIDECARS/envoy; NULL: not */
	const char *access_logs; /* folder of the sidecars' access logs, NAMESPACE_POD.proxy; NULL:
				    none */
	int proxy_uid;           /* owner of private keys and logs; -1: ours */
	const struct log *log;   /* may be NULL */
};

int istiod_new(struct kube_client *client, const struct istiod_options *options,
	       struct istiod **ret_istiod, struct error *err);
void istiod_free(struct istiod *istiod);
