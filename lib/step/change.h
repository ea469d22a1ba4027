/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/step/change.h - one change to one object, its inverse, and how it knows whether it happened.
 *
 * A change is never judged by what we remember but by what the object looks like: a crash between
 * "I am about to" and "I have" leaves a journal that cannot tell, the object can. So a change keeps
 * what it touches before (`backward`) and after (`forward`), and compares only that:
 *
 *   PATCH   RFC 7386 merge patches both; null in them means "not there".
 *   CREATE  forward is the whole object, before is "absent".
 *   DELETE  backward is the whole object, after is "absent".
 *
 * Whatever is neither before nor after was touched by somebody else: a conflict, never overwritten.
 * Pure.
 */
#pragma once

#include <stdbool.h>

#include "lib/doc/doc.h"

enum change_kind { CHANGE_PATCH, CHANGE_CREATE, CHANGE_DELETE };

struct change {
	const char *op; /* stable within its step: "label", "restart" */
	enum change_kind kind;
	const struct doc *ref; /* what object: the host's own words, e.g. apiVersion, kind, name */
	const struct doc *forward; /* PATCH: merge patch; CREATE: the object; DELETE: NULL */
	/*
	 * Filled by change_prepare() from the live object, unless a table knows how the object must
	 * look before: then anything else is a conflict.
	 */
	const struct doc *backward;
	/*
	 * The host's digest of the object that a CREATE has made (NULL until it has), or that a
	 * DELETE is to remove: so an edit by somebody else, in any field, is seen.
	 */
	const char *digest;
	/*
	 * PATCH: what the server made of forward, where that is something else (defaults in the
	 * items of a list, a quantity as it writes it): forward's leaves with its values. NULL: the
	 * same, or nobody has noted it.
	 */
	const struct doc *answer;
	/* The inverse is not to be made: what stays behind is wanted (a restart stamp, evidence).
	 */
	bool keep;
	/* A DELETE of what its controller makes anew: the journal does not keep the object. */
	bool renewed;
};

enum change_state { CHANGE_BEFORE, CHANGE_AFTER, CHANGE_FOREIGN };

/* "patch", "create", "delete"; -EINVAL for another name. */
const char *change_kind_name(enum change_kind kind);
int change_kind_parse(const char *name, enum change_kind *ret_kind);

/* The merge patch that takes `patch` back from live: live's values at its leaves, null where
 * absent. */
struct doc *change_inverse_patch(struct arena *a, const struct doc *live, const struct doc *patch);

/*
 * Fixes the inverse of c against the object as it is (NULL: absent). 0, 1 when the object is
 * already as c wants it (nothing to do), -ENOENT for a patch of an absent object, -EEXIST for the
 * creation of one that is there and different.
 */
int change_prepare(struct arena *a, struct change *c, const struct doc *live, struct error *err);

/*
 * Where the object stands. live_digest is the host's digest of live ("" when absent); with it a
 * created object counts as AFTER for an undo only while nobody else has changed it.
 */
enum change_state change_state(const struct change *c, const struct doc *live,
			       const char *live_digest);

/*
 * For a change that was announced and not noted as done: live is neither as before nor as sent, but
 * it is what a server may have made of what was sent, by defaults in the items of lists and by
 * writing quantities its own way. What an item does not name is nobody's business here, as it is
 * for maps; whoever was killed in between cannot know more.
 */
bool change_landed(const struct change *c, const struct doc *live);
/* What is to be noted of a change that is made, as change.answer; NULL: nothing. */
struct doc *change_answer(struct arena *a, const struct change *c, const struct doc *now);

/* The object that a ref names, as people do: "ConfigMap/shop/rates"; a ref that has no kind and
 * name as it is, as JSON. */
const char *change_object(struct arena *a, const struct doc *ref);

/* The first leaf at which live is neither before nor after, "path: value", for a conflict's
 * message. */
const char *change_conflict(struct arena *a, const struct change *c, const struct doc *live);

/* Whether every leaf of patch has that value in live. */
bool change_patch_holds(const struct doc *live, const struct doc *patch);
