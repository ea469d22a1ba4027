/* SPDX-License-Identifier: Apache-2.0 */
/* Names to answers, and answers to bytes and back. */
#include "deploy/lab/dns/zone.h"
#include "lib/base/str.h"
#include "tests/unit/lab/apiserver/json.h"

static struct arena arena;

static const struct doc *service(void *arg, const char *ns, const char *name)
{
	return doc_get(doc_get(arg, ns), name);
}

static bool has_namespace(void *arg, const char *ns)
{
	return doc_get(arg, ns) != NULL;
}

static void slices(void *arg, const char *ns, const char *name,
		   void (*fn)(void *fn_arg, const struct doc *slice), void *fn_arg)
{
	doc_foreach_item (doc_get(service(arg, ns, name), "slices"), s)
		fn(fn_arg, s);
}

static const char objects[] = "{'n':{'web':{'spec':{'clusterIP':'10.96.0.9'},'slices':[{'endpoints'"
			      ":[{'addresses':['10.0.0.1']}]}]},"
			      "'ext':{'spec':{'type':'ExternalName','externalName':'example.org'}},"
			      "'none':{'spec':{'clusterIP':'None'},'slices':[{'endpoints':[{'"
			      "addresses':['10.0.0.1'],'hostname':'h'},"
			      "{'addresses':['10.0.0.2'],'conditions':{'ready':false}}]},{'"
			      "endpoints':[{'addresses':['10.0.0.3']}]}]},"
			      "'all':{'spec':{'clusterIP':'None','publishNotReadyAddresses':true},'"
			      "slices':[{'endpoints':[{'addresses':["
			      "'10.0.0.2'],'conditions':{'ready':false}}]}]}}}";

static const struct {
	const char *name;
	unsigned type;
	enum dns_code code;
	size_t n;
	const char *first; /* of the addresses */
} rows[] = {
	{"web.n.svc.cluster.local", DNS_A, DNS_OK, 1, "10.96.0.9"},
	{"web.n.svc.cluster.local", DNS_AAAA, DNS_OK, 0, NULL},
	{"10-0-0-1.web.n.svc.cluster.local", DNS_A, DNS_OK, 1, "10.0.0.1"},
	{"10-0-0-2.web.n.svc.cluster.local", DNS_A, DNS_NO_NAME, 0, NULL},
	{"none.n.svc.cluster.local", DNS_A, DNS_OK, 2, "10.0.0.1"},
	{"h.none.n.svc.cluster.local", DNS_A, DNS_OK, 1, "10.0.0.1"},
	{"all.n.svc.cluster.local", DNS_A, DNS_OK, 1, "10.0.0.2"},
	{"_pods.web.n.svc.cluster.local", DNS_A, DNS_OK, 1, "10.0.0.1"},
	{"_pods.none.n.svc.cluster.local", DNS_A, DNS_OK, 3, "10.0.0.1"},
	{"_pods.gone.n.svc.cluster.local", DNS_A, DNS_NO_NAME, 0, NULL},
	{"ext.n.svc.cluster.local", DNS_A, DNS_OK, 0, NULL},
	{"gone.n.svc.cluster.local", DNS_A, DNS_NO_NAME, 0, NULL},
	{"web.m.svc.cluster.local", DNS_A, DNS_NO_NAME, 0, NULL},
	{"n.svc.cluster.local", DNS_A, DNS_OK, 0, NULL},
	{"svc.cluster.local", DNS_A, DNS_OK, 0, NULL},
	{"cluster.local", DNS_A, DNS_OK, 0, NULL},
	{"10-1-2-3.n.pod.cluster.local", DNS_A, DNS_OK, 1, "10.1.2.3"},
	{"10-1-2.n.pod.cluster.local", DNS_A, DNS_NO_NAME, 0, NULL},
	{"web.n", DNS_A, DNS_NO_NAME, 0, NULL},
	{"xcluster.local", DNS_A, DNS_NO_NAME, 0, NULL},
	{"a.b.c.d.e.f.g.h.i.svc.cluster.local", DNS_A, DNS_OK, 0, NULL},
};

static void resolve(const char *name, unsigned type, struct dns_query *q, struct dns_answer *ret)
{
	const struct zone_source source = {service, slices, has_namespace, json(&arena, objects)};

	memset(q, 0, sizeof(*q));
	q->type = (uint16_t)type;
	q->class = 1;
	strcpy(q->name, name);
	zone_answer(&arena, &source, q, ret);
}

TEST(names)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct dns_answer ans;
		struct dns_query q;
		char text[16] = "";

		resolve(rows[i].name, rows[i].type, &q, &ans);
		print_message("%s\n", rows[i].name);
		assert_int_equal(ans.code, rows[i].code);
		assert_int_equal(ans.n, rows[i].n);
		if (ans.n)
			snprintf(text, sizeof(text), "%u.%u.%u.%u", ans.addresses[0][0],
				 ans.addresses[0][1], ans.addresses[0][2], ans.addresses[0][3]);
		assert_string_equal(text, str_or_empty(rows[i].first));
	}
	arena_release(&arena);
}

TEST(an_alias)
{
	struct dns_answer ans;
	struct dns_query q;

	resolve("ext.n.svc.cluster.local", DNS_A, &q, &ans);
	assert_string_equal(ans.alias, "example.org");
	arena_release(&arena);
}

TEST(bytes)
{
	static const uint8_t question[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
					  "\x03Web\x01n\x03svc\x07"
					  "cluster\x05local\x00\x00\x01\x00";
	struct strbuf out = STRBUF_INIT;
	struct dns_answer ans;
	struct dns_query q, again;

	assert_true(dns_parse(question, sizeof(question), &q));
	assert_string_equal(q.name, "web.n.svc.cluster.local");
	assert_int_equal(q.type, DNS_A);
	for (size_t n = 0; n < sizeof(question) - 1; n++)
		assert_false(dns_parse(question, n, &again));
	resolve(q.name, DNS_A, &again, &ans);
	dns_write(&q, &ans, q.udp_size, &out);
	assert_memory_equal(out.buf, "\x12\x34\x85\x80\x00\x01\x00\x01", 8);
	assert_memory_equal(out.buf + out.len - 4, "\x0a\x60\x00\x09", 4);
	assert_false(dns_parse((const uint8_t *)out.buf, out.len,
			       &again)); /* an answer is no question */
	strbuf_release(&out);
	arena_release(&arena);
}

TEST(too_long_is_cut)
{
	struct dns_query q = {.type = DNS_A, .class = 1, .name = "a"};
	struct dns_answer ans = {.ttl = 5};
	struct strbuf out = STRBUF_INIT;

	ans.n = 100;
	ans.addresses = arena_alloc(&arena, ans.n * sizeof(*ans.addresses));
	dns_write(&q, &ans, DNS_UDP_PLAIN, &out);
	assert_true(out.len < 64);
	assert_true(out.buf[2] & 2); /* TC */
	strbuf_release(&out);
	dns_write(&q, &ans, DNS_TCP_MAX, &out);
	assert_true(out.len > 1600);
	strbuf_release(&out);
	arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(an_alias),
		cmocka_unit_test(bytes),
		cmocka_unit_test(too_long_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
