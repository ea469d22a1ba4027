/* SPDX-License-Identifier: Apache-2.0 */
/* services.h - addresses and node ports of Services: each is used once. */
#pragma once

#include "deploy/lab/apiserver/refusal.h"

struct apiserver;

/* "10.96.0.0/16" into s; -EINVAL. */
int services_set_range(struct apiserver *s, const char *cidr, struct error *err);
/* Gives object what it asks for, or a free one; carries over from old what it leaves out. */
int services_allocate(struct apiserver *s, struct arena *a, struct doc *object,
		      const struct doc *old, struct refusal *f);
