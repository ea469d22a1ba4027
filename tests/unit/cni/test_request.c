/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/cni/request.h"

#include <string.h>

#include "tests/support/test.h"

#define CONFIG "{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"type\":\"sidestep-cni\"}"

struct env {
	const char *command, *id, *netns, *ifname, *args;
};

static const struct env add = {
	"ADD", "abc123", "/run/netns/x", "eth0",
	"IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=web-1;K8S_POD_UID=u"};

static const char *get(void *arg, const char *name)
{
	const struct env *e = arg;

	return strcmp(name, "CNI_COMMAND") == 0       ? e->command
	       : strcmp(name, "CNI_CONTAINERID") == 0 ? e->id
	       : strcmp(name, "CNI_NETNS") == 0       ? e->netns
	       : strcmp(name, "CNI_IFNAME") == 0      ? e->ifname
	       : strcmp(name, "CNI_ARGS") == 0        ? e->args
						      : NULL;
}

static int parse(struct arena *a, const struct env *e, const char *config, struct cni_request *rq,
		 struct cni_failure *f)
{
	struct env copy = *e;

	memset(f, 0, sizeof(*f));
	return cni_request_parse(a, get, &copy, config, strlen(config), rq, f);
}

TEST(a_whole_request)
{
	struct arena a = ARENA_INIT;
	struct cni_request rq;
	struct cni_failure f;

	assert_int_equal(parse(&a, &add, CONFIG, &rq, &f), 0);
	assert_int_equal(rq.command, CNI_ADD);
	assert_string_equal(rq.pod_namespace, "ns");
	assert_string_equal(rq.pod_name, "web-1");
	assert_string_equal(rq.pod_uid, "u");
	assert_string_equal(rq.socket, "/run/sidestep/sidestepd.sock");
	assert_int_equal(rq.timeout_s, 30);
	arena_release(&a);
}

TEST(refusals_carry_the_specifications_codes)
{
#define WITH(member, value)                                                                        \
	({                                                                                         \
		struct env with = {"ADD", "a", "/n", "eth0", NULL};                                \
		with.member = (value);                                                             \
		with;                                                                              \
	})
#define CONF(rest) "{\"cniVersion\":\"1.0.0\",\"name\":\"n\"" rest "}"
	const struct {
		struct env env;
		const char *config;
		int code;
		const char *says;
	} rows[] = {
		{WITH(command, NULL), CONFIG, CNI_ERR_ENVIRONMENT, "CNI_COMMAND is not set"},
		{WITH(command, "add"), CONFIG, CNI_ERR_ENVIRONMENT, "none of ADD"},
		{WITH(id, NULL), CONFIG, CNI_ERR_ENVIRONMENT, "CNI_CONTAINERID is not set"},
		{WITH(id, "../x"), CONFIG, CNI_ERR_ENVIRONMENT, "not valid"},
		{WITH(id, "-x"), CONFIG, CNI_ERR_ENVIRONMENT, "not valid"},
		{WITH(netns, NULL), CONFIG, CNI_ERR_ENVIRONMENT, "CNI_NETNS is not set"},
		{WITH(ifname, ""), CONFIG, CNI_ERR_ENVIRONMENT, "CNI_IFNAME is not set"},
		{WITH(ifname, "a/b"), CONFIG, CNI_ERR_ENVIRONMENT, "not valid"},
		{WITH(ifname, "sixteen-letters-"), CONFIG, CNI_ERR_ENVIRONMENT, "not valid"},
		{WITH(ifname, ".."), CONFIG, CNI_ERR_ENVIRONMENT, "not valid"},
		{WITH(args, "K8S_POD_NAME"), CONFIG, CNI_ERR_ENVIRONMENT, "not KEY=VALUE"},
		{add, "", CNI_ERR_DECODE, "stdin:1"},
		{add, "[]", CNI_ERR_CONFIG, "want a map"},
		{add, "{\"name\":\"n\"}", CNI_ERR_CONFIG, "cniVersion is required"},
		{add, "{\"cniVersion\":\"1.0.0\"}", CNI_ERR_CONFIG, "name is required"},
		{add, "{\"cniVersion\":\"0.2.0\",\"name\":\"n\"}", CNI_ERR_VERSION, "0.2.0"},
		{add, "{\"cniVersion\":1,\"name\":\"n\"}", CNI_ERR_CONFIG,
		 "cniVersion: want a string"},
		{add, CONF(",\"timeoutSeconds\":0"), CNI_ERR_CONFIG, "timeoutSeconds"},
		{add, CONF(",\"socket\":\"\""), CNI_ERR_CONFIG, "socket: must not be empty"},
		{add, CONF(",\"chainingMode\":\"x\""), CNI_ERR_CONFIG, "none, generic-veth"},
		{add, CONF(",\"chainingMode\":\"generic-veth\""), CNI_ERR_CONFIG,
		 "prevResult is missing"},
		{add, CONF(",\"prevResult\":{}"), CNI_ERR_CONFIG, "set chainingMode"},
		{WITH(command, "CHECK"), CONF(""), CNI_ERR_CONFIG, "CHECK needs prevResult"},
		{WITH(command, "CHECK"),
		 "{\"cniVersion\":\"0.3.1\",\"name\":\"n\",\"prevResult\":{}}", CNI_ERR_VERSION,
		 "CHECK came with"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a = ARENA_INIT;
		struct cni_request rq;
		struct cni_failure f;
		int r = parse(&a, &rows[i].env, rows[i].config, &rq, &f);

		if (r != -1 || f.code != rows[i].code || !strstr(f.msg, rows[i].says))
			fail_msg("row %zu: %d, code %d: %s", i, r, f.code, f.msg);
		arena_release(&a);
	}
}

TEST(what_may_be_missing)
{
	struct arena a = ARENA_INIT;
	struct cni_request rq;
	struct cni_failure f;
	struct env e = add;

	e.command = "DEL";
	e.netns = e.args = NULL;
	assert_int_equal(parse(&a, &e, CONFIG, &rq, &f), 0);
	assert_null(rq.netns);
	assert_string_equal(rq.pod_name, "");
	e = (struct env){.command = "VERSION"};
	assert_int_equal(parse(&a, &e, "{}", &rq, &f), 0);
	assert_string_equal(rq.version, "1.0.0");
	assert_int_equal(parse(&a, &e, "{\"cniVersion\":\"0.4.0\"}", &rq, &f), 0);
	assert_string_equal(rq.version, "0.4.0");
	arena_release(&a);
}

static void prints(struct arena *a, const struct doc *d, const char *want)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	(void)a;
	doc_write_json(d, DOC_COMPACT, &sb);
	assert_string_equal(sb.buf, want);
}

TEST(results_by_version)
{
	struct arena a = ARENA_INIT;
	struct cni_request rq = {.version = "1.0.0", .ifname = "eth0", .netns = "/n"};
	struct cni_attached at = {.host_ifname = "lxc1",
				  .host_mac = "02:00:00:00:00:01",
				  .mac = "02:00:00:00:00:02",
				  .n_addrs = 1};

	assert_int_equal(net_addr_parse("10.244.1.5", &at.addrs[0], NULL), 0);
	assert_int_equal(net_addr_parse("169.254.1.1", &at.gateway, NULL), 0);
	prints(&a, cni_add_result(&a, &rq, &at),
	       "{\"cniVersion\":\"1.0.0\",\"interfaces\":[{\"name\":\"lxc1\",\"mac\":\"02:00:00:00:"
	       "00:01\"},"
	       "{\"name\":\"eth0\",\"mac\":\"02:00:00:00:00:02\",\"sandbox\":\"/n\"}],"
	       "\"ips\":[{\"address\":\"10.244.1.5/"
	       "32\",\"gateway\":\"169.254.1.1\",\"interface\":1}],"
	       "\"routes\":[{\"dst\":\"0.0.0.0/0\",\"gw\":\"169.254.1.1\"}],\"dns\":{}}");
	rq.version = "0.3.1";
	assert_string_equal(doc_find_str(cni_add_result(&a, &rq, &at), "ips[0].version"), "4");
	prints(&a, cni_version_result(&a, "0.4.0"),
	       "{\"cniVersion\":\"0.4.0\",\"supportedVersions\":[\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1."
	       "0.0\"]}");
	prints(&a,
	       cni_failure_result(&a, "1.0.0",
				  &(struct cni_failure){.code = 11, .msg = "m", .details = "d"}),
	       "{\"cniVersion\":\"1.0.0\",\"code\":11,\"msg\":\"m\",\"details\":\"d\"}");
	arena_release(&a);
}

TEST(addresses_of_a_previous_result)
{
	static const struct {
		const char *prev;
		size_t n; /* 0: refused */
	} rows[] = {
		{"{\"ips\":[{\"address\":\"10.0.0.5/24\"}]}", 1},
		{"{\"ips\":[{\"address\":\"10.0.0.5/24\",\"interface\":0},{\"address\":\"fd00::5/"
		 "64\"}]}",
		 1},
		{"{\"interfaces\":[{\"name\":\"eth0\"}],\"ips\":[{\"address\":\"10.0.0.5/"
		 "24\",\"interface\":0}]}",
		 1},
		{"{\"interfaces\":[{\"name\":\"cni0\"}],\"ips\":[{\"address\":\"10.0.0.5/"
		 "24\",\"interface\":0}]}",
		 0},
		{"{\"ips\":[{\"address\":\"ten\"}]}", 0},
		{"{\"ips\":[{}]}", 0},
		{"{}", 0},
		{"[]", 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a = ARENA_INIT;
		struct cni_request rq = {.ifname = "eth0"};
		struct cni_attached at;
		struct cni_failure f = {0};
		struct doc *d = NULL;

		assert_int_equal(
			doc_read_json(&a, rows[i].prev, strlen(rows[i].prev), NULL, &d, NULL), 0);
		rq.prev_result = d;
		assert_int_equal(cni_prev_addresses(&rq, &at, &f), rows[i].n ? 0 : -1);
		if (rows[i].n)
			assert_true(at.n_addrs >= rows[i].n);
		arena_release(&a);
	}
}

TEST(host_names_are_stable_and_differ)
{
	char a[16], b[16], c[16];

	cni_host_ifname("abc", "eth0", a);
	cni_host_ifname("abc", "eth0", b);
	cni_host_ifname("abd", "eth0", c);
	assert_string_equal(a, b);
	assert_string_not_equal(a, c);
	assert_int_equal(strlen(a), 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_request),
		cmocka_unit_test(refusals_carry_the_specifications_codes),
		cmocka_unit_test(what_may_be_missing),
		cmocka_unit_test(results_by_version),
		cmocka_unit_test(addresses_of_a_previous_result),
		cmocka_unit_test(host_names_are_stable_and_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
