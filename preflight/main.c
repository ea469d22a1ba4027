/* SPDX-License-Identifier: Apache-2.0 */
/* sidestep-preflight: is this node, and this cluster, ready? */
#include <string.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/cli/cli.h"
#include "preflight/checks.h"
#include "preflight/collect.h"

struct cluster_opts {
	const char *kubeconfig, *context, *snapshot;
};
static const struct cli_option cluster_options[] = {
	CLI_OPT(struct cluster_opts, kubeconfig, "kubeconfig", 0, CLI_STRING, "FILE",
		"the cluster (else KUBECONFIG, ~/.kube/config, a pod's own account)"),
	CLI_OPT(struct cluster_opts, context, "context", 0, CLI_STRING, "NAME",
		"context of the kubeconfig"),
	CLI_OPT(struct cluster_opts, snapshot, "snapshot", 0, CLI_STRING, "PATH",
		"look at this file or folder of objects instead of a live API"),
};

/* --- run -------------------------------------------------------------------------------------- */

static const char *const fail_on_names[] = {"error", "warn", NULL};
enum { FAIL_ON_ERROR, FAIL_ON_WARN };

struct run_opts {
	const char *root, *node, *waivers, *file;
	struct cli_list only;
	bool passive, node_only;
	int output, fail_on;
	struct cluster_opts cluster;
};
static const struct run_opts run_defaults = {.root = "/"};
static const struct cli_option run_options[] = {
	CLI_OPT(struct run_opts, root, "root", 0, CLI_STRING, "DIR",
		"read files below DIR (a host's root mounted in a pod)"),
	CLI_OPT(struct run_opts, node, "node", 0, CLI_STRING, "NAME",
		"name of the node in the report (default: the host name)"),
	CLI_OPT(struct run_opts, only, "only", 0, CLI_LIST, "ID", "run only these checks"),
	CLI_OPT(struct run_opts, passive, "passive", 0, CLI_FLAG, NULL,
		"only read: load no program, make no device"),
	CLI_OPT(struct run_opts, node_only, "node-only", 0, CLI_FLAG, NULL,
		"do not ask a cluster, even if one is configured"),
	CLI_OPT(struct run_opts, waivers, "waivers", 0, CLI_STRING, "FILE",
		"fails that somebody accepts, each with owner and expiry (see above)"),
	CLI_OPT(struct run_opts, file, "file", 'f', CLI_STRING, "FILE",
		"write the report there instead of standard output"),
	CLI_CHOICE(struct run_opts, output, "output", 'o', report_format_names, "how to print"),
	CLI_CHOICE(struct run_opts, fail_on, "fail-on", 0, fail_on_names,
		   "what makes the exit code differ from 0"),
	CLI_USE(struct run_opts, cluster, "Cluster", cluster_options),
};

static bool wants_cluster(const struct cluster_opts *o, bool node_only)
{
	return !node_only &&
	       (!str_empty(o->snapshot) || !cli_missing(NEEDS_CLUSTER, o->kubeconfig));
}

static int load_cluster(struct preflight_env *env, const struct cluster_opts *o, struct error *err)
{
	struct collect_options where = {o->kubeconfig, o->context, o->snapshot};

	return collect_cluster(env, &where, err);
}

/* The rows named by --only, or all. */
static int choose(struct arena *a, const struct cli_list *only, const struct check **checks,
		  size_t *n, struct error *err)
{
	struct check *chosen = arena_array(a, only->n + 1, struct check);

	for (size_t i = 0; i < only->n; i++) {
		const struct check *c = preflight_find(*checks, *n, only->items[i]);

		if (!c)
			return error_set(err, -EINVAL,
					 "there is no check %s (see sidestep-preflight list)",
					 only->items[i]);
		chosen[i] = *c;
	}
	if (only->n) {
		*checks = chosen;
		*n = only->n;
	}
	return 0;
}

static int put(const struct cli_call *call, const char *file, const struct strbuf *text,
	       struct error *err)
{
	if (file)
		return io_write_file_atomic(file, strbuf_cstr(text), text->len, 0644, err);
	fwrite(strbuf_cstr(text), 1, text->len, call->out);
	return 0;
}

static const char *node_name(struct arena *a, const struct run_opts *o)
{
	char host[128] = "this machine";

	if (o->node)
		return o->node;
	gethostname(host, sizeof(host) - 1);
	return arena_strdup(a, host);
}

static int run_checks(const struct cli_call *call, struct preflight_env *env, struct report *r,
		      struct error *err)
{
	const struct run_opts *o = call->opts;
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	const struct check *checks;
	size_t n;
	int ret;

	checks = preflight_checks(env->arena, &n);
	if ((ret = choose(env->arena, &o->only, &checks, &n, err)))
		return cli_usage(call, "%s", err->msg);
	if (o->waivers && (ret = waivers_read_file(&r->arena, o->waivers, &r->waivers, err)))
		return ret;
	if (wants_cluster(&o->cluster, o->node_only) && (ret = load_cluster(env, &o->cluster, err)))
		return error_wrap(err, ret,
				  "no answer from the cluster (--node-only leaves it out)");
	report_run(r, checks, n, env, preflight_skip);
	report_finish(r);
	report_render(r, (enum report_format)o->output, &text);
	ret = put(call, o->file, &text, err);
	if (ret)
		return ret;
	return (int)report_verdict(r,
				   o->fail_on == FAIL_ON_WARN ? SEVERITY_WARNING : SEVERITY_ERROR);
}

static int cmd_run(const struct cli_call *call, struct error *err)
{
	const struct run_opts *o = call->opts;
	auto_release(arena) struct arena a = ARENA_INIT;
	struct preflight_env env;
	struct report r;
	int ret;

	preflight_env_init(&env, &a);
	env.root = o->root;
	env.passive = o->passive;
	report_init(&r, "sidestep-preflight", arena_printf(&a, "Preflight of %s", node_name(&a, o)),
		    clock_system());
	ret = run_checks(call, &env, &r, err);
	report_release(&r);
	preflight_env_release(&env);
	return ret;
}

/* --- list, explain ------------------------------------------------------------------------------
 */

static const char *const list_formats[] = {"table", "json", "yaml", NULL};
struct list_opts {
	int output;
};
static const struct list_opts list_defaults = {0};
static const struct cli_option list_options[] = {
	CLI_CHOICE(struct list_opts, output, "output", 'o', list_formats, "how to print"),
};

static struct doc *check_doc(struct arena *a, const struct check *c)
{
	struct doc *d = doc_map(a);

	doc_set_string(a, d, "id", c->id);
	doc_set_string(a, d, "title", c->title);
	doc_set_string(a, d, "category", c->category);
	doc_set_string(a, d, "severity", severity_name(c->severity));
	doc_set_bool(a, d, "active", c->flags & CHECK_ACTIVE);
	doc_set_bool(a, d, "cluster", c->flags & CHECK_CLUSTER);
	doc_set_bool(a, d, "waivable", !(c->flags & CHECK_NOT_WAIVABLE));
	doc_set_string(a, d, "remedy", c->remedy);
	doc_set_string(a, d, "source", c->source);
	doc_set_string(a, d, "explain", c->explain);
	return d;
}

static void print_doc(const struct doc *d, bool yaml, struct strbuf *out)
{
	if (yaml) {
		doc_write_yaml(d, out);
		return;
	}
	doc_write_json(d, DOC_PRETTY, out);
	strbuf_addc(out, '\n');
}

static int cmd_list(const struct cli_call *call, UNUSED struct error *err)
{
	const struct list_opts *o = call->opts;
	auto_release(arena) struct arena a = ARENA_INIT;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	const struct check *checks;
	struct doc *list = doc_list(&a);
	size_t n;

	checks = preflight_checks(&a, &n);
	for (size_t i = 0; i < n; i++) {
		doc_append(&a, list, check_doc(&a, &checks[i]));
		if (!o->output)
			strbuf_addf(&out, "%-8s %-8s %-11s %s\n", checks[i].id,
				    severity_name(checks[i].severity), checks[i].category,
				    checks[i].title);
	}
	if (o->output)
		print_doc(list, o->output == 2, &out);
	fwrite(strbuf_cstr(&out), 1, out.len, call->out);
	return CLI_OK;
}

static int cmd_explain(const struct cli_call *call, UNUSED struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const struct check *checks, *c;
	size_t n;

	checks = preflight_checks(&a, &n);
	c = preflight_find(checks, n, call->args[0]);
	if (!c)
		return cli_usage(call, "there is no check %s (see sidestep-preflight list)",
				 call->args[0]);
	fprintf(call->out, "%s: %s\n\n%s\n\nSeverity: %s%s\nRemedy:   %s\nSource:   %s\n", c->id,
		c->title, c->explain, severity_name(c->severity),
		c->flags & CHECK_NOT_WAIVABLE ? " (cannot be waived)" : "", c->remedy, c->source);
	if (c->flags & CHECK_ACTIVE)
		fputs("It loads something into the kernel and removes it; --passive leaves it "
		      "out.\n",
		      call->out);
	return CLI_OK;
}

/* --- collect ------------------------------------------------------------------------------------
 */

static const struct cluster_opts collect_defaults = {0};

static int cmd_collect(const struct cli_call *call, struct error *err)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct preflight_env env;
	int ret;

	preflight_env_init(&env, &a);
	ret = load_cluster(&env, call->opts, err);
	if (!ret)
		ret = snapshot_write(env.cluster, call->args[0], err);
	map_foreach (&env.unreadable, e)
		fprintf(call->err, "left out %s: %s\n", map_key(e), (const char *)map_value(e));
	if (!ret)
		fprintf(call->err, "%zu objects in %s; Secrets' values are left out\n",
			env.cluster->n, call->args[0]);
	preflight_env_release(&env);
	return ret;
}

static const struct cli_command commands[] = {
	{
		.name = "run",
		.summary = "look at this node and the cluster, and report",
		.details =
			"Every check answers pass, fail, unknown or skip; unknown is never "
			"taken for\n"
			"pass. Root is needed to try what BPF can do; without it those are "
			"unknown.\n\n"
			"Exit 3 when a required check fails, 5 when one is unknown, 6 when a "
			"waiver has expired,\n4 when only warnings are left and --fail-on warn is "
			"given.\n\n"
			"The file of --waivers, for fails that somebody accepts:\n\n"
			"  waivers:\n"
			"  - id: SYS-001               # the check's id\n"
			"    scope: node/n1            # optional, as the report prints it; else "
			"everywhere\n"
			"    reason: the vendor's image sets it back at boot\n"
			"    owner: net-team@example.org\n"
			"    expires: \"2030-06-30\"     # a day (its end, UTC)\n\n"
			"Examples:\n"
			"  sidestep preflight run  # this node, and the cluster if one is set\n"
			"  sidestep preflight run -o html -f node.html  # a page for others\n"
			"  sidestep preflight run --snapshot objects/ --only IST-003,IST-006\n"
			"  sidestep preflight run --root /host --passive\n",
		.exits = CLI_EXIT(CLI_BLOCKED) | CLI_EXIT(CLI_WARNED) | CLI_EXIT(CLI_INCONCLUSIVE) |
			 CLI_EXIT(CLI_WAIVER_EXPIRED),
		.run = cmd_run,
		CLI_OPTIONS(run_options),
		CLI_DEFAULTS(run_defaults),
	},
	{
		.name = "list",
		.summary = "every check there is",
		.details = "Example:\n  sidestep preflight list -o json\n",
		.run = cmd_list,
		CLI_OPTIONS(list_options),
		CLI_DEFAULTS(list_defaults),
	},
	{
		.name = "explain",
		.summary = "what a check looks at, and what breaks without it",
		.args = "ID",
		.min_args = 1,
		.max_args = 1,
		.details = "Example:\n  sidestep preflight explain IST-003\n",
		.run = cmd_explain,
	},
	{
		.name = "collect",
		.summary = "write the cluster's objects to a file, for tools without a cluster",
		.args = "FILE",
		.min_args = 1,
		.max_args = 1,
		.details = "Example:\n"
			   "  sidestep preflight collect objects.yaml  # then: --snapshot "
			   "objects.yaml\n",
		.needs = NEEDS_CLUSTER,
		.run = cmd_collect,
		CLI_OPTIONS(cluster_options),
		CLI_DEFAULTS(collect_defaults),
	},
};

int main(int argc, char **argv)
{
	static const struct cli_program program = {
		.name = "sidestep-preflight",
		.summary = "is this node, and this cluster, ready for Sidestep?",
		.details = "Begin with:  sidestep preflight run\n",
		.commands = commands,
		.n_commands = ARRAY_SIZE(commands),
	};

	return cli_main(&program, argc, argv);
}
