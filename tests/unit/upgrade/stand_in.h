/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/upgrade/stand_in.h - a mesh in this process: the lab's API server on a fake clock,
 * with stand-ins for what would live in it.
 *
 * Real: the API server, the upgrade's requests, its journal on disk. Stand-ins, moved by one call
 * per waiting: the DaemonSet controller (OnDelete), kubelets, pods that only show an image, and
 * agents that publish what they are and answer requests. Each image has the defect that a test asks
 * for.
 */
#pragma once

#include "deploy/lab/apiserver/apiserver.h"
#include "upgrade/plan.h"
#include "upgrade/tool.h"

#define OLD_VERSION      "0.2.0"
#define NEW_VERSION      "0.3.0"
#define UPGRADER         "upgrader"   /* who the upgrade is to the API server */
#define OTHER_KIND_LABEL "other-kind" /* an affinity of the DaemonSet excludes nodes with it */
#define NODES            4            /* control, worker-1, worker-2, worker-3 */
#define NODES_MAX        64

/* Of agents of NEW_VERSION. */
enum agent_fault {
	AGENT_WELL,
	AGENT_REFUSED, /* its pod is ready, and it says that the kernel refuses its programs */
	AGENT_DROPS,   /* refuses pairs that it let through */
	AGENT_MUTES,   /* the same where they leave for another node */
	AGENT_LEAKS,
	AGENT_SEEPS,        /* by the hour */
	AGENT_LATE,         /* is ready only at the sixth look */
	AGENT_UNREGENERATE, /* fails to build an endpoint */
	AGENT_NO_NETWORK,   /* makes none for new pods */
	/* Those from here on do not answer Prepare. */
	AGENT_UNPREPARED,
	AGENT_NEVER_READY, /* its pod does not become ready; it publishes nothing */
	AGENT_CRASHES,
	AGENT_SILENT, /* its pod is ready, and it publishes nothing */
};

struct stand_in_node {
	const char *name, *pod_uid;
	const char *version; /* that publishes; NULL: nobody yet */
	const char *boot;    /* NULL: its first */
	int64_t starts, generation, looks;
	int64_t refused; /* the identity that nobody reaches from there any more; 0: none */
	bool let_again;  /* whom it refused it lets through, and they come */
	int64_t started_wall, started_ms;
};

struct stand_in {
	struct arena arena;
	char dir[64];
	struct fake_clock clock;
	struct loop *loop;
	struct apiserver *server;
	struct cluster cluster; /* as the world itself; not the upgrade's */
	struct stand_in_node nodes[NODES_MAX];
	size_t first, end; /* of them are there */
	int team;          /* pods of users on each */
	bool tells_all;    /* as many maps and reasons as an agent has at most */
	unsigned pods_made;
	enum agent_fault fault;
	const char *fault_on; /* node; NULL: every one */
	bool old_tells_no_health;
	bool forgets_older; /* agents say that Prepare is done, and publish that it is not so */
	bool new_is_gone;   /* no registry has the new image any more */
	bool no_layouts;    /* the releases file does not tell them */
	unsigned regenerations, finalizations, preparations;
};

void stand_in_new(struct stand_in *w);
/* Two workers, and the least patience: for runs by the hundred. */
void stand_in_new_small(struct stand_in *w);
/* So many nodes with so many pods of users each. */
void stand_in_new_large(struct stand_in *w, size_t n, int team);
void stand_in_free(struct stand_in *w);
/* One round of everything that lives in the cluster. */
void stand_in_tick(struct stand_in *w);

/* A cluster for an upgrade: a client of its own on the same loop and clock. */
struct cluster stand_in_cluster(struct stand_in *w);
/* A plan of the world as it is, with the lab's haste. profile: another one, YAML; or NULL. */
struct doc *stand_in_plan(struct stand_in *w, struct arena *a, const char *to, const char *profile);
/* Of it the exit code. */
int stand_in_verdict(const struct doc *plan);

struct doc *stand_in_get(struct stand_in *w, struct arena *a, enum object_kind_id kind,
			 const char *ns, const char *name);
void stand_in_patch(struct stand_in *w, enum object_kind_id kind, const char *ns, const char *name,
		    const char *merge_patch_json);
void stand_in_patch_status(struct stand_in *w, enum object_kind_id kind, const char *ns,
			   const char *name, const char *merge_patch_json);
void stand_in_create(struct stand_in *w, const char *json);
void stand_in_remove(struct stand_in *w, enum object_kind_id kind, const char *ns,
		     const char *name);
/* The name of the agent's pod on a node. */
const char *stand_in_agent(struct stand_in *w, struct arena *a, const char *node);
void stand_in_faults(struct stand_in *w, const char *json);
/* Whether the first of them is used up. */
bool stand_in_struck(struct stand_in *w);

/* "control=0.2.0 worker-1=0.3.0 ...; template 0.3.0; pods 4, requests 0": by the pods' images. */
const char *stand_in_state(struct stand_in *w, struct arena *a);
