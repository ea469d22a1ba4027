/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a DNS question; the answer is within its limit. */
#include <string.h>

#include "deploy/lab/dns/zone.h"
#include "tests/fuzz/fuzz.h"

static const struct doc *service(void *arg, const char *ns, const char *name)
{
	return *ns && *name ? arg : NULL;
}

static bool has_namespace(void *arg, const char *ns)
{
	return arg && *ns;
}

static void slices(void *arg, const char *ns, const char *name,
		   void (*fn)(void *fn_arg, const struct doc *slice), void *fn_arg)
{
	if (*ns && *name)
		fn(fn_arg, arg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char text[] =
		"{\"spec\":{\"clusterIP\":\"None\"},\"endpoints\":[{\"addresses\":[\"10.0.0.1\"],"
		"\"hostname\":\"h\"},{\"addresses\":[\"10.0.0.2\",\"x\"]}]}";
	struct arena a = ARENA_INIT;
	struct zone_source source = {service, slices, has_namespace, NULL};
	struct strbuf out = STRBUF_INIT;
	struct dns_answer answer;
	struct dns_query q;
	struct doc *d;

	fuzz_check(!doc_read_json(&a, text, strlen(text), NULL, &d, NULL));
	source.arg = d;
	if (dns_parse(data, n, &q)) {
		zone_answer(&a, &source, &q, &answer);
		dns_write(&q, &answer, q.udp_size, &out);
		fuzz_check(out.len >= 12 && out.len <= DNS_UDP_MAX);
	}
	strbuf_release(&out);
	arena_release(&a);
	return 0;
}
