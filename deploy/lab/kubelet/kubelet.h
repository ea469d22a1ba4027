/* SPDX-License-Identifier: Apache-2.0 */
/* deploy/lab/kubelet/kubelet.h - runs the pods of one node. Start it inside the node's namespace.
 */
#pragma once

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/kube/client.h"
#include "lib/loop/loop.h"

struct kubelet;

/* Strings are copied. */
struct kubelet_options {
	const char *node;         /* name of the Node */
	const char *lab;          /* the lab's state folder */
	const char *node_ip;      /* its address on the underlay */
	const char *pod_cidr;     /* goes into spec.podCIDR of a Node that we create; NULL: none */
	const char *cgroup;       /* cgroup2 folder of this node; made when absent */
	const char *agent_socket; /* of sidestepd, for the CNI configuration */
	const char *cni_queue;    /* its deletion queue */
	const char *cni;          /* path of the plugin */
	const char *self;         /* path of sidestep-lab, which the lab's images are */
	const char *images;       /* images.h; NULL: no image but the lab's own */
	const char *run, *bpf;  /* the node's /run/sidestep and /sys/fs/bpf; NULL: the machine's */
	const char *kubeconfig; /* of pods that say automountServiceAccountToken: true; or NULL */
	const char *dns;        /* address for the pods' resolver; NULL: the machine's own file */
	const struct log *log;  /* borrowed; may be NULL */
};

/* Starts: registers the Node, adopts what runs, follows the API. client is borrowed. */
int kubelet_new(struct loop *loop, struct kube_client *client,
		const struct kubelet_options *options, struct kubelet **ret_kubelet,
		struct error *err);
/* Lets go of everything; pods go on running. NULL is fine. */
void kubelet_free(struct kubelet *k);
