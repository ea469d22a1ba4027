/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/istio/authz.h"
#include "lib/istio/match.h"
#include "lib/istio/mtls.h"
#include "tests/unit/istio/world.h"

/* --- patterns ----------------------------------------------------------------------------- */

TEST(patterns)
{
	static const struct {
		const char *pattern, *value;
		bool matches;
	} rows[] = {
		{"*", "x", true},       {"*", "", false},    {"*", NULL, false},
		{"a*", "abc", true},    {"a*", "ba", false}, {"*c", "abc", true},
		{"*c", "c", true},      {"*c", "cd", false}, {"abc", "abc", true},
		{"abc", "abcd", false}, {"", "", true},      {"a*b*", "a*b12", true},
	};
	struct arena a = ARENA_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct istio_match m = istio_match_parse(&a, rows[i].pattern);

		assert_int_equal(istio_pattern_matches(rows[i].pattern, rows[i].value, false),
				 rows[i].matches);
		assert_int_equal(istio_match_test(&m, rows[i].value, false), rows[i].matches);
	}
	assert_true(istio_pattern_matches("EXAMPLE.com", "example.COM", true));
	arena_release(&a);
}

/* Namespaces are matched by a regular expression, so a star may stand anywhere. */
TEST(globs)
{
	static const struct {
		const char *pattern, *value;
		bool matches;
	} rows[] = {
		{"*", "shop", true},      {"*", "", true},          {"", "", true},
		{"", "shop", false},      {"shop", "shop", true},   {"shop", "shopping", false},
		{"sh*", "shop", true},    {"*op", "shop", true},    {"*op", "shop-2", false},
		{"*ho*", "shop", true},   {"s*p", "shop", true},    {"s*o", "shop", false},
		{"s*p*p", "shop", false}, {"s*p*p", "sp-sp", true}, {"**", "shop", true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (istio_glob_matches(rows[i].pattern, rows[i].value) != rows[i].matches)
			fail_msg("%s against %s", rows[i].pattern, rows[i].value);
}

TEST(addresses_and_blocks)
{
	assert_true(istio_cidr_contains("10.1.0.0/16", "10.1.255.3"));
	assert_false(istio_cidr_contains("10.1.0.0/16", "10.2.0.0"));
	assert_true(istio_cidr_contains("10.1.2.3", "10.1.2.3"));
	assert_true(istio_cidr_contains("0.0.0.0/0", "1.2.3.4"));
	assert_true(istio_cidr_contains("10.128.0.0/9", "10.255.0.1"));
	assert_false(istio_cidr_contains("10.128.0.0/9", "10.127.0.1"));
	assert_true(istio_cidr_contains("2001:db8::/33", "2001:db8:7fff::1"));
	assert_false(istio_cidr_contains("2001:db8::/33", "2001:db8:8000::1"));
	assert_false(istio_cidr_contains("10.0.0.0/33", "10.0.0.1"));
	assert_false(istio_cidr_contains("0.0.0.0/0", NULL));
	assert_false(istio_cidr_contains("0.0.0.0/0", "::1"));
}

TEST(path_templates)
{
	assert_true(istio_path_template_matches("/a/{*}/c", "/a/b/c"));
	assert_false(istio_path_template_matches("/a/{*}/c", "/a/b/b/c"));
	assert_true(istio_path_template_matches("/{**}/c", "/a/b/c"));
	assert_true(istio_path_template_matches("/a/{**}", "/a/"));
	assert_false(istio_path_template_matches("/a/{**}", "/a"));
	assert_false(istio_path_template_matches("/a/{*}", "/a/"));
}

TEST(principals)
{
	struct arena a = ARENA_INIT;
	struct istio_principal p;

	assert_true(istio_principal_parse(&a, "cluster.local/ns/foo/sa/bar", &p));
	assert_string_equal(p.namespace, "foo");
	assert_string_equal(p.service_account, "bar");
	assert_string_equal(p.trust_domain, "cluster.local");
	assert_false(istio_principal_parse(&a, "cluster.local/ns/foo/sa/*", &p));
	assert_false(istio_principal_parse(&a, "cluster.local/ns/foo", &p));
	assert_false(istio_principal_parse(&a, "cluster.local/ns/foo/sa/a/b", &p));
	assert_false(istio_principal_parse(&a, "/ns/foo/sa/a", &p));
	arena_release(&a);
}

/* --- evaluation --------------------------------------------------------------------------- */

struct row {
	const char *policy; /* spec in flow style */
	const char *principal, *ip;
	uint16_t port;
	const char *method, *path; /* NULL method: a TCP connection */
	enum istio_verdict expect;
};

static enum istio_verdict evaluate(const struct row *row)
{
	struct world w;
	struct strmap none = {0};
	struct istio_request request = {
		.principal = row->principal,
		.source_ip = row->ip,
		.port = row->port,
		.http = row->method != NULL,
		.method = row->method,
		.path = row->path,
		.host = "b",
	};
	struct istio_decision d;

	world_init(&w);
	world_add(&w,
		  arena_printf(&w.arena,
			       "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n"
			       "metadata: {name: p, namespace: ns}\nspec: %s\n",
			       row->policy),
		  NULL);
	world_ready(&w);
	assert_int_equal(w.mesh.n_problems, 0);
	d = istio_authorize(&w.mesh, "ns", &none, &request);
	world_release(&w);
	return d.verdict;
}

#define ME "cluster.local/ns/ns1/sa/me"

TEST(one_policy_at_a_time)
{
	static const struct row rows[] = {
		/* the empty forms */
		{"{}", ME, "10.0.0.1", 80, NULL, NULL, VERDICT_DENY},
		{"{rules: [{}]}", NULL, "10.0.0.1", 80, NULL, NULL, VERDICT_ALLOW},
		{"{action: DENY}", ME, "10.0.0.1", 80, NULL, NULL, VERDICT_ALLOW},
		{"{action: DENY, rules: [{}]}", ME, "10.0.0.1", 80, NULL, NULL, VERDICT_DENY},
		{"{action: AUDIT, rules: [{}]}", ME, "10.0.0.1", 80, NULL, NULL, VERDICT_ALLOW},
		{"{action: CUSTOM, provider: {name: x}, rules: [{}]}", ME, "10.0.0.1", 80, "GET",
		 "/", VERDICT_ASK},
		/* identities */
		{"{rules: [{from: [{source: {principals: ['" ME "']}}]}]}", ME, "10.0.0.1", 80,
		 NULL, NULL, VERDICT_ALLOW},
		{"{rules: [{from: [{source: {principals: ['" ME "']}}]}]}", NULL, "10.0.0.1", 80,
		 NULL, NULL, VERDICT_DENY},
		{"{rules: [{from: [{source: {principals: ['*']}}]}]}", NULL, "10.0.0.1", 80, NULL,
		 NULL, VERDICT_DENY},
		{"{rules: [{from: [{source: {principals: ['*/sa/me']}}]}]}", ME, "10.0.0.1", 80,
		 NULL, NULL, VERDICT_ALLOW},
		{"{rules: [{from: [{source: {namespaces: ['ns*']}}]}]}", ME, "10.0.0.1", 80, NULL,
		 NULL, VERDICT_ALLOW},
		{"{rules: [{from: [{source: {serviceAccounts: ['ns1/me']}}]}]}", ME, "10.0.0.1", 80,
		 NULL, NULL, VERDICT_ALLOW},
		{"{rules: [{from: [{source: {serviceAccounts: [me]}}]}]}", ME, "10.0.0.1", 80, NULL,
		 NULL, VERDICT_DENY}, /* a bare name is of the policy's namespace */
		/* negations are true of a peer without identity */
		{"{action: DENY, rules: [{from: [{source: {notPrincipals: ['" ME "']}}]}]}", NULL,
		 "10.0.0.1", 80, NULL, NULL, VERDICT_DENY},
		{"{action: DENY, rules: [{from: [{source: {notPrincipals: ['" ME "']}}]}]}", ME,
		 "10.0.0.1", 80, NULL, NULL, VERDICT_ALLOW},
		{"{action: DENY, rules: [{from: [{source: {namespaces: [ns1]}}]}]}", NULL,
		 "10.0.0.1", 80, NULL, NULL, VERDICT_ALLOW}, /* fails open without identity */
		/* positive and negative of one attribute must both hold */
		{"{rules: [{from: [{source: {ipBlocks: [10.0.0.0/8], notIpBlocks: [10.0.0.1]}}]}]}",
		 NULL, "10.0.0.1", 80, NULL, NULL, VERDICT_DENY},
		{"{rules: [{from: [{source: {ipBlocks: [10.0.0.0/8], notIpBlocks: [10.0.0.1]}}]}]}",
		 NULL, "10.0.0.2", 80, NULL, NULL, VERDICT_ALLOW},
		/* ports */
		{"{rules: [{to: [{operation: {ports: ['80', '81']}}]}]}", NULL, "10.0.0.1", 81,
		 NULL, NULL, VERDICT_ALLOW},
		{"{rules: [{to: [{operation: {notPorts: ['80']}}]}]}", NULL, "10.0.0.1", 80, NULL,
		 NULL, VERDICT_DENY},
		{"{rules: [{when: [{key: destination.port, values: ['80']}]}]}", NULL, "10.0.0.1",
		 80, NULL, NULL, VERDICT_ALLOW},
		/* from, to and when are AND */
		{"{rules: [{from: [{source: {namespaces: [ns1]}}], to: [{operation: {ports: "
		 "['81']}}]}]}",
		 ME, "10.0.0.1", 80, NULL, NULL, VERDICT_DENY},
		/* HTTP attributes on a connection that is not HTTP */
		{"{rules: [{to: [{operation: {methods: [GET]}}]}]}", ME, "10.0.0.1", 80, NULL, NULL,
		 VERDICT_DENY},
		{"{action: DENY, rules: [{to: [{operation: {methods: [GET], ports: ['80']}}]}]}",
		 ME, "10.0.0.1", 80, NULL, NULL, VERDICT_DENY},
		{"{action: DENY, rules: [{to: [{operation: {methods: [GET], ports: ['80']}}]}]}",
		 ME, "10.0.0.1", 81, NULL, NULL, VERDICT_ALLOW},
		{"{action: DENY, rules: [{to: [{operation: {methods: [GET]}}]}]}", ME, "10.0.0.1",
		 80, "POST", "/", VERDICT_ALLOW},
		/* paths know no query */
		{"{rules: [{to: [{operation: {paths: [/a]}}]}]}", ME, "10.0.0.1", 80, "GET",
		 "/a?b=c", VERDICT_ALLOW},
		{"{rules: [{to: [{operation: {notPaths: ['/a*']}}]}]}", ME, "10.0.0.1", 80, "GET",
		 "/ab", VERDICT_DENY},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (evaluate(&rows[i]) != rows[i].expect)
			fail_msg("row %zu: %s", i, rows[i].policy);
}

TEST(scopes_and_order)
{
	struct world w;
	struct istio_request request = {.principal = ME, .port = 80};
	struct strmap b, c;

	world_init(&w);
	world_add(&w,
		  "apiVersion: security.istio.io/v1\n"
		  "kind: AuthorizationPolicy\n"
		  "metadata: {name: everywhere, namespace: istio-system}\n"
		  "spec: {selector: {matchLabels: {app: c}}, action: DENY, rules: [{}]}\n"
		  "---\n"
		  "apiVersion: security.istio.io/v1\n"
		  "kind: AuthorizationPolicy\n"
		  "metadata: {name: dry, namespace: ns, annotations: {istio.io/dry-run: 'true'}}\n"
		  "spec: {action: DENY, rules: [{}]}\n"
		  "---\n"
		  "apiVersion: security.istio.io/v1\n"
		  "kind: AuthorizationPolicy\n"
		  "metadata: {name: elsewhere, namespace: other}\n"
		  "spec: {}\n",
		  NULL);
	world_ready(&w);
	b = labels_of(&w.arena, "app=b");
	c = labels_of(&w.arena, "app=c");
	assert_int_equal(istio_authorize(&w.mesh, "ns", &b, &request).verdict, VERDICT_ALLOW);
	assert_int_equal(istio_authorize(&w.mesh, "ns", &c, &request).verdict, VERDICT_DENY);
	assert_int_equal(istio_authorize(&w.mesh, "other", &b, &request).verdict, VERDICT_DENY);
	world_release(&w);
}

TEST(trust_domain_aliases)
{
	struct world w;
	struct strmap none = {0};
	struct istio_request request = {.principal = "old-td/ns/a/sa/b", .port = 80};

	world_init(&w);
	world_add(&w,
		  "apiVersion: v1\n"
		  "kind: ConfigMap\n"
		  "metadata: {name: istio, namespace: istio-system}\n"
		  "data:\n"
		  "  mesh: |\n"
		  "    trustDomain: new-td\n"
		  "    trustDomainAliases: [old-td]\n"
		  "---\n"
		  "apiVersion: security.istio.io/v1\n"
		  "kind: AuthorizationPolicy\n"
		  "metadata: {name: p, namespace: ns}\n"
		  "spec: {rules: [{from: [{source: {principals: [new-td/ns/a/sa/b]}}]}]}\n",
		  NULL);
	world_ready(&w);
	assert_true(w.mesh.config.given);
	assert_string_equal(w.mesh.config.trust_domain, "new-td");
	assert_int_equal(istio_authorize(&w.mesh, "ns", &none, &request).verdict, VERDICT_ALLOW);
	request.principal = "third-td/ns/a/sa/b";
	assert_int_equal(istio_authorize(&w.mesh, "ns", &none, &request).verdict, VERDICT_DENY);
	world_release(&w);
}

/* --- Istio's own end-to-end rows ---------------------------------------------------------- */

enum {
	COL_CASE,
	COL_POLICIES,
	COL_NS,
	COL_SRC_NS,
	COL_SRC_SA,
	COL_IP,
	COL_MTLS,
	COL_PORT,
	COL_PROTO,
	COL_METHOD,
	COL_HOST,
	COL_PATH,
	COL_HEADERS,
	COL_EXPECT,
	N_COLS
};

static void check_decision(const char *dir, char **col)
{
	struct world w;
	struct strmap labels;
	struct istio_request request = {0};
	struct istio_decision d;
	char *save = NULL;

	world_init(&w);
	for (char *p = strtok_r(col[COL_POLICIES], ",", &save); p; p = strtok_r(NULL, ",", &save))
		world_add_path(&w, arena_printf(&w.arena, "%s/%s.yaml", dir, p), col[COL_NS]);
	world_ready(&w);
	labels = labels_of(&w.arena, "app=b");
	if (str_eq(col[COL_MTLS], "yes"))
		request.principal = istio_principal_format(&w.arena, "cluster.local",
							   col[COL_SRC_NS], col[COL_SRC_SA]);
	request.source_ip = col[COL_IP];
	request.port = (uint16_t)atoi(col[COL_PORT]);
	request.http = !str_eq(col[COL_PROTO], "tcp");
	request.method = col[COL_METHOD];
	request.host = col[COL_HOST];
	request.path = col[COL_PATH];
	d = istio_authorize(&w.mesh, col[COL_NS], &labels, &request);
	if (!str_eq(istio_verdict_name(d.verdict), col[COL_EXPECT]))
		fail_msg("%s %s:%s %s%s: %s, want %s", col[COL_CASE], col[COL_PROTO], col[COL_PORT],
			 col[COL_METHOD], col[COL_PATH], istio_verdict_name(d.verdict),
			 col[COL_EXPECT]);
	world_release(&w);
}

TEST(istio_decision_rows)
{
	struct arena a = ARENA_INIT;
	const char *dir = corpus_path(&a, "decisions");
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	char *line, *save = NULL;
	size_t n = 0;

	if (!dir) {
		arena_release(&a);
		skip();
	}
	assert_int_equal(
		io_read_file(arena_printf(&a, "%s/decisions.tsv", dir), 1 << 20, &text, NULL), 0);
	for (line = strtok_r(text.buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *col[N_COLS + 1] = {0}, *rest = line;

		for (size_t i = 0; i <= N_COLS; i++)
			col[i] = strsep(&rest, "\t");
		if (n++ > 0)
			check_decision(dir, col);
	}
	assert_true(n > 50);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns),
		cmocka_unit_test(globs),
		cmocka_unit_test(addresses_and_blocks),
		cmocka_unit_test(path_templates),
		cmocka_unit_test(principals),
		cmocka_unit_test(one_policy_at_a_time),
		cmocka_unit_test(scopes_and_order),
		cmocka_unit_test(trust_domain_aliases),
		cmocka_unit_test(istio_decision_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
