/* SPDX-License-Identifier: Apache-2.0 */
/* lib/mesh/rule_build.h - private: what turning a policy of any dialect into rules has in common.
 */
#pragma once

#include "lib/base/vec.h"
#include "lib/mesh/rule.h"

struct rule_builder {
	struct arena *a;
	const struct bind_unknown *unknown; /* may be NULL */
	bool *unknown_taken;                /* which of them were reported */
	bool broken[MESH_DIRECTIONS];       /* directions that must not be enforced in part */
	VEC(struct mesh_unsupported) unsupported;
};

void rule_builder_init(struct rule_builder *b, struct arena *a, const struct bind_unknown *unknown);
/* Notes that path is not enforced, because of reason. Returns false, for `return`. */
bool rule_unsupported(struct rule_builder *b, const char *path, const char *reason);
/* Notes every unknown field below path; false when there is one. */
bool rule_unknown_below(struct rule_builder *b, const char *path);
/*
 * Ends a policy: unknown fields of spec that no rule took break both directions, allow rules of
 * broken directions go away, and what was noted moves into p.
 */
void rule_builder_finish(struct rule_builder *b, struct mesh_policy *p);
/* An unsupported rule: nothing when it allows, everything when it denies. */
void rule_broken(struct rule_builder *b, struct mesh_rule *r);

/* Adds a requirement `key op values` to a selector; the arrays are copied. */
void selector_require(struct arena *a, struct label_selector *s, const char *key,
		      enum label_operator op, const char *value);
