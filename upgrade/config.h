/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade/config.h - options and verbs of sidestep-config, and what they share. */
#pragma once

#include "lib/base/map.h"
#include "lib/cli/cli.h"
#include "lib/diff/diff.h"
#include "lib/diff/secret.h"
#include "upgrade/config_place.h"

/* X(symbol, name): how a comparison prints. */
#define CONFIG_FORMATS(X)                                                                          \
	X(CONFIG_DIFF, "diff")                                                                     \
	X(CONFIG_TABLE, "table")                                                                   \
	X(CONFIG_JSON, "json")                                                                     \
	X(CONFIG_YAML, "yaml")                                                                     \
	X(CONFIG_JUNIT, "junit")                                                                   \
	X(CONFIG_MARKDOWN, "markdown")                                                             \
	X(CONFIG_HTML, "html")
enum config_format {
#define CONFIG_FORMAT_ENUM(symbol, name) symbol,
	CONFIG_FORMATS(CONFIG_FORMAT_ENUM)
#undef CONFIG_FORMAT_ENUM
};

struct config_diff_opts {
	struct cli_list files; /* -f */
	const char *against, *applied, *live;
	const char *namespace_;
	struct config_where_options where;
	int output;
	int64_t context_lines;
	bool detailed_exit;
	struct cli_list deletes;      /* objects that go, though they would be left */
	bool prune;                   /* what was applied and is not wanted any more goes */
	bool was_applied;             /* what is wanted is what was applied last */
	const struct secret_key *key; /* instead of digest_key's; NULL: that, or a new one */
};

struct config_drift_opts {
	struct config_diff_opts diff;
	const char *ignore; /* a file of waivers */
	int output;         /* enum report_format */
	bool once, watch;
	uint64_t every; /* ns */
};

struct config_apply_opts {
	struct config_diff_opts diff; /* what is wanted, and how it prints */
	const char *why, *as, *out;
	struct cli_list overwrite;
	uint64_t within, valid, keep; /* ns */
	bool unasked, yes, dry_run;
};

struct config_again_opts {
	struct config_where_options where;
	int output; /* enum print_format */
	bool yes, dry_run;
};

struct config_history_opts {
	struct config_where_options where;
	int output; /* of history enum print_format, of show 0 yaml 1 json, of fsck enum
		       report_format */
};

/* What is compared: read, redacted, and as diff_make() takes it. */
struct config_scene {
	struct arena arena;
	struct snapshot desired, applied, live;
	struct diff diff;
	const char *live_name; /* what the left side of a diff is called: "live", a path */
	const char *base_name; /* what `applied` is called: "revision 3"; NULL: not a revision */
	/* Sets that come redacted under the same key, from a history or a plan. */
	bool hidden_desired, hidden_applied, hidden_live;
	struct map plain;     /* address of a redacted object -> the object as it is */
	struct doc *left_out; /* sentences: what was given and is not looked at; NULL: nothing */
	/* Files (of a revision) that applies have made, as the newest revision says; NULL: it does
	 * not say, or there is none. */
	const struct doc *created;
	struct snapshot let_go; /* what stays where it is, and is no longer looked after */
};
void config_scene_init(struct config_scene *s);
/* Reads and compares what the options say. Release it also after a failure. */
int config_scene_load(struct config_scene *s, const struct config_diff_opts *o, struct error *err);
/* The key that the options name, or a new one. */
int config_key(const struct config_diff_opts *o, struct secret_key *ret_key, struct error *err);
/* The second half of it, for sets that are read: hides what is secret, and compares. */
int config_scene_compare(struct config_scene *s, const struct config_diff_opts *o,
			 const struct secret_key *key, struct error *err);
/* The object that a redacted one was made of; NULL: it came redacted. */
struct doc *config_scene_plain(const struct config_scene *s, const struct doc *redacted);
/* Says what a redacted object (of desired) is in truth. */
void config_scene_tell(struct config_scene *s, const struct doc *redacted, struct doc *plain);
void config_scene_release(struct config_scene *s);

/*
 * The manifests of the options' files, in their order, into s->desired. Helm's hooks (tests, jobs
 * before and after) are no part of what a release consists of, and stay out of every set.
 */
int config_read_desired(struct config_scene *s, const struct config_diff_opts *o,
			struct error *err);
/*
 * What the place's newest revision has of what s->desired names (all: of everything, but for what
 * Helm's resource-policy says is to be kept when it is not wanted any more) into s->applied;
 * *ret_newest (may be NULL) is that revision.
 */
int config_read_applied(struct config_scene *s, struct config_place *place, bool all,
			struct store_revision *ret_newest, struct error *err);
/* "Deployment/shop/till" */
const char *config_object_ref(struct arena *a, const struct doc *object);
/* A sentence in s->left_out: the object, and why. */
void config_leave_out(struct config_scene *s, const struct doc *object, const char *why);
/* Puts what is wanted into the namespaces in which the server would: what it is called by. */
int config_live_place(struct config_scene *s, struct cluster *c, struct error *err);
/*
 * The live objects that s->desired and s->applied name, from the API server, into s->live. Objects
 * that are not there are left out; a kind that the server does not know has none.
 */
int config_live_read(struct config_scene *s, struct cluster *c, struct error *err);

void config_print(const struct config_scene *s, enum config_format format, size_t context_lines,
		  struct strbuf *out);

int verb_history(const struct cli_call *call, struct error *err);
int verb_show(const struct cli_call *call, struct error *err);
int verb_fsck(const struct cli_call *call, struct error *err);
int verb_plan(const struct cli_call *call, struct error *err);
int verb_apply(const struct cli_call *call, struct error *err);
int verb_apply_preview(const struct cli_call *call, struct error *err);
int verb_rollback(const struct cli_call *call, struct error *err);
int verb_rollback_preview(const struct cli_call *call, struct error *err);
int verb_status(const struct cli_call *call, struct error *err);
int verb_pause(const struct cli_call *call, struct error *err);
int verb_resume(const struct cli_call *call, struct error *err);
int verb_abort(const struct cli_call *call, struct error *err);
int verb_again_preview(const struct cli_call *call, struct error *err);
int verb_drift(const struct cli_call *call, struct error *err);
int verb_diff(const struct cli_call *call, struct error *err);
