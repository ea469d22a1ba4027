/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a sidecar's statistics: every sample lies within them, and reading ends. */
#include "migrate/prometheus.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *text = (const char *)data;
	struct prometheus_sample s;
	struct sidecar_stats stats;
	size_t at = 0, before = 0;

	while (prometheus_next(text, n, &at, &s)) {
		fuzz_check(at > before && at <= n + 1);
		fuzz_check(s.name_len > 0 && s.name >= text && s.name + s.name_len <= text + n);
		before = at;
	}
	sidecar_stats_read(text, n, &stats);
	fuzz_check(stats.known || stats.updated_ms == 0);
	return 0;
}
