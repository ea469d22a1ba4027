/* SPDX-License-Identifier: Apache-2.0 */
/* What a prune and the way back leave where it is: config_left.h. */
#include <string.h>

#include "lib/base/str.h"
#include "tests/support/test.h"
#include "tests/unit/upgrade/apply.h"

#define TILLS "tills.shop.example.org"
#define SHOP  "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n"
#define ROLE                                                                                       \
	"apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: "           \
	"shop-reader}\nrules: []\n---\n"
#define RATES(v)                                                                                   \
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: rates}\ndata: {eur: '" v "'}\n---\n"
#define BANK(pin)                                                                                  \
	"apiVersion: v1\nkind: Secret\nmetadata: {name: bank}\nstringData: {pin: " pin "}\n---\n"
#define CRD                                                                                        \
	"apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: "          \
	"{name: " TILLS                                                                            \
	"}\nspec: {group: shop.example.org, scope: Namespaced, names: {kind: Till, plural: "       \
	"tills}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: "    \
	"{type: object}}}]}\n---\n"

static void must_apply(struct api *w, const char *machine, const struct apply_options *o)
{
	assert_int_equal(apply_all(w, machine, o), 0);
}

/* What t's proposal leaves out, one line each. */
static const char *left_out(struct apply *t)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	doc_foreach_item (t->proposal.scene.left_out, d)
		strbuf_addf(&sb, "%s\n", doc_str(d));
	return arena_strdup(&t->api->arena, strbuf_cstr(&sb));
}

static void must_leave(struct api *w, const struct apply_options *o, const char *want,
		       bool nothing_else)
{
	static struct apply t;

	apply_open(&t, w, "mine", -1);
	apply_must_propose(&t, o);
	if (want ? !strstr(left_out(&t), want) : *left_out(&t))
		fail_msg("%s", left_out(&t));
	if (nothing_else && (t.proposal.n_operations || t.proposal.records))
		fail_msg("%zu operations, %s", t.proposal.n_operations, apply_records(&t));
	apply_close(&t);
}

static bool is_there(struct api *w, const char *kind, const char *name)
{
	return api_get(w, "v1", kind, str_eq(kind, "Namespace") ? NULL : "shop", name);
}

static bool knows_tills(struct api *w)
{
	return api_get(w, "apiextensions.k8s.io/v1", "CustomResourceDefinition", NULL, TILLS);
}

/* A revision that adopts a namespace and what is in it: the way back leaves both. */
TEST(what_was_there_before_stays)
{
	const struct apply_options one = {.manifests = ROLE},
				   two = {.manifests = ROLE SHOP RATES("1") BANK("x")},
				   pruned = {.manifests = ROLE, .prune = true},
				   back = {.back = "1"};
	struct api w;

	api_new(&w);
	api_apply(&w, SHOP "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: rates, namespace: "
			   "shop}\ndata: {eur: '1'}\n");
	must_apply(&w, "mine", &one);
	must_apply(&w, "mine", &two);
	must_leave(&w, &pruned, "Namespace/shop: left: it was there before", false);
	must_leave(&w, &back, "ConfigMap/shop/rates: left: it was there before", false);
	must_apply(&w, "mine", &back);
	assert_true(is_there(&w, "Namespace", "shop") && is_there(&w, "ConfigMap", "rates"));
	assert_false(is_there(&w, "Secret", "bank"));
	/* It is nobody's any more, and said once. */
	must_leave(&w, &back, NULL, true);
	api_free(&w);
}

/* What an apply has made goes, but a definition only when somebody names it. */
TEST(what_loses_data_goes_only_by_name)
{
	const struct apply_options one = {.manifests = ROLE SHOP},
				   two = {.manifests = ROLE SHOP CRD RATES("1")},
				   back = {.back = "1"},
				   named = {.back = "1",
					    .delete = "CustomResourceDefinition/" TILLS};
	struct api w;

	api_new(&w);
	must_apply(&w, "mine", &one);
	must_apply(&w, "mine", &two);
	must_apply(&w, "theirs", &back);
	assert_false(is_there(&w, "ConfigMap", "rates"));
	assert_true(knows_tills(&w));
	must_leave(&w, &back, TILLS ": left: what it holds would be lost", true);
	must_apply(&w, "mine", &named);
	assert_false(knows_tills(&w));
	must_leave(&w, &back, NULL, true);
	api_free(&w);
}

/* A revision of an older release: nobody knows, so nothing is deleted unless it is named. */
TEST(a_revision_that_does_not_say_deletes_nothing)
{
	const struct store_note note = {.who = "old", .why = "older", .when_s = 1};
	const struct apply_options one = {.manifests = ROLE}, two = {.manifests = ROLE SHOP},
				   back = {.back = "1"},
				   named = {.back = "1", .delete = "ConfigMap/shop/rates"};
	static struct apply t;
	struct store_revision newest, made;
	struct snapshot set;
	struct doc *d;
	struct api w;

	api_new(&w);
	must_apply(&w, "mine", &one);
	must_apply(&w, "mine", &two);
	api_apply(&w, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: rates, namespace: shop}\n"
		      "data: {eur: '1'}\n");
	apply_open(&t, &w, "mine", -1);
	snapshot_init(&set, &t.session.arena);
	assert_int_equal(snapshot_add(&set, api_get(&w, "v1", "ConfigMap", "shop", "rates"), NULL),
			 0);
	assert_int_equal(config_history_newest(&t.place, &newest, &t.err), 0);
	d = config_revision_make(&t.session.arena, &t.place, &newest, &note, NULL, &set, NULL);
	assert_null(doc_get(d, "created"));
	if (config_history_record(&t.place, d, &made, &t.err))
		fail_msg("%s", t.err.msg);
	snapshot_release(&set);
	apply_close(&t);
	must_leave(&w, &back,
		   "ConfigMap/shop/rates: left: whether it was there before is not known", false);
	must_apply(&w, "mine", &named);
	assert_false(is_there(&w, "ConfigMap", "rates"));
	assert_true(is_there(&w, "Namespace", "shop"));
	api_free(&w);
}

/* What the end would refuse is refused at the beginning. */
TEST(a_name_is_looked_at_before_anything_is_done)
{
	static const struct {
		const char *as;
		int want;
	} rows[] = {{"2026-01", -EINVAL}, {"newest", -EINVAL}, {"first", -EEXIST}, {"second", 0}};
	static struct apply t;
	struct api w;

	api_new(&w);
	must_apply(&w, "mine", &(struct apply_options){.manifests = ROLE, .as = "first"});
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		apply_open(&t, &w, i % 2 ? "mine" : "theirs", -1);
		assert_int_equal(apply_propose(&t, &(struct apply_options){.manifests = ROLE SHOP,
									   .as = rows[i].as}),
				 rows[i].want);
		apply_close(&t);
	}
	api_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_there_before_stays),
		cmocka_unit_test(what_loses_data_goes_only_by_name),
		cmocka_unit_test(a_revision_that_does_not_say_deletes_nothing),
		cmocka_unit_test(a_name_is_looked_at_before_anything_is_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
