/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diff/secret.h"

#include <string.h>

#include "tests/support/test.h"

#define JWT "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwbGFudGVkIn0.c2lnbmF0dXJl"

static const struct secret_key key = {{1, 2, 3}};

static struct doc *yaml(struct arena *a, const char *text)
{
	struct doc_stream s;

	assert_int_equal(doc_read_yaml(a, text, strlen(text), NULL, &s, NULL), 0);
	return s.docs[0];
}

static void redacted(struct arena *a, const char *text, struct strbuf *out)
{
	doc_write_yaml(secret_redact(a, &key, yaml(a, text)), out);
}

TEST(what_looks_like_a_credential)
{
	static const struct {
		const char *text;
		bool looks;
	} rows[] = {
		{"-----BEGIN RSA PRIVATE KEY-----\nMIIE", true},
		{"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1J", true},
		{"Bearer " JWT, true},
		{JWT, true},
		{"eyJhbGciOiJIUzI1NiJ9.short", false},
		{"postgres://app:hunter2@db/shop", true},
		{"http://app@db/shop", false},
		{"http://db:5432/a@b", false},
		{"http://db:5432", false},
		{"apiVersion: v1\nkind: Config\nclusters: []\nusers:\n- user: {token: x}\n", true},
		{"clusters of users", false},
		{"sidestep.dev/app:1", false},
		{"", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (secret_looks_like(rows[i].text) != rows[i].looks)
			fail_msg("%s", rows[i].text);
}

TEST(names_that_hold_secrets)
{
	static const char *const yes[] = {"DB_PASSWORD",
					  "api-token",
					  "clientSecret",
					  "tls.key",
					  "AWS_SECRET_ACCESS_KEY",
					  "PGPASSWD",
					  "DB_PASS",
					  "dbPass",
					  "pass",
					  "requirepass",
					  "PASSPHRASE",
					  "REDIS_AUTH",
					  "auth",
					  "Authorization",
					  "LICENSE_KEY",
					  "app-key",
					  "accountKey",
					  "SENTRY_DSN",
					  "SLACK_WEBHOOK",
					  "SLACK_WEBHOOK_URL"};
	static const char *const no[] = {"secretName",
					 "secretKeyRef",
					 "tokenPath",
					 "topologyKey",
					 "key",
					 "image",
					 "tokenExpirationSeconds",
					 "PASSWORD_FILE",
					 "automountServiceAccountTokenEnabled",
					 "public_key",
					 "partition-key",
					 "configMapKeyRef",
					 "bypass",
					 "author",
					 "oauth-url",
					 "auth-type",
					 "webhooks",
					 "labelSelector",
					 "keyspace",
					 "matchLabelKeys",
					 "KEY"};

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		if (!secret_name(yes[i]))
			fail_msg("%s is one", yes[i]);
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		if (secret_name(no[i]))
			fail_msg("%s is none", no[i]);
}

TEST(digests_tell_equal_from_different_and_nothing_else)
{
	struct arena a = ARENA_INIT;
	const struct secret_key other = {{9}};
	const char *one = secret_digest(&a, &key, "hunter2", 7);

	assert_string_equal(one, secret_digest(&a, &key, "hunter2", 7));
	assert_string_not_equal(one, secret_digest(&a, &key, "hunter3", 7));
	assert_string_not_equal(one, secret_digest(&a, &other, "hunter2", 7));
	assert_non_null(strstr(one, "hmac-sha256:"));
	assert_non_null(strstr(one, "(7 bytes)"));
	arena_release(&a);
}

/* RFC 4231 case 2, its key padded with zeroes as HMAC pads it. */
TEST(the_digest_is_hmac_sha256)
{
	struct arena a = ARENA_INIT;
	const struct secret_key jefe = {"Jefe"};

	assert_string_equal(secret_digest(&a, &jefe, "what do ya want for nothing?", 28),
			    "hmac-sha256:5bdcc146bf60754e (28 bytes)");
	arena_release(&a);
}

/* Wherever a credential is planted, no byte of it is left; what is harmless stays readable. */
TEST(no_planted_secret_survives)
{
	static const struct {
		const char *object, *planted, *stays;
	} rows[] = {
		{"{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {user: cGxhbnRlZA==}}",
		 "cGxhbnRlZA", "user: "},
		{"{apiVersion: v1, kind: Secret, stringData: {user: planted}}", "planted",
		 "user: "},
		{"{apiVersion: v1, kind: Secret, data: planted}", "planted", "Secret"},
		{"{apiVersion: v1, kind: ConfigMap, data: {db.password: planted, size: big}}",
		 "planted", "size: big"},
		{"{apiVersion: v1, kind: ConfigMap, data: {dsn: 'pg://a:planted@db'}}", "planted",
		 "dsn"},
		{"{apiVersion: v1, kind: ConfigMap, data: {x: " JWT "}}", "eyJzdWI", "x: "},
		{"{apiVersion: apps/v1, kind: Deployment, spec: {env: [{name: TOKEN, value: "
		 "planted},"
		 "{name: A, value: plain}]}}",
		 "planted", "plain"},
		{"{apiVersion: apps/v1, kind: Deployment, spec: {args: [--token=planted, --v=2]}}",
		 "planted", "--v=2"},
		{"{apiVersion: apps/v1, kind: Deployment, spec: {args: [--password, planted, "
		 "--x]}}",
		 "planted", "--x"},
		{"{apiVersion: example.org/v1, kind: Thing, spec: {password: planted, "
		 "secretName: mine}}",
		 "planted", "secretName: mine"},
		{"{apiVersion: example.org/v1, kind: Thing, spec: {password: {value: planted, key: "
		 "k}}}",
		 "planted", "key: k"},
		{"{apiVersion: example.org/v1, kind: Thing, spec: {pin: {token: 123456}}}",
		 "123456", "pin"},
		{"{apiVersion: v1, kind: Pod, metadata: {annotations: {vendor/api-key: planted}}}",
		 "planted", "vendor/api-key"},
		{"{apiVersion: v1, kind: Secret, data: {a: cGxhbnRlZA==}, metadata: {annotations: {"
		 "kubectl.kubernetes.io/last-applied-configuration: '{\"kind\":\"Secret\","
		 "\"data\":{\"a\":\"cGxhbnRlZA==\"}}'}}}",
		 "cGxhbnRlZA", "last-applied"},
		{"{apiVersion: v1, kind: ConfigMap, data: {app.yaml: \"a: 1\\npwd: planted\\n\"}}",
		 "planted", "a: 1"},
		{"{apiVersion: v1, kind: ConfigMap, data: {k: 'ghp_plantedaaaaaaaaaaaaaaaaaaaa', "
		 "s: sk_live_planted9, a: AKIAIOSFODNNplanted1, size: big}}",
		 "planted", "size: big"},
		{"{apiVersion: v1, kind: ConfigMap, data: {pg: 'host=db user=x password=planted "
		 "sslmode=off'}}",
		 "planted", "sslmode=off"},
		{"{apiVersion: v1, kind: ConfigMap, data: {u: "
		 "'jdbc:postgresql://db/app?user=x&password=planted&ssl=1'}}",
		 "planted", "?user=x&password="},
		{"{apiVersion: v1, kind: ConfigMap, data: {j: "
		 "'{\"auth\":{\"pass\":\"planted\"},\"port\":1}'}}",
		 "planted", "port"},
		{"{apiVersion: v1, kind: ConfigMap, data: {url: "
		 "'https://hooks.slack.com/services/T0/B0/planted'}}",
		 "planted", "hooks.slack.com"},
		{"{apiVersion: v1, kind: ConfigMap, data: {sentry: "
		 "'https://0123456789abcdefplanted@sentry.example/1'}}",
		 "planted", "sentry.example"},
		{"{apiVersion: v1, kind: Pod, spec: {containers: [{command: [sh, -c, "
		 "\"PGPASSWORD=planted psql -p 5432; mysql -h db -pplanted; curl -u adm:planted x; "
		 "curl -H 'Authorization: Basic planted' y; app --db-pass 'planted' --v=2\"]}]}}",
		 "planted", "psql -p 5432"},
		{"{apiVersion: v1, kind: Pod, spec: {containers: [{command: [curl, -u, "
		 "'adm:planted', http://x]}, {command: [mysql, -pplanted, shop]}]}}",
		 "planted", "shop"},
		{"{apiVersion: v1, kind: Pod, spec: {containers: [{env: [{name: DB_PASS, value: "
		 "planted}, {name: REDIS_AUTH, value: planted}, {name: APP_KEY, value: "
		 "'base64:planted'}, {name: SENTRY_DSN, value: 'https://planted@s'}, {name: A, "
		 "value: plain}]}]}}",
		 "planted", "plain"},
		{"{apiVersion: external-secrets.io/v1, kind: ExternalSecret, spec: {target: "
		 "{template: {data: {url: 'planted {{ .x }}'}}, name: mine}}}",
		 "planted", "name: mine"},
		{"{apiVersion: v1, kind: Secret, data: {}, metadata: {annotations: {"
		 "kubectl.kubernetes.io/last-applied-configuration: '{broken planted'}}}",
		 "planted", "Secret"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_release(strbuf) struct strbuf out = STRBUF_INIT;
		struct arena a = ARENA_INIT;

		redacted(&a, rows[i].object, &out);
		if (strstr(out.buf, rows[i].planted) || !strstr(out.buf, rows[i].stays))
			fail_msg("row %zu:\n%s", i, out.buf);
		arena_release(&a);
	}
}

/* Files in a ConfigMap: what is not secret stays, so that a change of it can be read. */
TEST(embedded_files_are_redacted_in_part)
{
	static const struct {
		const char *text, *want; /* D for a digest */
	} rows[] = {
		{"level: info\npassword: planted\nport: 80\n",
		 "level: info\npassword: D\nport: 80\n"},
		{"export API_TOKEN=planted\nA=1\n", "export API_TOKEN=D\nA=1\n"},
		{"db:\n  - password:\n      planted\n\n      planted\n  host: x\n",
		 "db:\n  - password:D\n  host: x\n"},
		{"secret: |\n  planted\n  planted\nplain: 1", "secret: D\nplain: 1"},
		{"a: 1\n-----BEGIN KEY-----\nplanted\n-----END KEY-----\nb: 2\n",
		 "a: 1\nD\nb: 2\n"},
		{"-----BEGIN KEY-----\nplanted\n", "D"},
		{"url = pg://a:planted@b/c\nx = 1\n", "url = D\nx = 1\n"},
		{"ca: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1J\nx: 1\n", "ca: D\nx: 1\n"},
		{"{\"a\": {\"token\": \"planted\"}, \"b\": 1}",
		 "{\"a\":{\"token\":\"D\"},\"b\":1}"},
		{"{ \"b\": 1 }", "{ \"b\": 1 }"},
		{"token:\n", "token:\n"},
		{"maxmemory 1gb\nrequirepass planted\n", "maxmemory 1gb\nrequirepass D\n"},
		{"A=1\nDB_PASS=planted\nSMTP_PASS: planted\nAPP_KEY=planted\n",
		 "A=1\nDB_PASS=D\nSMTP_PASS: D\nAPP_KEY=D\n"},
		{"[Service]\nEnvironment=DB_PASSWORD=planted\n",
		 "[Service]\nEnvironment=DB_PASSWORD=D\n"},
		{"Server=db;Password=planted;Pooling=1", "Server=db;Password=D;Pooling=1"},
		{"curl -u 'adm:planted' http://x", "curl -u 'D' http://x"},
		{"Basic YWRtOnBsYW50ZWQ=", "Basic D"},
		{"Bearer 0123456789planted", "Bearer D"},
		{"https://x/hook?key=planted&page=2", "https://x/hook?key=D&page=2"},
		{"user:$apr1$planted1$planted", "user:D"},
		{"=\n:\n", "=\n:\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_release(strbuf) struct strbuf got = STRBUF_INIT;
		struct arena a = ARENA_INIT;
		const char *s = secret_text(&a, &key, rows[i].text);

		while (*s) {
			if (strncmp(s, "hmac-sha256:", 12) == 0) {
				strbuf_addc(&got, 'D');
				s = strchr(s, ')') + 1;
			} else {
				strbuf_addc(&got, *s++);
			}
		}
		assert_string_equal(strbuf_cstr(&got), rows[i].want);
		arena_release(&a);
	}
}

/* What people must see to understand a change: nothing in it is secret, and it stays to the byte.
 */
TEST(what_is_needed_stays_visible)
{
	static const char *const rows[] = {
		"{apiVersion: v1, kind: Pod, metadata: {labels: {auth: none, app-key: blue}}, "
		"spec: {containers: [{image: "
		"'example.org/token/secret-store:v1.2@sha256:0123456789abcdef0123456789abcdef'"
		", args: [--tls-private-key-file=/etc/tls/tls.key, --kubelet-client-key, "
		"/etc/k/client.key, --use-auth=true, -u, '1000:1000'], env: [{name: A, valueFrom: "
		"{secretKeyRef: {name: s, key: password}}}, {name: B, valueFrom: "
		"{configMapKeyRef: {name: c, key: db.key}}}, {name: HOST, value: "
		"'http://auth:8080/x?a=b'}]}]}}",
		"{apiVersion: apps/v1, kind: Deployment, spec: {template: {spec: {affinity: "
		"{podAntiAffinity: [{topologyKey: kubernetes.io/hostname, labelSelector: "
		"{matchExpressions: [{key: app, operator: In, values: [auth]}]}}]}}}}}",
		"{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {labels: "
		"{x/api-key: a}}, spec: {endpointSelector: {matchLabels: {'k8s:auth-key': b}, "
		"matchExpressions: [{key: token-key, operator: Exists}]}}}",
		"{apiVersion: example.org/v1, kind: Thing, spec: {topologyKey: zone, key: k, "
		"auth: false, clientKey: /etc/a/b.key}}",
		"{apiVersion: v1, kind: ConfigMap, data: {a: 'the password of basic authentication "
		"is asked for', run: 'PGPASSWORD=$(PASS) psql', t: 'auth: {{ .auth }}'}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_release(strbuf) struct strbuf out = STRBUF_INIT;
		struct arena a = ARENA_INIT;

		redacted(&a, rows[i], &out);
		if (strstr(out.buf, "hmac-"))
			fail_msg("row %zu:\n%s", i, out.buf);
		arena_release(&a);
	}
}

TEST(string_data_is_the_data_it_becomes)
{
	auto_release(strbuf) struct strbuf one = STRBUF_INIT, two = STRBUF_INIT;
	struct arena a = ARENA_INIT;

	redacted(&a, "{kind: Secret, data: {password: aHVudGVyMg==}}", &one);
	redacted(&a, "{kind: Secret, stringData: {password: hunter2}}", &two);
	assert_string_equal(one.buf, two.buf);
	assert_non_null(strstr(one.buf, "(7 bytes)"));
	arena_release(&a);
}

TEST(the_original_is_not_touched)
{
	struct arena a = ARENA_INIT;
	const char *text = "{kind: Secret, stringData: {a: hunter2}, metadata: {annotations: {"
			   "kubectl.kubernetes.io/last-applied-configuration: '{}'}}}";
	struct doc *d = yaml(&a, text);

	secret_redact(&a, &key, d);
	assert_true(doc_equal(d, yaml(&a, text)));
	arena_release(&a);
}

static struct doc *one(struct arena *a, const char *text)
{
	struct doc_stream docs;

	assert_int_equal(doc_read_yaml(a, text, strlen(text), NULL, &docs, NULL), 0);
	return docs.docs[0];
}

TEST(a_digest_is_turned_back_by_who_knows_the_value)
{
	static const struct secret_key k = {{9}};
	struct arena a = ARENA_INIT;
	struct doc *secret = one(&a, "{apiVersion: v1, kind: Secret, metadata: {name: s}, "
				     "stringData: {a: one, b: two}, data: {c: dGhyZWU=}}");
	struct doc *old = one(&a, "{apiVersion: v1, kind: Secret, metadata: {name: s, labels: {x: "
				  "y}}, data: {a: b25l, b: b3RoZXI=}}");
	struct doc *pod = one(
		&a, "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: "
		    "a, env: [{name: B_TOKEN, value: t2}, {name: A_TOKEN, value: t1}]}]}}");
	struct doc *moved = one(
		&a, "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: "
		    "x}, {name: a, env: [{name: A_TOKEN, value: t1}]}]}}");
	const struct doc *known[] = {old, secret};
	const char *missing = NULL;
	struct doc *hidden = secret_redact(&a, &k, secret), *got;

	assert_true(secret_any_hidden(hidden));
	got = secret_restore(&a, &k, hidden, known, 2, &missing);
	assert_true(doc_equal(got, secret_plain(&a, secret)));
	assert_null(secret_restore(&a, &k, hidden, known, 1, &missing));
	assert_string_equal(missing, "data.c");
	/* Items are found by their names, wherever they stand. */
	known[0] = pod;
	got = secret_restore(&a, &k, secret_redact(&a, &k, moved), known, 1, &missing);
	assert_true(doc_equal(got, moved));
	/* Nothing is hidden: nobody need know. */
	assert_true(doc_equal(secret_restore(&a, &k, moved, NULL, 0, &missing), moved));
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_digest_is_turned_back_by_who_knows_the_value),
		cmocka_unit_test(what_looks_like_a_credential),
		cmocka_unit_test(names_that_hold_secrets),
		cmocka_unit_test(digests_tell_equal_from_different_and_nothing_else),
		cmocka_unit_test(the_digest_is_hmac_sha256),
		cmocka_unit_test(no_planted_secret_survives),
		cmocka_unit_test(embedded_files_are_redacted_in_part),
		cmocka_unit_test(what_is_needed_stays_visible),
		cmocka_unit_test(string_data_is_the_data_it_becomes),
		cmocka_unit_test(the_original_is_not_touched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
