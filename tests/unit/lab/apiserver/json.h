/* SPDX-License-Identifier: Apache-2.0 */
/* JSON in tests: single quotes stand for double ones, so that a document reads in a C string. */
#pragma once

#include <string.h>

#include "lib/doc/doc.h"
#include "tests/support/test.h"

static inline struct doc *json(struct arena *a, const char *text)
{
	char *copy = arena_strdup(a, text);
	struct error err = ERROR_INIT;
	struct doc *d = NULL;

	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	if (doc_read_json(a, copy, strlen(copy), NULL, &d, &err))
		fail_msg("%s: %s", err.msg, text);
	return d;
}

static inline void assert_json(struct arena *a, const struct doc *have, const char *want)
{
	struct strbuf sb = STRBUF_INIT;

	if (!doc_equal(have, json(a, want))) {
		doc_write_json(have, DOC_COMPACT, &sb);
		fail_msg("have %s\nwant %s", strbuf_cstr(&sb), want);
	}
	strbuf_release(&sb);
}
