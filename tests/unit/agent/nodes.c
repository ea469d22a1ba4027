/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/agent/nodes.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/datapath/datapath.h"
#include "lib/agentapi/attach.h"
#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/net/netlink.h"
#include "lib/net/netns.h"

const char *nodes_attach = "auto";

static struct error err;
#define ok(call)                                                                                   \
	do {                                                                                       \
		err = (struct error)ERROR_INIT;                                                    \
		if ((call) < 0)                                                                    \
			fail_msg("%s: %s", #call, err.msg);                                        \
	} while (0)

static struct doc *yaml(struct nodes *n, const char *text)
{
	struct doc_stream s;

	ok(doc_read_yaml(&n->arena, text, strlen(text), "test", &s, &err));
	return s.docs[0];
}

static void create(struct nodes *n, enum object_kind_id kind, const struct doc *d)
{
	ok(kube_create(n->client, &n->arena, object_kind(kind), d, NULL, &err));
}

static struct netlink *within(const char *netns)
{
	struct netlink *nl;
	int fd;

	ok(netns_open(netns, &fd, &err));
	ok(netlink_open(fd, &nl, &err));
	close(fd);
	return nl;
}

static void make_node(struct nodes *n, int i)
{
	struct node_process *p = &n->node[i];
	struct net_ifaddr a = {.bits = 32};
	struct net_link l;
	struct netlink *nl;
	struct doc *d;

	p->name = arena_printf(&n->arena, "n%d", i + 1);
	p->netns = arena_printf(&n->arena, "%s/%s", n->dir, p->name);
	p->socket = arena_printf(&n->arena, "%s/%s.sock", n->dir, p->name);
	p->state = arena_printf(&n->arena, "%s/%s.state", n->dir, p->name);
	p->pins = arena_printf(&n->arena, "/sys/fs/bpf/%s-%s", strrchr(n->dir, '/') + 1, p->name);
	p->kubeconfig = arena_printf(&n->arena, "%s/%s.conf", n->dir, p->name);
	p->address = arena_printf(&n->arena, "172.31.77.%d", i + 1);
	ok(netns_create(p->netns, &err));
	nl = within(p->netns);
	ok(net_link_get(nl, "lo", &l, &err));
	a.index = l.index;
	ok(net_addr_parse(p->address, &a.addr, &err));
	ok(net_address_add(nl, &a, &err));
	netlink_close(nl);
	d = yaml(n, arena_printf(&n->arena,
				 "{apiVersion: v1, kind: Node, metadata: {name: %s}, spec: "
				 "{podCIDR: 10.233.%d.0/24}, status: {addresses: [{type: "
				 "InternalIP, address: %s}]}}",
				 p->name, i + 1, p->address));
	create(n, KIND_NODE, d);
	ok(kube_patch(n->client, &n->arena, object_kind(KIND_NODE), NULL, p->name, "status",
		      KUBE_PATCH_MERGE, d, NULL, &err));
}

static void make_crds(struct nodes *n)
{
	static const char *const files[] = {"sidestep", "cilium"};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct doc_stream s;

		ok(doc_read_file(&n->arena,
				 arena_printf(&n->arena, "%s/deploy/crds/%s.yaml",
					      getenv("SIDESTEP_SOURCE_DIR"), files[i]),
				 &s, &err));
		for (size_t k = 0; k < s.n; k++)
			create(n, KIND_CUSTOM_RESOURCE_DEFINITION, s.docs[k]);
	}
}

static const char *serve_in(struct nodes *n, const char *netns, const char *path)
{
	uint16_t port;

	if (netns)
		ok(apiserver_listen_in(n->api, netns, "127.0.0.1", 0, &port, &err));
	else
		ok(apiserver_listen(n->api, "127.0.0.1", 0, &port, &err));
	ok(apiserver_write_kubeconfig(n->api, "test", "system:masters",
				      arena_printf(&n->arena, "https://127.0.0.1:%u", port), path,
				      &err));
	return path;
}

static void start_api(struct nodes *n)
{
	struct kube_config config;
	const char *conf = arena_printf(&n->arena, "%s/here.conf", n->dir);

	ok(apiserver_new(n->loop, &(struct apiserver_options){0}, &n->api, &err));
	serve_in(n, NULL, conf);
	ok(kube_config_load(&n->arena, &(struct kube_config_options){.kubeconfig = conf}, &config,
			    &err));
	n->client = kube_client_new(n->loop, &config, NULL);
	n->http = http_client_new(n->loop, NULL);
}

int nodes_setup(void **state)
{
	struct nodes *n = calloc(1, sizeof(*n));

	n->dir = arena_printf(&n->arena, "/run/sidestep-test-jobs-%d", (int)getpid());
	ok(io_mkdirs(n->dir, 0700, &err));
	n->loop = loop_new(NULL);
	start_api(n);
	make_crds(n);
	create(n, KIND_NAMESPACE,
	       yaml(n, "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}"));
	for (int i = 0; i < NODES; i++) {
		make_node(n, i);
		serve_in(n, n->node[i].netns, n->node[i].kubeconfig);
		agent_begin(n, i);
	}
	for (int i = 0; i < NODES; i++)
		agent_wait(n, i);
	*state = n;
	return 0;
}

static void on_timer(void *arg)
{
	*(bool *)arg = true;
}

/* Lets the server and everybody else go on for a moment. */
static void breathe(struct nodes *n)
{
	bool over = false;
	struct loop_timer *t = loop_timer_new(n->loop, on_timer, &over);

	loop_timer_set(t, 20 * NS_PER_MS);
	while (!over)
		ok(loop_turn(n->loop, true, &err));
	loop_timer_free(t);
}

static void add_file(struct strbuf *out, const char *path, size_t most)
{
	struct strbuf text = STRBUF_INIT;
	size_t from;

	if (io_read_file(path, 64 << 20, &text, NULL) < 0)
		strbuf_adds(&text, "cannot be read");
	from = text.len > most ? text.len - most : 0;
	strbuf_addf(out, "%s: %s\n", path, strbuf_cstr(&text) + from);
	strbuf_release(&text);
}

/* What somebody needs to find out why it is still there. A state of "t" with a TracerPid is the
 * sanitizer itself: it looks for leaks from outside, and may hang (google/sanitizers 777, 1330). */
static const char *where_it_is(struct nodes *n, const struct node_process *p)
{
	static const char *const files[] = {"wchan", "syscall", "stack", "status"};
	struct strbuf out = STRBUF_INIT;
	const char *text;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		add_file(&out, arena_printf(&n->arena, "/proc/%d/%s", (int)p->agent, files[i]),
			 4096);
	add_file(&out, arena_printf(&n->arena, "%s/%s.log", n->dir, p->name), 2048);
	text = arena_strdup(&n->arena, strbuf_cstr(&out));
	strbuf_release(&out);
	return text;
}

/* Waits for its end, as long as anybody has patience; the server goes on meanwhile. */
static bool is_gone(struct nodes *n, pid_t pid, int *ret_status)
{
	uint64_t end = loop_now_ns(n->loop) + PATIENCE;
	pid_t gone;

	while (!(gone = waitpid(pid, ret_status, WNOHANG)) && loop_now_ns(n->loop) < end)
		breathe(n);
	return gone != 0;
}

/* Not even the end of who was killed is waited for without end: who is traced, as by a sanitizer
 * that hangs, is his tracer's first. */
const char *agent_end(struct nodes *n, int node)
{
	struct node_process *p = &n->node[node];
	const char *wrong = NULL;
	int status = 0;

	if (!p->agent)
		return NULL;
	assert_int_equal(kill(p->agent, SIGTERM), 0);
	if (!is_gone(n, p->agent, &status)) {
		wrong = arena_printf(&n->arena, "agent %s does not end: %s", p->name,
				     where_it_is(n, p));
		kill(p->agent, SIGKILL);
		if (!is_gone(n, p->agent, &status))
			wrong = arena_printf(&n->arena, "%s\nand not when it is killed: %s", wrong,
					     where_it_is(n, p));
	} else if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		wrong = arena_printf(&n->arena, "agent %s ended with %d: %s", p->name, status,
				     where_it_is(n, p));
	}
	p->agent = 0;
	return wrong;
}

int nodes_teardown(void **state)
{
	struct nodes *n = *state;
	const char *wrong = NULL;

	for (int i = 0; i < NODES; i++) {
		const char *said = agent_end(n, i);

		wrong = wrong ? wrong : said;
		ok(datapath_unload(n->node[i].pins, &err));
		ok(netns_delete(n->node[i].netns, &err));
	}
	for (unsigned i = 1; i <= n->pods; i++)
		ok(netns_delete(arena_printf(&n->arena, "%s/pod%u", n->dir, i), &err));
	http_client_free(n->http);
	kube_client_free(n->client);
	apiserver_free(n->api);
	loop_free(n->loop);
	io_remove_tree(n->dir, NULL);
	if (wrong)
		fprintf(stderr, "%s\n", wrong);
	arena_release(&n->arena);
	free(n);
	return wrong ? -1 : 0;
}

/* --- agents --- */

static NORETURN void be_agent(const struct nodes *n, const struct node_process *p)
{
	char program[512], log[512], queue[512];
	int fd, out;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(program, sizeof(program), "%s/sidestepd", getenv("SIDESTEP_BIN_DIR"));
	snprintf(log, sizeof(log), "%s/%s.log", n->dir, p->name);
	snprintf(queue, sizeof(queue), "%s/%s.queue", n->dir, p->name);
	out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (out < 0 || dup2(out, 2) < 0 || netns_open(p->netns, &fd, NULL) < 0 ||
	    setns(fd, CLONE_NEWNET) < 0)
		_exit(1);
	execl(program, program, "--node", p->name, "--kubeconfig", p->kubeconfig, "--socket",
	      p->socket, "--state-dir", p->state, "--queue", queue, "--pin-root", p->pins,
	      "--tunnel", "none", "--publish-interval", "100ms", "--attach", nodes_attach, NULL);
	_exit(2);
}

void agent_begin(struct nodes *n, int node)
{
	struct node_process *p = &n->node[node];

	p->agent = fork();
	assert_true(p->agent >= 0);
	if (p->agent == 0)
		be_agent(n, p);
}

void agent_kill(struct nodes *n, int node)
{
	int status;

	assert_int_equal(kill(n->node[node].agent, SIGKILL), 0);
	if (!is_gone(n, n->node[node].agent, &status))
		fail_msg("agent %d is not gone: %s", node, where_it_is(n, &n->node[node]));
	assert_true(WIFSIGNALED(status));
	n->node[node].agent = 0;
}

static int try_agent(struct nodes *n, int node, const char *method, const char *path,
		     const struct doc *body, struct doc **ret)
{
	struct http_response resp = {0};
	struct strbuf sb = STRBUF_INIT;
	struct http_request rq = {.method = method,
				  .url = arena_printf(&n->arena, "http://localhost%s", path),
				  .unix_socket = n->node[node].socket};
	int r;

	if (body) {
		doc_write_json(body, DOC_COMPACT, &sb);
		rq.body = sb.buf;
		rq.body_size = sb.len;
	}
	r = http_call_wait(n->loop, n->http, &rq, &resp, &err);
	if (r == 0 && resp.status >= 300)
		r = error_set(&err, -EREMOTEIO, "%d: %s", resp.status, strbuf_cstr(&resp.body));
	if (r == 0)
		r = doc_read_json(&n->arena, strbuf_cstr(&resp.body), resp.body.len, "agent", ret,
				  &err);
	http_response_release(&resp);
	strbuf_release(&sb);
	return r;
}

struct doc *agent_ask(struct nodes *n, int node, const char *method, const char *path,
		      const struct doc *body)
{
	struct doc *d = NULL;

	ok(try_agent(n, node, method, path, body, &d));
	return d;
}

const char *agent_text(struct nodes *n, int node, const char *path)
{
	struct http_response resp = {0};
	struct http_request rq = {.url = arena_printf(&n->arena, "http://localhost%s", path),
				  .unix_socket = n->node[node].socket};
	const char *text;

	ok(http_call_wait(n->loop, n->http, &rq, &resp, &err));
	text = arena_strdup(&n->arena, strbuf_cstr(&resp.body));
	http_response_release(&resp);
	return text;
}

void agent_wait(struct nodes *n, int node)
{
	uint64_t end = loop_now_ns(n->loop) + PATIENCE;
	struct doc *d = NULL;

	while (try_agent(n, node, "GET", "/v1/status", NULL, &d) < 0 ||
	       !doc_bool_or(doc_get(d, "ready"), false)) {
		if (loop_now_ns(n->loop) > end)
			fail_msg("agent %d: %s", node, err.msg);
		breathe(n);
	}
}

/* --- pods --- */

void pod_make(struct nodes *n, int node, const char *name)
{
	const char *netns = arena_printf(&n->arena, "%s/pod%u", n->dir, ++n->pods);
	char host[16], mac[2][NET_MAC_SIZE];
	struct net_veth veth = {.name = host, .peer_name = "eth0"};
	struct net_link outer, inner;
	struct netlink *nl;
	struct doc *d, *made;

	snprintf(host, sizeof(host), "p%u", n->pods);
	ok(netns_create(netns, &err));
	ok(netns_open(netns, &veth.peer_netns_fd, &err));
	nl = within(n->node[node].netns);
	ok(net_link_add_veth(nl, &veth, &err));
	ok(net_link_get(nl, host, &outer, &err));
	ok(net_link_set_up(nl, outer.index, true, &err));
	netlink_close(nl);
	close(veth.peer_netns_fd);
	nl = within(netns);
	ok(net_link_get(nl, "eth0", &inner, &err));
	netlink_close(nl);
	d = yaml(n,
		 arena_printf(&n->arena,
			      "{apiVersion: v1, kind: Pod, metadata: {name: %s, namespace: shop, "
			      "labels: {app: %s}}, spec: {nodeName: %s, containers: [{name: c, "
			      "image: x}]}, status: {phase: Running}}",
			      name, name, n->node[node].name));
	ok(kube_create(n->client, &n->arena, object_kind(KIND_POD), d, &made, &err));
	ok(kube_patch(n->client, &n->arena, object_kind(KIND_POD), "shop", name, "status",
		      KUBE_PATCH_MERGE, d, NULL, &err));
	struct attach_request rq = {.netns = netns,
				    .ifname = "eth0",
				    .host_ifname = host,
				    .host_ifindex = outer.index,
				    .mac = net_mac_format(&inner.mac, mac[0]),
				    .host_mac = net_mac_format(&outer.mac, mac[1]),
				    .pod_namespace = "shop",
				    .pod_name = name,
				    .pod_uid = kube_uid(made)};
	agent_ask(n, node, "PUT", arena_printf(&n->arena, "/v1/endpoint/c%u", n->pods),
		  bind_encode(&n->arena, &attach_request_table, &rq));
}

static const struct doc *endpoint_of(struct nodes *n, int node, const char *name)
{
	struct doc *items = doc_get(agent_ask(n, node, "GET", "/v1/endpoint", NULL), "items");

	for (size_t i = 0; i < doc_len(items); i++)
		if (str_eq(doc_find_str(doc_at(items, i), "pod"), name))
			return doc_at(items, i);
	fail_msg("no endpoint %s", name);
	return NULL;
}

void pod_cut(struct nodes *n, int node, const char *name)
{
	int64_t index = doc_find_int(endpoint_of(n, node, name), "ifindex", 0);
	struct netlink *nl = within(n->node[node].netns);

	ok(net_link_delete(nl, (uint32_t)index, &err));
	netlink_close(nl);
}

int64_t pod_generation(struct nodes *n, int node, const char *name)
{
	return doc_find_int(endpoint_of(n, node, name), "generation", -1);
}

/* --- jobs --- */

static int request_try(struct nodes *n, const char *name, const char *kind, const char *spec)
{
	const struct doc *d =
		yaml(n, arena_printf(&n->arena,
				     "{apiVersion: sidestep.dev/v1alpha1, kind: SidestepRequest, "
				     "metadata: {name: %s}, spec: {kind: %s, %s}}",
				     name, kind, spec));

	return kube_create(n->client, &n->arena, object_kind(KIND_SIDESTEP_REQUEST), d, NULL, &err);
}

void request_make(struct nodes *n, const char *name, const char *kind, const char *spec)
{
	ok(request_try(n, name, kind, spec));
}

void request_remove(struct nodes *n, const char *name)
{
	ok(kube_delete(n->client, object_kind(KIND_SIDESTEP_REQUEST), NULL, name, &err));
}

int job_try(struct nodes *n, const char *name, const char *spec)
{
	return request_try(n, name, "Regenerate", spec);
}

void job_make(struct nodes *n, const char *name, const char *spec)
{
	ok(job_try(n, name, spec));
}

static struct doc *wait_for(struct nodes *n, enum object_kind_id kind, const char *name,
			    bool (*check)(void *arg, const struct doc *object), void *arg)
{
	struct doc *d = NULL;

	ok(kube_wait_for(n->client, object_kind(kind), NULL, name, check, arg, PATIENCE, &err));
	ok(kube_get(n->client, &n->arena, object_kind(kind), NULL, name, &d, &err));
	return d;
}

/* Lines of the one journal that has no end yet; 0: there is none. */
static unsigned journal_lines(const char *dir)
{
	DIR *d = opendir(dir);
	unsigned lines = 0;
	struct dirent *e;

	while (d && (e = readdir(d))) {
		struct strbuf sb = STRBUF_INIT;
		struct arena a = ARENA_INIT;

		if (str_ends(e->d_name, ".journal") &&
		    io_read_file(arena_printf(&a, "%s/%s", dir, e->d_name), 1 << 20, &sb, NULL) ==
			    0 &&
		    !strstr(strbuf_cstr(&sb), "\"state\":")) {
			for (size_t i = 0; i < sb.len; i++)
				lines += sb.buf[i] == '\n';
		}
		strbuf_release(&sb);
		arena_release(&a);
	}
	if (d)
		closedir(d);
	return lines;
}

void job_wait_lines(struct nodes *n, int node, unsigned lines)
{
	uint64_t end = loop_now_ns(n->loop) + PATIENCE;

	while (journal_lines(n->node[node].state) < lines) {
		if (loop_now_ns(n->loop) > end)
			fail_msg("there are not %u lines", lines);
		ok(loop_turn(n->loop, false, &err));
	}
}

struct doc *job_wait(struct nodes *n, const char *name,
		     bool (*check)(void *arg, const struct doc *request), void *arg)
{
	return wait_for(n, KIND_SIDESTEP_REQUEST, name, check, arg);
}

struct doc *status_wait(struct nodes *n, int node,
			bool (*check)(void *arg, const struct doc *object), void *arg)
{
	return wait_for(n, KIND_SIDESTEP_NODE, n->node[node].name, check, arg);
}

const struct doc *job_answer(const struct doc *request, const struct node_process *node)
{
	const struct doc *list = doc_find(request, "status.nodes");

	for (size_t i = 0; i < doc_len(list); i++)
		if (str_eq(doc_find_str(doc_at(list, i), "node"), node->name))
			return doc_at(list, i);
	return NULL;
}

/* --- the command --- */

static const char *output_path(struct nodes *n, const char *which)
{
	return arena_printf(&n->arena, "%s/cli.%s", n->dir, which);
}

static NORETURN void be_cli(struct nodes *n, const char *words)
{
	char *argv[32] = {(char *)(uintptr_t) "sidestep", (char *)(uintptr_t) "endpoint",
			  (char *)(uintptr_t) "regenerate", (char *)(uintptr_t) "--kubeconfig"};
	char *rest = arena_strdup(&n->arena, words), *word;
	int argc = 4, out = open(output_path(n, "out"), O_WRONLY | O_CREAT | O_TRUNC, 0600),
	    log = open(output_path(n, "err"), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	argv[argc++] = arena_printf(&n->arena, "%s/here.conf", n->dir);
	while (argc < 31 && (word = strsep(&rest, " ")))
		if (*word)
			argv[argc++] = word;
	if (dup2(out, 1) < 0 || dup2(log, 2) < 0)
		_exit(100);
	execv(arena_printf(&n->arena, "%s/sidestep", getenv("SIDESTEP_BIN_DIR")), argv);
	_exit(101);
}

pid_t cli_begin(struct nodes *n, const char *words)
{
	pid_t pid;

	unlink(output_path(n, "err"));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		be_cli(n, words);
	return pid;
}

int cli_end(struct nodes *n, pid_t pid)
{
	uint64_t end = loop_now_ns(n->loop) + PATIENCE;
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (loop_now_ns(n->loop) > end)
			fail_msg("process %d does not end: %s", (int)pid, cli_err(n));
		breathe(n);
	}
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

int cli(struct nodes *n, const char *words)
{
	return cli_end(n, cli_begin(n, words));
}

static const char *output(struct nodes *n, const char *which)
{
	struct strbuf sb = STRBUF_INIT;
	const char *text;

	io_read_file(output_path(n, which), 1 << 20, &sb, NULL);
	text = arena_strdup(&n->arena, strbuf_cstr(&sb));
	strbuf_release(&sb);
	return text;
}

const char *cli_out(struct nodes *n)
{
	return output(n, "out");
}

const char *cli_err(struct nodes *n)
{
	return output(n, "err");
}

void cli_wait_err(struct nodes *n, const char *words)
{
	uint64_t end = loop_now_ns(n->loop) + PATIENCE;

	while (!strstr(cli_err(n), words)) {
		if (loop_now_ns(n->loop) > end)
			fail_msg("\"%s\" is not said: %s", words, cli_err(n));
		breathe(n);
	}
}
