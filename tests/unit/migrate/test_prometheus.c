/* SPDX-License-Identifier: Apache-2.0 */
#include "migrate/prometheus.h"

#include <string.h>

#include "tests/support/test.h"

TEST(samples_of_a_text)
{
	static const char text[] = "# TYPE a counter\n"
				   "a{} 3\n"
				   "b{x=\"}\\\"\",y=\"\"} 1.5e3 1763895000123\r\n"
				   "no number\n"
				   "open{x=\"\n"
				   "\n"
				   "c\t7";
	static const struct {
		const char *name;
		double value;
	} want[] = {{"a", 3}, {"b", 1500}, {"c", 7}};
	struct prometheus_sample s;
	size_t at = 0;

	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		assert_true(prometheus_next(text, strlen(text), &at, &s));
		assert_int_equal(s.name_len, strlen(want[i].name));
		assert_memory_equal(s.name, want[i].name, s.name_len);
		assert_true(s.value == want[i].value);
	}
	assert_false(prometheus_next(text, strlen(text), &at, &s));
}

static struct sidecar_stats read_stats(const char *text)
{
	struct sidecar_stats s;

	sidecar_stats_read(text, strlen(text), &s);
	return s;
}

TEST(what_a_sidecar_goes_by)
{
	struct sidecar_stats s =
		read_stats("envoy_cluster_manager_cds_update_rejected{} 2\n"
			   "envoy_cluster_manager_cds_update_time{} 1763895000123\n");

	assert_true(s.known);
	assert_int_equal(s.updated_ms, 1763895000123);
	assert_int_equal(s.rejected, 2);
	assert_false(read_stats("").known);
	assert_false(read_stats("envoy_cluster_manager_cds_update_time{} -1\n").known);
	assert_false(read_stats("envoy_cluster_manager_cds_update_time{} NaN\n").known);
	assert_false(read_stats("envoy_cluster_manager_cds_update_time_x{} 5\n").known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_of_a_text),
		cmocka_unit_test(what_a_sidecar_goes_by),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
