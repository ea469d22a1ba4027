/* SPDX-License-Identifier: Apache-2.0 */
/* server.h - the server's parts, for its own files; programs include apiserver.h. */
#pragma once

#include "deploy/lab/apiserver/apiserver.h"
#include "deploy/lab/apiserver/request.h"
#include "deploy/lab/apiserver/resource.h"
#include "deploy/lab/apiserver/store.h"
#include "lib/base/vec.h"
#include "lib/http/client.h"
#include "lib/http/server.h"
#include "lib/http/tls.h"

struct watcher;
struct delayed;
struct sweeper;
struct faults;

struct token {
	char *secret, *user, *group;
};

struct apiserver {
	struct loop *loop;
	const struct clock *clock;
	const struct log *log; /* may be NULL */
	struct store *store;
	struct registry *registry;
	struct http_server *http;
	struct http_client *client; /* for webhooks */
	VEC(struct watcher *) watchers;
	VEC(struct delayed *) delayed; /* requests that a scripted fault holds up */
	unsigned dispatching;          /* store events being handed to watchers right now */
	struct sweeper *sweeper;
	struct faults *faults;

	struct tls_pair ca, cert;
	VEC(struct token) tokens;
	uint32_t service_net, service_mask; /* host order */

	char *dir, *pod_log_dir;
	bool no_garbage_collection, no_watch_list, allow_faults;
	unsigned bookmark_s;
};

int64_t server_now_s(const struct apiserver *s);

/* discovery.c: what is served, versions, health, OpenAPI. False when path is none of these. */
bool discovery_serve(struct request *r);
/* crd.c: takes a CRD's versions into the registry (again), or out. */
void crd_apply(struct apiserver *s, const struct doc *crd);
void crd_remove(struct apiserver *s, const char *name);
/* auth.c */
int auth_load(struct apiserver *s, const struct apiserver_options *o, struct error *err);
void auth_release(struct apiserver *s);
/* Who asks: sets user and groups, or refuses with 401. */
int auth_request(struct request *r);
