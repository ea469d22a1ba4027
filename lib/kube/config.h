/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/kube/config.h - where the API server is and how to be trusted by it.
 *
 * From a kubeconfig (files merged as kubectl merges the KUBECONFIG list: the first that names a
 * cluster, user, context or current-context wins) or from the service account of the pod we run in.
 * Understood: server, certificate-authority(-data), tls-server-name, insecure-skip-tls-verify,
 * client-certificate(-data), client-key(-data), token, tokenFile, username and password, namespace,
 * and `unix:///path/of/socket` as a server. Refused with a sentence: exec and auth-provider
 * plugins, proxy-url.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/error.h"
#include "lib/doc/doc.h"

/* Strings in the arena given to the loader; NULL where absent. PEM contents, not file names. */
struct kube_config {
	const char *server;      /* "https://10.0.0.1:6443", without a trailing slash */
	const char *unix_socket; /* for unix:// servers; server is then "http://localhost" */
	const char *ca_pem;
	const char *cert_pem;
	const char *key_pem;
	const char *tls_server_name;
	const char *token;
	const char *token_file; /* read again when the server answers 401, and every minute */
	const char *username, *password;
	const char *namespace_; /* the context's default; "default" when it has none */
	const char *context;    /* its name; NULL in a cluster */
	bool insecure;
};

struct kube_config_options {
	const char *kubeconfig; /* --kubeconfig; NULL: $KUBECONFIG, ~/.kube/config, in-cluster */
	const char *context;    /* --context; NULL: current-context */
};

/* What a command's --kubeconfig and --context mean. Errors say which file and what to do. */
int kube_config_load(struct arena *a, const struct kube_config_options *options,
		     struct kube_config *ret_config, struct error *err);
/* One parsed kubeconfig; dir ("" for none) is what relative file names in it are relative to. */
int kube_config_from_doc(struct arena *a, const struct doc *doc, const char *dir,
			 const char *context, struct kube_config *ret_config, struct error *err);
/* KUBERNETES_SERVICE_HOST and /var/run/secrets/kubernetes.io/serviceaccount. -ENOENT outside one.
 */
int kube_config_in_cluster(struct arena *a, struct kube_config *ret_config, struct error *err);
/* The inverse of from_doc: a kubeconfig with everything inline and one context of that name. */
struct doc *kube_config_to_doc(struct arena *a, const struct kube_config *config, const char *name);
