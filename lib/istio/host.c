/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/istio/host.h"

#include <arpa/inet.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/doc/bind.h"

static bool is_address(const char *s)
{
	unsigned char buf[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, s, buf) == 1 || inet_pton(AF_INET6, s, buf) == 1;
}

const char *istio_service_fqdn(struct arena *a, const char *name, const char *ns,
			       const char *suffix)
{
	return arena_printf(a, "%s.%s.svc.%s", name, ns, suffix);
}

const char *istio_host_fqdn(struct arena *a, const char *host, const char *ns, const char *suffix)
{
	if (str_empty(host) || strchr(host, '.') || strchr(host, '*') || is_address(host))
		return arena_strdup(a, str_or_empty(host));
	return istio_service_fqdn(a, host, ns, suffix);
}

bool istio_host_matches(const char *pattern, const char *host)
{
	if (str_eq(pattern, "*"))
		return true;
	if (str_starts(pattern, "*."))
		return strlen(host) > strlen(pattern + 1) && str_ends(host, pattern + 1);
	return strcasecmp(pattern, host) == 0;
}

int istio_host_specificity(const char *a, const char *b)
{
	int wild_a = a[0] == '*', wild_b = b[0] == '*';
	size_t len_a = strlen(a), len_b = strlen(b);

	if (wild_a != wild_b)
		return wild_b - wild_a;
	return len_a == len_b ? 0 : len_a > len_b ? 1 : -1;
}

bool istio_exported(const struct strings *export_to, const char *own_ns, const char *viewer_ns)
{
	if (export_to->n == 0)
		return true;
	for (size_t i = 0; i < export_to->n; i++) {
		const char *to = export_to->items[i];

		if (str_eq(to, "*") || str_eq(to, viewer_ns) ||
		    (str_eq(to, ".") && str_eq(own_ns, viewer_ns)))
			return true;
	}
	return false;
}
