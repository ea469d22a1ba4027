/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/object/sidestep.h - our own objects (sidestep.dev/v1alpha1): how agents and tools talk.
 *
 * A tool on a laptop has no agent socket. An agent publishes what it is and counts in the status of
 * its SidestepNode (named like the node); a tool asks by making a SidestepRequest, and every agent
 * concerned answers in that object's status under its own name; a migration keeps a copy of its
 * journal in a SidestepRun. All three are cluster-scoped.
 */
#pragma once

#include "lib/object/health.h"
#include "lib/object/meta.h"

/* One local endpoint as the agent publishes it. */
struct sidestep_endpoint {
	int64_t id;
	const char *namespace, *pod, *uid;
	const char *address;
	int64_t identity;
	const char *state;         /* ready, regenerating, waiting-for-identity, ... (not-ready) */
	int64_t generation;        /* in force in the kernel; 0: not known, it has no row there */
	int64_t policy_revision;   /* revision of the compiled input it was made from */
	const char *policy_digest; /* digest of the compiled set, hexadecimal */
	bool deny_ingress, deny_egress; /* default deny in that direction */
	bool audit;
	bool sidecar;
};

/* One edge, as seen by this node's datapath at the deciding end. */
struct sidestep_counter {
	int64_t source, destination; /* identities */
	int64_t port;         /* destination port, host order; 0 for ICMP; or COUNTER_PORT_MANY */
	const char *protocol; /* TCP, UDP, ICMP */
	const char *verdict;  /* "forwarded", "dropped", "audit" */
	int64_t reason;       /* drop reason number; 0 when forwarded */
	int64_t count;        /* new connections (forwarded, audit) or packets (dropped) */
};

/* What an identity number in the counters means. */
struct sidestep_identity {
	int64_t id;
	struct strings labels; /* "k8s:app=web" */
};

/*
 * Connections in the kernel. Their map has a layout number; while two releases may take turns on
 * the node, the layout of the older one is kept up as well, and what is in one of them is copied to
 * the other.
 */
struct sidestep_conntrack {
	int64_t layout;    /* that the attached programs decide with */
	int64_t older;     /* that is kept up beside it; 0: none */
	int64_t entries;   /* two for a connection */
	int64_t converted; /* entries that the last copy has seen to */
	int64_t remaining; /* and those it has still before it; 0: complete */
};

/* What an object asks and this node does not do: never enforced in part, and named here. */
struct sidestep_unsupported {
	const char *object; /* "NetworkPolicy shop/p" */
	const char *path, *reason;
};

/* The sum over all ports of its source, destination, protocol and verdict: see next. */
#define COUNTER_PORT_MANY (-1)
/*
 * Rows of counters in one SidestepNode. What has very many ports is told as one row before it comes
 * to that; with as many as this, some may be missing.
 */
#define SIDESTEP_NODE_MAX_COUNTERS 4096
/* And of those in `sent`. */
#define SIDESTEP_NODE_MAX_SENT 2048

/*
 * What this node's pods were let send to pods. The node of the other end counts the same calls as
 * forwarded, so nobody adds these up; they tell who was let through here before, when a call to
 * another node is refused where it leaves.
 */
struct sidestep_sent {
	int64_t rows; /* that there are; more than items: some are missing */
	struct sidestep_counter *items;
	size_t n_items;
};

struct sidestep_node {
	struct object_meta meta;
	const char *version;
	bool ready;
	const char *message; /* why not ready */
	const char *boot_id;
	const char *updated;     /* RFC 3339 */
	const char *attach_mode; /* tcx or clsact */
	int64_t revision;        /* of the desired state last applied */
	struct sidestep_endpoint *endpoints;
	size_t n_endpoints;
	/* Monotonic within one counters_epoch, but for a row that came back after the kernel, with
	 * very many others, had forgotten it. */
	struct sidestep_counter *counters;
	size_t n_counters;
	const char *counters_epoch; /* changes when the counters started again from zero */
	struct sidestep_sent *sent; /* of that epoch, too; NULL: not told */
	struct sidestep_identity *identities;
	size_t n_identities;
	int64_t lost_events;
	struct sidestep_unsupported *unsupported;
	size_t n_unsupported;
	struct sidestep_conntrack *conntrack; /* NULL: not known */
	struct sidestep_health *health; /* NULL: an agent that does not tell; all of it unknown */
};

enum sidestep_request_kind {
	REQUEST_NONE,
	REQUEST_REGENERATE,
	REQUEST_AUDIT,
	REQUEST_PREPARE, /* before a downgrade: write the older map layouts, too */
	REQUEST_FINALIZE /* after an upgrade: what the older release left goes */
};

/* How deep a regeneration goes; the deeper includes the other. */
enum regenerate_level {
	REGENERATE_DATAPATH, /* the programs too are verified by the kernel and attached anew */
	REGENERATE_POLICY,   /* rows and generation alone */
};

/*
 * Every node of a cluster answers in one object, and the API server keeps none above 1.5 MiB: 5000
 * nodes take 1 MiB by their counts alone. So a node names its endpoints only while the answers
 * before it take less than the first; then only those that failed or were repaired, until the
 * second; then none, and no words either. `omitted` counts what was left out; counts are always
 * whole.
 */
#define REQUEST_NAME_ALL_BYTES     (128u << 10)
#define REQUEST_NAME_SOME_BYTES    (224u << 10)
#define REQUEST_NODE_BYTES         (64u << 10) /* of one node that names endpoints */
#define REQUEST_MAX_SOME           16          /* named by one node that names only some */
#define REQUEST_MAX_CORRUPTED_ROWS 8           /* named of one endpoint */
#define REQUEST_MAX_LOG            2048
/* More nodes than this are refused in spec.nodes. */
#define REQUEST_MAX_NODES 5000

/* One endpoint of one node's answer. */
struct sidestep_request_endpoint {
	int64_t id;
	const char *namespace, *pod;
	const char *uid; /* of the pod: another may have its name meanwhile */
	int64_t generation_before, generation_after;
	struct opt_int duration_ms; /* rounded up; not there: not known (the agent was killed) */
	int64_t corrupted;          /* kernel rows that differed from what was compiled; repaired */
	struct strings corrupted_rows;
	const char *error; /* NULL when it worked */
	const char *log;   /* the end of what the kernel's verifier said, when it refused */
};

struct sidestep_request_node {
	const char *node;
	/*
	 * Regenerate: "running", "done", "failed" (all tried, some failed), "stopped" (not all
	 * tried, for too many failed here or elsewhere); a node that is not there is pending.
	 * Audit: "active". Prepare, Finalize: "active" while under way, "done", "failed".
	 */
	const char *state;
	int64_t observed_generation; /* metadata.generation of the request it answers */
	const char *message;
	const char *updated;
	/* Regenerate: how many endpoints, whatever is named below; selected: Audit, too */
	struct opt_int selected, regenerated, failed, repaired;
	struct opt_int duration_ms;
	struct sidestep_request_endpoint *endpoints;
	size_t n_endpoints;
	int64_t omitted; /* endpoints that are counted and not named; 0 is left out */
	/* Prepare */
	int64_t entries; /* of the connection map, that were seen to */
	double seconds;  /* that it took */
};

/*
 * Regenerate: recompile, compare with the kernel, repair, bump the generation; each endpoint once
 * for each generation of this object, whatever is killed meanwhile. Nodes have their turns one
 * after another (lib/agentapi/regenerate.h). Audit: while the object exists, what policy would
 * refuse at the selected endpoints passes and is counted with verdict "audit".
 *
 * Prepare: before an agent of an older release takes over: connections are kept in spec.layout too
 * from now on, and what is there is copied; "done" says that the older agent would find every one,
 * and is taken back when that is not so any more. Finalize: nobody goes back any more; the map of
 * the older layout goes, once per generation of the object. What failed is tried again. Of a
 * Prepare and a Finalize for the same node the one that was created later is done, in the same
 * second the Prepare; the other is answered "failed" with its name, as long as it exists.
 */
struct sidestep_request {
	struct object_meta meta;
	int kind;              /* enum sidestep_request_kind, spec.kind */
	const char *namespace; /* spec.namespace; NULL: all namespaces (Regenerate only) */
	struct label_selector *pod_selector; /* NULL: every pod of the namespace */
	struct strings nodes;                /* empty: all nodes, by name; else in this order */
	int64_t layout;                      /* Prepare: of the conntrack map; 0: the one before */
	struct opt_int max_failed;   /* Regenerate: stop after more failed endpoints; absent: 0 */
	struct opt_int max_parallel; /* Regenerate: nodes at a time; absent: 1 */
	int level;                   /* Regenerate: enum regenerate_level */
	const char *requester;       /* who asked, for people */
	struct sidestep_request_node *status;
	size_t n_status;
};

/* A copy of a migration's journal, so that a colleague can resume when the first laptop is lost. */
struct sidestep_run {
	struct object_meta meta;
	const char *tool;    /* "migrate" */
	const char *subject; /* the namespace that is moved */
	const char *plan_digest;
	const char *holder;     /* who runs it now */
	const char *state;      /* running, paused, done, rolled-back, failed */
	struct strings journal; /* one JSON record per item, in order */
	const struct doc *plan; /* as a document */
};

extern const struct bind_table sidestep_node_table;
extern const struct bind_table sidestep_request_table;
extern const struct bind_table sidestep_run_table;
/* Of one item of a request's status, so that an agent encodes its own answer. */
extern const struct bind_table sidestep_request_node_table;
/* And of one endpoint in it. */
extern const struct bind_table sidestep_request_endpoint_table;

int sidestep_node_decode(struct arena *a, const struct doc *d, struct sidestep_node *out,
			 struct error *err);
int sidestep_request_decode(struct arena *a, const struct doc *d, struct sidestep_request *out,
			    struct error *err);
int sidestep_run_decode(struct arena *a, const struct doc *d, struct sidestep_run *out,
			struct error *err);

/* The label that marks what we made in a cluster. */
#define SIDESTEP_MANAGED_BY_LABEL "app.kubernetes.io/managed-by"
#define SIDESTEP_MANAGED_BY       "sidestep"
/*
 * Annotations the agent reads.
 * Pod: "disabled" makes the socket load balancer leave the pod's connects alone.
 * Namespace: "drop" or "reset"; what a refused TCP connection is answered with.
 */
#define SIDESTEP_SOCKET_LB_ANNOTATION "sidestep.dev/socket-lb"
#define SIDESTEP_REFUSAL_ANNOTATION   "sidestep.dev/refusal"
/* Namespace label: it came from a proxy, so refusals default to reset. */
#define SIDESTEP_MIGRATED_LABEL "sidestep.dev/migrated"
