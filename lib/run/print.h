/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/run/print.h - what -o means to a tool that has a document for programs and a page for people.
 */
#pragma once

#include <stdio.h>

#include "lib/doc/doc.h"
#include "lib/report/page.h"

/* X(symbol, name) */
#define PRINT_FORMATS(X)                                                                           \
	X(PRINT_TABLE, "table")                                                                    \
	X(PRINT_JSON, "json")                                                                      \
	X(PRINT_YAML, "yaml")                                                                      \
	X(PRINT_HTML, "html")                                                                      \
	X(PRINT_MARKDOWN, "markdown")
enum print_format {
#define PRINT_FORMAT_ENUM(symbol, name) symbol,
	PRINT_FORMATS(PRINT_FORMAT_ENUM)
#undef PRINT_FORMAT_ENUM
		PRINT_FORMAT_COUNT,
};
#define PRINT_FORMAT_NAME(symbol, name) name,

void print_format(enum print_format format, const struct doc *d, const struct page *page,
		  struct strbuf *out);
/* To the file, or (NULL) to out. */
int print_text(FILE *out, const char *file, const struct strbuf *text, struct error *err);
