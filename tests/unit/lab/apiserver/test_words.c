/* SPDX-License-Identifier: Apache-2.0 */
/* Names, times, paths, JSONPath, columns: the small pure parts. */
#include "deploy/lab/apiserver/columns.h"
#include "deploy/lab/apiserver/jsonpath.h"
#include "deploy/lab/apiserver/names.h"
#include "deploy/lab/apiserver/request.h"
#include "deploy/lab/apiserver/when.h"
#include "lib/base/str.h"
#include "tests/unit/lab/apiserver/json.h"

TEST(names)
{
	struct arena a = ARENA_INIT;

	assert_null(name_check_label("a-1"));
	assert_non_null(name_check_label("-a"));
	assert_non_null(name_check_label("A"));
	assert_non_null(name_check_label(""));
	assert_null(name_check_subdomain("a.b-c.1"));
	assert_non_null(name_check_subdomain("a..b"));
	assert_non_null(name_check_1035("1a"));
	assert_null(name_check_path("system:node:a"));
	assert_non_null(name_check_path("a/b"));
	assert_non_null(name_check_path(".."));
	assert_null(name_check_qualified("x.io/A_b.c"));
	assert_non_null(name_check_qualified("X.io/a"));
	assert_non_null(name_check_qualified("a/b/c"));
	assert_null(name_check_label_value(""));
	assert_non_null(name_check_label_value("a b"));
	assert_int_equal(strlen(name_uuid(&a)), 36);
	assert_int_equal(strlen(name_generate(&a, "web-")), 9);
	assert_int_equal(
		strlen(name_generate(
			&a, "0123456789012345678901234567890123456789012345678901234567890123")),
		63);
	arena_release(&a);
}

TEST(times)
{
	struct arena a = ARENA_INIT;
	int64_t t;

	assert_string_equal(when_format(&a, 1763878800), "2025-11-23T06:20:00Z");
	assert_true(when_parse("2025-11-23T06:20:00Z", &t));
	assert_int_equal(t, 1763878800);
	assert_true(when_parse("2025-11-23T08:20:00.123456+02:00", &t));
	assert_int_equal(t, 1763878800);
	assert_false(when_parse("yesterday", &t));
	assert_false(when_parse("2025-11-23T06:20:00", &t));
	assert_string_equal(when_age(&a, "2025-11-23T06:20:00Z", t + 119), "119s");
	assert_string_equal(when_age(&a, "2025-11-23T06:20:00Z", t + 125), "2m5s");
	assert_string_equal(when_age(&a, "2025-11-23T06:20:00Z", t + 3600 * 3), "3h");
	assert_string_equal(when_age(&a, "2025-11-23T06:20:00Z", t + 3600 * 50), "2d2h");
	assert_string_equal(when_age(&a, "2025-11-23T06:20:00Z", t - 5), "0s");
	assert_string_equal(when_age(&a, NULL, t), "<unknown>");
	arena_release(&a);
}

static const struct {
	const char *path, *group, *version, *ns, *plural, *name, *sub; /* group NULL: no resource */
} paths[] = {
	{"/api/v1/pods", "", "v1", "", "pods", "", ""},
	{"/api/v1/namespaces", "", "v1", "", "namespaces", "", ""},
	{"/api/v1/namespaces/a", "", "v1", "", "namespaces", "a", ""},
	{"/api/v1/namespaces/a/status", "", "v1", "", "namespaces", "a", "status"},
	{"/api/v1/namespaces/a/finalize", "", "v1", "", "namespaces", "a", "finalize"},
	{"/api/v1/namespaces/a/pods", "", "v1", "a", "pods", "", ""},
	{"/api/v1/namespaces/a/pods/b/log", "", "v1", "a", "pods", "b", "log"},
	{"/apis/apps/v1/deployments", "apps", "v1", "", "deployments", "", ""},
	{"/apis/apps/v1/namespaces/a/deployments/b/scale", "apps", "v1", "a", "deployments", "b",
	 "scale"},
	{"/api/v1", NULL, NULL, NULL, NULL, NULL, NULL},
	{"/apis/apps/v1", NULL, NULL, NULL, NULL, NULL, NULL},
	{"/api/v1/namespaces/a/pods/b/log/x", NULL, NULL, NULL, NULL, NULL, NULL},
	{"/api/v1//pods", NULL, NULL, NULL, NULL, NULL, NULL},
	{"/", NULL, NULL, NULL, NULL, NULL, NULL},
};

TEST(targets)
{
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct arena a = ARENA_INIT;
		struct target t;
		int r = target_parse(&a, paths[i].path, &t);

		print_message("%s\n", paths[i].path);
		assert_int_equal(r, paths[i].group ? 0 : -ENOENT);
		if (!r) {
			assert_string_equal(t.group, paths[i].group);
			assert_string_equal(t.version, paths[i].version);
			assert_string_equal(t.ns, paths[i].ns);
			assert_string_equal(t.plural, paths[i].plural);
			assert_string_equal(t.name, paths[i].name);
			assert_string_equal(t.subresource, paths[i].sub);
		}
		arena_release(&a);
	}
}

static const struct {
	const char *path, *want; /* want NULL: nothing there */
} json_paths[] = {
	{".spec.size", "3"},
	{"{.spec.size}", "3"},
	{".spec.list[1]", "'b'"},
	{".spec.list[-1]", "'c'"},
	{".spec.list[*]", "'a'"},
	{".spec.list[9]", NULL},
	{".metadata.labels['a.b/c']", "'x'"},
	{".metadata.labels.a\\.b/c", "'x'"},
	{".status.conditions[?(@.type==\"Ready\")].status", "'True'"},
	{".status.conditions[?(@.type=='Gone')].status", NULL},
	{".status.conditions[?(@.n==2)].type", "'B'"},
	{".nothing.there", NULL},
	{"", "{}"},
	{".spec[", NULL},
	{".spec[?(x)]", NULL},
};

TEST(json_path)
{
	for (size_t i = 0; i < ARRAY_SIZE(json_paths); i++) {
		struct arena a = ARENA_INIT;
		struct doc *d = json(&a, "{'metadata':{'labels':{'a.b/"
					 "c':'x'}},'spec':{'size':3,'list':['a','b','c']},"
					 "'status':{'conditions':[{'type':'A'},{'type':'Ready','"
					 "status':'True'},{'type':"
					 "'B','n':2}]}}");
		const struct doc *found = jsonpath_first(d, json_paths[i].path);

		print_message("%s\n", json_paths[i].path);
		if (!*json_paths[i].path)
			assert_ptr_equal(found, d);
		else if (json_paths[i].want)
			assert_json(&a, found, json_paths[i].want);
		else
			assert_null(found);
		arena_release(&a);
	}
	assert_int_equal(jsonpath_check(".a.b[0]['x']", NULL), 0);
	assert_int_equal(jsonpath_check(".a[", NULL), -EINVAL);
}

static const struct {
	const char *pod, *ready, *status, *restarts;
} pods[] = {
	{"{'spec':{'containers':[{'name':'a'}]},'status':{'phase':'Pending'}}", "0/1", "Pending",
	 "0"},
	{"{'spec':{'containers':[{'name':'a'},{'name':'b'}]},'status':{'phase':'Running','"
	 "containerStatuses':["
	 "{'name':'a','ready':true,'state':{'running':{}},'restartCount':2},"
	 "{'name':'b','ready':false,'state':{'waiting':{'reason':'CrashLoopBackOff'}},'"
	 "restartCount':3}]}}",
	 "1/2", "CrashLoopBackOff", "5"},
	{"{'spec':{'containers':[{'name':'a'}],'initContainers':[{'name':'i'},{'name':'j'}]},'"
	 "status':{'phase':"
	 "'Pending','initContainerStatuses':[{'name':'i','state':{'terminated':{'exitCode':0}}},{'"
	 "name':'j',"
	 "'state':{'running':{}}}]}}",
	 "0/1", "Init:1/2", "0"},
	{"{'spec':{'containers':[{'name':'a'}],'initContainers':[{'name':'s','restartPolicy':'"
	 "Always'}]},'status':"
	 "{'phase':'Running','initContainerStatuses':[{'name':'s','started':true,'ready':true,'"
	 "restartCount':1,"
	 "'state':{'running':{}}}],'containerStatuses':[{'name':'a','ready':true,'state':{'running'"
	 ":{}}}]}}",
	 "2/2", "Running", "1"},
	{"{'metadata':{'deletionTimestamp':'2025-01-01T00:00:00Z'},'spec':{'containers':[{'name':'"
	 "a'}]},'status':"
	 "{'phase':'Running','containerStatuses':[{'name':'a','ready':true,'state':{'running':{}}}]"
	 "}}",
	 "1/1", "Terminating", "0"},
	{"{'spec':{'containers':[{'name':'a'}]},'status':{'phase':'Failed','containerStatuses':[{'"
	 "name':'a','state':"
	 "{'terminated':{'exitCode':3}}}]}}",
	 "0/1", "ExitCode:3", "0"},
	{"{}", "0/0", "", "0"},
};

TEST(columns_of_pods)
{
	for (size_t i = 0; i < ARRAY_SIZE(pods); i++) {
		struct arena a = ARENA_INIT;
		struct cell c = {&a, json(&a, pods[i].pod), 0, NULL};

		assert_string_equal(doc_str(cell_pod_ready(&c)), pods[i].ready);
		assert_string_equal(doc_str(cell_pod_status(&c)), pods[i].status);
		assert_string_equal(doc_str(cell_pod_restarts(&c)), pods[i].restarts);
		arena_release(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),           cmocka_unit_test(times),
		cmocka_unit_test(targets),         cmocka_unit_test(json_path),
		cmocka_unit_test(columns_of_pods),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
