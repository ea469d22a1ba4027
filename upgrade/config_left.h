/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upgrade/config_left.h - what stays, though it is not wanted any more.
 *
 * A prune or a way back deletes what an apply of this configuration has made, and nothing else. A
 * revision records the files of such objects (`created`); what was there before it was first
 * applied, or of which no revision says, stays and is no longer looked after. What holds more than
 * its manifest says (a namespace, a definition, a volume) stays too, and is still looked after.
 * Who names an object (--delete) has it deleted in either case.
 */
#pragma once

#include "upgrade/config.h"

/*
 * Takes what stays out of the comparison (applied and live, which are read), and says so. named:
 * objects (Namespace/shop) that are to go; plan: one that names some, or NULL.
 */
void config_leave(struct config_scene *s, const struct cli_list *named, const struct doc *plan,
		  struct error *err);
/* The `created` of a revision that is made by these operations and does not have `gone` any more.
 */
struct doc *config_created(struct config_scene *s, const struct diff_object *const *order, size_t n,
			   const struct snapshot *gone);
