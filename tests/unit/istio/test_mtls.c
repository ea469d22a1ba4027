/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/str.h"
#include "lib/istio/mtls.h"
#include "tests/unit/istio/world.h"

#define PEER(name, ns, created, spec)                                                              \
	"---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: " name  \
	", namespace: " ns ", creationTimestamp: '" created "'}\nspec: " spec "\n"

static const char peers[] = PEER("mesh", "istio-system", "2026-01-02T00:00:00Z",
				 "{mtls: {mode: STRICT}}")
	PEER("late", "foo", "2026-01-03T00:00:00Z", "{mtls: {mode: DISABLE}}") PEER(
		"early", "foo", "2026-01-01T00:00:00Z", "{mtls: {mode: PERMISSIVE}}")
		PEER("unset", "bar", "2026-01-01T00:00:00Z", "{mtls: {mode: UNSET}}") PEER(
			"w", "foo", "2026-01-01T00:00:00Z",
			"{selector: {matchLabels: {app: a}}, portLevelMtls: {9090: {mode: DISABLE},"
			" 9091: {mode: UNSET}}}")
			PEER("x", "foo", "2026-01-01T00:00:00Z",
			     "{selector: {matchLabels: {app: x}}, mtls: {mode: STRICT},"
			     " portLevelMtls: {80: {mode: PERMISSIVE}}}")
				PEER("root-w", "istio-system", "2026-01-01T00:00:00Z",
				     "{selector: {matchLabels: {app: a}}, mtls: {mode: DISABLE}}");

TEST(server_modes)
{
	static const struct {
		const char *ns, *labels;
		uint16_t port;
		enum istio_mtls_mode mode;
		const char *policy;
	} rows[] = {
		{"other", "app=a", 80, MTLS_STRICT, "mesh"},
		{"foo", "app=b", 80, MTLS_PERMISSIVE, "early"}, /* the oldest of its level */
		{"bar", "app=b", 80, MTLS_STRICT, "mesh"},      /* UNSET inherits */
		{"foo", "app=a", 80, MTLS_PERMISSIVE, "early"}, /* the ports alone differ */
		{"foo", "app=a", 9090, MTLS_DISABLE, "w"},
		{"foo", "app=a", 9091, MTLS_PERMISSIVE, "early"},
		{"foo", "app=x", 81, MTLS_STRICT, "x"},
		{"foo", "app=x", 80, MTLS_PERMISSIVE, "x"},
	};
	struct world w;

	world_init(&w);
	world_add(&w, peers, NULL);
	world_ready(&w);
	assert_int_equal(w.mesh.n_problems, 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct strmap labels = labels_of(&w.arena, rows[i].labels);
		struct istio_mtls_source s =
			istio_server_mtls(&w.mesh, rows[i].ns, &labels, rows[i].port);

		assert_int_equal(s.mode, rows[i].mode);
		assert_string_equal(s.policy->meta.name, rows[i].policy);
	}
	world_release(&w);
}

TEST(without_objects_permissive)
{
	struct world w;
	struct strmap none = {0};

	world_init(&w);
	world_ready(&w);
	assert_int_equal(istio_server_mtls(&w.mesh, "a", &none, 1).mode, MTLS_PERMISSIVE);
	assert_null(istio_server_mtls(&w.mesh, "a", &none, 1).policy);
	world_release(&w);
}

#define RULE(name, ns, spec)                                                                       \
	"---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: " name   \
	", namespace: " ns "}\nspec: " spec "\n"

static const char rules[] = RULE(
	"own", "client", "{host: a.svc.svc.cluster.local, trafficPolicy: {tls: {mode: SIMPLE}}}")
	RULE("wild", "svc",
	     "{host: '*.svc.svc.cluster.local', trafficPolicy: {tls: {mode: DISABLE}}}")
		RULE("exact", "svc",
		     "{host: b, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}, portLevelSettings:"
		     " [{port: {number: 81}}, {port: {number: 82}, tls: {mode: DISABLE}}]},"
		     " subsets: [{name: v1, labels: {v: '1'}}, {name: v2, labels: {v: '2'},"
		     " trafficPolicy: {tls: {mode: SIMPLE}}}]}")
			RULE("private", "svc",
			     "{host: c, exportTo: ['.'], trafficPolicy: {tls: {mode: MUTUAL}}}")
				RULE("root", "istio-system",
				     "{host: '*.local', trafficPolicy: {tls: {mode: "
				     "ISTIO_MUTUAL}}}");

static enum istio_client_mode client(struct world *w, const char *from, const char *host,
				     const char *ns, const char *subset, uint16_t port,
				     const char *labels)
{
	struct strmap none = {0}, to = labels_of(&w->arena, labels);
	const struct istio_destination_rule *dr =
		istio_destination_rule_for(&w->mesh, from, &none, host, ns);

	return istio_client_mode(&w->mesh, istio_client_tls_for(dr, subset, port), ns, &to, port);
}

TEST(client_modes)
{
	static const struct {
		const char *from, *host, *ns, *subset;
		uint16_t port;
		const char *labels;
		enum istio_client_mode mode;
	} rows[] = {
#define MESHED "security.istio.io/tlsMode=istio"
		/* the client's own namespace first */
		{"client", "a.svc.svc.cluster.local", "svc", NULL, 80, MESHED, CLIENT_OTHER_TLS},
		/* then the service's, most specific host */
		{"x", "a.svc.svc.cluster.local", "svc", NULL, 80, MESHED, CLIENT_PLAINTEXT},
		{"x", "b.svc.svc.cluster.local", "svc", NULL, 80, "a=b", CLIENT_MTLS},
		/* a port block without tls takes the destination's away */
		{"x", "b.svc.svc.cluster.local", "svc", NULL, 81, "a=b", CLIENT_PLAINTEXT},
		{"x", "b.svc.svc.cluster.local", "svc", NULL, 81, MESHED, CLIENT_MTLS},
		{"x", "b.svc.svc.cluster.local", "svc", NULL, 82, MESHED, CLIENT_PLAINTEXT},
		{"x", "b.svc.svc.cluster.local", "svc", "v1", 80, "a=b", CLIENT_MTLS},
		{"x", "b.svc.svc.cluster.local", "svc", "v2", 80, "a=b", CLIENT_OTHER_TLS},
		/* not exported: the wildcard of its namespace is next */
		{"x", "c.svc.svc.cluster.local", "svc", NULL, 80, MESHED, CLIENT_PLAINTEXT},
		{"svc", "c.svc.svc.cluster.local", "svc", NULL, 80, MESHED, CLIENT_OTHER_TLS},
		/* root last */
		{"x", "z.far.svc.cluster.local", "far", NULL, 80, "a=b", CLIENT_MTLS},
	};
	struct world w;

	world_init(&w);
	world_add(&w, rules, NULL);
	world_ready(&w);
	assert_int_equal(w.mesh.n_problems, 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (client(&w, rows[i].from, rows[i].host, rows[i].ns, rows[i].subset, rows[i].port,
			   rows[i].labels) != rows[i].mode)
			fail_msg("row %zu: %s", i, rows[i].host);
	world_release(&w);
}

TEST(auto_mtls_asks_the_endpoint)
{
	struct world w;

	world_init(&w);
	world_add(&w, PEER("d", "quiet", "2026-01-01T00:00:00Z", "{mtls: {mode: DISABLE}}"), NULL);
	world_ready(&w);
	assert_int_equal(client(&w, "x", "a.y", "y", NULL, 80, MESHED), CLIENT_MTLS);
	assert_int_equal(client(&w, "x", "a.y", "y", NULL, 80, "a=b"), CLIENT_PLAINTEXT);
	assert_int_equal(client(&w, "x", "a.quiet", "quiet", NULL, 80, MESHED), CLIENT_PLAINTEXT);
	w.mesh.config.auto_mtls.set = true;
	assert_int_equal(client(&w, "x", "a.y", "y", NULL, 80, MESHED), CLIENT_PLAINTEXT);
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(server_modes),
		cmocka_unit_test(without_objects_permissive),
		cmocka_unit_test(client_modes),
		cmocka_unit_test(auto_mtls_asks_the_endpoint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
