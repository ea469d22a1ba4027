/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/report/markup.h - XML and HTML written element by element: always closed, always escaped.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/macros.h"
#include "lib/base/strbuf.h"

#define MARKUP_MAX_DEPTH 64

struct markup {
	struct strbuf *out; /* borrowed */
	const char *open[MARKUP_MAX_DEPTH];
	size_t depth;
	bool in_tag;   /* "<name attr" still open */
	bool has_text; /* the element at hand has text, so no line break before its end */
};

void markup_init(struct markup *m, struct strbuf *out);
/* name is a literal and kept. */
void markup_open(struct markup *m, const char *name);
/* Attributes come right after markup_open. value NULL = no attribute. */
void markup_attr(struct markup *m, const char *name, const char *value);
void markup_attrf(struct markup *m, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);
void markup_text(struct markup *m, const char *text);
void markup_textf(struct markup *m, const char *fmt, ...) PRINTF_LIKE(2, 3);
void markup_close(struct markup *m);
/* open, text, close. */
void markup_element(struct markup *m, const char *name, const char *text);
/* Elements without an end tag in HTML (meta, br). */
void markup_void(struct markup *m);
