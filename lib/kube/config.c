/* SPDX-License-Identifier: Apache-2.0 */
/* kubeconfig files and the service account of a pod. */
#include "lib/kube/config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/io.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"
#include "lib/base/strbuf.h"

#define SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"

static const char *read_text(struct arena *a, const char *path, const char **ret, struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	size_t n;

	if (io_read_file(path, LIMIT_SYSTEM_FILE_BYTES, &text, err))
		return NULL;
	n = text.len;
	while (n && (text.buf[n - 1] == '\n' || text.buf[n - 1] == '\r'))
		n--;
	*ret = arena_strndup(a, strbuf_cstr(&text), n);
	return *ret;
}

/* The named entry of a list of {name, <field>: {...}}. */
static const struct doc *find_named(const struct doc *list, const char *name, const char *field)
{
	for (size_t i = 0; i < doc_len(list); i++) {
		const struct doc *item = doc_at(list, i);

		if (str_eq(doc_str(doc_get(item, "name")), name))
			return doc_get(item, field);
	}
	return NULL;
}

/* "x-data" (base64) or "x" (a file, relative to the kubeconfig). Absent leaves *ret NULL. */
static int pem_field(struct arena *a, const struct doc *map, const char *name, const char *dir,
		     const char **ret, struct error *err)
{
	const char *data = doc_str(doc_get(map, arena_printf(a, "%s-data", name)));
	const char *file = doc_str(doc_get(map, name));
	auto_release(strbuf) struct strbuf plain = STRBUF_INIT;

	if (!str_empty(data)) {
		if (base64_decode(data, strlen(data), &plain))
			return error_set(err, -EINVAL, "%s-data is not base64", name);
		*ret = arena_strdup(a, strbuf_cstr(&plain));
		return 0;
	}
	if (str_empty(file))
		return 0;
	if (file[0] != '/' && dir[0])
		file = arena_printf(a, "%s/%s", dir, file);
	return read_text(a, file, ret, err)
		       ? 0
		       : error_wrap(err, err ? err->code : -ENOENT, "%s", name);
}

static int check_unsupported(const struct doc *cluster, const struct doc *user, struct error *err)
{
	if (!str_empty(doc_str(doc_get(cluster, "proxy-url"))))
		return error_set(err, -ENOTSUP, "proxy-url is not supported: connect directly");
	if (doc_get(user, "exec"))
		return error_set(err, -ENOTSUP,
				 "an exec credential plugin is not supported: use a token "
				 "(kubectl create token ...) or a client certificate");
	if (doc_get(user, "auth-provider"))
		return error_set(err, -ENOTSUP, "auth-provider is not supported: use a token");
	return 0;
}

static int set_server(struct arena *a, const char *server, struct kube_config *c, struct error *err)
{
	size_t n;

	if (str_empty(server))
		return error_set(err, -EINVAL, "the cluster names no server");
	if (str_starts(server, "unix://")) {
		c->unix_socket = arena_strdup(a, server + strlen("unix://"));
		c->server = "http://localhost";
		return 0;
	}
	if (!str_starts(server, "https://") && !str_starts(server, "http://"))
		return error_set(err, -EINVAL, "server %s: want https://, http:// or unix:///path",
				 server);
	n = strlen(server);
	while (n && server[n - 1] == '/')
		n--;
	c->server = arena_strndup(a, server, n);
	return 0;
}

static const char *text_of(struct arena *a, const struct doc *map, const char *key)
{
	const char *s = doc_str(doc_get(map, key));

	return str_empty(s) ? NULL : arena_strdup(a, s);
}

static int fill(struct arena *a, const struct doc *cluster, const struct doc *user, const char *dir,
		struct kube_config *c, struct error *err)
{
	int r = check_unsupported(cluster, user, err);

	if (r == 0)
		r = set_server(a, doc_str(doc_get(cluster, "server")), c, err);
	if (r == 0)
		r = pem_field(a, cluster, "certificate-authority", dir, &c->ca_pem, err);
	if (r == 0)
		r = pem_field(a, user, "client-certificate", dir, &c->cert_pem, err);
	if (r == 0)
		r = pem_field(a, user, "client-key", dir, &c->key_pem, err);
	if (r)
		return r;
	c->insecure = doc_bool_or(doc_get(cluster, "insecure-skip-tls-verify"), false);
	c->tls_server_name = text_of(a, cluster, "tls-server-name");
	c->token = text_of(a, user, "token");
	c->token_file = text_of(a, user, "tokenFile");
	if (c->token_file && c->token_file[0] != '/' && dir[0])
		c->token_file = arena_printf(a, "%s/%s", dir, c->token_file);
	c->username = text_of(a, user, "username");
	c->password = text_of(a, user, "password");
	if (!c->cert_pem != !c->key_pem)
		return error_set(err, -EINVAL,
				 "a client certificate needs its key, and a key its "
				 "certificate");
	return 0;
}

int kube_config_from_doc(struct arena *a, const struct doc *doc, const char *dir,
			 const char *context, struct kube_config *ret_config, struct error *err)
{
	const char *name = context ? context : doc_str(doc_get(doc, "current-context"));
	const struct doc *ctx, *cluster, *user;
	struct kube_config c = {0};
	int r;

	if (str_empty(name))
		return error_set(err, -EINVAL, "no current-context: name one with --context");
	ctx = find_named(doc_get(doc, "contexts"), name, "context");
	if (!ctx)
		return error_set(err, -ENOENT, "there is no context %s", name);
	cluster = find_named(doc_get(doc, "clusters"), doc_str(doc_get(ctx, "cluster")), "cluster");
	if (!cluster)
		return error_set(err, -ENOENT, "context %s: its cluster is not there", name);
	user = find_named(doc_get(doc, "users"), doc_str(doc_get(ctx, "user")), "user");
	r = fill(a, cluster, user, dir ? dir : "", &c, err);
	if (r)
		return r;
	c.context = arena_strdup(a, name);
	c.namespace_ = text_of(a, ctx, "namespace");
	if (!c.namespace_)
		c.namespace_ = "default";
	*ret_config = c;
	return 0;
}

int kube_config_in_cluster(struct arena *a, struct kube_config *ret_config, struct error *err)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST"),
		   *port = getenv("KUBERNETES_SERVICE_PORT");
	struct kube_config c = {.token_file = SERVICE_ACCOUNT "/token"};

	if (str_empty(host) || str_empty(port))
		return error_set(err, -ENOENT, "not in a cluster");
	if (!read_text(a, SERVICE_ACCOUNT "/ca.crt", &c.ca_pem, err))
		return -ENOENT;
	if (!read_text(a, SERVICE_ACCOUNT "/namespace", &c.namespace_, NULL))
		c.namespace_ = "default";
	c.server = arena_printf(a, strchr(host, ':') ? "https://[%s]:%s" : "https://%s:%s", host,
				port);
	*ret_config = c;
	return 0;
}

/* Lists of later files are appended: find_named() takes the first of a name. */
static void merge_file(struct arena *a, struct doc *into, const struct doc *from)
{
	static const char *const lists[] = {"clusters", "users", "contexts"};
	const char *current = doc_str(doc_get(from, "current-context"));

	if (str_empty(doc_str(doc_get(into, "current-context"))) && !str_empty(current))
		doc_set_string(a, into, "current-context", current);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		const struct doc *list = doc_get(from, lists[i]);

		for (size_t j = 0; j < doc_len(list); j++)
			doc_append(a, doc_set_list(a, into, lists[i]), doc_at(list, j));
	}
}

/* File names in a kubeconfig are relative to it; made absolute before files are merged. */
static void resolve_files(struct arena *a, struct doc *doc, const char *dir)
{
	static const struct {
		const char *list, *inner, *field;
	} rows[] = {
		{"clusters", "cluster", "certificate-authority"},
		{"users", "user", "client-certificate"},
		{"users", "user", "client-key"},
		{"users", "user", "tokenFile"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct doc *list = doc_get(doc, rows[i].list);

		for (size_t j = 0; j < doc_len(list); j++) {
			struct doc *inner = doc_get(doc_at(list, j), rows[i].inner);
			const char *file = doc_str(doc_get(inner, rows[i].field));

			if (!str_empty(file) && file[0] != '/')
				doc_setf(a, inner, rows[i].field, "%s/%s", dir, file);
		}
	}
}

static const char *folder_of(struct arena *a, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return ".";
	return slash == path ? "/" : arena_strndup(a, path, (size_t)(slash - path));
}

static int load_list(struct arena *a, const char *list, bool may_miss, const char *context,
		     struct kube_config *ret_config, struct error *err)
{
	struct doc *merged = doc_map(a);
	bool any = false;
	int r;

	while (*list) {
		size_t n = strcspn(list, ":");
		const char *path = arena_strndup(a, list, n);
		struct doc_stream stream;

		list += n;
		list += *list == ':';
		if (!n || (may_miss && !io_exists(path)))
			continue;
		r = doc_read_file(a, path, &stream, err);
		if (r)
			return r;
		for (size_t i = 0; i < stream.n; i++) {
			resolve_files(a, stream.docs[i], folder_of(a, path));
			merge_file(a, merged, stream.docs[i]);
		}
		any = true;
	}
	if (!any)
		return error_set(err, -ENOENT, "no kubeconfig");
	return kube_config_from_doc(a, merged, "", context, ret_config, err);
}

int kube_config_load(struct arena *a, const struct kube_config_options *options,
		     struct kube_config *ret_config, struct error *err)
{
	const char *env = getenv("KUBECONFIG"), *home = getenv("HOME"), *path;
	int r;

	if (!str_empty(options->kubeconfig)) {
		r = load_list(a, options->kubeconfig, false, options->context, ret_config, err);
		return r ? error_wrap(err, r, "kubeconfig %s", options->kubeconfig) : 0;
	}
	if (!str_empty(env)) {
		r = load_list(a, env, true, options->context, ret_config, err);
		return r ? error_wrap(err, r, "KUBECONFIG=%s", env) : 0;
	}
	path = arena_printf(a, "%s/.kube/config", home ? home : "");
	if (io_exists(path)) {
		r = load_list(a, path, false, options->context, ret_config, err);
		return r ? error_wrap(err, r, "%s", path) : 0;
	}
	if (kube_config_in_cluster(a, ret_config, NULL) == 0)
		return 0;
	return error_set(err, -ENOENT,
			 "no cluster given: use --kubeconfig FILE or set KUBECONFIG "
			 "(%s does not exist, and this is not a pod)",
			 path);
}

static void set_base64(struct arena *a, struct doc *map, const char *key, const char *text)
{
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;

	if (!text)
		return;
	base64_encode(text, strlen(text), &out);
	doc_set_string(a, map, key, strbuf_cstr(&out));
}

static struct doc *named_entry(struct arena *a, struct doc *root, const char *list,
			       const char *inner, const char *name)
{
	struct doc *entry = doc_append(a, doc_set_list(a, root, list), doc_map(a));

	doc_set_string(a, entry, "name", name);
	return doc_set_map(a, entry, inner);
}

struct doc *kube_config_to_doc(struct arena *a, const struct kube_config *c, const char *name)
{
	struct doc *root = doc_map(a), *cluster, *user, *context;

	doc_set_string(a, root, "apiVersion", "v1");
	doc_set_string(a, root, "kind", "Config");
	cluster = named_entry(a, root, "clusters", "cluster", name);
	if (c->unix_socket)
		doc_setf(a, cluster, "server", "unix://%s", c->unix_socket);
	else
		doc_set_string(a, cluster, "server", c->server);
	set_base64(a, cluster, "certificate-authority-data", c->ca_pem);
	doc_set_string(a, cluster, "tls-server-name", c->tls_server_name);
	if (c->insecure)
		doc_set_bool(a, cluster, "insecure-skip-tls-verify", true);
	user = named_entry(a, root, "users", "user", name);
	set_base64(a, user, "client-certificate-data", c->cert_pem);
	set_base64(a, user, "client-key-data", c->key_pem);
	doc_set_string(a, user, "token", c->token);
	doc_set_string(a, user, "tokenFile", c->token_file);
	doc_set_string(a, user, "username", c->username);
	doc_set_string(a, user, "password", c->password);
	context = named_entry(a, root, "contexts", "context", name);
	doc_set_string(a, context, "cluster", name);
	doc_set_string(a, context, "user", name);
	if (c->namespace_ && !str_eq(c->namespace_, "default"))
		doc_set_string(a, context, "namespace", c->namespace_);
	doc_set_string(a, root, "current-context", name);
	return root;
}
