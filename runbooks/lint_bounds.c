/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of bounds: nothing runs or is touched but what the tables allow, everything has a limit,
 * secrets stay out of sight and nothing is hidden. */
#include <ctype.h>
#include <string.h>

#include "lib/base/str.h"
#include "runbooks/known.h"
#include "runbooks/lint_internal.h"
#include "runbooks/template.h"
#include "runbooks/transcript.h"

#define RULE(name_)                                                                                \
	int name_(UNUSED const struct check *check, void *env, UNUSED struct report *report,       \
		  UNUSED struct error *err)

#define MINUTE_NS (60ULL * 1000000000ULL)
#define HOUR_NS   (60 * MINUTE_NS)

/* --- commands ----------------------------------------------------------------------------------
 */

struct argv {
	const char **words;
	size_t n;
	const char *path;
};

/* The argv of a command step or of the operation `command`. */
static bool argv_of(struct lint *l, const struct site *s, struct argv *ret)
{
	const struct doc *list = doc_get(doc_get(s->step->op, "command"), "argv");

	if (s->step->command) {
		*ret = (struct argv){s->step->command->argv.items, s->step->command->argv.n,
				     lint_path(l, s, "command.argv")};
		return true;
	}
	if (!list)
		return false;
	*ret = (struct argv){arena_array(l->arena, doc_len(list) + 1, const char *), 0,
			     lint_path(l, s, "op.command.argv")};
	doc_foreach_item (list, it)
		ret->words[ret->n++] = str_or_empty(doc_str(it));
	return true;
}

/* A value of the parameter cannot begin with a dash. */
static bool never_dash(const struct lint *l, const struct expr *e)
{
	const struct param *p;

	if (!e || e->op != EXPR_FIELD || e->items[0]->op != EXPR_NAME ||
	    !str_eq(e->items[0]->text, "params"))
		return false;
	p = lint_param(&l->rb, e->text);
	return p &&
	       (p->type == PARAM_K8S_NAME || p->type == PARAM_DURATION || p->type == PARAM_BOOL);
}

/* ${params.NAME} of type k8s-name, and nothing else that is filled in. */
static bool only_names(struct lint *l, const char *host)
{
	struct template t = {0};

	if (template_parse(l->arena, host, &t, NULL) < 0)
		return false;
	for (size_t i = 0; i < t.n; i++) {
		const struct expr *e = t.parts[i].expr;

		if (e && (!never_dash(l, e) || lint_param(&l->rb, e->text)->type != PARAM_K8S_NAME))
			return false;
	}
	return true;
}

/* A target of systemd's would be the node's end, and a pattern more than one. */
static bool restarts_services(struct lint *l, const struct known_command *row, const struct argv *v,
			      size_t words)
{
	if (!str_eq(row->words, "systemctl restart"))
		return true;
	for (size_t i = words; i < v->n; i++) {
		if (!str_ends(v->words[i], ".service") || strpbrk(v->words[i], "*?[") ||
		    !only_names(l, v->words[i]))
			return false;
	}
	return v->n > words;
}

RULE(rule_argv)
{
	struct lint *l = env;

	for (size_t i = 0; i < l->n_sites; i++) {
		const struct site *s = &l->sites[i];
		const struct known_command *row;
		struct argv v;
		size_t words = 0;

		if (!argv_of(l, s, &v))
			continue;
		row = known_command_find(v.words, v.n, &words);
		if (!v.n || str_empty(v.words[0]) || template_is_one(v.words[0]))
			lint_fail(l, v.path,
				  "what runs is a program's name, not something to be "
				  "filled in");
		else if (known_interpreter(v.words[0]))
			lint_fail(l, v.path, "%s runs whatever its arguments say: never allowed",
				  v.words[0]);
		else if (!row)
			lint_fail(l, v.path,
				  "\"%s%s%s\" is in no row of the allowed commands "
				  "(sidestep-runbook tables)",
				  v.words[0], v.n > 1 ? " " : "", v.n > 1 ? v.words[1] : "");
		else if (v.n > words && !row->more)
			lint_fail(l, v.path, "\"%s\" takes no further argument, not \"%s\"",
				  row->words, v.words[words]);
		else if (!restarts_services(l, row, &v, words))
			lint_fail(l, v.path,
				  "systemctl restarts a service by its name: NAME.service");
		else if (row->mutates != lint_changes(s))
			lint_fail(l, v.path, "\"%s\" %s", row->words,
				  row->mutates ? "changes something: mutates is true"
					       : "only reads: mutates is false");
	}
	return 0;
}

RULE(rule_dashes)
{
	struct lint *l = env;

	for (size_t i = 0; i < l->n_sites; i++) {
		struct argv v = {0};
		size_t words = 0;

		if (!argv_of(l, &l->sites[i], &v) || !known_command_find(v.words, v.n, &words))
			continue;
		for (size_t k = words; k < v.n; k++) {
			struct template t = {0};

			if (v.words[k][0] == '-')
				lint_fail(l, v.path, "\"%s\": an option that is not in the row",
					  v.words[k]);
			else if (template_parse(l->arena, v.words[k], &t, NULL) == 0 && t.n &&
				 t.parts[0].expr && !never_dash(l, t.parts[0].expr))
				lint_fail(l, v.path,
					  "\"%s\" could become an option: begin it with text or a "
					  "parameter of type k8s-name",
					  v.words[k]);
		}
	}
	return 0;
}

RULE(rule_unsafe)
{
	struct lint *l = env;

	for (size_t i = 0; i < l->n_sites; i++) {
		const struct step_command *c = l->sites[i].step->command;

		/* Ours say what they say in a form of their own. */
		if (c && c->argv.n && !str_starts(c->argv.items[0], "sidestep"))
			lint_fail(l, l->sites[i].path,
				  "step %s runs a program on the node: unsafe, prefer a query",
				  l->sites[i].step->id);
	}
	return 0;
}

/* --- what is touched ---------------------------------------------------------------------------
 */

static const char *ref_refused(struct lint *l, const char *ref, bool write)
{
	const char *why = known_ref_refused(ref, write);

	return why ? why : known_ref_name_refused(l->arena, ref);
}

static void check_refs(struct lint *l, const struct site *s)
{
	const struct step_k8s *k = s->step->k8s;
	const struct doc *op = s->step->op, *args;
	const char *why = NULL;

	if (k)
		why = ref_refused(l, k->get ? k->get : k->list, false);
	if (why)
		lint_fail(l, lint_path(l, s, "k8s"), "%s", why);
	if (!op || op->kind != DOC_MAP || op->map.n != 1)
		return;
	args = op->map.entries[0].value;
	why = doc_get(args, "ref") ? ref_refused(l, doc_find_str(args, "ref"), true) : NULL;
	if (!why && doc_get(args, "object"))
		why = known_object_refused(doc_get(args, "object"));
	if (why)
		lint_fail(l, lint_path(l, s, "op"), "%s", why);
}

RULE(rule_refs)
{
	struct lint *l = env;

	for (size_t i = 0; i < l->n_sites; i++)
		check_refs(l, &l->sites[i]);
	return 0;
}

static bool within_cluster(struct lint *l, const char *url)
{
	const char *host, *port;
	size_t n;

	if (!str_starts(url, "http://") && !str_starts(url, "https://"))
		return false;
	host = strstr(url, "//") + 2;
	host = arena_strndup(l->arena, host, strcspn(host, "/?#"));
	port = strrchr(host, ':');
	n = port ? (size_t)(port - host) : strlen(host);
	if (strpbrk(host, "@\\") || (port && port[1 + strspn(port + 1, "0123456789")]))
		return false;
	host = arena_strndup(l->arena, host, n);
	return str_eq(host, "localhost") || str_eq(host, "127.0.0.1") ||
	       ((str_ends(host, ".svc") || str_ends(host, ".svc.cluster.local")) &&
		only_names(l, host));
}

/* In diagnose already, and to whoever answers there. */
static void carried(void *ctx, const struct expr *name)
{
	const char **found = ctx;

	if (!str_eq(name->text, "params") && !str_eq(name->text, "vars"))
		*found = name->text;
}

static const char *carried_away(struct lint *l, const char *url)
{
	const char *found = NULL;
	struct template t = {0};

	if (template_parse(l->arena, url, &t, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < t.n; i++) {
		if (t.parts[i].expr)
			expr_walk_names(t.parts[i].expr, carried, &found);
	}
	return found;
}

RULE(rule_urls)
{
	struct lint *l = env;

	for (size_t i = 0; i < l->n_sites; i++) {
		const struct site *s = &l->sites[i];
		const char *away = s->step->http ? carried_away(l, s->step->http->url) : NULL;

		if (away)
			lint_fail(l, lint_path(l, s, "http.url"),
				  "%s would leave by the address: only parameters stand in one",
				  away);
		else if (s->step->http && !within_cluster(l, s->step->http->url))
			lint_fail(l, lint_path(l, s, "http.url"),
				  "want http(s)://SERVICE.NAMESPACE.svc or localhost: what a "
				  "runbook knows does not leave the cluster");
	}
	return 0;
}

/* --- limits ------------------------------------------------------------------------------------
 */

static void check_time(struct lint *l, const char *path, const char *text, uint64_t most,
		       const char *what)
{
	uint64_t ns;

	if (!text)
		lint_fail(l, path, "%s is not said", what);
	else if (str_to_duration_ns(text, &ns, NULL) < 0 || !ns)
		lint_fail(l, path, "\"%s\" is no duration like 30s", text);
	else if (ns > most)
		lint_fail(l, path, "%s of %s is more than %llum", what, text,
			  (unsigned long long)(most / MINUTE_NS));
}

static void check_times(struct lint *l, const struct site *s)
{
	const struct runbook_step *step = s->step;

	if (step->timeout || (step_kinds[step->kind].flags & STEP_TIMED))
		check_time(l, lint_path(l, s, "timeout"), step->timeout, HOUR_NS, "the timeout");
	if (step->wait) {
		check_time(l, lint_path(l, s, "wait.poll"), step->wait->poll, HOUR_NS, "poll");
		check_time(l, lint_path(l, s, "wait.within"), step->wait->within, 24 * HOUR_NS,
			   "within");
	}
	if (step->verify) {
		check_time(l, lint_path(l, s, "verify.poll"), step->verify->poll, HOUR_NS, "poll");
		check_time(l, lint_path(l, s, "verify.within"), step->verify->within, 24 * HOUR_NS,
			   "within");
	}
	if (step->approvers && step->approvers->expires)
		check_time(l, lint_path(l, s, "approvers.expires"), step->approvers->expires,
			   72 * HOUR_NS, "the expiry");
	if (step->ask)
		check_time(l, lint_path(l, s, "ask.expires"), step->ask->expires, 24 * HOUR_NS,
			   "the expiry");
	if (step->retry)
		check_time(l, lint_path(l, s, "retry.base"), step->retry->base, 10 * MINUTE_NS,
			   "the base");
}

RULE(rule_timeouts)
{
	struct lint *l = env;

	for (size_t i = 0; i < l->n_sites; i++) {
		const struct site *s = &l->sites[i];

		check_times(l, s);
		if (s->step->kind == STEP_FOREACH && !s->step->parallel.set)
			lint_fail(l, s->path, "how many at a time (parallel) is not said");
		if (s->step->kind == STEP_FOREACH && !s->step->max_fail.set)
			lint_fail(l, s->path, "how many may fail (max_fail) is not said");
	}
	return 0;
}

static void check_size(struct lint *l, const char *path, const char *text, uint64_t most)
{
	const size_t digits = text ? strspn(text, "0123456789") : 0;
	uint64_t n = 0;

	if (!text) {
		lint_fail(l, path, "how many bytes are kept is not said");
		return;
	}
	if (!digits || digits > 9 ||
	    str_to_u64(arena_strndup(l->arena, text, digits), 1, UINT32_MAX, &n, "size", NULL) < 0)
		n = 0;
	else if (str_starts(text + digits, "Ki"))
		n <<= 10;
	else if (str_starts(text + digits, "Mi"))
		n <<= 20;
	else
		n = 0;
	if (!n || (!str_eq(text + digits + 2, "B") && !str_eq(text + digits + 2, "")))
		lint_fail(l, path, "\"%s\" is no size like 64KiB or 1MiB", text);
	else if (n > most)
		lint_fail(l, path, "%s is more than %lluMiB", text,
			  (unsigned long long)(most >> 20));
}

RULE(rule_sizes)
{
	struct lint *l = env;

	for (size_t i = 0; i < l->n_sites; i++) {
		const struct site *s = &l->sites[i];
		const struct runbook_step *step = s->step;

		if (step->command)
			check_size(l, lint_path(l, s, "command.output"), step->command->output,
				   4u << 20);
		if (step->http)
			check_size(l, lint_path(l, s, "http.output"), step->http->output, 4u << 20);
		if (step->query && !step->query->limit.set)
			lint_fail(l, lint_path(l, s, "query"), "how many rows (limit) is not said");
		if (step->flows && !step->flows->limit.set)
			lint_fail(l, lint_path(l, s, "flows"),
				  "how many flows (limit) is not "
				  "said");
		if (step->k8s && step->k8s->list && !step->k8s->limit.set)
			lint_fail(l, lint_path(l, s, "k8s"),
				  "how many objects (limit) is not said");
		for (size_t k = 0; k < step->n_evidence; k++)
			check_size(l,
				   lint_path(l, s, arena_printf(l->arena, "evidence[%zu].max", k)),
				   step->evidence[k].max, 16u << 20);
	}
	return 0;
}

/* --- hidden characters --------------------------------------------------------------------------
 */

static bool hides(const char *text)
{
	size_t n;

	for (; *text; text += n) {
		if (unseen_at(text, &n) && *text != '\n' && *text != '\t')
			return true;
	}
	return false;
}

/* What is printed as an author's words could look like lines of ours. */
static bool forges(const char *text)
{
	const char *end = strchr(text, '\n');

	return (end && end[1]) || strstr(text, "          ");
}

/* data: what is written into objects, and printed as JSON. */
static void look_for_hidden(struct lint *l, const struct doc *d, const char *path, bool data)
{
	if (d->kind == DOC_STRING && hides(d->string))
		lint_fail(l, path, "characters that nobody sees, or that turn the text around");
	else if (d->kind == DOC_STRING && !data && forges(d->string))
		lint_fail(l, path,
			  "a line break or a row of blanks: printed, what follows would pass for a "
			  "line of another's (a YAML text folded by >- has none)");
	doc_foreach_item (d, it)
		look_for_hidden(l, it, arena_printf(l->arena, "%s[%zu]", path, it_i), data);
	doc_foreach_entry (d, e) {
		if (hides(e->key) || forges(e->key))
			lint_fail(
				l, path,
				"a field's name has characters that nobody sees, or a line break");
		look_for_hidden(l, e->value,
				*path ? arena_printf(l->arena, "%s.%s", path, e->key) : e->key,
				data || str_eq(e->key, "op"));
	}
}

RULE(rule_hidden)
{
	struct lint *l = env;

	look_for_hidden(l, l->root, "", false);
	return 0;
}

/* --- evidence and secrets ----------------------------------------------------------------------
 */

static bool plain_file(const char *name)
{
	return !str_empty(name) && strlen(name) <= 100 && isalnum((unsigned char)*name) &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				 "-_.")] == 0 &&
	       !strstr(name, "..");
}

static void check_evidence(struct lint *l, const struct evidence_item *e, const char *path)
{
	const struct expr *from = NULL;

	if (!plain_file(e->name))
		lint_fail(l, path, "\"%s\" is no plain file name", e->name);
	if (!str_eq(e->redact, "default"))
		lint_fail(l, path, "evidence is redacted: want redact: default");
	if (expr_parse(l->arena, e->from, &from, NULL) == 0 && from->op != EXPR_NAME &&
	    from->op != EXPR_FIELD && from->op != EXPR_INDEX)
		lint_fail(l, path, "from is a result or a part of one, nothing calculated");
}

RULE(rule_evidence)
{
	struct lint *l = env;

	for (size_t i = 0; i < l->n_sites; i++) {
		const struct site *s = &l->sites[i];

		for (size_t k = 0; k < s->step->n_evidence; k++)
			check_evidence(l, &s->step->evidence[k],
				       lint_path(l, s, arena_printf(l->arena, "evidence[%zu]", k)));
	}
	return 0;
}

static void find_secret(struct lint *l, const struct text *t, const struct expr *e)
{
	const bool whole = e->op == EXPR_NAME && str_eq(e->text, "params");
	const struct param *p = NULL;

	if (e->op == EXPR_FIELD && e->items[0]->op == EXPR_NAME &&
	    str_eq(e->items[0]->text, "params")) {
		p = lint_param(&l->rb, e->text);
		if (p && p->secret)
			lint_fail(l, t->path, "the secret %s would be seen here", p->name);
		return;
	}
	for (size_t i = 0; whole && i < l->rb.n_params; i++) {
		if (l->rb.params[i].secret)
			lint_fail(l, t->path,
				  "all parameters, and so the secret %s, would be "
				  "seen here",
				  l->rb.params[i].name);
	}
	for (size_t i = 0; i < e->n; i++)
		find_secret(l, t, e->items[i]);
}

static void look_for_secret(struct lint *l, const struct text *t)
{
	lint_each_expr(l, t, find_secret);
}

RULE(rule_secrets)
{
	lint_each_text(env, look_for_secret);
	return 0;
}
