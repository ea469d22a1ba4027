/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/translator_faults.h - what a translator may get wrong, one fault a row.
 *
 * Each changes good policies as a faulty translator would have written them. The unit tests show
 * that verify finds every one; the system tests send its counterexample in a lab.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/doc/doc.h"

struct translator_fault {
	const char *name;
	bool widens; /* else it refuses what must pass */
	/* Changes the policies (their number too); false when they have nothing to spoil. */
	bool (*spoil)(struct arena *a, struct doc **policies, size_t *n);
};
extern const struct translator_fault translator_faults[];
extern const size_t n_translator_faults;
