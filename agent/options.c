/* SPDX-License-Identifier: Apache-2.0 */
/* Options: the table, the file, and the list that tools show. */
#include "agent/options.h"

#include <inttypes.h>
#include <string.h>
#include <sys/utsname.h>

#include "lib/base/clock.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/doc/doc.h"

const struct agent_options agent_defaults = {
	.pin_root = "/sys/fs/bpf/sidestep",
	.queue = "/run/sidestep/cni-queue",
	.tunnel_device = "sidestep_vxlan",
	.tunnel_port = 8472,
	.event_rate = 2000,
	.publish_interval = 2 * NS_PER_S,
	.verify_interval = 120 * NS_PER_S,
	.resync_delay = 10 * NS_PER_MS,
	.log_level = 2,
};

static const char *const attach_names[] = {"auto", "tcx", "clsact", NULL};
static const char *const term_names[] = {"auto", "iterator", "netlink", "off", NULL};
static const char *const tunnel_names[] = {"vxlan", "none", NULL};
static const char *const level_names[] = {"error", "warn", "info", "debug", NULL};

#define OPT(member, name, kind, value, help)                                                       \
	CLI_OPT(struct agent_options, member, name, 0, kind, value, help)
const struct cli_option agent_option_table[] = {
	OPT(config, "config", CLI_STRING, "FILE",
	    "YAML file with these options by name, like \"log-level: debug\"; flags win"),
	OPT(node, "node", CLI_STRING, "NAME",
	    "this node's name in the cluster (else the host name)"),
	OPT(kubeconfig, "kubeconfig", CLI_STRING, "FILE",
	    "the cluster (else KUBECONFIG, ~/.kube/config, the pod's own account)"),
	OPT(context, "context", CLI_STRING, "NAME", "context of the kubeconfig"),
	OPT(socket, "socket", CLI_STRING, "PATH",
	    "where to serve tools and CNI (else /run/sidestep/NODE/sidestepd.sock)"),
	OPT(state_dir, "state-dir", CLI_STRING, "DIR",
	    "endpoints known across restarts (else /run/sidestep/NODE/state)"),
	OPT(queue, "queue", CLI_STRING, "DIR", "deletions that CNI left while the agent was away"),
	OPT(pin_root, "pin-root", CLI_STRING, "DIR", "folder on a bpffs for maps and links"),
	OPT(cgroup, "cgroup", CLI_STRING, "DIR",
	    "cgroup2 folder whose sockets are load balanced (else none are)"),
	CLI_CHOICE(struct agent_options, attach, "attach", 0, attach_names,
		   "how to attach programs"),
	CLI_CHOICE(struct agent_options, sock_term, "sock-term", 0, term_names,
		   "how connected UDP sockets are ended whose backend is gone"),
	CLI_CHOICE(struct agent_options, tunnel, "tunnel", 0, tunnel_names,
		   "how pods of other nodes are reached"),
	OPT(tunnel_device, "tunnel-device", CLI_STRING, "NAME", "name of the VXLAN device"),
	CLI_NUMBER(struct agent_options, tunnel_port, "tunnel-port", 0, "PORT", 1, 65535,
		   "UDP port of the tunnel"),
	CLI_NUMBER(struct agent_options, mtu, "mtu", 0, "BYTES", 0, 65535,
		   "MTU of pods (else that of the node's device less the tunnel's header)"),
	OPT(pod_cidr, "pod-cidr", CLI_STRING, "CIDR",
	    "pod addresses (else the Node's spec.podCIDR)"),
	OPT(refuse, "refuse", CLI_FLAG, NULL,
	    "answer what policy refuses with RST in every namespace"),
	CLI_NUMBER(struct agent_options, event_rate, "event-rate", 0, "N", 0, 1000000,
		   "events per second and CPU"),
	OPT(publish_interval, "publish-interval", CLI_DURATION, "TIME",
	    "how often counters are published in the cluster"),
	OPT(verify_interval, "verify-interval", CLI_DURATION, "TIME",
	    "how often the kernel's rows are read again and repaired"),
	OPT(resync_delay, "resync-delay", CLI_DURATION, "TIME",
	    "how long changes are gathered before they are compiled"),
	CLI_CHOICE(struct agent_options, log_level, "log-level", 0, level_names, "what to log"),
	OPT(log_json, "log-json", CLI_FLAG, NULL, "log as JSON"),
};
const size_t agent_n_options = ARRAY_SIZE(agent_option_table);

static void *member(struct agent_options *o, const struct cli_option *row)
{
	return (char *)o + row->offset;
}

/* Whether o still has the default in this row. */
static bool is_default(const struct agent_options *o, const struct cli_option *row)
{
	const char *have = (const char *)o + row->offset;
	const char *was = (const char *)&agent_defaults + row->offset;

	switch (row->kind) {
	case CLI_FLAG:
		return *(const bool *)have == *(const bool *)was;
	case CLI_STRING:
		return str_eq(*(const char *const *)(const void *)have,
			      *(const char *const *)(const void *)was);
	case CLI_ENUM:
		return *(const int *)(const void *)have == *(const int *)(const void *)was;
	case CLI_INT:
	case CLI_DURATION:
		return *(const uint64_t *)(const void *)have ==
		       *(const uint64_t *)(const void *)was;
	case CLI_LIST:
	case CLI_GROUP:
		break;
	}
	return true;
}

static int set_enum(struct agent_options *o, const struct cli_option *row, const char *value,
		    struct error *err)
{
	for (int i = 0; row->names[i]; i++) {
		if (str_eq(row->names[i], value)) {
			*(int *)member(o, row) = i;
			return 0;
		}
	}
	return error_set(err, -EINVAL, "%s: no such choice: %s", row->name, str_or_empty(value));
}

static int set_value(struct agent_options *o, const struct cli_option *row, const struct doc *v,
		     struct error *err)
{
	const char *text = doc_str(v);

	if (row->kind == CLI_FLAG && v->kind == DOC_BOOL)
		*(bool *)member(o, row) = v->boolean;
	else if (row->kind == CLI_STRING && text)
		*(const char **)member(o, row) = text;
	else if (row->kind == CLI_INT && v->kind == DOC_INT && v->integer >= row->min &&
		 v->integer <= row->max)
		*(int64_t *)member(o, row) = v->integer;
	else if (row->kind == CLI_DURATION && text)
		return str_to_duration_ns(text, member(o, row), err);
	else if (row->kind == CLI_ENUM && text)
		return set_enum(o, row, text, err);
	else
		return error_set(err, -EINVAL, "%s: wrong type or out of range", row->name);
	return 0;
}

static int read_file(struct arena *a, struct agent_options *o, struct error *err)
{
	const struct agent_options flags = *o;
	struct doc_stream docs;
	int r = doc_read_file(a, o->config, &docs, err);

	if (r < 0)
		return r;
	doc_foreach_entry (docs.n ? docs.docs[0] : NULL, e) {
		const struct cli_option *row = NULL;

		for (size_t i = 0; i < agent_n_options; i++) {
			if (str_eq(agent_option_table[i].name, e->key))
				row = &agent_option_table[i];
		}
		if (!row)
			return error_set(err, -EINVAL, "%s: no such option: %s", o->config, e->key);
		if (!is_default(&flags, row))
			continue;
		r = set_value(o, row, e->value, err);
		if (r < 0)
			return error_wrap(err, r, "%s", o->config);
	}
	return 0;
}

int agent_options_finish(struct arena *a, struct agent_options *o, struct error *err)
{
	struct utsname host;
	int r = o->config ? read_file(a, o, err) : 0;

	if (r < 0)
		return r;
	if (!o->node) {
		uname(&host);
		o->node = arena_strdup(a, host.nodename);
	}
	if (!*o->node || strchr(o->node, '/') || strlen(o->node) > 253)
		return error_set(err, -EINVAL, "node name '%s' is not one", o->node);
	if (!o->socket)
		o->socket = arena_printf(a, AGENT_SOCKET_FORMAT, o->node);
	if (!o->state_dir)
		o->state_dir = arena_printf(a, "/run/sidestep/%s/state", o->node);
	return 0;
}

static const char *format(struct arena *a, const struct agent_options *o,
			  const struct cli_option *row)
{
	const void *have = (const char *)o + row->offset;

	switch (row->kind) {
	case CLI_FLAG:
		return *(const bool *)have ? "true" : "false";
	case CLI_STRING:
		return str_or_empty(*(const char *const *)have);
	case CLI_ENUM:
		return row->names[*(const int *)have];
	case CLI_INT:
		return arena_printf(a, "%" PRId64, *(const int64_t *)have);
	case CLI_DURATION:
		return arena_printf(a, "%" PRIu64 "ms", *(const uint64_t *)have / 1000000);
	case CLI_LIST:
	case CLI_GROUP:
		break;
	}
	return "";
}

size_t agent_options_list(struct arena *a, const struct agent_options *o,
			  struct agent_config **ret_items)
{
	struct agent_config *items = arena_array(a, agent_n_options, struct agent_config);

	for (size_t i = 0; i < agent_n_options; i++) {
		items[i].key = agent_option_table[i].name;
		items[i].value = format(a, o, &agent_option_table[i]);
		items[i].source = is_default(o, &agent_option_table[i]) ? "default" : "set";
	}
	*ret_items = items;
	return agent_n_options;
}
