/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/kubelet/role.h"

#include <signal.h>

#include "deploy/lab/images.h"
#include "deploy/lab/kubelet/kubelet.h"
#include "deploy/lab/lab.h"

const struct kubelet_role_options kubelet_role_defaults = {.lab = "lab"};
const struct cli_option kubelet_role_rows[3] = {
	CLI_OPT(struct kubelet_role_options, lab, "lab", 0, CLI_STRING, "NAME", "which lab"),
	CLI_OPT(struct kubelet_role_options, node, "node", 0, CLI_STRING, "NODE",
		"which node of it"),
	CLI_OPT(struct kubelet_role_options, kubeconfig, "kubeconfig", 0, CLI_STRING, "FILE",
		"how to reach the API server"),
};

static void on_signal(void *arg, UNUSED int signo)
{
	loop_stop(arg);
}

/* Pods go on running when the kubelet ends, however it ends. */
static int run(struct lab *lab, const struct lab_node *node, const struct kube_config *config,
	       struct error *err)
{
	struct loop *loop = loop_new(NULL);
	struct loop_signal *term = loop_signal_new(loop, SIGTERM, on_signal, loop);
	struct loop_signal *intr = loop_signal_new(loop, SIGINT, on_signal, loop);
	struct kube_client *client = kube_client_new(
		loop, config, &(struct kube_client_options){.field_manager = "kubelet"});
	const struct log log = {stderr, LOG_LEVEL_INFO, false, "kubelet", clock_system()};
	const struct kubelet_options options = {
		.node = node->name,
		.lab = lab->dir,
		.node_ip = node->address,
		.pod_cidr = node->pod_cidr,
		.cgroup = node->cgroup,
		.agent_socket = node->agent_socket,
		.cni_queue = arena_printf(&lab->arena, "%s/cni-queue", node->run),
		.cni = arena_printf(&lab->arena, "%s/sidestep-cni", lab->bin_dir),
		.self = arena_printf(&lab->arena, "%s/sidestep-lab", lab->bin_dir),
		.images = arena_printf(&lab->arena, "%s/" IMAGES_FILE, lab->dir),
		.run = node->run,
		.bpf = node->bpf,
		.kubeconfig = lab->kubeconfig_underlay,
		.dns = LAB_DNS_ADDRESS,
		.log = &log,
	};
	struct kubelet *k = NULL;
	int r = kubelet_new(loop, client, &options, &k, err);

	if (r == 0)
		r = loop_run(loop, err);
	kubelet_free(k);
	kube_client_free(client);
	loop_signal_free(term);
	loop_signal_free(intr);
	loop_free(loop);
	return r;
}

int lab_kubelet_main(const struct cli_call *call, struct error *err)
{
	const struct kubelet_role_options *o = call->opts;
	const struct lab_node *node;
	struct kube_config config;
	struct lab lab = {0};
	int r;

	if (!o->node)
		return cli_usage(call, "--node is missing");
	r = lab_load(&lab, o->lab, err);
	if (r < 0)
		return r;
	node = lab_node(&lab, o->node);
	if (!node)
		r = error_set(err, -ENOENT, "lab %s has no node %s", o->lab, o->node);
	if (r == 0)
		r = kube_config_load(&lab.arena,
				     &(struct kube_config_options){.kubeconfig = o->kubeconfig},
				     &config, err);
	if (r == 0)
		r = run(&lab, node, &config, err);
	lab_release(&lab);
	return r;
}
