/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resource.h - what the server serves: one row per resource and version, built in or from a CRD.
 *
 * A request finds its row by group, version and plural; the row says everything else: scope, names,
 * subresources, columns, defaults and checks.
 */
#pragma once

#include <stdbool.h>
#include <string.h>

#include "deploy/lab/apiserver/refusal.h"
#include "deploy/lab/apiserver/store.h"

enum resource_flags {
	RES_NAMESPACED = 1 << 0,
	RES_STATUS = 1 << 1, /* a status subresource: main writes keep status, and the reverse */
	RES_SCALE = 1 << 2,  /* autoscaling/v1 Scale */
	RES_GENERATION = 1 << 3,       /* metadata.generation follows spec */
	RES_STATUS_ON_CREATE = 1 << 4, /* status given at creation is kept (nodes) */
	RES_NEEDS_VERSION = 1 << 5,    /* updates must name a resourceVersion */
	RES_GRACEFUL = 1 << 6,         /* deletion waits for the kubelet (pods) */
	RES_VIRTUAL = 1 << 7,          /* nothing is stored: reviews */
	RES_CUSTOM = 1 << 8,           /* from a CRD */
	RES_SUBDOMAIN = 0,             /* names are DNS subdomains ... */
	RES_LABEL_NAME = 1 << 9,       /* ... or RFC 1123 labels ... */
	RES_1035_NAME = 1 << 10,       /* ... or RFC 1035 labels ... */
	RES_PATH_NAME = 1 << 11,       /* ... or anything that can stand in a path (rbac) */
};

struct column_list;

struct resource {
	const char *group, *version, *kind, *list_kind, *plural, *singular;
	const char *short_names[4]; /* up to three, then NULL */
	bool category_all;
	unsigned flags;

	/* Fills what a client may leave out. */
	void (*defaults)(struct arena *a, struct doc *object);
	/* Says what is wrong; old is NULL at creation. */
	void (*check)(struct causes *c, const struct doc *object, const struct doc *old);
	/* Sets what a client may not choose, on creation. */
	void (*prepare)(struct arena *a, struct doc *object);
	/* Extra field selectors beside metadata.name and metadata.namespace; up to seven, then
	 * NULL. */
	const char *fields[8];
	const struct column_list *columns; /* NULL: name and age */

	/* Of custom resources only. */
	const struct doc *schema;                                              /* openAPIV3Schema */
	const char *scale_spec_path, *scale_status_path, *scale_selector_path; /* "spec.replicas" */
	const char *crd; /* name of the CRD, and its generation that this row came from */
	int64_t crd_generation;
	bool preferred; /* the version discovery shows first */

	/* Filled by the registry. */
	struct shelf *shelf;
	bool retired; /* no longer served; kept for the watches that hold it */
};

struct registry;

struct registry *registry_new(struct store *store);
void registry_free(struct registry *r);

/* NULL when not served. */
const struct resource *registry_find(const struct registry *r, const char *group,
				     const char *version, const char *plural);
/* By kind; version NULL takes the preferred one. */
const struct resource *registry_find_kind(const struct registry *r, const char *group,
					  const char *version, const char *kind);
/* Any row whose objects lie on this shelf, or NULL. */
const struct resource *registry_of_shelf(const struct registry *r, const struct shelf *sh);
bool registry_has_group_version(const struct registry *r, const char *group, const char *version);
/* All rows, retired ones too, in the order they came. */
size_t registry_count(const struct registry *r);
const struct resource *registry_at(const struct registry *r, size_t i);
/* Takes in one more row; memory behind its pointers must live as long as the registry. */
const struct resource *registry_add(struct registry *r, const struct resource *row);
/* Stops serving every row that came from this CRD. */
void registry_retire(struct registry *r, const char *crd);
/* For rows and what they point to. */
struct arena *registry_arena(struct registry *r);

static inline bool resource_is(const struct resource *res, const char *group, const char *plural)
{
	return !strcmp(res->group, group) && !strcmp(res->plural, plural);
}
/* "v1" or "apps/v1", in the arena. */
const char *resource_api_version(struct arena *a, const struct resource *res);
struct subject resource_subject(const struct resource *res, const char *name);

/* The built-in rows (builtin.c). */
extern const struct resource builtin_resources[];
extern const size_t builtin_resources_n;
