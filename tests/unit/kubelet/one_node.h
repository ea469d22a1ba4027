/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/kubelet/one_node.h - a kubelet process that is killed and started again at will, with
 * real pods on a node of its own. The API server is the lab's, in this process; so is the agent,
 * which only gives out addresses. What cannot be done fails the test.
 */
#pragma once

#include <sys/types.h>

#include "deploy/lab/apiserver/apiserver.h"
#include "lib/base/map.h"
#include "lib/http/server.h"
#include "lib/kube/sync.h"
#include "tests/support/test.h"

#define PATIENCE (40 * NS_PER_S)

/* The call ends with a pointer to the file's `err`. */
#define ok(call)                                                                                   \
	do {                                                                                       \
		err = (struct error)ERROR_INIT;                                                    \
		if ((call) < 0)                                                                    \
			fail_msg("%s: %s", #call, err.msg);                                        \
	} while (0)

/* Where the tests of a program run. */
struct one_node {
	struct arena arena;
	const char *dir, *node, *cgroup, *sock, *conf_here, *conf_node;
	const char *images, *run, *bpf; /* images.h; the node's /run/sidestep, its /sys/fs/bpf */
	struct loop *loop;
	struct apiserver *api;
	struct http_server *agent;
	struct kube_client *client;
	pid_t kubelet;
	unsigned next_address, puts, deletes;
	struct map addresses; /* container id -> number, so that a repeated ADD gets the same */
};

/* Of a group of tests: the node with its kubelet; and everything that is left of it goes. */
int one_node_setup(void **state);
int one_node_teardown(void **state);
/* A file in the test's folder, "" when absent. */
const char *one_node_file(struct one_node *e, const char *name);

void kubelet_start(struct one_node *e);
void kubelet_kill(struct one_node *e);

/* --- saying what is wanted: pods of the namespace default --- */

void pod_create(struct one_node *e, const char *name, const char *spec);
/*
 * Of one container that runs a shell script in the test's folder; more: YAML that goes on in the
 * container or the spec.
 */
void pod_create_shell(struct one_node *e, const char *name, const char *script, const char *more);
void pod_delete(struct one_node *e, const char *name);
struct doc *pod_get(struct one_node *e, const char *name);
/* Until check says so, for PATIENCE. */
void pod_wait(struct one_node *e, const char *name, bool (*check)(void *, const struct doc *),
	      void *arg);

/* Checks of pod_wait(). */
bool pod_ready(void *arg, const struct doc *pod);
bool pod_not_ready(void *arg, const struct doc *pod);
bool pod_gone(void *arg, const struct doc *pod);
bool pod_in_phase(void *arg, const struct doc *pod);  /* arg: its name */
bool pod_restarted(void *arg, const struct doc *pod); /* arg: int, so often or more */
