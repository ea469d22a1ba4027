/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/dns/zone.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/str.h"

enum { LABELS_MAX = 8, CLASS_IN = 1, CLASS_ANY = 255 };

/* One answer being made. */
struct lookup {
	struct arena *arena;
	struct dns_answer *answer;
	const char *host; /* only the endpoint of this name; NULL: all */
	bool not_ready_too;
	bool found; /* the name exists, whatever records it has */
};

static void add_address(struct lookup *l, const char *text)
{
	struct dns_answer *a = l->answer;
	uint8_t(*more)[4];
	uint8_t raw[4];

	if (!text || inet_pton(AF_INET, text, raw) != 1 || a->n == DNS_ANSWERS_MAX)
		return;
	for (size_t i = 0; i < a->n; i++)
		if (!memcmp(a->addresses[i], raw, sizeof(raw)))
			return;
	more = arena_alloc(l->arena, (a->n + 1) * sizeof(*more));
	if (a->n)
		memcpy(more, a->addresses, a->n * sizeof(*more));
	memcpy(more[a->n++], raw, sizeof(raw));
	a->addresses = more;
}

/* "10-244-1-7" for 10.244.1.7; NULL when it is none. */
static const char *dashed_address(struct arena *a, const char *label)
{
	char *text = arena_strdup(a, label);
	uint8_t raw[4];

	for (char *p = text; *p; p++)
		if (*p == '-')
			*p = '.';
	return inet_pton(AF_INET, text, raw) == 1 ? text : NULL;
}

static bool is_host(const struct lookup *l, const struct doc *endpoint, const char *address)
{
	const char *name = doc_str(doc_get(endpoint, "hostname")), *dashed;

	if (!l->host)
		return true;
	if (!str_empty(name))
		return str_eq(name, l->host);
	dashed = dashed_address(l->arena, l->host);
	return dashed && str_eq(dashed, address);
}

static void add_slice(void *arg, const struct doc *slice)
{
	struct lookup *l = arg;

	doc_foreach_item (doc_get(slice, "endpoints"), e) {
		if (!l->not_ready_too && !doc_bool_or(doc_find(e, "conditions.ready"), true))
			continue;
		doc_foreach_item (doc_get(e, "addresses"), address) {
			if (!is_host(l, e, doc_str(address)))
				continue;
			l->found = true;
			add_address(l, doc_str(address));
		}
	}
}

/*
 * _pods.SERVICE.NAMESPACE.svc: the address of every pod behind a Service, ready or not, as an
 * intruder would know it who looked the pods up. No object can have a name with an underscore.
 */
static void all_pods(struct lookup *l, const struct zone_source *src, const char *service,
		     const char *ns)
{
	l->found = src->service(src->arg, ns, service) != NULL;
	l->not_ready_too = true;
	if (l->found)
		src->slices(src->arg, ns, service, add_slice, l);
}

/* SERVICE.NAMESPACE.svc, with the name of one endpoint before it or without. */
static void service_name(struct lookup *l, const struct zone_source *src, const char *host,
			 const char *service, const char *ns)
{
	const struct doc *d = src->service(src->arg, ns, service);
	const char *ip = doc_find_str(d, "spec.clusterIP");

	if (!d)
		return;
	/* _pods.SERVICE.NAMESPACE: every pod behind it, so that an intruder can go round the
	 * Service. */
	if (str_eq(host, "_pods")) {
		l->found = l->not_ready_too = true;
		src->slices(src->arg, ns, service, add_slice, l);
		return;
	}
	l->host = host;
	l->not_ready_too = doc_bool_or(doc_find(d, "spec.publishNotReadyAddresses"), false);
	if (str_eq(doc_find_str(d, "spec.type"), "ExternalName")) {
		l->found = !host;
		if (!host)
			snprintf(l->answer->alias, sizeof(l->answer->alias), "%s",
				 str_or_empty(doc_find_str(d, "spec.externalName")));
		return;
	}
	if (!host && !str_empty(ip) && !str_eq(ip, "None")) {
		l->found = true;
		add_address(l, ip);
		return;
	}
	l->found = !host;
	src->slices(src->arg, ns, service, add_slice, l);
}

static size_t split(struct arena *a, const char *name, const char **labels)
{
	size_t n = 0;

	while (*name) {
		size_t len = strcspn(name, ".");

		if (n == LABELS_MAX)
			return 0;
		labels[n++] = arena_strndup(a, name, len);
		name += len + (name[len] == '.');
	}
	return n;
}

/* labels are those left of cluster.local. */
static void resolve(struct lookup *l, const struct zone_source *src, const char **labels, size_t n)
{
	const char *kind = n ? labels[n - 1] : NULL;

	if (!n) {
		l->found = true;
	} else if (str_eq(kind, "svc")) {
		if (n == 1)
			l->found = true;
		else if (n == 2)
			l->found = src->has_namespace(src->arg, labels[0]);
		else if (n == 3)
			service_name(l, src, NULL, labels[0], labels[1]);
		else if (n == 4 && str_eq(labels[0], ZONE_ALL_PODS))
			all_pods(l, src, labels[1], labels[2]);
		else if (n == 4)
			service_name(l, src, labels[0], labels[1], labels[2]);
	} else if (str_eq(kind, "pod") && n == 3) {
		const char *address = dashed_address(l->arena, labels[0]);

		l->found = address && src->has_namespace(src->arg, labels[1]);
		if (l->found)
			add_address(l, address);
	}
}

/* The part left of cluster.local, "" for the domain itself, NULL outside of it. */
static const char *inside(struct arena *a, const char *name)
{
	size_t n = strlen(name), m = strlen(ZONE_DOMAIN);

	if (str_eq(name, ZONE_DOMAIN))
		return "";
	if (n <= m || name[n - m - 1] != '.' || strcmp(name + n - m, ZONE_DOMAIN))
		return NULL;
	return arena_strndup(a, name, n - m - 1);
}

void zone_answer(struct arena *a, const struct zone_source *source, const struct dns_query *q,
		 struct dns_answer *ret)
{
	struct lookup l = {.arena = a, .answer = ret};
	const char *labels[LABELS_MAX], *left = inside(a, q->name);

	memset(ret, 0, sizeof(*ret));
	ret->ttl = ZONE_TTL;
	ret->zone = left ? ZONE_DOMAIN : NULL;
	ret->authoritative = left != NULL;
	if (q->opcode || (q->class != CLASS_IN && q->class != CLASS_ANY)) {
		ret->code = DNS_NOT_DONE;
		return;
	}
	if (left)
		resolve(&l, source, labels, split(a, left, labels));
	if (!l.found)
		ret->code = DNS_NO_NAME;
	if (q->type != DNS_A && q->type != CLASS_ANY)
		ret->n = 0; /* the name exists, records of that type do not */
}
