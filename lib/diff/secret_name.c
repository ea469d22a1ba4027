/* SPDX-License-Identifier: Apache-2.0 */
/* Names that say that their value is secret. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/diff/secret_impl.h"

#define ENDS(name, n, word)                                                                        \
	((n) >= strlen(word) && strncasecmp((name) + (n)-strlen(word), word, strlen(word)) == 0)

/* Anywhere in a name: these hold nothing else. */
static bool has_word(const char *name)
{
	static const char *const words[] = {"token",
					    "passw",
					    "passphrase",
					    "pwd",
					    "secret",
					    "apikey",
					    "api_key",
					    "api-key",
					    "private",
					    "credential",
					    "bearer",
					    "access_key",
					    "access-key",
					    "accesskey",
					    ".key",
					    "encryption_key",
					    "signing_key",
					    "connectionstring",
					    "connection_string"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasestr(name, words[i]))
			return true;
	return false;
}

/* These name a place where a secret is, or how long it lives. */
static bool is_harmless(const char *name, size_t n)
{
	static const char *const harmless[] = {
		"name",   "ref", "path",    "file",  "dir",    "mount",    "seconds",
		"expiry", "ttl", "enabled", "count", "length", "audience", "namespace"};

	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
		if (ENDS(name, n, harmless[i]))
			return true;
	return false;
}

/*
 * LICENSE_KEY, app-key, accountKey; but not a key by which things are found: topologyKey,
 * partition_key, public-key, and "key" alone.
 */
static bool is_key(const char *name, size_t n)
{
	static const char *const finders[] = {
		"topology", "label", "config", "map",     "partition", "primary", "foreign",
		"sort",     "cache", "public", "routing", "hash",      "row",     "sharding"};
	static const char *const owners[] = {"license", "account", "signing", "encryption",
					     "master",  "shared",  "session", "hmac",
					     "storage", "webhook"};
	size_t stem;

	if (!ENDS(name, n, "key") || n < 4)
		return false;
	stem = n - 3;
	if (!strchr("_-.", name[stem - 1])) {
		for (size_t i = 0; i < ARRAY_SIZE(owners); i++)
			if (ENDS(name, stem, owners[i]))
				return true;
		return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(finders); i++)
		if (ENDS(name, stem - 1, finders[i]))
			return false;
	return stem > 1;
}

/* The word that the name ends in begins there: nothing before it, a separator, or a hump. */
static bool ends_in_word(const char *name, size_t n, const char *word)
{
	const size_t m = strlen(word);

	if (!ENDS(name, n, word))
		return false;
	return n == m || !isalpha((unsigned char)name[n - m - 1]) ||
	       (isupper((unsigned char)name[n - m]) && islower((unsigned char)name[n - m - 1]));
}

/* DB_PASS, requirepass, REDIS_AUTH, SENTRY_DSN, SLACK_WEBHOOK_URL. */
static bool ends_secret(const char *name, size_t n)
{
	static const char *const words[] = {"auth",       "authorization", "dsn",         "webhook",
					    "webhookurl", "webhook_url",   "webhook-url", "cookie"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (ends_in_word(name, n, words[i]))
			return true;
	return is_key(name, n) || ENDS(name, n, "masterauth") ||
	       (ENDS(name, n, "pass") && !ENDS(name, n, "bypass") && !ENDS(name, n, "compass"));
}

bool secret_name(const char *name)
{
	const size_t n = strlen(name);

	return !is_harmless(name, n) && (has_word(name) || ends_secret(name, n));
}

/* /etc/tls/client.key, ./id: where a secret is. */
static bool is_path(const char *s, size_t n)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./";

	return n > 2 && strspn(s, alphabet) >= n &&
	       (str_starts(s, "./") ||
		(s[0] == '/' && (memchr(s + 1, '/', n - 1) || memchr(s + 1, '.', n - 1))));
}

bool secret_pair(const char *name, const char *value, size_t n)
{
	static const char *const words[] = {"true", "false", "yes", "no", "on", "off", "none"};

	if (!secret_name(name))
		return false;
	if (has_word(name))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strlen(words[i]) == n && strncasecmp(value, words[i], n) == 0)
			return false;
	return !is_path(value, n);
}
