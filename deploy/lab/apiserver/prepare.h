/* SPDX-License-Identifier: Apache-2.0 */
/* prepare.h - what a new object gets that its client may not choose: status and lifecycle fields.
 */
#pragma once

#include "lib/doc/doc.h"

void namespace_prepare(struct arena *a, struct doc *object);
void pod_prepare(struct arena *a, struct doc *object);
void service_prepare(struct arena *a, struct doc *object);
/* Names are accepted at once: there is one writer of them, this server. */
void crd_prepare(struct arena *a, struct doc *object);
