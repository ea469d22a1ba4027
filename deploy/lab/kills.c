/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/kills.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/str.h"

/* Envoy's own times have milliseconds. */
#define TICK_NS          INT64_C(1000000)
#define ACCESS_LOG_BYTES (64u << 20)

const char *kill_what_name(enum kill_what what)
{
	return what == KILL_SIDECAR ? "sidecar" : "workload";
}

static int64_t earliest(int64_t a, int64_t b)
{
	return !a ? b : !b ? a : MIN(a, b);
}

static bool overlaps(int64_t from, int64_t until, const struct kill_incident *i)
{
	return i->ended_ns >= from && (!until || i->began_ns <= until);
}

/*
 * What the pod itself asked for. A client that was killed leaves requests unfinished, and asks
 * anew through whole things; one whose sidecar was killed has no way out until it is whole again.
 */
static bool was_client(const struct kill_record *k, const struct kill_incident *i)
{
	if (!str_eq(k->namespace, i->namespace) || !str_eq(k->pod, i->pod) ||
	    i->unfinished != (k->what == KILL_WORKLOAD))
		return false;
	if (i->unfinished)
		return k->noticed_ns >= i->began_ns;
	return overlaps(k->killed_ns, earliest(k->ready_ns, k->gone_ns), i);
}

/* What was sent to the pod: until it is whole again, or nobody sends to it any more. */
static bool was_server(const struct kill_record *k, const struct kill_incident *i)
{
	int64_t out = k->out_ns ? k->out_ns + KILLS_FOLLOW_NS : 0;
	int64_t until = earliest(out, earliest(k->ready_ns, k->gone_ns));

	if (i->unfinished || !overlaps(k->killed_ns, until, i))
		return false;
	if (i->server)
		return str_eq(k->pod, i->server);
	return i->server_address && str_eq(k->address, i->server_address);
}

static bool was_outage(const struct kill_outage *o, const struct kill_incident *i)
{
	return i->nowhere && !i->unfinished && str_eq(o->namespace, i->service_namespace) &&
	       str_eq(o->service, i->service) &&
	       overlaps(o->from_ns, o->until_ns ? o->until_ns + KILLS_FOLLOW_NS : 0, i);
}

struct kill_record *kills_blame(const struct kill_log *log, const struct kill_incident *i)
{
	for (size_t n = 0; n < log->kills.n; n++)
		if (was_client(&log->kills.items[n], i) || was_server(&log->kills.items[n], i))
			return &log->kills.items[n];
	for (size_t n = 0; n < log->outages.n; n++)
		if (was_outage(&log->outages.items[n], i))
			return &log->kills.items[log->outages.items[n].kill];
	return NULL;
}

void kill_log_release(struct kill_log *log)
{
	vec_release(&log->kills);
	vec_release(&log->outages);
}

/* --- where a sidecar sent it --- */

/* "10.244.1.7:8080" to "10.244.1.7"; NULL for "-" and its like. */
static const char *host_of(struct arena *a, const char *address)
{
	const char *colon = address ? strrchr(address, ':') : NULL;

	return colon ? arena_strndup(a, address, (size_t)(colon - address)) : NULL;
}

static bool came_from(const struct doc *line, uint16_t port)
{
	const char *from = doc_str(doc_get(line, "downstream_remote_address"));
	const char *colon = from ? strrchr(from, ':') : NULL;

	return colon && strtoul(colon + 1, NULL, 10) == port;
}

static bool line_fits(const struct doc *line, uint16_t port, int64_t began_ns, int64_t ended_ns,
		      int64_t *ret_start)
{
	const struct doc *d = doc_get(line, "duration");
	int64_t ms = doc_str(d) ? strtoll(doc_str(d), NULL, 10) : doc_int_or(d, 0);

	return came_from(line, port) &&
	       clock_parse_rfc3339(str_or_empty(doc_str(doc_get(line, "start_time"))), ret_start) ==
		       0 &&
	       *ret_start <= ended_ns + TICK_NS &&
	       *ret_start + (ms + 1) * TICK_NS + TICK_NS >= began_ns;
}

bool kills_route(struct arena *a, const char *text, size_t n, uint16_t port, int64_t began_ns,
		 int64_t ended_ns, struct kill_route *ret_route)
{
	auto_free char *needle = xasprintf(":%u\"", port);
	const char *end = text + n;
	int64_t start, latest = 0;

	for (const char *line = text, *next; line < end; line = next) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		size_t len = (size_t)((stop ? stop : end) - line);
		struct doc *d;

		next = stop ? stop + 1 : end;
		if (!memmem(line, len, needle, strlen(needle)) ||
		    doc_read_json(a, line, len, "access log", &d, NULL) < 0 ||
		    !line_fits(d, port, began_ns, ended_ns, &start) || start < latest)
			continue;
		latest = start;
		ret_route->address = host_of(a, doc_str(doc_get(d, "upstream_host")));
		ret_route->flags = str_or_empty(doc_str(doc_get(d, "response_flags")));
	}
	return latest != 0;
}

/* --- a list of them --- */

enum { MAX_LINES_KEPT = 4 };

/* What the sidecar's log has of that port, for whoever wonders why nobody is to blame. */
static void keep_lines(struct arena *a, struct doc *d, const struct strbuf *text, uint16_t port)
{
	auto_free char *needle = xasprintf(":%u\"", port);
	struct doc *list = doc_set_list(a, d, "sidecar_log");
	const char *line = strbuf_cstr(text), *stop;

	for (; *line && doc_len(list) < MAX_LINES_KEPT; line = *stop ? stop + 1 : stop) {
		stop = line + strcspn(line, "\n");
		if (memmem(line, (size_t)(stop - line), needle, strlen(needle)))
			doc_append(a, list, doc_stringf(a, "%.*s", (int)(stop - line), line));
	}
}

static void ask_sidecar(struct arena *a, struct doc *d, struct kill_incident *i, const char *dir)
{
	auto_free char *path = xasprintf("%s/%s_%s.proxy", dir, i->namespace, i->pod);
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	const uint16_t port = (uint16_t)doc_int_or(doc_get(d, "port"), 0);
	struct kill_route route;

	if (io_read_file(path, ACCESS_LOG_BYTES, &text, NULL) < 0)
		return;
	if (!kills_route(a, strbuf_cstr(&text), text.len, port, i->began_ns, i->ended_ns, &route)) {
		keep_lines(a, d, &text, port);
		return;
	}
	i->server_address = route.address;
	i->nowhere = !route.address;
	doc_set_string(a, d, "flags", route.flags);
	if (route.address)
		doc_set_string(a, d, "server_address", route.address);
}

static void blame(struct kill_log *log, struct arena *a, struct doc *d, struct kill_incident *i,
		  const char *dir)
{
	struct kill_record *k = kills_blame(log, i);

	if (!k && !i->unfinished && !i->server) {
		ask_sidecar(a, d, i, dir);
		k = kills_blame(log, i);
	}
	if (!k)
		return;
	if (str_eq(doc_str(doc_get(d, "kind")), "lost"))
		k->connections++;
	else
		k->requests++;
	doc_set_int(a, d, "kill", k - log->kills.items);
}

/* "http://order-service:8080/" and "tcp://db.other:1" name Services, here and elsewhere. */
static void find_service(struct arena *a, const char *target, struct kill_incident *i)
{
	const char *host = strstr(target, "://"), *dot;
	size_t n;

	host = host ? host + 3 : target;
	n = strcspn(host, ":/");
	dot = memchr(host, '.', n);
	i->service = arena_strndup(a, host, dot ? (size_t)(dot - host) : n);
	i->service_namespace =
		dot ? arena_strndup(a, dot + 1, strcspn(dot + 1, ".:/")) : i->namespace;
}

void kills_account(struct kill_log *log, struct arena *a, struct doc *incidents, const char *dir,
		   int64_t since_ns)
{
	doc_foreach_item (incidents, d) {
		const char *client = str_or_empty(doc_str(doc_get(d, "client")));
		struct kill_incident i = {
			.namespace = arena_strndup(a, client, strcspn(client, "/")),
			.pod = str_or_empty(doc_str(doc_get(d, "pod"))),
			.server = doc_str(doc_get(d, "server")),
			.server_address = doc_str(doc_get(d, "peer")),
			/* Not even a port of its own: the socket was never sent anywhere. */
			.nowhere = doc_get(d, "port") && doc_int_or(doc_get(d, "port"), 0) == 0,
			.unfinished = doc_bool_or(doc_get(d, "unfinished"), false),
		};

		find_service(a, str_or_empty(doc_str(doc_get(d, "target"))), &i);
		/* Nothing excuses what must be refused and was not. */
		if (str_eq(doc_str(doc_get(d, "kind")), "got through") ||
		    clock_parse_rfc3339(str_or_empty(doc_str(doc_get(d, "at"))), &i.ended_ns) < 0 ||
		    clock_parse_rfc3339(str_or_empty(doc_str(doc_get(d, "began"))), &i.began_ns) <
			    0)
			continue;
		if (i.ended_ns + TICK_NS >= since_ns)
			blame(log, a, d, &i, dir);
	}
}
