/* SPDX-License-Identifier: Apache-2.0 */
/* Who is at which address: pods, nodes, the API server, blocks that policy names. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/mesh/desired.h"

/* A block before it is a row; of two for one block the higher rank wins. */
enum rank {
	RANK_BLOCK,
	RANK_POD_NET,
	RANK_API_SERVER,
	RANK_POD_STALE,
	RANK_POD,
	RANK_REMOTE_NODE,
	RANK_HOST
};

struct draft {
	struct net_cidr cidr;
	enum rank rank;
	uint32_t identity;
	__be32 tunnel;
};

struct drafts {
	VEC(struct draft) list;
};

static void add(struct drafts *d, const struct net_cidr *cidr, enum rank rank, uint32_t identity,
		__be32 tunnel)
{
	if (cidr->addr.family == AF_INET)
		vec_push(&d->list, ((struct draft){*cidr, rank, identity, tunnel}));
}

static bool parse_host(const char *text, struct net_cidr *ret)
{
	struct net_addr addr;

	if (!text || net_addr_parse(text, &addr, NULL) < 0)
		return false;
	*ret = net_cidr_make(&addr, net_addr_bits(&addr));
	return true;
}

static const struct node *node_named(const struct mesh_input *in, const char *name)
{
	for (size_t i = 0; i < in->n_nodes; i++) {
		if (str_eq(in->nodes[i].meta.name, name))
			return &in->nodes[i];
	}
	return NULL;
}

static const struct namespace_object *namespace_named(const struct mesh_input *in, const char *name)
{
	for (size_t i = 0; i < in->n_namespaces; i++) {
		if (str_eq(in->namespaces[i].meta.name, name))
			return &in->namespaces[i];
	}
	return NULL;
}

static __be32 tunnel_to(const struct mesh_input *in, const char *node)
{
	const struct node *n = node_named(in, node);
	struct net_cidr host;

	if (!in->options.tunnel || !n || str_eq(node, in->node_name) ||
	    !parse_host(node_address_of(n, "InternalIP"), &host))
		return 0;
	return htonl(net_addr_to_v4(&host.addr));
}

static void add_pods(struct arena *a, const struct mesh_input *in, struct drafts *d)
{
	for (size_t i = 0; i < in->n_pods; i++) {
		const struct pod *p = &in->pods[i];
		struct strmap labels;
		struct net_cidr host;
		uint32_t identity;

		if (p->host_network || pod_is_finished(p) || !parse_host(p->pod_ip, &host))
			continue;
		labels = mesh_pod_labels(a, p, namespace_named(in, p->meta.namespace));
		identity = mesh_identity_of(in->identities, &labels);
		/* Inside the cluster but without a number yet: never the world. */
		add(d, &host, p->meta.deletion_timestamp ? RANK_POD_STALE : RANK_POD,
		    identity ? identity : IDENTITY_UNMANAGED, tunnel_to(in, p->node_name));
	}
	/* What this node runs it knows best, also before the API server says it. */
	for (size_t i = 0; i < in->n_locals; i++) {
		const struct mesh_local *l = &in->locals[i];
		struct net_cidr host = net_cidr_make(&l->addr, net_addr_bits(&l->addr));

		add(d, &host, RANK_POD, l->identity ? l->identity : IDENTITY_INIT, 0);
	}
}

static void add_nodes(const struct mesh_input *in, struct drafts *d)
{
	for (size_t i = 0; i < in->n_nodes; i++) {
		const struct node *n = &in->nodes[i];
		bool own = str_eq(n->meta.name, in->node_name);

		struct net_cidr net;

		/* A pod nobody has told us of yet is in the cluster all the same. */
		if (n->pod_cidr && net_cidr_parse(n->pod_cidr, &net, NULL) == 0)
			add(d, &net, RANK_POD_NET, IDENTITY_UNMANAGED, tunnel_to(in, n->meta.name));
		for (size_t k = 0; k < n->n_addresses; k++) {
			struct net_cidr host;

			if (parse_host(n->addresses[k].address, &host))
				add(d, &host, own ? RANK_HOST : RANK_REMOTE_NODE,
				    own ? IDENTITY_HOST : IDENTITY_REMOTE_NODE, 0);
		}
	}
}

static void add_api_server(const struct mesh_input *in, struct drafts *d)
{
	for (size_t i = 0; i < in->n_slices; i++) {
		const struct endpoint_slice *s = &in->slices[i];

		if (!str_eq(s->meta.namespace, "default") ||
		    !str_eq(endpoint_slice_service(s), "kubernetes"))
			continue;
		for (size_t k = 0; k < s->n_endpoints; k++) {
			struct net_cidr host;

			if (s->endpoints[k].addresses.n &&
			    parse_host(s->endpoints[k].addresses.items[0], &host))
				add(d, &host, RANK_API_SERVER, IDENTITY_KUBE_APISERVER, 0);
		}
	}
}

static int cmp_draft(const void *pa, const void *pb)
{
	const struct draft *a = pa, *b = pb;
	int c = net_cidr_cmp(&a->cidr, &b->cidr);

	if (!c)
		c = (int)b->rank - (int)a->rank;
	if (!c)
		c = (a->identity > b->identity) - (a->identity < b->identity);
	return c ? c : (a->tunnel > b->tunnel) - (a->tunnel < b->tunnel);
}

void mesh_compile_addresses(struct arena *a, const struct mesh_input *in, struct mesh_desired *ret)
{
	struct drafts d = {{0}};

	add_pods(a, in, &d);
	add_nodes(in, &d);
	add_api_server(in, &d);
	for (size_t i = 0; i < ret->universe.n_blocks; i++)
		add(&d, &ret->universe.blocks[i].cidr, RANK_BLOCK, ret->universe.blocks[i].identity,
		    0);
	vec_sort(&d.list, cmp_draft);
	ret->addresses = arena_array(a, d.list.n + 1, struct mesh_address);
	ret->n_addresses = 0;
	for (size_t i = 0; i < d.list.n; i++) {
		const struct draft *x = &d.list.items[i];
		struct mesh_address *out;

		if (i && net_cidr_equal(&d.list.items[i - 1].cidr, &x->cidr))
			continue;
		out = &ret->addresses[ret->n_addresses++];
		out->key.prefixlen = x->cidr.bits;
		out->key.addr = htonl(net_addr_to_v4(&x->cidr.addr));
		out->entry.identity = x->identity;
		out->entry.tunnel_endpoint = x->tunnel;
	}
	vec_release(&d.list);
}
