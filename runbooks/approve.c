/* SPDX-License-Identifier: Apache-2.0 */
#include "runbooks/approve.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/object/sidestep.h"
#include "lib/step/digest.h"
#include "runbooks/run_internal.h"
#include "runbooks/wanted.h"

#define TOOL       "approval"
#define MAX_FILE   4096u
#define MAX_GROUPS 256
#define DAY_NS     (24 * 3600 * NS_PER_S)

struct vote {
	const char *who;
	struct strings groups;
	int64_t at_ns; /* wall clock, by the server or the kernel */
	bool vouched;
};
struct votes {
	struct arena *a;
	struct vote items[64];
	size_t n;
};

/* --- who asks ----------------------------------------------------------------------------------
 */

static struct strings groups_of(struct arena *a, uid_t uid)
{
	const struct passwd *p = getpwuid(uid);
	gid_t gids[MAX_GROUPS];
	int n = MAX_GROUPS;
	struct strings out = {arena_array(a, MAX_GROUPS, const char *), 0};

	if (!p || getgrouplist(p->pw_name, p->pw_gid, gids, &n) < 0)
		return out;
	for (int i = 0; i < n; i++) {
		const struct group *g = getgrgid(gids[i]);

		if (g)
			out.items[out.n++] = arena_strdup(a, g->gr_name);
	}
	return out;
}

static int ask_api(struct runner *r, struct requester *ret, struct error *err)
{
	struct arena *a = &r->arena;
	struct doc *body = doc_map(a), *answer = NULL;
	struct kube_request q = {.verb = KUBE_CREATE,
				 .path = "/apis/authentication.k8s.io/v1/selfsubjectreviews",
				 .body = body};
	const struct doc *groups;
	int rc;

	doc_set_string(a, body, "apiVersion", "authentication.k8s.io/v1");
	doc_set_string(a, body, "kind", "SelfSubjectReview");
	rc = cluster_do(&r->cluster, &q, a, &answer, err);
	if (rc)
		return rc;
	ret->name = doc_find_str(answer, "status.userInfo.username");
	groups = doc_find(answer, "status.userInfo.groups");
	ret->groups = (struct strings){arena_array(a, doc_len(groups) + 1, const char *), 0};
	doc_foreach_item (groups, g)
		ret->groups.items[ret->groups.n++] = str_or_empty(doc_str(g));
	ret->by_api = true;
	if (str_empty(ret->name))
		return error_set(err, -EPERM, "the API server does not say who the caller is");
	return 0;
}

int runner_caller(struct runner *r, struct requester *ret, struct error *err)
{
	*ret = (struct requester){0};
	if (r->cluster.client)
		return ask_api(r, ret, err);
	ret->name = arena_printf(&r->arena, "uid %u", (unsigned)geteuid());
	ret->groups = groups_of(&r->arena, geteuid());
	return 0;
}

static bool any_group(const struct strings *have, const struct strings *want)
{
	for (size_t i = 0; i < have->n; i++) {
		for (size_t k = 0; k < want->n; k++) {
			if (str_eq(have->items[i], want->items[k]))
				return true;
		}
	}
	return false;
}

/* --- where approvals are -----------------------------------------------------------------------
 */

static const char *short_name(struct arena *a, const char *x, const char *y)
{
	char digest[DIGEST_HEX + 1];
	const char *text = arena_printf(a, "%s\n%s", x, y);

	digest_sha256(text, strlen(text), digest);
	return arena_strndup(a, digest, 16);
}

static const char *spool(struct arena *a, const char *state)
{
	return arena_printf(a, "%s/approvals", state);
}

static const char *file_of(struct arena *a, const char *state, const char *run, const char *step,
			   const char *end)
{
	return arena_printf(a, "%s/%s.%s.%s", spool(a, state), run, short_name(a, run, step), end);
}

static struct doc *of_admission(struct runner *r, const char *resource)
{
	struct kube_request q = {.verb = KUBE_GET,
				 .path = arena_printf(&r->arena,
						      "/apis/admissionregistration.k8s.io/v1/%s/%s",
						      resource, APPROVAL_POLICY)};
	struct doc *d = NULL;

	return cluster_do(&r->cluster, &q, &r->arena, &d, NULL) ? NULL : d;
}

static int64_t made_ns(const struct doc *d)
{
	const char *when = str_or_empty(doc_find_str(d, "metadata.creationTimestamp"));
	int64_t ns;

	return clock_parse_rfc3339(when, &ns) ? INT64_MAX : ns;
}

/* Since when the server refuses approvals in another's name; INT64_MAX: it does not. */
static int64_t vouched_since(struct runner *r)
{
	const struct doc *policy = of_admission(r, "validatingadmissionpolicies");
	const struct doc *binding =
		policy ? of_admission(r, "validatingadmissionpolicybindings") : NULL;
	bool denies = false;

	doc_foreach_item (doc_find(binding, "spec.validationActions"), d)
		denies = denies || str_eq(doc_str(d), "Deny");
	if (!denies || !str_eq(doc_find_str(binding, "spec.policyName"), APPROVAL_POLICY) ||
	    doc_len(doc_find(binding, "spec.matchResources.namespaceSelector")) ||
	    doc_len(doc_find(binding, "spec.matchResources.objectSelector")) ||
	    str_eq(doc_find_str(policy, "spec.failurePolicy"), "Ignore"))
		return INT64_MAX;
	return MAX(made_ns(policy), made_ns(binding));
}

static struct strings strings_of(struct arena *a, const struct doc *list)
{
	struct strings s = {arena_array(a, doc_len(list) + 1, const char *), 0};

	doc_foreach_item (list, it)
		s.items[s.n++] = str_or_empty(doc_str(it));
	return s;
}

static int votes_in_cluster(struct runner *r, const char *step, struct votes *v, struct error *err)
{
	const int64_t since_ns = vouched_since(r);
	const char *digest = wanted_digest(r, step);
	struct doc *list;
	int rc = cluster_list(&r->cluster, v->a, object_kind(KIND_SIDESTEP_RUN), NULL, &list, err);

	if (rc)
		return rc;
	doc_foreach_item (list, d) {
		struct vote *vote;

		if (!str_eq(doc_find_str(d, "spec.tool"), TOOL) ||
		    !str_eq(doc_find_str(d, "spec.subject"), r->run) ||
		    !str_eq(doc_find_str(d, "spec.step"), step) || !digest ||
		    !str_eq(doc_find_str(d, "spec.planDigest"), digest) ||
		    v->n == ARRAY_SIZE(v->items))
			continue;
		vote = &v->items[v->n];
		*vote = (struct vote){.who = doc_find_str(d, "spec.holder"),
				      .groups = strings_of(v->a, doc_find(d, "spec.groups")),
				      .at_ns = made_ns(d)};
		/* Within its second, too, nobody knows which was first. */
		vote->vouched = vote->at_ns > since_ns;
		if (vote->who && vote->at_ns != INT64_MAX)
			v->n++;
	}
	return 0;
}

/* The owner and the time are the kernel's; the words only say what it is an approval of. */
static bool read_vote(struct runner *r, const char *path, const char *step, struct vote *ret)
{
	auto_close int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	const char *want = arena_printf(&r->arena, "approve %s %s %s\n", r->run, step,
					str_or_empty(wanted_digest(r, step)));
	char text[MAX_FILE];
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return false;
	text[n] = '\0';
	if (!str_eq(text, want))
		return false;
	*ret = (struct vote){.who = arena_printf(&r->arena, "uid %u", (unsigned)st.st_uid),
			     .groups = groups_of(&r->arena, st.st_uid),
			     .at_ns = (int64_t)st.st_ctim.tv_sec * (int64_t)NS_PER_S,
			     .vouched = true};
	return true;
}

static int votes_in_files(struct runner *r, const char *step, struct votes *v, struct error *err)
{
	const char *dir = spool(v->a, r->state);
	const char *prefix = arena_printf(v->a, "%s.%s.", r->run, short_name(v->a, r->run, step));
	DIR *d = opendir(dir);

	(void)err;
	for (struct dirent *e; d && (e = readdir(d));) {
		if (str_starts(e->d_name, prefix) && v->n < ARRAY_SIZE(v->items) &&
		    read_vote(r, arena_printf(v->a, "%s/%s", dir, e->d_name), step,
			      &v->items[v->n]))
			v->n++;
	}
	if (d)
		closedir(d);
	return 0;
}

/* --- counting ----------------------------------------------------------------------------------
 */

/* NULL, or why it counts for nobody. */
static const char *refused(const struct runner *r, const struct approvers *want,
			   const struct vote *vote, int64_t now_ns, int64_t expires_ns)
{
	if (str_eq(vote->who, doc_find_str(r->plan, "requester.name")))
		return "asked for it";
	if (!any_group(&vote->groups, &want->groups))
		return "is in none of the groups";
	if (now_ns - vote->at_ns > expires_ns)
		return "agreed too long ago";
	if (!vote->vouched && !r->options.unvouched)
		return "is a name that nobody vouches for: apply runbooks/cluster/approvals.yaml "
		       "and let them agree anew, or resume with --accept-unvouched";
	return NULL;
}

/* NULL, or why this one does not count: one that is refused does not stand in another's way. */
static const char *discounted(const struct runner *r, const struct approvers *want,
			      const struct votes *v, size_t i, int64_t now_ns, int64_t expires_ns)
{
	const char *why = refused(r, want, &v->items[i], now_ns, expires_ns);

	for (size_t k = 0; k < i && !why; k++) {
		if (str_eq(v->items[k].who, v->items[i].who) &&
		    !refused(r, want, &v->items[k], now_ns, expires_ns))
			why = "is counted already";
	}
	return why;
}

/* When it was asked for what would be done now; noted once. -E2BIG: nobody would read it. */
static int asked_at(struct runner *r, const char *step, const struct doc *data, int64_t *ret_ns,
		    struct error *err)
{
	const struct journal_record *asked = wanted_asked(r, step);
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	struct arena *a = journal_arena(r->journal);
	const struct doc *changes = wanted_changes(r, data);
	char when[CLOCK_RFC3339_SIZE];
	struct doc *body;

	if (wanted_same(asked, changes))
		return clock_parse_rfc3339(str_or_empty(doc_find_str(asked->body, "at")), ret_ns);
	doc_write_json(changes, DOC_COMPACT, &text);
	if (text.len > WANTED_MAX_BYTES)
		return error_set(err, -E2BIG,
				 "what is to be agreed to has %zu bytes: nobody reads that",
				 text.len);
	*ret_ns = clock_wall_ns(r->cluster.clock);
	body = doc_map(a);
	doc_set_string(a, body, "step", step);
	doc_set_string(a, body, "at", clock_rfc3339(*ret_ns, 3, when));
	doc_set(a, body, "changes", doc_clone(a, changes));
	return run_record(r, "asked", body, err);
}

int answer_asked_at(struct runner *r, const char *step, int64_t *ret_ns, struct error *err)
{
	struct arena *a = journal_arena(r->journal);
	char when[CLOCK_RFC3339_SIZE];
	struct doc *body;

	for (size_t i = journal_count(r->journal); i--;) {
		const struct journal_record *rec = journal_at(r->journal, i);

		if (str_eq(rec->type, "changed"))
			break;
		if (str_eq(rec->type, "question") && str_eq(doc_find_str(rec->body, "step"), step))
			return clock_parse_rfc3339(str_or_empty(doc_find_str(rec->body, "at")),
						   ret_ns);
	}
	*ret_ns = clock_wall_ns(r->cluster.clock);
	body = doc_map(a);
	doc_set_string(a, body, "step", step);
	doc_set_string(a, body, "at", clock_rfc3339(*ret_ns, 3, when));
	return run_record(r, "question", body, err);
}

static struct doc *wanted_doc(struct runner *r, const char *step, const struct runbook_step *s)
{
	struct arena *a = &r->arena;
	const struct journal_record *asked = wanted_asked(r, step);
	const char *file = doc_find_str(r->plan, "file");
	struct doc *d = doc_map(a), *groups;

	doc_set_string(a, d, "run", r->run);
	doc_set_string(a, d, "step", step);
	doc_set_string(a, d, "title", s->title);
	/* Anybody's file may have the name of one that is shipped. */
	doc_set_string(a, d, "book",
		       arena_printf(a, "%s %s, version %" PRId64 "%s",
				    file ? "somebody's runbook" : "the shipped runbook", r->rb.name,
				    r->rb.version, file ? arena_printf(a, ", of %s", file) : ""));
	doc_set_string(a, d, "plan", r->digest);
	doc_set_string(a, d, "digest", wanted_digest(r, step));
	doc_set_string(a, d, "requester", doc_find_str(r->plan, "requester.name"));
	doc_set_string(a, d, "expires", s->approvers->expires);
	doc_set_int(a, d, "min", s->approvers->min.value);
	doc_set(a, d, "params", doc_clone(a, doc_get(r->plan, "params")));
	groups = doc_set_list(a, d, "groups");
	for (size_t i = 0; i < s->approvers->groups.n; i++)
		doc_append(a, groups, doc_string(a, s->approvers->groups.items[i]));
	if (asked)
		doc_set(a, d, "changes", doc_clone(a, doc_get(asked->body, "changes")));
	return d;
}

/* Others cannot read our folders: what they are asked stands where they can. */
static int publish(struct runner *r, const char *step, const struct runbook_step *s,
		   struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	const char *dir = spool(&r->arena, r->state);
	int rc = io_mkdirs(dir, 0700, err);

	if (rc)
		return rc;
	if (chmod(dir, 01777) < 0 || chmod(r->state, 0711) < 0)
		return error_errno(err, -errno, "%s", dir);
	doc_write_json(wanted_doc(r, step, s), DOC_PRETTY, &text);
	return io_replace_file(file_of(&r->arena, r->state, r->run, step, "ask"), text.buf,
			       text.len, 0644, err);
}

static void describe(struct strbuf *out, const struct vote *v, const char *why)
{
	strbuf_addf(out, "; %s %s", v->who, why ? why : "agrees");
}

static struct doc *record_of(struct arena *a, const struct votes *v, const bool *counts)
{
	struct doc *answer = doc_map(a), *by = doc_set_list(a, answer, "by");
	char when[CLOCK_RFC3339_SIZE];

	for (size_t i = 0; i < v->n; i++) {
		struct doc *one;

		if (!counts[i])
			continue;
		one = doc_append(a, by, doc_map(a));
		doc_set_string(a, one, "who", v->items[i].who);
		doc_set_string(a, one, "at", clock_rfc3339(v->items[i].at_ns, 0, when));
		doc_set_bool(a, one, "vouched", v->items[i].vouched);
	}
	doc_set_bool(a, answer, "approved", true);
	return answer;
}

/* Of what counted because somebody said so; NULL: the server or the kernel vouches for all. */
static const char *unvouched(struct runner *r, const struct votes *v, const bool *counts)
{
	const char *who = NULL;

	for (size_t i = 0; i < v->n; i++) {
		if (counts[i] && !v->items[i].vouched)
			who = arena_printf(&r->arena, "%s%s%s", str_or_empty(who), who ? ", " : "",
					   v->items[i].who);
	}
	return who ? arena_printf(&r->arena, "--accept-unvouched: nobody vouches for the name %s",
				  who)
		   : NULL;
}

static void wait_for_more(struct runner *r, const struct approvers *want, size_t have,
			  const struct strbuf *said, struct done *d)
{
	auto_release(strbuf) struct strbuf who = STRBUF_INIT;

	for (size_t i = 0; i < want->groups.n; i++)
		strbuf_addf(&who, "%s%s", i ? " or " : "", want->groups.items[i]);
	d->waits = true;
	d->status = STATUS_WAITING;
	d->why = arena_printf(
		&r->arena, "%zu of %" PRId64 " approvals; it takes somebody of %s who is not %s%s",
		have, want->min.value, strbuf_cstr(&who),
		str_or_empty(doc_find_str(r->plan, "requester.name")), strbuf_cstr(said));
}

static int count(const struct scope *s, const struct runbook_step *step, struct votes *v,
		 int64_t expires, struct done *d)
{
	struct runner *r = s->r;
	auto_release(strbuf) struct strbuf said = STRBUF_INIT;
	bool counts[ARRAY_SIZE(v->items)] = {false};
	size_t have = 0;

	for (size_t i = 0; i < v->n; i++) {
		const char *why = discounted(r, step->approvers, v, i,
					     clock_wall_ns(r->cluster.clock), expires);

		counts[i] = !why;
		have += !why;
		describe(&said, &v->items[i], why);
	}
	if ((int64_t)have >= MAX(step->approvers->min.value, 1)) {
		d->answer = record_of(&r->arena, v, counts);
		d->why = unvouched(r, v, counts);
		return 0;
	}
	wait_for_more(r, step->approvers, have, &said, d);
	return 0;
}

static int decided(struct runner *r, const char *why, struct done *d)
{
	*d = (struct done){.status = STATUS_FAILED, .why = why, .answer = doc_map(&r->arena)};
	doc_set_bool(&r->arena, d->answer, "approved", false);
	return 0;
}

int act_approve(const struct scope *s, const struct runbook_step *step, const struct doc *data,
		struct done *d, struct error *err)
{
	struct runner *r = s->r;
	const char *key = scope_key(s, step);
	const int64_t expires = (int64_t)duration_ns(step->approvers->expires, DAY_NS);
	struct votes v = {.a = &r->arena};
	struct error why = ERROR_INIT;
	int64_t asked;
	int rc;

	if (s->mode != MODE_EXECUTE) {
		d->status = STATUS_ASSUMED;
		d->answer = doc_map(&r->arena);
		return 0;
	}
	d->at = key;
	rc = asked_at(r, key, data, &asked, &why);
	if (rc == -E2BIG)
		return decided(r, arena_strdup(&r->arena, why.msg), d);
	if (rc)
		return error_set(err, rc, "%s", why.msg);
	rc = r->cluster.client ? votes_in_cluster(r, key, &v, err)
			       : votes_in_files(r, key, &v, err);
	if (!rc)
		rc = count(s, step, &v, expires, d);
	if (rc || !d->waits)
		return rc;
	if (clock_wall_ns(r->cluster.clock) - asked > expires)
		return decided(r, "nobody agreed in time", d);
	return r->cluster.client ? 0 : publish(r, key, step, err);
}

/* --- which step a key is of ----------------------------------------------------------------------
 */

static const struct runbook_step *find_step(const struct runbook_step *steps, size_t n,
					    const char *id)
{
	for (size_t i = 0; i < n; i++) {
		const struct runbook_step *in;

		if (str_eq(steps[i].id, id))
			return &steps[i];
		in = find_step(steps[i].steps, steps[i].n_steps, id);
		if (!in && steps[i].rollback)
			in = find_step(steps[i].rollback->steps, steps[i].rollback->n_steps, id);
		if (in)
			return in;
	}
	return NULL;
}

/* "restart[0].agree" ends with the id of the step. */
static const char *id_of(const char *key)
{
	const char *dot = strrchr(key, '.');
	const char *slash = strrchr(key, '/');

	return dot || slash ? MAX(dot, slash) + 1 : key;
}

/* --- what a copy says ----------------------------------------------------------------------------
 */

/* When it was is left aside: the record of it is as good as any other of a copy's. */
static int stands(struct runner *r, const char *key, bool *ret, struct error *err)
{
	const struct runbook_step *step = find_step(r->rb.steps, r->rb.n_steps, id_of(key));
	struct votes v = {.a = &r->arena};
	int64_t have = 0;
	int rc;

	*ret = false;
	if (!step || step->kind != STEP_APPROVE || !r->cluster.client)
		return 0;
	rc = votes_in_cluster(r, key, &v, err);
	for (size_t i = 0; i < v.n && !rc; i++)
		have += !discounted(r, step->approvers, &v, i, v.items[i].at_ns, 0);
	*ret = !rc && have >= MAX(step->approvers->min.value, 1);
	return rc;
}

int approvals_recount(struct runner *r, struct error *err)
{
	struct doc *kept = doc_map(&r->arena);

	if (!r->copied || r->mode != MODE_EXECUTE)
		return 0;
	doc_foreach_entry (r->answers, e) {
		const struct runbook_step *step =
			find_step(r->rb.steps, r->rb.n_steps, id_of(e->key));
		bool keep = true;
		int rc = 0;

		if (doc_find(e->value, "answer.approved") || (step && step->kind == STEP_APPROVE))
			rc = stands(r, e->key, &keep, err);
		if (rc)
			return rc;
		if (keep)
			doc_set(&r->arena, kept, e->key, e->value);
		else
			say(r,
			    "  %s: the copy of this run says it is approved, and nobody's "
			    "approval is there\n",
			    e->key);
	}
	r->answers = kept;
	return 0;
}

/* --- agreeing ----------------------------------------------------------------------------------
 */

static void wanted_of(struct arena *a, const struct doc *d, struct approval_wanted *ret)
{
	*ret = (struct approval_wanted){.run = doc_find_str(d, "run"),
					.step = doc_find_str(d, "step"),
					.title = doc_find_str(d, "title"),
					.book = doc_find_str(d, "book"),
					.requester = doc_find_str(d, "requester"),
					.digest = doc_find_str(d, "digest"),
					.expires = doc_find_str(d, "expires"),
					.min = doc_find_int(d, "min", 1),
					.groups = strings_of(a, doc_get(d, "groups")),
					.params = doc_get(d, "params"),
					.changes = doc_get(d, "changes")};
}

int approval_of_run(struct runner *r, const char *step, struct approval_wanted *ret,
		    struct error *err)
{
	const struct runbook_step *s = find_step(r->rb.steps, r->rb.n_steps, id_of(step));

	if (!s || s->kind != STEP_APPROVE || !wanted_asked(r, step) || doc_get(r->answers, step))
		return error_set(err, -ENOENT,
				 "run %s does not wait for an approval of %s; 'sidestep runbook "
				 "status %s' tells where it stands",
				 r->run, step, r->run);
	if (!wanted_fits(r, wanted_asked(r, step)))
		return error_set(err, -EPERM,
				 "what run %s asks to be agreed to is not what its runbook does: "
				 "somebody has written into the copy",
				 r->run);
	wanted_of(&r->arena, wanted_doc(r, step, s), ret);
	return 0;
}

int approval_of_file(struct arena *a, const char *state, const char *run, const char *step,
		     struct approval_wanted *ret, struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	const char *path = file_of(a, state, run, step, "ask");
	struct doc *d = NULL;
	int rc;

	if (!evidence_plain_name(run) || !io_exists(path))
		return error_set(err, -ENOENT,
				 "run %.60s does not wait for an approval of %.60s here "
				 "(%s); 'sidestep runbook status' tells what waits",
				 run, step, spool(a, state));
	rc = io_read_file(path, 4 * WANTED_MAX_BYTES, &text, err);
	if (!rc)
		rc = doc_read_json(a, text.buf, text.len, path, &d, err);
	if (rc)
		return rc;
	wanted_of(a, d, ret);
	if (!str_eq(ret->run, run) || !str_eq(ret->step, step) || !ret->digest || !ret->changes)
		return error_set(err, -EINVAL, "%s is of something else", path);
	/* What is read is what is agreed to. */
	if (!str_eq(ret->digest, wanted_digest_of(a, str_or_empty(doc_find_str(d, "plan")), run,
						  step, ret->changes)))
		return error_set(err, -EPERM,
				 "%s shows something else than it asks to be agreed to", path);
	return 0;
}

static int approve_in_cluster(struct runner *r, const struct approval_wanted *w,
			      const struct requester *who, struct error *err)
{
	struct arena *a = &r->arena;
	const char *name = arena_printf(
		a, "%s-approval-%s", w->run,
		short_name(a, arena_printf(a, "%s %s", w->step, w->digest), who->name));
	struct doc *d = kube_object_new(a, object_kind(KIND_SIDESTEP_RUN), NULL, name), *spec,
		   *list;
	struct kube_request q = {
		.verb = KUBE_CREATE, .kind = object_kind(KIND_SIDESTEP_RUN), .body = d};
	int rc;

	doc_set_string(a, doc_set_map(a, doc_get(d, "metadata"), "labels"),
		       SIDESTEP_MANAGED_BY_LABEL, SIDESTEP_MANAGED_BY);
	spec = doc_set_map(a, d, "spec");
	doc_set_string(a, spec, "tool", TOOL);
	doc_set_string(a, spec, "subject", w->run);
	doc_set_string(a, spec, "step", w->step);
	doc_set_string(a, spec, "planDigest", w->digest);
	doc_set_string(a, spec, "holder", who->name);
	list = doc_set_list(a, spec, "groups");
	for (size_t i = 0; i < who->groups.n; i++)
		doc_append(a, list, doc_string(a, who->groups.items[i]));
	rc = cluster_do(&r->cluster, &q, a, NULL, err);
	return rc == -EEXIST ? error_set(err, -EALREADY, "%s has agreed to it already", who->name)
			     : rc;
}

static int approve_in_file(struct runner *r, const struct approval_wanted *w, struct error *err)
{
	const char *end = arena_printf(&r->arena, "%u-%.16s", (unsigned)geteuid(), w->digest);
	const char *path = file_of(&r->arena, r->state, w->run, w->step, end);
	const char *text =
		arena_printf(&r->arena, "approve %s %s %s\n", w->run, w->step, w->digest);
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0)
		return errno == EEXIST ? error_set(err, -EALREADY,
						   "you have agreed to it already (%s)", path)
				       : error_errno(err, -errno, "%s", path);
	return io_write_all(fd, text, strlen(text), err);
}

int approve(struct runner *r, const struct approval_wanted *w, struct error *err)
{
	struct requester who;
	int rc = runner_caller(r, &who, err);

	if (rc)
		return rc;
	if (str_eq(who.name, w->requester))
		return error_set(err, -EPERM,
				 "%s asked for it, and so does not approve it: it takes "
				 "another",
				 who.name);
	if (!any_group(&who.groups, &w->groups))
		return error_set(err, -EPERM, "%s is in none of the groups that may approve it",
				 who.name);
	return who.by_api ? approve_in_cluster(r, w, &who, err) : approve_in_file(r, w, err);
}
