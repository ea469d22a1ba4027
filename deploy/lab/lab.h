/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deploy/lab/lab.h - one lab: what it was asked to be, and where everything of it lies.
 *
 * A lab is a folder, /run/sidestep-lab/NAME. Everything that `up` makes can be found from it again,
 * also after kill -9 of everything: the namespaces are mounted in it, the cgroups carry its name,
 * every process has a file in it. `down` needs nothing else.
 *
 *   lab.json                what was asked (struct lab), written before anything is made
 *   kubeconfig              for people and tools on this machine (127.0.0.1)
 *   kubeconfig-underlay     for what runs in the lab's namespaces
 *   netns/hub, netns/NODE   network namespaces; hub holds the underlay's bridge
 *   nodes/NODE/bpf          that node's bpffs
 *   run/ROLE.pid            "pid starttime" of a role's process
 *   log/ROLE.log            its output
 *   nodes/NODE/run          that node's /run/sidestep: the agent's socket, the CNI's queue
 *   images.json             which build folder an image means (images.h)
 *   pods/UID/...            what the kubelets keep of their pods; a mount of its own, and shared,
 * so that containers see the namespaces that are mounted in it later apiserver/              the
 * API server's store and authority pki/istio, pki/injector the mesh's authority; the webhook's,
 * with its port sidecars/UID/...        configuration and certificate of a pod's sidecar
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/arena.h"
#include "lib/base/error.h"
#include "lib/net/cidr.h"

#define LAB_ROOT      "/run/sidestep-lab"
#define LAB_MAX_NODES 8
#define LAB_CGROUP    "sidestep-lab-"
/* The DaemonSet of deploy/agent and its container. */
#define LAB_AGENT_NAMESPACE "kube-system"
#define LAB_AGENT_NAME      "sidestep"
#define LAB_AGENT_CONTAINER "sidestep-agent"
#define LAB_AGENT_IMAGE     "sidestep.dev/sidestepd"

/* Addresses of a lab; the same in every one, because each has its own namespaces. */
#define LAB_UNDERLAY_CIDR "172.30.0.0/24"
#define LAB_HUB_ADDRESS   "172.30.0.1"
#define LAB_API_PORT      6443
#define LAB_SERVICE_CIDR  "10.96.0.0/16"
#define LAB_DNS_ADDRESS   "10.96.0.10"
#define LAB_POD_CIDR      "10.244.0.0/16" /* node i (from 1) has 10.244.i.0/24 */

struct lab_node {
	const char *name;    /* "node-a" */
	unsigned index;      /* from 1 */
	const char *address; /* on the underlay */
	const char *pod_cidr;
	const char *netns;        /* path */
	const char *dir;          /* state of the node: DIR/nodes/NAME */
	const char *bpf;          /* its bpffs */
	const char *cgroup;       /* its cgroup2 folder; pods and daemons below it */
	const char *run;          /* its /run/sidestep */
	const char *agent_socket; /* sidestepd's, as the agent's own defaults put it there */
};

struct lab {
	struct arena arena;
	const char *name, *dir;
	const char *bin_dir;    /* where our programs lie: that of the running one */
	const char *source_dir; /* manifests and CRDs are below it */
	/* What was asked. */
	unsigned n_nodes;
	bool istio;
	const char *envoy;      /* path of the binary; NULL without Istio */
	const char *kubeconfig; /* a real API server's; NULL: the lab's own */
	uint16_t port;          /* of the API server on 127.0.0.1; 0 until it is known */
	bool clsact;            /* the agents attach without tcx */
	/* Where things lie. */
	const char *hub_netns, *cgroup, *kubeconfig_here, *kubeconfig_underlay;
	struct lab_node nodes[LAB_MAX_NODES];
};

/* Fills what follows from name and n_nodes. name: [a-z0-9-]{1,20}, else -EINVAL. */
int lab_init(struct lab *lab, const char *name, unsigned n_nodes, struct error *err);
void lab_release(struct lab *lab);
/* Writes DIR/lab.json; reads it back (-ENOENT: there is no such lab). */
int lab_save(const struct lab *lab, struct error *err);
int lab_load(struct lab *lab, const char *name, struct error *err);
/* NULL when there is no such node. */
const struct lab_node *lab_node(const struct lab *lab, const char *name);
/* The mount point of cgroup2, wherever it is. -ENOENT. */
int lab_cgroup2(struct arena *a, const char **ret_path, struct error *err);
/*
 * Where a cgroup2 folder's memory is counted: the folder itself, or the one of that name in the
 * memory controller's own hierarchy (cgroup v1 beside v2). NULL: nowhere on this machine.
 */
const char *lab_memory_cgroup(struct arena *a, const char *cgroup);

/* "DIR/run/ROLE.pid": a process is known by its pid and start time, so a recycled pid is not it. */
int lab_pid_write(const struct lab *lab, const char *role, pid_t pid, struct error *err);
/* 0 with *ret_pid when it lives, -ESRCH when not. */
int lab_pid_read(const struct lab *lab, const char *role, pid_t *ret_pid);
/*
 * The agent's process on a node, which is a container of a pod there: "sidestepd.NODE" where
 * processes have names. -ESRCH when there is none.
 */
int lab_agent_pid(const struct lab *lab, const struct lab_node *node, pid_t *ret_pid);
/* By name: a role's process or an agent's. */
int lab_named_pid(const struct lab *lab, const char *name, pid_t *ret_pid);
/* Field 22 of /proc/PID/stat; 0 when there is no such process. */
uint64_t lab_start_time(pid_t pid);
