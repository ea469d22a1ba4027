/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The story's steps: each asks a real program, as a user would, and doubts what it says where the
 * lab knows better (proof.h).
 */
#include "deploy/lab/story/steps.h"

#include <signal.h>

#include "deploy/lab/down.h"
#include "deploy/lab/ready.h"
#include "deploy/lab/story/proof.h"
#include "deploy/lab/up.h"
#include "lib/base/str.h"

static int do_lab(struct story *s, enum step_outcome *outcome, const char **words,
		  struct error *err)
{
	const struct story_options *o = s->options;
	const char *image =
		o->from ? arena_printf(&s->arena, LAB_AGENT_IMAGE ":%s", o->from) : NULL;
	struct up_options up = {.lab = o->lab,
				.nodes = o->nodes,
				.istio = true,
				.clsact = o->clsact,
				.kubeconfig = o->kubeconfig,
				.random = o->random,
				.envoy = o->envoy,
				.timeout_ns = o->timeout_ns,
				.manifests = {s->subject.manifests.items, s->subject.manifests.n},
				.agent = o->from ? story_image(&s->arena, o->from) : NULL,
				.images = {&image, o->from ? 1 : 0}};
	struct lab before = {0};
	int r = lab_load(&before, o->lab.lab, NULL);

	/* The story begins with a fresh lab: what an old one left goes first. */
	if (!r)
		r = lab_remove(&before, err);
	if (r == -ENOENT && lab_init(&before, o->lab.lab, 1, err) == 0)
		r = 0;
	lab_release(&before);
	if (!r)
		r = lab_bring_up(&up, &s->progress, s->loop, &s->lab, err);
	s->cluster.loop = s->loop;
	s->cluster.clock = clock_system();
	if (!r)
		r = lab_connect(&s->lab, s->loop, o->timeout_ns, &s->cluster.client, err);
	*words = arena_printf(&s->arena, "%u nodes, real Envoy sidecars, STRICT mutual TLS",
			      s->lab.n_nodes);
	*outcome = STORY_OK;
	return r;
}

/* Longer than a client waits for an answer: until then what gets none looks as good as any. */
#define STEADY_S 6

/* Steady: for so long no request fails and every second some pass. */
static bool steady(struct story *s)
{
	const struct story_sample *v = s->samples.items;
	size_t n = s->samples.n;

	for (size_t i = n - MIN(n, (size_t)STEADY_S); i < n; i++)
		if (i == 0 || v[i].totals.failed != v[i - 1].totals.failed ||
		    v[i].totals.ok == v[i - 1].totals.ok)
			return false;
	return n > STEADY_S;
}

static int begin_counting(struct story *s, struct error *err)
{
	auto_free char *dir = story_counts_dir(s);

	counts_release(&s->start);
	vec_clear(&s->samples);
	s->counting = true;
	s->counting_wall_ns = clock_wall_ns(clock_system());
	return counts_read(dir, &s->start, err);
}

static int do_traffic(struct story *s, enum step_outcome *outcome, const char **words,
		      struct error *err)
{
	double give_up = story_now(s) + (double)s->options->timeout_ns / 1e9;
	int r = begin_counting(s, err);

	while (!r && !steady(s) && story_now(s) < give_up) {
		progress_live(&s->progress, "waiting for steady traffic");
		r = story_rest(s, NS_PER_S, err);
	}
	if (r < 0)
		return r;
	if (!steady(s)) {
		*outcome = STORY_FAILED;
		*words = arena_printf(&s->arena, "traffic did not become steady within %.0f s",
				      (double)s->options->timeout_ns / 1e9);
		return 0;
	}
	/* Counting proper begins now. */
	r = begin_counting(s, err);
	story_watch_start(s);
	if (!r)
		r = story_measure(s, WINDOW_BEFORE, err);
	s->baseline = s->windows[WINDOW_BEFORE].totals;
	*outcome = STORY_OK;
	*words = arena_printf(&s->arena, "%.0f requests a second in the baseline",
			      (double)s->baseline.sent / s->windows[WINDOW_BEFORE].seconds);
	return r;
}

int step_tool(struct story *s, const char *title, const char *name, const char *const *args,
	      struct tool_run *t, enum step_outcome *outcome, const char **words, struct error *err)
{
	struct error why = ERROR_INIT;
	int r = story_tool(s, title, name, args, t, &why);

	if (r == -ENOENT) {
		*outcome = STORY_NOT_BUILT;
		*words = arena_strdup(&s->arena, why.msg);
		return 0;
	}
	if (r < 0)
		return error_set(err, r, "%s", why.msg);
	*outcome = t->code == CLI_OK || t->code == CLI_WARNED ? STORY_OK
		   : t->code == CLI_INCONCLUSIVE              ? STORY_INCONCLUSIVE
							      : STORY_FAILED;
	*words = arena_printf(&s->arena, "exit %d (%s)%s%s", t->code, exit_code_meaning(t->code),
			      t->code ? ": " : "", t->code ? tool_last_words(&s->arena, t) : "");
	return 0;
}

enum { MAX_KILLED = 20 };

int step_ask(struct story *s, const char *title, const char *name, const char *const *args,
	     struct tool_run *t, enum step_outcome *outcome, const char **words, struct error *err)
{
	int r = step_tool(s, title, name, args, t, outcome, words, err);

	for (unsigned n = 0; !r && t->signal == SIGKILL && n < MAX_KILLED; n++) {
		tool_run_release(t);
		r = step_tool(s, title, name, args, t, outcome, words, err);
	}
	return r;
}

static const char *profile(const struct story *s)
{
	return s->options->profile;
}

/* On a node, where its answers hold: the machine around the lab is not part of the cluster. */
static int do_preflight(struct story *s, enum step_outcome *outcome, const char **words,
			struct error *err)
{
	const char *program = arena_printf(&s->arena, "%s/sidestep-preflight", s->lab.bin_dir);
	const char *args[] = {"shell",
			      "--lab",
			      s->lab.name,
			      "--",
			      s->lab.nodes[0].name,
			      program,
			      "run",
			      "--kubeconfig",
			      s->lab.kubeconfig_underlay,
			      "--output",
			      "json",
			      NULL};
	struct tool_run t;
	int r = step_ask(s, "preflight", "lab", args, &t, outcome, words, err);

	if (!r)
		s->preflight = t.doc;
	tool_run_release(&t);
	return r;
}

/* One read-only verb of migrate, as JSON. */
static int migrate_verb(struct story *s, const char *verb, const char *ns, struct doc **ret_doc,
			enum step_outcome *outcome, const char **words, struct error *err)
{
	const char *title = arena_printf(&s->arena, "%s-%s", verb, ns);
	bool plans = str_eq(verb, "plan");
	const char *args[] = {verb,
			      ns,
			      "--kubeconfig",
			      s->lab.kubeconfig_here,
			      "--output",
			      "json",
			      plans ? "--profile" : NULL,
			      profile(s),
			      NULL};
	struct tool_run t;
	int r = step_ask(s, title, "migrate", args, &t, outcome, words, err);

	if (!r && ret_doc)
		*ret_doc = t.doc;
	tool_run_release(&t);
	return r;
}

void step_doubt(struct story *s, enum step_outcome *outcome, const char **words, const char *wrong)
{
	if (*outcome != STORY_OK || !wrong)
		return;
	*outcome = STORY_FAILED;
	*words = arena_printf(&s->arena, "%s, but %s", *words, wrong);
}

static int do_inventory(struct story *s, enum step_outcome *outcome, const char **words,
			struct error *err)
{
	struct doc *d = NULL;
	int r = migrate_verb(s, "inventory", s->namespace, &d, outcome, words, err);

	if (!r)
		step_doubt(s, outcome, words,
			   proof_of_inventory(&s->arena, s->namespace, &s->start, d));
	return r;
}

static int do_translate(struct story *s, enum step_outcome *outcome, const char **words,
			struct error *err)
{
	return migrate_verb(s, "translate", s->namespace, NULL, outcome, words, err);
}

static int do_verify(struct story *s, enum step_outcome *outcome, const char **words,
		     struct error *err)
{
	int r = migrate_verb(s, "verify", s->namespace, &s->verify, outcome, words, err);

	if (!r)
		step_doubt(s, outcome, words, proof_of_equivalence(&s->arena, s->verify));
	return r;
}

static int do_plan(struct story *s, enum step_outcome *outcome, const char **words,
		   struct error *err)
{
	int r = migrate_verb(s, "plan", s->namespace, &s->plan, outcome, words, err);

	if (!r)
		step_doubt(s, outcome, words, proof_of_plan(&s->arena, &s->subject, s->plan));
	return r;
}

/* What must be blocked is: exit 3, and every reason names an object and a path. */
static int do_blocked(struct story *s, enum step_outcome *outcome, const char **words,
		      struct error *err)
{
	size_t refused = 0, asked = 0;
	int r = 0;

	s->blocked_found = doc_list(&s->arena);
	for (size_t i = 0; !r && i < s->subject.blocked.n; i++) {
		struct doc *d = NULL;
		size_t before = doc_len(s->blocked_found);

		r = migrate_verb(s, "plan", s->subject.blocked.items[i], &d, outcome, words, err);
		if (r < 0 || *outcome == STORY_NOT_BUILT)
			return r;
		doc_foreach_item (doc_get(d, "blocked"), b)
			doc_append(&s->arena, s->blocked_found, doc_clone(&s->arena, b));
		refused += doc_len(s->blocked_found) > before;
		asked++;
	}
	*outcome = refused == asked ? STORY_OK : STORY_FAILED;
	*words = arena_printf(&s->arena, "%zu of %zu namespaces blocked, for %zu reasons", refused,
			      asked, doc_len(s->blocked_found));
	if (!r)
		step_doubt(s, outcome, words,
			   proof_of_blocked(&s->arena, &s->subject, s->blocked_found));
	return r;
}

int step_persist(struct story *s, const char *title, const char *name, const char **args,
		 size_t n_kept, struct tool_run *t, unsigned *ret_rounds,
		 enum step_outcome *outcome, const char **words, struct error *err)
{
	int r = step_tool(s, title, name, args, t, outcome, words, err);

	*ret_rounds = 0;
	while (!r && t->signal == SIGKILL && *ret_rounds < MAX_KILLED) {
		tool_run_release(t);
		args[0] = "resume";
		args[1 + n_kept] = NULL;
		r = step_tool(s, arena_printf(&s->arena, "%s-resume-%u", title, ++*ret_rounds),
			      name, args, t, outcome, words, err);
	}
	return r;
}

/* The tool that goes on is the one that knows whether it was going forward or back. */
static int moving_verb(struct story *s, const char *verb, struct tool_run *t,
		       enum step_outcome *outcome, const char **words, struct error *err)
{
	bool forward = str_eq(verb, "run");
	const char *args[] = {
		verb,       s->namespace, "--kubeconfig", s->lab.kubeconfig_here,
		"--state",  s->state,     "--yes",        forward ? "--profile" : NULL,
		profile(s), NULL};
	unsigned rounds;
	int r;

	story_chaos_start(s);
	r = step_persist(s, arena_printf(&s->arena, "migrate-%s", verb), "migrate", args, 6, t,
			 &rounds, outcome, words, err);
	story_chaos_stop(s);
	/* The rollback was killed when all was done: `resume` says that there is nothing left. */
	if (!r && rounds && !forward && t->code == CLI_ROLLED_BACK)
		*outcome = STORY_OK;
	return r;
}

static int do_migrate(struct story *s, enum step_outcome *outcome, const char **words,
		      struct error *err)
{
	auto_free char *dir = story_counts_dir(s);
	struct tool_run t;
	int r = counts_read(dir, &s->at_change, err);

	if (!r)
		r = proof_objects(s, &s->objects, err);
	if (r < 0)
		return r;
	s->changed = true;
	r = moving_verb(s, "run", &t, outcome, words, err);
	tool_run_release(&t);
	return r;
}

static int do_without(struct story *s, enum step_outcome *outcome, const char **words,
		      struct error *err)
{
	int r = story_measure(s, WINDOW_WITHOUT, err);
	int64_t n = s->windows[WINDOW_WITHOUT].sidecars;

	*outcome = n == 0 ? STORY_OK : STORY_FAILED;
	*words = arena_printf(&s->arena, "%lld sidecars in the namespace", (long long)n);
	return r;
}

static int do_rollback(struct story *s, enum step_outcome *outcome, const char **words,
		       struct error *err)
{
	struct tool_run t;
	int r = moving_verb(s, "rollback", &t, outcome, words, err);

	if (!r && t.code == CLI_ROLLED_BACK)
		*outcome = STORY_OK;
	tool_run_release(&t);
	return r;
}

static int do_after(struct story *s, enum step_outcome *outcome, const char **words,
		    struct error *err)
{
	int r = story_measure(s, WINDOW_AFTER, err);
	int64_t n = s->windows[WINDOW_AFTER].sidecars, want = s->windows[WINDOW_BEFORE].sidecars;
	struct doc *now = NULL;

	*outcome = n == want ? STORY_OK : STORY_FAILED;
	*words = arena_printf(&s->arena, "%lld of %lld sidecars are back", (long long)n,
			      (long long)want);
	if (!r)
		r = proof_objects(s, &now, err);
	if (!r)
		step_doubt(s, outcome, words, proof_of_return(&s->arena, s->objects, now));
	return r;
}

static int do_timeline(struct story *s, enum step_outcome *outcome, const char **words,
		       struct error *err)
{
	const char *args[] = {
		"report", s->namespace, "--kubeconfig", s->lab.kubeconfig_here, "--output",
		"json",   NULL};
	struct tool_run t;
	int r = step_ask(s, arena_printf(&s->arena, "report-%s", s->namespace), "migrate", args, &t,
			 outcome, words, err);

	if (!r)
		s->timeline = t.doc;
	if (!r)
		step_doubt(s, outcome, words, proof_of_record(&s->arena, s->plan, s->timeline));
	tool_run_release(&t);
	return r;
}

const struct story_row story_rows[] = {
	{"lab", "a cluster of two nodes with Istio in front", do_lab, true},
	{"traffic", "traffic on every edge, and intruders", do_traffic, true},
	{"upgrade", "the mesh goes one minor up, every endpoint is built anew", story_do_upgrade,
	 true},
	{"preflight", "will it run here", do_preflight, true},
	{"inventory", "what is there, and who calls whom", do_inventory, true},
	{"translate", "Istio's objects to policies of the mesh", do_translate, true},
	{"verify", "the same connections are allowed, proved", do_verify, true},
	{"plan", "every change, gate and inverse", do_plan, true},
	{"blocked", "what cannot move is refused, with the reason", do_blocked, true},
	{"migrate", "the namespace leaves its sidecars", do_migrate, true},
	{"without", "measured without sidecars", do_without, false},
	{"rollback", "and comes back", do_rollback, true},
	{"after", "measured with sidecars again", do_after, false},
	{"config", "a configuration is changed, drifts, and is taken back", story_do_config, false},
	{"bad-releases", "bad releases are stopped at the canary, and undone", story_do_defects,
	 false},
	{"timeline", "the run's own record", do_timeline, false},
};
const unsigned story_n_rows = ARRAY_SIZE(story_rows);
