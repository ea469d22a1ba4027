/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/agent/nodes.h - two nodes with an agent process each, killed and started again at
 * will, and pods that are no more than an interface. The API server is the lab's, in this process.
 * What cannot be done fails the test.
 */
#pragma once

#include <sys/types.h>

#include "deploy/lab/apiserver/apiserver.h"
#include "lib/http/client.h"
#include "lib/kube/sync.h"
#include "tests/support/test.h"

enum { NODES = 2 };
#define PATIENCE (60 * NS_PER_S)

struct node_process {
	const char *name, *netns, *socket, *state, *pins, *kubeconfig, *address;
	pid_t agent; /* 0: none */
};

struct nodes {
	struct arena arena;
	const char *dir;
	struct loop *loop;
	struct apiserver *api;
	struct kube_client *client;
	struct http_client *http;
	struct node_process node[NODES];
	unsigned pods; /* made so far */
};

/* "auto", or how agents are to attach their programs. */
extern const char *nodes_attach;

int nodes_setup(void **state);
int nodes_teardown(void **state);

void agent_begin(struct nodes *n, int node);
/* Until it says that it is ready. */
void agent_wait(struct nodes *n, int node);
/* It is told to end, and (with a sanitizer) leaves nothing behind: NULL. One that does not, killed
 * so that what it held is taken away all the same: why. */
const char *agent_end(struct nodes *n, int node);
/* kill -9, and its end. */
void agent_kill(struct nodes *n, int node);
/* The answer, which must be one; path as in lib/agentapi/agentapi.h. */
struct doc *agent_ask(struct nodes *n, int node, const char *method, const char *path,
		      const struct doc *body);

/* The answer to a GET as it is. */
const char *agent_text(struct nodes *n, int node, const char *path);

/* A pod of the namespace shop with the label app, its interface, and its endpoint. */
void pod_make(struct nodes *n, int node, const char *name);
/* Its interface goes, behind everybody's back. */
void pod_cut(struct nodes *n, int node, const char *name);
/* Its generation in the kernel. */
int64_t pod_generation(struct nodes *n, int node, const char *name);

/* A SidestepRequest of kind Regenerate; spec goes on in YAML's braces: "maxFailed: 1". */
void job_make(struct nodes *n, const char *name, const char *spec);
/* One of another kind. */
void request_make(struct nodes *n, const char *name, const char *kind, const char *spec);
void request_remove(struct nodes *n, const char *name);
/* What the server answers to that. */
int job_try(struct nodes *n, const char *name, const char *spec);
/* Until check says so of the request; the object as it is then. */
struct doc *job_wait(struct nodes *n, const char *name,
		     bool (*check)(void *arg, const struct doc *request), void *arg);
/* Until the node's agent has written so many lines into the journal that it is at. */
void job_wait_lines(struct nodes *n, int node, unsigned lines);
/* `sidestep endpoint regenerate WORDS` as a process; its output is in files until the next begins.
 */
pid_t cli_begin(struct nodes *n, const char *words);
/* Its exit code. */
int cli_end(struct nodes *n, pid_t pid);
int cli(struct nodes *n, const char *words);
const char *cli_out(struct nodes *n);
const char *cli_err(struct nodes *n);
/* Until stderr has those words. */
void cli_wait_err(struct nodes *n, const char *words);
/* What a node answered in it; NULL. */
const struct doc *job_answer(const struct doc *request, const struct node_process *node);
/* The SidestepNode, as soon as check says so of it. */
struct doc *status_wait(struct nodes *n, int node,
			bool (*check)(void *arg, const struct doc *object), void *arg);
