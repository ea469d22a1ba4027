/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/agent.h - the whole agent in one struct, passed down; there are no globals.
 *
 * Sources on the one event loop: informers (what the cluster says), the unix socket (CNI and
 * tools), the ring of events, and timers. Everything that changes what the kernel should hold calls
 * reconcile_soon(); nothing else writes to the kernel.
 */
#pragma once

#include "agent/allocate.h"
#include "agent/cluster.h"
#include "agent/datapath/datapath.h"
#include "agent/endpoint.h"
#include "agent/ipam.h"
#include "agent/options.h"
#include "agent/writer.h"
#include "lib/base/map.h"
#include "lib/http/server.h"
#include "lib/net/netlink.h"

/* The last desired state that is in force, and the input it was made from. */
struct applied {
	struct arena arena;
	struct cluster_held held; /* what input points at */
	struct mesh_input input;
	struct mesh_desired desired;
	uint64_t revision; /* counts applied states; 0: none yet */
	uint64_t digest;   /* of desired */
	struct datapath_change change;
};

struct agent {
	struct arena arena; /* options, names: as long as the agent */
	struct agent_options options;
	struct log log;
	const struct clock *clock;
	struct loop *loop;
	struct loop_signal *signals[2];
	uint64_t started_ns;
	const char *boot_id;

	struct kube_client *client;
	struct cluster cluster;
	struct allocator *allocator;
	struct writer *writer;

	struct datapath *dp;
	struct netlink *nl;
	uint32_t overlay_ifindex, underlay_ifindex;
	uint32_t mtu; /* of pods */
	struct net_addr node_addr;

	struct endpoints endpoints;
	struct ipam ipam;

	struct applied *applied; /* never NULL; revision 0 at first */
	struct loop_timer *reconcile_timer, *verify_timer, *publish_timer, *queue_timer;
	bool verify_next;    /* read the kernel's rows again in the next round */
	bool failing;        /* the last round failed */
	bool waits_to_retry; /* reconcile_timer is set for another try, not for a change */
	struct failing round_failure;
	struct loop_timer *recovery_timer;
	struct reload {         /* of the programs, the last one on request; agent/regenerate.c */
		uint64_t at_ns; /* 0: none */
		int code;
		char error[512];
	} reload;
	char problem[512]; /* why not ready; "" when ready */

	struct http_server *server;
	struct connections { /* agent/connections.c */
		struct loop_timer *timer;
		bool idle;
		uint64_t began_ns, ended_ns; /* the last copy; ended 0: it has not */
		struct failing copy_failure; /* of copying, or only counting, rows */
		struct failing failure;      /* of a Prepare or Finalize */
		int failed;                  /* what failed so, whoever asks for it */
		unsigned failed_layout;      /* of a Prepare */
		int code;
		char *uid; /* of the request that succeeded last */
		int64_t generation;
		struct datapath_conntrack told; /* what is published */
		uint64_t told_ns;               /* when that was looked at; 0: not yet */
	} connections;
	struct pending *pending; /* ADDs that wait for their policy */
	struct events *events;
	struct map answers; /* request name -> struct answer (agent/requests.c) */
	struct map jobs;    /* request name -> struct job (agent/job.c) */
	struct loop_timer *jobs_timer;
	struct vitals { /* agent/health.c */
		int64_t started_wall;
		struct opt_int starts; /* of agents on the state folder */
		size_t restored;       /* endpoints */
		uint64_t regenerated, failed;
		struct arena arena; /* of missing_pods */
		size_t missing;     /* pods of this node without an endpoint, by the last round */
		struct strings missing_pods;
		uint64_t looked_ns; /* at devices */
		size_t devices, wrong;
	} vitals;
	uint64_t published_ns; /* when the SidestepNode was written last */
	char *node_digest;     /* of the SidestepNode status written last; NULL: none */
};

/* Everything but running the loop. What fails leaves *agent fit for agent_stop(). */
int agent_start(struct agent *agent, const struct agent_options *options, struct error *err);
/* Closes sockets and handles; pins, rows and endpoints stay. */
void agent_stop(struct agent *agent);

/* Now, as RFC 3339; in the arena. */
const char *agent_wall_text(const struct agent *agent, struct arena *a);

/* agent/reconcile.c */
/* After resync_delay, unless a round is already due. */
void reconcile_soon(struct agent *agent);
/* Now; what the timer calls, and tests. */
void reconcile(struct agent *agent);
/* NULL is fine. */
void applied_free(struct applied *applied);

/* agent/node.c */
/* Sysctls, tunnel device and its programs; once at start. */
int node_prepare(struct agent *agent, struct error *err);
/* The node's configuration row and its routes to the pods of other nodes. */
int node_apply(struct agent *agent, const struct mesh_input *in, const struct mesh_desired *d,
	       struct error *err);

/* agent/sockets.c */
/*
 * After rows of backends went: sockets of this node's pods and of the node itself that were load
 * balanced to them are ended. A namespace that cannot be entered is logged and left out.
 */
void agent_end_sockets(struct agent *agent);

/* agent/connections.c */
/* Begins to carry what datapath_open() found to carry. */
void connections_start(struct agent *agent);
void connections_stop(struct agent *agent);
/* For the SidestepNode, in the arena; NULL before the first count. */
struct sidestep_conntrack *connections_shown(struct agent *agent, struct arena *a);
/* Whether what failed last is what r asks: loading the programs takes seconds, so of two requests
 * for the same thing neither may undo the other's wait. */
bool connections_failed(const struct agent *agent, const struct sidestep_request *r);
/* Whether connections are kept as the Prepare asks. */
bool connections_kept(const struct agent *agent, const struct sidestep_request *r);
/*
 * Does what a Prepare or Finalize asks, unless it did, and fills in state and message: "active"
 * as long as rows are being copied, "failed" until it works, for it is tried again now and then
 * (but not what this version cannot do).
 */
void connections_answer(struct agent *agent, struct arena *a, const struct sidestep_request *r,
			struct sidestep_request_node *node);

/* agent/attach.c */
/* Takes in what sidestep-cni says; fills *ret_ep. -EEXIST, -ENOSPC, -EINVAL, or what attaching
 * said. */
int agent_attach(struct agent *agent, const char *container, const struct attach_request *rq,
		 struct agent_ep **ret_ep, struct error *err);
/* Removes an endpoint; absent is success. */
void agent_detach(struct agent *agent, const char *container);
/* Endpoints from disk; those whose device is gone are dropped. */
int agent_restore(struct agent *agent, struct error *err);
/* Takes what CNI left in the queue. -EAGAIN when a plugin holds its lock. */
int agent_drain_queue(struct agent *agent, struct error *err);

/* agent/api.c */
int api_start(struct agent *agent, struct error *err);
void api_stop(struct agent *agent);
/* Answers ADDs whose endpoint is in force. */
void api_endpoints_changed(struct agent *agent);

/* agent/show.c: the records of lib/agentapi from the agent's state, in the arena */
struct doc *show_status(struct agent *agent, struct arena *a);
struct doc *show_endpoints(struct agent *agent, struct arena *a);
struct doc *show_endpoint(struct agent *agent, struct arena *a, const struct agent_ep *ep);
struct doc *show_identities(struct agent *agent, struct arena *a);
struct doc *show_policies(struct agent *agent, struct arena *a);
struct doc *show_services(struct agent *agent, struct arena *a);
struct doc *show_config(struct agent *agent, struct arena *a);
struct doc *show_regenerated(struct agent *agent, struct arena *a, struct agent_ep *ep);
/* NULL with *err filled when a side cannot be found. */
struct doc *show_trace(struct agent *agent, struct arena *a, const struct http_query *q,
		       struct error *err);
void show_metrics(struct agent *agent, struct strbuf *out);

/* agent/publish.c, agent/publish_policy.c, agent/requests.c: into the cluster */
void publish_node(struct agent *agent);
/* Counters live as long as their map, over agents and releases, until a reboot or an unload: the
 * birth of its pin names the epoch. In the arena; NULL: not known, for the pin is gone. */
const char *map_epoch(const struct agent *agent, struct arena *a, const char *pin);
void publish_policies(struct agent *agent);
void publish_requests(struct agent *agent);
/* Says *node in the request's status, unless that is what was said last. */
void publish_answer(struct agent *agent, const struct sidestep_request *r,
		    const struct sidestep_request_node *node);
/* This node's answer to the request's generation as the cluster has it; NULL: none. */
const struct sidestep_request_node *published_answer(const struct agent *agent,
						     const struct sidestep_request *r);
/* Whether the request is for this endpoint. */
bool request_selects(const struct agent *agent, const struct sidestep_request *r,
		     const struct agent_ep *ep);
void publish_stop(struct agent *agent);

/* agent/regenerate.c */
/* Compares one endpoint's rows with what is in force, and repairs; *ret in the arena. An attempt
 * that fails leaves the endpoint not ready, to be tried again by itself. */
int agent_regenerate(struct agent *agent, struct agent_ep *ep, struct arena *a,
		     struct datapath_regenerated *ret, struct error *err);
/* Has the programs verified and attached once more, unless that was done since then. */
int agent_reload(struct agent *agent, uint64_t since_ns, struct error *err);
/* The endpoint is not ready for that reason, and is tried again. */
void recovery_needed(struct agent *agent, struct agent_ep *ep, const char *error);
/* Tries what is due; what the timer calls. */
void recovery_run(struct agent *agent);

/* agent/job.c */
/* Jobs that an agent before this one began; before the first round. */
int jobs_restore(struct agent *agent, struct error *err);
/* Requests have changed, or what they wait for. */
void jobs_soon(struct agent *agent);
/* Takes turns that are due, and one endpoint further; what the timer calls. */
void jobs_run(struct agent *agent);
void jobs_stop(struct agent *agent);

/* agent/health.c */
/* Counts this start; before anything that may fail. */
void health_begin(struct agent *agent);
/* After a round: pods without an endpoint. */
void health_look(struct agent *agent);
/* Now and then: devices that do not run our programs are not ready, and put right. */
void health_watch(struct agent *agent);
/* In the arena. volatile_too: also what is another number every time. */
struct sidestep_health *health_shown(struct agent *agent, struct arena *a, bool volatile_too);
void health_end(struct agent *agent);

/* agent/events.c */
int events_start(struct agent *agent, struct error *err);
void events_stop(struct agent *agent);
/* The exchange becomes a stream of flows. */
void events_subscribe(struct agent *agent, struct http_exchange *x);
