/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/diff/diff.h - what is wanted, what was applied last, what is there: compared field by field.
 *
 *   applied  live     desired
 *   1        1        2         change    we want something new
 *   1        2        1         drift     somebody changed it; an apply puts it back
 *   1        2        2         applied   it is already as wanted
 *   1        2        3         conflict  both changed it
 *   -        1        2         adopt     nobody recorded what was applied to this object
 *   1        2        1         theirs    drift of a field that is somebody else's (replicas under
 *                                         an autoscaler, a webhook's caBundle): left alone
 *
 * A field that neither desired nor applied names is not ours and never differs: what the server
 * defaulted, what a controller or an injector added. Status, managedFields and what else the server
 * writes into metadata do not take part; apiVersion is where an object is asked for, not what it
 * says. Objects are redacted by the caller (lib/diff/secret.h) before they come here.
 *
 * Everything is in the caller's arena, documents are shared with the inputs. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/diff/owner.h"
#include "lib/diff/path.h"
#include "lib/object/snapshot.h"

/* X(symbol, name, pending, what it means): pending = an apply would have something to do. */
#define DIFF_CLASSES(X)                                                                            \
	X(DIFF_CHANGE, "change", true, "wanted now, not there yet")                                \
	X(DIFF_DRIFT, "drift", true, "somebody changed it; an apply would put it back")            \
	X(DIFF_CONFLICT, "conflict", true, "changed by somebody, and wanted otherwise now")        \
	X(DIFF_ADOPT, "adopt", true, "differs, and nobody recorded what was applied")              \
	X(DIFF_APPLIED, "applied", false, "already as wanted")                                     \
	X(DIFF_THEIRS, "theirs", false, "kept by somebody else; left alone")
enum diff_class {
#define DIFF_CLASS_ENUM(symbol, name, pending, what) symbol,
	DIFF_CLASSES(DIFF_CLASS_ENUM)
#undef DIFF_CLASS_ENUM
		DIFF_CLASS_COUNT
};
const char *diff_class_name(enum diff_class c);
const char *diff_class_meaning(enum diff_class c);
bool diff_class_pending(enum diff_class c);

/* What an apply does to the live object there. */
enum diff_op {
	DIFF_ADD,
	DIFF_REPLACE,
	DIFF_REMOVE,
	DIFF_ORDER, /* desired is the list of items' keys in their new order */
	DIFF_KEEP,  /* nothing: applied and theirs */
};
/* "add", "replace", "remove", "order", "keep". */
const char *diff_op_name(enum diff_op op);

struct diff_change {
	enum diff_class class;
	enum diff_op op;
	const struct diff_path *path;               /* NULL: the whole object */
	const struct doc *applied, *live, *desired; /* NULL = absent */
	struct field_owner owner; /* of the live value; manager NULL when nobody is named */
};

struct diff_object {
	const char *api_version, *kind, *namespace, *name; /* namespace "" for cluster scope */
	const char *where;                          /* file:line:col of what is desired, "" */
	const struct doc *applied, *live, *desired; /* NULL = absent */
	bool autoscaled;                            /* an autoscaler keeps its replicas */
	struct diff_change *changes;
	size_t n, cap;
};
/* "Deployment/shop/till", "Namespace/shop"; in the arena. */
const char *diff_object_ref(struct arena *a, const struct diff_object *o);
/* It has a change that is pending. */
bool diff_object_pending(const struct diff_object *o);

struct diff {
	struct diff_object *objects; /* all that were compared, by kind, namespace, name */
	size_t n, cap;
};

struct diff_input {
	const struct snapshot *desired;
	const struct snapshot *applied; /* NULL: not recorded; see annotations */
	const struct snapshot *live;
	/* Where applied says nothing: what kubectl apply noted in the live object's annotation. */
	bool annotations;
	/* Field managers that are us, besides those known to carry out manifests; ends with NULL.
	 */
	const char *const *managers;
};

/*
 * Compares everything that desired or applied names; objects that only live has are not ours. With
 * the same set as applied and as live it compares two sets of manifests: nothing is theirs then. An
 * object that occurs twice in one set is -EEXIST, with both places.
 */
int diff_make(struct diff *ret_diff, struct arena *a, const struct diff_input *in,
	      struct error *err);
/* One object; any of the three may be NULL; the same as applied and live: see above. autoscaled: an
 * autoscaler keeps its replicas. */
void diff_object_make(struct diff_object *ret_object, struct arena *a, const struct doc *applied,
		      const struct doc *live, const struct doc *desired, bool autoscaled,
		      const char *const *managers);

/*
 * What live has and desired does not name, written by a client that people type into (kubectl edit
 * and its like), as managedFields tells: a comparison says nothing of it, for an apply would leave
 * it. The highest place of each; empty without managedFields.
 */
struct diff_extra {
	const struct diff_path *path;
	const struct doc *live;
	struct field_owner owner;
};
size_t diff_extras(struct arena *a, const struct diff_object *o, struct diff_extra **ret_extras);

size_t diff_count(const struct diff *d, enum diff_class c);
bool diff_pending(const struct diff *d);

/*
 * The live object with the pending changes made (all of them, whatever their class): a new tree;
 * NULL when the object is gone afterwards. Absent places on the way are made.
 */
struct doc *diff_apply(struct arena *a, const struct diff_object *o);
/*
 * The same on another copy of the object, with the values that desired has at the changes' places:
 * what was compared redacted is written as it is. NULL: a place is not there.
 */
struct doc *diff_apply_to(struct arena *a, const struct diff_object *o, const struct doc *live,
			  const struct doc *desired);
/*
 * live with o's pending changes taken back, to what before has at their places; what others have
 * changed elsewhere stays. Taken back from diff_apply() it is o->live again. NULL: see above.
 */
struct doc *diff_undo(struct arena *a, const struct diff_object *o, const struct doc *live,
		      const struct doc *before);
/* The JSON merge patch (RFC 7386) that makes `to` of `from`. */
struct doc *diff_merge_patch(struct arena *a, const struct doc *from, const struct doc *to);
/* The object as far as it takes part in a comparison, keys sorted; for printing before and after.
 */
struct doc *diff_view(struct arena *a, const struct doc *object);
