/* SPDX-License-Identifier: Apache-2.0 */
/* What is secret, and its keyed digest. */
#include "lib/diff/secret_impl.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "lib/base/base64.h"
#include "lib/base/io.h"
#include "lib/base/limits.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/diff/diff_impl.h"

#define DIGEST_SHOWN 8

int secret_key_random(struct secret_key *ret_key, struct error *err)
{
	struct secret_key key;

	if (getrandom(key.bytes, sizeof(key.bytes), 0) != (ssize_t)sizeof(key.bytes))
		return error_errno(err, -errno, "getrandom");
	*ret_key = key;
	return 0;
}

int secret_key_read(const char *path, struct secret_key *ret_key, struct error *err)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	unsigned n = 0;
	int r = io_read_file(path, LIMIT_SYSTEM_FILE_BYTES, &sb, err);

	if (r < 0)
		return r;
	if (sb.len < SECRET_KEY_BYTES)
		return error_set(err, -EINVAL,
				 "%s: a digest key has at least %d bytes (openssl rand -hex 32 > "
				 "FILE makes one)",
				 path, SECRET_KEY_BYTES);
	if (!EVP_Digest(sb.buf, sb.len, ret_key->bytes, &n, EVP_sha256(), NULL))
		return error_set(err, -EIO, "SHA-256 failed");
	return 0;
}

static const char *hex_text(struct arena *a, const unsigned char *bytes, size_t n)
{
	char *text = arena_alloc(a, 2 * n + 1);

	for (size_t i = 0; i < n; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return text;
}

const char *secret_digest(struct arena *a, const struct secret_key *key, const void *data, size_t n)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	/* Without a digest the value still must not be shown. */
	if (!HMAC(EVP_sha256(), key->bytes, sizeof(key->bytes), data, n, mac, &len))
		return arena_printf(a, "redacted (%zu bytes)", n);
	return arena_printf(a, "hmac-sha256:%s (%zu byte%s)", hex_text(a, mac, DIGEST_SHOWN), n,
			    n == 1 ? "" : "s");
}

const char *secret_key_id(struct arena *a, const struct secret_key *key)
{
	static const char what[] = "sidestep digest key";
	unsigned char mac[EVP_MAX_MD_SIZE] = {0};
	unsigned len = 0;

	HMAC(EVP_sha256(), key->bytes, sizeof(key->bytes), (const unsigned char *)what,
	     sizeof(what) - 1, mac, &len);
	return hex_text(a, mac, DIGEST_SHOWN);
}

const char *content_digest(struct arena *a, const struct doc *redacted)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	unsigned char md[EVP_MAX_MD_SIZE] = {0};
	unsigned len = 0;

	doc_write_json(diff_view(a, redacted), DOC_COMPACT, &sb);
	EVP_Digest(sb.buf, sb.len, md, &len, EVP_sha256(), NULL);
	return arena_printf(a, "sha256:%s", hex_text(a, md, len));
}

/* A JSON Web Token: three runs of base64url, the first an encoded '{"'. */
static bool has_jwt(const char *s)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	for (const char *p = strstr(s, "eyJ"); p; p = strstr(p + 3, "eyJ")) {
		size_t head = strspn(p, alphabet), body;

		if (head < 10 || p[head] != '.')
			continue;
		body = strspn(p + head + 1, alphabet);
		if (body >= 4 && p[head + 1 + body] == '.')
			return true;
	}
	return false;
}

/* scheme://user:password@host */
static bool has_userinfo(const char *s)
{
	for (const char *p = strstr(s, "://"); p; p = strstr(p + 3, "://")) {
		const char *host = p + 3;
		const size_t n = strcspn(host, "/?# \t\r\n\"'<>"), user = strcspn(host, ":@");

		if (user < n && host[user] == ':' && memchr(host + user, '@', n - user))
			return true;
	}
	return false;
}

bool secret_is_kubeconfig(const char *s)
{
	static const char *const credentials[] = {"client-key-data", "token", "password",
						  "client-certificate-data"};

	if (!strstr(s, "clusters") || !strstr(s, "users"))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(credentials); i++)
		if (strstr(s, credentials[i]))
			return true;
	return false;
}

static bool looks_plain(const char *s)
{
	return strstr(s, "-----BEGIN ") || has_jwt(s) || has_userinfo(s) || secret_is_kubeconfig(s);
}

bool secret_looks_like(const char *s)
{
	auto_release(strbuf) struct strbuf decoded = STRBUF_INIT;
	const size_t n = strlen(s);

	if (looks_plain(s))
		return true;
	/* Once more behind base64: a caBundle, a kubeconfig in an annotation. */
	if (n < 16 || base64_decode(s, n, &decoded) < 0)
		return false;
	return memchr(strbuf_cstr(&decoded), '\0', decoded.len) == NULL &&
	       looks_plain(strbuf_cstr(&decoded));
}

bool secret_name(const char *name)
{
	static const char *const words[] = {
		"token",      "passw",      "pwd",       "secret",     "apikey",
		"api_key",    "api-key",    "private",   "credential", "bearer",
		"access_key", "access-key", "accesskey", ".key",       "encryption_key",
		"signing_key"};
	/* These name a place where a secret is, or how long it lives. */
	static const char *const harmless[] = {
		"name",   "ref", "path",    "file",  "dir",    "mount",    "seconds",
		"expiry", "ttl", "enabled", "count", "length", "audience", "namespace"};
	const size_t n = strlen(name);

	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++) {
		const size_t m = strlen(harmless[i]);

		if (n >= m && strcasecmp(name + n - m, harmless[i]) == 0)
			return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasestr(name, words[i]))
			return true;
	return false;
}

struct redactor {
	struct arena *arena;
	const struct secret_key *key;
	bool free_names;          /* fields' names are the user's: a custom resource */
	const struct doc *hidden; /* done already, whatever its keys are called */
};

/* A value that is secret whatever it looks like; base64 is counted and digested as what it holds.
 */
static struct doc *hide(const struct redactor *r, struct doc *v, bool base64)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	if (!v || v->kind == DOC_NULL)
		return v;
	if (v->kind != DOC_STRING)
		doc_write_json(v, DOC_COMPACT, &sb);
	else if (!base64 || base64_decode(v->string, strlen(v->string), &sb) < 0)
		strbuf_adds(&sb, v->string);
	return doc_string(r->arena, secret_digest(r->arena, r->key, strbuf_cstr(&sb), sb.len));
}

static struct doc *walk(const struct redactor *r, struct doc *d, bool names);

/* --token=x, and the word behind --token. */
static void walk_list(const struct redactor *r, struct doc *list, bool names)
{
	bool next = false;

	for (size_t i = 0; i < list->list.n; i++) {
		struct doc **it = &list->list.items[i];
		const char *s = doc_str(*it), *eq = s ? strchr(s, '=') : NULL;
		const bool option = s && s[0] == '-';
		bool hidden = next && s && !option;

		next = false;
		if (option) {
			char *name = arena_strndup(r->arena, s, eq ? (size_t)(eq - s) : strlen(s));

			hidden = eq && secret_name(name);
			next = !eq && secret_name(name);
		}
		*it = hidden ? hide(r, *it, false) : walk(r, *it, names);
	}
}

/* Maps whose keys somebody chose freely, in every kind. */
static bool free_map(const char *field)
{
	return str_eq(field, "data") || str_eq(field, "annotations") || str_eq(field, "parameters");
}

/* {name: DB_PASSWORD, value: x}: an environment variable, or what is written like one. */
static bool is_secret_pair(const struct doc *d)
{
	const char *name = doc_str(doc_get(d, "name"));

	return name && doc_get(d, "value") && secret_name(name);
}

static bool is_scalar(const struct doc *d)
{
	return d && d->kind != DOC_MAP && d->kind != DOC_LIST;
}

/* password: {value: x}, as some custom resources have it. */
static void hide_value(const struct redactor *r, struct doc *d)
{
	struct doc *v = doc_get(d, "value");

	if (is_scalar(v))
		doc_set(r->arena, d, "value", hide(r, v, false));
}

static void walk_map(const struct redactor *r, struct doc *d, bool names)
{
	const bool pair = is_secret_pair(d);

	doc_foreach_entry (d, e) {
		const bool secret = (names || r->free_names) && secret_name(e->key);

		if (is_scalar(e->value) && (secret || (pair && str_eq(e->key, "value")))) {
			e->value = hide(r, e->value, false);
			continue;
		}
		if (secret)
			hide_value(r, e->value);
		e->value = walk(r, e->value, names || free_map(e->key));
	}
}

/* Changes d in place, or answers what stands for it. */
static struct doc *walk(const struct redactor *r, struct doc *d, bool names)
{
	const char *text;

	if (d && d == r->hidden)
		return d;
	if (d && d->kind == DOC_LIST)
		walk_list(r, d, names);
	else if (d && d->kind == DOC_MAP)
		walk_map(r, d, names);
	if (!d || d->kind != DOC_STRING)
		return d;
	text = secret_text(r->arena, r->key, d->string);
	return text == d->string ? d : doc_string(r->arena, text);
}

struct doc *secret_redact_names(struct arena *a, const struct secret_key *key, const struct doc *d)
{
	struct redactor r = {.arena = a, .key = key, .free_names = true};

	return walk(&r, doc_clone(a, d), true);
}

/* Every value of a Secret; stringData is written over data when one is stored. Returns the part
 * that is hidden now. */
static const struct doc *redact_secret(const struct redactor *r, struct doc *out)
{
	struct doc *data = doc_get(out, "data"), *text = doc_get(out, "stringData");

	if (data && data->kind != DOC_MAP)
		doc_set(r->arena, out, "data", hide(r, data, true));
	doc_foreach_entry (data, e)
		e->value = hide(r, e->value, true);
	if (text) {
		doc_del(out, "stringData");
		data = doc_set_map(r->arena, out, "data");
		doc_foreach_entry (text, e)
			doc_set(r->arena, data, e->key, hide(r, e->value, false));
	}
	return doc_get(out, "data");
}

/*
 * What kubectl noted is an object, too, with the same secrets in it: NULL when it cannot be read. A
 * note in a note is nobody's: it is cut, and the recursion with it.
 */
static const char *redact_note(const struct redactor *r, const char *text)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	struct doc *note;

	if (!text || doc_read_json(r->arena, text, strlen(text), NULL, &note, NULL) < 0)
		return NULL;
	doc_del(doc_find(note, "metadata.annotations"), LAST_APPLIED);
	doc_write_json(secret_redact(r->arena, r->key, note), DOC_COMPACT, &sb);
	return arena_strdup(r->arena, strbuf_cstr(&sb));
}

/* Groups of the API server have k8s.io in their names or no dot at all. */
static bool is_custom(const char *api_version)
{
	const char *slash = api_version ? strchr(api_version, '/') : NULL;

	return slash && memchr(api_version, '.', (size_t)(slash - api_version)) &&
	       !strstr(api_version, "k8s.io/");
}

struct doc *secret_redact(struct arena *a, const struct secret_key *key, const struct doc *object)
{
	struct redactor r = {.arena = a, .key = key};
	struct doc *out = doc_clone(a, object);
	struct doc *annotations = doc_find(out, "metadata.annotations");
	const char *note = redact_note(&r, doc_str(doc_get(annotations, LAST_APPLIED)));

	r.free_names = is_custom(doc_find_str(object, "apiVersion"));
	doc_del(annotations, LAST_APPLIED);
	if (str_eq(doc_find_str(out, "kind"), "Secret"))
		r.hidden = redact_secret(&r, out);
	out = walk(&r, out, false);
	doc_set_string(a, annotations, LAST_APPLIED, note);
	return out;
}
