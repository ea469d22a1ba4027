/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cni/verbs.h"

#include <string.h>

#include "agent/cni/agent.h"
#include "agent/cni/link.h"

static int read_addresses(const struct attach_answer *answer, struct cni_attached *at,
			  struct cni_failure *f)
{
	struct error err = ERROR_INIT;

	if (answer->addresses.n > ARRAY_SIZE(at->addrs))
		return cni_fail(f, CNI_ERR_REFUSED, "the agent gave too many addresses");
	for (at->n_addrs = 0; at->n_addrs < answer->addresses.n; at->n_addrs++)
		if (net_addr_parse(answer->addresses.items[at->n_addrs], &at->addrs[at->n_addrs],
				   &err) < 0)
			return cni_fail(f, CNI_ERR_REFUSED, "the agent's answer: %s", err.msg);
	if (net_addr_parse(answer->gateway ? answer->gateway : "169.254.1.1", &at->gateway, &err) <
	    0)
		return cni_fail(f, CNI_ERR_REFUSED, "the agent's answer: gateway: %s", err.msg);
	at->mtu = (uint32_t)answer->mtu;
	return 0;
}

static void wanted_addresses(struct arena *a, const struct cni_attached *at, struct strings *out)
{
	out->n = at->n_addrs;
	out->items = arena_array(a, out->n, const char *);
	for (size_t i = 0; i < out->n; i++) {
		char text[NET_ADDR_SIZE];

		out->items[i] = arena_strdup(a, net_addr_format(&at->addrs[i], text));
	}
}

/* Asks the agent to take the pod in; it answers when policy is in force. */
static int ask_agent(struct arena *a, const struct cni_request *rq, const struct cni_link *l,
		     struct cni_attached *at, struct cni_failure *f)
{
	struct attach_request request = {
		.netns = rq->netns,
		.ifname = rq->ifname,
		.host_ifname = l->host_end.name,
		.host_ifindex = l->host_end.index,
		.pod_namespace = rq->pod_namespace,
		.pod_name = rq->pod_name,
		.pod_uid = rq->pod_uid,
	};
	struct attach_answer answer;
	char text[NET_MAC_SIZE];

	at->mac = arena_strdup(a, net_mac_format(&l->pod_end.mac, text));
	at->host_mac = arena_strdup(a, net_mac_format(&l->host_end.mac, text));
	at->host_ifname = arena_strdup(a, l->host_end.name);
	request.mac = at->mac;
	request.host_mac = at->host_mac;
	if (at->n_addrs)
		wanted_addresses(a, at, &request.addresses);
	if (cni_agent_put(a, rq, &request, &answer, f) < 0)
		return -1;
	return read_addresses(&answer, at, f);
}

static int add_own(struct arena *a, const struct cni_request *rq, struct cni_link *l,
		   struct cni_attached *at, struct cni_failure *f)
{
	struct cni_failure ignored = {0};

	if (cni_link_make(l, rq, f) == 0 && ask_agent(a, rq, l, at, f) == 0 &&
	    cni_link_address(l, at, f) == 0)
		return 0;
	cni_link_delete(rq, &ignored);
	cni_agent_delete(rq, &ignored);
	return -1;
}

static int add_chained(struct arena *a, const struct cni_request *rq, struct cni_link *l,
		       struct cni_attached *at, struct cni_failure *f)
{
	struct cni_failure ignored = {0};

	if (cni_prev_addresses(rq, at, f) < 0 || cni_link_find(l, rq, f) < 0)
		return -1;
	if (ask_agent(a, rq, l, at, f) == 0)
		return 0;
	cni_agent_delete(rq, &ignored);
	return -1;
}

int cni_add(struct arena *a, const struct cni_request *rq, struct doc **ret_result,
	    struct cni_failure *f)
{
	struct cni_attached at = {0};
	struct cni_link l;
	int r = cni_link_open(&l, rq, f);

	if (r == 0)
		r = rq->chaining == CNI_CHAIN_NONE ? add_own(a, rq, &l, &at, f)
						   : add_chained(a, rq, &l, &at, f);
	cni_link_close(&l);
	if (r == 0)
		*ret_result = cni_add_result(a, rq, &at);
	return r;
}

int cni_del(UNUSED struct arena *a, const struct cni_request *rq, struct doc **ret_result,
	    struct cni_failure *f)
{
	*ret_result = NULL;
	/* Links first: a pod that is still connected must not lose its policy. */
	if (rq->chaining == CNI_CHAIN_NONE && cni_link_delete(rq, f) < 0)
		return -1;
	return cni_agent_delete(rq, f);
}

int cni_check(struct arena *a, const struct cni_request *rq, struct doc **ret_result,
	      struct cni_failure *f)
{
	struct cni_attached at = {0};
	struct attach_answer answer;
	struct cni_link l;
	int r = cni_link_open(&l, rq, f);

	*ret_result = NULL;
	if (r == 0)
		r = cni_prev_addresses(rq, &at, f);
	if (r == 0)
		r = cni_link_check(&l, rq, &at, f);
	cni_link_close(&l);
	if (r == 0)
		r = cni_agent_get(a, rq, &answer, f);
	if (r == 0 && answer.state && strcmp(answer.state, "ready") != 0)
		return cni_fail(f, CNI_ERR_CHECK, "the endpoint is %.40s, not ready", answer.state);
	return r;
}
