/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Applies against a real API server: there and back, killed once at every boundary of the journal,
 * changed by others, refused by the server. Time is a fake clock.
 */
#include <string.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/cli/exit.h"
#include "lib/report/report.h"
#include "tests/support/test.h"
#include "tests/unit/upgrade/apply.h"

/* base64 of pin-one, pin-two, pin-three */
#define PIN_ONE   "cGluLW9uZQ"
#define PIN_TWO   "cGluLXR3bw"
#define PIN_THREE "cGluLXRocmVl"

#define SHOP "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n"
#define CRD                                                                                        \
	"apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n"                    \
	"metadata: {name: tills.shop.example.org}\n"                                               \
	"spec: {group: shop.example.org, scope: Namespaced, names: {kind: Till, plural: tills}, "  \
	"versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: "     \
	"object, x-kubernetes-preserve-unknown-fields: true}}}]}\n---\n"
#define TILL(n)                                                                                    \
	"apiVersion: shop.example.org/v1\nkind: Till\nmetadata: {name: t}\nspec: {rank: " n        \
	"}\n---"                                                                                   \
	"\n"
#define RATES(v)                                                                                   \
	"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: rates}\ndata: {eur: '" v "'}\n---\n"
#define BANK(pin)                                                                                  \
	"apiVersion: v1\nkind: Secret\nmetadata: {name: bank}\nstringData: {pin: " pin "}\n---\n"
#define ROLE                                                                                       \
	"apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: "           \
	"shop-reader}\nrules: []\n---\n"
#define WEB(replicas, image, extra)                                                                \
	"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"                           \
	"spec: {replicas: " replicas                                                               \
	", selector: {matchLabels: {app: web}}, template: {metadata: "                             \
	"{labels: {app: web}}, spec: {containers: [{name: app, image: '" image "'" extra           \
	"}]}}}\n---\n"
#define ENV(v) ", env: [{name: DB_PASSWORD, value: " v "}]"

#define FIRST SHOP CRD ROLE RATES("1.1") BANK("pin-one") WEB("1", "web:1", ENV("pin-one")) TILL("1")
#define SECOND                                                                                     \
	SHOP CRD ROLE RATES("1.2") BANK("pin-two") WEB("2", "web:2", ENV("pin-two")) TILL("2")
/* Without the role and the rates. */
#define THIRD SHOP CRD BANK("pin-three") WEB("2", "web:2", "") TILL("2")

/* What a Deployment's controller would do: all pods are new and available. */
static void deploy(struct api *w)
{
	struct doc *d = api_get(w, "apps/v1", "Deployment", "shop", "web");
	const long long n = doc_find_int(d, "spec.replicas", 1);

	if (d)
		api_patch(w, KIND_DEPLOYMENT, "shop", "web", "status",
			  arena_printf(&w->arena,
				       "{\"status\": {\"observedGeneration\": %lld, \"replicas\": "
				       "%lld, \"updatedReplicas\": %lld, \"availableReplicas\": "
				       "%lld}}",
				       (long long)doc_find_int(d, "metadata.generation", 0), n, n,
				       n));
}

static int boundaries(struct api *w, const char *machine, const struct apply_options *o,
		      int kill_at, bool abort)
{
	static struct apply t;
	int code = -1, passed;

	t.meanwhile = deploy;
	apply_open(&t, w, machine, kill_at);
	apply_must_propose(&t, o);
	if (!apply_go(&t, &code)) {
		passed = t.boundary;
		apply_close(&t);
		/* Every second time from the cluster alone. */
		apply_open(&t, w, kill_at % 2 ? "colleague" : machine, -1);
		assert_true(apply_again(&t, abort, &code));
	} else {
		passed = t.boundary;
	}
	if (code)
		fail_msg("killed at %d: exit %d", kill_at, code);
	apply_close(&t);
	fake_clock_advance(&w->clock, 2 * NS_PER_S);
	return passed;
}

static const char *history(struct api *w, const char *machine)
{
	static struct apply t;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct store_revision *list;
	size_t n;

	apply_open(&t, w, machine, -1);
	assert_int_equal(store_history(t.place.store, &t.session.arena, &list, &n, &t.err), 0);
	for (size_t i = 0; i < n; i++)
		strbuf_addf(&out, "%u %s\n", list[i].number, list[i].id);
	apply_close(&t);
	return arena_strdup(&w->arena, strbuf_cstr(&out));
}

static void must_be_whole(struct api *w)
{
	static struct apply t;
	struct report report;

	apply_open(&t, w, "mine", -1);
	report_init(&report, "test", "test", clock_system());
	assert_int_equal(config_history_fsck(&t.place, &report, &t.err), 0);
	for (size_t i = 0; i < report.n; i++)
		if (report.findings[i].result != FINDING_PASS)
			fail_msg("%s: %s", report.findings[i].id, report.findings[i].message);
	report_release(&report);
	apply_close(&t);
}

TEST(there_and_back)
{
	const struct apply_options first = {.manifests = FIRST}, second = {.manifests = SECOND},
				   third = {.manifests = THIRD, .prune = true},
				   to_one = {.back = "1"}, to_two = {.back = "2"};
	const char *one, *two, *three;
	struct api w;

	api_new(&w);
	boundaries(&w, "mine", &first, -1, false);
	one = apply_state(&w);
	assert_non_null(strstr(one, PIN_ONE));
	boundaries(&w, "mine", &second, -1, false);
	two = apply_state(&w);
	assert_non_null(strstr(two, PIN_TWO));
	assert_null(strstr(two, PIN_ONE));
	boundaries(&w, "theirs", &third, -1, false);
	three = apply_state(&w);
	assert_null(strstr(three, "rates"));
	assert_null(strstr(three, "shop-reader"));
	/* From another machine than that which knows the values: they are in the cluster. */
	boundaries(&w, "mine", &to_one, -1, false);
	assert_string_equal(apply_state(&w), one);
	boundaries(&w, "theirs", &to_two, -1, false);
	assert_string_equal(apply_state(&w), two);
	assert_string_equal(history(&w, "mine"), history(&w, "theirs"));
	assert_non_null(strstr(history(&w, "third"), "5 "));
	must_be_whole(&w);
	for (size_t i = 0; i < 3; i++) {
		static const char *const words[] = {"pin-one", "pin-two", "pin-three"};
		static const char *const coded[] = {PIN_ONE, PIN_TWO, PIN_THREE};

		assert_false(apply_leaks(&w, words[i]));
		assert_false(apply_leaks(&w, coded[i]));
	}
	assert_true(apply_leaks(&w, "hmac-sha256:"));
	api_free(&w);
}

TEST(the_same_again_is_nothing_to_do)
{
	static struct apply t;
	struct api w;

	api_new(&w);
	boundaries(&w, "mine", &(struct apply_options){.manifests = FIRST}, -1, false);
	apply_open(&t, &w, "mine", -1);
	apply_must_propose(&t, &(struct apply_options){.manifests = FIRST});
	assert_int_equal(t.proposal.n_operations, 0);
	if (t.proposal.records)
		fail_msg("%s", apply_records(&t));
	apply_close(&t);
	api_free(&w);
}

/* Every boundary once, for an apply that makes, changes and deletes; then gone on with, or back. */
static void killed(bool abort)
{
	const struct apply_options first = {.manifests = FIRST, .prune = true},
				   third = {.manifests = THIRD, .prune = true};
	const char *before = NULL, *after = NULL;
	int n = 1;

	for (int i = -1; i < n; i++) {
		struct api w;

		api_new(&w);
		boundaries(&w, "mine", &first, -1, false);
		if (i < 0)
			before = strdup(apply_state(&w));
		if (i < 0)
			n = boundaries(&w, "mine", &third, -1, false);
		else
			boundaries(&w, "mine", &third, i, abort);
		if (i < 0)
			after = strdup(apply_state(&w));
		assert_string_equal(apply_state(&w), i >= 0 && abort ? before : after);
		if (!abort || i < 0)
			must_be_whole(&w);
		assert_false(apply_leaks(&w, "pin-"));
		api_free(&w);
	}
	printf("%d boundaries\n", n);
	free((void *)(uintptr_t)before);
	free((void *)(uintptr_t)after);
}

TEST(killed_at_every_boundary_it_goes_on)
{
	killed(false);
}

TEST(killed_at_every_boundary_it_goes_back)
{
	killed(true);
}

static void nobody(struct api *w)
{
	(void)w;
}

static void gives_up(struct api *w)
{
	api_patch(w, KIND_DEPLOYMENT, "shop", "web", "status",
		  "{\"status\": {\"observedGeneration\": 9, \"conditions\": [{\"type\": "
		  "\"Progressing\", \"status\": \"False\", \"reason\": "
		  "\"ProgressDeadlineExceeded\"}]}}");
}

/* The gate says no: everything is as it was. Nobody says anything: it is left for a person. */
TEST(what_does_not_become_ready_is_put_back)
{
	static struct apply t;
	const char *before;
	struct api w;
	int code;

	api_new(&w);
	boundaries(&w, "mine", &(struct apply_options){.manifests = FIRST}, -1, false);
	before = apply_state(&w);
	t.meanwhile = gives_up;
	apply_open(&t, &w, "mine", -1);
	apply_must_propose(&t, &(struct apply_options){.manifests = SECOND});
	assert_true(apply_go(&t, &code));
	assert_int_equal(code, CLI_ROLLED_BACK);
	apply_close(&t);
	assert_string_equal(apply_state(&w), before);
	assert_null(strstr(history(&w, "mine"), "2 "));
	fake_clock_advance(&w.clock, 2 * NS_PER_S);
	api_free(&w);

	api_new(&w);
	t.meanwhile = nobody;
	apply_open(&t, &w, "mine", -1);
	apply_must_propose(&t, &(struct apply_options){.manifests = FIRST});
	assert_true(apply_go(&t, &code));
	assert_int_equal(code, CLI_INCONCLUSIVE);
	apply_close(&t);
	t.meanwhile = deploy;
	apply_open(&t, &w, "mine", -1);
	assert_true(apply_again(&t, false, &code));
	assert_int_equal(code, CLI_OK);
	apply_close(&t);
	api_free(&w);
}

/* Why the newest run stands where it does, as people read it. */
static const char *why_it_stands(struct apply *t)
{
	struct run_status status;

	run_status(&t->session.arena, t->session.journal, t->session.steps, t->session.n_steps,
		   &status);
	return str_or_empty(status.reason);
}

/* Somebody edits between the kill and the resume, or before the way back. */
static void edited(bool abort, int kill_at, const char *edit, const char *stays, int want)
{
	static struct apply t;
	struct api w;
	int code;

	api_new(&w);
	boundaries(&w, "mine", &(struct apply_options){.manifests = FIRST}, -1, false);
	t.meanwhile = deploy;
	apply_open(&t, &w, "mine", kill_at);
	apply_must_propose(&t, &(struct apply_options){.manifests = SECOND});
	if (apply_go(&t, &code))
		fail_msg("it ended before boundary %d", kill_at);
	apply_close(&t);
	api_patch(&w, KIND_CONFIG_MAP, "shop", "rates", NULL, edit);
	apply_open(&t, &w, "mine", -1);
	assert_true(apply_again(&t, abort, &code));
	if (code != want)
		fail_msg("exit %d: %s", code, apply_state(&w));
	if (want == CLI_BLOCKED || want == CLI_ROLLBACK_FAILED)
		assert_string_equal(why_it_stands(&t),
				    "config: ConfigMap/shop/rates: data.eur is \"9\", not \"1.2\"");
	if (!strstr(apply_state(&w), stays))
		fail_msg("%s", apply_state(&w));
	apply_close(&t);
	api_free(&w);
}

#define HERE_NOTHING 2 /* boundary: begun, nothing written yet */

TEST(a_foreign_change_is_a_conflict_and_stays)
{
	const char *theirs = "{\"data\": {\"eur\": \"9\"}}",
		   *other = "{\"data\": {\"usd\": \"7\"}}";
	int last;
	struct api w;

	edited(false, HERE_NOTHING, theirs, "\"eur\":\"9\"", CLI_BLOCKED);
	edited(true, HERE_NOTHING, theirs, "\"eur\":\"9\"", CLI_OK);
	/* Another field of the same object is nobody's conflict. */
	edited(false, HERE_NOTHING, other, "\"eur\":\"1.2\",\"usd\":\"7\"", CLI_OK);
	api_new(&w);
	boundaries(&w, "mine", &(struct apply_options){.manifests = FIRST}, -1, false);
	last = boundaries(&w, "mine", &(struct apply_options){.manifests = SECOND}, -1, false) - 1;
	api_free(&w);
	edited(true, last, other, "\"eur\":\"1.1\",\"usd\":\"7\"", CLI_OK);
	edited(true, last, theirs, "\"eur\":\"9\"", CLI_ROLLBACK_FAILED);
}

/* A plan that was saved, and what has happened since. */
TEST(a_plan_is_carried_out_only_while_nothing_moved)
{
	static struct apply t;
	auto_release(strbuf) struct strbuf plan = STRBUF_INIT;
	struct apply_options from = {.plan = NULL};
	struct api w;

	api_new(&w);
	boundaries(&w, "mine", &(struct apply_options){.manifests = FIRST}, -1, false);
	apply_open(&t, &w, "mine", -1);
	apply_must_propose(&t, &(struct apply_options){.manifests = SECOND});
	doc_write_json(t.proposal.plan, DOC_PRETTY, &plan);
	apply_close(&t);
	assert_null(strstr(strbuf_cstr(&plan), "pin-"));
	assert_null(strstr(strbuf_cstr(&plan), PIN_TWO));
	from.plan = strbuf_cstr(&plan);

	/* Its secrets are in no plan. */
	apply_open(&t, &w, "theirs", -1);
	assert_int_equal(apply_propose(&t, &from), 0);
	assert_non_null(strstr(apply_blocked(&t), "data.pin is not known"));
	apply_close(&t);

	api_patch(&w, KIND_CONFIG_MAP, "shop", "rates", NULL, "{\"data\": {\"eur\": \"3\"}}");
	from.manifests = SECOND;
	apply_open(&t, &w, "theirs", -1);
	assert_int_equal(apply_propose(&t, &from), -ESTALE);
	if (!strstr(t.err.msg, "rates") || !strstr(t.err.msg, "data.eur is \"3\" now"))
		fail_msg("%s", t.err.msg);
	apply_close(&t);
	api_patch(&w, KIND_CONFIG_MAP, "shop", "rates", NULL, "{\"data\": {\"eur\": \"1.1\"}}");

	apply_open(&t, &w, "theirs", -1);
	fake_clock_advance(&w.clock, 7200 * NS_PER_S);
	assert_int_equal(apply_propose(&t, &from), -ESTALE);
	assert_non_null(strstr(t.err.msg, "expired"));
	apply_close(&t);
	api_free(&w);
}

/* The manifests given with a plan are only where its values are looked for. */
TEST(a_plan_takes_its_values_from_what_was_planned)
{
	static struct apply t;
	auto_release(strbuf) struct strbuf plan = STRBUF_INIT;
	struct apply_options from = {.manifests = THIRD};
	struct api w;
	int code;

	api_new(&w);
	boundaries(&w, "mine", &(struct apply_options){.manifests = FIRST}, -1, false);
	apply_open(&t, &w, "mine", -1);
	apply_must_propose(&t, &(struct apply_options){.manifests = SECOND});
	doc_write_json(t.proposal.plan, DOC_PRETTY, &plan);
	apply_close(&t);
	from.plan = strbuf_cstr(&plan);
	apply_open(&t, &w, "theirs", -1);
	assert_int_equal(apply_propose(&t, &from), 0);
	assert_non_null(strstr(apply_blocked(&t), "data.pin is not known"));
	apply_close(&t);
	from.manifests = SECOND;
	t.meanwhile = deploy;
	apply_open(&t, &w, "theirs", -1);
	apply_must_propose(&t, &from);
	assert_true(apply_go(&t, &code));
	assert_int_equal(code, CLI_OK);
	assert_non_null(strstr(apply_state(&w), PIN_TWO));
	apply_close(&t);
	api_free(&w);
}

TEST(conflicts_and_what_cannot_be_changed_block)
{
	auto_release(strbuf) struct strbuf plan = STRBUF_INIT;
	static struct apply t;
	struct api w;
	int code;

	api_new(&w);
	boundaries(&w, "mine", &(struct apply_options){.manifests = FIRST}, -1, false);
	api_patch(&w, KIND_CONFIG_MAP, "shop", "rates", NULL, "{\"data\": {\"eur\": \"3\"}}");
	apply_open(&t, &w, "mine", -1);
	assert_int_equal(apply_propose(&t, &(struct apply_options){.manifests = SECOND}), 0);
	assert_non_null(strstr(apply_blocked(&t), "ConfigMap/shop/rates: data.eur is a conflict"));
	apply_close(&t);
	apply_open(&t, &w, "mine", -1);
	apply_must_propose(&t, &(struct apply_options){.manifests = SECOND,
						       .overwrite = "ConfigMap/shop/rates"});
	doc_write_json(t.proposal.plan, DOC_COMPACT, &plan);
	apply_close(&t);
	t.meanwhile = deploy;
	apply_open(&t, &w, "mine", -1);
	/* The plan says so itself. */
	apply_must_propose(
		&t, &(struct apply_options){.manifests = SECOND, .plan = strbuf_cstr(&plan)});
	assert_true(apply_go(&t, &code));
	assert_int_equal(code, CLI_OK);
	apply_close(&t);
	apply_open(&t, &w, "mine", -1);
	assert_int_equal(
		apply_propose(&t,
			      &(struct apply_options){
				      .manifests = "apiVersion: apps/v1\nkind: "
						   "Deployment\nmetadata: {name: web}\nspec: "
						   "{selector: {matchLabels: {app: other}}}\n"}),
		0);
	assert_non_null(
		strstr(apply_blocked(&t), "spec.selector.matchLabels.app cannot be changed"));
	apply_close(&t);
	apply_open(&t, &w, "mine", -1);
	assert_int_equal(
		apply_propose(&t, &(struct apply_options){.manifests =
								  "apiVersion: no.example.org/v1\n"
								  "kind: Unheard\nmetadata: {name: "
								  "of}\n"}),
		0);
	assert_non_null(strstr(apply_blocked(&t), "the server has no kind Unheard"));
	apply_close(&t);
	apply_open(&t, &w, "mine", -1);
	assert_int_equal(
		apply_propose(
			&t, &(struct apply_options){.manifests = "apiVersion: v1\nkind: ConfigMap\n"
								 "metadata: {name: a, namespace: "
								 "nowhere}\n"}),
		0);
	assert_non_null(strstr(apply_blocked(&t), "there is no namespace nowhere"));
	apply_close(&t);
	api_free(&w);
}

/* The kept values are out of time and swept: it says so before it starts. */
TEST(a_value_that_is_gone_is_said_before_the_way_back)
{
	static struct apply t;
	struct api w;

	api_new(&w);
	boundaries(&w, "mine", &(struct apply_options){.manifests = FIRST}, -1, false);
	boundaries(&w, "mine", &(struct apply_options){.manifests = SECOND}, -1, false);
	fake_clock_advance(&w.clock, 4000 * NS_PER_S);
	boundaries(&w, "mine", &(struct apply_options){.manifests = THIRD}, -1, false);
	apply_open(&t, &w, "mine", -1);
	assert_int_equal(apply_propose(&t, &(struct apply_options){.back = "1"}), 0);
	if (!strstr(apply_blocked(&t), "not known any more"))
		fail_msg("%s", apply_blocked(&t));
	apply_close(&t);
	/* Whoever has the manifests can. */
	apply_open(&t, &w, "mine", -1);
	apply_must_propose(&t, &(struct apply_options){.back = "1", .manifests = FIRST});
	apply_close(&t);
	api_free(&w);
}

#define TILLS                                                                                      \
	"apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n"                    \
	"metadata: {name: tills.shop.example.org}\n"                                               \
	"spec: {group: shop.example.org, scope: Namespaced, names: {kind: Till, plural: tills}, "  \
	"versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: "     \
	"object, properties: {spec: {type: object, properties: {name: {type: string}, size: "      \
	"{type: integer, default: 3}, lit: {type: boolean, default: false}, box: {type: object, "  \
	"default: {}, properties: {depth: {type: integer, default: 7}}}}}}}}}]}\n---\n"
#define ONE_TILL "apiVersion: shop.example.org/v1\nkind: Till\nmetadata: {name: one}\n"

/* What the second revision says and the first does not. */
static const char *const named_later[] = {"size: 4", "size: 3", "lit: true", "box: {depth: 9}",
					  "size: 5, lit: true, box: {depth: 7}"};

static void two_revisions(struct api *w, const char *fields)
{
	const struct apply_options one = {.manifests = SHOP TILLS ONE_TILL "spec: {name: a}\n"};
	/* This server writes no managedFields: whose the default is, nobody can tell. */
	struct apply_options two = {.overwrite = "Till/shop/one"};

	api_new(w);
	two.manifests =
		arena_printf(&w->arena, SHOP TILLS ONE_TILL "spec: {name: b, %s}\n", fields);
	boundaries(w, "mine", &one, -1, false);
	boundaries(w, "mine", &two, -1, false);
}

/*
 * A field that goes, and has a default in its kind's schema, is afterwards what it was before
 * somebody named it. Killed at `at` and gone on with, or taken back. How many boundaries there are.
 */
static int unnamed_again(const char *fields, int at, bool abort)
{
	const struct apply_options back = {.back = "1"};
	static struct apply t;
	const char *one, *two;
	struct api w;
	int n;

	two_revisions(&w, fields);
	two = apply_state(&w);
	n = boundaries(&w, "mine", &back, at, abort);
	if (at >= 0 && abort) {
		assert_string_equal(apply_state(&w), two);
		n = boundaries(&w, "mine", &back, -1, false);
	}
	one = apply_state(&w);
	if (!strstr(one, "\"box\":{\"depth\":7},\"lit\":false,\"name\":\"a\",\"size\":3"))
		fail_msg("%s: %s", fields, one);
	apply_open(&t, &w, "mine", -1);
	apply_must_propose(&t, &back);
	assert_int_equal(t.proposal.n_operations, 0);
	apply_close(&t);
	must_be_whole(&w);
	api_free(&w);
	return n;
}

TEST(a_field_that_goes_has_its_default_again)
{
	for (size_t i = 0; i < ARRAY_SIZE(named_later); i++)
		unnamed_again(named_later[i], -1, false);
}

TEST(a_field_that_goes_has_its_default_again_wherever_it_is_killed)
{
	for (size_t i = 0; i < ARRAY_SIZE(named_later); i++) {
		const int n = unnamed_again(named_later[i], -1, false);

		for (int at = 0; at < n; at++)
			unnamed_again(named_later[i], at, at % 3 == 0);
	}
}

/* The plan has it, for whoever carries it out without asking the server; else it is put back. */
TEST(a_plan_says_which_default_will_be_there)
{
	static struct apply t;
	auto_release(strbuf) struct strbuf plan = STRBUF_INIT;
	struct apply_options from = {.back = "1", .unasked = true};
	const char *two;
	struct api w;
	int code;

	two_revisions(&w, "size: 4");
	two = apply_state(&w);
	apply_open(&t, &w, "mine", -1);
	apply_must_propose(&t, &from);
	assert_true(apply_go(&t, &code));
	assert_int_equal(code, CLI_ROLLED_BACK);
	apply_close(&t);
	assert_string_equal(apply_state(&w), two);
	fake_clock_advance(&w.clock, 2 * NS_PER_S);

	from.unasked = false;
	apply_open(&t, &w, "mine", -1);
	apply_must_propose(&t, &from);
	assert_int_equal(doc_len(t.proposal.given), 1);
	assert_string_equal(
		doc_str(doc_at(t.proposal.given, 0)),
		"update Till/shop/one: spec.size will be 3: nothing is wanted there any more");
	doc_write_json(t.proposal.plan, DOC_PRETTY, &plan);
	apply_close(&t);
	from = (struct apply_options){.plan = strbuf_cstr(&plan), .unasked = true};
	apply_open(&t, &w, "mine", -1);
	apply_must_propose(&t, &from);
	assert_true(apply_go(&t, &code));
	assert_int_equal(code, CLI_OK);
	assert_non_null(strstr(apply_state(&w), "\"size\":3"));
	apply_close(&t);
	api_free(&w);
}

/* A boundary at which everything is changed and nothing is recorded yet. */
#define LATE 45

/* Whether the scripted fault has struck. */
static bool struck(struct api *w)
{
	struct kube_request request = {.verb = KUBE_GET, .path = "/sidestep/faults"};
	struct error err = ERROR_INIT;
	struct doc *d = NULL;

	if (cluster_do(&w->cluster, &request, &w->arena, &d, &err))
		fail_msg("%s", err.msg);
	return doc_find_int(d, "faults[0].times", 0) == 0;
}

/* To the end, whatever became of the first attempt; `before` is where a rollback leads. */
static void converge(struct api *w, const struct apply_options *o, const char *before)
{
	static struct apply t;
	const char *subject;
	int code = -1;

	for (int tries = 0; code && tries < 4; tries++) {
		fake_clock_advance(&w->clock, 2 * NS_PER_S);
		t.meanwhile = deploy;
		apply_open(&t, w, "mine", -1);
		if (!session_subject(&t.session, CONFIG_NAME_DEFAULT, false, &subject, NULL)) {
			assert_true(apply_again(&t, false, &code));
		} else {
			apply_must_propose(&t, o);
			if (!t.proposal.n_operations && !t.proposal.records)
				code = 0;
			else
				assert_true(apply_go(&t, &code));
		}
		apply_close(&t);
		if (code == CLI_ROLLED_BACK)
			assert_string_equal(apply_state(w), before);
	}
	assert_int_equal(code, 0);
}

/* Call number `skip` of an apply is answered with the fault; false: it has not so many. */
static bool faulty(const char *match, const char *fault, int skip, const char *before,
		   const char *after)
{
	const struct apply_options first = {.manifests = FIRST, .prune = true},
				   third = {.manifests = THIRD, .prune = true};
	static struct apply t;
	struct api w;
	bool did;
	int r;

	api_new(&w);
	boundaries(&w, "mine", &first, -1, false);
	t.meanwhile = deploy;
	apply_open(&t, &w, "mine", -1);
	apply_must_propose(&t, &third);
	api_faults(
		&w,
		arena_printf(&w.arena,
			     "faults: [{match: {user: sidestep-config%s}, skip: %d, times: 1, %s}]",
			     match, skip, fault));
	r = config_run_begin(&t.session, &t.proposal, 3600, &t.err);
	if (!r)
		r = apply_on(&t);
	did = struck(&w);
	api_faults(&w, NULL);
	apply_close(&t);
	if (r)
		converge(&w, &third, before);
	if (strcmp(apply_state(&w), after) != 0)
		fail_msg("%s at call %d:\n%s", fault, skip, apply_state(&w));
	must_be_whole(&w);
	api_free(&w);
	return did;
}

/* The same on the way back of an apply that was killed when all but its end was done. */
static bool faulty_back(const char *match, const char *fault, int skip, const char *before)
{
	const struct apply_options first = {.manifests = FIRST, .prune = true},
				   third = {.manifests = THIRD, .prune = true};
	static struct apply t;
	const char *subject;
	struct api w;
	bool did;
	int code = -1;

	api_new(&w);
	boundaries(&w, "mine", &first, -1, false);
	t.meanwhile = deploy;
	apply_open(&t, &w, "mine", LATE);
	apply_must_propose(&t, &third);
	assert_false(apply_go(&t, &code));
	apply_close(&t);
	apply_open(&t, &w, "mine", -1);
	api_faults(
		&w,
		arena_printf(&w.arena,
			     "faults: [{match: {user: sidestep-config%s}, skip: %d, times: 1, %s}]",
			     match, skip, fault));
	code = apply_back(&t);
	did = struck(&w);
	api_faults(&w, NULL);
	apply_close(&t);
	for (int tries = 0; code && tries < 4; tries++) {
		apply_open(&t, &w, "mine", -1);
		if (session_subject(&t.session, CONFIG_NAME_DEFAULT, false, &subject, NULL))
			code = 0; /* it has ended; the answer got lost */
		else
			assert_true(apply_again(&t, true, &code));
		apply_close(&t);
	}
	if (code || strcmp(apply_state(&w), before) != 0)
		fail_msg("%s at call %d, back: exit %d\n%s", fault, skip, code, apply_state(&w));
	api_free(&w);
	return did;
}

/* Each so many calls only, beginning with another one for each fault. */
static int stride = 1;

static void every_call(const char *match, const char *fault, int row)
{
	const struct apply_options first = {.manifests = FIRST, .prune = true},
				   third = {.manifests = THIRD, .prune = true};
	char *before, *after;
	struct api w;
	int n = row % stride;

	api_new(&w);
	boundaries(&w, "mine", &first, -1, false);
	before = strdup(apply_state(&w));
	boundaries(&w, "mine", &third, -1, false);
	after = strdup(apply_state(&w));
	api_free(&w);
	while (faulty(match, fault, n, before, after))
		n += stride;
	printf("%s: %d calls\n", fault, n);
	assert_int_not_equal(n, 0);
	for (n = row % stride; faulty_back(match, fault, n, before);)
		n += stride;
	printf("%s: %d calls back\n", fault, n);
	free(before);
	free(after);
}

/* FAULT=n runs that row alone. A slow answer needs real time: tests/cli/config_apply.py has it. */
TEST(every_call_meets_every_fault)
{
	static const struct {
		const char *match, *fault;
	} rows[] = {
		{"", "status: 500"},
		{"", "status: 429, retryAfterSeconds: 1"},
		{"", "status: 410, reason: Expired"},
		{", verb: patch", "status: 409, reason: Conflict"},
		{", verb: delete", "status: 409, reason: Conflict"},
		{", verb: create", "status: 403, reason: Forbidden"},
		{", verb: patch", "status: 422, reason: Invalid"},
	};
	const char *one = getenv("FAULT");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!one || (size_t)atoi(one) == i)
			every_call(rows[i].match, rows[i].fault, (int)i);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest quick[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(the_same_again_is_nothing_to_do),
		cmocka_unit_test(what_does_not_become_ready_is_put_back),
		cmocka_unit_test(a_foreign_change_is_a_conflict_and_stays),
		cmocka_unit_test(a_plan_is_carried_out_only_while_nothing_moved),
		cmocka_unit_test(a_plan_takes_its_values_from_what_was_planned),
		cmocka_unit_test(conflicts_and_what_cannot_be_changed_block),
		cmocka_unit_test(a_value_that_is_gone_is_said_before_the_way_back),
		cmocka_unit_test(a_field_that_goes_has_its_default_again),
		cmocka_unit_test(a_plan_says_which_default_will_be_there),
	};
	const struct CMUnitTest thorough[] = {
		cmocka_unit_test(killed_at_every_boundary_it_goes_on),
		cmocka_unit_test(killed_at_every_boundary_it_goes_back),
		cmocka_unit_test(a_field_that_goes_has_its_default_again_wherever_it_is_killed),
	};
	const struct CMUnitTest faults[] = {
		cmocka_unit_test(every_call_meets_every_fault),
	};

	if (argc > 1 && !strcmp(argv[1], "every-boundary"))
		return cmocka_run_group_tests(thorough, NULL, NULL);
	if (argc > 2)
		stride = MAX(1, atoi(argv[2]));
	if (argc > 1 && !strcmp(argv[1], "every-fault"))
		return cmocka_run_group_tests(faults, NULL, NULL);
	return cmocka_run_group_tests(quick, NULL, NULL);
}
