/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/upgrade/apply.h"

#include <ftw.h>
#include <string.h>

#include "lib/base/io.h"
#include "lib/base/str.h"
#include "lib/object/canonical.h"
#include "tests/support/test.h"
#include "tests/unit/upgrade/entry_gates.h"

#define WAITED_MAX 2000

static void boundary(void *arg, const char *where)
{
	struct apply *t = arg;

	(void)where;
	if (t->boundary++ == t->kill_at)
		longjmp(t->killed, 1);
}

static int wait_and_tick(void *ctx, uint64_t ns, struct error *err)
{
	struct run_host *h = ctx;
	struct apply *t = h->arg;

	if (t->meanwhile)
		t->meanwhile(t->api);
	return cluster_wait(h->cluster, ns, err);
}

void apply_open(struct apply *t, struct api *w, const char *machine, int kill_at)
{
	const char *state = arena_printf(&w->arena, "%s/%s", w->dir, machine);
	void (*meanwhile)(struct api *) = t->meanwhile;

	memset(t, 0, sizeof(*t));
	*t = (struct apply){.api = w, .kill_at = kill_at, .meanwhile = meanwhile};
	t->cluster = api_cluster(w, CONFIG_MANAGER);
	config_tool_init(&t->tool, NULL);
	session_attach(&t->session, &t->tool.tool, &t->cluster, state);
	if (config_place_open(&t->place, &t->session.arena, &t->session.cluster,
			      &(struct config_place_options){.state = state}, &t->err))
		fail_msg("%s", t->err.msg);
}

void apply_close(struct apply *t)
{
	if (t->proposed)
		config_proposal_release(&t->proposal);
	config_place_release(&t->place);
	session_close(&t->session);
	kube_client_free(t->cluster.client);
}

static const char *write_manifests(struct apply *t, const char *text)
{
	const char *path = arena_printf(&t->session.arena, "%s/manifests.yaml", t->api->dir);

	assert_int_equal(io_write_file_atomic(path, text, strlen(text), 0600, NULL), 0);
	return path;
}

int apply_propose(struct apply *t, const struct apply_options *o)
{
	struct config_diff_opts diff = {.namespace_ = "shop", .prune = o->prune};
	struct config_request q = {.diff = &diff,
				   .why = "a test",
				   .as = o->as,
				   .valid_s = 3600,
				   .within_s = 60,
				   .unasked = o->unasked};
	struct store_revision back;
	const char *path = NULL, *overwrite = o->overwrite, *deletes = o->delete;
	struct doc *plan;
	int r;

	if (o->manifests) {
		path = write_manifests(t, o->manifests);
		diff.files = (struct cli_list){&path, 1};
	}
	if (overwrite)
		q.overwrite = (struct cli_list){&overwrite, 1};
	if (deletes)
		diff.deletes = (struct cli_list){&deletes, 1};
	if (o->back) {
		if (store_find(t->place.store, &t->session.arena, o->back, &back, &t->err))
			fail_msg("%s", t->err.msg);
		q.back = &back;
	}
	if (o->plan) {
		assert_int_equal(doc_read_json(&t->session.arena, o->plan, strlen(o->plan), NULL,
					       &plan, &t->err),
				 0);
		q.plan = plan;
	}
	t->proposed = true;
	r = config_propose(&t->proposal, &t->place, &q, &t->err);
	if (path)
		unlink(path);
	return r;
}

const char *apply_blocked(struct apply *t)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	doc_foreach_item (t->proposal.blocked, d)
		strbuf_addf(&sb, "%s\n", doc_str(d));
	return arena_strdup(&t->api->arena, strbuf_cstr(&sb));
}

const char *apply_records(struct apply *t)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	doc_write_json(doc_find(t->proposal.kept, "revision.files"), DOC_COMPACT, &sb);
	return arena_strdup(&t->api->arena, strbuf_cstr(&sb));
}

void apply_must_propose(struct apply *t, const struct apply_options *o)
{
	if (apply_propose(t, o))
		fail_msg("%s", t->err.msg);
	if (doc_len(t->proposal.blocked))
		fail_msg("%s", apply_blocked(t));
}

static bool go(struct apply *t, int (*fn)(struct apply *), int *ret_code)
{
	t->session.host.boundary = boundary;
	t->session.host.tell = NULL;
	t->session.host.sampled = NULL;
	t->session.host.arg = t;
	t->session.host.step.wait = wait_and_tick;
	if (setjmp(t->killed))
		return false;
	*ret_code = fn(t);
	if (*ret_code < 0)
		fail_msg("%s", t->err.msg);
	expect_entry_gates(&t->session);
	return true;
}

static FILE *nowhere(void)
{
	static FILE *f;

	if (!f)
		f = fopen(getenv("APPLY_TELLS") ? "/dev/stderr" : "/dev/null", "w");
	return f;
}

static int forward(struct apply *t)
{
	return config_go_on(&t->session, nowhere(), &t->err);
}

static int backward(struct apply *t)
{
	return config_go_back(&t->session, nowhere(), true, &t->err);
}

int apply_on(struct apply *t)
{
	t->session.host.arg = t;
	t->session.host.tell = NULL;
	t->session.host.sampled = NULL;
	t->session.host.step.wait = wait_and_tick;
	return config_go_on(&t->session, nowhere(), &t->err);
}

int apply_back(struct apply *t)
{
	int r = session_find(&t->session, CONFIG_NAME_DEFAULT, false, &t->err);

	t->session.host.arg = t;
	t->session.host.tell = NULL;
	t->session.host.sampled = NULL;
	t->session.host.step.wait = wait_and_tick;
	return r ? r : config_go_back(&t->session, nowhere(), true, &t->err);
}

bool apply_go(struct apply *t, int *ret_code)
{
	if (config_run_begin(&t->session, &t->proposal, 3600, &t->err))
		fail_msg("%s", t->err.msg);
	return go(t, forward, ret_code);
}

bool apply_again(struct apply *t, bool abort, int *ret_code)
{
	if (session_find(&t->session, CONFIG_NAME_DEFAULT, false, &t->err))
		fail_msg("%s", t->err.msg);
	return go(t, abort ? backward : forward, ret_code);
}

int apply_all(struct api *w, const char *machine, const struct apply_options *o)
{
	static struct apply t;
	int code = 0;

	t.meanwhile = NULL;
	apply_open(&t, w, machine, -1);
	apply_must_propose(&t, o);
	assert_true(apply_go(&t, &code));
	apply_close(&t);
	/* Runs are named by the second. */
	fake_clock_advance(&w->clock, 2 * NS_PER_S);
	return code;
}

/* --- what is there --- */

static int cmp_docs(const void *pa, const void *pb)
{
	const struct doc *x = *(const struct doc *const *)pa, *y = *(const struct doc *const *)pb;

	return str_cmp(doc_find_str(x, "metadata.name"), doc_find_str(y, "metadata.name"));
}

static void add_kind(struct api *w, const struct object_kind *k, struct strbuf *out)
{
	struct error err = ERROR_INIT;
	struct doc *list;

	if (cluster_list(&w->cluster, &w->arena, k, k->namespaced ? "shop" : NULL, &list, &err))
		fail_msg("%s", err.msg);
	if (doc_len(list) > 1)
		qsort(list->list.items, list->list.n, sizeof(*list->list.items), cmp_docs);
	doc_foreach_item (list, d) {
		if (!k->namespaced && !str_starts(kube_name(d), "shop"))
			continue;
		doc_write_json(object_canonical(&w->arena, d), DOC_COMPACT, out);
		strbuf_addc(out, '\n');
	}
}

const char *apply_state(struct api *w)
{
	static const struct object_kind till = {"shop.example.org", "v1", "Till", "tills", true};
	static const enum object_kind_id kinds[] = {
		KIND_NAMESPACE, KIND_SERVICE_ACCOUNT, KIND_CONFIG_MAP,  KIND_SECRET,
		KIND_SERVICE,   KIND_DEPLOYMENT,      KIND_CLUSTER_ROLE};
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		add_kind(w, object_kind(kinds[i]), &out);
	add_kind(w, &till, &out);
	return arena_strdup(&w->arena, strbuf_cstr(&out));
}

static const char *looked_for;
static bool found;

static int look_into(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	auto_release(strbuf) struct strbuf text = STRBUF_INIT;

	(void)st;
	(void)ftw;
	if (type != FTW_F || io_read_file(path, 64 << 20, &text, NULL))
		return 0;
	if (text.len && memmem(text.buf, text.len, looked_for, strlen(looked_for))) {
		printf("%s holds %s\n", path, looked_for);
		found = true;
	}
	return 0;
}

bool apply_leaks(struct api *w, const char *word)
{
	static const enum object_kind_id kinds[] = {KIND_SIDESTEP_RUN, KIND_CONFIG_MAP, KIND_LEASE,
						    KIND_EVENT};

	looked_for = word;
	found = false;
	nftw(w->dir, look_into, 16, FTW_PHYS);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		auto_release(strbuf) struct strbuf text = STRBUF_INIT;
		struct error err = ERROR_INIT;
		struct doc *list;

		if (cluster_list(&w->cluster, &w->arena, object_kind(kinds[i]), NULL, &list, &err))
			fail_msg("%s", err.msg);
		/* What they look after is theirs; what we keep is not to hold it. */
		doc_foreach_item (list, d)
			if (!str_eq(kube_namespace(d), "shop"))
				doc_write_json(d, DOC_COMPACT, &text);
		found = found || strstr(strbuf_cstr(&text), word);
	}
	return found;
}
