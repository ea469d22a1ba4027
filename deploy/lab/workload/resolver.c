/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stub resolver that never blocks: every name is asked for again every two seconds and the last
 * answer is kept, so that a DNS server that is away for a moment costs nobody a request.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "deploy/lab/workload/workload.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"

enum { MAX_ADDRESSES = 64, REFRESH_MS = 2000, FIRST_MS = 250, PACKET = 1500 };

struct resolved {
	struct resolver *resolver;
	char *name; /* full */
	uint16_t id;
	struct in_addr addresses[MAX_ADDRESSES];
	size_t n, turn;
	struct loop_timer *timer;
};

struct resolver {
	struct loop *loop;
	const char *namespace;
	struct sockaddr_in server;
	int fd;
	struct loop_fd *source;
	uint16_t next_id;
	VEC(struct resolved *) names;
};

/* Fixed header, one question: the name as labels, type A, class IN (RFC 1035, 4.1). */
static size_t build_query(const struct resolved *n, uint8_t out[PACKET])
{
	const uint8_t header[12] = {(uint8_t)(n->id >> 8), (uint8_t)n->id, 1, 0, 0, 1};
	const uint8_t tail[5] = {0, 0, 1, 0, 1};
	size_t at = sizeof(header);

	memcpy(out, header, sizeof(header));
	for (const char *p = n->name; *p;) {
		size_t len = strcspn(p, ".");

		if (len == 0 || len > 63 || at + len + 1 + sizeof(tail) > 512)
			return 0;
		out[at++] = (uint8_t)len;
		memcpy(out + at, p, len);
		at += len;
		p += len + (p[len] == '.');
	}
	memcpy(out + at, tail, sizeof(tail));
	return at + sizeof(tail);
}

static void ask(void *arg)
{
	struct resolved *n = arg;
	struct resolver *r = n->resolver;
	uint8_t packet[PACKET];
	size_t len;

	n->id = ++r->next_id;
	len = build_query(n, packet);
	if (len && sendto(r->fd, packet, len, 0, (const struct sockaddr *)&r->server,
			  sizeof(r->server)) < 0)
		len = 0;
	loop_timer_set(n->timer, (n->n ? REFRESH_MS : FIRST_MS) * NS_PER_MS);
}

/* Behind a name: labels up to the empty one, or a pointer. 0 when it runs past the end. */
static size_t skip_name(const uint8_t *p, size_t at, size_t len)
{
	while (at < len && p[at]) {
		if ((p[at] & 0xc0) == 0xc0)
			return at + 2;
		at += 1 + (size_t)p[at];
	}
	return at < len ? at + 1 : 0;
}

static void take_answer(struct resolved *n, const uint8_t *p, size_t len)
{
	unsigned questions = (unsigned)p[4] << 8 | p[5], answers = (unsigned)p[6] << 8 | p[7];
	struct in_addr found[MAX_ADDRESSES];
	size_t at = 12, n_found = 0;

	while (questions-- && at)
		at = (at = skip_name(p, at, len)) ? at + 4 : 0;
	while (answers-- && at && n_found < MAX_ADDRESSES) {
		size_t size;

		at = skip_name(p, at, len);
		if (!at || at + 10 > len)
			break;
		size = (size_t)p[at + 8] << 8 | p[at + 9];
		if (at + 10 + size > len)
			break;
		if (p[at] == 0 && p[at + 1] == 1 && size == 4)
			memcpy(&found[n_found++], p + at + 10, 4);
		at += 10 + size;
	}
	if (!n_found)
		return;
	memcpy(n->addresses, found, n_found * sizeof(found[0]));
	n->n = n_found;
}

static void readable(void *arg, UNUSED unsigned ready)
{
	struct resolver *r = arg;
	uint8_t p[PACKET];
	ssize_t len;

	while ((len = recv(r->fd, p, sizeof(p), MSG_DONTWAIT)) > 0) {
		if (len < 12)
			continue;
		vec_foreach (&r->names, it) {
			if ((*it)->id == (uint16_t)(p[0] << 8 | p[1]) && (p[2] & 0x80))
				take_answer(*it, p, (size_t)len);
		}
	}
}

static void find_server(struct resolver *r)
{
	const char *env = getenv("SIDESTEP_LAB_DNS");
	char line[256], address[64];
	FILE *f;

	r->server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(53)};
	if (!str_empty(env) && inet_pton(AF_INET, env, &r->server.sin_addr) == 1)
		return;
	f = fopen("/etc/resolv.conf", "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "nameserver %63s", address) == 1 &&
		    inet_pton(AF_INET, address, &r->server.sin_addr) == 1)
			break;
	if (f)
		fclose(f);
}

struct resolver *resolver_new(struct loop *loop, const char *namespace)
{
	struct resolver *r = xcalloc(1, sizeof(*r));

	r->loop = loop;
	r->namespace = namespace;
	r->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	find_server(r);
	if (r->fd >= 0)
		r->source = loop_fd_new(loop, r->fd, LOOP_READ, readable, r);
	return r;
}

/* What the search list of a pod's resolv.conf would make of it. */
static char *full_name(const struct resolver *r, const char *host)
{
	bool pods = str_starts(host, "_pods.");
	unsigned dots = 0;

	for (const char *p = host; *p; p++)
		dots += *p == '.';
	dots -= pods;
	if (dots == 0)
		return xasprintf("%s.%s.svc.cluster.local", host, r->namespace);
	return dots == 1 ? xasprintf("%s.svc.cluster.local", host) : xstrdup(host);
}

struct resolved *resolver_follow(struct resolver *r, const char *host)
{
	auto_free char *name = full_name(r, host);
	struct resolved *n;

	vec_foreach (&r->names, it) {
		if (str_eq((*it)->name, name))
			return *it;
	}
	n = xcalloc(1, sizeof(*n));
	n->resolver = r;
	n->name = TAKE(name);
	n->timer = loop_timer_new(r->loop, ask, n);
	vec_push(&r->names, n);
	if (inet_pton(AF_INET, host, &n->addresses[0]) == 1)
		n->n = 1;
	else
		ask(n);
	return n;
}

bool resolved_pick(struct resolved *name, struct in_addr *ret_addr)
{
	if (!name->n)
		return false;
	*ret_addr = name->addresses[name->turn++ % name->n];
	return true;
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	vec_foreach (&r->names, it) {
		loop_timer_free((*it)->timer);
		free((*it)->name);
		free(*it);
	}
	vec_release(&r->names);
	loop_fd_free(r->source);
	if (r->fd >= 0)
		close(r->fd);
	free(r);
}
