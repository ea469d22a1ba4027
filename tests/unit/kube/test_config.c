/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <string.h>

#include "lib/base/io.h"
#include "lib/kube/config.h"

static struct doc *yaml(struct arena *a, const char *text)
{
	struct doc_stream stream;

	assert_int_equal(doc_read_yaml(a, text, strlen(text), "test", &stream, NULL), 0);
	return stream.docs[0];
}

static const char two[] = "apiVersion: v1\nkind: Config\ncurrent-context: a\n"
			  "clusters:\n"
			  "- {name: one, cluster: {server: 'https://1.2.3.4:6443/', "
			  "certificate-authority-data: Y2E=, tls-server-name: kubernetes}}\n"
			  "- {name: two, cluster: {server: 'unix:///run/x.sock'}}\n"
			  "users:\n"
			  "- {name: u, user: {client-certificate-data: Y2VydA==, client-key-data: "
			  "a2V5, token: t}}\n"
			  "- {name: plugin, user: {exec: {command: aws}}}\n"
			  "- {name: half, user: {client-certificate-data: Y2VydA==}}\n"
			  "contexts:\n"
			  "- {name: a, context: {cluster: one, user: u, namespace: ns}}\n"
			  "- {name: b, context: {cluster: two, user: nobody}}\n"
			  "- {name: c, context: {cluster: one, user: plugin}}\n"
			  "- {name: d, context: {cluster: lost, user: u}}\n"
			  "- {name: e, context: {cluster: one, user: half}}\n";

TEST(the_current_context_and_a_named_one)
{
	struct arena a = ARENA_INIT;
	struct doc *d = yaml(&a, two), *back;
	struct kube_config c;

	assert_int_equal(kube_config_from_doc(&a, d, "", NULL, &c, NULL), 0);
	assert_string_equal(c.server, "https://1.2.3.4:6443");
	assert_string_equal(c.ca_pem, "ca");
	assert_string_equal(c.cert_pem, "cert");
	assert_string_equal(c.key_pem, "key");
	assert_string_equal(c.token, "t");
	assert_string_equal(c.namespace_, "ns");
	assert_string_equal(c.tls_server_name, "kubernetes");
	back = kube_config_to_doc(&a, &c, "x");
	memset(&c, 0, sizeof(c));
	assert_int_equal(kube_config_from_doc(&a, back, "", NULL, &c, NULL), 0);
	assert_string_equal(c.ca_pem, "ca");
	assert_string_equal(c.namespace_, "ns");
	assert_int_equal(kube_config_from_doc(&a, d, "", "b", &c, NULL), 0);
	assert_string_equal(c.unix_socket, "/run/x.sock");
	assert_string_equal(c.namespace_, "default");
	assert_null(c.ca_pem);
	arena_release(&a);
}

TEST(what_cannot_work_says_why)
{
	static const struct {
		const char *context;
		int code;
		const char *says;
	} rows[] = {
		{"c", -ENOTSUP, "exec"},
		{"d", -ENOENT, "cluster"},
		{"e", -EINVAL, "key"},
		{"nowhere", -ENOENT, "nowhere"},
	};
	struct arena a = ARENA_INIT;
	struct doc *d = yaml(&a, two);
	struct kube_config c;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct error err = ERROR_INIT;

		assert_int_equal(kube_config_from_doc(&a, d, "", rows[i].context, &c, &err),
				 rows[i].code);
		assert_non_null(strstr(err.msg, rows[i].says));
	}
	arena_release(&a);
}

TEST(files_of_the_list_are_merged_and_names_are_relative_to_each)
{
	char dir[] = "/tmp/test-kubeconfig-XXXXXX", path[64], list[160];
	struct kube_config_options o = {0};
	struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;
	struct kube_config c;
	const char *first =
		"current-context: x\ncontexts:\n- {name: x, context: {cluster: k, user: u}}\n";
	const char *second = "clusters:\n- {name: k, cluster: {server: 'http://h', "
			     "certificate-authority: ca.pem}}\nusers: []\n";

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/ca.pem", dir);
	assert_int_equal(io_write_file_atomic(path, "PEM\n", 4, 0600, NULL), 0);
	snprintf(path, sizeof(path), "%s/1", dir);
	assert_int_equal(io_write_file_atomic(path, first, strlen(first), 0600, NULL), 0);
	snprintf(path, sizeof(path), "%s/2", dir);
	assert_int_equal(io_write_file_atomic(path, second, strlen(second), 0600, NULL), 0);
	snprintf(list, sizeof(list), "%s/none:%s/1:%s/2", dir, dir, dir);
	setenv("KUBECONFIG", list, 1);
	assert_int_equal(kube_config_load(&a, &o, &c, &err), 0);
	assert_string_equal(c.ca_pem, "PEM");
	o.kubeconfig = "/does/not/exist";
	assert_int_equal(kube_config_load(&a, &o, &c, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "/does/not/exist"));
	io_remove_tree(dir, NULL);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_current_context_and_a_named_one),
		cmocka_unit_test(what_cannot_work_says_why),
		cmocka_unit_test(files_of_the_list_are_merged_and_names_are_relative_to_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
