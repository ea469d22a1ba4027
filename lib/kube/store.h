/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/kube/store.h - the informer's copy: its objects by key, and who is told of their changes.
 *
 * Lists and watches fill it. Every list is a round; what a complete list did not mention is of an
 * older round and gone.
 */
#pragma once

#include "lib/base/map.h"
#include "lib/kube/informer.h"

struct kube_store {
	struct map objects; /* struct kube_object by key */
	uint64_t round;     /* of the list at hand */
	const struct kube_informer_options *options;
	struct kube_informer_handlers handlers;
	void *arg;
};
/* Tells nobody. */
void kube_store_release(struct kube_store *store);

/*
 * An object of the round at hand, not in the store yet, from doc (in arena), which is changed.
 * Takes over the arena. NULL when it has no name.
 */
struct kube_object *kube_store_object(struct kube_store *store, struct arena *arena,
				      struct doc *doc);
/* Takes over o. The same version again is no news; another uid is the old one's end first. */
void kube_store_put(struct kube_store *store, struct kube_object *o);
/* last: its last state, when known better than by the store. */
void kube_store_delete(struct kube_store *store, const char *key, const struct kube_object *last);
/* After a complete list: everything it did not mention is gone. */
void kube_store_drop_older(struct kube_store *store);
