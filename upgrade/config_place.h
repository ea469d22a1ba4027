/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upgrade/config_place.h - where one configuration of one cluster is kept.
 *
 * A cluster has as many configurations as its owners want, each with a name, a history and a lock
 * of its own. A cluster is known by the uid of its namespace kube-system, not by a kubeconfig's
 * word. In the state folder of this machine: config/UID/digest-key and config/UID/NAME/history (a
 * bare git repository). In the cluster, in kube-system: the key of the digests (a Secret, because
 * whoever has it may try guesses against digests), and the revisions (config_history.h).
 */
#pragma once

#include "lib/diff/secret.h"
#include "lib/run/cluster.h"
#include "lib/store/store.h"

#define CONFIG_HOME         "kube-system"
#define CONFIG_NAME_DEFAULT "main"
/* Who owns the fields that we write. */
#define CONFIG_MANAGER    "sidestep-config"
#define CONFIG_KEY_SECRET "sidestep-config-key"
/* Labels of what we keep in the cluster: the configuration's name, and a revision's number. */
#define CONFIG_LABEL          "sidestep.dev/config"
#define CONFIG_REVISION_LABEL "sidestep.dev/config-revision"

struct config_place_options {
	const char *name;       /* NULL: CONFIG_NAME_DEFAULT */
	const char *state;      /* NULL: session_state_dir() */
	const char *digest_key; /* a file; NULL: the cluster's key, else this machine's */
	const char *repository; /* this one, and no cluster is asked */
	bool no_pull;           /* leave the history as this machine has it */
};

struct config_place {
	struct arena *arena;
	struct cluster *cluster; /* NULL: none is asked */
	const char *uid;         /* of the cluster; "" without one */
	const char *name;
	const char *dir; /* config/UID in the state folder; NULL without a cluster */
	struct store *store;
	struct secret_key key;
	bool has_key; /* false only without a cluster and without digest_key */
};
/*
 * Opens the history (made when there is none), and reads what the cluster knows of it into it. The
 * place lives as long as a and c (NULL with options->repository).
 */
int config_place_open(struct config_place *p, struct arena *a, struct cluster *c,
		      const struct config_place_options *o, struct error *err);
void config_place_release(struct config_place *p);
/* Puts the key of this machine into the cluster, where there is none yet: before a first write. */
int config_place_share_key(struct config_place *p, struct error *err);

/* What the options of a verb say about both: the cluster, and the place in it. */
struct config_where_options {
	const char *kubeconfig, *context;
	struct config_place_options place;
};
struct config_where {
	struct arena arena;
	struct cluster cluster;
	struct config_place place;
};
/* Release it only after success. */
int config_where_open(struct config_where *w, const struct config_where_options *o,
		      struct error *err);
void config_where_release(struct config_where *w);

/* -EINVAL: not 1 to 40 of a-z, 0-9 and '-' with a letter or digit at both ends. */
int config_name_check(const char *name, struct error *err);
