/* SPDX-License-Identifier: Apache-2.0 */
/* remove.h - deletion: grace, finalizers, preconditions, owners and their dependents. */
#pragma once

#include "deploy/lab/apiserver/request.h"

enum propagation {
	PROPAGATE_DEFAULT,
	PROPAGATE_BACKGROUND,
	PROPAGATE_FOREGROUND,
	PROPAGATE_ORPHAN
};

struct remove_options {
	int64_t grace_s;           /* -1: the object's own */
	const char *uid, *version; /* preconditions; NULL: none */
	enum propagation propagation;
	bool dry_run;
};

/*
 * Deletes rev, or marks it as being deleted when it has to wait for someone. *ret_left is what is
 * left of it (borrowed from the arena or the store), NULL when it is gone.
 */
int remove_object(struct apiserver *s, const struct resource *res, struct revision *rev,
		  const struct remove_options *o, struct arena *a, const struct doc **ret_left,
		  struct refusal *f);

/* DELETE of one object and of a collection. */
void remove_one(struct request *r);
void remove_collection(struct request *r);

/* FINALIZER names that the garbage collector works off. */
#define FINALIZER_FOREGROUND "foregroundDeletion"
#define FINALIZER_ORPHAN     "orphan"
