/* SPDX-License-Identifier: Apache-2.0 */
/* The verb drift: what was applied, and what has become of it. Heals nothing. */
#include <signal.h>
#include <string.h>

#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "lib/loop/loop.h"
#include "lib/report/report.h"
#include "upgrade/config.h"

#define VALUE_SHOWN 60

static const char *value(struct arena *a, const struct doc *d)
{
	auto_release(strbuf) struct strbuf sb = STRBUF_INIT;

	if (!d)
		return "absent";
	doc_write_json(d, DOC_COMPACT, &sb);
	if (sb.len > VALUE_SHOWN)
		return arena_printf(a, "%.*s...", VALUE_SHOWN, sb.buf);
	return arena_strdup(a, sb.buf);
}

static void add_drift(struct report *r, struct arena *a, const struct diff_object *o,
		      const struct diff_change *c)
{
	const char *path = diff_path_text(a, c->path), *ref = diff_object_ref(a, o);
	struct finding *f;

	if (!c->path)
		f = report_add_free(r, "config-drift", "is as applied", o->kind, SEVERITY_ERROR,
				    FINDING_FAIL, ref, "somebody has deleted it");
	else
		f = report_add_free(r, "config-drift", "is as applied", o->kind, SEVERITY_ERROR,
				    FINDING_FAIL, arena_printf(a, "%s %s", ref, path),
				    "is %s, was applied as %s%s%s%s%s", value(a, c->live),
				    value(a, c->applied), c->owner.manager ? "; written by " : "",
				    str_or_empty(c->owner.manager), c->owner.time ? " at " : "",
				    str_or_empty(c->owner.time));
	f->remedy = "Put back what was applied ('sidestep config rollback newest', or apply the "
		    "manifests again), or make the change yours, or accept it for a while with "
		    "--ignore.";
}

/* What no manifest names, and somebody wrote by hand. */
static void add_extra(struct report *r, struct arena *a, const struct diff_object *o,
		      const struct diff_extra *x)
{
	struct finding *f = report_add_free(
		r, "config-drift", "is as applied", o->kind, SEVERITY_ERROR, FINDING_FAIL,
		arena_printf(a, "%s %s", diff_object_ref(a, o), diff_path_text(a, x->path)),
		"was added by hand: %s; written by %s%s%s", value(a, x->live), x->owner.manager,
		x->owner.time ? " at " : "", str_or_empty(x->owner.time));

	f->remedy = "Take it away as it was put there (an apply leaves what no manifest names), or "
		    "write it into the manifests, or accept it for a while with --ignore.";
}

static void add_object(struct report *r, struct arena *a, const struct diff_object *o)
{
	struct diff_extra *extras;
	const size_t n = diff_extras(a, o, &extras);
	size_t theirs = 0;

	for (size_t i = 0; i < o->n; i++) {
		if (diff_class_pending(o->changes[i].class))
			add_drift(r, a, o, &o->changes[i]);
		theirs += o->changes[i].class == DIFF_THEIRS;
	}
	for (size_t i = 0; i < n; i++)
		add_extra(r, a, o, &extras[i]);
	if (diff_object_pending(o) || n)
		return;
	report_add_free(r, "config-drift", "is as applied", o->kind, SEVERITY_ERROR, FINDING_PASS,
			diff_object_ref(a, o),
			theirs ? "as applied; %zu kept by somebody else" : "as applied", theirs);
}

/* Exit code: drift that nobody accepts counts before an acceptance that has expired. */
static int outcome(const struct report *r, bool detailed)
{
	const enum report_verdict v = report_verdict(r, SEVERITY_ERROR);

	if (v == REPORT_WAIVER_EXPIRED)
		return CLI_WAIVER_EXPIRED;
	return v != REPORT_OK && detailed ? CLI_CHANGES : CLI_OK;
}

/* The report's own code is that of checks that must pass; ours is the one that we end with. */
static void render(struct arena *a, const struct report *r, enum report_format format, int code,
		   struct strbuf *out)
{
	struct doc *d = report_doc(a, r);

	doc_set_int(a, doc_get(d, "summary"), "exit_code", code);
	if (format == REPORT_JSON) {
		doc_write_json(d, DOC_PRETTY, out);
		strbuf_addc(out, '\n');
	} else if (format == REPORT_YAML) {
		doc_write_yaml(d, out);
	} else {
		report_render(r, format, out);
	}
}

/* One look, as text in out; gist: what did not pass, without the time. The exit code, or an error.
 */
static int tell(const struct config_drift_opts *o, struct config_scene *s, struct strbuf *out,
		struct strbuf *gist, struct error *err)
{
	struct report r;
	int code = 0;

	report_init(&r, "sidestep-config", "Configuration drift", clock_system());
	r.ready = "as applied";
	r.blocked = "drifted, and left as it is";
	if (o->ignore)
		code = waivers_read_file(&r.arena, o->ignore, &r.waivers, err);
	if (!code) {
		for (size_t i = 0; i < s->diff.n; i++)
			add_object(&r, &s->arena, &s->diff.objects[i]);
		report_finish(&r);
		code = outcome(&r, o->diff.detailed_exit);
		render(&s->arena, &r, (enum report_format)o->output, code, out);
		report_render(&r, REPORT_SHORT, gist);
	}
	report_release(&r);
	return code;
}

static int look(const struct config_drift_opts *o, struct strbuf *out, struct strbuf *gist,
		struct error *err)
{
	struct config_scene s;
	int r = config_scene_load(&s, &o->diff, err);

	if (!r)
		r = tell(o, &s, out, gist, err);
	config_scene_release(&s);
	return r;
}

struct watch {
	const struct cli_call *call;
	const struct config_drift_opts *opts;
	struct strbuf gist; /* of what was printed last */
	bool due, stopped;
	int code;
};

/* Prints what has changed since the last look; one that fails is said, and the next one comes. */
static void look_again(struct watch *w)
{
	auto_release(strbuf) struct strbuf out = STRBUF_INIT, gist = STRBUF_INIT;
	struct error err = ERROR_INIT;
	int r = look(w->opts, &out, &gist, &err);

	if (r < 0) {
		fprintf(w->call->err, "%s: %s\n", w->call->program->name, err.msg);
		return;
	}
	w->code = r;
	if (str_eq(strbuf_cstr(&gist), strbuf_cstr(&w->gist)))
		return;
	fwrite(strbuf_cstr(&out), 1, out.len, w->call->out);
	fflush(w->call->out);
	strbuf_clear(&w->gist);
	strbuf_adds(&w->gist, strbuf_cstr(&gist));
}

static void on_timer(void *arg)
{
	((struct watch *)arg)->due = true;
}

static void on_signal(void *arg, UNUSED int signo)
{
	((struct watch *)arg)->stopped = true;
}

/* Until somebody ends it; then the code of the last look. */
static int watch(struct watch *w, struct error *err)
{
	struct loop *loop = loop_new(NULL);
	struct loop_timer *timer = loop_timer_new(loop, on_timer, w);
	struct loop_signal *interrupt = loop_signal_new(loop, SIGINT, on_signal, w);
	struct loop_signal *terminate = loop_signal_new(loop, SIGTERM, on_signal, w);
	int r = 0;

	while (r >= 0 && !w->stopped) {
		loop_timer_set(timer, w->opts->every);
		for (w->due = false; r >= 0 && !w->due && !w->stopped;)
			r = loop_turn(loop, true, err);
		if (r >= 0 && w->due)
			look_again(w);
	}
	loop_signal_free(terminate);
	loop_signal_free(interrupt);
	loop_timer_free(timer);
	loop_free(loop);
	return r < 0 ? r : w->code;
}

static bool from_stdin(const struct cli_list *files)
{
	for (size_t i = 0; i < files->n; i++)
		if (str_eq(files->items[i], "-"))
			return true;
	return false;
}

int verb_drift(const struct cli_call *call, struct error *err)
{
	struct config_drift_opts o = *(const struct config_drift_opts *)call->opts;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct watch w = {.call = call, .opts = &o, .gist = STRBUF_INIT};
	struct secret_key key;
	int r;

	if (o.diff.files.n == 0 && o.diff.live)
		return cli_usage(call, "say with -f what was applied (- is standard input)");
	if (o.once && o.watch)
		return cli_usage(call, "--once or --watch, not both");
	if (o.watch && from_stdin(&o.diff.files))
		return cli_usage(call, "--watch reads the manifests again and again: give files");
	/* One for all looks, because digests are compared; a history has its own. */
	r = o.diff.files.n ? config_key(&o.diff, &key, err) : 0;
	if (o.diff.files.n)
		o.diff.key = &key;
	if (!r)
		r = look(&o, &out, &w.gist, err);
	if (r >= 0) {
		fwrite(strbuf_cstr(&out), 1, out.len, call->out);
		fflush(call->out);
		w.code = r;
	}
	if (r >= 0 && o.watch)
		r = watch(&w, err);
	strbuf_release(&w.gist);
	return r;
}
