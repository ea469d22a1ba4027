/* SPDX-License-Identifier: Apache-2.0 */
/* migrate/verbs.h - options that verbs share, and the verbs themselves, for main.c's table. */
#pragma once

#include "lib/cli/cli.h"
#include "lib/run/print.h"
#include "migrate/inventory.h"
#include "migrate/plan.h"
#include "migrate/tool.h"

struct cluster_opts {
	const char *kubeconfig, *context, *snapshot;
};

struct look_opts {
	struct cluster_opts cluster;
	int output;
	const char *file, *policies, *profile;
};

struct run_opts {
	struct cluster_opts cluster;
	const char *profile, *plan, *state;
	bool yes, dry_run, roll_back;
	int output;
	const char *file;
};

struct probe_opts {
	const char *result;
	uint64_t within;
	bool expect_sidecar;
};

/* Every verb prints the house's formats; those that make policies print them as manifests too. */
enum { LOOK_MANIFESTS = PRINT_FORMAT_COUNT };

/* The cluster as one moment: objects, Istio's view of them, who calls whom. */
struct scene {
	struct arena arena;
	struct snapshot snapshot;
	struct istio_mesh mesh;
	struct inventory inventory;
};
/* ns: the namespace that it is about, which must be there; NULL = the whole cluster. */
int scene_load(struct scene *s, const struct cluster_opts *o, const char *ns, struct error *err);
void scene_release(struct scene *s);

/* Prints d or the page (in the format) to the file or standard output. */
int print_result(const struct cli_call *call, int format, const char *file, const struct doc *d,
		 const struct page *page, struct error *err);

int verb_inventory(const struct cli_call *call, struct error *err);
int verb_translate(const struct cli_call *call, struct error *err);
int verb_verify(const struct cli_call *call, struct error *err);
int verb_plan(const struct cli_call *call, struct error *err);

int verb_run(const struct cli_call *call, struct error *err);
int verb_run_preview(const struct cli_call *call, struct error *err);
int verb_resume(const struct cli_call *call, struct error *err);
int verb_rollback(const struct cli_call *call, struct error *err);
int verb_back_preview(const struct cli_call *call, struct error *err);
int verb_pause(const struct cli_call *call, struct error *err);
int verb_status(const struct cli_call *call, struct error *err);
int verb_report(const struct cli_call *call, struct error *err);
int verb_probe(const struct cli_call *call, struct error *err);

/* Makes the plan of a scene. p is released by the caller when this succeeds. */
int plan_for(struct scene *s, const char *ns, const char *profile_path, struct plan *p,
	     struct error *err);
