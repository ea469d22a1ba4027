/* SPDX-License-Identifier: Apache-2.0 */
/* sidestep-cni itself in a node's namespace, against an agent that answers as each test wants. */
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/cni/request.h"
#include "lib/agentapi/attach.h"
#include "lib/base/io.h"
#include "lib/http/server.h"
#include "lib/loop/spawn.h"
#include "lib/net/netlink.h"
#include "lib/net/netns.h"
#include "tests/support/test.h"

#define ID "c0ffee"

struct env {
	char folder[64], node[96], pod[96], sock[96], queue[96];
	int node_fd, pod_fd;
	struct netlink *nl_node, *nl_pod;
	struct loop *loop;
	struct http_server *agent;
	struct arena arena;
	/* the agent's side */
	int put_status;
	unsigned puts, deletes;
	bool pod_had_address; /* when the agent was asked */
	struct attach_request asked;
	/* the plugin's side */
	struct strbuf out;
	int exit_code;
};

static struct error err;
#define ok(call)                                                                                   \
	do {                                                                                       \
		err = (struct error)ERROR_INIT;                                                    \
		if ((call) < 0)                                                                    \
			fail_msg("%s: %s", #call, err.msg);                                        \
	} while (0)

static void on_put(struct env *e, const struct http_view *v)
{
	struct net_ifaddr *as;
	struct net_link l;
	size_t n;
	struct doc *d;

	e->puts++;
	ok(doc_read_json(&e->arena, v->body, v->body_size, "put", &d, &err));
	ok(bind_decode(&e->arena, &attach_request_table, d, "", &e->asked, NULL, &err));
	ok(net_link_get(e->nl_pod, "eth0", &l, &err));
	ok(net_address_list(e->nl_pod, l.index, &e->arena, &as, &n, &err));
	for (size_t i = 0; i < n; i++)
		e->pod_had_address |= as[i].addr.family == AF_INET;
}

static void handle(void *arg, struct http_exchange *x)
{
	static const char good[] =
		"{\"endpointId\":7,\"identity\":300,\"addresses\":[\"10.244.1.5\"],"
		"\"mtu\":1400,\"state\":\"ready\"}";
	static const char bad[] = "{\"error\":\"the agent says why\"}";
	struct env *e = arg;
	const struct http_view *v = http_view(x);

	assert_string_equal(v->path, "/v1/endpoint/" ID);
	if (strcmp(v->method, "DELETE") == 0) {
		e->deletes++;
		http_reply(x, 204, NULL, NULL, 0);
		return;
	}
	if (strcmp(v->method, "PUT") == 0)
		on_put(e, v);
	if (e->put_status == 200)
		http_reply(x, 200, "application/json", good, strlen(good));
	else
		http_reply(x, e->put_status, "application/json", bad, strlen(bad));
}

static void start_agent(struct env *e)
{
	e->agent =
		http_server_new(e->loop, &(struct http_server_options){.handle = handle, .arg = e});
	ok(http_server_listen_unix(e->agent, e->sock, 0600, &err));
}

static int setup(void **state)
{
	struct env *e = calloc(1, sizeof(*e));

	snprintf(e->folder, sizeof(e->folder), "/run/sidestep-test-cni-%d", (int)getpid());
	snprintf(e->node, sizeof(e->node), "%s/node", e->folder);
	snprintf(e->pod, sizeof(e->pod), "%s/pod", e->folder);
	snprintf(e->sock, sizeof(e->sock), "%s/sock", e->folder);
	snprintf(e->queue, sizeof(e->queue), "%s/queue", e->folder);
	ok(netns_create(e->node, &err));
	ok(netns_create(e->pod, &err));
	ok(netns_open(e->node, &e->node_fd, &err));
	ok(netns_open(e->pod, &e->pod_fd, &err));
	ok(netlink_open(e->node_fd, &e->nl_node, &err));
	ok(netlink_open(e->pod_fd, &e->nl_pod, &err));
	e->loop = loop_new(NULL);
	e->put_status = 200;
	start_agent(e);
	*state = e;
	return 0;
}

static int teardown(void **state)
{
	struct env *e = *state;

	http_server_free(e->agent);
	loop_free(e->loop);
	netlink_close(e->nl_node);
	netlink_close(e->nl_pod);
	close(e->node_fd);
	close(e->pod_fd);
	ok(netns_delete(e->node, &err));
	ok(netns_delete(e->pod, &err));
	ok(io_remove_tree(e->folder, &err));
	strbuf_release(&e->out);
	arena_release(&e->arena);
	free(e);
	return 0;
}

static void on_output(void *arg, int stream, const char *data, size_t n)
{
	struct env *e = arg;

	if (stream == 1)
		strbuf_add(&e->out, data, n);
	else
		fprintf(stderr, "%.*s", (int)n, data);
}

static void on_exit_of(void *arg, const struct loop_child_exit *exit)
{
	struct env *e = arg;

	e->exit_code = exit->code;
	loop_stop(e->loop);
}

static int into_node(void *arg)
{
	const struct env *e = arg;

	return setns(e->node_fd, CLONE_NEWNET) < 0 ? errno : 0;
}

/* Runs the plugin; what it printed, or NULL when it printed nothing. */
static struct doc *run(struct env *e, const char *command, const char *netns,
		       const char *more_config)
{
	const char *path = arena_printf(&e->arena, "%s/sidestep-cni", getenv("SIDESTEP_BIN_DIR"));
	const char *argv[] = {path, NULL};
	const char *vars[] = {arena_printf(&e->arena, "CNI_COMMAND=%s", command),
			      "CNI_CONTAINERID=" ID,
			      "CNI_IFNAME=eth0",
			      "CNI_ARGS=K8S_POD_NAMESPACE=ns;K8S_POD_NAME=web",
			      arena_printf(&e->arena, "CNI_NETNS=%s", netns),
			      "PATH=/usr/bin:/bin",
			      NULL};
	const char *input =
		arena_printf(&e->arena,
			     "{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"socket\":\"%s\","
			     "\"queue\":\"%s\",\"timeoutSeconds\":5%s}",
			     e->sock, e->queue, more_config);
	struct loop_spawn spec = {.argv = argv,
				  .env = vars,
				  .input = input,
				  .input_size = strlen(input),
				  .on_output = on_output,
				  .before_exec = into_node,
				  .before_exec_arg = e};
	struct loop_child *child;
	struct doc *d = NULL;

	strbuf_clear(&e->out);
	ok(loop_spawn(e->loop, &spec, on_exit_of, e, &child, &err));
	ok(loop_run(e->loop, &err));
	loop_child_free(child);
	if (e->out.len)
		ok(doc_read_json(&e->arena, e->out.buf, e->out.len, "plugin", &d, &err));
	return d;
}

static size_t node_links(struct env *e)
{
	struct net_link *l;
	size_t n;

	ok(net_link_list(e->nl_node, &e->arena, &l, &n, &err));
	return n;
}

static struct doc *add(struct env *e)
{
	struct doc *d = run(e, "ADD", e->pod, "");

	assert_int_equal(e->exit_code, 0);
	return d;
}

static void add_check_del(void **state)
{
	struct env *e = *state;
	struct doc *d = add(e);
	auto_release(strbuf) struct strbuf prev = STRBUF_INIT;
	struct net_link host, pod;
	struct net_route *rs;
	size_t n;

	assert_string_equal(doc_find_str(d, "ips[0].address"), "10.244.1.5/32");
	assert_string_equal(doc_find_str(d, "interfaces[1].sandbox"), e->pod);
	/* Policy first: the pod had no address when the agent was asked. */
	assert_false(e->pod_had_address);
	assert_string_equal(e->asked.pod_name, "web");
	ok(net_link_get(e->nl_pod, "eth0", &pod, &err));
	ok(net_link_get(e->nl_node, doc_find_str(d, "interfaces[0].name"), &host, &err));
	assert_true(pod.up && pod.running && host.up && pod.mtu == 1400 && host.mtu == 1400);
	assert_int_equal(e->asked.host_ifindex, host.index);
	assert_string_equal(host.alias, "sidestep ns/web");
	ok(net_route_list(e->nl_pod, AF_INET, 0, &e->arena, &rs, &n, &err));
	assert_int_equal(n, 2);
	assert_int_equal(rs[0].dst.bits, 0);
	ok(net_route_list(e->nl_node, AF_INET, 0, &e->arena, &rs, &n, &err));
	assert_true(n == 1 && rs[0].index == host.index && rs[0].dst.bits == 32);

	strbuf_adds(&prev, ",\"prevResult\":");
	doc_write_json(d, DOC_COMPACT, &prev);
	assert_null(run(e, "CHECK", e->pod, strbuf_cstr(&prev)));
	assert_int_equal(e->exit_code, 0);
	ok(net_link_set_up(e->nl_pod, pod.index, false, &err));
	d = run(e, "CHECK", e->pod, strbuf_cstr(&prev));
	assert_int_equal(e->exit_code, 1);
	assert_int_equal(doc_find_int(d, "code", 0), CNI_ERR_CHECK);

	for (int i = 0; i < 2; i++) {
		assert_null(run(e, "DEL", e->pod, ""));
		assert_int_equal(e->exit_code, 0);
	}
	assert_int_equal(e->deletes, 2);
	assert_int_equal(node_links(e), 1);
}

static void a_refusal_leaves_nothing(void **state)
{
	static const struct {
		int status;
		int code;
	} rows[] = {
		{503, CNI_ERR_TRY_AGAIN},
		{400, CNI_ERR_REFUSED},
	};
	struct env *e = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct doc *d;

		e->put_status = rows[i].status;
		d = run(e, "ADD", e->pod, "");
		assert_int_equal(e->exit_code, 1);
		assert_int_equal(doc_find_int(d, "code", 0), rows[i].code);
		assert_non_null(strstr(doc_find_str(d, "msg"), "the agent says why"));
		assert_int_equal(node_links(e), 1);
	}
	assert_int_equal(e->deletes, 2);
}

static void without_an_agent(void **state)
{
	struct env *e = *state;
	struct strbuf text = STRBUF_INIT;
	struct doc *d;

	add(e);
	http_server_free(e->agent);
	e->agent = NULL;
	assert_null(run(e, "DEL", e->pod, ""));
	assert_int_equal(e->exit_code, 0);
	assert_int_equal(node_links(e), 1);
	ok(io_read_file(arena_printf(&e->arena, "%s/" ID, e->queue), 4096, &text, &err));
	assert_string_equal(text.buf, "{\"containerId\":\"" ID "\",\"ifname\":\"eth0\"}");
	strbuf_release(&text);
	d = run(e, "ADD", e->pod, "");
	assert_int_equal(doc_find_int(d, "code", 0), CNI_ERR_TRY_AGAIN);
	assert_int_equal(node_links(e), 1);
}

static void a_killed_add_is_replaced(void **state)
{
	struct env *e = *state;
	char name[16];

	cni_host_ifname(ID, "eth0", name);
	ok(net_link_add_veth(
		e->nl_node,
		&(struct net_veth){.name = name, .peer_name = "eth0", .peer_netns_fd = e->pod_fd},
		&err));
	add(e);
	assert_int_equal(node_links(e), 2);
}

static void an_unknown_namespace(void **state)
{
	struct env *e = *state;
	struct doc *d = run(e, "ADD", "/run/nowhere", "");

	assert_int_equal(doc_find_int(d, "code", 0), CNI_ERR_UNKNOWN_CONTAINER);
	assert_int_equal(e->puts, 0);
	assert_null(run(e, "DEL", "/run/nowhere", ""));
	assert_int_equal(e->exit_code, 0);
}

static void behind_another_plugin(void **state)
{
	struct env *e = *state;
	struct doc *d;

	ok(net_link_add_veth(e->nl_node,
			     &(struct net_veth){.name = "veth9",
						.peer_name = "eth0",
						.peer_netns_fd = e->pod_fd},
			     &err));
	d = run(e, "ADD", e->pod,
		",\"chainingMode\":\"generic-veth\",\"prevResult\":{\"cniVersion\":\"1.0.0\","
		"\"ips\":[{\"address\":\"10.9.0.5/24\"}],\"x\":1}");
	assert_int_equal(e->exit_code, 0);
	assert_string_equal(e->asked.host_ifname, "veth9");
	assert_string_equal(e->asked.addresses.items[0], "10.9.0.5");
	assert_int_equal(doc_find_int(d, "x", 0), 1);
	assert_null(run(e, "DEL", e->pod, ",\"chainingMode\":\"generic-veth\""));
	assert_int_equal(node_links(e), 2);
}

#define with_env(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_env(add_check_del),        with_env(a_refusal_leaves_nothing),
		with_env(without_an_agent),     with_env(a_killed_add_is_replaced),
		with_env(an_unknown_namespace), with_env(behind_another_plugin),
	};

	if (geteuid() != 0)
		SKIP_ALL("needs root for network namespaces");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
