/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <string.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/kube/sync.h"
#include "tests/unit/kube/scripted.h"

#define REFUSAL(code, why, words)                                                                  \
	"{\"kind\":\"Status\",\"status\":\"Failure\",\"code\":" #code ",\"reason\":\"" why         \
	"\",\"message\":\"" words "\"}"

TEST(paths)
{
	static const struct {
		struct kube_request q;
		int kind;
		const char *want;
	} rows[] = {
		{{.verb = KUBE_GET, .namespace_ = "a", .name = "b"},
		 KIND_POD,
		 "/api/v1/namespaces/a/pods/b"},
		{{.verb = KUBE_LIST, .label_selector = "x=y", .limit = 5},
		 KIND_POD,
		 "/api/v1/pods?labelSelector=x%3Dy&limit=5"},
		{{.verb = KUBE_PATCH, .namespace_ = "a", .name = "b", .subresource = "scale"},
		 KIND_DEPLOYMENT,
		 "/apis/apps/v1/namespaces/a/deployments/b/scale"},
		{{.verb = KUBE_CREATE, .namespace_ = "ignored", .dry_run = true},
		 KIND_NODE,
		 "/api/v1/nodes?dryRun=All"},
		{{.verb = KUBE_GET, .namespace_ = "../x", .name = "a/b"},
		 KIND_POD,
		 "/api/v1/namespaces/..%2Fx/pods/a%2Fb"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_release(strbuf) struct strbuf out = STRBUF_INIT;
		struct kube_request q = rows[i].q;

		q.kind = object_kind((enum object_kind_id)rows[i].kind);
		kube_request_target(&q, &out);
		assert_string_equal(strbuf_cstr(&out), rows[i].want);
	}
}

TEST(every_refusal_has_its_code_and_keeps_the_servers_words)
{
	static const struct scripted_answer answers[] = {
		{.abort = true}, /* first: on a connection used before curl would repeat it */
		{.status = 404, .body = REFUSAL(404, "NotFound", "pods b not found")},
		{.status = 409, .body = REFUSAL(409, "AlreadyExists", "there")},
		{.status = 409, .body = REFUSAL(409, "Conflict", "changed")},
		{.status = 410, .body = REFUSAL(410, "Expired", "old")},
		{.status = 422, .body = REFUSAL(422, "Invalid", "bad")},
		{.status = 429,
		 .body = REFUSAL(429, "TooManyRequests", "later"),
		 .retry_after = "7"},
		{.status = 501, .body = "not json"},
		{.status = 500, .body = ""},
		{.status = 200, .body = "not json"},
	};
	static const struct {
		int code;
		bool retryable;
	} want[] = {{-ECONNRESET, true}, {-ENOENT, false}, {-EEXIST, false}, {-ESTALE, false},
		    {-EXDEV, false},     {-EINVAL, false}, {-EBUSY, true},   {-ENOSYS, false},
		    {-EIO, true},        {-EPROTO, false}};
	struct scripted s;
	struct kube_request q = {
		.verb = KUBE_GET, .kind = object_kind(KIND_POD), .namespace_ = "a", .name = "b"};

	scripted_start(&s, NULL, NULL, answers, ARRAY_SIZE(answers));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		struct kube_result r;
		struct error err = ERROR_INIT;

		if (kube_wait(s.client, &q, &r, &err) != want[i].code)
			fail_msg("answer %zu: %d %s", i, r.code, err.msg);
		assert_int_equal(kube_retryable(&r), want[i].retryable);
		if (i == 1) {
			assert_string_equal(r.reason, "NotFound");
			assert_non_null(strstr(err.msg, "pods b not found"));
		}
		if (i == 6)
			assert_int_equal(r.retry_after_ns, 7 * NS_PER_S);
		kube_result_release(&r);
	}
	scripted_stop(&s);
}

TEST(a_token_file_is_read_again_after_401)
{
	static const struct scripted_answer answers[] = {
		{.status = 200, .body = "{}"},
		{.status = 401, .body = REFUSAL(401, "Unauthorized", "who")},
		{.status = 200, .body = "{}"},
		{.status = 401, .body = REFUSAL(401, "Unauthorized", "who")},
		{.status = 401, .body = REFUSAL(401, "Unauthorized", "who")},
	};
	char path[] = "/tmp/test-token-XXXXXX";
	struct scripted s;
	struct arena a = ARENA_INIT;
	int fd = mkstemp(path);

	close(fd);
	io_write_file_atomic(path, "one\n", 4, 0600, NULL);
	scripted_start(&s, NULL, path, answers, ARRAY_SIZE(answers));
	assert_int_equal(kube_get(s.client, &a, object_kind(KIND_NODE), NULL, "n", NULL, NULL), 0);
	assert_string_equal(s.last_auth, "Bearer one");
	io_write_file_atomic(path, "two\n", 4, 0600, NULL);
	assert_int_equal(kube_get(s.client, &a, object_kind(KIND_NODE), NULL, "n", NULL, NULL), 0);
	assert_string_equal(s.last_auth, "Bearer two");
	assert_int_equal(kube_get(s.client, &a, object_kind(KIND_NODE), NULL, "n", NULL, NULL),
			 -EPERM);
	unlink(path);
	arena_release(&a);
	scripted_stop(&s);
}

TEST(writes_carry_body_type_and_manager)
{
	static const struct scripted_answer answers[] = {
		{.expect = "fieldManager=sidestep", .status = 200, .body = "{\"x\":1}"},
		{.status = 200, .body = "{}"},
		{.expect = "/pods/p/eviction", .status = 201, .body = "{}"},
	};
	struct scripted s;
	struct arena a = ARENA_INIT;
	struct doc *patch = doc_map(&a), *got;
	struct kube_request del = {.verb = KUBE_DELETE,
				   .kind = object_kind(KIND_POD),
				   .namespace_ = "a",
				   .name = "b",
				   .uid = "u",
				   .with_grace = true};
	struct kube_result r;

	scripted_start(&s, NULL, NULL, answers, ARRAY_SIZE(answers));
	doc_set_int(&a, patch, "k", 1);
	assert_int_equal(kube_patch(s.client, &a, object_kind(KIND_POD), "a", "b", "status",
				    KUBE_PATCH_MERGE, patch, &got, NULL),
			 0);
	assert_string_equal(s.last_type, "application/merge-patch+json");
	assert_string_equal(strbuf_cstr(&s.last_body), "{\"k\":1}");
	assert_int_equal(doc_find_int(got, "x", 0), 1);
	assert_int_equal(kube_wait(s.client, &del, &r, NULL), 0);
	kube_result_release(&r);
	assert_string_equal(strbuf_cstr(&s.last_body),
			    "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\","
			    "\"gracePeriodSeconds\":0,\"preconditions\":{\"uid\":\"u\"}}");
	assert_int_equal(kube_evict(s.client, "a", "p", "u", NULL, NULL), 0);
	assert_non_null(strstr(strbuf_cstr(&s.last_body),
			       "\"deleteOptions\":{\"preconditions\":{\"uid\":\"u\"}}"));
	arena_release(&a);
	scripted_stop(&s);
}

TEST(lists_go_through_all_pages_and_begin_again_when_the_version_expires)
{
	static const struct scripted_answer answers[] = {
		{.expect = "limit=500",
		 .status = 200,
		 .body = "{\"metadata\":{\"continue\":\"c1\"},\"items\":[{\"metadata\":{\"name\":"
			 "\"a\"}}]}"},
		{.expect = "continue=c1", .status = 410, .body = REFUSAL(410, "Expired", "old")},
		{.expect = "limit=500",
		 .status = 200,
		 .body = "{\"metadata\":{\"continue\":\"c2\"},\"items\":[{\"metadata\":{\"name\":"
			 "\"b\"}}]}"},
		{.expect = "continue=c2",
		 .status = 200,
		 .body = "{\"metadata\":{},\"items\":[{\"metadata\":{\"name\":\"c\"}}]}"},
	};
	struct scripted s;
	struct arena a = ARENA_INIT;
	struct doc *list;

	scripted_start(&s, NULL, NULL, answers, ARRAY_SIZE(answers));
	assert_int_equal(kube_list(s.client, &a, object_kind(KIND_POD), NULL, NULL, &list, NULL),
			 0);
	assert_int_equal(doc_len(list), 2);
	assert_string_equal(kube_name(doc_at(list, 0)), "b");
	assert_string_equal(doc_find_str(doc_at(list, 1), "kind"), "Pod");
	arena_release(&a);
	scripted_stop(&s);
}

TEST(put_keeps_what_others_wrote_and_repeats_on_conflict)
{
	static const struct scripted_answer answers[] = {
		{.status = 200,
		 .body = "{\"metadata\":{\"name\":\"n\",\"resourceVersion\":\"1\",\"labels\":{"
			 "\"x\":\"1\"}},"
			 "\"spec\":{\"a\":1},\"status\":{\"s\":1}}"},
		{.status = 409, .body = REFUSAL(409, "Conflict", "changed")},
		{.status = 200,
		 .body = "{\"metadata\":{\"name\":\"n\",\"resourceVersion\":\"2\",\"labels\":{"
			 "\"x\":\"2\"}},"
			 "\"spec\":{\"a\":1},\"status\":{\"s\":2}}"},
		{.status = 200, .body = "{}"},
	};
	struct scripted s;
	struct arena a = ARENA_INIT;
	struct doc *object = kube_object_new(&a, object_kind(KIND_NODE), NULL, "n");

	doc_set_string(&a, doc_set_map(&a, doc_set_map(&a, object, "metadata"), "labels"), "y",
		       "3");
	doc_set_int(&a, doc_set_map(&a, object, "spec"), "b", 2);
	scripted_start(&s, NULL, NULL, answers, ARRAY_SIZE(answers));
	assert_int_equal(kube_put(s.client, &a, object_kind(KIND_NODE), object, NULL, NULL), 0);
	assert_string_equal(strbuf_cstr(&s.last_body),
			    "{\"metadata\":{\"name\":\"n\",\"resourceVersion\":\"2\","
			    "\"labels\":{\"x\":\"2\",\"y\":\"3\"}},\"spec\":{\"b\":2},"
			    "\"status\":{\"s\":2}}");
	arena_release(&a);
	scripted_stop(&s);
}

TEST(put_is_no_restart)
{
	static const struct scripted_answer answers[] = {
		{.status = 200,
		 .body = "{\"metadata\":{\"name\":\"d\"},\"spec\":{\"template\":{\"metadata\":"
			 "{\"annotations\":{\"kubectl.kubernetes.io/restartedAt\":\"then\"}}}}}"},
		{.status = 200, .body = "{}"},
	};
	struct scripted s;
	struct arena a = ARENA_INIT;
	struct doc *object = kube_object_new(&a, object_kind(KIND_DEPLOYMENT), "n", "d");

	doc_set_map(&a, doc_set_map(&a, object, "spec"), "template");
	scripted_start(&s, NULL, NULL, answers, ARRAY_SIZE(answers));
	assert_int_equal(kube_put(s.client, &a, object_kind(KIND_DEPLOYMENT), object, NULL, NULL),
			 0);
	assert_non_null(strstr(strbuf_cstr(&s.last_body), "\"then\""));
	arena_release(&a);
	scripted_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths),
		cmocka_unit_test(every_refusal_has_its_code_and_keeps_the_servers_words),
		cmocka_unit_test(a_token_file_is_read_again_after_401),
		cmocka_unit_test(writes_carry_body_type_and_manager),
		cmocka_unit_test(
			lists_go_through_all_pages_and_begin_again_when_the_version_expires),
		cmocka_unit_test(put_is_no_restart),
		cmocka_unit_test(put_keeps_what_others_wrote_and_repeats_on_conflict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
