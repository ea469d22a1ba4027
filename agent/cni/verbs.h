/* SPDX-License-Identifier: Apache-2.0 */
/* agent/cni/verbs.h - the verbs. Each answers 0 with *ret_result (NULL: nothing is printed), or -1.
 */
#pragma once

#include "agent/cni/request.h"

int cni_add(struct arena *a, const struct cni_request *rq, struct doc **ret_result,
	    struct cni_failure *f);
int cni_del(struct arena *a, const struct cni_request *rq, struct doc **ret_result,
	    struct cni_failure *f);
int cni_check(struct arena *a, const struct cni_request *rq, struct doc **ret_result,
	      struct cni_failure *f);
