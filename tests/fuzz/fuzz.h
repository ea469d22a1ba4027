/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/fuzz.h - the entry point of every target, and a check that no build turns off. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define fuzz_check(what)                                                                           \
	do {                                                                                       \
		if (!(what))                                                                       \
			abort();                                                                   \
	} while (0)
