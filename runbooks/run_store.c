/* SPDX-License-Identifier: Apache-2.0 */
/* A run's folder, journal, copy and lock. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/step/digest.h"
#include "runbooks/lint.h"
#include "runbooks/run_internal.h"

#define TOOL "runbook"
/* A file in the folder of a run whose journal came from the cluster. */
#define COPIED "copied"

/* The lock of a namespace stands in it, that of the cluster with the mesh. */
static const struct run_tool namespace_tool = {
	.name = TOOL, .subject = "runbook", .lock_prefix = "runbook."};
static const struct run_tool cluster_tool = {.name = TOOL,
					     .subject = "runbook",
					     .lock_prefix = "runbook.",
					     .lease_namespace = "kube-system"};

/* --- opening -----------------------------------------------------------------------------------
 */

static void on_signal(void *arg, int signo)
{
	struct runner *r = arg;

	(void)signo;
	r->cluster.pause = "interrupted";
	/* What is only asked is not waited for. */
	if (r->reading)
		r->cluster.patience_ns = 1;
}

static void set_up(struct runner *r, const struct run_options *o)
{
	r->options = *o;
	r->state = o->state ? arena_strdup(&r->arena, o->state) : session_state_dir(&r->arena);
	r->answers = doc_map(&r->arena);
	r->voided = doc_map(&r->arena);
	r->sources = (struct source_env){.cluster = &r->cluster,
					 .no_cluster = r->no_cluster,
					 .arena = &r->arena,
					 .looks = doc_map(&r->arena)};
}

int runner_open(struct runner *r, const struct run_options *o, struct error *err)
{
	static const int signos[] = {SIGINT, SIGTERM};
	struct error why = ERROR_INIT;
	int rc = -ENOENT;

	*r = (struct runner){.own_cluster = true};
	if (!o->no_cluster)
		rc = cluster_open(&r->cluster, &r->arena, o->kubeconfig, o->context,
				  "sidestep-runbook", &why);
	/* A kubeconfig that was named must be right; without one we go on alone. */
	if (rc && (o->kubeconfig || o->context)) {
		arena_release(&r->arena);
		return error_set(err, rc, "%s", why.msg);
	}
	if (rc) {
		r->no_cluster = o->no_cluster ? "none is to be asked (--no-cluster)"
					      : arena_strdup(&r->arena, why.msg);
		r->cluster = (struct cluster){.loop = loop_new(NULL), .clock = clock_system()};
	}
	set_up(r, o);
	for (size_t i = 0; i < ARRAY_SIZE(signos); i++)
		r->signals[i] = loop_signal_new(r->cluster.loop, signos[i], on_signal, r);
	return 0;
}

void runner_attach(struct runner *r, const struct cluster *c, const struct run_options *o)
{
	*r = (struct runner){.cluster = *c, .no_cluster = "the test has none"};
	set_up(r, o);
}

void runner_close(struct runner *r)
{
	if (r->locked)
		session_close(&r->lock);
	if (r->lock_fd)
		close(r->lock_fd - 1);
	journal_free(r->journal);
	run_host_release(&r->host);
	for (size_t i = 0; i < ARRAY_SIZE(r->signals); i++)
		if (r->signals[i])
			loop_signal_free(r->signals[i]);
	if (r->own_cluster)
		cluster_release(&r->cluster);
	arena_release(&r->arena);
}

/* --- lock --------------------------------------------------------------------------------------
 */

static int lock_file(struct runner *r, const char *subject, struct error *err)
{
	const char *path = arena_printf(&r->arena, "%s/runbook.%s.lock", r->state, subject);
	int rc = io_mkdirs(r->state, 0700, err);
	int fd = rc ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (rc)
		return rc;
	if (fd < 0)
		return error_errno(err, -errno, "%s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		close(fd);
		return error_set(err, -EBUSY, "another run on this machine holds %s: wait for it",
				 path);
	}
	r->lock_fd = fd + 1;
	return 0;
}

/* By what the runbook requires; who only reads needs none. */
static int take_lock(struct runner *r, struct error *err)
{
	const char *scope = str_or_empty(r->rb.lock);
	const char *ns = doc_find_str(r->plan, "params.namespace");
	const bool whole = str_eq(scope, "cluster") || !ns;

	if (r->mode != MODE_EXECUTE || str_eq(scope, "none") || !scope[0])
		return 0;
	if (!whole && !known_name(ns))
		return error_set(err, -EINVAL, "%.60s is no namespace: the lock is named by it",
				 ns);
	if (!r->cluster.client)
		return lock_file(r, whole ? "cluster" : ns, err);
	session_attach(&r->lock, whole ? &cluster_tool : &namespace_tool, &r->cluster, r->state);
	r->locked = true;
	return session_lock(&r->lock, whole ? "cluster" : ns, err);
}

/* --- the plan ----------------------------------------------------------------------------------
 */

static const char *sha256_of(struct arena *a, const struct doc *d)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	char digest[DIGEST_HEX + 1];
	struct doc *sorted;

	/* An API server gives keys back in its own order. */
	sorted = doc_clone(a, d);
	doc_sort_keys(sorted);
	doc_write_json(sorted, DOC_COMPACT, &text);
	return arena_strdup(a, digest_sha256(strbuf_cstr(&text), text.len, digest));
}

static struct doc *plan_of(struct runner *r, const struct run_request *q,
			   const struct requester *who)
{
	struct arena *a = &r->arena;
	struct doc *plan = doc_map(a), *by, *groups;

	doc_set_string(a, plan, "tool", "sidestep-runbook " SIDESTEP_VERSION);
	doc_set_string(a, plan, "name", q->rb->name);
	doc_set_string(a, plan, "file", q->from_file);
	doc_set_string(a, plan, "mode", runbook_mode_names[q->mode]);
	doc_set_bool(a, plan, "dryRun", q->dry_run);
	doc_set(a, plan, "params", doc_clone(a, q->params));
	doc_set_string(a, plan, "from", q->from);
	doc_set_string(a, plan, "until", q->until);
	by = doc_set_map(a, plan, "requester");
	doc_set_string(a, by, "name", who->name);
	doc_set_string(a, by, "by", who->by_api ? "api" : "uid");
	groups = doc_set_list(a, by, "groups");
	for (size_t i = 0; i < who->groups.n; i++)
		doc_append(a, groups, doc_string(a, who->groups.items[i]));
	doc_set(a, plan, "runbook", doc_clone(a, q->rb->root));
	return plan;
}

/* The runbook as JSON has it, so that it is the same whether it was just read or comes back. */
static int settle(struct arena *a, struct doc **plan, struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;

	doc_write_json(*plan, DOC_PRETTY, &text);
	return doc_read_json(a, text.buf, text.len, "plan.json", plan, err);
}

static int take_plan(struct runner *r, struct doc *plan, struct error *err)
{
	const char *mode = str_or_empty(doc_find_str(plan, "mode"));

	r->plan = plan;
	r->digest = sha256_of(&r->arena, plan);
	for (int m = MODE_DIAGNOSE; m <= MODE_EXECUTE; m++) {
		if (str_eq(mode, runbook_mode_names[m]))
			r->mode = (enum runbook_mode)m;
	}
	if (!r->mode)
		return error_set(err, -EINVAL, "the plan names no mode");
	return runbook_decode(&r->arena, doc_get(plan, "runbook"), &r->rb, NULL, err);
}

int runner_passes_approvals(const struct runner *r, struct error *err)
{
	const char *from = doc_find_str(r->plan, "from");

	if (r->mode != MODE_EXECUTE ||
	    !lint_skips_approval(&r->rb, from, doc_find_str(r->plan, "until")))
		return 0;
	return error_set(err, -EPERM,
			 "what it would change stands behind an approval, and beginning at %s "
			 "leaves that out: execute it from its beginning, or see what it would do "
			 "with --mode propose",
			 from);
}

/* --- a new one ---------------------------------------------------------------------------------
 */

static const char *runs_dir(struct arena *a, const char *state)
{
	return arena_printf(a, "%s/runbooks", state);
}

static const char *file_of(struct runner *r, const char *name)
{
	return arena_printf(&r->arena, "%s/%s", r->dir, name);
}

static void name_it(struct runner *r, const char *run)
{
	r->run = run;
	r->dir = arena_printf(&r->arena, "%s/%s", runs_dir(&r->arena, r->state), run);
}

/* Unique here: a second one of the same second gets a number. */
static void new_name(struct runner *r, const char *name)
{
	char when[CLOCK_RFC3339_SIZE], digits[CLOCK_RFC3339_SIZE];
	size_t n = 0;

	clock_rfc3339(clock_wall_ns(r->cluster.clock), 0, when);
	for (const char *c = when; *c; c++)
		if (*c >= '0' && *c <= '9')
			digits[n++] = *c;
	digits[n] = '\0';
	name_it(r, arena_printf(&r->arena, "%s-%s", name, digits));
	for (int i = 2; io_exists(r->dir); i++)
		name_it(r, arena_printf(&r->arena, "%s-%s-%d", name, digits, i));
}

static bool keeps_copy(const struct runner *r)
{
	return r->cluster.client && r->mode == MODE_EXECUTE;
}

static void attach_host(struct runner *r)
{
	run_host_init(&r->host, &r->cluster, TOOL, keeps_copy(r) ? r->run : NULL);
	r->host.boundary = r->boundary;
	r->host.arg = r->arg;
}

static int open_evidence(struct runner *r, struct error *err)
{
	const char *root = r->options.evidence ? r->options.evidence
					       : arena_printf(&r->arena, "%s/evidence", r->state);

	return evidence_open(&r->evidence, &r->arena, root, r->run, r->cluster.clock, err);
}

static int write_plan(struct runner *r, struct error *err)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;

	doc_write_json(r->plan, DOC_PRETTY, &text);
	strbuf_addc(&text, '\n');
	return io_write_file_atomic(file_of(r, "plan.json"), text.buf, text.len, 0600, err);
}

static int begin_journal(struct runner *r, struct error *err)
{
	struct doc *header = doc_map(&r->arena);
	int rc;

	doc_set_string(&r->arena, header, "run", r->run);
	doc_set_string(&r->arena, header, "runbook", r->rb.name);
	doc_set_string(&r->arena, header, "tool", "sidestep-runbook " SIDESTEP_VERSION);
	doc_set_string(&r->arena, header, "plan", run_plan_digest(&r->arena, r->plan));
	doc_set_string(&r->arena, header, "sha256", r->digest);
	rc = io_mkdirs(r->dir, 0700, err);
	if (!rc)
		rc = write_plan(r, err);
	return rc ? rc
		  : journal_create(file_of(r, "journal"), header, r->cluster.clock, &r->journal,
				   err);
}

int runner_start(struct runner *r, const struct run_request *q, struct error *err)
{
	struct requester who;
	struct doc *plan;
	int rc = runner_caller(r, &who, err);

	if (rc)
		return rc;
	plan = plan_of(r, q, &who);
	r->secrets = q->secrets;
	if ((rc = settle(&r->arena, &plan, err)) || (rc = take_plan(r, plan, err)) ||
	    (rc = runner_passes_approvals(r, err)) ||
	    (rc = run_copy_fits(plan, arena_printf(&r->arena, "runbook %s", r->rb.name), err)) ||
	    (rc = take_lock(r, err)))
		return rc;
	new_name(r, r->rb.name);
	rc = begin_journal(r, err);
	if (rc)
		return rc;
	attach_host(r);
	if (keeps_copy(r))
		rc = run_copy_create(&r->host, r->plan, r->rb.name, r->journal, err);
	return rc ? rc : open_evidence(r, err);
}

/* --- one that is there -------------------------------------------------------------------------
 */

static int find_copy(struct runner *r, struct sidestep_run *ret, bool *ret_found, struct error *err)
{
	struct doc *d = NULL;
	int rc;

	*ret_found = false;
	if (!r->cluster.client)
		return 0;
	rc = cluster_get(&r->cluster, &r->arena, object_kind(KIND_SIDESTEP_RUN), NULL, r->run, &d,
			 err);
	if (rc || !d)
		return rc;
	rc = sidestep_run_decode(&r->arena, d, ret, err);
	if (!rc && !str_eq(ret->tool, TOOL))
		return error_set(err, -EINVAL, "%s is a run of sidestep %s", r->run, ret->tool);
	*ret_found = !rc;
	return rc;
}

static int read_local(struct runner *r, bool lock, struct error *err)
{
	const char *path = file_of(r, "journal");

	return lock ? journal_open(path, r->cluster.clock, &r->journal, err)
		    : journal_read(path, r->cluster.clock, &r->journal, err);
}

static size_t common(const struct journal *j, const struct sidestep_run *copy)
{
	size_t n = 0;

	while (n < journal_count(j) && n < copy->journal.n &&
	       str_eq(journal_at(j, n)->line, copy->journal.items[n]))
		n++;
	return n;
}

/*
 * The local journal when it knows as much as the copy, else the copy's: a record is copied before
 * what it announces happens, so a local one that is ahead by one announced nothing that others did
 * not see.
 */
static int open_journal(struct runner *r, const struct sidestep_run *copy, bool lock,
			struct error *err)
{
	const char *path = file_of(r, "journal");
	int rc = 0;

	if (io_exists(path)) {
		size_t n;

		rc = read_local(r, lock, err);
		if (rc || !copy)
			return rc;
		n = common(r->journal, copy);
		if (n == copy->journal.n)
			return 0;
		/* What it began with was never ahead of its copy. */
		if (!n || n + 1 < journal_count(r->journal))
			return error_set(
				err, -ESTALE,
				"%s and its copy, SidestepRun %s, differ in record %zu of %zu: "
				"somebody has written into one of them. If this machine's is the "
				"right one, delete that SidestepRun and type it again: it then "
				"goes "
				"on without a copy. Nothing was done",
				path, r->run, n + 1, journal_count(r->journal));
		journal_free(r->journal);
		r->journal = NULL;
		rename(path, arena_printf(&r->arena, "%s.older", path));
	} else if (!copy) {
		return error_set(err, -ENOENT,
				 "there is no run %s: not in %s, and %s; 'sidestep runbook status' "
				 "lists those there are",
				 r->run, r->dir,
				 r->cluster.client ? "not in the cluster, where those are kept "
						     "that may change something"
						   : "no cluster was asked");
	}
	rc = io_mkdirs(r->dir, 0700, err);
	/* Noted before it is there: whoever goes on later must know, too. */
	if (!rc)
		rc = io_replace_file(file_of(r, COPIED), "", 0, 0600, err);
	return rc ? rc
		  : journal_restore(path, copy->journal.items, copy->journal.n, r->cluster.clock,
				    &r->journal, err);
}

/* The plan whose digest the journal begins with: nobody asked for any other. */
static int find_plan(struct runner *r, const struct sidestep_run *copy, struct error *err)
{
	const char *digest = doc_find_str(journal_header(r->journal), "sha256");
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;
	struct doc *plan = NULL;

	if (!io_read_file(file_of(r, "plan.json"), RUNBOOK_MAX_PLAN, &text, NULL) &&
	    !doc_read_json(&r->arena, text.buf, text.len, "plan.json", &plan, NULL) &&
	    str_eq(sha256_of(&r->arena, plan), digest))
		return take_plan(r, plan, err);
	if (copy && copy->plan) {
		plan = doc_clone(&r->arena, copy->plan);
		if (!settle(&r->arena, &plan, NULL) && str_eq(sha256_of(&r->arena, plan), digest)) {
			int rc = take_plan(r, plan, err);

			return rc ? rc : write_plan(r, err);
		}
	}
	return error_set(
		err, -ESTALE,
		"the plan of run %s is not the one that it began with (who asked, parameters "
		"or the runbook in %s or in its copy in the cluster were changed): nothing is "
		"done with it; begin a new run",
		r->run, file_of(r, "plan.json"));
}

/* Who agreed has agreed to what stood there then: each is asked again, for the new digest. */
static void forget_approvals(struct runner *r)
{
	struct doc *kept = doc_map(&r->arena);

	doc_foreach_entry (r->answers, e) {
		const bool approval = doc_find(e->value, "answer.approved") != NULL;

		doc_set(&r->arena, approval ? r->voided : kept, e->key, e->value);
	}
	r->answers = kept;
}

int runner_replay(struct runner *r, struct error *err)
{
	for (size_t i = 0; i < journal_count(r->journal); i++) {
		const struct journal_record *rec = journal_at(r->journal, i);
		int rc;

		r->kept += strlen(rec->line);
		if (str_eq(rec->type, "answer"))
			doc_set(&r->arena, r->answers,
				str_or_empty(doc_find_str(rec->body, "step")),
				doc_clone(&r->arena, rec->body));
		if (!str_eq(rec->type, "changed"))
			continue;
		forget_approvals(r);
		r->digest = arena_strdup(&r->arena, doc_find_str(rec->body, "digest"));
		rc = runbook_decode(&r->arena, doc_clone(&r->arena, doc_get(rec->body, "runbook")),
				    &r->rb, NULL, err);
		if (rc)
			return rc;
	}
	return 0;
}

int runner_find(struct runner *r, const char *run, bool lock, struct error *err)
{
	struct sidestep_run copy;
	bool there;
	int rc;

	if (!evidence_plain_name(run))
		return error_set(err, -EINVAL, "%.60s is no run's name", run);
	name_it(r, arena_strdup(&r->arena, run));
	if ((rc = find_copy(r, &copy, &there, err)) ||
	    (rc = open_journal(r, there ? &copy : NULL, lock, err)) ||
	    (rc = find_plan(r, there ? &copy : NULL, err)))
		return rc;
	if (lock && (rc = take_lock(r, err)))
		return rc;
	attach_host(r);
	if (!there)
		r->host.run = NULL;
	if (lock && there && (rc = run_copy_sync(&r->host, r->journal, err)))
		return rc;
	r->copied = io_exists(file_of(r, COPIED));
	rc = runner_replay(r, err);
	if (!rc)
		rc = approvals_recount(r, err);
	return rc ? rc : open_evidence(r, err);
}

/* --- a changed file ----------------------------------------------------------------------------
 */

static const struct doc *step_of(const struct runbook *rb, const char *id)
{
	doc_foreach_item (doc_get(rb->root, "steps"), s) {
		if (str_eq(doc_find_str(s, "id"), id))
			return s;
	}
	return NULL;
}

/* A step that has answered, or begun to change something, must be what it was. */
static const char *changed_step(struct runner *r, const struct runbook *now)
{
	for (size_t i = 0; i < journal_count(r->journal); i++) {
		const char *key = doc_find_str(journal_at(r->journal, i)->body, "step");
		const char *id;

		if (!key || str_starts(key, "finally."))
			continue;
		id = arena_strndup(&r->arena, key, strcspn(key, "[./"));
		if (!doc_equal(step_of(&r->rb, id), step_of(now, id)))
			return id;
	}
	return NULL;
}

int runner_compare_file(struct runner *r, const struct runbook *now, bool accept, struct error *err)
{
	struct arena *a = journal_arena(r->journal);
	struct doc *body = doc_map(a), *root = doc_clone(&r->arena, now->root);
	struct runbook same;
	const char *id;
	int rc = settle(&r->arena, &root, err);

	if (!rc)
		rc = runbook_decode(&r->arena, root, &same, NULL, err);
	if (rc || doc_equal(r->rb.root, root))
		return rc;
	if (!accept)
		return error_set(
			err, -ESTALE,
			"the runbook has changed since run %s began: --accept-changed goes "
			"on with it as it is now, if what is finished stands in it unchanged",
			r->run);
	id = changed_step(r, &same);
	if (id)
		return error_set(err, -ESTALE,
				 "step %s is finished or begun, and the runbook has it "
				 "otherwise now: this run cannot go on with it",
				 id);
	r->digest = sha256_of(&r->arena, root);
	doc_set_string(a, body, "digest", r->digest);
	doc_set(a, body, "runbook", doc_clone(a, root));
	r->rb = same;
	forget_approvals(r);
	return run_record(r, "changed", body, err);
}

static int by_name(const struct dirent **x, const struct dirent **y)
{
	return strcmp((*x)->d_name, (*y)->d_name);
}

static int no_dot(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

int runs_in_state(struct arena *a, const char *state, struct strings *ret, struct error *err)
{
	struct dirent **names = NULL;
	const char *dir = runs_dir(a, state);
	int n = io_exists(dir) ? scandir(dir, &names, no_dot, by_name) : 0;

	if (n < 0)
		return error_errno(err, -errno, "%s", dir);
	*ret = (struct strings){arena_array(a, (size_t)n + 1, const char *), 0};
	for (int i = 0; i < n; i++) {
		ret->items[ret->n++] = arena_strdup(a, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	return 0;
}
