/* SPDX-License-Identifier: Apache-2.0 */
/* The reduction keeps what decides who reaches whom: each fault below must change its result. */
#include "tests/golden/istio/reduce.h"
#include "tests/support/test.h"

#define GOLDEN "tests/golden/istio/"

static struct doc *read_one(struct arena *a, const char *path)
{
	struct doc_stream in;
	struct error err = ERROR_INIT;

	if (doc_read_file(a, path, &in, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(in.n, 1);
	return in.docs[0];
}

static struct doc *listener_at(const struct doc *config, int64_t port)
{
	doc_foreach_item (doc_get(config, "listeners"), it)
		if (doc_find_int(it, "address.socket_address.port_value", 0) == port)
			return it;
	fail_msg("no listener on port %d", (int)port);
	return NULL;
}

TEST(the_golden_is_the_reduced_answer)
{
	struct arena a = ARENA_INIT;
	const struct doc *raw = read_one(&a, GOLDEN "raw/payment-service-1.json");
	const struct doc *want = read_one(&a, GOLDEN "cases/story/expected.json");
	const char *who = raw->map.entries[0].key;

	assert_non_null(doc_get(want, who));
	assert_true(doc_equal(envoy_reduce(&a, doc_get(raw, who)), doc_get(want, who)));
	arena_release(&a);
}

/* Faults: each changes one thing in istiod's answer. */
static void no_client_certificate(struct arena *a, struct doc *config)
{
	doc_foreach_item (doc_get(listener_at(config, 15006), "filter_chains"), chain) {
		struct doc *tls = doc_find(chain, "transport_socket.typed_config");

		if (tls)
			doc_set_bool(a, tls, "require_client_certificate", false);
	}
}

static void inbound_in_plain_text(UNUSED struct arena *a, struct doc *config)
{
	doc_foreach_item (doc_get(listener_at(config, 15006), "filter_chains"), chain)
		doc_del(chain, "transport_socket");
}

static void no_authorization(UNUSED struct arena *a, struct doc *config)
{
	doc_foreach_item (doc_get(listener_at(config, 15006), "filter_chains"), chain)
		doc_foreach_item (doc_get(chain, "filters"), filter) {
			struct doc *http = doc_find(filter, "typed_config.http_filters");

			for (size_t i = doc_len(http); i-- > 0;)
				if (doc_find(doc_at(http, i), "typed_config.rules"))
					doc_remove_at(http, i);
		}
}

static void endpoint_loses_its_mode(UNUSED struct arena *a, struct doc *config)
{
	doc_foreach_item (doc_get(config, "endpoints"), assignment)
		doc_foreach_item (doc_get(assignment, "endpoints"), locality)
			doc_del(doc_at(doc_get(locality, "lb_endpoints"), 0), "metadata");
}

static void another_peer(struct arena *a, struct doc *config)
{
	doc_foreach_item (doc_get(config, "clusters"), cluster) {
		struct doc *names =
			doc_find(cluster, "transport_socket.typed_config.common_tls_context"
					  ".combined_validation_context"
					  ".default_validation_context"
					  ".match_subject_alt_names[0]");

		if (names)
			doc_set_string(a, names, "exact", "spiffe://cluster.local/ns/x/sa/y");
	}
}

static void route_elsewhere(struct arena *a, struct doc *config)
{
	struct doc *host = doc_find(config, "routes[0].virtual_hosts[0].routes[0].route");

	assert_non_null(host);
	doc_set_string(a, host, "cluster", "BlackHoleCluster");
}

static const struct {
	const char *name;
	void (*inject)(struct arena *a, struct doc *config);
} faults[] = {
	{"no client certificate asked", no_client_certificate},
	{"inbound in plain text", inbound_in_plain_text},
	{"no authorization", no_authorization},
	{"endpoint without its mTLS mode", endpoint_loses_its_mode},
	{"another peer name", another_peer},
	{"a route elsewhere", route_elsewhere},
};

TEST(every_fault_changes_the_result)
{
	struct arena a = ARENA_INIT;
	const struct doc *raw =
		read_one(&a, GOLDEN "raw/payment-service-1.json")->map.entries[0].value;
	const struct doc *good = envoy_reduce(&a, raw);

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		struct doc *bad = doc_clone(&a, raw);

		faults[i].inject(&a, bad);
		if (doc_equal(envoy_reduce(&a, bad), good))
			fail_msg("not seen: %s", faults[i].name);
	}
	arena_release(&a);
}

/* What a stock Envoy cannot have, or what nobody can observe, makes no difference. */
TEST(names_and_statistics_make_no_difference)
{
	struct arena a = ARENA_INIT;
	const struct doc *raw =
		read_one(&a, GOLDEN "raw/payment-service-1.json")->map.entries[0].value;
	struct doc *other = doc_clone(&a, raw);

	doc_foreach_item (doc_get(other, "listeners"), listener) {
		doc_set_string(&a, listener, "name", "another");
		doc_foreach_item (doc_get(listener, "filter_chains"), chain) {
			struct doc *filters = doc_get(chain, "filters");

			doc_set_string(&a, chain, "name", "another");
			for (size_t i = doc_len(filters); i-- > 0;)
				if (doc_find_str(doc_at(filters, i), "typed_config.type_url"))
					doc_remove_at(filters, i);
		}
	}
	assert_true(doc_equal(envoy_reduce(&a, other), envoy_reduce(&a, raw)));
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_golden_is_the_reduced_answer),
		cmocka_unit_test(every_fault_changes_the_result),
		cmocka_unit_test(names_and_statistics_make_no_difference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
