/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controllers on the lab's API server, with a stand-in for kubelets: pods that are placed
 * become Running and Ready, pods that are deleted go. Everything else is the real thing.
 */
#pragma once

#include "deploy/lab/apiserver/apiserver.h"
#include "deploy/lab/controllers/controllers.h"
#include "lib/kube/informer.h"
#include "lib/kube/sync.h"
#include "tests/support/test.h"

struct world {
	struct loop *loop;
	struct apiserver *server;
	struct kube_client *client, *kubelet_client, *controllers_client;
	struct controllers *controllers;
	struct kube_informer *pods, *slices;
	struct arena arena;
	unsigned ips;
	int least_ready; /* endpoints of the Service, ever since watching */
	int most_pods;
	bool watch_floor;
};

/* Of every test. */
int world_setup(void **state);
/* The lab's server ends namespaces itself and takes no word for it. */
int world_setup_collecting(void **state);
int world_teardown(void **state);

/* What cannot be done fails the test. */
void world_apply(struct world *w, const char *yaml);
/* A node that is Ready and has its addresses. */
void world_node(struct world *w, const char *name);
void world_start_controllers(struct world *w);
void world_until(struct world *w, bool (*met)(struct world *w), const char *what);
/* In the namespace "team". */
struct doc *world_get(struct world *w, enum object_kind_id kind, const char *name);
int world_ready_endpoints(const struct world *w);
