/* SPDX-License-Identifier: Apache-2.0 */
/* Follow the API, wait a moment for more, build the mesh, render every sidecar, write the files. */
#include "deploy/lab/istiod/istiod.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "deploy/lab/istiod/authority.h"
#include "deploy/lab/istiod/publish.h"
#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/kube/informer.h"

/* Changes come in bursts; a burst longer than the second is rendered in the middle. */
#define QUIET_NS  (25 * NS_PER_MS)
#define LATEST_NS (100 * NS_PER_MS)

static const enum object_kind_id kinds[] = {
	KIND_NAMESPACE,
	KIND_NODE,
	KIND_POD,
	KIND_SERVICE,
	KIND_ENDPOINT_SLICE,
	KIND_CONFIG_MAP,
	KIND_DEPLOYMENT,
	KIND_PEER_AUTHENTICATION,
	KIND_AUTHORIZATION_POLICY,
	KIND_DESTINATION_RULE,
	KIND_VIRTUAL_SERVICE,
	KIND_SERVICE_ENTRY,
	KIND_SIDECAR,
};

struct istiod {
	struct kube_client *client;
	struct loop *loop;
	const struct log *log;
	char *sidecars;
	int proxy_uid;
	char *access_logs;
	struct tls_pair ca;
	struct kube_informer *informers[ARRAY_SIZE(kinds)];
	struct map publications; /* pod uid -> struct publication */
	struct loop_timer *quiet;
	uint64_t first_change_ns; /* of the burst; 0 none */
	bool ready;
};

static void changed(struct istiod *d)
{
	uint64_t now = loop_now_ns(d->loop), wait = QUIET_NS;

	if (!d->ready)
		return;
	if (!d->first_change_ns)
		d->first_change_ns = now;
	if (now + wait > d->first_change_ns + LATEST_NS)
		wait = now < d->first_change_ns + LATEST_NS ? d->first_change_ns + LATEST_NS - now
							    : 0;
	loop_timer_set(d->quiet, wait);
}

static void on_change(void *arg, UNUSED enum kube_change change,
		      UNUSED const struct kube_object *old, UNUSED const struct kube_object *now)
{
	changed(arg);
}

static void on_synced(void *arg)
{
	struct istiod *d = arg;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!kube_informer_synced(d->informers[i]))
			return;
	d->ready = true;
	changed(d);
}

static int collect(struct istiod *d, struct snapshot *s, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		kube_informer_foreach (d->informers[i], o) {
			/* Read only: the snapshot keeps a pointer and changes nothing. */
			int r = snapshot_add(s, o->doc, err);

			if (r)
				return r;
		}
	return 0;
}

/* Certificates. */

static int write_root(const struct istiod *d, const char *certs, struct error *err)
{
	auto_free char *path = xasprintf("%s/root.pem", certs);

	if (io_exists(path))
		return 0;
	return io_replace_file(path, d->ca.cert_pem, strlen(d->ca.cert_pem), 0644, err);
}

static int certify(const struct istiod *d, const struct istio_mesh *m,
		   const struct istio_workload *w, const char *certs, struct error *err)
{
	const char *domain = m->config.trust_domain ? m->config.trust_domain : "cluster.local";
	auto_free char *id =
		xasprintf("spiffe://%s/ns/%s/sa/%s", domain, w->namespace, w->service_account);
	const char *uri[] = {id, NULL};
	struct tls_request request = {.uri = uri,
				      .client = true,
				      .server = true,
				      .not_before_wall_ns = clock_wall_ns(loop_clock(d->loop))};
	int r = authority_issue(&d->ca, certs, &request, d->proxy_uid, NULL, err);

	return r ? r : write_root(d, certs, err);
}

/* One sidecar. */

/* The file a sidecar writes what it did into; it is not root and could not make it. */
static int access_log(const struct istiod *d, struct arena *a, const struct istio_workload *w,
		      const char **ret_path, struct error *err)
{
	auto_close int fd = -1;

	*ret_path = "";
	if (!d->access_logs)
		return 0;
	*ret_path =
		arena_printf(a, "%s/%s_%s.proxy", d->access_logs, w->namespace, w->pod->meta.name);
	fd = open(*ret_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0 ||
	    (d->proxy_uid >= 0 && fchown(fd, (uid_t)d->proxy_uid, (gid_t)d->proxy_uid) < 0))
		return error_errno(err, -errno, "make %s", *ret_path);
	return 0;
}

static struct publication *publication_of(struct istiod *d, const char *uid)
{
	struct publication *p = map_get(&d->publications, uid);

	if (!p) {
		auto_free char *dir = xasprintf("%s/%s", d->sidecars, uid);

		p = publication_new(dir);
		map_set(&d->publications, uid, p);
	}
	return p;
}

static int serve(struct istiod *d, struct arena *a, const struct istio_mesh *m,
		 const struct istio_workload *w, struct error *err)
{
	struct publication *p = publication_of(d, w->pod->meta.uid);
	const char *certs = arena_printf(a, "%s/certs", p->dir);
	struct istio_sidecar_options o = {
		.dir = p->dir,
		.cert_file = arena_printf(a, "%s/cert.pem", certs),
		.key_file = arena_printf(a, "%s/key.pem", certs),
		.root_file = arena_printf(a, "%s/root.pem", certs),
		.version = "",
	};
	struct istio_sidecar_files files = {0};
	int r = p->bootstrapped ? 0 : certify(d, m, w, certs, err);

	if (r == 0)
		r = access_log(d, a, w, &o.access_log, err);
	if (r == 0)
		r = istio_sidecar_render(a, m, w, &o, &files, err);
	if (r == 0)
		r = publication_write(p, &files, err);
	return r;
}

/* Folders of pods that are gone. */

static bool pod_exists(const struct istiod *d, const char *uid)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i] == KIND_POD)
			kube_informer_foreach (d->informers[i], o)
				if (str_eq(o->uid, uid))
					return true;
	return false;
}

static void drop_gone(struct istiod *d)
{
	DIR *dir = opendir(d->sidecars);
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		auto_free char *path = xasprintf("%s/%s", d->sidecars, e->d_name);

		/* A pod's uid; "envoy" and half-written names are none. */
		if (strlen(e->d_name) < 20 || e->d_name[0] == '.' || pod_exists(d, e->d_name))
			continue;
		publication_free(map_del(&d->publications, e->d_name));
		io_remove_tree(path, NULL);
	}
	if (dir)
		closedir(dir);
}

/* The mesh's root, in every namespace: what injection makes pods mount, and wait for. */

#define ROOT_MAP "istio-ca-root-cert"

static struct kube_informer *informer_of(const struct istiod *d, enum object_kind_id id)
{
	size_t i = 0;

	while (kinds[i] != id)
		i++;
	return d->informers[i];
}

static void on_root(void *arg, struct kube_result *result)
{
	struct istiod *d = arg;
	struct error err = ERROR_INIT;

	if (result->code && result->code != -EEXIST && result->code != -ENOENT && d->log) {
		kube_result_error(result, &err);
		log_warn(d->log, ROOT_MAP ": %s, continuing", err.msg);
	}
	if (result->code && result->code != -EEXIST && result->code != -ENOENT)
		loop_timer_set(d->quiet, NS_PER_S);
}

static void spread_root(struct istiod *d, struct arena *a)
{
	const struct kube_informer *maps = informer_of(d, KIND_CONFIG_MAP);

	kube_informer_foreach (informer_of(d, KIND_NAMESPACE), o) {
		struct doc *body = doc_map(a), *meta;
		struct kube_request request = {.verb = KUBE_CREATE,
					       .kind = object_kind(KIND_CONFIG_MAP),
					       .namespace_ = kube_name(o->doc),
					       .body = body};

		if (kube_deleting(o->doc) || kube_informer_get(maps, kube_name(o->doc), ROOT_MAP))
			continue;
		doc_set_string(a, body, "apiVersion", "v1");
		doc_set_string(a, body, "kind", "ConfigMap");
		meta = doc_set_map(a, body, "metadata");
		doc_set_string(a, meta, "name", ROOT_MAP);
		doc_set_string(a, doc_set_map(a, meta, "labels"), "istio.io/config", "true");
		doc_set_string(a, doc_set_map(a, body, "data"), "root-cert.pem", d->ca.cert_pem);
		kube_start(d->client, &request, on_root, d);
	}
}

static void render_all(void *arg)
{
	struct istiod *d = arg;
	struct arena a = ARENA_INIT;
	struct snapshot s;
	struct istio_mesh m;
	struct error err = ERROR_INIT;
	size_t served = 0, files = 0;
	uint64_t began = loop_now_ns(d->loop);

	d->first_change_ns = 0;
	snapshot_init(&s, &a);
	if (collect(d, &s, &err) && d->log)
		log_error(d->log, "%s", err.msg);
	spread_root(d, &a);
	istio_mesh_load(&m, &a, &s);
	for (size_t i = 0; i < m.n_pods; i++) {
		const struct istio_workload *w = &m.pods[i];
		int r;

		if (w->form == SIDECAR_NONE || !w->pod || str_empty(w->pod->pod_ip))
			continue;
		r = serve(d, &a, &m, w, &err);
		if (r < 0 && d->log)
			log_warn(d->log, "sidecar of %s/%s: %s, continuing", w->namespace, w->name,
				 err.msg);
		served++;
		files += r > 0 ? (size_t)r : 0;
	}
	drop_gone(d);
	if (d->log && files)
		log_info(d->log, "pushed sidecars=%zu files=%zu ms=%llu", served, files,
			 (unsigned long long)((loop_now_ns(d->loop) - began) / NS_PER_MS));
	snapshot_release(&s);
	arena_release(&a);
}

/* The public face. */

static void link_envoy(const struct istiod *d, const char *envoy)
{
	auto_free char *path = xasprintf("%s/envoy", d->sidecars);

	unlink(path);
	if (symlink(envoy, path) < 0 && d->log)
		log_warn(d->log, "cannot link %s: %s", path, strerror(errno));
}

static void watch_all(struct istiod *d)
{
	static const struct kube_informer_handlers handlers = {on_change, on_synced};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct kube_informer_options o = {.kind = object_kind(kinds[i]),
						  .log = d->log,
						  .optional = true,
						  .max_backoff_ns = NS_PER_S};

		d->informers[i] = kube_informer_new(d->client, &o, &handlers, d);
	}
}

int istiod_new(struct kube_client *client, const struct istiod_options *options,
	       struct istiod **ret_istiod, struct error *err)
{
	struct istiod *d = xcalloc(1, sizeof(*d));
	int r;

	d->client = client;
	d->loop = kube_client_loop(client);
	d->log = options->log;
	d->sidecars = xstrdup(options->sidecars);
	d->proxy_uid = options->proxy_uid;
	if (options->access_logs)
		d->access_logs = xstrdup(options->access_logs);
	d->quiet = loop_timer_new(d->loop, render_all, d);
	r = io_mkdirs(d->sidecars, 0755, err);
	if (r == 0 && d->access_logs)
		r = io_mkdirs(d->access_logs, 0755, err);
	if (r == 0)
		r = authority_load(options->authority, "istiod", clock_wall_ns(loop_clock(d->loop)),
				   &d->ca, err);
	if (r) {
		istiod_free(d);
		return r;
	}
	if (options->envoy)
		link_envoy(d, options->envoy);
	watch_all(d);
	*ret_istiod = d;
	return 0;
}

void istiod_free(struct istiod *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		kube_informer_free(d->informers[i]);
	map_foreach (&d->publications, e)
		publication_free(map_value(e));
	map_release(&d->publications);
	loop_timer_free(d->quiet);
	tls_pair_release(&d->ca);
	free(d->sidecars);
	free(d->access_logs);
	free(d);
}
