/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints on disk: one JSON file each, so that a killed agent finds them again. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/endpoint.h"
#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"

struct record {
	int64_t id, identity;
	const char *container, *address;
	bool address_given;
	int64_t netns_cookie;
	struct attach_request request;
};

static const struct bind_field fields[] = {
	BIND_RANGE(struct record, id, "id", BIND_INT64, BIND_REQUIRED, 2, ENDPOINT_ID_MAX),
	BIND_RANGE(struct record, identity, "identity", BIND_INT64, 0, 0, 0x01ffffff),
	BIND(struct record, container, "container", BIND_STRING, BIND_REQUIRED | BIND_NON_EMPTY),
	BIND(struct record, address, "address", BIND_STRING, BIND_REQUIRED),
	BIND(struct record, address_given, "addressGiven", BIND_BOOL, 0),
	BIND(struct record, netns_cookie, "netnsCookie", BIND_INT64, 0),
	BIND_NESTED(struct record, request, "request", BIND_STRUCT, BIND_REQUIRED,
		    &attach_request_table),
};
static BIND_TABLE(record_table, struct record, fields);

static const char *path_of(struct arena *a, const struct agent_ep *ep, const char *dir)
{
	return arena_printf(a, "%s/%" PRIu32 ".json", dir, ep->id);
}

int endpoint_save(const struct agent_ep *ep, const char *dir, struct error *err)
{
	char addr[NET_ADDR_SIZE], mac[NET_MAC_SIZE], host_mac[NET_MAC_SIZE];
	struct record rec = {.id = ep->id,
			     .identity = ep->identity,
			     .container = ep->container,
			     .address = net_addr_format(&ep->addr, addr),
			     .address_given = ep->addr_given,
			     .netns_cookie = (int64_t)ep->netns_cookie,
			     .request = {.netns = ep->netns,
					 .ifname = ep->ifname,
					 .host_ifname = ep->host_ifname,
					 .host_ifindex = ep->ifindex,
					 .mac = net_mac_format(&ep->mac, mac),
					 .host_mac = net_mac_format(&ep->host_mac, host_mac),
					 .pod_namespace = ep->namespace,
					 .pod_name = ep->pod,
					 .pod_uid = ep->uid}};
	struct arena a = ARENA_INIT;
	struct strbuf sb = STRBUF_INIT;
	int r;

	doc_write_json(bind_encode(&a, &record_table, &rec), DOC_PRETTY, &sb);
	r = io_write_file_atomic(path_of(&a, ep, dir), sb.buf, sb.len, 0600, err);
	strbuf_release(&sb);
	arena_release(&a);
	return r;
}

int endpoint_forget(const struct agent_ep *ep, const char *dir, struct error *err)
{
	struct arena a = ARENA_INIT;
	const char *path = path_of(&a, ep, dir);
	int r = 0;

	if (unlink(path) < 0 && errno != ENOENT)
		r = error_errno(err, -errno, "%s", path);
	arena_release(&a);
	return r;
}

static int load_one(struct endpoints *e, struct arena *a, const char *path)
{
	struct doc_stream docs;
	struct record rec;
	struct agent_ep *ep;

	if (doc_read_file(a, path, &docs, NULL) < 0 || docs.n != 1 ||
	    bind_decode(a, &record_table, docs.docs[0], "", &rec, NULL, NULL) < 0)
		return -EINVAL;
	if (endpoints_find(e, (uint32_t)rec.id) || endpoints_find_container(e, rec.container))
		return -EEXIST;
	e->next_id = (uint32_t)rec.id;
	ep = endpoints_add(e, rec.container, &rec.request, NULL);
	if (!ep)
		return -EINVAL;
	if (net_addr_parse(rec.address, &ep->addr, NULL) < 0) {
		endpoints_remove(e, ep);
		return -EINVAL;
	}
	ep->addr_given = rec.address_given;
	ep->identity = (uint32_t)rec.identity;
	ep->netns_cookie = (uint64_t)rec.netns_cookie;
	ep->state = ENDPOINT_STATE_RESTORING;
	return 0;
}

/* What its pod holds, as far as it can be told. */
static void add_bad(struct endpoints *e, struct arena *a, const char *path)
{
	struct bad_record bad = {.path = xstrdup(path)};
	struct doc_stream docs;
	const struct doc *d = NULL;

	if (doc_read_file(a, path, &docs, NULL) == 0 && docs.n == 1)
		d = docs.docs[0];
	bad.container = xstrdup(str_or_empty(doc_find_str(d, "container")));
	if (net_addr_parse(str_or_empty(doc_find_str(d, "address")), &bad.addr, NULL) < 0)
		bad.addr = (struct net_addr){0};
	vec_push(&e->bad, bad);
}

/* Out of the way of an endpoint that gets its number, and there for whoever repairs it. */
static void set_aside(struct endpoints *e, struct arena *a, const char *path)
{
	const char *aside = arena_printf(a, "%s.bad", path);

	add_bad(e, a, rename(path, aside) < 0 ? path : aside);
}

bool endpoints_forget_bad(struct endpoints *e, const char *container, struct net_addr *ret_addr)
{
	for (size_t i = 0; i < e->bad.n; i++) {
		struct bad_record *b = &e->bad.items[i];

		if (!str_eq(b->container, container))
			continue;
		*ret_addr = b->addr;
		unlink(b->path);
		free(b->path);
		free(b->container);
		vec_remove(&e->bad, i);
		return true;
	}
	return false;
}

static int is_record(const struct dirent *d)
{
	return d->d_name[0] != '.' &&
	       (str_ends(d->d_name, ".json") || str_ends(d->d_name, ".json.bad"));
}

int endpoints_load(struct endpoints *e, const char *dir, struct error *err)
{
	struct dirent **names;
	int n = scandir(dir, &names, is_record, alphasort);

	if (n < 0)
		return errno == ENOENT ? 0 : error_errno(err, -errno, "%s", dir);
	for (int i = 0; i < n; i++) {
		struct arena a = ARENA_INIT;
		const char *path = arena_printf(&a, "%s/%s", dir, names[i]->d_name);

		if (str_ends(path, ".bad"))
			add_bad(e, &a, path);
		else if (load_one(e, &a, path) < 0)
			set_aside(e, &a, path);
		arena_release(&a);
		free(names[i]);
	}
	free(names);
	return 0;
}
