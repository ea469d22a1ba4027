/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/strategic.h"

#include "tests/unit/lab/apiserver/json.h"

static const struct {
	const char *what, *kind, *target, *patch, *want; /* want NULL: refused */
} rows[] = {
	{"maps merge, null deletes", "ConfigMap", "{'data':{'a':'1','b':'2'}}",
	 "{'data':{'b':null,'c':'3'}}", "{'data':{'a':'1','c':'3'}}"},
	{"containers merge by name", "Pod",
	 "{'spec':{'containers':[{'name':'a','image':'1','args':['x','y']},{'name':'b','image':'2'}"
	 "]}}",
	 "{'spec':{'containers':[{'name':'a','image':'3','args':['z']}]}}",
	 "{'spec':{'containers':[{'name':'a','image':'3','args':['z']},{'name':'b','image':'2'}]}"
	 "}"},
	{"a new container comes last", "Deployment",
	 "{'spec':{'template':{'spec':{'containers':[{'name':'a'}]}}}}",
	 "{'spec':{'template':{'spec':{'containers':[{'name':'b'}]}}}}",
	 "{'spec':{'template':{'spec':{'containers':[{'name':'a'},{'name':'b'}]}}}}"},
	{"an item is deleted", "Pod", "{'spec':{'containers':[{'name':'a'},{'name':'b'}]}}",
	 "{'spec':{'containers':[{'name':'a','$patch':'delete'}]}}",
	 "{'spec':{'containers':[{'name':'b'}]}}"},
	{"a list is replaced", "Pod", "{'spec':{'containers':[{'name':'a'},{'name':'b'}]}}",
	 "{'spec':{'containers':[{'name':'c'},{'$patch':'replace'}]}}",
	 "{'spec':{'containers':[{'name':'c'}]}}"},
	{"a map is replaced", "Deployment", "{'spec':{'selector':{'matchLabels':{'a':'b'}}}}",
	 "{'spec':{'selector':{'$patch':'replace','matchLabels':{'c':'d'}}}}",
	 "{'spec':{'selector':{'matchLabels':{'c':'d'}}}}"},
	{"a map is deleted", "Deployment",
	 "{'spec':{'strategy':{'rollingUpdate':{'maxSurge':1},'type':'x'}}}",
	 "{'spec':{'strategy':{'rollingUpdate':{'$patch':'delete'},'type':'Recreate'}}}",
	 "{'spec':{'strategy':{'type':'Recreate'}}}"},
	{"retainKeys drops the rest", "Deployment",
	 "{'spec':{'strategy':{'rollingUpdate':{'maxSurge':1},'type':'RollingUpdate'}}}",
	 "{'spec':{'strategy':{'$retainKeys':['type'],'type':'Recreate'}}}",
	 "{'spec':{'strategy':{'type':'Recreate'}}}"},
	{"finalizers are a set", "Pod", "{'metadata':{'finalizers':['a','b']}}",
	 "{'metadata':{'finalizers':['b','c']}}", "{'metadata':{'finalizers':['a','b','c']}}"},
	{"a member of a set goes", "Pod", "{'metadata':{'finalizers':['a','b']}}",
	 "{'metadata':{'$deleteFromPrimitiveList/finalizers':['a']}}",
	 "{'metadata':{'finalizers':['b']}}"},
	{"the order is set", "Pod",
	 "{'spec':{'containers':[{'name':'a'},{'name':'b'},{'name':'c'}]}}",
	 "{'spec':{'$setElementOrder/containers':[{'name':'c'},{'name':'a'},{'name':'b'}],"
	 "'containers':[{'name':'b','image':'2'}]}}",
	 "{'spec':{'containers':[{'name':'c'},{'name':'a'},{'name':'b','image':'2'}]}}"},
	{"lists without a key are replaced", "Pod",
	 "{'spec':{'tolerations':[{'key':'a'},{'key':'b'}]}}",
	 "{'spec':{'tolerations':[{'key':'c'}]}}", "{'spec':{'tolerations':[{'key':'c'}]}}"},
	{"conditions merge by type", "Node",
	 "{'status':{'conditions':[{'type':'Ready','status':'False'}]}}",
	 "{'status':{'conditions':[{'type':'Ready','status':'True'},{'type':'X','status':'True'}]}"
	 "}",
	 "{'status':{'conditions':[{'type':'Ready','status':'True'},{'type':'X','status':'True'}]}"
	 "}"},
	{"ports merge by number", "Service", "{'spec':{'ports':[{'port':80,'name':'a'}]}}",
	 "{'spec':{'ports':[{'port':80,'name':'b'},{'port':81}]}}",
	 "{'spec':{'ports':[{'port':80,'name':'b'},{'port':81}]}}"},
	{"nothing of a directive stays behind", "Pod", "{}",
	 "{'spec':{'volumes':[{'name':'v','$retainKeys':['name','emptyDir'],'emptyDir':{}}]}}",
	 "{'spec':{'volumes':[{'name':'v','emptyDir':{}}]}}"},
	{"an item without its key", "Pod", "{}", "{'spec':{'containers':[{'image':'x'}]}}", NULL},
	{"a patch that is no object", "Pod", "{}", "[]", NULL},
};

TEST(table)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a = ARENA_INIT;
		struct doc *target = json(&a, rows[i].target), *before = doc_clone(&a, target),
			   *out;
		int r = strategic_merge(&a, rows[i].kind, target, json(&a, rows[i].patch), &out,
					NULL);

		print_message("%s\n", rows[i].what);
		if (rows[i].want) {
			assert_int_equal(r, 0);
			assert_json(&a, out, rows[i].want);
		} else {
			assert_int_equal(r, -EINVAL);
		}
		assert_true(doc_equal(target, before));
		arena_release(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
