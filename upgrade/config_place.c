/* SPDX-License-Identifier: Apache-2.0 */
/* A cluster's uid, this machine's folder for it, and the key of its digests. */
#include "upgrade/config_place.h"

#include <string.h>
#include <sys/random.h>

#include "lib/base/base64.h"
#include "lib/base/io.h"
#include "lib/base/limits.h"
#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/object/sidestep.h"
#include "lib/run/session.h"
#include "upgrade/config_history.h"

#define NAME_MAX_BYTES 40

int config_name_check(const char *name, struct error *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	const size_t n = strlen(name);

	if (n && n <= NAME_MAX_BYTES && strspn(name, letters) == n && name[0] != '-' &&
	    name[n - 1] != '-')
		return 0;
	return error_set(err, -EINVAL,
			 "'%s' is no name of a configuration: 1 to %d of a-z, 0-9 and '-', not '-' "
			 "at an end",
			 name, NAME_MAX_BYTES);
}

static int cluster_uid(struct config_place *p, struct error *err)
{
	struct doc *ns = NULL;
	int r = cluster_get(p->cluster, p->arena, object_kind(KIND_NAMESPACE), NULL, CONFIG_HOME,
			    &ns, err);

	if (r)
		return r;
	if (!ns || str_empty(kube_uid(ns)))
		return error_set(err, -ENOENT,
				 "this cluster has no namespace " CONFIG_HOME
				 ", by whose uid a cluster is known");
	p->uid = kube_uid(ns);
	if (strchr(p->uid, '/') || p->uid[0] == '.')
		return error_set(err, -EINVAL, "'%s' is no uid of a namespace", p->uid);
	return 0;
}

/* --- the key --- */

static const char *key_path(const struct config_place *p)
{
	return arena_printf(p->arena, "%s/digest-key", p->dir);
}

static int make_key(const struct config_place *p, struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	unsigned char bytes[SECRET_KEY_BYTES];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return error_errno(err, -errno, "getrandom");
	for (size_t i = 0; i < sizeof(bytes); i++)
		strbuf_addf(&text, "%02x", bytes[i]);
	strbuf_addc(&text, '\n');
	return io_write_file_atomic(key_path(p), text.buf, text.len, 0600, err);
}

/* The cluster's key as text; "" when it has none, or keeps it from us. */
static int shared_key(struct config_place *p, struct strbuf *text, struct error *err)
{
	struct error why = ERROR_INIT;
	struct doc *secret = NULL;
	const char *data;
	int r = cluster_get(p->cluster, p->arena, object_kind(KIND_SECRET), CONFIG_HOME,
			    CONFIG_KEY_SECRET, &secret, &why);

	if (r == -EACCES)
		return 0;
	if (r)
		return error_set(err, r, "%s", why.msg);
	data = doc_find_str(secret, "data.key");
	if (secret &&
	    (!data || base64_decode(data, strlen(data), text) < 0 || text->len < SECRET_KEY_BYTES))
		return error_set(err, -EBADMSG,
				 "Secret " CONFIG_HOME "/" CONFIG_KEY_SECRET
				 " holds no key of digests");
	return 0;
}

/* The cluster's key wins over this machine's: the history was made with it. */
static int take_key(struct config_place *p, const char *named, struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT, own = STRBUF_INIT;
	int r = 0;

	if (named)
		return secret_key_read(named, &p->key, err);
	if (!p->cluster)
		return 0;
	r = shared_key(p, &text, err);
	if (!r && io_exists(key_path(p)))
		r = io_read_file(key_path(p), LIMIT_SYSTEM_FILE_BYTES, &own, err);
	if (r)
		return r;
	if (text.len && !str_eq(strbuf_cstr(&text), strbuf_cstr(&own)))
		r = io_write_file_atomic(key_path(p), text.buf, text.len, 0600, err);
	else if (!text.len && !own.len)
		r = make_key(p, err);
	return r ? r : secret_key_read(key_path(p), &p->key, err);
}

int config_place_share_key(struct config_place *p, struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT, coded = STRBUF_INIT;
	struct doc *secret =
		kube_object_new(p->arena, object_kind(KIND_SECRET), CONFIG_HOME, CONFIG_KEY_SECRET);
	struct kube_request request = {.verb = KUBE_CREATE,
				       .kind = object_kind(KIND_SECRET),
				       .namespace_ = CONFIG_HOME,
				       .body = secret};
	struct error why = ERROR_INIT;
	int r = 0;

	if (!io_exists(key_path(p)))
		return 0; /* named with --digest-key: whoever gave it keeps it */
	r = io_read_file(key_path(p), LIMIT_SYSTEM_FILE_BYTES, &text, err);
	if (r)
		return r;
	base64_encode(text.buf, text.len, &coded);
	doc_set_string(p->arena, doc_set_map(p->arena, doc_get(secret, "metadata"), "labels"),
		       SIDESTEP_MANAGED_BY_LABEL, SIDESTEP_MANAGED_BY);
	doc_set_string(p->arena, doc_set_map(p->arena, secret, "data"), "key", strbuf_cstr(&coded));
	r = cluster_do(p->cluster, &request, p->arena, NULL, &why);
	if (r == -EEXIST) {
		/* Ours, or that of somebody who was quicker: then what we compared was keyed
		 * otherwise. */
		strbuf_clear(&coded);
		r = shared_key(p, &coded, err);
		if (!r && coded.len && !str_eq(strbuf_cstr(&coded), strbuf_cstr(&text)))
			return error_set(err, -ESTALE,
					 "somebody has made the first revision meanwhile: begin "
					 "again");
		return r;
	}
	return r ? error_set(err, r, "%s", why.msg) : 0;
}

/* --- opening --- */

int config_place_open(struct config_place *p, struct arena *a, struct cluster *c,
		      const struct config_place_options *o, struct error *err)
{
	const char *repository = o->repository;
	int r;

	*p = (struct config_place){.arena = a,
				   .cluster = repository ? NULL : c,
				   .uid = "",
				   .name = o->name ? o->name : CONFIG_NAME_DEFAULT};
	r = config_name_check(p->name, err);
	if (!r && p->cluster)
		r = cluster_uid(p, err);
	if (!r && p->cluster) {
		p->dir = arena_printf(a, "%s/config/%s", o->state ? o->state : session_state_dir(a),
				      p->uid);
		repository = arena_printf(a, "%s/%s/history", p->dir, p->name);
		r = io_mkdirs(arena_printf(a, "%s/%s", p->dir, p->name), 0700, err);
	}
	if (!r)
		r = take_key(p, o->digest_key, err);
	p->has_key = !r && (p->cluster || o->digest_key);
	if (!r)
		r = store_open_at(repository, p->cluster != NULL, &p->store, err);
	if (!r && p->cluster && !o->no_pull)
		r = config_history_pull(p, err);
	if (r)
		config_place_release(p);
	return r;
}

void config_place_release(struct config_place *p)
{
	store_close(p->store);
	p->store = NULL;
}

int config_where_open(struct config_where *w, const struct config_where_options *o,
		      struct error *err)
{
	const bool asks = !o->place.repository;
	int r = 0;

	*w = (struct config_where){0};
	if (asks)
		r = cluster_open(&w->cluster, &w->arena, o->kubeconfig, o->context, CONFIG_MANAGER,
				 err);
	if (!r)
		r = config_place_open(&w->place, &w->arena, asks ? &w->cluster : NULL, &o->place,
				      err);
	if (r)
		config_where_release(w);
	return r;
}

void config_where_release(struct config_where *w)
{
	config_place_release(&w->place);
	if (w->cluster.client)
		cluster_release(&w->cluster);
	arena_release(&w->arena);
}
