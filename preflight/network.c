/* SPDX-License-Identifier: Apache-2.0 */
/* Ports and network plugins that are already there. */
#include <stdio.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/doc/doc.h"
#include "preflight/checks.h"

#define VXLAN_PORT 8472

static const struct {
	uint16_t port;
	const char *what;
} tcp_ports[] = {
	{4240, "health"},
	{4244, "flows"},
	{4250, "mutual authentication"},
	{9962, "metrics"},
};

/*
 * Looks for a socket on port in a table of /proc/net: 1 bound by a process, 2 by the kernel itself
 * (a tunnel device has no inode), 0 free.
 */
static int port_held(const struct preflight_env *env, const char *table, uint16_t port,
		     bool listening, struct error *err)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	char *save = NULL;
	int r = env_read(env, table, &sb, err);
	bool header = true;

	if (r)
		return r;
	for (char *l = strtok_r(sb.buf, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		unsigned local, state;
		unsigned long inode;

		if (header) {
			header = false;
			continue;
		}
		if (sscanf(l, " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*u %*u %lu",
			   &local, &state, &inode) != 3)
			return error_set(err, -EINVAL, "/%s: a line is not understood: %s", table,
					 l);
		if (local == port && (!listening || state == 0x0a))
			return inode ? 1 : 2;
	}
	return 0;
}

/* Tunnel devices by their usual names: ours, and those of overlays that we replace. */
static int tunnel_present(const struct preflight_env *env, bool *ret_present, struct error *err)
{
	static const char *const names[] = {
		"sidestep_vxlan:", "cilium_vxlan:", "flannel.1:", "vxlan.calico:"};
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	int r = env_read(env, "proc/net/dev", &text, err);

	if (r == -ENOENT)
		return 0;
	for (size_t i = 0; !r && i < ARRAY_SIZE(names); i++)
		*ret_present = *ret_present || strstr(strbuf_cstr(&text), names[i]);
	return r;
}

static int check_vxlan_port(const struct check *c, void *arg, struct report *r, struct error *err)
{
	int held = port_held(arg, "proc/net/udp", VXLAN_PORT, false, err);
	bool tunnel = false;

	if (held == 1 && tunnel_present(arg, &tunnel, err) < 0)
		return -EIO;
	if (held < 0)
		return held;
	/* A tunnel device's socket is the kernel's own, but looks like a process'. */
	if (tunnel)
		held = 2;
	if (held == 1)
		report_add(r, c, FINDING_FAIL, "", "UDP %d is bound by a process", VXLAN_PORT);
	else if (held == 2)
		report_add(
			r, c, FINDING_PASS, "",
			"UDP %d belongs to a tunnel device (ours, or an overlay that we replace)",
			VXLAN_PORT);
	else
		report_add(r, c, FINDING_PASS, "", "UDP %d is free", VXLAN_PORT);
	return 0;
}

static int check_ports(const struct check *c, void *arg, struct report *r, struct error *err)
{
	const struct preflight_env *env = arg;
	auto_release(strbuf) struct strbuf taken = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(tcp_ports); i++) {
		int held = port_held(env, "proc/net/tcp", tcp_ports[i].port, true, err);

		if (!held && env_exists(env, "proc/net/tcp6"))
			held = port_held(env, "proc/net/tcp6", tcp_ports[i].port, true, err);
		if (held < 0)
			return held;
		if (held)
			strbuf_addf(&taken, "%sTCP %u (%s)", taken.len ? ", " : "",
				    tcp_ports[i].port, tcp_ports[i].what);
	}
	if (taken.len)
		report_add(r, c, FINDING_FAIL, "", "already listened on: %s", strbuf_cstr(&taken));
	else
		report_add(r, c, FINDING_PASS, "", "free");
	return 0;
}

/* --- network plugins ---------------------------------------------------------------------------
 */

#define CNI_DIR "etc/cni/net.d"

/* Types in the order of the chain; a plain .conf is a chain of one. */
static int plugin_types(struct preflight_env *env, const char *name, struct strings *ret,
			struct error *err)
{
	const char *path = arena_printf(env->arena, CNI_DIR "/%s", name);
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	const struct doc *plugins;
	struct doc *d;
	int r = env_read(env, path, &sb, err);

	if (r || (r = doc_read_json(env->arena, strbuf_cstr(&sb), sb.len, path, &d, err)))
		return r;
	plugins = doc_get(d, "plugins");
	ret->items = arena_array(env->arena, doc_len(plugins) + 1, const char *);
	ret->n = 0;
	doc_foreach_item (plugins, p)
		if (doc_find_str(p, "type"))
			ret->items[ret->n++] = doc_find_str(p, "type");
	if (!plugins && doc_find_str(d, "type"))
		ret->items[ret->n++] = doc_find_str(d, "type");
	return ret->n ? 0 : error_set(err, -EINVAL, "%s names no plugin", path);
}

static bool has_type(const struct strings *types, const char *type)
{
	for (size_t i = 0; i < types->n; i++)
		if (str_eq(types->items[i], type))
			return true;
	return false;
}

static int check_cni(const struct check *c, void *arg, struct report *r, struct error *err)
{
	static const char *const endings[] = {".conf", ".conflist", ".json", NULL};
	struct preflight_env *env = arg;
	struct strings types;
	struct finding *f;
	const char **names;
	size_t n;
	int ret;

	if (!env_exists(env, "etc"))
		return error_set(err, -ENOENT, "/etc cannot be seen");
	if (!env_exists(env, CNI_DIR)) {
		report_add(r, c, FINDING_PASS, "", "none is configured yet");
		return 0;
	}
	ret = env_list(env, CNI_DIR, endings, &names, &n, err);
	if (ret)
		return ret;
	if (!n) {
		report_add(r, c, FINDING_PASS, "", "none is configured yet");
		return 0;
	}
	/* The runtime takes the first by name and looks at no other. */
	ret = plugin_types(env, names[0], &types, err);
	if (ret)
		return ret;
	if (str_eq(types.items[0], "sidestep-cni"))
		f = report_add(r, c, FINDING_PASS, "", "%s: sidestep-cni%s", names[0],
			       has_type(&types, "istio-cni") ? ", istio-cni chained behind it"
							     : "");
	else
		f = report_add(r, c, FINDING_FAIL, "", "%s (%s) comes first", types.items[0],
			       names[0]);
	finding_evidence(r, f, arena_printf(env->arena, "/" CNI_DIR "/%s", names[0]),
			 "first plugin: sidestep-cni", "%s", types.items[0]);
	return 0;
}

static const struct check checks[] = {
	{
		.id = "NET-006",
		.title = "tunnel port",
		.category = "network",
		.severity = SEVERITY_ERROR,
		.remedy = "Free UDP 8472, or move the other overlay to another port.",
		.source = "/proc/net/udp",
		.explain = "Nodes send each other's pods packets by VXLAN on this port. Other "
			   "overlays "
			   "use the same one (flannel does).",
		.run = check_vxlan_port,
	},
	{
		.id = "PRT-001",
		.title = "ports of the agent",
		.category = "network",
		.severity = SEVERITY_WARNING,
		.remedy = "Find the holder with ss -ltnp and move it.",
		.source = "/proc/net/tcp, /proc/net/tcp6",
		.explain = "4240 health, 4244 flows, 4250 mutual authentication, 9962 metrics. An "
			   "agent "
			   "of ours that runs already holds them too.",
		.run = check_ports,
	},
	{
		.id = "CNI-001",
		.title = "network plugin",
		.category = "network",
		.severity = SEVERITY_WARNING,
		.remedy = "Move the nodes to sidestep-cni first, one by one; replacing a plugin is "
			  "no part "
			  "of a namespace's migration.",
		.source = "the runtime uses the first file of /etc/cni/net.d by name",
		.explain = "Pods are the mesh's only if sidestep-cni made their interfaces. "
			   "istio-cni may "
			   "be chained behind it and must stay until the last sidecar is gone.",
		.run = check_cni,
	},
};
const struct check_table network_checks = {checks, ARRAY_SIZE(checks)};
