/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/runbooks/stage.h"

#include <string.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/object/canonical.h"
#include "runbooks/files.h"
#include "runbooks/params.h"
#include "tests/support/test.h"

#define must(call, err)                                                                            \
	do {                                                                                       \
		if ((call) < 0)                                                                    \
			fail_msg("%s: %s", #call, (err).msg);                                      \
	} while (0)

static const struct {
	const char *name, *group;
} people[] = {{"alice", "oncall"}, {"bob", "oncall"}, {"bert", "oncall"}, {"carol", "sales"}};

static const char *source_file(struct arena *a, const char *path)
{
	const char *source = getenv("SIDESTEP_SOURCE_DIR");

	return arena_printf(a, "%s/%s", source ? source : ".", path);
}

static void apply_file(struct stage *s, const char *path)
{
	struct error err = ERROR_INIT;
	struct doc_stream docs;

	must(doc_read_file(&s->arena, source_file(&s->arena, path), &docs, &err), err);
	for (size_t i = 0; i < docs.n; i++) {
		const struct object_kind *k =
			object_kind_find(doc_find_str(docs.docs[i], "apiVersion"),
					 doc_find_str(docs.docs[i], "kind"));

		if (k)
			must(kube_create(s->cluster.client, &s->arena, k, docs.docs[i], NULL, &err),
			     err);
	}
}

static const char *kubeconfig_of(struct stage *s, const char *user)
{
	return arena_printf(&s->arena, "%s/%s.conf", s->dir, user);
}

static void start_server(struct stage *s)
{
	const struct apiserver_options options = {
		.no_garbage_collection = true, .allow_faults = true, .pod_log_dir = s->dir};
	struct error err = ERROR_INIT;
	const char *url;

	must(apiserver_new(s->loop, &options, &s->server, &err), err);
	must(apiserver_listen(s->server, "127.0.0.1", 0, &s->port, &err), err);
	url = arena_printf(&s->arena, "https://127.0.0.1:%u", s->port);
	for (size_t i = 0; i < ARRAY_SIZE(people); i++)
		must(apiserver_write_kubeconfig(s->server, people[i].name, people[i].group, url,
						kubeconfig_of(s, people[i].name), &err),
		     err);
}

struct cluster stage_as(struct stage *s, const char *user)
{
	struct kube_config_options where = {.kubeconfig = kubeconfig_of(s, user)};
	struct kube_config config;
	struct error err = ERROR_INIT;

	must(kube_config_load(&s->arena, &where, &config, &err), err);
	return (struct cluster){.loop = s->loop,
				.client = kube_client_new(s->loop, &config, NULL),
				.clock = &s->clock.clock,
				.fake = &s->clock};
}

void stage_new(struct stage *s)
{
	*s = (struct stage){.dir = "/tmp/sidestep-runbook-XXXXXX"};
	assert_non_null(mkdtemp(s->dir));
	fake_clock_init(&s->clock, clock_wall_ns(clock_system()));
	s->loop = loop_new(&s->clock.clock);
	start_server(s);
	s->cluster = stage_as(s, "alice");
	apply_file(s, "deploy/crds/sidestep.yaml");
	apply_file(s, "tests/unit/runbooks/books/objects.yaml");
	stage_tick(s);
}

void stage_free(struct stage *s)
{
	kube_client_free(s->cluster.client);
	apiserver_free(s->server);
	loop_free(s->loop);
	io_remove_tree(s->dir, NULL);
	arena_release(&s->arena);
}

struct doc *stage_get(struct stage *s, enum object_kind_id kind, const char *ns, const char *name)
{
	struct error err = ERROR_INIT;
	struct doc *d = NULL;

	must(cluster_get(&s->cluster, &s->arena, object_kind(kind), ns, name, &d, &err), err);
	return d;
}

void stage_put(struct stage *s, const char *yaml)
{
	struct error err = ERROR_INIT;
	struct doc_stream docs;

	must(doc_read_yaml(&s->arena, yaml, strlen(yaml), "test", &docs, &err), err);
	must(kube_create(s->cluster.client, &s->arena,
			 object_kind_find(doc_find_str(docs.docs[0], "apiVersion"),
					  doc_find_str(docs.docs[0], "kind")),
			 docs.docs[0], NULL, &err),
	     err);
}

static void patch(struct stage *s, enum object_kind_id kind, const char *ns, const char *name,
		  const char *sub, const char *json)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	struct error err = ERROR_INIT;
	struct doc *d;

	must(doc_read_json(&a, json, strlen(json), NULL, &d, &err), err);
	must(kube_patch(s->cluster.client, &a, object_kind(kind), ns, name, sub, KUBE_PATCH_MERGE,
			d, NULL, &err),
	     err);
}

void stage_patch(struct stage *s, enum object_kind_id kind, const char *ns, const char *name,
		 const char *json)
{
	patch(s, kind, ns, name, NULL, json);
}

/* The controller: "seen" is what "limits" wants. And the agent publishes. */
void stage_tick(struct stage *s)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	char when[CLOCK_RFC3339_SIZE];
	const char *size =
		doc_find_str(stage_get(s, KIND_CONFIG_MAP, "web", "limits"), "data.size");

	if (!s->idle && size)
		patch(s, KIND_CONFIG_MAP, "web", "seen", NULL,
		      arena_printf(&a, "{\"data\": {\"size\": \"%s\"}}", size));
	clock_rfc3339(clock_wall_ns(&s->clock.clock), 0, when);
	patch(s, KIND_SIDESTEP_NODE, NULL, "node-a", "status",
	      arena_printf(&a,
			   "{\"status\": {\"ready\": true, \"version\": \"0.3.0\", \"updated\": "
			   "\"%s\", \"countersEpoch\": \"b-1-1\", \"health\": {\"metricsEpoch\": "
			   "\"b-1-1\", \"drops\": [{\"reason\": 135, "
			   "\"name\": \"CT_TRUNCATED_OR_INVALID_HEADER\", "
			   "\"direction\": \"ingress\", \"packets\": %lld, \"bytes\": 1}]}}}",
			   when, (long long)s->drops));
}

const char *stage_state(struct stage *s, struct arena *a)
{
	static const char *const maps[] = {"limits", "extra"};
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct doc *d;

	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		d = stage_get(s, KIND_CONFIG_MAP, "web", maps[i]);
		if (d)
			doc_write_json(object_canonical(a, d), DOC_COMPACT, &out);
		strbuf_addc(&out, '\n');
	}
	d = object_canonical(a, stage_get(s, KIND_DEPLOYMENT, "web", "till"));
	doc_del(doc_find(d, "spec.template.metadata"), "annotations");
	doc_write_json(d, DOC_COMPACT, &out);
	return arena_strdup(a, strbuf_cstr(&out));
}

/* --- attempts ----------------------------------------------------------------------------------
 */

static void boundary(void *arg, const char *where)
{
	struct attempt *t = arg;

	if (t->boundary++ == t->kill_at)
		longjmp(t->killed, 1);
	if (t->at)
		t->at(t, where);
}

static int waiting(struct runner *r, uint64_t ns, struct error *err)
{
	struct attempt *t = r->arg;
	int rc = cluster_wait(&r->cluster, ns, err);

	if (!rc)
		stage_tick(t->stage);
	return rc;
}

void attempt_open(struct attempt *t, struct stage *s, const char *user, const char *state)
{
	const struct run_options o = {
		.state = arena_printf(&s->arena, "%s/%s", s->dir, state),
		.evidence = t->evidence,
		.unvouched = !t->vouched_only,
	};

	t->stage = s;
	t->boundary = 0;
	if (user)
		t->cluster = stage_as(s, user);
	else
		t->cluster = (struct cluster){
			.loop = s->loop, .clock = &s->clock.clock, .fake = &s->clock};
	runner_attach(&t->r, &t->cluster, &o);
	t->r.arg = t;
	t->r.boundary = boundary;
	t->r.waiting = waiting;
}

/* --- no change without its entry: from the journal alone ---------------------------------------
 */

static const char *scope_of(struct arena *a, const char *step)
{
	const char *dot = strrchr(step, '.'), *slash = strrchr(step, '/');
	const char *end = MAX(dot, slash);

	return end ? arena_strndup(a, step, (size_t)(end + 1 - step)) : "";
}

/* An answer of a step of the scope (or around it) before record `end` that says so. */
static bool answered_so(const struct journal *j, size_t end, const char *scope, const char *what)
{
	for (size_t i = 0; i < end; i++) {
		const struct doc *b = journal_at(j, i)->body;
		auto_release(arena) struct arena a = ARENA_INIT;

		if (str_eq(journal_at(j, i)->type, "answer") &&
		    str_starts(scope, scope_of(&a, doc_find_str(b, "step"))) &&
		    doc_bool_or(doc_get(doc_get(b, "answer"), what), false))
			return true;
	}
	return false;
}

/* The answer of that very step. */
static const struct doc *answer_of(const struct journal *j, size_t end, const char *step)
{
	for (size_t i = end; i-- > 0;)
		if (str_eq(journal_at(j, i)->type, "answer") &&
		    str_eq(doc_find_str(journal_at(j, i)->body, "step"), step))
			return doc_get(journal_at(j, i)->body, "answer");
	return NULL;
}

/*
 * Every runbook of these tests asks before it changes: so an approval stands in front of the first
 * word of any change, and what was changed before it in the same list was verified.
 */
static void expect_entry(const struct journal *j)
{
	auto_release(arena) struct arena a = ARENA_INIT;
	const char *last = NULL;

	for (size_t i = 0; i < journal_count(j); i++) {
		const struct journal_record *r = journal_at(j, i);
		const char *step = doc_find_str(r->body, "step");

		if (!str_eq(r->type, "change") && !str_eq(r->type, "deed"))
			continue;
		if (!step || !answered_so(j, i, scope_of(&a, step), "approved"))
			fail_msg("record %zu: %s is changed without an approval", i,
				 str_or_empty(step));
		if (last && !str_eq(last, step) && str_eq(scope_of(&a, last), scope_of(&a, step)) &&
		    !doc_bool_or(doc_get(answer_of(j, i, last), "verified"), false))
			fail_msg("record %zu: %s is changed, and %s was not verified", i, step,
				 last);
		last = arena_strdup(&a, step);
	}
}

void attempt_close(struct attempt *t)
{
	if (t->r.journal)
		expect_entry(t->r.journal);
	runner_close(&t->r);
	kube_client_free(t->cluster.client);
}

struct runbook attempt_book(struct attempt *t, const char *name)
{
	struct error err = ERROR_INIT;
	struct runbook rb;

	must(source_find(&t->stage->arena,
			 source_file(&t->stage->arena,
				     arena_printf(&t->stage->arena,
						  "tests/unit/runbooks/books/%s.yaml", name)),
			 &rb, &err),
	     err);
	return rb;
}

int attempt_start(struct attempt *t, const char *book, enum runbook_mode mode, struct error *err)
{
	struct runbook rb = attempt_book(t, book);
	const char *given = "namespace=web";
	struct run_request q = {.rb = &rb, .mode = mode};
	struct param_values values;
	const int kill_at = t->kill_at;
	int rc = params_read(&t->stage->arena, &rb, &given, 1, &values, err);

	if (rc)
		return rc;
	q.params = values.values;
	t->kill_at = -1;
	rc = runner_start(&t->r, &q, err);
	t->kill_at = kill_at;
	t->boundary = 0;
	return rc;
}

int attempt_find(struct attempt *t, const char *run, struct error *err)
{
	return runner_find(&t->r, run, true, err);
}

bool attempt_go(struct attempt *t, bool rollback, struct run_end *ret_end)
{
	struct error err = ERROR_INIT;
	int rc;

	if (setjmp(t->killed))
		return false;
	rc = rollback ? runner_rollback(&t->r, NULL, ret_end, &err)
		      : runner_go(&t->r, ret_end, &err);
	if (rc)
		fail_msg("%s", err.msg);
	return true;
}

int attempt_approve(struct stage *s, const char *user, const char *run, const char *step,
		    struct error *err)
{
	struct attempt t = {.kill_at = -1};
	struct approval_wanted w;
	int rc;

	attempt_open(&t, s, user, user);
	rc = runner_find(&t.r, run, false, err);
	if (!rc)
		rc = approval_of_run(&t.r, step, &w, err);
	if (!rc)
		rc = approve(&t.r, &w, err);
	attempt_close(&t);
	return rc;
}
