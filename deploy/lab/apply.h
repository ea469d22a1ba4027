/* SPDX-License-Identifier: Apache-2.0 */
/* deploy/lab/apply.h - manifests into the cluster, as an ordinary client. */
#pragma once

#include "lib/kube/client.h"

/*
 * Puts every object of a file, or of the .yaml files of a folder by name. Kinds the client does not
 * know are errors with their place. *ret_n (may be NULL) counts objects.
 */
int lab_apply_path(struct kube_client *client, const char *path, size_t *ret_n, struct error *err);
/*
 * The same, with every object shown to edit() first, which may change it in the arena a; what it
 * says false to is left out.
 */
int lab_apply_edited(struct kube_client *client, const char *path,
		     bool (*edit)(void *arg, struct arena *a, struct doc *object), void *arg,
		     size_t *ret_n, struct error *err);
