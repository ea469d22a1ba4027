/* SPDX-License-Identifier: Apache-2.0 */
/*
 * review.h - resources that are asked and not stored: access reviews (the answer is yes: the lab
 * has no authorization) and "who am I".
 */
#pragma once

#include "deploy/lab/apiserver/request.h"

void review_create(struct request *r);
