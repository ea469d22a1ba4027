/* SPDX-License-Identifier: Apache-2.0 */
/* lib/step/digest.h - SHA-256 of what a journal or its evidence names. */
#pragma once

#include <stddef.h>

#define DIGEST_HEX 64
/* Lower case hexadecimal and NUL. Returns out. */
char *digest_sha256(const void *data, size_t n, char out[DIGEST_HEX + 1]);
