/* SPDX-License-Identifier: Apache-2.0 */
/* What the runtime reads: results in the form of each version, failures, versions. */
#include <stdio.h>
#include <string.h>

#include "agent/cni/request.h"
#include "lib/base/str.h"

struct doc *cni_version_result(struct arena *a, const char *version)
{
	struct doc *d = doc_map(a), *list;

	doc_set_string(a, d, "cniVersion", version);
	list = doc_set_list(a, d, "supportedVersions");
	for (size_t i = 0; cni_versions[i]; i++)
		doc_append(a, list, doc_string(a, cni_versions[i]));
	return d;
}

struct doc *cni_failure_result(struct arena *a, const char *version, const struct cni_failure *f)
{
	struct doc *d = doc_map(a);

	doc_set_string(a, d, "cniVersion", version);
	doc_set_int(a, d, "code", f->code);
	doc_set_string(a, d, "msg", f->msg);
	doc_set_string(a, d, "details", f->details[0] ? f->details : NULL);
	return d;
}

static void add_interface(struct arena *a, struct doc *list, const char *name, const char *mac,
			  const char *sandbox)
{
	struct doc *d = doc_append(a, list, doc_map(a));

	doc_set_string(a, d, "name", name);
	doc_set_string(a, d, "mac", mac);
	doc_set_string(a, d, "sandbox", sandbox);
}

static void add_ip(struct arena *a, struct doc *list, const struct cni_request *rq,
		   const struct net_addr *addr, const struct net_addr *gateway)
{
	struct doc *d = doc_append(a, list, doc_map(a));
	const struct net_cidr c = net_cidr_make(addr, 128);
	char text[NET_CIDR_SIZE];

	/* Before 1.0.0 the family was written out. */
	if (rq->version[0] == '0')
		doc_set_string(a, d, "version", addr->family == AF_INET ? "4" : "6");
	doc_set_string(a, d, "address", net_cidr_format(&c, text));
	if (gateway->family == addr->family)
		doc_set_string(a, d, "gateway", net_addr_format(gateway, text));
	doc_set_int(a, d, "interface", 1);
}

struct doc *cni_add_result(struct arena *a, const struct cni_request *rq,
			   const struct cni_attached *at)
{
	struct doc *d = doc_map(a), *list;
	char text[NET_ADDR_SIZE];

	if (rq->chaining != CNI_CHAIN_NONE) {
		d = doc_clone(a, rq->prev_result);
		doc_set_string(a, d, "cniVersion", rq->version);
		return d;
	}
	doc_set_string(a, d, "cniVersion", rq->version);
	list = doc_set_list(a, d, "interfaces");
	add_interface(a, list, at->host_ifname, at->host_mac, NULL);
	add_interface(a, list, rq->ifname, at->mac, rq->netns);
	list = doc_set_list(a, d, "ips");
	for (size_t i = 0; i < at->n_addrs; i++)
		add_ip(a, list, rq, &at->addrs[i], &at->gateway);
	list = doc_append(a, doc_set_list(a, d, "routes"), doc_map(a));
	doc_set_string(a, list, "dst", at->gateway.family == AF_INET6 ? "::/0" : "0.0.0.0/0");
	doc_set_string(a, list, "gw", net_addr_format(&at->gateway, text));
	doc_set(a, d, "dns", doc_map(a));
	return d;
}

/* Whether an entry of ips belongs to the pod's interface (by index into interfaces). */
static bool ours(const struct cni_request *rq, const struct doc *ip)
{
	const int64_t index = doc_int_or(doc_get(ip, "interface"), -1);
	const struct doc *all = doc_get(rq->prev_result, "interfaces");
	const char *name;

	if (index < 0)
		return true;
	name = doc_str(doc_get(doc_at(all, (size_t)index), "name"));
	return !name || strcmp(name, rq->ifname) == 0;
}

int cni_prev_addresses(const struct cni_request *rq, struct cni_attached *out,
		       struct cni_failure *f)
{
	struct error err = ERROR_INIT;

	if (rq->prev_result->kind != DOC_MAP)
		return cni_fail(f, CNI_ERR_DECODE, "prevResult: want a map");
	out->n_addrs = 0;
	doc_foreach_item (doc_get(rq->prev_result, "ips"), ip) {
		const char *text = doc_str(doc_get(ip, "address"));
		char host[NET_ADDR_SIZE];

		if (!text || !ours(rq, ip))
			continue;
		if (out->n_addrs == ARRAY_SIZE(out->addrs))
			return cni_fail(f, CNI_ERR_DECODE, "prevResult: more than %zu addresses",
					ARRAY_SIZE(out->addrs));
		snprintf(host, sizeof(host), "%.*s", (int)MIN(strcspn(text, "/"), sizeof(host) - 1),
			 text);
		if (net_addr_parse(host, &out->addrs[out->n_addrs], &err) < 0)
			return cni_fail(f, CNI_ERR_DECODE, "prevResult.ips: %s", err.msg);
		out->n_addrs++;
	}
	if (out->n_addrs == 0)
		return cni_fail(f, CNI_ERR_DECODE, "prevResult names no address of %s", rq->ifname);
	return 0;
}

void cni_host_ifname(const char *container_id, const char *ifname, char out[16])
{
	const uint64_t h = str_hash(ifname, strlen(ifname),
				    str_hash(container_id, strlen(container_id), STR_HASH_SEED));

	snprintf(out, 16, "lxc%012llx", (unsigned long long)(h & 0xffffffffffffULL));
}
