/* SPDX-License-Identifier: Apache-2.0 */
/* What BPF can do here. Every row asks for the features that preflight/probe.h files under its id.
 */
#include "lib/base/str.h"
#include "preflight/checks.h"

struct tally {
	struct strbuf missing, unasked, optional;
	unsigned asked;
};

static void add_name(struct strbuf *sb, const struct feature_row *row, const char *detail)
{
	strbuf_addf(sb, "%s%s (%s)", sb->len ? ", " : "", row->name, detail);
}

static void ask(struct preflight_env *env, enum feature feature, struct tally *t)
{
	const struct feature_row *row = &feature_rows[feature];
	struct error err = ERROR_INIT;
	int has = env->probe(env->probe_arg, feature, &err);

	t->asked++;
	if (has < 0)
		add_name(&t->unasked, row, err.msg);
	else if (!has && row->required)
		add_name(&t->missing, row,
			 arena_printf(env->arena, "needs Linux %s to %s", row->since,
				      row->what_for));
	else if (!has)
		add_name(&t->optional, row, row->what_for);
}

static void ask_all(struct preflight_env *env, const char *check, struct tally *t)
{
	for (int i = 0; i < FEATURE_COUNT; i++)
		if (str_eq(feature_rows[i].check, check))
			ask(env, (enum feature)i, t);
}

static void tally_release(struct tally *t)
{
	strbuf_release(&t->missing);
	strbuf_release(&t->unasked);
	strbuf_release(&t->optional);
}

static int check_features(const struct check *c, void *arg, struct report *r, struct error *err)
{
	struct preflight_env *env = arg;
	auto_release(tally) struct tally t = {0};

	(void)err;
	ask_all(env, c->id, &t);
	if (t.missing.len)
		report_add(r, c, FINDING_FAIL, "", "missing: %s", strbuf_cstr(&t.missing));
	else if (t.unasked.len)
		report_add(r, c, FINDING_UNKNOWN, "", "could not be tried: %s",
			   strbuf_cstr(&t.unasked));
	else if (t.optional.len)
		report_add(r, c, FINDING_PASS, "", "there; without: %s", strbuf_cstr(&t.optional));
	else
		report_add(r, c, FINDING_PASS, "", "there (%u tried)", t.asked);
	return 0;
}

/* One of the two ways to see a pod's packets is enough. */
static int check_attach(const struct check *c, void *arg, struct report *r, struct error *err)
{
	struct preflight_env *env = arg;
	int tcx = env->probe(env->probe_arg, FEATURE_ATTACH_TCX, err);
	int clsact = env->probe(env->probe_arg, FEATURE_ATTACH_CLSACT, err);

	if (tcx > 0)
		report_add(r, c, FINDING_PASS, "", "tcx%s", clsact > 0 ? " (and clsact)" : "");
	else if (clsact > 0)
		report_add(r, c, FINDING_PASS, "", "clsact; tcx needs Linux 6.6");
	else if (tcx < 0 || clsact < 0)
		return tcx < 0 ? tcx : clsact;
	else
		report_add(r, c, FINDING_FAIL, "", "neither tcx nor clsact");
	return 0;
}

static const struct check checks[] = {
	{
		.id = "BPF-001",
		.title = "bpf system call",
		.category = "bpf",
		.severity = SEVERITY_BLOCKER,
		.flags = CHECK_ACTIVE | CHECK_NOT_WAIVABLE,
		.remedy = "Run as root (CAP_BPF, CAP_NET_ADMIN) on a kernel with "
			  "CONFIG_BPF_SYSCALL=y.",
		.source = "bpf(2)",
		.explain =
			"Loads the smallest program there is. Seccomp profiles and sandboxes often "
			"refuse even that.",
		.run = check_features,
	},
	{
		.id = "BPF-002",
		.title = "just-in-time compiler",
		.category = "bpf",
		.severity = SEVERITY_WARNING,
		.flags = CHECK_ACTIVE,
		.remedy = "Run sysctl -w net.core.bpf_jit_enable=1.",
		.source = "sysctl net.core.bpf_jit_enable",
		.explain = "Interpreted programs cost several times more per packet. Asked by "
			   "loading a "
			   "program and looking at the size of its machine code.",
		.run = check_features,
	},
	{
		.id = "BPF-004",
		.title = "program types",
		.category = "bpf",
		.severity = SEVERITY_ERROR,
		.flags = CHECK_ACTIVE,
		.remedy = "Boot a newer kernel with CONFIG_NET_CLS_BPF and CONFIG_CGROUP_BPF.",
		.source = "bpf(2), BPF_PROG_LOAD",
		.explain = "One program of each type is loaded and thrown away.",
		.run = check_features,
	},
	{
		.id = "BPF-005",
		.title = "map types",
		.category = "bpf",
		.severity = SEVERITY_ERROR,
		.flags = CHECK_ACTIVE,
		.remedy = "Boot a newer kernel.",
		.source = "bpf(2), BPF_MAP_CREATE",
		.explain = "One map of each type is made and thrown away.",
		.run = check_features,
	},
	{
		.id = "BPF-006",
		.title = "helpers",
		.category = "bpf",
		.severity = SEVERITY_ERROR,
		.flags = CHECK_ACTIVE,
		.remedy = "Boot a newer kernel.",
		.source = "bpf-helpers(7)",
		.explain = "A program that calls each helper is shown to the verifier.",
		.run = check_features,
	},
	{
		.id = "BPF-009",
		.title = "attaching to a pod's interface",
		.category = "bpf",
		.severity = SEVERITY_BLOCKER,
		.flags = CHECK_ACTIVE,
		.remedy = "Boot Linux 6.6 or later, or enable CONFIG_NET_CLS_ACT and "
			  "CONFIG_NET_SCH_INGRESS.",
		.source = "tc-bpf(8), BPF_LINK_CREATE",
		.explain =
			"Tried in a network namespace of its own. tcx replaces a program without a "
			"gap; clsact does the same work on older kernels.",
		.run = check_attach,
	},
	{
		.id = "BPF-010",
		.title = "translating services at connect()",
		.category = "bpf",
		.severity = SEVERITY_ERROR,
		.flags = CHECK_ACTIVE,
		.remedy = "Mount cgroup2 and enable CONFIG_CGROUP_BPF.",
		.source = "BPF_CGROUP_INET4_CONNECT",
		.explain = "Attached to a control group made for the purpose and removed again.",
		.run = check_features,
	},
	{
		.id = "NET-002",
		.title = "VXLAN devices",
		.category = "bpf",
		.severity = SEVERITY_ERROR,
		.flags = CHECK_ACTIVE,
		.remedy = "Load the vxlan module (CONFIG_VXLAN).",
		.source = "ip-link(8)",
		.explain =
			"Pods of other nodes are reached through a VXLAN device. One is made in a "
			"network namespace of its own.",
		.run = check_features,
	},
};
const struct check_table bpf_checks = {checks, ARRAY_SIZE(checks)};
