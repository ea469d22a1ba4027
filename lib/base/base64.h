/* SPDX-License-Identifier: Apache-2.0 */
/* lib/base/base64.h - RFC 4648 base64, as kubeconfigs, Secrets and admission patches carry it. */
#pragma once

#include <stddef.h>

#include "lib/base/strbuf.h"

void base64_encode(const void *data, size_t n, struct strbuf *out);
/* White space is skipped, padding is required at the end. 0 or -EINVAL (out is then as before). */
int base64_decode(const char *text, size_t n, struct strbuf *out);
