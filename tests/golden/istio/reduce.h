/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/golden/istio/reduce.h - the part of an Envoy configuration that decides who reaches whom.
 *
 * istiod's answers and our renderer's are compared after this one function, so that they may differ
 * in names, statistics, tracing and time-outs of no consequence, and in nothing else. What is kept,
 * what is dropped and what is brought to one form is listed in README.md beside this file.
 */
#pragma once

#include "lib/doc/doc.h"

/*
 * config: {"listeners": [...], "routes": [...], "clusters": [...], "endpoints": [...]}, each a list
 * of Envoy's v3 resources with proto field names (Listener, RouteConfiguration, Cluster,
 * ClusterLoadAssignment); an absent list is empty. The result is in the arena, keys sorted.
 */
struct doc *envoy_reduce(struct arena *a, const struct doc *config);
