/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade/config.h - options and verbs of sidestep-config, and what they share. */
#pragma once

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
	const char *namespace_, *digest_key;
	const char *kubeconfig, *context;
	int output;
	int64_t context_lines;
	bool detailed_exit;
	bool was_applied;             /* what is wanted is what was applied last */
	const struct secret_key *key; /* instead of digest_key's; NULL: that, or a new one */
};

struct config_drift_opts {
	struct config_diff_opts diff;
	const char *ignore; /* a file of waivers */
	int output;         /* enum report_format */
	bool watch;
	uint64_t every; /* ns */
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
};
/* Reads and compares what the options say. Release it also after a failure. */
int config_scene_load(struct config_scene *s, const struct config_diff_opts *o, struct error *err);
/* The key that the options name, or a new one. */
int config_key(const struct config_diff_opts *o, struct secret_key *ret_key, struct error *err);
/* The second half of it, for sets that are read: hides what is secret, and compares. */
int config_scene_compare(struct config_scene *s, const struct config_diff_opts *o,
			 struct error *err);
void config_scene_release(struct config_scene *s);

struct kube_client;
/*
 * The live objects that s->desired and s->applied name, from the API server, into s->live. Objects
 * that are not there are left out; a kind that the server does not know has none.
 */
int config_live_read(struct config_scene *s, struct kube_client *client, struct error *err);
/* The same from the API of kubeconfig and context (NULL: the usual places). */
int config_live_open(struct config_scene *s, const char *kubeconfig, const char *context,
		     struct error *err);

void config_print(const struct config_scene *s, enum config_format format, size_t context_lines,
		  struct strbuf *out);

int verb_history(const struct cli_call *call, struct error *err);
int verb_show(const struct cli_call *call, struct error *err);
int verb_fsck(const struct cli_call *call, struct error *err);
int verb_drift(const struct cli_call *call, struct error *err);
int verb_diff(const struct cli_call *call, struct error *err);
