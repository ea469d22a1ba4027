/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent/datapath/datapath.h - one node's kernel side: pinned maps, attached programs, and making
 * them hold what lib/mesh says they should.
 *
 * Everything here is kept by pins: opening twice, in one process after another, finds what is there
 * and loses nothing. Closing detaches nothing. Calls are system calls that do not wait for anybody,
 * so they may be made from the event loop; a call that writes many rows is bounded by their number.
 *
 * The order of writes is the library's business and is always safe: default deny is in place before
 * the policy of an endpoint, sets are complete before a row points to them, generations are bumped
 * after the rows they cover. A process killed between two writes leaves a state that the next
 * datapath_apply() completes, and that never allows more than either the old or the new state does.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "datapath/abi/event.h"
#include "datapath/abi/node.h"
#include "lib/base/log.h"
#include "lib/mesh/desired.h"

struct datapath;

enum datapath_attach { DATAPATH_ATTACH_AUTO, DATAPATH_ATTACH_TCX, DATAPATH_ATTACH_CLSACT };

/* How connected UDP sockets whose backend is gone are ended. */
enum datapath_term {
	DATAPATH_TERM_AUTO,     /* the iterator where the kernel has it, else netlink */
	DATAPATH_TERM_ITERATOR, /* BPF, bpf_sock_destroy: Linux 6.5 */
	DATAPATH_TERM_NETLINK,  /* SOCK_DESTROY: Linux 4.5 with CONFIG_INET_DIAG_DESTROY */
	DATAPATH_TERM_OFF,
};

struct datapath_options {
	const char *pin_root;        /* folder on a bpffs; made when absent */
	const char *cgroup;          /* folder of cgroup2 for the socket programs; NULL: none */
	enum datapath_attach attach; /* AUTO: tcx where the kernel has it */
	enum datapath_term term;
	const struct log *log; /* may be NULL */
};

/*
 * Opens or creates maps, loads the programs once, and updates links that exist (atomically) when
 * they run another version. Pins of another boot or an unknown schema are refused with a sentence.
 */
int datapath_open(const struct datapath_options *options, struct datapath **ret, struct error *err);
/* Pins and links stay. NULL is fine. */
void datapath_close(struct datapath *dp);
/* Detaches and unpins everything below pin_root; absent is success. */
int datapath_unload(const char *pin_root, struct error *err);
/* "tcx" or "clsact". */
const char *datapath_attach_mode(const struct datapath *dp);

/* Writes the node's configuration and bumps the global generation when it differs. */
int datapath_set_node(struct datapath *dp, const struct node_config *config, struct error *err);

/*
 * Attaches from_pod and to_pod to the host side of a pod's veth, or the overlay programs to the
 * VXLAN device, in the calling thread's network namespace. Idempotent. A pod's device without an
 * endpoint row drops everything.
 */
int datapath_attach_pod(struct datapath *dp, uint32_t ifindex, struct error *err);
int datapath_attach_overlay(struct datapath *dp, uint32_t ifindex, struct error *err);
/* Forgets a device that is gone or no pod's any more; absent is success. */
int datapath_detach(struct datapath *dp, uint32_t ifindex, struct error *err);

struct datapath_change {
	size_t written, deleted; /* rows, over all maps */
	size_t bumped;           /* generations */
};
/* Makes the kernel hold exactly *desired: rows are read and compared, what differs is written. */
int datapath_apply(struct datapath *dp, const struct mesh_desired *desired,
		   struct datapath_change *ret_change, struct error *err);

/*
 * Sockets that were load balanced to what is no backend any more, not even a terminating one:
 * nobody would tell their owners, for datagrams have no connection that could break.
 * _stale says how many the maps know of on the node; _end ends those of the calling thread's
 * network namespace (their owners see ECONNABORTED); _forget, called when every namespace had its
 * turn, removes the rows. TCP ends by itself and is left alone.
 */
int datapath_sockets_stale(struct datapath *dp, size_t *ret_n, struct error *err);
int datapath_sockets_end(struct datapath *dp, size_t *ret_ended, struct error *err);
int datapath_sockets_forget(struct datapath *dp, struct error *err);
/* "iterator", "netlink" or "off". */
const char *datapath_term_mode(const struct datapath *dp);

/* What the kernel holds of one endpoint; -ENOENT when it has no row. */
struct datapath_endpoint {
	uint32_t slot;
	uint32_t generation;
	struct endpoint row;
};
int datapath_endpoint(struct datapath *dp, uint32_t id, struct datapath_endpoint *ret,
		      struct error *err);

#define DATAPATH_MAX_CORRUPTED 64
struct datapath_regenerated {
	uint32_t generation_before, generation_after;
	bool program_replaced;    /* another program than ours was attached, or none */
	size_t n_corrupted;       /* rows that differed, were missing or too much */
	struct strings corrupted; /* a line for each of the first DATAPATH_MAX_CORRUPTED */
};
/*
 * Reads every row that *desired says of the endpoint (its own row and indexes, both policy sets),
 * and the rows all endpoints share (addresses, services), repairs what differs, checks the programs
 * attached to its device, and bumps its generation. Lines are in the arena.
 */
int datapath_regenerate(struct datapath *dp, const struct mesh_desired *desired, uint32_t id,
			struct arena *a, struct datapath_regenerated *ret, struct error *err);

/*
 * Conntrack in two layouts. Where the maps of the release before are there (it ran here, or
 * datapath_prepare() made them), programs find its connections and keep its maps up with everything
 * they decide; rows that no packet has asked for are copied by _step, a batch at a time. Then
 * either release can take over at any moment and finds every connection, until datapath_finalize().
 */
struct datapath_conntrack {
	unsigned layout; /* of the programs */
	unsigned older;  /* kept up beside it; 0: none */
	bool known;      /* entries was counted */
	uint64_t entries;
	uint64_t converted; /* rows that the last copy has seen to ... */
	uint64_t remaining; /* ... and those before it */
	uint64_t refused;   /* that the kernel did not take; each is tried again until it does */
	uint64_t evicted;   /* that were copied, and had gone again when it was looked: no room */
	bool copying;       /* some are before it, were refused, or may have gone again */
};
void datapath_conntrack(const struct datapath *dp, struct datapath_conntrack *ret);
/* Whether connections are kept in that layout (0: the one before ours), all of them when nothing is
 * being copied. */
bool datapath_keeps(const struct datapath_conntrack *c, unsigned layout);
/* Begins to count the entries anew. */
void datapath_conntrack_count(struct datapath *dp);
/*
 * Copies or counts about a millisecond's worth of rows; *ret_more says that there are more. After
 * an error nothing is lost or left out: the next call, some time later, tries the same again.
 */
int datapath_conntrack_step(struct datapath *dp, bool *ret_more, struct error *err);
/*
 * Before an agent of a release with this layout (0: the one before ours) takes over. When _step has
 * no more, it would find everything. -EOPNOTSUPP for a layout that nobody here can write.
 */
int datapath_prepare(struct datapath *dp, unsigned layout, struct error *err);
/* Nobody goes back: the maps of the release before are removed. -EBUSY while they are copied from.
 */
int datapath_finalize(struct datapath *dp, struct error *err);

/*
 * Loads the programs once more, which lets the kernel verify them again, and changes every link to
 * the new ones in place. Where one is refused, those that run stay.
 */
int datapath_reload(struct datapath *dp, struct error *err);
/* The end of what the verifier said when it refused last, at most DATAPATH_MAX_LOG; NULL: nothing.
 */
const char *datapath_load_log(const struct datapath *dp);
#define DATAPATH_MAX_LOG 2048

/* --- vitals.c: what a gate asks about --- */

struct datapath_drop {
	uint8_t reason, direction;
	uint64_t packets, bytes;
};
/* Every reason and direction with packets, since the map was made; negative errno. */
int datapath_drops(struct datapath *dp, struct arena *a, struct datapath_drop **ret_items,
		   size_t *ret_n, struct error *err);

struct datapath_map_use {
	const char *name;
	unsigned layout;
	bool counted; /* else entries is not known yet, or cannot be */
	uint64_t entries, max;
	bool evicts;
};
/*
 * Goes on counting rows, at most about `rows` of them in one call, and begins anew when all maps
 * have had their turn; _map_uses says what the last complete count of each found.
 */
void datapath_count_maps(struct datapath *dp, size_t rows);
size_t datapath_map_uses(struct datapath *dp, struct arena *a, struct datapath_map_use **ret_items);
/* Writes and deletions of rows that the kernel refused, since this process began. */
uint64_t datapath_map_errors(const struct datapath *dp);
/* "from_pod=412" of every program; the packet program's tag, hexadecimal. */
struct strings datapath_program_ids(const struct datapath *dp, struct arena *a);
const char *datapath_program_tag(const struct datapath *dp, struct arena *a);
/* Whether a pod's device runs our two programs; changes nothing. */
bool datapath_runs_ours(const struct datapath *dp, uint32_t ifindex);

/* Readable when events wait. */
int datapath_events_fd(const struct datapath *dp);
/* Calls fn for each waiting event, at most max; returns how many. */
int datapath_events_read(struct datapath *dp, unsigned max,
			 void (*fn)(void *arg, const struct event *e), void *arg);
/* Records not built or not taken, over all CPUs, since the maps were made. */
uint64_t datapath_events_lost(struct datapath *dp);

struct datapath_traffic {
	struct traffic_key key;
	struct traffic value;
};
/* The exact decision counts, sorted by key. */
int datapath_traffic(struct datapath *dp, struct arena *a, struct datapath_traffic **ret_items,
		     size_t *ret_n, struct error *err);
