/* SPDX-License-Identifier: Apache-2.0 */
/* The verb diff: reads the sets, hides what is secret, compares, prints. */
#include <string.h>

#include "lib/base/macros.h"
#include "lib/base/str.h"
#include "upgrade/config.h"

static int read_set(struct config_scene *s, struct snapshot *set, const char *path,
		    const char *namespace, struct error *err)
{
	set->arena = &s->arena;
	set->default_namespace = namespace;
	return snapshot_read(set, path, err);
}

static int read_desired(struct config_scene *s, const struct config_diff_opts *o, struct error *err)
{
	int r = 0;

	for (size_t i = 0; !r && i < o->files.n; i++)
		r = read_set(s, &s->desired, o->files.items[i], o->namespace_, err);
	return r;
}

/* The sets that the desired one is compared with. */
static int read_others(struct config_scene *s, const struct config_diff_opts *o, struct error *err)
{
	int r = 0;

	s->live_name = o->against ? o->against : o->live ? o->live : "live";
	if (o->against)
		return read_set(s, &s->live, o->against, o->namespace_, err);
	if (o->applied)
		r = read_set(s, &s->applied, o->applied, o->namespace_, err);
	if (r)
		return r;
	if (o->live)
		return read_set(s, &s->live, o->live, o->namespace_, err);
	return config_live_open(s, o->kubeconfig, o->context, err);
}

static void redact_set(struct config_scene *s, const struct secret_key *key, struct snapshot *set)
{
	for (size_t i = 0; i < set->n; i++) {
		struct doc *d = secret_redact(&s->arena, key, set->items[i]);

		/* Errors and reports say where an object was read, whatever it was made into. */
		d->file = set->items[i]->file;
		d->line = set->items[i]->line;
		d->col = set->items[i]->col;
		set->items[i] = d;
	}
}

int config_key(const struct config_diff_opts *o, struct secret_key *ret_key, struct error *err)
{
	if (o->key) {
		*ret_key = *o->key;
		return 0;
	}
	return o->digest_key ? secret_key_read(o->digest_key, ret_key, err)
			     : secret_key_random(ret_key, err);
}

int config_scene_compare(struct config_scene *s, const struct config_diff_opts *o,
			 struct error *err)
{
	struct diff_input in = {.desired = &s->desired, .live = &s->live};
	struct secret_key key;
	int r = config_key(o, &key, err);

	if (r)
		return r;
	redact_set(s, &key, &s->desired);
	redact_set(s, &key, &s->applied);
	redact_set(s, &key, &s->live);
	/* Two sets of manifests: what the other says is what was applied, and nobody changed it. */
	in.applied = o->against ? &s->live : o->applied ? &s->applied : NULL;
	if (o->was_applied)
		in.applied = &s->desired;
	in.annotations = !in.applied;
	return diff_make(&s->diff, &s->arena, &in, err);
}

int config_scene_load(struct config_scene *s, const struct config_diff_opts *o, struct error *err)
{
	int r;

	memset(s, 0, sizeof(*s));
	snapshot_init(&s->desired, &s->arena);
	snapshot_init(&s->applied, &s->arena);
	snapshot_init(&s->live, &s->arena);
	r = read_desired(s, o, err);
	if (!r)
		r = read_others(s, o, err);
	return r ? r : config_scene_compare(s, o, err);
}

void config_scene_release(struct config_scene *s)
{
	snapshot_release(&s->desired);
	snapshot_release(&s->applied);
	snapshot_release(&s->live);
	arena_release(&s->arena);
}

int verb_diff(const struct cli_call *call, struct error *err)
{
	const struct config_diff_opts *o = call->opts;
	auto_release(strbuf) struct strbuf out = STRBUF_INIT;
	struct config_scene s;
	bool pending = false;
	int r;

	if (o->files.n == 0)
		return cli_usage(call,
				 "say with -f which manifests are wanted (- is standard input)");
	if (o->against && (o->applied || o->live || o->kubeconfig || o->context))
		return cli_usage(call, "--against compares two sets of manifests: it takes neither "
				       "--applied, --live nor a cluster");
	r = config_scene_load(&s, o, err);
	if (!r) {
		config_print(&s, (enum config_format)o->output, (size_t)o->context_lines, &out);
		fwrite(strbuf_cstr(&out), 1, out.len, call->out);
		pending = diff_pending(&s.diff);
	}
	config_scene_release(&s);
	if (r)
		return r;
	return pending && o->detailed_exit ? CLI_CHANGES : CLI_OK;
}
