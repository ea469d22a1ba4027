/* SPDX-License-Identifier: Apache-2.0 */
/* lib/doc/doc_impl.h - what the files of this folder share and nobody else needs. */
#pragma once

#include "lib/doc/doc.h"

/* A node without a place. */
struct doc *doc_node(struct arena *a, enum doc_kind kind);
/* Appends without looking for an earlier entry of that key; key is taken, not copied. */
void doc_map_push(struct arena *a, struct doc *map, const char *key, struct doc *value);
/* doc_get for a key that is not NUL-terminated. */
struct doc *doc_get_n(const struct doc *map, const char *key, size_t n);
/* The first key that occurs twice, or NULL; n log n. */
const struct doc_entry *doc_first_duplicate(const struct doc *map);

/*
 * The one place that decides what a plain YAML scalar is, by the rules of sigs.k8s.io/yaml: fills
 * kind and value of d and returns 0, or -EDOM for a number that JSON cannot carry (.inf, .nan).
 * A string is left pointing at s.
 */
int doc_scalar_resolve(struct doc *d, const char *s);

/* The shortest decimal that reads back as v; whole numbers without a fraction; "null" if not
 * finite. */
void doc_write_real(double v, struct strbuf *out);
/* "..." with JSON's escapes; with yaml also what libyaml's reader refuses to see raw. */
void doc_write_quoted(const char *s, bool yaml, struct strbuf *out);
/*
 * Decodes one UTF-8 sequence at s: its length and the code point, or length 1 and 0xfffd for a byte
 * that starts none.
 */
size_t doc_utf8_next(const char *s, uint32_t *ret_rune);
/* Whether libyaml accepts this code point unescaped, line breaks other than \n excluded. */
bool doc_yaml_printable(uint32_t rune);
