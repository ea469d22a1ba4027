/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of safety: what changes something is said, proved, undone and agreed to; nothing runs but
 * what the tables allow; everything has a limit; secrets stay out of sight. */
#include <ctype.h>
#include <string.h>

#include "lib/base/map.h"
#include "lib/base/str.h"
#include "runbooks/known.h"
#include "runbooks/lint_internal.h"
#include "runbooks/template.h"

#define RULE(name_)                                                                                \
	int name_(UNUSED const struct check *check, void *env, UNUSED struct report *report,       \
		  UNUSED struct error *err)

#define MINUTE_NS (60ULL * 1000000000ULL)
#define HOUR_NS   (60 * MINUTE_NS)

static bool changes(const struct site *s)
{
	return s->step->kind == STEP_MUTATE || s->step->mutates.value;
}

static const struct known_operation *operation_of(const struct site *s)
{
	const struct doc *op = s->step->op;

	return op && op->kind == DOC_MAP && op->map.n == 1
		       ? known_operation_find(op->map.entries[0].key)
		       : NULL;
}

/* Less than this nobody may call it. */
static int least_risk(const struct site *s)
{
	const struct known_operation *op = operation_of(s);

	return op ? op->risk : s->step->kind == STEP_COMMAND ? RISK_MEDIUM : RISK_LOW;
}

RULE(rule_mutates)
{
	struct lint *l = env;

	for (size_t i = 0; i < l->n_sites; i++) {
		const struct site *s = &l->sites[i];
		const unsigned flags = step_kinds[s->step->kind].flags;
		const char *kind = step_kinds[s->step->kind].name;

		if (!s->step->mutates.set)
			lint_fail(l, s->path, "step %s does not say whether it mutates",
				  s->step->id);
		else if (s->step->mutates.value && !(flags & (STEP_MAY_MUTATE | STEP_MUST_MUTATE)))
			lint_fail(l, lint_path(l, s, "mutates"), "a step of kind %s only reads",
				  kind);
		else if (!s->step->mutates.value && (flags & STEP_MUST_MUTATE))
			lint_fail(l, lint_path(l, s, "mutates"),
				  "a step of kind %s changes something: mutates is true", kind);
		if (changes(s) && s->step->risk == RISK_UNSAID)
			lint_fail(l, s->path, "step %s changes something and names no risk",
				  s->step->id);
		else if (changes(s) && s->step->risk < least_risk(s))
			lint_fail(l, lint_path(l, s, "risk"), "what it does has risk %s at least",
				  risk_names[least_risk(s)]);
	}
	return 0;
}

/* --- verify ------------------------------------------------------------------------------------
 */

struct asked {
	struct lint *l;
	const struct text *text;
	struct map results;
};

static void ask_result(void *ctx, const struct expr *name)
{
	struct asked *q = ctx;
	const struct site *from = lint_registered(q->l, q->text, name->text);

	if (from && !changes(from) && from->step->kind != STEP_ASK)
		map_set(&q->results, name->text, q->l);
}

/* How many results of steps that only read an expression asks: each is asked anew at every poll. */
static size_t sources_of(struct lint *l, const struct site *s, const char *expr)
{
	const struct text t = {.text = expr, .site = s, .sees_own = true};
	struct asked q = {.l = l, .text = &t};
	const struct expr *e = NULL;
	size_t n;

	map_init(&q.results);
	if (expr_parse(l->arena, expr, &e, NULL) == 0)
		expr_walk_names(e, ask_result, &q);
	n = map_count(&q.results);
	map_release(&q.results);
	return n;
}

static void check_verify(struct lint *l, const struct site *s)
{
	const struct verify *v = s->step->verify;
	const int64_t want = v->sources.set ? v->sources.value : 2;
	const size_t n = sources_of(l, s, v->expr);

	if (want < 2)
		lint_fail(l, lint_path(l, s, "verify.sources"),
			  "one source may be wrong alone: want at least two");
	if ((int64_t)n < want)
		lint_fail(l, lint_path(l, s, "verify.expr"),
			  "it asks %zu results of steps that only read, want %lld", n,
			  (long long)MAX(want, 2));
	if (!v->stable.set || v->stable.value < 2)
		lint_fail(l, lint_path(l, s, "verify.stable"),
			  "once may be chance: want at least two samples in a row (stable)");
}

RULE(rule_verify)
{
	struct lint *l = env;

	for (size_t i = 0; i < l->n_sites; i++) {
		const struct site *s = &l->sites[i];

		if (!changes(s)) {
			if (s->step->verify)
				lint_fail(l, lint_path(l, s, "verify"),
					  "step %s changes nothing to be verified", s->step->id);
		} else if (!s->step->verify) {
			lint_fail(l, s->path, "step %s changes something and has no verify",
				  s->step->id);
		} else {
			check_verify(l, s);
		}
	}
	return 0;
}

/* --- rollback ----------------------------------------------------------------------------------
 */

static void check_rollback(struct lint *l, const struct site *s)
{
	const struct rollback *back = s->step->rollback;
	const struct known_operation *op = operation_of(s);
	const char *path = lint_path(l, s, "rollback");

	if ((back->inverse != INVERSE_UNSAID) == (back->n_steps > 0))
		lint_fail(l, path, "want either inverse or steps");
	if (back->inverse == INVERSE_AUTO && (!op || !op->invertible))
		lint_fail(l, path, "%s leaves no pre-image that could be put back",
			  op ? op->name : "this step");
	if (back->inverse == INVERSE_NONE && str_empty(back->reason))
		lint_fail(l, path, "there is no way back, and no reason is given");
	if (back->reason && back->inverse != INVERSE_NONE)
		lint_fail(l, path, "a reason is for inverse: none");
}

RULE(rule_rollback)
{
	struct lint *l = env;

	for (size_t i = 0; i < l->n_sites; i++) {
		const struct site *s = &l->sites[i];
		const struct rollback *back = s->step->rollback;

		if (!changes(s) || s->undoes) {
			if (back)
				lint_fail(l, lint_path(l, s, "rollback"),
					  "step %s has nothing to roll back", s->step->id);
		} else if (!back) {
			lint_fail(l, s->path, "step %s changes something and has no rollback",
				  s->step->id);
		} else {
			check_rollback(l, s);
		}
	}
	return 0;
}

RULE(rule_idempotent)
{
	struct lint *l = env;

	for (size_t i = 0; i < l->n_sites; i++) {
		const struct site *s = &l->sites[i];

		if (changes(s) && !s->undoes && !s->step->n_precheck && !s->step->idempotency_key)
			lint_fail(l, s->path,
				  "step %s would be done twice by whoever resumes: it has neither "
				  "precheck nor idempotency_key",
				  s->step->id);
		if (changes(s) && s->step->retry)
			lint_fail(l, lint_path(l, s, "retry"),
				  "what changes something is not tried again blindly");
	}
	return 0;
}

/* --- approvals ---------------------------------------------------------------------------------
 */

/* An approve step that no way leads around. */
static bool binds(const struct runbook_step *s, int64_t min)
{
	return s->kind == STEP_APPROVE && !s->when && !s->on_error && s->approvers &&
	       s->approvers->min.value >= min && (!s->on_timeout || str_eq(s->on_timeout, "abort"));
}

static bool approved(struct lint *l, const struct site *s, int64_t min)
{
	for (; s; s = s->parent) {
		bool *blocked = arena_array(l->arena, s->n_list + 1, bool);
		bool *mark = arena_array(l->arena, s->n_list + 1, bool);

		if (s->parent && s->parent->step->kind == STEP_PARALLEL)
			continue;
		for (size_t i = 0; i < s->n_list; i++)
			blocked[i] = binds(&s->list[i], min);
		lint_reach(s->list, s->n_list, 0, blocked, mark);
		if (!mark[s->index])
			return true;
	}
	return false;
}

RULE(rule_approved)
{
	struct lint *l = env;

	for (size_t i = 0; i < l->n_sites; i++) {
		const struct site *s = &l->sites[i];
		const bool no_way_back =
			s->step->rollback && s->step->rollback->inverse == INVERSE_NONE;
		const int64_t want = s->step->risk == RISK_HIGH                    ? 2
				     : s->step->risk == RISK_MEDIUM || no_way_back ? 1
										   : 0;

		if (changes(s) && !s->undoes && want && !approved(l, s, want))
			lint_fail(l, s->path,
				  "a way leads to step %s (%s) without an approval by %lld",
				  s->step->id,
				  s->step->risk >= RISK_MEDIUM
					  ? arena_printf(l->arena, "risk %s",
							 risk_names[s->step->risk])
					  : "no way back",
				  (long long)want);
	}
	return 0;
}

/* Names of groups as a cluster has them; whatever a caller could fill in is refused. */
static bool group_name(const char *g)
{
	return !str_empty(g) && isalpha((unsigned char)*g) && strlen(g) <= 253 &&
	       g[strspn(g, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			   "-_.:@/")] == 0;
}

static void check_approvers(struct lint *l, const struct site *s)
{
	const struct approvers *a = s->step->approvers;

	if (!a->min.set)
		lint_fail(l, lint_path(l, s, "approvers"), "how many must approve is not said");
	if (!a->groups.n)
		lint_fail(l, lint_path(l, s, "approvers"), "nobody is named who may approve");
	for (size_t i = 0; i < a->groups.n; i++) {
		if (!group_name(a->groups.items[i]))
			lint_fail(l, lint_path(l, s, "approvers.groups"),
				  "\"%s\" is no group's name: who approves is what the API server "
				  "says, never a flag or a variable",
				  a->groups.items[i]);
		else if (str_starts(a->groups.items[i], "system:"))
			lint_fail(l, lint_path(l, s, "approvers.groups"),
				  "%s is nobody's group in particular", a->groups.items[i]);
	}
	if (a->not_requester.set && !a->not_requester.value)
		lint_fail(l, lint_path(l, s, "approvers.not_requester"),
			  "who asks does not approve");
	if (!a->expires)
		lint_fail(l, lint_path(l, s, "approvers"), "an approval expires, but when?");
	if (s->step->on_timeout && !str_eq(s->step->on_timeout, "abort"))
		lint_fail(l, lint_path(l, s, "on_timeout"),
			  "silence is no approval: on_timeout is abort");
}

RULE(rule_approvers)
{
	struct lint *l = env;

	for (size_t i = 0; i < l->n_sites; i++) {
		if (l->sites[i].step->approvers)
			check_approvers(l, &l->sites[i]);
	}
	return 0;
}

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
		else if (row->mutates != changes(s))
			lint_fail(l, v.path, "\"%s\" %s", row->words,
				  row->mutates ? "changes something: mutates is true"
					       : "only reads: mutates is false");
	}
	return 0;
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
		if (l->sites[i].step->kind == STEP_COMMAND)
			lint_fail(l, l->sites[i].path,
				  "step %s runs a program on the node: unsafe, prefer a query",
				  l->sites[i].step->id);
	}
	return 0;
}

/* --- what is touched ---------------------------------------------------------------------------
 */

static void check_refs(struct lint *l, const struct site *s)
{
	const struct step_k8s *k = s->step->k8s;
	const struct doc *op = s->step->op, *args;
	const char *why = NULL;

	if (k)
		why = known_ref_refused(k->get ? k->get : k->list, false);
	if (why)
		lint_fail(l, lint_path(l, s, "k8s"), "%s", why);
	if (!op || op->kind != DOC_MAP || op->map.n != 1)
		return;
	args = op->map.entries[0].value;
	why = doc_get(args, "ref") ? known_ref_refused(doc_find_str(args, "ref"), true) : NULL;
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

RULE(rule_urls)
{
	struct lint *l = env;

	for (size_t i = 0; i < l->n_sites; i++) {
		const struct site *s = &l->sites[i];

		if (s->step->http && !within_cluster(l, s->step->http->url))
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
	if (doc_find(step->op, "['policy.suspend']"))
		check_time(l, lint_path(l, s, "op"),
			   doc_find_str(step->op, "['policy.suspend'].until"), 24 * HOUR_NS,
			   "until");
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

/* Controls, and what turns the direction of text around or has no width. */
static bool hides(const char *text)
{
	static const char *const marks[] = {
		"\xe2\x80\x8b", "\xe2\x80\x8c", "\xe2\x80\x8d", "\xe2\x80\x8e", "\xe2\x80\x8f",
		"\xe2\x80\xaa", "\xe2\x80\xab", "\xe2\x80\xac", "\xe2\x80\xad", "\xe2\x80\xae",
		"\xe2\x81\xa6", "\xe2\x81\xa7", "\xe2\x81\xa8", "\xe2\x81\xa9", "\xef\xbb\xbf"};

	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if ((*p < ' ' && *p != '\n' && *p != '\t') || *p == 0x7f ||
		    (*p == 0xc2 && p[1] < 0xa0))
			return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		if (strstr(text, marks[i]))
			return true;
	}
	return false;
}

static void look_for_hidden(struct lint *l, const struct doc *d, const char *path)
{
	if (d->kind == DOC_STRING && hides(d->string))
		lint_fail(l, path, "characters that nobody sees, or that turn the text around");
	doc_foreach_item (d, it)
		look_for_hidden(l, it, arena_printf(l->arena, "%s[%zu]", path, it_i));
	doc_foreach_entry (d, e) {
		if (hides(e->key))
			lint_fail(l, path, "a field's name has characters that nobody sees");
		look_for_hidden(l, e->value,
				*path ? arena_printf(l->arena, "%s.%s", path, e->key) : e->key);
	}
}

RULE(rule_hidden)
{
	struct lint *l = env;

	look_for_hidden(l, l->root, "");
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
	if (t->shown || (t->site && doc_get(t->site->step->op, "command")))
		lint_each_expr(l, t, find_secret);
}

RULE(rule_secrets)
{
	lint_each_text(env, look_for_secret);
	return 0;
}
