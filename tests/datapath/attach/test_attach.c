/* SPDX-License-Identifier: Apache-2.0 */
/* Two pods on real veths, through agent/datapath, once over tcx and once over clsact. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/datapath/state.h"
#include "lib/base/io.h"
#include "lib/net/netns.h"
#include "tests/datapath/attach/wires.h"
#include "tests/support/test.h"

static struct wires wires;
static const enum datapath_attach modes[] = {DATAPATH_ATTACH_TCX, DATAPATH_ATTACH_CLSACT};

static void close_all(struct datapath *dp)
{
	struct error err = ERROR_INIT;

	datapath_close(dp);
	if (datapath_unload(wires.root, &err))
		fail_msg("%s", err.msg);
	assert_false(io_exists(wires.root));
}

/* A connection from pod A to what server listens on has carried a byte; the server's end. */
static int talking(int server, const char *addr, uint16_t port, int *ret_client)
{
	int conn;

	*ret_client = wires_connect(&wires, WIRE_A, addr, port);
	assert_int_equal(wires_connected(*ret_client), 0);
	conn = wires_accept(server);
	wires_talk(*ret_client, conn);
	return conn;
}

static void nothing_before_the_row(enum datapath_attach mode)
{
	struct datapath *dp;
	int fd;

	wires_open(&wires, mode, &dp);
	assert_string_equal(datapath_attach_mode(dp),
			    mode == DATAPATH_ATTACH_TCX ? "tcx" : "clsact");
	fd = wires_connect(&wires, WIRE_A, WIRE_ADDR_B, WIRE_PORT);
	wires_expect_drop(dp, REASON_EP_NOT_READY);
	close(fd);
	close_all(dp);
}

static void allowed_and_refused(enum datapath_attach mode)
{
	struct datapath *dp;
	int server = wires_listen(&wires, WIRE_B, WIRE_PORT), client, conn, other;

	wires_open(&wires, mode, &dp);
	wires_policy(&wires, dp, WIRE_PORT);
	conn = talking(server, WIRE_ADDR_B, WIRE_PORT, &client);
	wires_talk(conn, client);
	other = wires_connect(&wires, WIRE_A, WIRE_ADDR_B, WIRE_PORT + 1);
	wires_expect_drop(dp, REASON_POLICY);
	close(other);
	/* B asks to be refused visibly. */
	wires.endpoints[WIRE_B].row.flags |= ENDPOINT_REFUSE;
	wires_apply(&wires, dp);
	other = wires_connect(&wires, WIRE_A, WIRE_ADDR_B, WIRE_PORT + 1);
	assert_int_equal(wires_connected(other), ECONNREFUSED);
	wires.endpoints[WIRE_B].row.flags &= ~(uint32_t)ENDPOINT_REFUSE;
	close(other);
	close(conn);
	close(client);
	close(server);
	close_all(dp);
}

static void a_change_meets_live_connections(enum datapath_attach mode)
{
	struct datapath *dp;
	int server = wires_listen(&wires, WIRE_B, WIRE_PORT), client, conn;

	wires_open(&wires, mode, &dp);
	wires_policy(&wires, dp, WIRE_PORT);
	conn = talking(server, WIRE_ADDR_B, WIRE_PORT, &client);
	wires_policy(&wires, dp, 0);
	assert_int_equal(write(client, "y", 1), 1);
	wires_expect_drop(dp, REASON_POLICY);
	wires_policy(&wires, dp, WIRE_PORT);
	wires_hear(conn, 'y'); /* the kernel sends it again, and the connection lives */
	wires_talk(conn, client);
	close(conn);
	close(client);
	close(server);
	close_all(dp);
}

static void a_service_reaches_its_backend(enum datapath_attach mode)
{
	struct datapath *dp;
	int server = wires_listen(&wires, WIRE_B, WIRE_PORT), client, conn;

	wires_open(&wires, mode, &dp);
	wires_policy(&wires, dp, WIRE_PORT);
	conn = talking(server, WIRE_VIP, 80, &client);
	wires_talk(conn, client);
	close(conn);
	close(client);
	close(server);
	close_all(dp);
}

static void killed_and_started_again(enum datapath_attach mode)
{
	struct datapath_change change;
	struct error err = ERROR_INIT;
	struct datapath *dp;
	int server = wires_listen(&wires, WIRE_B, WIRE_PORT), client, conn, status;
	pid_t child = fork();

	if (!child) {
		wires_open(&wires, mode, &dp);
		wires_policy(&wires, dp, WIRE_PORT);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	conn = talking(server, WIRE_ADDR_B, WIRE_PORT, &client);
	/* The next one finds everything, replaces the programs, and has nothing to write. */
	wires_open(&wires, mode, &dp);
	wires_talk(client, conn);
	wires.sets[0].digest = mesh_set_digest(wires.rows, 1);
	wires_policy(&wires, dp, WIRE_PORT);
	assert_int_equal(datapath_apply(dp, &wires.want, &change, &err), 0);
	assert_int_equal(change.written + change.deleted + change.bumped, 0);
	wires_talk(conn, client);
	close(conn);
	close(client);
	close(server);
	close_all(dp);
}

struct generations {
	uint32_t items[GENERATION_MAX];
};

static void note_generation(void *arg, const void *key, const void *value)
{
	struct generations *g = arg;
	uint32_t index;

	memcpy(&index, key, sizeof(index));
	memcpy(&g->items[index], value, sizeof(g->items[index]));
}

/* Rows are as wanted, and the connection that they refuse has not been told. */
static void killed_before_the_bump(enum datapath_attach mode)
{
	static struct generations before;
	struct error err = ERROR_INIT;
	struct maps maps;
	struct datapath *dp;
	int server = wires_listen(&wires, WIRE_B, WIRE_PORT), client, conn;

	wires_open(&wires, mode, &dp);
	wires_policy(&wires, dp, WIRE_PORT);
	conn = talking(server, WIRE_ADDR_B, WIRE_PORT, &client);
	assert_int_equal(maps_open_existing(&maps, wires.root, &err), 0);
	assert_true(maps_each(&maps, MAP_generation, note_generation, &before, &err) > 0);
	wires_policy(&wires, dp, 0);
	for (uint32_t i = 0; i < GENERATION_MAX; i++)
		assert_int_equal(maps_put(&maps, MAP_generation, &i, &before.items[i], &err), 0);
	maps_close(&maps);
	datapath_close(dp);
	wires_open(&wires, mode, &dp);
	wires_policy(&wires, dp, 0);
	assert_int_equal(write(client, "y", 1), 1);
	wires_expect_drop(dp, REASON_POLICY);
	close(conn);
	close(client);
	close(server);
	close_all(dp);
}

static void corrupt(void)
{
	struct maps maps;
	struct error err = ERROR_INIT;
	struct policy_key key;
	struct endpoint row;

	assert_int_equal(maps_open_existing(&maps, wires.root, &err), 0);
	assert_int_equal(bpf_map_get_next_key(maps.fd[MAP_policy], NULL, &key), 0);
	assert_int_equal(maps_delete(&maps, MAP_policy, &key, &err), 0);
	for (uint32_t slot = 1; slot < 8; slot++) {
		if (maps_get(&maps, MAP_endpoint, &slot, &row) || row.tag != 101)
			continue;
		row.identity = 4242;
		assert_int_equal(maps_put(&maps, MAP_endpoint, &slot, &row, &err), 0);
	}
	maps_close(&maps);
}

/* --- every map that is made from the cluster, changed in every way --- */

enum corruption { ROW_CHANGED, ROW_DELETED, ROW_ADDED, CORRUPTIONS };
static const char *const corruption_words[] = {"changed", "deleted", "added"};

struct one_row {
	const struct map_spec *spec;
	uint8_t key[64], value[256];
	bool found;
};

/* The last row that holds anything: of an array most are empty. */
static void note_one(void *arg, const void *key, const void *value)
{
	static const uint8_t nothing[256];
	struct one_row *r = arg;

	if (map_is_array((enum map_id)(r->spec - map_specs)) &&
	    !memcmp(value, nothing, r->spec->value_size))
		return;
	memcpy(r->key, key, r->spec->key_size);
	memcpy(r->value, value, r->spec->value_size);
	r->found = true;
}

/* false: this cannot happen to this map (the rows of an array can only change). */
static bool corrupt_map(enum map_id id, enum corruption how)
{
	struct one_row row = {.spec = &map_specs[id]};
	struct error err = ERROR_INIT;
	struct maps maps;

	if (how != ROW_CHANGED && map_is_array(id))
		return false;
	assert_int_equal(maps_open_existing(&maps, wires.root, &err), 0);
	assert_true(maps_each(&maps, id, note_one, &row, &err) >= 0);
	if (!row.found)
		fail_msg("map %s is empty: nothing to corrupt", map_specs[id].name);
	if (how == ROW_DELETED) {
		assert_int_equal(maps_delete(&maps, id, row.key, &err), 0);
	} else if (how == ROW_CHANGED) {
		row.value[0] ^= 1;
		assert_int_equal(maps_put(&maps, id, row.key, row.value, &err), 0);
	} else {
		/* The last byte of a key counts in each of them; an LPM key gets a whole prefix. */
		row.key[row.spec->key_size - 1] ^= 0x40;
		if (id == MAP_ipcache)
			row.key[0] = 32;
		assert_int_equal(maps_put(&maps, id, row.key, row.value, &err), 0);
	}
	maps_close(&maps);
	return true;
}

static bool told(const struct datapath_regenerated *done, const char *map)
{
	size_t n = strlen(map);

	for (size_t i = 0; i < done->corrupted.n; i++)
		if (!strncmp(done->corrupted.items[i], map, n) &&
		    done->corrupted.items[i][n] == ':')
			return true;
	return false;
}

static void corruption_is_repaired(struct datapath *dp, int server, enum map_id id,
				   enum corruption how)
{
	struct datapath_regenerated done, again;
	struct error err = ERROR_INIT;
	struct arena a = ARENA_INIT;
	int client;

	if (!corrupt_map(id, how))
		return;
	assert_int_equal(datapath_regenerate(dp, &wires.want, 101, &a, &done, &err), 0);
	if (!told(&done, map_specs[id].name))
		fail_msg("a row of %s was %s, and none of %zu lines says so", map_specs[id].name,
			 corruption_words[how], done.corrupted.n);
	assert_true(done.generation_after > done.generation_before);
	assert_int_equal(datapath_regenerate(dp, &wires.want, 101, &a, &again, &err), 0);
	if (again.corrupted.n)
		fail_msg("%s, a row %s: still wrong after the repair: %s", map_specs[id].name,
			 corruption_words[how], again.corrupted.items[0]);
	client = wires_connect(&wires, WIRE_A, WIRE_ADDR_B, WIRE_PORT);
	assert_int_equal(wires_connected(client), 0);
	close(wires_accept(server));
	close(client);
	arena_release(&a);
}

TEST(any_row_of_any_map_is_repaired)
{
	int server = wires_listen(&wires, WIRE_B, WIRE_PORT);
	struct datapath *dp;

	wires_open(&wires, DATAPATH_ATTACH_AUTO, &dp);
	wires_policy(&wires, dp, WIRE_PORT);
	wires.endpoints[WIRE_A].sock_optout = true;
	wires_apply(&wires, dp);
	for (enum map_id id = 0; id < MAP_COUNT; id++) {
		if (map_specs[id].class != MAP_CLASS_DERIVED)
			continue;
		for (enum corruption how = 0; how < CORRUPTIONS; how++)
			corruption_is_repaired(dp, server, id, how);
	}
	wires.endpoints[WIRE_A].sock_optout = false;
	wires_apply(&wires, dp);
	close(server);
	close_all(dp);
}

static void regenerating_repairs(enum datapath_attach mode)
{
	struct datapath_regenerated done;
	struct error err = ERROR_INIT;
	struct arena a = ARENA_INIT;
	struct datapath *dp;
	int server = wires_listen(&wires, WIRE_B, WIRE_PORT), client;

	wires_open(&wires, mode, &dp);
	wires_policy(&wires, dp, WIRE_PORT);
	assert_int_equal(datapath_regenerate(dp, &wires.want, 101, &a, &done, &err), 0);
	assert_int_equal(done.corrupted.n, 0);
	assert_true(done.generation_after > done.generation_before);
	assert_false(done.program_replaced);
	corrupt();
	datapath_detach(dp, wires.wire[WIRE_B].ifindex, &err);
	assert_int_equal(datapath_regenerate(dp, &wires.want, 101, &a, &done, &err), 0);
	assert_true(done.program_replaced);
	assert_true(done.corrupted.n >= 3); /* a policy row, the endpoint's own, the program */
	assert_true(done.generation_after > done.generation_before);
	client = wires_connect(&wires, WIRE_A, WIRE_ADDR_B, WIRE_PORT);
	assert_int_equal(wires_connected(client), 0);
	close(client);
	close(server);
	arena_release(&a);
	close_all(dp);
}

/* Nobody can open another file: the new programs cannot be loaded. */
static void refused_to_load(struct datapath *dp)
{
	struct rlimit had, none = {0};
	struct error err = ERROR_INIT;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &had), 0);
	none.rlim_max = had.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_true(datapath_reload(dp, &err) < 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &had), 0);
}

static void programs_are_loaded_again(enum datapath_attach mode)
{
	struct strings before, after;
	struct error err = ERROR_INIT;
	struct arena a = ARENA_INIT;
	struct datapath *dp;
	int server = wires_listen(&wires, WIRE_B, WIRE_PORT), client, conn;

	wires_open(&wires, mode, &dp);
	wires_policy(&wires, dp, WIRE_PORT);
	client = wires_connect(&wires, WIRE_A, WIRE_ADDR_B, WIRE_PORT);
	assert_int_equal(wires_connected(client), 0);
	conn = wires_accept(server);
	before = datapath_program_ids(dp, &a);
	assert_int_equal(datapath_reload(dp, &err), 0);
	after = datapath_program_ids(dp, &a);
	for (size_t i = 0; i < before.n; i++)
		assert_string_not_equal(before.items[i], after.items[i]);
	assert_true(datapath_runs_ours(dp, wires.wire[WIRE_B].ifindex));
	wires_talk(client, conn);
	before = after;
	refused_to_load(dp);
	after = datapath_program_ids(dp, &a);
	for (size_t i = 0; i < before.n; i++)
		assert_string_equal(before.items[i], after.items[i]);
	assert_true(datapath_runs_ours(dp, wires.wire[WIRE_B].ifindex));
	wires_talk(conn, client);
	datapath_detach(dp, wires.wire[WIRE_B].ifindex, &err);
	assert_false(datapath_runs_ours(dp, wires.wire[WIRE_B].ifindex));
	close(conn);
	close(client);
	close(server);
	arena_release(&a);
	close_all(dp);
}

/* Another map in the place of one of ours: what the programs do with its rows is refused. */
TEST(the_verifier_says_why)
{
	int tiny = bpf_map_create(BPF_MAP_TYPE_HASH, "tiny", sizeof(uint32_t), 1, 8, NULL);
	struct error err = ERROR_INIT;
	struct datapath *dp;
	int ours;

	wires_open(&wires, DATAPATH_ATTACH_AUTO, &dp);
	wires_policy(&wires, dp, WIRE_PORT);
	assert_null(datapath_load_log(dp));
	ours = dp->maps.fd[MAP_ep_addr];
	dp->maps.fd[MAP_ep_addr] = tiny;
	assert_int_equal(datapath_reload(dp, &err), -EACCES);
	dp->maps.fd[MAP_ep_addr] = ours;
	assert_non_null(strstr(err.msg, "the verifier says \"R0 "));
	assert_non_null(strstr(datapath_load_log(dp), "invalid access to map value"));
	assert_true(strlen(datapath_load_log(dp)) <= DATAPATH_MAX_LOG);
	assert_null(strstr(datapath_load_log(dp), "0xffff8")); /* where the kernel has things */
	assert_true(datapath_runs_ours(dp, wires.wire[WIRE_B].ifindex));
	assert_int_equal(datapath_reload(dp, &err), 0);
	assert_null(datapath_load_log(dp));
	close(tiny);
	close_all(dp);
}

static const struct datapath_map_use *use_of(struct datapath *dp, struct arena *a, const char *name)
{
	struct datapath_map_use *uses;
	size_t n = datapath_map_uses(dp, a, &uses);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(uses[i].name, name))
			return &uses[i];
	fail_msg("no map %s", name);
	return NULL;
}

TEST(what_a_gate_asks_is_counted)
{
	struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;
	struct datapath_drop *drops;
	struct datapath *dp;
	size_t n;
	int fd;

	wires_open(&wires, DATAPATH_ATTACH_AUTO, &dp);
	wires_policy(&wires, dp, WIRE_PORT);
	fd = wires_connect(&wires, WIRE_A, WIRE_ADDR_B, WIRE_PORT + 1);
	wires_expect_drop(dp, REASON_POLICY);
	close(fd);
	assert_int_equal(datapath_drops(dp, &a, &drops, &n, &err), 0);
	while (n && drops[n - 1].reason != REASON_POLICY)
		n--;
	assert_true(n > 0);
	assert_true(drops[n - 1].packets >= 1 && drops[n - 1].bytes > drops[n - 1].packets);
	assert_false(use_of(dp, &a, "ep_addr")->counted);
	/* A row at a time, until every map had its turn. */
	for (int i = 0; i < 64; i++)
		datapath_count_maps(dp, 1);
	assert_true(use_of(dp, &a, "ep_addr")->counted);
	assert_int_equal(use_of(dp, &a, "ep_addr")->entries, 2);
	assert_int_equal(use_of(dp, &a, "ep_addr")->max, ENDPOINT_MAX);
	assert_true(use_of(dp, &a, "conntrack")->counted && use_of(dp, &a, "conntrack")->evicts);
	assert_true(use_of(dp, &a, "policy")->counted);
	assert_true(use_of(dp, &a, "policy")->entries >= 1);
	assert_int_equal(datapath_map_errors(dp), 0);
	arena_release(&a);
	close_all(dp);
}

/* Port of the address that a client in pod A sees after connecting to the service. */
static uint16_t peer_port_in_cgroup(void)
{
	struct error err = ERROR_INIT;
	char path[192], pid[16];
	int pipes[2], status;
	uint16_t port = 0;
	pid_t child;

	assert_int_equal(pipe(pipes), 0);
	child = fork();
	if (!child) {
		struct sockaddr_in to = {.sin_family = AF_INET,
					 .sin_port = htons(80),
					 .sin_addr.s_addr = inet_addr(WIRE_VIP)};
		socklen_t len = sizeof(to);
		int back, fd, n = snprintf(pid, sizeof(pid), "%d", (int)getpid());

		snprintf(path, sizeof(path), "%s/cgroup.procs", wires.cgroup);
		if (netns_enter(wires.wire[WIRE_A].netns, &back, &err))
			_exit(1);
		FILE *procs = fopen(path, "w");
		if (!procs || fwrite(pid, 1, (size_t)n, procs) != (size_t)n || fclose(procs))
			_exit(2);
		fd = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(fd, (struct sockaddr *)&to, sizeof(to)) ||
		    getpeername(fd, (struct sockaddr *)&to, &len))
			_exit(3);
		port = ntohs(to.sin_port);
		_exit(write(pipes[1], &port, sizeof(port)) != sizeof(port));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(read(pipes[0], &port, sizeof(port)), sizeof(port));
	close(pipes[0]);
	close(pipes[1]);
	return port;
}

TEST(sockets_are_translated_unless_they_opt_out)
{
	struct datapath *dp;
	int server;

	if (!wires.cgroup[0])
		skip();
	server = wires_listen(&wires, WIRE_B, WIRE_PORT);
	wires_open(&wires, DATAPATH_ATTACH_AUTO, &dp);
	wires_policy(&wires, dp, WIRE_PORT);
	assert_int_equal(peer_port_in_cgroup(), WIRE_PORT);
	wires.endpoints[WIRE_A].sock_optout = true;
	wires_apply(&wires, dp);
	assert_int_equal(peer_port_in_cgroup(), 80);
	wires.endpoints[WIRE_A].sock_optout = false;
	wires_apply(&wires, dp);
	assert_int_equal(peer_port_in_cgroup(), WIRE_PORT);
	close(server);
	close_all(dp);
}

/* --- connected datagram sockets whose backend goes --- */

/* In pod A's namespace and the balanced cgroup: a socket for each frontend port, kept open. */
static void connect_all(const uint16_t *ports, size_t n, int *fds)
{
	for (size_t i = 0; i < n; i++) {
		struct sockaddr_in to = {.sin_family = AF_INET,
					 .sin_port = htons(ports[i]),
					 .sin_addr.s_addr = inet_addr(WIRE_VIP)};

		fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		if (fds[i] < 0 || connect(fds[i], (struct sockaddr *)&to, sizeof(to)))
			_exit(3);
	}
}

static void join_cgroup(void)
{
	char path[192], pid[16];
	int n = snprintf(pid, sizeof(pid), "%d", (int)getpid());

	snprintf(path, sizeof(path), "%s/cgroup.procs", wires.cgroup);
	FILE *procs = fopen(path, "w");
	if (!procs || fwrite(pid, 1, (size_t)n, procs) != (size_t)n || fclose(procs))
		_exit(2);
}

/* errno that a read of each socket ends with, asked once the parent has spoken. */
static pid_t client_of(const uint16_t *ports, size_t n, int from_parent, int to_parent)
{
	struct error err = ERROR_INIT;
	int fds[4], answers[4], back;
	char c;
	pid_t child = fork();

	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that failed leaves nobody behind */
	if (netns_enter(wires.wire[WIRE_A].netns, &back, &err))
		_exit(1);
	join_cgroup();
	connect_all(ports, n, fds);
	if (write(to_parent, "r", 1) != 1 || read(from_parent, &c, 1) != 1)
		_exit(4);
	for (size_t i = 0; i < n; i++)
		answers[i] = recv(fds[i], &c, 1, 0) < 0 ? errno : 0;
	_exit(write(to_parent, answers, n * sizeof(*answers)) != (ssize_t)(n * sizeof(*answers)));
}

static int end_sockets(void *arg, struct error *err)
{
	size_t ended;
	int code = datapath_sockets_end(arg, &ended, err);

	return code ? code : (int)ended;
}

/* Two frontends; the backend of the first goes, that of the second stays or only terminates. */
static void backend_goes(enum datapath_term how, const char *mode, enum backend_state second)
{
	struct mesh_backend backends[2] = {{wires.backend.address, BACKEND_ACTIVE},
					   {wires.backend.address, BACKEND_ACTIVE}};
	struct mesh_service services[2] = {wires.service, wires.service};
	static const uint16_t ports[] = {81, 82};
	int down[2], up[2], answers[2], status;
	struct error err = ERROR_INIT;
	struct datapath *dp;
	size_t stale;
	pid_t child;
	char c;

	for (int i = 0; i < 2; i++) {
		services[i].key.port = htons(ports[i]);
		services[i].key.proto = IPPROTO_UDP;
		services[i].backends = &backends[i];
		services[i].n_backends = services[i].n_active = 1;
	}
	wires.term = how;
	wires_open(&wires, DATAPATH_ATTACH_AUTO, &dp);
	assert_string_equal(datapath_term_mode(dp), mode);
	wires.want.services = services;
	wires.want.n_services = 2;
	wires_apply(&wires, dp);
	assert_int_equal(pipe(down) | pipe(up), 0);
	child = client_of(ports, 2, down[0], up[1]);
	assert_int_equal(read(up[0], &c, 1), 1);

	assert_int_equal(datapath_sockets_stale(dp, &stale, &err), 0);
	assert_int_equal(stale, 0);
	assert_int_equal(netns_run(wires.wire[WIRE_A].netns, end_sockets, dp, &err), 0);
	services[0].n_backends = services[0].n_active = 0;
	backends[1].state = (uint8_t)second;
	services[1].n_active = second == BACKEND_ACTIVE;
	wires_apply(&wires, dp);
	assert_int_equal(datapath_sockets_stale(dp, &stale, &err), 0);
	assert_int_equal(stale, 1);
	assert_int_equal(netns_run(wires.wire[WIRE_B].netns, end_sockets, dp, &err), 0);
	assert_int_equal(netns_run(wires.wire[WIRE_A].netns, end_sockets, dp, &err), 1);
	assert_int_equal(datapath_sockets_forget(dp, &err), 0);
	assert_int_equal(datapath_sockets_stale(dp, &stale, &err), 0);
	assert_int_equal(stale, 0);

	assert_int_equal(write(down[1], "g", 1), 1);
	assert_int_equal(read(up[0], answers, sizeof(answers)), sizeof(answers));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(answers[0], ECONNABORTED);
	assert_int_equal(answers[1], EAGAIN);
	for (int i = 0; i < 2; i++) {
		close(down[i]);
		close(up[i]);
	}
	wires.want.services = &wires.service;
	wires.want.n_services = 1;
	wires.term = DATAPATH_TERM_AUTO;
	wires_apply(&wires, dp);
	close_all(dp);
}

TEST(sockets_whose_backend_is_gone_are_ended_by_the_iterator)
{
	if (!wires.cgroup[0])
		skip();
	backend_goes(DATAPATH_TERM_ITERATOR, "iterator", BACKEND_ACTIVE);
}

TEST(sockets_whose_backend_is_gone_are_ended_through_netlink)
{
	if (!wires.cgroup[0])
		skip();
	backend_goes(DATAPATH_TERM_NETLINK, "netlink", BACKEND_ACTIVE);
}

TEST(sockets_whose_backend_terminates_are_left_alone)
{
	if (!wires.cgroup[0])
		skip();
	backend_goes(DATAPATH_TERM_AUTO, "iterator", BACKEND_TERMINATING);
	backend_goes(DATAPATH_TERM_NETLINK, "netlink", BACKEND_TERMINATING);
}

/* What a tool prints of the pinned maps, with nobody else alive. */
static char *tool_output(const char *words)
{
	static char text[65536];
	char command[512];
	FILE *pipe;
	size_t n;

	snprintf(command, sizeof(command), "%s/sidestep bpf %s --pin-root %s -o json",
		 getenv("SIDESTEP_BIN_DIR"), words, wires.root);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	n = fread(text, 1, sizeof(text) - 1, pipe);
	text[n] = 0;
	assert_int_equal(pclose(pipe), 0);
	return text;
}

TEST(tools_read_the_maps_without_an_agent)
{
	static const struct {
		const char *words, *want;
	} rows[] = {
		{"endpoint list", "\"address\": \"" WIRE_ADDR_B "\""},
		{"policy list", "\"port\": \"8080\""},
		{"policy list --endpoint 101", "\"verdict\": \"allow\""},
		{"lb list", "\"frontend\": \"" WIRE_VIP ":80/TCP\""},
		{"ipcache list", "\"prefix\": \"" WIRE_ADDR_A "/32\""},
		{"ct list", "\"destination\": \"" WIRE_ADDR_B ":8080\""},
		{"metrics list", "\"reason\": \"Forwarded\""},
		{"traffic list", "\"verdict\": \"FORWARDED\""},
	};
	struct datapath *dp;
	int server, client;

	if (!getenv("SIDESTEP_BIN_DIR"))
		skip();
	server = wires_listen(&wires, WIRE_B, WIRE_PORT);
	wires_open(&wires, DATAPATH_ATTACH_AUTO, &dp);
	wires_policy(&wires, dp, WIRE_PORT);
	client = wires_connect(&wires, WIRE_A, WIRE_ADDR_B, WIRE_PORT);
	assert_int_equal(wires_connected(client), 0);
	datapath_close(dp);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strstr(tool_output(rows[i].words), rows[i].want))
			fail_msg("bpf %s: no %s in %s", rows[i].words, rows[i].want,
				 tool_output(rows[i].words));
	close(client);
	close(server);
	close_all(NULL);
}

#define BOTH(name)                                                                                 \
	TEST(name##_both)                                                                          \
	{                                                                                          \
		for (size_t i = 0; i < ARRAY_SIZE(modes); i++)                                     \
			name(modes[i]);                                                            \
	}
BOTH(nothing_before_the_row)
BOTH(allowed_and_refused)
BOTH(a_change_meets_live_connections)
BOTH(a_service_reaches_its_backend)
BOTH(killed_and_started_again)
BOTH(killed_before_the_bump)
BOTH(regenerating_repairs)
BOTH(programs_are_loaded_again)

/* A test that is killed in the middle: pins, namespaces and all are in nobody's way. */
TEST(what_a_killed_test_has_left_goes)
{
	char path[300];
	int status;
	pid_t pid = fork();

	if (!pid) {
		struct datapath *dp;
		struct wires own;

		wires_setup(&own, "killed", 7);
		wires_open(&own, DATAPATH_ATTACH_AUTO, &dp);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	snprintf(path, sizeof(path), "/sys/fs/bpf/dp-killed-%d-7", (int)pid);
	assert_int_equal(access(path, F_OK), 0);
	wires_sweep();
	assert_int_equal(access(path, F_OK), -1);
	snprintf(path, sizeof(path), "/run/dp-killed-%d-7-7-0", (int)pid);
	assert_int_equal(access(path, F_OK), -1);
	snprintf(path, sizeof(path), "/run/%s-0-0", strrchr(wires.root, '/') + 1);
	assert_int_equal(access(path, F_OK), 0); /* ours is alive */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_before_the_row_both),
		cmocka_unit_test(allowed_and_refused_both),
		cmocka_unit_test(a_change_meets_live_connections_both),
		cmocka_unit_test(a_service_reaches_its_backend_both),
		cmocka_unit_test(killed_and_started_again_both),
		cmocka_unit_test(killed_before_the_bump_both),
		cmocka_unit_test(regenerating_repairs_both),
		cmocka_unit_test(programs_are_loaded_again_both),
		cmocka_unit_test(the_verifier_says_why),
		cmocka_unit_test(what_a_gate_asks_is_counted),
		cmocka_unit_test(any_row_of_any_map_is_repaired),
		cmocka_unit_test(sockets_are_translated_unless_they_opt_out),
		cmocka_unit_test(sockets_whose_backend_is_gone_are_ended_by_the_iterator),
		cmocka_unit_test(sockets_whose_backend_is_gone_are_ended_through_netlink),
		cmocka_unit_test(sockets_whose_backend_terminates_are_left_alone),
		cmocka_unit_test(tools_read_the_maps_without_an_agent),
		cmocka_unit_test(what_a_killed_test_has_left_goes),
	};
	int failed;

	wires_setup(&wires, "attach", 0);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	wires_teardown(&wires);
	return failed;
}
