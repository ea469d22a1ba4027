/* SPDX-License-Identifier: Apache-2.0 */
/* deploy/lab/apply.h - manifests into the cluster, as an ordinary client. */
#pragma once

#include "lib/kube/client.h"

/*
 * Puts every object of a file, or of the .yaml files of a folder by name. Kinds the client does not
 * know are errors with their place. *ret_n (may be NULL) counts objects.
 */
int lab_apply_path(struct kube_client *client, const char *path, size_t *ret_n, struct error *err);
