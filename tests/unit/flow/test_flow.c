/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/flow/flow.h"

#include <arpa/inet.h>
#include <string.h>

#include "lib/flow/filter.h"
#include "tests/support/test.h"

static struct event sample(void)
{
	struct event e = {.version = EVENT_VERSION,
			  .type = EVENT_DROP,
			  .verdict = VERDICT_DROPPED,
			  .reason = REASON_POLICY,
			  .direction = DIRECTION_INGRESS,
			  .proto = IPPROTO_TCP,
			  .tcp_flags = 2,
			  .time_ns = 1000000000,
			  .flags = EVENT_NEW | EVENT_REFUSED,
			  .len = 74,
			  .src_identity = 300,
			  .dst_identity = 301,
			  .rule_id = 7,
			  .ifindex = 12,
			  .sport = htons(40000),
			  .dport = htons(8080),
			  .svc_addr = inet_addr("10.96.0.7"),
			  .svc_port = htons(80)};
	uint32_t src = inet_addr("10.0.0.1"), dst = inet_addr("10.0.0.2");

	memcpy(e.saddr, &src, 4);
	memcpy(e.daddr, &dst, 4);
	return e;
}

static void name_address(UNUSED void *arg, const struct net_addr *addr, struct flow_end *end)
{
	char buf[NET_ADDR_SIZE];

	if (strcmp(net_addr_format(addr, buf), "10.0.0.1"))
		return;
	end->namespace = "shop";
	end->pod = "web-abc-1";
	end->workload = "web";
	end->endpoint = 5;
}

static void name_identity(UNUSED void *arg, uint32_t identity, struct flow_end *end)
{
	static const char *labels[] = {"k8s:app=web", "k8s:tier=front"};

	if (identity == 300)
		end->labels = (struct strings){labels, 2};
}

static const char *name_rule(UNUSED void *arg, uint32_t rule)
{
	return rule == 7 ? "shop/deny-all" : NULL;
}

static struct flow enriched(void)
{
	static const struct flow_names names = {.node = "n1",
						.address = name_address,
						.identity = name_identity,
						.rule = name_rule};
	struct event e = sample();
	struct flow f;

	assert_int_equal(flow_decode(&e, 500, &f, NULL), 0);
	flow_enrich(&f, &names);
	return f;
}

TEST(decodes_and_names)
{
	struct flow f = enriched();
	struct strbuf line = STRBUF_INIT;

	assert_int_equal(f.time_ns, 1000000500);
	assert_string_equal(f.source.pod, "web-abc-1");
	assert_null(f.destination.pod);
	flow_print_line(&f, &line);
	assert_string_equal(strbuf_cstr(&line),
			    "1970-01-01T00:00:01.000Z: shop/web-abc-1:40000 (ID:300) <> "
			    "10.0.0.2:8080 (ID:301) Policy denied INGRESS DROPPED "
			    "(TCP Flags: SYN) by shop/deny-all");
	strbuf_release(&line);
}

TEST(json_has_hubbles_names_and_comes_back)
{
	struct arena a = ARENA_INIT;
	struct flow f = enriched(), g;
	struct doc *d = flow_to_doc(&a, &f);

	assert_string_equal(doc_find_str(d, "verdict"), "DROPPED");
	assert_string_equal(doc_find_str(d, "drop_reason_desc"), "POLICY_DENIED");
	assert_int_equal(doc_find_int(d, "drop_reason", 0), 133);
	assert_string_equal(doc_find_str(d, "source.namespace"), "shop");
	assert_int_equal(doc_find_int(d, "source.identity", 0), 300);
	assert_int_equal(doc_find_int(d, "l4.TCP.destination_port", 0), 8080);
	assert_string_equal(doc_find_str(d, "Summary"), "TCP Flags: SYN");
	assert_int_equal(flow_from_doc(&a, d, &g, NULL), 0);
	assert_true(doc_equal(d, flow_to_doc(&a, &g)));
	assert_int_equal(g.flags, f.flags);
	arena_release(&a);
}

TEST(a_record_of_another_version_is_an_error)
{
	struct event e = sample();
	struct flow f;

	e.version++;
	assert_int_equal(flow_decode(&e, 0, &f, NULL), -EPROTO);
}

static const struct filter_case {
	struct {
		enum flow_field field;
		enum flow_side side;
		const char *value;
	} terms[3];
	bool want;
} filter_cases[] = {
	{{{FLOW_NAMESPACE, FLOW_EITHER, "shop"}}, true},
	{{{FLOW_NAMESPACE, FLOW_FROM, "shop"}}, true},
	{{{FLOW_NAMESPACE, FLOW_TO, "shop"}}, false},
	{{{FLOW_NAMESPACE, FLOW_EITHER, "no"}, {FLOW_NAMESPACE, FLOW_EITHER, "shop"}}, true},
	{{{FLOW_NAMESPACE, FLOW_EITHER, "shop"}, {FLOW_PORT, FLOW_TO, "8080"}}, true},
	{{{FLOW_NAMESPACE, FLOW_EITHER, "shop"}, {FLOW_PORT, FLOW_TO, "8081"}}, false},
	{{{FLOW_POD, FLOW_EITHER, "web"}}, true},
	{{{FLOW_POD, FLOW_EITHER, "shop/web-abc"}}, true},
	{{{FLOW_POD, FLOW_EITHER, "sho/web-abc"}}, false},
	{{{FLOW_LABEL, FLOW_FROM, "app=web"}}, true},
	{{{FLOW_LABEL, FLOW_FROM, "k8s:app"}}, true},
	{{{FLOW_LABEL, FLOW_FROM, "app=we"}}, false},
	{{{FLOW_IDENTITY, FLOW_TO, "301"}}, true},
	{{{FLOW_IDENTITY, FLOW_EITHER, "host"}}, false},
	{{{FLOW_IP, FLOW_FROM, "10.0.0.0/24"}}, true},
	{{{FLOW_IP, FLOW_EITHER, "10.0.1.0/24"}}, false},
	{{{FLOW_PROTOCOL, FLOW_EITHER, "tcp"}}, true},
	{{{FLOW_PROTOCOL, FLOW_EITHER, "udp"}}, false},
	{{{FLOW_VERDICT, FLOW_EITHER, "dropped"}}, true},
	{{{FLOW_TYPE, FLOW_EITHER, "trace"}}, false},
	{{{FLOW_REASON, FLOW_EITHER, "POLICY_DENIED"}}, true},
	{{{FLOW_REASON, FLOW_EITHER, "181"}}, false},
	{{{FLOW_WORKLOAD, FLOW_FROM, "web"}}, true},
};

TEST(filters)
{
	struct flow f = enriched();

	for (size_t i = 0; i < ARRAY_SIZE(filter_cases); i++) {
		struct flow_filter filter = FLOW_FILTER_INIT;

		for (size_t t = 0; t < 3 && filter_cases[i].terms[t].value; t++)
			assert_int_equal(flow_filter_add(&filter, filter_cases[i].terms[t].field,
							 filter_cases[i].terms[t].side,
							 filter_cases[i].terms[t].value, NULL),
					 0);
		if (flow_matches(&filter, &f) != filter_cases[i].want)
			fail_msg("filter row %zu", i);
		flow_filter_release(&filter);
	}
}

TEST(a_filter_that_means_nothing_is_refused)
{
	struct flow_filter filter = FLOW_FILTER_INIT;
	struct error err = ERROR_INIT;

	assert_int_equal(flow_filter_add(&filter, FLOW_PORT, FLOW_TO, "http", &err), -EINVAL);
	assert_string_equal(err.msg, "port \"http\": want a port number");
	assert_int_equal(flow_filter_add(&filter, FLOW_VERDICT, FLOW_EITHER, "gone", &err),
			 -EINVAL);
	assert_int_equal(flow_filter_add(&filter, FLOW_IP, FLOW_EITHER, "x", &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes_and_names),
		cmocka_unit_test(json_has_hubbles_names_and_comes_back),
		cmocka_unit_test(a_record_of_another_version_is_an_error),
		cmocka_unit_test(filters),
		cmocka_unit_test(a_filter_that_means_nothing_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
