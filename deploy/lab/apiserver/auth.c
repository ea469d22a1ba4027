/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks: client certificates of our own authority, a bearer token, impersonation. */
#include <sys/stat.h>

#include "deploy/lab/apiserver/names.h"
#include "deploy/lab/apiserver/server.h"
#include "lib/base/base64.h"
#include "lib/base/io.h"
#include "lib/base/str.h"

enum { PEM_BYTES_MAX = 64 << 10 };

static const struct clock *certificate_clock(void)
{
	return clock_system(); /* peers compare certificates with their own clocks */
}

static int read_text(const char *dir, const char *name, char **ret, struct error *err)
{
	struct strbuf sb = STRBUF_INIT;
	auto_free char *path = xasprintf("%s/%s", dir, name);
	int e = io_read_file(path, PEM_BYTES_MAX, &sb, err);

	if (e)
		strbuf_release(&sb);
	else
		*ret = strbuf_take(&sb);
	return e;
}

static int write_text(const char *dir, const char *name, const char *text, mode_t mode,
		      struct error *err)
{
	auto_free char *path = xasprintf("%s/%s", dir, name);

	return io_write_file_atomic(path, text, strlen(text), mode, err);
}

/* Kubeconfigs hold the authority, so it has to stay the same over restarts. */
static int load_authority(struct apiserver *s, struct error *err)
{
	struct tls_request want = {.common_name = "sidestep-lab",
				   .not_before_wall_ns = clock_wall_ns(certificate_clock())};
	int e;

	if (s->dir && !read_text(s->dir, "ca.key", &s->ca.key_pem, NULL) &&
	    !read_text(s->dir, "ca.crt", &s->ca.cert_pem, NULL))
		return 0;
	tls_pair_release(&s->ca);
	e = tls_authority(&want, &s->ca, err);
	if (!e && s->dir)
		e = write_text(s->dir, "ca.key", s->ca.key_pem, 0600, err);
	if (!e && s->dir)
		e = write_text(s->dir, "ca.crt", s->ca.cert_pem, 0644, err);
	return e;
}

static const char *const *joined(struct arena *a, const char *const *first, const char *const *more)
{
	size_t n = 0, m = 0;
	const char **out;

	while (first[n])
		n++;
	while (more && more[m])
		m++;
	out = arena_array(a, n + m + 1, const char *);
	memcpy(out, first, n * sizeof(*out));
	if (m)
		memcpy(out + n, more, m * sizeof(*out));
	return out;
}

static int make_certificate(struct apiserver *s, const struct apiserver_options *o,
			    struct error *err)
{
	static const char *const names[] = {"localhost",
					    "kubernetes",
					    "kubernetes.default",
					    "kubernetes.default.svc",
					    "kubernetes.default.svc.cluster.local",
					    NULL};
	auto_release(arena) struct arena a = ARENA_INIT;
	uint32_t first = s->service_net + 1;
	const char *const ips[] = {"127.0.0.1",
				   arena_printf(&a, "%u.%u.%u.%u", first >> 24, first >> 16 & 255,
						first >> 8 & 255, first & 255),
				   NULL};

	return tls_sign(&s->ca,
			&(struct tls_request){
				.common_name = "sidestep-lab-apiserver",
				.dns = joined(&a, names, o->names),
				.ip = joined(&a, ips, o->ips),
				.server = true,
				.not_before_wall_ns = clock_wall_ns(certificate_clock()),
			},
			&s->cert, err);
}

/* One token of an administrator, for clients without certificates (curl). */
static int load_token(struct apiserver *s, struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct token t = {.user = xstrdup("admin"), .group = xstrdup("system:masters")};
	int e = 0;

	if (!s->dir || read_text(s->dir, "admin.token", &t.secret, NULL)) {
		t.secret = xstrdup(name_uuid(&a));
		if (s->dir)
			e = write_text(s->dir, "admin.token", t.secret, 0600, err);
	}
	t.secret[strcspn(t.secret, "\r\n")] = 0;
	vec_push(&s->tokens, t);
	return e;
}

int auth_load(struct apiserver *s, const struct apiserver_options *o, struct error *err)
{
	int e = load_authority(s, err);

	if (!e)
		e = make_certificate(s, o, err);
	return e ? e : load_token(s, err);
}

void auth_release(struct apiserver *s)
{
	vec_foreach (&s->tokens, it) {
		free(it->secret);
		free(it->user);
		free(it->group);
	}
	vec_release(&s->tokens);
	tls_pair_release(&s->ca);
	tls_pair_release(&s->cert);
}

/* ---- requests ---- */

static void set_user(struct request *r, const char *user, const char *const *groups)
{
	size_t n = 0;
	const char **copy;

	while (groups && groups[n])
		n++;
	copy = arena_array(&r->arena, n + 2, const char *);
	for (size_t i = 0; i < n; i++)
		copy[i] = arena_strdup(&r->arena, groups[i]);
	copy[n] = "system:authenticated";
	r->user = arena_strdup(&r->arena, user);
	r->groups = copy;
}

/* In time that does not depend on where two secrets differ. */
static bool same_secret(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	unsigned char diff = n != m;

	for (size_t i = 0; i < m; i++)
		diff |= (unsigned char)(b[i] ^ (i < n ? a[i] : 0));
	return !diff;
}

static bool by_token(struct request *r)
{
	const char *text = http_headers_get(r->view->headers, "authorization");

	if (!text || !str_starts(text, "Bearer "))
		return false;
	vec_foreach (&r->server->tokens, it) {
		const char *const groups[] = {it->group, NULL};

		if (same_secret(text + strlen("Bearer "), it->secret)) {
			set_user(r, it->user, groups);
			return true;
		}
	}
	return false;
}

int auth_request(struct request *r)
{
	const char *other = http_headers_get(r->view->headers, "impersonate-user");

	if (r->view->peer_cn)
		set_user(r, r->view->peer_cn, r->view->peer_orgs);
	else if (!by_token(r))
		return refuse(&r->refusal, 401, "Unauthorized", "Unauthorized");
	if (!str_empty(other))
		set_user(r, other, NULL);
	return 0;
}

/* ---- kubeconfig ---- */

static void set_bytes(struct arena *a, struct doc *map, const char *key, const char *text)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	base64_encode(text, strlen(text), &sb);
	doc_set_string(a, map, key, strbuf_cstr(&sb));
}

static struct doc *named(struct arena *a, struct doc *config, const char *list, const char *key)
{
	struct doc *entry = doc_append(a, doc_set_list(a, config, list), doc_map(a));

	doc_set_string(a, entry, "name", "lab");
	return doc_set_map(a, entry, key);
}

int apiserver_write_kubeconfig(struct apiserver *s, const char *user, const char *group,
			       const char *url, const char *path, struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;
	struct doc *config = doc_map(&a), *cluster, *who, *context;
	struct tls_pair pair = {0};
	struct tls_request want = {.common_name = user,
				   .organisation = group,
				   .client = true,
				   .not_before_wall_ns = clock_wall_ns(certificate_clock())};
	int e = tls_sign(&s->ca, &want, &pair, err);

	if (e)
		return e;
	doc_set_string(&a, config, "apiVersion", "v1");
	doc_set_string(&a, config, "kind", "Config");
	cluster = named(&a, config, "clusters", "cluster");
	doc_set_string(&a, cluster, "server", url);
	set_bytes(&a, cluster, "certificate-authority-data", s->ca.cert_pem);
	who = named(&a, config, "users", "user");
	set_bytes(&a, who, "client-certificate-data", pair.cert_pem);
	set_bytes(&a, who, "client-key-data", pair.key_pem);
	context = named(&a, config, "contexts", "context");
	doc_set_string(&a, context, "cluster", "lab");
	doc_set_string(&a, context, "user", "lab");
	doc_set_string(&a, config, "current-context", "lab");
	tls_pair_release(&pair);
	doc_write_yaml(config, &sb);
	return io_write_file_atomic(path, sb.buf, sb.len, 0600, err);
}
