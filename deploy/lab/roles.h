/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deploy/lab/roles.h - the processes of a lab, one row each.
 *
 * A role is a program that would be a Pod or a system service in production (the agent is a
 * DaemonSet's pod here, too, and no role). The
 * supervisor starts each in its namespace, as a process of its own, and starts it again when it
 * ends; nothing in a role knows that a lab exists beyond the options it was given.
 */
#pragma once

#include "deploy/lab/lab.h"

#define ROLE_MAX_ARGS 32

enum role_place {
	PLACE_MACHINE, /* the machine's own namespace: listens on 127.0.0.1 only */
	PLACE_HUB,
	PLACE_NODE, /* one process a node */
};

struct role_args {
	const char *argv[ROLE_MAX_ARGS + 1];
	size_t n;
};

struct role {
	const char *name;
	enum role_place place;
	const char *what; /* for `lab status` */
	/* Whether this lab has it. */
	bool (*wanted)(const struct lab *lab);
	/* node is NULL unless PLACE_NODE. Strings may be made in lab->arena. */
	void (*args)(struct lab *lab, const struct lab_node *node, struct role_args *out);
};

extern const struct role lab_roles[];
extern const size_t lab_n_roles;

/* One process of a lab: role and, for PLACE_NODE, node. */
struct role_process {
	const struct role *role;
	const struct lab_node *node;
	const char *name; /* "apiserver", "kubelet.node-a": of its pid and log files */
};
#define LAB_MAX_PROCESSES 64
/* In the order of starting. In lab->arena. Returns how many. */
size_t lab_processes(struct lab *lab, struct role_process out[LAB_MAX_PROCESSES]);
