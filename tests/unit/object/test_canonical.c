/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <string.h>

#include "lib/object/canonical.h"

static struct doc *json(struct arena *a, const char *text)
{
	struct doc *d = NULL;

	assert_int_equal(doc_read_json(a, text, strlen(text), NULL, &d, NULL), 0);
	return d;
}

TEST(what_the_server_adds_does_not_count)
{
	struct arena a = ARENA_INIT;
	char one[OBJECT_DIGEST_SIZE], two[OBJECT_DIGEST_SIZE];
	struct doc *written =
		json(&a, "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"b\":1,\"a\":2}}");
	struct doc *stored = json(
		&a, "{\"spec\":{\"a\":2,\"b\":1},\"status\":{\"x\":1},\"metadata\":{\"uid\":\"u\","
		    "\"name\":\"x\",\"resourceVersion\":\"7\",\"generation\":3,\"labels\":{},"
		    "\"managedFields\":[{}],\"creationTimestamp\":\"t\",\"annotations\":{"
		    "\"kubectl.kubernetes.io/last-applied-configuration\":\"{}\"}}}");

	assert_true(doc_equal(object_canonical(&a, written), object_canonical(&a, stored)));
	assert_string_equal(object_digest(written, one), object_digest(stored, two));
	arena_release(&a);
}

TEST(what_the_user_wrote_counts)
{
	struct arena a = ARENA_INIT;
	char one[OBJECT_DIGEST_SIZE], two[OBJECT_DIGEST_SIZE];

	assert_string_not_equal(object_digest(json(&a, "{\"spec\":{\"a\":1}}"), one),
				object_digest(json(&a, "{\"spec\":{\"a\":2}}"), two));
	assert_string_equal(object_digest_exact(json(&a, "{\"a\":1,\"b\":2}"), one),
			    object_digest_exact(json(&a, "{\"b\":2,\"a\":1}"), two));
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_server_adds_does_not_count),
		cmocka_unit_test(what_the_user_wrote_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
