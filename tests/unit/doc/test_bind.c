/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/doc/bind.h"

#include <string.h>

#include "tests/support/test.h"

struct port {
	const char *name;
	int32_t number;
	int protocol;
	struct int_or_string target;
};

struct probe {
	int64_t period;
};

struct service {
	const char *name, *cluster_ip;
	struct strmap labels;
	struct port *ports;
	size_t n_ports;
	struct opt_bool publish;
	struct opt_int timeout;
	bool headless;
	double weight;
	struct strings addresses;
	struct probe inline_probe;
	struct probe *probe;
	const struct doc *extra;
};

static const char *const protocols[] = {NULL, "TCP", "UDP", NULL};

static const struct bind_field port_fields[] = {
	BIND(struct port, name, "name", BIND_STRING, 0),
	BIND_RANGE(struct port, number, "port", BIND_INT32, BIND_REQUIRED, 1, 65535),
	BIND_NAMED(struct port, protocol, "protocol", 0, protocols),
	BIND(struct port, target, "targetPort", BIND_INT_OR_STRING, 0),
};
static BIND_TABLE(port_table, struct port, port_fields);

static const struct bind_field probe_fields[] = {
	BIND(struct probe, period, "periodSeconds", BIND_INT64, 0),
};
static BIND_TABLE(probe_table, struct probe, probe_fields);

static const struct bind_field service_fields[] = {
	BIND(struct service, name, "metadata.name", BIND_STRING, BIND_REQUIRED | BIND_NON_EMPTY),
	BIND(struct service, labels, "metadata.labels", BIND_STRMAP, 0),
	BIND(struct service, cluster_ip, "spec.clusterIP", BIND_STRING, 0),
	BIND_ITEMS(struct service, ports, "spec.ports", BIND_NON_EMPTY, &port_table),
	BIND(struct service, publish, "spec.publish", BIND_OPT_BOOL, 0),
	BIND(struct service, timeout, "spec.timeout", BIND_OPT_INT, 0),
	BIND(struct service, headless, "spec.headless", BIND_BOOL, 0),
	BIND(struct service, weight, "spec.weight", BIND_REAL, 0),
	BIND(struct service, addresses, "spec.addresses", BIND_STRINGS, 0),
	BIND_NESTED(struct service, inline_probe, "spec.inline", BIND_STRUCT, 0, &probe_table),
	BIND_NESTED(struct service, probe, "spec.probe", BIND_PTR, 0, &probe_table),
	BIND(struct service, extra, "spec.extra", BIND_DOC, 0),
};
static BIND_TABLE(service_table, struct service, service_fields);

static const char whole[] = "metadata:\n"
			    "  name: web\n"
			    "  labels: {b: two, a: one}\n"
			    "spec:\n"
			    "  clusterIP: 10.96.0.1\n"
			    "  ports:\n"
			    "  - {name: http, port: 80, protocol: TCP, targetPort: web}\n"
			    "  - {port: 1e3, targetPort: 8080}\n"
			    "  publish: false\n"
			    "  timeout: 0\n"
			    "  headless: true\n"
			    "  weight: 1.5\n"
			    "  addresses: []\n"
			    "  inline: {periodSeconds: 3}\n"
			    "  probe: {}\n"
			    "  extra: [1]\n";

static int decode(struct arena *a, const char *yaml, struct service *s, struct bind_unknown *u,
		  struct error *err)
{
	struct doc_stream docs = {0};

	assert_int_equal(doc_read_yaml(a, yaml, strlen(yaml), "s.yaml", &docs, err), 0);
	return bind_decode(a, &service_table, docs.docs[0], "", s, u, err);
}

TEST(every_kind_decodes)
{
	struct arena a = ARENA_INIT;
	struct service s;
	struct error err = ERROR_INIT;

	if (decode(&a, whole, &s, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(s.name, "web");
	assert_int_equal(s.labels.n, 2);
	assert_string_equal(s.labels.items[0].key, "a");
	assert_string_equal(strmap_get(&s.labels, "b"), "two");
	assert_null(strmap_get(&s.labels, "c"));
	assert_int_equal(s.n_ports, 2);
	assert_int_equal(s.ports[0].number, 80);
	assert_int_equal(s.ports[0].protocol, 1);
	assert_int_equal(s.ports[0].target.kind, IOS_STRING);
	assert_int_equal(s.ports[1].number, 1000);
	assert_int_equal(s.ports[1].protocol, 0);
	assert_int_equal(s.ports[1].target.number, 8080);
	assert_true(s.publish.set && !s.publish.value);
	assert_true(s.timeout.set && s.timeout.value == 0);
	assert_true(s.headless && s.weight > 1.4);
	assert_true(s.addresses.items && s.addresses.n == 0);
	assert_int_equal(s.inline_probe.period, 3);
	assert_true(s.probe && s.probe->period == 0);
	assert_int_equal(doc_len(s.extra), 1);
	arena_release(&a);
}

TEST(encode_is_the_inverse)
{
	struct arena a = ARENA_INIT;
	struct service s, again;
	struct doc *out;
	struct doc_stream docs;

	assert_int_equal(decode(&a, whole, &s, NULL, NULL), 0);
	out = bind_encode(&a, &service_table, &s);
	assert_int_equal(doc_read_yaml(&a, whole, strlen(whole), NULL, &docs, NULL), 0);
	assert_true(doc_equal(out, docs.docs[0]));
	assert_int_equal(bind_decode(&a, &service_table, out, "", &again, NULL, NULL), 0);
	assert_true(doc_equal(out, bind_encode(&a, &service_table, &again)));
	/* Nothing but the required name: nothing else is written. */
	assert_int_equal(decode(&a, "metadata: {name: x}\n", &s, NULL, NULL), 0);
	out = bind_encode(&a, &service_table, &s);
	assert_int_equal(doc_len(out), 1);
	assert_int_equal(doc_len(doc_get(out, "metadata")), 1);
	arena_release(&a);
}

TEST(errors_say_where_and_what)
{
	static const struct {
		const char *yaml;
		int code;
		const char *msg;
	} rows[] = {
		{"metadata: {}\n", -EINVAL, "s.yaml:1:1: metadata.name: is required"},
		{"metadata: {name: ''}\n", -EINVAL,
		 "s.yaml:1:18: metadata.name: must not be empty"},
		{"metadata: {name: 7}\n", -EINVAL,
		 "s.yaml:1:18: metadata.name: want a string, got integer"},
		{"metadata: web\n", -EINVAL, "s.yaml:1:11: metadata: want a map, got string"},
		{"metadata: {name: x}\nspec:\n  ports:\n  - port: 70000\n", -ERANGE,
		 "s.yaml:4:11: spec.ports[0].port: 70000 is not between 1 and 65535"},
		{"metadata: {name: x}\nspec:\n  ports:\n  - port: http\n", -EINVAL,
		 "s.yaml:4:11: spec.ports[0].port: want an integer, got string"},
		{"metadata: {name: x}\nspec: {ports: [{}]}\n", -EINVAL,
		 "s.yaml:2:16: spec.ports[0].port: is required"},
		{"metadata: {name: x}\nspec: {ports: [5]}\n", -EINVAL,
		 "s.yaml:2:16: spec.ports[0]: want a map, got integer"},
		{"metadata: {name: x}\nspec: {ports: []}\n", -EINVAL,
		 "s.yaml:2:15: spec.ports: must not be empty"},
		{"metadata: {name: x}\nspec: {ports: [{port: 1, protocol: X}]}\n", -EINVAL,
		 "s.yaml:2:36: spec.ports[0].protocol: \"X\" is not one of TCP, UDP"},
		{"metadata: {name: x, labels: {a: 1}}\n", -EINVAL,
		 "s.yaml:1:33: metadata.labels['a']: want a string, got integer"},
		{"metadata: {name: x}\nspec: {addresses: [a, 1]}\n", -EINVAL,
		 "s.yaml:2:23: spec.addresses[1]: want a string, got integer"},
		{"metadata: {name: x}\nspec: {publish: 'yes'}\n", -EINVAL,
		 "s.yaml:2:17: spec.publish: want true or false, got string"},
		{"metadata: {name: x}\nspec: {timeout: 1.5}\n", -EINVAL,
		 "s.yaml:2:17: spec.timeout: want an integer, got number"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a = ARENA_INIT;
		struct service s;
		struct error err = ERROR_INIT;

		assert_int_equal(decode(&a, rows[i].yaml, &s, NULL, &err), rows[i].code);
		assert_string_equal(err.msg, rows[i].msg);
		arena_release(&a);
	}
}

TEST(null_is_absent)
{
	struct arena a = ARENA_INIT;
	struct service s;

	assert_int_equal(decode(&a, "metadata: {name: x, labels: ~}\nspec:\n", &s, NULL, NULL), 0);
	assert_null(s.labels.items);
	assert_int_equal(decode(&a, "metadata: {name: ~}\n", &s, NULL, NULL), -EINVAL);
	arena_release(&a);
}

TEST(unknown_fields_are_collected)
{
	struct arena a = ARENA_INIT;
	struct bind_unknown u = {.arena = &a};
	struct service s;
	static const char *const want[] = {"spec.ports[0].prot", "kind", "metadata.uid",
					   "spec.portz"};

	assert_int_equal(
		decode(&a,
		       "kind: S\nmetadata: {name: x, uid: 1, labels: {free: form}}\n"
		       "spec: {portz: 1, ports: [{port: 1, prot: TCP}], extra: {any: thing}}\n",
		       &s, &u, NULL),
		0);
	assert_int_equal(u.n, ARRAY_SIZE(want));
	for (size_t i = 0; i < u.n; i++)
		assert_string_equal(u.items[i].path, want[i]);
	assert_string_equal(doc_where(&a, u.items[3].node), "s.yaml:3:15");
	arena_release(&a);
}

TEST(prefix_stands_before_paths)
{
	struct arena a = ARENA_INIT;
	struct port p;
	struct error err = ERROR_INIT;

	assert_int_equal(bind_decode(&a, &port_table, doc_map(&a), "spec.rules[2]", &p, NULL, &err),
			 -EINVAL);
	assert_string_equal(err.msg, "spec.rules[2].port: is required");
	assert_int_equal(bind_decode(&a, &port_table, NULL, "spec", &p, NULL, &err), -EINVAL);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_decodes),
		cmocka_unit_test(encode_is_the_inverse),
		cmocka_unit_test(errors_say_where_and_what),
		cmocka_unit_test(null_is_absent),
		cmocka_unit_test(unknown_fields_are_collected),
		cmocka_unit_test(prefix_stands_before_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
