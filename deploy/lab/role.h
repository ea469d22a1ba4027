/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deploy/lab/role.h - what every role that talks to the API begins with: a loop that SIGTERM and
 * SIGINT end, a client from --kubeconfig, a log on standard error.
 */
#pragma once

#include "lib/base/arena.h"
#include "lib/base/log.h"
#include "lib/cli/cli.h"
#include "lib/kube/client.h"

struct role_options {
	const char *lab; /* its name */
	const char *kubeconfig;
	bool debug;
};

/* The rows every role's options table begins with; the struct's first member is a role_options. */
#define ROLE_OPTIONS(type)                                                                         \
	CLI_OPT(type, role.lab, "lab", 0, CLI_STRING, "NAME", "which lab"),                        \
		CLI_OPT(type, role.kubeconfig, "kubeconfig", 0, CLI_STRING, "FILE",                \
			"how to reach the API server"),                                            \
		CLI_OPT(type, role.debug, "debug", 0, CLI_FLAG, NULL, "log more")

struct role_base {
	struct arena arena;
	struct log log;
	struct loop *loop;
	struct kube_config config;
	struct kube_client *client;
};

/* name goes into the log and, as "sidestep-lab-NAME", into managed fields. */
int role_begin(struct role_base *base, const struct role_options *options, const char *name,
	       FILE *log_to, struct error *err);
/* Runs until a signal. Returns an exit code. */
int role_run(struct role_base *base, struct error *err);
/* Frees what role_begin made; what stands on the client goes first. */
void role_end(struct role_base *base);
