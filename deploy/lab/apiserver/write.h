/* SPDX-License-Identifier: Apache-2.0 */
/*
 * write.h - create, update and patch: body -> defaults -> mutating webhooks -> checks -> validating
 * webhooks -> store. Each answers its request, at once or when the webhooks are done.
 */
#pragma once

#include "deploy/lab/apiserver/request.h"

void write_create(struct request *r);
void write_update(struct request *r);
void write_patch(struct request *r);

/*
 * The last part, also for objects the server changes itself: what the storage does before an object
 * goes in. old is NULL at creation.
 */
/* Whether spec (or, of custom resources, anything but metadata and status) differs. */
bool write_changes_generation(const struct resource *res, const struct doc *now,
			      const struct doc *was);
/* Whether there is any difference beside resourceVersion. */
bool write_is_change(const struct doc *now, const struct doc *was);
/*
 * Puts object in place of what is stored, or removes it when it is being deleted and its last
 * finalizer went. *ret is borrowed; NULL when it was removed. Fails as a refusal.
 */
int write_store(struct apiserver *s, const struct resource *res, struct arena *a,
		struct doc *object, struct revision **ret, struct refusal *f);
/* 404 or 403 when new objects may not go into this namespace. */
int write_check_namespace(struct apiserver *s, const struct resource *res, const char *ns,
			  const char *name, struct refusal *f);
/* What a store error means to the client. */
int write_refuse_store(struct refusal *f, const struct error *err);
