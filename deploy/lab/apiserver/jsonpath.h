/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jsonpath.h - the part of JSONPath that printer columns and scale paths use:
 * .spec.ports[0].port, .metadata.labels['a.b/c'], .status.conditions[?(@.type=="Ready")].status
 */
#pragma once

#include "lib/doc/doc.h"

#define JSONPATH_MAX_BYTES 1024

/* The first value path leads to, or NULL (absent, or a path that cannot be read). */
const struct doc *jsonpath_first(const struct doc *root, const char *path);
/* 0, or -EINVAL saying where the path cannot be read. */
int jsonpath_check(const char *path, struct error *err);
