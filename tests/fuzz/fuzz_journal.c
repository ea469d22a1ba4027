/* SPDX-License-Identifier: Apache-2.0 */
/* A run's journal: whatever the bytes, records are whole and chained, or it is damage. */
#include "lib/step/journal.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err = ERROR_INIT;

	if (journal_verify((const char *)data, size, &err) < 0 && !err.msg[0])
		abort();
	return 0;
}
