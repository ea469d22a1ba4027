/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "lib/http/headers.h"

TEST(names_compare_without_case_and_set_replaces_all)
{
	struct http_headers h = {0};

	http_headers_add(&h, "Accept", "a");
	http_headers_add(&h, "accept", "b");
	assert_string_equal(http_headers_get(&h, "ACCEPT"), "a");
	http_headers_set(&h, "aCCept", "c");
	assert_int_equal(h.n, 1);
	assert_string_equal(http_headers_get(&h, "accept"), "c");
	assert_null(http_headers_get(&h, "host"));
	http_headers_release(&h);
}

TEST(tokens_of_a_list_header)
{
	struct http_headers h = {0};

	http_headers_add(&h, "Connection", "Keep-Alive ,  close");
	assert_true(http_headers_have_token(&h, "connection", "CLOSE"));
	assert_true(http_headers_have_token(&h, "connection", "keep-alive"));
	assert_false(http_headers_have_token(&h, "connection", "clos"));
	http_headers_release(&h);
}

TEST(queries_are_decoded_and_what_is_broken_stays)
{
	struct http_query q;

	http_query_parse(&q, "watch=true&labelSelector=a%3Db%2Cc&x=1+2&bare&&bad=%zz&nul=%00");
	assert_true(http_query_bool(&q, "watch"));
	assert_string_equal(http_query_get(&q, "labelSelector"), "a=b,c");
	assert_string_equal(http_query_get(&q, "x"), "1 2");
	assert_string_equal(http_query_get(&q, "bare"), "");
	assert_string_equal(http_query_get(&q, "bad"), "%zz");
	assert_string_equal(http_query_get(&q, "nul"), "%00");
	assert_null(http_query_get(&q, "absent"));
	assert_false(http_query_bool(&q, "absent"));
	http_query_release(&q);
	http_query_parse(&q, NULL);
	assert_int_equal(q.n, 0);
	http_query_release(&q);
}

TEST(building_a_query)
{
	auto_release(strbuf) struct strbuf url = STRBUF_INIT;

	strbuf_adds(&url, "/x");
	http_query_add(&url, "a", "1 &2");
	http_query_add(&url, "none", NULL);
	http_query_add(&url, "b", "ä/");
	assert_string_equal(strbuf_cstr(&url), "/x?a=1%20%262&b=%C3%A4%2F");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_compare_without_case_and_set_replaces_all),
		cmocka_unit_test(tokens_of_a_list_header),
		cmocka_unit_test(queries_are_decoded_and_what_is_broken_stays),
		cmocka_unit_test(building_a_query),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
