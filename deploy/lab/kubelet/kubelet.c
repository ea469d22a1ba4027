/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/kubelet/kubelet.h"

#include <dirent.h>
#include <string.h>

#include "deploy/lab/kubelet/cgroup.h"
#include "deploy/lab/kubelet/pod.h"
#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/str.h"

static void found(struct kubelet *k, struct kube_object *o)
{
	struct pod *p = map_get(&k->pods, o->uid);

	if (p)
		pod_update(p, o);
	else
		pod_new(k, o);
}

static void lost(struct kubelet *k, const struct kube_object *o)
{
	struct pod *p = map_get(&k->pods, o->uid);

	if (!p)
		return;
	p->gone = true;
	pod_touch(p);
}

static void on_change(void *arg, enum kube_change change, const struct kube_object *old,
		      const struct kube_object *now)
{
	struct kubelet *k = arg;
	struct kube_object *o = (struct kube_object *)(uintptr_t)now;

	/* Before the first list is whole, what runs cannot be told from what is left over. */
	if (!kube_informer_synced(k->informer))
		return;
	if (change == KUBE_DELETED || (old && now && !str_eq(old->uid, now->uid)))
		lost(k, old);
	if (now)
		found(k, o);
}

/* Folders of this node's pods whose object is gone. */
static void find_orphans(struct kubelet *k)
{
	struct arena a = ARENA_INIT;
	DIR *dir = opendir(arena_printf(&a, "%s/pods", k->o.lab));
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.' && !map_has(&k->pods, e->d_name) &&
		    state_is_ours(k, e->d_name))
			pod_new_orphan(k, e->d_name);
	if (dir)
		closedir(dir);
	arena_release(&a);
}

static void on_synced(void *arg)
{
	struct kubelet *k = arg;

	kube_informer_foreach (k->informer, o)
		found(k, o);
	find_orphans(k);
	log_info(k->log, "kubelet ready node=%s pods=%zu", k->o.node, map_count(&k->pods));
}

static void copy_options(struct kubelet *k, const struct kubelet_options *o)
{
	const char **strings[] = {&k->o.node,   &k->o.lab,          &k->o.node_ip,   &k->o.pod_cidr,
				  &k->o.cgroup, &k->o.agent_socket, &k->o.cni_queue, &k->o.cni,
				  &k->o.self,   &k->o.images,       &k->o.run,       &k->o.bpf,
				  &k->o.dns,    &k->o.kubeconfig};

	k->o = *o;
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
		*strings[i] = arena_strdup(&k->arena, *strings[i]);
	k->dir = arena_printf(&k->arena, "%s/nodes/%s", o->lab, o->node);
	k->log = o->log;
}

/* What the pods' /etc/resolv.conf says. ndots as in Kubernetes. */
static int write_resolver(struct kubelet *k, struct error *err)
{
	const char *text;

	if (!k->o.dns)
		return 0;
	k->resolv = arena_printf(&k->arena, "%s/resolv.conf", k->dir);
	text = arena_printf(&k->arena,
			    "nameserver %s\n"
			    "search svc.cluster.local cluster.local\n"
			    "options ndots:5\n",
			    k->o.dns);
	return io_write_file_atomic(k->resolv, text, strlen(text), 0644, err);
}

static void heartbeat(void *arg)
{
	node_register(arg);
}

int kubelet_new(struct loop *loop, struct kube_client *client,
		const struct kubelet_options *options, struct kubelet **ret_kubelet,
		struct error *err)
{
	struct kubelet *k = xcalloc(1, sizeof(*k));
	static const struct kube_informer_handlers handlers = {.on_change = on_change,
							       .on_synced = on_synced};
	struct kube_informer_options follow = {.kind = object_kind(KIND_POD), .log = options->log};
	int r;

	k->loop = loop;
	k->client = client;
	copy_options(k, options);
	r = io_mkdirs(k->dir, 0755, err);
	if (r == 0)
		r = io_mkdirs(arena_printf(&k->arena, "%s/counts", k->o.lab), 0755, err);
	if (r == 0)
		r = cgroup_make(k->o.cgroup, err);
	if (r == 0)
		r = write_resolver(k, err);
	if (r < 0) {
		kubelet_free(k);
		return r;
	}
	k->http = http_client_new(loop, &(struct http_client_options){.max_host_connections = 64});
	k->queue =
		kube_queue_new(loop, &(struct kube_queue_options){.work = report_work,
								  .arg = k,
								  .parallel = 16,
								  .max_backoff_ns = 2 * NS_PER_S});
	k->heartbeat = loop_timer_new(loop, heartbeat, k);
	node_register(k);
	follow.field_selector = arena_printf(&k->arena, "spec.nodeName=%s", k->o.node);
	k->informer = kube_informer_new(client, &follow, &handlers, k);
	*ret_kubelet = k;
	return 0;
}

void kubelet_free(struct kubelet *k)
{
	if (!k)
		return;
	map_foreach (&k->pods, e)
		pod_free(map_value(e));
	map_release(&k->pods);
	kube_informer_free(k->informer);
	kube_queue_free(k->queue);
	http_client_free(k->http);
	kube_cancel(k->node_call);
	loop_timer_free(k->heartbeat);
	arena_release(&k->node_arena);
	arena_release(&k->arena);
	free(k);
}
