/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/doc/doc.h - one document tree for YAML and JSON, with the place every node came from.
 *
 * Users fix manifests, so an error says `policy.yaml:12:9: spec.ingress[0].toPorts: want a list`.
 * Nodes and strings live in the caller's arena and are never freed alone. Maps keep the order of
 * insertion; lists made from hash order must be sorted by whoever makes them.
 *
 * Every reader of a tree takes NULL for "absent", so lookups chain: doc_str(doc_get(d, "name")).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/error.h"
#include "lib/base/strbuf.h"

enum doc_kind { DOC_NULL, DOC_BOOL, DOC_INT, DOC_REAL, DOC_STRING, DOC_LIST, DOC_MAP };

struct doc;

struct doc_entry {
	const char *key;
	struct doc *value;
};

struct doc {
	enum doc_kind kind;
	uint32_t line, col; /* 1-based; 0 when the node was built or read from the wire */
	const char *file;   /* NULL when built */
	union {
		bool boolean;
		int64_t integer;
		double real;
		const char *string;
		struct {
			struct doc **items;
			size_t n, cap;
		} list;
		struct {
			struct doc_entry *entries;
			size_t n, cap;
		} map;
	};
};

/* Building. Strings and keys are copied into the arena. */
struct doc *doc_null(struct arena *a);
struct doc *doc_bool(struct arena *a, bool v);
struct doc *doc_int(struct arena *a, int64_t v);
struct doc *doc_real(struct arena *a, double v);
/* doc_string(a, NULL) is doc_null. */
struct doc *doc_string(struct arena *a, const char *s);
struct doc *doc_stringf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
struct doc *doc_list(struct arena *a);
struct doc *doc_map(struct arena *a);

/*
 * Sets key in a map, replacing in place or appending. Returns value. On NULL or a node of another
 * kind (a foreign document may have anything anywhere) this and every other setter does nothing.
 */
struct doc *doc_set(struct arena *a, struct doc *map, const char *key, struct doc *value);
/* Shorthands. doc_set_string with NULL does nothing. */
void doc_set_string(struct arena *a, struct doc *map, const char *key, const char *s);
void doc_set_int(struct arena *a, struct doc *map, const char *key, int64_t v);
void doc_set_bool(struct arena *a, struct doc *map, const char *key, bool v);
void doc_setf(struct arena *a, struct doc *map, const char *key, const char *fmt, ...)
	PRINTF_LIKE(4, 5);
/* The map at key, made when absent (or when what is there is no map). */
struct doc *doc_set_map(struct arena *a, struct doc *map, const char *key);
/* The list at key, made when absent (or when what is there is no list). */
struct doc *doc_set_list(struct arena *a, struct doc *map, const char *key);
/* Removes key; absent is fine. */
void doc_del(struct doc *map, const char *key);
/* Returns value. */
struct doc *doc_append(struct arena *a, struct doc *list, struct doc *value);
void doc_remove_at(struct doc *list, size_t i);

/* Looking. All accept NULL and a node of another kind, and then answer NULL, 0 or the fallback. */
struct doc *doc_get(const struct doc *map, const char *key);
struct doc *doc_at(const struct doc *list, size_t i);
/* Items of a list, entries of a map, else 0. */
size_t doc_len(const struct doc *d);
const char *doc_str(const struct doc *d);
int64_t doc_int_or(const struct doc *d, int64_t fallback);
bool doc_bool_or(const struct doc *d, bool fallback);
/*
 * Follows "spec.ports[0].port"; a key with dots or slashes is quoted:
 * "metadata.labels['app.kubernetes.io/name']". NULL when any part is absent.
 */
struct doc *doc_find(const struct doc *root, const char *path);
const char *doc_find_str(const struct doc *root, const char *path);
int64_t doc_find_int(const struct doc *root, const char *path, int64_t fallback);

#define doc_foreach_item(list_node, it)                                                            \
	for (size_t it##_i = 0;                                                                    \
	     it##_i < ((list_node) && (list_node)->kind == DOC_LIST ? (list_node)->list.n : 0);    \
	     it##_i++)                                                                             \
		for (struct doc *it = (list_node)->list.items[it##_i]; it; it = NULL)
#define doc_foreach_entry(map_node, it)                                                            \
	for (struct doc_entry *it =                                                                \
		     (map_node) && (map_node)->kind == DOC_MAP ? (map_node)->map.entries : NULL;   \
	     it && it < (map_node)->map.entries + (map_node)->map.n; it++)

/* Whole trees. */
struct doc *doc_clone(struct arena *a, const struct doc *d);
/* Deep equality; maps without regard to order, lists with. 1 and 1.0 are equal. NULL equals NULL.
 */
bool doc_equal(const struct doc *a, const struct doc *b);
/* Sorts the keys of every map in the tree (canonical form). */
void doc_sort_keys(struct doc *d);
const char *doc_kind_name(enum doc_kind kind);
/* "file:line:col" when known, else "". In the arena. */
const char *doc_where(struct arena *a, const struct doc *d);

/* RFC 7386 JSON merge patch: target with patch applied, sharing unchanged parts. */
struct doc *doc_merge_patch(struct arena *a, const struct doc *target, const struct doc *patch);
/*
 * RFC 6902 JSON patch (add, remove, replace, move, copy, test). The result is a new tree, the
 * target stays as it was. -EINVAL malformed patch, -ENOENT path absent, -ECANCELED failed test.
 */
int doc_json_patch(struct arena *a, const struct doc *target, const struct doc *patch,
		   struct doc **ret_result, struct error *err);

/* Limits on what a reader takes (-E2BIG or -EINVAL with the place). */
#define DOC_MAX_DEPTH       64
#define DOC_MAX_NODES       4000000u
#define DOC_MAX_DOCUMENTS   10000u
#define DOC_MAX_ALIAS_NODES 100000u

struct doc_stream {
	struct doc **docs; /* in the arena; an empty document is DOC_NULL */
	size_t n;
};

/* One JSON document (RFC 8259). file is only for errors and may be NULL. Nodes carry no positions.
 */
int doc_read_json(struct arena *a, const char *data, size_t n, const char *file,
		  struct doc **ret_doc, struct error *err);
/*
 * YAML, any number of documents, typed as the YAML 1.1 of Kubernetes (sigs.k8s.io/yaml) types it.
 * A key twice in one map (but for the same value: charts print such), tags other than the core ones
 * and alias bombs are errors. Nodes carry positions.
 */
int doc_read_yaml(struct arena *a, const char *data, size_t n, const char *file,
		  struct doc_stream *ret_stream, struct error *err);
/* A file ("-" is standard input) of YAML or JSON, up to LIMIT_FILE_BYTES. */
int doc_read_file(struct arena *a, const char *path, struct doc_stream *ret_stream,
		  struct error *err);

enum doc_style { DOC_COMPACT, DOC_PRETTY };
/* No newline at the end. Reals that are whole numbers are written without a fraction. */
void doc_write_json(const struct doc *d, enum doc_style style, struct strbuf *out);
/* Block style, ends with a newline. Strings that YAML would read as another type are quoted. */
void doc_write_yaml(const struct doc *d, struct strbuf *out);
