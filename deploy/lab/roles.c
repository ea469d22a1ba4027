/* SPDX-License-Identifier: Apache-2.0 */
/* The table of a lab's processes and their command lines. */
#include "deploy/lab/roles.h"

#include "lib/base/str.h"

static bool always(UNUSED const struct lab *lab)
{
	return true;
}

static bool own_api(const struct lab *lab)
{
	return !lab->kubeconfig;
}

static bool foreign_api(const struct lab *lab)
{
	return lab->kubeconfig != NULL;
}

static bool with_istio(const struct lab *lab)
{
	return lab->istio;
}

static void add(struct role_args *out, const char *arg)
{
	if (out->n < ROLE_MAX_ARGS)
		out->argv[out->n++] = arg;
}

static void add2(struct role_args *out, const char *option, const char *value)
{
	add(out, option);
	add(out, value);
}

static const char *program(struct lab *lab, const char *name)
{
	return arena_printf(&lab->arena, "%s/%s", lab->bin_dir, name);
}

/* sidestep-lab ROLE --lab NAME */
static void ourselves(struct lab *lab, const char *role, struct role_args *out)
{
	add(out, program(lab, "sidestep-lab"));
	add(out, role);
	add2(out, "--lab", lab->name);
}

static void apiserver(struct lab *lab, UNUSED const struct lab_node *node, struct role_args *out)
{
	ourselves(lab, "apiserver", out);
	add2(out, "--listen", arena_printf(&lab->arena, "127.0.0.1:%u", lab->port));
	add2(out, "--underlay", arena_printf(&lab->arena, "%s:%u", LAB_HUB_ADDRESS, LAB_API_PORT));
	add2(out, "--underlay-netns", lab->hub_netns);
	add2(out, "--service-cidr", LAB_SERVICE_CIDR);
	add(out, "--allow-faults");
}

static void relay(struct lab *lab, UNUSED const struct lab_node *node, struct role_args *out)
{
	ourselves(lab, "relay", out);
	add2(out, "--to-kubeconfig", lab->kubeconfig);
	add2(out, "--underlay", arena_printf(&lab->arena, "%s:%u", LAB_HUB_ADDRESS, LAB_API_PORT));
	add2(out, "--underlay-netns", lab->hub_netns);
}

static void controllers(struct lab *lab, UNUSED const struct lab_node *node, struct role_args *out)
{
	ourselves(lab, "controllers", out);
	add2(out, "--kubeconfig", lab->kubeconfig_underlay);
	add2(out, "--pod-cidr", LAB_POD_CIDR);
}

static void istiod(struct lab *lab, UNUSED const struct lab_node *node, struct role_args *out)
{
	ourselves(lab, "istiod", out);
	add2(out, "--kubeconfig", lab->kubeconfig_underlay);
}

static void injector(struct lab *lab, UNUSED const struct lab_node *node, struct role_args *out)
{
	ourselves(lab, "injector", out);
	add2(out, "--kubeconfig", lab->kubeconfig_here);
}

static void dns(struct lab *lab, UNUSED const struct lab_node *node, struct role_args *out)
{
	ourselves(lab, "dns", out);
	add2(out, "--kubeconfig", lab->kubeconfig_underlay);
	add2(out, "--listen", LAB_HUB_ADDRESS ":53");
}

static void kubelet(struct lab *lab, const struct lab_node *node, struct role_args *out)
{
	ourselves(lab, "kubelet", out);
	add2(out, "--node", node->name);
	add2(out, "--kubeconfig", lab->kubeconfig_underlay);
}

const struct role lab_roles[] = {
	{"apiserver", PLACE_MACHINE, "Kubernetes API", own_api, apiserver},
	{"relay", PLACE_MACHINE, "the real API server on the underlay", foreign_api, relay},
	{"controllers", PLACE_HUB, "scheduler and controllers", always, controllers},
	{"dns", PLACE_HUB, "cluster DNS", always, dns},
	{"istiod", PLACE_HUB, "sidecars' configuration", with_istio, istiod},
	{"injector", PLACE_MACHINE, "injection webhook", with_istio, injector},
	{"kubelet", PLACE_NODE, "runs pods", always, kubelet},
};
const size_t lab_n_roles = ARRAY_SIZE(lab_roles);

static void add_process(struct role_process *out, size_t *n, struct lab *lab,
			const struct role *role, const struct lab_node *node)
{
	if (*n == LAB_MAX_PROCESSES)
		return;
	out[(*n)++] = (struct role_process){
		role, node,
		node ? arena_printf(&lab->arena, "%s.%s", role->name, node->name) : role->name};
}

size_t lab_processes(struct lab *lab, struct role_process out[LAB_MAX_PROCESSES])
{
	size_t n = 0;

	for (size_t i = 0; i < lab_n_roles; i++) {
		const struct role *role = &lab_roles[i];

		if (!role->wanted(lab))
			continue;
		if (role->place != PLACE_NODE)
			add_process(out, &n, lab, role, NULL);
		for (unsigned k = 0; role->place == PLACE_NODE && k < lab->n_nodes; k++)
			add_process(out, &n, lab, role, &lab->nodes[k]);
	}
	return n;
}
