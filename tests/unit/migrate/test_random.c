/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random namespaces, a seed each: what the translator calls translated, verify must find equal; and
 * what it blocks must never be wider. A failure prints the seed and the objects.
 */
#include <string.h>

#include "migrate/verify.h"
#include "tests/unit/istio/world.h"

struct dice {
	uint64_t state;
};

static unsigned roll(struct dice *d, unsigned sides)
{
	d->state = d->state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(d->state >> 33) % sides;
}

static const char *const namespaces[] = {"one", "two", "three"};
static const char *const accounts[] = {"a", "b", "c", "default"};
static const char *const apps[] = {"x", "u", "z"};
static const char *const modes[] = {"STRICT", "PERMISSIVE", "DISABLE", "UNSET"};
static const char *const ports[] = {"80", "443", "8080", "9000", "15020"};

#define PICK(d, list) ((list)[roll((d), ARRAY_SIZE(list))])

static void selector(struct dice *d, struct strbuf *out)
{
	switch (roll(d, 4)) {
	case 0:
		break;
	case 1:
		strbuf_addf(out, "selector: {matchLabels: {tier: t%u}}, ", roll(d, 2));
		break;
	case 2:
		strbuf_addf(out, "selector: {matchLabels: {app: %s, tier: t%u}}, ", PICK(d, apps),
			    roll(d, 2));
		break;
	default:
		strbuf_addf(out, "selector: {matchLabels: {app: %s}}, ", PICK(d, apps));
		break;
	}
}

static void values(struct dice *d, struct strbuf *out, unsigned kind)
{
	unsigned n = 1 + roll(d, 2);

	strbuf_adds(out, "[");
	for (unsigned i = 0; i < n; i++) {
		strbuf_adds(out, i ? ", " : "");
		switch (kind) {
		case 0:
			if (roll(d, 8) == 0)
				strbuf_adds(out, roll(d, 2) ? "'*'" : "'*/sa/b'");
			else
				strbuf_addf(out, "cluster.local/ns/%s/sa/%s", PICK(d, namespaces),
					    PICK(d, accounts));
			break;
		case 1:
			strbuf_adds(out, roll(d, 8) ? PICK(d, namespaces) : "'*'");
			break;
		case 2:
			strbuf_addf(out, "%s/%s", PICK(d, namespaces), PICK(d, accounts));
			break;
		case 3:
			strbuf_addf(out, "192.0.%u.0/%u", roll(d, 3), 22 + roll(d, 3));
			break;
		default:
			strbuf_addf(out, "'%s'", PICK(d, ports));
			break;
		}
	}
	strbuf_adds(out, "]");
}

static void source(struct dice *d, struct strbuf *out)
{
	static const char *const fields[][2] = {
		{"principals", "notPrincipals"},
		{"namespaces", "notNamespaces"},
		{"serviceAccounts", "notServiceAccounts"},
		{"ipBlocks", "notIpBlocks"},
	};
	bool any = false;

	strbuf_adds(out, "{source: {");
	for (unsigned i = 0; i < ARRAY_SIZE(fields); i++) {
		if (roll(d, 3) || (any && i == 2)) /* Istio takes no account beside these */
			continue;
		strbuf_addf(out, "%s%s: ", any ? ", " : "", fields[i][roll(d, 3) == 0]);
		values(d, out, i);
		any = true;
	}
	strbuf_adds(out, any ? "}}" : "namespaces: [one]}}");
}

static void rule(struct dice *d, struct strbuf *out)
{
	const char *glue = "";

	strbuf_adds(out, "{");
	if (roll(d, 5)) {
		strbuf_adds(out, "from: [");
		source(d, out);
		if (roll(d, 2)) {
			strbuf_adds(out, ", ");
			source(d, out);
		}
		strbuf_adds(out, "]");
		glue = ", ";
	}
	if (roll(d, 3)) {
		strbuf_addf(out, "%sto: [{operation: {%s: ", glue,
			    roll(d, 3) ? "ports" : "notPorts");
		values(d, out, 4);
		if (roll(d, 12) == 0)
			strbuf_adds(out, ", methods: [GET]");
		strbuf_adds(out, "}}]");
		glue = ", ";
	}
	if (roll(d, 5) == 0) {
		strbuf_addf(out, "%swhen: [{key: source.namespace, %s: ", glue,
			    roll(d, 2) ? "values" : "notValues");
		values(d, out, 1);
		strbuf_adds(out, "}]");
	}
	strbuf_adds(out, "}");
}

static void authorization(struct dice *d, struct strbuf *out, unsigned i, const char *ns)
{
	unsigned rules = roll(d, 3);

	strbuf_addf(out,
		    "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n"
		    "metadata: {name: p%u, namespace: %s}\nspec: {",
		    i, ns);
	selector(d, out);
	strbuf_addf(out, "action: %s, rules: [", roll(d, 3) ? "ALLOW" : "DENY");
	for (unsigned k = 0; k < rules; k++) {
		strbuf_adds(out, k ? ", " : "");
		rule(d, out);
	}
	strbuf_adds(out, "]}\n");
}

static void peer(struct dice *d, struct strbuf *out, unsigned i, const char *ns)
{
	size_t before;

	strbuf_addf(out,
		    "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\n"
		    "metadata: {name: m%u, namespace: %s, creationTimestamp: "
		    "'2026-01-0%u'}\nspec: {",
		    i, ns, 1 + roll(d, 9));
	before = out->len;
	selector(d, out);
	before = out->len - before;
	strbuf_addf(out, "mtls: {mode: %s}", PICK(d, modes));
	if (before > 0 && roll(d, 3) == 0) /* only with a selector */
		strbuf_addf(out, ", portLevelMtls: {%s: {mode: %s}}", PICK(d, ports),
			    PICK(d, modes));
	strbuf_adds(out, "}\n");
}

static void workload(struct dice *d, struct strbuf *out, unsigned i, const char *ns)
{
	char own[8];

	snprintf(own, sizeof(own), "%u", i % 100);
	strbuf_addf(out,
		    "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: w%u, namespace: "
		    "%s}\nspec:\n  selector: {matchLabels: {w: w%u}}\n  template:\n    metadata:\n"
		    "      labels: {w: w%u, app: %s, tier: t%u%s}\n",
		    i, ns, i, i, PICK(d, apps), roll(d, 2),
		    roll(d, 6) ? "" : ", sidecar.istio.io/inject: 'false'");
	if (roll(d, 5) == 0)
		strbuf_addf(out, "      annotations: {traffic.sidecar.istio.io/%s: '%s'}\n",
			    roll(d, 2) ? "excludeInboundPorts" : "includeInboundPorts",
			    PICK(d, ports));
	/* An account of its own, now and then shared. */
	strbuf_addf(out, "    spec: {serviceAccountName: %s%s, containers: [{name: c}]}\n",
		    PICK(d, accounts), roll(d, 2) ? "" : own);
}

static void cluster(struct dice *d, struct strbuf *out)
{
	unsigned n;

	strbuf_adds(out, "apiVersion: v1\nkind: Node\nmetadata: {name: node}\n"
			 "spec: {podCIDR: 10.244.0.0/16}\n");
	for (unsigned i = 0; i < ARRAY_SIZE(namespaces); i++)
		strbuf_addf(out, "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: %s%s}\n",
			    namespaces[i],
			    i == 0 || roll(d, 2) ? ", labels: {istio-injection: enabled}" : "");
	n = 1 + roll(d, 5);
	for (unsigned i = 0; i < n; i++)
		workload(d, out, i, PICK(d, namespaces));
	n = roll(d, 4);
	for (unsigned i = 0; i < n; i++)
		peer(d, out, i, roll(d, 4) ? "one" : "istio-system");
	n = roll(d, 5);
	for (unsigned i = 0; i < n; i++)
		authorization(d, out, i, roll(d, 6) ? "one" : "istio-system");
}

struct tally {
	unsigned equal, blocked, policies;
};

static void play(uint64_t seed, struct tally *tally)
{
	struct dice d = {.state = seed * 2654435761u + 1};
	auto_release(strbuf) struct strbuf yaml = STRBUF_INIT;
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	struct error err = ERROR_INIT;
	struct world w;
	struct translation t;
	struct equivalence e;

	cluster(&d, &yaml);
	world_init(&w);
	world_add(&w, strbuf_cstr(&yaml), NULL);
	world_ready(&w);
	if (translate_namespace(&t, &w.arena, &w.mesh, "one", &err) < 0 ||
	    verify_namespace(&e, &w.arena, &w.mesh, &w.snapshot, t.policies, t.n_policies, "one",
			     &err) < 0)
		fail_msg("seed %llu: %s", (unsigned long long)seed, err.msg);
	if ((t.n_blocked == 0 && e.differences > 0) || !e.exhaustive ||
	    (t.n_blocked > 0 && e.widening > 0 && e.n_examples > 0)) {
		bool mixed = false;

		/* An account with and without sidecars: nothing can be right, so it is blocked. */
		for (size_t i = 0; i < t.n_fields; i++)
			mixed |= t.fields[i].class == FIELD_BLOCKED &&
				 strncmp(t.fields[i].object, "ServiceAccount/", 15) == 0;
		if (!mixed) {
			doc_write_yaml(equivalence_doc(&w.arena, &e), &text);
			for (size_t i = 0; i < t.n_policies; i++)
				doc_write_yaml(t.policies[i], &text);
			fail_msg("seed %llu:\n%s\n%s", (unsigned long long)seed, strbuf_cstr(&yaml),
				 strbuf_cstr(&text));
		}
	}
	tally->equal += t.n_blocked == 0;
	tally->blocked += t.n_blocked > 0;
	tally->policies += (unsigned)t.n_policies;
	world_release(&w);
}

TEST(random_namespaces)
{
	struct tally tally = {0};

	for (uint64_t seed = 1; seed <= 300; seed++)
		play(seed, &tally);
	print_message("%u equal, %u blocked, %u policies\n", tally.equal, tally.blocked,
		      tally.policies);
	assert_true(tally.equal > 40);
	assert_true(tally.blocked > 3);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(random_namespaces)};
	struct tally tally = {0};

	if (argc > 1) { /* one seed again */
		play(strtoull(argv[1], NULL, 10), &tally);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
