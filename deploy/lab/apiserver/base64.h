/* SPDX-License-Identifier: Apache-2.0 */
/* base64.h - RFC 4648, as JSON carries bytes. */
#pragma once

#include <stdbool.h>

#include "lib/base/strbuf.h"

void base64_encode(const void *data, size_t n, struct strbuf *out);
/* Line breaks are skipped, padding may be missing. False for anything else that is no base64. */
bool base64_decode(const char *text, struct strbuf *out);
