/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/names.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/base/str.h"

enum { LABEL_MAX = 63, SUBDOMAIN_MAX = 253, GENERATE_BASE_MAX = 58 };

static bool lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* One label of n characters. */
static bool dns_label(const char *s, size_t n)
{
	if (!n || !lower_alnum(s[0]) || !lower_alnum(s[n - 1]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!lower_alnum(s[i]) && s[i] != '-')
			return false;
	return true;
}

const char *name_check_label(const char *s)
{
	size_t n = strlen(s);

	if (n > LABEL_MAX)
		return "must be no more than 63 characters";
	return dns_label(s, n)
		       ? NULL
		       : "a lowercase RFC 1123 label must consist of lower case alphanumeric "
			 "characters or "
			 "'-', and must start and end with an alphanumeric character (e.g. "
			 "'my-name',  or "
			 "'123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
}

const char *name_check_1035(const char *s)
{
	size_t n = strlen(s);

	if (n > LABEL_MAX)
		return "must be no more than 63 characters";
	return dns_label(s, n) && s[0] >= 'a'
		       ? NULL
		       : "a DNS-1035 label must consist of lower case alphanumeric characters or "
			 "'-', start "
			 "with an alphabetic character, and end with an alphanumeric character "
			 "(e.g. "
			 "'my-name',  or 'abc-123', regex used for validation is "
			 "'[a-z]([-a-z0-9]*[a-z0-9])?')";
}

static bool subdomain(const char *s)
{
	for (;;) {
		size_t n = strcspn(s, ".");

		if (!dns_label(s, n))
			return false;
		if (!s[n])
			return true;
		s += n + 1;
	}
}

const char *name_check_subdomain(const char *s)
{
	if (strlen(s) > SUBDOMAIN_MAX)
		return "must be no more than 253 characters";
	return subdomain(s)
		       ? NULL
		       : "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
			 "characters, '-' or '.', and must start and end with an alphanumeric "
			 "character "
			 "(e.g. 'example.com', regex used for validation is "
			 "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
}

const char *name_check_path(const char *s)
{
	if (str_eq(s, ".") || str_eq(s, ".."))
		return "may not be '.' or '..'";
	return strpbrk(s, "/%") ? "may not contain '/' or '%'" : NULL;
}

/* Letters, digits, '-', '_', '.', with letters or digits at both ends. */
static bool plain_name(const char *s)
{
	size_t n = strlen(s);

	if (!n || n > LABEL_MAX || !isalnum((unsigned char)s[0]) ||
	    !isalnum((unsigned char)s[n - 1]))
		return false;
	return strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") == n;
}

const char *name_check_qualified(const char *s)
{
	static const char why[] =
		"name part must consist of alphanumeric characters, '-', '_' or '.', and must "
		"start and "
		"end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', "
		"regex "
		"used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
	const char *slash = strchr(s, '/');
	char prefix[SUBDOMAIN_MAX + 1];
	size_t n;

	if (!slash)
		return plain_name(s) ? NULL : why;
	n = (size_t)(slash - s);
	if (!n || n > SUBDOMAIN_MAX)
		return "prefix part must be a DNS subdomain of at most 253 characters";
	memcpy(prefix, s, n);
	prefix[n] = 0;
	if (!subdomain(prefix))
		return "prefix part must be a lowercase RFC 1123 subdomain";
	return plain_name(slash + 1) ? NULL : why;
}

const char *name_check_label_value(const char *s)
{
	if (!*s || plain_name(s))
		return NULL;
	if (strlen(s) > LABEL_MAX)
		return "must be no more than 63 characters";
	return "a valid label must be an empty string or consist of alphanumeric characters, '-', "
	       "'_' or "
	       "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
	       "'my_value',  or '12345', regex used for validation is "
	       "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
}

static void random_bytes(unsigned char *p, size_t n)
{
	if (getrandom(p, n, 0) != (ssize_t)n)
		abort();
}

const char *name_generate(struct arena *a, const char *base)
{
	/* Kubernetes' own alphabet: no vowels, no digits that look like letters. */
	static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
	unsigned char r[5];
	char tail[sizeof(r) + 1] = "";

	random_bytes(r, sizeof(r));
	for (size_t i = 0; i < sizeof(r); i++)
		tail[i] = alphabet[r[i] % (sizeof(alphabet) - 1)];
	return arena_printf(a, "%.*s%s", GENERATE_BASE_MAX, base, tail);
}

const char *name_uuid(struct arena *a)
{
	unsigned char r[16];

	random_bytes(r, sizeof(r));
	r[6] = (unsigned char)((r[6] & 0x0f) | 0x40);
	r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
	return arena_printf(a,
			    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
			    r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10],
			    r[11], r[12], r[13], r[14], r[15]);
}
