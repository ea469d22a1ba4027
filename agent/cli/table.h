/* SPDX-License-Identifier: Apache-2.0 */
/* agent/cli/table.h - a list of documents as JSON, YAML or columns. */
#pragma once

#include <stdio.h>

#include "lib/doc/doc.h"

enum column_kind {
	COLUMN_TEXT,     /* string or number as it is; "-" when absent */
	COLUMN_FLAG,     /* "yes" or "no" */
	COLUMN_LIST,     /* strings joined by commas */
	COLUMN_BACKENDS, /* list of {address, state}: addresses, "(terminating)" where so */
};

struct column {
	const char *title;
	const char *path; /* in the document, dotted */
	enum column_kind kind;
};

/* Columns are as wide as they must be; the last one is not padded. */
void table_print(FILE *out, const struct doc *items, const struct column *columns, size_t n);
/* One document or list in the wanted form; format is an enum output, table is not among them. */
void table_print_doc(FILE *out, const struct doc *doc, int format);
