/* SPDX-License-Identifier: Apache-2.0 */
/* agent/cni/request.h - what the runtime asks: environment and standard input, checked. Pure. */
#pragma once

#include <stddef.h>

#include "lib/doc/bind.h"
#include "lib/doc/doc.h"
#include "lib/net/cidr.h"

/* One network configuration with its prevResult. */
#define CNI_MAX_CONFIG (1u << 20)

/* Error codes of the specification; plugin's own from 100. */
enum cni_error {
	CNI_ERR_VERSION = 1,
	CNI_ERR_UNSUPPORTED_FIELD = 2,
	CNI_ERR_UNKNOWN_CONTAINER = 3,
	CNI_ERR_ENVIRONMENT = 4,
	CNI_ERR_IO = 5,
	CNI_ERR_DECODE = 6,
	CNI_ERR_CONFIG = 7,
	CNI_ERR_TRY_AGAIN = 11,
	CNI_ERR_SYSTEM = 100,  /* a link, an address or a route could not be made */
	CNI_ERR_REFUSED = 101, /* the agent said no */
	CNI_ERR_CHECK = 102,   /* CHECK found something else than ADD left */
};

/* A failure as the runtime reads it. code 0: none. */
struct cni_failure {
	int code;
	char msg[512];
	char details[256]; /* what to do; "" when there is nothing to add */
};
/* Records it; returns -1. */
int cni_fail(struct cni_failure *f, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

enum cni_command { CNI_ADD, CNI_DEL, CNI_CHECK, CNI_VERSION };
enum cni_chaining { CNI_CHAIN_NONE, CNI_CHAIN_GENERIC_VETH };

/* 0.3.0, 0.3.1, 0.4.0, 1.0.0, oldest first; ends with NULL. */
extern const char *const cni_versions[];

struct cni_request {
	enum cni_command command;
	const char *version; /* of the configuration; the newest when it names none (VERSION) */
	const char *container_id, *netns, *ifname;      /* netns NULL when absent (DEL) */
	const char *pod_namespace, *pod_name, *pod_uid; /* from CNI_ARGS; "" when absent */
	/* configuration */
	const char *name, *socket, *queue;
	int64_t timeout_s;
	int chaining;                  /* enum cni_chaining */
	const struct doc *prev_result; /* NULL when absent */
};

/* How the environment is asked: getenv, or a test's table. */
typedef const char *cni_getenv_fn(void *arg, const char *name);

/* All strings live in the arena. 0, or -1 with *f filled. */
int cni_request_parse(struct arena *a, cni_getenv_fn *env, void *env_arg, const char *input,
		      size_t input_size, struct cni_request *out, struct cni_failure *f);
/* What VERSION prints. */
struct doc *cni_version_result(struct arena *a, const char *version);
/* What a failure prints. */
struct doc *cni_failure_result(struct arena *a, const char *version, const struct cni_failure *f);

/* What ADD made. */
struct cni_attached {
	const char *host_ifname, *host_mac, *mac;
	struct net_addr addrs[4];
	size_t n_addrs;
	struct net_addr gateway;
	uint32_t mtu;
};
/* What ADD prints, in the form of the request's version. */
struct doc *cni_add_result(struct arena *a, const struct cni_request *rq,
			   const struct cni_attached *at);
/* The addresses that a prevResult gave to the pod's interface; -1 with *f filled. */
int cni_prev_addresses(const struct cni_request *rq, struct cni_attached *out,
		       struct cni_failure *f);
/* The host end for a container's interface: stable, at most 15 bytes. */
void cni_host_ifname(const char *container_id, const char *ifname, char out[16]);
