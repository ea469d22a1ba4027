/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/upgrade/api.h - an API server in this process, on a fake clock, with a folder for what
 * tools write beside it. What cannot be done fails the test.
 */
#pragma once

#include "deploy/lab/apiserver/apiserver.h"
#include "lib/run/cluster.h"

struct api {
	struct arena arena;
	char dir[64];
	struct fake_clock clock;
	struct loop *loop;
	struct apiserver *server;
	const char *url;
	struct cluster cluster; /* as somebody else; not a tool's */
};
void api_new(struct api *w);
void api_free(struct api *w);
/* A client of its own on the same loop and clock, as user and manager; its owner frees it. */
struct cluster api_cluster(struct api *w, const char *manager);
/* Makes or replaces every object of a YAML text. */
void api_apply(struct api *w, const char *yaml);
/* NULL: absent. */
struct doc *api_get(struct api *w, const char *api_version, const char *kind, const char *ns,
		    const char *name);
void api_patch(struct api *w, enum object_kind_id kind, const char *ns, const char *name,
	       const char *subresource, const char *merge_patch_json);
void api_remove(struct api *w, enum object_kind_id kind, const char *ns, const char *name);
/* Scripted faults, as YAML; NULL ends them. */
void api_faults(struct api *w, const char *yaml);
/* In w's arena. */
struct doc *api_yaml(struct api *w, const char *yaml);
