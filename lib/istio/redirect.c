/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/istio/redirect.h"

#include <errno.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/istio/match.h"

void istio_redirect_defaults(struct istio_redirect *r)
{
	*r = (struct istio_redirect){
		.outbound_port = ISTIO_PORT_OUTBOUND,
		.inbound_port = ISTIO_PORT_INBOUND,
		.proxy_uids = "1337",
		.proxy_gids = "1337",
		.include_inbound = "*",
		.exclude_inbound = "15090,15021,15020",
		.include_ranges = "*",
		.exclude_ranges = "",
		.include_outbound_ports = "",
		.exclude_outbound_ports = "",
	};
}

/* --- arguments and annotations ------------------------------------------------------------ */

static const struct {
	const char *flag;
	size_t offset; /* of a const char * */
} string_flags[] = {
	{"-g", offsetof(struct istio_redirect, proxy_gids)},
	{"-b", offsetof(struct istio_redirect, include_inbound)},
	{"-d", offsetof(struct istio_redirect, exclude_inbound)},
	{"-i", offsetof(struct istio_redirect, include_ranges)},
	{"-x", offsetof(struct istio_redirect, exclude_ranges)},
	{"-q", offsetof(struct istio_redirect, include_outbound_ports)},
	{"-o", offsetof(struct istio_redirect, exclude_outbound_ports)},
};

static const char **string_member(struct istio_redirect *r, size_t offset)
{
	return (const char **)(void *)((char *)r + offset);
}

static int take_flag(struct istio_redirect *r, const char *flag, const char *value,
		     struct error *err)
{
	uint64_t port;
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(string_flags); i++) {
		if (!str_eq(flag, string_flags[i].flag))
			continue;
		*string_member(r, string_flags[i].offset) = value;
		return 0;
	}
	if (str_eq(flag, "-u")) {
		/* The tool uses the uids for the gids when -g is not given. */
		r->proxy_uids = value;
		r->proxy_gids = value;
	} else if (str_eq(flag, "-p") || str_eq(flag, "-z")) {
		ret = str_to_u64(value, 1, UINT16_MAX, &port, flag, err);
		if (ret == 0 && flag[1] == 'p')
			r->outbound_port = (uint16_t)port;
		else if (ret == 0)
			r->inbound_port = (uint16_t)port;
	} else if (str_eq(flag, "-m")) {
		if (!str_eq(value, "REDIRECT"))
			ret = error_set(err, -EINVAL, "istio-init: interception mode %s", value);
	} else {
		ret = error_set(err, -EINVAL, "istio-init: %s is not rendered", flag);
	}
	return ret;
}

int istio_redirect_from_args(const struct strings *args, struct istio_redirect *ret,
			     struct error *err)
{
	struct istio_redirect r;

	istio_redirect_defaults(&r);
	r.exclude_inbound = "";
	for (size_t i = 0; i < args->n; i++) {
		const char *arg = args->items[i];
		int e;

		if (str_eq(arg, "istio-iptables") || str_starts(arg, "--log_output_level"))
			continue;
		if (i + 1 == args->n)
			return error_set(err, -EINVAL, "istio-init: %s has no value", arg);
		e = take_flag(&r, arg, args->items[++i], err);
		if (e < 0)
			return e;
	}
	*ret = r;
	return 0;
}

static const char *annotation(const struct strmap *m, const char *name, const char *fallback)
{
	const char *v = strmap_get(m, name);

	return v ? v : fallback;
}

void istio_redirect_from_annotations(struct arena *a, const struct strmap *annotations,
				     struct istio_redirect *ret)
{
#define TRAFFIC "traffic.sidecar.istio.io/"
	const char *exclude = strmap_get(annotations, TRAFFIC "excludeInboundPorts");

	istio_redirect_defaults(ret);
	ret->include_inbound = annotation(annotations, TRAFFIC "includeInboundPorts", "*");
	/* The proxy's own ports frame the user's, as the injection template writes them. */
	if (!str_empty(exclude))
		ret->exclude_inbound = arena_printf(a, "15090,15021,%s,15020", exclude);
	ret->include_ranges = annotation(annotations, TRAFFIC "includeOutboundIPRanges", "*");
	ret->exclude_ranges = annotation(annotations, TRAFFIC "excludeOutboundIPRanges", "");
	ret->include_outbound_ports = annotation(annotations, TRAFFIC "includeOutboundPorts", "");
	ret->exclude_outbound_ports = annotation(annotations, TRAFFIC "excludeOutboundPorts", "");
#undef TRAFFIC
}

struct strings istio_redirect_args(struct arena *a, const struct istio_redirect *r)
{
	const char *const all[] = {
		"istio-iptables",
		"-p",
		arena_printf(a, "%u", r->outbound_port),
		"-z",
		arena_printf(a, "%u", r->inbound_port),
		"-u",
		r->proxy_uids,
		"-m",
		"REDIRECT",
		"-i",
		r->include_ranges,
		"-x",
		r->exclude_ranges,
		"-b",
		r->include_inbound,
		"-d",
		r->exclude_inbound,
	};
	struct strings out = {.items = arena_array(a, ARRAY_SIZE(all) + 5, const char *)};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		out.items[out.n++] = all[i];
	if (!str_empty(r->include_outbound_ports)) {
		out.items[out.n++] = "-q";
		out.items[out.n++] = r->include_outbound_ports;
	}
	if (!str_empty(r->exclude_outbound_ports)) {
		out.items[out.n++] = "-o";
		out.items[out.n++] = r->exclude_outbound_ports;
	}
	out.items[out.n++] = "--log_output_level=default:info";
	return out;
}

/* --- lists -------------------------------------------------------------------------------- */

/* Walks a comma list: the next item into buf, false at the end. Too long an item is cut short,
 * which no port or CIDR survives. */
static bool next_item(const char **list, char *buf, size_t n)
{
	const char *s = *list;
	size_t len;

	while (*s == ',' || *s == ' ')
		s++;
	if (!*s)
		return false;
	len = strcspn(s, ", ");
	*list = s + len;
	len = MIN(len, n - 1);
	memcpy(buf, s, len);
	buf[len] = '\0';
	return true;
}

bool istio_redirect_captures_inbound(const struct istio_redirect *r, uint16_t port)
{
	bool all = str_eq(r->include_inbound, "*");
	const char *list = all ? r->exclude_inbound : r->include_inbound;
	char item[16];
	uint64_t n;

	if (port == ISTIO_PORT_HBONE)
		return false;
	while (next_item(&list, item, sizeof(item)))
		if (str_to_u64(item, 0, UINT16_MAX, &n, "port", NULL) == 0 && n == port)
			return !all;
	return all;
}

size_t istio_redirect_inbound_ports(const struct istio_redirect *r, uint16_t *ports, size_t max,
				    bool *ret_except)
{
	bool all = str_eq(r->include_inbound, "*");
	const char *list = all ? r->exclude_inbound : r->include_inbound;
	char item[16];
	uint64_t port;
	size_t n = 0;

	*ret_except = all;
	if (all && max > 0)
		ports[n++] = ISTIO_PORT_HBONE;
	while (n < max && next_item(&list, item, sizeof(item)))
		if (str_to_u64(item, 0, UINT16_MAX, &port, "port", NULL) == 0 &&
		    (all || port != ISTIO_PORT_HBONE))
			ports[n++] = (uint16_t)port;
	return n;
}

/* --- rules -------------------------------------------------------------------------------- */

/* One rule for every port of list, with the number where %s stands. */
static int ports(struct strbuf *out, const char *list, const char *before, const char *after,
		 struct error *err)
{
	char item[16];
	uint64_t n;
	int r;

	while (next_item(&list, item, sizeof(item))) {
		r = str_to_u64(item, 1, UINT16_MAX, &n, "redirect port", err);
		if (r < 0)
			return r;
		strbuf_addf(out, "%s%s%s\n", before, item, after);
	}
	return 0;
}

static int ranges(struct strbuf *out, const char *list, const char *target, struct error *err)
{
	char item[64];

	while (next_item(&list, item, sizeof(item))) {
		if (!istio_cidr_valid(item))
			return error_set(err, -EINVAL, "redirect range: %s is no CIDR", item);
		strbuf_addf(out, "-A ISTIO_OUTPUT -d %s%s -j %s\n", item,
			    strchr(item, '/') ? "" : "/32", target);
	}
	return 0;
}

static int inbound(const struct istio_redirect *r, struct strbuf *out, struct error *err)
{
	int ret;

	if (str_empty(r->include_inbound))
		return 0;
	strbuf_adds(out, "-A PREROUTING -p tcp -j ISTIO_INBOUND\n");
	if (!str_eq(r->include_inbound, "*"))
		return ports(out, r->include_inbound, "-A ISTIO_INBOUND -p tcp --dport ",
			     " -j ISTIO_IN_REDIRECT", err);
	ret = ports(out, r->exclude_inbound, "-A ISTIO_INBOUND -p tcp --dport ", " -j RETURN", err);
	strbuf_adds(out, "-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT\n");
	return ret;
}

/* What the proxy itself sends goes out as it is, except to itself through its own service. */
static int owners(struct strbuf *out, const char *list, const char *kind, struct error *err)
{
	char id[16];
	uint64_t n;

	while (next_item(&list, id, sizeof(id))) {
		int r = str_to_u64(id, 0, UINT32_MAX, &n, "proxy id", err);

		if (r < 0)
			return r;
		strbuf_addf(out,
			    "-A ISTIO_OUTPUT -o lo ! -d 127.0.0.1/32 -p tcp ! --dport 15008 -m "
			    "owner --%s-owner %s -j ISTIO_IN_REDIRECT\n",
			    kind, id);
		strbuf_addf(out, "-A ISTIO_OUTPUT -o lo -m owner ! --%s-owner %s -j RETURN\n", kind,
			    id);
		strbuf_addf(out, "-A ISTIO_OUTPUT -m owner --%s-owner %s -j RETURN\n", kind, id);
	}
	return 0;
}

static int outbound(const struct istio_redirect *r, struct strbuf *out, struct error *err)
{
	const char *list = r->exclude_outbound_ports;
	char item[16];
	int ret = 0;

	strbuf_adds(out, "-A OUTPUT -j ISTIO_OUTPUT\n");
	while (ret == 0 && next_item(&list, item, sizeof(item))) {
		ret = ports(out, item, "-A ISTIO_OUTPUT -p tcp --dport ", " -j RETURN", err);
		if (ret == 0)
			ret = ports(out, item, "-A ISTIO_OUTPUT -p udp --dport ", " -j RETURN",
				    err);
	}
	strbuf_adds(out, "-A ISTIO_OUTPUT -o lo -s 127.0.0.6/32 -j RETURN\n");
	if (ret == 0)
		ret = owners(out, r->proxy_uids, "uid", err);
	if (ret == 0)
		ret = owners(out, r->proxy_gids, "gid", err);
	strbuf_adds(out, "-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN\n");
	if (ret == 0)
		ret = ranges(out, r->exclude_ranges, "RETURN", err);
	if (ret == 0)
		ret = ports(out, r->include_outbound_ports, "-A ISTIO_OUTPUT -p tcp --dport ",
			    " -j ISTIO_REDIRECT", err);
	if (ret < 0)
		return ret;
	if (str_eq(r->include_ranges, "*")) {
		strbuf_adds(out, "-A ISTIO_OUTPUT -j ISTIO_REDIRECT\n");
		return 0;
	}
	return ranges(out, r->include_ranges, "ISTIO_REDIRECT", err);
}

int istio_redirect_render(const struct istio_redirect *r, struct strbuf *out, struct error *err)
{
	int ret;

	strbuf_adds(out, "* nat\n-N ISTIO_INBOUND\n-N ISTIO_REDIRECT\n-N ISTIO_IN_REDIRECT\n"
			 "-N ISTIO_OUTPUT\n"
			 "-A ISTIO_INBOUND -p tcp --dport 15008 -j RETURN\n");
	strbuf_addf(out, "-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports %u\n", r->outbound_port);
	strbuf_addf(out, "-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports %u\n",
		    r->inbound_port);
	ret = inbound(r, out, err);
	if (ret == 0)
		ret = outbound(r, out, err);
	strbuf_adds(out, "COMMIT\n");
	return ret;
}
