/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apiserver.h - a Kubernetes API server inside a program: on an event loop, for the lab and tests.
 *
 * It serves what README.md lists, as kube-apiserver does, and refuses the rest with 501 and a
 * sentence. It speaks HTTPS with certificates of its own authority, keeps every object on disk
 * (apiserver_options.dir) and comes back from kill -9 with the same versions.
 *
 *   apiserver_new(loop, &options, &server, err);
 *   apiserver_listen(server, "127.0.0.1", 0, &port, err);
 *   apiserver_write_kubeconfig(server, "admin", groups, url, "/run/x/admin.conf", err);
 *   loop_run(loop, err);
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/log.h"
#include "lib/doc/doc.h"
#include "lib/loop/loop.h"

struct apiserver;

struct apiserver_options {
	const char *dir;          /* state: store, authority, tokens; NULL keeps all in memory */
	const char *service_cidr; /* ClusterIPs; NULL: 10.96.0.0/16 */
	const char *pod_log_dir;  /* <pod_log_dir>/<uid>/<container>.log; NULL: logs answer 501 */
	const char *const
		*names;         /* further DNS names of the certificate; NULL-terminated or NULL */
	const char *const *ips; /* further addresses of it; 127.0.0.1 is always there */
	bool no_garbage_collection; /* leave owners and namespaces to a controller manager */
	bool no_watch_list;         /* refuse sendInitialEvents, as a server without the feature */
	bool allow_faults;          /* serve /sidestep/faults; off by default */
	unsigned bookmark_s;        /* between bookmarks of a watch; 0: 30 */
	size_t log_bytes, history, max_objects; /* as store_options */
	const struct log *log;                  /* may be NULL */
};

/* Everything in options is copied. */
int apiserver_new(struct loop *loop, const struct apiserver_options *options,
		  struct apiserver **ret_server, struct error *err);
/* Ends watches and connections. NULL is fine. */
void apiserver_free(struct apiserver *server);

/* Port 0 takes a free one; *ret_port (may be NULL) is the port. */
int apiserver_listen(struct apiserver *server, const char *address, uint16_t port,
		     uint16_t *ret_port, struct error *err);
/* The same inside the network namespace that the file netns names (/run/netns/x, /proc/1/ns/net).
 */
int apiserver_listen_in(struct apiserver *server, const char *netns, const char *address,
			uint16_t port, uint16_t *ret_port, struct error *err);

/* The certificate of the authority, PEM; borrowed. */
const char *apiserver_ca(const struct apiserver *server);
/*
 * A kubeconfig for user with a client certificate of its own. groups is NULL-terminated or NULL;
 * every user may do everything, names are for locks, approvals and the log.
 */
int apiserver_write_kubeconfig(struct apiserver *server, const char *user, const char *group,
			       const char *url, const char *path, struct error *err);

/*
 * Scripted faults, the same document that PUT /sidestep/faults takes: see README.md. Replaces what
 * was there; NULL or an empty list ends all faults. Works without allow_faults.
 */
int apiserver_set_faults(struct apiserver *server, const struct doc *faults, struct error *err);

/* Version of the newest change, and how many objects there are, for tests and status. */
uint64_t apiserver_version(const struct apiserver *server);
size_t apiserver_count(const struct apiserver *server, const char *group, const char *plural);
