/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deploy/lab/istiod/proxy.h - what runs in the istio-proxy container: waits for its configuration,
 * runs Envoy, and on SIGTERM drains it before it ends (as Istio's pilot-agent does; Envoy alone
 * would cut every connection).
 */
#pragma once

#include <stdint.h>

#include "lib/base/error.h"
#include "lib/base/log.h"

struct proxy_options {
	const char *dir;       /* of this pod's files */
	const char *envoy;     /* the binary */
	uint64_t drain_ns;     /* the longest wait for connections to end; 0: 12 s */
	const struct log *log; /* may be NULL */
};

/* Until Envoy has ended. Returns the exit code: Envoy's own, 0 after a drain; negative errno. */
int proxy_run(const struct proxy_options *options, struct error *err);
/*
 * Tells the Envoy of this network namespace to drain what comes in, without closing its ports: what
 * Istio's sidecars do as soon as their pod begins to end. 0, or negative errno.
 */
int proxy_request_drain(struct error *err);
