/* SPDX-License-Identifier: Apache-2.0 */
/* Telling the API: status as a patch, and at the end the deletion. One request a pod at a time. */
#include <string.h>

#include "deploy/lab/kubelet/pod.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"

static void end_call(struct pod *p)
{
	p->call = NULL;
	arena_release(&p->call_arena);
}

static void on_status_done(void *arg, struct kube_result *r)
{
	struct pod *p = arg;
	struct kube_queue *queue = p->k->queue;
	const bool ok = r->code == 0;

	end_call(p);
	if (ok) {
		free(p->sent);
		p->sent = TAKE(p->sending);
	} else {
		free(p->sending);
		p->sending = NULL;
		log_warn(p->k->log, "status not accepted pod=%s/%s error=%s", p->ns, p->name,
			 r->error);
	}
	/* Gone, or another pod of that name: the informer will say so. */
	kube_queue_done(queue, p->uid, ok || r->code == -ENOENT || r->code == -ESTALE);
}

static void on_delete_done(void *arg, struct kube_result *r)
{
	struct pod *p = arg;
	struct kubelet *k = p->k;
	const char *uid = p->uid;
	const bool ok = r->code == 0 || r->code == -ENOENT || r->code == -ESTALE;

	end_call(p);
	if (!ok)
		log_warn(k->log, "pod not deleted pod=%s/%s error=%s", p->ns, p->name, r->error);
	kube_queue_done(k->queue, uid, ok);
	if (ok) {
		p->gone = true;
		pod_touch(p);
	}
}

static void send_status(struct pod *p)
{
	struct arena *a = &p->call_arena;
	struct doc *body = doc_map(a), *meta = doc_set_map(a, body, "metadata");
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	struct kube_request request = {
		.verb = KUBE_PATCH,
		.kind = object_kind(KIND_POD),
		.namespace_ = p->ns,
		.name = p->name,
		.subresource = "status",
		.patch = KUBE_PATCH_MERGE,
		.body = body,
	};

	doc_set_string(a, meta, "uid", p->uid);
	doc_set(a, body, "status", pod_status(a, p));
	doc_write_json(doc_get(body, "status"), DOC_COMPACT, &text);
	if (str_eq(p->sent, strbuf_cstr(&text))) {
		arena_release(a);
		kube_queue_done(p->k->queue, p->uid, true);
		return;
	}
	free(p->sending);
	p->sending = strbuf_take(&text);
	p->call = kube_start(p->k->client, &request, on_status_done, p);
}

static void send_delete(struct pod *p)
{
	const struct kube_request request = {
		.verb = KUBE_DELETE,
		.kind = object_kind(KIND_POD),
		.namespace_ = p->ns,
		.name = p->name,
		.uid = p->uid,
		.with_grace = true,
		.grace_seconds = 0,
	};

	p->call = kube_start(p->k->client, &request, on_delete_done, p);
}

void report_work(void *arg, const char *uid)
{
	struct kubelet *k = arg;
	struct pod *p = map_get(&k->pods, uid);

	if (!p || p->gone || !p->object)
		kube_queue_done(k->queue, uid, true);
	else if (p->phase == POD_DELETING && p->deleting)
		send_delete(p);
	else
		send_status(p);
}
