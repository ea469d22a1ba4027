/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "deploy/lab/istiod/authority.h"
#include "deploy/lab/istiod/publish.h"
#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"

static struct istio_sidecar_file file(struct arena *a, const char *path, int value)
{
	struct istio_sidecar_file f = {path, doc_map(a)};

	doc_set_int(a, f.doc, "v", value);
	return f;
}

static ino_t inode(const char *dir, const char *path)
{
	auto_free char *full = xasprintf("%s/%s", dir, path);
	struct stat st;

	return stat(full, &st) == 0 ? st.st_ino : 0;
}

TEST(only_what_differs_is_replaced_also_after_a_restart)
{
	char dir[] = "/tmp/test-publish-XXXXXX";
	struct arena a = ARENA_INIT;
	struct istio_sidecar_file items[3];
	struct istio_sidecar_files files = {items, 3, 3};
	struct publication *p;
	ino_t lds, boot;

	assert_non_null(mkdtemp(dir));
	p = publication_new(dir);
	items[0] = file(&a, "bootstrap.json", 1);
	items[1] = file(&a, "lds/lds.json", 1);
	items[2] = file(&a, "eds/x/eds.json", 1);
	assert_int_equal(publication_write(p, &files, NULL), 3);
	assert_int_equal(publication_write(p, &files, NULL), 0);
	lds = inode(dir, "lds/lds.json");
	boot = inode(dir, "bootstrap.json");
	publication_free(p);
	p = publication_new(dir);
	items[0] = file(&a, "bootstrap.json", 2); /* a running Envoy would never read it */
	items[2] = file(&a, "eds/x/eds.json", 2);
	assert_int_equal(publication_write(p, &files, NULL), 1);
	assert_true(inode(dir, "lds/lds.json") == lds);
	assert_true(inode(dir, "bootstrap.json") == boot);
	files.n = 2;
	assert_int_equal(publication_write(p, &files, NULL), 0);
	assert_true(inode(dir, "eds/x") == 0);
	publication_free(p);
	io_remove_tree(dir, NULL);
	arena_release(&a);
}

TEST(an_authority_and_its_certificates_survive_a_restart)
{
	char dir[] = "/tmp/test-authority-XXXXXX";
	int64_t now = clock_wall_ns(clock_system());
	struct tls_pair one, two, cert, again;
	struct tls_request request = {
		.common_name = "x", .server = true, .not_before_wall_ns = now};
	auto_free char *leaf = NULL;

	assert_non_null(mkdtemp(dir));
	leaf = xasprintf("%s/leaf", dir);
	assert_int_equal(authority_load(dir, "test", now, &one, NULL), 0);
	assert_int_equal(authority_load(dir, "test", now, &two, NULL), 0);
	assert_string_equal(one.cert_pem, two.cert_pem);
	assert_int_equal(authority_issue(&one, leaf, &request, -1, &cert, NULL), 0);
	assert_int_equal(authority_issue(&two, leaf, &request, -1, &again, NULL), 0);
	assert_string_equal(cert.cert_pem, again.cert_pem);
	assert_true(tls_verifies(one.cert_pem, &again, now));
	tls_pair_release(&again);
	/* Soon at its end: made anew. */
	request.not_before_wall_ns = now + 365LL * 86400 * (int64_t)NS_PER_S;
	assert_int_equal(authority_issue(&one, leaf, &request, -1, &again, NULL), 0);
	assert_string_not_equal(cert.cert_pem, again.cert_pem);
	tls_pair_release(&again);
	tls_pair_release(&cert);
	tls_pair_release(&one);
	tls_pair_release(&two);
	io_remove_tree(dir, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_differs_is_replaced_also_after_a_restart),
		cmocka_unit_test(an_authority_and_its_certificates_survive_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
