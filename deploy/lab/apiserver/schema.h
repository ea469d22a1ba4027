/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema.h - the structural schema of a custom resource: prune, default, validate.
 *
 * Understood: type, properties, additionalProperties, items, required, enum, default, nullable,
 * minimum, maximum, minLength, maxLength, minItems, maxItems, pattern, allOf, anyOf, oneOf, not,
 * x-kubernetes-preserve-unknown-fields, -int-or-string, -embedded-resource. Rules in CEL
 * (x-kubernetes-validations) and formats are not evaluated.
 */
#pragma once

#include "deploy/lab/apiserver/refusal.h"

/*
 * Removes fields the schema does not know from object. The paths removed are appended to unknown
 * (a list; may be NULL). metadata, kind and apiVersion at the root are left alone.
 */
void schema_prune(struct arena *a, const struct doc *schema, struct doc *object,
		  struct doc *unknown);
/* Puts in defaults where a field is absent (or null and not nullable). */
void schema_default(struct arena *a, const struct doc *schema, struct doc *object);
void schema_validate(struct causes *c, const struct doc *schema, const struct doc *object);
