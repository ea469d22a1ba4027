/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that begin requests on a schedule and count what becomes of each; nothing is repeated. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "deploy/lab/workload/tally.h"
#include "deploy/lab/workload/workload.h"
#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/net/addr.h"
#include "lib/net/sock_end.h"

enum how { HOW_FRESH, HOW_KEPT, HOW_HOLD };
static const char *const how_names[] = {"fresh", "kept", "hold"};

/* A request that must pass has this long; one that must be refused is refused by silence earlier.
 */
enum { PASS_TIMEOUT_MS = 5000, HOLD_TIMEOUT_MS = 3000, REFUSE_TIMEOUT_MS = 1500 };
enum { MAX_ANSWER = 65536, PAUSE_CHECK_MS = 200 };

struct line;

struct flow {
	struct clients *clients;
	const char *target, *host, *path;
	uint16_t port;
	enum protocol protocol;
	enum how how;
	bool refuse;
	struct resolved *address;
	struct loop_timer *timer;
	uint64_t due_ns, period_ns;
	uint64_t seq;
	int64_t held; /* HOW_HOLD: so many connections */
	struct line *lines;
	struct ledger_flow *n;
	struct tally tally;
};

/* One connection. */
struct line {
	struct flow *flow;
	int fd;
	struct loop_fd *source;
	struct loop_timer *timer;
	struct strbuf in, out;
	uint64_t due_ns, seq;
	int64_t opened_wall, begun_wall;
	uint64_t cookie;
	uint16_t port;
	char server[POD_NAME_SIZE]; /* a TCP connection's other end, as it said itself */
	bool busy;                  /* a request is on its way */
	bool greeted;               /* server-first: its greeting came */
	bool answered;              /* at least once */
	struct line *next;
};

struct clients {
	struct workload *w;
	VEC(struct flow *) flows;
	bool ending, paused;
	struct loop_timer *pause_timer;
	struct net_sock_ends *ends;
	struct loop_fd *ends_source;
};

static void note(struct line *l, const char *kind, const char *detail)
{
	struct flow *f = l->flow;
	struct incident *i = tally_incident(&f->tally);

	i->kind = kind;
	i->cookie = l->cookie;
	i->port = l->port;
	i->wall_ns = clock_wall_ns(clock_system());
	i->began_wall = l->busy ? l->begun_wall : i->wall_ns;
	snprintf(i->detail, sizeof(i->detail), "%s", detail);
	snprintf(i->server, sizeof(i->server), "%s", l->server);
	workload_write_soon(f->clients->w);
}

/* A socket of ours is no more: where it led, if something went wrong on it. */
static void on_sock_end(void *arg, const struct net_sock_end *end)
{
	const struct clients *c = arg;
	struct in_addr peer = {htonl(net_addr_to_v4(&end->peer))};

	vec_foreach (&c->flows, it)
		if (tally_peer(&(*it)->tally, end->cookie, peer))
			workload_write_soon(c->w);
}

static void on_ends(void *arg, UNUSED unsigned ready)
{
	struct clients *c = arg;

	net_sock_ends_read(c->ends, on_sock_end, c, NULL);
}

/* --- lines --- */

static void line_free(struct line *l)
{
	struct line **link = &l->flow->lines;

	while (*link != l)
		link = &(*link)->next;
	*link = l->next;
	loop_timer_free(l->timer);
	loop_fd_free(l->source);
	if (l->fd >= 0)
		close(l->fd);
	strbuf_release(&l->in);
	strbuf_release(&l->out);
	free(l);
}

/* A request's end. kind: how it failed, or in which form it was refused; NULL: the right answer. */
static void settle(struct line *l, const char *kind, const char *detail)
{
	struct flow *f = l->flow;

	loop_timer_stop(l->timer);
	/* Whoever answered, it was not refused. */
	if (f->refuse && (!kind || str_eq(kind, "wrong answer"))) {
		f->n->refused_missing++;
		note(l, "got through", detail);
	} else if (!kind) {
		f->n->ok++;
		tally_latency(&f->tally, loop_now_ns(f->clients->w->loop) - l->due_ns);
	} else if (f->refuse) {
		f->n->refused++;
		tally_count(&f->tally.forms, kind);
	} else {
		f->n->failed++;
		tally_count(&f->tally.kinds, kind);
		note(l, kind, detail);
	}
	l->busy = false;
}

/* The connection is over without being asked to be. */
static void broken(struct line *l, const char *kind, const char *detail)
{
	struct flow *f = l->flow;

	if (f->how == HOW_HOLD && l->answered) {
		f->n->lost++;
		note(l, "lost", detail);
	}
	if (l->busy)
		settle(l, kind, detail);
	line_free(l);
}

/* What the peer announced, or we do ourselves: nothing is lost. */
static void done_with(struct line *l)
{
	if (l->flow->how == HOW_HOLD && l->answered)
		l->flow->n->ended_with_pod++;
	line_free(l);
}

static void on_timeout(void *arg)
{
	broken(arg, "timeout", "no answer in time");
}

static bool flush(struct line *l)
{
	while (l->out.len) {
		ssize_t n = send(l->fd, l->out.buf, l->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == ENOTCONN))
			break;
		if (n < 0) {
			broken(l, errno == ECONNRESET || errno == EPIPE ? "reset" : "error",
			       strerror(errno));
			return false;
		}
		strbuf_consume(&l->out, (size_t)n);
	}
	loop_fd_set(l->source, LOOP_READ | (l->out.len ? LOOP_WRITE : 0));
	return true;
}

static void write_request(struct line *l)
{
	const struct flow *f = l->flow;
	const char *client = f->clients->w->client;

	if (f->protocol == PROTOCOL_HTTP)
		strbuf_addf(&l->out,
			    "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: sidestep-workload\r\n"
			    "X-Sidestep-Client: %s\r\n%s\r\n",
			    f->path, f->host, client,
			    f->how == HOW_FRESH ? "Connection: close\r\n" : "");
	else
		strbuf_addf(&l->out, "hello %s %llu\n", client, (unsigned long long)l->seq);
}

/* 1: a whole answer, *ret_n bytes of it; 0: more must come. */
static int whole_http(const struct strbuf *in, size_t *ret_n)
{
	const char *end = in->len ? strstr(in->buf, "\r\n\r\n") : NULL;
	const char *length;
	size_t body = 0;

	if (!end)
		return 0;
	length = strcasestr(in->buf, "\r\ncontent-length:");
	if (length && length < end)
		body = strtoul(length + 17, NULL, 10);
	*ret_n = (size_t)(end + 4 - in->buf) + body;
	return in->len >= *ret_n;
}

static const char *status_form(int status)
{
	static const struct {
		int status;
		const char *name;
	} rows[] = {{403, "403"}, {404, "404"}, {500, "500"}, {502, "502"},
		    {503, "503"}, {504, "504"}, {426, "426"}, {400, "400"}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].status == status)
			return rows[i].name;
	return "other status";
}

/*
 * One kept line is enough: another, opened while this one was busy, would lie idle for longer than
 * a server that ends waits for us.
 */
static bool is_spare(const struct line *l)
{
	if (l->flow->how != HOW_KEPT)
		return false;
	for (const struct line *other = l->flow->lines; other; other = other->next)
		if (other != l && !other->busy)
			return true;
	return false;
}

static void take_http(struct line *l, size_t n)
{
	struct flow *f = l->flow;
	auto_free char *answer = xstrndup(l->in.buf, n);
	auto_free char *mine = xasprintf("client=%s\n", f->clients->w->client);
	int status = 0;
	bool closing = strcasestr(answer, "\r\nconnection: close") != NULL;
	bool ours = strstr(answer, "workload=") && strstr(answer, mine);

	strbuf_consume(&l->in, n);
	sscanf(answer, "HTTP/1.%*d %d", &status);
	if (status == 200 && ours)
		settle(l, NULL, "200");
	else
		settle(l, status == 200 ? "wrong answer" : status_form(status), answer);
	if (f->how == HOW_FRESH || closing || f->clients->ending || is_spare(l))
		line_free(l);
}

static void take_text(struct line *l, size_t n)
{
	struct flow *f = l->flow;
	auto_free char *answer = xstrndup(l->in.buf, n);
	auto_free char *mine =
		xasprintf("hello %s %llu ", f->clients->w->client, (unsigned long long)l->seq);
	bool bye = str_ends(answer, " bye");
	const char *pod = strstr(answer, " pod=");

	if (pod)
		snprintf(l->server, sizeof(l->server), "%.*s", (int)strcspn(pod + 5, " "), pod + 5);

	strbuf_consume(&l->in, n + 1);
	if (f->protocol == PROTOCOL_TCP_FIRST && !l->greeted) {
		l->greeted = true;
		if (f->refuse) {
			settle(l, NULL, answer);
			line_free(l);
			return;
		}
		write_request(l);
		flush(l);
		return;
	}
	settle(l, str_starts(answer, mine) ? NULL : "wrong answer", answer);
	if (f->how == HOW_HOLD && !l->answered)
		f->n->opened++;
	l->answered = true;
	if (f->how == HOW_FRESH || bye || f->clients->ending || is_spare(l))
		done_with(l);
}

static void take(struct line *l)
{
	size_t n;
	char *end;

	if (!l->busy)
		return;
	if (l->flow->protocol == PROTOCOL_HTTP) {
		if (whole_http(&l->in, &n))
			take_http(l, n);
		return;
	}
	end = l->in.len ? memchr(l->in.buf, '\n', l->in.len) : NULL;
	if (end)
		take_text(l, (size_t)(end - l->in.buf));
}

static void on_line(void *arg, unsigned ready)
{
	struct line *l = arg;
	char data[8192];
	ssize_t n;

	if ((ready & LOOP_WRITE) && !flush(l))
		return;
	if (!(ready & LOOP_READ))
		return;
	n = recv(l->fd, data, sizeof(data), MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0)
		broken(l,
		       errno == ECONNREFUSED ? "connection refused"
		       : errno == ECONNRESET ? "reset"
					     : "error",
		       strerror(errno));
	else if (n == 0 || l->in.len > MAX_ANSWER)
		broken(l, "closed", "closed without an answer");
	else {
		strbuf_add(&l->in, data, (size_t)n);
		take(l);
	}
}

/* What names the socket from now on, whatever becomes of it. */
static void know_socket(struct line *l)
{
	struct sockaddr_in own = {0};
	socklen_t n = sizeof(own), n_cookie = sizeof(l->cookie);

	getsockname(l->fd, (struct sockaddr *)&own, &n);
	getsockopt(l->fd, SOL_SOCKET, SO_COOKIE, &l->cookie, &n_cookie);
	l->port = ntohs(own.sin_port);
}

static struct line *line_open(struct flow *f, const struct in_addr *addr)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(f->port), .sin_addr = *addr};
	struct line *l = xcalloc(1, sizeof(*l));
	int one = 1, e;

	l->flow = f;
	l->next = f->lines;
	f->lines = l;
	l->timer = loop_timer_new(f->clients->w->loop, on_timeout, l);
	l->fd = socket(AF_INET,
		       (f->protocol == PROTOCOL_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC |
			       SOCK_NONBLOCK,
		       0);
	if (f->protocol != PROTOCOL_UDP)
		setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	l->opened_wall = clock_wall_ns(clock_system());
	e = connect(l->fd, (struct sockaddr *)&to, sizeof(to)) < 0 ? errno : 0;
	know_socket(l);
	if (e && e != EINPROGRESS) {
		l->busy = true;
		l->begun_wall = l->opened_wall;
		f->n->sent++;
		settle(l, e == EPERM || e == EACCES ? "not permitted" : "error", strerror(e));
		line_free(l);
		return NULL;
	}
	l->source = loop_fd_new(f->clients->w->loop, l->fd, LOOP_READ | LOOP_WRITE, on_line, l);
	return l;
}

static void begin(struct line *l, uint64_t due_ns)
{
	struct flow *f = l->flow;
	uint64_t ms = f->refuse                           ? REFUSE_TIMEOUT_MS
		      : f->how == HOW_HOLD && l->answered ? HOLD_TIMEOUT_MS
							  : PASS_TIMEOUT_MS;

	/* A line's first request begins with its connect(): on a loaded machine it can be over
	 * before we are here. */
	l->begun_wall = l->seq ? clock_wall_ns(clock_system()) : l->opened_wall;
	f->n->begun_wall_ns = l->begun_wall;
	f->n->sent++;
	l->busy = true;
	l->due_ns = due_ns;
	l->seq = ++f->seq;
	loop_timer_set(l->timer, ms * NS_PER_MS);
	if (f->protocol != PROTOCOL_TCP_FIRST || l->greeted)
		write_request(l);
	loop_fd_set(l->source, LOOP_READ | LOOP_WRITE);
}

/* --- the schedule --- */

/* The other side has closed it, which we have not read yet. */
static bool is_over(const struct line *l)
{
	char c;
	ssize_t n = recv(l->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN);
}

/* As pools of connections do, a kept line is looked at before it is used again. */
static struct line *idle_line(struct flow *f)
{
	for (struct line *l = f->lines, *next; l; l = next) {
		next = l->next;
		if (l->busy)
			continue;
		if (!is_over(l))
			return l;
		done_with(l);
	}
	return NULL;
}

/* Of held connections the one that was asked longest ago; NULL: all are waiting for an answer. */
static struct line *held_line(const struct flow *f, int64_t *ret_n)
{
	struct line *longest = NULL;

	*ret_n = 0;
	for (struct line *l = f->lines; l; l = l->next) {
		++*ret_n;
		if (!l->busy && (!longest || l->due_ns < longest->due_ns))
			longest = l;
	}
	return longest;
}

static void once(struct flow *f, uint64_t due_ns)
{
	struct line *l = NULL;
	struct in_addr addr;
	int64_t n;

	if (f->how == HOW_KEPT)
		l = idle_line(f);
	if (f->how == HOW_HOLD) {
		l = held_line(f, &n);
		if (n < f->held)
			l = NULL; /* until all are there, each turn opens one */
		else if (!l)
			return;
	}
	if (!l) {
		if (!resolved_pick(f->address, &addr))
			return;
		l = line_open(f, &addr);
	}
	if (l)
		begin(l, due_ns);
}

static void on_due(void *arg)
{
	struct flow *f = arg;
	uint64_t now = loop_now_ns(f->clients->w->loop);

	if (f->clients->ending)
		return;
	for (; f->due_ns <= now; f->due_ns += f->period_ns)
		if (!f->clients->paused)
			once(f, f->due_ns);
	loop_timer_set(f->timer, f->due_ns - now);
}

static void check_pause(void *arg)
{
	struct clients *c = arg;

	c->paused = c->w->pause_path && io_exists(c->w->pause_path);
	loop_timer_set(c->pause_timer, PAUSE_CHECK_MS * NS_PER_MS);
}

/* --- set-up --- */

static int parse_target(struct flow *f, struct arena *a, const char *url, struct error *err)
{
	static const struct {
		const char *scheme;
		enum protocol protocol;
		uint16_t port;
	} schemes[] = {{"http://", PROTOCOL_HTTP, 80},
		       {"tcp://", PROTOCOL_TCP, 0},
		       {"tcp-first://", PROTOCOL_TCP_FIRST, 0},
		       {"udp://", PROTOCOL_UDP, 0}};
	const char *rest = NULL, *colon;
	uint64_t port;

	for (size_t i = 0; i < ARRAY_SIZE(schemes) && !rest; i++) {
		if (!str_starts(url, schemes[i].scheme))
			continue;
		rest = url + strlen(schemes[i].scheme);
		f->protocol = schemes[i].protocol;
		port = schemes[i].port;
	}
	if (!rest)
		return error_set(err, -EINVAL, "%s: want http://, tcp://, tcp-first:// or udp://",
				 url);
	f->path = strchr(rest, '/') ? arena_strdup(a, strchr(rest, '/')) : "/";
	f->host = arena_strndup(a, rest, strcspn(rest, "/"));
	colon = strchr(f->host, ':');
	if (colon && str_to_u64(colon + 1, 1, 65535, &port, url, err) < 0)
		return -EINVAL;
	if (!port)
		return error_set(err, -EINVAL, "%s: a port is missing", url);
	f->port = (uint16_t)port;
	f->target = arena_strdup(a, url);
	f->host = arena_strndup(a, f->host, strcspn(f->host, ":"));
	return 0;
}

static int add_flow(struct clients *c, const char *url, enum how how, bool refuse,
		    struct error *err)
{
	struct flow *f = xcalloc(1, sizeof(*f));
	const struct workload *w = c->w;
	int64_t held = MAX(w->options->lines, 1);
	/* Each held connection is asked once a second. */
	int64_t rate = how == HOW_HOLD ? held : MAX(w->options->rate, 1);
	int r = parse_target(f, &c->w->arena, url, err);

	if (!r && c->flows.n == LEDGER_FLOWS)
		r = error_set(err, -E2BIG, "more than %u targets", LEDGER_FLOWS);
	if (r < 0) {
		free(f);
		return r;
	}
	f->clients = c;
	f->n = &w->ledger->flows[c->flows.n];
	f->how = how;
	f->refuse = refuse;
	f->held = held;
	f->address = resolver_follow(w->resolver, f->host);
	f->period_ns = NS_PER_S / (uint64_t)rate;
	/* Spread over the period, so that pods do not all begin together. */
	f->due_ns = loop_now_ns(w->loop) + 300 * NS_PER_MS +
		    str_hash(w->pod, strlen(w->pod), c->flows.n) % f->period_ns;
	f->timer = loop_timer_new(w->loop, on_due, f);
	loop_timer_set(f->timer, f->due_ns - loop_now_ns(w->loop));
	vec_push(&c->flows, f);
	w->ledger->n_flows = (uint32_t)c->flows.n;
	return 0;
}

int clients_start(struct workload *w, struct error *err)
{
	const struct workload_options *o = w->options;
	struct clients *c = xcalloc(1, sizeof(*c));
	int r = 0;

	c->w = w;
	w->clients = c;
	/* Without, failures are only told less about. */
	if (net_sock_ends_open(&c->ends, NULL) == 0)
		c->ends_source =
			loop_fd_new(w->loop, net_sock_ends_fd(c->ends), LOOP_READ, on_ends, c);
	for (size_t i = 0; !r && i < o->call.n; i++) {
		r = add_flow(c, o->call.items[i], HOW_FRESH, false, err);
		if (!r)
			r = add_flow(c, o->call.items[i], HOW_KEPT, false, err);
	}
	for (size_t i = 0; !r && i < o->refuse.n; i++)
		r = add_flow(c, o->refuse.items[i], HOW_FRESH, true, err);
	for (size_t i = 0; !r && i < o->hold.n; i++)
		r = add_flow(c, o->hold.items[i], HOW_HOLD, false, err);
	c->pause_timer = loop_timer_new(w->loop, check_pause, c);
	check_pause(c);
	return r;
}

void clients_end(struct clients *c)
{
	c->ending = true;
	vec_foreach (&c->flows, it) {
		struct line *next;

		loop_timer_stop((*it)->timer);
		for (struct line *l = (*it)->lines; l; l = next) {
			next = l->next;
			if (!l->busy)
				done_with(l);
		}
	}
}

bool clients_idle(const struct clients *c)
{
	for (size_t i = 0; i < c->flows.n; i++)
		if (c->flows.items[i]->lines)
			return false;
	return true;
}

static void add_edge(struct arena *a, struct doc *edges, const struct flow *f)
{
	struct doc *d = doc_append(a, edges, doc_map(a));

	doc_set_string(a, d, "target", f->target);
	doc_set_string(a, d, "how", how_names[f->how]);
	doc_set_string(a, d, "expect", f->refuse ? "refuse" : "pass");
	doc_set_int(a, d, "sent", f->n->sent);
	doc_set_int(a, d, "ok", f->n->ok);
	doc_set_int(a, d, "refused", f->n->refused);
	doc_set_int(a, d, "refused_missing", f->n->refused_missing);
	doc_set_int(a, d, "failed", f->n->failed);
	tally_write(&f->tally, a, d);
}

void clients_count(const struct clients *c, struct arena *a, struct doc *edges,
		   struct doc *long_lived)
{
	for (size_t i = 0; i < c->flows.n; i++) {
		const struct flow *f = c->flows.items[i];
		struct doc *d;

		add_edge(a, edges, f);
		if (f->how != HOW_HOLD)
			continue;
		d = doc_append(a, long_lived, doc_map(a));
		doc_set_string(a, d, "target", f->target);
		doc_set_int(a, d, "opened", f->n->opened);
		doc_set_int(a, d, "ended_with_pod", f->n->ended_with_pod);
		doc_set_int(a, d, "lost", f->n->lost);
	}
}

void clients_free(struct clients *c)
{
	if (!c)
		return;
	vec_foreach (&c->flows, it) {
		while ((*it)->lines)
			line_free((*it)->lines);
		loop_timer_free((*it)->timer);
		free(*it);
	}
	vec_release(&c->flows);
	loop_timer_free(c->pause_timer);
	loop_fd_free(c->ends_source);
	net_sock_ends_close(c->ends);
	free(c);
}
