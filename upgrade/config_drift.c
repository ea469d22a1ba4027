/* SPDX-License-Identifier: Apache-2.0 */
/* The verb drift: what was applied, and what has become of it. Heals nothing. */
#include "lib/base/macros.h"
#include "lib/base/str.h"
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
	f->remedy =
		"Apply again what was applied, or make the change yours, or accept it for a while "
		"with --ignore.";
}

static void add_object(struct report *r, struct arena *a, const struct diff_object *o)
{
	size_t theirs = 0;

	for (size_t i = 0; i < o->n; i++) {
		if (diff_class_pending(o->changes[i].class))
			add_drift(r, a, o, &o->changes[i]);
		theirs += o->changes[i].class == DIFF_THEIRS;
	}
	if (diff_object_pending(o))
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

static int tell(const struct cli_call *call, struct config_scene *s, struct error *err)
{
	const struct config_drift_opts *o = call->opts;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct report r;
	int code = 0;

	report_init(&r, "sidestep-config", "Configuration drift", clock_system());
	if (o->ignore)
		code = waivers_read_file(&r.arena, o->ignore, &r.waivers, err);
	if (!code) {
		for (size_t i = 0; i < s->diff.n; i++)
			add_object(&r, &s->arena, &s->diff.objects[i]);
		report_finish(&r);
		code = outcome(&r, o->diff.detailed_exit);
		render(&s->arena, &r, (enum report_format)o->output, code, &out);
		fwrite(strbuf_cstr(&out), 1, out.len, call->out);
	}
	report_release(&r);
	return code;
}

int verb_drift(const struct cli_call *call, struct error *err)
{
	const struct config_drift_opts *o = call->opts;
	struct config_scene s;
	int r;

	if (o->diff.files.n == 0)
		return cli_usage(call, "say with -f what was applied (- is standard input)");
	r = config_scene_load(&s, &o->diff, err);
	if (!r)
		r = tell(call, &s, err);
	config_scene_release(&s);
	return r;
}
