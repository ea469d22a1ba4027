/* SPDX-License-Identifier: Apache-2.0 */
/* agent/datapath/state.h - what the files of this library share; nobody else includes it. */
#pragma once

#include "agent/datapath/datapath.h"
#include "agent/datapath/maps.h"

enum program_id {
	PROGRAM_FROM_POD,
	PROGRAM_TO_POD,
	PROGRAM_FROM_OVERLAY,
	PROGRAM_TO_OVERLAY,
	PROGRAM_CONNECT4,
	PROGRAM_SENDMSG4,
	PROGRAM_RECVMSG4,
	PROGRAM_COUNT,
};

struct program_spec {
	const char *name;
	uint32_t tcx; /* attach type for BPF_LINK_CREATE; tcx or cgroup */
	bool egress;  /* of the device, for clsact */
	bool socket;  /* lives in the cgroup */
};
extern const struct program_spec program_specs[PROGRAM_COUNT];

struct pod_programs;
struct sock_programs;
struct term_programs;
struct bpf_link;
struct ring_buffer;
struct bpf_object;

/* Rows on their way between layouts, or being counted. carry.c */
enum carry_task { CARRY_UP, CARRY_DOWN, CARRY_COUNT, CARRY_TASKS };
struct carry {
	unsigned todo; /* a bit for each task; the lowest is under way */
	bool begun;
	bool counted;  /* what there is to carry is known */
	bool checking; /* ... and carried: it is looked whether all of it has stayed there */
	unsigned map;  /* enum older_id, and where in it */
	bool inside;
	uint32_t place, next;      /* of the batch at hand, and behind it */
	uint64_t found;            /* by a count so far */
	uint64_t total, converted; /* of the last task that carried; converted: of its round */
	uint64_t latest;           /* jiffies: it is not earlier than that; of this task */
	uint64_t missing, evicted; /* looked for in vain: in this round, in the one before */
	uint64_t refused;          /* by the kernel, in all its rounds ... */
	uint64_t left;             /* ... and in this one, which is therefore not the last */
	int why;                   /* the last of them, negative errno */
	uint64_t entries;          /* by the last count */
	bool entries_known;
	void *keys, *values;
};

struct datapath {
	struct maps maps;
	struct pod_programs *packet; /* skeletons */
	struct sock_programs *socket;
	struct term_programs *term; /* NULL: netlink, or off */
	struct bpf_link *term_link;
	bool term_off;
	int program_fd[PROGRAM_COUNT];
	uint32_t program_id[PROGRAM_COUNT];
	uint64_t program_tag;
	uint32_t hz;
	bool clsact;
	char *root;
	char *load_log; /* the end of what the verifier said when it refused last; NULL */
	struct map_counting *counting; /* vitals.c; NULL before the first count */
	const struct log *log;
	struct node_config node; /* as last set; all zero before */
	uint32_t *generations;   /* mapped; stride 2 */
	bool settled;            /* the kernel was made as wanted once, by us */
	struct ring_buffer *ring;
	struct carry carry;
	struct event_sink {
		void (*fn)(void *arg, const struct event *e);
		void *arg;
		unsigned left;
	} sink;
};

/* load.c */
int load_programs(struct datapath *dp, struct error *err);
/* The packet programs once more, with or without the release before, and every link on them. The
 * programs that run stay when the new ones cannot be loaded. */
int load_packet_again(struct datapath *dp, struct error *err);
/* Maps of the table are the pinned ones; anything else (scratch space) is the object's own. */
int load_reuse_maps(const struct datapath *dp, struct bpf_object *obj, struct error *err);
bool load_kernel_has(const char *function);
void load_release(struct datapath *dp);

/* term.c */
int term_load(struct datapath *dp, enum datapath_term want, struct error *err);
void term_release(struct datapath *dp);

/* older.c */
/* Before programs are loaded: decides whose connections count, and begins what is to be copied. */
int older_begin(struct datapath *dp, struct error *err);

/* carry.c */
void carry_begin(struct datapath *dp, enum carry_task task);
void carry_cancel(struct datapath *dp, enum carry_task task);
void carry_release(struct datapath *dp);

/* attach.c */
/* Ids of the packet programs that are attached, by links and filters. What cannot be asked is an
 * error, after all the others. */
int attach_each(struct datapath *dp, void (*fn)(void *arg, uint32_t prog_id), void *arg,
		struct error *err);
int attach_cgroup(struct datapath *dp, const char *cgroup, struct error *err);
/* Every link that is pinned runs our programs from now on. */
int attach_update_all(struct datapath *dp, struct error *err);
/* Whether the device runs our two programs; ret_replaced when it had to be made so. */
int attach_check_pod(struct datapath *dp, uint32_t ifindex, bool *ret_replaced, struct error *err);

/* apply.c */
struct apply_report {
	struct arena *arena;
	struct datapath_regenerated
		*found; /* what differed is counted, and the first of it named */
};
int apply(struct datapath *dp, const struct mesh_desired *desired, struct datapath_change *change,
	  const struct apply_report *report, struct error *err);
/* Slot of the agent's endpoint number; 0: none. *ret_row may be NULL. */
uint32_t apply_slot(struct datapath *dp, uint32_t id, struct endpoint *ret_row);
/* line is in the report's arena; NULL when apply_names() says that it is only counted. */
void apply_note(const struct apply_report *report, const char *line);
bool apply_names(const struct apply_report *report);
/* A row that differs; report may be NULL. */
void apply_note_row(const struct apply_report *report, enum map_id map, const void *key,
		    const void *have, const void *want);

/* Whether the device runs them, by what can be asked without changing anything. */
bool attach_is_ours(const struct datapath *dp, uint32_t ifindex);

/* clsact.c */
int clsact_attach(struct datapath *dp, uint32_t ifindex, enum program_id program,
		  struct error *err);
int clsact_detach(uint32_t ifindex, enum program_id program, struct error *err);
/* Id of the program of ours on the hook, 0: none. */
int clsact_ask(uint32_t ifindex, enum program_id program, uint32_t *ret_prog_id, struct error *err);
/* The same, where one that cannot be told is as good as none. */
uint32_t clsact_query(uint32_t ifindex, enum program_id program);
/* Takes our filters, and only ours, off a device of this namespace. */
void clsact_remove(uint32_t ifindex);

static inline uint32_t generation_now(const struct datapath *dp, uint32_t index)
{
	return __atomic_load_n(&dp->generations[(size_t)index * 2], __ATOMIC_ACQUIRE);
}

static inline void generation_bump(struct datapath *dp, uint32_t index)
{
	__atomic_fetch_add(&dp->generations[(size_t)index * 2], 1, __ATOMIC_RELEASE);
}
