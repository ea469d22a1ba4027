/* SPDX-License-Identifier: Apache-2.0 */
/* Reading, summing and subtracting what clients and servers counted. */
#include "deploy/lab/counts.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "deploy/lab/ledger.h"
#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/str.h"

static void add_map(struct arena *a, struct doc *sum, const struct doc *more, int64_t sign)
{
	doc_foreach_entry (more, e) {
		int64_t n = doc_int_or(doc_get(sum, e->key), 0) + sign * doc_int_or(e->value, 0);

		doc_set_int(a, sum, e->key, n);
	}
}

static void add_bucket(struct count_edge *e, int64_t upper, int64_t n)
{
	size_t at = 0;

	while (at < e->n_latency && e->latency[at].upper_us < upper)
		at++;
	if (at < e->n_latency && e->latency[at].upper_us == upper) {
		e->latency[at].n += n;
		return;
	}
	if (e->n_latency == COUNTS_BUCKETS)
		return;
	memmove(&e->latency[at + 1], &e->latency[at], (e->n_latency - at) * sizeof(e->latency[0]));
	e->latency[at] = (struct count_bucket){upper, n};
	e->n_latency++;
}

static struct count_edge *find_edge(struct counts *c, const char *client, const char *target,
				    const char *how)
{
	vec_foreach (&c->edges, e) {
		if (str_eq(e->client, client) && str_eq(e->target, target) && str_eq(e->how, how))
			return e;
	}
	return NULL;
}

static struct count_edge *ensure_edge(struct counts *c, const char *client, const struct doc *d)
{
	const char *target = str_or_empty(doc_str(doc_get(d, "target")));
	const char *how = str_or_empty(doc_str(doc_get(d, "how")));
	struct count_edge *e = find_edge(c, client, target, how);

	if (e)
		return e;
	e = vec_add(&c->edges);
	e->client = arena_strdup(&c->arena, client);
	e->target = arena_strdup(&c->arena, target);
	e->how = arena_strdup(&c->arena, how);
	e->refuse = str_eq(doc_str(doc_get(d, "expect")), "refuse");
	e->kinds = doc_map(&c->arena);
	e->forms = doc_map(&c->arena);
	return e;
}

static void add_edge(struct counts *c, const char *client, const char *pod, const struct doc *d)
{
	struct count_edge *e = ensure_edge(c, client, d);

	e->sent += doc_int_or(doc_get(d, "sent"), 0);
	e->ok += doc_int_or(doc_get(d, "ok"), 0);
	e->refused += doc_int_or(doc_get(d, "refused"), 0);
	e->refused_missing += doc_int_or(doc_get(d, "refused_missing"), 0);
	e->failed += doc_int_or(doc_get(d, "failed"), 0);
	add_map(&c->arena, e->kinds, doc_get(d, "kinds"), 1);
	add_map(&c->arena, e->forms, doc_get(d, "forms"), 1);
	doc_foreach_item (doc_get(d, "latency_us"), b)
		add_bucket(e, doc_int_or(doc_at(b, 0), 0), doc_int_or(doc_at(b, 1), 0));
	doc_foreach_item (doc_get(d, "recent"), r) {
		struct doc *copy = doc_clone(&c->arena, r);

		doc_set_string(&c->arena, copy, "client", client);
		doc_set_string(&c->arena, copy, "target", e->target);
		doc_set_string(&c->arena, copy, "how", e->how);
		doc_set_string(&c->arena, copy, "pod", pod);
		doc_append(&c->arena, c->recent, copy);
	}
}

static void add_served(struct counts *c, const char *server, const struct doc *d)
{
	const char *client = str_or_empty(doc_str(doc_get(d, "client")));
	int64_t port = doc_int_or(doc_get(d, "port"), 0);
	int64_t requests = doc_int_or(doc_get(d, "requests"), 0);
	struct count_served *s;

	vec_foreach (&c->served, it) {
		if (str_eq(it->server, server) && str_eq(it->client, client) && it->port == port) {
			it->requests += requests;
			return;
		}
	}
	s = vec_add(&c->served);
	s->server = arena_strdup(&c->arena, server);
	s->client = arena_strdup(&c->arena, client);
	s->port = port;
	s->requests = requests;
}

static void add_file(struct counts *c, const struct doc *d)
{
	const char *who =
		arena_printf(&c->arena, "%s/%s", str_or_empty(doc_str(doc_get(d, "namespace"))),
			     str_or_empty(doc_str(doc_get(d, "workload"))));

	doc_foreach_item (doc_get(d, "edges"), e)
		add_edge(c, who, str_or_empty(doc_str(doc_get(d, "pod"))), e);
	doc_foreach_item (doc_get(d, "served"), s)
		add_served(c, who, s);
	doc_foreach_item (doc_get(d, "long_lived"), l) {
		c->long_lived += doc_int_or(doc_get(l, "opened"), 0);
		c->ended_with_pod += doc_int_or(doc_get(l, "ended_with_pod"), 0);
		c->lost += doc_int_or(doc_get(l, "lost"), 0);
	}
	c->files++;
}

static void add_unfinished(struct arena *a, struct doc *edge, const char *kind, int64_t n,
			   int64_t begun_wall_ns)
{
	struct doc *recent = doc_get(edge, "recent");
	char when[CLOCK_RFC3339_SIZE];

	if (!recent)
		recent = doc_set_list(a, edge, "recent");
	for (; n > 0; n--) {
		struct doc *one = doc_append(a, recent, doc_map(a));

		doc_set_string(a, one, "at", clock_rfc3339(begun_wall_ns, 6, when));
		doc_set_string(a, one, "began", clock_rfc3339(begun_wall_ns, 6, when));
		doc_set_string(a, one, "kind", kind);
		doc_set_string(a, one, "detail", "the client itself was ended");
		doc_set_bool(a, one, "unfinished", true);
	}
}

/* What a client that is no more had on its way: nobody can say how it would have gone. */
static void end_flow(struct arena *a, struct doc *edge, struct ledger_flow *f)
{
	int64_t begun = f->sent - f->ok - f->refused - f->refused_missing - f->failed;
	int64_t open = f->opened - f->ended_with_pod - f->lost;
	struct doc *kinds = doc_get(edge, "kinds");

	if (begun > 0) {
		if (!kinds)
			kinds = doc_set_map(a, edge, "kinds");
		doc_set_int(a, kinds, "unfinished", begun);
		f->failed += begun;
		add_unfinished(a, edge, "unfinished", begun, f->begun_wall_ns);
	}
	if (open > 0) {
		f->lost += open;
		add_unfinished(a, edge, "lost", open, f->begun_wall_ns);
	}
}

static void set_flow(struct arena *a, struct doc *edge, struct doc *held,
		     const struct ledger_flow *f)
{
	doc_set_int(a, edge, "sent", f->sent);
	doc_set_int(a, edge, "ok", f->ok);
	doc_set_int(a, edge, "refused", f->refused);
	doc_set_int(a, edge, "refused_missing", f->refused_missing);
	doc_set_int(a, edge, "failed", f->failed);
	if (!held)
		return;
	doc_set_int(a, held, "opened", f->opened);
	doc_set_int(a, held, "ended_with_pod", f->ended_with_pod);
	doc_set_int(a, held, "lost", f->lost);
}

/* The file is up to a second old; what is mapped beside it is not, and outlives a kill. */
static void update_from_ledger(struct arena *a, struct doc *d, struct ledger *l, bool ended)
{
	struct doc *served = doc_set(a, d, "served", doc_list(a)), *edges = doc_get(d, "edges");
	size_t n_held = 0;

	for (uint32_t i = 0; i < l->n_flows && i < doc_len(edges); i++) {
		struct doc *edge = doc_at(edges, i), *held = NULL;

		if (str_eq(doc_str(doc_get(edge, "how")), "hold"))
			held = doc_at(doc_get(d, "long_lived"), n_held++);
		if (ended)
			end_flow(a, edge, &l->flows[i]);
		set_flow(a, edge, held, &l->flows[i]);
	}
	for (uint32_t i = 0; i < l->n_served; i++) {
		struct doc *one = doc_append(a, served, doc_map(a));

		doc_set_int(a, one, "port", l->served[i].port);
		doc_set_string(a, one, "client", l->served[i].client);
		doc_set_int(a, one, "requests", l->served[i].requests);
	}
}

static void use_ledger(struct arena *a, struct doc *d, const char *path)
{
	struct ledger *l = arena_new(a, struct ledger);
	bool ended;

	if (!doc_bool_or(doc_get(d, "final"), false) && ledger_read(path, l, &ended, NULL) == 0)
		update_from_ledger(a, d, l, ended);
}

static int read_file(struct counts *c, const char *path, struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	struct arena a = ARENA_INIT;
	struct doc *d;
	int r = io_read_file(path, COUNTS_FILE_BYTES, &text, err);

	if (!r)
		r = doc_read_json(&a, strbuf_cstr(&text), text.len, path, &d, err);
	if (!r) {
		use_ledger(&a, d, path);
		add_file(c, d);
	}
	arena_release(&a);
	return r;
}

static int is_count(const struct dirent *d)
{
	return str_ends(d->d_name, ".json") && d->d_name[0] != '.';
}

static int by_names(const void *x, const void *y)
{
	const struct count_edge *a = x, *b = y;
	int r = strcmp(a->client, b->client);

	if (!r)
		r = strcmp(a->target, b->target);
	return r ? r : strcmp(a->how, b->how);
}

int counts_read(const char *dir, struct counts *out, struct error *err)
{
	struct dirent **list = NULL;
	int n = scandir(dir, &list, is_count, alphasort);
	int r = 0;

	*out = (struct counts){0};
	out->recent = doc_list(&out->arena);
	if (n < 0)
		return error_errno(err, -errno, "read folder %s", dir);
	for (int i = 0; i < n; i++) {
		auto_free char *path = xasprintf("%s/%s", dir, list[i]->d_name);

		if (!r && (unsigned)i < COUNTS_MAX_FILES)
			r = read_file(out, path, err);
		free(list[i]);
	}
	free(list);
	vec_sort(&out->edges, by_names);
	return r;
}

void counts_release(struct counts *c)
{
	vec_release(&c->edges);
	vec_release(&c->served);
	arena_release(&c->arena);
}

const struct count_edge *counts_find(const struct counts *c, const struct count_edge *like)
{
	for (size_t i = 0; i < c->edges.n; i++)
		if (by_names(&c->edges.items[i], like) == 0)
			return &c->edges.items[i];
	return NULL;
}

static void subtract(struct arena *a, struct count_edge *e, const struct count_edge *b)
{
	e->sent -= b->sent;
	e->ok -= b->ok;
	e->refused -= b->refused;
	e->refused_missing -= b->refused_missing;
	e->failed -= b->failed;
	add_map(a, e->kinds, b->kinds, -1);
	add_map(a, e->forms, b->forms, -1);
	for (size_t i = 0; i < b->n_latency; i++)
		add_bucket(e, b->latency[i].upper_us, -b->latency[i].n);
}

static int64_t served_before(const struct counts *before, const struct count_served *s)
{
	for (size_t i = 0; i < before->served.n; i++) {
		const struct count_served *b = &before->served.items[i];

		if (str_eq(b->server, s->server) && str_eq(b->client, s->client) &&
		    b->port == s->port)
			return b->requests;
	}
	return 0;
}

void counts_since(const struct counts *now, const struct counts *before, struct counts *out)
{
	/* What was open then and stays open is one of them, too. */
	const int64_t over = before->ended_with_pod + before->lost;

	*out = (struct counts){.long_lived = now->long_lived - over,
			       .ended_with_pod = now->ended_with_pod - before->ended_with_pod,
			       .lost = now->lost - before->lost,
			       .recent = now->recent,
			       .files = now->files};
	for (size_t i = 0; i < now->edges.n; i++) {
		struct count_edge e = now->edges.items[i];
		const struct count_edge *b = counts_find(before, &e);

		e.kinds = doc_clone(&out->arena, e.kinds);
		e.forms = doc_clone(&out->arena, e.forms);
		if (b)
			subtract(&out->arena, &e, b);
		vec_push(&out->edges, e);
	}
	for (size_t i = 0; i < now->served.n; i++) {
		struct count_served s = now->served.items[i];

		s.requests -= served_before(before, &s);
		vec_push(&out->served, s);
	}
}

struct count_totals counts_total(const struct counts *c)
{
	struct count_totals t = {0};

	for (size_t i = 0; i < c->edges.n; i++) {
		const struct count_edge *e = &c->edges.items[i];

		t.sent += e->sent;
		t.ok += e->ok;
		t.refused += e->refused;
		t.refused_missing += e->refused_missing;
		t.failed += e->failed;
	}
	return t;
}

double counts_latency_ms(const struct counts *c, double share, const char *how)
{
	struct count_edge all = {0};
	int64_t total = 0, seen = 0;

	for (size_t i = 0; i < c->edges.n; i++) {
		const struct count_edge *e = &c->edges.items[i];

		if (e->refuse || (how && !str_eq(how, e->how)))
			continue;
		for (size_t b = 0; b < e->n_latency; b++) {
			add_bucket(&all, e->latency[b].upper_us, e->latency[b].n);
			total += e->latency[b].n;
		}
	}
	for (size_t b = 0; total && b < all.n_latency; b++) {
		seen += all.latency[b].n;
		if ((double)seen >= share * (double)total)
			return (double)all.latency[b].upper_us / 1000;
	}
	return -1;
}

/* The first label of the host of "scheme://HOST.NAMESPACE:PORT/...", past "_pods.". */
static const char *target_host(struct arena *a, const char *target)
{
	const char *host = strstr(target, "://");

	host = host ? host + 3 : target;
	if (str_starts(host, "_pods."))
		host += strlen("_pods.");
	return arena_strndup(a, host, strcspn(host, ".:/"));
}

/* A Service's pods are those of the workloads whose name begins with its name. */
static int64_t served_for(const struct counts *c, const char *client, const char *host)
{
	int64_t n = 0;

	for (size_t i = 0; i < c->served.n; i++) {
		const struct count_served *s = &c->served.items[i];
		const char *name = strchr(s->server, '/');

		if (str_eq(s->client, client) && name && str_starts(name + 1, host))
			n += s->requests;
	}
	return n;
}

struct conversation {
	const char *client, *host;
	int64_t ok, sent;
	int64_t got_through; /* what must be refused */
	bool passes;         /* some of it must pass */
};

/* Sums over ports and ways of connecting: a server cannot tell them apart. */
static void add_conversation(struct conversation *list, size_t *n, const struct count_edge *e,
			     const char *host)
{
	size_t i = 0;

	while (i < *n && !(str_eq(list[i].client, e->client) && str_eq(list[i].host, host)))
		i++;
	if (i == *n)
		list[(*n)++] = (struct conversation){.client = e->client, .host = host};
	list[i].got_through += e->refused_missing;
	if (e->refuse)
		return;
	list[i].passes = true;
	list[i].ok += e->ok;
	list[i].sent += e->sent;
}

/* Does a client call, and may it, what serves another conversation of its own? */
static bool may_call(const struct conversation *talks, size_t n, const struct conversation *t)
{
	for (size_t i = 0; i < n; i++)
		if (talks[i].passes && str_eq(talks[i].client, t->client) &&
		    (str_starts(talks[i].host, t->host) || str_starts(t->host, talks[i].host)))
			return true;
	return false;
}

static void add_mismatch(struct arena *a, struct doc *list, const struct conversation *t,
			 const char *what, int64_t n, int64_t served)
{
	struct doc *one = doc_append(a, list, doc_map(a));

	doc_set_string(a, one, "client", t->client);
	doc_set_string(a, one, "server", t->host);
	doc_set_int(a, one, what, n);
	doc_set_int(a, one, "served", served);
}

struct doc *counts_mismatches(struct arena *a, const struct counts *c, int64_t *ret_retries)
{
	struct conversation *talks = arena_array(a, c->edges.n, struct conversation);
	struct doc *list = doc_list(a);
	size_t n = 0;

	*ret_retries = 0;
	for (size_t i = 0; i < c->edges.n; i++)
		add_conversation(talks, &n, &c->edges.items[i],
				 target_host(a, c->edges.items[i].target));
	for (size_t i = 0; i < n; i++) {
		const struct conversation *t = &talks[i];
		int64_t served = served_for(c, t->client, t->host);

		if (t->passes) {
			*ret_retries += served > t->sent ? served - t->sent : 0;
			if (served < t->ok)
				add_mismatch(a, list, t, "ok", t->ok, served);
		} else if (served > t->got_through && !may_call(talks, n, t)) {
			add_mismatch(a, list, t, "got_through", t->got_through, served);
		}
	}
	return list;
}
