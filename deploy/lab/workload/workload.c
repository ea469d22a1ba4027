/* SPDX-License-Identifier: Apache-2.0 */
/* The role `workload`: servers, clients, counts and the end. */
#include "deploy/lab/workload/workload.h"

#include <arpa/inet.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/str.h"

enum { WRITE_MS = 1000, WRITE_SOON_MS = 20, END_CHECK_MS = 50, LINGER_MS = 3000 };

struct run {
	struct workload w;
	struct loop_timer *end_timer;
	uint64_t ended_ns;
};

static void write_counts(struct run *r, bool final)
{
	struct workload *w = &r->w;
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	struct arena a = ARENA_INIT;
	struct doc *d = doc_map(&a), *edges, *long_lived;

	if (!w->counts_path)
		return;
	doc_set_string(&a, d, "namespace", w->namespace);
	doc_set_string(&a, d, "workload", w->name);
	doc_set_string(&a, d, "pod", w->pod);
	doc_set_bool(&a, d, "final", final);
	edges = doc_set_list(&a, d, "edges");
	long_lived = doc_set_list(&a, d, "long_lived");
	clients_count(w->clients, &a, edges, long_lived);
	servers_count(w->servers, &a, doc_set_list(&a, d, "served"));
	doc_write_json(d, DOC_COMPACT, &text);
	io_write_file_atomic(w->counts_path, text.buf, text.len, 0644, NULL);
	arena_release(&a);
}

static void on_write(void *arg)
{
	struct run *r = arg;

	write_counts(r, false);
	loop_timer_set(r->w.write_timer, WRITE_MS * NS_PER_MS);
}

void workload_write_soon(struct workload *w)
{
	loop_timer_set(w->write_timer, WRITE_SOON_MS * NS_PER_MS);
}

/*
 * Ended when nothing of ours is on its way and nobody is connected. A proxy's idle connections
 * never end by themselves: who has asked nothing for longer than any client's period asks no more.
 */
static void check_end(void *arg)
{
	struct run *r = arg;
	uint64_t since = loop_now_ns(r->w.loop) - r->ended_ns;

	if ((clients_idle(r->w.clients) && servers_connections(r->w.servers) == 0) ||
	    since > LINGER_MS * NS_PER_MS) {
		loop_stop(r->w.loop);
		return;
	}
	loop_timer_set(r->end_timer, END_CHECK_MS * NS_PER_MS);
}

static void on_term(void *arg, UNUSED int signo)
{
	struct run *r = arg;

	if (r->w.ending)
		return;
	r->w.ending = true;
	r->ended_ns = loop_now_ns(r->w.loop);
	clients_end(r->w.clients);
	servers_end(r->w.servers);
	/* Not at once: who connected a moment ago is still to be heard. */
	loop_timer_set(r->end_timer, 4 * END_CHECK_MS * NS_PER_MS);
}

/* "order-service-7c9f6d5b4-x2x9z" is of order-service: a pod's name minus two hashes. */
static const char *workload_name(struct arena *a, const char *pod)
{
	char *name = arena_strdup(a, pod);

	for (int i = 0; i < 2; i++) {
		char *dash = strrchr(name, '-');

		if (dash)
			*dash = '\0';
	}
	return name;
}

static void find_ourselves(struct workload *w)
{
	struct arena *a = &w->arena;
	const char *counts = getenv("SIDESTEP_LAB_COUNTS");

	w->pod = arena_strdup(a, getenv("POD_NAME"));
	w->namespace = arena_strdup(a, getenv("POD_NAMESPACE"));
	if (str_empty(w->pod))
		w->pod = "pod";
	if (str_empty(w->namespace))
		w->namespace = "default";
	w->name = workload_name(a, w->pod);
	w->client = arena_printf(a, "%s/%s", w->namespace, w->name);
	if (str_empty(counts))
		return;
	w->counts_path = arena_strdup(a, counts);
	w->pause_path = arena_printf(a, "%s/pause", dirname(arena_strdup(a, counts)));
}

static int serve(struct run *r, struct error *err)
{
	struct workload *w = &r->w;
	int code;

	code = ledger_open(w->counts_path, &w->ledger, err);
	if (code)
		return code;
	w->loop = loop_new(NULL);
	w->resolver = resolver_new(w->loop, w->namespace);
	r->w.write_timer = loop_timer_new(w->loop, on_write, r);
	r->end_timer = loop_timer_new(w->loop, check_end, r);
	loop_signal_new(w->loop, SIGTERM, on_term, r);
	loop_signal_new(w->loop, SIGINT, on_term, r);
	code = servers_start(w, err);
	if (!code)
		code = clients_start(w, err);
	if (!code) {
		on_write(r);
		code = loop_run(w->loop, err);
		write_counts(r, true);
	}
	clients_free(w->clients);
	servers_free(w->servers);
	resolver_free(w->resolver);
	loop_free(w->loop);
	return code;
}

/* The readiness probe: do the servers of this pod accept? */
static int probe_port(int64_t port, struct error *err)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return error_errno(err, -errno, "port %lld", (long long)port);
	return 0;
}

/* Which ports: those that listen in this network namespace (field 2 and 4 of /proc/net/tcp). */
static int probe(struct error *err)
{
	FILE *f = fopen("/proc/net/tcp", "re");
	char line[256];
	int r = 0, found = 0;

	if (!f)
		return error_errno(err, -errno, "open /proc/net/tcp");
	while (!r && fgets(line, sizeof(line), f)) {
		unsigned address, port, state;

		if (sscanf(line, " %*d: %x:%x %*x:%*x %x", &address, &port, &state) != 3 ||
		    state != 10 || address != 0 || port >= 15000)
			continue;
		r = probe_port(port, err);
		found++;
	}
	fclose(f);
	if (!r && !found)
		return error_set(err, -EAGAIN, "nothing listens yet");
	return r;
}

int lab_workload_main(const struct cli_call *call, struct error *err)
{
	struct run r = {.w = {.options = call->opts}};
	int code;

	if (r.w.options->probe)
		return probe(err);
	find_ourselves(&r.w);
	code = serve(&r, err);
	arena_release(&r.w.arena);
	return code;
}
