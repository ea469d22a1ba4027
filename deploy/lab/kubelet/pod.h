/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deploy/lab/kubelet/pod.h - a pod and its containers as state machines.
 *
 *   SANDBOX -> STARTING -> RUNNING -> STOPPING -> TEARDOWN -> DELETING -> (freed)
 *
 * pod_sync() looks at the state and does the next thing; whatever happens (a process ends, a probe
 * answers, the API speaks, a timer fires) changes a field and calls pod_touch(), which runs
 * pod_sync() from the loop. So there is one place that decides.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "deploy/lab/kubelet/kubelet.h"
#include "lib/base/map.h"
#include "lib/doc/doc.h"
#include "lib/http/client.h"
#include "lib/kube/informer.h"
#include "lib/kube/queue.h"
#include "lib/loop/spawn.h"

struct pod;
struct probe;
struct hook;

struct kubelet {
	struct loop *loop;
	const struct log *log;
	struct kube_client *client;
	struct kube_informer *informer;
	struct kube_queue *queue; /* uids whose status or deletion is to be told to the API */
	struct http_client *http; /* probes and hooks */
	struct map pods;          /* uid -> struct pod */
	struct arena arena;       /* options */
	struct kubelet_options o;
	const char *dir;    /* <lab>/nodes/<node> */
	const char *resolv; /* resolver file of the pods; NULL none */
	struct loop_timer *heartbeat;
	struct kube_call *node_call;
	struct arena node_arena; /* of the request in flight */
	bool node_there;
};

enum container_role { ROLE_INIT, ROLE_SIDECAR, ROLE_MAIN };
enum container_state { CONTAINER_WAITING, CONTAINER_RUNNING, CONTAINER_TERMINATED };
/* Order matters: a later phase is further along. */
enum stop_phase { STOP_NONE, STOP_HOOK, STOP_TURN, STOP_TERM, STOP_KILL };
enum probe_kind { PROBE_STARTUP, PROBE_READINESS, PROBE_LIVENESS, PROBE_KINDS };

struct run_record {
	int exit_code, signal; /* exit_code 255 and signal 0: nobody saw it end */
	int64_t started_wall, finished_wall;
	const char *reason; /* static string */
	const char *words;  /* its termination message, in the pod's arena; NULL */
	bool ended_by_us;   /* SIGKILL was ours: its grace was over */
};

struct container {
	struct pod *pod;
	const struct doc *spec;
	const char *name;
	enum container_role role;
	enum container_state state;
	pid_t pid;                    /* while running */
	struct loop_child *child;     /* our own child ... */
	struct loop_process *process; /* ... or one adopted */
	struct run_record run, last;  /* last.finished_wall 0: there was none */
	unsigned restarts;
	bool started, ready; /* started: the startup probe passed, or there is none */
	bool liveness_failed;
	unsigned back_off_steps;
	struct loop_timer *timer; /* restart, or the next stop phase */
	enum stop_phase stop;
	struct hook *hook;
	struct probe *probes[PROBE_KINDS];
	const char *bin_dir; /* folder of its image's programs; NULL: no image of ours */
	uint64_t oom_kills;  /* in its memory group when it was started */
	const char *waiting; /* reason while waiting, static */
	const char *message; /* why it could not be started; NULL */
};

enum pod_phase {
	POD_SANDBOX,
	POD_STARTING,
	POD_RUNNING,
	POD_STOPPING,
	POD_TEARDOWN,
	POD_DELETING,
};

/* CLEAN is a DEL before the first ADD of this kubelet. */
enum cni_op { CNI_OP_CLEAN, CNI_OP_ADD, CNI_OP_DEL };

struct pod {
	struct kubelet *k;
	const char *uid, *ns, *name; /* in the arena */
	struct kube_object *object;  /* newest seen, held; NULL for an orphan found on disk */
	struct arena arena;
	const struct doc *spec;       /* a copy: a pod's containers never change */
	struct container *containers; /* init containers and sidecars in order, then the others */
	size_t n_containers;
	enum pod_phase phase;
	bool deleting; /* has a deletionTimestamp */
	bool gone;     /* no longer in the API */
	bool finished; /* Succeeded or Failed: stays stopped until it is deleted */
	bool failed;
	bool host_network;
	size_t n_volumes; /* that are there, in the order of spec.volumes */
	struct kube_call *volume_call;
	const char *netns; /* path */
	const char *ip;    /* in the arena; NULL before the sandbox is there */
	struct loop_child *cni;
	struct strbuf cni_out;
	enum cni_op cni_op;
	bool clean; /* nothing of an earlier ADD is left */
	unsigned cni_failures;
	const char *message;      /* why it does not get on; NULL */
	struct loop_timer *timer; /* retries of the CNI */
	int64_t start_wall;
	uint64_t seen_ns;
	bool timed;                 /* its start was measured */
	int64_t stop_deadline_wall; /* 0 until stopping */
	char *sent;                 /* status last accepted by the API, as JSON */
	char *sending;
	struct kube_call *call;
	struct arena call_arena;
};

/* pod.c */
struct pod *pod_new(struct kubelet *k, struct kube_object *object);
/* A pod of which only the folder is left: torn down, then freed. */
struct pod *pod_new_orphan(struct kubelet *k, const char *uid);
void pod_free(struct pod *p);
void pod_update(struct pod *p, struct kube_object *object);
/* Runs pod_sync() soon. */
void pod_touch(struct pod *p);
void pod_sync(void *pod);
/* Folder of its state. In the arena a. */
const char *pod_dir(struct arena *a, const struct pod *p);
const char *pod_cgroup(struct arena *a, const struct pod *p);
/* Of the cluster itself (priorityClassName system-...): keeps the control plane's priority. */
bool pod_is_critical(const struct pod *p);
/* "Always", "OnFailure", "Never". */
const char *pod_restart_policy(const struct pod *p);
/* Seconds until its stop deadline, in nanoseconds; 0 when past. */
uint64_t pod_stop_left_ns(const struct pod *p);

/* container.c */
void container_start(struct container *c);
/* Takes over the process that its .pid names, if that is alive and in its cgroup. */
bool container_adopt(struct container *c);
/* The process is gone, by whatever way that was learnt. */
void container_ended(struct container *c, int exit_code, int signal);
void container_signal(struct container *c, int signo);
/* Kills every process in its cgroup. */
void container_kill_all(struct container *c);
void container_release(struct container *c);
/* Whether Kubernetes would start it again after it ended. */
bool container_restarts(const struct container *c);
/* Another process in the container's namespaces and cgroup (probe, hook). */
int container_exec(struct container *c, const struct doc *command,
		   void (*on_exit)(void *arg, const struct loop_child_exit *exit), void *arg,
		   struct loop_child **ret_child, struct error *err);

/* volume.c */
struct volume_mount {
	const char *from, *to;
	bool read_only;
};
/* Whether the pod's volumes are there; else it is under way, and the pod is touched. */
bool volumes_ready(struct pod *p);
/* What the container sees of them, in the arena; a folder before what lies in it. */
int volumes_mounts(struct arena *a, const struct container *c, struct volume_mount **ret_mounts,
		   size_t *ret_n, struct error *err);

/* memory.c */
/* Puts the container's limit in force. A cgroup.procs that the container has to join besides, or
 * NULL. */
const char *memory_limit(struct arena *a, const struct container *c);
/* How many processes of its group the kernel killed for want of memory, ever. */
uint64_t memory_kills(const struct container *c);
/* The groups of a pod that ended go. */
void memory_release(const struct pod *p);
/* Bytes; 0: no such quantity. */
uint64_t memory_quantity(const char *text);

/* words.c: the termination message */
#define WORDS_MAX_BYTES 4096u
/*
 * Makes the file anew and says how it gets where the container expects it: a layer of its own over
 * that folder. False when that cannot be; the container then runs without.
 */
bool words_prepare(struct arena *a, const struct container *c, const char **ret_dir,
		   const char **ret_mount);
/* What the container wrote, in the pod's arena; NULL when it wrote nothing. */
const char *words_read(const struct container *c);

/* stop.c */
/* Begins the end of every container; the deadline is set when it is not yet. */
void pod_stop(struct pod *p, int64_t grace_s);
/* Moves each container's end on as far as it goes. */
void pod_stop_advance(struct pod *p);
/* Restarts one container's process (liveness): hook, SIGTERM, grace, SIGKILL. */
void container_stop(struct container *c);
/* Moves one container's end on. */
void container_stop_advance(struct container *c);
/* Its timer fired: SIGTERM without waiting for its turn any longer, or SIGKILL. */
void container_stop_timeout(struct container *c);
/* hook.c: preStop. done(arg) once, unless freed before. NULL when there is no hook. */
struct hook *hook_start(struct container *c, void (*done)(void *arg), void *arg);
void hook_free(struct hook *h);

/* probe.c */
void probes_start(struct container *c);
/* It had started under the kubelet before this one: its startup probe asks no more. */
void probes_had_started(struct container *c);
void probes_stop(struct container *c);
bool container_has_probe(const struct container *c, enum probe_kind kind);

/* sandbox.c */
void sandbox_add(struct pod *p);
void sandbox_del(struct pod *p);

/* status.c: the status as it is to be in the API. Pure but for the clock. */
struct doc *pod_status(struct arena *a, const struct pod *p);
bool pod_all_ready(const struct pod *p);

/* report.c: tells the API. */
void report_work(void *kubelet, const char *uid);

/* state.c */
void state_save(const struct pod *p);
/* Applies what was saved to a pod just made; adopts its processes. False when there is nothing. */
bool state_load(struct pod *p);
/* Whether a pod's folder belongs to this node (all nodes of a lab share one parent). */
bool state_is_ours(const struct kubelet *k, const char *uid);

/* node_object.c */
void node_register(struct kubelet *k);
