/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/lab/apiserver/schema.h"

#include "lib/base/str.h"
#include "tests/unit/lab/apiserver/json.h"

static const char schema_text[] =
	"{'type':'object','required':['spec'],'properties':{'spec':{'type':'object','required':['"
	"size'],"
	"'properties':{'size':{'type':'integer','minimum':1,'maximum':9},"
	"'color':{'type':'string','enum':['red','green'],'default':'red'},"
	"'name':{'type':'string','pattern':'^[a-z]\\\\d+$','maxLength':4},"
	"'port':{'x-kubernetes-int-or-string':true},"
	"'tags':{'type':'array','maxItems':2,'items':{'type':'string'}},"
	"'free':{'type':'object','x-kubernetes-preserve-unknown-fields':true},"
	"'labels':{'type':'object','additionalProperties':{'type':'string'}},"
	"'maybe':{'type':'string','nullable':true},"
	"'choice':{'oneOf':[{'required':['a']},{'required':['b']}],'type':'object','properties':{'"
	"a':{'type':"
	"'string'},'b':{'type':'string'}}}}}}}";

static struct doc *schema(struct arena *a)
{
	return json(a, schema_text);
}

TEST(prunes_what_it_does_not_know)
{
	struct arena a = ARENA_INIT;
	struct doc *d = json(
		&a, "{'kind':'K','metadata':{'name':'x','anything':1},'other':1,'spec':{'size':1,"
		    "'more':2,'free':{'kept':1},'labels':{'l':'1'}}}");
	struct doc *unknown = doc_list(&a);

	schema_prune(&a, schema(&a), d, unknown);
	assert_json(&a, d,
		    "{'kind':'K','metadata':{'name':'x','anything':1},'spec':{'size':1,'free':{'"
		    "kept':1},"
		    "'labels':{'l':'1'}}}");
	assert_int_equal(doc_len(unknown), 2);
	assert_true(str_eq(doc_str(doc_at(unknown, 1)), "spec.more"));
	arena_release(&a);
}

TEST(fills_defaults)
{
	struct arena a = ARENA_INIT;
	struct doc *d = json(&a, "{'spec':{'size':1}}");

	schema_default(&a, schema(&a), d);
	assert_json(&a, d, "{'spec':{'size':1,'color':'red'}}");
	arena_release(&a);
}

static const struct {
	const char *spec, *field, *part; /* field NULL: valid */
} rows[] = {
	{"{'size':1}", NULL, NULL},
	{"{}", "spec.size", "Required value"},
	{"{'size':'1'}", "spec.size", "must be of type integer: \"string\""},
	{"{'size':0}", "spec.size", "greater than or equal to 1"},
	{"{'size':10}", "spec.size", "less than or equal to 9"},
	{"{'size':1,'color':'blue'}", "spec.color", "supported values: \"red\", \"green\""},
	{"{'size':1,'name':'a12'}", NULL, NULL},
	{"{'size':1,'name':'12'}", "spec.name", "should match"},
	{"{'size':1,'name':'a1234'}", "spec.name", "at most 4"},
	{"{'size':1,'port':80}", NULL, NULL},
	{"{'size':1,'port':'http'}", NULL, NULL},
	{"{'size':1,'port':[]}", "spec.port", "integer or string"},
	{"{'size':1,'tags':['a',2]}", "spec.tags[1]", "string"},
	{"{'size':1,'tags':['a','b','c']}", "spec.tags", "too many"},
	{"{'size':1,'labels':{'a':1}}", "spec.labels.a", "string"},
	{"{'size':1,'maybe':null}", NULL, NULL},
	{"{'size':1,'choice':{'a':'x'}}", NULL, NULL},
	{"{'size':1,'choice':{'a':'x','b':'y'}}", "spec.choice", "one and only one"},
	{"[]", "spec", "must be of type object: \"array\""},
};

TEST(validates)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct arena a = ARENA_INIT;
		struct doc *d = doc_map(&a);
		struct causes c = {.arena = &a};
		const struct doc *first;

		doc_set(&a, d, "spec", json(&a, rows[i].spec));
		schema_validate(&c, schema(&a), d);
		first = doc_at(c.list, 0);
		if (!rows[i].field != !first ||
		    (first && (!str_eq(doc_str(doc_get(first, "field")), rows[i].field) ||
			       !strstr(doc_str(doc_get(first, "message")), rows[i].part))))
			fail_msg("row %zu: %s: %s", i, rows[i].spec,
				 str_or_empty(doc_str(doc_get(first, "message"))));
		arena_release(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prunes_what_it_does_not_know),
		cmocka_unit_test(fills_defaults),
		cmocka_unit_test(validates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
