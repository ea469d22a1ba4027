/* SPDX-License-Identifier: Apache-2.0 */
/* What is secret, and its keyed digest. */
#include "lib/diff/secret_impl.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
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

struct redactor {
	struct arena *arena;
	const struct secret_key *key;
	bool free_names;          /* fields' names are the user's: a custom resource */
	bool makes_secret;        /* an ExternalSecret and its like: its template is a Secret's */
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

/* The word behind an option. */
static bool word_is_secret(const char *option, const char *word)
{
	if (!option)
		return false;
	return secret_pair(option, word, strlen(word)) ||
	       (secret_user_option(option) && secret_user_value(word, strlen(word)));
}

/* --token=x, and the word behind --token. */
static void walk_list(const struct redactor *r, struct doc *list, bool names)
{
	const char *before = NULL;
	bool mysql = false;

	for (size_t i = 0; i < list->list.n; i++) {
		struct doc **it = &list->list.items[i];
		const char *s = doc_str(*it), *eq = s ? strchr(s, '=') : NULL;
		const bool option = s && s[0] == '-';
		const bool hidden = s && !option && word_is_secret(before, s);

		before = option && !eq ? s : NULL;
		if (option && eq &&
		    word_is_secret(arena_strndup(r->arena, s, (size_t)(eq - s)), eq + 1))
			*it = hide(r, *it, false);
		else if (option && mysql && str_starts(s, "-p") && s[2])
			*it = hide(r, *it, false);
		else
			*it = hidden ? hide(r, *it, false) : walk(r, *it, names);
		mysql |= s && (strstr(s, "mysql") || strstr(s, "mariadb"));
	}
}

/* Maps whose keys somebody chose freely, in every kind. */
static bool free_map(const char *field)
{
	return str_eq(field, "data") || str_eq(field, "annotations") || str_eq(field, "parameters");
}

static bool is_scalar(const struct doc *d)
{
	return d && d->kind != DOC_MAP && d->kind != DOC_LIST;
}

/* A value under a name that says so; on and off tell nothing, and are no text. */
static bool is_secret_value(const char *name, const struct doc *v)
{
	const char *s = doc_str(v);

	if (!is_scalar(v))
		return false;
	if (v->kind == DOC_BOOL)
		return secret_pair(name, "true", 4);
	return s ? secret_pair(name, s, strlen(s)) : secret_name(name);
}

/* {name: DB_PASSWORD, value: x}: an environment variable, or what is written like one. */
static bool is_secret_pair(const struct doc *d)
{
	const char *name = doc_str(doc_get(d, "name"));

	return name && is_secret_value(name, doc_get(d, "value"));
}

/* By these, things are found; their values are in every list of objects anyway. */
static bool is_labels(const char *field)
{
	return str_eq(field, "labels") || str_eq(field, "matchLabels") ||
	       str_eq(field, "nodeSelector");
}

/* template: {data: {...}} of what makes a Secret: values and templates of values. */
static void hide_template(const struct redactor *r, struct doc *template)
{
	static const char *const maps[] = {"data", "stringData"};

	for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
		doc_foreach_entry (doc_get(template, maps[i]), e)
			e->value = hide(r, e->value, false);
}

/* password: {value: x}, as some custom resources have it. */
static void hide_value(const struct redactor *r, struct doc *d)
{
	struct doc *v = doc_get(d, "value");

	if (is_scalar(v))
		doc_set(r->arena, d, "value", hide(r, v, false));
}

static void walk_labels(const struct redactor *r, struct doc *d)
{
	doc_foreach_entry (d, e)
		e->value = walk(r, e->value, false);
}

static void walk_map(const struct redactor *r, struct doc *d, bool names)
{
	const bool pair = is_secret_pair(d);

	doc_foreach_entry (d, e) {
		const bool free = names || r->free_names;

		if ((free && is_secret_value(e->key, e->value)) ||
		    (pair && str_eq(e->key, "value"))) {
			e->value = hide(r, e->value, false);
			continue;
		}
		if (free && secret_name(e->key))
			hide_value(r, e->value);
		if (r->makes_secret && str_eq(e->key, "template"))
			hide_template(r, e->value);
		if (!names && is_labels(e->key) && e->value->kind == DOC_MAP)
			walk_labels(r, e->value);
		else
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
	r.makes_secret = r.free_names && strstr(str_or_empty(doc_find_str(out, "kind")), "Secret");
	doc_del(annotations, LAST_APPLIED);
	if (str_eq(doc_find_str(out, "kind"), "Secret"))
		r.hidden = redact_secret(&r, out);
	out = walk(&r, out, false);
	doc_set_string(a, annotations, LAST_APPLIED, note);
	return out;
}
