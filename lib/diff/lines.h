/* SPDX-License-Identifier: Apache-2.0 */
/* lib/diff/lines.h - two texts line by line, as `diff -u` prints them. */
#pragma once

#include "lib/base/strbuf.h"

/* Lines that two texts may have together before the middle is printed as replaced whole. */
#define LINES_MAX_EDITS 2000u

/*
 * Appends the hunks ("@@ -1,4 +1,5 @@", then lines marked ' ', '-' or '+') with context lines
 * around each change; nothing when the texts are equal. Headers are the caller's.
 */
void lines_diff(const char *before, const char *after, size_t context, struct strbuf *out);
