/* SPDX-License-Identifier: Apache-2.0 */
/* The Node: made when absent, its addresses and readiness told and repeated. */
#include <sys/utsname.h>

#include "deploy/lab/kubelet/pod.h"

#define HEARTBEAT_NS (60 * NS_PER_S)
#define RETRY_NS     (500 * NS_PER_MS)

static struct doc *node_object(struct arena *a, const struct kubelet *k)
{
	struct doc *d = kube_object_new(a, object_kind(KIND_NODE), NULL, k->o.node);
	struct doc *labels = doc_set_map(a, doc_set_map(a, d, "metadata"), "labels");

	doc_set_string(a, labels, "kubernetes.io/hostname", k->o.node);
	doc_set_string(a, labels, "kubernetes.io/os", "linux");
	if (k->o.pod_cidr) {
		struct doc *spec = doc_set_map(a, d, "spec");

		doc_set_string(a, spec, "podCIDR", k->o.pod_cidr);
		doc_append(a, doc_set_list(a, spec, "podCIDRs"), doc_string(a, k->o.pod_cidr));
	}
	return d;
}

static void add_address(struct arena *a, struct doc *status, const char *type, const char *address)
{
	struct doc *d = doc_append(a, doc_set_list(a, status, "addresses"), doc_map(a));

	doc_set_string(a, d, "type", type);
	doc_set_string(a, d, "address", address);
}

static void add_resources(struct arena *a, struct doc *status, const char *key)
{
	struct doc *d = doc_set_map(a, status, key);

	doc_setf(a, d, "cpu", "%ld", sysconf(_SC_NPROCESSORS_ONLN));
	doc_setf(a, d, "memory", "%ldKi", sysconf(_SC_PHYS_PAGES) * (sysconf(_SC_PAGESIZE) / 1024));
	doc_set_string(a, d, "pods", "110");
}

static struct doc *node_status(struct arena *a, const struct kubelet *k)
{
	struct doc *d = doc_map(a), *status = doc_set_map(a, d, "status"), *c, *info;
	const int64_t now = clock_wall_ns(loop_clock(k->loop));
	char text[CLOCK_RFC3339_SIZE];
	struct utsname u;

	add_address(a, status, "InternalIP", k->o.node_ip);
	add_address(a, status, "Hostname", k->o.node);
	add_resources(a, status, "capacity");
	add_resources(a, status, "allocatable");
	c = doc_append(a, doc_set_list(a, status, "conditions"), doc_map(a));
	doc_set_string(a, c, "type", "Ready");
	doc_set_string(a, c, "status", "True");
	doc_set_string(a, c, "reason", "KubeletReady");
	doc_set_string(a, c, "message", "the lab's kubelet runs pods");
	doc_set_string(a, c, "lastHeartbeatTime", clock_rfc3339(now, 0, text));
	doc_set_string(a, c, "lastTransitionTime", text);
	info = doc_set_map(a, status, "nodeInfo");
	uname(&u);
	doc_set_string(a, info, "kernelVersion", u.release);
	doc_set_string(a, info, "architecture", u.machine);
	doc_set_string(a, info, "operatingSystem", "linux");
	doc_set_string(a, info, "osImage", "Linux");
	doc_set_string(a, info, "kubeletVersion", "v1.34.0-sidestep-lab");
	doc_set_string(a, info, "kubeProxyVersion", "");
	doc_set_string(a, info, "containerRuntimeVersion", "sidestep-lab://" SIDESTEP_VERSION);
	doc_set_string(a, info, "machineID", k->o.node);
	doc_set_string(a, info, "systemUUID", k->o.node);
	doc_set_string(a, info, "bootID", k->o.node);
	return d;
}

static void on_answer(void *arg, struct kube_result *r)
{
	struct kubelet *k = arg;
	const bool told = r->code == 0 && k->node_there;

	k->node_call = NULL;
	arena_release(&k->node_arena);
	if (r->code == 0 || (!k->node_there && r->code == -EEXIST))
		k->node_there = true;
	else if (r->code == -ENOENT)
		k->node_there = false; /* somebody deleted it: made again */
	else
		log_warn(k->log, "node not registered error=%s", r->error);
	loop_timer_set(k->heartbeat, told ? HEARTBEAT_NS : k->node_there ? 0 : RETRY_NS);
}

void node_register(struct kubelet *k)
{
	struct arena *a = &k->node_arena;
	struct kube_request request = {
		.verb = k->node_there ? KUBE_PATCH : KUBE_CREATE,
		.kind = object_kind(KIND_NODE),
		.patch = KUBE_PATCH_MERGE,
	};

	if (k->node_call)
		return;
	if (k->node_there) {
		request.name = k->o.node;
		request.subresource = "status";
	}
	request.body = k->node_there ? node_status(a, k) : node_object(a, k);
	k->node_call = kube_start(k->client, &request, on_answer, k);
}
