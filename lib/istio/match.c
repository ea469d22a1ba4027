/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/istio/match.h"

#include <arpa/inet.h>
#include <string.h>

#include "lib/base/str.h"

struct istio_match istio_match_parse(struct arena *a, const char *pattern)
{
	size_t n = strlen(pattern);
	struct istio_match m = {.kind = MATCH_EXACT, .text = pattern};

	if (str_eq(pattern, "*")) {
		m.kind = MATCH_PRESENT;
		m.text = "";
	} else if (n > 0 && pattern[0] == '*') {
		m.kind = MATCH_SUFFIX;
		m.text = pattern + 1;
	} else if (n > 0 && pattern[n - 1] == '*') {
		m.kind = MATCH_PREFIX;
		m.text = arena_strndup(a, pattern, n - 1);
	}
	return m;
}

static bool equal_n(const char *a, const char *b, size_t n, bool ignore_case)
{
	return ignore_case ? strncasecmp(a, b, n) == 0 : strncmp(a, b, n) == 0;
}

bool istio_match_test(const struct istio_match *m, const char *value, bool ignore_case)
{
	size_t n = strlen(m->text), len;

	if (!value)
		return false;
	len = strlen(value);
	switch (m->kind) {
	case MATCH_PRESENT:
		return len > 0;
	case MATCH_EXACT:
		return len == n && equal_n(m->text, value, n, ignore_case);
	case MATCH_PREFIX:
		return len >= n && equal_n(m->text, value, n, ignore_case);
	case MATCH_SUFFIX:
		return len >= n && equal_n(m->text, value + len - n, n, ignore_case);
	}
	return false;
}

bool istio_pattern_matches(const char *pattern, const char *value, bool ignore_case)
{
	size_t n = strlen(pattern), len;

	if (!value)
		return false;
	len = strlen(value);
	if (str_eq(pattern, "*"))
		return len > 0;
	if (n > 0 && pattern[0] == '*')
		return len >= n - 1 &&
		       equal_n(pattern + 1, value + len - (n - 1), n - 1, ignore_case);
	if (n > 0 && pattern[n - 1] == '*')
		return len >= n - 1 && equal_n(pattern, value, n - 1, ignore_case);
	return len == n && equal_n(pattern, value, n, ignore_case);
}

bool istio_glob_matches(const char *pattern, const char *value)
{
	const char *star = NULL, *from = NULL;

	for (; *value; value++) {
		while (*pattern == '*') {
			star = ++pattern;
			from = value;
		}
		if (*pattern == *value) {
			pattern++;
		} else if (star) { /* the last star takes one more */
			pattern = star;
			value = from++;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

bool istio_principal_parse(struct arena *a, const char *text, struct istio_principal *ret)
{
	const char *ns = strstr(text, "/ns/");
	const char *sa = ns ? strstr(ns + 4, "/sa/") : NULL;

	if (!sa || strchr(text, '*') || ns == text || sa == ns + 4 || sa[4] == '\0' ||
	    memchr(text, '/', (size_t)(ns - text)) || memchr(ns + 4, '/', (size_t)(sa - ns - 4)) ||
	    strchr(sa + 4, '/'))
		return false;
	ret->trust_domain = arena_strndup(a, text, (size_t)(ns - text));
	ret->namespace = arena_strndup(a, ns + 4, (size_t)(sa - ns - 4));
	ret->service_account = arena_strdup(a, sa + 4);
	return true;
}

const char *istio_principal_format(struct arena *a, const char *trust_domain, const char *ns,
				   const char *service_account)
{
	return arena_printf(a, "%s/ns/%s/sa/%s", trust_domain, ns, service_account);
}

struct address {
	unsigned char bytes[16];
	unsigned bits;
};

static bool parse_address(const char *text, struct address *ret)
{
	if (inet_pton(AF_INET, text, ret->bytes) == 1)
		ret->bits = 32;
	else if (inet_pton(AF_INET6, text, ret->bytes) == 1)
		ret->bits = 128;
	else
		return false;
	return true;
}

static bool parse_cidr(const char *text, struct address *ret, unsigned *ret_prefix)
{
	const char *slash = strchr(text, '/');
	char host[64];
	uint64_t prefix;

	if (!slash) {
		if (!parse_address(text, ret))
			return false;
		*ret_prefix = ret->bits;
		return true;
	}
	if ((size_t)(slash - text) >= sizeof(host))
		return false;
	memcpy(host, text, (size_t)(slash - text));
	host[slash - text] = '\0';
	if (!parse_address(host, ret) ||
	    str_to_u64(slash + 1, 0, ret->bits, &prefix, "prefix", NULL) < 0)
		return false;
	*ret_prefix = (unsigned)prefix;
	return true;
}

bool istio_cidr_valid(const char *cidr)
{
	struct address net;
	unsigned prefix;

	return parse_cidr(cidr, &net, &prefix);
}

bool istio_cidr_contains(const char *cidr, const char *address)
{
	struct address net, addr;
	unsigned prefix, whole;

	if (!address || !parse_cidr(cidr, &net, &prefix) || !parse_address(address, &addr) ||
	    net.bits != addr.bits)
		return false;
	whole = prefix / 8;
	if (memcmp(net.bytes, addr.bytes, whole) != 0)
		return false;
	return prefix % 8 == 0 ||
	       ((net.bytes[whole] ^ addr.bytes[whole]) & (0xff00u >> (prefix % 8)) & 0xffu) == 0;
}

bool istio_is_path_template(const char *path)
{
	return strstr(path, "{*}") || strstr(path, "{**}");
}

/* One segment or more, segment by segment; "{**}" takes any number of them. */
static bool template_from(const char *t, const char *p)
{
	while (*t) {
		if (str_starts(t, "{**}")) {
			for (const char *rest = p;; rest++) {
				if (template_from(t + 4, rest))
					return true;
				if (!*rest)
					return false;
			}
		}
		if (str_starts(t, "{*}")) {
			size_t n = strcspn(p, "/");

			if (n == 0)
				return false;
			t += 3;
			p += n;
			continue;
		}
		if (*t != *p)
			return false;
		t++;
		p++;
	}
	return *p == '\0';
}

bool istio_path_template_matches(const char *template_, const char *path)
{
	/* Two of the long form at most, as Istio's validation has it, so this cannot blow up. */
	return path && strlen(path) <= 8192 && template_from(template_, path);
}
