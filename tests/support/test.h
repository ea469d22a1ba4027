/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/test.h - the only cmocka header: it needs these four first. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/macros.h"

#define TEST(name) static void name(UNUSED void **state)

/* Ends the whole test program as skipped; ctest prints the reason and tests/run lists it. */
#define SKIP_ALL(reason)                                                                           \
	do {                                                                                       \
		printf("SKIP: %s\n", (reason));                                                    \
		exit(77);                                                                          \
	} while (0)
