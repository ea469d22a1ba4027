/* SPDX-License-Identifier: Apache-2.0 */
/* when.h - points in time as Kubernetes writes them, and ages as kubectl prints them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"

/* "2026-11-23T06:00:00Z". */
const char *when_format(struct arena *a, int64_t wall_s);
/* Accepts a fraction and an offset (+02:00); false when it is not RFC 3339. */
bool when_parse(const char *text, int64_t *ret_wall_s);
/* "5d3h", "4m12s": the time from then to now. "<unknown>" when text is no time. */
const char *when_age(struct arena *a, const char *then, int64_t now_s);
