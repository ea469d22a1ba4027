/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/diff/owner.h - who last wrote a field, as metadata.managedFields tells it.
 */
#pragma once

#include "lib/diff/path.h"

struct field_owner {
	const char *manager;     /* "kube-controller-manager" */
	const char *operation;   /* "Apply" or "Update" */
	const char *subresource; /* "scale", "status"; NULL for the object itself */
	const char *time;        /* RFC 3339, or NULL */
};

/*
 * The owner of the field at path, or of anything below it; the latest when several share it. The
 * status subresource is left out. False when no entry names it.
 */
bool field_owner_find(const struct doc *object, const struct diff_path *path,
		      struct field_owner *ret_owner);
