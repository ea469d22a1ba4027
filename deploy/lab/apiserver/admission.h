/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admission.h - calling the webhooks of Mutating- and ValidatingWebhookConfigurations.
 *
 * Mutating ones are called one after the other in the order of their configuration's name, and once
 * more (reinvocationPolicy IfNeeded) when a later one changed the object; then validating ones.
 */
#pragma once

#include "deploy/lab/apiserver/request.h"

#define ADMISSION_MAX_ANSWER (3u << 20)

/*
 * Runs the webhooks of that stage on r->object (NULL for a deletion) and r->old, and then next(r,
 * 0), or next(r, REFUSED) with r->refusal set. May call next before it returns. operation is
 * "CREATE", "UPDATE" or "DELETE".
 */
void admission_mutate(struct request *r, const char *operation,
		      void (*next)(struct request *r, int refused));
void admission_validate(struct request *r, const char *operation,
			void (*next)(struct request *r, int refused));
