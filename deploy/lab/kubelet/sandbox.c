/* SPDX-License-Identifier: Apache-2.0 */
/* A pod's network: its namespace and the CNI plugin, run as a container runtime runs it. */
#include <string.h>

#include "deploy/lab/kubelet/pod.h"
#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/net/addr.h"
#include "lib/net/netns.h"

/* The agent may be away for a second: soon again, but not in a storm. */
#define RETRY_MIN_NS (200 * NS_PER_MS)
#define RETRY_MAX_NS (2 * NS_PER_S)

static void retry_later(struct pod *p, const char *why)
{
	const uint64_t delay = RETRY_MIN_NS << MIN(p->cni_failures, 4u);

	p->cni_failures++;
	p->message = arena_strdup(&p->arena, why);
	log_warn(p->k->log, "network not ready pod=%s/%s error=%s", p->ns, p->name, why);
	loop_timer_set(p->timer, MIN(delay, RETRY_MAX_NS));
}

/* The plugin's own words from its JSON on standard output. */
static const char *words(struct pod *p, struct doc **ret_doc)
{
	struct doc *d = NULL;

	*ret_doc = NULL;
	if (doc_read_json(&p->arena, strbuf_cstr(&p->cni_out), p->cni_out.len, "cni", &d, NULL) < 0)
		return "the plugin printed no JSON";
	*ret_doc = d;
	return doc_str(doc_get(d, "msg"));
}

static void take_address(struct pod *p)
{
	struct doc *result;
	const char *why = words(p, &result);
	const char *address = doc_find_str(result, "ips[0].address");

	if (!address) {
		retry_later(p, why ? why : "the plugin gave no address");
		return;
	}
	p->ip = arena_strndup(&p->arena, address, strcspn(address, "/"));
	p->message = NULL;
	p->cni_failures = 0;
	state_save(p);
	pod_touch(p);
}

static void on_cni_output(void *arg, int stream, const char *data, size_t n)
{
	struct pod *p = arg;

	if (stream == 1)
		strbuf_add(&p->cni_out, data, n);
}

static void on_cni_exit(void *arg, const struct loop_child_exit *exit)
{
	struct pod *p = arg;
	const bool ok = exit->code == 0;
	struct doc *d;

	loop_child_free(p->cni);
	p->cni = NULL;
	if (ok && p->cni_op == CNI_OP_ADD) {
		take_address(p);
	} else if (ok && p->cni_op == CNI_OP_CLEAN) {
		/* The namespace too: its file may be there without it, if we died in between. */
		netns_delete(p->netns, NULL);
		p->clean = true;
		pod_touch(p);
	} else if (ok) {
		p->phase = POD_DELETING;
		state_save(p);
		pod_touch(p);
	} else {
		const char *why = exit->signal ? "the plugin was killed" : words(p, &d);

		retry_later(p, why ? why : "the plugin failed");
	}
}

static const char *network_config(struct arena *a, const struct kubelet *k)
{
	struct doc *d = doc_map(a);
	struct strbuf sb = STRBUF_INIT;
	const char *text;

	doc_set_string(a, d, "cniVersion", "1.0.0");
	doc_set_string(a, d, "name", "sidestep");
	doc_set_string(a, d, "type", "sidestep-cni");
	doc_set_string(a, d, "socket", k->o.agent_socket);
	doc_set_string(a, d, "queue", k->o.cni_queue);
	doc_write_json(d, DOC_COMPACT, &sb);
	text = arena_strdup(a, strbuf_cstr(&sb));
	strbuf_release(&sb);
	return text;
}

static void run_plugin(struct pod *p, enum cni_op op)
{
	struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;
	const char *argv[] = {p->k->o.cni, NULL};
	const char *env[] = {
		op == CNI_OP_ADD ? "CNI_COMMAND=ADD" : "CNI_COMMAND=DEL",
		arena_printf(&a, "CNI_CONTAINERID=%s", p->uid),
		arena_printf(&a, "CNI_NETNS=%s", p->netns),
		"CNI_IFNAME=eth0",
		arena_printf(&a,
			     "CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAMESPACE=%s;K8S_POD_NAME=%s;K8S_"
			     "POD_UID=%s",
			     p->ns, p->name, p->uid),
		"CNI_PATH=/opt/cni/bin",
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		NULL,
	};
	const char *input = network_config(&a, p->k);
	struct loop_spawn spec = {
		.argv = argv,
		.env = env,
		.input = input,
		.input_size = strlen(input),
		.on_output = on_cni_output,
		/* A plugin that outlived the lab would leave its deletion behind. */
		.die_with_us = true};

	strbuf_clear(&p->cni_out);
	p->cni_op = op;
	if (loop_spawn(p->k->loop, &spec, on_cni_exit, p, &p->cni, &err) < 0)
		retry_later(p, err.msg);
	arena_release(&a);
}

void sandbox_add(struct pod *p)
{
	struct error err = ERROR_INIT;

	if (p->cni || loop_timer_running(p->timer))
		return;
	/* What a failed or killed ADD left is taken away first, as a runtime does. */
	if (!p->clean && io_exists(p->netns)) {
		run_plugin(p, CNI_OP_CLEAN);
		return;
	}
	if (!io_exists(p->netns) && netns_create(p->netns, &err) < 0) {
		retry_later(p, err.msg);
		return;
	}
	run_plugin(p, CNI_OP_ADD);
}

void sandbox_del(struct pod *p)
{
	if (p->cni || loop_timer_running(p->timer))
		return;
	if (p->host_network) {
		p->phase = POD_DELETING;
		return;
	}
	run_plugin(p, CNI_OP_DEL);
}
